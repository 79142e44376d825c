//! Encoder and decoder: which layer follows which, and what each is called.

use super::config::{BlockType, NormType, VqModelConfig};
use crate::Result;
use crate::layers::{BlockNames, Builder, Sequence, Weights};

fn level(
    net: &mut Builder,
    (name, kind): (&str, BlockType),
    channels: usize,
    layers: usize,
) -> Result<()> {
    for layer in 0..layers {
        net.res(&format!("{name}.resnets.{layer}"), channels)?;
        if kind.has_attention() {
            net.attention(&format!("{name}.attentions.{layer}"))?;
        }
    }
    Ok(())
}

fn mid(net: &mut Builder, channels: usize, attention: bool) -> Result<()> {
    net.res("mid_block.resnets.0", channels)?;
    if attention {
        net.attention("mid_block.attentions.0")?;
    }
    net.res("mid_block.resnets.1", channels)
}

/// Images (B, C, H, W) to (B, latent_channels, H/f, W/f), before `quant_conv`.
pub(super) fn encoder(config: &VqModelConfig, weights: &Weights) -> Result<Sequence> {
    let grouping = config.grouping();
    let mut net = Builder::new(weights, "encoder", BlockNames::Diffusers, grouping);
    let channels = &config.block_out_channels;
    let (first, last) = (channels[0], channels[channels.len() - 1]);
    net.conv("conv_in", config.in_channels, first)?;
    for (block, (&channels, &kind)) in channels.iter().zip(&config.down_block_types).enumerate() {
        let name = format!("down_blocks.{block}");
        level(&mut net, (&name, kind), channels, config.layers_per_block)?;
        if block + 1 < config.block_out_channels.len() {
            net.down(&format!("{name}.downsamplers.0"))?;
        }
    }
    mid(&mut net, last, config.mid_block_add_attention)?;
    net.out(config.latent_channels)
}

/// (B, latent_channels, h, w), after `post_quant_conv`, to images (B, C, h·f, w·f). Spatial norms are
/// told the quantized latents.
pub(super) fn decoder(config: &VqModelConfig, weights: &Weights) -> Result<Sequence> {
    let (weights, grouping) = (weights.clone().fast(), config.decoder_grouping());
    let mut net = Builder::new(&weights, "decoder", BlockNames::Diffusers, grouping);
    if config.norm_type == NormType::Spatial {
        net = net.told_by(config.vq_embed_dim);
    }
    let channels = &config.block_out_channels;
    let last = channels[channels.len() - 1];
    net.conv("conv_in", config.latent_channels, last)?;
    mid(&mut net, last, config.mid_block_add_attention)?;
    let coarsest_first = channels.iter().rev().zip(&config.up_block_types);
    for (block, (&channels, &kind)) in coarsest_first.enumerate() {
        let name = format!("up_blocks.{block}");
        level(&mut net, (&name, kind), channels, config.layers_per_block + 1)?;
        if block + 1 < config.block_out_channels.len() {
            net.up(&format!("{name}.upsamplers.0"))?;
        }
    }
    net.out(config.out_channels)
}
