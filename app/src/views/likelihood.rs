//! Likelihood: how many bits each token of the picture at hand costs a generator that has to guess it. A map of them
//! beside the picture; below it what they mean, their sum, and how many each part takes.

mod parts;
mod refused;
mod shown;
mod taken;

use egui::{Rect, UiBuilder, WidgetInfo, vec2};
use smalti_engine::generators::Way;
use smalti_engine::questions::Encoded;
use smalti_engine::session::Reply;
use smalti_engine::tokens::Cell;

use self::shown::Shown;
use super::generate::{class_ui, generator_ui, none_open_ui, problem_ui, two};
use super::tokens::sheet::Sheet;
use super::tokens::{Hand, Marked, Marks, hovered_cell, is_spatial, words_of_cell};
use super::view::View;
use crate::ctx::ViewCtx;
use crate::document::{Asked, Generate, Notice, Secret, Tool};
use crate::look::textures::{Sampling, Source};
use crate::look::theme::space;
use crate::look::words::counted;
use crate::widgets::pane::{self, Framed, Pane, Zoom};
use crate::widgets::scale::Scale;
use crate::widgets::{hatch, states, veil};

/// The height of a line, before text is scaled.
const LINE: f32 = 24.0;
/// The two ways in which a masked generator is asked: whether one token is masked at a time, what the choice and its
/// command are called, and what it means.
const WAYS: [(bool, &str, &str, &str); 2] = [
    (
        true,
        "one at a time",
        "Bits of tokens masked one at a time",
        "Each token given all others: as many passes as there are tokens",
    ),
    (
        false,
        "an eighth at a time",
        "Bits of an eighth of the tokens at a time",
        "Eight passes, each hides another eighth of the tokens",
    ),
];

/// The Likelihood view.
#[derive(Debug, Default)]
pub(super) struct LikelihoodView {
    zoom: Zoom,
    hand: Hand,
    marks: Marks,
    /// Whether a masked generator is asked with one token masked at a time.
    one_at_a_time: bool,
}

impl View for LikelihoodView {
    fn bar_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let Some(asked) = ctx.document.generating.asked.clone() else { return };
        let opened = ctx.generator().and_then(|reply| reply.best().cloned());
        if opened.as_ref().is_some_and(|opened| opened.config().way == Way::MaskGit) {
            for (one, label, name, about) in WAYS {
                let choice = ui.selectable_label(self.one_at_a_time == one, label);
                if ctx.offer(name, choice.on_hover_text(about).clicked()) {
                    self.one_at_a_time = one;
                }
            }
        }
        let seen = |_: &egui::Ui, name: &str| ctx.short_name(name.to_owned());
        if let Some(opened) = &opened {
            if !ctx.is_tight() {
                ui.label(ctx.theme.label("class"));
            }
            let mut class = asked.class.clone();
            class_ui(ui, &mut class, opened.config(), &seen);
            if class != asked.class {
                let next = Asked { class, ..Asked::clone(&asked) };
                ctx.send(Generate::Ask(Box::new(next)));
            }
        }
        generator_ui(ui, ctx, &asked, &seen);
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let Some(asked) = ctx.document.generating.asked.clone() else {
            none_open_ui(ui, ctx);
            return;
        };
        match ctx.generator() {
            Some(Reply::Ready(_)) => {}
            Some(Reply::Failed(problem)) => {
                problem_ui(ui, ctx, (&asked, &problem));
                return;
            }
            Some(Reply::Working { .. }) | None => {
                states::busy(ui, ctx, None);
                ui.label(ctx.theme.label(format!("Opening {}…", asked.generator.label())));
                return;
            }
        }
        let Some(encoded) = states::encoded(ui, ctx) else { return };
        match (ctx.is_encoded(), ctx.now(&encoded)) {
            (true, Reply::Ready(_)) => {}
            (true, Reply::Failed(problem)) => {
                states::problem(ui, ctx, &problem);
                return;
            }
            // Bits of the picture before would be read as this one's.
            _ => {
                ui.label(ctx.theme.label("The tokens are being worked out…"));
                return;
            }
        }
        let (question, opened) = match ctx.likelihood(!self.one_at_a_time) {
            Ok(asked) => asked,
            Err(why) => {
                refused::ui(ui, ctx, &why);
                return;
            }
        };
        let (bits, is_old, progress) = match ctx.bits(&question) {
            Reply::Ready(bits) => (Some(bits), false, None),
            Reply::Failed(problem) => {
                states::problem(ui, ctx, &problem);
                return;
            }
            Reply::Working { progress, last } => {
                states::busy(ui, ctx, progress);
                (last.map(|last| std::sync::Arc::clone(last.answer())), true, progress)
            }
        };
        let shown = Shown::new(&question, &opened, bits, (is_old, progress));
        self.shown_ui(ui, ctx, &encoded, &shown);
    }
}

impl LikelihoodView {
    fn shown_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        encoded: &Encoded,
        shown: &Shown<'_>,
    ) {
        self.zoom.follow(ctx, true);
        let area = ui.available_rect_before_wrap();
        ui.allocate_rect(area, egui::Sense::hover());
        let line = ctx.theme.px(LINE);
        let has_parts = shown.tokens().parts().len() > 1 && area.height() >= ctx.theme.px(300.0);
        let bars = if has_parts { ctx.theme.px(parts::HEIGHT) } else { 0.0 };
        let (pictures, below) = area.split_top_bottom_at_y(area.bottom() - bars - 2.0 * line);
        let (meaning, below) = below.split_top_bottom_at_y(below.top() + line);
        let (key, bars) = below.split_top_bottom_at_y(below.top() + line);
        let size = [encoded.picture.width(), encoded.picture.height()];
        let places = two(ctx, pictures.shrink2(vec2(space::M, space::S)), (size, &self.zoom));
        let spatial = is_spatial(ctx, encoded);
        let (number, part) = ctx.part(shown.tokens());
        let sheet = Sheet::new(number, part, spatial);
        let map = Framed { view: places.grid.view, size, fit: places.grid.fit };
        let told = self.map_ui(ui, ctx, (map, spatial), (encoded, shown, &sheet));
        let left = format!("bits of each token, {}", ctx.document.name_of(&shown.by().generator));
        let right = match told {
            Some(cell) => {
                let words = words_of_cell(ctx, &sheet, cell, &ctx.tokens(encoded));
                shown.of(cell).map_or(words.clone(), |bits| format!("{bits:.2} bits · {words}"))
            }
            None => shown.state(),
        };
        states::caption(ui, ctx, places.grid.caption, &left, &right);
        let framed = Framed { view: places.picture.view, size, fit: places.picture.fit };
        let of_picture = self.picture_ui(ui, ctx, framed, (encoded, &sheet, spatial));
        states::caption(ui, ctx, places.picture.caption, of_picture, "");
        let (left, right) = shown.sums();
        states::caption(ui, ctx, meaning, &left, &right);
        key_ui(ui, ctx, key, shown);
        if has_parts {
            ui.scope_builder(UiBuilder::new().max_rect(bars).id_salt("parts"), |ui| {
                parts::ui(ui, ctx, bars, shown);
            });
        }
    }

    /// The map, in which cells are selected as in Tokens. Gives the cell that is told of.
    fn map_ui(
        &mut self,
        ui: &egui::Ui,
        ctx: &ViewCtx<'_>,
        (framed, spatial): (Framed, bool),
        (encoded, shown, sheet): (&Encoded, &Shown<'_>, &Sheet<'_>),
    ) -> Option<Cell> {
        let id = ui.scope_id().with("surprise");
        let own = [sheet.columns as u32, sheet.rows as u32];
        let mut still = Zoom::default();
        let framed = if spatial { framed } else { (framed.view, own).into() };
        let zoom = if spatial { &mut self.zoom } else { &mut still };
        let pane = pane::show(ui, id, framed, zoom, false);
        if let Some(bits) = &shown.bits {
            let key = ("surprise", sheet.number, shown.most.to_bits(), ctx.theme.choice);
            let colors = || shown.colors(sheet, |share| ctx.theme.maps.viridis.at(share));
            let size = [sheet.columns, sheet.rows];
            let source = Source::of(bits);
            let texture = ctx.textures.colors((key, source), size, Sampling::Pixels, colors);
            // What is of the tokens before is seen to be.
            let alpha = if shown.is_old { 110 } else { 255 };
            pane.paint(ui, texture.id(), egui::Color32::from_white_alpha(alpha));
        } else {
            hatch::cells(&pane.painter(ui), ctx, [pane.picture], 1.0);
        }
        taken::menu(ctx, &pane, shown, sheet);
        // A color brush has nothing to paint on here.
        if ctx.document.selection.tool == Tool::Paint {
            hover(ctx, &pane, sheet);
        } else if ctx.pasting().is_none() {
            self.hand.ui(ui, ctx, &pane, sheet, zoom);
        }
        if self.hand.takes_code() {
            ctx.send(Notice::info("Codes are forced in Tokens, not here"));
        }
        let before_off = ctx.tokens(encoded);
        let cursor = pane.response.has_focus().then(|| self.hand.cursor(ctx, sheet));
        let selected = self.hand.selected(ctx);
        let (now, again) = (shown.tokens(), std::sync::Arc::default());
        let marked = Marked { now, before_off: &before_off, selected, cursor, again };
        self.marks.ui(ui, ctx, &pane, sheet, marked);
        let told = self.hand.told(ui, ctx, sheet);
        pane.response.widget_info(|| {
            let (rows, columns) = (counted(sheet.rows, "row"), counted(sheet.columns, "column"));
            let mut label = format!("Surprise map, {rows}, {columns}");
            if let Some((cell, bits)) = told.and_then(|cell| Some((cell, shown.of(cell)?))) {
                let words = words_of_cell(ctx, sheet, cell, &before_off);
                label = format!("{label}, at {words}, {bits:.2} bits");
            }
            WidgetInfo::labeled(egui::Role::Image, true, label)
        });
        ctx.take_focus(&pane.response);
        told
    }

    /// The picture whose tokens these are. Gives what it is.
    fn picture_ui(
        &mut self,
        ui: &egui::Ui,
        ctx: &ViewCtx<'_>,
        framed: Framed,
        (encoded, sheet, spatial): (&Encoded, &Sheet<'_>, bool),
    ) -> &'static str {
        let view = framed.view;
        let id = ui.scope_id().with("judged picture");
        let pane = pane::show(ui, id, framed, &mut self.zoom, true);
        pane.response
            .widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, "The picture judged"));
        let is_image = ctx.document.image().is_some();
        // Of tokens that were given there is no picture but what they decode to.
        if !is_image && ctx.is_veiled(Secret::Reconstruction) {
            veil::paint(ui, ctx, view);
        } else {
            let texture = ctx.textures.picture(&encoded.picture, Sampling::Pixels);
            pane.paint(ui, texture.id(), egui::Color32::WHITE);
        }
        if spatial {
            hover(ctx, &pane, sheet);
            hovered_cell(ui, ctx, &pane, sheet);
        }
        if is_image { "the image" } else { "what the tokens decode to" }
    }
}

/// The cell under the pointer is that of all views.
fn hover(ctx: &ViewCtx<'_>, pane: &Pane, sheet: &Sheet<'_>) {
    let at = pane.response.hover_pos();
    let place = at.and_then(|at| pane.cell_at(at, sheet.rows, sheet.columns));
    if let Some((place, cell)) = place.and_then(|place| Some((place, sheet.cell(place)?))) {
        ctx.hovered.set_cell(cell, sheet.code_at(place));
    }
}

/// What colors mean, and what knowing nothing would cost.
fn key_ui(ui: &egui::Ui, ctx: &ViewCtx<'_>, line: Rect, shown: &Shown<'_>) {
    let last = format!("{:.1} bits", shown.most);
    let scale = Scale {
        ends: ["0", &last],
        values: [0.0, 1.0],
        color: |maps, value| maps.viridis.at(value),
        about: "-log2 of the probability that the generator gives the token: 0 where it is sure of it",
    };
    let rest = scale.ui(ui, ctx, line);
    let words = format!("who knows nothing needs {:.1} bits a token", shown.of_nothing());
    states::caption(ui, ctx, rest, &words, "");
}
