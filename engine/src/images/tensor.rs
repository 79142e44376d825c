//! Pictures to tensors and back: bytes 0..=255 are the numbers -1..=1.

use candle_core::{DType, Device, Tensor};

use super::Picture;
use crate::{EngineError, Result};

/// Pictures of one size as a tensor (B, 3, H, W), f32 in -1..=1.
///
/// # Errors
/// [`EngineError::BadInput`] if there are none or their sizes differ.
pub fn to_tensor(pictures: &[Picture], device: &Device) -> Result<Tensor> {
    let Some(first) = pictures.first() else {
        return Err(EngineError::bad_input("pictures", "there are none", ""));
    };
    let (width, height) = (first.width() as usize, first.height() as usize);
    let plane = width * height;
    let mut values = vec![0_f32; pictures.len() * 3 * plane];
    for (picture, out) in pictures.iter().zip(values.chunks_exact_mut(3 * plane)) {
        if (picture.width(), picture.height()) != (first.width(), first.height()) {
            return Err(EngineError::bad_input(
                "pictures",
                format!(
                    "{}x{} and {}x{} do not go into one batch",
                    first.width(),
                    first.height(),
                    picture.width(),
                    picture.height()
                ),
                "Bring them to one working size first",
            ));
        }
        let (red, rest) = out.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        for (i, pixel) in picture.rgb().chunks_exact(3).enumerate() {
            red[i] = value(pixel[0]);
            green[i] = value(pixel[1]);
            blue[i] = value(pixel[2]);
        }
    }
    Ok(Tensor::from_vec(values, (pictures.len(), 3, height, width), device)?)
}

fn value(byte: u8) -> f32 {
    f32::from(byte) / 127.5 - 1.0
}

/// The pictures of a tensor (B, 3, H, W) of any float type: round((x + 1) * 127.5), clamped.
///
/// # Errors
/// [`EngineError::Shape`] for another shape, [`EngineError::BadInput`] if a value is not a number.
pub fn from_tensor(tensor: &Tensor) -> Result<Vec<Picture>> {
    let (batch, height, width) = match tensor.dims() {
        &[batch, 3, height, width] if height > 0 && width > 0 => (batch, height, width),
        other => {
            return Err(EngineError::Shape {
                what: "pictures".to_owned(),
                expected: "(B, 3, H, W)".to_owned(),
                found: other.to_vec(),
            });
        }
    };
    let values: Vec<f32> =
        tensor.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?;
    let plane = height * width;
    let mut pictures = Vec::with_capacity(batch);
    for (number, picture) in values.chunks_exact(3 * plane).enumerate() {
        let n_nan = picture.iter().filter(|x| x.is_nan()).count();
        if n_nan > 0 {
            return Err(EngineError::bad_input(
                format!("picture {number}"),
                format!("{n_nan} of its {} values are not a number (NaN)", 3 * plane),
                "The weights of this model are broken, or its training has diverged",
            ));
        }
        let mut rgb = Vec::with_capacity(3 * plane);
        for i in 0..plane {
            rgb.extend([picture[i], picture[plane + i], picture[2 * plane + i]].map(byte));
        }
        pictures.push(Picture::new(width as u32, height as u32, rgb)?);
    }
    Ok(pictures)
}

fn byte(value: f32) -> u8 {
    ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::of_tests;

    #[test]
    fn every_byte_comes_back() {
        let bytes: Vec<u8> = (0..=255).cycle().take(32 * 8 * 3).collect();
        let picture = Picture::new(32, 8, bytes).unwrap();
        let pictures = vec![picture.clone(), picture.mirrored()];
        let tensor = to_tensor(&pictures, &of_tests().unwrap()).unwrap();
        assert_eq!(tensor.dims(), [2, 3, 8, 32]);
        assert_eq!(from_tensor(&tensor).unwrap(), pictures);
        let red: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(red[1], 3.0 / 127.5 - 1.0, "second pixel, red plane");
    }

    #[test]
    fn values_outside_are_clamped() {
        let values = vec![-7.0_f32, 0.0, 7.0];
        let tensor = Tensor::from_vec(values, (1, 3, 1, 1), &of_tests().unwrap()).unwrap();
        assert_eq!(from_tensor(&tensor).unwrap()[0].pixel(0, 0), Some([0, 128, 255]));
        let values = vec![f32::INFINITY, f32::NEG_INFINITY, 1.0];
        let tensor = Tensor::from_vec(values, (1, 3, 1, 1), &of_tests().unwrap()).unwrap();
        assert_eq!(from_tensor(&tensor).unwrap()[0].pixel(0, 0), Some([255, 0, 255]));
    }

    #[test]
    fn not_a_number_is_an_error_that_says_how_many() {
        let values = vec![0.0_f32, f32::NAN, 0.0, 0.0, f32::NAN, 0.0];
        let tensor = Tensor::from_vec(values, (1, 3, 1, 2), &of_tests().unwrap()).unwrap();
        let error = from_tensor(&tensor).unwrap_err().to_string();
        assert!(error.contains("2 of its 6"), "{error}");
    }

    #[test]
    fn other_shapes_and_mixed_sizes_are_refused() {
        let tensor = Tensor::zeros((1, 4, 2, 2), DType::F32, &of_tests().unwrap()).unwrap();
        assert!(from_tensor(&tensor).is_err());
        let small = Picture::new(1, 1, vec![0; 3]).unwrap();
        let wide = Picture::new(2, 1, vec![0; 6]).unwrap();
        assert!(to_tensor(&[small, wide], &of_tests().unwrap()).is_err());
        assert!(to_tensor(&[], &of_tests().unwrap()).is_err());
    }
}
