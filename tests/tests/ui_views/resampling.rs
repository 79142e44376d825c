//! Hands on the grid with a generator: the selection is written anew, one of several ways is picked, and History leads
//! back to all of them. What stands in the end is compared with what the engine writes by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use egui::{Key, Modifiers, Pos2, Role};
use egui_kittest::kittest::{NodeT, Queryable};
use smalti::document::{Asked, Edit, Generate, Layout, Open, Panel, Slot, ViewId};
use smalti::files::saved::{Carried, Saved, to_bytes};
use smalti_engine::generators::{Way, Writing};
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{ModelInfo, ModelRef, Stamp};
use smalti_engine::tokens::{Cell, Tokens};
use smalti_tests::tiny::{scales_model, tiny_generator, tiny_var};
use smalti_tests::window::{
    Small, Window, click, click_label, drag, empty, encoded, is_in_front, labels, middle_of,
    open_sized, press, rect_of, says, send, settle, tab, tokens, until,
};

use super::SMALL_GRID;

/// Tokens of 16 x 16, History beside them, and a generator of 8 x 8 of these tokens.
fn desk(way: Way) -> (Window, Small) {
    let small = Small::new();
    let layout = Panel::Row(vec![(0.65, tab(ViewId::Tokens)), (0.35, tab(ViewId::History))]);
    let mut window = open_sized(empty(layout), [1280.0, 800.0]);
    small.open_in(&mut window);
    let model = ModelRef::File { path: small.model().into(), stamp: Stamp::default() }.now();
    let facts = window.state().session().wait(&ModelInfo { model }).unwrap();
    let path = small.model().with_file_name("painter.safetensors");
    tiny_generator(&path, way, &facts.token_hash);
    send(&mut window, Open::Path(path));
    for view in [ViewId::History, ViewId::Tokens] {
        send(&mut window, Layout::Show(view));
    }
    (window, small)
}

/// Cells that no single window of the generator's grid covers.
pub(super) fn wide() -> BTreeSet<Cell> {
    (2..5).flat_map(|row| (2..14).map(move |column| Cell::at(row, column))).collect()
}

/// Writes the selection anew, and waits until it is taken.
pub(super) fn resample(window: &mut Window, seed: u64) {
    press(window, Modifiers::COMMAND, Key::R);
    until(window, &format!("by painter, any class, seed {seed}"));
}

pub(super) fn select(window: &mut Window, cells: &BTreeSet<Cell>) {
    send(window, Edit::SelectCells(Arc::new(cells.clone())));
}

/// The tokens as they are now, with what was forced.
pub(super) fn now(window: &Window) -> Tokens {
    window.state().document().tokens(&encoded(window))
}

fn selected(window: &Window) -> BTreeSet<Cell> {
    BTreeSet::clone(&window.state().document().selection.cells)
}

/// What the engine writes for the generation that is looked at.
fn by_the_engine(window: &Window) -> Tokens {
    let moment = window.state().document().generating.moment.clone().unwrap();
    let opened = window.state().session().wait(&moment.asked.opens()).unwrap();
    let request = moment.asked.request(opened.config()).unwrap();
    let mut writing = Writing::new(opened.painter.clone(), request, None).unwrap();
    let mut last = None;
    while let Some(step) = writing.next_step_between(&mut |_, _| Ok(())).unwrap() {
        last = Some(step.tokens);
    }
    last.unwrap()
}

/// How probable each token was to the generation that is looked at when it wrote it.
fn confidences(window: &Window) -> BTreeMap<Cell, f32> {
    let moment = window.state().document().generating.moment.clone().unwrap();
    let opened = window.state().session().wait(&moment.asked.opens()).unwrap();
    let request = moment.asked.request(opened.config()).unwrap();
    let mut writing = Writing::new(opened.painter.clone(), request, None).unwrap();
    let mut all = BTreeMap::new();
    while let Some(step) = writing.next_step_between(&mut |_, _| Ok(())).unwrap() {
        let kept = step.proposals.iter().filter(|proposal| proposal.kept);
        all.extend(kept.map(|proposal| (proposal.cell, proposal.probability)));
    }
    all
}

/// What was said last, with what to do.
fn said(window: &Window) -> String {
    let last = window.state().notices().list().last().cloned();
    last.map_or(String::new(), |notice| format!("{} {}", notice.summary, notice.hint))
}

/// The line of History that says this.
fn line(window: &Window, text: &str) -> Option<Pos2> {
    let mut lines = window.query_all_by_label_contains(text);
    let found = lines.find(|node| {
        let node = node.accesskit_node();
        let label = node.label().unwrap_or_default();
        node.role() == Role::Button && label.contains("forced cell")
    });
    found.map(|node| node.rect().center())
}

/// Goes over the window with the button held down.
fn stroke(window: &mut Window, points: &[Pos2]) {
    window.hover_at(points[0]);
    window.drag_at(points[0]);
    for point in points {
        window.hover_at(*point);
    }
    window.event(egui::Event::PointerButton {
        pos: points[points.len() - 1],
        button: egui::PointerButton::Primary,
        pressed: false,
        modifiers: Modifiers::NONE,
    });
    settle(window);
}

#[test]
fn the_selection_is_written_anew_as_one_step_of_undo_and_nothing_else_changes() {
    for way in [Way::Raster, Way::MaskGit] {
        let (mut window, _small) = desk(way);
        let before = tokens(&window);
        let locked: BTreeSet<Cell> = [Cell::at(3, 4), Cell::at(2, 12), Cell::at(9, 9)].into();
        send(&mut window, Edit::LockCells { cells: Arc::new(locked.clone()), locked: true });
        select(&mut window, &wide());
        press(&mut window, Modifiers::COMMAND, Key::R);
        until(&mut window, "with another token");
        let after = now(&window);
        assert_ne!(after, before);
        for (cell, code) in before.cells() {
            let is_free = wide().contains(&cell) && !locked.contains(&cell);
            assert!(is_free || after.get(cell) == code, "{way:?}: {cell}");
        }
        assert_eq!(after, by_the_engine(&window), "{way:?}");
        assert_eq!(after.first_masked(), None);
        let document = window.state().document().clone();
        assert_eq!(*document.locks, locked);
        press(&mut window, Modifiers::COMMAND, Key::Z);
        assert!(window.state().document().edits.is_empty());
        assert_eq!(window.state().document().generating.moment, None, "it was one step");
        assert_eq!(*window.state().document().locks, locked);
        press(&mut window, Modifiers::COMMAND, Key::Y);
        assert_eq!(now(&window), after);
        // Its steps are on the timeline.
        send(&mut window, Layout::Show(ViewId::Generate));
        until(&mut window, "Generation done");
        assert_eq!(now(&window), after);
    }
}

#[test]
fn a_share_of_the_selection_is_free_and_the_document_says_which() {
    let (mut window, _small) = desk(Way::MaskGit);
    let before = tokens(&window);
    let asked = window.state().document().generating.asked.clone().unwrap();
    let asked = Asked { free: 0.25, ..Asked::clone(&asked) };
    send(&mut window, Generate::Ask(Box::new(asked)));
    select(&mut window, &wide());
    resample(&mut window, 1);
    let moment = window.state().document().generating.moment.clone().unwrap();
    assert_eq!(before.len() - moment.asked.given.len(), wide().len() / 4);
    for (cell, code) in before.cells() {
        let is_free = wide().contains(&cell) && !moment.asked.given.contains_key(&cell);
        assert!(is_free || now(&window).get(cell) == code, "{cell}");
    }
    let text = serde_json::to_string(&*moment.asked).unwrap();
    assert_eq!(serde_json::from_str::<Asked>(&text).unwrap(), *moment.asked);
}

#[test]
fn what_a_generator_was_least_sure_of_is_selected_after_it_wrote() {
    let (mut window, _small) = desk(Way::MaskGit);
    let tool = "Select the 10 % least sure";
    let node = |window: &Window| {
        window.get_by_role_and_label(Role::Button, tool).accesskit_node().is_disabled()
    };
    assert!(node(&window), "nobody knows yet");
    select(&mut window, &wide());
    resample(&mut window, 1);
    assert!(!node(&window));
    click_label(&mut window, tool);
    let (least, sure) = (selected(&window), confidences(&window));
    assert_eq!((sure.len(), least.len()), (36, 4), "a tenth of what was written");
    assert!(least.is_subset(&wide()));
    let most = least.iter().map(|cell| sure[cell]).fold(0.0, f32::max);
    let others = sure.iter().filter(|(cell, _)| !least.contains(cell));
    assert!(others.map(|(_, sure)| *sure).fold(1.0, f32::min) >= most);
    assert!(said(&window).contains("4 least sure of 36 tokens"), "{}", said(&window));
    // The key does the same.
    select(&mut window, &wide());
    press(&mut window, Modifiers::COMMAND, Key::T);
    assert_eq!(selected(&window), least);
}

#[test]
fn another_try_has_another_seed() {
    let (mut window, _small) = desk(Way::MaskGit);
    select(&mut window, &wide());
    let seed = |window: &Window| {
        window.state().document().generating.moment.as_ref().map(|moment| moment.asked.seed)
    };
    resample(&mut window, 1);
    let first = (seed(&window), now(&window));
    resample(&mut window, 2);
    assert_eq!((first.0, seed(&window)), (Some(1), Some(2)));
    assert_ne!(now(&window), first.1);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(now(&window), first.1);
}

#[test]
fn writing_anew_once_more_says_that_the_first_try_was_stopped() {
    let (mut window, _small) = desk(Way::MaskGit);
    select(&mut window, &wide());
    resample(&mut window, 1);
    let moment = window.state().document().generating.moment.clone().unwrap();
    let stopped = |window: &Window| {
        let list = window.state().notices().list();
        list.iter().filter(|notice| notice.summary.contains("was stopped")).count()
    };
    assert_eq!(stopped(&window), 0);
    // Both in one frame: the first cannot be done.
    for by in [1, 2] {
        let asked = Box::new(moment.asked.reseeded_by(by));
        window.state().send(Generate::Rewrite { asked, count: 1 });
    }
    until(&mut window, "by painter, any class, seed 3");
    assert_eq!(stopped(&window), 1, "{:?}", window.state().notices());
    assert_eq!(now(&window), by_the_engine(&window), "the second one stands there");
}

#[test]
fn four_ways_are_shown_and_a_number_key_takes_one_while_they_are() {
    let (mut window, _small) = desk(Way::MaskGit);
    let before = tokens(&window);
    select(&mut window, &wide());
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::R);
    for number in 1..=4 {
        until(&mut window, &format!("Variation {number}, seed {number}, done"));
    }
    assert_eq!(now(&window), before, "nothing is taken by itself");
    press(&mut window, Modifiers::NONE, Key::Num2);
    let taken = now(&window);
    assert_ne!(taken, before);
    let moment = window.state().document().generating.moment.clone().unwrap();
    assert_eq!(moment.asked.seed, 2);
    assert_eq!(taken, by_the_engine(&window));
    assert!(!says(&window, "Variation 1, seed 1"), "they are shown no more");
    press(&mut window, Modifiers::NONE, Key::Num1);
    assert!(is_in_front(&window, ViewId::Compare), "the keys are those of views again");
    assert_eq!(now(&window), taken);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(now(&window), before, "one step");
    assert_eq!(window.state().document().variations.all().len(), 4, "all four stay");
    press(&mut window, Modifiers::COMMAND, Key::Y);
    assert_eq!(now(&window), taken);
}

#[test]
fn nine_ways_take_turns_are_all_shown_and_the_last_number_key_takes_the_last() {
    let (mut window, _small) = desk(Way::MaskGit);
    let before = tokens(&window);
    select(&mut window, &wide());
    press(&mut window, Modifiers::COMMAND, Key::Num9);
    let is_done = |window: &Window| {
        (1..=9).all(|number| says(window, &format!("Variation {number}, seed {number}, done")))
    };
    for _ in 0..4000 {
        let going = labels(&window, "being written");
        assert!(going.len() <= 4, "{going:?}");
        if is_done(&window) {
            break;
        }
        window.step();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    settle(&mut window);
    assert!(is_done(&window), "{:?}", labels(&window, "Variation"));
    let rects: Vec<egui::Rect> = (1..=9)
        .map(|number| rect_of(&window, &format!("Variation {number}, seed {number}, done")))
        .collect();
    assert!(rects[0].center().y < rects[3].center().y && rects[3].center().y < rects[6].center().y);
    assert!(rects.iter().all(|rect| rect.width() > 40.0), "{rects:?}");
    assert_eq!(now(&window), before, "nothing is taken by itself");
    press(&mut window, Modifiers::NONE, Key::Num9);
    let moment = window.state().document().generating.moment.clone().unwrap();
    assert_eq!(moment.asked.seed, 9);
    assert_eq!(now(&window), by_the_engine(&window));
    assert_eq!(window.state().document().variations.all().len(), 9, "all nine stay");
}

#[test]
fn a_click_takes_a_way_and_escape_takes_none() {
    let (mut window, _small) = desk(Way::Raster);
    let cells: BTreeSet<Cell> = [Cell::at(5, 5), Cell::at(5, 6), Cell::at(6, 5)].into();
    select(&mut window, &cells);
    let four = |window: &mut Window, first: u64| {
        press(window, Modifiers::COMMAND | Modifiers::SHIFT, Key::R);
        for number in 0..4 {
            until(window, &format!("Variation {}, seed {}, done", number + 1, first + number));
        }
    };
    four(&mut window, 1);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(!says(&window, "Variation 1, seed 1"));
    assert_eq!(selected(&window), cells, "what is selected stays");
    assert!(window.state().document().edits.is_empty());
    let noted = window.state().document().variations.all().len();
    assert!(noted > 0, "they are in History");
    // The next four are others.
    four(&mut window, 5);
    click_label(&mut window, "Variation 3, seed 7, done");
    let moment = window.state().document().generating.moment.clone().unwrap();
    assert_eq!(moment.asked.seed, 7);
    assert_eq!(now(&window), by_the_engine(&window));
}

#[test]
fn a_number_key_that_is_held_down_takes_a_way_and_shows_no_view() {
    let (mut window, _small) = desk(Way::MaskGit);
    select(&mut window, &wide());
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::R);
    for number in 1..=4 {
        until(&mut window, &format!("Variation {number}, seed {number}, done"));
    }
    let num1 = |pressed| {
        let (key, physical_key, modifiers) = (Key::Num1, None, Modifiers::NONE);
        egui::Event::Key { key, physical_key, pressed, repeat: false, modifiers }
    };
    for _ in 0..4 {
        window.event(num1(true));
        window.step();
    }
    window.event(num1(false));
    settle(&mut window);
    let moment = window.state().document().generating.moment.clone().unwrap();
    assert_eq!(moment.asked.seed, 1, "it is taken");
    assert!(!is_in_front(&window, ViewId::Compare));
    press(&mut window, Modifiers::NONE, Key::Num1);
    assert!(is_in_front(&window, ViewId::Compare), "pressed again it is the view's");
}

#[test]
fn what_is_not_taken_says_whether_it_was_undone_or_something_else_was_begun() {
    let (mut window, _small) = desk(Way::MaskGit);
    let before = tokens(&window);
    let next = window.state().document().generating.asked.clone().unwrap();
    let kept = next.keeping(&before, |cell| !wide().contains(&cell));
    let anew = |seed| {
        let asked = Box::new(Asked { grid: Some((16, 16)), seed, ..kept.clone() });
        Generate::Rewrite { asked, count: 1 }
    };
    window.state().send(anew(1));
    window.state().send(Edit::Undo);
    until(&mut window, "writing them anew was undone meanwhile");
    let other = Generate::Start { asked: Box::new(next.reseeded_by(9)), waits: false };
    window.state().send(anew(2));
    window.state().send(other);
    until(&mut window, "another generation was begun meanwhile");
    assert!(window.state().document().edits.is_empty());
}

#[test]
fn what_is_forced_while_cells_are_written_anew_stays() {
    let (mut window, _small) = desk(Way::MaskGit);
    let before = tokens(&window);
    let next = window.state().document().generating.asked.clone().unwrap();
    let kept = next.keeping(&before, |cell| !wide().contains(&cell));
    let asked = Box::new(Asked { grid: Some((16, 16)), seed: 1, ..kept });
    // All in one frame: it cannot be done before.
    window.state().send(Generate::Rewrite { asked, count: 1 });
    window.state().send(Edit::ForceCells { cells: Arc::new(wide()), code: 3 });
    until(&mut window, "by painter, any class, seed 1");
    for cell in wide() {
        assert_eq!(now(&window).get(cell), Some(3), "{cell}");
    }
    assert!(said(&window).contains("as you made"), "{}", said(&window));
}

#[test]
fn with_scales_all_cells_that_were_written_are_counted() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Tokens)), [1280.0, 800.0]);
    let path = small.model().with_file_name("scales.safetensors");
    scales_model(&path);
    let model = ModelRef::File { path: path.into(), stamp: Stamp::default() }.now();
    let facts = window.state().session().wait(&ModelInfo { model: model.clone() }).unwrap();
    small.open_in(&mut window);
    send(&mut window, Open::Size(WorkingSize::square(8, 1)));
    send(&mut window, Open::Model(Slot::A, model));
    let path = small.model().with_file_name("steps.safetensors");
    tiny_var(&path, &facts.token_hash);
    send(&mut window, Open::Path(path));
    send(&mut window, Layout::Show(ViewId::Tokens));
    let block = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(row, column)| Cell::of(2, row, column));
    select(&mut window, &block.into());
    press(&mut window, Modifiers::COMMAND, Key::R);
    until(&mut window, "by steps, any class, seed 1");
    // A cell of a coarser scale is these four: it is written with them.
    let moment = window.state().document().generating.moment.clone().unwrap();
    let written = tokens(&window).len() - moment.asked.given.len();
    assert!(written > block.len(), "{written}");
    assert!(says(&window, &format!("{written} cells by steps")), "{}", said(&window));
    // Freedom begins at the finest scale: the coarser ones keep the codes of the picture.
    let next = window.state().document().generating.asked.clone().unwrap();
    let next = Asked { from_scale: 2, ..Asked::clone(&next) };
    send(&mut window, Generate::Ask(Box::new(next)));
    let before = now(&window);
    press(&mut window, Modifiers::COMMAND, Key::R);
    until(&mut window, "by steps, any class, seed 2");
    let moment = window.state().document().generating.moment.clone().unwrap();
    let given = &moment.asked.given;
    for (cell, code) in before.cells() {
        let is_free = block.contains(&cell);
        assert_eq!(given.get(&cell).copied(), code.filter(|_| !is_free), "{cell}");
        assert!(is_free || now(&window).get(cell) == code, "{cell}");
    }
    // What stays altogether is said where the button is.
    select(&mut window, &[Cell::of(1, 0, 0)].into());
    press(&mut window, Modifiers::COMMAND, Key::R);
    assert!(said(&window).contains("before scale 2, which stay"), "{}", said(&window));
}

#[test]
fn what_cannot_be_written_anew_says_why_on_its_tool() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Tokens)), [1280.0, 800.0]);
    small.open_in(&mut window);
    let is_off = |window: &Window| {
        let tool = window.get_by_role_and_label(Role::Button, "Resample the selected cells");
        tool.accesskit_node().is_disabled()
    };
    select(&mut window, &wide());
    assert!(is_off(&window));
    press(&mut window, Modifiers::COMMAND, Key::R);
    assert!(said(&window).contains("open a generator first"), "{}", said(&window));
    assert!(said(&window).contains("tiny's tokens"), "{}", said(&window));

    let (mut window, _small) = desk(Way::MaskGit);
    press(&mut window, Modifiers::COMMAND, Key::R);
    assert!(said(&window).contains("select cells"), "{}", said(&window));
    select(&mut window, &wide());
    assert!(!is_off(&window));
    let cells = Arc::new(wide());
    send(&mut window, Edit::LockCells { cells, locked: true });
    assert!(is_off(&window));
    press(&mut window, Modifiers::COMMAND, Key::R);
    assert!(said(&window).contains("are locked: unlock them first"), "{}", said(&window));
    // Tokens of another codebook are refused with both names.
    send(&mut window, Open::Model(Slot::A, ModelRef::Shipped("worlds-fsq".into())));
    select(&mut window, &[Cell::at(0, 0)].into());
    assert!(!is_off(&window), "a click leads on: to the tokenizer that fits");
    press(&mut window, Modifiers::COMMAND, Key::R);
    let said = said(&window);
    assert!(said.contains("worlds-fsq") && said.contains("tiny"), "{said}");
    assert!(window.state().document().edits.is_empty());
}

#[test]
fn history_is_a_tree_that_leads_back_and_is_saved_with_the_document() {
    let (mut window, small) = desk(Way::MaskGit);
    let before = tokens(&window);
    select(&mut window, &wide());
    resample(&mut window, 1);
    let first = now(&window);
    let below: BTreeSet<Cell> = (8..11).map(|row| Cell::at(row, 4)).collect();
    select(&mut window, &below);
    resample(&mut window, 2);
    let second = now(&window);
    assert_ne!(second, first);
    let all = window.state().document().variations.clone();
    assert_eq!(all.all().iter().map(|v| v.parent).collect::<Vec<_>>(), [None, Some(0)]);

    let at = line(&window, "seed 1").unwrap();
    click(&mut window, at, Modifiers::NONE);
    assert_eq!(now(&window), first);
    let at = line(&window, "seed 2").unwrap();
    click(&mut window, at, Modifiers::NONE);
    assert_eq!(now(&window), second);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(now(&window), first, "going there is a step of undo");
    let start = rect_of(&window, "start, as tiny made it").center();
    click(&mut window, start, Modifiers::NONE);
    assert_eq!(now(&window), before);

    let saved = Saved::new(window.state().document().clone(), window.state().layout());
    let path = small.model().with_file_name("work.smalti");
    std::fs::write(&path, to_bytes(&saved, &Carried::Pasted).unwrap()).unwrap();
    let mut again = open_sized(empty(tab(ViewId::Log)), [1280.0, 800.0]);
    send(&mut again, Open::Path(path));
    let kept = |window: &Window| {
        let all = window.state().document().variations.all().iter();
        let parts = all.map(|v| (v.name.to_string(), v.parent, v.noted.clone(), v.work.clone()));
        parts.collect::<Vec<_>>()
    };
    assert_eq!(kept(&again), kept(&window));
    send(&mut again, Layout::Show(ViewId::History));
    let at = line(&again, "seed 2").unwrap();
    click(&mut again, at, Modifiers::NONE);
    assert_eq!(now(&again), second);
}

#[test]
fn cells_are_drawn_round_and_drawn_over_and_a_selection_grows_and_turns_round() {
    let (mut window, _small) = desk(Way::MaskGit);
    let grid = rect_of(&window, "Token grid");
    let at = |row, column| middle_of(grid, (row, column), SMALL_GRID);
    press(&mut window, Modifiers::NONE, Key::L);
    stroke(&mut window, &[at(2, 2), at(2, 6), at(6, 6), at(6, 2), at(2, 2)]);
    let square: BTreeSet<Cell> =
        (2..=6).flat_map(|row| (2..=6).map(move |column| Cell::at(row, column))).collect();
    assert_eq!(selected(&window), square);
    press(&mut window, Modifiers::NONE, Key::B);
    stroke(&mut window, &[at(10, 3), at(10, 8)]);
    let row: BTreeSet<Cell> = (3..=8).map(|column| Cell::at(10, column)).collect();
    assert_eq!(selected(&window), row);
    press(&mut window, Modifiers::NONE, Key::CloseBracket);
    stroke(&mut window, &[at(10, 3), at(10, 8)]);
    let thick = selected(&window);
    assert!(thick.is_superset(&row) && thick.contains(&Cell::at(9, 5)), "{thick:?}");
    assert!(!thick.contains(&Cell::at(8, 5)), "{thick:?}");
    press(&mut window, Modifiers::NONE, Key::M);
    drag(&mut window, at(1, 1), at(2, 3));
    let pair: BTreeSet<Cell> =
        (1..=2).flat_map(|row| (1..=3).map(move |column| Cell::at(row, column))).collect();
    assert_eq!(selected(&window), pair);
    press(&mut window, Modifiers::COMMAND, Key::E);
    assert_eq!(selected(&window).len(), 4 * 5);
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::E);
    // The upper and the left row grew to the edge of the grid, and an edge of the grid is none.
    assert!(selected(&window).is_superset(&pair));
    press(&mut window, Modifiers::COMMAND, Key::I);
    assert!(selected(&window).is_disjoint(&pair));
    // By code: all cells that have the one of the cell that was clicked.
    let code = tokens(&window).get(Cell::at(12, 12)).unwrap();
    click(&mut window, at(12, 12), Modifiers::NONE);
    click_label(&mut window, "Select by code");
    let own = tokens(&window);
    let wanted = own.cells().filter(|(_, token)| *token == Some(code));
    assert_eq!(selected(&window), wanted.map(|(cell, _)| cell).collect());
    assert!(window.state().document().edits.is_empty());
}
