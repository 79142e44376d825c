//! A classifier learns to name the classes of images: a network whose features measure how alike pictures
//! look.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::super::augment::Augment;
use super::super::learner::{At, Learner};
use super::super::recipe::Recipe;
use super::super::start::Start;
use super::rule::{Images, Objective, Outcome, Told};
use crate::images::{Picture, to_tensor};
use crate::kernels;
use crate::perceptual::{Classifier, ClassifierConfig};
use crate::quantizers::Place;
use crate::{EngineError, Knob, Result};

/// What its counts since the last report are called in a run's checkpoint.
const COUNTED: &str = "run.named";

/// Trains a classifier.
#[derive(Debug)]
pub(super) struct ClassifierObjective {
    config: ClassifierConfig,
    /// Names of the classes, in the order of the logits.
    classes: Vec<String>,
    augment: Augment,
    device: Device,
    classifier: Classifier,
    learner: Learner,
    /// The loss of the step so far.
    loss: f64,
    /// Images of the last steps, and those that were named rightly.
    counted: [u64; 2],
}

impl ClassifierObjective {
    /// The network of a recipe, at the beginning or where `start` says; `classes` are those of the data.
    ///
    /// # Errors
    /// If the data has other classes than the recipe says, or what is given does not fit.
    pub(super) fn new(
        recipe: &Recipe,
        config: &ClassifierConfig,
        classes: &[String],
        start: &Start,
        device: &Device,
    ) -> Result<Self> {
        if classes.len() != config.classes {
            let found = if classes.is_empty() { "none".to_owned() } else { classes.join(", ") };
            return Err(EngineError::bad_input(
                "classifier.classes",
                format!("{} of them, but the data has {}: {found}", config.classes, classes.len()),
                "write that number, or give parts of the data a class",
            ));
        }
        let weights = start.weights(recipe.seed, device);
        let classifier = Classifier::new(config, &weights)?;
        weights.finish("checkpoint", &crate::checkpoints::OF_A_RUN)?;
        let learner = Learner::new(recipe.optimizer, weights.vars(), start.saved())?;
        // Those of before these were kept count anew, as after a report.
        let counted = start.saved().and_then(|saved| saved.get(COUNTED));
        let counted = counted.map(Tensor::to_vec1::<i64>).transpose()?;
        let counted = match counted.as_deref() {
            Some([all, right]) => [*all as u64, *right as u64],
            _ => [0; 2],
        };
        Ok(Self {
            config: config.clone(),
            classes: classes.to_vec(),
            augment: recipe.augment,
            device: device.clone(),
            classifier,
            learner,
            loss: 0.0,
            counted,
        })
    }
}

impl Objective for ClassifierObjective {
    fn learn(&mut self, images: &Images<'_>) -> Result<()> {
        if images.place.first_picture == 0 {
            self.learner.forget();
            self.loss = 0.0;
        }
        let classes = images.classes.iter().map(|class| {
            class.ok_or_else(|| {
                let reason = "an image has no class";
                EngineError::bad_input("data", reason, "give its part of the data a class")
            })
        });
        let classes = classes.collect::<Result<Vec<u32>>>()?;
        let given = to_tensor(images.pictures, &self.device)?;
        let given = self.augment.apply(&given, images.place)?;
        let logits = self.classifier.logits(&given)?;
        let wanted = Tensor::from_slice(&classes, classes.len(), &self.device)?;
        let loss = kernels::cross_entropy(&logits, &wanted)?;
        self.loss += images.share * f64::from(loss.to_scalar::<f32>()?);
        self.learner.add(&(loss * images.share)?.backward()?)?;
        let named = logits.detach().argmax(1)?.to_vec1::<u32>()?;
        self.counted[0] += classes.len() as u64;
        self.counted[1] += named.iter().zip(&classes).filter(|(a, b)| a == b).count() as u64;
        Ok(())
    }

    fn losses(&self) -> Vec<(String, f64)> {
        ["loss", "cross_entropy"].map(|name| (name.to_owned(), self.loss)).to_vec()
    }

    fn move_on(&mut self, at: At, _place: Place) -> Result<Outcome> {
        let lr = self.learner.rate(at);
        Ok(Outcome { gradient_norm: self.learner.step(at)?, lr, restarted: 0 })
    }

    fn tell(&mut self) -> Told {
        let [all, right] = std::mem::take(&mut self.counted);
        let accuracy = right as f64 / all.max(1) as f64;
        Told { figures: vec![("accuracy".to_owned(), accuracy)], ..Told::default() }
    }

    fn codes(&self) -> usize {
        0
    }

    fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = self.learner.state()?;
        let counted = self.counted.map(|count| count as i64);
        tensors.insert(COUNTED.to_owned(), Tensor::from_slice(&counted, 2, &Device::Cpu)?);
        Ok(tensors)
    }

    fn model(&self) -> Result<BTreeMap<String, Tensor>> {
        self.learner.averages()
    }

    fn metadata(&self) -> Value {
        serde_json::json!({
            "kind": crate::perceptual::KIND, "config": self.config, "classes": self.classes,
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
