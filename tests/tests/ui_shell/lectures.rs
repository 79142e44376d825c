//! Scenes for a lecture: a clicker is enough, a guess stands beside the truth, and each runs the same each time.

use std::sync::Arc;
use std::time::Duration;

use egui::{Key, Modifiers};
use smalti::document::{Document, Layout, Open, Severity, Variations};
use smalti::files::scenes::{self, Scene};
use smalti::settings::ThemeChoice;
use smalti::studio::StudioOptions;
use smalti_engine::questions::{ImageRef, SourceRef};
use smalti_engine::tokens::Cell;
use smalti_tests::window::{
    Window, assets, labels, open, open_sized, press, says, send, settle, until,
};

fn present(window: &mut Window, scene: &str) {
    send(window, Layout::Scene(scene.to_owned()));
    press(window, Modifiers::NONE, Key::F5);
}

/// How often the clicker is pressed from the first caption of a scene to its last, answers among them.
fn clicks(scene: &Scene) -> usize {
    let asked = scene.captions.iter().filter(|caption| caption.is_question).count();
    scene.captions.len() + asked - 1
}

/// What a scene decides, without what is kept of its steps.
fn decided(window: &Window) -> Document {
    Document { variations: Variations::default(), ..window.state().document().clone() }
}

/// What is decided after each click.
fn walk(window: &mut Window, key: Key, clicks: usize) -> Vec<Document> {
    let mut all = Vec::new();
    for _ in 0..clicks {
        press(window, Modifiers::NONE, key);
        all.push(decided(window));
    }
    all
}

#[test]
fn every_scene_is_walked_through_by_a_clicker_there_and_back() {
    let mut window = open();
    let trains = |scene: &Scene| !scene.trains.is_empty() || !scene.measures.is_empty();
    for name in scenes::names() {
        let scene = Scene::shipped(name).unwrap();
        if trains(&scene) {
            continue;
        }
        present(&mut window, name);
        let (count, last) = (clicks(&scene), scene.captions.len());
        let is_at = |window: &Window, at: usize| says(window, &format!("{at} of {last}"));
        // One that comes by itself may have come while the scene was being opened.
        let comes = scene.captions.iter().take_while(|caption| caption.lasts.is_some()).count();
        for _ in 0..comes {
            if !is_at(&window, 1) {
                press(&mut window, Modifiers::NONE, Key::PageUp);
            }
        }
        assert!(is_at(&window, 1), "{name}");
        walk(&mut window, Key::PageDown, count);
        assert!(is_at(&window, last), "{name}: {:?}", labels(&window, " of "));
        assert!(!says(&window, "Predict first"), "{name}: all is told");
        press(&mut window, Modifiers::NONE, Key::PageDown);
        assert!(is_at(&window, last), "{name}: there it ends");
        walk(&mut window, Key::PageUp, count);
        assert!(is_at(&window, 1), "{name}: {:?}", labels(&window, " of "));
        press(&mut window, Modifiers::NONE, Key::Escape);
    }
    let errors = window.state().notices().list().iter().filter(|n| n.severity == Severity::Error);
    let errors: Vec<_> = errors.collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn a_scene_of_a_generator_runs_the_same_after_its_start_again_and_is_taken_back_on_the_way_back() {
    let mut window = open();
    for name in ["raster", "order", "maskgit"] {
        present(&mut window, name);
        let count = clicks(&Scene::shipped(name).unwrap());
        let start = decided(&window);
        let first = walk(&mut window, Key::PageDown, count);
        assert!(first.last().unwrap().generating.moment.is_some(), "{name}: it was written");
        let back = walk(&mut window, Key::PageUp, count);
        assert_eq!(back.last(), Some(&start), "{name}: as it began");
        walk(&mut window, Key::PageDown, count);
        press(&mut window, Modifiers::NONE, Key::F6);
        assert!(says(&window, "1 of "), "{name}");
        assert_eq!(decided(&window), start, "{name}");
        assert_eq!(walk(&mut window, Key::PageDown, count), first, "{name}");
        press(&mut window, Modifiers::NONE, Key::Escape);
    }
}

/// In how many of the pairs of a token that a step keeps and one that it does not the kept one is surer, over the
/// first half of the steps of what is looked at.
fn share_of_surer(window: &Window) -> f64 {
    let moment = window.state().document().generating.moment.as_ref().unwrap();
    let steps = &window.state().generations().get(&moment.asked).unwrap().steps;
    let (mut surer, mut all) = (0, 0);
    for traced in &steps[..steps.len() / 2] {
        let kept = traced.step.proposals.iter().filter(|proposal| proposal.kept);
        for kept in kept {
            let others = traced.step.proposals.iter().filter(|proposal| !proposal.kept);
            for other in others {
                surer += u32::from(kept.probability > other.probability);
                all += 1;
            }
        }
    }
    f64::from(surer) / f64::from(all)
}

#[test]
fn where_a_scene_says_that_the_surest_tokens_come_first_they_do() {
    let mut window = open();
    for (name, least) in [("maskgit", 0.999), ("order", 0.999), ("watch", 0.85)] {
        present(&mut window, name);
        for _ in 0..clicks(&Scene::shipped(name).unwrap()) {
            if window.state().document().generating.moment.is_some() {
                break;
            }
            press(&mut window, Modifiers::NONE, Key::PageDown);
        }
        let is_over = |window: &Window| {
            let moment = window.state().document().generating.moment.as_ref().unwrap();
            let trace = window.state().generations().get(&moment.asked);
            trace.is_some_and(|trace| trace.state.is_over())
        };
        for _ in 0..60_000 {
            if is_over(&window) {
                break;
            }
            window.step();
            std::thread::sleep(Duration::from_millis(2));
        }
        let share = share_of_surer(&window);
        assert!(share >= least, "{name}: {share}");
        press(&mut window, Modifiers::NONE, Key::Escape);
    }
}

#[test]
fn no_caption_asks_for_a_key_that_makes_the_screen_black() {
    for name in scenes::names() {
        for caption in &Scene::shipped(name).unwrap().captions {
            let is_black = ["(B)", "(.)"].iter().any(|key| caption.text.contains(key));
            assert!(!is_black, "{name}: {}", caption.text);
        }
    }
}

/// Frames until something was written into the tokens.
fn until_written(window: &mut Window) {
    for _ in 0..6000 {
        window.step();
        if !window.state().document().edits.is_empty() {
            settle(window);
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("nothing is written: {:?}", window.state().notices().list());
}

#[test]
fn a_guess_is_kept_beside_the_truth_and_the_answer_runs_what_was_asked_about() {
    let mut window = open();
    present(&mut window, "edit");
    assert!(says(&window, "Predict first"));
    let selected = Arc::clone(&window.state().document().selection.cells);
    assert_eq!(selected.len(), 36);
    assert!(selected.contains(&Cell::at(5, 6)) && selected.contains(&Cell::at(10, 11)));
    press(&mut window, Modifiers::NONE, Key::Num1);
    assert!(says(&window, "You guessed: those of the 36 alone · It is: these and a rim"));
    until_written(&mut window);
    let edits = Arc::clone(&window.state().document().edits);
    assert!(edits.keys().all(|cell| selected.contains(cell)));
    press(&mut window, Modifiers::NONE, Key::F6);
    assert!(says(&window, "Predict first"));
    assert!(window.state().document().edits.is_empty(), "as it began");
    press(&mut window, Modifiers::NONE, Key::Num3);
    assert!(says(&window, "You guessed: all alike"));
    until_written(&mut window);
    assert_eq!(window.state().document().edits, edits, "the same tokens");
    press(&mut window, Modifiers::NONE, Key::PageUp);
    assert!(window.state().document().edits.is_empty(), "taken back with the answer");
    assert_eq!(window.state().document().selection.cells, selected);
}

#[test]
fn what_a_person_did_to_the_scenes_picture_comes_back_by_undo() {
    let mut window = open();
    present(&mut window, "edit");
    let force = super::force(0, 0, 3);
    send(&mut window, force);
    press(&mut window, Modifiers::NONE, Key::F6);
    assert!(window.state().document().edits.is_empty());
    for _ in 0..4 {
        press(&mut window, Modifiers::COMMAND, Key::Z);
        if !window.state().document().edits.is_empty() {
            break;
        }
    }
    assert_eq!(window.state().document().edits.get(&Cell::at(0, 0)), Some(&3));
}

#[test]
fn a_model_that_is_not_here_is_said_kindly_and_the_rest_of_the_scene_works() {
    let text = "(title: \"T\", about: \"a\", layout: Tabs(views: [Tokens, Generate]),
        loads: (source: Samples, image: 0, model: \"worlds-fsq\"),
        captions: [(text: \"one\", does: [Generate((by: \"worlds-nowhere\"))]), (text: \"two\")])";
    let options =
        StudioOptions { scene_text: Some(text.to_owned()), ..StudioOptions::new(assets()) };
    let mut window = open_sized(options, [1280.0, 800.0]);
    let notices = window.state().notices().list().to_vec();
    let said = notices.iter().find(|notice| notice.summary.contains("worlds-nowhere")).unwrap();
    assert_eq!(said.severity, Severity::Warning);
    assert!(!said.summary.contains("worlds-fsq") && !said.hint.is_empty(), "{said:?}");
    press(&mut window, Modifiers::NONE, Key::F5);
    assert!(says(&window, "Token grid"));
    press(&mut window, Modifiers::NONE, Key::PageDown);
    assert!(says(&window, "two"));
}

#[test]
fn on_the_way_back_to_ways_that_were_shown_they_are_shown_again() {
    let mut window = open();
    present(&mut window, "change");
    until(&mut window, "Variation 4, seed 8, done");
    press(&mut window, Modifiers::NONE, Key::PageDown);
    assert!(!window.state().document().edits.is_empty() && !says(&window, "Variation 1"));
    press(&mut window, Modifiers::NONE, Key::PageUp);
    until(&mut window, "Variation 1, seed 5, done");
    assert!(window.state().document().edits.is_empty());
}

#[test]
fn a_scene_that_is_chosen_leads_in_the_window_and_f5_shows_the_same_caption_to_a_hall() {
    let mut window = open();
    let choose = |window: &mut Window| send(window, Layout::Scene("maskgit".to_owned()));
    choose(&mut window);
    assert!(says(&window, "1 of 4") && says(&window, "Try it yourself"));
    assert_eq!(window.state().theme().choice, ThemeChoice::Dark, "it is for one person");
    press(&mut window, Modifiers::NONE, Key::PageDown);
    press(&mut window, Modifiers::NONE, Key::PageDown);
    let steps = |window: &Window| window.state().document().generating.moment.as_ref()?.steps;
    assert_eq!((says(&window, "2 of 4"), steps(&window)), (true, Some(1)));
    press(&mut window, Modifiers::NONE, Key::F5);
    assert!(says(&window, "2 of 4") && !says(&window, "Try it yourself"));
    assert_eq!(window.state().theme().choice, ThemeChoice::Light, "halls are bright");
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(!says(&window, "2 of 4"), "with all tools");
    choose(&mut window);
    assert!(says(&window, "1 of 4"));
    let image = ImageRef::InSource { source: SourceRef::Samples, index: 1 };
    send(&mut window, Open::Image(image));
    assert!(!says(&window, "1 of 4"), "what is opened is not hidden by a scene");
}
