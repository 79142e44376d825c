//! What nobody asked for does not begin: a view that is opened shows what is known, and offers the rest.

use std::sync::Arc;

use egui::{Event, Key, Modifiers};
use egui_kittest::kittest::Queryable;
use smalti::document::{Layout, Look, Open, Panel, ViewId};
use smalti::files::saved::{Carried, Saved, to_bytes};
use smalti_engine::generators::Way;
use smalti_engine::questions::{ModelInfo, ModelRef, Stamp};
use smalti_engine::session::RunState;
use smalti_engine::tokens::Tokens;
use smalti_tests::tiny::tiny_generator;
use smalti_tests::window::{
    Small, Window, click, click_label, empty, open_sized, press, rect_of, says, send, settle, tab,
    until,
};

use super::resampling::{resample, select, wide};

fn layout() -> Panel {
    let views = vec![ViewId::Tokens, ViewId::Generate, ViewId::Log];
    Panel::Tabs { views, front: Some(ViewId::Tokens) }
}

/// Tokens of 16 x 16 and a generator of 8 x 8 of them.
fn desk() -> (Window, Small) {
    let small = Small::new();
    let mut window = open_sized(empty(layout()), [1280.0, 800.0]);
    small.open_in(&mut window);
    let model = ModelRef::File { path: small.model().into(), stamp: Stamp::default() }.now();
    let facts = window.state().session().wait(&ModelInfo { model }).unwrap();
    let path = small.model().with_file_name("painter.safetensors");
    tiny_generator(&path, Way::MaskGit, &facts.token_hash);
    send(&mut window, Open::Path(path));
    send(&mut window, Layout::Show(ViewId::Tokens));
    (window, small)
}

/// The document in another window, with this view in front.
fn reopened(window: &Window, small: &Small, front: ViewId) -> Window {
    let mut saved = Saved::new(window.state().document().clone(), window.state().layout());
    saved.layout =
        Some(Panel::Tabs { views: vec![ViewId::Generate, ViewId::Tokens], front: Some(front) });
    let path = small.model().with_file_name("kept.smalti");
    std::fs::write(&path, to_bytes(&saved, &Carried::Pasted).unwrap()).unwrap();
    let mut again = open_sized(empty(tab(ViewId::Log)), [1280.0, 800.0]);
    send(&mut again, Open::Path(path));
    again
}

fn runs(window: &Window) -> usize {
    window.state().generations().runs().count()
}

/// The tokens of the generation that is looked at, if they are there.
fn written(window: &Window) -> Option<Tokens> {
    let moment = window.state().document().generating.moment.clone()?;
    let trace = window.state().generations().get(&moment.asked)?;
    assert_eq!(trace.state, RunState::Done);
    trace.tokens(trace.steps.len()).cloned()
}

#[test]
fn what_was_written_into_tokens_is_not_written_again_because_generate_is_opened() {
    let (mut window, small) = desk();
    select(&mut window, &wide());
    resample(&mut window, 1);
    for front in [ViewId::Tokens, ViewId::Generate] {
        let mut again = reopened(&window, &small, front);
        send(&mut again, Layout::Show(ViewId::Generate));
        settle(&mut again);
        assert_eq!((runs(&again), written(&again)), (0, None), "{front:?}");
        assert!(says(&again, "the steps of what was written are not kept"), "{front:?}");
    }
}

#[test]
fn a_generation_of_before_is_offered_again_and_its_tokens_are_the_same() {
    let (mut window, small) = desk();
    send(&mut window, Layout::Show(ViewId::Generate));
    press(&mut window, Modifiers::COMMAND, Key::G);
    until(&mut window, "Generation done");
    let first = written(&window).unwrap();
    let mut again = reopened(&window, &small, ViewId::Tokens);
    send(&mut again, Layout::Show(ViewId::Generate));
    settle(&mut again);
    assert_eq!((runs(&again), written(&again)), (0, None), "nobody asked");
    click_label(&mut again, "Write it again");
    until(&mut again, "Generation done");
    assert_eq!(written(&again).unwrap(), first);
    // Whoever opens a document in which it is seen asks for it.
    let mut seen = reopened(&window, &small, ViewId::Generate);
    until(&mut seen, "Generation done");
    assert_eq!(written(&seen).unwrap(), first);
}

#[test]
fn the_scene_that_begins_by_itself_begins_its_own_request_and_not_the_last_resample() {
    let (mut window, _small) = desk();
    select(&mut window, &wide());
    resample(&mut window, 1);
    let resampled = window.state().document().generating.moment.clone().unwrap();
    send(&mut window, Layout::Scene("generate".to_owned()));
    until(&mut window, "Generation done");
    let moment = window.state().document().generating.moment.clone().unwrap();
    assert_ne!(moment.asked, resampled.asked);
    assert!(moment.asked.given.is_empty(), "a whole picture: {:?}", moment.asked);
    let first = written(&window).unwrap();
    // Chosen again it shows what is there.
    send(&mut window, Layout::Show(ViewId::Tokens));
    send(&mut window, Layout::Scene("generate".to_owned()));
    assert_eq!(written(&window).unwrap(), first);
}

#[test]
fn ctrl_r_on_tokens_of_another_tokenizer_offers_the_one_that_fits() {
    let (mut window, small) = desk();
    let fits = window.state().document().model.clone();
    let other = small.model().with_file_name("other.safetensors");
    smalti_tests::tiny::residual_model(&other);
    let other = ModelRef::File { path: other.into(), stamp: Stamp::default() }.now();
    let asked = window.state().document().generating.asked.clone().unwrap();
    // The generator knows its tokenizer.
    send(
        &mut window,
        smalti::document::Generate::Ask(Box::new(smalti::document::Asked {
            tokenizer: Some(fits.clone()),
            ..smalti::document::Asked::clone(&asked)
        })),
    );
    send(&mut window, Open::Model(smalti::document::Slot::A, other));
    select(&mut window, &wide());
    press(&mut window, Modifiers::COMMAND, Key::R);
    assert!(says(&window, "Switch to tiny"), "{:?}", window.state().notices().list().last());
    send(&mut window, smalti::document::AppCommand::Dismiss);
    // So does the button beside the grid.
    click_label(&mut window, "Resample the selected cells");
    click_label(&mut window, "Switch to tiny");
    assert_eq!(window.state().document().model, fits);
    select(&mut window, &wide());
    resample(&mut window, 1);
}

#[test]
fn arrows_are_not_those_of_what_is_behind_an_open_menu() {
    let (mut window, _small) = desk();
    let opacity = |window: &Window| window.state().document().looks.token_opacity;
    send(&mut window, Look::TokenOpacity(0.5));
    window.get_by_role_and_label(egui::Role::Slider, "opacity").focus();
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert_ne!(opacity(&window), 0.5, "the slider has them");
    send(&mut window, Look::TokenOpacity(0.5));
    super::exports::open_menu(&mut window, "Token grid");
    assert!(says(&window, "Copy picture"));
    for key in [Key::ArrowRight, Key::ArrowLeft, Key::ArrowDown] {
        press(&mut window, Modifiers::NONE, key);
        assert_eq!(opacity(&window), 0.5, "{key:?} is the menu's");
    }
    press(&mut window, Modifiers::NONE, Key::Escape);
    let at = rect_of(&window, "Token grid").center();
    click(&mut window, at, Modifiers::NONE);
    let picked = Arc::clone(&window.state().document().selection.cells);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert_ne!(window.state().document().selection.cells, picked, "without a menu they are its");
}

#[test]
fn a_paste_of_an_empty_clipboard_says_what_could_be_pasted() {
    let (mut window, _small) = desk();
    let nothing = "The clipboard has nothing that can be pasted here";
    // Of Ctrl+V nothing comes but that V is let go, where there is nothing to paste.
    let (key, modifiers) = (Key::V, Modifiers::COMMAND);
    window.event(Event::Key { key, physical_key: None, pressed: false, repeat: false, modifiers });
    settle(&mut window);
    assert!(says(&window, nothing));
    send(&mut window, smalti::document::AppCommand::Dismiss);
    assert!(!says(&window, nothing));
    send(&mut window, smalti::document::AppCommand::Paste);
    assert!(says(&window, nothing), "nor from the menu");
}
