//! Training runs and recipes by reference.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A training recipe by reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecipeRef {
    /// The recipe of a tokenizer that comes with Smalti, such as "worlds-fsq".
    Shipped(Arc<str>),
    /// A file.
    File(Arc<Path>),
}

/// A training run by its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFolder {
    /// Where its checkpoint and its model are.
    pub folder: PathBuf,
    /// What it trains by.
    pub recipe: RecipeRef,
}
