//! The command line from outside: what it prints, what it writes, how it ends.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod books;
mod cost;
mod documents;
mod edit;
mod features;
mod generate;
mod likelihood;
mod lpips;
mod many;
mod measuring;
mod painting;
mod probing;
mod published;
mod training;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::Value;
use smalti::cli::{BAD_INPUT, CANCELLED, DONE, Surroundings};
use smalti_tests::tiny::{tiny_model, write_png};

/// What a command left.
struct Ran {
    code: u8,
    out: String,
    err: String,
}

impl Ran {
    /// The lines of standard output as JSON objects.
    fn lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line:?}: {e}"));
        self.out.lines().map(parse).collect()
    }

    fn expect_done(&self) -> &Self {
        assert_eq!(self.code, DONE, "{}", self.err);
        self
    }

    /// Bad input: exit 2, nothing on standard output, and each of these words in the message.
    fn expect_refused(&self, words: &[&str]) {
        assert_eq!(self.code, BAD_INPUT, "out: {} err: {}", self.out, self.err);
        assert_eq!(self.out, "", "results go out only when there are some");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in: {}", self.err);
        }
    }
}

fn run_with(arguments: &[&str], assets: Option<&Path>, cancel: bool) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let around = Surroundings {
        errors: None,
        out: &mut out,
        err: &mut err,
        watched: false,
        cancel: Arc::new(AtomicBool::new(cancel)),
        assets: assets.map(Path::to_owned),
        inside: None,
    };
    let words = ["smalti"].iter().chain(arguments).map(ToString::to_string);
    let code = smalti::cli::run(words, around);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code, out: text(out), err: text(err) }
}

fn run(arguments: &[&str]) -> Ran {
    run_with(arguments, None, false)
}

/// A folder with a tiny model and two pictures.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        tiny_model(&folder.path().join("tiny.safetensors"));
        write_png(&folder.path().join("a.png"), 24, 16, 1);
        write_png(&folder.path().join("b.png"), 16, 32, 2);
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// All files and folders below, to see that nothing was changed.
    fn listing(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir().unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path.clone());
                    found.push((path, Vec::new()));
                } else {
                    let bytes = std::fs::read(&path).unwrap();
                    found.push((path, bytes));
                }
            }
        }
        found.sort();
        found
    }
}

/// Who made tokens is told by what can hold it, so that another tokenizer is found out.
fn says_its_maker(file: &Path) {
    let wanted = smalti_engine::token_files::from_arrays::Wanted::default();
    let maker = smalti_engine::token_files::read(file, &wanted, None).unwrap().maker;
    assert_eq!(maker.model.as_deref(), Some("tiny"));
    assert!(maker.token_hash.is_some_and(|hash| hash.len() > 16) && !maker.is_size_assumed);
}

#[test]
fn encode_then_decode_gives_the_picture_that_evaluate_measures() {
    let desk = Desk::new();
    let (model, out) = (desk.name("tiny.safetensors"), desk.name("tokens"));
    let ran = run(&[
        "encode",
        &desk.name("a.png"),
        &desk.name("b.png"),
        "--model",
        &model,
        "--out",
        &out,
        "--json",
    ]);
    let lines = ran.expect_done().lines();
    assert_eq!(lines.len(), 2);
    let fields: Vec<&String> = lines[0].as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "image",
            "height",
            "width",
            "grid",
            "parts",
            "tokens_file",
            "used",
            "perplexity",
            "bits_per_pixel",
            "seconds"
        ]
    );
    assert_eq!(lines[0]["grid"], serde_json::json!([8, 12]), "24x16 pixels, two a token");
    assert_eq!(lines[0]["width"], 24);
    // 20 codes for every four pixels.
    let rate = lines[0]["bits_per_pixel"].as_f64().unwrap();
    assert!((rate - 20_f64.log2() / 4.0).abs() < 1e-9, "{rate}");
    for name in ["a.npy", "a.safetensors", "a.tokens.png", "b.npy", "b.safetensors", "b.tokens.png"]
    {
        assert!(desk.path("tokens").join(name).is_file(), "{name}");
    }

    says_its_maker(&desk.path("tokens/a.safetensors"));
    let mut pictures = Vec::new();
    for tokens in ["a.npy", "a.safetensors"] {
        let (tokens, png) = (desk.name(&format!("tokens/{tokens}")), desk.name("back.png"));
        let ran = run(&["decode", &tokens, "--model", &model, "--out", &png, "--json"]);
        let line = &ran.expect_done().lines()[0];
        assert_eq!(line["out"], png);
        assert!(line["seconds"].is_number());
        pictures.push(image::open(desk.path("back.png")).unwrap().to_rgb8());
    }
    assert_eq!((pictures[0].width(), pictures[0].height()), (24, 16));
    assert_eq!(pictures[0], pictures[1], "both token files say the same");

    // PSNR by its definition, from the files, against what evaluate says of a square.
    write_png(&desk.path("square.png"), 16, 16, 3);
    run(&["encode", &desk.name("square.png"), "--model", &model, "--out", &out]).expect_done();
    run(&[
        "decode",
        &desk.name("tokens/square.npy"),
        "--model",
        &model,
        "--out",
        &desk.name("back.png"),
    ])
    .expect_done();
    let (original, back) = (
        image::open(desk.path("square.png")).unwrap().to_rgb8(),
        image::open(desk.path("back.png")).unwrap().to_rgb8(),
    );
    let squares: f64 = original
        .as_raw()
        .iter()
        .zip(back.as_raw())
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .sum();
    let psnr = 10.0 * (255.0_f64.powi(2) / (squares / original.as_raw().len() as f64)).log10();
    let ran =
        run(&["evaluate", &model, "--data", &desk.name("square.png"), "--size", "16", "--json"]);
    let line = &ran.expect_done().lines()[0];
    let said = line["psnr"].as_f64().unwrap();
    assert!((said - psnr).abs() < 1e-6, "{said} and {psnr}");
}

#[test]
fn evaluate_counts_a_folder_and_skips_what_is_broken() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("set")).unwrap();
    for number in 0..3_u64 {
        write_png(&desk.path("set").join(format!("{number}.png")), 20, 20, number);
    }
    std::fs::write(desk.path("set").join("broken.png"), b"\x89PNG\r\n\x1a\nand nothing else")
        .unwrap();
    let model = desk.name("tiny.safetensors");
    let ran = run(&["evaluate", &model, "--data", &desk.name("set"), "--size", "16", "--json"]);
    let line = &ran.expect_done().lines()[0];
    let fields: Vec<&String> = line.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "model",
            "images",
            "of_images",
            "size",
            "enlarged",
            "psnr",
            "ssim",
            "lpips_like",
            "proxy_fd",
            "fine_detail",
            "fine_detail_of_images",
            "usage",
            "perplexity",
            "bits_per_pixel",
            "entropy_bits_per_pixel",
            "entropy_is_a_bound",
            "encode_seconds",
            "decode_seconds",
            "ms_ssim",
            "intervals",
            "skipped",
            "skipped_images",
            "seed",
            "version"
        ]
    );
    assert_eq!(line["images"], 3);
    assert!(ran.err.contains("broken.png"), "the broken file is named: {}", ran.err);
    let (usage, rate) = (line["usage"].as_f64().unwrap(), line["bits_per_pixel"].as_f64().unwrap());
    assert!(usage > 0.0 && usage <= 1.0);
    assert!(line["entropy_bits_per_pixel"].as_f64().unwrap() <= rate + 1e-9);
    let limited = run(&[
        "evaluate",
        &model,
        "--data",
        &desk.name("set"),
        "--limit",
        "1",
        "--size",
        "16",
        "--json",
    ]);
    assert_eq!(limited.expect_done().lines()[0]["images"], 1);
}

#[test]
fn inspect_says_what_a_checkpoint_is_and_what_is_none() {
    let desk = Desk::new();
    let ran = run(&["inspect", &desk.name("tiny.safetensors"), "--json"]);
    let line = &ran.expect_done().lines()[0];
    assert_eq!(line["container"], "safetensors");
    assert_eq!(line["codebook_size"], 20);
    assert_eq!(line["downsample"], 2);
    assert!(line["tensors"].as_u64().unwrap() > 10 && line["parameters"].as_u64().unwrap() > 100);
    assert_eq!(line["problems"], serde_json::json!([]));
    for field in ["family", "config"] {
        assert!(!line[field].is_null(), "{field}");
    }
    run(&["inspect", &desk.name("a.png")]).expect_refused(&["a.png"]);
    run(&["inspect", &desk.name("missing.ckpt")]).expect_refused(&["missing.ckpt"]);
    run(&["inspect", "no-such-model"]).expect_refused(&["no-such-model"]);
}

#[test]
fn text_is_for_people_and_goes_where_results_go() {
    let desk = Desk::new();
    let ran = run(&[
        "encode",
        &desk.name("a.png"),
        "--model",
        &desk.name("tiny.safetensors"),
        "--out",
        &desk.name("t"),
    ]);
    assert!(ran.expect_done().out.contains("12x8 tokens"), "{}", ran.out);
    let ran = run(&["--help"]);
    assert!(ran.expect_done().out.contains("encode") && ran.err.is_empty());
    assert!(run(&["--version"]).expect_done().out.starts_with("smalti "));
}

#[test]
fn the_tour_is_one_page_that_needs_nothing_else() {
    let desk = Desk::new();
    let out = desk.name("tour/inside");
    let ran = run(&[
        "tour",
        &desk.name("a.png"),
        &desk.name("b.png"),
        "--model",
        &desk.name("tiny.safetensors"),
        "--size",
        "32",
        "--out",
        &out,
        "--json",
    ]);
    assert!(ran.expect_done().lines()[0]["out"].as_str().unwrap().ends_with("index.html"));
    let page = std::fs::read_to_string(desk.path("tour/inside/index.html")).unwrap();
    for name in [
        "a.original.png",
        "a.tokens.png",
        "a.tokens.npy",
        "a.reconstruction.png",
        "a.difference.png",
        "b.original.png",
        "usage.png",
    ] {
        assert!(desk.path("tour/inside").join(name).is_file(), "{name}");
    }
    for reference in ["src=\"", "href=\"", "url("] {
        for part in page.split(reference).skip(1) {
            assert!(part.starts_with("data:"), "the page needs {reference}{part:.60}");
        }
    }
    // Every element that is opened is closed.
    for tag in ["section", "figure", "div", "details", "p", "dl", "figcaption", "span"] {
        let opened =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "<{tag}>");
    }
}

#[test]
fn a_cancelled_command_says_so_and_leaves_nothing() {
    let desk = Desk::new();
    let before = desk.listing();
    let (image, model, out) = (desk.name("a.png"), desk.name("tiny.safetensors"), desk.name("t"));
    let ran = run_with(&["encode", &image, "--model", &model, "--out", &out], None, true);
    assert_eq!(ran.code, CANCELLED, "{}", ran.err);
    assert_eq!(desk.listing(), before);
}

#[test]
fn wrong_usage_is_refused_with_a_word_on_what_is_right() {
    run(&["encode", "--out", "x"]).expect_refused(&["IMAGE"]);
    run(&["encode", "a.png", "--out", "x"]).expect_refused(&["--model"]);
    run(&["evaluate", "m", "--data", "d", "--limit", "0"]).expect_refused(&["--limit"]);
    run(&["evaluate", "m", "--data", "d", "--size", "none"]).expect_refused(&["none", "--size"]);
    run(&["decode", "x", "--model", "m", "--out", "y", "--device", "abacus"])
        .expect_refused(&["abacus", "cpu"]);
    run(&["encod", "x", "--model", "y"]).expect_refused(&["--model"]);
    run(&["no-such-file.png"]).expect_refused(&["no-such-file.png"]);
}

#[test]
fn bad_input_of_every_kind_is_refused_and_changes_nothing() {
    let desk = Desk::new();
    let model = desk.name("tiny.safetensors");
    let (image, out) = (desk.name("a.png"), desk.name("new/deep"));
    std::fs::write(desk.path("text.png"), "this is text").unwrap();
    std::fs::write(desk.path("empty.png"), "").unwrap();
    std::fs::write(desk.path("text.safetensors"), "this is text as well").unwrap();
    std::fs::write(desk.path("file"), "in the way").unwrap();
    let whole = std::fs::read(desk.path("a.png")).unwrap();
    std::fs::write(desk.path("half.png"), &whole[..whole.len() / 2]).unwrap();
    let before = desk.listing();

    let encode = |image: &str, model: &str, out: &str| {
        run(&["encode", image, "--model", model, "--out", out])
    };
    encode(&desk.name("missing.png"), &model, &out).expect_refused(&["missing.png"]);
    encode(&desk.name("text.png"), &model, &out).expect_refused(&["text.png"]);
    encode(&desk.name("empty.png"), &model, &out).expect_refused(&["empty.png", "empty"]);
    encode(&desk.name("half.png"), &model, &out).expect_refused(&["half.png"]);
    encode(&model, &model, &out).expect_refused(&["tiny.safetensors"]);
    encode(&image, &desk.name("missing.ckpt"), &out).expect_refused(&["missing.ckpt"]);
    encode(&image, &desk.name("text.safetensors"), &out).expect_refused(&["text.safetensors"]);
    encode(&image, "no-such-model", &out).expect_refused(&["no-such-model", "what to do"]);
    encode(&image, &model, &desk.name("file")).expect_refused(&["file", "folder"]);
    encode(&image, &model, &desk.name("file/below")).expect_refused(&["file"]);
    let (text, empty) = (desk.name("text.png"), desk.name("empty.png"));
    run(&["encode", &text, &empty, "--model", &model, "--out", &out]).expect_refused(&[
        "none of 2 images",
        "text.png",
        "empty.png",
    ]);

    let decode =
        |tokens: &str, out: &str| run(&["decode", tokens, "--model", &model, "--out", out]);
    decode(&desk.name("missing.npy"), &desk.name("x.png")).expect_refused(&["missing.npy"]);
    decode(&image, &desk.name("x.png")).expect_refused(&["a.png"]);
    decode(&image, &desk.name("no/such/x.png")).expect_refused(&["no/such"]);

    let evaluate = |data: &str| run(&["evaluate", &model, "--data", data]);
    evaluate(&desk.name("missing")).expect_refused(&["missing"]);
    evaluate(&desk.name("text.png")).expect_refused(&["text.png"]);
    run(&["tour", &desk.name("text.png"), "--model", &model, "--out", &out])
        .expect_refused(&["text.png"]);
    assert_eq!(desk.listing(), before, "a refused command changes nothing");
}

#[test]
fn render_draws_a_scene_or_a_view_and_knows_their_names() {
    let desk = Desk::new();
    let (png, image, model) =
        (desk.name("w.png"), desk.name("a.png"), desk.name("tiny.safetensors"));
    for what in ["studio", "Tokens"] {
        let ran = run(&[
            "render", what, "--open", &model, &image, "--out", &png, "--width", "640", "--height",
            "480", "--scale", "1.5", "--theme", "light", "--json",
        ]);
        assert_eq!(ran.expect_done().lines()[0]["out"], png);
        let picture = image::open(desk.path("w.png")).unwrap().to_rgb8();
        assert_eq!((picture.width(), picture.height()), (960, 720));
        let colors: std::collections::HashSet<_> = picture.pixels().collect();
        assert!(colors.len() > 20, "{what} is empty");
    }
    let help = run(&["render", "--help"]);
    for name in smalti::files::scenes::names().chain(["doors"]) {
        assert!(help.expect_done().out.contains(name), "{name} is not in {}", help.out);
    }
    let refused = |arguments: &[&str], words: &[&str]| run(arguments).expect_refused(words);
    refused(&["render", "nowhere", "--out", &png], &["nowhere", "studio", "tokens"]);
    refused(&["render", "studio", "--out", &png, "--theme", "pink"], &["pink", "light"]);
    refused(&["render", "studio", "--out", &png, "--open", "missing.png"], &["missing.png"]);
    std::fs::remove_file(desk.path("w.png")).unwrap();
    std::fs::write(desk.path("broken.png"), b"\x89PNG\r\n\x1a\nand nothing else").unwrap();
    let broken = desk.name("broken.png");
    refused(&["render", "studio", "--out", &png, "--open", &broken], &["broken.png"]);
    // Nobody is there to say how many rows it has, and what comes after it would wait for ever.
    let flat = desk.name("flat.npy");
    std::fs::write(&flat, npy("<i4", "(2, 176)", &[0; 4 * 352])).unwrap();
    for open in [&[flat.as_str()][..], &[&flat, &image]] {
        let mut arguments = vec!["render", "studio", "--out", &png];
        for path in open {
            arguments.extend(["--open", path]);
        }
        refused(&arguments, &["flat.npy", "--grid"]);
    }
    let untrainable = desk.name("r.ron");
    std::fs::write(
        &untrainable,
        training::RECIPE.replace("bach", "batch").replace("side: 8", "side: 7"),
    )
    .unwrap();
    refused(&["render", "jobs", "--out", &png, "--open", &untrainable], &["crop.side"]);
    assert!(!desk.path("w.png").exists(), "no picture of a window without what was asked for");
    refused(&["render", "studio", "--out", &png, "--scale", "9"], &["--scale"]);
    std::fs::write(desk.path("bad.ron"), "(title: \"x\", nonsense: 1)").unwrap();
    refused(&["render", &desk.name("bad.ron"), "--out", &png], &["bad.ron", "1:"]);
}

/// A `.npy` file by the format's own description.
fn npy(dtype: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(bytes);
    file
}

#[test]
fn tokens_from_elsewhere_are_read_and_wrong_ones_are_named() {
    let desk = Desk::new();
    let model = desk.name("tiny.safetensors");
    let decode = |name: &str, file: &[u8]| {
        std::fs::write(desk.path(name), file).unwrap();
        run(&["decode", &desk.name(name), "--model", &model, "--out", &desk.name("x.png")])
    };
    let numbers: Vec<u8> = (0..6_i64).flat_map(i64::to_le_bytes).collect();
    decode("good.npy", &npy("<i8", "(2, 3)", &numbers)).expect_done();
    let picture = image::open(desk.path("x.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (6, 4));

    let large: Vec<u8> = [0_i64, 1, 2, 20, 4, 5].iter().flat_map(|n| n.to_le_bytes()).collect();
    decode("large.npy", &npy("<i8", "(2, 3)", &large))
        .expect_refused(&["large.npy", "they hold code 20, this tokenizer's are 0 to 19"]);
    let negative: Vec<u8> = [0_i64, 1, -3, 2, 4, 5].iter().flat_map(|n| n.to_le_bytes()).collect();
    decode("negative.npy", &npy("<i8", "(2, 3)", &negative))
        .expect_refused(&["negative.npy", "-3"]);
    let floats: Vec<u8> = [0.5_f32; 6].iter().flat_map(|n| n.to_le_bytes()).collect();
    decode("floats.npy", &npy("<f4", "(2, 3)", &floats)).expect_refused(&["floats.npy"]);
    decode("short.npy", &npy("<i8", "(2, 300)", &numbers)).expect_refused(&["short.npy"]);
    decode("huge.npy", &npy("<i8", "(4294967296, 4294967296)", &numbers))
        .expect_refused(&["huge.npy"]);
    decode("line.npy", &npy("<i8", "(6,)", &numbers)).expect_refused(&["line.npy"]);
}

#[cfg(unix)]
#[test]
fn an_output_folder_that_cannot_be_written_is_said_before_the_work() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    let locked = desk.path("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o555)).unwrap();
    // The superuser may write everywhere; /proc refuses even that.
    let out = if std::fs::File::create(locked.join("probe")).is_ok() {
        "/proc/smalti-tokens".to_owned()
    } else {
        desk.name("locked")
    };
    let (image, model) = (desk.name("a.png"), desk.name("tiny.safetensors"));
    run(&["encode", &image, "--model", &model, "--out", &out]).expect_refused(&[&out]);
}
