//! The transformer that generators of tokens share: blocks of attention and MLP before their norms.
//!
//! Source: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019 (norms first);
//! Vaswani et al., arXiv 1706.03762.

use candle_core::Tensor;

use super::{Init, KvCache, LayerNorm, Linear, Weights};
use crate::kernels::{self, Mask, SequenceLink};
use crate::{EngineError, Result};

/// `x + proj(attention(qkv(norm1(x))))`, then `x + down(gelu(up(norm2(x))))`.
#[derive(Debug)]
pub struct Block {
    heads: usize,
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    up: Linear,
    down: Linear,
}

impl Block {
    /// Over rows of `dim` numbers, which `heads` must divide; the MLP is four times as wide.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the heads do not divide `dim`.
    pub fn new(weights: &Weights, dim: usize, heads: usize) -> Result<Self> {
        if heads == 0 || !dim.is_multiple_of(heads) {
            let reason = format!("{heads} heads do not divide a width of {dim}");
            return Err(EngineError::bad_input("transformer", reason, ""));
        }
        Ok(Self {
            heads,
            norm1: LayerNorm::new(&weights.pp("norm1"), dim)?,
            qkv: Linear::new(&weights.pp("qkv"), (dim, 3 * dim))?,
            proj: Linear::new(&weights.pp("proj"), (dim, dim))?,
            norm2: LayerNorm::new(&weights.pp("norm2"), dim)?,
            up: Linear::new(&weights.pp("up"), (dim, 4 * dim))?,
            down: Linear::new(&weights.pp("down"), (4 * dim, dim))?,
        })
    }

    /// (B, L, D) to the same.
    pub fn forward(&self, x: &Tensor, mask: Mask<'_>) -> Result<Tensor> {
        let attention = SequenceLink::Attention { heads: self.heads, mask };
        let links = [self.norm1.link(), self.qkv.link(), attention, self.proj.link()];
        self.mlp(&kernels::sequence(x, &links, true)?)
    }

    /// The places (B, L, D) behind those that the cache has seen; they are added to it. Without gradient.
    ///
    /// # Errors
    /// If the cache is of another shape or full, or the mask does not fit.
    pub fn extend(&self, x: &Tensor, cache: &mut KvCache, mask: Mask<'_>) -> Result<Tensor> {
        let (b, l, d) = x.dims3()?;
        let size = d / self.heads;
        let rows = kernels::sequence(x, &[self.norm1.link(), self.qkv.link()], false)?;
        let rows = rows.reshape((b, l, 3, self.heads, size))?;
        let part = |at: usize| rows.narrow(2, at, 1)?.squeeze(2)?.transpose(1, 2);
        let (k, v) = (part(1)?, part(2)?);
        let scale = (size as f64).powf(-0.5);
        let attended = cache.attend(&part(0)?, (&k, &v), scale, mask)?;
        let attended = self.proj.forward(&attended.transpose(1, 2)?.reshape((b, l, d))?)?;
        self.mlp(&(x + attended)?)
    }

    fn mlp(&self, x: &Tensor) -> Result<Tensor> {
        kernels::sequence(x, &[self.norm2.link(), self.up.link_gelu(), self.down.link()], true)
    }
}

/// Sizes of a [`Transformer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransformerSize {
    /// Number of blocks.
    pub layers: usize,
    /// Width of a place.
    pub dim: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Tokens that may come in, special ones included.
    pub inputs: usize,
    /// Tokens that may come out.
    pub outputs: usize,
    /// The most places.
    pub places: usize,
}

/// Tokens in, logits of tokens out; every place has a learned embedding.
#[derive(Debug)]
pub struct Transformer {
    size: TransformerSize,
    embedding: Tensor,
    places: Tensor,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

impl Transformer {
    /// Tensors `embedding` (inputs, D), `places` (places, D), `blocks.N`, `norm`, `head` below `weights`.
    ///
    /// # Errors
    /// As for [`Block::new`].
    pub fn new(weights: &Weights, size: TransformerSize) -> Result<Self> {
        let TransformerSize { dim, inputs, outputs, places, .. } = size;
        let block = |at| Block::new(&weights.pp("blocks").pp(at), dim, size.heads);
        Ok(Self {
            size,
            embedding: weights.get(&[inputs, dim], "embedding", Init::Normal(1.0))?,
            places: weights.get(&[places, dim], "places", Init::Normal(0.02))?,
            blocks: (0..size.layers).map(block).collect::<Result<_>>()?,
            norm: LayerNorm::new(&weights.pp("norm"), dim)?,
            head: Linear::without_bias(&weights.pp("head"), (dim, outputs))?,
        })
    }

    /// Caches for a batch of sequences of all places, one for each block.
    pub fn caches(&self, batch: usize) -> Result<Vec<KvCache>> {
        let TransformerSize { dim, heads, places, .. } = self.size;
        let device = self.places.device();
        let cache = |_: &Block| KvCache::new((batch, heads, dim / heads), places, device);
        self.blocks.iter().map(cache).collect()
    }

    /// Logits (B, L, outputs) of tokens (B, L) u32.
    ///
    /// # Errors
    /// If a token is not below `inputs` or there are more places than the network has.
    pub fn forward(&self, tokens: &Tensor, mask: Mask<'_>) -> Result<Tensor> {
        self.logits(&self.hidden(tokens, mask)?)
    }

    /// What stands before the last norm, (B, L, D), of tokens (B, L) u32: for logits of some places alone.
    ///
    /// # Errors
    /// As for [`Transformer::forward`].
    pub fn hidden(&self, tokens: &Tensor, mask: Mask<'_>) -> Result<Tensor> {
        let mut x = self.embed(tokens, 0)?;
        for block in &self.blocks {
            x = block.forward(&x, mask)?;
        }
        Ok(x)
    }

    /// Logits (B, L, outputs) of the tokens (B, L) u32 behind those that the caches have seen. Without
    /// gradient.
    ///
    /// # Errors
    /// As for [`Transformer::forward`], and if the caches are not those of this network.
    pub fn extend(
        &self,
        tokens: &Tensor,
        caches: &mut [KvCache],
        mask: Mask<'_>,
    ) -> Result<Tensor> {
        let seen = caches.first().map_or(0, KvCache::len);
        let x = self.embed(tokens, seen)?;
        self.extend_rows(x, caches, mask)
    }

    /// The same of tokens (B, L) at any places, L of them, which see each other and all that the caches have seen.
    ///
    /// # Errors
    /// As for [`Transformer::extend`].
    pub fn extend_at(
        &self,
        tokens: &Tensor,
        places: &[u32],
        caches: &mut [KvCache],
    ) -> Result<Tensor> {
        let (_, l) = tokens.dims2()?;
        // A card would not refuse a strange place but stop for good.
        let is_known = |place: &u32| (*place as usize) < self.size.places;
        if places.len() != l || !places.iter().all(is_known) {
            let reason = format!("{places:?} are not {l} of {}", self.size.places);
            return Err(EngineError::bad_input("places", reason, ""));
        }
        let places = Tensor::from_slice(places, l, self.places.device())?;
        let rows = self.token_rows(tokens)?;
        let x = rows.broadcast_add(&self.places.index_select(&places, 0)?)?;
        self.extend_rows(x, caches, Mask::None)
    }

    /// Logits of rows (B, L, D) behind those that the caches have seen.
    fn extend_rows(&self, mut x: Tensor, caches: &mut [KvCache], mask: Mask<'_>) -> Result<Tensor> {
        if caches.len() != self.blocks.len() {
            let reason = format!("{} caches for {} blocks", caches.len(), self.blocks.len());
            return Err(EngineError::bad_input("transformer", reason, ""));
        }
        for (block, cache) in self.blocks.iter().zip(caches) {
            x = block.extend(&x, cache, mask)?;
        }
        self.logits(&x)
    }

    /// (B, L, D) of tokens (B, L) whose first is at place `first`.
    fn embed(&self, tokens: &Tensor, first: usize) -> Result<Tensor> {
        let (_, l) = tokens.dims2()?;
        if first + l > self.size.places {
            return Err(EngineError::Shape {
                what: "tokens".to_owned(),
                expected: format!("(B, L) with at most {} places left", self.size.places - first),
                found: tokens.dims().to_vec(),
            });
        }
        let rows = self.token_rows(tokens)?;
        Ok(rows.broadcast_add(&self.places.narrow(0, first, l)?)?)
    }

    /// Embeddings (B, L, D) of tokens (B, L), without those of their places.
    fn token_rows(&self, tokens: &Tensor) -> Result<Tensor> {
        let (b, l) = tokens.dims2()?;
        let list = tokens.flatten_all()?;
        // A card would not refuse a strange token but stop for good.
        if let Some(at) =
            list.to_vec1::<u32>()?.iter().position(|&t| t as usize >= self.size.inputs)
        {
            let reason =
                format!("sequence {}, place {} is not below {}", at / l, at % l, self.size.inputs);
            return Err(EngineError::bad_input("tokens", reason, ""));
        }
        let rows = self.embedding.index_select(&list, 0)?;
        Ok(rows.reshape((b, l, self.size.dim))?)
    }

    /// Logits (B, L, outputs) of what [`Transformer::hidden`] gave, or of some of its rows.
    pub fn logits(&self, x: &Tensor) -> Result<Tensor> {
        kernels::sequence(x, &[self.norm.link(), self.head.link()], false)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;
    use crate::device::of_tests;
    use crate::random::{Noise, Purpose};

    const SIZE: TransformerSize =
        TransformerSize { layers: 2, dim: 12, heads: 3, inputs: 8, outputs: 7, places: 9 };

    fn tokens(batch: usize, len: usize) -> Tensor {
        let noise = Noise::new(5, Purpose::Test, 0, 0);
        let values: Vec<u32> =
            (0..(batch * len) as u32).map(|i| noise.range(i, 0.0, 7.99) as u32).collect();
        Tensor::from_vec(values, (batch, len), &of_tests().unwrap()).unwrap()
    }

    fn loss(network: &Transformer, targets: &Tensor) -> Tensor {
        let logits = network.forward(&tokens(3, 9), Mask::Causal).unwrap();
        kernels::cross_entropy(&logits.flatten(0, 1).unwrap(), targets).unwrap()
    }

    #[test]
    fn every_parameter_gets_the_gradient_that_finite_differences_give() {
        let weights = Weights::fresh(3, &of_tests().unwrap());
        let network = Transformer::new(&weights, SIZE).unwrap();
        let vars = weights.vars();
        assert_eq!(vars.len(), 2 + 2 * 12 + 2 + 1);
        let targets = (tokens(3, 9).flatten_all().unwrap().to_vec1::<u32>().unwrap())
            .into_iter()
            .map(|t| t % 7)
            .collect::<Vec<_>>();
        let targets = Tensor::from_vec(targets, 27, &of_tests().unwrap()).unwrap();
        let grads = loss(&network, &targets).backward().unwrap();
        let value = || f64::from(loss(&network, &targets).to_scalar::<f32>().unwrap());
        for (name, var) in &vars {
            let gradient = grads.get(var).unwrap_or_else(|| panic!("{name} gets no gradient"));
            let gradient: Vec<f32> = gradient.flatten_all().unwrap().to_vec1().unwrap();
            let start: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
            let largest = gradient.iter().fold(0.0_f32, |a, x| a.max(x.abs()));
            // Along the gradient the loss must rise by its square.
            let step = 1e-2 / gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
            let moved = |by: f32| {
                let values: Vec<f32> =
                    start.iter().zip(&gradient).map(|(x, g)| x + by * g).collect();
                set(var, values);
                value()
            };
            let rise = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            set(var, start.clone());
            let expected: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
            assert!(largest > 0.0, "{name}: the gradient is 0");
            let error = (rise - expected).abs() / expected;
            assert!(error < 2e-2, "{name}: {rise} and {expected}");
        }
    }

    fn set(var: &Var, values: Vec<f32>) {
        var.set(&Tensor::from_vec(values, var.dims(), &of_tests().unwrap()).unwrap()).unwrap();
    }

    #[test]
    fn caches_give_what_all_places_at_once_give() {
        let network = Transformer::new(&Weights::fresh(4, &of_tests().unwrap()), SIZE).unwrap();
        let tokens = tokens(2, 9);
        let whole = network.forward(&tokens, Mask::Causal).unwrap();
        let mut caches = network.caches(2).unwrap();
        for (first, count) in [(0, 1), (1, 5), (6, 3)] {
            let part = tokens.narrow(1, first, count).unwrap();
            let found = network.extend(&part, &mut caches, Mask::Causal).unwrap();
            let apart = (found - whole.narrow(1, first, count).unwrap()).unwrap().abs().unwrap();
            assert!(apart.max_all().unwrap().to_scalar::<f32>().unwrap() < 1e-4, "from {first}");
        }
        // Places by their numbers are those one after the other.
        let mut by_number = network.caches(2).unwrap();
        for place in 0..9 {
            let one = tokens.narrow(1, place, 1).unwrap();
            let found = network.extend_at(&one, &[place as u32], &mut by_number).unwrap();
            let apart = (found - whole.narrow(1, place, 1).unwrap()).unwrap().abs().unwrap();
            assert!(apart.max_all().unwrap().to_scalar::<f32>().unwrap() < 1e-4, "place {place}");
        }
        let one = tokens.narrow(1, 0, 1).unwrap();
        assert!(network.extend_at(&one, &[9], &mut network.caches(2).unwrap()).is_err());
        assert!(network.extend_at(&one, &[0, 1], &mut network.caches(2).unwrap()).is_err());
        assert!(network.extend(&one, &mut caches, Mask::Causal).is_err(), "no place is left");
        assert!(network.extend(&one, &mut caches[..1], Mask::Causal).is_err());
    }

    #[test]
    fn what_a_network_cannot_take_is_an_error() {
        let weights = Weights::fresh(4, &of_tests().unwrap());
        assert!(Block::new(&weights, 10, 3).is_err() && Block::new(&weights, 10, 0).is_err());
        let network = Transformer::new(&weights, SIZE).unwrap();
        assert!(network.forward(&tokens(1, 10), Mask::None).is_err(), "too many places");
        let strange = Tensor::new(&[[8_u32]], &of_tests().unwrap()).unwrap();
        assert!(network.forward(&strange, Mask::None).is_err(), "a token that does not exist");
    }
}
