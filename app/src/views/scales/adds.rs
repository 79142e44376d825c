//! What a scale adds, as a signed map.

use egui::{Rect, pos2};
use smalti_engine::questions::Added;

use crate::ctx::ViewCtx;
use crate::look::palette::{GAINS, gain_for};
use crate::look::textures::{Sampling, Source};
use crate::widgets::export::{Exported, picture_of};

/// How much is amplified, and what the last colors are: "4×4 adds ±12.5 %, ×8".
pub(super) fn words(added: &Added, label: &str, from: &str) -> String {
    let gain = GAINS[gain_for(added.usual)];
    let full = format!("{:.2}", 100.0 / f64::from(gain));
    let full = full.trim_end_matches('0').trim_end_matches('.');
    format!("{label} adds{from} up to ±{full} % in the last colors, ×{gain}")
}

/// Paints it.
pub(super) fn paint(ui: &egui::Ui, ctx: &ViewCtx<'_>, place: Rect, added: &Added) {
    let size = [added.size.0 as usize, added.size.1 as usize];
    let key = (("adds", ctx.theme.choice), Source::of(&added.signed));
    let texture = ctx.textures.colors(key, size, Sampling::Smooth, || colors(ctx, added));
    let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    ui.painter().image(texture.id(), place, uv, egui::Color32::WHITE);
}

/// It can be taken away from the palette.
pub(super) fn offer(ctx: &ViewCtx<'_>, added: &Added, about: &str) {
    let size = [added.size.0 as usize, added.size.1 as usize];
    let picture = || picture_of(&colors(ctx, added), size);
    let numbers = || crate::document::Table::Map {
        values: crate::document::Column::Values(std::sync::Arc::clone(&added.signed)),
        columns: size[0],
    };
    let exported = Exported {
        name: "scale-adds",
        about,
        picture: Some(&picture),
        numbers: Some(&numbers),
        ..Exported::default()
    };
    exported.offer(ctx);
}

fn colors(ctx: &ViewCtx<'_>, added: &Added) -> Vec<egui::Color32> {
    let gain = GAINS[gain_for(added.usual)] as f32;
    let color = |value: &f32| {
        let value = (value * gain).clamp(-1.0, 1.0);
        // By the root: what is usual is far from the ends.
        ctx.theme.maps.diverging.at(0.5 + value.abs().sqrt().copysign(value) / 2.0)
    };
    added.signed.iter().map(color).collect()
}
