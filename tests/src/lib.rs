//! Shared helpers of the tests: where the fixtures are, and how a tensor is compared with one.
//!
//! A fixture is a folder with `config.json` (every parameter of the network), weights, and
//! `io.safetensors` (inputs, outputs, intermediate values). `SMALTI_FIXTURES` names another folder of
//! the same layout; without it the copy beside this crate is taken. What is missing fails loudly.

pub mod counting;
pub mod pictures;
pub mod tiny;
pub mod window;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use safetensors::Dtype;
use smalti_engine::device::of_tests;

/// The device that the tests are to run on.
///
/// # Panics
/// If it cannot be had: a test that asks for a card never runs without one.
pub fn device() -> Device {
    of_tests().unwrap_or_else(|e| panic!("{e}"))
}

/// The folder that holds all fixtures.
pub fn fixtures_root() -> PathBuf {
    #[allow(clippy::disallowed_methods, reason = "tests have no main that could pass it down")]
    let chosen = std::env::var_os("SMALTI_FIXTURES");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Cargo runs tests in their crate's folder; a relative path is meant from the project's.
    chosen.map_or_else(|| here.join("fixtures"), |chosen| here.join("..").join(chosen))
}

/// The folder of one fixture.
///
/// # Panics
/// If it is not there, with the place where it was looked for.
pub fn fixture(name: &str) -> PathBuf {
    let root = fixtures_root();
    let folder = root.join(name);
    assert!(
        folder.join("config.json").is_file(),
        "the fixture {name:?} is missing: no {name}/config.json in {} (set SMALTI_FIXTURES to a \
         folder that has it)",
        root.display()
    );
    folder
}

/// A file as people have them; made for Smalti, of the kinds that public bug reports show. They stay
/// where they are when `SMALTI_FIXTURES` names another set of fixtures.
pub fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases").join(name)
}

/// A fixture's `config.json`.
pub fn load_config(name: &str) -> serde_json::Value {
    let path = fixture(name).join("config.json");
    serde_json::from_slice(&bytes(&path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A fixture's `io.safetensors`.
pub fn load_io(name: &str) -> Tensors {
    load_tensors(&fixture(name).join("io.safetensors"))
}

/// The tensors of a safetensors file, read by the `safetensors` crate (not by Smalti's own reader).
pub fn load_tensors(path: &Path) -> Tensors {
    let file = bytes(path);
    let parsed = safetensors::SafeTensors::deserialize(&file)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let tensors = parsed
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let raw = Raw {
                dtype: view.dtype(),
                shape: view.shape().to_vec(),
                bytes: view.data().to_vec(),
            };
            (name, raw)
        })
        .collect();
    Tensors { path: path.to_owned(), tensors }
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("needed by a test: {}: {e}", path.display()))
}

/// A tensor as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// The element type.
    pub dtype: Dtype,
    /// The shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// Elements, little-endian, row by row.
    pub bytes: Vec<u8>,
}

/// Tensors by name; asking for one that is not there fails with the file's name.
#[derive(Debug, Clone)]
pub struct Tensors {
    path: PathBuf,
    tensors: BTreeMap<String, Raw>,
}

impl Tensors {
    /// All names and tensors, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Raw)> {
        self.tensors.iter().map(|(name, raw)| (name.as_str(), raw))
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The tensor as it stands in the file.
    pub fn raw(&self, name: &str) -> &Raw {
        self.tensors
            .get(name)
            .unwrap_or_else(|| panic!("{} has no tensor {name:?}", self.path.display()))
    }

    /// All values as f64, whatever the element type.
    pub fn f64s(&self, name: &str) -> Vec<f64> {
        let raw = self.raw(name);
        numbers(raw).unwrap_or_else(|| panic!("{name}: {:?} is not read here", raw.dtype))
    }

    /// All values as whole numbers, for indices.
    pub fn u32s(&self, name: &str) -> Vec<u32> {
        self.f64s(name)
            .into_iter()
            .map(|x| {
                assert!(x.fract() == 0.0 && (0.0..4_294_967_296.0).contains(&x), "{name}: {x}");
                x as u32
            })
            .collect()
    }

    /// As a candle tensor on the device of the tests: u32 for integers and bool, f32 for everything else.
    pub fn tensor(&self, name: &str) -> Tensor {
        let shape = self.raw(name).shape.clone();
        let made = match self.raw(name).dtype {
            Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16 => {
                let values: Vec<f32> = self.f64s(name).into_iter().map(|x| x as f32).collect();
                Tensor::from_vec(values, shape, &device())
            }
            _ => Tensor::from_vec(self.u32s(name), shape, &device()),
        };
        made.unwrap_or_else(|e| panic!("{name}: {e}"))
    }
}

fn numbers(raw: &Raw) -> Option<Vec<f64>> {
    fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect()
    }
    let bytes = &raw.bytes;
    Some(match raw.dtype {
        Dtype::F64 => each(bytes, f64::from_le_bytes),
        Dtype::F32 => each(bytes, |b| f32::from_le_bytes(b).into()),
        Dtype::BF16 => each(bytes, |b: [u8; 2]| f32::from_le_bytes([0, 0, b[0], b[1]]).into()),
        Dtype::F16 => each(bytes, |b: [u8; 2]| f16_value(u16::from_le_bytes(b))),
        Dtype::I64 => each(bytes, |b| i64::from_le_bytes(b) as f64),
        Dtype::U64 => each(bytes, |b| u64::from_le_bytes(b) as f64),
        Dtype::I32 => each(bytes, |b| i32::from_le_bytes(b).into()),
        Dtype::U32 => each(bytes, |b| u32::from_le_bytes(b).into()),
        Dtype::I16 => each(bytes, |b| i16::from_le_bytes(b).into()),
        Dtype::U16 => each(bytes, |b| u16::from_le_bytes(b).into()),
        Dtype::I8 => each(bytes, |b| i8::from_le_bytes(b).into()),
        Dtype::U8 | Dtype::BOOL => each(bytes, |b| u8::from_le_bytes(b).into()),
        _ => return None,
    })
}

/// Half precision by its definition: sign, five bits of exponent, ten of fraction.
fn f16_value(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2.0_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2.0_f64.powi(exponent - 15),
    }
}

/// A number in a fixture's `config.json`, by a path such as `"tolerance/default_abs"`.
pub fn number(config: &serde_json::Value, path: &str) -> f64 {
    config
        .pointer(&format!("/{path}"))
        .and_then(serde_json::Value::as_f64)
        .unwrap_or_else(|| panic!("config.json has no number {path:?}"))
}

/// The same for a whole number.
pub fn count(config: &serde_json::Value, path: &str) -> usize {
    let x = number(config, path);
    assert!(x >= 0.0 && x.fract() == 0.0, "{path} is {x}");
    x as usize
}

/// The same for a list of whole numbers.
pub fn counts(config: &serde_json::Value, path: &str) -> Vec<usize> {
    let list = config.pointer(&format!("/{path}")).and_then(serde_json::Value::as_array);
    let list = list.unwrap_or_else(|| panic!("config.json has no list {path:?}"));
    (0..list.len()).map(|i| count(config, &format!("{path}/{i}"))).collect()
}

/// Asserts |got - want| <= abs + rel * |want| at every element; the worst place is named.
pub fn assert_close(what: &str, got: &Tensor, want: &Tensor, abs: f64, rel: f64) {
    assert_eq!(got.dims(), want.dims(), "{what}: shape");
    let values = |t: &Tensor| {
        t.to_dtype(DType::F64)
            .and_then(|t| t.flatten_all()?.to_vec1::<f64>())
            .unwrap_or_else(|e| panic!("{what}: {e}"))
    };
    let (got, want) = (values(got), values(want));
    let mut worst = (f64::NEG_INFINITY, 0);
    for (i, (g, w)) in got.iter().zip(&want).enumerate() {
        let excess = (g - w).abs() - (abs + rel * w.abs());
        assert!(!excess.is_nan(), "{what}: element {i} is {g}, should be {w}");
        if excess > worst.0 {
            worst = (excess, i);
        }
    }
    let i = worst.1;
    assert!(
        got.is_empty() || worst.0 <= 0.0,
        "{what}: element {i} is {}, should be {} (tolerance {abs} + {rel} x)",
        got[i],
        want[i]
    );
}
