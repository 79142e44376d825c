//! Windows on larger pictures: the noise of a cell is that of its place in the picture.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::tests::{CODES, SIDE, all_steps, config};
use super::*;
use crate::device::of_tests;
use crate::layers::Weights;
use crate::tokens::{Cell, MASKED, PartShape, Tokens};

/// Rows and columns of the larger picture.
const PICTURE: (usize, usize) = (9, 13);

/// A network that says the same of every place, so that nothing but noise decides.
fn blank(way: Way) -> Painter {
    let device = of_tests().unwrap();
    let fresh = Weights::fresh(7, &device);
    Network::new(&config(way), &fresh).unwrap();
    let zeros = fresh.vars().into_iter().map(|(name, var)| (name, var.zeros_like().unwrap()));
    let weights = Weights::loaded(zeros.collect(), false, &device);
    let network = Arc::new(Network::new(&config(way), &weights).unwrap());
    Painter::new(network, None).unwrap()
}

/// A window there, of which all is written.
fn window(row: usize, column: usize) -> Window {
    let cells =
        (row..row + SIDE).flat_map(|r| (column..column + SIDE).map(move |c| Cell::at(r, c)));
    Window { row, column, cells: cells.collect() }
}

/// What is drawn for each cell of the picture by a window: in the end (raster), or in the first step (MaskGIT, whose
/// later ones depend on which cells were kept).
fn drawn(way: Way, window: &Window, seed: u64) -> BTreeMap<Cell, u32> {
    let part = PartShape::grid(PICTURE.0, PICTURE.1);
    let plain = Request::new(&config(way), Some(1), seed).unwrap();
    let request = Request { origin: Some(window.origin(part)), ..plain };
    let steps = all_steps(&blank(way), &request, None);
    let in_picture = |cell: Cell| {
        Cell::at(usize::from(cell.row) + window.row, cell.column as usize + window.column)
    };
    let proposals = match way {
        Way::MaskGit => steps[0].proposals.clone(),
        _ => steps.into_iter().flat_map(|step| step.proposals).collect(),
    };
    proposals.into_iter().map(|one| (in_picture(one.cell), one.token)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn moving_the_window_leaves_what_is_drawn_for_a_cell_as_it_was(
        first in (0..=PICTURE.0 - SIDE, 0..=PICTURE.1 - SIDE),
        by in (0..SIDE, 0..SIDE),
        seed in any::<u64>(),
    ) {
        let second = (
            (first.0 + by.0).min(PICTURE.0 - SIDE),
            (first.1 + by.1).min(PICTURE.1 - SIDE),
        );
        for way in [Way::Raster, Way::MaskGit] {
            let one = drawn(way, &window(first.0, first.1), seed);
            let other = drawn(way, &window(second.0, second.1), seed);
            let shared: Vec<&Cell> = one.keys().filter(|cell| other.contains_key(*cell)).collect();
            prop_assert_eq!(shared.len(), (SIDE + first.0 - second.0) * (SIDE + first.1 - second.1));
            for cell in shared {
                prop_assert_eq!(one[cell], other[cell], "{:?} {}", way, cell);
            }
        }
    }
}

#[test]
fn cells_of_the_picture_have_noise_of_their_own() {
    for way in [Way::Raster, Way::MaskGit] {
        // Windows beside each other: sixteen draws of nine codes do not agree by chance.
        let (left, right) = (drawn(way, &window(2, 1), 5), drawn(way, &window(2, 1 + SIDE), 5));
        let left: Vec<u32> = left.into_values().collect();
        let right: Vec<u32> = right.into_values().collect();
        assert_ne!(left, right, "{way:?}");
    }
}

#[test]
fn a_picture_of_the_generators_size_is_what_it_was_without_a_window() {
    for way in [Way::Raster, Way::MaskGit] {
        let request = Request::new(&config(way), Some(0), 3).unwrap();
        let whole = Origin { row: 0, column: 0, columns: SIDE as u32 };
        let inside = Request { origin: Some(whole), ..request.clone() };
        let painter = super::tests::painter(way);
        assert_eq!(all_steps(&painter, &inside, None), all_steps(&painter, &request, None));
    }
}

#[test]
fn a_window_that_sticks_out_and_one_of_scales_are_refused() {
    let refused = |way: Way, origin: Origin| {
        let request = Request::new(&config(way), None, 0).unwrap();
        let request = Request { origin: Some(origin), ..request };
        request.validate(&config(way)).unwrap_err().problem().to_string()
    };
    let out = Origin { row: 0, column: 10, columns: 13 };
    assert!(refused(Way::Raster, out).contains("column 10 of 13"));
    let whole = Origin { row: 0, column: 0, columns: SIDE as u32 };
    assert!(refused(Way::Var, whole).contains("inside of one grid"));
}

#[test]
fn the_trace_of_a_window_says_where_it_lies() {
    let request = Request::new(&config(Way::MaskGit), None, 4).unwrap();
    let origin = Some(Origin { row: 3, column: 9, columns: 13 });
    let request = Request { origin, ..request };
    let mut trace = Trace::new(TracedModel::default(), request.clone());
    for step in all_steps(&super::tests::painter(Way::MaskGit), &request, None) {
        trace.push(&step);
    }
    let bytes = trace.to_bytes().unwrap();
    assert_eq!(Trace::parse(std::path::Path::new("x"), &bytes).unwrap(), trace);
    let given = Tokens::grid(SIDE, SIDE, CODES, vec![MASKED; SIDE * SIDE]).unwrap();
    assert_eq!(trace.request.given, given);
}
