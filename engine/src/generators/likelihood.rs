//! How many bits each token of an image is worth to a generator.
//!
//! Exact for raster, whose tokens have one order, and for the pyramid of VAR, whose scales have one: the sum over an
//! image is -log2 of the probability with which it would be drawn (temperature 1, no guidance, nothing cut).
//! MaskGIT knows what a token is given others, and has no one order: what it tells, each token given all others or
//! given those of other groups, is no likelihood of the image (a pseudo-likelihood; Besag, 1975).

use candle_core::Tensor;

use super::condition::{Condition, conditions};
use super::config::Way;
use super::network::Network;
use super::painter::Painter;
use crate::random::{Noise, Purpose};
use crate::tokens::{MASKED, Tokens};
use crate::{EngineError, Result};

/// Groups of tokens that are masked together, where it has to be fast.
const GROUPS: usize = 8;
/// Sequences that go through the network at once.
const ROWS: usize = 16;

/// What bits mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Told {
    /// Each token given those before it: their sum is a likelihood.
    Likelihood,
    /// Each token given all coarser scales, and not the others of its own: their sum is a likelihood.
    OfScales,
    /// Each token given all others, masked one at a time.
    OneAtATime,
    /// Each token given those of other groups.
    InGroups,
}

impl Told {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Likelihood => "exact, each token given those before it",
            Self::OfScales => "exact, each token given all coarser scales",
            Self::OneAtATime => "no likelihood, each token given all others",
            Self::InGroups => "no likelihood, an eighth of the tokens given the others at a time",
        }
    }

    /// Whether their sum is a likelihood of the tokens.
    pub fn is_likelihood(self) -> bool {
        matches!(self, Self::Likelihood | Self::OfScales)
    }
}

/// The bits of the tokens of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenBits {
    /// What they mean.
    pub told: Told,
    /// Of each cell, part by part, row by row.
    pub bits: Vec<f32>,
    /// Sequences that went through the network.
    pub forward_passes: u32,
}

impl TokenBits {
    /// Of all tokens.
    pub fn sum(&self) -> f64 {
        self.bits.iter().map(|bits| f64::from(*bits)).sum()
    }

    /// Of the tokens of each part.
    pub fn of_parts(&self, tokens: &Tokens) -> Vec<f64> {
        let mut first = 0;
        let parts = tokens.parts().iter().map(|part| {
            let own = first..first + part.codes().len();
            first = own.end;
            self.bits[own].iter().map(|bits| f64::from(*bits)).sum()
        });
        parts.collect()
    }
}

/// The bits of all tokens of an image of a class, or of any; of MaskGIT in `fast` passes or one token at a time.
/// `progress` is told how far it is, 0 to 1, and may end it.
///
/// # Errors
/// [`EngineError::BadInput`] if the tokens are not those of the generator, or one is missing; what `progress` says.
pub fn token_bits(
    painter: &Painter,
    tokens: &Tokens,
    class: Option<u32>,
    fast: bool,
    progress: &dyn Fn(f32) -> Result<()>,
) -> Result<TokenBits> {
    let config = painter.config();
    let hint = "use tokens that were made with its tokenizer, at its size";
    let bad = |reason: String| Err(EngineError::bad_input("tokens", reason, hint));
    if tokens.layout() != config.layout {
        return bad(format!(
            "they are {}, this generator writes {}",
            tokens.words(),
            config.words()
        ));
    }
    if let Some(part) = tokens.parts().iter().find(|part| part.codebook_size() != config.codes) {
        let (theirs, own) = (part.codebook_size(), config.codes);
        return bad(format!("they are of a codebook of {theirs} codes, this generator has {own}"));
    }
    if let Some(cell) = tokens.first_masked() {
        return bad(format!("no token stands at {cell}"));
    }
    if let Some(class) = class.filter(|class| *class as usize >= config.classes.len()) {
        config.class(&class.to_string())?;
    }
    progress(0.0)?;
    let codes: Vec<u32> =
        tokens.parts().iter().flat_map(|part| part.codes().iter().copied()).collect();
    match config.way {
        Way::Raster => {
            let network = painter.network();
            let conditions = conditions(&[class]);
            if network.raster()?.sub_tokens().len() == 1 {
                let logits = network.logits(&[&codes], &conditions)?.squeeze(0)?;
                return likelihood(Told::Likelihood, &logits, &codes);
            }
            let nats = network.nats(&[&codes], &conditions)?.squeeze(0)?.to_vec1::<f32>()?;
            let bits: Vec<f32> =
                nats.into_iter().map(|nats| nats / std::f32::consts::LN_2).collect();
            if bits.iter().any(|bits| !bits.is_finite()) {
                return Err(no_numbers());
            }
            Ok(TokenBits { told: Told::Likelihood, bits, forward_passes: 1 })
        }
        Way::Var => {
            let scales = painter.scales()?;
            let of_part = |part: &crate::tokens::Part| {
                let shape = (1, part.rows(), part.columns());
                Tensor::from_slice(part.codes(), shape, scales.device())
            };
            let parts = tokens.parts().iter().map(of_part);
            let inputs = scales.inputs(&parts.collect::<candle_core::Result<Vec<_>>>()?)?;
            let network = painter.network().scales()?;
            let logits = network.logits(&inputs, &conditions(&[class]))?.squeeze(0)?;
            likelihood(Told::OfScales, &logits, &codes)
        }
        Way::MaskGit => masked(painter.network(), &codes, &class.into(), fast, progress),
    }
}

/// From the logits (N, K) of all tokens.
fn likelihood(told: Told, logits: &Tensor, codes: &[u32]) -> Result<TokenBits> {
    let rows = logits.to_vec2::<f32>()?;
    let bits = rows.iter().zip(codes).map(|(logits, code)| bits(logits, *code));
    let bits = bits.collect::<Result<Vec<_>>>()?;
    Ok(TokenBits { told, bits, forward_passes: 1 })
}

/// -log2 of a code's probability, by logits in nats.
fn bits(logits: &[f32], code: u32) -> Result<f32> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|x| libm::exp(f64::from(*x) - f64::from(top))).sum();
    let own = logits.get(code as usize).copied().unwrap_or(f32::NEG_INFINITY);
    let bits = (libm::log(sum) + f64::from(top) - f64::from(own)) / std::f64::consts::LN_2;
    if !bits.is_finite() {
        return Err(no_numbers());
    }
    Ok(bits as f32)
}

fn no_numbers() -> EngineError {
    EngineError::bad_input("logits", "they are no numbers", "the weights may be damaged")
}

fn masked(
    network: &Network,
    codes: &[u32],
    condition: &Condition,
    fast: bool,
    progress: &dyn Fn(f32) -> Result<()>,
) -> Result<TokenBits> {
    let cells = codes.len();
    let groups: Vec<Vec<usize>> = if fast {
        // Groups of cells that are drawn alike, always the same ones.
        let mut order: Vec<usize> = (0..cells).collect();
        let rank = |cell: &usize| Noise::new(0, Purpose::Mask, 0, *cell as u64).bits(0);
        order.sort_by_key(|cell| (rank(cell), *cell));
        let groups = GROUPS.min(cells);
        (0..groups).map(|at| order.iter().copied().skip(at).step_by(groups).collect()).collect()
    } else {
        (0..cells).map(|cell| vec![cell]).collect()
    };
    let mut found = vec![0.0; cells];
    for (done, some) in groups.chunks(ROWS).enumerate() {
        progress((done * ROWS) as f32 / groups.len() as f32)?;
        let hidden = some.iter().map(|group| {
            let mut codes = codes.to_vec();
            for cell in group {
                codes[*cell] = MASKED;
            }
            codes
        });
        let hidden: Vec<Vec<u32>> = hidden.collect();
        let rows: Vec<&[u32]> = hidden.iter().map(Vec::as_slice).collect();
        let asked = some
            .iter()
            .enumerate()
            .flat_map(|(row, group)| group.iter().map(move |cell| (row * cells + cell, *cell)));
        let (places, asked): (Vec<u32>, Vec<usize>) =
            asked.map(|(place, cell)| (place as u32, cell)).unzip();
        let conditions = vec![condition.clone(); rows.len()];
        let logits = network.masked()?.logits_at(&rows, &conditions, &places)?;
        for (logits, cell) in logits.to_vec2::<f32>()?.iter().zip(asked) {
            found[cell] = bits(logits, codes[cell])?;
        }
    }
    let told = if fast { Told::InGroups } else { Told::OneAtATime };
    Ok(TokenBits { told, bits: found, forward_passes: groups.len() as u32 })
}
