//! The network of our own generators: one transformer, asked in two ways, or that of VAR.
//!
//! Raster reads the class, then every token but the last, and sees only what lies before: place i gives
//! the logits of token i. MaskGIT reads the class and all tokens, a special one where none stands, and sees
//! everything: place i + 1 gives the logits of token i. Special inputs follow the codes: the mask (MaskGIT
//! alone), the classes, and one for no class, which guidance needs. VAR reads sums of codes, scale by scale.

use candle_core::{Device, Tensor};

use super::config::{GeneratorConfig, Way};
use super::order::Order;
use super::var::{Var, VarConfig};
use crate::kernels::Mask;
use crate::layers::{KvCache, Transformer, TransformerSize, Weights};
use crate::tokens::MASKED;
use crate::{EngineError, Result};

/// The class of each picture of a batch; `None`: no class.
pub type Conditioned<'a> = &'a [Option<u32>];

/// What computes.
#[derive(Debug)]
enum Layers {
    Tokens(Transformer),
    Scales(Var),
}

/// The network of a generator.
#[derive(Debug)]
pub struct Network {
    config: GeneratorConfig,
    layers: Layers,
    /// Of raster: the cell of each place.
    sequence: Vec<u32>,
    parameters: usize,
    device: Device,
}

impl Network {
    /// Tensors as those of [`Transformer`] or, of VAR, of [`Var`].
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] if the configuration cannot be used.
    pub fn new(config: &GeneratorConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let layers = match config.way {
            Way::Var => Layers::Scales(Var::new(&var_config(config), weights)?),
            Way::Raster | Way::MaskGit => {
                let mask = usize::from(config.way == Way::MaskGit);
                let size = TransformerSize {
                    layers: config.network.layers,
                    dim: config.network.dim,
                    heads: config.network.heads,
                    inputs: config.codes as usize + mask + config.classes.len() + 1,
                    outputs: config.codes as usize,
                    places: config.cells() + mask,
                };
                Layers::Tokens(Transformer::new(weights, size)?)
            }
        };
        Ok(Self {
            config: config.clone(),
            layers,
            sequence: config.sequence(),
            parameters: weights.elements(),
            device: weights.device().clone(),
        })
    }

    /// What it is.
    pub fn config(&self) -> &GeneratorConfig {
        &self.config
    }

    /// The cell of each place of the sequence that raster writes.
    pub fn sequence(&self) -> &[u32] {
        &self.sequence
    }

    /// Number of its parameters.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The transformer of tokens.
    fn tokens(&self) -> Result<&Transformer> {
        match &self.layers {
            Layers::Tokens(transformer) => Ok(transformer),
            Layers::Scales(_) => Err(EngineError::bad_input("network", "it reads scales", "")),
        }
    }

    /// The network of scales.
    fn scales(&self) -> Result<&Var> {
        match &self.layers {
            Layers::Scales(var) => Ok(var),
            Layers::Tokens(_) => Err(EngineError::bad_input("network", "it reads tokens", "")),
        }
    }

    /// The input that stands for a class.
    fn class_input(&self, class: Option<u32>) -> u32 {
        let first = self.config.codes + u32::from(self.config.way == Way::MaskGit);
        first + class.unwrap_or(self.config.classes.len() as u32)
    }

    /// The inputs (B, L) of sequences of tokens (B of them, N each, [`MASKED`] where none stands).
    fn inputs(&self, tokens: &[&[u32]], classes: Conditioned<'_>) -> Result<Tensor> {
        let cells = self.config.cells();
        let reads = if self.config.way == Way::Raster { cells - 1 } else { cells };
        let mut inputs = Vec::with_capacity(tokens.len() * (reads + 1));
        for (tokens, class) in tokens.iter().zip(classes) {
            inputs.push(self.class_input(*class));
            let input = |token: &u32| if *token == MASKED { self.config.codes } else { *token };
            if self.config.order == Order::Rows {
                inputs.extend(tokens.iter().take(reads).map(input));
            } else {
                let read = self.sequence.iter().take(reads);
                inputs.extend(read.filter_map(|cell| tokens.get(*cell as usize)).map(input));
            }
        }
        Ok(Tensor::from_vec(inputs, (tokens.len(), reads + 1), &self.device)?)
    }

    /// What the network knows at the place of each token, (B, N, D), before the logits.
    fn known(&self, tokens: &[&[u32]], classes: Conditioned<'_>) -> Result<Tensor> {
        let inputs = self.inputs(tokens, classes)?;
        if self.config.way == Way::Raster {
            let known = self.tokens()?.hidden(&inputs, Mask::Causal)?;
            if self.config.order == Order::Rows {
                return Ok(known);
            }
            // Back to the order of the cells.
            let mut places = vec![0_u32; self.sequence.len()];
            (0..).zip(&self.sequence).for_each(|(place, cell)| places[*cell as usize] = place);
            let places = Tensor::from_vec(places, self.sequence.len(), &self.device)?;
            return Ok(known.contiguous()?.index_select(&places, 1)?);
        }
        let known = self.tokens()?.hidden(&inputs, Mask::None)?;
        Ok(known.narrow(1, 1, self.config.cells())?)
    }

    /// Logits (B, N, K) of every token of some pictures, each given what its way lets it see: those before it
    /// (raster), or those that are there (MaskGIT).
    ///
    /// # Errors
    /// If a token is outside of the codebook, or it reads scales.
    pub fn logits(&self, tokens: &[&[u32]], classes: Conditioned<'_>) -> Result<Tensor> {
        self.tokens()?.logits(&self.known(tokens, classes)?)
    }

    /// The same of some places of all pictures alone, (places, K); places count through all pictures.
    ///
    /// # Errors
    /// As [`Network::logits`].
    pub fn logits_at(
        &self,
        tokens: &[&[u32]],
        classes: Conditioned<'_>,
        places: &[u32],
    ) -> Result<Tensor> {
        let known = self.known(tokens, classes)?.flatten(0, 1)?;
        let places = Tensor::from_slice(places, places.len(), &self.device)?;
        let rows = known.contiguous()?.index_select(&places, 0)?.unsqueeze(0)?;
        Ok(self.tokens()?.logits(&rows)?.squeeze(0)?)
    }

    /// Logits (B, N, K) of every token of all scales, given the scales before: `inputs` as
    /// [`crate::quantizers::MultiScale::inputs`] gives them.
    ///
    /// # Errors
    /// If shapes do not fit, or it reads tokens.
    pub fn scale_logits(&self, inputs: &Tensor, classes: Conditioned<'_>) -> Result<Tensor> {
        self.scales()?.forward(inputs, classes)
    }

    /// Caches for a batch of sequences, of raster and VAR.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub fn caches(&self, batch: usize) -> Result<Vec<KvCache>> {
        match &self.layers {
            Layers::Tokens(transformer) => transformer.caches(batch),
            Layers::Scales(var) => var.caches(batch),
        }
    }

    /// Logits (B, K) of the next token of raster sequences: `last` is what stands before it, in each; `None`
    /// at the beginning, where the class is read.
    ///
    /// # Errors
    /// If a token is outside of the codebook, or the caches are full.
    pub fn next_logits(
        &self,
        last: Option<&[u32]>,
        classes: Conditioned<'_>,
        caches: &mut [KvCache],
    ) -> Result<Tensor> {
        let inputs: Vec<u32> = match last {
            Some(last) => last.to_vec(),
            None => classes.iter().map(|class| self.class_input(*class)).collect(),
        };
        let inputs = Tensor::from_vec(inputs, (classes.len(), 1), &self.device)?;
        let logits = self.tokens()?.extend(&inputs, caches, Mask::Causal)?;
        Ok(logits.squeeze(1)?)
    }

    /// Logits (B, places, K) of the next scale; see [`Var::next_scale`].
    ///
    /// # Errors
    /// If shapes do not fit, or it reads tokens.
    pub fn next_scale(
        &self,
        input: Option<&Tensor>,
        classes: Conditioned<'_>,
        caches: &mut [KvCache],
    ) -> Result<Tensor> {
        self.scales()?.next_scale(input, classes, caches)
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
