//! Tests of the family as a whole.

mod gradients;

use candle_core::Tensor;

use super::*;
use crate::device::of_tests;
use crate::images::Picture;
use crate::quantizers::{FsqConfig, Pass, QuantizerConfig, ResidualVqConfig, VqConfig};
use crate::random::{Noise, Purpose};
use crate::tokenizers::{build, detokenize, pictures_of, tokenize};
use crate::tokens::{MASKED, Part, PartShape, Tokens};

/// A network with everything in it, small enough for finite differences.
pub(super) fn tiny(naming: Naming, quantizer: QuantizerConfig) -> TokenizerConfig {
    let network = LdmConfig {
        naming,
        ch: 4,
        ch_mult: vec![1, 2],
        num_res_blocks: 1,
        attn_resolutions: vec![4],
        resolution: 8,
        z_channels: 3,
        embed_dim: 2,
        norm_groups: 2,
        norm_eps: 1e-6,
        ..LdmConfig::default()
    };
    TokenizerConfig { name: "tiny".to_owned(), network, quantizer }
}

pub(super) fn noise(shape: (usize, usize, usize, usize), cell: u64) -> Tensor {
    let noise = Noise::new(5, Purpose::Test, 0, cell);
    let n = shape.0 * shape.1 * shape.2 * shape.3;
    let values: Vec<f32> = (0..n as u32).map(|lane| noise.normal(lane) * 0.5).collect();
    Tensor::from_vec(values, shape, &of_tests().unwrap()).unwrap()
}

pub(super) fn rules() -> [QuantizerConfig; 2] {
    [
        QuantizerConfig::Vq(VqConfig { codes: 6, ..VqConfig::default() }),
        QuantizerConfig::Fsq(FsqConfig { levels: vec![5, 4], ..FsqConfig::default() }),
    ]
}

fn picture(width: u32, height: u32) -> Picture {
    let noise = Noise::new(9, Purpose::Test, 0, 0);
    let bytes: Vec<u8> = (0..width * height * 3).map(|at| noise.below(at, 256) as u8).collect();
    Picture::new(width, height, bytes).unwrap()
}

#[test]
fn any_size_that_divides_becomes_a_grid_and_a_picture_of_that_size() {
    for rule in rules() {
        let config = tiny(Naming::Taming, rule);
        let tokenizer = build(&config, &Weights::fresh(1, &of_tests().unwrap())).unwrap();
        assert_eq!(tokenizer.facts().factor, 2);
        for (w, h) in [(2, 2), (8, 8), (6, 14), (64, 2)] {
            let tokens = tokenize(tokenizer.as_ref(), &picture(w, h)).unwrap();
            assert_eq!(tokens.layout(), [PartShape::grid(h as usize / 2, w as usize / 2)]);
            let back = detokenize(tokenizer.as_ref(), &tokens).unwrap();
            assert_eq!((back.width(), back.height()), (w, h));
        }
        let error = tokenize(tokenizer.as_ref(), &picture(7, 8)).unwrap_err().to_string();
        assert!(error.contains("7x8") && error.contains("divide by 2"), "{error}");
    }
}

#[test]
fn decoding_tokens_is_the_reconstruction_bit_for_bit() {
    for rule in rules() {
        let tokenizer =
            Ldm::new(&tiny(Naming::Taming, rule), &Weights::fresh(1, &of_tests().unwrap()));
        let tokenizer = tokenizer.unwrap();
        let latents = tokenizer.encode(&noise((2, 3, 8, 8), 1)).unwrap();
        let quantized = tokenizer.quantize(&latents, Pass::Inference).unwrap();
        let straight = tokenizer.decode(&quantized.latents).unwrap();
        let entries = tokenizer.quantizer().decode(&quantized.codes).unwrap();
        let from_codes = tokenizer.decode(&entries).unwrap();
        let list = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(list(&straight), list(&from_codes));
    }
}

/// The first levels alone are the picture so far: what their codes decode to, added.
#[test]
fn the_first_levels_of_a_residual_rule_decode_to_the_picture_so_far() {
    let vq = VqConfig { codes: 6, ..VqConfig::default() };
    let rule = QuantizerConfig::Residual(ResidualVqConfig {
        levels: 3,
        vq,
        ..ResidualVqConfig::default()
    });
    let config = tiny(Naming::Taming, rule);
    let tokenizer = build(&config, &Weights::fresh(1, &of_tests().unwrap())).unwrap();
    assert!(tokenizer.facts().prefixes);
    let tokens = tokenize(tokenizer.as_ref(), &picture(8, 6)).unwrap();
    assert_eq!(tokens.parts().len(), 3);
    let decoded = |tokens: &Tokens| detokenize(tokenizer.as_ref(), tokens).unwrap();
    assert_eq!(decoded(&tokens.up_to(3)).rgb(), decoded(&tokens).rgb());
    for levels in 1..=3 {
        let mut sum: Option<Tensor> = None;
        for part in &tokens.parts()[..levels] {
            let entries = tokenizer.quantizer().entries(part.book()).unwrap().unwrap();
            let rows =
                Tensor::from_slice(part.codes(), part.codes().len(), entries.device()).unwrap();
            let rows = entries.index_select(&rows, 0).unwrap();
            let shape = (1, part.rows(), part.columns(), entries.dim(1).unwrap());
            let level = rows.reshape(shape).unwrap().permute((0, 3, 1, 2)).unwrap();
            sum = Some(sum.map_or_else(|| level.clone(), |sum| (sum + &level).unwrap()));
        }
        let latents = sum.unwrap().contiguous().unwrap();
        let expected = pictures_of(&tokenizer.decode(&latents).unwrap()).unwrap();
        assert_eq!(decoded(&tokens.up_to(levels)).rgb(), expected[0].rgb(), "{levels} levels");
    }
    let second = Tokens::new([tokens.parts()[1].clone()]).unwrap();
    assert!(detokenize(tokenizer.as_ref(), &second).is_err(), "a level without those before it");
}

#[test]
fn a_network_of_one_channel_takes_gray_pictures_and_gives_gray_ones_back() {
    for rule in rules() {
        let mut config = tiny(Naming::Taming, rule);
        (config.network.in_channels, config.network.out_ch) = (1, 1);
        let tokenizer = build(&config, &Weights::fresh(1, &of_tests().unwrap())).unwrap();
        let tokens = tokenize(tokenizer.as_ref(), &picture(28, 28)).unwrap();
        let back = detokenize(tokenizer.as_ref(), &tokens).unwrap();
        assert!(back.rgb().chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]));
        config.network.out_ch = 3;
        assert!(config.validate().unwrap_err().to_string().contains("in_channels"));
    }
}

#[test]
fn tokens_of_another_layout_or_codebook_are_refused_with_what_is_wanted() {
    let [vq, _] = rules();
    let config = tiny(Naming::Taming, vq);
    let tokenizer = build(&config, &Weights::fresh(1, &of_tests().unwrap())).unwrap();
    let refused = |tokens: Tokens| detokenize(tokenizer.as_ref(), &tokens).unwrap_err().to_string();
    let other = refused(Tokens::grid(2, 2, 512, vec![0; 4]).unwrap());
    assert!(other.contains("codebook of 512 codes") && other.contains("has 6"), "{other}");
    let part = |side: usize| Part::new(PartShape::grid(side, side), 6, vec![0; side * side]);
    let scales = refused(Tokens::new([part(1).unwrap(), part(2).unwrap()]).unwrap());
    assert!(
        scales.contains("2 parts, 1 x 1 to 2 x 2") && scales.contains("wants 2 x 2"),
        "{scales}"
    );
    let masked = refused(Tokens::grid(1, 2, 6, vec![3, MASKED]).unwrap());
    assert!(masked.contains("no token stands at row 0, column 1"), "{masked}");
}

/// The names that the published LlamaGen code gives (vq_model.py), for two levels of one block.
#[test]
fn llamagen_names_count_the_decoder_from_the_coarsest_level() {
    let [vq, _] = rules();
    let taming = Weights::fresh(1, &of_tests().unwrap());
    Ldm::new(&tiny(Naming::Taming, vq.clone()), &taming).unwrap();
    let llamagen = Weights::fresh(1, &of_tests().unwrap());
    let tokenizer = Ldm::new(&tiny(Naming::LlamaGen, vq), &llamagen).unwrap();
    assert_eq!(tokenizer.facts().family, "llamagen");
    let names = llamagen.vars();
    for name in [
        "encoder.conv_blocks.0.res.0.conv1.weight",
        "encoder.conv_blocks.0.downsample.conv.weight",
        "encoder.conv_blocks.1.attn.0.proj_out.bias",
        "encoder.mid.1.norm.weight",
        "decoder.conv_blocks.0.res.1.norm2.bias",
        "decoder.conv_blocks.0.attn.1.q.weight",
        "decoder.conv_blocks.0.upsample.conv.weight",
        "decoder.conv_blocks.1.res.0.nin_shortcut.weight",
    ] {
        assert!(names.contains_key(name), "{name}");
    }
    assert!(!names.contains_key("decoder.conv_blocks.1.attn.0.q.weight"));
    assert_eq!(names.len(), taming.vars().len());
}

#[test]
fn a_checkpoint_that_does_not_fit_is_listed_without_allocating_what_it_claims() {
    let [vq, _] = rules();
    let config = tiny(Naming::Taming, vq);
    let fresh = Weights::fresh(1, &of_tests().unwrap());
    let first = Ldm::new(&config, &fresh).unwrap();
    let mut tensors: std::collections::BTreeMap<String, Tensor> =
        fresh.vars().into_iter().map(|(name, var)| (name, var.as_detached_tensor())).collect();
    tensors.extend(first.quantizer().state());

    let weights = Weights::loaded(tensors.clone(), false, &of_tests().unwrap());
    let second = Ldm::new(&config, &weights).unwrap();
    weights.finish("model", &[]).unwrap();
    assert_eq!(first.facts(), second.facts());
    let stored: usize = fresh.vars().values().map(|var| var.elem_count()).sum();
    assert_eq!(first.facts().parameters, stored + 6 * 2, "with the codebook, 6 codes of 2");

    tensors.remove("encoder.conv_in.weight");
    tensors.insert("extra".to_owned(), Tensor::new(1.0_f32, &of_tests().unwrap()).unwrap());
    let mut huge = config.clone();
    huge.network.z_channels = 4096;
    let weights = Weights::loaded(tensors, false, &of_tests().unwrap());
    Ldm::new(&huge, &weights).unwrap();
    let problems = weights.problems(&[]).join("\n");
    for part in
        ["encoder.conv_in.weight is missing", "extra is not part", "encoder.conv_out.weight"]
    {
        assert!(problems.contains(part), "{problems}");
    }
}

#[test]
fn weights_that_are_not_numbers_give_an_error_with_the_place() {
    let [vq, _] = rules();
    let weights = Weights::fresh(1, &of_tests().unwrap());
    let tokenizer = build(&tiny(Naming::Taming, vq), &weights).unwrap();
    let bias = &weights.vars()["quant_conv.bias"];
    bias.set(&Tensor::new(vec![0.0, f32::NAN], &of_tests().unwrap()).unwrap()).unwrap();
    let error = tokenize(tokenizer.as_ref(), &picture(8, 8)).unwrap_err().to_string();
    assert!(error.contains("NaN in picture 0, channel 1, row 0, column 0"), "{error}");
}

#[test]
fn light_networks_are_the_same_family_with_parts_switched_off() {
    let [vq, _] = rules();
    let mut config = tiny(Naming::Taming, vq);
    config.network.ch_mult = vec![1, 2, 2];
    config.network.attn_resolutions = Vec::new();
    config.network.mid = false;
    config.network.decoder_res_blocks = Some(1);
    let weights = Weights::fresh(1, &of_tests().unwrap());
    let tokenizer = build(&config, &weights).unwrap();
    assert_eq!(tokenizer.facts().factor, 4);
    let tokens = tokenize(tokenizer.as_ref(), &picture(64, 64)).unwrap();
    assert_eq!(tokens.layout(), [PartShape::grid(16, 16)]);
    let names = weights.vars();
    assert!(names.keys().all(|name| !name.contains("mid") && !name.contains("attn")));
    assert!(!names.contains_key("decoder.up.0.block.1.conv1.weight"));
}

#[test]
fn configurations_are_read_from_ron_and_json_and_unknown_fields_refused() {
    for rule in rules() {
        let config = tiny(Naming::LlamaGen, rule);
        let text = ron::to_string(&config).unwrap();
        assert_eq!(ron::from_str::<TokenizerConfig>(&text).unwrap(), config, "{text}");
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<TokenizerConfig>(&text).unwrap(), config, "{text}");
    }
    let text =
        "(name: \"a\", network: (ch: 32, channel_count: 3), quantizer: Fsq((levels: [5, 5])))";
    let error = ron::from_str::<TokenizerConfig>(text).unwrap_err().to_string();
    assert!(error.contains("channel_count"), "{error}");
}
