//! A stroke of color on the picture of tokens, encoded anew: which tokens it makes others.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::encode::Decode;
use super::model::{ModelRef, load};
use crate::images::Picture;
use crate::session::{Desk, Question};
use crate::tokenizers;
use crate::tokens::{Cell, Places, Tokens};
use crate::{EngineError, Result};

/// What lengths of a stroke are counted in: parts of the picture's side.
pub const STROKE_UNIT: i32 = 1 << 16;

/// A line of a round brush. Lengths are in [`STROKE_UNIT`]s: across of the picture's width, down of its height.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BrushStroke {
    /// Where the brush went: across and down.
    pub points: Arc<[(i32, i32)]>,
    /// Half the brush's width, as a length across.
    pub radius: i32,
    /// Its color, sRGB.
    pub color: [u8; 3],
}

/// The tokens of the cells that a stroke touches, when the picture of tokens is painted and encoded anew. All others
/// stay, whatever the encoder makes of what is beside the stroke.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PaintTokens {
    /// The tokens.
    pub tokens: Tokens,
    /// By which tokenizer.
    pub model: ModelRef,
    /// The stroke.
    pub stroke: BrushStroke,
}

impl Question for PaintTokens {
    /// The touched cells, each with its token; those that keep their token are left out.
    type Answer = Vec<(Cell, u32)>;

    fn answer(&self, desk: &Desk<'_>) -> Result<Vec<(Cell, u32)>> {
        let model = load(desk, &self.model)?;
        if !model.facts.facts.spatial {
            let reason = "they have no places in the picture, so a stroke touches none of them";
            let hint = "paint on tokens of another tokenizer";
            return Err(EngineError::bad_input("tokens", reason, hint));
        }
        let decode = Decode { tokens: self.tokens.clone(), model: self.model.clone() };
        let before = desk.ask(&decode)?;
        let (painted, touched) = self.stroke.on(&before.picture)?;
        desk.check()?;
        let after = tokenizers::tokenize(&*model.tokenizer, &painted)?;
        if after.layout() != self.tokens.layout() {
            let reason =
                format!("encoded anew they are {}, not {}", after.words(), self.tokens.words());
            return Err(EngineError::bad_input("tokens", reason, "work at another size"));
        }
        let size = (painted.height() as usize, painted.width() as usize);
        let mut cells = BTreeSet::new();
        for (number, part) in self.tokens.parts().iter().enumerate() {
            let places = Places { shape: part.shape(), picture: size };
            cells.extend(touched.iter().filter_map(|(x, y)| places.cell_at(number, *x, *y)));
        }
        let changed = cells.into_iter().filter_map(|cell| {
            let code = after.get(cell)?;
            (self.tokens.get(cell) != Some(code)).then_some((cell, code))
        });
        Ok(changed.collect())
    }

    fn bytes(answer: &Vec<(Cell, u32)>) -> usize {
        answer.len() * 16
    }
}

impl BrushStroke {
    /// A picture with it, and the pixels that it covers: (across, down).
    fn on(&self, picture: &Picture) -> Result<(Picture, Vec<(usize, usize)>)> {
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        let unit = f64::from(STROKE_UNIT);
        let at =
            |(x, y): &(i32, i32)| (f64::from(*x) * width / unit, f64::from(*y) * height / unit);
        // A thin brush paints one pixel at least.
        let radius = (f64::from(self.radius) * width / unit).max(0.71);
        let points: Vec<(f64, f64)> = self.points.iter().map(at).collect();
        let mut rgb = picture.rgb().to_vec();
        let mut touched = BTreeSet::new();
        let last = points.last().copied();
        for (from, to) in points.iter().copied().zip(points.iter().copied().skip(1).chain(last)) {
            let low = |a: f64, b: f64| (a.min(b) - radius).floor().max(0.0) as usize;
            let high =
                |a: f64, b: f64, most: f64| (a.max(b) + radius).ceil().clamp(0.0, most) as usize;
            for y in low(from.1, to.1)..high(from.1, to.1, height) {
                for x in low(from.0, to.0)..high(from.0, to.0, width) {
                    let middle = (x as f64 + 0.5, y as f64 + 0.5);
                    if apart(middle, (from, to)) <= radius {
                        touched.insert((x, y));
                    }
                }
            }
        }
        for (x, y) in &touched {
            let place = (y * picture.width() as usize + x) * 3;
            rgb[place..place + 3].copy_from_slice(&self.color);
        }
        let painted = Picture::new(picture.width(), picture.height(), rgb)?;
        Ok((painted, touched.into_iter().collect()))
    }
}

/// How far a point is from a line between two.
fn apart(at: (f64, f64), (from, to): ((f64, f64), (f64, f64))) -> f64 {
    let along = (to.0 - from.0, to.1 - from.1);
    let square = along.0 * along.0 + along.1 * along.1;
    let off = (at.0 - from.0, at.1 - from.1);
    let part = if square > 0.0 {
        ((off.0 * along.0 + off.1 * along.1) / square).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (off.0 - part * along.0).hypot(off.1 - part * along.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stroke(points: &[(f64, f64)], radius: f64) -> BrushStroke {
        let unit = f64::from(STROKE_UNIT);
        let all = points.iter().map(|(x, y)| ((x * unit) as i32, (y * unit) as i32));
        BrushStroke { points: all.collect(), radius: (radius * unit) as i32, color: [9, 8, 7] }
    }

    #[test]
    fn a_stroke_covers_what_it_goes_over_and_nothing_else() {
        let picture = Picture::new(20, 10, vec![100; 600]).unwrap();
        let line = stroke(&[(0.25, 0.5), (0.75, 0.5)], 0.1);
        let (painted, touched) = line.on(&picture).unwrap();
        for (x, y) in (0..20).flat_map(|x| (0..10).map(move |y| (x, y))) {
            let is_touched = touched.contains(&(x as usize, y as usize));
            let expected = if is_touched { [9, 8, 7] } else { [100; 3] };
            assert_eq!(painted.pixel(x, y), Some(expected), "{x}, {y}");
        }
        // Two pixels to each side of a line from 5 to 15 across, in the middle.
        assert!(touched.contains(&(10, 3)) && touched.contains(&(10, 6)));
        assert!(!touched.contains(&(10, 2)) && !touched.contains(&(10, 7)));
        assert!(touched.contains(&(3, 4)) && !touched.contains(&(2, 4)), "with round ends");
    }

    #[test]
    fn a_dot_paints_something_and_what_is_outside_of_the_picture_is_left_out() {
        let picture = Picture::new(4, 4, vec![0; 48]).unwrap();
        assert!(!stroke(&[(0.5, 0.5)], 0.0).on(&picture).unwrap().1.is_empty());
        assert!(stroke(&[(3.0, -2.0), (4.0, 9.0)], 0.1).on(&picture).unwrap().1.is_empty());
        assert!(stroke(&[], 0.1).on(&picture).unwrap().1.is_empty());
        let all = stroke(&[(-1.0, 0.5), (2.0, 0.5)], 1.0).on(&picture).unwrap().1;
        assert_eq!(all.len(), 16);
    }
}
