//! Runs as a person begins them and finds them again: what is asked before, and the list of all.

use std::path::{Path, PathBuf};

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use smalti::document::{JobCommand, Layout, Open, RecipeRef, Slot, ViewId};
use smalti::studio::StudioOptions;
use smalti_engine::session::{Control, RunState};
use smalti_engine::training::{Recipe, recipe_file};
use smalti_tests::tiny::write_png;
use smalti_tests::window::{
    Window, click_label, empty, labels, open_sized, press, says, send, settle, tab, train, until,
};

/// A recipe over one picture beside it.
fn write_recipe(folder: &Path, steps: u32) -> PathBuf {
    std::fs::create_dir_all(folder.join("pictures")).unwrap();
    write_png(&folder.join("pictures/one.png"), 40, 40, 1);
    let text = format!(
        "(name: \"small\", seed: 5, tokenizer: (name: \"small\", network: (ch: 4, ch_mult: [1, 2],
            num_res_blocks: 1, decoder_res_blocks: 1, attn_resolutions: [], resolution: 8,
            z_channels: 3, embed_dim: 2, mid: false, norm_groups: 2),
            quantizer: Vq((codes: 16, update: Ema, decay: 0.9, restart: 0.5, start: Data(2)))),
        data: [(weight: 1, from: Path(\"pictures\"))], crop: (side: 8, mirror: true),
        batch: 2, steps: {steps}, optimizer: (lr: 1e-2), report_every: 1)"
    );
    let path = folder.join("small.ron");
    std::fs::write(&path, text).unwrap();
    path
}

fn open(home: &Path, view: ViewId) -> Window {
    let options = StudioOptions { settings_dir: Some(home.join("settings")), ..empty(tab(view)) };
    let options = StudioOptions { runs_dir: Some(home.join("runs")), ..options };
    open_sized(options, [1280.0, 800.0])
}

/// Replaces what stands in a field of the dialog.
fn fill(window: &mut Window, field: &str, text: &str) {
    window.get_by_role_and_label(Role::TextInput, field).focus();
    window.step();
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.step();
    window.get_by_role_and_label(Role::TextInput, field).type_text(text);
    settle(window);
}

fn value(window: &Window, field: &str) -> String {
    let node = window.get_by_role_and_label(Role::TextInput, field);
    node.accesskit_node().value().unwrap_or_default()
}

fn states(window: &Window) -> Vec<RunState> {
    window.state().session().runs().into_iter().map(|run| run.state).collect()
}

#[test]
fn nothing_is_trained_before_it_is_wanted_and_what_is_filled_in_is_what_is_trained() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recipe = write_recipe(desk.path(), 1_000_000);
    let mut window = open(home.path(), ViewId::Training);
    send(&mut window, Open::Path(recipe.clone()));
    assert!(says(&window, "Train small") && says(&window, "the recipe's: pictures"));
    assert_eq!(value(&window, "Folder"), home.path().join("runs/small-1").display().to_string());
    assert!(says(&window, "not known yet"), "no time is made up");
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(!says(&window, "Train small") && states(&window).is_empty(), "Escape leaves");
    assert!(!home.path().join("runs").exists(), "and leaves nothing behind");

    send(&mut window, Open::Path(recipe));
    fill(&mut window, "Steps", "4");
    fill(&mut window, "Picture size", "16");
    let elsewhere = desk.path().join("others");
    std::fs::create_dir(&elsewhere).unwrap();
    write_png(&elsewhere.join("a.png"), 30, 30, 2);
    fill(&mut window, "elsewhere:", &elsewhere.display().to_string());
    let folder = desk.path().join("mine");
    fill(&mut window, "Folder", &folder.display().to_string());
    click_label(&mut window, "C");
    press(&mut window, Modifiers::NONE, Key::Enter);
    until(&mut window, "C · mine");
    until(&mut window, "done · step 4 of 4");
    let own = Recipe::read(&recipe_file(&folder)).unwrap();
    assert_eq!((own.steps, own.crop.side, own.batch), (4, 16, 2));
    assert!(format!("{:?}", own.data).contains("others"), "{:?}", own.data);
    assert!(window.state().document().runs[Slot::C as usize].is_some());
}

#[test]
fn what_contradicts_is_refused_in_the_dialog_with_its_field() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recipe = write_recipe(desk.path(), 10);
    let mut window = open(home.path(), ViewId::Training);
    send(&mut window, Open::Path(recipe));
    fill(&mut window, "Picture size", "9");
    assert!(says(&window, "Picture size: 9 is not a multiple of 2"));
    press(&mut window, Modifiers::NONE, Key::Enter);
    press(&mut window, Modifiers::NONE, Key::Enter);
    assert!(says(&window, "Train small") && states(&window).is_empty(), "it does not begin");
    fill(&mut window, "Picture size", "8");
    // Only the disk knows this: what was filled in stands there again, with the word.
    fill(&mut window, "Steps", "7");
    fill(&mut window, "elsewhere:", &desk.path().join("nowhere").display().to_string());
    click_label(&mut window, "Start");
    until(&mut window, "Data: ");
    assert!(says(&window, "nowhere") && states(&window).is_empty());
    assert_eq!(value(&window, "Steps"), "7");
    click_label(&mut window, "the recipe's: pictures");
    let full = desk.path().display().to_string();
    fill(&mut window, "Folder", &full);
    click_label(&mut window, "Start");
    until(&mut window, "is not empty");
    assert!(labels(&window, "Folder: ").iter().any(|said| said.contains(&full)));
    assert!(states(&window).is_empty());
}

#[test]
fn earlier_runs_are_listed_and_go_on_from_there() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recipe = write_recipe(desk.path(), 1_000_000);
    let mut window = open(home.path(), ViewId::Training);
    train(&mut window, recipe);
    until(&mut window, "of 16 codes");
    click_label(&mut window, "Pause A");
    until(&mut window, "paused · step ");
    drop(window);

    // The next sitting.
    let mut window = open(home.path(), ViewId::Training);
    send(&mut window, Layout::Show(ViewId::Runs));
    until(&mut window, "Resume small-1");
    assert!(says(&window, "stopped"));
    let told = labels(&window, " of 1\u{a0}000\u{a0}000").remove(0);
    assert!(told.starts_with("small · step ") && told.contains("loss "), "{told}");
    click_label(&mut window, "Resume small-1");
    until(&mut window, "running · step ");
    // Its slot is freed: it is in the list still, and goes on.
    send(&mut window, Open::NoRun(Slot::A));
    send(&mut window, Layout::Show(ViewId::Runs));
    until(&mut window, "running");
    let run = window.state().session().runs()[0].id;
    send(&mut window, JobCommand::Control(run, Control::Pause));
    until(&mut window, "paused");
    click_label(&mut window, "Open small-1");
    until(&mut window, "A · small-1");
    until(&mut window, "paused · step ");
}

#[test]
fn a_run_elsewhere_is_listed_once_it_was_opened_and_removing_it_keeps_its_files() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recipe = write_recipe(desk.path(), 3);
    let mut window = open(home.path(), ViewId::Training);
    train(&mut window, recipe);
    until(&mut window, "done · step 3");
    drop(window);
    let (runs, away) = (home.path().join("runs/small-1"), desk.path().join("away"));
    std::fs::rename(&runs, &away).unwrap();
    let mut window = open(home.path(), ViewId::Runs);
    send(&mut window, Layout::Show(ViewId::Runs));
    until(&mut window, "There are no runs yet");
    send(&mut window, Open::Path(away.clone()));
    send(&mut window, Layout::Show(ViewId::Runs));
    until(&mut window, "Remove away");
    assert!(says(&window, "done") && window.query_by_label("Resume away").is_none());
    click_label(&mut window, "Open as model away");
    assert_eq!(window.state().document().model.label(), "small");
    send(&mut window, Layout::Show(ViewId::Runs));
    click_label(&mut window, "Remove away");
    assert!(window.query_by_label("Remove away").is_none());
    assert!(away.join("checkpoint.safetensors").is_file());
    // One of the usual folder comes back when it is wanted.
    std::fs::rename(&away, &runs).unwrap();
    drop(window);
    let mut window = open(home.path(), ViewId::Runs);
    send(&mut window, Layout::Show(ViewId::Runs));
    until(&mut window, "Remove small-1");
    click_label(&mut window, "Remove small-1");
    assert!(window.query_by_label("Remove small-1").is_none());
    click_label(&mut window, "List all again");
    until(&mut window, "Remove small-1");
}

#[test]
fn a_run_whose_images_are_others_by_now_waits_with_the_reason_and_resume_takes_them() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recipe = write_recipe(desk.path(), 1_000_000);
    let mut window = open(home.path(), ViewId::Training);
    train(&mut window, recipe);
    until(&mut window, "of 16 codes");
    click_label(&mut window, "Stop A");
    until(&mut window, "Go on A");
    write_png(&desk.path().join("pictures/two.png"), 40, 40, 2);
    click_label(&mut window, "Go on A");
    until(&mut window, "pictures has 2 images, it had 1");
    until(&mut window, "paused · step ");
    assert!(says(&window, "Resume goes on with these"), "with what to do");
    assert!(window.query_by_label_contains("Go back to step").is_none(), "nothing is broken");
    click_label(&mut window, "Resume A");
    until(&mut window, "running · step ");
    // The word of it that passes.
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert!(!says(&window, "it had 1"));
}

#[test]
fn a_recipe_of_another_name_is_chosen_in_the_dialog() {
    let home = tempfile::tempdir().unwrap();
    let mut window = open(home.path(), ViewId::Training);
    send(&mut window, JobCommand::AskTrain(RecipeRef::Shipped("worlds-fsq".into())));
    until(&mut window, "Train worlds-fsq");
    click_label(&mut window, "Worlds, painted without end");
    let batch = |window: &Window| {
        let field = window.get_by_role_and_label(egui::Role::TextInput, "Batch");
        field.accesskit_node().value().unwrap_or_default()
    };
    window.get_by_role_and_label(egui::Role::TextInput, "Batch").focus();
    settle(&mut window);
    press(&mut window, Modifiers::COMMAND, Key::A);
    window.event(egui::Event::Text("3".to_owned()));
    settle(&mut window);
    assert_eq!(batch(&window), "3");
    click_label(&mut window, "Recipe, worlds-fsq");
    click_label(&mut window, "collapse");
    until(&mut window, "Train collapse");
    assert_eq!(batch(&window), "3", "what was filled in stands there still");
    assert!(states(&window).is_empty());
}

#[test]
fn a_run_whose_folder_is_taken_away_waits_with_what_to_do_and_goes_on_when_it_is_back() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recipe = write_recipe(desk.path(), 1_000_000);
    let mut window = open(home.path(), ViewId::Training);
    train(&mut window, recipe);
    until(&mut window, "of 16 codes");
    let (folder, away) = (home.path().join("runs/small-1"), desk.path().join("away"));
    std::fs::rename(&folder, &away).unwrap();
    until(&mut window, "the run's folder is gone");
    assert!(says(&window, "Put it back where it was, and Resume"));
    assert!(window.query_by_label_contains("Go back to step").is_none(), "nothing is broken");
    std::fs::rename(&away, &folder).unwrap();
    click_label(&mut window, "Resume A");
    until(&mut window, "running · step ");
    click_label(&mut window, "Stop A");
    until(&mut window, "Go on A");
    let text = std::fs::read_to_string(folder.join("metrics.csv")).unwrap();
    let steps: Vec<usize> =
        text.lines().skip(1).filter_map(|l| l.split(',').next()?.parse().ok()).collect();
    assert_eq!(steps, (1..=steps.len()).collect::<Vec<_>>(), "no report is lost or told twice");
}
