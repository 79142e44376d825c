//! Tokens that are there beside those that are seen: the other images of a file, and variations that were kept.

use smalti_engine::questions::{Given, ImageRef, Subject};

use crate::ctx::ViewCtx;
use crate::document::{Edit, Open, Reading, Variation, WorkOn};
use crate::look::words::{counted, grouped, name};

/// Which image of a file of tokens is seen, and the ones before and after it.
pub(super) fn among_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let Some(Subject::Tokens(Given { among: Some(among), .. })) = &ctx.document.subject else {
        return;
    };
    let step = |ui: &mut egui::Ui, text: &str, name: &str, to: Option<usize>| {
        let to = to.filter(|to| *to < among.count);
        let button = ui.add_enabled(to.is_some(), egui::Button::new(text).small());
        button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, to.is_some(), name));
        if let Some(index) = to
            && button.on_hover_text(name).clicked()
        {
            let (grid, key) = (among.grid, among.key.clone());
            ctx.send(Open::TokensAs(among.path.clone(), Reading { grid, key, index }));
        }
    };
    step(ui, "‹", "Tokens of the image before", among.index.checked_sub(1));
    let text = format!("{} of {}", grouped(among.index as u64 + 1), grouped(among.count as u64));
    ui.label(ctx.theme.caption_figures(text));
    step(ui, "›", "Tokens of the next image", Some(among.index + 1));
}

/// Which image and tokenizer work belongs to, as far as their names are known.
pub(in crate::views) fn place_of(ctx: &ViewCtx<'_>, on: &WorkOn) -> String {
    let image = match on.subject.image() {
        Some(ImageRef::File { path, .. }) => name(path),
        Some(ImageRef::InSource { index, .. }) => format!("image {}", index + 1),
        Some(ImageRef::Pasted(_)) => "pasted image".to_owned(),
        None => "tokens".to_owned(),
    };
    format!("{image} by {}", ctx.document.name_of(&on.model))
}

/// Keeps the work as it is, and goes back to what was kept.
pub(super) fn variations_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let variations = &ctx.document.variations;
    let from = variations.base().and_then(|from| variations.all().get(from));
    let is_it = from.is_some_and(|from| {
        from.is_of(&ctx.document.work(), &ctx.document.switched_off)
            && Some(&from.on) == ctx.document.work_on().as_ref()
    });
    // One that was noted by itself may leave some day: a person can keep it for good.
    let is_kept = is_it && from.is_some_and(|from| from.noted.is_none());
    let about = "Keep the tokens as they are now as a variation, to come back to";
    let has_work = !(ctx.document.work().is_empty() && ctx.document.switched_off.is_empty());
    let can_keep = !is_kept && (from.is_some() || has_work);
    if ui.add_enabled(can_keep, egui::Button::new("Keep")).on_hover_text(about).clicked() {
        ctx.send(Edit::KeepVariation);
    }
    if variations.all().is_empty() {
        return;
    }
    let is_here = |from: &&Variation| Some(&from.on) == ctx.document.work_on().as_ref();
    let text = match from.filter(is_here) {
        // The one that is worked on from is of something else.
        None => "variations".to_owned(),
        Some(from) => format!("variation {}{}", from.name, if is_it { "" } else { " +" }),
    };
    ui.menu_button(text, |ui| {
        for (number, depth) in variations.tree() {
            let variation = &variations.all()[number];
            ui.horizontal(|ui| {
                ui.add_space(depth as f32 * ctx.theme.px(14.0));
                let forced = variation.work.edits.len();
                let forced = counted(forced, "forced cell");
                let mut text = match &variation.noted {
                    Some(what) => format!("{}   {what}", variation.name),
                    None => format!("{}   {forced}", variation.name),
                };
                if let Some(off) = variation.off.as_ref().filter(|off| !off.is_empty()) {
                    text = format!("{text}, {} off", counted(off.len(), "code"));
                }
                if Some(&variation.on) != ctx.document.work_on().as_ref() {
                    // It leads elsewhere.
                    text = format!("{text}, {}", place_of(ctx, &variation.on));
                }
                let is_it = variations.base() == Some(number);
                if ui.selectable_label(is_it, text).clicked() {
                    ctx.send(Edit::UseVariation(number));
                    ui.close();
                }
                let drop =
                    ui.small_button("×").on_hover_text("Drop it; what was made from it stays");
                drop.widget_info(|| {
                    let name = format!("Drop variation {}", variation.name);
                    egui::WidgetInfo::labeled(egui::Role::Button, true, name)
                });
                if drop.clicked() {
                    ctx.send(Edit::DropVariation(number));
                }
            });
        }
    });
}
