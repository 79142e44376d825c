//! What an edit does beyond its cells: an original keeps its own pixels, those that move are marked, and so are tokens
//! that would be others if the picture were encoded again.

use std::path::Path;
use std::sync::Arc;

use egui::{Key, Modifiers};
use smalti::document::{Edit, Open, ViewId};
use smalti::files::saved::{Carried, Saved, from_bytes, to_bytes};
use smalti_engine::images::{Fit, Picture, WorkingSize};
use smalti_engine::questions::{Decode, Encode, ImageRef};
use smalti_engine::tokens::{Cell, Tokens};
use smalti_tests::window::{
    Window, assets, click_label, empty, encoded, labels, open_sized, press, says, send, tab,
};

use super::exports::{open_menu, save_to};

/// The size of the file itself.
fn original_size() -> WorkingSize {
    WorkingSize { side: 0, mode: Fit::KeepOriginal, multiple_of: 1 }
}

/// Three of 48 x 32 tokens of a photograph in its own size, 4 pixels each, and the folder that it is in.
fn edited() -> (Window, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let whole = image::open(assets().join("samples/kodim23.png")).unwrap();
    let file = folder.path().join("parrots.png");
    whole.crop_imm(120, 60, 192, 128).to_rgb8().save(&file).unwrap();
    let mut window = open_sized(empty(tab(ViewId::Tokens)), [1280.0, 800.0]);
    window.state().send(Open::Size(original_size()));
    send(&mut window, Open::Image(ImageRef::file(file)));
    let own = encoded(&window).tokens.clone();
    assert_eq!((own.first().rows(), own.first().columns()), (32, 48));
    let size = own.first().codebook_size();
    let cells = [Cell::at(8, 10), Cell::at(8, 11), Cell::at(9, 10)];
    let other = |cell: &Cell| (*cell, (own.get(*cell).unwrap() + size / 2) % size);
    send(&mut window, Edit::ForceTokens(cells.iter().map(other).collect()));
    (window, folder)
}

fn decoded(window: &Window, tokens: Tokens) -> Picture {
    let model = window.state().document().model.clone();
    window.state().session().wait(&Decode { tokens, model }).unwrap().picture.clone()
}

/// The picture of the Tokens view, as it is saved.
fn saved(window: &mut Window, path: &Path) -> image::RgbImage {
    open_menu(window, "Reconstruction");
    click_label(window, "Save as PNG, 1×…");
    save_to(window, path);
    image::open(path).unwrap().to_rgb8()
}

#[test]
fn outside_of_an_edit_the_pixels_are_those_of_the_file_and_within_those_of_the_decoding() {
    let (mut window, folder) = edited();
    assert!(says(&window, "original outside the edit of 3 cells"));
    assert!(says(&window, "decoded whole: "), "of what the figures are");
    let path = folder.path().join("seen.png");
    let seen = saved(&mut window, &path);
    let about = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
    assert!(about.contains("original outside the edit of 3 cells"));

    let file = image::open(folder.path().join("parrots.png")).unwrap().to_rgb8();
    let own = encoded(&window);
    let before = decoded(&window, own.tokens.clone());
    let after = decoded(&window, window.state().document().tokens(&own));
    let moves = |x: u32, y: u32| {
        let (a, b) = (before.pixel(x, y).unwrap(), after.pixel(x, y).unwrap());
        std::iter::zip(a, b).any(|(a, b)| a.abs_diff(b) > 3)
    };
    let moved: Vec<(u32, u32)> =
        file.enumerate_pixels().map(|(x, y, _)| (x, y)).filter(|(x, y)| moves(*x, *y)).collect();
    let (mut outside, mut within, mut between) = (0, 0, 0);
    for (x, y, pixel) in seen.enumerate_pixels() {
        let far = |at: &(u32, u32)| at.0.abs_diff(x).pow(2) + at.1.abs_diff(y).pow(2);
        let round = moved.iter().filter(|at| far(at) <= 2).count();
        let nearest = moved.iter().map(far).min().unwrap();
        let (original, decoded) = (file.get_pixel(x, y).0, after.pixel(x, y).unwrap());
        if nearest > 16 * 16 {
            assert_eq!(pixel.0, original, "{x}, {y}");
            outside += 1;
        } else if nearest == 0 && round >= 3 {
            assert_eq!(pixel.0, decoded, "{x}, {y}");
            within += 1;
        } else {
            for ((seen, a), b) in pixel.0.into_iter().zip(original).zip(decoded) {
                assert!((a.min(b)..=a.max(b)).contains(&seen), "{x}, {y}: {seen} of {a}, {b}");
            }
            between += usize::from(pixel.0 != original && pixel.0 != decoded);
        }
    }
    // Three cells of 16 pixels, and what a decoder sees around them.
    assert!(within > 48 && within < 3000, "{within}");
    assert!(outside > 12_000, "{outside} of {}", 192 * 128);
    assert!(between > 100, "{between} are between both");

    // All of it where that is wanted, and kept with the document.
    press(&mut window, Modifiers::NONE, Key::W);
    assert!(!says(&window, "original outside") && says(&window, "with 3 forced cells"));
    let whole = saved(&mut window, &folder.path().join("whole.png"));
    assert_eq!(&whole.into_raw()[..], &after.rgb()[..]);
    let document = window.state().document().clone();
    let bytes = to_bytes(&Saved::new(document, None), &Carried::Pasted).unwrap();
    let read = from_bytes(&bytes, Path::new("a.smalti")).unwrap().document;
    assert!(read.looks.edited.whole_decoding);
}

#[test]
fn the_command_line_gives_the_pixels_of_the_window_decoded_whole_or_not() {
    let (mut window, folder) = edited();
    let path = |name: &str| folder.path().join(name);
    let document = window.state().document().clone();
    let bytes = to_bytes(&Saved::new(document, None), &Carried::Pasted).unwrap();
    std::fs::write(path("parrots.smalti"), bytes).unwrap();
    let seen = saved(&mut window, &path("seen.png"));
    press(&mut window, Modifiers::NONE, Key::W);
    let whole = saved(&mut window, &path("whole.png"));
    assert!(seen != whole);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let pixels = |name: &str| image::open(path(name)).unwrap().to_rgb8();
    let hat = text("parrots.smalti");
    for (more, expected) in [(&[][..], &seen), (&["--pure"][..], &whole)] {
        let decode = ["decode", &hat, "--out", &text("decoded.png")];
        super::replay::run(&[&decode[..], more].concat());
        assert!(pixels("decoded.png") == *expected, "{more:?}");
        let edit = ["edit", &hat, "--out", &text("out")];
        let (said, _) = super::replay::run(&[&edit[..], more].concat());
        assert!(pixels("out/parrots-edited.png") == *expected, "{more:?}");
        assert_eq!(said.contains("original outside the edit"), more.is_empty(), "{said}");
    }
}

#[test]
fn what_an_edit_moves_and_what_would_be_encoded_otherwise_is_said_in_figures() {
    let (mut window, _folder) = edited();
    let own = encoded(&window);
    let now = window.state().document().tokens(&own);
    let (before, after) = (decoded(&window, own.tokens.clone()), decoded(&window, now.clone()));
    let pairs = || std::iter::zip(before.rgb().chunks_exact(3), after.rgb().chunks_exact(3));
    let levels = |a: &[u8], b: &[u8]| -> Vec<u32> {
        std::iter::zip(a, b).map(|(a, b)| u32::from(a.abs_diff(*b))).collect()
    };
    let moved = pairs().filter(|(a, b)| levels(a, b).into_iter().any(|by| by > 3)).count();
    let most = pairs().map(|(a, b)| levels(a, b).into_iter().sum::<u32>()).max().unwrap();
    let (share, most) = (moved as f64 / (192.0 * 128.0) * 100.0, f64::from(most) / 7.65);
    press(&mut window, Modifiers::NONE, Key::X);
    let words = format!("the edit moves {share:.1} % of the pixels, by up to {most:.0} %");
    assert!(says(&window, &words), "{words}: {:?}", labels(&window, "the edit moves"));

    // The whole decoding as a file of its own is encoded as any other one.
    press(&mut window, Modifiers::NONE, Key::W);
    press(&mut window, Modifiers::NONE, Key::E);
    let pasted = smalti_engine::questions::PastedPicture::new(after);
    let (size, model) = (original_size(), window.state().document().model.clone());
    let question = Encode { subject: ImageRef::Pasted(pasted).into(), size, model };
    let again = window.state().session().wait(&question).unwrap();
    let other = now.cells().zip(again.tokens.cells()).filter(|(a, b)| a != b);
    let other: Vec<Cell> = other.map(|((cell, _), _)| cell).collect();
    let edits = Arc::clone(&window.state().document().edits);
    let forced = edits.keys().filter(|cell| other.contains(cell)).count();
    let count = smalti::look::words::grouped(other.len() as u64);
    let words = format!(
        "{count} of 1\u{a0}536 tokens would be others if encoded again, {forced} of 3 forced ones among them"
    );
    assert!(!other.is_empty(), "a decoder's picture is another one than the encoder saw");
    assert!(says(&window, &words), "{words}: {:?}", labels(&window, "encoded again"));
    // In the original nothing but what the edit moves can be encoded otherwise.
    press(&mut window, Modifiers::NONE, Key::W);
    let said = labels(&window, "tokens would be others").concat();
    let fewer: usize = said
        .split(" of 1\u{a0}536 tokens")
        .next()
        .and_then(|before| before.rsplit(' ').next())
        .and_then(|count| count.replace('\u{a0}', "").parse().ok())
        .unwrap_or_else(|| panic!("{said}"));
    assert!(fewer < other.len(), "{fewer} of {}", other.len());
}
