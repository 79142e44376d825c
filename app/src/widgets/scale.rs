//! The bar that says what colors mean.

use egui::{Color32, Rect, lerp, pos2, vec2};

use crate::ctx::ViewCtx;
use crate::look::colors::ColorMaps;
use crate::look::theme::space;

/// Pieces of the bar, each with a color at both ends.
const STEPS: u32 = 32;

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
    /// Draws it at the right end of a line; gives what is left of the line.
    pub fn ui(self, ui: &egui::Ui, ctx: &ViewCtx<'_>, line: Rect) -> Rect {
        let theme = ctx.theme;
        let dim = theme.colors.dim;
        let galleys =
            self.ends.map(|end| ui.painter().layout_no_wrap(end.to_owned(), theme.figures(), dim));
        let size = vec2(theme.px(72.0).min(line.width() * 0.3), theme.px(8.0));
        let wide = galleys.iter().map(|g| g.size().x).sum::<f32>() + size.x + 2.0 * space::XS;
        let (rest, whole) = line.split_left_right_at_x(line.right() - wide);
        let y = line.center().y;
        let start = whole.left() + galleys[0].size().x + space::XS;
        let place = Rect::from_min_size(pos2(start, y - size.y / 2.0), size);
        for (galley, x) in galleys.into_iter().zip([whole.left(), place.right() + space::XS]) {
            ui.painter().galley(pos2(x, y - galley.size().y / 2.0), galley, dim);
        }
        ui.painter().add(self.mesh(ctx, place));
        let id = ui.scope_id().with(("scale", line.left() as i32, line.top() as i32));
        let response = ui.interact(whole, id, egui::Sense::hover());
        response.widget_info(|| {
            let name = format!("scale from {} to {}", self.ends[0], self.ends[1]);
            egui::WidgetInfo::labeled(egui::Role::Label, true, name)
        });
        response.on_hover_text(self.about);
        rest.with_max_x(rest.right() - space::S)
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
