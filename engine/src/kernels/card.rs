//! What candle's kernels for graphics cards can count, and how larger work is cut.
//!
//! They number threads with 32 bits and step on by the number of threads: beyond 2^31 numbers that wraps,
//! and results are wrong without an error. What can be cut is cut, the rest refused.

use std::ops::Range;

use candle_core::Device;

use super::raw::count;
use crate::{EngineError, Result};

/// Numbers of a tensor that a card can count.
pub(super) const MOST: usize = 1 << 31;

/// Numbers of a tensor that this device can count.
pub(super) fn most(device: &Device) -> usize {
    if device.is_cpu() { usize::MAX } else { MOST }
}

/// An error that names the sizes of a tensor that the device cannot count.
pub(super) fn check(device: &Device, what: &str, sizes: &[usize]) -> Result<()> {
    check_most(most(device), what, sizes)
}

fn check_most(most: usize, what: &str, sizes: &[usize]) -> Result<()> {
    if most == usize::MAX || count(sizes).is_ok_and(|all| all <= most) {
        return Ok(());
    }
    let all: f64 = sizes.iter().map(|&size| size as f64).product();
    Err(EngineError::bad_input(
        what,
        format!("{sizes:?} are {all:.3e} numbers, and a card counts up to {most}"),
        "use fewer images at once, or smaller ones",
    ))
}

/// A part of a convolution: images, and rows of their results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) images: Range<usize>,
    pub(super) rows: Range<usize>,
}

/// Cuts a convolution to `images` of `rows` x `columns` results into parts whose patches, of `patch` numbers
/// each, are at most `most` numbers; as few parts as can be, and nearly equal. `None` if a single row of
/// results has more.
pub(super) fn parts(
    images: usize,
    (rows, columns): (usize, usize),
    patch: usize,
    most: usize,
) -> Option<Vec<Part>> {
    let row = columns.saturating_mul(patch).max(1);
    let image = row.saturating_mul(rows).max(1);
    if image <= most {
        let cut = even(images, most / image);
        return Some(cut.into_iter().map(|images| Part { images, rows: 0..rows }).collect());
    }
    if row > most {
        return None;
    }
    let bands = even(rows, most / row);
    let of_image = |image: usize| {
        bands.iter().map(move |rows| Part { images: image..image + 1, rows: rows.clone() })
    };
    Some((0..images).flat_map(of_image).collect())
}

/// The fewest nearly equal ranges of at most `most`; a single empty one of nothing.
fn even(all: usize, most: usize) -> Vec<Range<usize>> {
    let count = all.div_ceil(most.max(1)).max(1);
    (0..count).map(|i| i * all / count..(i + 1) * all / count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_card_cannot_count_is_an_error_that_names_the_sizes() {
        let sizes = [16, 128, 1024, 1024];
        assert!(check_most(MOST, "images", &sizes).is_ok(), "exactly 2^31");
        let problem = check_most(MOST, "images", &[17, 128, 1024, 1024]).unwrap_err().problem();
        assert!(problem.summary.contains("[17, 128, 1024, 1024]"), "{problem}");
        assert!(problem.summary.contains("2147483648") && problem.bad_input, "{problem}");
        // What is left of 2^64 numbers is none.
        assert!(check_most(MOST, "images", &[1 << 32, 1 << 32]).is_err());
        assert!(check(&Device::Cpu, "images", &[1 << 32, 1 << 32]).is_ok(), "counts with 64 bits");
    }

    #[test]
    fn a_convolution_is_cut_into_as_few_nearly_equal_parts_as_can_be() {
        let images = |parts: &[Part]| parts.iter().map(|p| p.images.clone()).collect::<Vec<_>>();
        // A whole batch, exactly as much as is allowed.
        assert_eq!(parts(4, (8, 8), 27, 4 * 8 * 8 * 27).unwrap().len(), 1);
        // One number less allowed: two parts of two images, not one of three and one of one.
        let two = parts(4, (8, 8), 27, 4 * 8 * 8 * 27 - 1).unwrap();
        assert_eq!(images(&two), [0..2, 2..4]);
        assert!(two.iter().all(|part| part.rows == (0..8)));
        // 3x3 of 128 channels over 64 images of 512x512 is 1.9e10 numbers: seven images at a time.
        let real = parts(64, (512, 512), 128 * 9, MOST).unwrap();
        assert_eq!(real.len(), 10);
        assert!(real.iter().all(|part| part.images.len() * 512 * 512 * 128 * 9 <= MOST));
        assert_eq!(real.iter().map(|part| part.images.len()).sum::<usize>(), 64);
        // One image of 4096x4096 has too many: bands of rows.
        let bands = parts(2, (4096, 4096), 128 * 9, MOST).unwrap();
        assert_eq!(bands.len(), 2 * 10);
        assert!(bands.iter().all(|part| part.images.len() == 1));
        assert!(bands.iter().all(|part| part.rows.len() * 4096 * 128 * 9 <= MOST));
        let rows: Vec<usize> = bands.iter().flat_map(|part| part.rows.clone()).collect();
        assert_eq!(rows, [(0..4096).collect::<Vec<_>>(), (0..4096).collect()].concat());
        // A row that has too many cannot be cut, also where its numbers cannot be counted.
        assert_eq!(parts(1, (2, 1 << 20), 1 << 12, MOST), None);
        assert_eq!(parts(1, (2, usize::MAX), usize::MAX, MOST), None);
        assert_eq!(parts(3, (2, 2), 4, usize::MAX).unwrap().len(), 1);
        // Nothing is still one part, which has the shape of the result.
        assert_eq!(parts(0, (4, 4), 9, MOST).unwrap(), [Part { images: 0..0, rows: 0..4 }]);
    }
}
