//! Rate against quality: what is measured stands in the plot with the numbers of the command line, and
//! tables of others join or are refused with line and column.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use smalti::cli::{DONE, Surroundings};
use smalti::document::{JobCommand, Look, Open, QualityAxis, RatesLook, ViewId};
use smalti::studio::StudioOptions;
use smalti_engine::evaluation::{Measured, Plan};
use smalti_engine::session::RunState;
use smalti_tests::window::{
    Small, Window, assets, empty, labels, open_sized, says, send, settle, tab,
};

/// The name that the plot of PSNR begins with.
const PLOT: &str = "PSNR over bits per pixel";

fn open(home: &Path) -> (Window, Small) {
    let small = Small::new();
    let options = StudioOptions { runs_dir: Some(home.join("runs")), ..empty(tab(ViewId::Pareto)) };
    let mut window = open_sized(options, [1200.0, 700.0]);
    small.open_in(&mut window);
    (window, small)
}

/// Measures the small tokenizer and JPEG, and waits until that is done.
fn measure(window: &mut Window, small: &Small) {
    let model = window.state().document().model.clone();
    let plan = |measured| Plan { most: 64, ..Plan::new(measured, small.source()) };
    let tokenizer = Measured::Tokenizer { model, by_levels: true };
    send(window, JobCommand::Measure(vec![plan(Measured::Jpeg), plan(tokenizer)]));
    let run = window.state().session().runs().last().unwrap().id;
    assert_eq!(window.state().session().wait_run(run).unwrap(), RunState::Done);
    settle(window);
}

/// What the command line says of the same.
fn evaluated(small: &Small, out: &Path) -> serde_json::Value {
    let (mut said, mut err) = (Vec::new(), Vec::new());
    let around = Surroundings {
        errors: None,
        out: &mut said,
        err: &mut err,
        watched: false,
        cancel: Arc::new(AtomicBool::new(false)),
        assets: Some(assets()),
        inside: None,
    };
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let words = ["smalti", "evaluate", "--json", "--data"].map(str::to_owned).into_iter();
    let words = words.chain([text(&small.pictures()), text(&small.model())]);
    let code = smalti::cli::run(words.chain(["--out".to_owned(), text(out)]), around);
    assert_eq!(code, DONE, "{}", String::from_utf8_lossy(&err));
    serde_json::from_slice(&said).unwrap()
}

#[test]
fn what_is_measured_is_what_the_command_line_says() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, small) = open(home.path());
    assert!(says(&window, "Which tokenizer, at which rate, on these images?"));
    measure(&mut window, &small);
    let line = evaluated(&small, &home.path().join("evaluated"));
    let (psnr, rate) = (line["psnr"].as_f64().unwrap(), line["bits_per_pixel"].as_f64().unwrap());
    let told = labels(&window, PLOT).concat();
    let rate = format!("{rate:.3}");
    let rate = rate.trim_end_matches('0').trim_end_matches('.');
    assert!(told.contains(&format!("tiny {psnr:.1} dB at {rate}")), "{told}");
    assert!(told.contains("JPEG 3 ") && told.contains("JPEG 92 "), "{told}");
}

#[test]
fn what_was_measured_is_there_again_in_the_next_sitting() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, small) = open(home.path());
    measure(&mut window, &small);
    let told = labels(&window, PLOT);
    drop(window);
    let options =
        StudioOptions { runs_dir: Some(home.path().join("runs")), ..empty(tab(ViewId::Pareto)) };
    let mut window = open_sized(options, [1200.0, 700.0]);
    small.open_in(&mut window);
    assert!(window.state().session().runs().is_empty(), "nothing is measured again");
    assert_eq!(labels(&window, PLOT), told);
}

#[test]
fn a_table_of_results_joins_and_a_bad_number_is_named_by_line_and_column() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _small) = open(home.path());
    let (bad, good) = (home.path().join("bad.csv"), home.path().join("good.csv"));
    std::fs::write(&bad, "name,bits_per_pixel,psnr\nours,0.2,24\ntheirs,0.3,2O\n").unwrap();
    std::fs::write(&good, "name,bits_per_pixel,psnr\nours,0.2,24\ntheirs,0.3,26\n").unwrap();
    send(&mut window, Open::Path(bad));
    let notices = window.state().notices().list();
    let said = notices.last().unwrap().summary.clone();
    assert!(said.contains("bad.csv") && said.contains("line 3, column 3"), "{said}");
    send(&mut window, Open::Path(good));
    let told = labels(&window, PLOT).concat();
    assert!(told.contains("ours 24.0 dB at 0.2") && told.contains("theirs 26.0 dB"), "{told}");
}

#[test]
fn the_landscape_is_seen_by_its_own_rules_and_numbers_that_nobody_measured_say_so() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _small) = open(home.path());
    let look = RatesLook { published: true, quality: QualityAxis::Rfid, ..RatesLook::default() };
    send(&mut window, Look::Rates(look));
    let told = labels(&window, "rFID over bits per pixel").concat();
    assert!(told.contains("VQGAN f16 K16384 4.98"), "{told}");
    assert!(!told.contains("OpenImages"), "another benchmark is not beside it: {told}");
    send(&mut window, Look::Rates(RatesLook { all_published: true, ..look }));
    assert!(labels(&window, "rFID over bits per pixel").concat().contains("OpenImages"));
    send(&mut window, Look::Rates(RatesLook { published: false, ..look }));
    assert!(says(&window, "rFID is in published tables alone"));
}
