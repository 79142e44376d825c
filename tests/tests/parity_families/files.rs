//! A fixture's checkpoint in both of its containers.

use std::collections::BTreeMap;

use candle_core::Tensor;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use smalti_engine::checkpoints::{self, Checkpoint, ElementType};
use smalti_tests::{device, fixture};

/// The checkpoint as it was published.
pub(crate) fn published(name: &str, file: &str) -> Checkpoint {
    checkpoints::read(&fixture(name).join(file)).unwrap()
}

/// The same tensors out of the published container and out of safetensors, which have to agree to the
/// last bit. Where the fixture has no safetensors, they are written here.
pub(crate) fn both(name: &str, file: &str, twin: &str) -> [BTreeMap<String, Tensor>; 2] {
    let published = published(name, file);
    let path = fixture(name).join(twin);
    let written = tempfile::tempdir().unwrap();
    let path = if path.is_file() {
        path
    } else {
        let path = written.path().join("weights.safetensors");
        std::fs::write(&path, as_safetensors(&published)).unwrap();
        path
    };
    let plain = checkpoints::read(&path).unwrap();
    assert!(published.tensors.keys().eq(plain.tensors.keys()), "{name}: the same names");
    for (tensor, entry) in &plain.tensors {
        let other = &published.tensors[tensor];
        assert_eq!(entry.shape(), other.shape(), "{tensor}");
        assert!(entry.bytes().unwrap() == other.bytes().unwrap(), "{tensor} is another");
    }
    [published, plain].map(|checkpoint| checkpoint.to_tensors(&device()).unwrap())
}

fn as_safetensors(checkpoint: &Checkpoint) -> Vec<u8> {
    let read = |(name, entry): (&String, &checkpoints::Entry)| {
        assert_eq!(entry.dtype(), ElementType::F32, "{name}");
        (name.clone(), entry.shape().to_vec(), entry.bytes().unwrap())
    };
    let all: Vec<_> = checkpoint.tensors.iter().map(read).collect();
    let views = all.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// Names and shapes of a checkpoint.
pub(crate) fn shapes(checkpoint: &Checkpoint) -> BTreeMap<&str, &[usize]> {
    checkpoint.tensors.iter().map(|(name, entry)| (name.as_str(), entry.shape())).collect()
}
