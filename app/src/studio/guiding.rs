//! Who leads through a scene: what its captions do, one after the other, taken back on the way back; its start again;
//! and the doors.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use smalti_engine::questions::{Encode, ShippedGenerators, ShippedModels};
use smalti_engine::session::{Control, Lane, Reply};
use smalti_engine::tokens::Cell;

use super::Studio;
use super::begun::{Guide, Step};
use crate::document::{
    AppCommand, Asked, Command, Document, Edit, Generate, Generating, Layout, Notice, Race, Racing,
    ViewId,
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

    /// The document with which a scene begins that does something: nothing is generated, raced or selected, and nothing
    /// was done to its own picture.
    pub(super) fn anew_for_scene(document: Document, scene: &Scene) -> Document {
        if !scene.acts() {
            return document;
        }
        let mut next = document.after(&Edit::Deselect.into());
        if scene.loads.image.is_some() {
            next = next.after(&Edit::UseStart.into());
        }
        next.generating.moment = None;
        // At work it is there to be started by hand.
        let wanted = scene.deeds().find_map(Deed::wanted);
        next.generating.asked = wanted.map(|wanted| Arc::new(wanted.asked()));
        if scene.deeds().any(|deed| *deed == Deed::StartRace) {
            next.race = Race { chosen: next.race.chosen, ..Race::default() };
        }
        next
    }

    /// A scene is there: it is led through from its first caption on.
    pub(super) fn begin_guiding(&mut self, scene: &Scene) {
        let of = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        let (tokenizers, generators) = scene.models();
        let is_led = std::mem::take(&mut self.desk.guide.leads);
        let has_doors = self.desk.guide.has_doors;
        self.desk.guide = Guide {
            has_doors,
            scene: Some((scene.clone(), self.history.document().clone())),
            number: self.history.number(),
            needs: Some((of(tokenizers), of(generators))),
            ..Guide::default()
        };
        self.end_guiding();
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
        let Some((scene, began)) = self.desk.guide.scene.clone() else { return };
        self.leave_trials();
        for run in self.generations.runs().collect::<Vec<_>>() {
            self.session.control(run, Control::Cancel);
        }
        self.desk.guide.leads = self.desk.stage.as_ref().is_some_and(|stage| stage.is_guided);
        self.open_scene(&scene);
        let mut next = self.history.document().clone();
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
        if let Some(moment) = &next.generating.moment {
            self.generations.forget(&moment.asked);
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
        self.follow_script();
        let place = self.desk.script.place();
        self.take_back_to(place, ctx);
        let due = self.desk.script.due(self.desk.guide.reached, place);
        let steps = due.into_iter().flat_map(|(at, deeds)| {
            let deeds = deeds.iter().map(move |deed| Step::Do(at, deed.clone()));
            std::iter::once(Step::Begin(at)).chain(deeds)
        });
        let steps: Vec<Step> = steps.collect();
        self.desk.guide.to_do.extend(steps);
        self.desk.guide.reached = Some(place);
        while let Some(step) = self.desk.guide.to_do.front().cloned() {
            match step {
                Step::Begin(at) => {
                    let before = self.history.document().clone();
                    self.desk.guide.done.push((at, before));
                }
                Step::Do(_, deed) if !self.is_done_with(&deed, ctx) => break,
                Step::Do(..) => {}
            }
            self.desk.guide.to_do.pop_front();
            self.desk.guide.has_begun = false;
        }
        self.come_by_itself(ctx);
        self.fade(ctx);
    }

    /// What was done at places behind this one is taken back, as one step of undo.
    fn take_back_to(&mut self, place: At, ctx: &egui::Context) {
        let guide = &mut self.desk.guide;
        if guide.reached.is_none_or(|reached| reached <= place) {
            return;
        }
        guide.reached = Some(place);
        if guide.to_do.front().is_some_and(|step| step.at() > place) {
            guide.has_begun = false;
        }
        guide.to_do.retain(|step| step.at() <= place);
        // Ways to pick from are shown again: what the caption does is done once more.
        let is_pick = |deed: &Deed| matches!(deed, Deed::Resample(2..));
        let caption = self.desk.script.caption();
        let has_ways = caption.is_some_and(|it| it.does.iter().chain(&it.reveals).any(is_pick));
        let first = At { caption: place.caption, is_told: false };
        if has_ways {
            guide.to_do.clear();
            let before = place.caption.checked_sub(1);
            guide.reached = before.map(|caption| At { caption, is_told: true });
        }
        let mut before = None;
        let is_behind = |at: At| at > place || (has_ways && at >= first);
        while let Some((_, document)) = guide.done.pop_if(|(at, _)| is_behind(*at)) {
            before = Some(document);
        }
        if let Some(before) = before {
            self.leave_trials();
            self.history.change(before, false);
            ctx.request_repaint();
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
        self.rewrite(Box::new(asked), count, ctx);
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
        let asked = self.trials.as_ref().and_then(|trials| trials.asked.get(number));
        let Some(asked) = asked else { return true };
        match self.generations.get(asked).map(|trace| trace.state.is_over()) {
            Some(true) => self.pick_trial(number, ctx),
            _ => return false,
        }
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
        self.desk.stage.take_if(|stage| stage.is_guided).is_some()
    }

    /// Another document is there: nothing of the scene that was shown is said, done or taken back in that one.
    pub(super) fn end_scene(&mut self) {
        self.end_guiding();
        self.desk.guide = Guide { has_doors: self.desk.guide.has_doors, ..Guide::default() };
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
