//! Scenes by name: shipped ones, and each view alone.

use crate::files::scenes::Scene;
use crate::views;

/// A shipped scene, or what the first scene loads with one view alone in the window, by name.
pub fn named(name: &str) -> Option<Scene> {
    Scene::shipped(name).or_else(|| {
        let view = views::named(name)?;
        Some(Scene::alone(view.id, view.title))
    })
}
