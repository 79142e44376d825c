//! AdamW whose state can be saved, with warm-up, cosine decay and clipping by the global norm.
//!
//! Sources: Kingma & Ba, arXiv 1412.6980; Loshchilov & Hutter, arXiv 1711.05101, algorithm 2;
//! warm restarts' cosine, arXiv 1608.03983, eq. 5.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};

use crate::{EngineError, Result};

/// Settings of the optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// The largest learning rate, after warm-up.
    pub lr: f64,
    /// The learning rate of the last step.
    #[serde(default)]
    pub final_lr: f64,
    /// Steps over which the learning rate rises from 0.
    #[serde(default)]
    pub warmup: u64,
    /// Decay of the two moments.
    #[serde(default = "default_betas")]
    pub betas: (f64, f64),
    /// Decay of the weights, decoupled.
    #[serde(default)]
    pub weight_decay: f64,
    /// Gradients are scaled down to this global norm; 0 leaves them.
    #[serde(default)]
    pub clip: f64,
}

fn default_betas() -> (f64, f64) {
    (0.9, 0.99)
}

impl Optimizer {
    /// Checks every value.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field.
    pub fn validate(&self) -> Result<()> {
        let fine = |x: f64| x.is_finite() && x >= 0.0;
        let (b1, b2) = self.betas;
        if !(fine(self.lr) && self.lr > 0.0 && fine(self.final_lr)) {
            return Err(EngineError::bad_input("optimizer.lr", "must be above 0", ""));
        }
        if !(0.0..1.0).contains(&b1) || !(0.0..1.0).contains(&b2) {
            return Err(EngineError::bad_input("optimizer.betas", "must be in [0, 1)", ""));
        }
        if !fine(self.weight_decay) || !fine(self.clip) {
            let reason = "weight_decay and clip must not be negative";
            return Err(EngineError::bad_input("optimizer", reason, ""));
        }
        Ok(())
    }

    /// The learning rate of a step (from 0) in a run of `steps`.
    pub fn rate(&self, step: u64, steps: u64) -> f64 {
        if step < self.warmup {
            return self.lr * (step + 1) as f64 / self.warmup as f64;
        }
        let span = steps.saturating_sub(self.warmup).max(1) as f64;
        let done = ((step - self.warmup) as f64 / span).min(1.0);
        self.final_lr
            + (self.lr - self.final_lr) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
    }
}

/// The moments of every parameter, by name.
#[derive(Debug)]
pub struct AdamW {
    settings: Optimizer,
    moments: BTreeMap<String, (Tensor, Tensor)>,
}

impl AdamW {
    /// Zero moments for the parameters.
    pub fn new(settings: Optimizer, vars: &BTreeMap<String, Var>) -> Result<Self> {
        let mut moments = BTreeMap::new();
        for (name, var) in vars {
            let zero = var.as_tensor().zeros_like()?;
            moments.insert(name.clone(), (zero.clone(), zero));
        }
        Ok(Self { settings, moments })
    }

    /// Moves every parameter by one step and gives the gradients' global norm before clipping.
    /// `step` counts from 0.
    ///
    /// # Errors
    /// If a parameter has no gradient (an operation dropped it), or the norm is not finite.
    pub fn step(
        &mut self,
        vars: &BTreeMap<String, Var>,
        grads: &Gradients,
        (step, steps): (u64, u64),
    ) -> Result<f64> {
        let norm = grads.norm()?;
        if !norm.is_finite() {
            return Err(EngineError::bad_input(
                "training",
                format!("the gradients are not finite at step {step}"),
                "lower the learning rate; the last checkpoint is kept",
            ));
        }
        let clip = self.settings.clip;
        let scale = if clip > 0.0 && norm > clip { clip / norm } else { 1.0 };
        let (b1, b2) = self.settings.betas;
        let rate = self.settings.rate(step, steps);
        let t = (step + 1) as i32;
        let (fix1, fix2) = (1.0 - b1.powi(t), 1.0 - b2.powi(t));
        for (name, var) in vars {
            let gradient = (grads.get(name)? * scale)?;
            let Some((m, v)) = self.moments.get_mut(name) else { continue };
            *m = ((&*m * b1)? + (&gradient * (1.0 - b1))?)?;
            *v = ((&*v * b2)? + (gradient.sqr()? * (1.0 - b2))?)?;
            let denominator = ((&*v / fix2)?.sqrt()? + 1e-8)?;
            let update = ((&*m / fix1)? / denominator)?;
            let kept = (var.as_tensor() * (1.0 - rate * self.settings.weight_decay))?;
            var.set(&(kept - (update * rate)?)?.detach())?;
        }
        Ok(norm)
    }

    /// The moments as named tensors, to be saved.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = Vec::new();
        for (name, (m, v)) in &self.moments {
            state.push((format!("adam.m.{name}"), m.clone()));
            state.push((format!("adam.v.{name}"), v.clone()));
        }
        state
    }

    /// Takes saved moments back.
    ///
    /// # Errors
    /// If one is missing.
    pub fn restore(&mut self, saved: &BTreeMap<String, Tensor>) -> Result<()> {
        for (name, (m, v)) in &mut self.moments {
            for (slot, kind) in [(m, "m"), (v, "v")] {
                let key = format!("adam.{kind}.{name}");
                *slot = saved.get(&key).cloned().ok_or_else(|| {
                    EngineError::bad_input("checkpoint", format!("{key} is missing"), "")
                })?;
            }
        }
        Ok(())
    }
}

/// Gradients by parameter name, summed over micro-batches.
#[derive(Debug, Default)]
pub struct Gradients {
    by_name: BTreeMap<String, Tensor>,
}

impl Gradients {
    /// Adds those of one backward pass.
    ///
    /// # Errors
    /// If a parameter has none: an operation dropped it without a word.
    pub fn add(&mut self, vars: &BTreeMap<String, Var>, store: &GradStore) -> Result<()> {
        for (name, var) in vars {
            let gradient = store.get(var.as_tensor()).ok_or_else(|| {
                EngineError::bad_input(
                    "training",
                    format!("the parameter {name} gets no gradient"),
                    "the network does not use it, or an operation drops its gradient",
                )
            })?;
            let sum = match self.by_name.get(name) {
                Some(before) => (before + gradient)?.detach(),
                None => gradient.detach(),
            };
            self.by_name.insert(name.clone(), sum);
        }
        Ok(())
    }

    fn get(&self, name: &str) -> Result<&Tensor> {
        self.by_name.get(name).ok_or_else(|| {
            EngineError::bad_input("training", format!("the parameter {name} gets no gradient"), "")
        })
    }

    /// The norm of all gradients together, summed in the order of the names.
    fn norm(&self) -> Result<f64> {
        let mut sum = 0.0_f64;
        for gradient in self.by_name.values() {
            sum += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
        }
        Ok(sum.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn settings() -> Optimizer {
        Optimizer {
            lr: 0.1,
            final_lr: 0.01,
            warmup: 4,
            betas: (0.9, 0.99),
            weight_decay: 0.05,
            clip: 0.5,
        }
    }

    #[test]
    fn the_rate_warms_up_and_ends_where_it_should() {
        let s = settings();
        assert!((s.rate(0, 100) - 0.025).abs() < 1e-12);
        assert!((s.rate(3, 100) - 0.1).abs() < 1e-12);
        assert!((s.rate(4, 100) - 0.1).abs() < 1e-12);
        assert!((s.rate(52, 100) - 0.055).abs() < 1e-12);
        assert!((s.rate(100, 100) - 0.01).abs() < 1e-12);
    }

    /// Five steps on x^2 / 2 + y, against the same written out in f64.
    #[test]
    fn steps_agree_with_plain_code() {
        let s = settings();
        let start = [1.5_f64, -0.3];
        let var = Var::from_tensor(&Tensor::new(&[1.5_f32, -0.3], &Device::Cpu).unwrap()).unwrap();
        let vars = BTreeMap::from([("w".to_owned(), var)]);
        let mut adam = AdamW::new(s, &vars).unwrap();
        let (mut w, mut m, mut v) = (start, [0.0_f64; 2], [0.0_f64; 2]);
        for step in 0..5_u64 {
            let t = vars["w"].as_tensor();
            let x = t.narrow(0, 0, 1).unwrap().sqr().unwrap().sum_all().unwrap();
            let y = t.narrow(0, 1, 1).unwrap().sum_all().unwrap();
            let loss = ((x * 0.5).unwrap() + y).unwrap();
            let mut grads = Gradients::default();
            grads.add(&vars, &loss.backward().unwrap()).unwrap();
            adam.step(&vars, &grads, (step, 10)).unwrap();

            let mut g = [w[0], 1.0];
            let norm = (g[0] * g[0] + g[1] * g[1]).sqrt();
            for value in &mut g {
                *value *= (0.5 / norm).min(1.0);
            }
            let (lr, t) = (s.rate(step, 10), step as i32 + 1);
            for i in 0..2 {
                m[i] = 0.9 * m[i] + 0.1 * g[i];
                v[i] = 0.99 * v[i] + 0.01 * g[i] * g[i];
                let (mh, vh) = (m[i] / (1.0 - 0.9_f64.powi(t)), v[i] / (1.0 - 0.99_f64.powi(t)));
                w[i] = w[i] * (1.0 - lr * 0.05) - lr * mh / (vh.sqrt() + 1e-8);
            }
        }
        let got = vars["w"].as_tensor().to_vec1::<f32>().unwrap();
        for (a, b) in got.iter().zip(w) {
            assert!((f64::from(*a) - b).abs() < 1e-5, "{got:?} {w:?}");
        }
    }

    #[test]
    fn a_parameter_without_a_gradient_is_named() {
        let make = || Var::from_tensor(&Tensor::new(&[1.0_f32], &Device::Cpu).unwrap()).unwrap();
        let vars = BTreeMap::from([("used".to_owned(), make()), ("idle".to_owned(), make())]);
        let store = vars["used"].as_tensor().sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let error = Gradients::default().add(&vars, &store).unwrap_err();
        assert!(error.to_string().contains("idle"), "{error}");
    }
}
