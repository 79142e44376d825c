//! What commands do.

use std::path::PathBuf;

use egui::ViewportCommand;
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{ImageRef, ModelRef, Subject};
use smalti_engine::session::Control;
use smalti_engine::tokens::Code;
use smalti_engine::training::TrainOrder;

use super::Studio;
use super::begun::By;
use super::keys::KeysOf;
use crate::document::{
    ALL_POINTS, AppCommand, Command, Edit, Generate, JobCommand, Layout, MOST_ALIKE, Notice, Open,
    Slot, Way,
};
use crate::files::outcome::{Ask, Loss, Outcome, Save};
use crate::files::scenes::Scene;
use crate::shell::dialogs::{Dialog, Then};
use crate::shell::dock;
use crate::shell::script::Script;

impl Studio {
    pub(super) fn apply(&mut self, command: Command, ctx: &egui::Context) {
        self.make_way_for(&command);
        match command {
            Command::Edit(Edit::Undo) => self.undo(),
            Command::Edit(Edit::Redo) => self.redo(),
            Command::Edit(Edit::ReplaceCode { from, to }) => self.replace_code(from, to),
            Command::Edit(Edit::MixScales { from, through }) => self.mix_scales(*from, through),
            Command::Edit(Edit::Paint(stroke)) => self.paint(stroke),
            Command::Edit(Edit::SelectAllCells) => self.select_all_cells(ctx),
            Command::Edit(edit) => self.edit(&edit, ctx),
            Command::Open(closed @ (Open::CloseImage(_) | Open::CloseModel(_))) => {
                self.close(&closed, ctx);
            }
            Command::Open(Open::Path(path)) => self.open_path(path, Slot::A),
            Command::Open(Open::TokensAs(path, reading)) => {
                self.keeping.openings.ask_tokens(path, reading);
            }
            Command::Open(Open::NoRun(slot)) => self.forget_run(slot, ctx),
            Command::Open(Open::ModelAgain(slot, model)) => self
                .keeping
                .background
                .run(move || Some(Outcome::Command(Open::Model(slot, model.now()).into()))),
            Command::Open(Open::GeneratorAgain(generator)) => self
                .keeping
                .background
                .run(move || Some(Outcome::Command(Open::Generator(generator.now()).into()))),
            Command::Open(Open::ImageAgain(path)) => self
                .keeping
                .background
                .run(move || Some(Outcome::Command(Open::Image(ImageRef::file(&path)).into()))),
            Command::Open(Open::Moved(moved)) => self.take_moved(&moved, ctx),
            Command::Layout(layout) => self.apply_layout(&layout, ctx),
            Command::Job(JobCommand::Control(run, control)) => {
                self.steered_by_hand(run);
                self.race_steered_by_hand(run, control);
                self.session.control(run, control);
            }
            Command::Job(JobCommand::AskTrain(recipe)) => self.ask_training(&recipe, None, None),
            Command::Job(JobCommand::AskPoint(recipe, most)) => {
                let on = (self.history.document().source.clone(), most);
                self.ask_training(&recipe, None, Some(on));
            }
            Command::Job(JobCommand::MeasurePoint(model, on)) => {
                self.change(&Open::Keep(model.clone()).into(), ctx);
                self.measure_new(model, on);
            }
            Command::Job(JobCommand::Train(recipe, changes)) => {
                self.train(&recipe, *changes);
            }
            Command::Job(JobCommand::Resume(run)) => self.resume(run),
            Command::Job(JobCommand::Unlist(folder)) => self.unlist(&folder),
            Command::Job(JobCommand::ListAll) => self.settings.unlisted.clear(),
            Command::Job(JobCommand::SeenLeft(slot)) => self.trainings.seen_left(slot),
            Command::Job(JobCommand::See(run)) => self.show_run(run),
            Command::Job(JobCommand::GoOn(slot)) => self.go_on_training(slot),
            Command::Job(JobCommand::Turn(run, knob, value)) => {
                self.session.order(run, TrainOrder::Turn(knob, value));
            }
            Command::Job(JobCommand::GoTo(run, step)) => {
                // It waits there: a step would forget what came after.
                self.session.control(run, Control::Pause);
                self.session.order(run, TrainOrder::GoTo(step));
            }
            Command::Job(JobCommand::Branch(slot, step)) => self.branch_training(slot, step),
            Command::Generate(generate) => self.generate(generate, ctx),
            Command::Race(race) => self.race(race, ctx),
            Command::Job(JobCommand::Measure(plans)) => {
                self.measure(plans, By::Person);
            }
            Command::Job(JobCommand::Probe(models)) => self.probe(models),
            Command::Job(JobCommand::ShowResults(path, stamp)) => self.show_results(path, stamp),
            Command::Job(JobCommand::UseLpips(files)) => self.use_lpips(files),
            Command::Look(look) => self.look(look, ctx),
            Command::App(app) => self.apply_app(app, ctx),
            other => self.change(&other, ctx),
        }
    }

    pub(super) fn change(&mut self, command: &Command, ctx: &egui::Context) {
        let next = self.history.document().after(command);
        let is_down = ctx.input(|input| input.pointer.any_down());
        let interacting = is_down || self.desk.gesture.goes_on;
        self.history.change(next, interacting);
    }

    fn apply_layout(&mut self, layout: &Layout, ctx: &egui::Context) {
        match layout {
            Layout::Show(view) => {
                self.show_view(*view);
                // Nobody is interrupted who types.
                self.desk.keyboard.focus = (!self.desk.keyboard.was_typing).then_some(*view);
            }
            Layout::ShowPicture => self.show_picture(),
            // What is presented has panels of its own; those of work would change unseen.
            Layout::Another(_) | Layout::Close(_) if self.is_presenting() => {
                let hint = "Leave the presentation first (Esc)";
                self.notices.add(Notice::warning("Panels are those of the scene here", hint));
            }
            Layout::Another(view) => {
                if dock::add_view(&mut self.desk.arrangement, *view) {
                    self.desk.folded.show(*view);
                } else {
                    let hint = "Close one of its panels first";
                    let summary = format!("There are {MOST_ALIKE} panels of this view already");
                    self.notices.add(Notice::warning(summary, hint));
                }
            }
            Layout::Close(panel) => dock::close_panel(&mut self.desk.arrangement, *panel),
            Layout::Scene(name) => self.start_named_scene(name, false),
            Layout::Door(name) => self.start_named_scene(name, true),
            Layout::Doors => self.open_doors(ctx),
            Layout::Again => self.start_again(),
        }
    }

    /// Whether the image in the window comes from elsewhere than the scene's.
    pub(super) fn shows_other_than(&self, scene: &Scene) -> bool {
        match &self.history.document().subject {
            Some(Subject::Image(ImageRef::InSource { source, .. })) => {
                scene.loads.source.as_ref() != Some(source)
            }
            other => other.is_some(),
        }
    }

    /// What is where, and what is loaded.
    pub(super) fn open_scene(&mut self, scene: &Scene) {
        let left = self.leave_scene((scene.id.clone(), scene.title.clone()));
        self.desk.arrangement = scene.layout.arrange();
        self.desk.folded.forget();
        self.desk.script = Script::new(scene);
        let loads = &scene.loads;
        let mut next = self.history.document().clone();
        if let Some(source) = &loads.source {
            next = next.after(&Open::Source(source.clone()).into());
        }
        if let Some(index) = loads.image {
            let image = ImageRef::InSource { source: next.source.clone(), index };
            next = next.after(&Open::Image(image).into());
        }
        if let Some(side) = loads.side {
            next = next.after(&Open::Size(WorkingSize::square(side, 1)).into());
        }
        let models = [(Slot::A, &loads.model), (Slot::B, &loads.model_b)];
        for (slot, model) in models {
            if let Some(model) = model {
                let model = ModelRef::Shipped(model.as_str().into());
                next = next.after(&Open::Model(slot, model).into());
            }
        }
        if loads.model.is_some() && loads.model_b.is_none() {
            for slot in Slot::OTHERS {
                next = next.after(&Open::NoModel(slot).into());
            }
        }
        if let Some(looks) = &loads.looks {
            next.looks = looks.clone();
        }
        if let Some(number) = loads.code {
            next.selection.code = Some(Code::first(number));
        }
        next = Self::anew_for_scene(next, scene);
        if let Some(generator) = &scene.generates {
            let before = next.clone();
            next = self.generating_for_scene(next, generator);
            self.note_made(&before, &next);
        }
        if scene.acts() {
            self.leave_trials();
        }
        self.history.change(next, false);
        self.begin_guiding(scene);
        if let Some(stage) = &self.desk.stage {
            self.set_stage(stage.was_full);
        }
        self.train_for_scene(&scene.trains);
        self.measure_for_scene(&scene.measures);
        self.end_generations_of_before();
        self.say_left(&left);
    }

    fn apply_app(&mut self, command: AppCommand, ctx: &egui::Context) {
        match command {
            AppCommand::Theme(theme) => self.set_theme(theme, ctx),
            AppCommand::TextScale(scale) => {
                let range = crate::settings::Settings::TEXT_SCALES;
                self.settings.text_scale = scale.clamp(*range.start(), *range.end());
                self.wear(ctx);
            }
            AppCommand::ReducedMotion(reduced) => {
                self.settings.reduced_motion = reduced;
                self.wear(ctx);
            }
            AppCommand::Presentation => self.toggle_presentation(ctx),
            AppCommand::Black => self.toggle_black(),
            AppCommand::Fullscreen => {
                let is_full = ctx.input(|input| input.viewport().fullscreen.unwrap_or(false));
                ctx.send_viewport_cmd(ViewportCommand::Fullscreen(!is_full));
            }
            AppCommand::Zoom(to) => self.desk.zoom = Some(to),
            AppCommand::Notify(notice) => self.notices.add(notice),
            AppCommand::Timings => self.desk.shows_timings = !self.desk.shows_timings,
            AppCommand::Dismiss => self.notices.dismiss(),
            AppCommand::Offered(name) => self.offers.pick(name, Way::Press),
            AppCommand::PictureMenu => self.offers.ask_menu(),
            AppCommand::ForgetRecent => self.settings.recent.clear(),
            AppCommand::Palette if self.desk.palette.is_some() => self.desk.palette = None,
            AppCommand::Palette => self.open_palette(ctx),
            AppCommand::Keys => self.toggle_dialog(Dialog::Keys),
            AppCommand::About => self.toggle_dialog(Dialog::About),
            AppCommand::Quit => ctx.send_viewport_cmd(ViewportCommand::Close),
            other => self.apply_files(other, ctx),
        }
    }

    fn apply_files(&mut self, command: AppCommand, ctx: &egui::Context) {
        match command {
            AppCommand::CopyImage(picture) => {
                let size = [picture.width() as usize, picture.height() as usize];
                ctx.copy_image(egui::ColorImage::from_rgb(size, picture.rgb()));
                self.notices.add(Notice::info("Picture copied"));
            }
            AppCommand::CopyText(text) => ctx.copy_text(text),
            AppCommand::PasteTokens(region) => self.paste_tokens(region),
            AppCommand::Paste => {
                self.desk.pastes.ask();
                ctx.send_viewport_cmd(ViewportCommand::RequestPaste);
            }
            AppCommand::AskFile => self.keeping.background.ask(Ask::File),
            AppCommand::AskFolder => self.keeping.background.ask(Ask::Folder),
            AppCommand::AskTokenizer(slot) => self.keeping.background.ask(Ask::Tokenizer(slot)),
            AppCommand::AskLpips => self.keeping.background.ask(Ask::Lpips),
            AppCommand::AskPlace(lost, all) => self.keeping.background.ask(Ask::Place(lost, all)),
            AppCommand::ExportPicture(file) => self.export_picture(file),
            AppCommand::ExportTable(file) => self.export_table(file),
            AppCommand::Export(name, how) => self.offers.pick(name, Way::Take(how)),
            AppCommand::ExportWindow(panel, how) => self.export_window(panel, how, ctx),
            AppCommand::SaveTokens(format) => {
                let format = format.unwrap_or_else(|| self.tokens_format());
                let name = self.tokens_name(format);
                let document = Box::new(self.history.document().clone());
                let what = Save::Tokens(document, format);
                self.keeping.background.ask(Ask::Save { what, name });
            }
            AppCommand::Save => {
                self.desk.after_saving = None;
                self.save();
            }
            AppCommand::SaveAs => {
                self.desk.after_saving = None;
                self.ask_where_to_save();
            }
            AppCommand::New => self.leave_for(Then::New, ctx),
            _ => {}
        }
    }

    /// The key that opened it closes it again.
    fn toggle_dialog(&mut self, dialog: Dialog) {
        if self.is_asking() {
            return;
        }
        let is_open = self.desk.dialog.as_ref() == Some(&dialog);
        self.desk.dialog = (!is_open).then_some(dialog);
    }

    /// Esc leaves, in this order: presentation, the doors, a paste, variations that are shown, points that are set apart,
    /// what is selected, toasts. In a field, a menu or anything that floats it leaves that alone.
    pub(super) fn leave(&mut self, ctx: &egui::Context) {
        if self.desk.keyboard.keys_of != KeysOf::Window || self.desk.keyboard.was_typing {
            return;
        }
        if !ctx.input(|input| input.key_pressed(egui::Key::Escape)) {
            return;
        }
        if self.end_guiding() {
            ctx.request_repaint();
            return;
        }
        if self.is_presenting() {
            self.send(AppCommand::Presentation);
            return;
        }
        if self.desk.guide.has_doors {
            self.desk.guide.has_doors = false;
            ctx.request_repaint();
            return;
        }
        if self.pasting.take().is_some() {
            return;
        }
        if self.sees_trials() {
            self.send(Generate::Leave);
            return;
        }
        if self.offers.all().iter().any(|offer| offer.name == ALL_POINTS) {
            self.send(AppCommand::Offered(ALL_POINTS.to_owned()));
            return;
        }
        let picked = &self.history.document().selection;
        if picked.cells.is_empty() && picked.code.is_none() {
            self.notices.dismiss();
        } else {
            self.send(Edit::Deselect);
        }
    }

    pub(super) fn background_commands(&mut self, ctx: &egui::Context) -> Vec<Command> {
        let mut commands = Vec::new();
        for (ask, path) in self.keeping.background.chosen() {
            self.chosen(ask, path, true);
        }
        // First: what came of what is saved by now is among what is fetched then.
        let is_saving = self.keeping.background.is_saving_alongside();
        let outcomes = self.keeping.background.outcomes();
        self.quit_when_sheet_is_saved(&outcomes, is_saving, ctx);
        for outcome in outcomes {
            self.came_of(outcome, &mut commands, ctx);
        }
        commands
    }

    fn came_of(&mut self, outcome: Outcome, commands: &mut Vec<Command>, ctx: &egui::Context) {
        match outcome {
            Outcome::Command(command) => commands.push(command),
            Outcome::Opened(opened) => {
                self.keeping.openings.end(&opened);
                if opened.is_usable() {
                    self.settings.remember(&opened.path);
                }
                for outcome in opened.outcomes {
                    self.came_of(outcome, commands, ctx);
                }
            }
            Outcome::Unclear(unclear) => {
                let (unclear, text) = (*unclear, String::new());
                self.ask(Dialog::Tokens { unclear, array: 0, text });
            }
            Outcome::Listed(listing) => {
                if let Some(palette) = &mut self.desk.palette {
                    palette.take(listing);
                }
            }
            Outcome::Screen(panel, how, image) => self.take_screen((panel, how), image, ctx),
            Outcome::Scene(scene) if self.fixed.options.frozen_time => self.open_scene(&scene),
            Outcome::Scene(scene) => {
                self.desk.guide.has_doors = false;
                self.start_scene(&scene, false);
            }
            Outcome::Document(None, saved) => self.recover(*saved),
            Outcome::Document(Some(file), saved) => self.leave_for(Then::Open(file, saved), ctx),
            Outcome::Form(number, form) => commands.extend(self.form_is_read(number, form)),
            Outcome::Recipe(number, training) => commands.extend(self.prepared(number, training)),
            Outcome::Places(places) => {
                self.found_places(places, ctx);
                self.quit_when_edited(ctx);
            }
            Outcome::Scales(scales) => self.mixed_scales(*scales, ctx),
            Outcome::Painted(painted) => {
                self.painted(*painted, ctx);
                self.quit_when_edited(ctx);
            }
            Outcome::Saved(number, written) => self.written(number, *written, ctx),
            Outcome::Chosen(ask, path) => commands.extend(self.use_path(ask, path)),
            Outcome::Taken(ask, taken) if taken.loss == Loss::Changes => {
                self.not_written_over(ask, *taken);
            }
            Outcome::Taken(ask, taken) => self.ask(Dialog::Replace { ask, taken: *taken }),
            Outcome::NotSaved(number, problem) => self.not_written(number, problem),
            Outcome::Refused(ask, problem) => {
                if let Some(number) = ask.document() {
                    self.leave_no_more(number);
                }
                // What is looked for can be pointed at again.
                let lost = if let Ask::Place(lost, all) = ask {
                    Some(Box::new((lost, all)))
                } else {
                    None
                };
                commands.push(Notice { lost, ..Notice::from(*problem) }.into());
            }
            Outcome::NotChosen(ask) => {
                if let Some(number) = ask.document() {
                    self.leave_no_more(number);
                }
            }
            Outcome::NoDialog(Ask::TrainingFile | Ask::TrainingFolder | Ask::RunFolder) => {
                self.cannot_browse();
            }
            Outcome::NoDialog(ask) => {
                let text = match &ask {
                    Ask::Save { name, .. } => name.clone(),
                    Ask::Place(lost, _) => lost.path.display().to_string(),
                    _ => String::new(),
                };
                self.ask(Dialog::Path { ask, text, problem: None });
            }
            Outcome::Mistyped(ask, path, problem) => {
                // It stands in the dialog; the Log has it as well.
                let (problem, text) = (*problem, path.display().to_string());
                self.notices.keep(problem.clone().into());
                self.ask(Dialog::Path { ask, text, problem: Some(problem) });
            }
        }
    }

    pub(super) fn use_path(&mut self, ask: Ask, path: PathBuf) -> Vec<Command> {
        match ask {
            Ask::File | Ask::Folder => return vec![Open::Path(path).into()],
            Ask::Tokenizer(slot) => self.open_path(path, slot),
            Ask::Lpips => self.read_lpips(path),
            ask @ (Ask::TrainingFile | Ask::TrainingFolder | Ask::RunFolder) => {
                self.browsed(&ask, &path);
            }
            Ask::Save { what: Save::Document(number, saved), .. } => {
                // What is open may be another one by now; this one was asked about.
                let is_here = number == self.history.number();
                let saved = if is_here { self.to_save() } else { *saved };
                self.write_to(number, path, saved);
            }
            Ask::Save { what: Save::Tokens(document, _), .. } => self.save_tokens(path, *document),
            Ask::Save { what: Save::Picture(file), .. } => self.write_picture(path, *file),
            Ask::Save { what: Save::Table(file), .. } => self.write_table(path, *file),
            Ask::Place(lost, all) => self.take_place((lost, all), path),
        }
        Vec::new()
    }
}
