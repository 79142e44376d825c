//! The picture of tokens of which some are not written yet.

use super::encode::{Decode, Decoded};
use super::model::{ModelRef, load};
use crate::session::{Desk, Question};
use crate::tokens::{MASKED, Part, Tokens};
use crate::{EngineError, Result};

/// The picture of tokens as far as they are written. A decoder wants a token everywhere: where none is, the
/// picture shows something that nobody wrote, and whoever shows it says so. Of tokens whose first parts are a
/// picture by themselves (scales, levels) it is the picture so far.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DecodePartly {
    /// The tokens.
    pub tokens: Tokens,
    /// What would be written where none is, as far as that is known.
    pub meant: Option<Tokens>,
    /// By which tokenizer.
    pub model: ModelRef,
}

impl Question for DecodePartly {
    type Answer = Decoded;

    fn answer(&self, desk: &Desk<'_>) -> Result<Decoded> {
        let whole = |part: &Part| !part.codes().contains(&MASKED);
        let written = self.tokens.parts().iter().take_while(|part| whole(part)).count();
        let tokens = if written == self.tokens.parts().len() {
            self.tokens.clone()
        } else if written > 0 && load(desk, &self.model)?.tokenizer.facts().prefixes {
            self.tokens.up_to(written)
        } else {
            filled(&self.tokens, self.meant.as_ref())?
        };
        let decoded = desk.ask(&Decode { tokens, model: self.model.clone() })?;
        Ok(Decoded::clone(&decoded))
    }

    fn bytes(answer: &Decoded) -> usize {
        answer.picture.rgb().len()
    }
}

/// Tokens with one in every cell: what is meant, or else that of the nearest written cell of the part, so that
/// what is written looks as it will beside its like.
fn filled(tokens: &Tokens, meant: Option<&Tokens>) -> Result<Tokens> {
    let mut parts = Vec::with_capacity(tokens.parts().len());
    for (number, part) in tokens.parts().iter().enumerate() {
        let own = meant.and_then(|meant| meant.part(number));
        let own = own.filter(|own| own.shape() == part.shape());
        let (columns, lines) = (part.columns().max(1), part.frames() * part.rows());
        let written: Vec<usize> =
            (0..part.codes().len()).filter(|at| part.code(*at).is_some()).collect();
        let apart = |a: usize, b: usize| {
            let (row, column) =
                ((a / columns).abs_diff(b / columns), (a % columns).abs_diff(b % columns));
            row * row + column * column
        };
        let code = |at: usize| {
            let nearest = || {
                let nearest = written.iter().min_by_key(|other| (apart(at, **other), **other))?;
                part.code(*nearest)
            };
            part.code(at).or_else(|| own.and_then(|own| own.code(at))).or_else(nearest)
        };
        let codes: Option<Vec<u32>> = (0..part.codes().len()).map(code).collect();
        let Some(codes) = codes else {
            let reason = format!("in part {number}, {lines} x {columns}, no token is written");
            return Err(EngineError::bad_input("tokens", reason, "write one first"));
        };
        parts.push(Part::new(part.shape(), part.codebook_size(), codes)?);
    }
    Tokens::new(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_stays_and_the_rest_is_what_is_meant_or_the_nearest() {
        let masked = MASKED;
        let tokens = Tokens::grid(2, 3, 9, vec![4, masked, masked, masked, masked, 7]).unwrap();
        let alone = filled(&tokens, None).unwrap();
        assert_eq!(alone.first().codes()[..], [4, 4, 7, 4, 7, 7]);
        let meant = Tokens::grid(2, 3, 9, vec![1, 2, masked, 3, masked, 8]).unwrap();
        let with = filled(&tokens, Some(&meant)).unwrap();
        assert_eq!(with.first().codes()[..], [4, 2, 7, 3, 7, 7]);
        let other = Tokens::grid(3, 2, 9, vec![1; 6]).unwrap();
        assert_eq!(filled(&tokens, Some(&other)).unwrap(), alone, "of another layout");
        let nothing = Tokens::grid(1, 2, 9, vec![masked; 2]).unwrap();
        assert!(filled(&nothing, None).is_err());
    }
}
