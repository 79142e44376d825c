//! Tests of the document as a value.

use std::collections::BTreeSet;
use std::sync::Arc;

use smalti_engine::answers::{ImageRef, SourceRef};
use smalti_engine::tokens::Cell;

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
    assert!(!history.can_redo());
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
    assert!(!history.can_undo());
}

#[test]
fn picking_makes_no_undo_entry_and_does_not_drop_the_redo() {
    let mut history = History::default();
    let look = history.document().after(&Look::ShowIds(false).into());
    history.change(look, false);
    history.undo();
    let picked = history.document().after(&Edit::SelectCode(Some(3)).into());
    history.change(picked, false);
    assert!(!history.can_undo());
    assert!(history.can_redo());
    assert_eq!(history.document().selection.code, Some(3));
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
fn another_image_forgets_the_edits_of_the_last_one() {
    let image = |index| ImageRef::InSource { source: SourceRef::Samples, index };
    let document = Document::default()
        .after(&Open::Image(image(0)).into())
        .after(&Edit::ForceCells { cells: cells(&[(0, 0)]), code: 1 }.into());
    assert_eq!(document.after(&Open::Image(image(0)).into()).edits.len(), 1);
    assert!(document.after(&Open::Image(image(1)).into()).edits.is_empty());
}
