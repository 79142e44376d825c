//! The plot and its numbers, to be taken away.

use super::brush;
use super::marks::{Key, Layer, Mark, Shape, frontier, long_name, row_of};
use super::measures::{Measures, Told};
use super::scatter;
use crate::ctx::ViewCtx;
use crate::document::{
    Chart, Column, Point, Points, QualityAxis, RateAxis, RatesLook, Shape as Drawn, Table,
};
use crate::look::theme::{Colors, Theme};
use crate::widgets::export::Exported;

/// Offers figure and table of what is seen.
pub(super) fn exported(
    ctx: &ViewCtx<'_>,
    (points, layers, measures): (scatter::Points<'_>, &[Layer], &Measures),
    show: impl FnOnce(&Exported<'_>),
) {
    let (look, marks) = (ctx.document.looks.rates, points.within);
    let some = if marks.len() < points.all.len() {
        format!("; {}", brush::words(marks.len(), points.all.len()))
    } else {
        String::new()
    };
    let set = measures.all().next().map(|told| told.identity.set.description.clone());
    let about = match &set {
        Some(set) => format!("{} over {}: {set}{some}", look.quality.label(), look.rate.label()),
        None => format!("{} over {}{some}", look.quality.label(), look.rate.label()),
    };
    let which = look.quality.which();
    let unit = match look.quality {
        QualityAxis::Psnr => "PSNR in dB",
        other => other.label(),
    };
    let paper = || Theme::on_paper().colors;
    let chart = || Chart {
        title: about.clone(),
        across: with_scale(look.rate.label(), look.is_rate_logarithmic),
        up: with_scale(&format!("{unit}, {which}"), look.is_quality_logarithmic),
        is_logarithmic: look.is_rate_logarithmic,
        shape: Drawn::Points(Points {
            marks: points_of(marks, (&ctx.theme.colors, &paper())),
            frontier: frontier(marks, look.quality.is_better_high()),
            is_up_logarithmic: look.is_quality_logarithmic,
        }),
    };
    let numbers = || table(marks, layers, (measures, look));
    show(&Exported {
        name: "pareto",
        of: Some(set.as_deref().unwrap_or("published results")),
        about: &about,
        chart: Some(&chart),
        numbers: Some(&numbers),
        ..Exported::default()
    });
}

/// The words of an axis, with how it goes on.
fn with_scale(words: &str, is_logarithmic: bool) -> String {
    if is_logarithmic { format!("{words}, logarithmic") } else { words.to_owned() }
}

/// The points in their own hues, as those are on white: `colors` are those that are worn, and those of paper.
fn points_of(marks: &[Mark], colors: (&Colors, &Colors)) -> Vec<Point> {
    let hues = |of: &Colors| [of.lapis, of.teal, of.plum, of.gold, of.coral, of.dim];
    let (worn, paper) = (hues(colors.0), hues(colors.1));
    let color = |mark: &Mark| {
        let at = worn.iter().position(|hue| *hue == mark.color);
        let [r, g, b, _] = at.map_or(mark.color, |at| paper[at]).to_array();
        [r, g, b]
    };
    marks.iter().map(|mark| point_of(mark, color(mark))).collect()
}

fn point_of(mark: &Mark, color: [u8; 3]) -> Point {
    let is_format = mark.shape == Shape::Format;
    Point {
        color: Some(color),
        label: mark.label.clone(),
        group: mark.group.clone(),
        at: (mark.rate, mark.quality),
        ends: mark.ends,
        is_filled: matches!(mark.shape, Shape::Disc | Shape::Square) && mark.unlike.is_none(),
        is_reference: is_format,
    }
}

/// The columns are called as they are read again in a table of results.
fn table(marks: &[Mark], layers: &[Layer], (measures, look): (&Measures, RatesLook)) -> Table {
    let number = |value: f64| format!("{value:.6}");
    let words = |of: &dyn Fn(&Mark) -> String| Column::Words(marks.iter().map(of).collect());
    let layer = |mark: &Mark| match &mark.key {
        Key::Measured(..) => "measured".to_owned(),
        Key::Published(path, line) => row_of(layers, (path.as_ref(), *line))
            .map_or(String::new(), |(layer, _)| layer.name.clone()),
    };
    let source = |mark: &Mark| match &mark.key {
        Key::Measured(measured, _) => {
            let told = measures.get(measured);
            let set = |told: &Told| {
                let set = &told.identity.set.description;
                match told.identity.lpips.as_ref().filter(|_| look.quality == QualityAxis::Lpips) {
                    Some(by) => format!("{set}; LPIPS by {by}"),
                    None => set.clone(),
                }
            };
            told.map(set).unwrap_or_default()
        }
        Key::Published(path, line) => row_of(layers, (path.as_ref(), *line))
            .map_or(String::new(), |(_, row)| row.source.clone()),
    };
    let images = |mark: &Mark| match &mark.key {
        Key::Measured(measured, at) => {
            let point = measures.get(measured).and_then(|told| told.points.get(*at));
            point.map_or(String::new(), |point| point.images.to_string())
        }
        Key::Published(..) => String::new(),
    };
    let end = |mark: &Mark, low: bool| {
        mark.ends.map_or(String::new(), |ends| number(if low { ends.0 } else { ends.1 }))
    };
    let name = |mark: &Mark| long_name(&mark.group, &mark.label);
    let rate = match look.rate {
        RateAxis::BitsPerPixel => "bits_per_pixel",
        RateAxis::Entropy => "entropy_bits_per_pixel",
        RateAxis::Probe => "probe_bits_per_image",
    };
    let quality = match look.quality {
        QualityAxis::MsSsim => "ms_ssim",
        QualityAxis::LpipsLike => "lpips_like",
        QualityAxis::ProxyFd => "proxy_fd",
        QualityAxis::ProbeBits => "probe_bits_per_image",
        QualityAxis::ProbePerplexity => "probe_perplexity",
        published => published.column().unwrap_or("quality"),
    };
    let columns = [
        ("name", words(&name)),
        ("layer", words(&layer)),
        (rate, words(&|mark| number(mark.rate))),
        (quality, words(&|mark| number(mark.quality))),
        ("low", words(&|mark| end(mark, true))),
        ("high", words(&|mark| end(mark, false))),
        ("images", words(&images)),
        ("source", words(&source)),
    ];
    Table::Columns(columns.map(|(head, column)| (head.to_owned(), column)).to_vec())
}
