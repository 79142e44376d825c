//! Generations of tiny networks.

use std::sync::Arc;

use super::*;
use crate::device::of_tests;
use crate::layers::Weights;
use crate::quantizers::{MultiScaleConfig, QuantizerConfig};
use crate::random::{Noise, Purpose};
use crate::tokenizers::{Ldm, LdmConfig, Tokenizer, TokenizerConfig};
use crate::tokens::{Cell, MASKED, PartShape, Tokens};

pub(super) const CODES: u32 = 9;
pub(super) const SIDE: usize = 4;
const SCALES: [usize; 3] = [1, 2, 4];

pub(super) fn config(way: Way) -> GeneratorConfig {
    GeneratorConfig {
        way,
        network: NetworkSize { layers: 2, dim: 12, heads: 3 },
        codes: CODES,
        layout: if way == Way::Var {
            SCALES.iter().map(|side| PartShape::grid(*side, *side)).collect()
        } else {
            vec![PartShape::grid(SIDE, SIDE)]
        },
        code_dim: if way == Way::Var { 2 } else { 0 },
        classes: ["sea", "land"].map(str::to_owned).to_vec(),
        takes: Takes::Class,
        needs_condition: false,
        order: Order::Rows,
    }
}

pub(super) fn painter(way: Way) -> Painter {
    let device = of_tests().unwrap();
    let network = Arc::new(Network::new(&config(way), &Weights::fresh(7, &device)).unwrap());
    let tokenizer: Option<Arc<dyn Tokenizer>> = (way == Way::Var).then(|| {
        let weights = Weights::fresh(3, &device);
        Arc::new(Ldm::new(&scales(), &weights).unwrap()) as Arc<dyn Tokenizer>
    });
    Painter::new(network, tokenizer).unwrap()
}

/// A tokenizer of scales of 1, 2 and 4 places a side.
fn scales() -> TokenizerConfig {
    let network = LdmConfig {
        ch: 4,
        ch_mult: vec![1, 2],
        num_res_blocks: 1,
        attn_resolutions: Vec::new(),
        resolution: 8,
        z_channels: 3,
        embed_dim: 2,
        mid: false,
        norm_groups: 2,
        ..LdmConfig::default()
    };
    let quantizer = QuantizerConfig::MultiScale(MultiScaleConfig {
        vocab_size: CODES,
        v_patch_nums: SCALES.to_vec(),
        share_quant_resi: 2,
        ..MultiScaleConfig::default()
    });
    TokenizerConfig { name: "scales".to_owned(), network, quantizer }
}

pub(super) fn all_steps(painter: &Painter, request: &Request, after: Option<&Step>) -> Vec<Step> {
    let mut generation = Generation::new(painter.clone(), request.clone(), after).unwrap();
    std::iter::from_fn(|| generation.next_step().unwrap()).collect()
}

pub(super) const WAYS: [Way; 3] = [Way::Raster, Way::MaskGit, Way::Var];

/// A request with all kinds of settings, and cells that are given.
pub(super) fn any_request(way: Way, number: u64) -> Request {
    let noise = Noise::new(number, Purpose::Test, 0, 0);
    let class = [None, Some(0), Some(1)][noise.below(0, 3) as usize];
    let mut request = Request::new(&config(way), class, number).unwrap();
    request.sampling = Sampling {
        temperature: noise.range(1, 0.3, 2.0),
        top_k: noise.below(2, CODES),
        top_p: noise.range(3, 0.2, 1.0),
        guidance: [1.0, 2.5][noise.below(4, 2) as usize],
        ramp: noise.bits(5) & 1 == 1,
    };
    request.unmasking = Unmasking {
        steps: 1 + noise.below(6, 20),
        schedule: Schedule::ALL[noise.below(7, 6) as usize].clone(),
        choice_temperature: noise.range(8, 0.0, 6.0),
        order: UnmaskingOrder::ALL[noise.below(10, 2) as usize],
        self_correction: noise.below(11, 4),
    };
    // All but the last may be given.
    let share = noise.uniform(9);
    let cells: Vec<Cell> = request.given.cells().map(|(cell, _)| cell).collect();
    let given = (20..).step_by(2).zip(&cells[..cells.len() - 1]);
    let given = given.filter(|(lane, _)| noise.uniform(*lane) < share);
    let given = given.map(|(lane, cell)| (*cell, Some(noise.below(lane + 1, CODES))));
    request.given = request.given.with(given.collect::<Vec<_>>()).unwrap();
    request
}

#[test]
fn no_generator_ever_changes_a_given_cell_and_every_cell_gets_a_token() {
    for way in WAYS {
        let painter = painter(way);
        for number in 0..60 {
            let request = any_request(way, number);
            let steps = all_steps(&painter, &request, None);
            let free = request.given.cells().filter(|(_, token)| token.is_none()).count();
            let mut committed = 0;
            for step in &steps {
                for (cell, token) in request.given.cells().filter(|(_, token)| token.is_some()) {
                    assert_eq!(step.tokens.get(cell), token, "{way:?} {number}, {cell}");
                }
                assert!(!step.committed.is_empty(), "each step writes");
                committed += step.committed.len();
            }
            assert_eq!(committed, free, "{way:?} {number}: each free cell is written once");
            assert_eq!(steps.last().unwrap().tokens.first_masked(), None);
            let planned = Generation::new(painter.clone(), request, None).unwrap().steps() as usize;
            assert!(steps.len() <= planned, "{} of {planned}", steps.len());
        }
    }
}

#[test]
fn going_on_from_any_step_is_the_same_as_never_having_stopped() {
    for way in WAYS {
        let painter = painter(way);
        for number in 0..8 {
            let request = any_request(way, number);
            let whole = all_steps(&painter, &request, None);
            assert_eq!(all_steps(&painter, &request, None), whole, "the same again");
            for (at, step) in whole.iter().enumerate() {
                let rest = all_steps(&painter, &request, Some(step));
                assert_eq!(rest.len(), whole.len() - at - 1);
                for (found, expected) in rest.iter().zip(&whole[at + 1..]) {
                    assert_eq!(found.tokens, expected.tokens, "{way:?} {number} from {at}");
                    assert_eq!(found.index, expected.index);
                }
            }
        }
    }
}

#[test]
fn a_locked_cell_leaves_the_noise_of_all_others_as_it_was() {
    // A network without weights says the same of every place: then only noise decides.
    let device = of_tests().unwrap();
    let fresh = Weights::fresh(7, &device);
    Network::new(&config(Way::Raster), &fresh).unwrap();
    let zeros = fresh.vars().into_iter().map(|(name, var)| (name, var.zeros_like().unwrap()));
    let weights = Weights::loaded(zeros.collect(), false, &device);
    let network = Arc::new(Network::new(&config(Way::Raster), &weights).unwrap());
    let painter = Painter::new(network, None).unwrap();
    let free = Request::new(&config(Way::Raster), None, 11).unwrap();
    let whole = all_steps(&painter, &free, None).pop().unwrap().tokens;
    let locked = Cell::at(1, 2);
    let other = (whole.get(locked).unwrap() + 1) % CODES;
    let request = Request { given: free.given.with([(locked, Some(other))]).unwrap(), ..free };
    let found = all_steps(&painter, &request, None).pop().unwrap().tokens;
    for (cell, token) in whole.cells() {
        let expected = if cell == locked { Some(other) } else { token };
        assert_eq!(found.get(cell), expected, "{cell}");
    }
}

#[test]
fn raster_logits_with_a_cache_are_those_of_all_places_at_once() {
    let painter = painter(Way::Raster);
    let network = painter.network();
    let tokens: Vec<u32> = (0..16).map(|i| (i * 5 + 2) % CODES).collect();
    let whole = network.logits(&[&tokens], &[Condition::Class(1)]).unwrap().squeeze(0).unwrap();
    let whole = whole.to_vec2::<f32>().unwrap();
    let network = network.raster().unwrap();
    let mut reading = network.begin(1).unwrap();
    for (place, expected) in whole.iter().enumerate() {
        let last = (place > 0).then(|| vec![tokens[place - 1]]);
        let found =
            network.next_logits(last.as_deref(), &[Condition::Class(1)], &mut reading).unwrap();
        let found = &found.to_vec2::<f32>().unwrap()[0];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "place {place}");
    }
}

#[test]
fn what_a_network_may_not_see_changes_nothing() {
    let raster = painter(Way::Raster);
    let raster = raster.network();
    let mut tokens: Vec<u32> = (0..16).map(|i| (i * 5 + 2) % CODES).collect();
    let rows = |tokens: &[u32]| -> Vec<Vec<f32>> {
        raster
            .logits(&[tokens], &[Condition::Nothing])
            .unwrap()
            .squeeze(0)
            .unwrap()
            .to_vec2()
            .unwrap()
    };
    let before = rows(&tokens);
    tokens[9] = (tokens[9] + 1) % CODES;
    let after = rows(&tokens);
    assert_eq!(before[..10], after[..10], "tokens that come later");
    assert_ne!(before[10], after[10]);
}

#[test]
fn what_cannot_be_asked_is_refused_with_what_to_do() {
    let painter = painter(Way::MaskGit);
    let good = Request::new(&config(Way::MaskGit), Some(1), 3).unwrap();
    let said = |request: Request| {
        Generation::new(painter.clone(), request, None).unwrap_err().problem().to_string()
    };
    let full = Tokens::grid(SIDE, SIDE, CODES, vec![1; 16]).unwrap();
    let small = Tokens::grid(2, 2, CODES, vec![MASKED; 4]).unwrap();
    let other = Tokens::grid(SIDE, SIDE, 4, vec![MASKED; 16]).unwrap();
    let cases = [
        (Request { class: Some(2), ..good.clone() }, "0 sea, 1 land"),
        (Request { given: full, ..good.clone() }, "nothing to write"),
        (Request { given: small, ..good.clone() }, "this generator writes 4 x 4"),
        (Request { given: other, ..good.clone() }, "a codebook of 4 codes"),
    ];
    for (request, expected) in cases {
        let text = said(request);
        assert!(text.contains(expected), "{text}");
    }
    let sampling = |sampling| said(Request { sampling, ..good.clone() });
    let plain = Sampling::default();
    assert!(sampling(Sampling { temperature: -1.0, ..plain }).contains("temperature"));
    assert!(sampling(Sampling { temperature: f32::NAN, ..plain }).contains("temperature"));
    assert!(sampling(Sampling { top_p: 0.0, ..plain }).contains("top-p"));
    assert!(sampling(Sampling { guidance: -1.0, ..plain }).contains("guidance"));
    let unmasking = Unmasking { steps: 0, ..Unmasking::default() };
    assert!(said(Request { unmasking, ..good }).contains("steps"));
}

#[test]
fn reading_what_is_there_can_be_stopped_and_goes_on_to_the_same_tokens() {
    for way in [Way::Raster, Way::Var] {
        let (painter, request) = (painter(way), Request::new(&config(way), Some(1), 4).unwrap());
        let whole = all_steps(&painter, &request, None);
        let at = whole.len() - 2;
        let mut resumed = Generation::new(painter, request, Some(&whole[at])).unwrap();
        let mut told = Vec::new();
        let stopped = resumed.next_step_between(&mut |read, of| {
            told.push((read, of));
            if told.len() > 1 { Err(crate::EngineError::Cancelled) } else { Ok(()) }
        });
        assert!(matches!(stopped, Err(crate::EngineError::Cancelled)), "{way:?}: {told:?}");
        assert_eq!(told.iter().map(|told| told.0).collect::<Vec<_>>(), [0, 1], "{way:?}");
        let mut again = Vec::new();
        let next = resumed.next_step_between(&mut |read, _| {
            again.push(read);
            Ok(())
        });
        assert_eq!(next.unwrap().as_ref(), whole.get(at + 1), "{way:?}");
        assert_ne!(again.first(), Some(&0), "{way:?}: what was read is not read again");
    }
}
