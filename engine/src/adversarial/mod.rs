//! What makes reconstructions sharp: a discriminator that looks at patches, its losses, and how much weight
//! the generator's has.
//!
//! A trainer shows the discriminator real images and reconstructions, adds [`AdversarialLoss::generator`]
//! times [`adaptive_weight`] to the tokenizer's losses, and moves the discriminator by
//! [`AdversarialLoss::discriminator`].

mod batch_norm;
mod config;
mod discriminator;
mod lecam;
mod losses;
#[cfg(test)]
mod tests;

pub use batch_norm::{BatchNorm, ChannelStatistics};
pub use config::{DiscriminatorConfig, DiscriminatorNorm};
pub use discriminator::{Judgement, PatchDiscriminator};
pub use lecam::Lecam;
pub use losses::{AdversarialLoss, adaptive_weight};
