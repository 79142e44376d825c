//! What a code looks like, and where it occurs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::encode::{Decode, Encode};
use super::image::ImageRef;
use super::model::{ModelRef, load};
use super::sample::ImageSample;
use crate::images::{Picture, WorkingSize};
use crate::measure::Codebook;
use crate::session::{Desk, Question};
use crate::tokenizers::{self, Input, Tokenizer};
use crate::tokens::{Code, Part, Places, Tokens};
use crate::{EngineError, Result};

/// Codes that are decoded at a time.
const PER_PIECE: u32 = 64;
/// Codes are decoded in a field of this many equal tokens a side, and the middle one is shown:
/// decoders mix neighbors, so a lone token would show the border of the picture.
const FIELD: usize = 5;
/// Codebooks above this are not decoded as a whole, which would take minutes.
const DECODED: u32 = 1 << 16;

/// How every code of a codebook looks, decoded in a field of itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodeAppearance {
    /// Which tokenizer.
    pub model: ModelRef,
    /// Which of its books.
    pub book: u16,
}

/// See [`CodeAppearance`].
#[derive(Debug, Clone)]
pub struct Appearance {
    /// The mean color of each code's patch, K entries. Where no code can be decoded alone (several
    /// parts, one size of image) the first three principal components of its vector; empty for
    /// codebooks above 2^16.
    pub colors: Arc<[[u8; 3]]>,
    /// All patches in one picture, `columns` a row, each `side` x `side` pixels.
    pub atlas: Option<Picture>,
    /// Patches a row of the atlas.
    pub columns: u32,
    /// Pixels of a patch's side.
    pub side: u32,
}

/// Whether a field of one code is an image of the tokenizer.
fn decodes_fields(tokenizer: &dyn Tokenizer) -> bool {
    let facts = tokenizer.facts();
    let side = FIELD * facts.factor;
    facts.spatial
        && matches!(facts.input, Input::Multiple(_))
        && tokenizer.layout(side, side).is_ok_and(|parts| parts.len() == 1)
}

impl Question for CodeAppearance {
    type Answer = Appearance;

    fn answer(&self, desk: &Desk<'_>) -> Result<Appearance> {
        let model = load(desk, &self.model)?;
        let facts = model.tokenizer.facts();
        let (k, side) = (facts.book(self.book).size, facts.factor);
        if k > DECODED || !decodes_fields(&*model.tokenizer) {
            let entries = model.tokenizer.quantizer().entries(self.book)?.filter(|_| k <= DECODED);
            let colors = match entries {
                None => Vec::new(),
                Some(entries) => {
                    let (k, d) = entries.dims2()?;
                    let values = entries.flatten_all()?.to_vec1::<f32>()?;
                    Codebook::new(k, d, &values)?.colors().rgb
                }
            };
            return Ok(Appearance { colors: colors.into(), atlas: None, columns: 0, side: 0 });
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
            let codes: Vec<u32> = (first..end).collect();
            let picture = fields(&*model.tokenizer, k, &codes)?;
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

/// Some codes decoded in fields of themselves, one below the other.
fn fields(tokenizer: &dyn Tokenizer, k: u32, codes: &[u32]) -> Result<Picture> {
    let repeated = codes.iter().flat_map(|code| std::iter::repeat_n(*code, FIELD * FIELD));
    let field: Vec<u32> = repeated.collect();
    let tokens = Tokens::grid(FIELD * codes.len(), FIELD, k, field)?;
    tokenizers::detokenize(tokenizer, &tokens)
}

/// The mean colors of some codes' patches, as [`CodeAppearance`] has them of all: only these codes are
/// decoded, so codebooks may be of any size. None where no code can be decoded alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodeColors {
    /// Which tokenizer.
    pub model: ModelRef,
    /// Which codes of its first book.
    pub codes: Arc<[u32]>,
}

impl Question for CodeColors {
    type Answer = Vec<[u8; 3]>;

    /// In the order of the codes.
    fn answer(&self, desk: &Desk<'_>) -> Result<Vec<[u8; 3]>> {
        let model = load(desk, &self.model)?;
        let facts = model.tokenizer.facts();
        let (k, side) = (facts.book(0).size, facts.factor);
        if !decodes_fields(&*model.tokenizer) {
            return Ok(Vec::new());
        }
        // Norms and attention see the whole picture: in the company in which [`CodeAppearance`] decodes
        // it a code has the same color in every view. Of larger codebooks each is decoded alone.
        let together = if k > DECODED { 1 } else { PER_PIECE };
        let pieces: BTreeSet<u32> = self.codes.iter().map(|code| code / together).collect();
        let mut known = BTreeMap::new();
        let mut patch = vec![0_u8; side * side * 3];
        for (done, piece) in pieces.iter().enumerate() {
            let first = piece * together;
            let codes: Vec<u32> = (first..(first + together).min(k)).collect();
            let picture = fields(&*model.tokenizer, k, &codes)?;
            for (at, code) in codes.iter().enumerate() {
                let corner = ((at * FIELD + FIELD / 2) * side, FIELD / 2 * side);
                let color = copy_patch(&picture, corner, side, &mut patch, (0, 0), 1);
                known.insert(*code, color);
            }
            desk.progress(done as f32 / pieces.len() as f32)?;
        }
        Ok(self.codes.iter().filter_map(|code| known.get(code).copied()).collect())
    }

    fn bytes(answer: &Vec<[u8; 3]>) -> usize {
        answer.len() * 3
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
    pub code: Code,
}

/// See [`CodeCard`].
#[derive(Debug, Clone)]
pub struct CodeCardAnswer {
    /// Decoded alone: in a field of itself, or as the coarsest scale of an image; `None` where a code
    /// means nothing without others.
    pub alone: Option<Picture>,
    /// The code as a vector, D numbers.
    pub vector: Arc<[f32]>,
    /// For codes that are digits (FSQ, LFQ, BSQ): each, lowest first; empty otherwise.
    pub digits: Vec<u32>,
    /// The levels of the digits.
    pub levels: Vec<u32>,
    /// The nearest other codes by the distance of their vectors, nearest first.
    pub neighbors: Vec<(u32, f32)>,
}

impl Question for CodeCard {
    type Answer = CodeCardAnswer;

    fn answer(&self, desk: &Desk<'_>) -> Result<CodeCardAnswer> {
        let model = load(desk, &self.model)?;
        let book = model.tokenizer.facts().book(self.code.book);
        if self.code.number >= book.size {
            return Err(EngineError::bad_input(
                "code",
                format!("{} is outside the codebook 0..{}", self.code, book.size),
                "",
            ));
        }
        let (vector, neighbors) = match model.tokenizer.quantizer().entries(self.code.book)? {
            Some(entries) => {
                let (k, d) = entries.dims2()?;
                let values = entries.flatten_all()?.to_vec1::<f32>()?;
                nearest_codes(&values, k, d, self.code.number as usize)
            }
            None => (Vec::new(), Vec::new()),
        };
        Ok(CodeCardAnswer {
            alone: self.alone(desk, &*model.tokenizer)?,
            vector: vector.into(),
            digits: book.digits(self.code.number),
            levels: book.levels.clone(),
            neighbors,
        })
    }

    fn bytes(answer: &CodeCardAnswer) -> usize {
        answer.alone.as_ref().map_or(0, |a| a.rgb().len()) + answer.vector.len() * 4 + 128
    }
}

impl CodeCard {
    fn alone(&self, desk: &Desk<'_>, tokenizer: &dyn Tokenizer) -> Result<Option<Picture>> {
        let facts = tokenizer.facts();
        let size = facts.book(self.code.book).size;
        let decode = |tokens: Tokens| {
            let question = Decode { tokens, model: self.model.clone() };
            Ok::<_, EngineError>(desk.ask(&question)?.picture.clone())
        };
        if decodes_fields(tokenizer) {
            let field = vec![self.code.number; FIELD * FIELD];
            let picture = decode(Tokens::grid(FIELD, FIELD, size, field)?)?;
            let side = facts.factor as u32;
            let middle = FIELD as u32 / 2 * side;
            return Ok(Some(picture.crop(middle, middle, side, side)?));
        }
        // The coarsest scale or the first level, everywhere this code.
        let (height, width) =
            facts.fixed_size().unwrap_or((FIELD * facts.factor, FIELD * facts.factor));
        let layout = tokenizer.layout(height, width)?;
        let Some(first) = layout.first().filter(|first| first.book == self.code.book) else {
            return Ok(None);
        };
        if !facts.prefixes {
            return Ok(None);
        }
        let codes = vec![self.code.number; first.cells().unwrap_or(0)];
        Ok(Some(decode(Tokens::new([Part::new(*first, size, codes)?])?)?))
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
    pub code: Code,
    /// Over which images it is counted.
    pub images: Arc<[ImageRef]>,
    /// The image whose patches come first; it is counted only if it is one of those.
    pub first: Option<ImageRef>,
    /// At which size they are encoded.
    pub size: WorkingSize,
}

impl CodeInImages {
    /// All images in the order in which they are looked at, and whether each is counted.
    fn in_order(&self) -> Vec<(&ImageRef, bool)> {
        let first = self.first.iter().map(|image| (image, self.images.contains(image)));
        let rest = self.images.iter().filter(|image| Some(*image) != self.first.as_ref());
        first.chain(rest.map(|image| (image, true))).collect()
    }
}

/// See [`CodeInImages`].
#[derive(Debug, Clone)]
pub struct Occurrences {
    /// Images that were looked at, and of how many. How often it occurs is told by [`super::CodeUse`].
    pub sample: ImageSample,
    /// Up to 24 patches with a margin of half a token around, from different images first.
    pub patches: Vec<Picture>,
    /// Count by place, in the last part that has it, for images of the first one's layout.
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
        let k = facts.book(self.code.book).size as usize;
        let mut beside = vec![0_u32; k];
        let mut found = Occurrences {
            sample: ImageSample { images: 0, total: 0 },
            patches: Vec::new(),
            places: Arc::new([]),
            grid: (0, 0),
            companions: Vec::new(),
        };
        let (mut places, mut images) = (Vec::new(), 0);
        let all = self.in_order();
        for (done, (image, is_counted)) in all.iter().copied().enumerate() {
            let (subject, model) = (image.clone().into(), self.model.clone());
            let question = Encode { subject, size: self.size, model };
            let encoded = match desk.ask(&question) {
                Ok(encoded) => encoded,
                // One broken picture must not hide the rest.
                Err(EngineError::BadFile { .. } | EngineError::Io { .. }) if all.len() > 1 => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            images += usize::from(is_counted);
            let picture = &encoded.picture;
            let mut here = 0;
            let parts = of_book(&encoded.tokens, self.code.book);
            // Fine parts last: their places are what is counted, and their patches are the smallest.
            for (number, part) in parts.iter().enumerate() {
                let shape = (part.rows() as u32, part.columns() as u32);
                let is_last = number + 1 == parts.len();
                if is_last && places.is_empty() && is_counted {
                    found.grid = shape;
                    places = vec![0_u32; part.codes().len()];
                }
                let sides = (picture.height() as usize, picture.width() as usize);
                let over = Places { shape: part.shape(), picture: sides };
                for at in 0..part.codes().len() {
                    let Some(code) = part.code(at) else { continue };
                    if code != self.code.number {
                        continue;
                    }
                    if is_counted
                        && is_last
                        && shape == found.grid
                        && places.len() == part.codes().len()
                    {
                        places[at] += 1;
                    }
                    let (row, column) = (at / part.columns(), at % part.columns());
                    if !facts.spatial {
                        continue;
                    }
                    if is_counted {
                        note_companions(part, row, column, &mut beside);
                    }
                    if found.patches.len() < 24 && here < 6 {
                        here += 1;
                        found.patches.push(patch(picture, over.rectangle(row, column))?);
                    }
                }
            }
            desk.progress((done + 1) as f32 / all.len() as f32)?;
        }
        beside[self.code.number as usize % k] = 0;
        found.companions = most_often(beside, 6);
        found.places = places.into();
        found.sample = ImageSample::new(desk, &self.images, images)?;
        Ok(found)
    }

    fn bytes(answer: &Occurrences) -> usize {
        answer.places.len() * 4 + answer.patches.iter().map(|p| p.rgb().len()).sum::<usize>() + 256
    }
}

/// The parts that have codes of a book.
fn of_book(tokens: &Tokens, book: u16) -> Vec<&Part> {
    tokens.parts().iter().filter(|part| part.book() == book).collect()
}

/// The codes that were counted most often, with their counts.
fn most_often(counts: Vec<u32>, most: usize) -> Vec<(u32, u32)> {
    let mut found: Vec<(u32, u32)> = (0_u32..).zip(counts).filter(|c| c.1 > 0).collect();
    found.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    found.truncate(most);
    found
}

fn note_companions(part: &Part, row: usize, column: usize, beside: &mut [u32]) {
    let steps = [(0_isize, 1_isize), (0, -1), (1, 0), (-1, 0)];
    for (dy, dx) in steps {
        let (Some(r), Some(c)) = (row.checked_add_signed(dy), column.checked_add_signed(dx)) else {
            continue;
        };
        if let Some(code) = part.get(0, r, c) {
            beside[code as usize] += 1;
        }
    }
}

/// The pixels of a cell (left, top, width, height) with half a cell around, as far as the picture goes.
fn patch(picture: &Picture, rectangle: [usize; 4]) -> Result<Picture> {
    let [left, top, width, height] = rectangle.map(|n| n as u32);
    let (x, y) = (left.saturating_sub(width / 2), top.saturating_sub(height / 2));
    picture.crop(x, y, (2 * width).min(picture.width() - x), (2 * height).min(picture.height() - y))
}
