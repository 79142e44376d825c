//! Cells written anew: one way is taken into the document when it is there, of several a person picks one.

use std::sync::Arc;

use smalti_engine::questions::Encode;
use smalti_engine::session::{Control, Lane, Reply, RunId, RunState};

use super::Studio;
use super::generating::begun;
use crate::ctx::{Trace, Trials};
use crate::document::{Asked, Command, Generate, Notice, Sampled, ViewId};
use crate::look::words::counted;
use crate::shell::folded;
use crate::shell::script::DIGITS;

impl Studio {
    /// Begins to write cells anew in so many ways.
    pub(super) fn rewrite(&mut self, asked: Box<Asked>, count: u8, ctx: &egui::Context) {
        self.leave_trials();
        let ways: Vec<Arc<Asked>> =
            (0..u64::from(count)).map(|by| Arc::new(asked.reseeded_by(by))).collect();
        self.cancel_all_but(&ways);
        let command = Command::Generate(Generate::Rewrite { asked, count });
        if count == 1 {
            self.change(&command, ctx);
        } else {
            // What is asked next is no step of undo.
            self.history.note(self.history.document().after(&command));
        }
        let document = self.history.document();
        let Some(on) = document.work_on() else { return };
        let cells = document.selection.cells.difference(&document.locks).count();
        let trials = Trials { on, cells, asked: ways, begun: document.clone(), is_noted: false };
        // What was cancelled before goes on.
        for asked in &trials.asked {
            let state = self.generations.get(asked).map(|trace| &trace.state);
            if matches!(state, Some(RunState::Cancelled | RunState::Failed(_))) {
                self.generate_on(asked, false);
            }
        }
        self.trials = Some(trials);
    }

    /// Follows what is being written; what is there is taken, or noted.
    pub(super) fn go_on_rewriting(&mut self) {
        let Some(trials) = &self.trials else { return };
        if self.history.document().work_on().as_ref() != Some(&trials.on) {
            let summary = "Nothing was written anew: something else is open by now";
            let hint = "Open it again, and write the cells anew there";
            if !trials.are_shown() {
                self.notices.add(Notice::warning(summary, hint));
            }
            self.cancel_all_but(&[]);
            self.trials = None;
            return;
        }
        if !self.begin_trials() {
            return;
        }
        let Some(trials) = &self.trials else { return };
        let state =
            |asked: &Arc<Asked>| self.generations.get(asked).map(|trace| trace.state.clone());
        let states: Vec<RunState> = trials.asked.iter().filter_map(state).collect();
        if !states.iter().all(RunState::is_over) {
            return;
        }
        if trials.are_shown() {
            let problem = states.iter().find_map(|state| match state {
                RunState::Failed(problem) => Some(problem.clone()),
                _ => None,
            });
            if !trials.is_noted
                && let Some(problem) = problem
            {
                self.notices.add(problem.into());
            }
            self.note_trials();
            return;
        }
        match states.into_iter().next() {
            Some(RunState::Done) => self.take_the_only_one(),
            Some(RunState::Failed(problem)) => self.notices.add(problem.into()),
            _ => {}
        }
        self.trials = None;
    }

    /// Begins those that are not, when their generator is there; gives whether all have begun.
    fn begin_trials(&mut self) -> bool {
        let Some(trials) = &self.trials else { return false };
        let is_waiting = |asked: &&Arc<Asked>| self.generations.get(asked).is_none();
        let waiting: Vec<Arc<Asked>> = trials.asked.iter().filter(is_waiting).cloned().collect();
        let Some(first) = waiting.first() else { return true };
        match self.session.ask(Lane::Now, &first.opens()) {
            Reply::Ready(opened) => {
                for asked in &waiting {
                    let (work, beginning) = begun(asked, &opened);
                    let run = work.map(|work| self.session.start(work));
                    self.generations.begin(asked, (Arc::clone(&opened), beginning), run);
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
        let trials = self.trials.as_ref()?;
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
        let (on, cells) = (trials.on.clone(), trials.cells);
        Some(Sampled { on, asked: Arc::clone(asked), cells, tokens: tokens.collect() })
    }

    /// The only way becomes part of the change by which it was asked for; nothing of it is taken if that was undone.
    fn take_the_only_one(&mut self) {
        let Some(sampled) = self.sampled(0) else { return };
        let Some(trials) = &self.trials else { return };
        let document = self.history.document();
        let moment = document.generating.moment.as_ref();
        if moment.is_none_or(|moment| *moment.asked != *sampled.asked) {
            let hint = "Its steps are on the timeline in Generate, if you redo it".to_owned();
            let summary = "The cells stay as they are: writing them anew was undone meanwhile";
            self.notices.add(Notice { hint, ..Notice::info(summary) });
            return;
        }
        let is_as_begun = !document.differs_beyond_selection(&trials.begun);
        let next = document.after(&Generate::Take(Box::new(sampled.clone())).into());
        if is_as_begun {
            self.history.complete(next);
        } else {
            self.history.change(next, false);
        }
        self.say_taken(&sampled);
    }

    fn say_taken(&mut self, sampled: &Sampled) {
        let summary = match sampled.tokens.len() {
            0 => format!("The same tokens came again: {}", sampled.what()),
            n => format!("{} with another token: {}", counted(n, "cell"), sampled.what()),
        };
        self.notices.add(Notice::info(summary));
    }

    /// Those that are done are in the tree of variations.
    fn note_trials(&mut self) {
        let Some(trials) = &self.trials else { return };
        let (count, is_noted) = (trials.asked.len(), trials.is_noted);
        if is_noted || !trials.are_shown() {
            return;
        }
        let sampled: Vec<Sampled> = (0..count).filter_map(|number| self.sampled(number)).collect();
        let document = self.history.document();
        let noted = sampled.iter().fold(document.clone(), |next, one| next.noting(one));
        self.history.note(noted);
        if let Some(trials) = &mut self.trials {
            trials.is_noted = true;
        }
    }

    /// One of those that are shown is taken.
    pub(super) fn pick_trial(&mut self, number: usize, ctx: &egui::Context) {
        if self.trials.as_ref().is_none_or(|trials| number >= trials.asked.len()) {
            self.notices.add(Notice::info("There is no such variation to take"));
            return;
        }
        let Some(sampled) = self.sampled(number) else {
            let summary = format!("Variation {} is not written yet", number + 1);
            self.notices.add(Notice::info(summary));
            return;
        };
        self.leave_trials();
        self.change(&Generate::Take(Box::new(sampled.clone())).into(), ctx);
        self.say_taken(&sampled);
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
        let modifiers = egui::Modifiers::NONE;
        let pressed = |key: &egui::Key| ctx.input_mut(|i| i.consume_key(modifiers, *key));
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
