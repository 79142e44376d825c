//! Hyper-parameters of Open-MAGVIT2's tokenizer, with the published names.

use crate::layers::Grouping;
use crate::quantizers::LfqConfig;
use crate::{EngineError, Result};

/// Encoder, decoder and quantizer, with the published names.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Magvit2Config {
    /// Channels of an image.
    pub in_channels: usize,
    /// Channels of the reconstruction.
    pub out_ch: usize,
    /// Channels of the finest level before its multiplier.
    pub ch: usize,
    /// Multiplier of `ch` for each level, the finest first. The factor is 2^(levels - 1).
    pub ch_mult: Vec<usize>,
    /// Residual blocks of each level, and of the middle, in both halves.
    pub num_res_blocks: usize,
    /// Channels of a latent: the bits of a code.
    pub z_channels: usize,
    /// How latents become codes.
    pub quantizer: LfqConfig,
    /// Groups of every norm.
    pub norm_groups: usize,
    /// What every norm adds to the variance.
    pub norm_eps: f64,
}

impl Default for Magvit2Config {
    fn default() -> Self {
        Self {
            in_channels: 3,
            out_ch: 3,
            ch: 128,
            ch_mult: vec![1, 1, 2, 2, 4],
            num_res_blocks: 4,
            z_channels: 18,
            quantizer: LfqConfig::default(),
            norm_groups: 32,
            norm_eps: 1e-6,
        }
    }
}

impl Magvit2Config {
    /// Pixels per token along a side.
    pub fn factor(&self) -> usize {
        1 << (self.ch_mult.len().max(1) - 1)
    }

    /// Channels of a level.
    pub fn channels(&self, level: usize) -> usize {
        self.ch * self.ch_mult[level]
    }

    /// The groups of every norm.
    pub fn grouping(&self) -> Grouping {
        Grouping { groups: self.norm_groups, eps: self.norm_eps }
    }

    /// Checks every size before anything is allocated.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self) -> Result<()> {
        let within = |field: &str, value: usize, least: usize, most: usize| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            let reason = format!("{value} is not between {least} and {most}");
            Err(EngineError::bad_input(field, reason, ""))
        };
        within("in_channels", self.in_channels, 1, 4)?;
        within("out_ch", self.out_ch, 1, 4)?;
        within("ch", self.ch, 1, 4096)?;
        within("ch_mult (number of levels)", self.ch_mult.len(), 1, 8)?;
        within("num_res_blocks", self.num_res_blocks, 1, 16)?;
        within("norm_groups", self.norm_groups, 1, 4096)?;
        for &multiplier in std::iter::once(&1).chain(&self.ch_mult) {
            within("ch_mult", multiplier, 1, 64)?;
            let channels = self.ch * multiplier;
            within("ch times ch_mult", channels, 1, 4096)?;
            if !channels.is_multiple_of(self.norm_groups) {
                return Err(EngineError::bad_input(
                    "norm_groups",
                    format!("{} groups do not divide {channels} channels", self.norm_groups),
                    "use a divisor of ch and of ch times every ch_mult",
                ));
            }
        }
        if !(self.norm_eps > 0.0 && self.norm_eps < 1.0) {
            return Err(EngineError::bad_input("norm_eps", "not between 0 and 1", "usual: 1e-6"));
        }
        self.quantizer.validate(self.z_channels)?;
        let parameters = self.about_parameters();
        if parameters > 1 << 31 {
            return Err(EngineError::bad_input(
                "network",
                format!("about {} million parameters", parameters / 1_000_000),
                "at most 2147 million fit",
            ));
        }
        Ok(())
    }

    /// About how many parameters, from above, without building anything.
    fn about_parameters(&self) -> usize {
        let widest =
            |level: usize| self.channels(level).max(self.channels(level.saturating_sub(1)));
        let levels: usize = (0..self.ch_mult.len())
            .map(|level| {
                let upper = self.channels((level + 1).min(self.ch_mult.len() - 1));
                let square = widest(level).max(upper).pow(2);
                (2 * self.num_res_blocks * 19 + 9 + 36) * square
            })
            .sum();
        let last = self.channels(self.ch_mult.len() - 1);
        levels + 2 * self.num_res_blocks * 18 * last * last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Spoil = &'static dyn Fn(&mut Magvit2Config);

    #[test]
    fn impossible_sizes_are_refused_before_anything_is_allocated() {
        let good = Magvit2Config::default();
        good.validate().unwrap();
        assert_eq!(good.factor(), 16);
        let refused: [(&str, Spoil); 8] = [
            ("ch", &|c| c.ch = 0),
            ("ch_mult", &|c| c.ch_mult = Vec::new()),
            ("ch times ch_mult", &|c| c.ch_mult = vec![1, 64]),
            ("num_res_blocks", &|c| c.num_res_blocks = usize::MAX),
            ("norm_groups", &|c| c.norm_groups = 48),
            ("embed_dim", &|c| c.z_channels = 0),
            ("factorized_bits", &|c| c.quantizer.factorized_bits = vec![6, 6]),
            ("million parameters", &|c| {
                (c.ch, c.ch_mult, c.num_res_blocks) = (4096, vec![1; 8], 16);
            }),
        ];
        for (field, change) in refused {
            let mut config = good.clone();
            change(&mut config);
            let error = config.validate().expect_err(field).to_string();
            assert!(error.contains(field), "{field}: {error}");
        }
    }
}
