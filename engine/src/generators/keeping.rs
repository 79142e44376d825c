//! Which tokens of coarser scales stay where finest ones stay: what lets VAR keep a part of a picture.
//!
//! Source: the zero-shot editing of FoundationVision/VAR: the finest mask is brought to the size of each scale
//! (bilinear, corners not aligned), and what is above a half is kept; the scale of one place always.

use std::collections::BTreeSet;

use super::config::{GeneratorConfig, Way};
use crate::tokens::{Cell, PartShape};
use crate::{EngineError, Result};

/// All cells that stay, of every part, where these of the last part stay. Nothing stays where none of them does.
pub fn kept_with_finest(layout: &[PartShape], finest: &BTreeSet<Cell>) -> BTreeSet<Cell> {
    let Some(last) = layout.last() else { return BTreeSet::new() };
    let number = layout.len() - 1;
    let mut kept: BTreeSet<Cell> =
        finest.iter().filter(|cell| usize::from(cell.part) == number).copied().collect();
    if kept.is_empty() {
        return kept;
    }
    let mask = |row: usize, column: usize| {
        f64::from(u8::from(finest.contains(&Cell::of(number, row, column))))
    };
    for (at, part) in layout[..number].iter().enumerate() {
        let is_whole = part.rows * part.columns <= 3;
        for row in 0..part.rows {
            let (top, bottom, down) = between(row, part.rows, last.rows);
            for column in 0..part.columns {
                let (left, right, across) = between(column, part.columns, last.columns);
                let upper = mask(top, left) * (1.0 - across) + mask(top, right) * across;
                let lower = mask(bottom, left) * (1.0 - across) + mask(bottom, right) * across;
                if is_whole || upper * (1.0 - down) + lower * down > 0.5 {
                    kept.insert(Cell::of(at, row, column));
                }
            }
        }
    }
    kept
}

/// Checks the scale at which freedom begins where tokens are written again: coarser ones keep their codes. 0 frees
/// all of them.
///
/// # Errors
/// [`EngineError::BadInput`] with the names of the scales if there is none of this number, or no scales at all.
pub fn check_from_scale(config: &GeneratorConfig, from: usize) -> Result<()> {
    let (name, layout) = (config.way.name(), &config.layout);
    if config.way != Way::Var {
        let reason = format!("{name} writes {}, no scales from coarse to fine", config.words());
        let hint = "leave it out, or take a VAR generator";
        return Err(EngineError::bad_input("from-scale", reason, hint));
    }
    if from < layout.len() {
        return Ok(());
    }
    let all = layout.iter().enumerate().map(|(number, part)| format!("{number} ({part})"));
    let all = all.collect::<Vec<_>>().join(", ");
    let reason = format!("there is no scale {from}");
    Err(EngineError::bad_input("from-scale", reason, format!("its scales are {all}")))
}

/// The two places of a longer side between which one of a shorter side stands, and how far it is to the second.
fn between(at: usize, short: usize, long: usize) -> (usize, usize, f64) {
    let place = ((at as f64 + 0.5) * long as f64 / short as f64 - 0.5).max(0.0);
    let first = (place as usize).min(long - 1);
    (first, (first + 1).min(long - 1), place - first as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generators::{NetworkSize, Order, Takes};

    fn layout() -> Vec<PartShape> {
        [1, 2, 4].map(|side| PartShape::grid(side, side)).to_vec()
    }

    fn finest(is_kept: impl Fn(usize, usize) -> bool) -> BTreeSet<Cell> {
        let cells = (0..4).flat_map(|row| (0..4).map(move |column| (row, column)));
        cells.filter(|(r, c)| is_kept(*r, *c)).map(|(r, c)| Cell::of(2, r, c)).collect()
    }

    #[test]
    fn coarser_tokens_stay_where_more_than_half_below_them_stays() {
        let left = kept_with_finest(&layout(), &finest(|_, column| column < 2));
        let coarse: Vec<Cell> = left.iter().filter(|cell| cell.part < 2).copied().collect();
        let expected = [Cell::of(0, 0, 0), Cell::of(1, 0, 0), Cell::of(1, 1, 0)];
        assert_eq!(coarse, expected, "the left half, and the scale of one place");
        assert_eq!(left.iter().filter(|cell| cell.part == 2).count(), 8);
        // The middle of two by two cells weighs each of them a quarter: half is not above a half.
        let half = kept_with_finest(&layout(), &finest(|row, _| row % 2 == 0));
        assert!(!half.iter().any(|cell| cell.part == 1));
        let most = kept_with_finest(&layout(), &finest(|row, column| (row, column) != (0, 0)));
        assert_eq!(most.iter().filter(|cell| cell.part == 1).count(), 4);
    }

    #[test]
    fn freedom_begins_at_a_scale_that_there_is() {
        let mut config = GeneratorConfig {
            way: Way::Var,
            network: NetworkSize { layers: 1, dim: 16, heads: 2 },
            codes: 12,
            layout: layout(),
            code_dim: 2,
            classes: Vec::new(),
            takes: Takes::Class,
            needs_condition: false,
            order: Order::Rows,
        };
        for from in 0..3 {
            check_from_scale(&config, from).unwrap();
        }
        let refused = check_from_scale(&config, 3).unwrap_err().problem();
        assert!(refused.summary.contains("no scale 3"), "{refused:?}");
        assert!(refused.hint.contains("0 (1 x 1), 1 (2 x 2), 2 (4 x 4)"), "{refused:?}");
        config.way = Way::MaskGit;
        config.layout = vec![PartShape::grid(4, 4)];
        let refused = check_from_scale(&config, 0).unwrap_err().to_string();
        assert!(refused.contains("MaskGIT writes 4 x 4"), "{refused}");
    }

    #[test]
    fn where_nothing_stays_nothing_coarser_does() {
        assert!(kept_with_finest(&layout(), &BTreeSet::new()).is_empty());
        let coarse = BTreeSet::from([Cell::of(1, 0, 0)]);
        assert!(kept_with_finest(&layout(), &coarse).is_empty());
    }
}
