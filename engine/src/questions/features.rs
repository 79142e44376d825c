//! The Frechet distance of features that a person made elsewhere, of images and of their reconstructions.

use std::path::Path;
use std::sync::Arc;

use super::image::Stamp;
use crate::arrays::{self, Array, Kind, names_in_words, shape_in_words};
use crate::measure::Cloud;
use crate::session::{Desk, Question};
use crate::{EngineError, Result};

/// Covariances of more take gigabytes, and their distance hours.
const MOST_FEATURES: usize = 8192;

/// A file of features: one array (N, D) of floating point numbers, a row an image.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FeatureFile {
    /// Where it is.
    pub path: Arc<Path>,
    /// Which version of it.
    pub stamp: Stamp,
}

impl FeatureFile {
    /// The file as it is now.
    pub fn of(path: &Path) -> Self {
        Self { path: path.into(), stamp: Stamp::of(path) }
    }

    /// Its array, and that array's shape.
    fn open(&self) -> Result<(Array, [usize; 2])> {
        self.stamp.check(&self.path)?;
        let bad = |reason: String, hint: &str| EngineError::bad_file(&*self.path, reason, hint);
        let arrays = arrays::open(&self.path)?.members;
        let [array] = arrays.as_slice() else {
            let names = names_in_words(&arrays);
            let hint = "save the features alone: numpy.save(\"features.npy\", x)";
            return Err(bad(format!("it holds {} arrays: {names}", arrays.len()), hint));
        };
        if array.kind() != Kind::Floats {
            let hint = "features are floating point numbers: x.astype(numpy.float32)";
            return Err(bad(format!("it holds {}", array.element().name()), hint));
        }
        let &[rows, width] = array.shape() else {
            let shape = shape_in_words(array.shape());
            let hint = "features are (N, D), a row an image: x.reshape(len(x), -1)";
            return Err(bad(format!("its shape is {shape}, not (N, D)"), hint));
        };
        if rows < 2 || width == 0 {
            let shape = shape_in_words(array.shape());
            let hint = "a covariance takes the features of at least 2 images, better of thousands";
            return Err(bad(format!("its shape is {shape}: too little for a covariance"), hint));
        }
        if width > MOST_FEATURES {
            let hint = "the mean over places of a layer's output has fewer";
            return Err(bad(format!("{width} features a row; at most {MOST_FEATURES}"), hint));
        }
        Ok((array.clone(), [rows, width]))
    }

    /// Mean and covariance of what it holds.
    fn cloud(&self, desk: &Desk<'_>, (from, to): (f32, f32)) -> Result<Cloud> {
        let (array, [rows, width]) = self.open()?;
        let mut read = 0;
        Cloud::of((rows, width), |block| {
            read += block.len();
            // Each row is read twice.
            desk.progress(from + (to - from) * read as f32 / (2 * rows) as f32)?;
            let numbers = array.floats(block.start * width..block.end * width)?;
            if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
                let (row, column) = (block.start + at / width, at % width);
                let reason = format!("the number at [{row}, {column}] is {}", numbers[at]);
                let hint = "rows and columns are counted from 0; look at the image of that row";
                return Err(EngineError::bad_file(&*self.path, reason, hint));
            }
            Ok(numbers)
        })
    }
}

/// The Frechet distance of two files of features. Only of features of the published Inception network, of the same
/// images and as many of them as others took, is it what papers call FID.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FrechetOfFeatures {
    /// Features of the images.
    pub images: FeatureFile,
    /// Features of what came back of them.
    pub reconstructions: FeatureFile,
}

/// See [`FrechetOfFeatures`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frechet {
    /// The distance.
    pub distance: f64,
    /// Rows of each file.
    pub rows: [usize; 2],
    /// Features of a row.
    pub width: usize,
    /// Whether either has too few rows for a covariance of full rank.
    pub is_too_few: bool,
}

impl Question for FrechetOfFeatures {
    type Answer = Frechet;

    fn answer(&self, desk: &Desk<'_>) -> Result<Frechet> {
        let (_, [_, width]) = self.images.open()?;
        let (_, [_, other]) = self.reconstructions.open()?;
        if width != other {
            let path = self.images.path.display();
            let reason = format!("{other} features a row, and {path} has {width}");
            let hint = "both are to be features of one network";
            return Err(EngineError::bad_file(&*self.reconstructions.path, reason, hint));
        }
        let a = self.images.cloud(desk, (0.0, 0.45))?;
        let b = self.reconstructions.cloud(desk, (0.45, 0.9))?;
        let (distance, is_too_few) = (a.distance(&b), a.is_too_few() || b.is_too_few());
        desk.check()?;
        Ok(Frechet { distance, rows: [a.rows, b.rows], width, is_too_few })
    }

    fn bytes(_: &Frechet) -> usize {
        size_of::<Frechet>()
    }
}
