//! Makes a sequence of named layers, counting channels on the way.

use super::{
    Attention, BlockNames, Conv2d, Downsample, GroupNorm, Grouping, Layer, PackedAttention,
    ResBlock, Sequence, SpatialAttention, SpatialNorm, SpatialRes, Upsample, Weights,
};
use crate::Result;

/// Adds layers one after another; each is called what its tensors are called.
#[derive(Debug)]
pub struct Builder {
    weights: Weights,
    prefix: &'static str,
    names: BlockNames,
    grouping: Grouping,
    condition: Option<usize>,
    channels: usize,
    layers: Sequence,
}

impl Builder {
    /// For tensors below `prefix`, such as "encoder".
    pub fn new(
        weights: &Weights,
        prefix: &'static str,
        names: BlockNames,
        grouping: Grouping,
    ) -> Self {
        let weights = weights.pp(prefix);
        let layers = Sequence::default();
        Self { weights, prefix, names, grouping, condition: None, channels: 0, layers }
    }

    /// All norms are spatial, told by a condition of so many channels; its sequence is run with
    /// [`Sequence::forward_told`].
    #[must_use]
    pub fn told_by(self, channels: usize) -> Self {
        Self { condition: Some(channels), ..self }
    }

    fn push(&mut self, name: &str, layer: Layer) {
        self.layers.push(format!("{}.{name}", self.prefix), layer);
    }

    /// A 3x3 convolution.
    pub fn conv(&mut self, name: &str, inputs: usize, outputs: usize) -> Result<()> {
        let conv = Conv2d::three(&self.weights.pp(name), (inputs, outputs))?;
        self.push(name, Layer::Conv(conv));
        self.channels = outputs;
        Ok(())
    }

    /// A residual block.
    pub fn res(&mut self, name: &str, outputs: usize) -> Result<()> {
        let (weights, channels) = (self.weights.pp(name), (self.channels, outputs));
        let layer = match self.condition {
            None => Layer::Res(ResBlock::named(&weights, channels, self.grouping, self.names)?),
            Some(condition) => Layer::SpatialRes(SpatialRes::new(
                &weights,
                channels,
                condition,
                self.grouping,
                self.names,
            )?),
        };
        self.push(name, layer);
        self.channels = outputs;
        Ok(())
    }

    /// Attention between all places.
    pub fn attention(&mut self, name: &str) -> Result<()> {
        let (weights, channels) = (self.weights.pp(name), self.channels);
        let layer = match self.condition {
            None => {
                Layer::Attention(Attention::named(&weights, channels, self.grouping, self.names)?)
            }
            Some(condition) => Layer::SpatialAttention(SpatialAttention::new(
                &weights,
                (channels, condition),
                self.grouping,
                self.names,
            )?),
        };
        self.push(name, layer);
        Ok(())
    }

    /// Attention between all places, its queries, keys and values from one convolution.
    pub fn packed_attention(&mut self, name: &str) -> Result<()> {
        let weights = self.weights.pp(name);
        let attention = PackedAttention::new(&weights, self.channels, self.grouping)?;
        self.push(name, Layer::Packed(attention));
        Ok(())
    }

    /// Half the size.
    pub fn down(&mut self, name: &str) -> Result<()> {
        let down = Downsample::new(&self.weights.pp(name), self.channels)?;
        self.push(name, Layer::Down(down));
        Ok(())
    }

    /// Twice the size.
    pub fn up(&mut self, name: &str) -> Result<()> {
        let up = Upsample::new(&self.weights.pp(name), self.channels)?;
        self.push(name, Layer::Up(up));
        Ok(())
    }

    /// The end of a network: norm, SiLU, convolution.
    pub fn out(mut self, outputs: usize) -> Result<Sequence> {
        let name = self.names.last_norm();
        let (norm, channels) = (self.weights.pp(name), self.channels);
        let conv = Conv2d::three(&self.weights.pp("conv_out"), (channels, outputs))?;
        match self.condition {
            None => {
                let norm = GroupNorm::new(&norm, channels, self.grouping)?;
                self.push("conv_out", Layer::Out(norm, conv));
            }
            Some(condition) => {
                let norm = SpatialNorm::new(&norm, (channels, condition), self.grouping)?;
                self.push(name, Layer::SpatialNorm(norm));
                self.push("conv_out", Layer::Conv(conv));
            }
        }
        Ok(self.layers)
    }
}
