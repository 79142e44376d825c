//! The window's picture without a window: the same views, drawn into a texture and read back.
//!
//! The adapter that comes first is a software one where there is one, so that the same scene gives
//! the same pixels on every machine that has it.
#![expect(clippy::disallowed_methods, reason = "waits for the GPU; never used by the window")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use eframe::egui_wgpu::{
    self, RenderState, RendererOptions, ScreenDescriptor, WgpuConfiguration, WgpuSetup,
    WgpuSetupCreateNew, wgpu,
};
use egui::{FullOutput, RawInput, Rect, TexturesDelta, Ui, Vec2, ViewportId};
use smalti_engine::Problem;
use smalti_engine::images::Picture;

use crate::document::Severity;
use crate::studio::{Studio, StudioOptions};

/// Frames with nothing left to do before the picture is taken: layout settles, fonts load.
const CALM_FRAMES: u32 = 3;
/// Between looks at the engine.
const PAUSE: Duration = Duration::from_millis(8);
/// The widest texture that every adapter has.
const MAX_SIDE: u32 = 8192;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum OffscreenError {
    /// There is nothing to draw with.
    #[error("no Vulkan, Metal, Direct3D or OpenGL driver was found ({0})")]
    NoDriver(String),
    /// The picture is larger than the adapter's textures.
    #[error("{width}x{height} pixels are too many, a side can have at most {most}")]
    TooLarge {
        /// Pixels asked for.
        width: u32,
        /// Pixels asked for.
        height: u32,
        /// The adapter's limit.
        most: u32,
    },
    /// The driver gave up.
    #[error("drawing failed: {0}")]
    Driver(String),
    /// The window could not be set up.
    #[error(transparent)]
    Engine(#[from] smalti_engine::EngineError),
    /// A file that was to be opened cannot be.
    #[error("{0}")]
    NotOpened(Problem),
    /// The caller wanted to stop.
    #[error("cancelled")]
    Cancelled,
}

/// How large the picture is.
#[derive(Debug, Clone, Copy)]
pub struct Canvas {
    /// Width in points.
    pub width: u32,
    /// Height in points.
    pub height: u32,
    /// Pixels per point.
    pub scale: f32,
}

impl Canvas {
    fn pixels(self) -> [u32; 2] {
        [self.width, self.height].map(|side| (side as f32 * self.scale).round().max(1.0) as u32)
    }
}

/// Draws the Studio once nothing is left to be worked out. `go_on` is asked in between with the
/// number of open questions; `false` stops.
///
/// # Errors
/// See [`OffscreenError`].
pub fn studio_picture(
    options: StudioOptions,
    canvas: Canvas,
    mut go_on: impl FnMut(usize) -> bool,
) -> Result<Picture, OffscreenError> {
    let mut screen = Screen::new(canvas)?;
    let mut cc = eframe::CreationContext::_new_kittest(screen.ctx.clone());
    cc.wgpu_render_state = Some(screen.state.clone());
    let mut frame = eframe::Frame::_new_kittest();
    frame.wgpu_render_state = Some(screen.state.clone());
    let mut studio = Studio::new(&cc, StudioOptions { frozen_time: true, ..options })?;
    let mut calm = 0;
    let mut last;
    let started = Instant::now();
    loop {
        last = screen.pass(|ui| {
            eframe::App::logic(&mut studio, ui.ctx(), &mut frame);
            eframe::App::ui(&mut studio, ui, &mut frame);
        });
        let open = studio.session().status().open_questions.max(usize::from(studio.is_working()));
        let wants_more = last
            .viewport_output
            .get(&ViewportId::ROOT)
            .is_some_and(|viewport| viewport.repaint_delay.is_zero());
        // A spinner or a toast asks for repaints forever; once the engine is done, that is enough.
        let restless = wants_more && started.elapsed() < Duration::from_secs(2);
        // Nobody is there to answer, and what comes after it waits.
        if let Some(problem) = studio.asked_about() {
            return Err(OffscreenError::NotOpened(problem.clone()));
        }
        calm = if open == 0 && !restless { calm + 1 } else { 0 };
        if calm >= CALM_FRAMES {
            break;
        }
        if !go_on(open) {
            return Err(OffscreenError::Cancelled);
        }
        std::thread::sleep(PAUSE);
    }
    if let Some(problem) = studio.not_opened().first() {
        return Err(OffscreenError::NotOpened(problem.clone()));
    }
    // What went wrong otherwise, such as a recipe that cannot be trained, is no picture to be proud of.
    let notices = studio.notices().list();
    if let Some(error) = notices.iter().find(|notice| notice.severity == Severity::Error) {
        let (summary, hint) = (error.summary.clone(), error.hint.clone());
        return Err(OffscreenError::NotOpened(Problem { summary, hint, bad_input: true }));
    }
    screen.paint(last)
}

/// A texture that egui draws on.
struct Screen {
    state: RenderState,
    ctx: egui::Context,
    canvas: Canvas,
    /// Stands still but for one frame's time a pass, so that animations end the same each time.
    time: f64,
}

impl Screen {
    fn new(canvas: Canvas) -> Result<Self, OffscreenError> {
        let state = render_state()?;
        let [width, height] = canvas.pixels();
        let most = state.device.limits().max_texture_dimension_2d.min(MAX_SIDE);
        if width > most || height > most {
            return Err(OffscreenError::TooLarge { width, height, most });
        }
        let ctx = egui::Context::default();
        ctx.set_pixels_per_point(canvas.scale);
        Ok(Self { state, ctx, canvas, time: 0.0 })
    }

    /// One frame: everything but painting.
    fn pass(&mut self, ui: impl FnMut(&mut Ui)) -> FullOutput {
        let size = Vec2::new(self.canvas.width as f32, self.canvas.height as f32);
        self.time += 1.0 / 30.0;
        let mut input = RawInput {
            screen_rect: Some(Rect::from_min_size(egui::Pos2::ZERO, size)),
            time: Some(self.time),
            focused: true,
            max_texture_side: Some(MAX_SIDE as usize),
            ..RawInput::default()
        };
        if let Some(viewport) = input.viewports.get_mut(&ViewportId::ROOT) {
            viewport.native_pixels_per_point = Some(self.canvas.scale);
        }
        let mut output = self.ctx.run_ui(input, ui);
        self.upload(&mut output.textures_delta);
        output
    }

    fn upload(&self, delta: &mut TexturesDelta) {
        let mut renderer = self.state.renderer.write();
        #[expect(clippy::iter_over_hash_type, reason = "textures do not depend on each other")]
        for (id, images) in delta.set.drain() {
            for image in images {
                renderer.update_texture(&self.state.device, &self.state.queue, id, &image);
            }
        }
        #[expect(clippy::iter_over_hash_type, reason = "textures do not depend on each other")]
        for id in delta.free.drain() {
            renderer.free_texture(&id);
        }
    }

    /// Paints a frame and reads it back.
    fn paint(&self, output: FullOutput) -> Result<Picture, OffscreenError> {
        let RenderState { device, queue, .. } = &self.state;
        let size_in_pixels = self.canvas.pixels();
        let pixels_per_point = self.canvas.scale;
        let screen = ScreenDescriptor { size_in_pixels, pixels_per_point };
        let shapes = self.ctx.tessellate(output.shapes, pixels_per_point);
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut renderer = self.state.renderer.write();
        let buffers = renderer.update_buffers(device, queue, &mut encoder, &shapes, &screen);
        let target = self.target();
        let view = target.create_view(&wgpu::TextureViewDescriptor::default());
        {
            let mut pass = encoder
                .begin_render_pass(&wgpu::RenderPassDescriptor {
                    label: Some("offscreen"),
                    color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                        view: &view,
                        resolve_target: None,
                        ops: wgpu::Operations {
                            load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                            store: wgpu::StoreOp::Store,
                        },
                        depth_slice: None,
                    })],
                    ..Default::default()
                })
                .forget_lifetime();
            renderer.render(&mut pass, &shapes, &screen);
        }
        queue.submit(buffers.into_iter().chain([encoder.finish()]));
        self.read(&target)
    }

    fn target(&self) -> wgpu::Texture {
        let [width, height] = self.canvas.pixels();
        self.state.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("offscreen"),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: self.state.target_format,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        })
    }

    /// The texture's pixels.
    fn read(&self, texture: &wgpu::Texture) -> Result<Picture, OffscreenError> {
        let RenderState { device, queue, .. } = &self.state;
        let [width, height] = self.canvas.pixels();
        let row = (width * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("offscreen"),
            size: u64::from(row) * u64::from(height),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_texture_to_buffer(
            texture.as_image_copy(),
            wgpu::TexelCopyBufferInfo {
                buffer: &buffer,
                layout: wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(row),
                    rows_per_image: None,
                },
            },
            wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        );
        queue.submit([encoder.finish()]);
        buffer.map_async(wgpu::MapMode::Read, .., |_mapped| {});
        device
            .poll(wgpu::PollType::wait_indefinitely())
            .map_err(|error| OffscreenError::Driver(error.to_string()))?;
        let mapped = buffer
            .get_mapped_range(..)
            .map_err(|error| OffscreenError::Driver(error.to_string()))?;
        let swapped = matches!(
            self.state.target_format,
            wgpu::TextureFormat::Bgra8Unorm | wgpu::TextureFormat::Bgra8UnormSrgb
        );
        let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
        for line in mapped.chunks_exact(row as usize) {
            for pixel in line.as_chunks::<4>().0.iter().take(width as usize) {
                let [a, g, b, _] = *pixel;
                rgb.extend(if swapped { [b, g, a] } else { [a, g, b] });
            }
        }
        Ok(Picture::new(width, height, rgb)?)
    }
}

/// A renderer without a window.
///
/// # Errors
/// When there is nothing to draw with.
pub fn render_state() -> Result<RenderState, OffscreenError> {
    let mut setup = WgpuSetupCreateNew::without_display_handle();
    setup.native_adapter_selector = Some(Arc::new(|adapters, _surface| {
        let rank = |adapter: &&wgpu::Adapter| {
            let facts = adapter.get_info();
            let kind = match facts.device_type {
                wgpu::DeviceType::Cpu => 0,
                wgpu::DeviceType::DiscreteGpu => 1,
                _ => 2,
            };
            // A real driver before OpenGL's narrow limits.
            (facts.backend == wgpu::Backend::Gl, kind)
        };
        adapters.iter().min_by_key(rank).cloned().ok_or_else(|| "no adapter".to_owned())
    }));
    setup.device_descriptor = Arc::new(|adapter| wgpu::DeviceDescriptor {
        label: Some("smalti offscreen"),
        required_limits: adapter.limits(),
        ..Default::default()
    });
    let setup = WgpuSetup::CreateNew(setup);
    let instance = pollster::block_on(setup.new_instance());
    let config = WgpuConfiguration { wgpu_setup: setup, ..Default::default() };
    let made = RenderState::create(&config, &instance, None, RendererOptions::PREDICTABLE);
    pollster::block_on(made).map_err(|error: egui_wgpu::WgpuError| {
        OffscreenError::NoDriver(error.to_string().lines().next().unwrap_or_default().to_owned())
    })
}
