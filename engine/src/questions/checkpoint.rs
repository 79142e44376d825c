//! What a file of weights holds, also when no network can be made of it.

use std::sync::Arc;

use super::generator_facts::{GeneratorFacts, generator_in};
use super::model::{ModelRef, shipped_or_file};
use crate::checkpoints::{self, Checkpoint, CodebookCandidate, Recognized, TensorRow};
use crate::measure::Codebook;
use crate::session::{Desk, Question};
use crate::{EngineError, Result};

/// Multiplications that the search for nearest codes may take: a second or two.
const WORK: u64 = 4_000_000_000;
/// Pairs nearer than this share of the usual distance are told as nearly the same.
const NEARLY: f32 = 0.01;
/// Pairs that are listed.
const MOST_PAIRS: usize = 64;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InspectModel {
    /// Which file.
    pub model: ModelRef,
}

/// See [`InspectModel`].
#[derive(Debug, Clone)]
pub struct Inspection {
    /// Its family and what does not fit.
    pub recognized: Recognized,
    /// What is known of the generator in it.
    pub generator: Option<GeneratorFacts>,
    /// All tensors, by name.
    pub tensors: Vec<TensorRow>,
    /// The Euclidean norm of each, as far as they are numbers and 1 GiB goes; not finite if one of them is not.
    pub norms: Vec<Option<f64>>,
    /// Tensors that look like a codebook, the likeliest first.
    pub candidates: Vec<CodebookCandidate>,
    /// A few lines of Python with which the code that made the file writes its tokens for Smalti.
    pub snippet: String,
    /// Bytes of the file; `None` for a folder.
    pub bytes: Option<u64>,
    /// What Smalti wrote of how it was trained, as JSON; `None` for files of others.
    pub metadata: Option<serde_json::Value>,
}

impl Question for InspectModel {
    type Answer = Inspection;

    fn answer(&self, desk: &Desk<'_>) -> Result<Inspection> {
        let (path, part) = checkpoints::split_part(&shipped_or_file(desk, &self.model)?);
        let checkpoint = checkpoints::read(&path)?;
        let beside = checkpoints::beside(&path);
        let part = part.as_deref();
        let mut recognized =
            checkpoints::recognize_part(&checkpoint, &path, beside.as_ref(), part)?;
        let generator = match part {
            None => generator_in(&checkpoint, &path, beside.as_ref(), &mut recognized)?,
            Some(_tokenizer) => None,
        };
        let tensors = checkpoints::tensor_rows(&checkpoint);
        let norms = norms(&checkpoint, &tensors, desk)?;
        let broken =
            tensors.iter().zip(&norms).filter(|(_, norm)| norm.is_some_and(|n| !n.is_finite()));
        let broken: Vec<&str> = broken.map(|(row, _)| row.name.as_str()).collect();
        if let Some(first) = broken.first() {
            let others = match broken.len() {
                1 => String::new(),
                n => format!(" and {} others", n - 1),
            };
            let problem = format!(
                "{first}{others} has numbers that are not finite: the training broke down, use an earlier \
                 checkpoint"
            );
            recognized.problems.insert(0, problem);
        }
        let mut candidates = checkpoints::codebook_candidates(&checkpoint);
        if let Some(facts) = &recognized.facts {
            // Its own codebook first, before one of a network inside it.
            let book = facts.book(0);
            candidates
                .sort_by_key(|found| (found.size, found.dim) != (book.size as usize, book.dim));
        }
        let design = recognized.design.as_ref();
        Ok(Inspection {
            snippet: checkpoints::snippet(design, checkpoint.container, &path),
            bytes: path.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len()),
            metadata: checkpoint.smalti(&path)?,
            tensors,
            norms,
            candidates,
            recognized,
            generator,
        })
    }

    fn bytes(answer: &Inspection) -> usize {
        4096 + answer.tensors.len() * 128
    }

    fn is_file_work(&self) -> bool {
        true
    }
}

/// Bytes of tensors whose norms are worked out.
const MOST_READ: usize = 1 << 30;

fn norms(checkpoint: &Checkpoint, rows: &[TensorRow], desk: &Desk<'_>) -> Result<Vec<Option<f64>>> {
    let mut read = 0;
    let mut all = Vec::with_capacity(rows.len());
    for (number, row) in rows.iter().enumerate() {
        read += row.elements * 4;
        all.push(if read <= MOST_READ { checkpoints::norm(checkpoint, &row.name)? } else { None });
        desk.progress((number + 1) as f32 / rows.len() as f32)?;
    }
    Ok(all)
}

/// A tensor looked at as a codebook. It need not be one of images.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LookAtCodebook {
    /// Which file.
    pub model: ModelRef,
    /// Which of its tensors, (K, D).
    pub tensor: Arc<str>,
}

/// See [`LookAtCodebook`].
#[derive(Debug, Clone)]
pub struct CodebookLook {
    /// Number of codes, K.
    pub size: usize,
    /// Numbers of a code, D.
    pub dim: usize,
    /// The Euclidean norm of each code, K entries.
    pub norms: Arc<[f32]>,
    /// The first three principal components of each code as a color, K entries.
    pub colors: Arc<[[u8; 3]]>,
    /// The share of the variance that each of the three explains.
    pub explained: [f64; 3],
    /// For codes that were looked at: the code, its nearest other one, the distance.
    pub neighbors: Arc<[(u32, u32, f32)]>,
    /// Whether all codes were looked at, and not a sample.
    pub all_looked_at: bool,
    /// Codes that are the same in every bit, groups of two and more.
    pub duplicates: Arc<[Vec<u32>]>,
    /// Pairs of codes that are nearly the same, with their distances.
    pub near: Arc<[(u32, u32, f32)]>,
    /// The vector beside it that counts how often each code was used, K entries, with its name.
    pub usage: Option<(String, Arc<[f32]>)>,
    /// Norms, distances to the nearest code, and use, each finite and from the largest down.
    pub sorted: [Arc<[f32]>; 3],
}

fn from_the_largest(values: impl Iterator<Item = f32>) -> Arc<[f32]> {
    let mut values: Vec<f32> = values.filter(|value| value.is_finite()).collect();
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    values.into()
}

impl Question for LookAtCodebook {
    type Answer = CodebookLook;

    fn answer(&self, desk: &Desk<'_>) -> Result<CodebookLook> {
        let (path, _) = checkpoints::split_part(&self.model.path(desk.assets()));
        let checkpoint = checkpoints::read(&path)?;
        let (size, dim, values) = checkpoints::candidate_values(&checkpoint, &self.tensor)?;
        desk.progress(0.2)?;
        let book = Codebook::new(size, dim, &values)?;
        let colors = book.colors();
        desk.progress(0.4)?;
        let duplicates = book.duplicates();
        let found = book.neighbours(WORK);
        desk.progress(0.9)?;
        let mut near = found.near(NEARLY);
        near.truncate(MOST_PAIRS);
        let candidates = checkpoints::codebook_candidates(&checkpoint);
        let beside = candidates.iter().find(|candidate| *candidate.tensor == *self.tensor);
        let usage = match beside.and_then(|candidate| candidate.usage.clone()) {
            None => None,
            Some(name) => {
                let counts = checkpoints::candidate_usage(&checkpoint, &name)?;
                if counts.len() != size {
                    let reason = format!("{name} has {} numbers for {size} codes", counts.len());
                    return Err(EngineError::bad_input("usage", reason, ""));
                }
                Some((name, counts.into()))
            }
        };
        let pairs = found.codes.iter().zip(&found.nearest).zip(&found.distances);
        let used = usage.iter().flat_map(|(_, counts): &(String, Arc<[f32]>)| counts.iter());
        // Here and not in the view: a frame has no time to sort 262144 codes.
        let sorted = [
            from_the_largest(book.norms().iter().copied()),
            from_the_largest(found.distances.iter().copied()),
            from_the_largest(used.copied()),
        ];
        Ok(CodebookLook {
            size,
            dim,
            norms: book.norms().into(),
            colors: colors.rgb.into(),
            explained: colors.explained,
            all_looked_at: found.codes.len() == size,
            neighbors: pairs.map(|((code, nearest), d)| (*code, *nearest, *d)).collect(),
            duplicates: duplicates.into(),
            near: near.into(),
            usage,
            sorted,
        })
    }

    fn bytes(answer: &CodebookLook) -> usize {
        answer.size * 36 + 4096
    }
}
