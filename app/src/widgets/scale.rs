//! The bar that says what colors mean.

use egui::{Color32, Rect, lerp, pos2, vec2};

use crate::ctx::ViewCtx;
use crate::look::colors::ColorMaps;
use crate::look::theme::space;

/// Pieces of the bar, each with a color at both ends.
const STEPS: u32 = 32;
/// Width of the bar in points, where there is room.
const BAR: f32 = 72.0;

/// Values as colors.
#[derive(Clone, Copy)]
pub struct Scale<'a> {
    /// Words at both ends.
    pub ends: [&'a str; 2],
    /// Values at both ends.
    pub values: [f32; 2],
    /// The color of a value.
    pub color: fn(&ColorMaps, f32) -> Color32,
    /// What is measured, in a sentence without a full stop.
    pub about: &'a str,
}

impl std::fmt::Debug for Scale<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scale({:?})", self.ends)
    }
}

impl Scale<'_> {
    /// The words at both ends, laid out.
    fn words(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>) -> [std::sync::Arc<egui::Galley>; 2] {
        let dim = ctx.theme.colors.dim;
        self.ends.map(|end| ui.painter().layout_no_wrap(end.to_owned(), ctx.theme.figures(), dim))
    }

    /// The room that it takes, with a bar of this width.
    fn wide(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>, middle: f32) -> f32 {
        self.words(ui, ctx).iter().map(|g| g.size().x).sum::<f32>() + middle + 2.0 * space::XS
    }

    /// The room that it takes where there is enough.
    pub fn width(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>) -> f32 {
        self.wide(ui, ctx, ctx.theme.px(BAR))
    }

    /// Draws it at the right end of a line; gives what is left of the line.
    pub fn ui(self, ui: &egui::Ui, ctx: &ViewCtx<'_>, line: Rect) -> Rect {
        let wide = self.wide(ui, ctx, ctx.theme.px(BAR).min(line.width() * 0.3));
        let (rest, whole) = line.split_left_right_at_x(line.right() - wide);
        self.fill(ui, ctx, whole);
        rest.with_max_x(rest.right() - space::S)
    }

    /// Draws it over a whole line.
    pub fn fill(self, ui: &egui::Ui, ctx: &ViewCtx<'_>, whole: Rect) {
        let (galleys, dim) = (self.words(ui, ctx), ctx.theme.colors.dim);
        let words = galleys.iter().map(|g| g.size().x).sum::<f32>();
        let size = vec2((whole.width() - words - 2.0 * space::XS).max(0.0), ctx.theme.px(8.0));
        let y = whole.center().y;
        let start = whole.left() + galleys[0].size().x + space::XS;
        let place = Rect::from_min_size(pos2(start, y - size.y / 2.0), size);
        for (galley, x) in galleys.into_iter().zip([whole.left(), place.right() + space::XS]) {
            ui.painter().galley(pos2(x, y - galley.size().y / 2.0), galley, dim);
        }
        ui.painter().add(self.mesh(ctx, place));
        let id = ui.scope_id().with(("scale", whole.left() as i32, whole.top() as i32));
        let response = ui.interact(whole, id, egui::Sense::hover());
        response.widget_info(|| {
            let name = format!("scale from {} to {}", self.ends[0], self.ends[1]);
            egui::WidgetInfo::labeled(egui::Role::Label, true, name)
        });
        response.on_hover_text(self.about);
    }

    fn mesh(self, ctx: &ViewCtx<'_>, place: Rect) -> egui::Mesh {
        let mut mesh = egui::Mesh::default();
        let [low, high] = self.values;
        for step in 0..=STEPS {
            let along = step as f32 / STEPS as f32;
            let color = (self.color)(&ctx.theme.maps, lerp(low..=high, along));
            let x = lerp(place.left()..=place.right(), along);
            mesh.colored_vertex(pos2(x, place.top()), color);
            mesh.colored_vertex(pos2(x, place.bottom()), color);
            if step > 0 {
                let new = 2 * step;
                mesh.add_triangle(new - 2, new - 1, new);
                mesh.add_triangle(new - 1, new, new + 1);
            }
        }
        mesh
    }
}
