//! A training whose tokenizer is to be a point of rate against quality: which kinds there are recipes of, how many
//! codes it has, how many minutes it may take.

use std::path::Path;

use smalti_engine::questions::SourceRef;
use smalti_engine::training::{Recipe, Trains};

/// What is asked besides what every training is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct PointForm {
    /// On which set it is measured, and on how many images of it at most.
    pub on: (SourceRef, u64),
    /// Recipes of tokenizers by their names, each with what it is: "FSQ, factor 8".
    pub kinds: Vec<(String, String)>,
    /// What is typed.
    pub codes: String,
    /// What stood there at first.
    pub first_codes: String,
    /// What is typed; nothing leaves the steps as they are.
    pub minutes: String,
}

impl PointForm {
    /// Reads what recipes there are in a folder.
    pub fn read(folder: &Path, names: &[String], recipe: &Recipe, on: (SourceRef, u64)) -> Self {
        let kind = |name: &String| {
            let recipe = Recipe::read(&folder.join(format!("{name}.ron"))).ok()?;
            Some((name.clone(), kind_of(&recipe)?))
        };
        let mut kinds: Vec<(String, String)> = names.iter().filter_map(kind).collect();
        kinds.sort_by(|a, b| (&a.1, &a.0).cmp(&(&b.1, &b.0)));
        let codes = codes_of(recipe).map_or(String::new(), |codes| codes.to_string());
        Self { on, kinds, first_codes: codes.clone(), codes, minutes: String::new() }
    }

    /// What was typed in the form of another recipe, where it was not left as that one has it.
    #[must_use]
    pub fn like(mut self, other: &Self) -> Self {
        if other.codes != other.first_codes {
            self.codes.clone_from(&other.codes);
        }
        self.minutes.clone_from(&other.minutes);
        self
    }
}

fn codes_of(recipe: &Recipe) -> Option<u64> {
    let tokenizer = recipe.tokenizer.as_ref()?;
    Some(tokenizer.quantizer.codes(tokenizer.network.embed_dim))
}

/// "FSQ, factor 8" of a recipe that trains all of a tokenizer from nothing.
fn kind_of(recipe: &Recipe) -> Option<String> {
    let tokenizer = recipe.tokenizer.as_ref()?;
    let is_whole = recipe.trains == Trains::All && recipe.init.is_none();
    let (kind, factor) = (tokenizer.quantizer.kind(), tokenizer.network.factor());
    is_whole.then(|| format!("{kind}, factor {factor}"))
}
