//! Which images were edited, found at once among thousands.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use smalti_engine::questions::{ImageRef, ModelRef, Subject};

use crate::document::{Document, Work, WorkOn};

type Kept = Arc<[(WorkOn, Work)]>;
type ByImage = HashMap<ImageRef, Vec<ModelRef>>;

/// The images whose tokens were forced or locked, as a document keeps them; made anew only when it keeps others.
#[derive(Debug, Default)]
pub struct EditedImages(RefCell<Option<(Kept, ByImage)>>);

impl EditedImages {
    /// The tokenizers whose tokens of an image were forced or locked, at any size.
    pub(crate) fn by(&self, document: &Document, image: &ImageRef) -> Vec<ModelRef> {
        let is_here = document.image() == Some(image);
        let here = is_here && !(document.edits.is_empty() && document.locks.is_empty());
        let mut by: Vec<ModelRef> = here.then(|| document.model.clone()).into_iter().collect();
        if document.kept.is_empty() {
            return by;
        }
        let mut known = self.0.borrow_mut();
        if known.as_ref().is_none_or(|(of, _)| !Arc::ptr_eq(of, &document.kept)) {
            let mut images = ByImage::new();
            for (on, _) in document.kept.iter() {
                if let Subject::Image(image) = &on.subject {
                    images.entry(image.clone()).or_default().push(on.model.clone());
                }
            }
            *known = Some((Arc::clone(&document.kept), images));
        }
        by.extend(known.iter().filter_map(|(_, images)| images.get(image)).flatten().cloned());
        by
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Open;
    use smalti_engine::questions::SourceRef;
    use smalti_engine::tokens::Cell;

    #[test]
    fn an_image_is_edited_by_the_tokenizers_of_its_work_here_and_kept() {
        let image = |index| ImageRef::InSource { source: SourceRef::Samples, index };
        let open = |document: Document, index| document.after(&Open::Image(image(index)).into());
        let forced = |document: Document| Document {
            edits: Arc::new([(Cell::at(0, 0), 1)].into()),
            ..document
        };
        let edited = EditedImages::default();
        let mut document = forced(open(Document::default(), 1));
        assert_eq!(edited.by(&document, &image(1)), [document.model.clone()]);
        document = open(document, 2);
        assert_eq!(edited.by(&document, &image(1)), [document.model.clone()]);
        assert!(edited.by(&document, &image(2)).is_empty());
        document = open(forced(document), 1);
        assert_eq!(edited.by(&document, &image(2)), [document.model.clone()]);
    }
}
