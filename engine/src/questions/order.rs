//! Orders of a codebook, and tokens without some of its codes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::code::CodeAppearance;
use super::model::{ModelRef, load};
use super::sample::ImageSample;
use super::usage::CodeUse;
use crate::measure::CodeStatistics;
use crate::session::{Desk, Question};
use crate::tokens::{Code, Part, Tokens};
use crate::{EngineError, Result};

/// How codes are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OrderBy {
    /// As the codebook has them.
    #[default]
    Index,
    /// Most used first.
    Count,
    /// By the hue of what they look like, gray ones last; by index where that is not known.
    Hue,
}

/// A codebook's counts in an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodebookOrder {
    /// Which counts.
    pub counts: CodeUse,
    /// Whose codes, for an order by what they look like.
    pub model: Option<ModelRef>,
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
    /// The count at each place, K entries, for a card: exact up to 2^24.
    pub values: Arc<[f32]>,
    /// The count of each code in its own order, K entries.
    pub counts: Arc<[u64]>,
    /// The highest count.
    pub highest: f32,
    /// Used codes, perplexity, entropy, Gini, ceiling.
    pub statistics: CodeStatistics,
    /// Codes that do not occur in the sample, in the codebook's order.
    pub unused: Arc<[u32]>,
    /// Images that could not be read, with why.
    pub skipped: Vec<String>,
    /// Images whose tokens were counted.
    pub images: usize,
    /// Which images were counted over; none where tokens were counted.
    pub sample: Option<ImageSample>,
}

impl Question for CodebookOrder {
    type Answer = Ordered;

    fn answer(&self, desk: &Desk<'_>) -> Result<Ordered> {
        let found = desk.ask(&self.counts)?;
        let counts = &found.counts;
        let mut codes: Vec<u32> = (0..counts.len() as u32).collect();
        match (self.by, &self.model) {
            (OrderBy::Index, _) | (OrderBy::Hue, None) => {}
            (OrderBy::Count, _) => {
                codes.sort_by_key(|c| (std::cmp::Reverse(counts[*c as usize]), *c));
            }
            (OrderBy::Hue, Some(model)) => {
                let book = self.counts.scope.book;
                let look = desk.ask(&CodeAppearance { model: model.clone(), book })?;
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
        let unused = (0_u32..).zip(counts.iter()).filter(|c| *c.1 == 0).map(|c| c.0).collect();
        Ok(Ordered {
            highest: values.iter().copied().fold(0.0, f32::max),
            codes: codes.into(),
            place_of: place_of.into(),
            values: values.into(),
            counts: Arc::clone(counts),
            statistics: found.statistics,
            unused,
            skipped: found.skipped.clone(),
            images: found.images,
            sample: found.sample,
        })
    }

    fn bytes(answer: &Ordered) -> usize {
        answer.codes.len() * 24
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

/// Tokens in which some codes may not stand: each gives way to the nearest code that may.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WithoutCodes {
    /// The tokens.
    pub tokens: Tokens,
    /// Whose codes.
    pub model: ModelRef,
    /// Codes that are switched off.
    pub off: Arc<BTreeSet<Code>>,
}

impl Question for WithoutCodes {
    type Answer = Tokens;

    fn answer(&self, desk: &Desk<'_>) -> Result<Tokens> {
        let mut present: BTreeMap<u16, BTreeSet<u32>> = BTreeMap::new();
        for part in self.tokens.parts() {
            let book = part.book();
            let off = |number: &u32| self.off.contains(&Code { book, number: *number });
            present.entry(book).or_default().extend(part.codes().iter().copied().filter(off));
        }
        present.retain(|_, codes| !codes.is_empty());
        if present.is_empty() {
            return Ok(self.tokens.clone());
        }
        let mut instead = BTreeMap::new();
        for (book, codes) in present {
            self.find_instead(desk, book, &codes, &mut instead)?;
        }
        let parts = self.tokens.parts().iter().map(|part| {
            let of = |number: &u32| Code { book: part.book(), number: *number };
            let codes = part.codes().iter().map(|code| *instead.get(&of(code)).unwrap_or(code));
            Part::new(part.shape(), part.codebook_size(), codes.collect::<Vec<_>>())
        });
        Tokens::new(parts.collect::<Result<Vec<_>>>()?)
    }

    fn bytes(answer: &Tokens) -> usize {
        answer.bytes()
    }
}

impl WithoutCodes {
    /// The nearest code that may stand, for each of these.
    fn find_instead(
        &self,
        desk: &Desk<'_>,
        book: u16,
        codes: &BTreeSet<u32>,
        instead: &mut BTreeMap<Code, u32>,
    ) -> Result<()> {
        let model = load(desk, &self.model)?;
        let Some(entries) = model.tokenizer.quantizer().entries(book)? else {
            return Err(EngineError::bad_input(
                "switched-off codes",
                "this quantizer has no codes as vectors, so none is nearest",
                "switch the codes on again",
            ));
        };
        let (k, d) = entries.dims2()?;
        let values = entries.flatten_all()?.to_vec1::<f32>()?;
        if let Some(number) = codes.iter().find(|number| **number as usize >= k) {
            return Err(EngineError::bad_input(
                "tokens",
                format!("code {number} is outside the codebook 0..{k}"),
                "open the tokenizer that made them",
            ));
        }
        let row = |code: usize| &values[code * d..(code + 1) * d];
        for number in codes {
            desk.check()?;
            let own = row(*number as usize);
            let distance = |other: &usize| -> f32 {
                own.iter().zip(row(*other)).map(|(a, b)| (a - b) * (a - b)).sum()
            };
            let may = |other: &usize| !self.off.contains(&Code { book, number: *other as u32 });
            let nearest = (0..k).filter(may).min_by(|a, b| distance(a).total_cmp(&distance(b)));
            let Some(nearest) = nearest else {
                return Err(EngineError::bad_input(
                    "switched-off codes",
                    "every code is switched off",
                    "switch a code on again",
                ));
            };
            instead.insert(Code { book, number: *number }, nearest as u32);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hues_go_round_from_red_and_grays_come_last() {
        let ranks = [[200, 10, 10], [200, 190, 10], [10, 200, 10], [10, 10, 200], [90, 90, 92]];
        let ranks: Vec<_> = ranks.map(|c| hue_rank(c).0).into();
        assert!(ranks.is_sorted(), "{ranks:?}");
        assert_eq!(hue_rank([0, 0, 0]).0, 24);
    }
}
