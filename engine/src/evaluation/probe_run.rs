//! AR probes as a run: tokens of some images, one step of training, or all held-out images at a time.

use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::identity::{Identity, hash_of_model};
use super::probe::{Probed, SIDE, all_kept, keep, of_weights};
use crate::data::Source as _;
use crate::data::worlds::Worlds;
use crate::error::Problem;
use crate::images::{self, Picture, WorkingSize};
use crate::questions::ModelRef;
use crate::session::{Advance, Watch, Work};
use crate::tokenizers::{Tokenizer, tokenize_all};
use crate::training::{ArProbe, ProbeBudget, ProbeSequence};
use crate::{EngineError, Result, checkpoints};

/// Images that are made into tokens at once.
const AT_ONCE: u32 = 8;

/// Where a probe stands.
#[derive(Debug, Clone, PartialEq)]
pub enum ProbeStage {
    /// It is trained now.
    Begun,
    /// It is known, by training or from before.
    Done(Probed),
    /// None is made; the run goes on with the next.
    Failed(Problem),
}

/// What a run of probes says.
#[derive(Debug, Clone)]
pub struct ProbeEvent {
    /// Which of its tokenizers.
    pub number: usize,
    /// The tokenizer.
    pub model: ModelRef,
    /// Where its probe stands.
    pub stage: ProbeStage,
}

/// The AR probes of tokenizers, one after the other, each with the same budget and the same images.
pub struct ProbeRun {
    models: Vec<ModelRef>,
    budget: ProbeBudget,
    folder: Option<PathBuf>,
    assets: PathBuf,
    next: usize,
    current: Option<Probing>,
}

impl std::fmt::Debug for ProbeRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ProbeRun({} of {})", self.next, self.models.len())
    }
}

impl ProbeRun {
    /// How titles of such runs begin.
    pub const TITLE: &str = "AR probe of ";

    /// Probes tokenizers. What comes with Smalti, `assets`, or lies in the folder, if one is given, is not trained
    /// again; there what is found is kept.
    pub fn new(
        models: Vec<ModelRef>,
        budget: ProbeBudget,
        folder: Option<PathBuf>,
        assets: PathBuf,
    ) -> Self {
        Self { models, budget, folder, assets, next: 0, current: None }
    }

    fn begin(&self, model: &ModelRef, watch: &Watch<'_, ProbeEvent>) -> Result<Stepped> {
        let path = model.path(&self.assets);
        let weights = hash_of_model(&path)?;
        let (all, problems) = all_kept(&self.assets, self.folder.as_deref());
        for problem in problems {
            tracing::warn!("{problem}");
        }
        if let Some(known) = of_weights(&all, &weights, self.budget) {
            return Ok(Stepped::Done(Probed { model: model.label(), ..known.clone() }));
        }
        watch.check()?;
        let opened = checkpoints::open_tokenizer(&path, watch.device())?;
        let probing = Probing::new((model.label(), weights), opened.tokenizer, self.budget)?;
        Ok(Stepped::More(Box::new(probing)))
    }

    fn advance(&mut self, model: &ModelRef, watch: &mut Watch<'_, ProbeEvent>) -> Result<Stepped> {
        match self.current.take() {
            None => {
                let stepped = self.begin(model, watch)?;
                if matches!(stepped, Stepped::More(_)) {
                    let (number, model) = (self.next, model.clone());
                    watch.append(ProbeEvent { number, model, stage: ProbeStage::Begun });
                }
                Ok(stepped)
            }
            Some(probing) => {
                let stepped = probing.step()?;
                if let (Stepped::Done(probed), Some(folder)) = (&stepped, &self.folder) {
                    keep(folder, probed)?;
                }
                Ok(stepped)
            }
        }
    }
}

impl Work for ProbeRun {
    type Entry = ProbeEvent;
    type Order = ();

    fn title(&self) -> String {
        match self.models.as_slice() {
            [only] => format!("{}{}", Self::TITLE, only.label()),
            several => format!("{}{} tokenizers", Self::TITLE, several.len()),
        }
    }

    fn step(&mut self, watch: &mut Watch<'_, ProbeEvent>) -> Result<Advance> {
        let Some(model) = self.models.get(self.next).cloned() else { return Ok(Advance::Done) };
        let stage = match self.advance(&model, watch) {
            Ok(Stepped::More(probing)) => {
                let fraction = (self.next as f32 + probing.fraction()) / self.models.len() as f32;
                watch.progress(fraction, probing.words());
                self.current = Some(*probing);
                return Ok(Advance::More);
            }
            Ok(Stepped::Done(probed)) => ProbeStage::Done(probed),
            Err(EngineError::Cancelled) => return Err(EngineError::Cancelled),
            Err(error) => ProbeStage::Failed(error.problem()),
        };
        watch.append(ProbeEvent { number: self.next, model, stage });
        self.next += 1;
        Ok(if self.next < self.models.len() { Advance::More } else { Advance::Done })
    }
}

/// After a step.
enum Stepped {
    More(Box<Probing>),
    Done(Probed),
}

/// The images of a tokenizer's probe: the same for all of one side.
struct Images {
    learned: Worlds,
    held_out: Worlds,
    size: WorkingSize,
}

impl Images {
    /// Some of them, those that are held out behind the others.
    fn pictures(&self, from: u32, to: u32, learned: u32) -> Result<Vec<Picture>> {
        let paint = |number: u32| {
            let side = self.size.side;
            let sample = if number < learned {
                self.learned.sample(u64::from(number), side)
            } else {
                self.held_out.sample(u64::from(number - learned), side)
            };
            images::fit(&sample?.picture, self.size)
        };
        (from..to).into_par_iter().map(paint).collect()
    }
}

/// A probe that is being made.
struct Probing {
    name: String,
    weights: String,
    tokenizer: Box<dyn Tokenizer>,
    budget: ProbeBudget,
    sequence: ProbeSequence,
    side: u32,
    images: Images,
    /// Those of the images so far.
    tokens: Vec<Arc<[u32]>>,
    /// Once there are all.
    probe: Option<ArProbe>,
}

impl Probing {
    fn new(
        (name, weights): (String, String),
        tokenizer: Box<dyn Tokenizer>,
        budget: ProbeBudget,
    ) -> Result<Self> {
        let facts = tokenizer.facts();
        let size = facts.working_size(WorkingSize::square(SIDE, 1));
        let (width, height) = size.target(size.side, size.side)?;
        let layout = tokenizer.layout(height as usize, width as usize)?;
        let cells = layout.iter().try_fold(0_usize, |sum, part| sum.checked_add(part.cells()?));
        let codes = layout.iter().map(|part| facts.book(part.book).size).max().unwrap_or(0);
        let sequence = ProbeSequence::new(cells.unwrap_or(usize::MAX), codes)?;
        let images = Images {
            learned: Worlds::training(budget.seed),
            held_out: Worlds::held_out(budget.seed),
            size,
        };
        let (side, tokens) = (width, Vec::new());
        Ok(Self { name, weights, tokenizer, budget, sequence, side, images, tokens, probe: None })
    }

    /// All images: those it learns from, then the others.
    fn all(&self) -> u32 {
        self.budget.images.saturating_add(self.budget.held_out)
    }

    fn step(mut self) -> Result<Stepped> {
        let known = self.tokens.len() as u32;
        let (images, all) = (self.budget.images, self.all());
        let Some(probe) = &mut self.probe else {
            if known < all {
                let to = all.min(known + AT_ONCE);
                let pictures = self.images.pictures(known, to, images)?;
                self.tokens.extend(tokenize_all(&*self.tokenizer, &pictures)?);
            } else {
                let learned = &self.tokens[..images as usize];
                let device = self.tokenizer.device();
                self.probe = Some(ArProbe::new(self.sequence, learned, self.budget, device)?);
            }
            return Ok(Stepped::More(Box::new(self)));
        };
        if !probe.is_done() {
            probe.step()?;
            return Ok(Stepped::More(Box::new(self)));
        }
        let bits = probe.bits(&self.tokens[images as usize..])?;
        Ok(Stepped::Done(Probed {
            model: self.name,
            weights: self.weights,
            side: self.side,
            tokens: self.sequence.tokens as u32,
            codes: self.sequence.codes,
            sub_tokens: self.sequence.sub_tokens,
            budget: self.budget,
            bits_per_image: bits.iter().sum::<f64>() / bits.len().max(1) as f64,
            version: Identity::VERSION.to_owned(),
        }))
    }

    fn fraction(&self) -> f32 {
        // Both take about as long.
        let of_images = self.tokens.len() as f32 / self.all().max(1) as f32;
        let done = self.probe.as_ref().map_or(0, ArProbe::steps_done);
        0.5 * of_images + 0.5 * done as f32 / self.budget.steps.max(1) as f32
    }

    fn words(&self) -> String {
        let name = &self.name;
        match &self.probe {
            None => format!("{name}: tokens of {} of {} images", self.tokens.len(), self.all()),
            Some(probe) => {
                format!("{name}: step {} of {}", probe.steps_done(), self.budget.steps)
            }
        }
    }
}
