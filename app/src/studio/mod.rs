//! The window: one frame, top to bottom.
//!
//! Events become commands, commands a new document; views ask the engine and draw; then the
//! session is told that the frame is over. Nothing here waits or touches a file.

mod apply;
mod asking;
mod begun;
mod counting;
mod exporting;
mod finding;
mod floating;
mod generating;
mod gesture;
mod guiding;
mod home;
mod keyboard;
mod keys;
mod measuring;
mod mixing;
mod of_scenes;
pub mod offscreen;
mod painting;
mod paste_watch;
mod pasted;
mod presentation;
mod quitting;
mod racing;
mod recovering;
mod regions;
mod resampling;
mod saving;
mod stage;
mod start;
mod strokes;
mod tokens;
mod training;
mod trainings;
mod writing;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use smalti_engine::Problem;
use smalti_engine::device::DeviceChoice;
use smalti_engine::images::Picture;
use smalti_engine::questions::{ShippedGenerators, ShippedModels, ShippedRecipes};
use smalti_engine::session::{Lane, RunId, Session};

use self::begun::{Gesture, Guide, Pending, Quitting, RaceOn};
use self::home::{Home, Writing};
use self::keys::Keyboard;
use self::paste_watch::PasteWatch;
use self::stage::{Shown, Stage};
use self::strokes::Strokes;
use self::trainings::Trainings;
use crate::ctx::{
    Counts, EditedImages, EditedTokens, Generations, Hovered, Live, Offers, Originals, Trials,
    ViewCtx,
};
use crate::document::{
    Arrangement, Command, Document, History, Layout, Needs, Notice, Open, Panel, PanelId, Region,
    Slot, ZoomTo,
};
use crate::files::autosave::Autosave;
use crate::files::background::Background;
use crate::files::opening::Openings;
use crate::logging::Errors;
use crate::look::textures::Textures;
use crate::look::theme::Theme;
use crate::runs::Records;
use crate::settings::{Settings, ThemeChoice};
use crate::shell::actions::{Action, Now};
use crate::shell::dialogs::{Dialog, Then};
use crate::shell::dock::{self, Views};
use crate::shell::folded::{self, Folded};
use crate::shell::menu::Bar;
use crate::shell::notices::Notices;
use crate::shell::palette::Palette;
use crate::shell::script::Script;
use crate::shell::status;
use crate::views;

/// The document is kept this long after a change at the latest.
const AUTOSAVE_EVERY: Duration = Duration::from_secs(3);

/// What is not saved is looked for so often, if nothing was asked for: that costs more the more was edited.
const RENAME_EVERY: Duration = Duration::from_millis(300);

/// How the window is started.
#[derive(Debug, Clone)]
pub struct StudioOptions {
    /// Folder of shipped models, recipes and samples.
    pub assets: PathBuf,
    /// The device of all networks.
    pub device: DeviceChoice,
    /// Threads of the engine; 0 means all cores.
    pub threads: usize,
    /// Folder of settings and autosave; none keeps nothing (tests, pictures).
    pub settings_dir: Option<PathBuf>,
    /// Folder in which each training run of the window gets one of its own; none: beside the settings.
    pub runs_dir: Option<PathBuf>,
    /// Files to open.
    pub files: Vec<PathBuf>,
    /// Scene to start with: the name of a shipped one, or that of the doors.
    pub scene: Option<String>,
    /// The text of a scene's file, instead of `scene`.
    pub scene_text: Option<String>,
    /// Theme instead of the one that was set.
    pub theme: Option<ThemeChoice>,
    /// For pictures that must come out the same each time.
    pub frozen_time: bool,
    /// In presentation from the start, at this caption of the scene, from 0.
    pub caption: Option<usize>,
    /// Set from outside when the program is to end without asking; what is not saved is kept for the
    /// next start.
    pub ending: Arc<AtomicBool>,
    /// Whether the system's dialogs choose files; otherwise their paths are typed (tests, pictures).
    pub has_dialogs: bool,
    /// Whether what is where stays as it is when a document is opened.
    pub keeps_layout: bool,
    /// Errors that are logged.
    pub errors: Option<Rc<Errors>>,
}

impl StudioOptions {
    /// Nothing opened, nothing kept.
    pub fn new(assets: impl Into<PathBuf>) -> Self {
        Self {
            assets: assets.into(),
            device: DeviceChoice::Cpu,
            threads: 0,
            settings_dir: None,
            runs_dir: None,
            files: Vec::new(),
            scene: None,
            scene_text: None,
            theme: None,
            frozen_time: false,
            caption: None,
            ending: Arc::default(),
            has_dialogs: false,
            keeps_layout: false,
            errors: None,
        }
    }
}

/// What the person sees of the document beside the views.
struct Desk {
    /// The window's title as it was set last, and when it was looked at.
    title: String,
    titled: Option<Instant>,
    arrangement: Arrangement,
    /// What is drawn of it where there is no room for all.
    folded: Folded,
    views: Views,
    /// How large the pictures are to be looked at from this frame on.
    zoom: Option<ZoomTo>,
    palette: Option<Palette>,
    dialog: Option<Dialog>,
    keyboard: Keyboard,
    pastes: PasteWatch,
    gesture: Gesture,
    /// Whether the developer's panel is there.
    shows_timings: bool,
    /// Questions that wait until the one that is seen is answered.
    questions: VecDeque<Dialog>,
    /// What a hall sees, in presentation.
    stage: Option<Stage>,
    /// What is seen in this frame, of which document.
    shown: Shown,
    /// Whether the window was fitted to its screen.
    is_fitted: bool,
    /// What is said in presentation.
    script: Script,
    /// Who leads through it.
    guide: Guide,
    quitting: Quitting,
    /// The question about unsaved work was answered with "save": which document is saved, and what comes
    /// then.
    after_saving: Option<(usize, Then)>,
}

/// What is kept outside of the window, and what of it is behind.
struct Keeping {
    background: Background,
    /// Where the work is kept; after `background`, which may still write to it.
    autosave: Option<Autosave>,
    openings: Openings,
    /// Of each of the sitting's documents, by [`History::number`].
    homes: Vec<Home>,
    /// The documents that are being written, by the same numbers.
    writing: BTreeMap<usize, Writing>,
    /// The work of an unexpected end was read, but is not in the window yet: its file must stay.
    unapplied: Arc<AtomicBool>,
    /// The document as it was autosaved last, and when.
    autosaved: (Document, Option<Instant>),
    /// The settings as they were written last.
    settings: Settings,
}

/// What does not change after the start.
struct Fixed {
    options: StudioOptions,
    actions: Vec<Action>,
    threads: usize,
    render_state: Option<eframe::egui_wgpu::RenderState>,
    is_cpu_adapter: bool,
    gpu_errors: std::sync::mpsc::Receiver<String>,
}

/// The window's whole state.
pub struct Studio {
    /// Before the session: what is still being written may wait for an answer of it.
    keeping: Keeping,
    session: Session,
    history: History,
    settings: Settings,
    theme: Theme,
    desk: Desk,
    fixed: Fixed,
    textures: Textures,
    hovered: Hovered,
    edited: EditedTokens,
    originals: Originals,
    offers: Offers,
    wants_focus: Cell<bool>,
    edited_images: EditedImages,
    /// What is counted over a whole set.
    counts: Counts,
    notices: Notices,
    commands: RefCell<Vec<Command>>,
    known_over: Vec<RunId>,
    trainings: Trainings,
    /// Runs of this sitting by their folders.
    live_runs: BTreeMap<PathBuf, RunId>,
    /// The pictures that they reconstruct as they learn.
    probes: BTreeMap<RunId, Arc<[Picture]>>,
    /// What runs told.
    records: Records,
    /// What generations told.
    generations: Generations,
    /// The generation that was asked for, until it begins.
    generation_asked: Option<Pending>,
    /// The race that was asked for.
    racing: Option<RaceOn>,
    /// Cells that are written anew.
    trials: Option<Trials>,
    /// Tokens that are being put somewhere.
    pasting: Option<Arc<Region>>,
    /// Strokes of color that are not in the tokens yet.
    strokes: Strokes,
    /// How many codes are being replaced whose places are not known yet.
    replacing: usize,
    started: Instant,
}

impl std::fmt::Debug for Studio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Studio({:?})", self.history.document())
    }
}

impl Studio {
    /// The document now.
    pub fn document(&self) -> &Document {
        self.history.document()
    }

    /// The engine.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What generations told so far.
    pub fn generations(&self) -> &Generations {
        &self.generations
    }

    /// All notices so far.
    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    /// What is where.
    pub fn layout(&self) -> Option<Panel> {
        Panel::of(&self.desk.arrangement)
    }

    /// The window's title.
    pub fn title(&self) -> &str {
        &self.desk.title
    }

    /// Which theme is worn.
    pub fn theme(&self) -> &Theme {
        &self.theme
    }

    /// Asks for something from outside; applied at the start of the next frame.
    pub fn send(&self, command: impl Into<Command>) {
        self.commands.borrow_mut().push(command.into());
    }

    /// Whether something that is shown is still being opened or worked out: pictures and tests
    /// wait until it is not.
    pub fn is_working(&self) -> bool {
        self.is_doing()
            || self.session.status().open_questions > 0
            || self.keeping.openings.names().next().is_some()
            || self.keeping.background.is_busy()
            || !self.commands.borrow().is_empty()
            || (self.fixed.options.frozen_time && self.is_measuring())
    }

    fn is_ending(&self) -> bool {
        self.fixed.options.ending.load(Ordering::Relaxed)
    }

    /// Events of this frame as commands.
    fn gather(&mut self, ctx: &egui::Context) {
        keys::drop_repeats(ctx);
        self.desk.keyboard.keys_of = self.keys_of(ctx);
        let mut commands = self.pressed(ctx);
        let (dropped, events) = ctx.input(|input| {
            let paths: Vec<PathBuf> =
                input.raw.dropped_files.iter().map(|file| file.path().to_owned()).collect();
            (paths, input.events.clone())
        });
        commands.extend(dropped.into_iter().map(|path| Open::Path(path).into()));
        commands.extend(self.of_clipboard(&events, ctx));
        let mut of_background = self.background_commands(ctx);
        if self.is_presenting() {
            // What was begun before, or by itself, does not take the stage.
            of_background.retain(|it| !matches!(it, Command::Layout(Layout::Show(_))));
        }
        commands.extend(of_background);
        commands.extend(self.news_of_runs());
        while let Ok(error) = self.fixed.gpu_errors.try_recv() {
            let hint = "The picture may be wrong; start again with WGPU_BACKEND=gl";
            commands.push(Notice::error(error, hint).into());
        }
        if let Some(errors) = &self.fixed.options.errors {
            errors.new_ones().for_each(|error| self.notices.keep(Notice::error(error, "")));
        }
        self.commands.borrow_mut().splice(0..0, commands);
    }

    /// Does what was asked for; gives whether something was.
    fn apply_all(&mut self, ctx: &egui::Context) -> bool {
        let commands = self.commands.take();
        let is_told = !commands.is_empty();
        for command in commands {
            self.apply(command, ctx);
        }
        is_told
    }

    /// What views may read.
    fn view_ctx(&self) -> ViewCtx<'_> {
        let Fixed { render_state, is_cpu_adapter, options, .. } = &self.fixed;
        ViewCtx {
            document: self.desk.shown.document.as_ref().unwrap_or_else(|| self.history.document()),
            session: &self.session,
            theme: &self.theme,
            textures: &self.textures,
            hovered: &self.hovered,
            notices: self.notices.list(),
            render_state: render_state.as_ref(),
            is_cpu_adapter: *is_cpu_adapter,
            is_time_frozen: options.frozen_time,
            commands: &self.commands,
            edited: &self.edited,
            originals: &self.originals,
            offers: &self.offers,
            wants_focus: &self.wants_focus,
            edited_images: &self.edited_images,
            zoom: self.desk.zoom,
            live: Live {
                preparing: &self.trainings.preparing,
                left: &self.trainings.left,
                places: &self.trainings.places,
                settings: &self.settings,
                runs: &self.live_runs,
                probes: &self.probes,
                records: &self.records,
                generations: &self.generations,
                raced: self.racing.as_ref().map(|race| &race.raced),
                counts: &self.counts,
                trials: self.trials.as_ref(),
                pasting: self.pasting.as_ref(),
                results: &self.trainings.results,
                lpips: self.trainings.lpips.as_ref(),
                second: if options.frozen_time { 0 } else { self.started.elapsed().as_secs() },
            },
            showing: self.showing(),
        }
    }

    /// Does something with what actions look at.
    fn with_now<T>(&self, then: impl FnOnce(&Now<'_>) -> T) -> T {
        let names = |reply: smalti_engine::session::Reply<Vec<String>>| reply.best().cloned();
        let models = names(self.session.ask(Lane::Now, &ShippedModels));
        let generators = names(self.session.ask(Lane::Now, &ShippedGenerators));
        let recipes = names(self.session.ask(Lane::Now, &ShippedRecipes));
        let tiles = self.desk.arrangement.tiles.tiles();
        let panel = |tile: &egui_tiles::Tile<PanelId>| match tile {
            egui_tiles::Tile::Pane(panel) => Some(*panel),
            egui_tiles::Tile::Container(_) => None,
        };
        let mut panels: Vec<PanelId> = tiles.filter_map(panel).collect();
        panels.sort_unstable();
        then(&Now {
            view: &self.view_ctx(),
            settings: &self.settings,
            history: (self.history.undoes(), self.history.redoes()),
            panels: &panels,
            seen: &dock::seen(self.drawn()),
            is_presenting: self.is_presenting(),
            is_for_hall: self.is_for_hall(),
            shows_timings: self.desk.shows_timings,
            generators: generators.as_deref().map_or(&[], Vec::as_slice),
            models: models.as_deref().map_or(&[], Vec::as_slice),
            recipes: recipes.as_deref().map_or(&[], Vec::as_slice),
        })
    }

    fn shell_ui(&mut self, ui: &mut egui::Ui, frame_ms: Option<f32>) {
        let opening: Vec<String> = self.keeping.openings.names().collect();
        if let Some(stage) = &self.desk.stage {
            if self.desk.script.show(ui, &self.theme, stage.is_guided) {
                self.end_guiding();
                ui.ctx().request_repaint();
            }
        } else {
            let chosen = self.with_now(|now| {
                let Fixed { options, actions, threads, .. } = &self.fixed;
                let device = (options.device, *threads);
                Bar { theme: &self.theme, actions, now, device }.show(ui)
            });
            self.commands.borrow_mut().extend(chosen);
            if self.desk.guide.has_doors {
                self.doors_ui(ui);
                return;
            }
            status::show(ui, &self.view_ctx(), &opening);
        }
        if self.desk.shows_timings {
            status::timings(ui, &self.view_ctx(), frame_ms);
        }
        self.views_ui(ui);
    }

    /// What the views that are seen ask for of an image.
    fn needs(&self) -> Needs {
        let seen = folded::seen(self.drawn()).into_iter();
        seen.map(|view| views::entry(view).needs).max().unwrap_or(Needs::Image)
    }

    /// Why paths could not be opened, oldest first.
    pub fn not_opened(&self) -> &[Problem] {
        self.keeping.openings.problems()
    }

    /// Why a file waits for an answer on how it is read, if one does.
    pub fn asked_about(&self) -> Option<&Problem> {
        let asked = self.desk.dialog.iter().chain(&self.desk.questions);
        asked.into_iter().find_map(|dialog| match dialog {
            Dialog::Tokens { unclear, .. } => Some(&unclear.problem),
            _ => None,
        })
    }

    /// Finds out what is at a path, and opens it.
    fn open_path(&mut self, path: PathBuf, slot: Slot) {
        if !path.as_os_str().is_empty() {
            // A document that names it may be opened from elsewhere.
            let path = std::path::absolute(&path).unwrap_or(path);
            self.keeping.openings.ask(path, slot);
        }
    }

    /// Asks something, after what is being asked.
    fn ask(&mut self, question: Dialog) {
        if self.is_asking() {
            self.desk.questions.push_back(question);
        } else {
            self.desk.dialog = Some(question);
        }
    }

    /// Whether a question waits for its answer, on which depends what comes after it.
    fn is_asking(&self) -> bool {
        !matches!(self.desk.dialog, None | Some(Dialog::Keys | Dialog::About))
    }

    fn go_on_opening(&mut self) {
        // What is opened next belongs to the document that is there after the answer, and when what was
        // left is saved.
        if self.is_asking() || self.desk.after_saving.is_some() {
            return;
        }
        let about = (self.history.document(), self.needs());
        let Keeping { openings, background, .. } = &mut self.keeping;
        openings.go_on(about, || self.session.asker(), background);
    }
}

impl eframe::App for Studio {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        if self.is_ending() {
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        } else if ctx.input(|input| input.viewport().close_requested()) {
            self.close_requested(ctx);
        }
    }

    fn raw_input_hook(&mut self, _ctx: &egui::Context, raw_input: &mut egui::RawInput) {
        let mut events = std::mem::take(&mut self.desk.keyboard.held);
        events.append(&mut raw_input.events);
        self.desk.keyboard.held = keys::hold_back(&mut events);
        raw_input.events = events;
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.fit_to_screen(&ctx);
        self.look_again();
        // What views were told in the last frame is done first: keys act on what is there then.
        let was_told = self.apply_all(&ctx);
        self.go_on_with_gesture(&ctx);
        if was_told {
            self.look_again();
        }
        self.gather(&ctx);
        let is_told = self.apply_all(&ctx) || was_told;
        self.go_on_opening();
        self.go_on_generating();
        self.go_on_rewriting();
        self.go_on_pasting();
        self.go_on_racing();
        self.go_on_guiding(&ctx);
        if !self.desk.gesture.goes_on {
            self.history.finish_interaction();
        }
        self.look_again();
        let held = self.hold_keys(&ctx);
        self.shell_ui(ui, frame.info().cpu_usage.map(|seconds| seconds * 1e3));
        keys::give_back(&ctx, held);
        self.floating_ui(&ctx);
        self.leave(&ctx);
        self.keep(&ctx);
        if is_told || self.desk.titled.is_none_or(|at| at.elapsed() > RENAME_EVERY) {
            self.desk.titled = Some(Instant::now());
            let title = self.title_now();
            if title != self.desk.title {
                ctx.send_viewport_cmd(egui::ViewportCommand::Title(title.clone()));
                self.desk.title = title;
            }
        }
        self.end_offers();
        self.desk.keyboard.was_typing = ctx.text_edit_focused();
        self.go_on_counting();
        self.session.end_frame();
        self.textures.end_frame();
        let is_behind = !self.commands.borrow().is_empty() || !self.desk.keyboard.held.is_empty();
        if self.hovered.end_frame() || is_behind {
            ctx.request_repaint();
        }
    }

    fn on_exit(&mut self) {
        self.write_all_that_waits();
        if self.is_ending() && self.has_unsaved_work() {
            self.autosave();
        } else {
            self.forget_autosave();
        }
    }

    fn clear_color(&self, _visuals: &egui::Visuals) -> [f32; 4] {
        self.theme.colors.background.to_normalized_gamma_f32()
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }
}
