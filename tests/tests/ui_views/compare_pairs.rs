//! Compare with several tokenizers: pairs in every mode, what stays while one of them works, and whether
//! all that is said has room.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use egui::{Key, Modifiers, Rect};
use egui_kittest::kittest::Queryable;
use smalti::document::{AppCommand, CompareMode, DifferenceKind, Look, Open, Pair, Slot, ViewId};
use smalti_engine::images::Picture;
use smalti_engine::questions::{ImageRef, ModelRef, Reconstruct};
use smalti_engine::session::{Desk, Lane, Question};
use smalti_tests::window::{
    Small, Window, apart, button, click_label, compared, drawn, empty, encoded, labels, middle_of,
    open_drawn, open_sized, pixel, point_nowhere, press, rect_of, says, send, settle, tab, texel,
};

use super::compare::fitted;

const FSQ: &str = "worlds-fsq";
const VQ: &str = "worlds-vqvae";

fn shipped(name: &str) -> ModelRef {
    ModelRef::Shipped(name.into())
}

/// What a tokenizer makes of the image that is open, asked of the engine directly.
fn rebuilt_by(window: &Window, model: ModelRef) -> Picture {
    let document = window.state().document();
    let mut question = smalti_engine::questions::Encode {
        subject: document.subject.clone().unwrap(),
        size: document.size,
        model: document.model.clone(),
    };
    question.model = model;
    window.state().session().wait(&Reconstruct(question)).unwrap().reconstruction.clone()
}

/// Whether a pane shows the left picture, the right one, or both with the edge in the middle; where they
/// differ.
fn seen(window: &mut Window, name: &str, (left, right): (&Picture, &Picture)) -> (usize, usize) {
    let place = fitted(rect_of(window, name), left);
    let screen = drawn(window);
    let size = (left.height() as usize, left.width() as usize);
    let (mut lefts, mut rights) = (0, 0);
    for (x, y) in (0..left.width()).flat_map(|x| (5..30).step_by(6).map(move |y| (x, y))) {
        let (l, r) = (texel(left, x, y), texel(right, x, y));
        // Not at the edge itself.
        if apart(l, r) <= 24 || x.abs_diff(16) < 2 {
            continue;
        }
        let seen = pixel(&screen, middle_of(place, (y as usize, x as usize), size));
        let (to_l, to_r) = (apart(seen, l), apart(seen, r));
        assert!(to_l.min(to_r) <= 2, "{x}, {y}: {seen:?} is neither {l:?} nor {r:?}");
        lefts += usize::from(to_l < to_r);
        rights += usize::from(to_r < to_l);
    }
    (lefts, rights)
}

#[test]
fn two_tokenizers_are_set_against_each_other_in_every_mode_with_the_figures_of_both() {
    let small = Small::new();
    let Some(mut window) = open_drawn(empty(tab(ViewId::Compare)), [1000.0, 700.0]) else { return };
    small.open_in(&mut window);
    assert!(window.query_by_label("A|B").is_none(), "there is no pair of one");
    send(&mut window, Open::Model(Slot::B, shipped(FSQ)));
    let (of_a, of_b) =
        (compared(&window).reconstruction.clone(), rebuilt_by(&window, shipped(FSQ)));
    let original = encoded(&window).picture.clone();
    let assert_figures = |window: &Window, of_whom: &[&str]| {
        let said = labels(window, " dB");
        assert_eq!(said.len(), of_whom.len(), "{said:?}");
        for (said, whose) in said.iter().zip(of_whom) {
            for word in [*whose, " dB · SSIM ", " bpp · ", " tokens"] {
                assert!(said.contains(word), "{word}: {said}");
            }
        }
    };
    // Side by side: all of them, then the pair alone.
    assert_figures(&window, &["A tiny", "B worlds-fsq"]);
    click_label(&mut window, "A|B");
    assert!(!says(&window, "Original"));
    assert_figures(&window, &["A tiny", "B worlds-fsq"]);
    click_label(&mut window, "original|B");
    assert!(says(&window, "Original") && !says(&window, "Reconstruction A"));
    assert_figures(&window, &["B worlds-fsq"]);

    send(&mut window, Look::Compare(CompareMode::Slider));
    point_nowhere(&mut window);
    let (lefts, rights) = seen(&mut window, "Slider of original|B", (&original, &of_b));
    assert!(lefts > 8 && rights > 8, "{lefts} and {rights}");
    assert_figures(&window, &["B worlds-fsq"]);
    click_label(&mut window, "A|B");
    point_nowhere(&mut window);
    let (lefts, rights) = seen(&mut window, "Slider of A|B", (&of_a, &of_b));
    assert!(lefts > 8 && rights > 8, "{lefts} and {rights}");
    assert_figures(&window, &["A tiny", "B worlds-fsq"]);

    send(&mut window, Look::Compare(CompareMode::Swap));
    point_nowhere(&mut window);
    let pair = (&of_a, &of_b);
    assert!(matches!(seen(&mut window, "Swap of A|B", pair), (0, 20..)));
    let at = rect_of(&window, "Swap of A|B").center();
    window.hover_at(at);
    button(&mut window, at, true, Modifiers::NONE);
    assert!(matches!(seen(&mut window, "Swap of A|B", pair), (20.., 0)));
    button(&mut window, at, false, Modifiers::NONE);
    assert!(matches!(seen(&mut window, "Swap of A|B", pair), (0, 20..)));
    assert_figures(&window, &["A tiny", "B worlds-fsq"]);
    // The one that is taken away is in no pair any more.
    send(&mut window, Open::NoModel(Slot::B));
    assert!(says(&window, "Swap of original|A"));
}

#[test]
fn a_pair_is_part_of_the_document_and_undone_with_it() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Compare)), [1000.0, 700.0]);
    small.open_in(&mut window);
    send(&mut window, Open::Model(Slot::B, shipped(FSQ)));
    click_label(&mut window, "A|B");
    let pair = Pair { left: Some(Slot::A), right: Slot::B };
    assert_eq!(window.state().document().looks.pair, Some(pair));
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(window.state().document().looks.pair, None);
    assert!(says(&window, "Original"));
}

/// Keeps the thread of what is wanted now from anything else until it is let go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Hold(u32);

static IS_HELD: AtomicBool = AtomicBool::new(false);
static MAY_GO: AtomicBool = AtomicBool::new(false);

impl Question for Hold {
    type Answer = ();

    fn answer(&self, _desk: &Desk<'_>) -> smalti_engine::Result<()> {
        IS_HELD.store(true, Ordering::SeqCst);
        while !MAY_GO.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn bytes((): &()) -> usize {
        1
    }
}

/// Lets it go in the end, so that a failure does not wait for it for ever.
pub(super) struct LetGo;

impl Drop for LetGo {
    fn drop(&mut self) {
        MAY_GO.store(true, Ordering::SeqCst);
    }
}

pub(super) fn hold(window: &Window, number: u32) -> LetGo {
    IS_HELD.store(false, Ordering::SeqCst);
    MAY_GO.store(false, Ordering::SeqCst);
    window.state().session().ask(Lane::Now, &Hold(number));
    while !IS_HELD.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    LetGo
}

#[test]
fn while_a_tokenizer_is_changed_all_pictures_stay_and_it_is_said_which_one_is_older() {
    let small = Small::new();
    let Some(mut window) = open_drawn(empty(tab(ViewId::Compare)), [1200.0, 700.0]) else { return };
    small.open_in(&mut window);
    send(&mut window, Open::Model(Slot::B, shipped(FSQ)));
    let panes = ["Original", "Reconstruction A", "Difference A", "Reconstruction B"];
    let places = |window: &Window| panes.map(|name| rect_of(window, name));
    let original = encoded(&window).picture.clone();
    let of_a = compared(&window).reconstruction.clone();
    let colors = |window: &mut Window, name: &str, picture: &Picture| {
        let place = rect_of(window, name);
        let screen = drawn(window);
        let at = middle_of(place, (24, 20), (32, 32));
        apart(pixel(&screen, at), texel(picture, 20, 24))
    };
    for (number, (slot, model, name)) in
        [(Slot::A, VQ, "A tiny"), (Slot::B, "worlds-vqgan", "B worlds-fsq")].into_iter().enumerate()
    {
        let before = places(&window);
        let let_go = hold(&window, number as u32);
        window.state().send(Open::Model(slot, shipped(model)));
        window.run_steps(4);
        assert_eq!(places(&window), before, "nothing jumps");
        assert!(colors(&mut window, "Original", &original) <= 2);
        if slot == Slot::A {
            assert!(colors(&mut window, "Reconstruction A", &of_a) <= 2);
        }
        let sign = format!("{model} is at work; this is");
        assert!(says(&window, &sign), "{:?}", labels(&window, "at work"));
        // The figures are those of the picture that is seen, under the name of who made it.
        assert_eq!(labels(&window, " dB").len(), 2);
        assert!(labels(&window, " dB").iter().any(|said| said.starts_with(name)));
        drop(let_go);
        settle(&mut window);
        assert!(!says(&window, "at work"), "{:?}", labels(&window, "at work"));
        let said = labels(&window, " dB");
        assert!(said.iter().any(|said| said.contains(model)), "{said:?}");
    }
    // Another image: the last pictures are called so until the new ones are there.
    let let_go = hold(&window, 7);
    window.state().send(Open::Image(ImageRef::InSource { source: small.source(), index: 1 }));
    window.run_steps(4);
    assert!(colors(&mut window, "Original", &original) <= 2);
    assert!(labels(&window, "this is the last picture").len() >= 2);
    drop(let_go);
    settle(&mut window);
    assert!(!says(&window, "the last picture"));
}

#[test]
fn a_tokenizer_that_cannot_be_had_takes_no_other_picture_away() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Compare)), [1200.0, 700.0]);
    small.open_in(&mut window);
    send(&mut window, Open::Model(Slot::B, shipped(FSQ)));
    let gone: std::sync::Arc<std::path::Path> = small.pictures().join("gone.safetensors").into();
    let gone = ModelRef::File { stamp: smalti_engine::questions::Stamp::of(&gone), path: gone };
    send(&mut window, Open::Model(Slot::A, gone));
    assert!(says(&window, "gone.safetensors"));
    assert!(says(&window, "Original") && says(&window, "Reconstruction B"));
    assert_eq!(labels(&window, " dB").len(), 1);
}

/// Where captions with figures stand.
fn captions(window: &Window) -> Vec<Rect> {
    window.query_all_by_label_contains(" dB").map(|node| node.rect()).collect()
}

#[test]
fn three_tokenizers_are_compared_in_a_small_window_and_in_large_text_with_all_figures() {
    let small = Small::new();
    for (size, scale, least) in
        [([1280.0, 800.0], 1.0, 120.0), ([1280.0, 800.0], 1.25, 110.0), ([640.0, 420.0], 1.0, 24.0)]
    {
        let mut window = open_sized(empty(tab(ViewId::Compare)), size);
        send(&mut window, AppCommand::TextScale(scale));
        small.open_in(&mut window);
        send(&mut window, Open::Model(Slot::B, shipped(FSQ)));
        send(&mut window, Open::Model(Slot::C, shipped(VQ)));
        let inside = window.ctx.content_rect();
        for mode in CompareMode::ALL {
            send(&mut window, Look::Compare(mode));
            for difference in [DifferenceKind::Signed, DifferenceKind::Hidden] {
                send(&mut window, Look::Difference(difference));
                let about = format!("{size:?} x{scale}, {mode:?}, {difference:?}");
                let places = captions(&window);
                let all = if mode == CompareMode::Side { 3 } else { 1 };
                assert_eq!(places.len(), all, "{about}: {:?}", labels(&window, " dB"));
                for (at, place) in places.iter().enumerate() {
                    assert!(inside.contains_rect(*place), "{about}: {place:?} is outside");
                    let others = places.iter().skip(at + 1);
                    let overlaps = others.filter(|other| other.shrink(1.0).intersects(*place));
                    assert_eq!(overlaps.count(), 0, "{about}");
                }
                let names = ["Original", "Reconstruction", "Difference", " of original|A"];
                let pictures = names.iter().flat_map(|name| {
                    window.query_all_by_label_contains(name).map(|node| node.rect())
                });
                let pictures: Vec<Rect> = pictures.collect();
                let maps = if difference == DifferenceKind::Hidden { 0 } else { 3 };
                let panes = if mode == CompareMode::Side { 4 + maps } else { 1 };
                assert_eq!(pictures.len(), panes, "{about}");
                for picture in pictures {
                    assert!(inside.contains_rect(picture), "{about}: {picture:?} is outside");
                    assert!(picture.width().min(picture.height()) >= least, "{about}: {picture:?}");
                    assert!(places.iter().all(|place| !place.shrink(1.0).intersects(picture)));
                }
                // Every map has its key, and none lies over a picture.
                let keys = window.query_all_by_label_contains("scale from").count();
                assert_eq!(keys, if mode == CompareMode::Side { maps } else { 0 }, "{about}");
            }
        }
    }
}

#[test]
fn what_is_said_of_a_picture_begins_where_the_picture_does() {
    let small = Small::new();
    // Narrow pictures, whose captions need more room than they have.
    for size in [[1800.0, 420.0], [900.0, 700.0]] {
        let mut window = open_sized(empty(tab(ViewId::Compare)), size);
        small.open_in(&mut window);
        send(&mut window, Open::Model(Slot::B, shipped(FSQ)));
        let left = |window: &Window, label: &str| rect_of(window, label).left();
        for (picture, words) in
            [("Reconstruction A", "A tiny, "), ("Reconstruction B", "B worlds-fsq, ")]
        {
            let apart = left(&window, picture) - left(&window, words);
            assert!(apart.abs() < 0.6, "{size:?}, {picture}: {apart}");
        }
        // Over each other both captions share the room below; here it is enough.
        let modes = [CompareMode::Slider, CompareMode::Swap];
        for mode in modes.into_iter().filter(|_| size[0] > 1000.0) {
            send(&mut window, Look::Compare(mode));
            send(&mut window, Look::Pair(Some(Pair { left: Some(Slot::A), right: Slot::B })));
            let apart = left(&window, " of A|B") - left(&window, "A tiny, ");
            assert!(apart.abs() < 0.6, "{size:?}, {mode:?}: {apart}");
        }
        send(&mut window, Look::Compare(CompareMode::Side));
        send(&mut window, Look::Pair(None));
    }
}

#[test]
fn what_is_said_of_a_picture_ends_where_the_picture_does_if_it_has_room_there() {
    let small = Small::new();
    for size in [[1280.0, 800.0], [1080.0, 740.0], [1600.0, 700.0]] {
        let mut window = open_sized(empty(tab(ViewId::Compare)), size);
        small.open_in(&mut window);
        send(&mut window, Open::Model(Slot::B, shipped(FSQ)));
        // A short caption, which has room below any of these pictures.
        let (picture, words) = (rect_of(&window, "Original"), rect_of(&window, "original, "));
        assert!((picture.left() - words.left()).abs() < 0.6, "{size:?}");
        assert!((picture.right() - words.right()).abs() < 0.6, "{size:?}: {picture:?}, {words:?}");
    }
}

#[test]
fn signed_maps_side_by_side_are_amplified_alike_and_say_how_much() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Compare)), [1280.0, 800.0]);
    small.open_in(&mut window);
    send(&mut window, Open::Model(Slot::B, shipped(FSQ)));
    send(&mut window, Look::Difference(DifferenceKind::Signed));
    let said = labels(&window, "difference, signed ×");
    assert_eq!(said.len(), 2, "{said:?}");
    let times = |said: &str| said.split('×').next_back().unwrap().to_owned();
    assert_eq!(times(&said[0]), times(&said[1]));
    // The full range through the gain is what the keys' ends are.
    let times: f64 = times(&said[0]).parse().unwrap();
    let keys = labels(&window, "scale from");
    assert_eq!(keys.len(), 2);
    for key in keys {
        let end: f64 = key.split(['+', '%']).nth(1).unwrap().trim().parse().unwrap();
        assert!((end - 100.0 / times).abs() < 0.01, "{key} at ×{times}");
    }
    send(&mut window, Look::Difference(DifferenceKind::Absolute));
    assert!(!says(&window, "difference, absolute ×"), "its ends are always the same");
}
