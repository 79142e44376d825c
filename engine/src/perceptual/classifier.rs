//! Our own small network that says what an image shows.
//!
//! Stages of 3x3 convolutions with group norm and SiLU, each half the size of the one before, then the mean
//! over places and a linear layer. Everything is of our kernels. Its loss is
//! [`crate::kernels::cross_entropy`] of the logits.

use candle_core::{D, Tensor};

use super::backbone::{Backbone, check_images};
use super::config::{ClassifierConfig, GROUP};
use crate::Result;
use crate::kernels::{self, Conv, Link, Shortcut};
use crate::layers::{Conv2d, GroupNorm, Grouping, Linear, Weights};

/// A convolution with norm and SiLU.
#[derive(Debug)]
struct Layer {
    conv: Conv2d,
    norm: GroupNorm,
}

impl Layer {
    fn new(weights: &Weights, at: usize, channels: (usize, usize), stride: usize) -> Result<Self> {
        let grouping = Grouping { groups: channels.1 / GROUP, eps: 1e-5 };
        let conv = Conv::new(stride, 1, 1);
        Ok(Self {
            conv: Conv2d::new(&weights.pp(format!("conv{at}")), channels, 3, conv)?,
            norm: GroupNorm::new(&weights.pp(format!("norm{at}")), channels.1, grouping)?,
        })
    }

    fn links(&self) -> [Link<'_>; 2] {
        [self.conv.link(), self.norm.link_silu()]
    }
}

/// The network.
#[derive(Debug)]
pub struct Classifier {
    config: ClassifierConfig,
    stages: Vec<Vec<Layer>>,
    classes: Linear,
}

impl Classifier {
    /// Tensors `stages.N.conv1`, `norm1`, `conv2`, `norm2` (the first stage, at the full size, has one
    /// convolution), and `classes`.
    ///
    /// # Errors
    /// [`crate::EngineError::BadInput`] if the settings cannot be used.
    pub fn new(config: &ClassifierConfig, weights: &Weights) -> Result<Self> {
        config.validate()?;
        let weights = weights.clone().fast();
        let mut inputs = 3;
        let mut stages = Vec::with_capacity(config.widths.len());
        for (at, &width) in config.widths.iter().enumerate() {
            let own = weights.pp("stages").pp(at);
            let stride = if at == 0 { 1 } else { 2 };
            let mut layers = vec![Layer::new(&own, 1, (inputs, width), stride)?];
            if at > 0 {
                layers.push(Layer::new(&own, 2, (width, width), 1)?);
            }
            stages.push(layers);
            inputs = width;
        }
        let classes = Linear::new(&weights.pp("classes"), (inputs, config.classes))?;
        Ok(Self { config: config.clone(), stages, classes })
    }

    /// Its settings.
    pub fn config(&self) -> &ClassifierConfig {
        &self.config
    }

    /// The features of each stage, (B, C, h, w), of images (B, 3, H, W) in [-1, 1].
    ///
    /// # Errors
    /// [`crate::EngineError::Shape`] if images have other channels.
    pub fn stages(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        check_images(images, 1)?;
        let mut features: Vec<Tensor> = Vec::with_capacity(self.stages.len());
        for layers in &self.stages {
            let links: Vec<Link<'_>> = layers.iter().flat_map(Layer::links).collect();
            let x = features.last().unwrap_or(images);
            features.push(kernels::chain(x, &links, Shortcut::None)?);
        }
        Ok(features)
    }

    /// What the network knows of each image, (B, D): the mean over places of the last stage.
    ///
    /// # Errors
    /// As [`Classifier::stages`].
    pub fn pooled(&self, images: &Tensor) -> Result<Tensor> {
        check_images(images, 1)?;
        // One chain: nothing of it is looked at, so that stages need not be kept.
        let links: Vec<Link<'_>> = self.stages.iter().flatten().flat_map(Layer::links).collect();
        let last = kernels::chain(images, &links, Shortcut::None)?;
        Ok(last.flatten_from(2)?.mean(D::Minus1)?)
    }

    /// Logits (B, classes) of what [`Classifier::pooled`] gave.
    pub fn classify(&self, pooled: &Tensor) -> Result<Tensor> {
        Ok(self.classes.forward(&pooled.unsqueeze(0)?)?.squeeze(0)?)
    }

    /// Logits (B, classes) of images (B, 3, H, W) in [-1, 1].
    ///
    /// # Errors
    /// As [`Classifier::stages`].
    pub fn logits(&self, images: &Tensor) -> Result<Tensor> {
        self.classify(&self.pooled(images)?)
    }
}

impl Backbone for Classifier {
    fn channels(&self) -> &[usize] {
        &self.config.widths
    }

    fn features(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        self.stages(images)
    }
}
