//! The nearest code on the CPU: a tile of scores at a time and a running minimum, so that no
//! (vectors, codes) matrix exists.

use rayon::prelude::*;

use super::raw::{LANES, Strides, add_product, wide};
use crate::{EngineError, Result};

/// Vectors of a tile.
const ROWS: usize = 64;
/// Codes of a tile.
const CODES: usize = 512;

/// Indices of the nearest codes of `vectors` (N, dim) among `codes` (K, dim), by squared distance,
/// the first of equals.
///
/// # Errors
/// [`EngineError::BadInput`] if there are no codes, or a value is not finite; its place is named.
pub(super) fn nearest(vectors: &[f32], codes: &[f32], dim: usize) -> Result<Vec<u32>> {
    if codes.is_empty() || dim == 0 {
        return Err(EngineError::bad_input("codebook", "there are no codes", ""));
    }
    check(vectors, dim, "latents")?;
    check(codes, dim, "codebook")?;
    // |e - v|^2 / 2 without |v|^2: orders codes as the distance does.
    let halves: Vec<f32> = codes
        .chunks_exact(dim)
        .map(|code| (code.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / 2.0) as f32)
        .collect();
    let mut found = vec![0_u32; vectors.len() / dim];
    found.par_chunks_mut(ROWS).zip(vectors.par_chunks(ROWS * dim)).for_each_init(
        || vec![0.0; ROWS * CODES],
        |scores, (found, vectors)| {
            let mut best = vec![f32::INFINITY; found.len()];
            for (tile, (codes, halves)) in
                codes.chunks(CODES * dim).zip(halves.chunks(CODES)).enumerate()
            {
                let scores = &mut scores[..found.len() * halves.len()];
                scores.fill(0.0);
                add_product(
                    (scores, Strides::by_rows(halves.len())),
                    (found.len(), halves.len(), dim),
                    (vectors, Strides::by_rows(dim)),
                    (codes, Strides::by_rows(dim).transposed()),
                );
                for (row, scores) in scores.chunks_exact(halves.len()).enumerate() {
                    let (score, place) = wide(|| smallest(scores, halves));
                    if score < best[row] {
                        best[row] = score;
                        found[row] = (tile * CODES) as u32 + place;
                    }
                }
            }
        },
    );
    Ok(found)
}

/// An error that names the place of the first value that is not finite.
pub(super) fn check(values: &[f32], dim: usize, what: &str) -> Result<()> {
    match values.iter().position(|x| !x.is_finite()) {
        None => Ok(()),
        Some(at) => Err(EngineError::bad_input(
            what,
            format!("vector {}, dimension {} is {}", at / dim, at % dim, values[at]),
            "the weights or the training run may have diverged",
        )),
    }
}

/// The smallest of `half - product` and the first place that has it.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled for the caller's instruction set")]
fn smallest(products: &[f32], halves: &[f32]) -> (f32, u32) {
    let mut values = [f32::INFINITY; LANES];
    let mut places = [u32::MAX; LANES];
    let full = products.len() / LANES * LANES;
    for start in (0..full).step_by(LANES) {
        let (products, halves) = (&products[start..start + LANES], &halves[start..start + LANES]);
        for lane in 0..LANES {
            let score = halves[lane] - products[lane];
            let less = score < values[lane];
            values[lane] = if less { score } else { values[lane] };
            places[lane] = if less { (start + lane) as u32 } else { places[lane] };
        }
    }
    let mut best = (f32::INFINITY, u32::MAX);
    let rest = (full..products.len()).map(|i| (halves[i] - products[i], i as u32));
    for (score, place) in values.into_iter().zip(places).chain(rest) {
        if score < best.0 || (score == best.0 && place < best.1) {
            best = (score, place);
        }
    }
    best
}
