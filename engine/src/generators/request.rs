//! What a person asks of a generator: a value.

use crate::tokens::{Cell, MASKED, Part, Tokens};
use crate::{EngineError, Result};

use super::condition::Condition;
use super::config::{GeneratorConfig, Way};
use super::origin::Origin;
use super::unmasking::Unmasking;

/// How a token is drawn from logits, in this order: guidance, temperature, top-k, top-p.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// Divides the logits: below 1 the likely becomes likelier.
    pub temperature: f32,
    /// The likeliest so many codes alone, ties kept; 0: all.
    pub top_k: u32,
    /// The likeliest codes whose probabilities come to this together; 1: all. Holtzman et al., arXiv 1904.09751.
    pub top_p: f32,
    /// How much further than the class alone leads, s: u + s (c - u) of the logits with and without the class; 1 is
    /// no guidance. Ho & Salimans, arXiv 2207.12598, where w = s - 1.
    pub guidance: f32,
    /// Whether guidance grows from 1 at the first step to its value at the last.
    pub ramp: bool,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, guidance: 1.0, ramp: false }
    }
}

/// What a person asks of a generator.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The class; `None`: any.
    pub class: Option<u32>,
    /// What leads in the place of a class: a caption, or tokens.
    pub prompt: Option<Condition>,
    /// Decides every draw.
    pub seed: u64,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// For masked generators.
    pub unmasking: Unmasking,
    /// Tokens that stay, because a person locked or forced them; [`MASKED`] where the generator writes.
    pub given: Tokens,
    /// Where they lie, if they are a window on larger tokens.
    pub origin: Option<Origin>,
    /// Of raster: so many far-apart cells are written in each step; 1: one after the other, as it has learned it.
    pub groups: u32,
}

impl Request {
    /// A request for a whole picture.
    ///
    /// # Errors
    /// If the layout is none.
    pub fn new(config: &GeneratorConfig, class: Option<u32>, seed: u64) -> Result<Self> {
        let part = |shape: &crate::tokens::PartShape| {
            Part::new(*shape, config.codes, vec![MASKED; shape.cells().unwrap_or(0)])
        };
        Ok(Self {
            class,
            prompt: None,
            seed,
            sampling: Sampling::default(),
            unmasking: Unmasking::default(),
            given: Tokens::new(config.layout.iter().map(part).collect::<Result<Vec<_>>>()?)?,
            origin: None,
            groups: 1,
        })
    }

    /// What leads it.
    pub fn condition(&self) -> Condition {
        self.prompt.clone().unwrap_or_else(|| self.class.into())
    }

    /// Checks it against a generator.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with what is wrong and what to do.
    pub fn validate(&self, config: &GeneratorConfig) -> Result<()> {
        let bad = |what: &str, reason: String, hint: &str| {
            Err(EngineError::bad_input(what, reason, hint))
        };
        if let Some(class) = self.class.filter(|class| *class as usize >= config.classes.len()) {
            config.class(&class.to_string())?;
            // A class may be called by that number.
            return bad("class", format!("there is no class number {class}"), "");
        }
        config.takes.check(&self.condition(), config.needs_condition)?;
        if config.needs_condition && self.sampling.guidance != 1.0 {
            let reason = "this generator has not learned to write without what leads it".to_owned();
            return bad("guidance", reason, "leave it at 1, which is none");
        }
        let Sampling { temperature, top_p, guidance, .. } = self.sampling;
        if !(1e-3..=1e3).contains(&temperature) {
            let reason = format!("{temperature} is not in 0.001 to 1000");
            return bad("temperature", reason, "usual: 1");
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            return bad("top-p", format!("{top_p} is not above 0 and at most 1"), "1 keeps all");
        }
        if !(0.0..=100.0).contains(&guidance) {
            return bad("guidance", format!("{guidance} is not in 0 to 100"), "1 is none");
        }
        self.unmasking.validate()?;
        if self.given.layout() != config.layout {
            let reason = format!(
                "they are {}, this generator writes {}",
                self.given.words(),
                config.words()
            );
            let hint = "use tokens that were made with its tokenizer, at its size";
            return bad("tokens", reason, hint);
        }
        if self.given.parts().iter().any(|part| part.codebook_size() != config.codes) {
            let reason = format!(
                "they are of a codebook of {} codes, this generator writes {}",
                self.given.first().codebook_size(),
                config.codes
            );
            return bad("tokens", reason, "use tokens that were made with its tokenizer");
        }
        let most = if config.way == Way::Raster { config.cells() } else { 1 };
        if !(1..=most).contains(&(self.groups as usize)) {
            let (reason, hint) = match config.way {
                Way::Raster => (
                    format!("{} groups of {most} tokens", self.groups),
                    "usual: groups:2 to groups:8",
                ),
                way => (
                    format!("{} groups, but {} has an order of its own", self.groups, way.name()),
                    "groups are of raster generators; leave them out",
                ),
            };
            return bad("order", reason, hint);
        }
        let lies_outside = |origin: &Origin| match config.layout.as_slice() {
            [own] => !origin.holds(*own),
            _ => true,
        };
        if let Some(origin) = self.origin.filter(lies_outside) {
            let reason = format!(
                "{} tokens at column {} of {} columns",
                config.words(),
                origin.column,
                origin.columns
            );
            return bad("window", reason, "a window lies inside of one grid of tokens");
        }
        if self.given.first_masked().is_none() {
            return bad(
                "tokens",
                "every cell is given: there is nothing to write".to_owned(),
                "unlock the cells that are to be written",
            );
        }
        Ok(())
    }
}

/// A token that a network would write.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// Where.
    pub cell: Cell,
    /// Which.
    pub token: u32,
    /// Its probability among those that could be drawn, 0 to 1.
    pub probability: f32,
    /// The likeliest codes with their probabilities, at most 8, the likeliest first.
    pub alternatives: Vec<(u32, f32)>,
    /// The likeliest codes that top-k or top-p cut, with their probabilities before that, at most 8, the likeliest
    /// first.
    pub cut: Vec<(u32, f32)>,
    /// How open the choice was, in bits.
    pub entropy: f32,
    /// Whether it stands now.
    pub kept: bool,
}

/// A step of a generation. What comes next depends on the request and on this alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its number, from 0.
    pub index: u32,
    /// Sequences that went through the network in it: two where there is guidance.
    pub forward_passes: u32,
    /// Cells that have a token since this step and had none before.
    pub committed: Vec<Cell>,
    /// Cells that had a token, which this step took back for another one.
    pub changed: Vec<Cell>,
    /// What the network would write, in the order of cells: where none stands, and where one is questioned.
    pub proposals: Vec<Proposal>,
    /// All tokens after it; [`MASKED`] where there is none yet.
    pub tokens: Tokens,
}

impl Step {
    /// One in which nothing was done, with the tokens as they are.
    pub(super) fn of_nothing(tokens: &Tokens) -> Self {
        Self {
            index: 0,
            forward_passes: 0,
            committed: Vec::new(),
            changed: Vec::new(),
            proposals: Vec::new(),
            tokens: tokens.clone(),
        }
    }
}
