//! Where the shipped models, recipes and samples are.
#![expect(clippy::disallowed_methods, reason = "looks for a folder once, before anything runs")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use smalti_engine::Result;

use super::around::{Inside, Surroundings};
use crate::files::disk::write_whole;

/// The folder of shipped files: `SMALTI_ASSETS` (passed in by `main`), else beside the program (also as
/// installed under `share/smalti`), else the source tree that it was built from, else what lies inside the
/// program, unpacked.
pub fn find_assets(around: &Surroundings<'_>) -> Option<PathBuf> {
    if around.assets.is_some() {
        return around.assets.clone();
    }
    let program = std::env::current_exe().ok();
    let folder = program.as_deref().and_then(Path::parent);
    let beside = folder.into_iter().flat_map(|folder| {
        ["assets", "../assets", "../../assets", "../share/smalti", "../../../assets"]
            .map(|relative| folder.join(relative))
    });
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
    // By a file that no other program has.
    let found =
        beside.chain([source]).find(|path| path.join("models/worlds-fsq.safetensors").is_file());
    match found {
        Some(found) => Some(found.canonicalize().unwrap_or(found)),
        None => unpacked(around.inside?),
    }
}

/// What lies inside the program, in the user's folder of things that can be made again.
fn unpacked(inside: Inside) -> Option<PathBuf> {
    let cache = directories::ProjectDirs::from("", "", "smalti");
    let cache = cache.map(|dirs| dirs.cache_dir().to_owned());
    let found = cache.map(|cache| unpack(inside, &cache));
    match found {
        Some(Ok(folder)) => return Some(folder),
        Some(Err(error)) => tracing::warn!("what comes with Smalti is unpacked elsewhere: {error}"),
        None => {}
    }
    let folder = own_temporary_folder()?;
    unpack(inside, &folder).inspect_err(|error| tracing::error!("{error}")).ok()
}

/// One folder of this user among temporary files, the same each time. None if somebody else's is in its place:
/// what is read from there must be what was put there.
fn own_temporary_folder() -> Option<PathBuf> {
    let temporary = std::env::temp_dir();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
        let user = tempfile::tempfile().ok()?.metadata().ok()?.uid();
        let folder = temporary.join(format!("smalti-{user}"));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        let found = folder.symlink_metadata().ok()?;
        let is_own = found.is_dir() && found.uid() == user && found.mode().trailing_zeros() >= 6;
        (made.is_ok() || is_own).then_some(folder)
    }
    #[cfg(not(unix))]
    Some(temporary.join("smalti"))
}

/// Puts all files into a folder of their version in `cache`, but for those that are there.
fn unpack(inside: Inside, cache: &Path) -> Result<PathBuf> {
    let names = (inside.names)();
    let folder = cache.join(format!("assets-{}", version_of(&names)));
    if !folder.is_dir() {
        remove_old(cache);
    }
    for (name, _) in &names {
        let Some(bytes) = (inside.read)(name) else { continue };
        let path = folder.join(name);
        // Files are written whole or not at all; somebody may have cut one off since.
        let is_there = path.metadata().is_ok_and(|file| file.len() == bytes.len() as u64);
        if !is_there {
            write_whole(&path, &bytes)?;
        }
    }
    Ok(folder)
}

/// Removes what other versions have unpacked a month ago or earlier; a program that goes on with it unpacks it
/// again when it is started.
fn remove_old(cache: &Path) {
    const MONTH: Duration = Duration::from_hours(30 * 24);
    for folder in cache.read_dir().into_iter().flatten().flatten() {
        let is_ours = folder.file_name().to_string_lossy().starts_with("assets-");
        let age = folder.metadata().and_then(|found| found.modified()).map(|at| at.elapsed());
        if is_ours && matches!(age, Ok(Ok(age)) if age > MONTH) {
            let removed = std::fs::remove_dir_all(folder.path());
            removed.unwrap_or_else(|error| tracing::warn!("{}: {error}", folder.path().display()));
        }
    }
}

/// A name for what is in all files: another program's are others.
fn version_of(names: &[(String, [u8; 32])]) -> String {
    let mut sum = [0_u8; 8];
    for (name, hash) in names {
        for (at, byte) in name.bytes().chain(hash.iter().copied()).enumerate() {
            let place = at % sum.len();
            sum[place] = sum[place].rotate_left(3) ^ byte;
        }
    }
    sum.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn names() -> Vec<(String, [u8; 32])> {
        vec![("models/a.safetensors".into(), [1; 32]), ("samples/b.png".into(), [2; 32])]
    }

    fn read(name: &str) -> Option<Cow<'static, [u8]>> {
        match name {
            "models/a.safetensors" => Some(Cow::Borrowed(b"weights")),
            "samples/b.png" => Some(Cow::Borrowed(b"picture")),
            _ => None,
        }
    }

    #[test]
    fn what_lies_inside_is_unpacked_once_and_whole() {
        let cache = tempfile::tempdir().unwrap();
        let inside = Inside { names, read };
        let folder = unpack(inside, cache.path()).unwrap();
        let model = folder.join("models/a.safetensors");
        assert_eq!(std::fs::read(&model).unwrap(), b"weights");
        assert_eq!(std::fs::read(folder.join("samples/b.png")).unwrap(), b"picture");
        let written = |path: &Path| path.metadata().unwrap().modified().unwrap();
        let before = written(&folder.join("samples/b.png"));
        // One that was cut off is made whole, the others stay.
        std::fs::write(&model, b"wei").unwrap();
        assert_eq!(unpack(inside, cache.path()).unwrap(), folder);
        assert_eq!(std::fs::read(&model).unwrap(), b"weights");
        assert_eq!(written(&folder.join("samples/b.png")), before);
    }

    #[test]
    fn another_program_has_a_folder_of_its_own() {
        let mut other = names();
        other[1].1[31] = 3;
        assert_ne!(version_of(&other), version_of(&names()));
        other = names();
        other[0].0 = "models/b.safetensors".into();
        assert_ne!(version_of(&other), version_of(&names()));
    }
}
