//! Which network a checkpoint holds, told by the names and shapes of its tensors.

use std::collections::BTreeMap;
use std::path::Path;

use super::deduce;
use super::{Checkpoint, Container};
use crate::tokenizers::TokenizerConfig;
use crate::{EngineError, Result};

/// Shapes by name.
pub(super) type Shapes<'a> = BTreeMap<&'a str, &'a [usize]>;

/// What training leaves beside a tokenizer's own tensors.
pub const NOT_THE_NETWORK: [&str; 5] =
    ["loss.", "model_ema.", "quantize.codebook_used", "colorize", "discriminator."];

/// A family of published networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Family {
    /// Written by Smalti.
    Smalti,
    /// taming-transformers' VQModel (VQGAN) and what keeps its names.
    Taming,
    /// taming-transformers' GumbelVQ.
    TamingGumbel,
    /// LlamaGen's VQ tokenizer.
    LlamaGen,
    /// VAR's multi-scale VQVAE.
    Var,
    /// Something else.
    Unknown,
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Smalti => "Smalti",
            Self::Taming => "taming VQModel",
            Self::TamingGumbel => "taming GumbelVQ",
            Self::LlamaGen => "LlamaGen VQ",
            Self::Var => "VAR VQVAE",
            Self::Unknown => "unknown",
        })
    }
}

/// What can be said of a checkpoint without running it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Recognized {
    /// The kind of file.
    pub container: Container,
    /// The family that the names belong to.
    pub family: Family,
    /// Number of tensors.
    pub tensors: usize,
    /// Number of elements of all tensors.
    pub parameters: u64,
    /// Number of codes, K, where it is visible.
    pub codebook_size: Option<u32>,
    /// Channels of a code, D, where they are visible.
    pub code_dim: Option<usize>,
    /// Pixels per token along a side, where they are visible.
    pub factor: Option<usize>,
    /// What builds the network; `None` for families that cannot be built yet.
    pub config: Option<TokenizerConfig>,
    /// Where the tensors differ from what the family has: missing ones, wrong shapes, extra ones; the
    /// first few of each.
    pub problems: Vec<String>,
    /// What was stepped over.
    pub notes: Vec<String>,
}

/// Recognizes a checkpoint; `path` gives the network its name.
///
/// # Errors
/// [`EngineError::BadFile`] if Smalti wrote the file, but its metadata is damaged or
/// of a version that is not known.
pub fn recognize(checkpoint: &Checkpoint, path: &Path) -> Result<Recognized> {
    let shapes: Shapes<'_> = checkpoint
        .tensors
        .iter()
        .map(|(name, entry)| (name.as_str(), entry.shape()))
        .filter(|(name, _)| !NOT_THE_NETWORK.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    let written = checkpoint.smalti(path)?;
    let named = family(&shapes);
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let config = match &written {
        Some(written) => own_config(written, path)?,
        None => deduce::configuration(&name, named, &shapes),
    };
    let mut problems = Vec::new();
    if written.is_none() {
        match &config {
            Some(config) => problems = differences(config, &shapes),
            None if matches!(named, Family::Taming | Family::LlamaGen) => {
                problems.push(undecided(named, &shapes));
            }
            None => {}
        }
    }
    let codebook = ["quantize.embedding.weight", "quantize.embed.weight"];
    let codebook = codebook.iter().find_map(|name| shapes.get(name)).filter(|s| s.len() == 2);
    let known = config.as_ref();
    let codes = codebook.and_then(|shape| u32::try_from(*shape.first()?).ok());
    Ok(Recognized {
        container: checkpoint.container,
        family: if written.is_some() { Family::Smalti } else { named },
        tensors: checkpoint.tensors.len(),
        parameters: checkpoint.tensors.values().map(|entry| entry.elements() as u64).sum(),
        codebook_size: known.map(|c| c.quantizer.codebook_size()).or(codes),
        code_dim: known
            .map(|c| c.network.embed_dim)
            .or_else(|| codebook.and_then(|shape| shape.get(1).copied())),
        factor: known.map(|c| c.network.factor()).or_else(|| factor(&shapes)),
        config,
        problems,
        notes: checkpoint.notes.clone(),
    })
}

/// The configuration in Smalti's own metadata, if it is that of a tokenizer.
fn own_config(written: &serde_json::Value, path: &Path) -> Result<Option<TokenizerConfig>> {
    let Some(config) = written.get("config") else { return Ok(None) };
    let bad = |e: &dyn std::fmt::Display| {
        let reason = format!("its configuration cannot be used: {e}");
        EngineError::bad_file(path, reason, "the file is damaged or newer than this program")
    };
    let config: TokenizerConfig = serde_json::from_value(config.clone()).map_err(|e| bad(&e))?;
    config.validate().map_err(|e| bad(&e))?;
    Ok(Some(config))
}

fn family(shapes: &Shapes<'_>) -> Family {
    let any = |prefix: &str| {
        shapes.range(prefix..).next().is_some_and(|(name, _)| name.starts_with(prefix))
    };
    // Enough to name the family even where tensors are missing.
    let taming = any("encoder.down.0.block.0.") && any("decoder.up.0.block.0.");
    // Networks that unfold pictures or films first keep these names, but are others.
    let pictures = shapes.get("encoder.conv_in.weight").is_none_or(|s| matches!(s, [_, 3, 3, 3]))
        && !shapes.keys().any(|name| name.contains(".conv3d."));
    let qkv = shapes.keys().any(|name| name.contains(".attn_1.qkv."));
    if any("encoder.conv_blocks.0.res.0.") && any("decoder.conv_blocks.0.res.0.") {
        Family::LlamaGen
    } else if taming && (qkv || any("quantize.quant_resi")) {
        Family::Var
    } else if taming && any("quantize.proj.") {
        Family::TamingGumbel
    } else if taming && pictures && any("quant_conv.") && !any("encoder.time_conv") {
        Family::Taming
    } else {
        Family::Unknown
    }
}

fn factor(shapes: &Shapes<'_>) -> Option<usize> {
    let halvings = deduce::count(shapes, |i| format!("encoder.down.{i}.downsample.conv.weight"))
        .max(deduce::count(shapes, |i| format!("encoder.conv_blocks.{i}.downsample.conv.weight")));
    (halvings > 0).then_some(1 << halvings.min(16))
}

/// Why a network of a known family cannot be built.
fn undecided(family: Family, shapes: &Shapes<'_>) -> String {
    let needed = [
        "encoder.conv_in.weight",
        "encoder.conv_out.weight",
        "quant_conv.weight",
        "quantize.embedding.weight",
        "decoder.conv_in.weight",
        "decoder.conv_out.weight",
    ];
    let missing: Vec<&str> = needed.into_iter().filter(|name| !shapes.contains_key(name)).collect();
    if missing.is_empty() {
        format!("nearly a {family}, but its levels have channels that do not divide")
    } else {
        format!("nearly a {family}, but without {}", missing.join(", "))
    }
}

/// The first few of each kind, and how many there are.
fn differences(config: &TokenizerConfig, shapes: &Shapes<'_>) -> Vec<String> {
    if let Err(error) = config.validate() {
        return vec![error.to_string()];
    }
    let expected = deduce::expected(config);
    let (mut missing, mut wrong, mut extra) = (Vec::new(), Vec::new(), Vec::new());
    for (name, shape) in &expected {
        match shapes.get(name.as_str()) {
            None => missing.push(format!("{name} is missing (should be {shape:?})")),
            Some(found) if *found != shape.as_slice() => {
                wrong.push(format!("{name} should be {shape:?}, but is {found:?}"));
            }
            Some(_) => {}
        }
    }
    for name in shapes.keys().filter(|name| !expected.contains_key(**name)) {
        extra.push(format!("{name} is not part of this network"));
    }
    [missing, wrong, extra].into_iter().flat_map(first_few).collect()
}

fn first_few(mut list: Vec<String>) -> Vec<String> {
    let more = list.len().saturating_sub(4);
    list.truncate(4);
    if more > 0 {
        list.push(format!("and {more} more like it"));
    }
    list
}
