//! What an ordinary image format makes of a picture at a rate: what tokens are compared with.

use super::PastedPicture;
use crate::Result;
use crate::images::{Transcoded, as_jpeg};
use crate::session::{Desk, Question};

/// A picture written as JPEG and read again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AsJpeg {
    /// The picture.
    pub picture: PastedPicture,
    /// 1 to 100.
    pub quality: u8,
}

impl Question for AsJpeg {
    type Answer = Transcoded;

    fn answer(&self, _desk: &Desk<'_>) -> Result<Transcoded> {
        as_jpeg(&self.picture.picture, self.quality)
    }

    fn bytes(answer: &Transcoded) -> usize {
        answer.picture.rgb().len()
    }
}
