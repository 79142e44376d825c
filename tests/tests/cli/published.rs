//! Published generators on the command line: `smalti inspect` and `smalti generate` of files as people have them.

use smalti_engine::token_files::{self, from_arrays::Wanted};
use smalti_tests::load_tensors;

use super::*;

/// A file of a fixture; always of those beside this crate, of which some go together.
fn file(fixture: &str, name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(fixture);
    folder.join(name).to_str().unwrap().to_owned()
}

/// The tokens of a file that `generate` wrote.
fn tokens(line: &Value) -> Vec<u32> {
    let path = line["tokens_file"].as_str().unwrap();
    let read = token_files::read(Path::new(path), &Wanted::default(), None).unwrap();
    assert!(!read.maker.is_size_assumed);
    read.images[0].first().codes().to_vec()
}

/// `generate` with a fixture's file.
fn paint(desk: &Desk, model: &str, more: &[&str]) -> Ran {
    let out = desk.name("out");
    let mut arguments = vec!["generate", "--model", model, "--out", &out, "--json"];
    arguments.extend(more);
    run(&arguments)
}

#[test]
fn inspect_says_what_each_published_generator_is() {
    for (name, weights, family, takes) in [
        ("taming_gpt_class", "weights.ckpt", "taming transformer", "a class"),
        ("taming_gpt_prefix", "weights.ckpt", "taming transformer", "tokens before"),
        ("llamagen_c2i", "weights.pt", "LlamaGen, class to image", "a class, or none"),
        ("llamagen_t2i", "weights.pt", "LlamaGen, caption to image", "rows of"),
        ("open_magvit2_ar", "weights.ckpt", "Open-MAGVIT2 AR", "a class, or none"),
        ("var", "var.pth", "VAR", "a class, or none"),
        ("maskgit", "weights.pth", "MaskGIT (valeoai v1.0)", "a class, or none"),
        ("maskgit_halton", "weights.pth", "Halton-MaskGIT", "a class, or none"),
        ("titok_imagebert", "weights.pth", "TiTok's ImageBert", "a class, or none"),
    ] {
        let path = file(name, weights);
        let lines = run(&["inspect", &path, "--json"]).expect_done().lines();
        let line = &lines[0];
        assert!(line["family"].as_str().unwrap().contains(family), "{line}");
        assert_eq!(line["problems"], serde_json::json!([]), "{name}");
        let generator = &line["generator"];
        assert_eq!(generator["codes"], line["codebook_size"]);
        assert!(generator["takes"].as_str().unwrap().contains(takes), "{generator}");
        assert!(generator["parameters"].as_u64().unwrap() > 10_000);
        let text = run(&["inspect", &path]).expect_done().out.clone();
        for word in ["writes", "takes", "tokenizer", generator["tokenizer"].as_str().unwrap()] {
            assert!(text.contains(word), "{word} is not in {text}");
        }
        assert!(!text.contains("codebook?"), "its embeddings are no codebook: {text}");
    }
}

#[test]
fn tokens_of_a_class_are_written_alone_and_the_same_again() {
    let model = file("llamagen_c2i", "weights.pt");
    let asked =
        ["--class", "3", "--seed", "5", "--guidance", "2", "--top-k", "20", "--top-p", "0.9"];
    let painted = |more: &[&str]| {
        let desk = Desk::new();
        let ran = paint(&desk, &model, &[&asked[..], more].concat());
        assert!(ran.expect_done().err.contains("tokens alone"), "{}", ran.err);
        assert!(ran.err.contains("vq_ds16_c2i"), "which tokenizer: {}", ran.err);
        let line = &ran.lines()[0];
        assert!(line.get("out").is_none(), "no picture: {line}");
        assert!(desk.path("out/class-3-5.npy").is_file());
        assert_eq!(line["steps"].as_u64().unwrap() * 2, line["forward_passes"].as_u64().unwrap());
        tokens(line)
    };
    let first = painted(&[]);
    assert_eq!(first.len(), 36);
    assert_eq!(painted(&[]), first);
    assert_eq!(painted(&["--threads", "1"]), first);
    assert_ne!(painted(&["--temperature", "0.2"]), first);
}

#[test]
fn masked_generators_write_in_as_many_steps_as_they_are_asked() {
    for (name, cells) in [("maskgit", 36), ("maskgit_halton", 36), ("titok_imagebert", 20)] {
        let model = file(name, "weights.pth");
        let painted = |more: &[&str]| {
            let desk = Desk::new();
            let asked = ["--class", "3", "--steps", "5", "--guidance", "2"];
            let ran = paint(&desk, &model, &[&asked[..], more].concat());
            let line = &ran.expect_done().lines()[0];
            assert_eq!((&line["steps"], &line["forward_passes"]), (&5.into(), &10.into()));
            tokens(line)
        };
        let plain = painted(&[]);
        assert_eq!(plain.len(), cells, "{name}");
        assert_eq!(painted(&["--threads", "1"]), plain);
        assert_ne!(painted(&["--order", "halton", "--self-correct", "3"]), plain);
    }
}

#[test]
fn a_tokenizer_of_the_same_codes_gives_pictures_and_another_is_refused() {
    let desk = Desk::new();
    // Both of 64 codes, and of 2^10 in two sub-tokens.
    for (name, weights, tokenizer) in [
        ("taming_gpt_class", "weights.ckpt", file("taming_gumbel", "weights.ckpt")),
        ("open_magvit2_ar", "weights.ckpt", file("lfq", "weights.ckpt")),
    ] {
        let model = file(name, weights);
        let ran = paint(&desk, &model, &["--class", "2", "--tokenizer", &tokenizer]);
        let line = &ran.expect_done().lines()[0];
        let picture = image::open(line["out"].as_str().unwrap()).unwrap();
        assert!(picture.width() > 0 && picture.width() == picture.height());
        assert!(!ran.err.contains("tokens alone"), "{}", ran.err);
    }
    let desk = Desk::new();
    let model = file("llamagen_c2i", "weights.pt");
    for (tokenizer, words) in [
        // Another number of codes; tokens in a row.
        (file("llamagen_vq", "weights.pt"), &["codebook of 64 codes", "vq_ds16_c2i"][..]),
        (file("titok_vq", "weights.bin"), &["6 x 6", "vq_ds16_c2i"]),
        (desk.name("a.png"), &["a.png"]),
    ] {
        paint(&desk, &model, &["--class", "2", "--tokenizer", &tokenizer]).expect_refused(words);
        assert!(!desk.path("out").exists());
    }
    let var = file("var", "var.pth");
    paint(&desk, &var, &["--class", "1"]).expect_refused(&["VAR", "--tokenizer", "vae_ch160"]);
    let vae = file("var", "vae.pth");
    let ran = paint(&desk, &var, &["--class", "1", "--tokenizer", &vae]);
    assert!(ran.expect_done().lines()[0]["out"].is_string());
}

#[test]
fn a_tokenizer_of_sub_tokens_decodes_to_the_same_picture() {
    let desk = Desk::new();
    let model = file("open_magvit2_ar", "weights.ckpt");
    let lfq = file("lfq", "weights.ckpt");
    // As it is configured where a generator is trained on it.
    std::fs::copy(&lfq, desk.path("factorized.ckpt")).unwrap();
    let config = std::fs::read(file("lfq", "config.json")).unwrap();
    let mut config: Value = serde_json::from_slice(&config).unwrap();
    config["token_factorization"] = true.into();
    std::fs::write(desk.path("factorized_config.json"), config.to_string()).unwrap();
    let picture = |tokenizer: &str| {
        let ran = paint(&desk, &model, &["--class", "2", "--tokenizer", tokenizer]);
        let line = &ran.expect_done().lines()[0];
        (std::fs::read(line["out"].as_str().unwrap()).unwrap(), tokens(line))
    };
    assert_eq!(picture(&desk.name("factorized.ckpt")), picture(&lfq));
}

#[test]
fn a_caption_and_tokens_that_come_before_lead_from_their_files() {
    let desk = Desk::new();
    let (t2i, prefixed) =
        (file("llamagen_t2i", "weights.pt"), file("taming_gpt_prefix", "weights.ckpt"));
    // The features of the first picture, padding and all, as another tool would save them.
    let io = load_tensors(Path::new(&file("llamagen_t2i", "io.safetensors")));
    let caption = desk.path("caption.safetensors");
    let first = io.tensor("cond").get(0).unwrap();
    candle_core::safetensors::save(&[("caption_emb", first)].into(), &caption).unwrap();
    let before = desk.path("before.safetensors");
    let io = load_tensors(Path::new(&file("taming_gpt_prefix", "io.safetensors")));
    let first = io.tensor("tf.c").get(0).unwrap();
    candle_core::safetensors::save(&[("tokens", first)].into(), &before).unwrap();
    let [caption, before] = [caption, before].map(|path| path.to_str().unwrap().to_owned());
    let led = paint(&desk, &t2i, &["--caption", &caption, "--guidance", "2"]);
    let led = tokens(&led.expect_done().lines()[0]);
    let free = tokens(&paint(&desk, &t2i, &[]).expect_done().lines()[0]);
    assert_ne!(led, free, "the caption leads");
    let ran = paint(&desk, &prefixed, &["--prefix", &before]);
    assert_eq!(tokens(&ran.expect_done().lines()[0]).len(), 25);
    let desk = Desk::new();
    let refused = |model: &str, more: &[&str], words: &[&str]| {
        paint(&desk, model, more).expect_refused(words);
        assert!(!desk.path("out").exists(), "{more:?}");
    };
    refused(&t2i, &["--class", "3"], &["no class"]);
    refused(&t2i, &["--caption", &before], &["before.safetensors", "(rows, 24)"]);
    refused(&t2i, &["--caption", "nowhere.npy"], &["nowhere.npy"]);
    refused(&prefixed, &[], &["25", "--prefix"]);
    refused(&prefixed, &["--prefix", &caption], &["caption.safetensors"]);
    refused(&prefixed, &["--caption", &caption], &["takes no captions", "--prefix"]);
    let c2i = file("llamagen_c2i", "weights.pt");
    refused(&c2i, &["--caption", &caption], &["takes no captions", "--class"]);
    refused(&c2i, &["--prefix", &before], &["takes no tokens", "--class"]);
}

#[test]
fn what_a_published_generator_cannot_do_is_refused_with_what_to_do() {
    let desk = Desk::new();
    let refused = |model: &str, more: &[&str], words: &[&str]| {
        paint(&desk, model, more).expect_refused(words);
        assert!(!desk.path("out").exists(), "{more:?}");
    };
    let c2i = file("llamagen_c2i", "weights.pt");
    refused(&c2i, &["--class", "10"], &["\"10\"", "0 to 9"]);
    refused(&c2i, &["--class", "dog"], &["dog", "0 to 9"]);
    refused(&c2i, &["--guidance", "2"], &["--class"]);
    let taming = file("taming_gpt_class", "weights.ckpt");
    refused(&taming, &[], &["class", "--class"]);
    refused(&taming, &["--class", "64"], &["64", "0 to 63"]);
    refused(&taming, &["--class", "3", "--guidance", "2"], &["guidance", "leave it at 1"]);
    refused(
        &file("llamagen_vq", "weights.pt"),
        &["--class", "3"],
        &["not a generator", "LlamaGen"],
    );
    // Cut off in the middle, and with a tensor less.
    let whole = std::fs::read(&c2i).unwrap();
    let cut = desk.path("cut.pt");
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    refused(cut.to_str().unwrap(), &["--class", "3"], &["cut.pt"]);
    let mut tensors = smalti_engine::checkpoints::read(Path::new(&c2i))
        .unwrap()
        .to_tensors(&smalti_tests::device())
        .unwrap();
    tensors.remove("layers.1.feed_forward.w2.weight").unwrap();
    let less = desk.path("less.safetensors");
    candle_core::safetensors::save(&tensors.into_iter().collect(), &less).unwrap();
    let config = file("llamagen_c2i", "config.json");
    std::fs::copy(config, desk.path("less_config.json")).unwrap();
    let less = less.to_str().unwrap();
    let words = ["less.safetensors", "layers.1.feed_forward.w2.weight is missing"];
    refused(less, &["--class", "3"], &words);
    let lines = run(&["inspect", less, "--json"]).expect_done().lines();
    let problems = lines[0]["problems"].to_string();
    assert!(problems.contains("w2.weight is missing"), "{problems}");
    // Without a configuration what no tensor tells is said to be assumed.
    std::fs::copy(&c2i, desk.path("c2i_B_384.pt")).unwrap();
    std::fs::remove_file(desk.path("less_config.json")).unwrap();
    let alone = desk.name("c2i_B_384.pt");
    let lines = run(&["inspect", &alone, "--json"]).expect_done().lines();
    assert!(lines[0]["notes"].to_string().contains("24 x 24"), "{}", lines[0]["notes"]);
}
