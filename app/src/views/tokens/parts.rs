//! The strip of parts: scales, residual levels, streams. One is looked at; the tiles are an overview.

use egui::{CornerRadius, Rect, Sense, Stroke, StrokeKind, pos2, vec2};
use smalti_engine::questions::Appearance;
use smalti_engine::session::Reply;
use smalti_engine::tokens::Tokens;

use super::sheet::Sheet;
use crate::ctx::ViewCtx;
use crate::document::{Edit, Slot};
use crate::look::colors::color_of;
use crate::look::textures::{Sampling, Source};
use crate::look::theme::{RADIUS_PICTURE, space};

/// Its height, before text is scaled.
pub(super) const HEIGHT: f32 = 72.0;

/// Draws it. A click looks at a part and, where parts add up, decodes up to it; another click on it
/// goes back to all of them.
pub(super) fn ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, area: Rect, tokens: &Tokens) {
    let theme = ctx.theme;
    ui.painter().hline(area.x_range(), area.bottom(), Stroke::new(1.0, theme.colors.line));
    let (shown, _) = ctx.part(tokens);
    let adds_up = ctx.known().is_some_and(|facts| facts.facts.prefixes);
    ui.scope_builder(
        egui::UiBuilder::new().max_rect(area.shrink2(vec2(space::M, space::XS))),
        |ui| {
            egui::ScrollArea::horizontal().show(ui, |ui| {
                ui.horizontal(|ui| {
                    ui.spacing_mut().item_spacing.x = space::S;
                    for number in 0..tokens.parts().len() {
                        let picked = ctx.document.selection.part.is_some() && number == shown;
                        if tile_ui(ui, ctx, (tokens, number), (picked, adds_up)) {
                            let part = (!picked).then_some(number as u16);
                            ctx.send(Edit::SelectPart(part));
                        }
                    }
                });
            });
        },
    );
}

/// The tokens of a part as a small picture, a pixel each: colored as what their codes decode to, and by their
/// numbers where nobody knows that.
pub(in crate::views) fn texture(
    ctx: &ViewCtx<'_>,
    (tokens, number): (&Tokens, usize),
    (look, levels): (&Reply<Appearance>, &[u32]),
) -> egui::TextureHandle {
    let part = &tokens.parts()[number];
    let sheet = Sheet::new(number, part, false);
    let is_pending = look.is_working() && look.best().is_none();
    let colors = look.best().filter(|look| !look.colors.is_empty());
    let known = colors.map_or_else(Source::key, |look| Source::of(&look.colors));
    let key = (("part", tokens, number, levels, is_pending), known);
    ctx.textures.colors(key, [sheet.columns, sheet.rows], Sampling::Pixels, || {
        let color = |at: usize| {
            let Some(code) = part.code(at) else { return egui::Color32::TRANSPARENT };
            match colors.and_then(|look| look.colors.get(code as usize)) {
                Some([r, g, b]) => egui::Color32::from_rgb(*r, *g, *b),
                None if is_pending => ctx.theme.colors.faint,
                None => color_of(code, levels),
            }
        };
        (0..sheet.rows * sheet.columns).map(color).collect()
    })
}

/// One part as a small picture with its size below; true if it was clicked.
fn tile_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (tokens, number): (&Tokens, usize),
    (picked, adds_up): (bool, bool),
) -> bool {
    let theme = ctx.theme;
    let part = &tokens.parts()[number];
    let line = theme.px(16.0);
    let side = theme.px(HEIGHT) - line - 2.0 * space::S;
    let (rect, response) = ui.allocate_exact_size(vec2(side, side + line), Sense::click());
    let name = format!("Part {}, {}", number + 1, part.shape());
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, picked, &name));
    let square = Rect::from_min_size(rect.min, vec2(side, side));
    let book = part.book();
    let look = ctx.appearance(book);
    let levels =
        ctx.facts(Slot::A).and_then(|f| f.best().map(|f| f.facts.book(book).levels.clone()));
    let levels = levels.unwrap_or_default();
    let texture = texture(ctx, (tokens, number), (&look, &levels));
    let [w, h] = texture.size().map(|side| side as f32);
    let at = Rect::from_center_size(square.center(), vec2(w, h) * (side / w.max(h)));
    egui::Image::new((texture.id(), at.size()))
        .corner_radius(CornerRadius::same(RADIUS_PICTURE.min(2)))
        .paint_at(ui, at);
    let color = if picked { theme.colors.gold } else { theme.colors.line };
    if picked || response.hovered() || response.has_focus() {
        ui.painter().rect_stroke(square, 2.0, Stroke::new(2.0, color), StrokeKind::Outside);
    }
    let middle = pos2(rect.center().x, square.bottom() + line / 2.0);
    let text = part.shape().to_string().replace(" x ", "×").replace(" in a row", "");
    let ink = if picked { theme.colors.gold } else { theme.colors.dim };
    ui.painter().text(middle, egui::Align2::CENTER_CENTER, text, theme.figures(), ink);
    let about = if adds_up {
        format!("{name}\nA click decodes up to here, another shows all parts")
    } else {
        name
    };
    response.on_hover_text(about).clicked()
}
