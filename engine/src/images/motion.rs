//! Pictures one after the other, as files that move: GIF and APNG.

use std::time::Duration;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, RgbaImage};

use super::Picture;
use crate::{EngineError, Result};

/// A picture and how long it is shown.
type Shown = (Picture, Duration);

/// How fast colors are chosen, 1 to 30: 10 is hardly seen to be worse than 1, and ten times as fast.
const SPEED: i32 = 10;

/// An endless GIF: 256 colors a picture.
///
/// # Errors
/// [`EngineError::BadInput`] if there are no pictures or they differ in size.
pub fn gif_bytes(pictures: &[Shown]) -> Result<Vec<u8>> {
    let (width, height) = size(pictures)?;
    if width.max(height) > u32::from(u16::MAX) {
        return Err(bad(format!("{width}x{height} pixels are more than a GIF can have")));
    }
    let mut bytes = Vec::new();
    {
        let mut encoder = GifEncoder::new_with_speed(&mut bytes, SPEED);
        encoder.set_repeat(Repeat::Infinite).map_err(bad)?;
        for (picture, time) in pictures {
            let rgba =
                picture.rgb().as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*r, *g, *b, 255]);
            let image = RgbaImage::from_raw(width, height, rgba.collect())
                .ok_or_else(|| bad("a picture is not whole"))?;
            let delay = Delay::from_saturating_duration(*time);
            encoder.encode_frame(Frame::from_parts(image, 0, 0, delay)).map_err(bad)?;
        }
    }
    Ok(bytes)
}

/// An endless APNG: every pixel as it is. A viewer that knows no APNG shows the first picture.
///
/// # Errors
/// As [`gif_bytes`].
pub fn apng_bytes(pictures: &[Shown]) -> Result<Vec<u8>> {
    let (width, height) = size(pictures)?;
    let mut bytes = Vec::new();
    {
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_animated(pictures.len() as u32, 0).map_err(bad)?;
        let milliseconds = |time: &Duration| u16::try_from(time.as_millis()).unwrap_or(u16::MAX);
        let first = pictures.first().map_or(0, |(_, time)| milliseconds(time));
        encoder.set_frame_delay(first, 1000).map_err(bad)?;
        let mut writer = encoder.write_header().map_err(bad)?;
        for (picture, time) in pictures {
            writer.set_frame_delay(milliseconds(time), 1000).map_err(bad)?;
            writer.write_image_data(picture.rgb()).map_err(bad)?;
        }
        writer.finish().map_err(bad)?;
    }
    Ok(bytes)
}

/// The size of all of them.
fn size(pictures: &[Shown]) -> Result<(u32, u32)> {
    let sizes = |(picture, _): &Shown| (picture.width(), picture.height());
    let first = pictures.first().map(sizes).ok_or_else(|| bad("there are no pictures"))?;
    if let Some(other) = pictures.iter().map(sizes).find(|size| *size != first) {
        return Err(bad(format!("{}x{} and {}x{} pixels", first.0, first.1, other.0, other.1)));
    }
    Ok(first)
}

fn bad(reason: impl ToString) -> EngineError {
    EngineError::bad_input("moving picture", reason, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::AnimationDecoder;
    use image::codecs::gif::GifDecoder;
    use image::codecs::png::PngDecoder;

    fn frames() -> Vec<Shown> {
        let picture = |color: [u8; 3]| Picture::new(3, 2, color.repeat(6)).unwrap();
        let time = Duration::from_millis;
        vec![
            (picture([250, 0, 0]), time(100)),
            (picture([0, 250, 0]), time(100)),
            (picture([0, 0, 250]), time(1500)),
        ]
    }

    #[test]
    fn other_decoders_see_every_picture_for_its_time() {
        let frames = frames();
        let gif = gif_bytes(&frames).unwrap();
        let apng = apng_bytes(&frames).unwrap();
        let gif = GifDecoder::new(std::io::Cursor::new(gif)).unwrap().into_frames();
        let apng = PngDecoder::new(std::io::Cursor::new(apng)).unwrap().apng().unwrap();
        for found in [gif.collect_frames().unwrap(), apng.into_frames().collect_frames().unwrap()] {
            assert_eq!(found.len(), 3);
            for (found, (picture, time)) in found.iter().zip(&frames) {
                assert_eq!(Duration::from(found.delay()), *time);
                let rgb = image::DynamicImage::from(found.buffer().clone()).to_rgb8();
                assert_eq!(rgb.as_raw().as_slice(), &**picture.rgb());
            }
        }
    }

    #[test]
    fn nothing_and_pictures_of_two_sizes_do_not_move() {
        let mut frames = frames();
        frames.push((Picture::new(1, 1, vec![0; 3]).unwrap(), Duration::ZERO));
        for write in [gif_bytes, apng_bytes] {
            assert!(write(&[]).is_err());
            let text = write(&frames).unwrap_err().to_string();
            assert!(text.contains("3x2 and 1x1"), "{text}");
        }
    }
}
