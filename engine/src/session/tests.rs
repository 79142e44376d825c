//! What would hurt if the session broke: a stuck window, a lost run, a dead engine.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::EngineError;

fn session() -> Session {
    Session::new(Settings { budget_bytes: 1 << 20, ..Settings::new("assets") }).unwrap()
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Square(u64);
/// The number whose squares are counted; only one test asks for it, others run beside it.
const COUNTED: u64 = 1212;
static COUNTED_SQUARES: AtomicUsize = AtomicUsize::new(0);
impl Question for Square {
    type Answer = u64;
    fn answer(&self, _desk: &Desk<'_>) -> Result<u64> {
        if self.0 == COUNTED {
            COUNTED_SQUARES.fetch_add(1, Ordering::SeqCst);
        }
        Ok(self.0 * self.0)
    }
    fn bytes(_: &u64) -> usize {
        8
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Panics;
impl Question for Panics {
    type Answer = ();
    fn answer(&self, _desk: &Desk<'_>) -> Result<()> {
        let empty: Vec<u32> = Vec::new();
        assert!(empty[usize::from(self.clone())] == 0);
        Ok(())
    }
    fn bytes((): &()) -> usize {
        0
    }
}
impl From<Panics> for usize {
    fn from(_: Panics) -> Self {
        7
    }
}

/// Panics on a thread of the pool that is not the one that works on the question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct PanicsElsewhere;
impl Question for PanicsElsewhere {
    type Answer = ();
    fn answer(&self, _desk: &Desk<'_>) -> Result<()> {
        let started = std::sync::atomic::AtomicBool::new(false);
        rayon::join(
            // Busy until another thread has begun with the rest.
            || {
                while !started.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
            },
            || {
                started.store(true, Ordering::SeqCst);
                assert!(!started.load(Ordering::SeqCst), "elsewhere");
            },
        );
        Ok(())
    }
    fn bytes((): &()) -> usize {
        0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Large(u32);
impl Question for Large {
    type Answer = Vec<u8>;
    fn answer(&self, desk: &Desk<'_>) -> Result<Vec<u8>> {
        let square = desk.ask(&Square(3))?;
        Ok(vec![*square as u8; 300 << 10])
    }
    fn bytes(answer: &Vec<u8>) -> usize {
        answer.len()
    }
}

/// Works until somebody loses interest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Endless;
static ENDLESS_STOPPED: AtomicUsize = AtomicUsize::new(0);
impl Question for Endless {
    type Answer = ();
    fn answer(&self, desk: &Desk<'_>) -> Result<()> {
        loop {
            std::thread::sleep(Duration::from_millis(1));
            if let Err(error) = desk.progress(0.5) {
                ENDLESS_STOPPED.fetch_add(1, Ordering::SeqCst);
                return Err(error);
            }
        }
    }
    fn bytes((): &()) -> usize {
        0
    }
}

/// A run that counts and keeps every core busy while it does.
struct Counting {
    next: u32,
    end: u32,
    kept: Arc<AtomicUsize>,
}
impl Work for Counting {
    type Entry = u32;
    type Order = ();
    fn title(&self) -> String {
        "count".into()
    }
    fn step(&mut self, watch: &mut Watch<'_, u32>) -> Result<Advance> {
        rayon::scope(|scope| {
            for _ in 0..rayon::current_num_threads() {
                scope.spawn(|_| busy(Duration::from_millis(20)));
            }
        });
        watch.append(self.next);
        self.next += 1;
        watch.progress(self.next as f32 / self.end as f32, "fast");
        Ok(if self.next >= self.end { Advance::Done } else { Advance::More })
    }
    fn keep(&mut self, _watch: &mut Watch<'_, u32>) -> Result<()> {
        self.kept.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

fn busy(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn counting(end: u32) -> (Counting, Arc<AtomicUsize>) {
    let kept = Arc::new(AtomicUsize::new(0));
    (Counting { next: 0, end, kept: Arc::clone(&kept) }, kept)
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn only_what_a_frame_asked_for_wakes_the_window() {
    let woken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&woken);
    let waker = Arc::new(move |news| {
        assert_eq!(news, News::Settled);
        count.fetch_add(1, Ordering::SeqCst);
    });
    let session = Session::new(Settings { waker, ..Settings::new("assets") }).unwrap();
    let asker = session.asker();
    assert_eq!(*asker.wait(&Square(12)).unwrap(), 144);
    assert_eq!(woken.load(Ordering::SeqCst), 0, "a thread that waits needs no frame");
    // Works out the square of 3 on its way, which no frame asked for.
    session.ask(Lane::Now, &Large(1));
    let start = Instant::now();
    while woken.load(Ordering::SeqCst) == 0 && start.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
    asker.wait(&Square(13)).unwrap();
    assert_eq!(woken.load(Ordering::SeqCst), 1);
}

#[test]
fn waiting_ends_in_time_and_the_work_goes_on_for_who_asks() {
    let session = session();
    let asker = session.asker();
    asker.wait_at_most(Duration::from_millis(20), &Endless);
    assert!(session.ask(Lane::Now, &Endless).is_working());
    // Threads may take longer than that to start.
    let start = Instant::now();
    while session.status().working_on.is_empty() && start.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(session.status().working_on, ["Endless"]);
    drop(session);
    let problem = asker.wait(&Square(4)).unwrap_err();
    assert_eq!(problem.summary, "cancelled", "a session that has ended keeps nobody waiting");
}

#[test]
fn a_question_is_worked_out_once_and_then_remembered() {
    let session = session();
    let square = COUNTED * COUNTED;
    assert_eq!(*session.wait(&Square(COUNTED)).unwrap(), square);
    assert!(matches!(session.ask(Lane::Now, &Square(COUNTED)), Reply::Ready(a) if *a == square));
    assert_eq!(COUNTED_SQUARES.load(Ordering::SeqCst), 1);
}

#[test]
fn a_panic_is_a_problem_with_its_place_and_the_session_lives_on() {
    let session = session();
    let problem = session.wait(&Panics).unwrap_err();
    assert!(problem.summary.contains("index out of bounds"), "{problem}");
    assert!(problem.summary.contains("tests.rs:"), "{problem}");
    assert_eq!(*session.wait(&Square(5)).unwrap(), 25);
}

#[test]
fn a_panic_on_another_thread_of_the_pool_keeps_its_place() {
    let session = Session::new(Settings { threads: 2, ..Settings::new("assets") }).unwrap();
    for _ in 0..3 {
        let problem = session.wait(&PanicsElsewhere).unwrap_err();
        assert!(problem.summary.contains("elsewhere at "), "{problem}");
        assert!(problem.summary.contains("tests.rs:"), "{problem}");
        session.forget(&PanicsElsewhere);
    }
    // The same text from another place is another panic.
    let problem = session.wait(&Panics).unwrap_err();
    assert!(problem.summary.contains("index out of bounds"), "{problem}");
}

#[test]
fn a_full_cache_forgets_the_oldest_and_goes_on_answering() {
    let session = session();
    for i in 0..20 {
        assert_eq!(session.wait(&Large(i)).unwrap().len(), 300 << 10);
        session.end_frame();
        session.end_frame();
    }
    let status = session.status();
    assert!(status.cache_bytes <= status.budget_bytes, "{status:?}");
    assert_eq!(session.wait(&Large(0)).unwrap()[0], 9);
}

#[test]
fn what_nobody_asks_any_more_is_dropped() {
    let session = session();
    assert!(session.ask(Lane::Now, &Endless).is_working());
    until("progress", || {
        matches!(session.ask(Lane::Now, &Endless), Reply::Working { progress: Some(_), .. })
    });
    let before = ENDLESS_STOPPED.load(Ordering::SeqCst);
    session.end_frame();
    session.end_frame();
    until("the end", || ENDLESS_STOPPED.load(Ordering::SeqCst) > before);
    assert_eq!(*session.wait(&Square(6)).unwrap(), 36);
}

#[test]
fn a_place_keeps_its_last_answer_while_the_next_is_worked_out() {
    let session = session();
    session.wait(&Square(2)).unwrap();
    assert!(session.ask_at(9, Lane::Now, &Square(2)).ready().is_some());
    // Endless has another answer type: nothing to show. A new square shows the old one.
    assert!(session.ask_at(9, Lane::Now, &Endless).best().is_none());
    let reply = session.ask_at(9, Lane::Now, &Square(1_000_003));
    assert!(reply.best().is_some());
    // The old one says whose answer it is, so that nobody takes it for that of the new question.
    let Reply::Working { last: Some(last), .. } = &reply else { panic!("{reply:?}") };
    assert_eq!((last.question(), **last.answer()), (Some(&Square(2)), 4));
    assert!(reply.clone().last_for(|asked: &Square| asked.0 == 2).best().is_some());
    let other = reply.clone().last_for(|asked: &Square| asked.0 == 1_000_003);
    assert!(other.is_working() && other.best().is_none());
    session.end_frame();
    session.end_frame();
    session.wait(&Square(1_000_003)).unwrap();
    let reply = session.ask_at(9, Lane::Now, &Square(1_000_003));
    assert!(reply.last_for(|_: &Square| false).best().is_some(), "its own answer always is meant");
}

#[test]
fn a_now_question_starts_at_once_while_a_run_keeps_all_cores_busy() {
    let session = session();
    let (work, _) = counting(1000);
    let run = session.start(work);
    until("the run's start", || session.runs()[0].entries > 0);
    let mut waits: Vec<Duration> = (0..15)
        .map(|i| {
            let start = Instant::now();
            session.wait(&Square(100_000 + i)).unwrap();
            start.elapsed()
        })
        .collect();
    waits.sort();
    // The median, since this machine may be busy with other things; the rule is 30 ms.
    assert!(waits[7] < Duration::from_millis(30), "{waits:?}");
    session.control(run, Control::Cancel);
    assert_eq!(session.wait_run(run).unwrap(), RunState::Cancelled);
}

#[test]
fn a_run_pauses_steps_resumes_and_ends_with_the_same_log() {
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let counting_news = Arc::clone(&counts);
    let waker = Arc::new(move |news| {
        counting_news[usize::from(news == News::Settled)].fetch_add(1, Ordering::SeqCst);
    });
    let session = Session::new(Settings { waker, ..Settings::new("assets") }).unwrap();
    let (work, kept) = counting(12);
    let run = session.start(work);
    until("the third step", || session.runs()[0].entries >= 3);
    session.control(run, Control::Pause);
    until("the pause", || session.runs()[0].state == RunState::Paused);
    assert_eq!(kept.load(Ordering::SeqCst), 1, "a paused run keeps what it has");
    let at = session.runs()[0].entries;
    session.control(run, Control::StepOnce);
    until("one step", || {
        let view = &session.runs()[0];
        view.entries == at + 1 && view.state == RunState::Paused
    });
    session.control(run, Control::Resume);
    assert_eq!(session.wait_run(run).unwrap(), RunState::Done);
    let log: Vec<u32> = session.log::<u32>(run, 0).iter().map(|e| **e).collect();
    assert_eq!(log, (0..12).collect::<Vec<_>>());
    assert!(session.log::<String>(run, 0).is_empty());
    // Paused, perhaps running and paused again for the step, running, done; and each entry of the log.
    until("word of each change", || counts[1].load(Ordering::SeqCst) >= 3);
    let [progress, settled] = [0, 1].map(|news: usize| counts[news].load(Ordering::SeqCst));
    assert!(progress >= 12 && settled <= 5, "{progress} {settled}");
}

#[test]
fn a_run_that_fails_says_why_and_others_go_on() {
    struct Fails;
    impl Work for Fails {
        type Entry = ();
        type Order = ();
        fn title(&self) -> String {
            "fails".into()
        }
        fn step(&mut self, _: &mut Watch<'_, ()>) -> Result<Advance> {
            Err(EngineError::bad_input("recipe", "no such thing", "change it"))
        }
    }
    let session = session();
    let bad = session.start(Fails);
    let (work, _) = counting(3);
    let good = session.start(work);
    assert!(session.wait_run(bad).unwrap_err().summary.contains("no such thing"));
    assert_eq!(session.wait_run(good).unwrap(), RunState::Done);
}

/// A run of three steps on a disk that is full until there is room.
struct OnFullDisk {
    next: u32,
    has_room: Arc<std::sync::atomic::AtomicBool>,
    tries: Arc<AtomicUsize>,
}
fn on_full_disk() -> (OnFullDisk, Arc<std::sync::atomic::AtomicBool>, Arc<AtomicUsize>) {
    let (has_room, tries) = (Arc::default(), Arc::default());
    let work = OnFullDisk { next: 0, has_room: Arc::clone(&has_room), tries: Arc::clone(&tries) };
    (work, has_room, tries)
}
impl OnFullDisk {
    fn write(&self) -> Result<()> {
        self.tries.fetch_add(1, Ordering::SeqCst);
        if self.has_room.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(EngineError::io("run/checkpoint", std::io::ErrorKind::StorageFull.into()))
    }
}
impl Work for OnFullDisk {
    type Entry = u32;
    type Order = ();
    fn title(&self) -> String {
        "fill the disk".into()
    }
    fn step(&mut self, watch: &mut Watch<'_, u32>) -> Result<Advance> {
        if let Err(error) = self.write() {
            return Ok(Advance::Stuck(error.problem()));
        }
        watch.append(self.next);
        self.next += 1;
        Ok(if self.next == 3 { Advance::Done } else { Advance::More })
    }
    fn keep(&mut self, _watch: &mut Watch<'_, u32>) -> Result<()> {
        self.write()
    }
}

fn is_stuck(session: &Session) -> bool {
    let view = &session.runs()[0];
    let problem = view.problem.as_ref();
    let says_why = problem.is_some_and(|problem| problem.hint.contains("Free some space"));
    assert_eq!(problem.is_some(), says_why, "{problem:?}");
    view.state == RunState::Paused && says_why
}

#[test]
fn a_run_on_a_full_disk_waits_with_the_problem_and_goes_on_when_there_is_room() {
    let session = session();
    let (work, has_room, tries) = on_full_disk();
    let run = session.start(work);
    until("the problem", || is_stuck(&session));
    assert!(session.wait_run(run).unwrap_err().summary.contains("run/checkpoint"));
    let before = tries.load(Ordering::SeqCst);
    session.control(run, Control::Resume);
    until("another try", || tries.load(Ordering::SeqCst) > before);
    until("the problem again", || is_stuck(&session));
    has_room.store(true, Ordering::SeqCst);
    session.control(run, Control::StepOnce);
    until("a step", || session.runs()[0].entries == 1 && session.runs()[0].problem.is_none());
    session.control(run, Control::Resume);
    assert_eq!(session.wait_run(run).unwrap(), RunState::Done);
    let log: Vec<u32> = session.log::<u32>(run, 0).iter().map(|e| **e).collect();
    assert_eq!(log, [0, 1, 2]);
}

#[test]
fn a_run_that_cannot_keep_what_it_has_is_not_dropped_unless_that_is_wanted_twice() {
    let session = session();
    let (work, has_room, _) = on_full_disk();
    has_room.store(true, Ordering::SeqCst);
    let run = session.start(OnFullDisk { next: 4, ..work });
    until("a step", || session.runs()[0].entries > 0);
    has_room.store(false, Ordering::SeqCst);
    until("the problem", || is_stuck(&session));
    // Room again, and full again before the pause.
    has_room.store(true, Ordering::SeqCst);
    session.control(run, Control::StepOnce);
    until("a pause without a problem", || {
        let view = &session.runs()[0];
        view.state == RunState::Paused && view.problem.is_none()
    });
    has_room.store(false, Ordering::SeqCst);
    session.control(run, Control::Cancel);
    until("the problem instead of the end", || is_stuck(&session));
    session.control(run, Control::Cancel);
    until("the end", || matches!(session.runs()[0].state, RunState::Failed(_)));
}

#[test]
fn ending_the_session_keeps_a_running_run() {
    let session = session();
    let (work, kept) = counting(10_000);
    session.start(work);
    until("a step", || session.runs()[0].entries > 0);
    drop(session);
    assert_eq!(kept.load(Ordering::SeqCst), 1);
}

/// Looks whether something has changed, and takes long for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Look;

impl Question for Look {
    type Answer = ();

    fn answer(&self, desk: &Desk<'_>) -> Result<()> {
        Endless.answer(desk)
    }

    fn bytes((): &()) -> usize {
        0
    }

    fn is_look(&self) -> bool {
        true
    }
}

#[test]
fn a_look_whether_something_has_changed_is_not_told_as_work() {
    let session = session();
    assert!(!session.status().is_at_work);
    drop(session.ask(Lane::Soon, &Look));
    let status = session.status();
    assert!(status.open_questions == 1 && !status.is_at_work && status.working_on.is_empty());
    drop(session.ask(Lane::Soon, &Endless));
    assert!(session.status().is_at_work);
}

/// A run whose only step ends when it is told.
struct Waits(std::sync::mpsc::Receiver<()>);
impl Work for Waits {
    type Entry = ();
    type Order = ();
    fn title(&self) -> String {
        "waits".to_owned()
    }
    fn step(&mut self, _: &mut Watch<'_, ()>) -> Result<Advance> {
        self.0.recv_timeout(Duration::from_secs(20)).map_err(|_late| EngineError::Cancelled)?;
        Ok(Advance::Done)
    }
}

/// A run of one step that somebody watches.
struct Watched;
impl Work for Watched {
    type Entry = ();
    type Order = ();
    fn title(&self) -> String {
        "watched".to_owned()
    }
    fn lane(&self) -> RunLane {
        RunLane::Watched
    }
    fn step(&mut self, watch: &mut Watch<'_, ()>) -> Result<Advance> {
        watch.append(());
        Ok(Advance::Done)
    }
}

#[test]
fn a_watched_run_does_not_stand_behind_a_step_of_a_long_one_and_is_forgotten_when_it_is_over() {
    let session = session();
    let (tell, told) = std::sync::mpsc::channel();
    let long = session.start(Waits(told));
    let watched = session.start(Watched);
    assert_eq!(session.wait_run(watched), Ok(RunState::Done));
    session.forget_run(watched);
    session.forget_run(long);
    let left: Vec<RunId> = session.runs().into_iter().map(|run| run.id).collect();
    assert_eq!(left, [long], "what goes on stays");
    assert!(session.log::<()>(watched, 0).is_empty());
    tell.send(()).unwrap();
    assert_eq!(session.wait_run(long), Ok(RunState::Done));
}

/// A run that says when a step begins, and ends it when it is told.
struct InItsStep {
    begins: std::sync::mpsc::Sender<()>,
    ends: std::sync::mpsc::Receiver<()>,
}
impl Work for InItsStep {
    type Entry = ();
    type Order = ();
    fn title(&self) -> String {
        "in its step".to_owned()
    }
    fn step(&mut self, _: &mut Watch<'_, ()>) -> Result<Advance> {
        self.begins.send(()).map_err(|_gone| EngineError::Cancelled)?;
        self.ends.recv_timeout(Duration::from_secs(20)).map_err(|_late| EngineError::Cancelled)?;
        Ok(Advance::More)
    }
}

#[test]
fn what_was_cancelled_ends_though_it_is_paused_before_its_step_is_over_and_goes_on_if_resumed() {
    let session = session();
    for (later, is_over) in [(Control::Pause, true), (Control::Resume, false)] {
        let (begins, begun) = std::sync::mpsc::channel();
        let (end, ends) = std::sync::mpsc::channel();
        let run = session.start(InItsStep { begins, ends });
        begun.recv_timeout(Duration::from_secs(20)).unwrap();
        let is_ending = || session.runs().iter().any(|view| view.id == run && view.is_ending);
        assert!(!is_ending());
        session.control(run, Control::Cancel);
        session.control(run, later);
        assert_eq!(is_ending(), is_over, "who pauses others can see that this one ends");
        end.send(()).unwrap();
        if is_over {
            assert_eq!(session.wait_run(run).unwrap(), RunState::Cancelled);
        } else {
            // Another step.
            begun.recv_timeout(Duration::from_secs(20)).unwrap();
            session.control(run, Control::Cancel);
            end.send(()).unwrap();
            assert_eq!(session.wait_run(run).unwrap(), RunState::Cancelled);
        }
    }
}
