//! Networks that other people published, one file a family.

mod masked;
mod maskgit;
mod maskgit_halton;
mod titok;

pub use maskgit::{MaskTransformer, MaskTransformerConfig};
pub use maskgit_halton::{HaltonConfig, HaltonTransformer};
pub use titok::{ImageBert, ImageBertConfig};
