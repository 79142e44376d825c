//! LlamaGen's VQ tokenizer: the convolutional family with codes of length one.

use std::collections::BTreeMap;

use candle_core::Tensor;
use serde_json::Value;
use smalti_engine::images::from_tensor;
use smalti_engine::layers::{Probe, Resize, Weights};
use smalti_engine::quantizers::{
    BetaPlacement, CodebookUpdate, Pass, QuantizerConfig, Vq, VqConfig,
};
use smalti_engine::tokenizers::{Ldm, LdmConfig, Naming, Tokenizer, TokenizerConfig};
use smalti_tests::{count, counts, device, load_config, number};

use crate::ledger::{Ledger, both_containers, configured, opens, scalar};

const NAME: &str = "llamagen_vq";

/// What training and the bookkeeping of use leave beside the network.
const BESIDE: [&str; 1] = ["quantize.codebook_used"];

fn vq_config(config: &Value) -> VqConfig {
    VqConfig {
        codes: count(config, "codebook_size") as u32,
        beta: number(config, "commit_loss_beta"),
        placement: BetaPlacement::Commitment,
        normalize: config["codebook_l2_norm"].as_bool().expect("codebook_l2_norm"),
        update: CodebookUpdate::Gradient,
        entropy_weight: number(config, "entropy_loss_ratio"),
        ..VqConfig::default()
    }
}

fn network_config(config: &Value) -> LdmConfig {
    assert_eq!(number(config, "dropout_p"), 0.0, "dropout is not part of the family here");
    assert_eq!(config["resamp_with_conv"], true, "resampling is always with a convolution");
    assert_eq!(config["norm_type"], "group");
    let ch_mult = counts(config, "encoder_ch_mult");
    assert_eq!(ch_mult, counts(config, "decoder_ch_mult"), "both halves have the same levels");
    // Attention stands at the coarsest level alone, whatever the size of the image.
    let resolution = 256;
    LdmConfig {
        naming: Naming::LlamaGen,
        in_channels: count(config, "in_channels"),
        out_ch: count(config, "out_channels"),
        ch: count(config, "ch"),
        attn_resolutions: vec![resolution >> (ch_mult.len() - 1)],
        resolution,
        ch_mult,
        num_res_blocks: count(config, "num_res_blocks"),
        z_channels: count(config, "z_channels"),
        embed_dim: count(config, "codebook_embed_dim"),
        norm_groups: count(config, "norm_groups"),
        norm_eps: number(config, "norm_eps"),
        ..LdmConfig::default()
    }
}

fn tokenizer(config: &Value, weights: &Weights) -> Ldm {
    let network = network_config(config);
    assert_eq!(network.factor(), count(config, "downsample_factor"));
    let quantizer = QuantizerConfig::Vq(vq_config(config));
    let config = TokenizerConfig { name: NAME.to_owned(), network, quantizer };
    let tokenizer = Ldm::new(&config, weights).unwrap();
    weights.finish(NAME, &BESIDE).unwrap();
    tokenizer
}

/// Latent rows (B·h·w, D) as (B, D, h, w).
fn as_map(rows: &Tensor, like: &Tensor) -> Tensor {
    let (b, d, h, w) = like.dims4().unwrap();
    rows.reshape((b, h, w, d)).unwrap().permute((0, 3, 1, 2)).unwrap().contiguous().unwrap()
}

/// Everything that the fixture names, from weights of whichever container.
fn agrees(tensors: &BTreeMap<String, Tensor>) {
    let ledger = Ledger::open(NAME);
    let config = &ledger.config;
    let weights = Weights::loaded(tensors.clone(), false, &device());
    let ldm = tokenizer(config, &weights);
    let mut seen = BTreeMap::new();
    let mut look = |name: &str, tensor: &Tensor| {
        seen.insert(name.to_owned(), tensor.clone());
    };
    let input = ledger.input("input");
    let latents = ldm.encode_probed(&input, &mut Probe::new(&mut look)).unwrap();
    let quantized = ldm.quantize(&latents, Pass::Inference).unwrap();
    let pictures = ldm.decode_probed(&quantized.latents, &mut Probe::new(&mut look)).unwrap();
    ledger.layers(&seen, |name| {
        name.starts_with("encoder.") || name.starts_with("decoder.") || name.ends_with("_conv")
    });
    ledger.check("pre_quant", &latents);
    ledger.check("quantized", &quantized.latents);
    ledger.check("reconstruction", &pictures);
    ledger.codes("indices", &quantized.codes[0]);
    ledger.check("codebook_normalized", &ldm.quantizer().entries(0).unwrap().unwrap());
    let entries = ldm.quantizer().decode(&quantized.codes).unwrap();
    ledger.check("codebook_entries", &entries);
    ledger.check("reconstruction_from_indices", &ldm.decode(&entries).unwrap());

    let dim = count(config, "codebook_embed_dim");
    let vq = Vq::new(&vq_config(config), dim, &weights.pp("quantize")).unwrap();
    ledger.check("distances", &vq.distances(&latents).unwrap());
    let vectors = vq.vectors(&latents).unwrap();
    ledger.check("pre_quant_normalized", &as_map(&vectors, &latents));
    let [own, all] = vq.entropies(&vectors).unwrap();
    ledger.number("entropy_loss_ratio1", scalar(&own) - scalar(&all));

    // The published pixels are trunc(127.5 x + 128), which is how Smalti rounds too.
    let bytes = from_tensor(&ledger.io.tensor("reconstruction")).unwrap();
    let (height, width) = (count(config, "height"), count(config, "width"));
    let planes = bytes.iter().flat_map(|picture| {
        (0..3).flat_map(move |channel| {
            (0..height * width).map(move |pixel| u32::from(picture.rgb()[3 * pixel + channel]))
        })
    });
    let planes = Tensor::from_vec(planes.collect::<Vec<_>>(), pictures.dims(), &device()).unwrap();
    ledger.codes("uint8_from_reconstruction", &planes);
    trains(&ledger, tensors);
    // A step of the demo script: saved pictures are enlarged.
    let &[_, _, height, width] = ledger.io.raw("image_size_resize").shape.as_slice() else {
        panic!("a batch of pictures")
    };
    let enlarged = Resize::Bicubic.forward(&ledger.io.tensor("reconstruction"), (height, width));
    ledger.check("image_size_resize", &enlarged.unwrap());
    ledger.close(&[]);
}

/// The published training step: its losses and gradients.
fn trains(ledger: &Ledger, tensors: &BTreeMap<String, Tensor>) {
    let config = &ledger.config;
    let weights = Weights::loaded(tensors.clone(), true, &device());
    let ldm = tokenizer(config, &weights);
    let input = ledger.io.tensor("input");
    let quantized = ldm.quantize(&ldm.encode(&input).unwrap(), Pass::FIRST).unwrap();
    let pictures = ldm.decode(&quantized.latents).unwrap();
    let loss = |wanted: &str| {
        let found = quantized.losses.iter().find(|(name, _)| *name == wanted);
        &found.unwrap_or_else(|| panic!("no loss {wanted}")).1
    };
    ledger.check("train.vq_loss", loss("codebook"));
    ledger.check("train.commit_loss", loss("commitment"));
    ledger.check("train.entropy_loss", loss("entropy"));
    let squares = (&input - &pictures).unwrap().sqr().unwrap().mean_all().unwrap();
    let total = quantized.losses.iter().fold(squares, |sum, (_, loss)| (sum + loss).unwrap());
    ledger.check("train.total_mse_plus_codebook", &total);
    let (gradients, vars) = (total.backward().unwrap(), weights.vars());
    let names: Vec<String> = ledger.io.iter().map(|(name, _)| name.to_owned()).collect();
    for (name, parameter) in
        names.iter().filter_map(|name| Some((name, name.strip_prefix("train.grad.")?)))
    {
        let got = gradients.get(&vars[parameter]);
        ledger.gradient(name, got.unwrap_or_else(|| panic!("{parameter} has no gradient")));
    }
    // A share of the codebook over the last 65536 tokens, which start as code 0; where it is not to be
    // shown the published code says 0.
    let usage = if config["codebook_show_usage"] == true {
        let mut codes = quantized.codes[0].flatten_all().unwrap().to_vec1::<u32>().unwrap();
        codes.push(0);
        codes.sort_unstable();
        codes.dedup();
        codes.len() as f64 / number(config, "codebook_size")
    } else {
        0.0
    };
    ledger.number("train.codebook_usage", usage);
}

/// What the family finds from the published container and from what lies beside it.
fn settings(name: &str, id: &str, beside: Option<Value>) -> TokenizerConfig {
    serde_json::from_value(configured(name, id, beside)).unwrap()
}

#[test]
fn parity_of_llamagen_vq_at_every_tensor_of_its_fixture_from_both_containers() {
    for (container, tensors) in both_containers(NAME) {
        println!("{container}");
        agrees(&tensors);
    }
}

#[test]
fn parity_of_llamagen_vq_configuration_told_by_the_published_shapes() {
    let (found, config) = (settings(NAME, "llamagen", None), load_config(NAME));
    // Groups and eps of the norms cannot be seen; what all published networks have is taken.
    assert_eq!(found.network, network_config(&config));
    // Nor what training weighs: published recipes have an entropy_loss_ratio of 0.
    let expected = VqConfig { entropy_weight: 0.0, ..vq_config(&config) };
    assert_eq!(found.quantizer, QuantizerConfig::Vq(expected));
    opens(NAME, "LlamaGen VQ");
}
