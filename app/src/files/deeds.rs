//! What a caption of a scene does when it is said, or when its question is answered: the same each time, and taken
//! back on the way back.

use serde::{Deserialize, Serialize};
use smalti_engine::generators::{Sampling, Unmasking};
use smalti_engine::questions::ModelRef;

use crate::document::{Asked, GeneratedColor};

/// Ways to write cells anew that are shown at most: as many as there are beside each other.
const MOST_WAYS: u8 = 4;
/// Steps of a masked generator at most; more are a mistake in a scene.
const MOST_STEPS: u32 = 4096;

/// A generation as a scene asks for it: all that decides its tokens. What is left out is as usual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// A shipped generator.
    pub by: String,
    /// The class by its name or number; any if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Decides every draw.
    #[serde(default = "first_seed")]
    pub seed: u64,
    /// How tokens are drawn.
    #[serde(default)]
    pub sampling: Sampling,
    /// Steps, schedule and order of a masked generator.
    #[serde(default)]
    pub unmasking: Unmasking,
}

fn first_seed() -> u64 {
    1
}

impl Wanted {
    /// As it is asked of the generator.
    pub fn asked(&self) -> Asked {
        let class = self.class.as_deref().map(Into::into);
        let (sampling, unmasking) = (self.sampling, self.unmasking.clone());
        let asked = Asked::of(ModelRef::Shipped(self.by.as_str().into()));
        Asked { class, seed: self.seed, sampling, unmasking, ..asked }
    }

    fn check(&self) -> Result<(), String> {
        if self.by.trim().is_empty() {
            return Err("a generator without a name: write by: \"worlds-maskgit\"".to_owned());
        }
        if !(1..=MOST_STEPS).contains(&self.unmasking.steps) {
            let steps = self.unmasking.steps;
            return Err(format!("{steps} steps: use 1 to {MOST_STEPS}; usual are 8 to 12"));
        }
        Ok(())
    }
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Deed {
    /// This is asked of a generator, which does not begin yet.
    Ask(Wanted),
    /// A generator writes this, from the first step on.
    Generate(Wanted),
    /// The generation is looked at after so many steps.
    GoTo(u32),
    /// It is looked at as far as it is.
    GoToEnd,
    /// What the colors of generated tokens stand for.
    ColorBy(GeneratedColor),
    /// Whether what would be written is seen through the masks.
    Ghost(bool),
    /// Selects a rectangle of the tokens that are worked on.
    Select {
        /// The first and the last row, from 0.
        rows: (u16, u16),
        /// The first and the last column, from 0.
        columns: (u32, u32),
    },
    /// Selects nothing.
    Deselect,
    /// Writes the selected cells anew by what was asked last, in so many ways; one alone takes its place at once.
    Resample(u8),
    /// Takes one of several ways, from 1.
    Pick(u8),
    /// Starts the race that is set up.
    StartRace,
}

impl Deed {
    /// What it asks of a generator.
    pub fn wanted(&self) -> Option<&Wanted> {
        match self {
            Self::Ask(wanted) | Self::Generate(wanted) => Some(wanted),
            _ => None,
        }
    }

    /// The shipped generator that it needs.
    pub fn generator(&self) -> Option<&str> {
        Some(self.wanted()?.by.as_str())
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Self::Ask(wanted) | Self::Generate(wanted) => wanted.check(),
            Self::Select { rows, columns } if rows.0 > rows.1 || columns.0 > columns.1 => {
                Err("Select: the last row or column comes before the first".to_owned())
            }
            Self::Resample(count) if !(1..=MOST_WAYS).contains(count) => {
                Err(format!("Resample({count}): use 1 to {MOST_WAYS}"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether all of what the captions of a scene do can be done in its order; if not, the number of the caption, from 0,
/// and why.
///
/// # Errors
/// The number of the caption, what is wrong there and what to do.
pub fn check<'a>(
    captions: impl Iterator<Item = (&'a [Deed], &'a [Deed])>,
) -> Result<(), (usize, String)> {
    // What is there by then: something asked, a generation, a selection, ways to pick from.
    let (mut asked, mut generated, mut selected, mut ways) = (false, false, false, 0);
    for (at, (does, reveals)) in captions.enumerate() {
        for deed in does.iter().chain(reveals) {
            deed.check().map_err(|why| (at, why))?;
            let missing = match deed {
                Deed::GoTo(_) | Deed::GoToEnd if !generated => Some("Generate(…)"),
                Deed::Resample(_) if !asked => Some("Ask(…)"),
                Deed::Resample(_) if !selected => Some("Select(…)"),
                Deed::Pick(number) if !(1..=ways).contains(number) => {
                    Some("Resample with as many ways")
                }
                _ => None,
            };
            if let Some(missing) = missing {
                return Err((at, format!("{deed:?} needs {missing} before it")));
            }
            match deed {
                Deed::Ask(_) => asked = true,
                Deed::Generate(_) => (asked, generated) = (true, true),
                Deed::Select { .. } => selected = true,
                Deed::Deselect => selected = false,
                Deed::Resample(count) => ways = if *count > 1 { *count } else { 0 },
                Deed::Pick(_) => ways = 0,
                _ => {}
            }
        }
    }
    Ok(())
}
