//! What LPIPS needs of a network.

use candle_core::Tensor;

use crate::{EngineError, Result};

/// A network that has features of an image at several depths.
pub trait Backbone: std::fmt::Debug + Send + Sync {
    /// Channels of the features at each depth.
    fn channels(&self) -> &[usize];

    /// The features of images (B, 3, H, W) in [-1, 1] at each depth: (B, C, h, w), each smaller than the one
    /// before or equal. Differentiable.
    ///
    /// # Errors
    /// [`EngineError::Shape`] if images have other channels or are too small.
    fn features(&self, images: &Tensor) -> Result<Vec<Tensor>>;
}

/// An error unless images are (B, 3, H, W) with sides of `least` or more.
pub(super) fn check_images(images: &Tensor, least: usize) -> Result<()> {
    if let [b, 3, h, w] = *images.dims()
        && b > 0
        && h >= least
        && w >= least
    {
        return Ok(());
    }
    Err(EngineError::Shape {
        what: "images".to_owned(),
        expected: format!("(B, 3, H, W) with sides of {least} or more"),
        found: images.dims().to_vec(),
    })
}
