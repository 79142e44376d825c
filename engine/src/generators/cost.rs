//! What it costs to write the tokens of a picture, by the way of writing and the side of the grid: how long the
//! sequence is, how often the network reads, and how much attention computes. By formulas, and timed.
//!
//! Of one picture, without guidance, which doubles all of it. Networks of one shape are compared, that of the
//! generators that come with Smalti; keys and values of what was read are kept, so that nothing is read twice.

use std::time::{Duration, Instant};

use candle_core::{DType, Device, Tensor};

use super::condition::conditions;
use super::config::{GeneratorConfig, NetworkSize, Takes, Way};
use super::network::Network;
use super::order::Order;
use super::unmasking::Unmasking;
use crate::layers::Weights;
use crate::tokens::{MASKED, PartShape};
use crate::{EngineError, Result};

/// Pixels of a picture along the side of a token.
pub const FACTOR: usize = 8;
/// The sides of grids that are compared.
pub const SIDES: std::ops::RangeInclusive<usize> = 4..=32;
/// The shape of all networks.
pub const SHAPE: NetworkSize = NetworkSize { layers: 6, dim: 256, heads: 8 };
/// Longer sequences are not timed.
pub const MOST_TIMED: u64 = 4096;
/// No timing goes on for longer; what is not over by then is said to have been stopped.
const LONGEST: Duration = Duration::from_secs(20);

/// Who writes a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Writer {
    /// Gray pixels, one after the other (van den Oord et al., arXiv 1601.06759, who write three values a pixel).
    Pixels,
    /// Tokens, one after the other (Esser et al., arXiv 2012.09841).
    Raster,
    /// All masked tokens in a fixed number of steps (Chang et al., arXiv 2202.04200).
    MaskGit,
    /// All tokens of a scale at once (Tian et al., arXiv 2404.02905).
    Var,
}

impl Writer {
    /// All, in the order in which they were published.
    pub const ALL: [Self; 4] = [Self::Pixels, Self::Raster, Self::MaskGit, Self::Var];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pixels => "pixel AR",
            _ => self.way().name(),
        }
    }

    fn way(self) -> Way {
        match self {
            Self::Pixels | Self::Raster => Way::Raster,
            Self::MaskGit => Way::MaskGit,
            Self::Var => Way::Var,
        }
    }

    /// The parts of what it writes, where a picture is `side` x `side` tokens.
    fn layout(self, side: usize) -> Vec<PartShape> {
        match self {
            Self::Pixels => vec![PartShape::grid(side * FACTOR, side * FACTOR)],
            Self::Raster | Self::MaskGit => vec![PartShape::grid(side, side)],
            Self::Var => scales(side).into_iter().map(|side| PartShape::grid(side, side)).collect(),
        }
    }
}

/// The sides of the scales of VAR: each twice the one before, the last one the grid's.
pub fn scales(side: usize) -> Vec<usize> {
    let doubled = std::iter::successors(Some(1), |side| Some(side * 2));
    doubled.take_while(|scale| *scale < side).chain([side]).collect()
}

/// What it costs to write a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Cost {
    /// Tokens, or pixels, of the picture: the length of the sequence.
    pub tokens: u64,
    /// How often the network reads.
    pub passes: u64,
    /// Pairs of a place that asks and one that it sees, over all passes, in each layer.
    pub pairs: u64,
}

impl Cost {
    /// Of a picture of `side` x `side` tokens, or of as many pixels as these stand for.
    ///
    /// One after the other, place n sees n places: N passes, N (N + 1) / 2 pairs. MaskGIT sees everything and the class
    /// in each of its steps: T passes, T (N + 1)^2 pairs. VAR sees a scale and all before it: a pass each, and the sum of
    /// n_k (n_1 + ... + n_k) pairs. That attention grows with the square of what it sees is from Vaswani et al.
    /// (arXiv 1706.03762, table 1); those of VAR are compared in its paper (arXiv 2404.02905, section 4.2), where raster
    /// keeps nothing of what it has read.
    pub fn of(writer: Writer, side: usize) -> Self {
        let parts = writer.layout(side);
        let parts = parts.iter().map(|part| (part.rows * part.columns) as u64);
        let tokens: u64 = parts.clone().sum();
        let (passes, pairs) = match writer {
            Writer::Pixels | Writer::Raster => (tokens, tokens * (tokens + 1) / 2),
            Writer::MaskGit => {
                let steps = u64::from(Unmasking::default().steps).min(tokens);
                (steps, steps * (tokens + 1).pow(2))
            }
            Writer::Var => {
                let pairs = parts.clone().scan(0, |seen, part| {
                    *seen += part;
                    Some(part * *seen)
                });
                (parts.count() as u64, pairs.sum())
            }
        };
        Self { tokens, passes, pairs }
    }

    /// Multiplications and additions of attention: for each pair a product and a weighted sum of `dim` numbers, in each
    /// layer (Kaplan et al., arXiv 2001.08361, table 1, who count the first of both).
    pub fn operations(&self, shape: &NetworkSize) -> u64 {
        4 * self.pairs * shape.dim as u64 * shape.layers as u64
    }

    /// Whether it is timed: longer sequences would take minutes and hundreds of megabytes.
    pub fn is_timed(&self) -> bool {
        self.tokens <= MOST_TIMED
    }
}

/// How long a picture took.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Timing {
    /// Seconds of all passes that were made.
    pub seconds: f64,
    /// Passes that were made: all, unless it was stopped.
    pub passes: u64,
    /// Whether these are all.
    pub is_whole: bool,
}

/// What is timed: a network that was never trained, which computes as much as a trained one.
fn untrained(writer: Writer, side: usize) -> GeneratorConfig {
    GeneratorConfig {
        way: writer.way(),
        network: SHAPE,
        codes: if writer == Writer::Pixels { 256 } else { 1024 },
        layout: writer.layout(side),
        code_dim: if writer == Writer::Var { 32 } else { 0 },
        classes: Vec::new(),
        takes: Takes::Class,
        needs_condition: false,
        order: Order::Rows,
    }
}

/// Times the passes of an untrained network that writes a picture: the network alone, without drawing and decoding.
/// One pass goes before, which is not counted. `progress` is told how far it is, 0 to 1, and may end it.
///
/// # Errors
/// [`EngineError::BadInput`] where it is too long to be timed; what `progress` says.
pub fn time_writing(
    writer: Writer,
    side: usize,
    device: &Device,
    progress: &dyn Fn(f32) -> Result<()>,
) -> Result<Timing> {
    let cost = Cost::of(writer, side);
    if !SIDES.contains(&side) || !cost.is_timed() {
        let reason = format!("{} of {side} x {side} has {} places", writer.name(), cost.tokens);
        let hint = format!("sequences of at most {MOST_TIMED} are timed, of sides of 4 to 32");
        return Err(EngineError::bad_input("cost", reason, hint));
    }
    let network = Network::new(&untrained(writer, side), &Weights::fresh(1, device))?;
    let mut passes = Passes::new(&network, device)?;
    passes.next()?;
    passes = Passes::new(&network, device)?;
    let began = Instant::now();
    for made in 1..=cost.passes {
        progress((made - 1) as f32 / cost.passes as f32)?;
        passes.next()?;
        device.synchronize()?;
        if made == cost.passes || began.elapsed() >= LONGEST {
            let seconds = began.elapsed().as_secs_f64();
            return Ok(Timing { seconds, passes: made, is_whole: made == cost.passes });
        }
    }
    Err(EngineError::bad_input("cost", "there is nothing to write", ""))
}

/// A network that reads again and again what it would write.
struct Passes<'a> {
    network: &'a Network,
    device: &'a Device,
    reading: Option<super::ways::Reading>,
    caches: Vec<crate::layers::KvCache>,
    made: usize,
}

impl<'a> Passes<'a> {
    fn new(network: &'a Network, device: &'a Device) -> Result<Self> {
        let (mut reading, mut caches) = (None, Vec::new());
        match network.config().way {
            Way::Raster => reading = Some(network.raster()?.begin(1)?),
            Way::Var => caches = network.scales()?.caches(1)?,
            Way::MaskGit => {}
        }
        Ok(Self { network, device, reading, caches, made: 0 })
    }

    fn next(&mut self) -> Result<()> {
        let (config, nobody) = (self.network.config(), conditions(&[None]));
        let at = self.made;
        self.made += 1;
        match (config.way, &mut self.reading) {
            (Way::Raster, Some(reading)) => {
                // Which token is read makes no difference to the time.
                let last = at.checked_sub(1).map(|at| [at as u32 % config.codes]);
                let last = last.as_ref().map(<[u32; 1]>::as_slice);
                self.network.raster()?.next_logits(last, &nobody, reading)?;
            }
            (Way::Var, _) => {
                let side = config.layout.get(at).map_or(0, |part| part.rows);
                let input =
                    || Tensor::zeros((1, config.code_dim, side, side), DType::F32, self.device);
                let input = if at == 0 { None } else { Some(input()?) };
                self.network.scales()?.next_scale(input.as_ref(), &nobody, &mut self.caches)?;
            }
            _ => {
                let codes = vec![MASKED; config.cells()];
                self.network.masked()?.logits(&[&codes], &nobody)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair that is seen, one by one: each place has the number of the pass that writes it, and sees all places
    /// of that pass and of those before.
    fn counted(written_in: &[usize]) -> u64 {
        let seen = |at: &usize| written_in.iter().filter(|other| *other <= at).count() as u64;
        written_in.iter().map(seen).sum()
    }

    #[test]
    fn formulas_are_what_counting_one_by_one_gives() {
        for side in [4, 5, 8] {
            let cells = side * side;
            let raster: Vec<usize> = (0..cells).collect();
            let cost = Cost::of(Writer::Raster, side);
            assert_eq!((cost.passes, cost.pairs), (cells as u64, counted(&raster)), "{side}");
            let pixels: Vec<usize> = (0..cells * 64).collect();
            let cost = Cost::of(Writer::Pixels, side);
            assert_eq!((cost.tokens, cost.passes), (cells as u64 * 64, cells as u64 * 64));
            assert_eq!(cost.pairs, counted(&pixels), "{side}");
            let cost = Cost::of(Writer::MaskGit, side);
            // Each of twelve steps is a pass of its own over all places, and the class.
            let once = counted(&vec![0; cells + 1]);
            assert_eq!((cost.passes, cost.pairs), (12, 12 * once), "{side}");
            let sides = scales(side);
            let scaled = sides.iter().enumerate().flat_map(|(at, side)| vec![at; side * side]);
            let scaled: Vec<usize> = scaled.collect();
            let cost = Cost::of(Writer::Var, side);
            assert_eq!(cost.tokens, scaled.len() as u64);
            assert_eq!((cost.passes, cost.pairs), (sides.len() as u64, counted(&scaled)));
        }
    }

    #[test]
    fn a_grid_of_32_takes_raster_1024_passes_and_var_six() {
        assert_eq!(Cost::of(Writer::Raster, 32).passes, 1024);
        assert_eq!(Cost::of(Writer::Pixels, 32).passes, 256 * 256);
        assert_eq!(Cost::of(Writer::MaskGit, 32).passes, 12);
        assert_eq!(scales(32), [1, 2, 4, 8, 16, 32]);
        assert_eq!(scales(6), [1, 2, 4, 6]);
        assert_eq!(Cost::of(Writer::Var, 32).passes, 6);
        let raster = Cost::of(Writer::Raster, 32);
        let all = 4 * 256 * 6 * (1024 * 1025 / 2);
        assert_eq!(raster.operations(&SHAPE), all);
    }

    #[test]
    fn every_pass_is_made_and_what_is_too_long_is_refused() {
        let told = std::cell::Cell::new(0_u64);
        let progress = |_: f32| -> Result<()> {
            told.set(told.get() + 1);
            Ok(())
        };
        for writer in [Writer::Raster, Writer::MaskGit, Writer::Var] {
            told.set(0);
            let timing = time_writing(writer, 4, &Device::Cpu, &progress).unwrap();
            // However slow the machine is: what was made is what was told.
            assert_eq!(timing.passes, told.get(), "{writer:?}");
            assert_eq!(timing.is_whole, timing.passes == Cost::of(writer, 4).passes);
            assert!(timing.seconds > 0.0);
        }
        let refused = time_writing(Writer::Pixels, 32, &Device::Cpu, &progress).unwrap_err();
        assert!(refused.to_string().contains("65536"), "{refused}");
        let cancelled = |_: f32| -> Result<()> { Err(EngineError::Cancelled) };
        assert!(time_writing(Writer::Raster, 4, &Device::Cpu, &cancelled).is_err());
    }
}
