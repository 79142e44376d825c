//! Heatmaps of up to millions of cells at the CPU cost of a quad.
//!
//! Values live in textures that are written once per answer; a frame only writes 96 bytes of
//! uniforms. Textures are read by `textureLoad`, which every adapter has. Picking needs no GPU: the
//! view's origin and scale say which cell is under the pointer.

use std::collections::HashMap;
use std::sync::Arc;

use eframe::egui_wgpu::{CallbackResources, CallbackTrait, ScreenDescriptor};
use eframe::wgpu;
use egui::{Color32, PaintCallbackInfo, Rect};
use smalti_engine::images::Picture;

use super::heatmap_textures::{
    atlas_texture, byte_texture, code_texture, color_texture, empty_texture, write_rows,
};

/// Width of the textures in which a list of cells is laid out.
const LIST_WIDTH: u32 = 512;

/// What the shader reads each frame. The order and the padding are those of `heatmap.wgsl`.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Uniforms {
    origin: [f32; 2],
    scale: [f32; 2],
    corner: [f32; 2],
    range: [f32; 2],
    grid: [u32; 2],
    extent: [u32; 2],
    flags: [u32; 2],
    side: [f32; 2],
    background: [f32; 4],
    mark: [f32; 4],
}

/// The values of a heatmap. The same `Arc` is uploaded once.
#[derive(Debug, Clone)]
pub enum Values {
    /// A list of cells that fills the grid row by row.
    Cells(Arc<[f32]>),
    /// Rows of equal length, such as a history; new ones may be appended.
    Rows(Arc<[Arc<[f32]>]>),
}

/// Cells shown as what their codes decode to.
#[derive(Debug, Clone)]
pub struct Appearances {
    /// All patches.
    pub atlas: Picture,
    /// The code of each cell.
    pub codes: Arc<[u32]>,
    /// Patches a row of the atlas.
    pub columns: u32,
    /// Pixels of a patch's side.
    pub side: u32,
}

/// A heatmap to be painted.
#[derive(Debug, Clone)]
pub struct Heatmap {
    /// Which pane it is: panes have textures of their own.
    pub pane: u64,
    /// What is shown.
    pub values: Values,
    /// 1 ringed, 2 switched off, for each cell; empty for none.
    pub marks: Arc<[u8]>,
    /// Patches instead of values.
    pub appearances: Option<Appearances>,
    /// Columns and rows.
    pub grid: (u32, u32),
    /// Cell coordinates at the top left of the pane.
    pub origin: egui::Vec2,
    /// Points a cell, across and down.
    pub scale: egui::Vec2,
    /// Values of the lowest and the highest color.
    pub range: (f32, f32),
    /// Colors by the logarithm of 1 + value.
    pub is_logarithmic: bool,
    /// Lines between cells that are large enough.
    pub has_gaps: bool,
    /// 256 colors, lowest first; read once.
    pub colors: Arc<crate::look::colors::ColorMaps>,
    /// Around the cells and between them.
    pub background: Color32,
    /// Rings of marked cells.
    pub mark: Color32,
}

impl Heatmap {
    /// The shape that paints it.
    pub fn shape(self, rect: Rect) -> egui::Shape {
        let corner = rect.min;
        let callback = PaneCallback { heatmap: self, corner };
        egui::Shape::Callback(eframe::egui_wgpu::Callback::new_paint_callback(rect, callback))
    }

    fn extent(&self) -> [u32; 2] {
        match &self.values {
            Values::Cells(cells) => [LIST_WIDTH, cells.len() as u32],
            Values::Rows(rows) => [self.grid.0.max(1), self.grid.0 * rows.len() as u32],
        }
    }

    fn uniforms(&self, corner: egui::Pos2, pixels_per_point: f32) -> Uniforms {
        let flags = u32::from(self.is_logarithmic)
            | (u32::from(self.appearances.is_some()) << 1)
            | (u32::from(self.has_gaps) << 2);
        Uniforms {
            origin: self.origin.into(),
            scale: (self.scale * pixels_per_point).into(),
            corner: [(corner.x * pixels_per_point).round(), (corner.y * pixels_per_point).round()],
            range: [self.range.0, self.range.1],
            grid: [self.grid.0, self.grid.1],
            extent: self.extent(),
            flags: [flags, self.appearances.as_ref().map_or(1, |a| a.columns.max(1))],
            side: [0.0, 0.0],
            background: self.background.to_normalized_gamma_f32(),
            mark: self.mark.to_normalized_gamma_f32(),
        }
    }
}

struct PaneCallback {
    heatmap: Heatmap,
    corner: egui::Pos2,
}

impl CallbackTrait for PaneCallback {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(heatmaps) = resources.get_mut::<Heatmaps>() {
            heatmaps.prepare(device, queue, self, screen.pixels_per_point);
        }
        Vec::new()
    }

    fn paint(
        &self,
        _info: PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        let Some(heatmaps) = resources.get::<Heatmaps>() else { return };
        let Some(pane) = heatmaps.panes.get(&self.heatmap.pane) else { return };
        pass.set_pipeline(&heatmaps.pipeline);
        pass.set_bind_group(0, &pane.bind, &[]);
        pass.draw(0..3, 0..1);
    }
}

/// The pipeline and the textures of all panes.
#[derive(Debug)]
pub struct Heatmaps {
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    panes: HashMap<u64, Pane>,
}

#[derive(Debug)]
struct Pane {
    uniforms: wgpu::Buffer,
    values: wgpu::Texture,
    marks: wgpu::Texture,
    codes: wgpu::Texture,
    colors: wgpu::Texture,
    atlas: wgpu::Texture,
    atlas_side: f32,
    bind: wgpu::BindGroup,
    shown: Shown,
}

/// What the textures hold now. Keeping the `Arc`s keeps their addresses from being used again.
#[derive(Debug, Default)]
struct Shown {
    cells: Option<Arc<[f32]>>,
    rows: Option<Arc<[Arc<[f32]>]>>,
    marks: Option<Arc<[u8]>>,
    codes: Option<Arc<[u32]>>,
    atlas: Option<Arc<[u8]>>,
    colors: Option<Arc<crate::look::colors::ColorMaps>>,
}

impl Heatmaps {
    /// The pipeline for a surface of the given format.
    pub fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Self {
        let module = device.create_shader_module(wgpu::include_wgsl!("heatmap.wgsl"));
        let texture = |binding, sample_type| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::FRAGMENT,
            ty: wgpu::BindingType::Texture {
                sample_type,
                view_dimension: wgpu::TextureViewDimension::D2,
                multisampled: false,
            },
            count: None,
        };
        let float = wgpu::TextureSampleType::Float { filterable: false };
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("heatmap"),
            entries: &[
                wgpu::BindGroupLayoutEntry {
                    binding: 0,
                    visibility: wgpu::ShaderStages::FRAGMENT,
                    ty: wgpu::BindingType::Buffer {
                        ty: wgpu::BufferBindingType::Uniform,
                        has_dynamic_offset: false,
                        min_binding_size: None,
                    },
                    count: None,
                },
                texture(1, float),
                texture(2, wgpu::TextureSampleType::Uint),
                texture(3, wgpu::TextureSampleType::Uint),
                texture(4, float),
                texture(5, float),
            ],
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("heatmap"),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("heatmap"),
            layout: Some(&pipeline_layout),
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("vs_main"),
                buffers: &[],
                compilation_options: wgpu::PipelineCompilationOptions::default(),
            },
            primitive: wgpu::PrimitiveState::default(),
            depth_stencil: None,
            multisample: wgpu::MultisampleState::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("fs_main"),
                targets: &[Some(format.into())],
                compilation_options: wgpu::PipelineCompilationOptions::default(),
            }),
            multiview_mask: None,
            cache: None,
        });
        Self { pipeline, layout, panes: HashMap::new() }
    }

    fn prepare(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        callback: &PaneCallback,
        pixels_per_point: f32,
    ) {
        let heatmap = &callback.heatmap;
        let layout = &self.layout;
        let pane = self.panes.entry(heatmap.pane).or_insert_with(|| Pane::new(device, layout));
        let changed = pane.upload_values(device, queue, heatmap)
            | pane.upload_marks(device, queue, heatmap)
            | pane.upload_appearances(device, queue, heatmap)
            | pane.upload_colors(device, queue, heatmap);
        if changed {
            pane.bind = pane.bind_group(device, layout);
        }
        let mut uniforms = heatmap.uniforms(callback.corner, pixels_per_point);
        uniforms.side = [pane.atlas_side, 0.0];
        queue.write_buffer(&pane.uniforms, 0, bytemuck::bytes_of(&uniforms));
    }
}

impl Pane {
    fn new(device: &wgpu::Device, layout: &wgpu::BindGroupLayout) -> Self {
        let uniforms = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("heatmap"),
            size: size_of::<Uniforms>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let textures = [
            wgpu::TextureFormat::R32Float,
            wgpu::TextureFormat::R8Uint,
            wgpu::TextureFormat::R32Uint,
            wgpu::TextureFormat::Rgba8Unorm,
            wgpu::TextureFormat::Rgba8Unorm,
        ]
        .map(|format| empty_texture(device, format, [1, 1]));
        let bind = bind_group(device, layout, &uniforms, &textures.each_ref());
        let [values, marks, codes, colors, atlas] = textures;
        let shown = Shown::default();
        Self { uniforms, values, marks, codes, colors, atlas, atlas_side: 1.0, bind, shown }
    }

    fn bind_group(&self, device: &wgpu::Device, layout: &wgpu::BindGroupLayout) -> wgpu::BindGroup {
        let textures = [&self.values, &self.marks, &self.codes, &self.colors, &self.atlas];
        bind_group(device, layout, &self.uniforms, &textures)
    }

    /// True if a texture was made anew.
    fn upload_values(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, map: &Heatmap) -> bool {
        match &map.values {
            Values::Cells(cells) => {
                if self.shown.cells.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, cells)) {
                    return false;
                }
                let rows = (cells.len() as u32).div_ceil(LIST_WIDTH).max(1);
                self.values =
                    empty_texture(device, wgpu::TextureFormat::R32Float, [LIST_WIDTH, rows]);
                write_rows(queue, &self.values, 0, LIST_WIDTH, cells);
                self.shown.cells = Some(Arc::clone(cells));
                self.shown.rows = None;
                true
            }
            Values::Rows(rows) => self.upload_history(device, queue, rows, map.grid.0.max(1)),
        }
    }

    /// Appends what is new; makes a larger texture when the old one is full.
    fn upload_history(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        rows: &Arc<[Arc<[f32]>]>,
        width: u32,
    ) -> bool {
        let shown = self.shown.rows.take();
        if let Some(shown) = &shown
            && Arc::ptr_eq(shown, rows)
        {
            self.shown.rows = Some(Arc::clone(rows));
            return false;
        }
        let limit = device.limits().max_texture_dimension_2d;
        let height = (rows.len() as u32).next_power_of_two().clamp(16, limit);
        let fits = self.values.width() == width && self.values.height() >= height.min(limit);
        let kept = shown.filter(|_| fits).map_or(0, |shown| {
            shown.iter().zip(rows.iter()).take_while(|(a, b)| Arc::ptr_eq(a, b)).count()
        });
        if !fits {
            self.values = empty_texture(device, wgpu::TextureFormat::R32Float, [width, height]);
        }
        for (place, row) in rows.iter().enumerate().skip(kept).take(limit as usize) {
            if row.len() == width as usize {
                write_rows(queue, &self.values, place as u32, width, row);
            }
        }
        self.shown.rows = Some(Arc::clone(rows));
        self.shown.cells = None;
        !fits
    }

    fn upload_marks(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, map: &Heatmap) -> bool {
        if self.shown.marks.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, &map.marks)) {
            return false;
        }
        self.marks = byte_texture(device, queue, &map.marks, map.extent());
        self.shown.marks = Some(Arc::clone(&map.marks));
        true
    }

    fn upload_appearances(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        map: &Heatmap,
    ) -> bool {
        let Some(look) = &map.appearances else { return false };
        let mut changed = false;
        if !self.shown.codes.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, &look.codes)) {
            self.codes = code_texture(device, queue, &look.codes, LIST_WIDTH);
            self.shown.codes = Some(Arc::clone(&look.codes));
            changed = true;
        }
        if !self.shown.atlas.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, look.atlas.rgb())) {
            (self.atlas, self.atlas_side) = atlas_texture(device, queue, &look.atlas, look.side);
            self.shown.atlas = Some(Arc::clone(look.atlas.rgb()));
            changed = true;
        }
        changed
    }

    fn upload_colors(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, map: &Heatmap) -> bool {
        if self.shown.colors.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, &map.colors)) {
            return false;
        }
        self.colors = color_texture(device, queue, map.colors.viridis.table());
        self.shown.colors = Some(Arc::clone(&map.colors));
        true
    }
}

fn bind_group(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    uniforms: &wgpu::Buffer,
    textures: &[&wgpu::Texture; 5],
) -> wgpu::BindGroup {
    let views = textures.map(|t| t.create_view(&wgpu::TextureViewDescriptor::default()));
    let mut entries =
        vec![wgpu::BindGroupEntry { binding: 0, resource: uniforms.as_entire_binding() }];
    entries.extend((1..).zip(&views).map(|(binding, view)| wgpu::BindGroupEntry {
        binding,
        resource: wgpu::BindingResource::TextureView(view),
    }));
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("heatmap"),
        layout,
        entries: &entries,
    })
}
