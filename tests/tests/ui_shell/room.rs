//! The window where there is little room: nothing is out of reach, and the picture is large.

use egui::{Key, Modifiers, Role, vec2};
use egui_kittest::kittest::Queryable;
use smalti::document::{AppCommand, Edit, Layout, Panel, ViewId};
use smalti::settings::Settings;
use smalti::studio::StudioOptions;
use smalti_engine::tokens::{Cell, Code};
use smalti_tests::window::{
    Window, assets, click_label, empty, labels, open, open_sized, press, rect_of, says, send,
    settle, tab, views,
};

fn click_tab(window: &mut Window, title: &str) {
    window.get_by_role_and_label(Role::Tab, title).click();
    settle(window);
}

#[test]
fn in_the_smallest_window_the_picture_is_large_and_every_view_a_click_away() {
    let mut window = open_sized(StudioOptions::new(assets()), [640.0, 420.0]);
    let grid = rect_of(&window, "Token grid");
    assert!(grid.width() > 200.0, "{grid:?}");
    let whole = window.state().layout();
    click_tab(&mut window, "Codebook");
    assert!(says(&window, "codes used"), "{:?}", labels(&window, "Codebook"));
    click_tab(&mut window, "Dataset");
    assert!(says(&window, "Image 1"));
    click_tab(&mut window, "Code");
    assert!(says(&window, "Point at a token"));
    press(&mut window, Modifiers::NONE, Key::Num2);
    assert!(says(&window, "Token grid"), "keys bring views to the front here, too");
    assert_eq!(window.state().layout(), whole, "what is where is not forgotten");
    window.set_size(vec2(1280.0, 800.0));
    settle(&mut window);
    assert!(says(&window, "Token grid") && says(&window, "Image 1") && says(&window, "codes used"));
}

#[test]
fn a_view_closed_or_opened_in_a_small_window_stays_so() {
    let mut window = open_sized(StudioOptions::new(assets()), [640.0, 420.0]);
    send(&mut window, Layout::Close(ViewId::Jobs.into()));
    assert!(window.query_by_role_and_label(Role::Tab, "Jobs").is_none());
    send(&mut window, Layout::Show(ViewId::Training));
    assert!(says(&window, "Nothing is being trained"));
    window.set_size(vec2(1280.0, 800.0));
    settle(&mut window);
    assert!(!views(&window).contains(&ViewId::Jobs) && views(&window).contains(&ViewId::Training));
}

#[test]
fn the_use_of_codes_is_drawn_once_beside_the_codebook_and_alone_without_it() {
    let mut window = open();
    assert!(says(&window, "codes used") && !says(&window, "usage over this image"));
    let beside = rect_of(&window, "Token grid").height();
    assert!(beside > 350.0, "{beside} points of 800");
    send(&mut window, Layout::Show(ViewId::Log));
    assert!(says(&window, "usage over this image"));
}

#[test]
fn choices_become_a_menu_where_they_have_no_room_and_come_back() {
    let mut window = open_sized(empty(tab(ViewId::Tokens)), [1280.0, 800.0]);
    send(&mut window, Layout::Scene("studio".to_owned()));
    send(&mut window, Layout::Close(ViewId::Compare.into()));
    window.set_size(vec2(420.0, 500.0));
    settle(&mut window);
    assert!(says(&window, "Choices of Tokens"), "{:?}", labels(&window, ""));
    assert!(!says(&window, "color: mosaic"));
    click_label(&mut window, "Choices of Tokens");
    assert!(says(&window, "mosaic"), "all of them are in it");
    press(&mut window, Modifiers::NONE, Key::Escape);
    window.set_size(vec2(1280.0, 800.0));
    settle(&mut window);
    assert!(says(&window, "color: mosaic") && !says(&window, "Choices of Tokens"));
}

#[test]
fn large_text_cuts_no_tool_off() {
    for scale in [1.25, 1.5, 2.0] {
        let mut window = open();
        send(&mut window, Layout::Scene("codebook".to_owned()));
        send(&mut window, AppCommand::TextScale(scale));
        send(&mut window, Layout::Show(ViewId::Tokens));
        // The pane of the tokens ends where the codebook begins, if that is beside it.
        let place = window.ctx.content_rect();
        let codebook = window.query_by_label_contains("codes used").map(|node| node.rect().left());
        let edge = codebook.unwrap_or(place.right());
        let is_in_menu = says(&window, "Tools");
        if is_in_menu {
            click_label(&mut window, "Tools");
        }
        assert!(window.query_by_label("Keep").is_some(), "{scale}: {:?}", labels(&window, ""));
        for tool in ["Keep", "ids"] {
            let rect = window.get_by_label(tool).rect();
            assert!(place.contains_rect(rect), "{scale}: {tool} at {rect:?}");
            assert!(is_in_menu || rect.right() < edge, "{scale}: {tool} at {rect:?}, {edge}");
        }
    }
}

#[test]
fn tools_of_a_selection_stay_in_sight_and_where_they_were() {
    let mut window = open_sized(empty(tab(ViewId::Tokens)), [640.0, 600.0]);
    let small = smalti_tests::window::Small::new();
    small.open_in(&mut window);
    let places = |window: &Window| {
        ["Lock", "Code to force", "Force", "Release"].map(|tool| window.get_by_label(tool).rect())
    };
    let before = places(&window);
    let cells = std::sync::Arc::new([Cell::at(1, 1), Cell::at(1, 2)].into());
    send(&mut window, Edit::ForceCells { cells: std::sync::Arc::clone(&cells), code: 3 });
    send(&mut window, Edit::SelectCells(cells));
    send(&mut window, Edit::switch(Code::first(5), false));
    assert_eq!(places(&window), before);
    assert!(says(&window, "Tools"), "what has no room is in a menu");
    click_label(&mut window, "Tools");
    assert!(window.query_by_label("ids").is_some(), "{:?}", labels(&window, ""));
}

#[test]
fn a_low_codebook_says_its_figures_in_a_line_and_its_rows_are_a_click_away() {
    let layout = Panel::Column(vec![
        (0.68, tab(ViewId::Dataset)),
        (0.32, Panel::Tabs { views: vec![ViewId::Codebook], front: None }),
    ]);
    let mut window = open_sized(empty(layout), [900.0, 560.0]);
    let small = smalti_tests::window::Small::new();
    small.open_in(&mut window);
    assert!(says(&window, " used · perplexity"), "{:?}", labels(&window, "used"));
    assert!(says(&window, " not used here"), "the list of codes that do not occur");
    // Over how much it was counted comes first: the end of the line may have no room.
    let starts = |window: &Window, sample: &str| {
        let said = labels(window, " used · perplexity");
        assert!(said.iter().all(|said| said.starts_with(sample)), "{sample}: {said:?}");
    };
    starts(&window, "this image · ");
    click_label(&mut window, "set");
    assert!(says(&window, " used · perplexity"));
    starts(&window, "3 images of 3 · ");
    click_label(&mut window, "rows");
    assert!(says(&window, "Use of the codes, images"), "{:?}", labels(&window, ""));
    click_label(&mut window, "rows");
    assert!(says(&window, "codes used"));
    // And a narrow one keeps every choice.
    window.set_size(vec2(230.0, 560.0));
    settle(&mut window);
    click_label(&mut window, "Choices of the counts");
    assert!(window.query_by_label("patches").is_some());
    let patches = window.get_by_label("patches").rect();
    assert!(patches.height() < 40.0, "in one line: {patches:?}");
}

#[test]
fn in_the_smallest_window_with_the_largest_text_every_menu_and_the_search_are_in_reach() {
    let mut window = open_sized(StudioOptions::new(assets()), [640.0, 420.0]);
    send(&mut window, AppCommand::TextScale(*Settings::TEXT_SCALES.end()));
    let inside = window.ctx.content_rect();
    let search = "Search views, commands, codes, files";
    assert!(inside.contains_rect(window.get_by_label(search).rect()));
    click_label(&mut window, "Menu");
    for menu in ["File", "Edit", "Scenes", "Generate", "Help"] {
        let rect = window.get_by_label(menu).rect();
        assert!(inside.contains_rect(rect), "{menu}: {rect:?} of {inside:?}");
    }
    press(&mut window, Modifiers::NONE, Key::Escape);
    click_label(&mut window, search);
    assert!(window.query_by_role(Role::TextInput).is_some(), "the palette is open");
    press(&mut window, Modifiers::NONE, Key::Escape);
    window.set_size(vec2(1280.0, 800.0));
    send(&mut window, AppCommand::TextScale(1.0));
    assert!(window.query_by_label("Menu").is_none() && says(&window, "Help"));
}
