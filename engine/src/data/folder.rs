//! A folder of images; its sub-folders are the classes.
//!
//! Listed once, in the order of names, without opening the files. A folder whose name ends in
//! `.png` is descended into; a symbolic link that leads back up is followed once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::layout::classes_of;
use super::{Sample, Source, images_in_words, no_such_image, short_name};
use crate::images::kind::{Kind, has_image_suffix, sniff};
use crate::images::{Limits, file, open};
use crate::{EngineError, Result};

/// Captions are a line or two; anything longer is not one.
pub(super) const MAX_CAPTION_BYTES: u64 = 64 << 10;
/// No sane set of images is nested deeper.
const MAX_DEPTH: usize = 64;

/// Images in a folder and below, sorted by path.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    files: Vec<PathBuf>,
    classes: Vec<String>,
    class_of: Vec<Option<u32>>,
    limits: Limits,
    notes: Vec<String>,
}

impl Folder {
    /// Lists a folder.
    ///
    /// # Errors
    /// [`EngineError::Io`] if it cannot be read, [`EngineError::BadFile`] if no image is in it.
    pub fn open(root: &Path, limits: Limits) -> Result<Self> {
        let mut walk = Walk::default();
        walk.list(root, 0).map_err(|source| EngineError::io(root, source))?;
        if walk.files.is_empty() {
            let seen = match walk.n_others {
                0 => "there are no files in it".to_owned(),
                1 => "the only file in it is not an image".to_owned(),
                n => format!("none of the {n} files in it is an image"),
            };
            return Err(EngineError::bad_file(
                root,
                format!("no images found: {seen}"),
                "PNG, JPEG, GIF, WebP, BMP, TIFF, QOI, PPM and TGA are images",
            ));
        }
        let folders: Vec<Vec<String>> = walk
            .files
            .iter()
            .map(|path| {
                let inside = path.strip_prefix(root).unwrap_or(path);
                let parts = inside.parent().into_iter().flat_map(Path::components);
                parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
            })
            .collect();
        let (classes, class_of) = classes_of(&folders);
        Ok(Self {
            root: root.to_owned(),
            files: walk.files,
            classes,
            class_of,
            limits,
            notes: walk.notes,
        })
    }

    /// A set of one image.
    pub fn single(path: &Path, limits: Limits) -> Self {
        Self {
            root: path.to_owned(),
            files: vec![path.to_owned()],
            classes: Vec::new(),
            class_of: vec![None],
            limits,
            notes: Vec::new(),
        }
    }

    /// The files, in order.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

#[derive(Default)]
struct Walk {
    files: Vec<PathBuf>,
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
                self.files.push(path);
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

impl Source for Folder {
    fn len(&self) -> u64 {
        self.files.len() as u64
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn class_of(&self, index: u64) -> Option<u32> {
        usize::try_from(index).ok().and_then(|place| *self.class_of.get(place)?)
    }
    fn sample(&self, index: u64, _side: u32) -> Result<Sample> {
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        let (Some(path), Some(&class)) = (self.files.get(place), self.class_of.get(place)) else {
            return Err(no_such_image(index, self));
        };
        let picture = open(path, &self.limits)?.picture;
        let caption = file::read_file(&path.with_extension("txt"), MAX_CAPTION_BYTES)
            .ok()
            .and_then(|bytes| caption_of(&bytes));
        let name = path.strip_prefix(&self.root).ok().filter(|p| !p.as_os_str().is_empty());
        let name = name.map_or_else(|| short_name(path), |p| p.to_string_lossy().into_owned());
        Ok(Sample { picture, class, caption, name })
    }
    fn describe(&self) -> String {
        let name = short_name(&self.root);
        if self.files.first() == Some(&self.root) {
            return format!("image {name}");
        }
        format!("folder {name}, {}", images_in_words(self.len()))
    }
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

/// A caption file's text on one line; none if it is empty or not text.
pub(super) fn caption_of(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?.trim_start_matches('\u{feff}');
    let caption = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!caption.is_empty()).then_some(caption)
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let source = Folder::open(folder.path(), Limits::default()).unwrap();
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
        assert_eq!(Folder::open(folder.path(), Limits::default()).unwrap().len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_in_circles_end() {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), "a/b/c.png", 1);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/b/up")).unwrap();
        std::os::unix::fs::symlink("nowhere.png", folder.path().join("broken.png")).unwrap();
        let source = Folder::open(folder.path(), Limits::default()).unwrap();
        assert_eq!(source.len(), 2);
        assert!(source.sample(1, 8).is_err(), "the broken link is named when it is read");
    }

    #[test]
    fn a_folder_without_images_says_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.md"), "x").unwrap();
        std::fs::write(folder.path().join("b.csv"), "x").unwrap();
        let error = Folder::open(folder.path(), Limits::default()).unwrap_err().to_string();
        assert!(error.contains("none of the 2 files"), "{error}");
    }
}
