//! Which file a document has, what is asked before work is left behind, and in which order paths open.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};

use egui_kittest::kittest::Queryable;
use smalti::document::{AppCommand, Document, Edit, Open, RecipeRef, RunFolder, Slot};
use smalti::files::saved::{self, Carried, Saved};
use smalti_engine::questions::{Encode, ImageRef, ModelInfo, ModelRef};
use smalti_engine::token_files::{from_arrays::Wanted, npy_bytes};
use smalti_engine::tokens::{Code, Tokens};
use smalti_tests::tiny::{tiny_model, write_png};
use smalti_tests::window::{Window, open, says, send, settle, tokens};

use tempfile::TempDir;

use super::force;

pub(super) fn write_document(path: &Path, code: u32) {
    let document = Document::default();
    let image = ImageRef::InSource { source: document.source.clone(), index: 0 };
    let document = document.after(&Open::Image(image).into()).after(&force(1, 1, code).into());
    let saved = Saved::new(document, None);
    std::fs::write(path, saved::to_bytes(&saved, &Carried::Pasted).unwrap()).unwrap();
}

/// Two documents, in which 5 and 6 are forced, and their folder.
fn two_documents() -> (TempDir, [PathBuf; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.smalti", "b.smalti"].map(|name| folder.path().join(name));
    write_document(&paths[0], 5);
    write_document(&paths[1], 6);
    (folder, paths)
}

/// A window with a document in which 5 is forced, its path and its folder.
fn one_open() -> (TempDir, PathBuf, Window) {
    let (folder, [path, _]) = two_documents();
    let mut window = open();
    send(&mut window, Open::Path(path.clone()));
    (folder, path, window)
}

fn forced(path: &Path) -> Vec<u32> {
    saved::open(path).unwrap().document.edits.values().copied().collect()
}

fn now(window: &Window) -> Vec<u32> {
    window.state().document().edits.values().copied().collect()
}

#[test]
fn undo_leads_into_another_document_and_saving_into_the_file_of_that() {
    let (_folder, [first, second]) = two_documents();
    let mut window = open();
    send(&mut window, Open::Path(first.clone()));
    send(&mut window, Open::Path(second.clone()));
    assert_eq!(now(&window), [6]);
    send(&mut window, Edit::Undo);
    assert_eq!(now(&window), [5], "the first document is back");
    send(&mut window, force(2, 2, 7));
    send(&mut window, AppCommand::Save);
    assert_eq!(forced(&second), [6], "the other file is as it was");
    assert_eq!(forced(&first), [5, 7]);
}

#[test]
fn work_that_is_not_saved_is_asked_about_before_another_document_takes_its_place() {
    let (_folder, [first, second]) = two_documents();
    let mut window = open();
    send(&mut window, Open::Path(first.clone()));
    send(&mut window, force(2, 2, 7));
    for command in [AppCommand::New.into(), smalti::document::Command::from(Open::Path(second))] {
        send(&mut window, command);
        assert_eq!(now(&window), [5, 7], "it is still there");
        window.get_by_label("Cancel").click();
        settle(&mut window);
        assert_eq!(now(&window), [5, 7]);
    }
    send(&mut window, AppCommand::New);
    window.get_by_label("Save").click();
    settle(&mut window);
    assert_eq!(forced(&first), [5, 7], "it was saved first");
    assert!(now(&window).is_empty(), "then the new one is there");
    send(&mut window, force(3, 3, 8));
    send(&mut window, AppCommand::New);
    window.get_by_label("Go on without saving").click();
    settle(&mut window);
    assert!(now(&window).is_empty());
    send(&mut window, Edit::Undo);
    assert_eq!(now(&window), [8], "and undo brings back what was left");
}

#[test]
fn a_document_that_is_opened_again_after_saving_is_the_one_that_was_saved() {
    let (_folder, path, mut window) = one_open();
    send(&mut window, force(2, 2, 7));
    send(&mut window, Open::Path(path.clone()));
    window.get_by_label("Save").click();
    settle(&mut window);
    assert_eq!((now(&window), forced(&path)), (vec![5, 7], vec![5, 7]));
    send(&mut window, force(3, 3, 8));
    send(&mut window, AppCommand::Save);
    assert_eq!(forced(&path), [5, 7, 8], "nothing of it is lost");
}

#[test]
fn what_is_dropped_with_a_document_is_opened_into_that_one() {
    let (folder, [first, second]) = two_documents();
    let picture = folder.path().join("a.png");
    write_png(&picture, 40, 40, 1);
    let mut window = open();
    send(&mut window, Open::Path(first.clone()));
    send(&mut window, force(2, 2, 7));
    for path in [&second, &picture] {
        window.state().send(Open::Path(path.clone()));
    }
    settle_on_a_question(&mut window, "Save what you changed?");
    window.get_by_label("Save").click();
    settle(&mut window);
    let document = window.state().document();
    assert_eq!(document.image(), Some(&ImageRef::file(&picture)));
    assert_eq!(document.kept.len(), 1, "the work of b.smalti is kept beside it: {document:?}");
    assert_eq!(forced(&first), [5, 7]);
    let of_first = saved::open(&first).unwrap().document;
    assert_ne!(of_first.image(), Some(&ImageRef::file(&picture)));
}

#[test]
fn a_document_whose_file_another_one_took_is_in_no_file() {
    let (_folder, [first, second]) = two_documents();
    let mut window = open();
    send(&mut window, Open::Path(first.clone()));
    send(&mut window, Open::Path(second));
    send(&mut window, AppCommand::SaveAs);
    type_path(&mut window, &first);
    window.get_by_label("Replace").click();
    settle(&mut window);
    assert_eq!(forced(&first), [6]);
    while now(&window) != [5] {
        send(&mut window, Edit::Undo);
    }
    send(&mut window, AppCommand::Save);
    assert_eq!(forced(&first), [6], "it asks where to, and writes over nothing");
    assert!(says(&window, "Save as"));
}

#[test]
fn a_document_that_somebody_else_wrote_meanwhile_is_not_written_over_unasked() {
    let (_folder, path, mut window) = one_open();
    for saved in [7, 8] {
        send(&mut window, force(2, 2, saved));
        send(&mut window, AppCommand::Save);
        assert_eq!(forced(&path), [5, saved], "its own saving is no change");
    }
    std::thread::sleep(std::time::Duration::from_millis(20));
    write_document(&path, 6);
    send(&mut window, force(2, 2, 9));
    send(&mut window, AppCommand::Save);
    assert!(says(&window, "Replace a.smalti?") && forced(&path) == [6]);
    window.get_by_label("Cancel").click();
    settle(&mut window);
    assert_eq!(forced(&path), [6]);
    // Nor on the way to something else, which then does not come.
    send(&mut window, AppCommand::New);
    window.get_by_label("Save").click();
    settle(&mut window);
    window.get_by_label("Cancel").click();
    settle(&mut window);
    assert_eq!((now(&window), forced(&path)), (vec![5, 9], vec![6]));
    send(&mut window, AppCommand::Save);
    window.get_by_label("Replace").click();
    settle(&mut window);
    assert_eq!(forced(&path), [5, 9]);
}

#[test]
fn saving_again_while_it_is_saved_saves_what_is_newest_and_asks_nothing() {
    let (_folder, path, mut window) = one_open();
    // All in one frame: nothing is written in between.
    for code in [7, 8, 9] {
        window.state().send(force(2, 2, code));
        window.state().send(AppCommand::Save);
    }
    settle(&mut window);
    assert_eq!(forced(&path), [5, 9], "{:?}", window.state().notices());
    assert!(!says(&window, "Replace a.smalti?"));
    // What comes after saving waits for the last of it.
    window.state().send(force(2, 2, 1));
    window.state().send(AppCommand::Save);
    window.state().send(force(2, 2, 3));
    window.state().send(AppCommand::New);
    settle_on_a_question(&mut window, "Save what you changed?");
    window.get_by_label("Save").click();
    settle(&mut window);
    assert_eq!((now(&window), forced(&path)), (vec![], vec![5, 3]));
}

#[test]
fn what_waits_to_be_saved_outlives_a_cancelled_dialog_and_goes_where_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("a.smalti"), folder.path().join("b.smalti"));
    write_document(&path, 5);
    let mut window = open();
    send(&mut window, Open::Path(path.clone()));
    let twice = |window: &Window, codes: [u32; 2]| {
        for code in codes {
            window.state().send(force(2, 2, code));
            window.state().send(AppCommand::Save);
        }
    };
    twice(&window, [7, 8]);
    window.state().send(AppCommand::SaveAs);
    settle_on_a_question(&mut window, "Save as");
    window.get_by_label("Cancel").click();
    settle(&mut window);
    assert_eq!(forced(&path), [5, 8]);
    // Another place while the first is written: what is saved after that goes there.
    twice(&window, [3, 4]);
    send(&mut window, AppCommand::SaveAs);
    type_path(&mut window, &other);
    twice(&window, [1, 2]);
    settle(&mut window);
    assert_eq!((forced(&path), forced(&other)), (vec![5, 4], vec![5, 2]));
    // And before the window closes.
    twice(&window, [9, 6]);
    window.step();
    super::ask_to_close(&mut window);
    settle(&mut window);
    assert_eq!(forced(&other), [5, 6]);
    assert!(!says(&window, "Save what you changed?"));
}

#[test]
fn looking_at_another_image_is_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.smalti");
    let image = |index| {
        let source = Document::default().source;
        Open::Image(ImageRef::InSource { source, index })
    };
    let document = Document::default().after(&image(0).into()).after(&force(1, 1, 5).into());
    let document = document.after(&image(1).into()).after(&force(1, 1, 6).into());
    let saved = Saved::new(document, None);
    std::fs::write(&path, saved::to_bytes(&saved, &Carried::Pasted).unwrap()).unwrap();
    let mut window = open();
    send(&mut window, Open::Path(path));
    send(&mut window, image(0));
    assert_eq!(now(&window), [5]);
    send(&mut window, AppCommand::New);
    assert!(now(&window).is_empty(), "nothing was asked");
}

#[test]
fn tokens_are_saved_without_codes_that_are_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let (model, path) = (folder.path().join("tiny.safetensors"), folder.path().join("t.NPY"));
    tiny_model(&model);
    let picture = folder.path().join("a.png");
    write_png(&picture, 16, 16, 1);
    let mut window = open();
    for path in [model, picture] {
        send(&mut window, Open::Path(path));
    }
    let used = tokens(&window).first().codes()[0];
    send(&mut window, Edit::switch(Code::first(used), false));
    send(&mut window, AppCommand::SaveTokens(None));
    let nowhere = folder.path().join("toknes");
    type_path(&mut window, &nowhere.join("t.npy"));
    assert!(!nowhere.exists(), "a mistyped folder is not made");
    assert!(window.state().notices().list().last().unwrap().summary.contains("no folder"));
    send(&mut window, AppCommand::SaveTokens(None));
    type_path(&mut window, &path);
    let read = smalti_engine::token_files::read(&path, &Wanted::default(), None).unwrap();
    assert!(!read.images[0].first().codes().contains(&used), "{used} is switched off");
    assert!(std::fs::read(&path).unwrap().starts_with(b"\x93NUMPY"));
}

#[test]
fn tokens_of_one_image_do_not_take_the_place_of_all_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.safetensors");
    let image = |code| Tokens::grid(2, 2, 20, vec![code; 4]).unwrap();
    let maker = smalti_engine::token_files::Maker::default();
    let all = [image(1), image(2), image(3)];
    let bytes = smalti_engine::token_files::safetensors_bytes(&all, &maker).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let mut window = open();
    send(&mut window, Open::Path(path.clone()));
    send(&mut window, AppCommand::SaveTokens(None));
    type_path(&mut window, &path);
    assert!(says(&window, "It holds the tokens of 3 images; only this one's would be left."));
    window.get_by_label("Cancel").click();
    settle(&mut window);
    assert!(std::fs::read(&path).unwrap() == bytes);
}

#[test]
fn a_picture_that_is_gone_stays_in_its_document_when_that_is_saved_again() {
    let folder = tempfile::tempdir().unwrap();
    let (path, picture) = (folder.path().join("a.smalti"), folder.path().join("a.png"));
    write_png(&picture, 40, 40, 1);
    let mut window = open();
    send(&mut window, Open::Path(picture.clone()));
    send(&mut window, AppCommand::SaveAs);
    type_path(&mut window, &path);
    std::fs::remove_file(&picture).unwrap();
    send(&mut window, force(1, 1, 5));
    send(&mut window, AppCommand::Save);
    assert_eq!(forced(&path), [5]);
    let saved = saved::open(&path).unwrap().document;
    assert!(matches!(saved.image(), Some(ImageRef::Pasted(_))), "{:?}", saved.subject);
}

/// Types into the dialog that stands for the system's.
pub(super) fn type_path(window: &mut Window, path: &Path) {
    const ASKED: &str = "The system shows no file dialog here; type the path.";
    settle_on_a_question(window, ASKED);
    let role = egui::accesskit::Role::TextInput;
    window.get_by_role_and_label(role, ASKED).focus();
    window.step();
    let select = egui::Modifiers::COMMAND;
    window.key_press_modifiers(select, egui::Key::A);
    window.step();
    window.get_by_role_and_label(role, ASKED).type_text(&path.display().to_string());
    window.step();
    window.key_press(egui::Key::Enter);
    settle(window);
}

#[test]
fn tokens_belong_to_the_tokenizer_that_is_opened_before_them_or_after_them() {
    let folder = tempfile::tempdir().unwrap();
    let (model, path) = (folder.path().join("tiny.safetensors"), folder.path().join("t.npy"));
    tiny_model(&model);
    let given = Tokens::grid(4, 6, 20, (0..24).map(|n| n % 20).collect::<Vec<_>>()).unwrap();
    std::fs::write(&path, npy_bytes(&given).unwrap()).unwrap();
    for model_first in [true, false] {
        let mut window = open();
        let mut paths = [model.clone(), path.clone()];
        if !model_first {
            paths.reverse();
        }
        // Both at once, as they are dropped together.
        for path in paths {
            window.state().send(Open::Path(path));
        }
        settle(&mut window);
        let document = window.state().document();
        assert!(matches!(document.model, ModelRef::File { .. }), "{:?}", window.state().notices());
        assert!(document.image().is_none(), "{:?}", document.subject);
        // Nothing says how many codes there are: it is as many as the tokenizer has.
        let info = ModelInfo { model: document.model.clone() };
        let facts = window.state().session().wait(&info).unwrap();
        assert_eq!(tokens(&window), given, "{}", facts.name);
        let subject = document.subject.clone().unwrap();
        let encode = Encode { subject, size: document.size, model: document.model.clone() };
        let encoded = window.state().session().wait(&encode).unwrap();
        assert_eq!(encoded.problem(), None);
    }
}

#[test]
fn every_question_is_asked_and_nothing_is_opened_behind_one() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("a.png");
    write_png(&picture, 40, 40, 1);
    let mut window = open();
    let before = window.state().document().subject.clone();
    for name in ["frames_NxHW.npy", "llamagen_1x2xN.npy"] {
        window.state().send(Open::Path(smalti_tests::case(name)));
    }
    window.state().send(Open::Path(picture.clone()));
    for (name, question) in [
        ("frames", "How is frames_NxHW.npy read?"),
        ("llamagen", "How is llamagen_1x2xN.npy read?"),
    ] {
        settle_on_a_question(&mut window, question);
        assert_eq!(
            window.state().document().subject,
            before,
            "{name}: nothing is opened behind it"
        );
        // A key would put another dialog into its place.
        window.key_press(egui::Key::F1);
        window.step();
        assert!(says(&window, question), "{name}");
        window.get_by_label("Cancel").click();
        window.step();
    }
    settle(&mut window);
    assert_eq!(window.state().document().image(), Some(&ImageRef::file(&picture)));
}

/// Frames until a question is seen; openings that wait behind it never end.
pub(super) fn settle_on_a_question(window: &mut Window, question: &str) {
    for _ in 0..2000 {
        window.step();
        if says(window, question) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    panic!("{question} is not asked: {:?}", window.state().notices());
}

#[test]
fn runs_belong_to_their_document_through_undo() {
    let (_folder, [first, second]) = two_documents();
    let mut window = open();
    send(&mut window, Open::Path(first));
    let run = RunFolder { folder: "runs/a-1".into(), recipe: RecipeRef::Shipped("a".into()) };
    send(&mut window, Open::Run(Slot::A, run.clone()));
    // A run is kept with the document: leaving it is asked about.
    send(&mut window, AppCommand::Save);
    send(&mut window, Open::Path(second));
    assert_eq!(window.state().document().runs[0], None);
    send(&mut window, Edit::Undo);
    assert_eq!(window.state().document().runs[0], Some(run.clone()));
    send(&mut window, Edit::Redo);
    assert_eq!(window.state().document().runs[0], None);
}

#[test]
fn work_on_a_picture_that_was_overwritten_is_not_put_on_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    write_png(&path, 40, 40, 1);
    let old = Document::default().after(&Open::Image(ImageRef::file(&path)).into());
    let old = old.after(&force(1, 1, 5).into());
    write_png(&path, 40, 40, 2);
    let both = old.after(&Open::Image(ImageRef::file(&path)).into());
    assert!(both.edits.is_empty());
    let (there, warnings) = round_trip(&both);
    assert!(there.edits.is_empty(), "the new picture is as the tokenizer sees it");
    assert_eq!(there.kept.len(), 1, "and the work on the old one is kept");
    assert_eq!(there.kept, both.kept);
    assert!(warnings.is_empty());
    // Where the picture itself was worked on, the window says that it is another one.
    let (there, warnings) = round_trip(&old);
    assert_eq!(there.edits.len(), 1);
    assert!(warnings[0].contains("a.png has changed"), "{warnings:?}");
}

fn round_trip(document: &Document) -> (Document, Vec<String>) {
    let saved = Saved::new(document.clone(), None);
    let bytes = saved::to_bytes(&saved, &Carried::Pictures(&|_| None)).unwrap();
    let back = saved::from_bytes(&bytes, Path::new("a.smalti")).unwrap();
    (back.document, back.warnings)
}

#[test]
fn a_name_that_is_taken_goes_back_to_its_field_and_is_not_typed_anew() {
    let (_folder, [first, second]) = two_documents();
    let mut window = open();
    send(&mut window, Open::Path(first.clone()));
    send(&mut window, force(2, 2, 7));
    send(&mut window, AppCommand::SaveAs);
    type_path(&mut window, &second);
    assert!(says(&window, "Replace b.smalti?"));
    window.key_press(egui::Key::Escape);
    settle(&mut window);
    assert!(says(&window, "Save as") && says(&window, "b.smalti is there already"));
    // Mended at its end, where the ending would be: nothing that was typed is selected.
    let asked = "The system shows no file dialog here; type the path.";
    window.get_by_role_and_label(egui::accesskit::Role::TextInput, asked).type_text(".new");
    window.step();
    window.key_press(egui::Key::Enter);
    settle(&mut window);
    let mended = second.with_extension("smalti.new.smalti");
    assert_eq!((forced(&mended), forced(&second)), (vec![5, 7], vec![6]));
    // Closed twice, it is closed.
    send(&mut window, AppCommand::SaveAs);
    type_path(&mut window, &first);
    for _ in 0..2 {
        window.key_press(egui::Key::Escape);
        settle(&mut window);
    }
    assert!(!says(&window, "Save as") && forced(&first) == [5]);
}
