//! Every dialog is answered by the keyboard.

use std::path::PathBuf;

use egui::{Event, Key, Modifiers, RawInput};
use smalti_engine::Problem;

use super::*;
use crate::document::TokenFormat;
use crate::settings::ThemeChoice;

/// What a dialog answers to keys that are pressed one after the other, each in a frame of its own.
fn answer(dialog: &mut Dialog, keys: &[(Modifiers, Key)]) -> Option<Answer> {
    let ctx = egui::Context::default();
    let theme = Theme::new(ThemeChoice::Dark, 1.0, false);
    ctx.set_fonts(crate::look::fonts::definitions());
    theme.apply(&ctx);
    let actions = crate::shell::actions::all();
    let mut frame = |events: Vec<Event>| {
        let mut answer = None;
        let screen_rect = Some(egui::Rect::from_min_size(egui::Pos2::ZERO, vec2(1280.0, 800.0)));
        let input = RawInput { events, screen_rect, ..RawInput::default() };
        drop(ctx.run_ui(input, |ui| {
            let answered = dialog.show(ui.ctx(), &theme, &actions);
            answer = answer.take().or(answered);
        }));
        answer
    };
    for _ in 0..3 {
        assert_eq!(frame(Vec::new()), None, "nobody answered yet");
    }
    for (modifiers, key) in keys {
        let event = |pressed| Event::Key {
            key: *key,
            physical_key: None,
            pressed,
            repeat: false,
            modifiers: *modifiers,
        };
        for events in [vec![event(true)], vec![event(false)], Vec::new()] {
            if let Some(answer) = frame(events) {
                return Some(answer);
            }
        }
    }
    None
}

fn unclear(arrays: &[(&str, &[usize])]) -> Dialog {
    let problem = Problem { summary: "Odd".to_owned(), hint: String::new(), bad_input: true };
    let arrays = arrays.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect();
    let unclear = Unclear { path: PathBuf::from("a.npz"), problem, arrays };
    Dialog::Tokens { unclear, array: 0, text: String::new() }
}

/// Every dialog, and what its gold button answers.
fn all() -> Vec<(Dialog, Answer)> {
    let (path, to_save) = (PathBuf::from("a.png"), || Ask::Save {
        what: crate::files::outcome::Save::Tokens(Box::default(), TokenFormat::Safetensors),
        name: "a.csv".to_owned(),
    });
    let reading = |grid, key: Option<&str>| {
        let key = key.map(str::to_owned);
        Answer::Tokens("a.npz".into(), crate::document::Reading { grid, key, index: 0 })
    };
    let taken = |loss| Dialog::Replace {
        ask: to_save(),
        taken: Taken { path: path.clone(), loss, typed: None },
    };
    let typed = |ask: Ask| Dialog::Path { ask, text: "a.png".to_owned(), problem: None };
    let scene = crate::files::scenes::studio;
    let running = |runs, is_unsaved| Dialog::Running { runs, measurements: 1, is_unsaved };
    vec![
        (Dialog::Unsaved(Then::New), Answer::Save(Then::New)),
        (Dialog::Unsaved(Then::Quit), Answer::Save(Then::Quit)),
        (running(0, false), Answer::Discard(Then::Quit)),
        (running(2, true), Answer::Save(Then::Quit)),
        (Dialog::Keys, Answer::Close),
        (Dialog::About, Answer::Close),
        (typed(Ask::File), Answer::Path(Ask::File, path.clone())),
        (typed(Ask::Folder), Answer::Path(Ask::Folder, path.clone())),
        (typed(to_save()), Answer::Path(to_save(), path.clone())),
        (unclear(&[("a", &[2, 176])]), reading(Some((11, 16)), None)),
        (unclear(&[("a", &[2, 176]), ("b", &[4, 9])]), reading(Some((11, 16)), Some("a"))),
        (Dialog::Scene(Box::new(scene())), Answer::Scene(Box::new(scene()), true)),
        // What would be lost is not lost by a key too many.
        (taken(Loss::File), Answer::Close),
        (taken(Loss::Others(3)), Answer::Close),
    ]
}

#[test]
fn enter_does_what_the_gold_button_does_and_escape_cancels() {
    for (mut dialog, wanted) in all() {
        let pressed = |key| [(Modifiers::NONE, key)];
        let name = format!("{dialog:?}");
        assert_eq!(answer(&mut dialog.clone(), &pressed(Key::Enter)), Some(wanted), "{name}");
        assert_eq!(answer(&mut dialog, &pressed(Key::Escape)), Some(Answer::Close), "{name}");
    }
}

#[test]
fn whoever_quits_reads_what_is_not_done_by_its_name() {
    let said = [(1, 0), (2, 0), (0, 1), (2, 1), (1, 3)].map(|(runs, measured)| {
        let title = running_title(runs, measured);
        title.trim_start_matches("Quit while ").trim_end_matches(" not done?").to_owned()
    });
    let wanted = ["a run is", "2 runs are", "a measurement is", "2 runs and a measurement are"];
    assert_eq!(said[..4], wanted);
    assert_eq!(said[4], "a run and 3 measurements are");
}

#[test]
fn enter_presses_the_button_that_tab_has_led_to() {
    let tab = (Modifiers::NONE, Key::Tab);
    let enter = (Modifiers::NONE, Key::Enter);
    let mut dialog = Dialog::Unsaved(Then::Quit);
    assert_eq!(answer(&mut dialog, &[tab, enter]), Some(Answer::Discard(Then::Quit)));
    assert_eq!(answer(&mut dialog, &[tab, tab, enter]), Some(Answer::Close));
    assert_eq!(answer(&mut dialog, &[tab, tab, tab, enter]), Some(Answer::Save(Then::Quit)));
}

#[test]
fn a_path_that_is_not_typed_is_not_opened() {
    let mut dialog = Dialog::Path { ask: Ask::File, text: " ".to_owned(), problem: None };
    assert_eq!(answer(&mut dialog, &[(Modifiers::NONE, Key::Enter)]), None);
}

#[test]
fn a_suggested_path_is_replaced_by_what_is_typed_and_a_wrong_one_is_mended() {
    let wrong = Problem { summary: "Gone".to_owned(), hint: String::new(), bad_input: true };
    for (problem, wanted) in [(None, "b"), (Some(wrong), "a.pngb")] {
        let mut dialog = Dialog::Path { ask: Ask::File, text: "a.png".to_owned(), problem };
        assert_eq!(type_into(&mut dialog, "b"), wanted);
    }
}

/// What stands in the field of a path when that was typed.
fn type_into(dialog: &mut Dialog, typed: &str) -> String {
    let ctx = egui::Context::default();
    let theme = Theme::new(ThemeChoice::Dark, 1.0, false);
    ctx.set_fonts(crate::look::fonts::definitions());
    theme.apply(&ctx);
    let mut frame = |events: Vec<Event>| {
        let screen_rect = Some(egui::Rect::from_min_size(egui::Pos2::ZERO, vec2(1280.0, 800.0)));
        let input = RawInput { events, screen_rect, ..RawInput::default() };
        drop(ctx.run_ui(input, |ui| {
            assert_eq!(dialog.show(ui.ctx(), &theme, &[]), None, "nobody answered");
        }));
    };
    for _ in 0..3 {
        frame(Vec::new());
    }
    frame(vec![Event::Text(typed.to_owned())]);
    match dialog {
        Dialog::Path { text, .. } => text.clone(),
        other => format!("{other:?}"),
    }
}
