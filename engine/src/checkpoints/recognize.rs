//! Which network a checkpoint holds, told by the names and shapes of its tensors.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Checkpoint, Container};
use crate::layers::Weights;
use crate::tokenizers::family::{self, Beside, FAMILIES, Family, Shapes};
use crate::tokenizers::{Facts, Tokenizer};
use crate::{EngineError, Result};

/// What training leaves beside a tokenizer's own tensors.
pub const NOT_THE_NETWORK: [&str; 5] =
    ["loss.", "model_ema.", "quantize.codebook_used", "colorize", "discriminator."];

/// What builds a recognized network.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// The id of its family.
    pub family: String,
    /// The family's settings.
    pub settings: serde_json::Value,
}

impl Design {
    fn family(&self) -> Result<&'static dyn Family> {
        family::family(&self.family).ok_or_else(|| {
            let known: Vec<&str> = FAMILIES.iter().map(|family| family.id()).collect();
            EngineError::bad_input(
                "family",
                format!("{:?} is not known here", self.family),
                format!("families are {}; update Smalti", known.join(", ")),
            )
        })
    }

    /// The network; what does not fit is noted in `weights`.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the settings cannot be used.
    pub fn build(&self, weights: &Weights) -> Result<Box<dyn Tokenizer>> {
        self.family()?.build(&self.settings, weights)
    }
}

/// What can be said of a checkpoint without running it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognized {
    /// The kind of file.
    pub container: Container,
    /// Whether Smalti wrote it.
    pub is_own: bool,
    /// The family that the names belong to, as people call it; "unknown" for others.
    pub family: String,
    /// Number of tensors.
    pub tensors: usize,
    /// Number of elements of all tensors.
    pub parameters: u64,
    /// What is known of the tokenizer; `None` where it is no known one.
    pub facts: Option<Facts>,
    /// What builds the network.
    pub design: Option<Design>,
    /// Where the tensors differ from what the family has: missing ones, wrong shapes, extra ones; the
    /// first few of each.
    pub problems: Vec<String>,
    /// What was stepped over.
    pub notes: Vec<String>,
}

/// Recognizes a checkpoint; `path` gives the network its name, `beside` is the configuration that
/// lies beside it.
///
/// # Errors
/// [`EngineError::BadFile`] if Smalti wrote the file, but its metadata is damaged or
/// of a version that is not known.
pub fn recognize(
    checkpoint: &Checkpoint,
    path: &Path,
    beside: Option<&Beside>,
) -> Result<Recognized> {
    let shapes: Shapes<'_> = checkpoint
        .tensors
        .iter()
        .map(|(name, entry)| (name.as_str(), entry.shape()))
        .filter(|(name, _)| !NOT_THE_NETWORK.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    let own = own_design(checkpoint, path)?;
    let mut found = Recognized {
        container: checkpoint.container,
        is_own: checkpoint.smalti(path)?.is_some(),
        family: "unknown".to_owned(),
        tensors: checkpoint.tensors.len(),
        parameters: checkpoint.tensors.values().map(|entry| entry.elements() as u64).sum(),
        facts: None,
        design: None,
        problems: Vec::new(),
        notes: checkpoint.notes.clone(),
    };
    if let Some(design) = own {
        let bad = |e: EngineError| {
            let reason = format!("its configuration cannot be used: {e}");
            EngineError::bad_file(path, reason, "the file is damaged or newer than this program")
        };
        "Smalti".clone_into(&mut found.family);
        found.fit(design, &shapes).map_err(bad)?;
        return Ok(found);
    }
    if found.is_own {
        "Smalti".clone_into(&mut found.family);
        return Ok(found);
    }
    let Some(family) = FAMILIES.iter().find(|family| family.claims(&shapes)) else {
        return Ok(found);
    };
    family.title().clone_into(&mut found.family);
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let settings = family.configure(&name, &shapes, beside);
    let fitted = settings.and_then(|settings| {
        found.fit(Design { family: family.id().to_owned(), settings }, &shapes)
    });
    if let Err(error) = fitted {
        found.problems.push(format!("nearly a {}, but {error}", family.title()));
    }
    Ok(found)
}

impl Recognized {
    /// Builds the network against the shapes, without a number read, and keeps what does not fit.
    fn fit(&mut self, design: Design, shapes: &Shapes<'_>) -> Result<()> {
        let owned: BTreeMap<String, Vec<usize>> =
            shapes.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect();
        let weights = Weights::of_shapes(owned);
        let tokenizer = design.build(&weights)?;
        self.problems = by_kind(weights.problems(&NOT_THE_NETWORK));
        self.facts = Some(tokenizer.facts().clone());
        self.design = Some(design);
        Ok(())
    }
}

/// The design in Smalti's own metadata, if it is that of a tokenizer.
fn own_design(checkpoint: &Checkpoint, path: &Path) -> Result<Option<Design>> {
    let Some(written) = checkpoint.smalti(path)? else { return Ok(None) };
    let Some(settings) = written.get("config").cloned() else { return Ok(None) };
    // Files of the first builds name no family.
    let family = written["family"].as_str().unwrap_or("taming").to_owned();
    Ok(Some(Design { family, settings }))
}

/// The first few of each kind, and how many there are.
fn by_kind(problems: Vec<String>) -> Vec<String> {
    let (mut missing, mut wrong, mut extra) = (Vec::new(), Vec::new(), Vec::new());
    for problem in problems {
        if problem.contains(" is missing") {
            missing.push(problem);
        } else if problem.contains(" is not part of") {
            extra.push(problem);
        } else {
            wrong.push(problem);
        }
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
