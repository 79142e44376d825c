//! The arrangement as it is drawn: where there is no room for all of it side by side, small parts are tabs.

use egui::Vec2;

use super::dock;
use crate::document::{Arrangement, Panel, PanelId, ViewId};

/// What is drawn in place of the whole arrangement, if it has no room. The whole one stays as it is.
#[derive(Debug, Default)]
pub struct Folded {
    now: Option<Made>,
    /// The view that was asked for last.
    front: Option<ViewId>,
}

/// A tree that was made to fit.
#[derive(Debug)]
struct Made {
    /// The shape of what it was made of.
    of: Panel,
    /// What was made.
    into: Panel,
    tree: Arrangement,
    /// Its shape when it was drawn first, until somebody moves a tab.
    drawn: Option<Panel>,
}

impl Folded {
    /// The tree to draw in a place of this size. Parts are at least as wide and high as panels can be made by
    /// hand, or a panel would vanish while its edge is dragged.
    pub fn tree<'a>(
        &'a mut self,
        whole: &'a mut Arrangement,
        (size, least): (Vec2, f32),
    ) -> &'a mut Arrangement {
        let Some(panel) = Panel::of(whole) else { return whole };
        let (of, fitted) = (panel.shape(), panel.fitted(size, least * 0.97));
        if fitted.shape() == of {
            self.now = None;
            return whole;
        }
        let into = fitted.shape();
        if self.now.as_ref().is_none_or(|made| made.of != of || made.into != into) {
            let front = self.now.as_ref().and_then(|made| Panel::of(&made.tree)?.hero());
            let mut tree = fitted.arrange();
            if let Some(front) = self.front.or(front).filter(|view| fitted.views().contains(view)) {
                dock::show_view(&mut tree, front);
            }
            self.now = Some(Made { of, into, tree, drawn: None });
        }
        match &mut self.now {
            Some(made) => &mut made.tree,
            None => whole,
        }
    }

    /// After drawing: whoever moved a tab has said what is where.
    pub fn settle(&mut self, whole: &mut Arrangement) {
        let Some(made) = &mut self.now else { return };
        let shape = Panel::of(&made.tree).map(|panel| panel.shape());
        match (&made.drawn, shape) {
            (None, shape) => made.drawn = shape,
            (Some(drawn), Some(shape)) if *drawn != shape => {
                *whole = made.tree.clone();
                self.now = None;
            }
            _ => {}
        }
    }

    /// What was drawn last.
    pub fn drawn<'a>(&'a self, whole: &'a Arrangement) -> &'a Arrangement {
        self.now.as_ref().map_or(whole, |made| &made.tree)
    }

    /// Brings a view to the front here, too.
    pub fn show(&mut self, view: ViewId) {
        self.front = Some(view);
        if let Some(made) = &mut self.now
            && Panel::of(&made.tree).is_some_and(|panel| panel.views().contains(&view))
        {
            dock::show_view(&mut made.tree, view);
        }
    }

    /// Another arrangement: nothing was asked for in it yet.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

/// The views that are seen in a tree that was drawn.
pub fn seen(tree: &Arrangement) -> Vec<ViewId> {
    let panel = |tile| tree.tiles.get_pane(tile).map(|panel: &PanelId| panel.view);
    tree.active_tiles().iter().filter_map(panel).collect()
}
