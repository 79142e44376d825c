//! Published tokenizers open from the file that their authors give out, without any configuration:
//! the same weights as the fixture's, and the same tokens and pictures as the authors' code.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use smalti_engine::checkpoints::{Container, open_tokenizer, read};
use smalti_engine::device::of_tests;
use smalti_engine::quantizers::Pass;
use smalti_engine::tokenizers::TokenizerConfig;
use smalti_tests::{
    assert_close, count, counts, fixture, load_config, load_io, load_tensors, number,
};

fn published(name: &str, family: &str, mult: &str) {
    let (folder, config, io) = (fixture(name), load_config(name), load_io(name));
    let text = |key: &str| config[key].as_str().unwrap_or_else(|| panic!("{name} lacks {key}"));
    let path = folder.join(text("container"));

    let got = read(&path).unwrap();
    assert_eq!(got.container, Container::TorchZip);
    assert_eq!(got.root.as_deref(), Some(text("state_dict_root")));
    let want = load_tensors(&folder.join("weights.safetensors"));
    assert_eq!(got.tensors.len(), want.iter().count(), "{name}: number of tensors");
    for (tensor, raw) in want.iter() {
        let entry = got.tensors.get(tensor).unwrap_or_else(|| panic!("{tensor} is missing"));
        assert_eq!((entry.shape(), entry.bytes().unwrap()), (&*raw.shape, raw.bytes.clone()));
    }

    let opened = open_tokenizer(&path, &of_tests().unwrap()).unwrap();
    let found = &opened.recognized;
    assert_eq!((&*found.family, &found.problems), (family, &Vec::new()));
    let settings: TokenizerConfig = serde_json::from_value(opened.design.settings).unwrap();
    let network = &settings.network;
    assert_eq!(network.ch, count(&config, "ch"));
    assert_eq!(network.ch_mult, counts(&config, mult));
    assert_eq!(network.num_res_blocks, count(&config, "num_res_blocks"));
    assert_eq!(network.z_channels, count(&config, "z_channels"));
    assert_eq!(opened.tokenizer.facts().factor, count(&config, "downsample_factor"));

    let tokenizer = &opened.tokenizer;
    let (abs, rel) =
        (number(&config, "tolerance/default_abs"), number(&config, "tolerance/default_rel"));
    let latents = tokenizer.encode(&io.tensor("input")).unwrap();
    assert_close("pre_quant", &latents, &io.tensor("pre_quant"), abs, rel);
    let quantized = tokenizer.quantize(&latents, Pass::Inference).unwrap();
    let codes = quantized.codes[0].flatten_all().unwrap().to_vec1::<u32>().unwrap();
    assert_eq!(codes, io.u32s("indices"), "{name}: tokens");
    let decoded = tokenizer.decode(&tokenizer.dequantize(&quantized.codes).unwrap());
    let wanted = io.tensor("reconstruction_from_indices");
    assert_close("reconstruction", &decoded.unwrap(), &wanted, abs, rel);
}

#[test]
fn parity_of_the_published_taming_checkpoint() {
    published("taming_vqmodel", "taming VQModel", "ch_mult");
}

#[test]
fn parity_of_the_published_llamagen_checkpoint_prefers_averaged_weights() {
    published("llamagen_vq", "LlamaGen VQ", "encoder_ch_mult");
}
