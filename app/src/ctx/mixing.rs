//! Hands on scales: whose coarse ones can be taken, and what is asked where the finer ones are written anew.

use smalti_engine::generators::Way;
use smalti_engine::questions::{ImageRef, LoadImage, SourceInfo, SourceRef, Subject};
use smalti_engine::session::Lane;

use super::ViewCtx;
use crate::document::{Asked, Edit, Generate, Slot};
use crate::look::words::name;

/// So many images of the set are offered; of others a person opens one first.
const OFFERED: u64 = 12;

impl ViewCtx<'_> {
    /// Whose coarse scales can be taken: the images that were opened, the first ones of the set, and what is generated;
    /// each with its name.
    pub fn others_in_scales(&self) -> Vec<(String, Subject)> {
        let document = self.document;
        let source = &document.source;
        let facts = self.ask_soon("others in scales", &SourceInfo { source: source.clone() });
        let count = facts.ready().map_or(0, |facts| facts.len.min(OFFERED));
        let of_set = (0..count).map(|index| ImageRef::InSource { source: source.clone(), index });
        let images: Vec<ImageRef> = document.opened.images.iter().cloned().chain(of_set).collect();
        let own = document.image();
        let mut all: Vec<(String, Subject)> = images
            .into_iter()
            .filter(|image| Some(image) != own)
            .map(|image| (self.name_of_image(&image), Subject::Image(image)))
            .collect();
        if let Ok(Generate::Use(given, model)) = self.using_generated()
            && model == document.model
        {
            all.push((given.name.to_string(), Subject::Tokens(*given)));
        }
        all
    }

    fn name_of_image(&self, image: &ImageRef) -> String {
        match image {
            ImageRef::File { path, .. } => name(path),
            ImageRef::Pasted(_) => "pasted image".to_owned(),
            ImageRef::InSource { index, .. } => {
                let side = self.document.size.side;
                let question = LoadImage { image: image.clone(), paint_side: side };
                // Worlds are painted to be named.
                let is_named = self.document.source == SourceRef::Samples;
                let known = if is_named {
                    self.session.ask(Lane::Soon, &question).ready().cloned()
                } else {
                    self.session.known(&question)
                };
                known.map_or_else(|| format!("image {}", index + 1), |known| known.name.clone())
            }
        }
    }

    /// The scale up to which coarse ones can be taken from elsewhere or kept: the one that is looked at, where it is not
    /// the finest.
    ///
    /// # Errors
    /// Why there is none.
    pub fn coarse_scale(&self) -> Result<u16, String> {
        let encoded = self.encoded(Slot::A).ok_or("open an image or tokens first")?;
        let encoded = encoded.ready().cloned().ok_or("the tokens are not worked out yet")?;
        let adds_up = self.known().is_some_and(|facts| facts.facts.prefixes);
        let parts = encoded.tokens.parts().len();
        if !adds_up || parts < 2 || encoded.unfit.is_some() {
            return Err("these tokens have no scales".to_owned());
        }
        let number = self.document.part_number(&encoded.tokens);
        if number + 1 == parts {
            return Err("look at a scale before the finest first: those up to it".to_owned());
        }
        Ok(number as u16)
    }

    /// The edit that takes the coarse scales of something else, up to the one that is looked at.
    ///
    /// # Errors
    /// As [`Self::coarse_scale`].
    pub fn mixing(&self, from: &Subject) -> Result<Edit, String> {
        let through = self.coarse_scale()?;
        Ok(Edit::MixScales { from: Box::new(from.clone()), through })
    }

    /// What is asked where the scales behind the one that is looked at are written anew.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn finer_anew(&self) -> Result<Asked, String> {
        let through = self.coarse_scale()?;
        let (_, opened, _) = self.fitting()?;
        if opened.config().way != Way::Var {
            return Err("open a generator of scales first: VAR writes them".to_owned());
        }
        let locks = &self.document.locks;
        self.keeping(|cell| cell.part <= through || locks.contains(&cell), None)
    }
}
