//! Recognizing taming's VQModel and LlamaGen's tokenizer, whose networks are this family's.

use serde_json::Value;

use super::{Ldm, LdmConfig, Naming};
use crate::layers::Weights;
use crate::quantizers::{BetaPlacement, CodebookUpdate, IbqConfig, QuantizerConfig, VqConfig};
use crate::tokenizers::family::{
    Beside, Family, Shapes, any, count, settings, settings_value, size,
};
use crate::tokenizers::{Tokenizer, TokenizerConfig};
use crate::{EngineError, Result};

/// taming-transformers' VQModel (VQGAN), latent-diffusion's VQModelInterface, what keeps their names,
/// and what Smalti itself trains.
#[derive(Debug)]
pub struct Taming;

/// LlamaGen's VQ tokenizer.
#[derive(Debug)]
pub struct LlamaGen;

impl Family for Taming {
    fn id(&self) -> &'static str {
        "taming"
    }

    fn title(&self) -> &'static str {
        "taming VQModel"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        // Networks that unfold pictures or films first keep these names, but are others.
        let pictures =
            shapes.get("encoder.conv_in.weight").is_none_or(|s| matches!(s, [_, 1 | 3, 3, 3]));
        let others = shapes.keys().any(|name| {
            [".conv3d.", ".attn_1.qkv.", ".norm_layer."].iter().any(|part| name.contains(part))
        });
        let theirs = ["quantize.quant_resi", "quantize.proj.", "encoder.time_conv"];
        any(shapes, "encoder.down.0.block.0.")
            && any(shapes, "decoder.up.0.block.0.")
            && any(shapes, "quant_conv.")
            && pictures
            && !others
            && !theirs.iter().any(|prefix| any(shapes, prefix))
    }

    fn configure(&self, name: &str, shapes: &Shapes<'_>, beside: Option<&Beside>) -> Result<Value> {
        let mut config = configure(Naming::Taming, name, shapes)?;
        if is_ibq(name, beside) {
            let n_embed = size(shapes, "quantize.embedding.weight", 0)? as u32;
            config.quantizer = QuantizerConfig::Ibq(IbqConfig { n_embed, ..IbqConfig::default() });
        }
        if let Some(beside) = beside {
            published(&mut config, &beside.value);
        }
        config.validate()?;
        settings_value(&config)
    }

    fn build(&self, value: &Value, weights: &Weights) -> Result<Box<dyn Tokenizer>> {
        Ok(Box::new(Ldm::new(&settings::<TokenizerConfig>(value)?, weights)?))
    }
}

impl Family for LlamaGen {
    fn id(&self) -> &'static str {
        "llamagen"
    }

    fn title(&self) -> &'static str {
        "LlamaGen VQ"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        any(shapes, "encoder.conv_blocks.0.res.0.") && any(shapes, "decoder.conv_blocks.0.res.0.")
    }

    fn configure(&self, name: &str, shapes: &Shapes<'_>, _: Option<&Beside>) -> Result<Value> {
        let config = configure(Naming::LlamaGen, name, shapes)?;
        config.validate()?;
        settings_value(&config)
    }

    fn build(&self, value: &Value, weights: &Weights) -> Result<Box<dyn Tokenizer>> {
        Taming.build(value, weights)
    }
}

/// IBQ has the same tensors, but takes the code with the largest product, not the nearest one: only its
/// configuration or its file's name tells.
fn is_ibq(name: &str, beside: Option<&Beside>) -> bool {
    let says = |value: &Value| {
        let target = |key: &str| value["model"][key].as_str().map(str::to_lowercase);
        ["class_path", "target"].iter().any(|key| target(key).is_some_and(|t| t.contains("ibq")))
    };
    let mut words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    beside.is_some_and(|beside| says(&beside.value)) || words.any(|w| w.eq_ignore_ascii_case("ibq"))
}

/// The configuration that the tensors were made with, as far as shapes tell it. What they cannot tell
/// is filled in as the family publishes it: 32 groups a norm, and for LlamaGen codes of length one.
fn configure(naming: Naming, name: &str, shapes: &Shapes<'_>) -> Result<TokenizerConfig> {
    let network = network(naming, shapes)?;
    let codes = size(shapes, "quantize.embedding.weight", 0)? as u32;
    let (normalize, placement) = match naming {
        Naming::Taming => (false, BetaPlacement::Codebook),
        Naming::LlamaGen => (true, BetaPlacement::Commitment),
    };
    let update = CodebookUpdate::Gradient;
    let vq = VqConfig { codes, placement, normalize, update, ..VqConfig::default() };
    Ok(TokenizerConfig { name: name.to_owned(), network, quantizer: QuantizerConfig::Vq(vq) })
}

/// Encoder and decoder from shapes, for families that share their names.
pub(in crate::tokenizers) fn network(naming: Naming, shapes: &Shapes<'_>) -> Result<LdmConfig> {
    let (down, up, block) = match naming {
        Naming::Taming => ("encoder.down", "decoder.up", "block"),
        Naming::LlamaGen => ("encoder.conv_blocks", "decoder.conv_blocks", "res"),
    };
    let bad = |reason: String| EngineError::bad_input("network", reason, "");
    let ch = size(shapes, "encoder.conv_in.weight", 0)?.max(1);
    let levels = count(shapes, |i| format!("{down}.{i}.{block}.0.conv1.weight"));
    let mut ch_mult = Vec::with_capacity(levels);
    for level in 0..levels {
        let channels = size(shapes, &format!("{down}.{level}.{block}.0.conv1.weight"), 0)?;
        if !channels.is_multiple_of(ch) {
            let reason = format!("level {level} has {channels} channels, no multiple of {ch}");
            return Err(bad(reason));
        }
        ch_mult.push(channels / ch);
    }
    if ch_mult.is_empty() {
        return Err(bad(format!("{down}.0.{block}.0.conv1.weight is missing")));
    }
    let num_res_blocks = count(shapes, |j| format!("{down}.0.{block}.{j}.conv1.weight"));
    let decoder_blocks = count(shapes, |j| format!("{up}.0.{block}.{j}.conv1.weight"));
    let with_attention = |level: &usize| any(shapes, &format!("{down}.{level}.attn."));
    let resolution = 256;
    let attn_resolutions = (0..levels).filter(with_attention).map(|l| resolution >> l).collect();
    let z_channels = size(shapes, "decoder.conv_in.weight", 1)?;
    let (mid, attention) = match naming {
        Naming::Taming => ("encoder.mid.block_1.", "encoder.mid.attn_1."),
        Naming::LlamaGen => ("encoder.mid.0.", "encoder.mid.1."),
    };
    Ok(LdmConfig {
        naming,
        in_channels: size(shapes, "encoder.conv_in.weight", 1)?,
        out_ch: size(shapes, "decoder.conv_out.weight", 0)?,
        ch,
        ch_mult,
        num_res_blocks,
        decoder_res_blocks: (decoder_blocks != num_res_blocks + 1).then_some(decoder_blocks),
        attn_resolutions,
        resolution,
        z_channels,
        embed_dim: size(shapes, "quant_conv.weight", 0)?,
        double_z: size(shapes, "encoder.conv_out.weight", 0)? == 2 * z_channels,
        mid: any(shapes, mid),
        mid_attention: any(shapes, attention),
        ..LdmConfig::default()
    })
}

/// The part of a taming or latent-diffusion configuration (`model.params`) that shapes cannot tell:
/// the resolution that attention counts from, and where.
fn published(config: &mut TokenizerConfig, value: &Value) {
    let model = &value["model"];
    let params = if model["params"].is_object() { &model["params"] } else { &model["init_args"] };
    // Latent diffusion keeps its tokenizer one level deeper.
    let first_stage = &params["first_stage_config"]["params"];
    let params = if first_stage.is_object() { first_stage } else { params };
    let dd = &params["ddconfig"];
    let number = |value: &Value| value.as_u64().map(|n| n as usize);
    if let Some(resolution) = number(&dd["resolution"]) {
        config.network.resolution = resolution;
        let list = dd["attn_resolutions"].as_array();
        if let Some(list) = list {
            config.network.attn_resolutions = list.iter().filter_map(number).collect();
        }
    }
    if let QuantizerConfig::Vq(vq) = &mut config.quantizer
        && let Some(legacy) = params["lossconfig"]["params"]["legacy"].as_bool()
    {
        vq.placement = if legacy { BetaPlacement::Codebook } else { BetaPlacement::Commitment };
    }
}
