//! The Schedule view: what is drawn is what is asked next, a drag is one step of undo, and what the bars say is what
//! a generation does.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{Key, Modifiers, vec2};
use smalti::document::{Asked, Generate, Layout, Open, Panel, ViewId};
use smalti_engine::generators::{Schedule, Way};
use smalti_engine::questions::{ModelInfo, ModelRef, Stamp};
use smalti_engine::session::RunState;
use smalti_engine::tokens::Cell;
use smalti_tests::tiny::tiny_generator;
use smalti_tests::window::{
    Small, Window, click_label, drag, empty, is_in_front, labels, open_sized, press, rect_of, says,
    send,
};

/// The window with a generator of 8 x 8 tokens, and the view.
fn open(way: Way) -> (Window, Small) {
    let small = Small::new();
    let layout = Panel::Tabs { views: vec![ViewId::Schedule, ViewId::Generate], front: None };
    let mut window = open_sized(empty(layout), [1280.0, 800.0]);
    let model = ModelRef::File { path: small.model().into(), stamp: Stamp::default() }.now();
    let hash = window.state().session().wait(&ModelInfo { model }).unwrap().token_hash.clone();
    let path = small.model().with_file_name("painter.safetensors");
    tiny_generator(&path, way, &hash);
    send(&mut window, Open::Path(path));
    press(&mut window, Modifiers::NONE, Key::D);
    assert!(is_in_front(&window, ViewId::Schedule));
    (window, small)
}

fn schedule(window: &Window) -> Schedule {
    let asked = window.state().document().generating.asked.clone();
    asked.unwrap().unmasking.schedule.clone()
}

/// What a generation writes in each of its steps, as it is asked next.
fn generated(window: &mut Window) -> String {
    send(window, Layout::Show(ViewId::Generate));
    let asked = window.state().document().generating.asked.clone().unwrap();
    send(window, Generate::Start { asked: Box::new((*asked).clone()), waits: false });
    // The notice of the one before may still be there.
    for _ in 0..4000 {
        let trace = window.state().generations().get(&asked);
        if trace.is_some_and(|trace| trace.state.is_over()) {
            break;
        }
        window.step();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let trace = window.state().generations().get(&asked).unwrap();
    assert_eq!(trace.state, RunState::Done);
    let written = trace.steps.iter().map(|step| step.step.committed.len().to_string());
    written.collect::<Vec<_>>().join(", ")
}

#[test]
fn tokens_larger_than_the_grid_are_told_as_they_are_written_in_windows() {
    let (mut window, _small) = open(Way::MaskGit);
    let asked = window.state().document().generating.asked.clone().unwrap();
    let given = (0..16).map(|row| (Cell::at(row, 3), 1)).collect::<BTreeMap<_, _>>();
    let next = Asked { grid: Some((16, 16)), given: Arc::new(given), ..Asked::clone(&asked) };
    send(&mut window, Generate::Ask(Box::new(next)));
    let said = labels(&window, "Tokens written in each step: ").remove(0);
    assert!(says(&window, "windows · 240 tokens · at most"), "{:?}", labels(&window, "tokens"));
    let written = generated(&mut window);
    assert_eq!(said, format!("Tokens written in each step: {written}"));
}

#[test]
fn a_name_is_picked_and_the_bars_are_what_a_generation_writes() {
    let (mut window, _small) = open(Way::MaskGit);
    for name in ["square", "root", "constant"] {
        click_label(&mut window, name);
        assert_eq!(schedule(&window).name(), name);
        let said = labels(&window, "Tokens written in each step: ").remove(0);
        let written = generated(&mut window);
        assert_eq!(said, format!("Tokens written in each step: {written}"), "{name}");
        send(&mut window, Layout::Show(ViewId::Schedule));
    }
}

#[test]
fn a_dragged_point_makes_a_curve_in_one_step_of_undo() {
    let (mut window, _small) = open(Way::MaskGit);
    assert_eq!(schedule(&window), Schedule::Cosine);
    let from = rect_of(&window, "Point 2: after 50 %").center();
    drag(&mut window, from, from + vec2(0.0, 60.0));
    let Schedule::Curve(curve) = schedule(&window) else { panic!("{:?}", schedule(&window)) };
    assert_eq!(curve.points().len(), 5);
    let (done, masked) = curve.points()[2];
    assert!((done - 0.5).abs() < 0.01 && masked < 0.69, "{done} {masked}");
    assert!(says(&window, "a curve through 5 points"));
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(schedule(&window), Schedule::Cosine, "one step back");
}

#[test]
fn another_way_of_writing_has_no_schedule_and_says_so() {
    let (window, _small) = open(Way::Raster);
    assert!(says(&window, "MaskGIT alone has a schedule"));
    assert!(says(&window, "it writes one token in each step"));
}
