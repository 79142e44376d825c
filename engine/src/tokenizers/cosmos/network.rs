//! Encoder and decoder: which layer follows which, and what each is called.

use super::config::CosmosConfig;
use crate::Result;
use crate::layers::{BlockNames, Builder, Sequence, Weights};

fn level(
    net: &mut Builder,
    name: &str,
    (channels, attention): (usize, bool),
    blocks: usize,
) -> Result<()> {
    for block in 0..blocks {
        net.res(&format!("{name}.block.{block}"), channels)?;
        if attention {
            net.attention(&format!("{name}.attn.{block}"))?;
        }
    }
    Ok(())
}

fn mid(net: &mut Builder, channels: usize) -> Result<()> {
    net.res("mid.block_1", channels)?;
    net.attention("mid.attn_1")?;
    net.res("mid.block_2", channels)
}

/// Patches (B, C·p², H/p, W/p) to (B, z, H/f, W/f), before `quant_conv`. The first levels halve the
/// size, also the last one if there are as many halvings as levels.
pub(super) fn encoder(config: &CosmosConfig, weights: &Weights) -> Result<Sequence> {
    let mut net = Builder::new(weights, "encoder", BlockNames::Taming, config.grouping());
    let levels = config.channels_mult.len();
    let patched = config.in_channels * config.patch_size * config.patch_size;
    net.conv("conv_in", patched, config.channels)?;
    for at in 0..levels {
        let kind = (config.level_channels(at), config.attention_at(at)[0]);
        level(&mut net, &format!("down.{at}"), kind, config.num_res_blocks)?;
        if at < config.halvings() {
            net.down(&format!("down.{at}.downsample"))?;
        }
    }
    mid(&mut net, config.level_channels(levels - 1))?;
    net.out(config.z_channels)
}

/// (B, z, h, w), after `post_quant_conv`, to patches (B, C·p², H/p, W/p). The last levels, which come
/// first, double the size.
pub(super) fn decoder(config: &CosmosConfig, weights: &Weights) -> Result<Sequence> {
    let weights = weights.clone().fast();
    let mut net = Builder::new(&weights, "decoder", BlockNames::Taming, config.grouping());
    let levels = config.channels_mult.len();
    net.conv("conv_in", config.z_channels, config.level_channels(levels - 1))?;
    mid(&mut net, config.level_channels(levels - 1))?;
    for at in (0..levels).rev() {
        let kind = (config.level_channels(at), config.attention_at(at)[1]);
        level(&mut net, &format!("up.{at}"), kind, config.num_res_blocks + 1)?;
        if at + config.halvings() >= levels {
            net.up(&format!("up.{at}.upsample"))?;
        }
    }
    net.out(config.out_channels * config.patch_size * config.patch_size)
}
