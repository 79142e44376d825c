//! A generation as it goes on: step after step, from any step on.

use candle_core::Tensor;

use super::config::{GeneratorConfig, Way};
use super::network::Network;
use super::painter::Painter;
use super::request::{Proposal, Request, Step};
use super::sampling::{Distribution, gumbel};
use crate::layers::KvCache;
use crate::random::{Noise, Purpose};
use crate::tokens::{Cell, MASKED, Part, Tokens};
use crate::{EngineError, Result};

/// A lane beyond all codes: the noise on the confidence of a place.
const CONFIDENCE: u32 = u32::MAX;

/// A generation as it goes on.
#[derive(Debug)]
pub struct Generation {
    painter: Painter,
    request: Request,
    /// The tokens of the last step; those given before there was one.
    tokens: Vec<u32>,
    /// Steps done.
    done: u32,
    /// Of raster and VAR: what has been read.
    caches: Vec<KvCache>,
}

impl Generation {
    /// The generation of a request from its beginning, or going on after a step of it (or of another request:
    /// then the rest is written as this one says).
    ///
    /// # Errors
    /// As [`Request::validate`], and if the step is of other tokens.
    pub fn new(painter: Painter, request: Request, after: Option<&Step>) -> Result<Self> {
        request.validate(painter.config())?;
        let mut tokens = request.given.clone();
        if let Some(step) = after {
            if step.tokens.layout() != tokens.layout() {
                let reason = format!("they are {}, not {}", step.tokens.words(), tokens.words());
                return Err(EngineError::bad_input("tokens of the step", reason, ""));
            }
            // What is given stays, whatever the step says.
            let written = step.tokens.cells().filter(|(cell, _)| tokens.get(*cell).is_none());
            tokens = tokens.with(written.collect::<Vec<_>>())?;
        }
        let tokens = tokens.parts().iter().flat_map(|part| part.codes().iter().copied()).collect();
        let done = after.map_or(0, |step| step.index + 1);
        Ok(Self { painter, request, tokens, done, caches: Vec::new() })
    }

    /// Its request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Steps of the whole generation, as far as it can be told before.
    pub fn steps(&self) -> u32 {
        let free = self.request.given.cells().filter(|(_, token)| token.is_none()).count() as u32;
        match self.config().way {
            Way::Raster => free,
            Way::MaskGit => self.request.unmasking.steps.min(free),
            // Scales that are given whole are not steps.
            Way::Var => {
                let parts = self.request.given.parts().iter();
                parts.filter(|part| part.codes().contains(&MASKED)).count() as u32
            }
        }
    }

    fn config(&self) -> &GeneratorConfig {
        self.painter.config()
    }

    fn network(&self) -> &Network {
        self.painter.network()
    }

    /// How many steps are done.
    pub fn done(&self) -> u32 {
        self.done
    }

    /// All tokens as they are now.
    ///
    /// # Errors
    /// None that a validated request has.
    pub fn tokens(&self) -> Result<Tokens> {
        let mut at = 0;
        let parts = self.request.given.parts().iter().map(|part| {
            let own = self.tokens[at..at + part.codes().len()].to_vec();
            at += own.len();
            Part::new(part.shape(), part.codebook_size(), own)
        });
        Tokens::new(parts.collect::<Result<Vec<_>>>()?)
    }

    /// The next step; `None` when every cell has a token.
    ///
    /// # Errors
    /// If an operation fails; the generation stays where it was.
    pub fn next_step(&mut self) -> Result<Option<Step>> {
        self.next_step_between(&mut |_, _| Ok(()))
    }

    /// As [`Self::next_step`]. Where tokens that are there have to be read first, as in a generation that goes on,
    /// `between` is told how many of how many are; its error ends the step, and what was read stays so.
    ///
    /// # Errors
    /// As [`Self::next_step`], and that of `between`.
    pub fn next_step_between(
        &mut self,
        between: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Option<Step>> {
        if !self.tokens.contains(&MASKED) {
            return Ok(None);
        }
        let (proposals, forward_passes) = match self.config().way {
            Way::Raster => self.next_token(between)?,
            Way::MaskGit => self.unmask()?,
            Way::Var => self.next_scale(between)?,
        };
        let kept: Vec<&Proposal> = proposals.iter().filter(|proposal| proposal.kept).collect();
        let committed: Vec<Cell> = kept.iter().map(|proposal| proposal.cell).collect();
        for proposal in kept {
            let at = self.place(proposal.cell);
            self.tokens[at] = proposal.token;
        }
        let index = self.done;
        self.done += 1;
        let (changed, tokens) = (Vec::new(), self.tokens()?);
        Ok(Some(Step { index, forward_passes, committed, changed, proposals, tokens }))
    }

    /// Where a cell is among all tokens.
    fn place(&self, cell: Cell) -> usize {
        let parts = self.request.given.parts();
        let number = usize::from(cell.part);
        let before: usize = parts.iter().take(number).map(|part| part.codes().len()).sum();
        let columns = parts.get(number).map_or(0, Part::columns);
        before + usize::from(cell.row) * columns + cell.column as usize
    }

    /// The cell at a place among all tokens.
    fn cell(&self, mut place: usize) -> Cell {
        for (number, part) in self.request.given.parts().iter().enumerate() {
            if place < part.codes().len() {
                return part.cell(number, place);
            }
            place -= part.codes().len();
        }
        Cell::default()
    }

    /// The class and, where there is guidance, none beside it.
    fn classes(&self) -> Vec<Option<u32>> {
        match self.request.class {
            Some(class) if self.request.sampling.guidance != 1.0 => vec![Some(class), None],
            class => vec![class],
        }
    }

    /// The guidance of a step of which a share of the tokens comes after.
    fn guidance(&self, done: f32) -> f32 {
        let full = self.request.sampling.guidance;
        if self.request.sampling.ramp { 1.0 + (full - 1.0) * done } else { full }
    }

    fn noise(&self, step: u32, cell: usize) -> Noise {
        Noise::new(self.request.seed, Purpose::Choice, step, cell as u64)
    }

    fn propose(&self, cell: usize, distribution: &Distribution, step: u32) -> Proposal {
        let token = distribution.draw(&self.noise(step, cell));
        Proposal {
            cell: self.cell(cell),
            token,
            probability: distribution.probabilities()[token as usize],
            alternatives: distribution.alternatives(),
            entropy: distribution.entropy(),
            kept: true,
        }
    }

    /// Raster: the next token that is not given. Those before it that the network has not read are read first.
    /// Its noise is addressed by its cell alone, so that it does not depend on how many steps came before.
    fn next_token(
        &mut self,
        between: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<(Vec<Proposal>, u32)> {
        let cells = self.tokens.len();
        let cell = self.tokens.iter().position(|token| *token == MASKED).unwrap_or(cells);
        let classes = self.classes();
        if self.caches.is_empty() {
            self.caches = self.network().caches(classes.len())?;
        }
        let mut read = self.caches.first().map_or(0, KvCache::len);
        let mut rows = Vec::new();
        // Place 0 is the class, place i the token i - 1.
        while read <= cell {
            if read < cell {
                between(read, cell)?;
            }
            let last = (read > 0).then(|| vec![self.tokens[read - 1]; classes.len()]);
            let network = self.painter.network();
            let logits = network.next_logits(last.as_deref(), &classes, &mut self.caches);
            rows = match logits.and_then(|logits| Ok(logits.to_vec2::<f32>()?)) {
                Ok(rows) => rows,
                Err(error) => {
                    // What was read of it is unknown: it is read again.
                    self.caches.clear();
                    return Err(error);
                }
            };
            read += 1;
        }
        let Some(first) = rows.first() else {
            return Err(EngineError::bad_input("generator", "it gave no logits", ""));
        };
        let guidance = self.guidance(cell as f32 / (cells - 1).max(1) as f32);
        let without = rows.get(1).map(Vec::as_slice);
        let distribution = Distribution::new(first, without, &self.request.sampling, guidance)?;
        Ok((vec![self.propose(cell, &distribution, 0)], classes.len() as u32))
    }

    /// MaskGIT: a token for every masked cell, of which the most certain stay. How many, the schedule says of
    /// what was masked at the beginning; at least one.
    fn unmask(&mut self) -> Result<(Vec<Proposal>, u32)> {
        let given = self.request.given.cells();
        let first_masked = given.filter(|(_, token)| token.is_none()).count();
        let masked: Vec<usize> =
            (0..self.tokens.len()).filter(|cell| self.tokens[*cell] == MASKED).collect();
        let steps = self.steps();
        let ratio = f64::from(self.done + 1) / f64::from(steps);
        let left = if self.done + 1 >= steps {
            0
        } else {
            let left = self.request.unmasking.schedule.masked(ratio) * first_masked as f64;
            (left.floor() as usize).min(masked.len() - 1)
        };
        let classes = self.classes();
        let rows: Vec<&[u32]> = classes.iter().map(|_| self.tokens.as_slice()).collect();
        let cells = self.tokens.len();
        let places: Vec<u32> = (0..classes.len())
            .flat_map(|row| masked.iter().map(move |cell| (row * cells + cell) as u32))
            .collect();
        let logits = self.network().logits_at(&rows, &classes, &places)?.to_vec2::<f32>()?;
        let (with_class, without) = logits.split_at(masked.len());
        let done = if steps > 1 { self.done as f32 / (steps - 1) as f32 } else { 1.0 };
        let guidance = self.guidance(done.min(1.0));
        let mut proposals = Vec::with_capacity(masked.len());
        let mut ranked = Vec::with_capacity(masked.len());
        for (at, &cell) in masked.iter().enumerate() {
            let without = without.get(at).map(Vec::as_slice);
            let distribution =
                Distribution::new(&with_class[at], without, &self.request.sampling, guidance)?;
            let mut proposal = self.propose(cell, &distribution, self.done);
            proposal.kept = false;
            // Annealed: as arXiv 2202.04200's published code.
            let heat =
                f64::from(self.request.unmasking.choice_temperature) * (1.0 - ratio).max(0.0);
            let noise = gumbel(&self.noise(self.done, cell), CONFIDENCE);
            let sure = libm::log(f64::from(proposal.probability)) + heat * noise;
            ranked.push((sure, at));
            proposals.push(proposal);
        }
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        ranked.iter().take(masked.len() - left).for_each(|&(_, at)| proposals[at].kept = true);
        Ok((proposals, classes.len() as u32))
    }

    /// VAR: all tokens of the next scale that are not given, each drawn by itself. Scales before it that the
    /// network has not read are read first.
    fn next_scale(
        &mut self,
        between: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<(Vec<Proposal>, u32)> {
        let sides: Vec<usize> = self.config().layout.iter().map(|part| part.rows).collect();
        let sizes: Vec<usize> = sides.iter().map(|side| side * side).collect();
        let next = self.tokens.iter().position(|token| *token == MASKED).unwrap_or(0);
        let (mut scale, mut first) = (0, 0);
        while first + sizes[scale] <= next {
            first += sizes[scale];
            scale += 1;
        }
        let classes = self.classes();
        if self.caches.is_empty() {
            self.caches = self.network().caches(classes.len())?;
        }
        let rows = match self.read_scales(&sides, scale, &classes, between) {
            Ok(rows) => rows,
            Err(error) => {
                // Where nobody wants it any more, what was read is sound.
                if !matches!(error, EngineError::Cancelled) {
                    self.caches.clear();
                }
                return Err(error);
            }
        };
        let (with_class, without) = rows.split_at(sizes[scale].min(rows.len()));
        let guidance = self.guidance(scale as f32 / (sides.len() - 1).max(1) as f32);
        let mut proposals = Vec::new();
        for (at, logits) in with_class.iter().enumerate() {
            let place = first + at;
            if self.tokens[place] != MASKED {
                continue;
            }
            let without = without.get(at).map(Vec::as_slice);
            let sampling = &self.request.sampling;
            let distribution = Distribution::new(logits, without, sampling, guidance)?;
            proposals.push(self.propose(place, &distribution, 0));
        }
        Ok((proposals, classes.len() as u32))
    }

    /// Reads scales up to one, and gives the logits of its places: those with the class, then those without.
    fn read_scales(
        &mut self,
        sides: &[usize],
        scale: usize,
        classes: &[Option<u32>],
        between: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<Vec<f32>>> {
        let scales = self.painter.scales()?;
        let mut first = 0;
        let codes = sides[..scale].iter().map(|&side| {
            let own = &self.tokens[first..first + side * side];
            first += side * side;
            Tensor::from_slice(own, (1, side, side), scales.device())
        });
        let codes = codes.collect::<candle_core::Result<Vec<_>>>()?;
        let sums = if scale > 0 { scales.scales(&codes)? } else { Vec::new() };
        let mut before = 0;
        for (at, &side) in sides.iter().enumerate().take(scale + 1) {
            let seen = self.caches.first().map_or(0, KvCache::len);
            before += side * side;
            if seen >= before {
                continue;
            }
            if at < scale {
                between(at, scale)?;
            }
            let input = at.checked_sub(1).map(|last| -> Result<Tensor> {
                let input = scales.next_input(&sums[last].sum, last)?;
                Ok(Tensor::cat(&vec![&input; classes.len()], 0)?)
            });
            let input = input.transpose()?;
            let network = self.painter.network();
            let logits = network.next_scale(input.as_ref(), classes, &mut self.caches)?;
            if at == scale {
                return Ok(logits.flatten(0, 1)?.to_vec2::<f32>()?);
            }
        }
        Err(EngineError::bad_input("generation", "a scale was read before", ""))
    }
}
