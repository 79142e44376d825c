//! Races of generators: their lanes run one after the other, because side by side each would slow the others down.
//! A race that is not seen waits.

use std::sync::Arc;

use smalti_engine::questions::{OpenedPainter, ShippedGenerators};
use smalti_engine::session::{Control, Lane, Reply, RunId, RunState};

use super::Studio;
use super::begun::RaceOn;
use super::keys::take_pressed;
use crate::ctx::Trace;
use crate::document::{
    AppCommand, Asked, BETS, BETS_BY_NUMBER, Command, Layout, Notice, Raced, Racing, ViewId,
};
use crate::files::outcome::Outcome;
use crate::shell::script::DIGITS;

impl Studio {
    pub(super) fn race(&mut self, race: Racing, ctx: &egui::Context) {
        if let Racing::ChooseAgain(lane, generator) = race {
            let choose = move || Racing::Choose(lane, generator.now());
            self.keeping.background.run(move || Some(Outcome::Command(choose().into())));
            return;
        }
        if let Racing::Start(raced) = &race {
            // What it takes is measured anew, and nothing else may run meanwhile.
            for run in self.generations.runs() {
                self.session.control(run, Control::Cancel);
            }
            // One that waits paused would wait for ever.
            for asked in raced.lanes() {
                self.generations.forget(asked);
            }
            self.racing = Some(RaceOn::of(Arc::new(Raced::clone(raced))));
            self.send(Layout::Show(ViewId::Race));
        }
        self.change(&Command::Race(race), ctx);
    }

    /// Begins the next lane of the race that is seen, when the one before is over. Behind one that was
    /// cancelled nothing begins.
    pub(super) fn go_on_racing(&mut self) {
        let Some(raced) = self.history.document().race.raced.clone() else {
            return self.leave_race();
        };
        let is_asked_for = self.racing.as_ref().is_some_and(|race| race.raced == raced);
        if !is_asked_for && !self.fixed.options.frozen_time {
            return self.leave_race();
        }
        if !self.sees(ViewId::Race) || self.desk.guide.has_doors {
            return self.wait_with_race();
        }
        self.race_on();
        let Reply::Ready(shipped) = self.session.ask(Lane::Now, &ShippedGenerators) else { return };
        let document = self.history.document();
        let next = document.race.next(&shipped, document.generating.asked.as_deref());
        if document.race.seen(&next).is_none() {
            return self.leave_race();
        }
        // What was cancelled may still be in its step, which is measured by itself, too.
        if self.generations.is_at_work() {
            return;
        }
        for asked in raced.lanes() {
            match self.generations.get(asked).map(|trace| &trace.state) {
                Some(RunState::Done | RunState::Failed(_)) => {}
                Some(_) => return,
                None => match self.session.ask(Lane::Now, &asked.opens()) {
                    Reply::Ready(opened) => return self.begin_lane(asked, opened),
                    Reply::Working { .. } => return,
                    // The lane says why; the others race without it.
                    Reply::Failed(_) => {}
                },
            }
        }
    }

    /// A lane begins, if it has not begun before: what is no more kept of a race is not measured again unasked.
    fn begin_lane(&mut self, asked: &Arc<Asked>, opened: Arc<OpenedPainter>) {
        if let Some(race) = &mut self.racing {
            if race.begun.contains(asked) {
                self.racing = None;
                return;
            }
            race.begun.push(Arc::clone(asked));
        }
        self.begin_generation(asked, opened, false);
    }

    /// The race is none that is seen: nothing of it goes on without a button that cancels it.
    fn leave_race(&self) {
        let raced = self.racing.iter().flat_map(|race| race.raced.lanes());
        for asked in raced.filter(|asked| !self.is_looked_at(asked)) {
            if let Some(run) = self.generations.get(asked).and_then(Trace::run) {
                self.session.control(run, Control::Cancel);
            }
        }
    }

    /// Whether a generation is what Generate looks at: it is not the race's alone.
    fn is_looked_at(&self, asked: &Asked) -> bool {
        let moment = self.history.document().generating.moment.as_ref();
        moment.is_some_and(|moment| *moment.asked == *asked)
    }

    /// The race is not seen: the lane that runs waits, and that is said.
    fn wait_with_race(&mut self) {
        let Some(race) = &self.racing else { return };
        if race.is_by_hand {
            return;
        }
        let lanes = race.raced.lanes().filter(|asked| !self.is_looked_at(asked));
        let traces = lanes.filter_map(|asked| self.generations.get(asked));
        let running = traces.filter(|trace| trace.state == RunState::Running);
        let running: Vec<RunId> = running.filter_map(Trace::run).collect();
        let is_said = race.waits;
        for run in &running {
            self.session.control(*run, Control::Pause);
        }
        let waits = is_said || !running.is_empty();
        if let Some(race) = &mut self.racing {
            race.waits = waits;
            race.paused.retain(|run| !running.contains(run));
            race.paused.extend(running);
        }
        if waits && !is_said {
            let hint = "It goes on when Race is shown again, or by Resume in Jobs".to_owned();
            let summary = "The race waits: it is not seen";
            self.notices.add(Notice { hint, ..Notice::info(summary) });
        }
    }

    /// The race is seen: what waited for that goes on.
    fn race_on(&mut self) {
        let Some(race) = &mut self.racing else { return };
        (race.waits, race.is_by_hand) = (false, false);
        for run in std::mem::take(&mut race.paused) {
            self.session.control(run, Control::Resume);
        }
    }

    /// A person has paused or resumed a lane: it waits, or goes on, as that person says.
    pub(super) fn race_steered_by_hand(&mut self, run: RunId, control: Control) {
        let Some(race) = &mut self.racing else { return };
        let is_lane = race.paused.contains(&run);
        race.paused.retain(|paused| *paused != run);
        race.is_by_hand |= is_lane && control != Control::Pause;
    }

    /// The number keys that say who will be first, where the Race view takes them.
    pub(super) fn bets(&self, ctx: &egui::Context) -> Vec<Command> {
        let offered = self.offers.all();
        let is_offered = |name: &str| offered.iter().any(|offer| offer.name == name);
        if !is_offered(BETS_BY_NUMBER) || ctx.text_edit_focused() {
            return Vec::new();
        }
        let pressed = |key| ctx.input_mut(|input| take_pressed(input, key));
        let keys = DIGITS.into_iter().zip(BETS);
        let bets = keys.filter(|(key, name)| is_offered(name) && pressed(*key));
        bets.map(|(_, name)| AppCommand::Offered(name.to_owned()).into()).collect()
    }
}
