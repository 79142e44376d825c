//! How a codebook is used: by one image's tokens, or over many images.

use std::sync::Arc;

use super::encode::Encode;
use super::image::{ImageRef, LoadImage};
use super::model::{ModelRef, load};
use super::sample::{ImageSample, SetSample, Sizes};
use super::stream::TokensOfFile;
use crate::images::WorkingSize;
use crate::measure::{CodeCounts, CodeStatistics};
use crate::session::{Desk, Question};
use crate::tokens::{Part, PartShape, Tokens};
use crate::{EngineError, Result};

/// Histories keep at most this many columns; larger codebooks put neighboring codes together.
pub const HISTORY_COLUMNS: u32 = 2048;
/// Rows and places are those of at most this many images: a file of tokens may hold a million.
const MOST_IMAGES: usize = 1024;

/// Whose tokens are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sample {
    /// These tokens, as they are; no tokenizer is needed.
    Tokens(Arc<[Tokens]>),
    /// Those of all images of a file. Asked for when they are counted: a question that held them would keep
    /// the file in memory.
    File(TokensOfFile),
    /// Those of a sample of a set. It may have many images, of which every frame that asks would have to know
    /// each.
    Set {
        /// By which tokenizer.
        model: ModelRef,
        /// Of which images.
        sample: SetSample,
        /// At which size they are encoded.
        size: WorkingSize,
    },
    /// Those of images.
    Images {
        /// By which tokenizer.
        model: ModelRef,
        /// Of which images, in this order.
        images: Arc<[ImageRef]>,
        /// At which size they are encoded.
        size: WorkingSize,
    },
}

impl Sample {
    /// One image's tokens.
    pub fn of(tokens: Tokens) -> Self {
        Self::Tokens([tokens].into())
    }

    /// What is there to be counted.
    fn open(&self, desk: &Desk<'_>) -> Result<Opened<'_>> {
        Ok(match self {
            Self::Tokens(tokens) => Opened::Tokens(Arc::clone(tokens)),
            Self::File(file) => Opened::Tokens(Arc::clone(&*desk.ask(file)?)),
            Self::Set { model, sample, size } => {
                let images = Arc::clone(&*desk.ask(sample)?);
                Opened::Images { model, images, size: *size }
            }
            Self::Images { model, images, size } => {
                Opened::Images { model, images: Arc::clone(images), size: *size }
            }
        })
    }
}

/// A sample with its tokens or images.
enum Opened<'a> {
    Tokens(Arc<[Tokens]>),
    Images { model: &'a ModelRef, images: Arc<[ImageRef]>, size: WorkingSize },
}

impl Opened<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Tokens(tokens) => tokens.len(),
            Self::Images { images, .. } => images.len(),
        }
    }

    fn tokens(&self, desk: &Desk<'_>, number: usize, sizes: &mut Sizes) -> Result<Tokens> {
        match self {
            Self::Tokens(tokens) => Ok(tokens[number].clone()),
            Self::Images { model, images, size } => {
                let (image, size, model) = (images[number].clone(), *size, (*model).clone());
                let original = LoadImage { image: image.clone(), paint_side: size.side };
                let subject = image.into();
                let encoded = desk.ask(&Encode { subject, size, model })?;
                sizes.add(&encoded.picture, &desk.ask(&original)?.picture);
                Ok(encoded.tokens.clone())
            }
        }
    }
}

/// Which tokens of a sample are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Scope {
    /// Codes of this book.
    pub book: u16,
    /// In this part only: a scale, a level; in all parts of the book if `None`.
    pub part: Option<u16>,
}

impl Scope {
    fn parts<'a>(&self, tokens: &'a Tokens) -> impl Iterator<Item = &'a Part> {
        let Self { book, part: only } = *self;
        tokens.parts().iter().enumerate().filter_map(move |(number, part)| {
            let counts = part.book() == book && only.is_none_or(|only| usize::from(only) == number);
            counts.then_some(part)
        })
    }
}

/// How often each code of a book occurs, how that goes from image to image, and from place to place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodeUse {
    /// Whose tokens.
    pub sample: Sample,
    /// Which of them.
    pub scope: Scope,
    /// Whether each image's own use is wanted as well ([`Used::rows`], [`Used::places`]).
    pub by_image: bool,
}

/// See [`CodeUse`].
#[derive(Debug, Clone)]
pub struct Used {
    /// Count of each code, K entries.
    pub counts: Arc<[u64]>,
    /// Used codes, perplexity, entropy, Gini, ceiling.
    pub statistics: CodeStatistics,
    /// The codes that occur with their counts, most used first, then by code.
    pub ranked: Arc<[(u32, u64)]>,
    /// Images that were counted.
    pub images: usize,
    /// Of how many; none where tokens were counted.
    pub sample: Option<ImageSample>,
    /// [Width, height] at which the smallest and the largest image were encoded; zeros where tokens were
    /// counted.
    pub sizes: [[u32; 2]; 2],
    /// Images that were smaller than that and had to be enlarged.
    pub enlarged: usize,
    /// Images that could not be read, with why.
    pub skipped: Vec<String>,
    /// One row an image: tokens of each column, `columns` entries. Of the first 1024 images, and only if
    /// [`CodeUse::by_image`] asks for them.
    pub rows: Arc<[Arc<[f32]>]>,
    /// Columns: K, or fewer where several codes share one.
    pub columns: u32,
    /// Codes that share a column.
    pub codes_per_column: u32,
    /// Perplexity of the codes at each place over the images that have rows, row by row; empty where
    /// several parts are counted together.
    pub places: Arc<[f32]>,
    /// Rows and columns of `places`.
    pub grid: (u32, u32),
    /// Images that count in `places`: those with a part of the first one's shape.
    pub images_of_places: usize,
}

impl Question for CodeUse {
    type Answer = Used;

    fn answer(&self, desk: &Desk<'_>) -> Result<Used> {
        let opened = self.sample.open(desk)?;
        let many = opened.len() > 1;
        let mut counting: Option<Counting> = match &opened {
            Opened::Tokens(_) => None,
            Opened::Images { model, .. } => {
                let model = load(desk, model)?;
                let facts = model.tokenizer.facts();
                Some(Counting::new(facts.book(self.scope.book).size, self.by_image))
            }
        };
        let (mut skipped, mut sizes) = (Vec::new(), Sizes::default());
        for number in 0..opened.len() {
            match opened.tokens(desk, number, &mut sizes) {
                Ok(tokens) => {
                    let parts: Vec<&Part> = self.scope.parts(&tokens).collect();
                    let Some(size) = parts.first().map(|part| part.codebook_size()) else {
                        continue;
                    };
                    let new = || Counting::new(size, self.by_image);
                    counting.get_or_insert_with(new).add(&parts)?;
                }
                Err(EngineError::Cancelled) => return Err(EngineError::Cancelled),
                // One broken image among many must not hide the rest.
                Err(error) if many => skipped.push(error.to_string()),
                Err(error) => return Err(error),
            }
            desk.progress((number + 1) as f32 / opened.len() as f32)?;
        }
        let counting = counting.ok_or_else(|| {
            EngineError::bad_input("tokens", "there are none to count", "open images or tokens")
        })?;
        let mut used = counting.finish(skipped);
        if let Opened::Images { images, .. } = opened {
            used.sample = Some(ImageSample::new(desk, &images, used.images)?);
            (used.sizes, used.enlarged) = (sizes.range(), sizes.enlarged);
        }
        Ok(used)
    }

    fn bytes(answer: &Used) -> usize {
        let rows = answer.rows.len() * answer.columns as usize * 4;
        answer.counts.len() * 8 + answer.ranked.len() * 16 + rows + answer.places.len() * 4
    }
}

/// What is kept while images are counted.
struct Counting {
    counts: CodeCounts,
    columns: u32,
    codes_per_column: u32,
    images: usize,
    /// Images of which rows and planes are kept.
    kept: usize,
    rows: Vec<Arc<[f32]>>,
    /// The one part of each of these images that is counted, where it is one.
    planes: Vec<(PartShape, Arc<[u32]>)>,
}

impl Counting {
    fn new(codebook_size: u32, by_image: bool) -> Self {
        let codes_per_column = codebook_size.div_ceil(HISTORY_COLUMNS).max(1);
        Self {
            counts: CodeCounts::new(codebook_size),
            columns: codebook_size.div_ceil(codes_per_column),
            codes_per_column,
            images: 0,
            kept: if by_image { MOST_IMAGES } else { 0 },
            rows: Vec::new(),
            planes: Vec::new(),
        }
    }

    fn add(&mut self, parts: &[&Part]) -> Result<()> {
        self.images += 1;
        for part in parts {
            self.counts.add(part)?;
        }
        if self.rows.len() >= self.kept {
            return Ok(());
        }
        let mut row = vec![0.0_f32; self.columns as usize];
        for part in parts {
            for code in part.codes().iter() {
                if let Some(column) = row.get_mut((code / self.codes_per_column) as usize) {
                    *column += 1.0;
                }
            }
        }
        self.rows.push(row.into());
        if let [part] = parts {
            self.planes.push((part.shape(), Arc::clone(part.codes())));
        }
        Ok(())
    }

    fn finish(self, skipped: Vec<String>) -> Used {
        let counts = self.counts.counts();
        let mut ranked: Vec<(u32, u64)> =
            (0_u32..).zip(counts.iter().copied()).filter(|c| c.1 > 0).collect();
        ranked.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let alone = self.planes.len() == self.rows.len();
        let shape = self.planes.first().map(|plane| plane.0).filter(|_| alone);
        let planes: Vec<&[u32]> =
            self.planes.iter().filter(|p| Some(p.0) == shape).map(|p| &*p.1).collect();
        let cells = planes.first().map_or(0, |plane| plane.len());
        Used {
            statistics: self.counts.statistics(),
            counts: counts.into(),
            ranked: ranked.into(),
            images: self.images,
            sample: None,
            sizes: Sizes::default().range(),
            enlarged: 0,
            skipped,
            rows: self.rows.into(),
            columns: self.columns,
            codes_per_column: self.codes_per_column,
            places: (0..cells).map(|place| perplexity_at(&planes, place)).collect(),
            grid: shape.map_or((0, 0), |s| ((s.frames * s.rows) as u32, s.columns as u32)),
            images_of_places: planes.len(),
        }
    }
}

/// 2^entropy of the codes that the planes have at one place.
fn perplexity_at(planes: &[&[u32]], place: usize) -> f32 {
    let mut codes: Vec<u32> = planes.iter().map(|plane| plane[place]).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_with_one_code_has_perplexity_one_and_with_four_equal_ones_four() {
        let planes: Vec<Vec<u32>> = [0, 2, 5, 7].map(|code| vec![3, code]).into();
        let planes: Vec<&[u32]> = planes.iter().map(Vec::as_slice).collect();
        assert!((perplexity_at(&planes, 0) - 1.0).abs() < 1e-6);
        assert!((perplexity_at(&planes, 1) - 4.0).abs() < 1e-5);
    }

    fn scales(fine: [u32; 4]) -> Tokens {
        let part = |side: usize, codes: Vec<u32>| {
            Part::new(PartShape::grid(side, side), 16, codes).unwrap()
        };
        Tokens::new([part(1, vec![9]), part(2, fine.to_vec())]).unwrap()
    }

    fn counted(tokens: &[Tokens], part: Option<u16>) -> Used {
        let scope = Scope { book: 0, part };
        let mut counting = Counting::new(16, true);
        for tokens in tokens {
            counting.add(&scope.parts(tokens).collect::<Vec<_>>()).unwrap();
        }
        counting.finish(Vec::new())
    }

    #[test]
    fn one_scale_is_counted_alone_and_all_scales_together() {
        let tokens = [scales([1, 1, 2, 3]), scales([1, 4, 2, 3])];
        let all = counted(&tokens, None);
        assert_eq!((all.counts[9], all.counts[1], all.statistics.samples), (2, 3, 10));
        assert!(all.places.is_empty(), "scales have no place in common");
        assert_eq!(all.ranked[0], (1, 3));
        let fine = counted(&tokens, Some(1));
        assert_eq!((fine.counts[9], fine.statistics.samples), (0, 8));
        assert_eq!(fine.grid, (2, 2));
        assert!((fine.places[1] - 2.0).abs() < 1e-6, "1 and 4 at the second place");
        assert!((fine.places[0] - 1.0).abs() < 1e-6);
        assert_eq!(fine.rows.len(), 2);
        assert_eq!(fine.rows[0][1], 2.0);
    }

    #[test]
    fn each_image_keeps_a_row_only_if_asked_and_only_up_to_a_number() {
        let of = |by_image| {
            let mut counting = Counting::new(16, by_image);
            for _ in 0..MOST_IMAGES + 3 {
                let tokens = scales([1, 1, 2, 3]);
                counting
                    .add(&Scope { book: 0, part: Some(1) }.parts(&tokens).collect::<Vec<_>>())
                    .unwrap();
            }
            counting.finish(Vec::new())
        };
        let (asked, plain) = (of(true), of(false));
        assert_eq!((asked.images, plain.images), (MOST_IMAGES + 3, MOST_IMAGES + 3));
        assert_eq!((asked.rows.len(), asked.images_of_places), (MOST_IMAGES, MOST_IMAGES));
        assert_eq!((plain.rows.len(), plain.places.len(), plain.grid), (0, 0, (0, 0)));
        assert_eq!(asked.statistics, plain.statistics);
    }

    #[test]
    fn cells_without_a_token_are_not_counted() {
        let masked = scales([1, 1, 2, crate::tokens::MASKED]);
        assert_eq!(counted(&[masked], Some(1)).statistics.samples, 3);
    }
}
