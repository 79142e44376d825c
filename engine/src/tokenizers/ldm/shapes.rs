//! The hyper-parameters of the convolutional family from the shapes of its tensors, and from a published
//! configuration beside them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::config::{LdmConfig, Naming};
use crate::Result;
use crate::tokenizers::beside::published;

/// Shapes of tensors by name.
pub type Shapes<'a> = BTreeMap<&'a str, &'a [usize]>;

/// Prefixes of the encoder's and decoder's levels, and the name of a block in them.
pub(crate) fn level_names(naming: Naming) -> (&'static str, &'static str, &'static str) {
    match naming {
        Naming::Taming => ("encoder.down", "decoder.up", "block"),
        Naming::LlamaGen => ("encoder.conv_blocks", "decoder.conv_blocks", "res"),
    }
}

/// How many of a numbered name there are, from 0 without a gap.
pub(crate) fn count(shapes: &Shapes<'_>, name: impl Fn(usize) -> String) -> usize {
    (0..64).take_while(|i| shapes.contains_key(name(*i).as_str())).count()
}

/// A side of a tensor's shape.
pub(crate) fn side(shapes: &Shapes<'_>, name: &str, axis: usize) -> Option<usize> {
    shapes.get(name)?.get(axis).copied()
}

/// `ch_mult`: the channels out of each level's first block by `ch`; `None` where they do not divide.
pub(crate) fn multipliers(
    shapes: &Shapes<'_>,
    down: &str,
    block: &str,
    ch: usize,
) -> Option<Vec<usize>> {
    let name = |level| format!("{down}.{level}.{block}.0.conv1.weight");
    (0..count(shapes, name))
        .map(|level| {
            let channels = side(shapes, &name(level), 0)?;
            channels.is_multiple_of(ch).then_some(channels / ch)
        })
        .collect::<Option<Vec<_>>>()
        .filter(|mult| !mult.is_empty())
}

impl LdmConfig {
    /// The network that the tensors belong to, as far as shapes tell it; `None` if something that decides
    /// it is missing.
    ///
    /// Shapes cannot tell the number of groups of a norm (32 is published throughout), nor the
    /// resolution that attention counts from: 256 is taken, with the sizes that put attention at the
    /// levels that have it.
    pub fn from_shapes(naming: Naming, shapes: &Shapes<'_>) -> Option<Self> {
        let (down, up, block) = level_names(naming);
        let ch = side(shapes, "encoder.conv_in.weight", 0).filter(|ch| *ch > 0)?;
        let ch_mult = multipliers(shapes, down, block, ch)?;
        let num_res_blocks = count(shapes, |j| format!("{down}.0.{block}.{j}.conv1.weight"));
        let decoder_blocks = count(shapes, |j| format!("{up}.0.{block}.{j}.conv1.weight"));
        let has = |prefix: &str| shapes.keys().any(|name| name.starts_with(prefix));
        let resolution = 256;
        let attn_resolutions = (0..ch_mult.len())
            .filter(|level| has(&format!("{down}.{level}.attn.")))
            .map(|level| resolution >> level)
            .collect();
        let z_channels = side(shapes, "decoder.conv_in.weight", 1)?;
        let (mid, attention) = match naming {
            Naming::Taming => ("encoder.mid.block_1.", "encoder.mid.attn_1."),
            Naming::LlamaGen => ("encoder.mid.0.", "encoder.mid.1."),
        };
        Some(Self {
            naming,
            in_channels: side(shapes, "encoder.conv_in.weight", 1)?,
            out_ch: side(shapes, "decoder.conv_out.weight", 0)?,
            ch,
            ch_mult,
            num_res_blocks,
            decoder_res_blocks: (decoder_blocks != num_res_blocks + 1).then_some(decoder_blocks),
            attn_resolutions,
            resolution,
            z_channels,
            embed_dim: side(shapes, "quant_conv.weight", 0)?,
            double_z: side(shapes, "encoder.conv_out.weight", 0)? == 2 * z_channels,
            mid: has(mid),
            mid_attention: has(attention),
            ..Self::default()
        })
    }

    /// The same network where the published configuration beside it (`ddconfig` and `embed_dim`) says
    /// nothing else.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] naming the key whose value is of another kind.
    pub fn with_published(self, beside: Option<&Value>) -> Result<Self> {
        let number = |key: &str, known: usize| -> Result<usize> {
            Ok(published(beside, key)?.unwrap_or(known))
        };
        Ok(Self {
            in_channels: number("in_channels", self.in_channels)?,
            out_ch: number("out_ch", self.out_ch)?,
            ch: number("ch", self.ch)?,
            ch_mult: published(beside, "ch_mult")?.unwrap_or(self.ch_mult),
            num_res_blocks: number("num_res_blocks", self.num_res_blocks)?,
            attn_resolutions: published(beside, "attn_resolutions")?
                .unwrap_or(self.attn_resolutions),
            resolution: number("resolution", self.resolution)?,
            z_channels: number("z_channels", self.z_channels)?,
            embed_dim: number("embed_dim", self.embed_dim)?,
            double_z: published(beside, "double_z")?.unwrap_or(self.double_z),
            norm_groups: number("norm_groups", self.norm_groups)?,
            norm_eps: published(beside, "norm_eps")?.unwrap_or(self.norm_eps),
            ..self
        })
    }
}
