//! What is drawn over a picture for its tokens: colors, lines, numbers.

use std::sync::Arc;

use egui::{Align2, Color32, Rect, Stroke, StrokeKind, vec2};
use smalti_engine::tokens::Tokens;

use super::sheet::Sheet;
use crate::ctx::ViewCtx;
use crate::document::{ColorBy, Column, Slot, Table, TokenFormat};
use crate::look::colors::color_of;
use crate::look::palette::FULL_DIFFERENCE;
use crate::look::textures::{Sampling, Source};
use crate::look::theme::space;
use crate::widgets::export::{Exported, picture_of};
use crate::widgets::pane::Pane;

/// What colors may come from, as far as it is known.
pub(super) struct Sources<'a> {
    /// Whether what the cells are to be colored by is still worked out: then they have no color yet.
    pub(super) is_pending: bool,
    /// The mean decoded color of each code.
    pub(super) colors: Option<&'a Arc<[[u8; 3]]>>,
    /// How often each code stands in the part.
    pub(super) counts: Option<&'a Arc<[u64]>>,
    /// Mean absolute error of each cell.
    pub(super) errors: Option<&'a Arc<[f32]>>,
}

/// The part as colors over the picture, its lines and its numbers.
pub(super) fn paint(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    pane: &Pane,
    (tokens, sheet): (&Tokens, &Sheet<'_>),
    sources: &Sources<'_>,
) {
    let looks = &ctx.document.looks;
    let known = match looks.color_by {
        ColorBy::Code => None,
        ColorBy::Mosaic => sources.colors.map(Source::of),
        ColorBy::Usage => sources.counts.map(Source::of),
        ColorBy::Difference => sources.errors.map(Source::of),
    };
    let levels = levels_of(ctx, sheet);
    // The levels come later than the tokens where no other view has asked for them.
    let by = (looks.color_by, sources.is_pending);
    let key = ("tokens", tokens, sheet.number, by, &levels, ctx.theme.choice);
    let size = [sheet.columns, sheet.rows];
    let source = known.unwrap_or_else(Source::key);
    let texture = ctx
        .textures
        .colors((key, source), size, Sampling::Pixels, || colors(ctx, sheet, sources, &levels));
    let alpha = (looks.token_opacity * 255.0) as u8;
    pane.paint(ui, texture.id(), Color32::from_white_alpha(alpha));
    masked(ui, pane, sheet);
    let cell = pane.picture.width() / sheet.columns.max(1) as f32;
    if cell >= 6.0 {
        lines(ui, pane, sheet, ((cell - 6.0) / 10.0).min(1.0));
    }
    if cell >= ctx.theme.px(26.0) && looks.show_ids {
        numbers(ui, ctx, pane, sheet);
    }
    if sources.is_pending {
        pending(ui, ctx, pane);
    }
}

/// Says over cells without colors that these come.
fn pending(ui: &egui::Ui, ctx: &ViewCtx<'_>, pane: &Pane) {
    let theme = ctx.theme;
    let words = "colors are being decoded…".to_owned();
    let painter = pane.painter(ui);
    let galley = painter.layout_no_wrap(words, theme.small(), theme.colors.text);
    let at = pane.view.min + vec2(2.0 * space::XS, 2.0 * space::XS);
    let rect = Rect::from_min_size(at, galley.size()).expand(space::XS);
    painter.rect_filled(rect, 3.0, theme.colors.background);
    painter.galley(at, galley, theme.colors.text);
}

/// The grid's own menu: its colors as a picture as large as the image, its codes as numbers.
pub(super) fn menu(
    ctx: &ViewCtx<'_>,
    pane: &Pane,
    (sheet, by): (&Sheet<'_>, &str),
    (sources, size, parts): (&Sources<'_>, [u32; 2], usize),
    is_old: bool,
) {
    let picture = || {
        if sources.is_pending {
            return None;
        }
        let colors = colors(ctx, sheet, sources, &levels_of(ctx, sheet));
        let cells = picture_of(&colors, [sheet.columns, sheet.rows])?;
        cells.enlarged((size[0] / sheet.columns.max(1) as u32).max(1)).ok()
    };
    let numbers = || {
        let values = Column::Codes(Arc::clone(sheet.part.codes()));
        Table::Map { values, columns: sheet.columns }
    };
    let formats = [TokenFormat::Npy, TokenFormat::Safetensors];
    let about = format!("tokens, {by}");
    let exported = Exported {
        name: "tokens",
        about: &about,
        by: Some(&ctx.document.model),
        picture: Some(&picture),
        numbers: Some(&numbers),
        // An array alone holds one part.
        tokens: if parts > 1 { &formats[1..] } else { &formats },
        is_old,
        ..Exported::default()
    };
    exported.menu(&pane.response, ctx);
}

/// Levels of the book's codes; none where they are not known or have none.
fn levels_of(ctx: &ViewCtx<'_>, sheet: &Sheet<'_>) -> Vec<u32> {
    let facts = ctx.facts(Slot::A);
    let book = sheet.part.book();
    let levels = facts.and_then(|f| f.best().map(|f| f.facts.book(book).levels.clone()));
    levels.unwrap_or_default()
}

fn colors(
    ctx: &ViewCtx<'_>,
    sheet: &Sheet<'_>,
    sources: &Sources<'_>,
    levels: &[u32],
) -> Vec<Color32> {
    let map = &ctx.theme.maps.viridis;
    let highest = sources.counts.and_then(|c| c.iter().max().copied()).unwrap_or(1) as f32;
    let color = |at: usize| {
        let Some(code) = sheet.part.code(at) else { return Color32::TRANSPARENT };
        if sources.is_pending {
            // Another map's colors would say something that is not so.
            return ctx.theme.colors.faint;
        }
        match ctx.document.looks.color_by {
            ColorBy::Code => color_of(code, levels),
            ColorBy::Mosaic => match sources.colors.and_then(|c| c.get(code as usize)) {
                Some([r, g, b]) => Color32::from_rgb(*r, *g, *b),
                None => color_of(code, levels),
            },
            ColorBy::Usage => {
                let count = sources.counts.and_then(|c| c.get(code as usize)).copied();
                let value = (1.0 + count.unwrap_or(0) as f32).ln() / (1.0 + highest).ln();
                map.at(value)
            }
            ColorBy::Difference => match sources.errors {
                Some(errors) => map.at(errors.get(at).copied().unwrap_or(0.0) / FULL_DIFFERENCE),
                None => color_of(code, levels),
            },
        }
    };
    // The last line may be short.
    (0..sheet.rows * sheet.columns).map(color).collect()
}

/// Cells without a token are hatched.
fn masked(ui: &egui::Ui, pane: &Pane, sheet: &Sheet<'_>) {
    let ((top, bottom), (left, right)) = visible(pane, sheet);
    if (bottom - top) * (right - left) > 20_000 {
        return;
    }
    let painter = pane.painter(ui);
    for row in top..bottom {
        for column in left..right {
            let place = (row, column);
            if sheet.cell(place).is_none() || sheet.number_at(place).is_some() {
                continue;
            }
            let rect = pane.cell_rect(row, column, sheet.rows, sheet.columns);
            painter.rect_filled(rect, 0.0, Color32::from_black_alpha(140));
            let stroke = Stroke::new(1.0, Color32::from_white_alpha(110));
            for step in 1..4 {
                let part = step as f32 / 4.0;
                let ends = |x: f32, y: f32| rect.min + vec2(x, y) * rect.size();
                painter.line_segment([ends(0.0, part), ends(part, 0.0)], stroke);
                painter.line_segment([ends(part, 1.0), ends(1.0, part)], stroke);
            }
        }
    }
}

/// The cells that can be seen: (first row, end), (first column, end).
pub(super) fn visible(pane: &Pane, sheet: &Sheet<'_>) -> ((usize, usize), (usize, usize)) {
    let (rows, columns) = pane.cells_seen(sheet.rows, sheet.columns);
    ((rows.start, rows.end), (columns.start, columns.end))
}

fn lines(ui: &egui::Ui, pane: &Pane, sheet: &Sheet<'_>, strength: f32) {
    let stroke = Stroke::new(1.0, Color32::from_black_alpha((strength * 70.0) as u8));
    let ((top, bottom), (left, right)) = visible(pane, sheet);
    let painter = pane.painter(ui);
    let seen = pane.view.intersect(pane.picture);
    for row in top..=bottom {
        let y = pane.cell_rect(row, 0, sheet.rows, sheet.columns).top();
        painter.hline(seen.x_range(), y, stroke);
    }
    for column in left..=right {
        let x = pane.cell_rect(0, column, sheet.rows, sheet.columns).left();
        painter.vline(x, seen.y_range(), stroke);
    }
}

fn numbers(ui: &egui::Ui, ctx: &ViewCtx<'_>, pane: &Pane, sheet: &Sheet<'_>) {
    let ((top, bottom), (left, right)) = visible(pane, sheet);
    if (bottom - top) * (right - left) > 2000 {
        return;
    }
    let painter = pane.painter(ui);
    // As large as the cells have room for, so that the last row of a lecture hall reads them.
    let cell = pane.picture.width() / sheet.columns.max(1) as f32;
    let font = egui::FontId::monospace((cell * 0.22).clamp(ctx.theme.px(10.0), ctx.theme.px(18.0)));
    for row in top..bottom {
        for column in left..right {
            let Some(code) = sheet.number_at((row, column)) else { continue };
            let middle = pane.cell_rect(row, column, sheet.rows, sheet.columns).center();
            // On a dark ground of their own: tiles are of any color, pale ones too.
            let galley = painter.layout_no_wrap(code.to_string(), font.clone(), Color32::WHITE);
            let at = Align2::CENTER_CENTER.anchor_size(middle, galley.size());
            painter.rect_filled(at.expand2(vec2(2.0, 0.0)), 3.0, Color32::from_black_alpha(120));
            painter.galley(at.min, galley, Color32::WHITE);
        }
    }
}

/// The cell under the pointer, in whichever view it is.
pub(in crate::views) fn hovered_cell(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    pane: &Pane,
    sheet: &Sheet<'_>,
) {
    if let Some((row, column)) = ctx.hovered.cell().and_then(|cell| sheet.place(cell)) {
        let at = pane.cell_rect(row, column, sheet.rows, sheet.columns);
        let stroke = Stroke::new(2.0, ctx.theme.colors.gold);
        pane.painter(ui).rect_stroke(at, 0.0, stroke, StrokeKind::Outside);
    }
}
