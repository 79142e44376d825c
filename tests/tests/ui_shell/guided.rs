//! What a scene does is done to what it began with, and taken back there: own work is nobody else's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use smalti::document::{AppCommand, Asked, Document, Edit, Generate, Layout, Open, ViewId};
use smalti_engine::questions::{ImageRef, ModelRef, SourceRef};
use smalti_engine::session::{Control, RunId, RunState};
use smalti_engine::tokens::Cell;
use smalti_tests::tiny::write_png;
use smalti_tests::window::{Window, click_label, labels, open, press, says, send, settle, until};

use super::documents::write_document;
use super::force;

fn choose(window: &mut Window, scene: &str) {
    send(window, Layout::Scene(scene.to_owned()));
}

fn go_on(window: &mut Window) {
    press(window, Modifiers::NONE, Key::PageDown);
}

fn go_back(window: &mut Window) {
    press(window, Modifiers::NONE, Key::PageUp);
}

fn document(window: &Window) -> Document {
    window.state().document().clone()
}

/// Whether a notice says something.
fn was_said(window: &Window, part: &str) -> bool {
    window.state().notices().list().iter().any(|notice| notice.summary.contains(part))
}

/// Runs that are not over, oldest first.
fn open_runs(window: &Window) -> Vec<(RunId, RunState)> {
    let runs = window.state().session().runs().into_iter();
    runs.filter(|run| !run.state.is_over()).map(|run| (run.id, run.state)).collect()
}

/// Frames until something is so.
fn until_so(window: &mut Window, what: &str, is_so: impl Fn(&Window) -> bool) {
    for _ in 0..8000 {
        window.step();
        if is_so(window) {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("never: {what}; {:?}", window.state().notices().list());
}

/// Presses a key, and pauses what begins by it as soon as it has begun.
fn press_and_pause(window: &mut Window, key: Key) -> RunId {
    window.key_press_modifiers(Modifiers::NONE, key);
    pause_first(window)
}

fn pause_first(window: &mut Window) -> RunId {
    until_so(window, "a run", |window| !open_runs(window).is_empty());
    let run = open_runs(window)[0].0;
    window.state().session().control(run, Control::Pause);
    until_so(window, "paused", |window| open_runs(window).contains(&(run, RunState::Paused)));
    run
}

/// A document in which code 5 is forced, and its folder.
fn own_document() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.smalti");
    write_document(&path, 5);
    (folder, path)
}

/// Opens a document over what was generated, which is not saved.
fn open_over(window: &mut Window, path: &Path) {
    send(window, Open::Path(path.to_owned()));
    if says(window, "Go on without saving") {
        click_label(window, "Go on without saving");
    }
}

#[test]
fn a_document_that_is_opened_after_a_scene_is_not_taken_back_to_the_contents_of_that() {
    for in_hall in [false, true] {
        let (_folder, path) = own_document();
        let mut window = open();
        choose(&mut window, "maskgit");
        if in_hall {
            press(&mut window, Modifiers::NONE, Key::F5);
        }
        for _ in 0..3 {
            go_on(&mut window);
        }
        open_over(&mut window, &path);
        let own = document(&window);
        assert_eq!(own.edits.values().copied().collect::<Vec<_>>(), [5]);
        if !in_hall {
            press(&mut window, Modifiers::NONE, Key::F5);
        }
        let said = (1..=4).any(|at| window.query_by_label(&format!("{at} of 4")).is_some());
        assert!(!said, "no caption of another document");
        go_back(&mut window);
        assert_eq!(document(&window).edits, own.edits);
        assert_eq!(document(&window).generating, own.generating);
        press(&mut window, Modifiers::NONE, Key::F6);
        assert_eq!(document(&window).edits, own.edits, "it is no scene");
    }
}

/// The door "Change" with its first way taken.
fn changed() -> Window {
    let mut window = open();
    choose(&mut window, "change");
    until(&mut window, "Variation 4, seed 8, done");
    go_on(&mut window);
    assert!(!document(&window).edits.is_empty());
    window
}

#[test]
fn what_a_person_did_meanwhile_stays_on_the_way_back() {
    let mut window = changed();
    go_on(&mut window);
    let taken = document(&window).edits;
    send(&mut window, force(0, 0, 3));
    send(&mut window, force(5, 6, 3));
    send(&mut window, Edit::KeepVariation);
    let kept = document(&window).variations.all().len();
    go_back(&mut window);
    go_back(&mut window);
    until(&mut window, "Variation 1, seed 5, done");
    let now = document(&window);
    let by_hand: Vec<Cell> = vec![Cell::at(0, 0), Cell::at(5, 6)];
    assert_eq!(now.edits.keys().copied().collect::<Vec<_>>(), by_hand, "and the way is not");
    assert!(now.edits.values().all(|code| *code == 3) && taken.len() > 2);
    assert!(now.variations.all().len() >= kept, "what was kept is in History");
}

#[test]
fn a_way_that_a_person_chose_is_taken_back_with_the_ways() {
    let mut window = open();
    choose(&mut window, "change");
    until(&mut window, "Variation 4, seed 8, done");
    press(&mut window, Modifiers::NONE, Key::Num2);
    assert!(!document(&window).edits.is_empty());
    go_on(&mut window);
    go_back(&mut window);
    until(&mut window, "Variation 1, seed 5, done");
    assert!(document(&window).edits.is_empty());
}

#[test]
fn nothing_of_a_scene_is_done_to_another_picture_after_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.png");
    write_png(&path, 128, 128, 1);
    for in_hall in [false, true] {
        let mut window = open();
        choose(&mut window, "change");
        if in_hall {
            press(&mut window, Modifiers::NONE, Key::F5);
        }
        send(&mut window, Open::Path(path.clone()));
        send(&mut window, force(1, 1, 3));
        let own = document(&window);
        if !in_hall {
            press(&mut window, Modifiers::NONE, Key::F5);
        }
        assert!(says(&window, "1 of 3"), "its captions are still said");
        assert!(was_said(&window, "captions do nothing any more"));
        for _ in 0..2 {
            go_on(&mut window);
        }
        assert!(says(&window, "3 of 3"));
        for _ in 0..2 {
            go_back(&mut window);
        }
        let now = document(&window);
        assert_eq!((&now.edits, &now.selection.cells), (&own.edits, &own.selection.cells));
        assert_eq!((&now.generating, now.image()), (&own.generating, own.image()));
    }
}

#[test]
fn ways_that_a_person_asked_for_are_not_picked_from_unasked_and_who_did_nothing_goes_on() {
    let mut window = changed();
    press(&mut window, Modifiers::NONE, Key::Escape);
    press(&mut window, Modifiers::NONE, Key::F5);
    go_back(&mut window);
    until(&mut window, "Variation 4, seed 8, done");
    assert!(document(&window).edits.is_empty(), "it goes on as it was left");
    press(&mut window, Modifiers::NONE, Key::Escape);
    let cells = [Cell::at(0, 0), Cell::at(0, 1)].into();
    send(&mut window, Edit::SelectCells(std::sync::Arc::new(cells)));
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::R);
    press(&mut window, Modifiers::NONE, Key::F5);
    go_on(&mut window);
    settle(&mut window);
    assert!(document(&window).edits.is_empty(), "none of them is taken");
}

#[test]
fn a_scene_begins_again_where_its_picture_is_and_asks_about_any_other_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.png");
    write_png(&path, 128, 128, 1);
    let mut window = open();
    choose(&mut window, "edit");
    press(&mut window, Modifiers::NONE, Key::Escape);
    send(&mut window, Layout::Another(ViewId::Codebook));
    let panels = window.state().layout();
    press(&mut window, Modifiers::NONE, Key::F6);
    assert_eq!(window.state().layout(), panels, "no undo would bring them back");
    send(&mut window, Open::Path(path));
    let own = document(&window);
    press(&mut window, Modifiers::NONE, Key::F6);
    assert_eq!(document(&window).image(), own.image(), "nothing happens unasked");
    click_label(&mut window, "Load the scene's");
    let sample = ImageRef::InSource { source: SourceRef::Samples, index: 3 };
    assert_eq!(document(&window).image(), Some(&sample));
}

/// Generates something that no scene asks for.
fn generate_own(window: &mut Window) -> Document {
    let asked = Asked::of(ModelRef::Shipped("worlds-maskgit".into()));
    let asked = Box::new(Asked { seed: 77, ..asked });
    send(window, Generate::Start { asked, waits: false });
    document(window)
}

#[test]
fn a_scene_asks_before_what_was_generated_and_is_not_saved_gives_way_to_it() {
    let mut window = open();
    let own = generate_own(&mut window);
    choose(&mut window, "race");
    assert_eq!(document(&window).generating, own.generating, "it races, and generates nothing");
    press(&mut window, Modifiers::NONE, Key::Escape);
    choose(&mut window, "var");
    assert_eq!(document(&window).generating, own.generating, "nothing happens unasked");
    click_label(&mut window, "Cancel");
    assert_eq!(document(&window).generating, own.generating);
    assert!(window.state().title().starts_with('*'), "{}", window.state().title());
    choose(&mut window, "maskgit");
    click_label(&mut window, "Go on without saving");
    assert!(says(&window, "1 of 4"));
    for _ in 0..3 {
        go_on(&mut window);
    }
    assert!(document(&window).generating.moment.is_some());
    choose(&mut window, "raster");
    assert!(!says(&window, "Go on without saving"), "what scenes made is made again by them");
}

#[test]
fn what_writes_for_a_caption_ends_when_that_is_taken_back() {
    let mut window = open();
    choose(&mut window, "edit");
    press_and_pause(&mut window, Key::Num1);
    go_back(&mut window);
    until_so(&mut window, "it ends", |window| open_runs(window).is_empty());
    let paused = press_and_pause(&mut window, Key::Num1);
    press(&mut window, Modifiers::NONE, Key::F6);
    until_so(&mut window, "it ends", |window| open_runs(window).is_empty());
    window.key_press_modifiers(Modifiers::NONE, Key::Num1);
    until_so(&mut window, "another one", |window| !open_runs(window).is_empty());
    assert!(open_runs(&window).iter().all(|(run, _)| *run != paused));
    until_so(&mut window, "written", |window| !window.state().document().edits.is_empty());
}

#[test]
fn a_scene_goes_on_with_a_way_that_was_paused_and_past_one_that_was_cancelled() {
    for cancels in [false, true] {
        let mut window = open();
        window.state().send(Layout::Scene("change".to_owned()));
        let run = pause_first(&mut window);
        if cancels {
            window.state().session().control(run, Control::Cancel);
            until_so(&mut window, "over", |window| {
                open_runs(window).iter().all(|(other, _)| *other != run)
            });
        }
        window.key_press_modifiers(Modifiers::NONE, Key::PageDown);
        if cancels {
            until_so(&mut window, "said", |window| was_said(window, "it was cancelled"));
            settle(&mut window);
            assert!(document(&window).edits.is_empty() && !window.state().is_working());
        } else {
            let is_taken = |window: &Window| !window.state().document().edits.is_empty();
            until_so(&mut window, "it is taken", is_taken);
        }
    }
}

#[test]
fn who_is_led_works_in_a_view_by_its_keys() {
    let mut window = changed();
    go_on(&mut window);
    assert!(says(&window, "3 of 3"));
    send(&mut window, Layout::Show(ViewId::Tokens));
    let before = document(&window);
    for key in [Key::ArrowLeft, Key::ArrowLeft, Key::ArrowUp] {
        press(&mut window, Modifiers::NONE, key);
        assert!(says(&window, "3 of 3"), "{key:?} moves in the grid");
    }
    assert_eq!(document(&window).edits, before.edits, "and takes nothing back");
    go_back(&mut window);
    assert!(says(&window, "2 of 3"));
    choose(&mut window, "maskgit");
    assert!(says(&window, "Predict first"));
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(says(&window, "1 of 4") && !says(&window, "Predict first"));
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(says(&window, "2 of 4"));
}

#[test]
fn a_screen_is_black_for_a_hall_alone_and_nothing_is_taken_in_front_of_the_doors() {
    let mut window = open();
    choose(&mut window, "change");
    until(&mut window, "Variation 4, seed 8, done");
    press(&mut window, Modifiers::COMMAND, Key::P);
    window.event(egui::Event::Text("black screen".to_owned()));
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert_eq!(labels(&window, "any key shows the presentation again"), [""; 0]);
    // Out of the palette, and out of the scene.
    for _ in 0..3 {
        if says(&window, "Try it yourself") {
            press(&mut window, Modifiers::NONE, Key::Escape);
        }
    }
    send(&mut window, Layout::Doors);
    assert!(says(&window, "Door 1"));
    press(&mut window, Modifiers::NONE, Key::Num4);
    assert!(document(&window).edits.is_empty(), "no way is taken unseen");
    assert!(says(&window, "Door 1"));
}

#[test]
fn a_menu_that_nothing_has_is_said_and_does_not_open_later() {
    let mut window = open();
    send(&mut window, Layout::Doors);
    press(&mut window, Modifiers::SHIFT, Key::F10);
    assert!(was_said(&window, "No picture with a menu is here"));
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(says(&window, "Token grid"));
    assert_eq!(labels(&window, "Copy picture"), [""; 0]);
    send(&mut window, AppCommand::PictureMenu);
    assert!(says(&window, "Copy picture"), "where there is a picture it opens");
}
