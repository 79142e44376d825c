//! A tokenizer learns to give pictures back: reconstruction losses, and those of its quantizer.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};
use serde_json::Value;

use super::super::learner::{At, Learner};
use super::super::recipe::{LossWeights, Recipe, Trains};
use super::super::start::Start;
use super::adversary::{Adversary, check_weight};
use super::rule::{Images, Objective, Outcome, Told, add_up};
use crate::images::Picture;
use crate::kernels::{self, recomputing};
use crate::layers::Weights;
use crate::measure::BookCounts;
use crate::perceptual::Lpips;
use crate::quantizers::{Pass, Place};
use crate::tokenizers::{self, Ldm, Tokenizer, TokenizerConfig};
use crate::{EngineError, Knob, Result, checkpoints};

/// Trains a tokenizer, or its decoder alone.
#[derive(Debug)]
pub(super) struct TokenizerObjective {
    config: TokenizerConfig,
    device: Device,
    side: usize,
    weights: LossWeights,
    recompute: bool,
    /// The network of the perceptual loss, and its weight.
    perceptual: Option<(Lpips, f64)>,
    adversary: Option<Adversary>,
    tokenizer: Ldm,
    learner: Learner,
    /// Parameters that are not trained, by name.
    frozen: BTreeMap<String, Tensor>,
    /// Whether encoder and quantizer stay as they are.
    keeps_tokens: bool,
    /// Whether the codebook is to start from the first batch.
    starts_codebook: bool,
    counts: BookCounts,
    step: Step,
}

/// What was learned of the step that goes on.
#[derive(Debug, Default)]
struct Step {
    losses: Vec<(String, f64)>,
    mse: f64,
    latents: Vec<Tensor>,
    codes: Vec<Vec<Tensor>>,
}

impl TokenizerObjective {
    /// The network of a recipe, at the beginning or where `start` says; `perceptual` is the network of its
    /// perceptual loss.
    ///
    /// # Errors
    /// If what is given does not fit the recipe.
    pub(super) fn new(
        recipe: &Recipe,
        config: &TokenizerConfig,
        perceptual: Option<Lpips>,
        start: &Start,
        device: &Device,
    ) -> Result<Self> {
        let keeps_tokens = recipe.trains == Trains::Decoder;
        let weights = start.weights(recipe.seed, device);
        let weights =
            if keeps_tokens { weights.freezing(Ldm::TOKENS.map(str::to_owned)) } else { weights };
        let tokenizer = Ldm::new(config, &weights)?;
        weights.finish("checkpoint", &checkpoints::OF_A_RUN)?;
        let drawn = weights.drawn();
        if keeps_tokens {
            let is_of_tokens = |name: &&String| Ldm::TOKENS.iter().any(|t| name.starts_with(t));
            if let Some(first) = drawn.iter().find(is_of_tokens) {
                return Err(EngineError::bad_input(
                    "trains",
                    format!("the decoder alone is trained, but nothing gives {first}"),
                    "name a tokenizer of the same network by init (or --init)",
                ));
            }
        }
        let learner = Learner::new(recipe.optimizer, weights.vars(), start.saved())?;
        let mut counts = BookCounts::new(tokenizer.facts().books.iter().map(|book| book.size));
        if let Some(saved) = start.saved() {
            counts = saved_counts(saved, &counts)?;
        }
        // A codebook that came with the weights is not started anew.
        let is_new = |name: &String| name.starts_with("quantize.");
        let has_codebook = start.is_from_model() && !drawn.iter().any(is_new);
        Ok(Self {
            config: config.clone(),
            device: device.clone(),
            side: recipe.crop.side as usize,
            weights: recipe.losses,
            recompute: recipe.recompute,
            perceptual: perceptual.zip(recipe.perceptual.as_ref().map(|loss| loss.weight)),
            adversary: match &recipe.adversarial {
                Some(settings) => Some(Adversary::new(settings, recipe, start, device)?),
                None => None,
            },
            frozen: weights.frozen(),
            starts_codebook: !(keeps_tokens || has_codebook),
            keeps_tokens,
            tokenizer,
            learner,
            counts,
            step: Step::default(),
        })
    }

    /// Losses of the reconstruction, weighted, by name, and its mean squared error.
    fn reconstruction(
        &self,
        decoded: &Tensor,
        images: &Tensor,
    ) -> Result<(Vec<(&'static str, Tensor)>, f64)> {
        let difference = (decoded - images)?;
        let mse = difference.sqr()?.mean_all()?;
        let value = f64::from(mse.to_scalar::<f32>()?);
        let mut named = Vec::new();
        if self.weights.mse > 0.0 {
            named.push(("mse", (mse * self.weights.mse)?));
        }
        if self.weights.l1 > 0.0 {
            named.push(("l1", (difference.abs()?.mean_all()? * self.weights.l1)?));
        }
        if let Some((network, weight)) = &self.perceptual {
            named.push(("perceptual", (network.distance(decoded, images)?.mean_all()? * *weight)?));
        }
        Ok((named, value))
    }
}

/// What the adversarial loss is called.
const ADVERSARIAL: &str = "adversarial";

impl TokenizerObjective {
    /// Paints from the input of the decoder's last layer, `last`, with a discriminator at play: its step,
    /// and a scalar whose gradient by the parameters is that of reconstruction and adversarial loss.
    ///
    /// Both losses are followed back to the pictures only, where their gradients are weighed and added; one
    /// pass through the decoder takes the sum further, instead of one for each loss and for each norm of the
    /// adaptive weight.
    fn play(&mut self, last: &Tensor, given: &Tensor, share: f64) -> Result<Tensor> {
        let decoded = self.tokenizer.paint(last)?;
        let seen = Var::from_tensor(&decoded.detach())?;
        let (named, mse) = self.reconstruction(seen.as_tensor(), given)?;
        self.step.mse += share * mse;
        let sum = self.step.sum(&named, share)?.ok_or_else(|| {
            EngineError::bad_input("losses", "nothing is asked of the reconstruction", "")
        })?;
        let reconstruction = gradient_of(&sum, seen.as_tensor())?;
        let Some(adversary) = &mut self.adversary else { return Ok(sum) };
        // The last layer alone, painted once for both norms.
        let painted = self.tokenizer.paint(&last.detach())?;
        let weight = self.learner.parameter(Ldm::LAST_WEIGHT)?;
        let at_last = |by_pictures: &Tensor| -> Result<f64> {
            let along = (&painted * by_pictures)?.sum_all()?;
            let gradient = gradient_of(&along, weight)?;
            Ok(kernels::sum_of_squares(&[&gradient])?.sqrt())
        };
        let pull = adversary.pull(&seen, &reconstruction, share, at_last)?;
        add_up(&mut self.step.losses, ADVERSARIAL, share * pull.loss);
        adversary.learn(given, &decoded, share)?;
        let gradient = (reconstruction + pull.gradient)?.detach();
        Ok((decoded * gradient)?.sum_all()?)
    }
}

/// The gradient of a scalar by a tensor that it was made of.
fn gradient_of(loss: &Tensor, by: &Tensor) -> Result<Tensor> {
    let store = loss.backward()?;
    let found = store.get(by).map(Tensor::detach);
    found.ok_or_else(|| EngineError::bad_input("training", "a loss has no gradient", ""))
}

/// The sum of some losses; none where there are none.
fn together_of(losses: impl Iterator<Item = Tensor>) -> Result<Option<Tensor>> {
    let mut total: Option<Tensor> = None;
    for loss in losses {
        total = Some(match total {
            None => loss,
            Some(total) => (total + loss)?,
        });
    }
    Ok(total)
}

impl Step {
    /// Adds losses of some images, by name, to those of the step; their sum.
    fn sum(&mut self, named: &[(&'static str, Tensor)], share: f64) -> Result<Option<Tensor>> {
        for (name, loss) in named {
            add_up(&mut self.losses, name, share * f64::from(loss.to_scalar::<f32>()?));
        }
        together_of(named.iter().map(|(_, loss)| loss.clone()))
    }
}

impl Objective for TokenizerObjective {
    fn learn(&mut self, images: &Images<'_>) -> Result<()> {
        let Place { seed, step, first_picture } = images.place;
        if first_picture == 0 {
            self.step = Step::default();
            self.learner.forget();
            if let Some(adversary) = &mut self.adversary {
                adversary.forget();
            }
        }
        let share = images.share;
        let given = tokenizers::images_of(self.tokenizer.facts(), images.pictures, &self.device)?;
        let encoded = recomputing(self.recompute, || self.tokenizer.encode(&given))?;
        if self.starts_codebook && step == 0 && first_picture == 0 {
            self.tokenizer.quantizer_mut().start_from(&encoded.detach(), seed)?;
        }
        let pass = if self.keeps_tokens { Pass::Inference } else { Pass::Training(images.place) };
        let quantized = self.tokenizer.quantize(&encoded, pass)?;
        let latents = &quantized.latents;
        let plays = self.adversary.as_ref().is_some_and(|adversary| adversary.plays(step.into()));
        let total = if plays {
            let last = recomputing(self.recompute, || self.tokenizer.decode_to_last(latents))?;
            Some(self.play(&last, &given, share)?)
        } else {
            let decoded = recomputing(self.recompute, || self.tokenizer.decode(latents))?;
            let (named, mse) = self.reconstruction(&decoded, &given)?;
            self.step.mse += share * mse;
            self.step.sum(&named, share)?
        };
        let of_quantizer = self.step.sum(&quantized.losses, share)?;
        let both = together_of([total, of_quantizer].into_iter().flatten())?;
        if let Some(total) = both {
            self.learner.add(&(total * share)?.backward()?)?;
        }
        self.step.latents.push(encoded.detach());
        self.step.codes.push(quantized.codes);
        Ok(())
    }

    fn losses(&self) -> Vec<(String, f64)> {
        let sum = self.step.losses.iter().map(|(_, value)| value).sum();
        let mut losses = vec![("loss".to_owned(), sum)];
        losses.extend(self.step.losses.iter().cloned());
        if let Some(adversary) = &self.adversary {
            if !losses.iter().any(|(name, _)| name == ADVERSARIAL) {
                losses.push((ADVERSARIAL.to_owned(), 0.0));
            }
            // Not of the sum: it moves other parameters.
            losses.push(("discriminator".to_owned(), adversary.loss()));
        }
        losses
    }

    fn move_on(&mut self, at: At, place: Place) -> Result<Outcome> {
        let lr = self.learner.rate(at);
        let gradient_norm = self.learner.step(at)?;
        if let Some(adversary) = &mut self.adversary {
            adversary.move_on(at)?;
        }
        let mut latents = std::mem::take(&mut self.step.latents);
        let latents =
            if latents.len() == 1 { latents.remove(0) } else { Tensor::cat(&latents, 0)? };
        let codes = together(&self.step.codes)?;
        let layout = self.tokenizer.layout(self.side, self.side)?;
        let pictures = latents.dim(0)?;
        let kept = self.tokenizer.quantizer().parts_kept(pictures, place);
        for (number, (part, codes)) in layout.iter().zip(&codes).enumerate() {
            let codes = codes.flatten_all()?.to_vec1::<u32>()?;
            // A level that a picture went without chose nothing.
            let of_pictures = codes.chunks((codes.len() / pictures.max(1)).max(1)).enumerate();
            let counted = |picture: usize| {
                kept.as_ref().is_none_or(|kept| kept.get(picture).is_some_and(|n| *n > number))
            };
            for (_, codes) in of_pictures.filter(|(picture, _)| counted(*picture)) {
                self.counts.add_codes(part.book, codes);
            }
        }
        let observed = if self.keeps_tokens {
            crate::quantizers::Observed::default()
        } else {
            self.tokenizer.quantizer_mut().observe(&latents, &codes, place)?
        };
        for (codebook, rows) in &observed.replaced {
            self.learner.replaced(*codebook, rows)?;
        }
        Ok(Outcome { gradient_norm, lr, restarted: observed.restarted })
    }

    fn tell(&mut self) -> Told {
        let statistics = self.counts.statistics();
        // Pixels span 2, so the peak's square is 4.
        let psnr = 10.0 * (4.0 / self.step.mse.max(1e-12)).log10();
        let figures =
            [("usage", statistics.usage), ("perplexity", statistics.perplexity), ("psnr", psnr)];
        let of_adversary = self.adversary.as_ref().map(Adversary::figures);
        let figures = figures.into_iter().chain(of_adversary.into_iter().flatten());
        let told = Told {
            figures: figures.map(|(name, value)| (name.to_owned(), value)).collect(),
            books: statistics.books,
            counts: self.counts.counts().map(Into::into).collect(),
        };
        self.counts = self.counts.emptied();
        told
    }

    fn codes(&self) -> usize {
        self.tokenizer.facts().books.iter().map(|book| book.size as usize).sum()
    }

    fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = self.learner.state()?;
        if let Some(adversary) = &self.adversary {
            tensors.extend(adversary.state()?);
        }
        tensors.extend(self.frozen.clone());
        tensors.extend(self.tokenizer.quantizer().state());
        for (book, counts) in self.counts.counts().enumerate() {
            let counts: Vec<i64> = counts.iter().map(|count| *count as i64).collect();
            let n = counts.len();
            tensors.insert(counts_name(book), Tensor::from_vec(counts, n, &Device::Cpu)?);
        }
        Ok(tensors)
    }

    fn model(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = self.learner.averages()?;
        tensors.extend(self.frozen.clone());
        tensors.extend(self.tokenizer.quantizer().state());
        Ok(tensors)
    }

    fn metadata(&self) -> Value {
        serde_json::json!({ "kind": "tokenizer", "config": self.config })
    }

    fn reconstruct(&self, pictures: &[Picture]) -> Result<Vec<Picture>> {
        let weights = Weights::loaded(self.model()?, false, &self.device);
        let tokenizer = tokenizers::build(&self.config, &weights)?;
        let back = |picture: &Picture| {
            let tokens = tokenizers::tokenize(&*tokenizer, picture)?;
            tokenizers::detokenize(&*tokenizer, &tokens)
        };
        pictures.iter().map(back).collect()
    }

    fn knobs(&self) -> Vec<(Knob, f64)> {
        let mut knobs = vec![(Knob::LearningRate, self.learner.lr())];
        if !self.keeps_tokens {
            knobs.extend(self.tokenizer.quantizer().knobs());
        }
        knobs.extend(self.perceptual.as_ref().map(|(_, weight)| (Knob::Perceptual, *weight)));
        knobs.extend(self.adversary.as_ref().map(|it| (Knob::Adversarial, it.weight())));
        knobs
    }

    fn turn(&mut self, knob: Knob, value: f64) -> Result<()> {
        match knob {
            Knob::LearningRate => {
                let factor = value / self.learner.lr();
                self.learner.set_lr(value)?;
                self.adversary.as_mut().map_or(Ok(()), |adversary| adversary.scale_lr(factor))
            }
            Knob::Perceptual => match &mut self.perceptual {
                Some((_, weight)) => {
                    check_weight(knob, value)?;
                    *weight = value;
                    Ok(())
                }
                None => Err(knob.missing()),
            },
            Knob::Adversarial => match &mut self.adversary {
                Some(adversary) => adversary.set_weight(value),
                None => Err(knob.missing()),
            },
            _ if self.keeps_tokens => Err(knob.missing()),
            knob => self.tokenizer.quantizer_mut().turn(knob, value),
        }
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
