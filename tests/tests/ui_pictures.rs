//! The window looks as it did: the doors, scenes and three themes, drawn by wgpu, against pictures that
//! are kept in `tests/snapshots`. That the comparison notices what a person would is tested too.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::Arc;

use image::{Rgb, RgbImage};
use smalti::document::{AppCommand, Edit, Generate, Open};
use smalti::files::scenes::Scene;
use smalti::settings::ThemeChoice;
use smalti::studio::StudioOptions;
use smalti_engine::generators::Way;
use smalti_engine::questions::{ModelInfo, ModelRef, Stamp};
use smalti_engine::tokens::{Cell, Code};
use smalti_tests::pictures::{assert_looks_like, difference, kept};
use smalti_tests::tiny::tiny_generator;
use smalti_tests::window::{Small, assets, drawn, encoded, open_drawn, point_nowhere, send, until};

/// A shipped scene with its first sample at 64 x 64 pixels and a token picked.
fn looks_as_kept(scene: &str, theme: ThemeChoice, name: &str) {
    let mut scene = Scene::shipped(scene).unwrap();
    scene.loads.side = Some(64);
    let options = StudioOptions {
        scene_text: Some(scene.to_text()),
        theme: Some(theme),
        threads: 2,
        frozen_time: true,
        ..StudioOptions::new(assets())
    };
    let Some(mut window) = open_drawn(options, [1280.0, 800.0]) else { return };
    let code = encoded(&window).tokens.get(Cell::at(8, 8)).map(Code::first);
    send(&mut window, Edit::SelectCells(Arc::new([Cell::at(8, 8)].into())));
    send(&mut window, Edit::SelectCode(code));
    point_nowhere(&mut window);
    assert_looks_like(name, &drawn(&mut window));
}

#[test]
fn the_studio_looks_as_it_did_in_the_dark_theme() {
    looks_as_kept("studio", ThemeChoice::Dark, "studio-dark");
}

#[test]
fn the_studio_looks_as_it_did_in_the_light_theme() {
    looks_as_kept("studio", ThemeChoice::Light, "studio-light");
}

#[test]
fn the_studio_looks_as_it_did_in_high_contrast() {
    looks_as_kept("studio", ThemeChoice::HighContrast, "studio-contrast");
}

#[test]
fn the_comparison_looks_as_it_did() {
    looks_as_kept("compare", ThemeChoice::Dark, "compare-dark");
}

#[test]
fn the_codebook_looks_as_it_did() {
    looks_as_kept("codebook", ThemeChoice::Dark, "codebook-dark");
}

/// The doors, or a scene in presentation at its first caption.
fn first_look(scene: &str, caption: Option<usize>, theme: ThemeChoice, name: &str) {
    let options = StudioOptions {
        scene: Some(scene.to_owned()),
        caption,
        theme: Some(theme),
        threads: 2,
        frozen_time: true,
        ..StudioOptions::new(assets())
    };
    let Some(mut window) = open_drawn(options, [1280.0, 800.0]) else { return };
    point_nowhere(&mut window);
    assert_looks_like(name, &drawn(&mut window));
}

#[test]
fn the_doors_look_as_they_did() {
    first_look("doors", None, ThemeChoice::Dark, "doors-dark");
    first_look("doors", None, ThemeChoice::Light, "doors-light");
}

#[test]
fn a_question_before_it_is_answered_looks_as_it_did() {
    first_look("why-tokens", Some(0), ThemeChoice::Light, "why-tokens-light");
}

#[test]
fn a_photograph_with_its_selected_tokens_looks_as_it_did_for_a_hall() {
    first_look("edit", Some(0), ThemeChoice::HighContrast, "edit-contrast");
}

#[test]
fn a_generator_that_has_not_begun_looks_as_it_did_for_a_hall() {
    first_look("maskgit", Some(0), ThemeChoice::Light, "maskgit-light");
}

#[test]
fn a_moment_of_a_generation_looks_as_it_did() {
    let small = Small::new();
    let options = StudioOptions {
        scene: Some("generate".to_owned()),
        theme: Some(ThemeChoice::Dark),
        threads: 2,
        frozen_time: true,
        ..StudioOptions::new(assets())
    };
    let Some(mut window) = open_drawn(options, [1280.0, 800.0]) else { return };
    let model = ModelRef::File { path: small.model().into(), stamp: Stamp::default() }.now();
    let facts = window.state().session().wait(&ModelInfo { model }).unwrap();
    let path = small.model().with_file_name("painter.safetensors");
    tiny_generator(&path, Way::MaskGit, &facts.token_hash);
    send(&mut window, Open::Path(path));
    let asked = window.state().document().generating.asked.clone().unwrap();
    let asked = Box::new(asked.giving(Cell::at(2, 5), Some(7)));
    send(&mut window, Generate::Start { asked, waits: false });
    until(&mut window, "Generation done");
    send(&mut window, Generate::GoTo(Some(6)));
    send(&mut window, AppCommand::Dismiss);
    point_nowhere(&mut window);
    assert_looks_like("generate-dark", &drawn(&mut window));
}

/// The kept picture at the window's size again.
fn screen_of(name: &str) -> RgbImage {
    let half = kept(name);
    RgbImage::from_fn(half.width() * 2, half.height() * 2, |x, y| *half.get_pixel(x / 2, y / 2))
}

/// A number in 0 to `most`, spread evenly, for a place.
fn spread(x: u32, y: u32, channel: usize, most: u32) -> i32 {
    let mixed = (x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77) ^ channel as u32)
        .wrapping_mul(0xc2b2_ae3d);
    ((mixed >> 8) % (most + 1)) as i32
}

#[test]
fn smoothing_edges_a_little_differently_is_no_difference() {
    for name in ["studio-dark", "studio-light", "studio-contrast", "compare-dark", "codebook-dark"]
    {
        let (screen, half) = (screen_of(name), kept(name));
        assert_eq!(difference(&screen, &half), None, "{name} against itself");
        let mut other = screen.clone();
        for (x, y, pixel) in other.enumerate_pixels_mut() {
            let near = screen.get_pixel((x + 2).min(screen.width() - 1), y).0;
            let is_edge = std::iter::zip(pixel.0, near).any(|(a, b)| a.abs_diff(b) > 30);
            // Two levels anywhere, as rounding may be; twelve where edges are smoothed.
            let reach = if is_edge { 12 } else { 2 };
            for (channel, value) in pixel.0.iter_mut().enumerate() {
                let shift = spread(x, y, channel, 2 * reach) - reach as i32;
                *value = (i32::from(*value) + shift).clamp(0, 255) as u8;
            }
        }
        assert_eq!(difference(&other, &half), None, "{name} with other edges");
    }
}

#[test]
fn a_panel_that_moves_by_four_pixels_is_a_difference() {
    for name in ["studio-dark", "studio-light", "studio-contrast", "compare-dark", "codebook-dark"]
    {
        let (screen, half) = (screen_of(name), kept(name));
        // What stands right of a line across the window, below the menu bar, moves to the right.
        for from in [600, 1010] {
            let mut moved = screen.clone();
            for (x, y) in (from..1280).flat_map(|x| (36..776).map(move |y| (x, y))) {
                moved.put_pixel(x, y, *screen.get_pixel((x - 4).max(from), y));
            }
            assert!(difference(&moved, &half).is_some(), "{name}: right of {from}");
        }
        // All below the tabs moves down.
        let mut moved = screen.clone();
        for (x, y) in (0..1280).flat_map(|x| (70..776).map(move |y| (x, y))) {
            moved.put_pixel(x, y, *screen.get_pixel(x, (y - 4).max(70)));
        }
        assert!(difference(&moved, &half).is_some(), "{name}: downward");
    }
}

#[test]
fn a_color_that_changes_is_a_difference() {
    let near = |a: Rgb<u8>, b: [u8; 3]| std::iter::zip(a.0, b).all(|(a, b)| a.abs_diff(b) <= 2);
    let change = |screen: &RgbImage, from: [u8; 3], to: [u8; 3]| {
        let mut other = screen.clone();
        other.pixels_mut().filter(|p| near(**p, from)).for_each(|p| *p = Rgb(to));
        other
    };
    let (screen, half) = (screen_of("studio-dark"), kept("studio-dark"));
    let (panel, gold) = ([0x16, 0x1a, 0x22], [0xe3, 0xb2, 0x5c]);
    // The panels become as the raised parts are; gold becomes coral; a picture is missing.
    assert!(difference(&change(&screen, panel, [0x1d, 0x22, 0x2c]), &half).is_some());
    assert!(difference(&change(&screen, gold, [0xef, 0x7d, 0x6b]), &half).is_some());
    let mut other = screen.clone();
    for (x, y) in (13..85).flat_map(|x| (80..150).map(move |y| (x, y))) {
        other.put_pixel(x, y, Rgb(panel));
    }
    assert!(difference(&other, &half).is_some(), "a thumbnail is missing");
}
