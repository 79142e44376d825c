//! One cell: what else might have been written there, how open the choice was, and what a person makes of it.

use egui::{Label, Rect, RichText, Role, Sense, Stroke, StrokeKind, WidgetInfo, pos2, vec2};
use smalti_engine::generators::Proposal;
use smalti_engine::questions::{Appearance, DecodePartly};
use smalti_engine::session::Reply;
use smalti_engine::tokens::Cell;

use super::facts::Shown;
use super::grid::appearance;
use crate::ctx::ViewCtx;
use crate::document::{Asked, Generate, Notice};
use crate::look::textures::Sampling;
use crate::look::theme::space;

/// Why nothing of a moment is kept.
const ANOTHER_NEXT: &str =
    "Another generator or size is set for what is generated next: nothing of this can stay in it";

/// The column of the cell that is pointed at, or pinned.
pub(super) fn ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    shown: &Shown<'_>,
    (cell, is_pinned): (Option<Cell>, bool),
) {
    let Some(cell) = cell else {
        ui.label(RichText::new("No cell").font(ctx.theme.strong()));
        let about = "Point at a cell to see what else the model might have written there; click to \
                     pin it.";
        ui.add(Label::new(ctx.theme.label(about)).wrap());
        return;
    };
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = space::XS;
        let title = format!("Cell in {cell}");
        let title = if is_pinned { format!("{title}, pinned") } else { title };
        ui.label(RichText::new(title).font(ctx.theme.strong()));
        let proposal = shown.proposal(cell);
        ui.add(Label::new(ctx.theme.label(said(shown, cell, proposal))).wrap());
        if let Some((step, proposal)) = proposal {
            ui.add_space(space::XS);
            let place = Alternatives { shown, cell, step, is_pinned };
            place.ui(ui, ctx, proposal);
            cut_ui(ui, ctx, shown, proposal);
            numbers_ui(ui, ctx, proposal);
        }
        hands_ui(ui, ctx, shown, cell);
    });
}

/// The same in few words at the pointer, where there is no column.
pub(super) fn hover_ui(ctx: &ViewCtx<'_>, shown: &Shown<'_>, over: &super::grid::Over) {
    const FEW: usize = 4;
    let Some(cell) = over.cell else { return };
    over.response.clone().on_hover_ui_at_pointer(|ui| {
        let proposal = shown.proposal(cell);
        ui.label(RichText::new(format!("Cell in {cell}")).strong());
        ui.label(ctx.theme.label(said(shown, cell, proposal)));
        let Some((_, proposal)) = proposal else { return };
        for (code, probability) in proposal.alternatives.iter().take(FEW) {
            let words = format!("code {code:>5}  {}", words_of(*probability));
            ui.label(ctx.theme.caption_figures(words));
        }
        for (code, probability) in proposal.cut.iter().take(2) {
            let words = format!("code {code:>5}  {}", words_of(*probability));
            ui.label(ctx.theme.caption_figures(words).strikethrough());
        }
        ui.label(ctx.theme.caption_figures(format!("entropy {:.2} bit", proposal.entropy)));
    });
}

/// What the figures below are of.
fn said(shown: &Shown<'_>, cell: Cell, proposal: Option<(usize, &Proposal)>) -> String {
    if shown.is_given(cell) {
        return "a person gave it: it stays, and nothing is drawn here".to_owned();
    }
    let is_written = shown.tokens.get(cell).is_some();
    match proposal {
        Some((step, _)) if is_written => {
            format!("written in step {}; what it might have been", step + 1)
        }
        Some((step, _)) if step + 1 == shown.at => "what the model would put here".to_owned(),
        Some(_) | None if is_written => "nothing is known of the choice".to_owned(),
        Some(_) | None => "not written yet, and nothing was said of it in this step".to_owned(),
    }
}

/// What is asked next, as far as a cell of this moment is one of it, too: by another generator its code means
/// something else, and among another number of rows and columns it stands elsewhere.
fn next<'a>(ctx: &'a ViewCtx<'_>, shown: &'a Shown<'_>) -> Option<&'a Asked> {
    let was = &shown.trace.asked;
    let asked = ctx.document.generating.asked.as_ref().unwrap_or(was);
    (asked.generator == was.generator && asked.grid == was.grid).then_some(&**asked)
}

/// What a row of the alternatives is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    /// The code that was drawn.
    Drawn,
    /// One that might have been.
    Other,
    /// One that could not be: top-k or top-p cut it.
    Cut,
}

/// The likeliest codes of a cell.
struct Alternatives<'a> {
    shown: &'a Shown<'a>,
    cell: Cell,
    /// The step in which they were thought of, from 0.
    step: usize,
    is_pinned: bool,
}

impl Alternatives<'_> {
    fn ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, proposal: &Proposal) {
        let look = appearance(ctx, self.shown);
        let highest = proposal.alternatives.first().map_or(1.0, |(_, p)| *p).max(1e-6);
        let is_among = proposal.alternatives.iter().any(|(code, _)| *code == proposal.token);
        let drawn = (!is_among).then_some((proposal.token, proposal.probability));
        for (code, probability) in proposal.alternatives.iter().copied().chain(drawn) {
            let row = (code, probability, probability / highest);
            let kind = if code == proposal.token { Row::Drawn } else { Row::Other };
            if self.row_ui(ui, ctx, row, (kind, look.best().map(|look| &**look))) {
                match next(ctx, self.shown) {
                    Some(next) => {
                        let asked = next.giving(self.cell, Some(code));
                        ctx.send(Generate::Ask(Box::new(asked)));
                    }
                    None => ctx.send(Notice::info(ANOTHER_NEXT)),
                }
            }
        }
        let rest = 1.0 - proposal.alternatives.iter().map(|(_, p)| p).sum::<f32>();
        if rest > 0.005 {
            ui.label(ctx.theme.label(format!("{:.0} % on other codes", rest * 100.0)));
        }
        // Those that were cut are struck out, not hidden: a bar says how likely each was before.
        for (code, probability) in proposal.cut.iter().copied() {
            let part = (probability / highest).min(1.0);
            let row = (code, probability, part);
            self.row_ui(ui, ctx, row, (Row::Cut, look.best().map(|look| &**look)));
        }
    }

    /// One code: what it looks like, its probability as a bar and a number; true if it was clicked.
    fn row_ui(
        &self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        (code, probability, part): (u32, f32, f32),
        (kind, look): (Row, Option<&Appearance>),
    ) -> bool {
        let (theme, colors) = (ctx.theme, &ctx.theme.colors);
        let side = theme.px(26.0);
        let size = vec2(ui.available_width(), side);
        let (is_drawn, is_cut) = (kind == Row::Drawn, kind == Row::Cut);
        let sense = if is_cut { Sense::hover() } else { Sense::click() };
        let (row, response) = ui.allocate_exact_size(size, sense);
        response.widget_info(|| {
            let what = match kind {
                Row::Drawn => ", drawn",
                Row::Cut => ", cut",
                Row::Other => "",
            };
            let label = format!("Code {code}, probability {probability:.3}{what}");
            let role = if is_cut { Role::Label } else { Role::Button };
            WidgetInfo::labeled(role, true, label)
        });
        if response.hovered() && !is_cut {
            ui.painter().rect_filled(row.expand(2.0), 3.0, colors.hover);
        }
        if response.has_focus() {
            let ring = Stroke::new(2.0, colors.gold);
            ui.painter().rect_stroke(row.expand(2.0), 3.0, ring, StrokeKind::Middle);
        }
        let tile = Rect::from_min_size(row.min, vec2(side, side));
        self.tile(ui, ctx, tile, (code, look));
        if is_cut {
            ui.painter().rect_filled(tile, 0.0, colors.panel.gamma_multiply(0.55));
        }
        let font = theme.figures();
        let number = format!("{code}");
        let color = if is_drawn { colors.text } else { colors.dim };
        let at = |x: f32| pos2(x, row.center().y);
        let right = egui::Align2::RIGHT_CENTER;
        ui.painter().text(at(row.right()), right, number, font.clone(), color);
        let wide = theme.px(38.0);
        let figure = words_of(probability);
        let ink = if is_cut { colors.dim } else { colors.text };
        let told = ui.painter().text(at(row.right() - wide), right, figure, font, ink);
        let room = row.right() - 2.0 * wide - space::XS - (tile.right() + space::S);
        let rod = Rect::from_min_size(
            at(tile.right() + space::S) - vec2(0.0, 3.0),
            vec2((room * part).max(2.0), 6.0),
        );
        let fill = match kind {
            Row::Drawn => colors.gold,
            Row::Other => colors.lapis,
            Row::Cut => colors.lapis.gamma_multiply(0.5),
        };
        ui.painter().rect_filled(rod, 3.0, fill);
        if is_cut {
            let line = Stroke::new(theme.line(1.0), ink);
            ui.painter().hline(told.left()..=row.right(), row.center().y, line);
            response.on_hover_text("It was cut: it could not be drawn");
            return false;
        }
        let is_clicked = response.clicked();
        response.on_hover_text("Click: this code stays here in what is generated next");
        is_clicked
    }

    /// What a code looks like: of a pinned cell in its place, with what is round it; else in a field of itself.
    fn tile(
        &self,
        ui: &egui::Ui,
        ctx: &ViewCtx<'_>,
        tile: Rect,
        (code, look): (u32, Option<&Appearance>),
    ) {
        let white = egui::Color32::WHITE;
        if let Some((texture, uv)) = self.is_pinned.then(|| self.in_place(ctx, code)).flatten() {
            ui.painter().image(texture, tile, uv, white);
            return;
        }
        let look = look.filter(|look| (code as usize) < look.colors.len());
        let atlas = look.and_then(|look| Some((look, look.atlas.as_ref()?)));
        if let Some((look, atlas)) = atlas {
            let step = vec2(
                look.side as f32 / atlas.width() as f32,
                look.side as f32 / atlas.height() as f32,
            );
            let columns = look.columns.max(1);
            let place = vec2((code % columns) as f32, (code / columns) as f32);
            let uv = Rect::from_min_size((place * step).to_pos2(), step);
            let texture = ctx.textures.picture(atlas, Sampling::Pixels);
            ui.painter().image(texture.id(), tile, uv, white);
            return;
        }
        let color = look.and_then(|look| look.colors.get(code as usize));
        let color = color.map_or_else(
            || crate::look::colors::code_color(code),
            |[r, g, b]| egui::Color32::from_rgb(*r, *g, *b),
        );
        ui.painter().rect_filled(tile, 3.0, color);
    }

    /// The picture with the code there: a texture, and the part of it round the cell.
    fn in_place(&self, ctx: &ViewCtx<'_>, code: u32) -> Option<(egui::TextureId, Rect)> {
        let trace = self.shown.trace;
        let question = trace.picture(self.step + 1)?;
        let change = [(self.cell, Some(code))];
        let tokens = question.tokens.with(change).ok()?;
        let meant = match question.meant {
            Some(meant) => Some(meant.with(change).ok()?),
            None => None,
        };
        let question = DecodePartly { tokens, meant, ..question };
        let Reply::Ready(decoded) = ctx.ask_soon(("in place", code), &question) else {
            return None;
        };
        let part = trace.tokens(self.step + 1)?.part(self.cell.part.into())?;
        let (rows, columns) = (part.rows() as f32, part.columns() as f32);
        let middle = pos2(
            (self.cell.column as f32 + 0.5) / columns,
            (f32::from(self.cell.row) + 0.5) / rows,
        );
        // As much round the cell as the cell is.
        let uv = Rect::from_center_size(middle, vec2(2.0 / columns, 2.0 / rows));
        let uv = uv.intersect(Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)));
        let texture = ctx.textures.picture(&decoded.picture, Sampling::Pixels);
        Some((texture.id(), uv))
    }
}

/// Why some codes are struck out.
fn cut_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, shown: &Shown<'_>, proposal: &Proposal) {
    if proposal.cut.is_empty() {
        return;
    }
    let sampling = &shown.trace.asked.sampling;
    let by = match (sampling.top_k, sampling.top_p < 1.0) {
        (0, _) => format!("top-p {}", sampling.top_p),
        (k, false) => format!("top-k {k}"),
        (k, true) => format!("top-k {k} or top-p {}", sampling.top_p),
    };
    let words = format!("struck out: cut by {by}, with the probability before that");
    ui.add(Label::new(ctx.theme.label(words)).wrap());
}

fn numbers_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, proposal: &Proposal) {
    ui.add_space(space::XS);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::L;
        for (label, number) in [
            ("entropy", format!("{:.2} bit", proposal.entropy)),
            ("of its token", words_of(proposal.probability)),
        ] {
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                ui.label(ctx.theme.label(label));
                ui.label(RichText::new(number).font(ctx.theme.number()));
            });
        }
    });
}

/// A probability: of a large codebook they are small.
fn words_of(probability: f32) -> String {
    if probability < 0.0995 { format!("{probability:.3}") } else { format!("{probability:.2}") }
}

/// What a person does with the cell.
fn hands_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, shown: &Shown<'_>, cell: Cell) {
    ui.add_space(space::S);
    let Some(asked) = next(ctx, shown) else {
        ui.add(Label::new(ctx.theme.label(ANOTHER_NEXT)).wrap());
        return;
    };
    let given = asked.given.get(&cell);
    let token = shown.tokens.get(cell);
    ui.horizontal_wrapped(|ui| {
        let keep = ui.add_enabled(token.is_some() && given != token.as_ref(), egui::Button::new("Keep"));
        let about = "This token stays in what is generated next";
        let why = "There is no token, or it stays already";
        if keep.on_hover_text(about).on_disabled_hover_text(why).clicked() {
            ctx.send(Generate::Ask(Box::new(asked.giving(cell, token))));
        }
        if given.is_some() {
            let about = "The generator writes this cell again";
            if ui.button("Free").on_hover_text(about).clicked() {
                ctx.send(Generate::Ask(Box::new(asked.giving(cell, None))));
            }
        }
        let is_partial = shown.masked() > 0 && shown.at > 0;
        if is_partial {
            let about = "Keeps all tokens of this step and writes the others anew, with the settings \
                         at the left";
            if ui.button("Go on from here").on_hover_text(about).clicked() {
                let kept = std::sync::Arc::clone(&asked.given);
                let mut next = asked.keeping(shown.tokens, |_| true);
                let mut given = std::collections::BTreeMap::clone(&next.given);
                given.extend(kept.iter().map(|(cell, code)| (*cell, *code)));
                next.given = std::sync::Arc::new(given);
                ctx.send(Generate::Start { asked: Box::new(next), waits: false });
            }
        }
    });
    if let Some(code) = given.filter(|code| Some(**code) != token) {
        let said = format!("code {code} stays here in what is generated next");
        ui.add(Label::new(ctx.theme.label(said)).wrap());
    }
}
