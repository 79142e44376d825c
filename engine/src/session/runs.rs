//! Runs: long work that only appends to its log, and can be paused, stepped, cancelled, resumed.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use candle_core::Device;

use super::clock::Clock;
use super::panics;
use super::settings::{News, Waker};
use crate::error::{EngineError, Problem, Result};

/// The identity of a run in its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub u64);

/// What a step of a run says of the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advance {
    /// There is more to do.
    More,
    /// That was the last step.
    Done,
    /// It cannot go on for now, as when a disk is full, and nothing is lost: the run is paused with this
    /// problem, and does the rest of the step when it is resumed.
    Stuck(Problem),
}

/// Which runs have turns with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunLane {
    /// What somebody watches step by step: it never waits for a step of the others.
    Watched,
    /// What goes on for long, such as training.
    Long,
}

/// Long work, one step at a time.
pub trait Work: Send + 'static {
    /// What its log is made of.
    type Entry: Send + Sync + 'static;
    /// What it can be told between two steps; `()` where it takes no orders.
    type Order: Send + 'static;
    /// Its name for people, such as "train worlds-fsq".
    fn title(&self) -> String;
    /// With which other runs it has turns.
    fn lane(&self) -> RunLane {
        RunLane::Long
    }
    /// Does the next step and appends to the log through `watch`.
    ///
    /// # Errors
    /// Whatever ends the run.
    fn step(&mut self, watch: &mut Watch<'_, Self::Entry>) -> Result<Advance>;
    /// Called when the run is paused or cancelled, to keep what is done.
    ///
    /// # Errors
    /// If it cannot be kept. Then the run stays, paused with that problem, and this is called again when it
    /// is cancelled or the session ends.
    fn keep(&mut self, _watch: &mut Watch<'_, Self::Entry>) -> Result<()> {
        Ok(())
    }
    /// Does what it is told, between two steps, also while it is paused. What cannot be done it says in its
    /// log, and goes on as before.
    fn obey(&mut self, _order: Self::Order, _watch: &mut Watch<'_, Self::Entry>) {}
}

/// What a step may use and say.
pub struct Watch<'a, E> {
    device: &'a Device,
    waker: &'a Waker,
    log: &'a Mutex<Vec<Arc<E>>>,
    slot: &'a Slot,
}

impl<E> std::fmt::Debug for Watch<'_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

impl<E> Watch<'_, E> {
    /// Appends to the log.
    pub fn append(&mut self, entry: E) {
        lock(self.log).push(Arc::new(entry));
        self.slot.entries.fetch_add(1, Ordering::Relaxed);
        (self.waker)(News::Progress);
    }

    /// Appends an entry, of which something may be dropped later: gives its number in the log.
    pub fn append_for_now(&mut self, entry: E) -> usize {
        let number = lock(self.log).len();
        self.append(entry);
        number
    }

    /// Puts what is left of an entry in its place. Who has read it keeps what was there.
    pub fn amend(&mut self, number: usize, left: impl FnOnce(&E) -> E) {
        if let Some(entry) = lock(self.log).get_mut(number) {
            *entry = Arc::new(left(entry));
        }
    }

    /// Says how far the run is and how fast, such as (0.4, "212 images/s").
    pub fn progress(&mut self, fraction: f32, rate: impl Into<String>) {
        let mut face = lock(&self.slot.face);
        face.progress = Some(fraction.clamp(0.0, 1.0));
        face.has_moved = true;
        face.rate = rate.into();
    }

    /// Whether the run should stop at once.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`] if so.
    pub fn check(&self) -> Result<()> {
        if matches!(lock(&self.slot.face).wish, Wish::Cancel) {
            return Err(EngineError::Cancelled);
        }
        Ok(())
    }

    /// The problem for which the run was paused is no more, and it stands somewhere else than before.
    pub fn recovered(&self) {
        let mut face = lock(&self.slot.face);
        face.problem = None;
        // It stands somewhere else: its pace is measured from here.
        face.clock.forget_pace();
        face.has_moved = false;
    }

    /// Whether this step is one that was asked for by itself: then there should be something to see of it.
    pub fn is_single_step(&self) -> bool {
        matches!(lock(&self.slot.face).wish, Wish::StepOnce)
    }

    /// The device of all networks.
    pub fn device(&self) -> &Device {
        self.device
    }
}

/// How a run can be controlled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Stop after the current step; everything is kept.
    Pause,
    /// Go on.
    Resume,
    /// Do one step, then pause.
    StepOnce,
    /// End it after the current step, whoever pauses it until then. A run that cannot keep what is done is
    /// paused first; cancelled again, it ends without.
    Cancel,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// At work, or next in turn.
    Running,
    /// Waiting to be resumed.
    Paused,
    /// All steps done.
    Done,
    /// Ended by a person.
    Cancelled,
    /// Ended by a problem.
    Failed(Problem),
}

impl RunState {
    /// Whether it will never go on.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Done | Self::Cancelled | Self::Failed(_))
    }
}

/// A run as the window shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunView {
    /// Its identity.
    pub id: RunId,
    /// Its name.
    pub title: String,
    /// Where it stands.
    pub state: RunState,
    /// Whether it was cancelled and is at its last step, or keeps what it has.
    pub is_ending: bool,
    /// Why it was paused, if not by a person.
    pub problem: Option<Problem>,
    /// 0 to 1, if it can tell.
    pub progress: Option<f32>,
    /// How fast it goes, in words.
    pub rate: String,
    /// Seconds since it was started, its pauses left out; while others of its lane have their turns, they count.
    pub seconds: f32,
    /// Seconds that are left at this pace and with those others, if it can tell.
    pub seconds_left: Option<f32>,
    /// Entries of its log.
    pub entries: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Run,
    Pause,
    StepOnce,
    Cancel,
}

#[derive(Debug)]
struct Face {
    title: String,
    state: RunState,
    problem: Option<Problem>,
    wish: Wish,
    progress: Option<f32>,
    rate: String,
    clock: Clock,
    /// Whether the run said how far it is since its last step.
    has_moved: bool,
}

impl Face {
    /// Counts a step that took so long.
    fn stepped(&mut self, took: Duration, wish: Wish) {
        let moved = self.progress.filter(|_| std::mem::take(&mut self.has_moved));
        self.clock.stepped(Instant::now(), took, moved);
        if wish == Wish::StepOnce && self.wish == Wish::StepOnce {
            self.wish = Wish::Pause;
        }
    }

    /// Where it stands after it was given its `wish`; a problem pauses it, unless something else was wished
    /// meanwhile.
    fn stand(&mut self, (state, problem): (RunState, Option<Problem>), wish: Wish) -> News {
        if problem.is_some() && self.wish == wish {
            self.wish = Wish::Pause;
        }
        let is_new = self.state != state || self.problem != problem;
        if state != RunState::Running {
            self.clock.rest(Instant::now());
        }
        (self.state, self.problem) = (state, problem);
        if is_new { News::Settled } else { News::Progress }
    }
}

/// What outlives the work itself.
struct Slot {
    id: RunId,
    lane: RunLane,
    face: Mutex<Face>,
    log: Arc<dyn Any + Send + Sync>,
    entries: AtomicU64,
    /// Told and not yet obeyed.
    orders: Mutex<VecDeque<Order>>,
}

type Order = Box<dyn Any + Send>;

trait AnyWork: Send {
    fn step(&mut self, device: &Device, waker: &Waker, slot: &Slot) -> Result<Advance>;
    fn keep(&mut self, device: &Device, waker: &Waker, slot: &Slot) -> Result<()>;
    fn obey(&mut self, order: Order, device: &Device, waker: &Waker, slot: &Slot);
}

struct Typed<W: Work> {
    work: W,
    log: Arc<Mutex<Vec<Arc<W::Entry>>>>,
}

impl<W: Work> AnyWork for Typed<W> {
    fn step(&mut self, device: &Device, waker: &Waker, slot: &Slot) -> Result<Advance> {
        self.work.step(&mut Watch { device, waker, log: &self.log, slot })
    }

    fn keep(&mut self, device: &Device, waker: &Waker, slot: &Slot) -> Result<()> {
        self.work.keep(&mut Watch { device, waker, log: &self.log, slot })
    }

    fn obey(&mut self, order: Order, device: &Device, waker: &Waker, slot: &Slot) {
        match order.downcast::<W::Order>() {
            Ok(order) => self.work.obey(*order, &mut Watch { device, waker, log: &self.log, slot }),
            Err(_other) => tracing::warn!("an order to a run of another kind is left out"),
        }
    }
}

type Waiting = (Arc<Slot>, Box<dyn AnyWork>);

#[derive(Default)]
struct Table {
    slots: Vec<Arc<Slot>>,
    /// Runs in turn; each gets one step, then the next has its turn.
    turns: VecDeque<Waiting>,
    next_id: u64,
    closed: bool,
}

/// All runs of a session.
pub(super) struct Runs {
    table: Mutex<Table>,
    changed: Condvar,
    waker: Waker,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Runs {
    pub(super) fn new(waker: Waker) -> Self {
        Self { table: Mutex::default(), changed: Condvar::new(), waker }
    }

    pub(super) fn start<W: Work>(&self, work: W, waits: bool) -> RunId {
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut table = lock(&self.table);
        table.next_id += 1;
        let id = RunId(table.next_id);
        let slot = Arc::new(Slot {
            id,
            lane: work.lane(),
            face: Mutex::new(Face {
                title: work.title(),
                state: RunState::Running,
                problem: None,
                wish: if waits { Wish::StepOnce } else { Wish::Run },
                progress: None,
                rate: String::new(),
                clock: Clock::started(Instant::now()),
                has_moved: false,
            }),
            log: Arc::clone(&log) as Arc<dyn Any + Send + Sync>,
            entries: AtomicU64::new(0),
            orders: Mutex::default(),
        });
        table.slots.push(Arc::clone(&slot));
        table.turns.push_back((slot, Box::new(Typed { work, log })));
        drop(table);
        self.changed.notify_all();
        id
    }

    pub(super) fn control(&self, id: RunId, control: Control) {
        let table = lock(&self.table);
        if let Some(slot) = table.slots.iter().find(|slot| slot.id == id) {
            let mut face = lock(&slot.face);
            // Whoever pauses all there is does not bring back what was ended and is at its last step; whoever resumes
            // it wants it.
            let is_ended = face.wish == Wish::Cancel && control == Control::Pause;
            if !face.state.is_over() && !is_ended {
                face.wish = match control {
                    Control::Pause => Wish::Pause,
                    Control::Resume => Wish::Run,
                    Control::StepOnce => Wish::StepOnce,
                    Control::Cancel => Wish::Cancel,
                };
            }
        }
        drop(table);
        self.changed.notify_all();
    }

    pub(super) fn order(&self, id: RunId, order: Order) {
        let table = lock(&self.table);
        if let Some(slot) = table.slots.iter().find(|slot| slot.id == id) {
            lock(&slot.orders).push_back(order);
        }
        drop(table);
        self.changed.notify_all();
    }

    pub(super) fn views(&self) -> Vec<RunView> {
        let table = lock(&self.table);
        table.slots.iter().map(|slot| slot.view()).collect()
    }

    pub(super) fn log<E: Any + Send + Sync>(&self, id: RunId, from: usize) -> Vec<Arc<E>> {
        let table = lock(&self.table);
        let Some(slot) = table.slots.iter().find(|slot| slot.id == id) else { return Vec::new() };
        let log = Arc::clone(&slot.log).downcast::<Mutex<Vec<Arc<E>>>>();
        drop(table);
        log.map(|log| lock(&log).iter().skip(from).cloned().collect()).unwrap_or_default()
    }

    pub(super) fn wait(&self, id: RunId) -> Result<RunState, Problem> {
        let mut table = lock(&self.table);
        loop {
            let Some(slot) = table.slots.iter().find(|slot| slot.id == id) else {
                return Err(EngineError::bad_input("run", format!("no run {}", id.0), "").problem());
            };
            let (state, stuck) = {
                let face = lock(&slot.face);
                (face.state.clone(), face.problem.clone())
            };
            // Nobody who waits will resume it.
            if let Some(problem) = stuck {
                return Err(problem);
            }
            match state {
                RunState::Failed(problem) => return Err(problem),
                RunState::Done | RunState::Cancelled => return Ok(state),
                RunState::Running | RunState::Paused if table.closed => {
                    return Ok(RunState::Cancelled);
                }
                RunState::Running | RunState::Paused => {}
            }
            table = self.changed.wait(table).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    pub(super) fn close(&self) {
        let mut table = lock(&self.table);
        table.closed = true;
        for slot in &table.slots {
            let mut face = lock(&slot.face);
            if !face.state.is_over() {
                face.wish = Wish::Cancel;
            }
        }
        drop(table);
        self.changed.notify_all();
    }

    /// A run that is over is listed no more, and its log is given back.
    pub(super) fn forget(&self, id: RunId) {
        let is_it = |slot: &Slot| slot.id == id && lock(&slot.face).state.is_over();
        lock(&self.table).slots.retain(|slot| !is_it(slot));
    }

    /// Works the runs of a lane off, a step each in turn, until the session ends.
    pub(super) fn serve(&self, device: &Device, lane: RunLane) {
        while let Some((slot, mut work)) = self.next_turn(lane) {
            let is_told = self.obey(&slot, &mut *work, device);
            // Afterwards: who pauses a run and then tells it something does not want a step after that.
            let (wish, before) = {
                let face = lock(&slot.face);
                (face.wish, (face.state.clone(), face.problem.clone()))
            };
            let after = match wish {
                // Told something while it was paused: it stays so.
                Wish::Pause if is_told && before.0 == RunState::Paused => before,
                Wish::Cancel => self.end((&slot, &mut *work), device, RunState::Cancelled),
                Wish::Pause => self.end((&slot, &mut *work), device, RunState::Paused),
                Wish::Run | Wish::StepOnce => {
                    let started = Instant::now();
                    let title = {
                        let mut face = lock(&slot.face);
                        face.clock.begin(started);
                        // A step may take long: that it goes on is known from its beginning.
                        face.state = RunState::Running;
                        face.title.clone()
                    };
                    if before.0 != RunState::Running {
                        (self.waker)(News::Settled);
                    }
                    let result = panics::guard(&title, || work.step(device, &self.waker, &slot));
                    lock(&slot.face).stepped(started.elapsed(), wish);
                    match result {
                        Ok(Advance::More) => (RunState::Running, None),
                        Ok(Advance::Done) => (RunState::Done, None),
                        Ok(Advance::Stuck(problem)) => (RunState::Paused, Some(problem)),
                        Err(EngineError::Cancelled) => {
                            self.end((&slot, &mut *work), device, RunState::Cancelled)
                        }
                        Err(error) => (RunState::Failed(error.problem()), None),
                    }
                }
            };
            let over = after.0.is_over();
            let news = lock(&slot.face).stand(after, wish);
            if !over {
                lock(&self.table).turns.push_back((slot, work));
            }
            self.changed.notify_all();
            (self.waker)(news);
        }
    }

    /// Has a run do what it was told, in that order; whether there was anything.
    fn obey(&self, slot: &Slot, work: &mut dyn AnyWork, device: &Device) -> bool {
        let mut is_told = false;
        loop {
            let Some(order) = lock(&slot.orders).pop_front() else { return is_told };
            is_told = true;
            let obeyed = panics::guard("an order to a run", || {
                work.obey(order, device, &self.waker, slot);
                Ok(())
            });
            if let Err(error) = obeyed {
                tracing::error!("{error}");
            }
        }
    }

    /// Ends or pauses a run, which keeps what it has. Where it cannot, it is paused with that problem, unless
    /// that was known, or there is nobody any more to resume it.
    fn end(
        &self,
        (slot, work): (&Slot, &mut dyn AnyWork),
        device: &Device,
        state: RunState,
    ) -> (RunState, Option<Problem>) {
        let kept = panics::guard("keeping a run", || work.keep(device, &self.waker, slot));
        let Err(error) = kept else {
            return (state, None);
        };
        let problem = error.problem();
        let is_lost = matches!(error, EngineError::Panicked { .. }) || lock(&self.table).closed;
        let was_stuck = state.is_over() && lock(&slot.face).problem.is_some();
        if is_lost || was_stuck {
            (RunState::Failed(problem), None)
        } else {
            (RunState::Paused, Some(problem))
        }
    }

    /// The next run of a lane that wants a step, or an end. When the session closes, runs that are not over
    /// are handed out once more so that they can keep what they have.
    fn next_turn(&self, lane: RunLane) -> Option<Waiting> {
        let mut table = lock(&self.table);
        loop {
            let place = table.turns.iter().position(|(slot, _)| {
                let face = lock(&slot.face);
                // A paused run that still wishes to pause has nothing to do, unless it is told something.
                let rests = face.state == RunState::Paused && face.wish == Wish::Pause;
                slot.lane == lane && (!rests || !lock(&slot.orders).is_empty())
            });
            if let Some(waiting) = place.and_then(|place| table.turns.remove(place)) {
                return Some(waiting);
            }
            if table.closed {
                return None;
            }
            table = self.changed.wait(table).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

impl Slot {
    fn view(&self) -> RunView {
        let face = lock(&self.face);
        let seconds = face.clock.seconds(Instant::now());
        let seconds_left = face.clock.seconds_left();
        RunView {
            id: self.id,
            title: face.title.clone(),
            state: face.state.clone(),
            is_ending: face.wish == Wish::Cancel && !face.state.is_over(),
            problem: face.problem.clone(),
            progress: face.progress,
            rate: face.rate.clone(),
            seconds,
            seconds_left,
            entries: self.entries.load(Ordering::Relaxed) as usize,
        }
    }
}
