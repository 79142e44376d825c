//! The picture of a moment. What is not written is shown as masked; what the generator would write there is
//! seen through the masks where a person wants that.

use std::sync::Arc;

use egui::{Color32, Role, WidgetInfo};
use smalti_engine::questions::{DecodePartly, Decoded};
use smalti_engine::session::Reply;
use smalti_engine::tokens::Cell;

use super::facts::Shown;
use super::grid::{Over, cells_seen, over, rect_of};
use super::places::Place;
use super::taken;
use crate::ctx::ViewCtx;
use crate::look::textures::Sampling;
use crate::look::words::counted;
use crate::widgets::pane::{self, Framed, Zoom};
use crate::widgets::{hatch, states};

/// Steps to either side whose pictures are there before they are looked at.
const NEAR: usize = 24;
/// How much of a ghost the masks hide.
const VEIL: f32 = 0.62;

/// The picture of the moment, and those of the steps near it, nearest first.
pub(super) fn decoded(ctx: &ViewCtx<'_>, shown: &Shown<'_>) -> Reply<Decoded> {
    let (trace, at) = (shown.trace, shown.at);
    let nothing = || Reply::Working { progress: None, last: None };
    let model = match trace.opened.decoder() {
        Ok(model) => model,
        Err(error) => return Reply::Failed(error.problem()),
    };
    let now = trace.picture(at).map_or_else(nothing, |question| {
        let reply = ctx.ask(("generated", model, Arc::as_ptr(&trace.asked).addr()), &question);
        reply.last_for(|asked: &DecodePartly| asked.model == *model)
    });
    for away in 1..=NEAR {
        for step in [at.checked_sub(away), Some(at + away)].into_iter().flatten() {
            if step <= trace.steps.len()
                && let Some(question) = trace.picture(step)
            {
                ctx.ask_soon(("generated near", step), &question);
            }
        }
    }
    now
}

/// A small picture of another moment, where it is there.
pub(super) fn preview_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, (shown, at): (&Shown<'_>, usize)) {
    let Some(question) = shown.trace.picture(at) else { return };
    if let Reply::Ready(decoded) = ctx.ask_soon("generated preview", &question) {
        let texture = ctx.textures.picture(&decoded.picture, Sampling::Pixels);
        let size = egui::Vec2::splat(ctx.theme.px(96.0));
        ui.image((texture.id(), size));
    }
}

/// Draws it.
pub(super) fn ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    (place, size): (&Place, [u32; 2]),
    (shown, decoded): (&Shown<'_>, &Reply<Decoded>),
    (zoom, pinned): (&mut Zoom, Option<Cell>),
) -> Over {
    let id = ui.scope_id().with("generated picture");
    let pane = pane::show(ui, id, Framed { view: place.view, size, fit: place.fit }, zoom, false);
    let painter = pane.painter(ui);
    let written = shown.tokens.len() - shown.masked();
    // Before the first token there is no picture, and that of another moment is none of this one.
    let picture = decoded.best().filter(|_| written > 0);
    match picture {
        Some(decoded) => {
            let texture = ctx.textures.picture(&decoded.picture, Sampling::Pixels);
            pane.paint(ui, texture.id(), Color32::WHITE);
        }
        None => {
            painter.rect_filled(pane.picture, 0.0, ctx.theme.colors.raised);
        }
    }
    let part = shown.part();
    // Of tokens in parts it is the picture so far, which has no holes.
    let is_whole = shown.tokens.parts().len() > 1 && written > 0;
    let is_ghost = ctx.document.generating.shows_ghost
        && shown.trace.picture(shown.at).is_some_and(|question| question.meant.is_some())
        && picture.is_some();
    if !is_whole {
        let masked = cells_seen(&pane, shown).filter(|at| part.code(*at).is_none());
        let strength = if is_ghost { VEIL } else { 1.0 };
        hatch::cells(&painter, ctx, masked.map(|at| rect_of(&pane, shown, at)), strength);
    }
    if let Reply::Failed(problem) = decoded {
        let at = pane.view.center();
        let color = ctx.theme.colors.danger;
        let font = ctx.theme.body();
        painter.text(at, egui::Align2::CENTER_CENTER, &problem.summary, font, color);
    }
    let over = over(ui, ctx, &pane, shown, pinned);
    // Until it is decoded the picture of another step stands here.
    let is_decoded = decoded.ready().is_some();
    let left = match (written, is_ghost && !is_whole) {
        (0, _) => "nothing is written yet".to_owned(),
        _ if !is_decoded => "this step is being decoded…".to_owned(),
        (written, true) => {
            format!("decoded from {}, dimmed what would follow", counted(written, "token"))
        }
        (written, false) => format!("decoded from {}", counted(written, "token")),
    };
    let traced = shown.at.checked_sub(1).and_then(|last| shown.trace.steps.get(last));
    let right =
        traced.map_or(String::new(), |traced| format!("mean confidence {:.3}", traced.confidence));
    pane.response.widget_info(|| {
        let label = format!("Picture at this step, {left}");
        WidgetInfo::labeled(Role::Image, true, label)
    });
    // What is of another moment is not taken away under the name of this one.
    if let Some(decoded) = decoded.ready().filter(|_| written > 0) {
        taken::picture_menu(ctx, &pane, shown, (&decoded.picture, &left));
    }
    states::caption(ui, ctx, place.caption, &left, &right);
    over
}
