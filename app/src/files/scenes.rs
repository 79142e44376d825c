//! Scenes: what is where, what is loaded, and what a lecturer says. Files in `layouts/` (RON).

use std::collections::BTreeSet;

use egui::Id;
use egui_tiles::{Container, Linear, LinearDir, Tile, TileId, Tiles, Tree};
use serde::{Deserialize, Serialize};
use smalti_engine::answers::SourceRef;

use crate::document::Looks;
use crate::shell::dock::Arrangement;
use crate::views::ViewId;

/// The scenes that come with Smalti: name and text.
const SHIPPED: [(&str, &str); 3] = [
    ("studio", include_str!("../../../layouts/studio.ron")),
    ("compare", include_str!("../../../layouts/compare.ron")),
    ("codebook", include_str!("../../../layouts/codebook.ron")),
];
/// Splits inside splits beyond this are a mistake.
const DEPTH: usize = 8;

/// A part of the window: views as tabs, or parts beside or above each other with their shares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Panel {
    /// Views, one of them in front.
    Tabs {
        /// From left to right.
        views: Vec<ViewId>,
        /// The one in front; without it the first.
        #[serde(default)]
        front: Option<ViewId>,
    },
    /// From left to right, with shares of the width.
    Row(Vec<(f32, Panel)>),
    /// From top to bottom, with shares of the height.
    Column(Vec<(f32, Panel)>),
}

/// One thing to say, and what to press for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Caption {
    /// A sentence or two.
    pub text: String,
    /// Whether the hall predicts before it is shown.
    #[serde(default)]
    pub is_question: bool,
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

/// A scene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// What it is called on the screen.
    pub title: String,
    /// What it is for, in a sentence without a full stop.
    pub about: String,
    /// What is where.
    pub layout: Panel,
    /// What it loads.
    #[serde(default)]
    pub loads: Loads,
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
        scene.layout.check()?;
        Ok(scene)
    }

    /// The text of its file.
    pub fn to_text(&self) -> String {
        options().to_string_pretty(self, ron::ser::PrettyConfig::new()).unwrap_or_default()
    }

    /// A shipped scene by name.
    pub fn shipped(name: &str) -> Option<Self> {
        let (_, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
        Self::parse(text).ok()
    }

    /// A shipped scene, or what the first scene loads with one view alone in the window, by name.
    pub fn named(name: &str) -> Option<Self> {
        Self::shipped(name).or_else(|| {
            let view = ViewId::all().into_iter().find(|v| v.title().eq_ignore_ascii_case(name))?;
            let layout = Panel::Tabs { views: vec![view], front: None };
            Some(Self { title: view.title().to_owned(), layout, ..studio() })
        })
    }
}

/// Names of the shipped scenes, in the order of menus.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The scene of the first start.
pub fn studio() -> Scene {
    Scene::shipped("studio").unwrap_or_else(|| Scene {
        title: "Studio".to_owned(),
        about: String::new(),
        layout: Panel::Tabs { views: ViewId::all().to_vec(), front: None },
        loads: Loads::default(),
        captions: Vec::new(),
    })
}

impl Panel {
    /// Whether every part can be shown: no view twice, no part empty, shares above zero.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.check_part(&mut BTreeSet::new(), 0)
    }

    fn check_part(&self, seen: &mut BTreeSet<ViewId>, depth: usize) -> Result<(), String> {
        if depth > DEPTH {
            return Err(format!("layout: splits more than {DEPTH} deep"));
        }
        match self {
            Self::Tabs { views, front } => {
                if views.is_empty() {
                    return Err("layout: tabs without a view".to_owned());
                }
                if let Some(twice) = views.iter().find(|view| !seen.insert(**view)) {
                    return Err(format!("layout: the view {twice:?} stands in two places"));
                }
                match front {
                    Some(front) if !views.contains(front) => {
                        Err(format!("layout: {front:?} is in front of tabs it is not among"))
                    }
                    _ => Ok(()),
                }
            }
            Self::Row(parts) | Self::Column(parts) => {
                if parts.is_empty() {
                    return Err("layout: a row or column without parts".to_owned());
                }
                for (share, part) in parts {
                    if !(share.is_finite() && *share > 0.0) {
                        return Err(format!("layout: a share of {share}"));
                    }
                    part.check_part(seen, depth + 1)?;
                }
                Ok(())
            }
        }
    }

    /// The tree that is drawn.
    pub fn arrange(&self) -> Arrangement {
        let mut tiles = Tiles::default();
        let root = self.insert(&mut tiles);
        Tree::new(Id::unique("views"), root, tiles)
    }

    fn insert(&self, tiles: &mut Tiles<ViewId>) -> TileId {
        match self {
            Self::Tabs { views, front } => {
                let panes: Vec<TileId> = views.iter().map(|v| tiles.insert_pane(*v)).collect();
                let at = views.iter().position(|v| Some(*v) == *front).unwrap_or(0);
                let mut tabs = egui_tiles::Tabs::new(panes.clone());
                if let Some(pane) = panes.get(at) {
                    tabs.set_active(*pane);
                }
                tiles.insert_container(tabs)
            }
            Self::Row(parts) => insert_linear(tiles, LinearDir::Horizontal, parts),
            Self::Column(parts) => insert_linear(tiles, LinearDir::Vertical, parts),
        }
    }

    /// What is where now.
    pub fn of(tree: &Arrangement) -> Option<Self> {
        Self::of_tile(tree, tree.root()?)
    }

    fn of_tile(tree: &Arrangement, id: TileId) -> Option<Self> {
        match tree.tiles.get(id)? {
            Tile::Pane(view) => Some(Self::Tabs { views: vec![*view], front: None }),
            Tile::Container(Container::Tabs(tabs)) => {
                let views: Vec<ViewId> =
                    tabs.children.iter().filter_map(|t| tree.tiles.get_pane(t).copied()).collect();
                let front = tabs.active.and_then(|t| tree.tiles.get_pane(&t).copied());
                (!views.is_empty()).then_some(Self::Tabs { views, front })
            }
            Tile::Container(Container::Linear(linear)) => {
                let total: f32 = linear.children.iter().map(|t| linear.shares[*t]).sum();
                let parts: Vec<(f32, Self)> = linear
                    .children
                    .iter()
                    .filter_map(|t| {
                        let share = linear.shares[*t] / total.max(f32::EPSILON);
                        let share = (share * 1000.0).round().max(1.0) / 1000.0;
                        Some((share, Self::of_tile(tree, *t)?))
                    })
                    .collect();
                if parts.is_empty() {
                    return None;
                }
                Some(match linear.dir {
                    LinearDir::Horizontal => Self::Row(parts),
                    LinearDir::Vertical => Self::Column(parts),
                })
            }
            Tile::Container(Container::Grid(grid)) => {
                let parts: Vec<(f32, Self)> =
                    grid.children().filter_map(|t| Some((1.0, Self::of_tile(tree, *t)?))).collect();
                (!parts.is_empty()).then_some(Self::Row(parts))
            }
        }
    }
}

fn insert_linear(tiles: &mut Tiles<ViewId>, dir: LinearDir, parts: &[(f32, Panel)]) -> TileId {
    let children: Vec<TileId> = parts.iter().map(|(_, part)| part.insert(tiles)).collect();
    let mut linear = Linear::new(dir, children.clone());
    for ((share, _), child) in parts.iter().zip(children) {
        linear.shares.set_share(child, *share);
    }
    tiles.insert_container(Container::Linear(linear))
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
        assert!(scene("Tabs(views: [Log, Log])").contains("two places"));
        assert!(scene("Row([(0.0, Tabs(views: [Log]))])").contains("share"));
        assert!(scene("Tabs(views: [Log], front: Jobs)").contains("not among"));
        assert!(scene("Tabs(views: [Nothing])").contains("1:"));
    }
}
