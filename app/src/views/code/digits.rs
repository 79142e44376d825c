//! A code that is digits: FSQ's levels can be stepped, the bits of LFQ and BSQ flipped. The selected
//! cells answer; without any, the code that is looked at becomes another.

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::{RichText, vec2};
use smalti_engine::questions::CodeCardAnswer;
use smalti_engine::session::Reply;
use smalti_engine::tokens::{Cell, Code};

use crate::ctx::ViewCtx;
use crate::document::{Edit, Notice, Slot};

/// Draws the digits, lowest first.
pub(super) fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, code: Code, card: &Arc<CodeCardAnswer>) {
    let theme = ctx.theme;
    let bits = card.levels.iter().all(|level| *level == 2);
    ui.label(theme.label(if bits { "bits, lowest first" } else { "level vector, lowest first" }));
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(3.0, 3.0);
        for (at, (digit, level)) in card.digits.iter().zip(&card.levels).enumerate() {
            if bits {
                let text = RichText::new(digit.to_string()).font(theme.figures());
                let button = ui.selectable_label(*digit == 1, text);
                let name = format!("Bit {at} is {digit}");
                button.widget_info(|| {
                    egui::WidgetInfo::selected(egui::Role::CheckBox, true, *digit == 1, &name)
                });
                if button.on_hover_text(format!("{name}; a click flips it")).clicked() {
                    become_other(ctx, code, card, at, 1 - digit);
                }
            } else {
                ui.vertical(|ui| level_ui(ui, ctx, code, card, (at, *digit, *level)));
            }
        }
    });
    let selected = ctx.document.selection.cells.len();
    let sign = if bits { "A click forces" } else { "+ and − force" };
    let about = match selected {
        0 => "Shows the code that it becomes".to_owned(),
        1 => format!("{sign} the selected cell to the new code"),
        n => format!("{sign} the {n} selected cells to the new code"),
    };
    ui.label(theme.label(about));
}

/// A digit between its steps up and down.
fn level_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    code: Code,
    card: &Arc<CodeCardAnswer>,
    (at, digit, level): (usize, u32, u32),
) {
    ui.spacing_mut().item_spacing = vec2(0.0, 1.0);
    // As narrow as they may be: what is vertical does not go into the next line.
    ui.spacing_mut().button_padding.x = 5.0;
    let step = |ui: &mut egui::Ui, text: &str, to: Option<u32>| {
        let to = to.filter(|to| *to < level);
        let button = ui.add_enabled(to.is_some(), egui::Button::new(text).small());
        let name = format!("Digit {at} {}", if text == "+" { "up" } else { "down" });
        button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, to.is_some(), &name));
        if let Some(to) = to
            && button
                .on_hover_text(format!("digit {at} is {digit}; its levels are 0 to {}", level - 1))
                .clicked()
        {
            become_other(ctx, code, card, at, to);
        }
    };
    step(ui, "+", digit.checked_add(1));
    ui.label(RichText::new(digit.to_string()).font(ctx.theme.figures()));
    step(ui, "−", digit.checked_sub(1));
}

/// One digit is changed: in the selected cells, so that the picture answers, and in what is looked at.
fn become_other(ctx: &ViewCtx<'_>, code: Code, card: &CodeCardAnswer, at: usize, to: u32) {
    let mut digits = card.digits.clone();
    digits[at] = to;
    let pairs = card.levels.iter().zip(&digits).rev();
    let number = pairs.fold(0, |number, (level, digit)| number * level + digit);
    // A number of this book means nothing in cells of another.
    let encoded = ctx.encoded(Slot::A);
    let tokens = encoded.as_ref().and_then(Reply::best).map(|encoded| &encoded.tokens);
    let is_of_book = |cell: &&Cell| {
        let part = tokens.and_then(|tokens| tokens.part(cell.part.into()));
        part.is_some_and(|part| part.book() == code.book)
    };
    let selected = &ctx.document.selection.cells;
    let cells: BTreeSet<Cell> = selected.iter().filter(is_of_book).copied().collect();
    if cells.is_empty() && !selected.is_empty() {
        let hint = "Select cells of its own part";
        let summary = format!("Code {code} is of another codebook than the selected cells");
        ctx.send(Notice::warning(summary, hint));
    } else if !cells.is_empty() {
        ctx.send(Edit::ForceCells { cells: Arc::new(cells), code: number });
    }
    ctx.send(Edit::SelectCode(Some(Code { book: code.book, number })));
}
