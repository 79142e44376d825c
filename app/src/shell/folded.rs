//! The arrangement as it is drawn: where there is no room for all of it side by side, small parts are tabs.

use egui::Vec2;

use super::dock;
use crate::document::{Arrangement, Panel, PanelId, ViewId};

/// What is drawn in place of the whole arrangement, if it has no room. The whole one stays as it is: whoever moves
/// tabs in a small window says how that one is, until there is room again.
#[derive(Debug, Default)]
pub struct Folded {
    now: Option<Made>,
    /// The view that was asked for since it was drawn last.
    front: Option<ViewId>,
}

/// A tree that was made to fit.
#[derive(Debug)]
struct Made {
    /// The shape of what it was made of.
    of: Panel<PanelId>,
    /// What was made.
    into: Panel<PanelId>,
    tree: Arrangement,
}

impl Folded {
    /// The tree to draw in a place of this size. Parts are at least as wide and high as panels can be made by
    /// hand, or a panel would vanish while its edge is dragged.
    pub fn tree<'a>(
        &'a mut self,
        whole: &'a mut Arrangement,
        (size, least): (Vec2, f32),
    ) -> &'a mut Arrangement {
        let asked = self.front.take();
        let Some(panel) = Panel::of_panels(whole) else { return whole };
        let (of, fitted) = (panel.shape(), panel.fitted(size, least * 0.97));
        let into = fitted.shape();
        if into == of {
            self.now = None;
            return whole;
        }
        if self.now.as_ref().is_none_or(|made| made.of != of || made.into != into) {
            let before = self.now.as_ref().and_then(|made| Panel::of_panels(&made.tree)?.hero());
            let (mut tree, panels) = (fitted.arranged(), fitted.views());
            let asked = panels.iter().filter(|panel| Some(panel.view) == asked).min().copied();
            if let Some(front) = asked.or(before.filter(|panel| panels.contains(panel))) {
                dock::show_panel(&mut tree, front);
            }
            self.now = Some(Made { of, into, tree });
        }
        match &mut self.now {
            Some(made) => &mut made.tree,
            None => whole,
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

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Vec2 = Vec2::new(400.0, 300.0);
    const LARGE: Vec2 = Vec2::new(1600.0, 900.0);
    const LEAST: f32 = 152.0;

    fn tabs(views: &[ViewId]) -> Panel {
        Panel::Tabs { views: views.to_vec(), front: None }
    }

    /// Two panels of Tokens, the second one in the larger part, where all become tabs in a small window.
    fn desk() -> Arrangement {
        Panel::Row(vec![
            (0.3, tabs(&[ViewId::Tokens, ViewId::Log])),
            (0.7, tabs(&[ViewId::Tokens, ViewId::Compare, ViewId::Jobs])),
        ])
        .arrange()
    }

    fn fronts(tree: &Arrangement) -> Vec<PanelId> {
        dock::seen(tree)
    }

    #[test]
    fn a_panel_of_a_small_window_is_the_same_one_as_in_a_large_one() {
        let (mut whole, mut folded) = (desk(), Folded::default());
        let second = PanelId { view: ViewId::Tokens, number: 1 };
        let panels = Panel::of_panels(folded.tree(&mut whole, (SMALL, LEAST))).unwrap().views();
        assert_eq!(panels.len(), 5);
        // It stands first here, since the larger part takes the others.
        assert_eq!(panels[0], second);
        dock::close_panel(&mut whole, panels[0]);
        let left = Panel::of_panels(&whole).unwrap().views();
        assert!(!left.contains(&second) && left.contains(&ViewId::Tokens.into()), "{left:?}");
    }

    #[test]
    fn tabs_that_are_moved_in_a_small_window_leave_the_large_one_as_it_is() {
        let (mut whole, mut folded) = (desk(), Folded::default());
        let before = Panel::of_panels(&whole);
        let small = folded.tree(&mut whole, (SMALL, LEAST));
        let Some(egui_tiles::Tile::Container(egui_tiles::Container::Tabs(tabs))) =
            small.root().and_then(|root| small.tiles.get_mut(root))
        else {
            panic!("it is one group of tabs")
        };
        tabs.children.reverse();
        let moved = Panel::of_panels(small);
        assert_eq!(Panel::of_panels(folded.tree(&mut whole, (SMALL, LEAST))), moved, "it stays");
        assert_eq!(Panel::of_panels(folded.tree(&mut whole, (LARGE, LEAST))), before);
    }

    #[test]
    fn a_view_that_was_asked_for_long_ago_does_not_come_back_when_the_window_becomes_small() {
        let (mut whole, mut folded) = (desk(), Folded::default());
        dock::show_view(&mut whole, ViewId::Jobs);
        folded.show(ViewId::Jobs);
        folded.tree(&mut whole, (LARGE, LEAST));
        // By the pointer, which asks nobody.
        dock::show_view(&mut whole, ViewId::Compare);
        let small = folded.tree(&mut whole, (SMALL, LEAST));
        assert_eq!(fronts(small), [ViewId::Compare.into()]);
        // What is asked for while it is small is there at once, and in the next tree as well.
        folded.show(ViewId::Log);
        assert_eq!(fronts(folded.tree(&mut whole, (SMALL, LEAST))), [ViewId::Log.into()]);
    }
}
