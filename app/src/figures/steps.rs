//! A picture of tokens of which some are not there yet.

use smalti_engine::Result;
use smalti_engine::images::Picture;
use smalti_engine::tokens::{Places, Tokens};

use super::canvas::Canvas;
use crate::look::palette::{GROUND, LINE};

/// Pixels from one line of the hatching to the next.
const HATCH: usize = 5;

/// What was decoded, with every cell that has no token hatched: nothing is shown there that no token says. Of scales,
/// which lie over each other, the picture so far is whole.
///
/// # Errors
/// If the picture is larger than a picture can be.
pub fn with_masked(decoded: &Picture, tokens: &Tokens) -> Result<Picture> {
    let [part] = tokens.parts() else { return Ok(decoded.clone()) };
    let size = (decoded.height() as usize, decoded.width() as usize);
    let places = Places { shape: part.shape(), picture: size };
    let mut canvas = Canvas::new(size.1, size.0, GROUND);
    canvas.draw((0, 0), decoded);
    for at in (0..part.codes().len()).filter(|at| part.code(*at).is_none()) {
        let cell = part.cell(0, at);
        let [left, top, width, height] = places.rectangle(cell.row.into(), cell.column as usize);
        canvas.fill((left, top), (width, height), GROUND);
        for y in top..top + height {
            for x in (left..left + width).filter(|x| (x + y) % HATCH == 0) {
                canvas.fill((x, y), (1, 1), LINE);
            }
        }
    }
    canvas.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use smalti_engine::tokens::MASKED;

    #[test]
    fn cells_without_a_token_are_hatched_and_the_others_as_they_were_decoded() {
        let tokens = Tokens::grid(2, 2, 9, vec![1, MASKED, 3, 4]).unwrap();
        let decoded = Picture::new(20, 20, [200, 100, 50].repeat(400)).unwrap();
        let shown = with_masked(&decoded, &tokens).unwrap();
        for y in 0..20 {
            for x in 0..20 {
                let is_masked = y < 10 && x >= 10;
                let is_line = (x + y) % HATCH as u32 == 0;
                let expected = match (is_masked, is_line) {
                    (false, _) => [200, 100, 50],
                    (true, false) => GROUND,
                    (true, true) => LINE,
                };
                assert_eq!(shown.pixel(x, y), Some(expected), "{x} {y}");
            }
        }
    }
}
