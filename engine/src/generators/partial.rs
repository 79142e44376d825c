//! What can be decoded of tokens of which some are not there yet.

use std::collections::VecDeque;

use crate::Result;
use crate::tokens::{MASKED, Part, Tokens};

/// Tokens without a gap, to be decoded: of scales those that are whole, each the sum so far; of one part all, with
/// the nearest token in every cell that has none. What is decoded there is no token of the picture: who shows it
/// has to cover it. `None` where nothing can be decoded.
///
/// # Errors
/// None that tokens of a generation have.
pub fn decodable(tokens: &Tokens) -> Result<Option<Tokens>> {
    if let [only] = tokens.parts() {
        return filled(only)?.map(|part| Tokens::new([part])).transpose();
    }
    let is_whole = |part: &&Part| !part.codes().contains(&MASKED);
    let whole = tokens.parts().iter().take_while(is_whole).count();
    Ok((whole > 0).then(|| tokens.up_to(whole)))
}

/// A part with the nearest token, counted in steps to neighbors, in every cell that has none.
fn filled(part: &Part) -> Result<Option<Part>> {
    let mut codes = part.codes().to_vec();
    let columns = part.columns();
    let mut open: VecDeque<usize> = (0..codes.len()).filter(|at| codes[*at] != MASKED).collect();
    if open.is_empty() {
        return Ok(None);
    }
    while let Some(at) = open.pop_front() {
        let column = at % columns;
        let around = [
            at.checked_sub(columns),
            (column > 0).then(|| at - 1),
            (column + 1 < columns).then_some(at + 1),
            Some(at + columns).filter(|next| *next < codes.len()),
        ];
        for next in around.into_iter().flatten() {
            if codes[next] == MASKED {
                codes[next] = codes[at];
                open.push_back(next);
            }
        }
    }
    Part::new(part.shape(), part.codebook_size(), codes).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::PartShape;

    const M: u32 = MASKED;

    #[test]
    fn every_gap_has_its_nearest_token_and_nothing_is_nothing() {
        let part = Part::new(PartShape::grid(2, 4), 9, vec![1, M, M, 2, M, M, M, M]).unwrap();
        let found = decodable(&Tokens::new([part]).unwrap()).unwrap().unwrap();
        assert_eq!(found.first().codes()[..], [1, 1, 2, 2, 1, 1, 2, 2]);
        let empty = Tokens::grid(1, 2, 9, vec![M, M]).unwrap();
        assert_eq!(decodable(&empty).unwrap(), None);
    }

    #[test]
    fn of_scales_those_that_are_whole_are_the_picture_so_far() {
        let scales = |second: u32, third: u32| {
            let part = |side, codes: Vec<u32>| Part::new(PartShape::grid(side, side), 9, codes);
            let parts = [
                part(1, vec![3]).unwrap(),
                part(2, vec![1, second, 1, 1]).unwrap(),
                part(3, vec![third; 9]).unwrap(),
            ];
            Tokens::new(parts).unwrap()
        };
        assert_eq!(decodable(&scales(M, M)).unwrap(), Some(scales(M, M).up_to(1)));
        assert_eq!(decodable(&scales(M, 4)).unwrap(), Some(scales(M, M).up_to(1)), "a gap before");
        assert_eq!(decodable(&scales(2, 4)).unwrap(), Some(scales(2, 4)));
    }
}
