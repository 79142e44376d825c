//! Every container that PyTorch writes gives the tensors that PyTorch has in it, bit for bit.
//!
//! The fixture `containers` holds the same tensors in five pickles and one module in two TorchScript
//! archives, with the traps of real files: views with offsets and strides, expanded and
//! channels-last tensors, scalars, empty ones, a class as a key, sets, numbers beyond 64 bits.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use smalti_engine::device::of_tests;
use std::collections::BTreeSet;
use std::path::Path;

use smalti_engine::checkpoints::{Checkpoint, Container, read};
use smalti_tests::{Tensors, fixture, load_config, load_io, load_tensors};

fn listed(kind: &str) -> Vec<String> {
    let config = load_config("containers");
    let files = config["files"][kind].as_array().expect("a list of files");
    assert!(!files.is_empty(), "no file of kind {kind}");
    files.iter().map(|f| f.as_str().expect("a file name").to_owned()).collect()
}

fn assert_same(file: &str, got: &Checkpoint, want: &Tensors, names: &BTreeSet<&str>) {
    let got_names: BTreeSet<&str> = got.tensors.keys().map(String::as_str).collect();
    assert_eq!(&got_names, names, "{file}: names");
    for name in names {
        let (entry, raw) = (&got.tensors[*name], want.raw(name));
        assert_eq!(entry.shape(), raw.shape, "{file}: shape of {name}");
        assert_eq!(entry.dtype().name(), format!("{:?}", raw.dtype), "{file}: type of {name}");
        assert_eq!(entry.bytes().unwrap(), raw.bytes, "{file}: {name}");
    }
}

#[test]
fn parity_of_all_pickle_files_is_bit_exact() {
    let folder = fixture("containers");
    let want = load_tensors(&folder.join("expected.safetensors"));
    let names: BTreeSet<&str> = want.iter().map(|(name, _)| name).collect();
    let mut kinds = [("zip", Container::TorchZip), ("legacy", Container::TorchLegacy)].into_iter();
    for (kind, container) in kinds.by_ref() {
        for file in listed(kind) {
            let got = read(&folder.join(&file)).unwrap();
            assert_eq!(got.container, container, "{file}");
            let root = (!file.starts_with("bare")).then_some("state_dict");
            assert_eq!(got.root.as_deref(), root, "{file}");
            assert_same(&file, &got, &want, &names);
        }
    }
}

#[test]
fn parity_of_torchscript_archives_is_bit_exact() {
    let folder = fixture("containers");
    let want = load_tensors(&folder.join("expected_jit.safetensors"));
    let config = load_config("containers");
    let names = config["jit_names"].as_array().unwrap();
    let names: BTreeSet<&str> = names.iter().map(|name| name.as_str().unwrap()).collect();
    for file in listed("torchscript") {
        let got = read(&folder.join(&file)).unwrap();
        assert_eq!(got.container, Container::TorchScript, "{file}");
        assert_same(&file, &got, &want, &names);
    }
}

#[test]
fn parity_of_safetensors_with_the_official_reader() {
    for file in ["expected.safetensors", "expected_jit.safetensors", "io.safetensors"] {
        let path = fixture("containers").join(file);
        let want = load_tensors(&path);
        let names = want.iter().map(|(name, _)| name).collect();
        let got = read(&path).unwrap();
        assert_eq!(got.container, Container::Safetensors);
        assert_same(file, &got, &want, &names);
    }
}

#[test]
fn parity_of_conversion_to_f32() {
    let folder = fixture("containers");
    let want = load_tensors(&folder.join("expected.safetensors"));
    let tensors = read(&folder.join("zip.ckpt")).unwrap().to_tensors(&of_tests().unwrap()).unwrap();
    for (name, _) in want.iter() {
        let got = tensors[name].flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let should: Vec<f32> = want.f64s(name).into_iter().map(|x| x as f32).collect();
        assert_eq!(got, should, "{name}");
    }
}

#[test]
fn parity_notes_say_what_was_stepped_over() {
    let notes = read(&fixture("containers").join("zip.ckpt")).unwrap().notes.join("\n");
    for part in ["argparse.Namespace", "callbacks", "ema"] {
        assert!(notes.contains(part), "{part} is not in {notes}");
    }
}

#[test]
fn parity_of_shards_with_the_whole_file() {
    // The module's inputs and outputs, one tensor a shard.
    let whole = load_io("containers");
    let folder = tempfile::tempdir().unwrap();
    let mut map = serde_json::Map::new();
    for (i, (name, raw)) in whole.iter().enumerate() {
        let file = format!("model-{i:05}.safetensors");
        write_one(&folder.path().join(&file), name, raw);
        map.insert(name.to_owned(), file.into());
    }
    let index = serde_json::json!({ "metadata": { "total_size": 1 }, "weight_map": map });
    let path = folder.path().join("model.safetensors.index.json");
    std::fs::write(&path, index.to_string()).unwrap();
    let names = whole.iter().map(|(name, _)| name).collect();
    for opened in [path.as_path(), folder.path()] {
        let got = read(opened).unwrap();
        assert_eq!(got.container, Container::ShardedSafetensors);
        assert_same("shards", &got, &whole, &names);
    }
    std::fs::remove_file(folder.path().join("model-00001.safetensors")).unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("model-00001.safetensors is missing"), "{error}");
}

fn write_one(path: &Path, name: &str, raw: &smalti_tests::Raw) {
    let view = safetensors::tensor::TensorView::new(raw.dtype, raw.shape.clone(), &raw.bytes);
    std::fs::write(path, safetensors::serialize([(name, view.unwrap())], None).unwrap()).unwrap();
}
