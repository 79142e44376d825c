//! Codebook: every code and how much it is used, and how that goes over time.
//!
//! Cells are painted by the GPU from values that are uploaded once an answer, so a frame costs the
//! same for 16 codes and for 2^18.

mod cells;
mod figures;
mod run_rows;
mod taken;
mod toggles;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use egui::RichText;
use smalti_engine::questions::{
    Among, CodeUse, CodebookOrder, Given, ModelRef, OrderBy, Ordered, Sample, Subject,
    TokensOfFile, Used,
};
use smalti_engine::session::{Last, Reply};
use smalti_engine::tokens::Tokens;

use self::cells::Cells;
use self::run_rows::RunRows;
use self::taken::Taken;
use self::toggles::{Over, Toggles, one_of_many};
use super::tokens::whose;
use super::view::View;
use crate::ctx::{SET_IMAGES, ViewCtx, sample_name, set_name};
use crate::document::{Edit, Slot};
use crate::gpu::heatmap::Appearances;
use crate::look::theme::space;
use crate::look::words::{counted, grouped};
use crate::runs::Rows;
use crate::widgets::end::End;
use crate::widgets::rows::{About, RowsPane, key_ui};
use crate::widgets::{fold, states, switches};

/// How often it is said how far the counting is.
const COUNTING: std::time::Duration = std::time::Duration::from_millis(400);
/// What the rows of images are.
const IMAGES: &str = "images ↓ × code →";
/// The least height of the cells, before text is scaled.
const LEAST_CELLS: f32 = 48.0;
/// From this height on there is room for rows below the cells, before text is scaled.
const ROOM_FOR_ROWS: f32 = 180.0;
/// The height of the line below the cells, before text is scaled.
const FOOT: f32 = 22.0;
/// The height of the figures, before text is scaled.
const FIGURES: f32 = 44.0;

/// The Codebook view.
#[derive(Debug, Default)]
pub(super) struct CodebookView {
    toggles: Toggles,
    /// The last answer stays while another is worked out.
    last: Option<(u64, ModelRef, smalti_engine::questions::Scope, Arc<Ordered>)>,
    cells: Cells,
    run_rows: RunRows,
    surveyed: Option<(Arc<Used>, Rows)>,
    pane: RowsPane,
    /// Which rows were asked for; until then those of a run as long as it goes on.
    rows_of: Option<RowsOf>,
    /// Rows in place of the cells, where there is no room for both.
    shows_rows: bool,
}

/// What the rows below the cells are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowsOf {
    Images,
    Training,
}

impl View for CodebookView {
    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let too_many = self.toggles.follow(ctx, self.book(ctx));
        if !ctx.is_presented() {
            self.toggles.ui(ui, ctx, too_many);
        }
        let reply = match self.reply(ctx) {
            Ok(reply) => reply,
            Err(nothing) => {
                ui.label(ctx.theme.label(nothing));
                return;
            }
        };
        let progress = match &reply {
            Reply::Failed(problem) => {
                ui.label(RichText::new(&problem.summary).color(ctx.theme.colors.danger));
                ui.label(ctx.theme.label(&problem.hint));
                return;
            }
            Reply::Ready(_) => None,
            Reply::Working { progress, .. } => Some(*progress),
        };
        if let Some(found) = reply.best() {
            let model = ctx.document.model.clone();
            self.last = Some((self.sample(ctx), model, self.scope(ctx, None), Arc::clone(found)));
        }
        // Never under another tokenizer's or another book's name.
        let now = (self.sample(ctx), &ctx.document.model, self.scope(ctx, None));
        let last = self.last.as_ref().filter(|(of, model, scope, _)| (*of, model, *scope) == now);
        let Some(ordered) = last.map(|(.., ordered)| Arc::clone(ordered)) else {
            ui.label(ctx.theme.label(working(progress.flatten())));
            return;
        };
        self.counts_ui(ui, ctx, &ordered, progress.map(working));
    }
}

impl CodebookView {
    /// Figures, cells, and what is below them, as there is room.
    fn counts_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        ordered: &Arc<Ordered>,
        at_work: Option<String>,
    ) {
        let line = ctx.theme.px(FOOT) + space::S;
        // In a low view the figures stand in a line, and the cells have the height.
        let is_low = ui.available_height() <= ctx.theme.px(FIGURES + LEAST_CELLS) + line;
        let book = self.book(ctx);
        let is_old = at_work.is_some();
        let over = self.counted_over(ctx, ordered, is_old);
        if !is_low {
            figures::ui(ui, ctx, (ordered, book, is_old), &over);
        }
        let left = ui.available_height() - line;
        let has_room = left >= ctx.theme.px(ROOM_FOR_ROWS);
        let below = if has_room && !ctx.is_presented() { (left * 0.3).round() } else { 0.0 };
        let height = (left - below).max(ctx.theme.px(LEAST_CELLS));
        let is_logarithmic = !self.toggles.is_linear;
        let taken = Taken { over: self.over_name(ctx, ordered), is_logarithmic, is_old };
        taken.offer(ctx, ordered);
        if self.shows_rows && below == 0.0 && !ctx.is_presented() {
            let size = egui::vec2(ui.available_width(), height);
            let layout = egui::Layout::top_down(egui::Align::Min);
            ui.allocate_ui_with_layout(size, layout, |ui| {
                ui.set_min_size(size);
                self.history_ui(ui, ctx);
            });
        } else {
            let patches = self.patches(ctx, ordered);
            let look = cells::Shown { height, is_logarithmic, patches, book };
            let response = self.cells.ui(ui, ctx, ordered, look);
            taken.menus(&response, ctx, ordered);
        }
        let row = egui::vec2(ui.available_width(), ctx.theme.px(FOOT));
        let flow = egui::Layout::left_to_right(egui::Align::Center);
        ui.allocate_ui_with_layout(row, flow, |ui| {
            ui.set_min_size(row);
            // The buttons of one line of small text.
            ui.spacing_mut().button_padding.y = 0.0;
            ui.spacing_mut().interact_size.y = ctx.theme.px(18.0);
            let said = self.said(ctx, ordered, (&over, is_old), is_low);
            let end = End::of(ui, "foot");
            end.before(ui, |ui| {
                if !ctx.is_presented() {
                    switched_ui(ui, ctx, (book, ordered.codes.len()));
                }
                // Last, so that where there is no room its last figures are what goes.
                states::figures_line(ui, ctx, &said);
            });
            end.ui(ui, |ui| {
                if let Some(at_work) = at_work {
                    ui.label(ctx.theme.label(at_work));
                    // Nothing else asks for a frame while it counts.
                    ui.ctx().request_repaint_after(COUNTING);
                }
                self.foot_ui(ui, ctx, (ordered, &taken), (is_low, below > 0.0));
            });
        });
        if below > 0.0 {
            self.history_ui(ui, ctx);
        }
    }
}

impl CodebookView {
    /// What the line below the cells says. Where it says all figures, the sample comes before them: without it
    /// they say nothing, and the end of the line may have no room.
    fn said(
        &self,
        ctx: &ViewCtx<'_>,
        ordered: &Ordered,
        (over, is_old): (&str, bool),
        is_low: bool,
    ) -> String {
        let book = self.book(ctx);
        if !is_low {
            let code = cells::caption(ctx, ordered, book, over);
            return code.unwrap_or_else(|| "point at a cell to see its code".to_owned());
        }
        let sample = self.sample_words(ctx, ordered, is_old);
        let first = cells::caption(ctx, ordered, book, &sample).unwrap_or(sample);
        format!("{first} · {} · {over}", figures::line(ordered))
    }

    /// Over how much is counted, in few words; [`Self::counted_over`] says it in full.
    fn sample_words(&self, ctx: &ViewCtx<'_>, ordered: &Ordered, is_old: bool) -> String {
        let images = counted(ordered.images, "image");
        match (self.toggles.over(ctx), ordered.sample) {
            (Over::Image, _) if is_old => "before".to_owned(),
            (Over::Image, _) if ctx.document.image().is_none() => "these tokens".to_owned(),
            (Over::Image, _) => "this image".to_owned(),
            (Over::Set, Some(sample)) => format!("{images} of {}", grouped(sample.total)),
            (Over::Set, None) => images,
        }
    }
}

/// What the tokens of a file are called in names of files, and how many images they are of.
fn file_name_of(given: &Given, images: usize) -> String {
    format!("{}-{}", given.name, counted(images, "image").replace(' ', "-"))
}

/// The last answer stays only if it is of the same tokenizer and scope, and of the same kind of sample:
/// one image's counts are none of the set.
fn last_of(reply: Reply<Ordered>, question: &CodebookOrder) -> Reply<Ordered> {
    let kind = |order: &CodebookOrder| std::mem::discriminant(&order.counts.sample);
    reply.last_for(|asked: &CodebookOrder| {
        asked.model == question.model
            && asked.counts.scope == question.counts.scope
            && kind(asked) == kind(question)
    })
}

/// Switches several codes that are selected together off or on.
fn selected_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, (book, size): (u16, usize)) {
    let codes = &ctx.document.selection.codes;
    if codes.len() < 2 {
        return;
    }
    ui.label(ctx.theme.label(format!("{} codes selected", grouped(codes.len() as u64))));
    let off = ctx.document.switched_off.intersection(codes).count();
    if off < codes.len() {
        let name = format!("Switch {} off", grouped((codes.len() - off) as u64));
        switches::switch_off_ui(ui, ctx, (codes, &name), (book, size));
    }
    if off > 0 && ui.button(format!("Switch {} on", grouped(off as u64))).clicked() {
        ctx.send(Edit::SwitchCodes { codes: Arc::clone(codes), on: true });
    }
}

/// What is selected or switched off among the codes; what has no room is in a menu.
fn switched_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, (book, size): (u16, usize)) {
    let document = ctx.document;
    if document.selection.codes.len() < 2 && document.switched_off.is_empty() {
        return;
    }
    let place = ("switched", "Codes that are selected or off", 2);
    fold::groups(ui, place, ctx, |ui, group| match group {
        0 => selected_ui(ui, ctx, (book, size)),
        _ => switches::off_ui(ui, ctx),
    });
}

fn working(progress: Option<f32>) -> String {
    progress.map_or_else(|| "Counting…".to_owned(), |p| format!("Counting… {:.0} %", p * 100.0))
}

fn skipped_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, ordered: &Ordered) {
    if ordered.skipped.is_empty() {
        return;
    }
    let images = counted(ordered.skipped.len(), "image");
    let text = RichText::new(format!("{images} could not be read"));
    let label = ui.label(text.font(ctx.theme.small()).color(ctx.theme.colors.danger));
    label.on_hover_ui(|ui| {
        for why in ordered.skipped.iter().take(8) {
            ui.label(why);
        }
    });
}

impl CodebookView {
    /// What can be done with the counts.
    fn foot_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        (ordered, taken): (&Ordered, &Taken),
        (is_low, has_rows): (bool, bool),
    ) {
        if ctx.is_presented() {
            return;
        }
        skipped_ui(ui, ctx, ordered);
        let is_telling = ordered.unused.is_empty() || !is_low;
        if !is_telling {
            figures::unused_button(ui, ctx, (ordered, self.book(ctx)));
        }
        if !has_rows {
            let about = "Image by image, or over the time of a training, in place of the cells";
            let rows = ui.selectable_label(self.shows_rows, ctx.theme.label("rows"));
            if rows.on_hover_text(about).clicked() {
                self.shows_rows = !self.shows_rows;
            }
        }
        taken.button_ui(ui, ctx, ordered);
    }

    /// What the codes decode to, if that is shown and known.
    fn patches(&self, ctx: &ViewCtx<'_>, ordered: &Ordered) -> Option<Appearances> {
        if !self.toggles.shows_patches {
            return None;
        }
        let look = ctx.appearance(self.book(ctx));
        let look = look.ready()?;
        Some(Appearances {
            atlas: look.atlas.clone()?,
            codes: Arc::clone(&ordered.codes),
            columns: look.columns,
            side: look.side,
        })
    }

    /// What is known of the counts, or why there is nothing to count.
    fn reply(&mut self, ctx: &ViewCtx<'_>) -> Result<Reply<Ordered>, &'static str> {
        let model = ctx.document.model.clone();
        let by = self.toggles.order;
        match self.toggles.over(ctx) {
            Over::Image => {
                let encoded = ctx.encoded(Slot::A).ok_or(
                    "Pick an image in Dataset or drop one here to see which codes it uses",
                )?;
                if let Reply::Failed(problem) = encoded {
                    return Ok(Reply::Failed(problem));
                }
                let tokens = match encoded.best().map(|encoded| ctx.now(encoded)) {
                    Some(Reply::Ready(tokens)) => Tokens::clone(&tokens),
                    Some(Reply::Failed(problem)) => return Ok(Reply::Failed(problem)),
                    Some(Reply::Working { .. }) | None => {
                        return Ok(Reply::Working { progress: None, last: None });
                    }
                };
                let scope = self.scope(ctx, Some(&tokens));
                let counts = CodeUse { sample: Sample::of(tokens), scope, by_image: false };
                let question = CodebookOrder { model: Some(model), counts, by };
                // By hue every code is decoded: nothing that a visible view waits for.
                let reply = match by {
                    OrderBy::Hue => ctx.ask_soon(("codebook", self.sample(ctx)), &question),
                    OrderBy::Index | OrderBy::Count => {
                        ctx.ask(("codebook", self.sample(ctx)), &question)
                    }
                };
                let reply = last_of(reply, &question);
                // While another image is encoded, the counts are those of the last one.
                Ok(match (reply, encoded) {
                    (Reply::Ready(last), Reply::Working { progress, .. }) => {
                        Reply::Working { progress, last: Some(Last::new(&question, last)) }
                    }
                    (reply, _) => reply,
                })
            }
            Over::Set if let Some(given) = one_of_many(ctx) => {
                let Some(of_file) = TokensOfFile::new(given, model.clone()) else {
                    return Err("There are no other images in this file");
                };
                // Which part is looked at is known with the image's tokens.
                match ctx.encoded(Slot::A) {
                    Some(Reply::Failed(problem)) => return Ok(Reply::Failed(problem)),
                    Some(encoded) if encoded.best().is_none() => {
                        return Ok(Reply::Working { progress: None, last: None });
                    }
                    _ => {}
                }
                let counts = self.use_of_file(ctx, of_file);
                let question = CodebookOrder { model: Some(model), counts, by };
                let place = ("codebook", self.sample(ctx));
                Ok(last_of(ctx.ask_soon(place, &question), &question))
            }
            Over::Set => {
                match ctx.set_sample(SET_IMAGES) {
                    Reply::Ready(images) if images.is_empty() => {
                        return Err("There are no images in this set: open another one in Dataset");
                    }
                    Reply::Ready(_) => {}
                    Reply::Working { progress, .. } => {
                        return Ok(Reply::Working { progress, last: None });
                    }
                    Reply::Failed(problem) => return Ok(Reply::Failed(problem)),
                }
                let counts = self.use_over(ctx);
                // By itself, so that another order does not count anew.
                if self.toggles.counts_whole(ctx) {
                    match ctx.count("codebook", &counts) {
                        Reply::Ready(_) => {}
                        Reply::Working { progress, .. } => {
                            return Ok(Reply::Working { progress, last: None });
                        }
                        Reply::Failed(problem) => return Ok(Reply::Failed(problem)),
                    }
                }
                let question = CodebookOrder { model: Some(model), counts, by };
                let place = ("codebook", self.sample(ctx));
                Ok(last_of(ctx.ask_soon(place, &question), &question))
            }
        }
    }

    /// What is counted over, for the names of files.
    fn over_name(&self, ctx: &ViewCtx<'_>, ordered: &Ordered) -> Option<String> {
        match (self.toggles.over(ctx), one_of_many(ctx)) {
            (Over::Image, _) => None,
            (Over::Set, Some(given)) => Some(file_name_of(given, ordered.images)),
            (Over::Set, None) => Some(sample_name(&ctx.document.source, ordered.sample?)),
        }
    }

    /// What is counted over: one image, whichever it is, or this set or file. The last figures of one are
    /// none of another.
    fn sample(&self, ctx: &ViewCtx<'_>) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        match (self.toggles.over(ctx), one_of_many(ctx)) {
            (Over::Image, _) => 0.hash(&mut hasher),
            (Over::Set, None) => ctx.document.source.hash(&mut hasher),
            (Over::Set, Some(given)) => {
                given
                    .among
                    .as_ref()
                    .map(|among| Among { index: 0, ..(**among).clone() })
                    .hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// What is counted, in words: of which image or set, by which tokenizer, edited or not. Counts that are
    /// `old` are of what was there before.
    fn counted_over(&self, ctx: &ViewCtx<'_>, ordered: &Ordered, is_old: bool) -> String {
        let before = if is_old { "before: " } else { "" };
        let images = format!("{before}{}", counted(ordered.images, "image"));
        match (self.toggles.over(ctx), one_of_many(ctx), ordered.sample) {
            (Over::Image, ..) if is_old => "as it was before".to_owned(),
            (Over::Image, ..) => whose(ctx),
            (Over::Set, Some(given), _) => format!("{images} of {}", given.name),
            (Over::Set, None, sample) => {
                let total = sample.map_or(ordered.images as u64, |sample| sample.total);
                let (total, model) = (grouped(total), ctx.document.name_of(&ctx.document.model));
                format!("{images} of {total} in the set by {model}, without edits")
            }
        }
    }

    /// The book that is shown: that of the part that is looked at.
    fn book(&self, ctx: &ViewCtx<'_>) -> u16 {
        self.scope(ctx, None).book
    }

    /// What is counted: the book of the part that is looked at, in all of its parts or in that one.
    fn scope(&self, ctx: &ViewCtx<'_>, tokens: Option<&Tokens>) -> smalti_engine::questions::Scope {
        let known;
        let tokens = if tokens.is_some() {
            tokens
        } else {
            known = ctx.encoded(Slot::A).and_then(|reply| reply.best().cloned());
            known.as_ref().map(|encoded| &encoded.tokens)
        };
        let Some((number, part)) = tokens.map(|tokens| ctx.part(tokens)) else {
            return smalti_engine::questions::Scope::default();
        };
        let only = self.toggles.only_part.then_some(number as u16);
        smalti_engine::questions::Scope { book: part.book(), part: only }
    }

    /// The use over images of the set.
    fn use_over(&self, ctx: &ViewCtx<'_>) -> CodeUse {
        ctx.use_in_set(self.scope(ctx, None))
    }

    /// The use over the images of a file of tokens.
    fn use_of_file(&self, ctx: &ViewCtx<'_>, file: TokensOfFile) -> CodeUse {
        CodeUse { sample: Sample::File(file), scope: self.scope(ctx, None), by_image: true }
    }

    /// The rows below the cells: of a training run, or an image each.
    fn history_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let found = self.run_rows.find(ui, ctx, self.book(ctx));
        // A run without counts must not hide the letters of the others.
        if found.is_none() && ctx.document.runs.iter().all(Option::is_none) {
            ui.label(ctx.theme.label(IMAGES));
            self.images_ui(ui, ctx);
            return;
        }
        let goes_on = found.as_ref().is_some_and(|run| run.goes_on);
        let usual = if goes_on { RowsOf::Training } else { RowsOf::Images };
        let title = found.as_ref().map_or(run_rows::TRAINING.to_owned(), run_rows::Found::title);
        let mut shown = self.rows_of.unwrap_or(usual);
        ui.horizontal(|ui| {
            let choices = [(RowsOf::Images, IMAGES.to_owned()), (RowsOf::Training, title)];
            for (of, title) in choices {
                if ui.selectable_value(&mut shown, of, ctx.theme.label(title)).clicked() {
                    self.rows_of = Some(of);
                }
            }
            if shown == RowsOf::Training {
                self.run_rows.choice_ui(ui, ctx);
                if let Some(run) = &found {
                    let line = ui.available_rect_before_wrap();
                    key_ui(ui, ctx, line, run.rows.highest);
                }
            }
        });
        match (shown, found) {
            (RowsOf::Images, _) => self.images_ui(ui, ctx),
            (RowsOf::Training, None) => {
                ui.label(ctx.theme.label("There are no counts of this run's codes"));
            }
            (RowsOf::Training, Some(run)) => {
                let book = run.has_codes_of_document.then_some(run.book);
                let title = run_rows::TRAINING;
                let is_logarithmic = !self.toggles.is_linear;
                let (whose, of) = (&run.name, None);
                let about = About { title, whose, of, book, is_logarithmic };
                self.pane.ui(ui, ctx, &run.rows, about);
            }
        }
    }

    /// The use that has a row for each image: of the set, or of the file that tokens are from.
    fn use_by_image(&self, ctx: &ViewCtx<'_>) -> Option<CodeUse> {
        if let Some(Subject::Tokens(given)) = &ctx.document.subject {
            // Which part is looked at is known with the image's tokens.
            let encoded = ctx.encoded(Slot::A)?;
            let tokens = ctx.now(encoded.best()?);
            if let Some(file) = TokensOfFile::new(given, ctx.document.model.clone()) {
                return Some(self.use_of_file(ctx, file));
            }
            let tokens = Tokens::clone(tokens.ready()?);
            let scope = self.scope(ctx, Some(&tokens));
            return Some(CodeUse { sample: Sample::of(tokens), scope, by_image: true });
        }
        match ctx.set_sample(SET_IMAGES) {
            Reply::Ready(images) if images.is_empty() => None,
            Reply::Ready(_) => Some(self.use_over(ctx)),
            Reply::Working { .. } | Reply::Failed(_) => None,
        }
    }

    /// A row an image.
    fn images_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let Some(question) = self.use_by_image(ctx) else { return };
        let is_whole =
            matches!(question.sample, Sample::Set { .. }) && ctx.document.looks.whole_set;
        let reply = if is_whole {
            ctx.count("codebook", &question)
        } else {
            ctx.ask_soon("codebook rows", &question)
        };
        match reply.last_for(|asked: &CodeUse| *asked == question) {
            Reply::Failed(problem) => {
                ui.label(RichText::new(&problem.summary).color(ctx.theme.colors.danger));
                ui.label(ctx.theme.label(&problem.hint));
            }
            reply => match reply.best() {
                Some(found) => {
                    let rows = self.rows_of(found);
                    let (book, is_logarithmic) = (Some(self.book(ctx)), !self.toggles.is_linear);
                    let whose = &ctx.document.name_of(&ctx.document.model);
                    let of = match (&ctx.document.subject, found.sample) {
                        (Some(Subject::Tokens(given)), _) => file_name_of(given, found.images),
                        (_, Some(sample)) => sample_name(&ctx.document.source, sample),
                        _ => set_name(&ctx.document.source),
                    };
                    let of = Some(of.as_str());
                    let about = About { title: IMAGES, whose, of, book, is_logarithmic };
                    self.pane.ui(ui, ctx, &rows, about);
                }
                None => {
                    ui.label(ctx.theme.label("Counting image by image…"));
                }
            },
        }
    }

    fn rows_of(&mut self, found: &Arc<Used>) -> Rows {
        if let Some((of, rows)) = &self.surveyed
            && Arc::ptr_eq(of, found)
        {
            return rows.clone();
        }
        let highest = found.rows.iter().flat_map(|row| row.iter().copied()).fold(0.0, f32::max);
        let rows = Rows {
            values: Arc::clone(&found.rows),
            columns: found.columns,
            codes_per_column: found.codes_per_column,
            highest,
            ..Rows::default()
        };
        self.surveyed = Some((Arc::clone(found), rows.clone()));
        rows
    }
}
