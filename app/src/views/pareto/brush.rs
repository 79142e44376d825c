//! Points that are kept by a rectangle over the plot, while all others fade: by its corners of now, but as points, so
//! that they are the same ones over another axis.

use egui::{PointerButton, Rect, Response};

use super::marks::{Key, Mark};
use crate::look::words::counted;

/// Which points are kept.
#[derive(Debug, Default)]
pub(super) struct Brush {
    /// None keeps all.
    kept: Option<Vec<Key>>,
}

impl Brush {
    /// Whether some points are kept, and others not.
    pub(super) fn is_on(&self) -> bool {
        self.kept.is_some()
    }

    /// Keeps these points; none of them changes nothing, as nothing would be left to be seen.
    pub(super) fn keep(&mut self, keys: Vec<Key>) {
        if !keys.is_empty() {
            self.kept = Some(keys);
        }
    }

    /// Gives all back.
    pub(super) fn clear(&mut self) {
        self.kept = None;
    }

    /// The points that are kept.
    pub(super) fn within(&self, marks: &[Mark]) -> Vec<Mark> {
        let is_kept = |mark: &&Mark| self.kept.as_ref().is_none_or(|kept| kept.contains(&mark.key));
        marks.iter().filter(is_kept).cloned().collect()
    }

    /// Keeps what lies between two points, with both: the rectangle of which they are corners.
    pub(super) fn keep_between(&mut self, marks: &[Mark], picked: &[Key]) {
        let at = |key: &Key| {
            let mark = marks.iter().find(|mark| mark.key == *key)?;
            Some((mark.rate, mark.quality))
        };
        let [one, other] = picked else { return };
        let (Some(one), Some(other)) = (at(one), at(other)) else { return };
        let is_in = |value: f64, (a, b): (f64, f64)| (a.min(b)..=a.max(b)).contains(&value);
        let is_between = |mark: &&Mark| {
            is_in(mark.rate, (one.0, other.0)) && is_in(mark.quality, (one.1, other.1))
        };
        self.keep(marks.iter().filter(is_between).map(|mark| mark.key.clone()).collect());
    }
}

/// "12 of 40 points".
pub(super) fn words(within: usize, all: usize) -> String {
    format!("{within} of {}", counted(all, "point"))
}

/// The rectangle that is being drawn, within `area`, and whether it is done.
pub(super) fn drawn(response: &Response, area: Rect) -> Option<(Rect, bool)> {
    let is_drawn = response.dragged_by(PointerButton::Primary);
    let is_done = response.drag_stopped_by(PointerButton::Primary);
    if !is_drawn && !is_done {
        return None;
    }
    let from = response.ctx.data(|data| data.get_temp::<egui::Pos2>(response.id));
    let to = response.interact_pointer_pos()?;
    Some((Rect::from_two_pos(from?, to).intersect(area), is_done))
}

/// Keeps in mind where a rectangle begins.
pub(super) fn begin(response: &Response) {
    let from = response.ctx.input(|input| input.pointer.press_origin());
    if let Some(from) = from.filter(|_| response.drag_started_by(PointerButton::Primary)) {
        response.ctx.data_mut(|data| data.insert_temp(response.id, from));
    }
}

#[cfg(test)]
mod tests {
    use super::super::marks::Shape;
    use super::*;
    use egui::Color32;

    fn mark(line: usize, rate: f64, quality: f64) -> Mark {
        Mark {
            key: Key::Published(None, line),
            label: String::new(),
            group: String::new(),
            rate,
            quality,
            ends: None,
            color: Color32::WHITE,
            shape: Shape::Ring,
            is_small: false,
            unlike: None,
        }
    }

    #[test]
    fn what_is_kept_is_kept_over_another_axis_and_nothing_is_not_kept_alone() {
        let marks = [mark(0, 0.1, 20.0), mark(1, 0.2, 30.0), mark(2, 0.4, 25.0)];
        let mut brush = Brush::default();
        let lines = |brush: &Brush, marks: &[Mark]| -> Vec<f64> {
            brush.within(marks).iter().map(|mark| mark.rate).collect()
        };
        brush.keep(Vec::new());
        assert_eq!(lines(&brush, &marks), [0.1, 0.2, 0.4], "an empty rectangle keeps all");
        brush.keep_between(&marks, &[marks[2].key.clone(), marks[0].key.clone()]);
        assert_eq!(lines(&brush, &marks), [0.1, 0.4], "30 lies above both");
        let other_axis = [mark(0, 0.1, 0.9), mark(1, 0.2, 0.1), mark(2, 0.4, 0.2)];
        assert_eq!(lines(&brush, &other_axis), [0.1, 0.4]);
        brush.clear();
        assert_eq!(lines(&brush, &marks).len(), 3);
    }
}
