//! What can be taken away: pictures, maps and numbers by their own menus.

use std::path::Path;
use std::sync::Arc;

use egui::{Event, Modifiers, PointerButton};
use egui_kittest::kittest::{NodeT, Queryable};
use smalti::document::{
    AppCommand, CompareMode, Edit, How, Look, Open, Pair, Panel, PanelId, Slot, ViewId,
};
use smalti_engine::questions::ModelRef;
use smalti_engine::token_files::from_arrays::Wanted;
use smalti_engine::tokens::Cell;
use smalti_tests::window::{
    Small, Window, click, click_label, compared, drawn, empty, labels, open_drawn, open_sized,
    press, rect_of, says, send, settle, tab, tokens,
};

/// The menu of what has a name.
pub(super) fn open_menu(window: &mut Window, name: &str) {
    let at = rect_of(window, name).center();
    open_menu_at(window, at);
}

/// The menu of what is at a place.
fn open_menu_at(window: &mut Window, at: egui::Pos2) {
    window.hover_at(at);
    for pressed in [true, false] {
        let (button, modifiers) = (PointerButton::Secondary, Modifiers::NONE);
        window.event(Event::PointerButton { pos: at, button, pressed, modifiers });
    }
    settle(window);
}

const ASKED: &str = "The system shows no file dialog here; type the path.";

/// Frames until it is asked where something is to be saved.
fn wait_for_field(window: &mut Window) {
    for _ in 0..200 {
        window.step();
        if says(window, ASKED) {
            break;
        }
    }
}

/// Types where something is to be saved, as there is no system's dialog.
pub(super) fn save_to(window: &mut Window, path: &Path) {
    wait_for_field(window);
    let role = egui::accesskit::Role::TextInput;
    window.get_by_role_and_label(role, ASKED).focus();
    window.step();
    window.key_press_modifiers(Modifiers::COMMAND, egui::Key::A);
    window.step();
    window.get_by_role_and_label(role, ASKED).type_text(path.to_str().unwrap());
    window.step();
    window.key_press(egui::Key::Enter);
    settle(window);
}

fn open(layout: Panel) -> (Window, Small) {
    let small = Small::new();
    let mut window = open_sized(empty(layout), [1100.0, 700.0]);
    small.open_in(&mut window);
    (window, small)
}

#[test]
fn a_picture_is_saved_as_large_as_wanted_and_says_what_it_is() {
    let (mut window, small) = open(tab(ViewId::Tokens));
    let cells = std::sync::Arc::new([Cell::at(1, 1)].into());
    send(&mut window, Edit::ForceCells { cells, code: 3 });
    let path = small.pictures().join("../taken.png");
    open_menu(&mut window, "Reconstruction");
    click_label(&mut window, "Save as PNG, 2×…");
    save_to(&mut window, &path);
    let bytes = std::fs::read(&path).unwrap();
    let picture = image::load_from_memory(&bytes).unwrap().to_rgb8();
    let shown = compared(&window).reconstruction.clone();
    assert_eq!(picture.dimensions(), (2 * shown.width(), 2 * shown.height()));
    assert_eq!(Some(picture.get_pixel(5, 3).0), shown.pixel(2, 1));
    let text = String::from_utf8_lossy(&bytes);
    for word in ["Smalti", "picture 0.png", "1 forced cell", "dB"] {
        assert!(text.contains(word), "{word}");
    }
}

#[test]
fn a_picture_of_another_tokenizer_is_saved_as_its_own_in_every_mode() {
    let (mut window, small) = open(tab(ViewId::Compare));
    send(&mut window, Open::Model(Slot::B, ModelRef::Shipped("worlds-fsq".into())));
    let of_b = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        assert!(text.contains("worlds-fsq") && text.contains("dB"), "{text}");
        assert!(!text.contains("tiny"), "it is not the first tokenizer's");
    };
    let path = small.pictures().join("../b.png");
    open_menu(&mut window, "Reconstruction B");
    click_label(&mut window, "Save as PNG, 1×…");
    save_to(&mut window, &path);
    let side = std::fs::read(&path).unwrap();
    of_b(&side);
    let pixels = |bytes: &[u8]| image::load_from_memory(bytes).unwrap().to_rgb8();
    let of_a = compared(&window).reconstruction.clone();
    assert!(pixels(&side).as_raw().as_slice() != &of_a.rgb()[..], "another picture than A's");

    // The slider's menu is of the picture that was pointed at.
    send(&mut window, Look::Compare(CompareMode::Slider));
    send(&mut window, Look::Pair(Some(Pair { left: Some(Slot::A), right: Slot::B })));
    let place = rect_of(&window, "Slider of A|B");
    for (x, is_b) in [(0.8, true), (0.2, false)] {
        let path = small.pictures().join(format!("../{x}.png"));
        open_menu_at(&mut window, place.lerp_inside(egui::vec2(x, 0.5)));
        click_label(&mut window, "Save as PNG, 1×…");
        save_to(&mut window, &path);
        let bytes = std::fs::read(&path).unwrap();
        if is_b {
            of_b(&bytes);
            assert_eq!(pixels(&bytes), pixels(&side));
        } else {
            assert_eq!(pixels(&bytes).as_raw().as_slice(), &of_a.rgb()[..]);
            assert!(String::from_utf8_lossy(&bytes).contains("tiny"));
        }
    }
}

#[test]
fn the_grid_is_saved_as_numbers_a_line_a_row() {
    let (mut window, small) = open(tab(ViewId::Tokens));
    let part = tokens(&window).part(0).unwrap().clone();
    let path = small.pictures().join("../taken.csv");
    let grid = format!("Token grid, {} rows, {} columns", part.rows(), part.columns());
    open_menu(&mut window, &grid);
    click_label(&mut window, "Save its numbers, CSV…");
    save_to(&mut window, &path);
    let text = std::fs::read_to_string(&path).unwrap();
    let found: Vec<u32> =
        text.lines().flat_map(|line| line.split(',')).map(|code| code.parse().unwrap()).collect();
    assert_eq!(text.lines().count(), part.rows());
    assert_eq!(found, *part.codes().to_vec());
}

#[test]
fn a_map_of_differences_is_saved_with_its_values_and_a_codebook_with_its_counts() {
    let layout = Panel::Row(vec![(0.6, tab(ViewId::Compare)), (0.4, tab(ViewId::Codebook))]);
    let (mut window, small) = open(layout);
    let path = small.pictures().join("../difference.csv");
    open_menu(&mut window, "Difference");
    click_label(&mut window, "Save its numbers, CSV…");
    save_to(&mut window, &path);
    let text = std::fs::read_to_string(&path).unwrap();
    let values: Vec<f32> =
        text.lines().flat_map(|line| line.split(',')).map(|value| value.parse().unwrap()).collect();
    assert_eq!(values, compared(&window).absolute.to_vec());

    let path = small.pictures().join("../codes.csv");
    send(&mut window, AppCommand::Export("codes-tiny".to_owned(), How::Csv));
    save_to(&mut window, &path);
    let text = std::fs::read_to_string(&path).unwrap();
    // Nothing but the table, so that spreadsheets and pandas read it unasked.
    assert!(text.starts_with("code,count\n"), "{text}");
    let counts = text.lines().skip(1).map(|line| line.split_once(',').unwrap().1);
    let sum: u64 = counts.map(|count| count.parse::<u64>().unwrap()).sum();
    assert_eq!(sum, tokens(&window).part(0).unwrap().codes().len() as u64);
}

#[test]
fn what_is_seen_is_taken_away_by_the_palette_too() {
    let (mut window, small) = open(tab(ViewId::Tokens));
    press(&mut window, Modifiers::COMMAND, egui::Key::P);
    // The palette lies over the field for a code.
    let field = window.get_all_by_role(egui::accesskit::Role::TextInput).last().unwrap();
    field.type_text("decoded: save as png, 4");
    window.step();
    window.key_press(egui::Key::Enter);
    let path = small.pictures().join("../taken.png");
    save_to(&mut window, &path);
    let picture = image::open(&path).unwrap().to_rgb8();
    assert_eq!(picture.width(), 4 * compared(&window).reconstruction.width());
    // What is not seen says so, and asks for nothing.
    send(&mut window, AppCommand::Export("histogram-tiny".to_owned(), How::Svg));
    assert!(says(&window, "histogram-tiny is not seen any more"));
}

#[test]
fn what_was_worked_in_last_is_what_is_taken_away_first() {
    let layout = Panel::Row(vec![(0.4, tab(ViewId::Dataset)), (0.6, tab(ViewId::Tokens))]);
    let (mut window, small) = open(layout);
    let at = rect_of(&window, "Token grid").center();
    click(&mut window, at, Modifiers::NONE);
    press(&mut window, Modifiers::COMMAND, egui::Key::P);
    let field = window.get_all_by_role(egui::accesskit::Role::TextInput).last().unwrap();
    field.type_text("save as png, 1");
    settle(&mut window);
    let first = labels(&window, "Save as PNG, 1×").remove(0);
    assert_eq!(first, "Save as PNG, 1×…, Tokens", "which view it is of");
    window.key_press(egui::Key::Enter);
    let path = small.pictures().join("../taken.png");
    save_to(&mut window, &path);
    let bytes = std::fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("picture 0.png") && text.contains("tokenizer tiny"), "of the grid");
}

#[test]
fn figures_are_taken_away_as_vectors_that_say_what_they_are() {
    let (mut window, small) = open(tab(ViewId::Codebook));
    let taken = |window: &mut Window, name: &str, how: How, file: &str| {
        send(window, AppCommand::Export(name.to_owned(), how));
        let path = small.pictures().join(file);
        save_to(window, &path);
        std::fs::read(&path).unwrap()
    };
    for name in ["histogram-tiny", "codes-tiny"] {
        let bytes = taken(&mut window, name, How::Svg, &format!("../{name}.svg"));
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("<svg ") && text.trim_end().ends_with("</svg>"), "{name}");
        for word in ["<metadata", "picture 0.png", "tokenizer tiny", "Smalti 0", "<rect"] {
            assert!(text.contains(word), "{name}: {word}");
        }
    }
    let png = taken(&mut window, "histogram-tiny", How::Png(2), "../histogram.png");
    let picture = image::load_from_memory(&png).unwrap();
    let chart = smalti::figures::chart::SIZE;
    assert_eq!((picture.width(), picture.height()), (2 * chart.0, 2 * chart.1));
}

#[test]
fn a_figure_of_a_set_names_the_set_and_how_much_of_it_and_not_the_image_that_is_open() {
    let (mut window, small) = open(tab(ViewId::Codebook));
    // Nothing that is counted over a set has to do with what was done to one image.
    send(&mut window, Edit::ForceCells { cells: Arc::new([Cell::at(1, 1)].into()), code: 3 });
    click_label(&mut window, "set");
    for (name, how, file) in [
        ("codes-tiny", How::Svg, "pictures-all-3-images-codes-tiny.svg"),
        ("histogram-tiny", How::Csv, "pictures-all-3-images-histogram-tiny.csv"),
        ("use-by-image-tiny", How::Svg, "pictures-all-3-images-use-by-image-tiny.svg"),
    ] {
        window.state().send(AppCommand::Export(name.to_owned(), how));
        wait_for_field(&mut window);
        let role = egui::accesskit::Role::TextInput;
        let field = window.get_by_role_and_label(role, ASKED);
        assert_eq!(field.accesskit_node().value().as_deref(), Some(file));
        let path = small.pictures().join("..").join(file);
        save_to(&mut window, &path);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("picture 0") && !text.contains("forced"), "{file}: {text}");
        if how == How::Svg {
            for word in ["<dc:source>pictures-all-3-images</dc:source>", "tokenizer tiny"] {
                assert!(text.contains(word), "{file}: {word}");
            }
        }
    }
}

#[test]
fn tokens_are_saved_from_the_grid_as_an_array_and_with_their_maker() {
    let (mut window, small) = open(tab(ViewId::Tokens));
    send(&mut window, Edit::ForceCells { cells: Arc::new([Cell::at(1, 1)].into()), code: 3 });
    for ending in ["npy", "safetensors"] {
        open_menu(&mut window, "Token grid, ");
        click_label(&mut window, &format!("Save its tokens, .{ending}…"));
        let path = small.pictures().join(format!("../taken.{ending}"));
        save_to(&mut window, &path);
        let read = smalti_engine::token_files::read(&path, &Wanted::default(), None).unwrap();
        let found = read.images[0].part(0).unwrap().codes().to_vec();
        let shown = window.state().document().tokens(&smalti_tests::window::encoded(&window));
        assert_eq!(found, shown.part(0).unwrap().codes().to_vec(), "{ending}");
        assert_eq!(read.maker.model.is_some(), ending == "safetensors");
    }
}

#[test]
fn a_view_is_taken_away_as_it_is_seen() {
    let small = Small::new();
    let layout = Panel::Row(vec![(0.5, tab(ViewId::Tokens)), (0.5, tab(ViewId::Codebook))]);
    let Some(mut window) = open_drawn(empty(layout), [1000.0, 600.0]) else { return };
    small.open_in(&mut window);
    let screen = drawn(&mut window);
    let panel = PanelId { view: ViewId::Codebook, number: 0 };
    send(&mut window, AppCommand::ExportWindow(Some(panel), How::Png(1)));
    let path = small.pictures().join("../view.png");
    save_to(&mut window, &path);
    let view = image::open(&path).unwrap().to_rgb8();
    assert!((450..=500).contains(&view.width()), "{}", view.width());
    // Its lower right corner is that of the view on the screen.
    let at = |picture: &image::RgbImage, x: u32, y: u32| picture.get_pixel(x, y).0;
    let cells = rect_of(&window, "codes used").center();
    let left = 1000 - view.width();
    let on_screen = screen.get_pixel(cells.x as u32, cells.y as u32).0;
    let bar = cells.y as u32;
    let same = (0..view.height())
        .any(|y| at(&view, cells.x as u32 - left, y) == [on_screen[0], on_screen[1], on_screen[2]]);
    assert!(same, "the color at {bar} is in that column of the view");
}

#[cfg(target_os = "linux")]
#[test]
fn what_cannot_be_saved_says_why() {
    let (mut window, _small) = open(tab(ViewId::Tokens));
    open_menu(&mut window, "Reconstruction");
    click_label(&mut window, "Save as PNG, 1×…");
    save_to(&mut window, Path::new("/proc/taken.png"));
    assert!(says(&window, "taken.png was not saved: "), "{:?}", window.state().notices());
}
