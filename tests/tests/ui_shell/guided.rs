//! What a scene does is done to what it began with, and taken back there: own work is nobody else's.

use std::path::PathBuf;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use smalti::document::{Document, Layout, Open};
use smalti_tests::window::{Window, click_label, open, press, says, send};

use super::documents::write_document;

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

/// A document in which code 5 is forced, and its folder.
fn own_document() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.smalti");
    write_document(&path, 5);
    (folder, path)
}

/// Opens a document over what was generated, which is not saved.
fn open_over(window: &mut Window, path: &std::path::Path) {
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
