//! What has begun and is not over: a gesture of the pointer, the end of the window, a scene that is led through.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::document::{Asked, Document};
use crate::files::deeds::Deed;
use crate::files::scenes::Scene;
use crate::shell::script::At;

/// The pointer in the frame in which what is being applied was told.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Gesture {
    /// A button was down, or was released in it.
    pub(super) goes_on: bool,
    /// A button was released in it: what comes later is another gesture.
    pub(super) has_ended: bool,
}

/// What was answered or waits on the way to the end.
#[derive(Debug, Default)]
pub(super) struct Quitting {
    /// The question on quitting was answered with "without saving".
    pub(super) may_lose_work: bool,
    /// The question on runs that are not over was answered: the end may come when what was changed is saved.
    pub(super) runs_may_stop: bool,
    /// The end comes when what was done is in the tokens.
    pub(super) waits: bool,
    /// The end comes when what takes long to save is saved.
    pub(super) waits_for_sheet: bool,
}

/// What a scene did to the document.
#[derive(Debug)]
pub(super) struct Done {
    /// At which place of it.
    pub(super) at: At,
    /// The document before.
    pub(super) before: Document,
    /// The document then.
    pub(super) after: Document,
}

/// Who leads through the scene that is shown.
#[derive(Debug, Default)]
pub(super) struct Guide {
    /// Whether the doors are seen, in the place of the views.
    pub(super) has_doors: bool,
    /// Whether the scene that comes is led through, caption by caption.
    pub(super) leads: bool,
    /// The scene, and the document as it began.
    pub(super) scene: Option<(Scene, Document)>,
    /// Which of the sitting's documents that is.
    pub(super) number: usize,
    /// Models that it needs, until it is known whether they are there: tokenizers, generators.
    pub(super) needs: Option<(Vec<String>, Vec<String>)>,
    /// What was done, in order.
    pub(super) done: Vec<Done>,
    /// The generations that scenes made in this sitting: each does the same again.
    pub(super) made: Vec<Arc<Asked>>,
    /// What is to be done at which place, in order.
    pub(super) to_do: VecDeque<(At, Deed)>,
    /// Where cells were written anew last, by the first of the ways: what is taken of them is done there.
    pub(super) wrote: Option<(At, Arc<Asked>)>,
    /// The document as it was when the scene was left, until it is shown again.
    pub(super) left: Option<Document>,
    /// Whether a person went on with other work: captions are said, and do nothing.
    pub(super) is_apart: bool,
    /// Whether the first of it has begun.
    pub(super) has_begun: bool,
    /// The last place of which all that is to be done was noted.
    pub(super) reached: Option<At>,
    /// The caption that is said, and since when.
    pub(super) since: Option<(usize, f64)>,
}
