//! Two pictures at one place: with a slider between them, or one while the button is held.

use egui::{Color32, Key, Rect, Stroke, pos2, vec2};

use super::captions::Caption;
use super::panes::content_ui;
use super::shown::Shown;
use crate::ctx::ViewCtx;
use crate::document::Pair;
use crate::look::theme::space;
use crate::widgets::keys::has_keys;
use crate::widgets::letter;
use crate::widgets::pane::{self, Framed, Pane, Zoom};

/// How far an arrow key moves the slider, as a share of the picture.
const STEP: f32 = 0.02;

/// Two pictures over each other.
#[derive(Debug)]
pub(super) struct Over {
    /// Where the slider stands, 0 to 1 of the picture's width.
    divider: f32,
    /// Whether the menu that is open is of the left picture.
    is_menu_left: bool,
}

impl Default for Over {
    fn default() -> Self {
        Self { divider: 0.5, is_menu_left: false }
    }
}

/// What lies over each other.
pub(super) struct Two {
    pub(super) pair: Pair,
    pub(super) left: Shown,
    pub(super) right: Shown,
    /// Pixels of the original.
    pub(super) size: [u32; 2],
}

impl Over {
    /// Draws them with a slider between, or in turn.
    pub(super) fn ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        (area, zoom): (Rect, &mut Zoom),
        mut two: Two,
        with_slider: bool,
    ) {
        let half = (area.width() - space::XL) / 2.0;
        let lines =
            two.left.caption.lines(ui, ctx, half).max(two.right.caption.lines(ui, ctx, half));
        let below = Caption::height(ctx, lines);
        let room = vec2(area.width(), (area.height() - below).max(16.0));
        let fit = pane::fit(room, two.size);
        let view = pane::grown(two.size, fit, zoom, room);
        let top = area.top() + (room.y - view.y) / 2.0;
        let corner = pos2(area.center().x - view.x / 2.0, top);
        let view = Rect::from_min_size(corner, view);
        let id = ui.scope_id().with("compare over");
        let framed = Framed { view, size: two.size, fit };
        let pane = pane::show(ui, id, framed, zoom, !with_slider);
        let is_left = if with_slider {
            self.slider_ui(ui, ctx, &pane, &two);
            None
        } else {
            Some(swap_ui(ui, ctx, &pane, &two))
        };
        two.left.caption.is_lit = is_left == Some(true);
        two.right.caption.is_lit = is_left == Some(false);
        // Wide enough for both captions where the picture is narrow.
        let width = view.width().max(area.width().min(wanted(ui, ctx, &two)));
        // From the picture's own edge on, as far as there is room.
        let left = view.left().min(area.right() - width).max(area.left());
        let half = (width - space::XL) / 2.0;
        for (shown, x) in [(&two.left, left), (&two.right, left + width - half)] {
            let under = Rect::from_min_size(pos2(x, view.bottom()), vec2(half, below));
            shown.caption.ui(ui, ctx, under);
        }
    }

    fn slider_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, pane: &Pane, two: &Two) {
        self.move_divider(ui, pane);
        let x = pane.picture.left() + self.divider * pane.picture.width();
        let part = |left: f32, right: f32| Pane {
            view: Rect::from_min_max(
                pos2(left.clamp(pane.view.left(), pane.view.right()), pane.view.top()),
                pos2(right.clamp(pane.view.left(), pane.view.right()), pane.view.bottom()),
            ),
            picture: pane.picture,
            response: pane.response.clone(),
        };
        let (left, right) = (part(pane.view.left(), x), part(x, pane.view.right()));
        if pane.response.secondary_clicked() {
            let at = pane.response.interact_pointer_pos();
            self.is_menu_left = at.is_some_and(|at| at.x < x);
        }
        for (part, shown) in [(&left, &two.left), (&right, &two.right)] {
            content_ui(ui, ctx, part, shown);
        }
        let of_menu = if self.is_menu_left { &two.left } else { &two.right };
        of_menu.menu(&pane.response, ctx);
        name_ui(pane, "Slider", two.pair);
        edge_ui(ui, ctx, pane, (x, two.pair));
    }

    /// Drag or arrow keys.
    fn move_divider(&mut self, ui: &egui::Ui, pane: &Pane) {
        let response = &pane.response;
        let is_moved = response.dragged_by(egui::PointerButton::Primary) || response.clicked();
        if is_moved && let Some(at) = response.interact_pointer_pos() {
            response.request_focus();
            self.divider = (at.x - pane.picture.left()) / pane.picture.width();
        }
        if has_keys(ui, response) {
            // Otherwise the arrows would carry the focus away.
            let arrows = egui::EventFilter { horizontal_arrows: true, ..Default::default() };
            ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, arrows));
            let step = ui.input(|i| {
                let pressed = |key| i.num_presses(key) as f32;
                pressed(Key::ArrowRight) - pressed(Key::ArrowLeft)
            });
            self.divider += step * STEP;
        }
        self.divider = self.divider.clamp(0.0, 1.0);
    }
}

/// The right one, and the left one while the button is held, or the space bar over it; gives whether it is.
fn swap_ui(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, pane: &Pane, two: &Two) -> bool {
    let response = &pane.response;
    let is_button = response.is_pointer_button_down_on() && ui.input(|i| i.pointer.primary_down());
    // What has the keyboard elsewhere, such as the grid of tokens, takes the space bar for itself.
    let is_free =
        ui.memory(|memory| memory.focused().is_none()) && !egui::Popup::is_any_open(ui.ctx());
    let is_meant = has_keys(ui, response) || (is_free && response.contains_pointer());
    let is_key = is_meant && !ui.ctx().text_edit_focused() && ui.input(|i| i.key_down(Key::Space));
    let is_left = is_button || is_key;
    let shown = if is_left { &two.left } else { &two.right };
    content_ui(ui, ctx, pane, shown);
    shown.menu(response, ctx);
    name_ui(pane, "Swap", two.pair);
    is_left
}

/// What both are together, for those who cannot see it.
fn name_ui(pane: &Pane, mode: &str, pair: Pair) {
    let name = format!("{mode} of {}", pair.label());
    pane.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
}

/// The line between two pictures, each half of it in the hue of its picture, with their letters.
fn edge_ui(ui: &egui::Ui, ctx: &ViewCtx<'_>, pane: &Pane, (x, pair): (f32, Pair)) {
    let theme = ctx.theme;
    let seen = pane.picture.intersect(pane.view);
    if !seen.x_range().contains(x) {
        return;
    }
    let painter = pane.painter(ui);
    let hue = |slot: Option<_>| slot.map_or(Color32::WHITE, |slot| letter::hue(theme, slot));
    painter.vline(x, seen.y_range(), Stroke::new(5.0, Color32::from_black_alpha(110)));
    painter.vline(x - 1.0, seen.y_range(), Stroke::new(2.0, hue(pair.left)));
    painter.vline(x + 1.0, seen.y_range(), Stroke::new(2.0, hue(Some(pair.right))));
    let size = letter::size(theme);
    let y = seen.top() + space::S;
    if let Some(slot) = pair.left {
        let square = Rect::from_min_size(pos2(x - 2.0 - size.x, y), size);
        letter::paint(&painter, theme, slot, square);
    }
    letter::paint(&painter, theme, pair.right, Rect::from_min_size(pos2(x + 2.0, y), size));
}

/// The room that both captions take in one line each.
fn wanted(ui: &egui::Ui, ctx: &ViewCtx<'_>, two: &Two) -> f32 {
    let each = [&two.left, &two.right].map(|shown| shown.caption.whole_width(ui, ctx));
    2.0 * each[0].max(each[1]) + space::XL
}
