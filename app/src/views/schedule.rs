//! Schedule: what is still masked after each step of MaskGIT, as a curve whose points are dragged, and how many tokens
//! each step writes. What is drawn is what is asked next in Generate.

mod bars;
mod curve;
mod shown;
mod taken;

use egui::{Label, RichText, Slider};
use smalti_engine::generators::{Schedule, Unmasking, Way};
use smalti_engine::session::Reply;

use self::shown::{Known, Shown};
use super::generate::{generator_ui, named, none_open_ui, problem_ui};
use super::view::View;
use crate::ctx::ViewCtx;
use crate::document::{Asked, Generate};
use crate::look::theme::space;
use crate::look::words::{counted, grouped};
use crate::widgets::keys::ring;
use crate::widgets::states;

/// A line below the plots, before text is scaled.
const LINE: f32 = 24.0;

/// The Schedule view.
#[derive(Debug, Default)]
pub(super) struct ScheduleView {
    /// The point that is being dragged.
    dragged: Option<usize>,
    known: Known,
}

impl View for ScheduleView {
    fn bar_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        if let Some(asked) = &ctx.document.generating.asked {
            generator_ui(ui, ctx, asked, &|_, name| ctx.short_name(name.to_owned()));
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let Some(asked) = ctx.document.generating.asked.clone() else {
            none_open_ui(ui, ctx);
            return;
        };
        let opened = match ctx.generator() {
            Some(Reply::Ready(opened)) => opened,
            Some(Reply::Failed(problem)) => {
                problem_ui(ui, ctx, (&asked, &problem));
                return;
            }
            Some(Reply::Working { .. }) | None => {
                states::busy(ui, ctx, None);
                ui.label(ctx.theme.label(format!("Opening {}…", asked.generator.label())));
                return;
            }
        };
        let (config, name) = (opened.config(), ctx.document.name_of(&asked.generator));
        if config.way != Way::MaskGit {
            other_ui(ui, ctx, (&name, config.way));
            return;
        }
        let mut next = asked.unmasking.clone();
        if !ctx.is_presented() {
            settings_ui(ui, ctx, &mut next);
        }
        let shown = Shown::new(&asked.unmasking, self.known.windows(&asked, &opened));
        ui.add_space(space::XS);
        let area = ui.available_rect_before_wrap();
        ui.allocate_rect(area, egui::Sense::hover());
        let line = ctx.theme.px(LINE);
        let (plots, caption) = area.split_top_bottom_at_y(area.bottom() - line);
        let (above, below) = plots.split_top_bottom_at_y(plots.top() + plots.height() * 0.6);
        if let Some(schedule) = curve::ui(ui, ctx, above, &shown, &mut self.dragged) {
            next.schedule = schedule;
        }
        bars::ui(ui, ctx, below, &shown);
        let left = format!("{} of {name}", shown.unmasking.schedule.name());
        let most = shown.written.iter().max().copied().unwrap_or_default();
        let steps = match shown.windows {
            0 | 1 => counted(shown.written.len(), "step"),
            many => format!("{} in {many} windows", counted(shown.written.len(), "step")),
        };
        let (cells, most) = (grouped(shown.cells as u64), grouped(most as u64));
        let right = format!("{steps} · {cells} tokens · at most {most} in a step");
        states::caption(ui, ctx, caption, &left, &right);
        if next != asked.unmasking {
            let next = Asked { unmasking: next, ..Asked::clone(&asked) };
            ctx.send(Generate::Ask(Box::new(next)));
        }
    }
}

/// Steps, and the schedules that have a name.
fn settings_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, next: &mut Unmasking) {
    ui.horizontal_wrapped(|ui| {
        ui.label(ctx.theme.label("steps"));
        let steps = Slider::new(&mut next.steps, 1..=64).logarithmic(true).integer();
        let slider = ui.add(steps.clamping(egui::SliderClamping::Edits));
        ring(ui, ctx.theme, &slider);
        named(&slider, "Steps", next.steps.into());
        for schedule in Schedule::ALL {
            if ui.selectable_label(schedule == next.schedule, schedule.name()).clicked() {
                next.schedule = schedule;
            }
        }
        if let Schedule::Curve(curve) = &next.schedule {
            let words = format!("a curve through {} points", curve.points().len());
            ui.label(RichText::new(words).color(ctx.theme.colors.gold));
        }
    });
}

/// A generator that has no schedule.
fn other_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, (name, way): (&str, Way)) {
    ui.vertical_centered(|ui| {
        ui.add_space(ui.available_height() * 0.3);
        ui.label(RichText::new("MaskGIT alone has a schedule").font(ctx.theme.heading()));
        let why = match way {
            Way::Raster => "it writes one token in each step",
            Way::Var | Way::MaskGit => "its steps are the scales of its tokenizer",
        };
        let words = format!("{name} is {}: {why}. Choose another generator above.", way.name());
        ui.add(Label::new(ctx.theme.label(words)).wrap());
    });
}
