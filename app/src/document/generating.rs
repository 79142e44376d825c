//! What is asked of a generator, and which moment of what came of it is looked at. A generation is a pure
//! function of what was asked, so that keeping the request keeps the tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smalti_engine::generators::{GeneratorConfig, Request, Sampling, Unmasking, Way};
use smalti_engine::questions::{Given, ModelRef, OpenGenerator};
use smalti_engine::tokens::{Cell, MASKED, Part, PartShape, Tokens};
use smalti_engine::{EngineError, Result};

use super::in_runs;
use super::work::WorkOn;

/// A generation as it is asked for: all that decides its tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The generator.
    pub generator: ModelRef,
    /// What decodes its tokens, of the same codes; its own tokenizer if `None`.
    #[serde(default)]
    pub tokenizer: Option<ModelRef>,
    /// The class by its name or number, as generators of one data set share them; any if `None`.
    #[serde(default)]
    pub class: Option<Arc<str>>,
    /// Decides every draw.
    #[serde(default)]
    pub seed: u64,
    /// How tokens are drawn.
    #[serde(default)]
    pub sampling: Sampling,
    /// For masked generators.
    #[serde(default)]
    pub unmasking: Unmasking,
    /// Tokens that stay as they are, and what they are.
    #[serde(default, with = "in_runs")]
    pub given: Arc<BTreeMap<Cell, u32>>,
    /// Rows and columns of the tokens, where there are more than in the generator's own grid: they are written in
    /// windows of that.
    #[serde(default)]
    pub grid: Option<(usize, usize)>,
    /// The share of the selected cells that is written where a selection is written anew, above 0 to 1.
    #[serde(default = "all_of_it")]
    pub free: f32,
    /// The scale at which freedom begins where a selection is written anew by VAR, counted from 0 for the coarsest:
    /// coarser ones keep the codes of the picture.
    #[serde(default)]
    pub from_scale: u16,
}

/// Without a word of it no selected cell stays.
fn all_of_it() -> f32 {
    1.0
}

impl Asked {
    /// Cells of tokens larger than a generator's grid that are asked for at most.
    pub const MOST_CELLS: usize = 1 << 22;

    /// Of a generator, with usual settings.
    pub fn of(generator: ModelRef) -> Self {
        Self {
            generator,
            tokenizer: None,
            class: None,
            seed: 1,
            sampling: Sampling::default(),
            unmasking: Unmasking::default(),
            given: Arc::default(),
            grid: None,
            free: all_of_it(),
            from_scale: 0,
        }
    }

    /// The same with models as they are now.
    #[must_use]
    pub fn with_models(&self, now: impl Fn(&ModelRef) -> ModelRef) -> Self {
        let tokenizer = self.tokenizer.as_ref().map(&now);
        Self { generator: now(&self.generator), tokenizer, ..self.clone() }
    }

    /// The same of another generator: its cells are others, its tokenizer is its own.
    #[must_use]
    fn by(&self, generator: &ModelRef) -> Self {
        Self {
            generator: generator.clone(),
            tokenizer: None,
            given: Arc::default(),
            grid: None,
            from_scale: 0,
            ..self.clone()
        }
    }

    /// The scale at which freedom begins in this generator's tokens, which a document may say anything of; 0 where
    /// there are no scales.
    pub fn begins_at(&self, config: &GeneratorConfig) -> u16 {
        let finest = config.layout.len().saturating_sub(1);
        if config.way == Way::Var { self.from_scale.min(finest as u16) } else { 0 }
    }

    /// The same with nothing that stays.
    #[must_use]
    pub fn keeping_nothing(&self) -> Self {
        Self { given: Arc::default(), grid: None, ..self.clone() }
    }

    /// The question that opens its generator.
    pub fn opens(&self) -> OpenGenerator {
        OpenGenerator { generator: self.generator.clone(), tokenizer: self.tokenizer.clone() }
    }

    /// For the engine.
    ///
    /// # Errors
    /// If there is no such class, or what is given does not fit, with what to do.
    pub fn request(&self, config: &GeneratorConfig) -> Result<Request> {
        let class = self.class.as_deref().map(|said| config.class(said)).transpose()?;
        let mut request = Request::new(config, class, self.seed)?;
        if let (Some((rows, columns)), [own]) = (self.grid, config.layout.as_slice()) {
            let shape = PartShape { rows, columns, ..*own };
            let cells =
                shape.cells().filter(|cells| *cells <= Self::MOST_CELLS).ok_or_else(|| {
                    let reason = format!("{rows} x {columns} are more than {}", Self::MOST_CELLS);
                    EngineError::bad_input("tokens", reason, "use a smaller picture")
                })?;
            request.given = Tokens::new([Part::new(shape, config.codes, vec![MASKED; cells])?])?;
        }
        let given = self.given.iter().map(|(cell, code)| (*cell, Some(*code)));
        request.given = request.given.with(given)?;
        (request.sampling, request.unmasking) = (self.sampling, self.unmasking.clone());
        request.validate_in_windows(config)?;
        Ok(request)
    }

    /// With a cell that stays as this code, or one that is written again.
    #[must_use]
    pub fn giving(&self, cell: Cell, code: Option<u32>) -> Self {
        let mut given = BTreeMap::clone(&self.given);
        match code {
            Some(code) => given.insert(cell, code),
            None => given.remove(&cell),
        };
        Self { given: Arc::new(given), ..self.clone() }
    }

    /// With these tokens as those that stay.
    #[must_use]
    pub fn keeping(&self, tokens: &Tokens, is_kept: impl Fn(Cell) -> bool) -> Self {
        let kept = tokens.cells().filter(|(cell, _)| is_kept(*cell));
        let given = kept.filter_map(|(cell, code)| Some((cell, code?))).collect();
        Self { given: Arc::new(given), ..self.clone() }
    }

    /// With the next seed.
    #[must_use]
    pub fn reseeded(&self) -> Self {
        self.reseeded_by(1)
    }

    /// With a seed so much further on.
    #[must_use]
    pub fn reseeded_by(&self, by: u64) -> Self {
        Self { seed: self.seed.wrapping_add(by), ..self.clone() }
    }

    /// What it is called, with what tells it from others: "worlds-maskgit, coast, seed 7".
    pub fn name(&self) -> String {
        let class = self.class.as_deref().unwrap_or("any class");
        let mut name = format!("{}, {class}, seed {}", self.generator.label(), self.seed);
        if !self.given.is_empty() {
            name = format!("{name}, {} kept", self.given.len());
        }
        name
    }
}

/// Which generation, and how far it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// The generation, by what was asked.
    pub asked: Arc<Asked>,
    /// After how many of its steps; as far as it is if `None`.
    #[serde(default)]
    pub steps: Option<u32>,
}

/// What came of writing some of the tokens that are worked on anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// What the tokens are of.
    pub on: WorkOn,
    /// What was asked for.
    pub asked: Arc<Asked>,
    /// How many cells were written.
    pub cells: usize,
    /// Those that have another token by it, and which.
    pub tokens: Arc<[(Cell, u32)]>,
    /// Those that a person forced or released meanwhile, which are none of `tokens`.
    pub by_hand: Arc<BTreeSet<Cell>>,
}

impl Sampled {
    /// What was done, in a few words: "24 cells by worlds-maskgit, coast, seed 7".
    pub fn what(&self) -> String {
        let cells = if self.cells == 1 { "cell" } else { "cells" };
        let class = self.asked.class.as_deref().unwrap_or("any class");
        let (by, seed) = (self.asked.generator.label(), self.asked.seed);
        format!("{} {cells} by {by}, {class}, seed {seed}", self.cells)
    }
}

/// What the colors of generated tokens stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum GeneratedColor {
    /// A hue for each code.
    Code,
    /// The mean color that each code decodes to.
    #[default]
    Mosaic,
    /// How probable each token was when it was written.
    Confidence,
    /// In which step it was written.
    Step,
    /// How open the choice was, in bits.
    Entropy,
}

impl GeneratedColor {
    /// All, in the order of menus.
    pub const ALL: [Self; 5] =
        [Self::Mosaic, Self::Code, Self::Confidence, Self::Step, Self::Entropy];

    /// What it is called on the screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Mosaic => "mosaic",
            Self::Confidence => "confidence",
            Self::Step => "step",
            Self::Entropy => "entropy",
        }
    }
}

/// What is asked of generators, and what is looked at of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Generating {
    /// What is asked next; none until a generator is open.
    pub asked: Option<Arc<Asked>>,
    /// What is looked at; none until something was generated.
    pub moment: Option<Moment>,
    /// Generators that were opened from files.
    pub opened: Arc<[ModelRef]>,
    /// What the colors of its tokens stand for.
    pub color_by: GeneratedColor,
    /// Whether what would be written is seen through the masks.
    pub shows_ghost: bool,
}

impl Default for Generating {
    fn default() -> Self {
        let (color_by, shows_ghost) = (GeneratedColor::default(), true);
        Self { asked: None, moment: None, opened: Arc::default(), color_by, shows_ghost }
    }
}

/// Asks something of the generator, or looks at what it did.
#[derive(Debug, Clone, PartialEq)]
pub enum Generate {
    /// What is asked next is this.
    Ask(Box<Asked>),
    /// Generates this; it does one step and waits if `waits`.
    Start {
        /// What is asked.
        asked: Box<Asked>,
        /// Whether it waits after its first step.
        waits: bool,
    },
    /// Looks at it after so many steps; as far as it is if `None`.
    GoTo(Option<u32>),
    /// Writes the cells that are not given anew, in tokens that are worked on: in so many ways, with seeds one after
    /// the other. One alone is taken when it is there.
    Rewrite {
        /// What is asked, with the first seed.
        asked: Box<Asked>,
        /// How many ways.
        count: u8,
    },
    /// Takes one of the ways that are shown, from 0.
    Pick(usize),
    /// Shows them no more; they stay in the tree of variations.
    Leave,
    /// What was written takes its place in the tokens that are worked on.
    Take(Box<Sampled>),
    /// Its tokens become what is worked on, by the tokenizer that decodes them.
    Use(Box<Given>, ModelRef),
    /// Other colors.
    ColorBy(GeneratedColor),
    /// What would be written is seen through the masks, or not.
    Ghost(bool),
}

impl Generating {
    /// A generator is opened: what was asked of another one is asked of it.
    pub(super) fn open(&mut self, generator: &ModelRef) {
        if let ModelRef::File { path, .. } = generator {
            let is_it =
                |known: &ModelRef| matches!(known, ModelRef::File { path: own, .. } if own == path);
            let others = self.opened.iter().filter(|known| !is_it(known)).cloned();
            let opened: Vec<ModelRef> = others.chain([generator.clone()]).collect();
            if self.opened.iter().all(|known| known != generator) {
                self.opened = opened.into();
            }
        }
        let asked = match &self.asked {
            Some(asked) if asked.generator == *generator => return,
            Some(asked) => asked.by(generator),
            None => Asked::of(generator.clone()),
        };
        self.asked = Some(Arc::new(asked));
    }

    /// What a command does to it; [`Generate::Use`] is the document's.
    pub(super) fn after(&mut self, command: &Generate) {
        match command {
            Generate::Ask(asked) => self.asked = Some(Arc::new(Asked::clone(asked))),
            Generate::Start { asked, .. } => {
                let asked = Arc::new(Asked::clone(asked));
                self.moment = Some(Moment { asked: Arc::clone(&asked), steps: None });
                self.asked = Some(asked);
            }
            Generate::Rewrite { asked, count } => {
                if *count == 1 {
                    let asked = Arc::new(Asked::clone(asked));
                    self.moment = Some(Moment { asked, steps: None });
                }
                // What is asked next is another way; what it keeps is not what is asked for here.
                if let Some(next) = &mut self.asked {
                    let seed = asked.reseeded_by(u64::from(*count)).seed;
                    *next = Arc::new(Asked { seed, ..Asked::clone(next) });
                }
            }
            Generate::GoTo(steps) => {
                if let Some(moment) = &mut self.moment {
                    moment.steps = *steps;
                }
            }
            Generate::ColorBy(by) => self.color_by = *by,
            Generate::Ghost(shows) => self.shows_ghost = *shows,
            Generate::Use(..) | Generate::Take(_) | Generate::Pick(_) | Generate::Leave => {}
        }
    }

    /// The generators that are open or were.
    pub(super) fn generators(&self) -> impl Iterator<Item = &ModelRef> {
        self.opened.iter().chain(self.all_asked().map(|asked| &asked.generator))
    }

    /// Whether cells that stay, or something that was begun, are others than there: what a person loses with it.
    /// What merely stands in the settings is set again in a moment.
    pub fn has_work_beside(&self, other: &Self) -> bool {
        let given = |of: &Self| of.asked.as_ref().map(|asked| Arc::clone(&asked.given));
        let begun = |of: &Self| of.moment.as_ref().map(|moment| Arc::clone(&moment.asked));
        let keeps = given(self).is_some_and(|given| !given.is_empty());
        (keeps && given(self) != given(other))
            || (self.moment.is_some() && begun(self) != begun(other))
    }

    /// The generation that is looked at, where it is one that was started by itself: not what was written into tokens
    /// that are worked on.
    pub fn whole(&self) -> Option<&Arc<Asked>> {
        let asked = &self.moment.as_ref()?.asked;
        let of = |asked: &Asked| (Arc::clone(&asked.given), asked.grid);
        let is_whole = self.asked.as_ref().is_some_and(|next| of(next) == of(asked));
        is_whole.then_some(asked)
    }

    /// What was asked, and is asked next.
    pub(super) fn all_asked(&self) -> impl Iterator<Item = &Arc<Asked>> {
        self.asked.iter().chain(self.moment.iter().map(|moment| &moment.asked))
    }

    /// The same with models as they are now.
    #[must_use]
    pub fn with_models(mut self, now: impl Fn(&ModelRef) -> ModelRef) -> Self {
        let renew = |asked: &Arc<Asked>| Arc::new(asked.with_models(&now));
        self.asked = self.asked.as_ref().map(renew);
        if let Some(moment) = &mut self.moment {
            moment.asked = renew(&moment.asked);
        }
        self.opened = self.opened.iter().map(now).collect();
        self
    }

    /// The same without what is merely looked at.
    pub(super) fn without_looks(&self) -> Self {
        let mut same = self.clone();
        if let Some(moment) = &mut same.moment {
            moment.steps = None;
        }
        same.opened = Arc::default();
        same
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smalti_engine::questions::Stamp;

    fn file(name: &str) -> ModelRef {
        ModelRef::File { path: std::path::Path::new(name).into(), stamp: Stamp::default() }
    }

    #[test]
    fn what_is_asked_survives_its_own_text() {
        let asked = Asked::of(file("a.safetensors")).giving(Cell::at(3, 2), Some(7));
        let asked = Asked { class: Some("coast".into()), seed: 9, from_scale: 2, ..asked };
        let moment = Some(Moment { asked: Arc::new(asked.clone()), steps: Some(4) });
        let generating =
            Generating { asked: Some(Arc::new(asked)), moment, ..Generating::default() };
        let text = serde_json::to_string(&generating).unwrap();
        assert_eq!(serde_json::from_str::<Generating>(&text).unwrap(), generating);
        // Documents of before say nothing of scales: all of them are free.
        let older = text.replace(",\"from_scale\":2", "");
        assert_ne!(older, text);
        let older = serde_json::from_str::<Generating>(&older).unwrap();
        assert_eq!(older.asked.unwrap().from_scale, 0);
    }

    #[test]
    fn ways_that_are_asked_for_have_seeds_one_after_the_other_and_leave_what_is_asked_next() {
        let mut generating = Generating::default();
        generating.open(&file("a.safetensors"));
        let next = Asked { seed: 5, ..Asked::clone(generating.asked.as_ref().unwrap()) };
        generating.after(&Generate::Ask(Box::new(next.clone())));
        let around = Asked { grid: Some((20, 30)), ..next.giving(Cell::at(0, 0), Some(3)) };
        let ways = Generate::Rewrite { asked: Box::new(around.clone()), count: 4 };
        generating.after(&ways);
        let asked = generating.asked.clone().unwrap();
        assert_eq!(*asked, Asked { seed: 9, ..next }, "no cell of it is kept next");
        assert_eq!(generating.moment, None, "none of them is looked at by itself");
        let one = Generate::Rewrite { asked: Box::new(around.clone()), count: 1 };
        generating.after(&one);
        assert_eq!(*generating.moment.unwrap().asked, around);
    }

    #[test]
    fn another_generator_is_asked_the_same_but_for_cells_that_are_not_its() {
        let mut generating = Generating::default();
        generating.open(&file("a.safetensors"));
        let asked = Asked::clone(generating.asked.as_ref().unwrap());
        let tokenizer = Some(file("t.safetensors"));
        let asked = Asked { seed: 9, from_scale: 3, tokenizer, ..asked };
        let asked = asked.giving(Cell::at(0, 1), Some(3));
        generating.after(&Generate::Ask(Box::new(asked)));
        generating.open(&file("b.safetensors"));
        let asked = generating.asked.clone().unwrap();
        assert_eq!((asked.seed, asked.given.len(), &asked.tokenizer), (9, 0, &None));
        assert_eq!(asked.from_scale, 0, "its scales are others");
        generating.open(&file("a.safetensors"));
        assert_eq!(generating.opened.len(), 2, "each is there once");
    }
}
