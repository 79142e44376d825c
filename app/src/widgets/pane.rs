//! A picture under a zoom: wheel about the pointer, drag, double click to fit.

use egui::{CornerRadius, Pos2, Rect, Sense, Vec2, pos2, vec2};

use crate::look::theme::RADIUS_PICTURE;

/// Where a zoomed picture is looked at; panes that share it move together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zoom {
    /// 1 fits the pane.
    pub scale: f32,
    /// The place of the picture in the middle of the pane, 0 to 1.
    pub center: Pos2,
}

impl Default for Zoom {
    fn default() -> Self {
        Self { scale: 1.0, center: pos2(0.5, 0.5) }
    }
}

/// A pane after it was laid out: where it is, where the whole picture would be, and what happened.
#[derive(Debug)]
pub struct Pane {
    /// The part of the screen that the pane takes; draw with a painter clipped to it.
    pub view: Rect,
    /// The whole picture on the screen; may stick out of `view`.
    pub picture: Rect,
    /// Clicks, drags, hover.
    pub response: egui::Response,
}

impl Pane {
    /// Draws a texture over the whole picture.
    pub fn paint(&self, ui: &egui::Ui, texture: egui::TextureId, tint: egui::Color32) {
        let painter = ui.painter().with_clip_rect(self.view.intersect(ui.clip_rect()));
        let inside = self.view.contains_rect(self.picture);
        let radius = if inside { CornerRadius::same(RADIUS_PICTURE) } else { CornerRadius::ZERO };
        let uv = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
        let shape =
            egui::epaint::RectShape::filled(self.picture, radius, tint).with_texture(texture, uv);
        painter.add(shape);
    }

    /// A painter that stays inside the pane.
    pub fn painter(&self, ui: &egui::Ui) -> egui::Painter {
        ui.painter().with_clip_rect(self.view.intersect(ui.clip_rect()))
    }

    /// The cell of a grid of `rows` x `columns` at a place of the screen: (row, column).
    pub fn cell_at(&self, at: Pos2, rows: usize, columns: usize) -> Option<(usize, usize)> {
        if !self.view.contains(at) || !self.picture.contains(at) {
            return None;
        }
        let place = (at - self.picture.min) / self.picture.size();
        let row = (place.y * rows as f32) as usize;
        let column = (place.x * columns as f32) as usize;
        Some((row.min(rows.checked_sub(1)?), column.min(columns.checked_sub(1)?)))
    }

    /// A cell on the screen.
    pub fn cell_rect(&self, row: usize, column: usize, rows: usize, columns: usize) -> Rect {
        let size = self.picture.size() / vec2(columns.max(1) as f32, rows.max(1) as f32);
        let offset = vec2(column as f32 * size.x, row as f32 * size.y);
        Rect::from_min_size(self.picture.min + offset, size)
    }
}

/// Lays a pane out at `view` for a picture of `size` pixels and obeys wheel and double click; drags
/// move the picture if `drag_pans`.
pub fn show(
    ui: &egui::Ui,
    id: egui::Id,
    (view, size): (Rect, [u32; 2]),
    zoom: &mut Zoom,
    drag_pans: bool,
) -> Pane {
    let response = ui.interact(view, id, Sense::click_and_drag());
    let picture = place(view, size, zoom);
    if response.contains_pointer()
        && let Some(pointer) = ui.input(|i| i.pointer.hover_pos())
    {
        let (wheel, pinch) = ui.input(|i| (i.smooth_scroll_delta.y, i.zoom_delta()));
        let factor = (wheel * 0.004).exp() * pinch;
        if (factor - 1.0).abs() > 1e-4 {
            let under = (pointer - picture.min) / picture.size();
            zoom.scale = (zoom.scale * factor).clamp(1.0, 64.0);
            let grown = place(view, size, zoom);
            // What was under the pointer stays under it.
            let moved = grown.min.to_vec2() + under * grown.size() - pointer.to_vec2();
            zoom.center += moved / grown.size();
        }
    }
    if response.dragged() && drag_pans {
        zoom.center -= response.drag_delta() / picture.size();
    }
    if response.double_clicked() && drag_pans {
        *zoom = Zoom::default();
    }
    if zoom.scale <= 1.0 {
        zoom.center = pos2(0.5, 0.5);
    }
    zoom.center = zoom.center.clamp(Pos2::ZERO, pos2(1.0, 1.0));
    Pane { view, picture: place(view, size, zoom), response }
}

fn place(view: Rect, [width, height]: [u32; 2], zoom: &Zoom) -> Rect {
    let (width, height) = (width.max(1) as f32, height.max(1) as f32);
    let fit = (view.width() / width).min(view.height() / height);
    let size: Vec2 = vec2(width, height) * fit * zoom.scale;
    let offset = (zoom.center - pos2(0.5, 0.5)) * size;
    Rect::from_center_size(view.center() - offset, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_found_where_they_are_drawn() {
        let view = Rect::from_min_size(pos2(10.0, 20.0), vec2(300.0, 200.0));
        let zoom = Zoom { scale: 3.0, center: pos2(0.25, 0.75) };
        let picture = place(view, [64, 64], &zoom);
        egui::__run_test_ui(|ui| {
            let response = ui.interact(view, egui::Id::unique("pane"), Sense::hover());
            let pane = Pane { view, picture, response };
            for (row, column) in [(10, 3), (12, 4), (11, 5)] {
                let middle = pane.cell_rect(row, column, 16, 16).center();
                if view.contains(middle) {
                    assert_eq!(pane.cell_at(middle, 16, 16), Some((row, column)));
                }
            }
            assert_eq!(pane.cell_at(pos2(0.0, 0.0), 16, 16), None);
        });
    }
}
