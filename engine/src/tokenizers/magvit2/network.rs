//! Encoder and decoder of Open-MAGVIT2: which layer follows which, and what each is called.

use candle_core::Tensor;

use super::config::Magvit2Config;
use super::norm::{AdaptiveNorm, Style};
use crate::Result;
use crate::kernels::Conv;
use crate::layers::{Conv2d, GroupNorm, Layer, Probe, ResBlock, Sequence, Weights};

/// The end of both halves: norm, SiLU, convolution.
#[derive(Debug)]
struct Tail {
    name: &'static str,
    norm: GroupNorm,
    conv: Conv2d,
}

impl Tail {
    fn new(
        name: &'static str,
        weights: &Weights,
        channels: usize,
        conv: Conv2d,
        config: &Magvit2Config,
    ) -> Result<Self> {
        let norm = GroupNorm::new(&weights.pp("norm_out"), channels, config.grouping())?;
        Ok(Self { name, norm, conv })
    }

    fn forward(&self, x: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let normal = self.norm.forward(x)?;
        probe.show(&format!("{}.norm_out", self.name), &normal);
        let y = self.conv.forward(&normal.silu()?)?;
        probe.show(&format!("{}.conv_out", self.name), &y);
        Ok(y)
    }
}

/// Residual blocks in a row, without biases.
fn blocks(
    layers: &mut Sequence,
    weights: &Weights,
    (half, name): (&str, &str),
    (mut inputs, outputs): (usize, usize),
    config: &Magvit2Config,
) -> Result<()> {
    for block in 0..config.num_res_blocks {
        let name = format!("{name}.{block}");
        let channels = (inputs, outputs);
        let res = ResBlock::without_bias(&weights.pp(&name), channels, config.grouping())?;
        layers.push(format!("{half}.{name}"), Layer::Res(res));
        inputs = outputs;
    }
    Ok(())
}

/// Images to latents.
#[derive(Debug)]
pub(super) struct Encoder {
    layers: Sequence,
    tail: Tail,
}

impl Encoder {
    pub(super) fn new(config: &Magvit2Config, weights: &Weights) -> Result<Self> {
        let weights = weights.pp("encoder");
        let mut layers = Sequence::default();
        let first = (config.in_channels, config.ch);
        let conv = Conv2d::without_bias(&weights.pp("conv_in"), first, 3, Conv::same(1))?;
        layers.push("encoder.conv_in".to_owned(), Layer::Conv(conv));
        let levels = config.ch_mult.len();
        let mut channels = config.ch;
        for level in 0..levels {
            let outputs = config.channels(level);
            let name = format!("down.{level}.block");
            blocks(&mut layers, &weights, ("encoder", &name), (channels, outputs), config)?;
            channels = outputs;
            if level + 1 < levels {
                // Zeros on all sides, unlike the other families.
                let name = format!("down.{level}.downsample");
                let halved = Conv::new(2, 1, 1);
                let down = Conv2d::new(&weights.pp(&name), (channels, channels), 3, halved)?;
                layers.push(format!("encoder.{name}"), Layer::Conv(down));
            }
        }
        blocks(&mut layers, &weights, ("encoder", "mid_block"), (channels, channels), config)?;
        let conv = Conv2d::one(&weights.pp("conv_out"), (channels, config.z_channels))?;
        let tail = Tail::new("encoder", &weights, channels, conv, config)?;
        Ok(Self { layers, tail })
    }

    /// (B, C, H, W) to (B, D, H/f, W/f).
    pub(super) fn forward(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let x = self.layers.forward(images, probe)?;
        self.tail.forward(&x, probe)
    }
}

/// A level of the decoder.
#[derive(Debug)]
struct Level {
    /// Its number; the finest is 0.
    number: usize,
    adaptive: AdaptiveNorm,
    blocks: Sequence,
    /// Four times the channels, which become twice the size.
    up: Option<Conv2d>,
}

/// Codes to images.
#[derive(Debug)]
pub(super) struct Decoder {
    front: Sequence,
    levels: Vec<Level>,
    tail: Tail,
}

impl Decoder {
    pub(super) fn new(config: &Magvit2Config, weights: &Weights) -> Result<Self> {
        let weights = weights.pp("decoder").fast();
        let (count, dim) = (config.ch_mult.len(), config.z_channels);
        let mut channels = config.channels(count - 1);
        let mut front = Sequence::default();
        let conv = Conv2d::three(&weights.pp("conv_in"), (dim, channels))?;
        front.push("decoder.conv_in".to_owned(), Layer::Conv(conv));
        blocks(&mut front, &weights, ("decoder", "mid_block"), (channels, channels), config)?;
        let mut levels = Vec::with_capacity(count);
        for number in (0..count).rev() {
            let norm = weights.pp(format!("adaptive.{number}"));
            let adaptive = AdaptiveNorm::new(&norm, (dim, channels), config.grouping())?;
            let outputs = config.channels(number);
            let (name, mut layers) = (format!("up.{number}"), Sequence::default());
            let block = format!("{name}.block");
            blocks(&mut layers, &weights, ("decoder", &block), (channels, outputs), config)?;
            channels = outputs;
            let up = (number > 0).then(|| {
                let conv = weights.pp(format!("{name}.upsample.conv1"));
                Conv2d::three(&conv, (channels, 4 * channels))
            });
            levels.push(Level { number, adaptive, blocks: layers, up: up.transpose()? });
        }
        let conv = Conv2d::three(&weights.pp("conv_out"), (channels, config.out_ch))?;
        let tail = Tail::new("decoder", &weights, channels, conv, config)?;
        Ok(Self { front, levels, tail })
    }

    /// (B, D, h, w) to (B, C, h·f, w·f).
    pub(super) fn forward(&self, codes: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let style = Style::new(codes)?;
        let mut x = self.front.forward(codes, probe)?;
        for Level { number, adaptive, blocks, up } in &self.levels {
            x = adaptive.forward(&x, &style)?;
            probe.show(&format!("decoder.adaptive.{number}"), &x);
            x = blocks.forward(&x, probe)?;
            if let Some(up) = up {
                x = depth_to_space(&up.forward(&x)?)?;
                probe.show(&format!("decoder.up.{number}.upsample"), &x);
            }
        }
        self.tail.forward(&x, probe)
    }
}

/// Four channels become one of twice the size: (B, 4C, H, W) to (B, C, 2H, 2W). Channel 2y + x times C
/// and on goes to row y and column x of each square ("DCR").
///
/// # Errors
/// If the channels do not divide by four.
pub fn depth_to_space(x: &Tensor) -> Result<Tensor> {
    let (b, channels, h, w) = x.dims4()?;
    let parts = x.reshape((b, 2, 2, channels / 4, h, w))?;
    let placed = parts.permute((0, 3, 4, 1, 5, 2))?.contiguous()?;
    Ok(placed.reshape((b, channels / 4, 2 * h, 2 * w))?)
}
