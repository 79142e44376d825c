//! A picture under a zoom: wheel about the pointer, drag, double click to fit.

use std::hash::{Hash, Hasher};
use std::ops::Range;

use egui::{CornerRadius, PointerButton, Pos2, Rect, Sense, Vec2, pos2, vec2};

use crate::ctx::ViewCtx;
use crate::document::ZoomTo;
use crate::look::theme::RADIUS_PICTURE;

/// How much larger a step of the keys makes a picture.
const STEP: f32 = 1.5;
/// The most that a picture is larger than where it fits.
const MOST: f32 = 64.0;
/// Dots of the screen that a pixel can have at least, however small a picture is where it fits.
const MOST_DOTS: f32 = 32.0;

/// Where a zoomed picture is looked at; panes that share it move together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Zoom {
    /// 1 fits the pane.
    pub scale: f32,
    /// The place of the picture in the middle of the pane, 0 to 1.
    pub center: Pos2,
    /// What is looked at.
    material: u64,
    /// What was asked for by name or key.
    asked: Option<ZoomTo>,
}

impl Default for Zoom {
    fn default() -> Self {
        Self { scale: 1.0, center: pos2(0.5, 0.5), material: 0, asked: None }
    }
}

impl Zoom {
    /// Takes in what was asked for in this frame. What is new `is_there`, and not the last picture any
    /// more: then it is seen as a whole, not in the last one's crop.
    pub fn follow(&mut self, ctx: &ViewCtx<'_>, is_there: bool) {
        self.asked = ctx.zoom;
        let mut hasher = std::hash::DefaultHasher::new();
        ctx.document.subject.hash(&mut hasher);
        let material = hasher.finish();
        if is_there && material != self.material {
            *self = Self { material, asked: self.asked, ..Self::default() };
        }
    }
}

/// Where a pane is and how large its picture is in it.
#[derive(Debug, Clone, Copy)]
pub struct Framed {
    /// The part of the screen that the pane takes.
    pub view: Rect,
    /// Pixels of the picture, width and height.
    pub size: [u32; 2],
    /// Points a pixel where nothing is zoomed.
    pub fit: f32,
}

impl From<(Rect, [u32; 2])> for Framed {
    fn from((view, size): (Rect, [u32; 2])) -> Self {
        Self { view, size, fit: fit(view.size(), size) }
    }
}

/// Points a pixel of a picture that is as large as fits.
pub fn fit(room: Vec2, [width, height]: [u32; 2]) -> f32 {
    (room.x / width.max(1) as f32).min(room.y / height.max(1) as f32)
}

/// Room that a picture fills where it has more than it needs to be seen as a whole: it grows with the
/// zoom until the room is full, and only then becomes a crop.
pub fn grown(size: [u32; 2], fit: f32, zoom: &Zoom, room: Vec2) -> Vec2 {
    let whole = vec2(size[0].max(1) as f32, size[1].max(1) as f32) * fit;
    (whole * zoom.scale.max(1.0)).min(room).max(whole)
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

    /// The rows and the columns of cells that can be seen.
    pub fn cells_seen(&self, rows: usize, columns: usize) -> (Range<usize>, Range<usize>) {
        let size = self.picture.size() / vec2(columns.max(1) as f32, rows.max(1) as f32);
        let seen = self.view.intersect(self.picture);
        let along = |from: f32, to: f32, step: f32, count: usize| {
            let first = ((from / step).floor().max(0.0) as usize).min(count);
            first..((to / step).ceil().max(0.0) as usize).min(count)
        };
        let corner = self.picture.min;
        (
            along(seen.top() - corner.y, seen.bottom() - corner.y, size.y, rows),
            along(seen.left() - corner.x, seen.right() - corner.x, size.x, columns),
        )
    }
}

/// Lays a pane out for a picture and obeys wheel, double click and what was asked for by name or key;
/// drags move the picture if `drag_pans`, those with the middle button always.
pub fn show(
    ui: &egui::Ui,
    id: egui::Id,
    framed: impl Into<Framed>,
    zoom: &mut Zoom,
    drag_pans: bool,
) -> Pane {
    let framed = framed.into();
    let before = *zoom;
    let response = ui.interact(framed.view, id, Sense::click_and_drag());
    let dot = 1.0 / (framed.fit * ui.ctx().pixels_per_point()).max(1e-6);
    let limits = dot.min(1.0)..=MOST.max(MOST_DOTS * dot);
    obey(zoom, dot);
    let picture = place(&framed, zoom);
    if response.contains_pointer()
        && let Some(pointer) = ui.input(|i| i.pointer.hover_pos())
    {
        let (wheel, pinch) = ui.input(|i| (i.smooth_scroll_delta.y, i.zoom_delta()));
        let factor = (wheel * 0.004).exp() * pinch;
        if (factor - 1.0).abs() > 1e-4 {
            let under = (pointer - picture.min) / picture.size();
            // The wheel goes back to the whole picture, and not to less of it.
            let least = limits.start().max(zoom.scale.min(1.0));
            zoom.scale = (zoom.scale * factor).clamp(least, *limits.end());
            let grown = place(&framed, zoom);
            // What was under the pointer stays under it.
            let moved = grown.min.to_vec2() + under * grown.size() - pointer.to_vec2();
            zoom.center += moved / grown.size();
        }
    }
    let pans = |button| response.dragged_by(button);
    if pans(PointerButton::Middle) || (drag_pans && pans(PointerButton::Primary)) {
        zoom.center -= response.drag_delta() / picture.size();
    }
    if response.double_clicked() && drag_pans {
        zoom.scale = 1.0;
    }
    zoom.scale = zoom.scale.clamp(*limits.start(), *limits.end());
    keep_inside(&framed, zoom);
    if (zoom.scale, zoom.center) != (before.scale, before.center) {
        // Panes grow with it, and those that were drawn before this one move with it.
        ui.ctx().request_repaint();
    }
    Pane { view: framed.view, picture: place(&framed, zoom), response }
}

/// What was asked for by name or key; `dot` is the scale at which a pixel is one of the screen.
fn obey(zoom: &mut Zoom, dot: f32) {
    match zoom.asked.take() {
        Some(ZoomTo::Fit) => zoom.scale = 1.0,
        Some(ZoomTo::Pixels) => zoom.scale = dot,
        Some(ZoomTo::In) => zoom.scale *= STEP,
        Some(ZoomTo::Out) => zoom.scale = (zoom.scale / STEP).max(zoom.scale.min(1.0)),
        None => {}
    }
}

/// A picture that is larger than its pane fills it; one that is smaller stands in its middle.
fn keep_inside(framed: &Framed, zoom: &mut Zoom) {
    let picture = place(framed, zoom).size();
    let axis = |center: f32, room: f32, whole: f32| {
        let half = (room / whole.max(1e-3) / 2.0).min(0.5);
        center.clamp(half, 1.0 - half)
    };
    let view = framed.view.size();
    zoom.center =
        pos2(axis(zoom.center.x, view.x, picture.x), axis(zoom.center.y, view.y, picture.y));
}

fn place(framed: &Framed, zoom: &Zoom) -> Rect {
    let [width, height] = framed.size.map(|side| side.max(1) as f32);
    let size: Vec2 = vec2(width, height) * framed.fit * zoom.scale;
    let offset = (zoom.center - pos2(0.5, 0.5)) * size;
    Rect::from_center_size(framed.view.center() - offset, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed() -> Framed {
        Framed::from((Rect::from_min_size(pos2(10.0, 20.0), vec2(300.0, 200.0)), [64, 64]))
    }

    #[test]
    fn cells_are_found_where_they_are_drawn() {
        let Framed { view, .. } = framed();
        let zoom = Zoom { scale: 3.0, center: pos2(0.25, 0.75), ..Zoom::default() };
        let picture = place(&framed(), &zoom);
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

    #[test]
    fn cells_that_are_seen_are_those_that_meet_the_view() {
        let Framed { view, .. } = framed();
        for scale in [1.0, 3.0, 20.0] {
            let zoom = Zoom { scale, center: pos2(0.25, 0.75), ..Zoom::default() };
            let picture = place(&framed(), &zoom);
            egui::__run_test_ui(|ui| {
                let response = ui.interact(view, egui::Id::unique("pane"), Sense::hover());
                let pane = Pane { view, picture, response };
                let (rows, columns) = pane.cells_seen(16, 24);
                for (row, column) in (0..16).flat_map(|row| (0..24).map(move |c| (row, c))) {
                    let meets = view.shrink(0.1).intersects(pane.cell_rect(row, column, 16, 24));
                    let is_seen = rows.contains(&row) && columns.contains(&column);
                    assert!(is_seen || !meets, "{scale}: {row} {column}");
                    let is_near = view.expand(0.1).intersects(pane.cell_rect(row, column, 16, 24));
                    assert!(is_near || !is_seen, "{scale}: {row} {column} is out of sight");
                }
            });
        }
    }

    #[test]
    fn a_picture_larger_than_its_pane_leaves_no_hole_in_it() {
        let framed = framed();
        for center in [pos2(0.0, 0.0), pos2(1.0, 0.5), pos2(0.4, 0.9)] {
            for scale in [1.0, 1.2, 3.0, 20.0] {
                let mut zoom = Zoom { scale, center, ..Zoom::default() };
                keep_inside(&framed, &mut zoom);
                let picture = place(&framed, &zoom);
                let holes = [
                    picture.left() - framed.view.left(),
                    framed.view.right() - picture.right(),
                    picture.top() - framed.view.top(),
                    framed.view.bottom() - picture.bottom(),
                ];
                let most = (framed.view.size() - picture.size()).max(Vec2::ZERO) / 2.0;
                let allowed = [most.x, most.x, most.y, most.y];
                for (hole, allowed) in holes.into_iter().zip(allowed) {
                    assert!(hole <= allowed + 0.01, "{center:?} x{scale}: {hole} of {allowed}");
                }
            }
        }
    }

    #[test]
    fn at_100_percent_a_pixel_is_one_of_the_screen_and_fit_goes_back() {
        let framed = framed();
        // 200 points for 64 pixels, and two dots a point.
        let dot = 1.0 / (framed.fit * 2.0);
        let mut zoom = Zoom { asked: Some(ZoomTo::Pixels), ..Zoom::default() };
        obey(&mut zoom, dot);
        assert!((place(&framed, &zoom).width() * 2.0 - 64.0).abs() < 0.01);
        zoom.asked = Some(ZoomTo::Fit);
        obey(&mut zoom, dot);
        assert_eq!((zoom.scale, zoom.asked), (1.0, None));
    }
}
