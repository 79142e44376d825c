//! The strips: pictures so far, of which the one that is looked at is large, and the tokens of each scale.

use egui::{
    Align2, Color32, Key, Rect, Response, Role, Sense, Stroke, StrokeKind, WidgetInfo, pos2, vec2,
};

use smalti_engine::Problem;

use super::super::tokens::part_texture;
use super::shown::{Of, Shown};
use super::{adds, hands};
use crate::ctx::ViewCtx;
use crate::look::textures::Sampling;
use crate::look::theme::{RADIUS_PICTURE, space};
use crate::widgets::hatch;

/// The line below a tile, before text is scaled.
const LINE: f32 = 18.0;

/// A tile of a strip.
struct Tile {
    number: usize,
    rect: Rect,
}

/// Tiles beside each other in the middle of an area, each with a side.
fn tiles(area: Rect, sides: &[f32], gap: f32) -> Vec<Tile> {
    let whole: f32 = sides.iter().sum::<f32>() + gap * sides.len().saturating_sub(1) as f32;
    let mut left = area.center().x - whole / 2.0;
    let tile = |(number, side): (usize, &f32)| {
        let middle = pos2(left + side / 2.0, area.center().y);
        left += side + gap;
        Tile { number, rect: Rect::from_center_size(middle, vec2(*side, *side)) }
    };
    sides.iter().enumerate().map(tile).collect()
}

/// From this share of the full side at the coarsest scale to all of it at the finest.
fn grown(number: usize, count: usize, least: f32) -> f32 {
    least + (1.0 - least) * number as f32 / (count - 1).max(1) as f32
}

/// The pictures so far. Gives the scale that was picked.
pub(super) fn pictures_ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    area: Rect,
    shown: &Shown,
) -> Option<usize> {
    let count = shown.tokens.parts().len();
    let (gap, line) = (space::S, ctx.theme.px(LINE));
    let room = area.with_max_y((area.bottom() - line).max(area.top()));
    let wide = (room.width() - gap * (count - 1) as f32).max(8.0);
    let large = room.height().min(wide * 0.45).max(4.0);
    let others = ((wide - large) / (count - 1).max(1) as f32).min(large * 0.4).max(2.0);
    let side = |number: usize| {
        if number == shown.at { large } else { others * grown(number, count, 0.55) }
    };
    let sides: Vec<f32> = (0..count).map(side).collect();
    let mut picked = keys(ui, (count, shown.written));
    for Tile { number, rect } in tiles(room, &sides, gap) {
        let response = ui.interact(rect, id_of(ui, number), Sense::click());
        let is_at = number == shown.at;
        response.widget_info(|| {
            let label = format!("The picture so far, {}", shown.label(number));
            WidgetInfo::selected(Role::Button, true, is_at, label)
        });
        if ctx.document.looks.adds {
            added_ui(ui, ctx, shown, (number, rect));
        } else {
            so_far_ui(ui, ctx, shown, (number, rect));
        }
        outline(ui, ctx, (rect, is_at), &response);
        label(ui, ctx, rect, (&shown.label(number), is_at, sides[number]));
        if is_at {
            ctx.take_focus(&response);
        }
        let can = number < shown.written;
        if response.clicked() && can {
            picked = Some(number);
        }
    }
    picked
}

/// The picture so far after a scale.
fn so_far_ui(ui: &egui::Ui, ctx: &ViewCtx<'_>, shown: &Shown, (number, rect): (usize, Rect)) {
    let reply = shown.picture(ctx, number);
    match reply.as_ref().and_then(|reply| reply.best()) {
        Some(decoded) => {
            let texture = ctx.textures.picture(&decoded.picture, Sampling::Smooth);
            let place = within(rect, (decoded.picture.width(), decoded.picture.height()));
            egui::Image::new((texture.id(), place.size())).paint_at(ui, place);
        }
        None => hatch::cells(ui.painter(), ctx, [rect], 1.0),
    }
    if number == shown.at {
        problem(ui, ctx, rect, reply.as_ref().and_then(|reply| reply.problem()));
    }
}

/// What a scale adds.
fn added_ui(ui: &egui::Ui, ctx: &ViewCtx<'_>, shown: &Shown, (number, rect): (usize, Rect)) {
    let reply = shown.added(ctx, number);
    match reply.as_ref().and_then(|reply| reply.best()) {
        Some(added) => adds::paint(ui, ctx, within(rect, added.size), added),
        None => hatch::cells(ui.painter(), ctx, [rect], 1.0),
    }
    if number == shown.at {
        problem(ui, ctx, rect, reply.as_ref().and_then(|reply| reply.problem()));
        if let Some(added) = reply.as_ref().and_then(|reply| reply.ready()) {
            let (left, right) = shown.words_of_pictures(ctx);
            adds::offer(ctx, added, &format!("{left}; {right}"));
        }
    }
}

/// As large as it becomes in a place.
fn within(rect: Rect, (width, height): (u32, u32)) -> Rect {
    let (w, h) = (width as f32, height as f32);
    Rect::from_center_size(rect.center(), vec2(w, h) * (rect.width() / w.max(h).max(1.0)))
}

fn problem(ui: &egui::Ui, ctx: &ViewCtx<'_>, rect: Rect, problem: Option<&Problem>) {
    if let Some(problem) = problem {
        let (font, color) = (ctx.theme.body(), ctx.theme.colors.danger);
        ui.painter().text(rect.center(), Align2::CENTER_CENTER, &problem.summary, font, color);
    }
}

/// The tokens of each scale. Gives the one that was picked.
pub(super) fn tokens_ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    area: Rect,
    shown: &Shown,
) -> Option<usize> {
    let count = shown.tokens.parts().len();
    let gap = space::S;
    let room = area.shrink2(vec2(0.0, space::XS));
    let wide = (room.width() - gap * (count - 1) as f32).max(8.0) / count as f32;
    // Together they are as wide as the strip, the finest widest.
    let full = (wide / grown(count / 2, count, 0.3)).min(room.height()).max(2.0);
    let sides: Vec<f32> = (0..count).map(|number| full * grown(number, count, 0.3)).collect();
    let mut picked = None;
    for Tile { number, rect } in tiles(room, &sides, gap) {
        let id = ui.scope_id().with(("tokens", number));
        let response = ui.interact(rect, id, Sense::click());
        let (is_at, is_there) = (number == shown.at, number < shown.written);
        response.widget_info(|| {
            let label = format!("Tokens of the scale {}", shown.label(number));
            WidgetInfo::selected(Role::Button, true, is_at, label)
        });
        if is_there {
            let look = shown.appearance(ctx, number);
            let texture = part_texture(ctx, (&shown.tokens, number), (&look, &[]));
            let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            ui.painter().image(texture.id(), rect, uv, Color32::WHITE);
        } else {
            hatch::cells(ui.painter(), ctx, [rect], 1.0);
        }
        outline(ui, ctx, (rect, is_at), &response);
        if shown.whose() == Of::Encoded {
            hands::selected(ui, ctx, rect, (number, shown.part(number)));
        }
        if is_at && is_there && hands::pick(ui, ctx, shown, &response) {
            continue;
        }
        if response.clicked() && is_there {
            picked = Some(number);
        }
    }
    picked
}

/// The tile of a picture.
fn id_of(ui: &egui::Ui, number: usize) -> egui::Id {
    ui.scope_id().with(("picture", number))
}

/// Where the arrows lead from the picture that has the keyboard, which goes with them: to scales that are written.
fn keys(ui: &egui::Ui, (count, written): (usize, usize)) -> Option<usize> {
    let has_focus = |number: &usize| ui.memory(|memory| memory.has_focus(id_of(ui, *number)));
    let number = (0..count).find(has_focus)?;
    // The menu of a picture has the arrows while it is open.
    if egui::Popup::is_any_open(ui.ctx()) {
        return None;
    }
    let arrows = egui::EventFilter { horizontal_arrows: true, ..Default::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(id_of(ui, number), arrows));
    let pressed = |key| ui.input(|input| input.key_pressed(key));
    let last = written.checked_sub(1)?;
    let to = if pressed(Key::ArrowLeft) {
        number.saturating_sub(1)
    } else if pressed(Key::ArrowRight) {
        (number + 1).min(last)
    } else if pressed(Key::Home) {
        0
    } else if pressed(Key::End) {
        last
    } else {
        return None;
    };
    ui.memory_mut(|memory| memory.request_focus(id_of(ui, to)));
    Some(to)
}

fn outline(ui: &egui::Ui, ctx: &ViewCtx<'_>, (rect, is_at): (Rect, bool), response: &Response) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let line = match (is_at, response.has_focus(), response.hovered()) {
        (true, ..) => Stroke::new(theme.line(2.5), colors.gold),
        (_, true, _) => Stroke::new(theme.line(2.0), colors.gold),
        (.., true) => Stroke::new(theme.line(1.5), colors.text),
        _ => Stroke::NONE,
    };
    ui.painter().rect_stroke(rect, RADIUS_PICTURE, line, StrokeKind::Outside);
}

/// The name of a scale below its tile, where it has room.
fn label(ui: &egui::Ui, ctx: &ViewCtx<'_>, rect: Rect, (words, is_at, side): (&str, bool, f32)) {
    let color = if is_at { ctx.theme.colors.text } else { ctx.theme.colors.dim };
    let galley = ui.painter().layout_no_wrap(words.to_owned(), ctx.theme.figures(), color);
    if galley.size().x <= side + space::S {
        let at = pos2(rect.center().x - galley.size().x / 2.0, rect.bottom() + 3.0);
        ui.painter().galley(at, galley, color);
    }
}
