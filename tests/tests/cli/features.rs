//! The Frechet distance of features that a person's own network made.

use std::path::Path;

use super::{Desk, run};
use smalti_tests::load_io;

/// An array of floating point numbers as NumPy saves it.
fn npy(path: &Path, kind: &str, shape: &str, numbers: impl Iterator<Item = u8>) {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(numbers);
    std::fs::write(path, bytes).unwrap();
}

fn singles(path: &Path, shape: &str, numbers: &[f64]) {
    npy(path, "<f4", shape, numbers.iter().flat_map(|x| (*x as f32).to_le_bytes()));
}

/// SEED-Voken's distance of the fixture's features, of f32 and f64, also of fewer rows than features.
#[test]
fn the_distance_of_feature_files_is_the_published_one() {
    let desk = Desk::new();
    let io = load_io("metrics");
    let shape = |name: &str| {
        let shape = &io.raw(name).shape;
        (shape[0], shape[1])
    };
    let (a, b) = (desk.path("a.npy"), desk.path("b.npy"));
    let (rows, width) = shape("frechet.real");
    singles(&a, &format!("({rows}, {width})"), &io.f64s("frechet.real"));
    let fake = io.f64s("frechet.fake");
    let distance = |rows: usize| {
        let numbers = fake[..rows * width].iter().flat_map(|x| x.to_le_bytes());
        npy(&b, "<f8", &format!("({rows}, {width})"), numbers);
        let ran = run(&["frechet", &desk.name("a.npy"), &desk.name("b.npy"), "--json"]);
        let line = ran.expect_done().lines().remove(0);
        assert_eq!(line["features"], width);
        assert_eq!(line["rows"][1], rows);
        let is_few = line["has_too_few_rows"].as_bool().unwrap();
        assert_eq!(ran.err.contains("full rank"), is_few, "{}", ran.err);
        (line["frechet_distance"].as_f64().unwrap(), is_few)
    };
    let close = |(found, is_few): (f64, bool), name: &str, wanted_few: bool| {
        let wanted = io.f64s(name)[0];
        assert!((found / wanted - 1.0).abs() < 1e-3, "{found}, not {wanted}");
        assert_eq!(is_few, wanted_few);
    };
    close(distance(shape("frechet.fake").0), "frechet.distance", false);
    let few = io.u32s("frechet.rank_deficient_rows")[0] as usize;
    assert!(few < width + 1);
    close(distance(few), "frechet.distance_rank_deficient", true);
    let said = run(&["frechet", &desk.name("a.npy"), &desk.name("a.npy")]);
    let said = &said.expect_done().out;
    assert!(said.starts_with("Frechet distance of the features given: 0.000000"), "{said}");
    assert!(!said.contains("FID"), "whose features they are is not known: {said}");
}

#[test]
fn features_that_do_not_fit_are_refused_with_place_and_way_out() {
    let desk = Desk::new();
    singles(&desk.path("good.npy"), "(4, 3)", &[0.5; 12]);
    let mut numbers = [0.5; 12];
    numbers[7] = f64::NAN;
    singles(&desk.path("nan.npy"), "(4, 3)", &numbers);
    numbers[7] = f64::INFINITY;
    singles(&desk.path("inf.npy"), "(4, 3)", &numbers);
    singles(&desk.path("wide.npy"), "(3, 4)", &[0.5; 12]);
    singles(&desk.path("one.npy"), "(1, 12)", &[0.5; 12]);
    singles(&desk.path("maps.npy"), "(2, 3, 2, 1)", &[0.5; 12]);
    singles(&desk.path("none.npy"), "(4, 0)", &[]);
    npy(&desk.path("codes.npy"), "|u1", "(4, 3)", [7; 12].into_iter());
    let refused = |file: &str, words: &[&str]| {
        let (good, bad) = (desk.name("good.npy"), desk.name(file));
        for (a, b) in [(&good, &bad), (&bad, &good)] {
            run(&["frechet", a, b]).expect_refused(words);
        }
    };
    let doubles = |name: &str, numbers: &[f64]| {
        let bytes = numbers.iter().flat_map(|x| x.to_le_bytes());
        npy(&desk.path(name), "<f8", "(4, 3)", bytes);
    };
    doubles("huge.npy", &[1e308; 12]);
    doubles("large.npy", &std::array::from_fn::<f64, 12, _>(|at| at as f64 * 1e160));
    refused("huge.npy", &["huge.npy", "1e308", "[0, 0]", "too large"]);
    refused("large.npy", &["large.npy", "1.1e161", "[3, 2]", "too large"]);
    refused("nan.npy", &["nan.npy", "[2, 1] is NaN", "counted from 0"]);
    refused("inf.npy", &["inf.npy", "[2, 1] is inf"]);
    refused("wide.npy", &["4", "3", "features a row", "one network"]);
    refused("one.npy", &["one.npy", "(1, 12)", "at least 2"]);
    refused("maps.npy", &["maps.npy", "(2, 3, 2, 1)", "reshape"]);
    refused("none.npy", &["none.npy", "(4, 0)"]);
    refused("codes.npy", &["codes.npy", "astype"]);
    refused("a.png", &["a.png"]);
    refused("missing.npy", &["missing.npy"]);
    // Nothing varies: no distance, and nothing that is not a number.
    let ran = run(&["frechet", &desk.name("good.npy"), &desk.name("good.npy"), "--json"]);
    assert_eq!(ran.expect_done().lines()[0]["frechet_distance"], 0.0);
    // Nor where it is beyond what a number holds: both are sound, but nothing says how far they are apart.
    let (a, b) = (desk.name("far.npy"), desk.name("near.npy"));
    let spread = |by: f64| std::array::from_fn::<f64, 12, _>(|at| by + (at % 5) as f64);
    doubles("near.npy", &spread(0.0));
    doubles("far.npy", &spread(1e155));
    run(&["frechet", &b, &a]).expect_refused(&["far.npy", "near.npy", "no number"]);
    // The largest numbers that f32 holds are features like any.
    for unit in [1e-38_f64, 1e37] {
        let of = |name: &str, shift: f64| {
            let numbers = spread(shift).map(|x| x * unit);
            singles(&desk.path(name), "(4, 3)", &numbers);
            desk.name(name)
        };
        let line = run(&["frechet", &of("one.npy", 0.0), &of("two.npy", 2.0), "--json"]);
        let found = line.expect_done().lines()[0]["frechet_distance"].as_f64().unwrap();
        // Moved by 2 in three directions.
        assert!((found / unit / unit - 12.0).abs() < 1e-4, "{unit:e}: {found:e}");
    }
}
