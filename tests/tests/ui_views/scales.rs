//! The Scales view: the scales of an image's tokens, and those that a generator wrote.

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use smalti::document::{Layout, Open, Panel, Slot, ViewId};
use smalti_engine::generators::Way;
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{ModelInfo, ModelRef, Stamp};
use smalti_engine::tokens::Part;
use smalti_tests::tiny::{scales_model, tiny_generator, tiny_var};
use smalti_tests::window::{
    Small, Window, click_label, empty, labels, open_sized, press, says, send, tokens, until,
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
    let (mut window, small, model) = open_scales([640.0, 420.0]);
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
