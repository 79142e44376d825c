//! Codes that are switched off, as a count with the way back.

use std::collections::BTreeSet;
use std::sync::Arc;

use smalti_engine::tokens::Code;

use crate::ctx::ViewCtx;
use crate::document::Edit;
use crate::look::words::counted;

/// "3 codes off", and all on again; nothing where none is off.
pub fn off_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let off = ctx.document.switched_off.len();
    if off == 0 {
        return;
    }
    let about = "Each stands nowhere: where it would, the nearest other code does";
    ui.label(ctx.theme.label(format!("{} off", counted(off, "code")))).on_hover_text(about);
    let about = "Switches all codes of this tokenizer on";
    if ui.small_button("all on").on_hover_text(about).clicked() {
        ctx.send(Edit::SwitchAllOn);
    }
}

/// A button that switches codes off; where none of the book would be left, it says so.
pub fn switch_off_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (codes, name): (&Arc<BTreeSet<Code>>, &str),
    (book, size): (u16, usize),
) {
    let off = &ctx.document.switched_off;
    let left = size - off.union(codes).filter(|code| code.book == book).count().min(size);
    let about = "Pictures are decoded with the nearest other code in its place";
    let button = ui.add_enabled(left > 0, egui::Button::new(name));
    let why = "At least one code of a codebook must stay on";
    if button.on_hover_text(about).on_disabled_hover_text(why).clicked() {
        ctx.send(Edit::SwitchCodes { codes: Arc::clone(codes), on: false });
    }
}
