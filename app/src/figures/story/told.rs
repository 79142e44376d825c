//! What the page tells.

use std::sync::Arc;

use smalti_engine::answers::{Appearance, Compared, ModelFacts, Used};
use smalti_engine::images::Picture;
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

    /// Rows and columns of the last part, as columns x rows.
    pub fn grid_words(&self) -> String {
        format!("{}\u{d7}{}", self.finest().columns(), self.finest().rows())
    }
}

/// Everything that the page tells.
#[derive(Debug)]
pub struct Story<'a> {
    /// The tokenizer.
    pub model: &'a ModelFacts,
    /// How its codes look.
    pub appearance: &'a Appearance,
    /// Which codes the pictures used.
    pub usage: &'a Used,
    /// The pictures, at least one.
    pub chapters: &'a [Chapter],
    /// The window with these pictures in it, if it could be drawn.
    pub window: Option<&'a Picture>,
}
