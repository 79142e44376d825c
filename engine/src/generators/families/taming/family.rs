//! Recognizing the transformer of taming-transformers by names and shapes.

use serde_json::Value;

use super::{Leads, Taming, TamingConfig};
use crate::generators::config::{GeneratorConfig, NetworkSize, Takes, Way};
use crate::generators::families::kind::said_of_transformer;
use crate::generators::families::{GeneratorFamily, classes_of_numbers, grid, said};
use crate::generators::network::{Layers, Network};
use crate::generators::order::Order;
use crate::layers::Weights;
use crate::tokenizers::family::{any, count, settings, settings_value, size};
use crate::tokenizers::{Beside, Called, Shapes};
use crate::{EngineError, Result};

/// Heads of the published models.
const USUAL_HEADS: usize = 16;

/// The transformer of taming-transformers.
#[derive(Debug)]
pub(in crate::generators::families) struct TamingGpt;

impl GeneratorFamily for TamingGpt {
    fn id(&self) -> &'static str {
        "taming-gpt"
    }

    fn title(&self) -> &'static str {
        "taming transformer (minGPT)"
    }

    fn tokenizer(&self) -> &'static str {
        "the VQGAN that it was trained on (first_stage_model, often in the same file)"
    }

    fn mark(&self) -> &'static str {
        "tok_emb.weight"
    }

    fn claims(&self, shapes: &Shapes<'_>) -> bool {
        any(shapes, "pos_emb") && any(shapes, "blocks.0.attn.key.") && any(shapes, "ln_f.")
    }

    fn configure(
        &self,
        _: Called<'_>,
        shapes: &Shapes<'_>,
        beside: Option<&Beside>,
    ) -> Result<Value> {
        let (codes, dim) = (size(shapes, "tok_emb.weight", 0)?, size(shapes, "tok_emb.weight", 1)?);
        let block_size = size(shapes, "pos_emb", 1)?;
        let side = match said(beside, &["/grid"])? {
            Some(side) => Some(side),
            None => side_of_first_stage(beside)?,
        };
        let cond_len: Option<usize> = said(beside, &["/cond_len"])?;
        let (side, before) = sizes(block_size, side, cond_len)?;
        let conditioning = "/model/params/cond_stage_config";
        let is_unconditional = beside.is_some_and(|beside| {
            beside.value.pointer(conditioning) == Some(&"__is_unconditional__".into())
        });
        let classes = said(beside, &["/model/params/cond_stage_config/params/n_classes"])?;
        let leads = match before {
            1 if is_unconditional => Leads::Nothing,
            1 => Leads::Classes(classes.unwrap_or(codes).min(codes)),
            count => Leads::Tokens(count),
        };
        let usual = if dim.is_multiple_of(USUAL_HEADS) { USUAL_HEADS } else { 1 };
        settings_value(&TamingConfig {
            network: NetworkSize {
                layers: count(shapes, |at| format!("blocks.{at}.attn.key.weight")),
                dim,
                heads: said_of_transformer(beside, "n_head")?.unwrap_or(usual),
            },
            codes,
            block_size,
            side,
            leads,
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
        let codes = value["codes"].as_u64();
        if value["leads"]["Classes"].as_u64().is_some_and(|classes| Some(classes) == codes) {
            let note =
                "how many classes it learned is not told: any label below its codes is taken";
            notes.push(note.to_owned());
        }
        notes
    }

    fn build(&self, value: &Value, weights: &Weights) -> Result<Network> {
        let settings: TamingConfig = settings(value)?;
        settings.validate()?;
        let codes = settings.codes as u32;
        let (classes, takes) = match settings.leads {
            Leads::Nothing => (0, Takes::Class),
            Leads::Classes(classes) => (classes, Takes::Class),
            Leads::Tokens(count) => (0, Takes::Tokens { count, codes }),
        };
        let config = GeneratorConfig {
            way: Way::Raster,
            network: settings.network,
            codes,
            layout: grid(settings.side),
            code_dim: 0,
            classes: classes_of_numbers(classes),
            takes,
            needs_condition: settings.leads != Leads::Nothing,
            order: Order::Rows,
        };
        let layers = Layers::Raster(Box::new(Taming::new(&settings, weights)?));
        Network::of(config, layers, weights)
    }
}

/// Tokens along a side by the tokenizer that a configuration names: its resolution, halved at each level but the
/// last.
fn side_of_first_stage(beside: Option<&Beside>) -> Result<Option<usize>> {
    let at = "/model/params/first_stage_config/params/ddconfig";
    let resolution: Option<usize> = said(beside, &[&format!("{at}/resolution")])?;
    let levels: Option<Vec<usize>> = said(beside, &[&format!("{at}/ch_mult")])?;
    let (Some(resolution), Some(levels)) = (resolution, levels) else { return Ok(None) };
    let halvings = u32::try_from(levels.len().saturating_sub(1)).unwrap_or(u32::MAX);
    Ok(resolution.checked_shr(halvings).filter(|side| *side > 0))
}

/// Tokens along a side, and those that stand before them, from the number of places where they are not said. There
/// are as many places as tokens, or one fewer, since the last one is never read.
fn sizes(block: usize, side: Option<usize>, before: Option<usize>) -> Result<(usize, usize)> {
    let unclear = || {
        let reason = format!("{block} places do not say how many tokens a picture has");
        let hint = "say grid and cond_len in a config.json beside the file";
        EngineError::bad_input("block_size", reason, hint)
    };
    let square =
        |tokens: usize| Some(tokens.isqrt()).filter(|side| side * side == tokens && *side > 0);
    match (side, before) {
        (Some(side), Some(before)) => Ok((side, before)),
        (Some(side), None) => {
            let tokens = side.saturating_mul(side);
            let before = match block.checked_sub(tokens) {
                Some(0 | 1) => 1,
                Some(more) if more + 1 == tokens => tokens,
                Some(more) => more,
                None => return Err(unclear()),
            };
            Ok((side, before))
        }
        (None, Some(before)) => {
            let tokens = [(block + 1).checked_sub(before), block.checked_sub(before)];
            let side = tokens.into_iter().flatten().find_map(square).ok_or_else(unclear)?;
            Ok((side, before))
        }
        (None, None) => {
            if let Some(side) = square(block) {
                return Ok((side, 1));
            }
            let half = block.div_ceil(2);
            square(half).map(|side| (side, half)).ok_or_else(unclear)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_tell_the_grid_where_they_can_and_are_not_guessed_from_where_not() {
        // Published: a class before 16 x 16, a picture of as many tokens before it.
        assert_eq!(sizes(256, None, None).unwrap(), (16, 1));
        assert_eq!(sizes(512, None, None).unwrap(), (16, 256));
        assert_eq!(sizes(511, Some(16), None).unwrap(), (16, 256));
        assert_eq!(sizes(257, Some(16), None).unwrap(), (16, 1));
        assert_eq!(sizes(36, None, Some(1)).unwrap(), (6, 1));
        assert_eq!(sizes(50, None, Some(25)).unwrap(), (5, 25));
        assert_eq!(sizes(333, Some(16), None).unwrap(), (16, 77));
        let error = sizes(333, None, None).unwrap_err().problem();
        assert!(error.hint.contains("cond_len"), "{error}");
        assert!(sizes(100, Some(16), None).is_err());
    }
}
