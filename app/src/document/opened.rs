//! What was opened from files: it stays at hand, however often something else is looked at.

use std::sync::Arc;

use smalti_engine::questions::{ImageRef, ModelRef};

/// Images and tokenizers that were opened, in the order of opening. Those of sets and those that come with Smalti
/// are at hand anyway.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Opened {
    /// Files, and pictures that came without one.
    pub images: Arc<[ImageRef]>,
    /// Checkpoints.
    pub models: Arc<[ModelRef]>,
}

impl Opened {
    /// Notes an image; a file that was written over takes the place of what it was.
    pub(super) fn note_image(&mut self, image: &ImageRef) {
        let path = |image: &ImageRef| match image {
            ImageRef::File { path, .. } => Some(Arc::clone(path)),
            ImageRef::InSource { .. } | ImageRef::Pasted(_) => None,
        };
        if !matches!(image, ImageRef::InSource { .. }) {
            note(&mut self.images, image, path);
        }
    }

    /// Notes a tokenizer.
    pub(super) fn note_model(&mut self, model: &ModelRef) {
        let path = |model: &ModelRef| match model {
            ModelRef::File { path, .. } => Some(Arc::clone(path)),
            ModelRef::Shipped(_) => None,
        };
        if matches!(model, ModelRef::File { .. }) {
            note(&mut self.models, model, path);
        }
    }

    pub(super) fn close_image(&mut self, image: &ImageRef) {
        self.images = self.images.iter().filter(|known| *known != image).cloned().collect();
    }

    pub(super) fn close_model(&mut self, model: &ModelRef) {
        self.models = self.models.iter().filter(|known| *known != model).cloned().collect();
    }
}

/// Puts something at the end of a list, or in the place of what has the same key.
fn note<T: Clone + PartialEq, K: PartialEq>(
    list: &mut Arc<[T]>,
    new: &T,
    key: impl Fn(&T) -> Option<K>,
) {
    if list.contains(new) {
        return;
    }
    let mut all = list.to_vec();
    let of_new = key(new);
    match all.iter_mut().find(|known| of_new.is_some() && key(known) == of_new) {
        Some(known) => *known = new.clone(),
        None => all.push(new.clone()),
    }
    *list = all.into();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use smalti_engine::questions::{SourceRef, Stamp};

    fn file(name: &str, modified: u128) -> ImageRef {
        let stamp = Stamp { modified, ..Stamp::default() };
        ImageRef::File { path: Path::new(name).into(), stamp }
    }

    #[test]
    fn each_file_that_was_opened_is_there_once_as_it_is_now() {
        let mut opened = Opened::default();
        for image in [file("hat.png", 1), file("cat.png", 1), file("hat.png", 1)] {
            opened.note_image(&image);
        }
        opened.note_image(&ImageRef::InSource { source: SourceRef::Samples, index: 2 });
        assert_eq!(*opened.images, [file("hat.png", 1), file("cat.png", 1)]);
        opened.note_image(&file("hat.png", 2));
        assert_eq!(*opened.images, [file("hat.png", 2), file("cat.png", 1)], "written over");
        opened.close_image(&file("hat.png", 2));
        assert_eq!(*opened.images, [file("cat.png", 1)]);
        opened.note_model(&ModelRef::Shipped("worlds-fsq".into()));
        assert!(opened.models.is_empty(), "it is in the menus anyway");
    }
}
