//! Any pixel layout becomes 8-bit RGB on white.

use image::DynamicImage;

/// The bytes of an image, (H, W, 3): transparency is flattened on white in gamma space (as
/// browsers do), 16 bits are rounded to 8, gray is repeated.
pub(crate) fn to_rgb(image: DynamicImage) -> Vec<u8> {
    match image {
        DynamicImage::ImageRgb8(image) => image.into_raw(),
        DynamicImage::ImageLuma8(image) => image.iter().flat_map(|&v| [v; 3]).collect(),
        DynamicImage::ImageLumaA8(image) => image
            .as_raw()
            .chunks_exact(2)
            .flat_map(|p| [over_white(u32::from(p[0]), u32::from(p[1]), 255); 3])
            .collect(),
        DynamicImage::ImageRgba8(image) => image
            .as_raw()
            .chunks_exact(4)
            .flat_map(|p| {
                [p[0], p[1], p[2]].map(|v| over_white(u32::from(v), u32::from(p[3]), 255))
            })
            .collect(),
        DynamicImage::ImageRgb16(image) => {
            image.iter().map(|&v| over_white(u32::from(v), 65535, 65535)).collect()
        }
        DynamicImage::ImageLuma16(image) => {
            image.iter().flat_map(|&v| [over_white(u32::from(v), 65535, 65535); 3]).collect()
        }
        DynamicImage::ImageLumaA16(image) => image
            .as_raw()
            .chunks_exact(2)
            .flat_map(|p| [over_white(u32::from(p[0]), u32::from(p[1]), 65535); 3])
            .collect(),
        DynamicImage::ImageRgba16(image) => image
            .as_raw()
            .chunks_exact(4)
            .flat_map(|p| {
                [p[0], p[1], p[2]].map(|v| over_white(u32::from(v), u32::from(p[3]), 65535))
            })
            .collect(),
        // Floating point (some TIFF files): `image` clamps and converts.
        other => other
            .to_rgba8()
            .as_raw()
            .chunks_exact(4)
            .flat_map(|p| {
                [p[0], p[1], p[2]].map(|v| over_white(u32::from(v), u32::from(p[3]), 255))
            })
            .collect(),
    }
}

/// `value` of `max`, `alpha` of `max` opaque, over white; 8 bits, rounded once at the end.
fn over_white(value: u32, alpha: u32, max: u32) -> u8 {
    let (value, alpha, max) = (u64::from(value), u64::from(alpha), u64::from(max));
    let blended = value * alpha + max * (max - alpha); // of max^2
    let square = max * max;
    ((blended * 255 + square / 2) / square) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparency_shows_white_and_never_the_hidden_color() {
        for max in [255, 65535] {
            for value in [0, max / 3, max] {
                assert_eq!(over_white(value, 0, max), 255);
            }
            assert_eq!(over_white(0, max, max), 0);
            assert_eq!(over_white(max, max, max), 255);
        }
    }

    #[test]
    fn blending_agrees_with_plain_arithmetic() {
        for value in (0..=255).step_by(5) {
            for alpha in (0..=255).step_by(3) {
                let a = f64::from(alpha) / 255.0;
                let exact = f64::from(value) * a + 255.0 * (1.0 - a);
                let got = f64::from(over_white(value, alpha, 255));
                assert!((got - exact).abs() <= 0.5 + 1e-9, "{value} {alpha}: {got} {exact}");
            }
        }
        for value in [0, 1, 128, 129, 30000, 65535] {
            let exact = (f64::from(value) / 257.0).round();
            assert_eq!(f64::from(over_white(value, 65535, 65535)), exact);
        }
    }
}
