//! Code: what one code decodes to, where it stands, and which real patches became it.
//!
//! A code alone is not "the meaning" of a token, because decoders mix neighbors: so the card shows
//! it among its like alone, in this image, and the patches it was made from, side by side.

mod decoded;
mod digits;

use std::sync::Arc;

use egui::{Align2, CornerRadius, Rect, RichText, Sense, Stroke, StrokeKind, pos2, vec2};
use smalti_engine::images::Picture;
use smalti_engine::questions::{
    Appearance, CodeCard, CodeCardAnswer, CodeInImages, CodeUse, ImageSample, Occurrences, Sample,
    Scope, Used,
};
use smalti_engine::session::Reply;
use smalti_engine::tokens::{Code, MASKED, Tokens};

use self::decoded::Decoded;
use super::tokens::whose;
use super::view::View;
use crate::ctx::{SET_IMAGES, ViewCtx};
use crate::document::{Column, Edit, Slot, Table};
use crate::look::colors::color_of;
use crate::look::textures::{Sampling, Source};
use crate::look::theme::{RADIUS_PICTURE, space};
use crate::look::words::{all_of, counted, counted_in_groups, grouped};
use crate::widgets::export::{Exported, picture_menu, picture_of};
use crate::widgets::scale::Scale;
use crate::widgets::switches;

/// Between small pictures.
const GAP: f32 = 6.0;
/// Rows of patches: more of them would push what is below out of a usual panel.
const PATCH_ROWS: usize = 2;
/// The most that the map of places is wide, before text is scaled.
const MAP: f32 = 200.0;

/// The Code view.
#[derive(Debug, Default)]
pub(super) struct CodeView {
    replace_by: String,
    /// The pointer was over the list of codes in the last frame.
    is_in_list: bool,
    /// The picture of a code that was cut out of the atlas last.
    decoded: Decoded,
}

impl View for CodeView {
    fn title(&self, ctx: &ViewCtx<'_>) -> Option<String> {
        shown_code(ctx).map(|code| format!("Code {code}"))
    }

    fn bar_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        if let Some(code) = ctx.document.selection.code {
            let pinned = ctx.document.selection.pinned.contains(&code);
            let label = if pinned { "unpin" } else { "pin" };
            if ui.small_button(label).on_hover_text("Keep this code in sight").clicked() {
                ctx.send(Edit::PinCode(code));
            }
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        // A code of the list that is pointed at must not take the list away from under the pointer.
        let code = shown_code(ctx).filter(|_| !self.is_in_list);
        self.is_in_list = false;
        let unfit = ctx.unfit();
        let (Some(code), None) = (code, &unfit) else {
            if let Some(problem) = &unfit {
                ui.label(RichText::new(&problem.summary).color(ctx.theme.colors.danger));
                ui.label(ctx.theme.label(&problem.hint));
            } else {
                let what = "Point at a token or select a code, and it is explained here";
                ui.label(ctx.theme.label(what));
            }
            let is_pointed_at = frequent_ui(ui, ctx);
            self.is_in_list = is_pointed_at && ctx.document.selection.code.is_none();
            return;
        };
        let model = ctx.document.model.clone();
        let card = ctx.ask("code card", &CodeCard { model, code });
        let look = ctx.appearance(code.book);
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            pinned_ui(ui, ctx, look.best());
            match &card {
                Reply::Failed(problem) => {
                    ui.label(RichText::new(&problem.summary).color(ctx.theme.colors.danger));
                    ui.label(ctx.theme.label(&problem.hint));
                    return;
                }
                Reply::Ready(_) | Reply::Working { .. } => {}
            }
            // The last code's card would have its digits changed under this one's name.
            let Some(answer) = card.ready() else {
                ui.label(ctx.theme.label("Decoding…"));
                return;
            };
            let found = occurrences(ctx, code);
            let picture = self.decoded.of(look.best(), code).or_else(|| answer.alone.clone());
            head_ui(ui, ctx, code, (answer, picture.as_ref()));
            if let Some(found) = found.best() {
                patches_ui(ui, ctx, code, found);
                // Before the nearest ones: cut by the edge of the panel, a map looks like one of nothing.
                places_ui(ui, ctx, code, found);
            }
            nearest_ui(ui, ctx, (answer, code.book), look.best());
            if let Some(found) = found.best() {
                companions_ui(ui, ctx, (found, code.book), look.best());
            }
            self.buttons_ui(ui, ctx, code);
        });
    }
}

impl CodeView {
    fn buttons_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, code: Code) {
        ui.add_space(space::M);
        ui.horizontal_wrapped(|ui| {
            if ctx.document.switched_off.contains(&code) {
                if ui.button("Switch on").on_hover_text("It may be used again").clicked() {
                    ctx.send(Edit::switch(code, true));
                }
            } else {
                let size =
                    ctx.known().map_or(usize::MAX, |f| f.facts.book(code.book).size as usize);
                let codes = Arc::new([code].into());
                switches::switch_off_ui(ui, ctx, (&codes, "Switch off"), (code.book, size));
            }
            let field = egui::TextEdit::singleline(&mut self.replace_by)
                .hint_text("code")
                .desired_width(ctx.theme.px(56.0));
            let field = ui.add(field);
            field.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Code that replaces it")
            });
            let to = self.replace_by.trim().parse::<u32>().ok();
            let entered = field.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
            let button = ui.add_enabled(to.is_some(), egui::Button::new("Replace by"));
            let button = button
                .on_hover_text("Forces the other code wherever this one stands in the image")
                .on_disabled_hover_text("Type the number of a code first");
            if let Some(to) = to
                && (button.clicked() || entered)
                && ctx.has_code(code.book, to)
            {
                ctx.send(Edit::ReplaceCode { from: code, to });
            }
        });
    }
}

/// The selected code, or else the one under the pointer.
fn shown_code(ctx: &ViewCtx<'_>) -> Option<Code> {
    ctx.document.selection.code.or(ctx.hovered.code())
}

/// How often codes occur in the set: the answer that Codebook shows, of all parts with codes of the book.
fn used_in_set(ctx: &ViewCtx<'_>, book: u16) -> Reply<Used> {
    let question = ctx.use_in_set(Scope { book, part: None });
    let reply = if ctx.document.looks.whole_set {
        ctx.count("code", &question)
    } else {
        ctx.ask_soon("code in set", &question)
    };
    reply.last_for(|asked: &CodeUse| *asked == question)
}

/// Where a code stands in the sample of the set; the patches of the image come first.
fn occurrences(ctx: &ViewCtx<'_>, code: Code) -> Reply<Occurrences> {
    let images = match ctx.set_sample(SET_IMAGES) {
        Reply::Ready(images) => Arc::clone(&*images),
        Reply::Working { progress, .. } => return Reply::Working { progress, last: None },
        // The set tells in Dataset why it cannot be read.
        Reply::Failed(_) => Arc::default(),
    };
    let first = ctx.document.image().cloned();
    let question = CodeInImages {
        model: ctx.document.model.clone(),
        code,
        images,
        first,
        size: ctx.document.size,
    };
    ctx.ask_soon(("occurrences", code), &question).last_for(|asked: &CodeInImages| {
        asked.model == question.model
            && asked.images == question.images
            && asked.first == question.first
    })
}

fn pinned_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, look: Option<&Arc<Appearance>>) {
    let pinned = &ctx.document.selection.pinned;
    if pinned.is_empty() {
        return;
    }
    ui.label(ctx.theme.label("pinned"));
    swatches_ui(ui, ctx, look, pinned.iter().map(|code| (*code, String::new())));
    ui.add_space(space::S);
}

/// Numbers of one book as codes of it.
fn of_book(
    book: u16,
    numbers: impl Iterator<Item = (u32, String)>,
) -> impl Iterator<Item = (Code, String)> {
    numbers.map(move |(number, about)| (Code { book, number }, about))
}

fn head_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    code: Code,
    (card, picture): (&Arc<CodeCardAnswer>, Option<&Picture>),
) {
    let theme = ctx.theme;
    ui.horizontal_top(|ui| {
        let side = theme.px(108.0);
        let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::CLICK);
        response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::Image, true, format!("Code {code}, decoded"))
        });
        if let Some(picture) = picture {
            picture_at(ui, ctx, rect, picture);
            let (name, about) = taken(ctx, code, "decoded");
            // It is the same whatever image is open.
            let model = ctx.document.name_of(&ctx.document.model);
            picture_menu(&response, ctx, (&name, Some(&model), &about), picture);
        } else {
            ui.painter().rect_filled(rect, RADIUS_PICTURE, theme.colors.raised);
            let text = "no picture\nalone";
            let (at, ink) = (rect.center(), theme.colors.dim);
            ui.painter().text(at, Align2::CENTER_CENTER, text, theme.small(), ink);
        }
        ui.vertical(|ui| {
            let here = count_here(ctx, code);
            let text = here.map_or("–".to_owned(), |(count, _)| grouped(count));
            let of = here.map_or(String::new(), |(_, all)| {
                format!("of {}", counted_in_groups(all, "token"))
            });
            let label =
                if ctx.document.image().is_some() { "in this image" } else { "in these tokens" };
            figure(ui, ctx, (label, &text, &of)).on_hover_text(whose(ctx));
            in_set_ui(ui, ctx, code);
            if card.digits.is_empty() {
                let norm = card.vector.iter().map(|v| v * v).sum::<f32>().sqrt();
                ui.label(
                    theme.label(format!("vector of {}", counted(card.vector.len(), "number"))),
                );
                let text = RichText::new(format!("length {norm:.2}")).font(theme.figures());
                ui.label(text).on_hover_text("Euclidean, in the units of the latents");
            } else {
                digits::ui(ui, ctx, code, card);
            }
        });
    });
}

/// How often the code stands in the tokens of the set, and its rank among the codes: as Codebook counts it.
fn in_set_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, code: Code) {
    // The set tells in Dataset why it cannot be read.
    let used = match used_in_set(ctx, code.book) {
        Reply::Ready(used) => used,
        Reply::Working { .. } => {
            ui.label(ctx.theme.label("counting in the set…"));
            return;
        }
        Reply::Failed(_) => return,
    };
    let Some(sample) = used.sample.filter(|sample| sample.images > 0) else { return };
    let count = used.counts.get(code.number as usize).copied().unwrap_or(0);
    let all = used.statistics.samples;
    let share = count as f64 / all.max(1) as f64 * 100.0;
    let above = used.counts.iter().filter(|other| **other > count).count() as u64;
    let rank = match count {
        0 => "never".to_owned(),
        _ => format!("rank {} of {} codes", grouped(above + 1), grouped(used.counts.len() as u64)),
    };
    let which = format!("in {}", images_of(sample));
    let about = format!(
        "{} of {} tokens by {}, without edits: what Codebook counts over the set",
        grouped(count),
        grouped(all),
        ctx.document.name_of(&ctx.document.model)
    );
    ui.label(ctx.theme.label(which)).on_hover_text(&about);
    ui.label(format!("{share:.2} % of tokens · {rank}")).on_hover_text(about);
}

/// How often the code stands in the image as it is now, and of how many tokens with codes of its book.
fn count_here(ctx: &ViewCtx<'_>, code: Code) -> Option<(u64, u64)> {
    let encoded = ctx.encoded(Slot::A)?;
    // The figure of another image, or of tokens as they were before, is none of this one.
    let tokens = ctx.now(encoded.ready()?);
    let tokens = tokens.ready()?;
    let parts = tokens.parts().iter().filter(|part| part.book() == code.book);
    let codes = parts.flat_map(|part| part.codes().iter().filter(|number| **number != MASKED));
    Some(
        codes.fold((0, 0), |(count, all), number| {
            (count + u64::from(*number == code.number), all + 1)
        }),
    )
}

/// A number with its label above and its unit behind.
fn figure(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (label, value, unit): (&str, &str, &str),
) -> egui::Response {
    ui.label(ctx.theme.label(label));
    // Large text does not cost the unit.
    let row = ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        ui.label(RichText::new(value).font(ctx.theme.number()));
        ui.label(ctx.theme.label(unit));
    });
    row.response
}

/// Over which images it was looked for.
fn sample_words(found: &Occurrences) -> String {
    images_of(found.sample)
}

/// Images of the set, in words.
fn images_of(sample: ImageSample) -> String {
    if sample.is_part() {
        let (images, total) = (grouped(sample.images), grouped(sample.total));
        format!("{images} of {total} images of the set")
    } else {
        format!("{} of the set", all_of(sample.images, "image"))
    }
}

fn heading(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, text: &str) {
    ui.add_space(space::S);
    ui.label(ctx.theme.label(text));
}

fn patches_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, code: Code, found: &Arc<Occurrences>) {
    let title = format!("real patches that became it, {}", sample_words(found));
    heading(ui, ctx, &title);
    if found.patches.is_empty() {
        let has_places = ctx.known().is_none_or(|facts| facts.facts.spatial);
        let why = if !has_places {
            "its tokens stand for no place of the picture"
        } else if count_here(ctx, code).is_some_and(|(count, _)| count > 0) {
            "none in the images of the set"
        } else {
            "none in these images"
        };
        ui.label(ctx.theme.label(why));
        return;
    }
    let side = ctx.theme.px(36.0);
    let in_row = ((ui.available_width() + GAP) / (side + GAP)).floor().max(1.0) as usize;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(GAP, GAP);
        for (at, patch) in found.patches.iter().take(PATCH_ROWS * in_row).enumerate() {
            let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::CLICK);
            response.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::Image, true, format!("Patch {}", at + 1))
            });
            picture_at(ui, ctx, rect, patch);
            let (name, about) = taken(ctx, code, &format!("patch-{}", at + 1));
            picture_menu(&response, ctx, (&name, None, &about), patch);
        }
    });
}

/// The name of a file with something of a code, and what it is.
fn taken(ctx: &ViewCtx<'_>, code: Code, what: &str) -> (String, String) {
    let model = ctx.document.name_of(&ctx.document.model);
    let about = format!("{} of code {code} of {model}", what.replace('-', " "));
    (format!("code-{code}-{what}").replace(' ', "-"), about)
}

/// The menu of the places of a code: the map, and how often it stands at each.
fn places_menu(
    ctx: &ViewCtx<'_>,
    response: &egui::Response,
    (code, colors): (Code, &dyn Fn() -> Vec<egui::Color32>),
    found: &Occurrences,
) {
    let (rows, columns) = (found.grid.0 as usize, found.grid.1 as usize);
    let (name, about) = taken(ctx, code, "places");
    let picture = || picture_of(&colors(), [columns, rows]);
    let numbers = || {
        let counts = found.places.iter().map(|count| u64::from(*count)).collect();
        Table::Map { values: Column::Counts(counts), columns }
    };
    let exported = Exported {
        name: &name,
        about: &about,
        picture: Some(&picture),
        numbers: Some(&numbers),
        ..Exported::default()
    };
    exported.menu(response, ctx);
}

fn picture_at(ui: &egui::Ui, ctx: &ViewCtx<'_>, rect: Rect, picture: &Picture) {
    let texture = ctx.textures.picture(picture, Sampling::Smooth);
    egui::Image::new((texture.id(), rect.size()))
        .corner_radius(CornerRadius::same(RADIUS_PICTURE))
        .paint_at(ui, rect);
}

fn nearest_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (card, book): (&Arc<CodeCardAnswer>, u16),
    look: Option<&Arc<Appearance>>,
) {
    if card.neighbors.is_empty() {
        return;
    }
    heading(ui, ctx, "nearest codes, by the distance of their vectors");
    let near = card.neighbors.iter().map(|(code, d)| (*code, format!("distance {d:.2}")));
    swatches_ui(ui, ctx, look, of_book(book, near));
}

/// The codes that the image uses most, to start from; gives whether one of them is pointed at.
fn frequent_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) -> bool {
    const MOST: usize = 24;
    let encoded = ctx.encoded(Slot::A);
    let Some(encoded) = encoded.as_ref().and_then(|reply| reply.best()) else { return false };
    let tokens = match ctx.now(encoded) {
        Reply::Ready(tokens) => tokens,
        Reply::Working { .. } => {
            ui.label(ctx.theme.label("Counting…"));
            return false;
        }
        Reply::Failed(problem) => {
            ui.label(RichText::new(&problem.summary).color(ctx.theme.colors.danger));
            ui.label(ctx.theme.label(&problem.hint));
            return false;
        }
    };
    let book = ctx.part(&tokens).1.book();
    let scope = Scope { book, part: None };
    let sample = Sample::of(Tokens::clone(&tokens));
    let question = CodeUse { sample, scope, by_image: false };
    let usage = ctx.ask(("book usage", book, &ctx.document.model), &question);
    let Some(usage) = usage.ready() else {
        ui.label(ctx.theme.label("Counting…"));
        return false;
    };
    let look = ctx.appearance(book);
    heading(ui, ctx, &format!("most used in {}", whose(ctx)));
    let codes = usage
        .ranked
        .iter()
        .take(MOST)
        .map(|(code, n)| (*code, format!("{} of this image", counted(*n as usize, "token"))));
    swatches_ui(ui, ctx, look.best(), of_book(book, codes))
}

fn companions_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (found, book): (&Arc<Occurrences>, u16),
    look: Option<&Arc<Appearance>>,
) {
    if found.companions.is_empty() {
        return;
    }
    heading(ui, ctx, &format!("often beside it, {}", sample_words(found)));
    let beside = found
        .companions
        .iter()
        .map(|(code, n)| (*code, format!("{} beside it", counted(*n as usize, "time"))));
    swatches_ui(ui, ctx, look, of_book(book, beside));
}

/// Codes as small pictures; a click selects one. Gives whether one is pointed at.
fn swatches_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    look: Option<&Arc<Appearance>>,
    codes: impl Iterator<Item = (Code, String)>,
) -> bool {
    let side = ctx.theme.px(36.0);
    let facts = ctx.known();
    let mut is_pointed_at = false;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(6.0, 6.0);
        for (code, about) in codes {
            let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::click());
            response.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Code {code}"))
            });
            let levels = facts.as_ref().map(|facts| &*facts.facts.book(code.book).levels);
            swatch_at(ui, ctx, rect, (code.number, look), levels.unwrap_or_default());
            if response.hovered() {
                is_pointed_at = true;
                ctx.hovered.set_code(code);
            }
            if response.hovered() || response.has_focus() || ctx.hovered.code() == Some(code) {
                let stroke = Stroke::new(1.5, ctx.theme.colors.text);
                ui.painter().rect_stroke(rect, RADIUS_PICTURE, stroke, StrokeKind::Inside);
            }
            if response.clicked() {
                ctx.send(Edit::SelectCode(Some(code)));
            }
            response.on_hover_text(format!("code {code}\n{about}"));
        }
    });
    is_pointed_at
}

/// The decoded patch of a code from the atlas, or its color.
fn swatch_at(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    rect: Rect,
    (code, look): (u32, Option<&Arc<Appearance>>),
    levels: &[u32],
) {
    let radius = CornerRadius::same(RADIUS_PICTURE);
    let atlas = look.and_then(|look| look.atlas.as_ref().map(|atlas| (look, atlas)));
    let Some((look, atlas)) = atlas else {
        let color = match look.and_then(|look| look.colors.get(code as usize)) {
            Some([r, g, b]) => egui::Color32::from_rgb(*r, *g, *b),
            // How it looks is being decoded: another color would say something that is not so.
            None if look.is_none() && ctx.unfit().is_none() => ctx.theme.colors.raised,
            None => color_of(code, levels),
        };
        ui.painter().rect_filled(rect, radius, color);
        return;
    };
    let texture = ctx.textures.picture(atlas, Sampling::Pixels);
    let (column, row) = (code % look.columns, code / look.columns);
    let cell =
        vec2(look.side as f32 / atlas.width() as f32, look.side as f32 / atlas.height() as f32);
    let min = pos2(column as f32 * cell.x, row as f32 * cell.y);
    egui::Image::new((texture.id(), rect.size()))
        .uv(Rect::from_min_size(min, cell))
        .corner_radius(radius)
        .paint_at(ui, rect);
}

fn places_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, code: Code, found: &Arc<Occurrences>) {
    let (rows, columns) = (found.grid.0 as usize, found.grid.1 as usize);
    if rows == 0 || found.places.len() != rows * columns {
        return;
    }
    let encoded = ctx.encoded(Slot::A);
    let parts = encoded.as_ref().and_then(Reply::best).map_or(1, |encoded| {
        encoded.tokens.parts().iter().filter(|part| part.book() == code.book).count()
    });
    // Places are counted in the finest part.
    let title = match (parts, rows) {
        (2.., _) => "where in the last part",
        (_, 1) => "where in the row",
        _ => "where in the grid",
    };
    let title = &format!("{title}, {}", sample_words(found));
    let highest = found.places.iter().copied().max().unwrap_or(0);
    if highest == 0 {
        heading(ui, ctx, title);
        ui.label(ctx.theme.label("nowhere in these images"));
        return;
    }
    // Whole: whether it is of the image or of the set is what the map is about.
    heading(ui, ctx, title);
    let width = ui.available_width().min(ctx.theme.px(MAP));
    let (line, _) = ui.allocate_exact_size(vec2(width, ctx.theme.px(18.0)), Sense::hover());
    let key = Scale {
        ends: ["0", &counted(highest as usize, "token")],
        values: [0.0, 1.0],
        color: |maps, value| maps.viridis.at(value),
        about: "How many tokens at a place have this code, over a sample of the set",
    };
    key.fill(ui, ctx, line);
    let height = (width * rows as f32 / columns as f32).min(width);
    let (rect, response) = ui.allocate_exact_size(vec2(width, height), Sense::CLICK);
    response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::Image, true, format!("Places of code {code}"))
    });
    let highest = highest as f32;
    let key = (("places", code, ctx.theme.choice), Source::of(&found.places));
    let colors = || -> Vec<egui::Color32> {
        let map = &ctx.theme.maps.viridis;
        found.places.iter().map(|count| map.at(*count as f32 / highest)).collect()
    };
    places_menu(ctx, &response, (code, &colors), found);
    let texture = ctx.textures.colors(key, [columns, rows], Sampling::Pixels, colors);
    egui::Image::new((texture.id(), rect.size()))
        .corner_radius(CornerRadius::same(RADIUS_PICTURE))
        .paint_at(ui, rect);
}
