//! How a masked generator chooses what it writes: steps, schedule, order, self-correction.

use egui::{Checkbox, DragValue, Rect, Role, Sense, Slider, Stroke, WidgetInfo, pos2, vec2};
use smalti_engine::generators::{Schedule, Unmasking, UnmaskingOrder};

use super::rows::{named, row, slider};
use crate::ctx::ViewCtx;
use crate::look::words::counted;

/// The schedule as a curve is so high, before text is scaled.
const CURVE: f32 = 44.0;
/// Points of the curve.
const POINTS: usize = 48;
/// Tokens that are questioned in each step, where self-correction is switched on.
const QUESTIONED: u32 = 8;

/// The settings; `cells` is how many tokens there are at most.
pub(super) fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, unmasking: &mut Unmasking, cells: usize) {
    row(ui, ctx, "steps", |ui| {
        let steps = Slider::new(&mut unmasking.steps, 1..=64).logarithmic(true).integer();
        let response = slider(ui, ctx, steps);
        named(&response, "Steps", unmasking.steps.into());
    });
    row(ui, ctx, "schedule", |ui| {
        let name = unmasking.schedule.name();
        let menu = ui.menu_button(&name, |ui| {
            for schedule in Schedule::ALL {
                if ui.selectable_label(schedule == unmasking.schedule, schedule.name()).clicked() {
                    unmasking.schedule = schedule;
                    ui.close();
                }
            }
        });
        menu.response
            .widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Schedule, {name}")));
        menu.response.on_hover_text("How many tokens each step keeps");
    });
    curve_ui(ui, ctx, unmasking);
    row(ui, ctx, "order", |ui| {
        let name = unmasking.order.name();
        let menu = ui.menu_button(name, |ui| {
            for order in UnmaskingOrder::ALL {
                let about = match order {
                    UnmaskingOrder::Confidence => "What it is most certain of is written first",
                    UnmaskingOrder::Halton => "Spread evenly over the picture, whatever is certain",
                };
                let choice = ui.selectable_label(order == unmasking.order, order.name());
                if choice.on_hover_text(about).clicked() {
                    unmasking.order = order;
                    ui.close();
                }
            }
        });
        menu.response
            .widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Order, {name}")));
        menu.response.on_hover_text("Which masked cells are written first");
    });
    row(ui, ctx, "choice noise", |ui| {
        let is_by_confidence = unmasking.order == UnmaskingOrder::Confidence;
        ui.add_enabled_ui(is_by_confidence, |ui| {
            let heat = Slider::new(&mut unmasking.choice_temperature, 0.0..=20.0).max_decimals(1);
            let response = slider(ui, ctx, heat);
            named(&response, "Choice temperature", unmasking.choice_temperature.into());
            response
                .on_hover_text(
                    "Choice temperature: how much chance there is in which tokens are kept; 0 always \
                     keeps the most certain",
                )
                .on_disabled_hover_text("Halton order leaves nothing to choose");
        });
    });
    correction_ui(ui, ctx, unmasking, cells);
}

/// Self-correction: on or off, and how many tokens are questioned in each step.
fn correction_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, unmasking: &mut Unmasking, cells: usize) {
    row(ui, ctx, "", |ui| {
        let mut is_on = unmasking.self_correction > 0;
        let about = "In each step some tokens that are written are questioned, and taken back where \
                     another one is likelier now: dashed";
        let switch = ui.add(Checkbox::new(&mut is_on, "self-correction")).on_hover_text(about);
        if switch.changed() {
            unmasking.self_correction = if is_on { QUESTIONED } else { 0 };
        }
        if is_on {
            let most = u32::try_from(cells).unwrap_or(u32::MAX).max(1);
            let count = DragValue::new(&mut unmasking.self_correction).range(1..=most).speed(0.2);
            let response = ui.add(count);
            named(&response, "Questioned in each step", unmasking.self_correction.into());
            response.on_hover_text("So many tokens are questioned in each step");
        }
    });
}

/// The schedule as a curve: what is masked, over the steps.
fn curve_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, unmasking: &Unmasking) {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    row(ui, ctx, "", |ui| {
        let size = vec2((ui.available_width() - 4.0).max(24.0), theme.px(CURVE));
        let (area, response) = ui.allocate_exact_size(size, Sense::hover());
        let (steps, schedule) = (unmasking.steps.max(1), &unmasking.schedule);
        let half = schedule.masked(0.5) * 100.0;
        response.widget_info(|| {
            let label = format!("Schedule: after half of the steps {half:.0} % is masked");
            WidgetInfo::labeled(Role::Image, true, label)
        });
        let inside = area.shrink(2.0);
        let at = |r: f64| {
            let masked = schedule.masked(r).clamp(0.0, 1.0) as f32;
            pos2(
                inside.left() + inside.width() * r as f32,
                inside.bottom() - inside.height() * masked,
            )
        };
        let painter = ui.painter();
        painter.rect_filled(area, 2.0, colors.raised);
        let line = (0..=POINTS).map(|point| at(point as f64 / POINTS as f64)).collect();
        painter.line(line, Stroke::new(theme.line(1.5), colors.coral));
        // A dot a step, where they do not run together.
        if steps as f32 * 4.0 < inside.width() {
            for step in 0..=steps {
                let dot = at(f64::from(step) / f64::from(steps));
                painter.rect_filled(Rect::from_center_size(dot, vec2(3.0, 3.0)), 1.5, colors.text);
            }
        }
        let steps = counted(steps as usize, "step");
        response
            .on_hover_text(format!("What is masked, over {steps}; after half of them {half:.0} %"));
    });
}
