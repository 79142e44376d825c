//! The first minute: three doors, each into a scene that moves by itself, and what was opened last.

use std::path::Path;

use egui::{Event, Key, Modifiers};
use smalti::document::{Layout, ViewId};
use smalti::settings::ThemeChoice;
use smalti::studio::StudioOptions;
use smalti_engine::questions::ModelRef;
use smalti_tests::tiny::write_png;
use smalti_tests::window::{
    Window, assets, click_label, is_in_front, open_sized, press, says, send, settle, until,
};

const DOORS: [&str; 3] = [
    "Door 1: See a picture become tokens",
    "Door 2: Watch a model paint",
    "Door 3: Change a picture by its tokens",
];

fn options(settings: Option<&Path>) -> StudioOptions {
    let settings_dir = settings.map(Path::to_owned);
    StudioOptions { scene: Some("doors".to_owned()), settings_dir, ..StudioOptions::new(assets()) }
}

fn at_doors() -> Window {
    open_sized(options(None), [1280.0, 800.0])
}

#[test]
fn who_opens_nothing_stands_before_three_doors_and_escape_leads_to_the_studio() {
    let mut window = at_doors();
    assert!(DOORS.iter().all(|door| says(&window, door)));
    assert!(!says(&window, "Token grid"), "the studio is behind them");
    let behind = window.state().document().clone();
    for key in [Key::PageDown, Key::Delete, Key::G, Key::B] {
        press(&mut window, Modifiers::NONE, key);
    }
    assert_eq!(window.state().document(), &behind, "nothing changes unseen");
    assert!(says(&window, DOORS[0]));
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(says(&window, "Token grid") && !says(&window, DOORS[0]));
    press(&mut window, Modifiers::COMMAND, Key::P);
    window.event(Event::Text("start page".to_owned()));
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(says(&window, DOORS[1]), "they are there again");
    send(&mut window, Layout::Show(ViewId::Codebook));
    assert!(!says(&window, DOORS[1]) && is_in_front(&window, ViewId::Codebook));
}

#[test]
fn the_first_door_leads_to_tokens_that_come_by_themselves_and_then_to_the_tools() {
    let mut window = at_doors();
    press(&mut window, Modifiers::NONE, Key::Num1);
    assert!(says(&window, "Token grid") && !says(&window, DOORS[0]));
    assert_eq!(window.state().theme().choice, ThemeChoice::Dark, "no hall, so no other colors");
    until(&mut window, "4 of 5");
    assert!(says(&window, "opacity 100 %"), "the tokens cover the photograph by now");
    for _ in 0..40 {
        window.step();
    }
    assert!(says(&window, "4 of 5"), "there it waits for the person");
    click_label(&mut window, "Next");
    assert!(says(&window, "5 of 5"));
    click_label(&mut window, "Try it yourself");
    assert!(!says(&window, "5 of 5") && says(&window, "Images of the set"), "with all tools");
}

#[test]
fn who_goes_on_by_hand_is_not_overtaken() {
    let mut window = at_doors();
    press(&mut window, Modifiers::NONE, Key::Num1);
    press(&mut window, Modifiers::NONE, Key::PageDown);
    until(&mut window, " of 5");
    press(&mut window, Modifiers::NONE, Key::PageUp);
    let place = |window: &Window| (1..=5).find(|at| says(window, &format!("{at} of 5")));
    let now = place(&window);
    for _ in 0..100 {
        window.step();
    }
    assert_eq!(place(&window), now);
}

#[test]
fn the_second_door_leads_to_a_model_that_writes_at_once() {
    let mut window = at_doors();
    press(&mut window, Modifiers::NONE, Key::Num2);
    until(&mut window, "Generation ");
    let moment = window.state().document().generating.moment.clone().unwrap();
    assert_eq!(moment.asked.generator, ModelRef::Shipped("worlds-maskgit".into()));
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(is_in_front(&window, ViewId::Generate), "the same at work");
}

#[test]
fn the_third_door_leads_to_four_ways_of_which_one_is_taken_by_its_key() {
    let mut window = at_doors();
    press(&mut window, Modifiers::NONE, Key::Num3);
    for number in 1..=4 {
        until(&mut window, &format!("Variation {number}, seed {}, done", number + 4));
    }
    assert!(window.state().document().edits.is_empty());
    press(&mut window, Modifiers::NONE, Key::Num2);
    let document = window.state().document().clone();
    assert!(!document.edits.is_empty());
    let is_selected = |row: u16, column: u32| (5..=10).contains(&row) && (6..=11).contains(&column);
    let cells = document.edits.keys();
    assert!(cells.into_iter().all(|cell| is_selected(cell.row, cell.column)), "and nothing else");
    press(&mut window, Modifiers::NONE, Key::PageDown);
    assert_eq!(window.state().document().edits, document.edits, "no other one is taken");
    press(&mut window, Modifiers::NONE, Key::Escape);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert!(window.state().document().edits.is_empty());
}

#[test]
fn what_was_opened_last_stands_below_the_doors() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("my holiday.png");
    write_png(&image, 64, 48, 1);
    let mut window = open_sized(options(Some(folder.path())), [900.0, 600.0]);
    assert!(!says(&window, "Opened last"));
    send(&mut window, smalti::document::Open::Path(image));
    assert!(!says(&window, DOORS[0]), "what is opened is seen");
    eframe::App::on_exit(window.state_mut());
    drop(window);
    let mut window = open_sized(options(Some(folder.path())), [900.0, 600.0]);
    assert!(says(&window, DOORS[0]));
    click_label(&mut window, "my holiday.png");
    assert!(window.state().document().image().is_some() && !says(&window, DOORS[0]));
}
