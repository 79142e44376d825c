//! House rules that a compiler does not check.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod imports;
mod rooms;
mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use imports::{Imports, Rooms};

/// The root of the sources.
fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap()
}

/// All files below a folder whose name ends so, build outputs and git's own left out; sorted.
fn files(below: &str, suffix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(below)];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", ".git", "out"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if name.ends_with(suffix) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no {suffix} below {below}: the test looks in the wrong place");
    found
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Fails with one line for each offense.
fn none(offenses: &[String], rule: &str) {
    assert!(offenses.is_empty(), "{rule}:\n  {}", offenses.join("\n  "));
}

#[test]
fn every_source_file_says_what_it_is_and_is_short_enough_to_read() {
    let mut offenses = Vec::new();
    for path in files("", ".rs") {
        let text = text(&path);
        if !text.starts_with("//!") {
            offenses.push(format!("{} does not begin with //!", shown(&path)));
        }
        let lines = text.lines().count();
        if lines > 600 {
            offenses.push(format!("{} has {lines} lines", shown(&path)));
        }
    }
    none(&offenses, "every .rs file opens with //! and has at most 600 lines");
}

#[test]
fn nothing_is_left_to_be_done_later_without_saying_so() {
    let marks = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["XX", "X"].concat()];
    let offenses: Vec<String> = files("", ".rs")
        .iter()
        .flat_map(|path| {
            let text = text(path);
            let found = marks.iter().filter(|mark| text.contains(mark.as_str()));
            found.map(|mark| format!("{}: {mark}", shown(path))).collect::<Vec<_>>()
        })
        .collect();
    none(&offenses, "marks of unfinished work");
}

#[test]
fn both_clippy_files_have_the_same_head() {
    let head = |name: &str| -> Vec<String> {
        let text = text(&root().join(name));
        let rules = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        rules.take_while(|line| !line.starts_with("disallowed-")).map(str::to_owned).collect()
    };
    let (of_all, of_app) = (head("clippy.toml"), head("app/clippy.toml"));
    assert!(of_all.len() > 5, "the head was not found");
    assert_eq!(of_all, of_app, "clippy reads the nearest file only, so app/clippy.toml repeats");
}

/// Folders with a `mod.rs`, as `engine/src/layers`.
fn modules() -> BTreeSet<String> {
    ["app/src", "engine/src"]
        .iter()
        .flat_map(|room| {
            root().join(room).read_dir().unwrap().filter_map(|entry| {
                let path = entry.unwrap().path();
                path.join("mod.rs").is_file().then(|| shown(&path))
            })
        })
        .collect()
}

#[test]
fn the_architecture_page_names_every_room_and_none_that_is_gone() {
    let page = text(&root().join("ARCHITECTURE.md"));
    let mut offenses: Vec<String> = modules()
        .iter()
        .filter(|module| !page.contains(&format!("`{module}/`")))
        .map(|module| format!("`{module}/` is not named"))
        .collect();
    for word in page.split('`').skip(1).step_by(2) {
        let is_room = ["app/", "engine/", "tests/", "assets/", "layouts/"]
            .iter()
            .any(|room| word.starts_with(room));
        if is_room && !word.contains(['*', '<', ' ', ':']) && !root().join(word).exists() {
            offenses.push(format!("`{word}` is not there"));
        }
    }
    none(&offenses, "ARCHITECTURE.md and the folders disagree");
}

#[test]
fn every_view_is_registered() {
    let registry = text(&root().join("app/src/views/mod.rs"));
    let offenses: Vec<String> = files("app/src/views", ".rs")
        .iter()
        .filter(|path| path.parent() == Some(&root().join("app/src/views")))
        .filter_map(|path| {
            let name = path.file_stem()?.to_string_lossy().into_owned();
            let listed = name == "mod" || registry.contains(&format!("mod {name};"));
            (!listed).then(|| format!("{} is in no list", shown(path)))
        })
        .collect();
    none(&offenses, "views are registered in app/src/views/mod.rs");
}

#[test]
fn the_engine_knows_no_window_and_the_window_no_tensor() {
    let mut offenses = Vec::new();
    let mut forbid = |manifest: &str, words: &[&str]| {
        let text = text(&root().join(manifest));
        for word in words {
            if text.lines().any(|line| line.trim_start().starts_with(word)) {
                offenses.push(format!("{manifest} depends on {word}"));
            }
        }
    };
    forbid("engine/Cargo.toml", &["egui", "eframe", "anyhow", "clap"]);
    forbid("app/Cargo.toml", &["candle", "gemm"]);
    forbid("tests/Cargo.toml", &["anyhow"]);
    let used = |path: &Path, name: &str| {
        text(path).lines().any(|line| {
            let code = line.split("//").next().unwrap_or("");
            code.contains(&format!("{name}::")) || code.contains(&format!("use {name}"))
        })
    };
    for path in files("engine/src", ".rs") {
        if ["egui", "eframe"].iter().any(|name| used(&path, name)) {
            offenses.push(format!("{} uses egui", shown(&path)));
        }
    }
    for path in files("app/src", ".rs") {
        if ["candle_core", "candle_nn"].iter().any(|name| used(&path, name)) {
            offenses.push(format!("{} uses candle", shown(&path)));
        }
    }
    none(&offenses, "dependencies point downwards only");
}

/// Fails where files of a crate import each other in circles, and where its rooms import others than
/// their table says. `root` is the crate's, such as `engine/src/lib.rs`.
fn imports_run_downwards(root_file: &str, rooms: Rooms<'_>) {
    let imports = Imports::of(&root().join(root_file));
    assert!(imports.files() > 20, "{root_file}: the test looks in the wrong place");
    none(&imports.circles(&[]), "imports run one way: what both need goes into a file below both");
    none(&imports.offenses(rooms), "rooms import what tests/tests/tidy/rooms.rs allows");
}

#[test]
fn imports_of_the_engine_run_downwards() {
    imports_run_downwards("engine/src/lib.rs", rooms::ENGINE);
}

#[test]
fn imports_of_the_window_and_the_command_line_run_downwards() {
    imports_run_downwards("app/src/lib.rs", rooms::APP);
}

#[test]
fn a_kernel_that_follows_pointers_cannot_be_run_by_safe_code() {
    let mut offenses = Vec::new();
    let mut checked = 0;
    for path in files("engine/src/kernels", ".rs") {
        let text = text(&path);
        for part in text.split("\nstruct ").chain(text.split("\npub(super) struct ")).skip(1) {
            let name = part.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            let is_short = part.lines().next().is_some_and(|line| line.ends_with(';'));
            let end = if is_short { "\n" } else { "\n}" };
            let fields = part.split(end).next().unwrap_or_default();
            let follows = ["*const f32", "*mut f32"].iter().any(|pointer| fields.contains(pointer));
            let code = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let is_run = |kernel: &str| {
                [format!(" {kernel}<S> for {name} "), format!(" {kernel}<S> for {name}<")]
                    .iter()
                    .any(|implemented| code.contains(implemented))
            };
            checked += usize::from(follows && is_run("PointerKernel"));
            if follows && is_run("Kernel") {
                offenses.push(format!("{}: {name} has to be a `PointerKernel`", shown(&path)));
            }
        }
    }
    assert!(checked > 20, "only {checked} were found: the test looks in the wrong place");
    none(&offenses, "structs of pointers are run by `Simd::follow`, which is unsafe");
}

#[test]
fn nothing_names_a_place_that_only_its_author_has() {
    // Where this checkout lies, and what only some machines have.
    let places = [root().display().to_string(), "/root/".to_owned(), "shared/".to_owned()];
    let mut offenses = Vec::new();
    for suffix in [".rs", ".md", ".toml", ".ron", ".yml", "Makefile", ".css", ".js"] {
        if suffix == ".css" && !root().join("app/src/figures").is_dir() {
            continue;
        }
        for path in files("", suffix) {
            // This file has to spell them out.
            if path.ends_with("tests/tests/tidy/main.rs") {
                continue;
            }
            for (number, line) in text(&path).lines().enumerate() {
                let named = places.iter().any(|place| line.contains(place.as_str()));
                if named && !line.contains("http") {
                    offenses.push(format!("{}:{}: {}", shown(&path), number + 1, line.trim()));
                }
            }
        }
    }
    none(&offenses, "paths of one machine");
}

#[test]
fn shipped_models_stay_small() {
    let bytes: u64 =
        files("assets/models", "").iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(bytes < 80 << 20, "assets/models has {} MiB, 80 are allowed", bytes >> 20);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut offenses = Vec::new();
    for path in files("", ".md") {
        let text = text(&path);
        for part in text.split("](").skip(1) {
            let target = part.split([')', ' ']).next().unwrap_or("");
            let target = target.split('#').next().unwrap_or("");
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !path.parent().unwrap().join(target).exists() {
                offenses.push(format!("{} links to {target}", shown(&path)));
            }
        }
    }
    none(&offenses, "relative links in .md files resolve");
}
