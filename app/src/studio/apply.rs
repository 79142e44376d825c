//! What commands do.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use egui::ViewportCommand;
use smalti_engine::answers::{Encode, ImageRef, ModelInfo, ModelRef, Subject};
use smalti_engine::images::{WorkingSize, encode};
use smalti_engine::session::Lane;
use smalti_engine::token_files::{self, Maker};
use smalti_engine::tokens::{Cell, Code, Tokens};

use super::start::SETTINGS;
use super::{AUTOSAVE_EVERY, Studio};
use crate::document::{
    AppCommand, Command, Document, Edit, JobCommand, Layout, Notice, Open, Panel, Slot, WorkOn,
};
use crate::files::disk::{self, write_whole};
use crate::files::outcome::{Ask, Outcome, Save, notice};
use crate::files::saved::{self, Saved};
use crate::files::scenes::Scene;
use crate::look::theme::{PRESENTATION_SCALE, Theme};
use crate::look::words::name;
use crate::shell::dialogs::{Answer, Dialog};
use crate::shell::dock;
use crate::shell::script::Script;

impl Studio {
    pub(super) fn apply(&mut self, command: Command, ctx: &egui::Context) {
        match command {
            Command::Edit(Edit::Undo) => self.history.undo(),
            Command::Edit(Edit::Redo) => self.history.redo(),
            Command::Edit(Edit::ReplaceCode { from, to }) => self.replace_code(from, to, ctx),
            Command::Edit(Edit::ClearEdits) => self.clear_edits(ctx),
            Command::Open(Open::Path(path)) => self.open_path(path, Slot::A),
            Command::Layout(layout) => self.apply_layout(&layout),
            Command::Job(JobCommand::Control(run, control)) => self.session.control(run, control),
            Command::Job(JobCommand::Train(recipe)) => self.train(&recipe),
            Command::App(app) => self.apply_app(app, ctx),
            other => self.change(&other, ctx),
        }
    }

    fn change(&mut self, command: &Command, ctx: &egui::Context) {
        let next = self.history.document().after(command);
        let interacting = ctx.input(|input| input.pointer.any_down());
        self.history.change(next, interacting);
    }

    fn apply_layout(&mut self, layout: &Layout) {
        match layout {
            Layout::Show(view) => dock::show_view(&mut self.desk.arrangement, *view),
            Layout::Another(view) => dock::add_view(&mut self.desk.arrangement, *view),
            Layout::Close(panel) => dock::close_panel(&mut self.desk.arrangement, *panel),
            Layout::Scene(name) => {
                if let Some(mut scene) = Scene::shipped(name) {
                    // Whoever looks at a picture of their own wants to see it there, not the sample.
                    if self.shows_other_than(&scene) {
                        (scene.loads.source, scene.loads.image) = (None, None);
                    }
                    self.open_scene(&scene);
                } else {
                    let hint = "Choose one of the menu Scenes";
                    self.notices.add(Notice::error(format!("There is no scene {name:?}"), hint));
                }
            }
        }
    }

    /// Whether the image in the window comes from elsewhere than the scene's.
    fn shows_other_than(&self, scene: &Scene) -> bool {
        match &self.history.document().subject {
            Some(Subject::Image(ImageRef::InSource { source, .. })) => {
                scene.loads.source.as_ref() != Some(source)
            }
            other => other.is_some(),
        }
    }

    /// What is where, and what is loaded.
    pub(super) fn open_scene(&mut self, scene: &Scene) {
        self.desk.arrangement = scene.layout.arrange();
        self.desk.script = Script::new(scene.captions.clone());
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
        self.history.change(next, false);
    }

    fn apply_app(&mut self, command: AppCommand, ctx: &egui::Context) {
        match command {
            AppCommand::Theme(theme) => {
                self.settings.theme = theme;
                self.wear(ctx);
            }
            AppCommand::TextScale(scale) => {
                let range = crate::settings::Settings::TEXT_SCALES;
                self.settings.text_scale = scale.clamp(*range.start(), *range.end());
                self.wear(ctx);
            }
            AppCommand::ReducedMotion(reduced) => {
                self.settings.reduced_motion = reduced;
                self.wear(ctx);
            }
            AppCommand::Presentation => {
                self.desk.is_presenting = !self.desk.is_presenting;
                self.wear(ctx);
            }
            AppCommand::Fullscreen => {
                let is_full = ctx.input(|input| input.viewport().fullscreen.unwrap_or(false));
                ctx.send_viewport_cmd(ViewportCommand::Fullscreen(!is_full));
            }
            AppCommand::Notify(notice) => self.notices.add(notice),
            AppCommand::ForgetRecent => self.settings.recent.clear(),
            AppCommand::Palette if self.desk.palette.is_some() => self.desk.palette = None,
            AppCommand::Palette => self.open_palette(ctx, ""),
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
            AppCommand::Paste => ctx.send_viewport_cmd(ViewportCommand::RequestPaste),
            AppCommand::AskFile => self.keeping.background.ask(Ask::File),
            AppCommand::AskFolder => self.keeping.background.ask(Ask::Folder),
            AppCommand::AskTokenizer(slot) => self.keeping.background.ask(Ask::Tokenizer(slot)),
            AppCommand::ExportPng { name, picture } => {
                let name = format!("{name}.png");
                self.keeping.background.ask(Ask::Save { what: Save::Picture(picture), name });
            }
            AppCommand::SaveTokens => {
                let name = "tokens.npy".to_owned();
                self.keeping.background.ask(Ask::Save { what: Save::Tokens, name });
            }
            AppCommand::Save => {
                self.desk.quits_after_saving = false;
                self.save();
            }
            AppCommand::SaveAs => {
                self.desk.quits_after_saving = false;
                self.ask_where_to_save();
            }
            AppCommand::New => {
                self.keeping.file = None;
                let looks = self.history.document().looks.clone();
                let document = Document { looks, ..Document::default() };
                // The saved one is left behind: what it had is not missing from this one.
                self.keeping.saved = document.clone();
                self.history.change(document, false);
            }
            _ => {}
        }
    }

    /// The key that opened it closes it again.
    fn toggle_dialog(&mut self, dialog: Dialog) {
        let is_open = self.desk.dialog.as_ref() == Some(&dialog);
        self.desk.dialog = (!is_open).then_some(dialog);
    }

    /// Puts theme and sizes on.
    fn wear(&mut self, ctx: &egui::Context) {
        let larger = if self.desk.is_presenting { PRESENTATION_SCALE } else { 1.0 };
        let settings = &self.settings;
        let scale = settings.text_scale * larger;
        self.theme = Theme::new(settings.theme, scale, settings.reduced_motion);
        self.theme.apply(ctx);
    }

    /// Esc leaves, in this order: presentation, what is picked, toasts.
    pub(super) fn leave(&mut self, ctx: &egui::Context) {
        let is_floating = self.desk.palette.is_some() || self.desk.dialog.is_some();
        if is_floating || egui::Popup::is_any_open(ctx) || ctx.text_edit_focused() {
            return;
        }
        if !ctx.input(|input| input.key_pressed(egui::Key::Escape)) {
            return;
        }
        if self.desk.is_presenting {
            self.send(AppCommand::Presentation);
            return;
        }
        let picked = &self.history.document().selection;
        if picked.cells.is_empty() && picked.code.is_none() {
            self.notices.dismiss();
        } else {
            self.send(Edit::SelectCells(Arc::default()));
            self.send(Edit::SelectCode(None));
        }
    }

    /// Gives all cells back that are not locked.
    fn clear_edits(&mut self, ctx: &egui::Context) {
        let left = self.history.document().locked_edits();
        self.change(&Edit::ClearEdits.into(), ctx);
        if left > 0 {
            self.notices.add(Notice::info(format!("Cells were given back{}", stay(left))));
        }
    }

    /// The tokens as they are now, and the facts of who made them; a notice if they are not there.
    fn tokens_now(&mut self) -> Option<(Tokens, Maker)> {
        let document = self.history.document();
        let on = document.work_on()?;
        let WorkOn { subject, size, model } = on;
        let info = ModelInfo { model: model.clone() };
        let encoded = self.session.ask(Lane::Now, &Encode { subject, size, model });
        let tokens = encoded.ready().and_then(|encoded| {
            let tokens = document.tokens(encoded);
            match document.without(&tokens) {
                None => Some(tokens),
                Some(question) => {
                    let without = self.session.ask(Lane::Now, &question);
                    without.ready().map(|tokens| Tokens::clone(tokens))
                }
            }
        });
        // Given tokens that this tokenizer cannot decode are not its own.
        let fits = encoded.ready().is_some_and(|encoded| encoded.unfit.is_none());
        let facts = self.session.ask(Lane::Now, &info);
        let maker = facts.ready().filter(|_| fits).map(|facts| Maker {
            model: Some(facts.name.clone()),
            token_hash: Some(facts.token_hash.clone()),
        });
        Some((tokens?, maker.unwrap_or_default()))
    }

    /// Every place of a code becomes forced to another.
    fn replace_code(&mut self, from: Code, to: u32, ctx: &egui::Context) {
        let Some((tokens, _)) = self.tokens_now() else {
            let hint = "Try again in a moment";
            self.notices.add(Notice::warning("The tokens are not there yet", hint));
            return;
        };
        let is_it = |cell: &Cell, code: Option<u32>| {
            let book = tokens.part(cell.part.into()).map(smalti_engine::tokens::Part::book);
            code == Some(from.number) && book == Some(from.book)
        };
        let places = tokens.cells().filter(|(cell, code)| is_it(cell, *code));
        let all: BTreeSet<Cell> = places.map(|(cell, _)| cell).collect();
        let locks = Arc::clone(&self.history.document().locks);
        let cells: BTreeSet<Cell> = all.difference(&locks).copied().collect();
        let (count, left) = (cells.len(), all.len() - cells.len());
        self.change(&Edit::ForceCells { cells: Arc::new(cells), code: to }.into(), ctx);
        let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
        let locked = stay(left);
        self.notices.add(Notice::info(format!("Code {from} replaced by {to}, {times}{locked}")));
    }

    pub(super) fn background_commands(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        for (ask, path) in self.keeping.background.chosen() {
            commands.extend(self.path_chosen(ask, path));
        }
        for outcome in self.keeping.background.outcomes() {
            self.came_of(outcome, &mut commands);
        }
        commands
    }

    fn came_of(&mut self, outcome: Outcome, commands: &mut Vec<Command>) {
        match outcome {
            Outcome::Command(command) => commands.push(command),
            Outcome::Opened(opened) => {
                self.keeping.openings.end(&opened);
                if opened.is_usable() {
                    self.settings.remember(&opened.path);
                }
                for outcome in opened.outcomes {
                    self.came_of(outcome, commands);
                }
            }
            Outcome::Scene(scene) => self.open_scene(&scene),
            Outcome::Document(path, saved) => self.open_document(path, *saved),
            Outcome::Recipe(training) => commands.extend(self.start_training(*training)),
            Outcome::Saved(path, document) => {
                self.notices.add(Notice::info(format!("Saved {}", name(&path))));
                self.settings.remember(&path);
                self.keeping.file = Some(path);
                self.keeping.saved = *document;
                if std::mem::take(&mut self.desk.quits_after_saving) {
                    commands.push(AppCommand::Quit.into());
                }
            }
            Outcome::NoDialog(ask) => {
                let text = match &ask {
                    Ask::Save { name, .. } => name.clone(),
                    Ask::File | Ask::Folder | Ask::Tokenizer(_) => String::new(),
                };
                self.desk.dialog = Some(Dialog::Path { ask, text });
            }
        }
    }

    fn open_document(&mut self, path: Option<PathBuf>, saved: Saved) {
        if let Some(layout) = saved.layout.filter(|layout| layout.check().is_ok()) {
            self.desk.arrangement = layout.arrange();
        }
        let is_autosave = path.is_none();
        if is_autosave {
            self.history.change(saved.document, false);
            let hint = "Undo brings the usual start back";
            let notice = Notice::warning("Smalti ended unexpectedly; your work is back", hint);
            self.notices.add(notice);
        } else {
            self.keeping.saved = saved.document.clone();
            self.keeping.file = path;
            // Undo brings back what was there before.
            self.history.change(saved.document, false);
        }
    }

    fn path_chosen(&mut self, ask: Ask, path: PathBuf) -> Vec<Command> {
        match ask {
            Ask::File | Ask::Folder => return vec![Open::Path(path).into()],
            Ask::Tokenizer(slot) => self.open_path(path, slot),
            Ask::Save { what: Save::Document, .. } => self.save_document(path),
            Ask::Save { what: Save::Tokens, .. } => self.save_tokens(path),
            Ask::Save { what: Save::Picture(picture), .. } => {
                self.keeping.background.attempt(move || {
                    write_whole(&path, &encode::png_bytes(&picture)?)?;
                    Ok(notice(Notice::info(format!("Saved {}", name(&path)))))
                });
            }
        }
        Vec::new()
    }

    fn save(&self) {
        match self.keeping.file.clone() {
            Some(path) => self.save_document(path),
            None => self.ask_where_to_save(),
        }
    }

    fn ask_where_to_save(&self) {
        let stem = match self.history.document().image() {
            Some(ImageRef::File { path, .. }) => {
                path.file_stem().map_or("document".into(), |stem| stem.to_string_lossy())
            }
            _ => "document".into(),
        };
        let name = format!("{stem}.smalti");
        self.keeping.background.ask(Ask::Save { what: Save::Document, name });
    }

    fn to_save(&self) -> Saved {
        let layout = Panel::of(&self.desk.arrangement);
        Saved { document: self.history.document().clone(), layout }
    }

    fn save_document(&self, path: PathBuf) {
        let saved = self.to_save();
        self.keeping.background.attempt(move || {
            write_whole(&path, &saved::to_bytes(&saved)?)?;
            Ok(Outcome::Saved(path, Box::new(saved.document)))
        });
    }

    fn save_tokens(&mut self, path: PathBuf) {
        let Some((tokens, maker)) = self.tokens_now() else {
            let hint = "Open an image and wait until its tokens are shown";
            self.notices.add(Notice::error("There are no tokens to save", hint));
            return;
        };
        self.keeping.background.attempt(move || {
            let is_array = path.extension().is_some_and(|suffix| suffix == "npy");
            let bytes = if is_array {
                token_files::npy_bytes(&tokens)?
            } else {
                token_files::safetensors_bytes(std::slice::from_ref(&tokens), &maker)?
            };
            write_whole(&path, &bytes)?;
            Ok(notice(Notice::info(format!("Saved {}", name(&path)))))
        });
    }

    /// Settings and autosave, when they changed.
    pub(super) fn keep(&mut self, ctx: &egui::Context) {
        let Some(folder) = self.fixed.options.settings_dir.clone() else { return };
        if self.settings != self.keeping.settings {
            self.keeping.settings = self.settings.clone();
            let (path, text) = (folder.join(SETTINGS), self.settings.to_text());
            self.keeping.background.run(move || {
                let error = write_whole(&path, text.as_bytes()).err()?;
                Some(notice(error.problem().into()))
            });
        }
        let (last, when) = &self.keeping.autosaved;
        if last == self.history.document() {
            return;
        }
        let since = when.map_or(AUTOSAVE_EVERY, |when| when.elapsed());
        if since < AUTOSAVE_EVERY {
            ctx.request_repaint_after(AUTOSAVE_EVERY.saturating_sub(since));
            return;
        }
        self.autosave();
    }

    /// Keeps the work for the case of an unexpected end.
    pub(super) fn autosave(&mut self) {
        let Some(autosave) = &self.keeping.autosave else { return };
        self.keeping.autosaved = (self.history.document().clone(), Some(Instant::now()));
        let (path, saved) = (autosave.path().to_owned(), self.to_save());
        self.keeping.background.run(move || {
            let written = saved::to_bytes(&saved).and_then(|bytes| write_whole(&path, &bytes));
            Some(notice(written.err()?.problem().into()))
        });
    }

    /// The end was asked for: nothing is left to be restored.
    pub(super) fn forget_autosave(&self) {
        if let Some(autosave) = &self.keeping.autosave {
            let path = autosave.path().to_owned();
            self.keeping.background.run(move || {
                disk::remove(&path);
                None
            });
        }
    }

    /// Whether tokens were forced, locked or switched off since the document was saved.
    pub(super) fn has_unsaved_work(&self) -> bool {
        let (now, saved) = (self.history.document(), &self.keeping.saved);
        let work = |d: &Document| (d.all_work(), Arc::clone(&d.switched_off));
        work(now) != work(saved)
    }

    pub(super) fn close_requested(&mut self, ctx: &egui::Context) {
        if self.desk.may_lose_work || !self.has_unsaved_work() {
            return;
        }
        ctx.send_viewport_cmd(ViewportCommand::CancelClose);
        self.desk.dialog = Some(Dialog::Quit);
    }

    pub(super) fn answered(&mut self, answer: Answer, ctx: &egui::Context) {
        self.desk.dialog = None;
        match answer {
            Answer::Close => {}
            Answer::SaveAndQuit => {
                self.desk.quits_after_saving = true;
                self.save();
            }
            Answer::Discard => {
                self.desk.may_lose_work = true;
                ctx.send_viewport_cmd(ViewportCommand::Close);
            }
            Answer::Path(ask, path) => {
                let commands = self.path_chosen(ask, path);
                self.commands.borrow_mut().extend(commands);
            }
        }
    }
}

/// What locks kept from being changed, at the end of a sentence.
fn stay(cells: usize) -> String {
    match cells {
        0 => String::new(),
        1 => "; 1 locked cell stays".to_owned(),
        n => format!("; {n} locked cells stay"),
    }
}
