//! Compare: the ways to look, and whether the figures are those of the pictures.

use egui::accesskit::Role;
use egui::{Key, Modifiers, Pos2, Rect, vec2};
use egui_kittest::kittest::Queryable;
use smalti::document::{CompareMode, Look, Open, Slot, ViewId};
use smalti_engine::images::Picture;
use smalti_engine::measure;
use smalti_engine::questions::{ModelRef, Stamp};
use smalti_tests::tiny::residual_model;
use smalti_tests::window::{
    Small, Window, apart, button, click, click_label, compared, drag, drawn, empty, encoded,
    labels, middle_of, open_drawn, open_sized, pixel, point_nowhere, press, rect_of, says, send,
    settle, tab, texel,
};

use super::viridis;

fn small_compare() -> Option<(Window, Small)> {
    let small = Small::new();
    let mut window = open_drawn(empty(tab(ViewId::Compare)), [1000.0, 700.0])?;
    small.open_in(&mut window);
    Some((window, small))
}

/// Peak signal-to-noise ratio by its definition.
fn psnr(a: &Picture, b: &Picture) -> f64 {
    let squares = a.rgb().iter().zip(b.rgb().iter()).map(|(x, y)| {
        let d = f64::from(*x) - f64::from(*y);
        d * d
    });
    10.0 * (255.0 * 255.0 * a.rgb().len() as f64 / squares.sum::<f64>()).log10()
}

/// How figures are written: PSNR, SSIM without its zero, bits per pixel, tokens.
fn figures(original: &Picture, rebuilt: &Picture, bits_per_pixel: f64, tokens: usize) -> String {
    let ssim = format!("{:.2}", measure::ssim(original, rebuilt).unwrap());
    let ssim = ssim.trim_start_matches('0');
    let psnr = psnr(original, rebuilt);
    format!("{psnr:.1} dB · SSIM {ssim} · {bits_per_pixel:.2} bpp · {tokens} tokens")
}

#[test]
fn the_figures_are_those_of_the_pictures_for_both_tokenizers() {
    let small = Small::new();
    let mut window = open_sized(empty(tab(ViewId::Compare)), [1000.0, 700.0]);
    small.open_in(&mut window);
    let (original, rebuilt) = (encoded(&window).picture.clone(), compared(&window));
    // One of 20 codes for each 2 x 2 pixels.
    let of_a = figures(&original, &rebuilt.reconstruction, 20.0_f64.log2() / 4.0, 256);
    assert!(says(&window, &of_a), "{of_a}, but it says {:?}", labels(&window, " dB"));
    assert_eq!(labels(&window, " dB").len(), 1);

    click_label(&mut window, "compare with…");
    click_label(&mut window, "worlds-fsq");
    assert_eq!(window.state().document().others[0], Some(ModelRef::Shipped("worlds-fsq".into())));
    let mut alone = open_sized(empty(tab(ViewId::Compare)), [1000.0, 700.0]);
    small.open_in(&mut alone);
    let model = ModelRef::Shipped("worlds-fsq".into());
    alone.state().send(smalti::document::Open::Model(smalti::document::Slot::A, model));
    settle(&mut alone);
    let of_b = figures(
        &encoded(&alone).picture,
        &compared(&alone).reconstruction,
        1000.0_f64.log2() / 16.0,
        64,
    );
    assert_ne!(of_a, of_b);
    let said = labels(&window, " dB");
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().any(|text| text.contains(&of_a)), "{of_a}: {said:?}");
    assert!(said.iter().any(|text| text.contains(&of_b)), "{of_b}: {said:?}");
}

#[test]
fn the_slider_of_levels_leaves_the_last_ones_out_of_every_tokenizer_that_has_them() {
    let small = Small::new();
    let path: std::sync::Arc<std::path::Path> =
        small.pictures().join("../levels.safetensors").into();
    residual_model(&path);
    let model = ModelRef::File { stamp: Stamp::of(&path), path };
    let mut window = open_sized(empty(tab(ViewId::Compare)), [1280.0, 700.0]);
    small.open_in(&mut window);
    assert!(window.query_by_role(Role::Slider).is_none(), "one grid has no levels");
    // The tokenizer beside the first one has levels, then the first one, too.
    send(&mut window, Open::Model(Slot::B, model.clone()));
    let rates = |window: &Window| -> Vec<bool> {
        let said = labels(window, " bpp");
        ["1.00 bpp", "2.00 bpp", "3.00 bpp"]
            .map(|rate| said.iter().any(|s| s.contains(rate)))
            .into()
    };
    // Three levels of 16 codes for each 2 x 2 pixels.
    assert_eq!(rates(&window), [false, false, true]);
    window.get_by_role(Role::Slider).focus();
    window.run();
    press(&mut window, Modifiers::NONE, Key::ArrowLeft);
    assert_eq!(rates(&window), [false, true, false]);
    assert!(says(&window, "2 of 3 levels"));
    // A new first tokenizer is looked at as a whole.
    send(&mut window, Open::Model(Slot::A, model));
    assert_eq!(rates(&window), [false, false, true]);
    window.get_by_role(Role::Slider).focus();
    window.run();
    press(&mut window, Modifiers::NONE, Key::ArrowLeft);
    press(&mut window, Modifiers::NONE, Key::ArrowLeft);
    assert_eq!(rates(&window), [true, false, false]);
    assert_eq!(labels(&window, "1.00 bpp").len(), 2);
    // In every mode, as there is nothing of it in one alone.
    for mode in [CompareMode::Slider, CompareMode::Swap, CompareMode::Side] {
        send(&mut window, Look::Compare(mode));
        assert!(window.query_by_role(Role::Slider).is_some(), "{mode:?}");
        assert!(says(&window, "1 of 3 levels"), "{mode:?}");
    }
    window.get_by_role(Role::Slider).focus();
    window.run();
    // A picture of one level is another than that of all of them.
    let decibels =
        |window: &Window| labels(window, " dB")[0].split_once(" dB").unwrap().0.to_owned();
    let coarse = decibels(&window);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert_eq!(rates(&window), [false, false, true]);
    assert_ne!(coarse, decibels(&window));
    assert!(!says(&window, "of 3 levels ·") && !says(&window, "3 of 3 levels"));
}

/// The picture in a part of the window that it is fitted into.
pub(super) fn fitted(view: Rect, picture: &Picture) -> Rect {
    let size = vec2(picture.width() as f32, picture.height() as f32);
    let scale = (view.size() / size).min_elem();
    Rect::from_center_size(view.center(), size * scale)
}

/// For each column of pixels, whether the original ('o') or the reconstruction ('r') is drawn, as
/// far as they differ. What the line of a slider at `line` covers is left out.
fn drawn_columns(window: &mut Window, line: f32) -> Vec<(u32, char)> {
    let (original, rebuilt) = (encoded(window).picture.clone(), compared(window));
    let rebuilt = &rebuilt.reconstruction;
    let place = fitted(rect_of(window, " of original|A"), &original);
    let screen = drawn(window);
    let size = (original.height() as usize, original.width() as usize);
    let mut found = Vec::new();
    for x in 0..original.width() {
        for y in [5, 11, 17, 23] {
            let (o, r) = (texel(&original, x, y), texel(rebuilt, x, y));
            let at = middle_of(place, (y as usize, x as usize), size);
            let seen = pixel(&screen, at);
            let is_covered = (at.x - place.left() - line * place.width()).abs() < 3.5;
            if apart(o, r) > 24 && !is_covered {
                let (to_o, to_r) = (apart(seen, o), apart(seen, r));
                assert!(to_o.min(to_r) <= 2, "{x}, {y}: {seen:?} is neither {o:?} nor {r:?}");
                found.push((x, if to_o < to_r { 'o' } else { 'r' }));
            }
        }
    }
    assert!(found.len() > 40, "original and reconstruction hardly differ");
    found
}

fn assert_divided(columns: &[(u32, char)], at: f32) {
    let (left, right): (Vec<_>, Vec<_>) = columns
        .iter()
        .filter(|(x, _)| (*x as f32 + 0.5 - at * 32.0).abs() > 0.7)
        .partition(|(x, _)| (*x as f32) < at * 32.0);
    assert!(left.iter().all(|(_, which)| *which == 'o'), "left of {at}: {left:?}");
    assert!(right.iter().all(|(_, which)| *which == 'r'), "right of {at}: {right:?}");
}

#[test]
fn the_slider_stands_where_it_is_dragged_and_moves_by_the_arrow_keys() {
    let Some((mut window, _small)) = small_compare() else { return };
    // Chosen without the mouse.
    window.get_by_label("side by side").focus();
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Enter);
    window.get_by_label("slider").focus();
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert_eq!(window.state().document().looks.compare, CompareMode::Slider);
    assert_divided(&drawn_columns(&mut window, 0.5), 0.5);

    let view = rect_of(&window, " of original|A");
    let place = fitted(view, &encoded(&window).picture);
    let at = |x: f32| -> Pos2 { place.min + vec2(x, 0.4) * place.size() };
    click(&mut window, at(0.25), Modifiers::NONE);
    point_nowhere(&mut window);
    assert_divided(&drawn_columns(&mut window, 0.25), 0.25);
    for _ in 0..10 {
        press(&mut window, Modifiers::NONE, Key::ArrowRight);
    }
    assert_divided(&drawn_columns(&mut window, 0.45), 0.45);
    press(&mut window, Modifiers::NONE, Key::ArrowLeft);
    assert_divided(&drawn_columns(&mut window, 0.43), 0.43);
    drag(&mut window, at(0.43), at(0.8));
    point_nowhere(&mut window);
    assert_divided(&drawn_columns(&mut window, 0.8), 0.8);
    drag(&mut window, at(0.8), view.left_top());
    point_nowhere(&mut window);
    assert_divided(&drawn_columns(&mut window, 0.0), 0.0);
}

#[test]
fn the_original_is_shown_while_the_button_is_held() {
    let Some((mut window, _small)) = small_compare() else { return };
    click_label(&mut window, "side by side");
    click_label(&mut window, "swap");
    point_nowhere(&mut window);
    let all = |window: &mut Window, which: char| {
        drawn_columns(window, -1.0).iter().all(|(_, shown)| *shown == which)
    };
    assert!(all(&mut window, 'r'));
    let at = rect_of(&window, " of original|A").center();
    window.hover_at(at);
    button(&mut window, at, true, Modifiers::NONE);
    assert!(all(&mut window, 'o'));
    button(&mut window, at, false, Modifiers::NONE);
    assert!(all(&mut window, 'r'));
}

#[test]
fn each_difference_has_the_colors_of_its_values() {
    let Some((mut window, _small)) = small_compare() else { return };
    let (original, rebuilt) = (encoded(&window).picture.clone(), compared(&window));
    let rebuilt = rebuilt.reconstruction.clone();
    let structure = measure::ssim_map(&original, &rebuilt).unwrap().map;
    let mean = |x: u32, y: u32, of: &dyn Fn(f64) -> f64| -> f64 {
        let (o, r) = (texel(&original, x, y), texel(&rebuilt, x, y));
        let each = std::iter::zip(o, r).map(|(o, r)| of((f64::from(r) - f64::from(o)) / 255.0));
        each.sum::<f64>() / 3.0
    };
    let mut before = "absolute";
    for kind in ["absolute", "structure", "signed"] {
        if kind != before {
            click_label(&mut window, before);
            click_label(&mut window, kind);
            point_nowhere(&mut window);
        }
        before = kind;
        let place = rect_of(&window, "Difference");
        assert!(says(&window, &format!("difference, {kind}")));
        let screen = drawn(&mut window);
        let (mut bright, mut dark) = (0, 0);
        for (x, y) in (2..30).flat_map(|y| (2..30).map(move |x| (x, y))) {
            let seen = pixel(&screen, middle_of(place, (y as usize, x as usize), (32, 32)));
            let want = match kind {
                "absolute" => viridis(mean(x, y, &f64::abs) * 4.0),
                "structure" => viridis(1.0 - f64::from(structure[(y * 32 + x) as usize])),
                _ => {
                    // Blue is too dark, red too bright, more so the more it is.
                    let signed = mean(x, y, &|d| d);
                    let red = i32::from(seen[0]) - i32::from(seen[2]);
                    if signed > 0.1 {
                        bright += 1;
                        assert!(red > 20, "{x}, {y}: {signed:.2} is {seen:?}");
                    } else if signed < -0.1 {
                        dark += 1;
                        assert!(red < -20, "{x}, {y}: {signed:.2} is {seen:?}");
                    }
                    continue;
                }
            };
            assert!(apart(seen, want) <= 12, "{kind} {x}, {y}: {seen:?}, should be {want:?}");
        }
        assert!(kind != "signed" || (bright > 20 && dark > 20), "{bright} and {dark}");
    }
}
