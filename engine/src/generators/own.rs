//! The networks of our own generators of tokens: one transformer, asked in two ways.
//!
//! Raster reads the class, then every token but the last, and sees only what lies before: place i gives
//! the logits of token i. MaskGIT reads the class and all tokens, a special one where none stands, and sees
//! everything: place i + 1 gives the logits of token i. Special inputs follow the codes: the mask (MaskGIT
//! alone), the classes, and one for no class, which guidance needs.

use candle_core::{Device, Tensor};

use super::condition::{Condition, Conditions};
use super::config::{GeneratorConfig, Way};
use super::order::Order;
use super::ways::{MaskedNetwork, RasterNetwork, Reading};
use crate::kernels::Mask;
use crate::layers::{Transformer, TransformerSize, Weights};
use crate::tokens::MASKED;
use crate::{EngineError, Result};

/// The transformer with what its inputs mean.
#[derive(Debug)]
struct Tokens {
    transformer: Transformer,
    codes: u32,
    classes: u32,
    cells: usize,
    /// Whether there is an input for a masked token.
    masks: bool,
    device: Device,
}

impl Tokens {
    fn new(config: &GeneratorConfig, weights: &Weights) -> Result<Self> {
        let masks = config.way == Way::MaskGit;
        let special = usize::from(masks);
        let size = TransformerSize {
            layers: config.network.layers,
            dim: config.network.dim,
            heads: config.network.heads,
            inputs: config.codes as usize + special + config.classes.len() + 1,
            outputs: config.codes as usize,
            places: config.cells() + special,
        };
        Ok(Self {
            transformer: Transformer::new(weights, size)?,
            codes: config.codes,
            classes: config.classes.len() as u32,
            cells: config.cells(),
            masks,
            device: weights.device().clone(),
        })
    }

    /// The input that stands for a condition.
    fn first_input(&self, condition: &Condition) -> Result<u32> {
        let first = self.codes + u32::from(self.masks);
        match condition {
            Condition::Nothing => Ok(first + self.classes),
            Condition::Class(class) if *class < self.classes => Ok(first + class),
            Condition::Class(class) => {
                let reason = format!("{class} is not below {}", self.classes);
                Err(EngineError::bad_input("class", reason, ""))
            }
            Condition::Caption(_) | Condition::Tokens(_) => {
                Err(EngineError::bad_input("condition", "this generator takes classes", ""))
            }
        }
    }

    /// What the network knows, (B, places, D), of sequences of tokens (B of them, N each), of which it reads
    /// the first few.
    fn known(
        &self,
        tokens: &[&[u32]],
        conditions: Conditions<'_>,
        (reads, mask): (usize, Mask<'_>),
    ) -> Result<Tensor> {
        let mut inputs = Vec::with_capacity(tokens.len() * (reads + 1));
        for (tokens, condition) in tokens.iter().zip(conditions) {
            inputs.push(self.first_input(condition)?);
            let input = |token: &u32| if *token == MASKED { self.codes } else { *token };
            inputs.extend(tokens.iter().take(reads).map(input));
        }
        let inputs = Tensor::from_vec(inputs, (tokens.len(), reads + 1), &self.device)?;
        self.transformer.hidden(&inputs, mask)
    }
}

/// One token after the other.
#[derive(Debug)]
pub(super) struct OwnRaster {
    tokens: Tokens,
    /// The cell of each place, and the place of each cell; `None` where both are the same.
    order: Option<(Vec<u32>, Vec<u32>)>,
}

impl OwnRaster {
    /// Tensors as those of [`Transformer`].
    pub(super) fn new(config: &GeneratorConfig, weights: &Weights) -> Result<Self> {
        let order = (config.order != Order::Rows).then(|| {
            let cells = config.sequence();
            let mut places = vec![0; cells.len()];
            (0..).zip(&cells).for_each(|(place, cell)| places[*cell as usize] = place);
            (cells, places)
        });
        Ok(Self { tokens: Tokens::new(config, weights)?, order })
    }

    fn known(&self, tokens: &[&[u32]], conditions: Conditions<'_>) -> Result<Tensor> {
        let reads = (self.tokens.cells - 1, Mask::Causal);
        let Some((cells, places)) = &self.order else {
            return self.tokens.known(tokens, conditions, reads);
        };
        let in_order = |row: &&[u32]| -> Vec<u32> {
            cells.iter().filter_map(|cell| row.get(*cell as usize)).copied().collect()
        };
        let rows: Vec<Vec<u32>> = tokens.iter().map(in_order).collect();
        let rows: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
        let known = self.tokens.known(&rows, conditions, reads)?;
        // Back to the order of the cells.
        let places = Tensor::from_slice(places, places.len(), &self.tokens.device)?;
        Ok(known.contiguous()?.index_select(&places, 1)?)
    }
}

impl RasterNetwork for OwnRaster {
    fn sub_tokens(&self) -> Vec<u32> {
        vec![self.tokens.codes]
    }

    fn begin(&self, batch: usize) -> Result<Reading> {
        Ok(Reading::new(self.tokens.transformer.caches(batch)?))
    }

    fn next_logits(
        &self,
        last: Option<&[u32]>,
        conditions: Conditions<'_>,
        reading: &mut Reading,
    ) -> Result<Tensor> {
        let inputs: Vec<u32> = match last {
            Some(last) => last.to_vec(),
            None => {
                conditions.iter().map(|one| self.tokens.first_input(one)).collect::<Result<_>>()?
            }
        };
        let inputs = Tensor::from_vec(inputs, (conditions.len(), 1), &self.tokens.device)?;
        let logits = self.tokens.transformer.extend(&inputs, &mut reading.caches, Mask::Causal)?;
        reading.advance();
        Ok(logits.squeeze(1)?)
    }

    fn group_logits(
        &self,
        places: &[(usize, Option<u32>)],
        conditions: Conditions<'_>,
        reading: &mut Reading,
    ) -> Result<Tensor> {
        let mut inputs = Vec::with_capacity(conditions.len() * places.len());
        for condition in conditions {
            let first = self.tokens.first_input(condition)?;
            inputs.extend(places.iter().map(|(_, last)| last.unwrap_or(first)));
        }
        let shape = (conditions.len(), places.len());
        let inputs = Tensor::from_vec(inputs, shape, &self.tokens.device)?;
        let at: Vec<u32> = places.iter().map(|(place, _)| *place as u32).collect();
        let logits = self.tokens.transformer.extend_at(&inputs, &at, &mut reading.caches)?;
        reading.advance();
        Ok(logits)
    }

    fn logits(&self, tokens: &[&[u32]], conditions: Conditions<'_>) -> Result<Vec<Tensor>> {
        let known = self.known(tokens, conditions)?;
        Ok(vec![self.tokens.transformer.logits(&known)?])
    }
}

/// Any of those that are masked.
#[derive(Debug)]
pub(super) struct OwnMasked(Tokens);

impl OwnMasked {
    /// Tensors as those of [`Transformer`].
    pub(super) fn new(config: &GeneratorConfig, weights: &Weights) -> Result<Self> {
        Ok(Self(Tokens::new(config, weights)?))
    }

    fn known(&self, tokens: &[&[u32]], conditions: Conditions<'_>) -> Result<Tensor> {
        let known = self.0.known(tokens, conditions, (self.0.cells, Mask::None))?;
        Ok(known.narrow(1, 1, self.0.cells)?)
    }
}

impl MaskedNetwork for OwnMasked {
    fn logits(&self, tokens: &[&[u32]], conditions: Conditions<'_>) -> Result<Tensor> {
        self.0.transformer.logits(&self.known(tokens, conditions)?)
    }

    /// The head reads these places alone.
    fn logits_at(
        &self,
        tokens: &[&[u32]],
        conditions: Conditions<'_>,
        places: &[u32],
    ) -> Result<Tensor> {
        let known = self.known(tokens, conditions)?.flatten(0, 1)?;
        let places = Tensor::from_slice(places, places.len(), &self.0.device)?;
        let rows = known.contiguous()?.index_select(&places, 0)?.unsqueeze(0)?;
        Ok(self.0.transformer.logits(&rows)?.squeeze(0)?)
    }
}
