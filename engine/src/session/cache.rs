//! Answers, the questions in line for them, and the threads' way of working them off.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::job::JobHandle;
use super::panics;
use super::question::{AnyAnswer, Desk, Key, Lane, Last, Office, Question, Reply};
use super::settings::{News, Settings, Waker};
use crate::device::DeviceChoice;
use crate::error::{EngineError, Problem, Result};

/// Answers that are kept at most, however small they are: each frame looks at all of them.
const MOST_ENTRIES: usize = 20_000;

/// Where a thread of the cache takes its work from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Desktop {
    /// Questions that compute, *now* only.
    Now,
    /// *Soon*, and *now* when it has piled up.
    Soon,
    /// *Later* only, so that what takes minutes holds nothing up.
    Later,
    /// Files, *now* before *soon*.
    Files,
}

/// What the window's status bar shows of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The device of all networks.
    pub device: DeviceChoice,
    /// Bytes of answers that are kept.
    pub cache_bytes: usize,
    /// Bytes that answers may take.
    pub budget_bytes: usize,
    /// Questions in line or being worked on.
    pub open_questions: usize,
    /// The longest piece of *now* work since the last ten, in milliseconds.
    pub longest_piece_ms: f32,
    /// Labels of questions being worked on, without mere looks at whether something has changed.
    pub working_on: Vec<String>,
    /// Whether anything but such looks is in line or being worked on.
    pub is_at_work: bool,
}

enum State {
    Queued(Lane),
    Working(Arc<JobHandle>),
    Ready { answer: AnyAnswer, bytes: usize },
    Failed(Problem),
}

struct Entry {
    state: State,
    /// The frame in which it was last asked.
    asked: u64,
    /// Whether a frame asked: what only other answers and waiting threads need wakes nobody.
    is_shown: bool,
    /// Callers of [`Cache::wait`]; while there are any it is never dropped.
    waiting: usize,
}

#[derive(Default)]
struct Table {
    entries: HashMap<Key, Entry>,
    now: VecDeque<Key>,
    soon: VecDeque<Key>,
    later: VecDeque<Key>,
    files: VecDeque<Key>,
    /// The last answer each place was given, its question, and the frame in which it was asked.
    last: HashMap<u64, (Key, AnyAnswer, u64)>,
    frame: u64,
    bytes: usize,
    recent_ms: VecDeque<f32>,
    closed: bool,
}

/// All answers of a session.
pub(super) struct Cache {
    table: Mutex<Table>,
    changed: Condvar,
    budget_bytes: usize,
    waker: Waker,
}

impl Cache {
    pub(super) fn new(budget_bytes: usize, waker: Waker) -> Self {
        Self { table: Mutex::default(), changed: Condvar::new(), budget_bytes, waker }
    }

    /// The table is consistent between any two statements, so a panic elsewhere does not spoil it.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn close(&self) {
        let mut table = self.table();
        table.closed = true;
        table.entries.values().for_each(|entry| {
            if let State::Working(job) = &entry.state {
                job.cancel();
            }
        });
        drop(table);
        self.changed.notify_all();
    }

    pub(super) fn ask<Q: Question>(
        &self,
        lane: Lane,
        question: &Q,
        place: Option<u64>,
    ) -> Reply<Q::Answer> {
        let key = Key::new(question);
        let mut table = self.table();
        let frame = table.frame;
        if let Some(entry) = table.entries.get_mut(&key) {
            entry.asked = frame;
            entry.is_shown = true;
            match &entry.state {
                State::Ready { answer, .. } => {
                    let answer = Arc::clone(answer);
                    if let Some(place) = place {
                        table.last.insert(place, (key, Arc::clone(&answer), frame));
                    }
                    return ready(answer);
                }
                State::Failed(problem) => return Reply::Failed(problem.clone()),
                State::Working(job) => {
                    let progress = job.progress();
                    return Reply::Working { progress, last: table.last_answer(place) };
                }
                State::Queued(old) => {
                    if lane < *old {
                        table.enqueue(key.clone(), lane);
                        self.changed.notify_all();
                    }
                }
            }
        } else {
            table.enqueue(key.clone(), lane);
            if let Some(entry) = table.entries.get_mut(&key) {
                entry.is_shown = true;
            }
            self.changed.notify_all();
        }
        Reply::Working { progress: None, last: table.last_answer(place) }
    }

    /// The answer, if it is there. Not counted as asked for.
    pub(super) fn known<Q: Question>(&self, question: &Q) -> Option<Arc<Q::Answer>> {
        let table = self.table();
        match &table.entries.get(&Key::new(question))?.state {
            State::Ready { answer, .. } => Arc::clone(answer).downcast().ok(),
            _ => None,
        }
    }

    /// Waits for an answer, until a time if one is given; `None` when that has come.
    pub(super) fn wait<Q: Question>(
        &self,
        question: &Q,
        until: Option<Instant>,
    ) -> Option<Result<Arc<Q::Answer>, Problem>> {
        let key = Key::new(question);
        let mut table = self.table();
        if !table.entries.contains_key(&key) {
            table.enqueue(key.clone(), Lane::Now);
            self.changed.notify_all();
        }
        if let Some(entry) = table.entries.get_mut(&key) {
            entry.waiting += 1;
        }
        loop {
            let frame = table.frame;
            let closed = table.closed;
            let found = match table.entries.get_mut(&key) {
                None => Some(Err(EngineError::Cancelled.problem())),
                Some(entry) => {
                    entry.asked = frame;
                    match &entry.state {
                        State::Ready { answer, .. } => Some(Ok(Arc::clone(answer))),
                        State::Failed(problem) => Some(Err(problem.clone())),
                        State::Queued(_) | State::Working(_) if closed => {
                            Some(Err(EngineError::Cancelled.problem()))
                        }
                        State::Queued(_) | State::Working(_) => None,
                    }
                }
            };
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if found.is_some() || left == Some(Duration::ZERO) {
                if let Some(entry) = table.entries.get_mut(&key) {
                    entry.waiting -= 1;
                }
                let typed = |answer: AnyAnswer| {
                    answer.downcast().map_err(|_wrong| EngineError::Cancelled.problem())
                };
                return found.map(|found| found.and_then(typed));
            }
            table = match left {
                Some(left) => self
                    .changed
                    .wait_timeout(table, left)
                    .map_or_else(|poisoned| poisoned.into_inner().0, |(table, _)| table),
                None => self.changed.wait(table).unwrap_or_else(std::sync::PoisonError::into_inner),
            };
        }
    }

    pub(super) fn forget(&self, key: &Key) {
        let mut table = self.table();
        let settled = table
            .entries
            .get(key)
            .is_some_and(|e| matches!(e.state, State::Ready { .. } | State::Failed(_)));
        if settled {
            table.remove(key);
        }
    }

    /// See [`super::Session::end_frame`].
    pub(super) fn end_frame(&self) {
        let mut table = self.table();
        let frame = table.frame;
        let unwanted: Vec<Key> = table
            .entries
            .iter()
            .filter(|(_, e)| e.asked < frame && e.waiting == 0)
            .filter(|(_, e)| !matches!(e.state, State::Ready { .. }))
            .map(|(key, _)| key.clone())
            .collect();
        for key in unwanted {
            if let Some(Entry { state: State::Working(job), .. }) = table.entries.get(&key) {
                job.cancel();
            } else {
                table.remove(&key);
            }
        }
        // A place that was not drawn for a while gives its last answer back to the budget.
        table.last.retain(|_, (_, _, asked)| *asked + 600 > frame);
        table.frame += 1;
        table.shrink(self.budget_bytes);
    }

    pub(super) fn status(&self, settings: &Settings) -> Status {
        let table = self.table();
        let mut working_on: Vec<String> = table
            .entries
            .iter()
            .filter(|(key, e)| matches!(e.state, State::Working(_)) && !key.question().is_look())
            .map(|(key, _)| key.question().label())
            .collect();
        working_on.sort();
        let is_open = |entry: &Entry| matches!(entry.state, State::Queued(_) | State::Working(_));
        Status {
            device: settings.device,
            cache_bytes: table.bytes,
            budget_bytes: self.budget_bytes,
            open_questions: table.entries.values().filter(|entry| is_open(entry)).count(),
            is_at_work: table
                .entries
                .iter()
                .any(|(key, e)| is_open(e) && !key.question().is_look()),
            longest_piece_ms: table.recent_ms.iter().copied().fold(0.0, f32::max),
            working_on,
        }
    }

    /// The answer to a question that another answer needs: from the cache, from the thread that is
    /// at it, or worked out here and kept.
    pub(super) fn work_out(
        &self,
        office: &dyn Office,
        key: &Key,
        parent: &JobHandle,
    ) -> Result<AnyAnswer> {
        let mut table = self.table();
        loop {
            let frame = table.frame;
            match table.entries.get_mut(key) {
                Some(entry) => match &entry.state {
                    State::Ready { answer, .. } => {
                        entry.asked = frame;
                        return Ok(Arc::clone(answer));
                    }
                    State::Working(_) => {
                        // It must not be dropped under us: a waiting caller counts as asking.
                        entry.waiting += 1;
                        table = self
                            .changed
                            .wait(table)
                            .unwrap_or_else(std::sync::PoisonError::into_inner);
                        if let Some(entry) = table.entries.get_mut(key) {
                            entry.waiting = entry.waiting.saturating_sub(1);
                        }
                        if parent.is_cancelled() || table.closed {
                            return Err(EngineError::Cancelled);
                        }
                    }
                    State::Queued(_) | State::Failed(_) => break,
                },
                None => break,
            }
        }
        // Not in the line any more: this thread does it, under its parent's cancellation.
        table.take_from_lines(key);
        let job = JobHandle::new();
        table.set_working(key, &job);
        drop(table);
        let question = key.question();
        let result =
            panics::guard(&question.label(), || question.work_out(&Desk::new(office, parent)));
        match result {
            Ok((answer, bytes)) => {
                self.settle(key, Ok((Arc::clone(&answer), bytes)));
                Ok(answer)
            }
            Err(error) => {
                self.settle(key, Err(error.problem()));
                Err(error)
            }
        }
    }

    fn settle(&self, key: &Key, result: std::result::Result<(AnyAnswer, usize), Problem>) {
        let mut table = self.table();
        let cancelled = matches!(&result, Err(p) if p.summary == "cancelled");
        let entry = table.entries.get(key);
        let is_shown = entry.is_some_and(|e| e.is_shown);
        let waiting = entry.is_some_and(|e| e.waiting > 0);
        if cancelled && !waiting {
            table.remove(key);
        } else if cancelled {
            // Somebody waits for it all the same (it was cancelled by the other asker): once more.
            table.enqueue(key.clone(), Lane::Now);
        } else {
            let (state, bytes) = match result {
                Ok((answer, bytes)) => (State::Ready { answer, bytes }, bytes),
                Err(problem) => (State::Failed(problem), 0),
            };
            if let Some(entry) = table.entries.get_mut(key) {
                entry.state = state;
                table.bytes += bytes;
            }
            table.shrink(self.budget_bytes);
        }
        drop(table);
        self.changed.notify_all();
        if is_shown {
            (self.waker)(News::Settled);
        }
    }

    /// Takes the next question for a desktop; `None` when the session has ended.
    fn next(&self, desktop: Desktop) -> Option<(Key, Arc<JobHandle>)> {
        let mut table = self.table();
        loop {
            if table.closed {
                return None;
            }
            if let Some(key) = table.pop(desktop) {
                if matches!(table.entries.get(&key), Some(Entry { state: State::Queued(_), .. })) {
                    let job = JobHandle::new();
                    table.set_working(&key, &job);
                    return Some((key, job));
                }
                continue;
            }
            table = self.changed.wait(table).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    fn note_piece(&self, desktop: Desktop, started: Instant) {
        if desktop == Desktop::Now {
            let mut table = self.table();
            table.recent_ms.push_back(started.elapsed().as_secs_f32() * 1e3);
            if table.recent_ms.len() > 10 {
                table.recent_ms.pop_front();
            }
        }
    }
}

/// Works questions off until the session ends.
pub(super) fn serve(cache: &Cache, office: &dyn Office, desktop: Desktop) {
    while let Some((key, job)) = cache.next(desktop) {
        let started = Instant::now();
        let label = key.question().label();
        let result = panics::guard(&label, || key.question().work_out(&Desk::new(office, &job)));
        cache.note_piece(desktop, started);
        if let Err(error) = &result
            && !matches!(error, EngineError::Cancelled)
        {
            tracing::debug!("{label}: {error}");
        }
        cache.settle(&key, result.map_err(|error| error.problem()));
    }
}

fn ready<A: Send + Sync + 'static>(answer: AnyAnswer) -> Reply<A> {
    match answer.downcast() {
        Ok(answer) => Reply::Ready(answer),
        Err(_) => Reply::Failed(EngineError::Cancelled.problem()),
    }
}

impl Table {
    fn last_answer<A: Send + Sync + 'static>(&mut self, place: Option<u64>) -> Option<Last<A>> {
        let frame = self.frame;
        let (key, answer, asked) = self.last.get_mut(&place?)?;
        *asked = frame;
        key.last(answer)
    }

    fn enqueue(&mut self, key: Key, lane: Lane) {
        self.take_from_lines(&key);
        let is_file_work = key.question().is_file_work();
        let frame = self.frame;
        let entry = self.entries.entry(key.clone()).or_insert(Entry {
            state: State::Queued(lane),
            asked: frame,
            is_shown: false,
            waiting: 0,
        });
        entry.state = State::Queued(lane);
        match (is_file_work, lane) {
            // What is wanted now goes before what may be wanted soon.
            (true, Lane::Now) => self.files.push_front(key),
            (true, Lane::Soon | Lane::Later) => self.files.push_back(key),
            (false, Lane::Now) => self.now.push_back(key),
            (false, Lane::Soon) => self.soon.push_back(key),
            (false, Lane::Later) => self.later.push_back(key),
        }
    }

    fn pop(&mut self, desktop: Desktop) -> Option<Key> {
        match desktop {
            Desktop::Now => self.now.pop_front(),
            Desktop::Soon => self.soon.pop_front(),
            Desktop::Later => self.later.pop_front(),
            Desktop::Files => self.files.pop_front(),
        }
    }

    fn take_from_lines(&mut self, key: &Key) {
        for line in [&mut self.now, &mut self.soon, &mut self.later, &mut self.files] {
            line.retain(|k| k != key);
        }
    }

    fn set_working(&mut self, key: &Key, job: &Arc<JobHandle>) {
        let frame = self.frame;
        let entry = self.entries.entry(key.clone()).or_insert(Entry {
            state: State::Working(Arc::clone(job)),
            asked: frame,
            is_shown: false,
            waiting: 0,
        });
        entry.state = State::Working(Arc::clone(job));
    }

    fn remove(&mut self, key: &Key) {
        self.take_from_lines(key);
        if let Some(Entry { state: State::Ready { bytes, .. }, .. }) = self.entries.remove(key) {
            self.bytes -= bytes;
        }
    }

    /// Drops the answers that were asked for longest ago until the rest fits, and a little more, so that this is
    /// not to be done again at once. What the current frame asked for stays, so that a budget that is too small
    /// costs time and not the picture; what only other answers needed does not, as frames may be rare while a
    /// whole set is counted.
    fn shrink(&mut self, budget_bytes: usize) {
        if self.bytes <= budget_bytes && self.entries.len() <= MOST_ENTRIES {
            return;
        }
        let (bytes, entries) = (budget_bytes - budget_bytes / 8, MOST_ENTRIES - MOST_ENTRIES / 8);
        let frame = self.frame;
        let mut old: Vec<(u64, Key)> = self
            .entries
            .iter()
            .filter(|(_, e)| {
                let is_seen = e.is_shown && e.asked + 1 >= frame;
                matches!(e.state, State::Ready { .. }) && !is_seen && e.waiting == 0
            })
            .map(|(key, e)| (e.asked, key.clone()))
            .collect();
        old.sort_by_key(|(asked, _)| *asked);
        for (_, key) in old {
            if self.bytes <= bytes && self.entries.len() <= entries {
                break;
            }
            self.remove(&key);
        }
    }
}
