//! The Scales view: the scales of an image's tokens, and those that a generator wrote.

use std::sync::Arc;

use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use smalti::document::{Edit, Layout, Open, Panel, Slot, ViewId};
use smalti_engine::generators::Way;
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{Decode, Encode, ImageRef, ModelInfo, ModelRef, PartAdds, Stamp};
use smalti_engine::tokens::{Cell, Part, Tokens};
use smalti_tests::tiny::{scales_model, tiny_generator, tiny_var};
use smalti_tests::window::{
    Small, Window, click, click_label, empty, encoded, labels, middle_of, open_sized, press,
    rect_of, says, send, tokens, until,
};

/// The window with Scales and Generate, a tokenizer of scales of 1, 2 and 4 places in the small folder, its reference.
fn open_scales(size: [f32; 2]) -> (Window, Small, ModelRef) {
    let small = Small::new();
    let layout = Panel::Tabs { views: vec![ViewId::Scales, ViewId::Generate], front: None };
    let window = open_sized(empty(layout), size);
    let path = small.model().with_file_name("scales.safetensors");
    scales_model(&path);
    let model = ModelRef::File { path: path.into(), stamp: Stamp::default() }.now();
    (window, small, model)
}

/// Opens an image with the tokenizer of scales.
fn encode(window: &mut Window, small: &Small, model: &ModelRef) {
    small.open_in(window);
    send(window, Open::Size(WorkingSize::square(8, 1)));
    send(window, Open::Model(Slot::A, model.clone()));
}

#[test]
fn without_scales_it_is_said_how_to_get_some() {
    let (mut window, small, _) = open_scales([900.0, 600.0]);
    assert!(says(&window, "No tokens in scales are there"));
    // A tokenizer of one grid has none either.
    small.open_in(&mut window);
    assert!(says(&window, "No tokens in scales are there"));
    assert!(window.query_by_role_and_label(egui::Role::Button, "Use worlds-msvq").is_some());
}

#[test]
fn each_scale_of_an_image_is_picked_by_its_picture_its_tokens_or_the_arrows() {
    let (mut window, small, model) = open_scales([1280.0, 800.0]);
    encode(&mut window, &small, &model);
    let sides: Vec<usize> = tokens(&window).parts().iter().map(Part::rows).collect();
    assert_eq!(sides, [1, 2, 4]);
    assert!(says(&window, "scale 3 of 3 · 4×4 · 16 tokens"), "{:?}", labels(&window, "scale"));
    assert!(says(&window, "the picture so far after each scale, "), "each row says what it is");
    click_label(&mut window, "The picture so far, 2×2");
    assert_eq!(window.state().document().selection.part, Some(1));
    assert!(says(&window, "scale 2 of 3 · 2×2 · 4 tokens"));
    click_label(&mut window, "Tokens of the scale 1×1");
    assert_eq!(window.state().document().selection.part, Some(0));
    assert!(says(&window, "scale 1 of 3 · 1×1 · 1 token"));
    press(&mut window, Modifiers::NONE, Key::S);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert_eq!(window.state().document().selection.part, Some(2), "the last one is the end");
    press(&mut window, Modifiers::NONE, Key::Home);
    assert_eq!(window.state().document().selection.part, Some(0));
}

#[test]
fn the_scales_of_a_generation_are_those_of_its_steps() {
    let (mut window, small, model) = open_scales([1280.0, 800.0]);
    let facts = window.state().session().wait(&ModelInfo { model: model.clone() }).unwrap();
    let path = small.model().with_file_name("steps.safetensors");
    tiny_var(&path, &facts.token_hash);
    send(&mut window, Open::Path(path));
    click_label(&mut window, "Start");
    until(&mut window, "step 3 of 3");
    send(&mut window, Layout::Show(ViewId::Scales));
    assert!(says(&window, "scale 3 of 3 · 4×4 · 16 tokens"), "{:?}", labels(&window, "scale"));
    click_label(&mut window, "The picture so far, 2×2");
    let moment = window.state().document().generating.moment.clone().unwrap();
    assert_eq!(moment.steps, Some(2));
    // With an image in scales as well, both are there.
    encode(&mut window, &small, &model);
    send(&mut window, Layout::Show(ViewId::Scales));
    click_label(&mut window, "of the image");
    assert!(says(&window, "scale 3 of 3"), "{:?}", labels(&window, "scale"));
    click_label(&mut window, "generated");
    assert!(says(&window, "scale 2 of 3"));
}

#[test]
fn scales_that_are_not_written_yet_are_said_to_be_missing() {
    let (mut window, small, model) = open_scales([1280.0, 800.0]);
    let facts = window.state().session().wait(&ModelInfo { model }).unwrap();
    let path = small.model().with_file_name("steps.safetensors");
    tiny_var(&path, &facts.token_hash);
    send(&mut window, Open::Path(path));
    click_label(&mut window, "Step");
    until(&mut window, "Generation paused");
    send(&mut window, Layout::Show(ViewId::Scales));
    assert!(
        says(&window, "scale 1 of 3 · 1×1 · 1 token · 2 scales not written"),
        "{:?}",
        labels(&window, "scale")
    );
    click_label(&mut window, "The picture so far, 4×4");
    assert!(says(&window, "scale 1 of 3"), "what is not written is not looked at");
    send(&mut window, Layout::Show(ViewId::Generate));
    click_label(&mut window, "Cancel");
    until(&mut window, "Generation cancelled");
    // What a generator writes into one grid has no scales.
    let hash = {
        let tiny = ModelRef::File { path: small.model().into(), stamp: Stamp::default() }.now();
        window.state().session().wait(&ModelInfo { model: tiny }).unwrap().token_hash.clone()
    };
    let path = small.model().with_file_name("masks.safetensors");
    tiny_generator(&path, Way::MaskGit, &hash);
    send(&mut window, Open::Path(path));
    click_label(&mut window, "Start");
    until(&mut window, "Generation done");
    send(&mut window, Layout::Show(ViewId::Scales));
    assert!(says(&window, "No tokens in scales are there"));
}

#[test]
fn what_a_scale_adds_is_the_picture_with_it_less_the_one_without() {
    let (mut window, small, model) = open_scales([1280.0, 800.0]);
    encode(&mut window, &small, &model);
    let all = tokens(&window);
    let session = window.state().session();
    let picture = |parts: usize| {
        let question = Decode { tokens: all.up_to(parts), model: model.clone() };
        session.wait(&question).unwrap().picture.clone()
    };
    let added = |parts: usize| {
        session.wait(&PartAdds { tokens: all.up_to(parts), model: model.clone() }).unwrap()
    };
    let mean = |rgb: &[u8]| rgb.iter().map(|level| f32::from(*level)).sum::<f32>() / 3.0 / 255.0;
    let (first, second) = (picture(1), picture(2));
    let pairs = std::iter::zip(first.rgb().chunks_exact(3), second.rgb().chunks_exact(3));
    let expected: Vec<f32> = pairs.map(|(a, b)| mean(b) - mean(a)).collect();
    let second = added(2);
    assert!(std::iter::zip(&expected, &*second.signed).all(|(a, b)| (a - b).abs() < 1e-6));
    assert!(expected.iter().any(|by| by.abs() > 0.004), "it adds something");
    let from_gray = first.rgb().chunks_exact(3).map(|rgb| mean(rgb) - 0.5);
    assert!(from_gray.zip(&*added(1).signed).all(|(a, b)| (a - b).abs() < 1e-6));
    let beyond = expected.iter().filter(|by| by.abs() > second.usual + 1e-6).count();
    assert!(beyond * 100 <= expected.len(), "{beyond} of {}", expected.len());

    click_label(&mut window, "The picture so far, 2×2");
    press(&mut window, Modifiers::NONE, Key::A);
    assert!(says(&window, "what each scale adds: blue darker, red brighter"));
    assert!(says(&window, "2×2 adds up to ±"), "{:?}", labels(&window, "adds"));
    click_label(&mut window, "picture so far");
    assert!(says(&window, "the picture so far after each scale"));
}

#[test]
fn coarse_scales_of_one_picture_stand_with_fine_ones_of_another() {
    let (mut window, small, model) = open_scales([1280.0, 800.0]);
    encode(&mut window, &small, &model);
    let own = tokens(&window);
    let size = window.state().document().size;
    // Another image of the set whose coarse scales are others, and whose finest is.
    let others = (1..3_u64).map(|index| {
        let image = ImageRef::InSource { source: small.source(), index };
        let question = Encode { subject: image.into(), size, model: model.clone() };
        (index, window.state().session().wait(&question).unwrap().tokens.clone())
    });
    let is_other = |(_, other): &(u64, Tokens)| {
        own.parts()[..2] != other.parts()[..2] && own.parts()[2] != other.parts()[2]
    };
    let (index, other) = others.into_iter().find(is_other).unwrap();
    // The finest is looked at: all would be taken.
    assert!(window.get_by_label("coarse scales from…").accesskit_node().is_disabled());
    click_label(&mut window, "The picture so far, 2×2");
    click_label(&mut window, "coarse scales from…");
    // By its name, which is known as it was read.
    click_label(&mut window, &format!("picture {index}.png"));
    let now = |window: &Window| window.state().document().tokens(&encoded(window));
    let mixed = now(&window);
    assert_eq!(mixed.parts()[..2], other.parts()[..2]);
    assert_eq!(mixed.parts()[2], own.parts()[2]);
    let notices = window.state().notices().list();
    let last = notices.last().unwrap().summary.clone();
    assert!(last.starts_with(&format!("2 coarse scales of picture {index}")), "{last}");
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(now(&window), own, "one step of undo");
}

#[test]
fn a_scale_is_edited_by_its_cells_and_the_finer_ones_are_written_anew() {
    let (mut window, small, model) = open_scales([1280.0, 800.0]);
    let facts = window.state().session().wait(&ModelInfo { model: model.clone() }).unwrap();
    let path = small.model().with_file_name("steps.safetensors");
    tiny_var(&path, &facts.token_hash);
    send(&mut window, Open::Path(path));
    encode(&mut window, &small, &model);
    send(&mut window, Layout::Show(ViewId::Scales));
    click_label(&mut window, "Tokens of the scale 2×2");
    let tile = rect_of(&window, "Tokens of the scale 2×2");
    click(&mut window, middle_of(tile, (1, 0), (2, 2)), Modifiers::NONE);
    let cell = Cell { part: 1, frame: 0, row: 1, column: 0 };
    assert_eq!(*window.state().document().selection.cells, [cell].into());
    let own = tokens(&window);
    let code = (own.get(cell).unwrap() + 1) % own.first().codebook_size();
    let cells = Arc::clone(&window.state().document().selection.cells);
    send(&mut window, Edit::ForceCells { cells, code });
    press(&mut window, Modifiers::SHIFT, Key::R);
    until(&mut window, "with another token");
    let document = window.state().document();
    let now = document.tokens(&encoded(&window));
    assert_eq!(now.get(cell), Some(code));
    assert_eq!(now.parts()[0], own.parts()[0]);
    assert!(now.parts()[2] != own.parts()[2], "the finer ones are others");
    let asked = Arc::clone(&document.generating.moment.as_ref().unwrap().asked);
    let coarse: std::collections::BTreeMap<Cell, u32> = now
        .cells()
        .filter(|(cell, _)| cell.part < 2)
        .map(|(cell, code)| (cell, code.unwrap()))
        .collect();
    assert_eq!(*asked.given, coarse, "it was led by what stands in the coarse ones");
}
