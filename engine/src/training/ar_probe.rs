//! The AR probe of a tokenizer: one small raster generator, of the same size and the same budget for all, that learns
//! the tokens of the same images. What the tokens of others cost it in bits says how easily they are learned, which
//! neither rate nor quality does ("compression cost"; Mentzer et al., arXiv 2309.15505).
//!
//! It is no generator to draw with, and its bits are no bound on what a larger one or a longer training reaches.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::learner::{At, Learner};
use super::optimizer::Optimizer;
use crate::generators::{GeneratorConfig, Network, NetworkSize, Order, Takes, Way, conditions};
use crate::kernels;
use crate::layers::Weights;
use crate::random::shuffled;
use crate::tokens::PartShape;
use crate::{EngineError, Result};

/// The network of every probe.
const NETWORK: NetworkSize = NetworkSize { layers: 2, dim: 128, heads: 4 };
/// Books up to this are told whole; codes of larger ones in sub-tokens.
const MOST_CODES: u32 = 1 << 14;
/// Attention over more places would take longer than a probe may.
const MOST_PLACES: usize = 1024;
/// Logits that are held at once.
const LOGITS: usize = 1 << 25;
/// Steps over which the learning rate rises.
const WARMUP: u64 = 30;
/// What the average of the weights keeps in a step.
const AVERAGE: f64 = 0.99;

/// What a probe may spend: figures of other budgets are not to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ProbeBudget {
    /// Steps of its training.
    pub steps: u32,
    /// Images of a step.
    pub batch: u32,
    /// Different images that it learns from.
    pub images: u32,
    /// Images that it is measured on, none of which it learns from.
    pub held_out: u32,
    /// Decides its weights, the images and their order.
    pub seed: u64,
}

impl Default for ProbeBudget {
    fn default() -> Self {
        Self::of_steps(Self::STEPS)
    }
}

impl ProbeBudget {
    /// Steps of the usual one, by which figures are compared: a few minutes on two cores.
    pub const STEPS: u32 = 300;

    /// As the usual one but for the steps; of a few steps it makes no more images than they take.
    pub fn of_steps(steps: u32) -> Self {
        let batch: u32 = 16;
        let images = steps.saturating_mul(batch).min(1024);
        Self { steps, batch, images, held_out: images.min(128), seed: 0 }
    }

    /// In words, such as "300 steps of 16 of 1024 images, measured on 128 others".
    pub fn words(&self) -> String {
        let Self { batch, images, held_out, .. } = self;
        let steps =
            if self.steps == 1 { "1 step".to_owned() } else { format!("{} steps", self.steps) };
        format!("{steps} of {batch} of {images} images, measured on {held_out} others")
    }
}

/// How the tokens of an image become the one sequence that a probe reads: all parts one after the other, coarse
/// scales and first levels first; codes of large books in sub-tokens of as many bits, the high ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeSequence {
    /// Tokens of an image.
    pub tokens: usize,
    /// The size of the largest book, K.
    pub codes: u32,
    /// Sub-tokens of a token; 1 where it is told whole.
    pub sub_tokens: u32,
    /// Bits of a sub-token; of no matter where a token is told whole.
    bits: u32,
}

impl ProbeSequence {
    /// Of an image with so many tokens, of books of at most so many codes.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if no probe is made of them.
    pub fn new(tokens: usize, codes: u32) -> Result<Self> {
        let none = |reason: String| {
            let hint = "bits of this tokenizer can be had by training a generator of your own";
            Err(EngineError::bad_input("AR probe", reason, hint))
        };
        if tokens == 0 || codes < 2 {
            return none(format!("{tokens} tokens of {codes} codes tell nothing"));
        }
        let all = u32::BITS - (codes - 1).leading_zeros();
        let sub_tokens = if codes <= MOST_CODES { 1 } else { all.div_ceil(MOST_CODES.ilog2()) };
        let it = Self { tokens, codes, sub_tokens, bits: all.div_ceil(sub_tokens) };
        if it.places() > MOST_PLACES {
            let of =
                if sub_tokens > 1 { format!(" in {sub_tokens} parts each") } else { String::new() };
            return none(format!(
                "no probe is made of {tokens} tokens an image{of}: more than {MOST_PLACES} places"
            ));
        }
        Ok(it)
    }

    /// Places of the sequence.
    pub fn places(&self) -> usize {
        self.tokens.saturating_mul(self.sub_tokens as usize)
    }

    /// What may stand in a place.
    fn vocabulary(&self) -> u32 {
        if self.sub_tokens == 1 { self.codes } else { 1 << self.bits }
    }

    /// The sequence of an image's tokens.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if these are none of them.
    fn of(&self, tokens: &[u32]) -> Result<Vec<u32>> {
        if tokens.len() != self.tokens || tokens.iter().any(|token| *token >= self.codes) {
            let reason = format!("they are not {} below {}", self.tokens, self.codes);
            return Err(EngineError::bad_input("tokens of the AR probe", reason, ""));
        }
        if self.sub_tokens == 1 {
            return Ok(tokens.to_vec());
        }
        let last = self.vocabulary() - 1;
        let split = |token: &u32| {
            let (token, bits) = (*token, self.bits);
            (0..self.sub_tokens).rev().map(move |at| (token >> (at * bits)) & last)
        };
        Ok(tokens.iter().flat_map(split).collect())
    }

    fn config(&self) -> GeneratorConfig {
        GeneratorConfig {
            way: Way::Raster,
            network: NETWORK,
            codes: self.vocabulary(),
            layout: vec![PartShape::grid(1, self.places())],
            code_dim: 0,
            classes: Vec::new(),
            takes: Takes::Class,
            needs_condition: false,
            order: Order::Rows,
        }
    }
}

/// A probe that learns.
#[derive(Debug)]
pub struct ArProbe {
    sequence: ProbeSequence,
    budget: ProbeBudget,
    network: Network,
    learner: Learner,
    /// What it learns from.
    sequences: Vec<Vec<u32>>,
    done: u32,
    device: Device,
}

impl ArProbe {
    /// A probe at its first step; `tokens` are those of the images that it learns from, all parts of each one after
    /// the other.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if there are none, or they are not of this sequence.
    pub fn new(
        sequence: ProbeSequence,
        tokens: &[Arc<[u32]>],
        budget: ProbeBudget,
        device: &Device,
    ) -> Result<Self> {
        if tokens.is_empty() || budget.steps == 0 || budget.batch == 0 {
            let reason = "it has no steps, or nothing to learn from";
            return Err(EngineError::bad_input("AR probe", reason, ""));
        }
        let weights = Weights::fresh(budget.seed, device);
        let network = Network::new(&sequence.config(), &weights)?;
        let settings = Optimizer {
            lr: 2e-3,
            final_lr: 0.0,
            warmup: WARMUP.min(u64::from(budget.steps)),
            betas: (0.9, 0.98),
            weight_decay: 0.03,
            clip: 1.0,
        };
        let learner = Learner::new(settings, weights.vars(), None)?;
        let sequences = tokens.iter().map(|tokens| sequence.of(tokens)).collect::<Result<_>>()?;
        let device = device.clone();
        Ok(Self { sequence, budget, network, learner, sequences, done: 0, device })
    }

    /// Steps done.
    pub fn steps_done(&self) -> u32 {
        self.done
    }

    /// Whether its budget is spent.
    pub fn is_done(&self) -> bool {
        self.done >= self.budget.steps
    }

    /// Sequences that go through the network at once.
    fn at_once(&self) -> usize {
        let each = self.sequence.places() * self.sequence.vocabulary() as usize;
        (LOGITS / each.max(1)).max(1)
    }

    /// One step of its training; the bits of a token in it.
    ///
    /// # Errors
    /// If an operation fails, or the loss is no number.
    pub fn step(&mut self) -> Result<f64> {
        let (batch, all) = (u64::from(self.budget.batch), self.sequences.len() as u64);
        let first = u64::from(self.done) * batch;
        let number = |position: u64| {
            let round = (position / all) as u32;
            shuffled(self.budget.seed, round, all, position % all) as usize
        };
        let numbers: Vec<usize> = (first..first + batch).map(number).collect();
        let mut nats = 0.0;
        self.learner.forget();
        for part in numbers.chunks(self.at_once()) {
            let rows: Vec<&[u32]> =
                part.iter().map(|number| self.sequences[*number].as_slice()).collect();
            let targets = rows.concat();
            let logits = self.network.logits(&rows, &conditions(&vec![None; rows.len()]))?;
            let count = targets.len();
            let targets = Tensor::from_vec(targets, count, &self.device)?;
            let loss = kernels::cross_entropy(&logits.flatten(0, 1)?, &targets)?;
            let share = part.len() as f64 / numbers.len() as f64;
            nats += share * f64::from(loss.to_scalar::<f32>()?);
            self.learner.add(&(loss * share)?.backward()?)?;
        }
        let n = f64::from(self.done);
        self.learner.step(At {
            step: u64::from(self.done),
            steps: u64::from(self.budget.steps),
            average_decay: AVERAGE.min((1.0 + n) / (10.0 + n)),
        })?;
        self.done += 1;
        Ok(nats / std::f64::consts::LN_2 * f64::from(self.sequence.sub_tokens))
    }

    /// The bits of the tokens of each of some images, by the averaged weights as they are now: -log2 of the
    /// probability with which they would be drawn, exact.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the tokens are not of its sequence, or the weights give no numbers.
    pub fn bits(&self, tokens: &[Arc<[u32]>]) -> Result<Vec<f64>> {
        let weights = Weights::loaded(self.learner.averages()?, false, &self.device);
        let network = Network::new(self.network.config(), &weights)?;
        let sequences = tokens.iter().map(|tokens| self.sequence.of(tokens));
        let sequences = sequences.collect::<Result<Vec<_>>>()?;
        let mut bits = Vec::with_capacity(sequences.len());
        for part in sequences.chunks(self.at_once()) {
            let rows: Vec<&[u32]> = part.iter().map(Vec::as_slice).collect();
            let nats = network.nats(&rows, &conditions(&vec![None; rows.len()]))?;
            for row in nats.to_vec2::<f32>()? {
                let sum: f64 = row.into_iter().map(f64::from).sum();
                bits.push(sum / std::f64::consts::LN_2);
            }
        }
        if bits.iter().any(|bits| !bits.is_finite()) {
            let reason = "its weights are of no use any more";
            return Err(EngineError::bad_input("AR probe", reason, "take another seed"));
        }
        Ok(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::of_tests;
    use crate::random::{Noise, Purpose};

    const SMALL: ProbeBudget =
        ProbeBudget { steps: 40, batch: 8, images: 64, held_out: 64, seed: 3 };

    /// Rows of numbers below K that have nothing to do with each other.
    fn uniform(rows: u64, places: u64, codes: u32, seed: u64) -> Vec<Arc<[u32]>> {
        let number = |at: u64| Noise::new(seed, Purpose::Mask, 0, at).below(0, codes);
        (0..rows).map(|row| (0..places).map(|at| number(row * places + at)).collect()).collect()
    }

    fn trained(sequence: ProbeSequence, tokens: &[Arc<[u32]>], budget: ProbeBudget) -> ArProbe {
        let mut probe = ArProbe::new(sequence, tokens, budget, &of_tests().unwrap()).unwrap();
        while !probe.is_done() {
            probe.step().unwrap();
        }
        probe
    }

    fn per_token(probe: &ArProbe, tokens: &[Arc<[u32]>]) -> f64 {
        let bits = probe.bits(tokens).unwrap();
        bits.iter().sum::<f64>() / (bits.len() * probe.sequence.tokens) as f64
    }

    #[test]
    fn bits_are_the_cross_entropy_in_double_precision_one_token_after_the_other() {
        let sequence = ProbeSequence::new(6, 5).unwrap();
        let budget = ProbeBudget { steps: 5, ..SMALL };
        let probe = trained(sequence, &uniform(16, 6, 5, 1), budget);
        let tokens = uniform(3, 6, 5, 2);
        let averages = probe.learner.averages().unwrap();
        let weights = Weights::loaded(averages, false, &probe.device);
        let network = Network::new(&sequence.config(), &weights).unwrap();
        let none = conditions(&[None]);
        for (row, told) in tokens.iter().zip(probe.bits(&tokens).unwrap()) {
            // As it would be drawn: no later token is there when one is told.
            let raster = network.raster().unwrap();
            let mut reading = raster.begin(1).unwrap();
            let (mut last, mut bits) = (None, 0.0_f64);
            for token in row.iter() {
                let last_row = last.map(|last| [last]);
                let before = last_row.as_ref().map(<[u32; 1]>::as_slice);
                let logits = raster.next_logits(before, &none, &mut reading).unwrap();
                let logits: Vec<f64> = logits
                    .flatten_all()
                    .unwrap()
                    .to_vec1::<f32>()
                    .unwrap()
                    .into_iter()
                    .map(f64::from)
                    .collect();
                let all: f64 = logits.iter().map(|x| x.exp()).sum();
                bits -= (logits[*token as usize].exp() / all).log2();
                last = Some(*token);
            }
            assert!((bits - told).abs() < 1e-4, "{bits} and {told}");
        }
    }

    #[test]
    fn uniform_tokens_cost_log2_k_and_tokens_with_a_rule_far_less() {
        let sequence = ProbeSequence::new(24, 16).unwrap();
        let probe = trained(sequence, &uniform(64, 24, 16, 1), SMALL);
        let bits = per_token(&probe, &uniform(64, 24, 16, 2));
        assert!((3.98..4.3).contains(&bits), "{bits} bits a token of 16 codes, each as likely");
        // Each row repeats its first token: 4 bits an image.
        let repeated = |seed: u64| -> Vec<Arc<[u32]>> {
            uniform(64, 1, 16, seed).iter().map(|one| vec![one[0]; 24].into()).collect()
        };
        let probe = trained(sequence, &repeated(1), SMALL);
        let bits = per_token(&probe, &repeated(2));
        assert!(bits < 1.5, "{bits} bits a token of 16 codes that are all the same");
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_to_the_last() {
        let sequence = ProbeSequence::new(8, 5).unwrap();
        let (tokens, other) = (uniform(20, 8, 5, 1), uniform(5, 8, 5, 2));
        let budget = ProbeBudget { steps: 6, ..SMALL };
        let bits = |budget| trained(sequence, &tokens, budget).bits(&other).unwrap();
        assert_eq!(bits(budget), bits(budget));
        assert_ne!(bits(budget), bits(ProbeBudget { seed: 4, ..budget }));
    }

    #[test]
    fn codes_of_large_books_are_read_in_parts_that_tell_them_apart() {
        let sequence = ProbeSequence::new(256, 1 << 18).unwrap();
        assert_eq!((sequence.sub_tokens, sequence.places(), sequence.vocabulary()), (2, 512, 512));
        let tokens: Vec<u32> = (0..256).map(|at| (at * 1021 + 5) % (1 << 18)).collect();
        let read = sequence.of(&tokens).unwrap();
        let back: Vec<u32> = read.chunks(2).map(|pair| pair[0] * 512 + pair[1]).collect();
        assert_eq!(back, tokens);
        // 2^15 and 64,000 codes are no power of a smaller number, and are told apart all the same.
        for codes in [1 << 15, 64_000, 65_537] {
            let sequence = ProbeSequence::new(1, codes).unwrap();
            let read = |code: u32| sequence.of(&[code]).unwrap();
            assert!(read(codes - 1).iter().all(|part| *part < sequence.vocabulary()), "{codes}");
            assert_ne!(read(codes - 1), read(codes - 2));
            assert!(sequence.of(&[codes]).is_err());
        }
        assert_eq!(ProbeSequence::new(256, 1 << 14).unwrap().sub_tokens, 1);
        let refused = ProbeSequence::new(4096, 1024).unwrap_err().to_string();
        assert!(refused.contains("4096 tokens") && refused.contains("1024 places"), "{refused}");
        assert!(ProbeSequence::new(usize::MAX, 1 << 18).is_err());
    }
}
