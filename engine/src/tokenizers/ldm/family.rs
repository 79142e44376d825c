//! Recognizing taming's VQModel and the tokenizers of LlamaGen and Janus, whose networks are this family's.

use serde_json::Value;

use super::{Ldm, LdmConfig, Naming};
use crate::layers::Weights;
use crate::quantizers::{BetaPlacement, CodebookUpdate, IbqConfig, QuantizerConfig, VqConfig};
use crate::tokenizers::clues::Said;
use crate::tokenizers::family::{
    Beside, Called, Family, Shapes, any, count, settings, settings_value, size,
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

/// The tokenizer of Janus as transformers publishes it, below `model.vqmodel`. It is LlamaGen's; the authors'
/// own checkpoints have the names of that one.
#[derive(Debug)]
pub struct Janus;

impl Family for Taming {
    fn id(&self) -> &'static str {
        "taming"
    }

    fn title(&self) -> &'static str {
        "taming VQModel"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        // The finest level, the first one here, is not followed by a larger one.
        has_their_names(shapes) && !any(shapes, "decoder.up.0.upsample.")
    }

    fn classes(&self) -> &'static [&'static str] {
        &["vqgan", "vqmodel"]
    }

    fn configure(
        &self,
        called: Called<'_>,
        shapes: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Result<Value> {
        refuse_continuous(shapes)?;
        let mut config = configure(Naming::Taming, called.name, shapes)?;
        if is_ibq(called, beside) {
            let n_embed = size(shapes, "quantize.embedding.weight", 0)? as u32;
            config.quantizer = QuantizerConfig::Ibq(IbqConfig { n_embed, ..IbqConfig::default() });
        }
        published(&mut config, Said(beside))?;
        config.validate()?;
        settings_value(&config)
    }

    fn assumed(&self, value: &Value, _: &Shapes<'_>, beside: Option<&Beside>) -> Vec<String> {
        if beside.is_some_and(|beside| beside.target().is_some()) {
            return Vec::new();
        }
        let read = match settings::<TokenizerConfig>(value).map(|config| config.quantizer) {
            Ok(QuantizerConfig::Ibq(_)) => {
                "read as IBQ, as it is called; a VQModel, whose codes are the nearest ones, has the \
                 same tensors"
            }
            _ => "read as a VQModel, whose codes are the nearest ones; IBQ has the same tensors",
        };
        vec![format!("{read}: put its yaml beside it to be sure")]
    }

    fn build(&self, value: &Value, weights: &Weights) -> Result<Box<dyn Tokenizer>> {
        Ok(Box::new(Ldm::new(&settings::<TokenizerConfig>(value)?, weights)?))
    }
}

/// Names of the convolutional family as taming-transformers chose them.
fn has_their_names(shapes: &Shapes<'_>) -> bool {
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

impl Family for Janus {
    fn id(&self) -> &'static str {
        "janus"
    }

    fn title(&self) -> &'static str {
        "Janus VQ"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        // Of a single level only the configuration tells it from taming's.
        has_their_names(shapes)
            && any(shapes, "decoder.up.0.upsample.") == any(shapes, "decoder.up.1.")
    }

    fn classes(&self) -> &'static [&'static str] {
        &["janus", "janus_vqgan"]
    }

    fn configure(
        &self,
        called: Called<'_>,
        shapes: &Shapes<'_>,
        _: Option<&Beside>,
    ) -> Result<Value> {
        let config = configure(Naming::Janus, called.name, shapes)?;
        config.validate()?;
        settings_value(&config)
    }

    fn assumed(&self, _: &Value, _: &Shapes<'_>, _: Option<&Beside>) -> Vec<String> {
        let how = "latents and codes are compared at length one, as in LlamaGen, whose tokenizer it \
                   is; transformers decodes so, but encodes by their plain distance";
        vec![how.to_owned()]
    }

    fn build(&self, value: &Value, weights: &Weights) -> Result<Box<dyn Tokenizer>> {
        Taming.build(value, weights)
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

    fn classes(&self) -> &'static [&'static str] {
        &["llamagen", "vqmodel"]
    }

    fn configure(
        &self,
        called: Called<'_>,
        shapes: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Result<Value> {
        let mut config = configure(Naming::LlamaGen, called.name, shapes)?;
        if let QuantizerConfig::Vq(vq) = &mut config.quantizer
            && let Some(normalize) = Said(beside).flag(&["/codebook_l2_norm"])?
        {
            vq.normalize = normalize;
        }
        config.validate()?;
        settings_value(&config)
    }

    fn build(&self, value: &Value, weights: &Weights) -> Result<Box<dyn Tokenizer>> {
        Taming.build(value, weights)
    }
}

/// IBQ has the same tensors, but takes the code with the largest product, not the nearest one: only its
/// configuration tells, or else the name of its file or folder.
fn is_ibq(called: Called<'_>, beside: Option<&Beside>) -> bool {
    match beside.and_then(Beside::target) {
        Some(target) => target.to_lowercase().contains("ibq"),
        None => called.says("ibq"),
    }
}

/// AutoencoderKL, such as Stable Diffusion's, has these names too; before its latents are drawn there are
/// twice as many channels, a mean and a variance each.
fn refuse_continuous(shapes: &Shapes<'_>) -> Result<()> {
    let channels = |name: &str, axis: usize| shapes.get(name)?.get(axis).copied();
    let drawn = channels("quant_conv.weight", 0)
        .zip(channels("post_quant_conv.weight", 1))
        .is_some_and(|(before, after)| Some(before) == after.checked_mul(2));
    if any(shapes, "quantize.") || !drawn {
        return Ok(());
    }
    Err(EngineError::bad_input(
        "an AutoencoderKL",
        "its latents are continuous and it has no codebook, so there are no tokens",
        "open a model whose latents are quantized (VQ, LFQ, FSQ)",
    ))
}

/// The configuration that the tensors were made with, as far as shapes tell it. What they cannot tell
/// is filled in as the family publishes it: 32 groups a norm, and for LlamaGen codes of length one.
fn configure(naming: Naming, name: &str, shapes: &Shapes<'_>) -> Result<TokenizerConfig> {
    let network = network(naming, shapes)?;
    let codes = size(shapes, "quantize.embedding.weight", 0)? as u32;
    let (normalize, placement) = match naming {
        Naming::Taming => (false, BetaPlacement::Codebook),
        Naming::LlamaGen | Naming::Janus => (true, BetaPlacement::Commitment),
    };
    let update = CodebookUpdate::Gradient;
    let vq = VqConfig { codes, placement, normalize, update, ..VqConfig::default() };
    Ok(TokenizerConfig { name: name.to_owned(), network, quantizer: QuantizerConfig::Vq(vq) })
}

/// Encoder and decoder from shapes, for families that share their names.
pub(in crate::tokenizers) fn network(naming: Naming, shapes: &Shapes<'_>) -> Result<LdmConfig> {
    let (down, up, block) = match naming {
        Naming::Taming | Naming::Janus => ("encoder.down", "decoder.up", "block"),
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
        Naming::Taming | Naming::Janus => ("encoder.mid.block_1.", "encoder.mid.attn_1."),
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

/// Where a taming or latent-diffusion configuration keeps what shapes cannot tell of the network: the
/// resolution that attention counts from, and where. Latent diffusion has it one level deeper.
const RESOLUTION: [&str; 4] = [
    "/model/params/first_stage_config/params/ddconfig/resolution",
    "/model/init_args/first_stage_config/params/ddconfig/resolution",
    "/model/params/ddconfig/resolution",
    "/model/init_args/ddconfig/resolution",
];
const ATTENTION: [&str; 4] = [
    "/model/params/first_stage_config/params/ddconfig/attn_resolutions",
    "/model/init_args/first_stage_config/params/ddconfig/attn_resolutions",
    "/model/params/ddconfig/attn_resolutions",
    "/model/init_args/ddconfig/attn_resolutions",
];
/// And of its loss: which of the two terms beta weighs.
const LEGACY: [&str; 4] = [
    "/model/params/first_stage_config/params/lossconfig/params/legacy",
    "/model/init_args/first_stage_config/params/lossconfig/params/legacy",
    "/model/params/lossconfig/params/legacy",
    "/model/init_args/lossconfig/params/legacy",
];

fn published(config: &mut TokenizerConfig, said: Said<'_>) -> Result<()> {
    if let Some(resolution) = said.whole(&RESOLUTION)? {
        config.network.resolution = resolution;
        if let Some(list) = said.wholes(&ATTENTION)? {
            config.network.attn_resolutions = list;
        }
    }
    if let QuantizerConfig::Vq(vq) = &mut config.quantizer
        && let Some(legacy) = said.flag(&LEGACY)?
    {
        vq.placement = if legacy { BetaPlacement::Codebook } else { BetaPlacement::Commitment };
    }
    Ok(())
}
