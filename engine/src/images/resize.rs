//! A picture at the size a tokenizer works at.
//!
//! Resampling happens in gamma space, as everywhere in the field (Pillow, torchvision), so that
//! numbers are comparable.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

use super::Picture;
use crate::{EngineError, Result};

/// How a picture is brought to the working size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Fit {
    /// The short side becomes `side`, and the middle square is kept.
    CropCenter,
    /// The long side becomes `side`; the other keeps its proportion to the nearest multiple.
    KeepAspect,
    /// No resampling: the picture is cropped to multiples around its middle (and a side below one
    /// multiple is filled up by repeating its edge). `side` is not used.
    KeepOriginal,
}

/// The size at which a picture is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WorkingSize {
    /// Pixels of the side that `mode` speaks of.
    pub side: u32,
    /// How the picture is brought to that size.
    pub mode: Fit,
    /// Both sides become multiples of this: the tokenizer's factor.
    pub multiple_of: u32,
}

/// Sides above this are refused; a picture of 64 megapixels is smaller.
const MAX_SIDE: u32 = 65_536;

impl WorkingSize {
    /// The sides of squares that are offered.
    pub const SIDES: [u32; 4] = [64, 128, 256, 512];

    /// A square of `side` pixels from the middle.
    pub fn square(side: u32, multiple_of: u32) -> Self {
        Self { side, mode: Fit::CropCenter, multiple_of }
    }

    /// Width and height that a picture of the given size comes to.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] for a side or multiple that makes no sense.
    pub fn target(&self, width: u32, height: u32) -> Result<(u32, u32)> {
        let multiple = self.multiple_of;
        if !(1..=4096).contains(&multiple) {
            return Err(EngineError::bad_input(
                "working size",
                format!("sides cannot be multiples of {multiple}"),
                "",
            ));
        }
        let floor = |side: u32| (side / multiple * multiple).max(multiple);
        if self.mode == Fit::KeepOriginal {
            return Ok((floor(width), floor(height)));
        }
        if !(1..=MAX_SIDE).contains(&self.side) {
            return Err(EngineError::bad_input(
                "working size",
                format!("a side of {} pixels is out of range", self.side),
                format!("Use 1 to {MAX_SIDE} pixels"),
            ));
        }
        let side = floor(self.side);
        if self.mode == Fit::CropCenter {
            return Ok((side, side));
        }
        let long = width.max(height).max(1);
        let short = f64::from(width.min(height)) * f64::from(side) / f64::from(long);
        let rounded = (short / f64::from(multiple)).round().max(1.0) as u32 * multiple;
        Ok(if width >= height { (side, rounded) } else { (rounded, side) })
    }
}

/// The picture at the working size: resampled without distortion so that it covers the target,
/// what sticks out cropped evenly.
///
/// # Errors
/// [`EngineError::BadInput`] for a size that makes no sense.
pub fn fit(picture: &Picture, size: WorkingSize) -> Result<Picture> {
    let (width, height) = size.target(picture.width(), picture.height())?;
    if size.mode == Fit::KeepOriginal {
        return crop_or_extend(picture, width, height);
    }
    cover(picture, width, height)
}

/// The picture with its short side at `side` pixels, proportions kept.
///
/// # Errors
/// [`EngineError::BadInput`] if `side` is zero or the long side gets out of range.
pub fn resize_short_side(picture: &Picture, side: u32) -> Result<Picture> {
    let (width, height) = (picture.width(), picture.height());
    let scale = f64::from(side) / f64::from(width.min(height));
    let long = (f64::from(width.max(height)) * scale).round().max(f64::from(side));
    if side == 0 || long > f64::from(MAX_SIDE) {
        return Err(EngineError::bad_input(
            "size",
            format!("{width}x{height} cannot be brought to a short side of {side} pixels"),
            "",
        ));
    }
    let (width, height) = if width <= height { (side, long as u32) } else { (long as u32, side) };
    resize(picture, width, height)
}

/// The whole picture at exactly `width` x `height`, stretched if need be.
///
/// # Errors
/// [`EngineError::BadInput`] if a side is zero or out of range.
pub fn resize(picture: &Picture, width: u32, height: u32) -> Result<Picture> {
    if (width, height) == (picture.width(), picture.height()) {
        return Ok(picture.clone());
    }
    let source = [0.0, 0.0, f64::from(picture.width()), f64::from(picture.height())];
    resample(picture, source, width, height)
}

fn cover(picture: &Picture, width: u32, height: u32) -> Result<Picture> {
    let (from_w, from_h) = (f64::from(picture.width()), f64::from(picture.height()));
    let scale = (f64::from(width) / from_w).max(f64::from(height) / from_h);
    let used_w = (f64::from(width) / scale).min(from_w);
    let used_h = (f64::from(height) / scale).min(from_h);
    if (width, height) == (picture.width(), picture.height()) {
        return Ok(picture.clone());
    }
    let source = [(from_w - used_w) / 2.0, (from_h - used_h) / 2.0, used_w, used_h];
    resample(picture, source, width, height)
}

/// The rectangle [left, top, width, height] of the picture at `width` x `height`.
pub(crate) fn resample(
    picture: &Picture,
    source: [f64; 4],
    width: u32,
    height: u32,
) -> Result<Picture> {
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
        return Err(EngineError::bad_input(
            "size",
            format!("{width}x{height} is out of range"),
            "",
        ));
    }
    let fail = |error: &dyn std::fmt::Display| EngineError::bad_input("resize", error, "");
    // One pixel type by name: `Resizer::resize` would compile its kernels for all of them into this
    // crate, which took minutes.
    let from = TypedImageRef::<U8x3>::from_buffer(picture.width(), picture.height(), picture.rgb())
        .map_err(|error| fail(&error))?;
    let mut rgb = vec![0_u8; width as usize * height as usize * 3];
    let mut to =
        TypedImage::<U8x3>::from_buffer(width, height, &mut rgb).map_err(|error| fail(&error))?;
    let [left, top, used_w, used_h] = source;
    // Lanczos rings at edges when it enlarges; Catmull-Rom hardly does.
    let shrinks = f64::from(width) <= used_w && f64::from(height) <= used_h;
    let filter = if shrinks { FilterType::Lanczos3 } else { FilterType::CatmullRom };
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(filter))
        .crop(left, top, used_w, used_h);
    Resizer::new().resize_typed(&from, &mut to, &options).map_err(|error| fail(&error))?;
    drop(to);
    Picture::new(width, height, rgb)
}

fn crop_or_extend(picture: &Picture, width: u32, height: u32) -> Result<Picture> {
    let (from_w, from_h) = (picture.width(), picture.height());
    let kept_w = width.min(from_w);
    let kept_h = height.min(from_h);
    let cropped = picture.crop((from_w - kept_w) / 2, (from_h - kept_h) / 2, kept_w, kept_h)?;
    if (kept_w, kept_h) == (width, height) {
        return Ok(cropped);
    }
    let (left, top) = ((width - kept_w) / 2, (height - kept_h) / 2);
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        let from_y = y.saturating_sub(top).min(kept_h - 1);
        for x in 0..width {
            let from_x = x.saturating_sub(left).min(kept_w - 1);
            let at = (from_y as usize * kept_w as usize + from_x as usize) * 3;
            rgb.extend_from_slice(&cropped.rgb()[at..at + 3]);
        }
    }
    Picture::new(width, height, rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: u32, height: u32) -> Picture {
        let rgb: Vec<u8> = (0..height)
            .flat_map(|y| {
                (0..width).flat_map(move |x| {
                    [(x * 255 / width.max(2)) as u8, (y * 255 / height.max(2)) as u8, 128]
                })
            })
            .collect();
        Picture::new(width, height, rgb).unwrap()
    }

    #[test]
    fn sides_are_multiples_whatever_comes() {
        for (w, h) in [(1, 1), (1, 4096), (4096, 1), (768, 512), (17, 33), (255, 257)] {
            for mode in [Fit::CropCenter, Fit::KeepAspect, Fit::KeepOriginal] {
                for multiple_of in [1, 4, 16] {
                    let size = WorkingSize { side: 64, mode, multiple_of };
                    let out = fit(&gradient(w, h), size).unwrap();
                    assert_eq!(out.width() % multiple_of, 0, "{w}x{h} {size:?}");
                    assert_eq!(out.height() % multiple_of, 0, "{w}x{h} {size:?}");
                    if mode != Fit::KeepOriginal {
                        assert_eq!(out.width().max(out.height()), 64, "{w}x{h} {size:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn keeping_the_aspect_of_a_photograph_comes_nearest_to_it() {
        let size = WorkingSize { side: 256, mode: Fit::KeepAspect, multiple_of: 16 };
        assert_eq!(size.target(768, 512).unwrap(), (256, 176));
        assert_eq!(size.target(512, 768).unwrap(), (176, 256));
    }

    #[test]
    fn the_middle_stays_in_the_middle_and_undistorted() {
        let out = fit(&gradient(768, 512), WorkingSize::square(256, 16)).unwrap();
        let middle = out.pixel(128, 128).unwrap();
        assert!(middle[0].abs_diff(127) <= 1 && middle[1].abs_diff(127) <= 1, "{middle:?}");
        // The crop takes 512 of 768 columns: from 1/6 to 5/6 of the red ramp.
        let left = out.pixel(0, 128).unwrap()[0];
        let right = out.pixel(255, 128).unwrap()[0];
        assert!(left.abs_diff(42) <= 2 && right.abs_diff(212) <= 2, "{left} {right}");
    }

    #[test]
    fn keeping_the_original_changes_no_pixel() {
        let picture = gradient(37, 21);
        let size = WorkingSize { side: 0, mode: Fit::KeepOriginal, multiple_of: 8 };
        let out = fit(&picture, size).unwrap();
        assert_eq!((out.width(), out.height()), (32, 16));
        assert_eq!(out.pixel(0, 0), picture.pixel(2, 2));
        let small = fit(&gradient(3, 9), size).unwrap();
        assert_eq!((small.width(), small.height()), (8, 8));
        assert_eq!(small.pixel(0, 0), gradient(3, 9).pixel(0, 0), "edges are repeated");
    }

    #[test]
    fn shrinking_keeps_the_mean() {
        let picture = gradient(300, 200);
        let mean =
            |p: &Picture| p.rgb().iter().map(|&v| f64::from(v)).sum::<f64>() / p.rgb().len() as f64;
        let out = resize(&picture, 75, 50).unwrap();
        assert!((mean(&out) - mean(&picture)).abs() < 0.5);
    }

    #[test]
    fn sizes_without_sense_are_refused() {
        let picture = gradient(8, 8);
        for (side, multiple_of) in [(0, 1), (64, 0), (u32::MAX, 1), (64, u32::MAX)] {
            let size = WorkingSize { side, mode: Fit::CropCenter, multiple_of };
            assert!(fit(&picture, size).unwrap_err().is_bad_input());
        }
        assert!(resize_short_side(&gradient(1, 4096), 64).is_err(), "262144 pixels long");
    }
}
