//! What was measured of each image: where a tokenizer is worst, a bar an image, and the way to Compare.

use egui::{Rect, Sense, pos2, vec2};
use smalti_engine::evaluation::{Column, ImageValues, ImagesOfPart, Measured, ShownImages};
use smalti_engine::images::{Picture, WorkingSize};
use smalti_engine::questions::{Decode, Encode, Encoded, ImageRef, ModelRef, Reconstruct};
use smalti_engine::session::Reply;
use smalti_engine::tokens::Tokens;

use super::keys;
use super::marks::hue_of;
use super::measures::Told;
use crate::ctx::ViewCtx;
use crate::document::{Layout, Look, Open, Pair, Secret, Slot, ViewId};
use crate::look::textures::Sampling;
use crate::look::theme::{RADIUS_PICTURE, space};
use crate::look::words::counted;

/// Bars of one image each; of more images some that are spread over the set.
const MOST_BARS: usize = 512;

/// The tokenizer of a measurement, if it is of one.
pub(super) fn model_of(told: &Told) -> Option<&ModelRef> {
    match &told.measured {
        Measured::Tokenizer { model, .. } => Some(model),
        Measured::Jpeg => None,
    }
}

/// How many of its residual levels a rate has, if not all.
pub(super) fn levels_of(told: &Told, at: usize) -> Option<usize> {
    told.points.get(at)?.rate.levels
}

/// Opens tokenizers in Compare on an image of the set, with all of their levels.
pub(super) fn open(ctx: &ViewCtx<'_>, models: &[ModelRef], (index, side): (u64, u32)) {
    let image = ImageRef::InSource { source: ctx.document.source.clone(), index };
    ctx.send(Open::Size(WorkingSize::square(side, 1)));
    ctx.send(Open::Image(image));
    for (slot, model) in [Slot::A, Slot::B].into_iter().zip(models) {
        ctx.send(Open::Model(slot, model.clone()));
    }
    if let [_, _] = models {
        // Whatever pair stood there: these two are set against each other.
        ctx.send(Look::Pair(Some(Pair { left: Some(Slot::A), right: Slot::B })));
    }
    if let ([_], Some(_)) = (models, ctx.document.model(Slot::B)) {
        ctx.send(Open::NoModel(Slot::B));
    }
    ctx.send(Layout::Show(ViewId::Compare));
}

/// What was measured of each image at a rate, if it is kept.
pub(super) fn images_of(ctx: &ViewCtx<'_>, told: &Told, at: usize) -> Option<Reply<ShownImages>> {
    let part = told.part.clone().filter(|_| told.is_whole())?;
    let question = ImagesOfPart { part, point: at, most: MOST_BARS, since: told.done.0 };
    let reply = ctx.ask(("images of a measurement", &told.measured, at), &question);
    Some(reply.last_for(|asked: &ImagesOfPart| *asked == question))
}

/// What a number is called.
pub(super) fn name_of(column: Column) -> &'static str {
    match column {
        Column::Psnr => "PSNR",
        Column::Ssim => "SSIM",
        Column::MsSsim => "MS-SSIM",
        Column::LpipsLike => "LPIPS-like",
        Column::BitsPerPixel => "bits per pixel",
        Column::FineDetail => "fine detail",
        Column::Lpips => "LPIPS",
    }
}

/// What comes back of an image at a rate: by its own levels alone.
fn back_of(
    ctx: &ViewCtx<'_>,
    (told, at): (&Told, usize),
    (question, encoded): (&Encode, Option<&Encoded>),
) -> Option<Picture> {
    let Some(levels) = levels_of(told, at) else {
        let reply = ctx.ask_soon(("worst back", &told.measured), &Reconstruct(question.clone()));
        let reply = reply.last_for(|asked: &Reconstruct| asked.0 == *question);
        return reply.best().map(|it| it.reconstruction.clone());
    };
    let parts = encoded?.tokens.parts().get(..levels)?.to_vec();
    let decode = Decode { tokens: Tokens::new(parts).ok()?, model: question.model.clone() };
    let reply = ctx.ask_soon(("worst of levels", &told.measured), &decode);
    let reply = reply.last_for(|asked: &Decode| *asked == decode);
    reply.best().map(|it| it.picture.clone())
}

/// The image where a rate is worst, as it is and as it comes back.
pub(super) fn worst_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (told, at): (&Told, usize),
    (images, column): (&ShownImages, Column),
) {
    let worst = images.worst[column.place()].as_ref();
    let (Some(worst), Some(model)) = (worst, model_of(told)) else { return };
    if ctx.is_veiled(Secret::Reconstruction) {
        return;
    }
    ui.add_space(space::S);
    let text = format!("worst of {}, original and what comes back", images.measured);
    ui.label(ctx.theme.label(text));
    let image = ImageRef::InSource { source: ctx.document.source.clone(), index: worst.index };
    let size = WorkingSize::square(told.identity.side, 1);
    let question = Encode { subject: image.clone().into(), size, model: model.clone() };
    let encoded = ctx.ask_soon(("worst", &told.measured), &question);
    let encoded = encoded.last_for(|asked: &Encode| *asked == question);
    let encoded = encoded.best().map(std::convert::AsRef::as_ref);
    let back = back_of(ctx, (told, at), (&question, encoded));
    let original = encoded.map(|it| it.picture.clone());
    let wide = ((ui.available_width() - space::S) / 2.0).max(24.0);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
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
                open(ctx, std::slice::from_ref(model), (worst.index, told.identity.side));
            }
        }
    });
    let value = worst.get(column).unwrap_or(0.0);
    ui.label(ctx.theme.caption_figures(format!("{} · {} {value:.3}", worst.name, name_of(column))));
    let clicked = ui.button("Open in Compare").clicked();
    if ctx.offer("Open the picked tokenizer in Compare on its worst image", clicked) {
        open(ctx, std::slice::from_ref(model), (worst.index, told.identity.side));
    }
    if levels_of(told, at).is_some() {
        ui.label(ctx.theme.label("Compare shows all of its levels"));
    }
}

/// A bar an image, in the order of the set.
pub(super) fn bars_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    told: &Told,
    (images, column): (&ShownImages, Column),
) {
    ui.add_space(space::S);
    let name = name_of(column);
    ui.label(ctx.theme.label(if images.is_part() {
        let (shown, measured) = (images.shown.len(), images.measured);
        format!("{name} of {shown} of {measured} images, spread over the set")
    } else {
        format!("{name} of each image")
    }));
    let values: Vec<(f64, &ImageValues)> =
        images.shown.iter().filter_map(|image| Some((image.get(column)?, image))).collect();
    let (theme, colors) = (ctx.theme, &ctx.theme.colors);
    let size = vec2(ui.available_width(), theme.px(64.0));
    // Of a format nothing opens.
    let sense = if model_of(told).is_some() { Sense::click() } else { Sense::hover() };
    let (place, response) = ui.allocate_exact_size(size, sense);
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
    let under = response.hover_pos().map(|at| ((at.x - place.left()) / step) as usize);
    let at = keys::bar(ui, &response, values.len(), under);
    let color = hue_of(ctx, told);
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
        let meant = at.and_then(|at| values.get(at));
        let meant = meant.map(|(value, image)| format!("; {}: {value:.3}", image.name));
        let of = counted(values.len(), "image");
        let label = format!("{name} of {of}{}", meant.unwrap_or_default());
        egui::WidgetInfo::labeled(egui::Role::Image, true, label)
    });
    let Some((value, image)) = at.and_then(|at| values.get(at)) else { return };
    if response.clicked()
        && let Some(model) = model_of(told)
    {
        open(ctx, std::slice::from_ref(model), (image.index, told.identity.side));
    }
    tip(response, &format!("{}: {name} {value:.3}", image.name));
}

/// What a bar says, at the pointer, or below the bars where keys lead.
pub(super) fn tip(response: egui::Response, text: &str) {
    if response.has_focus() && !response.hovered() {
        response.show_tooltip_text(text);
    } else {
        response.on_hover_text(text);
    }
}
