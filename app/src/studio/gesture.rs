//! Which changes are one step of undo: those of one gesture of the pointer. Views tell in one frame what is applied
//! at the start of the next, that of the release among it.

use super::Studio;
use super::begun::Gesture;

impl Studio {
    /// What views told in the last frame is applied; from here on it is this frame.
    pub(super) fn go_on_with_gesture(&mut self, ctx: &egui::Context) {
        if self.desk.gesture.has_ended {
            self.history.finish_interaction();
        }
        self.desk.gesture = ctx.input(|input| {
            let has_ended = input.pointer.any_released();
            Gesture { goes_on: has_ended || input.pointer.any_down(), has_ended }
        });
    }
}
