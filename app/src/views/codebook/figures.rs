//! What the counts say in numbers, each with the sample it comes from.

use egui::{Sense, vec2};
use smalti_engine::answers::Ordered;

use super::ViewCtx;
use crate::shell::theme::space;
use crate::views::dataset::grouped;

/// A number with its label above and a remark behind.
struct Figure {
    label: &'static str,
    value: String,
    remark: String,
    about: &'static str,
}

/// Draws them in a row that wraps.
pub(super) fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, ordered: &Ordered) {
    let facts = &ordered.statistics;
    let figures = [
        Figure {
            label: "used",
            value: grouped(u64::from(facts.used)),
            remark: format!("of {}", grouped(u64::from(facts.codebook_size))),
            about: "Codes that occur at least once",
        },
        Figure {
            label: "sample",
            value: grouped(facts.samples),
            remark: format!("tokens, ceiling {}", grouped(facts.ceiling.round() as u64)),
            about: "Tokens that were counted, and the codes that would be used if they fell evenly",
        },
        Figure {
            label: "perplexity",
            value: format!("{:.1}", facts.perplexity),
            remark: String::new(),
            about: "As many equally likely codes would have the same entropy",
        },
        Figure {
            label: "entropy",
            value: format!("{:.2}", facts.entropy_bits),
            remark: "bits".to_owned(),
            about: "Bits a token if each is coded as often as it occurs",
        },
        Figure {
            label: "Gini",
            value: format!("{:.2}", facts.gini),
            remark: String::new(),
            about: "0 if all codes are used alike, towards 1 if one takes everything",
        },
        Figure {
            label: "dead",
            value: grouped(ordered.dead.len() as u64),
            remark: String::new(),
            about: "Codes that do not occur in this sample",
        },
    ];
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(space::L, space::XS);
        for figure in figures {
            figure_ui(ui, ctx, figure);
        }
    });
}

fn figure_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, figure: Figure) {
    let Figure { label, value, remark, about } = figure;
    let (theme, painter) = (ctx.theme, ui.painter().clone());
    let colors = &theme.colors;
    let name = if remark.is_empty() {
        format!("{label}: {value}")
    } else {
        format!("{label}: {value} {remark}")
    };
    let top = painter.layout_no_wrap(label.to_owned(), theme.small(), colors.dim);
    let number = painter.layout_no_wrap(value, theme.number(), colors.text);
    let behind = painter.layout_no_wrap(remark, theme.small(), colors.dim);
    let bottom = number.size().x + space::XS + behind.size().x;
    let size = vec2(top.size().x.max(bottom), top.size().y + number.size().y);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, name.clone()));
    let below = rect.min + vec2(0.0, top.size().y);
    // The remark stands on the number's foot, a little above the box's edge.
    let foot = number.size().y - behind.size().y - theme.px(3.0);
    let at = below + vec2(number.size().x + space::XS, foot);
    painter.galley(rect.min, top, colors.dim);
    painter.galley(below, number, colors.text);
    painter.galley(at, behind, colors.dim);
    response.on_hover_text(about);
}
