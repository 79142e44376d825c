//! One training run, step by step.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use candle_core::{Device, Tensor, Var};

use super::metrics::MetricsFile;
use super::optimizer::{AdamW, Gradients};
use super::recipe::Recipe;
use super::report::Report;
use super::state;
use crate::data::{Batch, Loader, LoaderOptions, Source};
use crate::images::Picture;
use crate::kernels::recomputing;
use crate::layers::Weights;
use crate::measure::BookCounts;
use crate::quantizers::{Pass, Place};
use crate::tokenizers::{self, Tokenizer};
use crate::{EngineError, Result};

/// A training run.
#[derive(Debug)]
pub struct Trainer {
    recipe: Recipe,
    device: Device,
    folder: PathBuf,
    tokenizer: Box<dyn Tokenizer>,
    vars: BTreeMap<String, Var>,
    optimizer: AdamW,
    source: Arc<dyn Source>,
    /// None after it failed, until the next step.
    loader: Option<Loader>,
    metrics: MetricsFile,
    step: u64,
    pace: Pace,
    counts: BookCounts,
    /// Whether what is in memory is what a step left, and no number in it led to a loss that is none.
    is_whole: bool,
    waiting: Option<Waiting>,
    /// Held while the run goes on: two in one folder would write over each other.
    _lock: Option<File>,
}

/// A report that is not handed out yet, because a file of its step could not be written.
#[derive(Debug)]
struct Waiting {
    report: Report,
    is_written: bool,
}

/// Clocks of a run.
#[derive(Debug)]
struct Pace {
    seconds: f64,
    since_report: f64,
    images_since_report: usize,
    saved: Instant,
}

/// What one step gives.
struct Outcome {
    losses: Vec<(String, f64)>,
    mse: f64,
    gradient_norm: f64,
}

/// Loading takes a sixth of the time of all cores where the processor trains; a card leaves the processor
/// idle, and wants more images than it can load.
fn loader_threads(device: &Device) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if device.is_cpu() { cores.div_ceil(6) } else { cores.saturating_sub(2).max(1) }
}

impl Trainer {
    /// Starts a run in `folder`, or resumes the one whose checkpoint lies there.
    ///
    /// # Errors
    /// If the recipe, the data or the folder cannot be used, if another program trains there, or if
    /// `resume` finds another run.
    pub fn new(
        recipe: Recipe,
        source: Arc<dyn Source>,
        folder: &Path,
        device: &Device,
        resume: bool,
    ) -> Result<Self> {
        recipe.validate()?;
        std::fs::create_dir_all(folder).map_err(|source| EngineError::io(folder, source))?;
        let lock = state::claim(folder)?;
        state::remove_partial_files(folder)?;
        let saved = if resume && checkpoint(folder).is_file() {
            Some(state::load_run(&checkpoint(folder), &recipe, device)?)
        } else {
            None
        };
        let weights = match &saved {
            None => Weights::fresh(recipe.seed, device),
            Some(saved) => Weights::loaded(saved.tensors.clone(), true, device),
        };
        let tokenizer = tokenizers::build(&recipe.tokenizer, &weights)?;
        weights.finish("checkpoint", &["ema.", "adam.", "run."])?;
        let vars = weights.vars();
        let mut optimizer = AdamW::new(recipe.optimizer, &vars)?;
        let mut counts = BookCounts::new(tokenizer.facts().books.iter().map(|book| book.size));
        let (mut step, mut seconds) = (0, 0.0);
        if let Some(saved) = &saved {
            optimizer.restore(&saved.tensors)?;
            counts = saved_counts(&saved.tensors, &counts)?;
            (step, seconds) = (saved.step, saved.seconds);
        }
        let loader = Some(load(&recipe, &source, device, step)?);
        let metrics = MetricsFile::open(folder, step)?;
        Ok(Self {
            device: device.clone(),
            folder: folder.to_owned(),
            tokenizer,
            vars,
            optimizer,
            source,
            loader,
            metrics,
            step,
            pace: Pace {
                seconds,
                since_report: 0.0,
                images_since_report: 0,
                saved: Instant::now(),
            },
            counts,
            is_whole: true,
            waiting: None,
            _lock: lock,
            recipe,
        })
    }

    /// Steps done.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// What the loader could not read so far.
    pub fn skipped(&self) -> crate::data::SkipReport {
        self.loader.as_ref().map(Loader::skipped).unwrap_or_default()
    }

    /// Whether all steps are done.
    pub fn is_done(&self) -> bool {
        self.step >= self.recipe.steps
    }

    /// Whether [`Trainer::save`] after an error keeps what a step left, so that the run can go on from
    /// there. Not so after a loss that is no number, where an earlier checkpoint is better.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Does one step; every `report_every` steps, and at the end, there is a report. Saves a
    /// checkpoint when it is due.
    ///
    /// # Errors
    /// If an image set cannot be read, a loss is not finite, or a file cannot be written. The last
    /// checkpoint stays. Where a file could not be written, the next call writes what is missing first;
    /// where images could not be read, it tries again.
    pub fn step(&mut self) -> Result<Option<Report>> {
        if self.waiting.is_some() {
            return self.write();
        }
        let started = Instant::now();
        let batch = self.next_batch()?;
        let outcome = self.learn(&batch.pictures)?;
        let lr = self.recipe.optimizer.rate(self.step, self.recipe.steps);
        self.step += 1;
        let took = started.elapsed().as_secs_f64();
        self.pace.seconds += took;
        self.pace.since_report += took;
        self.pace.images_since_report += batch.pictures.len();
        let due = self.step.is_multiple_of(self.recipe.report_every) || self.is_done();
        self.waiting = due.then(|| Waiting { report: self.report(outcome, lr), is_written: false });
        self.write()
    }

    /// The next batch. A loader that failed has lost its place, so the next call starts another.
    fn next_batch(&mut self) -> Result<Batch> {
        let mut loader = match self.loader.take() {
            Some(loader) => loader,
            None => load(&self.recipe, &self.source, &self.device, self.step)?,
        };
        let batch = loader.next_batch()?;
        self.loader = Some(loader);
        Ok(batch)
    }

    /// Whether the last step has a report that is not handed out yet, since a file could not be written.
    pub fn owes_report(&self) -> bool {
        self.waiting.is_some()
    }

    /// Writes what a step has to: its report, then a checkpoint if one is due.
    fn write(&mut self) -> Result<Option<Report>> {
        if let Some(Waiting { report, is_written }) = &mut self.waiting
            && !*is_written
        {
            self.metrics.append(report)?;
            *is_written = true;
        }
        if self.pace.saved.elapsed().as_secs_f64() >= self.recipe.checkpoint_every_secs {
            self.save()?;
        }
        Ok(self.waiting.take().map(|waiting| waiting.report))
    }

    fn learn(&mut self, pictures: &[Picture]) -> Result<Outcome> {
        let at_once = self.recipe.images_at_once();
        let parts = pictures.len().div_ceil(at_once);
        let mut gradients = Gradients::default();
        let mut losses: Vec<(String, f64)> = Vec::new();
        let mut mse_sum = 0.0;
        let (mut latents, mut codes) = (Vec::new(), Vec::new());
        let seed = self.recipe.seed;
        for (part, pictures_now) in pictures.chunks(at_once).enumerate() {
            let images = tokenizers::images_of(self.tokenizer.facts(), pictures_now, &self.device)?;
            let again = self.recipe.recompute;
            let encoded = recomputing(again, || self.tokenizer.encode(&images))?;
            if self.step == 0 && part == 0 {
                self.tokenizer.quantizer_mut().start_from(&encoded.detach(), seed)?;
            }
            let first_picture = (part * at_once) as u32;
            let place = Place { seed, step: self.step as u32, first_picture };
            let quantized = self.tokenizer.quantize(&encoded, Pass::Training(place))?;
            let decoded = recomputing(again, || self.tokenizer.decode(&quantized.latents))?;
            let share = pictures_now.len() as f64 / pictures.len() as f64;
            let difference = (decoded - &images)?;
            let mse = difference.sqr()?.mean_all()?;
            mse_sum += share * f64::from(mse.to_scalar::<f32>()?);
            let weights = self.recipe.losses;
            let mut named = Vec::new();
            if weights.mse > 0.0 {
                named.push(("mse", (mse * weights.mse)?));
            }
            if weights.l1 > 0.0 {
                named.push(("l1", (difference.abs()?.mean_all()? * weights.l1)?));
            }
            named.extend(quantized.losses);
            let mut total: Option<Tensor> = None;
            for (name, loss) in &named {
                let value = share * f64::from(loss.to_scalar::<f32>()?);
                match losses.iter_mut().find(|(known, _)| known == name) {
                    Some((_, sum)) => *sum += value,
                    None => losses.push(((*name).to_owned(), value)),
                }
                total = Some(match total {
                    None => loss.clone(),
                    Some(total) => (total + loss)?,
                });
            }
            if let Some(total) = total {
                gradients.add(&self.vars, &(total * share)?.backward()?)?;
            }
            latents.push(encoded.detach());
            codes.push(quantized.codes);
        }
        // From here until the end the weights are between two steps.
        self.is_whole = false;
        self.check_finite(&losses)?;
        let at = (self.step, self.recipe.steps);
        let gradient_norm =
            self.optimizer.step(&self.vars, &gradients, at, self.average_decay())?;
        let latents = if parts == 1 { latents.remove(0) } else { Tensor::cat(&latents, 0)? };
        let codes = together(&codes)?;
        self.count(&codes)?;
        let place = Place { seed, step: self.step as u32, first_picture: 0 };
        self.tokenizer.quantizer_mut().observe(&latents, &codes, place)?;
        let sum = losses.iter().map(|(_, value)| value).sum();
        losses.insert(0, ("loss".to_owned(), sum));
        self.is_whole = true;
        Ok(Outcome { losses, mse: mse_sum, gradient_norm })
    }

    /// Counts the codes of each part, (B, rows, columns), in the book that they are of.
    fn count(&mut self, codes: &[Tensor]) -> Result<()> {
        let side = self.recipe.crop.side as usize;
        let layout = self.tokenizer.layout(side, side)?;
        for (part, codes) in layout.iter().zip(codes) {
            self.counts.add_codes(part.book, &codes.flatten_all()?.to_vec1::<u32>()?);
        }
        Ok(())
    }

    fn check_finite(&self, losses: &[(String, f64)]) -> Result<()> {
        match losses.iter().find(|(_, value)| !value.is_finite()) {
            None => Ok(()),
            Some((name, value)) => Err(EngineError::bad_input(
                "training",
                format!("the loss {name} is {value} at step {}", self.step),
                "lower the learning rate; the last checkpoint is kept",
            )),
        }
    }

    /// How much the moving average of the weights keeps; young averages forget faster, so that the
    /// random start does not linger.
    fn average_decay(&self) -> f64 {
        let n = self.step as f64;
        self.recipe.ema_decay.min((1.0 + n) / (10.0 + n))
    }

    fn report(&mut self, outcome: Outcome, lr: f64) -> Report {
        let statistics = self.counts.statistics();
        let report = Report {
            step: self.step,
            seconds: self.pace.seconds,
            losses: outcome.losses,
            usage: statistics.usage,
            perplexity: statistics.perplexity,
            // Pixels span 2, so the peak's square is 4.
            psnr: 10.0 * (4.0 / outcome.mse.max(1e-12)).log10(),
            images_per_second: self.pace.images_since_report as f64
                / self.pace.since_report.max(1e-9),
            gradient_norm: outcome.gradient_norm,
            lr,
            books: statistics.books,
            counts: self.counts.counts().map(Into::into).collect(),
        };
        self.pace.since_report = 0.0;
        self.pace.images_since_report = 0;
        self.counts = self.counts.emptied();
        report
    }

    /// Writes the checkpoint now.
    ///
    /// # Errors
    /// If the folder cannot be written; an earlier checkpoint stays.
    pub fn save(&mut self) -> Result<()> {
        let mut tensors: BTreeMap<String, Tensor> = BTreeMap::new();
        for (name, var) in &self.vars {
            tensors.insert(name.clone(), var.as_tensor().clone());
        }
        tensors.extend(self.tokenizer.quantizer().state());
        tensors.extend(self.optimizer.state(&self.vars)?);
        for (book, counts) in self.counts.counts().enumerate() {
            let counts: Vec<i64> = counts.iter().map(|count| *count as i64).collect();
            let n = counts.len();
            tensors.insert(counts_name(book), Tensor::from_vec(counts, n, &Device::Cpu)?);
        }
        let path = checkpoint(&self.folder);
        state::save_run(&path, &tensors, &self.recipe, (self.step, self.pace.seconds))?;
        self.pace.saved = Instant::now();
        Ok(())
    }

    /// The model as it is now: averaged weights and the quantizer's state.
    pub fn model_tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = self.optimizer.averages(&self.vars)?;
        tensors.extend(self.tokenizer.quantizer().state());
        Ok(tensors)
    }

    /// Writes the model as it is now to `NAME.safetensors` in the run's folder and gives its path.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn export(&self) -> Result<PathBuf> {
        let path = self.folder.join(format!("{}.safetensors", self.recipe.name));
        state::save_model(&path, &self.model_tensors()?, &self.recipe, self.step)?;
        Ok(path)
    }

    /// Reconstructions by the averaged weights as they are now.
    ///
    /// # Errors
    /// If a picture's side does not divide by the factor.
    pub fn reconstruct(&self, pictures: &[Picture]) -> Result<Vec<Picture>> {
        let weights = Weights::loaded(self.model_tensors()?, false, &self.device);
        let tokenizer = tokenizers::build(&self.recipe.tokenizer, &weights)?;
        let mut out = Vec::new();
        for picture in pictures {
            let tokens = tokenizers::tokenize(&*tokenizer, picture)?;
            out.push(tokenizers::detokenize(&*tokenizer, &tokens)?);
        }
        Ok(out)
    }
}

/// The codes of each part over all micro-batches.
fn together(batches: &[Vec<Tensor>]) -> Result<Vec<Tensor>> {
    let parts = batches.first().map_or(0, Vec::len);
    let part = |number: usize| {
        let codes: Vec<&Tensor> = batches.iter().filter_map(|batch| batch.get(number)).collect();
        Ok(Tensor::cat(&codes, 0)?)
    };
    (0..parts).map(part).collect()
}

/// The checkpoint of a run's folder.
pub fn checkpoint(folder: &Path) -> PathBuf {
    folder.join("checkpoint.safetensors")
}

/// Batches of a recipe's data from a step on.
fn load(recipe: &Recipe, source: &Arc<dyn Source>, device: &Device, step: u64) -> Result<Loader> {
    let options = LoaderOptions {
        seed: recipe.seed,
        batch_size: recipe.batch as u32,
        crop: recipe.crop.clone(),
        threads: loader_threads(device),
    };
    Loader::start_at(Arc::clone(source), options, step)
}

/// What the counts of a book are called in a checkpoint.
fn counts_name(book: usize) -> String {
    if book == 0 { "run.counts".to_owned() } else { format!("run.counts.{book}") }
}

/// The counts of each book in a checkpoint. In one of before books were told apart all stand in the first:
/// there counting begins again, as after a report.
fn saved_counts(tensors: &BTreeMap<String, Tensor>, books: &BookCounts) -> Result<BookCounts> {
    let mut found = Vec::new();
    for (book, empty) in books.counts().enumerate() {
        let name = counts_name(book);
        match tensors.get(&name) {
            Some(counts) if counts.elem_count() == empty.len() => {
                let counts = counts.flatten_all()?.to_vec1::<i64>()?;
                found.push(counts.iter().map(|count| *count as u64).collect());
            }
            None if book > 0 => return Ok(books.clone()),
            _ => {
                let reason = format!("{name} should be {} counts", empty.len());
                return Err(EngineError::bad_input("checkpoint", reason, ""));
            }
        }
    }
    Ok(BookCounts::from_counts(found))
}
