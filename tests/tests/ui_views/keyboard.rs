//! Without a mouse and without eyes: everything is reached by Tab and has a name.

use std::collections::{BTreeMap, BTreeSet};

use egui::accesskit::Action;
use egui::{Event, Key, Modifiers, PointerButton, Role};
use egui_kittest::kittest::{AccessKitNode, NodeT, Queryable};
use smalti::document::{Edit, Layout, Panel, ViewId};
use smalti_engine::tokens::{Cell, Code};
use smalti_tests::window::{
    Small, Window, click, click_label, empty, is_in_front, labels, middle_of, open_sized, point,
    press, rect_of, says, send, settle, tab,
};

/// What a person can do something with, by identity.
fn controls(window: &Window) -> BTreeMap<String, String> {
    let nodes = window.root().children_recursive();
    let reachable = nodes.map(|node| node.accesskit_node()).filter(|node| {
        node.data().supports_action(Action::Focus) && !node.is_disabled() && !node.is_hidden()
    });
    reachable
        .map(|node| {
            let name = node.label().or_else(|| node.value()).unwrap_or_default();
            (format!("{:?}", node.id()), format!("{:?} {name:?}", node.role()))
        })
        .collect()
}

fn focused(window: &Window) -> Option<(String, String)> {
    let nodes = window.root().children_recursive();
    let node = nodes.map(|node| node.accesskit_node()).find(AccessKitNode::is_focused)?;
    let name = node.label().or_else(|| node.value()).unwrap_or_default();
    Some((format!("{:?}", node.id()), format!("{:?} {name:?}", node.role())))
}

/// Presses Tab until the focus comes back to where it began.
fn walk(window: &mut Window, modifiers: Modifiers) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    for _ in 0..400 {
        window.key_press_modifiers(modifiers, Key::Tab);
        window.run_steps(2);
        if let Some((id, name)) = focused(window)
            && seen.insert(id, name).is_some()
        {
            return seen;
        }
    }
    panic!("the focus goes on for ever: {seen:?}");
}

fn studio() -> (Window, Small) {
    let small = Small::new();
    let layout = Panel::Row(vec![
        (0.2, tab(ViewId::Dataset)),
        (
            0.5,
            Panel::Column(vec![
                (0.6, Panel::Tabs { views: vec![ViewId::Tokens, ViewId::Compare], front: None }),
                (0.4, Panel::Tabs { views: vec![ViewId::Codebook, ViewId::Jobs], front: None }),
            ]),
        ),
        (0.3, tab(ViewId::Code)),
    ]);
    let mut window = open_sized(empty(layout), [1280.0, 900.0]);
    small.open_in(&mut window);
    let cells = std::sync::Arc::new([Cell::at(1, 2)].into());
    send(&mut window, Edit::SelectCells(cells));
    send(&mut window, Edit::SelectCode(Some(Code::first(3))));
    (window, small)
}

#[test]
fn every_control_is_reached_by_tab_in_both_directions() {
    let (mut window, _small) = studio();
    let wanted = controls(&window);
    for expected in ["File", "Lock", "Switch off", "Images of the set", "Codebook", "Code to force"]
    {
        let is_there = wanted.values().any(|name| name.contains(expected));
        assert!(is_there, "{expected:?} cannot have the focus: {wanted:#?}");
    }
    let forward = walk(&mut window, Modifiers::NONE);
    let missed: Vec<&String> =
        wanted.iter().filter(|(id, _)| !forward.contains_key(*id)).map(|(_, name)| name).collect();
    assert!(missed.is_empty(), "Tab does not reach {missed:#?}");
    let backward = walk(&mut window, Modifiers::SHIFT);
    let ids = |seen: &BTreeMap<String, String>| seen.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(ids(&forward), ids(&backward), "Shift+Tab goes the same way back");
}

/// Where Tab leads to in a row of the window and what is there, in that order.
fn walked_in(window: &mut Window, row: egui::Rangef) -> Vec<(f32, String)> {
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for _ in 0..400 {
        window.key_press(Key::Tab);
        window.run_steps(2);
        let mut nodes = window.root().children_recursive();
        let Some(node) = nodes.find(|node| node.accesskit_node().is_focused()) else { continue };
        let (at, it) = (node.rect().center(), node.accesskit_node());
        if !seen.insert(format!("{:?}", it.id())) {
            return found;
        }
        if row.contains(at.y) {
            found.push((at.x, it.label().or_else(|| it.value()).unwrap_or_default()));
        }
    }
    panic!("the focus goes on for ever: {found:?}");
}

#[test]
fn the_bar_of_a_view_is_walked_as_it_is_read_its_tabs_first() {
    let small = Small::new();
    for (view, controls) in [
        (ViewId::Tokens, 3),
        (ViewId::Compare, 5),
        (ViewId::Pareto, 6),
        (ViewId::Dataset, 2),
        (ViewId::Cost, 4),
    ] {
        let mut window = open_sized(empty(tab(view)), [1280.0, 800.0]);
        small.open_in(&mut window);
        let bar = window.get_by_role(Role::Tab).rect().y_range();
        let walked = walked_in(&mut window, bar);
        assert!(walked.len() >= controls, "{view:?}: {walked:?}");
        assert!(walked.is_sorted_by(|a, b| a.0 < b.0), "{view:?}: {walked:?}");
        if view == ViewId::Cost {
            // As the columns of its table.
            let names = walked.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>();
            let wanted = ["length", "passes", "attention", "seconds"];
            assert!(names.windows(4).any(|some| some == wanted), "{names:?}");
        }
    }
}

#[test]
fn a_view_is_chosen_and_a_menu_is_used_with_the_keyboard_alone() {
    let (mut window, _small) = studio();
    let go_to = |window: &mut Window, role: Role, name: &str| {
        for _ in 0..400 {
            window.key_press(Key::Tab);
            window.run_steps(2);
            if focused(window).is_some_and(|(_, there)| there == format!("{role:?} {name:?}")) {
                return;
            }
        }
        panic!("Tab does not reach {name:?}");
    };
    go_to(&mut window, Role::Tab, "Compare");
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(is_in_front(&window, ViewId::Compare));
    go_to(&mut window, Role::ListBox, "Images of the set, 1 of 3 picked");
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    press(&mut window, Modifiers::NONE, Key::End);
    let image = window.state().document().image().cloned();
    assert!(
        matches!(image, Some(smalti_engine::questions::ImageRef::InSource { index: 2, .. })),
        "{image:?}"
    );
    go_to(&mut window, Role::Button, "Switch off");
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert_eq!(*window.state().document().switched_off, [Code::first(3)].into());
    window.get_by_label("Edit").focus();
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Enter);
    window.get_by_label_contains("Undo").focus();
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(window.state().document().switched_off.is_empty());
}

/// What can be acted on and has no word for a name: a sign alone is read as nothing. Places without a
/// role (the bar behind tabs, the line between panels) are no controls, and the keys scroll.
fn nameless(window: &Window) -> Vec<String> {
    let nodes = window.root().children_recursive().map(|node| node.accesskit_node());
    nodes
        .filter(|node| node.data().supports_action(Action::Click) && !node.is_hidden())
        .filter(|node| !matches!(node.role(), Role::Unknown | Role::ScrollBar))
        .filter(|node| {
            let hint = node.data().placeholder().map(str::to_owned);
            let name = node.label().or_else(|| node.value()).filter(|name| !name.is_empty());
            !name.or(hint).unwrap_or_default().chars().any(char::is_alphanumeric)
        })
        .map(|node| format!("{:?} {:?} at {:?}", node.role(), node.label(), node.raw_bounds()))
        .collect()
}

#[test]
fn every_button_has_a_name_of_words_in_every_view_menu_and_dialog() {
    let (mut window, _small) = studio();
    let check = |window: &Window, place: &str| {
        let found = nameless(window);
        assert!(found.is_empty(), "{place}: {found:#?}");
    };
    for view in ViewId::ALL {
        send(&mut window, Layout::Show(view));
        check(&window, smalti::views::entry(view).title);
    }
    for menu in ["File", "Edit", "View", "Scenes", "Help"] {
        click_label(&mut window, menu);
        check(&window, menu);
        press(&mut window, Modifiers::NONE, Key::Escape);
    }
    send(&mut window, smalti::document::Notice::error("Something", "Do something"));
    check(&window, "a toast");
    press(&mut window, Modifiers::COMMAND, Key::P);
    check(&window, "the palette");
    press(&mut window, Modifiers::NONE, Key::Escape);
    press(&mut window, Modifiers::NONE, Key::Questionmark);
    check(&window, "the list of keys");
}

/// What has the keyboard, by name.
fn name_focused(window: &Window) -> String {
    focused(window).map(|(_, name)| name).unwrap_or_default()
}

#[test]
fn a_digit_gives_the_keyboard_to_the_view_that_it_shows() {
    let (mut window, _small) = studio();
    send(&mut window, Edit::SelectCode(None));
    press(&mut window, Modifiers::NONE, Key::Num5);
    assert!(name_focused(&window).contains("Images of the set"), "{}", name_focused(&window));
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    let image = window.state().document().image().cloned();
    assert!(
        matches!(image, Some(smalti_engine::questions::ImageRef::InSource { index: 1, .. })),
        "{image:?}"
    );
    press(&mut window, Modifiers::NONE, Key::Num3);
    assert!(name_focused(&window).contains("codes used"), "{}", name_focused(&window));
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert_eq!(window.state().document().selection.code, Some(Code::first(1)));
    // A view that is worked by nothing in particular has the keyboard itself, and Tab leads into it.
    press(&mut window, Modifiers::NONE, Key::Num7);
    assert!(name_focused(&window).contains("Jobs view"), "{}", name_focused(&window));
    press(&mut window, Modifiers::NONE, Key::Tab);
    assert!(!name_focused(&window).contains("Jobs view"));
}

#[test]
fn images_and_codes_are_one_stop_of_tab_each() {
    let (window, _small) = studio();
    let all = controls(&window);
    let of = |part: &str| all.values().filter(|name| name.contains(part)).count();
    let found = (of("Images of the set"), of("\"Image "), of("codes used"));
    assert_eq!(found, (1, 0, 1), "{all:#?}");
}

#[test]
fn enter_on_the_grid_leads_to_the_field_for_a_code_also_where_the_tools_are_in_a_menu() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Tokens)), [230.0, 500.0]);
    small.open_in(&mut window);
    let at = rect_of(&window, "Token grid").center();
    click(&mut window, at, Modifiers::NONE);
    assert!(says(&window, "Tools") && !says(&window, "Code to force"));
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(name_focused(&window).contains("Code to force"), "{}", name_focused(&window));
    window.event(egui::Event::Text("7".to_owned()));
    press(&mut window, Modifiers::NONE, Key::Enter);
    let edits: Vec<u32> = window.state().document().edits.values().copied().collect();
    assert_eq!(edits, [7]);
    assert!(!says(&window, "Code to force"), "the menu is closed again");
    assert!(name_focused(&window).contains("Token grid"), "{}", name_focused(&window));
}

#[test]
fn a_menu_over_the_grid_has_the_keys_and_the_grid_has_them_not() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Tokens)), [900.0, 600.0]);
    small.open_in(&mut window);
    let at = rect_of(&window, "Token grid").center();
    click(&mut window, at, Modifiers::NONE);
    let picked = window.state().document().selection.clone();
    assert_eq!(picked.cells.len(), 1);
    super::exports::open_menu(&mut window, "Token grid");
    assert!(says(&window, "Copy picture"));
    for key in [Key::ArrowRight, Key::ArrowDown, Key::Delete] {
        press(&mut window, Modifiers::NONE, key);
        assert_eq!(window.state().document().selection, picked, "{key:?}");
    }
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().document().selection, picked, "Escape closed the menu alone");
    click(&mut window, at + egui::vec2(60.0, 0.0), Modifiers::NONE);
    let picked = window.state().document().selection.clone();
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert_ne!(window.state().document().selection, picked, "the keys are the grid's again");
}

/// What happens while a slow window draws a single frame: modifiers go down, something is pressed, and all is let go.
fn within_a_frame(window: &mut Window, modifiers: Modifiers, pressed: &[Event]) {
    let events = &mut window.input_mut().events;
    events.push(Event::ModifiersChanged(modifiers));
    events.extend(pressed.iter().cloned());
    events.push(Event::ModifiersChanged(Modifiers::NONE));
    settle(window);
}

#[test]
fn shift_selects_a_rectangle_also_where_frames_take_longer_than_presses() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Tokens)), [900.0, 600.0]);
    small.open_in(&mut window);
    window.get_by_label_contains("Token grid").focus();
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::ArrowDown);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    let selected = |window: &Window| -> Vec<(u16, u32)> {
        let cells = &window.state().document().selection.cells;
        cells.iter().map(|cell| (cell.row, cell.column)).collect()
    };
    assert_eq!(selected(&window), [(1, 1)]);
    let modifiers = Modifiers::SHIFT;
    let key = |key| {
        [true, false].map(|pressed| Event::Key {
            key,
            physical_key: None,
            pressed,
            repeat: false,
            modifiers,
        })
    };
    within_a_frame(&mut window, modifiers, &key(Key::ArrowDown));
    let twice = [key(Key::ArrowRight), key(Key::ArrowRight)].concat();
    within_a_frame(&mut window, modifiers, &twice);
    assert_eq!(selected(&window), [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]);
    let caption = labels(&window, "tokens over the image");
    assert!(caption.iter().any(|text| text.contains("row 2, column 3 · code")), "{caption:?}");
    // So does a click that is over within a frame.
    let at = middle_of(rect_of(&window, "Token grid"), (5, 5), (16, 16));
    point(&mut window, at);
    let button = [true, false].map(|pressed| Event::PointerButton {
        pos: at,
        button: PointerButton::Primary,
        pressed,
        modifiers,
    });
    within_a_frame(&mut window, modifiers, &button);
    assert_eq!(selected(&window).len(), 7, "one more: {:?}", selected(&window));
}

#[test]
fn tab_stops_at_nothing_that_is_dragged_alone() {
    let (mut window, _small) = studio();
    // The pointer is at work, for which bars of tabs and the lines between panels are there.
    point(&mut window, egui::pos2(640.0, 300.0));
    for modifiers in [Modifiers::NONE, Modifiers::SHIFT] {
        let seen = walk(&mut window, modifiers);
        let nowhere: Vec<&String> = seen.values().filter(|name| name.contains("Unknown")).collect();
        assert!(nowhere.is_empty(), "nobody sees where the keyboard is: {nowhere:?} of {seen:#?}");
    }
}
