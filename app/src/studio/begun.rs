//! What has begun or is to begin, and is not over: a gesture of the pointer, the end of the window, a scene that is led
//! through, a generation, a race.

use std::collections::VecDeque;
use std::sync::Arc;

use smalti_engine::session::RunId;

use crate::document::{Asked, Document, Raced};
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
#[expect(
    clippy::struct_excessive_bools,
    reason = "answers and waits that do not depend on each other"
)]
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
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
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

impl Guide {
    /// Whether the scene begins anew whenever it is chosen.
    pub(super) fn acts(&self) -> bool {
        self.scene.as_ref().is_some_and(|(scene, _)| scene.acts())
    }
}

/// Who asked for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A person.
    Person,
    /// The scene that is shown.
    Scene,
}

/// A generation that was asked for and has not begun: it does when its view is seen. Nothing else begins there.
#[derive(Debug)]
pub(super) struct Pending {
    /// What was asked.
    pub(super) asked: Arc<Asked>,
    /// Whether it waits after its first step.
    pub(super) waits: bool,
    /// Who asked.
    pub(super) by: By,
}

/// A race that was asked for in this sitting: lanes of no other one begin.
#[derive(Debug)]
pub(super) struct RaceOn {
    /// What was asked for.
    pub(super) raced: Arc<Raced>,
    /// The lanes that have begun: none of them begins by itself a second time.
    pub(super) begun: Vec<Arc<Asked>>,
    /// Whether it is not seen, which was said.
    pub(super) waits: bool,
    /// The lanes that were paused for that.
    pub(super) paused: Vec<RunId>,
    /// Whether a person resumed it where it is not seen.
    pub(super) is_by_hand: bool,
}

impl RaceOn {
    /// Nothing of it has begun.
    pub(super) fn of(raced: Arc<Raced>) -> Self {
        Self { raced, begun: Vec::new(), waits: false, paused: Vec::new(), is_by_hand: false }
    }
}
