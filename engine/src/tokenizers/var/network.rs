//! Encoder and decoder of VAR's VQVAE: which layer follows which, and what each is called.

use super::config::VarConfig;
use crate::Result;
use crate::layers::{
    Conv2d, Downsample, GroupNorm, Layer, PackedAttention, ResBlock, Sequence, Upsample, Weights,
};

/// Adds named layers below a prefix to a sequence.
struct Builder<'a> {
    config: &'a VarConfig,
    weights: Weights,
    prefix: &'static str,
    layers: Sequence,
    channels: usize,
}

impl<'a> Builder<'a> {
    fn new(config: &'a VarConfig, weights: &Weights, prefix: &'static str) -> Self {
        let layers = Sequence::default();
        Self { config, weights: weights.pp(prefix), prefix, layers, channels: 0 }
    }

    /// `name`: of the activation and of its tensors, below the prefix.
    fn push(&mut self, name: &str, layer: Layer) {
        self.layers.push(format!("{}.{name}", self.prefix), layer);
    }

    fn conv(&mut self, name: &str, inputs: usize, outputs: usize) -> Result<()> {
        let conv = Conv2d::three(&self.weights.pp(name), (inputs, outputs))?;
        self.push(name, Layer::Conv(conv));
        self.channels = outputs;
        Ok(())
    }

    fn res(&mut self, name: &str, outputs: usize) -> Result<()> {
        let channels = (self.channels, outputs);
        let block = ResBlock::new(&self.weights.pp(name), channels, self.config.grouping())?;
        self.push(name, Layer::Res(block));
        self.channels = outputs;
        Ok(())
    }

    fn attention(&mut self, name: &str) -> Result<()> {
        let weights = self.weights.pp(name);
        let attention = PackedAttention::new(&weights, self.channels, self.config.grouping())?;
        self.push(name, Layer::Packed(attention));
        Ok(())
    }

    /// The blocks of one level, attention after each at the coarsest.
    fn level(&mut self, name: &str, level: usize, blocks: usize) -> Result<()> {
        let attends = self.config.using_sa && level + 1 == self.config.ch_mult.len();
        for block in 0..blocks {
            self.res(&format!("{name}.{level}.block.{block}"), self.config.channels(level))?;
            if attends {
                self.attention(&format!("{name}.{level}.attn.{block}"))?;
            }
        }
        Ok(())
    }

    fn mid(&mut self) -> Result<()> {
        let channels = self.channels;
        self.res("mid.block_1", channels)?;
        if self.config.using_mid_sa {
            self.attention("mid.attn_1")?;
        }
        self.res("mid.block_2", channels)
    }

    fn out(mut self, outputs: usize) -> Result<Sequence> {
        let grouping = self.config.grouping();
        let norm = GroupNorm::new(&self.weights.pp("norm_out"), self.channels, grouping)?;
        let conv = Conv2d::three(&self.weights.pp("conv_out"), (self.channels, outputs))?;
        self.push("conv_out", Layer::Out(norm, conv));
        Ok(self.layers)
    }
}

/// Images (B, C, H, W) to (B, D, H/f, W/f), before `quant_conv`.
pub(super) fn encoder(config: &VarConfig, weights: &Weights) -> Result<Sequence> {
    let mut net = Builder::new(config, weights, "encoder");
    net.conv("conv_in", config.in_channels, config.ch)?;
    let levels = config.ch_mult.len();
    for level in 0..levels {
        net.level("down", level, config.num_res_blocks)?;
        if level + 1 < levels {
            let name = format!("down.{level}.downsample");
            let down = Downsample::new(&net.weights.pp(&name), net.channels)?;
            net.push(&name, Layer::Down(down));
        }
    }
    net.mid()?;
    net.out(config.z_channels)
}

/// (B, D, h, w), after `post_quant_conv`, to images (B, C, h·f, w·f).
pub(super) fn decoder(config: &VarConfig, weights: &Weights) -> Result<Sequence> {
    let mut net = Builder::new(config, weights, "decoder");
    let levels = config.ch_mult.len();
    net.conv("conv_in", config.z_channels, config.channels(levels - 1))?;
    net.mid()?;
    for level in (0..levels).rev() {
        net.level("up", level, config.num_res_blocks + 1)?;
        if level > 0 {
            let name = format!("up.{level}.upsample");
            let up = Upsample::new(&net.weights.pp(&name), net.channels)?;
            net.push(&name, Layer::Up(up));
        }
    }
    net.out(config.in_channels)
}
