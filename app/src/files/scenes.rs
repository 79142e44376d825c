//! Scenes: what is where, what is loaded, and what a lecturer says. Files in `layouts/` (RON).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use smalti_engine::questions::SourceRef;

use crate::document::{Looks, Panel, Secret, ViewId};

/// The scenes that come with Smalti: name and text.
const SHIPPED: [(&str, &str); 9] = [
    ("studio", include_str!("../../../layouts/studio.ron")),
    ("compare", include_str!("../../../layouts/compare.ron")),
    ("codebook", include_str!("../../../layouts/codebook.ron")),
    ("generate", include_str!("../../../layouts/generate.ron")),
    ("var", include_str!("../../../layouts/var.ron")),
    ("race", include_str!("../../../layouts/race.ron")),
    ("collapse", include_str!("../../../layouts/collapse.ron")),
    ("rate", include_str!("../../../layouts/rate.ron")),
    ("landscape", include_str!("../../../layouts/landscape.ron")),
];

/// Choices beyond this have no number key.
const MOST_CHOICES: usize = 9;

/// One thing to say, and what is seen with it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caption {
    /// A sentence or two.
    pub text: String,
    /// Whether the hall predicts before it is shown.
    #[serde(default)]
    pub is_question: bool,
    /// What no view says until somebody guessed, or asked to be shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub veils: Vec<Secret>,
    /// What can be guessed, by the number keys from 1 on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// What is where meanwhile; else what the scene shows in presentation.
    #[serde(default)]
    pub shows: Option<Panel>,
    /// How things are looked at meanwhile.
    #[serde(default)]
    pub looks: Option<Looks>,
}

/// What a scene loads; what is left out stays as it is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Loads {
    /// A set of images.
    pub source: Option<SourceRef>,
    /// An image of that set, by number.
    pub image: Option<u64>,
    /// A shipped tokenizer.
    pub model: Option<String>,
    /// A shipped tokenizer to compare with.
    pub model_b: Option<String>,
    /// The side of the picture in pixels.
    pub side: Option<u32>,
    /// How things are looked at.
    pub looks: Option<Looks>,
    /// A code that is picked.
    pub code: Option<u32>,
}

/// Which scene it is, whatever it is called: two files may give one title.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SceneId {
    /// Written down nowhere.
    #[default]
    Unwritten,
    /// One that comes with Smalti, by its name.
    Shipped(String),
    /// A file.
    File(PathBuf),
}

/// A scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// What tells it from every other one; not a part of its text.
    #[serde(skip)]
    pub id: SceneId,
    /// What it is called on the screen.
    pub title: String,
    /// What it is for, in a sentence without a full stop.
    pub about: String,
    /// What is where.
    pub layout: Panel,
    /// What is where in presentation; the largest view alone if it is left out.
    #[serde(default)]
    pub presentation: Option<Panel>,
    /// What it loads.
    #[serde(default)]
    pub loads: Loads,
    /// Shipped recipes whose trainings start with it, in the order of slots; those that it started before
    /// start anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trains: Vec<String>,
    /// What is measured on its set as soon as it opens: shipped tokenizers, and "JPEG".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measures: Vec<String>,
    /// A shipped generator that writes as soon as it opens, unless something was generated already; one that a
    /// person has opened writes in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generates: Option<String>,
    /// What is said, in order.
    #[serde(default)]
    pub captions: Vec<Caption>,
}

fn options() -> ron::Options {
    ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME)
}

impl Scene {
    /// A scene from the text of its file.
    ///
    /// # Errors
    /// Line, column and what is wrong there.
    pub fn parse(text: &str) -> Result<Self, String> {
        let scene: Self = options().from_str(text).map_err(|error| error.to_string())?;
        let shown = scene.captions.iter().filter_map(|caption| caption.shows.as_ref());
        for panel in [&scene.layout].into_iter().chain(&scene.presentation).chain(shown) {
            panel.check()?;
        }
        for caption in &scene.captions {
            if caption.choices.len() > MOST_CHOICES {
                return Err(format!("a caption with more than {MOST_CHOICES} choices"));
            }
        }
        Ok(scene)
    }

    /// The text of its file.
    pub fn to_text(&self) -> String {
        options().to_string_pretty(self, ron::ser::PrettyConfig::new()).unwrap_or_default()
    }

    /// A shipped scene by name.
    pub fn shipped(name: &str) -> Option<Self> {
        let (_, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
        let scene = Self::parse(text).ok()?;
        Some(Self { id: SceneId::Shipped(name.to_owned()), ..scene })
    }

    /// What the first scene loads, with one view alone in the window.
    pub fn alone(view: ViewId, title: &str) -> Self {
        let layout = Panel::Tabs { views: vec![view], front: None };
        let (presentation, captions) = (None, Vec::new());
        let id = SceneId::Shipped(title.to_owned());
        Self { id, title: title.to_owned(), layout, presentation, captions, ..studio() }
    }
}

/// Names of the shipped scenes, in the order of menus.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The scene of the first start.
pub fn studio() -> Scene {
    Scene::shipped("studio").unwrap_or_else(|| Scene {
        id: SceneId::default(),
        title: "Studio".to_owned(),
        about: String::new(),
        layout: Panel::Tabs { views: ViewId::ALL.to_vec(), front: None },
        presentation: None,
        loads: Loads::default(),
        trains: Vec::new(),
        measures: Vec::new(),
        generates: None,
        captions: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scene_parses_and_survives_its_own_text_and_its_tree() {
        for (name, text) in SHIPPED {
            let scene = Scene::parse(text).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(Scene::parse(&scene.to_text()).as_ref(), Ok(&scene), "{name}");
            let again = Panel::of(&scene.layout.arrange()).unwrap();
            assert_eq!(Panel::of(&again.arrange()), Some(again.clone()), "{name}");
            let count = |panel: &Panel| format!("{panel:?}").matches("Tabs").count();
            assert_eq!(count(&again), count(&scene.layout), "{name}");
            for caption in &scene.captions {
                let has_secret = !caption.veils.is_empty();
                assert_eq!(has_secret, caption.is_question, "{name}: {}", caption.text);
            }
        }
    }

    #[test]
    fn a_layout_that_cannot_be_shown_is_refused_with_the_reason() {
        let scene = |layout: &str| {
            Scene::parse(&format!("(title: \"a\", about: \"b\", layout: {layout})")).unwrap_err()
        };
        assert!(scene("Tabs(views: [])").contains("without a view"));
        let many = ["Log"; 9].join(", ");
        assert!(scene(&format!("Tabs(views: [{many}])")).contains("more than 8"));
        assert!(scene("Row([(0.0, Tabs(views: [Log]))])").contains("share"));
        assert!(scene("Tabs(views: [Log], front: Jobs)").contains("not among"));
        assert!(scene("Tabs(views: [Nothing])").contains("1:"));
        let rest = "Tabs(views: [Log]), captions: [(text: \"c\", shows: Tabs(views: []))]";
        assert!(scene(rest).contains("without a view"), "what a caption shows is looked at, too");
    }
}
