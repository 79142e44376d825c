//! Several panels with the same view.

use egui_kittest::kittest::Queryable;
use smalti::document::{Layout, Panel, PanelId, ViewId};
use smalti_tests::window::{
    Small, Window, click_label, empty, open_sized, rect_of, says, send, tab, views,
};

fn grids(window: &Window) -> usize {
    window.query_all_by_label_contains("Token grid").count()
}

#[test]
fn two_panels_with_the_same_view_are_drawn_kept_and_closed_apart() {
    let small = Small::new();
    let layout = Panel::Row(vec![(0.5, tab(ViewId::Tokens)), (0.5, tab(ViewId::Tokens))]);
    let mut window = open_sized(empty(layout.clone()), [1200.0, 700.0]);
    small.open_in(&mut window);
    assert_eq!(grids(&window), 2);
    assert_eq!(window.state().layout(), Panel::of(&layout.arrange()));
    assert_eq!(views(&window), [ViewId::Tokens; 2], "a document keeps both");
    send(&mut window, Layout::Close(PanelId { view: ViewId::Tokens, number: 1 }));
    assert_eq!((grids(&window), views(&window).len()), (1, 1));
    // The other one was not touched.
    let wide = rect_of(&window, "Token grid").width();
    assert!(wide > 100.0, "{wide}");
}

#[test]
fn another_panel_of_a_view_is_opened_from_its_tab_and_has_a_number() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Codebook)), [1000.0, 700.0]);
    small.open_in(&mut window);
    window.get_by_role_and_label(egui::Role::Tab, "Codebook").click_secondary();
    window.run_steps(2);
    click_label(&mut window, "Another Codebook");
    assert_eq!(views(&window), [ViewId::Codebook; 2]);
    assert!(window.query_by_role_and_label(egui::Role::Tab, "Codebook 2").is_some());
    assert!(says(&window, "codes used"));
    // A view's key brings the first one back.
    send(&mut window, Layout::Show(ViewId::Codebook));
    assert_eq!(views(&window).len(), 2);
}
