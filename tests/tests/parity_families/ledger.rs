//! What was compared of a fixture: a test fails if it leaves a tensor out without saying why.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Shape, Tensor};
use serde_json::Value;
use smalti_engine::checkpoints;
use smalti_engine::quantizers::Pass;
use smalti_engine::tokenizers::family::family;
use smalti_engine::tokenizers::{Beside, FAMILIES, Shapes};
use smalti_tests::{Tensors, assert_close, count, device, fixture, load_config, load_io, number};

use crate::check::{Near, same_codes};

/// A fixture, and the names of its tensors that were compared or used as inputs.
pub(crate) struct Ledger {
    pub(crate) config: Value,
    pub(crate) io: Tensors,
    near: Near,
    gradients: f64,
    done: RefCell<BTreeSet<String>>,
}

impl Ledger {
    /// Of a fixture; nothing compared yet.
    pub(crate) fn open(name: &str) -> Self {
        let config = load_config(name);
        Self {
            near: Near::of(&config),
            gradients: number(&config, "tolerance/gradients_rel"),
            io: load_io(name),
            done: RefCell::default(),
            config,
        }
    }

    fn mark(&self, name: &str) {
        self.done.borrow_mut().insert(name.to_owned());
    }

    /// An input: nothing to compare.
    pub(crate) fn input(&self, name: &str) -> Tensor {
        self.mark(name);
        self.io.tensor(name)
    }

    /// Within the tolerance of activations. Axes of one, and how others are grouped, may differ.
    pub(crate) fn check(&self, name: &str, got: &Tensor) {
        self.mark(name);
        let shape = Shape::from(self.io.raw(name).shape.as_slice());
        assert_eq!(got.elem_count(), shape.elem_count(), "{name}: {:?}, {shape:?}", got.dims());
        self.near.check(&self.io, name, &got.reshape(shape).unwrap());
    }

    /// A single number within the tolerance of activations.
    pub(crate) fn number(&self, name: &str, got: f64) {
        self.check(name, &Tensor::new(got as f32, &device()).unwrap());
    }

    /// Equal codes.
    pub(crate) fn codes(&self, name: &str, got: &Tensor) {
        self.mark(name);
        same_codes(&self.io, name, got);
    }

    /// |got - want| <= rel * the largest |want|: a gradient's small elements are sums that cancel.
    pub(crate) fn gradient(&self, name: &str, got: &Tensor) {
        self.mark(name);
        let largest = self.io.f64s(name).iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        let want = self.io.tensor(name);
        let got = got.reshape(want.shape()).unwrap();
        assert_close(name, &got, &want, self.gradients * largest, self.gradients);
    }

    /// Every layer that the fixture names and `wanted` picks was seen, and agrees.
    pub(crate) fn layers(&self, seen: &BTreeMap<String, Tensor>, wanted: impl Fn(&str) -> bool) {
        let names: Vec<String> =
            self.io.iter().map(|(name, _)| name.to_owned()).filter(|name| wanted(name)).collect();
        assert!(!names.is_empty(), "the fixture names no layer that was wanted");
        for name in names {
            let got = seen.get(&name).unwrap_or_else(|| panic!("{name} cannot be looked at"));
            self.check(&name, got);
        }
    }

    /// Fails if a tensor was left out whose name does not begin as one of `left_out` (with the reason).
    pub(crate) fn close(self, left_out: &[(&str, &str)]) {
        let done = self.done.into_inner();
        let missed: Vec<&str> = self
            .io
            .iter()
            .map(|(name, _)| name)
            .filter(|name| !done.contains(*name))
            .filter(|name| !left_out.iter().any(|(prefix, _)| name.starts_with(prefix)))
            .collect();
        assert!(missed.is_empty(), "not compared: {missed:?}");
        for (prefix, reason) in left_out {
            let used = self.io.iter().any(|(name, _)| name.starts_with(prefix));
            assert!(used && !reason.is_empty(), "nothing begins with {prefix}");
        }
    }
}

/// The tensors of a fixture from the container its authors publish and from a safetensors file with the
/// same ones: the fixture's own, or one written here.
pub(crate) fn both_containers(name: &str) -> [(&'static str, BTreeMap<String, Tensor>); 2] {
    let folder = fixture(name);
    let config = load_config(name);
    let container = config["container"].as_str().expect("container");
    let published = checkpoints::read(&folder.join(container)).unwrap();
    let twin = folder.join("weights.safetensors");
    let plain = if twin.is_file() {
        checkpoints::read(&twin).unwrap()
    } else {
        let views: Vec<(&String, View)> = published
            .tensors
            .iter()
            .map(|(name, entry)| {
                (name, View { shape: entry.shape().to_vec(), values: entry.values().unwrap() })
            })
            .collect();
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("weights.safetensors");
        safetensors::serialize_to_file(views, None, &path).unwrap();
        let read = checkpoints::read(&path).unwrap();
        let tensors = read.to_tensors(&device()).unwrap();
        return [("published", published.to_tensors(&device()).unwrap()), ("safetensors", tensors)];
    };
    let tensors = |checkpoint: &checkpoints::Checkpoint| checkpoint.to_tensors(&device()).unwrap();
    [("published", tensors(&published)), ("safetensors", tensors(&plain))]
}

/// A tensor to be written as f32.
struct View {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl safetensors::View for View {
    fn dtype(&self) -> safetensors::Dtype {
        safetensors::Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        self.values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>().into()
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}

/// The names and shapes of a fixture's published container.
fn published_shapes(name: &str) -> BTreeMap<String, Vec<usize>> {
    let config = load_config(name);
    let container = config["container"].as_str().expect("container");
    let checkpoint = checkpoints::read(&fixture(name).join(container)).unwrap();
    checkpoint.tensors.iter().map(|(name, e)| (name.clone(), e.shape().to_vec())).collect()
}

/// The settings that a family of an id finds from a fixture's published container, which it and no other
/// family claims, and from what lies beside it.
pub(crate) fn configured(name: &str, id: &str, beside: Option<Value>) -> Value {
    let shapes = published_shapes(name);
    let shapes: Shapes<'_> =
        shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    let claims: Vec<&str> =
        FAMILIES.iter().filter(|family| family.claims(&shapes)).map(|family| family.id()).collect();
    assert_eq!(claims, [id], "the families that claim {name}");
    let beside = beside.map(|value| Beside { path: "model.yaml".into(), value });
    family(id).unwrap().configure(name.into(), &shapes, beside.as_ref()).unwrap()
}

/// The tokenizer of a fixture's published container, opened without being told anything: of the family,
/// with nothing that does not fit, and with the fixture's tokens for its input.
pub(crate) fn opens(name: &str, title: &str) {
    let (config, io) = (load_config(name), load_io(name));
    let container = config["container"].as_str().expect("container");
    let path = fixture(name).join(container);
    let opened = checkpoints::open_tokenizer(&path, &device()).unwrap();
    assert_eq!((&*opened.recognized.family, &opened.recognized.problems), (title, &Vec::new()));
    let tokenizer = &opened.tokenizer;
    assert_eq!(tokenizer.facts().factor, count(&config, "downsample_factor"));
    let latents = tokenizer.encode(&io.tensor("input")).unwrap();
    let codes = tokenizer.quantize(&latents, Pass::Inference).unwrap().codes;
    let layout = tokenizer.layout(count(&config, "height"), count(&config, "width")).unwrap();
    assert_eq!((codes.len(), layout.len()), (1, 1));
    assert_eq!(codes[0].dims()[1..], [layout[0].rows, layout[0].columns]);
    same_codes(&io, "indices", &codes[0]);
}

/// sum(output · w) with w from -1 to 1 along the output's elements: what the fixtures' gradients are of.
pub(crate) fn probed(output: &Tensor) -> Tensor {
    let n = output.elem_count();
    let last = (n.max(2) - 1) as f64;
    let weights: Vec<f32> = (0..n).map(|i| (2.0 * i as f64 / last - 1.0) as f32).collect();
    let weights = Tensor::from_vec(weights, output.shape(), output.device()).unwrap();
    (output * weights).unwrap().sum_all().unwrap()
}

/// A loss as a number.
pub(crate) fn scalar(loss: &Tensor) -> f64 {
    f64::from(loss.to_scalar::<f32>().unwrap())
}
