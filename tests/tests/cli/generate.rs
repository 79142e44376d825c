//! `smalti train` of generators and `smalti generate`, as a person calls them.

use smalti_tests::tiny::scales_model;

use super::*;

/// A recipe that teaches the tokens of a tiny tokenizer.
pub(super) fn recipe(way: &str) -> String {
    let tokenizer = if way == "Var" { "scales" } else { "tiny" };
    format!(
        r#"(
    name: "painter",
    seed: 3,
    generator: (way: {way}, network: (layers: 1, dim: 16, heads: 2), tokenizer: "{tokenizer}.safetensors",
        pictures: 5),
    data: [(weight: 1.0, from: Worlds(2))],
    crop: (side: 8, scales: [8]),
    batch: 2,
    steps: 3,
    optimizer: (lr: 1e-3),
    report_every: 1,
)"#
    )
}

/// A generator of the way, trained in the desk's folder.
pub(super) fn generator(desk: &Desk, way: &str) -> String {
    if way == "Var" {
        scales_model(&desk.path("scales.safetensors"));
    }
    std::fs::write(desk.path("painter.ron"), recipe(way)).unwrap();
    let out = desk.name(way);
    let ran = run(&["train", &desk.name("painter.ron"), "--out", &out, "--json"]);
    let lines = ran.expect_done().lines();
    assert_eq!(lines.len(), 3);
    for line in &lines {
        let bits = line["held_out_bits_per_token"].as_f64().unwrap();
        assert!(bits > 0.0 && bits < 12.0, "{line}");
    }
    desk.name(&format!("{way}/painter.safetensors"))
}

#[test]
fn the_same_seed_paints_the_same_pictures_with_any_number_of_threads() {
    for way in ["Raster", "MaskGit"] {
        let desk = Desk::new();
        let model = generator(&desk, way);
        let paint = |out: &str, seed: &str, more: &[&str]| {
            let out = desk.name(out);
            let mut arguments = vec![
                "generate",
                "--model",
                &model,
                "--class",
                "3",
                "--seed",
                seed,
                "--count",
                "2",
                "--guidance",
                "2",
                "--tokenizer",
            ];
            let tokenizer = desk.name("tiny.safetensors");
            arguments.extend([&tokenizer, "--out", &out, "--json"]);
            arguments.extend(more);
            let ran = run(&arguments);
            let lines = ran.expect_done().lines();
            assert_eq!(lines.len(), 2);
            let read = |line: &Value| std::fs::read(line["out"].as_str().unwrap()).unwrap();
            (lines.iter().map(read).collect::<Vec<_>>(), lines)
        };
        let (first, lines) = paint("first", "7", &[]);
        assert_ne!(first[0], first[1], "another seed, another picture");
        assert_eq!(
            lines[0]["forward_passes"].as_u64().unwrap(),
            2 * lines[0]["steps"].as_u64().unwrap()
        );
        assert_eq!(paint("again", "7", &[]).0, first);
        assert_eq!(paint("alone", "7", &["--threads", "1"]).0, first);
        assert_ne!(paint("other", "9", &[]).0, first);
    }
}

#[test]
fn what_a_generator_cannot_do_is_refused_with_what_to_do_and_nothing_is_left() {
    let desk = Desk::new();
    let model = generator(&desk, "MaskGit");
    let tokenizer = desk.name("tiny.safetensors");
    let refused = |more: &[&str], words: &[&str]| {
        let out = desk.name("out");
        let mut arguments = vec!["generate", "--model", &model, "--out", &out];
        arguments.extend(more);
        run(&arguments).expect_refused(words);
        assert!(!desk.path("out").exists(), "{more:?}");
        arguments.push("--trace");
        run(&arguments).expect_refused(words);
        assert!(!desk.path("out").exists(), "{more:?} with a trace");
    };
    let known = ["--tokenizer", tokenizer.as_str()];
    let with = |more: &[&'static str]| [&known[..], more].concat();
    refused(&[], &["tiny", "--tokenizer"]);
    refused(&with(&["--class", "99"]), &["99", "0 "]);
    refused(&with(&["--class", "nowhere"]), &["nowhere"]);
    refused(&with(&["--steps", "0"]), &["steps"]);
    refused(&with(&["--temperature=-1"]), &["temperature"]);
    refused(&with(&["--top-p", "0"]), &["top-p"]);
    refused(&with(&["--schedule", "slow"]), &["slow", "cosine"]);
    let lines = run(&["inspect", &model, "--json"]).expect_done().lines();
    let told = &lines[0]["generator"];
    assert_eq!(told["way"], "MaskGIT");
    assert_eq!(told["tokenizer"], "tiny");
    assert_eq!(told["codes"], 20);
    assert_eq!(told["layout"], "4 x 4");
    refused(&with(&["--schedule", "0:1,0.5:1,1:0"]), &["0 and 0.5", "nothing would be written"]);
    refused(&with(&["--order", "spiral"]), &["spiral", "confidence, halton"]);
    let out = desk.name("out");
    let no_generator = ["generate", "--model", &tokenizer, "--out", &out];
    run(&no_generator).expect_refused(&["not a generator"]);
    run(&["generate", "--model", "worlds-nothing", "--out", &out])
        .expect_refused(&["worlds-nothing"]);
}

#[test]
fn a_raster_generator_writes_in_groups_in_fewer_passes() {
    let desk = Desk::new();
    let (model, tokenizer) = (generator(&desk, "Raster"), desk.name("tiny.safetensors"));
    let paint = |model: &str, more: &[&str]| {
        let out = desk.name("out");
        let plain = ["generate", "--model", model, "--tokenizer", &tokenizer, "--out", &out];
        run(&[&plain[..], &["--json", "--class", "3", "--guidance", "2"], more].concat())
    };
    for (order, steps) in [("confidence", 16), ("groups:1", 16), ("groups:4", 4), ("groups:5", 4)] {
        let line = paint(&model, &["--order", order]).expect_done().lines().remove(0);
        assert_eq!(line["steps"], steps, "{order}");
        assert_eq!(line["forward_passes"], 2 * steps, "{order}: with the class and without");
    }
    let refused = |model: &str, order: &str, words: &[&str]| {
        std::fs::remove_dir_all(desk.path("out")).unwrap_or_default();
        paint(model, &["--order", order]).expect_refused(words);
        assert!(!desk.path("out").exists(), "{order}");
    };
    refused(&model, "groups:x", &["--order", "\"x\"", "groups:4"]);
    refused(&model, "groups:0", &["order", "0 groups of 16"]);
    refused(&model, "groups:17", &["order", "17 groups of 16"]);
    refused(&generator(&desk, "MaskGit"), "groups:4", &["order", "MaskGIT", "raster"]);
}

#[test]
fn the_checkpoint_of_a_training_is_known_and_names_the_file_to_use() {
    let desk = Desk::new();
    generator(&desk, "MaskGit");
    let checkpoint = desk.name("MaskGit/checkpoint.safetensors");
    let told = run(&["inspect", &checkpoint, "--json"]).expect_done().lines().remove(0);
    let family = told["family"].as_str().unwrap();
    assert!(
        family.contains("MaskGIT") && family.contains("checkpoint of its training"),
        "{family}"
    );
    let notes = told["notes"].to_string();
    assert!(notes.contains("painter.safetensors"), "{notes}");
    let (tokenizer, out) = (desk.name("tiny.safetensors"), desk.name("out"));
    let words = ["generate", "--model", &checkpoint, "--tokenizer", &tokenizer, "--out", &out];
    run(&words).expect_refused(&["checkpoint of a training", "painter.safetensors"]);
    std::fs::remove_file(desk.path("MaskGit/painter.safetensors")).unwrap();
    run(&words).expect_refused(&["painter.safetensors", "smalti train --resume"]);
    assert!(!desk.path("out").exists());
}

#[test]
fn a_masked_generator_takes_an_order_a_curve_and_self_correction() {
    let desk = Desk::new();
    let (model, tokenizer) = (generator(&desk, "MaskGit"), desk.name("tiny.safetensors"));
    let paint = |out: &str, more: &[&str]| {
        let out = desk.name(out);
        let plain = ["generate", "--model", &model, "--tokenizer", &tokenizer, "--out", &out];
        let arguments = [&plain[..], &["--json", "--steps", "4"], more].concat();
        let lines = run(&arguments).expect_done().lines();
        assert_eq!(lines[0]["steps"], 4, "{more:?}");
        assert_eq!(lines[0]["self_correction"].as_u64(), more.contains(&"2").then_some(2));
        std::fs::read(lines[0]["out"].as_str().unwrap()).unwrap()
    };
    let plain = paint("plain", &[]);
    assert_eq!(paint("named", &["--order", "confidence", "--schedule", "cosine"]), plain);
    let settings = ["--order", "halton", "--schedule", "0:1,0.5:0.8,1:0", "--self-correct", "2"];
    let other = paint("other", &settings);
    assert_ne!(other, plain);
    assert_eq!(paint("again", &settings), other);
}
