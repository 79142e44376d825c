//! Layers one after another, each with its published name, so that every step can be looked at.

use candle_core::Tensor;

use super::{
    Attention, Conv2d, Downsample, GroupNorm, ResBlock, SpatialAttention, SpatialNorm, SpatialRes,
    Upsample,
};
use crate::kernels::{self, Shortcut};
use crate::{EngineError, Result};

/// What is called with the name of each layer and what it gave.
type Look<'a> = &'a mut dyn FnMut(&str, &Tensor);

/// Looks at named activations as they are made; costs nothing when nobody looks.
#[derive(Default)]
pub struct Probe<'a>(Option<Look<'a>>);

impl<'a> Probe<'a> {
    /// Nobody looks.
    pub fn none() -> Self {
        Self(None)
    }

    /// `look` is called with the name of each layer and what it gave.
    pub fn new(look: Look<'a>) -> Self {
        Self(Some(look))
    }

    /// Whether somebody looks: for activations that are made for that alone.
    pub fn looks(&self) -> bool {
        self.0.is_some()
    }

    /// Shows an activation.
    pub fn show(&mut self, name: &str, tensor: &Tensor) {
        if let Some(look) = &mut self.0 {
            look(name, tensor);
        }
    }
}

/// One layer of a [`Sequence`].
#[derive(Debug)]
pub enum Layer {
    /// A convolution.
    Conv(Conv2d),
    /// A residual block.
    Res(ResBlock),
    /// Attention between all places.
    Attention(Attention),
    /// The same with one projection of its inputs.
    Packed(super::PackedAttention),
    /// Half the size.
    Down(Downsample),
    /// Twice the size.
    Up(Upsample),
    /// The end of a network: norm, SiLU, convolution.
    Out(GroupNorm, Conv2d),
    /// A residual block whose norms are told something about each place.
    SpatialRes(SpatialRes),
    /// Attention whose norm is told something about each place.
    SpatialAttention(SpatialAttention),
    /// A norm that is told something about each place, then SiLU.
    SpatialNorm(SpatialNorm),
}

impl Layer {
    fn forward(&self, x: &Tensor, told: Option<&Tensor>) -> Result<Tensor> {
        let told = || {
            let reason = "it has spatial norms, which nothing was told";
            told.ok_or_else(|| EngineError::bad_input("network", reason, ""))
        };
        match self {
            Self::Conv(layer) => layer.forward(x),
            Self::Res(layer) => layer.forward(x),
            Self::Attention(layer) => layer.forward(x),
            Self::Packed(layer) => layer.forward(x),
            Self::Down(layer) => layer.forward(x),
            Self::Up(layer) => layer.forward(x),
            Self::Out(norm, conv) => {
                kernels::chain(x, &[norm.link_silu(), conv.link()], Shortcut::None)
            }
            Self::SpatialRes(layer) => layer.forward(x, told()?),
            Self::SpatialAttention(layer) => layer.forward(x, told()?),
            Self::SpatialNorm(layer) => layer.forward_silu(x, told()?),
        }
    }
}

/// Named layers, run in order.
#[derive(Debug, Default)]
pub struct Sequence {
    layers: Vec<(String, Layer)>,
}

impl Sequence {
    /// Adds a layer at the end.
    pub fn push(&mut self, name: String, layer: Layer) {
        self.layers.push((name, layer));
    }

    /// Runs every layer; `probe` sees what each gives.
    pub fn forward(&self, x: &Tensor, probe: &mut Probe<'_>) -> Result<Tensor> {
        self.run(x, None, probe)
    }

    /// The same with what spatial norms are told: (B, C, h, w), whose sides divide those of x.
    pub fn forward_told(
        &self,
        x: &Tensor,
        condition: &Tensor,
        probe: &mut Probe<'_>,
    ) -> Result<Tensor> {
        self.run(x, Some(condition), probe)
    }

    /// Runs every layer but the last.
    pub fn forward_but_last(&self, x: &Tensor) -> Result<Tensor> {
        let before = &self.layers[..self.layers.len().saturating_sub(1)];
        before.iter().try_fold(x.clone(), |x, (_, layer)| layer.forward(&x, None))
    }

    /// Runs the last layer alone.
    pub fn forward_last(&self, x: &Tensor) -> Result<Tensor> {
        self.layers.last().map_or_else(|| Ok(x.clone()), |(_, layer)| layer.forward(x, None))
    }

    fn run(&self, x: &Tensor, told: Option<&Tensor>, probe: &mut Probe<'_>) -> Result<Tensor> {
        let mut x = x.clone();
        for (name, layer) in &self.layers {
            x = layer.forward(&x, told)?;
            probe.show(name, &x);
        }
        Ok(x)
    }
}
