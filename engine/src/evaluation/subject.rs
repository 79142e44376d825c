//! What is measured, opened: it makes of a picture what comes back of it at each of its rates.

use std::path::Path;
use std::time::Instant;

use candle_core::{Device, Tensor};

use super::identity::{Rate, hash_of_model};
use super::plan::{JPEG_QUALITIES, Measured};
use super::sums::{OneImage, OnePoint};
use super::values::compare;
use crate::images::{Picture, WorkingSize, as_jpeg, to_tensor};
use crate::measure::{BookCounts, bits_per_pixel, fine_detail};
use crate::perceptual::Lpips;
use crate::tokenizers::{self, Tokenizer};
use crate::tokens::Tokens;
use crate::{Result, checkpoints};

/// A tokenizer or a format.
pub(super) struct Subject {
    kind: Kind,
    /// A hash over its files.
    pub(super) weights: Option<String>,
    /// Its rates.
    pub(super) rates: Vec<Rate>,
}

enum Kind {
    Tokenizer(Box<dyn Tokenizer>),
    Jpeg,
}

impl Subject {
    /// Opens what a plan names.
    pub(super) fn open(measured: &Measured, assets: &Path, device: &Device) -> Result<Self> {
        let Measured::Tokenizer { model, by_levels } = measured else {
            let of = |quality: &u8| Rate { quality: Some(*quality), levels: None };
            let rates = JPEG_QUALITIES.iter().map(of).collect();
            return Ok(Self { kind: Kind::Jpeg, weights: None, rates });
        };
        let path = model.path(assets);
        let opened = checkpoints::open_tokenizer(&path, device)?;
        let facts = opened.tokenizer.facts();
        let levels = facts.books.len();
        let each = *by_levels && facts.prefixes && facts.fixed_size().is_none() && levels > 1;
        let fewer = if each { 1..levels } else { 0..0 };
        let fewer = fewer.map(|levels| Rate { levels: Some(levels), quality: None });
        let rates = fewer.chain([Rate::default()]).collect();
        let weights = Some(hash_of_model(&path)?);
        Ok(Self { kind: Kind::Tokenizer(opened.tokenizer), weights, rates })
    }

    /// The size at which it takes pictures.
    pub(super) fn size(&self, side: u32) -> WorkingSize {
        let square = WorkingSize::square(side, 1);
        match &self.kind {
            Kind::Tokenizer(tokenizer) => tokenizer.facts().working_size(square),
            Kind::Jpeg => square,
        }
    }

    /// Books without counts, of every rate.
    pub(super) fn books(&self) -> Vec<BookCounts> {
        let of = |rate: &Rate| match &self.kind {
            Kind::Jpeg => BookCounts::default(),
            // What is left out is not unused.
            Kind::Tokenizer(tokenizer) => {
                let books = tokenizer.facts().books.iter();
                BookCounts::new(books.take(rate.levels.unwrap_or(usize::MAX)).map(|book| book.size))
            }
        };
        self.rates.iter().map(of).collect()
    }

    /// Measures a picture at the size that it takes.
    pub(super) fn measure(
        &self,
        picture: &Picture,
        is_enlarged: bool,
        eye: &Eye<'_>,
    ) -> Result<OneImage> {
        let pixels = u64::from(picture.width()) * u64::from(picture.height());
        let started = Instant::now();
        let tokens = match &self.kind {
            Kind::Tokenizer(tokenizer) => Some(tokenizers::tokenize(&**tokenizer, picture)?),
            Kind::Jpeg => None,
        };
        let encode_seconds = started.elapsed().as_secs_f64();
        let mut points = Vec::with_capacity(self.rates.len());
        let original = eye.see(picture)?;
        for rate in &self.rates {
            let started = Instant::now();
            let (back, bits, tokens) =
                if let (Kind::Tokenizer(tokenizer), Some(tokens)) = (&self.kind, &tokens) {
                    let tokens = match rate.levels {
                        Some(levels) => Tokens::new(tokens.parts()[..levels].to_vec())?,
                        None => tokens.clone(),
                    };
                    let back = tokenizers::detokenize(&**tokenizer, &tokens)?;
                    (back, bits_per_pixel(&tokens, pixels), Some(tokens))
                } else {
                    let back = as_jpeg(picture, rate.quality.unwrap_or(75))?;
                    (back.picture, back.bytes as f64 * 8.0 / pixels as f64, None)
                };
            let decode_seconds = started.elapsed().as_secs_f64();
            let seen = eye.see(&back)?;
            let distances = eye.distances(&original, &seen)?;
            let values = compare(picture, &back, bits, distances)?;
            let features = seen.by_judge.map(|seen| pooled(&seen)).transpose()?;
            points.push(OnePoint { values, tokens, features, decode_seconds });
        }
        Ok(OneImage {
            size: [picture.width(), picture.height()],
            is_enlarged,
            fine_detail: fine_detail(picture),
            features: original.by_judge.map(|seen| pooled(&seen)).transpose()?,
            encode_seconds,
            points,
        })
    }
}

/// Networks that look at pictures: the judge, if it is there, and that of a person's own LPIPS.
pub(super) struct Eye<'a> {
    pub(super) judge: Option<&'a Lpips>,
    pub(super) lpips: Option<&'a Lpips>,
    pub(super) device: &'a Device,
}

/// Features of one picture.
struct Seen {
    by_judge: Option<Vec<Tensor>>,
    by_lpips: Option<Vec<Tensor>>,
}

impl Eye<'_> {
    fn see(&self, picture: &Picture) -> Result<Seen> {
        let see = |by: Option<&Lpips>| {
            let image = || to_tensor(std::slice::from_ref(picture), self.device);
            by.map(|by| by.see(&image()?)).transpose()
        };
        Ok(Seen { by_judge: see(self.judge)?, by_lpips: see(self.lpips)? })
    }

    /// The LPIPS-like distance, and LPIPS.
    fn distances(&self, a: &Seen, b: &Seen) -> Result<(Option<f64>, Option<f64>)> {
        let by_judge = distance(self.judge, a.by_judge.as_ref(), b.by_judge.as_ref())?;
        Ok((by_judge, distance(self.lpips, a.by_lpips.as_ref(), b.by_lpips.as_ref())?))
    }
}

fn distance(
    by: Option<&Lpips>,
    a: Option<&Vec<Tensor>>,
    b: Option<&Vec<Tensor>>,
) -> Result<Option<f64>> {
    let (Some(by), Some(a), Some(b)) = (by, a, b) else { return Ok(None) };
    let distance = by.distance_of(a, b)?.to_vec1::<f32>()?;
    Ok(distance.first().map(|distance| f64::from(*distance)))
}

/// What the judge knows of an image: the mean over places of its last depth, (D).
fn pooled(seen: &[Tensor]) -> Result<Vec<f32>> {
    let Some(last) = seen.last() else { return Ok(Vec::new()) };
    Ok(last.flatten_from(2)?.mean(candle_core::D::Minus1)?.flatten_all()?.to_vec1::<f32>()?)
}
