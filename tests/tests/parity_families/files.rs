//! A fixture's checkpoint in both of its containers.

use std::collections::BTreeMap;

use candle_core::Tensor;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use smalti_engine::checkpoints::{self, Checkpoint, ElementType};
use smalti_engine::layers::Weights;
use smalti_engine::quantizers::Pass;
use smalti_engine::tokenizers::{Beside, FAMILIES, Shapes};
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

/// A fixture's file as a configuration that lies beside a checkpoint.
pub(crate) fn beside(name: &str, file: &str) -> Beside {
    let path = fixture(name).join(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let value = serde_json::from_slice(&bytes);
    let value = value.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    Beside { path, value }
}

/// The family of this id, and no other, claims the shapes, and builds a network that has exactly these
/// tensors out of what lies beside them.
pub(crate) fn is_recognized(shapes: &Shapes<'_>, beside: Option<&Beside>, id: &str) {
    let claiming: Vec<&str> =
        FAMILIES.iter().filter(|family| family.claims(shapes)).map(|family| family.id()).collect();
    assert_eq!(claiming, [id], "one family claims it");
    let family = FAMILIES.iter().find(|family| family.id() == id).unwrap();
    let settings = family.configure("fixture".into(), shapes, beside).unwrap();
    let owned = shapes.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec()));
    let weights = Weights::of_shapes(owned.collect());
    let tokenizer = family.build(&settings, &weights).unwrap();
    assert_eq!(weights.problems(&[]), Vec::<String>::new());
    assert_eq!(tokenizer.facts().family, id);
}

/// The codes, part by part, that the file gives for an image when it is opened as people open it, with
/// what lies beside it.
pub(crate) fn codes_of(name: &str, file: &str, images: &Tensor) -> Vec<Tensor> {
    let opened = checkpoints::open_tokenizer(&fixture(name).join(file), &device());
    let tokenizer = opened.unwrap_or_else(|e| panic!("{name}: {e}")).tokenizer;
    let latents = tokenizer.encode(images).unwrap();
    tokenizer.quantize(&latents, Pass::Inference).unwrap().codes
}
