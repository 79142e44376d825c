//! Every command by its key and in the palette, and whose the keys are while something floats over the views.

use std::sync::Arc;

use egui::{Event, Key, Modifiers};
use egui_kittest::kittest::Queryable;
use smalti::document::{AppCommand, Edit, Layout, Panel, PanelId, ViewId};
use smalti::shell::actions::{self, Action};
use smalti::studio::StudioOptions;
use smalti_engine::questions::ImageRef;
use smalti_engine::tokens::{Cell, Code};
use smalti_tests::tiny::write_png;
use smalti_tests::window::{
    Small, Window, assets, click_label, empty, is_in_front, labels, open, open_sized, press, says,
    send, settle, tab,
};

use super::force;

/// Opens the palette and types into it.
fn search(window: &mut Window, query: &str) {
    press(window, Modifiers::COMMAND, Key::P);
    window.event(Event::Text(query.to_owned()));
    settle(window);
}

/// The rows of the palette that begin so, as they are read aloud.
fn rows(window: &Window, begin: &str) -> Vec<String> {
    labels(window, begin).into_iter().filter(|label| label.starts_with(begin)).collect()
}

fn layout() -> Panel {
    let views = [ViewId::Tokens, ViewId::Compare, ViewId::Codebook, ViewId::Code];
    Panel::Row(vec![
        (0.3, tab(ViewId::Dataset)),
        (0.7, Panel::Tabs { views: views.to_vec(), front: Some(ViewId::Tokens) }),
    ])
}

/// A window in which nearly everything can be done.
fn ready(small: &Small) -> Window {
    let mut window = open_sized(empty(layout()), [1280.0, 800.0]);
    small.open_in(&mut window);
    window
}

/// What can be seen of a window beside figures that change by themselves.
fn outcome(window: &Window) -> (String, String) {
    let document = format!("{:?}", window.state().document());
    let floats = ["Keys and gestures", "type the path", "Save what you changed?"];
    let floats: Vec<bool> = floats.iter().map(|text| says(window, text)).collect();
    let palette = window.query_all_by_label_contains(", view").count() > 4;
    let (layout, theme) = (window.state().layout(), window.state().theme());
    let rest = format!("{layout:?} {:?} {} {floats:?} {palette}", theme.choice, theme.scale);
    (document, rest)
}

#[test]
fn every_key_does_what_its_entry_in_the_palette_does() {
    let small = Small::new();
    let (mut by_key, mut by_name) = (ready(&small), ready(&small));
    let mut changed = 0;
    for action in actions::all().iter().filter(|action| !action.keys.is_empty()) {
        for window in [&mut by_key, &mut by_name] {
            // Something is picked, and there is something to undo.
            let cells = Arc::new([Cell::at(1, 2), Cell::at(3, 3)].into());
            send(window, force(1, 2, changed % 7));
            send(window, Edit::SelectCells(cells));
            send(window, Edit::SelectCode(Some(Code::first(9))));
        }
        assert_eq!(outcome(&by_key), outcome(&by_name), "before {action:?}");
        let before = outcome(&by_key);
        let key = action.keys[0];
        press(&mut by_key, key.modifiers, key.logical_key);
        search(&mut by_name, action.plain_name());
        press(&mut by_name, Modifiers::NONE, Key::Enter);
        let is_greyed =
            !rows(&by_name, &format!("{}, {}, not now", action.name, action.kind)).is_empty();
        if is_greyed {
            press(&mut by_name, Modifiers::NONE, Key::Escape);
        }
        assert_eq!(outcome(&by_key), outcome(&by_name), "{action:?}, greyed: {is_greyed}");
        changed += u32::from(outcome(&by_key) != before);
        for window in [&mut by_key, &mut by_name] {
            // A dialog or the palette is closed, what is presented is left, and nothing is picked.
            for _ in 0..2 {
                press(window, Modifiers::NONE, Key::Escape);
            }
            send(window, AppCommand::Dismiss);
        }
    }
    assert!(changed > 18, "only {changed} of them did something that is seen");
}

#[test]
fn the_palette_holds_everything_and_says_why_something_cannot_be_done_now() {
    let mut window = open_sized(empty(tab(ViewId::Log)), [1280.0, 800.0]);
    for action in actions::all() {
        search(&mut window, action.plain_name());
        let wanted = format!("{}, {}", action.name, action.kind);
        assert!(!rows(&window, &wanted).is_empty(), "{wanted}: {:?}", labels(&window, ", "));
        press(&mut window, Modifiers::NONE, Key::Escape);
    }
    search(&mut window, "lock selected cells");
    let row = rows(&window, "Lock selected cells");
    assert!(row[0].contains("not now: select cells"), "{row:?}");
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(!rows(&window, "Lock selected cells").is_empty(), "it stays: nothing was done");
}

#[test]
fn buttons_and_menus_of_a_view_are_in_the_palette_while_it_is_seen() {
    let small = Small::new();
    let mut window = ready(&small);
    search(&mut window, "Codes by count");
    assert!(rows(&window, "Codes by count")[0].contains("not now: show the Codebook"));
    press(&mut window, Modifiers::NONE, Key::Escape);
    send(&mut window, Layout::Show(ViewId::Codebook));
    search(&mut window, "codes-tiny: save its numbers");
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(says(&window, "type the path"), "as the menu of the cells does");
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(says(&window, "codes used"));
    search(&mut window, "Codes by count");
    press(&mut window, Modifiers::NONE, Key::Enter);
    send(&mut window, Layout::Show(ViewId::Compare));
    search(&mut window, "difference copy picture");
    press(&mut window, Modifiers::NONE, Key::Enter);
    let said = window.state().notices().list().last().cloned().unwrap();
    assert_eq!(said.summary, "Picture copied");
}

#[test]
fn a_path_is_completed_from_the_folder_that_is_typed() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("parrots.png");
    write_png(&image, 40, 32, 3);
    std::fs::create_dir(folder.path().join("pictures")).unwrap();
    std::fs::write(folder.path().join("pictures/inside.txt"), "a").unwrap();
    let mut window = open();
    let typed = folder.path().display().to_string();
    search(&mut window, &format!("{typed}/p"));
    assert_eq!(
        rows(&window, &format!("{typed}/pictures/, folder")).len(),
        1,
        "{:?}",
        labels(&window, "p")
    );
    assert_eq!(rows(&window, &format!("{typed}/parrots.png, file")).len(), 1);
    // Folders come first; Tab goes on into the one that is picked.
    press(&mut window, Modifiers::NONE, Key::Tab);
    settle(&mut window);
    assert_eq!(rows(&window, &format!("{typed}/pictures/inside.txt, file")).len(), 1);
    press(&mut window, Modifiers::NONE, Key::Escape);
    search(&mut window, &format!("{typed}/PARR"));
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert_eq!(window.state().document().image(), Some(&ImageRef::file(&image)));
    search(&mut window, "/no such folder at all/x");
    assert!(says(&window, "Open /no such folder at all/x"), "the path itself can still be opened");
}

/// Puts something over the views.
type Float = fn(&mut Window);

#[test]
fn keys_do_nothing_behind_what_floats_over_the_views() {
    let small = Small::new();
    let mut window = ready(&small);
    // The keyboard is in the Dataset, whose arrows pick another image.
    click_label(&mut window, "Image 2");
    send(&mut window, force(1, 2, 7));
    let floating: [(&str, Float); 5] = [
        ("palette", |window| press(window, Modifiers::COMMAND, Key::P)),
        ("keys", |window| press(window, Modifiers::NONE, Key::F1)),
        ("about", |window| send(window, AppCommand::About)),
        ("path", |window| send(window, AppCommand::AskFile)),
        ("question", |window| send(window, AppCommand::New)),
    ];
    for (name, float) in floating {
        float(&mut window);
        let before = (window.state().document().clone(), window.state().layout());
        let plain = [
            Key::Num3,
            Key::ArrowRight,
            Key::ArrowDown,
            Key::Delete,
            Key::PageDown,
            Key::F5,
            Key::F11,
            Key::L,
        ];
        for key in plain {
            press(&mut window, Modifiers::NONE, key);
        }
        for key in [Key::Z, Key::L, Key::S, Key::O, Key::Plus] {
            press(&mut window, Modifiers::COMMAND, key);
        }
        window.event(Event::Paste("/somewhere/else.png".to_owned()));
        settle(&mut window);
        let after = (window.state().document().clone(), window.state().layout());
        assert_eq!(before, after, "behind the {name}");
        assert_eq!(window.state().theme().scale, 1.0, "behind the {name}");
        press(&mut window, Modifiers::NONE, Key::Escape);
        settle(&mut window);
        assert_eq!(window.state().document().edits.len(), 1, "{name}: Esc closed it alone");
    }
    // With nothing over them they act again.
    press(&mut window, Modifiers::NONE, Key::Num3);
    assert!(is_in_front(&window, ViewId::Codebook));
}

#[test]
fn escape_on_an_open_menu_closes_that_menu_alone() {
    let small = Small::new();
    let mut window = ready(&small);
    let cells: Arc<std::collections::BTreeSet<Cell>> = Arc::new([Cell::at(1, 2)].into());
    send(&mut window, Edit::SelectCells(Arc::clone(&cells)));
    click_label(&mut window, "Edit");
    assert!(says(&window, "Switch all codes on"));
    press(&mut window, Modifiers::NONE, Key::Num3);
    assert!(is_in_front(&window, ViewId::Tokens), "the menu has the keys");
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(!says(&window, "Switch all codes on"));
    assert_eq!(window.state().document().selection.cells, cells);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(window.state().document().selection.cells.is_empty());
}

#[test]
fn escape_in_a_field_leaves_the_field_alone() {
    let small = Small::new();
    let mut window = ready(&small);
    let cells: Arc<std::collections::BTreeSet<Cell>> = Arc::new([Cell::at(1, 2)].into());
    send(&mut window, Edit::SelectCells(Arc::clone(&cells)));
    window.get_by_label("Code to force").focus();
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().document().selection.cells, cells);
}

#[test]
fn the_list_of_keys_names_all_of_them_and_the_gestures_and_fits_a_small_screen() {
    let mut window = open_sized(StudioOptions::new(assets()), [1280.0, 800.0]);
    press(&mut window, Modifiers::NONE, Key::Questionmark);
    for action in actions::all().iter().filter(|action| !action.keys.is_empty()) {
        let is_named = |action: &Action| {
            labels(&window, action.plain_name()).iter().any(|label| label.contains(": "))
        };
        assert!(is_named(action), "{action:?}");
    }
    for gesture in ["Wheel: ", "Drag: ", "Double click: ", "Right click: ", "Middle drag: "] {
        assert!(says(&window, gesture), "{gesture}");
    }
    let screen = window.ctx.content_rect();
    for line in window.query_all_by_label_contains(": ") {
        assert!(screen.contains_rect(line.rect()), "{:?}", line.rect());
    }
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(!says(&window, "Keys and gestures"));
}

#[test]
fn what_developers_want_to_know_is_shown_when_asked_for() {
    let mut window = open();
    assert!(!says(&window, "longest engine piece"));
    search(&mut window, "developer's panel");
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(says(&window, "longest engine piece"));
    send(&mut window, AppCommand::Timings);
    assert!(!says(&window, "longest engine piece"));
}

#[test]
fn the_status_bar_overprints_nothing_and_shortens_in_one_order() {
    let small = Small::new();
    let mut shown_before: Option<usize> = None;
    for width in [300.0, 420.0, 560.0, 700.0, 900.0, 1280.0] {
        let mut window = open_sized(empty(tab(ViewId::Tokens)), [width, 500.0]);
        small.open_in(&mut window);
        for scale in [1.6, 1.0] {
            send(&mut window, AppCommand::TextScale(scale));
            let screen = window.ctx.content_rect();
            let top = screen.bottom() - 24.0 * scale;
            let nodes = window.query_all_by_label_contains("");
            let rects: Vec<egui::Rect> =
                nodes.map(|node| node.rect()).filter(|rect| rect.top() >= top - 1.0).collect();
            assert!(!rects.is_empty());
            for (at, rect) in rects.iter().enumerate() {
                assert!(screen.expand(1.0).contains_rect(*rect), "{width}: {rect:?}");
                for other in &rects[at + 1..] {
                    assert!(!rect.shrink(0.5).intersects(*other), "{width}: {rect:?} {other:?}");
                }
            }
        }
        // From the least important on: what is kept, how long it took; what is open is always there.
        let shown = [says(&window, " kept"), says(&window, "encode "), says(&window, "→")];
        let count = shown.iter().filter(|is| **is).count();
        let wanted: [bool; 3] = std::array::from_fn(|at| at + count >= 3);
        assert_eq!(shown, wanted, "{width}");
        assert!(shown_before.is_none_or(|before| count >= before), "{width}: {count}");
        shown_before = Some(count);
    }
    assert_eq!(shown_before, Some(3));
}

#[test]
fn panels_are_closed_by_name() {
    let mut window = open_sized(empty(layout()), [1280.0, 800.0]);
    search(&mut window, "close dataset");
    press(&mut window, Modifiers::NONE, Key::Enter);
    let panel = PanelId { view: ViewId::Dataset, number: 0 };
    assert!(!smalti_tests::window::views(&window).contains(&panel.view));
}

#[test]
fn what_is_called_otherwise_elsewhere_is_found_and_letters_alone_are_no_noise() {
    let small = Small::new();
    let mut window = ready(&small);
    for (query, wanted) in [
        ("export", "Save tokens…"),
        ("shortcuts", "Keys and gestures"),
        ("inpaint", "Resample the selected cells"),
        ("slideshow", "Presentation"),
    ] {
        search(&mut window, query);
        assert!(!rows(&window, wanted).is_empty(), "{query}: {:?}", labels(&window, ", "));
        press(&mut window, Modifiers::NONE, Key::Escape);
    }
    // Its letters stand in "Compare with …" in this order.
    search(&mut window, "pareto");
    assert!(!rows(&window, "Pareto, view").is_empty());
    assert_eq!(rows(&window, "Compare with"), Vec::<String>::new());
}

#[test]
fn undo_and_redo_say_what_they_are_about_in_the_palette_and_when_they_did_it() {
    let small = Small::new();
    let mut window = ready(&small);
    let cells = Arc::new([Cell::at(1, 2), Cell::at(3, 3)].into());
    send(&mut window, Edit::ForceCells { cells, code: 3 });
    search(&mut window, "undo");
    assert!(
        !rows(&window, "Undo: force 2 cells, command").is_empty(),
        "{:?}",
        labels(&window, ", ")
    );
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(window.state().document().edits.is_empty());
    assert!(says(&window, "Undone: force 2 cells"));
    press(&mut window, Modifiers::COMMAND, Key::Y);
    assert!(says(&window, "Redone: force 2 cells"));
    assert!(
        window.query_all_by_label_contains("Undone: ").next().is_none(),
        "one toast for all steps"
    );
}

#[test]
fn the_menu_of_a_picture_opens_by_its_key() {
    let small = Small::new();
    for (modifiers, key) in [(Modifiers::SHIFT, Key::F10), (Modifiers::NONE, Key::Menu)] {
        let mut window = ready(&small);
        send(&mut window, Layout::Show(ViewId::Compare));
        assert!(!says(&window, "Copy picture"));
        press(&mut window, modifiers, key);
        assert!(says(&window, "Copy picture"), "{key:?}");
        press(&mut window, Modifiers::NONE, Key::Escape);
        assert!(!says(&window, "Copy picture"), "{key:?}");
    }
}

#[test]
fn keeping_and_locking_are_said() {
    let small = Small::new();
    let mut window = ready(&small);
    send(&mut window, force(1, 2, 3));
    send(&mut window, Edit::KeepVariation);
    assert!(says(&window, "Kept as variation 1"));
    send(&mut window, Edit::SelectCells(Arc::new([Cell::at(1, 2), Cell::at(3, 3)].into())));
    press(&mut window, Modifiers::COMMAND, Key::L);
    assert!(says(&window, "2 cells locked"));
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::L);
    assert!(says(&window, "2 cells unlocked"));
}
