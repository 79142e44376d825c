//! Tokens that are no plane of one codebook, in the views: scales, a row, bits; and files of people's own.

use egui_kittest::kittest::Queryable;
use smalti::document::{Edit, Layout, Open, Severity, ViewId};
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::Subject;
use smalti_engine::tokens::{Cell, Code, Part};
use smalti_tests::tiny::write_png;
use smalti_tests::window::{
    Window, click_label, empty, encoded, labels, open_sized, says, send, settle, tab, tokens,
};
use smalti_tests::{case, fixture};

use super::desk;

/// A family's published checkpoint with a picture of ours.
fn with_picture(layout: smalti::document::Panel, family: &str, file: &str) -> Window {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("picture.png");
    write_png(&picture, 40, 32, 3);
    let mut window = open_sized(empty(layout), [1280.0, 800.0]);
    send(&mut window, Open::Size(WorkingSize::square(24, 1)));
    send(&mut window, Open::Path(fixture(family).join(file)));
    send(&mut window, Open::Path(picture));
    // The picture is read by now and stays in the engine's cache.
    settle(&mut window);
    window
}

fn errors(window: &Window) -> Vec<String> {
    let all = window.state().notices().list().iter();
    all.filter(|n| n.severity == Severity::Error).map(|n| n.summary.clone()).collect()
}

#[test]
fn scales_are_a_strip_and_the_picture_so_far_answers_to_the_one_that_is_picked() {
    let mut window = with_picture(desk(), "var_vqvae", "weights.pth");
    assert!(errors(&window).is_empty(), "{:?}", errors(&window));
    let sides: Vec<usize> = tokens(&window).parts().iter().map(Part::rows).collect();
    assert_eq!(sides, [1, 2, 2, 3, 4, 4, 5, 6, 7, 8]);
    let parts = labels(&window, "Part ");
    assert_eq!(parts.len(), 10, "{parts:?}");
    assert!(says(&window, "Token grid, 8 rows, 8 columns"), "the finest is seen first");
    click_label(&mut window, &parts[2]);
    assert!(says(&window, "Token grid, 2 rows, 2 columns"));
    // A token of the picked scale is forced there and nowhere else.
    let cell = Cell { part: 2, ..Cell::at(1, 0) };
    let code = (tokens(&window).get(cell).unwrap() + 1) % 80;
    send(&mut window, Edit::ForceCells { cells: std::sync::Arc::new([cell].into()), code });
    let edited = window.state().document().tokens(&encoded(&window));
    let changed: Vec<Cell> = edited
        .cells()
        .zip(tokens(&window).cells())
        .filter(|(a, b)| a != b)
        .map(|((cell, _), _)| cell)
        .collect();
    assert_eq!(changed, [cell]);
    send(&mut window, Edit::SelectCode(Some(Code::first(code))));
    assert!(says(&window, &format!("Code {code}")));
}

#[test]
fn a_row_of_tokens_has_no_places_in_the_picture_and_says_so() {
    let mut window = with_picture(desk(), "titok_vq", "weights.bin");
    assert!(errors(&window).is_empty(), "{:?}", errors(&window));
    let layout = tokens(&window).layout();
    assert_eq!(layout.len(), 1);
    assert_eq!((layout[0].rows, layout[0].columns), (1, 12));
    assert!(says(&window, "tokens in a row"));
    assert!(!says(&window, "tokens over the image"));
    send(&mut window, Layout::Show(ViewId::Compare));
    assert!(errors(&window).is_empty(), "{:?}", errors(&window));
}

#[test]
fn bits_are_flipped_and_the_picked_cell_answers() {
    let mut window = with_picture(desk(), "lfq", "weights.ckpt");
    assert!(errors(&window).is_empty(), "{:?}", errors(&window));
    let cell = Cell::at(0, 0);
    let code = tokens(&window).get(cell).unwrap();
    send(&mut window, Edit::SelectCells(std::sync::Arc::new([cell].into())));
    send(&mut window, Edit::SelectCode(Some(Code::first(code))));
    assert!(says(&window, "bits, lowest first"));
    let bits = labels(&window, "Bit ");
    assert_eq!(bits.len(), 10, "{bits:?}");
    click_label(&mut window, &bits[3]);
    let edits = std::sync::Arc::clone(&window.state().document().edits);
    assert_eq!(edits.get(&cell), Some(&(code ^ 1 << 3)), "one bit is another");
}

#[test]
fn tokens_of_all_kinds_are_shown_and_none_is_guessed_into_a_wrong_picture() {
    // What was dropped, and what is said of it: nothing, or a reason.
    for (name, reason) in [
        ("own_tokens_worlds-fsq.npy", None),
        ("own_tokens_worlds-fsq.safetensors", None),
        ("tokens_f32.npy", None),
        ("tokens_say_K512.safetensors", Some("codebook of 512 codes")),
    ] {
        let mut window = open_sized(empty(desk()), [1280.0, 800.0]);
        send(&mut window, Open::Path(case(name)));
        assert!(errors(&window).is_empty(), "{name}: {:?}", errors(&window));
        assert!(window.state().document().image().is_none(), "{name}");
        assert!(says(&window, "Token grid"), "{name}");
        let unfit = encoded(&window).unfit.clone();
        match reason {
            None => assert_eq!(unfit, None, "{name}"),
            Some(reason) => {
                assert!(unfit.is_some_and(|u| u.summary.contains(reason)), "{name}");
                assert!(says(&window, reason), "{name}: it is said in the window");
            }
        }
    }
}

#[test]
fn a_file_that_does_not_say_how_it_is_cut_is_asked_about_and_its_images_are_stepped_through() {
    let mut window = open_sized(empty(desk()), [1280.0, 800.0]);
    send(&mut window, Open::Path(case("frames_NxHW.npy")));
    assert!(window.state().document().subject.is_none(), "nothing is guessed");
    assert!(says(&window, "How is frames_NxHW.npy read?"), "{:?}", window.state().notices());
    click_label(&mut window, "11 × 16");
    assert!(says(&window, "Token grid, 11 rows, 16 columns"), "{:?}", window.state().notices());
    assert!(says(&window, "1 of 6"));
    let index = |window: &Window| match &window.state().document().subject {
        Some(Subject::Tokens(given)) => given.among.as_ref().map(|among| among.index),
        _ => None,
    };
    click_label(&mut window, "Tokens of the next image");
    assert!(says(&window, "2 of 6"));
    assert_eq!(index(&window), Some(1));
    click_label(&mut window, "Tokens of the image before");
    assert_eq!(index(&window), Some(0));
    // All six are counted where one is not enough.
    send(&mut window, Layout::Show(ViewId::Codebook));
    click_label(&mut window, "file");
    assert!(says(&window, "1\u{a0}056"), "{:?}", labels(&window, "tokens"));
}

#[test]
fn a_variation_is_kept_and_come_back_to_in_the_window() {
    let mut window = with_picture(desk(), "lfq", "weights.ckpt");
    let force = |row, code| {
        let cells = std::sync::Arc::new([Cell::at(row, 0)].into());
        Edit::ForceCells { cells, code }
    };
    send(&mut window, force(0, 3));
    click_label(&mut window, "Keep");
    send(&mut window, force(1, 4));
    assert_eq!(window.state().document().edits.len(), 2);
    click_label(&mut window, "variation 1 +");
    click_label(&mut window, "1   1 forced cell");
    assert_eq!(window.state().document().edits.len(), 1);
    send(&mut window, Edit::Undo);
    assert_eq!(window.state().document().edits.len(), 2, "also that can be taken back");
}

#[test]
fn an_unknown_checkpoint_shows_its_tensors_and_its_codebook() {
    let mut window = open_sized(empty(tab(ViewId::Checkpoint)), [1280.0, 800.0]);
    send(&mut window, Open::Path(case("numpy_pickle.pkl")));
    assert!(window.query_by_label_contains("Filter tensors by name").is_some());
    assert!(says(&window, "looks like a codebook"), "{:?}", window.state().notices());
    assert!(says(&window, "codes of"));
}
