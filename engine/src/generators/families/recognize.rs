//! Which published generator a checkpoint holds, told by the names and shapes of its tensors.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{FAMILIES, GeneratorFamily};
use crate::checkpoints::{self, Checkpoint, View};
use crate::generators::config::GeneratorConfig;
use crate::generators::network::Network;
use crate::generators::ways::RasterNetwork;
use crate::layers::Weights;
use crate::tokenizers::{Beside, Called, Shapes};
use crate::{EngineError, Result};

/// A published generator in a checkpoint.
#[derive(Debug, Clone)]
pub struct FoundGenerator {
    /// Who builds it.
    pub family: &'static dyn GeneratorFamily,
    /// Where in the checkpoint it is.
    pub view: View,
    /// The family's settings; null where it cannot be built.
    pub settings: Value,
    /// What it is; `None` where it cannot be built.
    pub config: Option<GeneratorConfig>,
    /// Number of its parameters.
    pub parameters: usize,
    /// Values of each sub-token of a token, where it has several.
    pub sub_tokens: Vec<u32>,
    /// Where the tensors differ from what the family has.
    pub problems: Vec<String>,
    /// What to do about them; may be empty.
    pub hint: String,
    /// What was stepped over, and what was assumed.
    pub notes: Vec<String>,
}

impl FoundGenerator {
    /// The network, from the tensors of the checkpoint.
    ///
    /// # Errors
    /// [`EngineError::BadFile`] with what does not fit, or the tensor that has a number which is none.
    pub fn open(&self, path: &Path, device: &candle_core::Device) -> Result<Network> {
        if let Some(problem) = self.problems.first() {
            let more = match self.problems.len() - 1 {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            let reason = format!("nearly {}, but {problem}{more}", self.family.title());
            let hint = match self.hint.as_str() {
                "" => "the file is not whole, or of a variant that is not known here",
                hint => hint,
            };
            return Err(EngineError::bad_file(path, reason, hint));
        }
        let weights = Weights::loaded(self.view.to_tensors(device)?, false, device);
        let network = self.family.build(&self.settings, &weights)?;
        weights.finish(&path.display().to_string(), self.family.beside_it())?;
        Ok(network)
    }
}

/// The published generator in a checkpoint, if it is one of the families'; `path` gives it its name, `beside` is the
/// configuration that lies beside it. Of several views the one that fits best.
pub fn find_generator(
    checkpoint: &Checkpoint,
    path: &Path,
    beside: Option<&checkpoints::Beside>,
) -> Option<FoundGenerator> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = whole.parent().and_then(Path::file_name).unwrap_or_default();
    let folder = folder.to_string_lossy().into_owned();
    let called = Called { name: &stem, folder: &folder };
    let beside = beside.filter(|beside| beside.problem.is_none());
    let beside =
        beside.map(|beside| Beside { path: beside.path.clone(), value: beside.value.clone() });
    let mut best: Option<FoundGenerator> = None;
    for family in FAMILIES {
        for view in checkpoints::views_with(checkpoint, family.mark()) {
            if best.as_ref().is_some_and(|best| best.problems.is_empty()) {
                return best;
            }
            if !family.claims(&shapes_of(&view)) {
                continue;
            }
            let found = fit(*family, view, called, beside.as_ref());
            let is_better = |best: &FoundGenerator| found.problems.len() < best.problems.len();
            if best.as_ref().is_none_or(is_better) {
                best = Some(found);
            }
        }
    }
    best
}

fn shapes_of(view: &View) -> Shapes<'_> {
    view.tensors.iter().map(|(name, entry)| (name.as_str(), entry.shape())).collect()
}

/// What came of building a network against shapes.
struct Fitted {
    settings: Value,
    config: GeneratorConfig,
    parameters: usize,
    sub_tokens: Vec<u32>,
    problems: Vec<String>,
}

/// A family's network against the shapes of a view, without a number read.
fn fit(
    family: &'static dyn GeneratorFamily,
    view: View,
    called: Called<'_>,
    beside: Option<&Beside>,
) -> FoundGenerator {
    let shapes = shapes_of(&view);
    let attempt = |beside: Option<&Beside>| -> Result<Fitted> {
        let settings = family.configure(called, &shapes, beside)?;
        let owned: BTreeMap<String, Vec<usize>> =
            shapes.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect();
        let weights = Weights::of_shapes(owned);
        let network = family.build(&settings, &weights)?;
        Ok(Fitted {
            settings,
            config: network.config().clone(),
            parameters: network.parameters(),
            sub_tokens: match network.raster().map(RasterNetwork::sub_tokens) {
                Ok(sizes) if sizes.len() > 1 => sizes,
                _ => Vec::new(),
            },
            problems: weights.problems(family.beside_it()),
        })
    };
    let count = |fitted: &Result<Fitted>| fitted.as_ref().map_or(usize::MAX, |f| f.problems.len());
    let mut notes = view.notes();
    let mut fitted = attempt(beside);
    let mut used = beside;
    if let Some(own) = beside {
        let name = own.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // A value that cannot be is told; one that fits another network's tensors alone is of that network.
        let is_other = fitted.is_ok() && count(&fitted) > 0;
        let without = is_other.then(|| attempt(None));
        match without.filter(|without| count(without) < count(&fitted)) {
            Some(without) => {
                (fitted, used) = (without, None);
                notes.push(format!("the configuration {name} beside it is of another network"));
            }
            None => notes.push(format!("with the configuration {name}")),
        }
    }
    let (mut problems, mut hint) = (Vec::new(), String::new());
    let (mut settings, mut config, mut parameters) = (Value::Null, None, 0);
    let mut sub_tokens = Vec::new();
    match fitted {
        Ok(fitted) => {
            notes.extend(family.assumed(called, &fitted.settings, &shapes, used));
            problems = fitted.problems;
            sub_tokens = fitted.sub_tokens;
            (settings, config, parameters) =
                (fitted.settings, Some(fitted.config), fitted.parameters);
        }
        Err(error) => {
            hint = error.problem().hint;
            problems.push(error.to_string());
        }
    }
    FoundGenerator { family, view, settings, config, parameters, sub_tokens, problems, hint, notes }
}
