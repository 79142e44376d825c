//! What the operations are told: how exact, which padding, which layers, what a query sees.

use candle_core::Tensor;

use crate::{EngineError, Result};

/// How near a result must be to the sum that defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exactness {
    /// As near as a plain f32 sum or nearer: what decides codes, which must not flip.
    Tokens,
    /// Several times its error (1e-5 of the typical result) where that is faster: pictures, training.
    Fast,
}

/// Zero padding and stride of a 2-D convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// Step of the window, both ways.
    pub stride: usize,
    /// Zeros before the first row and column.
    pub before: usize,
    /// Zeros after the last row and column.
    pub after: usize,
    /// How near to the exact result. Gradients, and results of trained weights, are always fast; results of
    /// frozen weights are as exact as this says, also where a gradient passes through them.
    pub exactness: Exactness,
}

impl Conv {
    /// As exact as codes need it.
    pub const fn new(stride: usize, before: usize, after: usize) -> Self {
        Self { stride, before, after, exactness: Exactness::Tokens }
    }

    /// Stride 1, the same number of zeros on all sides.
    pub const fn same(padding: usize) -> Self {
        Self::new(1, padding, padding)
    }

    /// The same with another exactness.
    #[must_use]
    pub const fn with(self, exactness: Exactness) -> Self {
        Self { exactness, ..self }
    }
}

/// A layer of a [`super::chain`].
#[derive(Debug, Clone, Copy)]
pub enum Link<'a> {
    /// See [`super::conv2d`].
    Conv {
        /// (Cout, Cin, kh, kw)
        weight: &'a Tensor,
        /// (Cout,)
        bias: Option<&'a Tensor>,
        /// Stride and padding.
        conv: Conv,
    },
    /// See [`super::group_norm`].
    GroupNorm {
        /// (C,)
        weight: &'a Tensor,
        /// (C,)
        bias: &'a Tensor,
        /// Groups of consecutive channels.
        groups: usize,
        /// What is added to the variance.
        eps: f64,
        /// Whether SiLU follows.
        silu: bool,
    },
    /// See [`super::upsample2`].
    Double,
    /// Numbers above 0 as they are, others times the slope: LeakyReLU, and ReLU with a slope of 0. The
    /// gradient at 0 is the slope, as PyTorch's.
    Leaky {
        /// Of numbers that are not above 0.
        slope: f32,
    },
}

/// What is added to the result of a [`super::chain`].
#[derive(Debug, Clone, Copy)]
pub enum Shortcut<'a> {
    /// Nothing.
    None,
    /// Its input.
    Same,
    /// A 1x1 convolution of its input: weight (Cout, Cin, 1, 1) and bias (Cout,).
    Conv(&'a Tensor, &'a Tensor),
}

/// Which keys a query of [`super::attention`] sees. Queries are the last Lq of the Lk places, so that with a
/// cache of keys the new places may ask alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask<'a> {
    /// All of them.
    None,
    /// Those up to its own place.
    Causal,
    /// Those of its own block and of the blocks before, as the scales of VAR; the sizes of the blocks.
    BlockCausal(&'a [usize]),
}

impl Mask<'_> {
    /// How many keys, from the first, each query sees; `None`: all see all.
    pub(super) fn seen(self, queries: usize, keys: usize) -> Result<Option<Vec<usize>>> {
        let shape = |expected: String| EngineError::Shape {
            what: "queries and keys of attention".to_owned(),
            expected,
            found: vec![queries, keys],
        };
        let before = match self {
            Self::None => return Ok(None),
            _ => keys.checked_sub(queries).ok_or_else(|| {
                shape(
                    "(Lq, Lk) with Lq <= Lk, since the mask takes queries as the last keys".into(),
                )
            })?,
        };
        let Self::BlockCausal(blocks) = self else {
            return Ok(Some((before + 1..=keys).collect()));
        };
        let (mut end, mut blocks) = (0, blocks.iter());
        let seen = (before..keys).map(|place| {
            while end <= place {
                end = usize::checked_add(end, *blocks.next()?)?;
            }
            Some(end)
        });
        match seen.collect::<Option<Vec<usize>>>() {
            Some(seen) if end <= keys => Ok(Some(seen)),
            _ => Err(shape("(Lq, Lk) with Lk at the end of a block".to_owned())),
        }
    }
}

/// A layer of a [`super::sequence`].
#[derive(Debug, Clone, Copy)]
pub enum SequenceLink<'a> {
    /// See [`super::layer_norm`].
    LayerNorm {
        /// (D,)
        weight: &'a Tensor,
        /// (D,)
        bias: &'a Tensor,
        /// What is added to the variance.
        eps: f64,
    },
    /// A linear layer, then GELU (its tanh form) if `gelu`.
    Linear {
        /// (Dy, Dx)
        weight: &'a Tensor,
        /// (Dy,)
        bias: Option<&'a Tensor>,
        /// Whether GELU follows.
        gelu: bool,
    },
    /// See [`super::attention`]: rows of queries, keys and values (3 H D), head by head each, to rows (H D);
    /// the scale is 1 / sqrt(D). Not the last layer.
    Attention {
        /// H
        heads: usize,
        /// What a place sees.
        mask: Mask<'a>,
    },
}

impl<'a> SequenceLink<'a> {
    pub(super) fn weight_and_bias(&self) -> (Option<&'a Tensor>, Option<&'a Tensor>) {
        match *self {
            Self::LayerNorm { weight, bias, .. } => (Some(weight), Some(bias)),
            Self::Linear { weight, bias, .. } => (Some(weight), bias),
            Self::Attention { .. } => (None, None),
        }
    }

    /// All parameters, weight before bias.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &'a Tensor> {
        let (weight, bias) = self.weight_and_bias();
        weight.into_iter().chain(bias)
    }
}
