//! The program itself, as a process: what cannot be seen from inside one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use smalti_tests::tiny::{tiny_model, write_png};

/// The program, built if it is not (cargo builds no program for the tests of another package).
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let built = Command::new(cargo)
        // The whole workspace, as the tests were built: `-p smalti` alone would choose other features
        // and compile the dependencies anew.
        .args(["build", "--quiet", "--release", "--workspace", "--bins", "--target-dir"])
        .arg(profile.parent().unwrap())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .status()
        .unwrap();
    assert!(built.success());
    profile.with_file_name("release").join("smalti")
}

#[test]
fn the_program_ends_as_a_shell_expects() {
    let program = program();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    tiny_model(&at("tiny.safetensors"));
    write_png(&at("a.png"), 16, 16, 1);

    // Without a display: one sentence with what to do instead, exit 1.
    let ran = Command::new(&program)
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("no display") && said.contains("smalti tour"), "{said}");

    // `smalti ... | head -0`: nobody reads the results, which is no error.
    let mut child = Command::new(&program)
        .args(["encode", "a.png", "--model", "tiny.safetensors", "--out", "tokens"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = child.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(at("tokens/a.npy").is_file());
}

#[test]
fn ctrl_c_in_training_keeps_what_is_done() {
    let program = program();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("set")).unwrap();
    write_png(&at("set/a.png"), 16, 16, 1);
    let recipe = r#"(name: "tiny", seed: 3,
        tokenizer: (name: "tiny",
            network: (ch: 4, ch_mult: [1, 2], num_res_blocks: 1, attn_resolutions: [],
                resolution: 8, z_channels: 3, embed_dim: 2, norm_groups: 2),
            quantizer: Fsq((levels: [5, 4]))),
        data: [(weight: 1.0, from: Path("set"))],
        crop: (side: 8, scales: [16], mirror: true), batch: 2, steps: 1000000,
        optimizer: (lr: 1e-3, final_lr: 0.0, warmup: 1, betas: (0.9, 0.99), clip: 1.0),
        ema_decay: 0.9, checkpoint_every_secs: 3600, report_every: 1)"#;
    std::fs::write(at("r.ron"), recipe).unwrap();
    let mut child = Command::new(&program)
        .args(["train", "r.ron", "--out", "run", "--json"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("\"step\":1"));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    // What it still prints is read, or it could not go on.
    let rest = lines.map_while(Result::ok).count();
    let ran = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(130), "after {rest} lines: {said}");
    assert!(said.contains("--resume"), "{said}");
    assert!(at("run/checkpoint.safetensors").is_file());
}
