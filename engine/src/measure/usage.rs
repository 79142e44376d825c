//! How a codebook is used. Every number carries its sample size and the ceiling that goes with it:
//! usage without them cannot be compared.

use crate::tokens::{Part, Tokens};
use crate::{EngineError, Result};

/// How often each code occurred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeCounts {
    counts: Vec<u64>,
}

/// What counts say.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CodeStatistics {
    /// Number of codes, K.
    pub codebook_size: u32,
    /// Tokens that were counted, N.
    pub samples: u64,
    /// Codes that occurred at least once.
    pub used: u32,
    /// used / K.
    pub usage: f64,
    /// The used codes to expect if N tokens fell evenly on all K codes: the most that `used` can
    /// reasonably reach.
    pub ceiling: f64,
    /// Estimate of the codes that would be seen with unlimited samples (Chao1, bias-corrected).
    pub chao1: f64,
    /// Entropy of the codes in bits.
    pub entropy_bits: f64,
    /// 2^entropy: the number of equally likely codes with the same entropy.
    pub perplexity: f64,
    /// entropy / log2 K.
    pub normalized_entropy: f64,
    /// Gini coefficient over all K counts: 0 all equal, towards 1 one code takes everything.
    pub gini: f64,
}

impl CodeCounts {
    /// No tokens yet.
    pub fn new(codebook_size: u32) -> Self {
        Self { counts: vec![0; codebook_size as usize] }
    }

    /// Counts as they are.
    pub fn from_counts(counts: Vec<u64>) -> Self {
        Self { counts }
    }

    /// Counts the tokens of a part; cells without a token are left out.
    ///
    /// # Errors
    /// If the part belongs to a codebook of another size.
    pub fn add(&mut self, part: &Part) -> Result<()> {
        if part.codebook_size() as usize != self.counts.len() {
            return Err(EngineError::bad_input(
                "tokens",
                format!(
                    "made for {} codes, counted with {}",
                    part.codebook_size(),
                    self.counts.len()
                ),
                "count tokens of one tokenizer",
            ));
        }
        self.add_codes(part.codes());
        Ok(())
    }

    /// Counts codes; those outside the codebook are left out.
    pub fn add_codes(&mut self, codes: &[u32]) {
        for code in codes {
            if let Some(count) = self.counts.get_mut(*code as usize) {
                *count += 1;
            }
        }
    }

    /// Count of each code, K entries.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Statistics of the counts, computed in f64.
    pub fn statistics(&self) -> CodeStatistics {
        let k = self.counts.len();
        let samples: u64 = self.counts.iter().sum();
        let n = samples as f64;
        let used = self.counts.iter().filter(|c| **c > 0).count();
        let entropy: f64 = self
            .counts
            .iter()
            .filter(|c| **c > 0)
            .map(|c| {
                let p = *c as f64 / n;
                -p * p.ln()
            })
            .sum();
        let once = self.counts.iter().filter(|c| **c == 1).count() as f64;
        let twice = self.counts.iter().filter(|c| **c == 2).count() as f64;
        let unseen = once * (once - 1.0) / (2.0 * (twice + 1.0));
        CodeStatistics {
            codebook_size: k as u32,
            samples,
            used: used as u32,
            usage: used as f64 / k.max(1) as f64,
            ceiling: expected_used(k as u32, samples),
            chao1: (used as f64 + unseen.max(0.0)).min(k as f64),
            entropy_bits: entropy / std::f64::consts::LN_2,
            perplexity: if samples == 0 { 0.0 } else { entropy.exp() },
            normalized_entropy: if k > 1 { entropy / (k as f64).ln() } else { 0.0 },
            gini: gini(&self.counts),
        }
    }
}

fn gini(counts: &[u64]) -> f64 {
    let mut sorted = counts.to_vec();
    sorted.sort_unstable();
    let n = sorted.len() as f64;
    let total: f64 = sorted.iter().map(|c| *c as f64).sum();
    if total == 0.0 {
        return 0.0;
    }
    let weighted: f64 = (1_u32..)
        .zip(&sorted)
        .map(|(i, count)| (2.0 * f64::from(i) - n - 1.0) * *count as f64)
        .sum();
    weighted / (n * total)
}

/// Expected number of different codes among `samples` draws, all K codes equally likely:
/// K (1 - (1 - 1/K)^N).
pub fn expected_used(codebook_size: u32, samples: u64) -> f64 {
    let k = f64::from(codebook_size);
    if codebook_size == 0 || samples == 0 {
        return 0.0;
    }
    // ln_1p keeps precision for large K, where 1 - 1/K is close to 1.
    let stays_unseen = (samples as f64 * (-1.0 / k).ln_1p()).exp();
    k * (1.0 - stays_unseen)
}

/// log2(K) bits a token, over all parts, per pixel of the picture.
pub fn bits_per_pixel(tokens: &Tokens, pixels: u64) -> f64 {
    let bits = |part: &Part| part.codes().len() as f64 * f64::from(part.codebook_size()).log2();
    tokens.parts().iter().map(bits).sum::<f64>() / pixels.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_use_has_full_perplexity_and_no_inequality() {
        let statistics = CodeCounts::from_counts(vec![5; 16]).statistics();
        assert!((statistics.perplexity - 16.0).abs() < 1e-9);
        assert!((statistics.entropy_bits - 4.0).abs() < 1e-12);
        assert!(statistics.gini.abs() < 1e-12);
        assert_eq!(statistics.used, 16);
    }

    #[test]
    fn a_collapsed_codebook_is_seen_as_one() {
        let mut counts = CodeCounts::new(512);
        counts.add(Tokens::grid(8, 8, 512, vec![3; 64]).unwrap().first()).unwrap();
        let statistics = counts.statistics();
        assert_eq!(statistics.used, 1);
        assert!((statistics.perplexity - 1.0).abs() < 1e-12);
        assert!((statistics.gini - 511.0 / 512.0).abs() < 1e-12);
        assert!(counts.add(Tokens::grid(1, 1, 10, vec![0]).unwrap().first()).is_err());
    }

    /// The table of the field notes: 65,536 samples of 16,384 codes show 98.2 % at most.
    #[test]
    fn the_ceiling_agrees_with_the_known_table() {
        let share = |k, n| expected_used(k, n) / f64::from(k);
        assert!((share(16_384, 65_536) - 0.982).abs() < 5e-4);
        assert!((share(262_144, 65_536) - 0.221).abs() < 5e-4);
        assert!((share(1_024, 256) - 0.221).abs() < 5e-4);
        assert_eq!(expected_used(10, 0), 0.0);
    }

    #[test]
    fn no_tokens_give_no_nonsense() {
        let statistics = CodeCounts::new(8).statistics();
        assert_eq!((statistics.used, statistics.samples), (0, 0));
        assert_eq!(statistics.perplexity, 0.0);
        assert!(statistics.gini.is_finite() && statistics.entropy_bits == 0.0);
    }
}
