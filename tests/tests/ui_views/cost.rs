//! The Cost view: figures of a grid, which is dragged and led by keys, and what is measured point by point.

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use smalti::document::{Panel, ViewId};
use smalti_engine::generators::{Cost, Writer};
use smalti_engine::questions::TimeWriting;
use smalti_tests::window::{
    Window, click_label, drag, empty, is_in_front, labels, open_sized, press, rect_of, says,
    settle, tab,
};

use super::exports::{open_menu, save_to};

fn open(layout: Panel) -> Window {
    open_sized(empty(layout), [1280.0, 800.0])
}

/// Frames until the window says something. It is not waited for all that goes on: measuring takes its time.
fn until_said(window: &mut Window, text: &str) {
    for _ in 0..60_000 {
        window.step();
        if says(window, text) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    panic!("{text:?} is never said: {:?}", labels(window, ""));
}

#[test]
fn the_grid_is_dragged_and_led_by_arrows_and_the_table_follows() {
    let mut window = open(tab(ViewId::Cost));
    assert!(says(&window, "16×16 tokens · 128×128 pixels"));
    assert!(says(&window, "pixel AR 16\u{a0}384, raster AR 256, MaskGIT 12, VAR 5"));
    let plot = rect_of(&window, "forward passes of the network");
    drag(&mut window, plot.center(), plot.right_center() - egui::vec2(2.0, 0.0));
    assert!(says(&window, "32×32 tokens · 256×256 pixels"), "{:?}", labels(&window, "tokens"));
    assert!(says(&window, "pixel AR 65\u{a0}536, raster AR 1\u{a0}024, MaskGIT 12, VAR 6"));
    press(&mut window, Modifiers::NONE, Key::ArrowLeft);
    assert!(says(&window, "31×31 tokens · 248×248 pixels"));
    press(&mut window, Modifiers::NONE, Key::Home);
    assert!(says(&window, "4×4 tokens · 32×32 pixels"));
    assert!(says(&window, "not measured"), "nothing is before it is asked for");
    // The plot's, not the head of a column of the table.
    let choice = "length";
    window.get_by_role_and_label(egui::Role::Button, choice).click();
    settle(&mut window);
    assert!(says(&window, "pixel AR 1\u{a0}024, raster AR 16, MaskGIT 16, VAR 21"));
}

#[test]
fn what_is_measured_comes_point_by_point_and_can_be_stopped() {
    let mut window = open(tab(ViewId::Cost));
    // Not by `click_label`, which waits until nothing is worked on any more.
    window.get_by_label("Measure on this machine").click();
    until_said(&mut window, "measuring pixel AR, 6×6");
    window.get_by_label("Stop").click();
    until_said(&mut window, "stopped");
    let question = TimeWriting { writer: Writer::Raster, side: 4, time: 0 };
    let timing = window.state().session().known(&question).unwrap();
    assert_eq!(timing.passes, Cost::of(Writer::Raster, 4).passes);
    let far = TimeWriting { writer: Writer::Raster, side: 32, time: 0 };
    assert!(window.state().session().known(&far).is_none(), "nothing goes on behind it");
    assert!(says(&window, "Measure again"));
}

#[test]
fn all_numbers_can_be_taken_and_the_key_shows_the_view() {
    let layout = Panel::Tabs { views: vec![ViewId::Log, ViewId::Cost], front: None };
    let mut window = open(layout);
    press(&mut window, Modifiers::NONE, Key::C);
    assert!(is_in_front(&window, ViewId::Cost));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cost.csv");
    open_menu(&mut window, "forward passes of the network");
    click_label(&mut window, "Save its numbers, CSV…");
    save_to(&mut window, &path);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("writer,side,tokens,passes,pairs,attention operations,seconds"));
    assert_eq!(lines.clone().count(), 4 * 29);
    let raster = lines.find(|line| line.starts_with("raster AR,32,")).unwrap();
    let fields: Vec<&str> = raster.split(',').collect();
    assert_eq!(fields[2..5], ["1024", "1024", "524800"]);
    assert_eq!(fields[6], "", "nothing was measured");
}

#[test]
fn the_table_and_what_its_figures_mean_are_seen_whole_in_a_window_as_designed() {
    let window = open(tab(ViewId::Cost));
    let inside = window.ctx.content_rect();
    for words in ["One picture, without guidance.", "seconds", "attention", "not measured"] {
        let found: Vec<_> = window.query_all_by_label_contains(words).collect();
        assert!(!found.is_empty(), "{words}");
        for node in found {
            assert!(inside.contains_rect(node.rect()), "{words}: {:?}", node.rect());
        }
    }
}
