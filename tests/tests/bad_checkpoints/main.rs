//! Damaged and hostile checkpoints: a clear error that says what is wrong and where, and nothing run.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod configured;
mod files;
mod folders;
mod hostile;
mod unknown;
mod wrapped;

use smalti_engine::device::of_tests;
use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;
use files::{
    call, described, dict, global, int, legacy, pickle, safetensors, tensor, text, torch_zip, zip,
};
use smalti_engine::checkpoints::{self, Checkpoint, Precision, open_tokenizer, read_bytes};
use smalti_engine::layers::Weights;
use smalti_engine::tokenizers::{self, LdmConfig, Naming, TokenizerConfig};
use smalti_tests::fixture;

fn open(name: &str, bytes: Vec<u8>) -> Result<Checkpoint, String> {
    read_bytes(Path::new(name), bytes.into()).map_err(|error| {
        assert!(error.is_bad_input(), "{error}");
        error.to_string()
    })
}

fn refused(name: &str, bytes: Vec<u8>) -> String {
    match open(name, bytes) {
        Err(text) => text,
        Ok(read) => panic!("{name} was read: {:?}", read.tensors.keys()),
    }
}

#[test]
fn a_safetensors_header_that_lies_is_refused() {
    let two = format!("{{{},{}}}", described("a", "[2]", 0, 8), described("b", "[2]", 4, 12));
    let twice = format!("{{{},{}}}", described("a", "[2]", 0, 8), described("a", "[2]", 8, 16));
    let one = |shape, end| format!("{{{}}}", described("a", shape, 0, end));
    let mut huge = safetensors(&one("[2]", 8), &[0; 8]);
    huge[..8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
    for (part, bytes) in [
        ("header should have 1152921504606846976 bytes", huge),
        ("overlap at byte 4", safetensors(&two, &[0; 16])),
        ("stands twice", safetensors(&twice, &[0; 16])),
        ("lies at 0..8, but the file has 4 bytes", safetensors(&one("[2]", 8), &[0; 4])),
        ("cannot have 8 bytes", safetensors(&one("[3]", 8), &[0; 8])),
        (
            "cannot have 8 bytes",
            safetensors(&one("[4294967296,4294967296,4294967296]", 8), &[0; 8]),
        ),
        ("cannot have 0 bytes", safetensors(&one("[4611686018427387904,4]", 0), &[])),
        ("invalid value: integer `-2`", safetensors(&one("[-2]", 8), &[0; 8])),
        ("lies at 8..0", safetensors(&format!("{{{}}}", described("a", "[2]", 8, 0)), &[0; 8])),
        (
            "unknown element type \"F33\"",
            safetensors(&one("[2]", 8).replace("F32", "F33"), &[0; 8]),
        ),
        ("safetensors header", safetensors("{\"a\": ", &[])),
        ("too short", b"\x08\0\0".to_vec()),
    ] {
        let error = refused("x.safetensors", bytes);
        assert!(error.contains("x.safetensors") && error.contains(part), "{part}: {error}");
    }
}

#[test]
fn a_pickle_that_calls_a_function_is_refused_and_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("ran");
    let command = text(&format!("touch {}", marker.display()));
    let weights = ("w", tensor("0", 2, 0, &[2], &[1]));
    let attack = |value: Vec<u8>| dict(&[("evil", value), weights.clone()]);
    let stack_global = [text("posix"), text("system"), b"\x93".to_vec()].concat();
    let inst = [b"(".to_vec(), command.clone(), b"ios\nsystem\n".to_vec()].concat();
    let obj = [b"(".to_vec(), global("os", "system"), command.clone(), b"o".to_vec()].concat();
    let popen = call(global("subprocess", "Popen"), std::slice::from_ref(&command));
    let eval = call(global("builtins", "eval"), &[text("1+1")]);
    for (name, value) in [
        ("os.system", call(global("os", "system"), std::slice::from_ref(&command))),
        ("posix.system", call(stack_global, std::slice::from_ref(&command))),
        ("os.system", inst),
        ("os.system", obj),
        ("subprocess.Popen", popen),
        ("builtins.eval", eval),
    ] {
        let value = attack(value);
        for bytes in
            [legacy(&value, &[("0", &[1.0, 2.0])]), torch_zip(&value, &[1.0, 2.0]), pickle(&value)]
        {
            let error = refused("x.ckpt", bytes);
            let named = error.contains(&format!("would call {name}"));
            assert!(named || error.contains("not one that PyTorch wrote"), "{name}: {error}");
        }
    }
    assert!(!marker.exists(), "the command was run");
}

#[test]
fn unknown_classes_are_stepped_over_and_the_weights_read() {
    let odd = [
        ("path", call(global("pathlib", "PosixPath"), &[text("a")])),
        ("namespace", [global("argparse", "Namespace"), b")\x81}b".to_vec()].concat()),
        ("array", call(global("numpy.core.multiarray", "_reconstruct"), &[text("b")])),
        ("state_dict", dict(&[("w", tensor("0", 6, 1, &[2, 2], &[1, 2]))])),
    ];
    let values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    for bytes in [legacy(&dict(&odd), &[("0", &values)]), torch_zip(&dict(&odd), &values)] {
        let read = open("x.ckpt", bytes).unwrap();
        assert_eq!(read.root.as_deref(), Some("state_dict"));
        assert_eq!(read.tensors["w"].values().unwrap(), [1.0, 3.0, 2.0, 4.0]);
        let notes = read.notes.join("\n");
        assert!(notes.contains("pathlib.PosixPath") && notes.contains("Namespace"), "{notes}");
    }
}

#[test]
fn a_tensor_that_reaches_outside_of_its_storage_is_refused() {
    let overflow = i64::MAX / 2;
    for (part, value) in [
        ("reaches outside", tensor("0", 4, 1, &[2, 2], &[2, 1])),
        ("reaches outside", tensor("0", 4, 0, &[2, 2], &[overflow, 1])),
        ("reaches outside", tensor("0", 4, i64::MAX, &[2], &[1])),
        ("shape that overflows", tensor("0", 4, 0, &[overflow, overflow], &[0, 0])),
        ("are no numbers", tensor("0", 4, -1, &[2], &[1])),
        ("are no numbers", tensor("0", 4, 0, &[-2], &[1])),
        ("another number of strides", tensor("0", 4, 0, &[2, 2], &[1])),
        ("needs 5 elements", tensor("0", 5, 0, &[2], &[1])),
        ("lacks its data", tensor("1", 4, 0, &[2], &[1])),
        ("more than 16 times", tensor("0", 4, 0, &[1 << 20, 1 << 20], &[0, 0])),
    ] {
        let value = dict(&[("layer.weight", value)]);
        let values = [1.0, 2.0, 3.0, 4.0];
        for bytes in [torch_zip(&value, &values), legacy(&value, &[("0", &values)])] {
            let error = refused("x.pt", bytes);
            assert!(error.contains("layer.weight") && error.contains(part), "{part}: {error}");
        }
    }
}

#[test]
fn dictionaries_that_multiply_are_refused() {
    // Each of sixty dictionaries holds the one before it under two names: 2^60 tensors.
    let mut value = dict(&[("w", tensor("0", 2, 0, &[2], &[1]))]);
    for level in 0..60_u8 {
        let keep = [b"q".as_slice(), &[level], b"0}("].concat();
        let get = [b"h".as_slice(), &[level]].concat();
        let pairs = [text("a"), get.clone(), text("b"), get, b"u".to_vec()].concat();
        value = [value, keep, pairs].concat();
    }
    let error = refused("x.pt", torch_zip(&value, &[1.0, 2.0]));
    assert!(error.contains("over and over"), "{error}");
}

#[test]
fn zip_bombs_are_refused() {
    let zeros = vec![0; 8 << 20];
    let value = pickle(&dict(&[("w", tensor("0", 2 << 20, 0, &[2 << 20], &[1]))]));
    let bomb = zip(&[("a/data.pkl", &value), ("a/data/0", &zeros)], true);
    assert!(bomb.len() < 32 << 10);
    let error = refused("x.pt", bomb.clone());
    assert!(error.contains("would unpack to"), "{error}");
    // The same with a lie about the size in the central directory and in the local header.
    let mut lying = bomb;
    let size = (8_u32 << 20).to_le_bytes();
    for at in 0..lying.len() - 4 {
        if lying[at..at + 4] == size {
            lying[at..at + 4].copy_from_slice(&16_u32.to_le_bytes());
        }
    }
    refused("x.pt", lying);
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let folder = fixture("containers");
    for file in ["legacy.ckpt", "zip_proto4.ckpt", "traced.jit", "expected.safetensors"] {
        let whole = std::fs::read(folder.join(file)).unwrap();
        open(file, whole.clone()).unwrap();
        for len in (0..whole.len()).step_by(7) {
            refused(file, whole[..len].to_vec());
        }
    }
}

#[test]
fn other_files_are_named() {
    for (part, bytes) in [
        ("empty", &b""[..]),
        ("Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0"),
        ("web page", b"<!doctype html><html><head></head></html>"),
        ("not a checkpoint", b"just some words, nothing else"),
        ("without a PyTorch pickle", &zip(&[("a.txt", b"hello")], false)),
        ("not one that PyTorch wrote", &pickle(&int(3))),
    ] {
        let error = refused("x.ckpt", bytes.to_vec());
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn weights_that_are_no_numbers_are_named() {
    let header =
        format!("{{{},{}}}", described("a.weight", "[2]", 0, 8), described("b", "[2]", 8, 16));
    let data: Vec<u8> = [1.0, 2.0, 3.0, f32::NAN].iter().flat_map(|x| x.to_le_bytes()).collect();
    let read = open("x.safetensors", safetensors(&header, &data)).unwrap();
    for error in
        [read.check_finite().unwrap_err(), read.to_tensors(&of_tests().unwrap()).unwrap_err()]
    {
        let text = error.to_string();
        assert!(text.contains("tensor b") && text.contains("element 1 of 2 is NaN"), "{text}");
        assert!(text.contains("x.safetensors"), "the file is not named: {text}");
    }
    let header = format!("{{{}}}", described("causal_mask", "[1]", 0, 4));
    let mask = open("x.safetensors", safetensors(&header, &f32::NEG_INFINITY.to_le_bytes()));
    mask.unwrap().check_finite().unwrap();
}

/// A small network with everything that the family can have.
fn small(naming: Naming) -> TokenizerConfig {
    let network = LdmConfig {
        naming,
        ch: 32,
        ch_mult: vec![1, 2],
        num_res_blocks: 1,
        attn_resolutions: vec![128],
        z_channels: 12,
        embed_dim: 4,
        ..LdmConfig::default()
    };
    let quantizer = serde_json::json!({ "Vq": { "codes": 24, "update": "Gradient" } });
    TokenizerConfig {
        name: "small".to_owned(),
        network,
        quantizer: serde_json::from_value(quantizer).unwrap(),
    }
}

fn tensors_of(config: &TokenizerConfig) -> BTreeMap<String, Tensor> {
    let weights = Weights::fresh(7, &of_tests().unwrap());
    tokenizers::build(config, &weights).unwrap();
    weights.vars().into_iter().map(|(name, var)| (name, var.as_detached_tensor())).collect()
}

#[test]
fn tensors_that_do_not_fit_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let config = small(Naming::Taming);
    let metadata = serde_json::json!({ "kind": "tokenizer", "config": config });
    let mut tensors = tensors_of(&config);
    let save = |tensors: &BTreeMap<String, Tensor>| {
        checkpoints::save_model(&path, tensors, &metadata, Precision::F32).unwrap();
    };
    save(&tensors);
    open_tokenizer(&path, &of_tests().unwrap()).unwrap();
    tensors.remove("quant_conv.bias").unwrap();
    let wrong = Tensor::zeros((3, 3), candle_core::DType::F32, &of_tests().unwrap()).unwrap();
    tensors.insert("decoder.norm_out.weight".to_owned(), wrong.clone());
    tensors.insert("surplus".to_owned(), wrong);
    save(&tensors);
    let error = open_tokenizer(&path, &of_tests().unwrap()).unwrap_err();
    assert!(error.is_bad_input());
    let error = error.to_string();
    for part in [
        "model.safetensors",
        "quant_conv.bias is missing",
        "decoder.norm_out.weight should be [32], but is [3, 3]",
        "surplus is not part of this network",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn public_networks_are_recognized_by_names_and_shapes_alone() {
    let folder = tempfile::tempdir().unwrap();
    for naming in [Naming::Taming, Naming::LlamaGen] {
        let config = small(naming);
        let mut tensors = tensors_of(&config);
        let path = folder.path().join("public.safetensors");
        candle_core::safetensors::save(&tensors.clone().into_iter().collect(), &path).unwrap();
        let opened = open_tokenizer(&path, &of_tests().unwrap()).unwrap();
        let design = &opened.design;
        assert_eq!(design.settings["network"], serde_json::to_value(&config.network).unwrap());
        let found = &opened.recognized;
        assert_eq!(found.problems, Vec::<String>::new());
        let facts = found.facts.as_ref().unwrap();
        assert_eq!((facts.books[0].size, facts.books[0].dim, facts.factor), (24, 4, 2));

        let lost = "encoder.conv_out.bias";
        tensors.remove(lost).unwrap();
        let extra = Tensor::zeros(1, candle_core::DType::F32, &of_tests().unwrap()).unwrap();
        tensors.insert("encoder.surplus".to_owned(), extra);
        candle_core::safetensors::save(&tensors.clone().into_iter().collect(), &path).unwrap();
        let read = checkpoints::read(&path).unwrap();
        let found = checkpoints::recognize(&read, &path, None).unwrap().problems.join("; ");
        assert!(found.contains(&format!("{lost} is missing (should be [12])")), "{found}");
        assert!(found.contains("encoder.surplus is not part"), "{found}");

        tensors.remove("quantize.embedding.weight").unwrap();
        candle_core::safetensors::save(&tensors.into_iter().collect(), &path).unwrap();
        let error = open_tokenizer(&path, &of_tests().unwrap()).unwrap_err().to_string();
        assert!(error.contains("quantize.embedding.weight is missing"), "{error}");
    }
}

#[test]
fn own_files_keep_values_and_refuse_unknown_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let values = vec![0.5_f32, -3.0, 70_000.0, 1e-3];
    let large = Tensor::from_vec(values.clone(), 4, &of_tests().unwrap()).unwrap();
    let half = Tensor::from_vec(vec![0.5_f32, -3.0], 2, &of_tests().unwrap()).unwrap();
    let tensors = BTreeMap::from([("large".to_owned(), large), ("half".to_owned(), half)]);
    let metadata = serde_json::json!({ "kind": "tokenizer", "quality": { "psnr": 24.5 } });
    checkpoints::save_model(&path, &tensors, &metadata, Precision::F16).unwrap();
    let read = checkpoints::read(&path).unwrap();
    assert_eq!(read.tensors["large"].values().unwrap(), values, "beyond f16: kept as f32");
    assert_eq!(read.tensors["half"].dtype().name(), "F16");
    assert_eq!(read.tensors["half"].values().unwrap(), [0.5, -3.0]);
    let written = read.smalti(&path).unwrap().unwrap();
    assert_eq!(written["quality"]["psnr"], 24.5);
    ::safetensors::SafeTensors::deserialize(&std::fs::read(&path).unwrap()).unwrap();

    let mut bytes = std::fs::read(&path).unwrap();
    let needle = br#"\"format\":1"#;
    let place = bytes.windows(needle.len()).position(|w| w == needle).unwrap();
    bytes[place + needle.len() - 1] = b'9';
    let read = open("model.safetensors", bytes).unwrap();
    let error = read.smalti(&path).unwrap_err().to_string();
    assert!(error.contains("format 9"), "{error}");

    let nowhere = folder.path().join("missing").join("model.safetensors");
    let error = checkpoints::save_model(&nowhere, &tensors, &metadata, Precision::F32).unwrap_err();
    assert!(error.is_bad_input() && error.to_string().contains("missing"), "{error}");
}

#[test]
fn an_index_does_not_reach_into_other_folders() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors.index.json");
    for file in ["../secret.safetensors", "/etc/passwd", "a/b.safetensors", "", ".."] {
        let index = serde_json::json!({ "weight_map": { "w": file } });
        std::fs::write(&path, index.to_string()).unwrap();
        let error = checkpoints::read(&path).unwrap_err().to_string();
        assert!(error.contains("outside of its folder"), "{file}: {error}");
    }
}

#[test]
fn a_checkpoint_that_is_written_over_while_it_is_open_gives_no_wrong_weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let header = |name| format!("{{{}}}", described(name, "[2]", 0, 8));
    std::fs::write(&path, safetensors(&header("a"), &[1; 8])).unwrap();
    let checkpoint = checkpoints::read(&path).unwrap();
    assert_eq!(checkpoint.tensors["a"].bytes().unwrap(), [1; 8]);
    std::fs::write(&path, safetensors(&header("another"), &[2; 8])).unwrap();
    let problem = checkpoint.tensors["a"].bytes().unwrap_err().problem();
    assert!(problem.summary.contains("it changed while it was open"), "{problem}");
}
