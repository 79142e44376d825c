//! How images are changed before a network learns to name them, so that it does not mind such changes.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::quantizers::Place;
use crate::random::{Noise, Purpose};
use crate::{EngineError, Result};

/// The strongest changes; each image is changed by a strength of its own, drawn evenly from none to that.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Standard deviation of noise that is added to each number of a pixel; pixels are in [-1, 1].
    pub noise: f64,
    /// How much brighter or darker, in pixels' units.
    pub brightness: f64,
    /// By which share contrast is raised or lowered.
    pub contrast: f64,
}

/// Lanes of the strengths come before those of the pixels.
const STRENGTHS: u32 = 4;

impl Augment {
    /// Checks every value.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field.
    pub fn validate(&self) -> Result<()> {
        for (field, value, most) in [
            ("noise", self.noise, 2.0),
            ("brightness", self.brightness, 2.0),
            ("contrast", self.contrast, 1.0),
        ] {
            if !(0.0..=most).contains(&value) {
                let reason = format!("{value} is not in 0 to {most}");
                return Err(EngineError::bad_input(format!("augment.{field}"), reason, ""));
            }
        }
        Ok(())
    }

    /// Changes images (B, 3, H, W); what is drawn depends on the place alone.
    pub(super) fn apply(&self, images: &Tensor, place: Place) -> Result<Tensor> {
        if *self == Self::default() {
            return Ok(images.clone());
        }
        let (b, c, h, w) = images.dims4()?;
        let mut values = images.flatten_all()?.to_vec1::<f32>()?;
        for (at, image) in values.chunks_exact_mut(c * h * w).enumerate() {
            let cell = u64::from(place.first_picture) + at as u64;
            let noise = Noise::new(place.seed, Purpose::Augment, place.step, cell);
            let strength = self.noise as f32 * noise.uniform(0);
            let lift = self.brightness as f32 * noise.range(1, -1.0, 1.0);
            let gain = 1.0 + self.contrast as f32 * noise.range(2, -1.0, 1.0);
            let mean = image.iter().sum::<f32>() / image.len() as f32;
            for (lane, value) in (STRENGTHS..).zip(image) {
                let shaken = if strength > 0.0 { strength * noise.normal(lane) } else { 0.0 };
                *value = mean + (*value - mean) * gain + lift + shaken;
            }
        }
        Ok(Tensor::from_vec(values, (b, c, h, w), images.device())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::of_tests;

    #[test]
    fn an_image_is_changed_alike_wherever_it_stands_in_a_micro_batch() {
        let augment = Augment { noise: 0.3, brightness: 0.2, contrast: 0.4 };
        let noise = Noise::new(1, Purpose::Test, 0, 0);
        let values: Vec<f32> = (0..3 * 48).map(|lane| noise.range(lane, -1.0, 1.0)).collect();
        let images = Tensor::from_vec(values, (3, 3, 4, 4), &of_tests().unwrap()).unwrap();
        let list = |t: Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let place = |first_picture| Place { seed: 3, step: 7, first_picture };
        let whole = list(augment.apply(&images, place(0)).unwrap());
        let last = images.narrow(0, 2, 1).unwrap();
        assert_eq!(list(augment.apply(&last, place(2)).unwrap()), whole[2 * 48..]);
        assert_ne!(list(augment.apply(&last, place(1)).unwrap()), whole[2 * 48..]);
        assert_ne!(whole, list(images.clone()));
        assert_eq!(list(Augment::default().apply(&images, place(0)).unwrap()), list(images));
    }
}
