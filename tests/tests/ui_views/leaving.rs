//! Scenes that are left: what they began waits, is said to wait, and goes on when they are back.

use std::path::Path;
use std::time::Duration;

use egui_kittest::kittest::Queryable;
use smalti::document::{JobCommand, Layout, Open, ViewId};
use smalti::studio::StudioOptions;
use smalti_engine::session::{Control, RunState};
use smalti_tests::window::{Window, empty, open_sized, send, settle, tab, until};

use super::training_view::{has_said, write_recipe};

/// A window whose shipped recipes are two that are small and do not end soon.
fn open(given: &Path, home: &Path) -> Window {
    let recipes = given.join("recipes");
    std::fs::create_dir(&recipes).unwrap();
    for name in ["collapse", "collapse-cured"] {
        write_recipe(&recipes, name, (1_000_000, "1e-2"));
    }
    let (settings_dir, assets) = (Some(home.to_owned()), given.to_owned());
    let options = StudioOptions { settings_dir, assets, ..empty(tab(ViewId::Training)) };
    open_sized(options, [1280.0, 800.0])
}

fn scene(name: &str) -> Layout {
    Layout::Scene(name.to_owned())
}

/// Frames until the two runs stand so.
fn states(window: &mut Window, wanted: &[RunState; 2]) {
    for _ in 0..4000 {
        window.step();
        let runs = window.state().session().runs();
        if runs.iter().map(|run| &run.state).eq(wanted) {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("never {wanted:?}: {:?}", window.state().session().runs());
}

const RUNNING: RunState = RunState::Running;
const PAUSED: RunState = RunState::Paused;

#[test]
fn what_a_scene_began_waits_while_another_one_is_shown_and_goes_on_when_it_is_back() {
    let (given, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(given.path(), home.path());
    send(&mut window, scene("collapse"));
    until(&mut window, "A · collapse-1");
    until(&mut window, "B · collapse-cured-1");
    send(&mut window, scene("race"));
    states(&mut window, &[PAUSED, PAUSED]);
    assert!(has_said(&window, "You have left Collapse: 2 jobs that it began are paused"));
    assert!(window.query_by_label("2 jobs").is_some(), "the status bar counts them");
    send(&mut window, scene("collapse"));
    states(&mut window, &[RUNNING, RUNNING]);
    // What a person has paused waits for that person.
    let first = window.state().session().runs()[0].id;
    window.state().session().control(first, Control::Pause);
    states(&mut window, &[PAUSED, RUNNING]);
    send(&mut window, scene("race"));
    states(&mut window, &[PAUSED, PAUSED]);
    send(&mut window, scene("collapse"));
    states(&mut window, &[PAUSED, RUNNING]);
}

#[test]
fn what_a_person_has_cancelled_is_not_paused_with_its_scene_nor_brought_back_with_it() {
    let (given, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(given.path(), home.path());
    send(&mut window, scene("collapse"));
    until(&mut window, "A · collapse-1");
    until(&mut window, "B · collapse-cured-1");
    states(&mut window, &[RUNNING, RUNNING]);
    let ended = window.state().session().runs()[0].id;
    // All in one frame: its last step goes on meanwhile.
    window.state().send(JobCommand::Control(ended, Control::Cancel));
    window.state().send(scene("race"));
    send(&mut window, scene("collapse"));
    let told = "You have left Collapse: the job that it began is paused";
    assert!(has_said(&window, told), "{:?}", window.state().notices());
    let state = window.state().session().wait_run(ended);
    assert_eq!(state.unwrap(), RunState::Cancelled, "it ends, and does not go on for ever");
}

#[test]
fn what_was_not_ready_when_its_scene_was_left_is_said_to_wait_and_goes_on_when_it_is_back() {
    let (given, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(given.path(), home.path());
    // Both in one frame: nothing can be ready between them.
    window.state().send(scene("collapse"));
    send(&mut window, scene("race"));
    let left = "You have left Collapse: 2 trainings that it prepares will wait when they are ready";
    assert!(has_said(&window, left), "{:?}", window.state().notices());
    states(&mut window, &[PAUSED, PAUSED]);
    settle(&mut window);
    let said = window.state().notices().list();
    let said = said.iter().find(|notice| notice.summary.starts_with("collapse-1, "));
    let said = said.unwrap_or_else(|| panic!("{:?}", window.state().notices()));
    assert!(said.summary.ends_with("waits: its scene was left meanwhile"), "{said:?}");
    assert!(said.hint.contains("when the scene is chosen again"), "{said:?}");
    send(&mut window, scene("collapse"));
    states(&mut window, &[RUNNING, RUNNING]);
}

#[test]
fn two_scenes_of_one_title_are_two() {
    let (given, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = open(given.path(), home.path());
    let written = |number: usize, recipe: &str| {
        let path = given.path().join(format!("lesson-{number}.ron"));
        let text = format!(
            "(title: \"Lesson\", about: \"a\", layout: Tabs(views: [Training]), trains: [\"{recipe}\"])"
        );
        std::fs::write(&path, text).unwrap();
        path
    };
    send(&mut window, Open::Path(written(1, "collapse")));
    until(&mut window, "A · collapse-1");
    send(&mut window, Open::Path(written(2, "collapse-cured")));
    until(&mut window, "B · collapse-cured-1");
    states(&mut window, &[PAUSED, RUNNING]);
    // The first one, by its file.
    send(&mut window, Open::Path(given.path().join("lesson-1.ron")));
    states(&mut window, &[RUNNING, PAUSED]);
}

#[test]
fn a_measurement_that_the_next_scene_shows_too_goes_on_and_is_not_said_to_wait() {
    let (given, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let runs_dir = Some(home.path().join("runs"));
    let options = StudioOptions { runs_dir, ..empty(tab(ViewId::Pareto)) };
    let mut window = open_sized(options, [1280.0, 800.0]);
    let lesson = |title: &str, measures: &str| {
        let path = given.path().join(format!("{title}.ron"));
        let text = format!(
            "(title: \"{title}\", about: \"a\", layout: Tabs(views: [Pareto]), \
             loads: (source: Worlds(seed: 7)), measures: [{measures}])"
        );
        std::fs::write(&path, text).unwrap();
        path
    };
    let one = lesson("One", "\"worlds-fsq-f8\", \"worlds-fsq\"");
    let (two, three) = (lesson("Two", "\"worlds-fsq-f8\""), lesson("Three", ""));
    let open = |window: &mut Window, path: &Path| {
        window.state().send(Open::Path(path.to_owned()));
        let title = path.file_stem().unwrap().to_str().unwrap().to_owned();
        for _ in 0..4000 {
            window.step();
            if window.state().title().contains(&title) || !window.state().is_working() {
                break;
            }
        }
        settle(window);
    };
    let state = |window: &mut Window, wanted: RunState| {
        for _ in 0..4000 {
            window.step();
            let runs = window.state().session().runs();
            assert_eq!(runs.len(), 1, "one measures: {runs:?}");
            assert!(!runs[0].state.is_over(), "too quick for this test: {runs:?}");
            if runs[0].state == wanted {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let said = window.state().notices().list();
        panic!("never {wanted:?}: {:?}, {said:?}", window.state().session().runs());
    };
    let left = |window: &Window| {
        let said = window.state().notices().list().iter().map(|notice| notice.summary.clone());
        said.filter(|summary| summary.starts_with("You have left")).collect::<Vec<_>>()
    };
    open(&mut window, &one);
    state(&mut window, RUNNING);
    open(&mut window, &two);
    state(&mut window, RUNNING);
    assert_eq!(left(&window), Vec::<String>::new(), "it goes on: nothing is said to wait");
    open(&mut window, &three);
    state(&mut window, PAUSED);
    assert_eq!(left(&window), ["You have left Two: the job that it began is paused"]);
    open(&mut window, &one);
    state(&mut window, RUNNING);
}
