//! What a hall sees in presentation.

use crate::document::{Arrangement, Looks, Panel, ViewId};
use crate::shell::folded::Folded;

/// What a hall sees. What is where at work stays as it is meanwhile.
pub(super) struct Stage {
    /// What is where.
    pub(super) arrangement: Arrangement,
    /// What is drawn of it where there is no room for all.
    pub(super) folded: Folded,
    /// The caption that it was set for.
    pub(super) caption: usize,
    /// How things are looked at, if the caption says it.
    pub(super) looks: Option<Looks>,
    /// Whether the window was full screen before.
    pub(super) was_full: bool,
}

/// One view alone.
pub(super) fn alone(view: ViewId) -> Arrangement {
    Panel::Tabs { views: vec![view], front: None }.arrange()
}
