//! Linked brushing: what is selected or pointed at in one view is lit in all.

use std::collections::BTreeSet;

use egui::{Key, Modifiers, Rect, vec2};
use egui_kittest::kittest::Queryable;
use smalti::document::{AppCommand, Edit};
use smalti::settings::ThemeChoice;
use smalti_engine::tokens::{Cell, Code};
use smalti_tests::window::{
    Window, apart, button, click, click_label, count_changed, count_of, drag, drawn, encoded,
    middle_of, pixel, point, point_nowhere, press, rect_of, says, send, settle, tokens,
};

use super::{SMALL_GRID, code_said, codebook, small_desk, viridis};

fn around(at: egui::Pos2, reach: f32) -> Rect {
    Rect::from_center_size(at, vec2(reach, reach) * 2.0)
}

#[test]
fn a_code_picked_in_the_tokens_is_lit_in_the_codebook_and_explained() {
    let Some((mut window, _small)) = small_desk() else { return };
    let gold = window.state().theme().colors.gold;
    let code = encoded(&window).tokens.get(Cell::at(5, 9)).unwrap();
    let places = codebook(&mut window);
    let (here, _) = places[&code];
    let far = places
        .values()
        .map(|(at, _)| *at)
        .max_by(|a, b| here.distance(*a).total_cmp(&here.distance(*b)));
    let cell = middle_of(rect_of(&window, "Token grid"), (5, 9), SMALL_GRID);
    let before = drawn(&mut window);
    assert!(says(&window, "Point at a token"), "nothing is explained yet");

    click(&mut window, cell, Modifiers::NONE);
    point_nowhere(&mut window);
    assert!(window.query_by_label(&format!("Code {code}, decoded")).is_some());
    assert!(window.query_by_role_and_label(egui::Role::Tab, &format!("Code {code}")).is_some());
    assert!(says(&window, &format!("codes used, code {code} selected")));
    assert_eq!(code_said(&window).map(|(code, _)| code), Some(code));
    let after = drawn(&mut window);
    let ring = |screen, at| count_of(screen, around(at, 18.0), gold);
    assert!(ring(&before, here) < 5 && ring(&after, here) > 60, "a ring around its cell");
    assert!(ring(&after, far.unwrap()) < 5, "and around no other");
    let around_cell = around(cell, rect_of(&window, "Token grid").width() / 32.0 + 1.0);
    assert!(count_of(&before, around_cell, gold) < 5);
    assert!(count_of(&after, around_cell, gold) > 40, "the cell itself has a gold edge");
}

#[test]
fn a_code_picked_in_the_codebook_is_lit_at_all_its_cells() {
    let Some((mut window, _small)) = small_desk() else { return };
    let grid = tokens(&window);
    let code = grid.get(Cell::at(3, 3)).unwrap();
    let (at, count) = codebook(&mut window)[&code];
    assert_eq!(count as usize, grid.first().codes().iter().filter(|token| **token == code).count());
    let place = rect_of(&window, "Token grid");
    let before = drawn(&mut window);
    click(&mut window, at, Modifiers::NONE);
    point_nowhere(&mut window);
    let after = drawn(&mut window);
    assert_eq!(window.state().document().selection.code, Some(Code::first(code)));
    assert!(window.query_by_label(&format!("Code {code}, decoded")).is_some());
    // Cells away from the code's own have no reason to change; its own get an edge.
    let half = place.width() / 32.0;
    let near = |row: usize, column: usize, reach: usize| {
        let rows = row.saturating_sub(reach)..=(row + reach).min(15);
        let mut cells = rows.flat_map(|row| {
            (column.saturating_sub(reach)..=(column + reach).min(15)).map(move |c| (row, c))
        });
        cells.any(|(row, column)| grid.get(Cell::at(row, column)) == Some(code))
    };
    let (mut own, mut others) = (0, 0);
    for row in 0..16 {
        for column in 0..16 {
            let rect = around(middle_of(place, (row, column), SMALL_GRID), half + 1.0);
            let new = count_changed(&before, &after, rect);
            if near(row, column, 0) {
                own += 1;
                // Cells beside each other have one outline: what it goes round is found by its edge.
                let beside = [(0, 1), (1, 0), (0, -1), (-1, 0)].into_iter().filter_map(|(r, c)| {
                    Some((row.checked_add_signed(r)?, column.checked_add_signed(c)?))
                });
                let is_own = |(row, column)| grid.get(Cell::at(row, column)) == Some(code);
                let is_inside = beside.filter(|place| is_own(*place)).count() == 4;
                assert!(is_inside || new > 30, "row {row}, column {column}: {new} pixels are new");
            } else if !near(row, column, 1) {
                others += 1;
                assert_eq!(new, 0, "row {row}, column {column}");
            }
        }
    }
    assert!(own > 0 && others > 0, "{own} cells with the code, {others} away from it");
    // The keys of the focused codes go on from there.
    let picked = window.state().document().selection.code;
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert_eq!(
        window.state().document().selection.code,
        picked.map(|code| Code::first(code.number + 1))
    );
}

#[test]
fn pointing_at_a_cell_lights_it_everywhere_until_the_pointer_leaves() {
    let Some((mut window, _small)) = small_desk() else { return };
    let gold = window.state().theme().colors.gold;
    let code = encoded(&window).tokens.get(Cell::at(11, 4)).unwrap();
    let rebuilt = rect_of(&window, "Reconstruction");
    let twin = around(middle_of(rebuilt, (11, 4), SMALL_GRID), rebuilt.width() / 32.0 + 2.0);
    let before = count_of(&drawn(&mut window), twin, gold);
    let cell = middle_of(rect_of(&window, "Token grid"), (11, 4), SMALL_GRID);
    point(&mut window, cell);
    assert!(window.query_by_label(&format!("Code {code}, decoded")).is_some());
    assert_eq!(code_said(&window).map(|(code, _)| code), Some(code));
    assert!(says(&window, &format!("row 11, column 4 · code {code}")));
    assert!(count_of(&drawn(&mut window), twin, gold) > before + 40, "the same cell of its twin");
    assert_eq!(window.state().document().selection.code, None, "nothing is picked by pointing");
    point_nowhere(&mut window);
    assert!(says(&window, "Point at a token"));
    assert_eq!(code_said(&window), None);
    assert_eq!(count_of(&drawn(&mut window), twin, gold), before);
}

#[test]
fn escape_or_a_second_click_picks_nothing() {
    let Some((mut window, _small)) = small_desk() else { return };
    let grid = rect_of(&window, "Token grid");
    let cell = middle_of(grid, (2, 2), SMALL_GRID);
    let picked = |window: &smalti_tests::window::Window| {
        let selection = &window.state().document().selection;
        (selection.cells.len(), selection.code.is_some())
    };
    click(&mut window, cell, Modifiers::NONE);
    assert_eq!(picked(&window), (1, true));
    click(&mut window, cell, Modifiers::NONE);
    assert_eq!(picked(&window), (0, false));
    click(&mut window, cell, Modifiers::NONE);
    assert_eq!(picked(&window), (1, true));
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!(picked(&window), (0, false));
    point_nowhere(&mut window);
    assert!(says(&window, "Point at a token"));
}

#[test]
fn cells_are_picked_by_rectangle_and_added_with_shift() {
    let Some((mut window, _small)) = small_desk() else { return };
    let grid = rect_of(&window, "Token grid");
    let at = |row, column| middle_of(grid, (row, column), SMALL_GRID);
    drag(&mut window, at(2, 3), at(4, 6));
    let cells = || -> BTreeSet<Cell> {
        (2..=4).flat_map(|row| (3..=6).map(move |column| Cell::at(row, column))).collect()
    };
    assert_eq!(*window.state().document().selection.cells, cells());
    assert!(says(&window, "12 selected"));
    click(&mut window, at(9, 9), Modifiers::SHIFT);
    let mut more = cells();
    more.insert(Cell::at(9, 9));
    assert_eq!(*window.state().document().selection.cells, more);
    click(&mut window, at(9, 9), Modifiers::SHIFT);
    assert_eq!(*window.state().document().selection.cells, more, "what is selected stays");
    click(&mut window, at(9, 9), Modifiers::ALT);
    assert_eq!(*window.state().document().selection.cells, cells(), "Alt takes it away");
    for wanted in [&more, &cells()] {
        click(&mut window, at(9, 9), Modifiers::COMMAND);
        assert_eq!(
            window.state().document().selection.cells.as_ref(),
            wanted,
            "Ctrl turns it round"
        );
    }
    press(&mut window, Modifiers::COMMAND, Key::A);
    assert_eq!(window.state().document().selection.cells.len(), 256);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.state().document().selection.cells.is_empty());
    drag(&mut window, at(2, 3), at(4, 6));
    click(&mut window, at(0, 0), Modifiers::NONE);
    assert_eq!(window.state().document().selection.cells.len(), 1, "a plain click starts anew");
    // A press that is dragged out of the grid picks nothing that is not there.
    window.hover_at(at(15, 15));
    button(&mut window, at(15, 15), true, Modifiers::NONE);
    window.hover_at(grid.max + vec2(300.0, 300.0));
    button(&mut window, grid.max + vec2(300.0, 300.0), false, Modifiers::NONE);
    let cells = &window.state().document().selection.cells;
    assert!(cells.iter().all(|cell| cell.row < 16 && cell.column < 16), "{cells:?}");
}

#[test]
fn a_selection_has_one_outline_and_the_rest_a_veil_in_every_theme() {
    let Some((mut window, _small)) = small_desk() else { return };
    let cells: BTreeSet<Cell> =
        (2..=5).flat_map(|row| (3..=8).map(move |column| Cell::at(row, column))).collect();
    let cells = std::sync::Arc::new(cells);
    for theme in ThemeChoice::ALL {
        window.state().send(AppCommand::Theme(theme));
        send(&mut window, Edit::Deselect);
        point_nowhere(&mut window);
        let before = drawn(&mut window);
        send(&mut window, Edit::SelectCells(std::sync::Arc::clone(&cells)));
        let after = drawn(&mut window);
        let gold = window.state().theme().colors.gold;
        let grid = rect_of(&window, "Token grid");
        let at = |row, column| middle_of(grid, (row, column), SMALL_GRID);
        let half = grid.width() / 32.0;
        let region = Rect::from_min_max(at(2, 3), at(5, 8)).expand(half);
        let new = |rect| count_of(&after, rect, gold).saturating_sub(count_of(&before, rect, gold));
        let length = 2.0 * (region.width() + region.height());
        assert!(new(region.expand(3.0)) as f32 > length, "{theme:?}: an edge all round");
        assert_eq!(new(region.shrink(4.0)), 0, "{theme:?}: and no boxes inside");
        let inside = count_changed(&before, &after, region.shrink(4.0));
        assert_eq!(inside, 0, "{theme:?}: what is selected looks as it did");
        let outside = around(at(12, 12), half - 4.0);
        let veiled = count_changed(&before, &after, outside) as f32;
        assert!(veiled > outside.area() / 2.0, "{theme:?}: {veiled} pixels are veiled");
    }
}

fn selected(window: &Window) -> Vec<(usize, usize)> {
    let cells = window.state().document().selection.cells.iter();
    cells.map(|cell| (cell.row.into(), cell.column as usize)).collect()
}

#[test]
fn the_grid_is_worked_by_keys_alone() {
    let Some((mut window, _small)) = small_desk() else { return };
    let keys = |window: &mut Window, modifiers, keys: &[Key]| {
        for key in keys {
            press(window, modifiers, *key);
        }
    };
    window.get_by_label_contains("Token grid").focus();
    settle(&mut window);
    assert!(says(&window, "columns, at row 0, column 0 · code"), "it is said where the keys are");
    let gold = window.state().theme().colors.gold;
    let ring = rect_of(&window, "Token grid");
    let screen = drawn(&mut window);
    assert!(count_of(&screen, ring.expand(1.0), gold) as f32 > 2.0 * ring.width(), "and seen");
    keys(&mut window, Modifiers::NONE, &[Key::ArrowDown, Key::ArrowRight, Key::ArrowRight]);
    assert_eq!(selected(&window), [(1, 2)]);
    let code = tokens(&window).get(Cell::at(1, 2)).unwrap();
    assert_eq!(window.state().document().selection.code, Some(Code::first(code)));
    keys(&mut window, Modifiers::SHIFT, &[Key::ArrowDown, Key::ArrowLeft]);
    assert_eq!(selected(&window), [(1, 1), (1, 2), (2, 1), (2, 2)]);
    keys(&mut window, Modifiers::COMMAND, &[Key::ArrowDown, Key::ArrowDown]);
    assert_eq!(selected(&window).len(), 4, "Ctrl goes without selecting");
    keys(&mut window, Modifiers::NONE, &[Key::Space]);
    assert_eq!(selected(&window), [(1, 1), (1, 2), (2, 1), (2, 2), (4, 1)]);
    // At the edge the keys stay in the grid.
    keys(&mut window, Modifiers::NONE, &[Key::ArrowLeft, Key::ArrowLeft, Key::ArrowLeft]);
    assert_eq!(selected(&window), [(4, 0)]);
    // Enter leads to the code that is to be forced, and the next one back.
    let own = tokens(&window).get(Cell::at(4, 0)).unwrap();
    let other = (own + 7) % 20;
    keys(&mut window, Modifiers::NONE, &[Key::Enter]);
    window.event(egui::Event::Text(other.to_string()));
    keys(&mut window, Modifiers::NONE, &[Key::Enter]);
    assert_eq!(window.state().document().edits.get(&Cell::at(4, 0)), Some(&other));
    keys(&mut window, Modifiers::NONE, &[Key::Delete]);
    assert!(window.state().document().edits.is_empty(), "released");
    keys(&mut window, Modifiers::NONE, &[Key::ArrowRight]);
    assert_eq!(selected(&window), [(4, 1)]);
}

#[test]
fn a_code_has_the_color_of_its_count_in_the_codebook() {
    let Some((mut window, _small)) = small_desk() else { return };
    let grid = tokens(&window);
    let mut counts = vec![0_u64; grid.first().codebook_size() as usize];
    grid.first().codes().iter().for_each(|code| counts[*code as usize] += 1);
    let highest = *counts.iter().max().unwrap() as f64;
    let places = codebook(&mut window);
    assert_eq!(places.len(), counts.len(), "every code has a cell");
    let different: BTreeSet<u64> = counts.iter().copied().collect();
    assert!(different.len() > 3, "{counts:?} would not tell colors apart");
    for is_log in [true, false] {
        let screen = drawn(&mut window);
        for (code, (at, said)) in &places {
            let count = counts[*code as usize];
            assert_eq!(*said, count, "code {code}");
            let value = if is_log {
                (1.0 + count as f64).ln() / (1.0 + highest).ln()
            } else {
                count as f64 / highest
            };
            let (want, got) = (viridis(value), pixel(&screen, *at));
            assert!(apart(want, got) <= 10, "code {code}, {count}: {got:?}, should be {want:?}");
        }
        click_label(&mut window, "log");
        point_nowhere(&mut window);
    }
    // In another order the codes stand elsewhere: the most used one first.
    click_label(&mut window, "count");
    point_nowhere(&mut window);
    let sorted = codebook(&mut window);
    let first = sorted.iter().min_by(|a, b| {
        let key = |(at, _): &(egui::Pos2, u64)| at.y.round() * 1e4 + at.x;
        key(a.1).total_cmp(&key(b.1))
    });
    assert_eq!(counts[*first.unwrap().0 as usize] as f64, highest);
}
