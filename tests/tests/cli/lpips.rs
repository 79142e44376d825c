//! LPIPS by weights that somebody has: it is called so by these alone, and never mixed with anything else.

use std::path::Path;

use candle_core::Device;
use smalti_engine::checkpoints::open_tokenizer;
use smalti_engine::images::{self, Limits, Picture, WorkingSize, to_tensor};
use smalti_engine::perceptual::{Lpips, Published};
use smalti_engine::tokenizers::{detokenize, tokenize};
use smalti_tests::tiny::{drawn_lpips, write_png};

use super::{Desk, Ran, run};

/// A desk with four pictures of 40 pixels, and a network and its heads.
fn desk() -> Desk {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("set")).unwrap();
    for number in 0..4_u64 {
        write_png(&desk.path("set").join(format!("{number}.png")), 40, 40, number);
    }
    drawn_lpips(&desk.path("alex.safetensors"), &desk.path("heads.safetensors"), 5);
    desk
}

fn evaluate(desk: &Desk, more: &[&str]) -> Ran {
    let (tiny, set) = (desk.name("tiny.safetensors"), desk.name("set"));
    let all = ["evaluate", &tiny, "--data", &set, "--json"];
    run(&all.iter().chain(more).copied().collect::<Vec<_>>())
}

/// The mean of LPIPS over the set, image by image.
fn mean_lpips(desk: &Desk) -> f64 {
    let cpu = Device::Cpu;
    let paths = (desk.path("alex.safetensors"), desk.path("heads.safetensors"));
    let lpips = Lpips::open(Published::AlexNet, &paths.0, &paths.1, &cpu).unwrap();
    let tokenizer = open_tokenizer(&desk.path("tiny.safetensors"), &cpu).unwrap().tokenizer;
    let tensor = |picture: &Picture| to_tensor(std::slice::from_ref(picture), &cpu).unwrap();
    let of = |number: u64| {
        let path = desk.path("set").join(format!("{number}.png"));
        let picture = images::open(&path, &Limits::default()).unwrap();
        let size = tokenizer.facts().working_size(WorkingSize::square(40, 1));
        let picture = images::fit(&picture.picture, size).unwrap();
        let back = detokenize(&*tokenizer, &tokenize(&*tokenizer, &picture).unwrap()).unwrap();
        let distance = lpips.distance(&tensor(&picture), &tensor(&back)).unwrap();
        f64::from(distance.to_vec1::<f32>().unwrap()[0])
    };
    (0..4).map(of).sum::<f64>() / 4.0
}

#[test]
fn lpips_is_measured_by_a_network_and_heads_in_any_order_and_is_not_there_without() {
    let desk = desk();
    let (alex, heads) = (desk.name("alex.safetensors"), desk.name("heads.safetensors"));
    let kept = desk.name("kept");
    let ran = evaluate(&desk, &["--lpips", &heads, "--lpips", &alex, "--out", &kept]);
    let line = ran.expect_done().lines().remove(0);
    let (found, want) = (line["lpips"].as_f64().unwrap(), mean_lpips(&desk));
    assert!((found - want).abs() < 1e-5 && want > 0.0, "{found}, {want}");
    assert_eq!(line["lpips_by"]["network"], "AlexNet");
    assert!(line["intervals"]["lpips"].is_array());
    assert!(ran.err.contains("LPIPS is by AlexNet"), "{}", ran.err);
    let csv = |folder: &str| {
        let all = Path::new(folder).read_dir().unwrap().map(|entry| entry.unwrap().path());
        let csv = all.filter(|path| path.extension().is_some_and(|it| it == "csv"));
        csv.map(|path| std::fs::read_to_string(path).unwrap()).collect::<Vec<_>>()
    };
    assert!(csv(&kept)[0].lines().next().unwrap().ends_with(",fine_detail,lpips"));
    // The same folder, without: that is another measurement beside it.
    let plain = evaluate(&desk, &["--out", &kept]);
    let line = plain.expect_done().lines().remove(0);
    assert!(line.get("lpips").is_none() && line["lpips_like"].as_f64().is_some());
    assert_eq!(csv(&kept).len(), 2);
    assert!(csv(&kept).iter().any(|text| text.lines().next().unwrap().ends_with(",fine_detail")));
}

#[test]
fn parts_with_lpips_and_without_are_not_joined_nor_those_by_other_weights() {
    let desk = desk();
    let (alex, heads) = (desk.name("alex.safetensors"), desk.name("heads.safetensors"));
    let by = |more: &[&str], shard: &str, out: &str| {
        let all: Vec<&str> = more.iter().copied().chain(["--shard", shard, "--out", out]).collect();
        evaluate(&desk, &all).expect_done();
    };
    let own = ["--lpips", &alex, "--lpips", &heads];
    let (mixed, whole, out) = (desk.name("mixed"), desk.name("whole"), desk.name("out"));
    by(&own, "1/2", &mixed);
    by(&[], "2/2", &mixed);
    run(&["merge", &mixed, "--out", &out]).expect_refused(&["LPIPS is", "not measured"]);
    drawn_lpips(&desk.path("other.safetensors"), &desk.path("heads2.safetensors"), 6);
    let (other, heads2) = (desk.name("other.safetensors"), desk.name("heads2.safetensors"));
    let two = desk.name("two");
    by(&own, "1/2", &two);
    by(&["--lpips", &other, "--lpips", &heads2], "2/2", &two);
    run(&["merge", &two, "--out", &out]).expect_refused(&["LPIPS is AlexNet"]);
    by(&own, "1/2", &whole);
    by(&own, "2/2", &whole);
    let figure = desk.name("figure");
    let merged = run(&["merge", &whole, "--out", &out, "--pareto", &figure, "--json"]);
    let lines = merged.expect_done().lines();
    let line = lines.iter().find(|line| line["model"] == "tiny").unwrap();
    assert!((line["lpips"].as_f64().unwrap() - mean_lpips(&desk)).abs() < 1e-5);
    let table = std::fs::read_to_string(desk.path("figure/pareto.csv")).unwrap();
    assert!(table.lines().next().unwrap().ends_with(",lpips,lpips_low,lpips_high,lpips_by"));
    let svg = std::fs::read_to_string(desk.path("figure/pareto.svg")).unwrap();
    assert!(svg.contains("LPIPS by AlexNet") && !svg.contains("LPIPS-like"));
}

#[test]
fn what_is_no_lpips_is_refused_before_anything_is_measured() {
    let desk = desk();
    let (alex, heads) = (desk.name("alex.safetensors"), desk.name("heads.safetensors"));
    let refused = |more: &[&str], words: &[&str]| evaluate(&desk, more).expect_refused(words);
    refused(&["--lpips", &heads], &["heads.safetensors", "not the network", "vgg16-397923af.pth"]);
    refused(&["--lpips", &alex], &["alex.safetensors", "not the heads", "weights/v0.1/vgg.pth"]);
    refused(&["--lpips", &desk.name("tiny.safetensors")], &["neither a network nor the heads"]);
    refused(&["--lpips", &desk.name("a.png")], &["a.png"]);
    refused(&["--lpips", &desk.name("none.pth")], &["none.pth"]);
    refused(&["--lpips", &alex, "--lpips", &heads, "--lpips", &heads], &["3 files"]);
    let small = ["--size", "16", "--lpips", &alex, "--lpips", &heads];
    refused(&small, &["AlexNet", "16x16", "31 pixels"]);
}
