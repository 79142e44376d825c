//! A scene starts over a picture of one's own: whose picture is it about?

use egui::Ui;

use super::parts::{Answer, default_button, keep_keyboard, title};
use crate::files::scenes::Scene;
use crate::look::theme::{Theme, space};

pub(super) fn ui(ui: &mut Ui, theme: &Theme, scene: &Scene) -> Option<Answer> {
    ui.set_max_width(theme.px(480.0));
    title(ui, theme, &format!("Start {} with your picture?", scene.title));
    ui.label("The scene was made with a picture of its own; it works with yours as well.");
    ui.label(theme.label("What you did to yours stays with it, whichever you choose."));
    ui.add_space(space::M);
    ui.horizontal_wrapped(|ui| {
        let keep = default_button(ui, theme, true, "Keep my picture");
        let load = ui.button("Load the scene's").clicked();
        let cancel = ui.button("Cancel").clicked();
        keep_keyboard(ui, &keep.response);
        match (load, cancel, keep.is_pressed) {
            (true, ..) => Some(Answer::Scene(Box::new(scene.clone()), false)),
            (_, true, _) => Some(Answer::Close),
            (.., true) => Some(Answer::Scene(Box::new(scene.clone()), true)),
            _ => None,
        }
    })
    .inner
}
