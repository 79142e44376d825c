//! The tokens that a generator learns from: crops of the data, made into tokens once and kept on the disk.
//!
//! A pool has a fixed number of pictures, each always the same crop of the same image, mirrored or not. What a
//! step needs and is not known yet is painted or read, and encoded, when its turn comes; so a run begins at
//! once, and from its second round on images cost nothing. The file is shared by all runs in folders beside each other that
//! ask for the same pictures of the same tokens; any of them may replace it, since none can say anything else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::recipe::Recipe;
use super::state::{to_bytes, write_atomically};
use super::supplies::{Maker, Supplies};
use crate::data::{Crops, Sample, SkipReport, Source};
use crate::random::{name_hash, shuffled};
use crate::tokenizers::tokenize_all;
use crate::tokens::MASKED;
use crate::{EngineError, Result, checkpoints};

/// The folder of pools, beside the runs' folders.
const FOLDER: &str = "token-cache";
/// Of what a cache is made: another number where worlds are painted, or images cut, in another way than before.
const VERSION: u32 = 1;
/// Numbers of tokens beyond which a pool is refused: 2 GB.
const MOST_TOKENS: usize = 1 << 29;
/// New pictures after which the file is written.
const SAVE_EVERY: usize = 2048;
/// Pictures that are encoded at once: what is known is little, and memory is not.
const AT_ONCE: usize = 16;

/// The tokens of a step.
#[derive(Debug, Clone, Default)]
pub(super) struct TokenBatch {
    /// Those of each picture, all parts one after the other.
    pub(super) tokens: Vec<Arc<[u32]>>,
    /// The class of each, where it has one.
    pub(super) classes: Vec<Option<u32>>,
}

/// Tokens and classes of images that stand in for others, by the pictures' numbers.
type StandIns = BTreeMap<usize, (Arc<[u32]>, u32)>;

/// See the module.
#[derive(Debug)]
pub(super) struct TokenPool {
    crops: Crops,
    maker: Maker,
    file: PathBuf,
    /// What the file is of, in words.
    key: String,
    known: Vec<Option<Arc<[u32]>>>,
    classes: Vec<u32>,
    /// Pictures whose images could not be read when they were wanted: others stood in for them, which is not kept.
    stood_in: BTreeSet<usize>,
    unsaved: usize,
    /// Tokens of a picture.
    cells: usize,
    /// Classes are below this.
    most_class: u32,
    seed: u64,
    batch: u64,
    step: u64,
}

/// When the files of the images of so many pictures were last written: pictures made anew under the same names and
/// sizes have other tokens.
fn written(source: &dyn Source, crops: &Crops, pictures: u64) -> String {
    let mut images: Vec<u64> = (0..pictures).map(|number| crops.image_of(number)).collect();
    images.sort_unstable();
    images.dedup();
    let stamps: Vec<Option<u64>> = images.par_iter().map(|image| source.written(*image)).collect();
    let mix = |hash: u64, stamp: u64| name_hash(&format!("{hash:x} {stamp:x}"));
    format!("{:016x}", stamps.into_iter().flatten().fold(0, mix))
}

impl TokenPool {
    /// The pool of a recipe from a step on. `folder` is the run's.
    ///
    /// # Errors
    /// If the recipe trains no generator, or the tokenizer or the images cannot be used.
    pub(super) fn open(
        recipe: &Recipe,
        supplies: &Supplies,
        folder: &Path,
        device: &Device,
        step: u64,
    ) -> Result<Self> {
        let Some(generator) = &recipe.generator else {
            return Err(EngineError::bad_input("recipe", "it trains no generator", ""));
        };
        let maker = supplies.maker(&generator.tokenizer, device)?;
        let source = supplies.source();
        let pictures = generator.pictures as usize;
        let cells = maker.cells(recipe.crop.side)?;
        if pictures.saturating_mul(cells) > MOST_TOKENS {
            let reason = format!("{pictures} of {cells} tokens each are too many to be kept");
            let hint = format!("at most {}", MOST_TOKENS / cells.max(1));
            return Err(EngineError::bad_input("generator.pictures", reason, hint));
        }
        let crops = Crops::new(Arc::clone(&source), recipe.seed, recipe.crop.clone())?;
        let mut of = serde_json::json!({
            "version": VERSION, "tokens": maker.token_hash, "data": recipe.without_folders().data,
            "images": source.len(), "seen": supplies.seen(), "classes": source.classes(),
            "crop": recipe.crop, "seed": recipe.seed, "pictures": generator.pictures,
        });
        // Of images that are written again the tokens of before are no use: theirs take the place of these.
        let beside = folder.parent().unwrap_or(folder).join(FOLDER);
        let file = beside.join(format!("{:016x}.safetensors", name_hash(&of.to_string())));
        of["written"] = written(source.as_ref(), &crops, pictures as u64).into();
        let key = of.to_string();
        let mut pool = Self {
            crops,
            maker,
            key,
            known: vec![None; pictures],
            classes: vec![MASKED; pictures],
            stood_in: BTreeSet::new(),
            unsaved: 0,
            cells,
            most_class: source.classes().len() as u32,
            seed: recipe.seed,
            batch: recipe.batch as u64,
            step,
            file,
        };
        if pool.file.is_file()
            && let Err(error) = pool.read()
        {
            tracing::warn!("{error}; it is made anew");
        }
        Ok(pool)
    }

    /// What could not be read so far.
    pub(super) fn skipped(&self) -> SkipReport {
        self.crops.skipped()
    }

    /// The tokens of the next step. While many are made, `between` is told how many of how many are there; its error
    /// ends that, and what was made until then is kept.
    ///
    /// # Errors
    /// If images cannot be read, or encoded; and that of `between`.
    pub(super) fn next_batch(
        &mut self,
        between: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<TokenBatch> {
        let pictures = self.known.len() as u64;
        let numbers: Vec<usize> = (0..self.batch)
            .map(|slot| {
                let position = self.step * self.batch + slot;
                let round = (position / pictures) as u32;
                shuffled(self.seed, round, pictures, position % pictures) as usize
            })
            .collect();
        let instead = self.learn_of(&numbers, between)?;
        let mut batch = TokenBatch::default();
        for number in numbers {
            let own = self.known[number].as_ref().map(|tokens| (tokens, self.classes[number]));
            let other = || instead.get(&number).map(|(tokens, class)| (tokens, *class));
            let Some((tokens, class)) = own.or_else(other) else {
                return Err(EngineError::bad_input("tokens", "a picture has none", ""));
            };
            batch.tokens.push(Arc::clone(tokens));
            batch.classes.push((class != MASKED).then_some(class));
        }
        self.step += 1;
        Ok(batch)
    }

    /// Encodes what is not known of some pictures. Gives tokens and classes of those that stand in for pictures
    /// whose images cannot be read now: the next time that is tried again.
    fn learn_of(
        &mut self,
        numbers: &[usize],
        between: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<StandIns> {
        let mut instead = StandIns::new();
        let mut missing: Vec<usize> =
            numbers.iter().copied().filter(|number| self.known[*number].is_none()).collect();
        missing.sort_unstable();
        missing.dedup();
        for (at, part) in missing.chunks(AT_ONCE).enumerate() {
            between(at * AT_ONCE, missing.len())?;
            let samples = part.par_iter().map(|number| self.crops.sample(*number as u64));
            let samples = samples.collect::<Result<Vec<(Sample, bool)>>>()?;
            let pictures: Vec<_> =
                samples.iter().map(|(sample, _)| sample.picture.clone()).collect();
            let tokens = tokenize_all(self.maker.tokenizer.as_ref(), &pictures)?;
            for ((number, (sample, is_own)), tokens) in part.iter().zip(&samples).zip(tokens) {
                let class = sample.class.unwrap_or(MASKED);
                if *is_own {
                    self.known[*number] = Some(tokens);
                    self.classes[*number] = class;
                    self.stood_in.remove(number);
                    self.unsaved += 1;
                } else {
                    self.stood_in.insert(*number);
                    instead.insert(*number, (tokens, class));
                }
            }
        }
        let is_known = |(number, tokens): (usize, &Option<_>)| {
            tokens.is_some() || self.stood_in.contains(&number)
        };
        let is_whole = self.unsaved > 0 && self.known.iter().enumerate().all(is_known);
        if self.unsaved >= SAVE_EVERY || is_whole {
            self.write();
        }
        Ok(instead)
    }

    /// A pool that cannot be written costs time, not the run.
    fn write(&mut self) {
        self.unsaved = 0;
        if let Err(error) = self.try_write() {
            tracing::warn!("the tokens are not kept for the next run: {error}");
        }
    }

    fn try_write(&mut self) -> Result<()> {
        // Another run may know more by now.
        if self.file.is_file()
            && let Err(error) = self.read()
        {
            // What cannot be read just now may be sound: it is not written over.
            if matches!(error, EngineError::Io { .. }) {
                return Err(error);
            }
            tracing::warn!("{error}; it is made anew");
        }
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder).map_err(|source| EngineError::io(folder, source))?;
        }
        let numbers: Vec<u32> = (0..self.known.len() as u32)
            .filter(|number| self.known[*number as usize].is_some())
            .collect();
        let codes: Vec<u32> =
            self.known.iter().flatten().flat_map(|tokens| tokens.iter().copied()).collect();
        let classes: Vec<u32> =
            numbers.iter().map(|number| self.classes[*number as usize]).collect();
        let count = numbers.len();
        let cells = codes.len() / count.max(1);
        let tensors = [
            ("codes", Tensor::from_vec(codes, (count, cells), &Device::Cpu)?),
            ("numbers", Tensor::from_vec(numbers, count, &Device::Cpu)?),
            ("classes", Tensor::from_vec(classes, count, &Device::Cpu)?),
        ];
        let tensors = tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
        let metadata = serde_json::json!({ "format": 1, "kind": "token cache", "of": self.key });
        write_atomically(&self.file, &to_bytes(&tensors, &metadata)?)
    }

    /// What is known by the file. Nothing of it is taken if anything does not fit.
    fn read(&mut self) -> Result<()> {
        let bad = |reason: &str| EngineError::bad_file(&self.file, reason, "");
        let checkpoint = checkpoints::read(&self.file)?;
        let said = checkpoint.smalti(&self.file)?.unwrap_or_default();
        if said["of"].as_str() != Some(&self.key) {
            return Err(bad("it is of other tokens, or of images as they were before"));
        }
        let tensors = checkpoint.to_tensors(&Device::Cpu)?;
        let list = |name: &str| -> Result<Vec<u32>> {
            let tensor = tensors.get(name).ok_or_else(|| bad("something is missing in it"))?;
            Ok(tensor.to_dtype(DType::U32)?.flatten_all()?.to_vec1()?)
        };
        let (codes, numbers, classes) = (list("codes")?, list("numbers")?, list("classes")?);
        let cells = self.cells;
        let fits = codes.len() == numbers.len() * cells
            && classes.len() == numbers.len()
            && numbers.iter().all(|number| (*number as usize) < self.known.len())
            && codes.iter().all(|code| *code < self.maker.most_codes())
            && classes.iter().all(|class| *class < self.most_class || *class == MASKED);
        if !fits {
            return Err(bad("it does not fit"));
        }
        for ((number, codes), class) in numbers.iter().zip(codes.chunks(cells)).zip(classes) {
            let known = &mut self.known[*number as usize];
            if known.is_none() {
                *known = Some(codes.into());
                self.classes[*number as usize] = class;
            }
        }
        Ok(())
    }
}

impl Drop for TokenPool {
    fn drop(&mut self) {
        if self.unsaved > 0 {
            self.write();
        }
    }
}
