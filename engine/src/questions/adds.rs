//! What one part of tokens adds to the picture that those before it are: a scale, a residual level.

use std::sync::Arc;

use super::encode::Decode;
use super::model::ModelRef;
use crate::session::{Desk, Question};
use crate::tokens::Tokens;
use crate::{EngineError, Result};

/// What the last of these parts adds: the picture with it, less the picture without it. What the first one adds is
/// counted from middle gray.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PartAdds {
    /// The tokens, up to the part that is asked about.
    pub tokens: Tokens,
    /// By which tokenizer, whose first parts are a picture by themselves.
    pub model: ModelRef,
}

/// See [`PartAdds`].
#[derive(Debug, Clone)]
pub struct Added {
    /// Of every pixel, mean of the channels, in [-1, 1] of the full range; row by row.
    pub signed: Arc<[f32]>,
    /// What one pixel of a hundred is beyond, of either sign, in [0, 1].
    pub usual: f32,
    /// Width and height in pixels.
    pub size: (u32, u32),
}

impl Question for PartAdds {
    type Answer = Added;

    fn answer(&self, desk: &Desk<'_>) -> Result<Added> {
        let count = self.tokens.parts().len();
        let decode = |parts: usize| {
            desk.ask(&Decode { tokens: self.tokens.up_to(parts), model: self.model.clone() })
        };
        let with = decode(count)?;
        let levels = |rgb: &[u8]| -> Vec<f32> {
            let sum = |rgb: &[u8]| rgb.iter().map(|level| f32::from(*level)).sum::<f32>();
            rgb.chunks_exact(3).map(sum).collect()
        };
        let after = levels(with.picture.rgb());
        let before = match count {
            0 | 1 => vec![1.5 * 255.0; after.len()],
            _ => levels(decode(count - 1)?.picture.rgb()),
        };
        if before.len() != after.len() {
            let reason = "the picture without it has another size";
            return Err(EngineError::bad_input("tokens", reason, "look at all parts"));
        }
        let signed: Arc<[f32]> = std::iter::zip(&after, &before)
            .map(|(after, before)| (after - before) / 765.0)
            .collect();
        let mut sizes: Vec<f32> = signed.iter().map(|value| value.abs()).collect();
        let place = (sizes.len() * 99 / 100).min(sizes.len().saturating_sub(1));
        let usual = if sizes.is_empty() {
            0.0
        } else {
            *sizes.select_nth_unstable_by(place, f32::total_cmp).1
        };
        let size = (with.picture.width(), with.picture.height());
        Ok(Added { signed, usual, size })
    }

    fn bytes(answer: &Added) -> usize {
        answer.signed.len() * 4
    }
}
