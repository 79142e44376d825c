//! What was lost, as a picture with a scale that stands beside it.

use smalti_engine::Result;
use smalti_engine::images::Picture;

use super::canvas::Canvas;
use crate::look::palette::{FULL_DIFFERENCE, GROUND, INK, viridis};

/// A map of absolute errors, one pixel each, row by row; `values` in shares of the full range, of which
/// [`FULL_DIFFERENCE`] has the last color.
///
/// # Errors
/// If the values do not fill rows of `width`.
pub fn difference_map(values: &[f32], width: u32) -> Result<Picture> {
    let rgb: Vec<u8> = values.iter().flat_map(|value| viridis(value / FULL_DIFFERENCE)).collect();
    Picture::new(width, (values.len() / width.max(1) as usize) as u32, rgb)
}

/// The scale of a map as a strip, left the least; its ends mean 0 and [`FULL_DIFFERENCE`].
///
/// # Errors
/// Only if the sizes are absurd.
pub fn scale_strip(width: usize, height: usize) -> Result<Picture> {
    let mut canvas = Canvas::new(width, height, GROUND);
    for x in 0..width {
        let t = x as f32 / width.max(2).saturating_sub(1) as f32;
        canvas.fill((x, 0), (1, height), viridis(t));
    }
    canvas.finish()
}

/// The map of absolute errors with its scale below: a strip from dark to bright, and its ends in
/// percent of the full range.
///
/// # Errors
/// If the values do not fill rows of `width`.
pub fn map_with_scale(values: &[f32], width: u32) -> Result<Picture> {
    let map = difference_map(values, width)?;
    let width = width as usize;
    let below = map.height() as usize;
    let margin = 8;
    let mut canvas = Canvas::new(width, below + 32, GROUND);
    canvas.draw((0, 0), &map);
    let strip = scale_strip(width.saturating_sub(2 * margin), 6)?;
    canvas.draw((margin, below + 6), &strip);
    canvas.write((margin, below + 18), "0%", INK);
    let last = format!("{:.0}%", FULL_DIFFERENCE * 100.0);
    let left = (width - margin.min(width)).saturating_sub(Canvas::text_width(&last));
    canvas.write((left, below + 18), &last, INK);
    canvas.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_is_the_map_s_first_color_and_more_than_full_its_last() {
        let map = difference_map(&[0.0, FULL_DIFFERENCE, 1.0, FULL_DIFFERENCE / 2.0], 2).unwrap();
        assert_eq!(map.pixel(0, 0), Some(viridis(0.0)));
        assert_eq!(map.pixel(1, 0), Some(viridis(1.0)));
        assert_eq!(map.pixel(0, 1), Some(viridis(1.0)));
    }
}
