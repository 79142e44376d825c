//! A folder of images and of archives of images; its sub-folders are the classes.
//!
//! Listed once, in the order of names, without opening the images. A folder whose name ends in
//! `.png` is descended into; a symbolic link that leads back up is followed once. Archives (`.tar`,
//! and `.tar.gz` where there is nothing else) are shards of the set; where none of them has a number
//! at the end of its name each is a class, as are those of ImageNet (`n01440764.tar`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::archive_names::{are_classes, has_archive_suffix, stem};
use super::pictures::{Listing, Pictures};
use super::{short_name, tar};
use crate::images::kind::{Kind, has_image_suffix, sniff};
use crate::images::{Limits, file};
use crate::{EngineError, Result};

/// No sane set of images is nested deeper.
const MAX_DEPTH: usize = 64;

/// Lists a folder.
///
/// # Errors
/// [`EngineError::Io`] if it cannot be read, [`EngineError::BadFile`] if no image is in it.
pub fn open(root: &Path, limits: Limits) -> Result<Pictures> {
    let mut walk = Walk::default();
    walk.list(root, 0).map_err(|source| EngineError::io(root, source))?;
    // A packed archive is held in memory, and beside images it is likely a copy of them.
    let has_others = walk.files.iter().any(|file| !file.is_packed());
    let (left_out, files): (Vec<Found>, Vec<Found>) =
        walk.files.into_iter().partition(|file| has_others && file.is_packed());
    walk.notes.extend(left_out.iter().map(|file| {
        format!("{} was left out: packed archives are opened alone", file.path.display())
    }));
    let archives = files.iter().filter(|file| file.is_archive).map(|file| &*file.path);
    let are_classes = are_classes(archives);
    let mut listing = Listing::default();
    listing.notes = walk.notes;
    let mut unpacked = 0;
    for Found { path, is_archive } in files {
        let inside = path.strip_prefix(root).unwrap_or(&path);
        let parts = inside.parent().into_iter().flat_map(Path::components);
        let mut folders: Vec<String> =
            parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        if !is_archive {
            listing.add(path, folders);
            continue;
        }
        if are_classes {
            folders.push(stem(&path).to_owned());
        }
        let prefix = format!("{}/", inside.to_string_lossy());
        if let Err(error) = tar::add(&mut listing, &path, &prefix, &folders, &mut unpacked) {
            listing.notes.push(error.to_string());
        }
    }
    if listing.is_empty() {
        let seen = match (listing.notes.first(), walk.n_others) {
            (Some(note), _) => note.clone(),
            (None, 0) => "there are no files in it".to_owned(),
            (None, 1) => "the only file in it is not an image".to_owned(),
            (None, n) => format!("none of the {n} files in it is an image"),
        };
        return Err(EngineError::bad_file(
            root,
            format!("no images found: {seen}"),
            "PNG, JPEG, GIF, WebP, BMP, TIFF, QOI, PPM and TGA are images",
        ));
    }
    Ok(listing.finish(root, format!("folder {}", short_name(root)), limits))
}

/// A file that may hold images.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    is_archive: bool,
}

impl Found {
    /// Whether it is an archive that has to be unpacked.
    fn is_packed(&self) -> bool {
        self.is_archive && !self.path.extension().is_some_and(|s| s.eq_ignore_ascii_case("tar"))
    }
}

#[derive(Default)]
struct Walk {
    files: Vec<Found>,
    n_others: usize,
    notes: Vec<String>,
    /// Folders as the system knows them, against links that lead in circles.
    visited: BTreeSet<PathBuf>,
}

impl Walk {
    fn list(&mut self, folder: &Path, depth: usize) -> std::io::Result<()> {
        if depth > MAX_DEPTH || !self.visited.insert(folder.canonicalize()?) {
            return Ok(());
        }
        let mut paths = std::fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        for path in paths {
            let is_hidden =
                path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if is_hidden {
                continue;
            }
            if path.is_dir() {
                if let Err(error) = self.list(&path, depth + 1) {
                    self.notes.push(format!("{}: {error}", path.display()));
                }
            } else if is_listed(&path) {
                self.files.push(Found { path, is_archive: false });
            } else if has_archive_suffix(&path) {
                self.files.push(Found { path, is_archive: true });
            } else {
                self.n_others += 1;
            }
        }
        Ok(())
    }
}

/// By suffix; the content only of files without one, as listing must not open thousands of files.
fn is_listed(path: &Path) -> bool {
    if path.extension().is_some() {
        return has_image_suffix(path);
    }
    file::read_start(path, 64).is_ok_and(|start| matches!(sniff(&start), Kind::Image(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Source;
    use crate::images::{Picture, save_png};

    fn put(folder: &Path, name: &str, gray: u8) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        save_png(&Picture::new(2, 2, vec![gray; 12]).unwrap(), &path).unwrap();
    }

    #[test]
    fn subfolders_are_classes_and_text_beside_an_image_is_its_caption() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "dog/b.png", 1);
        put(folder.path(), "dog/a.png", 2);
        put(folder.path(), "cat/named.png/c.PNG", 3);
        std::fs::write(folder.path().join("dog/a.txt"), "a brown\ndog\n").unwrap();
        std::fs::write(folder.path().join("README.md"), "not an image").unwrap();
        put(folder.path(), ".hidden/d.png", 4);
        let source = open(folder.path(), Limits::default()).unwrap();
        assert_eq!(source.classes(), ["cat", "dog"]);
        assert_eq!(source.len(), 3);
        let names: Vec<String> = (0..3).map(|i| source.sample(i, 8).unwrap().name).collect();
        assert_eq!(names, ["cat/named.png/c.PNG", "dog/a.png", "dog/b.png"]);
        let sample = source.sample(1, 8).unwrap();
        assert_eq!(sample.class, Some(1));
        assert_eq!(sample.caption.as_deref(), Some("a brown dog"));
        assert_eq!(sample.picture.pixel(0, 0), Some([2; 3]));
        assert!(source.sample(3, 8).is_err());
    }

    #[test]
    fn an_image_without_a_suffix_is_found_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "picture", 1);
        std::fs::write(folder.path().join("LICENSE"), "words").unwrap();
        assert_eq!(open(folder.path(), Limits::default()).unwrap().len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_in_circles_end() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a/b/c.png", 1);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/b/up")).unwrap();
        std::os::unix::fs::symlink("nowhere.png", folder.path().join("broken.png")).unwrap();
        let source = open(folder.path(), Limits::default()).unwrap();
        assert_eq!(source.len(), 2);
        assert!(source.sample(1, 8).is_err(), "the broken link is named when it is read");
    }

    #[test]
    fn a_folder_without_images_says_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.md"), "x").unwrap();
        std::fs::write(folder.path().join("b.csv"), "x").unwrap();
        let error = open(folder.path(), Limits::default()).unwrap_err().to_string();
        assert!(error.contains("none of the 2 files"), "{error}");
    }

    #[test]
    fn a_packed_archive_beside_images_is_left_out_and_named() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a.png", 1);
        std::fs::write(folder.path().join("backup.tar.gz"), b"\x1f\x8b").unwrap();
        let source = open(folder.path(), Limits::default()).unwrap();
        assert_eq!(source.len(), 1);
        assert!(source.notes()[0].contains("backup.tar.gz"), "{:?}", source.notes());
    }
}
