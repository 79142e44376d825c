//! Dataset: thumbnails of the set that images are picked from.
//!
//! Only the rows that are visible ask the engine, so a set of a million costs as much as one of ten.

use std::sync::Arc;

use egui::{CornerRadius, Key, Rect, Sense, Stroke, StrokeKind, pos2, vec2};
use smalti_engine::answers::{ImageRef, SourceFacts, SourceInfo, SourceRef, Thumbnail};
use smalti_engine::session::Reply;

use super::{View, ViewCtx, ViewId};
use crate::document::Open;
use crate::shell::theme::{RADIUS_PICTURE, space};
use crate::textures::Sampling;

/// Pixels of a thumbnail that is asked for; drawn smaller.
const SIDE: u32 = 160;
/// A thumbnail is at least this wide, in points.
const LEAST: f32 = 72.0;

/// The Dataset view.
#[derive(Debug, Default)]
pub(super) struct DatasetView {
    /// Sets that were opened from files, so that the way back is a click.
    opened: Vec<SourceRef>,
}

impl View for DatasetView {
    fn id(&self) -> ViewId {
        ViewId::Dataset
    }

    fn bar_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let source = &ctx.document.source;
        let facts = facts_of(ctx, source);
        let count = facts.best().map(|f| format!(" · {}", grouped(f.len))).unwrap_or_default();
        let label = format!("{}{count}", name_of(source));
        ui.menu_button(ctx.theme.label(label), |ui| self.sources_ui(ui, ctx));
    }

    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let source = ctx.document.source.clone();
        if matches!(source, SourceRef::Path { .. }) && !self.opened.contains(&source) {
            self.opened.push(source.clone());
        }
        match facts_of(ctx, &source) {
            Reply::Ready(facts) | Reply::Working { last: Some(facts), .. } => {
                thumbnails_ui(ui, ctx, &source, &facts);
            }
            Reply::Working { last: None, .. } => {
                ui.label(ctx.theme.label("Opening the set…"));
            }
            Reply::Failed(problem) => {
                ui.label(egui::RichText::new(&problem.summary).color(ctx.theme.colors.danger));
                ui.label(ctx.theme.label(&problem.hint));
                if ui.button("Show the samples").clicked() {
                    ctx.send(Open::Source(SourceRef::Samples));
                }
            }
        }
    }
}

impl DatasetView {
    fn sources_ui(&self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let known = [SourceRef::Samples, SourceRef::Worlds { seed: 1 }];
        for source in known.iter().chain(&self.opened) {
            let picked = *source == ctx.document.source;
            if ui.selectable_label(picked, name_of(source)).clicked() {
                ctx.send(Open::Source(source.clone()));
            }
        }
        ui.label(ctx.theme.label("A folder or .tar: drop it on the window"));
    }
}

/// What is known of a set. Each has a place of its own: images of another one must not be shown
/// under its name.
fn facts_of(ctx: &ViewCtx<'_>, source: &SourceRef) -> Reply<SourceFacts> {
    ctx.ask(("dataset", source), &SourceInfo { source: source.clone() })
}

/// What a set is called in the bar.
fn name_of(source: &SourceRef) -> String {
    match source {
        SourceRef::Samples => "samples".to_owned(),
        SourceRef::Worlds { .. } => "Worlds".to_owned(),
        SourceRef::Path { path, .. } => {
            path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
        }
    }
}

/// 1000000 as "1 000 000", with spaces that do not break.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{a0}');
        }
        out.push(digit);
    }
    out
}

fn thumbnails_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    source: &SourceRef,
    facts: &Arc<SourceFacts>,
) {
    if facts.len == 0 {
        ui.label(ctx.theme.label("There are no images in this set"));
        return;
    }
    let current = match &ctx.document.image {
        Some(ImageRef::InSource { source: of, index }) if of == source => Some(*index),
        _ => None,
    };
    let least = ctx.theme.px(LEAST);
    // Room for the scroll bar is left on the right.
    let width = (ui.available_width() - space::S).max(least);
    let columns = ((width + space::S) / (least + space::S)).floor().max(1.0) as u64;
    let side = (width - space::S * (columns - 1) as f32) / columns as f32;
    let rows = facts.len.div_ceil(columns);
    let focus = step_by_keys(ui, ctx, source, facts.len, columns, current);
    let mut area = egui::ScrollArea::vertical().auto_shrink(false).id_salt("thumbnails");
    if let Some(index) = focus {
        let top = (index / columns) as f32 * (side + space::S);
        area = area.vertical_scroll_offset((top - side).max(0.0));
    }
    ui.spacing_mut().item_spacing = vec2(space::S, space::S);
    // Scroll positions are 32-bit: beyond some ten thousand rows a pixel would be skipped.
    let shown_rows = rows.min(50_000) as usize;
    area.show_rows(ui, side, shown_rows, |ui, visible| {
        for row in visible {
            let (line, _) = ui.allocate_exact_size(vec2(width, side), Sense::hover());
            for column in 0..columns {
                let index = row as u64 * columns + column;
                if index >= facts.len {
                    break;
                }
                let left = line.left() + column as f32 * (side + space::S);
                let rect = Rect::from_min_size(pos2(left, line.top()), vec2(side, side));
                thumbnail_ui(ui, ctx, rect, source, (index, current == Some(index)));
            }
        }
    });
}

fn thumbnail_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    rect: Rect,
    source: &SourceRef,
    (index, is_current): (u64, bool),
) {
    let image = ImageRef::InSource { source: source.clone(), index };
    let response = ui.interact(rect, ui.scope_id().with(("thumbnail", index)), Sense::click());
    response.widget_info(|| {
        egui::WidgetInfo::selected(
            egui::Role::Button,
            true,
            is_current,
            format!("Image {}", index + 1),
        )
    });
    let colors = &ctx.theme.colors;
    let radius = CornerRadius::same(RADIUS_PICTURE);
    let reply = ctx.ask_soon(("thumbnail", index), &Thumbnail { image: image.clone(), side: SIDE });
    match &reply {
        Reply::Ready(picture) => {
            let texture = ctx.textures.picture(picture, Sampling::Smooth);
            egui::Image::new((texture.id(), rect.size())).corner_radius(radius).paint_at(ui, rect);
        }
        Reply::Working { .. } => {
            ui.painter().rect_filled(rect, radius, colors.raised);
        }
        Reply::Failed(_) => {
            ui.painter().rect_filled(rect, radius, colors.raised);
            ui.painter().line_segment(
                [
                    rect.shrink(side_inset(rect)).left_top(),
                    rect.shrink(side_inset(rect)).right_bottom(),
                ],
                Stroke::new(1.5, colors.danger),
            );
        }
    }
    if is_current {
        ui.painter().rect_stroke(rect, radius, Stroke::new(3.0, colors.gold), StrokeKind::Inside);
    } else if response.hovered() || response.has_focus() {
        ui.painter().rect_stroke(rect, radius, Stroke::new(1.5, colors.text), StrokeKind::Inside);
    }
    if response.clicked() {
        ctx.send(Open::Image(image.clone()));
    }
    response.on_hover_ui(|ui| about_ui(ui, ctx, &image, &reply, index));
}

fn side_inset(rect: Rect) -> f32 {
    rect.width() * 0.3
}

/// Name and caption; the picture itself was loaded for the thumbnail.
fn about_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    image: &ImageRef,
    reply: &Reply<smalti_engine::images::Picture>,
    index: u64,
) {
    if let Some(problem) = reply.problem() {
        ui.label(problem.summary.clone());
        ui.label(ctx.theme.label(&problem.hint));
        return;
    }
    let question = smalti_engine::answers::LoadImage { image: image.clone(), paint_side: SIDE };
    match ctx.ask_soon(("about", index), &question).best() {
        Some(loaded) => {
            ui.label(loaded.name.clone());
            if let Some(caption) = &loaded.caption {
                ui.label(ctx.theme.label(caption));
            } else if let Some(class) = &loaded.class {
                ui.label(ctx.theme.label(class));
            }
        }
        None => {
            ui.label(ctx.theme.label(format!("image {}", index + 1)));
        }
    }
}

/// Arrow keys move the picked image while the pointer is over the view and they are not needed to
/// move the focus; gives the new index.
fn step_by_keys(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    source: &SourceRef,
    len: u64,
    columns: u64,
    current: Option<u64>,
) -> Option<u64> {
    let current = current?;
    // The view's own size is known only after it was drawn: it is the place that it may take.
    let is_here = ui.rect_contains_pointer(ui.max_rect().intersect(ui.clip_rect()));
    if !is_here || ui.memory(|memory| memory.focused().is_some()) {
        return None;
    }
    let step = ui.input(|input| {
        let pressed = |key| i64::from(input.key_pressed(key));
        pressed(Key::ArrowRight) - pressed(Key::ArrowLeft)
            + columns as i64 * (pressed(Key::ArrowDown) - pressed(Key::ArrowUp))
    });
    let next = current.checked_add_signed(step).filter(|next| step != 0 && *next < len)?;
    ctx.send(Open::Image(ImageRef::InSource { source: source.clone(), index: next }));
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped_by_three() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(100_000), "100\u{a0}000");
        assert_eq!(grouped(1_234_567), "1\u{a0}234\u{a0}567");
    }
}
