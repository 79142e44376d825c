//! What decides tokens, in a few digits: tokens of one hash mean the same to all who have it.
//!
//! Encoder and quantizer decide tokens, the decoder does not, nor does what only training uses: its
//! settings, which a checkpoint has or has not beside it, and its state, which publishers strip. Of the
//! settings only those count that change a number; names and shapes of tensors say the rest.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use serde_json::Value;

use super::recognize::Design;
use crate::Result;
use crate::tokenizers::Facts;

/// What a hash begins with. Those without it, of the first builds, took in settings of training as well.
const VERSION: &str = "2:";

/// Names of tensors that come after the tokens.
const AFTER_TOKENS: [&str; 4] = ["decoder.", "post_quant_conv.", "pixel_", "model_ema.decoder"];
/// The last part of names of tensors that only training uses.
const OF_TRAINING: [&str; 5] =
    ["cluster_size", "embed_avg", "embed_prob", "ema_vocab_hit_SV", "num_batches_tracked"];
/// Settings of what comes after the tokens.
const SETTINGS_AFTER: [&str; 2] = ["decoder", "pixel"];
/// Settings that change numbers where names and shapes are the same; with the one above where another rule
/// means something else by that name.
const DECIDING: [&str; 27] = [
    // Norms, and attention.
    "norm_groups",
    "norm_num_groups",
    "norm_eps",
    "batchnorm_eps",
    "heads",
    // Pixels before the first layer, and frames.
    "patch_size",
    "patch_method",
    "spatial_compression",
    "temporal_downsample_factor",
    // Which weights, and how they are read.
    "use_ema",
    "is_legacy",
    // Learned codes.
    "normalize",
    "use_l2_norm",
    "using_znorm",
    "v_patch_nums",
    "quant_resi",
    "share_quant_resi",
    "default_qresi_counts",
    // Codes that are numbers.
    "levels",
    "bound",
    "hard_clamp",
    "Fsq.eps",
    "fsq_eps",
    "Lfq.order",
    "Bsq.order",
    "quantizer.order",
    "factorized_bits",
];

/// The version and 16 hexadecimal digits over what decides tokens: the family and the rule, the settings
/// that change numbers, and names, shapes and numbers of the tensors of encoder and quantizer.
pub(super) fn token_hash(
    design: &Design,
    facts: &Facts,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<String> {
    let mut hash = text(0, &facts.family);
    for setting in deciding(&design.settings) {
        hash = text(hash, &setting);
    }
    for (name, tensor) in tensors {
        let is_after = AFTER_TOKENS.iter().any(|prefix| name.starts_with(prefix));
        let last = name.rsplit('.').next().unwrap_or_default();
        if is_after || OF_TRAINING.contains(&last) {
            continue;
        }
        hash = text(hash, name);
        hash = tensor.dims().iter().fold(hash, |hash, &side| mix(hash, side as u64));
        let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        hash = values.iter().fold(hash, |hash, x| mix(hash, x.to_bits().into()));
    }
    Ok(format!("{VERSION}{hash:016x}"))
}

/// Whether tokens of the hash `said` were made by another tokenizer than the one of `own`. Of hashes of
/// another version that cannot be told.
pub fn is_other_maker(said: &str, own: &str) -> bool {
    said.starts_with(VERSION) && said != own
}

fn mix(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}

fn text(hash: u64, text: &str) -> u64 {
    text.bytes().fold(hash, |hash, byte| mix(hash, byte.into()))
}

/// The settings that decide tokens, each as its path and value, and the rule.
fn deciding(settings: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(settings, &mut Vec::new(), &mut found);
    found
}

fn collect<'a>(value: &'a Value, path: &mut Vec<&'a str>, found: &mut Vec<String>) {
    let Some(fields) = value.as_object() else {
        if path.last().is_some_and(|last| decides(path, last)) {
            found.push(format!("{}={value}", path.join(".")));
        }
        return;
    };
    // A rule is told by the name of its variant, also where none of its settings decides.
    let is_rule = |name: &&str| name.starts_with(|first: char| first.is_ascii_uppercase());
    if path.len() > 1 && path[path.len() - 2] == "quantizer" && path.last().is_some_and(is_rule) {
        found.push(path.join("."));
    }
    for (name, value) in fields {
        if SETTINGS_AFTER.contains(&name.as_str()) {
            continue;
        }
        path.push(name);
        collect(value, path, found);
        path.pop();
    }
}

fn decides(path: &[&str], last: &str) -> bool {
    let with_above = path.len().checked_sub(2).map(|above| format!("{}.{last}", path[above]));
    DECIDING.contains(&last) || with_above.is_some_and(|name| DECIDING.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{Precision, open_tokenizer, save_model};
    use super::*;
    use crate::device::of_tests;
    use crate::layers::Weights;
    use crate::quantizers::{
        CodebookUpdate, FsqConfig, GumbelConfig, IbqConfig, LfqConfig, MultiScaleConfig,
        QuantizerConfig, ResidualVqConfig, SimVqConfig, VqConfig,
    };
    use crate::tokenizers::{self, LdmConfig, TokenizerConfig};
    use crate::tokenizers::{cosmos, diffusers, emu3, magvit2, maskgit_vqgan, titok, var};

    /// Settings that change no token: those of training, those of the decoder alone, and those that names
    /// and shapes of tensors tell.
    const NOT_DECIDING: &str = "name naming in_channels out_ch out_channels num_channels ch ch_mult channels \
        channels_mult num_res_blocks decoder_res_blocks attn_resolutions resolution z_channels embed_dim \
        double_z mid mid_attention codes beta placement update decay Vq.eps vq.eps restart start through \
        entropy_weight entropy_temperature noise_dropout scale temperature sample_minimization_weight \
        batch_maximization_weight log_floor commitment_weight n_embed quant_loss_weight \
        entropy_loss_weight frozen_dim kl_weight temp_init straight_through embedding_dim quantizer \
        down_block_types up_block_types block_out_channels layers_per_block act_fn latent_channels \
        num_vq_embeddings vq_embed_dim norm_type mid_block_add_attention codebook_size hidden_channels \
        channel_mult num_embeddings commitment_cost crop_size width layers num_latent_tokens token_size \
        using_sa using_mid_sa quant_conv_ks vocab_size quantize_dropout";

    fn leaves(value: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        match value.as_object() {
            None => found.push(path.clone()),
            Some(fields) => {
                for (name, value) in fields {
                    path.push(name.clone());
                    leaves(value, path, found);
                    path.pop();
                }
            }
        }
    }

    fn own(quantizer: QuantizerConfig) -> TokenizerConfig {
        let network = LdmConfig {
            ch: 4,
            ch_mult: vec![1, 2],
            num_res_blocks: 1,
            attn_resolutions: Vec::new(),
            resolution: 8,
            z_channels: 3,
            embed_dim: 2,
            norm_groups: 2,
            ..LdmConfig::default()
        };
        TokenizerConfig { name: "tiny".to_owned(), network, quantizer }
    }

    /// A setting that is new is in one of the two lists before it is in any file.
    #[test]
    fn every_setting_of_every_family_decides_tokens_or_does_not() {
        fn value(config: impl serde::Serialize) -> Value {
            serde_json::to_value(config).unwrap()
        }
        let vit = titok::VitConfig { width: 8, layers: 1, heads: 2, patch_size: 4 };
        let titok = titok::TitokConfig {
            num_channels: 3,
            crop_size: 8,
            encoder: vit.clone(),
            decoder: vit,
            num_latent_tokens: 4,
            token_size: 2,
            codebook_size: 8,
            use_l2_norm: true,
            commitment_cost: 0.25,
            is_legacy: false,
            pixel: None,
        };
        let rules = [
            QuantizerConfig::Vq(VqConfig::default()),
            QuantizerConfig::Fsq(FsqConfig::default()),
            QuantizerConfig::Lfq(LfqConfig::default()),
            QuantizerConfig::Bsq(LfqConfig::default()),
            QuantizerConfig::Residual(ResidualVqConfig::default()),
            QuantizerConfig::Ibq(IbqConfig::default()),
            QuantizerConfig::SimVq(SimVqConfig::default()),
            QuantizerConfig::Gumbel(GumbelConfig::default()),
            QuantizerConfig::MultiScale(MultiScaleConfig::default()),
        ];
        let mut all: Vec<Value> = rules.into_iter().map(|rule| value(own(rule))).collect();
        all.extend([
            value(cosmos::CosmosConfig::default()),
            value(diffusers::VqModelConfig::default()),
            value(emu3::Emu3Config::default()),
            value(magvit2::Magvit2Config::default()),
            value(maskgit_vqgan::MaskGitConfig::default()),
            value(var::VarConfig::default()),
            value(titok),
        ]);
        let not: BTreeSet<&str> = NOT_DECIDING.split_whitespace().collect();
        for settings in &all {
            let mut found = Vec::new();
            leaves(settings, &mut Vec::new(), &mut found);
            for path in found {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                let last = path[path.len() - 1];
                let is_after = path.iter().any(|name| SETTINGS_AFTER.contains(name));
                let above = path.len().checked_sub(2).map_or("", |above| path[above]);
                let does_not = not.contains(last) || not.contains(&*format!("{above}.{last}"));
                let is_known = is_after || decides(&path, last) != does_not;
                assert!(is_known, "{}: in one list, and one only", path.join("."));
            }
        }
    }

    /// The hash of a file of this configuration, with weights drawn from a seed.
    fn hash_of(
        config: &TokenizerConfig,
        seed: u64,
        change: impl Fn(&mut BTreeMap<String, Tensor>),
    ) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let device = of_tests().unwrap();
        let weights = Weights::fresh(seed, &device);
        let made = tokenizers::build(config, &weights).unwrap();
        let vars = weights.vars();
        let mut tensors: BTreeMap<String, Tensor> =
            vars.into_iter().map(|(name, var)| (name, var.as_tensor().clone())).collect();
        tensors.extend(made.quantizer().state());
        change(&mut tensors);
        let metadata = serde_json::json!({ "kind": "tokenizer", "config": config });
        save_model(&path, &tensors, &metadata, Precision::F32).unwrap();
        open_tokenizer(&path, &device).unwrap().token_hash
    }

    #[test]
    fn what_only_training_and_the_decoder_use_changes_no_hash_and_all_else_does() {
        let vq = VqConfig { codes: 6, ..VqConfig::default() };
        let of = |vq: &VqConfig, change: &dyn Fn(&mut BTreeMap<String, Tensor>)| {
            hash_of(&own(QuantizerConfig::Vq(vq.clone())), 1, change)
        };
        let plain = of(&vq, &|_| {});
        assert!(plain.starts_with(VERSION) && plain.len() == VERSION.len() + 16, "{plain}");
        let trained =
            VqConfig { beta: 0.5, decay: 0.9, eps: 1e-3, entropy_weight: 0.1, ..vq.clone() };
        assert_eq!(of(&trained, &|_| {}), plain, "other settings of training");
        let stripped = |tensors: &mut BTreeMap<String, Tensor>| {
            tensors
                .retain(|name, _| !name.ends_with("embed_avg") && !name.ends_with("cluster_size"));
        };
        assert_eq!(of(&vq, &stripped), plain, "without the averages of training");
        let gradient = VqConfig { update: CodebookUpdate::Gradient, ..vq.clone() };
        assert_eq!(of(&gradient, &stripped), plain, "without the word that they were there");
        let moved = |part: &'static str| {
            move |tensors: &mut BTreeMap<String, Tensor>| {
                let name = tensors.keys().find(|name| name.contains(part)).unwrap().clone();
                let more = (&tensors[&name] + 1.0).unwrap();
                tensors.insert(name, more);
            }
        };
        assert_eq!(of(&vq, &moved("decoder.")), plain, "another decoder");
        assert_ne!(of(&vq, &moved("encoder.")), plain, "another encoder");
        assert_ne!(of(&vq, &moved("embedding.weight")), plain, "other codes");
        assert_ne!(of(&VqConfig { normalize: true, ..vq.clone() }, &|_| {}), plain);
        let fsq = |levels: Vec<u32>| {
            let rule = QuantizerConfig::Fsq(FsqConfig { levels, ..FsqConfig::default() });
            hash_of(&own(rule), 1, |_| {})
        };
        assert_ne!(fsq(vec![5, 4]), fsq(vec![4, 5]));
        let ibq = IbqConfig { n_embed: 6, ..IbqConfig::default() };
        let ibq = hash_of(&own(QuantizerConfig::Ibq(ibq)), 1, |_| {});
        assert_ne!(ibq, of(&gradient, &|_| {}), "the largest product, not the nearest");
    }

    #[test]
    fn a_hash_of_another_version_accuses_nobody() {
        let own = "2:0123456789abcdef";
        assert!(is_other_maker("2:fedcba9876543210", own));
        assert!(!is_other_maker(own, own));
        for unknown in ["0123456789abcdef", "3:0123456789abcdef", ""] {
            assert!(!is_other_maker(unknown, own), "{unknown:?}");
        }
    }
}
