//! The gradient of every parameter against finite differences, with each kind of quantizer.
//!
//! Quantizing is piecewise constant, so what the straight-through gradient stands for is
//! differentiated instead: the quantizer is replaced by its smooth part plus what it added at the
//! point of interest, its losses by those with the other side held still.

use crate::device::of_tests;
use std::collections::BTreeMap;

use candle_core::{Tensor, Var};

use super::*;
use crate::quantizers::{BetaPlacement, CodebookUpdate, Fsq, FsqBound, Pass};

/// What is held still.
struct Frozen {
    /// Smooth part of the latents.
    smooth: Tensor,
    /// What quantizing added to it.
    added: Tensor,
    codes: Vec<Tensor>,
    chosen: Tensor,
}

/// Unit length along channels, in plain operations.
fn unit(latents: &Tensor) -> Tensor {
    latents.broadcast_div(&latents.sqr().unwrap().sum_keepdim(1).unwrap().sqrt().unwrap()).unwrap()
}

/// What the quantizer does before it chooses.
fn smooth(config: &QuantizerConfig, latents: &Tensor) -> Tensor {
    match config {
        QuantizerConfig::Vq(vq) if vq.normalize => unit(latents),
        QuantizerConfig::Vq(_) => latents.clone(),
        QuantizerConfig::Fsq(fsq) => {
            let bounded = Fsq::new(fsq, 2, &of_tests().unwrap()).unwrap().bounded(latents).unwrap();
            let symmetric = fsq.bound == FsqBound::Symmetric;
            let units: Vec<f32> = fsq
                .levels
                .iter()
                .map(|&l| if symmetric { (l - 1) as f32 / 2.0 } else { (l / 2) as f32 })
                .collect();
            let units = Tensor::from_vec(units, (1, 2, 1, 1), &of_tests().unwrap()).unwrap();
            let code = bounded.broadcast_div(&units).unwrap();
            if symmetric { (code - 1.0).unwrap() } else { code }
        }
        other => unreachable!("{other:?} has no smooth part here"),
    }
}

fn squares(x: &Tensor) -> f64 {
    let values = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / values.len() as f64
}

struct Case {
    config: TokenizerConfig,
    ldm: Ldm,
    vars: BTreeMap<String, Var>,
    images: Tensor,
    target: Tensor,
}

impl Case {
    fn new(config: TokenizerConfig) -> Self {
        let weights = Weights::fresh(3, &of_tests().unwrap());
        let ldm = Ldm::new(&config, &weights).unwrap();
        let vars = weights.vars();
        // Nothing at a special value: norms are not 1 and 0, the codebook is not near zero.
        for (at, (name, var)) in vars.iter().enumerate() {
            let noise = Noise::new(3, Purpose::Test, 1, at as u64);
            let scale = if name.contains("quantize") { 1.0 } else { 0.15 };
            let moved: Vec<f32> =
                (0..var.elem_count() as u32).map(|lane| scale * noise.normal(lane)).collect();
            let moved = Tensor::from_vec(moved, var.shape(), &of_tests().unwrap()).unwrap();
            var.set(&(var.as_detached_tensor() + moved).unwrap()).unwrap();
        }
        let (images, target) = (noise((2, 3, 8, 8), 1), noise((2, 3, 8, 8), 2));
        Self { config, ldm, vars, images, target }
    }

    fn analytic(&self) -> (candle_core::backprop::GradStore, Frozen) {
        let latents = self.ldm.encode(&self.images).unwrap();
        let quantized = self.ldm.quantize(&latents, Pass::FIRST).unwrap();
        let image = self.ldm.decode(&quantized.latents).unwrap();
        let loss = (image - &self.target).unwrap().sqr().unwrap().mean_all().unwrap();
        let loss = quantized.losses.iter().fold(loss, |sum, (_, loss)| (sum + loss).unwrap());
        let smooth = smooth(&self.config.quantizer, &latents.detach());
        let chosen = self.ldm.quantizer().decode(&quantized.codes).unwrap();
        let added = (quantized.latents.detach() - &smooth).unwrap();
        (loss.backward().unwrap(), Frozen { smooth, added, codes: quantized.codes, chosen })
    }

    /// The loss with what is frozen held still.
    fn surrogate(&self, frozen: &Frozen) -> f64 {
        let latents = self.ldm.encode(&self.images).unwrap().detach();
        let smooth = smooth(&self.config.quantizer, &latents);
        let image = self.ldm.decode(&(&smooth + &frozen.added).unwrap()).unwrap().detach();
        let mut loss = squares(&(image - &self.target).unwrap());
        if let QuantizerConfig::Vq(vq) = &self.config.quantizer {
            let (on_codebook, on_commitment) = match (vq.update, vq.placement) {
                (CodebookUpdate::Ema, _) => (0.0, vq.beta),
                (_, BetaPlacement::Commitment) => (1.0, vq.beta),
                (_, BetaPlacement::Codebook) => (vq.beta, 1.0),
            };
            let chosen = self.ldm.quantizer().decode(&frozen.codes).unwrap();
            loss += on_codebook * squares(&(chosen - &frozen.smooth).unwrap());
            loss += on_commitment * squares(&(smooth - &frozen.chosen).unwrap());
        }
        loss
    }

    /// (L(+h) - L(-h)) / 2h along a direction of one parameter.
    fn difference(&self, var: &Var, direction: &Tensor, h: f64, frozen: &Frozen) -> f64 {
        let at = var.as_detached_tensor().copy().unwrap();
        let loss = |h: f64| {
            var.set(&(&at + (direction * h).unwrap()).unwrap()).unwrap();
            self.surrogate(frozen)
        };
        let difference = (loss(h) - loss(-h)) / (2.0 * h);
        var.set(&at).unwrap();
        difference
    }
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    (a * b).unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().into()
}

/// Each parameter is moved in a direction that has a part in every element, so that nothing of the
/// gradient may be false and nothing missing.
fn every_gradient_agrees(config: TokenizerConfig) {
    let case = Case::new(config);
    let (grads, frozen) = case.analytic();
    for (at, (name, var)) in case.vars.iter().enumerate() {
        let gradient = grads.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
        let length = dot(gradient, gradient).sqrt();
        // Half of it along the gradient itself, where a false one shows most.
        let noise = Noise::new(3, Purpose::Test, 2, at as u64);
        let n = var.elem_count();
        let sign = |lane: u32| if noise.bits(lane) & 1 == 0 { 1.0_f32 } else { -1.0 };
        let signs: Vec<f32> = (0..n as u32).map(sign).collect();
        let signs = Tensor::from_vec(signs, var.shape(), &of_tests().unwrap()).unwrap();
        let mut direction = (signs / (2.0 * n as f64).sqrt()).unwrap();
        // A bias of the keys moves nothing: a softmax does not see what all its inputs share.
        if length > 1e-5 {
            direction =
                (direction + (gradient / (std::f64::consts::SQRT_2 * length)).unwrap()).unwrap();
        }
        let analytic = dot(gradient, &direction);
        let (far, near) = (
            case.difference(var, &direction, 2e-2, &frozen),
            case.difference(var, &direction, 1e-2, &frozen),
        );
        // Richardson: the error of order h² cancels.
        let numeric = (4.0 * near - far) / 3.0;
        let allowed = 2e-3 * length + 3e-5;
        assert!(
            (analytic - numeric).abs() < allowed,
            "{name}: {analytic} by the graph, {numeric} by differences (length {length})"
        );
    }
}

#[test]
fn gradients_with_vq_by_gradient_agree() {
    let update = CodebookUpdate::Gradient;
    let vq = VqConfig { codes: 6, update, ..VqConfig::default() };
    every_gradient_agrees(tiny(Naming::Taming, QuantizerConfig::Vq(vq)));
}

#[test]
fn gradients_with_unit_vectors_and_legacy_beta_agree() {
    let vq = VqConfig {
        codes: 6,
        update: CodebookUpdate::Gradient,
        placement: BetaPlacement::Codebook,
        normalize: true,
        ..VqConfig::default()
    };
    every_gradient_agrees(tiny(Naming::LlamaGen, QuantizerConfig::Vq(vq)));
}

#[test]
fn gradients_with_vq_by_moving_average_agree() {
    let [vq, _] = rules();
    every_gradient_agrees(tiny(Naming::Taming, vq));
}

#[test]
fn gradients_with_fsq_agree() {
    // The other bounds' gradients are compared with the published ones (parity tests).
    let fsq = FsqConfig { levels: vec![5, 4], ..FsqConfig::default() };
    every_gradient_agrees(tiny(Naming::Taming, QuantizerConfig::Fsq(fsq)));
}
