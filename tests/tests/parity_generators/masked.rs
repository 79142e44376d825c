//! What the published samplers of masked generators share.

use candle_core::Tensor;
use serde_json::Value;
use smalti_engine::tokens::MASKED;
use smalti_tests::{Tensors, assert_close, count};

use crate::draws::{rows, softmax};

/// A network: tokens of some pictures and their classes, to logits.
pub(crate) type Ask<'a> = &'a dyn Fn(&[&[u32]], &[Option<u32>]) -> Tensor;

/// The tokens of each picture, the mask being the number after the last code.
pub(crate) type Codes = Vec<Vec<u32>>;

/// A tensor's whole numbers, picture by picture.
pub(crate) fn codes(io: &Tensors, name: &str, cells: usize) -> Codes {
    io.u32s(name).chunks(cells).map(<[u32]>::to_vec).collect()
}

pub(crate) fn labels(settings: &Value) -> Vec<u32> {
    let list = settings["labels"].as_array().unwrap();
    list.iter().map(|label| label.as_u64().unwrap() as u32).collect()
}

/// Classes, without those that were dropped.
pub(crate) fn kept(io: &Tensors, labels: &str, dropped: &str) -> Vec<Option<u32>> {
    let dropped = io.u32s(dropped);
    let kept = io.u32s(labels).into_iter().zip(dropped);
    kept.map(|(label, dropped)| (dropped == 0).then_some(label)).collect()
}

/// The network's logits, with the classes and, for guidance, once more without.
pub(crate) fn ask(network: Ask<'_>, codes: &Codes, mask: u32, classes: &[Option<u32>]) -> Tensor {
    let shown: Codes = codes
        .iter()
        .map(|codes| codes.iter().map(|&c| if c == mask { MASKED } else { c }).collect())
        .collect();
    let rows: Vec<&[u32]> = shown.iter().map(Vec::as_slice).collect();
    let rows: Vec<&[u32]> = rows.iter().copied().cycle().take(classes.len()).collect();
    network(&rows, classes)
}

/// (1 + w) c - w u of logits of which the second half is without the class; as they are where that is missing.
pub(crate) fn led(both: &Tensor, batch: usize, w: f64) -> Tensor {
    if both.dim(0).unwrap() == batch {
        return both.clone();
    }
    let part = |at: usize| both.narrow(0, at * batch, batch).unwrap();
    ((part(0) * (1.0 + w)).unwrap() - (part(1) * w).unwrap()).unwrap()
}

/// The classes, then as many times none where there is guidance.
pub(crate) fn doubled(labels: &[u32], guided: bool) -> Vec<Option<u32>> {
    let mut classes: Vec<Option<u32>> = labels.iter().copied().map(Some).collect();
    if guided {
        classes.extend(vec![None; labels.len()]);
    }
    classes
}

/// A recorded tensor, row by row; `None` if it was not recorded.
pub(crate) fn recorded(io: &Tensors, name: &str) -> Option<Vec<Vec<f32>>> {
    io.contains(name).then(|| rows(&io.tensor(name)))
}

/// Confidences of all pictures; infinite ones were recorded as 1e30.
pub(crate) fn assert_confidence(io: &Tensors, name: &str, found: &[Vec<f64>], near: f64) {
    let expected = rows(&io.tensor(name));
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
        let (found, expected) = (found.clamp(-1e30, 1e30), f64::from(*expected));
        let near = if expected.abs() > 1e29 { 1e24 } else { near };
        assert!((found - expected).abs() <= near, "{name}: {found}, not {expected}");
    }
}

/// The places of the `k` largest, the largest first.
pub(crate) fn largest(values: &[f64], k: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    order.truncate(k);
    order
}

/// What the samplers call the shape of a schedule, of numbers that torch has in f32.
pub(crate) fn linspace(first: f32, last: f32, count: usize) -> Vec<f32> {
    if count == 1 {
        return vec![first];
    }
    let step = (last - first) / (count - 1) as f32;
    let near = |at: usize| first + step * at as f32;
    let far = |at: usize| last - step * (count - 1 - at) as f32;
    (0..count).map(|at| if at < count / 2 { near(at) } else { far(at) }).collect()
}

/// The share of masked tokens in training at a draw r; valeoai's two versions differ in what they call linear and
/// square.
pub(crate) fn share(mode: &str, r: f32, is_first_version: bool) -> f32 {
    use std::f32::consts::FRAC_PI_2;
    match (mode, is_first_version) {
        ("root", _) => 1.0 - r.sqrt(),
        ("linear", true) => r,
        ("linear", false) => 1.0 - r,
        ("square", true) => r * r,
        ("square", false) => 1.0 - r * r,
        ("cosine", _) => (r * FRAC_PI_2).cos(),
        ("arccos", _) => r.acos() / FRAC_PI_2,
        _ => panic!("no schedule is called {mode}"),
    }
}

/// Masks of training as recorded draws give them, and the mean cross-entropy of a network on one of them, of whose
/// target `smoothing` is spread over all columns.
pub(crate) fn training(
    (config, io, network): (&Value, &Tensors, Ask<'_>),
    is_first_version: bool,
    smoothing: f64,
) {
    let (cells, mask) = (count(config, "grid").pow(2), count(config, "codebook_size") as u32);
    let truth = codes(io, "train.gt", cells);
    for mode in ["root", "linear", "square", "cosine", "arccos"] {
        let key = |what: &str| format!("train.{mode}.{what}");
        let Some(u) = recorded(io, &key("u")) else { continue };
        let r = io.f64s(&key("r"));
        let masked: Vec<u32> = u
            .concat()
            .iter()
            .enumerate()
            .map(|(at, u)| u32::from(*u < share(mode, r[at / cells] as f32, is_first_version)))
            .collect();
        assert_eq!(masked, io.u32s(&key("mask")), "{mode}");
        let shown = truth.concat().into_iter().zip(&masked);
        let shown: Vec<u32> =
            shown.map(|(c, masked)| if *masked == 1 { mask } else { c }).collect();
        assert_eq!(shown, io.u32s(&key("masked_code")), "{mode}");
    }
    let shown = codes(io, "train.arccos.masked_code", cells);
    let logits = ask(network, &shown, mask, &doubled(&labels(config), false));
    let of_place = |(logits, target): (Vec<f32>, u32)| {
        let ln: Vec<f64> = softmax(&logits).into_iter().map(f64::ln).collect();
        let mean = ln.iter().sum::<f64>() / ln.len() as f64;
        -(1.0 - smoothing) * ln[target as usize] - smoothing * mean
    };
    let places = rows(&logits).into_iter().zip(truth.concat());
    let losses: Vec<f64> = places.map(of_place).collect();
    let loss = losses.iter().sum::<f64>() / losses.len() as f64;
    let expected = io.f64s("train.loss_arccos")[0];
    assert!((loss - expected).abs() < 1e-4, "{loss}, not {expected}");
}

/// One pass as it was recorded.
pub(crate) fn forward((config, io, network): (&Value, &Tensors, Ask<'_>), near: f64) {
    let (cells, mask) = (count(config, "grid").pow(2), count(config, "codebook_size") as u32);
    let classes = kept(io, "fwd.labels", "fwd.drop_label");
    let found = ask(network, &codes(io, "fwd.code", cells), mask, &classes);
    assert_close("logits", &found, &io.tensor("fwd.logits"), near, 0.0);
}
