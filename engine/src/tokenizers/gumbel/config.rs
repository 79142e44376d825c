//! Hyper-parameters of GumbelVQ, and how a checkpoint of it is told by names and shapes.

use serde_json::Value;

use crate::quantizers::gumbel::GumbelConfig;
use crate::tokenizers::beside::published;
use crate::tokenizers::ldm::shapes::{Shapes, side};
use crate::tokenizers::{LdmConfig, Naming};
use crate::{EngineError, Result};

/// Network and quantizer of GumbelVQ.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GumbelVqConfig {
    /// Encoder and decoder.
    pub network: LdmConfig,
    /// How latents become codes.
    pub quantizer: GumbelConfig,
}

impl GumbelVqConfig {
    /// Checks every size before anything is allocated.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self) -> Result<()> {
        self.network.validate()?;
        let (dim, z) = (self.network.embed_dim, self.network.z_channels);
        // The published quantizer takes z_channels behind a convolution that gives embed_dim.
        if dim != z {
            return Err(EngineError::bad_input(
                "embed_dim",
                format!("{dim} channels for a Gumbel quantizer of {z} (z_channels)"),
                "both are equal in every network of this family",
            ));
        }
        self.quantizer.validate(dim)
    }
}

/// Whether tensors of these names belong to the family, even where some are missing.
pub fn claims(shapes: &Shapes<'_>) -> bool {
    let any = |prefix: &str| {
        shapes.range(prefix..).next().is_some_and(|(name, _)| name.starts_with(prefix))
    };
    any("encoder.down.0.block.0.") && any("decoder.up.0.block.0.") && any("quantize.proj.")
}

/// The configuration of a checkpoint from its shapes and the published configuration `beside` it, which
/// counts more. What neither tells is as published: 32 groups a norm, a KL weight of 5e-4, a
/// temperature of 1.
///
/// # Errors
/// [`EngineError::BadInput`] naming the tensor that decides something and is missing, or the key of the
/// configuration that is of another kind.
pub fn configure(shapes: &Shapes<'_>, beside: Option<&Value>) -> Result<GumbelVqConfig> {
    let network = LdmConfig::from_shapes(Naming::Taming, shapes).ok_or_else(|| {
        EngineError::bad_input(
            "checkpoint",
            "names of a taming GumbelVQ, but a tensor that decides its sizes is missing or has \
             channels that do not divide",
            "use a complete checkpoint",
        )
    })?;
    let codes = side(shapes, "quantize.embed.weight", 0)
        .or_else(|| side(shapes, "quantize.proj.weight", 0))
        .and_then(|codes| u32::try_from(codes).ok());
    let Some(codes) = codes else {
        return Err(EngineError::bad_input(
            "quantize.embed.weight",
            "missing, so that the number of codes is unknown",
            "use a complete checkpoint",
        ));
    };
    let usual = GumbelConfig::default();
    let quantizer = GumbelConfig {
        n_embed: published(beside, "n_embed")?.unwrap_or(codes),
        kl_weight: published(beside, "kl_weight")?.unwrap_or(usual.kl_weight),
        temp_init: published(beside, "temp_init")?.unwrap_or(usual.temp_init),
        straight_through: published(beside, "straight_through")?.unwrap_or(usual.straight_through),
    };
    Ok(GumbelVqConfig { network: network.with_published(beside)?, quantizer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_width_that_the_published_quantizer_cannot_take_is_refused() {
        let mut config = GumbelVqConfig::default();
        config.validate().unwrap();
        config.network.embed_dim = 128;
        let error = config.validate().expect_err("two widths").to_string();
        assert!(error.contains("embed_dim"), "{error}");
        config.network.embed_dim = 256;
        config.quantizer.n_embed = 0;
        assert!(config.validate().is_err(), "no codes");
    }
}
