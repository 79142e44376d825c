//! AR probes of tokenizers: their figures in lines, tables and pages.

use serde_json::Value;
use smalti_tests::tiny::{model_of, tiny_config, write_png};

use super::{Desk, run};

/// A desk with a picture and a tokenizer of eight pixels a token, beside the one of two.
fn desk() -> Desk {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("set")).unwrap();
    write_png(&desk.path("set").join("0.png"), 20, 20, 1);
    let mut config = tiny_config();
    config.network.ch_mult = vec![1, 1, 1, 1];
    model_of(&config, &desk.path("coarse.safetensors"));
    desk
}

/// Measures the coarse tokenizer and what else is named, with a probe of one step.
fn probed(desk: &Desk, out: &str, more: &[&str]) -> (Vec<Value>, String) {
    let (coarse, set, out) = (desk.name("coarse.safetensors"), desk.name("set"), desk.name(out));
    let all = ["evaluate", &coarse, "--data", &set, "--size", "16", "--json", "--out", &out];
    let words: Vec<&str> = all.iter().chain(more).copied().chain(["--probe", "1"]).collect();
    let ran = run(&words);
    let lines = ran.expect_done().lines();
    (lines, ran.err)
}

#[test]
fn a_probe_says_what_tokens_cost_in_lines_and_tables_and_each_time_the_same() {
    let desk = desk();
    let (tiny, figure) = (desk.name("tiny.safetensors"), desk.name("figure"));
    let (lines, said) = probed(&desk, "out", &[&tiny, "--pareto", &figure]);
    let coarse = &lines[0];
    let number = |key: &str| coarse[key].as_f64().unwrap_or_else(|| panic!("{key}: {coarse}"));
    // 16 x 16 tokens of 20 codes. After one step a probe knows next to nothing: no more than how often each is.
    let (image, token) = (number("probe_bits_per_image"), number("probe_bits_per_token"));
    assert!((image - 256.0 * token).abs() < 1e-6 * image, "{coarse}");
    assert!((0.0..6.0).contains(&token), "{token} bits a token of 20 codes");
    assert!((number("probe_perplexity") - token.exp2()).abs() < 1e-6, "{coarse}");
    let settings = ["probe_steps", "probe_side", "probe_tokens", "probe_sub_tokens"].map(number);
    assert_eq!(settings, [1.0, 128.0, 256.0, 1.0]);
    // Of two pixels a token there would be too many; that is no reason not to measure it.
    assert!(lines[1]["psnr"].is_number() && lines[1]["probe_bits_per_image"].is_null());
    assert!(said.contains("no probe is made of 4096 tokens an image"), "{said}");
    let table = std::fs::read_to_string(desk.path("figure").join("pareto.csv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    let column = rows[0].iter().position(|head| *head == "probe_bits_per_image").unwrap();
    let of = |name: &str| rows.iter().find(|row| row[0].contains(name)).unwrap()[column];
    assert!((of("coarse").parse::<f64>().unwrap() - image).abs() < 1e-5, "{table}");
    assert_eq!((of("tiny"), of("JPEG")), ("", ""));
    let bits = |lines: &[Value]| lines[0]["probe_bits_per_image"].as_f64().unwrap().to_bits();
    let (again, _) = probed(&desk, "elsewhere", &[]);
    assert_eq!(bits(&again), image.to_bits(), "trained again from the same seed");
}

#[test]
fn what_a_probe_found_is_kept_and_goes_with_the_weights_alone() {
    let desk = desk();
    let (lines, _) = probed(&desk, "out", &[]);
    let folder = desk.path("out");
    let kept = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.filter(|path| path.to_string_lossy().ends_with(".probe.csv"));
    let kept: Vec<_> = kept.collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    // What lies there is what is said: no probe is trained again.
    let text = std::fs::read_to_string(&kept[0]).unwrap();
    let bits = lines[0]["probe_bits_per_image"].as_f64().unwrap();
    assert!(text.contains(&bits.to_string()), "{text}");
    std::fs::write(&kept[0], text.replace(&bits.to_string(), "777.5")).unwrap();
    assert_eq!(probed(&desk, "out", &[]).0[0]["probe_bits_per_image"], 777.5);
    let mut config = tiny_config();
    config.network.ch_mult = vec![1, 1, 2, 1];
    model_of(&config, &desk.path("coarse.safetensors"));
    let other = probed(&desk, "out", &[]).0[0]["probe_bits_per_image"].as_f64().unwrap();
    assert!(other != 777.5, "other weights under the same name");
}

#[test]
fn a_page_has_the_probes_and_a_part_of_images_none() {
    let desk = desk();
    let (coarse, set, out) = (desk.name("coarse.safetensors"), desk.name("set"), desk.name("page"));
    let words = ["report", &coarse, "--data", &set, "--size", "16", "--out", &out, "--probe", "1"];
    run(&words).expect_done();
    let page = std::fs::read_to_string(desk.path("page").join("index.html")).unwrap();
    for text in ["AR probe", "1 step of 16", "no bound on what a larger generator", "--probe 1"] {
        assert!(page.contains(text), "{text}");
    }
    let table = std::fs::read_to_string(desk.path("page").join("results.csv")).unwrap();
    assert!(table.contains(",probe_bits_per_image,"), "{table}");
    let part = ["evaluate", &coarse, "--data", &set, "--out", &out, "--shard", "1/2", "--probe"];
    run(&part).expect_refused(&["--probe", "not of a part of images"]);
}
