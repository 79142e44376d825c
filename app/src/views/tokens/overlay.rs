//! What is drawn over a picture for its tokens: colors, lines, numbers, states.

use std::sync::Arc;

use egui::{Align2, Color32, Rect, Shape, Stroke, StrokeKind, pos2, vec2};
use smalti_engine::answers::GridRef;
use smalti_engine::tokens::{Cell, Grid};

use crate::ctx::ViewCtx;
use crate::document::{ColorBy, Slot};
use crate::look::colors::color_of;
use crate::look::textures::Sampling;
use crate::widgets::pane::Pane;

/// What colors may come from, as far as it is known.
pub(super) struct Sources<'a> {
    /// The mean decoded color of each code.
    pub(super) colors: Option<&'a [[u8; 3]]>,
    /// How often each code stands in the grid.
    pub(super) counts: Option<&'a [u64]>,
    /// Mean absolute error of each cell.
    pub(super) errors: Option<&'a [f32]>,
}

/// The grid as colors over the picture, its lines and its numbers.
pub(super) fn paint(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    pane: &Pane,
    grid_ref: &GridRef,
    sources: &Sources<'_>,
) {
    let grid = grid_ref.grid();
    let looks = &ctx.document.looks;
    let known = match looks.color_by {
        ColorBy::Code => 0,
        ColorBy::Mosaic => sources.colors.map_or(0, |c| c.as_ptr().addr()),
        ColorBy::Usage => sources.counts.map_or(0, |c| c.as_ptr().addr()),
        ColorBy::Difference => sources.errors.map_or(0, |c| c.as_ptr().addr()),
    };
    let key = ("tokens", grid_ref, looks.color_by, known, ctx.theme.choice);
    let size = [grid.width(), grid.height()];
    let texture = ctx.textures.colors(key, size, Sampling::Pixels, || colors(ctx, grid, sources));
    let alpha = (looks.token_opacity * 255.0) as u8;
    pane.paint(ui, texture.id(), Color32::from_white_alpha(alpha));
    let cell = pane.picture.width() / grid.width().max(1) as f32;
    if cell >= 6.0 {
        lines(ui, pane, grid, ((cell - 6.0) / 10.0).min(1.0));
    }
    if cell >= ctx.theme.px(26.0) && looks.show_ids {
        numbers(ui, ctx, pane, grid);
    }
}

fn colors(ctx: &ViewCtx<'_>, grid: &Grid, sources: &Sources<'_>) -> Vec<Color32> {
    let levels = ctx
        .facts(Slot::A)
        .and_then(|facts| facts.best().map(|facts| facts.facts.levels.clone()))
        .unwrap_or_default();
    let by_code = |code: u32| color_of(code, &levels);
    let map = &ctx.theme.maps.viridis;
    let highest = sources.counts.and_then(|c| c.iter().max().copied()).unwrap_or(1) as f32;
    let tokens = grid.tokens().iter().enumerate();
    tokens
        .map(|(at, code)| match ctx.document.looks.color_by {
            ColorBy::Code => by_code(*code),
            ColorBy::Mosaic => match sources.colors.and_then(|c| c.get(*code as usize)) {
                Some([r, g, b]) => Color32::from_rgb(*r, *g, *b),
                None => by_code(*code),
            },
            ColorBy::Usage => {
                let count = sources.counts.and_then(|c| c.get(*code as usize)).copied();
                let value = (1.0 + count.unwrap_or(0) as f32).ln() / (1.0 + highest).ln();
                map.at(value)
            }
            // An error of a quarter of the range is the end of the scale: fixed, so that pictures
            // can be compared.
            ColorBy::Difference => {
                map.at(sources.errors.and_then(|e| e.get(at)).copied().unwrap_or(0.0) * 4.0)
            }
        })
        .collect()
}

/// The cells that can be seen: (first row, end), (first column, end).
fn visible(pane: &Pane, grid: &Grid) -> ((usize, usize), (usize, usize)) {
    let size = pane.picture.size() / vec2(grid.width() as f32, grid.height() as f32);
    let seen = pane.view.intersect(pane.picture);
    let first = |from: f32, step: f32| (from / step).floor().max(0.0) as usize;
    let end = |to: f32, step: f32, n: usize| ((to / step).ceil().max(0.0) as usize).min(n);
    (
        (
            first(seen.top() - pane.picture.top(), size.y),
            end(seen.bottom() - pane.picture.top(), size.y, grid.height()),
        ),
        (
            first(seen.left() - pane.picture.left(), size.x),
            end(seen.right() - pane.picture.left(), size.x, grid.width()),
        ),
    )
}

fn lines(ui: &egui::Ui, pane: &Pane, grid: &Grid, strength: f32) {
    let stroke = Stroke::new(1.0, Color32::from_black_alpha((strength * 70.0) as u8));
    let ((top, bottom), (left, right)) = visible(pane, grid);
    let painter = pane.painter(ui);
    let seen = pane.view.intersect(pane.picture);
    for row in top..=bottom {
        let y = pane.cell_rect(row, 0, grid.height(), grid.width()).top();
        painter.hline(seen.x_range(), y, stroke);
    }
    for column in left..=right {
        let x = pane.cell_rect(0, column, grid.height(), grid.width()).left();
        painter.vline(x, seen.y_range(), stroke);
    }
}

fn numbers(ui: &egui::Ui, ctx: &ViewCtx<'_>, pane: &Pane, grid: &Grid) {
    let ((top, bottom), (left, right)) = visible(pane, grid);
    if (bottom - top) * (right - left) > 2000 {
        return;
    }
    let painter = pane.painter(ui);
    let font = egui::FontId::monospace(ctx.theme.px(10.0));
    for row in top..bottom {
        for column in left..right {
            let Some(code) = grid.get(row, column) else { continue };
            let middle = pane.cell_rect(row, column, grid.height(), grid.width()).center();
            let text = code.to_string();
            let shade = Color32::from_black_alpha(200);
            painter.text(
                middle + vec2(1.0, 1.0),
                Align2::CENTER_CENTER,
                &text,
                font.clone(),
                shade,
            );
            painter.text(middle, Align2::CENTER_CENTER, &text, font.clone(), Color32::WHITE);
        }
    }
}

/// Picked cells, cells of the picked code, forced and locked ones, and what is being dragged. States
/// differ in shape, not in color alone.
pub(super) fn marks(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    pane: &Pane,
    grid: &Arc<Grid>,
    anchor: Option<(usize, usize)>,
) {
    let (rows, columns) = (grid.height(), grid.width());
    let painter = pane.painter(ui);
    let rect = |cell: &Cell| {
        pane.cell_rect(usize::from(cell.row), usize::from(cell.column), rows, columns)
    };
    let gold = ctx.theme.colors.gold;
    let lit = ctx.hovered.code().or(ctx.document.selection.code);
    if let Some(code) = lit {
        for cell in cells_with(grid, Some(code)) {
            let at = rect(&cell);
            painter.rect_stroke(at, 0.0, Stroke::new(3.0, Color32::BLACK), StrokeKind::Middle);
            painter.rect_stroke(at, 0.0, Stroke::new(1.5, Color32::WHITE), StrokeKind::Middle);
        }
    }
    for cell in ctx.document.edits.keys() {
        let at = rect(cell);
        let side = (at.width() * 0.35).max(3.0);
        let corner = at.left_top();
        let points = vec![corner, corner + vec2(side, 0.0), corner + vec2(0.0, side)];
        painter.add(Shape::convex_polygon(points, gold, Stroke::new(1.0, Color32::BLACK)));
    }
    for cell in ctx.document.locks.iter() {
        padlock(&painter, rect(cell));
    }
    for cell in ctx.document.selection.cells.iter() {
        painter.rect_stroke(rect(cell), 0.0, Stroke::new(2.0, gold), StrokeKind::Middle);
    }
    if let (Some(from), Some(at)) = (anchor, ui.input(|i| i.pointer.interact_pos()))
        && let Some(to) = pane.cell_at(at, rows, columns)
    {
        let a = pane.cell_rect(from.0, from.1, rows, columns);
        let b = pane.cell_rect(to.0, to.1, rows, columns);
        painter.rect_filled(a.union(b), 0.0, gold.gamma_multiply(0.18));
        painter.rect_stroke(a.union(b), 0.0, Stroke::new(1.5, gold), StrokeKind::Middle);
    }
    hovered_cell(ui, ctx, pane, grid);
}

/// A padlock in the lower right corner of a cell.
fn padlock(painter: &egui::Painter, cell: Rect) {
    let side = (cell.width() * 0.4).clamp(4.0, 14.0);
    let body = Rect::from_min_size(
        cell.right_bottom() - vec2(side + 1.0, side * 0.65 + 1.0),
        vec2(side, side * 0.65),
    );
    let bow = pos2(body.center().x, body.top());
    painter.circle_stroke(bow, side * 0.28, Stroke::new(1.5, Color32::BLACK));
    painter.circle_stroke(bow, side * 0.28, Stroke::new(1.0, Color32::WHITE));
    painter.rect_filled(body.expand(1.0), 1.0, Color32::BLACK);
    painter.rect_filled(body, 1.0, Color32::WHITE);
}

/// The cell under the pointer, in whichever view it is.
pub(super) fn hovered_cell(ui: &egui::Ui, ctx: &ViewCtx<'_>, pane: &Pane, grid: &Grid) {
    if let Some(cell) = ctx.hovered.cell() {
        let (row, column) = (usize::from(cell.row), usize::from(cell.column));
        if row < grid.height() && column < grid.width() {
            let at = pane.cell_rect(row, column, grid.height(), grid.width());
            let stroke = Stroke::new(2.0, ctx.theme.colors.gold);
            pane.painter(ui).rect_stroke(at, 0.0, stroke, StrokeKind::Outside);
        }
    }
}

/// All cells of a rectangle between two corners.
pub(super) fn rectangle(a: (usize, usize), b: (usize, usize)) -> impl Iterator<Item = Cell> {
    let (top, bottom) = (a.0.min(b.0), a.0.max(b.0));
    let (left, right) = (a.1.min(b.1), a.1.max(b.1));
    (top..=bottom).flat_map(move |row| (left..=right).map(move |column| Cell::at(row, column)))
}

/// All cells with a code.
pub(super) fn cells_with(grid: &Arc<Grid>, code: Option<u32>) -> impl Iterator<Item = Cell> {
    let columns = grid.width();
    let tokens = Arc::clone(grid.tokens());
    (0..tokens.len())
        .filter(move |at| code.is_some() && tokens.get(*at).copied() == code)
        .map(move |at| Cell::at(at / columns, at % columns))
}
