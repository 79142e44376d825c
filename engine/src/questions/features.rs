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
        let (mut read, mut largest) = (0, (0.0, [0, 0]));
        let cloud = Cloud::of((rows, width), |block| {
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
            for (at, number) in numbers.iter().enumerate() {
                if number.abs() > largest.0 {
                    largest = (number.abs(), [block.start + at / width, at % width]);
                }
            }
            Ok(numbers)
        })?;
        if !cloud.is_finite() {
            let (size, [row, column]) = largest;
            let reason = format!(
                "the number at [{row}, {column}] is as large as {size:e}: too large for a covariance"
            );
            let hint = "features are seldom beyond thousands; such numbers often stand for what is missing";
            return Err(EngineError::bad_file(&*self.path, reason, hint));
        }
        Ok(cloud)
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
        let (_, [rows, width]) = self.images.open()?;
        let (_, [_, other]) = self.reconstructions.open()?;
        if width != other {
            let path = self.images.path.display();
            let reason = format!("{other} features a row, and {path} has {width}");
            let hint = "both are to be features of one network";
            return Err(EngineError::bad_file(&*self.reconstructions.path, reason, hint));
        }
        check_memory(&self.images.path, (rows, width), crate::memory::available())?;
        let a = self.images.cloud(desk, (0.0, 0.3))?;
        let b = self.reconstructions.cloud(desk, (0.3, 0.6))?;
        let distance = a.distance(&b, &mut |share| desk.progress(0.6 + 0.4 * share))?;
        if !distance.is_finite() {
            let path = self.images.path.display();
            let reason =
                format!("its features are so far from those of {path} that no number says it");
            let hint = "are both of one network, and neither holds numbers that stand for what is missing?";
            return Err(EngineError::bad_file(&*self.reconstructions.path, reason, hint));
        }
        let is_too_few = a.is_too_few() || b.is_too_few();
        Ok(Frechet { distance, rows: [a.rows, b.rows], width, is_too_few })
    }

    fn bytes(_: &Frechet) -> usize {
        size_of::<Frechet>()
    }
}

/// That a distance of so many features fits into the memory that is free, where that is known.
fn check_memory(path: &Path, (rows, width): (usize, usize), free: Option<u64>) -> Result<()> {
    let needed = Cloud::bytes_of_distance(rows, width);
    let Some(free) = free.filter(|free| *free < needed) else { return Ok(()) };
    let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
    let (needed, free) = (megabytes(needed), megabytes(free));
    let reason = format!("covariances of {width} features take {needed} MB, {free} MB are free");
    Err(EngineError::bad_file(path, reason, "close other programs, or take fewer features"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covariances_beyond_the_memory_that_is_free_are_refused_with_both_sizes() {
        let check = |free| check_memory(Path::new("a.npy"), (9000, 8192), free);
        assert!(check(None).is_ok() && check(Some(4 << 30)).is_ok());
        let said = check(Some(1 << 30)).unwrap_err().problem();
        for word in ["a.npy", "8192 features", "3072 MB", "1024 MB are free"] {
            assert!(said.summary.contains(word), "{word}: {}", said.summary);
        }
    }
}
