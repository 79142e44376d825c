//! Traces, likelihoods and orders of tiny networks, and what VAR keeps.

use std::path::Path;
use std::sync::Arc;

use super::tests::{CODES, SIDE, WAYS, all_steps, any_request, config, painter};
use super::*;
use crate::device::of_tests;
use crate::layers::Weights;
use crate::random::{Noise, Purpose};
use crate::tokens::{Cell, Tokens};

fn model() -> TracedModel {
    let text = str::to_owned;
    TracedModel { name: text("tiny"), hash: text("1"), tokenizer: text("t"), token_hash: text("2") }
}

fn traced(request: &Request, steps: &[Step]) -> Trace {
    let mut trace = Trace::new(model(), request.clone());
    for step in steps {
        trace.push(step);
    }
    trace
}

fn parse(bytes: &[u8]) -> crate::Result<Trace> {
    Trace::parse(Path::new("x.safetensors"), bytes)
}

#[test]
fn a_trace_comes_back_as_it_was_and_a_generation_goes_on_from_it() {
    for way in WAYS {
        let painter = painter(way);
        for number in 0..6 {
            let request = any_request(way, number);
            let steps = all_steps(&painter, &request, None);
            for done in 0..=steps.len() {
                let trace = traced(&request, &steps[..done]);
                let bytes = trace.to_bytes().unwrap();
                let mut back = parse(&bytes).unwrap();
                assert_eq!(back, trace, "{way:?} {number} after {done}");
                let last = back.last_step();
                let rest = all_steps(&painter, &back.request, last.as_ref());
                for step in &rest {
                    back.push(step);
                }
                let whole = traced(&request, &steps).to_bytes().unwrap();
                assert_eq!(back.to_bytes().unwrap(), whole, "{way:?} {number} from {done}");
            }
        }
    }
}

#[test]
fn a_trace_says_with_which_probability_each_token_was_drawn() {
    let request = any_request(Way::MaskGit, 3);
    let steps = all_steps(&painter(Way::MaskGit), &request, None);
    let trace = traced(&request, &steps);
    for (at, step) in trace.steps.iter().enumerate() {
        for (place, (cell, token)) in step.tokens.cells().enumerate() {
            let mut drawn = steps[..=at].iter().flat_map(|step| &step.proposals);
            let drawn = drawn.rfind(|proposal| proposal.cell == cell && proposal.kept);
            let expected = match (token, request.given.get(cell), drawn) {
                (None, ..) => 0.0,
                (_, Some(_), _) => 1.0,
                (_, None, Some(drawn)) => drawn.probability,
                (_, None, None) => panic!("{cell} was written in no step"),
            };
            assert_eq!(step.confidence[place], expected, "{cell} after step {at}");
            assert_eq!(step.committed[place], steps[at].committed.contains(&cell));
        }
    }
}

#[test]
fn what_is_no_trace_or_a_damaged_one_is_refused() {
    let has_given = |request: &Request| request.given.cells().any(|(_, token)| token.is_some());
    let request = (0..1000).map(|number| any_request(Way::Var, number)).find(has_given).unwrap();
    let trace = traced(&request, &all_steps(&painter(Way::Var), &request, None));
    let bytes = trace.to_bytes().unwrap();
    for length in [0, 7, 8, 100, bytes.len() - 1] {
        let error = parse(&bytes[..length]).unwrap_err().problem();
        assert!(error.bad_input && error.hint.contains("--trace"), "{length}: {error}");
    }
    let said = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
        let mut changed = bytes.clone();
        changed[at..at + from.len()].copy_from_slice(to.as_bytes());
        parse(&changed).unwrap_err().problem().to_string()
    };
    assert!(said("\\\"format\\\":1", "\\\"format\\\":7").contains("format 7"));
    assert!(said("smalti_trace", "another_name").contains("no trace"));
    assert!(said("\\\"rows\\\":4", "\\\"rows\\\":9").contains("damaged"));
    assert!(said("\\\"seed\\\"", "\\\"sead\\\"").contains("damaged"));
    let other = TracedModel { hash: "9".to_owned(), name: "big".to_owned(), ..model() };
    let text = trace.check(Path::new("x"), &other).unwrap_err().problem().to_string();
    assert!(text.contains("written by tiny, not by big"), "{text}");
    trace.check(Path::new("x"), &model()).unwrap();
    // A token that the request gave cannot have become another.
    let mut odd = trace;
    let (cell, token) = odd.request.given.cells().find(|(_, token)| token.is_some()).unwrap();
    let changed = [(cell, token.map(|token| (token + 1) % CODES))];
    odd.steps[0].tokens = odd.steps[0].tokens.with(changed).unwrap();
    let text = parse(&odd.to_bytes().unwrap()).unwrap_err().problem().to_string();
    assert!(text.contains("writes over a given token"), "{text}");
}

fn any_tokens(way: Way, number: u64) -> Tokens {
    let empty = Request::new(&config(way), None, 0).unwrap().given;
    let noise = Noise::new(number, Purpose::Test, 1, 0);
    let all =
        (0..).zip(empty.cells()).map(|(lane, (cell, _))| (cell, Some(noise.below(lane, CODES))));
    empty.with(all.collect::<Vec<_>>()).unwrap()
}

/// -log2 of the probability of a code, in f64 throughout.
fn bits(logits: &[f32], code: u32) -> f64 {
    let sum: f64 = logits.iter().map(|x| f64::from(*x).exp()).sum();
    -(f64::from(logits[code as usize]).exp() / sum).log2()
}

#[test]
fn bits_are_those_of_the_step_that_would_write_the_token() {
    for way in [Way::Raster, Way::Var] {
        let painter = painter(way);
        for number in 0..4 {
            let tokens = any_tokens(way, number);
            let class = [None, Some(1)][number as usize % 2];
            let told = token_bits(&painter, &tokens, class, false, &|_| Ok(())).unwrap();
            assert!(told.told.is_likelihood());
            // Tokens of a scale are not given each other.
            assert_eq!(told.told.words().contains("coarser"), way == Way::Var, "{:?}", told.told);
            // The probabilities that a generation tells, given all tokens but the one (or the scale) it writes.
            let mut at = 0;
            for (cell, code) in tokens.cells() {
                let is_hidden = |other: Cell| match way {
                    Way::Var => other.part >= cell.part,
                    _ => other >= cell,
                };
                let hidden = tokens.cells().filter(|(other, _)| is_hidden(*other));
                let given = tokens.with(hidden.map(|(other, _)| (other, None)).collect::<Vec<_>>());
                let request = Request { class, given: given.unwrap(), ..any_request(way, 0) };
                let request = Request { sampling: Sampling::default(), ..request };
                let mut generation = Generation::new(painter.clone(), request, None).unwrap();
                let step = generation.next_step().unwrap().unwrap();
                let proposal =
                    step.proposals.iter().find(|proposal| proposal.cell == cell).unwrap();
                let known = proposal.alternatives.iter().find(|(other, _)| Some(*other) == code);
                // Eight of nine codes are told.
                if let Some((_, p)) = known {
                    let expected = -f64::from(*p).log2();
                    let found = f64::from(told.bits[at]);
                    assert!((found - expected).abs() < 1e-3, "{way:?} {cell}: {found} {expected}");
                }
                at += 1;
            }
            assert_eq!(at, told.bits.len());
            let parts: f64 = told.of_parts(&tokens).iter().sum();
            assert!((parts - told.sum()).abs() < 1e-9);
        }
    }
}

#[test]
fn bits_are_those_of_the_networks_logits_in_double_precision() {
    let raster = painter(Way::Raster);
    let tokens = any_tokens(Way::Raster, 5);
    let codes = tokens.first().codes();
    let told = token_bits(&raster, &tokens, Some(0), false, &|_| Ok(())).unwrap();
    let network = raster.network().raster().unwrap();
    let mut reading = network.begin(1).unwrap();
    let class = conditions(&[Some(0)]);
    for (place, code) in codes.iter().enumerate() {
        let last = (place > 0).then(|| vec![codes[place - 1]]);
        let logits = network.next_logits(last.as_deref(), &class, &mut reading);
        let logits = logits.unwrap().to_vec2::<f32>().unwrap();
        let expected = bits(&logits[0], *code);
        assert!((f64::from(told.bits[place]) - expected).abs() < 1e-4, "place {place}");
    }
    // An image of one token that only a class tells apart: all probabilities come to one.
    let sum: f64 = (0..CODES)
        .map(|code| {
            let changed = tokens.with([(Cell::at(0, 0), Some(code))]).unwrap();
            let told = token_bits(&raster, &changed, Some(0), false, &|_| Ok(())).unwrap();
            (-f64::from(told.bits[0])).exp2()
        })
        .sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
}

#[test]
fn of_a_masked_generator_it_is_told_that_bits_are_no_likelihood() {
    let painter = painter(Way::MaskGit);
    let tokens = any_tokens(Way::MaskGit, 6);
    let codes = tokens.first().codes();
    let told = token_bits(&painter, &tokens, Some(1), false, &|_| Ok(())).unwrap();
    assert_eq!((told.told, told.forward_passes), (Told::OneAtATime, 16));
    for place in [0, 5, 15] {
        let mut hidden = codes.to_vec();
        hidden[place] = crate::tokens::MASKED;
        let logits = painter.network().logits(&[&hidden], &conditions(&[Some(1)])).unwrap();
        let logits = logits.squeeze(0).unwrap().to_vec2::<f32>().unwrap();
        let expected = bits(&logits[place], codes[place]);
        assert!((f64::from(told.bits[place]) - expected).abs() < 1e-4, "place {place}");
    }
    let fast = token_bits(&painter, &tokens, Some(1), true, &|_| Ok(())).unwrap();
    assert_eq!((fast.told, fast.forward_passes), (Told::InGroups, 8));
    assert!(fast.bits.iter().all(|bits| *bits > 0.0), "every token is asked once");
    assert!(!fast.told.is_likelihood() && fast.told.words().contains("no likelihood"));
    let stop = |_: f32| Err(crate::EngineError::Cancelled);
    assert!(token_bits(&painter, &tokens, None, false, &stop).is_err());
}

#[test]
fn tokens_that_are_not_the_generators_have_no_bits() {
    let painter = painter(Way::Raster);
    let told = |tokens: &Tokens, class| {
        token_bits(&painter, tokens, class, false, &|_| Ok(())).unwrap_err().problem().to_string()
    };
    let small = Tokens::grid(2, 2, CODES, vec![0; 4]).unwrap();
    assert!(told(&small, None).contains("this generator writes 4 x 4"));
    let other = Tokens::grid(SIDE, SIDE, 4, vec![0; 16]).unwrap();
    assert!(told(&other, None).contains("a codebook of 4 codes"));
    let whole = any_tokens(Way::Raster, 1);
    assert!(told(&whole, Some(7)).contains("0 sea, 1 land"));
    let gap = whole.with([(Cell::at(1, 2), None)]).unwrap();
    assert!(told(&gap, None).contains("row 1, column 2"));
}

#[test]
fn another_order_keeps_what_is_given_and_goes_on_from_any_step() {
    for order in [Order::Spiral, Order::Random(5)] {
        let device = of_tests().unwrap();
        let config = GeneratorConfig { order, ..config(Way::Raster) };
        let network = Arc::new(Network::new(&config, &Weights::fresh(7, &device)).unwrap());
        let painter = Painter::new(network, None).unwrap();
        let cells = order.cells(SIDE, SIDE);
        for number in 0..10 {
            let request = any_request(Way::Raster, number);
            let whole = all_steps(&painter, &request, None);
            let free =
                cells.iter().map(|cell| Cell::at(*cell as usize / SIDE, *cell as usize % SIDE));
            let free: Vec<Cell> = free.filter(|cell| request.given.get(*cell).is_none()).collect();
            let written: Vec<Cell> = whole.iter().flat_map(|step| step.committed.clone()).collect();
            assert_eq!(written, free, "{order:?}: one after the other");
            let last = &whole.last().unwrap().tokens;
            for (cell, token) in request.given.cells().filter(|(_, token)| token.is_some()) {
                assert_eq!(last.get(cell), token);
            }
            for (at, step) in whole.iter().enumerate() {
                let rest = all_steps(&painter, &request, Some(step));
                assert!(rest.iter().zip(&whole[at + 1..]).all(|(a, b)| a.tokens == b.tokens));
            }
        }
        // What all places at once say is what one after the other says.
        let tokens = any_tokens(Way::Raster, 3);
        let codes = tokens.first().codes();
        let class = conditions(&[Some(1)]);
        let logits = painter.network().logits(&[codes], &class).unwrap();
        let logits = logits.squeeze(0).unwrap().to_vec2::<f32>().unwrap();
        let network = painter.network().raster().unwrap();
        let mut reading = network.begin(1).unwrap();
        for (place, cell) in cells.iter().enumerate() {
            let last = (place > 0).then(|| vec![codes[cells[place - 1] as usize]]);
            let found = network.next_logits(last.as_deref(), &class, &mut reading);
            let found = found.unwrap().to_vec2::<f32>().unwrap();
            let pairs = found[0].iter().zip(&logits[*cell as usize]);
            assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-4), "{order:?} {place}");
        }
    }
    let masked = GeneratorConfig { order: Order::Spiral, ..config(Way::MaskGit) };
    assert!(masked.validate().unwrap_err().to_string().contains("order of its own"));
    let text = serde_json::to_string(&config(Way::Raster)).unwrap();
    assert!(!text.contains("order"), "files of before are as they were");
}

#[test]
fn var_keeps_a_region_in_every_scale_and_its_embeddings_with_it() {
    let painter = painter(Way::Var);
    let layout = config(Way::Var).layout;
    let original = any_tokens(Way::Var, 9);
    let left = original.cells().map(|(cell, _)| cell);
    let left = left.filter(|cell| cell.part == 2 && cell.column < 2).collect();
    let kept = kept_with_finest(&layout, &left);
    let free = original.cells().filter(|(cell, _)| !kept.contains(cell));
    let free: Vec<_> = free.map(|(cell, _)| (cell, None)).collect();
    let request = Request {
        given: original.with(free).unwrap(),
        ..Request::new(&config(Way::Var), Some(0), 4).unwrap()
    };
    let last = all_steps(&painter, &request, None).pop().unwrap().tokens;
    assert!(kept.iter().any(|cell| cell.part == 0) && kept.iter().any(|cell| cell.part == 1));
    for cell in kept {
        assert_eq!(last.get(cell), original.get(cell), "{cell}");
    }
    assert_ne!(last, original);
}
