//! Dataset: the images of a folder, with one among them that cannot be read.

use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use smalti::document::{Edit, Open, Panel, ViewId};
use smalti_engine::questions::{ImageRef, SourceRef};
use smalti_engine::tokens::Cell;
use smalti_tests::tiny::write_png;
use smalti_tests::window::{
    Small, Window, click_label, empty, labels, open_sized, point, point_nowhere, press, rect_of,
    says, send, settle, tab,
};

/// The number of the open image in its set.
fn open_image(window: &Window) -> Option<u64> {
    match window.state().document().image() {
        Some(ImageRef::InSource { index, .. }) => Some(*index),
        _ => None,
    }
}

/// The thumbnails that are shown.
fn listed(window: &Window) -> Vec<String> {
    let buttons = window.query_all_by(|node| {
        node.role() == egui::Role::Button
            && node.label().is_some_and(|label| label.starts_with("Image "))
    });
    buttons.map(|node| node.accesskit_node().label().unwrap()).collect()
}

/// Points somewhere long enough for a tooltip.
fn point_and_wait(window: &mut Window, at: egui::Pos2) {
    point(window, at);
    window.run_steps(6);
    point(window, at);
}

#[test]
fn a_folder_is_listed_chosen_from_and_its_broken_file_is_counted_and_named() {
    let small = Small::new();
    std::fs::write(small.pictures().join("a broken one.png"), b"\x89PNG\r\n\x1a\n, nothing")
        .unwrap();
    let layout = Panel::Row(vec![(0.4, tab(ViewId::Dataset)), (0.6, tab(ViewId::Codebook))]);
    let mut window = open_sized(empty(layout), [1100.0, 700.0]);
    small.open_in(&mut window);
    assert_eq!(listed(&window), ["Image 1", "Image 2", "Image 3", "Image 4"]);
    assert!(says(&window, "pictures · 4"), "the bar names the set and counts it");

    click_label(&mut window, "Image 3");
    assert_eq!(open_image(&window), Some(2));
    assert!(says(&window, "picture 1.png →"), "the status bar: {:?}", labels(&window, "→"));
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert_eq!(open_image(&window), Some(3), "the arrow keys go on");
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert_eq!(open_image(&window), Some(3), "and end with the set");

    let broken = window.get_by_label("Image 1").rect().center();
    point_and_wait(&mut window, broken);
    assert!(says(&window, "a broken one.png"), "it is named where it stands");
    let good = window.get_by_label("Image 2").rect().center();
    point_and_wait(&mut window, good);
    assert!(says(&window, "picture 0.png"));

    click_label(&mut window, "set");
    point_nowhere(&mut window);
    let counted = rect_of(&window, "1 image could not be read").center();
    assert!(says(&window, "codes used"), "the others are counted all the same");
    point_and_wait(&mut window, counted);
    assert!(says(&window, "a broken one.png"), "and it is named where it was counted");
}

#[test]
fn a_folder_without_images_says_so_and_offers_the_samples() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
    let mut window = open_sized(empty(tab(ViewId::Dataset)), [500.0, 500.0]);
    let path: std::sync::Arc<std::path::Path> = folder.path().into();
    let stamp = smalti_engine::questions::Stamp::of(&path);
    send(&mut window, Open::Source(SourceRef::Path { path, stamp }));
    assert!(says(&window, "no images"));
    click_label(&mut window, "Show the samples");
    assert!(says(&window, "samples · 4"));
    assert!(window.query_by_label("Image 4").is_some());
}

#[test]
fn one_class_alone_is_shown_and_the_arrow_keys_stay_in_it() {
    let folder = tempfile::tempdir().unwrap();
    for (number, class) in ["cat", "dog", "cat", "dog", "dog"].into_iter().enumerate() {
        let inside = folder.path().join(class);
        std::fs::create_dir_all(&inside).unwrap();
        write_png(&inside.join(format!("{number}.png")), 32, 32, number as u64);
    }
    let mut window = open_sized(empty(tab(ViewId::Dataset)), [500.0, 400.0]);
    send(&mut window, Open::Path(folder.path().to_owned()));
    assert_eq!(listed(&window).len(), 5);
    click_label(&mut window, "all classes");
    click_label(&mut window, "dog");
    // Files come in the order of their paths: two cats, three dogs.
    let shown = listed(&window);
    assert_eq!(shown, ["Image 3", "Image 4", "Image 5"], "{:?}", labels(&window, ""));
    click_label(&mut window, "Image 3");
    press(&mut window, Modifiers::NONE, Key::ArrowLeft);
    assert_eq!(open_image(&window), Some(2), "there is no dog before the first");
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert_eq!(open_image(&window), Some(3));
}

#[test]
fn two_photographs_that_were_opened_stay_at_hand_with_what_was_done_to_each() {
    let small = Small::new();
    let desk = tempfile::tempdir().unwrap();
    for (number, name) in [(7, "hat.png"), (8, "cat.png")] {
        write_png(&desk.path().join(name), 40, 32, number);
    }
    let layout = Panel::Row(vec![(0.4, tab(ViewId::Dataset)), (0.6, tab(ViewId::Tokens))]);
    let mut window = open_sized(empty(layout), [1100.0, 700.0]);
    small.open_in(&mut window);
    let force = |window: &mut Window, code| {
        let cells = std::sync::Arc::new([Cell::at(1, 1)].into());
        send(window, Edit::ForceCells { cells, code });
    };
    let forced = |window: &Window| -> Vec<u32> {
        window.state().document().edits.values().copied().collect()
    };
    send(&mut window, Open::Path(desk.path().join("hat.png")));
    force(&mut window, 3);
    send(&mut window, Open::Path(desk.path().join("cat.png")));
    assert!(says(&window, "opened · 2"));
    assert!(forced(&window).is_empty(), "that is another picture");
    force(&mut window, 5);
    click_label(&mut window, "hat.png, edited");
    assert_eq!(forced(&window), [3]);
    click_label(&mut window, "Image 1");
    assert!(forced(&window).is_empty());
    click_label(&mut window, "cat.png, edited");
    assert_eq!(forced(&window), [5]);
    // Undo takes back what was done, and nothing out of reach.
    send(&mut window, Edit::Undo);
    assert!(says(&window, "opened · 2"));
    let title = |window: &mut Window| {
        window.step();
        window.state().title().to_owned()
    };
    send(&mut window, Open::Image(ImageRef::file(desk.path().join("hat.png"))));
    assert_eq!(title(&mut window), "*hat.png – Smalti", "with a star: it is not saved");
}

#[test]
fn a_second_checkpoint_stands_beside_the_first_in_the_menus() {
    let small = Small::new();
    let second = small.model().with_file_name("second.safetensors");
    std::fs::copy(small.model(), &second).unwrap();
    let mut window = open_sized(empty(tab(ViewId::Tokens)), [1100.0, 700.0]);
    small.open_in(&mut window);
    let first = window.state().document().model.label();
    send(&mut window, Open::Path(second));
    assert_eq!(window.state().document().model.label(), "second");
    click_label(&mut window, "second");
    click_label(&mut window, &first);
    assert_eq!(window.state().document().model.label(), first);
    click_label(&mut window, &first);
    click_label(&mut window, "Close second");
    assert_eq!(window.state().document().opened.models.len(), 1);
}

#[test]
fn a_set_is_counted_over_a_sample_that_is_spread_or_over_all_of_it() {
    let small = Small::new();
    let folder = tempfile::tempdir().unwrap();
    for number in 0..70 {
        write_png(&folder.path().join(format!("{number:03}.png")), 8, 8, number);
    }
    let layout = Panel::Row(vec![(0.3, tab(ViewId::Dataset)), (0.7, tab(ViewId::Codebook))]);
    let mut window = open_sized(empty(layout), [1400.0, 700.0]);
    small.open_in(&mut window);
    send(&mut window, Open::Path(folder.path().to_owned()));
    click_label(&mut window, "set");
    assert!(says(&window, "of 64 of 70 images, spread"), "{:?}", labels(&window, "sample"));
    click_label(&mut window, "all");
    assert!(says(&window, "of all 70 images"), "{:?}", labels(&window, "sample"));
    click_label(&mut window, "all");
    assert!(says(&window, "of 64 of 70 images, spread"));
}

#[test]
fn a_long_name_of_a_set_leaves_room_for_how_many_images_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("everything-that-was-painted-in-autumn");
    std::fs::create_dir(&set).unwrap();
    for number in 0..3 {
        write_png(&set.join(format!("{number}.png")), 40, 32, number);
    }
    let mut window = open_sized(empty(tab(ViewId::Dataset)), [330.0, 400.0]);
    send(&mut window, Open::Path(set));
    let found = labels(&window, "autumn · 3");
    assert!(found.iter().any(|name| name.starts_with('…')), "{found:?}: {:?}", labels(&window, ""));
    window.set_size(egui::vec2(900.0, 400.0));
    settle(&mut window);
    assert!(says(&window, "everything-that-was-painted-in-autumn · 3"), "whole where it has room");
}
