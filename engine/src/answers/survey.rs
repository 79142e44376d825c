//! What a view of a codebook needs beyond counts: orders, histories, places, and pictures without
//! some codes.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::code::CodeAppearance;
use super::encode::{Encode, GridRef};
use super::image::{ImageRef, LoadImage, SourceInfo};
use super::model::{ModelRef, load};
use super::usage::Usage;
use crate::images::{Picture, WorkingSize};
use crate::measure::{CodeCounts, CodeStatistics};
use crate::session::{Desk, Question};
use crate::tokens::Grid;
use crate::{EngineError, Result};

/// Histories keep at most this many columns; larger codebooks put neighboring codes together.
pub const HISTORY_COLUMNS: u32 = 2048;

/// How often each code stands in a grid.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GridUsage {
    /// Which grid.
    pub grid: GridRef,
}

/// See [`GridUsage`].
#[derive(Debug, Clone)]
pub struct GridCounts {
    /// Count of each code, K entries.
    pub counts: Arc<[u64]>,
    /// Used codes, perplexity, entropy, Gini, ceiling.
    pub statistics: CodeStatistics,
    /// The codes that occur with their counts, most used first, then by code.
    pub ranked: Arc<[(u32, u64)]>,
}

impl Question for GridUsage {
    type Answer = GridCounts;

    fn answer(&self, _: &Desk<'_>) -> Result<GridCounts> {
        let grid = self.grid.grid();
        let mut counts = CodeCounts::new(grid.codebook_size());
        counts.add(grid)?;
        let mut ranked: Vec<(u32, u64)> =
            (0_u32..).zip(counts.counts().iter().copied()).filter(|c| c.1 > 0).collect();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok(GridCounts {
            counts: counts.counts().into(),
            statistics: counts.statistics(),
            ranked: ranked.into(),
        })
    }

    fn bytes(answer: &GridCounts) -> usize {
        answer.counts.len() * 8 + answer.ranked.len() * 16
    }
}

/// Whose counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CountsOf {
    /// Of one grid.
    Grid(GridUsage),
    /// Of some images.
    Images(Usage),
}

/// How codes are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OrderBy {
    /// As the codebook has them.
    #[default]
    Index,
    /// Most used first.
    Count,
    /// By the hue of what they decode to, gray ones last; by index above 2^16 codes.
    Hue,
}

/// A codebook's counts in an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodebookOrder {
    /// Which tokenizer.
    pub model: ModelRef,
    /// Whose counts.
    pub counts: CountsOf,
    /// Which order.
    pub by: OrderBy,
}

/// See [`CodebookOrder`].
#[derive(Debug, Clone)]
pub struct Ordered {
    /// The code at each place, K entries.
    pub codes: Arc<[u32]>,
    /// The place of each code, K entries.
    pub place_of: Arc<[u32]>,
    /// The count at each place, K entries.
    pub values: Arc<[f32]>,
    /// The highest count.
    pub highest: f32,
    /// Used codes, perplexity, entropy, Gini, ceiling.
    pub statistics: CodeStatistics,
    /// Codes that never occur, in the codebook's order.
    pub dead: Arc<[u32]>,
    /// Images that could not be read, with why.
    pub skipped: Vec<String>,
    /// Which images were counted over; none where a grid was counted.
    pub sample: Option<ImageSample>,
}

/// How many images an answer is about, and of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageSample {
    /// Images that were looked at.
    pub images: u64,
    /// Images of the set that they are from.
    pub total: u64,
}

impl ImageSample {
    /// `images` of those that were asked about, which are a part of a set.
    fn new(desk: &Desk<'_>, asked: &[ImageRef], images: usize) -> Result<Self> {
        let mut total = asked.len() as u64;
        if let Some(ImageRef::InSource { source, .. }) = asked.first()
            && asked.iter().all(
                |image| matches!(image, ImageRef::InSource { source: other, .. } if other == source),
            )
        {
            total = total.max(desk.ask(&SourceInfo { source: source.clone() })?.len);
        }
        Ok(Self { images: images as u64, total })
    }

    /// Whether images were left out.
    pub fn is_part(&self) -> bool {
        self.images < self.total
    }
}

impl Question for CodebookOrder {
    type Answer = Ordered;

    fn answer(&self, desk: &Desk<'_>) -> Result<Ordered> {
        let (counts, statistics, skipped, sample) = match &self.counts {
            CountsOf::Grid(question) => {
                let found = desk.ask(question)?;
                (Arc::clone(&found.counts), found.statistics, Vec::new(), None)
            }
            CountsOf::Images(question) => {
                let found = desk.ask(question)?;
                let sample = ImageSample::new(desk, &question.images, found.images)?;
                (Arc::clone(&found.counts), found.statistics, found.skipped.clone(), Some(sample))
            }
        };
        let mut codes: Vec<u32> = (0..counts.len() as u32).collect();
        match self.by {
            OrderBy::Index => {}
            OrderBy::Count => codes.sort_by_key(|c| (std::cmp::Reverse(counts[*c as usize]), *c)),
            OrderBy::Hue => {
                let look = desk.ask(&CodeAppearance { model: self.model.clone() })?;
                if look.colors.len() == codes.len() {
                    codes.sort_by_key(|c| (hue_rank(look.colors[*c as usize]), *c));
                }
            }
        }
        let mut place_of = vec![0_u32; codes.len()];
        for (place, code) in (0_u32..).zip(&codes) {
            place_of[*code as usize] = place;
        }
        let values: Vec<f32> = codes.iter().map(|c| counts[*c as usize] as f32).collect();
        let dead = (0_u32..).zip(counts.iter()).filter(|c| *c.1 == 0).map(|c| c.0).collect();
        Ok(Ordered {
            highest: values.iter().copied().fold(0.0, f32::max),
            codes: codes.into(),
            place_of: place_of.into(),
            values: values.into(),
            statistics,
            dead,
            skipped,
            sample,
        })
    }

    fn bytes(answer: &Ordered) -> usize {
        answer.codes.len() * 16
    }
}

/// Sorts colors into 24 hues, inside a hue from dark to bright; colors close to gray come last.
fn hue_rank([r, g, b]: [u8; 3]) -> (u32, u32) {
    let (r, g, b) = (i32::from(r), i32::from(g), i32::from(b));
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    let (chroma, bright) = (high - low, (r + g + b) as u32);
    if chroma * 12 < high.max(24) {
        return (24, bright);
    }
    let sixth = if high == r {
        f64::from(g - b) / f64::from(chroma)
    } else if high == g {
        f64::from(b - r) / f64::from(chroma) + 2.0
    } else {
        f64::from(r - g) / f64::from(chroma) + 4.0
    };
    let hue = (sixth.rem_euclid(6.0) * 4.0) as u32;
    (hue.min(23), bright)
}

/// How the use of a codebook goes from image to image, and from place to place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Survey {
    /// Which tokenizer.
    pub model: ModelRef,
    /// Over which images, in this order.
    pub images: Arc<[ImageRef]>,
    /// At which size they are encoded.
    pub size: WorkingSize,
}

/// See [`Survey`].
#[derive(Debug, Clone)]
pub struct Surveyed {
    /// One row an image: tokens of each column, `columns` entries.
    pub rows: Arc<[Arc<[f32]>]>,
    /// Columns: K, or fewer where several codes share one.
    pub columns: u32,
    /// Codes that share a column.
    pub codes_per_column: u32,
    /// Perplexity of the codes at each place of the grid over the images, row by row.
    pub places: Arc<[f32]>,
    /// Rows and columns of `places`.
    pub grid: (u32, u32),
    /// Images that count in `places`: those with a grid of the first one's shape.
    pub images_of_places: usize,
    /// Images that were read, and of how many.
    pub sample: ImageSample,
    /// [Width, height] at which the smallest and the largest of them were encoded; zeros if none
    /// was.
    pub sizes: [[u32; 2]; 2],
    /// Images that were smaller than that and had to be enlarged.
    pub enlarged: usize,
}

impl Question for Survey {
    type Answer = Surveyed;

    fn answer(&self, desk: &Desk<'_>) -> Result<Surveyed> {
        let k = load(desk, &self.model)?.tokenizer.facts().codebook_size;
        let codes_per_column = k.div_ceil(HISTORY_COLUMNS).max(1);
        let columns = k.div_ceil(codes_per_column);
        let mut rows = Vec::new();
        let mut grids: Vec<Arc<Grid>> = Vec::new();
        let mut sizes = Sizes::default();
        for (done, image) in self.images.iter().enumerate() {
            let (asked, size, model) = (image.clone(), self.size, self.model.clone());
            match desk.ask(&Encode { image: asked, size, model }) {
                Ok(encoded) => {
                    let grid = encoded.grid.grid();
                    let original = LoadImage { image: image.clone(), paint_side: size.side };
                    sizes.add(&encoded.picture, &desk.ask(&original)?.picture);
                    let mut row = vec![0.0_f32; columns as usize];
                    for code in grid.tokens().iter() {
                        row[(code / codes_per_column) as usize] += 1.0;
                    }
                    rows.push(Arc::from(row));
                    grids.push(Arc::clone(grid));
                }
                Err(EngineError::Cancelled) => return Err(EngineError::Cancelled),
                // A broken image among many is counted and named by `Usage`.
                Err(error) if self.images.len() == 1 => return Err(error),
                Err(_) => {}
            }
            desk.progress((done + 1) as f32 / self.images.len() as f32)?;
        }
        let shape = grids.first().map_or((0, 0), |g| (g.height(), g.width()));
        grids.retain(|grid| (grid.height(), grid.width()) == shape);
        Ok(Surveyed {
            sample: ImageSample::new(desk, &self.images, rows.len())?,
            sizes: sizes.range(),
            enlarged: sizes.enlarged,
            rows: rows.into(),
            columns,
            codes_per_column,
            places: (0..shape.0 * shape.1).map(|place| perplexity_at(&grids, place)).collect(),
            grid: (shape.0 as u32, shape.1 as u32),
            images_of_places: grids.len(),
        })
    }

    fn bytes(answer: &Surveyed) -> usize {
        answer.rows.len() * answer.columns as usize * 4 + answer.places.len() * 4
    }
}

/// At which sizes images were encoded.
#[derive(Debug, Clone, Default)]
pub struct Sizes {
    /// [Width, height] of the smallest and the largest by pixels.
    range: Option<[[u32; 2]; 2]>,
    /// Images that were smaller than they were encoded at.
    pub enlarged: usize,
}

impl Sizes {
    /// Counts an image: as it was encoded, and as it was.
    pub fn add(&mut self, encoded: &Picture, original: &Picture) {
        let size = [encoded.width(), encoded.height()];
        let [least, most] = self.range.unwrap_or([size; 2]);
        let pixels = |[width, height]: [u32; 2]| u64::from(width) * u64::from(height);
        let least = if pixels(size) < pixels(least) { size } else { least };
        let most = if pixels(size) > pixels(most) { size } else { most };
        self.range = Some([least, most]);
        let is_enlarged = original.width() < size[0] || original.height() < size[1];
        self.enlarged += usize::from(is_enlarged);
    }

    /// [Width, height] of the smallest and the largest; zeros if there was none.
    pub fn range(&self) -> [[u32; 2]; 2] {
        self.range.unwrap_or_default()
    }
}

impl std::fmt::Display for Sizes {
    /// "28x28", "28x28 to 256x256".
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [least, most] = self.range();
        write!(f, "{}x{}", least[0], least[1])?;
        if least == most { Ok(()) } else { write!(f, " to {}x{}", most[0], most[1]) }
    }
}

/// 2^entropy of the codes that the grids have at one place.
fn perplexity_at(grids: &[Arc<Grid>], place: usize) -> f32 {
    let mut codes: Vec<u32> = grids.iter().map(|grid| grid.tokens()[place]).collect();
    codes.sort_unstable();
    let n = codes.len() as f64;
    let entropy: f64 = codes
        .chunk_by(|a, b| a == b)
        .map(|run| {
            let p = run.len() as f64 / n;
            -p * p.ln()
        })
        .sum();
    entropy.exp() as f32
}

/// A grid in which some codes may not stand: each gives way to the nearest code that may.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WithoutCodes {
    /// The tokens.
    pub grid: GridRef,
    /// Whose codes.
    pub model: ModelRef,
    /// Codes that are switched off.
    pub off: Arc<BTreeSet<u32>>,
}

impl Question for WithoutCodes {
    type Answer = GridRef;

    fn answer(&self, desk: &Desk<'_>) -> Result<GridRef> {
        let grid = self.grid.grid();
        let present: BTreeSet<u32> =
            grid.tokens().iter().copied().filter(|code| self.off.contains(code)).collect();
        if present.is_empty() {
            return Ok(self.grid.clone());
        }
        let model = load(desk, &self.model)?;
        let Some(codebook) = model.tokenizer.quantizer().codebook()? else {
            return Err(EngineError::bad_input(
                "switched-off codes",
                "this quantizer has no codes as vectors, so none is nearest",
                "switch the codes on again",
            ));
        };
        let (k, d) = codebook.dims2()?;
        let values = codebook.flatten_all()?.to_vec1::<f32>()?;
        let row = |code: usize| &values[code * d..(code + 1) * d];
        let mut instead = std::collections::BTreeMap::new();
        for code in present {
            desk.check()?;
            let own = row(code as usize);
            let distance = |other: &usize| -> f32 {
                own.iter().zip(row(*other)).map(|(a, b)| (a - b) * (a - b)).sum()
            };
            let nearest = (0..k)
                .filter(|other| !self.off.contains(&(*other as u32)))
                .min_by(|a, b| distance(a).total_cmp(&distance(b)));
            let Some(nearest) = nearest else {
                return Err(EngineError::bad_input(
                    "switched-off codes",
                    "every code is switched off",
                    "switch a code on again",
                ));
            };
            instead.insert(code, nearest as u32);
        }
        let tokens: Vec<u32> =
            grid.tokens().iter().map(|code| *instead.get(code).unwrap_or(code)).collect();
        let shape = (grid.height(), grid.width());
        Ok(GridRef::new(Grid::new(shape.0, shape.1, grid.codebook_size(), tokens)?))
    }

    fn bytes(answer: &GridRef) -> usize {
        answer.grid().tokens().len() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_with_one_code_has_perplexity_one_and_with_four_equal_ones_four() {
        let grid = |code| Arc::new(Grid::new(1, 2, 8, vec![3, code]).unwrap());
        let grids: Vec<_> = [0, 2, 5, 7].map(grid).into();
        assert!((perplexity_at(&grids, 0) - 1.0).abs() < 1e-6);
        assert!((perplexity_at(&grids, 1) - 4.0).abs() < 1e-5);
    }

    #[test]
    fn hues_go_round_from_red_and_grays_come_last() {
        let ranks = [[200, 10, 10], [200, 190, 10], [10, 200, 10], [10, 10, 200], [90, 90, 92]];
        let ranks: Vec<_> = ranks.map(|c| hue_rank(c).0).into();
        assert!(ranks.is_sorted(), "{ranks:?}");
        assert_eq!(hue_rank([0, 0, 0]).0, 24);
    }
}
