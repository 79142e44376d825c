//! Encoder and decoder of TiTok around their transformers.

use candle_core::{D, Tensor};

use super::config::{PixelConfig, TitokConfig};
use super::vit::Vit;
use crate::Result;
use crate::kernels::Conv;
use crate::layers::{Conv2d, Init, Linear, Probe, Weights};
use crate::tokenizers::maskgit_vqgan::Decoder as PixelDecoder;

/// Images to latents, one for each token.
#[derive(Debug)]
pub(super) struct Encoder {
    patch_embed: Conv2d,
    /// (n, W): what the tokens are before they have seen anything.
    latent_tokens: Tensor,
    vit: Vit,
    conv_out: Conv2d,
    is_legacy: bool,
}

impl Encoder {
    pub(super) fn new(config: &TitokConfig, weights: &Weights) -> Result<Self> {
        let (vit, tokens) = (&config.encoder, config.num_latent_tokens);
        let below = weights.pp("encoder");
        let grid = config.grid(vit);
        let start = Init::Normal((vit.width as f32).powf(-0.5));
        let patches = Conv::new(vit.patch_size, 0, 0);
        let channels = (config.num_channels, vit.width);
        Ok(Self {
            patch_embed: Conv2d::new(&below.pp("patch_embed"), channels, vit.patch_size, patches)?,
            latent_tokens: weights.get(&[tokens, vit.width], "latent_tokens", start)?,
            vit: Vit::new(vit, (grid * grid, tokens), weights, "encoder")?,
            conv_out: Conv2d::one(&below.pp("conv_out"), (vit.width, config.token_size))?,
            is_legacy: config.is_legacy,
        })
    }

    /// Images (B, C, H, W) in [0, 1] to latents (B, D, 1, n).
    pub(super) fn forward(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let patches = self.patch_embed.forward(images)?;
        probe.show("encoder.patch_embed", &patches);
        let b = patches.dim(0)?;
        let grid = patches.flatten_from(2)?.transpose(1, 2)?.contiguous()?;
        let (n, width) = self.latent_tokens.dims2()?;
        let latents = self.latent_tokens.unsqueeze(0)?.broadcast_as((b, n, width))?;
        let tokens = self.vit.tokens(&grid, &latents.contiguous()?, probe)?;
        // Released weights were trained with tokens and channels mixed up like this.
        let columns = if self.is_legacy {
            tokens.reshape((b, width, n, 1))?
        } else {
            tokens.transpose(1, 2)?.contiguous()?.reshape((b, width, n, 1))?
        };
        let latents = self.conv_out.forward(&columns)?;
        probe.show("encoder.conv_out", &latents);
        Ok(latents.reshape((b, (), 1, n))?)
    }
}

/// What stands behind the decoder's transformer.
#[derive(Debug)]
enum Painter {
    /// Which pixel codes each place could have, and the decoder of their mean.
    Pixels { ffn: [Conv2d; 2], codes: Tensor, decoder: PixelDecoder },
    /// The pixels of a patch for each place, then a convolution over its edges.
    Patches { ffn: Conv2d, conv_out: Conv2d, patch_size: usize },
}

/// Latents to images.
#[derive(Debug)]
pub(super) struct Decoder {
    embed: Linear,
    /// (1, 1, W): every place of the grid before it has seen anything.
    mask_token: Tensor,
    vit: Vit,
    painter: Painter,
    grid: usize,
}

impl Decoder {
    pub(super) fn new(config: &TitokConfig, weights: &Weights) -> Result<Self> {
        let (vit, images) = (&config.decoder, config.num_channels);
        let below = weights.pp("decoder");
        let grid = config.grid(vit);
        let start = Init::Normal((vit.width as f32).powf(-0.5));
        let painter = match &config.pixel {
            Some(pixel) => pixels(pixel, images, vit.width, weights)?,
            None => Painter::Patches {
                ffn: Conv2d::one(
                    &below.pp("ffn.0"),
                    (vit.width, images * vit.patch_size * vit.patch_size),
                )?,
                conv_out: Conv2d::three(&below.pp("conv_out"), (images, images))?,
                patch_size: vit.patch_size,
            },
        };
        Ok(Self {
            embed: Linear::new(&below.pp("decoder_embed"), (config.token_size, vit.width))?,
            mask_token: below.get(&[1, 1, vit.width], "mask_token", start)?,
            vit: Vit::new(vit, (grid * grid, config.num_latent_tokens), weights, "decoder")?,
            painter,
            grid,
        })
    }

    /// Quantized latents (B, D, 1, n) to images (B, C, H, W), about [0, 1].
    pub(super) fn forward(&self, latents: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let b = latents.dim(0)?;
        let rows = latents.squeeze(2)?.transpose(1, 2)?.contiguous()?;
        let tokens = self.embed.forward(&rows)?;
        probe.show("decoder.decoder_embed", &tokens);
        let (places, width) = (self.grid * self.grid, tokens.dim(2)?);
        let empty = self.mask_token.broadcast_as((b, places, width))?.contiguous()?;
        let grid = self.vit.places(&empty, &tokens, probe)?;
        let map = grid.transpose(1, 2)?.contiguous()?.reshape((b, width, self.grid, self.grid))?;
        match &self.painter {
            Painter::Pixels { ffn: [wide, out], codes, decoder } => {
                let logits = out.forward(&wide.forward(&map)?.tanh()?)?;
                probe.show("pixel_logits", &logits);
                let mean = expected(&logits, codes)?;
                probe.show("pixel_quantized_soft", &mean);
                decoder.forward(&mean, probe)
            }
            Painter::Patches { ffn, conv_out, patch_size } => {
                let patches = ffn.forward(&map)?;
                probe.show("decoder.ffn.0", &patches);
                let pixels = unfold(&patches, *patch_size)?;
                probe.show("decoder.ffn", &pixels);
                let images = conv_out.forward(&pixels)?;
                probe.show("decoder.conv_out", &images);
                Ok(images)
            }
        }
    }
}

fn pixels(pixel: &PixelConfig, images: usize, width: usize, weights: &Weights) -> Result<Painter> {
    let (below, count) = (weights.pp("decoder"), pixel.num_embeddings);
    let spread = Init::Uniform(1.0 / count as f32);
    let shape = [count, pixel.z_channels];
    Ok(Painter::Pixels {
        ffn: [
            Conv2d::one(&below.pp("ffn.0"), (width, 2 * width))?,
            Conv2d::one(&below.pp("ffn.2"), (2 * width, count))?,
        ],
        codes: weights.pp("pixel_quantize").pp("embedding").get(&shape, "weight", spread)?,
        decoder: PixelDecoder::new(&pixel.levels(images), weights, "pixel_decoder")?,
    })
}

/// The mean code (B, D, h, w) at each place, by logits (B, K, h, w) and codes (K, D).
fn expected(logits: &Tensor, codes: &Tensor) -> Result<Tensor> {
    let (b, k, h, w) = logits.dims4()?;
    let rows = logits.permute((0, 2, 3, 1))?.reshape((b * h * w, k))?;
    // Not a fused softmax: candle's drops the gradient.
    let down = rows.broadcast_sub(&rows.max_keepdim(D::Minus1)?.detach())?.exp()?;
    let shares = down.broadcast_div(&down.sum_keepdim(D::Minus1)?)?;
    let rows = shares.matmul(codes)?.reshape((b, h, w, ()))?;
    Ok(rows.permute((0, 3, 1, 2))?.contiguous()?)
}

/// The pixels (B, C, h·p, w·p) of patches (B, p·p·C, h, w), whose channels are row, column, color.
fn unfold(patches: &Tensor, size: usize) -> Result<Tensor> {
    let (b, channels, h, w) = patches.dims4()?;
    let colors = channels / (size * size);
    let apart = patches.reshape(&[b, size, size, colors, h, w][..])?;
    let turned = apart.permute(vec![0, 3, 4, 1, 5, 2])?;
    Ok(turned.contiguous()?.reshape((b, colors, h * size, w * size))?)
}
