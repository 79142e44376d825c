//! Hyper-parameters of MaskGIT-VQGAN, with the published names, and how they are told from a checkpoint.

use super::network::Levels;
use crate::layers::Grouping;
use crate::quantizers::{BetaPlacement, CodebookUpdate, QuantizerConfig, VqConfig};
use crate::tokenizers::clues::{Said, grouped, multiple, within};
use crate::tokenizers::family::{Beside, Shapes, any, count, size};
use crate::{EngineError, Result};

/// MaskGIT's VQGAN as 1d-tokenizer and open-muse build it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskGitConfig {
    /// Channels of an image and of its reconstruction.
    pub num_channels: usize,
    /// Channels of the finest level before its multiplier.
    pub hidden_channels: usize,
    /// Multiplier of `hidden_channels` for each level, the finest first. The factor is 2^(levels - 1).
    pub channel_mult: Vec<usize>,
    /// Residual blocks of each level, and between the coarsest level and the latents.
    pub num_res_blocks: usize,
    /// Channels of a code, D.
    pub z_channels: usize,
    /// Number of codes, K.
    pub num_embeddings: u32,
    /// Weight of the codebook loss (not of the commitment, as the paper has it).
    pub commitment_cost: f64,
    /// Groups of every norm.
    pub norm_groups: usize,
    /// What every norm adds to the variance.
    pub norm_eps: f64,
}

impl Default for MaskGitConfig {
    fn default() -> Self {
        Self {
            num_channels: 3,
            hidden_channels: 128,
            channel_mult: vec![1, 1, 2, 2, 4],
            num_res_blocks: 2,
            z_channels: 256,
            num_embeddings: 1024,
            commitment_cost: 0.25,
            norm_groups: 32,
            norm_eps: 1e-6,
        }
    }
}

impl MaskGitConfig {
    /// Pixels per token along a side.
    pub fn factor(&self) -> usize {
        1 << (self.channel_mult.len().max(1) - 1)
    }

    /// The sizes of the decoder, as TiTok has it too.
    pub(super) fn levels(&self) -> Levels {
        let channels = self.channel_mult.iter().map(|multiplier| self.hidden_channels * multiplier);
        Levels {
            images: self.num_channels,
            channels: channels.collect(),
            blocks: self.num_res_blocks,
            latents: self.z_channels,
            grouping: Grouping { groups: self.norm_groups, eps: self.norm_eps },
        }
    }

    /// The quantizer.
    pub(super) fn vq(&self) -> VqConfig {
        VqConfig {
            codes: self.num_embeddings,
            beta: self.commitment_cost,
            placement: BetaPlacement::Codebook,
            update: CodebookUpdate::Gradient,
            ..VqConfig::default()
        }
    }

    /// Checks every size before anything is allocated.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self) -> Result<()> {
        if !matches!(self.num_channels, 1 | 3) {
            let reason = format!("images of {} channels", self.num_channels);
            return Err(EngineError::bad_input("num_channels", reason, "1 or 3 can be shown"));
        }
        within("hidden_channels", self.hidden_channels, 1, 4096)?;
        within("channel_mult (number of levels)", self.channel_mult.len(), 1, 8)?;
        within("num_res_blocks", self.num_res_blocks, 1, 16)?;
        within("z_channels", self.z_channels, 1, 4096)?;
        for &multiplier in &self.channel_mult {
            within("channel_mult", multiplier, 1, 64)?;
            within(
                "hidden_channels times channel_mult",
                self.hidden_channels * multiplier,
                1,
                4096,
            )?;
        }
        // The first block of the encoder takes `hidden_channels` before any multiplier.
        let mut channels = self.levels().channels;
        channels.push(self.hidden_channels);
        grouped(self.norm_groups, self.norm_eps, &channels)?;
        QuantizerConfig::Vq(self.vq()).validate(self.z_channels)
    }
}

/// Whether the names are those of MaskGIT's VQGAN: levels as taming-transformers names them, blocks of
/// the middle by number, and no convolution around the quantizer.
pub fn claims(shapes: &Shapes<'_>) -> bool {
    any(shapes, "encoder.down.0.block.0.")
        && any(shapes, "decoder.up.0.block.0.")
        && (any(shapes, "encoder.mid.0.conv1.") || any(shapes, "decoder.mid.0.conv1."))
        && !any(shapes, "quant_conv.")
}

/// The configuration of a checkpoint, from its shapes and what lies beside it.
///
/// Shapes tell all sizes. They do not tell, and without a configuration are taken as published: the
/// norms' groups (32) and epsilon (1e-6), and `commitment_cost`.
///
/// # Errors
/// [`EngineError::BadInput`] if a tensor that decides is missing, or something is of the wrong kind.
pub fn configure(shapes: &Shapes<'_>, beside: Option<&Beside>) -> Result<MaskGitConfig> {
    let said = Said(beside);
    let defaults = MaskGitConfig::default();
    let hidden_channels = size(shapes, "encoder.conv_in.weight", 0)?;
    let conv1 =
        |level: usize, block: usize| format!("encoder.down.{level}.block.{block}.conv1.weight");
    let multiplier = |level: usize| {
        let name = conv1(level, 0);
        multiple(&name, size(shapes, &name, 0)?, hidden_channels)
    };
    let levels = count(shapes, |level| conv1(level, 0));
    let codes = size(shapes, "quantize.embedding.weight", 0)?;
    let config = MaskGitConfig {
        num_channels: size(shapes, "encoder.conv_in.weight", 1)?,
        hidden_channels,
        channel_mult: (0..levels).map(multiplier).collect::<Result<_>>()?,
        num_res_blocks: count(shapes, |block| conv1(0, block)),
        z_channels: size(shapes, "encoder.conv_out.weight", 0)?,
        num_embeddings: u32::try_from(codes).unwrap_or(u32::MAX),
        commitment_cost: said.number(&["/commitment_cost"])?.unwrap_or(defaults.commitment_cost),
        norm_groups: said.whole(&["/norm_groups"])?.unwrap_or(defaults.norm_groups),
        norm_eps: said.number(&["/norm_eps"])?.unwrap_or(defaults.norm_eps),
    };
    config.validate()?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Spoil = &'static dyn Fn(&mut MaskGitConfig);

    #[test]
    fn impossible_sizes_are_refused_before_anything_is_allocated() {
        let good = MaskGitConfig::default();
        good.validate().unwrap();
        assert_eq!(good.factor(), 16);
        let refused: [(&str, Spoil); 7] = [
            ("num_channels", &|c| c.num_channels = 2),
            ("hidden_channels", &|c| c.hidden_channels = 0),
            ("channel_mult", &|c| c.channel_mult = vec![1; 9]),
            ("hidden_channels times channel_mult", &|c| c.channel_mult = vec![1, 64]),
            ("norm_groups", &|c| c.norm_groups = 48),
            ("norm_eps", &|c| c.norm_eps = 0.0),
            ("codes", &|c| c.num_embeddings = 0),
        ];
        for (field, change) in refused {
            let mut config = good.clone();
            change(&mut config);
            let error = config.validate().expect_err(field).to_string();
            assert!(error.contains(field), "{field}: {error}");
        }
    }
}
