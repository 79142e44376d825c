//! What all families are compared with: a fixture's tolerance, codes, and the layers it names.

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde_json::Value;
use smalti_tests::{Tensors, assert_close, number};

/// The tolerance of activations.
pub(crate) struct Near {
    pub(crate) abs: f64,
    pub(crate) rel: f64,
}

impl Near {
    /// What the fixture's configuration says.
    pub(crate) fn of(config: &Value) -> Self {
        let rel = config.pointer("/tolerance/default_rel").and_then(Value::as_f64).unwrap_or(0.0);
        Self { abs: number(config, "tolerance/default_abs"), rel }
    }

    /// `got` is the fixture's tensor of that name.
    pub(crate) fn check(&self, io: &Tensors, name: &str, got: &Tensor) {
        assert_close(name, got, &io.tensor(name), self.abs, self.rel);
    }
}

/// The codes are exactly the fixture's, in the same order; shapes may differ by axes of one.
pub(crate) fn same_codes(io: &Tensors, name: &str, codes: &Tensor) {
    let got = codes.flatten_all().unwrap().to_vec1::<u32>().unwrap();
    assert_eq!(got, io.u32s(name), "{name}");
}

/// What a probe saw, by name.
#[derive(Default)]
pub(crate) struct Seen(BTreeMap<String, Tensor>);

impl Seen {
    /// Keeps a tensor; for `Probe::new`.
    pub(crate) fn keep(&mut self, name: &str, tensor: &Tensor) {
        self.0.insert(name.to_owned(), tensor.clone());
    }

    /// Every tensor of the fixture whose name `wanted` picks was seen, and agrees.
    pub(crate) fn agrees(&self, io: &Tensors, near: &Near, wanted: impl Fn(&str) -> bool) {
        let mut compared = 0;
        for (name, _) in io.iter().filter(|(name, _)| wanted(name)) {
            let got = self.0.get(name).unwrap_or_else(|| panic!("{name} cannot be looked at"));
            near.check(io, name, got);
            compared += 1;
        }
        assert!(compared > 0, "the fixture names no layer that was wanted");
    }
}
