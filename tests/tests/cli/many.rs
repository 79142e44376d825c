//! Commands over many images or tokenizers: what is broken among them is named, the rest is done.

use std::collections::BTreeMap;

use smalti_engine::quantizers::{FsqConfig, QuantizerConfig};
use smalti_engine::questions::{CodeAppearance, CodeCard, ModelRef};
use smalti_engine::session::{Session, Settings};
use smalti_engine::token_files::{self, from_arrays::Wanted};
use smalti_engine::tokens::Code;
use smalti_tests::tiny::{model_of, tiny_config, write_png};
use smalti_tests::window::assets;

use super::{Desk, run};

const BROKEN: &[u8] = b"\x89PNG\r\n\x1a\nand nothing else";

#[test]
fn one_broken_image_among_several_is_named_and_the_others_become_tokens() {
    let desk = Desk::new();
    std::fs::write(desk.path("broken.png"), BROKEN).unwrap();
    let images = [desk.name("a.png"), desk.name("broken.png"), desk.name("b.png")];
    let (model, out) = (desk.name("tiny.safetensors"), desk.name("tokens"));
    let mut words = vec!["encode"];
    words.extend(images.iter().map(String::as_str));
    words.extend(["--model", &model, "--out", &out, "--json"]);
    let ran = run(&words);
    assert_eq!(ran.expect_done().lines().len(), 2);
    assert!(ran.err.contains("skipped: ") && ran.err.contains("broken.png"), "{}", ran.err);
    for name in ["a.npy", "b.npy", "b.tokens.png"] {
        assert!(desk.path("tokens").join(name).is_file(), "{name}");
    }
    assert!(!desk.path("tokens/broken.npy").exists());
}

#[test]
fn the_tour_leaves_a_broken_image_out_and_names_it() {
    let desk = Desk::new();
    std::fs::write(desk.path("broken.png"), BROKEN).unwrap();
    let (first, second, out) = (desk.name("broken.png"), desk.name("b.png"), desk.name("tour"));
    let model = desk.name("tiny.safetensors");
    let ran = run(&["tour", &first, &second, "--model", &model, "--size", "32", "--out", &out]);
    ran.expect_done();
    assert!(ran.err.contains("skipped: ") && ran.err.contains("broken.png"), "{}", ran.err);
    let page = std::fs::read_to_string(desk.path("tour/index.html")).unwrap();
    assert!(page.contains("b.png") && !page.contains("broken.png"));
    assert!(desk.path("tour/b.tokens.npy").is_file());
}

#[test]
fn of_several_tokenizers_the_one_with_broken_weights_is_named() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("set")).unwrap();
    write_png(&desk.path("set/a.png"), 16, 16, 1);
    let bytes = std::fs::read(desk.path("tiny.safetensors")).unwrap();
    let mut broken = bytes.clone();
    // The last weights of the file.
    let end = broken.len();
    broken[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(desk.path("worn.safetensors"), &broken).unwrap();
    let models = [desk.name("tiny.safetensors"), desk.name("worn.safetensors")];
    let ran =
        run(&["evaluate", &models[0], &models[1], "--data", &desk.name("set"), "--size", "16"]);
    ran.expect_refused(&["worn.safetensors"]);
    assert!(!ran.err.contains("tiny.safetensors"), "{}", ran.err);
}

/// The colors of the tiles of a token map by the code that stands there.
fn tiles(desk: &Desk, stem: &str, k: u32) -> BTreeMap<u32, [u8; 3]> {
    let path = desk.path(&format!("tokens/{stem}.npy"));
    let read = token_files::read(&path, &Wanted::default(), Some(k)).unwrap();
    let part = read.images[0].first();
    let map = image::open(desk.path(&format!("tokens/{stem}.tokens.png"))).unwrap().to_rgb8();
    let tile = map.width() / part.columns() as u32;
    let color =
        |row: usize, column: usize| map.get_pixel(column as u32 * tile, row as u32 * tile).0;
    let cells =
        (0..part.rows()).flat_map(|row| (0..part.columns()).map(move |column| (row, column)));
    cells.map(|(row, column)| (part.get(0, row, column).unwrap(), color(row, column))).collect()
}

#[test]
fn a_token_map_has_the_colors_that_its_codes_decode_to_however_large_the_codebook_is() {
    let desk = Desk::new();
    let session = Session::new(Settings::new(assets())).unwrap();
    let mut large = tiny_config();
    large.network.embed_dim = 6;
    let levels = vec![8, 8, 8, 8, 8, 4];
    large.quantizer = QuantizerConfig::Fsq(FsqConfig { levels, ..FsqConfig::default() });
    model_of(&large, &desk.path("large.safetensors"));
    for (name, k) in [("tiny", 20), ("large", 131_072)] {
        let (model, out) = (desk.name(&format!("{name}.safetensors")), desk.name("tokens"));
        run(&["encode", &desk.name("a.png"), "--model", &model, "--out", &out]).expect_done();
        let tiles = tiles(&desk, "a", k);
        let model = ModelRef::named(&model, &assets());
        for (code, color) in tiles.iter().take(12) {
            if k <= 1 << 16 {
                // As all views color it.
                let all = session.wait(&CodeAppearance { model: model.clone(), book: 0 });
                assert_eq!(*color, all.unwrap().colors[*code as usize], "{name}: code {code}");
                continue;
            }
            // Decoded alone, as the Code view does it.
            let card = session.wait(&CodeCard { model: model.clone(), code: Code::first(*code) });
            let patch = card.unwrap().alone.clone().unwrap();
            let pixels = patch.rgb().len() / 3;
            let mean: [u8; 3] = std::array::from_fn(|i| {
                let sum: usize =
                    patch.rgb().iter().skip(i).step_by(3).map(|v| usize::from(*v)).sum();
                (sum / pixels) as u8
            });
            assert_eq!(*color, mean, "{name}: code {code}");
        }
    }
}

#[test]
fn shards_by_a_pattern_are_opened_and_a_missing_one_is_named() {
    let desk = Desk::new();
    for number in 0..2 {
        let file = std::fs::File::create(desk.path(&format!("x-{number:04}.tar"))).unwrap();
        let mut shard = tar::Builder::new(file);
        shard.append_path_with_name(desk.path("a.png"), format!("{number}.png")).unwrap();
        shard.finish().unwrap();
    }
    let (png, pattern) = (desk.name("w.png"), desk.name("x-{0000..0001}.tar"));
    let render = |pattern: &str| {
        run(&[
            "render", "dataset", "--open", pattern, "--out", &png, "--width", "640", "--height",
            "480",
        ])
    };
    render(&pattern).expect_done();
    assert!(desk.path("w.png").is_file());
    render(&desk.name("y-{0000..0001}.tar")).expect_refused(&["y-0000.tar"]);
    // The window itself: refused for want of the file, not of a command.
    run(&[&desk.name("y-{0000..0001}.tar")]).expect_refused(&["y-0000.tar"]);
}
