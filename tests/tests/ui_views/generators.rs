//! Settings of generation that a model's way has, what top-k cut, and generators of others in the window.

use std::sync::Arc;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use smalti::document::{Asked, Generate, Layout, Open, Panel, ViewId};
use smalti_engine::generators::{Generation, Proposal, Sampling, Schedule, UnmaskingOrder, Way};
use smalti_engine::questions::{ModelInfo, ModelRef, Stamp};
use smalti_engine::tokens::Tokens;
use smalti_tests::fixture;
use smalti_tests::tiny::tiny_generator;
use smalti_tests::window::{
    Small, Window, click, click_label, empty, labels, middle_of, open_sized, press, rect_of, says,
    send, settle, tab, until,
};

fn open_generator(way: Way) -> (Window, Small) {
    let small = Small::new();
    let layout = Panel::Tabs { views: vec![ViewId::Generate, ViewId::Tokens], front: None };
    let mut window = open_sized(empty(layout), [1280.0, 800.0]);
    let model = ModelRef::File { path: small.model().into(), stamp: Stamp::default() }.now();
    let facts = window.state().session().wait(&ModelInfo { model }).unwrap();
    let path = small.model().with_file_name("painter.safetensors");
    tiny_generator(&path, way, &facts.token_hash);
    send(&mut window, Open::Path(path));
    (window, small)
}

fn asked(window: &Window) -> Arc<Asked> {
    window.state().document().generating.asked.clone().unwrap()
}

/// What the engine writes where it is asked so, and thinks in each step.
fn by_the_engine(window: &Window, asked: &Asked) -> (Tokens, Vec<Vec<Proposal>>) {
    let opened = window.state().session().wait(&asked.opens()).unwrap();
    let request = asked.request(opened.config()).unwrap();
    let mut generation = Generation::new(opened.painter.clone(), request, None).unwrap();
    let mut steps = Vec::new();
    while let Some(step) = generation.next_step().unwrap() {
        steps.push(step.proposals);
    }
    (generation.tokens().unwrap(), steps)
}

/// The tokens of the generation that is looked at, as they are at its end.
fn written(window: &Window) -> Tokens {
    let moment = window.state().document().generating.moment.clone().unwrap();
    let trace = window.state().generations().get(&moment.asked).unwrap();
    trace.tokens(trace.steps.len()).unwrap().clone()
}

#[test]
fn a_masked_generator_is_asked_for_schedule_order_and_self_correction_and_undo_takes_each_back() {
    let (mut window, _small) = open_generator(Way::MaskGit);
    click_label(&mut window, "Schedule, cosine");
    click_label(&mut window, "square");
    assert_eq!(asked(&window).unmasking.schedule, Schedule::Square);
    // 1 - r squared: three quarters are masked when half of the steps are done.
    assert!(
        says(&window, "after half of the steps 75 % is masked"),
        "{:?}",
        labels(&window, "half")
    );
    click_label(&mut window, "Order, confidence");
    click_label(&mut window, "halton");
    assert_eq!(asked(&window).unmasking.order, UnmaskingOrder::Halton);
    click_label(&mut window, "self-correction");
    assert_eq!(asked(&window).unmasking.self_correction, 8);
    let wanted = by_the_engine(&window, &asked(&window)).0;
    click_label(&mut window, "Start");
    until(&mut window, "Generation done");
    assert_eq!(written(&window), wanted);
    for _ in 0..2 {
        press(&mut window, Modifiers::COMMAND, Key::Z);
    }
    assert_eq!(asked(&window).unmasking.self_correction, 0);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(asked(&window).unmasking.order, UnmaskingOrder::Confidence);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(asked(&window).unmasking.schedule, Schedule::Cosine);
}

#[test]
fn a_raster_generator_says_the_order_that_it_has_learned_and_has_no_schedule() {
    let (window, _small) = open_generator(Way::Raster);
    assert!(says(&window, "row by row"));
    for of_masked in ["Schedule", "self-correction", "Choice temperature"] {
        assert!(!says(&window, of_masked), "{of_masked}");
    }
}

#[test]
fn what_top_k_cut_is_struck_out_with_the_probability_that_it_had() {
    let (mut window, _small) = open_generator(Way::MaskGit);
    let plain = Asked::clone(&asked(&window));
    let few = Asked { sampling: Sampling { top_k: 3, ..plain.sampling }, ..plain.clone() };
    send(&mut window, Generate::Start { asked: Box::new(few.clone()), waits: false });
    until(&mut window, "Generation done");
    send(&mut window, Generate::GoTo(Some(1)));
    // Before the first step nothing is written: the network reads the same with and without top-k.
    let first = |asked: &Asked| by_the_engine(&window, asked).1.swap_remove(0);
    let (cut, whole) = (first(&few), first(&plain));
    let told = cut.iter().find(|proposal| proposal.kept).unwrap();
    let all = &whole.iter().find(|proposal| proposal.cell == told.cell).unwrap().alternatives;
    assert_eq!(told.alternatives.len(), 3);
    assert!(whole.iter().all(|proposal| proposal.cut.is_empty()), "nothing is cut without it");
    for ((code, before), (same, p)) in told.cut.iter().zip(&all[3..]) {
        assert_eq!(code, same);
        assert!((before - p).abs() < 1e-5, "{before} {p}");
    }
    let grid = rect_of(&window, "Generated tokens");
    let place = (usize::from(told.cell.row), told.cell.column as usize);
    click(&mut window, middle_of(grid, place, (8, 8)), Modifiers::NONE);
    for (code, before) in &told.cut {
        let label = format!("Code {code}, probability {before:.3}, cut");
        assert!(says(&window, &label), "{label}: {:?}", labels(&window, "Code "));
    }
    assert!(says(&window, "struck out: cut by top-k 3"));
    let kept =
        format!("Code {}, probability {:.3}", told.alternatives[0].0, told.alternatives[0].1);
    assert!(says(&window, &kept));
    // Nobody can choose by a click what was cut.
    let (code, before) = told.cut[0];
    click_label(&mut window, &format!("Code {code}, probability {before:.3}, cut"));
    assert!(asked(&window).given.is_empty());
}

#[test]
fn a_published_generator_is_opened_says_whose_tokens_it_writes_and_writes_them() {
    let mut window = open_sized(empty(tab(ViewId::Generate)), [1280.0, 800.0]);
    send(&mut window, Open::Path(fixture("llamagen_c2i").join("weights.pt")));
    let hints: Vec<&str> =
        window.state().notices().list().iter().map(|notice| notice.hint.as_str()).collect();
    assert!(hints.iter().any(|hint| hint.contains("vq_ds16_c2i")), "{hints:?}");
    assert_eq!(window.state().document().generating.opened.len(), 1, "it is at hand from now on");
    let wanted = by_the_engine(&window, &asked(&window)).0;
    click_label(&mut window, "Start");
    until(&mut window, "Generation done");
    assert_eq!((written(&window), wanted.len()), (wanted, 36));
    // Without its tokenizer there is no picture, and it is said which one that would be.
    assert!(says(&window, "choose one"));
}

#[test]
fn published_var_asks_for_its_tokenizer_and_writes_with_it() {
    let mut window = open_sized(empty(tab(ViewId::Generate)), [1280.0, 800.0]);
    send(&mut window, Open::Path(fixture("var").join("var.pth")));
    assert!(says(&window, "none is named"), "{:?}", labels(&window, "tokenizer"));
    send(&mut window, Open::Path(fixture("var").join("vae.pth")));
    let tokenizer = window.state().document().model.label();
    send(&mut window, Layout::Show(ViewId::Generate));
    click_label(&mut window, "Decode by…");
    window.get_all_by_label(&tokenizer).last().unwrap().click();
    settle(&mut window);
    assert!(asked(&window).tokenizer.is_some());
    let wanted = by_the_engine(&window, &asked(&window)).0;
    click_label(&mut window, "Start");
    until(&mut window, "Generation done");
    assert_eq!(written(&window), wanted);
    send(&mut window, Layout::Show(ViewId::Scales));
    assert!(says(&window, "scale 5 of 5 · 6×6 · 36 tokens"), "{:?}", labels(&window, "scale"));
}
