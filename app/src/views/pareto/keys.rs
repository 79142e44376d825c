//! Points and bars by keys alone: arrows lead from one to the next.

use egui::{EventFilter, Key, Response};

use crate::widgets::keys::has_keys;

/// The place among `count` where keys stand: arrows lead there from `at` while `response` has the focus.
pub(super) fn stepped(
    ui: &egui::Ui,
    response: &Response,
    count: usize,
    at: Option<usize>,
) -> Option<usize> {
    if !has_keys(ui, response) || count == 0 {
        return None;
    }
    // Otherwise the arrows would carry the focus away.
    let arrows = EventFilter { horizontal_arrows: true, ..EventFilter::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, arrows));
    let step = ui.input(|input| {
        let pressed = |key| input.num_presses(key) as i64;
        pressed(Key::ArrowRight) - pressed(Key::ArrowLeft)
    });
    next(step, count, at)
}

fn next(step: i64, count: usize, at: Option<usize>) -> Option<usize> {
    let last = count.checked_sub(1)?;
    match (step, at) {
        (0, at) => at.map(|at| at.min(last)),
        (1.., None) => Some(0),
        (_, None) => Some(last),
        (_, Some(at)) => Some(at.saturating_add_signed(step as isize).min(last)),
    }
}

/// Whether the pointer is at work on it now: then it says what is meant, and not where keys stood.
pub(super) fn is_pointed(ui: &egui::Ui, response: &Response) -> bool {
    let is_moving =
        |input: &egui::InputState| input.pointer.is_moving() || input.pointer.any_pressed();
    response.hovered() && ui.input(is_moving)
}

/// The bar that is meant, by keys or by the pointer; where keys stand is kept beside it.
pub(super) fn bar(
    ui: &egui::Ui,
    response: &Response,
    count: usize,
    under: Option<usize>,
) -> Option<usize> {
    let id = response.id.with("by keys");
    let known = ui.data(|data| data.get_temp::<usize>(id));
    let known = known.filter(|_| !is_pointed(ui, response));
    let found = stepped(ui, response, count, known);
    ui.data_mut(|data| {
        if let Some(at) = found {
            data.insert_temp(id, at);
        } else {
            data.remove::<usize>(id);
        }
    });
    found.or(under)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_begin_at_either_end_and_stop_there() {
        assert_eq!(next(1, 3, None), Some(0));
        assert_eq!(next(-1, 3, None), Some(2));
        assert_eq!(next(0, 3, None), None, "nothing is meant before a key is pressed");
        assert_eq!((next(1, 3, Some(2)), next(-1, 3, Some(0))), (Some(2), Some(0)));
        assert_eq!(next(0, 2, Some(5)), Some(1), "of what is fewer by now, the last");
        assert_eq!(next(1, 0, Some(0)), None);
    }
}
