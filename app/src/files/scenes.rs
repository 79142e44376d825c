//! Scenes: what is where, what is loaded, and what a lecturer says. Files in `layouts/` (RON).
//!
//! A scene's file is one [`Scene`] in RON: the fields below are those of the file, and what is left out is as usual.
//! What a caption does ([`Caption::does`], [`Caption::reveals`]) is one of [`Deed`], such as
//! `Generate((by: "worlds-maskgit", class: "savanna", seed: 4, unmasking: (steps: 8, order: Halton)))`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use smalti_engine::questions::SourceRef;

use super::deeds::{self, Deed};
use crate::document::{Looks, Panel, Secret, ViewId};

/// The scenes that come with Smalti: name and text.
const SHIPPED: [(&str, &str); 18] = [
    ("studio", include_str!("../../../layouts/studio.ron")),
    ("see", include_str!("../../../layouts/see.ron")),
    ("watch", include_str!("../../../layouts/watch.ron")),
    ("change", include_str!("../../../layouts/change.ron")),
    ("why-tokens", include_str!("../../../layouts/why-tokens.ron")),
    ("two-acts", include_str!("../../../layouts/two-acts.ron")),
    ("raster", include_str!("../../../layouts/raster.ron")),
    ("order", include_str!("../../../layouts/order.ron")),
    ("maskgit", include_str!("../../../layouts/maskgit.ron")),
    ("edit", include_str!("../../../layouts/edit.ron")),
    ("compare", include_str!("../../../layouts/compare.ron")),
    ("codebook", include_str!("../../../layouts/codebook.ron")),
    ("generate", include_str!("../../../layouts/generate.ron")),
    ("var", include_str!("../../../layouts/var.ron")),
    ("race", include_str!("../../../layouts/race.ron")),
    ("collapse", include_str!("../../../layouts/collapse.ron")),
    ("rate", include_str!("../../../layouts/rate.ron")),
    ("landscape", include_str!("../../../layouts/landscape.ron")),
];

/// Those above which a line stands in the menu: the doors, what is taught, what is worked with.
pub const STARTS_GROUP: [&str; 3] = ["see", "why-tokens", "compare"];

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
    /// Which of the choices is true, from 1: it stands beside the guess as soon as there is one. Left out where the
    /// views show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<usize>,
    /// What is done when it is said first, in presentation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub does: Vec<Deed>,
    /// What is done when its question is answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reveals: Vec<Deed>,
    /// After so many seconds the next one is said by itself, for who came through a door and has touched nothing yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<f32>,
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
    /// Whether whoever chooses it is led through its captions at once, in the window as it is; F5 shows them to a hall.
    #[serde(default)]
    pub leads: bool,
    /// What is said, in order.
    #[serde(default)]
    pub captions: Vec<Caption>,
}

impl Caption {
    /// Whether it can be said as it is written; if not, why, and what to do.
    fn check(&self) -> Result<(), String> {
        let (choices, answer) = (self.choices.len(), self.answer.unwrap_or(1));
        if choices > MOST_CHOICES {
            return Err(format!(
                "a caption with more than {MOST_CHOICES} choices: there is a key for nine"
            ));
        }
        if !self.is_question {
            let of_question = choices > 0 || !self.veils.is_empty() || !self.reveals.is_empty();
            if of_question || self.answer.is_some() {
                return Err(
                    "choices, veils, an answer or reveals without is_question: true".to_owned()
                );
            }
        } else if self.answer.is_some() && !(1..=choices).contains(&answer) {
            return Err(format!(
                "the answer {answer} is none of the {choices} choices, which count from 1"
            ));
        } else if self.answer.is_none() && self.veils.is_empty() {
            return Err("a question that hides nothing: give it veils, or an answer".to_owned());
        }
        if self.lasts.is_some_and(|seconds| !(seconds.is_finite() && seconds > 0.0)) {
            return Err("lasts: use a number of seconds above 0".to_owned());
        }
        Ok(())
    }
}

/// What is wrong in a caption, with the line of its file, where its words are found there.
fn at_caption(text: &str, caption: &Caption, why: &str) -> String {
    let said = format!("\"{}\"", caption.text);
    let of_file = |line: &str| line.contains(&said);
    match text.lines().position(of_file) {
        Some(line) => format!("{}: {why}", line + 1),
        None => format!("in the caption \u{201c}{}\u{201d}: {why}", caption.text),
    }
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
            caption.check().map_err(|why| at_caption(text, caption, &why))?;
        }
        let all = scene.captions.iter();
        deeds::check(all.map(|caption| (caption.does.as_slice(), caption.reveals.as_slice())))
            .map_err(|(at, why)| match scene.captions.get(at) {
                Some(caption) => at_caption(text, caption, &why),
                None => why,
            })?;
        Ok(scene)
    }

    /// Whether its captions do something: it begins anew whenever it is chosen.
    pub fn acts(&self) -> bool {
        self.deeds().next().is_some()
    }

    /// What its captions do, in order.
    pub fn deeds(&self) -> impl Iterator<Item = &Deed> {
        self.captions.iter().flat_map(|caption| caption.does.iter().chain(&caption.reveals))
    }

    /// Whether a generator writes for it what it asks for itself, in place of what was generated before.
    pub fn generates_anew(&self) -> bool {
        self.deeds().any(|deed| deed.wanted().is_some())
    }

    /// The shipped tokenizers, and the shipped generators that it needs.
    pub fn models(&self) -> (Vec<&str>, Vec<&str>) {
        let tokenizers = [&self.loads.model, &self.loads.model_b].into_iter().flatten();
        let mut generators: Vec<&str> = self.deeds().filter_map(Deed::generator).collect();
        generators.extend(self.generates.as_deref());
        generators.sort_unstable();
        generators.dedup();
        (tokenizers.map(String::as_str).collect(), generators)
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
        leads: false,
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

    #[test]
    fn a_caption_that_cannot_be_said_is_refused_with_its_line_and_what_to_do() {
        let refused = |caption: &str| {
            let layout = "Tabs(views: [Tokens])";
            let captions = format!("(text: \"a first one\"),\n({caption}),");
            let text = format!(
                "(title: \"a\", about: \"b\", layout: {layout}, captions: [\n{captions}\n])"
            );
            Scene::parse(&text).unwrap_err()
        };
        let question = "text: \"which?\", is_question: true, choices: [\"x\", \"y\"]";
        for (caption, words) in [
            (format!("{question}, answer: 3"), "answer 3"),
            (question.to_owned(), "veils, or an answer"),
            ("text: \"so\", choices: [\"x\"]".to_owned(), "is_question"),
            ("text: \"so\", veils: [Usage]".to_owned(), "is_question"),
            ("text: \"so\", answer: 1".to_owned(), "is_question"),
            ("text: \"so\", is_question: true".to_owned(), "veils, or an answer"),
            ("text: \"so\", lasts: 0.0".to_owned(), "seconds"),
            ("text: \"so\", does: [GoTo(3)]".to_owned(), "Generate"),
            ("text: \"so\", does: [Resample(2)]".to_owned(), "Ask"),
            ("text: \"so\", does: [Select(rows: (4, 2), columns: (0, 1))]".to_owned(), "before the first"),
            (
                "text: \"so\", does: [Ask((by: \"g\", unmasking: (steps: 0)))]".to_owned(),
                "0 steps",
            ),
            (
                "text: \"so\", does: [Ask((by: \"g\")), Select(rows: (0, 1), columns: (0, 1)), Resample(2), Pick(3)]"
                    .to_owned(),
                "Resample",
            ),
        ] {
            let refused = refused(&caption);
            assert!(refused.starts_with("3: ") && refused.contains(words), "{caption}: {refused}");
        }
        assert!(refused("text: \"so\", does: [Fly]").starts_with("3:"), "the reader's own line");
    }
}
