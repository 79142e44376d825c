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
    /// Runs that train, side by side.
    Training,
    /// All runs, also those of before.
    Runs,
    /// A generator at work, step by step.
    Generate,
    /// Rate against quality.
    Pareto,
    /// The states that the work came through, as a tree.
    History,
    /// Generators on a common clock.
    Race,
    /// The parts of tokens that add up, from coarse to fine.
    Scales,
    /// How surprised a generator is by each token.
    Likelihood,
    /// What ways of writing cost by the side of the grid.
    Cost,
    /// How many tokens each step of MaskGIT writes.
    Schedule,
}

impl ViewId {
    /// All views, in the order of menus and number keys.
    pub const ALL: [Self; 18] = [
        Self::Compare,
        Self::Tokens,
        Self::Codebook,
        Self::Code,
        Self::Dataset,
        Self::Log,
        Self::Jobs,
        Self::Checkpoint,
        Self::Training,
        Self::Runs,
        Self::Generate,
        Self::Pareto,
        Self::History,
        Self::Race,
        Self::Scales,
        Self::Likelihood,
        Self::Cost,
        Self::Schedule,
    ];
}

/// A panel of the window: a view, and its number among the panels that show the same view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PanelId {
    /// What it shows.
    pub view: ViewId,
    /// 0 for the first, and for the only one.
    pub number: usize,
}

impl From<ViewId> for PanelId {
    fn from(view: ViewId) -> Self {
        Self { view, number: 0 }
    }
}

/// How far an image is worked out for a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Not at all.
    Image,
    /// To its tokens.
    Tokens,
    /// To what the tokens decode to.
    Reconstruction,
}
