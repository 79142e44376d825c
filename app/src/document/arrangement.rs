//! What is where in the window: as a tree that is drawn, and as it is kept in files.

use std::collections::BTreeMap;

use egui::Id;
use egui_tiles::{Container, Linear, LinearDir, Tile, TileId, Tiles, Tree};
use serde::{Deserialize, Serialize};

use super::view_id::{PanelId, ViewId};

/// What is where: a tree of splits and tabs of panels.
pub type Arrangement = Tree<PanelId>;

/// Panels of one view beyond this are a mistake.
pub const MOST_ALIKE: usize = 8;
/// Splits inside splits beyond this are a mistake.
const DEPTH: usize = 8;

/// A part of the window: views as tabs, or parts beside or above each other with their shares. In files views by
/// name; in the window panels, which are numbered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "V: Deserialize<'de>"))]
pub enum Panel<V = ViewId> {
    /// Views, one of them in front.
    Tabs {
        /// From left to right.
        views: Vec<V>,
        /// The one in front, of several alike the first of them; without it the first of all.
        #[serde(default)]
        front: Option<V>,
    },
    /// From left to right, with shares of the width.
    Row(Vec<(f32, Panel<V>)>),
    /// From top to bottom, with shares of the height.
    Column(Vec<(f32, Panel<V>)>),
}

impl Panel {
    /// Whether every part can be shown: no view in very many places, no part empty, shares above zero.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        self.check_part(&mut BTreeMap::new(), 0)
    }

    fn check_part(&self, seen: &mut BTreeMap<ViewId, usize>, depth: usize) -> Result<(), String> {
        if depth > DEPTH {
            return Err(format!("layout: splits more than {DEPTH} deep"));
        }
        match self {
            Self::Tabs { views, front } => {
                if views.is_empty() {
                    return Err("layout: tabs without a view".to_owned());
                }
                for view in views {
                    let count = seen.entry(*view).or_default();
                    *count += 1;
                    if *count > MOST_ALIKE {
                        return Err(format!("layout: {view:?} in more than {MOST_ALIKE} places"));
                    }
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

    /// A layout from a document's file, without the views that this program does not know.
    pub fn known(value: &serde_json::Value) -> Option<Self> {
        let view = |name: &serde_json::Value| serde_json::from_value::<ViewId>(name.clone()).ok();
        if let Some(tabs) = value.get("Tabs") {
            let views: Vec<ViewId> = tabs["views"].as_array()?.iter().filter_map(view).collect();
            let front = view(&tabs["front"]).filter(|front| views.contains(front));
            return (!views.is_empty()).then_some(Self::Tabs { views, front });
        }
        let parts = |name: &str| {
            let list = value.get(name)?.as_array()?;
            let part = |part: &serde_json::Value| {
                Some((part.get(0)?.as_f64()? as f32, Self::known(part.get(1)?)?))
            };
            let parts: Vec<(f32, Self)> = list.iter().filter_map(part).collect();
            (!parts.is_empty()).then_some(parts)
        };
        parts("Row").map(Self::Row).or_else(|| parts("Column").map(Self::Column))
    }

    /// The tree that is drawn. Panels of the same view are numbered as they come.
    pub fn arrange(&self) -> Arrangement {
        self.numbered(&mut BTreeMap::new()).arranged()
    }

    fn numbered(&self, counts: &mut BTreeMap<ViewId, usize>) -> Panel<PanelId> {
        match self {
            Self::Tabs { views, front } => {
                let mut panel = |view: &ViewId| {
                    let count = counts.entry(*view).or_default();
                    *count += 1;
                    PanelId { view: *view, number: *count - 1 }
                };
                let at = views.iter().position(|view| Some(*view) == *front);
                let views: Vec<PanelId> = views.iter().map(&mut panel).collect();
                let front = at.and_then(|at| views.get(at).copied());
                Panel::Tabs { views, front }
            }
            Self::Row(parts) => {
                Panel::Row(parts.iter().map(|(s, part)| (*s, part.numbered(counts))).collect())
            }
            Self::Column(parts) => {
                Panel::Column(parts.iter().map(|(s, part)| (*s, part.numbered(counts))).collect())
            }
        }
    }

    /// What is where now, by views.
    pub fn of(tree: &Arrangement) -> Option<Self> {
        Some(Panel::of_panels(tree)?.by_view())
    }
}

impl Panel<PanelId> {
    /// The tree that is drawn.
    pub fn arranged(&self) -> Arrangement {
        let mut tiles = Tiles::default();
        let root = self.insert(&mut tiles);
        Tree::new(Id::unique("views"), root, tiles)
    }

    fn insert(&self, tiles: &mut Tiles<PanelId>) -> TileId {
        match self {
            Self::Tabs { views, front } => {
                let panes: Vec<TileId> = views.iter().map(|id| tiles.insert_pane(*id)).collect();
                let at = views.iter().position(|id| Some(*id) == *front).unwrap_or(0);
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

    fn by_view(&self) -> Panel {
        let parts = |parts: &[(f32, Self)]| {
            parts.iter().map(|(share, part)| (*share, part.by_view())).collect::<Vec<_>>()
        };
        match self {
            Self::Tabs { views, front } => Panel::Tabs {
                views: views.iter().map(|id| id.view).collect(),
                front: front.map(|id| id.view),
            },
            Self::Row(of) => Panel::Row(parts(of)),
            Self::Column(of) => Panel::Column(parts(of)),
        }
    }

    /// What is where now.
    pub fn of_panels(tree: &Arrangement) -> Option<Self> {
        Self::of_tile(tree, tree.root()?)
    }

    fn of_tile(tree: &Arrangement, id: TileId) -> Option<Self> {
        match tree.tiles.get(id)? {
            Tile::Pane(panel) => Some(Self::Tabs { views: vec![*panel], front: None }),
            Tile::Container(Container::Tabs(tabs)) => {
                let panel = |tile: &TileId| tree.tiles.get_pane(tile).copied();
                let views: Vec<PanelId> = tabs.children.iter().filter_map(panel).collect();
                let front = tabs.active.as_ref().and_then(panel);
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

fn insert_linear(
    tiles: &mut Tiles<PanelId>,
    dir: LinearDir,
    parts: &[(f32, Panel<PanelId>)],
) -> TileId {
    let children: Vec<TileId> = parts.iter().map(|(_, part)| part.insert(tiles)).collect();
    let mut linear = Linear::new(dir, children.clone());
    for ((share, _), child) in parts.iter().zip(children) {
        linear.shares.set_share(child, *share);
    }
    tiles.insert_container(Container::Linear(linear))
}
