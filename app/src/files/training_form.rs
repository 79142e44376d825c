//! What a person is asked before a training begins: read from the recipe, filled in, and checked as it is typed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use smalti_engine::tokenizers::TokenizerConfig;
use smalti_engine::training::{DataSource, Recipe};
use smalti_engine::{EngineError, Problem};

use super::new_point::PointForm;
use crate::document::{Changes, NewPoint, RecipeRef, Slot};
use crate::look::words::grouped;

/// Where the images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DataChoice {
    /// What the recipe says.
    #[default]
    Recipe,
    /// Painted worlds.
    Worlds,
    /// The set that is opened in the window.
    Opened,
    /// A path that is typed or chosen.
    Elsewhere,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The recipe, in what is not asked for by itself.
    Recipe,
    /// The images.
    Data,
    /// Steps of the run.
    Steps,
    /// The side of its images.
    Side,
    /// Images of a step.
    Batch,
    /// The run's folder.
    Folder,
    /// Codes of a new point.
    Codes,
    /// Minutes of a new point.
    Minutes,
}

impl Field {
    /// What it is called in the dialog.
    pub fn label(self) -> &'static str {
        match self {
            Self::Recipe => "Recipe",
            Self::Data => "Data",
            Self::Steps => "Steps",
            Self::Side => "Picture size",
            Self::Batch => "Batch",
            Self::Folder => "Folder",
            Self::Codes => "Codes",
            Self::Minutes => "Minutes",
        }
    }
}

/// Why it cannot begin like that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What has to be other.
    pub field: Field,
    /// Why, beginning with the field's name.
    pub reason: String,
    /// What would do; may be empty.
    pub hint: String,
}

impl Refusal {
    fn new(field: Field, reason: impl std::fmt::Display, hint: impl Into<String>) -> Self {
        Self { field, reason: format!("{}: {reason}", field.label()), hint: hint.into() }
    }

    /// Of what a recipe's check says.
    fn of(error: &EngineError) -> Self {
        let EngineError::BadInput { what, reason, hint } = error else {
            return Self::new(Field::Recipe, error, "");
        };
        let (field, is_named) = match what.as_str() {
            "steps" => (Field::Steps, true),
            "batch" => (Field::Batch, true),
            "crop.side" => (Field::Side, true),
            "data" => (Field::Data, true),
            "codes" => (Field::Codes, true),
            // These are the recipe's, but it is the steps that changed.
            "optimizer.warmup" | "adversarial.start" => (Field::Steps, false),
            _ => (Field::Recipe, false),
        };
        let reason = if is_named { reason.clone() } else { format!("{what}: {reason}") };
        Self::new(field, reason, hint.clone())
    }
}

/// How fast an earlier run was.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    /// The run.
    pub name: String,
    /// What it trained by.
    pub recipe: Recipe,
    /// Images a second in its last report.
    pub images_per_second: f64,
}

/// What is known of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlotSaid {
    /// The run that is there.
    pub run: Option<String>,
    /// Whether it goes on or is paused, so that it keeps its slot.
    pub goes_on: bool,
}

/// A training as a person wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// Which recipe.
    pub reference: RecipeRef,
    /// The recipe as it was read.
    pub recipe: Recipe,
    /// Recipes that come with Smalti.
    pub recipes: Vec<String>,
    /// Where the images come from.
    pub data: DataChoice,
    /// The set that is opened, if it lies somewhere.
    pub opened: Option<Arc<Path>>,
    /// The path of the images, if they come from elsewhere.
    pub path: String,
    /// What is typed.
    pub steps: String,
    /// What is typed.
    pub side: String,
    /// What is typed.
    pub batch: String,
    /// What is typed; may be empty where only a folder of temporary files is known.
    pub folder: String,
    /// What stood there at first.
    pub first_folder: String,
    /// Where `~` leads.
    pub home: Option<PathBuf>,
    /// The slot; none takes a free one.
    pub slot: Option<Slot>,
    /// What is in the slots.
    pub slots: [SlotSaid; 4],
    /// How fast earlier runs were, the latest first.
    pub paces: Vec<Pace>,
    /// Why it could not begin.
    pub problem: Option<Problem>,
    /// What is asked of a tokenizer that becomes a point of rate against quality.
    pub point: Option<PointForm>,
}

/// How long it takes, and whence that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Seconds in all.
    pub seconds: f32,
    /// The run that it is told from.
    pub run: String,
    /// Images a second of that one.
    pub images_per_second: f64,
    /// The side of its images, if that is another one.
    pub other_side: Option<u32>,
}

impl Form {
    /// What is wanted otherwise than the recipe says, and the recipe with it.
    ///
    /// # Errors
    /// The first field that does not do.
    pub fn wanted(&self) -> Result<(Changes, Recipe), Refusal> {
        let recipe = &self.recipe;
        let changes = Changes {
            data: self.wanted_data()?,
            steps: changed(recipe.steps, number(Field::Steps, &self.steps)?),
            side: changed(recipe.crop.side, number(Field::Side, &self.side)?),
            batch: changed(recipe.batch, number(Field::Batch, &self.batch)?),
            folder: self.wanted_folder()?,
            slot: self.slot,
            point: self.wanted_point()?,
        };
        let wanted = changes.apply(recipe.clone());
        let checked = wanted.validate().and_then(|()| wanted.validate_beginning());
        checked.map_err(|error| Refusal::of(&error))?;
        Ok((changes, wanted))
    }

    fn wanted_data(&self) -> Result<Option<DataSource>, Refusal> {
        Ok(match (self.data, &self.opened) {
            (DataChoice::Worlds, _) => Some(DataSource::Worlds(self.recipe.seed)),
            (DataChoice::Opened, Some(path)) => Some(DataSource::Path(path.to_path_buf())),
            (DataChoice::Recipe | DataChoice::Opened, _) => None,
            (DataChoice::Elsewhere, _) => {
                Some(DataSource::Path(self.whole_path(Field::Data, &self.path)?))
            }
        })
    }

    fn wanted_point(&self) -> Result<Option<NewPoint>, Refusal> {
        let Some(form) = &self.point else { return Ok(None) };
        let codes = number(Field::Codes, &form.codes)?;
        if !form.minutes.trim().is_empty() {
            number::<u64>(Field::Minutes, &form.minutes)?;
        }
        let point = NewPoint { codes, on: form.on.clone() };
        point.apply(self.recipe.clone()).map_err(|error| Refusal::of(&error))?;
        Ok(Some(point))
    }

    /// Whether a number of minutes can be brought to steps: a run of such a network was here.
    pub fn knows_pace(&self) -> bool {
        self.images_per_second().is_some()
    }

    /// The steps that fit into the minutes that are typed, as a run of such a network did last; they stay as they are
    /// where none was here.
    pub fn take_minutes(&mut self) {
        let minutes =
            self.point.as_ref().and_then(|point| point.minutes.trim().parse::<f64>().ok());
        let batch = number::<u64>(Field::Batch, &self.batch).unwrap_or(self.recipe.batch as u64);
        if let (Some(minutes), Some(pace)) = (minutes, self.images_per_second()) {
            let steps = minutes * 60.0 * pace / batch.max(1) as f64;
            self.steps = (steps.clamp(1.0, 1e9) as u64).to_string();
        }
    }

    /// Images of the wanted side a second.
    fn images_per_second(&self) -> Option<f64> {
        let side = number::<u32>(Field::Side, &self.side).unwrap_or(self.recipe.crop.side).max(1);
        let pace = self.paces.iter().find(|pace| is_alike(&pace.recipe, &self.recipe))?;
        let pixels = (f64::from(side) / f64::from(pace.recipe.crop.side.max(1))).powi(2);
        Some(pace.images_per_second / pixels)
    }

    fn wanted_folder(&self) -> Result<Option<PathBuf>, Refusal> {
        if self.folder == self.first_folder {
            return Ok(None);
        }
        self.whole_path(Field::Folder, &self.folder).map(Some)
    }

    /// A path as it is typed.
    fn whole_path(&self, field: Field, text: &str) -> Result<PathBuf, Refusal> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Refusal::new(field, "it is missing", "Type a path, or choose one"));
        }
        let path = match (text.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(text),
        };
        if path.is_absolute() {
            return Ok(path);
        }
        Err(Refusal::new(field, format!("{text:?} is no whole path"), "Begin with / or ~/"))
    }

    /// The recipe's own images, in words.
    pub fn own_data(&self) -> String {
        let word = |from: &DataSource| match from {
            DataSource::Worlds(_) => "Worlds".to_owned(),
            DataSource::Path(path) => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                name.to_string_lossy().into_owned()
            }
        };
        let words: Vec<String> = self.recipe.data.iter().map(|part| word(&part.from)).collect();
        words.join(", ")
    }

    /// What is typed by mistake more often than it is meant: many times the steps of the recipe.
    pub fn doubt(&self, wanted: &Recipe) -> Option<String> {
        const MANY: u64 = 20;
        let times = wanted.steps / self.recipe.steps.max(1);
        let [steps, said] = [wanted.steps, times].map(grouped);
        (times >= MANY).then(|| format!("{steps} steps are {said} times those of the recipe"))
    }

    /// How long it takes, as the latest run of the same network did; none if there was none.
    pub fn estimate(&self, wanted: &Recipe) -> Option<Estimate> {
        let same = |pace: &&Pace| is_same_work(&pace.recipe, wanted);
        let side = |pace: &Pace| pace.recipe.crop.side;
        let own = wanted.crop.side;
        let exact = self.paces.iter().filter(same).find(|pace| side(pace) == own);
        let alike = || self.paces.iter().find(|pace| is_alike(&pace.recipe, wanted));
        let pace = exact.or_else(|| self.paces.iter().find(same));
        let pace = pace.or_else(|| alike().filter(|_| self.point.is_some()))?;
        let pixels = (f64::from(own) / f64::from(side(pace))).powi(2);
        let images = wanted.steps as f64 * wanted.batch as f64;
        let seconds = images * pixels / pace.images_per_second.max(1e-9);
        Some(Estimate {
            seconds: seconds as f32,
            run: pace.name.clone(),
            images_per_second: pace.images_per_second,
            other_side: (side(pace) != own).then(|| side(pace)),
        })
    }

    /// What was chosen and typed in another recipe's form: of the fields that were left as that recipe has them,
    /// this one's stand there.
    #[must_use]
    pub fn like(self, other: &Self) -> Self {
        let typed = |text: &str, left: &str, own: String| {
            if text == left { own } else { text.to_owned() }
        };
        let recipe = &other.recipe;
        let steps = typed(&other.steps, &recipe.steps.to_string(), self.steps);
        let side = typed(&other.side, &recipe.crop.side.to_string(), self.side);
        let batch = typed(&other.batch, &recipe.batch.to_string(), self.batch);
        let folder = typed(&other.folder, &other.first_folder, self.folder);
        let (data, path, slot) = (other.data, other.path.clone(), other.slot);
        let point = match (self.point, &other.point) {
            (Some(own), Some(other)) => Some(own.like(other)),
            (own, _) => own,
        };
        Self { data, path, steps, side, batch, folder, slot, point, ..self }
    }
}

/// Whether an image costs as much in both, but for its size.
fn is_same_work(one: &Recipe, other: &Recipe) -> bool {
    let costs = |recipe: &Recipe| {
        let shape = (recipe.tokenizer.clone(), recipe.classifier.clone(), recipe.trains);
        let losses = (recipe.perceptual.clone(), recipe.adversarial.clone());
        (shape, losses, recipe.recompute, recipe.images_at_once())
    };
    costs(one) == costs(other)
}

/// Whether an image costs about as much in both: of quantizers and codes the networks round them know little.
fn is_alike(one: &Recipe, other: &Recipe) -> bool {
    let costs = |recipe: &Recipe| {
        let of = |it: &TokenizerConfig| {
            (it.network.ch, it.network.ch_mult.clone(), it.network.num_res_blocks)
        };
        let losses = (recipe.perceptual.clone(), recipe.adversarial.is_some());
        (recipe.tokenizer.as_ref().map(of), recipe.trains, losses, recipe.recompute)
    };
    one.tokenizer.is_some() && costs(one) == costs(other)
}

fn changed<T: PartialEq + Copy>(own: T, wanted: T) -> Option<T> {
    (own != wanted).then_some(wanted)
}

/// A whole number as people type it: "20 000" and "20_000" are one, too.
fn number<T: std::str::FromStr>(field: Field, text: &str) -> Result<T, Refusal> {
    let digits: String =
        text.chars().filter(|c| !c.is_whitespace() && !['_', '\u{a0}'].contains(c)).collect();
    digits.parse().map_err(|_error| {
        let reason = if digits.is_empty() {
            "it is missing".to_owned()
        } else {
            format!("{text:?} is no whole number")
        };
        Refusal::new(field, reason, "")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What somebody types.
    type Change = dyn Fn(&mut Form);

    fn form() -> Form {
        let text = "(name: \"x\", seed: 1, tokenizer: (name: \"x\", network: (ch: 4, ch_mult: [1, 2],
            num_res_blocks: 1, attn_resolutions: [], resolution: 8, z_channels: 3, embed_dim: 2,
            norm_groups: 2), quantizer: Fsq((levels: [5, 4]))), data: [(weight: 1, from: Worlds(3))],
            crop: (side: 8), batch: 2, steps: 100, optimizer: (lr: 1e-3, warmup: 10))";
        let recipe = Recipe::parse(text).unwrap();
        Form {
            reference: RecipeRef::Shipped("x".into()),
            recipes: Vec::new(),
            data: DataChoice::Recipe,
            opened: None,
            path: String::new(),
            steps: recipe.steps.to_string(),
            side: recipe.crop.side.to_string(),
            batch: recipe.batch.to_string(),
            folder: "/runs/x-1".to_owned(),
            first_folder: "/runs/x-1".to_owned(),
            home: Some("/home/me".into()),
            slot: None,
            slots: Default::default(),
            paces: Vec::new(),
            problem: None,
            point: None,
            recipe,
        }
    }

    #[test]
    fn what_contradicts_is_refused_with_its_field() {
        let refused = |change: &dyn Fn(&mut Form)| {
            let mut form = form();
            change(&mut form);
            let refusal = form.wanted().unwrap_err();
            (refusal.field, refusal.reason)
        };
        assert_eq!(form().wanted().unwrap().0, Changes::default(), "as it is it does");
        let cases: [(&Change, Field, &str); 8] = [
            (&|form| form.side = "9".into(), Field::Side, "Picture size: 9 is not a multiple of 2"),
            (&|form| form.steps = "5".into(), Field::Steps, "Steps: optimizer.warmup: 10 steps"),
            (&|form| form.steps = "0".into(), Field::Steps, "Steps: 0"),
            (&|form| form.steps = "many".into(), Field::Steps, "\"many\" is no whole number"),
            (&|form| form.batch = " ".into(), Field::Batch, "Batch: it is missing"),
            (&|form| form.batch = "9999".into(), Field::Batch, "Batch: 9999"),
            (&|form| form.data = DataChoice::Elsewhere, Field::Data, "Data: it is missing"),
            (&|form| form.folder = "here".into(), Field::Folder, "no whole path"),
        ];
        for (change, field, word) in cases {
            let (of, reason) = refused(change);
            assert!(of == field && reason.contains(word), "{reason}");
        }
    }

    #[test]
    fn what_is_refused_says_what_would_do_and_what_is_odd_is_said() {
        let mut form = form();
        form.steps = "5".to_owned();
        let refusal = form.wanted().unwrap_err();
        assert!(refusal.hint.contains("at least 10 steps"), "{}", refusal.hint);
        for (steps, odd) in [("100", false), ("1000", false), ("100200", true)] {
            form.steps = steps.to_owned();
            let wanted = form.wanted().unwrap().1;
            assert_eq!(form.doubt(&wanted).is_some(), odd, "{steps}");
        }
    }

    #[test]
    fn what_is_typed_changes_the_recipe_and_nothing_else() {
        let mut form = form();
        form.steps = "20 000".to_owned();
        form.side = "16".to_owned();
        (form.data, form.path) = (DataChoice::Elsewhere, "~/flowers".to_owned());
        form.folder = "/data/mine".to_owned();
        let (changes, wanted) = form.wanted().unwrap();
        assert_eq!((wanted.steps, wanted.crop.side, wanted.batch), (20_000, 16, 2));
        assert_eq!(wanted.data[0].from, DataSource::Path("/home/me/flowers".into()));
        assert_eq!(changes.folder, Some("/data/mine".into()));
        assert_eq!(changes.batch, None);
    }

    #[test]
    fn what_was_filled_in_stays_when_another_recipe_is_chosen() {
        let other = || {
            let mut other = form();
            other.recipe.steps = 300;
            (other.steps, other.folder) = ("300".to_owned(), "/runs/y-1".to_owned());
            other.first_folder = "/runs/y-1".to_owned();
            other
        };
        let untouched = other().like(&form());
        assert_eq!((&*untouched.steps, &*untouched.folder), ("300", "/runs/y-1"));
        let mut before = form();
        (before.batch, before.steps) = ("3".to_owned(), "20 000".to_owned());
        before.folder = "/data/mine".to_owned();
        (before.data, before.path) = (DataChoice::Elsewhere, "~/flowers".to_owned());
        let filled = other().like(&before);
        assert_eq!((&*filled.batch, &*filled.steps), ("3", "20 000"));
        assert_eq!((&*filled.side, &*filled.folder), ("8", "/data/mine"));
        assert_eq!((filled.data, &*filled.path), (DataChoice::Elsewhere, "~/flowers"));
    }

    #[test]
    fn time_is_told_by_runs_of_the_same_network_alone() {
        let mut form = form();
        let other = form.recipe.clone();
        let pace = |recipe: Recipe, images_per_second| Pace {
            name: "x-7".to_owned(),
            recipe,
            images_per_second,
        };
        let slower = Recipe { batch: 1, ..other.clone() };
        form.paces = vec![pace(slower, 1.0)];
        assert_eq!(form.estimate(&form.recipe), None, "another batch is another work");
        form.paces.push(pace(other.clone(), 4.0));
        assert_eq!(form.estimate(&form.recipe).unwrap().seconds, 50.0);
        form.side = "16".to_owned();
        let wanted = form.wanted().unwrap().1;
        let estimate = form.estimate(&wanted).unwrap();
        assert_eq!((estimate.seconds, estimate.other_side), (200.0, Some(8)));
    }
}
