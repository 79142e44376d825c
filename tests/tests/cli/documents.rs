//! Documents on the command line: what they hold, and the tokens and pictures of it.

use std::path::Path;

use smalti::document::{Document, Edit, Open, Slot};
use smalti::files::saved::{self, Carried, Saved};
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{Given, ImageRef, ModelRef, Stamp};
use smalti_engine::token_files::{self, from_arrays::Wanted};
use smalti_engine::tokens::{Cell, Tokens};

use super::{Desk, run};

/// Two pictures, in each of which a token is forced, and a variation of the second.
fn write_document(desk: &Desk) -> String {
    let path = desk.path("tiny.safetensors");
    let model = ModelRef::File { stamp: Stamp::of(&path), path: path.into() };
    let force = |code| Edit::ForceCells {
        cells: [Cell::at(0, 0)].into_iter().collect::<std::collections::BTreeSet<_>>().into(),
        code,
    };
    let image = |name: &str| Open::Image(ImageRef::file(desk.path(name)));
    let document = Document::default()
        .after(&Open::Size(WorkingSize::square(16, 1)).into())
        .after(&Open::Model(Slot::A, model).into())
        .after(&image("a.png").into())
        .after(&force(7).into())
        .after(&image("b.png").into())
        .after(&force(9).into())
        .after(
            &Edit::LockCells {
                cells: [Cell::at(0, 1)]
                    .into_iter()
                    .collect::<std::collections::BTreeSet<_>>()
                    .into(),
                locked: true,
            }
            .into(),
        )
        .after(&Edit::KeepVariation.into());
    let bytes = saved::to_bytes(&Saved::new(document, None), &Carried::Pasted).unwrap();
    std::fs::write(desk.path("hat.smalti"), bytes).unwrap();
    desk.name("hat.smalti")
}

fn first_code(file: &Path) -> u32 {
    let read = token_files::read(file, &Wanted::default(), None).unwrap();
    read.images[0].first().codes()[0]
}

#[test]
fn inspect_says_what_a_document_holds() {
    let desk = Desk::new();
    let hat = write_document(&desk);
    let ran = run(&["inspect", &hat, "--json"]);
    let line = &ran.expect_done().lines()[0];
    let images = line["images"].as_array().unwrap();
    let found: Vec<(&str, u64, u64)> = images
        .iter()
        .map(|image| {
            let number = |key: &str| image[key].as_u64().unwrap();
            (image["image"].as_str().unwrap(), number("forced"), number("locked"))
        })
        .collect();
    assert_eq!(found, [(&*desk.name("b.png"), 1, 1), (&*desk.name("a.png"), 1, 0)]);
    assert_eq!(line["variations"][0]["name"], "1");
    assert!(line["tokenizers"][0].as_str().unwrap().ends_with("tiny.safetensors"));
    assert_eq!(line["missing"].as_array().unwrap().len(), 0);
    // Told by its contents, and by what is gone since.
    std::fs::rename(desk.path("hat.smalti"), desk.path("hat")).unwrap();
    std::fs::remove_file(desk.path("a.png")).unwrap();
    let ran = run(&["inspect", &desk.name("hat")]);
    let text = &ran.expect_done().out;
    for word in ["2 images", "1 forced, 1 locked", "variation   1", "missing", "a.png"] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn decode_and_encode_take_the_tokens_that_were_forced_in_a_document() {
    let desk = Desk::new();
    let hat = write_document(&desk);
    let (out, tokens) = (desk.name("out.png"), desk.name("tokens"));
    run(&["decode", &hat, "--out", &out]).expect_refused(&["2 images", "--index"]);
    run(&["decode", &hat, "--out", &out, "--index", "5"]).expect_refused(&["--index", "0 to 1"]);
    run(&["encode", &hat, "--out", &tokens]).expect_done();
    assert_eq!(first_code(&desk.path("tokens/b.safetensors")), 9);
    assert_eq!(first_code(&desk.path("tokens/a.safetensors")), 7);
    run(&["decode", &hat, "--out", &out, "--index", "1", "--pure"]).expect_done();
    // The same pixels as of the tokens alone.
    let (model, other) = (desk.name("tiny.safetensors"), desk.name("other.png"));
    let file = desk.name("tokens/a.safetensors");
    run(&["decode", &file, "--model", &model, "--out", &other]).expect_done();
    let pixels = |name: &str| image::open(desk.path(name)).unwrap().to_rgb8();
    assert_eq!(pixels("out.png"), pixels("other.png"));
    assert!(String::from_utf8_lossy(&std::fs::read(&out).unwrap()).contains("1 forced cell"));
    let all = run(&["decode", &hat, "--out", &out, "--index", "all", "--json"]);
    assert_eq!(all.expect_done().lines().len(), 2);
    assert!(desk.path("out-0.png").is_file() && desk.path("out-1.png").is_file());
    // Another tokenizer's codes mean something else.
    let refused = run(&["decode", &hat, "--index", "0", "--model", "worlds-fsq", "--out", &out]);
    refused.expect_refused(&["--model", "tiny"]);
    run(&["decode", &file, "--out", &out]).expect_refused(&["--model", "missing"]);
    run(&["decode", &file, "--model", &model, "--out", &out, "--pure"]).expect_refused(&[
        "--pure",
        "no document",
        "decoded whole",
    ]);
}

#[test]
fn edit_makes_every_image_of_a_document_again_and_takes_no_other_words() {
    let desk = Desk::new();
    let hat = write_document(&desk);
    let before = std::fs::read(desk.path("a.png")).unwrap();
    let (folder, out) = (desk.folder.path().to_str().unwrap(), desk.name("out.png"));
    // Also what is usual: who types it wants something of it.
    for more in [
        ["--seed", "3"],
        ["--resample", "r0"],
        ["--model", "tiny.safetensors"],
        ["--seed", "0"],
        ["--steps", "12"],
        ["--count", "1"],
        ["--guidance", "1"],
        ["--schedule", "cosine"],
    ] {
        let words = [&["edit", &hat, "--out", folder][..], &more].concat();
        run(&words).expect_refused(&[more[0], "hat.smalti", "document"]);
    }
    let ran = run(&["edit", &hat, "--out", folder, "--json", "--threads", "1"]);
    let lines = ran.expect_done().lines();
    let forced: Vec<_> = lines.iter().map(|line| line["forced"].as_u64()).collect();
    assert_eq!(forced, [Some(1), Some(1)]);
    assert_eq!(lines[0]["written"].as_array().unwrap().len(), 0, "nothing by a generator");
    assert_eq!(first_code(&desk.path("b-edited.safetensors")), 9);
    assert_eq!(first_code(&desk.path("a-edited.safetensors")), 7);
    run(&["decode", &hat, "--out", &out, "--index", "1"]).expect_done();
    let pixels = |name: &str| image::open(desk.path(name)).unwrap().to_rgb8();
    assert_eq!(pixels("a-edited.png"), pixels("out.png"));
    assert_eq!(std::fs::read(desk.path("a.png")).unwrap(), before, "the picture itself stays");
    // What a person may name to another command is still missed there.
    run(&["edit", &desk.name("a.png"), "--resample", "r0", "--out", folder])
        .expect_refused(&["--model", "missing"]);
}

#[test]
fn whatever_a_document_calls_its_tokens_files_stay_in_the_folder() {
    let long = "x".repeat(300);
    for named in ["/..", "HERE/elsewhere/..", "..", "/", "", "../../b.npy", long.as_str()] {
        let desk = Desk::new();
        let path = desk.path("tiny.safetensors");
        let model = ModelRef::File { stamp: Stamp::of(&path), path: path.into() };
        std::fs::create_dir(desk.path("elsewhere")).unwrap();
        let name = named.replace("HERE", desk.folder.path().to_str().unwrap());
        let tokens = Tokens::grid(2, 3, 20, vec![1; 6]).unwrap();
        let given = Given { name: name.into(), tokens, is_size_assumed: false, among: None };
        let document = Document::default()
            .after(&Open::Model(Slot::A, model).into())
            .after(&Open::Tokens(given).into());
        let bytes = saved::to_bytes(&Saved::new(document, None), &Carried::Pasted).unwrap();
        std::fs::write(desk.path("hat.smalti"), bytes).unwrap();
        let before = desk.listing();
        for command in ["edit", "encode"] {
            let ran = run(&[command, &desk.name("hat.smalti"), "--out", &desk.name("out")]);
            if named.len() > 255 {
                ran.expect_refused(&["too long", "what to do"]);
                assert!(!desk.path("out").exists(), "nothing is half written");
            } else {
                ran.expect_done();
                assert!(desk.path("out").read_dir().unwrap().count() > 1, "{command}: {named:?}");
            }
        }
        let mut after = desk.listing();
        after.retain(|(path, _)| !path.starts_with(desk.path("out")));
        assert!(after == before, "{named:?} leads out of the folder");
    }
}

#[test]
fn decode_paints_every_variation_that_was_kept_by_its_name() {
    let desk = Desk::new();
    let hat = write_document(&desk);
    // Another way from the first one, of the other picture.
    let document = saved::open(&desk.path("hat.smalti")).unwrap().document;
    let cells = [Cell::at(0, 0)].into_iter().collect::<std::collections::BTreeSet<_>>();
    let document = document
        .after(&Open::Image(ImageRef::file(desk.path("a.png"))).into())
        .after(&Edit::ForceCells { cells: cells.into(), code: 3 }.into())
        .after(&Edit::KeepVariation.into());
    let bytes = saved::to_bytes(&Saved::new(document, None), &Carried::Pasted).unwrap();
    std::fs::write(desk.path("hat.smalti"), bytes).unwrap();
    let (out, other) = (desk.name("v.png"), desk.name("other.png"));
    let ran = run(&["decode", &hat, "--variations", "--out", &out, "--json"]);
    assert_eq!(ran.expect_done().lines().len(), 2);
    let pixels = |name: &str| image::open(desk.path(name)).unwrap().to_rgb8();
    // The last one is what is looked at; the first one is of the other picture.
    run(&["decode", &hat, "--index", "0", "--out", &other]).expect_done();
    assert_eq!(pixels("v-1.1.png"), pixels("other.png"));
    run(&["decode", &hat, "--index", "1", "--out", &other]).expect_done();
    assert_eq!(pixels("v-1.png"), pixels("other.png"));
    assert_ne!(pixels("v-1.png"), pixels("v-1.1.png"));
    run(&["decode", &hat, "--variations", "--index", "0", "--out", &out])
        .expect_refused(&["--variations", "--index"]);
    let bare = saved::to_bytes(&Saved::new(Document::default(), None), &Carried::Pasted).unwrap();
    std::fs::write(desk.path("bare.smalti"), bare).unwrap();
    run(&["decode", &desk.name("bare.smalti"), "--variations", "--out", &out])
        .expect_refused(&["no variation was kept"]);
}

#[test]
fn a_document_that_cannot_be_used_says_what_and_what_to_do() {
    let desk = Desk::new();
    let hat = write_document(&desk);
    let out = desk.name("out.png");
    let bytes = std::fs::read(&hat).unwrap();
    for (damaged, word) in
        [(&bytes[..bytes.len() / 2], "not a document"), (b"".as_slice(), "not a document")]
    {
        std::fs::write(desk.path("cut.smalti"), damaged).unwrap();
        let cut = desk.name("cut.smalti");
        for command in ["inspect", "encode", "decode"] {
            let mut arguments = vec![command, &cut];
            if command != "inspect" {
                arguments.extend(["--out", &out]);
            }
            run(&arguments).expect_refused(&["cut.smalti", word, "what to do"]);
        }
        run(&["render", &cut, "--out", &out]).expect_refused(&["cut.smalti", word]);
    }
    std::fs::remove_file(desk.path("b.png")).unwrap();
    let refused = run(&["decode", &hat, "--out", &out, "--index", "0"]);
    refused.expect_refused(&["b.png", "put it back there"]);
    assert!(!desk.path("out.png").exists());
}

#[test]
fn render_draws_a_document_as_it_was_saved() {
    let desk = Desk::new();
    let hat = write_document(&desk);
    let out = desk.name("out.png");
    for arguments in [&["render", &hat][..], &["render", "tokens", "--open", &hat]] {
        let size = ["--out", &out, "--width", "640", "--height", "480"];
        run(&[arguments, &size].concat()).expect_done();
        let picture = image::open(desk.path("out.png")).unwrap().to_rgb8();
        let colors: std::collections::HashSet<_> = picture.pixels().collect();
        assert!(colors.len() > 20, "{arguments:?} is empty");
    }
}
