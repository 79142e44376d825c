//! What was lost or said wrongly once: logged errors, work that cannot be read, documents left behind,
//! paths with blanks, and work for views that nobody sees.

use std::sync::Arc;
use std::time::Duration;

use egui::Event;
use egui_kittest::kittest::Queryable;
use smalti::document::{AppCommand, Edit, Layout, Look, Open, Panel, Severity, ViewId};
use smalti::studio::StudioOptions;
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{Encode, ImageRef, Reconstruct};
use smalti_engine::tokens::{Cell, Code};
use smalti_tests::tiny::{tiny_model, write_png};
use smalti_tests::window::{
    Small, Window, assets, empty, is_in_front, open, open_sized, says, send, settle, tab,
};

use super::documents::write_document;
use super::{ask_to_close, force};

/// Options of a window that keeps its work in a folder.
fn kept_in(folder: &std::path::Path) -> StudioOptions {
    StudioOptions { settings_dir: Some(folder.to_owned()), ..StudioOptions::new(assets()) }
}

#[test]
fn an_error_that_was_only_logged_stands_in_the_log_view() {
    let errors = smalti::logging::start(None).expect("no other test of this process logs");
    let mut options = empty(tab(ViewId::Log));
    options.errors = Some(errors.into());
    let mut window = open_sized(options, [800.0, 600.0]);
    log::error!("the disk is on fire");
    settle(&mut window);
    assert!(says(&window, "the disk is on fire"));
    // What the window says itself is there once.
    send(&mut window, smalti::document::Notice::error("Something", "Do something"));
    let count = window.state().notices().list().iter().filter(|n| n.summary == "Something").count();
    let all = window.state().notices().list().len();
    assert_eq!((count, all), (1, 2), "{:?}", window.state().notices());
}

#[test]
fn an_autosave_that_cannot_be_read_is_set_aside_and_said() {
    let newer = smalti_engine::documents::to_bytes(r#"{"version":7}"#.to_owned(), &[]).unwrap();
    for (bytes, word) in [(newer.as_slice(), "version 7"), (b"{\"format\": ", "autosave")] {
        let folder = tempfile::tempdir().unwrap();
        let autosave = folder.path().join("autosave.smalti");
        std::fs::write(&autosave, bytes).unwrap();
        let mut window = open_sized(kept_in(folder.path()), [900.0, 600.0]);
        for _ in 0..500 {
            if window.state().notices().list().iter().any(|n| n.hint.contains("unreadable")) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
            window.step();
        }
        let notice = window.state().notices().list().last().cloned().unwrap();
        assert!(notice.summary.contains(word), "{notice:?}");
        // The next autosave takes its usual place, and the end of the window takes that away.
        send(&mut window, force(0, 0, 1));
        eframe::App::on_exit(window.state_mut());
        drop(window);
        let kept: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().contains("unreadable-"))
            .collect();
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(std::fs::read(&kept[0]).unwrap(), bytes);
        assert!(notice.hint.contains(kept[0].file_name().unwrap().to_str().unwrap()), "{notice:?}");
    }
}

#[test]
fn work_of_another_window_is_brought_back_when_that_one_is_no_more_open() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("autosave-2.smalti");
    write_document(&other, 7);
    let mut window = open_sized(kept_in(folder.path()), [900.0, 600.0]);
    let forced =
        |window: &Window| window.state().document().edits.values().copied().collect::<Vec<u32>>();
    assert_eq!(forced(&window), [7], "{:?}", window.state().notices());
    assert!(!other.exists());
    // Nothing was touched: it is still kept.
    drop(window);
    window = open_sized(kept_in(folder.path()), [900.0, 600.0]);
    assert_eq!(forced(&window), [7]);
    // A second window does not take the work of one that is open.
    let second = open_sized(kept_in(folder.path()), [900.0, 600.0]);
    assert!(forced(&second).is_empty());
    let list = second.state().notices().list();
    assert!(list.iter().all(|n| !n.summary.contains("unexpectedly")), "{list:?}");
    eframe::App::on_exit(window.state_mut());
    drop(window);
    assert!(!folder.path().join("autosave.smalti").exists(), "it ended well");
}

#[test]
fn of_the_work_of_several_windows_one_is_brought_back_and_the_others_are_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    for (name, code) in [("autosave.smalti", 5), ("autosave-2.smalti", 6), ("autosave-9.smalti", 7)]
    {
        write_document(&folder.path().join(name), code);
    }
    let window = open_sized(kept_in(folder.path()), [900.0, 600.0]);
    let forced: Vec<u32> = window.state().document().edits.values().copied().collect();
    assert_eq!(forced, [5]);
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("recovered-") {
            let saved = smalti::files::saved::open(&path).unwrap();
            kept.extend(saved.document.edits.values().copied());
            let list = window.state().notices().list();
            let is_said = list.iter().any(|n| n.hint.contains(&path.display().to_string()));
            assert!(is_said, "{list:?}");
        }
    }
    kept.sort_unstable();
    assert_eq!(kept, [6, 7]);
}

#[test]
fn a_new_document_leaves_the_saved_one_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("work.smalti");
    let document = smalti::document::Document::default().after(&force(1, 1, 5).into());
    let saved = smalti::files::saved::Saved::new(document, None);
    std::fs::write(
        &path,
        smalti::files::saved::to_bytes(&saved, &smalti::files::saved::Carried::Pasted).unwrap(),
    )
    .unwrap();
    let mut window = open();
    send(&mut window, Open::Path(path));
    assert_eq!(window.state().document().edits.len(), 1, "{:?}", window.state().notices());
    // With looks of its own a new document is another one than that of the start.
    send(&mut window, Look::ShowIds(false));
    send(&mut window, AppCommand::New);
    ask_to_close(&mut window);
    assert!(window.query_by_label("Quit without saving").is_none(), "there is nothing to save");
}

#[test]
fn addresses_with_blanks_are_opened_when_pasted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my parrots 100%.png");
    write_png(&path, 40, 40, 1);
    let mut window = open();
    let address = path.display().to_string().replace('%', "%25").replace(' ', "%20");
    window.event(Event::Paste(format!("file://{address}\r\n")));
    settle(&mut window);
    let image = window.state().document().image();
    assert_eq!(image, Some(&ImageRef::file(&path)), "{:?}", window.state().notices());
}

#[test]
fn a_tokenizer_in_several_files_is_opened_by_its_index() {
    let folder = tempfile::tempdir().unwrap();
    tiny_model(&folder.path().join("part-1.safetensors"));
    let bytes = std::fs::read(folder.path().join("part-1.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let names = header.as_object().unwrap().keys().filter(|name| *name != "__metadata__");
    let map: serde_json::Map<_, _> =
        names.map(|name| (name.clone(), "part-1.safetensors".into())).collect();
    let index = folder.path().join("tiny.safetensors.index.json");
    std::fs::write(&index, serde_json::json!({ "weight_map": map }).to_string()).unwrap();
    let mut window = open();
    send(&mut window, Open::Path(index));
    let model = &window.state().document().model;
    assert!(model.label().starts_with("tiny"), "{:?}", window.state().notices());
}

/// The question for the tokens of what is open.
fn question(window: &Window) -> Encode {
    let document = window.state().document();
    let Some(subject) = document.subject.clone() else { panic!("nothing is open") };
    Encode { subject, size: document.size, model: document.model.clone() }
}

#[test]
fn an_image_is_worked_out_only_as_far_as_a_view_that_is_seen_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let small = Small::new();
    let path = folder.path().join("a.png");
    write_png(&path, 32, 32, 4);
    for (view, has_tokens, has_picture) in
        [(ViewId::Log, false, false), (ViewId::Codebook, true, false), (ViewId::Tokens, true, true)]
    {
        let mut window = open_sized(empty(tab(view)), [900.0, 600.0]);
        window.state().send(Open::Size(WorkingSize::square(32, 1)));
        send(&mut window, Open::Path(small.model()));
        send(&mut window, Open::Path(path.clone()));
        let encode = question(&window);
        let session = window.state().session();
        assert_eq!(session.known(&encode).is_some(), has_tokens, "{view:?}");
        assert_eq!(session.known(&Reconstruct(encode)).is_some(), has_picture, "{view:?}");
    }
}

#[test]
fn the_status_bar_says_how_long_it_took_only_where_it_was_done_anyway() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Log)), [900.0, 600.0]);
    small.open_in(&mut window);
    assert!(window.state().session().known(&question(&window)).is_none());
    assert!(!says(&window, "encode "));
    send(&mut window, Layout::Show(ViewId::Tokens));
    assert!(says(&window, "encode ") && says(&window, "decode "));
}

#[test]
fn what_locks_keep_from_being_cleared_or_replaced_is_said() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Tokens)), [900.0, 600.0]);
    small.open_in(&mut window);
    let cells = |places: &[(usize, usize)]| {
        Arc::new(places.iter().map(|(row, column)| Cell::at(*row, *column)).collect())
    };
    let three = [(0, 0), (0, 1), (0, 2)];
    send(&mut window, Edit::ForceCells { cells: cells(&three), code: 3 });
    send(&mut window, Edit::LockCells { cells: cells(&three[..2]), locked: true });
    send(&mut window, Edit::ReplaceCode { from: Code::first(3), to: 4 });
    let edits = Arc::clone(&window.state().document().edits);
    assert_eq!(edits.get(&Cell::at(0, 0)), Some(&3), "a locked cell keeps its code");
    assert_eq!(edits.get(&Cell::at(0, 2)), Some(&4));
    let last = |window: &Window| window.state().notices().list().last().cloned().unwrap();
    let said = last(&window);
    assert!(said.summary.contains("2 locked cells"), "{said:?}");
    // A code that is switched off stands nowhere any more.
    send(&mut window, Edit::switch(Code::first(4), false));
    send(&mut window, Edit::ReplaceCode { from: Code::first(4), to: 5 });
    assert_eq!(window.state().document().edits, edits, "it is not there to be replaced");
    send(&mut window, Edit::ReleaseAll);
    let left: Vec<Cell> = window.state().document().edits.keys().copied().collect();
    assert_eq!(left, [Cell::at(0, 0), Cell::at(0, 1)]);
    let said = last(&window);
    assert!(said.severity == Severity::Info && said.summary.contains("2 locked cells"), "{said:?}");
}

#[test]
fn a_picture_that_is_opened_is_seen_and_what_shows_it_already_stays_in_front() {
    let small = Small::new();
    let views = vec![ViewId::Checkpoint, ViewId::Compare, ViewId::Tokens];
    let layout = Panel::Row(vec![
        (0.3, tab(ViewId::Dataset)),
        (0.7, Panel::Tabs { views, front: Some(ViewId::Checkpoint) }),
    ]);
    let mut window = open_sized(empty(layout), [1100.0, 700.0]);
    small.open_in(&mut window);
    assert!(is_in_front(&window, ViewId::Checkpoint));
    let picture = |number: u32| Open::Path(small.pictures().join(format!("picture {number}.png")));
    send(&mut window, picture(1));
    assert!(is_in_front(&window, ViewId::Tokens) && says(&window, "Token grid"));
    send(&mut window, Layout::Show(ViewId::Compare));
    send(&mut window, picture(2));
    assert!(is_in_front(&window, ViewId::Compare));
}
