//! What stands in the tab's bar: axes, layers, which tokenizers and how many images.

use smalti_engine::evaluation::Measured;

use super::marks::is_measured;
use super::measures::{at_hand, names, tokenizer};
use crate::ctx::ViewCtx;
use crate::document::{
    AppCommand, JobCommand, Look, QualityAxis, RateAxis, RatesLook, USUAL_IMAGES,
};
use crate::look::words::name;
use crate::widgets::fold;

/// How many images of a set can be measured.
const COUNTS: [(u64, &str); 4] = [
    (USUAL_IMAGES, "64 images"),
    (256, "256 images"),
    (1000, "1000 images"),
    (u64::MAX, "all images"),
];

/// Draws it, from left to right.
pub(super) fn ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    most: &mut u64,
    (left_out, wanted): (&mut Vec<Measured>, &[Measured]),
) {
    let now = ctx.document.looks.rates;
    let send = |look: RatesLook| ctx.send(Look::Rates(look));
    let label = |words: &str, axis: &str| {
        if ctx.is_tight() { axis.to_owned() } else { format!("{words}: {axis}") }
    };
    let menu = fold::choices(ui, ctx.theme.label(label("x", now.rate.label())), |ui| {
        for axis in RateAxis::ALL {
            if ui.selectable_label(now.rate == axis, axis.label()).clicked() {
                send(RatesLook { rate: axis, ..now });
                ui.close();
            }
        }
        ui.separator();
        let mut log = now.is_rate_logarithmic;
        if ui.checkbox(&mut log, "logarithmic").changed() {
            send(RatesLook { is_rate_logarithmic: log, ..now });
        }
        let mut all = now.all_published;
        let about =
            "Otherwise those of 256 pixels and ImageNet from their own authors, which compare best";
        if ui.checkbox(&mut all, "all published rows").on_hover_text(about).changed() {
            send(RatesLook { all_published: all, ..now });
        }
        let about = "A .csv with the columns name, bits_per_pixel, and psnr, ssim, lpips or rfid; it can be \
                     dropped on the window as well";
        if ui.button("Results of your own…").on_hover_text(about).clicked() {
            ctx.send(AppCommand::AskFile);
            ui.close();
        }
    });
    menu.on_hover_text("What stands along the bottom");
    let menu = fold::choices(ui, ctx.theme.label(label("y", now.quality.label())), |ui| {
        for axis in QualityAxis::ALL {
            let about = match (is_measured(ctx, axis), axis.column().is_some()) {
                (true, true) => "measured here and published",
                (true, false) => "measured here alone",
                (false, _) => "published alone",
            };
            let picked = ui.selectable_label(now.quality == axis, axis.label());
            if picked.on_hover_text(about).clicked() {
                // What is in one layer alone brings it into sight.
                let published = now.published || !is_measured(ctx, axis);
                send(RatesLook { quality: axis, published, ..now });
                ui.close();
            }
        }
        ui.separator();
        let mut log = now.is_quality_logarithmic;
        if ui.checkbox(&mut log, "logarithmic").changed() {
            send(RatesLook { is_quality_logarithmic: log, ..now });
        }
        lpips_ui(ui, ctx);
    });
    menu.on_hover_text("What stands along the side");
    let measured = ui.selectable_label(now.measured, "measured");
    if measured.on_hover_text("What was measured here").clicked() {
        send(RatesLook { measured: !now.measured, ..now });
    }
    let published = ui.selectable_label(now.published, "published");
    let published = published.on_hover_text("What others printed, each point with its source");
    if ctx.offer("Published results over rate", published.clicked()) {
        send(RatesLook { published: !now.published, ..now });
    }
    let what = if ctx.is_tight() { "what".to_owned() } else { Measured::counted(wanted.iter()) };
    let menu = fold::choices(ui, ctx.theme.label(what), |ui| what_ui(ui, ctx, most, left_out));
    menu.on_hover_text("Which tokenizers are measured, and on how many images of the set");
}

/// By which weights LPIPS is measured.
fn lpips_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    ui.separator();
    if let Some(files) = ctx.live.lpips {
        let named: Vec<String> = files.paths().map(name).collect();
        ui.label(ctx.theme.label(format!("LPIPS by {}", named.join(" and "))));
        if ui.button("Measure without LPIPS").clicked() {
            ctx.send(JobCommand::UseLpips(None));
            ui.close();
        }
    }
    let about = "A file with VGG16 or AlexNet and the heads of the lpips package, or one of each, one after the \
                 other. Smalti has none of its own: LPIPS-like is by its own judge";
    if ui.button("LPIPS by weights of your own…").on_hover_text(about).clicked() {
        ctx.send(AppCommand::AskLpips);
        ui.close();
    }
}

/// On how many images is measured, and which tokenizers.
fn what_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, most: &mut u64, left_out: &mut Vec<Measured>) {
    for (count, label) in COUNTS {
        if ui.selectable_label(*most == count, label).clicked() {
            *most = count;
        }
    }
    ui.separator();
    let models = at_hand(ctx);
    let names = names(&models);
    let tokenizers = models.into_iter().map(tokenizer).zip(names);
    let jpeg = (Measured::Jpeg, Measured::Jpeg.label());
    let all: Vec<(Measured, String)> = std::iter::once(jpeg).chain(tokenizers).collect();
    ui.horizontal(|ui| {
        if ui.small_button("all").on_hover_text("Measure all of them").clicked() {
            left_out.clear();
        }
        if ui.small_button("none").on_hover_text("Measure none of them").clicked() {
            *left_out = all.iter().map(|(measured, _)| measured.clone()).collect();
        }
    });
    for (measured, name) in all {
        let mut is_in = !left_out.contains(&measured);
        if ui.checkbox(&mut is_in, &name).changed() {
            if is_in {
                left_out.retain(|known| *known != measured);
            } else {
                left_out.push(measured);
            }
        }
    }
}
