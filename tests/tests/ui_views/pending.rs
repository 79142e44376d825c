//! What is not known yet is not said: no figure and no file of what was there before under the name of what is there
//! now, and of two things of one name each is called by its own.

use egui::Modifiers;
use egui_kittest::kittest::{NodeT, Queryable};
use smalti::document::{AppCommand, ColorBy, Edit, How, Look, Open, Pair, Panel, Slot, ViewId};
use smalti_engine::questions::{Encode, ImageRef, ModelRef, Reconstruct, Stamp, Thumbnail};
use smalti_engine::token_files::{Maker, safetensors_bytes};
use smalti_engine::tokens::{Cell, Code, MASKED, Tokens};
use smalti_tests::window::{
    Small, Window, click, compared, empty, labels, middle_of, open_sized, press, rect_of, says,
    send, settle, tab, tokens,
};

use super::compare_pairs::hold;
use super::exports::{open_menu, save_to};

fn desk(views: &[ViewId]) -> (Window, Small) {
    let small = Small::new();
    let layout = Panel::Row(views.iter().map(|view| (1.0, tab(*view))).collect());
    let mut window = open_sized(empty(layout), [1500.0, 700.0]);
    small.open_in(&mut window);
    (window, small)
}

fn notices(window: &Window) -> String {
    format!("{:?}", window.state().notices())
}

#[test]
fn a_code_that_is_switched_off_is_never_counted_as_if_it_stood_there_still() {
    let (mut window, _small) = desk(&[ViewId::Tokens, ViewId::Codebook, ViewId::Code]);
    let codes = tokens(&window).first().codes().to_vec();
    let (code, count) = (0..20)
        .map(|code| (code, codes.iter().filter(|own| **own == code).count()))
        .max_by_key(|(_, count)| *count)
        .unwrap();
    send(&mut window, Edit::SelectCode(Some(Code::first(code))));
    let says_exactly = |window: &Window, text: &str| labels(window, text).iter().any(|l| l == text);
    assert!(says_exactly(&window, &count.to_string()) && says(&window, "of 256 tokens"));
    let let_go = hold(&window, 1);
    window.state().send(Edit::switch(Code::first(code), false));
    window.run_steps(4);
    // Which codes stand instead is not known yet.
    let counts = labels(&window, "of 256 tokens");
    assert!(counts.iter().all(|said| said.contains("as it was before")), "{counts:?}");
    let claims = labels(&window, "without 1 code").into_iter();
    let claims: Vec<String> =
        claims.filter(|said| said.contains(" dB") || said.contains("used")).collect();
    assert!(claims.is_empty(), "{claims:?}");
    drop(let_go);
    settle(&mut window);
    assert!(says(&window, "of 256 tokens") && says_exactly(&window, "0"));
    let claims = labels(&window, "without 1 code");
    assert!(claims.iter().any(|said| said.contains(" dB")), "{claims:?}");
}

#[test]
fn figures_of_tokens_that_were_changed_by_hand_say_so_wherever_they_stand() {
    let (mut window, _small) = desk(&[ViewId::Tokens, ViewId::Compare]);
    let codes = tokens(&window).first().codes().to_vec();
    let off = codes.iter().copied().find(|code| *code != 3).unwrap();
    let cells = std::sync::Arc::new([Cell::at(1, 1)].into());
    send(&mut window, Edit::ForceCells { cells, code: 3 });
    send(&mut window, Edit::switch(Code::first(off), false));
    let words = "with 1 forced cell without 1 code";
    let said = labels(&window, " dB");
    assert!(said.len() >= 2 && said.iter().all(|said| said.contains(words)), "{said:?}");
    // Among the figures, of which none is left out where there is little room.
    let is_figure = |said: &String| said.contains(&format!("{words} · "));
    assert!(said.iter().any(is_figure), "{said:?}");
}

#[test]
fn tokens_of_the_last_image_are_not_taken_away_under_the_name_of_the_next() {
    let (mut window, small) = desk(&[ViewId::Tokens, ViewId::Codebook]);
    let before = tokens(&window);
    let let_go = hold(&window, 2);
    // Of no set, whose next pictures are encoded before they are asked for.
    let other = small.model().with_file_name("other.png");
    smalti_tests::tiny::write_png(&other, 40, 32, 9);
    window.state().send(Open::Image(ImageRef::file(&other)));
    window.run_steps(4);
    let said = labels(&window, "tokens over the image");
    assert!(said.iter().all(|said| said.contains("the last ones")), "{said:?}");
    let counts = labels(&window, "sample: ");
    assert!(!counts.is_empty(), "the figures are seen");
    assert!(counts.iter().all(|said| said.contains("as they were before")), "{counts:?}");
    for (name, how) in [("tokens", How::Csv), ("decoded", How::Png(1)), ("codes-tiny", How::Csv)] {
        window.state().send(AppCommand::Export(name.to_owned(), how));
        window.run_steps(3);
        let why = format!("{name} is not seen any more");
        assert!(notices(&window).contains(&why), "{name}: {}", notices(&window));
    }
    drop(let_go);
    settle(&mut window);
    assert!(labels(&window, "tokens over the image").iter().all(|said| said.contains("other")));
    let path = small.pictures().join("../tokens.csv");
    send(&mut window, AppCommand::Export("tokens".to_owned(), How::Csv));
    save_to(&mut window, &path);
    let text = std::fs::read_to_string(&path).unwrap();
    let found = text.lines().flat_map(|line| line.split(','));
    let found: Vec<u32> = found.map(|code| code.parse().unwrap()).collect();
    let now = tokens(&window);
    assert_ne!(now, before);
    assert_eq!(found, now.first().codes().to_vec());
}

#[test]
fn two_tokenizers_of_one_name_are_called_by_their_folders_wherever_one_is_meant() {
    let (mut window, small) = desk(&[ViewId::Compare]);
    let other = small.pictures().join("../other");
    std::fs::create_dir(&other).unwrap();
    let other = other.canonicalize().unwrap().join("tiny.safetensors");
    std::fs::copy(small.model(), &other).unwrap();
    let second = ModelRef::File { stamp: Stamp::of(&other), path: other.as_path().into() };
    send(&mut window, Open::Model(Slot::B, second.clone()));
    let names = labels(&window, " dB");
    assert!(names.len() == 2 && names[0] != names[1], "{names:?}");
    assert!(names[1].contains("other/tiny"), "{names:?}");
    press(&mut window, Modifiers::COMMAND, egui::Key::P);
    window.event(egui::Event::Text("reconstruction-".to_owned()));
    settle(&mut window);
    for name in ["reconstruction-A-", "reconstruction-B-other-tiny"] {
        assert!(says(&window, name), "{:?}", labels(&window, "reconstruction-"));
    }
    press(&mut window, Modifiers::NONE, egui::Key::Escape);
    let path = small.pictures().join("../b.png");
    send(&mut window, AppCommand::Export("reconstruction-B-other-tiny".to_owned(), How::Png(1)));
    save_to(&mut window, &path);
    let bytes = std::fs::read(&path).unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("other/tiny"), "the file says which");
    // The folder goes when there is one of that name alone.
    send(&mut window, Open::NoModel(Slot::B));
    send(&mut window, Open::CloseModel(second));
    assert!(labels(&window, " dB")[0].starts_with("A tiny"), "{:?}", labels(&window, " dB"));
}

#[test]
fn what_is_between_two_reconstructions_is_a_map_of_its_own_with_its_numbers() {
    let (mut window, small) = desk(&[ViewId::Compare]);
    let other = ModelRef::Shipped("worlds-fsq".into());
    send(&mut window, Open::Model(Slot::B, other.clone()));
    send(&mut window, Look::Pair(Some(Pair { left: Some(Slot::A), right: Slot::B })));
    assert!(says(&window, "Difference A to B") && !says(&window, "Difference A,"));
    assert!(says(&window, " % apart"), "{:?}", labels(&window, "A to B"));
    let path = small.pictures().join("../between.csv");
    send(&mut window, AppCommand::Export("difference-absolute-A-B".to_owned(), How::Csv));
    save_to(&mut window, &path);
    let text = std::fs::read_to_string(&path).unwrap();
    let found = text.lines().flat_map(|line| line.split(','));
    let found: Vec<f64> = found.map(|value| value.parse().unwrap()).collect();
    let document = window.state().document();
    let (subject, size) = (document.subject.clone().unwrap(), document.size);
    let question = Reconstruct(Encode { subject, size, model: other });
    let of_b = window.state().session().wait(&question).unwrap().reconstruction.clone();
    let of_a = compared(&window).reconstruction.clone();
    let pixels = of_a.rgb().chunks(3).zip(of_b.rgb().chunks(3));
    let expected = pixels.map(|(a, b)| {
        let sum: u32 = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        f64::from(sum) / 3.0 / 255.0
    });
    let expected: Vec<f64> = expected.collect();
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6));
    // The original is one of two again: what each one loses is asked.
    send(&mut window, Look::Pair(Some(Pair { left: None, right: Slot::B })));
    assert!(says(&window, "Difference B") && !says(&window, "Difference A to B"));
}

#[test]
fn the_thumbnails_of_a_set_are_taken_away_as_one_sheet() {
    let (mut window, small) = desk(&[ViewId::Dataset]);
    open_menu(&mut window, "Image 2");
    assert!(says(&window, "Contact sheet") && says(&window, "Save as PNG, 2×…"));
    press(&mut window, Modifiers::NONE, egui::Key::Escape);
    let sheet = |window: &mut Window, times: u32| {
        let path = small.pictures().join(format!("../sheet-{times}.png"));
        let how = How::Png(times);
        send(window, AppCommand::Export("contact-sheet".to_owned(), how));
        save_to(window, &path);
        image::open(&path).unwrap().to_rgb8()
    };
    let (once, twice) = (sheet(&mut window, 1), sheet(&mut window, 2));
    assert_eq!(twice.width(), 2 * once.width());
    let image = ImageRef::InSource { source: small.source(), index: 1 };
    let thumbnail = window.state().session().wait(&Thumbnail { image, side: 160 }).unwrap();
    // Three in a line, with a gap of a twentieth before each.
    assert_eq!(once.dimensions(), (3 * 168 + 8, 168 + 8));
    for (x, y) in [(0, 0), (80, 20), (159, 159)] {
        assert_eq!(Some(once.get_pixel(176 + x, 8 + y).0), thumbnail.pixel(x, y));
    }
}

#[test]
fn codes_whose_looks_nobody_knows_are_not_said_to_be_colored_by_them() {
    let (mut window, small) = desk(&[ViewId::Tokens]);
    send(&mut window, Look::ColorBy(ColorBy::Mosaic));
    assert!(says(&window, "color: mosaic"), "{:?}", labels(&window, "color"));
    let path = small.pictures().join("../wide.safetensors");
    let grid = Tokens::grid(2, 2, 500, vec![400, 1, 2, 400]).unwrap();
    std::fs::write(&path, safetensors_bytes(&[grid], &Maker::default()).unwrap()).unwrap();
    send(&mut window, Open::Path(path));
    assert!(window.state().document().image().is_none(), "{}", notices(&window));
    assert!(says(&window, "color: code"), "{:?}", labels(&window, "color"));
    assert!(!says(&window, "color: mosaic"));
}

#[test]
fn a_file_of_tokens_that_cannot_be_without_a_code_is_not_counted_as_if_it_were() {
    let (mut window, small) = desk(&[ViewId::Codebook]);
    // More codes than the tokenizer has: nobody knows which one is the nearest.
    let path = small.pictures().join("../wide.safetensors");
    let grid = Tokens::grid(2, 2, 500, vec![400, 1, 2, 400]).unwrap();
    std::fs::write(&path, safetensors_bytes(&[grid], &Maker::default()).unwrap()).unwrap();
    send(&mut window, Open::Path(path));
    assert!(window.state().document().image().is_none(), "{}", notices(&window));
    let why = "code 400 is outside the codebook";
    assert!(!says(&window, why), "{:?}", labels(&window, ""));
    send(&mut window, Edit::switch(Code::first(400), false));
    assert!(says(&window, why), "{:?}", labels(&window, ""));
}

#[test]
fn a_grid_is_not_colored_by_what_was_known_of_other_tokens() {
    let (mut window, _small) = desk(&[ViewId::Tokens]);
    let pending = "difference, which is being decoded";
    send(&mut window, Look::ColorBy(ColorBy::Difference));
    assert!(says(&window, "colored by difference") && !says(&window, pending));
    let let_go = hold(&window, 3);
    let cells = std::sync::Arc::new([Cell::at(1, 1)].into());
    window.state().send(Edit::ForceCells { cells, code: 3 });
    window.run_steps(4);
    assert!(says(&window, pending), "{:?}", labels(&window, "colored by"));
    window.state().send(AppCommand::Export("tokens".to_owned(), How::Png(1)));
    window.run_steps(3);
    assert!(notices(&window).contains("tokens is not seen any more"), "{}", notices(&window));
    drop(let_go);
    settle(&mut window);
    assert!(says(&window, "colored by difference") && !says(&window, pending));
}

#[test]
fn a_grid_that_cannot_be_decoded_is_not_said_to_show_differences() {
    let (mut window, small) = desk(&[ViewId::Tokens]);
    send(&mut window, Look::ColorBy(ColorBy::Difference));
    let path = small.pictures().join("../holes.safetensors");
    let codes = (0..64).map(|at| if at == 9 { MASKED } else { at % 20 }).collect::<Vec<u32>>();
    let grid = Tokens::grid(8, 8, 20, codes).unwrap();
    std::fs::write(&path, safetensors_bytes(&[grid], &Maker::default()).unwrap()).unwrap();
    send(&mut window, Open::Path(path));
    assert!(window.state().document().image().is_none(), "{}", notices(&window));
    assert!(!says(&window, "colored by difference"), "{:?}", labels(&window, "colored"));
    assert!(
        says(&window, "no differences: it cannot be decoded"),
        "{:?}",
        labels(&window, "color")
    );
}

#[test]
fn hands_are_off_the_last_image_s_cells_while_the_next_one_is_encoded() {
    let (mut window, small) = desk(&[ViewId::Tokens]);
    let selected =
        |window: &Window| std::sync::Arc::clone(&window.state().document().selection.cells);
    let is_off = |window: &Window| {
        window.get_by_label("Invert the selection").accesskit_node().is_disabled()
    };
    let at = middle_of(rect_of(&window, "Token grid"), (5, 5), super::SMALL_GRID);
    let let_go = hold(&window, 4);
    let other = small.model().with_file_name("other.png");
    smalti_tests::tiny::write_png(&other, 40, 32, 9);
    window.state().send(Open::Image(ImageRef::file(&other)));
    window.run_steps(4);
    assert!(says(&window, "the last ones") && is_off(&window));
    let before = selected(&window);
    window.hover_at(at);
    for pressed in [true, false] {
        let (button, modifiers) = (egui::PointerButton::Primary, Modifiers::NONE);
        window.event(egui::Event::PointerButton { pos: at, button, pressed, modifiers });
    }
    window.run_steps(4);
    assert_eq!(selected(&window), before);
    drop(let_go);
    settle(&mut window);
    assert_eq!(selected(&window), before);
    assert!(!is_off(&window));
    click(&mut window, at, Modifiers::NONE);
    assert_eq!(*selected(&window), [Cell::at(5, 5)].into());
}
