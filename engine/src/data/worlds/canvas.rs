//! The canvas: pixels with world coordinates, silhouettes and shapes with soft edges.
//!
//! World coordinates: the short side of the picture is 1 long, u = 0 is the middle column, v grows
//! downward, and the square -0.5..0.5 x 0..1 is in every picture, whatever its shape.

use super::color::{BLACK, Color, unit};

/// Samples a column when a silhouette is drawn.
pub(super) const FINE: usize = 4;

/// Pixels under work.
#[derive(Debug)]
pub(super) struct Canvas {
    pub width: usize,
    pub height: usize,
    /// A pixel's side in world units.
    pub px: f32,
    left: f32,
    top: f32,
    pub pixels: Vec<Color>,
}

/// A silhouette: the height (v) of its edge at [`FINE`] places a column.
#[derive(Debug)]
pub(super) struct Edge {
    pub fine: Vec<f32>,
}

impl Edge {
    /// The mean height of the edge in column `x`.
    #[inline]
    pub(super) fn column(&self, x: usize) -> &[f32] {
        &self.fine[x * FINE..(x + 1) * FINE]
    }
}

impl Canvas {
    /// Black, with at least one pixel.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let px = 1.0 / width.min(height) as f32;
        Self {
            width,
            height,
            px,
            left: (0.5 - width as f32 * 0.5) * px,
            top: 0.5 + (0.5 - height as f32 * 0.5) * px,
            pixels: vec![BLACK; width * height],
        }
    }

    /// World u of a column's middle.
    #[inline]
    pub(super) fn u(&self, x: usize) -> f32 {
        self.left + x as f32 * self.px
    }

    /// World v of a row's middle.
    #[inline]
    pub(super) fn v(&self, y: usize) -> f32 {
        self.top + y as f32 * self.px
    }

    /// World v of the picture's upper edge.
    pub(super) fn upper(&self) -> f32 {
        self.top - 0.5 * self.px
    }

    /// World v of the picture's lower edge: 1 unless the picture is tall.
    pub(super) fn lower(&self) -> f32 {
        1.0 - self.upper()
    }

    /// World u of the picture's right edge; the left one is its negative.
    pub(super) fn right(&self) -> f32 {
        0.5 * self.width as f32 * self.px
    }

    /// The rows that `v0..v1` touches.
    pub(super) fn rows(&self, v0: f32, v1: f32) -> std::ops::Range<usize> {
        range((v0 - self.top) / self.px, (v1 - self.top) / self.px, self.height)
    }

    /// The columns that `u0..u1` touches.
    pub(super) fn columns(&self, u0: f32, u1: f32) -> std::ops::Range<usize> {
        range((u0 - self.left) / self.px, (u1 - self.left) / self.px, self.width)
    }

    /// A row of pixels.
    #[inline]
    pub(super) fn row(&mut self, y: usize) -> &mut [Color] {
        &mut self.pixels[y * self.width..(y + 1) * self.width]
    }

    /// Puts `color` over a pixel.
    #[inline]
    pub(super) fn blend(&mut self, x: usize, y: usize, color: Color, alpha: f32) {
        let pixel = &mut self.pixels[y * self.width + x];
        *pixel = pixel.mix(color, alpha);
    }

    /// The color at a place, between pixels; outside, the nearest inside.
    #[inline]
    pub(super) fn sample(&self, u: f32, v: f32) -> Color {
        let x = ((u - self.left) / self.px).clamp(0.0, (self.width - 1) as f32);
        let y = ((v - self.top) / self.px).clamp(0.0, (self.height - 1) as f32);
        let (i, j) = (x as usize, y as usize);
        let (tx, ty) = (x - i as f32, y - j as f32);
        let (i1, j1) = ((i + 1).min(self.width - 1), (j + 1).min(self.height - 1));
        let at = |i: usize, j: usize| self.pixels[j * self.width + i];
        let upper = at(i, j).mix(at(i1, j), tx);
        let lower = at(i, j1).mix(at(i1, j1), tx);
        upper.mix(lower, ty)
    }

    /// A silhouette from its height at u.
    pub(super) fn edge(&self, height: impl Fn(f32) -> f32) -> Edge {
        let start = self.left - 0.5 * self.px + 0.5 * self.px / FINE as f32;
        let fine = (0..self.width * FINE)
            .map(|i| height(start + i as f32 * self.px / FINE as f32))
            .collect();
        Edge { fine }
    }

    /// Fills below an edge; `paint` gets (x, u, v) and gives the color.
    pub(super) fn below(
        &mut self,
        edge: &Edge,
        bottom: f32,
        paint: impl Fn(usize, f32, f32) -> Color,
    ) {
        let per_px = 1.0 / self.px;
        let last = self.rows(bottom, bottom + self.px).start;
        for x in 0..self.width {
            let fine = edge.column(x);
            let (mut high, mut low) = (fine[0], fine[0]);
            for &f in fine {
                high = high.min(f);
                low = low.max(f);
            }
            let u = self.u(x);
            for y in self.rows(high, self.v(self.height)).start..last.min(self.height) {
                let v = self.v(y);
                let alpha = if v > low + self.px {
                    1.0
                } else {
                    fine.iter().map(|f| unit((v - f) * per_px + 0.5)).sum::<f32>() / FINE as f32
                };
                if alpha > 0.0 {
                    self.blend(x, y, paint(x, u, v), alpha);
                }
            }
        }
    }

    /// Fills where `distance` (negative inside, world units) says, inside a box (u0, v0, u1, v1).
    pub(super) fn shape(
        &mut self,
        bounds: [f32; 4],
        alpha: f32,
        distance: impl Fn(f32, f32) -> f32,
        paint: impl Fn(f32, f32) -> Color,
    ) {
        let [u0, v0, u1, v1] = bounds;
        let (columns, per_px) = (self.columns(u0 - self.px, u1 + self.px), 1.0 / self.px);
        for y in self.rows(v0 - self.px, v1 + self.px) {
            let v = self.v(y);
            for x in columns.clone() {
                let u = self.u(x);
                let cover = unit(0.5 - distance(u, v) * per_px) * alpha;
                if cover > 0.0 {
                    self.blend(x, y, paint(u, v), cover);
                }
            }
        }
    }
}

/// Pixels whose middle lies in a..b (in pixels), one more at each end, inside 0..n.
fn range(a: f32, b: f32, n: usize) -> std::ops::Range<usize> {
    let first = a.max(0.0).min(n as f32) as usize;
    let last = (b + 2.0).max(0.0).min(n as f32) as usize;
    first..last.max(first)
}
