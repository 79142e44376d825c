//! LeCAM: keeps the discriminator's logits near what they were for the other kind of images.
//!
//! Source: Tseng et al., arXiv 2104.03310, eq. 4, as Open-MAGVIT2 has it.

use candle_core::Tensor;

use crate::{Result, kernels};

/// Moving averages of the logits. Two numbers, to be saved with a run.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lecam {
    /// What averages keep at each step.
    pub decay: f64,
    /// The average for real images.
    pub real: f64,
    /// The average for reconstructions.
    pub fake: f64,
}

impl Default for Lecam {
    fn default() -> Self {
        Self { decay: 0.999, real: 0.0, fake: 0.0 }
    }
}

impl Lecam {
    /// Moves the averages towards the mean logits of a batch; before [`Lecam::loss`], as published.
    pub fn observe(&mut self, real: &Tensor, fake: &Tensor) -> Result<()> {
        for (average, logits) in [(&mut self.real, real), (&mut self.fake, fake)] {
            let mean = f64::from(logits.detach().mean_all()?.to_scalar::<f32>()?);
            *average = self.decay * *average + (1.0 - self.decay) * mean;
        }
        Ok(())
    }

    /// mean max(0, real - average of fake)^2 + mean max(0, average of real - fake)^2, a scalar, of logits
    /// (B, 1, h, w).
    pub fn loss(&self, real: &Tensor, fake: &Tensor) -> Result<Tensor> {
        let square =
            |x: Tensor| -> Result<Tensor> { Ok(kernels::leaky_relu(&x, 0.0)?.sqr()?.mean_all()?) };
        Ok((square((real - self.fake)?)? + square((fake.neg()? + self.real)?)?)?)
    }
}
