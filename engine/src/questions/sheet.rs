//! Many images in one picture.

use std::sync::Arc;

use super::image::{ImageRef, Thumbnail};
use crate::images::Picture;
use crate::session::{Desk, Question};
use crate::{EngineError, Result};

/// Images as a contact sheet: a square of `side` pixels each, line by line, with gaps between. The square of an image
/// that cannot be read is struck out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContactSheet {
    /// Which images.
    pub images: Arc<[ImageRef]>,
    /// How many in a line.
    pub columns: u32,
    /// Side of an image in pixels.
    pub side: u32,
}

/// The color between images.
const GROUND: [u8; 3] = [24, 24, 28];
/// The color in place of an image that cannot be read, and of what strikes it out.
const BROKEN: [[u8; 3]; 2] = [[44, 44, 50], [224, 90, 80]];
/// Pixels of a sheet beyond this are refused.
const MOST: usize = 100_000_000;

impl Question for ContactSheet {
    type Answer = Picture;

    fn answer(&self, desk: &Desk<'_>) -> Result<Picture> {
        let (count, side) = (self.images.len(), self.side.max(1) as usize);
        if count == 0 {
            return Err(EngineError::bad_input("contact sheet", "there are no images", ""));
        }
        let (gap, columns) = ((side / 20).max(1), (self.columns.max(1) as usize).min(count));
        let rows = count.div_ceil(columns);
        let along = |images: usize| images * (side + gap) + gap;
        let (width, height) = (along(columns), along(rows));
        if width.saturating_mul(height) > MOST {
            let reason = format!("{width}x{height} pixels are too many");
            return Err(EngineError::bad_input("contact sheet", reason, "take smaller images"));
        }
        let mut rgb = GROUND.repeat(width * height);
        for (at, image) in self.images.iter().enumerate() {
            desk.progress(at as f32 / count as f32)?;
            let corner = (along(at % columns), along(at / columns));
            let read = match desk.ask(&Thumbnail { image: image.clone(), side: self.side.max(1) }) {
                Ok(picture) => Some(picture),
                Err(EngineError::Cancelled) => return Err(EngineError::Cancelled),
                Err(_) => None,
            };
            for (row, column) in (0..side).flat_map(|row| (0..side).map(move |c| (row, c))) {
                let color = match &read {
                    Some(picture) => picture.pixel(column as u32, row as u32).unwrap_or(GROUND),
                    None => BROKEN[usize::from(row.abs_diff(column) <= side / 40)],
                };
                let place = ((corner.1 + row) * width + corner.0 + column) * 3;
                rgb[place..place + 3].copy_from_slice(&color);
            }
        }
        Picture::new(width as u32, height as u32, rgb)
    }

    fn bytes(answer: &Picture) -> usize {
        answer.rgb().len()
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::questions::PastedPicture;
    use crate::session::{Session, Settings};

    #[test]
    fn each_image_has_its_place_and_one_that_cannot_be_read_is_struck_out() {
        let color = |number: u8| {
            let picture = Picture::new(3, 3, vec![number * 50; 27]).unwrap();
            ImageRef::Pasted(PastedPicture::new(picture))
        };
        let gone = ImageRef::file("/there/is/none.png");
        let images = [color(1), color(2), gone, color(4)].into();
        let session = Session::new(Settings::new("assets")).unwrap();
        let sheet = session.wait(&ContactSheet { images, columns: 3, side: 20 }).unwrap();
        assert_eq!((sheet.width(), sheet.height()), (3 * 21 + 1, 2 * 21 + 1));
        let at = |column: u32, row: u32| sheet.pixel(1 + column * 21 + 5, 1 + row * 21 + 5);
        assert_eq!([at(0, 0), at(1, 0), at(0, 1)], [50, 100, 200].map(|grey| Some([grey; 3])));
        assert_eq!(at(2, 0), Some(BROKEN[1]));
        assert_eq!(sheet.pixel(21, 3), Some(GROUND), "between two");
        let none = ContactSheet { images: Arc::default(), columns: 3, side: 20 };
        assert!(session.wait(&none).is_err());
    }
}
