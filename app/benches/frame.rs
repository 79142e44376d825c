//! CPU time of a frame (logic, layout, tessellation) of the whole window while training goes on: the
//! Codebook view at 2^18 codes, then the Training view with two runs, the pointer moving over them. Prints
//! a JSON line each.
//!
//! `cargo bench -p smalti --bench frame [-- --seconds N]`, 60 seconds each unless told. Painting is left
//! out: it is the GPU's work, or llvmpipe's. On Linux the time is that of the window's thread alone,
//! so that the training run beside it does not count; elsewhere it is the wall clock.
#![expect(clippy::print_stdout, reason = "a benchmark prints its rows")]
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]
#![allow(clippy::disallowed_methods, reason = "a benchmark waits and makes files")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui::{Event, Pos2, RawInput, Rect, Vec2, ViewportId, pos2, vec2};
use smalti::document::{Layout, Open, Slot};
use smalti::studio::offscreen;
use smalti::studio::{Studio, StudioOptions};
use smalti_engine::checkpoints::{Precision, save_model};
use smalti_engine::device::{self, DeviceChoice};
use smalti_engine::layers::Weights;
use smalti_engine::quantizers::{FsqConfig, QuantizerConfig};
use smalti_engine::questions::ModelRef;
use smalti_engine::session::Control;
use smalti_engine::tokenizers::{LdmConfig, TokenizerConfig, build};
use smalti_engine::training::{Recipe, TrainRun};

const SIZE: Vec2 = vec2(1280.0, 800.0);
const FRAME: Duration = Duration::from_micros(16_667);

/// Nanoseconds that this thread has computed.
fn thread_nanoseconds(start: Instant) -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split_whitespace().next().and_then(|word| word.parse().ok());
    first.unwrap_or_else(|| start.elapsed().as_nanos() as u64)
}

/// A tokenizer that was never trained, with 8^6 = 2^18 codes.
fn large_codebook(folder: &Path) -> PathBuf {
    let network = LdmConfig {
        ch: 8,
        ch_mult: vec![1, 1, 1],
        num_res_blocks: 1,
        attn_resolutions: Vec::new(),
        resolution: 64,
        z_channels: 8,
        embed_dim: 6,
        norm_groups: 2,
        ..LdmConfig::default()
    };
    let levels = FsqConfig { levels: vec![8; 6], ..FsqConfig::default() };
    let name = "large".to_owned();
    let config = TokenizerConfig { name, network, quantizer: QuantizerConfig::Fsq(levels) };
    let weights = Weights::fresh(1, &device::open(DeviceChoice::Cpu).unwrap());
    build(&config, &weights).unwrap();
    let tensors =
        weights.vars().into_iter().map(|(name, var)| (name, var.as_tensor().clone())).collect();
    let path = folder.join("large.safetensors");
    let metadata = serde_json::json!({ "config": config });
    save_model(&path, &tensors, &metadata, Precision::F32).unwrap();
    path
}

/// The window without a window.
struct Screen {
    ctx: egui::Context,
    frame: eframe::Frame,
    studio: Studio,
    start: Instant,
}

impl Screen {
    /// One frame; its CPU time in milliseconds.
    fn pass(&mut self, events: Vec<Event>) -> f64 {
        let mut input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, SIZE)),
            time: Some(self.start.elapsed().as_secs_f64()),
            focused: true,
            events,
            max_texture_side: Some(8192),
            ..RawInput::default()
        };
        if let Some(viewport) = input.viewports.get_mut(&ViewportId::ROOT) {
            viewport.native_pixels_per_point = Some(1.0);
        }
        let before = thread_nanoseconds(self.start);
        let mut output = self.ctx.run_ui(input, |ui| {
            eframe::App::logic(&mut self.studio, ui.ctx(), &mut self.frame);
            eframe::App::ui(&mut self.studio, ui, &mut self.frame);
        });
        let shapes = self.ctx.tessellate(output.shapes, output.pixels_per_point);
        let spent = thread_nanoseconds(self.start) - before;
        drop(shapes);
        output.textures_delta.clear();
        spent as f64 / 1e6
    }

    fn settle(&mut self) {
        for _ in 0..4000 {
            self.pass(Vec::new());
            if !self.studio.is_working() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let seconds = arguments.iter().position(|word| word == "--seconds");
    let seconds: f64 = seconds.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(60.0);
    let folder = tempfile::tempdir().unwrap();
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");

    let ctx = egui::Context::default();
    let mut cc = eframe::CreationContext::_new_kittest(ctx.clone());
    let mut frame = eframe::Frame::_new_kittest();
    let state = offscreen::render_state().unwrap();
    cc.wgpu_render_state = Some(state.clone());
    frame.wgpu_render_state = Some(state);
    let studio = Studio::new(&cc, StudioOptions::new(&assets)).unwrap();
    let mut screen = Screen { ctx, frame, studio, start: Instant::now() };

    let model = large_codebook(folder.path());
    screen.studio.send(Layout::Scene("codebook".to_owned()));
    screen.settle();
    let model = ModelRef::named(&model.display().to_string(), &assets);
    screen.studio.send(Open::Model(Slot::A, model));
    screen.settle();

    let recipes = assets.join("recipes");
    let recipe = Recipe::read(&recipes.join("worlds-fsq.ron")).unwrap();
    let run = folder.path().join("run");
    let train = TrainRun::new(recipe, recipes, assets, run, false);
    screen.studio.session().start(train);

    measure(&mut screen, seconds, "frame", &serde_json::json!({ "codes": 1 << 18 }));

    let first = screen.studio.session().runs().into_iter().map(|run| run.id).next();
    if let Some(run) = first {
        screen.studio.session().control(run, Control::Cancel);
    }
    // Both runs of the scene: reports every few steps, codes over time, probes.
    screen.studio.send(Layout::Scene("collapse".to_owned()));
    screen.settle();
    measure(&mut screen, seconds, "frame-training", &serde_json::json!({ "runs": 2 }));
}

/// Frames for some seconds, the pointer going round over the middle; prints a row.
fn measure(screen: &mut Screen, seconds: f64, row: &str, about: &serde_json::Value) {
    let mut times = Vec::new();
    let began = Instant::now();
    let told = |screen: &Screen| -> usize {
        screen.studio.session().runs().iter().map(|run| run.entries).sum()
    };
    let before = told(screen);
    while began.elapsed().as_secs_f64() < seconds {
        let frame_began = Instant::now();
        let angle = began.elapsed().as_secs_f32() * 1.7;
        let at = pos2(640.0 + 260.0 * angle.cos(), 330.0 + 180.0 * (1.3 * angle).sin());
        times.push(screen.pass(vec![Event::PointerMoved(at)]));
        std::thread::sleep(FRAME.saturating_sub(frame_began.elapsed()));
    }
    let entries = told(screen) - before;
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    let row = serde_json::json!({
        "row": row, "of": about, "frames": times.len(), "training_reports": entries,
        "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0),
    });
    println!("{row}");
}
