//! What can be taken away of the schedule: its curve as a figure, its steps as numbers.

use super::shown::Shown;
use crate::ctx::ViewCtx;
use crate::document::{Chart, Series, Shape, Table};
use crate::widgets::export::Exported;

/// The curve's own menu.
pub(super) fn menu(ctx: &ViewCtx<'_>, response: &egui::Response, shown: &Shown<'_>) {
    let about = format!("schedule {} of MaskGIT", shown.unmasking.schedule.name());
    let left = |steps: usize| {
        let there: usize = shown.written.iter().take(steps).sum();
        (shown.cells - there) as f64
    };
    let masked = || Series {
        name: "tokens masked".to_owned(),
        points: (0..=shown.written.len()).map(|steps| (steps as u64, left(steps))).collect(),
    };
    let written = || Series {
        name: "tokens written".to_owned(),
        points: (1..).zip(&shown.written).map(|(step, count)| (step, *count as f64)).collect(),
    };
    let chart = || Chart {
        title: about.clone(),
        across: "step".to_owned(),
        up: "tokens".to_owned(),
        is_logarithmic: false,
        shape: Shape::Curves(vec![masked(), written()]),
    };
    let numbers = || Table::Curves(vec![masked(), written()]);
    let exported = Exported {
        name: "schedule",
        of: Some("MaskGIT"),
        about: &about,
        chart: Some(&chart),
        numbers: Some(&numbers),
        ..Exported::default()
    };
    exported.menu(response, ctx);
}
