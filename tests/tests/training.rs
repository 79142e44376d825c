//! A training run that is killed again and again.
//!
//! Its own `main`, because the process that is killed is this program once more: called with
//! `train-here RECIPE FOLDER` it trains instead of testing.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "the list of tests is asked for on standard output")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use smalti_engine::device::of_tests;
use smalti_engine::training::{Begin, Recipe, Supplies, Trainer};
use smalti_tests::{load_tensors, tiny::write_png};

const CHILD: &str = "train-here";
const STEPS: u64 = 60;

const TESTS: [(&str, fn()); 1] = [(
    "a_run_killed_at_any_moment_loses_at_most_a_checkpoint_interval",
    a_run_killed_at_any_moment_loses_at_most_a_checkpoint_interval,
)];

/// What test runners ask of a test program: `--list`, `--ignored`, `--exact NAME`.
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [child, recipe, folder] = arguments.as_slice()
        && child == CHILD
    {
        return train(Path::new(recipe), Path::new(folder));
    }
    let has = |flag: &str| arguments.iter().any(|a| a == flag);
    let (exact, only_ignored) = (has("--exact"), has("--ignored"));
    let mut wanted = arguments.iter().filter(|a| !a.starts_with("--") && *a != "terse").peekable();
    let any = wanted.peek().is_none();
    let wanted: Vec<&String> = wanted.collect();
    for (name, test) in TESTS {
        let asked =
            |part: &&String| if exact { name == **part } else { name.contains(part.as_str()) };
        if only_ignored || !(any || wanted.iter().any(asked)) {
            continue;
        }
        if has("--list") {
            println!("{name}: test");
        } else {
            test();
            println!("test {name} ... ok");
        }
    }
}

fn train(recipe: &Path, folder: &Path) {
    let recipe_folder = recipe.parent().unwrap();
    let recipe = Recipe::read(recipe).unwrap();
    let source = Supplies::of(&recipe, recipe_folder, recipe_folder).unwrap();
    let device = of_tests().unwrap();
    let mut trainer = Trainer::new(recipe, source, folder, &device, Begin::Resume).unwrap();
    while !trainer.is_done() {
        trainer.step().unwrap();
    }
    trainer.save().unwrap();
    trainer.export().unwrap();
}

fn child(recipe: &Path, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .arg(CHILD)
        .args([recipe, folder])
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Steps in the checkpoint, which must be whole; 0 while there is none.
fn saved_step(folder: &Path) -> u64 {
    let path = folder.join("checkpoint.safetensors");
    if !path.exists() {
        return 0;
    }
    assert!(load_tensors(&path).iter().count() > 10);
    let bytes = std::fs::read(&path).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let text = header.metadata().as_ref().unwrap()["smalti"].clone();
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["step"].as_u64().unwrap()
}

/// Steps in the log; the last line may be cut off.
fn logged_steps(folder: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(folder.join("metrics.csv")).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n')).skip(1);
    whole.map(|line| line.split(',').next().unwrap().parse().unwrap()).collect()
}

fn recipe_in(folder: &Path) -> PathBuf {
    std::fs::create_dir(folder.join("pictures")).unwrap();
    for number in 0..4 {
        write_png(&folder.join(format!("pictures/{number}.png")), 16, 16, number);
    }
    let path = folder.join("recipe.ron");
    let text = format!(
        "(name: \"tiny\", seed: 5, tokenizer: (name: \"tiny\", network: (ch: 4, ch_mult: [1, 2],
            num_res_blocks: 1, decoder_res_blocks: 1, attn_resolutions: [], resolution: 8,
            z_channels: 3, embed_dim: 2, mid: false, norm_groups: 2),
            quantizer: Vq((codes: 16, update: Ema, decay: 0.9, restart: 0.5, start: Data(2)))),
        data: [(weight: 1, from: Path(\"pictures\"))], crop: (side: 8, mirror: true),
        batch: 2, steps: {STEPS}, optimizer: (lr: 1e-2), report_every: 1,
        checkpoint_every_secs: 0)"
    );
    std::fs::write(&path, text).unwrap();
    path
}

fn a_run_killed_at_any_moment_loses_at_most_a_checkpoint_interval() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = recipe_in(folder.path());
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    assert!(child(&recipe, &whole).wait().unwrap().success());
    assert_eq!(saved_step(&whole), STEPS);

    let mut before = 0;
    for round in 0..12_u64 {
        let mut child = child(&recipe, &killed);
        // Another moment each time: while it starts, computes, writes the log or the checkpoint.
        std::thread::sleep(Duration::from_millis(20 + round * 37 % 110));
        child.kill().unwrap();
        child.wait().unwrap();
        let step = saved_step(&killed);
        assert!(step >= before, "round {round}: from step {before} back to {step}");
        // A checkpoint follows every step, so at most the step that was being done is lost.
        let logged = logged_steps(&killed);
        assert!(logged.last().is_none_or(|&last| last <= step + 1), "{logged:?} {step}");
        assert!(logged.iter().enumerate().all(|(i, &at)| at == i as u64 + 1), "{logged:?}");
        before = step;
    }
    assert!(child(&recipe, &killed).wait().unwrap().success());
    assert_eq!(logged_steps(&killed), (1..=STEPS).collect::<Vec<_>>());

    // The model is the one of the run that was never killed, and nothing half-written lies about.
    for name in ["checkpoint.safetensors", "tiny.safetensors"] {
        let (a, b) = (load_tensors(&whole.join(name)), load_tensors(&killed.join(name)));
        assert!(a.iter().eq(b.iter()), "{name} differs");
    }
    let names = |folder: &Path| {
        let mut names: Vec<_> =
            folder.read_dir().unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&killed), names(&whole));
}
