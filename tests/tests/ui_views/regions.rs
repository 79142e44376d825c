//! Regions of tokens are copied and put elsewhere, and a stroke of color is encoded anew: each is one step of undo, and
//! what is locked stays.

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::{Key, Modifiers, OutputCommand, Pos2, ViewportCommand};
use egui_kittest::kittest::Queryable;
use smalti::document::{Edit, Notice, Open, Region, Slot, Tool, ViewId};
use smalti_engine::questions::{BrushStroke, ImageRef, ModelRef, PaintTokens, STROKE_UNIT};
use smalti_engine::tokens::{Cell, Tokens};
use smalti_tests::window::{
    Small, Window, click, drag, empty, encoded, middle_of, open_sized, point, press, rect_of, says,
    send, settle, tab, tokens,
};

use super::SMALL_GRID;
use super::training_view::{ask_to_close, commands};

fn desk() -> (Window, Small) {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Tokens)), [1280.0, 800.0]);
    small.open_in(&mut window);
    (window, small)
}

/// The tokens as they are now, with what was forced.
fn now(window: &Window) -> Tokens {
    window.state().document().tokens(&encoded(window))
}

fn cells(rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> BTreeSet<Cell> {
    rows.flat_map(|row| columns.clone().map(move |column| Cell::at(row, column))).collect()
}

fn said(window: &Window) -> String {
    let last = window.state().notices().list().last().cloned();
    last.map_or(String::new(), |notice| format!("{} {}", notice.summary, notice.hint))
}

/// What was said of copying, and the text that went to the clipboard.
fn copy(window: &mut Window) -> Option<String> {
    let mut text = None;
    window.event(egui::Event::Copy);
    // What goes to the clipboard stands in the output of one frame.
    for _ in 0..4 {
        window.step();
        for command in &window.output().platform_output.commands {
            if let OutputCommand::CopyText(copied) = command {
                text = Some(copied.clone());
            }
        }
    }
    settle(window);
    text
}

fn paste(window: &mut Window, text: &str) {
    window.event(egui::Event::Paste(text.to_owned()));
    settle(window);
}

fn at(window: &Window, row: usize, column: usize) -> Pos2 {
    middle_of(rect_of(window, "Token grid"), (row, column), SMALL_GRID)
}

#[test]
fn a_region_is_put_into_another_image_where_it_is_clicked_and_what_is_locked_stays() {
    let (mut window, small) = desk();
    let from = tokens(&window);
    send(&mut window, Edit::SelectCells(Arc::new(cells(2..5, 4..7))));
    let text = copy(&mut window).unwrap();
    assert!(says(&window, "9 tokens copied"));
    let image = ImageRef::InSource { source: small.source(), index: 1 };
    send(&mut window, Open::Image(image));
    let before = tokens(&window);
    let locked: BTreeSet<Cell> = [Cell::at(10, 10)].into();
    send(&mut window, Edit::LockCells { cells: Arc::new(locked), locked: true });
    paste(&mut window, &text);
    assert!(window.state().document().edits.is_empty(), "it is put nowhere yet");
    // Its middle is under the pointer.
    let place = at(&window, 10, 10);
    point(&mut window, place);
    click(&mut window, place, Modifiers::NONE);
    let after = now(&window);
    for (cell, code) in before.cells() {
        let (row, column) = (usize::from(cell.row), cell.column as usize);
        let is_covered = (9..12).contains(&row) && (9..12).contains(&column);
        let wanted = if is_covered && (row, column) != (10, 10) {
            from.get(Cell::at(row - 7, column - 5))
        } else {
            code
        };
        assert_eq!(after.get(cell), wanted, "{cell}");
    }
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(now(&window), before, "one step");
    press(&mut window, Modifiers::COMMAND, Key::Y);
    assert_eq!(now(&window), after);
    // It is put once.
    click(&mut window, place, Modifiers::NONE);
    assert_eq!(now(&window), after);
}

#[test]
fn a_region_is_moved_by_arrows_put_by_enter_and_left_by_escape() {
    let (mut window, _small) = desk();
    let from = tokens(&window);
    send(&mut window, Edit::SelectCells(Arc::new(cells(3..4, 3..5))));
    let text = copy(&mut window).unwrap();
    paste(&mut window, &text);
    press(&mut window, Modifiers::NONE, Key::ArrowDown);
    press(&mut window, Modifiers::NONE, Key::ArrowDown);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    press(&mut window, Modifiers::NONE, Key::Enter);
    let after = now(&window);
    for column in 3..5 {
        assert_eq!(after.get(Cell::at(5, column + 1)), from.get(Cell::at(3, column)));
    }
    let changed = from.cells().zip(after.cells()).filter(|(a, b)| a != b);
    assert!(changed.map(|((cell, _), _)| cell).all(|cell| cell.row == 5), "and nothing else");
    paste(&mut window, &text);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!(now(&window), after);
    assert_eq!(window.state().document().selection.cells.len(), 2, "what is selected stays");
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.state().document().selection.cells.is_empty());
}

#[test]
fn tokens_of_another_codebook_are_refused_with_both_names_and_other_text_is_none() {
    let (mut window, _small) = desk();
    send(&mut window, Edit::SelectCells(Arc::new(cells(0..2, 0..2))));
    let text = copy(&mut window).unwrap();
    let region = Region::from_text(&text).unwrap();
    assert_eq!((region.rows, region.columns, region.tokenizer.as_str()), (2, 2, "tiny"));
    send(&mut window, Open::Model(Slot::A, ModelRef::Shipped("worlds-fsq".into())));
    paste(&mut window, &text);
    let refused = said(&window);
    assert!(refused.contains("tiny") && refused.contains("worlds-fsq"), "{refused}");
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(window.state().document().edits.is_empty());
    send(&mut window, Edit::Deselect);
    assert_eq!(copy(&mut window), None, "nothing is selected");
    paste(&mut window, "smalti tokens of long ago");
    assert!(window.state().document().edits.is_empty());
}

#[test]
fn copied_tokens_are_put_nowhere_once_the_tokenizer_is_another_one() {
    let (mut window, _small) = desk();
    send(&mut window, Edit::SelectCells(Arc::new(cells(0..2, 0..2))));
    let text = copy(&mut window).unwrap();
    paste(&mut window, &text);
    send(&mut window, Open::Model(Slot::A, ModelRef::Shipped("worlds-fsq".into())));
    let is_told = |notice: &Notice| {
        let summary = &notice.summary;
        summary.contains("put nowhere")
            && summary.contains("tiny")
            && summary.contains("worlds-fsq")
    };
    assert!(window.state().notices().list().iter().any(is_told), "{}", said(&window));
    let place = at(&window, 3, 3);
    point(&mut window, place);
    click(&mut window, place, Modifiers::NONE);
    assert!(window.state().document().edits.is_empty());
    // Nor do they follow the pointer again when their tokenizer is back.
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(window.state().document().model.label(), "tiny");
    let place = at(&window, 3, 3);
    click(&mut window, place, Modifiers::NONE);
    assert!(window.state().document().edits.is_empty());
}

#[test]
fn strokes_in_quick_succession_are_each_painted_on_what_the_one_before_left() {
    let (mut window, _small) = desk();
    let before = tokens(&window);
    let model = window.state().document().model.clone();
    let line = |radius, color| {
        let across = |part| (STROKE_UNIT * part / 8, STROKE_UNIT / 2);
        BrushStroke { points: [across(2), across(6)].into(), radius, color }
    };
    let painted = |on: &Tokens, stroke: &BrushStroke, over: &Tokens| {
        let (tokens, model, stroke) = (on.clone(), model.clone(), stroke.clone());
        let question = PaintTokens { tokens, model, stroke };
        let changed = window.state().session().wait(&question).unwrap();
        over.with(changed.iter().map(|(cell, code)| (*cell, Some(*code)))).unwrap()
    };
    // Two of which the second comes out otherwise where it does not know of the first.
    let colors = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]];
    let mut pairs = colors.into_iter().flat_map(|a| colors.into_iter().map(move |b| (a, b)));
    let found = pairs.find_map(|(a, b)| {
        let (wide, thin) = (line(STROKE_UNIT / 12, a), line(STROKE_UNIT / 48, b));
        let one = painted(&before, &wide, &before);
        let both = painted(&one, &thin, &one);
        (painted(&before, &thin, &one) != both).then_some((wide, thin, one, both))
    });
    let (wide, thin, one, both) = found.unwrap();
    window.state().send(Edit::Paint(wide));
    window.state().send(Edit::Paint(thin));
    settle(&mut window);
    assert_eq!(now(&window), both);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(now(&window), one, "each is a step");
}

#[test]
fn the_window_closes_when_a_stroke_is_in_the_tokens_and_not_before() {
    let (mut window, _small) = desk();
    let before = tokens(&window);
    let points = [(STROKE_UNIT / 4, STROKE_UNIT / 2), (STROKE_UNIT * 3 / 4, STROKE_UNIT / 2)];
    // Of some color the encoder makes other tokens. Each waits for the one before, for a frame at least.
    for color in [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]] {
        let radius = STROKE_UNIT / 12;
        window.state().send(Edit::Paint(BrushStroke { points: points.into(), radius, color }));
    }
    window.step();
    ask_to_close(&mut window);
    assert!(commands(&window).contains(&ViewportCommand::CancelClose));
    for _ in 0..4000 {
        if commands(&window).contains(&ViewportCommand::Close) {
            break;
        }
        window.step();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    assert!(commands(&window).contains(&ViewportCommand::Close));
    assert_ne!(now(&window), before);
    ask_to_close(&mut window);
    settle(&mut window);
    assert!(says(&window, "Save what you changed?"));
}

#[test]
fn a_stroke_changes_the_tokens_below_it_as_one_step_and_no_locked_one() {
    let (mut window, _small) = desk();
    let before = tokens(&window);
    let locked: BTreeSet<Cell> = [Cell::at(8, 5)].into();
    send(&mut window, Edit::LockCells { cells: Arc::new(locked.clone()), locked: true });
    press(&mut window, Modifiers::NONE, Key::P);
    assert_eq!(window.state().document().selection.tool, Tool::Paint);
    assert!(window.query_by_label("Color to paint with").is_some());
    let mut changed = BTreeSet::new();
    // Of some color the encoder makes other tokens.
    for color in [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]] {
        send(&mut window, Edit::Color(color));
        let (from, to) = (at(&window, 8, 3), at(&window, 8, 9));
        drag(&mut window, from, to);
        let after = now(&window);
        let others = before.cells().zip(after.cells()).filter(|(a, b)| a != b);
        changed = others.map(|((cell, _), _)| cell).collect();
        if !changed.is_empty() {
            break;
        }
    }
    assert!(!changed.is_empty(), "{}", said(&window));
    for cell in &changed {
        assert!((7..=9).contains(&cell.row) && (2..=10).contains(&cell.column), "{cell}");
        assert!(!locked.contains(cell));
    }
    assert!(window.state().document().selection.cells.is_empty(), "painting selects nothing");
    let after = now(&window);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(now(&window), before, "one step");
    press(&mut window, Modifiers::COMMAND, Key::Y);
    assert_eq!(now(&window), after);
}
