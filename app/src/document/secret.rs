//! What a scene's question asks about. Until somebody has guessed, no view says it.

use serde::{Deserialize, Serialize};

/// What a question asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Secret {
    /// How many codes are used, and how much.
    Usage,
    /// What the tokens decode to, and how near that is to the image.
    Reconstruction,
    /// What ordinary formats make of the same images.
    Formats,
}
