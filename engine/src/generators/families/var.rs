//! VAR as published: FoundationVision/VAR, class to image over scales.

use serde_json::Value;

use super::kind::{GeneratorFamily, classes_of_numbers, said};
use crate::generators::config::{GeneratorConfig, NetworkSize, Takes, Way};
use crate::generators::network::{Layers, Network};
use crate::generators::order::Order;
use crate::generators::var::{Var, VarConfig};
use crate::layers::Weights;
use crate::tokenizers::family::{any, count, settings, settings_value, size};
use crate::tokenizers::{Beside, Called, Shapes};
use crate::tokens::PartShape;
use crate::{EngineError, Result};

/// Places along a side of each scale, of the published models for 256 and for 512 pixels.
const PUBLISHED: [[usize; 10]; 2] =
    [[1, 2, 3, 4, 5, 6, 8, 10, 13, 16], [1, 2, 3, 4, 6, 9, 13, 18, 24, 32]];

/// VAR as published.
#[derive(Debug)]
pub(super) struct VarFamily;

impl GeneratorFamily for VarFamily {
    fn id(&self) -> &'static str {
        "var"
    }

    fn title(&self) -> &'static str {
        "VAR"
    }

    fn tokenizer(&self) -> &'static str {
        "VAR's multi-scale VQVAE (vae_ch160v4096z32.pth)"
    }

    fn mark(&self) -> &'static str {
        "pos_1LC"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        any(shapes, "word_embed.") && any(shapes, "blocks.0.attn.mat_qkv.")
    }

    fn configure(
        &self,
        _: Called<'_>,
        shapes: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Result<Value> {
        let dim = size(shapes, "word_embed.weight", 0)?.max(1);
        let cells = size(shapes, "pos_1LC", 1)?;
        let scales = size(shapes, "lvl_embed.weight", 0)?;
        let said_scales = said(beside, &["/patch_nums", "/v_patch_nums"])?;
        let known = PUBLISHED.into_iter().map(|sides| sides.to_vec());
        let fits = |sides: &Vec<usize>| {
            sides.len() == scales && sides.iter().map(|side| side * side).sum::<usize>() == cells
        };
        let patch_nums: Option<Vec<usize>> = said_scales.or_else(|| known.into_iter().find(fits));
        let patch_nums = patch_nums.ok_or_else(|| {
            let reason = format!("its {scales} scales of {cells} tokens are no published ones");
            let hint = "say their sides as patch_nums in a config.json beside the file";
            EngineError::bad_input("patch_nums", reason, hint)
        })?;
        let heads = match shapes.get("blocks.0.attn.scale_mul_1H11") {
            Some(shape) => shape.get(1).copied().unwrap_or(1),
            None => said(beside, &["/num_heads"])?.unwrap_or((dim / 64).max(1)),
        };
        let hidden = size(shapes, "blocks.0.ffn.fc1.weight", 0)?;
        settings_value(&VarConfig {
            network: NetworkSize {
                layers: count(shapes, |at| format!("blocks.{at}.attn.mat_qkv.weight")),
                dim,
                heads,
            },
            codes: size(shapes, "head.weight", 0)?,
            code_dim: size(shapes, "word_embed.weight", 1)?,
            patch_nums,
            classes: size(shapes, "class_emb.weight", 0)?.saturating_sub(1),
            mlp_ratio: hidden as f64 / dim as f64,
            shared_aln: any(shapes, "shared_ada_lin."),
            attn_l2_norm: shapes.contains_key("blocks.0.attn.scale_mul_1H11"),
        })
    }

    fn build(&self, value: &Value, weights: &Weights) -> Result<Network> {
        let settings: VarConfig = settings(value)?;
        let config = GeneratorConfig {
            way: Way::Var,
            network: settings.network,
            codes: u32::try_from(settings.codes).unwrap_or(u32::MAX),
            layout: settings.patch_nums.iter().map(|side| PartShape::grid(*side, *side)).collect(),
            code_dim: settings.code_dim,
            classes: classes_of_numbers(settings.classes),
            takes: Takes::Class,
            needs_condition: false,
            order: Order::Rows,
        };
        config.validate()?;
        let layers = Layers::Scales(Box::new(Var::new(&settings, weights)?));
        Network::of(config, layers, weights)
    }
}
