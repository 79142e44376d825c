//! PatchGAN: a discriminator that says of each patch of an image whether it looks real.
//!
//! Sources: Isola et al., arXiv 1611.07004, appendix 6.1.2; names, sizes and initialization as
//! `NLayerDiscriminator` of taming-transformers (Esser et al., arXiv 2012.09841).

use candle_core::Tensor;

use super::batch_norm::{BatchNorm, ChannelStatistics};
use super::config::{DiscriminatorConfig, DiscriminatorNorm};
use crate::kernels::{self, Conv, Link, Shortcut};
use crate::layers::{Init, Weights};
use crate::{EngineError, Result};

/// Of LeakyReLU.
const SLOPE: f32 = 0.2;
/// Side of every window.
const KERNEL: usize = 4;

/// What a discriminator made of a batch in training.
#[derive(Debug)]
pub struct Judgement {
    /// (B, 1, h, w): above 0 where a patch looks real.
    pub logits: Tensor,
    /// What the batch's channels were, of each batch norm, for [`PatchDiscriminator::observe`].
    pub statistics: Vec<ChannelStatistics>,
}

#[derive(Debug)]
enum Norm {
    None,
    Batch(BatchNorm),
    Group { weight: Tensor, bias: Tensor, groups: usize },
}

/// A convolution, its norm, and LeakyReLU but behind the last.
#[derive(Debug)]
struct Stage {
    weight: Tensor,
    bias: Option<Tensor>,
    conv: Conv,
    norm: Norm,
}

/// Tensors of a stage that are trained, with or without their gradient.
struct Held {
    weight: Tensor,
    bias: Option<Tensor>,
    norm: Option<(Tensor, Tensor)>,
}

impl Stage {
    fn held(&self, still: bool) -> Held {
        let hold = |t: &Tensor| if still { t.detach() } else { t.clone() };
        Held {
            weight: hold(&self.weight),
            bias: self.bias.as_ref().map(hold),
            norm: match &self.norm {
                Norm::Group { weight, bias, .. } => Some((hold(weight), hold(bias))),
                Norm::None | Norm::Batch(_) => None,
            },
        }
    }
}

/// How a pass normalizes and whom its gradient reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Statistics of the batch.
    Training,
    /// The same, without gradients of the parameters.
    Still,
    /// Running statistics.
    Inference,
}

/// The discriminator.
#[derive(Debug)]
pub struct PatchDiscriminator {
    config: DiscriminatorConfig,
    stages: Vec<Stage>,
}

impl PatchDiscriminator {
    /// Tensors `main.N.*`. Fresh convolutions are normal with a standard deviation of 0.02.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the settings cannot be used.
    pub fn new(config: &DiscriminatorConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let weights = weights.clone().fast().pp("main");
        let (last, mut inputs) = (config.layers + 1, config.in_channels);
        let mut stages = Vec::with_capacity(last + 1);
        for at in 0..=last {
            let outputs = if at == last { 1 } else { config.channels(at) };
            // Layers of the published sequence: convolution, norm (but in the first), LeakyReLU.
            let place = if at == 0 { 0 } else { 3 * at - 1 };
            let is_edge = at == 0 || at == last;
            let own = weights.pp(place);
            let shape = [outputs, inputs, KERNEL, KERNEL];
            let fan_in = (inputs * KERNEL * KERNEL) as f32;
            let weight = own.get(&shape, "weight", Init::Normal(0.02))?;
            let bias = if is_edge {
                Some(own.get(&[outputs], "bias", Init::Uniform(1.0 / fan_in.sqrt()))?)
            } else {
                None
            };
            let own = weights.pp(place + 1);
            let norm = match config.norm {
                _ if is_edge => Norm::None,
                DiscriminatorNorm::Batch => Norm::Batch(BatchNorm::new(&own, outputs)?),
                DiscriminatorNorm::Group(groups) => Norm::Group {
                    weight: own.get(&[outputs], "weight", Init::Around(1.0, 0.02))?,
                    bias: own.get(&[outputs], "bias", Init::Constant(0.0))?,
                    groups,
                },
            };
            let conv = Conv::new(config.stride(at), 1, 1).with(weights.exactness());
            stages.push(Stage { weight, bias, conv, norm });
            inputs = outputs;
        }
        Ok(Self { config: config.clone(), stages })
    }

    /// Its settings.
    pub fn config(&self) -> &DiscriminatorConfig {
        &self.config
    }

    /// Judges images (B, C, H, W) in [-1, 1] in training: by the statistics of this batch. Changes nothing;
    /// hand what it saw to [`PatchDiscriminator::observe`] after the step.
    ///
    /// # Errors
    /// [`EngineError::Shape`] if images have other channels or are too small for a patch.
    pub fn judge(&self, images: &Tensor) -> Result<Judgement> {
        self.run(images, Use::Training)
    }

    /// The same with a gradient for the images alone, for the generator's step.
    ///
    /// # Errors
    /// As [`PatchDiscriminator::judge`].
    pub fn judge_for_generator(&self, images: &Tensor) -> Result<Judgement> {
        self.run(images, Use::Still)
    }

    /// The logits (B, 1, h, w) of images by the running statistics, outside of training.
    ///
    /// # Errors
    /// As [`PatchDiscriminator::judge`].
    pub fn logits(&self, images: &Tensor) -> Result<Tensor> {
        Ok(self.run(images, Use::Inference)?.logits)
    }

    fn run(&self, images: &Tensor, usage: Use) -> Result<Judgement> {
        self.check(images)?;
        let still = usage != Use::Training;
        let held: Vec<Held> = self.stages.iter().map(|stage| stage.held(still)).collect();
        let (mut y, mut statistics) = (images.clone(), Vec::new());
        let mut links = Vec::new();
        for (at, (stage, held)) in self.stages.iter().zip(&held).enumerate() {
            let Held { weight, bias, norm } = held;
            links.push(Link::Conv { weight, bias: bias.as_ref(), conv: stage.conv });
            match (&stage.norm, norm) {
                (Norm::Batch(norm), _) => {
                    y = kernels::chain(&y, &links, Shortcut::None)?;
                    links.clear();
                    if usage == Use::Inference {
                        y = norm.by_running(&y)?;
                    } else {
                        let (normal, seen) = norm.by_batch(&y, still)?;
                        y = normal;
                        statistics.push(seen);
                    }
                }
                (Norm::Group { groups, .. }, Some((weight, bias))) => {
                    let (groups, eps) = (*groups, 1e-5);
                    links.push(Link::GroupNorm { weight, bias, groups, eps, silu: false });
                }
                _ => {}
            }
            if at + 1 < self.stages.len() {
                links.push(Link::Leaky { slope: SLOPE });
            }
        }
        Ok(Judgement { logits: kernels::chain(&y, &links, Shortcut::None)?, statistics })
    }

    fn check(&self, images: &Tensor) -> Result<()> {
        let DiscriminatorConfig { in_channels, .. } = self.config;
        let fits = match *images.dims() {
            [b, c, h, w] => {
                let patches = |pixels| self.config.logits_side(pixels) > 0;
                b > 0 && c == in_channels && patches(h) && patches(w)
            }
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err(EngineError::Shape {
            what: "images of the discriminator".to_owned(),
            expected: format!(
                "(B, {in_channels}, H, W) with sides of {} or more",
                self.config.least_side()
            ),
            found: images.dims().to_vec(),
        })
    }

    /// Moves the running statistics by what a batch was; call after the step, once for each batch that was
    /// judged in training, in their order. Does nothing without batch norms.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if they are another discriminator's.
    pub fn observe(&mut self, statistics: &[ChannelStatistics]) -> Result<()> {
        let norms = self.stages.iter_mut().filter_map(|stage| match &mut stage.norm {
            Norm::Batch(norm) => Some(norm),
            Norm::None | Norm::Group { .. } => None,
        });
        let norms: Vec<&mut BatchNorm> = norms.collect();
        if norms.len() != statistics.len() {
            let reason = format!("statistics of {} norms for {}", statistics.len(), norms.len());
            return Err(EngineError::bad_input("discriminator", reason, ""));
        }
        norms.into_iter().zip(statistics).try_for_each(|(norm, seen)| norm.observe(seen))
    }

    /// State that is saved with the weights but is no parameter, by full name: running statistics.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let norms = self.stages.iter().filter_map(|stage| match &stage.norm {
            Norm::Batch(norm) => Some(norm.state()),
            Norm::None | Norm::Group { .. } => None,
        });
        norms.flatten().collect()
    }
}
