//! The window: one frame, top to bottom.
//!
//! Events become commands, commands a new document; views ask the engine and draw; then the
//! session is told that the frame is over. Nothing here waits or touches a file.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use smalti_engine::device::DeviceChoice;
use smalti_engine::session::{self, Session};

use crate::document::{AppCommand, Command, Document, Edit, History, JobCommand, Layout};
use crate::settings::{Settings, ThemeChoice};
use crate::shell::dock::{self, Arrangement, Views};
use crate::shell::notices::Notices;
use crate::shell::{fonts, theme::Theme};
use crate::textures::Textures;
use crate::views::{EditedGrids, Hovered, ViewCtx};

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
    /// Files to open.
    pub files: Vec<PathBuf>,
    /// Scene to start with, by name.
    pub scene: Option<String>,
    /// Theme instead of the one that was set.
    pub theme: Option<ThemeChoice>,
    /// For pictures that must come out the same each time.
    pub frozen_time: bool,
}

impl StudioOptions {
    /// Nothing opened, nothing kept.
    pub fn new(assets: impl Into<PathBuf>) -> Self {
        Self {
            assets: assets.into(),
            device: DeviceChoice::Cpu,
            threads: 0,
            settings_dir: None,
            files: Vec::new(),
            scene: None,
            theme: None,
            frozen_time: false,
        }
    }
}

/// The window's whole state.
pub struct Studio {
    options: StudioOptions,
    session: Session,
    history: History,
    settings: Settings,
    theme: Theme,
    arrangement: Arrangement,
    views: Views,
    textures: Textures,
    hovered: Hovered,
    grids: EditedGrids,
    notices: Notices,
    commands: RefCell<Vec<Command>>,
    render_state: Option<eframe::egui_wgpu::RenderState>,
}

impl std::fmt::Debug for Studio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Studio({:?})", self.history.document())
    }
}

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
        ctx.set_fonts(fonts::definitions());
        let settings = Settings::default();
        let choice = options.theme.unwrap_or(settings.theme);
        let theme = Theme::new(choice, settings.text_scale, settings.reduced_motion);
        theme.apply(&ctx);
        let mut engine = session::Settings::new(&options.assets);
        engine.device = options.device;
        engine.threads = options.threads;
        let waking = ctx.clone();
        engine.waker = Arc::new(move || waking.request_repaint());
        let session = Session::new(engine)?;
        Ok(Self {
            options,
            session,
            history: History::new(Document::default()),
            settings,
            theme,
            arrangement: dock::studio(),
            views: Views::default(),
            textures: Textures::new(&ctx),
            hovered: Hovered::default(),
            grids: EditedGrids::default(),
            notices: Notices::default(),
            commands: RefCell::default(),
            render_state: cc.wgpu_render_state.clone(),
        })
    }

    /// The document now.
    pub fn document(&self) -> &Document {
        self.history.document()
    }

    /// The engine.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// All notices so far.
    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    /// Asks for something from outside; applied at the start of the next frame.
    pub fn send(&self, command: impl Into<Command>) {
        self.commands.borrow_mut().push(command.into());
    }

    /// Whether an answer that a visible view asked for is still being worked out.
    pub fn is_working(&self) -> bool {
        self.session.status().open_questions > 0
    }

    fn apply(&mut self, command: Command, ctx: &egui::Context) {
        match command {
            Command::Edit(Edit::Undo) => self.history.undo(),
            Command::Edit(Edit::Redo) => self.history.redo(),
            Command::Layout(Layout::Show(view)) => dock::show_view(&mut self.arrangement, view),
            Command::Layout(Layout::Close(view)) => dock::close_view(&mut self.arrangement, view),
            Command::Job(JobCommand::Control(run, control)) => self.session.control(run, control),
            Command::App(AppCommand::Notify(notice)) => self.notices.add(notice),
            other => {
                let next = self.history.document().after(&other);
                let interacting = ctx.input(|input| input.pointer.any_down());
                self.history.change(next, interacting);
            }
        }
    }
}

impl eframe::App for Studio {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        for command in self.commands.take() {
            self.apply(command, &ctx);
        }
        if !ctx.input(|input| input.pointer.any_down()) {
            self.history.finish_interaction();
        }
        let view_ctx = ViewCtx {
            document: self.history.document(),
            session: &self.session,
            theme: &self.theme,
            textures: &self.textures,
            hovered: &self.hovered,
            notices: &self.notices,
            render_state: self.render_state.as_ref(),
            is_cpu_adapter: true,
            is_time_frozen: self.options.frozen_time,
            commands: &self.commands,
            grids: &self.grids,
        };
        dock::ui(&mut self.arrangement, &mut self.views, ui, &view_ctx);
        self.notices.show(&ctx);
        self.session.end_frame();
        self.textures.end_frame();
        if self.hovered.end_frame() || !self.commands.borrow().is_empty() {
            ctx.request_repaint();
        }
    }
}
