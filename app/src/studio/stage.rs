//! What a hall sees in presentation.

use crate::document::{Arrangement, Document, Looks, Panel, ViewId};
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
    /// Whether the hall looks at the person who speaks: the screen is black.
    pub(super) is_black: bool,
    /// Whether the window was full screen before.
    pub(super) was_full: bool,
    /// Whether one person is led through it, in the window as it is and in its colors, rather than a hall.
    pub(super) is_guided: bool,
    /// How much the tokens cover the image by now, on the way to what the caption says.
    pub(super) opacity: Option<f32>,
}

/// What is seen in a frame. Found out before views and actions ask, as what is where is out of the desk while it is
/// drawn.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The document, where a caption looks at it in its own way; else it is the one that is worked on.
    pub(super) document: Option<Document>,
    /// The views.
    pub(super) seen: Vec<ViewId>,
}

/// One view alone.
pub(super) fn alone(view: ViewId) -> Arrangement {
    Panel::Tabs { views: vec![view], front: None }.arrange()
}
