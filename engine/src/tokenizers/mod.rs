//! Tokenizers: image → latents → codes of each part → latents → image, one folder a family.

mod clues;
mod config;
pub mod cosmos;
pub mod diffusers;
pub mod emu3;
pub mod facts;
pub mod family;
pub mod gray;
pub mod gumbel;
mod kind;
pub mod ldm;
pub mod magvit2;
pub mod maskgit_vqgan;
pub mod run;
pub mod titok;
mod tokenizer;
pub mod var;

pub use config::TokenizerConfig;
pub use facts::{Facts, Input};
pub use family::{Beside, Called, FAMILIES, Family, Shapes};
pub use ldm::{Ldm, LdmConfig, Naming};
pub use run::{
    check_fit, check_layout, detokenize, images_of, pictures_of, tokenize, tokenize_all,
};
pub use tokenizer::Tokenizer;

use crate::Result;
use crate::layers::Weights;
use tokenizer::{check_images, check_quantized};

/// Makes the tokenizer of a configuration from weights, fresh or loaded.
///
/// Tensors that are missing or do not fit are noted in `weights`: call [`Weights::finish`] next.
///
/// # Errors
/// [`crate::EngineError::BadInput`] if the configuration cannot be used.
pub fn build(config: &TokenizerConfig, weights: &Weights) -> Result<Box<dyn Tokenizer>> {
    Ok(Box::new(Ldm::new(config, weights)?))
}
