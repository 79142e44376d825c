//! Masked generations of a tiny network, with any settings.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::device::of_tests;
use crate::layers::Weights;
use crate::tokens::{Cell, MASKED, PartShape, Tokens};

const CODES: u32 = 7;
const ROWS: usize = 3;
const COLUMNS: usize = 4;
const CELLS: usize = ROWS * COLUMNS;

fn config() -> GeneratorConfig {
    GeneratorConfig {
        way: Way::MaskGit,
        network: NetworkSize { layers: 1, dim: 8, heads: 2 },
        codes: CODES,
        layout: vec![PartShape::grid(ROWS, COLUMNS)],
        code_dim: 0,
        classes: ["sea", "land"].map(str::to_owned).to_vec(),
        takes: Takes::Class,
        needs_condition: false,
        order: Order::Rows,
    }
}

/// A network of fresh weights, or one that says the same of every place.
fn painter(is_blank: bool) -> Painter {
    let device = of_tests().unwrap();
    let fresh = Weights::fresh(5, &device);
    let network = Network::new(&config(), &fresh).unwrap();
    let network = if is_blank {
        let zeros = fresh.vars().into_iter().map(|(name, var)| (name, var.zeros_like().unwrap()));
        Network::new(&config(), &Weights::loaded(zeros.collect(), false, &device)).unwrap()
    } else {
        network
    };
    Painter::new(Arc::new(network), None).unwrap()
}

fn all_steps(painter: &Painter, request: &Request, after: Option<&Step>) -> Vec<Step> {
    let mut generation = Generation::new(painter.clone(), request.clone(), after).unwrap();
    std::iter::from_fn(|| generation.next_step().unwrap()).collect()
}

/// Falling points from (0, 1) to (1, 0).
fn any_curve() -> impl Strategy<Value = Schedule> {
    proptest::collection::btree_set(1_u32..100, 0..5).prop_flat_map(|places| {
        let count = places.len();
        proptest::collection::btree_set(1_u32..100, count).prop_map(move |heights| {
            let inner = places.iter().zip(heights.iter().rev());
            let inner = inner.map(|(x, y)| (f64::from(*x) / 100.0, f64::from(*y) / 100.0));
            let points = [(0.0, 1.0)].into_iter().chain(inner).chain([(1.0, 0.0)]);
            Schedule::Curve(Curve::new(points.collect()).unwrap())
        })
    })
}

fn any_unmasking() -> impl Strategy<Value = Unmasking> {
    let named = (0..Schedule::ALL.len()).prop_map(|at| Schedule::ALL[at].clone());
    let schedule = prop_oneof![named, any_curve()];
    let order = prop_oneof![Just(UnmaskingOrder::Confidence), Just(UnmaskingOrder::Halton)];
    let rest = (1_u32..20, 0.0_f32..6.0, prop_oneof![Just(0_u32), 1_u32..20]);
    (schedule, order, rest).prop_map(|(schedule, order, rest)| {
        let (steps, choice_temperature, self_correction) = rest;
        Unmasking { steps, schedule, choice_temperature, order, self_correction }
    })
}

/// A request with any settings, and any cells but the last given.
fn any_request() -> impl Strategy<Value = Request> {
    let given = proptest::collection::vec(proptest::option::of(0..CODES), CELLS - 1);
    let class = proptest::option::of(0_u32..2);
    let sampling = (0.3_f32..2.0, 0..CODES, 0.2_f32..1.0, prop_oneof![Just(1.0_f32), Just(2.5)]);
    (any::<u64>(), class, sampling, any_unmasking(), given).prop_map(
        |(seed, class, (temperature, top_k, top_p, guidance), unmasking, given)| {
            let given = given.into_iter().map(|token| token.unwrap_or(MASKED)).chain([MASKED]);
            let given = Tokens::grid(ROWS, COLUMNS, CODES, given.collect::<Vec<_>>()).unwrap();
            let sampling = Sampling { temperature, top_k, top_p, guidance, ramp: seed % 2 == 0 };
            let plain = Request::new(&config(), class, seed).unwrap();
            Request { sampling, unmasking, given, ..plain }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn given_cells_stay_each_step_writes_and_the_last_leaves_nothing(request in any_request()) {
        let painter = painter(false);
        let steps = all_steps(&painter, &request, None);
        let planned = Generation::new(painter, request.clone(), None).unwrap().steps();
        prop_assert_eq!(steps.len(), planned as usize);
        let mut before = request.given.clone();
        for step in &steps {
            prop_assert!(!step.committed.is_empty());
            for (cell, token) in step.tokens.cells() {
                let was = before.get(cell);
                if request.given.get(cell).is_some() {
                    prop_assert_eq!(token, request.given.get(cell), "given {}", cell);
                }
                if step.committed.contains(&cell) {
                    prop_assert!(was.is_none() && token.is_some(), "committed {}", cell);
                } else if step.changed.contains(&cell) {
                    prop_assert!(was.is_some() && token.is_some() && was != token);
                    prop_assert!(request.unmasking.self_correction > 0);
                } else {
                    prop_assert_eq!(token, was, "{} is not told", cell);
                }
            }
            prop_assert!(step.changed.len() <= request.unmasking.self_correction as usize);
            before = step.tokens.clone();
        }
        prop_assert_eq!(before.first_masked(), None);
    }

    #[test]
    fn going_on_from_any_step_is_as_if_it_had_never_stopped(request in any_request()) {
        let painter = painter(false);
        let whole = all_steps(&painter, &request, None);
        for (at, step) in whole.iter().enumerate() {
            prop_assert_eq!(&all_steps(&painter, &request, Some(step))[..], &whole[at + 1..]);
        }
    }

    #[test]
    fn a_locked_cell_leaves_what_is_drawn_elsewhere_as_it_was(
        request in any_request(),
        locked in 0..CELLS - 1,
        token in 0..CODES,
    ) {
        // Nothing but noise tells the places of a blank network apart.
        let painter = painter(true);
        let cell = Cell::at(locked / COLUMNS, locked % COLUMNS);
        let with_lock = request.given.with([(cell, Some(token))]).unwrap();
        let other = Request { given: with_lock, ..request.clone() };
        let drawn = |steps: &[Step], of: Cell, at: usize| {
            let proposals = &steps.get(at)?.proposals;
            proposals.iter().find(|one| one.cell == of).map(|one| one.token)
        };
        let (whole, locked) = (all_steps(&painter, &request, None), all_steps(&painter, &other, None));
        for (at, step) in whole.iter().enumerate() {
            for proposal in step.proposals.iter().filter(|one| one.cell != cell) {
                if let Some(token) = drawn(&locked, proposal.cell, at) {
                    prop_assert_eq!(token, proposal.token, "step {}, {}", at, proposal.cell);
                }
            }
        }
        // In the first step nothing is written, so that every other cell is drawn in both.
        let free = other.given.cells().filter(|(_, token)| token.is_none());
        for (cell, _) in free {
            prop_assert!(drawn(&locked, cell, 0).is_some() && drawn(&whole, cell, 0).is_some());
        }
    }

    #[test]
    fn halton_writes_free_cells_in_its_order(request in any_request()) {
        let unmasking = Unmasking { order: UnmaskingOrder::Halton, ..request.unmasking.clone() };
        let request = Request { unmasking, ..request };
        let order = halton_order(ROWS, COLUMNS).into_iter();
        let order = order.map(|at| Cell::at(at as usize / COLUMNS, at as usize % COLUMNS));
        let mut expected = order.filter(|cell| request.given.get(*cell).is_none());
        for step in all_steps(&painter(false), &request, None) {
            let mut next: Vec<Cell> = expected.by_ref().take(step.committed.len()).collect();
            next.sort_unstable();
            prop_assert_eq!(&step.committed, &next);
        }
    }
}

#[test]
fn self_correction_takes_tokens_back_only_for_likelier_ones() {
    let painter = painter(false);
    let mut changes = 0;
    for seed in 0..20 {
        let plain = Request::new(&config(), Some(1), seed).unwrap();
        let unmasking = Unmasking { steps: 8, self_correction: 3, ..Unmasking::default() };
        for step in all_steps(&painter, &Request { unmasking, ..plain }, None) {
            for cell in &step.changed {
                let proposal = step.proposals.iter().find(|one| one.cell == *cell).unwrap();
                assert!(proposal.kept && step.tokens.get(*cell) == Some(proposal.token));
                changes += 1;
            }
        }
    }
    assert!(changes > 0, "nothing was ever taken back");
}
