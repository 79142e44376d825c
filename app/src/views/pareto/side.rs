//! What is known of the points that are picked: figures, each image, and where a row was printed.

use egui::{RichText, vec2};
use smalti_engine::evaluation::{Column, Published};
use smalti_engine::session::Reply;

use super::images::{bars_ui, images_of, worst_ui};
use super::marks::{Key, Layer, column_of, label_of, long_name, probed_of, quality_of, row_of};
use super::measures::{Measures, Told};
use super::pair::pair_ui;
use crate::ctx::ViewCtx;
use crate::document::QualityAxis;
use crate::look::theme::space;
use crate::look::words::{agreeing, counted, jpeg_in_words};

/// Draws what is known of the picked points.
pub(super) fn ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (measures, layers): (&Measures, &[Layer]),
    picked: &[Key],
    axis: QualityAxis,
) {
    match picked {
        [Key::Measured(a, at), Key::Measured(b, bt)] => {
            if let (Some(a), Some(b)) = (measures.get(a), measures.get(b)) {
                pair_ui(ui, ctx, [(a, *at), (b, *bt)], axis);
            }
        }
        [Key::Measured(measured, at), ..] => {
            if let Some(told) = measures.get(measured) {
                measured_ui(ui, ctx, (told, *at), axis);
            }
        }
        [Key::Published(path, line), ..] => {
            if let Some((layer, row)) = row_of(layers, (path.as_ref(), *line)) {
                published_ui(ui, ctx, layer, row);
            }
        }
        [] => {
            ui.label(ctx.theme.label("Click a point to see what it is; Shift-click another one to set both against each other, image by image. Drag a rectangle to keep the points in it."));
        }
    }
}

fn number_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, label: &str, value: &str) {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        ui.label(ctx.theme.label(label));
        ui.label(RichText::new(value).font(ctx.theme.number()));
    });
}

fn heading_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, text: &str) {
    ui.add_space(space::S);
    ui.label(ctx.theme.label(text));
}

fn measured_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (told, at): (&Told, usize),
    axis: QualityAxis,
) {
    title_ui(ui, ctx, told, at);
    figures_ui(ui, ctx, (told, at), axis);
    let column = column_of(axis).unwrap_or(Column::Psnr);
    if told.is_format() {
        let text = format!(
            "What an ordinary format makes of the same images: {}. Other encoders need fewer bits.",
            jpeg_in_words(told.identity.side)
        );
        ui.label(ctx.theme.label(text));
    }
    let Some(reply) = images_of(ctx, told, at) else {
        let (done, total) = told.done;
        if done < total {
            ui.label(
                ctx.theme.label(format!("{done} of {} so far", counted(total as usize, "image"))),
            );
        }
        return;
    };
    match reply {
        Reply::Ready(images) => {
            worst_ui(ui, ctx, (told, at), (&images, column));
            bars_ui(ui, ctx, told, (&images, column));
        }
        Reply::Working { .. } => {
            ui.label(ctx.theme.label("Reading…"));
        }
        Reply::Failed(problem) => {
            ui.label(RichText::new(&problem.summary).color(ctx.theme.colors.danger));
        }
    }
    more_ui(ui, ctx, told, at);
}

fn title_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, told: &Told, at: usize) {
    let name = long_name(&told.name, &label_of(told, at));
    ui.label(RichText::new(name).font(ctx.theme.heading()));
}

fn figures_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, (told, at): (&Told, usize), axis: QualityAxis) {
    let Some(point) = told.points.get(at) else { return };
    let mean = |column: Column| point.get(column).map(|it| it.mean);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::L;
        if let Some(rate) = mean(Column::BitsPerPixel) {
            number_ui(ui, ctx, "bits per pixel", &format!("{rate:.3}"));
        }
        let mut axes = vec![axis];
        axes.extend(
            [QualityAxis::Psnr, QualityAxis::LpipsLike].into_iter().filter(|it| *it != axis),
        );
        for axis in axes {
            if let Some(quality) = quality_of(told, at, axis) {
                let number = axis.words(quality.mean);
                number_ui(ui, ctx, axis.label(), number.trim_end_matches(" dB"));
            }
        }
    });
    if let Some(interval) = quality_of(told, at, axis)
        && let Some((low, high)) = interval.ends
    {
        let text = format!(
            "{} {} to {} in 95 of 100 samples of {}",
            axis.label(),
            axis.words(low),
            axis.words(high),
            counted(interval.count as usize, "image")
        );
        ui.label(ctx.theme.label(text));
    }
}

fn more_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, told: &Told, at: usize) {
    let Some(point) = told.points.get(at) else { return };
    ui.add_space(space::S);
    let mut lines = vec![format!(
        "{} at {}",
        counted(point.images as usize, "image"),
        point.size_words().replace('x', "×")
    )];
    if let Some(entropy) = point.entropy_bits_per_pixel {
        lines.push(if point.is_entropy_a_bound() {
            format!("at least {entropy:.3} bits per pixel by entropy (too few tokens to say more)")
        } else {
            format!("{entropy:.3} bits per pixel by entropy")
        });
    }
    if let (Some(lpips), Some(by)) = (point.get(Column::Lpips), &told.identity.lpips) {
        let name = by.network.name();
        lines.push(format!("LPIPS {:.4} by {name}, your weights {}", lpips.mean, by.weights));
    }
    if let Some(proxy) = point.proxy_fd {
        lines.push(format!("proxy distance {proxy:.2}: by Smalti's own judge, not FID"));
    }
    if let Some(books) = &point.books {
        let (used, codes) = (books.used, books.codes);
        lines.push(format!("{used} of {codes} codes used, perplexity {:.0}", books.perplexity));
    }
    if point.images > 0 {
        let each = |seconds: f64| seconds * 1e3 / point.images as f64;
        let (encode, decode) = (each(point.encode_seconds), each(point.decode_seconds));
        lines.push(format!("encode {encode:.0} ms, decode {decode:.0} ms an image"));
    }
    if point.enlarged > 0 {
        lines.push(format!(
            "{} {} enlarged, which flatters PSNR",
            counted(point.enlarged as usize, "image"),
            agreeing(point.enlarged as usize, "was", "were")
        ));
    }
    for line in lines {
        ui.label(ctx.theme.label(line));
    }
    if let Some(probed) = probed_of(told, at) {
        let text = format!(
            "AR probe: {:.1} bits an image, {:.2} a token, perplexity {:.1}",
            probed.bits_per_image,
            probed.bits_per_token(),
            probed.perplexity()
        );
        ui.label(ctx.theme.label(text)).on_hover_text(probed.about());
    }
    if told.skipped.count > 0 {
        let text = format!("{} left out", counted(told.skipped.count as usize, "image"));
        let named: Vec<&str> = told.skipped.named.iter().map(|(_, why)| why.as_str()).collect();
        let label = RichText::new(text).font(ctx.theme.small()).color(ctx.theme.colors.danger);
        ui.label(label).on_hover_text(named.join("\n"));
    }
}

/// A row that others published.
fn published_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, layer: &Layer, row: &Published) {
    ui.label(RichText::new(&row.name).font(ctx.theme.heading()));
    let shown = [
        ("bits per pixel", row.bits_per_pixel(), 3),
        ("PSNR", row.number("psnr"), 2),
        ("SSIM", row.number("ssim"), 3),
        ("LPIPS", row.number("lpips"), 3),
        ("rFID", row.number("rfid"), 2),
        ("gFID", row.number("gfid"), 2),
    ];
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::L;
        for (label, value, places) in shown {
            if let Some(value) = value {
                number_ui(ui, ctx, label, &format!("{value:.places$}"));
            }
        }
    });
    let number = |name: &str| row.number(name).map(|it| format!("{it}"));
    let facts = [
        ("family", Some(row.family.clone()).filter(|it| !it.is_empty())),
        ("pixels a side", number("resolution")),
        ("tokens an image", number("tokens_per_image")),
        ("codes", number("codebook_size")),
        ("use of the codebook, %", number("codebook_usage_pct")),
        ("benchmark", Some(row.dataset.clone()).filter(|it| !it.is_empty())),
    ];
    ui.add_space(space::S);
    egui::Grid::new("published").num_columns(2).spacing(vec2(space::M, 2.0)).show(ui, |ui| {
        for (label, value) in facts {
            if let Some(value) = value {
                ui.label(ctx.theme.label(label));
                ui.label(RichText::new(value).font(ctx.theme.small()));
                ui.end_row();
            }
        }
    });
    let texts = [("paper", &row.paper), ("read in", &row.source), ("mind", &row.note)];
    for (label, text) in texts {
        if !text.is_empty() {
            heading_ui(ui, ctx, label);
            ui.label(RichText::new(text).font(ctx.theme.small()));
        }
    }
    heading_ui(ui, ctx, "comparable with");
    let text = if layer.is_own() {
        format!("Line {} of {}: as comparable as it was measured.", row.line, layer.name)
    } else {
        "Rows of the same size, benchmark and evaluator alone. Points measured here are on other images: they \
         show where a rate lies, not who is better."
            .to_owned()
    };
    ui.label(RichText::new(text).font(ctx.theme.small()));
}
