//! The right end of a row: what stands there is added from left to right, as it is read, so that Tab walks it so.

use std::fmt::Debug;
use std::hash::Hash;

use egui::{Align, Id, Layout, Rect, Ui, UiBuilder};

use super::fold;

/// The right end of a row. How wide it is, is known by having drawn it: where it becomes another width, the frame is
/// drawn again.
#[derive(Debug, Clone, Copy)]
pub struct End {
    place: Id,
    whole: Rect,
    width: f32,
}

impl End {
    /// That of what is left of a row; `place` tells it from others in the same part of the window.
    pub fn of(ui: &Ui, place: impl Hash + Debug) -> Self {
        Self::within(ui, ui.scope_id().with(place), ui.available_rect_before_wrap())
    }

    /// That of a row that is this rectangle.
    pub fn within(ui: &Ui, place: Id, whole: Rect) -> Self {
        let width = ui.data(|data| data.get_temp(place)).unwrap_or(0.0);
        Self { place, whole, width }
    }

    /// The row.
    pub fn whole(&self) -> Rect {
        self.whole
    }

    /// How wide it became when it was drawn last.
    pub fn width(&self) -> f32 {
        self.width
    }

    /// Draws what stands before it, from left to right, in the room that it leaves.
    pub fn before<R>(&self, ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
        let gap = if self.width > 0.0 { ui.spacing().item_spacing.x } else { 0.0 };
        let right = (self.whole.right() - self.width - gap).max(self.whole.left());
        Self::part(ui, "before the end", self.whole.with_max_x(right), content).0
    }

    /// Draws it; gives what came of it, and how wide it became.
    pub fn ui<R>(self, ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> (R, f32) {
        let left = self.whole.right() - self.width;
        let (inner, width) = Self::part(ui, "end", self.whole.with_min_x(left), content);
        if (width - self.width).abs() > 0.5 {
            ui.data_mut(|data| data.insert_temp(self.place, width));
            fold::again(ui.ctx());
        }
        (inner, width)
    }

    fn part<R>(
        ui: &mut Ui,
        salt: &str,
        place: Rect,
        content: impl FnOnce(&mut Ui) -> R,
    ) -> (R, f32) {
        let layout = Layout::left_to_right(Align::Center);
        let builder = UiBuilder::new().id_salt(salt).max_rect(place).layout(layout);
        let part = ui.scope_builder(builder, content);
        let right = part.response.rect.right();
        (part.inner, (right - place.left()).max(0.0))
    }
}
