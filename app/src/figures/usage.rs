//! How a codebook is used, as a picture: one cell a code, brighter the more it is used.

use smalti_engine::Result;
use smalti_engine::images::Picture;

use super::canvas::Canvas;
use crate::look::palette::{GROUND, LINE, viridis};

/// The heatmap of counts, codes in their own order row by row, on a logarithmic scale; a code that
/// never occurs is an empty frame. About `side` pixels wide.
///
/// # Errors
/// If there are no counts.
pub fn usage_heatmap(counts: &[u64], side: usize) -> Result<Picture> {
    let columns = columns_for(counts.len());
    let rows = counts.len().div_ceil(columns).max(1);
    let cell = (side / columns).max(1);
    let joint = usize::from(cell >= 4);
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let full = ((most + 1) as f32).ln();
    let mut canvas = Canvas::new(columns * cell, rows * cell, GROUND);
    for (code, count) in counts.iter().enumerate() {
        let corner = (code % columns * cell, code / columns * cell);
        let size = (cell - joint, cell - joint);
        if *count > 0 {
            canvas.fill(corner, size, viridis(((*count + 1) as f32).ln() / full));
        } else {
            canvas.fill(corner, size, LINE);
            if cell >= 6 {
                canvas.fill((corner.0 + 1, corner.1 + 1), (size.0 - 2, size.1 - 2), GROUND);
            }
        }
    }
    canvas.finish()
}

/// Columns of a heatmap of `codes` cells: wider than high, so that it fits beside text.
pub fn columns_for(codes: usize) -> usize {
    let columns = (codes as f64 * 1.6).sqrt().ceil() as usize;
    columns.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_codes_are_told_from_unused_ones_and_more_is_brighter() {
        let map = usage_heatmap(&[0, 1, 100], 60).unwrap();
        let columns = columns_for(3);
        let cell = 60 / columns as u32;
        let middle = |code: u32| {
            let (x, y) = (code % columns as u32, code / columns as u32);
            map.pixel(x * cell + cell / 2, y * cell + cell / 2).unwrap()
        };
        assert_eq!(middle(0), GROUND);
        assert_eq!(middle(2), viridis(1.0));
        assert_ne!(middle(1), middle(0));
        assert_ne!(middle(1), middle(2));
    }

    #[test]
    fn a_very_large_codebook_still_is_a_picture() {
        let map = usage_heatmap(&vec![1; 1 << 18], 800).unwrap();
        assert!(map.width() <= 800 && map.height() >= 400);
    }
}
