//! `smalti train` as a person calls it: runs that stop and go on, recipes that are wrong.

use super::*;

/// A recipe that trains the tiny tokenizer on the pictures beside it.
pub(super) const RECIPE: &str = r#"(
    name: "tiny",
    seed: 3,
    tokenizer: (
        name: "tiny",
        network: (ch: 4, ch_mult: [1, 2], num_res_blocks: 1, attn_resolutions: [], resolution: 8,
            z_channels: 3, embed_dim: 2, norm_groups: 2),
        quantizer: Fsq((levels: [5, 4])),
    ),
    data: [(weight: 1.0, from: Path("set"))],
    crop: (side: 8, scales: [16], mirror: true),
    batch: 2,
    steps: 4,
    optimizer: (lr: 1e-3, final_lr: 0.0, warmup: 1, betas: (0.9, 0.99), clip: 1.0),
    ema_decay: 0.9,
    checkpoint_every_secs: 120,
    report_every: 1,
)"#;

#[test]
fn a_training_run_that_was_stopped_goes_on_to_the_same_model() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("set")).unwrap();
    for number in 0..3 {
        write_png(&desk.path("set").join(format!("{number}.png")), 20, 20, number);
    }
    std::fs::write(desk.path("tiny.ron"), RECIPE).unwrap();
    let recipe = desk.name("tiny.ron");
    let (whole, parts) = (desk.name("whole"), desk.name("parts"));
    let ran = run(&["train", &recipe, "--out", &whole, "--json"]);
    let lines = ran.expect_done().lines();
    let fields: Vec<&String> = lines[0].as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        ["step", "seconds", "loss", "usage", "perplexity", "psnr", "images_per_second"]
    );
    assert_eq!(lines.iter().map(|l| l["step"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(desk.path("whole/metrics.csv").is_file());

    let first = run(&["train", &recipe, "--out", &parts, "--steps", "2", "--json"]);
    assert_eq!(first.expect_done().lines().len(), 2);
    run(&["train", &recipe, "--out", &parts]).expect_refused(&["parts", "--resume"]);
    let second = run(&["train", &recipe, "--out", &parts, "--resume", "--json"]);
    let second = second.expect_done().lines();
    assert_eq!(second[1]["loss"], lines[3]["loss"], "the last step's loss is the same");
    let model = |folder: &str| std::fs::read(desk.path(folder).join("tiny.safetensors")).unwrap();
    assert_eq!(model("whole"), model("parts"), "bit for bit");

    // A run's folder has its recipe: it goes on by itself, wherever it is, and the images elsewhere.
    let moved = run(&["train", &recipe, "--out", &desk.name("moved"), "--steps", "2", "--json"]);
    moved.expect_done();
    std::fs::create_dir(desk.path("elsewhere")).unwrap();
    std::fs::rename(desk.path("moved"), desk.path("elsewhere/moved")).unwrap();
    std::fs::rename(desk.path("tiny.ron"), desk.path("elsewhere/other.ron")).unwrap();
    run(&["train", &desk.name("elsewhere/moved"), "--resume", "--json"]).expect_done();
    assert_eq!(model("whole"), model("elsewhere/moved"), "bit for bit");
    std::fs::rename(desk.path("elsewhere/other.ron"), desk.path("tiny.ron")).unwrap();
    run(&["train", &desk.name("set")]).expect_refused(&["set", "no recipe.ron"]);
    run(&["train", &recipe]).expect_refused(&["--out"]);
    run(&["train", "no-such-recipe", "--out", &desk.name("x")]).expect_refused(&["no-such-recipe"]);
    // By the name of one that comes with Smalti; a limit of no step would train nothing.
    run(&["train", "collapse", "--out", &desk.name("moved"), "--from", &desk.name("whole")])
        .expect_refused(&["another"]);

    // What was trained is a model like any other.
    run(&[
        "decode",
        &tokens_of(&desk),
        "--model",
        &desk.name("whole/tiny.safetensors"),
        "--out",
        &desk.name("x.png"),
    ])
    .expect_done();
    let other = run(&["train", &recipe, "--out", &desk.name("other"), "--seed", "4", "--json"]);
    assert_ne!(other.expect_done().lines()[0]["loss"], lines[0]["loss"], "another seed");
}

fn tokens_of(desk: &Desk) -> String {
    let numbers: Vec<u8> = (0..6_i64).flat_map(i64::to_le_bytes).collect();
    std::fs::write(desk.path("tokens.npy"), npy("<i8", "(2, 3)", &numbers)).unwrap();
    desk.name("tokens.npy")
}

#[test]
fn a_recipe_that_is_wrong_is_refused_with_its_place() {
    let desk = Desk::new();
    let recipe = |text: &str| {
        std::fs::write(desk.path("r.ron"), text).unwrap();
        let before = desk.listing();
        let ran = run(&["train", &desk.name("r.ron"), "--out", &desk.name("run")]);
        assert_eq!(desk.listing(), before, "nothing was made");
        ran
    };
    recipe(&RECIPE.replace("batch: 2", "bach: 2")).expect_refused(&["r.ron", "line 12", "bach"]);
    recipe(&RECIPE.replace("side: 8", "side: 7")).expect_refused(&["r.ron", "crop.side"]);
    recipe(RECIPE).expect_refused(&["set"]);
    run(&["train", &desk.name("missing.ron"), "--out", &desk.name("run")])
        .expect_refused(&["missing.ron"]);
}

#[test]
fn a_run_does_not_go_on_with_other_images_before_that_is_said() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("set")).unwrap();
    write_png(&desk.path("set/0.png"), 20, 20, 0);
    std::fs::write(desk.path("tiny.ron"), RECIPE).unwrap();
    let out = desk.name("run");
    run(&["train", &desk.name("tiny.ron"), "--out", &out, "--steps", "2"]).expect_done();
    write_png(&desk.path("set/1.png"), 20, 20, 1);
    run(&["train", &out, "--resume"])
        .expect_refused(&["set has 2 images, it had 1", "--other-data"]);
    run(&["train", &out, "--resume", "--other-data", "--steps", "3"]).expect_done();
    // From then on they are its own.
    run(&["train", &out, "--resume"]).expect_done();
}
