//! `smalti evaluate` says what it measured: the size, the sample, what it enlarged.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::Value;
use smalti::cli::{DONE, Surroundings};
use smalti_tests::tiny::{tiny_model, write_png};

use super::crate_folder;

/// The lines that `evaluate --json` of a tiny model (two pixels a token) gives, and its remarks.
fn evaluate(data: &Path, options: &[&str]) -> (Vec<Value>, String) {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("tiny.safetensors");
    tiny_model(&model);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let around = Surroundings {
        out: &mut out,
        err: &mut err,
        watched: false,
        cancel: Arc::new(AtomicBool::new(false)),
        assets: None,
        inside: None,
        errors: None,
    };
    let words = ["smalti", "evaluate", "--json", "--data"].map(str::to_owned).into_iter();
    let paths = [data, &model].map(|path| path.to_str().unwrap().to_owned());
    let words = words.chain(paths).chain(options.iter().map(|word| (*word).to_owned()));
    let code = smalti::cli::run(words, around);
    let err = String::from_utf8(err).unwrap();
    assert_eq!(code, DONE, "{err}");
    let out = String::from_utf8(out).unwrap();
    (out.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), err)
}

fn digits() -> std::path::PathBuf {
    crate_folder().join("fixtures/data/mini-images-idx3-ubyte")
}

#[test]
fn digits_are_measured_as_large_as_they_are() {
    let (lines, err) = evaluate(&digits(), &["--limit", "10"]);
    assert_eq!((&lines[0]["size"], &lines[0]["enlarged"]), (&"28x28".into(), &0.into()));
    assert_eq!((&lines[0]["images"], &lines[0]["of_images"]), (&10.into(), &100.into()));
    assert!(err.contains("a sample of 10, spread over the set"), "{err}");
    assert!(!err.contains("enlarged"), "{err}");
}

#[test]
fn a_size_between_two_multiples_is_told_as_it_was_measured() {
    let (lines, err) = evaluate(&digits(), &["--limit", "2", "--size", "29"]);
    assert_eq!(lines[0]["size"], "28x28");
    assert!(err.contains("measured at 28x28, as 29 does not divide"), "{err}");
}

#[test]
fn images_that_had_to_be_enlarged_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    for (name, side) in [("a.png", 16), ("b.png", 40)] {
        write_png(&folder.path().join(name), side, side, 1);
    }
    let (lines, err) = evaluate(folder.path(), &["--size", "32"]);
    assert_eq!((&lines[0]["size"], &lines[0]["enlarged"]), (&"32x32".into(), &1.into()));
    assert!(err.contains("1 of 2 images are smaller than 32x32"), "{err}");
    assert!(err.contains("all at a side of 32 pixels"), "{err}");
}
