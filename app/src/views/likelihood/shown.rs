//! The bits that are seen: of which tokens, by which generator, how far they are worked out.

use std::sync::Arc;

use egui::Color32;
use smalti_engine::generators::TokenBits;
use smalti_engine::questions::{Likelihood, OpenGenerator, OpenedPainter};
use smalti_engine::tokens::{Cell, Tokens};

use super::super::tokens::sheet::Sheet;
use crate::look::words::counted;

/// What is seen.
pub(super) struct Shown<'a> {
    question: &'a Likelihood,
    opened: &'a OpenedPainter,
    /// None while nothing is known.
    pub(super) bits: Option<Arc<TokenBits>>,
    /// Whether they are those of other tokens, or not there yet.
    pub(super) is_old: bool,
    progress: Option<f32>,
    /// The bits that have the last color.
    pub(super) most: f32,
}

impl<'a> Shown<'a> {
    pub(super) fn new(
        question: &'a Likelihood,
        opened: &'a OpenedPainter,
        bits: Option<Arc<TokenBits>>,
        (is_old, progress): (bool, Option<f32>),
    ) -> Self {
        // Those of another layout would stand in other cells.
        let bits = bits.filter(|bits| bits.bits.len() == question.tokens.len());
        let of_nothing = f64::from(opened.config().codes).log2() as f32;
        let all = bits.iter().flat_map(|bits| bits.bits.iter().copied());
        let most = all.fold(of_nothing, f32::max);
        Self { question, opened, bits, is_old, progress, most }
    }

    /// The tokens.
    pub(super) fn tokens(&self) -> &'a Tokens {
        &self.question.tokens
    }

    /// The generator.
    pub(super) fn by(&self) -> &'a OpenGenerator {
        &self.question.generator
    }

    /// What class they are judged as, for people.
    pub(super) fn class(&self) -> &'a str {
        let named = |class: u32| self.opened.config().classes.get(class as usize);
        self.question.class.and_then(named).map_or("any class", String::as_str)
    }

    /// What a token costs who knows the number of codes and nothing else, in bits.
    pub(super) fn of_nothing(&self) -> f64 {
        f64::from(self.opened.config().codes).log2()
    }

    /// The bits of a cell of these tokens; none while they are not known.
    pub(super) fn of(&self, cell: Cell) -> Option<f32> {
        let bits = self.bits.as_ref().filter(|_| !self.is_old)?;
        let (parts, number) = (self.tokens().parts(), usize::from(cell.part));
        let at =
            parts.get(number)?.index(cell.frame.into(), cell.row.into(), cell.column as usize)?;
        bits.bits.get(self.first(number) + at).copied()
    }

    /// Where the bits of a part begin.
    fn first(&self, number: usize) -> usize {
        self.tokens().parts().iter().take(number).map(|part| part.codes().len()).sum()
    }

    /// The bits of a part, cell by cell; none while nothing is known.
    pub(super) fn of_part(&self, number: usize) -> &[f32] {
        let count = self.tokens().parts().get(number).map_or(0, |part| part.codes().len());
        let first = self.first(number);
        let own = self.bits.as_ref().and_then(|bits| bits.bits.get(first..first + count));
        own.unwrap_or_default()
    }

    /// The colors of a part's cells; `color` is that of a share of the most.
    pub(super) fn colors(&self, sheet: &Sheet<'_>, color: impl Fn(f32) -> Color32) -> Vec<Color32> {
        let share = |bits: &f32| color(bits / self.most.max(f32::MIN_POSITIVE));
        let mut colors: Vec<Color32> = self.of_part(sheet.number).iter().map(share).collect();
        // The last line may be short.
        colors.resize(sheet.rows * sheet.columns, Color32::TRANSPARENT);
        colors
    }

    /// How far it is, or of what class the bits are.
    pub(super) fn state(&self) -> String {
        match (self.is_old, self.progress) {
            (true, Some(done)) => format!("working it out… {:.0} %", done * 100.0),
            (true, None) => "working it out…".to_owned(),
            (false, _) => format!("as a picture of {}", self.class()),
        }
    }

    /// What the bits mean, and their sum.
    pub(super) fn sums(&self) -> (String, String) {
        let Some(bits) = self.bits.as_ref().filter(|_| !self.is_old) else {
            return (String::new(), String::new());
        };
        let (sum, count) = (bits.sum(), self.tokens().len().max(1));
        let passes = bits.forward_passes as usize;
        let passes = if passes == 1 { "1 pass".to_owned() } else { format!("{passes} passes") };
        let right = format!(
            "{sum:.1} bits · {:.3} per token · {} · {passes}",
            sum / count as f64,
            counted(count, "token")
        );
        (bits.told.words().to_owned(), right)
    }
}
