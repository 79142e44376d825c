//! `smalti likelihood`: bits of tokens, and what they are not.

use super::generate::generator;
use super::*;

fn told(desk: &Desk, (model, tokenizer): (&str, &str), images: &[&str], more: &[&str]) -> Ran {
    let tokenizer = desk.name(tokenizer);
    let images: Vec<String> = images.iter().map(|image| desk.name(image)).collect();
    let mut words = vec!["likelihood"];
    words.extend(images.iter().map(String::as_str));
    words.extend(["--model", model, "--tokenizer", &tokenizer, "--json"]);
    run(&[&words[..], more].concat())
}

#[test]
fn bits_of_an_image_are_those_of_its_tokens_and_the_files_say_the_same() {
    for (way, tokenizer, cells) in
        [("Raster", "tiny.safetensors", 16), ("Var", "scales.safetensors", 21)]
    {
        let desk = Desk::new();
        let model = generator(&desk, way);
        let out = desk.name("bits");
        let by = (model.as_str(), tokenizer);
        let ran = told(&desk, by, &["a.png", "b.png"], &["--class", "2", "--out", &out]);
        let lines = ran.expect_done().lines();
        assert_eq!(lines.len(), 2);
        for (line, stem) in lines.iter().zip(["a", "b"]) {
            assert_eq!(line["is_likelihood"], true);
            let number = |key: &str| line[key].as_f64().unwrap();
            assert_eq!(line["tokens"], cells);
            assert!((number("bits_per_token") * f64::from(cells) - number("bits")).abs() < 1e-6);
            assert!((number("bits_per_pixel") * 64.0 - number("bits")).abs() < 1e-6, "8x8 pixels");
            let table = desk.path(&format!("bits/{stem}.bits.csv"));
            let table = std::fs::read_to_string(table).unwrap();
            let rows: Vec<Vec<&str>> =
                table.lines().skip(1).map(|row| row.split(',').collect()).collect();
            assert_eq!(rows.len() as i32, cells);
            let sum: f64 = rows.iter().map(|row| row[4].parse::<f64>().unwrap()).sum();
            assert!((sum - number("bits")).abs() < 1e-3, "{sum} {line}");
            let parts = line["parts"].as_array().map_or(0, Vec::len);
            assert_eq!(parts, if way == "Var" { 3 } else { 0 });
            let which = if way == "Var" { ".2" } else { "" };
            let array = std::fs::read(desk.path(&format!("bits/{stem}.bits{which}.npy"))).unwrap();
            let last = f32::from_le_bytes(array[array.len() - 4..].try_into().unwrap());
            assert_eq!(rows.last().unwrap()[4].parse::<f32>().unwrap(), last);
            assert_eq!(array.len() % 64, 0, "16 numbers behind a header of whole lines");
            let map = image::open(desk.path(&format!("bits/{stem}.bits{which}.png"))).unwrap();
            assert_eq!((map.width(), map.height()), (768, 768 + 32));
        }
        let other = told(&desk, by, &["a.png"], &["--class", "5"]).expect_done().lines().remove(0);
        assert_ne!(other["bits"], lines[0]["bits"], "of another class");
    }
}

#[test]
fn of_a_masked_generator_it_is_said_that_bits_are_no_likelihood() {
    let desk = Desk::new();
    let model = generator(&desk, "MaskGit");
    let by = (model.as_str(), "tiny.safetensors");
    let line = told(&desk, by, &["a.png"], &[]).expect_done().lines().remove(0);
    assert_eq!((&line["is_likelihood"], &line["forward_passes"]), (&false.into(), &16.into()));
    assert!(line["told"].as_str().unwrap().contains("no likelihood"), "{line}");
    let fast = told(&desk, by, &["a.png"], &["--fast"]).expect_done().lines().remove(0);
    assert_eq!((&fast["is_likelihood"], &fast["forward_passes"]), (&false.into(), &8.into()));
    assert_ne!(fast["told"], line["told"]);
}

#[test]
fn tokens_of_others_and_what_is_no_picture_are_left_out_and_named() {
    let desk = Desk::new();
    let model = generator(&desk, "Raster");
    let by = (model.as_str(), "tiny.safetensors");
    std::fs::write(desk.path("text.png"), "this is text").unwrap();
    let out = desk.name("bits");
    let refused = told(&desk, by, &["text.png"], &["--out", &out]);
    refused.expect_refused(&["text.png", "text, not an image"]);
    assert!(!refused.err.contains("numpy"), "an image was meant: {}", refused.err);
    assert!(!desk.path("bits").exists());
    told(&desk, by, &["a.png"], &["--class", "99"]).expect_refused(&["99", "0 "]);
    let grid = smalti_engine::tokens::Tokens::grid(2, 3, 20, vec![1; 6]).unwrap();
    let bytes = smalti_engine::token_files::npy_bytes(&grid).unwrap();
    std::fs::write(desk.path("small.npy"), bytes).unwrap();
    told(&desk, by, &["small.npy"], &[]).expect_refused(&["small.npy", "2 x 3", "4 x 4"]);
    let ran = told(&desk, by, &["small.npy", "a.png"], &[]);
    assert_eq!(ran.expect_done().lines().len(), 1);
    assert!(ran.err.contains("skipped: ") && ran.err.contains("small.npy"), "{}", ran.err);
    run(&["likelihood", "--model", &model]).expect_refused(&["IMAGE"]);
}
