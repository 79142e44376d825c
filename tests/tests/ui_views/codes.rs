//! Codes as they are shown: their colors, what is said of those that do not occur, their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use smalti::document::{ColorBy, Edit, Look, Open, Panel, ViewId};
use smalti::look::colors::color_of;
use smalti_engine::Result;
use smalti_engine::images::WorkingSize;
use smalti_engine::session::{Desk, Lane, Question};
use smalti_engine::token_files::{Maker, safetensors_bytes};
use smalti_engine::tokens::{Cell, Code, Tokens};
use smalti_tests::window::{
    Small, Window, apart, click, click_label, drawn, empty, labels, middle_of, open_drawn,
    open_sized, pixel, point_nowhere, press, rect_of, says, send, settle, tab, tokens,
};

use super::SMALL_GRID;

#[test]
fn codes_with_levels_have_the_colors_of_their_levels_where_tokens_stand_alone() {
    let small = Small::new();
    let Some(mut window) = open_drawn(empty(tab(ViewId::Tokens)), [900.0, 600.0]) else { return };
    window.state().send(Look::ColorBy(ColorBy::Code));
    window.state().send(Look::TokenOpacity(1.0));
    window.state().send(Look::ShowIds(false));
    small.open_in(&mut window);
    point_nowhere(&mut window);
    let (grid, screen) = (tokens(&window), drawn(&mut window));
    let place = rect_of(&window, "Token grid");
    for (row, column) in [(2, 3), (8, 8), (13, 5)] {
        let code = grid.get(Cell::at(row, column)).unwrap();
        let [r, g, b, _] = color_of(code, &[5, 4]).to_array();
        let shown = pixel(&screen, middle_of(place, (row, column), SMALL_GRID));
        assert!(apart(shown, [r, g, b]) < 4, "code {code}: {shown:?} instead of {:?}", [r, g, b]);
    }
}

#[test]
fn codes_that_one_image_does_not_use_are_not_called_dead() {
    let mut window = open_sized(empty(tab(ViewId::Codebook)), [1000.0, 700.0]);
    let image = smalti_tests::window::assets().join("samples/kodim23.png");
    window.state().send(Open::Size(WorkingSize::square(128, 1)));
    send(&mut window, Open::Path(image));
    assert!(says(&window, "not used here: "), "1024 tokens cannot show 1000 codes");
    assert!(!says(&window, "dead: "));
    // 256 tokens of a codebook of 20 could show all, but are of one picture.
    let small = Small::new();
    small.open_in(&mut window);
    assert!(says(&window, "not used here: ") && !says(&window, "dead: "));
    // Those of many pictures leave nothing to chance.
    for number in 3..20 {
        let name = format!("picture {number}.png");
        smalti_tests::tiny::write_png(&small.pictures().join(name), 40, 32, 1);
    }
    send(&mut window, Open::Source(small.source()));
    click_label(&mut window, "set");
    assert!(says(&window, "dead: ") && !says(&window, "not used here: "));
}

#[test]
fn many_codes_are_switched_off_at_once_and_all_on_again() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Codebook)), [1000.0, 700.0]);
    small.open_in(&mut window);
    let places = super::codebook(&mut window);
    let at = |code: u32| places[&code].0;
    let numbers = |window: &Window| -> Vec<u32> {
        window.state().document().selection.all_codes().iter().map(|code| code.number).collect()
    };
    let off = |window: &Window| window.state().document().switched_off.len();
    click(&mut window, at(4), Modifiers::NONE);
    click(&mut window, at(8), Modifiers::SHIFT);
    assert_eq!(numbers(&window), [4, 5, 6, 7, 8]);
    click(&mut window, at(6), Modifiers::COMMAND);
    click(&mut window, at(12), Modifiers::COMMAND);
    assert_eq!(numbers(&window), [4, 5, 7, 8, 12]);
    assert!(says(&window, "5 codes selected"));
    click_label(&mut window, "Switch 5 off");
    assert_eq!(off(&window), 5);
    assert!(says(&window, "5 codes off"));
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(off(&window), 0, "it is one change");
    press(&mut window, Modifiers::COMMAND, Key::Y);
    click_label(&mut window, "all on");
    let are_told = |label: &String| label.contains("codes off") && !label.starts_with("Redone: ");
    assert!(off(&window) == 0 && !labels(&window, "codes off").iter().any(are_told));
    // The keys go on from there, and do not switch off what is needed to stand for the others.
    click(&mut window, at(0), Modifiers::NONE);
    for _ in 0..19 {
        press(&mut window, Modifiers::SHIFT, Key::ArrowRight);
    }
    assert_eq!(numbers(&window).len(), 20);
    assert!(window.get_by_label("Switch 20 off").accesskit_node().is_disabled());
    press(&mut window, Modifiers::SHIFT, Key::ArrowLeft);
    click_label(&mut window, "Switch 19 off");
    assert_eq!(off(&window), 19);
}

#[test]
fn the_code_card_counts_what_the_codebook_counts() {
    let small = Small::new();
    let folder = tempfile::tempdir().unwrap();
    for number in 0..70 {
        let path = folder.path().join(format!("{number:03}.png"));
        smalti_tests::tiny::write_png(&path, 8, 8, number);
    }
    let layout = Panel::Row(vec![(0.7, tab(ViewId::Codebook)), (0.3, tab(ViewId::Code))]);
    let mut window = open_sized(empty(layout), [1600.0, 900.0]);
    small.open_in(&mut window);
    send(&mut window, Open::Path(folder.path().to_owned()));
    // Its images came to the front.
    send(&mut window, smalti::document::Layout::Show(ViewId::Codebook));
    assert!(window.query_by_label("set").is_some(), "{:?}", labels(&window, ""));
    click_label(&mut window, "set");
    let code = tokens(&window).first().codes()[7];
    send(&mut window, Edit::SelectCode(Some(Code::first(code))));
    for sample in ["in 64 of 70 images of the set", "in all 70 images of the set"] {
        point_nowhere(&mut window);
        assert!(says(&window, sample), "{:?}", labels(&window, "images"));
        let said = labels(&window, &format!("code {code} · ")).remove(0);
        let number = |text: &str| text.replace('\u{a0}', "").parse::<f64>().unwrap();
        let (count, rest) = said.split_once(" · ").unwrap().1.split_once(" of ").unwrap();
        let all = number(rest.split_once(" tokens").unwrap().0);
        let share = format!("{:.2} % of tokens", number(count) / all * 100.0);
        assert!(says(&window, &share), "{said}: {:?}", labels(&window, "% of tokens"));
        click_label(&mut window, "all");
    }
    // Another set is not counted whole because this one was.
    send(&mut window, Look::WholeSet(true));
    assert!(window.state().document().looks.whole_set);
    send(&mut window, Open::Source(small.source()));
    assert!(!window.state().document().looks.whole_set);
}

#[test]
fn a_tokenizer_has_a_card_with_units_and_what_it_was_trained_on() {
    let mut window = open_sized(empty(tab(ViewId::Checkpoint)), [1280.0, 800.0]);
    let image = smalti_tests::window::assets().join("samples/kodim23.png");
    window.state().send(Open::Size(WorkingSize::square(128, 1)));
    send(&mut window, Open::Path(image));
    for line in [
        "worlds-fsq",
        "8 × 5 × 5 × 5",
        "4 pixels a token along a side",
        "comes with Smalti, 1.4 MB",
        "10\u{a0}000 steps of 16 images of 64×64 pixels: 40 % Worlds, 50 % photos.tar",
        "1\u{a0}024 tokens, 32×32, of kodim23.png at 128×128 pixels",
        "of kodim23.png alone, without edits",
    ] {
        assert!(says(&window, line), "{line:?}: {:?}", labels(&window, ""));
    }
}

/// Keeps a thread of the engine busy until it is told to end.
#[derive(Debug, Clone)]
struct Busy(Arc<AtomicBool>);

impl PartialEq for Busy {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
impl Eq for Busy {}
impl std::hash::Hash for Busy {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}
impl Question for Busy {
    type Answer = ();
    fn answer(&self, desk: &Desk<'_>) -> Result<()> {
        while !self.0.load(Ordering::Relaxed) {
            desk.check()?;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
    fn bytes((): &()) -> usize {
        0
    }
}

#[test]
fn ordering_by_hue_does_not_stand_in_the_way_of_what_a_view_waits_for() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Codebook)), [1000.0, 700.0]);
    small.open_in(&mut window);
    // While the lane for what can wait is taken, the order is not worked out on the other one.
    let busy = Busy(Arc::default());
    window.state().session().ask(Lane::Soon, &busy);
    // Somebody waits for it, so that no frame without a question ends it (a click takes several).
    let (asker, waited) = (window.state().session().asker(), busy.clone());
    let waiter = std::thread::Builder::new().name("waiter".to_owned());
    let waiter = waiter.spawn(move || asker.wait(&waited)).unwrap();
    let steps = |window: &mut Window| {
        for _ in 0..60 {
            window.step();
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    steps(&mut window);
    window.get_by_label("hue").click();
    steps(&mut window);
    assert!(says(&window, "Counting"), "the order by hue waits");
    assert!(says(&window, "codes used"), "and the codes stay where they are");
    busy.0.store(true, Ordering::Relaxed);
    assert!(waiter.join().unwrap().is_ok());
    settle(&mut window);
    assert!(!says(&window, "Counting"));
    click_label(&mut window, "index");
}

#[test]
fn a_file_of_tokens_is_counted_itself_and_no_set_that_was_open_before() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Codebook)), [1100.0, 800.0]);
    small.open_in(&mut window);
    click_label(&mut window, "set");
    assert!(says(&window, "of all 3 images"), "{:?}", labels(&window, "sample"));
    let path = small.pictures().join("../own.safetensors");
    let grid = Tokens::grid(2, 2, 20, vec![3, 3, 3, 7]).unwrap();
    std::fs::write(&path, safetensors_bytes(&[grid], &Maker::default()).unwrap()).unwrap();
    send(&mut window, Open::Path(path));
    send(&mut window, smalti::document::Layout::Show(ViewId::Codebook));
    assert!(window.state().document().image().is_none());
    for said in ["used: 2 of 20 codes", "sample: 4 tokens, ceiling"] {
        assert!(says(&window, said), "{said}: {:?}", labels(&window, ": "));
    }
    assert!(!says(&window, "3 images"), "{:?}", labels(&window, "images"));
    assert!(window.query_by_label("set").is_none(), "there is no set that it is of");
    // Back at an image what was chosen holds again.
    small.open_in(&mut window);
    assert!(says(&window, "of all 3 images"));
}

#[test]
fn a_code_has_one_color_whether_it_is_shown_large_or_small() {
    let small = Small::new();
    let Some(mut window) = open_drawn(empty(tab(ViewId::Code)), [500.0, 700.0]) else { return };
    small.open_in(&mut window);
    for number in [3, 11] {
        send(&mut window, Edit::SelectCode(Some(Code::first(number))));
        send(&mut window, Edit::PinCode(Code::first(number)));
        point_nowhere(&mut window);
        let large = rect_of(&window, &format!("Code {number}, decoded"));
        let swatch = format!("Code {number}");
        let swatch = window.get_by_role_and_label(egui::Role::Button, &swatch).rect();
        let screen = drawn(&mut window);
        // A patch is of two pixels a side: each in the middle of its quarter, where nothing is smoothed.
        for (row, column) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let [one, other] =
                [large, swatch].map(|rect| pixel(&screen, middle_of(rect, (row, column), (2, 2))));
            assert!(apart(one, other) < 6, "code {number}: {one:?} and {other:?}");
        }
        send(&mut window, Edit::PinCode(Code::first(number)));
    }
}
