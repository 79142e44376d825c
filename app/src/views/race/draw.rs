//! A lane on the screen: its picture at the moment, a bar of tokens written, what it took. What is not written is
//! hatched, and never drawn as some token.

use egui::{
    Align2, Color32, Mesh, Pos2, Rect, RichText, Role, Sense, Shape, Stroke, StrokeKind,
    WidgetInfo, pos2, vec2,
};
use smalti_engine::questions::{Appearance, CodeAppearance};
use smalti_engine::tokens::{Part, Tokens};

use super::clock::Clock;
use super::lane::{Lane, Moment};
use super::places::Place;
use crate::ctx::{Trace, ViewCtx};
use crate::document::{BETS, OURS, Racing};
use crate::look::colors::color_of;
use crate::look::textures::Sampling;
use crate::look::theme::{RADIUS_PICTURE, space};
use crate::widgets::{hatch, states};

/// How far a race is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    /// It can be started, and bet on.
    Ready { bet: Option<u8> },
    /// Its lanes run, one after the other.
    Measured { bet: Option<u8> },
    /// It is played: the clock stands at a slice.
    Played { bet: Option<u8>, clock: Clock, at: usize },
}

impl Stage {
    /// The lane that was bet on, from 0.
    pub(super) fn bet(&self) -> Option<usize> {
        let (Self::Ready { bet } | Self::Measured { bet } | Self::Played { bet, .. }) = self;
        bet.map(usize::from)
    }
}

/// Draws a lane. Gives whether it has the keyboard.
pub(super) fn lane_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    place: &Place,
    lane: &Lane<'_>,
    stage: &Stage,
) -> bool {
    let moment = match stage {
        Stage::Ready { .. } | Stage::Measured { .. } => lane.moment(None),
        Stage::Played { clock, at, .. } => lane.moment(Some((clock, *at))),
    };
    let has_keys = match stage {
        Stage::Ready { bet } => ready_ui(ui, ctx, place.picture, lane, *bet),
        Stage::Measured { .. } | Stage::Played { .. } => {
            let is_played = matches!(stage, Stage::Played { .. });
            running_ui(ui, ctx, place.picture, lane, (moment, is_played));
            false
        }
    };
    rail_ui(ui, ctx, place.rail, lane, moment);
    figures_ui(ui, ctx, place, moment);
    has_keys
}

/// Before the start: nothing is written, and a click says that this lane will be first.
fn ready_ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    picture: Rect,
    lane: &Lane<'_>,
    bet: Option<u8>,
) -> bool {
    let colors = &ctx.theme.colors;
    let painter = ui.painter();
    if let Some(painter_of) = lane.painter() {
        let (rows, columns) = painter_of
            .config()
            .layout
            .last()
            .map_or((1, 1), |shape| (shape.rows.max(1), shape.columns.max(1)));
        let cells = (0..rows * columns)
            .map(|at| cell_rect(picture, (at / columns, at % columns), (rows, columns)));
        hatch::cells(painter, ctx, cells.map(|cell| cell.shrink(0.5)), 1.0);
        // Its codes' colors are there before the clock runs, which nothing else is to slow down.
        if let Some(model) = painter_of.tokenizer.clone() {
            let _colors =
                ctx.ask_soon(("race codes", lane.number), &CodeAppearance { model, book: 0 });
        }
    } else {
        hatch::cells(painter, ctx, [picture], 1.0);
    }
    let Some(_) = &lane.generator else {
        let words = format!("{} is not here: choose another generator", OURS[lane.number]);
        told(ui, ctx, picture, (&words, colors.dim));
        return false;
    };
    if let Some(problem) = lane.problem() {
        told(ui, ctx, picture, (&format!("{}: {}", problem.summary, problem.hint), colors.danger));
        return false;
    }
    let number = lane.number;
    let is_bet = bet.map(usize::from) == Some(number);
    let id = ui.scope_id().with("bet");
    let response = ui.interact(picture, id, Sense::click());
    response.widget_info(|| {
        let label = format!("Bet on lane {}, {}", number + 1, lane.name);
        WidgetInfo::selected(Role::Button, true, is_bet, label)
    });
    if number == 0 {
        ctx.take_focus(&response);
    }
    let line = match (is_bet, response.has_focus(), response.hovered()) {
        (true, ..) => Stroke::new(ctx.theme.line(3.0), colors.gold),
        (_, true, _) => Stroke::new(ctx.theme.line(2.0), colors.gold),
        (.., true) => Stroke::new(ctx.theme.line(1.5), colors.text),
        _ => Stroke::NONE,
    };
    painter.rect_stroke(picture, RADIUS_PICTURE, line, StrokeKind::Outside);
    let words = match (lane.is_opening(), is_bet) {
        (true, _) => format!("opening {}…", lane.name),
        (false, true) => "your bet".to_owned(),
        (false, false) => format!("{}: this one first?", number + 1),
    };
    let color = if is_bet { colors.gold } else { colors.text };
    stamp(ui, ctx, picture, (&words, color));
    let has_focus = response.has_focus();
    // At the pointer: below the picture it would lie over the figures.
    let is_clicked = response.on_hover_text_at_pointer("Say that it will be first").clicked();
    if ctx.offer(BETS[number], is_clicked) {
        let mut race = ctx.document.race.clone();
        race.bet = (!is_bet).then_some(number as u8);
        ctx.send(Racing::Set(Box::new(race)));
    }
    has_focus
}

/// While it runs, and afterwards: what is there at the moment.
fn running_ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    picture: Rect,
    lane: &Lane<'_>,
    (moment, is_played): (Moment, bool),
) {
    let response = ui.interact(picture, ui.scope_id().with("picture"), Sense::hover());
    let (written, all) = moment.tokens;
    response.widget_info(|| {
        let label = format!(
            "Lane {}, {}: {written} of {all} tokens, {} passes",
            lane.number + 1,
            lane.name,
            moment.passes
        );
        WidgetInfo::labeled(Role::Image, true, label)
    });
    let shown = lane.trace.and_then(|trace| Some((trace, trace.tokens(moment.steps)?)));
    match shown {
        Some((trace, tokens)) => {
            moment_ui(ui, ctx, picture, (lane, trace), (tokens, moment.steps, is_played));
        }
        None => hatch::cells(ui.painter(), ctx, [picture], 1.0),
    }
    if let Some(problem) = lane.problem() {
        let color = ctx.theme.colors.danger;
        stamp(ui, ctx, picture, (&format!("{}: {}", problem.summary, problem.hint), color));
    }
}

/// The picture so far, with what is not written hatched. Nothing is decoded while lanes are measured, as that would
/// slow them down: the colors of the tokens stand for them.
fn moment_ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    picture: Rect,
    (lane, trace): (&Lane<'_>, &Trace),
    (tokens, steps, is_played): (&Tokens, usize, bool),
) {
    let painter = ui.painter().with_clip_rect(picture.intersect(ui.clip_rect()));
    let decoded = if is_played { lane.picture(ctx, steps) } else { None };
    if let Some((_, decoded)) = &decoded {
        let texture = ctx.textures.picture(&decoded.picture, Sampling::Pixels);
        let uv = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
        painter.image(texture.id(), picture, uv, Color32::WHITE);
    }
    let has_scales = tokens.parts().len() > 1;
    if has_scales && decoded.is_some() {
        // A picture of scales has no holes.
        return;
    }
    let is_written = |part: &Part| (0..part.codes().len()).any(|at| part.code(at).is_some());
    let number = tokens.parts().iter().rposition(is_written).unwrap_or(0);
    let Some(part) = tokens.part(number) else { return };
    let look = appearance(ctx, (lane.number, trace), (part.book(), is_played));
    let before = decoded.as_ref().and_then(|(step, _)| trace.tokens(*step)?.part(number));
    let (rows, columns) = (part.rows().max(1), part.columns().max(1));
    let mut written = Mesh::default();
    let mut masked = Vec::new();
    for at in 0..rows * columns {
        let cell = cell_rect(picture, (at / columns, at % columns), (rows, columns));
        match part.code(at) {
            None => masked.push(cell),
            // It is in the picture already.
            Some(_) if before.is_some_and(|before| before.code(at).is_some()) => {}
            Some(code) => written.add_colored_rect(cell, color(look.as_deref(), code)),
        }
    }
    painter.add(Shape::mesh(written));
    hatch::cells(&painter, ctx, masked, 1.0);
}

fn appearance(
    ctx: &ViewCtx<'_>,
    (number, trace): (usize, &Trace),
    (book, may_ask): (u16, bool),
) -> Option<std::sync::Arc<Appearance>> {
    // Of tokens that are told in parts a code has no color of its own.
    if !trace.opened.sub_tokens.is_empty() {
        return None;
    }
    let question = CodeAppearance { model: trace.opened.tokenizer.clone()?, book };
    if may_ask {
        return ctx.ask_soon(("race codes", number), &question).ready().cloned();
    }
    ctx.session.known(&question)
}

fn color(look: Option<&Appearance>, code: u32) -> Color32 {
    let known = look.and_then(|look| look.colors.get(code as usize));
    known.map_or_else(|| color_of(code, &[]), |[r, g, b]| Color32::from_rgb(*r, *g, *b))
}

fn cell_rect(
    picture: Rect,
    (row, column): (usize, usize),
    (rows, columns): (usize, usize),
) -> Rect {
    let size = picture.size() / vec2(columns as f32, rows as f32);
    let corner = picture.min + vec2(column as f32 * size.x, row as f32 * size.y);
    Rect::from_min_size(corner, size)
}

/// Words in the middle of a picture, on a ground of their own.
fn stamp(ui: &egui::Ui, ctx: &ViewCtx<'_>, picture: Rect, (words, color): (&str, Color32)) {
    let width = (picture.width() - 2.0 * space::M).max(16.0);
    let painter = ui.painter().with_clip_rect(picture.intersect(ui.clip_rect()));
    let galley = painter.layout(words.to_owned(), ctx.theme.body(), color, width);
    let place = Align2::CENTER_CENTER.anchor_size(picture.center(), galley.size());
    painter.rect_filled(place.expand(space::S), 6.0, ctx.theme.colors.panel);
    painter.galley(place.min, galley, color);
}

/// The same where it is all that is to be said of a lane.
fn told(ui: &egui::Ui, ctx: &ViewCtx<'_>, picture: Rect, (words, color): (&str, Color32)) {
    let response = ui.interact(picture, ui.scope_id().with("told"), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, words));
    stamp(ui, ctx, picture, (words, color));
}

/// Tokens written, as a bar.
fn rail_ui(ui: &egui::Ui, ctx: &ViewCtx<'_>, rail: Rect, lane: &Lane<'_>, moment: Moment) {
    let line = Rect::from_center_size(rail.center(), vec2(rail.width(), rail.height() * 0.5));
    let (written, all) = moment.tokens;
    let part = written as f32 / all.max(1) as f32;
    ui.painter().rect_filled(line, 2.0, ctx.theme.colors.strong_line);
    let filled = line.with_max_x(line.left() + line.width() * part);
    ui.painter().rect_filled(filled, 2.0, ctx.theme.family(lane.number));
}

/// What it took so far.
fn figures_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, place: &Place, moment: Moment) {
    let (written, all) = moment.tokens;
    // Time stands still in pictures that must come out the same.
    let seconds = if ctx.is_time_frozen { 0.0 } else { moment.seconds };
    let each = match moment.passes {
        0 => "–".to_owned(),
        passes => format!("{:.1}", written as f64 / f64::from(passes)),
    };
    if !place.is_wide {
        let right = format!("{} passes · {seconds:.2} s · {each} a pass", moment.passes);
        states::caption(ui, ctx, place.figures, &format!("{written} of {all}"), &right);
        return;
    }
    let columns = [
        (format!("of {all} tokens"), written.to_string()),
        ("forward passes".to_owned(), moment.passes.to_string()),
        ("seconds".to_owned(), format!("{seconds:.2}")),
        ("tokens a pass".to_owned(), each),
    ];
    let wide = place.figures.width() / columns.len() as f32;
    for (at, (label, number)) in columns.into_iter().enumerate() {
        let left = place.figures.left() + at as f32 * wide;
        let rect = Rect::from_min_size(
            pos2(left, place.figures.top()),
            vec2(wide, place.figures.height()),
        );
        let builder = egui::UiBuilder::new().max_rect(rect).id_salt(("figure", at));
        ui.scope_builder(builder, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            ui.add(egui::Label::new(ctx.theme.label(label)).truncate());
            let number = RichText::new(number).font(ctx.theme.number());
            ui.add(egui::Label::new(number).truncate());
        });
    }
}
