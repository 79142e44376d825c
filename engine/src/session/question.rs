//! Questions: small hashable values whose answers are pure functions of them.

use std::any::{Any, TypeId};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::job::JobHandle;
use crate::error::{EngineError, Problem, Result};

/// How urgent a question is, and which threads work on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// What a visible view asks: computed first.
    Now,
    /// Thumbnails and what may be wanted next.
    Soon,
    /// What takes minutes, such as counting over a whole set: computed beside the others, and last.
    Later,
}

/// Something that can be asked of the engine.
pub trait Question: Clone + Eq + Hash + std::fmt::Debug + Send + Sync + 'static {
    /// What comes back: plain data.
    type Answer: Send + Sync + 'static;
    /// Works the answer out; runs on an engine thread.
    ///
    /// # Errors
    /// Whatever makes the question unanswerable; shown to the person who asked.
    fn answer(&self, desk: &Desk<'_>) -> Result<Self::Answer>;
    /// About how many bytes the answer takes, for the cache's budget.
    fn bytes(answer: &Self::Answer) -> usize;
    /// Whether it mostly reads and decodes files: then it goes to the file threads.
    fn is_file_work(&self) -> bool {
        false
    }
    /// Whether it only looks whether something has changed, again and again: nobody is told of that as work.
    fn is_look(&self) -> bool {
        false
    }
}

/// What an answer may use while it is worked out.
pub struct Desk<'a> {
    office: &'a dyn Office,
    job: &'a JobHandle,
}

impl std::fmt::Debug for Desk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk")
    }
}

impl<'a> Desk<'a> {
    pub(super) fn new(office: &'a dyn Office, job: &'a JobHandle) -> Self {
        Self { office, job }
    }

    /// The answer to another question, from the cache or worked out here.
    ///
    /// # Errors
    /// The other question's error, or [`EngineError::Cancelled`].
    pub fn ask<Q: Question>(&self, question: &Q) -> Result<Arc<Q::Answer>> {
        self.check()?;
        let answer = self.office.work_out(&Key::new(question), self.job)?;
        answer.downcast().map_err(|_wrong| EngineError::Cancelled)
    }

    /// Says how far the answer is, 0 to 1, and stops if it is no longer wanted. Call it between
    /// pieces of some ten milliseconds.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] if nobody asks any more.
    pub fn progress(&self, fraction: f32) -> Result<()> {
        self.job.set_progress(fraction);
        self.check()
    }

    /// Stops if the answer is no longer wanted.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] if nobody asks any more.
    pub fn check(&self) -> Result<()> {
        if self.job.is_cancelled() { Err(EngineError::Cancelled) } else { Ok(()) }
    }

    /// The device of all networks.
    pub fn device(&self) -> &candle_core::Device {
        self.office.device()
    }

    /// The folder of shipped models, recipes and samples.
    pub fn assets(&self) -> &std::path::Path {
        self.office.assets()
    }
}

/// Where desks stand: what a session has for who works an answer out.
pub(super) trait Office: Sync {
    /// The answer to a question: what is known, or worked out now, unless `parent` is cancelled.
    fn work_out(&self, key: &Key, parent: &JobHandle) -> Result<AnyAnswer>;
    /// The device of all networks.
    fn device(&self) -> &candle_core::Device;
    /// The folder of shipped models, recipes and samples.
    fn assets(&self) -> &std::path::Path;
}

/// What is known of an answer.
#[derive(Debug)]
pub enum Reply<A> {
    /// The answer.
    Ready(Arc<A>),
    /// It is being worked out.
    Working {
        /// 0 to 1, if the work can tell.
        progress: Option<f32>,
        /// The last answer this place was given, to be shown until the new one is there.
        last: Option<Last<A>>,
    },
    /// There is no answer, and why.
    Failed(Problem),
}

/// The answer that a place was given before, with the question that it answers: which may be about another
/// image, or another tokenizer.
pub struct Last<A> {
    question: Arc<dyn AnyQuestion>,
    answer: Arc<A>,
}

impl<A> Last<A> {
    /// The answer to a question.
    pub fn new<Q: Question<Answer = A>>(question: &Q, answer: Arc<A>) -> Self {
        Self { question: Arc::new(question.clone()), answer }
    }

    /// The answer.
    pub fn answer(&self) -> &Arc<A> {
        &self.answer
    }

    /// Its question, if it is of this type.
    pub fn question<Q: Question<Answer = A>>(&self) -> Option<&Q> {
        self.question.as_any().downcast_ref()
    }
}

impl<A> Clone for Last<A> {
    fn clone(&self) -> Self {
        Self { question: Arc::clone(&self.question), answer: Arc::clone(&self.answer) }
    }
}

impl<A: std::fmt::Debug> std::fmt::Debug for Last<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Last({}, {:?})", self.question.label(), self.answer)
    }
}

impl<A> Clone for Reply<A> {
    fn clone(&self) -> Self {
        match self {
            Self::Ready(answer) => Self::Ready(Arc::clone(answer)),
            Self::Working { progress, last } => {
                Self::Working { progress: *progress, last: last.clone() }
            }
            Self::Failed(problem) => Self::Failed(problem.clone()),
        }
    }
}

impl<A> Reply<A> {
    /// The answer, or the last one while a new one is worked out. To be shown by itself: the last one may be
    /// about something else than what is asked now, so that it fits nothing else; see [`Reply::last_for`].
    pub fn best(&self) -> Option<&Arc<A>> {
        match self {
            Self::Ready(answer) => Some(answer),
            Self::Working { last, .. } => last.as_ref().map(Last::answer),
            Self::Failed(_) => None,
        }
    }

    /// The same, with the last answer only if it is one that is `meant`: for places where questions of
    /// several types are asked.
    #[must_use]
    pub fn last_if(self, meant: impl FnOnce(&Last<A>) -> bool) -> Self {
        match self {
            Self::Working { progress, last } => {
                Self::Working { progress, last: last.filter(|last| meant(last)) }
            }
            other => other,
        }
    }

    /// The same, with the last answer only if its question, of type `Q`, is one that is `meant`: for answers
    /// that are combined with other things, such as tokens with the tokenizer that decodes them.
    #[must_use]
    pub fn last_for<Q: Question<Answer = A>>(self, meant: impl FnOnce(&Q) -> bool) -> Self {
        match self {
            Self::Working { progress, last } => Self::Working {
                progress,
                last: last.filter(|last| last.question().is_some_and(meant)),
            },
            other => other,
        }
    }

    /// The answer, if it is there.
    pub fn ready(&self) -> Option<&Arc<A>> {
        if let Self::Ready(answer) = self { Some(answer) } else { None }
    }

    /// The problem, if there is no answer.
    pub fn problem(&self) -> Option<&Problem> {
        if let Self::Failed(problem) = self { Some(problem) } else { None }
    }

    /// Whether it is still being worked out.
    pub fn is_working(&self) -> bool {
        matches!(self, Self::Working { .. })
    }
}

/// An answer of any type.
pub(super) type AnyAnswer = Arc<dyn Any + Send + Sync>;

/// A question of any type, as a key of the cache.
#[derive(Clone)]
pub(super) struct Key {
    question: Arc<dyn AnyQuestion>,
    hash: u64,
}

impl Key {
    pub(super) fn new<Q: Question>(question: &Q) -> Self {
        let mut hasher = std::collections::hash_map::DefaultHasher::new();
        TypeId::of::<Q>().hash(&mut hasher);
        question.hash(&mut hasher);
        Self { question: Arc::new(question.clone()), hash: hasher.finish() }
    }

    pub(super) fn question(&self) -> &dyn AnyQuestion {
        &*self.question
    }

    /// The answer that a place was given to this question.
    pub(super) fn last<A: Send + Sync + 'static>(&self, answer: &AnyAnswer) -> Option<Last<A>> {
        let answer = Arc::clone(answer).downcast().ok()?;
        Some(Last { question: Arc::clone(&self.question), answer })
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.question.same(other.question.as_any())
    }
}
impl Eq for Key {}
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// [`Question`] with its types erased.
pub(super) trait AnyQuestion: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn same(&self, other: &dyn Any) -> bool;
    fn work_out(&self, desk: &Desk<'_>) -> Result<(AnyAnswer, usize)>;
    fn is_file_work(&self) -> bool;
    fn is_look(&self) -> bool;
    fn label(&self) -> String;
}

impl<Q: Question> AnyQuestion for Q {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn same(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<Q>().is_some_and(|other| self == other)
    }

    fn work_out(&self, desk: &Desk<'_>) -> Result<(AnyAnswer, usize)> {
        let answer = self.answer(desk)?;
        let bytes = Q::bytes(&answer) + 256;
        Ok((Arc::new(answer), bytes))
    }

    fn is_file_work(&self) -> bool {
        Question::is_file_work(self)
    }

    fn is_look(&self) -> bool {
        Question::is_look(self)
    }

    fn label(&self) -> String {
        label::<Q>().to_owned()
    }
}

/// What questions of a type are called in [`super::Status`].
pub fn label<Q: Question>() -> &'static str {
    let name = std::any::type_name::<Q>();
    name.rsplit("::").next().unwrap_or(name)
}
