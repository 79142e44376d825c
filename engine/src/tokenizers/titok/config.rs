//! Hyper-parameters of TiTok, and how they are told from a checkpoint and the configuration beside it.

use crate::layers::Grouping;
use crate::quantizers::{BetaPlacement, CodebookUpdate, QuantizerConfig, VqConfig};
use crate::tokenizers::clues::{Said, grouped, within};
use crate::tokenizers::facts::widest;
use crate::tokenizers::family::{Beside, Shapes, any, count, size};
use crate::tokenizers::maskgit_vqgan::Levels;
use crate::{EngineError, Result};

/// Heads of the sizes that are published by name.
const SIZES: [(&str, usize); 3] = [("small", 8), ("base", 12), ("large", 16)];

/// One of the two vision transformers.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitConfig {
    /// Numbers of a place.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Heads of attention; they divide the width.
    pub heads: usize,
    /// Pixels of a patch along a side; of the legacy decoder, those that its pixel decoder makes of a
    /// place.
    pub patch_size: usize,
}

/// The decoder of MaskGIT-VQGAN that makes pixels in legacy checkpoints.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixelConfig {
    /// Channels of each level, the finest first.
    pub channels: Vec<usize>,
    /// Residual blocks of each level, and between the coarsest level and the latents.
    pub num_res_blocks: usize,
    /// Channels of a pixel code.
    pub z_channels: usize,
    /// Number of pixel codes.
    pub num_embeddings: usize,
    /// Groups of every norm.
    pub norm_groups: usize,
    /// What every norm adds to the variance.
    pub norm_eps: f64,
}

impl PixelConfig {
    pub(super) fn levels(&self, images: usize) -> Levels {
        Levels {
            images,
            channels: self.channels.clone(),
            blocks: self.num_res_blocks,
            latents: self.z_channels,
            grouping: Grouping { groups: self.norm_groups, eps: self.norm_eps },
        }
    }
}

/// TiTok: pictures of one size as one row of tokens.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TitokConfig {
    /// Channels of an image and of its reconstruction.
    pub num_channels: usize,
    /// Pixels along a side of an image.
    pub crop_size: usize,
    /// The transformer that makes tokens.
    pub encoder: VitConfig,
    /// The transformer that makes patches of tokens.
    pub decoder: VitConfig,
    /// Tokens of an image.
    pub num_latent_tokens: usize,
    /// Channels of a code, D.
    pub token_size: usize,
    /// Number of codes, K.
    pub codebook_size: u32,
    /// Latents and codes are brought to length one.
    pub use_l2_norm: bool,
    /// Weight of the commitment loss.
    pub commitment_cost: f64,
    /// The published legacy form: latents are reshaped where they should be turned, and the decoder
    /// predicts codes of MaskGIT-VQGAN, which `pixel` paints.
    pub is_legacy: bool,
    /// The last part of the legacy form; the other form makes pixels itself.
    pub pixel: Option<PixelConfig>,
}

impl TitokConfig {
    /// Channels at each pixel, at most.
    pub(super) fn width(&self) -> usize {
        let pixel = self.pixel.as_ref();
        pixel.map_or(self.num_channels, |pixel| {
            widest(pixel.channels.len(), |at| pixel.channels[at])
        })
    }

    /// The quantizer.
    pub(super) fn vq(&self) -> VqConfig {
        VqConfig {
            codes: self.codebook_size,
            beta: self.commitment_cost,
            placement: BetaPlacement::Commitment,
            normalize: self.use_l2_norm,
            update: CodebookUpdate::Gradient,
            ..VqConfig::default()
        }
    }

    /// Places along a side of what the decoder makes.
    pub(super) fn grid(&self, vit: &VitConfig) -> usize {
        self.crop_size / vit.patch_size.max(1)
    }

    /// Checks every size before anything is allocated.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self) -> Result<()> {
        let bad = |field: &str, reason: String, hint: &str| {
            Err(EngineError::bad_input(field, reason, hint))
        };
        if !matches!(self.num_channels, 1 | 3) {
            let reason = format!("images of {} channels", self.num_channels);
            return bad("num_channels", reason, "1 or 3 can be shown");
        }
        within("crop_size", self.crop_size, 1, 4096)?;
        within("num_latent_tokens", self.num_latent_tokens, 1, 1 << 16)?;
        within("token_size", self.token_size, 1, 4096)?;
        for vit in [&self.encoder, &self.decoder] {
            within("width", vit.width, 1, 8192)?;
            within("layers", vit.layers, 1, 255)?;
            within("heads", vit.heads, 1, vit.width)?;
            if !vit.width.is_multiple_of(vit.heads) {
                let reason = format!("{} heads do not divide a width of {}", vit.heads, vit.width);
                return bad("heads", reason, "");
            }
            within("patch_size", vit.patch_size, 1, self.crop_size)?;
            if !self.crop_size.is_multiple_of(vit.patch_size) || self.grid(vit) > 256 {
                let reason = format!("{} pixels of {}", vit.patch_size, self.crop_size);
                return bad("patch_size", reason, "it divides the image into at most 256 patches");
            }
        }
        match (&self.pixel, self.is_legacy) {
            (None, false) => {}
            (Some(pixel), true) => {
                within("pixel.channels (number of levels)", pixel.channels.len(), 1, 8)?;
                within("pixel.num_res_blocks", pixel.num_res_blocks, 1, 16)?;
                within("pixel.z_channels", pixel.z_channels, 1, 4096)?;
                within("pixel.num_embeddings", pixel.num_embeddings, 1, 1 << 20)?;
                for &channels in &pixel.channels {
                    within("pixel.channels", channels, 1, 4096)?;
                }
                grouped(pixel.norm_groups, pixel.norm_eps, &pixel.channels)?;
                if self.decoder.patch_size != 1 << (pixel.channels.len() - 1) {
                    let reason = format!(
                        "{} levels do not make patches of {} pixels",
                        pixel.channels.len(),
                        self.decoder.patch_size
                    );
                    return bad("pixel.channels", reason, "");
                }
            }
            (_, legacy) => {
                let reason = format!("is_legacy is {legacy}, which does not go with the decoder");
                return bad("pixel", reason, "legacy checkpoints have one, others do not");
            }
        }
        QuantizerConfig::Vq(self.vq()).validate(self.token_size)
    }
}

/// Whether the names are those of a TiTok, of either form.
pub fn claims(shapes: &Shapes<'_>) -> bool {
    (any(shapes, "latent_tokens") || any(shapes, "encoder.latent_token_positional_embedding"))
        && (any(shapes, "encoder.transformer.0.ln_1.")
            || any(shapes, "decoder.transformer.0.ln_1."))
}

fn legacy(shapes: &Shapes<'_>) -> bool {
    any(shapes, "decoder.ffn.2.") || any(shapes, "pixel_decoder.")
}

/// The configuration of a checkpoint, from its shapes and what lies beside it: 1d-tokenizer's yaml or
/// the `config.json` of the same form.
///
/// Shapes tell all sizes, and the form. They do not tell, and without a configuration are taken as
/// published: heads of 64 numbers, `use_l2_norm` (yes in the legacy form, no in the other),
/// `commitment_cost`, and the groups (32) and epsilon (1e-6) of the pixel decoder's norms.
///
/// # Errors
/// [`EngineError::BadInput`] if a tensor that decides is missing, something is of the wrong kind, or the
/// checkpoint is one of TiTok's relatives that have no codes or want a text.
pub fn configure(shapes: &Shapes<'_>, beside: Option<&Beside>) -> Result<TitokConfig> {
    let said = Said(beside);
    refuse_relatives(shapes, said)?;
    let vq = |key: &str| [format!("/{key}"), format!("/model/vq_model/{key}")];
    let is_legacy = match said.flag(&pointers(&vq("is_legacy")))? {
        // A file without the key says nothing: what the names say is sure.
        None => legacy(shapes),
        Some(given) => given,
    };
    let pixel = if is_legacy { Some(pixel(shapes, said)?) } else { None };
    let patch_size = size(shapes, "encoder.patch_embed.weight", 2)?;
    let num_channels = size(shapes, "encoder.patch_embed.weight", 1)?;
    let patches = size(shapes, "encoder.positional_embedding", 0)?.saturating_sub(1);
    let crop_size = patches.isqrt().saturating_mul(patch_size);
    let drawn = match &pixel {
        Some(pixel) => 1 << (pixel.channels.len().clamp(1, 16) - 1),
        None => (size(shapes, "decoder.ffn.0.weight", 0)? / num_channels.max(1)).isqrt(),
    };
    let codes = size(shapes, "quantize.embedding.weight", 0)?;
    let config = TitokConfig {
        num_channels,
        crop_size,
        encoder: vit("encoder", patch_size, shapes, said)?,
        decoder: vit("decoder", drawn, shapes, said)?,
        num_latent_tokens: size(shapes, "latent_tokens", 0)?,
        token_size: size(shapes, "quantize.embedding.weight", 1)?,
        codebook_size: u32::try_from(codes).unwrap_or(u32::MAX),
        use_l2_norm: said.flag(&pointers(&vq("use_l2_norm")))?.unwrap_or(is_legacy),
        commitment_cost: said.number(&pointers(&vq("commitment_cost")))?.unwrap_or(0.25),
        is_legacy,
        pixel,
    };
    config.validate()?;
    Ok(config)
}

fn pointers(names: &[String; 2]) -> [&str; 2] {
    [names[0].as_str(), names[1].as_str()]
}

/// Relatives with the same names that this family cannot be.
fn refuse_relatives(shapes: &Shapes<'_>, said: Said<'_>) -> Result<()> {
    let mode = said.word(&["/quantize_mode", "/model/vq_model/quantize_mode"])?;
    let refuse = |reason: &str, hint: &str| Err(EngineError::bad_input("checkpoint", reason, hint));
    if shapes.keys().any(|name| name.starts_with("decoder.text_guidance")) {
        return refuse(
            "a TA-TiTok, whose decoder wants a text beside the tokens",
            "TiTok checkpoints without text can be opened",
        );
    }
    let stands = any(shapes, "encoder.conv_out.") && any(shapes, "decoder.decoder_embed.");
    if mode == Some("vae") || (stands && !any(shapes, "quantize.")) {
        return refuse(
            "a TiTok with continuous latents: it has no codebook, so there are no tokens",
            "the checkpoints with `vq` in their name have one",
        );
    }
    if legacy(shapes) && !any(shapes, "pixel_decoder.") {
        return refuse(
            "a TiTok of the first stage of training: its decoder gives codes of MaskGIT-VQGAN, and \
             nothing in the file makes pixels of them",
            "open the checkpoint of the second stage",
        );
    }
    Ok(())
}

fn vit(name: &str, patch_size: usize, shapes: &Shapes<'_>, said: Said<'_>) -> Result<VitConfig> {
    let width = size(shapes, &format!("{name}.positional_embedding"), 1)?;
    let block = |at: usize| format!("{name}.transformer.{at}.attn.in_proj_weight");
    let short = if name == "encoder" { "enc" } else { "dec" };
    let heads = said.whole(&[&format!("/{name}/heads"), "/heads"])?;
    let called = said.word(&[
        &format!("/vit_{short}_model_size"),
        &format!("/model/vq_model/vit_{short}_model_size"),
    ])?;
    let named = called.and_then(|called| SIZES.iter().find(|(name, _)| *name == called));
    let named = named.map(|(_, heads)| *heads).filter(|heads| width.is_multiple_of(*heads));
    // All published sizes have heads of 64 numbers.
    let usual = width.is_multiple_of(64).then_some(width / 64);
    let heads = heads.or(usual).or(named);
    let Some(heads) = heads else {
        let reason = format!("nothing says how many heads of attention {width} numbers have");
        let hint = "write {\"heads\": N} to a config.json beside the checkpoint";
        return Err(EngineError::bad_input(name, reason, hint));
    };
    let layers = count(shapes, block);
    Ok(VitConfig { width, layers, heads, patch_size })
}

fn pixel(shapes: &Shapes<'_>, said: Said<'_>) -> Result<PixelConfig> {
    let conv1 =
        |level: usize, block: usize| format!("pixel_decoder.up.{level}.block.{block}.conv1.weight");
    let levels = count(shapes, |level| conv1(level, 0));
    let channels = (0..levels).map(|level| size(shapes, &conv1(level, 0), 0));
    // Without a single level it is the first block that is missing.
    size(shapes, &conv1(0, 0), 0)?;
    Ok(PixelConfig {
        channels: channels.collect::<Result<_>>()?,
        num_res_blocks: count(shapes, |block| conv1(0, block)),
        z_channels: size(shapes, "pixel_quantize.embedding.weight", 1)?,
        num_embeddings: size(shapes, "pixel_quantize.embedding.weight", 0)?,
        norm_groups: said.whole(&["/pixel_norm_groups"])?.unwrap_or(32),
        norm_eps: said.number(&["/pixel_norm_eps"])?.unwrap_or(1e-6),
    })
}
