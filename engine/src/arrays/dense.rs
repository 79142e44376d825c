//! Numbers without gaps as NumPy lays them, brought into row order and little-endian bytes.

use crate::checkpoints::ElementType;

/// How numbers without gaps lie.
#[derive(Debug)]
pub(super) struct Dense {
    pub(super) element: ElementType,
    pub(super) shape: Vec<usize>,
    pub(super) is_big_endian: bool,
    /// Column by column, as Fortran has them.
    pub(super) is_columns_first: bool,
}

impl Dense {
    /// Bytes of all numbers; checked against the file's when its header was read.
    pub(super) fn byte_len(&self) -> u64 {
        product(&self.shape).unwrap_or(u64::MAX).saturating_mul(self.element.size() as u64)
    }

    /// The numbers, row by row and little-endian.
    pub(super) fn rows_first(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let size = self.element.size();
        if self.is_big_endian {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        if !self.is_columns_first {
            return bytes;
        }
        // Steps between neighbors along each dimension, in numbers.
        let steps: Vec<usize> = self
            .shape
            .iter()
            .scan(1_usize, |step, &n| Some(std::mem::replace(step, step.saturating_mul(n))))
            .collect();
        let mut out = Vec::with_capacity(bytes.len());
        let mut index = vec![0_usize; self.shape.len()];
        let mut place = 0_usize;
        for _ in 0..bytes.len() / size {
            out.extend_from_slice(bytes.get(place * size..(place + 1) * size).unwrap_or_default());
            for d in (0..self.shape.len()).rev() {
                index[d] += 1;
                place += steps[d];
                if index[d] < self.shape[d] {
                    break;
                }
                place -= index[d] * steps[d];
                index[d] = 0;
            }
        }
        out
    }
}

/// How many numbers a shape has; `None` if that overflows.
pub(super) fn product(shape: &[usize]) -> Option<u64> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1_u64, |n, &size| n.checked_mul(size as u64))
}
