//! Which network a checkpoint holds, told by the names and shapes of its tensors.

use std::collections::BTreeMap;
use std::path::Path;

use super::configuration::Beside;
use super::wrappers::{View, views};
use super::{Checkpoint, Container};
use crate::layers::Weights;
use crate::tokenizers::family::{self, FAMILIES, Family, Shapes};
use crate::tokenizers::{Called, Facts, Tokenizer};
use crate::{EngineError, Result};

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

/// Another tokenizer in the same checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    /// Below which prefix it is; what follows `#` behind a path opens it.
    pub prefix: String,
    /// Its family, as people call it.
    pub family: String,
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
    /// What to do about them; may be empty.
    pub hint: String,
    /// What was stepped over.
    pub notes: Vec<String>,
    /// Below which prefix the network is; empty for the whole.
    pub prefix: String,
    /// Other tokenizers in the same file.
    pub others: Vec<Other>,
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
    Ok(find(checkpoint, path, beside, None)?.0)
}

/// As [`recognize`], of the tokenizer below a prefix, where there are several.
///
/// # Errors
/// As [`recognize`]; [`EngineError::BadFile`] if there is no tokenizer below `part`.
pub fn recognize_part(
    checkpoint: &Checkpoint,
    path: &Path,
    beside: Option<&Beside>,
    part: Option<&str>,
) -> Result<Recognized> {
    Ok(find(checkpoint, path, beside, part)?.0)
}

/// As [`recognize`], with the view of the checkpoint in which the network was found. `part` asks for the
/// one below that prefix.
///
/// # Errors
/// As [`recognize`]; [`EngineError::BadInput`] if there is no tokenizer below `part`.
pub(super) fn find(
    checkpoint: &Checkpoint,
    path: &Path,
    beside: Option<&Beside>,
    part: Option<&str>,
) -> Result<(Recognized, Option<View>)> {
    let mut found = Recognized {
        container: checkpoint.container,
        is_own: checkpoint.smalti(path)?.is_some(),
        family: "unknown".to_owned(),
        tensors: checkpoint.tensors.len() + checkpoint.others.len(),
        parameters: all_elements(checkpoint),
        facts: None,
        design: None,
        problems: Vec::new(),
        hint: String::new(),
        notes: checkpoint.notes.clone(),
        prefix: String::new(),
        others: Vec::new(),
    };
    if let Some(Beside { path, problem: Some(problem), .. }) = beside {
        found.notes.push(format!("{} beside it is not used: {problem}", named(path)));
    }
    if found.is_own {
        "Smalti".clone_into(&mut found.family);
        let view = found.take_own(checkpoint, path)?;
        return Ok((found, view));
    }
    let [name, folder] = names_of(path);
    let called = Called { name: &name, folder: &folder };
    let beside = beside.filter(|beside| beside.problem.is_none());
    let beside = beside
        .map(|beside| family::Beside { path: beside.path.clone(), value: beside.value.clone() });
    let of = |view| Match::of(view, called, beside.as_ref());
    let mut matches: Vec<Match> = views(checkpoint).into_iter().filter_map(of).collect();
    keep_whole_averages(&mut matches, beside.as_ref());
    if let Some(part) = part {
        let wanted = part.trim_end_matches('.');
        let root = checkpoint.root.as_ref().map(|root| format!("{root}.")).unwrap_or_default();
        // People leave the root out: "first_stage_model" of "state_dict.first_stage_model".
        let is_it = |prefix: &str| {
            let prefix = prefix.trim_end_matches('.');
            prefix == wanted || prefix.strip_prefix(root.as_str()) == Some(wanted)
        };
        matches.retain(|found| is_it(&found.view.prefix));
        if matches.is_empty() {
            let reason = format!("there is no tokenizer below {part:?} in it");
            return Err(EngineError::bad_file(
                path,
                reason,
                "`smalti inspect` lists what there is",
            ));
        }
    }
    // The first that fits wholly, or else the one that is nearest to it.
    matches.sort_by_key(Match::problem_count);
    let mut matches = matches.into_iter();
    let Some(best) = matches.next() else { return Ok((found, None)) };
    for other in matches.filter(|other| other.problem_count() == 0) {
        let is_new = other.view.prefix != best.view.prefix
            && !found.others.iter().any(|known| known.prefix == other.view.prefix);
        if is_new {
            let family = other.family.title().to_owned();
            found.others.push(Other { prefix: other.view.prefix.clone(), family });
        }
    }
    best.family.title().clone_into(&mut found.family);
    found.notes.extend(best.view.notes());
    found.notes.extend(best.notes);
    match best.fitted {
        Ok((design, fitted)) => found.take(design, fitted, &best.view),
        Err(error) => found.stop(best.family.title(), &error),
    }
    for other in &found.others {
        let prefix = other.prefix.trim_end_matches('.');
        let note = format!("another tokenizer in it: {} below {prefix}", other.family);
        found.notes.push(note);
    }
    Ok((found, Some(best.view)))
}

fn all_elements(checkpoint: &Checkpoint) -> u64 {
    let all = checkpoint.tensors.values().chain(checkpoint.others.values());
    all.map(|entry| entry.elements() as u64).sum()
}

/// The name of a file without its ending, and that of its folder: what a person calls it.
fn names_of(path: &Path) -> [String; 2] {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = whole.parent().unwrap_or(Path::new(""));
    // Hugging Face's cache: models--OWNER--NAME/snapshots/COMMIT/FILE.
    let cache = folder.parent().filter(|above| name(above) == "snapshots").and_then(Path::parent);
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    [stem, name(cache.unwrap_or(folder))]
}

/// Leaves out averaged weights that lack some of their network's parameters, and all of them if the
/// configuration says so: half of a network would be averaged, half not.
fn keep_whole_averages(matches: &mut Vec<Match>, beside: Option<&family::Beside>) {
    let mut left_out: BTreeMap<String, String> = BTreeMap::new();
    matches.retain(|found| {
        let own = beside.filter(|beside| beside.is_of(found.family.classes()));
        let unwanted = own.and_then(|beside| beside.find("use_ema")?.as_bool()) == Some(false);
        let note = match (&found.lacking[..], unwanted) {
            _ if !found.view.averaged => return true,
            (_, true) => "the last weights, not averaged ones, as its configuration says (use_ema)",
            ([], false) => return true,
            ([first, ..], false) => &format!(
                "the last weights: the averaged ones (model_ema) lack {} of the network's tensors \
                 ({first})",
                found.lacking.len()
            ),
        };
        left_out.insert(found.view.prefix.clone(), note.to_owned());
        false
    });
    for found in matches {
        found.notes.extend(left_out.get(&found.view.prefix).cloned());
    }
}

/// A network that was built against shapes.
#[derive(Debug)]
struct Fitted {
    facts: Facts,
    /// What does not fit.
    problems: Vec<String>,
    /// Its parameters that stand among averaged weights and have no average.
    lacking: Vec<String>,
}

/// A view that a family claims.
struct Match {
    view: View,
    family: &'static dyn Family,
    fitted: Result<(Design, Fitted)>,
    /// What became of the configuration beside it, and what was assumed.
    notes: Vec<String>,
    /// As [`Fitted::lacking`].
    lacking: Vec<String>,
}

impl Match {
    fn of(view: View, called: Called<'_>, beside: Option<&family::Beside>) -> Option<Self> {
        let shapes = shapes_of(&view);
        let claiming = || FAMILIES.iter().filter(|family| family.claims(&shapes));
        // Names alone may be those of two; what the configuration calls it decides.
        let is_named =
            |family: &&&dyn Family| beside.is_some_and(|beside| beside.names(family.classes()));
        let family = *claiming().find(is_named).or_else(|| claiming().next())?;
        let attempt = |beside: Option<&family::Beside>| {
            family.configure(called, &shapes, beside).and_then(|settings| {
                let design = Design { family: family.id().to_owned(), settings };
                let fitted = fit(&design, &view)?;
                Ok((design, fitted))
            })
        };
        let own = beside.filter(|beside| beside.is_of(family.classes()));
        let mut fitted = attempt(own);
        let mut used = own.cloned();
        let mut notes = Vec::new();
        match (own, beside) {
            (Some(own), _) => {
                let name = named(&own.path);
                let mut note = format!("with the configuration {name}");
                if let Err(error) = fitted {
                    fitted = Err(blamed(error, attempt(None), own));
                } else if count(&fitted) > 0 {
                    // A folder of downloads has the configurations of other networks too. Of a value that
                    // cannot be, it is never taken for one.
                    let class = own.class_alone();
                    let without = attempt(class.as_ref());
                    if count(&without) < count(&fitted) {
                        note = format!("the configuration {name} beside it is of another network");
                        if class.is_some() {
                            note.push_str("; only the class that it names was taken");
                        }
                        (fitted, used) = (without, class);
                    }
                }
                notes.push(note);
            }
            (None, Some(foreign)) => {
                let name = named(&foreign.path);
                notes.push(format!("the configuration {name} beside it is of another network"));
            }
            (None, None) => {}
        }
        let mut lacking = Vec::new();
        if let Ok((design, fitted)) = &mut fitted {
            notes.extend(family.assumed(&design.settings, &shapes, used.as_ref()));
            lacking = std::mem::take(&mut fitted.lacking);
        }
        Some(Self { view, family, fitted, notes, lacking })
    }

    /// What does not fit, to be compared; a network that cannot be built at all is the farthest.
    fn problem_count(&self) -> usize {
        count(&self.fitted)
    }
}

fn count(fitted: &Result<(Design, Fitted)>) -> usize {
    fitted.as_ref().map_or(usize::MAX, |(_, fitted)| fitted.problems.len())
}

/// What stopped a network that has a configuration: with its file, where it would not have stopped without.
fn blamed(
    error: EngineError,
    without: Result<(Design, Fitted)>,
    beside: &family::Beside,
) -> EngineError {
    let is_its_own = matches!(error, EngineError::BadFile { .. });
    if is_its_own || without.is_err_and(|without| without.to_string() == error.to_string()) {
        return error;
    }
    let hint = match error.problem().hint {
        none if none.is_empty() => "correct it, or move the file away to take what is usual".into(),
        hint => hint,
    };
    EngineError::bad_file(&beside.path, error, hint)
}

fn named(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

impl Recognized {
    /// Says what kept a network of a family from being built.
    fn stop(&mut self, title: &str, error: &EngineError) {
        // Shapes have no file of their own: what is said of one is said of the configuration.
        let is_whole = matches!(error, EngineError::BadFile { .. });
        let nearly = if is_whole { "" } else { "nearly " };
        let article = if title.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" };
        self.problems.push(format!("{nearly}{article} {title}, but {error}"));
        self.hint = error.problem().hint;
    }

    /// Takes the network that Smalti's own metadata names, if that is a tokenizer.
    fn take_own(&mut self, checkpoint: &Checkpoint, path: &Path) -> Result<Option<View>> {
        let Some(design) = own_design(checkpoint, path)? else { return Ok(None) };
        let view = View::own(checkpoint);
        if view.tensors.len() < checkpoint.tensors.len() {
            let note = "the checkpoint of a training run; its model is the averages of the weights";
            self.notes.push(note.to_owned());
        }
        let bad = |e: EngineError| {
            let reason = format!("its configuration cannot be used: {e}");
            EngineError::bad_file(path, reason, "the file is damaged or newer than this program")
        };
        let fitted = fit(&design, &view).map_err(bad)?;
        self.take(design, fitted, &view);
        Ok(Some(view))
    }

    fn take(&mut self, design: Design, fitted: Fitted, view: &View) {
        self.problems = by_kind(fitted.problems);
        self.facts = Some(fitted.facts);
        self.design = Some(design);
        self.prefix.clone_from(&view.prefix);
    }
}

fn shapes_of(view: &View) -> Shapes<'_> {
    view.tensors.iter().map(|(name, entry)| (name.as_str(), entry.shape())).collect()
}

/// Builds the network against the shapes, without a number read.
fn fit(design: &Design, view: &View) -> Result<Fitted> {
    let owned: BTreeMap<String, Vec<usize>> =
        view.tensors.iter().map(|(name, entry)| (name.clone(), entry.shape().to_vec())).collect();
    let weights = Weights::of_shapes(owned);
    let tokenizer = design.build(&weights)?;
    let lacks = |name: &&String| weights.is_parameter(name);
    Ok(Fitted {
        facts: tokenizer.facts().clone(),
        problems: weights.problems(&[]),
        lacking: view.unaveraged.iter().filter(lacks).cloned().collect(),
    })
}

/// The design in Smalti's own metadata, if it is that of a tokenizer.
fn own_design(checkpoint: &Checkpoint, path: &Path) -> Result<Option<Design>> {
    let Some(written) = checkpoint.smalti(path)? else { return Ok(None) };
    // A run's checkpoint has its recipe, a model its configuration.
    let settings = match written["kind"].as_str() {
        Some("run") => written["recipe"].get("tokenizer"),
        Some("tokenizer") | None => written.get("config"),
        Some(_other) => None,
    };
    let Some(settings) = settings.cloned() else { return Ok(None) };
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
