//! Traces: a generation as a file, step by step, from which it can go on.
//!
//! A trace is a safetensors file. For each part of the tokens (S steps): `tokens` (S, H, W) u32, [`MASKED`]
//! (4294967295) where none stands; `confidence` (S, H, W) f32, the probability with which the token that stands
//! there was drawn, 1 for given ones, 0 where there is none; `committed` and `changed` (S, H, W) u8; `given` (H, W)
//! u32. Of several parts the names end in `.0`, `.1` and so on. `forward_passes` (S,) u32. Its metadata says which
//! generator wrote it, and what it was asked. Times are not in it: two runs give the same bytes.

use std::collections::HashMap;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::condition::Condition;
use super::origin::Origin;
use super::request::{Request, Sampling, Step};
use super::unmasking::Unmasking;
use crate::tokens::{MASKED, Part, PartShape, Tokens};
use crate::{EngineError, Result};

/// The version of the metadata.
const FORMAT: u64 = 1;
/// The metadata's key.
const KEY: &str = "smalti_trace";
/// Files above this are no traces.
const MOST_BYTES: u64 = 1 << 31;

/// Which generator writes, and what decodes.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct TracedModel {
    /// What people call the generator.
    pub name: String,
    /// Identifies it: [`super::model_hash`].
    pub hash: String,
    /// What people call the tokenizer of its tokens.
    pub tokenizer: String,
    /// Identifies its tokens.
    pub token_hash: String,
}

/// A step of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct TracedStep {
    /// Sequences that went through the network in it.
    pub forward_passes: u32,
    /// All tokens after it.
    pub tokens: Tokens,
    /// Of each cell, part by part, row by row: the probability with which its token was drawn; 1 if it was
    /// given, 0 if it has none.
    pub confidence: Vec<f32>,
    /// Which cells have a token since this step.
    pub committed: Vec<bool>,
    /// Which cells have another token than before.
    pub changed: Vec<bool>,
}

/// A generation as it was written, as far as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Who wrote it.
    pub model: TracedModel,
    /// What was asked.
    pub request: Request,
    /// Its steps, from the first one on.
    pub steps: Vec<TracedStep>,
}

/// What the metadata says beside the tensors.
#[derive(serde::Serialize, serde::Deserialize)]
struct Said {
    format: u64,
    version: String,
    generator: TracedModel,
    request: Asked,
    parts: Vec<SaidPart>,
    steps: usize,
}

/// A request without its tokens.
#[derive(serde::Serialize, serde::Deserialize)]
struct Asked {
    class: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prompt: Option<Condition>,
    seed: u64,
    sampling: Sampling,
    unmasking: Unmasking,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    groups: u32,
}

/// Groups of which files say nothing: those of before there were any.
fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_one(groups: &u32) -> bool {
    *groups == 1
}

#[derive(serde::Serialize, serde::Deserialize)]
struct SaidPart {
    #[serde(flatten)]
    shape: PartShape,
    codebook_size: u32,
}

impl Trace {
    /// The trace of a request, before its first step.
    pub fn new(model: TracedModel, request: Request) -> Self {
        Self { model, request, steps: Vec::new() }
    }

    /// Adds a step, the one behind the last.
    pub fn push(&mut self, step: &Step) {
        let cells: Vec<_> = step.tokens.cells().collect();
        let place = |cell| cells.binary_search_by_key(&cell, |(cell, _)| *cell).ok();
        let before = self.steps.last();
        let mut confidence: Vec<f32> = if let Some(before) = before {
            before.confidence.clone()
        } else {
            let given = self.request.given.cells();
            given.map(|(_, token)| if token.is_some() { 1.0 } else { 0.0 }).collect()
        };
        confidence.resize(cells.len(), 0.0);
        for proposal in step.proposals.iter().filter(|proposal| proposal.kept) {
            if let Some(at) = place(proposal.cell) {
                confidence[at] = proposal.probability;
            }
        }
        // What was taken back has none.
        for (confidence, (_, token)) in confidence.iter_mut().zip(&cells) {
            if token.is_none() {
                *confidence = 0.0;
            }
        }
        let marked = |marked: &[crate::tokens::Cell]| {
            let mut marks = vec![false; cells.len()];
            marked.iter().filter_map(|cell| place(*cell)).for_each(|at| marks[at] = true);
            marks
        };
        let step = TracedStep {
            forward_passes: step.forward_passes,
            tokens: step.tokens.clone(),
            confidence,
            committed: marked(&step.committed),
            changed: marked(&step.changed),
        };
        self.steps.push(step);
    }

    /// The last step as a generation goes on from it; `None` before the first.
    pub fn last_step(&self) -> Option<Step> {
        let last = self.steps.last()?;
        Some(Step {
            index: self.steps.len() as u32 - 1,
            forward_passes: last.forward_passes,
            committed: Vec::new(),
            changed: Vec::new(),
            proposals: Vec::new(),
            tokens: last.tokens.clone(),
        })
    }

    /// Whether a generator may go on with it.
    ///
    /// # Errors
    /// [`EngineError::BadFile`] if another generator wrote it.
    pub fn check(&self, path: &Path, model: &TracedModel) -> Result<()> {
        // Where no tokenizer was named, only the generator tells whose tokens they are.
        let is_same = |a: &str, b: &str| a.is_empty() || b.is_empty() || a == b;
        let is_own = self.model.hash == model.hash;
        if is_own && is_same(&self.model.token_hash, &model.token_hash) {
            return Ok(());
        }
        if is_own {
            let (own, other) = (&self.model.tokenizer, &model.tokenizer);
            let reason = format!("its tokens are those of {own}, not of {other}");
            return Err(EngineError::bad_file(path, reason, "name that tokenizer (--tokenizer)"));
        }
        let mut reason = format!("it was written by {}, not by {}", self.model.name, model.name);
        if self.model.name == model.name {
            reason = format!("it was written by another {} than this one", model.name);
        }
        Err(EngineError::bad_file(path, reason, "name the generator that wrote it (--model)"))
    }

    /// As the bytes of a file.
    ///
    /// # Errors
    /// None that a trace of a generation has.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let bad = |error: String| EngineError::bad_input("trace", error, "");
        let parts = self.request.given.parts();
        let (count, several) = (self.steps.len(), parts.len() > 1);
        let mut data: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        let mut first = 0;
        for (number, part) in parts.iter().enumerate() {
            let name = |what: &str| {
                if several { format!("{what}.{number}") } else { what.to_owned() }
            };
            let own = first..first + part.codes().len();
            first = own.end;
            let one = vec![part.frames() * part.rows(), part.columns()];
            let all = [&[count][..], &one].concat();
            let bytes = |codes: &[u32]| -> Vec<u8> {
                codes.iter().flat_map(|code| code.to_le_bytes()).collect()
            };
            let each = |read: &dyn Fn(&TracedStep) -> Vec<u8>| -> Vec<u8> {
                self.steps.iter().flat_map(read).collect()
            };
            let tokens = each(&|step| {
                step.tokens.part(number).map_or(Vec::new(), |part| bytes(part.codes()))
            });
            let confidence = each(&|step| {
                step.confidence[own.clone()].iter().flat_map(|p| p.to_le_bytes()).collect()
            });
            let flags = |read: fn(&TracedStep) -> &[bool]| {
                each(&|step| read(step)[own.clone()].iter().map(|mark| u8::from(*mark)).collect())
            };
            data.push((name("given"), Dtype::U32, one, bytes(part.codes())));
            data.push((name("tokens"), Dtype::U32, all.clone(), tokens));
            data.push((name("confidence"), Dtype::F32, all.clone(), confidence));
            data.push((name("committed"), Dtype::U8, all.clone(), flags(|step| &step.committed)));
            data.push((name("changed"), Dtype::U8, all, flags(|step| &step.changed)));
        }
        let passes = self.steps.iter().flat_map(|step| step.forward_passes.to_le_bytes());
        data.push(("forward_passes".to_owned(), Dtype::U32, vec![count], passes.collect()));
        let Request { class, prompt, seed, sampling, unmasking, origin, groups, .. } =
            &self.request;
        let said = Said {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            generator: self.model.clone(),
            request: Asked {
                class: *class,
                prompt: prompt.clone(),
                seed: *seed,
                sampling: *sampling,
                unmasking: unmasking.clone(),
                origin: *origin,
                groups: *groups,
            },
            parts: parts
                .iter()
                .map(|part| SaidPart { shape: part.shape(), codebook_size: part.codebook_size() })
                .collect(),
            steps: count,
        };
        let said = serde_json::to_string(&said).map_err(|error| bad(error.to_string()))?;
        let views = data
            .iter()
            .map(|(name, element, sides, bytes)| {
                let view = TensorView::new(*element, sides.clone(), bytes);
                Ok((name.as_str(), view.map_err(|error| bad(error.to_string()))?))
            })
            .collect::<Result<Vec<_>>>()?;
        let metadata = HashMap::from([(KEY.to_owned(), said)]);
        safetensors::serialize(views, Some(metadata)).map_err(|error| bad(error.to_string()))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`EngineError::Io`] if it cannot be read; [`EngineError::BadFile`] if it is no trace, or damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let io = |error| EngineError::io(path, error);
        let length = std::fs::metadata(path).map_err(io)?.len();
        if length > MOST_BYTES {
            let reason = format!("{length} bytes are more than a trace has");
            return Err(EngineError::bad_file(path, reason, HINT));
        }
        Self::parse(path, &std::fs::read(path).map_err(io)?)
    }

    /// As [`Trace::read`], of bytes in memory; `path` is the name that errors show.
    ///
    /// # Errors
    /// As [`Trace::read`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let bad = |reason: String| EngineError::bad_file(path, reason, HINT);
        let (_, header) = SafeTensors::read_metadata(bytes)
            .map_err(|error| bad(format!("no trace of a generation ({error})")))?;
        let text = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        let Some(text) = text else {
            return Err(bad("no trace of a generation".to_owned()));
        };
        let said: serde_json::Value = serde_json::from_str(text)
            .map_err(|error| bad(format!("its metadata is damaged: {error}")))?;
        if said["format"].as_u64() != Some(FORMAT) {
            let reason =
                format!("written in format {}, this program reads format {FORMAT}", said["format"]);
            return Err(EngineError::bad_file(path, reason, "update Smalti"));
        }
        let said: Said = serde_json::from_value(said)
            .map_err(|error| bad(format!("its metadata is damaged: {error}")))?;
        let file = SafeTensors::deserialize(bytes)
            .map_err(|error| bad(format!("it is damaged: {error}")))?;
        Reading { path, file: &file, said: &said }.trace()
    }
}

/// What to do with a file that is no trace.
const HINT: &str = "use a file that `smalti generate --trace` wrote";

/// A file while it is read.
struct Reading<'a> {
    path: &'a Path,
    file: &'a SafeTensors<'a>,
    said: &'a Said,
}

impl Reading<'_> {
    fn bad(&self, reason: &str) -> EngineError {
        EngineError::bad_file(self.path, format!("it is damaged: {reason}"), HINT)
    }

    /// The bytes of a tensor of a type and shape.
    fn bytes(&self, name: &str, element: Dtype, shape: &[usize]) -> Result<&[u8]> {
        let tensor =
            self.file.tensor(name).map_err(|_missing| self.bad(&format!("{name} is missing")))?;
        if tensor.dtype() != element || tensor.shape() != shape {
            let found = format!("{:?} {:?}", tensor.dtype(), tensor.shape());
            return Err(self.bad(&format!("{name} is {found}, not {element:?} {shape:?}")));
        }
        Ok(tensor.data())
    }

    fn words(&self, name: &str, element: Dtype, shape: &[usize]) -> Result<Vec<u32>> {
        let bytes = self.bytes(name, element, shape)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect())
    }

    /// That the file holds as many steps as it says, before memory is taken for them.
    fn check_steps(&self) -> Result<()> {
        let Said { parts, steps, .. } = self.said;
        // Of no part each step would be a few bytes of the file, and many times that in memory.
        if parts.is_empty() {
            return Err(self.bad("it has no tokens"));
        }
        let cells =
            parts.iter().try_fold(0_usize, |sum, part| sum.checked_add(part.shape.cells()?));
        // A step writes a token at least.
        if cells.is_none_or(|cells| *steps > cells) {
            return Err(self.bad(&format!("{steps} steps of fewer tokens")));
        }
        for number in 0..parts.len() {
            let name =
                if parts.len() > 1 { format!("tokens.{number}") } else { "tokens".to_owned() };
            let tensor = self
                .file
                .tensor(&name)
                .map_err(|_missing| self.bad(&format!("{name} is missing")))?;
            if tensor.shape().first() != Some(steps) {
                return Err(self.bad(&format!("{name} is not of {steps} steps")));
            }
        }
        Ok(())
    }

    fn trace(&self) -> Result<Trace> {
        let Said { generator, request, parts, steps, .. } = self.said;
        self.check_steps()?;
        let passes = self.words("forward_passes", Dtype::U32, &[*steps])?;
        let mut given = Vec::new();
        let mut by_step: Vec<Vec<Part>> = vec![Vec::new(); *steps];
        let mut confidence: Vec<Vec<f32>> = vec![Vec::new(); *steps];
        let (mut committed, mut changed) = (vec![Vec::new(); *steps], vec![Vec::new(); *steps]);
        for (number, SaidPart { shape, codebook_size }) in parts.iter().enumerate() {
            let name = |what: &str| {
                if parts.len() > 1 { format!("{what}.{number}") } else { what.to_owned() }
            };
            let rows = shape.frames.checked_mul(shape.rows);
            let (Some(rows), Some(cells)) = (rows, shape.cells().filter(|cells| *cells > 0)) else {
                return Err(self.bad(&format!("a part of {shape}")));
            };
            let (one, all) = ([rows, shape.columns], [*steps, rows, shape.columns]);
            let part = |codes: &[u32]| {
                let part = Part::new(*shape, *codebook_size, codes.to_vec());
                part.map_err(|error| self.bad(&error.to_string()))
            };
            given.push(part(&self.words(&name("given"), Dtype::U32, &one)?)?);
            let tokens = self.words(&name("tokens"), Dtype::U32, &all)?;
            for (parts, codes) in by_step.iter_mut().zip(tokens.chunks(cells)) {
                parts.push(part(codes)?);
            }
            let own = self.words(&name("confidence"), Dtype::F32, &all)?;
            for (all, own) in confidence.iter_mut().zip(own.chunks(cells)) {
                let own: Vec<f32> = own.iter().map(|word| f32::from_bits(*word)).collect();
                // Sums of probabilities are rounded.
                if own.iter().any(|p| !(0.0..=1.001).contains(p)) {
                    return Err(self.bad("a confidence is no probability"));
                }
                all.extend(own);
            }
            for (what, all_marks) in [("committed", &mut committed), ("changed", &mut changed)] {
                let own = self.bytes(&name(what), Dtype::U8, &all)?;
                for (all, own) in all_marks.iter_mut().zip(own.chunks(cells)) {
                    all.extend(own.iter().map(|mark| *mark != 0));
                }
            }
        }
        let given = Tokens::new(given).map_err(|error| self.bad(&error.to_string()))?;
        let steps = by_step.into_iter().zip(passes).zip(confidence).zip(committed).zip(changed);
        let steps = steps.map(|((((parts, forward_passes), confidence), committed), changed)| {
            let tokens = Tokens::new(parts)?;
            Ok(TracedStep { forward_passes, tokens, confidence, committed, changed })
        });
        let steps = steps.collect::<Result<Vec<_>>>()?;
        let keeps = |step: &TracedStep| {
            let all = given.parts().iter().zip(step.tokens.parts());
            all.flat_map(|(given, now)| given.codes().iter().zip(now.codes().iter()))
                .all(|(given, now)| *given == MASKED || given == now)
        };
        if !steps.iter().all(keeps) {
            return Err(self.bad("a step writes over a given token"));
        }
        let Asked { class, prompt, seed, sampling, unmasking, origin, groups } = request;
        Ok(Trace {
            model: generator.clone(),
            request: Request {
                class: *class,
                prompt: prompt.clone(),
                seed: *seed,
                sampling: *sampling,
                unmasking: unmasking.clone(),
                given,
                origin: *origin,
                groups: *groups,
            },
            steps,
        })
    }
}
