//! Races of generators: their lanes run one after the other, because side by side each would slow the others down.

use std::sync::Arc;

use smalti_engine::questions::ShippedGenerators;
use smalti_engine::session::{Control, Lane, Reply, RunState};

use super::Studio;
use super::keys::take_pressed;
use crate::ctx::Trace;
use crate::document::{
    AppCommand, Asked, BETS, BETS_BY_NUMBER, Command, Layout, Raced, Racing, ViewId,
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
            self.send(Layout::Show(ViewId::Race));
        }
        self.change(&Command::Race(race), ctx);
    }

    /// Begins the next lane of the race that is seen, when the one before is over. Behind one that was
    /// cancelled nothing begins.
    pub(super) fn go_on_racing(&mut self) {
        let Some(raced) = self.history.document().race.raced.clone() else { return };
        if !self.sees(ViewId::Race) {
            return;
        }
        let Reply::Ready(shipped) = self.session.ask(Lane::Now, &ShippedGenerators) else { return };
        let document = self.history.document();
        let next = document.race.next(&shipped, document.generating.asked.as_deref());
        if document.race.seen(&next).is_none() {
            self.leave_race(&raced);
            return;
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
                    Reply::Ready(opened) => {
                        self.begin_generation(asked, opened, false);
                        return;
                    }
                    Reply::Working { .. } => return,
                    // The lane says why; the others race without it.
                    Reply::Failed(_) => {}
                },
            }
        }
    }

    /// The race is none that is seen: nothing of it goes on without a button that cancels it. What Generate looks at is
    /// not the race's alone.
    fn leave_race(&self, raced: &Raced) {
        let moment = self.history.document().generating.moment.as_ref();
        let is_alone = |asked: &&Arc<Asked>| moment.is_none_or(|moment| moment.asked != **asked);
        for asked in raced.lanes().filter(is_alone) {
            if let Some(run) = self.generations.get(asked).and_then(Trace::run) {
                self.session.control(run, Control::Cancel);
            }
        }
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
