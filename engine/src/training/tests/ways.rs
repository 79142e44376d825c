//! Knobs that are turned, steps back, other ways, other beginnings.

use super::*;
use crate::Knob;
use crate::training::{Keep, Trains, branch, checkpoint, kept_steps, stored_counts};

const DEAD: &str = "Vq((codes: 16, update: Gradient))";

fn keeping(quantizer: &str) -> Recipe {
    Recipe { keep: Keep { every: 2, megabytes: 500 }, ..recipe(quantizer, "") }
}

/// The figures of the last report and the model, to the last bit.
fn end(trainer: &mut Trainer) -> (Vec<Report>, BTreeMap<String, Vec<u32>>) {
    let reports = go(trainer, 6);
    (reports, bits(&trainer.model_tensors().unwrap()))
}

#[test]
fn a_knob_that_is_turned_changes_the_run_and_a_resumed_run_remembers_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let plain = end(&mut start(recipe(VQ, ""), &path("plain"), false).unwrap());
    let mut trainer = start(recipe(VQ, ""), &path("turned"), false).unwrap();
    go(&mut trainer, 3);
    let order = trainer.turn(Knob::LearningRate, 1e-3).unwrap();
    assert_eq!((order.step, order.value), (3, 1e-3));
    assert!(trainer.knobs().contains(&(Knob::LearningRate, 1e-3)));
    go(&mut trainer, 4);
    trainer.save().unwrap();
    let turned = end(&mut trainer);
    drop(trainer);
    assert!(turned.1 != plain.1);
    let mut resumed = start(recipe(VQ, ""), &path("turned"), true).unwrap();
    assert_eq!(resumed.orders(), [order]);
    assert!(resumed.knobs().contains(&(Knob::LearningRate, 1e-3)));
    assert!(end(&mut resumed) == turned, "the same numbers");
    for (knob, value) in [(Knob::LearningRate, -1.0), (Knob::Adversarial, 1.0)] {
        let before = resumed.knobs();
        assert!(resumed.turn(knob, value).unwrap_err().is_bad_input());
        assert_eq!((resumed.knobs(), resumed.orders()), (before, &[order][..]));
    }
}

#[test]
fn a_step_back_costs_nothing_until_the_next_step_and_leads_to_the_same_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = start(keeping(VQ), folder.path(), false).unwrap();
    let reports = go(&mut trainer, 4);
    trainer.turn(Knob::LearningRate, 1e-3).unwrap();
    let (last, model) = end(&mut trainer);
    assert_eq!(trainer.kept(), [0, 2, 4, 6]);
    let log = std::fs::read_to_string(folder.path().join("metrics.csv")).unwrap();
    // There and back again: nothing is lost by looking.
    trainer.go_to(0).unwrap();
    assert_eq!(trainer.steps_done(), 0);
    trainer.go_to(6).unwrap();
    assert!(bits(&trainer.model_tensors().unwrap()) == model, "the same model");
    assert_eq!(std::fs::read_to_string(folder.path().join("metrics.csv")).unwrap(), log);
    // From the beginning the run takes the same way, without what was turned later.
    trainer.go_to(0).unwrap();
    assert!(trainer.orders().is_empty());
    assert_eq!(go(&mut trainer, 4), reports);
    assert_eq!(trainer.kept(), [0, 2, 4], "those beyond were of another way");
    trainer.turn(Knob::LearningRate, 1e-3).unwrap();
    assert!(end(&mut trainer) == (last, model), "the same numbers");
    let without_clock = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(',').next().unwrap().to_owned()).collect()
    };
    let again = std::fs::read_to_string(folder.path().join("metrics.csv")).unwrap();
    assert_eq!(without_clock(&again), without_clock(&log));
    let stored = stored_counts(folder.path()).unwrap();
    assert_eq!(stored.iter().map(|record| record.step).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    let problem = trainer.go_to(3).unwrap_err().problem();
    assert!(problem.summary.contains("step 3"), "{problem}");
    assert!(problem.hint.contains("0, 2, 4, 6"), "{problem}");
}

#[test]
fn another_way_from_a_kept_checkpoint_leaves_the_run_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let mut trainer = start(keeping(VQ), &old, false).unwrap();
    let expected = end(&mut trainer);
    trainer.save().unwrap();
    let log = std::fs::read_to_string(old.join("metrics.csv")).unwrap();
    assert_eq!(branch(&old, Some(4), (&new, &keeping(VQ))).unwrap(), 4);
    let mut other = start(keeping(VQ), &new, true).unwrap();
    assert_eq!(other.steps_done(), 4);
    let (reports, model) = end(&mut other);
    assert_eq!(&reports[..], &expected.0[4..]);
    assert!(model == expected.1, "the same model");
    let lines = std::fs::read_to_string(new.join("metrics.csv")).unwrap();
    assert_eq!(lines.lines().count(), 7, "a header and a line a step");
    assert_eq!(std::fs::read_to_string(old.join("metrics.csv")).unwrap(), log);
    assert_eq!(kept_steps(&old), [0, 2, 4, 6]);
    for (step, to, says) in [(Some(3), "x", "0, 2, 4, 6"), (None, "new", "already")] {
        let problem =
            branch(&old, step, (&folder.path().join(to), &keeping(VQ))).unwrap_err().problem();
        assert!(format!("{problem} {}", problem.hint).contains(says), "{problem}");
    }
    // A recipe that cannot go on from there is told so before anything is written.
    let other = Recipe { ema_decay: 0.123, ..keeping(VQ) };
    let place = folder.path().join("other");
    let problem = branch(&old, Some(4), (&place, &other)).unwrap_err().problem();
    assert!(problem.summary.contains("ema_decay"), "{problem}");
    assert!(!place.exists());
}

#[test]
fn who_looks_back_loses_nothing_until_a_step_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = start(keeping(VQ), folder.path(), false).unwrap();
    go(&mut trainer, 5);
    // Step 5 was not saved by anybody yet.
    trainer.go_to(2).unwrap();
    assert!(trainer.looks_back());
    assert_eq!(kept_steps(folder.path()), [0, 2, 4, 5]);
    let latest = crate::training::stored_run(folder.path()).unwrap();
    assert_eq!((latest.step, latest.reports.len()), (5, 5));
    drop(trainer);
    let mut trainer = start(keeping(VQ), folder.path(), true).unwrap();
    assert_eq!(trainer.steps_done(), 5);
    trainer.go_to(2).unwrap();
    go(&mut trainer, 3);
    assert!(!trainer.looks_back());
    assert_eq!(kept_steps(folder.path()), [0, 2]);
    drop(trainer);
    // Killed before its next save: the way that it left does not come back.
    assert_eq!(start(keeping(VQ), folder.path(), true).unwrap().steps_done(), 2);
    // What is kept is not thrown away by a start in the same folder.
    std::fs::remove_file(checkpoint(folder.path())).unwrap();
    for again in [true, false] {
        let problem = start(keeping(VQ), folder.path(), again).unwrap_err().problem();
        assert!(problem.hint.contains("--at 2"), "{problem} {}", problem.hint);
        assert_eq!(kept_steps(folder.path()), [0, 2]);
    }
}

#[test]
fn who_goes_back_forgets_nothing_while_there_is_nothing_to_learn_from() {
    let folder = tempfile::tempdir().unwrap();
    let worlds = recipe(FSQ, "").open_data(Path::new("."), Path::new(".")).unwrap();
    let drive = std::sync::Arc::new(Drive { worlds, is_away: false.into() });
    let set_away = |away| drive.is_away.store(away, std::sync::atomic::Ordering::Relaxed);
    let source = Supplies::images(std::sync::Arc::<Drive>::clone(&drive));
    let mut trainer = begin(keeping(FSQ), source, folder.path(), false).unwrap();
    go(&mut trainer, 5);
    set_away(true);
    trainer.go_to(2).unwrap();
    trainer.step().unwrap_err();
    assert!(trainer.looks_back());
    assert_eq!(kept_steps(folder.path()), [0, 2, 4, 5]);
    let latest = crate::training::stored_run(folder.path()).unwrap();
    assert_eq!((latest.step, latest.reports.len()), (5, 5));
    set_away(false);
    go(&mut trainer, 3);
    assert_eq!(kept_steps(folder.path()), [0, 2]);
}

#[test]
fn a_model_is_a_beginning_and_so_is_the_checkpoint_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = start(keeping(VQ), &folder.path().join("first"), false).unwrap();
    go(&mut trainer, 4);
    trainer.save().unwrap();
    let first = trainer.model_tensors().unwrap();
    let model = trainer.export().unwrap();
    let checkpoint = folder.path().join("first/checkpoint.safetensors");
    for from in [model, checkpoint] {
        let init = Some(from.clone());
        // A run's checkpoint is a model like any other.
        crate::checkpoints::open_tokenizer(&from, &of_tests().unwrap()).unwrap();
        let is_near = |found: &BTreeMap<String, Tensor>, name: &str| {
            let (a, b) = (&found[name], &first[name]);
            let far = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
            far.to_scalar::<f32>().unwrap() < 2e-3
        };
        let same = Recipe { init: init.clone(), ..recipe(VQ, "") };
        let same =
            start(same, &folder.path().join("same"), false).unwrap().model_tensors().unwrap();
        assert!(same.keys().all(|name| is_near(&same, name)), "{}", from.display());
        // Another quantizer has the same network around it.
        let other = Recipe { init, ..recipe(FSQ, "") };
        let other = start(other, &folder.path().join("other"), false).unwrap();
        let other = other.model_tensors().unwrap();
        assert!(other.keys().all(|name| is_near(&other, name)), "{}", from.display());
    }
}

#[test]
fn a_decoder_that_is_trained_alone_leaves_every_token_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (name, quantizer) in [("vq", VQ), ("dead", DEAD), ("fsq", FSQ)] {
        let folder = folder.path().join(name);
        let mut twin = start(keeping(quantizer), &folder.join("twin"), false).unwrap();
        go(&mut twin, 4);
        let init = Some(twin.export().unwrap());
        let alone = Recipe { init: init.clone(), trains: Trains::Decoder, ..keeping(quantizer) };
        let mut trainer = start(alone.clone(), &folder.join("run"), false).unwrap();
        let before = bits(&trainer.model_tensors().unwrap());
        go(&mut trainer, 3);
        trainer.save().unwrap();
        drop(trainer);
        let mut trainer = start(alone, &folder.join("run"), true).unwrap();
        go(&mut trainer, 6);
        let after = bits(&trainer.model_tensors().unwrap());
        let changed = |name: &&String| before[*name] != after[*name];
        let changed: Vec<&String> = before.keys().filter(changed).collect();
        assert!(
            changed.iter().any(|name| name.starts_with("decoder.")),
            "{quantizer}: {changed:?}"
        );
        let decides = |name: &&&String| {
            ["encoder.", "quant_conv.", "quantize."].iter().any(|part| name.starts_with(part))
        };
        assert_eq!(changed.iter().find(decides), None, "{quantizer}");
        assert_eq!(before.len(), after.len());
        let knobs = trainer.knobs();
        assert!(knobs.iter().all(|(knob, _)| *knob == Knob::LearningRate), "{knobs:?}");
        // Without a twin there is nothing to keep; of another K neither.
        let lost = Recipe { trains: Trains::Decoder, ..keeping(quantizer) };
        let error = start(lost, &folder.join("lost"), false).unwrap_err().to_string();
        assert!(error.contains("nothing gives encoder."), "{error}");
        if quantizer == VQ {
            let other = VQ.replace("codes: 16", "codes: 8");
            let other = Recipe { init, trains: Trains::Decoder, ..keeping(&other) };
            let error = start(other, &folder.join("other"), false).unwrap_err().to_string();
            assert!(error.contains("nothing gives quantize."), "{error}");
        }
    }
}

#[test]
fn a_run_that_is_paused_between_two_reports_says_at_which_step_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let device = crate::device::choice_of_tests().unwrap();
    let session = Session::new(Settings { device, ..Settings::new("assets") }).unwrap();
    let here = || std::path::PathBuf::from(".");
    let long = Recipe { steps: 1_000_000, report_every: 1_000_000, ..recipe(VQ, "") };
    let run = session.start(TrainRun::new(long, here(), here(), folder.path().to_owned(), false));
    let view = || session.runs().remove(0);
    until("the beginning", || view().entries > 0 && view().seconds > 0.2);
    session.control(run, Control::Pause);
    until("the pause", || view().state == RunState::Paused);
    let log = session.log::<TrainEvent>(run, 0);
    let Some(TrainEvent::Waits { step, .. }) = log.last().map(|event| &**event) else {
        panic!("{log:?}")
    };
    assert!(*step > 0);
    assert_eq!(crate::training::stored_run(folder.path()).unwrap().step, *step);
}

#[test]
fn a_run_obeys_while_it_is_paused_and_says_what_it_cannot_do() {
    use crate::training::TrainOrder;
    let folder = tempfile::tempdir().unwrap();
    let device = crate::device::choice_of_tests().unwrap();
    let session = Session::new(Settings { device, ..Settings::new("assets") }).unwrap();
    let here = || std::path::PathBuf::from(".");
    let long = Recipe { steps: 1_000_000, ..keeping(VQ) };
    let work = TrainRun::new(long, here(), here(), folder.path().to_owned(), false);
    let run = session.start(work.turning(vec![(Knob::LearningRate, 5e-3)]));
    let view = || session.runs().remove(0);
    let log = || session.log::<TrainEvent>(run, 0);
    until("a report", || {
        log().iter().any(|e| matches!(&**e, TrainEvent::Report(report) if report.step >= 4))
    });
    session.control(run, Control::Pause);
    until("the pause", || view().state == RunState::Paused);
    let before = view().entries;
    session.order(run, TrainOrder::GoTo(2));
    session.order(run, TrainOrder::Turn(Knob::LearningRate, 1e-4));
    session.order(run, TrainOrder::Turn(Knob::LearningRate, f64::NAN));
    session.order(run, "an order of another kind");
    until("the answers", || view().entries >= before + 5);
    assert_eq!(view().state, RunState::Paused, "it stays so");
    let said = &log()[before..];
    assert!(matches!(&*said[0], TrainEvent::WentTo { step: 2, .. }), "{said:?}");
    assert!(matches!(&*said[1], TrainEvent::Kept(kept) if kept.len() > 2), "{said:?}");
    // What it was stays on the disk.
    assert!(matches!(&*said[2], TrainEvent::Waits { step: 2, is_whole: true }), "{said:?}");
    let saved = |e: &std::sync::Arc<TrainEvent>| match &**e {
        TrainEvent::Saved { step, orders } => Some((*step, *orders)),
        _ => None,
    };
    let (step, orders) = log().iter().rev().find_map(saved).unwrap();
    assert!(step >= 4 && orders == 1, "{step} {orders}");
    assert!(matches!(&*said[3], TrainEvent::Turned(order) if order.step == 2), "{said:?}");
    assert!(matches!(&*said[4], TrainEvent::Refused(_)), "{said:?}");
    session.control(run, Control::StepOnce);
    let is_third = |e: &TrainEvent| matches!(e, TrainEvent::Report(report) if report.step == 3);
    // The first time it came here it was not told to step.
    until("a step", || log()[before..].iter().any(|event| is_third(event)));
    // A single step is told, with the losses that its report has.
    let all = log();
    let stepped = all.iter().find_map(|event| match &**event {
        TrainEvent::Stepped { step, before, after } => Some((*step, before.clone(), after.clone())),
        _ => None,
    });
    let third = all.iter().rev().find(|event| is_third(event)).unwrap();
    let TrainEvent::Report(report) = &**third else { panic!() };
    assert_eq!(stepped, Some((3, Vec::new(), report.losses.clone())));
    session.control(run, Control::Cancel);
    until("the end", || view().state.is_over());

    // The folder tells the same.
    let stored = crate::training::stored_run(folder.path()).unwrap();
    assert_eq!((stored.name.as_str(), stored.step, stored.steps), ("tiny", 3, 1_000_000));
    let last = stored.reports.last().unwrap();
    let usage = stored.columns.iter().position(|column| column == "usage").unwrap();
    assert_eq!(last.step, 3);
    assert!((last.values[usage] - report.figure("usage").unwrap()).abs() < 1e-5);
    assert_eq!(stored.counts.last().unwrap().step, 3);
    assert_eq!(stored.orders.len(), 2, "{:?}", stored.orders);
    assert_eq!(stored.checkpoint, Some(checkpoint(folder.path())));
}

#[test]
fn a_report_tells_of_the_steps_before_an_interruption_too() {
    let classifier = super::networks::classifier(10);
    let restarting = recipe(&VQ.replace("restart: 0.5", "restart: 4.0"), "");
    for (name, recipe) in [("codes", restarting), ("classes", classifier)] {
        let folder = tempfile::tempdir().unwrap();
        let recipe = Recipe { report_every: recipe.steps, ..recipe };
        let report = |trainer: &mut Trainer| {
            let mut report = None;
            while report.is_none() {
                report = trainer.step().unwrap();
            }
            let report = report.unwrap();
            (report.step, report.restarted, report.figures, report.counts)
        };
        let whole = report(&mut start(recipe.clone(), &folder.path().join(name), false).unwrap());
        let parts = folder.path().join("parts");
        let mut trainer = start(recipe.clone(), &parts, false).unwrap();
        for _ in 0..4 {
            assert!(trainer.step().unwrap().is_none());
        }
        trainer.save().unwrap();
        drop(trainer);
        assert_eq!(report(&mut start(recipe, &parts, true).unwrap()), whole);
        assert!(name == "classes" || whole.1 > 0, "something to be told");
    }
}

/// A run over a folder of pictures, in a session; which is dropped with it.
fn over(pictures: &Path, out: &Path, steps: u64) -> (Session, crate::session::RunId, TrainRun) {
    let device = crate::device::choice_of_tests().unwrap();
    let session = Session::new(Settings { device, ..Settings::new("assets") }).unwrap();
    let from = crate::training::DataSource::Path(pictures.to_owned());
    let plain = Recipe { steps, ..recipe(VQ, "") };
    let data = vec![crate::training::DataPart { from, ..plain.data[0].clone() }];
    let recipe = Recipe { data, ..plain };
    let here = || std::path::PathBuf::from(".");
    let work = |resume| TrainRun::new(recipe.clone(), here(), here(), out.to_owned(), resume);
    let run = session.start(work(true));
    (session, run, work(true))
}

fn pictures(folder: &Path, names: &[&str]) {
    std::fs::create_dir_all(folder).unwrap();
    for name in names {
        let picture = Picture::new(16, 16, vec![90; 16 * 16 * 3]).unwrap();
        crate::images::save_png(&picture, &folder.join(name)).unwrap();
    }
}

#[test]
fn a_run_waits_before_it_goes_on_with_other_images_than_before() {
    let desk = tempfile::tempdir().unwrap();
    let (set, out) = (desk.path().join("set"), desk.path().join("run"));
    pictures(&set, &["a.png", "b.png"]);
    let (session, run, _) = over(&set, &out, 4);
    assert_eq!(session.wait_run(run), Ok(RunState::Done));
    drop(session);
    // The same images in a folder that moved are the same images.
    std::fs::create_dir(desk.path().join("away")).unwrap();
    let moved = desk.path().join("away/set");
    std::fs::rename(&set, &moved).unwrap();
    let (session, run, _) = over(&moved, &out, 6);
    assert_eq!(session.wait_run(run), Ok(RunState::Done));
    drop(session);
    std::fs::remove_file(moved.join("b.png")).unwrap();
    pictures(&moved, &["c.png"]);
    let steps = || crate::training::stored_run(&out).unwrap().step;
    let (session, run, again) = over(&moved, &out, 8);
    let problem = session.wait_run(run).unwrap_err();
    assert!(problem.summary.contains("set has as many images (2)"), "{problem}");
    assert!(problem.hint.contains("--other-data"), "{problem}");
    assert_eq!((session.runs()[0].state.clone(), steps()), (RunState::Paused, 6));
    assert!(crate::training::brief(&out).unwrap().problem.is_some(), "said in the folder, too");
    // Resumed it takes them, and they are its own from then on.
    session.control(run, Control::Resume);
    until("the end", || session.runs()[0].state.is_over());
    assert_eq!((session.runs()[0].state.clone(), steps()), (RunState::Done, 8));
    assert_eq!(crate::training::brief(&out).unwrap().problem, None);
    drop((session, again));
    let (session, run, _) = over(&moved, &out, 9);
    assert_eq!(session.wait_run(run), Ok(RunState::Done));
    drop(session);
    // Runs of before there was a word of it go on; and who says so beforehand is not asked.
    pictures(&moved, &["d.png"]);
    std::fs::remove_file(out.join("data.json")).unwrap();
    let (session, run, _) = over(&moved, &out, 10);
    assert_eq!(session.wait_run(run), Ok(RunState::Done));
    pictures(&moved, &["e.png"]);
    let (other, asked, work) = over(&moved, &out, 11);
    assert!(other.wait_run(asked).unwrap_err().summary.contains("4 images, it had 3"));
    drop(other);
    let run = session.start(work.with_other_data(true));
    assert_eq!(session.wait_run(run), Ok(RunState::Done));
}

#[test]
fn a_run_whose_folder_is_taken_away_waits_and_goes_on_when_it_is_back() {
    let desk = tempfile::tempdir().unwrap();
    let (set, out) = (desk.path().join("set"), desk.path().join("run"));
    pictures(&set, &["a.png", "b.png"]);
    let (session, run, _) = over(&set, &out, 1_000_000);
    let view = || session.runs().remove(0);
    let reports = || {
        let log = session.log::<TrainEvent>(run, 0);
        log.iter().filter(|e| matches!(&***e, TrainEvent::Report(_))).count()
    };
    until("a report", || reports() > 2);
    let away = desk.path().join("away");
    std::fs::rename(&out, &away).unwrap();
    until("the problem", || view().problem.is_some() || view().state.is_over());
    let problem = view().problem.expect("paused, not over");
    assert!(problem.summary.contains("the run's folder is gone"), "{problem}");
    assert!(problem.hint.contains("Resume"), "{problem}");
    assert!(!out.exists(), "nothing is made in its place unasked");
    std::fs::rename(&away, &out).unwrap();
    let before = reports();
    session.control(run, Control::Resume);
    until("more reports", || reports() > before + 2);
    session.control(run, Control::Pause);
    until("the pause", || view().state == RunState::Paused);
    assert_eq!(view().problem, None);
    let stored = crate::training::stored_run(&out).unwrap();
    let steps: Vec<u64> = stored.reports.iter().map(|report| report.step).collect();
    assert_eq!(steps, (1..=stored.step).collect::<Vec<_>>(), "no report is lost or told twice");
    // Gone for good: resumed it makes a new one.
    std::fs::remove_dir_all(&out).unwrap();
    session.control(run, Control::Resume);
    until("the problem", || view().problem.is_some());
    session.control(run, Control::Resume);
    let before = reports();
    until("more reports", || reports() > before);
    session.control(run, Control::Cancel);
    until("the end", || view().state.is_over());
    assert!(crate::training::stored_run(&out).unwrap().step > stored.step);
}

#[test]
fn a_run_that_is_started_paused_is_set_up_and_takes_no_step() {
    let folder = tempfile::tempdir().unwrap();
    let device = crate::device::choice_of_tests().unwrap();
    let session = Session::new(Settings { device, ..Settings::new("assets") }).unwrap();
    let here = || std::path::PathBuf::from(".");
    let work = TrainRun::new(recipe(VQ, ""), here(), here(), folder.path().to_owned(), false);
    let run = session.start_paused(work);
    until("the pause", || session.runs()[0].state == RunState::Paused);
    let log = session.log::<TrainEvent>(run, 0);
    assert!(matches!(&*log[0], TrainEvent::Started { step: 0, .. }), "{log:?}");
    assert!(!log.iter().any(|e| matches!(&**e, TrainEvent::Report(_))), "{log:?}");
    session.control(run, Control::Resume);
    assert_eq!(session.wait_run(run), Ok(RunState::Done));
}
