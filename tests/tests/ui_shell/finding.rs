//! What a document names and is not where it was, and files that cannot be written.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::Path;

use egui_kittest::kittest::Queryable;
use smalti::document::{AppCommand, Command, Document, Edit, Open, Slot, ViewId};
use smalti::files::saved::{self, Carried, Saved};
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{ImageRef, ModelRef, SourceRef, Stamp};
use smalti_tests::tiny::{tiny_model, write_png};
use smalti_tests::window::{Window, empty, open, open_sized, press, says, send, tab, tokens};
use tempfile::TempDir;

use super::documents::{settle_on_a_question, type_path};
use super::force;

const PLACE: &str = "The system shows no file dialog here; type the path.";

/// A folder with a picture, a tokenizer and a document in which a token of them is forced; nothing is carried along.
fn desk() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    write_png(&work.join("a.png"), 40, 32, 1);
    tiny_model(&work.join("tiny.safetensors"));
    let model = work.join("tiny.safetensors");
    let model = ModelRef::File { stamp: Stamp::of(&model), path: model.into() };
    let commands: [Command; 4] = [
        Open::Size(WorkingSize::square(32, 1)).into(),
        Open::Model(Slot::A, model).into(),
        Open::Image(ImageRef::file(work.join("a.png"))).into(),
        force(1, 1, 5).into(),
    ];
    let document = commands.iter().fold(Document::default(), |document, c| document.after(c));
    let saved = Saved::new(document, None);
    let bytes = saved::to_bytes(&saved, &Carried::Pasted).unwrap();
    std::fs::write(folder.path().join("hat.smalti"), bytes).unwrap();
    folder
}

fn said(window: &Window, part: &str) -> bool {
    window.state().notices().list().iter().any(|notice| notice.summary.contains(part))
}

fn forced(window: &Window) -> Vec<u32> {
    window.state().document().edits.values().copied().collect()
}

/// Answers the question for a place, once a button that leads to it was clicked.
fn find(window: &mut Window, button: &str, place: &Path) {
    window.get_by_label(button).click();
    settle_on_a_question(window, PLACE);
    type_path(window, place);
}

#[test]
fn a_picture_that_was_moved_is_pointed_at_and_what_was_forced_on_it_stays() {
    let folder = desk();
    let (old, new) = (folder.path().join("work/a.png"), folder.path().join("moved.png"));
    std::fs::rename(&old, &new).unwrap();
    let mut window = open();
    send(&mut window, Open::Path(folder.path().join("hat.smalti")));
    assert!(said(&window, "The image is not where it was"), "{:?}", window.state().notices());
    assert_eq!(forced(&window), [5]);
    // What is no picture is refused, and it can be pointed at again.
    find(&mut window, "Find a.png", &folder.path().join("work/tiny.safetensors"));
    assert!(said(&window, "this is no image"), "{:?}", window.state().notices());
    assert_eq!(
        window.state().document().image(),
        Some(&ImageRef::File { path: old.as_path().into(), stamp: Stamp::of(&new) })
    );
    find(&mut window, "Find a.png", &new);
    assert_eq!(window.state().document().image(), Some(&ImageRef::file(&new)));
    assert_eq!(forced(&window), [5], "what was forced is still there");
    tokens(&window);
    assert!(!says(&window, "is not where it was"), "it is said no more");
    // The document is in its file as it is now.
    send(&mut window, AppCommand::Save);
    let again = saved::open(&folder.path().join("hat.smalti")).unwrap();
    assert!(again.lost.is_empty() && again.document.edits.len() == 1);
}

#[test]
fn what_lay_beside_a_tokenizer_that_is_found_is_found_with_it() {
    let folder = desk();
    let new = folder.path().join("elsewhere");
    std::fs::create_dir(&new).unwrap();
    std::fs::rename(folder.path().join("work"), new.join("work")).unwrap();
    let mut window = open();
    send(&mut window, Open::Path(folder.path().join("hat.smalti")));
    for what in ["The image is not", "The tokenizer is not"] {
        assert!(said(&window, what), "{what}: {:?}", window.state().notices());
    }
    find(&mut window, "Find tiny.safetensors", &new.join("work/tiny.safetensors"));
    let document = window.state().document();
    assert_eq!(document.image(), Some(&ImageRef::file(new.join("work/a.png"))));
    assert_eq!(document.model.path(Path::new("")), new.join("work/tiny.safetensors"));
    assert_eq!(forced(&window), [5]);
    tokens(&window);
    assert!(!says(&window, "is not where it was"));
}

#[test]
fn each_of_many_lost_files_can_be_pointed_at() {
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let mut document = Document::default();
    for number in 0..6 {
        let path = work.join(format!("{number}.png"));
        write_png(&path, 40, 32, number);
        document = document.after(&Open::Image(ImageRef::file(&path)).into());
        document = document.after(&force(1, 1, 5).into());
    }
    let sample = ImageRef::InSource { source: SourceRef::Samples, index: 0 };
    document = document.after(&Open::Image(sample).into());
    let bytes = saved::to_bytes(&Saved::new(document, None), &Carried::Pasted).unwrap();
    std::fs::write(folder.path().join("hat.smalti"), bytes).unwrap();
    // They went to other names: none is found with another.
    for number in 0..6 {
        let to = folder.path().join(format!("moved {number}.png"));
        std::fs::rename(work.join(format!("{number}.png")), to).unwrap();
    }
    let mut window = open_sized(empty(tab(ViewId::Log)), [900.0, 800.0]);
    send(&mut window, Open::Path(folder.path().join("hat.smalti")));
    for number in (0..6).rev() {
        // What passes must not lie over what stays.
        send(&mut window, AppCommand::Dismiss);
        let button = format!("Find {number}.png here");
        let place = folder.path().join(format!("moved {number}.png"));
        if number == 0 {
            // By the palette, too.
            press(&mut window, egui::Modifiers::COMMAND, egui::Key::P);
            window.event(egui::Event::Text("Find 0.png".to_owned()));
            window.step();
            window.key_press(egui::Key::Enter);
            settle_on_a_question(&mut window, PLACE);
            type_path(&mut window, &place);
        } else {
            find(&mut window, &button, &place);
        }
        assert!(!says(&window, &button), "{button}: it is found");
    }
    assert_eq!(saved::lost_of(window.state().document()).len(), 0);
}

#[test]
fn a_path_that_vanishes_while_it_is_open_leaves_its_picture_there() {
    let folder = desk();
    let mut window = open();
    send(&mut window, Open::Path(folder.path().join("hat.smalti")));
    let before = tokens(&window);
    std::fs::remove_dir_all(folder.path().join("work")).unwrap();
    send(&mut window, force(2, 2, 3));
    assert_eq!(tokens(&window), before);
    let errors = window.state().notices().list().iter();
    let errors: Vec<_> =
        errors.filter(|n| n.severity == smalti::document::Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn a_document_is_told_by_its_contents_whatever_it_is_called() {
    let folder = desk();
    let mut window = open();
    send(&mut window, Open::Path(folder.path().join("hat.smalti")));
    send(&mut window, force(2, 2, 7));
    send(&mut window, AppCommand::SaveAs);
    type_path(&mut window, &folder.path().join("cap"));
    let cap = folder.path().join("cap.smalti");
    assert_eq!(saved::open(&cap).unwrap().document.edits.len(), 2, "it got its ending");
    let bare = folder.path().join("bare");
    std::fs::copy(&cap, &bare).unwrap();
    let mut window = open();
    send(&mut window, Open::Path(bare));
    assert_eq!(forced(&window), [5, 7], "{:?}", window.state().notices());
}

/// In `/proc` there are no files of one's own, not even for who may do everything.
#[cfg(target_os = "linux")]
#[test]
fn a_document_that_cannot_be_written_stays_unsaved_and_is_in_its_old_file() {
    let folder = desk();
    let path = folder.path().join("hat.smalti");
    let mut window = open();
    send(&mut window, Open::Path(path.clone()));
    send(&mut window, force(2, 2, 7));
    let before = std::fs::read(&path).unwrap();
    send(&mut window, AppCommand::SaveAs);
    type_path(&mut window, Path::new("/proc/hat.smalti"));
    assert!(said(&window, "hat.smalti was not saved: "), "{:?}", window.state().notices());
    // A command is what the title is looked at after.
    send(&mut window, Edit::SelectCode(None));
    assert_eq!(window.state().title(), "*hat.smalti – Smalti");
    assert_eq!(std::fs::read(&path).unwrap(), before, "the old file is whole");
    send(&mut window, AppCommand::Save);
    assert_eq!(saved::open(&path).unwrap().document.edits.len(), 2, "and it can still be saved");
}
