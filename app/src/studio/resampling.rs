//! Cells written anew: one way is taken into the document when it is there, of several a person picks one.

use std::collections::BTreeSet;
use std::sync::Arc;

use smalti_engine::questions::Encode;
use smalti_engine::session::{Control, Lane, Reply, RunId, RunState};

use super::Studio;
use super::generating::begun;
use super::keys::take_pressed;
use crate::ctx::{Trace, Trials};
use crate::document::{Asked, Command, Generate, Moment, Notice, Sampled, ViewId};
use crate::look::words::{agreeing, counted};
use crate::shell::folded;
use crate::shell::script::DIGITS;

/// Ways that are written at once at most: each holds what its network remembers of its tokens. The others follow as
/// these are done.
const AT_ONCE: usize = 4;

impl Studio {
    /// Begins to write cells anew in so many ways.
    pub(super) fn rewrite(&mut self, asked: Box<Asked>, count: u8, ctx: &egui::Context) {
        let stopped = self.stops_the_first(&asked);
        self.leave_trials();
        let ways: Vec<Arc<Asked>> =
            (0..u64::from(count)).map(|by| Arc::new(asked.reseeded_by(by))).collect();
        if let Some(stopped) = stopped {
            self.notices.add(stopped);
        }
        self.cancel_all_but(&ways);
        let number = self.history.number();
        let before = self.history.document().generating.moment.clone();
        let command = Command::Generate(Generate::Rewrite { asked, count });
        if count == 1 {
            self.change(&command, ctx);
        } else {
            // What is asked next is no step of undo.
            self.history.note(self.history.document().after(&command));
        }
        let document = self.history.document();
        let Some(on) = document.work_on() else { return };
        let (begun, noted, is_failure_said) = (document.clone(), BTreeSet::new(), false);
        let trials = Trials { on, number, asked: ways, begun, before, noted, is_failure_said };
        // What was cancelled before goes on, and so does what waits or is being cancelled.
        for asked in &trials.asked {
            let Some(trace) = self.generations.get(asked) else { continue };
            if matches!(trace.state, RunState::Cancelled | RunState::Failed(_)) {
                self.generate_on(asked, false);
            } else if let Some(run) = trace.run() {
                self.session.control(run, Control::Resume);
            }
        }
        self.trials = Some(trials);
    }

    /// What is said where cells are being written anew already, which ends for what is asked now.
    fn stops_the_first(&self, asked: &Asked) -> Option<Notice> {
        let trials = self.trials.as_ref().filter(|trials| !trials.are_shown())?;
        let first = trials.asked.first().filter(|first| ***first != *asked)?;
        let is_over = |trace: &Trace| trace.state.is_over();
        if self.generations.get(first).is_some_and(is_over) {
            return None;
        }
        let hint = "Its steps so far are on the timeline in Generate, if you undo this one";
        let hint = hint.to_owned();
        let summary = "Writing cells anew was stopped: it was asked for once more meanwhile";
        Some(Notice { hint, ..Notice::info(summary) })
    }

    /// Follows what is being written; what is there is taken, or noted.
    pub(super) fn go_on_rewriting(&mut self) {
        let Some(trials) = &self.trials else { return };
        if !self.is_of_now(trials) {
            self.leave_behind();
            return;
        }
        self.note_trials();
        if !self.begin_trials() {
            return;
        }
        let Some(trials) = &self.trials else { return };
        let state =
            |asked: &Arc<Asked>| self.generations.get(asked).map(|trace| trace.state.clone());
        let mut states = trials.asked.iter().filter_map(state);
        if trials.are_shown() {
            let problem = states.find_map(|state| match state {
                RunState::Failed(problem) => Some(problem),
                _ => None,
            });
            if let (Some(problem), false) = (problem, trials.is_failure_said) {
                self.notices.add(problem.into());
                self.trials.iter_mut().for_each(|trials| trials.is_failure_said = true);
            }
            return;
        }
        match states.next() {
            Some(RunState::Running | RunState::Paused) => return,
            Some(RunState::Done) => self.take_the_only_one(),
            Some(RunState::Failed(problem)) => self.notices.add(problem.into()),
            Some(RunState::Cancelled) => {
                let hint = "Its steps so far are on the timeline in Generate".to_owned();
                let summary = "The cells stay as they are: writing them anew was cancelled";
                let cancelled = Notice { hint, ..Notice::info(summary) };
                let notice = self.passed_over(trials).unwrap_or(cancelled);
                self.notices.add(notice);
            }
            None => {}
        }
        self.trials = None;
    }

    /// Whether what is open is what they are written for. Another document may work on the same.
    fn is_of_now(&self, trials: &Trials) -> bool {
        let on = self.history.document().work_on();
        on.as_ref() == Some(&trials.on) && self.history.number() == trials.number
    }

    /// Something else is open by now: what is not in the tree of variations is lost, and that is said.
    fn leave_behind(&mut self) {
        let Some(trials) = self.trials.take() else { return };
        self.cancel_all_but(&[]);
        let (count, hint) = (trials.asked.len(), "Open it again, and write the cells anew there");
        let summary = match count - trials.noted.len() {
            0 => return,
            _ if count == 1 => "Nothing was written anew: something else is open by now".to_owned(),
            lost => format!(
                "{lost} of {count} variations {} not in History: something else is open by now",
                agreeing(lost, "is", "are")
            ),
        };
        self.notices.add(Notice::warning(summary, hint));
    }

    /// What is said where the generation that is looked at is another one by now than the only way: that one is not
    /// taken.
    fn passed_over(&self, trials: &Trials) -> Option<Notice> {
        let asked = |moment: &Moment| Arc::clone(&moment.asked);
        let now = self.history.document().generating.moment.as_ref().map(asked);
        if now.as_ref() == trials.asked.first() {
            return None;
        }
        let (why, hint) = if now == trials.before.as_ref().map(asked) {
            let hint = "Its steps are on the timeline in Generate, if you redo it";
            ("writing them anew was undone meanwhile", hint)
        } else {
            let hint = "Write them anew (Ctrl+R) when that one is done";
            ("another generation was begun meanwhile", hint)
        };
        let summary = format!("The cells stay as they are: {why}");
        Some(Notice { hint: hint.to_owned(), ..Notice::info(summary) })
    }

    /// Begins those that are not, when their generator is there; gives whether all have begun.
    fn begin_trials(&mut self) -> bool {
        let Some(trials) = &self.trials else { return false };
        let is_waiting = |asked: &&Arc<Asked>| self.generations.get(asked).is_none();
        let waiting: Vec<Arc<Asked>> = trials.asked.iter().filter(is_waiting).cloned().collect();
        let Some(first) = waiting.first() else { return true };
        match self.session.ask(Lane::Now, &first.opens()) {
            Reply::Ready(opened) => {
                let wanted = self.wanted_generations();
                let known = trials.asked.iter().filter_map(|asked| self.generations.get(asked));
                let going = known.filter(|trace| trace.run().is_some()).count();
                for asked in waiting.iter().take(AT_ONCE.saturating_sub(going)) {
                    let (work, beginning) = begun(asked, &opened);
                    let run = work.map(|work| self.session.start(work));
                    let network = (Arc::clone(&opened), beginning);
                    self.generations.begin(asked, network, run, &wanted);
                }
            }
            Reply::Failed(problem) => {
                self.notices.add(problem.into());
                self.trials = None;
            }
            Reply::Working { .. } => {}
        }
        false
    }

    /// What one of them wrote, if it is done.
    fn sampled(&self, number: usize) -> Option<Sampled> {
        let trials = self.trials.as_ref().filter(|trials| self.is_of_now(trials))?;
        let asked = trials.asked.get(number)?;
        let trace = self.generations.get(asked).filter(|trace| trace.state == RunState::Done)?;
        let written = trace.tokens(trace.steps.len())?;
        let document = self.history.document();
        let subject = document.subject.clone()?;
        let question = Encode { subject, size: document.size, model: document.model.clone() };
        let now = self.session.known(&question).map(|encoded| document.tokens(&encoded));
        // What came out as it stands there already is not forced.
        let tokens = written.cells().filter_map(|(cell, code)| {
            let code = code.filter(|_| !asked.given.contains_key(&cell))?;
            let is_so = now.as_ref().is_some_and(|now| now.get(cell) == Some(code));
            (!is_so).then_some((cell, code))
        });
        let (on, cells, tokens) = (trials.on.clone(), trace.cells, tokens.collect());
        Some(Sampled { on, asked: Arc::clone(asked), cells, tokens, by_hand: Arc::default() })
    }

    /// The only way becomes part of the change by which it was asked for; nothing of it is taken if that was undone.
    fn take_the_only_one(&mut self) {
        let Some(sampled) = self.sampled(0) else { return };
        let Some(trials) = &self.trials else { return };
        if let Some(notice) = self.passed_over(trials) {
            self.notices.add(notice);
            return;
        }
        let now = self.history.document().clone();
        let (sampled, left) = sampled.beside_hands(&trials.begun, &now);
        let is_as_begun = !now.differs_beyond_selection(&trials.begun);
        let next = now.after(&Generate::Take(Box::new(sampled.clone())).into());
        self.history.complete(next, is_as_begun, |value| value.with_taken(&sampled, &now));
        self.note_taken(&sampled.asked, now);
        self.say_taken(&sampled, left);
    }

    /// Says what was taken, and how many cells were `left` as a person made them meanwhile.
    fn say_taken(&mut self, sampled: &Sampled, left: usize) {
        let summary = match (sampled.tokens.len(), left) {
            (0, 0) => format!("The same tokens came again: {}", sampled.what()),
            (0, _) => format!("No cell has another token: {}", sampled.what()),
            (n, _) => format!("{}: {} with another token", sampled.what(), counted(n, "cell")),
        };
        let stays = agreeing(left, "stays as you made it", "stay as you made them");
        let hint = match left {
            0 => String::new(),
            left => format!("{} {stays} meanwhile", counted(left, "cell")),
        };
        self.notices.add(Notice { hint, ..Notice::info(summary) });
    }

    /// Each of several that is done goes into the tree of variations at once, whatever becomes of the others.
    fn note_trials(&mut self) {
        let Some(trials) = self.trials.as_ref().filter(|trials| trials.are_shown()) else { return };
        let left = (0..trials.asked.len()).filter(|number| !trials.noted.contains(number));
        let done: Vec<(usize, Sampled)> =
            left.filter_map(|number| Some((number, self.sampled(number)?))).collect();
        if done.is_empty() {
            return;
        }
        let document = self.history.document();
        let noted = done.iter().fold(document.clone(), |next, (_, one)| next.noting(one));
        self.history.note(noted);
        if let Some(trials) = &mut self.trials {
            trials.noted.extend(done.into_iter().map(|(number, _)| number));
        }
    }

    /// A person takes one of those that are shown.
    pub(super) fn pick_trial_by_hand(&mut self, number: usize, ctx: &egui::Context) {
        let first = self.trials.as_ref().and_then(|trials| trials.asked.first()).cloned();
        let before = self.history.document().clone();
        self.pick_trial(number, ctx);
        if let Some(first) = first {
            self.note_taken(&first, before);
        }
    }

    /// One of those that are shown is taken.
    pub(super) fn pick_trial(&mut self, number: usize, ctx: &egui::Context) {
        if self.trials.as_ref().is_none_or(|trials| number >= trials.asked.len()) {
            self.notices.add(Notice::info("There is no such variation to take"));
            return;
        }
        let Some(sampled) = self.sampled(number) else {
            let notice = self.not_there(number);
            self.notices.add(notice);
            return;
        };
        self.leave_trials();
        self.change(&Generate::Take(Box::new(sampled.clone())).into(), ctx);
        self.say_taken(&sampled, 0);
    }

    /// Why one of them cannot be taken.
    fn not_there(&self, number: usize) -> Notice {
        let asked = self.trials.as_ref().and_then(|trials| trials.asked.get(number));
        let state = asked.and_then(|asked| self.generations.get(asked)).map(|trace| &trace.state);
        let way = format!("Variation {}", number + 1);
        let again = "Take another one, or write the cells anew (Ctrl+Shift+R)";
        match state {
            Some(RunState::Cancelled) => {
                let summary = format!("{way} cannot be taken: it was cancelled");
                Notice { hint: again.to_owned(), ..Notice::info(summary) }
            }
            Some(RunState::Failed(problem)) => {
                let summary = format!("{way} cannot be taken: {}", problem.summary);
                Notice { hint: again.to_owned(), ..Notice::info(summary) }
            }
            Some(RunState::Paused) => {
                let hint = "Resume it in Jobs".to_owned();
                Notice { hint, ..Notice::info(format!("{way} is not written yet: it is paused")) }
            }
            _ => Notice::info(format!("{way} is not written yet")),
        }
    }

    /// They are shown no more; what is not written yet is not.
    pub(super) fn leave_trials(&mut self) {
        self.note_trials();
        if self.trials.take().is_some_and(|trials| trials.are_shown()) {
            self.cancel_all_but(&[]);
        }
    }

    /// Whether variations are seen that a person may pick from.
    pub(super) fn sees_trials(&self) -> bool {
        let are_shown = self.trials.as_ref().is_some_and(Trials::are_shown);
        are_shown && folded::seen(self.drawn()).contains(&ViewId::Tokens)
    }

    /// The number keys, while they pick.
    pub(super) fn trial_keys(&self, ctx: &egui::Context) -> Option<Generate> {
        if !self.sees_trials() || ctx.text_edit_focused() {
            return None;
        }
        let count = self.trials.as_ref().map_or(0, |trials| trials.asked.len());
        let pressed = |key: &egui::Key| ctx.input_mut(|input| take_pressed(input, *key));
        DIGITS.iter().take(count).position(pressed).map(Generate::Pick)
    }

    /// Generations that nobody waits for any more would take their time from these.
    fn cancel_all_but(&self, ways: &[Arc<Asked>]) {
        let wanted: Vec<RunId> = ways
            .iter()
            .filter_map(|asked| self.generations.get(asked).and_then(Trace::run))
            .collect();
        for run in self.generations.runs().filter(|run| !wanted.contains(run)) {
            self.session.control(run, Control::Cancel);
        }
    }
}
