//! The Likelihood view: bits of the tokens at hand by the generator that is open. What is shown is compared with what
//! the question of the command line answers.

use std::sync::Arc;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use smalti::document::{Edit, Layout, Open, Panel, ViewId};
use smalti_engine::generators::{TokenBits, Told, Way};
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{Likelihood, ModelInfo, ModelRef, Stamp};
use smalti_engine::tokens::Cell;
use smalti_tests::tiny::{scales_model, tiny_generator, tiny_var};
use smalti_tests::window::{
    Small, Window, click, click_label, empty, encoded, is_in_front, labels, middle_of, open_sized,
    press, rect_of, says, send, tokens,
};

use super::exports::{open_menu, save_to};

fn open_window() -> (Window, Small) {
    let layout = Panel::Tabs { views: vec![ViewId::Likelihood, ViewId::Tokens], front: None };
    (open_sized(empty(layout), [1280.0, 800.0]), Small::new())
}

fn file(small: &Small, name: &str) -> ModelRef {
    let path = small.model().with_file_name(name);
    ModelRef::File { path: path.into(), stamp: Stamp::default() }.now()
}

fn hash(window: &Window, model: ModelRef) -> String {
    window.state().session().wait(&ModelInfo { model }).unwrap().token_hash.clone()
}

/// Opens a generator of 8 x 8 tokens of the small tokenizer, and shows the view.
fn open_generator(window: &mut Window, small: &Small, way: Way) {
    let path = small.model().with_file_name("painter.safetensors");
    tiny_generator(&path, way, &hash(window, file(small, "tiny.safetensors")));
    send(window, Open::Path(path));
    send(window, Layout::Show(ViewId::Likelihood));
}

/// The bits of the tokens that are seen now, as the command line asks for them.
fn bits_of(window: &Window, fast: bool) -> Arc<TokenBits> {
    let asked = window.state().document().generating.asked.clone().unwrap();
    let (generator, encoded) = (asked.opens(), encoded(window));
    let tokens = window.state().document().tokens(&encoded);
    let question = Likelihood { generator, tokens, class: None, fast };
    window.state().session().wait(&question).unwrap()
}

/// What the view says of their sum.
fn sum_of(bits: &TokenBits, passes: &str) -> String {
    let (sum, count) = (bits.sum(), bits.bits.len());
    let mean = sum / count as f64;
    format!("{sum:.1} bits · {mean:.3} per token · {count} tokens · {passes}")
}

#[test]
fn without_a_generator_or_tokens_of_its_size_it_is_said_what_to_do() {
    let (mut window, small) = open_window();
    assert!(says(&window, "No generator is open"));
    open_generator(&mut window, &small, Way::Raster);
    small.open_in(&mut window);
    assert!(says(&window, "the tokens are 16 x 16"), "{:?}", labels(&window, "tokens"));
    click_label(&mut window, "Work at 16 pixels");
    assert_eq!(window.state().document().size.side, 16);
    let bits = bits_of(&window, false);
    assert!(says(&window, &sum_of(&bits, "1 pass")), "{:?}", labels(&window, "bits"));
    assert!(says(&window, Told::Likelihood.words()));
}

#[test]
fn a_masked_generator_is_asked_in_either_way_and_neither_is_called_a_likelihood() {
    let (mut window, small) = open_window();
    small.open_in(&mut window);
    send(&mut window, Open::Size(WorkingSize::square(16, 1)));
    open_generator(&mut window, &small, Way::MaskGit);
    let fast = bits_of(&window, true);
    assert!(says(&window, &sum_of(&fast, "8 passes")), "{:?}", labels(&window, "bits"));
    assert!(says(&window, Told::InGroups.words()));
    click_label(&mut window, "one at a time");
    let slow = bits_of(&window, false);
    assert_ne!(slow.bits, fast.bits);
    assert!(says(&window, &sum_of(&slow, "64 passes")), "{:?}", labels(&window, "bits"));
    assert!(says(&window, Told::OneAtATime.words()));
}

#[test]
fn cells_are_those_of_all_views_and_a_forced_token_is_judged_anew() {
    let (mut window, small) = open_window();
    small.open_in(&mut window);
    send(&mut window, Open::Size(WorkingSize::square(16, 1)));
    open_generator(&mut window, &small, Way::Raster);
    let before = bits_of(&window, false);
    let at = middle_of(rect_of(&window, "Surprise map"), (2, 5), (8, 8));
    click(&mut window, at, Modifiers::NONE);
    let selected = Arc::clone(&window.state().document().selection.cells);
    assert_eq!(*selected, [Cell::at(2, 5)].into());
    let words = format!("{:.2} bits · row 2, column 5", before.bits[2 * 8 + 5]);
    assert!(says(&window, &words), "{words}: {:?}", labels(&window, "row 2"));
    let own = tokens(&window).get(Cell::at(2, 5)).unwrap();
    send(&mut window, Edit::ForceCells { cells: selected, code: (own + 1) % 20 });
    let after = bits_of(&window, false);
    assert_ne!(after.bits, before.bits);
    assert!(says(&window, &sum_of(&after, "1 pass")), "{:?}", labels(&window, "bits"));
    assert_eq!(after.bits[..21], before.bits[..21], "what comes before knows nothing of it");
}

#[test]
fn of_scales_each_says_its_bits_and_is_picked_by_its_bar() {
    let (mut window, small) = open_window();
    let path = small.model().with_file_name("scales.safetensors");
    scales_model(&path);
    let scales = file(&small, "scales.safetensors");
    let steps = small.model().with_file_name("steps.safetensors");
    tiny_var(&steps, &hash(&window, scales.clone()));
    small.open_in(&mut window);
    send(&mut window, Open::Size(WorkingSize::square(8, 1)));
    send(&mut window, Open::Path(steps));
    send(&mut window, Layout::Show(ViewId::Likelihood));
    // The tokens are still those of another tokenizer.
    assert!(says(&window, "These tokens have no bits here"));
    click_label(&mut window, "Use scales");
    let bits = bits_of(&window, false);
    assert!(says(&window, Told::OfScales.words()), "{:?}", labels(&window, "exact"));
    let sums = bits.of_parts(&tokens(&window));
    for (side, sum) in [1, 2, 4].into_iter().zip(sums) {
        let mean = sum / f64::from(side * side);
        let words = format!("{side}×{side}: {sum:.1} bits, {mean:.3} per token");
        assert!(says(&window, &words), "{words}: {:?}", labels(&window, "×"));
    }
    let bar = labels(&window, "2×2: ").remove(0);
    click_label(&mut window, &bar);
    assert_eq!(window.state().document().selection.part, Some(1));
    assert!(says(&window, "Surprise map, 2 rows, 2 columns"));
}

#[test]
fn the_table_is_that_of_the_command_line_and_the_key_shows_the_view() {
    let (mut window, small) = open_window();
    small.open_in(&mut window);
    send(&mut window, Open::Size(WorkingSize::square(16, 1)));
    open_generator(&mut window, &small, Way::Raster);
    send(&mut window, Layout::Show(ViewId::Tokens));
    press(&mut window, Modifiers::NONE, Key::I);
    assert!(is_in_front(&window, ViewId::Likelihood));
    let path = small.model().with_file_name("bits.csv");
    open_menu(&mut window, "Surprise map");
    click_label(&mut window, "Save its numbers, CSV…");
    save_to(&mut window, &path);
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("part,row,column,code,bits"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 64);
    let (bits, tokens) = (bits_of(&window, false), tokens(&window));
    for (at, row) in rows.iter().enumerate() {
        let place = [0, at / 8, at % 8].map(|number| number.to_string());
        assert_eq!(row[..3], place.each_ref().map(String::as_str));
        assert_eq!(row[3], tokens.first().codes()[at].to_string());
        assert_eq!(row[4].parse::<f32>().unwrap(), bits.bits[at]);
    }
}

#[test]
fn the_least_sure_tokens_are_selected_by_their_bits_once_these_are_known() {
    let (mut window, small) = open_window();
    small.open_in(&mut window);
    send(&mut window, Open::Size(WorkingSize::square(16, 1)));
    assert_eq!(tokens(&window).len(), 64, "they are known");
    press(&mut window, Modifiers::COMMAND, Key::T);
    assert!(says(&window, "no generator has said how sure it is"), "{:?}", labels(&window, "sure"));
    assert!(window.state().document().selection.cells.is_empty());
    open_generator(&mut window, &small, Way::Raster);
    let bits = bits_of(&window, false);
    press(&mut window, Modifiers::COMMAND, Key::T);
    let selected = Arc::clone(&window.state().document().selection.cells);
    assert_eq!(selected.len(), 6, "a tenth of 64");
    let of = |cell: &Cell| bits.bits[usize::from(cell.row) * 8 + cell.column as usize];
    let least = selected.iter().map(of).fold(f32::INFINITY, f32::min);
    let cells = tokens(&window).cells().map(|(cell, _)| cell).collect::<Vec<_>>();
    let others = cells.iter().filter(|cell| !selected.contains(cell)).map(of);
    assert!(others.fold(0.0, f32::max) <= least, "no other token costs more");
}

#[test]
fn the_bar_names_the_class_before_it_and_the_generator_whole() {
    let (mut window, small) = open_window();
    small.open_in(&mut window);
    send(&mut window, Open::Size(WorkingSize::square(16, 1)));
    let name = "worlds-of-a-generator";
    let path = small.model().with_file_name(format!("{name}.safetensors"));
    tiny_generator(&path, Way::MaskGit, &hash(&window, file(&small, "tiny.safetensors")));
    send(&mut window, Open::Path(path));
    for view in [ViewId::Likelihood, ViewId::Schedule] {
        send(&mut window, Layout::Show(view));
        let button = rect_of(&window, &format!("Generator, {name}"));
        let wide = 5.0 * name.len() as f32;
        assert!(button.width() >= wide, "{view:?}: there is room for all of it, {button:?}");
    }
    send(&mut window, Layout::Show(ViewId::Likelihood));
    let word = window.get_by_label("class").rect();
    let class = rect_of(&window, "Class, any");
    let generator = rect_of(&window, "Generator, ");
    assert!(
        word.right() <= class.left() && class.right() <= generator.left(),
        "{word:?} {class:?}"
    );
}

#[test]
fn enter_on_the_map_says_where_codes_are_forced() {
    let (mut window, small) = open_window();
    small.open_in(&mut window);
    send(&mut window, Open::Size(WorkingSize::square(16, 1)));
    open_generator(&mut window, &small, Way::Raster);
    let at = middle_of(rect_of(&window, "Surprise map"), (2, 5), (8, 8));
    click(&mut window, at, Modifiers::NONE);
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(says(&window, "Codes are forced in Tokens"));
}
