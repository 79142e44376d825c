//! Hands on scales: what is seen of each, coarse ones from another picture, finer ones written anew, and cells that are
//! picked in the scale that is looked at.

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::{Button, Pos2, Rect, Response, Stroke, StrokeKind, vec2};
use smalti_engine::tokens::{Cell, Code, Part};

use super::shown::{Of, Shown};
use crate::ctx::ViewCtx;
use crate::document::{Edit, Generate, Look};

/// What is seen of each scale.
pub(super) fn looks_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let adds = ctx.document.looks.adds;
    let about = "What each scale adds: the picture with it less the picture without it (A)";
    for (is_it, words, about) in [
        (false, "picture so far", "The picture after each scale (A)"),
        (true, "what it adds", about),
    ] {
        if ui.selectable_label(adds == is_it, words).on_hover_text(about).clicked() {
            ctx.send(Look::Adds(is_it));
        }
    }
}

/// Coarse scales from elsewhere, and the finer ones anew.
pub(super) fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    ui.separator();
    let why = ctx.coarse_scale().err();
    ui.add_enabled_ui(why.is_none(), |ui| {
        let menu = ui.menu_button("coarse scales from…", |ui| {
            for (name, from) in ctx.others_in_scales() {
                if ui.button(name).clicked() {
                    if let Ok(edit) = ctx.mixing(&from) {
                        ctx.send(edit);
                    }
                    ui.close();
                }
            }
        });
        let about = "Up to the scale that is looked at; the finer ones stay";
        menu.response.on_hover_text(about).on_disabled_hover_text(why.clone().unwrap_or_default());
    });
    let asked = ctx.finer_anew();
    let why = asked.as_ref().err().cloned().unwrap_or_default();
    let button = ui.add_enabled(asked.is_ok(), Button::new("finer scales anew"));
    let about = "VAR writes the scales behind the one that is looked at (Shift+R)";
    let is_clicked = button.on_hover_text(about).on_disabled_hover_text(why).clicked();
    if let Ok(asked) = asked
        && is_clicked
    {
        ctx.send(Generate::Rewrite { asked: Box::new(asked), count: 1 });
    }
}

/// Cells of the scale that is looked at are picked by a click on its tokens, more with Shift, and lit under the pointer;
/// true if it was a click of that kind.
pub(super) fn pick(ui: &egui::Ui, ctx: &ViewCtx<'_>, shown: &Shown, response: &Response) -> bool {
    if shown.whose() != Of::Encoded {
        return false;
    }
    let (number, part) = (shown.at, shown.part(shown.at));
    let cell_at = |at: Pos2| cell_at(response.rect, (number, part), at);
    if let Some(cell) = response.hover_pos().and_then(cell_at) {
        let code = shown.tokens.get(cell).map(|number| Code { book: part.book(), number });
        ctx.hovered.set_cell(cell, code);
    }
    let Some(cell) = response.interact_pointer_pos().and_then(cell_at) else { return false };
    if !response.clicked() {
        return false;
    }
    let now = &ctx.document.selection.cells;
    let adds = ui.input(|input| input.modifiers.shift);
    let mut cells: BTreeSet<Cell> = if adds { BTreeSet::clone(now) } else { BTreeSet::new() };
    let is_new = !now.contains(&cell);
    if is_new {
        cells.insert(cell);
    } else {
        cells.remove(&cell);
    }
    ctx.send(Edit::SelectCells(Arc::new(cells)));
    true
}

/// The selected cells of a scale.
pub(super) fn selected(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    rect: Rect,
    (number, part): (usize, &Part),
) {
    let step = rect.size() / vec2(part.columns().max(1) as f32, part.rows().max(1) as f32);
    let own = |cell: &&Cell| usize::from(cell.part) == number;
    for cell in ctx.document.selection.cells.iter().filter(own) {
        let corner = rect.min + vec2(cell.column as f32, f32::from(cell.row)) * step;
        let place = Rect::from_min_size(corner, step);
        let stroke = Stroke::new(ctx.theme.line(2.0), ctx.theme.colors.gold);
        ui.painter().rect_stroke(place, 0.0, stroke, StrokeKind::Inside);
    }
}

fn cell_at(rect: Rect, (number, part): (usize, &Part), at: Pos2) -> Option<Cell> {
    let share = (at - rect.min) / rect.size();
    let row = (share.y * part.rows() as f32) as usize;
    let column = (share.x * part.columns() as f32) as usize;
    let at = part.index(0, row, column).filter(|_| share.x >= 0.0 && share.y >= 0.0)?;
    Some(part.cell(number, at))
}
