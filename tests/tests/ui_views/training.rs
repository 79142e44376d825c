//! Training as a person starts it in the window: a recipe is opened, the tokenizer comes out.

use std::path::Path;
use std::time::Duration;

use smalti::document::{Layout, Open, Severity, ViewId};
use smalti::studio::StudioOptions;
use smalti_tests::tiny::{tiny_config, write_png};
use smalti_tests::window::{
    Small, Window, assets, click_label, empty, is_in_front, open_sized, point, rect_of, says, send,
    settle, tab, train,
};

/// A recipe of a few steps over one picture beside it.
fn write_recipe(folder: &Path) -> std::path::PathBuf {
    write_png(&folder.join("pictures.png"), 40, 40, 1);
    std::fs::create_dir(folder.join("pictures")).unwrap();
    std::fs::rename(folder.join("pictures.png"), folder.join("pictures/one.png")).unwrap();
    let config = tiny_config();
    let levels = config.quantizer.levels();
    let n = &config.network;
    let recipe = format!(
        "(name: \"small\", seed: 1, tokenizer: (name: \"small\", network: (ch: {}, ch_mult: {:?}, \
         num_res_blocks: 1, attn_resolutions: [], resolution: 8, z_channels: {}, embed_dim: {}, \
         norm_groups: {}), quantizer: Fsq((levels: {levels:?}))), \
         data: [(weight: 1.0, from: Path(\"pictures\"))], crop: (side: 8, scales: [16]), batch: 2, \
         steps: 6, report_every: 2, optimizer: (lr: 1e-3))",
        n.ch, n.ch_mult, n.z_channels, n.embed_dim, n.norm_groups
    );
    let path = folder.join("small.ron");
    std::fs::write(&path, recipe).unwrap();
    path
}

/// Frames until so many runs were started and are over.
fn until_over(window: &mut Window, count: usize) {
    for _ in 0..2000 {
        window.step();
        let runs = window.state().session().runs();
        if runs.len() == count && runs.iter().all(|run| run.state.is_over()) {
            settle(window);
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the run does not end: {:?}", window.state().session().runs());
}

#[test]
fn a_recipe_that_is_opened_trains_and_its_tokenizer_can_be_opened() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recipe = write_recipe(desk.path());
    let settings_dir = Some(home.path().to_owned());
    let options = StudioOptions { settings_dir, ..StudioOptions::new(assets()) };
    let mut window = open_sized(options, [1280.0, 800.0]);
    for number in 1..=2 {
        train(&mut window, recipe.clone());
        assert!(is_in_front(&window, ViewId::Training), "{:?}", window.state().notices());
        until_over(&mut window, number);
        // Every run has a folder of its own: none is trained over.
        let model = home.path().join(format!("runs/small-{number}/small.safetensors"));
        assert!(model.is_file(), "{:?}", window.state().session().runs());
        send(&mut window, Open::Path(model));
        let label = window.state().document().model.label();
        assert_eq!(label, format!("small-{number}"), "two runs of one recipe are told apart");
        window.state().notices().list().iter().for_each(|notice| {
            assert_ne!(notice.severity, Severity::Error, "{notice:?}");
        });
    }
}

#[test]
fn the_rows_of_images_come_back_after_a_run_whose_codes_are_its_own() {
    let (desk, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recipe = write_recipe(desk.path());
    let small = Small::new();
    let settings_dir = Some(home.path().to_owned());
    let options = StudioOptions { settings_dir, ..empty(tab(ViewId::Codebook)) };
    let mut window = open_sized(options, [1000.0, 800.0]);
    small.open_in(&mut window);
    let rows = |window: &Window, of: &str| says(window, &format!("Use of the codes, {of}"));
    assert!(rows(&window, "images"));
    train(&mut window, recipe);
    until_over(&mut window, 1);
    send(&mut window, Layout::Close(ViewId::Training.into()));
    assert!(rows(&window, "images"), "the run is over");
    // The run's rows are a click away; its codes are not those of the tokenizer in the window.
    click_label(&mut window, "time ↓ × code →, train small");
    let first = |window: &Window| {
        let rect = rect_of(window, "Use of the codes, time");
        rect.min + egui::vec2(rect.width() / 40.0, 3.0)
    };
    let at = first(&window);
    point(&mut window, at);
    assert!(says(&window, "point at a cell"), "no code of the document is lit");
    send(&mut window, Open::Path(home.path().join("runs/small-1/small.safetensors")));
    let at = first(&window);
    point(&mut window, at);
    assert!(!says(&window, "point at a cell"), "now they are the same codes");
}

#[test]
fn a_recipe_that_cannot_be_used_is_a_notice_with_the_place_and_starts_nothing() {
    let desk = tempfile::tempdir().unwrap();
    let path = desk.path().join("wrong.ron");
    let text = std::fs::read_to_string(assets().join("recipes/worlds-fsq.ron")).unwrap();
    std::fs::write(&path, text.replace("seed:", "sede:")).unwrap();
    let mut window = open_sized(StudioOptions::new(assets()), [1280.0, 800.0]);
    send(&mut window, Open::Path(path));
    let notice = window.state().notices().list().last().cloned().unwrap();
    assert_eq!(notice.severity, Severity::Error);
    for word in ["wrong.ron", "line", "sede"] {
        assert!(notice.summary.contains(word), "{notice:?}");
    }
    assert!(window.state().session().runs().is_empty());
    assert!(!says(&window, "running"));
}
