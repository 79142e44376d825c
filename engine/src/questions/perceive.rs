//! How far apart two pictures look to a network that no tokenizer was trained with.

use std::path::Path;

use candle_core::Device;

use super::PastedPicture;
use crate::images::to_tensor;
use crate::layers::Weights;
use crate::perceptual::{Classifier, Lpips};
use crate::session::{Desk, Question};
use crate::{EngineError, Result};

/// The shipped network that only measures.
pub const JUDGE: &str = "worlds-judge";

/// The judge of a folder of assets; `None` where it is not there.
///
/// # Errors
/// If its file cannot be read.
pub(crate) fn open_judge(assets: &Path, device: &Device) -> Result<Option<Lpips>> {
    let path = assets.join("models").join(format!("{JUDGE}.safetensors"));
    if !path.is_file() {
        return Ok(None);
    }
    let classifier = Classifier::open(&path, device)?;
    let none = Weights::loaded(std::collections::BTreeMap::new(), false, device);
    Ok(Some(Lpips::judging(classifier, &none)?))
}

/// The judge itself; stays inside the engine. `None` where it is not there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Judge;

impl Question for Judge {
    type Answer = Option<Lpips>;

    fn answer(&self, desk: &Desk<'_>) -> Result<Option<Lpips>> {
        open_judge(desk.assets(), desk.device())
    }

    fn bytes(_: &Option<Lpips>) -> usize {
        4 << 20
    }
}

/// The LPIPS-like distance of two pictures of one size: as LPIPS, but by a small network of our own, so that
/// its numbers are not those of published LPIPS. `None` without that network.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LpipsLike {
    /// One.
    pub original: PastedPicture,
    /// The other.
    pub other: PastedPicture,
}

impl Question for LpipsLike {
    type Answer = Option<f64>;

    fn answer(&self, desk: &Desk<'_>) -> Result<Option<f64>> {
        let judge = desk.ask(&Judge)?;
        let Some(judge) = judge.as_ref() else { return Ok(None) };
        let images = |picture: &PastedPicture| {
            to_tensor(std::slice::from_ref(&picture.picture), desk.device())
        };
        let distance = judge.distance(&images(&self.original)?, &images(&self.other)?)?;
        let distance = distance.to_vec1::<f32>()?;
        match distance.as_slice() {
            [distance] => Ok(Some(f64::from(*distance))),
            _ => Err(EngineError::bad_input("comparison", "nothing was compared", "")),
        }
    }

    fn bytes(_: &Option<f64>) -> usize {
        16
    }
}
