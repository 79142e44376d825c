//! Keeps account of a fixture: which of its tensors were compared, so that none is forgotten.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use candle_core::Tensor;
use smalti_engine::layers::Probe;
use smalti_tests::{Tensors, load_io};

use crate::check::{self, Near};

/// A fixture's tensors, and which of them were used.
pub(crate) struct Ledger {
    pub(crate) io: Tensors,
    near: Near,
    /// How names begin whose tolerance is wider, and by how much.
    wider: (Vec<&'static str>, f64),
    used: RefCell<BTreeSet<String>>,
}

impl Ledger {
    /// Of a fixture, with this tolerance.
    pub(crate) fn new(fixture: &str, near: Near) -> Self {
        Self { io: load_io(fixture), near, wider: (Vec::new(), 0.0), used: RefCell::default() }
    }

    /// With a tolerance that is wider by `by` for names that begin so.
    pub(crate) fn wider(self, names: &[&'static str], by: f64) -> Self {
        Self { wider: (names.to_vec(), by), ..self }
    }

    fn note(&self, name: &str) {
        self.used.borrow_mut().insert(name.to_owned());
    }

    /// What the published code was given.
    pub(crate) fn given(&self, name: &str) -> Tensor {
        self.note(name);
        self.io.tensor(name)
    }

    /// `got` is the tensor of that name, within the fixture's tolerance.
    pub(crate) fn same(&self, name: &str, got: &Tensor) {
        self.note(name);
        let is_wider = self.wider.0.iter().any(|begin| name.starts_with(begin));
        let by = if is_wider { self.wider.1 } else { 0.0 };
        let near = Near { abs: self.near.abs + by, rel: self.near.rel + by };
        near.check(&self.io, name, got);
    }

    /// The same for an image, whose tolerance may be another.
    pub(crate) fn same_within(&self, name: &str, got: &Tensor, abs: f64) {
        self.note(name);
        Near { abs, rel: 0.0 }.check(&self.io, name, got);
    }

    /// The same for a gradient: `rel` of its largest number, since small ones are sums that cancel.
    pub(crate) fn same_gradient(&self, name: &str, got: &Tensor, rel: f64) {
        self.note(name);
        let largest = self.io.f64s(name).iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        Near { abs: rel * largest, rel }.check(&self.io, name, got);
    }

    /// The codes are exactly those of that name; shapes may differ by axes of one.
    pub(crate) fn codes(&self, name: &str, codes: &Tensor) {
        self.note(name);
        check::same_codes(&self.io, name, codes);
    }

    /// Whole numbers are exactly those of that name.
    pub(crate) fn wholes(&self, name: &str, got: &[usize]) {
        self.note(name);
        let got: Vec<u32> = got.iter().map(|&n| n as u32).collect();
        assert_eq!(got, self.io.u32s(name), "{name}");
    }

    /// Runs something, and compares every layer that it shows and the fixture has.
    pub(crate) fn watching<T>(&self, run: impl FnOnce(&mut Probe<'_>) -> T) -> T {
        let mut seen = BTreeMap::new();
        let mut look = |name: &str, tensor: &Tensor| {
            seen.insert(name.to_owned(), tensor.clone());
        };
        let result = run(&mut Probe::new(&mut look));
        for (name, tensor) in seen.iter().filter(|(name, _)| self.io.contains(name)) {
            self.same(name, tensor);
        }
        result
    }

    /// The names that begin so, and what stands behind.
    pub(crate) fn below(&self, prefix: &str) -> Vec<(String, String)> {
        let rest = |name: &str| Some((name.to_owned(), name.strip_prefix(prefix)?.to_owned()));
        let found: Vec<_> = self.io.iter().filter_map(|(name, _)| rest(name)).collect();
        assert!(!found.is_empty(), "the fixture has nothing called {prefix}*");
        found
    }

    /// Every tensor was compared, but for those whose name has one of these parts: each with the reason.
    pub(crate) fn all_but(&self, elsewhere: &[(&str, &str)]) {
        let used = self.used.borrow();
        let left: Vec<&str> = (self.io.iter().map(|(name, _)| name))
            .filter(|name| !used.contains(*name))
            .filter(|name| !elsewhere.iter().any(|(part, _)| name.contains(part)))
            .collect();
        assert!(left.is_empty(), "nothing was compared with {left:?}");
    }
}
