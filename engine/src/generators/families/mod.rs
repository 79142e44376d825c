//! Published generators: the table of families, who recognizes, configures and builds which network.
//!
//! A row is a file here that implements [`GeneratorFamily`]; its network implements the trait of its way
//! ([`super::ways`]) and has the published names of tensors, so that files load as they are.

mod kind;
mod recognize;
mod var;

pub use kind::{GeneratorFamily, classes_of_numbers, grid, said, side_of, within};
pub use recognize::{FoundGenerator, find_generator};

use var::VarFamily;

/// All families, the more particular ones first: the first that claims a checkpoint has it.
pub static FAMILIES: &[&dyn GeneratorFamily] = &[&VarFamily];
