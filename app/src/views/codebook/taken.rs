//! What can be taken away of the counts: the cells and the histogram as figures, the counts as numbers.

use std::sync::Arc;

use egui::Response;
use smalti_engine::questions::Ordered;

use crate::ctx::ViewCtx;
use crate::document::{Chart, Column, Shape, Table};
use crate::widgets::export::Exported;

/// What the files are called and how the figures are drawn.
#[derive(Debug)]
pub(super) struct Taken {
    /// The sample of a set, or the file, that is counted over; else it is the image.
    pub(super) over: Option<String>,
    /// Colors by the logarithm of the count.
    pub(super) is_logarithmic: bool,
    /// Whether the counts are of what was there before.
    pub(super) is_old: bool,
}

/// The counts in the order in which they are shown, from the exact ones: those on the card are rounded beyond 2^24.
fn ranked(ordered: &Ordered) -> Vec<u64> {
    let count = |code: &u32| ordered.counts.get(*code as usize).copied().unwrap_or(0);
    ordered.codes.iter().map(count).collect()
}

impl Taken {
    /// What the palette can take away, also while the cells have no room.
    pub(super) fn offer(&self, ctx: &ViewCtx<'_>, ordered: &Ordered) {
        self.each(ctx, ordered, |cells, histogram| {
            cells.offer(ctx);
            histogram.offer(ctx);
        });
    }

    /// The menu of the cells: their picture, their histogram, their counts.
    pub(super) fn menus(&self, response: &Response, ctx: &ViewCtx<'_>, ordered: &Ordered) {
        self.each(ctx, ordered, |cells, histogram| {
            response.context_menu(|ui| {
                ui.menu_button("Cells", |ui| cells.menu_ui(ui, ctx));
                ui.menu_button("Histogram", |ui| histogram.menu_ui(ui, ctx));
            });
        });
    }

    /// The same on a button, for whoever does not think of the right one.
    pub(super) fn button_ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, ordered: &Ordered) {
        self.each(ctx, ordered, |cells, histogram| {
            let button = egui::Button::new("Export").small();
            let menu = egui::containers::menu::MenuButton::from_button(button);
            let (response, _) = menu.ui(ui, |ui| {
                ui.menu_button("Cells", |ui| cells.menu_ui(ui, ctx));
                ui.menu_button("Histogram", |ui| histogram.menu_ui(ui, ctx));
            });
            response.on_hover_text("Takes cells, histogram and counts away");
        });
    }

    fn each(
        &self,
        ctx: &ViewCtx<'_>,
        ordered: &Ordered,
        show: impl FnOnce(&Exported<'_>, &Exported<'_>),
    ) {
        let facts = &ordered.statistics;
        let over = self.over.as_ref().map_or(String::new(), |over| format!(" over {over}"));
        let about = format!(
            "use of the codebook{over}: {} of {} codes in {} tokens, perplexity {:.3}, ceiling {:.1}",
            facts.used, facts.codebook_size, facts.samples, facts.perplexity, facts.ceiling
        );
        let model = ctx.document.name_of(&ctx.document.model);
        let [cells_name, histogram_name] =
            ["codes", "histogram"].map(|what| format!("{what}-{model}"));
        let chart = |across: &str, up: &str, shape| Chart {
            title: format!("{model}{over}: {} of {} codes used", facts.used, facts.codebook_size),
            across: across.to_owned(),
            up: up.to_owned(),
            is_logarithmic: self.is_logarithmic,
            shape,
        };
        let cells = || {
            let columns = ((ordered.codes.len() as f64 * 1.6).sqrt().ceil() as usize).max(1);
            let rows = ordered.values.chunks(columns).map(Arc::from).collect();
            chart("codes, line by line", "line", Shape::Heat { rows, columns, full: None })
        };
        let histogram = || {
            let mut counts = ranked(ordered);
            counts.sort_unstable_by_key(|count| std::cmp::Reverse(*count));
            let bars = counts.iter().map(|count| *count as f64).collect();
            chart("codes, most used first", "tokens", Shape::Bars(bars))
        };
        let numbers = || {
            Table::Columns(vec![
                ("code".to_owned(), Column::Codes(Arc::clone(&ordered.codes))),
                ("count".to_owned(), Column::Counts(ranked(ordered).into())),
            ])
        };
        let (by, is_old) = (Some(&ctx.document.model), self.is_old);
        let (about, numbers): (&str, Option<&dyn Fn() -> Table>) = (&about, Some(&numbers));
        let cells = Exported {
            name: &cells_name,
            of: self.over.as_deref(),
            about,
            by,
            chart: Some(&cells),
            numbers,
            is_old,
            ..Exported::default()
        };
        let histogram = Exported {
            name: &histogram_name,
            of: self.over.as_deref(),
            about,
            by,
            chart: Some(&histogram),
            numbers,
            is_old,
            ..Exported::default()
        };
        show(&cells, &histogram);
    }
}
