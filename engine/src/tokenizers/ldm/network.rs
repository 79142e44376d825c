//! Encoder and decoder: which layer follows which, and what each is called.

use super::config::{LdmConfig, Naming};
use crate::Result;
use crate::layers::{BlockNames, Builder, Sequence, Weights};

/// One half of the network, whose levels have names of their own.
struct Half<'a> {
    config: &'a LdmConfig,
    net: Builder,
    prefix: &'static str,
}

impl<'a> Half<'a> {
    fn new(config: &'a LdmConfig, weights: &Weights, prefix: &'static str) -> Self {
        let net = Builder::new(weights, prefix, BlockNames::Taming, config.grouping());
        Self { config, net, prefix }
    }

    /// The blocks of one level, attention after each where the level has it.
    fn level(&mut self, level: usize, blocks: usize) -> Result<()> {
        for block in 0..blocks {
            let (res, attention) = self.block_names(level, block);
            self.net.res(&res, self.config.channels(level))?;
            if self.config.attention_at(level) {
                self.net.attention(&attention)?;
            }
        }
        Ok(())
    }

    /// What a level is called: the decoders of LlamaGen and Janus count from the coarsest.
    fn level_name(&self, level: usize) -> String {
        let from_coarsest = self.config.ch_mult.len() - 1 - level;
        match (self.config.naming, self.prefix) {
            (Naming::Taming | Naming::Janus, "encoder") => format!("down.{level}"),
            (Naming::Taming, _) => format!("up.{level}"),
            (Naming::Janus, _) => format!("up.{from_coarsest}"),
            (Naming::LlamaGen, "encoder") => format!("conv_blocks.{level}"),
            (Naming::LlamaGen, _) => format!("conv_blocks.{from_coarsest}"),
        }
    }

    fn block_names(&self, level: usize, block: usize) -> (String, String) {
        let name = self.level_name(level);
        let res = match self.config.naming {
            Naming::Taming | Naming::Janus => "block",
            Naming::LlamaGen => "res",
        };
        (format!("{name}.{res}.{block}"), format!("{name}.attn.{block}"))
    }

    fn mid(&mut self) -> Result<()> {
        if !self.config.mid {
            return Ok(());
        }
        let [first, attention, second] = match self.config.naming {
            Naming::Taming | Naming::Janus => ["mid.block_1", "mid.attn_1", "mid.block_2"],
            Naming::LlamaGen => ["mid.0", "mid.1", "mid.2"],
        };
        let channels = self.config.channels(self.config.ch_mult.len() - 1);
        self.net.res(first, channels)?;
        if self.config.mid_attention {
            self.net.attention(attention)?;
        }
        self.net.res(second, channels)
    }
}

/// Images (B, 3, H, W) to (B, z, H/f, W/f), before `quant_conv`.
pub(super) fn encoder(config: &LdmConfig, weights: &Weights) -> Result<Sequence> {
    let mut half = Half::new(config, weights, "encoder");
    half.net.conv("conv_in", config.in_channels, config.ch)?;
    let levels = config.ch_mult.len();
    for level in 0..levels {
        half.level(level, config.num_res_blocks)?;
        if level + 1 < levels {
            let name = format!("{}.downsample", half.level_name(level));
            half.net.down(&name)?;
        }
    }
    half.mid()?;
    half.net.out(config.encoded())
}

/// (B, z, h, w), after `post_quant_conv`, to images (B, 3, h·f, w·f).
pub(super) fn decoder(config: &LdmConfig, weights: &Weights) -> Result<Sequence> {
    let mut half = Half::new(config, &weights.clone().fast(), "decoder");
    let levels = config.ch_mult.len();
    half.net.conv("conv_in", config.z_channels, config.channels(levels - 1))?;
    half.mid()?;
    for level in (0..levels).rev() {
        half.level(level, config.decoder_blocks())?;
        if level > 0 {
            let name = format!("{}.upsample", half.level_name(level));
            half.net.up(&name)?;
        }
    }
    half.net.out(config.out_ch)
}
