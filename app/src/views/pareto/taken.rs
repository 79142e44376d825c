//! The plot and its numbers, to be taken away.

use super::marks::{Key, Layer, Mark, Shape, frontier, row_of};
use super::measures::Measures;
use crate::ctx::ViewCtx;
use crate::document::{Chart, Column, Point, Points, Shape as Drawn, Table};
use crate::widgets::export::Exported;

/// Offers figure and table of what is seen.
pub(super) fn exported(
    ctx: &ViewCtx<'_>,
    (marks, layers, measures): (&[Mark], &[Layer], &Measures),
    show: impl FnOnce(&Exported<'_>),
) {
    let look = ctx.document.looks.rates;
    let set = measures.all().next().map(|told| told.identity.set.description.clone());
    let about = match &set {
        Some(set) => format!("{} over {}: {set}", look.quality.label(), look.rate.label()),
        None => format!("{} over {}", look.quality.label(), look.rate.label()),
    };
    let which = if look.quality.is_better_high() { "higher is nearer" } else { "lower is nearer" };
    let chart = || Chart {
        title: about.clone(),
        across: look.rate.label().to_owned(),
        up: format!("{}, {which}", look.quality.label()),
        is_logarithmic: look.is_rate_logarithmic,
        shape: Drawn::Points(Points {
            marks: marks.iter().map(point_of).collect(),
            frontier: frontier(marks, look.quality.is_better_high()),
            is_up_logarithmic: look.is_quality_logarithmic,
        }),
    };
    let numbers = || table(marks, layers, measures);
    show(&Exported {
        name: "pareto",
        of: Some(set.as_deref().unwrap_or("published results")),
        about: &about,
        chart: Some(&chart),
        numbers: Some(&numbers),
        ..Exported::default()
    });
}

fn point_of(mark: &Mark) -> Point {
    let is_format = mark.shape == Shape::Format;
    Point {
        label: mark.label.clone(),
        group: mark.group.clone(),
        at: (mark.rate, mark.quality),
        ends: mark.ends,
        is_filled: matches!(mark.shape, Shape::Disc | Shape::Square) && mark.unlike.is_none(),
        is_reference: is_format,
    }
}

fn table(marks: &[Mark], layers: &[Layer], measures: &Measures) -> Table {
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
            told.map_or(String::new(), |told| told.identity.set.description.clone())
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
    let name = |mark: &Mark| {
        if mark.group.is_empty() {
            mark.label.clone()
        } else {
            format!("{} {}", mark.group, mark.label)
        }
    };
    let columns = [
        ("name", words(&name)),
        ("layer", words(&layer)),
        ("rate", words(&|mark| number(mark.rate))),
        ("quality", words(&|mark| number(mark.quality))),
        ("low", words(&|mark| end(mark, true))),
        ("high", words(&|mark| end(mark, false))),
        ("images", words(&images)),
        ("source", words(&source)),
    ];
    Table::Columns(columns.map(|(head, column)| (head.to_owned(), column)).to_vec())
}
