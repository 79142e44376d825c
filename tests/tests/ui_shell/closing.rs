//! The end of the window waits for what takes long to save, and says so.

use std::path::Path;

use egui::Key;
use egui_kittest::kittest::Queryable;
use smalti::document::{AppCommand, Drawing, How, PictureFile, Sheet};
use smalti_engine::questions::{ImageRef, SourceRef};
use smalti_tests::window::{Window, open, send, settle};

/// Begins to save a sheet of many images.
fn begin_sheet(window: &mut Window, path: &Path) {
    const ASKED: &str = "The system shows no file dialog here; type the path.";
    let of = |index| ImageRef::InSource { source: SourceRef::Worlds { seed: 1 }, index };
    let sheet = Sheet { images: (0..400).map(of).collect(), columns: 20, side: 64 };
    let (name, words, how) = ("sheet".to_owned(), Vec::new(), How::Png(4));
    let file = PictureFile { name, drawing: Drawing::Sheet(sheet), words, how };
    send(window, AppCommand::ExportPicture(Box::new(file)));
    let role = egui::accesskit::Role::TextInput;
    window.get_by_role_and_label(role, ASKED).focus();
    window.step();
    window.key_press_modifiers(egui::Modifiers::COMMAND, Key::A);
    window.step();
    window.get_by_role_and_label(role, ASKED).type_text(&path.display().to_string());
    window.step();
    window.key_press(Key::Enter);
    for _ in 0..40 {
        window.step();
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Asks to close, and gives what is asked of the system then.
fn close(window: &mut Window) -> Vec<egui::ViewportCommand> {
    let viewport = window.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default();
    viewport.events.push(egui::ViewportEvent::Close);
    window.step();
    let viewport = window.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default();
    viewport.events.clear();
    told(window)
}

fn told(window: &Window) -> Vec<egui::ViewportCommand> {
    let outputs = window.output().viewport_output.get(&egui::ViewportId::ROOT);
    outputs.map(|output| output.commands.clone()).unwrap_or_default()
}

#[test]
fn the_window_closes_when_the_sheet_that_is_being_saved_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sheet.png");
    let mut window = open();
    begin_sheet(&mut window, &path);
    assert!(!path.exists(), "it takes longer than that");
    assert!(close(&mut window).contains(&egui::ViewportCommand::CancelClose));
    let said = |window: &Window, part: &str| {
        window.state().notices().list().iter().any(|notice| notice.summary.contains(part))
    };
    assert!(said(&window, "closes when the sheet of images is saved"));
    let mut is_closed = false;
    for _ in 0..30_000 {
        window.step();
        if told(&window).contains(&egui::ViewportCommand::Close) {
            is_closed = true;
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(is_closed && path.exists());
    settle(&mut window);
}

#[test]
fn a_sheet_that_cannot_be_saved_keeps_the_window_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sheet.png");
    let mut window = open();
    begin_sheet(&mut window, &path);
    // Meanwhile a folder of that name is there.
    std::fs::create_dir(&path).unwrap();
    assert!(close(&mut window).contains(&egui::ViewportCommand::CancelClose));
    for _ in 0..30_000 {
        window.step();
        assert!(!told(&window).contains(&egui::ViewportCommand::Close));
        let mut all = window.state().notices().list().iter();
        if all.any(|notice| notice.summary.contains("sheet.png was not saved")) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    panic!("nothing is said: {:?}", window.state().notices().list());
}
