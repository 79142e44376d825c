//! Pixels as tokens: gray values of small patches, 256 codes. No network: an image becomes gray, each patch its mean,
//! and the mean the nearest of 256 values; a code decodes to a patch of its gray.
//!
//! So a generator can write pixels one after the other, as the first autoregressive ones did (van den Oord et al.,
//! "Pixel Recurrent Neural Networks", arXiv 1601.06759), beside one that writes learned tokens: of the same number, in
//! the same time, of a picture of 16 by 16 pixels.

use candle_core::{Device, Tensor};
use serde_json::Value;

use super::facts::{Facts, Input};
use super::family::{Beside, Called, Family, Shapes, settings};
use super::{Tokenizer, check_images, check_quantized};
use crate::layers::{Resize, Weights};
use crate::quantizers::{self, CodebookUpdate, Quantizer, QuantizerConfig, VqConfig};
use crate::{EngineError, Result};

/// Gray values of a byte.
const VALUES: u32 = 256;

/// Gray pixels, of Smalti's own files alone: nobody publishes them.
#[derive(Debug)]
pub struct GrayPixels;

/// What decides them.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct GrayConfig {
    /// What a person calls it, such as "gray-f8".
    name: String,
    /// Pixels of the image along the side of a patch.
    patch_size: usize,
}

impl Family for GrayPixels {
    fn id(&self) -> &'static str {
        "gray"
    }

    fn title(&self) -> &'static str {
        "gray pixels"
    }

    /// None: a file says that it is one.
    fn claims(&self, _shapes: &Shapes<'_>) -> bool {
        false
    }

    fn configure(
        &self,
        _called: Called<'_>,
        _shapes: &Shapes<'_>,
        _beside: Option<&Beside>,
    ) -> Result<Value> {
        let reason = "only Smalti's own files are of it";
        Err(EngineError::bad_input("gray pixels", reason, ""))
    }

    fn build(&self, value: &Value, weights: &Weights) -> Result<Box<dyn Tokenizer>> {
        Ok(Box::new(Gray::new(&settings::<GrayConfig>(value)?, weights)?))
    }
}

/// The tokenizer: its one tensor holds the values, in [-1, 1].
#[derive(Debug)]
struct Gray {
    facts: Facts,
    device: Device,
    quantizer: Box<dyn Quantizer>,
}

impl Gray {
    fn new(config: &GrayConfig, weights: &Weights) -> Result<Self> {
        let patch = config.patch_size;
        if !(1..=64).contains(&patch) {
            let reason = format!("{patch} is not in 1 to 64");
            return Err(EngineError::bad_input("patch_size", reason, "usual: 8"));
        }
        let values =
            VqConfig { codes: VALUES, update: CodebookUpdate::Gradient, ..VqConfig::default() };
        let rule = QuantizerConfig::Vq(values);
        let before = weights.elements();
        let quantizer = quantizers::build(&rule, 1, &weights.pp("quantize"))?;
        let facts = Facts {
            family: "gray".to_owned(),
            input: Input::Multiple(patch),
            channels: 1,
            factor: patch,
            books: quantizer.books().to_vec(),
            spatial: true,
            prefixes: false,
            width: 1,
            parameters: weights.elements() - before,
            quantizer: format!("{VALUES} gray values"),
        };
        Ok(Self { facts, device: weights.device().clone(), quantizer })
    }
}

impl Tokenizer for Gray {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn encode(&self, images: &Tensor) -> Result<Tensor> {
        let patch = self.facts.factor;
        check_images(images, 1, patch)?;
        let (_, _, h, w) = images.dims4()?;
        Resize::Area.forward(images, (h / patch, w / patch))
    }

    fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        check_quantized(latents, 1)?;
        let (_, _, h, w) = latents.dims4()?;
        let patch = self.facts.factor;
        Ok(latents.contiguous()?.upsample_nearest2d(h * patch, w * patch)?)
    }

    fn quantizer(&self) -> &dyn Quantizer {
        self.quantizer.as_ref()
    }

    fn quantizer_mut(&mut self) -> &mut dyn Quantizer {
        self.quantizer.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{detokenize, tokenize};
    use super::*;
    use crate::device::of_tests;
    use crate::images::Picture;

    fn gray(patch: usize) -> Box<dyn Tokenizer> {
        let device = of_tests().unwrap();
        let values: Vec<f32> = (0..256_u16).map(|value| f32::from(value) / 127.5 - 1.0).collect();
        let values = Tensor::from_vec(values, (256, 1), &device).unwrap();
        let tensors = BTreeMap::from([("quantize.embedding.weight".to_owned(), values)]);
        let weights = Weights::loaded(tensors, false, &device);
        let config = serde_json::json!({ "name": "gray", "patch_size": patch });
        let tokenizer = GrayPixels.build(&config, &weights).unwrap();
        weights.finish("gray", &[]).unwrap();
        tokenizer
    }

    /// A picture of 16 x 16 patches in which every gray value of a byte stands once.
    fn all_values(patch: u32) -> Picture {
        let side = 16 * patch;
        let value = |at: u32| ((at / side / patch) * 16 + at % side / patch) as u8;
        let pixels: Vec<u8> = (0..side * side).flat_map(|at| [value(at); 3]).collect();
        Picture::new(side, side, pixels).unwrap()
    }

    #[test]
    fn gray_pictures_come_back_exactly_and_tokens_are_their_values() {
        for patch in [1, 3, 8] {
            let tokenizer = gray(patch as usize);
            let picture = all_values(patch);
            let tokens = tokenize(tokenizer.as_ref(), &picture).unwrap();
            assert_eq!((tokens.first().rows(), tokens.first().columns()), (16, 16));
            let expected: Vec<u32> = (0..256).collect();
            assert_eq!(tokens.first().codes().to_vec(), expected, "patches of {patch}");
            assert_eq!(detokenize(tokenizer.as_ref(), &tokens).unwrap(), picture);
        }
    }

    #[test]
    fn a_patch_is_the_mean_of_its_pixels_and_colors_count_as_bright_as_they_look() {
        let tokenizer = gray(2);
        // 10, 20, 30 and 41: their mean is 25.25.
        let pixels = [10, 20, 30, 41].map(|value: u8| [value; 3]).concat();
        let tokens = tokenize(tokenizer.as_ref(), &Picture::new(2, 2, pixels).unwrap()).unwrap();
        assert_eq!(tokens.first().codes().to_vec(), [25]);
        // Luma of Rec. 601: 0.299 of 255 is 76.2, 0.587 is 149.7.
        for (color, value) in [([255_u8, 0, 0], 76), ([0, 255, 0], 150)] {
            let picture = Picture::new(2, 2, color.repeat(4)).unwrap();
            let tokens = tokenize(tokenizer.as_ref(), &picture).unwrap();
            assert_eq!(tokens.first().codes().to_vec(), [value], "{color:?}");
        }
    }

    #[test]
    fn the_shipped_one_is_of_these_values() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../assets/models/gray-f8.safetensors");
        let (_, header) =
            safetensors::SafeTensors::read_metadata(&std::fs::read(&path).unwrap()).unwrap();
        assert!(header.metadata().is_some());
        let tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
        let values = tensors["quantize.embedding.weight"].flatten_all().unwrap();
        let own = gray(8).quantizer().entries(0).unwrap().unwrap().flatten_all().unwrap();
        assert_eq!(values.to_vec1::<f32>().unwrap(), own.to_vec1::<f32>().unwrap());
    }

    #[test]
    fn what_it_cannot_be_is_refused() {
        let weights = Weights::fresh(1, &of_tests().unwrap());
        for config in [
            serde_json::json!({ "name": "gray", "patch_size": 0 }),
            serde_json::json!({ "name": "gray" }),
        ] {
            assert!(GrayPixels.build(&config, &weights).unwrap_err().problem().bad_input);
        }
        let tokenizer = gray(8);
        assert!(tokenize(tokenizer.as_ref(), &all_values(3)).is_ok());
        let odd = Picture::new(12, 8, [9; 12 * 8 * 3].to_vec()).unwrap();
        assert!(tokenize(tokenizer.as_ref(), &odd).unwrap_err().to_string().contains("12x8"));
    }
}
