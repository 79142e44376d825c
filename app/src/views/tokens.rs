//! Tokens: the grid over the image, and the picture that the tokens decode to.

mod gesture;
mod ghost;
mod hand;
mod kept;
mod marks;
mod moved;
mod outline;
mod overlay;
mod painting;
mod palette;
mod parts;
mod reach;
mod seen;
pub(super) mod sheet;
mod strip;
mod tools;
mod trials;

use std::sync::Arc;

use egui::{Rect, vec2};
use smalti_engine::questions::{CodeUse, Compared, Encoded, ImageSize, LoadImage, Sample, Scope};
use smalti_engine::session::Reply;
use smalti_engine::tokens::{Cell, Code, Tokens};

use self::ghost::Ghost;
pub(super) use self::hand::Hand;
pub(super) use self::kept::place_of;
pub(super) use self::marks::{Marked, Marks};
use self::moved::Again;
pub(super) use self::overlay::hovered_cell;
pub(super) use self::parts::texture as part_texture;
use self::seen::{FIGURES, FORCED, LastSeen, what_is_decoded};
pub(super) use self::seen::{by_hand, decoded, figures_of, original_of};
use self::sheet::Sheet;
use self::tools::Tools;
use super::view::View;
use crate::ctx::{ViewCtx, subject_name};
use crate::document::{ColorBy, Look, Notice, Secret, Slot, ViewId};
use crate::look::textures::Sampling;
use crate::look::theme::space;
use crate::look::words::{counted, grouped};
use crate::widgets::pane::{self, Framed, Zoom};
use crate::widgets::{fold, picker, states, switches, veil};

/// The height of a caption in one line, before text is scaled.
const LINE: f32 = 24.0;

/// The Tokens view.
#[derive(Debug, Default)]
pub(super) struct TokensView {
    zoom: Zoom,
    hand: Hand,
    ghost: Ghost,
    marks: Marks,
    tools: Tools,
    /// What was seen last.
    last: LastSeen,
}

impl View for TokensView {
    fn bar_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let encoded = ctx.encoded(Slot::A).and_then(|e| e.best().cloned());
        let by = ctx.document.looks.color_by;
        let seen = encoded.as_ref().map_or(by, |encoded| seen_color(ctx, encoded));
        let color = if ctx.is_tight() { "" } else { "color: " };
        ui.menu_button(format!("{color}{}", seen.label()), |ui| {
            for choice in ColorBy::ALL {
                if ui.selectable_label(choice == by, choice.label()).clicked() {
                    ctx.send(Look::ColorBy(choice));
                }
            }
        });
        picker::model(ui, ctx, Slot::A);
        picker::size(ui, ctx);
        kept::among_ui(ui, ctx);
        if let Some(encoded) = &encoded {
            let (_, part) = ctx.part(&encoded.tokens);
            let layout = encoded.tokens.words().replace(" x ", "×");
            let size = grouped(u64::from(part.codebook_size()));
            if !ctx.is_tight() {
                ui.label(ctx.theme.caption_figures(format!("{layout} tokens · {size} codes")));
            }
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let Some(encoded) = &states::encoded(ui, ctx) else { return };
        let (now, compared) = decoded(ctx, encoded);
        self.zoom.follow(ctx, ctx.encoded(Slot::A).is_some_and(|now| now.ready().is_some()));
        let area = palette::ui(ui, ctx, ui.available_rect_before_wrap(), &now);
        let area = trials::ui(ui, ctx, area, encoded);
        // The pictures come first: in a low view the figures go, then the tools. What Codebook says is not said
        // twice, and a hall is shown pictures.
        let is_low = |least: f32| area.height() < ctx.theme.px(least);
        let has_strip = !ctx.is_presented() && !ctx.is_seen(ViewId::Codebook);
        let strip = if is_low(340.0) || !has_strip {
            0.0
        } else {
            ctx.theme.px(72.0).min(area.height() * 0.25)
        };
        // Large text does not cost the tools where there is room for them and twice as much for pictures.
        let tools = ctx.theme.px(32.0);
        let is_cramped = area.height() < (3.0 * tools).max(150.0);
        let tools = if is_cramped || ctx.is_presented() { 0.0 } else { tools };
        let several = now.parts().len() > 1 && !is_low(190.0);
        let choice = if several { ctx.theme.px(parts::HEIGHT) } else { 0.0 };
        let (choices, area) = area.split_top_bottom_at_y(area.top() + choice);
        let (above, below) = area.split_top_bottom_at_y(area.bottom() - strip);
        let (pictures, tool_row) = above.split_top_bottom_at_y(above.bottom() - tools);
        if several {
            parts::ui(ui, ctx, choices, &now);
        }
        self.pictures_ui(ui, ctx, pictures, encoded, (&now, &compared));
        let mut opens = false;
        if tools > 0.0 {
            ui.scope_builder(egui::UiBuilder::new().max_rect(tool_row), |ui| {
                let wanted = self.hand.asks_for_code().then_some(0);
                let (own, hand) = (&mut self.tools, &mut self.hand);
                let place = ("tools", "Tools", 8);
                opens = fold::strip(ui, place, ctx, wanted, |ui, ctx, group| match group {
                    0 => own.ui(ui, ctx, &now, hand),
                    1 => tools::opacity_ui(ui, ctx),
                    2 => tools::release_all_ui(ui, ctx),
                    3 => tools::selected_ui(ui, ctx),
                    4 => switches::off_ui(ui, ctx),
                    5 => kept::variations_ui(ui, ctx),
                    6 => whole_ui(ui, ctx),
                    _ => ids_ui(ui, ctx),
                });
            });
        }
        // Where the field for a code is not seen, nobody finds the keyboard in it later.
        if !opens && self.hand.takes_code() {
            let hint =
                "Make the view higher, or type \u{201c}force\u{201d} and the code in the palette"
                    .to_owned();
            let notice = Notice::info("There is no room here for a field to type a code in");
            ctx.send(Notice { hint, ..notice });
        }
        if strip > 0.0 {
            let (number, _) = ctx.part(&now);
            let of_part = use_in(&now, number);
            strip::ui(ui, ctx, below, (encoded, &now), (&whose(ctx), &of_part));
        }
    }
}

/// Whether tokens lie over the picture.
pub(super) fn is_spatial(ctx: &ViewCtx<'_>, encoded: &Encoded) -> bool {
    if encoded.unfit.is_some() {
        // A row of codes that nobody knows more of has no places either.
        let (_, part) = ctx.part(&encoded.tokens);
        return part.frames() * part.rows() > 1;
    }
    ctx.known().is_none_or(|facts| facts.facts.spatial)
}

/// What the grid is colored by, which is not what was chosen where that cannot be known of these tokens.
fn seen_color(ctx: &ViewCtx<'_>, encoded: &Encoded) -> ColorBy {
    match ctx.document.looks.color_by {
        ColorBy::Mosaic if encoded.unfit.is_some() => ColorBy::Code,
        ColorBy::Difference if !is_spatial(ctx, encoded) => ColorBy::Code,
        by => by,
    }
}

/// What the colors of the grid stand for now, in words.
fn colored_by(
    ctx: &ViewCtx<'_>,
    encoded: &Encoded,
    (has_places, is_pending, has_errors): (bool, bool, bool),
) -> &'static str {
    match ctx.document.looks.color_by {
        // How the codes look is not known.
        ColorBy::Mosaic if encoded.unfit.is_some() => ColorBy::Code.label(),
        ColorBy::Mosaic | ColorBy::Difference if ctx.is_veiled(Secret::Reconstruction) => {
            "code (what they decode to is asked about)"
        }
        ColorBy::Mosaic if is_pending => "mosaic, which is being decoded",
        ColorBy::Difference if !has_places => "code (no places, so no differences)",
        ColorBy::Difference if is_pending => "difference, which is being decoded",
        ColorBy::Difference if !has_errors => "code (no differences: it cannot be decoded)",
        by => by.label(),
    }
}

/// How often the codes of a part occur in these tokens.
pub(super) fn use_in(tokens: &Tokens, number: usize) -> CodeUse {
    let book = tokens.part(number).map_or(0, smalti_engine::tokens::Part::book);
    let scope = Scope { book, part: Some(number as u16) };
    CodeUse { sample: Sample::of(tokens.clone()), scope, by_image: false }
}

impl TokensView {
    fn pictures_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        area: Rect,
        encoded: &Arc<Encoded>,
        (now, compared): (&Tokens, &Reply<Compared>),
    ) {
        let spatial = is_spatial(ctx, encoded);
        let (number, part) = ctx.part(now);
        let sheet = Sheet::new(number, part, spatial);
        let size = [encoded.picture.width(), encoded.picture.height()];
        let area = area.shrink2(vec2(space::M, space::M));
        // Tokens without places are a sheet of their own, not a layer over the picture.
        let of_both = if spatial { self.zoom } else { Zoom::default() };
        let line = line_below(ui, ctx, (area, size, &of_both), &what_is_decoded(ctx, now));
        let (left, right, fit) = two_places(area, size, line, &of_both);
        let of_grid = ctx.theme.px(LINE);
        let seen = self.last.of(ctx, (encoded, now), compared);
        let is_veiled = ctx.is_veiled(Secret::Reconstruction);
        let again =
            if is_veiled { Again::default() } else { moved::again(ctx, seen.as_ref(), now) };
        let of_grid = (left, of_grid, fit);
        let sheet_of = (encoded, &sheet, spatial);
        self.grid_ui(ui, ctx, of_grid, sheet_of, (now, compared, &again));

        let id = ui.scope_id().with("reconstruction pane");
        let framed = Framed { view: right, size, fit };
        let pane = pane::show(ui, id, framed, &mut self.zoom, !spatial);
        pane.response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Reconstruction"));
        let under = Rect::from_min_size(right.left_bottom(), vec2(right.width(), line));
        if is_veiled {
            veil::paint(ui, ctx, right);
            return;
        }
        if let Reply::Failed(problem) = compared {
            // Whole: the end of a refusal is its point.
            let place = egui::UiBuilder::new().max_rect(right.shrink(space::M));
            ui.scope_builder(place, |ui| states::problem(ui, ctx, problem));
        }
        let Some(seen) = seen else { return };
        let texture = ctx.textures.picture(seen.picture(), Sampling::Pixels);
        pane.paint(ui, texture.id(), egui::Color32::WHITE);
        seen.menu(ctx, &pane, now);
        let moved = moved::paint(ui, ctx, &pane, (encoded, now));
        let mut left =
            format!("{}, {}", seen.what(ctx, now), ctx.document.name_of(&ctx.document.model));
        if spatial {
            // What is seen meanwhile are another image's cells.
            if ctx.pasting().is_none() && ctx.is_encoded() {
                self.hand.ui(ui, ctx, &pane, &sheet, &mut self.zoom);
            }
            overlay::hovered_cell(ui, ctx, &pane, &sheet);
            if pane.response.has_focus() {
                marks::focus(ui, ctx, &pane, &sheet, self.hand.cursor(ctx, &sheet));
            }
        } else if let Some(words) = reach::paint(ui, ctx, &pane, now) {
            left = words;
        }
        // The figures of what was decoded before are none of these tokens.
        let of_decoding = || if seen.is_old { "decoding…".to_owned() } else { seen.figures() };
        let figures = moved.unwrap_or_else(of_decoding);
        states::whole_caption(ui, ctx, under, &left, &figures);
    }

    /// The grid, over the picture where its tokens have places.
    fn grid_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        (left, line, fit): (Rect, f32, f32),
        (encoded, sheet, spatial): (&Arc<Encoded>, &Sheet<'_>, bool),
        (now, compared, again): (&Tokens, &Reply<Compared>, &Again),
    ) {
        let (number, size) = (sheet.number, [encoded.picture.width(), encoded.picture.height()]);
        let id = ui.scope_id().with("grid pane");
        let own = [sheet.columns as u32, sheet.rows as u32];
        let mut still = Zoom::default();
        let framed = if spatial { Framed { view: left, size, fit } } else { (left, own).into() };
        let zoom = if spatial { &mut self.zoom } else { &mut still };
        let pane = pane::show(ui, id, framed, zoom, false);
        // Of tokens that were given there is no picture but what they decode to.
        let is_answer = ctx.document.image().is_none() && ctx.is_veiled(Secret::Reconstruction);
        if spatial && !is_answer {
            let texture = ctx.textures.picture(&encoded.picture, Sampling::Pixels);
            pane.paint(ui, texture.id(), egui::Color32::WHITE);
        }
        let look = ctx.appearance(sheet.part.book());
        let is_known = ctx.now(encoded).ready().is_some();
        let counts = is_known.then(|| ctx.used("part usage", &use_in(now, number)));
        // A token without a place has no pixels that could differ. And no color tells what is asked about.
        let is_veiled = ctx.is_veiled(Secret::Reconstruction);
        // Nor does the last answer, which is of other tokens.
        let compared_here = compared.ready().filter(|_| spatial && !is_veiled);
        let errors = compared_here.and_then(|compared| compared.per_cell.get(number));
        let is_pending = match ctx.document.looks.color_by {
            ColorBy::Mosaic => look.is_working() && look.best().is_none(),
            ColorBy::Difference => spatial && !is_veiled && compared.is_working(),
            ColorBy::Usage => !is_counted(ctx, counts.as_ref()),
            ColorBy::Code => false,
        };
        let sources = overlay::Sources {
            is_pending: is_pending && !is_veiled,
            colors: look.best().filter(|_| !is_veiled).map(|look| &look.colors),
            counts: counts
                .as_ref()
                .and_then(Reply::ready)
                .filter(|_| !ctx.is_veiled(Secret::Usage))
                .map(|counts| &counts.counts),
            errors,
        };
        overlay::paint(ui, ctx, &pane, (now, sheet), &sources);
        let is_old = is_pending || !(is_known && ctx.is_encoded());
        let parts = now.parts().len();
        let by = colored_by(ctx, encoded, (spatial, is_pending, errors.is_some()));
        overlay::menu(ctx, &pane, (sheet, by), (&sources, size, parts), is_old);
        if ctx.pasting().is_none() {
            self.ghost.forget();
            if ctx.is_encoded() {
                self.hand.ui(ui, ctx, &pane, sheet, &mut self.zoom);
            }
        }
        let before_off = ctx.tokens(encoded);
        let cursor = pane.response.has_focus().then(|| self.hand.cursor(ctx, sheet));
        let selected = self.hand.selected(ctx);
        let again_at = Arc::clone(&again.cells);
        let marked = Marked { now, before_off: &before_off, selected, cursor, again: again_at };
        self.marks.ui(ui, ctx, &pane, sheet, marked);
        if let Some(region) = ctx.pasting().filter(|_| ctx.is_encoded()) {
            self.ghost.ui(ui, ctx, &pane, (sheet, region));
        }
        let [rows, columns] = [(sheet.rows, "row"), (sheet.columns, "column")]
            .map(|(number, what)| counted(number, what));
        let mut name = format!("Token grid, {rows}, {columns}");
        if let Some(at) = cursor.and_then(|place| sheet.cell(place)) {
            name = format!("{name}, at {}", words_of_cell(ctx, sheet, at, &before_off));
        }
        pane.response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, name.clone()));
        let under = Rect::from_min_size(left.left_bottom(), vec2(left.width(), line));
        let opacity = ctx.document.looks.token_opacity * 100.0;
        let figures = self.hand.told(ui, ctx, sheet).map_or_else(
            || format!("colored by {by} · opacity {opacity:.0} %"),
            |cell| words_of_cell(ctx, sheet, cell, &before_off),
        );
        // Said first: the last figures go where there is no room.
        let first = again.words.clone().into_iter().chain(preparation(ctx, size));
        let figures: Vec<String> = first.chain([figures]).collect();
        let figures = figures.join(" · ");
        let what = match (encoded.problem(), spatial) {
            (Some(_), _) => "tokens",
            (None, true) if ctx.document.image().is_none() => "tokens over what they decode to",
            (None, true) => "tokens over the image",
            (None, false) => "tokens in a row",
        };
        states::caption(ui, ctx, under, &format!("{what}, {}", whose(ctx)), &figures);
    }
}

/// Whether it is known how often each code is used, or nobody may see it.
fn is_counted<A>(ctx: &ViewCtx<'_>, counts: Option<&Reply<A>>) -> bool {
    ctx.is_veiled(Secret::Usage) || counts.is_some_and(|counts| counts.ready().is_some())
}

/// The height below the pictures: of a line, or of as many as are needed by the figures, of which none is left out. The
/// same while they are worked out and whether cells are forced or not, and only where there is room below:
/// pictures neither move nor become smaller as the first cell is forced.
fn line_below(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    (area, size, zoom): (Rect, [u32; 2], &Zoom),
    what: &str,
) -> f32 {
    let line = ctx.theme.px(LINE);
    let (_, right, fit) = two_places(area, size, line, zoom);
    let height = |what: &str| states::caption_height(ui, ctx, right.width(), (what, FIGURES));
    let needed = height(what).max(height(FORCED));
    let (_, _, fit_above) = two_places(area, size, needed, zoom);
    if fit_above >= fit { needed } else { line }
}

/// Where two pictures stand, each with a line below: beside or above each other, as they are larger; and
/// points a pixel where nothing is zoomed.
fn two_places(area: Rect, size: [u32; 2], line: f32, zoom: &Zoom) -> (Rect, Rect, f32) {
    let least = |room: egui::Vec2| room.max(vec2(1.0, 16.0));
    let beside = least(vec2((area.width() - space::M) / 2.0, area.height() - line));
    let above = least(vec2(area.width(), area.height() / 2.0 - line));
    let is_beside = pane::fit(beside, size) >= pane::fit(above, size);
    let room = if is_beside { beside } else { above };
    let fit = pane::fit(room, size);
    let view = pane::grown(size, fit, zoom, room);
    let (whole, step) = if is_beside {
        (vec2(2.0 * view.x + space::M, view.y + line), vec2(view.x + space::M, 0.0))
    } else {
        (vec2(view.x, 2.0 * (view.y + line)), vec2(0.0, view.y + line))
    };
    let first = Rect::from_min_size(area.center() - whole / 2.0, view);
    (first, first.translate(step), fit)
}

/// What was done to the picture before it was encoded, if it is not merely smaller: enlarged pictures look
/// easy to encode, and of cropped ones a part is missing.
fn preparation(ctx: &ViewCtx<'_>, [width, height]: [u32; 2]) -> Option<String> {
    let image = ctx.document.image()?.clone();
    let question = ImageSize(LoadImage { image, paint_side: ctx.document.size.side });
    let own = ctx.ask_soon("own size", &question);
    let [w, h] = **own.ready()?;
    // A side that does not divide by the factor loses some pixels at most.
    let is_cropped =
        (f64::from(w) / f64::from(h)).ln() - (f64::from(width) / f64::from(height)).ln();
    if w.min(h) < width.min(height) {
        Some(format!("enlarged from {w}×{h}"))
    } else if is_cropped.abs() > 0.02 {
        Some(format!("cropped from {w}×{h}"))
    } else {
        None
    }
}

/// Whose tokens they are: of which image, by which tokenizer, and what was done to them by hand.
pub(super) fn whose(ctx: &ViewCtx<'_>) -> String {
    if !ctx.is_encoded() {
        return format!("the last ones by {}", ctx.document.name_of(&ctx.document.model));
    }
    let name = subject_name(ctx.document, ctx.session);
    let of = name.map_or_else(String::new, |name| format!("{name} "));
    format!("{of}by {}{}", ctx.document.name_of(&ctx.document.model), by_hand(ctx))
}

/// Where a cell is, its code and its state.
pub(super) fn words_of_cell(
    ctx: &ViewCtx<'_>,
    sheet: &Sheet<'_>,
    cell: Cell,
    before_off: &Tokens,
) -> String {
    let code = sheet.place(cell).and_then(|place| sheet.code_at(place));
    let code = code.map_or("no token".to_owned(), |code| format!("code {code}"));
    let mut words = if sheet.part.rows() == 1 && sheet.part.frames() == 1 {
        format!("token {} · {code}", cell.column)
    } else {
        format!("row {}, column {} · {code}", cell.row, cell.column)
    };
    let book = sheet.part.book();
    let own = before_off.get(cell).map(|number| Code { book, number });
    if let Some(own) = own.filter(|own| ctx.document.switched_off.contains(own)) {
        words = format!("{words} for {own}, which is off");
    }
    if ctx.document.edits.contains_key(&cell) {
        words = format!("{words} · forced");
    }
    if ctx.document.locks.contains(&cell) {
        words = format!("{words} · locked");
    }
    words
}

/// Whether all of an edited picture is seen as it is decoded.
fn whole_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let document = ctx.document;
    let is_edited = !document.edits.is_empty() && document.switched_off.is_empty();
    if document.image().is_none() || !is_edited {
        return;
    }
    let mut whole = document.looks.edited.whole_decoding;
    let about = "Otherwise the original's pixels stay where the edit moves none (W)";
    if ui.checkbox(&mut whole, "whole picture decoded").on_hover_text(about).changed() {
        ctx.send(Look::WholeDecoding(whole));
    }
}

/// Whether codes are written into large cells.
fn ids_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let mut ids = ctx.document.looks.show_ids;
    let about = "Write the numbers of the codes into large cells";
    if ui.checkbox(&mut ids, "ids").on_hover_text(about).changed() {
        ctx.send(Look::ShowIds(ids));
    }
}
