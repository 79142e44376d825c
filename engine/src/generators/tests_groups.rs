//! Raster in groups: fewer passes, the same noise, and what is given stays.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::tests::{CODES, SIDE, all_steps, any_request, config, painter};
use super::*;
use crate::device::of_tests;
use crate::layers::Weights;
use crate::tokens::Cell;

#[test]
fn groups_keep_what_is_given_write_every_cell_once_and_go_on_from_any_step() {
    let painter = painter(Way::Raster);
    for number in 0..20 {
        for groups in [2, 3, 4, 16] {
            let request = Request { groups, ..any_request(Way::Raster, number) };
            let whole = all_steps(&painter, &request, None);
            let planned = Generation::new(painter.clone(), request.clone(), None).unwrap().steps();
            assert_eq!(whole.len(), planned as usize, "{groups} groups");
            assert!(whole.len() <= (SIDE * SIDE).div_ceil(groups as usize));
            let mut written = BTreeSet::new();
            for (at, step) in whole.iter().enumerate() {
                assert!(!step.committed.is_empty() && step.committed.len() <= groups as usize);
                for cell in &step.committed {
                    assert!(written.insert(*cell), "{cell} twice");
                }
                for (cell, token) in request.given.cells().filter(|(_, token)| token.is_some()) {
                    assert_eq!(step.tokens.get(cell), token, "{number}, {cell}");
                }
                let rest = all_steps(&painter, &request, Some(step));
                assert_eq!(rest.len(), whole.len() - at - 1);
                let pairs = rest.iter().zip(&whole[at + 1..]);
                assert!(
                    pairs.into_iter().all(|(a, b)| a.tokens == b.tokens && a.index == b.index),
                    "{number}, {groups} groups from {at}"
                );
            }
            assert_eq!(whole.last().unwrap().tokens.first_masked(), None);
        }
    }
}

#[test]
fn a_pass_writes_one_cell_of_each_band() {
    let request = Request::new(&config(Way::Raster), Some(1), 3).unwrap();
    let steps = all_steps(&painter(Way::Raster), &Request { groups: 4, ..request }, None);
    for (column, step) in steps.iter().enumerate() {
        let band: Vec<Cell> = (0..SIDE).map(|row| Cell::at(row, column)).collect();
        assert_eq!(step.committed, band, "the rows of four by four tokens are its bands");
        assert_eq!(step.forward_passes, 1);
    }
}

#[test]
fn the_noise_of_every_cell_is_that_of_one_after_the_other() {
    let plain = Request::new(&config(Way::Raster), Some(1), 9).unwrap();
    let grouped = Request { groups: 4, ..plain.clone() };
    // Nothing but noise tells the places of a blank network apart.
    let device = of_tests().unwrap();
    let fresh = Weights::fresh(7, &device);
    Network::new(&config(Way::Raster), &fresh).unwrap();
    let zeros = fresh.vars().into_iter().map(|(name, var)| (name, var.zeros_like().unwrap()));
    let weights = Weights::loaded(zeros.collect(), false, &device);
    let network = Arc::new(Network::new(&config(Way::Raster), &weights).unwrap());
    let blank = Painter::new(network, None).unwrap();
    let last = |request| all_steps(&blank, request, None).pop().unwrap().tokens;
    let (one, many) = (last(&plain), last(&grouped));
    assert_eq!(one, many);
    let codes: BTreeSet<u32> = one.first().codes().iter().copied().collect();
    assert!(codes.len() > 1 && codes.iter().all(|code| *code < CODES));
}

#[test]
fn a_trace_says_in_how_many_groups_it_was_written() {
    let plain = Request::new(&config(Way::Raster), None, 2).unwrap();
    let request = Request { groups: 4, ..plain };
    let mut trace = Trace::new(TracedModel::default(), request.clone());
    for step in all_steps(&painter(Way::Raster), &request, None) {
        trace.push(&step);
    }
    let bytes = trace.to_bytes().unwrap();
    assert_eq!(Trace::parse(std::path::Path::new("x"), &bytes).unwrap(), trace);
}

#[test]
fn groups_that_cannot_be_are_refused() {
    let refused = |way: Way, groups: u32| {
        let request = Request { groups, ..Request::new(&config(way), None, 0).unwrap() };
        request.validate(&config(way)).unwrap_err().problem().to_string()
    };
    assert!(refused(Way::Raster, 0).contains("0 groups of 16"));
    assert!(refused(Way::Raster, 17).contains("17 groups of 16"));
    for way in [Way::MaskGit, Way::Var] {
        assert!(refused(way, 2).contains("order of its own"));
    }
}
