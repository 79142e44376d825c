//! Recognizing Open-MAGVIT2's tokenizer by names and shapes.

use serde_json::Value;

use super::{Magvit2, Magvit2Config};
use crate::layers::Weights;
use crate::quantizers::LfqConfig;
use crate::tokenizers::Tokenizer;
use crate::tokenizers::clues::published;
use crate::tokenizers::family::{
    Beside, Called, Family, Shapes, any, count, settings, settings_value, size,
};
use crate::{EngineError, Result};

/// Open-MAGVIT2's tokenizer of images.
#[derive(Debug)]
pub struct OpenMagvit2;

impl Family for OpenMagvit2 {
    fn id(&self) -> &'static str {
        "open-magvit2"
    }

    fn title(&self) -> &'static str {
        "Open-MAGVIT2"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        // The tokenizer of clips has the same names with one more axis.
        let pictures = shapes.get("encoder.conv_in.weight").is_none_or(|shape| shape.len() == 4);
        pictures
            && any(shapes, "encoder.down.0.block.0.")
            && (any(shapes, "decoder.adaptive.") || any(shapes, "encoder.mid_block."))
    }

    fn classes(&self) -> &'static [&'static str] {
        &["vqmodel"]
    }

    fn configure(
        &self,
        _: Called<'_>,
        shapes: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Result<Value> {
        let config = configure(shapes, beside)?;
        config.validate()?;
        settings_value(&config)
    }

    fn build(&self, value: &Value, weights: &Weights) -> Result<Box<dyn Tokenizer>> {
        Ok(Box::new(Magvit2::new(&settings::<Magvit2Config>(value)?, weights)?))
    }
}

/// The configuration of a checkpoint. What neither shapes nor the configuration beside it tell is as
/// published: 32 groups a norm, the first bit the lowest, one part of all bits.
fn configure(shapes: &Shapes<'_>, beside: Option<&Beside>) -> Result<Magvit2Config> {
    let ch = size(shapes, "encoder.conv_in.weight", 0)?.max(1);
    let first = |level: usize| format!("encoder.down.{level}.block.0.conv1.weight");
    let mut ch_mult = Vec::new();
    for level in 0..count(shapes, first) {
        let channels = size(shapes, &first(level), 0)?;
        if !channels.is_multiple_of(ch) {
            let reason = format!("level {level} has {channels} channels, no multiple of {ch}");
            return Err(EngineError::bad_input("network", reason, ""));
        }
        ch_mult.push(channels / ch);
    }
    let blocks = count(shapes, |j| format!("encoder.down.0.block.{j}.conv1.weight"));
    let number =
        |key: &str, known: usize| -> Result<usize> { Ok(published(beside, key)?.unwrap_or(known)) };
    let or =
        |key: &str, known: f64| -> Result<f64> { Ok(published(beside, key)?.unwrap_or(known)) };
    let factorized: bool = published(beside, "token_factorization")?.unwrap_or(false);
    let bits: Option<Vec<u32>> = published(beside, "factorized_bits")?;
    let usual = LfqConfig::default();
    let quantizer = LfqConfig {
        factorized_bits: bits.filter(|_| factorized).unwrap_or_default(),
        sample_minimization_weight: or(
            "sample_minimization_weight",
            usual.sample_minimization_weight,
        )?,
        batch_maximization_weight: or(
            "batch_maximization_weight",
            usual.batch_maximization_weight,
        )?,
        ..usual
    };
    Ok(Magvit2Config {
        in_channels: number("in_channels", size(shapes, "encoder.conv_in.weight", 1)?)?,
        out_ch: number("out_ch", size(shapes, "decoder.conv_out.weight", 0)?)?,
        ch: number("ch", ch)?,
        ch_mult: published(beside, "ch_mult")?.unwrap_or(ch_mult),
        num_res_blocks: number("num_res_blocks", blocks)?,
        z_channels: number("z_channels", size(shapes, "encoder.conv_out.weight", 0)?)?,
        quantizer,
        ..Magvit2Config::default()
    })
}
