//! `smalti edit`: what is not named stays.

use smalti_engine::token_files::{self, from_arrays::Wanted};
use smalti_engine::tokens::{Cell, Tokens};

use super::generate::generator;
use super::*;

fn tokens(path: &Path) -> Tokens {
    token_files::read(path, &Wanted::default(), None).unwrap().images.remove(0)
}

/// The tokens of a picture as the tokenizer makes them.
fn encoded(desk: &Desk, picture: &str, tokenizer: &str) -> Tokens {
    let out = desk.name("encoded");
    let words = ["encode", &desk.name(picture), "--model", &desk.name(tokenizer), "--out", &out];
    run(&words).expect_done();
    let stem = picture.trim_end_matches(".png");
    tokens(&desk.path(&format!("encoded/{stem}.safetensors")))
}

fn edit(desk: &Desk, (model, tokenizer): (&str, &str), subject: &str, more: &[&str]) -> Ran {
    let (tokenizer, out, subject) = (desk.name(tokenizer), desk.name("out"), desk.name(subject));
    let known =
        ["edit", &subject, "--model", model, "--tokenizer", &tokenizer, "--out", &out, "--json"];
    run(&[&known[..], more].concat())
}

#[test]
fn of_a_larger_picture_only_what_is_named_is_written_again() {
    for way in ["Raster", "MaskGit"] {
        let desk = Desk::new();
        let model = generator(&desk, way);
        let by = (model.as_str(), "tiny.safetensors");
        // 8 rows of 12 tokens; the generator writes 4 x 4.
        let before = encoded(&desk, "a.png", "tiny.safetensors");
        let cases = [("r2-3,c5-6", 4, 1), ("r0,c0;r7,c11", 2, 2), ("all", 96, 0)];
        for (cells, count, windows) in cases {
            let more = ["--resample", cells, "--class", "1", "--seed", "5"];
            let line = edit(&desk, by, "a.png", &more).expect_done().lines().remove(0);
            assert_eq!(line["resampled"], count, "{cells}");
            assert_eq!(line["cells"], 96);
            assert!(windows == 0 || line["windows"] == windows, "{line}");
            let after = tokens(&desk.path("out/a.safetensors"));
            let named = smalti_engine::tokens::said::cells("", cells, &before.layout()).unwrap();
            let mut changed = 0;
            for ((cell, old), (_, new)) in before.cells().zip(after.cells()) {
                assert!(old == new || named.contains(&cell), "{way} {cells}: {cell}");
                changed += u64::from(old != new);
            }
            assert_eq!(line["changed"].as_u64(), Some(changed), "{cells}");
            assert!(count < 96 || changed > 20, "{changed} of all");
            let picture = image::open(desk.path("out/a.png")).unwrap();
            assert_eq!((picture.width(), picture.height()), (24, 16));
            let same = edit(&desk, by, "a.png", &[&more[..], &["--threads", "1"]].concat());
            assert_eq!(same.expect_done().lines()[0]["changed"].as_u64(), Some(changed));
            assert_eq!(tokens(&desk.path("out/a.safetensors")), after, "the same again");
        }
        // Tokens instead of the picture, and locks.
        let file = "encoded/a.safetensors";
        let line = edit(&desk, by, file, &["--lock", "r0-5"]).expect_done().lines().remove(0);
        assert_eq!(line["resampled"], 24);
        let both = ["--resample", "r0-1", "--lock", "c0", "--force", "r1,c1=7;r7,c7=3"];
        let line = edit(&desk, by, file, &both).expect_done().lines().remove(0);
        assert_eq!((&line["resampled"], &line["forced"]), (&21.into(), &2.into()));
        let after = tokens(&desk.path("out/a.safetensors"));
        assert_eq!(after.get(Cell::at(1, 1)), Some(7));
        assert_eq!(after.get(Cell::at(7, 7)), Some(3));
        assert_eq!(after.get(Cell::at(0, 0)), before.get(Cell::at(0, 0)));
    }
}

#[test]
fn codes_alone_are_put_in_without_a_pass_and_several_seeds_are_several_pictures() {
    let desk = Desk::new();
    let model = generator(&desk, "MaskGit");
    let by = (model.as_str(), "tiny.safetensors");
    let line =
        edit(&desk, by, "a.png", &["--force", "r0-1,c0-1=4"]).expect_done().lines().remove(0);
    assert_eq!((&line["forced"], &line["forward_passes"]), (&4.into(), &0.into()));
    let ran = edit(&desk, by, "a.png", &["--resample", "all", "--count", "2", "--seed", "8"]);
    let lines = ran.expect_done().lines();
    let read = |line: &Value| std::fs::read(line["out"].as_str().unwrap()).unwrap();
    assert_ne!(read(&lines[0]), read(&lines[1]));
    assert!(lines[1]["out"].as_str().unwrap().ends_with("a-9.png"));
    // Smaller than the generator's grid: brought to its size.
    write_png(&desk.path("dot.png"), 4, 4, 1);
    let ran = edit(&desk, by, "dot.png", &["--resample", "r0"]);
    assert_eq!(ran.expect_done().lines()[0]["cells"], 16);
    assert!(ran.err.contains("8x8"), "{}", ran.err);
}

#[test]
fn var_keeps_every_scale_of_what_is_not_named() {
    let desk = Desk::new();
    let model = generator(&desk, "Var");
    write_png(&desk.path("own.png"), 8, 8, 3);
    let before = encoded(&desk, "own.png", "scales.safetensors");
    let by = (model.as_str(), "scales.safetensors");
    let line = edit(&desk, by, "own.png", &["--resample", "c0-1"]).expect_done().lines().remove(0);
    assert_eq!(line["resampled"], 8 + 2, "half of the finest scale, and half of the one before");
    let after = tokens(&desk.path("out/own.safetensors"));
    for ((cell, old), (_, new)) in before.cells().zip(after.cells()) {
        let is_left = match cell.part {
            0 => false,
            1 => cell.column == 0,
            _ => cell.column < 2,
        };
        assert!(is_left || old == new, "{cell}");
    }
    // A scale by name.
    let ran = edit(&desk, by, "own.png", &["--resample", "s1:r0,c0"]);
    assert_eq!(ran.expect_done().lines()[0]["resampled"], 1);
    edit(&desk, by, "own.png", &["--resample", "s3:all"]).expect_refused(&["no part 3", "0 to 2"]);
}

#[test]
fn what_cannot_be_edited_is_refused_and_nothing_is_left() {
    let desk = Desk::new();
    let model = generator(&desk, "MaskGit");
    let by = (model.as_str(), "tiny.safetensors");
    let refused = |subject: &str, more: &[&str], words: &[&str]| {
        edit(&desk, by, subject, more).expect_refused(words);
        assert!(!desk.path("out").exists(), "{more:?}");
    };
    refused("a.png", &[], &["--resample", "--lock", "--force"]);
    refused("a.png", &["--resample", "r8"], &["--resample", "no row 8", "0 to 7"]);
    refused("a.png", &["--resample", "r0", "--lock", "all"], &["every cell is locked"]);
    refused("a.png", &["--force", "r0,c0=20"], &["code 20"]);
    refused("a.png", &["--resample", "r0", "--class", "sea,land"], &["sea,land"]);
    refused("a.png", &["--resample", "r0", "--guidance", "2"], &["--class"]);
    refused("a.png", &["--resample", "r0", "--steps", "0"], &["steps"]);
    refused("missing.png", &["--resample", "r0"], &["missing.png"]);
    refused("tiny.safetensors", &["--resample", "r0"], &["tiny.safetensors"]);
    let small = Tokens::grid(2, 3, 20, vec![1; 6]).unwrap();
    std::fs::write(desk.path("small.npy"), token_files::npy_bytes(&small).unwrap()).unwrap();
    refused("small.npy", &["--resample", "r0"], &["small.npy", "2 x 3", "4 x 4"]);
    smalti_tests::tiny::residual_model(&desk.path("levels.safetensors"));
    let (levels, out) = (desk.name("levels.safetensors"), desk.name("levels"));
    run(&["encode", &desk.name("b.png"), "--model", &levels, "--out", &out]).expect_done();
    refused("levels/b.safetensors", &["--resample", "r0"], &["something else", "tiny"]);
}
