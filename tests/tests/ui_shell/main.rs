//! The window without its views: opening, undo, palette, keys, notices, themes, scenes, autosave.
//! Run without a display; those that look at pixels draw with wgpu.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod closing;
mod commands;
mod documents;
mod doors;
mod finding;
mod guided;
mod lectures;
mod mended;
mod presentation;
mod room;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use egui::{Event, Key, Modifiers};
use egui_kittest::kittest::Queryable;
use smalti::document::{AppCommand, Edit, Layout, Look, Open, Panel, Severity, Slot, ViewId};
use smalti::files::scenes::{self, Scene};
use smalti::look::theme::Theme;
use smalti::settings::ThemeChoice;
use smalti::studio::StudioOptions;
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{ImageRef, ModelRef};
use smalti_engine::tokens::{Cell, Code};
use smalti_tests::tiny::{tiny_model, write_png};
use smalti_tests::window::{
    Small, Window, assets, click_label, drawn, is_in_front, open, open_drawn, open_sized, press,
    send, settle, views,
};

fn force(row: usize, column: usize, code: u32) -> Edit {
    Edit::ForceCells { cells: Arc::new([Cell::at(row, column)].into()), code }
}

#[test]
fn an_image_and_a_tokenizer_are_opened_by_their_paths() {
    let folder = tempfile::tempdir().unwrap();
    let (image, model) = (folder.path().join("鹦鹉.png"), folder.path().join("tiny.safetensors"));
    write_png(&image, 64, 48, 1);
    tiny_model(&model);
    let mut window = open();
    send(&mut window, Open::Size(WorkingSize::square(64, 1)));
    send(&mut window, Open::Path(image.clone()));
    send(&mut window, Open::Path(model));
    let document = window.state().document();
    assert!(
        matches!(document.image(), Some(ImageRef::File { path, .. }) if **path == *image),
        "{:?} {:?}",
        document.subject,
        window.state().notices()
    );
    assert_eq!(document.model.label(), "tiny", "{:?}", window.state().notices());
}

#[test]
fn a_broken_file_is_a_notice_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = open();
    let before = window.state().document().clone();
    let files: [(&str, &[u8]); 4] = [
        ("broken.png", b"\x89PNG\r\n\x1a\n and then nothing"),
        ("broken.safetensors", &[255, 255, 255, 255, 255, 255, 255, 127, 0, 0]),
        ("broken.smalti", b"{}"),
        ("broken.ron", b"(title: 3)"),
    ];
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        send(&mut window, Open::Path(path));
        let last = window.state().notices().list().last().cloned();
        let last = last.unwrap_or_else(|| panic!("{name}: no notice"));
        assert_eq!(last.severity, Severity::Error, "{name}: {last:?}");
        assert!(last.summary.contains(name), "{last:?}");
    }
    send(&mut window, Open::Path(folder.path().join("not there.png")));
    let last = window.state().notices().list().last().cloned().unwrap();
    assert!(last.summary.contains("not there.png"), "{last:?}");
    assert_eq!(window.state().document(), &before);
}

#[test]
fn changes_are_undone_and_redone_by_keys() {
    let mut window = open();
    let start = window.state().document().clone();
    send(&mut window, Look::ShowIds(false));
    send(&mut window, force(0, 0, 3));
    let changed = window.state().document().clone();
    press(&mut window, Modifiers::COMMAND, Key::Z);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(window.state().document(), &start);
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    press(&mut window, Modifiers::COMMAND, Key::Y);
    assert_eq!(window.state().document(), &changed);
}

#[test]
fn the_palette_finds_a_view_a_code_and_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("a.png");
    write_png(&image, 32, 32, 2);
    let mut window = open();
    send(&mut window, Layout::Close(ViewId::Log.into()));
    assert!(!views(&window).contains(&ViewId::Log));
    let search = |window: &mut Window, query: &str| {
        press(window, Modifiers::COMMAND, Key::P);
        window.event(Event::Text(query.to_owned()));
        settle(window);
        press(window, Modifiers::NONE, Key::Enter);
    };
    search(&mut window, "log");
    assert!(is_in_front(&window, ViewId::Log));
    search(&mut window, "code 417");
    search(&mut window, &image.display().to_string());
    assert!(is_in_front(&window, ViewId::Code));
    let document = window.state().document();
    assert_eq!(document.selection.code, Some(Code::first(417)));
    assert_eq!(document.image(), Some(&ImageRef::file(&image)));
}

#[test]
fn number_keys_bring_views_to_the_front_but_not_while_typing() {
    let mut window = open();
    press(&mut window, Modifiers::NONE, Key::Num1);
    assert!(is_in_front(&window, ViewId::Compare));
    press(&mut window, Modifiers::COMMAND, Key::P);
    press(&mut window, Modifiers::NONE, Key::Num2);
    assert!(is_in_front(&window, ViewId::Compare), "the palette had the keyboard");
    press(&mut window, Modifiers::NONE, Key::Escape);
    press(&mut window, Modifiers::NONE, Key::Num2);
    assert!(is_in_front(&window, ViewId::Tokens));
}

#[test]
fn every_control_has_a_name_in_every_place() {
    // The harness itself panics on a control without one.
    let mut window = open();
    for view in ViewId::ALL {
        send(&mut window, Layout::Show(view));
        assert!(is_in_front(&window, view));
    }
    for menu in ["File", "Edit", "View", "Scenes", "Help"] {
        window.get_by_label(menu).click();
        settle(&mut window);
        press(&mut window, Modifiers::NONE, Key::Escape);
    }
    press(&mut window, Modifiers::NONE, Key::Questionmark);
    assert!(window.query_by_label("Space, Enter: Press it").is_some());
    window.get_by_label("Close").click();
    settle(&mut window);
    send(&mut window, AppCommand::About);
    press(&mut window, Modifiers::NONE, Key::Escape);
    send(&mut window, smalti::document::Notice::error("Something", "Do something"));
    assert!(window.query_by_label("Something").is_some());
}

#[test]
fn a_narrow_window_with_large_text_still_works() {
    for size in [[400.0, 300.0], [220.0, 160.0]] {
        let mut window = open_sized(StudioOptions::new(assets()), size);
        send(&mut window, AppCommand::TextScale(2.0));
        for view in ViewId::ALL {
            send(&mut window, Layout::Show(view));
        }
        press(&mut window, Modifiers::COMMAND, Key::P);
        press(&mut window, Modifiers::NONE, Key::Escape);
        press(&mut window, Modifiers::NONE, Key::F5);
        for scene in scenes::names() {
            send(&mut window, Layout::Scene(scene.to_owned()));
        }
        assert!(is_in_front(&window, ViewId::Pareto), "the last scene is shown");
    }
}

#[test]
fn a_scene_over_a_picture_of_ones_own_asks_whose_it_is_about() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("own.png");
    write_png(&image, 64, 48, 1);
    let mut window = open();
    let sample = window.state().document().image().cloned();
    send(&mut window, Open::Path(image));
    let own = window.state().document().image().cloned();
    assert!(own.is_some() && own != sample);
    let scene = || Layout::Scene("compare".to_owned());
    send(&mut window, scene());
    assert!(window.state().document().others[0].is_none(), "nothing happens unasked");
    click_label(&mut window, "Keep my picture");
    assert_eq!(window.state().document().image(), own.as_ref());
    assert!(window.state().document().others[0].is_some());
    send(&mut window, scene());
    click_label(&mut window, "Load the scene's");
    assert_eq!(window.state().document().image(), sample.as_ref());
    send(&mut window, scene());
    assert!(window.query_by_label("Keep my picture").is_none(), "a sample is nobody's own");
}

#[test]
fn a_scene_puts_its_views_and_its_image_there() {
    let mut window = open();
    for name in scenes::names() {
        send(&mut window, Layout::Scene(name.to_owned()));
        let scene = Scene::shipped(name).unwrap();
        let wanted = Panel::of(&scene.layout.arrange());
        assert_eq!(window.state().layout(), wanted, "{name}");
        let document = window.state().document();
        assert_eq!(document.others[0].is_some(), scene.loads.model_b.is_some(), "{name}");
    }
    send(&mut window, Layout::Scene("nothing".to_owned()));
    let last = window.state().notices().list().last().unwrap().clone();
    assert_eq!(last.severity, Severity::Error);
}

#[test]
fn work_survives_an_unexpected_end_and_a_usual_end_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let options = || {
        let mut options = StudioOptions::new(assets());
        options.settings_dir = Some(folder.path().to_owned());
        options
    };
    let mut window = open_sized(options(), [800.0, 600.0]);
    send(&mut window, force(1, 2, 7));
    send(&mut window, AppCommand::Theme(ThemeChoice::HighContrast));
    // The threads end with the window, as they would not in a kill, but nothing is told to leave.
    drop(window);
    assert!(folder.path().join("autosave.smalti").is_file());
    let mut window = open_sized(options(), [800.0, 600.0]);
    for _ in 0..500 {
        if !window.state().document().edits.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
        window.step();
    }
    assert_eq!(window.state().document().edits.get(&Cell::at(1, 2)), Some(&7));
    assert_eq!(window.state().theme().choice, ThemeChoice::HighContrast);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert!(window.state().document().edits.is_empty(), "undo goes back to the usual start");
    eframe::App::on_exit(window.state_mut());
    drop(window);
    assert!(!folder.path().join("autosave.smalti").exists());
}

#[test]
fn everything_that_was_decided_is_back_after_two_unexpected_ends_in_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let small = Small::new();
    let mut options = StudioOptions::new(assets());
    options.settings_dir = Some(folder.path().to_owned());
    let mut window = open_sized(options.clone(), [900.0, 600.0]);
    let start = window.state().document().clone();
    small.send_to(&window);
    window.state().send(force(1, 2, 7));
    let locked = Arc::new([Cell::at(3, 3)].into());
    window.state().send(Edit::LockCells { cells: locked, locked: true });
    window.state().send(Edit::switch(Code::first(11), false));
    window.state().send(Edit::PinCode(Code::first(5)));
    window.state().send(Look::ShowIds(false));
    send(&mut window, Layout::Show(ViewId::Compare));
    let (document, layout) = (window.state().document().clone(), window.state().layout());
    assert_ne!(document, start);
    // Nothing is told to leave; after the second start nothing is even touched.
    drop(window);
    for end in ["first", "second"] {
        let mut window = open_sized(options.clone(), [900.0, 600.0]);
        assert_eq!(window.state().document(), &document, "after the {end} end");
        assert_eq!(window.state().layout(), layout, "after the {end} end");
        let said = window.state().notices().list().iter().any(|n| n.summary.contains("is back"));
        assert!(said, "the person is told after the {end} end");
        settle(&mut window);
    }
}

#[test]
fn an_autosave_that_cannot_be_read_does_not_keep_the_window_from_opening() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = StudioOptions::new(assets());
    options.settings_dir = Some(folder.path().to_owned());
    for broken in [&b"{\"format\": "[..], b"", &[0xff; 300]] {
        std::fs::write(folder.path().join("autosave.smalti"), broken).unwrap();
        let mut window = open_sized(options.clone(), [900.0, 600.0]);
        let usual = smalti::files::scenes::studio().loads.model;
        assert_eq!(Some(window.state().document().model.label()), usual);
        eframe::App::on_exit(window.state_mut());
    }
}

#[test]
fn work_of_an_unexpected_end_is_kept_when_the_next_start_opens_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = StudioOptions::new(assets());
    options.settings_dir = Some(folder.path().to_owned());
    let mut window = open_sized(options.clone(), [800.0, 600.0]);
    send(&mut window, force(1, 2, 7));
    drop(window);
    let autosave = folder.path().join("autosave.smalti");
    let work = std::fs::read(&autosave).unwrap();

    options.files = vec![assets().join("samples/kodim20.png")];
    let mut window = open_sized(options, [800.0, 600.0]);
    settle(&mut window);
    // A change writes the next autosave, which must not take the old one's place.
    send(&mut window, force(0, 0, 1));
    let said = window.state().notices().list().iter().any(|n| n.summary.contains("is kept"));
    drop(window);
    let kept: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("recovered-"))
        .collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(std::fs::read(&kept[0]).unwrap(), work);
    assert!(said, "the person is told");
}

/// As the cross of the window's frame does.
fn ask_to_close(window: &mut Window) {
    let viewport = window.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default();
    viewport.events.push(egui::ViewportEvent::Close);
    window.step();
    let viewport = window.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default();
    viewport.events.clear();
    settle(window);
}

#[test]
fn quitting_with_unsaved_tokens_asks_first() {
    let mut window = open();
    send(&mut window, Look::ShowIds(false));
    ask_to_close(&mut window);
    assert!(window.query_by_label("Quit without saving").is_none(), "a look is no work");
    send(&mut window, force(0, 0, 1));
    ask_to_close(&mut window);
    window.get_by_label("Quit without saving").click();
    settle(&mut window);
    assert!(window.query_by_label("Quit without saving").is_none());
}

#[test]
fn a_stop_from_outside_asks_nothing_and_keeps_the_work() {
    for has_work in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let autosave = folder.path().join("autosave.smalti");
        let mut options = StudioOptions::new(assets());
        options.settings_dir = Some(folder.path().to_owned());
        let ending = Arc::clone(&options.ending);
        let mut window = open_sized(options, [800.0, 600.0]);
        if has_work {
            // Two changes at once: the second is younger than the last autosave.
            send(&mut window, force(1, 2, 7));
            send(&mut window, force(3, 4, 9));
        }
        ending.store(true, Ordering::Relaxed);
        window.step();
        let viewport = &window.output().viewport_output[&egui::ViewportId::ROOT];
        assert!(viewport.commands.contains(&egui::ViewportCommand::Close));
        assert!(window.query_by_label("Quit without saving").is_none());
        eframe::App::on_exit(window.state_mut());
        drop(window);
        assert_eq!(autosave.exists(), has_work);
        if has_work {
            let saved = smalti::files::saved::open(&autosave).unwrap();
            assert_eq!(saved.document.edits.len(), 2);
        }
    }
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }
    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|error| error.to_string())
    }
}

#[test]
fn files_are_opened_when_dropped_and_pictures_and_paths_when_pasted() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [folder.path().join("a.png"), folder.path().join("b.png")];
    for (number, path) in paths.iter().enumerate() {
        write_png(path, 40, 40, number as u64);
    }
    let mut window = open();
    window.input_mut().dropped_files.push(Arc::new(Dropped(paths[0].clone())));
    settle(&mut window);
    assert_eq!(window.state().document().image(), Some(&ImageRef::file(&paths[0])));
    window.event(Event::Paste(format!("file://{}\n", paths[1].display())));
    settle(&mut window);
    assert_eq!(window.state().document().image(), Some(&ImageRef::file(&paths[1])));
    let pixels = vec![egui::Color32::from_rgb(1, 2, 3); 6];
    window.event(Event::PasteImage(Arc::new(egui::ColorImage::new([3, 2], pixels))));
    settle(&mut window);
    let Some(ImageRef::Pasted(pasted)) = window.state().document().image() else {
        panic!("{:?}", window.state().document().subject)
    };
    assert_eq!(pasted.picture.pixel(2, 1), Some([1, 2, 3]));
}

#[test]
fn a_saved_document_comes_back_with_its_tokens_and_its_layout() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = open();
    send(&mut window, Layout::Scene("codebook".to_owned()));
    send(&mut window, Open::Model(Slot::B, ModelRef::Shipped("worlds-vqvae".into())));
    send(&mut window, force(4, 5, 6));
    let (document, layout) = (window.state().document().clone(), window.state().layout());
    let saved = smalti::files::saved::Saved::new(document.clone(), layout.clone());
    let path = folder.path().join("work.smalti");
    std::fs::write(
        &path,
        smalti::files::saved::to_bytes(&saved, &smalti::files::saved::Carried::Pasted).unwrap(),
    )
    .unwrap();
    let mut other = open();
    other.state().send(Open::Path(path));
    for _ in 0..600 {
        settle(&mut other);
        if other.state().document() == &document {
            break;
        }
    }
    assert_eq!(other.state().document(), &document, "{:?}", other.state().notices());
    assert_eq!(other.state().layout(), layout);
}

#[test]
fn nothing_is_repainted_when_nothing_changes() {
    let mut window = open();
    assert!(window.try_run().is_ok(), "the window still wants repaints");
    let steps = window.run();
    assert!(steps <= 2, "{steps} frames for nothing");
}

#[test]
fn each_theme_reaches_the_screen() {
    let options = StudioOptions::new(assets());
    let Some(mut window) = open_drawn(options, [900.0, 600.0]) else { return };
    for choice in ThemeChoice::ALL {
        send(&mut window, AppCommand::Theme(choice));
        let picture = drawn(&mut window);
        let colors = Theme::new(choice, 1.0, false).colors;
        let at = |x, y| {
            let pixel = picture.get_pixel(x, y).0;
            egui::Color32::from_rgb(pixel[0], pixel[1], pixel[2])
        };
        assert_eq!(at(4, 4), colors.background, "{choice:?}: menu bar");
        assert_eq!(at(4, 70), colors.panel, "{choice:?}: first panel");
        assert_eq!(at(4, 596), colors.background, "{choice:?}: status bar");
        let gold = picture.pixels().filter(|p| p.0[..3] == colors.gold.to_array()[..3]).count();
        assert!(gold > 40, "{choice:?}: the selected tabs are underlined in gold");
    }
}

#[test]
fn a_file_is_opened_to_its_end_though_nobody_touches_the_window() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("untouched.png");
    write_png(&image, 64, 48, 2);
    // Drawn by the processor, the window is woken once for each answer; a graphics card gets a frame
    // more, which would hide what is missing.
    let options = StudioOptions::new(assets());
    let Some(mut window) = open_drawn(options, [640.0, 400.0]) else { return };
    window.state().send(Open::Path(image.clone()));
    window.step();
    // As a window does: a frame only when one was asked for.
    let mut frames = 0;
    for _ in 0..2000 {
        if window.ctx.has_requested_repaint() {
            window.step();
            frames += 1;
        }
        if matches!(window.state().document().image(), Some(ImageRef::File { path, .. }) if **path == *image)
        {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("still being opened after {frames} frames");
}
