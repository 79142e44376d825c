//! Where a part's cells lie in the picture.

use super::Cell;
use super::part::PartShape;

/// A part laid over a picture: each cell is a rectangle, and the rectangles fill the picture. A coarse
/// scale has large ones, a residual level the same ones as the level before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Places {
    /// The part's shape.
    pub shape: PartShape,
    /// Pixels of the picture, height and width.
    pub picture: (usize, usize),
}

impl Places {
    /// The first pixel of a row of cells, and of the row after the last.
    pub fn top(&self, row: usize) -> usize {
        row * self.picture.0 / self.shape.rows.max(1)
    }

    /// The first pixel of a column of cells, and of the column after the last.
    pub fn left(&self, column: usize) -> usize {
        column * self.picture.1 / self.shape.columns.max(1)
    }

    /// A cell's pixels: left, top, width, height. At least one pixel, also where there are more cells
    /// than pixels.
    pub fn rectangle(&self, row: usize, column: usize) -> [usize; 4] {
        let (top, left) = (self.top(row), self.left(column));
        let (bottom, right) = (self.top(row + 1), self.left(column + 1));
        [left, top, (right - left).max(1), (bottom - top).max(1)]
    }

    /// The cell at a pixel of the first frame, if the pixel is inside.
    pub fn cell_at(&self, part: usize, x: usize, y: usize) -> Option<Cell> {
        let (height, width) = self.picture;
        if x >= width || y >= height {
            return None;
        }
        // The last cell that begins at or before the pixel.
        let row = ((y + 1) * self.shape.rows).div_ceil(height) - 1;
        let column = ((x + 1) * self.shape.columns).div_ceil(width) - 1;
        Some(Cell::of(part, row, column))
    }

    /// The mean over each cell of values (H, W) of the picture, row by row.
    pub fn means(&self, values: &[f32]) -> Vec<f32> {
        let (height, width) = self.picture;
        let mut means = Vec::with_capacity(self.shape.rows * self.shape.columns);
        for row in 0..self.shape.rows {
            for column in 0..self.shape.columns {
                let [left, top, w, h] = self.rectangle(row, column);
                let (right, bottom) = ((left + w).min(width), (top + h).min(height));
                let lines =
                    (top..bottom).filter_map(|y| values.get(y * width + left..y * width + right));
                let sum: f32 = lines.map(|line| line.iter().sum::<f32>()).sum();
                means.push(sum / ((right - left) * (bottom - top)).max(1) as f32);
            }
        }
        means
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pixel is in exactly the cell whose rectangle has it, for sides that divide and that do not.
    #[test]
    fn cells_tile_the_picture_and_each_pixel_finds_its_own() {
        for (rows, columns, height, width) in [(4, 4, 16, 16), (3, 5, 16, 16), (7, 13, 64, 96)] {
            let places = Places { shape: PartShape::grid(rows, columns), picture: (height, width) };
            let mut hits = vec![0; height * width];
            for row in 0..rows {
                for column in 0..columns {
                    let [left, top, w, h] = places.rectangle(row, column);
                    let pixels = (top..top + h).flat_map(|y| (left..left + w).map(move |x| (x, y)));
                    for (x, y) in pixels {
                        hits[y * width + x] += 1;
                        assert_eq!(places.cell_at(2, x, y), Some(Cell::of(2, row, column)));
                    }
                }
            }
            assert!(hits.iter().all(|n| *n == 1), "{rows}x{columns}");
            assert_eq!(places.cell_at(0, width, 0), None);
        }
    }

    #[test]
    fn means_are_those_of_the_cells_pixels() {
        let places = Places { shape: PartShape::grid(1, 2), picture: (2, 4) };
        assert_eq!(places.means(&[0.0, 1.0, 4.0, 4.0, 2.0, 3.0, 8.0, 8.0]), [1.5, 6.0]);
    }
}
