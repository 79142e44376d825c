//! What networks are made of: weights by name, convolution blocks, norms, attention.
//!
//! Together these are the "LDM block set" that taming-transformers, LlamaGen, VAR, IBQ, Emu3 and
//! Cosmos share. Layers only hold tensors; the arithmetic is in [`crate::kernels`].

pub mod attention;
pub mod builder;
pub mod cache;
pub mod conv;
pub mod layer_norm;
pub mod linear;
pub mod names;
pub mod norm;
pub mod packed;
pub mod residual;
pub mod resize;
pub mod sample;
pub mod sequence;
pub mod spatial;
pub mod transformer;
pub mod weights;

pub use attention::{Attention, Projections};
pub use builder::Builder;
pub use cache::KvCache;
pub use conv::Conv2d;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use names::BlockNames;
pub use norm::{GroupNorm, Grouping};
pub use packed::PackedAttention;
pub use residual::ResBlock;
pub use resize::Resize;
pub use sample::{Downsample, Upsample};
pub use sequence::{Layer, Probe, Sequence};
pub use spatial::{SpatialAttention, SpatialNorm, SpatialRes};
pub use transformer::{Block, Transformer, TransformerSize};
pub use weights::{Init, Weights};
