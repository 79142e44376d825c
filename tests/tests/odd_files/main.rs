//! Awkward, broken and hostile files: each opens upright, or is refused in words that help.
//!
//! `odd.tar` holds files whose very names are part of the test; `odd.json` says what is expected of
//! each. `cases` are files as people have them, `kinds` the rarer kinds of each format, `sets` whole
//! data sets, `measured` what is said of them; `fuzz` and `fuzz_arrays` throw damaged files at every
//! reader.

#![allow(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

mod cases;
mod fuzz;
mod fuzz_arrays;
mod kinds;
mod measured;
mod sets;

use std::path::{Path, PathBuf};

use smalti_engine::EngineError;
use smalti_engine::images::{Decoded, Limits, Picture, open};
use tempfile::TempDir;

/// The folder of the test crate.
fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The odd files, unpacked where nothing else is.
fn odd_files() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let archive = std::fs::File::open(crate_folder().join("odd.tar")).unwrap();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        assert!(entry.unwrap().unpack_in(folder.path()).unwrap(), "an entry leads outside");
    }
    folder
}

/// What is expected of one odd file.
struct Expected {
    name: String,
    outcome: String,
    lenient: Option<String>,
    upright: Option<String>,
    has_frames: bool,
}

fn expected() -> Vec<Expected> {
    let text = std::fs::read_to_string(crate_folder().join("odd.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let text_of = |entry: &serde_json::Value, key: &str| entry[key].as_str().map(str::to_owned);
    let files = value.as_object().unwrap().iter();
    files
        .map(|(name, entry)| Expected {
            name: name.clone(),
            outcome: text_of(entry, "expected").unwrap(),
            lenient: text_of(entry, "lenient"),
            upright: text_of(entry, "upright"),
            has_frames: entry["frames"].is_u64(),
        })
        .collect()
}

fn try_open(folder: &TempDir, name: &str) -> Result<Decoded, EngineError> {
    open(&folder.path().join(name), &Limits::default())
}

fn picture(folder: &TempDir, name: &str) -> Picture {
    try_open(folder, name).unwrap().picture
}

fn psnr(a: &Picture, b: &Picture) -> f64 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    let squares: f64 =
        a.rgb().iter().zip(b.rgb().iter()).map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2)).sum();
    10.0 * (255.0_f64.powi(2) * a.rgb().len() as f64 / squares).log10()
}

#[test]
fn every_odd_file_behaves_as_the_manifest_says() {
    let folder = odd_files();
    let files = expected();
    assert!(files.len() >= 56, "{} files in the manifest", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        let (outcome, complaint) = match try_open(&folder, &file.name) {
            Ok(decoded) => {
                (format!("opens {}", size(decoded.stored_size)), check_opened(file, &decoded))
            }
            Err(error) => ("refused".to_owned(), check_refusal(file, &error)),
        };
        if outcome != file.outcome && Some(&outcome) != file.lenient.as_ref() {
            wrong.push(format!("{}: {outcome}, but expected: {}", file.name, file.outcome));
        }
        wrong.extend(complaint.map(|complaint| format!("{}: {complaint}", file.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn size((width, height): (u32, u32)) -> String {
    format!("{width}x{height}")
}

fn check_opened(file: &Expected, decoded: &Decoded) -> Option<String> {
    let upright = size((decoded.picture.width(), decoded.picture.height()));
    let wanted = file.upright.clone().unwrap_or_else(|| size(decoded.stored_size));
    if upright != wanted {
        return Some(format!("upright {upright}, but expected {wanted}"));
    }
    // A damaged file that opens all the same says so; an animation says that it is one.
    let needs_word = file.outcome == "refused" || file.has_frames;
    if needs_word && decoded.warnings.is_empty() {
        return Some("opens without a word of warning".to_owned());
    }
    if !needs_word && !decoded.warnings.is_empty() {
        return Some(format!("is fine, but warned of: {:?}", decoded.warnings));
    }
    None
}

fn check_refusal(file: &Expected, error: &EngineError) -> Option<String> {
    let problem = error.problem();
    let last = file.name.rsplit('/').next().unwrap_or_default();
    if !problem.bad_input {
        return Some(format!("not told as bad input: {problem}"));
    }
    if !problem.summary.contains(last) || problem.summary.lines().count() != 1 {
        return Some(format!("not one line with the name in it: {problem}"));
    }
    if problem.hint.is_empty() || problem.summary.ends_with('.') {
        return Some(format!("no hint, or a full stop: {problem}"));
    }
    None
}

#[test]
fn refusals_say_what_the_file_is_or_what_is_wrong_with_it() {
    let folder = odd_files();
    let cases = [
        ("photo.avif", "AVIF"),
        ("text.png", "text"),
        ("page.jpg", "HTML"),
        ("empty.png", "0 bytes"),
        ("truncated.png", "PNG is cut off"),
        ("truncated.jpg", "JPEG is cut off"),
        ("header_only.png", "PNG is cut off"),
        ("zero_width.png", "PNG is damaged"),
        ("bad_crc_ihdr.png", "PNG is damaged"),
        ("corrupt_deflate.png", "PNG is damaged"),
        ("huge_header_60000x60000.png", "60000x60000"),
        ("bomb_16384x16384.png", "16384x16384"),
        ("folder_named.png", "folder"),
    ];
    let mut wrong = Vec::new();
    for (name, words) in cases {
        let problem = try_open(&folder, name).unwrap_err().problem();
        let reason = problem.summary.rsplit(name).next().unwrap_or_default();
        if !reason.contains(words) {
            wrong.push(format!("{problem}, but should say: {words}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_cmyk_photograph_is_no_negative() {
    let folder = odd_files();
    let same = psnr(&picture(&folder, "cmyk.jpg"), &picture(&folder, "ycc444.jpeg"));
    assert!(same > 25.0, "{same} dB against the same picture in YCbCr");
}

#[test]
fn the_same_picture_is_the_same_in_every_format() {
    let folder = odd_files();
    // A binary PPM is its pixels after three lines: no decoder is needed to know them.
    let ppm = std::fs::read(folder.path().join("binary.ppm")).unwrap();
    let original = Picture::new(192, 128, &ppm[ppm.len() - 192 * 128 * 3..]).unwrap();
    let lossless = [
        "binary.ppm",
        "rgb24.bmp",
        "plain.qoi",
        "lzw.tiff",
        "trailing_garbage.png",
        "png_named.jpg",
    ];
    for name in lossless {
        assert_eq!(picture(&folder, name), original, "{name}");
    }
    for name in ["rgb16.png", "ycc444.jpeg", "UPPER.JPG", "lossy.webp", "jpeg_named.png"] {
        let same = psnr(&picture(&folder, name), &original);
        assert!(same > 34.0, "{name}: {same} dB");
    }
    let gray = picture(&folder, "gray8.png");
    for name in ["gray16.png", "gray.jpg"] {
        let same = psnr(&picture(&folder, name), &gray);
        assert!(same > 35.0, "{name}: {same} dB");
    }
}

#[test]
fn a_picture_from_a_turned_camera_stands_upright() {
    let folder = odd_files();
    let (turned, lying) =
        (picture(&folder, "progressive_exif6.jpg"), picture(&folder, "binary.ppm"));
    // 90 degrees clockwise: the first column, from the bottom up, becomes the first row.
    let mut rgb = Vec::new();
    for y in 0..lying.width() {
        for x in 0..lying.height() {
            rgb.extend(lying.pixel(y, lying.height() - 1 - x).unwrap());
        }
    }
    let expected = Picture::new(lying.height(), lying.width(), rgb).unwrap();
    let same = psnr(&turned, &expected);
    assert!(same > 25.0, "{same} dB");
}

#[test]
fn transparency_is_flattened_on_white_without_the_color_below_it() {
    let folder = odd_files();
    for name in ["rgba.png", "gray_alpha.png", "palette_trns.png", "lossless_alpha.webp"] {
        let raw = image::open(folder.path().join(name)).unwrap().to_rgba8();
        let ours = picture(&folder, name);
        let mut n_clear = 0;
        for (x, y, pixel) in raw.enumerate_pixels() {
            let [r, g, b, a] = pixel.0.map(f64::from);
            let shown = ours.pixel(x, y).unwrap();
            for (value, shown) in [r, g, b].into_iter().zip(shown) {
                let exact = value * a / 255.0 + (255.0 - a);
                assert!((f64::from(shown) - exact).abs() <= 0.501, "{name} at {x}, {y}");
            }
            n_clear += u32::from(a == 0.0 && shown == [255; 3]);
        }
        assert!(n_clear > 0, "{name} has nothing transparent, so this shows nothing");
    }
}

#[test]
fn a_file_in_the_middle_of_being_written_is_never_shown_in_part() {
    let folder = odd_files();
    let names = [
        "interlaced.png",
        "ycc444.jpeg",
        "progressive_exif6.jpg",
        "still.gif",
        "lossy.webp",
        "lossless_alpha.webp",
        "lzw.tiff",
        "rgb24.bmp",
        "plain.qoi",
        "binary.ppm",
        "plain.tga",
    ];
    let mut wrong = Vec::new();
    for name in names {
        let bytes = std::fs::read(folder.path().join(name)).unwrap();
        for percent in [3, 20, 50, 75, 90] {
            let part = &bytes[..bytes.len() * percent / 100];
            let result = smalti_engine::images::decode(part, Path::new(name), &Limits::default());
            if result.is_ok() {
                wrong.push(format!("{name} cut at {percent} % opens"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[cfg(unix)]
#[test]
fn devices_and_pipes_are_refused_at_once() {
    for name in ["/dev/zero", "/dev/null"] {
        let error = open(Path::new(name), &Limits::default()).unwrap_err().to_string();
        assert!(error.contains("device"), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let pipe: PathBuf = folder.path().join("pipe.png");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if made.is_ok_and(|status| status.success()) {
        let error = open(&pipe, &Limits::default()).unwrap_err().to_string();
        assert!(error.contains("pipe"), "{error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let problem = open(Path::new("no/such/picture.png"), &Limits::default()).unwrap_err().problem();
    assert!(problem.summary.contains("no/such/picture.png"), "{problem}");
    assert!(!problem.hint.is_empty());
}
