//! Measurements in parts, joined parts, figures, and the page about them.

use super::{Desk, Ran, run};
use serde_json::Value;
use smalti_tests::tiny::{residual_model, write_png};

/// A desk with a set of seven pictures, one of them broken.
fn desk() -> Desk {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("set")).unwrap();
    for number in 0..6_u64 {
        write_png(&desk.path("set").join(format!("{number}.png")), 20, 20, number);
    }
    std::fs::write(desk.path("set").join("2-broken.png"), b"\x89PNG\r\n\x1a\nand nothing else")
        .unwrap();
    residual_model(&desk.path("levels.safetensors"));
    desk
}

fn evaluate(desk: &Desk, more: &[&str]) -> Ran {
    let (tiny, levels, set) =
        (desk.name("tiny.safetensors"), desk.name("levels.safetensors"), desk.name("set"));
    let all = ["evaluate", &tiny, &levels, "--data", &set, "--size", "16", "--json"];
    run(&all.iter().chain(more).copied().collect::<Vec<_>>())
}

/// What a measurement says, without the times, which are no two times the same.
fn timeless(line: &Value) -> Value {
    let mut line = line.clone();
    for times in ["encode_seconds", "decode_seconds", "model"] {
        line.as_object_mut().unwrap().remove(times);
    }
    line
}

fn files(folder: &std::path::Path, ending: &str) -> Vec<std::path::PathBuf> {
    let all = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = all.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    found.sort();
    found
}

/// The numbers of a file of sums by name, without the seconds.
fn sums(path: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut found: Vec<(String, Vec<u8>)> =
        file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect();
    found.retain(|(name, _)| name != "seconds");
    found.sort();
    found
}

#[test]
fn parts_that_are_joined_are_the_whole_bit_for_bit() {
    let desk = desk();
    // With all rates, as parts have them.
    let figure = desk.name("figure");
    let whole = evaluate(&desk, &["--out", &desk.name("whole"), "--pareto", &figure]);
    let whole = whole.expect_done().lines();
    for number in 1..=3 {
        let part =
            evaluate(&desk, &["--out", &desk.name("parts"), "--shard", &format!("{number}/3")]);
        part.expect_done();
    }
    let merged = run(&["merge", &desk.name("parts"), "--out", &desk.name("joined"), "--json"]);
    let merged = merged.expect_done().lines();
    // The joined lines stand in the order of names: JPEG, levels, tiny.
    let of = |lines: &[Value], model: &str| -> Vec<Value> {
        let is_of = |line: &&Value| line["model"].as_str().unwrap().contains(model);
        lines.iter().filter(is_of).map(timeless).collect()
    };
    for model in ["tiny", "levels"] {
        assert!(!of(&whole, model).is_empty());
        assert_eq!(of(&whole, model), of(&merged, model), "{model}");
    }
    for ending in [".safetensors", ".csv"] {
        let (a, b) = (files(&desk.path("whole"), ending), files(&desk.path("joined"), ending));
        assert_eq!(a.len(), 3, "two tokenizers and JPEG");
        for (a, b) in a.iter().zip(&b) {
            assert_eq!(a.file_name(), b.file_name());
            if ending == ".csv" {
                assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap(), "{}", a.display());
            } else {
                assert_eq!(sums(a), sums(b), "{}", a.display());
            }
        }
    }
    let skipped = &whole[0]["skipped_images"][0][1];
    assert!(skipped.as_str().unwrap().contains("2-broken.png"), "{skipped}");
    assert_eq!(whole[0]["skipped"], 1);
    let text = std::fs::read_to_string(desk.path("figure/pareto.csv")).unwrap();
    assert!(text.lines().count() > 8 && text.contains("JPEG"), "{text}");
    // The broken picture is none of JPEG's either.
    let mut rows = text.lines().map(|row| row.split(',').collect::<Vec<_>>());
    let at = rows.next().unwrap().iter().position(|head| *head == "skipped").unwrap();
    assert!(rows.all(|row| row[at] == "1"), "{text}");
    assert!(std::fs::read_to_string(desk.path("figure/pareto.svg")).unwrap().contains("tiny"));
}

#[test]
fn parts_that_overlap_or_are_missing_are_refused_with_which() {
    let desk = desk();
    let part = |folder: &str, shard: &str, more: &[&str]| {
        let out = desk.name(folder);
        let words = [&["--out", &out, "--shard", shard], more].concat();
        evaluate(&desk, &words).expect_done();
    };
    part("parts", "1/3", &[]);
    part("parts", "3/3", &[]);
    let merge = |more: &[&str]| {
        let out = desk.name("joined");
        let words: Vec<&str> =
            ["merge"].iter().chain(more).copied().chain(["--out", &out]).collect();
        run(&words)
    };
    let parts = desk.name("parts");
    merge(&[&parts]).expect_refused(&["2/3", "missing"]);
    part("other", "2/4", &[]);
    let other = desk.name("other");
    merge(&[&parts, &other]).expect_refused(&["2/4", "overlap"]);
    merge(&[&parts, &parts]).expect_refused(&["both 1/3"]);
    part("sized", "2/3", &["--bootstrap-seed", "4"]);
    merge(&[&parts, &desk.name("sized")]).expect_refused(&["seed is 0", "4 there"]);
    merge(&[&desk.name("tiny.safetensors")])
        .expect_refused(&["tiny.safetensors", "no measurement"]);
    merge(&[&desk.name("set")]).expect_refused(&["no parts"]);
    assert!(!desk.path("joined").exists(), "a refused command leaves nothing");
    evaluate(&desk, &["--shard", "2/3"]).expect_refused(&["--shard", "--out"]);
    evaluate(&desk, &["--shard", "4/3", "--out", "x"]).expect_refused(&["4/3", "2/3"]);
}

/// A measurement that was stopped has sums of its first images and perhaps lines beyond: it goes on to the same
/// numbers. What is there is not measured again, unless the settings are others.
#[test]
fn what_was_begun_goes_on_to_the_same_numbers() {
    let desk = desk();
    let (a, b) = (desk.name("a"), desk.name("b"));
    let tiny = desk.name("tiny.safetensors");
    let measure = |out: &str, data: &str| {
        run(&["evaluate", &tiny, "--data", data, "--size", "16", "--json", "--out", out])
    };
    let set = desk.name("set");
    let whole = measure(&a, &set).expect_done().lines();
    let kept = files(&desk.path("a"), ".csv");
    let lines = std::fs::read_to_string(&kept[0]).unwrap();
    assert_eq!(lines.lines().count(), 7, "a head and six images: {lines}");
    assert!(lines.starts_with("image,name,point,width,height,bits_per_pixel,psnr,ssim"));
    std::fs::create_dir(desk.path("b")).unwrap();
    for ending in [".csv", ".safetensors"] {
        for file in files(&desk.path("a"), ending) {
            std::fs::copy(&file, desk.path("b").join(file.file_name().unwrap())).unwrap();
        }
    }
    // As a kill leaves it.
    let half = desk.path("b").join(kept[0].file_name().unwrap());
    std::fs::write(&half, format!("{lines}9,half a li")).unwrap();
    let again = measure(&b, &set).expect_done().lines();
    assert_eq!(timeless(&whole[0]), timeless(&again[0]));
    assert_eq!(whole[0]["encode_seconds"], again[0]["encode_seconds"], "it was not measured again");
    assert_eq!(std::fs::read_to_string(&half).unwrap(), lines);
    // Lines that were lost: it is measured anew, to the same numbers.
    std::fs::write(&half, "image\n").unwrap();
    let again = measure(&b, &set).expect_done().lines();
    assert_eq!(timeless(&whole[0]), timeless(&again[0]));
    assert_eq!(std::fs::read_to_string(&half).unwrap(), lines);
}

#[test]
fn a_report_is_one_page_without_anything_from_elsewhere() {
    let desk = desk();
    let (tiny, set, out) = (desk.name("tiny.safetensors"), desk.name("set"), desk.name("report"));
    let ran = run(&["report", &tiny, "--data", &set, "--size", "16", "--out", &out, "--json"]);
    assert!(ran.expect_done().lines()[0]["out"].as_str().unwrap().ends_with("index.html"));
    let page = std::fs::read_to_string(desk.path("report/index.html")).unwrap();
    for word in ["tiny", "PSNR", "2-broken.png", "smalti report", "JPEG", "not FID", "<svg"] {
        assert!(page.contains(word), "{word}");
    }
    // Two best and two worst, each with original, reconstruction and difference.
    assert_eq!(page.matches("data:image/png;base64,").count(), 12);
    let outside = page.split("http").skip(1).filter(|rest| !rest.starts_with("://www.w3.org/"));
    assert_eq!(outside.count(), 0, "nothing is fetched");
    assert!(!page.contains("<script"));
    let table = std::fs::read_to_string(desk.path("report/results.csv")).unwrap();
    assert!(table.starts_with("name,levels,quality,images"), "{table}");
}

#[test]
fn one_tokenizer_whose_parts_are_missing_leaves_nothing_of_the_others() {
    let desk = desk();
    let parts = desk.name("parts");
    for shard in ["1/2", "2/2"] {
        evaluate(&desk, &["--out", &parts, "--shard", shard]).expect_done();
    }
    let last = files(&desk.path("parts"), "2-of-2.safetensors").pop().unwrap();
    assert!(last.file_name().unwrap().to_str().unwrap().starts_with("tiny"));
    std::fs::remove_file(last).unwrap();
    run(&["merge", &parts, "--out", &desk.name("joined")]).expect_refused(&["2/2", "tiny"]);
    assert!(!desk.path("joined").exists(), "no whole of what comes before it in the alphabet");
}

/// A set of three images of 16 x 16, as NumPy saves it.
fn write_npy(path: &std::path::Path, seed: usize) {
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 16, 16, 3), }\n";
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend((0..3 * 16 * 16 * 3).map(|at| ((at * at + at * seed) >> 3) as u8));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn numbers_of_other_images_in_a_file_of_the_same_name_and_shape_are_others() {
    let desk = desk();
    write_npy(&desk.path("a/val.npy"), 1);
    write_npy(&desk.path("b/val.npy"), 9);
    let tiny = desk.name("tiny.safetensors");
    let measure = |set: &str, more: &[&str]| {
        let set = desk.name(set);
        let words = [&["evaluate", &tiny, "--data", &set, "--json"], more].concat();
        run(&words)
    };
    let kept = desk.name("kept");
    let of = |set: &str| {
        let lines = measure(set, &["--out", &kept]).expect_done().lines();
        timeless(&lines[0])
    };
    let (a, b) = (of("a/val.npy"), of("b/val.npy"));
    assert_ne!(a["psnr"], b["psnr"]);
    assert_eq!((of("a/val.npy"), of("b/val.npy")), (a, b));
    for (set, shard) in [("a/val.npy", "1/2"), ("b/val.npy", "2/2")] {
        let parts = desk.name("parts");
        measure(set, &["--out", &parts, "--shard", shard]).expect_done();
    }
    run(&["merge", &desk.name("parts"), "--out", &desk.name("joined")])
        .expect_refused(&["listed images is"]);
}

#[test]
fn a_part_without_images_says_so() {
    let desk = desk();
    let (tiny, set, out) = (desk.name("tiny.safetensors"), desk.name("set"), desk.name("parts"));
    let ran = run(&["evaluate", &tiny, "--data", &set, "--shard", "1/9", "--out", &out]);
    ran.expect_done();
    assert!(ran.out.contains("no images") && !ran.out.contains("inf"), "{}", ran.out);
}
