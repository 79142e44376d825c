//! taming-transformers' GumbelVQ: the convolutional family's network around a Gumbel quantizer.
//!
//! Source: Esser et al., "Taming Transformers for High-Resolution Image Synthesis", arXiv 2012.09841,
//! and its code. Tokens are those of the largest logit; the published inference adds noise to it.

use serde_json::Value;

use super::clues::published;
use super::family::{Beside, Called, Family, Shapes, any, settings, settings_value, size};
use super::ldm::network_of;
use super::{Ldm, LdmConfig, Naming, Tokenizer, TokenizerConfig};
use crate::layers::Weights;
use crate::quantizers::{GumbelConfig, QuantizerConfig};
use crate::{EngineError, Result};

/// taming-transformers' GumbelVQ.
#[derive(Debug)]
pub struct TamingGumbel;

impl Family for TamingGumbel {
    fn id(&self) -> &'static str {
        "taming-gumbel"
    }

    fn title(&self) -> &'static str {
        "taming GumbelVQ"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        any(shapes, "encoder.down.0.block.0.")
            && any(shapes, "decoder.up.0.block.0.")
            && any(shapes, "quantize.proj.")
    }

    fn classes(&self) -> &'static [&'static str] {
        &["vqgan", "GumbelVQ"]
    }

    fn configure(
        &self,
        called: Called<'_>,
        shapes: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Result<Value> {
        let config = configure(called.name, shapes, beside)?;
        let (dim, z) = (config.network.embed_dim, config.network.z_channels);
        // The published quantizer takes z_channels behind a convolution that gives embed_dim.
        if dim != z {
            return Err(EngineError::bad_input(
                "embed_dim",
                format!("{dim} channels for a Gumbel quantizer of {z} (z_channels)"),
                "both are equal in every network of this family",
            ));
        }
        config.validate()?;
        settings_value(&config)
    }

    fn build(&self, value: &Value, weights: &Weights) -> Result<Box<dyn Tokenizer>> {
        Ok(Box::new(Ldm::new(&settings::<TokenizerConfig>(value)?, weights)?))
    }
}

/// The configuration of a checkpoint. What neither shapes nor the configuration beside it tell is as
/// published: 32 groups a norm, a KL weight of 5e-4, a temperature of 1. Attention is where shapes have
/// it, as if images had 256 pixels a side.
fn configure(name: &str, shapes: &Shapes<'_>, beside: Option<&Beside>) -> Result<TokenizerConfig> {
    let found = network_of(Naming::Taming, shapes)?;
    let number =
        |key: &str, known: usize| -> Result<usize> { Ok(published(beside, key)?.unwrap_or(known)) };
    let network = LdmConfig {
        ch: number("ch", found.ch)?,
        ch_mult: published(beside, "ch_mult")?.unwrap_or(found.ch_mult),
        num_res_blocks: number("num_res_blocks", found.num_res_blocks)?,
        attn_resolutions: published(beside, "attn_resolutions")?.unwrap_or(found.attn_resolutions),
        resolution: number("resolution", found.resolution)?,
        z_channels: number("z_channels", found.z_channels)?,
        embed_dim: number("embed_dim", found.embed_dim)?,
        double_z: published(beside, "double_z")?.unwrap_or(found.double_z),
        ..found
    };
    let codes = size(shapes, "quantize.embed.weight", 0)
        .or_else(|_| size(shapes, "quantize.proj.weight", 0))?;
    let usual = GumbelConfig::default();
    let quantizer = GumbelConfig {
        n_embed: published(beside, "n_embed")?.unwrap_or(codes as u32),
        kl_weight: published(beside, "kl_weight")?.unwrap_or(usual.kl_weight),
        temp_init: published(beside, "temp_init")?.unwrap_or(usual.temp_init),
        straight_through: published(beside, "straight_through")?.unwrap_or(usual.straight_through),
    };
    let quantizer = QuantizerConfig::Gumbel(quantizer);
    Ok(TokenizerConfig { name: name.to_owned(), network, quantizer })
}
