//! Counter-based noise: the number for (seed, purpose, step, cell, lane) is always the same.
//!
//! It does not depend on batch, order, thread, or where a run was resumed, because there is no
//! state: each number is a function of its address. Everything random in Smalti comes from here.
//!
//! Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011, Philox-4x32-10.

/// What a number is for; two purposes never share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Purpose {
    /// Initial weights of a network; the cell is the parameter's hash, the lane its element.
    Weights = 1,
    /// The order in which a data set is visited.
    Order = 2,
    /// Where a training crop is taken, and whether it is mirrored.
    Crop = 3,
    /// Which vectors replace dead codes.
    Restart = 4,
    /// First codes of a codebook, taken from data.
    CodebookStart = 5,
    /// Everything in a Worlds picture.
    World = 6,
    /// Dropout and noise dropout.
    Dropout = 7,
    /// Masks of masked generators.
    Mask = 8,
    /// Choice noise when a token is drawn.
    Choice = 9,
    /// Which source of a mix the next image comes from.
    Mix = 10,
    /// Held-out selections and probe sets.
    Probe = 11,
    /// Test inputs.
    Test = 12,
    /// How a training image is changed, so that a classifier does not mind.
    Augment = 13,
    /// How often an image counts in a bootstrap; the step is the replicate's block, the cell the image.
    Bootstrap = 14,
    /// Which cells of a selection are written again, where not all of them are.
    Freed = 15,
}

/// The address of a number, all but its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Noise {
    seed: u64,
    purpose: Purpose,
    step: u32,
    cell: u64,
}

impl Noise {
    /// The numbers for one place: as many lanes as wanted.
    pub fn new(seed: u64, purpose: Purpose, step: u32, cell: u64) -> Self {
        Self { seed, purpose, step, cell }
    }

    /// 32 random bits.
    pub fn bits(&self, lane: u32) -> u32 {
        self.block(lane / 4)[(lane % 4) as usize]
    }

    /// Uniform in [0, 1), 24 bits.
    pub fn uniform(&self, lane: u32) -> f32 {
        (self.bits(lane) >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in [low, high).
    pub fn range(&self, lane: u32, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform(lane)
    }

    /// A whole number in 0..n; 0 when n is 0.
    pub fn below(&self, lane: u32, n: u32) -> u32 {
        ((u64::from(self.bits(lane)) * u64::from(n)) >> 32) as u32
    }

    /// Standard normal (Box-Muller, computed without the system's maths library so that machines agree).
    pub fn normal(&self, lane: u32) -> f32 {
        // Two uniforms for one normal: the pair of lanes is at 2*lane and 2*lane+1.
        let u = (f64::from(self.bits(2 * lane)) + 1.0) / 4_294_967_297.0;
        let v = f64::from(self.bits(2 * lane + 1)) / 4_294_967_296.0;
        ((-2.0 * libm::log(u)).sqrt() * libm::cos(std::f64::consts::TAU * v)) as f32
    }

    /// Four times 32 random bits.
    pub fn block(&self, block: u32) -> [u32; 4] {
        let counter = [
            self.cell as u32,
            (self.cell >> 32) as u32,
            self.step,
            (u32::from(self.purpose as u8) << 24) | (block & 0x00ff_ffff),
        ];
        philox(counter, [self.seed as u32, (self.seed >> 32) as u32])
    }
}

/// Ten rounds of Philox-4x32.
fn philox(mut c: [u32; 4], mut k: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let p0 = u64::from(c[0]) * 0xD251_1F53;
        let p1 = u64::from(c[2]) * 0xCD9E_8D57;
        c = [
            (p1 >> 32) as u32 ^ c[1] ^ k[0],
            p1 as u32,
            (p0 >> 32) as u32 ^ c[3] ^ k[1],
            p0 as u32,
        ];
        k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
    }
    c
}

/// A stable 64-bit hash over bytes, on from `start`: FNV-1a over words of eight bytes, which is eight times as fast
/// as over bytes. Cut bytes at multiples of eight, and it is that of all of them together.
pub fn bytes_hash(start: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(start, |hash, word| {
        let mut whole = [0; 8];
        whole[..word.len()].copy_from_slice(word);
        let hash = (hash ^ u64::from_le_bytes(whole)).wrapping_mul(0x0000_0100_0000_01b3);
        // Its high bits never come down by themselves.
        hash ^ (hash >> 32)
    })
}

/// A stable 64-bit hash of a name (FNV-1a), to address noise by parameter or file name.
pub fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A permutation of 0..n that depends on the seed and the epoch only, computed one place at a time.
///
/// A four-round Feistel network over the next even power of two, walked until it falls inside
/// 0..n: no memory, any n up to 2^62, and position i can be asked for without the ones before it.
pub fn shuffled(seed: u64, epoch: u32, n: u64, position: u64) -> u64 {
    debug_assert!(position < n, "position {position} of {n}");
    let half_bits = (64 - n.saturating_sub(1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1_u64 << half_bits) - 1;
    let mut x = position;
    loop {
        let (mut left, mut right) = (x >> half_bits, x & mask);
        for round in 0..4_u32 {
            let noise = Noise::new(seed, Purpose::Order, epoch, right ^ (u64::from(round) << 40));
            let word = noise.block(0);
            let f = (u64::from(word[0]) | (u64::from(word[1]) << 32)) & mask;
            (left, right) = (right, left ^ f);
        }
        x = (left << half_bits) | right;
        if x < n {
            return x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers of the Random123 distribution (kat_vectors, philox4x32 10).
    #[test]
    fn philox_gives_the_published_known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox(
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0]
            ),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let n = 100_000;
        let noise = Noise::new(7, Purpose::Test, 0, 0);
        let (mut sum, mut squares) = (0.0_f64, 0.0_f64);
        for lane in 0..n {
            let x = f64::from(noise.normal(lane));
            sum += x;
            squares += x * x;
        }
        let mean = sum / f64::from(n);
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((squares / f64::from(n) - 1.0).abs() < 0.02);
    }

    #[test]
    fn shuffling_visits_everything_once() {
        for n in [1_u64, 2, 3, 10, 63, 64, 65, 1000] {
            let mut seen: Vec<u64> = (0..n).map(|i| shuffled(3, 1, n, i)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..n).collect::<Vec<_>>());
        }
        let a: Vec<u64> = (0..100).map(|i| shuffled(3, 0, 100, i)).collect();
        let b: Vec<u64> = (0..100).map(|i| shuffled(3, 1, 100, i)).collect();
        assert_ne!(a, b, "another epoch, another order");
    }

    #[test]
    fn a_number_does_not_depend_on_thread_or_order() {
        let forward: Vec<u32> =
            (0..256).map(|cell| Noise::new(1, Purpose::Choice, 5, cell).bits(0)).collect();
        let threads: Vec<u32> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..4)
                .map(|t| {
                    scope.spawn(move || {
                        (0..64)
                            .rev()
                            .map(|i| Noise::new(1, Purpose::Choice, 5, t * 64 + i).bits(0))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            handles
                .into_iter()
                .flat_map(|h| {
                    let mut part = h.join().unwrap();
                    part.reverse();
                    part
                })
                .collect()
        });
        assert_eq!(forward, threads);
        assert_ne!(Noise::new(1, Purpose::Choice, 6, 0).bits(0), forward[0]);
        assert_ne!(Noise::new(2, Purpose::Choice, 5, 0).bits(0), forward[0]);
        assert_ne!(Noise::new(1, Purpose::Mask, 5, 0).bits(0), forward[0]);
    }
}
