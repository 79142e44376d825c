//! Published generators: the table of families, who recognizes, configures and builds which network.
//!
//! A row is a file here that implements [`GeneratorFamily`]; its network implements the trait of its way
//! ([`super::ways`]) and has the published names of tensors, so that files load as they are.

mod kind;
mod llamagen;
mod masked;
mod maskgit;
mod maskgit_halton;
mod open_magvit2;
mod recognize;
mod rotary;
mod rows;
mod taming;
#[cfg(test)]
mod tests;
mod titok;
mod var;

pub use kind::{GeneratorFamily, classes_of_numbers, grid, said, side_of, within};
pub use maskgit::{MaskTransformer, MaskTransformerConfig};
pub use maskgit_halton::{HaltonConfig, HaltonTransformer};
pub use recognize::{FoundGenerator, find_generator};
pub use titok::{ImageBert, ImageBertConfig};

use llamagen::LlamaGenBy;
use maskgit::MaskGitFamily;
use maskgit_halton::HaltonFamily;
use open_magvit2::OpenMagvit2Ar;
use taming::TamingGpt;
use titok::ImageBertFamily;
use var::VarFamily;

/// All families, the more particular ones first: the first that claims a checkpoint has it.
pub static FAMILIES: &[&dyn GeneratorFamily] = &[
    &VarFamily,
    &OpenMagvit2Ar,
    &LlamaGenBy::Class,
    &LlamaGenBy::Caption,
    &TamingGpt,
    &MaskGitFamily,
    &HaltonFamily,
    &ImageBertFamily,
];
