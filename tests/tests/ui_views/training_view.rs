//! The Training view: runs side by side, what a person does with them, and what is left of them later.

use std::path::{Path, PathBuf};
use std::time::Duration;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use smalti::document::{
    AppCommand, Document, JobCommand, Layout, Open, Panel, RecipeRef, RunFolder, Slot, ViewId,
};
use smalti::files::saved::{self, Carried, Saved};
use smalti::studio::StudioOptions;
use smalti_engine::Knob;
use smalti_engine::session::RunState;
use smalti_engine::training::TrainEvent;
use smalti_tests::tiny::write_png;
use smalti_tests::window::{
    Window, click, click_label, drag, empty, labels, open_sized, press, rect_of, says, send,
    settle, tab, train, until,
};

/// A recipe of a codebook of 16 codes over one picture beside it.
pub(super) fn write_recipe(folder: &Path, name: &str, (steps, lr): (u32, &str)) -> PathBuf {
    let pictures = folder.join("pictures");
    if !pictures.is_dir() {
        std::fs::create_dir(&pictures).unwrap();
        write_png(&pictures.join("one.png"), 40, 40, 1);
    }
    let text = format!(
        "(name: \"{name}\", seed: 5, tokenizer: (name: \"{name}\", network: (ch: 4, ch_mult: [1, 2],
            num_res_blocks: 1, decoder_res_blocks: 1, attn_resolutions: [], resolution: 8,
            z_channels: 3, embed_dim: 2, mid: false, norm_groups: 2),
            quantizer: Vq((codes: 16, update: Ema, decay: 0.9, restart: 0.5, start: Data(2)))),
        data: [(weight: 1, from: Path(\"pictures\"))], crop: (side: 8, mirror: true),
        batch: 2, steps: {steps}, optimizer: (lr: {lr}), report_every: 1,
        keep: (every: 5, megabytes: 50))"
    );
    let path = folder.join(format!("{name}.ron"));
    std::fs::write(&path, text).unwrap();
    path
}

fn open(home: &Path) -> Window {
    let settings_dir = Some(home.to_owned());
    let options = StudioOptions { settings_dir, ..empty(tab(ViewId::Training)) };
    open_sized(options, [1280.0, 800.0])
}

/// The step that the column of a run says, of how many.
fn step_said(window: &Window, word: &str) -> u64 {
    let said = labels(window, &format!("{word} · step ")).remove(0);
    let digits: String = said
        .split(" of ")
        .next()
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap()
}

/// Whether a notice said this.
pub(super) fn has_said(window: &Window, summary: &str) -> bool {
    window.state().notices().list().iter().any(|notice| notice.summary == summary)
}

fn log(window: &Window, number: usize) -> Vec<std::sync::Arc<TrainEvent>> {
    let session = window.state().session();
    session.log::<TrainEvent>(session.runs()[number].id, 0)
}

/// Presses an entry of an open menu, which may have to be scrolled to: a fast machine keeps many checkpoints
/// until the run is paused.
fn choose(window: &mut Window, label: &str) {
    window.get_by_label(label).click_accesskit();
    settle(window);
}

/// What the window asked of the system in the last frame.
pub(super) fn commands(window: &Window) -> Vec<egui::ViewportCommand> {
    window.output().viewport_output[&egui::ViewportId::ROOT].commands.clone()
}

/// As the cross of the window's frame does, in one frame.
pub(super) fn ask_to_close(window: &mut Window) {
    let viewports = &mut window.input_mut().viewports;
    let events = &mut viewports.entry(egui::ViewportId::ROOT).or_default().events;
    events.push(egui::ViewportEvent::Close);
    window.step();
    window.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default().events.clear();
}

/// Starts a long run and pauses it once its first checkpoints are kept.
fn paused(window: &mut Window, recipe: PathBuf) {
    train(window, recipe);
    until(window, "Checkpoint of A, step 10");
    click_label(window, "Pause A");
    until(window, "paused · step ");
}

#[test]
fn without_a_run_the_view_says_what_training_is_and_how_to_begin() {
    let home = tempfile::tempdir().unwrap();
    let window = open(home.path());
    assert!(says(&window, "Nothing is being trained"));
    for button in ["See a codebook collapse, and its cure", "worlds-fsq…", "A recipe of your own…"]
    {
        assert!(window.query_by_role_and_label(egui::Role::Button, button).is_some(), "{button}");
    }
    assert!(says(&window, "can be dropped"));
}

#[test]
fn a_run_is_paused_and_does_one_step_that_can_be_seen() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(home.path());
    paused(&mut window, write_recipe(desk.path(), "small", (1_000_000, "1e-2")));
    assert!(says(&window, "of 16 codes · perplexity"));
    assert!(says(&window, "Usage over steps: A "));
    assert!(says(&window, "Use of the codes, time"));
    assert!(says(&window, "Probe of 4 pictures"), "the samples, as nothing is open");

    let before = log(&window, 0).len();
    click_label(&mut window, "Step A");
    until(&mut window, "of its values changed");
    let log = log(&window, 0);
    let stepped = log[before..].iter().find_map(|event| match &**event {
        TrainEvent::Stepped { step, before, after } => Some((*step, before[0].1, after[0].1)),
        _ => None,
    });
    let (step, before, after) = stepped.unwrap();
    // Its checkpoint is being written.
    until(&mut window, "paused · step ");
    assert_eq!(step_said(&window, "paused"), step);
    assert!(
        says(&window, &format!("loss {before:.4} → {after:.4}")),
        "{:?}",
        labels(&window, "loss")
    );
    assert!(labels(&window, "probe ").iter().any(|text| text.contains("dB")));
    assert_eq!(window.state().session().runs()[0].state, RunState::Paused, "one step is one");
}

#[test]
fn a_knob_is_turned_while_the_run_goes_on_and_the_curve_says_when() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(home.path());
    paused(&mut window, write_recipe(desk.path(), "small", (1_000_000, "1e-2")));
    // A single run has room for its knobs.
    let rail = rect_of(&window, "learning rate A");
    let at = |part: f32| rail.left_center() + egui::vec2(rail.width() * part, 0.0);
    drag(&mut window, at(0.4), at(0.25));
    let turned = |window: &Window| {
        log(window, 0).iter().rev().find_map(|event| match &**event {
            TrainEvent::Turned(order) => Some(*order),
            _ => None,
        })
    };
    for _ in 0..1000 {
        if turned(&window).is_some() {
            break;
        }
        window.step();
        std::thread::sleep(Duration::from_millis(2));
    }
    let order = turned(&window).unwrap_or_else(|| panic!("{:?} at {rail}", labels(&window, "")));
    assert_eq!((order.knob, order.step), (Knob::LearningRate, step_said(&window, "paused")));
    assert!((1e-6..1e-2).contains(&order.value), "{order:?}");
    assert!(says(&window, "need a new run"), "what cannot be turned is said");
}

#[test]
fn a_setting_that_is_typed_is_taken_when_it_is_done_not_at_each_key() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(home.path());
    paused(&mut window, write_recipe(desk.path(), "small", (1_000_000, "1e-2")));
    let turned = |window: &Window| -> Vec<(Knob, f64)> {
        let turned = log(window, 0).into_iter().filter_map(|event| match &*event {
            TrainEvent::Turned(order) => Some((order.knob, order.value)),
            _ => None,
        });
        turned.collect()
    };
    // The learning rate comes first.
    let number = window.get_all_by_role(egui::accesskit::Role::SpinButton).next().unwrap();
    let at = number.rect().center();
    click(&mut window, at, Modifiers::NONE);
    for key in "0.0003".chars() {
        window.event(egui::Event::Text(key.to_string()));
        settle(&mut window);
    }
    press(&mut window, Modifiers::NONE, Key::Enter);
    for _ in 0..1000 {
        if !turned(&window).is_empty() {
            break;
        }
        window.step();
        std::thread::sleep(Duration::from_millis(2));
    }
    let turned = turned(&window);
    assert!(
        matches!(turned[..], [(Knob::LearningRate, value)] if (value - 3e-4).abs() < 1e-9),
        "{turned:?}"
    );
}

#[test]
fn a_run_goes_back_to_a_kept_checkpoint_and_another_one_branches_from_it() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(home.path());
    paused(&mut window, write_recipe(desk.path(), "small", (1_000_000, "1e-2")));
    click_label(&mut window, "Rewind A");
    choose(&mut window, "Rewind A to step 5");
    until(&mut window, "paused · step 5 of");
    assert!(says(&window, "Going on from step 5 forgets steps 6 to "), "before it is resumed");
    click_label(&mut window, "Branch A");
    choose(&mut window, "Branch A to step 5");
    until(&mut window, "B · small-2");
    // As the first one is paused, so is this one, and says so.
    assert!(has_said(&window, "small-2 waits at step 5 of small-1, which is paused, too"));
    until(&mut window, "Resume B");
    assert_eq!(window.state().session().runs()[1].state, RunState::Paused);
    click_label(&mut window, "Resume B");
    until(&mut window, "Checkpoint of B, step 10");
    let started = log(&window, 1).into_iter().find_map(|event| match &*event {
        TrainEvent::Started { step, .. } => Some(*step),
        _ => None,
    });
    assert_eq!(started, Some(5));
    assert!(says(&window, "paused · step 5 of"), "the first one stays where it is");
    // The branch shows the way that both have in common.
    assert!(says(&window, "Usage over steps: A "));
    assert!(labels(&window, "Usage over steps")[0].contains(", B "));
    click_label(&mut window, "Stop B");
    until(&mut window, "stopped · step ");
    assert!(says(&window, "Go on B"));
}

#[test]
fn a_run_of_an_earlier_sitting_shows_its_curves_and_goes_on() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recipe = write_recipe(desk.path(), "small", (1_000_000, "1e-2"));
    let mut window = open(home.path());
    paused(&mut window, recipe.clone());
    let step = step_said(&window, "paused");
    let used = labels(&window, "of 16 codes").remove(0);
    drop(window);

    let layout = Panel::Row(vec![(0.7, tab(ViewId::Training)), (0.3, tab(ViewId::Codebook))]);
    let settings_dir = Some(home.path().to_owned());
    let options = StudioOptions { settings_dir, ..empty(layout) };
    let mut window = open_sized(options, [1600.0, 800.0]);
    let recipe = RecipeRef::File(recipe.into());
    let folder = home.path().join("runs/small-1");
    send(&mut window, Open::Run(Slot::A, RunFolder { folder, recipe }));
    until(&mut window, "stored · step ");
    assert_eq!(step_said(&window, "stored"), step);
    assert!(says(&window, &used), "{used}: {:?}", labels(&window, "codes"));
    assert!(says(&window, "Usage over steps: A "));
    assert!(says(&window, "Checkpoint of A, step 5"));
    until(&mut window, "Probe of 4 pictures");
    until(&mut window, "time ↓ × code →, ");
    click_label(&mut window, "Go on A");
    until(&mut window, "running · step ");
    click_label(&mut window, "Pause A");
    until(&mut window, "paused · step ");
    assert!(step_said(&window, "paused") >= step);
    // What was before is not forgotten.
    let rows = labels(&window, "Use of the codes, time").remove(0);
    let count: u64 = rows.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap();
    assert!(count >= step / 2, "{rows} at step {step}");
}

#[test]
fn a_folder_of_a_run_that_is_opened_takes_a_slot() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(home.path());
    paused(&mut window, write_recipe(desk.path(), "small", (1_000_000, "1e-2")));
    let step = step_said(&window, "paused");
    drop(window);
    let mut window = open(home.path());
    send(&mut window, Open::Path(home.path().join("runs/small-1")));
    until(&mut window, "A · small-1");
    until(&mut window, "stored · step ");
    assert_eq!(step_said(&window, "stored"), step);
    assert!(!has_said(&window, "small-1 is shown, but its recipe is not there"));
    // Its recipe lies in it, also when that which it was started by is gone.
    std::fs::remove_file(desk.path().join("small.ron")).unwrap();
    click_label(&mut window, "Go on A");
    until(&mut window, "running · step ");
    click_label(&mut window, "Stop A");
    until(&mut window, "stopped · step ");
    let step = step_said(&window, "stopped");
    drop(window);
    let mut window = open(home.path());
    send(&mut window, Open::Path(home.path().join("runs/small-1")));
    until(&mut window, "stored · step ");
    // A second time it is in its slot already.
    send(&mut window, Open::Path(home.path().join("runs/small-1")));
    assert_eq!(window.state().document().runs.iter().flatten().count(), 1);
    // Another program trains on in it.
    let log = home.path().join("runs/small-1/metrics.csv");
    let text = std::fs::read_to_string(&log).unwrap();
    let usage = text.lines().next().unwrap().split(',').position(|name| name == "usage").unwrap();
    let mut cells: Vec<&str> = text.lines().last().unwrap().split(',').collect();
    let next = (step + 1).to_string();
    (cells[0], cells[usage]) = (&next, "0.0123");
    std::fs::write(&log, format!("{text}{}\n", cells.join(","))).unwrap();
    until(&mut window, "Usage over steps: A 1.2 %");
}

#[test]
fn with_four_slots_taken_what_is_done_makes_room_first_and_what_leaves_is_said() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(home.path());
    let earlier = |name: &str| {
        let recipe = RecipeRef::Shipped("worlds-fsq".into());
        RunFolder { folder: home.path().join(name), recipe }
    };
    send(&mut window, Open::Run(Slot::A, earlier("first")));
    train(&mut window, write_recipe(desk.path(), "quick", (6, "1e-2")));
    until(&mut window, "done · step 6 of");
    send(&mut window, Open::Run(Slot::C, earlier("third")));
    send(&mut window, Open::Run(Slot::D, earlier("fourth")));
    let long = write_recipe(desk.path(), "long", (1_000_000, "1e-2"));
    train(&mut window, long.clone());
    until(&mut window, "B · long-1");
    assert!(has_said(&window, "quick-1 is done and has left slot B"));
    train(&mut window, long);
    until(&mut window, "A · long-2");
    assert!(has_said(&window, "first is not done, but has left slot A"));
    // A toast passes; in the slot it is said until it was read.
    let is_said = |window: &Window, run: &str| {
        window.query_by_label(&format!("OK, {run} has left")).is_some()
    };
    assert!(is_said(&window, "first") && is_said(&window, "quick-1"));
    click_label(&mut window, "OK, first has left");
    assert!(!is_said(&window, "first") && is_said(&window, "quick-1"));
}

#[test]
fn a_scene_that_is_chosen_again_shows_its_runs_that_are_not_done_and_ends_none() {
    let (given, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // The scene's recipes, small.
    let recipes = given.path().join("recipes");
    std::fs::create_dir(&recipes).unwrap();
    for name in ["collapse", "collapse-cured"] {
        write_recipe(&recipes, name, (1_000_000, "1e-2"));
    }
    let settings_dir = Some(home.path().to_owned());
    let assets = given.path().to_owned();
    let options = StudioOptions { settings_dir, assets, ..empty(tab(ViewId::Training)) };
    let mut window = open_sized(options, [1280.0, 800.0]);
    send(&mut window, Layout::Scene("collapse".to_owned()));
    until(&mut window, "A · collapse-1");
    until(&mut window, "B · collapse-cured-1");
    // Nothing that answers its question is seen before somebody guessed, at work neither.
    assert!(says(&window, "Predict first") && !says(&window, "of 16 codes"));
    press(&mut window, Modifiers::NONE, Key::Escape);
    until(&mut window, "Checkpoint of A, step 5");
    click_label(&mut window, "Pause all");
    until(&mut window, "Resume all");
    send(&mut window, Layout::Scene("collapse".to_owned()));
    assert!(has_said(&window, "The scene's runs are not done: here they are"));
    let states = |window: &Window| -> Vec<RunState> {
        window.state().session().runs().into_iter().map(|run| run.state).collect()
    };
    assert_eq!(states(&window), [RunState::Paused, RunState::Paused]);
    press(&mut window, Modifiers::NONE, Key::Escape);
    // Once they are stopped, it begins anew, and says where those are.
    click_label(&mut window, "Stop A");
    click_label(&mut window, "Stop B");
    until(&mut window, "Go on B");
    send(&mut window, Layout::Scene("collapse".to_owned()));
    until(&mut window, "A · collapse-2");
    assert!(has_said(&window, "collapse-1 is not done, but has left slot A"));
    assert_eq!(states(&window)[..2], [RunState::Cancelled, RunState::Cancelled]);
}

#[test]
fn a_run_branches_from_where_it_stands_and_forgetting_it_says_where_it_is() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(home.path());
    paused(&mut window, write_recipe(desk.path(), "small", (1_000_000, "1e-2")));
    // To a step that is not kept.
    while step_said(&window, "paused").is_multiple_of(5) {
        let step = step_said(&window, "paused") + 1;
        click_label(&mut window, "Step A");
        until(&mut window, &format!("paused · step {step} of"));
    }
    let step = step_said(&window, "paused");
    click_label(&mut window, "Branch A");
    click_label(&mut window, &format!("Branch A to step {step}, where it stands"));
    until(&mut window, "B · small-2");
    let started = (0..1000).find_map(|_| {
        window.step();
        std::thread::sleep(Duration::from_millis(2));
        log(&window, 1).into_iter().find_map(|event| match &*event {
            TrainEvent::Started { step, .. } => Some(*step),
            _ => None,
        })
    });
    assert_eq!(started, Some(step));
    click_label(&mut window, "Stop A");
    until(&mut window, "Go on A");
    click_label(&mut window, "Forget A");
    assert!(has_said(&window, "small-1 has left slot A"));
}

#[test]
fn quitting_while_a_run_is_not_done_says_what_becomes_of_it() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(home.path());
    paused(&mut window, write_recipe(desk.path(), "small", (1_000_000, "1e-2")));
    ask_to_close(&mut window);
    settle(&mut window);
    assert!(says(&window, "Quit while a run is not done?"));
    assert!(says(&window, "What was learned is kept in the run's folder"));
    click_label(&mut window, "Cancel");
    assert!(!says(&window, "Quit while"));
    assert_eq!(window.state().session().runs()[0].state, RunState::Paused);
}

#[test]
fn quitting_while_a_document_is_saved_asks_about_a_run_as_well() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(home.path());
    let path = desk.path().join("work.smalti");
    let saved = Saved::new(Document::default(), None);
    std::fs::write(&path, saved::to_bytes(&saved, &Carried::Pasted).unwrap()).unwrap();
    send(&mut window, Open::Path(path));
    paused(&mut window, write_recipe(desk.path(), "small", (1_000_000, "1e-2")));
    // All in one frame: the second has to wait for the first.
    for _ in 0..2 {
        window.state().send(AppCommand::Save);
    }
    window.step();
    ask_to_close(&mut window);
    // What asks then is the window itself, and the system hands that back to it.
    for _ in 0..4000 {
        let wants = commands(&window).contains(&egui::ViewportCommand::Close);
        if wants || says(&window, "Quit while") {
            break;
        }
        window.step();
        std::thread::sleep(Duration::from_millis(2));
    }
    ask_to_close(&mut window);
    settle(&mut window);
    assert!(says(&window, "Quit while a run is not done?"));
    click_label(&mut window, "Cancel");
}

#[test]
fn what_is_asked_for_twice_before_it_goes_on_starts_once() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recipe = write_recipe(desk.path(), "small", (1_000_000, "1e-2"));
    let mut window = open(home.path());
    let train = || JobCommand::Train(RecipeRef::File(recipe.clone().into()), Box::default());
    window.state().send(train());
    send(&mut window, train());
    until(&mut window, "A · small-1");
    assert_eq!(window.state().session().runs().len(), 1);
    send(&mut window, train());
    until(&mut window, "B · small-2");
}

#[test]
fn a_folder_without_a_run_says_so_where_the_run_would_be() {
    let home = tempfile::tempdir().unwrap();
    let mut window = open(home.path());
    let recipe = RecipeRef::Shipped("worlds-fsq".into());
    let folder = home.path().join("runs/gone");
    send(&mut window, Open::Run(Slot::B, RunFolder { folder, recipe }));
    until(&mut window, "no run in this folder");
    click_label(&mut window, "Forget");
    assert!(says(&window, "Nothing is being trained"));
}

#[test]
fn a_loss_that_is_no_number_is_told_with_the_way_back() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(home.path());
    train(&mut window, write_recipe(desk.path(), "wild", (1_000_000, "1e30")));
    until(&mut window, "at step ");
    assert!(says(&window, "lower learning rate"), "with what to do");
    click_label(&mut window, "Go back to step 0 A");
    until(&mut window, "paused · step 0 of");
    // The word of it that passes.
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(!says(&window, "at step "), "{:?}", labels(&window, "at step "));
}

#[test]
fn in_a_low_window_codes_pictures_and_curves_of_a_run_are_all_there() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(home.path());
    paused(&mut window, write_recipe(desk.path(), "small", (1_000_000, "1e-2")));
    for size in [[640.0, 420.0], [400.0, 420.0]] {
        window.set_size(size.into());
        settle(&mut window);
        for part in ["Use of the codes, time", "Probe of 4 pictures", "Usage over steps"] {
            let rect = rect_of(&window, part);
            assert!(rect.height() > 40.0 && rect.width() > 60.0, "{size:?}: {part} at {rect:?}");
        }
        // What is below is scrolled to.
        window.get_by_label_contains("Usage over steps").scroll_to_me();
        settle(&mut window);
        let curves = rect_of(&window, "Usage over steps");
        assert!(window.ctx.content_rect().contains_rect(curves), "{size:?}: {curves:?}");
    }
}

#[test]
fn four_runs_stand_side_by_side_with_large_text_and_every_order_is_in_reach() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(home.path());
    paused(&mut window, write_recipe(desk.path(), "small", (1_000_000, "1e-2")));
    for letter in ['B', 'C', 'D'] {
        click_label(&mut window, "Branch A");
        choose(&mut window, "Branch A to step 5");
        // As the first one, it is paused.
        until(&mut window, &format!("{letter} · small"));
    }
    send(&mut window, smalti::document::AppCommand::TextScale(1.25));
    let titles: Vec<egui::Rect> =
        ['A', 'B', 'C', 'D'].map(|letter| rect_of(&window, &format!("{letter} · small"))).into();
    assert!(titles.windows(2).all(|pair| pair[0].right() < pair[1].left()), "{titles:?}");
    for letter in ['A', 'B', 'C', 'D'] {
        if window.query_by_label(&format!("Stop {letter}")).is_none() {
            click_label(&mut window, &format!("More of {letter}"));
        }
        let stop = window.get_by_label(&format!("Stop {letter}")).rect();
        assert!(window.ctx.content_rect().contains_rect(stop), "{letter}: {stop:?}");
        press(&mut window, Modifiers::NONE, Key::Escape);
    }
    for run in window.state().session().runs() {
        window.state().session().control(run.id, smalti_engine::session::Control::Cancel);
    }
}
