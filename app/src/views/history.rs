//! History: the states that the work came through, as a tree with a small picture each. What a generator wrote and
//! what a person kept can be gone back to by a click. What was done by hand since then is a row of its own until it
//! is kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::{Rect, Role, Sense, Stroke, StrokeKind, UiBuilder, WidgetInfo, pos2, vec2};
use smalti_engine::questions::{Decode, Encode, WithoutCodes};
use smalti_engine::session::Reply;
use smalti_engine::tokens::{Code, Tokens};

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

/// What a line of the tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Of {
    /// The tokens as the tokenizer made them.
    Start,
    /// A state, by its number.
    State(usize),
    /// What is seen now, where no state is that.
    Now,
}

/// A line of the tree, and how deep it stands.
type Line = (Of, usize);

/// What a line shows: what it belongs to, what was done, the codes that are off, and what it says.
struct Shown {
    of: Of,
    on: WorkOn,
    work: Work,
    off: Option<Arc<BTreeSet<Code>>>,
    first: String,
    second: String,
    is_now: bool,
}

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

/// The start and all states in the order of a tree; those of what is worked on stand below their start. What is none
/// of them stands below the one that it was made from.
fn lines(document: &Document, on: &WorkOn) -> Vec<Line> {
    let all = document.variations.all();
    let tree = document.variations.tree();
    let mut lines: Vec<Line> = vec![(Of::Start, 0)];
    // A branch goes with what it came of, wherever that belongs.
    let mut is_here = false;
    let mut elsewhere: Vec<Line> = Vec::new();
    for (number, depth) in tree {
        if depth == 0 {
            is_here = all[number].on == *on;
        }
        if is_here {
            lines.push((Of::State(number), depth + 1));
        } else {
            elsewhere.push((Of::State(number), depth));
        }
    }
    if !is_start(document) && !(0..all.len()).any(|number| is_now(document, number)) {
        let base = document.variations.base().map(Of::State);
        let at = lines.iter().position(|(of, _)| Some(*of) == base).unwrap_or(0);
        lines.insert(at + 1, (Of::Now, lines[at].1 + 1));
    }
    lines.extend(elsewhere);
    lines
}

/// Whether nothing was done to the tokens.
fn is_start(document: &Document) -> bool {
    document.work().is_empty() && document.switched_off.is_empty()
}

fn foot_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let words = format!(
        "What a generator writes is noted by itself, with what was there before it: the last {MOST_NOTED} states, \
         whatever is undone. What you do by hand is noted when you Keep it, and stays however many there are. All of \
         it is saved with the document."
    );
    ui.add(egui::Label::new(ctx.theme.label(words)).wrap());
}

impl Shown {
    fn new(ctx: &ViewCtx<'_>, on: &WorkOn, of: Of) -> Self {
        let document = ctx.document;
        let (on, on_now) = (on.clone(), on);
        match of {
            Of::Start => {
                let first = "start".to_owned();
                let second = format!("as {} made it", document.name_of(&on.model));
                let is_now = is_start(document);
                Self { of, on, work: Work::default(), off: None, first, second, is_now }
            }
            Of::State(number) => {
                let state = &document.variations.all()[number];
                let first = match &state.noted {
                    Some(what) => what.to_string(),
                    None => format!("kept as {}", state.name),
                };
                let (work, off) = (state.work.clone(), state.off.clone());
                let mut second = done(&work, off.as_deref());
                if state.on != *on_now {
                    second = format!("{second}, {}", place_of(ctx, &state.on));
                }
                let (on, is_now) = (state.on.clone(), is_now(document, number));
                Self { of, on, work, off, first, second, is_now }
            }
            Of::Now => {
                let (work, off) = (document.work(), Some(Arc::clone(&document.switched_off)));
                let (first, second) = ("now, not kept".to_owned(), done(&work, off.as_deref()));
                Self { of, on, work, off, first, second, is_now: true }
            }
        }
    }

    /// Whole, for those who cannot see it.
    fn said(&self) -> String {
        let now = if self.is_now && self.of != Of::Now { ", now" } else { "" };
        format!("{}, {}{now}", self.first, self.second)
    }
}

/// What was done to come to a state, in words.
fn done(work: &Work, off: Option<&BTreeSet<Code>>) -> String {
    let mut words = counted(work.edits.len(), "forced cell");
    if !work.locks.is_empty() {
        words = format!("{words}, {} locked", work.locks.len());
    }
    if let Some(off) = off.filter(|off| !off.is_empty()) {
        words = format!("{words}, {} off", counted(off.len(), "code"));
    }
    words
}

impl HistoryView {
    fn line_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        (on, (of, depth)): (&WorkOn, Line),
        height: f32,
    ) {
        let shown = Shown::new(ctx, on, of);
        let size = vec2(ui.available_width(), height);
        // Nothing leads to where one is.
        let sense = if of == Of::Now { Sense::hover() } else { Sense::click() };
        let (row, response) = ui.allocate_exact_size(size, sense);
        let said = shown.said();
        response.widget_info(|| match of {
            Of::Now => WidgetInfo::labeled(Role::Label, true, &said),
            _ => WidgetInfo::selected(Role::Button, true, shown.is_now, &said),
        });
        let colors = &ctx.theme.colors;
        let indent = ctx.theme.px(STEP) * depth as f32;
        let place = row.with_min_x(row.left() + indent.min(row.width() * 0.5));
        if response.hovered() && of != Of::Now {
            ui.painter().rect_filled(place, 4.0, colors.hover);
        }
        if depth > 0 {
            branch(ui, ctx, place);
        }
        let side = height - 6.0;
        let frame = Rect::from_min_size(place.min + vec2(3.0, 3.0), vec2(side, side));
        self.picture_ui(ui, ctx, frame, &shown);
        if shown.is_now || response.has_focus() {
            let stroke = Stroke::new(ctx.theme.line(2.0), colors.gold);
            ui.painter().rect_stroke(frame, 2.0, stroke, StrokeKind::Outside);
        }
        let left = frame.right() + space::S;
        let end = match of {
            Of::Start => 0.0,
            Of::State(_) => ctx.theme.px(30.0),
            Of::Now => ctx.theme.px(64.0),
        };
        let right = row.right() - end;
        let text =
            Rect::from_min_max(pos2(left, frame.top()), pos2(right.max(left), frame.bottom()));
        text_ui(ui, ctx, text, &shown);
        if end_ui(ui, ctx, row.with_min_x(right), &shown) {
            return;
        }
        if response.clicked() {
            match of {
                Of::Start => ctx.send(Edit::UseStart),
                Of::State(number) => ctx.send(Edit::UseVariation(number)),
                Of::Now => {}
            }
        }
    }

    /// What a state decodes to, small.
    fn picture_ui(&mut self, ui: &egui::Ui, ctx: &ViewCtx<'_>, frame: Rect, shown: &Shown) {
        ui.painter().rect_filled(frame, 2.0, ctx.theme.colors.raised);
        let (of, WorkOn { subject, size, model }) = (shown.of, shown.on.clone());
        let question = Encode { subject, size, model: model.clone() };
        let Reply::Ready(encoded) = ctx.ask_soon(("history", of), &question) else { return };
        let mut tokens = self.tokens(&encoded.tokens, shown.work.clone());
        if let Some(off) = shown.off.clone().filter(|off| !off.is_empty()) {
            let question = WithoutCodes { tokens, model: model.clone(), off };
            match ctx.ask_soon(("history off", of), &question) {
                Reply::Ready(without) => tokens = Tokens::clone(&without),
                _ => return,
            }
        }
        let reply = ctx.ask_soon(("history picture", of), &Decode { tokens, model });
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

/// The button at the end of a line: what is there now is kept by it, a state is dropped. Gives whether it was clicked.
fn end_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, end: Rect, shown: &Shown) -> bool {
    let layout = egui::Layout::centered_and_justified(egui::Direction::LeftToRight);
    let side = ctx.theme.px(20.0);
    let size =
        if shown.of == Of::Now { vec2(end.width() - space::S, side) } else { vec2(side, side) };
    let place = Rect::from_center_size(end.center(), size);
    // What is put into a row itself would move the rows below it.
    let mut ui = ui.new_child(UiBuilder::new().id_salt(shown.of).max_rect(place).layout(layout));
    let (text, name, about, edit) = match shown.of {
        Of::Start => return false,
        Of::State(number) => {
            let state = &ctx.document.variations.all()[number];
            let name = format!("Drop {} of the history", state.name);
            ("×", name, "Drop it; what came of it stays", Edit::DropVariation(number))
        }
        Of::Now => {
            let name = "Keep what is seen now".to_owned();
            ("Keep", name, "Keep it as a variation, to come back to", Edit::KeepVariation)
        }
    };
    let button = egui::Button::new(text).small().frame(shown.of == Of::Now);
    let button = ui.add(button);
    button.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    let is_clicked = button.on_hover_text(about).clicked();
    if is_clicked {
        ctx.send(edit);
    }
    is_clicked
}

/// Whether a state is what is seen now.
fn is_now(document: &Document, number: usize) -> bool {
    let state = &document.variations.all()[number];
    let is_it = state.is_of(&document.work(), &document.switched_off)
        && Some(&state.on) == document.work_on().as_ref();
    // Of several that are alike it is the one that is worked on from.
    let base = document.variations.base();
    is_it && (base == Some(number) || base.is_none_or(|base| !is_same(document, base, state)))
}

fn is_same(document: &Document, number: usize, state: &Variation) -> bool {
    let other = &document.variations.all()[number];
    other.on == state.on && other.work == state.work && other.off == state.off
}

fn text_ui(ui: &egui::Ui, ctx: &ViewCtx<'_>, place: Rect, shown: &Shown) {
    let colors = &ctx.theme.colors;
    let color = if shown.is_now { colors.gold } else { colors.text };
    let lines =
        [(&shown.first, ctx.theme.body(), color), (&shown.second, ctx.theme.small(), colors.dim)];
    let mut top = place.top() + 4.0;
    for (text, font, color) in lines {
        let mut job = egui::text::LayoutJob::simple_singleline(text.clone(), font, color);
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
