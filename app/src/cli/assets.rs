//! Where the shipped models, recipes and samples are.
#![expect(clippy::disallowed_methods, reason = "looks for a folder once, before anything runs")]

use std::path::{Path, PathBuf};

/// The folder of shipped files: `SMALTI_ASSETS` (passed in by `main`), else beside the program
/// (also as installed under `share/smalti`), else the source tree that it was built from.
pub fn find_assets(told: Option<PathBuf>) -> Option<PathBuf> {
    if told.is_some() {
        return told;
    }
    let program = std::env::current_exe().ok();
    let folder = program.as_deref().and_then(Path::parent);
    let beside = folder.into_iter().flat_map(|folder| {
        ["assets", "../assets", "../../assets", "../share/smalti", "../../../assets"]
            .map(|relative| folder.join(relative))
    });
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
    let found = beside.chain([source]).find(|path| path.join("models").is_dir())?;
    Some(found.canonicalize().unwrap_or(found))
}
