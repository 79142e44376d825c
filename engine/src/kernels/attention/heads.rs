//! Where the heads of queries, keys and values lie.

use super::super::grid::Grid;
use super::super::scratch::Place;

/// Numbers (B, H, L, D) in memory, whatever their order.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Heads<P> {
    pub(in crate::kernels) start: Place<P>,
    /// Distances along B, H, L and D.
    pub(in crate::kernels) strides: [usize; 4],
}

impl Heads<*const f32> {
    /// The matrix (L, D) of a head from row `first`.
    pub(super) fn rows(self, (b, h): (usize, usize), first: usize) -> Grid<*const f32> {
        let [batch, head, rows, columns] = self.strides;
        let at = b * batch + h * head + first * rows;
        Grid { start: self.start.get().wrapping_add(at), rows, columns }
    }
}

impl Heads<*mut f32> {
    /// The matrix (L, D) of a head from row `first`.
    pub(super) fn rows(self, (b, h): (usize, usize), first: usize) -> Grid<*mut f32> {
        let [batch, head, rows, columns] = self.strides;
        let at = b * batch + h * head + first * rows;
        Grid { start: self.start.get().wrapping_add(at), rows, columns }
    }
}
