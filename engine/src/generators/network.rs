//! The network of a generator: what it is, and what computes.

use candle_core::Tensor;

use super::condition::Conditions;
use super::config::{GeneratorConfig, Way};
use super::own::{OwnMasked, OwnRaster};
use super::var::{Var, VarConfig};
use super::ways::{MaskedNetwork, RasterNetwork, ScaleNetwork};
use crate::layers::Weights;
use crate::{EngineError, Result};

/// What computes, by the way in which it writes.
#[derive(Debug)]
pub enum Layers {
    /// One token after the other.
    Raster(Box<dyn RasterNetwork>),
    /// Any of those that are masked.
    Masked(Box<dyn MaskedNetwork>),
    /// All of a scale at once.
    Scales(Box<dyn ScaleNetwork>),
}

/// The network of a generator.
#[derive(Debug)]
pub struct Network {
    config: GeneratorConfig,
    layers: Layers,
    parameters: usize,
}

impl Network {
    /// One of our own: tensors as those of [`crate::layers::Transformer`] or, of VAR, of [`Var`].
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &GeneratorConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let layers = match config.way {
            Way::Var => Layers::Scales(Box::new(Var::new(&var_config(config), weights)?)),
            Way::Raster => Layers::Raster(Box::new(OwnRaster::new(config, weights)?)),
            Way::MaskGit => Layers::Masked(Box::new(OwnMasked::new(config, weights)?)),
        };
        Self::of(config.clone(), layers, weights)
    }

    /// One of a published family, whose layers were made from these weights.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] if the configuration cannot be used, or is of another way.
    pub fn of(config: GeneratorConfig, layers: Layers, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let way = match layers {
            Layers::Raster(_) => Way::Raster,
            Layers::Masked(_) => Way::MaskGit,
            Layers::Scales(_) => Way::Var,
        };
        if way != config.way {
            let reason = format!("{} of a {} network", config.way.name(), way.name());
            return Err(EngineError::bad_input("network", reason, ""));
        }
        Ok(Self { config, layers, parameters: weights.elements() })
    }

    /// What it is.
    pub fn config(&self) -> &GeneratorConfig {
        &self.config
    }

    /// Number of its parameters.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// As a network that writes one token after the other.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] if it is none.
    pub fn raster(&self) -> Result<&dyn RasterNetwork> {
        if let Layers::Raster(network) = &self.layers { Ok(&**network) } else { self.other() }
    }

    /// As a network that writes what is masked.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] if it is none.
    pub fn masked(&self) -> Result<&dyn MaskedNetwork> {
        if let Layers::Masked(network) = &self.layers { Ok(&**network) } else { self.other() }
    }

    /// As a network that writes scales.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] if it is none.
    pub fn scales(&self) -> Result<&dyn ScaleNetwork> {
        if let Layers::Scales(network) = &self.layers { Ok(&**network) } else { self.other() }
    }

    fn other<T>(&self) -> Result<T> {
        let reason = format!("it is one of {}", self.config.way.name());
        Err(EngineError::bad_input("network", reason, ""))
    }

    /// Logits (B, N, K) of every token of some pictures, each given what its way lets it see: those before it
    /// (raster), or those that are there (MaskGIT).
    ///
    /// # Errors
    /// If a token is outside of the codebook, it reads scales, or its tokens have sub-tokens.
    pub fn logits(&self, tokens: &[&[u32]], conditions: Conditions<'_>) -> Result<Tensor> {
        if let Layers::Masked(network) = &self.layers {
            return network.logits(tokens, conditions);
        }
        let mut logits = self.raster()?.logits(tokens, conditions)?;
        match (logits.pop(), logits.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(EngineError::bad_input("network", "its tokens have sub-tokens", "")),
        }
    }

    /// How likely each token of some pictures is given those before it, (B, N), in nats; exact. Of raster
    /// networks; of sub-tokens the sum.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn nats(&self, tokens: &[&[u32]], conditions: Conditions<'_>) -> Result<Tensor> {
        use candle_core::D;
        let raster = self.raster()?;
        let sizes = raster.sub_tokens();
        let mut sum: Option<Tensor> = None;
        for (at, logits) in raster.logits(tokens, conditions)?.into_iter().enumerate() {
            let (b, n, _) = logits.dims3()?;
            let own = |token: &u32| super::ways::split(*token, &sizes)[at];
            let own: Vec<u32> = tokens.iter().flat_map(|row| row.iter().map(own)).collect();
            let own = Tensor::from_vec(own, (b, n, 1), logits.device())?;
            let top = logits.max_keepdim(D::Minus1)?;
            let all = logits.broadcast_sub(&top)?.exp()?.sum_keepdim(D::Minus1)?.log()?;
            let nats = ((all + top)? - logits.gather(&own, D::Minus1)?)?.squeeze(D::Minus1)?;
            sum = Some(match sum {
                Some(sum) => (sum + nats)?,
                None => nats,
            });
        }
        sum.ok_or_else(|| EngineError::bad_input("network", "it gave no logits", ""))
    }
}

/// That of our own generators of scales.
fn var_config(config: &GeneratorConfig) -> VarConfig {
    VarConfig {
        network: config.network,
        codes: config.codes as usize,
        code_dim: config.code_dim,
        patch_nums: config.layout.iter().map(|part| part.rows).collect(),
        classes: config.classes.len(),
        mlp_ratio: 4.0,
        shared_aln: true,
        attn_l2_norm: true,
    }
}
