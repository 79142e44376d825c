//! What a generator is before it has weights.

use super::condition::{Caption, Condition};
use super::order::Order;
use crate::tokens::PartShape;
use crate::{EngineError, Result};

/// In which order a generator writes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Way {
    /// One after the other, row by row (raster autoregression; van den Oord et al., arXiv 1601.06759).
    Raster,
    /// Any of those that are masked, the most certain first (MaskGIT; Chang et al., arXiv 2202.04200).
    MaskGit,
    /// All of a scale at once, from coarse to fine (VAR; Tian et al., arXiv 2404.02905).
    Var,
}

impl Way {
    /// Its name, as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raster => "raster AR",
            Self::MaskGit => "MaskGIT",
            Self::Var => "VAR",
        }
    }
}

/// What leads a generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Takes {
    /// A class, or none.
    #[default]
    Class,
    /// Features of a caption by a text encoder.
    Caption {
        /// The most rows.
        rows: usize,
        /// Features of a row.
        dim: usize,
    },
    /// Tokens that stand before those of the picture.
    Tokens {
        /// So many.
        count: usize,
        /// Each below this.
        codes: u32,
    },
}

impl Takes {
    /// That a condition is one that leads it; where one is needed, that there is one.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with what it takes.
    pub fn check(&self, condition: &Condition, needed: bool) -> Result<()> {
        let bad = |what: &str, reason: String, hint: &str| {
            Err(EngineError::bad_input(what, reason, hint))
        };
        match (self, condition) {
            (_, Condition::Nothing) if !needed => Ok(()),
            (Self::Class, Condition::Class(_)) => Ok(()),
            (Self::Class, _) => {
                bad("class", "this generator needs one".to_owned(), "name it (--class)")
            }
            (Self::Caption { rows, dim }, Condition::Caption(Caption { rows: own, features })) => {
                let is_whole = features.as_ref().is_none_or(|all| all.len() == own * dim);
                if is_whole && (1..=*rows).contains(own) {
                    return Ok(());
                }
                let reason = format!("{own} rows are not 1 to {rows} rows of {dim} features");
                bad("caption", reason, "use the text encoder that it was trained with")
            }
            (Self::Caption { rows, dim }, _) => {
                let reason = "this generator is led by captions".to_owned();
                let hint = format!(
                    "give the features of one by its text encoder, at most ({rows}, {dim}) (--caption)"
                );
                bad("caption", reason, &hint)
            }
            (Self::Tokens { count, codes }, Condition::Tokens(tokens)) => {
                if tokens.len() != *count {
                    let reason = format!("{} tokens, this generator takes {count}", tokens.len());
                    return bad("prefix", reason, "give as many as it was trained with");
                }
                match tokens.iter().find(|token| *token >= codes) {
                    None => Ok(()),
                    Some(token) => {
                        let reason = format!("{token} is not below its {codes} codes");
                        bad("prefix", reason, "give tokens of its codebook")
                    }
                }
            }
            (Self::Tokens { count, .. }, _) => {
                let reason = "this generator writes what follows other tokens".to_owned();
                bad("prefix", reason, &format!("give the {count} that come before (--prefix)"))
            }
        }
    }
}

/// Sizes of the transformer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSize {
    /// Number of blocks.
    pub layers: usize,
    /// Width of a place.
    pub dim: usize,
    /// Heads of attention.
    pub heads: usize,
}

impl NetworkSize {
    /// Checks every size before anything is allocated.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field.
    pub fn validate(&self) -> Result<()> {
        let bad = |field: &str, reason: String| {
            Err(EngineError::bad_input(format!("generator.{field}"), reason, ""))
        };
        if !(1..=96).contains(&self.layers) {
            return bad("layers", format!("{} is not in 1 to 96", self.layers));
        }
        if !(1..=8192).contains(&self.dim) {
            return bad("dim", format!("{} is not in 1 to 8192", self.dim));
        }
        // Twelve squares of the width a block, in f32.
        if self.layers * self.dim * self.dim > 1 << 28 {
            let reason = format!("{} blocks of a width of {}", self.layers, self.dim);
            return bad("network", format!("{reason} are more than 3 thousand million weights"));
        }
        if self.heads == 0 || !self.dim.is_multiple_of(self.heads) {
            return bad("heads", format!("{} do not divide a width of {}", self.heads, self.dim));
        }
        Ok(())
    }
}

/// Everything that decides a generator but its weights.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorConfig {
    /// In which order it writes.
    pub way: Way,
    /// Sizes of its transformer.
    pub network: NetworkSize,
    /// Codes of the tokenizer's book, K.
    pub codes: u32,
    /// The parts of an image's tokens.
    pub layout: Vec<PartShape>,
    /// Channels of a code, where the network reads sums of codes (VAR); 0 where it reads their numbers.
    #[serde(default)]
    pub code_dim: usize,
    /// Names of the classes, in the order of their numbers; empty where it knows none. Their numbers where nobody
    /// named them.
    pub classes: Vec<String>,
    /// What leads it.
    #[serde(default)]
    pub takes: Takes,
    /// Whether it writes nothing without it.
    #[serde(default)]
    pub needs_condition: bool,
    /// In which order raster writes the cells.
    #[serde(default, skip_serializing_if = "is_by_rows")]
    pub order: Order,
}

/// What files say nothing of: those of before there were other orders.
fn is_by_rows(order: &Order) -> bool {
    *order == Order::Rows
}

/// Tokens of an image beyond this are refused: attention between all of them would not end.
const MOST_CELLS: usize = 1 << 14;

impl GeneratorConfig {
    /// Checks every size before anything is allocated.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field.
    pub fn validate(&self) -> Result<()> {
        self.network.validate()?;
        let bad = |reason: String| Err(EngineError::bad_input("generator", reason, ""));
        let has_size = match self.takes {
            Takes::Class => true,
            Takes::Caption { rows, dim } => {
                (1..=4096).contains(&rows) && (1..=1 << 16).contains(&dim)
            }
            Takes::Tokens { count, codes } => (1..=MOST_CELLS).contains(&count) && codes > 0,
        };
        if !has_size {
            return bad("what leads it has no size, or too large a one".to_owned());
        }
        if self.codes < 2 {
            return bad(format!("a codebook of {} codes", self.codes));
        }
        match self.checked_cells() {
            Some(cells) if (1..=MOST_CELLS).contains(&cells) => {}
            _ => return bad(format!("{} are not 1 to {MOST_CELLS} tokens", self.words())),
        }
        let is_plain = |part: &PartShape| part.frames == 1 && part.book == 0;
        if !self.layout.iter().all(is_plain) {
            return bad("it writes still images of one codebook".to_owned());
        }
        let is_square = |part: &PartShape| part.rows == part.columns && part.rows > 0;
        let parts = self.layout.len();
        match self.way {
            Way::Raster | Way::MaskGit if parts != 1 => {
                bad(format!("{} writes one part of tokens, not {parts}", self.way.name()))
            }
            Way::Var if parts < 2 || self.code_dim == 0 || !self.layout.iter().all(is_square) => {
                bad(format!("VAR writes the tokens of a tokenizer of scales, not {}", self.words()))
            }
            Way::MaskGit | Way::Var if self.order != Order::Rows => bad(format!(
                "{} has an order of its own, not {}",
                self.way.name(),
                self.order.name()
            )),
            _ => Ok(()),
        }
    }

    /// The cell of each place of the sequence that raster writes.
    pub fn sequence(&self) -> Vec<u32> {
        let sides = self.layout.first().map_or((0, 0), |part| (part.rows, part.columns));
        self.order.cells(sides.0, sides.1)
    }

    /// Tokens of an image, if that is a number.
    fn checked_cells(&self) -> Option<usize> {
        // Not `sum`: a file can say sides whose squares come to 2^64 together, which is 0.
        self.layout.iter().try_fold(0_usize, |sum, part| sum.checked_add(part.cells()?))
    }

    /// Tokens of an image.
    pub fn cells(&self) -> usize {
        self.checked_cells().unwrap_or(0)
    }

    /// Its layout in words.
    pub fn words(&self) -> String {
        crate::tokens::words(&self.layout)
    }

    /// The number of a class by its name or number; `None` means no class.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the names if there is none.
    pub fn class(&self, said: &str) -> Result<u32> {
        let by_name = self.classes.iter().position(|class| class.eq_ignore_ascii_case(said));
        let by_number = said.parse::<usize>().ok().filter(|number| *number < self.classes.len());
        by_name.or(by_number).map(|class| class as u32).ok_or_else(|| {
            let reason = format!("there is no class {said:?}");
            let are_numbers = self.classes.iter().zip(0_usize..);
            let are_numbers = are_numbers.into_iter().all(|(class, at)| *class == at.to_string());
            let hint = if self.classes.is_empty() {
                "this generator knows no classes".to_owned()
            } else if are_numbers {
                format!("its classes are 0 to {}", self.classes.len() - 1)
            } else {
                let named = self.classes.iter().enumerate();
                let named: Vec<String> =
                    named.map(|(number, class)| format!("{number} {class}")).collect();
                format!("its classes are {}", named.join(", "))
            };
            EngineError::bad_input("class", reason, hint)
        })
    }
}
