//! Tests of the document as a value.

use std::collections::BTreeSet;
use std::sync::Arc;

use smalti_engine::questions::{Given, ImageRef, ModelRef, SourceRef};
use smalti_engine::tokens::{Cell, Code, Tokens};

use super::*;

fn cells(places: &[(usize, usize)]) -> Arc<BTreeSet<Cell>> {
    Arc::new(places.iter().map(|(row, column)| Cell::at(*row, *column)).collect())
}

#[test]
fn a_change_can_be_undone_and_redone_to_the_same_value() {
    let mut history = History::default();
    let force = Edit::ForceCells { cells: cells(&[(1, 2), (3, 4)]), code: 417 };
    let changed = history.document().after(&force.into());
    history.change(changed.clone(), false);
    assert_eq!(history.document().edits.len(), 2);
    history.undo();
    assert_eq!(history.document(), &Document::default());
    history.redo();
    assert_eq!(history.document(), &changed);
    assert!(history.redoes().is_none());
}

#[test]
fn a_drag_of_many_frames_is_one_undo_entry() {
    let mut history = History::default();
    for step in 1..20 {
        let opacity = step as f32 / 20.0;
        let next = history.document().after(&Look::TokenOpacity(opacity).into());
        history.change(next, true);
    }
    history.finish_interaction();
    assert_eq!(history.document().looks.token_opacity, 0.95);
    history.undo();
    assert_eq!(history.document(), &Document::default());
    assert!(history.undoes().is_none());
}

#[test]
fn picking_makes_no_undo_entry_and_does_not_drop_the_redo() {
    let mut history = History::default();
    let look = history.document().after(&Look::ShowIds(false).into());
    history.change(look, false);
    history.undo();
    let picked = history.document().after(&Edit::SelectCode(Some(Code::first(3))).into());
    history.change(picked, false);
    assert!(history.undoes().is_none());
    assert!(history.redoes().is_some());
    assert_eq!(history.document().selection.code, Some(Code::first(3)));
}

#[test]
fn locked_cells_cannot_be_forced_or_released() {
    let document = Document::default()
        .after(&Edit::ForceCells { cells: cells(&[(0, 0)]), code: 1 }.into())
        .after(&Edit::LockCells { cells: cells(&[(0, 0)]), locked: true }.into())
        .after(&Edit::ForceCells { cells: cells(&[(0, 0), (0, 1)]), code: 2 }.into())
        .after(&Edit::ReleaseCells(cells(&[(0, 0)])).into());
    assert_eq!(document.edits[&Cell::at(0, 0)], 1);
    assert_eq!(document.edits[&Cell::at(0, 1)], 2);
}

#[test]
fn work_on_an_image_is_there_again_when_the_image_is() {
    let image = |index| -> Command {
        Open::Image(ImageRef::InSource { source: SourceRef::Samples, index }).into()
    };
    let model =
        |name: &str| -> Command { Open::Model(Slot::A, ModelRef::Shipped(name.into())).into() };
    let worked = Document::default()
        .after(&image(0))
        .after(&Edit::ForceCells { cells: cells(&[(0, 0)]), code: 1 }.into())
        .after(&Edit::LockCells { cells: cells(&[(0, 1)]), locked: true }.into());
    assert_eq!(worked.after(&image(0)), worked);
    let elsewhere = worked.after(&image(1));
    assert!(elsewhere.edits.is_empty() && elsewhere.locks.is_empty());
    let second = elsewhere.after(&Edit::ForceCells { cells: cells(&[(5, 5)]), code: 2 }.into());
    let back = second.after(&image(0));
    assert_eq!((&back.edits, &back.locks), (&worked.edits, &worked.locks));
    assert_eq!(back.all_work().len(), 2, "both are still there");
    assert_eq!(back.after(&image(1)).edits, second.edits);
    // Another tokenizer's codes are other codes.
    let other = worked.after(&model("worlds-vqvae"));
    assert!(other.edits.is_empty());
    assert_eq!(other.after(&model("worlds-fsq")).edits, worked.edits);
}

#[test]
fn clearing_and_releasing_leave_locked_cells_alone() {
    let document = Document::default()
        .after(&Edit::ForceCells { cells: cells(&[(0, 0), (0, 1)]), code: 1 }.into())
        .after(&Edit::LockCells { cells: cells(&[(0, 0)]), locked: true }.into());
    let cleared = document.after(&Edit::ReleaseAll.into());
    assert_eq!(cleared.edits.keys().copied().collect::<Vec<_>>(), [Cell::at(0, 0)]);
    let released = document.after(&Edit::ReleaseCells(cells(&[(0, 0), (0, 1)])).into());
    assert_eq!(released.edits, cleared.edits);
}

#[test]
fn given_tokens_are_a_subject_like_an_image() {
    let tokens = Tokens::grid(1, 2, 8, vec![3, 4]).unwrap();
    let given = Given { name: "a.npy".into(), tokens, is_size_assumed: false, among: None };
    let document = Document::default().after(&Open::Tokens(given.clone()).into());
    assert!(document.image().is_none() && document.subject.is_some());
    let edited = document.after(&Edit::ForceCells { cells: cells(&[(0, 0)]), code: 1 }.into());
    let image = ImageRef::InSource { source: SourceRef::Samples, index: 0 };
    let away = edited.after(&Open::Image(image).into());
    assert!(away.edits.is_empty());
    assert_eq!(away.after(&Open::Tokens(given).into()).edits, edited.edits);
}

#[test]
fn variations_are_a_tree_and_each_brings_its_work_back_where_it_was_done() {
    let image = |index| {
        Command::from(Open::Image(ImageRef::InSource { source: SourceRef::Samples, index }))
    };
    let force = |code| Edit::ForceCells { cells: cells(&[(0, 0)]), code }.into();
    let kept = Edit::KeepVariation.into();
    let start = Document::default().after(&image(0));
    let one = start.after(&force(1)).after(&kept);
    let deeper = one.after(&force(2)).after(&kept);
    // Back to the first, and another way from there.
    let back = deeper.after(&Edit::UseVariation(0).into());
    assert_eq!(back.edits, one.edits);
    let other = back.after(&force(3)).after(&kept);
    let names = |document: &Document| {
        let all = document.variations.all();
        let tree = document.variations.tree().into_iter();
        tree.map(|(at, depth)| format!("{depth} {}", all[at].name)).collect::<Vec<_>>()
    };
    assert_eq!(names(&other), ["0 1", "1 1.1", "1 1.2"]);
    // From another image a variation leads back to its own.
    let away = other.after(&image(1)).after(&force(7));
    let there = away.after(&Edit::UseVariation(1).into());
    assert_eq!(there.image(), start.image());
    assert_eq!(there.edits, deeper.edits);
    assert_eq!(there.after(&image(1)).edits, away.edits, "and what was done there is kept");
    // What is dropped leaves what was made from it.
    let without = other.after(&Edit::DropVariation(0).into());
    assert_eq!(names(&without), ["0 1.1", "0 1.2"]);
    assert_eq!(without.variations.base(), Some(1));
}

#[test]
fn a_run_keeps_its_slot_whatever_is_undone() {
    let mut history = History::default();
    let force = Edit::ForceCells { cells: cells(&[(1, 2)]), code: 4 };
    history.change(history.document().after(&force.into()), false);
    let run = RunFolder { folder: "runs/a".into(), recipe: RecipeRef::Shipped("a".into()) };
    history.change(history.document().after(&Open::Run(Slot::B, run.clone()).into()), false);
    history.undo();
    assert!(history.document().edits.is_empty(), "starting a run is no step of its own");
    assert_eq!(history.document().runs[1], Some(run.clone()));
    history.redo();
    assert_eq!(history.document().runs[1], Some(run));
}

#[test]
fn codes_that_are_switched_off_belong_to_their_tokenizer_and_to_variations() {
    let model = |name: &str| Open::Model(Slot::A, ModelRef::Shipped(name.into()));
    let off = Edit::switch(Code::first(3), false);
    let image = ImageRef::InSource { source: SourceRef::Samples, index: 0 };
    let first = Document::default().after(&Open::Image(image).into()).after(&off.clone().into());
    let second = first.after(&model("worlds-vqvae").into());
    assert!(second.switched_off.is_empty(), "another tokenizer's codes are other codes");
    assert!(second.has_off_of(&first), "nothing was lost: it is not a change to be saved");
    let back = second.after(&model("worlds-fsq").into());
    assert_eq!(back.switched_off, first.switched_off);
    assert!(back.off_elsewhere.is_empty());
    assert!(!back.after(&Edit::switch(Code::first(3), true).into()).has_off_of(&first));
    // A variation holds them, also without anything forced.
    let kept = first.after(&Edit::KeepVariation.into());
    let on = kept.after(&Edit::switch(Code::first(3), true).into());
    let elsewhere = on.after(&model("worlds-vqvae").into());
    let used = elsewhere.after(&Edit::UseVariation(0).into());
    assert_eq!(used.model, first.model);
    assert_eq!(used.switched_off, first.switched_off);
}

#[test]
fn a_variation_of_which_nobody_knows_what_was_off_leaves_the_codes_as_they_are() {
    let image = ImageRef::InSource { source: SourceRef::Samples, index: 0 };
    let force = Edit::ForceCells { cells: cells(&[(0, 0)]), code: 1 };
    let kept = Document::default()
        .after(&Open::Image(image).into())
        .after(&force.into())
        .after(&Edit::KeepVariation.into());
    let mut older = kept.variations.all().to_vec();
    older[0].off = None;
    let off = Edit::switch(Code::first(3), false).into();
    let now = Document { variations: Variations::new(older, Some(0)), ..kept.clone() }.after(&off);
    assert!(now.variations.all()[0].is_of(&now.work(), &now.switched_off));
    let used = now.after(&Edit::UseVariation(0).into());
    assert_eq!(*used.switched_off, [Code::first(3)].into());
    assert!(kept.after(&off).after(&Edit::UseVariation(0).into()).switched_off.is_empty());
}

#[test]
fn several_codes_are_switched_off_and_all_on_at_once() {
    let codes: Arc<BTreeSet<Code>> = Arc::new((2..6).map(Code::first).collect());
    let document = Document::default()
        .after(&Edit::SelectCodes(Code::first(2), Arc::clone(&codes)).into())
        .after(&Edit::SwitchCodes { codes, on: false }.into())
        .after(&Edit::switch(Code::first(4), true).into());
    assert_eq!(*document.switched_off, [2, 3, 5].map(Code::first).into());
    assert!(document.after(&Edit::SwitchAllOn.into()).switched_off.is_empty());
    let one = document.after(&Edit::SelectCode(Some(Code::first(9))).into());
    assert_eq!(*one.selection.all_codes(), [Code::first(9)].into(), "one code is alone");
    assert!(one.after(&Edit::Deselect.into()).selection.all_codes().is_empty());
}

#[test]
fn a_brush_that_a_file_says_is_no_larger_than_one_can_be() {
    let read = |text: &str| serde_json::from_str::<Selection>(text).unwrap().brush;
    assert_eq!(read(r#"{"brush": 3}"#), 3);
    assert_eq!(read(r#"{"brush": 255}"#), LARGEST_BRUSH);
    assert_eq!(read("{}"), 0, "of before there were brushes");
}
