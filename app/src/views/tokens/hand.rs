//! The hand on the grid: pointer and keys select cells. A plain one selects anew, Shift adds, Alt takes away,
//! Ctrl turns round what is selected.

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::{Color32, Key, Modifiers, PointerButton, Pos2, Stroke, vec2};
use smalti_engine::tokens::Cell;

use super::gesture::{self, Place};
use super::painting;
use super::sheet::Sheet;
use crate::ctx::ViewCtx;
use crate::document::{Edit, Tool};
use crate::widgets::keys::{has_keys, held};
use crate::widgets::pane::{Pane, Zoom};

/// What a click or a drag does to what is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Anew,
    Add,
    TakeAway,
    /// Takes away what is all selected, and adds it if it is not.
    Turn,
}

impl How {
    fn of(modifiers: Modifiers) -> Self {
        match modifiers {
            Modifiers { alt: true, .. } => Self::TakeAway,
            Modifiers { shift: true, .. } => Self::Add,
            Modifiers { command: true, .. } => Self::Turn,
            _ => Self::Anew,
        }
    }

    fn apply(self, selected: &BTreeSet<Cell>, cells: BTreeSet<Cell>) -> BTreeSet<Cell> {
        match self {
            Self::Anew => cells,
            Self::Add => selected.union(&cells).copied().collect(),
            Self::TakeAway => selected.difference(&cells).copied().collect(),
            Self::Turn if cells.is_subset(selected) => Self::TakeAway.apply(selected, cells),
            Self::Turn => Self::Add.apply(selected, cells),
        }
    }
}

/// What a drag that goes on would select.
#[derive(Debug)]
struct Preview {
    /// By which tool, how, and after how many spots.
    of: (Tool, How, usize),
    cells: Arc<BTreeSet<Cell>>,
    brushed: Brushed,
}

/// The cells that a brush or a lasso went over so far: a long stroke is not gone along anew at every move.
#[derive(Debug, Default)]
struct Brushed {
    /// By which brush, in which part, and up to which spot of the trail.
    of: (u8, usize, usize),
    cells: BTreeSet<Cell>,
}

impl Brushed {
    /// With where the trail went since.
    fn along(self, trail: &[Pos2], brush: u8, sheet: &Sheet<'_>) -> Self {
        let (known, part, spots) = self.of;
        let goes_on = (known, part) == (brush, sheet.number) && spots <= trail.len();
        let (mut cells, spots) = if goes_on { (self.cells, spots) } else { (BTreeSet::new(), 0) };
        // From the last spot that is known on.
        let new = &trail[spots.saturating_sub(1)..];
        cells.extend(cells_at(sheet, gesture::along(new, brush, (sheet.rows, sheet.columns))));
        Self { of: (brush, sheet.number, trail.len()), cells }
    }
}

/// Where the hand is.
#[derive(Debug, Default)]
pub(in crate::views) struct Hand {
    /// Where a drag of the pointer went, in cells; of a rectangle its two corners.
    trail: Vec<Pos2>,
    preview: Option<Preview>,
    /// Where the keys are.
    cursor: Option<Place>,
    /// Where the keys began to extend.
    from: Option<Place>,
    /// The pane of the grid, which the focus goes back to.
    home: Option<egui::Id>,
    asks_for_code: bool,
}

impl Hand {
    /// The cells that are selected, or would be if the drag ended here.
    pub(in crate::views) fn selected(&self, ctx: &ViewCtx<'_>) -> Arc<BTreeSet<Cell>> {
        let cells = self.preview.as_ref().map_or(&ctx.document.selection.cells, |p| &p.cells);
        Arc::clone(cells)
    }

    /// Where the keys are: where they were left, or else at the first selected cell.
    pub(in crate::views) fn cursor(&self, ctx: &ViewCtx<'_>, sheet: &Sheet<'_>) -> Place {
        let is_there = |place: &Place| sheet.cell(*place).is_some();
        let first = || ctx.document.selection.cells.iter().find_map(|cell| sheet.place(*cell));
        self.cursor.filter(is_there).or_else(first).unwrap_or_default()
    }

    /// The cell that is told of: the one under the pointer, or else where the keys are while they work the grid or
    /// the picture beside it.
    pub(in crate::views) fn told(
        &self,
        ui: &egui::Ui,
        ctx: &ViewCtx<'_>,
        sheet: &Sheet<'_>,
    ) -> Option<Cell> {
        let has_keys = self.home.is_some_and(|home| ui.memory(|memory| memory.has_focus(home)));
        let pointed = ctx.hovered.cell().filter(|cell| sheet.place(*cell).is_some());
        pointed.or_else(|| sheet.cell(self.cursor(ctx, sheet)).filter(|_| has_keys))
    }

    /// Whether Enter was pressed on the grid, to type the code that is to be forced.
    pub(in crate::views) fn takes_code(&mut self) -> bool {
        std::mem::take(&mut self.asks_for_code)
    }

    /// The same, for who is not the one that takes it.
    pub(super) fn asks_for_code(&self) -> bool {
        self.asks_for_code
    }

    /// The focus goes back to the grid.
    pub(super) fn take_focus(&self, ui: &egui::Ui) {
        if let Some(home) = self.home {
            ui.memory_mut(|memory| memory.request_focus(home));
        }
    }

    /// Obeys pointer and keys in a pane that shows a sheet. The middle button is for the picture: drag it
    /// there, or zoom with the wheel.
    pub(in crate::views) fn ui(
        &mut self,
        ui: &egui::Ui,
        ctx: &ViewCtx<'_>,
        pane: &Pane,
        sheet: &Sheet<'_>,
        zoom: &mut Zoom,
    ) {
        let response = &pane.response;
        let under = response.hover_pos().and_then(|at| pane.cell_at(at, sheet.rows, sheet.columns));
        if let Some((place, cell)) = under.and_then(|place| Some((place, sheet.cell(place)?))) {
            ctx.hovered.set_cell(cell, sheet.code_at(place));
        }
        self.drag(ui, ctx, pane, sheet);
        self.trail_ui(ui, ctx, pane, sheet);
        self.click(ui, ctx, pane, sheet);
        if response.has_focus() {
            self.home = Some(response.id);
        }
        if has_keys(ui, response) {
            self.keys(ui, ctx, pane, sheet, zoom);
        }
    }

    /// A drag selects by the tool in hand; what it would select is seen while it is dragged.
    fn drag(&mut self, ui: &egui::Ui, ctx: &ViewCtx<'_>, pane: &Pane, sheet: &Sheet<'_>) {
        let response = &pane.response;
        if response.drag_started_by(PointerButton::Primary) {
            let origin = ui.input(|i| i.pointer.press_origin());
            let origin = origin.filter(|at| pane.cell_at(*at, sheet.rows, sheet.columns).is_some());
            self.trail = origin.map(|at| spot(pane, at, sheet)).into_iter().collect();
        }
        let is_over = response.drag_stopped_by(PointerButton::Primary);
        let is_dragged = is_over || response.dragged_by(PointerButton::Primary);
        let at = ui.input(|i| i.pointer.interact_pos());
        if let (true, false, Some(at)) = (is_dragged, self.trail.is_empty(), at) {
            self.go_on(ui, ctx, spot(pane, at, sheet), sheet);
        }
        if !is_over {
            // A drag that ended out of sight is none any more.
            if !ui.input(|i| i.pointer.primary_down() || i.pointer.primary_released()) {
                (self.trail, self.preview) = (Vec::new(), None);
            }
            return;
        }
        let trail = std::mem::take(&mut self.trail);
        if ctx.document.selection.tool == Tool::Paint {
            self.preview = None;
            if let Some(stroke) = painting::stroke(ctx, &trail, sheet) {
                ctx.send(Edit::Paint(stroke));
                response.request_focus();
            }
            return;
        }
        if let Some(Preview { cells, .. }) = self.preview.take() {
            ctx.send(Edit::SelectCells(cells));
            (self.from, self.cursor) =
                (trail.first().copied().map(place), trail.last().copied().map(place));
            response.request_focus();
        }
    }

    /// The pointer is at another spot of the drag.
    fn go_on(&mut self, ui: &egui::Ui, ctx: &ViewCtx<'_>, at: Pos2, sheet: &Sheet<'_>) {
        let tool = ctx.document.selection.tool;
        let how = How::of(held(ui));
        let is_other = self.trail.last().is_some_and(|last| last.distance(at) > 0.1);
        if is_other {
            if tool == Tool::Rectangle {
                self.trail.truncate(1);
            }
            self.trail.push(at);
        }
        let of = (tool, how, self.trail.len());
        let is_same = self.preview.as_ref().is_some_and(|preview| preview.of == of);
        let (Some(from), false) = (self.trail.first(), is_same && !is_other) else { return };
        let size = (sheet.rows, sheet.columns);
        let mut brushed = Brushed::default();
        let cells = match tool {
            Tool::Rectangle => sheet.rectangle(place(*from), place(at)).collect(),
            // It selects nothing.
            Tool::Paint => return,
            Tool::Lasso | Tool::Brush => {
                let before = self.preview.take().map(|preview| preview.brushed);
                let brush = if tool == Tool::Brush { ctx.document.selection.brush } else { 0 };
                brushed = before.unwrap_or_default().along(&self.trail, brush, sheet);
                let mut cells = brushed.cells.clone();
                // What a line goes through is drawn round as well: nothing is too small for it.
                if tool == Tool::Lasso {
                    cells.extend(cells_at(sheet, gesture::inside(&self.trail, size)));
                }
                cells
            }
        };
        let cells = Arc::new(how.apply(&ctx.document.selection.cells, cells));
        self.preview = Some(Preview { of, cells, brushed });
    }

    /// The line that is drawn round cells, over the picture.
    fn trail_ui(&self, ui: &egui::Ui, ctx: &ViewCtx<'_>, pane: &Pane, sheet: &Sheet<'_>) {
        if ctx.document.selection.tool == Tool::Paint {
            painting::preview(ui, ctx, pane, (&self.trail, sheet));
        }
        if ctx.document.selection.tool != Tool::Lasso || self.trail.len() < 2 {
            return;
        }
        let step = pane.picture.size() / vec2(sheet.columns as f32, sheet.rows as f32);
        let line: Vec<Pos2> =
            self.trail.iter().map(|at| pane.picture.min + at.to_vec2() * step).collect();
        let painter = pane.painter(ui);
        painter.line(line.clone(), Stroke::new(3.0, Color32::BLACK));
        painter.line(line, Stroke::new(1.0, Color32::WHITE));
    }

    /// A click selects a cell and its code, another one neither; a double click all cells with the code.
    fn click(&mut self, ui: &egui::Ui, ctx: &ViewCtx<'_>, pane: &Pane, sheet: &Sheet<'_>) {
        let response = &pane.response;
        // Keys press as well, but not at a place.
        if !response.clicked_by(PointerButton::Primary) {
            return;
        }
        response.request_focus();
        let how = How::of(held(ui));
        let at = response.interact_pointer_pos();
        let place = at.and_then(|at| pane.cell_at(at, sheet.rows, sheet.columns));
        let Some((place, cell)) = place.and_then(|place| Some((place, sheet.cell(place)?))) else {
            if how == How::Anew {
                ctx.send(Edit::Deselect);
            }
            return;
        };
        (self.from, self.cursor) = (Some(place), Some(place));
        if ctx.document.selection.tool == Tool::Paint {
            painting::click(ctx, pane, sheet, (at, place, how == How::TakeAway));
            return;
        }
        let selected = &ctx.document.selection.cells;
        if response.double_clicked() {
            let code = sheet.code_at(place);
            let cells = sheet.places_of(code).filter_map(|place| sheet.cell(place)).collect();
            ctx.send(Edit::SelectCells(Arc::new(how.apply(selected, cells))));
            ctx.send(Edit::SelectCode(code));
            return;
        }
        let is_alone = selected.len() == 1 && selected.contains(&cell);
        let how = if how == How::Anew && is_alone { How::TakeAway } else { how };
        select(ctx, sheet, place, how);
    }

    fn keys(
        &mut self,
        ui: &egui::Ui,
        ctx: &ViewCtx<'_>,
        pane: &Pane,
        sheet: &Sheet<'_>,
        zoom: &mut Zoom,
    ) {
        let arrows = egui::EventFilter {
            horizontal_arrows: true,
            vertical_arrows: true,
            ..Default::default()
        };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(pane.response.id, arrows));
        let pressed = |key| ui.input(|i| i.key_pressed(key));
        let at = self.cursor(ctx, sheet);
        if let Some(to) = step(ui, at, sheet) {
            self.go_to(ui, ctx, sheet, (at, to));
            bring_into_view(pane, sheet, to, zoom);
            ui.ctx().request_repaint();
        }
        if pressed(Key::Space) {
            (self.from, self.cursor) = (Some(at), Some(at));
            select(ctx, sheet, at, How::Turn);
        }
        if pressed(Key::Enter) {
            if ctx.document.selection.cells.is_empty() {
                select(ctx, sheet, at, How::Anew);
            }
            self.asks_for_code = true;
            ui.ctx().request_repaint();
        }
        let cells = &ctx.document.selection.cells;
        if (pressed(Key::Delete) || pressed(Key::Backspace)) && !cells.is_empty() {
            ctx.send(Edit::ReleaseCells(Arc::clone(cells)));
        }
    }

    /// The keys go from a place to another: plain they select it, with Shift all from where they began, with
    /// Ctrl nothing.
    fn go_to(
        &mut self,
        ui: &egui::Ui,
        ctx: &ViewCtx<'_>,
        sheet: &Sheet<'_>,
        (at, to): (Place, Place),
    ) {
        let modifiers = held(ui);
        self.cursor = Some(to);
        if modifiers.shift {
            let from = *self.from.get_or_insert(at);
            ctx.send(Edit::SelectCells(Arc::new(sheet.rectangle(from, to).collect())));
        } else {
            self.from = Some(to);
            if !modifiers.command {
                select(ctx, sheet, to, How::Anew);
            }
        }
    }
}

/// Selects a cell, or not any more; its code is looked at while it is selected.
fn select(ctx: &ViewCtx<'_>, sheet: &Sheet<'_>, place: Place, how: How) {
    let Some(cell) = sheet.cell(place) else { return };
    let cells = how.apply(&ctx.document.selection.cells, [cell].into());
    let is_selected = cells.contains(&cell);
    if is_selected || cells.is_empty() {
        ctx.send(Edit::SelectCode(sheet.code_at(place).filter(|_| is_selected)));
    }
    ctx.send(Edit::SelectCells(Arc::new(cells)));
}

/// A place of the screen in cells, or else the nearest one of those in sight.
fn spot(pane: &Pane, at: Pos2, sheet: &Sheet<'_>) -> Pos2 {
    let seen = pane.view.intersect(pane.picture).shrink(0.01);
    gesture::in_cells(at.clamp(seen.min, seen.max), pane.picture, (sheet.rows, sheet.columns))
}

/// The place of the sheet that a spot is in.
fn place(at: Pos2) -> Place {
    (at.y.max(0.0) as usize, at.x.max(0.0) as usize)
}

fn cells_at(sheet: &Sheet<'_>, places: BTreeSet<Place>) -> BTreeSet<Cell> {
    places.into_iter().filter_map(|place| sheet.cell(place)).collect()
}

/// Where the arrows lead.
fn step(ui: &egui::Ui, (row, column): Place, sheet: &Sheet<'_>) -> Option<Place> {
    let (down, right) = ui.input(|input| {
        // A slow frame sees several presses.
        let pressed = |key| input.num_presses(key) as isize;
        let all = sheet.columns as isize;
        (
            pressed(Key::ArrowDown) - pressed(Key::ArrowUp),
            pressed(Key::ArrowRight) - pressed(Key::ArrowLeft)
                + all * (pressed(Key::End) - pressed(Key::Home)),
        )
    });
    let move_by = |from: usize, by: isize, end: usize| {
        from.saturating_add_signed(by).min(end.saturating_sub(1))
    };
    let to = (move_by(row, down, sheet.rows), move_by(column, right, sheet.columns));
    (to != (row, column) && sheet.cell(to).is_some()).then_some(to)
}

/// An enlarged picture follows the keys.
fn bring_into_view(pane: &Pane, sheet: &Sheet<'_>, (row, column): Place, zoom: &mut Zoom) {
    let cell = pane.cell_rect(row, column, sheet.rows, sheet.columns);
    if !pane.view.expand(0.5).contains_rect(cell) {
        let at = (cell.center() - pane.picture.min) / pane.picture.size();
        zoom.center = at.to_pos2();
    }
}

#[cfg(test)]
mod tests {
    use egui::pos2;
    use smalti_engine::tokens::Tokens;

    use super::*;

    #[test]
    fn a_stroke_that_grows_selects_what_one_that_is_seen_whole_does() {
        let tokens = Tokens::grid(12, 12, 4, vec![0; 144]).unwrap();
        let sheet = Sheet::new(0, tokens.first(), true);
        let trail = [(1.0, 1.0), (9.0, 2.5), (9.0, 9.0), (2.0, 7.5)].map(|(x, y)| pos2(x, y));
        let whole =
            |brush| cells_at(&sheet, gesture::along(&trail, brush, (sheet.rows, sheet.columns)));
        let mut brushed = Brushed::default();
        for end in 1..=trail.len() {
            brushed = brushed.along(&trail[..end], 2, &sheet);
        }
        assert_eq!(brushed.cells, whole(2));
        let thin = brushed.along(&trail, 0, &sheet);
        assert_eq!(thin.cells, whole(0), "another brush goes along all of it");
        let next = thin.along(&trail[..1], 0, &sheet);
        assert_eq!(next.cells, [Cell::at(1, 1)].into(), "another stroke");
    }

    #[test]
    fn shift_adds_alt_takes_away_and_ctrl_turns_round() {
        let cells = |columns: std::ops::Range<usize>| -> BTreeSet<Cell> {
            columns.map(|column| Cell::at(0, column)).collect()
        };
        let after = |modifiers, with| How::of(modifiers).apply(&cells(0..4), cells(with));
        assert_eq!(after(Modifiers::NONE, 2..6), cells(2..6));
        assert_eq!(after(Modifiers::SHIFT, 2..6), cells(0..6));
        assert_eq!(after(Modifiers::SHIFT, 1..2), cells(0..4), "what is selected stays");
        assert_eq!(after(Modifiers::ALT, 2..6), cells(0..2));
        assert_eq!(after(Modifiers::COMMAND, 2..6), cells(0..6));
        assert_eq!(after(Modifiers::COMMAND, 2..4), cells(0..2));
    }
}
