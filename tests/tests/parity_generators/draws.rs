//! Draws as the published samplers make them, with their recorded noise.

use candle_core::Tensor;

/// Rows of the last dimension.
pub(crate) fn rows(tensor: &Tensor) -> Vec<Vec<f32>> {
    let last = *tensor.dims().last().unwrap();
    tensor.reshape(((), last)).unwrap().to_vec2().unwrap()
}

/// Everything strictly below the k-th largest is cut; 0 cuts nothing.
pub(crate) fn top_k(logits: &mut [f32], k: usize) {
    if k == 0 || k >= logits.len() {
        return;
    }
    let mut sorted = logits.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    for x in logits.iter_mut().filter(|x| **x < sorted[k - 1]) {
        *x = f32::NEG_INFINITY;
    }
}

/// VAR's rule: from the least likely on, what comes to at most 1 - p is cut; the likeliest stays. 0 cuts
/// nothing.
pub(crate) fn top_p_ascending(logits: &mut [f32], p: f64) {
    if p <= 0.0 {
        return;
    }
    let probabilities = softmax(logits);
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[a].total_cmp(&logits[b]).then(a.cmp(&b)));
    let mut sum = 0.0;
    for (at, &code) in order.iter().enumerate() {
        sum += probabilities[code];
        if sum <= 1.0 - p && at + 1 < order.len() {
            logits[code] = f32::NEG_INFINITY;
        }
    }
}

pub(crate) fn softmax(logits: &[f32]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exp: Vec<f64> = logits.iter().map(|x| f64::from(x - top).exp()).collect();
    let sum: f64 = exp.iter().sum();
    exp.iter().map(|x| x / sum).collect()
}

/// argmax of ln p + G; of ln p alone where there is no noise.
pub(crate) fn draw(logits: &[f32], gumbel: Option<&[f32]>) -> u32 {
    let p = softmax(logits);
    let score = |code: usize| p[code].ln() + gumbel.map_or(0.0, |noise| f64::from(noise[code]));
    let best = (0..p.len()).reduce(|a, b| if score(b) > score(a) { b } else { a });
    best.unwrap() as u32
}

/// The rule of LlamaGen, Open-MAGVIT2 and taming's sampler with a cache: from the likeliest on, what stands behind
/// more than p is cut; the likeliest stays. 1 cuts nothing.
pub(crate) fn top_p_descending(logits: &mut [f32], p: f64) {
    if p >= 1.0 {
        return;
    }
    let probabilities = softmax(logits);
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    let mut before = 0.0;
    for code in order {
        if before > p {
            logits[code] = f32::NEG_INFINITY;
        }
        before += probabilities[code];
    }
}

/// How a recorded run draws.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawing {
    pub(crate) temperature: f64,
    pub(crate) top_k: usize,
    pub(crate) top_p: f64,
}

impl Drawing {
    /// The token of logits that guidance has led: temperature, top-k, top-p, then the draw.
    pub(crate) fn draw(self, logits: &[f32], gumbel: Option<&[f32]>) -> u32 {
        let mut logits: Vec<f32> =
            logits.iter().map(|x| x / self.temperature.max(1e-5) as f32).collect();
        top_k(&mut logits, self.top_k);
        top_p_descending(&mut logits, self.top_p);
        draw(&logits, gumbel)
    }
}
