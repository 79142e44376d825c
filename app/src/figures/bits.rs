//! How many bits each token is worth, as a map with its key.

use smalti_engine::Result;
use smalti_engine::images::Picture;
use smalti_engine::tokens::Part;

use super::canvas::Canvas;
use super::difference::scale_strip;
use crate::look::palette::{GROUND, INK, viridis};

/// Pixels around the key.
const MARGIN: usize = 8;

/// A map of a part: a square a token, dark for few bits, with the key below, from 0 to `most` bits. About `side` pixels
/// wide.
///
/// # Errors
/// If it becomes larger than a picture can be.
pub fn bits_map(part: &Part, bits: &[f32], most: f32, side: usize) -> Result<Picture> {
    let (rows, columns) = (part.frames() * part.rows(), part.columns());
    let cell = (side / rows.max(columns).max(1)).clamp(1, 256);
    let (below, last) = (rows * cell, format!("{most:.1}"));
    let width = (columns * cell).max(Canvas::text_width(&last) * 2 + 4 * MARGIN);
    let mut canvas = Canvas::new(width, below + 32, GROUND);
    for (at, bits) in bits.iter().enumerate().take(part.codes().len()) {
        let corner = (at % columns * cell, at / columns * cell);
        canvas.fill(corner, (cell, cell), viridis(bits / most.max(f32::MIN_POSITIVE)));
    }
    let strip = scale_strip(width - 2 * MARGIN, 6)?;
    canvas.draw((MARGIN, below + 6), &strip);
    canvas.write((MARGIN, below + 18), "0", INK);
    let left = (width - MARGIN).saturating_sub(Canvas::text_width(&last));
    canvas.write((left, below + 18), &last, INK);
    canvas.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use smalti_engine::tokens::Tokens;

    #[test]
    fn each_token_has_the_color_of_its_bits_and_the_key_lies_below() {
        let tokens = Tokens::grid(1, 2, 4, vec![0, 1]).unwrap();
        let map = bits_map(tokens.first(), &[0.0, 6.0], 12.0, 200).unwrap();
        assert_eq!((map.width(), map.height()), (200, 132));
        assert_eq!(map.pixel(50, 50), Some(viridis(0.0)));
        assert_eq!(map.pixel(150, 50), Some(viridis(0.5)));
        assert_eq!(map.pixel(191, 108), Some(viridis(1.0)), "the end of the key");
    }
}
