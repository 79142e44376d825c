//! Entropies of a VQ codebook's soft assignments, for codebooks that a gradient trains.
//!
//! Source: LlamaGen's tokenizer (arXiv 2406.06525), after MAGVIT-v2, arXiv 2310.05737.

use candle_core::{D, Tensor};

use super::entropy::{LogFloor, soft_entropies};
use super::vq::{Vq, unit};
use crate::Result;

impl Vq {
    /// The mean entropy of each vector's soft choice by distance and that of the mean choice, in nats, of
    /// vectors (N, D) as they are compared with codes. Differentiable in vectors and codebook.
    pub fn entropies(&self, vectors: &Tensor) -> Result<[Tensor; 2]> {
        let codes =
            if self.config.normalize { unit(&self.embedding)? } else { self.embedding.clone() };
        let cross = (vectors.matmul(&codes.t()?)? * 2.0)?;
        let nearness = cross
            .broadcast_sub(&vectors.sqr()?.sum_keepdim(D::Minus1)?)?
            .broadcast_sub(&codes.sqr()?.sum(D::Minus1)?.unsqueeze(0)?)?;
        soft_entropies(&(nearness / self.config.entropy_temperature)?, LogFloor::Added)
    }
}
