//! Views by name; what they are stands in [`crate::views`].

use serde::{Deserialize, Serialize};

/// A view by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ViewId {
    /// Original, reconstruction, difference.
    Compare,
    /// The grid over the image.
    Tokens,
    /// All codes and their use.
    Codebook,
    /// One code.
    Code,
    /// What a file of weights holds.
    Checkpoint,
    /// The images of a set.
    Dataset,
    /// What ran and what was said.
    Log,
    /// What is running.
    Jobs,
}

impl ViewId {
    /// All views, in the order of menus and number keys.
    pub const ALL: [Self; 8] = [
        Self::Compare,
        Self::Tokens,
        Self::Codebook,
        Self::Code,
        Self::Dataset,
        Self::Log,
        Self::Jobs,
        Self::Checkpoint,
    ];
}
