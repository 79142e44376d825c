//! How long a run has been going on, and how long it will: by the clock on the wall, though runs of a lane take
//! turns and each works a part of the time alone.

use std::time::{Duration, Instant};

/// How much the last turn counts beside those before it, where turns of several lengths follow each other.
const NEWEST: f32 = 0.2;

/// How far (0 to 1) a run was after so many seconds at work.
#[derive(Debug, Clone, Copy)]
struct Mark {
    seconds: f32,
    progress: f32,
}

/// Seconds of a turn: from the end of the one before to its own end, and those at work in it.
#[derive(Debug, Clone, Copy)]
struct Turn {
    whole: f32,
    own: f32,
}

/// The clock of a run. It stands still while the run is paused.
#[derive(Debug)]
pub(super) struct Clock {
    /// Up to the last pause.
    before: Duration,
    /// Since when it goes on; none while it is paused, or when it is over.
    since: Option<Instant>,
    /// At work itself.
    worked: Duration,
    /// The first and the last time that it said how far it is.
    marks: Option<(Mark, Mark)>,
    /// When its last turn ended, if it has not paused since.
    turned: Option<Instant>,
    /// A usual turn of late.
    turn: Option<Turn>,
}

impl Clock {
    /// Of a run that is started.
    pub(super) fn started(now: Instant) -> Self {
        let (before, worked) = (Duration::ZERO, Duration::ZERO);
        Self { before, since: Some(now), worked, marks: None, turned: None, turn: None }
    }

    /// A step begins: if it was paused, it goes on again.
    pub(super) fn begin(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// A step that took so long is over; `moved` says how far the run is, if it said so in it.
    pub(super) fn stepped(&mut self, now: Instant, took: Duration, moved: Option<f32>) {
        self.worked += took;
        if let Some(progress) = moved {
            let mark = Mark { seconds: self.worked.as_secs_f32(), progress };
            self.marks = Some((self.marks.map_or(mark, |marks| marks.0), mark));
        }
        if let Some(last) = self.turned.replace(now) {
            let own = took.as_secs_f32();
            let whole = now.saturating_duration_since(last).as_secs_f32().max(own);
            let mix = |old: f32, new: f32| old + NEWEST * (new - old);
            self.turn = Some(self.turn.map_or(Turn { whole, own }, |turn| Turn {
                whole: mix(turn.whole, whole),
                own: mix(turn.own, own),
            }));
        }
    }

    /// How far it was until now tells nothing of how fast it goes.
    pub(super) fn forget_pace(&mut self) {
        self.marks = None;
    }

    /// It is paused or over.
    pub(super) fn rest(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.before += now.saturating_duration_since(since);
        }
        self.turned = None;
    }

    /// Seconds since it was started, without its pauses; the turns of others count.
    pub(super) fn seconds(&self, now: Instant) -> f32 {
        let since = self.since.map_or(Duration::ZERO, |it| now.saturating_duration_since(it));
        (self.before + since).as_secs_f32()
    }

    /// Seconds that are left at the pace between the first and the last mark, while others have as many turns as of
    /// late. A run that was resumed does not begin at 0, so its first mark counts, too.
    pub(super) fn seconds_left(&self) -> Option<f32> {
        let (first, last) = self.marks?;
        let moved = last.progress - first.progress;
        let left = (1.0 - last.progress) * (last.seconds - first.seconds) / moved;
        let left = left - (self.worked.as_secs_f32() - last.seconds);
        let shared = self.turn.filter(|turn| turn.own > 0.0).map_or(1.0, |it| it.whole / it.own);
        (moved > 0.0).then_some(left.max(0.0) * shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Steps of a second each, of which as many are to be done; between two of them `others` have their turns.
    fn step(clock: &mut Clock, now: &mut Instant, (steps, done): (u32, &mut u32), others: u32) {
        for _ in 0..steps {
            *now += SECOND * others;
            clock.begin(*now);
            *now += SECOND;
            *done += 1;
            clock.stepped(*now, SECOND, Some(*done as f32 / 100.0));
        }
    }

    #[test]
    fn time_is_told_by_the_clock_on_the_wall_while_others_take_turns() {
        let (mut now, mut done) = (Instant::now(), 0);
        let mut clock = Clock::started(now);
        step(&mut clock, &mut now, (20, &mut done), 2);
        assert!((clock.seconds(now) - 60.0).abs() < 1e-3, "{}", clock.seconds(now));
        let left = clock.seconds_left().unwrap();
        assert!((left - 240.0).abs() < 1.0, "80 steps, and two others as long: {left}");
        // The others end: soon it is known that it goes faster.
        step(&mut clock, &mut now, (30, &mut done), 0);
        let left = clock.seconds_left().unwrap();
        assert!((left - 50.0).abs() < 1.0, "{left}");
    }

    #[test]
    fn a_pause_counts_for_nothing() {
        let (mut now, mut done) = (Instant::now(), 0);
        let mut clock = Clock::started(now);
        step(&mut clock, &mut now, (10, &mut done), 0);
        clock.rest(now);
        now += SECOND * 3600;
        assert!((clock.seconds(now) - 10.0).abs() < 1e-3);
        step(&mut clock, &mut now, (10, &mut done), 0);
        assert!((clock.seconds(now) - 20.0).abs() < 1e-3, "{}", clock.seconds(now));
        let left = clock.seconds_left().unwrap();
        assert!((left - 80.0).abs() < 1.0, "{left}");
    }

    #[test]
    fn a_resumed_run_tells_its_own_pace_and_never_less_than_nothing() {
        let mut now = Instant::now();
        let mut clock = Clock::started(now);
        let mut stepped = |seconds: u64, moved: Option<f32>| {
            now += SECOND * seconds as u32;
            clock.stepped(now, Duration::from_secs(seconds), moved);
            clock.seconds_left()
        };
        assert_eq!(stepped(10, Some(0.5)), None, "no pace yet");
        // A quarter in 100 seconds: the last quarter takes 100 more.
        let left = stepped(100, Some(0.75)).unwrap();
        assert!((left - 100.0).abs() < 1e-3, "{left}");
        let left = stepped(30, None).unwrap();
        assert!((left - 70.0).abs() < 1e-3, "{left}");
        assert_eq!(stepped(400, None), Some(0.0), "late, but not before now");
    }
}
