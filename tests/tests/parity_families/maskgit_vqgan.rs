//! MaskGIT-VQGAN against the published code.

use candle_core::{D, Tensor};
use serde_json::Value;
use smalti_engine::layers::Weights;
use smalti_engine::quantizers::Pass;
use smalti_engine::tokenizers::Tokenizer;
use smalti_engine::tokenizers::maskgit_vqgan::{self, MaskGitConfig, MaskGitVqgan};
use smalti_tests::{count, counts, device, load_config, number};

use crate::check::Near;
use crate::files;
use crate::tally::Ledger;

const NAME: &str = "maskgit_vqgan";

fn config_of(config: &Value) -> MaskGitConfig {
    assert_eq!(number(config, "dropout"), 0.0, "dropout is not part of the family here");
    let made = MaskGitConfig {
        num_channels: count(config, "num_channels"),
        hidden_channels: count(config, "hidden_channels"),
        channel_mult: counts(config, "channel_mult"),
        num_res_blocks: count(config, "num_res_blocks"),
        z_channels: count(config, "z_channels"),
        num_embeddings: count(config, "num_embeddings") as u32,
        commitment_cost: number(config, "commitment_cost"),
        norm_groups: count(config, "norm_groups"),
        norm_eps: number(config, "norm_eps"),
    };
    assert_eq!(made.factor(), count(config, "downsample_factor"));
    made
}

#[test]
fn parity_maskgit_vqgan_at_every_named_value_from_both_containers() {
    let file = load_config(NAME);
    for tensors in files::both(NAME, "weights.bin", "weights.safetensors") {
        let ledger = Ledger::new(NAME, Near::of(&file));
        let weights = Weights::loaded(tensors, false, &device());
        let network = MaskGitVqgan::new(&config_of(&file), &weights).unwrap();
        weights.finish(NAME, &[]).unwrap();

        // Images are in [-1, 1] outside of the network.
        let images = ledger.given("input").affine(2.0, -1.0).unwrap();
        let latents = ledger.watching(|probe| network.encode_probed(&images, probe)).unwrap();
        ledger.same("pre_quant", &latents);
        let found = network.quantize(&latents, Pass::FIRST).unwrap();
        ledger.codes("indices", &found.codes[0]);
        ledger.same("quantized", &found.latents);
        let losses = found.losses.iter().map(|(_, loss)| loss.clone());
        ledger.same("loss", &losses.reduce(|a, b| (a + b).unwrap()).expect("losses"));
        let unit = |image: Tensor| image.affine(0.5, 0.5).unwrap();
        let image = ledger.watching(|probe| network.decode_probed(&found.latents, probe)).unwrap();
        let image = unit(image);
        ledger.same("reconstruction", &image);
        ledger.same("reconstruction_clamped01", &image.clamp(0.0_f32, 1.0_f32).unwrap());

        let codes = ledger.given("indices");
        let entries = network.dequantize(&[codes]).unwrap();
        ledger.same("codes_from_indices", &entries);
        let image = ledger.watching(|probe| network.decode_probed(&entries, probe)).unwrap();
        ledger.same("reconstruction_from_indices", &unit(image));

        // How near each code is to each latent, as shares.
        let distances = network.vq().distances(&latents).unwrap().neg().unwrap();
        let largest = distances.max_keepdim(D::Minus1).unwrap();
        let shares = distances.broadcast_sub(&largest).unwrap().exp().unwrap();
        let shares = shares.broadcast_div(&shares.sum_keepdim(D::Minus1).unwrap()).unwrap();
        let shape = ledger.io.raw("soft_code").shape.clone();
        ledger.same("soft_code", &shares.reshape(shape).unwrap());
        ledger.all_but(&[]);
    }
}

#[test]
fn parity_maskgit_vqgan_configuration_is_told_from_the_published_container() {
    let (checkpoint, file) = (files::published(NAME, "weights.bin"), load_config(NAME));
    let (shapes, truth) = (files::shapes(&checkpoint), config_of(&file));
    assert!(maskgit_vqgan::claims(&shapes));
    let beside = files::beside(NAME, "config.json");
    assert_eq!(maskgit_vqgan::configure(&shapes, Some(&beside)).unwrap(), truth);
    files::is_recognized(&files::shapes(&checkpoint), Some(&beside), "maskgit");
    // Shapes do not say groups and weights of losses: then it is what was published.
    let usual = MaskGitConfig::default();
    let (norm_groups, norm_eps) = (usual.norm_groups, usual.norm_eps);
    let expected =
        MaskGitConfig { norm_groups, norm_eps, commitment_cost: usual.commitment_cost, ..truth };
    assert_eq!(maskgit_vqgan::configure(&shapes, None).unwrap(), expected);
}

#[test]
fn parity_maskgit_vqgan_codes_of_the_file_as_people_open_it() {
    let ledger = Ledger::new(NAME, Near::of(&load_config(NAME)));
    let images = ledger.given("input").affine(2.0, -1.0).unwrap();
    ledger.codes("indices", &files::codes_of(NAME, "weights.bin", &images)[0]);
}
