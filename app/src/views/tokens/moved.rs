//! What an edit does beyond its cells: which pixels it moves, and which tokens would be others if the picture that is
//! seen were encoded again.

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::Color32;
use smalti_engine::questions::{EncodeAgain, Encoded, Moved, MovedPixels};
use smalti_engine::session::Reply;
use smalti_engine::tokens::{Cell, Tokens};

use super::seen::{Seen, is_so_far};
use crate::ctx::ViewCtx;
use crate::document::{Column, Table};
use crate::look::textures::{Sampling, Source};
use crate::look::words::grouped;
use crate::widgets::export::{Exported, picture_of};
use crate::widgets::pane::Pane;

/// Paints how far the edit moves each pixel over the picture, if that is wanted; says what is seen.
pub(super) fn paint(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    pane: &Pane,
    (encoded, now): (&Encoded, &Tokens),
) -> Option<String> {
    let document = ctx.document;
    let is_edited = !(document.edits.is_empty() && document.switched_off.is_empty());
    if !document.looks.edited.moved || !is_edited || !ctx.is_encoded() {
        return None;
    }
    let parts = if is_so_far(ctx, now) { ctx.part(now).0 + 1 } else { now.parts().len() };
    let (before, after) = (encoded.tokens.up_to(parts), now.up_to(parts));
    let question = Moved { before, after, model: document.model.clone() };
    let moved = match ctx.ask_soon("moved", &question) {
        Reply::Ready(moved) => moved,
        Reply::Failed(problem) => return Some(problem.summary),
        Reply::Working { .. } => return Some("decoding without the edit…".to_owned()),
    };
    let size = [moved.size.0 as usize, moved.size.1 as usize];
    let key = (("moved", ctx.theme.choice), Source::of(&moved.by));
    let texture = ctx.textures.colors(key, size, Sampling::Pixels, || {
        // What does not move is left as it is.
        let alpha = |share: f32| (share.sqrt() * 220.0) as u8;
        colors(ctx, &moved, alpha)
    });
    pane.paint(ui, texture.id(), Color32::WHITE);
    let (share, most) = (moved.share * 100.0, moved.highest * 100.0);
    let words = format!("the edit moves {share:.1} % of the pixels, by up to {most:.0} %");
    let picture = || picture_of(&colors(ctx, &moved, |_| 255), size);
    let numbers = || Table::Map { values: Column::Values(Arc::clone(&moved.by)), columns: size[0] };
    let exported = Exported {
        name: "moved",
        about: &words,
        by: Some(&document.model),
        picture: Some(&picture),
        numbers: Some(&numbers),
        ..Exported::default()
    };
    exported.offer(ctx);
    Some(words)
}

/// From nothing to the pixel that moves most.
fn colors(ctx: &ViewCtx<'_>, moved: &MovedPixels, alpha: impl Fn(f32) -> u8) -> Vec<Color32> {
    let (map, highest) = (&ctx.theme.maps.viridis, moved.highest.max(1e-6));
    let color = |by: &f32| {
        let share = by / highest;
        let [r, g, b, _] = map.at(share).to_array();
        Color32::from_rgba_unmultiplied(r, g, b, alpha(share))
    };
    moved.by.iter().map(color).collect()
}

/// Tokens that would be others.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// Where.
    pub(super) cells: Arc<BTreeSet<Cell>>,
    /// How many, or why that is not known.
    pub(super) words: Option<String>,
}

/// Which tokens would be others if the picture that is seen were encoded again, if that is wanted.
pub(super) fn again(ctx: &ViewCtx<'_>, seen: Option<&Seen>, now: &Tokens) -> Again {
    if !ctx.document.looks.edited.again {
        return Again::default();
    }
    let without_cells = |words: &str| Again { words: Some(words.to_owned()), ..Again::default() };
    if is_so_far(ctx, now) {
        return without_cells("only the whole picture is encoded again");
    }
    let Some(seen) = seen.filter(|seen| !seen.is_old) else {
        return without_cells("encoding again…");
    };
    let (tokens, model) = (now.clone(), ctx.document.model.clone());
    let picture = ctx.originals.get(seen.picture());
    let again = match ctx.ask_soon("again", &EncodeAgain { picture, tokens, model }) {
        Reply::Ready(again) => again,
        Reply::Failed(problem) => return without_cells(&problem.summary),
        Reply::Working { .. } => return without_cells("encoding again…"),
    };
    let [differing, cells] =
        [again.differing.len(), again.cells].map(|count| grouped(count as u64));
    let mut words = format!("{differing} of {cells} tokens would be others if encoded again");
    let edits = &ctx.document.edits;
    if !edits.is_empty() {
        let forced = edits.keys().filter(|cell| again.differing.contains(cell)).count();
        let [forced, all] = [forced, edits.len()].map(|count| grouped(count as u64));
        words = format!("{words}, {forced} of {all} forced ones among them");
    }
    Again { cells: Arc::clone(&again.differing), words: Some(words) }
}
