//! What is told of a TiTok from its shapes, and what is refused.

use serde_json::{Value, json};

use super::*;

/// Names and shapes of a published size: 256 pixels in patches of 16.
/// Tensors by name with their shapes.
type Owned = Vec<(String, Vec<usize>)>;

fn shapes(legacy: bool, width: usize) -> Owned {
    let mut all = vec![
        ("latent_tokens".to_owned(), vec![32, width]),
        ("encoder.patch_embed.weight".to_owned(), vec![width, 3, 16, 16]),
        ("encoder.conv_out.weight".to_owned(), vec![12, width, 1, 1]),
        ("decoder.decoder_embed.weight".to_owned(), vec![width, 12]),
        ("quantize.embedding.weight".to_owned(), vec![4096, 12]),
    ];
    for half in ["encoder", "decoder"] {
        all.push((format!("{half}.positional_embedding"), vec![257, width]));
        for block in 0..2 {
            let name = format!("{half}.transformer.{block}");
            all.push((format!("{name}.ln_1.weight"), vec![width]));
            all.push((format!("{name}.attn.in_proj_weight"), vec![3 * width, width]));
        }
    }
    if legacy {
        all.push(("decoder.ffn.0.weight".to_owned(), vec![2 * width, width, 1, 1]));
        all.push(("decoder.ffn.2.weight".to_owned(), vec![1024, 2 * width, 1, 1]));
        all.push(("pixel_quantize.embedding.weight".to_owned(), vec![1024, 256]));
        for (level, channels) in [128, 128, 256, 256, 512].into_iter().enumerate() {
            for block in 0..2 {
                let name = format!("pixel_decoder.up.{level}.block.{block}.conv1.weight");
                all.push((name, vec![channels, channels, 3, 3]));
            }
        }
    } else {
        all.push(("decoder.ffn.0.weight".to_owned(), vec![768, width, 1, 1]));
    }
    all
}

fn told(owned: &[(String, Vec<usize>)], beside: Option<&Value>) -> Result<TitokConfig> {
    let shapes: Shapes<'_> =
        owned.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    assert!(claims(&shapes));
    let beside = beside.map(|value| Beside { path: "config.json".into(), value: value.clone() });
    configure(&shapes, beside.as_ref())
}

#[test]
fn both_published_forms_are_told_from_shapes_alone() {
    let legacy = told(&shapes(true, 1024), None).unwrap();
    assert!(legacy.is_legacy && legacy.use_l2_norm);
    assert_eq!((legacy.crop_size, legacy.num_latent_tokens), (256, 32));
    assert_eq!((legacy.encoder.heads, legacy.encoder.layers), (16, 2));
    assert_eq!(legacy.decoder.patch_size, 16);
    assert_eq!(legacy.pixel.unwrap().channels, [128, 128, 256, 256, 512]);
    let direct = told(&shapes(false, 512), None).unwrap();
    assert!(!direct.is_legacy && !direct.use_l2_norm && direct.pixel.is_none());
    assert_eq!((direct.encoder.heads, direct.decoder.patch_size), (8, 16));
}

#[test]
fn what_lies_beside_beats_what_is_usual() {
    let beside =
        json!({ "model": { "vq_model": { "use_l2_norm": true, "commitment_cost": 0.5 } } });
    let found = told(&shapes(false, 512), Some(&beside)).unwrap();
    assert!(found.use_l2_norm);
    assert_eq!(found.commitment_cost, 0.5);
    // A width of no published size: only the configuration can say how many heads it has.
    let odd = shapes(false, 40);
    let error = told(&odd, None).unwrap_err();
    assert!(error.to_string().contains("heads"), "{error}");
    assert!(error.problem().hint.contains("config.json"), "{}", error.problem().hint);
    assert_eq!(told(&odd, Some(&json!({ "heads": 5 }))).unwrap().decoder.heads, 5);
    let wrong = json!({ "model": { "vq_model": { "use_l2_norm": "yes" } } });
    let error = told(&shapes(false, 512), Some(&wrong)).unwrap_err().to_string();
    assert!(error.contains("model.vq_model.use_l2_norm"), "{error}");
}

#[test]
fn relatives_that_have_no_tokens_or_no_picture_are_said_to_be_so() {
    let refused = |change: &dyn Fn(&mut Owned), legacy: bool, why: &str| {
        let mut owned = shapes(legacy, 512);
        change(&mut owned);
        let error = told(&owned, None).unwrap_err().to_string();
        assert!(error.contains(why), "{why}: {error}");
    };
    refused(&|all| all.retain(|(name, _)| !name.starts_with("quantize.")), false, "continuous");
    refused(&|all| all.retain(|(name, _)| !name.starts_with("pixel_")), true, "first stage");
    let text = ("decoder.text_guidance_proj.weight".to_owned(), vec![512, 768]);
    refused(&|all| all.push(text.clone()), false, "text");
}

type Spoil = &'static dyn Fn(&mut TitokConfig);

#[test]
fn impossible_sizes_are_refused_before_anything_is_allocated() {
    let refused: [(&str, Spoil); 9] = [
        ("crop_size", &|c| c.crop_size = 1 << 40),
        ("patch_size", &|c| c.encoder.patch_size = 7),
        ("patch_size", &|c| c.decoder.patch_size = 0),
        ("heads", &|c| c.decoder.heads = 0),
        ("heads", &|c| c.encoder.heads = 7),
        ("width", &|c| c.encoder.width = usize::MAX),
        ("pixel.channels", &|c| c.pixel.as_mut().unwrap().channels = vec![32]),
        ("pixel", &|c| c.pixel = None),
        ("codes", &|c| c.codebook_size = 0),
    ];
    let good = told(&shapes(true, 512), None).unwrap();
    for (field, change) in refused {
        let mut config = good.clone();
        change(&mut config);
        let error = config.validate().expect_err(field).to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
}
