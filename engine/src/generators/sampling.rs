//! From logits to a token: guidance, temperature, top-k, top-p, and a draw whose noise has an address.

use super::request::Sampling;
use crate::random::Noise;
use crate::{EngineError, Result};

/// Alternatives that a proposal tells.
const ALTERNATIVES: usize = 8;

/// What could be drawn at a place: a probability a code, those that were cut 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    probabilities: Vec<f32>,
    /// How open the choice is, in bits.
    entropy: f32,
    /// The likeliest codes that were cut, at most 8, the likeliest first, each with its probability before that.
    cut: Vec<(u32, f32)>,
}

impl Distribution {
    /// From the logits (K) with the class and, for guidance, without it. `guidance` is that of the step.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if a logit is no number, or none is finite.
    pub fn new(
        with_class: &[f32],
        without: Option<&[f32]>,
        sampling: &Sampling,
        guidance: f32,
    ) -> Result<Self> {
        let mut logits: Vec<f32> = match without {
            Some(without) => {
                let led = with_class.iter().zip(without);
                led.map(|(c, u)| u + guidance * (c - u)).collect()
            }
            None => with_class.to_vec(),
        };
        for x in &mut logits {
            *x /= sampling.temperature;
        }
        let is_odd = |x: &f32| x.is_nan() || *x == f32::INFINITY;
        if logits.iter().any(is_odd) || !logits.iter().any(|x| x.is_finite()) {
            let hint = "the weights may be damaged, or the temperature too low";
            return Err(EngineError::bad_input("logits", "they are no numbers", hint));
        }
        let cuts = (1..logits.len()).contains(&(sampling.top_k as usize)) || sampling.top_p < 1.0;
        let whole = if cuts { softmax(&logits).0 } else { Vec::new() };
        keep_top_k(&mut logits, sampling.top_k as usize);
        let (mut probabilities, top) = softmax(&logits);
        let kept = keep_top_p(&mut probabilities, sampling.top_p);
        let entropy = entropy(&probabilities, &logits, top + libm::log(kept));
        let is_cut = |(code, _): &(u32, f32)| probabilities[*code as usize] == 0.0;
        let cut = likeliest((0..).zip(whole).filter(is_cut).collect());
        Ok(Self { probabilities, entropy, cut })
    }

    /// The probability of each code.
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// The likeliest codes that top-k or top-p cut, at most 8, the likeliest first, with their probabilities before
    /// they were cut.
    pub fn cut(&self) -> &[(u32, f32)] {
        &self.cut
    }

    /// A code: the one with the least E / p, E exponential noise of a lane a code, which is the one with the largest
    /// ln p + G, G standard Gumbel noise (Gumbel 1954; the same distribution as an ordinary draw). Noise belongs to the
    /// place, so that a change of settings, or of other places, moves as few tokens as it can.
    pub fn draw(&self, noise: &Noise) -> u32 {
        self.draw_from(noise, 0)
    }

    /// The same with noise of lanes from `first` on, so that several draws at a place differ.
    ///
    /// Of a thousand codes it takes the logarithm of a few: E = -ln u is at least 1 - u, so that a code of which that
    /// is too much already cannot be the one.
    pub fn draw_from(&self, noise: &Noise, first: u32) -> u32 {
        let (mut least, mut best) = (f64::INFINITY, 0);
        let (mut block, mut bits) = (u32::MAX, [0; 4]);
        for (code, p) in (0_u32..).zip(&self.probabilities).filter(|(_, p)| **p > 0.0) {
            let lane = first.wrapping_add(code);
            if lane / 4 != block {
                block = lane / 4;
                bits = noise.block(block);
            }
            let u = open_unit(bits[(lane % 4) as usize]);
            let p = f64::from(*p);
            if 1.0 - u < least * p {
                let score = -libm::log(u) / p;
                if score < least {
                    (least, best) = (score, code);
                }
            }
        }
        best
    }

    /// How open the choice is, in bits.
    pub fn entropy(&self) -> f32 {
        self.entropy
    }

    /// The likeliest codes with their probabilities, the likeliest first.
    pub fn alternatives(&self) -> Vec<(u32, f32)> {
        likeliest((0..).zip(self.probabilities.iter().copied()).collect())
    }
}

/// The likeliest codes, at most [`ALTERNATIVES`], the likeliest first, without those of no probability.
fn likeliest(mut codes: Vec<(u32, f32)>) -> Vec<(u32, f32)> {
    codes.retain(|(_, p)| *p > 0.0);
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if codes.len() > ALTERNATIVES {
        codes.select_nth_unstable_by(ALTERNATIVES, order);
        codes.truncate(ALTERNATIVES);
    }
    codes.sort_unstable_by(order);
    codes
}

/// Standard Gumbel noise, -ln(-ln u), of one lane.
pub(super) fn gumbel(noise: &Noise, lane: u32) -> f64 {
    -libm::log(-libm::log(open_unit(noise.bits(lane))))
}

/// Uniform between 0 and 1, neither of them, of 32 random bits.
fn open_unit(bits: u32) -> f64 {
    (f64::from(bits) + 0.5) / 4_294_967_296.0
}

/// In bits, of probabilities (K) that are e^(logit - `total`): without a logarithm a code.
fn entropy(probabilities: &[f32], logits: &[f32], total: f64) -> f32 {
    let kept = probabilities.iter().zip(logits).filter(|(p, _)| **p > 0.0);
    let nats: f64 = kept.map(|(p, x)| f64::from(*p) * (total - f64::from(*x))).sum();
    (nats / std::f64::consts::LN_2).max(0.0) as f32
}

/// Everything strictly below the k-th largest is cut, ties stay.
fn keep_top_k(logits: &mut [f32], k: usize) {
    if k == 0 || k >= logits.len() {
        return;
    }
    let mut sorted = logits.to_vec();
    let (_, least, _) = sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
    let least = *least;
    logits.iter_mut().filter(|x| **x < least).for_each(|x| *x = f32::NEG_INFINITY);
}

/// Probabilities, and the logarithm of the sum of e^logit.
fn softmax(logits: &[f32]) -> (Vec<f32>, f64) {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exp: Vec<f64> = logits.iter().map(|x| libm::exp(f64::from(x - top))).collect();
    let sum: f64 = exp.iter().sum();
    let probabilities = exp.iter().map(|x| (x / sum) as f32).collect();
    (probabilities, f64::from(top) + libm::log(sum))
}

/// From the likeliest on, as many as come to `p` together; the one that reaches it stays. The rest is cut, and
/// what stays comes to 1 again. Gives what stayed before that.
fn keep_top_p(probabilities: &mut [f32], p: f32) -> f64 {
    if p >= 1.0 {
        return 1.0;
    }
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_unstable_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]).then(a.cmp(&b)));
    let (mut sum, mut kept) = (0.0_f64, 0.0_f64);
    for code in order {
        if sum > f64::from(p) {
            probabilities[code] = 0.0;
        } else {
            kept += f64::from(probabilities[code]);
        }
        sum += f64::from(probabilities[code]);
    }
    for x in probabilities {
        *x = (f64::from(*x) / kept) as f32;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    const LOGITS: [f32; 5] = [0.5, 2.0, -1.0, 2.0, 0.0];

    fn of(probabilities: &[f32]) -> Distribution {
        let logits: Vec<f32> = probabilities.iter().map(|p| p.ln()).collect();
        Distribution::new(&logits, None, &Sampling::default(), 1.0).unwrap()
    }

    fn at(sampling: Sampling) -> Vec<f32> {
        Distribution::new(&LOGITS, None, &sampling, 1.0).unwrap().probabilities
    }

    #[test]
    fn a_code_is_drawn_as_often_as_its_probability_says() {
        let distribution = of(&[0.5, 0.0, 0.2, 0.3]);
        let mut counts = [0_u32; 4];
        let draws = 20_000;
        for cell in 0..draws {
            let code = distribution.draw(&Noise::new(1, Purpose::Choice, 0, cell));
            counts[code as usize] += 1;
        }
        assert_eq!(counts[1], 0);
        for (count, p) in counts.iter().zip(distribution.probabilities()) {
            let apart = f64::from(*count) / draws as f64 - f64::from(*p);
            // Four standard deviations.
            assert!(apart.abs() < 4.0 * (0.25 / draws as f64).sqrt(), "{counts:?}");
        }
    }

    #[test]
    fn a_draw_is_that_of_gumbel_noise() {
        for cell in 0..200_u64 {
            let noise = Noise::new(3, Purpose::Choice, 1, cell);
            let logit = |code: u32| Noise::new(4, Purpose::Test, 0, cell).normal(code) * 3.0;
            let logits: Vec<f32> = (0..1000).map(logit).collect();
            for (top_k, first) in [(0, 0), (50, 3)] {
                let sampling = Sampling { top_k, ..Sampling::default() };
                let told = Distribution::new(&logits, None, &sampling, 1.0).unwrap();
                let score = |(code, p): (u32, &f32)| {
                    (f64::from(*p).ln() + gumbel(&noise, first + code), code)
                };
                let all = (0..).zip(told.probabilities()).filter(|(_, p)| **p > 0.0).map(score);
                let wanted = all.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1;
                assert_eq!(told.draw_from(&noise, first), wanted, "cell {cell}");
            }
        }
    }

    #[test]
    fn entropy_is_that_of_what_stays() {
        for sampling in [
            Sampling { temperature: 0.7, ..Sampling::default() },
            Sampling { top_k: 3, ..Sampling::default() },
            Sampling { top_p: 0.8, ..Sampling::default() },
        ] {
            let told = Distribution::new(&LOGITS, None, &sampling, 1.0).unwrap();
            let kept = told.probabilities().iter().map(|p| f64::from(*p)).filter(|p| *p > 0.0);
            let bits: f64 = kept.map(|p| -p * p.log2()).sum();
            assert!((f64::from(told.entropy()) - bits).abs() < 1e-5, "{sampling:?}: {bits}");
        }
    }

    #[test]
    fn what_is_cut_is_told_with_the_probability_that_it_had() {
        let told = |sampling: Sampling| Distribution::new(&LOGITS, None, &sampling, 1.0).unwrap();
        assert!(told(Sampling::default()).cut().is_empty());
        // By hand: e^x over the sum of all five.
        let all: f64 = LOGITS.iter().map(|x| f64::from(*x).exp()).sum();
        let wanted = [(0, 0.5_f64), (4, 0.0), (2, -1.0)].map(|(code, x)| (code, x.exp() / all));
        for sampling in [
            Sampling { top_k: 1, ..Sampling::default() },
            Sampling { top_p: 0.5, ..Sampling::default() },
        ] {
            let cut = told(sampling).cut().to_vec();
            assert_eq!(cut.len(), wanted.len(), "ties stay: {cut:?}");
            for (own, wanted) in cut.iter().zip(wanted) {
                assert_eq!(own.0, wanted.0);
                assert!((f64::from(own.1) - wanted.1).abs() < 1e-6, "{cut:?}");
            }
        }
    }

    #[test]
    fn what_is_cut_gets_nothing_and_the_rest_comes_to_one() {
        let two = at(Sampling { top_k: 1, ..Sampling::default() });
        assert_eq!(two, [0.0, 0.5, 0.0, 0.5, 0.0], "a tie stays whole");
        let nucleus = at(Sampling { top_p: 0.5, ..Sampling::default() });
        assert_eq!(nucleus, [0.0, 0.5, 0.0, 0.5, 0.0]);
        let one = at(Sampling { top_p: 1e-6, ..Sampling::default() });
        assert_eq!(one, [0.0, 1.0, 0.0, 0.0, 0.0], "the likeliest is never cut");
        for top_k in 0..8 {
            for top_p in [0.1, 0.7, 0.95, 1.0] {
                let sum: f32 = at(Sampling { top_k, top_p, ..Sampling::default() }).iter().sum();
                assert!((sum - 1.0).abs() < 1e-5, "{top_k} {top_p}: {sum}");
            }
        }
        let cold = at(Sampling { temperature: 0.01, ..Sampling::default() });
        assert!((cold[1] - 0.5).abs() < 1e-6);
    }

    #[test]
    fn logits_that_are_no_numbers_are_no_picture() {
        for odd in [f32::NAN, f32::INFINITY] {
            let logits = [0.0, odd, 1.0];
            assert!(Distribution::new(&logits, None, &Sampling::default(), 1.0).is_err());
        }
        let none = [f32::NEG_INFINITY; 3];
        assert!(Distribution::new(&none, None, &Sampling::default(), 1.0).is_err());
        let cold = Sampling { temperature: 1e-39, ..Sampling::default() };
        assert!(Distribution::new(&LOGITS, None, &cold, 1.0).is_err());
    }

    #[test]
    fn guidance_of_one_is_none_and_more_leads_away_from_no_class() {
        let without = [1.0, 1.0, 1.0, 0.0, 0.0];
        let led = |guidance| {
            Distribution::new(&LOGITS, Some(&without), &Sampling::default(), guidance)
                .unwrap()
                .probabilities
        };
        let plain = at(Sampling::default());
        assert!(led(1.0).iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-6));
        // Logits 0, 3, -3, 4, 0.
        let (expected, _) = softmax(&[0.0, 3.0, -3.0, 4.0, 0.0]);
        assert!(led(2.0).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6));
    }

    #[test]
    fn what_is_told_of_a_choice_is_true() {
        let even = of(&[0.25; 4]);
        assert!((even.entropy() - 2.0).abs() < 1e-6);
        assert_eq!(of(&[0.0, 1.0]).entropy(), 0.0);
        let many: Vec<f32> = (0..20).map(|i| i as f32 / 190.0).collect();
        let many = of(&many);
        let told: Vec<u32> = many.alternatives().iter().map(|(code, _)| *code).collect();
        assert_eq!(told, [19, 18, 17, 16, 15, 14, 13, 12]);
        assert_eq!(even.alternatives().len(), 4);
    }
}
