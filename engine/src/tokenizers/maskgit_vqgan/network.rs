//! Encoder and decoder of MaskGIT-VQGAN: convolutions without a bias, no attention, means of 2x2 to
//! halve, and a shortcut that is like no other.

use candle_core::Tensor;

use crate::Result;
use crate::kernels::{self, Conv, Link, Shortcut};
use crate::layers::{Conv2d, GroupNorm, Grouping, Init, Probe, Weights};

/// Sizes of an encoder or a decoder.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::tokenizers) struct Levels {
    /// Channels of an image.
    pub(in crate::tokenizers) images: usize,
    /// Channels of each level, the finest first.
    pub(in crate::tokenizers) channels: Vec<usize>,
    /// Residual blocks of each level, and between the coarsest and the latents.
    pub(in crate::tokenizers) blocks: usize,
    /// Channels of the latents.
    pub(in crate::tokenizers) latents: usize,
    /// The groups of every norm.
    pub(in crate::tokenizers) grouping: Grouping,
}

impl Levels {
    fn coarsest(&self) -> usize {
        self.channels.last().copied().unwrap_or_default()
    }
}

/// A convolution without a bias that keeps the size.
#[derive(Debug)]
struct Bare {
    weight: Tensor,
    conv: Conv,
}

impl Bare {
    fn new(weights: &Weights, (inputs, outputs): (usize, usize), window: usize) -> Result<Self> {
        let init = Init::Uniform(1.0 / ((inputs * window * window) as f32).sqrt());
        let weight = weights.get(&[outputs, inputs, window, window], "weight", init)?;
        Ok(Self { weight, conv: Conv::same(window / 2).with(weights.exactness()) })
    }

    fn link(&self) -> Link<'_> {
        Link::Conv { weight: &self.weight, bias: None, conv: self.conv }
    }
}

/// `x + conv2(silu(norm2(conv1(silu(norm1(x))))))`; where the number of channels changes, `h + nin(h)`
/// of what the second convolution gave: the published code drops x there.
#[derive(Debug)]
struct Block {
    norm1: GroupNorm,
    conv1: Bare,
    norm2: GroupNorm,
    conv2: Bare,
    nin_shortcut: Option<Bare>,
}

impl Block {
    fn new(
        weights: &Weights,
        (inputs, outputs): (usize, usize),
        grouping: Grouping,
    ) -> Result<Self> {
        let shortcut = || Bare::new(&weights.pp("nin_shortcut"), (outputs, outputs), 1);
        Ok(Self {
            norm1: GroupNorm::new(&weights.pp("norm1"), inputs, grouping)?,
            conv1: Bare::new(&weights.pp("conv1"), (inputs, outputs), 3)?,
            norm2: GroupNorm::new(&weights.pp("norm2"), outputs, grouping)?,
            conv2: Bare::new(&weights.pp("conv2"), (outputs, outputs), 3)?,
            nin_shortcut: if inputs == outputs { None } else { Some(shortcut()?) },
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let links =
            [self.norm1.link_silu(), self.conv1.link(), self.norm2.link_silu(), self.conv2.link()];
        match &self.nin_shortcut {
            None => kernels::chain(x, &links, Shortcut::Same),
            Some(nin) => {
                let h = kernels::chain(x, &links, Shortcut::None)?;
                kernels::chain(&h, &[nin.link()], Shortcut::Same)
            }
        }
    }
}

/// Blocks below `name`, the first from `inputs` to `outputs` channels.
fn blocks(
    weights: &Weights,
    count: usize,
    (inputs, outputs): (usize, usize),
    grouping: Grouping,
) -> Result<Vec<Block>> {
    let block = |at: usize| {
        let inputs = if at == 0 { inputs } else { outputs };
        Block::new(&weights.pp(at), (inputs, outputs), grouping)
    };
    (0..count).map(block).collect()
}

fn through(blocks: &[Block], x: Tensor) -> Result<Tensor> {
    blocks.iter().try_fold(x, |x, block| block.forward(&x))
}

/// The blocks between the coarsest level and the latents, each looked at.
fn middle(blocks: &[Block], x: Tensor, at: &str, probe: &mut Probe<'_>) -> Result<Tensor> {
    let mut x = x;
    for (number, block) in blocks.iter().enumerate() {
        x = block.forward(&x)?;
        probe.show(&format!("{at}.mid.{number}"), &x);
    }
    Ok(x)
}

/// The end of a network: norm, SiLU, convolution.
#[derive(Debug)]
struct Out {
    norm: GroupNorm,
    conv: Conv2d,
}

impl Out {
    fn forward(&self, x: &Tensor, at: &str, probe: &mut Probe<'_>) -> Result<Tensor> {
        if probe.looks() {
            probe.show(&format!("{at}.norm_out"), &self.norm.forward(x)?);
        }
        let links = [self.norm.link_silu(), self.conv.link()];
        let y = kernels::chain(x, &links, Shortcut::None)?;
        probe.show(&format!("{at}.conv_out"), &y);
        Ok(y)
    }
}

/// Images to latents.
#[derive(Debug)]
pub(super) struct Encoder {
    conv_in: Bare,
    down: Vec<Vec<Block>>,
    mid: Vec<Block>,
    out: Out,
}

impl Encoder {
    /// `first`: channels before the first level.
    pub(super) fn new(sizes: &Levels, first: usize, weights: &Weights) -> Result<Self> {
        let (last, grouping) = (sizes.coarsest(), sizes.grouping);
        let level = |level: usize| {
            let inputs = if level == 0 { first } else { sizes.channels[level - 1] };
            let weights = weights.pp("down").pp(level).pp("block");
            blocks(&weights, sizes.blocks, (inputs, sizes.channels[level]), grouping)
        };
        Ok(Self {
            conv_in: Bare::new(&weights.pp("conv_in"), (sizes.images, first), 3)?,
            down: (0..sizes.channels.len()).map(level).collect::<Result<_>>()?,
            mid: blocks(&weights.pp("mid"), sizes.blocks, (last, last), grouping)?,
            out: Out {
                norm: GroupNorm::new(&weights.pp("norm_out"), last, grouping)?,
                conv: Conv2d::one(&weights.pp("conv_out"), (last, sizes.latents))?,
            },
        })
    }

    /// Images (B, C, H, W) in [0, 1] to (B, D, H/f, W/f).
    pub(super) fn forward(&self, images: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        let mut x = kernels::chain(images, &[self.conv_in.link()], Shortcut::None)?;
        probe.show("encoder.conv_in", &x);
        for (level, blocks) in self.down.iter().enumerate() {
            x = through(blocks, x)?;
            if level + 1 < self.down.len() {
                x = x.avg_pool2d(2)?;
            }
            probe.show(&format!("encoder.down.{level}"), &x);
        }
        let x = middle(&self.mid, x, "encoder", probe)?;
        self.out.forward(&x, "encoder", probe)
    }
}

/// Latents to images; also the last part of TiTok.
#[derive(Debug)]
pub(in crate::tokenizers) struct Decoder {
    conv_in: Conv2d,
    mid: Vec<Block>,
    /// The finest level first, each with what follows its doubling.
    up: Vec<(Vec<Block>, Option<Conv2d>)>,
    out: Out,
    /// What its layers are called.
    name: &'static str,
}

impl Decoder {
    /// Its tensors, and the layers as a probe sees them, are below `name`.
    ///
    /// The coarsest level is exact and only the rest is fast: where latents hardly differ from place to
    /// place, as the means that TiTok makes, the first norms enlarge all errors, and it costs little.
    pub(in crate::tokenizers) fn new(
        sizes: &Levels,
        weights: &Weights,
        name: &'static str,
    ) -> Result<Self> {
        let weights = weights.pp(name);
        let pictures = weights.clone().fast();
        let (last, grouping) = (sizes.coarsest(), sizes.grouping);
        let first = sizes.channels.first().copied().unwrap_or_default();
        let level = |level: usize| {
            let outputs = sizes.channels[level];
            let inputs = sizes.channels.get(level + 1).copied().unwrap_or(last);
            let weights = pictures.pp("up").pp(level);
            let blocks = blocks(&weights.pp("block"), sizes.blocks, (inputs, outputs), grouping)?;
            let doubling = || Conv2d::three(&weights.pp("upsample_conv"), (outputs, outputs));
            Ok((blocks, if level == 0 { None } else { Some(doubling()?) }))
        };
        Ok(Self {
            conv_in: Conv2d::three(&weights.pp("conv_in"), (sizes.latents, last))?,
            mid: blocks(&weights.pp("mid"), sizes.blocks, (last, last), grouping)?,
            up: (0..sizes.channels.len()).map(level).collect::<Result<_>>()?,
            out: Out {
                norm: GroupNorm::new(&pictures.pp("norm_out"), first, grouping)?,
                conv: Conv2d::three(&pictures.pp("conv_out"), (first, sizes.images))?,
            },
            name,
        })
    }

    /// (B, D, h, w) to images (B, C, h·f, w·f), about [0, 1].
    pub(in crate::tokenizers) fn forward(
        &self,
        latents: &Tensor,
        probe: &mut Probe<'_>,
    ) -> Result<Tensor> {
        let x = self.conv_in.forward(latents)?;
        probe.show(&format!("{}.conv_in", self.name), &x);
        let mut x = middle(&self.mid, x, self.name, probe)?;
        for (level, (blocks, doubling)) in self.up.iter().enumerate().rev() {
            x = through(blocks, x)?;
            if let Some(conv) = doubling {
                x = kernels::chain(&x, &[Link::Double, conv.link()], Shortcut::None)?;
            }
            probe.show(&format!("{}.up.{level}", self.name), &x);
        }
        self.out.forward(&x, self.name, probe)
    }
}
