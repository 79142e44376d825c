//! Hyper-parameters of Open-MAGVIT2's tokenizer, and how a checkpoint of it is told by names and shapes.

use serde_json::Value;

use crate::layers::Grouping;
use crate::quantizers::lfq::LfqConfig;
use crate::tokenizers::beside::published;
use crate::tokenizers::ldm::shapes::{Shapes, count, multipliers, side};
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
    /// Moving averages of the weights are used where a checkpoint has them, as in published evaluations.
    pub use_ema: bool,
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
            use_ema: true,
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

/// Whether tensors of these names belong to the family, even where some are missing.
pub fn claims(shapes: &Shapes<'_>) -> bool {
    let any = |prefix: &str| {
        shapes.range(prefix..).next().is_some_and(|(name, _)| name.starts_with(prefix))
    };
    // The tokenizer of clips has the same names with one more axis.
    let pictures = shapes.get("encoder.conv_in.weight").is_none_or(|shape| shape.len() == 4);
    pictures
        && any("encoder.down.0.block.0.")
        && (any("decoder.adaptive.") || any("encoder.mid_block."))
}

/// The configuration of a checkpoint from its shapes and the published configuration `beside` it, which
/// counts more. What neither tells is as published: 32 groups a norm, the first bit the lowest, one
/// part of all bits, moving averages where there are some.
///
/// # Errors
/// [`EngineError::BadInput`] naming the tensor that decides something and is missing, or the key of the
/// configuration that is of another kind.
pub fn configure(shapes: &Shapes<'_>, beside: Option<&Value>) -> Result<Magvit2Config> {
    let needed = |name: &str, axis: usize| {
        side(shapes, name, axis).filter(|&side| side > 0).ok_or_else(|| {
            let reason = "missing, but it decides the sizes of this Open-MAGVIT2 tokenizer";
            EngineError::bad_input(name, reason, "use a complete checkpoint")
        })
    };
    let ch = needed("encoder.conv_in.weight", 0)?;
    let block = |j: usize| format!("encoder.down.0.block.{j}.conv1.weight");
    let ch_mult = multipliers(shapes, "encoder.down", "block", ch).ok_or_else(|| {
        let reason = format!("levels with channels that are no multiples of {ch}");
        EngineError::bad_input("encoder.down", reason, "use a complete checkpoint")
    })?;
    let usual = LfqConfig::default();
    let or =
        |key: &str, known: f64| -> Result<f64> { Ok(published(beside, key)?.unwrap_or(known)) };
    let factorized: bool = published(beside, "token_factorization")?.unwrap_or(false);
    let bits: Option<Vec<u32>> = published(beside, "factorized_bits")?;
    let quantizer = LfqConfig {
        factorized_bits: bits.filter(|_| factorized).unwrap_or_default(),
        sample_minimization_weight: or("sample_minimization_weight", 1.0)?,
        batch_maximization_weight: or("batch_maximization_weight", 1.0)?,
        temperature: or("entropy_temperature", usual.temperature)?,
        ..usual
    };
    let averages = shapes.keys().any(|name| name.starts_with("model_ema."));
    let config = Magvit2Config {
        in_channels: needed("encoder.conv_in.weight", 1)?,
        out_ch: needed("decoder.conv_out.weight", 0)?,
        ch,
        ch_mult,
        num_res_blocks: count(shapes, block),
        z_channels: needed("encoder.conv_out.weight", 0)?,
        use_ema: averages,
        quantizer,
        ..Magvit2Config::default()
    };
    let number =
        |key: &str, known: usize| -> Result<usize> { Ok(published(beside, key)?.unwrap_or(known)) };
    Ok(Magvit2Config {
        in_channels: number("in_channels", config.in_channels)?,
        out_ch: number("out_ch", config.out_ch)?,
        ch: number("ch", config.ch)?,
        ch_mult: published(beside, "ch_mult")?.unwrap_or(config.ch_mult),
        num_res_blocks: number("num_res_blocks", config.num_res_blocks)?,
        z_channels: number("z_channels", config.z_channels)?,
        use_ema: published(beside, "use_ema")?.unwrap_or(config.use_ema),
        norm_groups: number("norm_groups", config.norm_groups)?,
        norm_eps: or("norm_eps", config.norm_eps)?,
        quantizer: config.quantizer,
    })
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
