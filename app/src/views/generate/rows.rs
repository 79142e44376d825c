//! Rows of settings: a label, and what it is of.

use egui::{Slider, SliderClamping, WidgetInfo, vec2};

use crate::ctx::ViewCtx;
use crate::look::theme::space;
use crate::widgets::keys::ring;

/// Where labels end and controls begin, before text is scaled.
const LABEL: f32 = 84.0;

/// A label and what it is of.
pub(super) fn row(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    label: &str,
    content: impl FnOnce(&mut egui::Ui),
) {
    ui.horizontal(|ui| {
        let size = vec2(ctx.theme.px(LABEL), ctx.theme.px(22.0));
        let (place, _) = ui.allocate_exact_size(size, egui::Sense::hover());
        let at = place.left_center();
        let (font, color) = (ctx.theme.small(), ctx.theme.colors.dim);
        ui.painter().text(at, egui::Align2::LEFT_CENTER, label, font, color);
        ui.spacing_mut().item_spacing.x = space::XS;
        content(ui);
    });
}

/// Says what a number is, to those who do not see the word beside it.
pub(in crate::views) fn named(response: &egui::Response, name: &str, value: f64) {
    let is_enabled = response.enabled();
    response.widget_info(|| WidgetInfo {
        label: Some(name.to_owned()),
        ..WidgetInfo::drag_value(is_enabled, value)
    });
}

/// A slider as wide as there is room for.
pub(super) fn slider(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slider: Slider<'_>) -> egui::Response {
    // Its number stands behind it.
    ui.spacing_mut().slider_width = (ui.available_width() - ctx.theme.px(52.0)).max(32.0);
    // A document may hold what the rail does not reach: to be seen does not change it.
    let response = ui.add(slider.clamping(SliderClamping::Edits));
    ring(ui, ctx.theme, &response);
    response
}
