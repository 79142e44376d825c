//! A row of the palette: what it is called, what it is, its keys, or why it cannot be done now.

use egui::{Rect, Response, Sense, Stroke, Ui, vec2};

use super::item::Item;
use crate::look::theme::{RADIUS_BUTTON, Theme, space};

/// Its height, before text is scaled.
pub(super) const HEIGHT: f32 = 28.0;

/// A row.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// What stands in it.
    pub(super) item: &'a Item,
    /// Whether Enter does it.
    pub(super) is_picked: bool,
}

impl Row<'_> {
    /// Draws it in the width that there is.
    pub(super) fn ui(&self, ui: &mut Ui, theme: &Theme) -> Response {
        let (item, colors) = (self.item, &theme.colors);
        let size = vec2(ui.available_width(), theme.px(HEIGHT));
        // The field keeps the keyboard: rows are picked by its arrow keys.
        let (rect, response) = ui.allocate_exact_size(size, Sense::CLICK);
        let can = item.does.is_ok();
        let label = self.label();
        response.widget_info(|| {
            egui::WidgetInfo::selected(egui::Role::Button, can, self.is_picked, &label)
        });
        let painter = ui.painter();
        if self.is_picked || response.hovered() {
            painter.rect_filled(rect, RADIUS_BUTTON, colors.hover);
        }
        if self.is_picked {
            let mark =
                Rect::from_min_size(rect.min + vec2(0.0, 6.0), vec2(2.0, rect.height() - 12.0));
            painter.rect_filled(mark, 1.0, colors.gold);
        }
        let (title, right) = self.sides();
        let most = rect.width() * if can { 0.4 } else { 0.6 };
        let right = one_line(ui, right, theme.small(), colors.dim, most);
        let end = rect.right() - space::S - right.size().x;
        let at = egui::pos2(end, rect.center().y - right.size().y / 2.0);
        painter.galley(at, right, colors.dim);
        let left = rect.left() + space::XL;
        if item.is_on == Some(true) {
            let at = egui::pos2(rect.left() + space::M, rect.center().y);
            let hook = [at + vec2(-4.0, 0.0), at + vec2(-1.0, 3.0), at + vec2(4.0, -4.0)];
            painter.line(hook.to_vec(), Stroke::new(1.5, colors.gold));
        }
        let color = if can { colors.text } else { colors.faint };
        let room = (end - left - space::M).max(40.0);
        let title = one_line(ui, title, theme.body(), color, room);
        painter.galley(egui::pos2(left, rect.center().y - title.size().y / 2.0), title, color);
        if item.about.is_empty() { response } else { response.on_hover_text(&item.about) }
    }

    /// What stands at the left, and at the right.
    fn sides(&self) -> (String, String) {
        let item = self.item;
        let right = match &item.does {
            Err(why) => why.clone(),
            Ok(_) if item.keys.is_empty() => item.kind.to_owned(),
            Ok(_) => item.keys.clone(),
        };
        (item.title.clone(), right)
    }

    /// As it is read aloud.
    fn label(&self) -> String {
        let Item { title, kind, does, is_on, .. } = self.item;
        let on = match is_on {
            Some(true) => ", on",
            Some(false) => ", off",
            None => "",
        };
        let why = does.as_ref().err().map(|why| format!(", not now: {why}")).unwrap_or_default();
        format!("{title}, {kind}{on}{why}")
    }
}

/// A text in one line, with its end left out where there is no room.
fn one_line(
    ui: &Ui,
    text: String,
    font: egui::FontId,
    color: egui::Color32,
    room: f32,
) -> std::sync::Arc<egui::Galley> {
    let mut job = egui::text::LayoutJob::simple_singleline(text, font, color);
    job.wrap = egui::text::TextWrapping::truncate_at_width(room);
    ui.fonts_mut(|fonts| fonts.layout_job(job))
}
