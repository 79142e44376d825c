//! Which changes are one step of undo: those of one gesture of the pointer. Views tell in one frame what is applied
//! at the start of the next, that of the release among it.

use super::Studio;

/// The pointer in the frame in which what is being applied was told.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Gesture {
    /// A button was down, or was released in it.
    pub(super) goes_on: bool,
    /// A button was released in it: what comes later is another gesture.
    has_ended: bool,
}

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
