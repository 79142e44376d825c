//! What is asked of symmetric matrices (D, D), row by row: eigenvalues, factors, products. Of 2,048 features, as
//! Inception has them, each takes seconds and not minutes; results do not depend on the number of threads.
//!
//! Source: Golub & Van Loan, *Matrix Computations*, 8.3 (tridiagonal form, implicit QL) and 4.2.8 (pivoted
//! Cholesky).

use rayon::prelude::*;

use crate::Result;

/// Is told how far something is, 0 to 1, and says whether it is still wanted.
pub(super) type Told<'a> = &'a mut dyn FnMut(f32) -> Result<()>;

/// Rows of a product that one task makes together, so that a row of the other matrix is read once for all of them.
const ROWS: usize = 8;
/// Rows of a product between two words of how far it is: enough tasks for all processors.
const BAND: usize = 16 * ROWS;
/// Tasks of fewer rows than this would cost more than they do.
const LEAST_ROWS: usize = 64;
/// An eigenvalue is found after two or three rounds; what is not a number is never found.
const MOST_ROUNDS: usize = 60;

/// The product of (n, k) and (k, m).
pub(super) fn product(
    a: &[f64],
    b: &[f64],
    (k, m): (usize, usize),
    told: Told<'_>,
) -> Result<Vec<f64>> {
    let mut out = vec![0.0; a.len() / k.max(1) * m];
    if m == 0 {
        return Ok(out);
    }
    let of = out.len() as f32;
    let bands = out.chunks_mut(BAND * m).zip(a.chunks(BAND * k.max(1)));
    for (number, (out, a)) in bands.enumerate() {
        told((number * BAND * m) as f32 / of)?;
        out.par_chunks_mut(ROWS * m).zip(a.par_chunks(ROWS * k.max(1))).for_each(|(out, a)| {
            for (at, b) in b.chunks_exact(m).enumerate() {
                for (out, a) in out.chunks_exact_mut(m).zip(a.chunks_exact(k)) {
                    let factor = a[at];
                    out.iter_mut().zip(b).for_each(|(out, b)| *out += factor * b);
                }
            }
        });
    }
    Ok(out)
}

/// A matrix turned: (n, m) to (m, n).
pub(super) fn turned(matrix: &[f64], m: usize) -> Vec<f64> {
    let n = matrix.len() / m.max(1);
    (0..m).flat_map(|column| (0..n).map(move |row| matrix[row * m + column])).collect()
}

/// F (D, rank) with S = F F^T of a covariance, which may have fewer dimensions than numbers; and the rank.
///
/// The largest variance that is left comes first, so that what is left out at the end is rounding alone.
pub(super) fn factor(s: &[f64], d: usize, told: Told<'_>) -> Result<(Vec<f64>, usize)> {
    let mut left: Vec<f64> = (0..d).map(|i| s[i * d + i]).collect();
    let least = left.iter().copied().fold(0.0, f64::max) * d as f64 * f64::EPSILON;
    let mut f = vec![0.0; d * d];
    let mut rank = 0;
    while rank < d {
        told(rank as f32 / d as f32)?;
        let largest = (0..d).max_by(|a, b| left[*a].total_cmp(&left[*b]));
        let Some(pivot) = largest.filter(|at| left[*at] > least) else { break };
        let root = left[pivot].sqrt();
        let known = f[pivot * d..pivot * d + rank].to_vec();
        let rows = f.par_chunks_mut(d).zip(left.par_iter_mut()).enumerate();
        rows.with_min_len(LEAST_ROWS).for_each(|(i, (row, left))| {
            let explained: f64 = row.iter().zip(&known).map(|(a, b)| a * b).sum();
            // By the row of the pivot, as S is symmetric.
            row[rank] = match *left {
                _ if i == pivot => root,
                // Of what was explained before, rounding alone is left.
                left if left <= 0.0 => 0.0,
                _ => (s[pivot * d + i] - explained) / root,
            };
            *left = if i == pivot { 0.0 } else { *left - row[rank] * row[rank] };
        });
        rank += 1;
    }
    Ok((f.chunks_exact(d.max(1)).flat_map(|row| &row[..rank]).copied().collect(), rank))
}

/// The eigenvalues of a symmetric matrix, in no order.
pub(super) fn eigenvalues(mut a: Vec<f64>, d: usize, told: Told<'_>) -> Result<Vec<f64>> {
    let mut beside = vec![0.0; d];
    for (k, beside) in beside.iter_mut().enumerate().take(d.saturating_sub(2)) {
        // The columns that are left are shorter and shorter.
        let left = (d - k) as f32 / d as f32;
        told(1.0 - left.powi(3))?;
        *beside = reflect(&mut a, d, k);
    }
    if d > 1 {
        beside[d - 2] = a[(d - 1) * d + d - 2];
    }
    let diagonal = (0..d).map(|i| a[i * d + i]).collect();
    Ok(of_tridiagonal(diagonal, beside))
}

/// Makes all of column `k` zero that lies more than one below the diagonal, by a reflection of what comes after;
/// gives what is left there.
fn reflect(a: &mut [f64], d: usize, k: usize) -> f64 {
    let column: Vec<f64> = (k + 1..d).map(|i| a[i * d + k]).collect();
    let scale = column.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    if scale == 0.0 || column[1..].iter().all(|x| *x == 0.0) {
        return column[0];
    }
    // A reflection is the same whatever the length of its vector; squares of what is very small or large would be none.
    let mut v: Vec<f64> = column.iter().map(|x| x / scale).collect();
    let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    let kept = if v[0] > 0.0 { -norm } else { norm };
    v[0] -= kept;
    let length = v.iter().map(|x| x * x).sum::<f64>();
    let rest = &mut a[(k + 1) * d..];
    let times = |row: &[f64]| -> f64 { row[k + 1..].iter().zip(&v).map(|(a, v)| a * v).sum() };
    let mut w: Vec<f64> =
        rest.par_chunks(d).with_min_len(LEAST_ROWS).map(|row| times(row) * 2.0 / length).collect();
    let along = w.iter().zip(&v).map(|(w, v)| w * v).sum::<f64>() / length;
    w.iter_mut().zip(&v).for_each(|(w, v)| *w -= along * v);
    rest.par_chunks_mut(d).enumerate().with_min_len(LEAST_ROWS).for_each(|(i, row)| {
        let (v_i, w_i) = (v[i], w[i]);
        let both = v.iter().zip(&w);
        row[k + 1..].iter_mut().zip(both).for_each(|(a, (v, w))| *a -= v_i * w + w_i * v);
    });
    kept * scale
}

/// The eigenvalues of a matrix that has numbers on its diagonal and `beside` it alone; the last of these is none.
fn of_tridiagonal(mut diagonal: Vec<f64>, mut beside: Vec<f64>) -> Vec<f64> {
    let n = diagonal.len();
    for first in 0..n {
        for _ in 0..MOST_ROUNDS {
            let is_apart = |at: &usize| {
                let around = diagonal[*at].abs() + diagonal[at + 1].abs();
                beside[*at].abs() <= f64::EPSILON * around
            };
            let last = (first..n - 1).find(is_apart).unwrap_or(n - 1);
            if last == first {
                break;
            }
            chase(&mut diagonal, &mut beside, (first, last));
        }
    }
    diagonal
}

/// One round of implicit QL on the block from `first` to `last`.
fn chase(diagonal: &mut [f64], beside: &mut [f64], (first, last): (usize, usize)) {
    let half = (diagonal[first + 1] - diagonal[first]) / (2.0 * beside[first]);
    let shift = half + half.hypot(1.0).copysign(half);
    let mut g = diagonal[last] - diagonal[first] + beside[first] / shift;
    let (mut sin, mut cos, mut moved) = (1.0, 1.0, 0.0);
    for i in (first..last).rev() {
        let (f, b) = (sin * beside[i], cos * beside[i]);
        let r = f64::hypot(f, g);
        beside[i + 1] = r;
        if r == 0.0 {
            // It has fallen into two blocks.
            diagonal[i + 1] -= moved;
            beside[last] = 0.0;
            return;
        }
        (sin, cos) = (f / r, g / r);
        let from = diagonal[i + 1] - moved;
        let turned = (diagonal[i] - from) * sin + 2.0 * cos * b;
        moved = sin * turned;
        diagonal[i + 1] = from + moved;
        g = cos * turned - b;
    }
    diagonal[first] -= moved;
    beside[first] = g;
    beside[last] = 0.0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EngineError;
    use crate::random::{Noise, Purpose};

    type Work<'a> = &'a dyn Fn(Told<'_>) -> Result<()>;

    fn noise(count: usize) -> Vec<f64> {
        let noise = Noise::new(5, Purpose::Test, 0, 0);
        (0..count).map(|at| f64::from(noise.normal(at as u32))).collect()
    }

    fn product(a: &[f64], b: &[f64], inner: (usize, usize)) -> Vec<f64> {
        super::product(a, b, inner, &mut |_| Ok(())).unwrap()
    }

    fn eigenvalues(a: Vec<f64>, d: usize) -> Vec<f64> {
        super::eigenvalues(a, d, &mut |_| Ok(())).unwrap()
    }

    fn factor(s: &[f64], d: usize) -> (Vec<f64>, usize) {
        super::factor(s, d, &mut |_| Ok(())).unwrap()
    }

    fn sorted(mut values: Vec<f64>) -> Vec<f64> {
        values.sort_by(f64::total_cmp);
        values
    }

    /// A chain of springs has 2 - 2 cos(k pi / (n + 1)); reflected at random vectors it is a full matrix with the
    /// same ones.
    #[test]
    fn eigenvalues_of_a_chain_of_springs_are_found_whatever_its_directions() {
        let d = 70;
        let mut a = vec![0.0; d * d];
        for i in 0..d {
            a[i * d + i] = 2.0;
            if i > 0 {
                (a[i * d + i - 1], a[(i - 1) * d + i]) = (-1.0, -1.0);
            }
        }
        let known = |k: usize| 2.0 - 2.0 * (k as f64 * std::f64::consts::PI / (d + 1) as f64).cos();
        let known: Vec<f64> = (1..=d).map(known).collect();
        let close = |found: Vec<f64>| {
            let found = sorted(found);
            let apart = found.iter().zip(&known).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart < 1e-12, "{apart}");
        };
        close(eigenvalues(a.clone(), d));
        for v in noise(3 * d).chunks(d) {
            let length: f64 = v.iter().map(|x| x * x).sum();
            let of = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / length;
            let mirror: Vec<f64> = (0..d * d).map(|at| of(at / d, at % d)).collect();
            a = product(&product(&mirror, &a, (d, d)), &mirror, (d, d));
        }
        close(eigenvalues(a, d));
        let pair = sorted(eigenvalues(vec![0.0, 2.0, 2.0, 0.0], 2));
        assert!((pair[0] + 2.0).abs() < 1e-14 && (pair[1] - 2.0).abs() < 1e-14, "{pair:?}");
        assert_eq!(eigenvalues(vec![3.0], 1), vec![3.0]);
        assert_eq!(eigenvalues(vec![0.0; 9], 3), vec![0.0; 3]);
    }

    #[test]
    fn a_factor_of_a_covariance_of_few_rows_gives_it_back() {
        let (d, rows) = (90, 7);
        let x = noise(rows * d);
        let s = product(&turned(&x, d), &x, (rows, d));
        let (f, rank) = factor(&s, d);
        assert_eq!((rank, f.len()), (rows, rows * d));
        let back = product(&f, &turned(&f, rank), (rank, d));
        let apart = back.iter().zip(&s).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(apart < 1e-12, "{apart}");
        assert_eq!(factor(&[0.0; 4], 2), (Vec::new(), 0), "nothing that varies");
    }

    /// Whoever cancels waits for a column or a band of rows, not for all of it.
    #[test]
    fn each_of_them_says_how_far_it_is_and_ends_where_it_is_not_wanted() {
        let d = 2 * BAND;
        let x = noise(d * d);
        let s = super::product(&turned(&x, d), &x, (d, d), &mut |_| Ok(()));
        let s = s.unwrap();
        let works: [Work<'_>; 3] = [
            &|told| super::product(&s, &s, (d, d), told).map(drop),
            &|told| super::factor(&s, d, told).map(drop),
            &|told| super::eigenvalues(s.clone(), d, told).map(drop),
        ];
        for (number, work) in works.iter().enumerate() {
            let mut shares = Vec::new();
            work(&mut |share| {
                shares.push(share);
                Ok(())
            })
            .unwrap();
            assert!(shares.len() > 1 && shares.is_sorted(), "{number}: {shares:?}");
            assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "{number}");
            let mut left = 2;
            let ended = work(&mut |_| {
                left -= 1;
                if left == 0 { Err(EngineError::Cancelled) } else { Ok(()) }
            });
            assert!(matches!(ended, Err(EngineError::Cancelled)) && left == 0, "{number}");
        }
    }

    /// The same matrix in units so small or large that squares of its numbers are none.
    #[test]
    fn eigenvalues_are_as_large_as_the_matrix_whatever_its_units() {
        let d = 12;
        let x = noise(d * d);
        let s = product(&turned(&x, d), &x, (d, d));
        let plain = sorted(eigenvalues(s.clone(), d));
        for power in [-900, -550, 550, 900] {
            let unit = f64::powi(2.0, power);
            let scaled = s.iter().map(|value| value * unit).collect();
            let found = sorted(eigenvalues(scaled, d));
            let apart = found.iter().zip(&plain).map(|(a, b)| (a / unit - b).abs());
            let apart = apart.fold(0.0, f64::max);
            assert!(apart < 1e-12 * plain[d - 1], "2^{power}: {apart}");
        }
    }
}
