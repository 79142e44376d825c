//! What the Generate view must not hide: failures behind an older picture, settings that are others by now,
//! work that would be lost.

use egui::{Event, Key, Modifiers};
use egui_kittest::kittest::Queryable;
use smalti::document::{Asked, Generate, Layout, Open, Panel, ViewId};
use smalti_engine::generators::{Unmasking, Way};
use smalti_engine::questions::{ModelInfo, ModelRef, Stamp};
use smalti_engine::tokens::Cell;
use smalti_tests::tiny::tiny_generator;
use smalti_tests::window::{
    Small, Window, click_label, drag, empty, labels, middle_of, open_sized, press, rect_of, says,
    send, settle, until,
};

/// The window with a generated picture of a masked generator, and the folder of both files.
fn generated() -> (Window, Small) {
    let small = Small::new();
    let layout = Panel::Tabs { views: vec![ViewId::Generate, ViewId::Tokens], front: None };
    let mut window = open_sized(empty(layout), [1280.0, 800.0]);
    write_generator(&window, &small, "painter.safetensors");
    send(&mut window, Open::Path(small.model().with_file_name("painter.safetensors")));
    click_label(&mut window, "Start");
    until(&mut window, "Generation done");
    (window, small)
}

fn write_generator(window: &Window, small: &Small, name: &str) {
    let model = ModelRef::File { path: small.model().into(), stamp: Stamp::default() }.now();
    let facts = window.state().session().wait(&ModelInfo { model }).unwrap();
    let path = small.model().with_file_name(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    tiny_generator(&path, Way::MaskGit, &facts.token_hash);
}

fn asked(window: &Window) -> Asked {
    Asked::clone(window.state().document().generating.asked.as_ref().unwrap())
}

fn ask(window: &mut Window, asked: Asked) {
    send(window, Generate::Ask(Box::new(asked)));
}

#[test]
fn what_cannot_decode_is_said_beside_the_older_picture_and_can_be_chosen_anew() {
    let (mut window, _small) = generated();
    let wrong = Some(ModelRef::Shipped("worlds-fsq".into()));
    let next = Asked { tokenizer: wrong, ..asked(&window) };
    ask(&mut window, next);
    assert!(says(&window, "its tokens are others"), "{:?}", labels(&window, "tokens"));
    assert!(says(&window, "decoded from 64 tokens"), "the picture of before stays");
    click_label(&mut window, "Decode by…");
    window.get_all_by_label("its own").last().unwrap().click();
    settle(&mut window);
    assert!(!says(&window, "its tokens are others"));
    assert_eq!(asked(&window).tokenizer, None);
}

#[test]
fn a_picture_of_other_settings_says_so() {
    let (mut window, _small) = generated();
    assert!(!says(&window, "before the settings were changed"));
    let next = Asked { seed: 9, ..asked(&window) };
    ask(&mut window, next);
    assert!(says(&window, "seed 1, before the settings were changed"));
    click_label(&mut window, "Start");
    until(&mut window, "Generation done");
    assert!(!says(&window, "before the settings were changed"));
}

#[test]
fn settings_beyond_the_sliders_are_not_changed_by_being_shown() {
    let (mut window, _small) = generated();
    let mut next = asked(&window);
    next.unmasking = Unmasking { steps: 100, choice_temperature: 31.0, ..next.unmasking };
    next.sampling.guidance = 12.125;
    next.sampling.top_p = 0.999;
    ask(&mut window, next.clone());
    press(&mut window, Modifiers::NONE, Key::G);
    settle(&mut window);
    assert_eq!(asked(&window), next);
}

#[test]
fn quitting_asks_before_cells_that_were_kept_are_lost() {
    let (mut window, _small) = generated();
    let next = asked(&window).giving(Cell::at(2, 3), Some(5));
    ask(&mut window, next);
    let viewport = window.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default();
    viewport.events.push(egui::ViewportEvent::Close);
    window.step();
    let viewport = window.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default();
    viewport.events.clear();
    settle(&mut window);
    assert!(window.query_by_label("Quit without saving").is_some(), "it asks");
}

#[test]
fn a_generator_that_was_written_again_is_read_again_when_it_is_chosen() {
    let (mut window, small) = generated();
    let before = asked(&window).generator;
    write_generator(&window, &small, "painter.safetensors");
    assert_ne!(before.clone().now(), before, "the file is another one by its time");
    click_label(&mut window, "Generator, painter");
    window.get_all_by_label("painter").last().unwrap().click();
    settle(&mut window);
    assert_eq!(asked(&window).generator, before.now());
}

#[test]
fn two_generators_of_one_name_are_told_by_their_folders() {
    let (mut window, small) = generated();
    write_generator(&window, &small, "other/painter.safetensors");
    std::fs::copy(small.model(), small.model().with_file_name("other").join("tiny.safetensors"))
        .unwrap();
    let path = small.model().with_file_name("other").join("painter.safetensors");
    send(&mut window, Open::Path(path));
    send(&mut window, Layout::Show(ViewId::Generate));
    assert!(says(&window, "Generator, other/painter"), "{:?}", labels(&window, "Generator"));
}

#[test]
fn arrows_walk_over_the_picture_as_over_the_grid() {
    let (mut window, _small) = generated();
    let picture = rect_of(&window, "Picture at this step");
    let at = middle_of(picture, (3, 2), (8, 8));
    smalti_tests::window::click(&mut window, at, Modifiers::NONE);
    assert!(says(&window, "Cell in row 3, column 2, pinned"), "{:?}", labels(&window, "Cell"));
    window.event(Event::PointerGone);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert!(says(&window, "Cell in row 3, column 3, pinned"), "{:?}", labels(&window, "Cell"));
}

#[test]
fn whoever_wants_to_select_what_is_generated_is_told_where() {
    let (mut window, _small) = generated();
    let grid = rect_of(&window, "Generated tokens");
    let at = |row, column| middle_of(grid, (row, column), (8, 8));
    let told = "in Generate brings the tokens of a step there";
    assert!(!says(&window, told));
    drag(&mut window, at(1, 1), at(4, 5));
    assert!(says(&window, "Cells are selected in Tokens, not here") && says(&window, told));
    assert!(window.state().document().selection.cells.is_empty());
    // Also who asks for what needs a selection.
    let (mut window, _small) = generated();
    press(&mut window, Modifiers::COMMAND, Key::L);
    assert!(says(&window, told), "{:?}", labels(&window, "select"));
}

#[test]
fn what_line_and_bars_of_the_timeline_are_is_said_above_them() {
    let (window, _small) = generated();
    let (legend, bars) =
        (rect_of(&window, "masked (line)"), rect_of(&window, "Generation timeline"));
    assert!(legend.bottom() <= bars.top() + 1.0, "{legend:?} lies over {bars:?}");
    assert!(says(&window, "mean confidence to"), "{:?}", labels(&window, "masked"));
}
