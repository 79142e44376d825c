//! What a network can do, one trait for each way of writing.

use candle_core::Tensor;

use super::condition::Conditions;
use crate::layers::KvCache;
use crate::{EngineError, Result};

/// Sequences on their way through a raster network: what it keeps of what it has read.
#[derive(Debug, Default)]
pub struct Reading {
    /// Keys and values of each block.
    pub caches: Vec<KvCache>,
    /// What the last place knows, where sub-tokens are still to be told, (B, 1, D).
    pub context: Option<Tensor>,
    /// Tokens read, and one more for what comes before them.
    read: usize,
}

impl Reading {
    /// Nothing was read so far.
    pub fn new(caches: Vec<KvCache>) -> Self {
        Self { caches, context: None, read: 0 }
    }

    /// How often [`RasterNetwork::next_logits`] has read: token n - 1 is told by the n-th time.
    pub fn read(&self) -> usize {
        self.read
    }

    /// Says that one more was read.
    pub fn advance(&mut self) {
        self.read += 1;
    }
}

/// A network that writes tokens one after the other.
pub trait RasterNetwork: std::fmt::Debug + Send + Sync {
    /// How many values each sub-token of a token has, the one of the lowest digit first. One for most networks: a
    /// token is then one draw.
    fn sub_tokens(&self) -> Vec<u32>;
    /// A batch of sequences of which nothing was read.
    ///
    /// # Errors
    /// If there is no memory for it.
    fn begin(&self, batch: usize) -> Result<Reading>;
    /// Logits (B, K) of the next token, or of its first sub-token: `last` is what stands before it in each
    /// sequence; `None` at the beginning, where the conditions are read. Without gradient.
    ///
    /// # Errors
    /// If a token is outside of the codebook, a condition is none of its, or all places were read.
    fn next_logits(
        &self,
        last: Option<&[u32]>,
        conditions: Conditions<'_>,
        reading: &mut Reading,
    ) -> Result<Tensor>;
    /// Logits (B, K) of the next sub-token of the same token, given those drawn before it, (B) each.
    ///
    /// # Errors
    /// As [`RasterNetwork::next_logits`], and if its tokens have no more sub-tokens.
    fn sub_logits(&self, drawn: &[&[u32]], _reading: &mut Reading) -> Result<Tensor> {
        let reason = format!("a token has no more than {} sub-tokens", drawn.len());
        Err(EngineError::bad_input("network", reason, ""))
    }
    /// Logits (B, places, K) of the tokens at some places at once, those of far-apart groups: each place with the
    /// token that stands before it in the sequence, or `None` where none does yet, and the conditions are read. All
    /// that was read so far is seen, wherever it stands. Without gradient.
    ///
    /// # Errors
    /// As [`RasterNetwork::next_logits`], and if the network cannot do that.
    fn group_logits(
        &self,
        _places: &[(usize, Option<u32>)],
        _conditions: Conditions<'_>,
        _reading: &mut Reading,
    ) -> Result<Tensor> {
        let reason = "this generator writes one token after the other";
        Err(EngineError::bad_input("order", reason, "leave groups out"))
    }
    /// Logits (B, N, K) of every token given those before it, a tensor for each sub-token; each given the true
    /// sub-tokens before it.
    ///
    /// # Errors
    /// As [`RasterNetwork::next_logits`].
    fn logits(&self, tokens: &[&[u32]], conditions: Conditions<'_>) -> Result<Vec<Tensor>>;
}

/// A network that tells every masked token from those that are there.
pub trait MaskedNetwork: std::fmt::Debug + Send + Sync {
    /// Logits (B, N, K) of every token; [`MASKED`](crate::tokens::MASKED) stands where none is.
    ///
    /// # Errors
    /// If a token is outside of the codebook, or a condition is none of its.
    fn logits(&self, tokens: &[&[u32]], conditions: Conditions<'_>) -> Result<Tensor>;
    /// The same of some places alone, (places, K); places count through all pictures.
    ///
    /// # Errors
    /// As [`MaskedNetwork::logits`].
    fn logits_at(
        &self,
        tokens: &[&[u32]],
        conditions: Conditions<'_>,
        places: &[u32],
    ) -> Result<Tensor> {
        let logits = self.logits(tokens, conditions)?.flatten(0, 1)?.contiguous()?;
        let places = Tensor::from_slice(places, places.len(), logits.device())?;
        Ok(logits.index_select(&places, 0)?)
    }
}

/// A network that writes all tokens of a scale at once.
pub trait ScaleNetwork: std::fmt::Debug + Send + Sync {
    /// Caches for a batch of sequences.
    ///
    /// # Errors
    /// If there is no memory for them.
    fn caches(&self, batch: usize) -> Result<Vec<KvCache>>;
    /// Logits (B, places, K) of the next scale: `input` (B, D, side, side) is the sum of those before at its size;
    /// `None` for the first. Without gradient.
    ///
    /// # Errors
    /// If shapes do not fit, or the caches are of another scale.
    fn next_scale(
        &self,
        input: Option<&Tensor>,
        conditions: Conditions<'_>,
        caches: &mut [KvCache],
    ) -> Result<Tensor>;
    /// Logits (B, N, K) of every token of all scales, given the scales before: `inputs` as
    /// [`MultiScale::inputs`](crate::quantizers::MultiScale::inputs) gives them.
    ///
    /// # Errors
    /// If shapes do not fit.
    fn logits(&self, inputs: &Tensor, conditions: Conditions<'_>) -> Result<Tensor>;
}

/// A token of its sub-tokens, the one of the lowest digit first.
pub fn join(drawn: &[u32], sizes: &[u32]) -> u32 {
    let pairs = drawn.iter().zip(sizes).rev();
    pairs.fold(0, |token, (sub, size)| token * size + sub)
}

/// The sub-tokens of a token.
pub fn split(mut token: u32, sizes: &[u32]) -> Vec<u32> {
    let mut last = sizes.len();
    let sub = sizes.iter().map(|size| {
        last -= 1;
        // The highest digit has what is left, so that a strange token stays one.
        let sub = if last == 0 { token } else { token % (*size).max(1) };
        token /= (*size).max(1);
        sub
    });
    sub.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_their_sub_tokens_with_the_lowest_digit_first() {
        assert_eq!(join(&[5, 3], &[16, 64]), 5 + 3 * 16);
        for token in [0, 1, 15, 16, 1023] {
            assert_eq!(join(&split(token, &[16, 64]), &[16, 64]), token);
        }
        assert_eq!(split(9, &[16]), [9]);
    }
}
