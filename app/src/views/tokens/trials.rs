//! Ways in which the selected cells were written anew, side by side below the pictures: one is picked by a click or by
//! its number key, and the others stay in History.

use egui::{Rect, Role, Sense, Stroke, StrokeKind, UiBuilder, WidgetInfo, vec2};
use smalti_engine::questions::{DecodePartly, Encoded};
use smalti_engine::session::{Reply, RunState};

use super::palette::rewriting;
use crate::ctx::{Trace, Trials, ViewCtx};
use crate::document::{Asked, Generate, Secret};
use crate::look::textures::Sampling;
use crate::look::theme::space;
use crate::look::words::counted;
use crate::widgets::{hatch, pane, states, veil};

/// The share of the view that they take, and the least and the most of it in points before text is scaled.
const SHARE: (f32, f32, f32) = (0.36, 130.0, 260.0);
/// The same of more than stand in one row: the picture that is worked on gives way.
const SHARE_OF_ROWS: (f32, f32, f32) = (0.66, 300.0, f32::INFINITY);
/// So many stand in a row where there is more than one, and in a single row at most.
const ROW: (usize, usize) = (3, 4);
/// The line above them.
const HEAD: f32 = 28.0;

/// Draws what there is to be picked at the bottom of an area, or says how far what is written anew is; gives what
/// is left of the area.
pub(super) fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, area: Rect, encoded: &Encoded) -> Rect {
    let Some(trials) =
        ctx.trials().filter(|trials| Some(&trials.on) == ctx.document.work_on().as_ref())
    else {
        return area;
    };
    if !trials.are_shown() {
        states::busy(ui, ctx, trials.asked.first().and_then(|asked| done(ctx, asked)));
        return area;
    }
    let count = trials.asked.len();
    let (share, least, most) = if count > ROW.1 { SHARE_OF_ROWS } else { SHARE };
    let height = (area.height() * share).clamp(ctx.theme.px(least), ctx.theme.px(most));
    let height = height.min(area.height());
    let (rest, place) = area.split_top_bottom_at_y(area.bottom() - height);
    let stroke = Stroke::new(ctx.theme.line(1.0), ctx.theme.colors.line);
    ui.painter().hline(place.x_range(), place.top(), stroke);
    let place = place.shrink2(vec2(space::M, space::XS));
    let (head, pictures) = place.split_top_bottom_at_y(place.top() + ctx.theme.px(HEAD));
    ui.scope_builder(UiBuilder::new().max_rect(head).id_salt("trials"), |ui| {
        ui.horizontal_centered(|ui| head_ui(ui, ctx, trials));
    });
    if ctx.is_veiled(Secret::Reconstruction) {
        veil::paint(ui, ctx, pictures);
        return rest;
    }
    let size = [encoded.picture.width(), encoded.picture.height()];
    for (number, asked) in trials.asked.iter().enumerate() {
        let place = (place_of(pictures, count, number), size);
        trial_ui(ui, ctx, place, (number, asked), encoded);
    }
    rest
}

/// The place of one of so many: in a row, or in rows of three where they are more than four.
fn place_of(room: Rect, count: usize, number: usize) -> Rect {
    let columns = if count > ROW.1 { ROW.0 } else { count.max(1) };
    let rows = count.div_ceil(columns).max(1);
    let gaps = vec2((columns - 1) as f32, (rows - 1) as f32) * space::S;
    let size = (room.size() - gaps) / vec2(columns as f32, rows as f32);
    let step = size + vec2(space::S, space::S);
    let corner = vec2((number % columns) as f32, (number / columns) as f32) * step;
    Rect::from_min_size(room.min + corner, size)
}

fn head_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, trials: &Trials) {
    let count = trials.asked.len();
    let first = trials.asked.first().and_then(|asked| ctx.trace_of(asked));
    let cells = first.map_or("The cells".to_owned(), |trace| counted(trace.cells, "cell"));
    let words =
        format!("{cells} anew: press 1 to {count} or click one; the others stay in History");
    let why = ctx.why_not_rewrite();
    let (name, about) = if count > ROW.1 {
        ("Nine others", "As many with the next seeds (Ctrl+9)")
    } else {
        ("Four others", "As many with the next seeds (Ctrl+Shift+R)")
    };
    let others = ui.add_enabled(why.is_none(), egui::Button::new(name));
    let others = others.on_hover_text(about);
    if others.on_disabled_hover_text(why.unwrap_or_default()).clicked() {
        ctx.send(rewriting(ctx, count as u8));
    }
    let none = ui.button("Keep as it was").on_hover_text("The cells stay as they are (Esc)");
    if none.clicked() {
        ctx.send(Generate::Leave);
    }
    ui.add(egui::Label::new(ctx.theme.label(words)).truncate());
}

/// How far one is, 0 to 1.
fn done(ctx: &ViewCtx<'_>, asked: &Asked) -> Option<f32> {
    let trace = ctx.trace_of(asked)?;
    Some(trace.steps.len() as f32 / (trace.planned.max(1)) as f32)
}

/// One of them: its picture, and a click takes it.
fn trial_ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    (place, size): (Rect, [u32; 2]),
    (number, asked): (usize, &Asked),
    encoded: &Encoded,
) {
    let trace = ctx.trace_of(asked);
    let line = ctx.theme.px(20.0);
    let room = vec2(place.width(), (place.height() - line).max(16.0));
    let fit = pane::fit(room, size);
    let whole = vec2(size[0] as f32, size[1] as f32) * fit;
    let middle = place.center_top() + vec2(0.0, room.y / 2.0);
    let picture = Rect::from_center_size(middle, whole);
    let is_done = trace.is_some_and(|trace| trace.state == RunState::Done);
    let id = ui.scope_id().with(("trial", number));
    let response = ui.interact(picture, id, Sense::click());
    let word = match trace.map(|trace| &trace.state) {
        None => "waits",
        Some(RunState::Done) => "done",
        Some(RunState::Running | RunState::Paused) => "being written",
        Some(RunState::Cancelled) => "cancelled",
        Some(RunState::Failed(_)) => "failed",
    };
    let words = format!("Variation {}, seed {}, {word}", number + 1, asked.seed);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, is_done, &words));
    ui.painter().rect_filled(picture, 0.0, ctx.theme.colors.raised);
    if let Some(trace) = trace {
        picture_ui(ui, ctx, picture, (number, trace), encoded);
    }
    let colors = &ctx.theme.colors;
    if is_done && (response.hovered() || response.has_focus()) {
        let stroke = Stroke::new(ctx.theme.line(2.0), colors.gold);
        ui.painter().rect_stroke(picture, 2.0, stroke, StrokeKind::Outside);
    }
    let under = Rect::from_min_size(picture.left_bottom(), vec2(whole.x, line));
    let left = format!("{}", number + 1);
    let right = if is_done { format!("seed {}", asked.seed) } else { word.to_owned() };
    let at = under.left_center();
    let (font, color) = (ctx.theme.strong(), if is_done { colors.gold } else { colors.dim });
    ui.painter().text(at, egui::Align2::LEFT_CENTER, left, font, color);
    let at = under.right_center();
    ui.painter().text(at, egui::Align2::RIGHT_CENTER, right, ctx.theme.figures(), colors.dim);
    if response.clicked() {
        ctx.send(Generate::Pick(number));
    }
    response.on_hover_text(words);
}

/// What it decodes to so far; what is not written yet is hatched. Of one that is done it is the picture that comes of
/// taking it.
fn picture_ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    picture: Rect,
    (number, trace): (usize, &Trace),
    encoded: &Encoded,
) {
    let Some(tokens) = trace.tokens(trace.steps.len()) else { return };
    let model = ctx.document.model.clone();
    let question = DecodePartly { tokens: tokens.clone(), meant: None, model };
    // The last picture of this place is one of the same way: another one has another seed.
    let reply = ctx.ask(("trial", number, trace.asked.seed), &question);
    let is_done = trace.state == RunState::Done && ctx.is_encoded();
    let original = || ctx.originals.get(&encoded.picture);
    let blend = is_done.then(|| ctx.document.blend(original(), &encoded.tokens, tokens)).flatten();
    let blended = blend.map(|blend| ctx.ask(("trial taken", number, trace.asked.seed), &blend));
    let blended = blended.as_ref().and_then(Reply::ready).map(|blended| &blended.picture);
    if let Some(seen) = blended.or_else(|| reply.best().map(|decoded| &decoded.picture)) {
        let texture = ctx.textures.picture(seen, Sampling::Pixels);
        let uv = Rect::from_min_max(egui::Pos2::ZERO, egui::pos2(1.0, 1.0));
        ui.painter().image(texture.id(), picture, uv, egui::Color32::WHITE);
    }
    let [part] = tokens.parts() else { return };
    let (rows, columns) = (part.rows().max(1), part.columns().max(1));
    let step = picture.size() / vec2(columns as f32, rows as f32);
    let masked = (0..part.codes().len()).filter(|at| part.code(*at).is_none());
    let cells = masked.map(|at| {
        let place = vec2((at % columns) as f32, (at / columns) as f32) * step;
        Rect::from_min_size(picture.min + place, step)
    });
    hatch::cells(ui.painter(), ctx, cells, 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_stand_in_a_row_and_nine_in_three_rows_that_fill_the_room() {
        let room = Rect::from_min_size(egui::pos2(10.0, 20.0), vec2(600.0, 300.0));
        for (count, rows) in [(2, 1), (4, 1), (9, 3)] {
            let all: Vec<Rect> = (0..count).map(|number| place_of(room, count, number)).collect();
            for (at, one) in all.iter().enumerate() {
                assert!(room.expand(0.1).contains_rect(*one), "{count}: {one:?}");
                let is_apart = |other: &Rect| !one.intersects(*other);
                assert!(all.iter().skip(at + 1).all(is_apart), "{count}");
            }
            let lines = all.iter().filter(|one| (one.left() - room.left()).abs() < 0.1).count();
            assert_eq!(lines, rows, "{count}");
            let last = all[count - 1].max;
            assert!((last - room.max).length() < 0.1, "{count}: {last:?}");
        }
    }
}
