//! Pictures of the window against the ones that are kept in `tests/snapshots`.
//!
//! Kept at half size. Compared as means of 4 x 4 pixels of the window, so that edges may be smoothed
//! a little differently by another version of the driver, but nothing can move by 4 pixels or change
//! its color.

use std::path::{Path, PathBuf};

use image::{RgbImage, RgbaImage};

/// Means may differ by this many levels of 255.
const TOLERANCE: f32 = 6.0;
/// This share of the means may differ by more.
const SHARE: f32 = 0.0005;
/// A kept picture is at most this large.
const MOST_BYTES: usize = 150_000;

/// The folder of the kept pictures.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots")
}

/// A kept picture.
///
/// # Panics
/// If it is not there.
pub fn kept(name: &str) -> RgbImage {
    let path = folder().join(format!("{name}.png"));
    let opened = image::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    opened.to_rgb8()
}

/// Means of squares of `side` pixels.
fn means(picture: &RgbImage, side: u32) -> (u32, Vec<[f32; 3]>) {
    let (width, height) = (picture.width() / side, picture.height() / side);
    let area = (side * side) as f32;
    let mean = |column: u32, row: u32| {
        let mut sum = [0.0_f32; 3];
        for (x, y) in (0..side).flat_map(|y| (0..side).map(move |x| (x, y))) {
            let pixel = picture.get_pixel(column * side + x, row * side + y).0;
            std::iter::zip(&mut sum, pixel).for_each(|(sum, value)| *sum += f32::from(value));
        }
        sum.map(|sum| sum / area)
    };
    let all = (0..height).flat_map(|row| (0..width).map(move |column| (column, row)));
    (width, all.map(|(column, row)| mean(column, row)).collect())
}

/// The picture at half its size, as it is kept.
pub fn halved(screen: &RgbImage) -> RgbImage {
    let (width, half) = means(screen, 2);
    RgbImage::from_fn(width, screen.height() / 2, |x, y| {
        image::Rgb(half[(y * width + x) as usize].map(|value| value.round() as u8))
    })
}

/// What is different, in a sentence; nothing if the window looks as the kept picture does.
pub fn difference(screen: &RgbImage, kept: &RgbImage) -> Option<String> {
    let size = |picture: &RgbImage| (picture.width(), picture.height());
    if size(&halved(screen)) != size(kept) {
        return Some(format!("{:?} pixels instead of {:?} halves", size(screen), size(kept)));
    }
    let ((width, now), (_, before)) = (means(screen, 4), means(kept, 2));
    let apart: Vec<f32> = std::iter::zip(&now, &before)
        .map(|(a, b)| std::iter::zip(a, b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max))
        .collect();
    let places: Vec<usize> = (0..apart.len()).filter(|at| apart[*at] > TOLERANCE).collect();
    if places.len() as f32 <= SHARE * apart.len() as f32 {
        return None;
    }
    let x = |at: &usize| *at as u32 % width * 4;
    let y = |at: &usize| *at as u32 / width * 4;
    let (left, right) = (places.iter().map(x).min()?, places.iter().map(x).max()?);
    let (top, bottom) = (places.iter().map(y).min()?, places.iter().map(y).max()?);
    let worst = apart.iter().copied().fold(0.0, f32::max);
    Some(format!(
        "{} of {} squares of 4 x 4 pixels differ, by {worst:.0} levels at most, at x {left} to {right}, y \
         {top} to {bottom}",
        places.len(),
        apart.len()
    ))
}

/// Asserts that the window looks as it did. With `UPDATE_SNAPSHOTS` set, what differs is kept
/// instead; else the window's picture is left as `NAME.new.png` beside the kept one.
///
/// # Panics
/// If it does not, or there is no kept picture.
pub fn assert_looks_like(name: &str, screen: &RgbaImage) {
    let screen = image::DynamicImage::ImageRgba8(screen.clone()).to_rgb8();
    let path = folder().join(format!("{name}.png"));
    let different = if path.is_file() {
        difference(&screen, &kept(name))
    } else {
        Some("there is no kept picture".to_owned())
    };
    let Some(different) = different else { return };
    let save = |picture: &RgbImage, path: &Path| {
        picture.save(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    };
    #[allow(clippy::disallowed_methods, reason = "tests have no main that could pass it down")]
    let is_update = std::env::var_os("UPDATE_SNAPSHOTS").is_some();
    if is_update {
        save(&halved(&screen), &path);
        let bytes = std::fs::read(&path).map_or(0, |bytes| bytes.len());
        assert!(bytes <= MOST_BYTES, "{}: {bytes} bytes are too many", path.display());
        return;
    }
    let new = folder().join(format!("{name}.new.png"));
    save(&screen, &new);
    panic!(
        "{name}: {different}. Look at {} and at what is kept; if it is as it should be, accept it \
         with UPDATE_SNAPSHOTS=1",
        new.display()
    );
}
