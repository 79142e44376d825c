//! Scales: tokens in parts that add up, from coarse to fine. Above the picture so far after each of them, below the
//! tokens of each. Of an image that was encoded, or of what a generator wrote.

mod adds;
mod empty;
mod hands;
mod shown;
mod strip;

use egui::UiBuilder;

use self::shown::{Of, Shown};
use super::view::View;
use crate::ctx::ViewCtx;
use crate::look::theme::space;
use crate::widgets::states;

/// The Scales view.
#[derive(Debug, Default)]
pub(super) struct ScalesView {
    /// Whose scales are seen, where there are several; those of the image if `None`.
    of: Option<Of>,
}

impl View for ScalesView {
    fn bar_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let there: Vec<Of> =
            Of::ALL.into_iter().filter(|of| Shown::of(ctx, *of).is_some()).collect();
        let Some(first) = there.first() else { return };
        let now = self.of.filter(|of| there.contains(of)).unwrap_or(*first);
        if there.len() > 1 {
            for of in there {
                if ui.selectable_label(of == now, of.label()).clicked() {
                    self.of = Some(of);
                }
            }
            ui.separator();
        }
        hands::looks_ui(ui, ctx);
        if now == Of::Encoded {
            hands::ui(ui, ctx);
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let wanted = self.of.and_then(|of| Shown::of(ctx, of));
        let any = || Of::ALL.into_iter().find_map(|of| Shown::of(ctx, of));
        let Some(shown) = wanted.or_else(any) else {
            empty::ui(ui, ctx);
            return;
        };
        let area = ui.available_rect_before_wrap();
        ui.allocate_rect(area, egui::Sense::hover());
        let line = ctx.theme.px(24.0);
        // Pictures come first: tokens have what a third leaves.
        let tokens = (area.height() * 0.3).max(0.0);
        let (pictures, below) = area.split_top_bottom_at_y(area.bottom() - tokens - line);
        let (so_far, pictures) = pictures.split_top_bottom_at_y(pictures.top() + line);
        let (left, right) = shown.words_of_pictures(ctx);
        states::caption(ui, ctx, so_far, &left, &right);
        let (caption, tokens) = below.split_top_bottom_at_y(below.top() + line);
        let picked = ui
            .scope_builder(UiBuilder::new().max_rect(pictures).id_salt("pictures"), |ui| {
                strip::pictures_ui(ui, ctx, pictures.shrink2(egui::vec2(0.0, space::S)), &shown)
            });
        let (left, right) = shown.words(ctx);
        states::caption(ui, ctx, caption, &left, &right);
        let of_tokens = ui
            .scope_builder(UiBuilder::new().max_rect(tokens).id_salt("tokens"), |ui| {
                strip::tokens_ui(ui, ctx, tokens, &shown)
            });
        if let Some(part) = picked.inner.or(of_tokens.inner) {
            shown.pick(ctx, part);
        }
    }
}
