//! The discriminator of a VQ-GAN: learns beside the tokenizer, and pulls at its pictures.
//!
//! Source: Esser et al., arXiv 2012.09841, section 3.1 and eq. 7; taming-transformers, whose discriminator
//! starts late and then sees each batch once, after the tokenizer did.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};

use super::super::learner::{At, Learner};
use super::super::recipe::{Adversarial, Recipe};
use super::super::start::Start;
use crate::adversarial::{ChannelStatistics, PatchDiscriminator, adaptive_weight};
use crate::{EngineError, Knob, Result};

/// What the names of its tensors begin with.
const PREFIX: &str = "discriminator";

/// A discriminator that learns.
#[derive(Debug)]
pub(super) struct Adversary {
    settings: Adversarial,
    discriminator: PatchDiscriminator,
    learner: Learner,
    /// What the batches of the step were, to be taken in after it.
    seen: Vec<Vec<ChannelStatistics>>,
    /// Of the step so far: the discriminator's loss, and the adaptive weight.
    told: [f64; 2],
}

/// How the discriminator's judgement pulls at pictures.
pub(super) struct Pull {
    /// The gradient of the adversarial loss by the pictures, weighted, (B, C, H, W).
    pub(super) gradient: Tensor,
    /// The loss, weighted.
    pub(super) loss: f64,
}

impl Adversary {
    /// That of a recipe, at the beginning or where `start` says.
    pub(super) fn new(
        settings: &Adversarial,
        recipe: &Recipe,
        start: &Start,
        device: &Device,
    ) -> Result<Self> {
        let weights = start.weights(recipe.seed, device);
        let own = weights.pp(PREFIX);
        let discriminator = PatchDiscriminator::new(&settings.discriminator, &own)?;
        // All else in a checkpoint is the tokenizer's.
        weights.finish("checkpoint", &[""])?;
        let optimizer = settings.optimizer.unwrap_or(recipe.optimizer);
        let learner = Learner::new(optimizer, weights.vars(), start.saved())?;
        let settings = settings.clone();
        Ok(Self { settings, discriminator, learner, seen: Vec::new(), told: [0.0; 2] })
    }

    /// Whether it plays in a step.
    pub(super) fn plays(&self, step: u64) -> bool {
        step >= self.settings.start
    }

    /// Forgets what an earlier try of the step left.
    pub(super) fn forget(&mut self) {
        self.learner.forget();
        self.seen.clear();
        self.told = [0.0; 2];
    }

    /// How it pulls at `pictures`, (B, C, H, W). `at_last` gives the norm, at the decoder's last weight, of a
    /// gradient by the pictures: with it the pull becomes as strong as that of `reconstruction`.
    pub(super) fn pull(
        &mut self,
        pictures: &Var,
        reconstruction: &Tensor,
        share: f64,
        at_last: impl Fn(&Tensor) -> Result<f64>,
    ) -> Result<Pull> {
        let judged = self.discriminator.judge_for_generator(pictures.as_tensor())?;
        let loss = self.settings.discriminator.loss.generator(&judged.logits)?;
        let value = f64::from(loss.to_scalar::<f32>()?);
        let store = loss.backward()?;
        let gradient = store.get(pictures.as_tensor()).ok_or_else(|| {
            let reason = "the discriminator does not look at the pictures";
            EngineError::bad_input("training", reason, "")
        })?;
        let adapted = if self.settings.adaptive {
            adaptive_weight(at_last(reconstruction)?, at_last(gradient)?)
        } else {
            1.0
        };
        self.told[1] += share * adapted;
        let weight = adapted * self.settings.weight;
        Ok(Pull { gradient: (gradient * weight)?, loss: value * weight })
    }

    /// Learns to tell given images from their reconstructions; (B, C, H, W) both.
    pub(super) fn learn(&mut self, given: &Tensor, pictures: &Tensor, share: f64) -> Result<()> {
        let real = self.discriminator.judge(given)?;
        let fake = self.discriminator.judge(&pictures.detach())?;
        let loss = self.settings.discriminator.loss.discriminator(&real.logits, &fake.logits)?;
        self.told[0] += share * f64::from(loss.to_scalar::<f32>()?);
        self.learner.add(&(loss * share)?.backward()?)?;
        self.seen.extend([real.statistics, fake.statistics]);
        Ok(())
    }

    /// The discriminator's loss of the step so far.
    pub(super) fn loss(&self) -> f64 {
        self.told[0]
    }

    /// What is told beside the losses.
    pub(super) fn figures(&self) -> [(&'static str, f64); 1] {
        [("adaptive_weight", self.told[1])]
    }

    /// Moves its parameters, if it played in the step. Its schedule counts from where it started.
    pub(super) fn move_on(&mut self, at: At) -> Result<()> {
        if !self.plays(at.step) {
            return Ok(());
        }
        let start = self.settings.start;
        self.learner.step(At { step: at.step - start, steps: at.steps - start, ..at })?;
        let seen = std::mem::take(&mut self.seen);
        seen.iter().try_for_each(|batch| self.discriminator.observe(batch))
    }

    /// Parameters and state, by the names of a run's checkpoint.
    pub(super) fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = self.learner.state()?;
        tensors.extend(self.discriminator.state());
        Ok(tensors)
    }

    /// The weight of its loss before it is adapted.
    pub(super) fn weight(&self) -> f64 {
        self.settings.weight
    }

    /// Changes it.
    pub(super) fn set_weight(&mut self, weight: f64) -> Result<()> {
        check_weight(Knob::Adversarial, weight)?;
        self.settings.weight = weight;
        Ok(())
    }

    /// Changes the learning rate by a factor, along with the tokenizer's.
    pub(super) fn scale_lr(&mut self, factor: f64) -> Result<()> {
        self.learner.set_lr(self.learner.lr() * factor)
    }
}

/// That a loss can have such a weight.
pub(super) fn check_weight(knob: Knob, weight: f64) -> Result<()> {
    if weight.is_finite() && weight >= 0.0 {
        return Ok(());
    }
    let reason = format!("{weight} is not a weight");
    Err(EngineError::bad_input(knob.name(), reason, "0 switches the loss off"))
}
