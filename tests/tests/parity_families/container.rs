//! Weights of a fixture from what was published and from plain safetensors.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Tensor};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;
use smalti_engine::checkpoints;
use smalti_tests::{device, fixture};

/// Tensors by name.
pub(crate) type Named = BTreeMap<String, Tensor>;

/// The tensors of a checkpoint of any kind.
pub(crate) fn read(path: &Path) -> Named {
    let checkpoint = checkpoints::read(path).unwrap_or_else(|e| panic!("{e}"));
    checkpoint.to_tensors(&device()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The same weights as plain safetensors: those of the fixture where it has them, else written from
/// what was published.
pub(crate) fn plain(name: &str, published: &Named) -> Named {
    let stored = fixture(name).join("weights.safetensors");
    if stored.is_file() {
        return read(&stored);
    }
    let bytes: Vec<(&String, Vec<usize>, Vec<u8>)> = published
        .iter()
        .map(|(name, tensor)| {
            let flat = tensor.flatten_all().unwrap().to_dtype(DType::F32).unwrap();
            let values = flat.to_vec1::<f32>().unwrap();
            (name, tensor.dims().to_vec(), values.iter().flat_map(|x| x.to_le_bytes()).collect())
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    safetensors::serialize_to_file(views, None, &path).unwrap();
    read(&path)
}

/// Shapes by name, as families look at them.
pub(crate) fn shapes(tensors: &Named) -> BTreeMap<&str, &[usize]> {
    tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.dims())).collect()
}

/// A flag in a fixture's `config.json`.
pub(crate) fn flag(config: &Value, path: &str) -> bool {
    let found = config.pointer(&format!("/{path}")).and_then(Value::as_bool);
    found.unwrap_or_else(|| panic!("config.json has no flag {path:?}"))
}

/// A word in a fixture's `config.json`.
pub(crate) fn word<'a>(config: &'a Value, path: &str) -> &'a str {
    let found = config.pointer(&format!("/{path}")).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("config.json has no word {path:?}"))
}
