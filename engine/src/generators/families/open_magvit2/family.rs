//! Recognizing Open-MAGVIT2's generator by names and shapes.

use serde_json::Value;

use super::{OpenMagvit2, OpenMagvit2Config};
use crate::Result;
use crate::generators::config::{GeneratorConfig, NetworkSize, Takes, Way};
use crate::generators::families::kind::said_of_transformer;
use crate::generators::families::{GeneratorFamily, classes_of_numbers, grid, side_of};
use crate::generators::network::{Layers, Network};
use crate::generators::order::Order;
use crate::layers::Weights;
use crate::tokenizers::family::{any, count, settings, settings_value, size};
use crate::tokenizers::{Beside, Called, Shapes};

/// Open-MAGVIT2's generator.
#[derive(Debug)]
pub(in crate::generators::families) struct OpenMagvit2Ar;

impl GeneratorFamily for OpenMagvit2Ar {
    fn id(&self) -> &'static str {
        "open-magvit2-ar"
    }

    fn title(&self) -> &'static str {
        "Open-MAGVIT2 AR"
    }

    fn tokenizer(&self) -> &'static str {
        "Open-MAGVIT2's tokenizer of 2^18 codes (imagenet_256_L.ckpt)"
    }

    fn mark(&self) -> &'static str {
        "pre_emb.weight"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        any(shapes, "post_emb.") && any(shapes, "spatial_blocks.0.")
    }

    fn configure(
        &self,
        _: Called<'_>,
        shapes: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Result<Value> {
        let dim = size(shapes, "pre_emb.weight", 1)?;
        let layers = |name: &str| count(shapes, |at| format!("{name}.{at}.attention.wqkv.weight"));
        let tokens: Option<usize> = said_of_transformer(beside, "block_size")?;
        settings_value(&OpenMagvit2Config {
            network: NetworkSize {
                layers: layers("spatial_blocks"),
                dim,
                heads: said_of_transformer(beside, "n_head")?.unwrap_or((dim / 64).max(1)),
            },
            factorized_layers: layers("factorized_blocks"),
            hidden: size(shapes, "spatial_blocks.0.feed_forward.w1.weight", 0)?,
            sub_tokens: [size(shapes, "pre_emb.weight", 0)?, size(shapes, "post_emb.weight", 0)?],
            side: side_of(tokens.unwrap_or(256))?,
            classes: size(shapes, "class_emb.embedding_table.weight", 0)?.saturating_sub(1),
            rope_base: said_of_transformer(beside, "rope_base")?.unwrap_or(10_000.0),
            norm_eps: said_of_transformer(beside, "norm_eps")?.unwrap_or(1e-5),
        })
    }

    fn assumed(
        &self,
        _: Called<'_>,
        value: &Value,
        _: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Vec<String> {
        let says = |key: &str| said_of_transformer::<Value>(beside, key).ok().flatten().is_some();
        let mut notes = Vec::new();
        if !says("n_head") {
            let heads = &value["network"]["heads"];
            notes.push(format!("{heads} heads, as published; no tensor tells it"));
        }
        if !says("block_size") {
            let side = &value["side"];
            notes.push(format!(
                "a grid of {side} x {side} tokens, as published; no tensor tells it (block_size in a config.json does)"
            ));
        }
        notes
    }

    fn build(&self, value: &Value, weights: &Weights) -> Result<Network> {
        let settings: OpenMagvit2Config = settings(value)?;
        settings.validate()?;
        let [pre, post] = settings.sub_tokens;
        let config = GeneratorConfig {
            way: Way::Raster,
            network: settings.network,
            codes: (pre * post) as u32,
            layout: grid(settings.side),
            code_dim: 0,
            classes: classes_of_numbers(settings.classes),
            takes: Takes::Class,
            needs_condition: false,
            order: Order::Rows,
        };
        let layers = Layers::Raster(Box::new(OpenMagvit2::new(&settings, weights)?));
        Network::of(config, layers, weights)
    }
}
