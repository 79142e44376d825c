//! What the page tells.

use std::sync::Arc;

use smalti_engine::images::Picture;
use smalti_engine::measure::{BookStatistics, BooksStatistics};
use smalti_engine::questions::{Appearance, Compared, ModelFacts, Used};
use smalti_engine::tokens::{Part, Tokens};

use crate::figures::rate::FileRates;

/// One picture on its way to tokens and back.
#[derive(Debug)]
pub struct Chapter {
    /// Its name.
    pub name: String,
    /// As it was encoded.
    pub original: Picture,
    /// Its tokens.
    pub tokens: Tokens,
    /// What came back, and what was lost.
    pub compared: Arc<Compared>,
    /// What it costs as an image file.
    pub files: FileRates,
}

impl Chapter {
    /// The last part: the only one, or the finest scale.
    pub fn finest(&self) -> &Part {
        self.tokens.parts().last().unwrap_or(self.tokens.first())
    }

    /// Its tokens in words: columns x rows of a grid, "32 in a row", or its parts.
    pub fn grid_words(&self) -> String {
        match self.tokens.parts() {
            [only] if only.frames() == 1 && only.rows() > 1 => {
                format!("{}\u{d7}{}", only.columns(), only.rows())
            }
            _ => self.tokens.words().replace(" x ", "\u{d7}"),
        }
    }

    /// Pixels.
    pub fn pixels(&self) -> f64 {
        f64::from(self.original.width()) * f64::from(self.original.height())
    }
}

/// A picture that a generator painted, and what its tokenizer makes of a real one.
#[derive(Debug)]
pub struct Painting {
    /// What people call the way: "MaskGIT".
    pub way: String,
    /// The generator's name.
    pub name: String,
    /// The class that was asked for.
    pub class: String,
    /// The picture.
    pub picture: Picture,
    /// Its tokens in words.
    pub tokens: String,
    /// Steps that it took.
    pub steps: usize,
    /// Sequences that went through the network.
    pub passes: u32,
    /// Seconds that it took, decoding left out.
    pub seconds: f64,
    /// The tokenizer's name.
    pub tokenizer: String,
    /// A picture of the class that no network has learned.
    pub original: Picture,
    /// The same from its tokens.
    pub reconstruction: Picture,
}

/// Everything that the page tells.
#[derive(Debug)]
pub struct Story<'a> {
    /// The tokenizer.
    pub model: &'a ModelFacts,
    /// How the codes of the finest part's book look.
    pub appearance: &'a Appearance,
    /// Which codes of each book the pictures used.
    pub usage: &'a [Arc<Used>],
    /// The pictures, at least one.
    pub chapters: &'a [Chapter],
    /// The same class painted by generators; nothing where there are none.
    pub paintings: &'a [Painting],
    /// The window with these pictures in it, if it could be drawn.
    pub window: Option<&'a Picture>,
}

impl Story<'_> {
    /// Whether each token stands for a square of the picture of its own: not where it describes all of it, or
    /// where several parts lie over each other.
    pub fn is_grid(&self) -> bool {
        let is_one =
            |chapter: &Chapter| matches!(chapter.tokens.parts(), [only] if only.frames() == 1);
        self.model.facts.spatial && self.chapters.iter().all(is_one)
    }

    /// The use of all books together.
    pub fn used(&self) -> BooksStatistics {
        let of =
            |(book, used): (u16, &Arc<Used>)| BookStatistics { book, statistics: used.statistics };
        BooksStatistics::of((0..).zip(self.usage).map(of).collect())
    }
}
