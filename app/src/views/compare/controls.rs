//! What is chosen in Compare: pairs, levels, and in its bar tokenizers, map and mode.

use egui::text::{LayoutJob, TextFormat};

use super::sides::levels;
use crate::ctx::ViewCtx;
use crate::document::{CompareMode, DifferenceKind, Edit, Look, Pair, Slot};
use crate::look::theme::space;
use crate::widgets::keys::ring;
use crate::widgets::{letter, picker};

/// Choices at the right end of the tab bar.
pub(super) fn bar_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let looks = &ctx.document.looks;
    ui.menu_button(looks.compare.label(), |ui| {
        for mode in CompareMode::ALL {
            if ui.selectable_label(mode == looks.compare, mode.label()).clicked() {
                ctx.send(Look::Compare(mode));
                // By a key, too.
                ui.close();
            }
        }
    })
    .response
    .on_hover_text("How two pictures are set against each other");
    ui.menu_button(looks.difference.label(), |ui| {
        for kind in DifferenceKind::ALL {
            if ui.selectable_label(kind == looks.difference, kind.label()).clicked() {
                ctx.send(Look::Difference(kind));
                // By a key, too.
                ui.close();
            }
        }
    })
    .response
    .on_hover_text("Which difference is shown");
    // One more than there are: the next is offered when the last is taken.
    let taken = ctx.document.others.iter().take_while(|model| model.is_some()).count();
    let seen = Slot::OTHERS
        .iter()
        .enumerate()
        .filter(|(at, slot)| *at <= taken || ctx.document.model(**slot).is_some());
    let seen = seen.map(|(_, slot)| *slot);
    for slot in std::iter::once(Slot::A).chain(seen) {
        tokenizer_ui(ui, ctx, slot);
    }
    picker::size(ui, ctx);
}

/// The tokenizer of a slot, with its letter at the left where there is one.
fn tokenizer_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot) {
    ui.horizontal(|ui| {
        if ctx.document.model(slot).is_some() {
            letter::ui(ui, ctx, slot);
        }
        picker::model(ui, ctx, slot);
    });
}

/// Whether all are seen at once can be chosen in this mode.
fn has_all(ctx: &ViewCtx<'_>) -> bool {
    ctx.document.looks.compare == CompareMode::Side
}

/// The pair that is compared; none if all are seen at once.
pub(super) fn pair(ctx: &ViewCtx<'_>, slots: &[Slot]) -> Option<Pair> {
    let pairs = Pair::all_of(slots);
    let chosen = ctx.document.looks.pair.filter(|pair| pairs.contains(pair));
    // One tokenizer is all there are.
    let chosen = chosen.filter(|_| slots.len() > 1 || !has_all(ctx));
    chosen.or_else(|| pairs.first().copied().filter(|_| !has_all(ctx)))
}

/// The line above the pictures: pairs and levels, in every mode; nothing where there is nothing to choose, or where a
/// scene has chosen.
pub(super) fn line_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slots: &[Slot]) {
    let is_swap = ctx.document.looks.compare == CompareMode::Swap;
    let all = levels(ctx);
    let has_choice = (slots.len() > 1 || all > 1) && !ctx.is_presented();
    if !has_choice && !is_swap {
        return;
    }
    let now = pair(ctx, slots);
    ui.horizontal_wrapped(|ui| {
        if has_choice && slots.len() > 1 {
            pairs_ui(ui, ctx, slots, now);
        }
        if has_choice && all > 1 {
            levels_ui(ui, ctx, all);
        }
        if let Some(now) = now.filter(|_| is_swap) {
            let left = now.left.map_or("the original".to_owned(), |slot| slot.letter().to_string());
            let words = format!("hold the button, or Space, to see {left}");
            ui.label(ctx.theme.label(words));
        }
    });
    ui.add_space(space::XS);
}

/// All pairs in a row, or as a menu where the row has no room for them.
fn pairs_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slots: &[Slot], now: Option<Pair>) {
    let mut choices: Vec<Option<Pair>> = has_all(ctx).then_some(None).into_iter().collect();
    choices.extend(Pair::all_of(slots).into_iter().map(Some));
    let jobs: Vec<LayoutJob> = choices.iter().map(|choice| words(ctx, *choice)).collect();
    let around = 2.0 * ui.spacing().button_padding.x + ui.spacing().item_spacing.x;
    let widths = jobs.iter().map(|job| ui.painter().layout_job(job.clone()).size().x + around);
    let is_wide = widths.sum::<f32>() <= ui.available_width();
    let choose = |ui: &mut egui::Ui| {
        for (choice, job) in choices.iter().zip(&jobs) {
            let response = ui.selectable_label(*choice == now, job.clone());
            if response.on_hover_text(about(ctx, *choice)).clicked() {
                ctx.send(Look::Pair(*choice));
            }
        }
    };
    if is_wide {
        choose(ui);
    } else {
        let menu = ui.menu_button(words(ctx, now), choose);
        menu.response.on_hover_text("Which pictures are compared");
    }
}

/// A pair as it is written, its letters in their hues.
fn words(ctx: &ViewCtx<'_>, pair: Option<Pair>) -> LayoutJob {
    let plain = TextFormat::simple(ctx.theme.body(), ctx.theme.colors.text);
    let mut job = LayoutJob::default();
    let Some(pair) = pair else {
        job.append("all", 0.0, plain);
        return job;
    };
    match pair.left {
        Some(slot) => letter::words(ctx.theme, slot, &mut job),
        None => job.append("original", 0.0, plain.clone()),
    }
    job.append("|", 0.0, plain);
    letter::words(ctx.theme, pair.right, &mut job);
    job
}

fn about(ctx: &ViewCtx<'_>, pair: Option<Pair>) -> String {
    let name = |slot| {
        let model = ctx.document.model(slot);
        model.map_or_else(String::new, |model| ctx.document.name_of(model))
    };
    match pair {
        None => "The original and all tokenizers".to_owned(),
        Some(Pair { left: None, right }) => format!("The original and {}", name(right)),
        Some(Pair { left: Some(left), right }) => format!("{} and {}", name(left), name(right)),
    }
}

/// Slides from the first level, or the coarsest scale, alone to all of them.
fn levels_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, all: usize) {
    let now = ctx.document.selection.part.map_or(all, |part| usize::from(part) + 1).min(all);
    let mut wanted = now;
    let slider = egui::Slider::new(&mut wanted, 1..=all)
        .custom_formatter(|value, _| format!("{value} of {all}"))
        .text("levels");
    let response = ui.add(slider);
    ring(ui, ctx.theme, &response);
    response.on_hover_text(
        "How many levels, or scales, are decoded; those behind them are left out, and cost no bits",
    );
    if wanted != now {
        ctx.send(Edit::SelectPart((wanted < all).then(|| (wanted - 1) as u16)));
    }
}
