//! What can be done with the selected cells: lock, force, release. What cannot be done says why.

use std::sync::Arc;

use egui::{Button, Key};
use smalti_engine::tokens::Tokens;

use super::hand::Hand;
use crate::ctx::ViewCtx;
use crate::document::{Edit, Look};
use crate::look::theme::space;
use crate::look::words::grouped;
use crate::widgets::{fold, switches};

/// The tools' own memory.
#[derive(Debug, Default)]
pub(super) struct Tools {
    force: String,
}

impl Tools {
    /// Draws those of the selection, or how the grid is looked at.
    pub(super) fn ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        now: &Tokens,
        hand: &mut Hand,
    ) {
        ui.add_space(space::M);
        if ctx.is_tight() {
            ui.spacing_mut().slider_width = ctx.theme.px(56.0);
        }
        let mut opacity = ctx.document.looks.token_opacity;
        let slider = egui::Slider::new(&mut opacity, 0.0..=1.0).show_value(false).text("opacity");
        if ui.add(slider).changed() {
            ctx.send(Look::TokenOpacity(opacity));
        }
        let asks_for_code = hand.takes_code();
        if !ctx.document.selection.cells.is_empty() {
            self.selection_ui(ui, ctx, now, (hand, asks_for_code));
        }
        release_all_ui(ui, ctx);
        switches::off_ui(ui, ctx);
    }

    fn selection_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        now: &Tokens,
        (hand, asks_for_code): (&Hand, bool),
    ) {
        let document = ctx.document;
        let cells = &document.selection.cells;
        ui.label(ctx.theme.label(format!("{} selected", grouped(cells.len() as u64))));
        let locked = document.locks.intersection(cells).count();
        if locked < cells.len() && ui.button("Lock").on_hover_text(LOCK).clicked() {
            ctx.send(Edit::LockCells { cells: Arc::clone(cells), locked: true });
        }
        if locked > 0 && ui.button("Unlock").on_hover_text(LOCK).clicked() {
            ctx.send(Edit::LockCells { cells: Arc::clone(cells), locked: false });
        }
        let is_locked = locked == cells.len();
        let field = egui::TextEdit::singleline(&mut self.force)
            .hint_text("code")
            .desired_width(ctx.theme.px(56.0));
        let field = ui.add(field);
        field.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Code to force")
        });
        if asks_for_code {
            field.request_focus();
        }
        let code = self.force.trim().parse::<u32>().ok();
        let entered = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        if entered {
            // The keys go on where they were.
            hand.take_focus(ui);
            if fold::is_in_menu(ctx) {
                ui.close();
            }
        }
        let why = if is_locked {
            "The selected cells are locked: unlock them first"
        } else {
            "Type the number of a code first"
        };
        let button = ui.add_enabled(code.is_some() && !is_locked, Button::new("Force"));
        let button = button
            .on_hover_text("The selected cells have this code, whatever the tokenizer says")
            .on_disabled_hover_text(why);
        if let Some(code) = code
            && (button.clicked() || entered)
            && ctx.has_code(ctx.part(now).1.book(), code)
        {
            // What is typed next is another code.
            if !is_locked {
                self.force.clear();
            }
            ctx.send(Edit::ForceCells { cells: Arc::clone(cells), code });
        }
        let forced = || cells.iter().filter(|cell| document.edits.contains_key(cell));
        let why = if forced().next().is_none() {
            "None of the selected cells is forced"
        } else {
            "The forced ones are locked: unlock them first"
        };
        let can = forced().any(|cell| !document.locks.contains(cell));
        let button = ui.add_enabled(can, Button::new("Release"));
        let button = button.on_hover_text(RELEASE).on_disabled_hover_text(why);
        if button.clicked() {
            ctx.send(Edit::ReleaseCells(Arc::clone(cells)));
        }
    }
}

const LOCK: &str = "Locked cells are neither forced nor released";
const RELEASE: &str = "Forced cells have the tokenizer's code again";

/// Releases all forced cells, or says why it cannot.
fn release_all_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let forced = ctx.document.edits.len();
    if forced == 0 {
        return;
    }
    let can = forced > ctx.document.locked_edits();
    let text = format!("Release all forced ({})", grouped(forced as u64));
    let button = ui.add_enabled(can, Button::new(text));
    let why = "All forced cells are locked: unlock them first";
    if button.on_hover_text(RELEASE).on_disabled_hover_text(why).clicked() {
        ctx.send(Edit::ReleaseAll);
    }
}
