//! Zoom by keys, and what becomes of zoom and scroll when there is something else to look at.

use egui::{Event, Key, Modifiers, vec2};
use egui_kittest::kittest::Queryable;
use smalti::document::{CompareMode, Look, Open, ViewId};
use smalti_engine::questions::ImageRef;
use smalti_tests::window::{
    Small, Window, click_label, drawn, empty, open_drawn, open_sized, pixel, point_nowhere, press,
    rect_of, says, send, settle, tab,
};

fn key(window: &mut Window, key: Key, times: usize) {
    for _ in 0..times {
        press(window, Modifiers::NONE, key);
    }
}

#[test]
fn a_zoomed_picture_fills_the_panel_and_the_next_one_is_seen_as_a_whole() {
    let small = Small::new();
    for (view, name) in [(ViewId::Compare, " of original|A"), (ViewId::Tokens, "Token grid")] {
        let mut window = open_sized(empty(tab(view)), [1000.0, 500.0]);
        send(&mut window, Look::Compare(CompareMode::Slider));
        small.open_in(&mut window);
        let whole = rect_of(&window, name);
        assert!((whole.width() - whole.height()).abs() < 1.0, "{view:?}: {whole:?}");
        key(&mut window, Key::Plus, 4);
        let filled = rect_of(&window, name);
        // Beside the tools.
        let panel = if view == ViewId::Compare { 940.0 } else { 440.0 };
        assert!(filled.width() > panel, "{view:?}: {filled:?}");
        assert!(filled.height() >= whole.height() - 1.0, "{view:?}: {filled:?}");
        send(&mut window, Open::Image(ImageRef::InSource { source: small.source(), index: 1 }));
        assert_eq!(rect_of(&window, name), whole, "{view:?}: another picture");
        key(&mut window, Key::Plus, 4);
        assert_eq!(rect_of(&window, name), filled, "{view:?}");
        key(&mut window, Key::F, 1);
        assert_eq!(rect_of(&window, name), whole, "{view:?}: the key for all of it");
    }
}

#[test]
fn at_100_percent_a_pixel_is_one_of_the_screen() {
    let small = Small::new();
    let Some(mut window) = open_drawn(empty(tab(ViewId::Compare)), [900.0, 600.0]) else { return };
    small.open_in(&mut window);
    send(&mut window, Look::Compare(CompareMode::Swap));
    point_nowhere(&mut window);
    let whole = drawn(&mut window);
    let place = rect_of(&window, " of original|A");
    let panel = pixel(&whole, place.left_center() - vec2(6.0, 0.0));
    key(&mut window, Key::Num0, 1);
    let screen = drawn(&mut window);
    // 32 pixels a side.
    for (away, is_picture) in [(13.0, true), (19.0, false), (60.0, false)] {
        for direction in [vec2(1.0, 0.0), vec2(-1.0, 0.0), vec2(0.0, 1.0), vec2(0.0, -1.0)] {
            let seen = pixel(&screen, place.center() + direction * away);
            assert_eq!(seen != panel, is_picture, "{away} along {direction:?}: {seen:?}");
        }
    }
    key(&mut window, Key::F, 1);
    assert!(drawn(&mut window) == whole, "back to all of it");
}

#[test]
fn zooming_is_found_by_its_name() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Compare)), [1000.0, 600.0]);
    send(&mut window, Look::Compare(CompareMode::Slider));
    small.open_in(&mut window);
    let whole = rect_of(&window, " of original|A");
    for (words, is_whole) in [("zoom in", false), ("fit the pictures", true)] {
        press(&mut window, Modifiers::COMMAND, Key::P);
        window.get_by_role(egui::Role::TextInput).type_text(words);
        settle(&mut window);
        press(&mut window, Modifiers::NONE, Key::Enter);
        assert_eq!(rect_of(&window, " of original|A") == whole, is_whole, "{words}");
    }
}

#[test]
fn another_set_begins_at_its_first_image() {
    let (one, other) = (Small::new(), Small::new());
    let mut window = open_sized(empty(tab(ViewId::Dataset)), [180.0, 260.0]);
    one.open_in(&mut window);
    assert!(says(&window, "Image 1"));
    let at = rect_of(&window, "Image 1").center();
    window.hover_at(at);
    window.event(Event::MouseWheel {
        unit: egui::MouseWheelUnit::Point,
        delta: vec2(0.0, -2000.0),
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
        modifiers: Modifiers::NONE,
    });
    settle(&mut window);
    let top = |window: &Window| rect_of(window, "Image 3").top();
    let scrolled = top(&window);
    send(&mut window, Open::Source(other.source()));
    let first = rect_of(&window, "Image 1");
    assert!(first.top() >= 0.0 && first.bottom() <= 260.0, "{first:?}");
    // And the first set is where it was left.
    send(&mut window, Open::Source(one.source()));
    assert!((top(&window) - scrolled).abs() < 1.0);
    click_label(&mut window, "Image 3");
}
