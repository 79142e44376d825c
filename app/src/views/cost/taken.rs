//! What can be taken away of the cost: the figure, and all numbers.

use std::sync::Arc;

use smalti_engine::generators::{Cost, SHAPE, SIDES, Writer};

use super::known::{Known, Quantity};
use crate::ctx::ViewCtx;
use crate::document::{Chart, Column, Point, Points, Shape, Table};
use crate::widgets::export::Exported;

/// The plot's own menu.
pub(super) fn menu(ctx: &ViewCtx<'_>, response: &egui::Response, (known, of): (&Known, Quantity)) {
    let about = format!("{} by the side of the grid, one picture without guidance", of.about());
    let chart = || Chart {
        title: about.clone(),
        across: "tokens along a side".to_owned(),
        up: of.about().to_owned(),
        is_logarithmic: true,
        shape: Shape::Points(Points {
            marks: Writer::ALL.into_iter().flat_map(|writer| marks(known, of, writer)).collect(),
            frontier: Vec::new(),
            is_up_logarithmic: true,
        }),
    };
    let numbers = || table(known);
    let exported = Exported {
        name: "cost",
        of: Some("writing"),
        about: &about,
        chart: Some(&chart),
        numbers: Some(&numbers),
        ..Exported::default()
    };
    exported.menu(response, ctx);
}

/// The points of a way, the last one with its name.
fn marks(known: &Known, of: Quantity, writer: Writer) -> Vec<Point> {
    let points = known.points(of, writer);
    let last = points.len().saturating_sub(1);
    let mark = |(number, (side, value)): (usize, (usize, f64))| Point {
        color: None,
        label: if number == last { writer.name().to_owned() } else { String::new() },
        group: writer.name().to_owned(),
        at: (side as f64, value),
        ends: None,
        is_filled: true,
        is_reference: false,
    };
    points.into_iter().enumerate().map(mark).collect()
}

/// A line for each way and side; the seconds are empty where nothing was measured to its end.
fn table(known: &Known) -> Table {
    let of = |writer: Writer| SIDES.map(move |side| (writer, side));
    let all: Vec<(Writer, usize)> = Writer::ALL.into_iter().flat_map(of).collect();
    let count = |value: fn(&Cost) -> u64| {
        let counts: Arc<[u64]> =
            all.iter().map(|(writer, side)| value(&Cost::of(*writer, *side))).collect();
        Column::Counts(counts)
    };
    let seconds = all.iter().map(|(writer, side)| {
        let timing = known.timing(*writer, *side).filter(|timing| timing.is_whole);
        timing.map_or(String::new(), |timing| timing.seconds.to_string())
    });
    let columns = [
        ("writer", Column::Words(all.iter().map(|(by, _)| by.name().to_owned()).collect())),
        ("side", Column::Counts(all.iter().map(|(_, side)| *side as u64).collect())),
        ("tokens", count(|cost| cost.tokens)),
        ("passes", count(|cost| cost.passes)),
        ("pairs", count(|cost| cost.pairs)),
        ("attention operations", count(|cost| cost.operations(&SHAPE))),
        ("seconds", Column::Words(seconds.collect())),
    ];
    Table::Columns(columns.into_iter().map(|(head, column)| (head.to_owned(), column)).collect())
}
