//! The Generate view: a generator is opened, started, stopped, walked through, and what it wrote is taken
//! into the hand. What the window shows is compared with what the engine does by itself.

use std::sync::Arc;

use egui::{Event, Key, Modifiers, MouseWheelUnit, vec2};
use egui_kittest::kittest::{NodeT, Queryable};
use smalti::ctx::Trace;
use smalti::document::{Asked, Edit, Generate, Open, Panel, ViewId};
use smalti::files::saved::{Carried, Saved, to_bytes};
use smalti_engine::generators::{Generation, Way};
use smalti_engine::questions::{Encode, ModelInfo, ModelRef, Stamp, Subject};
use smalti_engine::session::RunState;
use smalti_engine::tokens::{Cell, Tokens};
use smalti_tests::tiny::tiny_generator;
use smalti_tests::window::{
    Small, Window, click, click_label, empty, labels, middle_of, open_sized, point, press, rect_of,
    says, send, settle, tab, until,
};

/// The window with a generator of the way beside its tokenizer, and their folder.
fn open_generator(way: Way) -> (Window, Small, ModelRef) {
    let small = Small::new();
    let layout = Panel::Tabs { views: vec![ViewId::Generate, ViewId::Tokens], front: None };
    let mut window = open_sized(empty(layout), [1280.0, 800.0]);
    let path = small.model().with_file_name("painter.safetensors");
    tiny_generator(&path, way, &hash(&window, &small));
    send(&mut window, Open::Path(path.clone()));
    let generator = asked(&window).generator.clone();
    assert_eq!(generator, ModelRef::File { path: path.into(), stamp: Stamp::default() }.now());
    (window, small, generator)
}

fn hash(window: &Window, small: &Small) -> String {
    let model = ModelRef::File { path: small.model().into(), stamp: Stamp::default() }.now();
    window.state().session().wait(&ModelInfo { model }).unwrap().token_hash.clone()
}

fn asked(window: &Window) -> Arc<Asked> {
    window.state().document().generating.asked.clone().unwrap()
}

/// The generation that is looked at, and after how many steps.
fn looked_at(window: &Window) -> (&Trace, usize) {
    let moment = window.state().document().generating.moment.as_ref().unwrap();
    let trace = window.state().generations().get(&moment.asked).unwrap();
    (trace, trace.at(moment))
}

fn tokens_now(window: &Window) -> Tokens {
    let (trace, at) = looked_at(window);
    trace.tokens(at).unwrap().clone()
}

/// The tokens after each step, worked out without a window.
fn by_the_engine(window: &Window) -> Vec<Tokens> {
    let asked = asked(window);
    let opened = window.state().session().wait(&asked.opens()).unwrap();
    let request = asked.request(opened.config()).unwrap();
    let mut generation = Generation::new(opened.painter.clone(), request, None).unwrap();
    let mut steps = Vec::new();
    while let Some(step) = generation.next_step().unwrap() {
        steps.push(step.tokens);
    }
    steps
}

fn masked(tokens: &Tokens) -> usize {
    tokens.cells().filter(|(_, code)| code.is_none()).count()
}

#[test]
fn without_a_generator_it_is_said_how_to_get_one() {
    let window = open_sized(empty(tab(ViewId::Generate)), [900.0, 600.0]);
    assert!(says(&window, "No generator is open"));
    let button = window.query_by_role_and_label(egui::Role::Button, "Open a generator…");
    assert!(button.is_some());
    assert!(says(&window, "can be dropped on the window"));
}

#[test]
fn a_generation_is_started_by_the_mouse_and_its_steps_are_those_of_the_engine() {
    let (mut window, _small, _) = open_generator(Way::MaskGit);
    assert!(says(&window, "nothing is generated yet"));
    click_label(&mut window, "Class, any");
    click_label(&mut window, "1 forest");
    assert_eq!(asked(&window).class.as_deref(), Some("forest"));
    click_label(&mut window, "Start");
    until(&mut window, "Generation done");
    let wanted = by_the_engine(&window);
    let (trace, at) = looked_at(&window);
    assert_eq!((trace.steps.len(), at), (wanted.len(), wanted.len()));
    for (traced, wanted) in trace.steps.iter().zip(&wanted) {
        assert_eq!(&traced.step.tokens, wanted);
    }
    assert_eq!(masked(&tokens_now(&window)), 0);
    assert!(says(&window, "decoded from 64 tokens"), "{:?}", labels(&window, "decoded"));
}

#[test]
fn a_generation_is_started_and_walked_through_by_keys_alone() {
    let (mut window, _small, _) = open_generator(Way::MaskGit);
    press(&mut window, Modifiers::COMMAND, Key::G);
    until(&mut window, "Generation done");
    let wanted = by_the_engine(&window);
    press(&mut window, Modifiers::NONE, Key::G);
    press(&mut window, Modifiers::NONE, Key::Home);
    assert_eq!(masked(&tokens_now(&window)), 64);
    assert!(says(&window, "nothing is written yet"));
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert_eq!(tokens_now(&window), wanted[1]);
    let left = format!("{} of 64 masked", masked(&wanted[1]));
    assert!(says(&window, &left), "{left}: {:?}", labels(&window, "masked"));
    press(&mut window, Modifiers::NONE, Key::ArrowLeft);
    assert_eq!(tokens_now(&window), wanted[0]);
    press(&mut window, Modifiers::SHIFT, Key::ArrowRight);
    assert_eq!(tokens_now(&window), wanted[10]);
    press(&mut window, Modifiers::NONE, Key::End);
    assert_eq!(&tokens_now(&window), wanted.last().unwrap());
    // Played from the beginning to the end, where it stops.
    press(&mut window, Modifiers::NONE, Key::Space);
    for _ in 0..2000 {
        window.step();
    }
    settle(&mut window);
    assert_eq!(&tokens_now(&window), wanted.last().unwrap());
    assert!(window.query_by_label("Play the timeline").is_some(), "it stands at its end");
}

#[test]
fn the_wheel_and_a_click_on_a_tick_lead_through_the_steps_and_no_model_runs_again() {
    let (mut window, _small, _) = open_generator(Way::Raster);
    press(&mut window, Modifiers::COMMAND, Key::G);
    until(&mut window, "Generation done");
    let wanted = by_the_engine(&window);
    assert_eq!(wanted.len(), 64, "a token a step");
    let line = rect_of(&window, "Generation timeline");
    click(&mut window, line.center(), Modifiers::NONE);
    let (_, at) = looked_at(&window);
    assert!((28..=36).contains(&at), "{at}");
    assert_eq!(masked(&tokens_now(&window)), 64 - at);
    point(&mut window, line.center());
    let wheel = Event::MouseWheel {
        unit: MouseWheelUnit::Line,
        delta: vec2(0.0, -1.0),
        modifiers: Modifiers::NONE,
        phase: egui::TouchPhase::Move,
        source: egui::MouseWheelSource::Unknown,
    };
    window.event(wheel);
    settle(&mut window);
    assert_eq!(tokens_now(&window), wanted[at]);
    assert!(window.state().session().runs().is_empty(), "what is done runs no more");
}

#[test]
fn the_same_seed_gives_the_same_tokens_another_one_others_and_undo_leads_back() {
    let (mut window, _small, _) = open_generator(Way::MaskGit);
    click_label(&mut window, "Start");
    until(&mut window, "Generation done");
    let first = (window.state().document().generating.moment.clone(), tokens_now(&window));
    click_label(&mut window, "Another");
    until(&mut window, "Generation done");
    let second = (window.state().document().generating.moment.clone(), tokens_now(&window));
    assert_ne!(first.1, second.1);
    assert_eq!(asked(&window).seed, first.0.as_ref().unwrap().asked.seed + 1);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    let document = window.state().document();
    assert_eq!((document.generating.moment.clone(), tokens_now(&window)), first);
    press(&mut window, Modifiers::COMMAND, Key::Y);
    assert_eq!(tokens_now(&window), second.1);
    // In another window the same is asked.
    let (mut again, _other, _) = open_generator(Way::MaskGit);
    click_label(&mut again, "Start");
    until(&mut again, "Generation done");
    assert_eq!(tokens_now(&again), first.1);
    click_label(&mut again, "Start");
    let said = again.state().notices().list().last().unwrap().summary.clone();
    assert!(said.contains("same tokens"), "{said}");
}

#[test]
fn a_cancelled_generation_keeps_its_steps_and_goes_on_to_the_same_tokens() {
    let (mut window, _small, _) = open_generator(Way::MaskGit);
    click_label(&mut window, "Step");
    until(&mut window, "Generation paused");
    let wanted = by_the_engine(&window);
    assert_eq!(tokens_now(&window), wanted[0]);
    click_label(&mut window, "Step");
    until(&mut window, "step 2 of");
    click_label(&mut window, "Cancel");
    until(&mut window, "Generation cancelled");
    let (trace, at) = looked_at(&window);
    assert_eq!((at, &trace.state), (2, &RunState::Cancelled));
    assert_eq!(tokens_now(&window), wanted[1], "what is there stays");
    press(&mut window, Modifiers::NONE, Key::G);
    press(&mut window, Modifiers::NONE, Key::ArrowLeft);
    assert_eq!(tokens_now(&window), wanted[0]);
    press(&mut window, Modifiers::NONE, Key::End);
    click_label(&mut window, "Go on");
    until(&mut window, "Generation done");
    assert_eq!(looked_at(&window).0.steps.len(), wanted.len());
    assert_eq!(&tokens_now(&window), wanted.last().unwrap());
}

#[test]
fn generated_tokens_become_the_document_s_and_locked_ones_stay_in_the_next() {
    let (mut window, small, _) = open_generator(Way::MaskGit);
    click_label(&mut window, "Start");
    until(&mut window, "Generation done");
    let generated = tokens_now(&window);
    assert!(window.get_by_label("Keep the locked cells").accesskit_node().is_disabled());
    click_label(&mut window, "Use as tokens");
    let document = window.state().document().clone();
    let Some(Subject::Tokens(given)) = &document.subject else { panic!("{document:?}") };
    assert_eq!(given.tokens, generated);
    assert_eq!(document.model.label(), "tiny");
    let question = Encode {
        subject: document.subject.clone().unwrap(),
        size: document.size,
        model: document.model.clone(),
    };
    assert!(window.state().session().wait(&question).unwrap().unfit.is_none());
    assert!(says(&window, "Token grid"), "Tokens is in front");

    let locked = [Cell::at(0, 0), Cell::at(3, 5), Cell::at(7, 7)];
    send(&mut window, Edit::LockCells { cells: Arc::new(locked.into()), locked: true });
    send(&mut window, Edit::ForceCells { cells: Arc::new([Cell::at(1, 1)].into()), code: 13 });
    press(&mut window, Modifiers::NONE, Key::G);
    click_label(&mut window, "Keep the locked cells");
    assert_eq!(asked(&window).given.len(), 4);
    click_label(&mut window, "Another");
    until(&mut window, "Generation done");
    let next = tokens_now(&window);
    assert_ne!(next, generated);
    for cell in locked {
        assert_eq!(next.get(cell), generated.get(cell), "{cell:?}");
    }
    assert_eq!(next.get(Cell::at(1, 1)), Some(13));
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(tokens_now(&window), generated);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert!(asked(&window).given.is_empty());
    drop(small);
}

#[test]
fn a_selection_alone_is_written_again() {
    let (mut window, _small, _) = open_generator(Way::Raster);
    click_label(&mut window, "Start");
    until(&mut window, "Generation done");
    let generated = tokens_now(&window);
    click_label(&mut window, "Use as tokens");
    let selected = [Cell::at(2, 2), Cell::at(2, 3), Cell::at(5, 1)];
    send(&mut window, Edit::SelectCells(Arc::new(selected.into())));
    press(&mut window, Modifiers::NONE, Key::G);
    click_label(&mut window, "Resample the selected");
    click_label(&mut window, "Another");
    until(&mut window, "Generation done");
    let (trace, _) = looked_at(&window);
    assert_eq!(trace.steps.len(), selected.len(), "no step for what stays");
    let next = tokens_now(&window);
    for (cell, code) in generated.cells() {
        assert!(selected.contains(&cell) || next.get(cell) == code, "{cell:?}");
    }
}

#[test]
fn a_cell_tells_what_else_might_have_stood_there_and_a_click_keeps_another_code() {
    let (mut window, _small, _) = open_generator(Way::MaskGit);
    click_label(&mut window, "Start");
    until(&mut window, "Generation done");
    let grid = rect_of(&window, "Generated tokens");
    point(&mut window, middle_of(grid, (3, 2), (8, 8)));
    assert!(says(&window, "Cell in row 3, column 2"));
    click(&mut window, middle_of(grid, (3, 2), (8, 8)), Modifiers::NONE);
    assert!(says(&window, "Cell in row 3, column 2, pinned"));
    let cell = Cell::at(3, 2);
    let (trace, _) = looked_at(&window);
    let proposal = trace.steps.iter().rev().find_map(|traced| {
        traced.step.proposals.iter().find(|proposal| proposal.cell == cell && proposal.kept)
    });
    let proposal = proposal.unwrap().clone();
    for (code, probability) in &proposal.alternatives {
        let label = format!("Code {code}, probability {probability:.3}");
        assert!(says(&window, &label), "{label}: {:?}", labels(&window, "Code "));
    }
    let other = proposal.alternatives.iter().find(|(code, _)| *code != proposal.token).unwrap();
    let label = format!("Code {}, probability {:.3}", other.0, other.1);
    click_label(&mut window, &label);
    assert_eq!(asked(&window).given.get(&cell), Some(&other.0));
    click_label(&mut window, "Start");
    until(&mut window, "Generation done");
    assert_eq!(tokens_now(&window).get(cell), Some(other.0));
    press(&mut window, Modifiers::COMMAND, Key::Z);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert!(asked(&window).given.is_empty(), "undo gives the cell back");
}

#[test]
fn a_document_is_opened_again_and_its_tokens_come_again() {
    let (mut window, small, _) = open_generator(Way::MaskGit);
    click_label(&mut window, "Another");
    until(&mut window, "Generation done");
    let wanted = tokens_now(&window);
    send(&mut window, Generate::GoTo(Some(3)));
    let third = tokens_now(&window);
    let layout = window.state().layout();
    let saved = Saved::new(window.state().document().clone(), layout);
    let path = small.model().with_file_name("work.smalti");
    std::fs::write(&path, to_bytes(&saved, &Carried::Pasted).unwrap()).unwrap();

    let mut again = open_sized(empty(tab(ViewId::Log)), [1280.0, 800.0]);
    send(&mut again, Open::Path(path));
    until(&mut again, "Generation done");
    assert_eq!(again.state().document().generating, window.state().document().generating);
    assert_eq!(tokens_now(&again), third);
    send(&mut again, Generate::GoTo(None));
    assert_eq!(tokens_now(&again), wanted);
}

#[test]
fn a_generator_without_its_tokenizer_says_which_one_is_needed_and_takes_it() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Generate)), [1280.0, 800.0]);
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("painter.safetensors");
    tiny_generator(&path, Way::MaskGit, &hash(&window, &small));
    send(&mut window, Open::Path(path));
    assert!(says(&window, "the generator writes the tokens of tiny"));
    assert!(says(&window, "put tiny.safetensors beside the generator"));
    let generate = window.get_by_role_and_label(egui::Role::Button, "Start");
    assert!(generate.accesskit_node().is_disabled());
    // One of other codes is refused, with both names.
    click_label(&mut window, "Decode by…");
    click_label(&mut window, "worlds-fsq");
    assert!(says(&window, "its tokens are others"), "{:?}", labels(&window, "tokens"));
    send(&mut window, Open::Path(small.model()));
    send(&mut window, smalti::document::Layout::Show(ViewId::Generate));
    click_label(&mut window, "Decode by…");
    window.get_all_by_label("tiny").last().unwrap().click();
    settle(&mut window);
    assert!(says(&window, "nothing is generated yet"));
    click_label(&mut window, "Start");
    until(&mut window, "Generation done");
}

#[test]
fn a_class_that_the_generator_does_not_know_is_said_with_those_that_it_knows() {
    let (mut window, _small, _) = open_generator(Way::MaskGit);
    let strange = Asked { class: Some("volcano".into()), ..Asked::clone(&asked(&window)) };
    send(&mut window, Generate::Ask(Box::new(strange)));
    assert!(says(&window, "no class \"volcano\""), "{:?}", labels(&window, "class"));
    assert!(says(&window, "1 forest"));
    let generate = window.get_by_role_and_label(egui::Role::Button, "Start");
    assert!(generate.accesskit_node().is_disabled());
}
