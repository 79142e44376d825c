//! Hyper-parameters of diffusers' `VQModel`, with the published names.

use crate::layers::Grouping;
use crate::tokenizers::clues::{overlay, picture_channels, within};
use crate::tokenizers::family::{Beside, Shapes, any, count, size};
use crate::{EngineError, Result};

/// Groups of spatial norms, which no setting changes.
const SPATIAL_GROUPS: usize = 32;

/// What configurations of this class call it.
pub(super) const CLASSES: [&str; 1] = ["VQModel"];

/// What is told to the decoder's norms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormType {
    /// Nothing.
    #[default]
    Group,
    /// The quantized latents (MoVQ).
    Spatial,
}

/// A block of the encoder or the decoder: all its levels' blocks are alike but for attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum BlockType {
    /// Residual blocks, then half the size.
    DownEncoderBlock2D,
    /// The same with attention after each block.
    AttnDownEncoderBlock2D,
    /// Residual blocks, then twice the size.
    UpDecoderBlock2D,
    /// The same with attention after each block.
    AttnUpDecoderBlock2D,
}

impl BlockType {
    /// Whether attention follows each residual block.
    pub fn has_attention(self) -> bool {
        matches!(self, Self::AttnDownEncoderBlock2D | Self::AttnUpDecoderBlock2D)
    }

    fn is_down(self) -> bool {
        matches!(self, Self::DownEncoderBlock2D | Self::AttnDownEncoderBlock2D)
    }
}

/// The settings of a `VQModel`. What is left out here (`sample_size`, `scaling_factor`,
/// `lookup_from_codebook`, `force_upcast`) does not change what it computes.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VqModelConfig {
    /// Channels of an image.
    pub in_channels: usize,
    /// Channels of the reconstruction.
    pub out_channels: usize,
    /// The encoder's blocks, the finest first. The factor is 2^(blocks - 1).
    pub down_block_types: Vec<BlockType>,
    /// The decoder's blocks, the coarsest first.
    pub up_block_types: Vec<BlockType>,
    /// Channels of each block, the finest first.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks of each block of the encoder; the decoder's have one more.
    pub layers_per_block: usize,
    /// The activation; only "silu" (or its other name, "swish") is known.
    pub act_fn: String,
    /// Channels between encoder and `quant_conv`.
    pub latent_channels: usize,
    /// Number of codes, K.
    pub num_vq_embeddings: u32,
    /// Channels of a code, D.
    pub vq_embed_dim: usize,
    /// Groups of every norm that is not spatial.
    pub norm_num_groups: usize,
    /// What the decoder's norms are told.
    pub norm_type: NormType,
    /// Attention between the two blocks at the coarsest size.
    pub mid_block_add_attention: bool,
    /// What every norm adds to the variance.
    pub norm_eps: f64,
}

impl Default for VqModelConfig {
    fn default() -> Self {
        Self {
            in_channels: 3,
            out_channels: 3,
            down_block_types: vec![BlockType::DownEncoderBlock2D],
            up_block_types: vec![BlockType::UpDecoderBlock2D],
            block_out_channels: vec![64],
            layers_per_block: 1,
            act_fn: "silu".to_owned(),
            latent_channels: 3,
            num_vq_embeddings: 256,
            vq_embed_dim: 3,
            norm_num_groups: 32,
            norm_type: NormType::Group,
            mid_block_add_attention: true,
            norm_eps: 1e-6,
        }
    }
}

impl VqModelConfig {
    /// Pixels per token along a side.
    pub fn factor(&self) -> usize {
        1 << (self.block_out_channels.len().max(1) - 1)
    }

    /// The groups of norms that are not spatial.
    pub fn grouping(&self) -> Grouping {
        Grouping { groups: self.norm_num_groups, eps: self.norm_eps }
    }

    /// The groups of the decoder's norms.
    pub fn decoder_grouping(&self) -> Grouping {
        match self.norm_type {
            NormType::Group => self.grouping(),
            NormType::Spatial => Grouping { groups: SPATIAL_GROUPS, eps: self.norm_eps },
        }
    }

    /// Checks every size before anything is allocated.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self) -> Result<()> {
        picture_channels(self.in_channels, self.out_channels)?;
        let blocks = self.block_out_channels.len();
        within("block_out_channels (how many)", blocks, 1, 8)?;
        within("down_block_types (how many)", self.down_block_types.len(), blocks, blocks)?;
        within("up_block_types (how many)", self.up_block_types.len(), blocks, blocks)?;
        within("layers_per_block", self.layers_per_block, 1, 16)?;
        within("latent_channels", self.latent_channels, 1, 4096)?;
        within("norm_num_groups", self.norm_num_groups, 1, 4096)?;
        for &channels in &self.block_out_channels {
            within("block_out_channels", channels, 1, 4096)?;
        }
        groups_divide("norm_num_groups", self.norm_num_groups, &self.block_out_channels)?;
        if self.norm_type == NormType::Spatial {
            groups_divide("spatial norms", SPATIAL_GROUPS, &self.block_out_channels)?;
            // The decoder's norms are built for one and told the other.
            let dim = self.latent_channels;
            within("vq_embed_dim (for norm_type spatial)", self.vq_embed_dim, dim, dim)?;
        }
        let wrong = |field: &str, reason: String, hint: &str| {
            Err(EngineError::bad_input(field, reason, hint))
        };
        if !self.down_block_types.iter().all(|block| block.is_down()) {
            return wrong("down_block_types", "a block of a decoder is among them".to_owned(), "");
        }
        if self.up_block_types.iter().any(|block| block.is_down()) {
            return wrong("up_block_types", "a block of an encoder is among them".to_owned(), "");
        }
        if !matches!(self.act_fn.as_str(), "silu" | "swish") {
            return wrong("act_fn", format!("{:?} is not known", self.act_fn), "known: silu");
        }
        if !(self.norm_eps > 0.0 && self.norm_eps < 1.0) {
            return wrong("norm_eps", "not between 0 and 1".to_owned(), "usual: 1e-6");
        }
        Ok(())
    }
}

/// Groups of a norm must divide the channels of every block.
fn groups_divide(field: &str, groups: usize, channels: &[usize]) -> Result<()> {
    let Some(odd) = channels.iter().find(|channels| !channels.is_multiple_of(groups)) else {
        return Ok(());
    };
    Err(EngineError::bad_input(
        field,
        format!("{groups} groups do not divide {odd} channels"),
        "shapes do not tell the groups: put the model's config.json beside its weights",
    ))
}

/// Whether the tensors are those of a `VQModel`, even if some are missing. Its relative with
/// continuous latents (`AutoencoderKL`) has the same names, but twice the channels before
/// `quant_conv` and no codebook.
pub fn claims(shapes: &Shapes<'_>) -> bool {
    let blocks = any(shapes, "encoder.down_blocks.0.resnets.0.")
        || any(shapes, "decoder.up_blocks.0.resnets.0.");
    let axis = |name: &str, axis: usize| shapes.get(name)?.get(axis).copied();
    let dim = axis("quant_conv.weight", 0);
    let discrete = dim.is_some() && dim == axis("post_quant_conv.weight", 1);
    blocks && (any(shapes, "quantize.") || discrete)
}

/// The settings that shapes tell, then what `beside` says. Shapes do not tell `norm_num_groups` (taken
/// as published: 32) nor `act_fn` (silu).
///
/// # Errors
/// [`EngineError::BadInput`] if a tensor that decides them is missing, or they cannot be used.
pub fn configure(shapes: &Shapes<'_>, beside: Option<&Beside>) -> Result<VqModelConfig> {
    let size = |name: &str, axis: usize| size(shapes, name, axis);
    let down = |block: usize, layer: usize| {
        format!("encoder.down_blocks.{block}.resnets.{layer}.conv1.weight")
    };
    let blocks = count(shapes, |block| down(block, 0)).max(1);
    let block_out_channels =
        (0..blocks).map(|block| size(&down(block, 0), 0)).collect::<Result<Vec<_>>>()?;
    let kinds = |half: &str, [plain, attention]: [BlockType; 2]| -> Vec<BlockType> {
        (0..blocks)
            .map(|block| {
                let has = any(shapes, &format!("{half}.{block}.attentions."));
                if has { attention } else { plain }
            })
            .collect()
    };
    let down_kinds = [BlockType::DownEncoderBlock2D, BlockType::AttnDownEncoderBlock2D];
    let up_kinds = [BlockType::UpDecoderBlock2D, BlockType::AttnUpDecoderBlock2D];
    let spatial = any(shapes, "decoder.conv_norm_out.conv_y.");
    let codes = size("quantize.embedding.weight", 0)?;
    let found = VqModelConfig {
        in_channels: size("encoder.conv_in.weight", 1)?,
        out_channels: size("decoder.conv_out.weight", 0)?,
        down_block_types: kinds("encoder.down_blocks", down_kinds),
        up_block_types: kinds("decoder.up_blocks", up_kinds),
        block_out_channels,
        layers_per_block: count(shapes, |layer| down(0, layer)),
        latent_channels: size("decoder.conv_in.weight", 1)?,
        num_vq_embeddings: u32::try_from(codes).unwrap_or(u32::MAX),
        vq_embed_dim: size("quantize.embedding.weight", 1)?,
        norm_type: if spatial { NormType::Spatial } else { NormType::Group },
        mid_block_add_attention: any(shapes, "encoder.mid_block.attentions."),
        ..VqModelConfig::default()
    };
    // A pipeline's folder has configurations of other classes, too.
    let config = overlay(found, beside.filter(|beside| beside.is_of(&CLASSES)))?;
    config.validate()?;
    Ok(config)
}
