//! The published networks whose features LPIPS compares: VGG16 and AlexNet, without their last layers.
//!
//! Sources: Simonyan & Zisserman, arXiv 1409.1556, configuration D; Krizhevsky, arXiv 1404.5997; layers,
//! names and sizes as torchvision has them, taps and the scaling of images as the `lpips` package.

use candle_core::Tensor;

use super::backbone::{Backbone, check_images};
use crate::kernels::{self, Conv, Link, Shortcut};
use crate::layers::{Conv2d, Weights};
use crate::{EngineError, Result};

/// What is taken from the three channels, and what they are divided by: ImageNet's mean and deviation, for
/// images in [-1, 1].
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];

/// Which network.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum Published {
    /// VGG16: slow, the usual one for training.
    Vgg16,
    /// AlexNet: fast, the usual one for measuring.
    AlexNet,
}

/// A layer of the published sequence, all convolutions with ReLU behind them.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The number in the sequence, the side of the window, its stride and padding.
    Conv(usize, usize, usize, usize),
    /// The largest of windows of that side, two apart.
    Pool(usize),
}

impl Published {
    /// Channels of the features at its five depths.
    pub fn widths(self) -> [usize; 5] {
        match self {
            Self::Vgg16 => [64, 128, 256, 512, 512],
            Self::AlexNet => [64, 192, 384, 256, 256],
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vgg16 => "VGG16",
            Self::AlexNet => "AlexNet",
        }
    }

    /// The shape of the weights of its first layer, by which a file tells which network it holds.
    pub(super) fn first_shape(self) -> [usize; 4] {
        match self {
            Self::Vgg16 => [64, 3, 3, 3],
            Self::AlexNet => [64, 3, 11, 11],
        }
    }

    /// Of the smallest images that reach the last depth, in pixels.
    pub fn least_side(self) -> usize {
        match self {
            Self::Vgg16 => 16,
            Self::AlexNet => 31,
        }
    }

    /// Layers up to each of the five depths.
    fn slices(self) -> [&'static [Step]; 5] {
        use Step::{Conv, Pool};
        match self {
            Self::Vgg16 => [
                &[Conv(0, 3, 1, 1), Conv(2, 3, 1, 1)],
                &[Pool(2), Conv(5, 3, 1, 1), Conv(7, 3, 1, 1)],
                &[Pool(2), Conv(10, 3, 1, 1), Conv(12, 3, 1, 1), Conv(14, 3, 1, 1)],
                &[Pool(2), Conv(17, 3, 1, 1), Conv(19, 3, 1, 1), Conv(21, 3, 1, 1)],
                &[Pool(2), Conv(24, 3, 1, 1), Conv(26, 3, 1, 1), Conv(28, 3, 1, 1)],
            ],
            Self::AlexNet => [
                &[Conv(0, 11, 4, 2)],
                &[Pool(3), Conv(3, 5, 1, 2)],
                &[Pool(3), Conv(6, 3, 1, 1)],
                &[Conv(8, 3, 1, 1)],
                &[Conv(10, 3, 1, 1)],
            ],
        }
    }
}

/// A layer with its weights.
#[derive(Debug)]
enum Layer {
    /// With ReLU behind it.
    Conv(Conv2d),
    /// The largest of windows of that side, two apart.
    Pool(usize),
}

/// A published network up to its last features.
#[derive(Debug)]
pub struct Trunk {
    which: Published,
    widths: [usize; 5],
    /// Layers up to each depth.
    slices: Vec<Vec<Layer>>,
    shift: Tensor,
    scale: Tensor,
}

impl Trunk {
    /// With its own widths, see [`Trunk::with_widths`].
    ///
    /// # Errors
    /// As there.
    pub fn new(which: Published, weights: &Weights) -> Result<Self> {
        Self::with_widths(which, which.widths(), weights)
    }

    /// With other channels at its depths. Tensors `features.N.weight` and `bias`, as torchvision has them, or
    /// `net.sliceK.N.weight` and `bias`, as the `lpips` package.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] for a width of 0.
    pub fn with_widths(which: Published, widths: [usize; 5], weights: &Weights) -> Result<Self> {
        if widths.iter().any(|width| !(1..=4096).contains(width)) {
            let reason = format!("{widths:?} channels");
            return Err(EngineError::bad_input("widths", reason, "1 to 4096"));
        }
        let weights = weights.clone().fast();
        weights.skip("scaling_layer.shift");
        weights.skip("scaling_layer.scale");
        let is_sliced = weights.contains("net.slice1.0.weight");
        let (mut inputs, mut slices) = (3, Vec::with_capacity(5));
        for (at, steps) in which.slices().into_iter().enumerate() {
            let mut layers = Vec::with_capacity(steps.len());
            for step in steps {
                layers.push(match *step {
                    Step::Pool(side) => Layer::Pool(side),
                    Step::Conv(number, kernel, stride, padding) => {
                        let own = if is_sliced {
                            weights.pp("net").pp(format!("slice{}", at + 1))
                        } else {
                            weights.pp("features")
                        };
                        let channels = (inputs, widths[at]);
                        inputs = widths[at];
                        let conv = Conv::new(stride, padding, padding);
                        Layer::Conv(Conv2d::new(&own.pp(number), channels, kernel, conv)?)
                    }
                });
            }
            slices.push(layers);
        }
        let row = |values: [f32; 3]| Tensor::from_slice(&values, (1, 3, 1, 1), weights.device());
        Ok(Self { which, widths, slices, shift: row(SHIFT)?, scale: row(SCALE)? })
    }
}

impl Backbone for Trunk {
    fn channels(&self) -> &[usize] {
        &self.widths
    }

    fn features(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        check_images(images, self.which.least_side())?;
        let mut y = images.broadcast_sub(&self.shift)?.broadcast_div(&self.scale)?;
        let mut features = Vec::with_capacity(self.slices.len());
        for layers in &self.slices {
            let mut links = Vec::new();
            for layer in layers {
                match layer {
                    // Only where a slice begins: there are no links before it.
                    Layer::Pool(side) => y = kernels::max_pool2d(&y, *side, 2)?,
                    Layer::Conv(conv) => links.extend([conv.link(), Link::Leaky { slope: 0.0 }]),
                }
            }
            y = kernels::chain(&y, &links, Shortcut::None)?;
            features.push(y.clone());
        }
        Ok(features)
    }
}
