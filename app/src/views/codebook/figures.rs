//! What the counts say in numbers, each with the sample it comes from.

use egui::{Sense, vec2};
use smalti_engine::questions::Ordered;
use smalti_engine::tokens::Code;

use crate::ctx::ViewCtx;
use crate::document::{AppCommand, Edit};
use crate::look::theme::space;
use crate::look::words::{agreeing, all_of, counted_in_groups, grouped, shows_dead_codes};

/// A number with its label above and a remark behind.
struct Figure {
    label: &'static str,
    value: String,
    remark: String,
    about: &'static str,
    /// Whether a click shows more.
    opens: bool,
}

/// Whether codes that do not occur are dead: in a sample in which nearly all would.
fn is_telling(ordered: &Ordered) -> bool {
    let facts = &ordered.statistics;
    shows_dead_codes(facts.ceiling, facts.codebook_size, ordered.images)
}

/// All of them in one line, what matters most first.
pub(super) fn line(ordered: &Ordered) -> String {
    let facts = &ordered.statistics;
    let [used, all] = [facts.used.into(), facts.codebook_size.into()].map(grouped);
    let samples = counted_in_groups(facts.samples, "token");
    format!(
        "{used} of {all} used · perplexity {:.1} · {samples}, ceiling {} · entropy {:.2} bits · Gini {:.2}",
        facts.perplexity,
        grouped(facts.ceiling.round() as u64),
        facts.entropy_bits,
        facts.gini
    )
}

/// The codes that do not occur as a button that lists them.
pub(super) fn unused_button(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (ordered, book): (&Ordered, u16),
) {
    let word = if is_telling(ordered) { "dead" } else { "not used here" };
    let count = grouped(ordered.unused.len() as u64);
    let response = ui.small_button(format!("{count} {word}"));
    egui::Popup::menu(&response)
        .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside)
        .show(|ui| unused_ui(ui, ctx, (&ordered.unused, book)));
}

/// Of which images the counted tokens are.
fn of_images(ctx: &ViewCtx<'_>, ordered: &Ordered, is_old: bool) -> String {
    match ordered.sample {
        Some(sample) if sample.is_part() => {
            let spread = if ctx.document.source.is_drawn() { "" } else { ", spread" };
            format!(" of {} of {} images{spread}", grouped(sample.images), grouped(sample.total))
        }
        Some(sample) => format!(" of {}", all_of(sample.images, "image")),
        // While those of this image are counted they are the last one's.
        None if is_old => " as they were before".to_owned(),
        // Tokens that were given are of no image.
        None if ordered.images == 1 && ctx.document.image().is_some() => {
            " of this image".to_owned()
        }
        None => String::new(),
    }
}

/// Draws them in a row that wraps; `is_old` while others are being counted.
pub(super) fn ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (ordered, book, is_old): (&Ordered, u16, bool),
    over: &str,
) {
    let facts = &ordered.statistics;
    let is_telling = is_telling(ordered);
    let of_images = of_images(ctx, ordered, is_old);
    let figures = [
        Figure {
            label: "used",
            value: grouped(u64::from(facts.used)),
            remark: format!("of {} codes", grouped(u64::from(facts.codebook_size))),
            about: "Codes that occur at least once",
            opens: false,
        },
        Figure {
            label: "sample",
            value: grouped(facts.samples),
            remark: format!(
                "{}{of_images}, ceiling {}",
                if facts.samples == 1 { "token" } else { "tokens" },
                counted_in_groups(facts.ceiling.round() as u64, "code")
            ),
            about: "Tokens that were counted, and the codes that would be used if they fell evenly",
            opens: false,
        },
        Figure {
            label: "perplexity",
            value: format!("{:.1}", facts.perplexity),
            remark: "codes".to_owned(),
            about: "As many equally likely codes would have the same entropy",
            opens: false,
        },
        Figure {
            label: "entropy",
            value: format!("{:.2}", facts.entropy_bits),
            remark: "bits a token".to_owned(),
            about: "Bits a token if each is coded as often as it occurs",
            opens: false,
        },
        Figure {
            label: "Gini",
            value: format!("{:.2}", facts.gini),
            remark: "of 1".to_owned(),
            about: "0 if all codes are used alike, towards 1 if one takes everything",
            opens: false,
        },
        Figure {
            label: if is_telling { "dead" } else { "not used here" },
            value: grouped(ordered.unused.len() as u64),
            remark: "codes".to_owned(),
            about: if is_telling {
                "Codes that do not occur in a sample in which nearly all would; a click lists them"
            } else {
                "Codes that do not occur in this sample, which is too small to call them dead; a \
                 click lists them"
            },
            opens: !ordered.unused.is_empty(),
        },
    ];
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(space::L, space::XS);
        // A hall is told what is used, and how evenly.
        let is_needed = |figure: &Figure| {
            !ctx.is_presented() || matches!(figure.label, "used" | "sample" | "perplexity")
        };
        for figure in figures.into_iter().filter(is_needed) {
            let opens = figure.opens;
            let response = figure_ui(ui, ctx, figure, over);
            if opens {
                egui::Popup::menu(&response)
                    .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside)
                    .show(|ui| unused_ui(ui, ctx, (&ordered.unused, book)));
            }
        }
    });
}

/// The list of codes that do not occur; a click selects one.
fn unused_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, (unused, book): (&[u32], u16)) {
    const COLUMNS: usize = 8;
    ui.horizontal(|ui| {
        let codes = counted_in_groups(unused.len() as u64, "code");
        let text = format!("{codes} {} not occur", agreeing(unused.len(), "does", "do"));
        ui.label(ctx.theme.label(text));
        if ui.small_button("Copy").on_hover_text("Their numbers, one a line").clicked() {
            let lines: Vec<String> = unused.iter().map(ToString::to_string).collect();
            ctx.send(AppCommand::CopyText(lines.join("\n")));
        }
    });
    let row = ctx.theme.px(22.0);
    egui::ScrollArea::vertical().max_height(ctx.theme.px(260.0)).show_rows(
        ui,
        row,
        unused.len().div_ceil(COLUMNS),
        |ui, rows| {
            for line in unused.chunks(COLUMNS).skip(rows.start).take(rows.len()) {
                ui.horizontal(|ui| {
                    for code in line {
                        let whole = Code { book, number: *code };
                        let picked = ctx.document.selection.code == Some(whole);
                        let text = ctx.theme.caption_figures(format!("{code:>6}"));
                        let response = ui.selectable_label(picked, text);
                        if response.hovered() {
                            ctx.hovered.set_code(whole);
                        }
                        if response.clicked() {
                            ctx.send(Edit::SelectCode(Some(whole)));
                        }
                    }
                });
            }
        },
    );
}

fn figure_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, figure: Figure, over: &str) -> egui::Response {
    let Figure { label, value, remark, about, opens } = figure;
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
    let (sense, role) = if opens {
        (Sense::click(), egui::Role::Button)
    } else {
        (Sense::hover(), egui::Role::Label)
    };
    let (rect, response) = ui.allocate_exact_size(size, sense);
    response.widget_info(|| egui::WidgetInfo::labeled(role, true, name.clone()));
    let below = rect.min + vec2(0.0, top.size().y);
    let number_width = number.size().x;
    // The remark stands on the number's foot, a little above the box's edge.
    let foot = number.size().y - behind.size().y - theme.px(3.0);
    let at = below + vec2(number.size().x + space::XS, foot);
    painter.galley(rect.min, top, colors.dim);
    painter.galley(below, number, colors.text);
    painter.galley(at, behind, colors.dim);
    if opens {
        let line =
            egui::Stroke::new(1.0, if response.has_focus() { colors.gold } else { colors.faint });
        painter.hline(below.x..=below.x + number_width, rect.bottom() - 1.0, line);
    }
    response.on_hover_text(format!("{about}\n{over}"))
}
