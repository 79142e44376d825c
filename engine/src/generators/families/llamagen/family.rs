//! Recognizing LlamaGen by names and shapes.

use serde_json::Value;

use super::{Leads, LlamaGen, LlamaGenConfig};
use crate::Result;
use crate::generators::config::{GeneratorConfig, NetworkSize, Takes, Way};
use crate::generators::families::{GeneratorFamily, classes_of_numbers, grid, said, side_of};
use crate::generators::network::{Layers, Network};
use crate::generators::order::Order;
use crate::layers::Weights;
use crate::tokenizers::family::{any, count, settings, settings_value, size};
use crate::tokenizers::{Beside, Called, Shapes};

/// LlamaGen, by what leads it.
#[derive(Debug)]
pub(in crate::generators::families) enum LlamaGenBy {
    /// A class (c2i).
    Class,
    /// A caption (t2i).
    Caption,
}

impl GeneratorFamily for LlamaGenBy {
    fn id(&self) -> &'static str {
        match self {
            Self::Class => "llamagen-c2i",
            Self::Caption => "llamagen-t2i",
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Class => "LlamaGen, class to image",
            Self::Caption => "LlamaGen, caption to image",
        }
    }

    fn tokenizer(&self) -> &'static str {
        match self {
            Self::Class => "LlamaGen's VQ tokenizer (vq_ds16_c2i.pt)",
            Self::Caption => "LlamaGen's VQ tokenizer (vq_ds16_t2i.pt)",
        }
    }

    fn mark(&self) -> &'static str {
        "tok_embeddings.weight"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        let leads = match self {
            Self::Class => "cls_embedding.embedding_table.",
            Self::Caption => "cls_embedding.cap_proj.",
        };
        ["layers.0.attention.wqkv.", "output.", leads].iter().all(|prefix| any(shapes, prefix))
    }

    fn configure(
        &self,
        called: Called<'_>,
        shapes: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Result<Value> {
        let leads = match self {
            Self::Class => {
                let rows = size(shapes, "cls_embedding.embedding_table.weight", 0)?;
                Leads::Classes(rows.saturating_sub(1))
            }
            Self::Caption => {
                let none = "cls_embedding.uncond_embedding";
                Leads::Captions { rows: size(shapes, none, 0)?, dim: size(shapes, none, 1)? }
            }
        };
        configure(called, shapes, beside, leads)
    }

    fn assumed(
        &self,
        called: Called<'_>,
        value: &Value,
        _: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Vec<String> {
        assumed(called, value, beside)
    }

    fn build(&self, value: &Value, weights: &Weights) -> Result<Network> {
        build(value, weights)
    }
}

/// Tokens along a side by the size of pictures in the name, such as 24 of c2i_B_384: sixteen pixels a token.
fn side_by_name(called: Called<'_>) -> Option<usize> {
    [256, 384, 512].into_iter().find(|side| called.says(&side.to_string())).map(|side| side / 16)
}

/// What no tensor tells: heads are 64 wide, those of the 3B model 100.
fn configure(
    called: Called<'_>,
    shapes: &Shapes<'_>,
    beside: Option<&Beside>,
    leads: Leads,
) -> Result<Value> {
    let dim = size(shapes, "tok_embeddings.weight", 1)?;
    let usual = if dim == 3200 { 32 } else { (dim / 64).max(1) };
    let tokens: Option<usize> = said(beside, &["/block_size"])?;
    let side = match tokens {
        Some(tokens) => side_of(tokens)?,
        None => side_by_name(called).unwrap_or(16),
    };
    settings_value(&LlamaGenConfig {
        network: NetworkSize {
            layers: count(shapes, |at| format!("layers.{at}.attention.wqkv.weight")),
            dim,
            heads: said(beside, &["/n_head"])?.unwrap_or(usual),
        },
        hidden: size(shapes, "layers.0.feed_forward.w1.weight", 0)?,
        codes: size(shapes, "tok_embeddings.weight", 0)?,
        side,
        leads,
        rope_base: said(beside, &["/rope_base"])?.unwrap_or(10_000.0),
        norm_eps: said(beside, &["/norm_eps"])?.unwrap_or(1e-5),
    })
}

fn assumed(called: Called<'_>, value: &Value, beside: Option<&Beside>) -> Vec<String> {
    let says = |key: &str| beside.is_some_and(|beside| beside.value.get(key).is_some());
    let mut notes = Vec::new();
    if !says("n_head") {
        notes
            .push(format!("{} heads, as published; no tensor tells it", value["network"]["heads"]));
    }
    if !says("block_size") {
        let side = &value["side"];
        let why = if side_by_name(called).is_some() { "by its name" } else { "as published" };
        notes.push(format!(
            "a grid of {side} x {side} tokens, {why}; no tensor tells it (block_size in a config.json does)"
        ));
    }
    notes
}

fn build(value: &Value, weights: &Weights) -> Result<Network> {
    let settings: LlamaGenConfig = settings(value)?;
    settings.validate()?;
    let (classes, takes) = match settings.leads {
        Leads::Classes(classes) => (classes, Takes::Class),
        Leads::Captions { rows, dim } => (0, Takes::Caption { rows, dim }),
    };
    let config = GeneratorConfig {
        way: Way::Raster,
        network: settings.network,
        codes: settings.codes as u32,
        layout: grid(settings.side),
        code_dim: 0,
        classes: classes_of_numbers(classes),
        takes,
        needs_condition: false,
        order: Order::Rows,
    };
    let layers = Layers::Raster(Box::new(LlamaGen::new(&settings, weights)?));
    Network::of(config, layers, weights)
}
