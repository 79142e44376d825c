//! Published networks with fresh weights: what holds of each whatever the weights are.

use std::sync::Arc;

use candle_core::Tensor;
use serde_json::{Value, json};

use super::*;
use crate::device::of_tests;
use crate::generators::{
    Caption, Condition, Generation, Network, Painter, RasterNetwork, Request, Sampling, Step,
};
use crate::layers::Weights;
use crate::random::{Noise, Purpose};

/// Raster networks of 3 x 3 tokens: a family, its settings, and what leads.
fn all() -> Vec<(&'static str, Value, Condition)> {
    let network = json!({ "layers": 2, "dim": 16, "heads": 2 });
    let llamagen = |leads: Value| {
        json!({ "network": network, "hidden": 24, "codes": 20, "side": 3, "leads": leads,
            "rope_base": 10000.0, "norm_eps": 1e-5 })
    };
    let taming = |leads: Value, block_size: usize| json!({ "network": network, "codes": 20, "block_size": block_size, "side": 3, "leads": leads });
    let features: Vec<f32> = (0..12).map(|at| (at % 5) as f32 - 2.0).collect();
    vec![
        ("llamagen-c2i", llamagen(json!({ "Classes": 4 })), Condition::Class(2)),
        (
            "llamagen-t2i",
            llamagen(json!({ "Captions": { "rows": 5, "dim": 4 } })),
            Condition::Caption(Caption { rows: 3, features: Some(features.into()) }),
        ),
        (
            "open-magvit2-ar",
            json!({ "network": network, "factorized_layers": 1, "hidden": 24, "sub_tokens": [4, 8],
                "side": 3, "classes": 4, "rope_base": 10000.0, "norm_eps": 1e-5 }),
            Condition::Class(2),
        ),
        ("taming-gpt", taming(json!({ "Classes": 20 }), 9), Condition::Class(7)),
        ("taming-gpt", taming(json!({ "Tokens": 4 }), 13), Condition::Tokens([3, 19, 0, 3].into())),
    ]
}

/// Weights that say something: fresh ones of a transformer say the same of all codes.
fn weights(family: &dyn GeneratorFamily, settings: &Value) -> Weights {
    let device = of_tests().unwrap();
    let fresh = Weights::fresh(7, &device);
    family.build(settings, &fresh).unwrap();
    let louder = fresh.vars().into_iter().map(|(name, var)| {
        let factor = if name.contains("norm") || name.contains("ln") { 1.0 } else { 4.0 };
        (name, (var.as_tensor() * factor).unwrap())
    });
    Weights::loaded(louder.collect(), false, &device)
}

fn network(id: &str, settings: &Value) -> Network {
    let family = FAMILIES.iter().find(|family| family.id() == id).unwrap();
    family.build(settings, &weights(*family, settings)).unwrap()
}

fn steps(painter: &Painter, request: &Request) -> Vec<Step> {
    let mut generation = Generation::new(painter.clone(), request.clone(), None).unwrap();
    std::iter::from_fn(|| generation.next_step().unwrap()).collect()
}

/// Logits of a sub-token, place by place, with caches.
fn read(network: &dyn RasterNetwork, tokens: &[u32], led: &Condition) -> Vec<Vec<Vec<f32>>> {
    let sizes = network.sub_tokens();
    let led = std::slice::from_ref(led);
    let mut reading = network.begin(1).unwrap();
    let mut all = Vec::new();
    for at in 0..tokens.len() {
        let last = (at > 0).then(|| vec![tokens[at - 1]]);
        let first = network.next_logits(last.as_deref(), led, &mut reading).unwrap();
        let mut of_place = first.to_vec2::<f32>().unwrap();
        let subs = crate::generators::split(tokens[at], &sizes);
        for known in 1..sizes.len() {
            let drawn: Vec<&[u32]> = subs[..known].iter().map(std::slice::from_ref).collect();
            let next = network.sub_logits(&drawn, &mut reading).unwrap();
            of_place.extend(next.to_vec2::<f32>().unwrap());
        }
        all.push(of_place);
    }
    all
}

/// Whether logits are the same but for the order in which they were summed up, which differs between instruction sets:
/// the larger they are, the more that is.
fn near(found: &[f32], expected: &[f32]) -> bool {
    let largest = expected.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
    let most = 2e-5 * largest;
    found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < most)
}

/// That a network read place by place says what it says of all places at once.
fn reads_alike(name: &str, network: &Network, led: &Condition) {
    let raster = network.raster().unwrap();
    let tokens: Vec<u32> = (0..9).map(|at| (at * 7 + 3) % network.config().codes).collect();
    let whole = raster.logits(&[&tokens], std::slice::from_ref(led)).unwrap();
    let whole: Vec<Vec<Vec<f32>>> =
        whole.iter().map(|logits| logits.get(0).unwrap().to_vec2().unwrap()).collect();
    for (place, found) in read(raster, &tokens, led).iter().enumerate() {
        for (sub, found) in found.iter().enumerate() {
            assert!(near(found, &whole[sub][place]), "{name}: place {place}, sub-token {sub}");
        }
    }
}

#[test]
fn caches_say_what_all_places_at_once_say() {
    for (name, settings, led) in all() {
        let network = network(name, &settings);
        reads_alike(name, &network, &led);
        if !network.config().needs_condition {
            reads_alike(name, &network, &led.without());
        }
    }
}

#[test]
fn what_is_told_of_a_token_is_how_likely_it_is_and_given_tokens_stay() {
    for (name, settings, led) in all() {
        let network = Arc::new(network(name, &settings));
        let painter = Painter::new(Arc::clone(&network), None).unwrap();
        let codes = network.config().codes;
        for seed in 0..4_u64 {
            let noise = Noise::new(seed, Purpose::Test, 0, 0);
            let mut request = Request::new(network.config(), None, seed).unwrap();
            request.prompt = Some(led.clone());
            let cells: Vec<_> = request.given.cells().map(|(cell, _)| cell).collect();
            let locked = noise.below(0, 8) as usize;
            let given = [(cells[locked], Some(noise.below(1, codes)))];
            request.given = request.given.with(given).unwrap();
            let steps = steps(&painter, &request);
            assert_eq!(steps.len(), 8);
            let tokens = &steps.last().unwrap().tokens;
            assert_eq!(tokens.get(given[0].0), given[0].1, "{name}: the given token");
            let all: Vec<u32> = tokens.first().codes().to_vec();
            let nats = network.nats(&[&all], std::slice::from_ref(&led)).unwrap();
            let nats: Vec<f32> = nats.get(0).unwrap().to_vec1().unwrap();
            for step in &steps {
                let proposal = &step.proposals[0];
                let place = cells.iter().position(|cell| *cell == proposal.cell).unwrap();
                let told = -proposal.probability.ln();
                assert!((told - nats[place]).abs() < 1e-3, "{name} {place}: {told}, {nats:?}");
                let likely = &proposal.alternatives;
                assert!(likely.len() <= 8 && likely.windows(2).all(|two| two[0].1 >= two[1].1));
                let own = likely.iter().find(|(token, _)| *token == proposal.token);
                assert!(own.is_none_or(|own| (own.1 - proposal.probability).abs() < 1e-6));
                assert!(likely.iter().all(|(token, _)| *token < codes));
            }
        }
    }
}

#[test]
fn guidance_of_one_is_none_and_more_is_refused_where_nothing_was_learned_without() {
    for (name, settings, led) in all() {
        let network = Arc::new(network(name, &settings));
        let painter = Painter::new(Arc::clone(&network), None).unwrap();
        let mut request = Request::new(network.config(), None, 3).unwrap();
        request.prompt = Some(led.clone());
        let plain = steps(&painter, &request);
        assert!(plain.iter().all(|step| step.forward_passes == 1));
        request.sampling = Sampling { guidance: 3.0, ..Sampling::default() };
        if network.config().needs_condition {
            assert!(Generation::new(painter.clone(), request.clone(), None).is_err(), "{name}");
            request.sampling.guidance = 1.0;
            request.prompt = None;
            assert!(Generation::new(painter, request, None).is_err(), "{name}: nothing leads");
        } else {
            let guided = steps(&painter, &request);
            assert!(guided.iter().all(|step| step.forward_passes == 2));
            assert_ne!(guided.last().unwrap().tokens, plain.last().unwrap().tokens, "{name}");
        }
    }
}

#[test]
fn the_mask_in_a_file_says_which_places_see_each_other() {
    let (name, settings, led) = all().pop().unwrap();
    let family = FAMILIES.iter().find(|family| family.id() == name).unwrap();
    let device = of_tests().unwrap();
    let with_mask = |unmasked: usize| {
        let fresh = Weights::fresh(7, &device);
        family.build(&settings, &fresh).unwrap();
        let seen = (0..13 * 13).map(|at| {
            let (row, column) = (at / 13, at % 13);
            f32::from(u8::from(column <= row || (row < unmasked && column < unmasked)))
        });
        let mask = Tensor::from_vec(seen.collect(), (1, 1, 13, 13), &device).unwrap();
        let mut tensors: std::collections::BTreeMap<String, Tensor> = fresh
            .vars()
            .into_iter()
            .map(|(name, var)| (name, (var.as_tensor() * 4.0).unwrap()))
            .collect();
        tensors.insert("blocks.0.attn.mask".to_owned(), mask.clone());
        tensors.insert("blocks.1.attn.mask".to_owned(), mask);
        let weights = Weights::loaded(tensors, false, &device);
        let network = family.build(&settings, &weights);
        assert!(
            network.is_err() || weights.problems(&[]).is_empty(),
            "{:?}",
            weights.problems(&[])
        );
        network
    };
    let tokens = [5_u32; 9];
    let logits = |network: &Network| -> Vec<f32> {
        let logits = network.logits(&[&tokens], std::slice::from_ref(&led)).unwrap();
        logits.flatten_all().unwrap().to_vec1().unwrap()
    };
    let (causal, some) = (with_mask(0).unwrap(), with_mask(3).unwrap());
    assert!(!near(&logits(&some), &logits(&causal)), "the first three see each other");
    reads_alike(name, &some, &led);
    // Tokens that would be changed by later ones cannot be written one by one.
    assert!(with_mask(6).is_err());
}
