//! `smalti generate` step by step: traces, going on with them, given tokens, moving pictures and sheets.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use image::AnimationDecoder;
use smalti_engine::generators::{Order, Trace, TracedStep};
use smalti_engine::token_files;
use smalti_engine::tokens::{Cell, Tokens};

use super::generate::generator;
use super::*;

/// `generate` with what every call has.
fn paint(desk: &Desk, (model, tokenizer): (&str, &str), out: &str, more: &[&str]) -> Ran {
    let (tokenizer, out) = (desk.name(tokenizer), desk.name(out));
    let known = ["generate", "--model", model, "--tokenizer", &tokenizer, "--out", &out, "--json"];
    run(&[&known[..], more].concat())
}

/// The files of a folder by name.
pub(super) fn files(desk: &Desk, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = desk.path(folder).read_dir().unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect()
}

fn the_trace(desk: &Desk, folder: &str) -> PathBuf {
    let name = files(desk, folder).into_keys().find(|name| name.ends_with(".trace.safetensors"));
    desk.path(folder).join(name.unwrap())
}

const WAYS: [(&str, &str); 3] = [
    ("Raster", "tiny.safetensors"),
    ("MaskGit", "tiny.safetensors"),
    ("Var", "scales.safetensors"),
];

#[test]
fn two_traces_of_one_request_are_the_same_files_and_a_cut_one_goes_on_to_the_same() {
    for (way, tokenizer) in WAYS {
        let desk = Desk::new();
        let model = generator(&desk, way);
        let by = (model.as_str(), tokenizer);
        let asked = ["--class", "3", "--seed", "7", "--guidance", "2", "--trace", "--steps", "5"];
        let ran = paint(&desk, by, "first", &asked);
        let line = ran.expect_done().lines().remove(0);
        let steps = line["steps"].as_u64().unwrap() as usize;
        assert_eq!(line["step_seconds"].as_array().unwrap().len(), steps);
        paint(&desk, by, "again", &[&asked[..], &["--threads", "1"]].concat()).expect_done();
        let first = files(&desk, "first");
        assert_eq!(files(&desk, "again"), first, "{way}");
        let pictures = first.keys().filter(|name| name.contains(".step-")).count();
        assert_eq!(pictures, steps, "{way}: a picture of each step");

        let path = the_trace(&desk, "first");
        let whole = Trace::read(&path).unwrap();
        assert_eq!(whole.steps.len(), steps);
        for done in [1, steps / 2, steps] {
            let mut part = whole.clone();
            part.steps.truncate(done);
            let cut = desk.path("cut.safetensors");
            std::fs::write(&cut, part.to_bytes().unwrap()).unwrap();
            let out = format!("rest-{done}");
            let ran = paint(&desk, by, &out, &["--resume", cut.to_str().unwrap()]);
            let line = ran.expect_done().lines().remove(0);
            assert_eq!(line["steps"].as_u64().unwrap() as usize, steps - done);
            assert_eq!(files(&desk, &out), first, "{way} from {done}");
        }
    }
}

#[test]
fn a_cancelled_generation_leaves_traces_that_go_on() {
    let desk = Desk::new();
    let model = generator(&desk, "MaskGit");
    let (tokenizer, out) = (desk.name("tiny.safetensors"), desk.name("out"));
    let cancel = Arc::new(AtomicBool::new(false));
    let (seen, folder) = (Arc::clone(&cancel), desk.path("out"));
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    // Cancelled somewhere behind the first picture, of more than would ever be done.
    let watcher = std::thread::Builder::new().name("cancels".to_owned()).spawn(move || {
        let count = || folder.read_dir().map_or(0, Iterator::count);
        while count() < 20 && !over.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        seen.store(true, Ordering::Relaxed);
    });
    let (mut said, mut err) = (Vec::<u8>::new(), Vec::<u8>::new());
    let around = Surroundings {
        errors: None,
        out: &mut said,
        err: &mut err,
        watched: false,
        cancel,
        assets: None,
        inside: None,
    };
    let known = ["smalti", "generate", "--model", &model, "--tokenizer", &tokenizer, "--out", &out];
    let words = [&known[..], &["--count", "100000", "--trace"]].concat();
    let code = smalti::cli::run(words, around);
    is_over.store(true, Ordering::Relaxed);
    watcher.unwrap().join().unwrap();
    assert_eq!(code, CANCELLED, "{}", String::from_utf8_lossy(&err));
    let names = files(&desk, "out").into_keys().filter(|name| name.ends_with(".trace.safetensors"));
    let names: Vec<String> = names.collect();
    assert!(!names.is_empty());
    // The last one is perhaps a part: it goes on as it would have.
    let seed = |name: &String| -> u64 {
        name.trim_start_matches("any-").trim_end_matches(".trace.safetensors").parse().unwrap()
    };
    let last = names.iter().max_by_key(|name| seed(name)).unwrap();
    let (trace, number) = (desk.name(&format!("out/{last}")), seed(last).to_string());
    let by = (model.as_str(), "tiny.safetensors");
    paint(&desk, by, "rest", &["--resume", &trace]).expect_done();
    paint(&desk, by, "whole", &["--seed", &number, "--trace"]).expect_done();
    assert_eq!(files(&desk, "rest"), files(&desk, "whole"));
}

#[test]
fn a_trace_of_another_generator_and_what_is_none_are_refused() {
    let desk = Desk::new();
    let raster = generator(&desk, "Raster");
    let kept = desk.name("raster.safetensors");
    std::fs::rename(&raster, &kept).unwrap();
    let by = (kept.as_str(), "tiny.safetensors");
    paint(&desk, by, "out", &["--trace"]).expect_done();
    let trace = the_trace(&desk, "out");
    let trace = trace.to_str().unwrap();
    let other = generator(&desk, "MaskGit");
    let refused = |model: &str, resume: &str, words: &[&str]| {
        paint(&desk, (model, "tiny.safetensors"), "new", &["--resume", resume])
            .expect_refused(words);
        assert!(!desk.path("new").exists());
    };
    refused(&other, trace, &["written by raster", "--model"]);
    refused(&kept, &desk.name("tiny.safetensors"), &["tiny.safetensors", "no trace", "--trace"]);
    refused(&kept, &desk.name("a.png"), &["a.png", "no trace"]);
    refused(&kept, &desk.name("missing"), &["missing"]);
    let whole = std::fs::read(trace).unwrap();
    std::fs::write(desk.path("half.safetensors"), &whole[..whole.len() / 2]).unwrap();
    refused(&kept, &desk.name("half.safetensors"), &["half.safetensors"]);
    paint(&desk, by, "new", &["--resume", trace, "--seed", "3"]).expect_refused(&["--seed"]);
    let (tokenizer, png) = (desk.name("tiny.safetensors"), desk.name("x.png"));
    run(&["decode", trace, "--model", &tokenizer, "--out", &png]).expect_refused(&["trace"]);
}

#[test]
fn locked_cells_keep_a_pictures_tokens_and_forced_ones_their_codes() {
    for (way, tokenizer) in WAYS {
        let desk = Desk::new();
        let model = generator(&desk, way);
        write_png(&desk.path("own.png"), 8, 8, 3);
        let (picture, tokens) = (desk.name("own.png"), desk.name("tokens"));
        let encoded = ["encode", &picture, "--model", &desk.name(tokenizer), "--out", &tokens];
        run(&encoded).expect_done();
        let wanted = smalti_engine::token_files::from_arrays::Wanted::default();
        let file = desk.path("tokens/own.safetensors");
        let own = smalti_engine::token_files::read(&file, &wanted, None).unwrap().images.remove(0);
        let by = (model.as_str(), tokenizer);
        let file = file.to_str().unwrap().to_owned();
        // A picture and its tokens are the same.
        for (out, init) in [("of-picture", &picture), ("of-tokens", &file)] {
            let given = ["--init", init, "--lock", "r0-1;c3", "--force", "r3,c0=5,r3,c1=6"];
            paint(&desk, by, out, &[&given[..], &["--trace"]].concat()).expect_done();
            let trace = Trace::read(&the_trace(&desk, out)).unwrap();
            let last = &trace.steps.last().unwrap().tokens;
            let finest = own.parts().len() - 1;
            for (cell, token) in own.cells().filter(|(cell, _)| usize::from(cell.part) == finest) {
                if cell.row < 2 || cell.column == 3 {
                    assert_eq!(last.get(cell), token, "{way} {cell}");
                }
            }
            for (column, code) in [(0, 5), (1, 6)] {
                assert_eq!(last.get(Cell::of(finest, 3, column)), Some(code), "{way}");
            }
            let coarser = trace.request.given.get(Cell::of(0, 0, 0));
            assert!(way != "Var" || coarser == own.get(Cell::of(0, 0, 0)), "coarser scales stay");
        }
        assert_eq!(files(&desk, "of-picture"), files(&desk, "of-tokens"));
    }
}

#[test]
fn a_code_that_is_forced_takes_the_place_where_no_token_stands() {
    let desk = Desk::new();
    let model = generator(&desk, "MaskGit");
    let by = (model.as_str(), "tiny.safetensors");
    let whole = Tokens::grid(4, 4, 20, (0..16).collect::<Vec<u32>>()).unwrap();
    let part = whole.with([(Cell::at(0, 0), None), (Cell::at(2, 1), None)]).unwrap();
    let write = |name: &str, tokens: &Tokens| {
        let maker = token_files::Maker::default();
        let bytes = token_files::safetensors_bytes(std::slice::from_ref(tokens), &maker);
        std::fs::write(desk.path(name), bytes.unwrap()).unwrap();
        desk.name(name)
    };
    let init = write("part.safetensors", &part);
    let lock = ["--init", &init, "--lock", "r0"];
    paint(&desk, by, "out", &lock).expect_refused(&[
        "part.safetensors",
        "row 0, column 0",
        "--force",
    ]);
    // As that hint says; another cell that has none and is not forced is still refused.
    paint(&desk, by, "out", &[&lock[..], &["--force", "r0,c0=3"]].concat()).expect_done();
    let read = |name: &str| {
        let wanted = token_files::from_arrays::Wanted::default();
        token_files::read(&desk.path(name), &wanted, None).unwrap().images.remove(0)
    };
    let after = read("out/any-0.safetensors");
    let row: Vec<_> = (0..4).map(|column| after.get(Cell::at(0, column))).collect();
    assert_eq!(row, [Some(3), Some(1), Some(2), Some(3)]);
    let more = ["--init", &init, "--lock", "r0;r2", "--force", "r0,c0=3"];
    paint(&desk, by, "out", &more).expect_refused(&["row 2, column 1"]);

    // A coarser scale that nobody named is written where it holds no token.
    let model = generator(&desk, "Var");
    let by = (model.as_str(), "scales.safetensors");
    let (picture, scales) = (desk.name("own.png"), desk.name("scales.safetensors"));
    write_png(&desk.path("own.png"), 8, 8, 3);
    run(&["encode", &picture, "--model", &scales, "--out", &desk.name("tokens")]).expect_done();
    let whole = read("tokens/own.safetensors");
    let part = whole.with([(Cell::of(1, 0, 0), None)]).unwrap();
    let init = write("scaled.safetensors", &part);
    let more = ["--init", &init, "--lock", "r0-1"];
    paint(&desk, by, "scaled", &more).expect_done();
    let after = read("scaled/any-0.safetensors");
    assert_eq!(after.first_masked(), None);
    for cell in (0..2).flat_map(|row| (0..4).map(move |column| Cell::of(2, row, column))) {
        assert_eq!(after.get(cell), whole.get(cell), "{cell}");
    }
}

#[test]
fn what_is_read_is_not_written_over_whatever_it_is_called() {
    let desk = Desk::new();
    let model = generator(&desk, "MaskGit");
    let by = (model.as_str(), "tiny.safetensors");
    paint(&desk, by, "out", &["--seed", "3"]).expect_done();
    let before = files(&desk, "out");
    let init = desk.name("out/any-3.npy");
    let given = ["--seed", "3", "--init", &init, "--lock", "r0", "--force", "r3,c3=1,r3,c2=2"];
    paint(&desk, by, "out", &given).expect_done();
    let after = files(&desk, "out");
    for (name, bytes) in &before {
        assert!(after.get(name) == Some(bytes), "{name} is as it was");
    }
    assert!(after.contains_key("any-3-2.png"), "{:?}", after.keys());
    // Nor is a picture that would be that of a step.
    paint(&desk, by, "steps", &["--seed", "3", "--trace"]).expect_done();
    let before = files(&desk, "steps");
    let step = desk.name("steps/any-3.step-02.png");
    let given = ["--seed", "3", "--init", &step, "--lock", "r0", "--trace"];
    paint(&desk, by, "steps", &given).expect_done();
    let after = files(&desk, "steps");
    let step = "any-3.step-02.png";
    assert!(after[step] == before[step], "{:?}", after.keys());
}

#[test]
fn cells_that_are_not_there_and_tokens_that_do_not_fit_are_refused() {
    let desk = Desk::new();
    let model = generator(&desk, "MaskGit");
    let by = (model.as_str(), "tiny.safetensors");
    let picture = desk.name("a.png");
    let refused = |more: &[&str], words: &[&str]| {
        paint(&desk, by, "out", more).expect_refused(words);
        assert!(!desk.path("out").exists(), "{more:?}");
    };
    let init = |lock: &'static str| ["--init", picture.as_str(), "--lock", lock];
    refused(&init("r4,c0"), &["--lock", "no row 4", "0 to 3"]);
    refused(&init("x"), &["--lock", "\"x\"", "r3-6,c2-9"]);
    refused(&init("all"), &["every cell is given"]);
    refused(&init("s1:all"), &["no part 1"]);
    refused(&["--lock", "r0"], &["--init"]);
    refused(&["--init", &picture], &["--lock"]);
    refused(&["--force", "r0,c0=20"], &["--force", "code 20", "0 to 19"]);
    refused(&["--force", "r0,c0"], &["no code is said"]);
    refused(&["--force", "all=3"], &["every cell is given"]);
    refused(&["--class", "1,99"], &["99"]);
    refused(&["--guidance", "3"], &["--guidance", "--class"]);
    refused(&["--sheet", "--count", "401"], &["--sheet", "400"]);
    let missing = desk.name("missing.png");
    refused(&["--init", &missing, "--lock", "r0"], &["missing.png"]);
    let small = desk.name("small.npy");
    let grid = smalti_engine::tokens::Tokens::grid(2, 3, 20, vec![1; 6]).unwrap();
    std::fs::write(&small, smalti_engine::token_files::npy_bytes(&grid).unwrap()).unwrap();
    refused(&["--init", &small, "--lock", "r0"], &["small.npy", "2 x 3", "4 x 4"]);
}

#[test]
fn steps_move_and_pictures_of_classes_and_seeds_stand_on_a_sheet() {
    let desk = Desk::new();
    let model = generator(&desk, "MaskGit");
    let by = (model.as_str(), "tiny.safetensors");
    let ran = paint(&desk, by, "one", &["--gif", "--apng", "--sheet", "--steps", "4"]);
    let lines = ran.expect_done().lines();
    assert_eq!(lines[1]["pictures"], 4, "the steps of the one");
    let found = files(&desk, "one");
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "any-0.apng",
            "any-0.gif",
            "any-0.npy",
            "any-0.png",
            "any-0.safetensors",
            "sheet.png",
            "sheet.svg"
        ]
    );
    let cursor = std::io::Cursor::new(&found["any-0.gif"]);
    let frames = image::codecs::gif::GifDecoder::new(cursor).unwrap().into_frames();
    assert_eq!(frames.collect_frames().unwrap().len(), 4);
    let cursor = std::io::Cursor::new(&found["any-0.apng"]);
    let frames = image::codecs::png::PngDecoder::new(cursor).unwrap().apng().unwrap().into_frames();
    let frames = frames.collect_frames().unwrap();
    let last = image::DynamicImage::from(frames[3].buffer().clone()).to_rgb8();
    let whole = image::load_from_memory(&found["any-0.png"]).unwrap().to_rgb8();
    assert_eq!(last, whole, "the last step is the picture");
    let first = image::DynamicImage::from(frames[0].buffer().clone()).to_rgb8();
    assert_ne!(first, whole);

    let ran = paint(&desk, by, "many", &["--class", "0,2,5", "--count", "2", "--sheet"]);
    let lines = ran.expect_done().lines();
    assert_eq!(lines.len(), 7, "six pictures and their sheet");
    assert_eq!(lines[6]["pictures"], 6);
    let classes: Vec<&Value> = lines[..6].iter().map(|line| &line["class"]).collect();
    assert!(classes[0] == classes[1] && classes[1] != classes[2]);
    let sheet = image::open(desk.path("many/sheet.png")).unwrap().to_rgb8();
    assert_eq!((sheet.width(), sheet.height()), (2 * 140 + 12, 3 * 160 + 12), "classes by seeds");
    let svg = std::fs::read_to_string(desk.path("many/sheet.svg")).unwrap();
    let label = format!("{}, seed 1", classes[2].as_str().unwrap());
    assert!(svg.contains(&label), "{label}");
    assert!(!files(&desk, "many").keys().any(|name| name.contains("trace")));
}

#[test]
fn the_tour_shows_a_class_painted_three_ways_where_the_generators_are_there() {
    let desk = Desk::new();
    let models = desk.path("assets/models");
    std::fs::create_dir_all(&models).unwrap();
    for (way, name) in [("Raster", "raster"), ("MaskGit", "maskgit"), ("Var", "var")] {
        let model = generator(&desk, way);
        std::fs::copy(model, models.join(format!("worlds-{name}.safetensors"))).unwrap();
    }
    for name in ["tiny.safetensors", "scales.safetensors"] {
        std::fs::copy(desk.path(name), models.join(name)).unwrap();
    }
    let (assets, image) = (desk.path("assets"), desk.name("a.png"));
    let tour = |out: &str| {
        let (model, out) = (desk.name("tiny.safetensors"), desk.name(out));
        let words = ["tour", &image, "--model", &model, "--size", "32", "--out", &out];
        run_with(&words, Some(&assets), false).expect_done();
    };
    tour("with");
    let page = std::fs::read_to_string(desk.path("with/index.html")).unwrap();
    for word in ["raster AR", "MaskGIT", "VAR", "16 steps", "12 steps", "3 steps", "3 parts"] {
        assert!(page.contains(word), "{word}");
    }
    assert!(desk.path("with/worlds-var.painted.png").is_file());
    for tag in ["section", "figure", "div", "details", "p", "figcaption", "span"] {
        let opened =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "<{tag}>");
    }
    std::fs::remove_file(models.join("worlds-var.safetensors")).unwrap();
    tour("without");
    let page = std::fs::read_to_string(desk.path("without/index.html")).unwrap();
    assert!(!page.contains("Painted, token by token"));
}

#[test]
fn a_raster_generator_learns_the_order_of_its_recipe_and_writes_in_it() {
    for (way, order) in
        [("Raster, order: Spiral", Order::Spiral), ("Raster, order: Random(4)", Order::Random(4))]
    {
        let desk = Desk::new();
        let model = generator(&desk, way);
        paint(&desk, (&model, "tiny.safetensors"), "out", &["--trace"]).expect_done();
        let trace = Trace::read(&the_trace(&desk, "out")).unwrap();
        let at = |step: &TracedStep| step.committed.iter().position(|mark| *mark).unwrap() as u32;
        let written: Vec<u32> = trace.steps.iter().map(at).collect();
        assert_eq!(written, order.cells(4, 4));
    }
    let desk = Desk::new();
    std::fs::write(desk.path("odd.ron"), super::generate::recipe("MaskGit, order: Spiral"))
        .unwrap();
    run(&["train", &desk.name("odd.ron"), "--out", &desk.name("odd")])
        .expect_refused(&["MaskGIT", "order of its own"]);
}
