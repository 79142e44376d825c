//! What an edit of tokens does to the picture, as it is measured: which pixels move, the original with the decoding only
//! where they do, and which tokens would be others if that picture were encoded.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::encode::Decode;
use super::image::PastedPicture;
use super::model::{ModelRef, load};
use crate::images::Picture;
use crate::session::{Desk, Question};
use crate::tokenizers;
use crate::tokens::{Cell, Tokens};
use crate::{EngineError, Result};

/// A pixel moves if one of its channels differs by more than so many of 255 levels, and by more than what the whole
/// picture does: a norm over all of it moves every pixel a little, wherever the edit is.
const LEAST_MOVED: u8 = 3;
/// Pixels farther than so many from any token that is another one tell what the whole picture does.
const FAR: usize = 32;
/// So many times what half of these move by. Measured with `worlds-vqgan` on a photograph of 32x32 tokens of which 152 were
/// others: 6 levels for half of them, 17 for 99 in 100; 96 for half of those that were edited.
const TIMES: u32 = 3;
/// The share of such pixels that is needed to tell.
const TELLING: usize = 16;
/// So many of the nine pixels round a place must move: one alone is where a level was rounded otherwise.
const LEAST_TOGETHER: usize = 3;
/// Pixels round those that move that are the decoding's, too.
const GROWN: u32 = 4;
/// Pixels over which it turns into the original, beyond those.
const FEATHER: u32 = 12;

/// Which pixels move as tokens become others: decoding before is set against decoding after.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Moved {
    /// The tokens before.
    pub before: Tokens,
    /// The tokens after, of the same layout.
    pub after: Tokens,
    /// By which tokenizer.
    pub model: ModelRef,
}

/// See [`Moved`].
#[derive(Debug, Clone)]
pub struct MovedPixels {
    /// How far each pixel moves, mean over the channels, in [0, 1] of the full range; row by row.
    pub by: Arc<[f32]>,
    /// The largest of them.
    pub highest: f32,
    /// The share of pixels that move.
    pub share: f32,
    /// How much of each pixel is the decoding's where an original is left outside: 255 where it moves and a few
    /// pixels around, less over the next ones, 0 beyond.
    pub weights: Arc<[u8]>,
    /// Width and height in pixels.
    pub size: (u32, u32),
}

impl Question for Moved {
    type Answer = MovedPixels;

    fn answer(&self, desk: &Desk<'_>) -> Result<MovedPixels> {
        let decode = |tokens: &Tokens| {
            desk.ask(&Decode { tokens: tokens.clone(), model: self.model.clone() })
        };
        let (before, after) = (decode(&self.before)?, decode(&self.after)?);
        let (a, b) = (&before.picture, &after.picture);
        if size(a) != size(b) {
            let hint = "compare tokens of one size";
            return Err(EngineError::bad_input("tokens", "they decode to other sizes", hint));
        }
        let pixels = || std::iter::zip(a.rgb().chunks_exact(3), b.rgb().chunks_exact(3));
        let levels = |(x, y): (&[u8], &[u8])| std::iter::zip(x, y).map(apart).sum::<u32>();
        let by: Arc<[f32]> = pixels().map(|pair| levels(pair) as f32 / 765.0).collect();
        let most =
            |(x, y): (&[u8], &[u8])| std::iter::zip(x, y).map(apart).max().unwrap_or(0) as u8;
        let most: Vec<u8> = pixels().map(most).collect();
        desk.check()?;
        let (width, height) = (a.width() as usize, a.height() as usize);
        let near = near(&self.before, &self.after, (width, height));
        let least = least_moved(&most, &near);
        let moved: Vec<bool> = most.iter().map(|levels| *levels > least).collect();
        let together = together(&moved, width);
        let count = moved.iter().filter(|moved| **moved).count();
        Ok(MovedPixels {
            highest: by.iter().copied().fold(0.0, f32::max),
            by,
            share: count as f32 / moved.len().max(1) as f32,
            weights: weights(&together, (width, height)).into(),
            size: (a.width(), a.height()),
        })
    }

    fn bytes(answer: &MovedPixels) -> usize {
        answer.by.len() * 5
    }
}

/// The original of a picture whose tokens were edited, with the decoding where the edit moves pixels: a decoder paints
/// everything anew, also what nobody touched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Blend {
    /// The picture that was encoded.
    pub original: PastedPicture,
    /// Its own tokens, those that were edited, and the tokenizer.
    pub moved: Moved,
}

/// See [`Blend`].
#[derive(Debug, Clone)]
pub struct Blended {
    /// The picture.
    pub picture: Picture,
    /// The share of its pixels that are not the original's alone; 1 where that is of another size than the decoding,
    /// which is then all of it.
    pub decoded: f32,
}

impl Question for Blend {
    type Answer = Blended;

    fn answer(&self, desk: &Desk<'_>) -> Result<Blended> {
        let moved = desk.ask(&self.moved)?;
        let (tokens, model) = (self.moved.after.clone(), self.moved.model.clone());
        let decoded = desk.ask(&Decode { tokens, model })?;
        let (original, decoded) = (&self.original.picture, &decoded.picture);
        if size(original) != size(decoded) {
            return Ok(Blended { picture: decoded.clone(), decoded: 1.0 });
        }
        let mix = |((own, new), weight): ((&u8, &u8), u32)| {
            ((u32::from(*own) * (255 - weight) + u32::from(*new) * weight + 127) / 255) as u8
        };
        let weight = moved.weights.iter().flat_map(|weight| [u32::from(*weight); 3]);
        let rgb = std::iter::zip(&**original.rgb(), &**decoded.rgb()).zip(weight).map(mix);
        let rgb: Vec<u8> = rgb.collect();
        let count = moved.weights.iter().filter(|weight| **weight > 0).count();
        Ok(Blended {
            picture: Picture::new(original.width(), original.height(), rgb)?,
            decoded: count as f32 / moved.weights.len().max(1) as f32,
        })
    }

    fn bytes(answer: &Blended) -> usize {
        answer.picture.rgb().len()
    }
}

/// Which tokens would be others if a picture of them were encoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EncodeAgain {
    /// The picture, at the size that the tokens are of.
    pub picture: PastedPicture,
    /// The tokens.
    pub tokens: Tokens,
    /// By which tokenizer.
    pub model: ModelRef,
}

/// See [`EncodeAgain`].
#[derive(Debug, Clone)]
pub struct EncodedAgain {
    /// The cells whose token would be another one.
    pub differing: Arc<BTreeSet<Cell>>,
    /// Of how many.
    pub cells: usize,
}

impl Question for EncodeAgain {
    type Answer = EncodedAgain;

    fn answer(&self, desk: &Desk<'_>) -> Result<EncodedAgain> {
        let model = load(desk, &self.model)?;
        desk.check()?;
        let again = tokenizers::tokenize(&*model.tokenizer, &self.picture.picture)?;
        if again.layout() != self.tokens.layout() {
            let reason = format!("the picture has {}, not {}", again.words(), self.tokens.words());
            return Err(EngineError::bad_input("tokens", reason, "decode the whole picture"));
        }
        let pairs = self.tokens.cells().zip(again.cells());
        let differing = pairs.filter(|((_, own), (_, again))| own != again);
        Ok(EncodedAgain {
            differing: Arc::new(differing.map(|((cell, _), _)| cell).collect()),
            cells: self.tokens.len(),
        })
    }

    fn bytes(answer: &EncodedAgain) -> usize {
        answer.differing.len() * 64
    }
}

fn apart((x, y): (&u8, &u8)) -> u32 {
    u32::from(x.abs_diff(*y))
}

fn size(picture: &Picture) -> (u32, u32) {
    (picture.width(), picture.height())
}

/// The pixels that are not far from a token that is another one after.
fn near(before: &Tokens, after: &Tokens, (width, height): (usize, usize)) -> Vec<bool> {
    let mut near = vec![false; width * height];
    for (own, new) in std::iter::zip(before.parts(), after.parts()) {
        let (rows, columns) = (own.rows().max(1), own.columns().max(1));
        let pairs = std::iter::zip(own.codes().iter(), new.codes().iter()).enumerate();
        for (at, _) in pairs.filter(|(_, (own, new))| own != new) {
            let (row, column) = (at / columns % rows, at % columns);
            let span = |cell: usize, cells: usize, pixels: usize| {
                let (from, to) = (cell * pixels / cells, (cell + 1) * pixels / cells);
                from.saturating_sub(FAR)..(to + FAR).min(pixels)
            };
            for y in span(row, rows, height) {
                let across = span(column, columns, width);
                near[y * width + across.start..y * width + across.end].fill(true);
            }
        }
    }
    near
}

/// What a pixel must move by to be moved by the edit and not with the whole picture.
fn least_moved(levels: &[u8], near: &[bool]) -> u8 {
    let mut counts = [0_usize; 256];
    let far = std::iter::zip(levels, near).filter(|(_, near)| !**near);
    far.for_each(|(levels, _)| counts[usize::from(*levels)] += 1);
    let all: usize = counts.iter().sum();
    if all * TELLING < levels.len() {
        return LEAST_MOVED;
    }
    let mut below = 0;
    let is_half = |count: &usize| {
        below += count;
        below * 2 >= all
    };
    let half = counts.iter().position(is_half).unwrap_or(0);
    (half as u32 * TIMES).clamp(u32::from(LEAST_MOVED), 255) as u8
}

/// The pixels that move with enough of their neighbors.
fn together(moved: &[bool], width: usize) -> Vec<bool> {
    let height = moved.len() / width.max(1);
    let near = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
    let is_so = |at: usize| {
        let (y, x) = (at / width, at % width);
        let round = near(y, height).flat_map(|y| near(x, width).map(move |x| y * width + x));
        moved[at] && round.filter(|at| moved[*at]).count() >= LEAST_TOGETHER
    };
    (0..moved.len()).map(is_so).collect()
}

/// How much of each pixel is the decoding's, by its distance from those that move.
fn weights(moved: &[bool], (width, height): (usize, usize)) -> Vec<u8> {
    let end = (GROWN + FEATHER) as usize;
    // First along the columns, then along the rows: the squares of both add up.
    let mut up: Vec<usize> = vec![end; moved.len()];
    for x in 0..width {
        let mut far = end;
        for y in 0..height {
            far = if moved[y * width + x] { 0 } else { (far + 1).min(end) };
            up[y * width + x] = far;
        }
        far = end;
        for y in (0..height).rev() {
            far = if moved[y * width + x] { 0 } else { (far + 1).min(end) };
            up[y * width + x] = up[y * width + x].min(far);
        }
    }
    let weight = |at: usize| {
        let (y, x) = (at / width, at % width);
        let round = x.saturating_sub(end)..(x + end + 1).min(width);
        let square = round.map(|other| other.abs_diff(x).pow(2) + up[y * width + other].pow(2));
        let distance = (square.min().unwrap_or(usize::MAX) as f32).sqrt();
        let share = (1.0 - (distance - GROWN as f32) / FEATHER as f32).clamp(0.0, 1.0);
        (share * share * (3.0 - 2.0 * share) * 255.0).round() as u8
    };
    (0..moved.len()).map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_fall_with_the_distance_and_end() {
        let (width, height) = (80, 60);
        let mut moved = vec![false; width * height];
        moved[30 * width + 40] = true;
        let weights = weights(&moved, (width, height));
        for (at, weight) in weights.iter().enumerate() {
            let (dy, dx) = ((at / width) as f32 - 30.0, (at % width) as f32 - 40.0);
            let far = dy.hypot(dx);
            match far {
                far if far <= 4.0 => assert_eq!(*weight, 255, "{far}"),
                far if far >= 16.0 => assert_eq!(*weight, 0, "{far}"),
                far => {
                    let share = (16.0 - far) / 12.0;
                    let smooth = 255.0 * share * share * (3.0 - 2.0 * share);
                    assert!((f32::from(*weight) - smooth).abs() <= 0.51, "{far}: {weight}");
                }
            }
        }
        assert!(super::weights(&[false; 100], (10, 10)).iter().all(|weight| *weight == 0));
    }

    #[test]
    fn what_the_whole_picture_does_is_no_edit_where_enough_of_it_is_far() {
        let mut levels = vec![6; 1000];
        levels[..200].fill(90);
        let near: Vec<bool> = (0..1000).map(|at| at < 400).collect();
        assert_eq!(least_moved(&levels, &near), 18, "three times what half of the far ones do");
        let still = vec![0; 1000];
        assert_eq!(least_moved(&still, &near), LEAST_MOVED);
        assert_eq!(least_moved(&levels, &[true; 1000]), LEAST_MOVED, "nothing is far");
    }

    #[test]
    fn a_pixel_alone_is_no_edit() {
        let mut moved = vec![false; 9 * 9];
        moved[40] = true;
        assert!(together(&moved, 9).iter().all(|moved| !moved));
        (moved[41], moved[49]) = (true, true);
        assert_eq!(together(&moved, 9).iter().filter(|moved| **moved).count(), 3);
    }
}
