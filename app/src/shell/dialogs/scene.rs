//! A scene starts over a picture of one's own: whose picture is it about?

use egui::Ui;

use super::parts::{Answer, primary, title};
use crate::files::scenes::Scene;
use crate::look::theme::{Theme, space};

pub(super) fn ui(ui: &mut Ui, theme: &Theme, scene: &Scene) -> Option<Answer> {
    ui.set_max_width(theme.px(480.0));
    title(ui, theme, &format!("Start {} with your picture?", scene.title));
    ui.label("The scene was made with a picture of its own; it works with yours as well.");
    ui.label(theme.label("What you did to yours stays with it, whichever you choose."));
    ui.add_space(space::M);
    ui.horizontal_wrapped(|ui| {
        let keep = ui.add(primary(theme, "Keep my picture")).clicked();
        let load = ui.button("Load the scene's").clicked();
        let cancel = ui.button("Cancel").clicked();
        match (keep, load, cancel) {
            (true, ..) => Some(Answer::Scene(Box::new(scene.clone()), true)),
            (_, true, _) => Some(Answer::Scene(Box::new(scene.clone()), false)),
            (.., true) => Some(Answer::Close),
            _ => None,
        }
    })
    .inner
}
