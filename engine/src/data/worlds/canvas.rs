//! The canvas: pixels with world coordinates, silhouettes and shapes with soft edges.
//!
//! World coordinates: the short side of the picture is 1 long, u = 0 is the middle column, v grows
//! downward, and the square -0.5..0.5 x 0..1 is in every picture, whatever its shape.

use std::ops::{Index, Range};

use super::color::{BLACK, Color, unit};

/// Samples a column when a silhouette is drawn.
pub(super) const FINE: usize = 4;

/// How far from a pixel (world units, to the side or below) the colors lie that decide it: water mirrors
/// what is above it, bent to the side by ripples of at most 1.3 * 0.05 and down by 1.3 * 0.03.
const REACH: f32 = 0.07;
/// How far to the side silhouettes are looked at, in places of [`FINE`] a column.
const LOOK: usize = 12;

/// Pixels under work.
#[derive(Debug)]
pub(super) struct Canvas {
    pub width: usize,
    pub height: usize,
    /// A pixel's side in world units.
    pub px: f32,
    left: f32,
    top: f32,
    /// The columns and rows that are painted.
    painted: (Range<usize>, Range<usize>),
    pub pixels: Vec<Color>,
}

/// What was worked out for each painted column.
#[derive(Debug)]
pub(super) struct Columns<T> {
    first: usize,
    values: Vec<T>,
}

impl<T> Index<usize> for Columns<T> {
    type Output = T;
    #[inline]
    fn index(&self, x: usize) -> &T {
        &self.values[x - self.first]
    }
}

/// A silhouette: the height (v) of its edge at [`FINE`] places a column.
#[derive(Debug)]
pub(super) struct Edge {
    fine: Vec<f32>,
    /// The place of the first in the whole picture.
    first: usize,
}

impl Edge {
    /// The heights of the edge in column `x`.
    #[inline]
    pub(super) fn column(&self, x: usize) -> &[f32] {
        let at = x * FINE - self.first;
        &self.fine[at..at + FINE]
    }

    /// From three columns to the left of `x` to three to the right, as far as there are any: how many
    /// places that is and how much farther down (v) the edge is there.
    #[inline]
    pub(super) fn around(&self, x: usize) -> (usize, f32) {
        let at = x * FINE - self.first;
        let (a, b) = (at.saturating_sub(LOOK), (at + LOOK).min(self.fine.len() - 1));
        (b - a, self.fine[b] - self.fine[a])
    }
}

impl Canvas {
    /// Black, with at least one pixel, to be painted where it decides the pixels `x`, `y` (inside).
    ///
    /// What does not reach them is left out. What is above is painted where there is water, which
    /// mirrors it.
    pub(super) fn new(
        (width, height): (usize, usize),
        (x, y): (Range<usize>, Range<usize>),
        has_water: bool,
    ) -> Self {
        let px = 1.0 / width.min(height) as f32;
        let reach = (REACH / px) as usize + 2;
        let columns = x.start.saturating_sub(reach)..(x.end + reach).min(width);
        let first = if has_water { 0 } else { y.start };
        Self {
            painted: (columns, first..(y.end + reach).min(height)),
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
    pub(super) fn rows(&self, v0: f32, v1: f32) -> Range<usize> {
        range((v0 - self.top) / self.px, (v1 - self.top) / self.px, self.down())
    }

    /// The columns that `u0..u1` touches.
    pub(super) fn columns(&self, u0: f32, u1: f32) -> Range<usize> {
        range((u0 - self.left) / self.px, (u1 - self.left) / self.px, self.across())
    }

    /// All columns that are painted.
    #[inline]
    pub(super) fn across(&self) -> Range<usize> {
        self.painted.0.clone()
    }

    /// All rows that are painted.
    #[inline]
    pub(super) fn down(&self) -> Range<usize> {
        self.painted.1.clone()
    }

    /// Something for each column that is painted.
    pub(super) fn each_column<T>(&self, of: impl Fn(usize) -> T) -> Columns<T> {
        Columns { first: self.painted.0.start, values: self.across().map(of).collect() }
    }

    /// The painted part of a row.
    #[inline]
    pub(super) fn row_mut(&mut self, y: usize) -> &mut [Color] {
        let Range { start, end } = self.across();
        &mut self.pixels[y * self.width + start..y * self.width + end]
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
        let columns = self.across();
        let first = (columns.start * FINE).saturating_sub(LOOK);
        let end = (columns.end * FINE + LOOK).min(self.width * FINE);
        let fine = (first..end).map(|i| height(start + i as f32 * self.px / FINE as f32)).collect();
        Edge { fine, first }
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
        for x in self.across() {
            let fine = edge.column(x);
            let (mut high, mut low) = (fine[0], fine[0]);
            for &f in fine {
                high = high.min(f);
                low = low.max(f);
            }
            let u = self.u(x);
            for y in self.rows(high, self.v(self.height)).start..last {
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

/// Pixels whose middle lies in a..b (in pixels), one more at each end, inside `all`.
fn range(a: f32, b: f32, all: Range<usize>) -> Range<usize> {
    let (least, most) = (all.start as f32, all.end as f32);
    let first = a.max(least).min(most) as usize;
    let last = (b + 2.0).max(least).min(most) as usize;
    first..last.max(first)
}
