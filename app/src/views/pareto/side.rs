//! What is known of the points that are picked: figures, the image where a tokenizer is worst, each image, and
//! of two of them which is better where.

use std::sync::Arc;

use egui::{Rect, RichText, Sense, Stroke, pos2, vec2};
use smalti_engine::evaluation::{Column, ImageValues, ImagesOfPart, Published, Summary};
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{Encode, ImageRef, ModelRef, Reconstruct};
use smalti_engine::session::Reply;

use super::marks::{Key, Layer, column_of, hue, label_of, quality_of};
use super::measures::{Measures, Told, at_hand};
use crate::ctx::ViewCtx;
use crate::document::{JobCommand, Layout, Open, QualityAxis, RecipeRef, Secret, Slot, ViewId};
use crate::look::textures::Sampling;
use crate::look::theme::{RADIUS_PICTURE, space};
use crate::look::words::{agreeing, counted};

/// Bars of one image each; of more images every second one, or every third.
const MOST_BARS: usize = 512;

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
        [Key::Measured(name, at), ..] => {
            if let Some(told) = measures.get(name) {
                measured_ui(ui, ctx, (told, *at), axis);
            }
        }
        [Key::Published(layer, at), ..] => {
            let row = layers.get(*layer).and_then(|layer| Some((layer, layer.rows.get(*at)?)));
            if let Some((layer, row)) = row {
                published_ui(ui, ctx, layer, row);
            }
        }
        [] if ctx.is_presented() => {}
        [] => {
            ui.label(ctx.theme.label("Click a point to see what it is; Shift-click another one to set both against each other, image by image."));
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

/// A reference to the tokenizer of a measurement, if it is at hand.
pub(super) fn model_of(ctx: &ViewCtx<'_>, told: &Told) -> Option<ModelRef> {
    at_hand(ctx).into_iter().find(|model| model.label() == told.name)
}

/// Opens a tokenizer in Compare on an image of the set.
pub(super) fn open(ctx: &ViewCtx<'_>, models: &[ModelRef], (index, side): (u64, u32)) {
    let image = ImageRef::InSource { source: ctx.document.source.clone(), index };
    ctx.send(Open::Size(WorkingSize::square(side, 1)));
    ctx.send(Open::Image(image));
    for (slot, model) in [Slot::A, Slot::B].into_iter().zip(models) {
        ctx.send(Open::Model(slot, model.clone()));
    }
    if let ([_], Some(_)) = (models, ctx.document.model(Slot::B)) {
        ctx.send(Open::NoModel(Slot::B));
    }
    ctx.send(Layout::Show(ViewId::Compare));
}

/// What was measured of each image at a rate, if it is kept.
pub(super) fn images_of(
    ctx: &ViewCtx<'_>,
    told: &Told,
    at: usize,
) -> Option<Reply<Vec<ImageValues>>> {
    // While it is measured, lines come to the disk now and then: looked at again at each tenth.
    let part = told.part.clone().filter(|_| told.done.0 == told.done.1)?;
    let question = ImagesOfPart { part, point: at, most: MOST_BARS, since: told.done.0 };
    let reply = ctx.ask(("images of a measurement", &told.name, at), &question);
    Some(reply.last_for(|asked: &ImagesOfPart| *asked == question))
}

/// The image where a rate is worst.
pub(super) fn worst(images: &[ImageValues], column: Column) -> Option<&ImageValues> {
    let valued = images.iter().filter_map(|image| Some((image.get(column)?, image)));
    let high = column.is_better_high();
    let found = valued.reduce(|worst, other| {
        let is_worse = if high { other.0 < worst.0 } else { other.0 > worst.0 };
        if is_worse { other } else { worst }
    });
    found.map(|(_, image)| image)
}

fn measured_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (told, at): (&Told, usize),
    axis: QualityAxis,
) {
    let Some(point) = told.points.get(at) else { return };
    title_ui(ui, ctx, told, at);
    figures_ui(ui, ctx, point, axis);
    let column = column_of(axis).unwrap_or(Column::Psnr);
    if told.is_format() {
        ui.label(
            ctx.theme
                .label("What an ordinary format makes of the same images, its headers included."),
        );
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
            if !told.is_format() {
                worst_ui(ui, ctx, told, (&images, column));
            }
            heading_ui(ui, ctx, &format!("{} of each image", name_of(column)));
            bars_ui(ui, ctx, told, (&images, column));
        }
        Reply::Working { .. } => {
            ui.label(ctx.theme.label("Reading…"));
        }
        Reply::Failed(problem) => {
            ui.label(RichText::new(&problem.summary).color(ctx.theme.colors.danger));
        }
    }
    more_ui(ui, ctx, told, point);
}

fn title_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, told: &Told, at: usize) {
    let label = label_of(told, at);
    let name = if told.points.len() > 1 && !told.is_format() {
        format!("{}, {label}", told.name)
    } else if told.is_format() {
        label
    } else {
        told.name.clone()
    };
    ui.label(RichText::new(name).font(ctx.theme.heading()));
}

fn figures_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, point: &Summary, axis: QualityAxis) {
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
            if let Some(quality) = quality_of(point, axis) {
                let number = axis.words(quality.mean);
                number_ui(ui, ctx, axis.label(), number.trim_end_matches(" dB"));
            }
        }
    });
    if let Some(interval) = quality_of(point, axis)
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

fn name_of(column: Column) -> &'static str {
    match column {
        Column::Psnr => "PSNR",
        Column::Ssim => "SSIM",
        Column::MsSsim => "MS-SSIM",
        Column::LpipsLike => "LPIPS-like",
        Column::BitsPerPixel => "bits per pixel",
        Column::FineDetail => "fine detail",
    }
}

fn worst_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    told: &Told,
    (images, column): (&[ImageValues], Column),
) {
    let (Some(worst), Some(model)) = (worst(images, column), model_of(ctx, told)) else { return };
    if ctx.is_veiled(Secret::Reconstruction) {
        return;
    }
    heading_ui(ui, ctx, &format!("worst of {}, original and what comes back", images.len()));
    let image = ImageRef::InSource { source: ctx.document.source.clone(), index: worst.index };
    let size = WorkingSize::square(told.identity.side, 1);
    let question = Encode { subject: image.clone().into(), size, model: model.clone() };
    let encoded = ctx.ask_soon(("worst", &told.name), &question);
    let encoded = encoded.last_for(|asked: &Encode| *asked == question);
    let back = ctx.ask_soon(("worst back", &told.name), &Reconstruct(question.clone()));
    let back = back.last_for(|asked: &Reconstruct| asked.0 == question);
    let wide = ((ui.available_width() - space::S) / 2.0).max(24.0);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        let original = encoded.best().map(|it| it.picture.clone());
        let back = back.best().map(|it| it.reconstruction.clone());
        for (picture, about) in [(original, "Original"), (back, "What comes back")] {
            let (place, response) = ui.allocate_exact_size(vec2(wide, wide), Sense::click());
            let label = format!("{about} of {}, open in Compare", worst.name);
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &label));
            match picture {
                Some(picture) => {
                    let texture = ctx.textures.picture(&picture, Sampling::Smooth);
                    egui::Image::new(&texture)
                        .corner_radius(f32::from(RADIUS_PICTURE))
                        .paint_at(ui, place);
                }
                None => {
                    ui.painter().rect_filled(
                        place,
                        f32::from(RADIUS_PICTURE),
                        ctx.theme.colors.raised,
                    );
                }
            }
            if response.on_hover_text(&worst.name).clicked() {
                open(ctx, std::slice::from_ref(&model), (worst.index, told.identity.side));
            }
        }
    });
    let value = worst.get(column).unwrap_or(0.0);
    ui.label(ctx.theme.caption_figures(format!("{} · {} {value:.3}", worst.name, name_of(column))));
    let clicked = ui.button("Open in Compare").clicked();
    if ctx.offer("Open the picked tokenizer in Compare on its worst image", clicked) {
        open(ctx, &[model], (worst.index, told.identity.side));
    }
}

/// A bar an image, in the order of the set.
fn bars_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    told: &Told,
    (images, column): (&[ImageValues], Column),
) {
    let values: Vec<(f64, &ImageValues)> =
        images.iter().filter_map(|image| Some((image.get(column)?, image))).collect();
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let size = vec2(ui.available_width(), theme.px(64.0));
    let (place, response) = ui.allocate_exact_size(size, Sense::click());
    let (low, high) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (x, _)| {
            (low.min(*x), high.max(*x))
        });
    if values.is_empty() {
        return;
    }
    // A bar that ends where the smallest value is would be none.
    let floor = low - (high - low).max(low.abs() * 0.05).max(1e-6) * 0.35;
    let step = place.width() / values.len() as f32;
    let gap = if step > 4.0 { 2.0 } else { 0.0 };
    let at = response.hover_pos().map(|at| ((at.x - place.left()) / step) as usize);
    let color = if told.is_format() { colors.dim } else { hue(ctx, &told.name) };
    for (number, (value, _)) in values.iter().enumerate() {
        let part = ((value - floor) / (high - floor).max(1e-9)) as f32;
        let left = place.left() + number as f32 * step;
        let place_of = Rect::from_min_max(
            pos2(left, place.bottom() - part * place.height()),
            pos2(left + (step - gap).max(1.0), place.bottom()),
        );
        let color = if at == Some(number) { colors.text } else { color };
        ui.painter().rect_filled(place_of, 1.0, color);
    }
    response.widget_info(|| {
        let label = format!("{} of {}", name_of(column), counted(values.len(), "image"));
        egui::WidgetInfo::labeled(egui::Role::Image, true, label)
    });
    let Some((value, image)) = at.and_then(|at| values.get(at)) else { return };
    if response.clicked()
        && let Some(model) = model_of(ctx, told)
    {
        open(ctx, &[model], (image.index, told.identity.side));
    }
    response.on_hover_text(format!("{}: {} {value:.3}", image.name, name_of(column)));
}

fn more_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, told: &Told, point: &Summary) {
    ui.add_space(space::S);
    let mut lines = vec![format!(
        "{} at {}",
        counted(point.images as usize, "image"),
        point.size_words().replace('x', "×")
    )];
    if let Some(entropy) = point.entropy_bits_per_pixel {
        lines.push(format!("{entropy:.3} bits per pixel by entropy"));
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
    if told.skipped.count > 0 {
        let text = format!("{} left out", counted(told.skipped.count as usize, "image"));
        let named: Vec<&str> = told.skipped.named.iter().map(|(_, why)| why.as_str()).collect();
        let label = RichText::new(text).font(ctx.theme.small()).color(ctx.theme.colors.danger);
        ui.label(label).on_hover_text(named.join("\n"));
    }
    if !ctx.is_presented() && !told.is_format() {
        ui.add_space(space::S);
        let about = "Opens the form of a training; its tokenizer is measured like any other";
        if ui.button("Train a new point…").on_hover_text(about).clicked() {
            ctx.send(JobCommand::AskTrain(RecipeRef::Shipped("worlds-fsq".into())));
        }
    }
}

/// Two tokenizers, image by image.
fn pair_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, pair: [(&Told, usize); 2], axis: QualityAxis) {
    let column = column_of(axis).unwrap_or(Column::Psnr);
    for (number, (told, at)) in pair.iter().enumerate() {
        let color = hue(ctx, &told.name);
        let text = format!("{} {}", ['A', 'B'][number], long_name(told, *at));
        ui.label(RichText::new(text).font(ctx.theme.strong()).color(color));
    }
    let replies = pair.map(|(told, at)| images_of(ctx, told, at));
    let [Some(Reply::Ready(a)), Some(Reply::Ready(b))] = replies else {
        ui.label(ctx.theme.label("Each image is known when both are measured to the end"));
        return;
    };
    let both = differences(&a, &b, column);
    if both.is_empty() {
        ui.label(ctx.theme.label("They have no images in common"));
        return;
    }
    let better =
        |difference: f64| (difference > 0.0) == column.is_better_high() && difference != 0.0;
    let wins = both.iter().filter(|(difference, _)| better(*difference)).count();
    let mean = both.iter().map(|(difference, _)| difference).sum::<f64>() / both.len() as f64;
    let unit = if column == Column::Psnr { " dB" } else { "" };
    ui.add_space(space::S);
    let text = format!("A is better on {wins} of {}", counted(both.len(), "image"));
    ui.label(RichText::new(text).font(ctx.theme.heading()));
    let text = format!("{} of A less that of B: {mean:+.3}{unit} on average", name_of(column));
    ui.label(ctx.theme.label(text));
    let chosen = difference_bars(
        ui,
        ctx,
        &both,
        [hue(ctx, &pair[0].0.name), hue(ctx, &pair[1].0.name)],
        column,
    );
    let models: Vec<ModelRef> = pair.iter().filter_map(|(told, _)| model_of(ctx, told)).collect();
    let farthest = both.first().map(|(_, image)| image.index);
    let clicked = ui.button("Compare both where B does best").clicked();
    let index = chosen.or(farthest.filter(|_| clicked));
    if let (Some(index), [_, _]) = (index, models.as_slice()) {
        open(ctx, &models, (index, pair[0].0.identity.side));
    }
}

fn long_name(told: &Told, at: usize) -> String {
    let label = label_of(told, at);
    if told.name.ends_with(&label) { told.name.clone() } else { format!("{}, {label}", told.name) }
}

/// A's number less B's of every image that both have, from where B is furthest ahead on.
fn differences(a: &[ImageValues], b: &[ImageValues], column: Column) -> Vec<(f64, ImageValues)> {
    let mut b = b.iter().peekable();
    let mut found: Vec<(f64, ImageValues)> = Vec::new();
    for image in a {
        while b.next_if(|other| other.index < image.index).is_some() {}
        if let Some(other) = b.peek().filter(|other| other.index == image.index)
            && let (Some(one), Some(two)) = (image.get(column), other.get(column))
        {
            found.push((one - two, image.clone()));
        }
    }
    let sign = if column.is_better_high() { 1.0 } else { -1.0 };
    found.sort_by(|a, b| (sign * a.0).total_cmp(&(sign * b.0)));
    found
}

/// A bar an image, up where A is ahead; gives the image that was clicked.
fn difference_bars(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    both: &[(f64, ImageValues)],
    hues: [egui::Color32; 2],
    column: Column,
) -> Option<u64> {
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let size = vec2(ui.available_width(), theme.px(120.0));
    let (place, response) = ui.allocate_exact_size(size, Sense::click());
    let most = both.iter().map(|(difference, _)| difference.abs()).fold(1e-9, f64::max);
    let step = place.width() / both.len() as f32;
    let gap = if step > 4.0 { 2.0 } else { 0.0 };
    let at = response.hover_pos().map(|at| ((at.x - place.left()) / step) as usize);
    let middle = place.center().y;
    let sign = if column.is_better_high() { 1.0 } else { -1.0 };
    for (number, (difference, _)) in both.iter().enumerate() {
        let high = (sign * difference / most) as f32 * place.height() / 2.0;
        let left = place.left() + number as f32 * step;
        let ends = (
            pos2(left, middle - high.max(0.0)),
            pos2(left + (step - gap).max(1.0), middle - high.min(0.0)),
        );
        let own = if high > 0.0 { hues[0] } else { hues[1] };
        let color = if at == Some(number) { colors.text } else { own };
        ui.painter().rect_filled(Rect::from_min_max(ends.0, ends.1), 1.0, color);
    }
    ui.painter().hline(place.x_range(), middle, Stroke::new(theme.line(1.0), colors.strong_line));
    response.widget_info(|| {
        let label =
            format!("{} of A less that of B, {}", name_of(column), counted(both.len(), "image"));
        egui::WidgetInfo::labeled(egui::Role::Image, true, label)
    });
    let (difference, image) = at.and_then(|at| both.get(at))?;
    let chosen = response.clicked().then_some(image.index);
    response.on_hover_text(format!("{}: {difference:+.3}", image.name));
    chosen
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
    let text = if layer.is_own {
        format!("Line {} of {}: as comparable as it was measured.", row.line, layer.name)
    } else {
        "Rows of the same size, benchmark and evaluator alone. Points measured here are on other images: they \
         show where a rate lies, not who is better."
            .to_owned()
    };
    ui.label(RichText::new(text).font(ctx.theme.small()));
}

/// The table's rows under their layer's number.
pub(super) fn layer(name: &str, rows: Arc<Vec<Published>>, is_own: bool) -> Layer {
    Layer { name: name.to_owned(), rows, is_own }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(values: &[(u64, f64)]) -> Vec<ImageValues> {
        let of = |(index, psnr): &(u64, f64)| ImageValues {
            index: *index,
            name: format!("{index}.png"),
            point: 0,
            size: [8, 8],
            values: [0.1, *psnr, 0.5, f64::NAN, f64::NAN, 0.0],
        };
        values.iter().map(of).collect()
    }

    #[test]
    fn two_are_compared_on_the_images_that_both_have_and_the_worst_is_found() {
        let a = images(&[(0, 20.0), (1, 25.0), (3, 30.0), (4, f64::INFINITY)]);
        let b = images(&[(1, 24.0), (2, 10.0), (3, 31.0), (4, 20.0)]);
        let found = differences(&a, &b, Column::Psnr);
        let told: Vec<(f64, u64)> = found.iter().map(|(d, image)| (*d, image.index)).collect();
        assert_eq!(told, [(-1.0, 3), (1.0, 1)], "what has no end is left out");
        assert_eq!(worst(&a, Column::Psnr).unwrap().index, 0);
        assert!(worst(&a, Column::MsSsim).is_none());
    }
}
