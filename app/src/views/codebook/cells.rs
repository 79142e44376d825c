//! One cell a code: where it stands, what is under the pointer, zoom.

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::{Color32, Key, Modifiers, Rect, Response, Sense, Stroke, StrokeKind, Vec2, vec2};
use smalti_engine::questions::Ordered;
use smalti_engine::tokens::Code;

use crate::ctx::ViewCtx;
use crate::document::Edit;
use crate::gpu::heatmap::{Appearances, Values};
use crate::look::words::grouped;
use crate::widgets::heat::{Numbered, Pane};
use crate::widgets::keys::{has_keys, held};

/// A cell is at most this wide before zooming, in points.
const LARGEST: f32 = 32.0;
/// A ring is at least this wide, in points, so that it is found among small cells.
const LEAST_RING: f32 = 9.0;
/// Cells can be enlarged by this much.
const MOST_ZOOM: f32 = 64.0;

/// How the cells are looked at.
#[derive(Debug)]
pub(super) struct Cells {
    zoom: f32,
    origin: Vec2,
    values: Numbered<[f32]>,
    off: Numbered<BTreeSet<Code>>,
    selected: Numbered<BTreeSet<Code>>,
    marks: Arc<[u8]>,
    /// Where a range of codes begins.
    from: Option<Code>,
}

impl Default for Cells {
    fn default() -> Self {
        let marks = Arc::new([]);
        let values = Numbered::default();
        let (off, selected) = (Numbered::default(), Numbered::default());
        Self { zoom: 1.0, origin: Vec2::ZERO, values, off, selected, marks, from: None }
    }
}

/// How they are to be drawn.
#[derive(Debug)]
pub(super) struct Shown {
    /// Points from top to bottom.
    pub height: f32,
    /// Colors by the logarithm of the count.
    pub is_logarithmic: bool,
    /// Patches instead of colors.
    pub patches: Option<Appearances>,
    /// The book that is shown.
    pub book: u16,
}

/// Where cells are on the screen.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Places {
    rect: Rect,
    columns: u32,
    rows: u32,
    origin: Vec2,
    scale: f32,
}

impl Places {
    /// As large as all of them fit.
    fn new(rect: Rect, count: u32, largest: f32) -> Self {
        let (width, height) = (rect.width().max(1.0), rect.height().max(1.0));
        let least = (width / largest).floor().clamp(1.0, count.max(1) as f32) as u32;
        let even = (count as f32 * width / height).sqrt().ceil() as u32;
        let columns = even.clamp(least, count.max(1));
        let rows = count.div_ceil(columns).max(1);
        let scale = (width / columns as f32).min(height / rows as f32).min(largest);
        Self { rect, columns, rows, origin: Vec2::ZERO, scale }
    }

    /// The place that a position belongs to.
    fn at(&self, position: egui::Pos2) -> Option<usize> {
        let cell = self.origin + (position - self.rect.min) / self.scale;
        let is_inside = self.rect.contains(position)
            && cell.x >= 0.0
            && cell.y >= 0.0
            && cell.x < self.columns as f32
            && cell.y < self.rows as f32;
        is_inside.then(|| cell.y as usize * self.columns as usize + cell.x as usize)
    }

    /// The origin with which a cell is seen whole: as near to this one as can be.
    fn showing(&self, place: u32) -> Vec2 {
        let cell = vec2((place % self.columns) as f32, (place / self.columns) as f32);
        let seen = (self.rect.size() / self.scale - Vec2::splat(1.0)).max(Vec2::ZERO);
        self.origin.clamp(cell - seen, cell)
    }

    fn cell(&self, place: u32) -> Rect {
        let cell = vec2((place % self.columns) as f32, (place / self.columns) as f32);
        let min = self.rect.min + (cell - self.origin) * self.scale;
        Rect::from_min_size(min, Vec2::splat(self.scale))
    }
}

impl Cells {
    /// Draws them in what is left of the width; gives what was done to them.
    pub(super) fn ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        ordered: &Ordered,
        look: Shown,
    ) -> Response {
        let size = vec2(ui.available_width(), look.height);
        let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
        response.widget_info(|| {
            let facts = &ordered.statistics;
            let selection = &ctx.document.selection;
            let selected = match (selection.codes.len(), selection.code) {
                (2.., _) => format!(", {} codes selected", selection.codes.len()),
                (_, Some(code)) => format!(", code {code} selected"),
                (_, None) => String::new(),
            };
            let label =
                format!("Codebook, {} of {} codes used{selected}", facts.used, facts.codebook_size);
            egui::WidgetInfo::labeled(egui::Role::Button, true, label)
        });
        ctx.take_focus(&response);
        let count = ordered.codes.len() as u32;
        let mut places = Places::new(rect, count, ctx.theme.px(LARGEST));
        self.look(ui, &response, &mut places);
        self.update_marks(ctx, ordered, look.book);
        let pane = Pane {
            id: ui.scope_id().with("cells").value(),
            values: Values::Cells(Arc::clone(&ordered.values)),
            marks: Arc::clone(&self.marks),
            patches: look.patches,
            number: self.values.number(),
            grid: (places.columns, places.rows),
            origin: places.origin,
            scale: Vec2::splat(places.scale),
            highest: ordered.highest,
            is_logarithmic: look.is_logarithmic,
            has_gaps: true,
        };
        pane.paint(ui, ctx, rect);
        rings_ui(ui, ctx, (ordered, look.book), &places, response.has_focus());
        let under = response.hover_pos().and_then(|at| places.at(at));
        let book = look.book;
        if let Some(code) = under.and_then(|place| ordered.codes.get(place)) {
            let code = Code { book, number: *code };
            ctx.hovered.set_code(code);
            if response.clicked() {
                response.request_focus();
                self.select(ctx, (ordered, book), code, held(ui));
            }
        }
        let stepped = stepped_by_keys(ui, ctx, (ordered, book), &response, places.columns);
        if let Some(code) = stepped {
            let is_range = if held(ui).shift { Modifiers::SHIFT } else { Modifiers::NONE };
            self.select(ctx, (ordered, book), code, is_range);
        }
        // Whoever comes by Tab sees which code is selected.
        let selected = ctx.document.selection.code.filter(|code| code.book == book);
        let selected = selected.filter(|_| response.gained_focus());
        let seen = stepped.or(selected);
        let seen = seen.and_then(|code| ordered.place_of.get(code.number as usize).copied());
        if let Some(place) = seen {
            self.origin = places.showing(place);
            ui.ctx().request_repaint();
        }
        response
    }

    /// A code alone; with Shift all from the last one that was selected so, as they are in order; with Ctrl one
    /// more or less, with Alt one less.
    fn select(
        &mut self,
        ctx: &ViewCtx<'_>,
        (ordered, book): (&Ordered, u16),
        code: Code,
        modifiers: Modifiers,
    ) {
        let selection = &ctx.document.selection;
        if modifiers.shift {
            let place = |code: Code| ordered.place_of.get(code.number as usize).copied();
            let from = self.from.or(selection.code).filter(|from| from.book == book);
            let from = *self.from.insert(from.unwrap_or(code));
            let (Some(a), Some(b)) = (place(from), place(code)) else { return };
            let range = a.min(b) as usize..=a.max(b) as usize;
            let numbers = ordered.codes.get(range).into_iter().flatten();
            let codes = numbers.map(|number| Code { book, number: *number }).collect();
            ctx.send(Edit::SelectCodes(code, Arc::new(codes)));
            return;
        }
        self.from = Some(code);
        if !modifiers.command && !modifiers.alt {
            ctx.send(Edit::SelectCode(Some(code)));
            return;
        }
        let mut codes = BTreeSet::clone(&selection.all_codes());
        if !codes.remove(&code) && !modifiers.alt {
            codes.insert(code);
        }
        match codes.contains(&code).then_some(code).or_else(|| codes.first().copied()) {
            Some(first) => ctx.send(Edit::SelectCodes(first, Arc::new(codes))),
            None => ctx.send(Edit::SelectCode(None)),
        }
    }

    /// The wheel enlarges, dragging moves, a double click shows all again.
    fn look(&mut self, ui: &egui::Ui, response: &egui::Response, places: &mut Places) {
        let fit = places.scale;
        if let Some(at) = response.hover_pos() {
            let factor = ui.input(|i| i.zoom_delta() * (i.smooth_scroll_delta().y / 240.0).exp());
            let zoom = (self.zoom * factor).clamp(1.0, MOST_ZOOM);
            let from = at - places.rect.min;
            self.origin += from / (fit * self.zoom) - from / (fit * zoom);
            self.zoom = zoom;
        }
        if response.dragged() {
            self.origin -= response.drag_delta() / (fit * self.zoom);
        }
        if response.double_clicked() {
            self.zoom = 1.0;
        }
        places.scale = fit * self.zoom;
        let all = vec2(places.columns as f32, places.rows as f32);
        let most = (all - places.rect.size() / places.scale).max(Vec2::ZERO);
        self.origin = self.origin.clamp(Vec2::ZERO, most);
        places.origin = self.origin;
    }

    /// Switched-off codes are struck out, and those that are selected together have rings. Made anew only when
    /// they or the order changed.
    fn update_marks(&mut self, ctx: &ViewCtx<'_>, ordered: &Ordered, book: u16) {
        let (off, selected) = (&ctx.document.switched_off, &ctx.document.selection.codes);
        let is_new =
            self.values.show(&ordered.values) | self.off.show(off) | self.selected.show(selected);
        if !is_new {
            return;
        }
        if off.is_empty() && selected.is_empty() {
            self.marks = Arc::new([]);
            return;
        }
        let mut marks = vec![0_u8; ordered.codes.len()];
        let marked = selected.iter().map(|code| (code, 1)).chain(off.iter().map(|code| (code, 2)));
        for (code, bit) in marked.filter(|(code, _)| code.book == book) {
            let place = ordered.place_of.get(code.number as usize);
            if let Some(mark) = place.and_then(|place| marks.get_mut(*place as usize)) {
                *mark |= bit;
            }
        }
        self.marks = marks.into();
    }
}

/// "code 417 · 12 of 4 096 tokens" for the code under the pointer, or else the selected one; and of what those
/// are.
pub(super) fn caption(
    ctx: &ViewCtx<'_>,
    ordered: &Ordered,
    book: u16,
    over: &str,
) -> Option<String> {
    let code = ctx.hovered.code().or(ctx.document.selection.code).filter(|code| code.book == book);
    let (code, count) =
        code.and_then(|code| Some((code, *ordered.counts.get(code.number as usize)?)))?;
    let off = if ctx.document.switched_off.contains(&code) { " · switched off" } else { "" };
    let (count, tokens) = (grouped(count), grouped(ordered.statistics.samples));
    Some(format!("code {code} · {count} of {tokens} tokens{off} · {over}"))
}

/// Rings around the selected code and the one under the pointer.
fn rings_ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    (ordered, book): (&Ordered, u16),
    places: &Places,
    has_focus: bool,
) {
    let colors = &ctx.theme.colors;
    let painter = ui.painter().with_clip_rect(places.rect.expand(3.0).intersect(ui.clip_rect()));
    let ring = |code: Option<Code>, color: Color32, width: f32| {
        let code = code.filter(|code| code.book == book);
        let place = code.and_then(|code| ordered.place_of.get(code.number as usize));
        let Some(place) = place else { return };
        let cell = places.cell(*place);
        let size = cell.size().max(Vec2::splat(LEAST_RING));
        let rect = Rect::from_center_size(cell.center(), size);
        painter.rect_stroke(
            rect,
            1.0,
            Stroke::new(width + 2.0, colors.background),
            StrokeKind::Middle,
        );
        painter.rect_stroke(rect, 1.0, Stroke::new(width, color), StrokeKind::Middle);
    };
    ring(ctx.document.selection.code, colors.gold, 2.5);
    if ctx.hovered.code() != ctx.document.selection.code {
        ring(ctx.hovered.code(), colors.text, 1.5);
    }
    if has_focus {
        painter.rect_stroke(places.rect, 2.0, Stroke::new(2.0, colors.gold), StrokeKind::Inside);
    }
}

/// The code that arrow keys lead to while the cells have the focus.
fn stepped_by_keys(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    (ordered, book): (&Ordered, u16),
    response: &egui::Response,
    columns: u32,
) -> Option<Code> {
    if !has_keys(ui, response) {
        return None;
    }
    ui.memory_mut(|memory| {
        let arrows = egui::EventFilter {
            horizontal_arrows: true,
            vertical_arrows: true,
            ..Default::default()
        };
        memory.set_focus_lock_filter(response.id, arrows);
    });
    let step = ui.input(|input| {
        let pressed = |key| input.num_presses(key) as i64;
        pressed(Key::ArrowRight) - pressed(Key::ArrowLeft)
            + i64::from(columns) * (pressed(Key::ArrowDown) - pressed(Key::ArrowUp))
    });
    if step == 0 {
        return None;
    }
    let selected = ctx.document.selection.code.filter(|code| code.book == book);
    let place = selected.and_then(|code| ordered.place_of.get(code.number as usize));
    let next = place.map_or(0, |place| i64::from(*place) + step);
    let number = usize::try_from(next).ok().and_then(|next| ordered.codes.get(next))?;
    Some(Code { book, number: *number })
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::pos2;

    #[test]
    fn every_code_has_a_place_inside_and_is_found_there() {
        let rect = Rect::from_min_size(pos2(10.0, 20.0), vec2(400.0, 300.0));
        for count in [1, 7, 256, 1000, 1 << 18] {
            let places = Places::new(rect, count, LARGEST);
            assert!(places.columns * places.rows >= count);
            for place in [0, count / 2, count - 1] {
                let cell = places.cell(place);
                assert!(rect.expand(0.1).contains_rect(cell), "{count}: {place}");
                assert_eq!(places.at(cell.center()), Some(place as usize));
                // Enlarged, it is brought into sight.
                let mut near = Places { scale: places.scale * 8.0, ..places };
                near.origin = near.showing(place);
                assert!(rect.expand(0.1).contains_rect(near.cell(place)), "{count}: {place}");
            }
        }
    }
}
