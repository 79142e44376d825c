//! What published code calls the tensors of a block; the arithmetic is the same.

use super::Weights;

/// Whose names a network's tensors have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BlockNames {
    /// taming-transformers and what came from it: `nin_shortcut`, `q`, `proj_out`; attention by 1x1
    /// convolutions.
    #[default]
    Taming,
    /// diffusers: `conv_shortcut`, `to_q`, `to_out.0`; attention by linear layers.
    Diffusers,
}

impl BlockNames {
    /// The convolution of a residual block's input.
    pub(super) fn shortcut(self) -> &'static str {
        match self {
            Self::Taming => "nin_shortcut",
            Self::Diffusers => "conv_shortcut",
        }
    }

    /// The norm before attention.
    pub(super) fn attention_norm(self) -> &'static str {
        match self {
            Self::Taming => "norm",
            Self::Diffusers => "group_norm",
        }
    }

    /// The norm before attention, where it is spatial.
    pub(super) fn attention_spatial_norm(self) -> &'static str {
        match self {
            Self::Taming => "norm",
            Self::Diffusers => "spatial_norm",
        }
    }

    /// Queries, keys, values and output of attention. Files that diffusers wrote before its version
    /// 0.17 call them otherwise.
    pub(super) fn projections(self, attention: &Weights) -> [&'static str; 4] {
        match self {
            Self::Taming => ["q", "k", "v", "proj_out"],
            Self::Diffusers if attention.contains("query.weight") => {
                ["query", "key", "value", "proj_attn"]
            }
            Self::Diffusers => ["to_q", "to_k", "to_v", "to_out.0"],
        }
    }

    /// The norm at a network's end.
    pub(super) fn last_norm(self) -> &'static str {
        match self {
            Self::Taming => "norm_out",
            Self::Diffusers => "conv_norm_out",
        }
    }
}
