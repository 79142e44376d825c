//! Who leads through a scene: what its captions do, one after the other, taken back on the way back; its start again;
//! and the doors.

use std::collections::BTreeSet;
use std::sync::Arc;

use smalti_engine::questions::{Encode, ShippedGenerators, ShippedModels};
use smalti_engine::session::{Control, Lane, Reply, RunState};
use smalti_engine::tokens::Cell;

use super::Studio;
use super::begun::{By, Done, Guide};
use crate::ctx::Trace;
use crate::document::{
    AppCommand, Arrangement, Asked, Command, Document, Edit, Generate, Generating, Layout, Notice,
    Race, Racing, ViewId,
};
use crate::files::deeds::Deed;
use crate::files::scenes::Scene;
use crate::shell::doors;
use crate::shell::script::{At, Script};

/// How much more of the image tokens cover in a second, or less, on the way to what a caption says.
const OPACITY_A_SECOND: f32 = 0.6;

impl Studio {
    /// Whether something that the scene does is not done yet.
    pub(super) fn is_doing(&self) -> bool {
        self.is_presenting() && !self.desk.guide.to_do.is_empty()
    }

    /// The document with which a scene begins that does something: nothing is selected, nothing was done to its own
    /// picture, and what it generates or races is not there yet.
    pub(super) fn anew_for_scene(document: Document, scene: &Scene) -> Document {
        if !scene.acts() {
            return document;
        }
        let mut next = document.after(&Edit::Deselect.into());
        if scene.loads.image.is_some() {
            next = next.after(&Edit::UseStart.into());
        }
        // At work it is there to be started by hand. What was generated gives way to nothing else.
        if let Some(wanted) = scene.deeds().find_map(Deed::wanted) {
            next.generating.moment = None;
            next.generating.asked = Some(Arc::new(wanted.asked()));
        }
        if scene.deeds().any(|deed| *deed == Deed::StartRace) {
            next.race = Race { chosen: next.race.chosen, ..Race::default() };
        }
        next
    }

    /// A scene is there: it is led through from its first caption on.
    pub(super) fn begin_guiding(&mut self, scene: &Scene) {
        let of = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        let (tokenizers, generators) = scene.models();
        self.end_guiding();
        let is_led = std::mem::take(&mut self.desk.guide.leads);
        let has_doors = self.desk.guide.has_doors;
        self.desk.guide = Guide {
            has_doors,
            made: std::mem::take(&mut self.desk.guide.made),
            scene: Some((scene.clone(), self.history.document().clone())),
            number: self.history.number(),
            needs: Some((of(tokenizers), of(generators))),
            ..Guide::default()
        };
        if is_led {
            self.set_stage(true);
            if let Some(stage) = &mut self.desk.stage {
                stage.is_guided = true;
                stage.opacity = None;
            }
        }
    }

    /// The scene that is shown begins again, as it began: its captions, what it generates, and what was done to its
    /// picture.
    pub(super) fn start_again(&mut self) {
        let Some((scene, began)) = self.desk.guide.scene.clone() else {
            let hint = "Choose one of the menu Scenes".to_owned();
            let summary = "No scene is shown that could begin again";
            self.notices.add(Notice { hint, ..Notice::info(summary) });
            return;
        };
        self.desk.guide.leads = self.desk.stage.as_ref().is_some_and(|stage| stage.is_guided);
        // What is a person's own is asked about, as where a scene is chosen.
        if self.asks_before(&scene) {
            return;
        }
        self.leave_trials();
        for run in self.generations.runs().collect::<Vec<_>>() {
            self.session.control(run, Control::Cancel);
        }
        // Panels stay as they were put: no undo would bring them back.
        let none = Arrangement::empty(egui::Id::unique("no panels"));
        let panels = std::mem::replace(&mut self.desk.arrangement, none);
        self.open_scene(&scene);
        self.desk.arrangement = panels;
        let mut next = self.history.document().clone();
        if next.subject != began.subject {
            return;
        }
        if next.work_on() == began.work_on() {
            next.edits = Arc::clone(&began.edits);
            next.locks = Arc::clone(&began.locks);
            next.switched_off = Arc::clone(&began.switched_off);
        }
        next.selection = began.selection.clone();
        next.looks = began.looks.clone();
        // What was opened since stays at hand.
        let opened = Arc::clone(&next.generating.opened);
        next.generating = Generating { opened, ..began.generating.clone() };
        next.race = began.race.clone();
        // It is seen as it is written, also what is known already.
        if let Some(asked) = next.generating.whole().cloned() {
            self.generations.forget(&asked);
            self.ask_generation(&asked, false, By::Scene);
        }
        self.history.change(next, false);
        self.desk.guide.scene = Some((scene, began));
    }

    /// Follows the captions: what belongs to the one that is said is done, and taken back on the way back.
    pub(super) fn go_on_guiding(&mut self, ctx: &egui::Context) {
        self.look_for_models();
        if self.desk.guide.scene.is_some() && self.desk.guide.number != self.history.number() {
            self.end_scene();
        }
        if !self.is_presenting() {
            return;
        }
        if self.desk.guide.reached.is_none() {
            // Its keys are its own from the start: what had the keyboard before it is not in hand any more.
            ctx.memory_mut(|memory| memory.focused().map(|id| memory.surrender_focus(id)));
        }
        self.follow_script();
        if self.is_with_scene() {
            self.do_what_is_said(ctx);
        }
        self.come_by_itself(ctx);
        self.fade(ctx);
    }

    /// Whether what is open is what the scene works on. It is not where a person opened something else meanwhile, or
    /// left the scene and went on: then captions are said, and nothing is done or taken back until the scene begins
    /// again.
    fn is_with_scene(&mut self) -> bool {
        let now = self.history.document();
        let left = self.desk.guide.left.take();
        let guide = &mut self.desk.guide;
        let Some((scene, began)) = &guide.scene else { return false };
        let is_left = |left: &Document| now.is_as_left(left);
        let is_its = now.subject == began.subject && left.as_ref().is_none_or(is_left);
        if is_its || guide.is_apart {
            let is_with = !guide.is_apart;
            if let Some(left) = left.filter(|_| is_with) {
                // It goes on with the cells that it had selected.
                let selected = Edit::SelectCells(left.selection.cells);
                let next = now.after(&selected.into());
                self.history.change(next, false);
            }
            return is_with;
        }
        let acts = scene.acts();
        (guide.is_apart, guide.wrote) = (true, None);
        guide.to_do.clear();
        if acts {
            let hint = "Scene from its start (F6) does all of it again".to_owned();
            let summary = "The captions do nothing any more: you went on with work of your own";
            self.notices.add(Notice { hint, ..Notice::info(summary) });
        }
        false
    }

    /// Does what belongs to the captions up to the one that is said, and takes back what belongs to those behind it.
    fn do_what_is_said(&mut self, ctx: &egui::Context) {
        let place = self.desk.script.place();
        self.take_back_to(place, ctx);
        let due = self.desk.script.due(self.desk.guide.reached, place).into_iter();
        let due = due.flat_map(|(at, deeds)| deeds.iter().map(move |deed| (at, deed.clone())));
        let due: Vec<(At, Deed)> = due.collect();
        self.desk.guide.to_do.extend(due);
        self.desk.guide.reached = Some(place);
        while let Some((at, deed)) = self.desk.guide.to_do.front().cloned() {
            let before = self.history.document().clone();
            let is_done = self.is_done_with(&deed, ctx);
            self.note_done(at, before);
            if !is_done {
                break;
            }
            self.desk.guide.to_do.pop_front();
            self.desk.guide.has_begun = false;
        }
    }

    /// What the scene has done to the document since it was as `before`.
    fn note_done(&mut self, at: At, before: Document) {
        let after = self.history.document().clone();
        if after != before {
            self.note_made(&before, &after);
            self.desk.guide.done.push(Done { at, before, after });
        }
    }

    /// What is generated now and was not before was by a scene.
    pub(super) fn note_made(&mut self, before: &Document, after: &Document) {
        let asked = |of: &Document| of.generating.moment.as_ref().map(|it| Arc::clone(&it.asked));
        let is_new = |it: &Arc<Asked>| asked(before).as_ref() != Some(it);
        let guide = &mut self.desk.guide;
        let made = asked(after).filter(|it| is_new(it) && !guide.made.contains(it));
        guide.made.extend(made);
    }

    /// Of the ways in which cells were written anew the scene's own was taken, `first` the first of them: that is taken
    /// back with what asked for it, also where a person chose it.
    pub(super) fn note_taken(&mut self, first: &Asked, before: Document) {
        let wrote = self.desk.guide.wrote.as_ref().filter(|(_, asked)| **asked == *first);
        let Some(at) = wrote.map(|(at, _)| *at) else { return };
        let left = self.desk.guide.left.as_ref();
        let is_as_left = left.is_some_and(|left| before.is_as_left(left));
        self.note_done(at, before);
        if is_as_left {
            self.note_left();
        }
    }

    /// What was done at places behind this one is taken back, as one step of undo; what a person did beside it stays.
    fn take_back_to(&mut self, place: At, ctx: &egui::Context) {
        let guide = &mut self.desk.guide;
        if guide.reached.is_none_or(|reached| reached <= place) {
            return;
        }
        guide.reached = Some(place);
        if guide.to_do.front().is_some_and(|(at, _)| *at > place) {
            guide.has_begun = false;
        }
        guide.to_do.retain(|(at, _)| *at <= place);
        // Ways to pick from are shown again: what the caption does is done once more.
        let is_pick = |deed: &Deed| matches!(deed, Deed::Resample(2..));
        let caption = self.desk.script.caption();
        let has_ways = caption.is_some_and(|it| it.does.iter().chain(&it.reveals).any(is_pick));
        let first = At { caption: place.caption, is_told: false };
        if has_ways {
            guide.to_do.clear();
            guide.has_begun = false;
            let before = place.caption.checked_sub(1);
            guide.reached = before.map(|caption| At { caption, is_told: true });
        }
        let is_behind = |at: At| at > place || (has_ways && at >= first);
        guide.wrote.take_if(|(at, _)| is_behind(*at));
        let (behind, stays): (Vec<Done>, Vec<Done>) =
            std::mem::take(&mut guide.done).into_iter().partition(|done| is_behind(done.at));
        guide.done = stays;
        if behind.is_empty() {
            return;
        }
        self.leave_trials();
        let now = self.history.document().clone();
        let back = |now: Document, done: &Done| now.taking_back(&done.before, &done.after);
        let next = behind.iter().rev().fold(now, back);
        for done in &behind {
            self.cancel_beside(&next, &done.after);
        }
        self.history.change(next, false);
        ctx.request_repaint();
    }

    /// What was begun for what is not there any more `next` goes on no longer: it would take its time from what comes.
    fn cancel_beside(&self, next: &Document, after: &Document) {
        let moment = |of: &Document| of.generating.moment.as_ref().map(|it| Arc::clone(&it.asked));
        let written = moment(after).filter(|_| moment(next) != moment(after));
        let raced = after.race.raced.as_ref().filter(|_| next.race.raced != after.race.raced);
        let raced = raced.into_iter().flat_map(|raced| raced.lanes().cloned());
        for asked in written.into_iter().chain(raced) {
            if let Some(run) = self.generations.get(&asked).and_then(Trace::run) {
                self.session.control(run, Control::Cancel);
            }
        }
    }

    /// Does what a caption says, as far as that can be done now; gives whether it is done.
    fn is_done_with(&mut self, deed: &Deed, ctx: &egui::Context) -> bool {
        let command: Command = match deed {
            Deed::Ask(wanted) => Generate::Ask(Box::new(wanted.asked())).into(),
            Deed::GoTo(steps) => Generate::GoTo(Some(*steps)).into(),
            Deed::GoToEnd => Generate::GoTo(None).into(),
            Deed::ColorBy(by) => Generate::ColorBy(*by).into(),
            Deed::Ghost(shows) => Generate::Ghost(*shows).into(),
            Deed::Deselect => Edit::Deselect.into(),
            Deed::Generate(wanted) => return self.has_generated(&wanted.asked(), ctx),
            Deed::Select { rows, columns } => return self.has_selected((*rows, *columns), ctx),
            Deed::Resample(count) => return self.has_resampled(*count, ctx),
            Deed::Pick(number) => return self.has_picked(usize::from(*number) - 1, ctx),
            Deed::StartRace => return self.has_raced(ctx),
        };
        self.change(&command, ctx);
        true
    }

    /// What a scene asks of a generator is written before the eyes, also where it is known already. A picture that
    /// must come out the same each time waits for its end.
    fn has_generated(&mut self, asked: &Asked, ctx: &egui::Context) -> bool {
        if !self.desk.guide.has_begun {
            self.desk.guide.has_begun = true;
            for run in self.generations.runs().collect::<Vec<_>>() {
                self.session.control(run, Control::Cancel);
            }
            self.generations.forget(asked);
            let start = Generate::Start { asked: Box::new(asked.clone()), waits: false };
            self.change(&start.into(), ctx);
            self.ask_generation(asked, false, By::Scene);
        }
        let is_over =
            |asked: &Asked| self.generations.get(asked).is_some_and(|trace| trace.state.is_over());
        let cannot = || {
            let opened = self.session.ask(Lane::Now, &asked.opens());
            matches!(opened, Reply::Failed(_)) || !self.sees(ViewId::Generate)
        };
        !self.fixed.options.frozen_time || is_over(asked) || cannot()
    }

    /// Selects a rectangle of the tokens, when they are there.
    fn has_selected(
        &mut self,
        (rows, columns): ((u16, u16), (u32, u32)),
        ctx: &egui::Context,
    ) -> bool {
        let document = self.history.document();
        let Some(subject) = document.subject.clone() else { return true };
        let question = Encode { subject, size: document.size, model: document.model.clone() };
        let encoded = match self.session.ask(Lane::Now, &question) {
            Reply::Ready(encoded) => encoded,
            Reply::Working { .. } => return false,
            // The views say why there are none.
            Reply::Failed(_) => return true,
        };
        let part = document.part_number(&encoded.tokens);
        let columns = || (columns.0..=columns.1).map(|column| column as usize);
        let of_row = |row: u16| columns().map(move |column| Cell::of(part, row.into(), column));
        let cells = (rows.0..=rows.1).flat_map(of_row);
        let cells: BTreeSet<Cell> = cells.filter(|cell| encoded.tokens.contains(*cell)).collect();
        if cells.is_empty() {
            let hint = "Select others by a drag in Tokens";
            let summary = "The cells that the scene selects are outside of these tokens";
            self.notices.add(Notice { hint: hint.to_owned(), ..Notice::info(summary) });
        }
        self.change(&Edit::SelectCells(Arc::new(cells)).into(), ctx);
        true
    }

    /// Writes the selected cells anew, when their tokens and the generator are there.
    fn has_resampled(&mut self, count: u8, ctx: &egui::Context) -> bool {
        if self.desk.guide.has_begun {
            let is_over = self.trials.as_ref().is_none_or(|trials| {
                let is_over = |asked: &Arc<Asked>| {
                    self.generations.get(asked).is_some_and(|trace| trace.state.is_over())
                };
                trials.are_shown() && trials.asked.iter().all(is_over)
            });
            return is_over || !self.fixed.options.frozen_time;
        }
        // What was selected a moment ago is seen by what follows.
        self.look_again();
        let asked = match self.view_ctx().keeping_unselected() {
            Ok(asked) => asked,
            Err(_) if self.waits_for_tokens() => return false,
            Err(why) => {
                let summary = format!("Nothing is written anew: {why}");
                self.notices.add(Notice::info(summary));
                return true;
            }
        };
        for by in 0..u64::from(count) {
            self.generations.forget(&asked.reseeded_by(by));
        }
        self.rewrite(Box::new(asked.clone()), count, ctx);
        let at = self.desk.guide.to_do.front().map(|(at, _)| *at);
        self.desk.guide.wrote = at.map(|at| (at, Arc::new(asked)));
        self.desk.guide.has_begun = true;
        !self.fixed.options.frozen_time
    }

    /// Whether the tokens of what is worked on, or the generator that is asked, are still on their way.
    fn waits_for_tokens(&self) -> bool {
        let document = self.history.document();
        let encoded = document.subject.clone().is_some_and(|subject| {
            let (size, model) = (document.size, document.model.clone());
            self.session.ask(Lane::Now, &Encode { subject, size, model }).is_working()
        });
        let asked = document.generating.asked.as_ref();
        encoded
            || asked.is_some_and(|asked| self.session.ask(Lane::Now, &asked.opens()).is_working())
    }

    /// Takes one of the ways, when it is written.
    fn has_picked(&mut self, number: usize, ctx: &egui::Context) -> bool {
        let wrote = self.desk.guide.wrote.as_ref().map(|(_, first)| first);
        let own = self.trials.as_ref().filter(|trials| trials.asked.first() == wrote);
        let Some(asked) = own.and_then(|trials| trials.asked.get(number)) else { return true };
        let Some(trace) = self.generations.get(asked) else { return false };
        if !trace.state.is_over() {
            // Whoever goes on wants it, though it was paused.
            if let (RunState::Paused, Some(run)) = (&trace.state, trace.run()) {
                self.session.control(run, Control::Resume);
            }
            return false;
        }
        self.pick_trial(number, ctx);
        true
    }

    /// Starts the race, when it is known who can run.
    fn has_raced(&mut self, ctx: &egui::Context) -> bool {
        // It tells what it took, which is another time each time.
        if self.fixed.options.frozen_time {
            return true;
        }
        let shipped = match self.session.ask(Lane::Now, &ShippedGenerators) {
            Reply::Ready(names) => names,
            Reply::Working { .. } => return false,
            Reply::Failed(_) => return true,
        };
        let document = self.history.document();
        let next = document.race.next(&shipped, document.generating.asked.as_deref());
        if next.lanes().next().is_none() {
            self.notices.add(Notice::info("No generator is there to race: choose one for a lane"));
        } else {
            self.race(Racing::Start(Box::new(next)), ctx);
        }
        true
    }

    /// Says it once where a scene needs a model that is not here.
    fn look_for_models(&mut self) {
        let Some((tokenizers, generators)) = &self.desk.guide.needs else { return };
        let models = self.session.ask(Lane::Now, &ShippedModels);
        let painters = self.session.ask(Lane::Now, &ShippedGenerators);
        let (Reply::Ready(models), Reply::Ready(painters)) = (models, painters) else { return };
        let missing = |wanted: &[String], there: &[String]| -> Vec<String> {
            wanted.iter().filter(|name| !there.contains(name)).cloned().collect()
        };
        let mut all = missing(tokenizers, &models);
        all.extend(missing(generators, &painters));
        self.desk.guide.needs = None;
        if !all.is_empty() {
            let summary = format!("The scene needs {}, which is not here yet", all.join(" and "));
            let hint = "Train it by its recipe in the menu Train, or choose another model; all that does not need it \
                        works";
            self.notices.add(Notice::warning(summary, hint));
        }
    }

    /// The next caption comes by itself for who came through a door, until that person goes on alone.
    fn come_by_itself(&mut self, ctx: &egui::Context) {
        let is_guided = self.is_presenting() && !self.is_for_hall();
        let is_still = self.fixed.options.frozen_time || !self.desk.guide.to_do.is_empty();
        let Some(lasts) = self.desk.script.lasts().filter(|_| is_guided && !is_still) else {
            self.desk.guide.since = None;
            return;
        };
        let (at, now) = (self.desk.script.at(), ctx.input(|input| input.time));
        let since = self.desk.guide.since.filter(|(caption, _)| *caption == at);
        let (_, since) = *self.desk.guide.since.insert(since.unwrap_or((at, now)));
        let left = f64::from(lasts) - (now - since);
        if left > 0.0 {
            ctx.request_repaint_after(std::time::Duration::from_secs_f64(left));
        } else {
            self.desk.script.go_on();
            self.follow_script();
            ctx.request_repaint();
        }
    }

    /// Tokens come and go slowly over the image, for who is led.
    fn fade(&mut self, ctx: &egui::Context) {
        let is_still = self.fixed.options.frozen_time || self.theme.reduced_motion;
        let Some(stage) = self.desk.stage.as_mut().filter(|stage| stage.is_guided) else { return };
        let to = stage.looks.as_ref().map(|looks| looks.token_opacity).filter(|_| !is_still);
        let Some((to, from)) = to.map(|to| (to, stage.opacity.unwrap_or(to))) else {
            stage.opacity = None;
            return;
        };
        let most = OPACITY_A_SECOND * ctx.input(|input| input.stable_dt).min(0.1);
        let next = from + (to - from).clamp(-most, most);
        stage.opacity = Some(next);
        if next != to {
            ctx.request_repaint();
        }
    }

    /// Whoever is led goes on alone, with all tools; gives whether somebody was.
    pub(super) fn end_guiding(&mut self) -> bool {
        let is_ended = self.desk.stage.take_if(|stage| stage.is_guided).is_some();
        if is_ended {
            self.note_left();
        }
        is_ended
    }

    /// The scene is not shown any more: whoever comes back to it may have worked on.
    pub(super) fn note_left(&mut self) {
        self.desk.guide.left = Some(self.history.document().clone());
    }

    /// Another document is there: nothing of the scene that was shown is said, done or taken back in that one.
    pub(super) fn end_scene(&mut self) {
        self.end_guiding();
        let made = std::mem::take(&mut self.desk.guide.made);
        self.desk.guide = Guide { has_doors: self.desk.guide.has_doors, made, ..Guide::default() };
        self.desk.script = Script::default();
        if let Some(stage) = &self.desk.stage {
            self.set_stage(stage.was_full);
        }
    }

    /// Shows the doors, in the place of what is presented as well.
    pub(super) fn open_doors(&mut self, ctx: &egui::Context) {
        if !self.end_guiding() && self.is_presenting() {
            self.toggle_presentation(ctx);
        }
        self.desk.guide.has_doors = true;
    }

    /// What is asked for is seen: neither doors nor a scene that leads stand before it.
    pub(super) fn make_way_for(&mut self, command: &Command) {
        if matches!(command, Command::Open(_)) {
            self.end_guiding();
        }
        let is_behind = match command {
            Command::Open(_) | Command::Edit(_) | Command::Generate(_) | Command::Race(_) => true,
            Command::Layout(layout) => *layout != Layout::Doors,
            Command::App(app) => *app == AppCommand::Presentation,
            Command::Look(_) | Command::Job(_) => false,
        };
        if is_behind {
            self.desk.guide.has_doors = false;
        }
    }

    /// Draws the doors.
    pub(super) fn doors_ui(&self, ui: &mut egui::Ui) {
        let chosen = doors::ui(ui, &self.view_ctx(), &self.settings.recent);
        self.commands.borrow_mut().extend(chosen);
    }
}
