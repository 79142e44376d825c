//! Runs of a tiny tokenizer on painted worlds.

mod generators;
mod networks;
mod ways;

use crate::device::of_tests;
use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Tensor};

use super::{Begin, Recipe, Report, Supplies, TrainEvent, TrainRun, Trainer};
use crate::data::{Sample, Source};
use crate::images::Picture;
use crate::session::{Control, RunState, Session, Settings};
use crate::{EngineError, Result};

const FSQ: &str = "Fsq((levels: [5, 4]))";
const VQ: &str = "Vq((codes: 16, update: Ema, decay: 0.9, restart: 0.5, start: Data(2)))";
const SCALES: &str = "MultiScale((vocab_size: 16, v_patch_nums: [1, 2, 4], share_quant_resi: 2, restart: 0.5, start: Data(2)))";

fn recipe(quantizer: &str, more: &str) -> Recipe {
    let text = format!(
        "(name: \"tiny\", seed: 5, tokenizer: (name: \"tiny\", network: (ch: 4, ch_mult: [1, 2],
            num_res_blocks: 1, decoder_res_blocks: 1, attn_resolutions: [], resolution: 8,
            z_channels: 3, embed_dim: 2, mid: false, norm_groups: 2), quantizer: {quantizer}),
        data: [(weight: 1, from: Worlds(3))], crop: (side: 8, scales: [8, 16], mirror: true),
        batch: 3, steps: 6, optimizer: (lr: 1e-2, warmup: 2, clip: 0.5, weight_decay: 0.01),
        report_every: 1, checkpoint_every_secs: 1e9 {more})"
    );
    Recipe::parse(&text).unwrap()
}

fn start(recipe: Recipe, folder: &Path, resume: bool) -> Result<Trainer> {
    let supplies = Supplies::of(&recipe, Path::new("."), Path::new(".")).unwrap();
    begin(recipe, supplies, folder, resume)
}

fn begin(recipe: Recipe, supplies: Supplies, folder: &Path, resume: bool) -> Result<Trainer> {
    let begin = if resume { Begin::Resume } else { Begin::Anew };
    Trainer::new(recipe, supplies, folder, &of_tests().unwrap(), begin)
}

/// Goes on to `step`; what does not depend on the clock.
fn go(trainer: &mut Trainer, step: u64) -> Vec<Report> {
    let mut reports = Vec::new();
    while trainer.steps_done() < step {
        let mut report = trainer.step().unwrap().unwrap();
        (report.seconds, report.images_per_second) = (0.0, 0.0);
        reports.push(report);
    }
    reports
}

fn bits(tensors: &BTreeMap<String, Tensor>) -> BTreeMap<String, Vec<u32>> {
    tensors
        .iter()
        .map(|(name, t)| {
            let values = t.flatten_all().unwrap().to_dtype(DType::F32).unwrap();
            let values: Vec<f32> = values.to_vec1().unwrap();
            (name.clone(), values.into_iter().map(f32::to_bits).collect())
        })
        .collect()
}

#[test]
fn a_resumed_run_continues_to_the_same_numbers_bit_for_bit() {
    for quantizer in [FSQ, VQ, SCALES] {
        for more in ["", ", micro_batch: 2"] {
            let folder = tempfile::tempdir().unwrap();
            let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
            let mut trainer = start(recipe(quantizer, more), &whole, true).unwrap();
            let reports = go(&mut trainer, 6);
            let expected = bits(&trainer.model_tensors().unwrap());
            let mut resumed = Vec::new();
            // The third part goes back to step 4: what was done after the checkpoint is lost.
            for (save_at, lost_at) in [(2, 2), (4, 5), (6, 6)] {
                let mut trainer = start(recipe(quantizer, more), &parts, true).unwrap();
                resumed.extend(go(&mut trainer, save_at));
                trainer.save().unwrap();
                go(&mut trainer, lost_at);
                if save_at == 6 {
                    assert_eq!(
                        bits(&trainer.model_tensors().unwrap()),
                        expected,
                        "{quantizer} {more}"
                    );
                }
            }
            assert_eq!(resumed, reports, "{quantizer} {more}");
            let log = |folder: &Path| -> Vec<String> {
                let text = std::fs::read_to_string(folder.join("metrics.csv")).unwrap();
                let columns = |line: &str| {
                    let clock = [1, line.split(',').count() - 4];
                    let kept = line.split(',').enumerate().filter(|(i, _)| !clock.contains(i));
                    kept.map(|(_, cell)| cell.to_owned()).collect::<Vec<_>>().join(",")
                };
                text.lines().map(columns).collect()
            };
            assert_eq!(log(&whole), log(&parts), "one line a step, none twice");
            assert_eq!(log(&whole).len(), 7);
        }
    }
}

/// Painted worlds on a drive that is taken away and put back.
#[derive(Debug)]
struct Drive {
    worlds: std::sync::Arc<dyn Source>,
    is_away: std::sync::atomic::AtomicBool,
}

impl Source for Drive {
    fn len(&self) -> u64 {
        // So few that a batch soon has none left.
        40
    }
    fn classes(&self) -> &[String] {
        &[]
    }
    fn class_of(&self, _index: u64) -> Option<u32> {
        None
    }
    fn sample(&self, index: u64, side: u32) -> Result<Sample> {
        if self.is_away.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(EngineError::bad_file("drive/a.png", "the drive is away", ""));
        }
        self.worlds.sample(index, side)
    }
    fn describe(&self) -> String {
        "a drive".to_owned()
    }
}

#[test]
fn a_folder_in_which_a_run_goes_on_takes_no_other_one() {
    let folder = tempfile::tempdir().unwrap();
    let source = || recipe(VQ, "").open_data(Path::new("."), Path::new(".")).unwrap();
    let start = |resume| begin(recipe(VQ, ""), Supplies::images(source()), folder.path(), resume);
    let mut first = start(false).unwrap();
    go(&mut first, 1);
    first.save().unwrap();
    for resume in [true, false] {
        let problem = start(resume).unwrap_err().problem();
        assert!(problem.summary.contains("a run is going on there"), "{problem}");
    }
    drop(first);
    assert_eq!(start(true).unwrap().steps_done(), 1, "then it goes on");
}

#[test]
fn images_that_cannot_be_read_for_a_while_cost_nothing_but_the_while() {
    let folder = tempfile::tempdir().unwrap();
    let worlds = recipe(VQ, "").open_data(Path::new("."), Path::new(".")).unwrap();
    let drive = std::sync::Arc::new(Drive { worlds, is_away: false.into() });
    let start = |name: &str| {
        let (path, source) = (folder.path().join(name), std::sync::Arc::clone(&drive));
        begin(recipe(VQ, ""), Supplies::images(source), &path, false).unwrap()
    };
    let reports = go(&mut start("whole"), 6);
    let mut trainer = start("cut");
    let mut found = go(&mut trainer, 2);
    drive.is_away.store(true, std::sync::atomic::Ordering::Relaxed);
    // What was loaded before is still learned from.
    let error = loop {
        match trainer.step() {
            Ok(report) => {
                found.extend(report.map(|r| Report { seconds: 0.0, images_per_second: 0.0, ..r }));
            }
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("a drive") || error.contains("drive/a.png"), "{error}");
    assert!(trainer.is_whole() && trainer.steps_done() < 6);
    drive.is_away.store(false, std::sync::atomic::Ordering::Relaxed);
    found.extend(go(&mut trainer, 6));
    assert_eq!(found, reports, "the same steps in the same order");
}

#[test]
fn a_run_whose_images_are_gone_is_kept_and_waits_to_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let worlds = recipe(FSQ, "").open_data(Path::new("."), Path::new(".")).unwrap();
    let drive = std::sync::Arc::new(Drive { worlds, is_away: false.into() });
    let set_away = |away| drive.is_away.store(away, std::sync::atomic::Ordering::Relaxed);
    let long = Recipe { steps: 100_000, ..recipe(FSQ, "") };
    let source = std::sync::Arc::clone(&drive);
    let made = begin(long.clone(), Supplies::images(source), folder.path(), false);
    let device = crate::device::choice_of_tests().unwrap();
    let session = Session::new(Settings { device, ..Settings::new("assets") }).unwrap();
    let here = || std::path::PathBuf::from(".");
    let work = TrainRun::new(long, here(), here(), folder.path().to_owned(), false);
    let run = session.start(work.going_on(made.unwrap()));
    let view = || session.runs().remove(0);
    until("a step", || view().entries > 0);
    set_away(true);
    until("the problem", || view().problem.is_some() || view().state.is_over());
    let problem = view().problem.expect("paused, not over");
    assert!(problem.hint.contains("can be resumed"), "{problem}");
    let steps = view().entries;
    assert!(folder.path().join("checkpoint.safetensors").is_file(), "saved before the word");
    set_away(false);
    session.control(run, Control::Resume);
    until("more steps", || view().entries > steps);
    session.control(run, Control::Cancel);
    until("the end", || view().state.is_over());
    assert_eq!(view().state, RunState::Cancelled);
}

#[test]
fn a_probe_that_fails_keeps_what_was_learned() {
    let folder = tempfile::tempdir().unwrap();
    let device = crate::device::choice_of_tests().unwrap();
    let session = Session::new(Settings { device, ..Settings::new("assets") }).unwrap();
    let here = || std::path::PathBuf::from(".");
    let mut long = recipe(FSQ, "");
    long.steps = 15;
    let mut trainer = start(long.clone(), folder.path(), false).unwrap();
    go(&mut trainer, 3);
    trainer.save().unwrap();
    drop(trainer);
    // Seven pixels are no multiple of two.
    let probe = vec![Picture::new(7, 7, vec![0; 7 * 7 * 3]).unwrap()];
    let work =
        TrainRun::new(long, here(), here(), folder.path().to_owned(), true).with_probe(probe);
    session.start(work);
    let view = || session.runs().remove(0);
    until("the problem", || view().problem.is_some() || view().state.is_over());
    let problem = view().problem.expect("paused, not over");
    assert!(problem.summary.contains("7x7"), "{problem}");
    assert!(folder.path().join("checkpoint.safetensors").is_file());
}

#[test]
fn the_codes_of_each_level_are_counted_in_its_own_book() {
    let folder = tempfile::tempdir().unwrap();
    let residual = "Residual((levels: 2, vq: (codes: 16, update: Ema, start: Data(2))))";
    let mut trainer = start(recipe(residual, ""), folder.path(), false).unwrap();
    let reports = go(&mut trainer, 2);
    for report in &reports {
        let samples: Vec<u64> = report.counts.iter().map(|book| book.iter().sum()).collect();
        assert_eq!(samples, [3 * 16; 2], "three images of 4x4 places on either level");
        let (books, codes) = (&report.books, report.counts.iter().map(|book| book.len()));
        assert_eq!(codes.collect::<Vec<_>>(), [16, 16]);
        let used: Vec<usize> =
            report.counts.iter().map(|b| b.iter().filter(|c| **c > 0).count()).collect();
        assert_eq!(used, [books[0].statistics.used as usize, books[1].statistics.used as usize]);
        assert!(
            (report.figure("usage").unwrap() - (used[0] + used[1]) as f64 / 32.0).abs() < 1e-12
        );
    }
    let log = std::fs::read_to_string(folder.path().join("metrics.csv")).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert!(
        lines[0].ends_with(",restarted,usage.0,perplexity.0,usage.1,perplexity.1"),
        "{}",
        lines[0]
    );
    let columns = |line: &str| line.split(',').count();
    assert!(lines.iter().all(|line| columns(line) == columns(lines[0])), "{log}");
    // A checkpoint of before books were told apart goes on.
    trainer.save().unwrap();
    drop(trainer);
    let path = folder.path().join("checkpoint.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let mut tensors = candle_core::safetensors::load(&path, &candle_core::Device::Cpu).unwrap();
    assert!(tensors.remove("run.counts.1").is_some());
    let older = safetensors::serialize(tensors, header.metadata().clone()).unwrap();
    std::fs::write(&path, older).unwrap();
    let mut resumed = start(recipe(residual, ""), folder.path(), true).unwrap();
    assert_eq!(go(&mut resumed, 3)[0].counts.len(), 2);
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed().as_secs() < 60, "{what} did not happen");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[test]
fn a_run_whose_folder_is_gone_for_a_while_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut, away) =
        (folder.path().join("whole"), folder.path().join("cut"), folder.path().join("away"));
    let steps = 50;
    let long = || Recipe { steps, ..recipe(VQ, "") };
    let mut trainer = start(long(), &whole, false).unwrap();
    go(&mut trainer, steps);
    let expected = std::fs::read(trainer.export().unwrap()).unwrap();
    let device = crate::device::choice_of_tests().unwrap();
    let session = Session::new(Settings { device, ..Settings::new("assets") }).unwrap();
    let here = || std::path::PathBuf::from(".");
    let run = session.start(TrainRun::new(long(), here(), here(), cut.clone(), false));
    let view = || session.runs().remove(0);
    until("a step", || view().entries > 0);
    session.control(run, Control::Pause);
    until("the pause", || view().state == RunState::Paused);
    let reports = || {
        let log = session.log::<TrainEvent>(run, 0);
        log.iter().filter(|event| matches!(&***event, TrainEvent::Report(_))).count()
    };
    let before = reports();
    assert!(before < steps as usize, "the run is too short to be paused");
    std::fs::rename(&cut, &away).unwrap();
    // It is said once, and nothing is done; resumed once more it would make the folder anew.
    session.control(run, Control::Resume);
    until("the problem", || view().problem.is_some());
    assert_eq!((view().state, reports()), (RunState::Paused, before));
    std::fs::rename(&away, &cut).unwrap();
    session.control(run, Control::Resume);
    until("the end", || view().state.is_over());
    assert_eq!(view().state, RunState::Done);
    let told: Vec<u64> = session
        .log::<TrainEvent>(run, 0)
        .iter()
        .filter_map(|event| match &**event {
            TrainEvent::Report(report) => Some(report.step),
            _ => None,
        })
        .collect();
    assert_eq!(told, (1..=steps).collect::<Vec<_>>(), "each step is told once");
    let text = std::fs::read_to_string(cut.join("metrics.csv")).unwrap();
    let written = text.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned());
    assert_eq!(written.collect::<Vec<_>>(), (1..=steps).map(|s| s.to_string()).collect::<Vec<_>>());
    assert!(std::fs::read(cut.join("tiny.safetensors")).unwrap() == expected, "the same model");
}

#[test]
fn recomputing_changes_no_number() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = start(recipe(VQ, ""), &folder.path().join("kept"), false).unwrap();
    let expected = (go(&mut trainer, 6), bits(&trainer.model_tensors().unwrap()));
    // Half of the run each way: a run may go on the other way than it began.
    let mut trainer = start(recipe(VQ, ""), &folder.path().join("again"), false).unwrap();
    let mut reports = go(&mut trainer, 3);
    trainer.save().unwrap();
    drop(trainer);
    let other = recipe(VQ, ", recompute: true");
    let mut trainer = start(other, &folder.path().join("again"), true).unwrap();
    reports.extend(go(&mut trainer, 6));
    assert_eq!((reports, bits(&trainer.model_tensors().unwrap())), expected);
}

#[test]
fn a_run_learns_and_its_model_is_the_average() {
    let folder = tempfile::tempdir().unwrap();
    let mut long = recipe(FSQ, "");
    (long.steps, long.batch) = (150, 8);
    let mut trainer = start(long, folder.path(), false).unwrap();
    let reports = go(&mut trainer, 150);
    let mean = |part: &[Report]| {
        part.iter().map(|r| r.figure("psnr").unwrap()).sum::<f64>() / part.len() as f64
    };
    let (first, last) = (mean(&reports[..10]), mean(&reports[140..]));
    assert!(last > first + 3.0, "PSNR from {first:.2} to {last:.2} dB");
    assert!(reports.iter().all(|r| r.counts[0].iter().sum::<u64>() == 8 * 16));
    // An average that is part of a graph would keep the tensors of every step in memory.
    let model = trainer.model_tensors().unwrap();
    assert!(model.values().all(|average| !average.track_op()));
    // The averages lag behind the weights, but not far.
    let path = trainer.export().unwrap();
    let halves = candle_core::safetensors::load(path, &of_tests().unwrap()).unwrap();
    assert_eq!(halves.len(), model.len());
    assert!(halves.values().all(|t| t.dtype() == DType::F16));
}

#[test]
fn a_checkpoint_of_another_recipe_is_not_continued() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = start(recipe(FSQ, ""), folder.path(), false).unwrap();
    go(&mut trainer, 1);
    trainer.save().unwrap();
    drop(trainer);
    let mut other = recipe(FSQ, "");
    other.optimizer.lr = 5e-3;
    let error = start(other, folder.path(), true).unwrap_err().to_string();
    assert!(error.contains("optimizer"), "{error}");
    std::fs::write(folder.path().join("checkpoint.safetensors"), b"half a file").unwrap();
    assert!(start(recipe(FSQ, ""), folder.path(), true).unwrap_err().is_bad_input());
}

#[test]
fn numbers_that_are_not_finite_stop_the_run_and_keep_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut wild = recipe(VQ, "");
    (wild.optimizer.lr, wild.optimizer.clip, wild.optimizer.warmup) = (1e30, 0.0, 0);
    let mut trainer = start(wild, folder.path(), false).unwrap();
    trainer.save().unwrap();
    let before = std::fs::read(folder.path().join("checkpoint.safetensors")).unwrap();
    let error = (0..6).find_map(|_| trainer.step().err()).expect("diverges").to_string();
    assert!(error.contains("finite") || error.contains("NaN") || error.contains("inf"), "{error}");
    let after = std::fs::read(folder.path().join("checkpoint.safetensors")).unwrap();
    assert!(before == after, "the checkpoint is as it was");
}
