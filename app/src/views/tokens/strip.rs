//! How often codes occur in the tokens that are seen: one bar a code, most used first.

use std::sync::Arc;

use egui::{Rect, pos2, vec2};
use smalti_engine::questions::{CodeUse, Encoded, Used};
use smalti_engine::tokens::{Code, Tokens};

use crate::ctx::ViewCtx;
use crate::document::{Chart, Column, Edit, Shape, Table};
use crate::look::theme::space;
use crate::look::words::{counted, counted_in_groups, grouped};
use crate::widgets::export::Exported;
use crate::widgets::states;

/// Draws it, with its figures above the bars; `whose` says whose tokens they are, `question` asks for the part
/// that is looked at.
pub(super) fn ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    area: Rect,
    (encoded, now): (&Encoded, &Tokens),
    (whose, question): (&str, &CodeUse),
) {
    let theme = ctx.theme;
    ui.painter().hline(area.x_range(), area.top(), egui::Stroke::new(1.0, theme.colors.line));
    let (_, part) = ctx.part(now);
    if ctx.now(encoded).ready().is_none() {
        return;
    }
    let reply = ctx.used("part usage", question);
    let Some(usage) = reply.best() else { return };
    let area = area.shrink2(vec2(space::M, space::XS));
    let line = theme.px(22.0);
    let (head, bars) = area.split_top_bottom_at_y(area.top() + line);
    let s = &usage.statistics;
    // The sample first: the last figures go where there is no room.
    let figures = format!(
        "{} · used {} of {} codes · perplexity {:.1} codes · ceiling {}",
        counted_in_groups(s.samples, "token"),
        grouped(s.used.into()),
        grouped(s.codebook_size.into()),
        s.perplexity,
        counted_in_groups(s.ceiling.round() as u64, "code")
    );
    // The bars of other tokens may stand here for a moment, but not their figures.
    let is_old = reply.ready().is_none();
    let right = if is_old { "counting…".to_owned() } else { figures };
    let what = if now.parts().len() > 1 { "usage in this part" } else { "usage over this image" };
    states::caption(ui, ctx, head, &format!("{what}, {whose}"), &right);
    bars_ui(ui, ctx, bars, (usage, part.book()), is_old || !ctx.is_encoded());
}

/// The strip's own menu: its bars as a figure, the codes that occur with their counts.
fn ranked_menu(ctx: &ViewCtx<'_>, response: &egui::Response, usage: &Arc<Used>, is_old: bool) {
    let s = &usage.statistics;
    let about = format!(
        "usage in one image: {} of {} codes in {}",
        s.used,
        s.codebook_size,
        counted(s.samples as usize, "token")
    );
    let chart = || Chart {
        title: about.clone(),
        across: "codes that occur, most used first".to_owned(),
        up: "tokens".to_owned(),
        is_logarithmic: false,
        shape: Shape::Bars(usage.ranked.iter().map(|(_, count)| *count as f64).collect()),
    };
    let numbers = || {
        let (codes, counts): (Vec<u32>, Vec<u64>) = usage.ranked.iter().copied().unzip();
        Table::Columns(vec![
            ("code".to_owned(), Column::Codes(codes.into())),
            ("count".to_owned(), Column::Counts(counts.into())),
        ])
    };
    let exported = Exported {
        name: "usage",
        about: &about,
        by: Some(&ctx.document.model),
        is_old,
        chart: Some(&chart),
        numbers: Some(&numbers),
        ..Exported::default()
    };
    exported.menu(response, ctx);
}

/// One bar a code that occurs, most used first; at most one a point of width.
fn bars_ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    area: Rect,
    (usage, book): (&Arc<Used>, u16),
    is_old: bool,
) {
    let id = ui.scope_id().with("usage strip");
    let response = ui.interact(area, id, egui::Sense::click());
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Image, true, "Usage over this image")
    });
    ranked_menu(ctx, &response, usage, is_old);
    let n = usage.ranked.len().min(area.width() as usize).max(1);
    let highest = usage.ranked.first().map_or(1, |c| c.1).max(1) as f32;
    let step = (area.width() / n as f32).min(12.0);
    let picked = ctx.document.selection.code;
    let mut shapes = Vec::with_capacity(n);
    for (at, (code, count)) in usage.ranked.iter().take(n).enumerate() {
        let height = (*count as f32 / highest * area.height()).max(1.5);
        let left = area.left() + at as f32 * step;
        let column = Rect::from_min_max(
            pos2(left, area.bottom() - height),
            pos2(left + if step < 3.0 { step } else { step - 1.0 }, area.bottom()),
        );
        let code = Some(Code { book, number: *code });
        let lit = picked == code || ctx.hovered.code() == code;
        let color = if lit { ctx.theme.colors.gold } else { ctx.theme.colors.lapis };
        shapes.push(egui::Shape::rect_filled(column, 0.0, color));
    }
    ui.painter().extend(shapes);
    if let Some(pointer) = response.hover_pos() {
        let at = ((pointer.x - area.left()) / step) as usize;
        if let Some((code, count)) = usage.ranked.get(at).filter(|_| at < n) {
            let text = format!("code {code} · {count}×");
            let code = Code { book, number: *code };
            ctx.hovered.set_code(code);
            if response.clicked() {
                ctx.send(Edit::SelectCode(Some(code)));
            }
            response.on_hover_text_at_pointer(text);
        }
    }
}
