//! Heatmaps as a pane: by the GPU, or as a texture where there is no renderer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use egui::{Color32, Rect, Vec2, vec2};

use crate::ctx::ViewCtx;
use crate::gpu::heatmap::{Appearances, Heatmap, Values};
use crate::look::textures::{Sampling, Source};

/// Numbers what is shown, so that a texture is known by it: addresses are used again.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What is shown, and a number that is another one whenever it is.
#[derive(Debug)]
pub struct Numbered<T: ?Sized> {
    shown: Option<Arc<T>>,
    number: u64,
}

impl<T: ?Sized> Default for Numbered<T> {
    fn default() -> Self {
        Self { shown: None, number: 0 }
    }
}

impl<T: ?Sized> Numbered<T> {
    /// Shows it; true if it was not shown before.
    pub fn show(&mut self, value: &Arc<T>) -> bool {
        if self.shown.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, value)) {
            return false;
        }
        self.shown = Some(Arc::clone(value));
        self.number = NEXT.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// The number of what is shown.
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// A heatmap and where its cells are.
#[derive(Debug, Clone)]
pub struct Pane {
    /// Panes have textures of their own.
    pub id: u64,
    /// What is shown.
    pub values: Values,
    /// 1 ringed, 2 switched off, for each cell; empty for none.
    pub marks: Arc<[u8]>,
    /// Patches instead of colors; the GPU alone can.
    pub patches: Option<Appearances>,
    /// See [`Numbered::number`].
    pub number: u64,
    /// Columns and rows.
    pub grid: (u32, u32),
    /// Cell coordinates at the top left.
    pub origin: Vec2,
    /// Points a cell.
    pub scale: Vec2,
    /// The value of the highest color.
    pub highest: f32,
    /// Colors by the logarithm of 1 + value.
    pub is_logarithmic: bool,
    /// Lines between large cells.
    pub has_gaps: bool,
}

impl Pane {
    /// Draws it into a part of the view.
    pub fn paint(self, ui: &egui::Ui, ctx: &ViewCtx<'_>, rect: Rect) {
        if !ui.is_rect_visible(rect) || rect.width() < 1.0 || rect.height() < 1.0 {
            return;
        }
        let colors = &ctx.theme.colors;
        if ctx.render_state.is_none() {
            self.paint_texture(ui, ctx, rect);
            return;
        }
        let heatmap = Heatmap {
            pane: self.id,
            values: self.values,
            marks: self.marks,
            appearances: self.patches,
            grid: self.grid,
            origin: self.origin,
            scale: self.scale,
            range: (0.0, self.highest.max(1.0)),
            is_logarithmic: self.is_logarithmic,
            has_gaps: self.has_gaps,
            colors: Arc::clone(&ctx.theme.maps),
            background: colors.panel,
            mark: colors.text,
        };
        ui.painter().add(heatmap.shape(rect));
    }

    fn paint_texture(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>, rect: Rect) {
        let size = [self.grid.0.max(1) as usize, self.grid.1.max(1) as usize];
        let texture = self.texture(ctx, size);
        let cells = vec2(size[0] as f32, size[1] as f32);
        let at = Rect::from_min_size(rect.min - self.origin * self.scale, cells * self.scale);
        let uv = Rect::from_min_max(egui::pos2(0.0, 0.0), egui::pos2(1.0, 1.0));
        ui.painter().with_clip_rect(rect.intersect(ui.clip_rect())).image(
            texture.id(),
            at,
            uv,
            Color32::WHITE,
        );
    }

    fn texture(&self, ctx: &ViewCtx<'_>, size: [usize; 2]) -> egui::TextureHandle {
        // Numbered, so that a texture is known without keeping what it was made from.
        let key = (self.id, self.number, self.is_logarithmic, ctx.theme.choice);
        let top = self.highest.max(1.0);
        let color = |value: &f32| {
            let part = if self.is_logarithmic { value.ln_1p() / top.ln_1p() } else { value / top };
            ctx.theme.maps.viridis.at(part)
        };
        ctx.textures.colors((key, Source::key()), size, Sampling::Pixels, || match &self.values {
            Values::Cells(cells) => cells.iter().map(color).collect(),
            Values::Rows(rows) => rows.iter().flat_map(|row| row.iter()).map(color).collect(),
        })
    }
}
