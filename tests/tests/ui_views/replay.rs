//! A document of the window on the command line: the same tokens and pixels, and whether its generator would write them
//! again.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use egui::{Key, Modifiers};
use serde_json::Value;
use smalti::cli::{DONE, Surroundings};
use smalti::document::{Asked, Edit, Generate, Layout, Open, ViewId};
use smalti::files::saved::{Carried, Saved, to_bytes};
use smalti_engine::generators::Way;
use smalti_engine::questions::{ModelInfo, ModelRef, Stamp, Subject};
use smalti_engine::token_files::{self, from_arrays::Wanted};
use smalti_engine::tokens::Cell;
use smalti_tests::tiny::tiny_generator;
use smalti_tests::window::{
    Small, Window, assets, click_label, empty, open_sized, press, send, tab, until,
};

use super::exports::{open_menu, save_to};
use super::resampling::{now, resample, select, wide};

/// Tokens of 16 x 16 and a generator of 8 x 8 of them; the hash of the tokenizer.
fn desk() -> (Window, Small, String) {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Tokens)), [1280.0, 800.0]);
    small.open_in(&mut window);
    let model = ModelRef::File { path: small.model().into(), stamp: Stamp::default() }.now();
    let facts = window.state().session().wait(&ModelInfo { model }).unwrap();
    let path = small.model().with_file_name("painter.safetensors");
    tiny_generator(&path, Way::MaskGit, &facts.token_hash);
    send(&mut window, Open::Path(path));
    send(&mut window, Layout::Show(ViewId::Tokens));
    (window, small, facts.token_hash.clone())
}

/// What a command that is done says, on both ways out.
pub(super) fn run(words: &[&str]) -> (String, String) {
    let (mut said, mut errors) = (Vec::new(), Vec::new());
    let around = Surroundings {
        errors: None,
        out: &mut said,
        err: &mut errors,
        watched: false,
        cancel: Arc::new(AtomicBool::new(false)),
        assets: Some(assets()),
        inside: None,
    };
    let words = ["smalti"].iter().chain(words).map(ToString::to_string);
    let code = smalti::cli::run(words, around);
    let [said, errors] = [said, errors].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!(code, DONE, "{errors}");
    (said, errors)
}

/// What `smalti edit` of a document says.
fn edit(document: &Path, out: &Path) -> (Value, String) {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (said, errors) = run(&["edit", &text(document), "--out", &text(out), "--json"]);
    (serde_json::from_str(&said).unwrap(), errors)
}

fn pixels(path: &Path) -> image::RgbImage {
    image::open(path).unwrap().to_rgb8()
}

#[test]
fn a_document_comes_out_of_the_command_line_with_the_tokens_and_pixels_of_the_window() {
    let (mut window, small, hash) = desk();
    let beside = |name: &str| small.model().with_file_name(name);
    let lock = Arc::new([Cell::at(3, 4)].into());
    send(&mut window, Edit::LockCells { cells: lock, locked: true });
    select(&mut window, &wide());
    resample(&mut window, 1);
    // By hand over what was written.
    send(&mut window, Edit::ForceCells { cells: Arc::new([Cell::at(2, 2)].into()), code: 3 });
    let exported = beside("exported.png");
    open_menu(&mut window, "Reconstruction");
    click_label(&mut window, "Save as PNG, 1×…");
    save_to(&mut window, &exported);
    let (document, file) = (window.state().document().clone(), beside("hat.smalti"));
    std::fs::write(&file, to_bytes(&Saved::new(document, None), &Carried::Pasted).unwrap())
        .unwrap();

    let is_as_in_the_window = |out: &Path| {
        assert_eq!(pixels(&out.join("picture 0-edited.png")), pixels(&exported));
        let tokens = out.join("picture 0-edited.safetensors");
        let read = token_files::read(&tokens, &Wanted::default(), None).unwrap();
        assert_eq!(read.images, [now(&window)]);
    };
    let (line, _) = edit(&file, &beside("first"));
    is_as_in_the_window(&beside("first"));
    let [written] = line["written"].as_array().unwrap().as_slice() else { panic!("{line}") };
    assert_eq!((&written["seed"], &written["differing"]), (&1.into(), &0.into()));
    assert_eq!(written["cells"], wide().len() - 1, "one of them was locked");

    // Another generator of that name, and none.
    let generator = beside("painter.safetensors");
    tiny_generator(&generator, Way::Raster, &hash);
    let (line, said) = edit(&file, &beside("second"));
    is_as_in_the_window(&beside("second"));
    assert!(line["written"][0]["differing"].as_u64().unwrap() > 0, "{line}");
    assert!(said.contains("would be others now"), "{said}");
    std::fs::remove_file(&generator).unwrap();
    let (line, said) = edit(&file, &beside("third"));
    is_as_in_the_window(&beside("third"));
    assert!(line["written"][0]["differing"].is_null(), "{line}");
    assert!(said.contains("cannot be written again") && said.contains("painter"), "{said}");
    for told in [&said, line["written"][0]["problem"].as_str().unwrap()] {
        assert!(told.contains("put it back there"), "what to do: {told}");
    }
}

#[test]
fn what_was_made_by_hand_while_it_was_written_is_none_of_what_the_generator_wrote() {
    let (mut window, small, _) = desk();
    let beside = |name: &str| small.model().with_file_name(name);
    let before = now(&window);
    let next = window.state().document().generating.asked.clone().unwrap();
    let kept = next.keeping(&before, |cell| !wide().contains(&cell));
    let asked = Box::new(Asked { grid: Some((16, 16)), seed: 1, ..kept });
    // All in one frame: it cannot be done before.
    let hands: BTreeSet<Cell> = wide().into_iter().filter(|cell| cell.column < 8).collect();
    window.state().send(Generate::Rewrite { asked, count: 1 });
    window.state().send(Edit::ForceCells { cells: Arc::new(hands.clone()), code: 3 });
    until(&mut window, "by painter, any class, seed 1");
    let (document, file) = (window.state().document().clone(), beside("hat.smalti"));
    let bytes = to_bytes(&Saved::new(document, None), &Carried::Pasted).unwrap();
    std::fs::write(&file, bytes).unwrap();
    let (line, said) = edit(&file, &beside("out"));
    let [written] = line["written"].as_array().unwrap().as_slice() else { panic!("{line}") };
    assert_eq!(written["differing"], 0, "{said}");
    assert_eq!(written["cells"], wide().len() - hands.len(), "those by hand are none of its");
    assert!(!said.contains("would be others"), "{said}");
}

#[test]
fn a_whole_generation_that_became_tokens_comes_out_of_the_command_line_as_it_was() {
    let (mut window, small, hash) = desk();
    let beside = |name: &str| small.model().with_file_name(name);
    press(&mut window, Modifiers::COMMAND, Key::G);
    press(&mut window, Modifiers::COMMAND, Key::P);
    window.event(egui::Event::Text("Use what is generated as tokens".to_owned()));
    press(&mut window, Modifiers::NONE, Key::Enter);
    send(&mut window, Layout::Show(ViewId::Tokens));
    let subject = window.state().document().subject.clone();
    let Some(Subject::Tokens(given)) = subject else { panic!("{subject:?}") };
    assert_eq!(given.tokens.len(), 64);
    // By hand over it, and saved.
    let other = (given.tokens.get(Cell::at(2, 2)).unwrap() + 7) % 20;
    send(&mut window, Edit::ForceCells { cells: Arc::new([Cell::at(2, 2)].into()), code: other });
    let exported = beside("exported.png");
    open_menu(&mut window, "Reconstruction");
    click_label(&mut window, "Save as PNG, 1×…");
    save_to(&mut window, &exported);
    let (document, file) = (window.state().document().clone(), beside("dream.smalti"));
    std::fs::write(&file, to_bytes(&Saved::new(document, None), &Carried::Pasted).unwrap())
        .unwrap();
    let expected = now(&window);
    assert_eq!(expected.get(Cell::at(2, 2)), Some(other));
    let is_as_in_the_window = |line: &Value| {
        let path = |key: &str| std::path::PathBuf::from(line[key].as_str().unwrap());
        assert_eq!(pixels(&path("out")), pixels(&exported));
        let read = token_files::read(&path("tokens_file"), &Wanted::default(), None).unwrap();
        assert_eq!(read.images[0].first().codes(), expected.first().codes());
    };
    let (line, _) = edit(&file, &beside("first"));
    is_as_in_the_window(&line);
    let [written] = line["written"].as_array().unwrap().as_slice() else { panic!("{line}") };
    assert_eq!((&written["cells"], &written["differing"]), (&64.into(), &0.into()), "{line}");

    let generator = beside("painter.safetensors");
    tiny_generator(&generator, Way::Raster, &hash);
    let (line, said) = edit(&file, &beside("second"));
    is_as_in_the_window(&line);
    assert!(line["written"][0]["differing"].as_u64().unwrap() > 0, "{line}");
    assert!(said.contains("of 64 tokens would be others now"), "{said}");
    std::fs::remove_file(&generator).unwrap();
    let (line, said) = edit(&file, &beside("third"));
    is_as_in_the_window(&line);
    assert!(said.contains("cannot be written again") && said.contains("painter"), "{said}");
    assert!(said.contains("those that the document keeps stand"), "{said}");
}
