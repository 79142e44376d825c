//! AdamW whose state can be saved, with a moving average of the parameters, warm-up, cosine decay and clipping by the global norm.
//!
//! Sources: Kingma & Ba, arXiv 1412.6980; Loshchilov & Hutter, arXiv 1711.05101, algorithm 2;
//! warm restarts' cosine, arXiv 1608.03983, eq. 5.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};

use crate::kernels::{self, AdamState, AdamStep};
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
    /// Decay of the weights, decoupled. Norms and biases, which have one number a channel, are spared.
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

/// The moments of every parameter and the moving average of its values, by name.
#[derive(Debug)]
pub struct AdamW {
    settings: Optimizer,
    names: Vec<String>,
    state: AdamState,
}

impl AdamW {
    /// Zero moments for the parameters; averages start from their values.
    pub fn new(settings: Optimizer, vars: &BTreeMap<String, Var>) -> Result<Self> {
        let mut kept = Vec::new();
        for var in vars.values() {
            let zero = var.as_tensor().zeros_like()?;
            kept.push([zero.clone(), zero, var.as_tensor().copy()?.detach()]);
        }
        let names = vars.keys().cloned().collect();
        Ok(Self { settings, names, state: AdamState::new(&kept)? })
    }

    /// Its settings.
    pub fn settings(&self) -> &Optimizer {
        &self.settings
    }

    /// Its settings, to change them between two steps.
    pub fn settings_mut(&mut self) -> &mut Optimizer {
        &mut self.settings
    }

    /// Moves every parameter by one step, its average along, and gives the gradients' global norm
    /// before clipping. `step` counts from 0; averages keep `average_decay` of what they were.
    ///
    /// # Errors
    /// If a parameter has no gradient (an operation dropped it), or the norm is not finite.
    pub fn step(
        &mut self,
        vars: &BTreeMap<String, Var>,
        grads: &Gradients,
        (step, steps): (u64, u64),
        average_decay: f64,
    ) -> Result<f64> {
        let norm = grads.norm()?;
        if !norm.is_finite() {
            return Err(EngineError::bad_input(
                "training",
                format!("the gradients are not finite at step {step}"),
                "lower the learning rate; the last checkpoint is kept",
            ));
        }
        let Optimizer { clip, betas, weight_decay, .. } = self.settings;
        let scale = if clip > 0.0 && norm > clip { clip / norm } else { 1.0 };
        let rate = self.settings.rate(step, steps);
        let count = (step + 1) as i32;
        let gradients: Vec<&Tensor> =
            self.names.iter().map(|name| grads.get(name)).collect::<Result<_>>()?;
        let now = AdamStep { rate, weight_decay, betas, count, scale, average_decay };
        self.state.step(&self.vars(vars)?, &gradients, now)?;
        Ok(norm)
    }

    /// Rows of a parameter (K, D) were replaced by something else: its average takes them over, its moments
    /// there begin again. Rare, so that all that is kept may be read and written for it.
    ///
    /// # Errors
    /// If an operation fails.
    pub fn replaced(
        &mut self,
        vars: &BTreeMap<String, Var>,
        (name, var): (&str, &Var),
        rows: &[usize],
    ) -> Result<()> {
        let mut kept = self.state(vars)?;
        let now = var.as_tensor().detach().to_vec2::<f32>()?;
        let [first, second, average] = keys(name);
        for (key, is_average) in [(first, false), (second, false), (average, true)] {
            let Some(tensor) = kept.get_mut(&key) else { continue };
            let mut values = tensor.to_vec2::<f32>()?;
            for row in rows {
                if let (Some(to), Some(from)) = (values.get_mut(*row), now.get(*row)) {
                    let taken = |from: &f32| if is_average { *from } else { 0.0 };
                    *to = from.iter().map(taken).collect();
                }
            }
            *tensor = Tensor::new(values, tensor.device())?;
        }
        self.restore(&kept)
    }

    /// The parameters in the order of what is kept of them.
    fn vars<'a>(&self, vars: &'a BTreeMap<String, Var>) -> Result<Vec<&'a Var>> {
        let named = |name: &String| {
            vars.get(name).ok_or_else(|| {
                EngineError::bad_input("training", format!("the parameter {name} is gone"), "")
            })
        };
        self.names.iter().map(named).collect()
    }

    /// The averages of the parameters, by name.
    pub fn averages(&self, vars: &BTreeMap<String, Var>) -> Result<BTreeMap<String, Tensor>> {
        let averages = self.state.averages(&self.vars(vars)?)?;
        Ok(self.names.iter().cloned().zip(averages).collect())
    }

    /// Moments and averages as named tensors, to be saved.
    pub fn state(&self, vars: &BTreeMap<String, Var>) -> Result<BTreeMap<String, Tensor>> {
        let kept = self.state.tensors(&self.vars(vars)?)?;
        let named = self.names.iter().zip(kept);
        Ok(named.flat_map(|(name, kept)| keys(name).into_iter().zip(kept)).collect())
    }

    /// Takes saved moments and averages back.
    ///
    /// # Errors
    /// If one is missing.
    pub fn restore(&mut self, saved: &BTreeMap<String, Tensor>) -> Result<()> {
        let named = |key: String| {
            saved.get(&key).cloned().ok_or_else(|| {
                EngineError::bad_input("checkpoint", format!("{key} is missing"), "")
            })
        };
        let kept = self.names.iter().map(|name| {
            let [first, second, average] = keys(name);
            Ok([named(first)?, named(second)?, named(average)?])
        });
        self.state = AdamState::new(&kept.collect::<Result<Vec<_>>>()?)?;
        Ok(())
    }
}

/// The names under which the moments and the average of a parameter are saved.
fn keys(name: &str) -> [String; 3] {
    ["adam.m", "adam.v", "ema"].map(|kind| format!("{kind}.{name}"))
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
        let gradients: Vec<&Tensor> = self.by_name.values().collect();
        Ok(kernels::sum_of_squares(&gradients)?.sqrt())
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::device::of_tests;

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

    /// Five steps on x^2 / 2 + y, against the same written out in f64. Weights decay, biases do not.
    #[test]
    fn steps_agree_with_plain_code() {
        for (shape, decay) in [(&[1, 2][..], 0.05), (&[2], 0.0)] {
            steps_agree(shape, decay);
        }
    }

    fn steps_agree(shape: &[usize], decay: f64) {
        let s = settings();
        let start = [1.5_f64, -0.3];
        let first = Tensor::from_slice(&[1.5_f32, -0.3], shape, &of_tests().unwrap()).unwrap();
        let var = Var::from_tensor(&first).unwrap();
        let vars = BTreeMap::from([("w".to_owned(), var)]);
        let mut adam = AdamW::new(s, &vars).unwrap();
        let (mut w, mut m, mut v) = (start, [0.0_f64; 2], [0.0_f64; 2]);
        let mut average = start;
        for step in 0..5_u64 {
            let t = vars["w"].as_tensor().flatten_all().unwrap();
            let x = t.narrow(0, 0, 1).unwrap().sqr().unwrap().sum_all().unwrap();
            let y = t.narrow(0, 1, 1).unwrap().sum_all().unwrap();
            let loss = ((x * 0.5).unwrap() + y).unwrap();
            let mut grads = Gradients::default();
            grads.add(&vars, &loss.backward().unwrap()).unwrap();
            adam.step(&vars, &grads, (step, 10), 0.5).unwrap();

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
                w[i] = w[i] * (1.0 - lr * decay) - lr * mh / (vh.sqrt() + 1e-8);
                average[i] = 0.5 * average[i] + 0.5 * w[i];
            }
        }
        let list = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let got = list(vars["w"].as_tensor());
        let averages = list(&adam.averages(&vars).unwrap()["w"]);
        for (a, b) in got.iter().chain(&averages).zip(w.iter().chain(&average)) {
            assert!((f64::from(*a) - b).abs() < 1e-5, "{got:?} {w:?} {averages:?} {average:?}");
        }
    }

    #[test]
    fn a_parameter_without_a_gradient_is_named() {
        let make =
            || Var::from_tensor(&Tensor::new(&[1.0_f32], &of_tests().unwrap()).unwrap()).unwrap();
        let vars = BTreeMap::from([("used".to_owned(), make()), ("idle".to_owned(), make())]);
        let store = vars["used"].as_tensor().sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let error = Gradients::default().add(&vars, &store).unwrap_err();
        assert!(error.to_string().contains("idle"), "{error}");
    }
}
