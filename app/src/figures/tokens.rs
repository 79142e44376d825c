//! A grid of tokens as a picture: a mosaic, one tile a token.

use smalti_engine::Result;
use smalti_engine::images::Picture;
use smalti_engine::tokens::Part;

use super::canvas::Canvas;
use crate::look::palette::{self, GROUND, Rgb};

/// Smaller tiles have no joint: it would cover the picture like a fence.
const JOINT_FROM: usize = 12;

/// The color of a code: the mean color it decodes to, or one by its number where that is not known.
pub fn color_of(code: u32, colors: &[Rgb]) -> Rgb {
    colors.get(code as usize).copied().unwrap_or_else(|| palette::by_index(code))
}

/// The token map: tiles of `tile` pixels in the colors of their codes, with a joint of a pixel between
/// them if they are large enough for one.
///
/// # Errors
/// If the picture becomes too large.
pub fn token_map(part: &Part, color: impl Fn(u32) -> Rgb, tile: usize) -> Result<Picture> {
    let joint = usize::from(tile >= JOINT_FROM);
    let mut canvas = Canvas::new(part.columns() * tile, part.frames() * part.rows() * tile, GROUND);
    for at in 0..part.codes().len() {
        let corner = (at % part.columns() * tile, at / part.columns() * tile);
        let Some(code) = part.code(at) else { continue };
        canvas.fill(corner, (tile - joint, tile - joint), color(code));
    }
    canvas.finish()
}

/// A tile size that makes the map about `side` pixels, at least one pixel a tile.
pub fn tile_for(part: &Part, side: usize) -> usize {
    (side / part.columns().max(part.frames() * part.rows()).max(1)).clamp(1, 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use smalti_engine::tokens::Tokens;

    #[test]
    fn every_token_is_a_tile_in_its_code_s_color() {
        let tokens = Tokens::grid(2, 3, 4, vec![0, 1, 2, 3, 0, 1]).unwrap();
        let colors = [[1, 0, 0], [2, 0, 0], [3, 0, 0], [4, 0, 0]];
        let map = token_map(tokens.first(), |code| color_of(code, &colors), 16).unwrap();
        assert_eq!((map.width(), map.height()), (48, 32));
        assert_eq!(map.pixel(0, 0), Some([1, 0, 0]));
        assert_eq!(map.pixel(17, 1), Some([2, 0, 0]));
        assert_eq!(map.pixel(1, 17), Some([4, 0, 0]));
        assert_eq!(map.pixel(15, 0), Some(GROUND), "tiles have a joint");
    }

    #[test]
    fn codes_without_a_known_color_still_differ() {
        assert_ne!(color_of(5, &[]), color_of(6, &[]));
    }
}
