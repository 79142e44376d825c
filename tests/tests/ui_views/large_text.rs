//! Large text and little room: tools, menus and pictures stay where a person can reach them.

use std::sync::Arc;

use egui::{Event, Modifiers, Rect, vec2};
use egui_kittest::kittest::Queryable;
use smalti::document::{AppCommand, Edit, ViewId};
use smalti_engine::tokens::Cell;
use smalti_tests::window::{
    Small, click_label, empty, open_sized, point, rect_of, send, settle, tab,
};

#[test]
fn the_tools_of_the_hand_are_in_sight_with_large_text_and_in_low_views() {
    let tools = [
        "Select by rectangle",
        "Grow the selection",
        "Invert the selection",
        "Select by code",
        "Resample the selected cells",
        "Four variations of the selected cells",
    ];
    for (size, scale) in [
        ([1280.0, 800.0], 1.0),
        ([1280.0, 800.0], 1.5),
        ([1280.0, 800.0], 2.0),
        ([900.0, 400.0], 1.0),
    ] {
        let small = Small::new();
        let mut window = open_sized(empty(tab(ViewId::Tokens)), size);
        send(&mut window, AppCommand::TextScale(scale));
        small.open_in(&mut window);
        let inside = window.ctx.content_rect();
        let picture = window.get_by_label("Reconstruction").rect();
        let mut places: Vec<Rect> = Vec::new();
        for tool in tools {
            let place = window.get_by_label(tool).rect();
            assert!(inside.contains_rect(place), "{size:?} x{scale}: {tool} at {place:?}");
            assert!(!picture.intersects(place), "{size:?} x{scale}: {tool} over the picture");
            let is_free = places.iter().all(|other| !other.shrink(0.5).intersects(place));
            assert!(is_free, "{size:?} x{scale}: {tool} lies over another one");
            places.push(place);
        }
    }
}

#[test]
fn the_end_of_a_menu_that_is_higher_than_the_window_is_scrolled_to() {
    let mut window = open_sized(empty(tab(ViewId::Log)), [1280.0, 500.0]);
    send(&mut window, AppCommand::TextScale(1.5));
    let inside = window.ctx.content_rect();
    let title = window.get_by_label("View").rect();
    click_label(&mut window, "View");
    let before = rect_of(&window, "Text as designed");
    assert!(before.bottom() > inside.bottom(), "{before:?} has room in {inside:?} anyway");
    point(&mut window, title.left_bottom() + vec2(40.0, 60.0));
    window.event(Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: vec2(0.0, -4000.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
        modifiers: Modifiers::NONE,
    });
    settle(&mut window);
    let after = rect_of(&window, "Text as designed");
    assert!(inside.contains_rect(after), "{after:?}");
}

#[test]
fn pictures_stay_where_they_are_as_the_first_cell_is_forced() {
    let small = Small::new();
    for width in [560.0, 640.0, 720.0, 800.0, 880.0, 960.0] {
        let mut window = open_sized(empty(tab(ViewId::Tokens)), [width, 760.0]);
        small.open_in(&mut window);
        let before = window.get_by_label("Reconstruction").rect();
        let cells = Arc::new([Cell::at(1, 1), Cell::at(1, 2)].into());
        send(&mut window, Edit::ForceCells { cells, code: 3 });
        let after = window.get_by_label("Reconstruction").rect();
        let moved = (after.min - before.min).length() + (after.max - before.max).length();
        assert!(moved < 0.1, "{width}: {before:?}, then {after:?}");
    }
}
