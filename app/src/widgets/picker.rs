//! Small pickers that several views have: a tokenizer, a working size.

use smalti_engine::images::{Fit, WorkingSize};
use smalti_engine::questions::{ModelRef, ShippedModels, Subject};

use crate::ctx::ViewCtx;
use crate::document::{AppCommand, Open, Slot};
use crate::widgets::tokenizer_card::{self, Known};

/// Picks the tokenizer of a slot.
pub fn model(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot) {
    let current = ctx.document.model(slot);
    let named = |model: &ModelRef| ctx.document.name_of(model);
    let whole = current.map(named);
    let label = match &whole {
        Some(name) => ctx.short_name(name.clone()),
        // Names are shortened after these words.
        None if ctx.showing.tightness > 1 => "with…".to_owned(),
        None => "compare with…".to_owned(),
    };
    let shipped = ctx.ask("shipped", &ShippedModels);
    let response = ui.menu_button(label.clone(), |ui| {
        for name in shipped.best().into_iter().flat_map(|names| names.iter()) {
            let model = ModelRef::Shipped(name.as_str().into());
            if ui.selectable_label(current == Some(&model), name).clicked() {
                ctx.send(Open::Model(slot, model));
            }
        }
        let opened = &ctx.document.opened.models;
        if !opened.is_empty() {
            ui.separator();
        }
        for file in opened.iter() {
            opened_ui(ui, ctx, slot, file);
        }
        if let Some(file @ ModelRef::File { .. }) = current {
            if !opened.contains(file) {
                ui.separator();
                // Picked already: said, so that the list shows what is worked with.
                drop(ui.selectable_label(true, named(file)));
            }
            others_ui(ui, ctx, slot, file);
        }
        if slot != Slot::A && current.is_some() && ui.button("none").clicked() {
            ctx.send(Open::NoModel(slot));
        }
        ui.separator();
        let about = "A checkpoint of any family that Smalti reads; for the first tokenizer it can \
                     be dropped on the window as well";
        if ui.button("a file…").on_hover_text(about).clicked() {
            ctx.send(AppCommand::AskTokenizer(slot));
            ui.close();
        }
    });
    let name = match slot {
        Slot::A => "Tokenizer".to_owned(),
        other => format!("Tokenizer {} to compare with", other.letter()),
    };
    response.response.on_hover_ui(|ui| {
        ui.label(name);
        // A shortened name is said whole, before anything is known of it.
        if let Some(whole) = whole.filter(|whole| *whole != label && !is_known(ctx, slot)) {
            ui.label(whole);
        }
        card_ui(ui, ctx, slot);
    });
}

fn is_known(ctx: &ViewCtx<'_>, slot: Slot) -> bool {
    ctx.facts(slot).is_some_and(|facts| facts.best().is_some())
}

/// What there is to know of the tokenizer in a slot, as far as it is known.
fn card_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot) {
    let (Some(model), Some(facts)) = (ctx.document.model(slot), ctx.facts(slot)) else { return };
    let Some(found) = facts.best() else { return };
    let bytes = match model {
        ModelRef::File { stamp, .. } => Some(stamp.length).filter(|bytes| *bytes > 0),
        ModelRef::Shipped(_) => None,
    };
    let (facts, metadata) = (&found.facts, &found.configuration);
    let known = Known { model, family: &facts.family, facts, metadata, bytes };
    ui.label(egui::RichText::new(ctx.document.name_of(model)).font(ctx.theme.strong()));
    tokenizer_card::ui(ui, ctx, &known.lines());
}

/// A tokenizer that was opened from a file.
fn opened_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot, file: &ModelRef) {
    let ModelRef::File { path, .. } = file else { return };
    let is_picked = ctx.document.model(slot) == Some(file);
    ui.horizontal(|ui| {
        let name = ctx.document.name_of(file);
        let response = ui.selectable_label(is_picked, &name);
        if response.on_hover_text(path.display().to_string()).clicked() {
            ctx.send(Open::ModelAgain(slot, file.clone()));
            ui.close();
        }
        let is_used = Slot::ALL.iter().any(|slot| ctx.document.model(*slot) == Some(file));
        if !is_used {
            let close = ui.small_button("×");
            close.widget_info(|| {
                let label = format!("Close {name}");
                egui::WidgetInfo::labeled(egui::Role::Button, true, label)
            });
            if close.on_hover_text("Takes it out of the menus; the file stays").clicked() {
                ctx.send(Open::CloseModel(file.clone()));
            }
        }
    });
}

/// Other tokenizers in the same file.
fn others_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, slot: Slot, file: &ModelRef) {
    let ModelRef::File { path, stamp } = file else { return };
    let facts = ctx.facts(slot);
    let others = facts.as_ref().and_then(|facts| facts.best()).map(|facts| facts.others.clone());
    for other in others.into_iter().flatten() {
        let (prefix, whole) = (other.prefix.trim_end_matches('.'), path.to_string_lossy());
        let file = whole.rsplit_once('#').map_or(&*whole, |(file, _)| file);
        let path = std::path::PathBuf::from(format!("{file}#{prefix}"));
        let label = format!("the {} below {prefix}", other.family);
        if ui.button(label).on_hover_text("Another tokenizer in the same file").clicked() {
            let model = ModelRef::File { path: path.into(), stamp: *stamp };
            ctx.send(Open::Model(slot, model));
        }
    }
}

/// Picks the size that images are worked on at.
pub fn size(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    // Tokens are what they are.
    if matches!(ctx.document.subject, Some(Subject::Tokens(_))) {
        return;
    }
    let now = ctx.document.size;
    // A tokenizer of one size does not work at any other: nothing else is claimed.
    let facts =
        ctx.facts(Slot::A).and_then(|facts| facts.best().map(|facts| facts.facts.fixed_size()));
    if let Some((height, width)) = facts.flatten() {
        ui.add_enabled(false, egui::Button::new(format!("{width}×{height}")))
            .on_disabled_hover_text("This tokenizer takes images of this one size");
        return;
    }
    let label = match now.mode {
        Fit::CropCenter if ctx.is_tight() => now.side.to_string(),
        _ => words(now),
    };
    ui.menu_button(label, |ui| {
        for (mode, sides) in [
            (Fit::CropCenter, &WorkingSize::SIDES[..]),
            (Fit::KeepAspect, &[128, 256, 512, 768][..]),
            (Fit::KeepOriginal, &[0][..]),
        ] {
            for side in sides {
                let size = WorkingSize { side: *side, mode, multiple_of: now.multiple_of };
                if ui.selectable_label(size == now, words(size)).clicked() {
                    ctx.send(Open::Size(size));
                }
            }
            ui.separator();
        }
    })
    .response
    .on_hover_text("Size that the image is worked on at");
}

fn words(size: WorkingSize) -> String {
    match size.mode {
        Fit::CropCenter => format!("{0}×{0}", size.side),
        Fit::KeepAspect => format!("long side {}", size.side),
        Fit::KeepOriginal => "original size".to_owned(),
    }
}
