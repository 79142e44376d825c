//! The tokens of a moment: colors for what is written, hatching for what is not, a ring for what was written
//! now, a dashed one for what was changed, a corner for what a person gave.

use std::sync::Arc;

use egui::{
    Color32, Key, Mesh, Painter, PointerButton, Rect, Role, Shape, Stroke, StrokeKind, WidgetInfo,
    pos2, vec2,
};
use smalti_engine::questions::{Appearance, CodeAppearance, ModelInfo};
use smalti_engine::session::Reply;
use smalti_engine::tokens::{Cell, Code};

use super::facts::{Fact, Shown};
use super::places::Place;
use super::taken;
use crate::ctx::{USE_GENERATED, ViewCtx};
use crate::document::{GeneratedColor, Notice};
use crate::look::colors::{ColorMaps, color_of};
use crate::look::words::{counted, grouped};
use crate::widgets::keys::has_keys;
use crate::widgets::pane::{self, Framed, Pane, Zoom};
use crate::widgets::scale::Scale;
use crate::widgets::{hatch, states};

/// The room that what is said beside a key of colors has at least, before text is scaled.
const LEAST: f32 = 96.0;

/// What happened over a pane.
#[derive(Debug)]
pub(super) struct Over {
    /// The pane.
    pub(super) response: egui::Response,
    /// The cell under the pointer.
    pub(super) cell: Option<Cell>,
    /// Whether it was clicked.
    pub(super) is_clicked: bool,
    /// The cell that the keys went to.
    pub(super) moved: Option<Cell>,
}

/// How the codes of the generator's tokenizer look.
pub(super) fn appearance(ctx: &ViewCtx<'_>, shown: &Shown<'_>) -> Reply<Appearance> {
    // Where the tokenizer takes sub-tokens as parts no code of its books is a token.
    let opened = &shown.trace.opened;
    let Some(model) = opened.tokenizer.clone().filter(|_| opened.sub_tokens.is_empty()) else {
        return Reply::Working { progress: None, last: None };
    };
    let book = shown.part().book();
    let question = CodeAppearance { model, book };
    let reply = ctx.ask_soon("generated codes", &question);
    reply.last_for(|asked: &CodeAppearance| *asked == question)
}

/// Draws them.
pub(super) fn ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    (place, size): (&Place, [u32; 2]),
    shown: &Shown<'_>,
    (zoom, pinned): (&mut Zoom, Option<Cell>),
) -> Over {
    let id = ui.scope_id().with("generated grid");
    let pane = pane::show(ui, id, Framed { view: place.view, size, fit: place.fit }, zoom, false);
    let part = shown.part();
    let (rows, columns) = (part.rows(), part.columns());
    let painter = pane.painter(ui);
    let colors = Colors::of(ctx, shown);
    let mut mesh = Mesh::default();
    let cells = || cells_seen(&pane, shown).map(|at| (at, rect_of(&pane, shown, at)));
    for (at, rect) in cells() {
        if part.code(at).is_some() {
            mesh.add_colored_rect(rect, colors.at(ctx, shown, at));
        }
    }
    painter.add(Shape::mesh(mesh));
    let masked = cells().filter(|(at, _)| part.code(*at).is_none()).map(|(_, rect)| rect);
    hatch::cells(&painter, ctx, masked, 1.0);
    thoughts(ctx, &painter, (shown, &colors), cells());
    let side = pane.picture.width() / columns.max(1) as f32;
    if side >= 6.0 {
        lines(&painter, &pane, (rows, columns));
    }
    // Of a part that is new as a whole no cell needs to say so.
    let is_all_new = shown.facts.len() > 1 && shown.facts.iter().all(|fact| fact.is_now);
    for (at, rect) in cells() {
        let fact = Fact { is_now: shown.facts[at].is_now && !is_all_new, ..shown.facts[at] };
        mark(ctx, &painter, rect, (&fact, shown.is_given(part.cell(shown.number, at))));
    }
    let over = over(ui, ctx, &pane, shown, pinned);
    let told = over.cell.or(pinned.filter(|cell| shown.tokens.contains(*cell)));
    pane.response.widget_info(|| {
        let (rows, columns) = (counted(rows, "row"), counted(columns, "column"));
        let mut label = format!("Generated tokens, {rows}, {columns}");
        if let Some(cell) = told {
            label = format!("{label}, {}", words_of(shown, cell));
        }
        WidgetInfo::labeled(Role::Image, true, label)
    });
    let all = || (0..part.codes().len()).map(|at| colors.at(ctx, shown, at)).collect();
    taken::grid_menu(ctx, &pane, shown, &all);
    let by = match ctx.document.generating.color_by {
        GeneratedColor::Mosaic if appearance(ctx, shown).best().is_none() => {
            "code, until the mosaic is decoded"
        }
        by => by.label(),
    };
    match (colors.key(ctx, shown, ui, place.caption), told) {
        (Some(line), Some(cell)) => states::caption(ui, ctx, line, by, &words_of(shown, cell)),
        (Some(line), None) => states::caption(ui, ctx, line, by, ""),
        (None, told) => {
            let right = match told {
                Some(cell) => words_of(shown, cell),
                None => format!("{rows}×{columns}"),
            };
            states::caption(ui, ctx, place.caption, &format!("tokens, colored by {by}"), &right);
        }
    }
    over
}

/// The cells of the part that can be seen.
pub(super) fn cells_seen(pane: &Pane, shown: &Shown<'_>) -> impl Iterator<Item = usize> + use<> {
    let (count, width) = (shown.part().codes().len(), shown.part().columns());
    let (rows, columns) = pane.cells_seen(shown.part().rows(), width);
    let cells = rows.flat_map(move |row| columns.clone().map(move |column| row * width + column));
    // The last row may be short.
    cells.filter(move |at| *at < count)
}

/// A cell on the screen.
pub(super) fn rect_of(pane: &Pane, shown: &Shown<'_>, at: usize) -> Rect {
    let part = shown.part();
    let columns = part.columns().max(1);
    pane.cell_rect(at / columns, at % columns, part.rows(), columns)
}

/// What is under the pointer, what the keys do, and both as they are seen.
pub(super) fn over(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    pane: &Pane,
    shown: &Shown<'_>,
    pinned: Option<Cell>,
) -> Over {
    let part = shown.part();
    let (rows, columns) = (part.rows(), part.columns());
    let painter = pane.painter(ui);
    let under = pane.response.hover_pos().and_then(|at| pane.cell_at(at, rows, columns));
    let cell = under.map(|(row, column)| part.cell(shown.number, row * columns + column));
    let mut moved = None;
    if pane.response.has_focus() {
        let arrows = egui::EventFilter {
            horizontal_arrows: true,
            vertical_arrows: true,
            ..Default::default()
        };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(pane.response.id, arrows));
        // A menu that is open has the arrows.
        moved = has_keys(ui, &pane.response)
            .then(|| step(ui, (rows, columns), pinned))
            .flatten()
            .map(|(row, column)| part.cell(shown.number, row * columns + column));
        let stroke = Stroke::new(2.0, ctx.theme.colors.gold);
        painter.rect_stroke(pane.view, 2.0, stroke, StrokeKind::Inside);
    }
    if pane.response.clicked() && pane.response.interact_pointer_pos().is_some() {
        pane.response.request_focus();
    }
    selects_nothing(ui, ctx, pane);
    let model = shown.trace.opened.tokenizer.as_ref();
    if let Some(code) = cell.and_then(|cell| shown.tokens.get(cell))
        && model == Some(&ctx.document.model)
    {
        ctx.hovered.set_code(Code { book: part.book(), number: code });
    }
    let outline = |cell: Option<Cell>, color: Color32| {
        let at = cell
            .filter(|cell| usize::from(cell.part) == shown.number)
            .and_then(|cell| part.index(cell.frame.into(), cell.row.into(), cell.column as usize));
        if let Some(at) = at {
            let rect = rect_of(pane, shown, at);
            painter.rect_stroke(rect, 0.0, Stroke::new(4.0, Color32::BLACK), StrokeKind::Middle);
            painter.rect_stroke(rect, 0.0, Stroke::new(2.0, color), StrokeKind::Middle);
        }
    };
    outline(pinned, Color32::WHITE);
    outline(cell.filter(|cell| Some(*cell) != pinned), ctx.theme.colors.text);
    let is_clicked = pane.response.clicked() && cell.is_some();
    Over { response: pane.response.clone(), cell, is_clicked, moved }
}

/// Whoever drags over cells means to select them, which is done in Tokens.
fn selects_nothing(ui: &egui::Ui, ctx: &ViewCtx<'_>, pane: &Pane) {
    if ctx.is_presented() || !pane.response.drag_started_by(PointerButton::Primary) {
        return;
    }
    let (from, to) = ui.input(|input| (input.pointer.press_origin(), input.pointer.interact_pos()));
    // A button that is held long is a drag as well.
    if from.zip(to).is_some_and(|(from, to)| from.distance(to) > 4.0) {
        let notice = Notice::info("Cells are selected in Tokens, not here");
        ctx.send(Notice { hint: USE_GENERATED.to_owned(), ..notice });
    }
}

/// Where arrows lead from a cell.
fn step(
    ui: &egui::Ui,
    (rows, columns): (usize, usize),
    from: Option<Cell>,
) -> Option<(usize, usize)> {
    let pressed = |key| ui.input(|input| input.key_pressed(key));
    let at = from.map_or((0, 0), |cell| (usize::from(cell.row), cell.column as usize));
    let to = if pressed(Key::ArrowLeft) {
        (at.0, at.1.saturating_sub(1))
    } else if pressed(Key::ArrowRight) {
        (at.0, at.1 + 1)
    } else if pressed(Key::ArrowUp) {
        (at.0.saturating_sub(1), at.1)
    } else if pressed(Key::ArrowDown) {
        (at.0 + 1, at.1)
    } else {
        return None;
    };
    Some((to.0.min(rows.saturating_sub(1)), to.1.min(columns.saturating_sub(1))))
}

/// A cell in words.
pub(super) fn words_of(shown: &Shown<'_>, cell: Cell) -> String {
    match shown.tokens.get(cell) {
        Some(code) => format!("{cell} · code {code}"),
        None => format!("{cell} · masked"),
    }
}

/// What the color of a cell is told by, as far as it is known.
struct Colors {
    levels: Vec<u32>,
    look: Option<Arc<Appearance>>,
    /// The highest step, from 0.
    steps: f32,
    /// The largest entropy that can be, in bits: that of one of all codes drawn blindly.
    most: f32,
}

impl Colors {
    fn of(ctx: &ViewCtx<'_>, shown: &Shown<'_>) -> Self {
        let (by, part) = (ctx.document.generating.color_by, shown.part());
        let model = shown.trace.opened.tokenizer.clone();
        let facts = model.map(|model| ctx.ask_soon("generated levels", &ModelInfo { model }));
        let facts = facts.as_ref().and_then(Reply::ready);
        let levels = facts.map(|facts| facts.facts.book(part.book()).levels.clone());
        let look = (by == GeneratedColor::Mosaic).then(|| appearance(ctx, shown));
        Self {
            levels: levels.unwrap_or_default(),
            look: look.as_ref().and_then(Reply::best).cloned(),
            steps: shown.trace.planned.max(2) as f32 - 1.0,
            most: (part.codebook_size() as f32).log2().max(1.0),
        }
    }

    /// The color of a cell, whether it is written or not.
    fn at(&self, ctx: &ViewCtx<'_>, shown: &Shown<'_>, at: usize) -> Color32 {
        let (fact, code) = (&shown.facts[at], shown.part().code(at));
        let of_code = || code.map_or(Color32::TRANSPARENT, |code| color_of(code, &self.levels));
        let value = match ctx.document.generating.color_by {
            GeneratedColor::Code => return of_code(),
            GeneratedColor::Mosaic => {
                let look = self.look.as_ref();
                let known = look.and_then(|look| look.colors.get(code? as usize));
                return known.map_or_else(of_code, |[r, g, b]| Color32::from_rgb(*r, *g, *b));
            }
            GeneratedColor::Confidence => fact.confidence.map(|sure| how_sure(sure, self.most)),
            GeneratedColor::Step => fact.step.map(|step| step as f32 / self.steps),
            GeneratedColor::Entropy => fact.entropy.map(|entropy| entropy / self.most),
        };
        // What a person gave was not drawn.
        value.map_or(ctx.theme.colors.faint, |value| ctx.theme.maps.viridis.at(value))
    }

    /// What colors of values mean, at the right end of a line; gives what is left of it. None of colors that are
    /// those of codes, or where there is no room.
    fn key(&self, ctx: &ViewCtx<'_>, shown: &Shown<'_>, ui: &egui::Ui, line: Rect) -> Option<Rect> {
        let (first, last, about) = match ctx.document.generating.color_by {
            GeneratedColor::Code | GeneratedColor::Mosaic => return None,
            GeneratedColor::Confidence => (
                format!("1/{}", grouped(shown.part().codebook_size().into())),
                "1".to_owned(),
                "The probability that the generator gave the token when it wrote it, by its logarithm: dark is one \
                 of all codes drawn blindly, bright is sure",
            ),
            GeneratedColor::Step => (
                "1".to_owned(),
                shown.trace.planned.to_string(),
                "In which step the token was written",
            ),
            GeneratedColor::Entropy => (
                "0".to_owned(),
                format!("{:.1} bits", self.most),
                "How open the choice was when the token was written: dark is sure, bright is any of all codes",
            ),
        };
        let ends = [first.as_str(), last.as_str()];
        let color = |maps: &ColorMaps, value| maps.viridis.at(value);
        let scale = Scale { ends, values: [0.0, 1.0], color, about };
        let has_room = line.width() - scale.width(ui, ctx) >= ctx.theme.px(LEAST);
        has_room.then(|| scale.ui(ui, ctx, line))
    }
}

/// How sure a generator was, 0 to 1: the logarithm of a probability between one of all codes, `most` bits, and 1.
/// Of a thousand codes a hundredth is sure enough to be kept, and would be as dark as nothing on an even scale.
fn how_sure(probability: f32, most: f32) -> f32 {
    (1.0 + probability.max(f32::MIN_POSITIVE).log2() / most).clamp(0.0, 1.0)
}

/// How sure the generator is of cells that it has not written, in their middle.
fn thoughts(
    ctx: &ViewCtx<'_>,
    painter: &Painter,
    (shown, colors): (&Shown<'_>, &Colors),
    cells: impl Iterator<Item = (usize, Rect)>,
) {
    let by = ctx.document.generating.color_by;
    if !matches!(by, GeneratedColor::Confidence | GeneratedColor::Entropy) {
        return;
    }
    let part = shown.part();
    let mut mesh = Mesh::default();
    for (at, rect) in cells {
        let fact = &shown.facts[at];
        if part.code(at).is_none() && fact.confidence.is_some() {
            mesh.add_colored_rect(rect.shrink(rect.width() * 0.34), colors.at(ctx, shown, at));
        }
    }
    painter.add(Shape::mesh(mesh));
}

fn lines(painter: &Painter, pane: &Pane, (rows, columns): (usize, usize)) {
    let stroke = Stroke::new(1.0, Color32::from_black_alpha(90));
    let seen = pane.view.intersect(pane.picture);
    for row in 0..=rows {
        let y = pane.cell_rect(row, 0, rows, columns).top();
        painter.hline(seen.x_range(), y, stroke);
    }
    for column in 0..=columns {
        let x = pane.cell_rect(0, column, rows, columns).left();
        painter.vline(x, seen.y_range(), stroke);
    }
}

fn mark(ctx: &ViewCtx<'_>, painter: &Painter, rect: Rect, (fact, is_given): (&Fact, bool)) {
    let gold = ctx.theme.colors.gold;
    let width = (rect.width() * 0.09).clamp(1.0, 2.5);
    let inside = rect.shrink(width / 2.0 + 0.5);
    if fact.is_changed {
        let corners = [
            inside.left_top(),
            inside.right_top(),
            inside.right_bottom(),
            inside.left_bottom(),
            inside.left_top(),
        ];
        let dash = (rect.width() * 0.2).max(2.0);
        painter.rect_stroke(inside, 0.0, Stroke::new(width, Color32::BLACK), StrokeKind::Middle);
        painter.extend(Shape::dashed_line(&corners, Stroke::new(width, gold), dash, dash));
    } else if fact.is_now {
        let dark = Stroke::new(width + 1.5, Color32::from_black_alpha(150));
        painter.rect_stroke(inside, 0.0, dark, StrokeKind::Middle);
        painter.rect_stroke(inside, 0.0, Stroke::new(width, gold), StrokeKind::Middle);
    }
    if is_given {
        let side = (rect.width() * 0.38).max(4.0);
        let corner = rect.right_top();
        let points = vec![corner, corner + vec2(0.0, side), pos2(corner.x - side, corner.y)];
        let edge = Stroke::new(1.0, Color32::BLACK);
        painter.add(Shape::convex_polygon(points, Color32::WHITE, edge));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_small_generators_are_sure_of_is_seen_to_be_brighter_than_what_they_are_not() {
        let most = 1000_f32.log2();
        assert!(how_sure(0.001, most).abs() < 1e-6 && (how_sure(1.0, most) - 1.0).abs() < 1e-6);
        assert!(how_sure(0.0, most).abs() < 1e-6, "no number is too small");
        // What a shipped one keeps in its first steps and in its last ones.
        let (first, last) = (how_sure(0.004, most), how_sure(0.06, most));
        assert!(first < 0.25 && last > 0.55, "{first} {last}");
    }
}
