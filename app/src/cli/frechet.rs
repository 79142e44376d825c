//! `smalti frechet`: the Frechet distance of features that somebody made elsewhere.

use std::path::PathBuf;

use serde::Serialize;
use smalti_engine::questions::{FeatureFile, Frechet, FrechetOfFeatures};

use super::arguments;
use super::console::Console;
use super::engine::Engine;
use super::stop::Stop;

#[derive(Debug, Serialize)]
struct Line<'a> {
    images: &'a PathBuf,
    reconstructions: &'a PathBuf,
    /// Rows of each file, and features of a row.
    rows: [usize; 2],
    features: usize,
    frechet_distance: f64,
    /// Whether a file has no more rows than features, which biases the distance upwards.
    has_too_few_rows: bool,
}

pub(super) fn run(options: &arguments::Frechet, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let engine = Engine::open(console)?;
    let (images, reconstructions) = (&options.images, &options.reconstructions);
    let question = FrechetOfFeatures {
        images: FeatureFile::of(images),
        reconstructions: FeatureFile::of(reconstructions),
    };
    let found = engine.long_answer(&question, "features", console)?;
    let Frechet { distance, rows, width, is_too_few } = *found;
    console.clear();
    if is_too_few {
        let rows = rows[0].min(rows[1]);
        console.remark(&format!(
            "{rows} rows of {width} features: fewer than {} give no covariance of full rank, and a distance that is \
             too large; compare it only with distances of as many rows",
            width + 1
        ));
    }
    let line = Line {
        images,
        reconstructions,
        rows,
        features: width,
        frechet_distance: distance,
        has_too_few_rows: is_too_few,
    };
    let text = format!(
        "Frechet distance of the features given: {distance:.6} ({} and {} rows of {width} features)",
        rows[0], rows[1]
    );
    console.result(&line, &text)
}
