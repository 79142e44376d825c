//! The window without a display: opened, driven by pointer and keys, read by label and by pixel.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eframe::egui_wgpu::RenderState;
use egui::{Event, Key, Modifiers, PointerButton, Pos2, Rect, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use egui_kittest::wgpu::WgpuTestRenderer;
use image::RgbaImage;
use smalti::document::{Command, Open, Panel, Slot, ViewId};
use smalti::files::scenes::{Loads, Scene, SceneId};
use smalti::settings::ThemeChoice;
use smalti::studio::offscreen;
use smalti::studio::{Studio, StudioOptions};
use smalti_engine::device::choice_of_tests;
use smalti_engine::images::{Picture, WorkingSize};
use smalti_engine::questions::{Compared, Comparison, Encode, Encoded, ImageRef, PastedPicture};
use smalti_engine::questions::{ModelRef, SourceRef, Stamp};
use smalti_engine::tokens::Tokens;
use tempfile::TempDir;

use crate::tiny::{tiny_model, write_png};

/// The Studio in a harness.
pub type Window = Harness<'static, Studio>;

/// The folder of shipped models, recipes and samples.
pub fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets")
}

/// Opens the window and waits until everything in it is there. It cannot be drawn.
///
/// # Panics
/// If it cannot be opened.
pub fn open_sized(options: StudioOptions, size: [f32; 2]) -> Window {
    finish(Harness::builder(), options, size)
}

/// As [`open_sized`], with a renderer: by the processor where there is a driver for that. Without
/// any driver there is none: that is said, and is a failure where `CI` is set.
///
/// # Panics
/// If it cannot be opened.
pub fn open_drawn(options: StudioOptions, size: [f32; 2]) -> Option<Window> {
    let renderer = WgpuTestRenderer::from_render_state(renderer()?);
    Some(finish(Harness::builder().renderer(renderer).with_render_cursor(false), options, size))
}

fn renderer() -> Option<RenderState> {
    match offscreen::render_state() {
        Ok(state) => Some(state),
        Err(reason) => {
            let advice = "on Debian and Ubuntu install mesa-vulkan-drivers";
            #[allow(clippy::disallowed_methods, reason = "tests have no main that could pass it")]
            let must_draw = std::env::var_os("CI").is_some();
            assert!(!must_draw, "pictures cannot be tested: {reason}; {advice}");
            #[allow(clippy::print_stderr, reason = "a test that was skipped says so")]
            {
                eprintln!("SKIPPED, pictures cannot be tested: {reason}; {advice}");
            }
            None
        }
    }
}

fn finish(
    builder: egui_kittest::HarnessBuilder<Studio>,
    mut options: StudioOptions,
    size: [f32; 2],
) -> Window {
    options.device = choice_of_tests().unwrap_or_else(|e| panic!("{e}"));
    // The harness puts its own theme on when the window is made.
    let theme = match options.theme {
        Some(ThemeChoice::Light) => egui::Theme::Light,
        _ => egui::Theme::Dark,
    };
    // File names may be of any script; the fonts of the system that draw them are not loaded here.
    let mut window = builder
        .with_size(size)
        .with_theme(theme)
        .with_max_steps(30)
        .allow_missing_glyphs()
        .build_eframe(move |cc| Studio::new(cc, options).unwrap_or_else(|e| panic!("{e}")));
    settle(&mut window);
    window
}

/// The shipped first scene in a usual window, without a renderer.
pub fn open() -> Window {
    open_sized(StudioOptions::new(assets()), [1280.0, 800.0])
}

/// Frames until everything that was asked for is there, was drawn, and nothing more is asked for.
pub fn settle(window: &mut Window) {
    // An answer that comes between the last frame and the look at what is open is not drawn yet, and
    // drawing it may ask for more: only a second idle round says that all is done.
    let mut idle_rounds = 0;
    for _ in 0..3000 {
        window.step();
        if window.state().is_working() {
            idle_rounds = 0;
        } else {
            window.run_ok();
            idle_rounds = if window.state().is_working() { 0 } else { idle_rounds + 1 };
        }
        if idle_rounds == 3 {
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Asks for something as a menu would, and waits until it is done.
pub fn send(window: &mut Window, command: impl Into<Command>) {
    window.state().send(command);
    settle(window);
}

/// Opens a recipe and starts its run as it is asked about.
pub fn train(window: &mut Window, recipe: PathBuf) {
    send(window, Open::Path(recipe));
    click_label(window, "Start");
}

/// Presses a key and waits until what it does is done.
pub fn press(window: &mut Window, modifiers: Modifiers, key: Key) {
    window.key_press_modifiers(modifiers, key);
    settle(window);
}

/// Moves the pointer.
pub fn point(window: &mut Window, at: Pos2) {
    window.hover_at(at);
    settle(window);
}

/// Takes the pointer out of the window.
pub fn point_nowhere(window: &mut Window) {
    window.remove_cursor();
    settle(window);
}

/// The left button goes down or up.
pub fn button(window: &mut Window, at: Pos2, pressed: bool, modifiers: Modifiers) {
    let button = PointerButton::Primary;
    window.event_modifiers(Event::PointerButton { pos: at, button, pressed, modifiers }, modifiers);
    settle(window);
}

/// Clicks, with modifiers held.
pub fn click(window: &mut Window, at: Pos2, modifiers: Modifiers) {
    window.hover_at(at);
    let button = PointerButton::Primary;
    for pressed in [true, false] {
        let event = Event::PointerButton { pos: at, button, pressed, modifiers };
        window.event_modifiers(event, modifiers);
    }
    settle(window);
}

/// Clicks the one control whose name is `label`; scrolls there first if it is out of sight.
pub fn click_label(window: &mut Window, label: &str) {
    let at = window.get_by_label(label).rect().center();
    if !window.ctx.content_rect().shrink(24.0).contains(at) {
        window.get_by_label(label).scroll_to_me();
        settle(window);
    }
    window.get_by_label(label).click();
    settle(window);
}

/// Presses the button at one place and releases it at another.
pub fn drag(window: &mut Window, from: Pos2, to: Pos2) {
    window.hover_at(from);
    window.drag_at(from);
    window.hover_at(from + (to - from) * 0.5);
    window.hover_at(to);
    window.event(Event::PointerButton {
        pos: to,
        button: PointerButton::Primary,
        pressed: false,
        modifiers: Modifiers::NONE,
    });
    settle(window);
}

/// Where the one thing is whose name contains `label`.
pub fn rect_of(window: &Window, label: &str) -> Rect {
    window.get_by_label_contains(label).rect()
}

/// All names that contain `part`, as a screen reader would read them.
pub fn labels(window: &Window, part: &str) -> Vec<String> {
    window
        .query_all_by_label_contains(part)
        .map(|node| {
            let node = node.accesskit_node();
            node.label().or_else(|| node.value()).unwrap_or_default()
        })
        .collect()
}

/// Whether a name contains `part`.
pub fn says(window: &Window, part: &str) -> bool {
    window.query_all_by_label_contains(part).next().is_some()
}

/// Frames until the window says something, then until it is at rest.
///
/// # Panics
/// If it is not said for long.
pub fn until(window: &mut Window, text: &str) {
    for _ in 0..4000 {
        window.step();
        if says(window, text) {
            settle(window);
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("{text:?} is never said: {:?}", labels(window, ""));
}

/// The middle of a cell of a grid of `rows` x `columns` that fills a part of the window.
pub fn middle_of(
    rect: Rect,
    (row, column): (usize, usize),
    (rows, columns): (usize, usize),
) -> Pos2 {
    let part = vec2((column as f32 + 0.5) / columns as f32, (row as f32 + 0.5) / rows as f32);
    rect.min + part * rect.size()
}

/// The views that are somewhere in the window.
pub fn views(window: &Window) -> Vec<ViewId> {
    fn collect(panel: &Panel, found: &mut Vec<ViewId>) {
        match panel {
            Panel::Tabs { views, .. } => found.extend(views),
            Panel::Row(parts) | Panel::Column(parts) => {
                for (_, part) in parts {
                    collect(part, found);
                }
            }
        }
    }
    let mut found = Vec::new();
    if let Some(layout) = window.state().layout() {
        collect(&layout, &mut found);
    }
    found
}

/// Whether a view is in front of its tabs.
pub fn is_in_front(window: &Window, view: ViewId) -> bool {
    fn look(panel: &Panel, view: ViewId) -> bool {
        match panel {
            Panel::Tabs { front, .. } => *front == Some(view),
            Panel::Row(parts) | Panel::Column(parts) => parts.iter().any(|(_, p)| look(p, view)),
        }
    }
    window.state().layout().is_some_and(|layout| look(&layout, view))
}

/// One view as a part of a layout.
pub fn tab(view: ViewId) -> Panel {
    Panel::Tabs { views: vec![view], front: None }
}

/// Options for a window with this layout and nothing opened.
pub fn empty(layout: Panel) -> StudioOptions {
    let scene = Scene {
        id: SceneId::default(),
        title: "Test".to_owned(),
        about: String::new(),
        layout,
        presentation: None,
        loads: Loads::default(),
        trains: Vec::new(),
        generates: None,
        leads: false,
        measures: Vec::new(),
        captions: Vec::new(),
    };
    StudioOptions { scene_text: Some(scene.to_text()), ..StudioOptions::new(assets()) }
}

/// A folder with three small pictures and a tokenizer of 20 codes that is quick.
#[derive(Debug)]
pub struct Small(TempDir);

impl Small {
    /// Writes them.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn new() -> Self {
        let small = Self(tempfile::tempdir().unwrap_or_else(|e| panic!("{e}")));
        std::fs::create_dir(small.pictures()).unwrap_or_else(|e| panic!("{e}"));
        for number in 0..3 {
            write_png(&small.pictures().join(format!("picture {number}.png")), 40, 32, number);
        }
        tiny_model(&small.model());
        small
    }

    /// The folder of the pictures.
    pub fn pictures(&self) -> PathBuf {
        self.0.path().join("pictures")
    }

    /// The tokenizer: two pixels a token.
    pub fn model(&self) -> PathBuf {
        self.0.path().join("tiny.safetensors")
    }

    /// The pictures as a set.
    pub fn source(&self) -> SourceRef {
        let path: Arc<Path> = self.pictures().into();
        let stamp = Stamp::of(&path);
        SourceRef::Path { path, stamp }
    }

    /// Opens them: 16 x 16 tokens of the first picture.
    pub fn open_in(&self, window: &mut Window) {
        self.send_to(window);
        settle(window);
    }

    /// Asks for them, to be opened in the next frame.
    pub fn send_to(&self, window: &Window) {
        let model: Arc<Path> = self.model().into();
        let stamp = Stamp::of(&model);
        let model = ModelRef::File { path: model, stamp };
        window.state().send(Open::Size(WorkingSize::square(32, 1)));
        window.state().send(Open::Model(Slot::A, model));
        window.state().send(Open::Source(self.source()));
        window.state().send(Open::Image(ImageRef::InSource { source: self.source(), index: 0 }));
    }
}

impl Default for Small {
    fn default() -> Self {
        Self::new()
    }
}

/// The tokens of the document's image before edits, asked of the engine directly.
///
/// # Panics
/// If there is no image or it cannot be encoded.
pub fn encoded(window: &Window) -> Arc<Encoded> {
    let document = window.state().document();
    let subject = document.subject.clone().unwrap_or_else(|| panic!("nothing is open"));
    let question = Encode { subject, size: document.size, model: document.model.clone() };
    window.state().session().wait(&question).unwrap_or_else(|e| panic!("{e}"))
}

/// Those tokens alone.
pub fn tokens(window: &Window) -> Tokens {
    encoded(window).tokens.clone()
}

/// Picture and figures of the document's tokens with its edits, asked of the engine directly.
///
/// # Panics
/// If there is no image or it cannot be decoded.
pub fn compared(window: &Window) -> Arc<Compared> {
    let (document, encoded) = (window.state().document(), encoded(window));
    let question = Comparison {
        original: PastedPicture::new(encoded.picture.clone()),
        tokens: document.tokens(&encoded),
        model: document.model.clone(),
    };
    window.state().session().wait(&question).unwrap_or_else(|e| panic!("{e}"))
}

/// The window as it would be on the screen now, one pixel a point.
///
/// # Panics
/// If it cannot be drawn.
pub fn drawn(window: &mut Window) -> RgbaImage {
    window.render().unwrap_or_else(|e| panic!("{e}"))
}

/// A pixel of the window.
pub fn pixel(screen: &RgbaImage, at: Pos2) -> [u8; 3] {
    let [r, g, b, _] = screen.get_pixel(at.x as u32, at.y as u32).0;
    [r, g, b]
}

/// How far apart two colors are: the largest difference of a channel.
pub fn apart(a: [u8; 3], b: [u8; 3]) -> u8 {
    std::iter::zip(a, b).map(|(x, y)| x.abs_diff(y)).max().unwrap_or(0)
}

/// A pixel of a picture.
///
/// # Panics
/// If it is outside.
pub fn texel(picture: &Picture, x: u32, y: u32) -> [u8; 3] {
    picture.pixel(x, y).unwrap_or_else(|| panic!("no pixel {x}, {y}"))
}

/// How many pixels of a part of the window have about this color.
pub fn count_of(screen: &RgbaImage, rect: Rect, color: egui::Color32) -> usize {
    let [r, g, b, _] = color.to_array();
    let (x, y) = (rect.left() as u32..rect.right() as u32, rect.top() as u32..rect.bottom() as u32);
    y.flat_map(|y| x.clone().map(move |x| (x, y)))
        .filter(|(x, y)| {
            let p = screen.get_pixel((*x).min(screen.width() - 1), (*y).min(screen.height() - 1)).0;
            apart([p[0], p[1], p[2]], [r, g, b]) <= 6
        })
        .count()
}

/// How many pixels of a part of the window are another color than before.
pub fn count_changed(before: &RgbaImage, after: &RgbaImage, rect: Rect) -> usize {
    let (x, y) = (rect.left() as u32..rect.right() as u32, rect.top() as u32..rect.bottom() as u32);
    y.flat_map(|y| x.clone().map(move |x| (x, y)))
        .filter(|(x, y)| before.get_pixel(*x, *y) != after.get_pixel(*x, *y))
        .count()
}
