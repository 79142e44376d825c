//! A generation as it goes on: step after step, from any step on.

use candle_core::Tensor;
use rayon::prelude::*;

use super::condition::Condition;
use super::config::{GeneratorConfig, Way};
use super::groups::rounds;
use super::network::Network;
use super::painter::Painter;
use super::request::{Proposal, Request, Step};
use super::sampling::{Distribution, gumbel};
use super::unmasking::{UnmaskingOrder, halton_ranks};
use super::ways::{Reading, join};
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
    /// Of raster: the cell of each place of the sequence.
    sequence: Vec<u32>,
    /// Of raster: what has been read.
    reading: Option<Reading>,
    /// Of VAR: what has been read.
    caches: Vec<KvCache>,
}

/// The logits (K) of a place, with the class and, for guidance, without it.
struct Row<'a> {
    place: usize,
    leads: &'a [f32],
    without: Option<&'a [f32]>,
}

/// The token that stands somewhere, where one does, and its probability.
type Standing = Option<(u32, f32)>;

fn row<'a>(place: usize, leads: &'a [f32], without: Option<&'a Vec<f32>>) -> Row<'a> {
    Row { place, leads, without: without.map(Vec::as_slice) }
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
        let sequence = painter.config().sequence();
        Ok(Self { painter, request, tokens, done, sequence, reading: None, caches: Vec::new() })
    }

    /// Its request.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Steps of the whole generation, as far as it can be told before.
    pub fn steps(&self) -> u32 {
        let free = self.request.given.cells().filter(|(_, token)| token.is_none()).count() as u32;
        match self.config().way {
            Way::Raster if self.request.groups > 1 => {
                let is_free = |place: &usize| self.is_given_free(*place);
                let rounds = self.rounds().into_iter();
                rounds.filter(|places| places.iter().any(is_free)).count() as u32
            }
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
            Way::Raster if self.request.groups > 1 => self.next_group(between)?,
            Way::Raster => self.next_token(between)?,
            Way::MaskGit => self.unmask()?,
            Way::Var => self.next_scale(between)?,
        };
        let (mut committed, mut changed) = (Vec::new(), Vec::new());
        for proposal in proposals.iter().filter(|proposal| proposal.kept) {
            let at = self.place(proposal.cell);
            match self.tokens[at] {
                MASKED => committed.push(proposal.cell),
                standing if standing != proposal.token => changed.push(proposal.cell),
                _ => {}
            }
            self.tokens[at] = proposal.token;
        }
        let index = self.done;
        self.done += 1;
        let tokens = self.tokens()?;
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

    /// What leads it and, where there is guidance, nothing beside it.
    fn conditions(&self) -> Vec<Condition> {
        let leads = self.request.condition();
        if leads == Condition::Nothing || self.request.sampling.guidance == 1.0 {
            return vec![leads];
        }
        let without = leads.without();
        vec![leads, without]
    }

    /// The guidance of a step of which a share of the tokens comes after.
    fn guidance(&self, done: f32) -> f32 {
        let full = self.request.sampling.guidance;
        if self.request.sampling.ramp { 1.0 + (full - 1.0) * done } else { full }
    }

    /// The noise of a place in a step: that of its cell in the whole picture, where this is a window on one.
    fn noise(&self, step: u32, place: usize) -> Noise {
        let origin = self.request.origin;
        let cell = origin.map_or(place as u64, |origin| origin.place(self.cell(place)));
        Noise::new(self.request.seed, Purpose::Choice, step, cell)
    }

    fn propose(&self, cell: usize, distribution: &Distribution, step: u32) -> Proposal {
        let token = distribution.draw(&self.noise(step, cell));
        Proposal {
            cell: self.cell(cell),
            token,
            probability: distribution.probabilities()[token as usize],
            alternatives: distribution.alternatives(),
            cut: distribution.cut().to_vec(),
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
        let is_free = |cell: &u32| self.tokens[*cell as usize] == MASKED;
        let place = self.sequence.iter().position(is_free).unwrap_or(self.tokens.len());
        let conditions = self.conditions();
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => self.network().raster()?.begin(conditions.len())?,
        };
        let proposal = self.read_token(place, &conditions, &mut reading, between);
        // Where it fails, what was read is unknown: it is read again. Where nobody wants it any more, it is sound.
        if matches!(&proposal, Ok(_) | Err(EngineError::Cancelled)) {
            self.reading = Some(reading);
        }
        Ok((vec![proposal?], conditions.len() as u32))
    }

    /// The places of the sequence that each step of groups writes.
    fn rounds(&self) -> Vec<Vec<usize>> {
        rounds(self.sequence.len(), self.request.groups as usize)
    }

    /// Whether nothing is given at a place of the sequence.
    fn is_given_free(&self, place: usize) -> bool {
        let cell = self.sequence.get(place).map(|cell| self.cell(*cell as usize));
        cell.is_some_and(|cell| self.request.given.get(cell).is_none())
    }

    /// The token at a place of the sequence, if one stands there.
    fn at_place(&self, place: usize) -> Option<u32> {
        let token = self.tokens[*self.sequence.get(place)? as usize];
        (token != MASKED).then_some(token)
    }

    /// Raster in groups: a token of each group that is not given, in one pass. Noise is addressed as that of one after
    /// the other.
    fn next_group(
        &mut self,
        between: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<(Vec<Proposal>, u32)> {
        let rounds = self.rounds();
        let is_open = |places: &Vec<usize>| places.iter().any(|at| self.at_place(*at).is_none());
        let next = rounds.iter().position(is_open).unwrap_or(0);
        let conditions = self.conditions();
        let mut reading = match self.reading.take() {
            Some(reading) => reading,
            None => self.network().raster()?.begin(conditions.len())?,
        };
        let logits = self.read_rounds(&rounds[..=next], &conditions, &mut reading, between);
        // As of one after the other.
        if matches!(&logits, Ok(_) | Err(EngineError::Cancelled)) {
            self.reading = Some(reading);
        }
        let logits = logits?;
        let guidance = self.guidance(next as f32 / (rounds.len() - 1).max(1) as f32);
        let open: Vec<(usize, usize)> = rounds[next].iter().copied().enumerate().collect();
        let open = open.into_par_iter().filter(|(_, place)| self.at_place(*place).is_none());
        let proposals = open.map(|(at, place)| {
            let row = |condition: usize| logits.get(condition)?.get(at).map(Vec::as_slice);
            let leads = row(0).unwrap_or_default();
            let own = Distribution::new(leads, row(1), &self.request.sampling, guidance)?;
            Ok(self.propose(self.sequence[place] as usize, &own, 0))
        });
        let mut proposals: Vec<Proposal> = proposals.collect::<Result<_>>()?;
        proposals.sort_by_key(|proposal| proposal.cell);
        Ok((proposals, conditions.len() as u32))
    }

    /// Reads rounds of groups to the last of some; gives its logits under each condition, place by place.
    fn read_rounds(
        &self,
        rounds: &[Vec<usize>],
        conditions: &[Condition],
        reading: &mut Reading,
        between: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Vec<Vec<Vec<f32>>>> {
        let network = self.network().raster()?;
        let mut logits = None;
        while let Some(round) = rounds.get(reading.read()) {
            if reading.read() + 1 < rounds.len() {
                between(reading.read(), rounds.len() - 1)?;
            }
            let last = |place: usize| place.checked_sub(1).and_then(|last| self.at_place(last));
            let places: Vec<_> = round.iter().map(|place| (*place, last(*place))).collect();
            logits = Some(network.group_logits(&places, conditions, reading)?);
        }
        let logits = logits.ok_or_else(|| {
            EngineError::bad_input("generator", "it has read more than was written", "")
        })?;
        Ok(logits.to_vec3::<f32>()?)
    }

    /// Reads up to a place of the sequence and draws its token, sub-token after sub-token. What is told of a token
    /// of several is the product of their probabilities, the sum of their entropies, and alternatives that share
    /// all but the last: nothing is known of the others without asking the network once more for each.
    fn read_token(
        &self,
        place: usize,
        conditions: &[Condition],
        reading: &mut Reading,
        between: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Proposal> {
        let cell_at = |place: usize| {
            self.sequence.get(place).map_or(self.tokens.len(), |cell| *cell as usize)
        };
        let cell = cell_at(place);
        let network = self.network().raster()?;
        let mut rows = None;
        // The first time reads the conditions, the n-th one token n - 2.
        while reading.read() <= place {
            let read = reading.read();
            if read < place {
                between(read, place)?;
            }
            let last = (read > 0).then(|| vec![self.tokens[cell_at(read - 1)]; conditions.len()]);
            rows = Some(network.next_logits(last.as_deref(), conditions, reading)?);
        }
        let mut rows = rows.ok_or_else(|| {
            EngineError::bad_input("generator", "it has read more than was written", "")
        })?;
        let guidance = self.guidance(place as f32 / (self.tokens.len() - 1).max(1) as f32);
        let sizes = network.sub_tokens();
        let (mut drawn, mut first_lane) = (Vec::<u32>::new(), 0);
        let mut told = Proposal {
            cell: self.cell(cell),
            token: 0,
            probability: 1.0,
            alternatives: Vec::new(),
            cut: Vec::new(),
            entropy: 0.0,
            kept: true,
        };
        for (number, size) in sizes.iter().enumerate() {
            if number > 0 {
                let before: Vec<Vec<u32>> =
                    drawn.iter().map(|sub| vec![*sub; conditions.len()]).collect();
                let before: Vec<&[u32]> = before.iter().map(Vec::as_slice).collect();
                rows = network.sub_logits(&before, reading)?;
            }
            let logits = rows.to_vec2::<f32>()?;
            let Some(leads) = logits.first() else {
                return Err(EngineError::bad_input("generator", "it gave no logits", ""));
            };
            let without = logits.get(1).map(Vec::as_slice);
            let own = Distribution::new(leads, without, &self.request.sampling, guidance)?;
            let sub = own.draw_from(&self.noise(0, cell), first_lane);
            first_lane += size;
            let token = |sub: u32| {
                let all: Vec<u32> = drawn.iter().copied().chain([sub]).collect();
                join(&all, &sizes)
            };
            let before = told.probability;
            told.alternatives =
                own.alternatives().into_iter().map(|(sub, p)| (token(sub), before * p)).collect();
            told.cut = own.cut().iter().map(|(sub, p)| (token(*sub), before * p)).collect();
            told.token = token(sub);
            told.probability *= own.probabilities()[sub as usize];
            told.entropy += own.entropy();
            drawn.push(sub);
        }
        Ok(told)
    }

    /// MaskGIT: a token for every masked cell, of which the first in its order stay. How many, the schedule says of
    /// what was masked at the beginning; at least one. Written ones that are questioned are masked for the
    /// network, too.
    fn unmask(&mut self) -> Result<(Vec<Proposal>, u32)> {
        let unmasking = &self.request.unmasking;
        let given = self.request.given.parts().iter().flat_map(|part| part.codes().iter());
        let free: Vec<usize> =
            given.enumerate().filter(|(_, token)| **token == MASKED).map(|(at, _)| at).collect();
        let (masked, written): (Vec<usize>, Vec<usize>) =
            free.iter().partition(|place| self.tokens[**place] == MASKED);
        let mut shown = self.tokens.clone();
        for place in unmasking.questioned(&written, |place| self.noise(self.done, place)) {
            shown[place] = MASKED;
        }
        let open: Vec<usize> = (0..shown.len()).filter(|place| shown[*place] == MASKED).collect();
        let conditions = self.conditions();
        let logits = self.open_logits(&shown, &open, &conditions)?;
        let (leads, without) = logits.split_at(open.len());
        let steps = self.steps();
        let done = if steps > 1 { self.done as f32 / (steps - 1) as f32 } else { 1.0 };
        let guidance = self.guidance(done.min(1.0));
        // Annealed: as arXiv 2202.04200's published code.
        let ratio = f64::from(self.done + 1) / f64::from(steps);
        let heat = f64::from(unmasking.choice_temperature) * (1.0 - ratio).max(0.0);
        let ranks = match unmasking.order {
            UnmaskingOrder::Confidence => None,
            UnmaskingOrder::Halton => self.config().layout.first().map(halton_ranks),
        };
        let rows = open.iter().zip(leads).enumerate();
        let rows = rows.map(|(at, (place, leads))| row(*place, leads, without.get(at)));
        let told = self.told(&rows.collect::<Vec<_>>(), guidance, self.done)?;
        let mut proposals = Vec::with_capacity(open.len());
        let mut ranked = Vec::with_capacity(masked.len());
        for (at, (&place, (mut proposal, standing))) in open.iter().zip(told).enumerate() {
            let Some((token, probability)) = standing else {
                proposal.kept = false;
                let sure = if let Some(ranks) = &ranks {
                    -(ranks[place] as f64)
                } else {
                    let noise = gumbel(&self.noise(self.done, place), CONFIDENCE);
                    libm::log(f64::from(proposal.probability)) + heat * noise
                };
                ranked.push((sure, at));
                proposals.push(proposal);
                continue;
            };
            proposal.kept = proposal.token == token || proposal.probability > probability;
            proposals.push(proposal);
        }
        let left = unmasking.schedule.left(free.len(), (self.done + 1, steps), masked.len());
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        ranked.iter().take(masked.len() - left).for_each(|&(_, at)| proposals[at].kept = true);
        Ok((proposals, conditions.len() as u32))
    }

    /// What is proposed at each of some places, by their logits; and the token that stands there, where one does, with
    /// its probability. Each place is drawn by itself and its noise has an address, so that they are shared among the
    /// threads: with a thousand codes and 256 places that is as much as a layer.
    fn told(
        &self,
        rows: &[Row<'_>],
        guidance: f32,
        step: u32,
    ) -> Result<Vec<(Proposal, Standing)>> {
        let told = rows.par_iter().map(|Row { place, leads, without }| {
            let own = Distribution::new(leads, *without, &self.request.sampling, guidance)?;
            let standing = Some(self.tokens[*place]).filter(|token| *token != MASKED);
            let standing = standing.map(|token| (token, own.probabilities()[token as usize]));
            Ok((self.propose(*place, &own, step), standing))
        });
        told.collect()
    }

    /// The logits of some places of a picture, under one condition after the other.
    fn open_logits(
        &self,
        shown: &[u32],
        open: &[usize],
        conditions: &[Condition],
    ) -> Result<Vec<Vec<f32>>> {
        let rows: Vec<&[u32]> = conditions.iter().map(|_| shown).collect();
        let places: Vec<u32> = (0..conditions.len())
            .flat_map(|row| open.iter().map(move |place| (row * shown.len() + place) as u32))
            .collect();
        Ok(self.network().masked()?.logits_at(&rows, conditions, &places)?.to_vec2::<f32>()?)
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
        let conditions = self.conditions();
        if self.caches.is_empty() {
            self.caches = self.network().scales()?.caches(conditions.len())?;
        }
        let rows = match self.read_scales(&sides, scale, &conditions, between) {
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
        let rows = with_class.iter().enumerate();
        let rows = rows.map(|(at, leads)| row(first + at, leads, without.get(at)));
        // What stays is not worked out: it may be nearly all of a scale.
        let open: Vec<Row<'_>> = rows.filter(|row| self.tokens[row.place] == MASKED).collect();
        let told = self.told(&open, guidance, 0)?;
        Ok((told.into_iter().map(|(proposal, _)| proposal).collect(), conditions.len() as u32))
    }

    /// Reads scales up to one, and gives the logits of its places: those with the class, then those without.
    fn read_scales(
        &mut self,
        sides: &[usize],
        scale: usize,
        conditions: &[Condition],
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
                Ok(Tensor::cat(&vec![&input; conditions.len()], 0)?)
            });
            let input = input.transpose()?;
            let network = self.painter.network().scales()?;
            let logits = network.next_scale(input.as_ref(), conditions, &mut self.caches)?;
            if at == scale {
                return Ok(logits.flatten(0, 1)?.to_vec2::<f32>()?);
            }
        }
        Err(EngineError::bad_input("generation", "a scale was read before", ""))
    }
}
