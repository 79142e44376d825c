//! One run: its log, entry by entry, as numbers that can be drawn.

use std::path::PathBuf;
use std::sync::Arc;

use smalti_engine::images::Picture;
use smalti_engine::questions::{KeptRun, ModelRef};
use smalti_engine::training::{Order, Report, TrainEvent};
use smalti_engine::{Knob, Problem};

use super::history::History;

/// Speed, as a curve.
pub const SPEED: &str = "images_per_second";
/// Codes whose counts are taken in one go, so that a long log does not hold up the window.
const CODES_A_FRAME: usize = 1 << 19;
/// A report without codes costs as much as so many.
const LEAST_CODES: usize = 512;
/// What a log has beside losses and figures, by name, that is no curve.
const NO_CURVES: [&str; 3] = ["seconds", "gradient_norm", "restarted"];

/// A number over steps.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    /// Which number.
    pub name: String,
    /// (step, value), in order; a value may be NaN.
    pub points: Vec<(u64, f64)>,
}

/// The probe pictures as the model reconstructs them.
#[derive(Debug, Clone)]
pub struct Probe {
    /// After so many steps.
    pub step: u64,
    /// In the order of the originals.
    pub pictures: Arc<[Picture]>,
}

/// What one step did that was asked for by itself.
#[derive(Debug, Clone)]
pub struct Stepped {
    /// Steps done.
    pub step: u64,
    /// Losses of the step before by name, the total first; may be empty.
    pub before: Vec<(String, f64)>,
    /// Losses of this step.
    pub after: Vec<(String, f64)>,
    /// The probe before this step.
    pub probe: Option<Probe>,
}

/// What reports have told so far.
#[derive(Debug, Clone)]
struct Past {
    curves: Vec<Curve>,
    knobs: Vec<(Knob, f64)>,
    unturned: Vec<(Knob, f64)>,
    turned: Vec<Order>,
    history: History,
    uses: Vec<(u64, (u64, u64))>,
    restarts: Vec<(u64, u64)>,
}

/// What is known of a run.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// Steps done, as far as it was told.
    pub step: u64,
    /// Steps of the whole run; 0 if that is not known.
    pub steps: u64,
    /// Losses, figures and speed over steps.
    pub curves: Vec<Curve>,
    /// What may be turned, and where it stands.
    pub knobs: Vec<(Knob, f64)>,
    /// What was turned, in order.
    pub turned: Vec<Order>,
    /// The steps whose checkpoints are kept.
    pub kept: Vec<u64>,
    /// The probe now.
    pub probe: Option<Probe>,
    /// The last step, if it was asked for by itself and none came after it.
    pub stepped: Option<Stepped>,
    /// The knobs of all orders that were obeyed, also of those that hold no more.
    pub obeyed: Vec<Knob>,
    /// Why the last order could not be done.
    pub refused: Option<Problem>,
    /// Orders that could not be done, so far.
    pub refusals: usize,
    /// The run went back from this step and did not go on yet: then what came after is forgotten.
    pub left: Option<u64>,
    /// The step of the latest checkpoint, as far as it was told.
    pub saved: u64,
    /// Whether it cannot go on from where it stands: a loss or a weight is no number.
    pub is_broken: bool,
    /// The model that was written at the end.
    pub model: Option<PathBuf>,
    /// The latest checkpoint on the disk as a model, if it is known, and the side of its images.
    pub checkpoint: Option<(ModelRef, u32)>,
    /// Of all books together: how many codes occurred in the last report, and how many there are.
    pub used: Option<(u64, u64)>,
    /// Codes that were replaced because nobody chose them, of all reports.
    pub restarted: u64,
    /// The codes over time.
    pub history: History,
    /// How many of `turned` are in the latest checkpoint.
    saved_orders: usize,
    /// Where knobs stand of which nothing in `turned` tells.
    unturned: Vec<(Knob, f64)>,
    /// `used` and `restarted` by the steps of their reports.
    uses: Vec<(u64, (u64, u64))>,
    restarts: Vec<(u64, u64)>,
    /// What there was when the run went back: until it goes on, it can go there again.
    ahead: Option<Box<Past>>,
    /// Entries of the log that were taken.
    pub(super) taken: usize,
    /// Reports of the folder that were taken.
    stored: usize,
    stored_counts: usize,
}

impl Record {
    /// A curve by name.
    pub fn curve(&self, name: &str) -> Option<&Curve> {
        self.curves.iter().find(|curve| curve.name == name)
    }

    /// Whether all steps of the run are done.
    pub fn is_done(&self) -> bool {
        self.steps > 0 && self.step >= self.steps
    }

    /// The last step of which it knows: where it stands, or, after it went back, what is beyond that.
    pub fn furthest(&self) -> u64 {
        let points = self.curves.iter().filter_map(|curve| curve.points.last());
        let points = points.map(|(step, _)| *step);
        points.chain(self.kept.last().copied()).fold(self.step, u64::max)
    }

    /// The step of the last report, of which the last values of curves are; 0 before the first.
    pub fn reported(&self) -> u64 {
        let points = self.curves.iter().filter_map(|curve| curve.points.last());
        points.map(|(step, _)| *step).max().unwrap_or(0)
    }

    /// The last value of a curve.
    pub fn last(&self, name: &str) -> Option<f64> {
        self.curve(name)?.points.last().map(|(_, value)| *value)
    }

    /// Takes entries of the log, some at a time; true if there are more.
    pub(super) fn take(&mut self, entries: &[Arc<TrainEvent>]) -> bool {
        let mut budget = CODES_A_FRAME;
        let mut rest = entries.iter();
        for entry in rest.by_ref() {
            self.taken += 1;
            let codes = self.take_one(entry);
            budget = budget.saturating_sub(codes.max(LEAST_CODES));
            if budget == 0 {
                break;
            }
        }
        self.history.show();
        rest.next().is_some()
    }

    /// Gives how many codes were counted.
    fn take_one(&mut self, entry: &TrainEvent) -> usize {
        match entry {
            TrainEvent::Report(report) => return self.take_report(report),
            TrainEvent::Probe { step, pictures } => {
                self.probe = Some(Probe { step: *step, pictures: Arc::clone(pictures) });
            }
            TrainEvent::Waits { step, is_whole } => {
                // It took steps since it was told to go back.
                if *step != self.step {
                    self.goes_on();
                }
                (self.step, self.is_broken) = (*step, !*is_whole);
            }
            TrainEvent::Saved { step, orders } => {
                (self.saved, self.saved_orders) = (*step, *orders);
            }
            TrainEvent::Stepped { step, before, after } => {
                let probe = self.probe.clone();
                let (before, after) = (before.clone(), after.clone());
                self.step = *step;
                self.goes_on();
                self.stepped = Some(Stepped { step: *step, before, after, probe });
            }
            TrainEvent::Started { step, steps, knobs, kept } => {
                (self.step, self.steps, self.saved) = (*step, *steps, *step);
                self.knobs.clone_from(knobs);
                self.unturned.clone_from(knobs);
                self.kept.clone_from(kept);
                // What was turned before comes next.
                self.turned.clear();
                self.is_broken = false;
                self.goes_on();
                self.forget_after(*step);
            }
            TrainEvent::Turned(order) => {
                if let Some(knob) = self.knobs.iter_mut().find(|knob| knob.0 == order.knob) {
                    knob.1 = order.value;
                }
                self.turned.push(*order);
                self.obeyed.push(order.knob);
                self.refused = None;
            }
            TrainEvent::Kept(kept) => self.kept.clone_from(kept),
            TrainEvent::WentTo { step, knobs } => {
                self.is_broken = false;
                let left = self.left.unwrap_or(0).max(self.step);
                self.left = Some(left).filter(|left| left > step);
                let ahead = self.ahead.take().unwrap_or_else(|| Box::new(self.past()));
                self.take_past(Past::clone(&ahead));
                self.ahead = Some(ahead);
                self.forget_after(*step);
                self.knobs.clone_from(knobs);
                self.unturned.clone_from(knobs);
                self.turned.retain(|order| order.step < *step);
            }
            // It waits, and the reason stands beside that.
            TrainEvent::OtherData(_) => {}
            TrainEvent::Refused(problem) => {
                self.refused = Some(problem.clone());
                self.refusals += 1;
            }
            TrainEvent::Finished { model } => self.model = Some(model.clone()),
        }
        0
    }

    /// What lies ahead of where it went back to is forgotten.
    fn goes_on(&mut self) {
        (self.left, self.ahead) = (None, None);
    }

    /// The run ended: what its latest checkpoint has is what it goes on from, also if it looked back then, or
    /// went wrong after that. Knobs that were turned since stand where they stood.
    pub(super) fn comes_back(&mut self) {
        let is_there = self.step == self.saved && self.turned.len() <= self.saved_orders;
        if is_there && self.left.is_none() {
            return;
        }
        if let Some(ahead) = self.ahead.take() {
            self.take_past(*ahead);
        }
        self.left = None;
        let refused = self.refused.take();
        self.forget_after(self.saved);
        self.refused = refused;
        self.turned.truncate(self.saved_orders);
        for (knob, value) in &mut self.knobs {
            let last = self.turned.iter().rev().find(|order| order.knob == *knob);
            let unturned = self.unturned.iter().find(|(known, _)| known == knob);
            *value = last.map(|order| order.value).or(unturned.map(|u| u.1)).unwrap_or(*value);
        }
    }

    fn past(&self) -> Past {
        Past {
            curves: self.curves.clone(),
            knobs: self.knobs.clone(),
            unturned: self.unturned.clone(),
            turned: self.turned.clone(),
            history: self.history.clone(),
            uses: self.uses.clone(),
            restarts: self.restarts.clone(),
        }
    }

    fn take_past(&mut self, past: Past) {
        let Past { curves, knobs, unturned, turned, history, uses, restarts } = past;
        (self.curves, self.turned, self.history) = (curves, turned, history);
        (self.uses, self.restarts) = (uses, restarts);
        (self.knobs, self.unturned) = (knobs, unturned);
    }

    fn take_report(&mut self, report: &Report) -> usize {
        (self.step, self.is_broken) = (report.step, false);
        self.stepped.take_if(|stepped| stepped.step < report.step);
        self.goes_on();
        self.add_restarted(report.step, report.restarted as u64);
        for (name, value) in report.losses.iter().chain(&report.figures) {
            self.add(name, report.step, *value);
        }
        self.add(SPEED, report.step, report.images_per_second);
        self.add("lr", report.step, report.lr);
        let codes = report.counts.iter().map(|counts| counts.len()).sum();
        if codes > 0 {
            let used = report.books.iter().map(|book| u64::from(book.statistics.used)).sum();
            self.uses.push((report.step, (used, codes as u64)));
            self.used = self.uses.last().map(|(_, used)| *used);
            self.history.push(report.counts.iter().map(|counts| &**counts), report.step);
        }
        codes
    }

    fn add_restarted(&mut self, step: u64, count: u64) {
        if count > 0 {
            self.restarted += count;
            self.restarts.push((step, self.restarted));
        }
    }

    fn add(&mut self, name: &str, step: u64, value: f64) {
        let at = self.curves.iter().position(|curve| curve.name == name);
        let at = at.unwrap_or_else(|| {
            self.curves.push(Curve { name: name.to_owned(), points: Vec::new() });
            self.curves.len() - 1
        });
        self.curves[at].points.push((step, value));
    }

    /// The run stands at an earlier step: what came after it is of another way.
    fn forget_after(&mut self, step: u64) {
        self.step = step;
        (self.stepped, self.refused, self.model) = (None, None, None);
        for curve in &mut self.curves {
            let kept = curve.points.partition_point(|(at, _)| *at <= step);
            curve.points.truncate(kept);
        }
        self.uses.retain(|(at, _)| *at <= step);
        self.used = self.uses.last().map(|(_, used)| *used);
        self.restarts.retain(|(at, _)| *at <= step);
        self.restarted = self.restarts.last().map_or(0, |(_, sum)| *sum);
        self.history.go_to(step);
    }

    /// Takes what a folder tells of the steps up to `until`, some at a time; true if there is more.
    pub(super) fn take_stored(&mut self, kept: &KeptRun, until: u64) -> bool {
        let KeptRun { run, model } = kept;
        if self.stored == 0 && self.stored_counts == 0 {
            self.steps = run.steps;
            self.kept.clone_from(&run.kept);
            self.turned.clone_from(&run.orders);
            self.checkpoint = model.clone().map(|model| (model, run.side));
        }
        let mut budget = CODES_A_FRAME;
        for report in &run.reports[self.stored..] {
            if report.step > until || budget == 0 {
                break;
            }
            self.stored += 1;
            budget = budget.saturating_sub(LEAST_CODES);
            for (name, value) in run.columns.iter().zip(&report.values) {
                if name == "restarted" {
                    // A cell that is empty is no number: none, then.
                    self.add_restarted(report.step, *value as u64);
                }
                // Columns of single books are not drawn.
                if !NO_CURVES.contains(&name.as_str()) && !name.contains('.') {
                    self.add(name, report.step, *value);
                }
            }
        }
        let books = run.columns.iter().filter(|name| name.starts_with("usage.")).count().max(1);
        for counts in &run.counts[self.stored_counts..] {
            if counts.step > until || budget == 0 {
                break;
            }
            self.stored_counts += 1;
            budget = budget.saturating_sub(counts.counts.len().max(LEAST_CODES));
            let all: Vec<u64> = counts.counts.iter().map(|count| u64::from(*count)).collect();
            let used = all.iter().filter(|count| **count > 0).count() as u64;
            self.uses.push((counts.step, (used, all.len() as u64)));
            self.used = self.uses.last().map(|(_, used)| *used);
            // Levels and groups have codebooks of one size.
            self.history.push(all.chunks(all.len().div_ceil(books).max(1)), counts.step);
        }
        self.history.show();
        self.step = run.step.min(until);
        self.saved = self.step;
        let next = run.reports.get(self.stored).map(|report| report.step);
        let next_counts = run.counts.get(self.stored_counts).map(|counts| counts.step);
        [next, next_counts].into_iter().flatten().any(|step| step <= until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smalti_engine::training::{StoredCounts, StoredReport, StoredRun};

    fn report(step: u64, loss: f64, counts: &[u64]) -> Arc<TrainEvent> {
        let report = Report {
            step,
            seconds: 0.0,
            losses: vec![("loss".to_owned(), loss)],
            figures: vec![("usage".to_owned(), 0.5)],
            images_per_second: 10.0,
            gradient_norm: 1.0,
            lr: 0.1,
            restarted: 1,
            books: Vec::new(),
            counts: vec![counts.into()],
        };
        Arc::new(TrainEvent::Report(report))
    }

    fn order(step: u64) -> Order {
        Order { step, knob: Knob::LearningRate, value: 0.5 }
    }

    fn saved(step: u64, orders: usize) -> Arc<TrainEvent> {
        Arc::new(TrainEvent::Saved { step, orders })
    }

    fn waits(step: u64) -> Arc<TrainEvent> {
        Arc::new(TrainEvent::Waits { step, is_whole: true })
    }

    #[test]
    fn a_knob_that_was_turned_after_the_checkpoint_stands_where_it_stood_when_the_run_ends() {
        let knobs = vec![(Knob::LearningRate, 0.1), (Knob::Decay, 0.9)];
        let turned = |step, value| {
            Arc::new(TrainEvent::Turned(Order { step, knob: Knob::LearningRate, value }))
        };
        let mut record = Record::default();
        record.take(&[
            Arc::new(TrainEvent::Started {
                step: 0,
                steps: 99,
                knobs: knobs.clone(),
                kept: vec![],
            }),
            report(5, 3.0, &[1, 0]),
            turned(5, 0.05),
            saved(5, 1),
            // At the very step of the checkpoint, but after it.
            turned(5, 0.5),
        ]);
        let mut ended = record.clone();
        ended.comes_back();
        assert_eq!((ended.knobs[0].1, ended.turned.len(), ended.step), (0.05, 1, 5));
        // It looked back to where nothing was turned, and ended there: it goes on from where it was.
        record.take(&[Arc::new(TrainEvent::WentTo { step: 0, knobs: knobs.clone() }), waits(0)]);
        assert_eq!((record.knobs[0].1, record.turned.len()), (0.1, 0));
        let mut ended = record.clone();
        ended.comes_back();
        assert_eq!((ended.knobs[0].1, ended.turned.len(), ended.step), (0.05, 1, 5));
        // It went on from there, and what was turned then came too late for its checkpoint.
        record.take(&[saved(0, 0), report(1, 3.0, &[1, 0]), turned(1, 0.7)]);
        record.comes_back();
        assert_eq!((&record.knobs, record.turned.len(), record.step), (&knobs, 0, 0));
    }

    #[test]
    fn a_run_that_goes_back_forgets_what_came_after() {
        let mut record = Record::default();
        let knobs = vec![(Knob::LearningRate, 0.1)];
        let log = [
            Arc::new(TrainEvent::Started { step: 0, steps: 9, knobs: knobs.clone(), kept: vec![] }),
            report(1, 3.0, &[1, 0]),
            Arc::new(TrainEvent::Turned(order(1))),
            report(2, 2.0, &[0, 1]),
            report(3, 1.0, &[0, 1]),
            Arc::new(TrainEvent::WentTo { step: 1, knobs }),
            report(2, 2.5, &[1, 1]),
        ];
        assert!(!record.take(&log));
        assert_eq!(record.curve("loss").unwrap().points, [(1, 3.0), (2, 2.5)]);
        assert_eq!((record.step, record.steps), (2, 9));
        assert!(record.turned.is_empty(), "it was turned after that step was done");
        assert_eq!(record.knobs, [(Knob::LearningRate, 0.1)]);
        assert_eq!(record.history.rows(0).unwrap().1.values.len(), 2);
        assert_eq!(record.restarted, 2, "at each of the two reports that are left");
    }

    #[test]
    fn a_run_that_went_back_says_what_it_forgets_until_it_goes_on() {
        let mut record = Record::default();
        let to = |step| Arc::new(TrainEvent::WentTo { step, knobs: Vec::new() });
        record.take(&[report(1, 3.0, &[1, 0]), report(7, 3.0, &[1, 0]), to(1)]);
        assert_eq!((record.step, record.left), (1, Some(7)));
        assert_eq!((record.used.map(|used| used.1), record.restarted), (Some(2), 1));
        record.take(&[to(0)]);
        assert_eq!((record.left, record.used, record.restarted), (Some(7), None, 0));
        // Nothing is forgotten yet: it may go there again.
        record.take(&[to(7)]);
        assert_eq!((record.left, record.restarted), (None, 2));
        assert_eq!(record.curve("loss").unwrap().points, [(1, 3.0), (7, 3.0)]);
        assert_eq!(record.history.rows(0).unwrap().1.values.len(), 2);
        record.take(&[to(0)]);
        let mut stopped = record.clone();
        record.take(&[report(2, 3.0, &[1, 0])]);
        assert_eq!(record.left, None);
        stopped.take(&[saved(7, 0), waits(0)]);
        assert_eq!((stopped.step, stopped.left), (0, Some(7)), "it looks back still");
        stopped.comes_back();
        assert_eq!((stopped.step, stopped.left, stopped.restarted), (7, None, 2));
    }

    #[test]
    fn a_run_that_went_wrong_and_ended_says_the_step_that_is_on_the_disk() {
        let mut record = Record::default();
        record.take(&[
            report(120, 3.0, &[1, 0]),
            saved(120, 0),
            report(137, 9.0, &[1, 0]),
            waits(137),
        ]);
        record.comes_back();
        assert_eq!(record.step, 120);
        assert_eq!(record.curve("loss").unwrap().points, [(120, 3.0)]);
    }

    #[test]
    fn a_run_that_went_back_and_on_and_waits_before_a_report_forgot_what_was() {
        let mut record = Record::default();
        let to = |step| Arc::new(TrainEvent::WentTo { step, knobs: Vec::new() });
        record.take(&[report(20, 3.0, &[1, 0]), to(10), saved(12, 0), waits(12)]);
        assert_eq!((record.step, record.left), (12, None));
        record.take(&[to(10)]);
        assert!(record.curve("loss").unwrap().points.is_empty(), "that way is gone");
    }

    #[test]
    fn a_run_that_waits_says_where_it_stands_not_where_it_last_reported() {
        let mut record = Record::default();
        record.take(&[report(20, 2.0, &[1]), saved(33, 0), waits(33)]);
        assert_eq!(record.step, 33);
        record.take(&[report(40, 2.0, &[1])]);
        assert_eq!(record.step, 40);
    }

    #[test]
    fn a_step_by_itself_is_told_until_the_next_report() {
        let mut record = Record::default();
        let losses = |loss: f64| vec![("loss".to_owned(), loss)];
        let stepped = TrainEvent::Stepped { step: 4, before: losses(2.0), after: losses(1.0) };
        record.take(&[report(3, 2.0, &[1]), Arc::new(stepped), report(4, 1.0, &[1])]);
        let told = record.stepped.clone().unwrap();
        assert_eq!((told.before[0].1, told.after[0].1), (2.0, 1.0));
        record.take(&[report(5, 1.0, &[1])]);
        assert!(record.stepped.is_none());
    }

    #[test]
    fn what_a_folder_tells_is_taken_up_to_where_the_run_went_on() {
        let mut run = StoredRun { steps: 50, step: 30, ..StoredRun::default() };
        let columns = ["seconds", "loss", "usage", "images_per_second", "restarted"];
        run.columns = columns.map(str::to_owned).into();
        for step in [10, 20, 30] {
            run.reports.push(StoredReport { step, values: vec![1.0, step as f64, 0.5, 7.0, 2.0] });
            run.counts.push(StoredCounts { step, counts: Arc::new([1, 0, 2, 0]) });
        }
        let mut record = Record::default();
        let kept = KeptRun { run, model: None };
        while record.take_stored(&kept, 20) {}
        assert_eq!(record.curve("loss").unwrap().points, [(10, 10.0), (20, 20.0)]);
        assert!(record.curve("seconds").is_none());
        assert_eq!((record.step, record.steps, record.used), (20, 50, Some((2, 4))));
        assert_eq!(record.last(SPEED), Some(7.0));
        assert_eq!(record.restarted, 4, "of the two reports that were taken");
        assert_eq!(record.furthest(), 20);
    }

    #[test]
    fn a_long_log_is_taken_in_pieces_and_whole_in_the_end() {
        let counts = vec![1; CODES_A_FRAME / 4];
        let log: Vec<_> = (1..=10).map(|step| report(step, 1.0, &counts)).collect();
        let mut record = Record::default();
        let mut frames = 1;
        while record.take(&log[record.taken..]) {
            frames += 1;
        }
        assert_eq!((record.taken, frames), (10, 3));
    }
}
