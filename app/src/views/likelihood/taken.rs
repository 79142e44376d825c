//! What can be taken away of the bits: the map, and the table that `smalti likelihood` writes.

use std::sync::Arc;

use super::super::tokens::sheet::Sheet;
use super::shown::Shown;
use crate::ctx::ViewCtx;
use crate::document::{Chart, Column, Shape, Table};
use crate::widgets::export::Exported;
use crate::widgets::pane::Pane;

/// The map's own menu.
pub(super) fn menu(ctx: &ViewCtx<'_>, pane: &Pane, shown: &Shown<'_>, sheet: &Sheet<'_>) {
    let Some(bits) = &shown.bits else { return };
    let generator = ctx.document.name_of(&shown.by().generator);
    let about = format!(
        "bits of each token to {generator}, as a picture of {} ({}), 0 to {:.1}",
        shown.class(),
        bits.told.words(),
        shown.most
    );
    let own = shown.of_part(sheet.number);
    let chart = || Chart {
        title: about.clone(),
        across: "column".to_owned(),
        up: "row".to_owned(),
        is_logarithmic: false,
        shape: Shape::Heat {
            rows: own.chunks(sheet.columns.max(1)).map(Arc::from).collect(),
            columns: sheet.columns,
            full: Some(shown.most),
        },
    };
    let numbers = || table(shown);
    let exported = Exported {
        name: "surprise",
        about: &about,
        by: Some(&ctx.document.model),
        chart: Some(&chart),
        numbers: Some(&numbers),
        is_old: shown.is_old,
        ..Exported::default()
    };
    exported.menu(&pane.response, ctx);
}

/// A line a token, all parts.
fn table(shown: &Shown<'_>) -> Table {
    let cells: Vec<_> = shown.tokens().cells().collect();
    let place = |of: fn(&smalti_engine::tokens::Cell) -> u64| {
        Column::Counts(cells.iter().map(|(cell, _)| of(cell)).collect())
    };
    let codes = cells.iter().map(|(_, code)| code.unwrap_or(smalti_engine::tokens::MASKED));
    let bits = shown.bits.as_ref().map(|bits| bits.bits.as_slice()).unwrap_or_default();
    let columns = [
        ("part", place(|cell| u64::from(cell.part))),
        ("row", place(|cell| u64::from(cell.row))),
        ("column", place(|cell| u64::from(cell.column))),
        ("code", Column::Codes(codes.collect())),
        ("bits", Column::Values(Arc::from(bits))),
    ];
    Table::Columns(columns.into_iter().map(|(head, column)| (head.to_owned(), column)).collect())
}
