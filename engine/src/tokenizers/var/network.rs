//! Encoder and decoder of VAR's VQVAE: which layer follows which, and what each is called.

use super::config::VarConfig;
use crate::Result;
use crate::layers::{BlockNames, Builder, Sequence, Weights};

/// A network without layers.
fn empty(config: &VarConfig, weights: &Weights, prefix: &'static str) -> Builder {
    Builder::new(weights, prefix, BlockNames::Taming, config.grouping())
}

/// The blocks of one level, attention after each at the coarsest.
fn add_level(
    net: &mut Builder,
    config: &VarConfig,
    name: &str,
    level: usize,
    blocks: usize,
) -> Result<()> {
    let attends = config.using_sa && level + 1 == config.ch_mult.len();
    for block in 0..blocks {
        net.res(&format!("{name}.{level}.block.{block}"), config.channels(level))?;
        if attends {
            net.packed_attention(&format!("{name}.{level}.attn.{block}"))?;
        }
    }
    Ok(())
}

/// The blocks between the coarsest level and the latents.
fn add_mid(net: &mut Builder, config: &VarConfig) -> Result<()> {
    let channels = config.channels(config.ch_mult.len() - 1);
    net.res("mid.block_1", channels)?;
    if config.using_mid_sa {
        net.packed_attention("mid.attn_1")?;
    }
    net.res("mid.block_2", channels)
}

/// Images (B, C, H, W) to (B, D, H/f, W/f), before `quant_conv`.
pub(super) fn encoder(config: &VarConfig, weights: &Weights) -> Result<Sequence> {
    let mut net = empty(config, weights, "encoder");
    net.conv("conv_in", config.in_channels, config.ch)?;
    let levels = config.ch_mult.len();
    for level in 0..levels {
        add_level(&mut net, config, "down", level, config.num_res_blocks)?;
        if level + 1 < levels {
            net.down(&format!("down.{level}.downsample"))?;
        }
    }
    add_mid(&mut net, config)?;
    net.out(config.z_channels)
}

/// (B, D, h, w), after `post_quant_conv`, to images (B, C, h·f, w·f).
pub(super) fn decoder(config: &VarConfig, weights: &Weights) -> Result<Sequence> {
    let mut net = empty(config, weights, "decoder");
    let levels = config.ch_mult.len();
    net.conv("conv_in", config.z_channels, config.channels(levels - 1))?;
    add_mid(&mut net, config)?;
    for level in (0..levels).rev() {
        add_level(&mut net, config, "up", level, config.num_res_blocks + 1)?;
        if level > 0 {
            net.up(&format!("up.{level}.upsample"))?;
        }
    }
    net.out(config.in_channels)
}
