//! What a discriminator is before it has weights.

use super::losses::AdversarialLoss;
use crate::{EngineError, Result};

/// How a discriminator normalizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum DiscriminatorNorm {
    /// Each channel over the whole batch, as published; running statistics are for use after training.
    /// What it gives depends on which images are judged at once.
    #[default]
    Batch,
    /// So many groups of channels of each image: micro-batches give what the whole batch does.
    Group(usize),
}

/// Settings of [`super::PatchDiscriminator`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiscriminatorConfig {
    /// Channels of images.
    pub in_channels: usize,
    /// Channels of the first layer; later ones have up to eight times as many.
    pub ndf: usize,
    /// Normalized layers, n; all but the last halve the size, as the first layer does.
    pub layers: usize,
    /// How it normalizes.
    pub norm: DiscriminatorNorm,
    /// What it learns by.
    pub loss: AdversarialLoss,
}

impl Default for DiscriminatorConfig {
    fn default() -> Self {
        Self {
            in_channels: 3,
            ndf: 64,
            layers: 3,
            norm: DiscriminatorNorm::default(),
            loss: AdversarialLoss::default(),
        }
    }
}

impl DiscriminatorConfig {
    /// Checks every size before anything is allocated.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self) -> Result<()> {
        let bad = |field: &str, reason: String, hint: &str| {
            Err(EngineError::bad_input(format!("discriminator.{field}"), reason, hint))
        };
        if !(1..=16).contains(&self.in_channels) {
            let reason = format!("{} channels are no image", self.in_channels);
            return bad("in_channels", reason, "images have 3");
        }
        if !(1..=512).contains(&self.ndf) {
            return bad("ndf", format!("{} is not in 1..=512", self.ndf), "usual: 64");
        }
        if !(1..=6).contains(&self.layers) {
            return bad("layers", format!("{} is not in 1..=6", self.layers), "usual: 3");
        }
        if let DiscriminatorNorm::Group(groups) = self.norm
            && (groups == 0
                || (1..=self.layers).any(|at| !self.channels(at).is_multiple_of(groups)))
        {
            let reason = format!("{groups} groups do not divide the channels of every layer");
            return bad("norm", reason, "choose a number that divides twice ndf, such as 8");
        }
        Ok(())
    }

    /// Channels behind layer `at`, where 0 is the first and `layers` the last that is normalized.
    pub fn channels(&self, at: usize) -> usize {
        self.ndf * (1 << at.min(3))
    }

    /// The stride of layer `at`; the layer behind the normalized ones gives the logits.
    pub(super) fn stride(&self, at: usize) -> usize {
        if at < self.layers { 2 } else { 1 }
    }

    /// Rows or columns of logits of images with so many; 0 if they are too small.
    pub fn logits_side(&self, pixels: usize) -> usize {
        (0..=self.layers + 1)
            .fold(pixels, |side, at| if side < 2 { 0 } else { (side - 2) / self.stride(at) + 1 })
    }

    /// The smallest side of images that gives a logit.
    pub fn least_side(&self) -> usize {
        (1..=1 << 12).find(|&side| self.logits_side(side) > 0).unwrap_or(1 << 12)
    }
}
