//! Hyper-parameters of Emu3's vision tokenizer, with the published names.

use crate::layers::Grouping;
use crate::tokenizers::clues::{grouped, multiple, overlay, picture_channels, within};
use crate::tokenizers::family::{Beside, Shapes, any, count, size};
use crate::{EngineError, Result};

/// What configurations of this class call it.
pub(super) const CLASSES: [&str; 1] = ["Emu3VisionVQ"];

/// The settings of the tokenizer; those left out (`dropout`) do not change what it computes.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Emu3Config {
    /// Number of codes, K.
    pub codebook_size: u32,
    /// Channels of a code, D.
    pub embed_dim: usize,
    /// Channels between the spatial and the temporal layers.
    pub z_channels: usize,
    /// Twice `z_channels` out of the encoder; never, or codes could not be made of them.
    pub double_z: bool,
    /// Channels of an image.
    pub in_channels: usize,
    /// Channels of the reconstruction.
    pub out_channels: usize,
    /// Frames per frame of tokens, a power of two. An image is a clip of so many equal frames.
    pub temporal_downsample_factor: usize,
    /// Channels of the finest level before its multiplier.
    pub ch: usize,
    /// Multiplier of `ch` for each level, the finest first. The factor is 2^(levels - 1).
    pub ch_mult: Vec<usize>,
    /// Residual blocks of each level of the encoder, and of the temporal layers; the decoder's levels
    /// have one more.
    pub num_res_blocks: usize,
    /// The levels (not sizes, as elsewhere) at which attention follows each block.
    pub attn_resolutions: Vec<usize>,
    /// Groups of every group norm.
    pub norm_groups: usize,
    /// What every group norm adds to the variance.
    pub norm_eps: f64,
    /// What every batch norm adds to the variance.
    pub batchnorm_eps: f64,
}

impl Default for Emu3Config {
    fn default() -> Self {
        Self {
            codebook_size: 32768,
            embed_dim: 4,
            z_channels: 4,
            double_z: false,
            in_channels: 3,
            out_channels: 3,
            temporal_downsample_factor: 4,
            ch: 256,
            ch_mult: vec![1, 2, 2, 4],
            num_res_blocks: 2,
            attn_resolutions: vec![3],
            norm_groups: 32,
            norm_eps: 1e-6,
            batchnorm_eps: 1e-5,
        }
    }
}

impl Emu3Config {
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
        self.attn_resolutions.contains(&level)
    }

    /// How often the temporal layers halve and double the frames.
    pub fn halvings(&self) -> usize {
        self.temporal_downsample_factor.max(1).ilog2() as usize
    }

    /// The groups of every group norm.
    pub fn grouping(&self) -> Grouping {
        Grouping { groups: self.norm_groups, eps: self.norm_eps }
    }

    /// Checks every size before anything is allocated.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self) -> Result<()> {
        let wrong = |field: &str, reason: &str| Err(EngineError::bad_input(field, reason, ""));
        picture_channels(self.in_channels, self.out_channels)?;
        within("ch", self.ch, 1, 4096)?;
        within("ch_mult (number of levels)", self.ch_mult.len(), 1, 8)?;
        within("num_res_blocks", self.num_res_blocks, 1, 16)?;
        within("z_channels", self.z_channels, 1, 4096)?;
        if self.embed_dim != self.z_channels {
            return wrong("embed_dim", "not the number of z_channels, which the decoder needs");
        }
        if self.double_z {
            return wrong("double_z", "codes are not made of twice the channels");
        }
        let temporal = self.temporal_downsample_factor;
        within("temporal_downsample_factor", temporal, 1, 64)?;
        if !temporal.is_power_of_two() {
            return wrong("temporal_downsample_factor", "not a power of two");
        }
        for &multiplier in &self.ch_mult {
            within("ch_mult", multiplier, 1, 64)?;
            within("ch times ch_mult", self.ch * multiplier, 1, 4096)?;
        }
        let levels = (0..self.ch_mult.len()).map(|level| self.channels(level));
        let levels: Vec<usize> = levels.chain([self.ch]).collect();
        grouped(self.norm_groups, self.norm_eps, &levels)?;
        if !(self.batchnorm_eps > 0.0 && self.batchnorm_eps < 1.0) {
            return wrong("batchnorm_eps", "not between 0 and 1");
        }
        Ok(())
    }
}

/// Whether the tensors are those of Emu3's tokenizer, even if some are missing. Its relative for
/// images alone has no convolutions in time.
pub fn claims(shapes: &Shapes<'_>) -> bool {
    let temporal = ["encoder.time_conv.", "encoder.time_res_stack.", "decoder.time_conv."].iter();
    let levels = ["encoder.down.0.block.0.", "decoder.up.0.block.0."].iter();
    temporal.copied().any(|name| any(shapes, name)) && levels.copied().any(|name| any(shapes, name))
}

/// The settings that shapes tell, which are all but what norms add to variances and their groups (taken
/// as published); then what `beside` says.
///
/// # Errors
/// [`EngineError::BadInput`] if a tensor that decides them is missing, or they cannot be used.
pub fn configure(shapes: &Shapes<'_>, beside: Option<&Beside>) -> Result<Emu3Config> {
    let size = |name: &str, axis: usize| size(shapes, name, axis);
    let block =
        |level: usize, block: usize| format!("encoder.down.{level}.block.{block}.conv1.weight");
    let levels = count(shapes, |level| block(level, 0)).max(1);
    let ch = size("encoder.conv_in.weight", 0)?;
    let multiplier = |at: usize| multiple(&block(at, 0), size(&block(at, 0), 0)?, ch);
    let halvings = count(shapes, |at| format!("encoder.time_conv.{at}.conv.conv.weight"));
    let codes = size("quantize.embedding.weight", 0)?;
    let found = Emu3Config {
        codebook_size: u32::try_from(codes).unwrap_or(u32::MAX),
        embed_dim: size("quantize.embedding.weight", 1)?,
        z_channels: size("decoder.conv_in.weight", 1)?,
        in_channels: size("encoder.conv_in.weight", 1)?,
        out_channels: size("decoder.conv_out.weight", 0)?,
        temporal_downsample_factor: 1 << halvings.min(16),
        ch,
        ch_mult: (0..levels).map(multiplier).collect::<Result<_>>()?,
        num_res_blocks: count(shapes, |at| block(0, at)),
        attn_resolutions: (0..levels)
            .filter(|level| any(shapes, &format!("encoder.down.{level}.attn.")))
            .collect(),
        ..Emu3Config::default()
    };
    // The folder may be that of the language model around it.
    let config = overlay(found, beside.filter(|beside| beside.is_of(&CLASSES)))?;
    config.validate()?;
    Ok(config)
}
