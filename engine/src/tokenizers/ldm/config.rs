//! Hyper-parameters of the convolutional family, with the published names.

use crate::layers::Grouping;
use crate::{EngineError, Result};

/// Which published code named the tensors; the arithmetic is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Naming {
    /// taming-transformers and what came from it: `down.{i}.block.{j}`, `up.0` the finest level.
    #[default]
    Taming,
    /// LlamaGen: `conv_blocks.{i}.res.{j}`, the decoder's block 0 the coarsest level.
    LlamaGen,
    /// Janus as transformers has it: LlamaGen's network with taming's names, `up.0` the coarsest level.
    Janus,
}

/// Encoder and decoder of the family that taming-transformers began.
///
/// A light network is the same with fewer channels, one block a level, and `mid_attention` or the
/// whole of `mid` switched off.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LdmConfig {
    /// Names of the tensors.
    pub naming: Naming,
    /// Channels of an image.
    pub in_channels: usize,
    /// Channels of the reconstruction.
    pub out_ch: usize,
    /// Channels of the finest level before its multiplier.
    pub ch: usize,
    /// Multiplier of `ch` for each level, the finest first. The factor is 2^(levels - 1).
    pub ch_mult: Vec<usize>,
    /// Residual blocks of each level of the encoder.
    pub num_res_blocks: usize,
    /// Residual blocks of each level of the decoder; one more than the encoder's where not given.
    pub decoder_res_blocks: Option<usize>,
    /// Sizes in pixels at which attention follows each block, when the image has `resolution`.
    pub attn_resolutions: Vec<usize>,
    /// The image size that `attn_resolutions` counts from. Images may have other sizes.
    pub resolution: usize,
    /// Channels between encoder and `quant_conv`.
    pub z_channels: usize,
    /// Channels of a code, D.
    pub embed_dim: usize,
    /// Twice `z_channels` out of the encoder.
    pub double_z: bool,
    /// Blocks between the coarsest level and the latents.
    pub mid: bool,
    /// Attention between those blocks.
    pub mid_attention: bool,
    /// Groups of every norm.
    pub norm_groups: usize,
    /// What every norm adds to the variance.
    pub norm_eps: f64,
}

impl Default for LdmConfig {
    fn default() -> Self {
        Self {
            naming: Naming::default(),
            in_channels: 3,
            out_ch: 3,
            ch: 128,
            ch_mult: vec![1, 1, 2, 2, 4],
            num_res_blocks: 2,
            decoder_res_blocks: None,
            attn_resolutions: vec![16],
            resolution: 256,
            z_channels: 256,
            embed_dim: 256,
            double_z: false,
            mid: true,
            mid_attention: true,
            norm_groups: 32,
            norm_eps: 1e-6,
        }
    }
}

impl LdmConfig {
    /// Pixels per token along a side.
    pub fn factor(&self) -> usize {
        1 << (self.ch_mult.len().max(1) - 1)
    }

    /// Channels of a level.
    pub fn channels(&self, level: usize) -> usize {
        self.ch * self.ch_mult[level]
    }

    /// Whether attention follows the blocks of a level.
    pub fn attention_at(&self, level: usize) -> bool {
        self.attn_resolutions.contains(&(self.resolution >> level))
    }

    /// Blocks of each level of the decoder.
    pub fn decoder_blocks(&self) -> usize {
        self.decoder_res_blocks.unwrap_or(self.num_res_blocks + 1)
    }

    /// Channels out of the encoder.
    pub fn encoded(&self) -> usize {
        if self.double_z { 2 * self.z_channels } else { self.z_channels }
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
        // A picture has three channels, or one where it is gray (MNIST).
        if ![1, 3].contains(&self.in_channels) || self.out_ch != self.in_channels {
            return Err(EngineError::bad_input(
                "in_channels",
                format!("{} in and {} out", self.in_channels, self.out_ch),
                "a picture has 3 channels, or 1 where it is gray, the same out as in",
            ));
        }
        within("ch", self.ch, 1, 4096)?;
        within("ch_mult (number of levels)", self.ch_mult.len(), 1, 8)?;
        within("num_res_blocks", self.num_res_blocks, 1, 16)?;
        within("decoder_res_blocks", self.decoder_blocks(), 1, 17)?;
        within("resolution", self.resolution, 1, 1 << 16)?;
        within("z_channels", self.z_channels, 1, 4096)?;
        within("embed_dim", self.embed_dim, 1, 4096)?;
        within("norm_groups", self.norm_groups, 1, 4096)?;
        for &multiplier in &self.ch_mult {
            within("ch_mult", multiplier, 1, 64)?;
            let channels = self.ch * multiplier;
            within("ch times ch_mult", channels, 1, 4096)?;
            if !channels.is_multiple_of(self.norm_groups) {
                return Err(EngineError::bad_input(
                    "norm_groups",
                    format!("{} groups do not divide {channels} channels", self.norm_groups),
                    "use a divisor of ch times every ch_mult",
                ));
            }
        }
        // The first block of the encoder takes `ch` channels before any multiplier.
        if !self.ch.is_multiple_of(self.norm_groups) {
            return Err(EngineError::bad_input(
                "norm_groups",
                format!("{} groups do not divide ch = {}", self.norm_groups, self.ch),
                "use a divisor of ch",
            ));
        }
        if !(self.norm_eps > 0.0 && self.norm_eps < 1.0) {
            return Err(EngineError::bad_input("norm_eps", "not between 0 and 1", "usual: 1e-6"));
        }
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
        let blocks = self.num_res_blocks + self.decoder_blocks();
        let levels: usize = (0..self.ch_mult.len())
            .map(|level| {
                let channels = self.channels(level);
                let before = self.channels(level.saturating_sub(1)).max(channels);
                let attention = if self.attention_at(level) { 4 * channels * channels } else { 0 };
                blocks * (19 * before * before + attention) + 18 * channels * channels
            })
            .sum();
        let last = self.channels(self.ch_mult.len() - 1);
        levels + if self.mid { 80 * last * last } else { 0 } + 27 * self.encoded() * last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Spoil = &'static dyn Fn(&mut LdmConfig);

    #[test]
    fn impossible_sizes_are_refused_before_anything_is_allocated() {
        let good = LdmConfig::default();
        good.validate().unwrap();
        assert_eq!(good.factor(), 16);
        let refused: [(&str, Spoil); 9] = [
            ("ch", &|c| c.ch = 0),
            ("ch", &|c| c.ch = usize::MAX),
            ("ch_mult", &|c| c.ch_mult = Vec::new()),
            ("ch_mult", &|c| c.ch_mult = vec![1, 0]),
            ("ch times ch_mult", &|c| c.ch_mult = vec![1, 64]),
            ("norm_groups", &|c| c.norm_groups = 48),
            ("norm_groups", &|c| c.norm_groups = 0),
            ("embed_dim", &|c| c.embed_dim = 0),
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

    #[test]
    fn attention_follows_the_sizes_of_the_published_configurations() {
        let config = LdmConfig::default();
        let at: Vec<bool> = (0..5).map(|level| config.attention_at(level)).collect();
        assert_eq!(at, [false, false, false, false, true]);
    }
}
