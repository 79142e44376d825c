//! What the Generate view must not hide: failures behind an older picture, settings that are others by now,
//! work that would be lost.

use egui::{Event, Key, Modifiers};
use egui_kittest::kittest::Queryable;
use smalti::document::{Asked, Edit, Generate, GeneratedColor, Layout, Open, Panel, ViewId};
use smalti::look::palette::viridis;
use smalti_engine::generators::{Unmasking, Way};
use smalti_engine::questions::{ModelInfo, ModelRef, Stamp};
use smalti_engine::tokens::Cell;
use smalti_tests::tiny::tiny_generator;
use smalti_tests::window::{
    Small, Window, click, click_label, drag, empty, labels, middle_of, open_sized, press, rect_of,
    says, send, settle, until,
};

use super::exports::{open_menu, save_to};

/// The window with a generated picture of a masked generator, and the folder of both files.
fn generated() -> (Window, Small) {
    let small = Small::new();
    let layout = Panel::Tabs { views: vec![ViewId::Generate, ViewId::Tokens], front: None };
    let mut window = open_sized(empty(layout), [1280.0, 800.0]);
    write_generator(&window, &small, "painter.safetensors");
    send(&mut window, Open::Path(small.model().with_file_name("painter.safetensors")));
    click_label(&mut window, "Start");
    until(&mut window, "Generation done");
    (window, small)
}

fn write_generator(window: &Window, small: &Small, name: &str) {
    let model = ModelRef::File { path: small.model().into(), stamp: Stamp::default() }.now();
    let facts = window.state().session().wait(&ModelInfo { model }).unwrap();
    let path = small.model().with_file_name(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    tiny_generator(&path, Way::MaskGit, &facts.token_hash);
}

fn asked(window: &Window) -> Asked {
    Asked::clone(window.state().document().generating.asked.as_ref().unwrap())
}

fn ask(window: &mut Window, asked: Asked) {
    send(window, Generate::Ask(Box::new(asked)));
}

#[test]
fn what_cannot_decode_is_said_beside_the_older_picture_and_can_be_chosen_anew() {
    let (mut window, _small) = generated();
    let wrong = Some(ModelRef::Shipped("worlds-fsq".into()));
    let next = Asked { tokenizer: wrong, ..asked(&window) };
    ask(&mut window, next);
    assert!(says(&window, "its tokens are others"), "{:?}", labels(&window, "tokens"));
    assert!(says(&window, "decoded from 64 tokens"), "the picture of before stays");
    click_label(&mut window, "Decode by…");
    window.get_all_by_label("its own").last().unwrap().click();
    settle(&mut window);
    assert!(!says(&window, "its tokens are others"));
    assert_eq!(asked(&window).tokenizer, None);
}

#[test]
fn a_picture_of_other_settings_says_so() {
    let (mut window, _small) = generated();
    assert!(!says(&window, "before the settings were changed"));
    let next = Asked { seed: 9, ..asked(&window) };
    ask(&mut window, next);
    assert!(says(&window, "seed 1, before the settings were changed"));
    click_label(&mut window, "Start");
    until(&mut window, "Generation done");
    assert!(!says(&window, "before the settings were changed"));
}

#[test]
fn settings_beyond_the_sliders_are_not_changed_by_being_shown() {
    let (mut window, _small) = generated();
    let mut next = asked(&window);
    next.unmasking = Unmasking { steps: 100, choice_temperature: 31.0, ..next.unmasking };
    next.sampling.guidance = 12.125;
    next.sampling.top_p = 0.999;
    ask(&mut window, next.clone());
    press(&mut window, Modifiers::NONE, Key::G);
    settle(&mut window);
    assert_eq!(asked(&window), next);
}

#[test]
fn quitting_asks_before_cells_that_were_kept_are_lost() {
    let (mut window, _small) = generated();
    let next = asked(&window).giving(Cell::at(2, 3), Some(5));
    ask(&mut window, next);
    let viewport = window.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default();
    viewport.events.push(egui::ViewportEvent::Close);
    window.step();
    let viewport = window.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default();
    viewport.events.clear();
    settle(&mut window);
    assert!(window.query_by_label("Quit without saving").is_some(), "it asks");
}

#[test]
fn a_generator_that_was_written_again_is_read_again_when_it_is_chosen() {
    let (mut window, small) = generated();
    let before = asked(&window).generator;
    write_generator(&window, &small, "painter.safetensors");
    assert_ne!(before.clone().now(), before, "the file is another one by its time");
    click_label(&mut window, "Generator, painter");
    window.get_all_by_label("painter").last().unwrap().click();
    settle(&mut window);
    assert_eq!(asked(&window).generator, before.now());
}

#[test]
fn two_generators_of_one_name_are_told_by_their_folders() {
    let (mut window, small) = generated();
    write_generator(&window, &small, "other/painter.safetensors");
    std::fs::copy(small.model(), small.model().with_file_name("other").join("tiny.safetensors"))
        .unwrap();
    let path = small.model().with_file_name("other").join("painter.safetensors");
    send(&mut window, Open::Path(path));
    send(&mut window, Layout::Show(ViewId::Generate));
    assert!(says(&window, "Generator, other/painter"), "{:?}", labels(&window, "Generator"));
}

#[test]
fn arrows_walk_over_the_picture_as_over_the_grid() {
    let (mut window, _small) = generated();
    let picture = rect_of(&window, "Picture at this step");
    let at = middle_of(picture, (3, 2), (8, 8));
    click(&mut window, at, Modifiers::NONE);
    assert!(says(&window, "Cell in row 3, column 2, pinned"), "{:?}", labels(&window, "Cell"));
    window.event(Event::PointerGone);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert!(says(&window, "Cell in row 3, column 3, pinned"), "{:?}", labels(&window, "Cell"));
}

#[test]
fn whoever_wants_to_select_what_is_generated_is_told_where() {
    let (mut window, _small) = generated();
    let grid = rect_of(&window, "Generated tokens");
    let at = |row, column| middle_of(grid, (row, column), (8, 8));
    let told = "in Generate brings the tokens of a step there";
    assert!(!says(&window, told));
    drag(&mut window, at(1, 1), at(4, 5));
    assert!(says(&window, "Cells are selected in Tokens, not here") && says(&window, told));
    assert!(window.state().document().selection.cells.is_empty());
    // Also who asks for what needs a selection.
    let (mut window, _small) = generated();
    press(&mut window, Modifiers::COMMAND, Key::L);
    assert!(says(&window, told), "{:?}", labels(&window, "select"));
}

#[test]
fn what_line_and_bars_of_the_timeline_are_is_said_above_them() {
    let (window, _small) = generated();
    let (legend, bars) =
        (rect_of(&window, "masked (line)"), rect_of(&window, "Generation timeline"));
    assert!(legend.bottom() <= bars.top() + 1.0, "{legend:?} lies over {bars:?}");
    assert!(says(&window, "mean confidence to"), "{:?}", labels(&window, "masked"));
}

#[test]
fn brackets_are_the_timeline_s_while_it_has_the_keyboard_and_the_brush_s_otherwise() {
    let (mut window, _small) = generated();
    let brush = |window: &Window| window.state().document().selection.brush;
    let before = brush(&window);
    let timeline = rect_of(&window, "Generation timeline").center();
    click(&mut window, timeline, Modifiers::NONE);
    assert!(says(&window, "Speed of playing, 1×"), "{:?}", labels(&window, "Speed"));
    press(&mut window, Modifiers::NONE, Key::CloseBracket);
    assert!(says(&window, "Speed of playing, 2×"), "{:?}", labels(&window, "Speed"));
    press(&mut window, Modifiers::NONE, Key::OpenBracket);
    press(&mut window, Modifiers::NONE, Key::OpenBracket);
    assert!(says(&window, "Speed of playing, 0.5×"), "{:?}", labels(&window, "Speed"));
    assert_eq!(brush(&window), before, "the brush is left alone");
    let grid = rect_of(&window, "Generated tokens");
    click(&mut window, middle_of(grid, (3, 2), (8, 8)), Modifiers::NONE);
    press(&mut window, Modifiers::NONE, Key::CloseBracket);
    assert_eq!(brush(&window), before + 1);
    assert!(says(&window, "Speed of playing, 0.5×"));
}

#[test]
fn the_arrows_are_a_menu_s_while_it_is_open() {
    let (mut window, _small) = generated();
    let grid = rect_of(&window, "Generated tokens");
    click(&mut window, middle_of(grid, (3, 2), (8, 8)), Modifiers::NONE);
    open_menu(&mut window, "Generated tokens");
    assert!(says(&window, "Copy picture"), "the menu is open");
    press(&mut window, Modifiers::NONE, Key::ArrowDown);
    press(&mut window, Modifiers::NONE, Key::Escape);
    window.event(Event::PointerGone);
    settle(&mut window);
    assert!(says(&window, "Cell in row 3, column 2, pinned"), "{:?}", labels(&window, "Cell"));
}

#[test]
fn nothing_of_a_moment_is_kept_in_a_grid_of_another_size() {
    let (mut window, _small) = generated();
    let grid = rect_of(&window, "Generated tokens");
    click(&mut window, middle_of(grid, (3, 2), (8, 8)), Modifiers::NONE);
    assert!(window.query_by_label("Keep").is_some());
    let (before, why) = (asked(&window), "nothing of this can stay in it");
    assert!(!says(&window, why));
    let wide = Asked { grid: Some((8, 12)), ..before.clone() };
    ask(&mut window, wide.clone());
    assert!(window.query_by_label("Keep").is_none() && says(&window, why));
    let is_other = |said: &&String| !said.ends_with(", drawn") && !said.ends_with(", cut");
    let all = labels(&window, ", probability ");
    let other = all.iter().find(is_other).unwrap();
    click_label(&mut window, other);
    assert_eq!(asked(&window), wide, "the cell stands elsewhere in it");
    ask(&mut window, before);
    assert!(window.query_by_label("Keep").is_some() && asked(&window).given.is_empty());
    click_label(&mut window, "Keep");
    assert!(asked(&window).given.contains_key(&Cell::at(3, 2)));
}

#[test]
fn a_generated_picture_that_is_taken_away_says_nothing_of_the_image_that_is_open() {
    let (mut window, small) = generated();
    small.open_in(&mut window);
    let cells = std::sync::Arc::new([Cell::at(1, 1)].into());
    send(&mut window, Edit::ForceCells { cells, code: 3 });
    send(&mut window, Layout::Show(ViewId::Generate));
    let path = small.pictures().join("../generated.png");
    open_menu(&mut window, "Picture at this step");
    click_label(&mut window, "Save as PNG, 1×…");
    save_to(&mut window, &path);
    let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
    for word in ["Source", "painter, any class, seed 1", "tokenizer ", "tiny"] {
        assert!(text.contains(word), "{word}");
    }
    for word in ["picture 0", "forced", "worked on at"] {
        assert!(!text.contains(word), "{word} is the image's");
    }
}

#[test]
fn confidence_is_colored_by_its_logarithm_and_a_key_says_from_where_to_where() {
    let (mut window, small) = generated();
    send(&mut window, Generate::ColorBy(GeneratedColor::Confidence));
    // Of twenty codes: drawn blindly each has a twentieth.
    assert!(says(&window, "scale from 1/20 to 1"), "{:?}", labels(&window, "scale"));
    let path = small.model().with_file_name("sure.png");
    open_menu(&mut window, "Generated tokens");
    click_label(&mut window, "Save as PNG, 1×…");
    save_to(&mut window, &path);
    let picture = image::open(&path).unwrap().to_rgb8();
    let moment = window.state().document().generating.moment.clone().unwrap();
    let trace = window.state().generations().get(&moment.asked).unwrap();
    let proposals = trace.steps.iter().flat_map(|traced| &traced.step.proposals);
    let mut cells = 0;
    for proposal in proposals.filter(|proposal| proposal.kept) {
        let share = 1.0 + proposal.probability.ln() / 20_f32.ln();
        let [x, y] = [proposal.cell.column, u32::from(proposal.cell.row)].map(|at| 16 * at + 8);
        let seen = picture.get_pixel(x, y).0;
        let apart = |at: &u32| -> u32 {
            let color = viridis(*at as f32 / 200.0);
            seen.iter().zip(color).map(|(a, b)| u32::from(a.abs_diff(b))).sum()
        };
        // The window's map is a finer one of the same colors.
        let at = (0..=200).min_by_key(apart).unwrap() as f32 / 200.0;
        assert!((at - share.clamp(0.0, 1.0)).abs() < 0.03, "{}: {at}, {share}", proposal.cell);
        cells += 1;
    }
    assert_eq!(cells, 64);
}
