//! `smalti edit`: what is not named stays.

use std::collections::BTreeMap;

use smalti_engine::generators::Trace;
use smalti_engine::token_files::{self, from_arrays::Wanted};
use smalti_engine::tokens::{Cell, Tokens};

use super::generate::generator;
use super::painting::files;
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
fn of_what_is_named_only_the_share_that_is_free_is_written_again() {
    let desk = Desk::new();
    let model = generator(&desk, "MaskGit");
    let by = (model.as_str(), "tiny.safetensors");
    let before = encoded(&desk, "a.png", "tiny.safetensors");
    let named = smalti_engine::tokens::said::cells("", "r2-5,c1-8", &before.layout()).unwrap();
    for (free, count) in [("0.25", 8), ("0.5", 15), ("1", 31)] {
        let more = ["--resample", "r2-5,c1-8", "--lock", "r2,c1", "--free", free, "--seed", "4"];
        let line = edit(&desk, by, "a.png", &more).expect_done().lines().remove(0);
        let resampled = line["resampled"].as_u64().unwrap();
        assert!(resampled.abs_diff(count) <= 1, "{free} of 31: {line}");
        let after = tokens(&desk.path("out/a.safetensors"));
        let pairs = before.cells().zip(after.cells());
        let changed: Vec<Cell> =
            pairs.filter(|(old, new)| old != new).map(|((cell, _), _)| cell).collect();
        assert!(changed.len() as u64 <= resampled, "{free}");
        assert!(changed.iter().all(|cell| named.contains(cell) && *cell != Cell::at(2, 1)));
    }
    for share in ["0", "1.5"] {
        let more = ["--resample", "r2", "--free", share];
        edit(&desk, by, "a.png", &more).expect_refused(&["free", "above 0 and at most 1"]);
    }
    edit(&desk, by, "a.png", &["--lock", "r2", "--free", "0.5"]).expect_refused(&["--resample"]);
}

#[test]
fn each_of_several_pictures_is_the_one_that_its_seed_alone_makes_also_where_a_share_is_free() {
    let desk = Desk::new();
    let model = generator(&desk, "MaskGit");
    let by = (model.as_str(), "tiny.safetensors");
    let asked = ["--resample", "r1-6,c2-7", "--free", "0.5", "--steps", "3", "--trace"];
    let both = [&asked[..], &["--seed", "5", "--count", "2"]].concat();
    let line = edit(&desk, by, "a.png", &both).expect_done().lines().remove(1);
    assert_eq!(line["seed"], 6);
    let whole = files(&desk, "out");
    let second = tokens(&desk.path("out/a-6.safetensors"));
    // A window of the second one is cut: the same words go on with it.
    let traces = traces(&desk, "out");
    let mut part = traces.into_iter().rfind(|(name, _)| name.starts_with("a-6.")).unwrap().1;
    part.steps.truncate(1);
    let cut = desk.name("cut.safetensors");
    std::fs::write(&cut, part.to_bytes().unwrap()).unwrap();
    std::fs::remove_dir_all(desk.path("out")).unwrap();
    edit(&desk, by, "a.png", &[&both[..], &["--resume", &cut]].concat()).expect_done();
    assert_eq!(files(&desk, "out"), whole);
    std::fs::remove_dir_all(desk.path("out")).unwrap();
    let alone = [&asked[..], &["--seed", "6"]].concat();
    let one = edit(&desk, by, "a.png", &alone).expect_done().lines().remove(0);
    assert_eq!(tokens(&desk.path("out/a.safetensors")), second);
    for what in ["resampled", "changed", "windows"] {
        assert_eq!(one[what], line[what], "{what}");
    }
}

#[test]
fn where_no_token_stands_one_is_written_whatever_share_is_free() {
    let desk = Desk::new();
    let model = generator(&desk, "MaskGit");
    let by = (model.as_str(), "tiny.safetensors");
    let whole = encoded(&desk, "a.png", "tiny.safetensors");
    let holes: Vec<Cell> = (0..10).map(|column| Cell::at(3, column)).collect();
    let part = whole.with(holes.iter().map(|cell| (*cell, None))).unwrap();
    let write = |name: &str, tokens: &Tokens| {
        let maker = token_files::Maker::default();
        let bytes = token_files::safetensors_bytes(std::slice::from_ref(tokens), &maker);
        std::fs::write(desk.path(name), bytes.unwrap()).unwrap();
    };
    write("part.safetensors", &part);
    let more = ["--resample", "all", "--free", "0.5", "--seed", "4"];
    let line = edit(&desk, by, "part.safetensors", &more).expect_done().lines().remove(0);
    assert_eq!(line["resampled"], 10 + 43, "half of those that stand, and all that do not");
    let after = tokens(&desk.path("out/part.safetensors"));
    assert_eq!(after.first_masked(), None);
    let stayed = part.cells().filter(|(cell, token)| token.is_some() && after.get(*cell) == *token);
    assert!(stayed.count() >= 43);
    // What is not named, or locked, is told by its place.
    edit(&desk, by, "part.safetensors", &["--resample", "r0-2"])
        .expect_refused(&["row 3, column 0", "--resample"]);
    edit(&desk, by, "part.safetensors", &["--resample", "all", "--lock", "c4"])
        .expect_refused(&["row 3, column 4", "not in --lock"]);

    // Of coarser scales, too, which stay otherwise.
    let model = generator(&desk, "Var");
    let by = (model.as_str(), "scales.safetensors");
    write_png(&desk.path("own.png"), 8, 8, 3);
    let whole = encoded(&desk, "own.png", "scales.safetensors");
    let part = whole.with([(Cell::of(1, 1, 1), None)]).unwrap();
    write("scaled.safetensors", &part);
    for cells in ["all", "s1:all"] {
        let more = ["--resample", cells, "--from-scale", "2"];
        let line = edit(&desk, by, "scaled.safetensors", &more).expect_done().lines().remove(0);
        assert_eq!(line["resampled"], if cells == "all" { 16 + 1 } else { 1 }, "{cells}");
        let after = tokens(&desk.path("out/scaled.safetensors"));
        assert_eq!(after.first_masked(), None);
        assert_eq!(after.get(Cell::of(1, 0, 0)), whole.get(Cell::of(1, 0, 0)));
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
    // Freedom begins at a scale: the coarser ones keep the picture's codes.
    for (from, count) in [("0", 21), ("1", 20), ("2", 16)] {
        let more = ["--resample", "all", "--from-scale", from, "--seed", "6"];
        let line = edit(&desk, by, "own.png", &more).expect_done().lines().remove(0);
        assert_eq!(line["resampled"], count, "{from}");
        let after = tokens(&desk.path("out/own.safetensors"));
        for ((cell, old), (_, new)) in before.cells().zip(after.cells()) {
            assert!(cell.part >= from.parse::<u16>().unwrap() || old == new, "{from}: {cell}");
        }
    }
    let refused = |more: &[&str], words: &[&str]| {
        edit(&desk, by, "own.png", more).expect_refused(words);
    };
    let scales = ["no scale 3", "0 (1 x 1), 1 (2 x 2), 2 (4 x 4)"];
    refused(&["--resample", "all", "--from-scale", "3"], &scales);
    let stay = ["--from-scale", "scale 1 or coarser"];
    refused(&["--resample", "s1:all", "--from-scale", "2"], &stay);
    refused(&["--lock", "r0", "--from-scale", "2"], &["--resample"]);
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
    let scales = ["--resample", "r0", "--from-scale", "1"];
    refused("a.png", &scales, &["MaskGIT writes 4 x 4, no scales", "VAR"]);
    refused("a.png", &["--resample", "r0", "--steps", "0", "--trace"], &["steps"]);
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

/// The traces of a folder by their names.
fn traces(desk: &Desk, folder: &str) -> BTreeMap<String, Trace> {
    let names = files(desk, folder).into_keys().filter(|name| name.ends_with(".trace.safetensors"));
    let read = |name: String| {
        let trace = Trace::read(&desk.path(folder).join(&name)).unwrap();
        (name, trace)
    };
    names.map(read).collect()
}

#[test]
fn steps_are_kept_window_by_window_and_a_cut_trace_goes_on_to_the_same_files() {
    for way in ["Raster", "MaskGit"] {
        let desk = Desk::new();
        let model = generator(&desk, way);
        let by = (model.as_str(), "tiny.safetensors");
        // Six rows and columns of tokens: several windows of four.
        let asked = ["--resample", "r1-6,c2-7", "--seed", "5", "--steps", "3", "--trace"];
        let line = edit(&desk, by, "a.png", &asked).expect_done().lines().remove(0);
        let whole = files(&desk, "out");
        let after = tokens(&desk.path("out/a.safetensors"));
        let kept = traces(&desk, "out");
        let told = line["step_files"].as_array().unwrap();
        assert!(told.len() > 1 && told.len() == kept.len(), "{line}");
        let mut written = 0;
        for window in told {
            let (row, column) =
                (window["row"].as_u64().unwrap(), window["column"].as_u64().unwrap());
            let name = format!("a.r{row}-c{column}");
            let trace = &kept[&format!("{name}.trace.safetensors")];
            let origin = trace.request.origin.unwrap();
            assert_eq!((u64::from(origin.row), u64::from(origin.column)), (row, column));
            assert_eq!(origin.columns, 12);
            let pictures = whole.keys().filter(|file| file.starts_with(&format!("{name}.step-")));
            assert_eq!(pictures.count(), trace.steps.len(), "{way}: a picture of each step");
            let last = &trace.steps.last().unwrap().tokens;
            for (cell, _) in trace.request.given.cells().filter(|(_, token)| token.is_none()) {
                let (row, column) = (row as usize, column as usize);
                let there = Cell::at(usize::from(cell.row) + row, cell.column as usize + column);
                assert_eq!(last.get(cell), after.get(there), "{way} {there}");
                written += 1;
            }
        }
        assert_eq!(written, 36, "{way}: each cell in one window");

        // The last window is cut: the same words go on with it.
        let last = &told[told.len() - 1];
        let name = format!("a.r{}-c{}.trace.safetensors", last["row"], last["column"]);
        let mut part = kept[&name].clone();
        part.steps.truncate(1);
        let cut = desk.name("cut.safetensors");
        std::fs::write(&cut, part.to_bytes().unwrap()).unwrap();
        std::fs::remove_dir_all(desk.path("out")).unwrap();
        let ran = edit(&desk, by, "a.png", &[&asked[..], &["--resume", &cut]].concat());
        let rest = ran.expect_done().lines().remove(0);
        assert_eq!(rest["steps"].as_u64().unwrap() + 1, line["steps"].as_u64().unwrap());
        assert_eq!(files(&desk, "out"), whole, "{way}");
        std::fs::remove_dir_all(desk.path("out")).unwrap();
        let other = ["--resample", "r1-6,c2-7", "--seed", "6", "--steps", "3", "--resume", &cut];
        edit(&desk, by, "a.png", &other).expect_refused(&["cut.safetensors", "another edit"]);
        // Other cells of the first window, which lies where it lay.
        let other = ["--resample", "r1-6,c2-7", "--lock", "r1,c3", "--seed", "5", "--steps", "3"];
        let line = edit(&desk, by, "a.png", &[&other[..], &["--trace"]].concat());
        let place = |line: &Value| (line["row"].clone(), line["column"].clone());
        assert_eq!(place(&line.expect_done().lines()[0]["step_files"][0]), place(&told[0]));
        std::fs::remove_dir_all(desk.path("out")).unwrap();
        let first = format!("a.r{}-c{}.trace.safetensors", told[0]["row"], told[0]["column"]);
        std::fs::write(&cut, kept[&first].to_bytes().unwrap()).unwrap();
        edit(&desk, by, "a.png", &[&other[..], &["--resume", &cut]].concat())
            .expect_refused(&["cut.safetensors", "another edit"]);
        assert!(!desk.path("out").exists());
    }
}

#[test]
fn an_edit_of_the_generators_size_moves_and_stands_on_a_sheet() {
    let desk = Desk::new();
    let model = generator(&desk, "MaskGit");
    let by = (model.as_str(), "tiny.safetensors");
    write_png(&desk.path("own.png"), 8, 8, 3);
    let shown = ["--resample", "r0-1", "--gif", "--apng", "--sheet", "--steps", "4"];
    let lines = edit(&desk, by, "own.png", &shown).expect_done().lines();
    assert_eq!(lines[1]["pictures"], lines[0]["steps"], "the steps of the one window");
    let found = files(&desk, "out");
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    let files_of = ["apng", "gif", "npy", "png", "safetensors"].map(|end| format!("own.{end}"));
    let expected = files_of.iter().map(String::as_str).chain(["sheet.png", "sheet.svg"]);
    assert_eq!(names, expected.collect::<Vec<_>>());
    // Its trace is one that `generate` goes on with.
    edit(&desk, by, "own.png", &["--resample", "r0-1", "--trace"]).expect_done();
    let trace = traces(&desk, "out").remove("own.trace.safetensors").unwrap();
    assert_eq!(trace.request.origin, None);
    let (tokenizer, out) = (desk.name("tiny.safetensors"), desk.name("again"));
    let resume = desk.name("out/own.trace.safetensors");
    let known = ["generate", "--model", &model, "--tokenizer", &tokenizer, "--out", &out];
    run(&[&known[..], &["--resume", &resume]].concat()).expect_done();
    let again = tokens(&desk.path("again/any-0.safetensors"));
    assert_eq!(again, tokens(&desk.path("out/own.safetensors")));
    let many = ["--resample", "r0-1", "--sheet", "--count", "3"];
    let lines = edit(&desk, by, "own.png", &many).expect_done().lines();
    assert_eq!(lines[3]["pictures"], 3, "a picture of each seed");
}

#[test]
fn a_larger_selection_leaves_what_noise_alone_decides_as_it_was() {
    let desk = Desk::new();
    let trained = generator(&desk, "Raster");
    // Without weights a network says the same of every place: only noise decides.
    let blank = desk.name("blank.safetensors");
    rewrite(&trained, &blank, |_, values| values.fill(0.0));
    let by = (blank.as_str(), "tiny.safetensors");
    let write = |cells: &str| {
        let line = edit(&desk, by, "a.png", &["--resample", cells, "--seed", "5"]);
        let windows = line.expect_done().lines().remove(0)["windows"].as_u64().unwrap();
        (windows, tokens(&desk.path("out/a.safetensors")))
    };
    let (one, small) = write("r3-4,c5-7");
    let (several, large) = write("r1-6,c2-9");
    assert!(one == 1 && several > 1);
    for (row, column) in [(3, 5), (3, 6), (3, 7), (4, 5), (4, 6), (4, 7)] {
        let cell = Cell::at(row, column);
        assert_eq!(small.get(cell), large.get(cell), "{cell}");
    }
}

/// Writes a generator's file with other values in its tensors, by name.
fn rewrite(from: &str, to: &str, change: impl Fn(&str, &mut [f32])) {
    let bytes = std::fs::read(from).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let device = candle_core::Device::Cpu;
    let tensors = candle_core::safetensors::load(from, &device).unwrap();
    let changed = tensors.into_iter().map(|(name, tensor)| {
        let flat = tensor.to_dtype(candle_core::DType::F32).unwrap().flatten_all().unwrap();
        let mut values = flat.to_vec1::<f32>().unwrap();
        change(&name, &mut values);
        let tensor = candle_core::Tensor::from_vec(values, tensor.dims(), &device).unwrap();
        (name, tensor)
    });
    let changed: BTreeMap<String, candle_core::Tensor> = changed.collect();
    safetensors::serialize_to_file(changed, header.metadata().clone(), Path::new(to)).unwrap();
}

#[test]
fn a_step_that_fails_midway_leaves_the_trace_of_those_before_it() {
    let desk = Desk::new();
    let trained = generator(&desk, "Raster");
    let broken = desk.name("broken.safetensors");
    // The sixth place alone is beyond what f32 holds; what is before it is as good as any.
    rewrite(&trained, &broken, |name, values| {
        let dim = 16;
        match name {
            "embedding" => values.chunks_mut(dim).for_each(|row| row[0] = 3e38),
            "places" => values[5 * dim] = 3e38,
            _ => {}
        }
    });
    let (tokenizer, out) = (desk.name("tiny.safetensors"), desk.name("out"));
    let known = ["generate", "--model", &broken, "--tokenizer", &tokenizer, "--out", &out];
    run(&known).expect_refused(&["logits"]);
    assert!(!desk.path("out").exists(), "nothing is left where no trace is wanted");
    let ran = run(&[&known[..], &["--trace"]].concat());
    ran.expect_refused(&["logits", "5 steps are kept", "--resume"]);
    assert_eq!(files(&desk, "out").len(), 1);
    assert_eq!(traces(&desk, "out")["any-0.trace.safetensors"].steps.len(), 5);
    // The same of an edit.
    write_png(&desk.path("own.png"), 8, 8, 3);
    let by = (broken.as_str(), "tiny.safetensors");
    std::fs::remove_dir_all(desk.path("out")).unwrap();
    let ran = edit(&desk, by, "own.png", &["--resample", "all", "--trace"]);
    ran.expect_refused(&["logits", "5 steps are kept", "the same words"]);
    assert_eq!(traces(&desk, "out")["own.trace.safetensors"].steps.len(), 5);
    // Other cells of the same window are told before any of its steps, which would fail; nothing that was there is lost.
    for (picture, first) in [("own.png", "own"), ("a.png", "a.r0-c0")] {
        let ran = edit(&desk, by, picture, &["--resample", "all", "--trace"]);
        ran.expect_refused(&["logits", "5 steps are kept"]);
        let before = files(&desk, "out");
        let trace = desk.name(&format!("out/{first}.trace.safetensors"));
        let other = ["--resample", "all", "--lock", "r0,c1", "--resume", &trace];
        let ran = edit(&desk, by, picture, &other);
        ran.expect_refused(&["trace.safetensors", "another edit"]);
        assert!(!ran.err.contains("logits"), "{}", ran.err);
        assert_eq!(files(&desk, "out"), before);
    }
}
