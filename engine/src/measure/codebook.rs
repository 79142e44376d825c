//! What a codebook looks like: norms, neighbours, duplicates, and colors from its main directions.
//!
//! Plain numbers in, plain numbers out, for codes of anything. Work is bounded: of a very large codebook
//! the neighbours of a sample of codes are found, and it is said how many.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::random::{Noise, Purpose};
use crate::{EngineError, Result};

/// Multiplications that finding neighbours may take, unless more are asked for: about a second.
pub const NEIGHBOUR_WORK: u64 = 1 << 33;
/// Numbers of the sample from which main directions are found.
const DIRECTION_SAMPLE: usize = 1 << 21;
/// Rounds of power iteration for each direction; directions of nearly equal spread need many.
const ROUNDS: usize = 100;

/// K codes of D numbers.
#[derive(Debug, Clone, Copy)]
pub struct Codebook<'a> {
    size: usize,
    dim: usize,
    values: &'a [f32],
}

/// The nearest other code of codes.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// The codes that were looked at, in rising order: all K, or a sample.
    pub codes: Vec<u32>,
    /// For each of them the nearest other code; itself if there is no other one that is a number.
    pub nearest: Vec<u32>,
    /// For each of them the Euclidean distance to it.
    pub distances: Vec<f32>,
}

/// Colors of codes by their three main directions.
#[derive(Debug, Clone, PartialEq)]
pub struct CodeColors {
    /// Red, green and blue of each code, K entries; gray for codes that are no numbers.
    pub rgb: Vec<[u8; 3]>,
    /// The share of the whole variance along each direction.
    pub explained: [f64; 3],
    /// Codes that the directions were found from.
    pub sample: usize,
}

impl<'a> Codebook<'a> {
    /// Codes one after the other.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if there are not `size` times `dim` numbers, or none.
    pub fn new(size: usize, dim: usize, values: &'a [f32]) -> Result<Self> {
        let fits = size.checked_mul(dim) == Some(values.len());
        if !fits || values.is_empty() || u32::try_from(size).is_err() {
            return Err(EngineError::bad_input(
                "codebook",
                format!("{} numbers are not {size} codes of {dim}", values.len()),
                "",
            ));
        }
        Ok(Self { size, dim, values })
    }

    /// Number of codes, K.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Numbers of a code, D.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// One code; empty beyond the last.
    pub fn code(&self, code: usize) -> &'a [f32] {
        self.values.get(code * self.dim..(code + 1) * self.dim).unwrap_or_default()
    }

    fn codes(&self) -> std::slice::ChunksExact<'a, f32> {
        self.values.chunks_exact(self.dim)
    }

    /// The Euclidean norm of each code, K entries.
    pub fn norms(&self) -> Vec<f32> {
        let norm = |code: &[f32]| code.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        self.codes().map(|code| norm(code) as f32).collect()
    }

    /// The nearest other code of each code, by Euclidean distance; of equally near ones the first. Takes
    /// K times D multiplications a code and at most `work` in all: beyond, a sample of codes is looked at.
    pub fn neighbours(&self, work: u64) -> Neighbours {
        let each = (self.size as u64).saturating_mul(self.dim as u64);
        let affordable = usize::try_from(work / each.max(1)).unwrap_or(usize::MAX).max(1);
        let codes = self.sample(affordable);
        let found: Vec<(u32, f32)> = codes.par_iter().map(|code| self.nearest(*code)).collect();
        let (nearest, distances) = found.into_iter().unzip();
        Neighbours { codes, nearest, distances }
    }

    /// Codes spread over the codebook, one at a random place of each equal part; all if they fit.
    fn sample(&self, most: usize) -> Vec<u32> {
        if most >= self.size {
            return (0..self.size as u32).collect();
        }
        let place = |i: usize| i * self.size / most;
        let noise = Noise::new(0, Purpose::Probe, 0, self.size as u64);
        (0..most)
            .map(|i| place(i) as u32 + noise.below(i as u32, (place(i + 1) - place(i)) as u32))
            .collect()
    }

    fn nearest(&self, code: u32) -> (u32, f32) {
        let own = self.code(code as usize);
        let mut best = (code, f32::INFINITY);
        for (other, values) in self.codes().enumerate() {
            let distance: f32 = squared_distance(own, values);
            if distance < best.1 && other != code as usize {
                best = (other as u32, distance);
            }
        }
        (best.0, best.1.sqrt())
    }

    /// Codes that are the same in every bit (zeros of either sign are equal), groups of two and more.
    pub fn duplicates(&self) -> Vec<Vec<u32>> {
        let bits = |code: u32| self.code(code as usize).iter().map(|x| (x + 0.0).to_bits());
        let mut order: Vec<u32> = (0..self.size as u32).collect();
        order.par_sort_unstable_by(|a, b| bits(*a).cmp(bits(*b)).then(a.cmp(b)));
        let mut groups: Vec<Vec<u32>> = order
            .chunk_by(|a, b| bits(*a).eq(bits(*b)))
            .filter(|group| group.len() > 1)
            .map(<[u32]>::to_vec)
            .collect();
        groups.sort_unstable();
        groups
    }

    /// The three main directions (principal components) as colors: along each, 2.5 standard deviations
    /// below the mean are dark and above it bright.
    pub fn colors(&self) -> CodeColors {
        let finite = |code: &&[f32]| code.iter().all(|x| x.is_finite());
        let sample = self.sample((DIRECTION_SAMPLE / self.dim).max(16));
        let rows: Vec<&[f32]> =
            sample.iter().map(|code| self.code(*code as usize)).filter(finite).collect();
        let directions = Directions::of(&rows, self.dim);
        let rgb = self
            .codes()
            .map(|code| if finite(&code) { directions.color(code) } else { [128; 3] })
            .collect();
        CodeColors { rgb, explained: directions.explained(), sample: rows.len() }
    }
}

impl Neighbours {
    /// Pairs of codes that are nearer to each other than `share` of the usual (median) distance to a
    /// neighbour, each once: the smaller code, the other one, their distance.
    pub fn near(&self, share: f32) -> Vec<(u32, u32, f32)> {
        let mut sorted: Vec<f32> =
            self.distances.iter().copied().filter(|x| x.is_finite()).collect();
        if sorted.is_empty() {
            return Vec::new();
        }
        sorted.sort_unstable_by(f32::total_cmp);
        let limit = share * sorted[sorted.len() / 2];
        let mut pairs = BTreeMap::new();
        for ((&code, &other), &distance) in
            self.codes.iter().zip(&self.nearest).zip(&self.distances)
        {
            if distance <= limit && code != other {
                pairs.insert((code.min(other), code.max(other)), distance);
            }
        }
        pairs.into_iter().map(|((a, b), distance)| (a, b, distance)).collect()
    }
}

/// In eight sums, so that the compiler can use vectors.
fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    let (a8, b8) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0_f32; 8];
    for (x, y) in a8.0.iter().zip(b8.0) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += (x - y) * (x - y);
        }
    }
    let rest: f32 = a8.1.iter().zip(b8.1).map(|(x, y)| (x - y) * (x - y)).sum();
    sums.iter().sum::<f32>() + rest
}

/// Main directions of rows, found by power iteration in f64.
struct Directions {
    mean: Vec<f64>,
    /// Up to three unit vectors, with the variance along each.
    found: Vec<(Vec<f64>, f64)>,
    whole: f64,
    /// Variance below this is the rounding of numbers that are all alike.
    nothing: f64,
}

impl Directions {
    fn of(rows: &[&[f32]], dim: usize) -> Self {
        let n = rows.len().max(1) as f64;
        let mut mean = vec![0.0_f64; dim];
        for row in rows {
            mean.iter_mut().zip(*row).for_each(|(m, x)| *m += f64::from(*x) / n);
        }
        let centered = |row: &[f32]| -> f64 {
            row.iter().zip(&mean).map(|(x, m)| (f64::from(*x) - m).powi(2)).sum()
        };
        let whole = rows.iter().map(|row| centered(row)).sum::<f64>() / n;
        let squares = |row: &[f32]| -> f64 { row.iter().map(|x| f64::from(*x).powi(2)).sum() };
        let size = rows.iter().map(|row| squares(row)).sum::<f64>() / n;
        // f32 has 24 bits.
        let nothing = (1e-14 * size).max(1e-12 * whole);
        let mut directions = Self { mean, found: Vec::new(), whole, nothing };
        for which in 0..3.min(dim) {
            let direction = directions.next(rows, which);
            directions.found.extend(direction);
        }
        directions
    }

    /// The direction of the largest variance at right angles to those found; `None` if nothing is left.
    fn next(&self, rows: &[&[f32]], which: usize) -> Option<(Vec<f64>, f64)> {
        let noise = Noise::new(1, Purpose::Probe, which as u32, 0);
        let mut v: Vec<f64> =
            (0..self.mean.len()).map(|i| f64::from(noise.normal(i as u32))).collect();
        let mut variance = 0.0;
        self.straighten(&mut v)?;
        for _ in 0..ROUNDS {
            let mut next = covariance_times(rows, &self.mean, &v);
            variance = next.iter().zip(&v).map(|(a, b)| a * b).sum();
            if variance <= self.nothing || self.straighten(&mut next).is_none() {
                return None;
            }
            let moved: f64 = next.iter().zip(&v).map(|(a, b)| (a - b).powi(2)).sum();
            v = next;
            if moved < 1e-18 {
                break;
            }
        }
        // Either sign is right; the largest number is made positive.
        let largest = v.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
        if largest < 0.0 {
            for x in &mut v {
                *x = -*x;
            }
        }
        Some((v, variance))
    }

    /// Makes a vector orthogonal to the directions found and of length one.
    fn straighten(&self, v: &mut [f64]) -> Option<()> {
        for (direction, _) in &self.found {
            let along: f64 = v.iter().zip(direction).map(|(a, b)| a * b).sum();
            v.iter_mut().zip(direction).for_each(|(x, d)| *x -= along * d);
        }
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length == 0.0 || !length.is_finite() {
            return None;
        }
        for x in v {
            *x /= length;
        }
        Some(())
    }

    fn color(&self, code: &[f32]) -> [u8; 3] {
        let mut color = [128; 3];
        for (channel, (direction, variance)) in color.iter_mut().zip(&self.found) {
            let along: f64 = code
                .iter()
                .zip(&self.mean)
                .zip(direction)
                .map(|((x, m), d)| (f64::from(*x) - m) * d)
                .sum();
            let place = along / (2.5 * variance.sqrt());
            *channel = (127.5 + 127.5 * place).round().clamp(0.0, 255.0) as u8;
        }
        color
    }

    fn explained(&self) -> [f64; 3] {
        let mut shares = [0.0; 3];
        for (share, (_, variance)) in shares.iter_mut().zip(&self.found) {
            *share = variance / self.whole;
        }
        shares
    }
}

/// The covariance of rows times a vector, without making the matrix. Parts are added in a fixed order,
/// so that the number of threads does not matter.
fn covariance_times(rows: &[&[f32]], mean: &[f64], v: &[f64]) -> Vec<f64> {
    let of_mean: f64 = mean.iter().zip(v).map(|(m, x)| m * x).sum();
    let parts: Vec<Vec<f64>> = rows
        .par_chunks(1024)
        .map(|rows| {
            let mut sum = vec![0.0_f64; v.len()];
            for row in rows {
                let dot: f64 = row.iter().zip(v).map(|(x, y)| f64::from(*x) * y).sum();
                let along = dot - of_mean;
                for ((s, x), m) in sum.iter_mut().zip(*row).zip(mean) {
                    *s += along * (f64::from(*x) - m);
                }
            }
            sum
        })
        .collect();
    let mut whole = vec![0.0_f64; v.len()];
    for part in parts {
        whole.iter_mut().zip(part).for_each(|(w, p)| *w += p / rows.len() as f64);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(size: usize, dim: usize, seed: u64) -> Vec<f32> {
        let noise = Noise::new(seed, Purpose::Test, 0, 0);
        (0..size * dim).map(|i| noise.normal(i as u32)).collect()
    }

    /// All distances in f64, without tricks.
    fn plain_nearest(values: &[f32], dim: usize, code: usize) -> (usize, f64) {
        let row = |i: usize| values[i * dim..(i + 1) * dim].iter().map(|x| f64::from(*x));
        (0..values.len() / dim)
            .filter(|other| *other != code)
            .map(|other| (other, row(code).zip(row(other)).map(|(a, b)| (a - b).powi(2)).sum()))
            .min_by(|a: &(usize, f64), b| a.1.total_cmp(&b.1))
            .map(|(other, squared)| (other, squared.sqrt()))
            .unwrap()
    }

    #[test]
    fn neighbours_agree_with_plain_distances() {
        for (size, dim) in [(40, 1), (33, 3), (64, 8), (100, 29), (17, 64)] {
            let values = random(size, dim, dim as u64);
            let book = Codebook::new(size, dim, &values).unwrap();
            let found = book.neighbours(NEIGHBOUR_WORK);
            assert_eq!(found.codes, (0..size as u32).collect::<Vec<_>>());
            for code in 0..size {
                let (nearest, distance) = plain_nearest(&values, dim, code);
                assert_eq!(found.nearest[code] as usize, nearest, "{size}x{dim}, code {code}");
                assert!((f64::from(found.distances[code]) - distance).abs() < 1e-5 * distance);
            }
            let norms = book.norms();
            for (code, norm) in norms.iter().enumerate() {
                let plain: f64 = book.code(code).iter().map(|x| f64::from(*x).powi(2)).sum();
                assert!((f64::from(*norm) - plain.sqrt()).abs() < 1e-6 * plain.sqrt().max(1.0));
            }
        }
    }

    #[test]
    fn of_a_large_codebook_a_sample_is_looked_at_within_the_work() {
        let (size, dim) = (5000, 4);
        let values = random(size, dim, 1);
        let book = Codebook::new(size, dim, &values).unwrap();
        let found = book.neighbours((size * dim * 50) as u64);
        assert_eq!(found.codes.len(), 50);
        assert!(found.codes.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice");
        assert!(found.codes[0] < 100 && found.codes[49] >= 4900, "spread over all codes");
        for (i, code) in found.codes.iter().enumerate() {
            let (nearest, _) = plain_nearest(&values, dim, *code as usize);
            assert_eq!(found.nearest[i] as usize, nearest, "among all codes, not the sample");
        }
        assert_eq!(book.neighbours(0).codes.len(), 1);
    }

    #[test]
    fn equal_and_nearly_equal_codes_are_found() {
        let (size, dim) = (50, 6);
        let mut values = random(size, dim, 2);
        for (to, from) in [(7, 3), (30, 3), (41, 40)] {
            let row = values[from * dim..(from + 1) * dim].to_vec();
            values[to * dim..(to + 1) * dim].copy_from_slice(&row);
        }
        // Zeros of either sign are the same code.
        values[10 * dim..11 * dim].fill(0.0);
        values[20 * dim..21 * dim].fill(-0.0);
        // A hair apart.
        for i in 0..dim {
            values[12 * dim + i] = values[11 * dim + i] + 1e-4;
        }
        let book = Codebook::new(size, dim, &values).unwrap();
        assert_eq!(book.duplicates(), [vec![3, 7, 30], vec![10, 20], vec![40, 41]]);
        let near: Vec<(u32, u32)> = book
            .neighbours(NEIGHBOUR_WORK)
            .near(0.01)
            .into_iter()
            .map(|(a, b, _)| (a, b))
            .collect();
        for pair in [(3, 7), (10, 20), (11, 12), (40, 41)] {
            assert!(near.contains(&pair), "{pair:?} of {near:?}");
        }
        assert!(near.iter().all(|(a, b)| a < b), "each pair once");
    }

    #[test]
    fn main_directions_are_those_of_the_construction() {
        // Two points on each of six axes that a reflection turned: the covariance has the axes as its
        // eigenvectors and 2/n times the squares of the distances as its eigenvalues.
        let dim = 6;
        let w: Vec<f64> = [1.0, -2.0, 0.5, 3.0, 1.5, -1.0].to_vec();
        let length: f64 = w.iter().map(|x| x * x).sum();
        let axis = |i: usize| -> Vec<f64> {
            (0..dim).map(|j| f64::from(u8::from(i == j)) - 2.0 * w[i] * w[j] / length).collect()
        };
        let lengths = [9.0, 6.0, 4.0, 1.0, 0.5, 0.25];
        let mean = [3.0, -1.0, 0.0, 2.0, 7.0, -4.0];
        let mut values = Vec::new();
        for (i, length) in lengths.iter().enumerate() {
            for sign in [1.0, -1.0] {
                values
                    .extend(axis(i).iter().zip(mean).map(|(x, m)| (m + sign * length * x) as f32));
            }
        }
        let book = Codebook::new(12, dim, &values).unwrap();
        let rows: Vec<&[f32]> = (0..12).map(|i| book.code(i)).collect();
        let directions = Directions::of(&rows, dim);
        for (i, (direction, variance)) in directions.found.iter().enumerate() {
            let along: f64 = direction.iter().zip(axis(i)).map(|(a, b)| a * b).sum();
            assert!((along.abs() - 1.0).abs() < 1e-6, "direction {i}: {along}");
            let should = lengths[i] * lengths[i] * 2.0 / 12.0;
            assert!(
                (variance - should).abs() < 1e-5 * should,
                "direction {i}: {variance} {should}"
            );
        }
        let colors = book.colors();
        let whole: f64 = lengths.iter().map(|x| x * x).sum();
        assert!((colors.explained[0] - 81.0 / whole).abs() < 1e-5);
        assert_eq!(colors.sample, 12);
        // Opposite points have opposite colors along their own axis and are in the middle of others.
        for i in 0..3 {
            let (a, b) = (colors.rgb[2 * i], colors.rgb[2 * i + 1]);
            assert!(a[i].abs_diff(b[i]) > 200 && a[i].abs_diff(255 - b[i]) <= 1, "{a:?} {b:?}");
            assert!((0..3).filter(|j| *j != i).all(|j| a[j].abs_diff(128) <= 1), "{a:?}");
        }
    }

    #[test]
    fn odd_codebooks_have_an_answer() {
        let one = Codebook::new(1, 3, &[1.0, 2.0, 3.0]).unwrap();
        let found = one.neighbours(NEIGHBOUR_WORK);
        assert_eq!((found.nearest[0], found.distances[0]), (0, f32::INFINITY));
        assert_eq!(found.near(1.0), []);
        assert_eq!(one.colors().rgb, [[128; 3]]);
        let same = vec![2.0_f32; 40];
        let same = Codebook::new(20, 2, &same).unwrap();
        assert_eq!(same.duplicates().len(), 1);
        assert!(same.colors().rgb.iter().all(|color| *color == [128; 3]));
        let mut broken = random(20, 2, 3);
        broken[6] = f32::NAN;
        broken[9] = f32::INFINITY;
        let broken = Codebook::new(20, 2, &broken).unwrap();
        let colors = broken.colors();
        assert_eq!((colors.rgb[3], colors.rgb[4], colors.sample), ([128; 3], [128; 3], 18));
        assert!(broken.norms()[3].is_nan());
        assert!(broken.neighbours(NEIGHBOUR_WORK).nearest.iter().all(|code| *code < 20));
        assert!(Codebook::new(3, 2, &[0.0; 5]).is_err() && Codebook::new(0, 2, &[]).is_err());
        assert!(Codebook::new(usize::MAX, 2, &[0.0; 4]).is_err());
    }

    #[test]
    fn numbers_do_not_depend_on_the_number_of_threads() {
        let values = random(3000, 7, 4);
        let book = Codebook::new(3000, 7, &values).unwrap();
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (book.colors(), book.neighbours(NEIGHBOUR_WORK)))
        };
        assert_eq!(with(1), with(3));
    }
}
