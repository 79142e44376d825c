//! The History view as a person reads it: a row for each state, and one for what is not kept yet.

use std::sync::Arc;

use egui::{Rect, Role};
use egui_kittest::kittest::{NodeT, Queryable};
use smalti::document::{Edit, Panel, ViewId};
use smalti_engine::tokens::Cell;
use smalti_tests::window::{
    Small, Window, click, click_label, empty, labels, open_sized, rect_of, says, send, tab,
};

fn desk() -> (Window, Small) {
    let small = Small::new();
    let layout = Panel::Row(vec![(0.6, tab(ViewId::Tokens)), (0.4, tab(ViewId::History))]);
    let mut window = open_sized(empty(layout), [1280.0, 800.0]);
    small.open_in(&mut window);
    (window, small)
}

fn force(window: &mut Window, row: usize) {
    let cells = Arc::new([Cell::at(row, 0)].into());
    send(window, Edit::ForceCells { cells, code: 3 });
}

/// The rows that can be gone back to, from the top.
fn rows(window: &Window) -> Vec<Rect> {
    let all = window.query_all_by_label_contains("forced cell").filter(|node| {
        let node = node.accesskit_node();
        let name = node.label().unwrap_or_default();
        node.role() == Role::Button && name.starts_with("kept as ")
    });
    let mut rows: Vec<Rect> = all.map(|node| node.rect()).collect();
    rows.sort_by(|a, b| a.top().total_cmp(&b.top()));
    rows
}

#[test]
fn rows_stand_below_each_other_and_none_lies_over_another_or_the_words_at_the_end() {
    let (mut window, _small) = desk();
    for row in 0..4 {
        force(&mut window, row);
        send(&mut window, Edit::KeepVariation);
    }
    let rows = rows(&window);
    assert_eq!(rows.len(), 4, "{:?}", labels(&window, "forced"));
    for pair in rows.windows(2) {
        let apart = pair[1].top() - pair[0].bottom();
        assert!((-0.1..8.0).contains(&apart), "{pair:?}");
    }
    let drops = window.query_all_by_label_contains("of the history").map(|node| node.rect());
    let drops: Vec<Rect> = drops.collect();
    assert_eq!(drops.len(), rows.len(), "each row has its own: {:?}", labels(&window, "history"));
    for (drop, row) in drops.into_iter().zip(&rows) {
        assert!(row.contains_rect(drop), "{drop:?} is not in {row:?}");
    }
    let foot = rect_of(&window, "What a generator writes is noted by itself");
    assert!(foot.top() >= rows[3].bottom() - 0.1, "{foot:?} lies over {:?}", rows[3]);
}

#[test]
fn what_is_done_by_hand_is_the_row_of_now_until_it_is_kept() {
    let (mut window, _small) = desk();
    assert!(!says(&window, "now, not kept"));
    force(&mut window, 0);
    send(&mut window, Edit::LockCells { cells: Arc::new([Cell::at(2, 2)].into()), locked: true });
    assert!(
        says(&window, "now, not kept, 1 forced cell, 1 locked"),
        "{:?}",
        labels(&window, "now")
    );
    click_label(&mut window, "Keep what is seen now");
    assert!(!says(&window, "now, not kept"));
    assert!(says(&window, "kept as 1, 1 forced cell, 1 locked, now"));
    assert_eq!(window.state().document().variations.all().len(), 1);
    force(&mut window, 1);
    let now = rect_of(&window, "now, not kept, 2 forced cells, 1 locked");
    let kept = rows(&window);
    assert!(kept.len() == 1 && now.top() >= kept[0].bottom() - 0.1, "below what it came of");
    // What is kept is gone back to; what was not kept is noted first, and there again by Undo.
    click(&mut window, kept[0].center(), egui::Modifiers::NONE);
    assert!(!says(&window, "now, not kept"));
    assert!(says(&window, "by hand, 2 forced cells, 1 locked"));
    assert_eq!(window.state().document().edits.len(), 1);
    send(&mut window, Edit::Undo);
    assert!(says(&window, "by hand, 2 forced cells, 1 locked, now"));
    assert_eq!(window.state().document().edits.len(), 2);
}
