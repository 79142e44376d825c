//! What a code looks like, and where it occurs.

use std::sync::Arc;

use super::encode::{Decode, Encode, GridRef};
use super::image::ImageRef;
use super::model::{ModelRef, load};
use crate::images::{Picture, WorkingSize};
use crate::session::{Desk, Question};
use crate::tokenizers;
use crate::tokens::Grid;
use crate::{EngineError, Result};

/// Codes that are decoded at a time.
const PER_PIECE: u32 = 64;
/// Codes are decoded in a field of this many equal tokens a side, and the middle one is shown:
/// decoders mix neighbors, so a lone token would show the border of the picture.
const FIELD: usize = 5;

/// How every code of a codebook looks, decoded in a field of itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodeAppearance {
    /// Which tokenizer.
    pub model: ModelRef,
}

/// See [`CodeAppearance`].
#[derive(Debug, Clone)]
pub struct Appearance {
    /// The mean color of each code's patch, K entries; empty for codebooks above 2^16, where
    /// decoding each would take minutes.
    pub colors: Arc<[[u8; 3]]>,
    /// All patches in one picture, `columns` a row, each `side` x `side` pixels.
    pub atlas: Option<Picture>,
    /// Patches a row of the atlas.
    pub columns: u32,
    /// Pixels of a patch's side.
    pub side: u32,
}

impl Question for CodeAppearance {
    type Answer = Appearance;

    fn answer(&self, desk: &Desk<'_>) -> Result<Appearance> {
        let model = load(desk, &self.model)?;
        let facts = model.tokenizer.facts();
        let (k, side) = (facts.codebook_size, facts.factor);
        if k > 1 << 16 {
            let nothing = Appearance { colors: Arc::new([]), atlas: None, columns: 0, side: 0 };
            return Ok(nothing);
        }
        let columns = (f64::from(k).sqrt().ceil() as usize).max(1);
        let rows = (k as usize).div_ceil(columns);
        let mut atlas = vec![0_u8; rows * columns * side * side * 3];
        let mut colors = Vec::with_capacity(k as usize);
        // One tall picture a piece, whose fields do not touch: each field is FIELD tokens, and only
        // its middle is read.
        let mut first = 0;
        while first < k {
            let end = (first + PER_PIECE).min(k);
            let mut tokens = Vec::new();
            for code in first..end {
                tokens.extend(std::iter::repeat_n(code, FIELD * FIELD));
            }
            let grid = Grid::new(FIELD * (end - first) as usize, FIELD, k, tokens)?;
            let picture = tokenizers::detokenize(&*model.tokenizer, &grid)?;
            for code in first..end {
                let top = ((code - first) as usize * FIELD + FIELD / 2) * side;
                let left = FIELD / 2 * side;
                let place = (code as usize / columns, code as usize % columns);
                colors.push(copy_patch(&picture, (top, left), side, &mut atlas, place, columns));
            }
            first = end;
            desk.progress(first as f32 / k as f32)?;
        }
        let atlas = Picture::new((columns * side) as u32, (rows * side) as u32, atlas)?;
        Ok(Appearance {
            colors: colors.into(),
            atlas: Some(atlas),
            columns: columns as u32,
            side: side as u32,
        })
    }

    fn bytes(answer: &Appearance) -> usize {
        answer.colors.len() * 3 + answer.atlas.as_ref().map_or(0, |a| a.rgb().len())
    }
}

/// Copies a patch into the atlas and gives its mean color.
fn copy_patch(
    picture: &Picture,
    (top, left): (usize, usize),
    side: usize,
    atlas: &mut [u8],
    (row, column): (usize, usize),
    columns: usize,
) -> [u8; 3] {
    let width = picture.width() as usize;
    let mut sums = [0_u64; 3];
    for y in 0..side {
        let from = ((top + y) * width + left) * 3;
        let to = ((row * side + y) * columns * side + column * side) * 3;
        let line = &picture.rgb()[from..from + side * 3];
        atlas[to..to + side * 3].copy_from_slice(line);
        for pixel in line.chunks_exact(3) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(*value);
            }
        }
    }
    sums.map(|sum| (sum / (side * side).max(1) as u64) as u8)
}

/// What one code is, by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodeCard {
    /// Which tokenizer.
    pub model: ModelRef,
    /// Which code.
    pub code: u32,
}

/// See [`CodeCard`].
#[derive(Debug, Clone)]
pub struct CodeCardAnswer {
    /// Decoded in a field of itself.
    pub alone: Picture,
    /// The code as a vector, D numbers.
    pub vector: Arc<[f32]>,
    /// For FSQ: the digit of each level, lowest digit first; empty otherwise.
    pub levels: Vec<u32>,
    /// The nearest other codes by the distance of their vectors, nearest first.
    pub neighbors: Vec<(u32, f32)>,
}

impl Question for CodeCard {
    type Answer = CodeCardAnswer;

    fn answer(&self, desk: &Desk<'_>) -> Result<CodeCardAnswer> {
        let model = load(desk, &self.model)?;
        let facts = model.tokenizer.facts();
        if self.code >= facts.codebook_size {
            return Err(EngineError::bad_input(
                "code",
                format!("{} is outside the codebook 0..{}", self.code, facts.codebook_size),
                "",
            ));
        }
        let field = vec![self.code; FIELD * FIELD];
        let grid = GridRef::new(Grid::new(FIELD, FIELD, facts.codebook_size, field)?);
        let decoded = desk.ask(&Decode { grid, model: self.model.clone() })?;
        let (vector, neighbors) = match model.tokenizer.quantizer().codebook()? {
            Some(codebook) => {
                let (k, d) = codebook.dims2()?;
                let values = codebook.flatten_all()?.to_vec1::<f32>()?;
                nearest_codes(&values, k, d, self.code as usize)
            }
            None => (Vec::new(), Vec::new()),
        };
        let mut rest = self.code;
        let levels = facts
            .levels
            .iter()
            .map(|levels| {
                let digit = rest % levels;
                rest /= levels;
                digit
            })
            .collect();
        let side = facts.factor as u32;
        let middle = FIELD as u32 / 2 * side;
        let alone = decoded.picture.crop(middle, middle, side, side)?;
        Ok(CodeCardAnswer { alone, vector: vector.into(), levels, neighbors })
    }

    fn bytes(answer: &CodeCardAnswer) -> usize {
        answer.alone.rgb().len() + answer.vector.len() * 4 + 128
    }
}

/// The vector of a code and the twelve codes nearest to it.
fn nearest_codes(values: &[f32], k: usize, d: usize, code: usize) -> (Vec<f32>, Vec<(u32, f32)>) {
    let own = &values[code * d..(code + 1) * d];
    let mut distances: Vec<(u32, f32)> = (0..k)
        .filter(|other| *other != code)
        .map(|other| {
            let row = &values[other * d..(other + 1) * d];
            let sum: f32 = own.iter().zip(row).map(|(a, b)| (a - b) * (a - b)).sum();
            (other as u32, sum.sqrt())
        })
        .collect();
    distances.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    distances.truncate(12);
    (own.to_vec(), distances)
}

/// Where a code occurs in images, and the real patches that became it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodeInImages {
    /// Which tokenizer.
    pub model: ModelRef,
    /// Which code.
    pub code: u32,
    /// In which images; looked at in this order.
    pub images: Arc<[ImageRef]>,
    /// At which size they are encoded.
    pub size: WorkingSize,
}

/// See [`CodeInImages`].
#[derive(Debug, Clone)]
pub struct Occurrences {
    /// How often it occurs.
    pub count: u64,
    /// Tokens that were looked at.
    pub tokens: u64,
    /// Its place among all codes by count, 1 is the most used; 0 if it never occurs.
    pub rank: u32,
    /// Up to 24 patches with a margin of half a token around, from different images first.
    pub patches: Vec<Picture>,
    /// Count by place, for grids of the first image's size.
    pub places: Arc<[u32]>,
    /// Rows and columns of `places`.
    pub grid: (u32, u32),
    /// Codes that most often stand right beside it, with counts.
    pub companions: Vec<(u32, u32)>,
}

impl Question for CodeInImages {
    type Answer = Occurrences;

    fn answer(&self, desk: &Desk<'_>) -> Result<Occurrences> {
        let model = load(desk, &self.model)?;
        let facts = model.tokenizer.facts();
        let k = facts.codebook_size as usize;
        let mut counts = vec![0_u64; k];
        let mut beside = vec![0_u32; k];
        let mut found = Occurrences {
            count: 0,
            tokens: 0,
            rank: 0,
            patches: Vec::new(),
            places: Arc::new([]),
            grid: (0, 0),
            companions: Vec::new(),
        };
        let mut places = Vec::new();
        for (done, image) in self.images.iter().enumerate() {
            let question =
                Encode { image: image.clone(), size: self.size, model: self.model.clone() };
            let encoded = desk.ask(&question)?;
            let grid = encoded.grid.grid();
            if done == 0 {
                found.grid = (grid.height() as u32, grid.width() as u32);
                places = vec![0_u32; grid.tokens().len()];
            }
            found.tokens += grid.tokens().len() as u64;
            let mut here = 0;
            for (at, code) in grid.tokens().iter().enumerate() {
                counts[*code as usize] += 1;
                if *code != self.code {
                    continue;
                }
                if places.len() == grid.tokens().len() {
                    places[at] += 1;
                }
                let (row, column) = (at / grid.width(), at % grid.width());
                note_companions(grid, row, column, &mut beside);
                if found.patches.len() < 24 && here < 6 {
                    here += 1;
                    found.patches.push(patch(&encoded.picture, row, column, facts.factor)?);
                }
            }
            desk.progress((done + 1) as f32 / self.images.len() as f32)?;
        }
        found.count = counts[self.code as usize % k];
        if found.count > 0 {
            found.rank = 1 + counts.iter().filter(|c| **c > found.count).count() as u32;
        }
        beside[self.code as usize % k] = 0;
        let mut companions: Vec<(u32, u32)> = (0_u32..).zip(beside).filter(|c| c.1 > 0).collect();
        companions.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        companions.truncate(6);
        found.companions = companions;
        found.places = places.into();
        Ok(found)
    }

    fn bytes(answer: &Occurrences) -> usize {
        answer.places.len() * 4 + answer.patches.iter().map(|p| p.rgb().len()).sum::<usize>() + 256
    }
}

fn note_companions(grid: &Grid, row: usize, column: usize, beside: &mut [u32]) {
    let steps = [(0_isize, 1_isize), (0, -1), (1, 0), (-1, 0)];
    for (dy, dx) in steps {
        let (Some(r), Some(c)) = (row.checked_add_signed(dy), column.checked_add_signed(dx)) else {
            continue;
        };
        if let Some(code) = grid.get(r, c) {
            beside[code as usize] += 1;
        }
    }
}

/// The pixels of a token with half a token around, as far as the picture goes.
fn patch(picture: &Picture, row: usize, column: usize, factor: usize) -> Result<Picture> {
    let (f, half) = (factor as u32, factor as u32 / 2);
    let left = (column as u32 * f).saturating_sub(half);
    let top = (row as u32 * f).saturating_sub(half);
    let width = (2 * f).min(picture.width() - left);
    let height = (2 * f).min(picture.height() - top);
    picture.crop(left, top, width, height)
}
