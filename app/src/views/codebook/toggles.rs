//! Which counts are shown, in which order and in which colors.

use smalti_engine::questions::{Given, OrderBy, SourceInfo, SourceRef, Subject};

use crate::ctx::{SET_IMAGES, ViewCtx};
use crate::document::Slot;
use crate::look::theme::space;
use crate::look::words::grouped;
use crate::widgets::fold;

/// Most images of a set that can be counted over; of a larger set as many, spread.
pub(super) const MOST_IMAGES: u64 = 100_000;
/// Codes that can be put in order by hue; more are not decoded one by one.
const MOST_HUES: u32 = 1 << 16;

/// Whose tokens are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Over {
    #[default]
    Image,
    Set,
}

/// What can be chosen.
#[derive(Debug, Default)]
pub(super) struct Toggles {
    pub(super) over: Over,
    /// Only the part that is looked at, not all of its book.
    pub(super) only_part: bool,
    pub(super) order: OrderBy,
    pub(super) is_linear: bool,
    pub(super) shows_patches: bool,
    /// The set of which all images are counted, not only a sample.
    whole: Option<SourceRef>,
}

/// The tokens that are looked at, if they are those of one of several images in a file.
pub(super) fn one_of_many<'a>(ctx: &ViewCtx<'a>) -> Option<&'a Given> {
    match &ctx.document.subject {
        Some(Subject::Tokens(given)) if given.among.is_some() => Some(given),
        _ => None,
    }
}

impl Toggles {
    /// Which counts, in which order, in which colors: what has no room is in a menu.
    pub(super) fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, book: u16) {
        let facts = ctx.facts(Slot::A);
        let k = facts.and_then(|f| f.best().map(|f| f.facts.book(book).size)).unwrap_or(0);
        let too_many = k > MOST_HUES;
        if too_many && self.order == OrderBy::Hue {
            self.order = OrderBy::Index;
        }
        let gap = ui.spacing().item_spacing.x;
        ui.spacing_mut().item_spacing.x = space::XS;
        // Counted over a set there is a choice more.
        let place = ("toggles", self.over == Over::Set);
        fold::groups(ui, (place, "Choices of the counts", 3), ctx, |ui, group| match group {
            0 => self.over_ui(ui, ctx),
            1 => self.order_ui(ui, ctx, too_many),
            _ => self.look_ui(ui, too_many),
        });
        ui.spacing_mut().item_spacing.x = gap;
    }

    fn over_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        ui.selectable_value(&mut self.over, Over::Image, "image")
            .on_hover_text("Counts over the image as it is now");
        let (name, about) = match one_of_many(ctx) {
            Some(_) => ("file", "Counts over all images of the file of tokens".to_owned()),
            None => ("set", format!("Counts over {SET_IMAGES} images, spread over the set")),
        };
        ui.selectable_value(&mut self.over, Over::Set, name).on_hover_text(about);
        if self.over == Over::Set && one_of_many(ctx).is_none() {
            self.whole_ui(ui, ctx);
        }
        let encoded = ctx.encoded(Slot::A).and_then(|reply| reply.best().cloned());
        if let Some(encoded) = encoded.filter(|encoded| encoded.tokens.parts().len() > 1) {
            let (number, part) = ctx.part(&encoded.tokens);
            ui.add_space(space::S);
            ui.toggle_value(&mut self.only_part, format!("only {}", part.shape()))
                .on_hover_text(format!("Counts in part {} alone, not in all", number + 1));
        }
        ui.add_space(space::S);
    }

    fn order_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, too_many: bool) {
        ui.label(ctx.theme.label("by"));
        for (order, name) in [(OrderBy::Index, "index"), (OrderBy::Count, "count")] {
            ui.selectable_value(&mut self.order, order, name);
        }
        ui.add_enabled_ui(!too_many, |ui| {
            ui.selectable_value(&mut self.order, OrderBy::Hue, "hue")
                .on_disabled_hover_text("Codebooks above 65 536 codes are not decoded whole");
        });
        ui.add_space(space::S);
    }

    fn look_ui(&mut self, ui: &mut egui::Ui, too_many: bool) {
        let log = ui.selectable_label(!self.is_linear, "log");
        if log.on_hover_text("Colors by the logarithm of the count").clicked() {
            self.is_linear = !self.is_linear;
        }
        ui.add_enabled_ui(!too_many, |ui| {
            ui.toggle_value(&mut self.shows_patches, "patches")
                .on_hover_text("What each code decodes to; codes that are not used are dim")
                .on_disabled_hover_text("Codebooks above 65 536 codes are not decoded whole");
        });
    }

    /// Whether all images of the set are counted.
    pub(super) fn counts_whole(&self, ctx: &ViewCtx<'_>) -> bool {
        self.over == Over::Set && self.whole.as_ref() == Some(&ctx.document.source)
    }

    /// Counts all images of the set, if there are more than those of the sample.
    fn whole_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let source = &ctx.document.source;
        let facts = ctx.ask("codebook set", &SourceInfo { source: source.clone() });
        let total = facts.ready().map_or(0, |facts| facts.len);
        if total <= SET_IMAGES {
            return;
        }
        let is_whole = self.whole.as_ref() == Some(source);
        let many = grouped(total.min(MOST_IMAGES));
        let about = if total > MOST_IMAGES && !source.is_drawn() {
            format!("Counts over {many} of its {} images, spread; this takes long", grouped(total))
        } else {
            format!("Counts over {many} images, which takes its time; a click ends it")
        };
        let name = if total > MOST_IMAGES { format!("{many} images") } else { "all".to_owned() };
        if ui.selectable_label(is_whole, name).on_hover_text(about).clicked() {
            self.whole = (!is_whole).then(|| source.clone());
        }
    }
}
