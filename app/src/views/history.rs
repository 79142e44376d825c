//! History: the states that the work came through, as a tree with a small picture each. What a generator wrote and
//! what a person kept can be gone back to by a click.

use std::sync::Arc;

use egui::{Rect, Role, Sense, Stroke, StrokeKind, WidgetInfo, pos2, vec2};
use smalti_engine::questions::{Decode, Encode, WithoutCodes};
use smalti_engine::session::Reply;
use smalti_engine::tokens::Tokens;

use super::tokens::place_of;
use super::view::View;
use crate::ctx::ViewCtx;
use crate::document::{Document, Edit, MOST_NOTED, Variation, Work, WorkOn};
use crate::look::textures::Sampling;
use crate::look::theme::space;
use crate::look::words::counted;
use crate::widgets::states;

/// The height of a line and the side of its picture, before text is scaled.
const LINE: f32 = 64.0;
/// How much further right a branch stands, before text is scaled.
const STEP: f32 = 18.0;
/// Tokens of states that are at hand, so that they are not put together in every frame.
const KEPT: usize = 32;

/// The History view.
#[derive(Debug, Default)]
pub(super) struct HistoryView {
    /// Tokens before what was forced, what was forced, and both.
    known: Vec<(Tokens, Work, Tokens)>,
}

/// A line of the tree: the start, or a state by its number, and how deep it stands.
type Line = (Option<usize>, usize);

impl View for HistoryView {
    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let document = ctx.document;
        let Some(on) = document.work_on() else {
            states::no_image(ui, ctx);
            return;
        };
        let lines = lines(document, &on);
        if lines.len() == 1 {
            ui.add_space(space::S);
            let words = "Nothing came of this picture yet. What a generator writes into the tokens (Ctrl+R, or four \
                         ways by Ctrl+Shift+R and nine by Ctrl+9) stands here, and what you keep in Tokens.";
            ui.add(egui::Label::new(ctx.theme.label(words)).wrap());
        }
        let height = ctx.theme.px(LINE);
        ui.spacing_mut().item_spacing.y = 2.0;
        let area = egui::ScrollArea::vertical().auto_shrink(false);
        area.show_rows(ui, height, lines.len() + 1, |ui, rows| {
            for row in rows {
                match lines.get(row) {
                    Some(line) => self.line_ui(ui, ctx, (&on, *line), height),
                    None => foot_ui(ui, ctx),
                }
            }
        });
    }
}

/// The start and all states in the order of a tree; those of what is worked on stand below their start.
fn lines(document: &Document, on: &WorkOn) -> Vec<Line> {
    let all = document.variations.all();
    let tree = document.variations.tree();
    let mut lines: Vec<Line> = vec![(None, 0)];
    // A branch goes with what it came of, wherever that belongs.
    let mut is_here = false;
    let mut elsewhere: Vec<Line> = Vec::new();
    for (number, depth) in tree {
        if depth == 0 {
            is_here = all[number].on == *on;
        }
        if is_here {
            lines.push((Some(number), depth + 1));
        } else {
            elsewhere.push((Some(number), depth));
        }
    }
    lines.extend(elsewhere);
    lines
}

fn foot_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let words = format!(
        "The last {MOST_NOTED} states are noted by themselves, whatever is undone, and saved with the document; \
         what is kept by Keep stays however many there are."
    );
    ui.add(egui::Label::new(ctx.theme.label(words)).wrap());
}

impl HistoryView {
    fn line_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        (on, (number, depth)): (&WorkOn, Line),
        height: f32,
    ) {
        let document = ctx.document;
        let variation = number.map(|number| &document.variations.all()[number]);
        let is_now = match variation {
            Some(variation) => is_now(document, variation, number),
            None => document.edits.is_empty() && document.switched_off.is_empty(),
        };
        let size = vec2(ui.available_width(), height);
        let (row, response) = ui.allocate_exact_size(size, Sense::click());
        let (first, second) = words(ctx, on, variation);
        let said = format!("{first}, {second}{}", if is_now { ", now" } else { "" });
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_now, &said));
        let colors = &ctx.theme.colors;
        let indent = ctx.theme.px(STEP) * depth as f32;
        let place = row.with_min_x(row.left() + indent.min(row.width() * 0.5));
        if response.hovered() {
            ui.painter().rect_filled(place, 4.0, colors.hover);
        }
        if depth > 0 {
            branch(ui, ctx, place);
        }
        let side = height - 6.0;
        let frame = Rect::from_min_size(place.min + vec2(3.0, 3.0), vec2(side, side));
        self.picture_ui(ui, ctx, frame, (on, number, variation));
        if is_now || response.has_focus() {
            let stroke = Stroke::new(ctx.theme.line(2.0), colors.gold);
            ui.painter().rect_stroke(frame, 2.0, stroke, StrokeKind::Outside);
        }
        let left = frame.right() + space::S;
        let right = if number.is_some() { row.right() - ctx.theme.px(30.0) } else { row.right() };
        let text =
            Rect::from_min_max(pos2(left, frame.top()), pos2(right.max(left), frame.bottom()));
        text_ui(ui, ctx, text, (&first, &second, is_now));
        if let (Some(number), Some(variation)) = (number, variation) {
            let corner = Rect::from_center_size(
                pos2(row.right() - ctx.theme.px(14.0), row.center().y),
                vec2(ctx.theme.px(20.0), ctx.theme.px(20.0)),
            );
            let drop = ui.put(corner, egui::Button::new("×").small().frame(false));
            drop.widget_info(|| {
                let label = format!("Drop {} of the history", variation.name);
                WidgetInfo::labeled(Role::Button, true, label)
            });
            if drop.on_hover_text("Drop it; what came of it stays").clicked() {
                ctx.send(Edit::DropVariation(number));
                return;
            }
        }
        if response.clicked() {
            ctx.send(number.map_or(Edit::UseStart, Edit::UseVariation));
        }
    }

    /// What a state decodes to, small.
    fn picture_ui(
        &mut self,
        ui: &egui::Ui,
        ctx: &ViewCtx<'_>,
        frame: Rect,
        (on, number, variation): (&WorkOn, Option<usize>, Option<&Variation>),
    ) {
        ui.painter().rect_filled(frame, 2.0, ctx.theme.colors.raised);
        let on = variation.map_or(on, |variation| &variation.on);
        let WorkOn { subject, size, model } = on.clone();
        let question = Encode { subject, size, model: model.clone() };
        let Reply::Ready(encoded) = ctx.ask_soon(("history", number), &question) else { return };
        let work = variation.map_or_else(Work::default, |variation| variation.work.clone());
        let mut tokens = self.tokens(&encoded.tokens, work);
        let off = variation.and_then(|variation| variation.off.clone());
        if let Some(off) = off.filter(|off| !off.is_empty()) {
            let question = WithoutCodes { tokens, model: model.clone(), off };
            match ctx.ask_soon(("history off", number), &question) {
                Reply::Ready(without) => tokens = Tokens::clone(&without),
                _ => return,
            }
        }
        let reply = ctx.ask_soon(("history picture", number), &Decode { tokens, model });
        let Some(decoded) = reply.ready() else { return };
        let picture = &decoded.picture;
        let texture = ctx.textures.picture(picture, Sampling::Smooth);
        let size = vec2(picture.width() as f32, picture.height() as f32);
        let whole = size * (frame.width() / size.x.max(1.0)).min(frame.height() / size.y.max(1.0));
        let place = Rect::from_center_size(frame.center(), whole);
        let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        ui.painter().image(texture.id(), place, uv, egui::Color32::WHITE);
    }

    /// Tokens with what was forced over them.
    fn tokens(&mut self, encoded: &Tokens, work: Work) -> Tokens {
        if work.edits.is_empty() {
            return encoded.clone();
        }
        let is_it = |(of, by, _): &&(Tokens, Work, Tokens)| {
            Arc::ptr_eq(&by.edits, &work.edits) && of == encoded
        };
        if let Some((_, _, known)) = self.known.iter().find(is_it) {
            return known.clone();
        }
        let forced = crate::document::with_forced(encoded, &work.edits);
        if self.known.len() >= KEPT {
            self.known.remove(0);
        }
        self.known.push((encoded.clone(), work, forced.clone()));
        forced
    }
}

/// Whether a state is what is seen now.
fn is_now(document: &Document, variation: &Variation, number: Option<usize>) -> bool {
    let is_it = variation.is_of(&document.work(), &document.switched_off)
        && Some(&variation.on) == document.work_on().as_ref();
    // Of several that are alike it is the one that is worked on from.
    let base = document.variations.base();
    is_it && (base == number || base.is_none_or(|base| !is_same(document, base, variation)))
}

fn is_same(document: &Document, number: usize, variation: &Variation) -> bool {
    let other = &document.variations.all()[number];
    other.on == variation.on && other.work == variation.work && other.off == variation.off
}

/// What a line says, in two lines.
fn words(ctx: &ViewCtx<'_>, on: &WorkOn, variation: Option<&Variation>) -> (String, String) {
    let Some(variation) = variation else {
        return ("start".to_owned(), format!("as {} made it", ctx.document.name_of(&on.model)));
    };
    let first = match &variation.noted {
        Some(what) => what.to_string(),
        None => format!("kept as {}", variation.name),
    };
    let mut second = counted(variation.work.edits.len(), "forced cell");
    let locked = variation.work.locks.len();
    if locked > 0 {
        second = format!("{second}, {locked} locked");
    }
    if let Some(off) = variation.off.as_ref().filter(|off| !off.is_empty()) {
        second = format!("{second}, {} off", counted(off.len(), "code"));
    }
    if variation.on != *on {
        second = format!("{second}, {}", place_of(ctx, &variation.on));
    }
    (first, second)
}

fn text_ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    place: Rect,
    (first, second, is_now): (&str, &str, bool),
) {
    let colors = &ctx.theme.colors;
    let color = if is_now { colors.gold } else { colors.text };
    let lines = [(first, ctx.theme.body(), color), (second, ctx.theme.small(), colors.dim)];
    let mut top = place.top() + 4.0;
    for (text, font, color) in lines {
        let mut job = egui::text::LayoutJob::simple_singleline(text.to_owned(), font, color);
        job.wrap = egui::text::TextWrapping::truncate_at_width(place.width());
        let galley = ui.painter().layout_job(job);
        let height = galley.size().y;
        ui.painter().galley(pos2(place.left(), top), galley, color);
        top += height + 2.0;
    }
}

/// The corner by which a branch hangs on what it came of.
fn branch(ui: &egui::Ui, ctx: &ViewCtx<'_>, place: Rect) {
    let stroke = Stroke::new(ctx.theme.line(1.0), ctx.theme.colors.strong_line);
    let x = place.left() - ctx.theme.px(STEP) * 0.5;
    let corner = pos2(x, place.center().y);
    ui.painter().line_segment([pos2(x, place.top() - 2.0), corner], stroke);
    ui.painter().line_segment([corner, pos2(place.left(), corner.y)], stroke);
}
