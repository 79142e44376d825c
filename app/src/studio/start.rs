//! How the window starts: engine, settings, what was open when it ended unexpectedly.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use eframe::wgpu;
use smalti_engine::evaluation::LpipsFiles;
use smalti_engine::session::{self, News, Session};

use super::begun::{Gesture, Guide, Quitting};
use super::home::Home;
use super::keys::Keyboard;
use super::paste_watch::PasteWatch;
use super::stage::Shown;
use super::strokes::Strokes;
use super::trainings::Trainings;
use super::{AUTOSAVE_EVERY, Desk, Fixed, Keeping, Studio, StudioOptions};
use crate::ctx::{Counts, EditedImages, EditedTokens, Generations, Hovered, Offers, Originals};
use crate::document::{Document, History, Notice, Open};
use crate::files::autosave::Autosave;
use crate::files::background::Background;
use crate::files::disk::read_whole;
use crate::files::opening::Openings;
use crate::files::scenes::{self, Scene};
use crate::logging::NOTICE;
use crate::look::fonts;
use crate::look::textures::Textures;
use crate::look::theme::Theme;
use crate::runs::Records;
use crate::settings::Settings;
use crate::shell::actions;
use crate::shell::dock::Views;
use crate::shell::doors;
use crate::shell::folded::Folded;
use crate::shell::notices::Notices;
use crate::shell::scenes::named as named_scene;
use crate::shell::script::Script;

/// Between repaints while news stream in.
const REPAINT: Duration = Duration::from_millis(33);
/// Between repaints for a run that goes on, where the processor draws the window: a frame costs it as
/// much as a few images of a training step.
const CPU_RUN_REPAINT: Duration = Duration::from_secs(1);
/// A frame is drawn again at most so often, until its controls have room.
const PASSES: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(4);
/// Settings above this are not read.
const SETTINGS_LIMIT: u64 = 1 << 20;

/// The folder of runs beside the settings.
const RUNS: &str = "runs";

/// The file of settings in their folder.
pub(super) const SETTINGS: &str = "settings.ron";

impl Studio {
    /// Opens the engine and sets the window up. Works in a window, in tests and offscreen.
    ///
    /// # Errors
    /// When the engine's device or threads cannot be had.
    pub fn new(
        cc: &eframe::CreationContext<'_>,
        options: StudioOptions,
    ) -> smalti_engine::Result<Self> {
        let ctx = cc.egui_ctx.clone();
        prepare(&ctx);
        let mut notices = Notices::default();
        let mut settings = read_settings(options.settings_dir.as_deref(), &mut notices);
        if let Some(theme) = options.theme {
            (settings.theme, settings.presentation_theme) = (theme, theme);
        }
        let theme = Theme::new(settings.theme, settings.text_scale, settings.reduced_motion);
        theme.apply(&ctx);
        if let Some(state) = &cc.wgpu_render_state {
            crate::gpu::install(state);
        }
        let is_cpu_adapter = cc
            .wgpu_render_state
            .as_ref()
            .is_some_and(|state| state.adapter.get_info().device_type == wgpu::DeviceType::Cpu);
        let waker = waker(&ctx, is_cpu_adapter);
        let session = Session::new(engine_settings(&options, Arc::clone(&waker)))?;
        let background =
            Background::new(Arc::new(move || waker(News::Settled)), options.has_dialogs)?;
        let document = Document::default();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = if options.threads == 0 { cores } else { options.threads };
        let mut trainings = Trainings::new(places_of_runs(&options));
        trainings.lpips = LpipsFiles::of(&settings.lpips).ok();
        let mut studio = Self {
            session,
            history: History::new(document.clone()),
            keeping: Keeping {
                background,
                autosave: options.settings_dir.as_deref().map(Autosave::claim),
                openings: Openings::default(),
                homes: vec![Home::new(None, document.clone())],
                writing: BTreeMap::new(),
                unapplied: Arc::default(),
                // The first change is kept at once.
                autosaved: (document, Instant::now().checked_sub(AUTOSAVE_EVERY)),
                settings: settings.clone(),
            },
            settings,
            theme,
            desk: empty_desk(),
            fixed: Fixed {
                actions: actions::all(),
                threads,
                gpu_errors: listen_for_gpu_errors(&ctx, cc.wgpu_render_state.as_ref()),
                render_state: cc.wgpu_render_state.clone(),
                is_cpu_adapter,
                options,
            },
            textures: Textures::new(&ctx),
            hovered: Hovered::default(),
            edited: EditedTokens::default(),
            originals: Originals::default(),
            offers: Offers::default(),
            counts: Counts::default(),
            wants_focus: Cell::new(false),
            edited_images: EditedImages::default(),
            notices,
            commands: RefCell::default(),
            known_over: Vec::new(),
            trainings,
            live_runs: BTreeMap::new(),
            probes: BTreeMap::new(),
            records: Records::default(),
            generations: Generations::default(),
            generation_asked: None,
            racing: None,
            trials: None,
            pasting: None,
            strokes: Strokes::default(),
            replacing: 0,
            started: Instant::now(),
        };
        studio.first_document();
        studio.first_caption(&ctx);
        Ok(studio)
    }

    /// Presentation from the start, where that was asked for.
    fn first_caption(&mut self, ctx: &egui::Context) {
        if let Some(caption) = self.fixed.options.caption {
            self.desk.script.go_to(caption);
            self.set_stage(false);
            self.wear(ctx);
        }
    }

    /// What was open when it ended unexpectedly; else the scene that was asked for, and the files.
    fn first_document(&mut self) {
        // In front of the studio.
        let asked = self.fixed.options.scene.clone().filter(|name| name != doors::NAME);
        self.desk.guide.has_doors = asked.is_none() && self.fixed.options.scene.is_some();
        let name = asked.clone().unwrap_or_else(|| "studio".to_owned());
        let written = self.fixed.options.scene_text.as_deref();
        let scene = match written {
            Some(text) => Scene::parse(text).ok(),
            None => named_scene(&name),
        };
        if let Some(scene) = scene {
            self.open_scene(&scene);
        } else {
            let known: Vec<&str> = scenes::names().collect();
            let hint = format!("Use one of {}", known.join(", "));
            self.notices.add(Notice::error(format!("There is no scene {name:?}"), hint));
            self.open_scene(&scenes::studio());
        }
        // The scene of the start is where undo ends.
        let document = self.history.document().clone();
        self.history = History::new(document.clone());
        self.keeping.homes = vec![Home::new(None, document.clone())];
        self.keeping.autosaved.0 = document;
        let files = self.fixed.options.files.clone();
        for file in &files {
            self.send(Open::Path(file.clone()));
        }
        let asked = !files.is_empty() || asked.is_some();
        self.look_for_lost_work(asked);
    }
}

/// With the studio's views, and nothing asked.
fn empty_desk() -> Desk {
    Desk {
        title: String::new(),
        titled: None,
        arrangement: scenes::studio().layout.arrange(),
        folded: Folded::default(),
        views: Views::default(),
        zoom: None,
        palette: None,
        dialog: None,
        keyboard: Keyboard::default(),
        gesture: Gesture::default(),
        pastes: PasteWatch::default(),
        shows_timings: false,
        questions: VecDeque::new(),
        stage: None,
        is_fitted: false,
        shown: Shown::default(),
        script: Script::default(),
        guide: Guide::default(),
        quitting: Quitting::default(),
        after_saving: None,
    }
}

/// Spaces out frames that several threads ask for: an answer after a pause is shown at once, a stream
/// of them one frame a period.
struct Pace {
    period: Duration,
    started: Instant,
    /// Microseconds after the start of the frame that was asked for last.
    asked: AtomicU64,
}

impl Pace {
    fn new(period: Duration) -> Self {
        Self { period, started: Instant::now(), asked: AtomicU64::new(0) }
    }

    /// How long from now. Never nothing: for that egui would draw two frames.
    fn wait(&self) -> Duration {
        let now = self.started.elapsed().as_micros() as u64;
        let due =
            next_frame(self.asked.load(Ordering::Relaxed), now, self.period.as_micros() as u64);
        self.asked.store(due, Ordering::Relaxed);
        Duration::from_micros(due - now)
    }
}

/// When news of `now` are drawn, where a frame was asked for `asked` (microseconds).
fn next_frame(asked: u64, now: u64, period: u64) -> u64 {
    if asked > now { asked } else { (now + 1000).max(asked + period) }
}

/// Asks for a frame from other threads.
fn waker(ctx: &egui::Context, is_cpu_adapter: bool) -> session::Waker {
    let (waking, answers) = (ctx.clone(), Pace::new(REPAINT));
    let runs = Pace::new(if is_cpu_adapter { CPU_RUN_REPAINT } else { REPAINT });
    Arc::new(move |news| match news {
        News::Settled if !is_cpu_adapter => waking.request_repaint(),
        News::Settled => waking.request_repaint_after(answers.wait()),
        News::Progress => waking.request_repaint_after(runs.wait()),
    })
}

/// The folders in which runs are: that of new ones, and the one beside the settings, where they were before.
fn places_of_runs(options: &StudioOptions) -> Vec<PathBuf> {
    let beside = options.settings_dir.as_ref().map(|folder| folder.join(RUNS));
    options.runs_dir.clone().into_iter().chain(beside).collect()
}

fn engine_settings(options: &StudioOptions, waker: session::Waker) -> session::Settings {
    let mut engine = session::Settings::new(&options.assets);
    engine.device = options.device;
    engine.threads = options.threads;
    engine.budget_bytes = budget();
    engine.waker = waker;
    engine
}

/// A quarter of the memory, at most 2 GiB, at least 256 MiB.
fn budget() -> usize {
    let quarter = sysinfo::System::new().map_or(0, |mut system| {
        system.refresh_memory();
        (system.total_memory() / 4) as usize
    });
    quarter.clamp(256 << 20, 2 << 30)
}

/// Fonts, keys, and how often a frame may be drawn again: most need one pass; where controls have no room, a few.
fn prepare(ctx: &egui::Context) {
    ctx.set_fonts(fonts::definitions());
    ctx.options_mut(|options| {
        options.max_passes = PASSES;
        // Larger and smaller are actions, with keys in the list of all of them.
        options.zoom_with_keyboard = false;
    });
}

/// Read before the first frame, so that the window opens in the theme that was set.
fn read_settings(folder: Option<&Path>, notices: &mut Notices) -> Settings {
    let Some(path) = folder.map(|folder| folder.join(SETTINGS)) else {
        return Settings::default();
    };
    let Ok(bytes) = read_whole(&path, SETTINGS_LIMIT) else {
        // The first start: there are none yet.
        return Settings::default();
    };
    match Settings::parse(&String::from_utf8_lossy(&bytes)) {
        Ok(settings) => settings,
        Err(error) => {
            let summary = format!("{}: {error}", path.display());
            let hint = "Smalti starts with its own settings; mend or delete the file";
            notices.add(Notice::warning(summary, hint));
            Settings::default()
        }
    }
}

/// wgpu ends the program on errors unless someone listens.
fn listen_for_gpu_errors(
    ctx: &egui::Context,
    state: Option<&eframe::egui_wgpu::RenderState>,
) -> Receiver<String> {
    let (send, errors) = channel();
    if let Some(state) = state {
        let waking = ctx.clone();
        state.device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or("error").to_owned();
            log::error!(target: NOTICE, "graphics: {text}");
            if send.send(format!("Graphics: {line}")).is_ok() {
                waking.request_repaint();
            }
        }));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::next_frame;

    #[test]
    fn a_stream_of_news_gets_one_frame_a_period_and_the_last_of_it_is_shown() {
        let period = 500_000;
        // After a pause at once, then a period apart, whenever the news come.
        let mut asked = 1_000_000;
        let mut frames = std::collections::BTreeSet::new();
        for now in (2_000_000..4_000_000).step_by(30_000) {
            asked = next_frame(asked, now, period);
            assert!(asked > now, "news at {now} would not be shown");
            frames.insert(asked);
        }
        let frames: Vec<u64> = frames.into_iter().collect();
        assert_eq!(frames, [2_001_000, 2_501_000, 3_001_000, 3_501_000, 4_001_000]);
    }
}
