//! Hyper-parameters of VAR's VQVAE, with the published names, and how they are told from a checkpoint.

use crate::layers::Grouping;
use crate::quantizers::MultiScaleConfig;
use crate::tokenizers::clues::{Said, grouped, multiple, within};
use crate::tokenizers::family::{Beside, Shapes, any, count, size};
use crate::{EngineError, Result};

/// VAR's VQVAE: encoder, decoder and the scales between them.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VarConfig {
    /// Channels of an image and of its reconstruction.
    pub in_channels: usize,
    /// Channels of the finest level before its multiplier.
    pub ch: usize,
    /// Multiplier of `ch` for each level, the finest first. The factor is 2^(levels - 1).
    pub ch_mult: Vec<usize>,
    /// Residual blocks of each level of the encoder; the decoder has one more.
    pub num_res_blocks: usize,
    /// Channels of a code, D.
    pub z_channels: usize,
    /// Attention behind each block of the coarsest level.
    pub using_sa: bool,
    /// Attention between the blocks behind it.
    pub using_mid_sa: bool,
    /// Window of the convolutions before and behind the quantizer.
    pub quant_conv_ks: usize,
    /// The quantizer.
    pub quantize: MultiScaleConfig,
    /// Groups of every norm.
    pub norm_groups: usize,
    /// What every norm adds to the variance.
    pub norm_eps: f64,
}

impl Default for VarConfig {
    fn default() -> Self {
        Self {
            in_channels: 3,
            ch: 160,
            ch_mult: vec![1, 1, 2, 2, 4],
            num_res_blocks: 2,
            z_channels: 32,
            using_sa: true,
            using_mid_sa: true,
            quant_conv_ks: 3,
            quantize: MultiScaleConfig::default(),
            norm_groups: 32,
            norm_eps: 1e-6,
        }
    }
}

impl VarConfig {
    /// Pixels per place of the last scale along a side.
    pub fn factor(&self) -> usize {
        1 << (self.ch_mult.len().max(1) - 1)
    }

    /// Pixels along a side of the images that the scales are made for.
    pub fn image_side(&self) -> usize {
        self.factor() * self.quantize.side()
    }

    /// Channels of a level.
    pub fn channels(&self, level: usize) -> usize {
        self.ch * self.ch_mult[level]
    }

    /// The groups of every norm.
    pub fn grouping(&self) -> Grouping {
        Grouping { groups: self.norm_groups, eps: self.norm_eps }
    }

    /// Checks every size before anything is allocated.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the field and what to do.
    pub fn validate(&self) -> Result<()> {
        if !matches!(self.in_channels, 1 | 3) {
            let reason = format!("images of {} channels", self.in_channels);
            return Err(EngineError::bad_input("in_channels", reason, "1 or 3 can be shown"));
        }
        within("ch", self.ch, 1, 4096)?;
        within("ch_mult (number of levels)", self.ch_mult.len(), 1, 8)?;
        within("num_res_blocks", self.num_res_blocks, 1, 16)?;
        within("z_channels", self.z_channels, 1, 4096)?;
        for &multiplier in &self.ch_mult {
            within("ch_mult", multiplier, 1, 64)?;
            within("ch times ch_mult", self.ch * multiplier, 1, 4096)?;
        }
        if !matches!(self.quant_conv_ks, 1 | 3 | 5 | 7) {
            let reason = format!("a window of {}", self.quant_conv_ks);
            return Err(EngineError::bad_input("quant_conv_ks", reason, "1, 3, 5 and 7 fit"));
        }
        // The first block of the encoder takes `ch` channels before any multiplier.
        let mut channels = vec![self.ch];
        channels.extend((0..self.ch_mult.len()).map(|level| self.channels(level)));
        grouped(self.norm_groups, self.norm_eps, &channels)?;
        self.quantize.validate(self.z_channels)
    }
}

/// Whether the names are those of VAR's VQVAE: levels as taming-transformers names them, but queries,
/// keys and values from one convolution, or phis.
pub fn claims(shapes: &Shapes<'_>) -> bool {
    any(shapes, "encoder.down.0.block.0.")
        && any(shapes, "decoder.up.0.block.0.")
        && (any(shapes, "encoder.mid.attn_1.qkv.")
            || any(shapes, "decoder.mid.attn_1.qkv.")
            || any(shapes, "quantize.quant_resi.")
            || any(shapes, "quantize.ema_vocab_hit_SV"))
}

/// The configuration of a checkpoint, from its shapes and what lies beside it.
///
/// Shapes tell all sizes. They do not tell, and without a configuration are taken as published: the
/// scales (`v_patch_nums` or `patch_nums`; those of 256 pixels, though the same published file serves
/// 512 and 1024 pixels as well), the share of phi (`quant_resi` 0.5), `using_znorm` (no), `beta`, and
/// the norms' groups (32) and epsilon (1e-6).
///
/// # Errors
/// [`EngineError::BadInput`] if a tensor that decides is missing, or something is of the wrong kind.
pub fn configure(shapes: &Shapes<'_>, beside: Option<&Beside>) -> Result<VarConfig> {
    let said = Said(beside);
    let defaults = VarConfig::default();
    let ch = size(shapes, "encoder.conv_in.weight", 0)?;
    let conv1 =
        |level: usize, block: usize| format!("encoder.down.{level}.block.{block}.conv1.weight");
    let levels = count(shapes, |level| conv1(level, 0));
    let multiplier = |level: usize| {
        let name = conv1(level, 0);
        multiple(&name, size(shapes, &name, 0)?, ch)
    };
    let config = VarConfig {
        in_channels: size(shapes, "encoder.conv_in.weight", 1)?,
        ch,
        ch_mult: (0..levels).map(multiplier).collect::<Result<_>>()?,
        num_res_blocks: count(shapes, |block| conv1(0, block)),
        z_channels: size(shapes, "encoder.conv_out.weight", 0)?,
        using_sa: any(shapes, &format!("encoder.down.{}.attn.", levels.saturating_sub(1))),
        using_mid_sa: any(shapes, "encoder.mid.attn_1."),
        quant_conv_ks: size(shapes, "quant_conv.weight", 2)?,
        quantize: quantizer(shapes, said)?,
        norm_groups: said
            .whole(&["/vae_groupnorm_groups", "/norm_groups"])?
            .unwrap_or(defaults.norm_groups),
        norm_eps: said.number(&["/vae_groupnorm_eps", "/norm_eps"])?.unwrap_or(defaults.norm_eps),
    };
    config.validate()?;
    Ok(config)
}

/// The scales, as a list or in the words of VAR's command line: "1_2_3", or the pixels of an image.
fn scales(said: Said<'_>) -> Result<Option<Vec<usize>>> {
    let given = said.wholes(&["/v_patch_nums", "/patch_nums", "/pn"])?;
    Ok(given.map(|given| match given[..] {
        [256] => vec![1, 2, 3, 4, 5, 6, 8, 10, 13, 16],
        [512] => vec![1, 2, 3, 4, 6, 9, 13, 18, 24, 32],
        [1024] => vec![1, 2, 3, 4, 5, 7, 9, 12, 16, 21, 27, 36, 48, 64],
        _ => given,
    }))
}

fn quantizer(shapes: &Shapes<'_>, said: Said<'_>) -> Result<MultiScaleConfig> {
    let defaults = MultiScaleConfig::default();
    let codes = size(shapes, "quantize.embedding.weight", 0)?;
    let v_patch_nums = scales(said)?.unwrap_or(defaults.v_patch_nums);
    let apart = count(shapes, |at| format!("quantize.quant_resi.{at}.weight"));
    let shared = count(shapes, |at| format!("quantize.quant_resi.qresi_ls.{at}.weight"));
    let one = any(shapes, "quantize.quant_resi.qresi.");
    let (share_quant_resi, none) = match (apart, shared, one) {
        (1.., _, _) => (0, false),
        (_, 1.., _) => (shared, false),
        (_, _, true) => (1, false),
        // A phi that counts for nothing leaves no tensor.
        _ => (defaults.share_quant_resi, true),
    };
    let given = said.number(&["/quant_resi"])?;
    Ok(MultiScaleConfig {
        vocab_size: u32::try_from(codes).unwrap_or(u32::MAX),
        using_znorm: said.flag(&["/using_znorm"])?.unwrap_or(defaults.using_znorm),
        beta: said.number(&["/beta"])?.unwrap_or(defaults.beta),
        quant_resi: if none { 0.0 } else { given.unwrap_or(defaults.quant_resi) },
        share_quant_resi,
        default_qresi_counts: if apart == v_patch_nums.len() { 0 } else { apart },
        v_patch_nums,
        ..defaults
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Spoil = &'static dyn Fn(&mut VarConfig);

    #[test]
    fn impossible_sizes_are_refused_before_anything_is_allocated() {
        let good = VarConfig::default();
        good.validate().unwrap();
        assert_eq!((good.factor(), good.image_side()), (16, 256));
        let refused: [(&str, Spoil); 10] = [
            ("in_channels", &|c| c.in_channels = 4),
            ("ch", &|c| c.ch = usize::MAX),
            ("ch_mult", &|c| c.ch_mult = Vec::new()),
            ("norm_groups", &|c| c.ch = 8),
            ("norm_eps", &|c| c.norm_eps = f64::NAN),
            ("quant_conv_ks", &|c| c.quant_conv_ks = 2),
            ("v_patch_nums", &|c| c.quantize.v_patch_nums = vec![16]),
            ("v_patch_nums", &|c| c.quantize.v_patch_nums = vec![1, 0, 4]),
            ("v_patch_nums", &|c| c.quantize.v_patch_nums = vec![1, 1 << 40]),
            ("vocab_size", &|c| c.quantize.vocab_size = 0),
        ];
        for (field, change) in refused {
            let mut config = good.clone();
            change(&mut config);
            let error = config.validate().expect_err(field).to_string();
            assert!(error.contains(field), "{field}: {error}");
        }
    }

    fn beside(value: serde_json::Value) -> Beside {
        Beside { path: "config.json".into(), value }
    }

    /// Names and shapes of a network of two levels, as small as can be.
    fn shapes(more: &[(&str, &[usize])]) -> Vec<(String, Vec<usize>)> {
        let mut all: Vec<(String, Vec<usize>)> = [
            ("encoder.conv_in.weight", &[32, 3, 3, 3][..]),
            ("encoder.down.0.block.0.conv1.weight", &[32, 32, 3, 3]),
            ("encoder.down.1.block.0.conv1.weight", &[64, 32, 3, 3]),
            ("encoder.mid.attn_1.qkv.weight", &[192, 64, 1, 1]),
            ("encoder.conv_out.weight", &[8, 64, 3, 3]),
            ("quant_conv.weight", &[8, 8, 3, 3]),
            ("quantize.embedding.weight", &[64, 8]),
            ("decoder.up.0.block.0.conv1.weight", &[32, 64, 3, 3]),
        ]
        .map(|(name, shape)| (name.to_owned(), shape.to_vec()))
        .to_vec();
        all.extend(more.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())));
        all
    }

    fn configured(more: &[(&str, &[usize])], beside: Option<&Beside>) -> Result<VarConfig> {
        let owned = shapes(more);
        let shapes: Shapes<'_> =
            owned.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
        assert!(claims(&shapes));
        configure(&shapes, beside)
    }

    #[test]
    fn the_three_ways_to_share_phis_and_none_at_all_are_told_apart() {
        let phi: &[usize] = &[8, 8, 3, 3];
        let told = |more: &[(&str, &[usize])]| {
            let found = configured(more, None).unwrap().quantize;
            (found.share_quant_resi, found.default_qresi_counts, found.quant_resi)
        };
        let [a, b, c] = ["0.weight", "1.weight", "2.weight"];
        let named = |names: &[String]| {
            let list: Vec<(&str, &[usize])> = names.iter().map(|n| (n.as_str(), phi)).collect();
            told(&list)
        };
        let below = |prefix: &str| [a, b, c].map(|n| format!("quantize.quant_resi.{prefix}{n}"));
        assert_eq!(named(&below("qresi_ls.")), (3, 0, 0.5));
        assert_eq!(named(&below("")), (0, 3, 0.5));
        assert_eq!(named(&["quantize.quant_resi.qresi.weight".to_owned()]), (1, 0, 0.5));
        assert_eq!(told(&[]), (4, 0, 0.0));
    }

    #[test]
    fn what_lies_beside_says_what_shapes_cannot() {
        let beside = beside(serde_json::json!({
            "patch_nums": [1, 2, 4], "using_znorm": true, "norm_eps": 1e-5, "vae_groupnorm_groups": 8,
        }));
        let found = configured(&[], Some(&beside)).unwrap();
        assert_eq!(found.quantize.v_patch_nums, [1, 2, 4]);
        assert!(found.quantize.using_znorm);
        assert_eq!((found.norm_groups, found.norm_eps, found.image_side()), (8, 1e-5, 8));
        let wrong = self::beside(serde_json::json!({ "patch_nums": "1_2_x" }));
        let error = configured(&[], Some(&wrong)).unwrap_err().to_string();
        assert!(error.contains("patch_nums") && error.contains("1_2_x"), "{error}");
    }

    #[test]
    fn scales_are_read_as_the_command_line_of_var_takes_them() {
        for (key, said) in [
            ("patch_nums", "1_2_3_4_6_9_13_18_24_32"),
            ("pn", "1-2-3-4-6-9-13-18-24-32"),
            ("pn", "512"),
        ] {
            let found = configured(&[], Some(&beside(serde_json::json!({ key: said })))).unwrap();
            assert_eq!(found.quantize.v_patch_nums, [1, 2, 3, 4, 6, 9, 13, 18, 24, 32], "{said}");
        }
    }

    #[test]
    fn a_missing_tensor_is_named() {
        let owned = shapes(&[]);
        let all: Shapes<'_> =
            owned.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
        for gone in ["encoder.conv_in.weight", "quantize.embedding.weight", "quant_conv.weight"] {
            let mut some = all.clone();
            some.remove(gone);
            assert!(claims(&some), "{gone}");
            let error = configure(&some, None).unwrap_err().to_string();
            assert!(error.contains(gone), "{gone}: {error}");
        }
    }
}
