//! Which pixels a token moves, for tokens that belong to no place.

use egui::Color32;
use smalti_engine::questions::Reach;
use smalti_engine::session::Reply;
use smalti_engine::tokens::Tokens;

use crate::ctx::ViewCtx;
use crate::look::textures::{Sampling, Source};
use crate::widgets::pane::Pane;

/// Paints how much each pixel depends on the picked token, or else the one under the pointer, over the
/// picture; says what is seen.
pub(super) fn paint(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    pane: &Pane,
    tokens: &Tokens,
) -> Option<String> {
    let picked = &ctx.document.selection.cells;
    let only = if picked.len() == 1 { picked.first().copied() } else { None };
    let cell = only.or(ctx.hovered.cell())?;
    if !tokens.contains(cell) {
        return None;
    }
    let question = Reach { tokens: tokens.clone(), model: ctx.document.model.clone(), cell };
    let reached = match ctx.ask_soon("reach", &question) {
        Reply::Ready(reached) => reached,
        Reply::Failed(problem) => return Some(problem.summary),
        Reply::Working { .. } => {
            return Some(format!("what token {} moves: trying other codes…", cell.column));
        }
    };
    let size = [reached.size.0 as usize, reached.size.1 as usize];
    let key = (("reach", ctx.theme.choice), Source::of(&reached.moved));
    let texture = ctx.textures.colors(key, size, Sampling::Pixels, || {
        let map = &ctx.theme.maps.viridis;
        let highest = reached.highest.max(1e-6);
        let color = |moved: &f32| {
            let share = moved / highest;
            let [r, g, b, _] = map.at(share).to_array();
            // What does not move is left as it is.
            Color32::from_rgba_unmultiplied(r, g, b, (share.sqrt() * 220.0) as u8)
        };
        reached.moved.iter().map(color).collect()
    });
    pane.paint(ui, texture.id(), Color32::WHITE);
    let most = reached.highest * 100.0;
    Some(format!("what token {} moves, up to {most:.0} %", cell.column))
}
