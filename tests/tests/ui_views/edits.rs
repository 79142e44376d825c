//! Tokens and codes are changed by hand: the picture follows there and only there, and comes back.

use std::sync::Arc;

use egui::{Event, Key, Modifiers, PointerButton, Pos2, Rect, Role, pos2};
use egui_kittest::kittest::{NodeT, Queryable};
use image::RgbaImage;
use smalti::document::{Edit, Open, ViewId};
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{CodeAppearance, ImageRef};
use smalti_engine::tokens::{Cell, Code, Tokens};
use smalti_tests::window::{
    Small, Window, assets, button, click, click_label, drawn, empty, encoded, middle_of,
    open_drawn, open_sized, point, point_nowhere, press, rect_of, says, send, settle, tab, tokens,
};

use super::{SMALL_GRID, small_desk};

/// The pixels of a part of the window.
fn part(screen: &RgbaImage, rect: Rect) -> RgbaImage {
    let (x, y) = (rect.left().ceil() as u32, rect.top().ceil() as u32);
    let size = (rect.width().floor() as u32, rect.height().floor() as u32);
    image::imageops::crop_imm(screen, x, y, size.0, size.1).to_image()
}

/// The reconstruction as it is drawn, nothing pointed at.
fn rebuilt(window: &mut Window) -> RgbaImage {
    point_nowhere(window);
    let rect = rect_of(window, "Reconstruction");
    part(&drawn(window), rect)
}

/// Mean absolute difference of the pixels whose distance from a place is within a range.
fn changed(a: &RgbaImage, b: &RgbaImage, from: Pos2, reach: std::ops::Range<f32>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (x, y, p) in a.enumerate_pixels() {
        if reach.contains(&from.distance(pos2(x as f32, y as f32))) {
            let q = b.get_pixel(x, y).0;
            sum += (0..3).map(|i| f64::from(p.0[i].abs_diff(q[i]))).sum::<f64>() / 3.0;
            count += 1.0;
        }
    }
    assert!(count > 100.0, "there are hardly any pixels at {reach:?} of {from:?}");
    sum / count
}

#[test]
fn what_moves_in_the_frame_of_its_release_is_part_of_the_same_step_of_undo() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Tokens)), [1280.0, 800.0]);
    small.open_in(&mut window);
    let opacity = |window: &Window| window.state().document().looks.token_opacity;
    let before = opacity(&window);
    let rail = window.get_by_role_and_label(Role::Slider, "opacity").rect();
    let at = |part: f32| pos2(rail.left() + rail.width() * part, rail.center().y);
    window.hover_at(at(0.3));
    button(&mut window, at(0.3), true, Modifiers::NONE);
    point(&mut window, at(0.5));
    let middle = opacity(&window);
    let released = Event::PointerButton {
        pos: at(0.1),
        button: PointerButton::Primary,
        pressed: false,
        modifiers: Modifiers::NONE,
    };
    // A slow frame: both come in one.
    window.input_mut().events.extend([Event::PointerMoved(at(0.1)), released]);
    settle(&mut window);
    let after = opacity(&window);
    assert!(after < middle - 0.2, "{before}, {middle}, {after}");
    // The next gesture is a step of its own.
    click(&mut window, at(0.9), Modifiers::NONE);
    assert!(opacity(&window) > middle);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(opacity(&window), after);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(opacity(&window), before, "the drag is one step");
}

/// A photograph by the shipped tokenizer, 32 x 32 tokens.
fn photograph() -> Option<Window> {
    let mut window = open_drawn(empty(tab(ViewId::Tokens)), [1280.0, 800.0])?;
    window.state().send(Open::Size(WorkingSize::square(128, 1)));
    send(&mut window, Open::Image(ImageRef::file(assets().join("samples/kodim23.png"))));
    Some(window)
}

/// The code whose color is farthest from a code's.
fn opposite(window: &Window, code: u32) -> u32 {
    let question = CodeAppearance { model: window.state().document().model.clone(), book: 0 };
    let look = window.state().session().wait(&question).unwrap();
    let own = look.colors[code as usize];
    let far = |color: &[u8; 3]| -> i32 {
        std::iter::zip(own, *color).map(|(a, b)| (i32::from(a) - i32::from(b)).pow(2)).sum()
    };
    (0..look.colors.len() as u32).max_by_key(|code| far(&look.colors[*code as usize])).unwrap()
}

#[test]
fn a_forced_code_changes_the_picture_there_and_undo_brings_every_pixel_back() {
    let Some(mut window) = photograph() else { return };
    let grid = tokens(&window);
    let size = (grid.first().rows(), grid.first().columns());
    assert_eq!(size, (32, 32));
    press(&mut window, Modifiers::NONE, Key::W);
    let before = rebuilt(&mut window);
    let cell = middle_of(rect_of(&window, "Token grid"), (16, 10), size);
    click(&mut window, cell, Modifiers::NONE);
    let code = opposite(&window, grid.get(Cell::at(16, 10)).unwrap());
    click_label(&mut window, "Code to force");
    window.event(egui::Event::Text(code.to_string()));
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert_eq!(window.state().document().edits.get(&Cell::at(16, 10)), Some(&code));
    assert!(says(&window, "Release all forced (1)"));

    let forced = rebuilt(&mut window);
    let side = before.width() as f32;
    let at = pos2(10.5, 16.5) * (side / 32.0);
    let pitch = side / 32.0;
    let there = changed(&before, &forced, at, 0.0..pitch);
    let away = changed(&before, &forced, at, 10.0 * pitch..side);
    assert!(there > 12.0, "{there:.2} levels at the cell");
    assert!(away < there / 20.0, "{away:.2} levels far away, {there:.2} at the cell");

    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert!(window.state().document().edits.is_empty());
    assert!(rebuilt(&mut window) == before, "undo gives the same pixels");
    press(&mut window, Modifiers::COMMAND, Key::Y);
    assert!(rebuilt(&mut window) == forced, "redo too");
    click_label(&mut window, "Release all forced (1)");
    assert!(rebuilt(&mut window) == before, "and releasing the cell");
}

#[test]
fn locked_cells_keep_their_code() {
    let Some((mut window, _small)) = small_desk() else { return };
    let before = rebuilt(&mut window);
    let cell = middle_of(rect_of(&window, "Token grid"), (7, 7), SMALL_GRID);
    let own = tokens(&window).get(Cell::at(7, 7)).unwrap();
    click(&mut window, cell, Modifiers::NONE);
    click_label(&mut window, "Lock");
    click_label(&mut window, "Code to force");
    window.event(egui::Event::Text(((own + 7) % 20).to_string()));
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(window.state().document().edits.is_empty());
    assert!(rebuilt(&mut window) == before);
    assert!(said(&window).contains("The locked cell keeps its code"), "{}", said(&window));
    assert!(window.get_by_label("Force").accesskit_node().is_disabled());
    click_label(&mut window, "Unlock");
    click_label(&mut window, "Force");
    assert_eq!(window.state().document().edits.len(), 1);
    assert!(rebuilt(&mut window) != before);
}

/// What was said last, with what to do.
fn said(window: &Window) -> String {
    let last = window.state().notices().list().last().cloned();
    last.map_or(String::new(), |notice| format!("{} {}", notice.summary, notice.hint))
}

#[test]
fn forced_cells_that_are_all_locked_can_be_seen_and_it_is_said_why_they_are_not_released() {
    let Some((mut window, _small)) = small_desk() else { return };
    let cells = Arc::new([Cell::at(3, 3), Cell::at(3, 4)].into());
    send(&mut window, Edit::ForceCells { cells: Arc::clone(&cells), code: 3 });
    send(&mut window, Edit::SelectCells(Arc::clone(&cells)));
    let is_off =
        |window: &Window, label: &str| window.get_by_label(label).accesskit_node().is_disabled();
    assert!(!is_off(&window, "Release all forced (2)") && !is_off(&window, "Release"));
    click_label(&mut window, "Lock");
    assert!(is_off(&window, "Release all forced (2)") && is_off(&window, "Release"));
    for release in [Edit::ReleaseAll, Edit::ReleaseCells(cells)] {
        send(&mut window, release);
        assert_eq!(window.state().document().edits.len(), 2);
        let said = said(&window);
        assert!(said.contains("all 2 forced ones are locked Unlock them first"), "{said}");
    }
    click_label(&mut window, "Unlock");
    click_label(&mut window, "Release all forced (2)");
    assert!(window.state().document().edits.is_empty());
    send(&mut window, Edit::ReleaseAll);
    assert_eq!(said(&window).trim(), "No cell is forced");
}

#[test]
fn a_code_that_is_switched_off_is_not_forced_and_its_cells_are_struck_out() {
    let Some((mut window, _small)) = small_desk() else { return };
    let code = tokens(&window).get(Cell::at(6, 6)).unwrap();
    let place = rect_of(&window, "Token grid");
    let at = middle_of(place, (6, 6), SMALL_GRID);
    // In a grid without colors only the mark can differ.
    window.state().send(smalti::document::Look::TokenOpacity(0.0));
    send(&mut window, smalti::document::Look::ShowIds(false));
    point_nowhere(&mut window);
    let before = drawn(&mut window);
    send(&mut window, Edit::switch(Code::first(code), false));
    let after = drawn(&mut window);
    let cell = Rect::from_center_size(at, egui::vec2(6.0, 6.0));
    assert!(smalti_tests::window::count_changed(&before, &after, cell) > 4, "it is struck out");
    smalti_tests::window::point(&mut window, at);
    assert!(
        says(&window, &format!("for {code}, which is off")),
        "and it is said for what it stands"
    );
    click(&mut window, at, Modifiers::NONE);
    click_label(&mut window, "Code to force");
    window.event(egui::Event::Text(code.to_string()));
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(window.state().document().edits.is_empty());
    assert!(said(&window).contains(&format!("Code {code} is switched off")), "{}", said(&window));
}

#[test]
fn closing_a_checkpoint_with_edits_says_what_stays_and_it_is_back_with_it() {
    let small = Small::new();
    let second = small.model().with_file_name("second.safetensors");
    std::fs::copy(small.model(), &second).unwrap();
    let mut window = open_sized(empty(tab(ViewId::Tokens)), [1100.0, 700.0]);
    small.open_in(&mut window);
    send(&mut window, Open::Path(small.model()));
    let first = window.state().document().model.clone();
    let cells = Arc::new([Cell::at(3, 3), Cell::at(3, 4)].into());
    send(&mut window, Edit::ForceCells { cells, code: 3 });
    send(&mut window, Edit::switch(Code::first(7), false));
    let edited = window.state().document().clone();
    send(&mut window, Open::Path(second));
    let other = window.state().document().model.clone();
    send(&mut window, Open::CloseModel(first));
    let said = said(&window);
    assert!(said.starts_with("tiny is closed"), "{said}");
    assert!(said.contains("the tokens of 1 image and 1 code switched off stay"), "{said}");
    send(&mut window, Open::Path(small.model()));
    let document = window.state().document();
    assert_eq!((&document.edits, &document.switched_off), (&edited.edits, &edited.switched_off));
    let count = window.state().notices().list().len();
    send(&mut window, Open::CloseModel(other));
    assert_eq!(
        window.state().notices().list().len(),
        count,
        "without edits there is nothing to say"
    );
}

/// How many codes are used, as the codebook below the tokens says.
fn used(window: &Window) -> Option<usize> {
    let said = smalti_tests::window::labels(window, "codes used");
    said.iter().find_map(|text| text.split_once("Codebook, ")?.1.split(' ').next()?.parse().ok())
}

fn codes_used(tokens: &Tokens) -> usize {
    tokens.first().codes().iter().collect::<std::collections::BTreeSet<_>>().len()
}

#[test]
fn a_code_that_is_switched_off_is_gone_from_picture_and_usage_until_undone() {
    let Some((mut window, _small)) = small_desk() else { return };
    let grid = tokens(&window);
    let code = grid.get(Cell::at(6, 6)).unwrap();
    let before = rebuilt(&mut window);
    assert_eq!(used(&window), Some(codes_used(&grid)));
    let cell = middle_of(rect_of(&window, "Token grid"), (6, 6), SMALL_GRID);
    click(&mut window, cell, Modifiers::NONE);
    click_label(&mut window, "Switch off");
    assert_eq!(*window.state().document().switched_off, [Code::first(code)].into());
    let without = rebuilt(&mut window);
    assert!(without != before, "the picture loses something");
    // The nearest other code stands in for it: one code less, unless that one is new.
    let left = used(&window).unwrap();
    assert!(left <= codes_used(&grid), "{left} used");
    assert!(says(&window, "switched off"), "the codebook says so");
    point_nowhere(&mut window);
    assert!(window.query_by_label("Switch on").is_some());
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert!(window.query_by_label("Switch off").is_some());
    assert!(rebuilt(&mut window) == before);
    assert_eq!(used(&window), Some(codes_used(&grid)));
    press(&mut window, Modifiers::COMMAND, Key::Y);
    assert!(rebuilt(&mut window) == without);
    click_label(&mut window, "Switch on");
    assert!(rebuilt(&mut window) == before);
}

#[test]
fn a_code_is_replaced_wherever_it_stands() {
    let Some((mut window, _small)) = small_desk() else { return };
    let grid = tokens(&window);
    let from = grid.get(Cell::at(6, 6)).unwrap();
    let to = (from + 1) % 20;
    let cell = middle_of(rect_of(&window, "Token grid"), (6, 6), SMALL_GRID);
    click(&mut window, cell, Modifiers::NONE);
    click_label(&mut window, "Code that replaces it");
    window.event(egui::Event::Text(to.to_string()));
    press(&mut window, Modifiers::NONE, Key::Enter);
    let document = window.state().document().clone();
    let replaced = document.tokens(&encoded(&window));
    let want: Arc<[u32]> =
        grid.first().codes().iter().map(|code| if *code == from { to } else { *code }).collect();
    assert_eq!(replaced.first().codes(), &want);
    let times = grid.first().codes().iter().filter(|code| **code == from).count();
    assert!(says(&window, &format!("Code {from} replaced by {to}")), "{times} times");
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert!(window.state().document().edits.is_empty());
}

#[test]
fn a_forced_code_that_is_not_in_the_codebook_is_said_and_the_picture_stays() {
    let Some((mut window, _small)) = small_desk() else { return };
    let before = rebuilt(&mut window);
    let cell = middle_of(rect_of(&window, "Token grid"), (6, 6), SMALL_GRID);
    click(&mut window, cell, Modifiers::NONE);
    click_label(&mut window, "Code to force");
    window.event(egui::Event::Text("99999".to_owned()));
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(says(&window, "There is no code 99999"));
    assert!(says(&window, "0 to 19"), "with what there is");
    assert!(window.state().document().edits.is_empty());
    assert!(rebuilt(&mut window) == before);
}
