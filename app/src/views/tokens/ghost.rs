//! Tokens that are being put somewhere: they follow the pointer or the arrows over the grid, and a click or Enter puts
//! them there. What is locked stays.

use egui::{Color32, Key, Mesh, Pos2, Shape, Stroke, StrokeKind};

use super::sheet::Sheet;
use crate::ctx::ViewCtx;
use crate::document::{AppCommand, Edit, Notice, Region};
use crate::look::colors::color_of;
use crate::widgets::keys::{has_keys, is_pressed_once};
use crate::widgets::pane::Pane;

/// Where they are now.
#[derive(Debug, Default)]
pub(super) struct Ghost {
    /// The row and the column of their upper left corner; none until they are seen first.
    at: Option<(isize, isize)>,
    /// Where the pointer was last: the arrows go on until it moves.
    pointer: Option<Pos2>,
}

impl Ghost {
    /// None are put anywhere.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Obeys pointer and keys in the pane of the grid, and draws them.
    pub(super) fn ui(
        &mut self,
        ui: &egui::Ui,
        ctx: &ViewCtx<'_>,
        pane: &Pane,
        (sheet, region): (&Sheet<'_>, &Region),
    ) {
        let response = &pane.response;
        if self.at.is_none() {
            response.request_focus();
        }
        // Tokens is brought to the front for them: then they have the keyboard, too.
        ctx.take_focus(response);
        let start = || {
            let mut selected = ctx.document.selection.cells.iter();
            let (row, column) = selected.find_map(|cell| sheet.place(*cell)).unwrap_or_default();
            (row as isize, column as isize)
        };
        let mut at = self.at.unwrap_or_else(start);
        let pointer = response.hover_pos().filter(|at| self.pointer != Some(*at));
        if let Some(pointer) = pointer
            && let Some((row, column)) = pane.cell_at(pointer, sheet.rows, sheet.columns)
        {
            // In its middle.
            let (high, wide) = (region.rows as isize, region.columns as isize);
            at = (row as isize - (high - 1) / 2, column as isize - (wide - 1) / 2);
            self.pointer = Some(pointer);
        }
        let (mut is_put, mut is_left) = (response.clicked(), false);
        if has_keys(ui, response) {
            at = moved(ui, response.id, at);
            is_put |= is_pressed_once(ui, Key::Enter);
            is_left = ui.input(|i| i.key_pressed(Key::Escape));
        }
        // Never wholly outside.
        let within = |at: isize, size: usize, all: usize| {
            at.clamp(1 - size.max(1) as isize, all.max(1) as isize - 1)
        };
        at = (within(at.0, region.rows, sheet.rows), within(at.1, region.columns, sheet.columns));
        self.at = Some(at);
        paint(ui, ctx, pane, (sheet, region, at));
        if is_put {
            put(ctx, (sheet, region, at));
        }
        if is_put || is_left {
            ctx.send(AppCommand::PasteTokens(None));
        }
    }
}

/// Where the arrows lead.
fn moved(ui: &egui::Ui, id: egui::Id, (row, column): (isize, isize)) -> (isize, isize) {
    let arrows = egui::EventFilter {
        horizontal_arrows: true,
        vertical_arrows: true,
        escape: true,
        ..Default::default()
    };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(id, arrows));
    ui.input(|input| {
        let pressed = |key| input.num_presses(key) as isize;
        (
            row + pressed(Key::ArrowDown) - pressed(Key::ArrowUp),
            column + pressed(Key::ArrowRight) - pressed(Key::ArrowLeft),
        )
    })
}

fn put(ctx: &ViewCtx<'_>, (sheet, region, at): (&Sheet<'_>, &Region, (isize, isize))) {
    if ctx.pasting().is_none_or(|known| **known != *region) {
        return;
    }
    if sheet.part.book() != region.book {
        let hint = "Look at a part of the book that they were copied from";
        ctx.send(Notice::warning("The copied tokens are of another book", hint));
        return;
    }
    let size = sheet.part.codebook_size();
    let tokens = region.at(at, (sheet.number, sheet.part)).into_iter();
    let tokens: Vec<_> = tokens.filter(|(_, code)| *code < size).collect();
    if !tokens.is_empty() {
        ctx.send(Edit::ForceTokens(tokens.into()));
    }
}

fn paint(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    pane: &Pane,
    (sheet, region, at): (&Sheet<'_>, &Region, (isize, isize)),
) {
    let look = ctx.appearance(region.book);
    let color = |code: u32| {
        let known = look.best().and_then(|look| look.colors.get(code as usize));
        known.map_or_else(|| color_of(code, &[]), |[r, g, b]| Color32::from_rgb(*r, *g, *b))
    };
    let painter = pane.painter(ui);
    let (mut mesh, mut edges) = (Mesh::default(), Vec::new());
    for (cell, code) in region.at(at, (sheet.number, sheet.part)) {
        let Some((row, column)) = sheet.place(cell) else { continue };
        let rect = pane.cell_rect(row, column, sheet.rows, sheet.columns);
        mesh.add_colored_rect(rect, color(code));
        let is_locked = ctx.document.locks.contains(&cell);
        let edge = if is_locked { ctx.theme.colors.danger } else { ctx.theme.colors.gold };
        edges.push(Shape::rect_stroke(rect, 0.0, Stroke::new(1.0, edge), StrokeKind::Inside));
    }
    painter.add(Shape::mesh(mesh));
    painter.extend(edges);
}
