//! A generator learns to tell the tokens of pictures: cross-entropy on the tokens of a frozen tokenizer.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::super::learner::{At, Learner};
use super::super::recipe::Recipe;
use super::super::start::Start;
use super::super::supplies::{Maker, Supplies};
use super::rule::{Images, Objective, Outcome, Told};
use crate::data::Source;
use crate::data::worlds::Worlds;
use crate::generators::{self, GeneratorConfig, Network, Takes, Way, conditions, training_mask};
use crate::images::Picture;
use crate::kernels;
use crate::layers::Weights;
use crate::quantizers::{MultiScale, Place};
use crate::random::{Noise, Purpose};
use crate::tokenizers::tokenize_all;
use crate::tokens::MASKED;
use crate::{EngineError, Knob, Result, checkpoints};

/// What its sums since the last report are called in a run's checkpoint.
const SUMMED: &str = "run.nats";
/// What tells whose tokens it learned, in a run's checkpoint: the letters of the tokenizer's hash.
const HASH: &str = "run.token_hash";
/// Held-out pictures that each report is measured on; a step's batch of 16 takes about as long.
const HELD_OUT: u64 = 32;

/// The tokens of a picture, and its class.
type Labelled = (Arc<[u32]>, Option<u32>);

/// Trains a generator.
#[derive(Debug)]
pub(super) struct GeneratorObjective {
    config: GeneratorConfig,
    maker: Maker,
    label_dropout: f32,
    device: Device,
    network: Network,
    learner: Learner,
    /// Tokens and classes of pictures that nothing learns from.
    held_out: Vec<Labelled>,
    /// The loss of the step so far, in nats a token.
    loss: f64,
    /// Of the steps since the last report: the sum of their losses, and how many.
    summed: [f64; 2],
}

impl GeneratorObjective {
    /// The network of a recipe, at the beginning or where `start` says.
    ///
    /// # Errors
    /// If what is given does not fit the recipe.
    pub(super) fn new(
        recipe: &Recipe,
        supplies: &Supplies,
        start: &Start,
        device: &Device,
    ) -> Result<Self> {
        let Some(settings) = &recipe.generator else {
            return Err(EngineError::bad_input("recipe", "it trains no generator", ""));
        };
        let maker = supplies.maker(&settings.tokenizer, device)?;
        let side = recipe.crop.side as usize;
        let source = supplies.source();
        let config = GeneratorConfig {
            way: settings.way,
            network: settings.network,
            codes: maker.tokenizer.facts().codebook_size(),
            layout: maker.tokenizer.layout(side, side)?,
            code_dim: match settings.way {
                Way::Var => {
                    MultiScale::of(maker.tokenizer.quantizer()).map_or(0, MultiScale::code_dim)
                }
                Way::Raster | Way::MaskGit => 0,
            },
            classes: source.classes().to_vec(),
            takes: Takes::Class,
            needs_condition: false,
            order: settings.order,
        };
        let hash: Vec<u32> = maker.token_hash.bytes().map(u32::from).collect();
        let known = start.saved().and_then(|saved| saved.get(HASH));
        let known = known.map(Tensor::to_vec1::<u32>).transpose()?;
        if known.is_some_and(|known| known != hash) {
            return Err(EngineError::bad_input(
                "generator.tokenizer",
                format!("{} is another one than this run has learned the tokens of", maker.name),
                "put the one of before back, or start anew in another folder",
            ));
        }
        let weights = start.weights(recipe.seed, device);
        let network = Network::new(&config, &weights)?;
        weights.finish("checkpoint", &checkpoints::OF_A_RUN)?;
        let learner = Learner::new(recipe.optimizer, weights.vars(), start.saved())?;
        let summed = start.saved().and_then(|saved| saved.get(SUMMED));
        let summed = summed.map(Tensor::to_vec1::<f64>).transpose()?;
        Ok(Self {
            held_out: held_out(recipe, &maker, &config)?,
            maker,
            config,
            label_dropout: settings.label_dropout,
            device: device.clone(),
            network,
            learner,
            loss: 0.0,
            summed: summed.and_then(|sums| sums.try_into().ok()).unwrap_or_default(),
        })
    }

    /// The mean cross-entropy, in nats a token, of some pictures by a network; `place` addresses masks.
    fn cross_entropy(
        &self,
        network: &Network,
        tokens: &[Arc<[u32]>],
        classes: &[Option<u32>],
        place: Place,
    ) -> Result<Tensor> {
        let targets = |places: &[u32]| -> Result<Tensor> {
            let cells = self.config.cells();
            let of = |place: &u32| tokens[*place as usize / cells][*place as usize % cells];
            let targets: Vec<u32> = places.iter().map(of).collect();
            Ok(Tensor::from_vec(targets, places.len(), &self.device)?)
        };
        let classes = &conditions(classes);
        match self.config.way {
            Way::Raster => {
                let rows: Vec<&[u32]> = tokens.iter().map(AsRef::as_ref).collect();
                let logits = network.logits(&rows, classes)?.flatten(0, 1)?;
                let places: Vec<u32> = (0..logits.dim(0)? as u32).collect();
                kernels::cross_entropy(&logits, &targets(&places)?)
            }
            Way::Var => {
                let logits = network.scales()?.logits(&self.inputs(tokens)?, classes)?;
                let logits = logits.flatten(0, 1)?;
                let places: Vec<u32> = (0..logits.dim(0)? as u32).collect();
                kernels::cross_entropy(&logits, &targets(&places)?)
            }
            Way::MaskGit => {
                let cells = self.config.cells();
                let mut places = Vec::new();
                let masked = tokens.iter().enumerate().map(|(picture, tokens)| {
                    let number = place.first_picture + picture as u32;
                    let mask = training_mask(place.seed, place.step, number, cells);
                    let at = (0..cells).filter(|cell| mask[*cell]);
                    places.extend(at.map(|cell| (picture * cells + cell) as u32));
                    let shown = tokens.iter().zip(&mask);
                    shown.map(|(token, masked)| if *masked { MASKED } else { *token }).collect()
                });
                let masked: Vec<Vec<u32>> = masked.collect();
                let rows: Vec<&[u32]> = masked.iter().map(AsRef::as_ref).collect();
                let logits = network.masked()?.logits_at(&rows, classes, &places)?;
                kernels::cross_entropy(&logits, &targets(&places)?)
            }
        }
    }

    /// The share of a part's masked tokens in those of the whole step, of which it has a share of the pictures:
    /// so that the loss does not depend on how many pictures go through the network at once.
    fn share_of_masked(&self, place: Place, pictures: usize, share: f64) -> f64 {
        let of = |picture: u32| {
            let mask = training_mask(place.seed, place.step, picture, self.config.cells());
            mask.iter().filter(|masked| **masked).count()
        };
        let all = (pictures as f64 / share).round() as u32;
        let part = place.first_picture..place.first_picture + pictures as u32;
        part.map(of).sum::<usize>() as f64 / (0..all).map(of).sum::<usize>().max(1) as f64
    }

    /// What VAR reads of known tokens: sums of the scales before each.
    fn inputs(&self, tokens: &[Arc<[u32]>]) -> Result<Tensor> {
        let Some(scales) = MultiScale::of(self.maker.tokenizer.quantizer()) else {
            return Err(EngineError::bad_input("tokenizer", "its codes come in no scales", ""));
        };
        let mut first = 0;
        let codes = self.config.layout.iter().map(|part| {
            let of_part = first..first + part.rows * part.columns;
            first = of_part.end;
            let own: Vec<u32> =
                tokens.iter().flat_map(|tokens| tokens[of_part.clone()].iter().copied()).collect();
            Tensor::from_vec(own, (tokens.len(), part.rows, part.columns), &self.device)
        });
        scales.inputs(&codes.collect::<candle_core::Result<Vec<_>>>()?)
    }

    /// The same of the pictures that nothing learns from, by the averaged weights.
    fn measure(&self) -> Result<Option<f64>> {
        if self.held_out.is_empty() {
            return Ok(None);
        }
        let weights = Weights::loaded(self.learner.averages()?, false, &self.device);
        let network = Network::new(&self.config, &weights)?;
        let mut sum = 0.0;
        for (part, held_out) in self.held_out.chunks(16).enumerate() {
            let (tokens, classes): (Vec<_>, Vec<_>) = held_out.iter().cloned().unzip();
            let place = Place { seed: 0, step: 0, first_picture: (part * 16) as u32 };
            let loss = self.cross_entropy(&network, &tokens, &classes, place)?;
            sum += f64::from(loss.to_scalar::<f32>()?) * held_out.len() as f64;
        }
        Ok(Some(sum / self.held_out.len() as f64))
    }
}

/// Held-out worlds as tokens, if the data has worlds.
fn held_out(recipe: &Recipe, maker: &Maker, config: &GeneratorConfig) -> Result<Vec<Labelled>> {
    let Some(seed) = recipe.worlds() else { return Ok(Vec::new()) };
    let worlds = Worlds::held_out(seed);
    let samples = (0..HELD_OUT).map(|index| worlds.sample(index, recipe.crop.side));
    let samples = samples.collect::<Result<Vec<_>>>()?;
    let pictures: Vec<Picture> = samples.iter().map(|sample| sample.picture.clone()).collect();
    let tokens = tokenize_all(maker.tokenizer.as_ref(), &pictures)?;
    let classes = samples.iter().map(|sample| {
        let name = worlds.classes().get(sample.class? as usize)?;
        Some(config.classes.iter().position(|class| class == name)? as u32)
    });
    Ok(tokens.into_iter().zip(classes).collect())
}

impl Objective for GeneratorObjective {
    fn learn(&mut self, images: &Images<'_>) -> Result<()> {
        let place = images.place;
        if place.first_picture == 0 {
            self.learner.forget();
            self.loss = 0.0;
        }
        // Without a class now and then, so that guidance has something to lead away from.
        let dropped = |(at, class): (usize, &Option<u32>)| {
            let picture = u64::from(place.first_picture) + at as u64;
            let noise = Noise::new(place.seed, Purpose::Dropout, place.step, picture);
            class.filter(|_| noise.uniform(0) >= self.label_dropout)
        };
        let classes: Vec<Option<u32>> = images.classes.iter().enumerate().map(dropped).collect();
        let share = match self.config.way {
            Way::Raster | Way::Var => images.share,
            Way::MaskGit => self.share_of_masked(place, classes.len(), images.share),
        };
        let loss = self.cross_entropy(&self.network, images.tokens, &classes, place)?;
        self.loss += share * f64::from(loss.to_scalar::<f32>()?);
        self.learner.add(&(loss * share)?.backward()?)
    }

    fn losses(&self) -> Vec<(String, f64)> {
        ["loss", "cross_entropy"].map(|name| (name.to_owned(), self.loss)).to_vec()
    }

    fn move_on(&mut self, at: At, _place: Place) -> Result<Outcome> {
        self.summed[0] += self.loss;
        self.summed[1] += 1.0;
        let lr = self.learner.rate(at);
        Ok(Outcome { gradient_norm: self.learner.step(at)?, lr, restarted: 0 })
    }

    fn tell(&mut self) -> Told {
        let [sum, steps] = std::mem::take(&mut self.summed);
        let bits = |nats: f64| nats / std::f64::consts::LN_2;
        let mut figures = vec![("bits_per_token".to_owned(), bits(sum / steps.max(1.0)))];
        match self.measure() {
            Ok(Some(nats)) => {
                figures.push(("held_out_bits_per_token".to_owned(), bits(nats)));
                // What MaskGIT tells of masked tokens is no likelihood of an image.
                if self.config.way != Way::MaskGit {
                    let image = bits(nats) * self.config.cells() as f64;
                    figures.push(("held_out_bits_per_image".to_owned(), image));
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!("held-out pictures were not measured: {error}"),
        }
        Told { figures, ..Told::default() }
    }

    fn codes(&self) -> usize {
        0
    }

    fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = self.learner.state()?;
        tensors.insert(SUMMED.to_owned(), Tensor::from_slice(&self.summed, 2, &Device::Cpu)?);
        let hash: Vec<u32> = self.maker.token_hash.bytes().map(u32::from).collect();
        let length = hash.len();
        tensors.insert(HASH.to_owned(), Tensor::from_vec(hash, length, &Device::Cpu)?);
        Ok(tensors)
    }

    fn model(&self) -> Result<BTreeMap<String, Tensor>> {
        self.learner.averages()
    }

    fn metadata(&self) -> Value {
        serde_json::json!({
            "kind": generators::KIND, "config": self.config,
            "tokenizer": { "name": self.maker.name, "token_hash": self.maker.token_hash },
        })
    }

    fn reconstruct(&self, _pictures: &[Picture]) -> Result<Vec<Picture>> {
        Ok(Vec::new())
    }

    fn knobs(&self) -> Vec<(Knob, f64)> {
        vec![(Knob::LearningRate, self.learner.lr())]
    }

    fn turn(&mut self, knob: Knob, value: f64) -> Result<()> {
        match knob {
            Knob::LearningRate => self.learner.set_lr(value),
            knob => Err(knob.missing()),
        }
    }
}
