//! Hyper-parameters of Cosmos' discrete image tokenizer, with the published names.

use crate::layers::Grouping;
use crate::quantizers::{FsqBound, FsqConfig};
use crate::tokenizers::clues::{grouped, multiple, overlay, picture_channels, within};
use crate::tokenizers::family::{Beside, Shapes, any, count, size};
use crate::{EngineError, Result};

/// Levels that are published or recommended (FSQ, arXiv 2309.15505, table 1) for each dimension, the
/// first those of Cosmos where it has that dimension.
const KNOWN_LEVELS: [&[u32]; 5] =
    [&[8, 8, 8, 5, 5, 5], &[8, 6, 5], &[8, 5, 5, 5], &[7, 5, 5, 5, 5], &[8, 8, 8, 6, 5]];

/// Where an archive holds the quantizer: the one that encodes (and that of both), the one that decodes.
pub(super) const QUANTIZERS: [&str; 2] = ["quantizer", "inv_quant.quantizer"];

/// How pixels become channels before the first convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PatchMethod {
    /// Haar's wavelets, as often as the patch can be halved.
    #[default]
    Haar,
    /// Each pixel of a patch becomes channels of its own.
    Rearrange,
}

/// The settings of the tokenizer; those left out (`dropout`, `z_factor`) do not change what it computes.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CosmosConfig {
    /// Channels of the finest level before its multiplier.
    pub channels: usize,
    /// Multiplier of `channels` for each level, the finest first.
    pub channels_mult: Vec<usize>,
    /// Residual blocks of each level of the encoder; the decoder's have one more.
    pub num_res_blocks: usize,
    /// Sizes in patches at which attention follows each block, when the image has `resolution`.
    pub attn_resolutions: Vec<usize>,
    /// The image size that `attn_resolutions` counts from. Images may have other sizes.
    pub resolution: usize,
    /// Pixels of a patch along a side, a power of two.
    pub patch_size: usize,
    /// How a patch becomes channels.
    pub patch_method: PatchMethod,
    /// Pixels per token along a side, a power of two: levels halve what patches leave of it, the finest
    /// first, and not all need to.
    pub spatial_compression: usize,
    /// Channels of an image.
    pub in_channels: usize,
    /// Channels of the reconstruction.
    pub out_channels: usize,
    /// Channels between encoder and `quant_conv`.
    pub z_channels: usize,
    /// Channels of a code, D.
    pub embedding_dim: usize,
    /// Levels of each channel of a code, the fastest digit first.
    pub levels: Vec<u32>,
    /// The rule; only "FSQ" was published.
    pub quantizer: String,
    /// Groups of every norm.
    pub norm_groups: usize,
    /// What every norm adds to the variance.
    pub norm_eps: f64,
    /// Margin of the bound of FSQ.
    pub fsq_eps: f64,
}

impl Default for CosmosConfig {
    fn default() -> Self {
        Self {
            channels: 128,
            channels_mult: vec![2, 4, 4],
            num_res_blocks: 2,
            attn_resolutions: vec![32],
            resolution: 1024,
            patch_size: 4,
            patch_method: PatchMethod::Haar,
            spatial_compression: 16,
            in_channels: 3,
            out_channels: 3,
            z_channels: 256,
            embedding_dim: 6,
            levels: vec![8, 8, 8, 5, 5, 5],
            quantizer: "FSQ".to_owned(),
            norm_groups: 32,
            norm_eps: 1e-6,
            fsq_eps: 1e-3,
        }
    }
}

impl CosmosConfig {
    /// Channels of a level.
    pub fn level_channels(&self, level: usize) -> usize {
        self.channels * self.channels_mult[level]
    }

    /// How many levels halve the size, from the finest on: in the decoder as many double it, from the
    /// coarsest on.
    pub fn halvings(&self) -> usize {
        let log = |size: usize| size.max(1).ilog2();
        log(self.spatial_compression).saturating_sub(log(self.patch_size)) as usize
    }

    /// The groups of every norm.
    pub fn grouping(&self) -> Grouping {
        Grouping { groups: self.norm_groups, eps: self.norm_eps }
    }

    /// The settings of the quantizer.
    pub fn fsq(&self) -> FsqConfig {
        let (levels, eps) = (self.levels.clone(), self.fsq_eps);
        FsqConfig { levels, bound: FsqBound::Atanh, eps, ..FsqConfig::default() }
    }

    /// The size at each level of the encoder, finest first, and at each of the decoder, coarsest first.
    /// The published decoder starts as if every level but one had halved the size.
    fn sizes(&self) -> [Vec<usize>; 2] {
        let (levels, halvings) = (self.channels_mult.len(), self.halvings());
        let finest = self.resolution / self.patch_size.max(1);
        let encoder = (0..levels).map(|level| finest >> level.min(halvings)).collect();
        let coarsest = finest >> (levels.max(1) - 1);
        let decoder = (0..levels).map(|done| coarsest << done.min(halvings)).collect();
        [encoder, decoder]
    }

    /// Whether attention follows the blocks of a level, in the encoder and in the decoder.
    pub fn attention_at(&self, level: usize) -> [bool; 2] {
        let [encoder, decoder] = self.sizes();
        let at = |sizes: &[usize], place: usize| {
            sizes.get(place).is_some_and(|size| self.attn_resolutions.contains(size))
        };
        [at(&encoder, level), at(&decoder, self.channels_mult.len() - 1 - level)]
    }

    /// Checks every size before anything is allocated.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self) -> Result<()> {
        let wrong = |field: &str, reason: String| Err(EngineError::bad_input(field, reason, ""));
        picture_channels(self.in_channels, self.out_channels)?;
        within("channels", self.channels, 1, 4096)?;
        let levels = self.channels_mult.len();
        within("channels_mult (number of levels)", levels, 1, 8)?;
        within("num_res_blocks", self.num_res_blocks, 1, 16)?;
        within("resolution", self.resolution, 1, 1 << 16)?;
        within("z_channels", self.z_channels, 1, 4096)?;
        within("patch_size", self.patch_size, 1, 16)?;
        within("spatial_compression", self.spatial_compression, self.patch_size, 1 << 12)?;
        for (field, size) in
            [("patch_size", self.patch_size), ("spatial_compression", self.spatial_compression)]
        {
            if !size.is_power_of_two() {
                return wrong(field, format!("{size} is not a power of two"));
            }
        }
        if self.halvings() > levels {
            let reason = format!("{levels} levels cannot halve {} times", self.halvings());
            return wrong("spatial_compression", reason);
        }
        for &multiplier in &self.channels_mult {
            within("channels_mult", multiplier, 1, 64)?;
            within("channels times channels_mult", self.channels * multiplier, 1, 4096)?;
        }
        let all = (0..levels).map(|level| self.level_channels(level));
        let all: Vec<usize> = all.chain([self.channels]).collect();
        grouped(self.norm_groups, self.norm_eps, &all)?;
        if self.quantizer != "FSQ" {
            return wrong("quantizer", format!("{:?} is not known, only FSQ", self.quantizer));
        }
        within("embedding_dim", self.embedding_dim, 1, 32)?;
        if self.levels.len() != self.embedding_dim {
            let (levels, dim) = (&self.levels, self.embedding_dim);
            return wrong("levels", format!("{levels:?} are not one for each of {dim} channels"));
        }
        Ok(())
    }
}

/// Whether the tensors are those of Cosmos' image tokenizer, or of one half of it. Its names are those of
/// taming-transformers, but patches come first; its relative for clips convolves in time.
pub fn claims(shapes: &Shapes<'_>) -> bool {
    let levels = any(shapes, "encoder.down.0.block.0.") || any(shapes, "decoder.up.0.block.0.");
    let patches = |name: &str, axis: usize| {
        shapes.get(name).is_some_and(|shape| {
            shape.len() == 4 && patch_of(shape[axis]).is_some_and(|patch| patch > 1)
        })
    };
    let patched = any(shapes, "encoder.patcher.")
        || any(shapes, "decoder.unpatcher.")
        || patches("encoder.conv_in.weight", 1)
        || patches("decoder.conv_out.weight", 0);
    let other = any(shapes, "quantize.") || shapes.keys().any(|name| name.contains(".conv3d."));
    levels && patched && !other
}

/// The side of a patch of color pixels that has so many numbers.
fn patch_of(channels: usize) -> Option<usize> {
    [1, 2, 4, 8, 16].into_iter().find(|side| 3 * side * side == channels)
}

/// The settings that shapes tell; then what `beside` says. Taken as published, because shapes do not
/// tell them: `resolution` (1024; `attn_resolutions` are then those of the levels with attention), Haar's
/// wavelets, 32 groups a norm. `levels` are known ones of that dimension, or where the file lists
/// the codes such as give their number. Where a TorchScript archive holds levels and wavelets themselves,
/// the network takes those.
///
/// # Errors
/// [`EngineError::BadInput`] if a tensor that decides them is missing, or they cannot be used.
pub fn configure(shapes: &Shapes<'_>, beside: Option<&Beside>) -> Result<CosmosConfig> {
    let size = |name: &str, axis: usize| size(shapes, name, axis);
    let block =
        |level: usize, block: usize| format!("encoder.down.{level}.block.{block}.conv1.weight");
    let levels = count(shapes, |level| block(level, 0)).max(1);
    let channels = size("encoder.conv_in.weight", 0)?;
    let multiplier = |at: usize| multiple(&block(at, 0), size(&block(at, 0), 0)?, channels);
    let patched = size("encoder.conv_in.weight", 1)?;
    let patch_size = patch_of(patched).ok_or_else(|| {
        let reason = format!("images of {patched} channels, which are no patches");
        EngineError::bad_input("network", reason, "")
    })?;
    size("decoder.conv_out.weight", 0)?;
    let halvings = count(shapes, |level| format!("encoder.down.{level}.downsample.conv.weight"));
    let embedding_dim = size("quant_conv.weight", 0)?;
    let mut found = CosmosConfig {
        channels,
        channels_mult: (0..levels).map(multiplier).collect::<Result<_>>()?,
        num_res_blocks: count(shapes, |at| block(0, at)),
        patch_size,
        spatial_compression: patch_size << halvings.min(8),
        z_channels: size("decoder.conv_in.weight", 1)?,
        embedding_dim,
        levels: guess_levels(shapes, embedding_dim).unwrap_or_default(),
        attn_resolutions: Vec::new(),
        ..CosmosConfig::default()
    };
    let sizes = found.sizes();
    let with_attention = ["encoder.down", "decoder.up"].map(|half| {
        let has = |level: &usize| any(shapes, &format!("{half}.{level}.attn."));
        (0..levels).filter(has).collect::<Vec<_>>()
    });
    let encoder = with_attention[0].iter().map(|level| sizes[0][*level]);
    let decoder = with_attention[1].iter().map(|level| sizes[1][levels - 1 - level]);
    found.attn_resolutions = encoder.chain(decoder).collect();
    found.attn_resolutions.sort_unstable_by(|a, b| b.cmp(a));
    found.attn_resolutions.dedup();
    let config = overlay(found, beside)?;
    if config.levels.is_empty() {
        let known = known_levels(embedding_dim).map(|levels| format!("{levels:?}"));
        let reason = match known.collect::<Vec<_>>().join(" or ") {
            none if none.is_empty() => format!(
                "no known ones have {embedding_dim} channels, and the file does not list codes"
            ),
            several => format!("with {embedding_dim} channels they can be {several}"),
        };
        let hint = "put the model's configuration beside its weights";
        return Err(EngineError::bad_input("levels", reason, hint));
    }
    config.validate()?;
    Ok(config)
}

/// Known levels for codes of `dim` channels.
fn known_levels(dim: usize) -> impl Iterator<Item = &'static [u32]> {
    KNOWN_LEVELS.into_iter().filter(move |levels| levels.len() == dim)
}

/// Known levels for codes of `dim` channels, of as many codes as the file lists, or else levels that
/// would make so many; `None` where several could be meant and the file does not hold them.
fn guess_levels(shapes: &Shapes<'_>, dim: usize) -> Option<Vec<u32>> {
    let listed = QUANTIZERS.iter().find_map(|name| {
        let codes = *shapes.get(format!("{name}.implicit_codebook").as_str())?.first()?;
        u32::try_from(codes).ok().filter(|codes| *codes <= 1 << 24)
    });
    let size = |levels: &[u32]| levels.iter().product::<u32>();
    let mut known =
        known_levels(dim).filter(|levels| listed.is_none_or(|listed| listed == size(levels)));
    let first = known.next();
    if known.next().is_some() && !holds_levels(shapes) {
        return None;
    }
    first.map(<[u32]>::to_vec).or_else(|| alike(listed?, dim, MOST_LEVELS))
}

/// Whether the file holds the levels that it ran with, as TorchScript archives do.
pub(super) fn holds_levels(shapes: &Shapes<'_>) -> bool {
    QUANTIZERS.iter().any(|name| any(shapes, &format!("{name}._levels")))
}

/// The most levels a channel is thought to have.
const MOST_LEVELS: u32 = 4096;

/// Levels from `most` down to 3 whose product is `codes`, as alike as can be, the largest first.
fn alike(codes: u32, dim: usize, most: u32) -> Option<Vec<u32>> {
    if dim == 0 {
        return (codes == 1).then(Vec::new);
    }
    let mut divisors = (3..=most.min(codes)).filter(|level| codes.is_multiple_of(*level));
    divisors.find_map(|level| {
        let mut levels = alike(codes / level, dim - 1, level)?;
        levels.insert(0, level);
        Some(levels)
    })
}
