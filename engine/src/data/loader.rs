//! Training batches: shuffled, cropped, decoded on background threads, in order.
//!
//! What is in batch `step` depends on the seed, the step and the place in the batch alone. Threads
//! take whole batches in turn (thread t of n makes the batches t, t + n, ...), each through a channel
//! that holds one, so memory is bounded and order needs no buffer.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::{Deserialize, Serialize};

use super::mix::below;
use super::{Sample, Source};
use crate::images::{Picture, resize};
use crate::random::{Noise, Purpose, shuffled};
use crate::{EngineError, Result};

/// How a training image is cut from a picture.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropRule {
    /// Side of the square crop in pixels.
    pub side: u32,
    /// Short sides in pixels that a picture is brought to before the crop, one drawn for each
    /// image: small ones show whole scenes, large ones show texture. Never above the picture's own
    /// size (except up to `side`). Empty: its own size.
    #[serde(default)]
    pub scales: Vec<u32>,
    /// Whether half of the crops are mirrored left to right.
    #[serde(default)]
    pub mirror: bool,
}

/// What a loader is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoaderOptions {
    /// Decides order and crops.
    pub seed: u64,
    /// Images in a batch.
    pub batch_size: u32,
    /// How images are cut.
    pub crop: CropRule,
    /// Background threads; does not change what is loaded.
    pub threads: usize,
}

/// One training batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The step it belongs to.
    pub step: u64,
    /// Crops of one size.
    pub pictures: Vec<Picture>,
    /// Class of each, where it has one.
    pub classes: Vec<Option<u32>>,
    /// Caption of each, where it has one.
    pub captions: Vec<Option<String>>,
    /// Name of each.
    pub names: Vec<String>,
}

/// Images that could not be read and were replaced by others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SkipReport {
    /// How many different ones.
    pub count: u64,
    /// The first of them by name: (name, reason).
    pub first: Vec<(String, String)>,
}

impl std::fmt::Display for SkipReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} skipped", super::images_in_words(self.count))?;
        for (name, reason) in &self.first {
            write!(f, "\n  {name}: {reason}")?;
        }
        Ok(())
    }
}

/// How many broken images a report names.
const NAMED: usize = 20;
/// Of how many the reason is remembered.
const REMEMBERED: usize = 1000;
/// A slot gives up after as many broken images in a row.
const ATTEMPTS: u32 = 1000;

/// Gives the batches of a training run, one after the other. Dropping it ends its threads.
#[derive(Debug)]
pub struct Loader {
    shared: Arc<Shared>,
    /// One for each thread.
    batches: Vec<Receiver<Result<Batch>>>,
    threads: Vec<JoinHandle<()>>,
    first_step: u64,
    next_step: u64,
}

#[derive(Debug)]
struct Shared {
    source: Arc<dyn Source>,
    options: LoaderOptions,
    /// Whether an image that could not be read is tried again where it is the one that is wanted.
    retries: bool,
    stop: AtomicBool,
    broken: Mutex<Broken>,
}

#[derive(Debug, Default)]
struct Broken {
    /// The names under which their reasons stand.
    indices: BTreeMap<u64, String>,
    reasons: BTreeMap<String, String>,
    count: u64,
}

impl Loader {
    /// Starts loading at step 0.
    ///
    /// # Errors
    /// As [`Loader::start_at`].
    pub fn new(source: Arc<dyn Source>, options: LoaderOptions) -> Result<Self> {
        Self::start_at(source, options, 0)
    }

    /// Starts loading at any step, with the batches that an uninterrupted run would get.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the source is empty or an option makes no sense.
    pub fn start_at(source: Arc<dyn Source>, options: LoaderOptions, step: u64) -> Result<Self> {
        check(source.as_ref(), &options)?;
        let n_threads = options.threads.clamp(1, 64);
        let shared = Arc::new(Shared {
            source,
            options,
            retries: false,
            stop: AtomicBool::new(false),
            broken: Mutex::default(),
        });
        let mut loader = Self {
            shared,
            batches: Vec::with_capacity(n_threads),
            threads: Vec::with_capacity(n_threads),
            first_step: step,
            next_step: step,
        };
        for number in 0..n_threads {
            let (sender, receiver) = bounded(1);
            let shared = Arc::clone(&loader.shared);
            let first = step + number as u64;
            let thread = std::thread::Builder::new()
                .name(format!("loader {number}"))
                .spawn(move || shared.work(first, n_threads as u64, &sender))
                .map_err(|source| EngineError::io("loader thread", source))?;
            loader.batches.push(receiver);
            loader.threads.push(thread);
        }
        Ok(loader)
    }

    /// The next batch; waits for it.
    ///
    /// # Errors
    /// That of an image if a thousand in a row cannot be read.
    pub fn next_batch(&mut self) -> Result<Batch> {
        let turn = (self.next_step - self.first_step) % self.batches.len() as u64;
        let batch =
            self.batches[turn as usize].recv().map_err(|_closed| EngineError::Panicked {
                job: "loading images".to_owned(),
                message: "a loader thread ended".to_owned(),
            })??;
        self.next_step += 1;
        Ok(batch)
    }

    /// The step of the next batch.
    pub fn step(&self) -> u64 {
        self.next_step
    }

    /// What could not be read so far.
    pub fn skipped(&self) -> SkipReport {
        self.shared.skipped()
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // A thread that waits to hand over its batch wakes up when nobody can take it any more.
        self.batches.clear();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::warn!("a loader thread panicked");
            }
        }
    }
}

/// Crops by number, each always the same; those of broken images are of others in their place.
#[derive(Debug)]
pub struct Crops(Shared);

impl Crops {
    /// Crops of a source: the same as those of a loader of batches of one image.
    ///
    /// # Errors
    /// As [`Loader::start_at`].
    pub fn new(source: Arc<dyn Source>, seed: u64, crop: CropRule) -> Result<Self> {
        let options = LoaderOptions { seed, batch_size: 1, crop, threads: 1 };
        check(source.as_ref(), &options)?;
        let (stop, broken) = (AtomicBool::new(false), Mutex::default());
        Ok(Self(Shared { source, options, retries: true, stop, broken }))
    }

    /// Which image the crop of a number is of.
    pub fn image_of(&self, number: u64) -> u64 {
        self.0.image_of(number)
    }

    /// The crop of a number, and whether it is its own and not that of another image in place of one that cannot
    /// be read now: that one is tried again the next time.
    ///
    /// # Errors
    /// As [`Loader::next_batch`].
    pub fn sample(&self, number: u64) -> Result<(Sample, bool)> {
        self.0.slot(number, 0)
    }

    /// What could not be read so far.
    pub fn skipped(&self) -> SkipReport {
        self.0.skipped()
    }
}

fn check(source: &dyn Source, options: &LoaderOptions) -> Result<()> {
    let bad = |what: &str, reason: String| Err(EngineError::bad_input(what, reason, ""));
    if source.is_empty() {
        return bad("images", format!("{} is empty", source.describe()));
    }
    if source.len() > 1 << 62 {
        return bad("images", "more than 2^62 of them cannot be shuffled".to_owned());
    }
    if !(1..=65_536).contains(&options.batch_size) {
        return bad("batch size", format!("{} is not in 1..=65536", options.batch_size));
    }
    let sides = std::iter::once(&options.crop.side).chain(&options.crop.scales);
    for side in sides {
        if !(1..=16_384).contains(side) {
            return bad("crop", format!("a side of {side} pixels is not in 1..=16384"));
        }
    }
    Ok(())
}

impl Shared {
    fn work(&self, first_step: u64, stride: u64, batches: &Sender<Result<Batch>>) {
        // Resizing asks for parallel help otherwise, which costs more than it brings at this size.
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
        if alone.is_err() {
            tracing::debug!("resizing uses the shared threads");
        }
        let mut step = first_step;
        loop {
            let batch = self.batch(step);
            if matches!(batch, Err(EngineError::Cancelled)) || batches.send(batch).is_err() {
                return;
            }
            step += stride;
        }
    }

    fn batch(&self, step: u64) -> Result<Batch> {
        let n = self.options.batch_size as usize;
        let mut batch = Batch {
            step,
            pictures: Vec::with_capacity(n),
            classes: Vec::with_capacity(n),
            captions: Vec::with_capacity(n),
            names: Vec::with_capacity(n),
        };
        for slot in 0..self.options.batch_size {
            let (sample, _) = self.slot(step, slot)?;
            batch.pictures.push(sample.picture);
            batch.classes.push(sample.class);
            batch.captions.push(sample.caption);
            batch.names.push(sample.name);
        }
        Ok(batch)
    }

    /// The image at a position of all rounds through the source.
    fn image_of(&self, position: u64) -> u64 {
        let n = self.source.len();
        shuffled(self.options.seed, (position / n) as u32, n, position % n)
    }

    /// The image at one place of one batch; if it is broken, another one in its place. And whether it is the one
    /// that belongs there.
    fn slot(&self, step: u64, slot: u32) -> Result<(Sample, bool)> {
        let LoaderOptions { seed, batch_size, crop, .. } = &self.options;
        let n = self.source.len();
        let position = step.wrapping_mul(u64::from(*batch_size)).wrapping_add(u64::from(slot));
        let first = self.image_of(position);
        let cell = u64::from(slot) | (step >> 32 << 32);
        let noise = Noise::new(*seed, Purpose::Crop, step as u32, cell);
        let short = scale_of(crop, &noise);
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            if self.stop.load(Ordering::Relaxed) {
                return Err(EngineError::Cancelled);
            }
            // Lanes 0..16 belong to the crop.
            let index = if attempt == 0 { first } else { below(&noise, 4 + attempt, n) };
            let is_known_broken = self.is_broken(index);
            let is_own = attempt == 0;
            if is_known_broken && !(is_own && self.retries) {
                continue;
            }
            let job = || self.cropped(index, short, &noise);
            let result = catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|_| {
                Err(EngineError::Panicked {
                    job: format!("reading image {index}"),
                    message: "the reader panicked".to_owned(),
                })
            });
            match result {
                Ok(sample) => {
                    if is_known_broken {
                        self.forget(index);
                    }
                    return Ok((sample, is_own));
                }
                Err(error) => {
                    self.remember(index, &error);
                    last = Some(error);
                }
            }
        }
        // Another thread may have met all of them first: then its reasons are told.
        Err(last.unwrap_or_else(|| {
            let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
            let example = broken.reasons.first_key_value();
            let example = example.map(|(name, reason)| format!(", such as {name}: {reason}"));
            EngineError::bad_input(
                self.source.describe(),
                format!("hardly any of its images can be read{}", example.unwrap_or_default()),
                "See the list of skipped images",
            )
        }))
    }

    /// The crop of an image. Of what is painted, no more than the crop is.
    fn cropped(&self, index: u64, short: Option<u32>, noise: &Noise) -> Result<Sample> {
        let crop = &self.options.crop;
        let side = short.unwrap_or(crop.side);
        let painted = self.source.painted_size(index, side);
        let window = painted.map(|size| Window::new(size, crop, short, noise));
        let mut sample = if let Some(Window::Pixels(part)) = window {
            self.source.sample_part(index, side, part)?
        } else {
            let mut sample = self.source.sample(index, side)?;
            sample.picture = cut(&sample.picture, crop, short, noise)?;
            sample
        };
        if crop.mirror && noise.bits(3) & 1 == 1 {
            sample.picture = sample.picture.mirrored();
        }
        Ok(sample)
    }

    fn skipped(&self) -> SkipReport {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        let named = broken.reasons.iter().take(NAMED);
        SkipReport {
            count: broken.count,
            first: named.map(|(name, reason)| (name.clone(), reason.clone())).collect(),
        }
    }

    fn is_broken(&self, index: u64) -> bool {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.indices.contains_key(&index)
    }

    /// It could be read now.
    fn forget(&self, index: u64) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(name) = broken.indices.remove(&index) else { return };
        if !broken.indices.values().any(|other| *other == name)
            && broken.reasons.remove(&name).is_some()
        {
            broken.count -= 1;
        }
    }

    fn remember(&self, index: u64, error: &EngineError) {
        let (name, reason) = match error {
            EngineError::BadFile { path, reason, .. } => {
                (path.display().to_string(), reason.clone())
            }
            EngineError::Io { path, source } => (path.display().to_string(), source.to_string()),
            other => (format!("image {index}"), other.to_string()),
        };
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        // Two indices of a mix can be the same file; two threads can meet the same one.
        let is_known = broken.indices.insert(index, name.clone()).is_some();
        let is_new = !is_known && !broken.reasons.contains_key(&name);
        if is_new {
            broken.count += 1;
            if broken.reasons.len() < REMEMBERED {
                tracing::warn!("skipped {name}: {reason}");
                broken.reasons.insert(name, reason);
            }
        }
    }
}

/// The short side that the picture is brought to; none: its own.
fn scale_of(crop: &CropRule, noise: &Noise) -> Option<u32> {
    let pick = noise.below(0, crop.scales.len() as u32);
    crop.scales.get(pick as usize).map(|&short| short.max(crop.side))
}

/// Where a crop is in its picture: [left, top, width, height].
enum Window {
    /// In whole pixels, to be taken as they are.
    Pixels([u32; 4]),
    /// To be resampled.
    Between([f64; 4]),
}

impl Window {
    /// A crop of `crop.side` pixels from a [width, height] as if its short side were `short` pixels.
    fn new([width, height]: [u32; 2], crop: &CropRule, short: Option<u32>, noise: &Noise) -> Self {
        let side = crop.side;
        let own = width.min(height);
        // Enlarging teaches nothing but blur.
        let short = short.unwrap_or(own).min(own).max(side);
        if short == own {
            let x = noise.below(1, width - side + 1);
            let y = noise.below(2, height - side + 1);
            return Self::Pixels([x, y, side, side]);
        }
        let window = f64::from(own) / f64::from(short) * f64::from(side);
        let left = (f64::from(width) - window).max(0.0) * f64::from(noise.uniform(1));
        let top = (f64::from(height) - window).max(0.0) * f64::from(noise.uniform(2));
        Self::Between([left, top, window.min(f64::from(width)), window.min(f64::from(height))])
    }
}

/// The crop of `crop.side` pixels from a picture.
fn cut(picture: &Picture, crop: &CropRule, short: Option<u32>, noise: &Noise) -> Result<Picture> {
    match Window::new([picture.width(), picture.height()], crop, short, noise) {
        Window::Pixels([x, y, width, height]) => picture.crop(x, y, width, height),
        Window::Between(place) => resize::resample(picture, place, crop.side, crop.side),
    }
}

#[cfg(test)]
mod tests;
