//! Use of the codes over time or image by image, as rows.

use std::sync::Arc;

use egui::{Sense, Stroke, vec2};
use smalti_engine::tokens::Code;

use super::export::Exported;
use super::heat::{Numbered, Pane};
use super::scale::Scale;
use crate::ctx::ViewCtx;
use crate::document::{Chart, Shape, Table};
use crate::gpu::heatmap::Values;
use crate::look::colors::ColorMaps;
use crate::look::words::grouped;
use crate::runs::Rows;

/// Where rows are drawn.
#[derive(Debug, Default)]
pub struct RowsPane {
    shown: Numbered<[Arc<[f32]>]>,
    /// Kept, because another `Arc` would be uploaded anew.
    no_marks: Arc<[u8]>,
}

/// What rows are, for people.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// What a row and a column stand for.
    pub title: &'a str,
    /// Whose they are: the run, or the tokenizer.
    pub whose: &'a str,
    /// The sample of a set or the file whose images the rows are; none of a run.
    pub of: Option<&'a str>,
    /// Which of the tokenizer's books the codes are of, if they are its codes: then they light up
    /// everywhere.
    pub book: Option<u16>,
    /// Colors by the logarithm of the count.
    pub is_logarithmic: bool,
}

impl RowsPane {
    /// Draws them in what is left of the view.
    pub fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, rows: &Rows, about: About<'_>) {
        let title = about.title;
        let size = vec2(ui.available_width(), ui.available_height().max(8.0));
        let (rect, response) = ui.allocate_exact_size(size, Sense::CLICK);
        let (columns, count) = (rows.columns.max(1), rows.values.len().max(1));
        response.widget_info(|| {
            let label = format!("Use of the codes, {title}, {count} rows");
            egui::WidgetInfo::labeled(egui::Role::Image, true, label)
        });
        // Rows have a greatest height, so that a short history grows downward.
        let scale = vec2(
            rect.width() / columns as f32,
            (rect.height() / count as f32).min(ctx.theme.px(20.0)),
        );
        self.shown.show(&rows.values);
        let pane = Pane {
            id: ui.scope_id().with("rows").value(),
            values: Values::Rows(Arc::clone(&rows.values)),
            marks: Arc::clone(&self.no_marks),
            patches: None,
            number: self.shown.number(),
            grid: (columns, count as u32),
            origin: egui::Vec2::ZERO,
            scale,
            highest: rows.highest,
            is_logarithmic: about.is_logarithmic,
            has_gaps: false,
        };
        pane.paint(ui, ctx, rect);
        if let Some(book) = about.book {
            column_marks_ui(ui, ctx, rect, (rows, book), scale);
        }
        rows_menu(&response, ctx, rows, about);
        let Some(at) = response.hover_pos() else { return };
        let column = ((at.x - rect.left()) / scale.x) as u32;
        let row = ((at.y - rect.top()) / scale.y) as usize;
        let Some(value) = rows.values.get(row).and_then(|row| row.get(column as usize)) else {
            return;
        };
        let first = rows.first_code(column);
        let codes = if rows.codes_per_column == 1 {
            if let Some(book) = about.book {
                ctx.hovered.set_code(Code { book, number: first });
            }
            format!("code {first}")
        } else {
            format!("codes {first} to {}", first + rows.codes_per_column - 1)
        };
        let when = match rows.steps.get(row) {
            Some(step) => format!("step {}", grouped(*step)),
            None => format!("row {}", row + 1),
        };
        response.on_hover_text_at_pointer(format!("{codes} · {value:.0}\n{when}"));
    }
}

/// The rows' own menu: a figure, and their numbers.
fn rows_menu(response: &egui::Response, ctx: &ViewCtx<'_>, rows: &Rows, about: About<'_>) {
    let is_of_run = !rows.steps.is_empty();
    let first = |row: usize| match rows.steps.get(row) {
        Some(step) => step.to_string(),
        None => (row + 1).to_string(),
    };
    let codes = |column: u32| {
        let code = rows.first_code(column);
        match rows.codes_per_column {
            0 | 1 => format!("code {code}"),
            many => format!("codes {code} to {}", code + many - 1),
        }
    };
    let chart = || Chart {
        title: format!("use of the codes, {}", about.title.replace(['↓', '→'], "")),
        across: "codes".to_owned(),
        up: if is_of_run { "reports of the run, first on top" } else { "images" }.to_owned(),
        is_logarithmic: about.is_logarithmic,
        shape: Shape::Heat {
            rows: rows.values.to_vec(),
            columns: rows.columns as usize,
            full: None,
        },
    };
    let numbers = || Table::Rows {
        heads: std::iter::once(if is_of_run { "step" } else { "image" }.to_owned())
            .chain((0..rows.columns).map(codes))
            .collect(),
        first: (0..rows.values.len()).map(first).collect(),
        rows: Arc::clone(&rows.values),
    };
    let said = format!("use of the codes of {}, {}", about.whose, about.title);
    let what = if is_of_run { "use-over-time" } else { "use-by-image" };
    let name = format!("{what}-{}", about.whose.replace(' ', "-"));
    let name = if is_of_run { what } else { &name };
    let exported = Exported {
        name,
        of: if is_of_run { Some(about.whose) } else { about.of },
        about: &said,
        by: Some(&ctx.document.model).filter(|_| !is_of_run),
        chart: Some(&chart),
        numbers: Some(&numbers),
        ..Exported::default()
    };
    exported.menu(response, ctx);
}

/// A tick at the columns of the picked code and of the one under the pointer.
fn column_marks_ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    rect: egui::Rect,
    (rows, book): (&Rows, u16),
    scale: egui::Vec2,
) {
    let colors = &ctx.theme.colors;
    let marks = [(ctx.hovered.code(), colors.text), (ctx.document.selection.code, colors.gold)];
    for (code, color) in marks {
        let Some(code) = code.filter(|code| code.book == book) else { continue };
        if let Some(column) = rows.column_of(code.number) {
            let x = rect.left() + (column as f32 + 0.5) * scale.x;
            let y = rect.top()..=rect.top() + ctx.theme.px(6.0).min(rect.height());
            ui.painter().vline(x, y, Stroke::new(2.0, color));
        }
    }
}

/// Says at the right end of a line what the colors of rows mean; gives what is left of the line.
pub fn key_ui(ui: &egui::Ui, ctx: &ViewCtx<'_>, line: egui::Rect, highest: f32) -> egui::Rect {
    let most = grouped(highest as u64);
    let color = |maps: &ColorMaps, value| maps.viridis.at(value);
    let about = "How many tokens chose the codes of a column in a row's time; dark: none did";
    Scale { ends: ["0", &most], values: [0.0, 1.0], color, about }.ui(ui, ctx, line)
}
