//! What one optimizer moves: parameters, their gradients in a step, the schedule.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{Tensor, TensorId, Var};

use super::optimizer::{AdamW, Gradients, Optimizer};
use crate::{EngineError, Result};

/// Where a run stands when its parameters move.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    /// Steps done before.
    pub(super) step: u64,
    /// Steps of the whole run.
    pub(super) steps: u64,
    /// What averages of parameters keep of what they were.
    pub(super) average_decay: f64,
}

/// Parameters that one optimizer moves. A run may have several: a tokenizer, and a discriminator that
/// judges its pictures.
#[derive(Debug)]
pub(super) struct Learner {
    vars: BTreeMap<String, Var>,
    optimizer: AdamW,
    gradients: Gradients,
}

impl Learner {
    /// At the beginning of a run, or where `saved` says.
    ///
    /// # Errors
    /// If something of what is saved is missing.
    pub(super) fn new(
        settings: Optimizer,
        vars: BTreeMap<String, Var>,
        saved: Option<&BTreeMap<String, Tensor>>,
    ) -> Result<Self> {
        let mut optimizer = AdamW::new(settings, &vars)?;
        if let Some(saved) = saved {
            optimizer.restore(saved)?;
        }
        Ok(Self { vars, optimizer, gradients: Gradients::default() })
    }

    /// Forgets what was learned of a step that did not come to its end.
    pub(super) fn forget(&mut self) {
        self.gradients = Gradients::default();
    }

    /// Adds the gradients of a backward pass.
    ///
    /// # Errors
    /// If a parameter has none.
    pub(super) fn add(&mut self, store: &GradStore) -> Result<()> {
        self.gradients.add(&self.vars, store)
    }

    /// Moves the parameters by what was added since the last step; the norm of all gradients together.
    ///
    /// # Errors
    /// If a parameter has no gradient, or the norm is not finite.
    pub(super) fn step(&mut self, at: At) -> Result<f64> {
        let gradients = std::mem::take(&mut self.gradients);
        let At { step, steps, average_decay } = at;
        self.optimizer.step(&self.vars, &gradients, (step, steps), average_decay)
    }

    /// A parameter, to ask for a gradient by it.
    ///
    /// # Errors
    /// If there is none of that name.
    pub(super) fn parameter(&self, name: &str) -> Result<&Tensor> {
        self.vars
            .get(name)
            .map(Var::as_tensor)
            .ok_or_else(|| EngineError::bad_input("training", format!("{name} is not trained"), ""))
    }

    /// The learning rate of a step.
    pub(super) fn rate(&self, at: At) -> f64 {
        self.optimizer.settings().rate(at.step, at.steps)
    }

    /// The largest learning rate.
    pub(super) fn lr(&self) -> f64 {
        self.optimizer.settings().lr
    }

    /// Changes the largest learning rate from the next step on; the last one keeps its share of it.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if it is not above 0.
    pub(super) fn set_lr(&mut self, lr: f64) -> Result<()> {
        if !(lr.is_finite() && lr > 0.0) {
            let reason = format!("{lr} is not above 0");
            return Err(EngineError::bad_input("learning rate", reason, "pause to stand still"));
        }
        let settings = self.optimizer.settings_mut();
        settings.final_lr *= lr / settings.lr;
        settings.lr = lr;
        Ok(())
    }

    /// Rows of a parameter were replaced outside of gradients: the average takes them as they are, and moments
    /// of what stood there are forgotten. Nothing happens where the parameter is not one of these.
    ///
    /// # Errors
    /// If an operation fails.
    pub(super) fn replaced(&mut self, parameter: TensorId, rows: &[usize]) -> Result<()> {
        let found = self.vars.iter().find(|(_, var)| var.as_tensor().id() == parameter);
        let Some((name, var)) = found else { return Ok(()) };
        self.optimizer.replaced(&self.vars, (name, var), rows)
    }

    /// The averages of the parameters, which are the model, by name.
    pub(super) fn averages(&self) -> Result<BTreeMap<String, Tensor>> {
        self.optimizer.averages(&self.vars)
    }

    /// Parameters and what the optimizer keeps of them, by the names of a run's checkpoint.
    pub(super) fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = self.optimizer.state(&self.vars)?;
        tensors.extend(self.vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())));
        Ok(tensors)
    }
}
