//! The recipe of a run, kept in its folder: what a person needs to go on with it anywhere.

use std::path::{Path, PathBuf};

use super::recipe::{DataSource, PerceptualNetwork, Recipe};
use super::state::write_atomically;
use crate::{EngineError, Result};

/// What the recipe of a run is called in its folder.
const NAME: &str = "recipe.ron";
/// What its text begins with.
const ABOUT: &str = "// The recipe of the run in this folder, as it was started. Paths are whole, so that the run goes on \
                     wherever\n// the folder is; where a folder of images has moved, change its path here, but not its name.\n";

/// The recipe in a run's folder.
pub fn recipe_file(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

/// Writes the recipe of a run to its folder; `beside` is where its relative paths start. One that is there and
/// says the same stays as a person wrote it; another one is put aside.
pub(super) fn keep_recipe(folder: &Path, recipe: &Recipe, beside: &Path) -> Result<()> {
    let own = recipe_file(folder);
    let is_same = |known: Recipe| known.resolved(folder) == recipe.resolved(beside);

    if own.is_file() {
        if Recipe::read(&own).is_ok_and(is_same) {
            return Ok(());
        }
        let aside = own.with_extension("before.ron");
        std::fs::rename(&own, &aside).map_err(|source| EngineError::io(&own, source))?;
    }
    let settings = ron::ser::PrettyConfig::new().struct_names(false).compact_arrays(true);
    let text = ron::ser::to_string_pretty(&recipe.resolved(beside), settings)
        .map_err(|error| EngineError::bad_input("recipe", error, ""))?;
    write_atomically(&recipe_file(folder), format!("{ABOUT}{text}\n").as_bytes())
}

impl Recipe {
    /// With whole paths instead of those that start in `folder`. Paths in what comes with Smalti stay as they
    /// are.
    #[must_use]
    pub fn resolved(&self, folder: &Path) -> Self {
        self.with_paths(&|path| {
            let whole = folder.join(path);
            std::path::absolute(&whole).unwrap_or(whole)
        })
    }

    /// With the last parts of paths alone, but for those in what comes with Smalti: images that lie elsewhere by
    /// now are the same images, and nobody else needs to know where.
    pub(super) fn without_folders(&self) -> Self {
        self.with_paths(&|path| {
            let text = path.to_string_lossy();
            let text = text.trim_end_matches(['/', '\\']);
            PathBuf::from(text.rsplit(['/', '\\']).next().unwrap_or(text))
        })
    }

    /// With other paths, where they are not those of what comes with Smalti.
    fn with_paths(&self, change: &dyn Fn(&Path) -> PathBuf) -> Self {
        let change = |path: &Path| {
            let is_shipped = path.to_str().is_some_and(|text| text.starts_with("assets:"));
            if is_shipped { path.to_owned() } else { change(path) }
        };
        let mut recipe = self.clone();
        recipe.init = recipe.init.as_deref().map(&change);
        for part in &mut recipe.data {
            if let DataSource::Path(path) = &mut part.from {
                *path = change(path);
            }
        }
        if let Some(generator) = &mut recipe.generator {
            generator.tokenizer = change(&generator.tokenizer);
        }
        if let Some(perceptual) = &mut recipe.perceptual {
            match &mut perceptual.network {
                PerceptualNetwork::Classifier(path) => *path = change(path),
                PerceptualNetwork::Vgg16(trunk, heads)
                | PerceptualNetwork::AlexNet(trunk, heads) => {
                    (*trunk, *heads) = (change(trunk), change(heads));
                }
            }
        }
        recipe
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_recipe_is_the_same_after_it_was_kept_but_for_its_paths() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/recipes");
        let kept = tempfile::tempdir().unwrap();
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            let recipe = Recipe::read(&path).unwrap();
            keep_recipe(kept.path(), &recipe, &folder).unwrap();
            let again = Recipe::read(&recipe_file(kept.path())).unwrap();
            assert_eq!(again, recipe.resolved(&folder), "{}", path.display());
            assert_eq!(again.without_folders(), recipe.without_folders(), "{}", path.display());
            // Kept from there once more it stays.
            assert_eq!(again.resolved(kept.path()), again);
        }
    }

    #[test]
    fn a_recipe_that_says_the_same_stays_as_a_person_wrote_it() {
        let folder = tempfile::tempdir().unwrap();
        let own = recipe_file(folder.path());
        let text = "// mine\n(name: \"x\", seed: 1, classifier: (name: \"x\", classes: 2),
            data: [(weight: 1, from: Path(\"flowers\"))], crop: (side: 32), batch: 2, steps: 9,
            optimizer: (lr: 1e-3))";
        std::fs::write(&own, text).unwrap();
        let recipe = Recipe::read(&own).unwrap();
        keep_recipe(folder.path(), &recipe, folder.path()).unwrap();
        keep_recipe(folder.path(), &recipe.resolved(folder.path()), Path::new("/")).unwrap();
        assert_eq!(std::fs::read_to_string(&own).unwrap(), text);
        // Another one takes its place.
        let other = Recipe { seed: 2, ..recipe.resolved(folder.path()) };
        keep_recipe(folder.path(), &other, Path::new("/")).unwrap();
        assert_eq!(Recipe::read(&own).unwrap(), other);
    }

    #[test]
    fn paths_become_whole_and_those_of_what_is_shipped_stay() {
        let text = "(name: \"x\", seed: 1, classifier: (name: \"x\", classes: 2),
            data: [(weight: 1, from: Path(\"../flowers/\")), (weight: 1, from: Path(\"assets:photos/photos.tar\"))],
            crop: (side: 32), batch: 2, steps: 9, optimizer: (lr: 1e-3), init: \"start.safetensors\")";
        let recipe = Recipe::parse(text).unwrap();
        let kept = tempfile::tempdir().unwrap();
        let folder = kept.path();
        let whole = recipe.resolved(folder);
        assert_eq!(whole.data[0].from, DataSource::Path(folder.join("../flowers/")));
        assert_eq!(whole.data[1].from, recipe.data[1].from);
        assert_eq!(whole.init, Some(folder.join("start.safetensors")));
        let names = whole.without_folders();
        assert_eq!(names.data[0].from, DataSource::Path("flowers".into()));
        assert_eq!(names.data[1].from, recipe.data[1].from);
        assert_eq!(names.init, Some("start.safetensors".into()));
    }
}
