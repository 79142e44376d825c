//! What can be done with the selected cells: lock, force, release. What cannot be done says why.

use std::sync::Arc;

use egui::{Button, Key};
use smalti_engine::tokens::Tokens;

use super::hand::Hand;
use crate::ctx::ViewCtx;
use crate::document::{Edit, Look};
use crate::look::theme::space;
use crate::look::words::grouped;
use crate::widgets::fold;
use crate::widgets::keys::ring;

/// The tools' own memory.
#[derive(Debug, Default)]
pub(super) struct Tools {
    force: String,
}

impl Tools {
    /// Draws those of the selection, each always at its place: where a button was, no other one stands.
    pub(super) fn ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        now: &Tokens,
        hand: &mut Hand,
    ) {
        ui.add_space(space::M);
        let asks_for_code = hand.takes_code();
        let document = ctx.document;
        let cells = &document.selection.cells;
        let locked = document.locks.intersection(cells).count();
        let button = ui.add_enabled(locked < cells.len(), Button::new("Lock"));
        let why = if cells.is_empty() { NOTHING } else { "The selected cells are locked" };
        if button.on_hover_text(LOCK).on_disabled_hover_text(why).clicked() {
            ctx.send(Edit::LockCells { cells: Arc::clone(cells), locked: true });
        }
        self.force_ui(ui, ctx, now, (hand, asks_for_code));
        release_ui(ui, ctx);
        let button = ui.add_enabled(locked > 0, Button::new("Unlock"));
        let why = if cells.is_empty() { NOTHING } else { "None of the selected cells is locked" };
        if button.on_hover_text(LOCK).on_disabled_hover_text(why).clicked() {
            ctx.send(Edit::LockCells { cells: Arc::clone(cells), locked: false });
        }
    }

    /// The field for a code, and the button that forces it.
    fn force_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        now: &Tokens,
        (hand, asks_for_code): (&Hand, bool),
    ) {
        let cells = &ctx.document.selection.cells;
        let locked = ctx.document.locks.intersection(cells).count();
        let is_locked = locked == cells.len();
        let field = egui::TextEdit::singleline(&mut self.force)
            .hint_text("code")
            .desired_width(ctx.theme.px(56.0));
        let has_cells = !cells.is_empty();
        let field = ui.add_enabled(has_cells, field);
        field.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::TextInput, has_cells, "Code to force")
        });
        if asks_for_code && has_cells {
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
        let why = if cells.is_empty() {
            NOTHING
        } else if is_locked {
            "The selected cells are locked: unlock them first"
        } else {
            "Type the number of a code first"
        };
        let button =
            ui.add_enabled(code.is_some() && has_cells && !is_locked, Button::new("Force"));
        let button = button
            .on_hover_text("The selected cells have this code, whatever the tokenizer says")
            .on_disabled_hover_text(why);
        if let Some(code) = code
            && has_cells
            && (button.clicked() || entered)
            && ctx.has_code(ctx.part(now).1.book(), code)
        {
            // What is typed next is another code.
            if !is_locked {
                self.force.clear();
            }
            ctx.send(Edit::ForceCells { cells: Arc::clone(cells), code });
        }
    }
}

/// Releases the selected cells that are forced.
fn release_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let document = ctx.document;
    let cells = &document.selection.cells;
    let forced = || cells.iter().filter(|cell| document.edits.contains_key(cell));
    let why = if cells.is_empty() {
        NOTHING
    } else if forced().next().is_none() {
        "None of the selected cells is forced"
    } else {
        "The forced ones are locked: unlock them first"
    };
    let can = forced().any(|cell| !document.locks.contains(cell));
    let button = ui.add_enabled(can, Button::new("Release"));
    if button.on_hover_text(RELEASE).on_disabled_hover_text(why).clicked() {
        ctx.send(Edit::ReleaseCells(Arc::clone(cells)));
    }
}

/// How strongly the grid covers the picture.
pub(super) fn opacity_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    ui.spacing_mut().slider_width = ctx.theme.px(72.0);
    let mut opacity = ctx.document.looks.token_opacity;
    let slider = egui::Slider::new(&mut opacity, 0.0..=1.0).show_value(false).text("opacity");
    let response = ui.add(slider);
    ring(ui, ctx.theme, &response);
    if response.changed() {
        ctx.send(Look::TokenOpacity(opacity));
    }
}

/// How many cells are selected.
pub(super) fn selected_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let count = ctx.document.selection.cells.len();
    if count > 0 {
        ui.label(ctx.theme.label(format!("{} selected", grouped(count as u64))));
    }
}

const NOTHING: &str = "Select cells of the token grid first";
const LOCK: &str = "Locked cells are neither forced nor released";
const RELEASE: &str = "Forced cells have the tokenizer's code again";

/// Releases all forced cells, or says why it cannot.
pub(super) fn release_all_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
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
