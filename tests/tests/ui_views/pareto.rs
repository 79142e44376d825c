//! Rate against quality: what is measured stands in the plot with the numbers of the command line, and
//! tables of others join or are refused with line and column.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use egui::{Key, Modifiers, vec2};
use egui_kittest::kittest::Queryable;
use smalti::cli::{DONE, Surroundings};
use smalti::document::{
    ALL_POINTS, AppCommand, CompareMode, JobCommand, Look, Open, Pair, QualityAxis, RateAxis,
    RatesLook, RecipeRef, Slot, ViewId,
};
use smalti::studio::StudioOptions;
use smalti_engine::evaluation::{LpipsFiles, Measured, Plan, Probed, parts_in, probe_table};
use smalti_engine::questions::{ModelRef, SourceRef, Stamp};
use smalti_engine::session::RunState;
use smalti_engine::training::ProbeBudget;
use smalti_tests::tiny::{drawn_lpips, residual_model, write_png};
use smalti_tests::window::{
    Small, Window, assets, click, click_label, drag, empty, labels, open_sized, press, says, send,
    settle, tab, until,
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
    measure_model(window, small, model);
}

fn measure_model(window: &mut Window, small: &Small, model: ModelRef) {
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
    assert!(says(&window, "Measure "), "one's own tokenizers can be measured beside them");
    assert!(!told.contains("OpenImages"), "another benchmark is not beside it: {told}");
    send(&mut window, Look::Rates(RatesLook { all_published: true, ..look }));
    assert!(labels(&window, "rFID over bits per pixel").concat().contains("OpenImages"));
    send(&mut window, Look::Rates(RatesLook { published: false, ..look }));
    assert!(says(&window, "rFID is in published tables alone"));
}

#[test]
fn a_probe_is_an_axis_that_says_what_it_is_and_is_trained_on_request_alone() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, small) = open(home.path());
    measure(&mut window, &small);
    let look = RatesLook { rate: RateAxis::Probe, ..RatesLook::default() };
    send(&mut window, Look::Rates(look));
    assert!(says(&window, "Nothing has AR probe, bits per image here"));
    let runs = window.state().session().runs().len();
    assert_eq!(runs, 1, "no probe is trained for the sight of an axis");
    click_label(&mut window, "Probe 1 tokenizer");
    let run = window.state().session().runs().last().unwrap().id;
    assert_eq!(window.state().session().wait_run(run).unwrap(), RunState::Done);
    settle(&mut window);
    // Of two pixels a token there are more tokens than a probe reads.
    assert!(says(&window, "no probe is made of 4096 tokens an image"));
    drop(window);
    // As if it had been trained in another sitting.
    let folder = home.path().join("measured");
    let parts = parts_in(&folder).unwrap();
    let weights = parts.iter().find_map(|part| part.identity().weights.clone()).unwrap();
    let probed = Probed {
        model: "tiny".to_owned(),
        weights,
        side: 128,
        tokens: 64,
        codes: 20,
        sub_tokens: 1,
        budget: ProbeBudget::default(),
        bits_per_image: 192.0,
        version: "0.1.0".to_owned(),
    };
    std::fs::write(folder.join("tiny-0.probe.csv"), probe_table(&[probed])).unwrap();
    let options =
        StudioOptions { runs_dir: Some(home.path().join("runs")), ..empty(tab(ViewId::Pareto)) };
    let mut window = open_sized(options, [1200.0, 700.0]);
    small.open_in(&mut window);
    send(&mut window, Look::Rates(look));
    let told = labels(&window, "PSNR over AR probe, bits per image").concat();
    assert!(told.contains("tiny ") && told.contains(" at 192"), "{told}");
    assert!(!told.contains("JPEG"), "a file has no tokens: {told}");
    let look = RatesLook { quality: QualityAxis::ProbePerplexity, ..RatesLook::default() };
    send(&mut window, Look::Rates(look));
    let told = labels(&window, "AR probe, perplexity over bits per pixel").concat();
    assert!(told.contains("tiny 8.0 at "), "2 to the power of 192 / 64 bits: {told}");
    // The pointer on the one point, which the keys lead to as well.
    window.query_all_by_label_contains("AR probe, perplexity over").next().unwrap().focus();
    settle(&mut window);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(says(&window, "AR probe: 192.0 bits an image, 3.00 a token, perplexity 8.0"));
}

/// How many tokenizers the button would measure.
fn unmeasured(window: &Window) -> usize {
    let text = labels(window, "Measure ").remove(0);
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_tokenizer_that_was_written_over_is_not_measured_yet() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, small) = open(home.path());
    measure(&mut window, &small);
    let before = unmeasured(&window);
    assert!(labels(&window, PLOT).concat().contains("tiny "));
    // As training on does, or another file of the same name.
    residual_model(&small.model());
    small.open_in(&mut window);
    let told = labels(&window, PLOT).concat();
    assert!(!told.contains("tiny "), "those are the numbers of weights that are gone: {told}");
    assert_eq!(unmeasured(&window), before + 1);
    drop(window);
    let mut window = open_sized(
        StudioOptions { runs_dir: Some(home.path().join("runs")), ..empty(tab(ViewId::Pareto)) },
        [1200.0, 700.0],
    );
    small.open_in(&mut window);
    let told = labels(&window, PLOT).concat();
    assert!(told.contains("JPEG 3 ") && !told.contains("tiny "), "nor in the next sitting: {told}");
}

/// Opens another tokenizer of the same name beside the small one, of residual levels, and measures both.
fn open_twins(home: &Path) -> (Window, Small) {
    let (mut window, small) = open(home);
    std::fs::create_dir(home.join("other")).unwrap();
    let other = home.join("other/tiny.safetensors");
    residual_model(&other);
    let other = ModelRef::named(other.to_str().unwrap(), &assets());
    send(&mut window, Open::Model(Slot::B, other.clone()));
    measure(&mut window, &small);
    measure_model(&mut window, &small, other);
    (window, small)
}

#[test]
fn two_tokenizers_of_one_name_are_two_points() {
    let home = tempfile::tempdir().unwrap();
    let (window, small) = open_twins(home.path());
    let folder = small.model().parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let told = labels(&window, PLOT).concat();
    assert!(told.contains("other/tiny ") && told.contains(&format!("{folder}/tiny ")), "{told}");
}

#[test]
fn points_are_picked_by_keys_and_a_level_is_not_shown_as_all_of_them() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _small) = open_twins(home.path());
    let hint = "Click a point to see what it is";
    assert!(says(&window, hint));
    window.query_all_by_label_contains(PLOT).next().unwrap().focus();
    settle(&mut window);
    let at = |window: &Window| {
        let told = labels(window, PLOT).concat();
        told.rsplit_once("; at ").map(|(_, at)| at.to_owned()).unwrap_or_default()
    };
    assert_eq!(at(&window), "");
    for _ in 0..20 {
        press(&mut window, Modifiers::NONE, Key::ArrowRight);
        if at(&window).starts_with("1 level ") {
            break;
        }
    }
    assert!(at(&window).starts_with("1 level "), "{}", at(&window));
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(!says(&window, hint) && says(&window, "Compare shows all of its levels"));
    let first = at(&window);
    press(&mut window, Modifiers::NONE, Key::ArrowRight);
    assert_ne!(at(&window), first);
    press(&mut window, Modifiers::SHIFT, Key::Enter);
    assert!(says(&window, "A is better on "), "{:?}", labels(&window, ""));
}

#[test]
fn what_is_measured_is_chosen_in_a_menu_that_stays_until_it_is_left() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _small) = open(home.path());
    let said = |window: &Window| {
        labels(window, " and JPEG").into_iter().find(|it| !it.contains("Measure"))
    };
    let all = said(&window).unwrap();
    click_label(&mut window, &all);
    click_label(&mut window, "tiny");
    assert_ne!(said(&window), Some(all.clone()), "one less");
    click_label(&mut window, "tiny");
    assert_eq!(said(&window), Some(all.clone()), "the menu is open still");
    click_label(&mut window, "none");
    assert_eq!(said(&window), None);
    click_label(&mut window, "all");
    assert_eq!(said(&window), Some(all));
}

#[test]
fn two_tokenizers_that_are_compared_are_set_against_each_other_whatever_stood_there() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _small) = open_twins(home.path());
    send(&mut window, Look::Compare(CompareMode::Slider));
    send(&mut window, Look::Pair(Some(Pair { left: None, right: Slot::A })));
    window.query_all_by_label_contains(PLOT).next().unwrap().focus();
    settle(&mut window);
    let at = |window: &Window| {
        let told = labels(window, PLOT).concat();
        told.rsplit_once("; at ").map(|(_, at)| at.to_owned()).unwrap_or_default()
    };
    // One is of residual levels, all of which it takes, the other has no levels.
    let go_to = |window: &mut Window, has_name: &dyn Fn(&str) -> bool| {
        for _ in 0..20 {
            press(window, Modifiers::NONE, Key::ArrowRight);
            if has_name(&at(window)) {
                return;
            }
        }
        panic!("no such point: {:?}", labels(window, PLOT));
    };
    go_to(&mut window, &|at| at.starts_with("1 level "));
    press(&mut window, Modifiers::NONE, Key::Enter);
    go_to(&mut window, &|at| !at.contains("level") && at.contains("tiny"));
    press(&mut window, Modifiers::SHIFT, Key::Enter);
    click_label(&mut window, "Compare both where B does best");
    let pair = window.state().document().looks.pair;
    assert_eq!(pair, Some(Pair { left: Some(Slot::A), right: Slot::B }));
}

#[test]
fn a_hall_sees_the_plot_over_the_whole_width_until_a_point_is_picked() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, small) = open(home.path());
    measure(&mut window, &small);
    let wide = |window: &Window| window.get_by_label_contains(PLOT).rect().width();
    assert!(wide(&window) < 1000.0, "at work there is room for what is picked");
    press(&mut window, Modifiers::NONE, Key::F5);
    assert!(wide(&window) > 1100.0, "{}", wide(&window));
}

/// The numbers of "3 of 9 points" before the points that the plot names.
fn within(window: &Window) -> Option<(usize, usize)> {
    let told = labels(window, PLOT).concat();
    let (before, _) = told.split_once(" points: ")?;
    let mut words = before.rsplit(' ');
    let (all, _, within) = (words.next()?, words.next()?, words.next()?);
    Some((within.parse().ok()?, all.parse().ok()?))
}

#[test]
fn a_rectangle_keeps_the_points_in_it_and_escape_gives_all_back() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _small) = open_twins(home.path());
    let all = labels(&window, PLOT).concat();
    assert_eq!(within(&window), None);
    let plot = window.query_all_by_label_contains(PLOT).next().unwrap().rect();
    let brush = |window: &mut Window| {
        drag(window, plot.min + vec2(66.0, 34.0), plot.center_bottom() - vec2(0.0, 44.0));
    };
    brush(&mut window);
    let (kept, count) = within(&window).expect("some are kept");
    assert!(0 < kept && kept < count, "{kept} of {count}");
    let told = labels(&window, PLOT).concat();
    let of_plot = |told: &str| told.matches(" dB at ").count();
    assert_eq!((of_plot(&told), of_plot(&all)), (kept, count), "{told}");
    assert!(says(&window, &format!("{kept} of {count} points")), "and below it");
    // Over another axis they are the same ones.
    let look = window.state().document().looks.rates;
    send(&mut window, Look::Rates(RatesLook { quality: QualityAxis::Ssim, ..look }));
    assert!(labels(&window, "SSIM over bits per pixel").concat().contains(&format!("{kept} of ")));
    send(&mut window, Look::Rates(look));
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!((within(&window), labels(&window, PLOT).concat()), (None, all.clone()));
    brush(&mut window);
    click_label(&mut window, "All points");
    assert_eq!(within(&window), None);
    brush(&mut window);
    send(&mut window, AppCommand::Offered(ALL_POINTS.to_owned()));
    assert_eq!(labels(&window, PLOT).concat(), all);
    // Where nothing is, a click gives all back and a rectangle keeps what it was.
    brush(&mut window);
    let corner = plot.right_bottom() - vec2(30.0, 60.0);
    click(&mut window, corner, Modifiers::NONE);
    assert_eq!(within(&window), None);
}

#[test]
fn lpips_is_of_what_was_measured_by_weights_of_ones_own_and_of_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _small) = open(home.path());
    let set = home.path().join("set");
    std::fs::create_dir(&set).unwrap();
    for number in 0..3_u64 {
        write_png(&set.join(format!("{number}.png")), 40, 40, number);
    }
    let source = SourceRef::Path { path: set.as_path().into(), stamp: Stamp::of(&set) };
    send(&mut window, Open::Source(source.clone()));
    let (network, heads) =
        (home.path().join("alex.safetensors"), home.path().join("h.safetensors"));
    drawn_lpips(&network, &heads, 5);
    let files = LpipsFiles::of(&[network, heads]).unwrap();
    let model = window.state().document().model.clone();
    let measured = Measured::Tokenizer { model, by_levels: true };
    let plan = Plan { most: 64, ..Plan::new(measured, source) };
    let measure = |window: &mut Window, lpips: Option<LpipsFiles>| {
        send(window, JobCommand::Measure(vec![Plan { lpips, ..plan.clone() }]));
        let run = window.state().session().runs().last().unwrap().id;
        assert_eq!(window.state().session().wait_run(run).unwrap(), RunState::Done);
        settle(window);
    };
    measure(&mut window, None);
    let before = unmeasured(&window);
    send(&mut window, JobCommand::UseLpips(Some(files.clone())));
    settle(&mut window);
    let psnr = labels(&window, PLOT).concat();
    assert!(psnr.contains("tiny "), "what was measured without it is seen still: {psnr}");
    assert_eq!(unmeasured(&window), before + 1, "but has no LPIPS");
    let look = RatesLook { quality: QualityAxis::Lpips, ..RatesLook::default() };
    send(&mut window, Look::Rates(look));
    assert!(says(&window, "Nothing has LPIPS here"));
    measure(&mut window, Some(files));
    let told = labels(&window, "LPIPS over bits per pixel").concat();
    assert!(told.contains("tiny 0."), "{told}");
    assert_eq!(unmeasured(&window), before);
    send(&mut window, JobCommand::UseLpips(None));
    settle(&mut window);
    assert!(says(&window, "LPIPS is in published tables alone"), "it is not at hand any more");
}

/// A recipe of a few steps over one picture beside it.
fn write_recipe(folder: &Path) -> std::path::PathBuf {
    std::fs::create_dir(folder.join("pictures")).unwrap();
    write_png(&folder.join("pictures/one.png"), 40, 40, 1);
    let path = folder.join("small.ron");
    let recipe = "(name: \"small\", seed: 1, tokenizer: (name: \"small\", network: (ch: 4, \
         ch_mult: [1, 2], num_res_blocks: 1, attn_resolutions: [], resolution: 8, z_channels: 3, \
         embed_dim: 2, norm_groups: 2), quantizer: Fsq((levels: [5, 4]))), \
         data: [(weight: 1.0, from: Path(\"pictures\"))], crop: (side: 8, scales: [16]), batch: 2, \
         steps: 6, report_every: 2, optimizer: (lr: 1e-3))";
    std::fs::write(&path, recipe).unwrap();
    path
}

#[test]
fn a_new_point_is_trained_in_the_background_and_measured_when_it_is_done() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _small) = open(home.path());
    let recipe = RecipeRef::File(write_recipe(home.path()).into());
    send(&mut window, JobCommand::AskPoint(recipe, 64));
    until(&mut window, "Train a new point: fsq-f2-20");
    let set_codes = |window: &mut Window, codes: &str| {
        window.get_by_role_and_label(egui::Role::TextInput, "Codes").focus();
        settle(window);
        press(window, Modifiers::COMMAND, Key::A);
        window.event(egui::Event::Text(codes.to_owned()));
        settle(window);
    };
    set_codes(&mut window, "700");
    assert!(says(&window, "FSQ has 64, 240, 512, 1000"), "what would do is said");
    set_codes(&mut window, "256");
    until(&mut window, "Train a new point: fsq-f2-240");
    assert!(says(&window, "known once such a network was trained here"), "no run was here");
    click_label(&mut window, "Start");
    for _ in 0..4000 {
        window.step();
        let runs = window.state().session().runs();
        if runs.len() == 2 && runs.iter().all(|run| run.state.is_over()) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    settle(&mut window);
    let states: Vec<_> = window.state().session().runs();
    assert!(states.iter().all(|run| run.state == RunState::Done), "{states:?}");
    let told = labels(&window, PLOT).concat();
    assert!(told.contains("fsq-f2-240"), "it is a point, named by what it is: {told}");
    let models = &window.state().document().opened.models;
    assert!(models.iter().any(|model| model.label().contains("fsq-f2-240")), "{models:?}");
    // The next one of such a network knows how long it takes.
    let recipe = RecipeRef::File(home.path().join("small.ron").into());
    send(&mut window, JobCommand::AskPoint(recipe, 64));
    until(&mut window, "set the steps, as such a network trained last");
}
