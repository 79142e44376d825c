//! Image → tokens → image.

use std::sync::Arc;
use std::time::Instant;

use super::image::{ImageRef, WorkingImage};
use super::model::{ModelRef, load};
use crate::Result;
use crate::images::{Picture, WorkingSize};
use crate::session::{Desk, Question};
use crate::tokenizers;
use crate::tokens::Grid;

/// A grid as part of a question: its hash is computed once.
#[derive(Debug, Clone)]
pub struct GridRef {
    hash: u64,
    grid: Arc<Grid>,
}

impl GridRef {
    /// Takes a grid in.
    pub fn new(grid: impl Into<Arc<Grid>>) -> Self {
        let grid = grid.into();
        let sides = [grid.height() as u32, grid.width() as u32, grid.codebook_size()];
        let hash = sides
            .iter()
            .chain(grid.tokens().iter())
            .flat_map(|word| word.to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        Self { hash, grid }
    }

    /// The grid.
    pub fn grid(&self) -> &Arc<Grid> {
        &self.grid
    }
}
impl PartialEq for GridRef {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.grid, &other.grid) || self.grid == other.grid)
    }
}
impl Eq for GridRef {}
impl std::hash::Hash for GridRef {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// The tokens of an image. The size's `multiple_of` is replaced by the tokenizer's factor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Encode {
    /// Which image.
    pub image: ImageRef,
    /// At which size.
    pub size: WorkingSize,
    /// By which tokenizer.
    pub model: ModelRef,
}

/// See [`Encode`].
#[derive(Debug, Clone)]
pub struct Encoded {
    /// The tokens.
    pub grid: GridRef,
    /// The picture that was encoded, at the working size.
    pub picture: Picture,
    /// Seconds that encoding took, preparation left out.
    pub seconds: f32,
}

impl Question for Encode {
    type Answer = Encoded;

    fn answer(&self, desk: &Desk<'_>) -> Result<Encoded> {
        let model = load(desk, &self.model)?;
        let size = WorkingSize { multiple_of: model.tokenizer.facts().factor as u32, ..self.size };
        let picture = desk.ask(&WorkingImage { image: self.image.clone(), size })?;
        desk.check()?;
        let started = Instant::now();
        let grid = tokenizers::tokenize(&*model.tokenizer, &picture)?;
        let seconds = started.elapsed().as_secs_f32();
        Ok(Encoded { grid: GridRef::new(grid), picture: Picture::clone(&picture), seconds })
    }

    fn bytes(answer: &Encoded) -> usize {
        answer.grid.grid.tokens().len() * 4 + answer.picture.rgb().len()
    }
}

/// The picture of a grid of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decode {
    /// The tokens.
    pub grid: GridRef,
    /// By which tokenizer.
    pub model: ModelRef,
}

/// See [`Decode`].
#[derive(Debug, Clone)]
pub struct Decoded {
    /// The picture.
    pub picture: Picture,
    /// Seconds that decoding took.
    pub seconds: f32,
}

impl Question for Decode {
    type Answer = Decoded;

    fn answer(&self, desk: &Desk<'_>) -> Result<Decoded> {
        let model = load(desk, &self.model)?;
        desk.check()?;
        let started = Instant::now();
        let picture = tokenizers::detokenize(&*model.tokenizer, &self.grid.grid)?;
        Ok(Decoded { picture, seconds: started.elapsed().as_secs_f32() })
    }

    fn bytes(answer: &Decoded) -> usize {
        answer.picture.rgb().len()
    }
}
