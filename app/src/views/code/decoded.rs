//! What a code decodes to, as its swatches have it.

use std::sync::Arc;

use smalti_engine::images::Picture;
use smalti_engine::questions::Appearance;
use smalti_engine::tokens::Code;

/// The picture of a code that was cut out of the atlas last. Decoded by itself it would be another one: norms and
/// attention see the whole picture, and paint a code a little otherwise in other company.
#[derive(Debug, Default)]
pub(super) struct Decoded(Option<(Arc<Appearance>, Code, Picture)>);

impl Decoded {
    /// The picture of a code; none where codes cannot be decoded alone, or until they are.
    pub(super) fn of(&mut self, look: Option<&Arc<Appearance>>, code: Code) -> Option<Picture> {
        let look = look?;
        let is_it = |(of, known, _): &&(Arc<Appearance>, Code, Picture)| {
            Arc::ptr_eq(of, look) && *known == code
        };
        if let Some((.., picture)) = self.0.as_ref().filter(is_it) {
            return Some(picture.clone());
        }
        let (atlas, side) = (look.atlas.as_ref()?, look.side);
        let (column, row) = (code.number % look.columns, code.number / look.columns);
        let picture = atlas.crop(column * side, row * side, side, side).ok()?;
        self.0 = Some((Arc::clone(look), code, picture.clone()));
        Some(picture)
    }
}
