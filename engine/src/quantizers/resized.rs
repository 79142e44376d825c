//! The same rule with another number of codes.

use super::QuantizerConfig;
use crate::{EngineError, Result};

/// The levels that are recommended for about 2^6, 2^8, 2^9, 2^10, 2^12, 2^14 and 2^16 codes: the paper's table 2, and
/// what lies between.
const FSQ: [&[u32]; 7] = [
    &[8, 8],
    &[8, 6, 5],
    &[8, 8, 8],
    &[8, 5, 5, 5],
    &[7, 5, 5, 5, 5],
    &[8, 8, 8, 6, 5],
    &[8, 8, 8, 5, 5, 5],
];

impl QuantizerConfig {
    /// What the rule is called in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Vq(_) => "VQ",
            Self::Fsq(_) => "FSQ",
            Self::Lfq(_) => "LFQ",
            Self::Bsq(_) => "BSQ",
            Self::Residual(_) => "RVQ",
            Self::Ibq(_) => "IBQ",
            Self::SimVq(_) => "SimVQ",
            Self::Gumbel(_) => "Gumbel",
            Self::MultiScale(_) => "MSVQ",
        }
    }

    /// The same with so many codes in a book, of latents of `dim` channels; and the channels that it takes then. FSQ
    /// has no more than about as many: the recommended levels whose product is within a tenth of them.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with what would do.
    pub fn with_codes(&self, codes: u64, dim: usize) -> Result<(Self, usize)> {
        let bad = |reason: String, hint: String| EngineError::bad_input("codes", reason, hint);
        let mut config = self.clone();
        if codes == self.codes(dim) {
            return Ok((config, dim));
        }
        let Some(count) = u32::try_from(codes).ok().filter(|codes| (2..=1 << 18).contains(codes))
        else {
            return Err(bad(format!("{codes}"), "2 to 262144; usual: 256 to 16384".to_owned()));
        };
        let mut channels = dim;
        match &mut config {
            Self::Vq(config) => config.codes = count,
            Self::Residual(config) => config.vq.codes = count,
            Self::SimVq(config) => config.codes = count,
            Self::Ibq(config) => config.n_embed = count,
            Self::Gumbel(config) => config.n_embed = count,
            Self::MultiScale(config) => config.vocab_size = count,
            Self::Lfq(config) | Self::Bsq(config) => {
                if !count.is_power_of_two() || !config.factorized_bits.is_empty() {
                    let hint = "a power of two, as each number of a code is a bit: 1024, 4096";
                    return Err(bad(format!("{codes}"), hint.to_owned()));
                }
                channels = count.ilog2() as usize;
            }
            Self::Fsq(config) => {
                let product = |levels: &[u32]| levels.iter().product::<u32>();
                let away = |levels: &[u32]| product(levels).abs_diff(count);
                let near = FSQ.into_iter().min_by_key(|levels| away(levels));
                let Some(levels) = near.filter(|levels| away(levels) <= count / 10) else {
                    let all: Vec<String> =
                        FSQ.iter().map(|levels| product(levels).to_string()).collect();
                    return Err(bad(format!("{codes}"), format!("FSQ has {}", all.join(", "))));
                };
                config.levels = levels.to_vec();
                channels = levels.len();
            }
        }
        Ok((config, channels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantizers::{FsqConfig, LfqConfig, VqConfig};

    #[test]
    fn codes_are_those_that_were_asked_for_or_are_refused_with_what_would_do() {
        let fsq = FsqConfig { levels: vec![8, 5, 5, 5], ..FsqConfig::default() };
        let (fsq, vq) = (QuantizerConfig::Fsq(fsq), QuantizerConfig::Vq(VqConfig::default()));
        let lfq = QuantizerConfig::Lfq(LfqConfig::default());
        let made = |config: &QuantizerConfig, codes: u64, dim: usize| {
            let (made, dim) = config.with_codes(codes, dim).unwrap();
            made.validate(dim).unwrap();
            (made.codes(dim), dim)
        };
        assert_eq!(made(&vq, 4096, 8), (4096, 8));
        assert_eq!(made(&lfq, 4096, 18), (4096, 12));
        assert_eq!(made(&fsq, 1000, 4), (1000, 4), "as it is");
        assert_eq!(made(&fsq, 4096, 4), (4375, 5));
        assert_eq!(made(&fsq, 16384, 4), (15360, 5));
        for (config, codes, word) in
            [(&fsq, 700, "1000"), (&lfq, 1000, "power of two"), (&vq, 1, "262144")]
        {
            let problem = config.with_codes(codes, 4).unwrap_err().problem();
            assert!(problem.hint.contains(word), "{problem}");
        }
    }
}
