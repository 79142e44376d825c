//! Numbers for one world: dice for its composition, and a table for its textures.
//!
//! Only + - * / and comparisons, so that every machine gets the same picture.

use crate::random::{Noise, Purpose};

use super::color::unit;

/// Uniform numbers one after the other; one stream for each subject of a world.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    noise: Noise,
    lane: u32,
}

impl Dice {
    /// The stream for `subject` of world `index`.
    pub(super) fn new(seed: u64, index: u64, subject: u32) -> Self {
        Self { noise: Noise::new(seed, Purpose::World, subject, index), lane: 0 }
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f32 {
        self.lane += 1;
        self.noise.uniform(self.lane - 1)
    }

    /// Uniform in [low, high).
    pub(super) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A whole number in 0..n.
    pub(super) fn below(&mut self, n: u32) -> u32 {
        self.lane += 1;
        self.noise.below(self.lane - 1, n)
    }

    /// True with probability `p`.
    pub(super) fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// -1 or 1.
    pub(super) fn sign(&mut self) -> f32 {
        if self.chance(0.5) { -1.0 } else { 1.0 }
    }

    /// Which of the weights was drawn.
    pub(super) fn weighted(&mut self, weights: &[f32]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f32>();
        for (i, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return i;
            }
        }
        weights.len().saturating_sub(1)
    }
}

/// The whole part (rounded down) and the rest.
#[inline]
pub(super) fn split(x: f32) -> (i32, f32) {
    let cut = x as i32;
    let whole = if x < cut as f32 { cut - 1 } else { cut };
    (whole, x - whole as f32)
}

/// A smooth periodic wave, sine of `turns` turns, within 0.001.
#[inline]
pub(super) fn wave(turns: f32) -> f32 {
    let (_, t) = split(turns);
    let t = t - 0.5;
    let s = 8.0 * t * (1.0 - 2.0 * t.abs());
    -s * (0.775 + 0.225 * s.abs())
}

/// Textures of one world: value noise over a lattice whose numbers come from the world's address.
#[derive(Debug)]
pub(super) struct Texture {
    steps: [u8; 256],
    values: [f32; 256],
}

impl Texture {
    /// The textures of world `index`.
    pub(super) fn new(seed: u64, index: u64) -> Self {
        let noise = Noise::new(seed, Purpose::World, u32::MAX, index);
        let (mut steps, mut values) = ([0; 256], [0.0; 256]);
        for i in 0..64 {
            let four = noise.block(i as u32);
            for (k, bits) in four.into_iter().enumerate() {
                steps[i * 4 + k] = (bits & 255) as u8;
                values[i * 4 + k] = (bits >> 8) as f32 * (2.0 / 16_777_216.0) - 1.0;
            }
        }
        Self { steps, values }
    }

    /// The lattice's number at (x, y) of texture `id`, in [-1, 1).
    #[inline]
    pub(super) fn at(&self, x: i32, y: i32, id: u8) -> f32 {
        let a = self.steps[usize::from((x as u8).wrapping_add(id.wrapping_mul(37)))];
        let b = self.steps[usize::from(a.wrapping_add(y as u8))];
        self.values[usize::from(b.wrapping_add(id))]
    }

    /// The lattice's number in [0, 1).
    #[inline]
    pub(super) fn dot(&self, x: i32, y: i32, id: u8) -> f32 {
        self.at(x, y, id) * 0.5 + 0.5
    }

    /// Noise along a line, in [-1, 1], one bump a unit.
    #[inline]
    pub(super) fn line(&self, x: f32, id: u8) -> f32 {
        let (i, t) = split(x);
        let s = t * t * (3.0 - 2.0 * t);
        let (a, b) = (self.at(i, 0, id), self.at(i + 1, 0, id));
        a + (b - a) * s
    }

    /// Noise over a plane, in [-1, 1].
    #[inline]
    pub(super) fn plane(&self, x: f32, y: f32, id: u8) -> f32 {
        let ((i, tx), (j, ty)) = (split(x), split(y));
        let (sx, sy) = (tx * tx * (3.0 - 2.0 * tx), ty * ty * (3.0 - 2.0 * ty));
        let base = (i as u8).wrapping_add(id.wrapping_mul(37));
        let left = self.steps[usize::from(base)];
        let right = self.steps[usize::from(base.wrapping_add(1))];
        let get = |column: u8, row: u8| {
            let step = self.steps[usize::from(column.wrapping_add(row))];
            self.values[usize::from(step.wrapping_add(id))]
        };
        let row = j as u8;
        let (a, b) = (get(left, row), get(right, row));
        let (c, d) = (get(left, row.wrapping_add(1)), get(right, row.wrapping_add(1)));
        let (top, bottom) = (a + (b - a) * sx, c + (d - c) * sx);
        top + (bottom - top) * sy
    }

    /// Octaves of [`Self::line`]; `step` is the pixel's size in x: what is finer is left out.
    #[inline]
    pub(super) fn lines(&self, x: f32, id: u8, octaves: u8, step: f32) -> f32 {
        let (mut sum, mut weight, mut k) = (0.0, 0.5, 1.0);
        for octave in 0..octaves {
            let fade = visible(step * k);
            if fade <= 0.0 {
                break;
            }
            sum += weight * fade * self.line(x * k, id.wrapping_add(octave));
            weight *= 0.5;
            k *= 2.0;
        }
        sum
    }

    /// Octaves of [`Self::plane`]; `step` is the pixel's size: what is finer is left out.
    #[inline]
    pub(super) fn planes(&self, x: f32, y: f32, id: u8, detail: (u8, f32)) -> f32 {
        let (octaves, step) = detail;
        let (mut sum, mut weight, mut k) = (0.0, 0.5, 1.0);
        for octave in 0..octaves {
            let fade = visible(step * k);
            if fade <= 0.0 {
                break;
            }
            sum += weight * fade * self.plane(x * k, y * k, id.wrapping_add(octave));
            weight *= 0.5;
            k *= 2.0;
        }
        sum
    }
}

/// How much of a pattern with one bump a unit can be seen when a pixel is `step` wide.
#[inline]
pub(super) fn visible(step: f32) -> f32 {
    unit((0.9 - step) * 1.8)
}
