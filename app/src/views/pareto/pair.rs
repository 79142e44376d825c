//! Two tokenizers against each other, image by image: which is better where.

use egui::{Rect, RichText, Sense, Stroke, pos2, vec2};
use smalti_engine::evaluation::{Column, ImageValues};
use smalti_engine::questions::ModelRef;
use smalti_engine::session::Reply;

use super::images::{images_of, levels_of, model_of, name_of, open, tip};
use super::keys;
use super::marks::{column_of, hue_of, label_of, long_name};
use super::measures::Told;
use crate::ctx::ViewCtx;
use crate::document::QualityAxis;
use crate::look::theme::space;
use crate::look::words::counted;

/// Two tokenizers, image by image.
pub(super) fn pair_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    pair: [(&Told, usize); 2],
    axis: QualityAxis,
) {
    let column = column_of(axis).unwrap_or(Column::Psnr);
    for (number, (told, at)) in pair.iter().enumerate() {
        let color = hue_of(ctx, told);
        let text =
            format!("{} {}", ['A', 'B'][number], long_name(&told.name, &label_of(told, *at)));
        ui.label(RichText::new(text).font(ctx.theme.strong()).color(color));
    }
    let replies = pair.map(|(told, at)| images_of(ctx, told, at));
    let [Some(Reply::Ready(a)), Some(Reply::Ready(b))] = replies else {
        ui.label(ctx.theme.label("Each image is known when both are measured to the end"));
        return;
    };
    let sizes = pair.map(|(told, at)| told.points.get(at).map(|it| (it.sizes, it.size_words())));
    if let [Some((one, a)), Some((other, b))] = &sizes
        && one != other
    {
        let text = format!("A is at {a} and B at {b}: their numbers are not to be compared");
        ui.label(ctx.theme.label(text.replace('x', "×")));
        return;
    }
    let both = differences(&a.shown, &b.shown, column);
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
    if a.is_part() || b.is_part() {
        let (shown, measured) = (both.len(), a.measured.max(b.measured));
        let text = format!("On {shown} of {measured} images, spread over the set");
        ui.label(ctx.theme.label(text));
    }
    let hues = pair.map(|(told, _)| hue_of(ctx, told));
    let chosen = difference_bars(ui, ctx, &both, hues, column);
    open_ui(ui, ctx, pair, (&both, chosen));
}

/// The way to Compare: both where B does best, or where a bar was clicked; beside a format the one tokenizer.
fn open_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    pair: [(&Told, usize); 2],
    (both, chosen): (&[(f64, ImageValues)], Option<u64>),
) {
    let models: Vec<ModelRef> =
        pair.iter().filter_map(|(told, _)| model_of(told).cloned()).collect();
    let text = match models.as_slice() {
        [] => return,
        [_] => "Open the tokenizer where B does best",
        _ => "Compare both where B does best",
    };
    let farthest = both.first().map(|(_, image)| image.index);
    let clicked = ui.button(text).clicked();
    if let Some(index) = chosen.or(farthest.filter(|_| clicked)) {
        open(ctx, &models, (index, pair[0].0.identity.side));
    }
    if pair.iter().any(|(told, at)| levels_of(told, *at).is_some()) {
        ui.label(ctx.theme.label("Compare shows all levels"));
    }
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
    let under = response.hover_pos().map(|at| ((at.x - place.left()) / step) as usize);
    let at = keys::bar(ui, &response, both.len(), under);
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
        let (name, of) = (name_of(column), counted(both.len(), "image"));
        let meant = at.and_then(|at| both.get(at));
        let meant = meant.map(|(value, image)| format!("; {}: {value:+.3}", image.name));
        let label = format!("{name} of A less that of B, {of}{}", meant.unwrap_or_default());
        egui::WidgetInfo::labeled(egui::Role::Image, true, label)
    });
    let (difference, image) = at.and_then(|at| both.get(at))?;
    let chosen = response.clicked().then_some(image.index);
    tip(response, &format!("{}: {difference:+.3}", image.name));
    chosen
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
            values: [0.1, *psnr, 0.5, f64::NAN, f64::NAN, 0.0, f64::NAN],
        };
        values.iter().map(of).collect()
    }

    #[test]
    fn two_are_compared_on_the_images_that_both_have() {
        let a = images(&[(0, 20.0), (1, 25.0), (3, 30.0), (4, f64::INFINITY)]);
        let b = images(&[(1, 24.0), (2, 10.0), (3, 31.0), (4, 20.0)]);
        let found = differences(&a, &b, Column::Psnr);
        let told: Vec<(f64, u64)> = found.iter().map(|(d, image)| (*d, image.index)).collect();
        assert_eq!(told, [(-1.0, 3), (1.0, 1)], "what has no end is left out");
    }
}
