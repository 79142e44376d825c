//! Compare: original, reconstruction and what was lost, for one or two tokenizers.

use std::sync::Arc;

use egui::{Color32, Rect, Stroke, pos2, vec2};
use smalti_engine::images::Picture;
use smalti_engine::questions::{Compared, Comparison, Encoded, ModelRef, Reconstruct};
use smalti_engine::session::Reply;

use super::tokens::sheet::Sheet;
use super::tokens::{
    by_hand, compared_figures, decoded, figures_of, hovered_cell, is_spatial, original_of,
};
use super::view::View;
use crate::ctx::ViewCtx;
use crate::document::{Column, CompareMode, DifferenceKind, Edit, Look, Slot, Table};
use crate::look::palette::FULL_DIFFERENCE;
use crate::look::textures::{Sampling, Source};
use crate::look::theme::space;
use crate::widgets::export::{Exported, picture_menu, picture_of};
use crate::widgets::pane::{self, Zoom};
use crate::widgets::scale::Scale;
use crate::widgets::{picker, states};

/// The Compare view.
#[derive(Debug)]
pub(super) struct CompareView {
    zoom: Zoom,
    /// Where the slider stands, 0 to 1 of the picture's width.
    divider: f32,
}

impl Default for CompareView {
    fn default() -> Self {
        Self { zoom: Zoom::default(), divider: 0.5 }
    }
}

/// What a pane shows.
struct Shown<'a> {
    /// The picture; of a map, the one that it is a map of.
    picture: Picture,
    /// The values of a map, one a pixel.
    values: Option<Arc<[f32]>>,
    texture: egui::TextureHandle,
    /// The tokenizer, where the caption does not name it.
    by: String,
    name: &'a str,
    left: String,
    right: Under,
}

/// What stands at the right under a picture.
enum Under {
    Figures(String),
    Scale(Scale<'static>),
}

/// What the colors of a difference mean: fixed, so that pictures can be compared.
fn scale_of(kind: DifferenceKind) -> Scale<'static> {
    match kind {
        DifferenceKind::Absolute => Scale {
            ends: ["0", "25 %"],
            values: [0.0, FULL_DIFFERENCE],
            color: |maps, value| maps.viridis.at(value / FULL_DIFFERENCE),
            about: "Of the full range, mean of the channels",
        },
        DifferenceKind::Signed => Scale {
            ends: ["-25", "+25 %"],
            values: [-FULL_DIFFERENCE, FULL_DIFFERENCE],
            color: |maps, value| maps.diverging.at(0.5 + value / (2.0 * FULL_DIFFERENCE)),
            about: "Blue: the reconstruction is too dark; red: too bright",
        },
        DifferenceKind::Structure => Scale {
            ends: ["0", "1"],
            values: [0.0, 1.0],
            color: |maps, value| maps.viridis.at(value),
            about: "1 - SSIM: where structure is lost",
        },
    }
}

impl Shown<'_> {
    /// Its own menu.
    fn menu(&self, response: &egui::Response, ctx: &ViewCtx<'_>) {
        let [width, height] = [self.picture.width(), self.picture.height()];
        let picture = || match (&self.values, &self.right) {
            (Some(values), Under::Scale(scale)) => {
                let color = |value: &f32| (scale.color)(&ctx.theme.maps, *value);
                let colors: Vec<Color32> = values.iter().map(color).collect();
                picture_of(&colors, [width as usize, height as usize])
            }
            _ => Some(self.picture.clone()),
        };
        let numbers = || {
            let values = Column::Values(self.values.clone().unwrap_or_default());
            Table::Map { values, columns: width as usize }
        };
        let about = match &self.right {
            Under::Figures(figures) => format!("{}, {figures}", self.left),
            Under::Scale(scale) => {
                format!("{} of {}, {} to {}", self.left, self.by, scale.ends[0], scale.ends[1])
            }
        };
        // Each tokenizer's own, by the name that stands first below its picture.
        let by = if self.by.is_empty() { &self.left } else { &self.by };
        let by = by.split([' ', ',']).next().unwrap_or_default();
        let kind = self.name.to_lowercase();
        let name = if kind == "original" { kind } else { format!("{kind}-{by}") };
        let numbers: &dyn Fn() -> Table = &numbers;
        let exported = Exported {
            name: &name,
            about: &about,
            picture: Some(&picture),
            numbers: self.values.is_some().then_some(numbers),
            ..Exported::default()
        };
        exported.menu(response, ctx);
    }
}

impl View for CompareView {
    fn bar_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        picker::size(ui, ctx);
        // One more than there are: the next is offered when the last is taken.
        let taken = ctx.document.others.iter().take_while(|model| model.is_some()).count();
        for slot in Slot::OTHERS.iter().take(taken + 1).rev() {
            picker::model(ui, ctx, *slot);
        }
        picker::model(ui, ctx, Slot::A);
        let looks = &ctx.document.looks;
        ui.menu_button(looks.difference.label(), |ui| {
            for kind in DifferenceKind::ALL {
                if ui.selectable_label(kind == looks.difference, kind.label()).clicked() {
                    ctx.send(Look::Difference(kind));
                }
            }
        })
        .response
        .on_hover_text("Which difference is shown");
        ui.menu_button(looks.compare.label(), |ui| {
            for mode in CompareMode::ALL {
                if ui.selectable_label(mode == looks.compare, mode.label()).clicked() {
                    ctx.send(Look::Compare(mode));
                }
            }
        })
        .response
        .on_hover_text("How original and reconstruction are set against each other");
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let Some(encoded) = &states::encoded(ui, ctx) else { return };
        let (_, first) = decoded(ctx, encoded);
        if let Reply::Failed(problem) = &first {
            states::problem(ui, ctx, problem);
            return;
        }
        if first.is_working() {
            states::busy(ui, ctx, None);
        }
        let others: Vec<(Slot, String, Reply<Compared>)> = Slot::OTHERS
            .into_iter()
            .filter_map(|slot| other(ctx, slot).map(|(name, reply)| (slot, name, reply)))
            .collect();
        if !first.is_working() && others.iter().any(|(.., reply)| reply.is_working()) {
            states::busy(ui, ctx, None);
        }
        // In the view and not in its bar, which folds where it is narrow: it is what a hall looks at.
        levels_ui(ui, ctx);
        let area = ui.available_rect_before_wrap().shrink(space::M);
        let name = with_levels(ctx, Slot::A, encoded);
        match (ctx.document.looks.compare, first.best()) {
            (_, None) => {
                ui.label(ctx.theme.label("Decoding…"));
            }
            (CompareMode::Side, Some(first)) => {
                let mut shown = vec![original(ctx, encoded)];
                shown.extend(side_of(ctx, first, (&name, encoded)));
                for (slot, name, reply) in &others {
                    if let Some(compared) = reply.best() {
                        let name = with_same_tokens(ctx, (*slot, name), encoded);
                        shown.extend(side_of(ctx, compared, (&name, encoded)));
                    }
                }
                self.panes_ui(ui, ctx, area, (&shown, encoded));
            }
            (CompareMode::Slider, Some(first)) => {
                self.over_ui(ui, ctx, area, (encoded, first, &name), true);
            }
            (CompareMode::Swap, Some(first)) => {
                self.over_ui(ui, ctx, area, (encoded, first, &name), false);
            }
        }
        for (_, name, reply) in &others {
            if let Reply::Failed(problem) = reply {
                let text = format!("{name}: {problem}");
                ui.label(egui::RichText::new(text).color(ctx.theme.colors.danger));
            }
        }
    }
}

/// Another tokenizer's name and reconstruction. Its tokens may have another layout and its pictures
/// another size: each is compared with the original as it was encoded by it.
fn other(ctx: &ViewCtx<'_>, slot: Slot) -> Option<(String, Reply<Compared>)> {
    let model = ctx.document.model(slot)?;
    let (name, place) = (model.label(), ("compared", slot));
    let question = Reconstruct(ctx.encode_question(slot)?);
    let (Some(part), true) = (ctx.document.selection.part, adds_up(ctx, slot)) else {
        return Some((name, ctx.compared(place, model, &question)));
    };
    let encoded = match ctx.encoded(slot)? {
        Reply::Failed(problem) => return Some((name, Reply::Failed(problem))),
        reply => reply.best().cloned(),
    };
    // Until it is encoded there is nothing to leave out.
    let Some(encoded) = encoded else {
        return Some((name, ctx.compared(place, model, &question)));
    };
    let name = with_levels(ctx, slot, &encoded);
    let tokens = encoded.tokens.up_to(usize::from(part) + 1);
    let question =
        Comparison { original: original_of(ctx, &encoded), tokens, model: model.clone() };
    Some((name, ctx.compared(place, model, &question)))
}

/// Whether the first parts of a tokenizer's tokens decode without those behind them.
fn adds_up(ctx: &ViewCtx<'_>, slot: Slot) -> bool {
    ctx.facts(slot).is_some_and(|facts| facts.best().is_some_and(|facts| facts.facts.prefixes))
}

/// How many parts there are whose last ones can be left out, of the tokenizer that has most; 1 if none can.
fn levels(ctx: &ViewCtx<'_>) -> usize {
    let slots = [Slot::A].into_iter().chain(Slot::OTHERS);
    let counts = slots
        .filter(|slot| adds_up(ctx, *slot))
        .filter_map(|slot| Some(ctx.encoded(slot)?.best()?.tokens.parts().len()));
    counts.max().unwrap_or(1)
}

/// The name of a tokenizer, and how many of its levels are decoded where some are left out.
fn with_levels(ctx: &ViewCtx<'_>, slot: Slot, encoded: &Encoded) -> String {
    let mut name = ctx.document.model(slot).map_or_else(String::new, ModelRef::label);
    if slot == Slot::A {
        name += &by_hand(ctx);
    }
    let all = encoded.tokens.parts().len();
    match ctx.document.selection.part {
        Some(part) if adds_up(ctx, slot) && usize::from(part) + 1 < all => {
            format!("{name} · {} of {all} levels", part + 1)
        }
        _ => name,
    }
}

/// The name of another tokenizer, and whether it has written what A wrote: the same tokens, two pictures.
fn with_same_tokens(ctx: &ViewCtx<'_>, (slot, name): (Slot, &str), first: &Encoded) -> String {
    let encoded = ctx.encoded(slot);
    let tokens = encoded.as_ref().and_then(|reply| reply.best()).map(|encoded| &encoded.tokens);
    // What is edited is A's alone.
    let is_plain = ctx.document.edits.is_empty() && ctx.document.switched_off.is_empty();
    if is_plain && tokens == Some(&first.tokens) {
        format!("{name}, the same tokens as A")
    } else {
        name.to_owned()
    }
}

/// Slides from the first level, or the coarsest scale, alone to all of them.
fn levels_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
    let all = levels(ctx);
    if all < 2 {
        return;
    }
    let now = ctx.document.selection.part.map_or(all, |part| usize::from(part) + 1).min(all);
    let mut wanted = now;
    let slider = egui::Slider::new(&mut wanted, 1..=all)
        .custom_formatter(|value, _| format!("{value} of {all}"))
        .text("levels");
    ui.add(slider).on_hover_text(
        "How many levels, or scales, are decoded; those behind them are left out, and cost no bits",
    );
    if wanted != now {
        ctx.send(Edit::SelectPart((wanted < all).then(|| (wanted - 1) as u16)));
    }
}

fn original(ctx: &ViewCtx<'_>, encoded: &Encoded) -> Shown<'static> {
    let picture = &encoded.picture;
    // Given tokens have none.
    let is_given = ctx.document.image().is_none();
    Shown {
        picture: picture.clone(),
        values: None,
        texture: ctx.textures.picture(picture, Sampling::Pixels),
        name: "Original",
        by: String::new(),
        left: if is_given { "what the tokens decode to" } else { "original" }.to_owned(),
        right: Under::Figures(format!("{}×{}", picture.width(), picture.height())),
    }
}

/// Reconstruction and difference of one tokenizer.
fn side_of(
    ctx: &ViewCtx<'_>,
    compared: &Arc<Compared>,
    (name, first): (&str, &Encoded),
) -> [Shown<'static>; 2] {
    let [w, h] = [compared.reconstruction.width(), compared.reconstruction.height()];
    let is_own_size = [w, h] == [first.picture.width(), first.picture.height()];
    let kind = ctx.document.looks.difference;
    let scale = scale_of(kind);
    [
        Shown {
            picture: compared.reconstruction.clone(),
            values: None,
            texture: ctx.textures.picture(&compared.reconstruction, Sampling::Pixels),
            name: "Reconstruction",
            // Pictures of different sizes are drawn alike large.
            left: if is_own_size { name.to_owned() } else { format!("{name} {w}×{h}") },
            by: String::new(),
            right: Under::Figures(compared_figures(compared)),
        },
        Shown {
            picture: compared.reconstruction.clone(),
            values: Some(Arc::clone(values_of(compared, kind))),
            texture: difference(ctx, compared, kind, scale),
            name: "Difference",
            left: format!("difference, {}", kind.label()),
            by: name.to_owned(),
            right: Under::Scale(scale),
        },
    ]
}

fn values_of(compared: &Compared, kind: DifferenceKind) -> &Arc<[f32]> {
    match kind {
        DifferenceKind::Absolute => &compared.absolute,
        DifferenceKind::Signed => &compared.signed,
        DifferenceKind::Structure => &compared.structure,
    }
}

/// The difference as colors.
fn difference(
    ctx: &ViewCtx<'_>,
    compared: &Arc<Compared>,
    kind: DifferenceKind,
    scale: Scale<'_>,
) -> egui::TextureHandle {
    let values = values_of(compared, kind);
    let picture = &compared.reconstruction;
    let size = [picture.width() as usize, picture.height() as usize];
    let key = (("difference", kind, ctx.theme.choice), Source::of(values));
    let colors = || values.iter().map(|value| (scale.color)(&ctx.theme.maps, *value)).collect();
    ctx.textures.colors(key, size, Sampling::Pixels, colors)
}

impl CompareView {
    /// Pictures side by side, in as many rows as make them largest.
    fn panes_ui(
        &mut self,
        ui: &egui::Ui,
        ctx: &ViewCtx<'_>,
        area: Rect,
        (shown, encoded): (&[Shown<'_>], &Arc<Encoded>),
    ) {
        let size = [encoded.picture.width(), encoded.picture.height()];
        let aspect = size[1] as f32 / size[0].max(1) as f32;
        let width_in = |columns: usize, line: f32| {
            let rows = rows_of(shown.len(), columns);
            let width = (area.width() - space::M * (columns - 1) as f32) / columns as f32;
            let height = (area.height() - space::S * (rows - 1) as f32) / rows as f32 - line;
            width.min(height / aspect).max(16.0)
        };
        let columns = (1..=shown.len())
            .filter(|columns| is_whole(shown.len(), *columns))
            .max_by(|a, b| width_in(*a, 0.0).total_cmp(&width_in(*b, 0.0)))
            .unwrap_or(1);
        // No figure is left out because a picture is small: then all stand in a line of their own.
        let one = ctx.theme.px(24.0);
        let is_in_lines = shown.iter().any(|shown| match &shown.right {
            Under::Figures(figures) => {
                let said = (shown.left.as_str(), figures.as_str());
                !states::caption_fits(ui, ctx, width_in(columns, one), said)
            }
            Under::Scale(_) => false,
        });
        let line = if is_in_lines { ctx.theme.px(54.0) } else { one };
        let width = width_in(columns, line);
        let rows = rows_of(shown.len(), columns);
        let step = vec2(width + space::M, width * aspect + line + space::S);
        let all = vec2(step.x * columns as f32 - space::M, step.y * rows as f32 - space::S);
        let start = area.center() - all / 2.0;
        let count = shown.len();
        for (at, shown) in shown.iter().enumerate() {
            let (column, row) = place_of(at, count, columns);
            let offset = vec2(column as f32 * step.x, row as f32 * step.y);
            let view = Rect::from_min_size(start + offset, vec2(width, width * aspect));
            let id = ui.scope_id().with(("compare pane", at));
            let pane = pane::show(ui, id, (view, size), &mut self.zoom, true);
            pane.response
                .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, shown.name));
            pane.paint(ui, shown.texture.id(), Color32::WHITE);
            shown.menu(&pane.response, ctx);
            hover(ui, ctx, &pane, encoded);
            let under = Rect::from_min_size(view.left_bottom(), vec2(width, line));
            match &shown.right {
                Under::Figures(figures) if is_in_lines => {
                    states::caption_in_lines(ui, ctx, under, &shown.left, figures);
                }
                Under::Figures(figures) => states::caption(ui, ctx, under, &shown.left, figures),
                Under::Scale(scale) => {
                    let under = under.with_max_y(under.top() + one);
                    let rest = scale.ui(ui, ctx, under);
                    states::caption(ui, ctx, rest, &shown.left, "");
                }
            }
        }
    }

    /// One over the other: with a slider between, or the original while the button is held.
    fn over_ui(
        &mut self,
        ui: &egui::Ui,
        ctx: &ViewCtx<'_>,
        area: Rect,
        (encoded, compared, name): (&Arc<Encoded>, &Arc<Compared>, &str),
        with_slider: bool,
    ) {
        let size = [encoded.picture.width(), encoded.picture.height()];
        let line = ctx.theme.px(24.0);
        let (view, under) = area.split_top_bottom_at_y(area.bottom() - line);
        let id = ui.scope_id().with("compare over");
        let pane = pane::show(ui, id, (view, size), &mut self.zoom, !with_slider);
        pane.response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::Image, true, "Original over reconstruction")
        });
        let original = ctx.textures.picture(&encoded.picture, Sampling::Pixels);
        let decoded = ctx.textures.picture(&compared.reconstruction, Sampling::Pixels);
        let held = pane.response.is_pointer_button_down_on();
        let about = format!("reconstruction by {name}, {}", figures_of(compared));
        let taken = format!("reconstruction-{}", name.split([' ', ',']).next().unwrap_or(name));
        picture_menu(&pane.response, ctx, (&taken, &about), &compared.reconstruction);
        if !with_slider {
            let shown = if held { &original } else { &decoded };
            pane.paint(ui, shown.id(), Color32::WHITE);
            let left = if held { "original" } else { name };
            let hint = format!("{} · hold the button to see the original", figures_of(compared));
            states::caption(ui, ctx, under, left, &hint);
            return;
        }
        self.move_divider(ui, &pane);
        pane.paint(ui, decoded.id(), Color32::WHITE);
        let x = pane.picture.left() + self.divider * pane.picture.width();
        let left = pane::Pane {
            view: Rect::from_min_max(view.min, pos2(x, view.bottom())),
            picture: pane.picture,
            response: pane.response.clone(),
        };
        left.paint(ui, original.id(), Color32::WHITE);
        let visible = pane.picture.intersect(view);
        pane.painter(ui).vline(x, visible.y_range(), Stroke::new(2.0, ctx.theme.colors.gold));
        let captions = format!("original | {name}");
        states::caption(ui, ctx, under, &captions, &figures_of(compared));
    }

    /// Drag or arrow keys.
    fn move_divider(&mut self, ui: &egui::Ui, pane: &pane::Pane) {
        let response = &pane.response;
        if (response.dragged() || response.clicked())
            && let Some(at) = response.interact_pointer_pos()
        {
            response.request_focus();
            self.divider = (at.x - pane.picture.left()) / pane.picture.width();
        }
        if response.has_focus() {
            // Otherwise the arrows would carry the focus away.
            let arrows = egui::EventFilter { horizontal_arrows: true, ..Default::default() };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, arrows));
            let step = ui.input(|i| {
                let pressed = |key| f32::from(u8::from(i.key_pressed(key)));
                pressed(egui::Key::ArrowRight) - pressed(egui::Key::ArrowLeft)
            });
            self.divider += step * 0.02;
        }
        self.divider = self.divider.clamp(0.0, 1.0);
    }
}

/// From here on several tokenizers are shown: the original, and each with its difference.
const PAIRED: usize = 5;

/// Columns in which each tokenizer's picture stands above its difference.
fn paired(count: usize) -> usize {
    count.div_ceil(2)
}

/// Whether no difference would come to stand under another tokenizer's picture.
fn is_whole(count: usize, columns: usize) -> bool {
    count < PAIRED || [1, paired(count), count].contains(&columns)
}

fn rows_of(count: usize, columns: usize) -> usize {
    if count >= PAIRED && columns == paired(count) { 2 } else { count.div_ceil(columns) }
}

/// Column and row of a picture; with several tokenizers each stands above its difference.
fn place_of(at: usize, count: usize, columns: usize) -> (usize, usize) {
    if count >= PAIRED && columns == paired(count) {
        return (at.div_ceil(2), usize::from(at > 0 && at.is_multiple_of(2)));
    }
    (at % columns, at / columns)
}

/// The cell under the pointer lights its code everywhere; not where cells have no place.
fn hover(ui: &egui::Ui, ctx: &ViewCtx<'_>, pane: &pane::Pane, encoded: &Encoded) {
    if !is_spatial(ctx, encoded) {
        return;
    }
    let now = ctx.now(encoded);
    let (number, part) = ctx.part(&now);
    let sheet = Sheet::new(number, part, true);
    if let Some(at) = pane.response.hover_pos()
        && let Some(place) = pane.cell_at(at, sheet.rows, sheet.columns)
        && let Some(cell) = sheet.cell(place)
    {
        ctx.hovered.set_cell(cell, sheet.code_at(place));
    }
    hovered_cell(ui, ctx, pane, &sheet);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::ThemeChoice;

    #[test]
    fn the_ends_of_the_scales_say_what_their_last_colors_mean_in_figures_too() {
        for kind in [DifferenceKind::Absolute, DifferenceKind::Signed] {
            let scale = scale_of(kind);
            let last = scale.ends[1].trim_matches(['+', '%', ' ']).parse::<f32>().unwrap() / 100.0;
            assert_eq!((scale.values[1], last), (FULL_DIFFERENCE, FULL_DIFFERENCE), "{kind:?}");
            let maps = crate::look::theme::Theme::new(ThemeChoice::Dark, 1.0, false).maps;
            let map = if kind == DifferenceKind::Signed { &maps.diverging } else { &maps.viridis };
            assert_eq!((scale.color)(&maps, last), map.at(1.0), "{kind:?}");
            assert_ne!((scale.color)(&maps, last * 0.9), map.at(1.0), "{kind:?}");
        }
        let shown = crate::figures::difference::Shown::Absolute;
        let map = crate::figures::difference::difference_map(&[0.2, 0.25], 2, shown).unwrap();
        let last = crate::look::palette::viridis(1.0);
        assert!(map.pixel(0, 0) != Some(last) && map.pixel(1, 0) == Some(last));
    }
}
