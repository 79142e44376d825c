//! LPIPS: how far apart two images look to a network.
//!
//! The features of both at several depths are brought to length 1 at each place; the squares of their
//! differences are summed with a weight for each channel, averaged over the places, and summed over the
//! depths.
//!
//! Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", arXiv
//! 1801.03924, eq. 1, and the `lpips` package.

use candle_core::Tensor;

use super::{Backbone, Published, Trunk};
use crate::layers::{Init, Weights};
use crate::{EngineError, Result, kernels};

/// A network with the weights of its channels.
#[derive(Debug)]
pub struct Lpips {
    backbone: Box<dyn Backbone>,
    /// (C,) for each depth.
    heads: Vec<Tensor>,
    is_learned: bool,
}

impl Lpips {
    /// By any network without learned heads: every channel of a depth weighs 1 / C, so that each depth gives
    /// the mean over channels and places. Not to be compared with published LPIPS.
    pub fn with_mean_heads(backbone: impl Backbone + 'static, weights: &Weights) -> Result<Self> {
        let device = weights.device();
        let mean = |&channels: &usize| Tensor::full(1.0 / channels as f32, channels, device);
        let heads = backbone.channels().iter().map(mean).collect::<Result<_, _>>()?;
        Ok(Self { backbone: Box::new(backbone), heads, is_learned: false })
    }

    /// To judge by, not to learn by: as LPIPS without learned heads, every channel weighs 1, but the first two
    /// depths weigh nothing. They see a few pixels and mind noise as much as blur, which people do not; those
    /// behind them mind blur twice as much as noise of the same squared error.
    pub fn judging(backbone: impl Backbone + 'static, weights: &Weights) -> Result<Self> {
        let device = weights.device();
        let head = |(depth, &channels): (usize, &usize)| {
            Tensor::full(if depth < 2 { 0.0_f32 } else { 1.0 }, channels, device)
        };
        let heads = backbone.channels().iter().enumerate().map(head).collect::<Result<_, _>>()?;
        Ok(Self { backbone: Box::new(backbone), heads, is_learned: false })
    }

    /// By a published network and its learned heads: tensors `lin{i}.model.1.weight` (1, C, 1, 1) below
    /// `heads`.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] naming a head with a weight below 0: distances could be negative.
    pub fn published(trunk: Trunk, heads: &Weights) -> Result<Self> {
        let mut all = Vec::new();
        for (at, &channels) in trunk.channels().iter().enumerate() {
            let name = format!("lin{at}.model.1.weight");
            let init = Init::Constant(1.0 / channels as f32);
            let head = heads.get(&[1, channels, 1, 1], &name, init)?.flatten_all()?.detach();
            if head.to_vec1::<f32>()?.iter().any(|weight| *weight < 0.0) {
                let reason = "a weight is below 0, so that distances could be";
                return Err(EngineError::bad_input(heads.name(&name), reason, ""));
            }
            all.push(head);
        }
        Ok(Self { backbone: Box::new(trunk), heads: all, is_learned: true })
    }

    /// As [`Lpips::published`], both from tensors below `weights`, as the `lpips` package and checkpoints of
    /// taming-transformers hold them.
    ///
    /// # Errors
    /// As there and for [`Trunk::with_widths`].
    pub fn of_weights(which: Published, widths: [usize; 5], weights: &Weights) -> Result<Self> {
        Self::published(Trunk::with_widths(which, widths, weights)?, weights)
    }

    /// Whether channels weigh what people's judgements taught; else all the same.
    pub fn is_learned(&self) -> bool {
        self.is_learned
    }

    /// The distance that each depth adds, (B,) each, between images (B, 3, H, W) in [-1, 1]. Differentiable in
    /// both.
    ///
    /// # Errors
    /// [`EngineError::Shape`] if shapes differ, or images are too small for the network.
    pub fn layers(&self, a: &Tensor, b: &Tensor) -> Result<Vec<Tensor>> {
        if a.dims() != b.dims() {
            return Err(EngineError::Shape {
                what: "images that are compared".to_owned(),
                expected: format!("{:?}, as the others", a.dims()),
                found: b.dims().to_vec(),
            });
        }
        self.layers_of(&self.see(a)?, &self.see(b)?)
    }

    /// The features of images (B, 3, H, W) in [-1, 1] at each depth, to be compared more than once.
    ///
    /// # Errors
    /// As [`Backbone::features`].
    pub fn see(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        self.backbone.features(images)
    }

    /// As [`Lpips::layers`], of images that were seen.
    fn layers_of(&self, a: &[Tensor], b: &[Tensor]) -> Result<Vec<Tensor>> {
        let both = a.iter().zip(b).zip(&self.heads);
        both.map(|((a, b), head)| kernels::feature_distance(a, b, head)).collect()
    }

    /// As [`Lpips::distance`], of images that were seen and have one size.
    ///
    /// # Errors
    /// If they have not.
    pub fn distance_of(&self, a: &[Tensor], b: &[Tensor]) -> Result<Tensor> {
        Ok(Tensor::stack(&self.layers_of(a, b)?, 0)?.sum(0)?)
    }

    /// The distance, (B,), between images (B, 3, H, W) in [-1, 1]: the sum over depths. Differentiable in
    /// both.
    ///
    /// # Errors
    /// As [`Lpips::layers`].
    pub fn distance(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let layers = self.layers(a, b)?;
        Ok(Tensor::stack(&layers, 0)?.sum(0)?)
    }
}
