//! How a masked generator chooses which tokens it writes: settings, and choices that need no network.

use super::halton::halton_order;
use super::schedule::Schedule;
use crate::random::Noise;
use crate::tokens::PartShape;
use crate::{EngineError, Result};

/// A lane beyond all codes: the noise that chooses which written tokens are questioned. That on the confidence of
/// a place is the one above it.
const QUESTION: u32 = u32::MAX - 1;

/// Which of its masked cells a masked generator writes first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub enum UnmaskingOrder {
    /// Those of whose token it is most certain (Chang et al., arXiv 2202.04200).
    #[default]
    Confidence,
    /// Spread evenly over the picture, whatever is certain (Besnier et al., arXiv 2503.17076).
    Halton,
}

impl UnmaskingOrder {
    /// All of them, in the order of the docs.
    pub const ALL: [Self; 2] = [Self::Confidence, Self::Halton];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Confidence => "confidence",
            Self::Halton => "halton",
        }
    }

    /// The order that a person names.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the names if there is none.
    pub fn parse(said: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(said.trim()));
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            EngineError::bad_input("order", format!("there is none called {said:?}"), names)
        })
    }
}

/// What a masked generator does beside drawing tokens.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Unmasking {
    /// Steps; fewer if there are fewer tokens to write.
    pub steps: u32,
    /// How many tokens each of them keeps.
    pub schedule: Schedule,
    /// Strength of the noise on the confidence by which tokens are kept; it falls to 0 at the last step. 0: always
    /// the most certain, which makes pictures alike.
    pub choice_temperature: f32,
    /// Which it keeps.
    pub order: UnmaskingOrder,
    /// Self-correction: so many tokens that earlier steps wrote are questioned in each step. The network reads the
    /// picture without them, and those of which it now finds the token that it draws likelier are taken back for
    /// that one ([`Step::changed`](super::Step::changed)). 0: what is written stays. A corrector in the sense of
    /// Campbell et al., arXiv 2205.14987; what is given is never questioned.
    pub self_correction: u32,
}

impl Default for Unmasking {
    fn default() -> Self {
        // Of the published MaskGIT: 4.5, and 8 to 12 steps.
        Self {
            steps: 12,
            schedule: Schedule::Cosine,
            choice_temperature: 4.5,
            order: UnmaskingOrder::Confidence,
            self_correction: 0,
        }
    }
}

impl Unmasking {
    /// # Errors
    /// [`EngineError::BadInput`] with what is wrong and what to do.
    pub(super) fn validate(&self) -> Result<()> {
        let bad = |what: &str, reason: String, hint: &str| {
            Err(EngineError::bad_input(what, reason, hint))
        };
        if !(1..=1 << 16).contains(&self.steps) {
            let hint = "at least 1; usual: 8 to 12";
            return bad("steps", format!("{} of them", self.steps), hint);
        }
        let heat = self.choice_temperature;
        if !(heat >= 0.0 && heat.is_finite()) {
            return bad(
                "choice temperature",
                format!("{heat} is negative"),
                "0 is none; usual: 4.5",
            );
        }
        Ok(())
    }

    /// Which of the places that earlier steps wrote are questioned in a step, by the noise of each place in it.
    pub(super) fn questioned(
        &self,
        written: &[usize],
        noise: impl Fn(usize) -> Noise,
    ) -> Vec<usize> {
        let count = self.self_correction as usize;
        if count == 0 {
            return Vec::new();
        }
        let drawn = |place: &usize| (noise(*place).bits(QUESTION), *place);
        let mut order: Vec<(u32, usize)> = written.iter().map(drawn).collect();
        order.sort_unstable();
        order.into_iter().take(count).map(|(_, place)| place).collect()
    }
}

/// When the Halton sequence comes to each place of a grid.
pub(super) fn halton_ranks(shape: &PartShape) -> Vec<usize> {
    let order = halton_order(shape.rows, shape.columns);
    let mut ranks = vec![0; order.len()];
    order.iter().enumerate().for_each(|(rank, place)| ranks[*place as usize] = rank);
    ranks
}
