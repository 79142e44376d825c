//! Losses of discriminator and generator, and the weight that balances them with reconstruction.
//!
//! Sources: hinge: Lim & Ye, arXiv 1705.02894; vanilla: Goodfellow et al., arXiv 1406.2661, with logits;
//! which means are taken, and the adaptive weight: Esser et al., arXiv 2012.09841, eq. 7, and the published
//! code of taming-transformers and Open-MAGVIT2.

use candle_core::Tensor;

use crate::{Result, kernels};

/// By which losses discriminator and generator play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum AdversarialLoss {
    /// Half of mean max(0, 1 - real) + mean max(0, 1 + fake); the generator's is -mean(fake).
    #[default]
    Hinge,
    /// Half of mean softplus(-real) + mean softplus(fake); the generator's is -mean(fake), as
    /// taming-transformers has it.
    Vanilla,
    /// Logits are averaged over each image first; mean softplus(-real) + mean softplus(fake), not halved; the
    /// generator's is mean softplus(-fake). As Open-MAGVIT2.
    NonSaturating,
}

impl AdversarialLoss {
    /// The discriminator's loss, a scalar, of its logits (B, 1, h, w) for real images and reconstructions.
    pub fn discriminator(self, real: &Tensor, fake: &Tensor) -> Result<Tensor> {
        let (real, fake) = (real.neg()?, fake.clone());
        Ok(match self {
            Self::Hinge => ((hinge(&real)? + hinge(&fake)?)? * 0.5)?,
            Self::Vanilla => {
                ((softplus(&real)?.mean_all()? + softplus(&fake)?.mean_all()?)? * 0.5)?
            }
            Self::NonSaturating => {
                let (real, fake) = (of_images(&real)?, of_images(&fake)?);
                (softplus(&real)?.mean_all()? + softplus(&fake)?.mean_all()?)?
            }
        })
    }

    /// The generator's loss, a scalar, of the discriminator's logits (B, 1, h, w) for reconstructions.
    pub fn generator(self, fake: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Hinge | Self::Vanilla => fake.mean_all()?.neg()?,
            Self::NonSaturating => softplus(&of_images(&fake.neg()?)?)?.mean_all()?,
        })
    }
}

/// mean max(0, 1 + x)
fn hinge(x: &Tensor) -> Result<Tensor> {
    Ok(kernels::leaky_relu(&(x + 1.0)?, 0.0)?.mean_all()?)
}

/// ln(1 + e^x), without overflow.
fn softplus(x: &Tensor) -> Result<Tensor> {
    let size = x.abs()?;
    Ok((((x + &size)? * 0.5)? + (size.neg()?.exp()? + 1.0)?.log()?)?)
}

/// The mean logit of each image.
fn of_images(logits: &Tensor) -> Result<Tensor> {
    Ok(logits.flatten_from(1)?.mean(1)?)
}

/// How much the generator's loss counts, so that it moves the decoder's last layer as much as
/// reconstruction does: the ratio of the norms of their gradients at that layer's weight, at most 10,000. A
/// trainer multiplies it with the weight of its recipe.
pub fn adaptive_weight(reconstruction: f64, generator: f64) -> f64 {
    (reconstruction / (generator + 1e-4)).clamp(0.0, 1e4)
}
