//! What was lost, and where.

use std::sync::Arc;

use super::encode::{Decode, Encode};
use super::model::{ModelRef, load};
use crate::Result;
use crate::images::Picture;
use crate::measure;
use crate::session::{Desk, Question};
use crate::tokens::{Places, Tokens};

/// Original against reconstruction. `tokens` may have been edited; the original is the picture that
/// was encoded ([`super::Encoded::picture`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Comparison {
    /// The original at the working size.
    pub original: super::PastedPicture,
    /// The tokens.
    pub tokens: Tokens,
    /// The tokenizer that decodes them.
    pub model: ModelRef,
}

/// The comparison of an image with what its own tokens decode to. One question from the image to the
/// end, so that nobody has to come back for each step; the answers of the steps are kept as well.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reconstruct(pub Encode);

impl Question for Reconstruct {
    type Answer = Compared;

    fn answer(&self, desk: &Desk<'_>) -> Result<Compared> {
        let encoded = desk.ask(&self.0)?;
        let comparison = Comparison {
            original: super::PastedPicture::new(encoded.picture.clone()),
            tokens: encoded.tokens.clone(),
            model: self.0.model.clone(),
        };
        Ok(Compared::clone(&*desk.ask(&comparison)?))
    }

    fn bytes(_: &Compared) -> usize {
        // Shared with the comparison's answer.
        0
    }
}

/// See [`Comparison`].
#[derive(Debug, Clone)]
pub struct Compared {
    /// The reconstruction.
    pub reconstruction: Picture,
    /// Signed error of every pixel, mean of the channels, reconstruction minus original, in
    /// [-1, 1] of the full range; row by row.
    pub signed: Arc<[f32]>,
    /// Absolute error of every pixel, mean over the channels, in [0, 1] of the full range.
    pub absolute: Arc<[f32]>,
    /// 1 - SSIM of every pixel (11x11 Gaussian window), in [0, 1]: where structure is lost.
    pub structure: Arc<[f32]>,
    /// Mean absolute error of every cell of each part, row by row, in [0, 1]; empty where tokens
    /// belong to no place.
    pub per_cell: Arc<[Arc<[f32]>]>,
    /// Peak signal-to-noise ratio in dB.
    pub psnr: f64,
    /// Structural similarity, 1 is the same.
    pub ssim: f64,
    /// log2(K) bits a token, per pixel.
    pub bits_per_pixel: f64,
    /// Seconds that decoding took.
    pub decode_seconds: f32,
}

impl Question for Comparison {
    type Answer = Compared;

    fn answer(&self, desk: &Desk<'_>) -> Result<Compared> {
        let decode = Decode { tokens: self.tokens.clone(), model: self.model.clone() };
        let decoded = desk.ask(&decode)?;
        let spatial = load(desk, &self.model)?.tokenizer.facts().spatial;
        let (a, b) = (&self.original.picture, &decoded.picture);
        let Differences { signed, absolute, structure, psnr, ssim } = differences(desk, a, b)?;
        let pixels = u64::from(a.width()) * u64::from(a.height());
        let picture = (a.height() as usize, a.width() as usize);
        let parts = self.tokens.parts().iter().filter(|_| spatial);
        let per_cell = parts
            .map(|part| Places { shape: part.shape(), picture }.means(&absolute).into())
            .collect();
        Ok(Compared {
            reconstruction: decoded.picture.clone(),
            signed,
            absolute,
            structure,
            per_cell,
            psnr,
            ssim,
            bits_per_pixel: measure::bits_per_pixel(&self.tokens, pixels),
            decode_seconds: decoded.seconds,
        })
    }

    fn bytes(answer: &Compared) -> usize {
        answer.reconstruction.rgb().len() * 5
    }
}

/// What is between two pictures of one size, such as two reconstructions of one image.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Between {
    /// The one that is compared with.
    pub left: super::PastedPicture,
    /// The other.
    pub right: super::PastedPicture,
}

/// See [`Between`]; the maps are as those of [`Compared`].
#[derive(Debug, Clone)]
pub struct Differences {
    /// Right minus left, mean of the channels, in [-1, 1] of the full range; row by row.
    pub signed: Arc<[f32]>,
    /// Mean over the channels, in [0, 1] of the full range.
    pub absolute: Arc<[f32]>,
    /// 1 - SSIM of every pixel (11x11 Gaussian window), in [0, 1].
    pub structure: Arc<[f32]>,
    /// Peak signal-to-noise ratio in dB.
    pub psnr: f64,
    /// Structural similarity, 1 is the same.
    pub ssim: f64,
}

impl Question for Between {
    type Answer = Differences;

    fn answer(&self, desk: &Desk<'_>) -> Result<Differences> {
        differences(desk, &self.left.picture, &self.right.picture)
    }

    fn bytes(answer: &Differences) -> usize {
        answer.signed.len() * 12
    }
}

fn differences(desk: &Desk<'_>, a: &Picture, b: &Picture) -> Result<Differences> {
    let psnr = measure::psnr(a, b)?;
    let similarity = measure::ssim_map(a, b)?;
    desk.check()?;
    let pixels = a.rgb().chunks_exact(3).zip(b.rgb().chunks_exact(3));
    let (mut signed, mut absolute) = (Vec::new(), Vec::new());
    for (x, y) in pixels {
        let (mut sum, mut sum_absolute) = (0_i32, 0_i32);
        for (p, q) in x.iter().zip(y) {
            let d = i32::from(*q) - i32::from(*p);
            sum += d;
            sum_absolute += d.abs();
        }
        signed.push(sum as f32 / 765.0);
        absolute.push(sum_absolute as f32 / 765.0);
    }
    Ok(Differences {
        signed: signed.into(),
        absolute: absolute.into(),
        structure: similarity.map.iter().map(|s| (1.0 - s).clamp(0.0, 1.0)).collect(),
        psnr,
        ssim: similarity.mean,
    })
}
