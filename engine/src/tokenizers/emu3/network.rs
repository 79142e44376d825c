//! The spatial encoder and decoder, and the temporal layers between them and the codes.

use candle_core::Tensor;

use super::config::Emu3Config;
use super::temporal::{CausalConv, TemporalRes, double_frames};
use crate::Result;
use crate::layers::{BlockNames, Builder, Probe, Sequence, Weights};

fn level(
    net: &mut Builder,
    name: &str,
    (config, level): (&Emu3Config, usize),
    blocks: usize,
) -> Result<()> {
    for block in 0..blocks {
        net.res(&format!("{name}.block.{block}"), config.channels(level))?;
        if config.attention_at(level) {
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

/// Frames (B, C, H, W) to (B, z, H/f, W/f).
pub(super) fn encoder(config: &Emu3Config, weights: &Weights) -> Result<Sequence> {
    let mut net = Builder::new(weights, "encoder", BlockNames::Taming, config.grouping());
    let levels = config.ch_mult.len();
    net.conv("conv_in", config.in_channels, config.ch)?;
    for at in 0..levels {
        level(&mut net, &format!("down.{at}"), (config, at), config.num_res_blocks)?;
        if at + 1 < levels {
            net.down(&format!("down.{at}.downsample"))?;
        }
    }
    mid(&mut net, config.channels(levels - 1))?;
    net.out(config.z_channels)
}

/// (B, z, h, w), told the codes' vectors of that frame, to frames (B, C, h·f, w·f).
pub(super) fn decoder(config: &Emu3Config, weights: &Weights) -> Result<Sequence> {
    let weights = weights.clone().fast();
    let mut net = Builder::new(&weights, "decoder", BlockNames::Taming, config.grouping())
        .told_by(config.embed_dim);
    let coarsest = config.ch_mult.len() - 1;
    net.conv("conv_in", config.z_channels, config.channels(coarsest))?;
    mid(&mut net, config.channels(coarsest))?;
    for at in (0..=coarsest).rev() {
        level(&mut net, &format!("up.{at}"), (config, at), config.num_res_blocks + 1)?;
        if at > 0 {
            net.up(&format!("up.{at}.upsample"))?;
        }
    }
    net.out(config.out_channels)
}

/// Convolutions that halve or double the frames, and residual blocks in time.
#[derive(Debug)]
pub(super) struct Temporal {
    convs: Vec<CausalConv>,
    blocks: Vec<TemporalRes>,
    prefix: &'static str,
}

impl Temporal {
    fn new(
        config: &Emu3Config,
        weights: &Weights,
        prefix: &'static str,
        (kernel, step): (usize, usize),
    ) -> Result<Self> {
        let (weights, z) = (weights.pp(prefix), config.z_channels);
        let conv = |at| {
            let weights = weights.pp(format!("time_conv.{at}.conv"));
            CausalConv::new(&weights, (z, z), (kernel, 3), step)
        };
        let block = |at| {
            let weights = weights.pp(format!("time_res_stack.{at}"));
            TemporalRes::new(&weights, z, config.batchnorm_eps)
        };
        Ok(Self {
            convs: (0..config.halvings()).map(conv).collect::<Result<_>>()?,
            blocks: (0..config.num_res_blocks).map(block).collect::<Result<_>>()?,
            prefix,
        })
    }

    /// The encoder's.
    pub(super) fn down(config: &Emu3Config, weights: &Weights) -> Result<Self> {
        Self::new(config, weights, "encoder", (4, 2))
    }

    /// The decoder's.
    pub(super) fn up(config: &Emu3Config, weights: &Weights) -> Result<Self> {
        Self::new(config, &weights.clone().fast(), "decoder", (3, 1))
    }

    /// Fewer frames: (B, z, T, h, w) to (B, z, T / 2^halvings, h, w).
    pub(super) fn gather(&self, z: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let mut z = z.clone();
        for (at, conv) in self.convs.iter().enumerate() {
            let y = conv.forward(&z)?;
            probe.show(&format!("{}.time_conv.{at}", self.prefix), &y);
            z = y.silu()?;
        }
        self.stack(&z, probe)
    }

    /// More frames: (B, z, T, h, w) to the first `frames` of T · 2^halvings. What only later frames
    /// need is not computed.
    pub(super) fn scatter(
        &self,
        z: &Tensor,
        frames: usize,
        probe: &mut Probe<'_>,
    ) -> Result<Tensor> {
        let mut z = self.stack(z, probe)?;
        for (at, conv) in self.convs.iter().enumerate() {
            let doublings_left = self.convs.len() - 1 - at;
            let twice = double_frames(&z)?;
            let enough = frames.div_ceil(1 << doublings_left).min(twice.dim(2)?);
            let y = conv.forward(&twice.narrow(2, 0, enough)?)?;
            probe.show(&format!("{}.time_conv.{at}", self.prefix), &y);
            z = y.silu()?;
        }
        Ok(z)
    }

    fn stack(&self, z: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let mut z = z.clone();
        for block in &self.blocks {
            z = block.forward(&z)?;
        }
        probe.show(&format!("{}.time_res_stack", self.prefix), &z);
        Ok(z)
    }
}
