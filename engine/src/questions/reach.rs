//! Which pixels a token moves: for tokens that belong to no place, the only way to see where they act.

use std::sync::Arc;

use super::encode::Decode;
use super::model::ModelRef;
use crate::session::{Desk, Question};
use crate::tokens::{Cell, Tokens};
use crate::{EngineError, Result};

/// Other codes that stand in for the token, spread over the codebook.
const TRIED: u32 = 4;

/// How much each pixel changes when one token is another code.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reach {
    /// The tokens.
    pub tokens: Tokens,
    /// By which tokenizer.
    pub model: ModelRef,
    /// Which token is changed.
    pub cell: Cell,
}

/// See [`Reach`].
#[derive(Debug, Clone)]
pub struct Reached {
    /// Mean absolute change of every pixel over the codes that were tried, mean over the channels, in
    /// [0, 1] of the full range; row by row.
    pub moved: Arc<[f32]>,
    /// The largest of them.
    pub highest: f32,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// How many other codes were tried.
    pub tried: u32,
}

impl Question for Reach {
    type Answer = Reached;

    fn answer(&self, desk: &Desk<'_>) -> Result<Reached> {
        let (Some(part), Some(code)) =
            (self.tokens.part(self.cell.part.into()), self.tokens.get(self.cell))
        else {
            let reason = format!("no token stands at {}", self.cell);
            return Err(EngineError::bad_input("tokens", reason, "pick a token"));
        };
        let decode = |tokens: Tokens| desk.ask(&Decode { tokens, model: self.model.clone() });
        let before = decode(self.tokens.clone())?;
        let k = part.codebook_size();
        let tried = TRIED.min(k.saturating_sub(1));
        let mut sums = vec![0_u32; before.picture.rgb().len() / 3];
        for number in 1..=tried {
            desk.progress(number as f32 / (tried + 1) as f32)?;
            // Evenly around the codebook, never the code itself.
            let step = u64::from(number) * u64::from(k) / u64::from(tried + 1);
            let other = ((u64::from(code) + step.max(u64::from(number))) % u64::from(k)) as u32;
            let after = decode(self.tokens.with([(self.cell, Some(other))])?)?;
            let pairs =
                before.picture.rgb().chunks_exact(3).zip(after.picture.rgb().chunks_exact(3));
            for (sum, (a, b)) in sums.iter_mut().zip(pairs) {
                *sum += a.iter().zip(b).map(|(x, y)| u32::from(x.abs_diff(*y))).sum::<u32>();
            }
        }
        let most = 765.0 * tried.max(1) as f32;
        let moved: Arc<[f32]> = sums.iter().map(|sum| *sum as f32 / most).collect();
        Ok(Reached {
            highest: moved.iter().copied().fold(0.0, f32::max),
            moved,
            size: (before.picture.width(), before.picture.height()),
            tried,
        })
    }

    fn bytes(answer: &Reached) -> usize {
        answer.moved.len() * 4
    }
}
