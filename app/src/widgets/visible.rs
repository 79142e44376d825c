//! Long lists of things of any height: only those that are seen, and some around them, are drawn.

use egui::{Id, Rect, Ui, vec2};

/// The height that something had when it was drawn last, and the width and text size that it was drawn in.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Known {
    width: f32,
    text: f32,
    height: f32,
}

/// Draws something of a list, or leaves out as much room as it took when it was drawn last, where it is out of sight.
/// A screen above and below is drawn as well, so that Tab leads on.
pub fn ui(ui: &mut Ui, id: Id, draw: impl FnOnce(&mut Ui)) {
    let (width, text) = (ui.available_width(), ui.text_style_height(&egui::TextStyle::Body));
    let known: Option<Known> = ui.data(|data| data.get_temp(id));
    let is_as_it_was = |known: &Known| (known.width, known.text) == (width, text);
    if let Some(known) = known.filter(is_as_it_was) {
        let place = Rect::from_min_size(ui.cursor().min, vec2(width, known.height));
        let seen = ui.clip_rect();
        if !seen.expand(seen.height()).intersects(place) {
            ui.allocate_space(place.size());
            return;
        }
    }
    let height = ui.scope(draw).response.rect.height();
    ui.data_mut(|data| data.insert_temp(id, Known { width, text, height }));
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Draws a hundred things of several heights, scrolled so far down; which ones were drawn, and the height of all.
    fn frame(ctx: &egui::Context, offset: f32) -> (Vec<usize>, f32) {
        let (drawn, height) = (RefCell::new(Vec::new()), RefCell::new(0.0));
        let row = |list: &mut Ui, number: usize| {
            ui(list, Id::unique(("row", number)), |row| {
                drawn.borrow_mut().push(number);
                row.allocate_space(vec2(100.0, 20.0 + (number % 3) as f32 * 10.0));
            });
        };
        let screen = Rect::from_min_size(egui::Pos2::ZERO, vec2(300.0, 200.0));
        let input = egui::RawInput { screen_rect: Some(screen), ..Default::default() };
        drop(ctx.run_ui(input, |root| {
            let area = egui::ScrollArea::vertical().vertical_scroll_offset(offset);
            let shown = area.show(root, |list| (0..100).for_each(|number| row(list, number)));
            *height.borrow_mut() = shown.content_size.y;
        }));
        (drawn.into_inner(), height.into_inner())
    }

    #[test]
    fn of_a_long_list_what_is_near_is_drawn_and_all_of_it_takes_its_room() {
        let ctx = egui::Context::default();
        let (all, height) = frame(&ctx, 0.0);
        // A first frame may take more than one pass.
        assert!((0..100).all(|number| all.contains(&number)), "{all:?}");
        for (offset, seen) in [(0.0, 0), (2_000.0, 60)] {
            let (drawn, now) = frame(&ctx, offset);
            assert!(drawn.contains(&seen) && drawn.len() < 40, "{offset}: {drawn:?}");
            assert!((now - height).abs() < 1.0, "{now} instead of {height}");
        }
    }
}
