//! Painting on the picture: the stroke as it is drawn, and as the engine takes it.

use egui::{Color32, Pos2, Stroke, vec2};
use smalti_engine::questions::{BrushStroke, STROKE_UNIT};

use super::gesture::{self, Place};
use super::sheet::Sheet;
use crate::ctx::ViewCtx;
use crate::document::Edit;
use crate::widgets::pane::Pane;

/// Half of the brush's width, in cells.
fn reach(ctx: &ViewCtx<'_>) -> f32 {
    f32::from(ctx.document.selection.brush) + 0.5
}

/// The stroke along a line, whose spots are in cells; `None` where there is none.
pub(super) fn stroke(ctx: &ViewCtx<'_>, line: &[Pos2], sheet: &Sheet<'_>) -> Option<BrushStroke> {
    if line.is_empty() {
        return None;
    }
    let (rows, columns) = (sheet.rows.max(1) as f32, sheet.columns.max(1) as f32);
    let unit = STROKE_UNIT as f32;
    let at = |at: &Pos2| ((at.x / columns * unit) as i32, (at.y / rows * unit) as i32);
    Some(BrushStroke {
        points: line.iter().map(at).collect(),
        radius: (reach(ctx) / columns * unit) as i32,
        color: ctx.document.selection.color,
    })
}

/// Draws it as far as it goes.
pub(super) fn preview(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    pane: &Pane,
    (line, sheet): (&[Pos2], &Sheet<'_>),
) {
    let [r, g, b] = ctx.document.selection.color;
    let color = Color32::from_rgb(r, g, b);
    let (rows, columns) = (sheet.rows.max(1) as f32, sheet.columns.max(1) as f32);
    let step = pane.picture.size() / vec2(columns, rows);
    let radius = reach(ctx) * step.x;
    let painter = pane.painter(ui);
    let spots: Vec<Pos2> = line.iter().map(|at| pane.picture.min + at.to_vec2() * step).collect();
    for spot in &spots {
        painter.circle_filled(*spot, radius, color);
    }
    for pair in spots.windows(2) {
        painter.line_segment([pair[0], pair[1]], Stroke::new(2.0 * radius, color));
    }
    // Where it would begin.
    if spots.is_empty()
        && let Some(at) = pane.response.hover_pos()
    {
        painter.circle_stroke(at, radius, Stroke::new(3.0, Color32::BLACK));
        painter.circle_stroke(at, radius, Stroke::new(1.0, Color32::WHITE));
    }
}

/// A click paints a dot; one that picks (with Alt) takes the color that the cell's code decodes to.
pub(super) fn click(
    ctx: &ViewCtx<'_>,
    pane: &Pane,
    sheet: &Sheet<'_>,
    (at, place, picks): (Option<Pos2>, Place, bool),
) {
    if picks {
        let look = ctx.appearance(sheet.part.book());
        let code = sheet.number_at(place);
        let color = look.best().and_then(|look| look.colors.get(code? as usize).copied());
        ctx.send(Edit::Color(color.unwrap_or(ctx.document.selection.color)));
        return;
    }
    let size = (sheet.rows, sheet.columns);
    let spot = at.map(|at| gesture::in_cells(at, pane.picture, size));
    if let Some(stroke) = spot.and_then(|spot| stroke(ctx, &[spot], sheet)) {
        ctx.send(Edit::Paint(stroke));
    }
}
