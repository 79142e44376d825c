//! Tokenizers of several books or parts: each is counted, and nothing is said that holds for a grid alone.

use serde_json::Value;
use smalti_engine::token_files::{self, from_arrays::Wanted};
use smalti_tests::tiny::{residual_model, write_png};
use smalti_tests::{fixture, load_tensors};

use super::training::RECIPE;
use super::{Desk, run};

/// A residual tokenizer of three levels with a book each, and some pictures.
fn residual_desk() -> Desk {
    let desk = Desk::new();
    let path = desk.path("levels.safetensors");
    residual_model(&path);
    assert!(load_tensors(&path).contains("quantize.layers.2.embedding.weight"));
    std::fs::create_dir(desk.path("set")).unwrap();
    for number in 0..3 {
        write_png(&desk.path("set").join(format!("{number}.png")), 16, 16, number);
    }
    desk
}

/// Entropy in bits of codes, by its definition.
fn entropy(codes: &[u32]) -> f64 {
    let mut counts = std::collections::BTreeMap::new();
    for code in codes {
        *counts.entry(code).or_insert(0_u32) += 1;
    }
    let n = codes.len() as f64;
    counts.values().map(|&count| f64::from(count) / n).map(|p| -p * p.log2()).sum()
}

fn number(line: &Value, field: &str) -> f64 {
    line[field].as_f64().unwrap_or_else(|| panic!("{field} in {line}"))
}

#[test]
fn every_command_counts_the_codes_of_each_book() {
    let desk = residual_desk();
    let (model, out) = (desk.name("levels.safetensors"), desk.name("tokens"));
    let images: Vec<String> = (0..3).map(|n| desk.name(&format!("set/{n}.png"))).collect();
    let mut words = vec!["encode"];
    words.extend(images.iter().map(String::as_str));
    words.extend(["--model", &model, "--out", &out, "--json"]);
    let encoded = run(&words).expect_done().lines();
    assert_eq!(encoded[0]["books"].as_array().unwrap().len(), 3);
    // The codes of each level over all pictures, from the files.
    let mut levels = vec![Vec::new(); 3];
    for number in 0..3 {
        let path = desk.path(&format!("tokens/{number}.safetensors"));
        let read = token_files::read(&path, &Wanted::default(), None).unwrap();
        for (level, part) in levels.iter_mut().zip(read.images[0].parts()) {
            level.extend(part.codes().iter().copied());
        }
    }
    assert!(levels.iter().any(|codes| *codes != levels[0]), "levels that differ");
    let bits: f64 = levels.iter().map(|codes| entropy(codes) * codes.len() as f64).sum();
    let tokens: usize = levels.iter().map(Vec::len).sum();
    let distinct = |codes: &[u32]| codes.iter().collect::<std::collections::BTreeSet<_>>().len();
    let used: usize = levels.iter().map(|codes| distinct(codes)).sum();

    let set = desk.name("set");
    let ran = run(&["evaluate", &model, "--data", &set, "--size", "16", "--json"]);
    let line = &ran.expect_done().lines()[0];
    let packed = number(line, "entropy_bits_per_pixel");
    assert!((packed - bits / (3.0 * 256.0)).abs() < 1e-9, "{packed}");
    assert!(packed <= number(line, "bits_per_pixel") + 1e-9);
    assert!((number(line, "usage") - used as f64 / 48.0).abs() < 1e-12);
    assert!((number(line, "perplexity") - (bits / tokens as f64).exp2()).abs() < 1e-9);
    for (book, codes) in levels.iter().enumerate() {
        let of = &line["books"][book];
        assert_eq!((of["book"].as_u64(), of["samples"].as_u64()), (Some(book as u64), Some(192)));
        assert_eq!(number(of, "used") as usize, distinct(codes), "book {book}");
        assert!((number(of, "entropy_bits") - entropy(codes)).abs() < 1e-9, "book {book}");
    }
    let text = run(&["evaluate", &model, "--data", &set, "--size", "16"]);
    assert!(text.expect_done().out.contains("book 2: "), "{}", text.out);

    let file = desk.name("tokens/0.safetensors");
    let line = &run(&["inspect", &file, "--json"]).expect_done().lines()[0];
    assert_eq!((number(line, "samples"), number(line, "codebook_size")), (3.0 * 64.0, 48.0));
    assert_eq!(line["books"].as_array().unwrap().len(), 3);
    assert_eq!(line["used"], encoded[0]["used"], "as it was said when they were made");
    let text = run(&["inspect", &file]);
    assert!(text.expect_done().out.contains("192 of 1 image, 3 parts of 8 x 8"), "{}", text.out);
    let model = &run(&["inspect", &model, "--json"]).expect_done().lines()[0];
    assert_eq!(model["codebook_sizes"], serde_json::json!([16, 16, 16]));
}

#[test]
fn a_run_over_levels_tells_of_each_and_of_one_book_as_ever() {
    let desk = residual_desk();
    let residual = RECIPE
        .replace("Fsq((levels: [5, 4]))", "Residual((levels: 2, vq: (codes: 16, start: Data(2))))");
    for (text, books) in [(residual.as_str(), Some(2)), (RECIPE, None)] {
        std::fs::write(desk.path("r.ron"), text).unwrap();
        let out = desk.name(&format!("run-{}", books.is_some()));
        let lines =
            run(&["train", &desk.name("r.ron"), "--out", &out, "--json"]).expect_done().lines();
        let found = lines[3].get("books").and_then(|books| books.as_array()).map(Vec::len);
        assert_eq!(found, books);
    }
}

/// The page of a tour over the two pictures of a desk.
fn toured(desk: &Desk, model: &str) -> String {
    let out = desk.name("tour");
    let (a, b) = (desk.name("a.png"), desk.name("b.png"));
    run(&["tour", &a, &b, "--model", model, "--size", "32", "--out", &out]).expect_done();
    std::fs::read_to_string(desk.path("tour/index.html")).unwrap()
}

/// The number that the bars of the page give to a name.
fn rate(page: &str, name: &str) -> f64 {
    let from = page.split(&format!("<div class=\"bar ours\"><span>{name}</span>")).nth(1).unwrap();
    let text = from.split("<span class=\"num\">").nth(1).unwrap().split('<').next().unwrap();
    text.parse().unwrap()
}

#[test]
fn the_tour_says_of_tokens_without_a_square_only_what_is_true_of_them() {
    let titok = fixture("titok_vq").join("weights.bin");
    let var = fixture("var_vqvae").join("weights.pth");
    let residual = residual_desk();
    let levels = residual.name("levels.safetensors");
    let models = [titok.to_str().unwrap(), var.to_str().unwrap(), levels.as_str()];
    let words = ["numbers in a row", "what those before it missed", "what those before it missed"];
    for (model, own) in models.into_iter().zip(words) {
        let page = toured(&Desk::new(), model);
        assert!(page.contains(own), "{model}");
        for of_a_grid in ["looks at every square", "% of cells", "one token for", "class=\"cells\""]
        {
            assert!(!page.contains(of_a_grid), "{model}: {of_a_grid}");
        }
        // An ideal packer never needs more than log2(K) bits a token; the page rounds.
        let (plain, packed) = (rate(&page, "tokens"), rate(&page, "tokens, packed"));
        assert!(packed > 0.0 && packed <= plain + 0.011, "{model}: {packed} of {plain}");
    }
    let desk = Desk::new();
    let page = toured(&desk, &desk.name("tiny.safetensors"));
    for of_a_grid in ["looks at every square", "% of cells", "one token for 2", "class=\"cells\""] {
        assert!(page.contains(of_a_grid), "{of_a_grid}");
    }
    assert!(desk.path("tour/usage.png").is_file());
}
