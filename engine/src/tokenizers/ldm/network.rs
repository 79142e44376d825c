//! Encoder and decoder: which layer follows which, and what each is called.

use super::config::{LdmConfig, Naming};
use crate::Result;
use crate::layers::{
    Attention, Conv2d, Downsample, GroupNorm, Layer, ResBlock, Sequence, Upsample, Weights,
};

/// Adds named layers below a prefix to a sequence.
struct Builder<'a> {
    config: &'a LdmConfig,
    weights: Weights,
    prefix: &'static str,
    layers: Sequence,
    channels: usize,
}

impl<'a> Builder<'a> {
    fn new(config: &'a LdmConfig, weights: &Weights, prefix: &'static str) -> Self {
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
        let attention = Attention::new(&weights, self.channels, self.config.grouping())?;
        self.push(name, Layer::Attention(attention));
        Ok(())
    }

    /// The blocks of one level, attention after each where the level has it.
    fn level(&mut self, level: usize, blocks: usize) -> Result<()> {
        for block in 0..blocks {
            let (res, attention) = self.block_names(level, block);
            self.res(&res, self.config.channels(level))?;
            if self.config.attention_at(level) {
                self.attention(&attention)?;
            }
        }
        Ok(())
    }

    /// What a level is called: the decoder of LlamaGen counts from the coarsest.
    fn level_name(&self, level: usize) -> String {
        match (self.config.naming, self.prefix) {
            (Naming::Taming, "encoder") => format!("down.{level}"),
            (Naming::Taming, _) => format!("up.{level}"),
            (Naming::LlamaGen, "encoder") => format!("conv_blocks.{level}"),
            (Naming::LlamaGen, _) => {
                format!("conv_blocks.{}", self.config.ch_mult.len() - 1 - level)
            }
        }
    }

    fn block_names(&self, level: usize, block: usize) -> (String, String) {
        let name = self.level_name(level);
        let res = match self.config.naming {
            Naming::Taming => "block",
            Naming::LlamaGen => "res",
        };
        (format!("{name}.{res}.{block}"), format!("{name}.attn.{block}"))
    }

    fn mid(&mut self) -> Result<()> {
        if !self.config.mid {
            return Ok(());
        }
        let [first, attention, second] = match self.config.naming {
            Naming::Taming => ["mid.block_1", "mid.attn_1", "mid.block_2"],
            Naming::LlamaGen => ["mid.0", "mid.1", "mid.2"],
        };
        let channels = self.channels;
        self.res(first, channels)?;
        if self.config.mid_attention {
            self.attention(attention)?;
        }
        self.res(second, channels)
    }

    fn out(mut self, outputs: usize) -> Result<Sequence> {
        let grouping = self.config.grouping();
        let norm = GroupNorm::new(&self.weights.pp("norm_out"), self.channels, grouping)?;
        let conv = Conv2d::three(&self.weights.pp("conv_out"), (self.channels, outputs))?;
        self.push("conv_out", Layer::Out(norm, conv));
        Ok(self.layers)
    }
}

/// Images (B, 3, H, W) to (B, z, H/f, W/f), before `quant_conv`.
pub(super) fn encoder(config: &LdmConfig, weights: &Weights) -> Result<Sequence> {
    let mut net = Builder::new(config, weights, "encoder");
    net.conv("conv_in", config.in_channels, config.ch)?;
    let levels = config.ch_mult.len();
    for level in 0..levels {
        net.level(level, config.num_res_blocks)?;
        if level + 1 < levels {
            let name = format!("{}.downsample", net.level_name(level));
            let down = Downsample::new(&net.weights.pp(&name), net.channels)?;
            net.push(&name, Layer::Down(down));
        }
    }
    net.mid()?;
    net.out(config.encoded())
}

/// (B, z, h, w), after `post_quant_conv`, to images (B, 3, h·f, w·f).
pub(super) fn decoder(config: &LdmConfig, weights: &Weights) -> Result<Sequence> {
    let mut net = Builder::new(config, &weights.clone().fast(), "decoder");
    let levels = config.ch_mult.len();
    net.conv("conv_in", config.z_channels, config.channels(levels - 1))?;
    net.mid()?;
    for level in (0..levels).rev() {
        net.level(level, config.decoder_blocks())?;
        if level > 0 {
            let name = format!("{}.upsample", net.level_name(level));
            let up = Upsample::new(&net.weights.pp(&name), net.channels)?;
            net.push(&name, Layer::Up(up));
        }
    }
    net.out(config.out_ch)
}
