//! Which counts are shown, in which order and in which colors.

use smalti_engine::questions::{Given, OrderBy, SourceInfo, Subject};

use crate::ctx::{MOST_IMAGES, SET_IMAGES, ViewCtx};
use crate::document::{Look, Slot};
use crate::look::theme::space;
use crate::look::words::grouped;
use crate::widgets::fold;

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
    /// What was chosen; see [`Toggles::over`].
    over: Over,
    /// Only the part that is looked at, not all of its book.
    pub(super) only_part: bool,
    pub(super) order: OrderBy,
    pub(super) is_linear: bool,
    pub(super) shows_patches: bool,
}

/// Whether the tokens of a file are looked at that has no others: there is no set that they are of.
pub(super) fn is_alone(ctx: &ViewCtx<'_>) -> bool {
    matches!(&ctx.document.subject, Some(Subject::Tokens(given)) if given.among.is_none())
}

/// The tokens that are looked at, if they are those of one of several images in a file.
pub(super) fn one_of_many<'a>(ctx: &ViewCtx<'a>) -> Option<&'a Given> {
    match &ctx.document.subject {
        Some(Subject::Tokens(given)) if given.among.is_some() => Some(given),
        _ => None,
    }
}

impl Toggles {
    /// What is counted over: of tokens that are all there is of a file, never a set that was open before.
    pub(super) fn over(&self, ctx: &ViewCtx<'_>) -> Over {
        if is_alone(ctx) { Over::Image } else { self.over }
    }

    /// Follows the tokenizer, and what the palette asks for, also while there is no room for what is chosen by
    /// hand. True if there are too many codes to decode them one by one.
    pub(super) fn follow(&mut self, ctx: &ViewCtx<'_>, book: u16) -> bool {
        let facts = ctx.facts(Slot::A);
        let k = facts.and_then(|f| f.best().map(|f| f.facts.book(book).size)).unwrap_or(0);
        let too_many = k > MOST_HUES;
        if too_many && self.order == OrderBy::Hue {
            self.order = OrderBy::Index;
        }
        let is_wanted = |name: &str| ctx.offer(name, false);
        if is_wanted("Count codes over the image") {
            self.over = Over::Image;
        }
        if is_wanted("Count codes over the set") {
            self.over = Over::Set;
        }
        if self.total_of_set(ctx).is_some() && is_wanted("Count codes over all images") {
            ctx.send(Look::WholeSet(!ctx.document.looks.whole_set));
        }
        for (order, name) in [(OrderBy::Index, "index"), (OrderBy::Count, "count")] {
            if is_wanted(&format!("Codes by {name}")) {
                self.order = order;
            }
        }
        if !too_many && is_wanted("Codes by hue") {
            self.order = OrderBy::Hue;
        }
        if is_wanted("Codes' counts by their logarithm") {
            self.is_linear = !self.is_linear;
        }
        if !too_many && is_wanted("Codes as what they decode to") {
            self.shows_patches = !self.shows_patches;
        }
        too_many
    }

    /// Which counts, in which order, in which colors: what has no room is in a menu.
    pub(super) fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, too_many: bool) {
        let gap = ui.spacing().item_spacing.x;
        ui.spacing_mut().item_spacing.x = space::XS;
        // Counted over a set there is a choice more.
        let place = ("toggles", self.over(ctx) == Over::Set);
        fold::groups(ui, (place, "Choices of the counts", 3), ctx, |ui, group| match group {
            0 => self.over_ui(ui, ctx),
            1 => self.order_ui(ui, ctx, too_many),
            _ => self.look_ui(ui, too_many),
        });
        ui.spacing_mut().item_spacing.x = gap;
    }

    fn over_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        if is_alone(ctx) {
            let only = ui.selectable_label(true, "file");
            only.on_hover_text("Counts over the tokens of the file as they are now");
        } else {
            ui.selectable_value(&mut self.over, Over::Image, "image")
                .on_hover_text("Counts over the image as it is now");
            let (name, about) = match one_of_many(ctx) {
                Some(_) => ("file", "Counts over all images of the file of tokens".to_owned()),
                None => ("set", format!("Counts over {SET_IMAGES} images, spread over the set")),
            };
            ui.selectable_value(&mut self.over, Over::Set, name).on_hover_text(about);
        }
        if let Some(total) = self.total_of_set(ctx) {
            whole_ui(ui, ctx, total);
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
        self.over(ctx) == Over::Set && ctx.document.looks.whole_set
    }

    /// How many images the set has that is counted over, if there are more than those of the sample.
    fn total_of_set(&self, ctx: &ViewCtx<'_>) -> Option<u64> {
        if self.over(ctx) != Over::Set || one_of_many(ctx).is_some() {
            return None;
        }
        let question = SourceInfo { source: ctx.document.source.clone() };
        let facts = ctx.ask("codebook set", &question);
        let total = facts.ready()?.len;
        (total > SET_IMAGES).then_some(total)
    }
}

/// Counts all images of the set, or the sample again.
fn whole_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, total: u64) {
    let source = &ctx.document.source;
    let is_whole = ctx.document.looks.whole_set;
    let many = grouped(total.min(MOST_IMAGES));
    let about = if total > MOST_IMAGES && !source.is_drawn() {
        format!("Counts over {many} of its {} images, spread; this takes long", grouped(total))
    } else {
        format!("Counts over {many} images, which takes its time; a click ends it")
    };
    let name = if total > MOST_IMAGES { format!("{many} images") } else { "all".to_owned() };
    if ui.selectable_label(is_whole, name).on_hover_text(about).clicked() {
        ctx.send(Look::WholeSet(!is_whole));
    }
}
