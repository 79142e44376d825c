//! Configurations beside checkpoints: taken, wrong in a value, of another network; and what is said where
//! there is none.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use smalti_engine::Problem;
use smalti_engine::checkpoints::{Recognized, beside, open_tokenizer, read, recognize};
use smalti_tests::{device, fixture};

use crate::files::Saved;
use crate::wrapped::{network, renamed};

/// A folder with files of a fixture, some under other names, and what lies beside them.
fn folder_of(
    fixture_name: &str,
    files: &[(&str, &str)],
    beside: &[(&str, &str)],
) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in files {
        let to = folder.path().join(to);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(fixture(fixture_name).join(from), to).unwrap();
    }
    for (name, text) in beside {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn recognized(path: &Path) -> Recognized {
    recognize(&read(path).unwrap(), path, beside(path).as_ref()).unwrap()
}

fn settings(found: &Recognized) -> &Value {
    assert_eq!(found.problems, Vec::<String>::new());
    &found.design.as_ref().unwrap().settings
}

fn refused(path: &Path) -> Problem {
    open_tokenizer(path, &device()).map(|opened| opened.recognized).unwrap_err().problem()
}

fn has_note(found: &Recognized, words: &str) -> bool {
    found.notes.iter().filter(|note| note.contains(words)).count() == 1
}

/// VAR's tokenizer with a configuration under this name.
fn var(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = folder_of("var_vqvae", &[("weights.pth", "vae.pth")], &[(name, text)]);
    let path = folder.path().join("vae.pth");
    (folder, path)
}

#[test]
fn scales_of_var_are_read_as_its_scripts_write_them() {
    for text in
        [r#"{"patch_nums": "1_2_2_3_4_4_5_6_7_8"}"#, r#"{"patch_nums": [1,2,2,3,4,4,5,6,7,8]}"#]
    {
        let (_folder, path) = var("config.json", text);
        let found = recognized(&path);
        let scales = &settings(&found)["quantize"]["v_patch_nums"];
        assert_eq!(*scales, json!([1, 2, 2, 3, 4, 4, 5, 6, 7, 8]));
        assert!(has_note(&found, "with the configuration config.json"), "{:?}", found.notes);
    }
    // YAML 1.1, which PyYAML writes.
    let (_folder, path) = var("config.yaml", "using_znorm: yes\n");
    assert_eq!(settings(&recognized(&path))["quantize"]["using_znorm"], true);
}

#[test]
fn a_value_that_cannot_be_used_stops_the_opening_with_its_file_and_key() {
    for (text, key) in [
        (r#"{"patch_nums": "1_2_x"}"#, "patch_nums"),
        (r#"{"patch_nums": [16]}"#, "v_patch_nums"),
        (r#"{"using_znorm": "perhaps"}"#, "using_znorm"),
    ] {
        let (_folder, path) = var("config.json", text);
        let problem = refused(&path);
        assert!(
            problem.summary.contains("config.json: ") && problem.summary.contains(key),
            "{problem}"
        );
        assert!(!problem.hint.is_empty() && !problem.hint.contains("Smalti's own"), "{problem}");
        let found = recognized(&path);
        assert_eq!(
            (&*found.family, found.problems.len()),
            ("VAR VQVAE", 1),
            "{:?}",
            found.problems
        );
        assert!(!has_note(&found, "of another network"), "{:?}", found.notes);
    }
    let weights = "diffusion_pytorch_model.safetensors";
    let whole = std::fs::read(fixture("diffusers_vqmodel/published").join("config.json")).unwrap();
    let mut said: Value = serde_json::from_slice(&whole).unwrap();
    said["act_fn"] = "gelu".into();
    let text = said.to_string();
    let folder =
        folder_of("diffusers_vqmodel/published", &[(weights, weights)], &[("config.json", &text)]);
    let problem = refused(folder.path());
    assert!(problem.summary.contains("config.json: act_fn: \"gelu\" is not known"), "{problem}");
    let halves = [("encoder.jit", "encoder.jit"), ("decoder.jit", "decoder.jit")];
    let lfq = [("config.json", r#"{"quantizer": "LFQ", "embedding_dim": 4}"#)];
    let folder = folder_of("cosmos_di", &halves, &lfq);
    let problem = refused(folder.path());
    assert!(problem.summary.contains("config.json: quantizer: \"LFQ\""), "{problem}");
    let taming = "model: {target: a.VQModel, params: {ddconfig: {resolution: large}}}";
    let files = [("weights.ckpt", "model.ckpt")];
    let folder = folder_of("taming_vqmodel", &files, &[("model.yaml", taming)]);
    let problem = refused(folder.path());
    assert!(problem.summary.contains("model.yaml: model.params.ddconfig.resolution"), "{problem}");
}

#[test]
fn the_configuration_of_another_network_is_left_alone_and_said_to_be_one() {
    let (_folder, path) =
        var("config.json", r#"{"_class_name": "UNet2DModel", "norm_eps": "none"}"#);
    let found = recognized(&path);
    settings(&found);
    assert!(has_note(&found, "config.json beside it is of another network"), "{:?}", found.notes);
    // Of the same family, with other sizes.
    let weights = "diffusion_pytorch_model.safetensors";
    let whole = std::fs::read(fixture("diffusers_movq/published").join("config.json")).unwrap();
    let mut said: Value = serde_json::from_slice(&whole).unwrap();
    said["num_vq_embeddings"] = 8192.into();
    let text = said.to_string();
    let folder =
        folder_of("diffusers_movq/published", &[(weights, weights)], &[("config.json", &text)]);
    let found = recognized(folder.path());
    assert_eq!(settings(&found)["num_vq_embeddings"], 50);
    assert!(has_note(&found, "config.json beside it is of another network"), "{:?}", found.notes);
}

#[test]
fn a_configuration_that_cannot_be_read_is_noted_once() {
    for path in ["", "vae.pth"] {
        let (folder, _) = var("config.json", "{");
        let found = recognized(&folder.path().join(path));
        assert!(
            has_note(&found, "config.json beside it is not used: is no JSON"),
            "{:?}",
            found.notes
        );
    }
}

#[test]
fn ibq_is_told_by_its_configuration_or_its_names_and_doubt_is_said() {
    let quantizer = |file: &str, yaml: Option<&str>| {
        let beside: Vec<(&str, &str)> = yaml.iter().map(|text| ("model.yaml", *text)).collect();
        let folder = folder_of("taming_vqmodel", &[("weights.ckpt", file)], &beside);
        let found = recognized(&folder.path().join(file));
        settings(&found);
        (found.facts.clone().unwrap().quantizer, found)
    };
    let vq = "VQ, gradient";
    let (rule, found) = quantizer("imagenet256_16384.ckpt", None);
    assert!(
        rule == vq && has_note(&found, "IBQ has the same tensors"),
        "{rule}: {:?}",
        found.notes
    );
    for name in
        ["IBQ/imagenet256_16384.ckpt", "my_ibq.ckpt", "models--T--IBQ-16384/snapshots/0a/x.ckpt"]
    {
        let (rule, found) = quantizer(name, None);
        assert!(
            rule == "IBQ" && has_note(&found, "read as IBQ"),
            "{name}: {rule}, {:?}",
            found.notes
        );
    }
    let yaml = |class: &str, more: &str| format!("model: {{class_path: {class}{more}}}");
    // The configuration knows it better than any name.
    let (rule, found) = quantizer("ibq.ckpt", Some(&yaml("taming.models.vqgan.VQModel", "")));
    assert!(
        rule == vq && !found.notes.iter().any(|note| note.contains("IBQ")),
        "{:?}",
        found.notes
    );
    let (rule, _) = quantizer("x.ckpt", Some(&yaml("src.IBQ.models.ibqgan.IBQ", "")));
    assert_eq!(rule, "IBQ");
    // Attention where this network has none.
    let other = ", init_args: {ddconfig: {resolution: 256, attn_resolutions: [256]}}";
    let (rule, found) = quantizer("x.ckpt", Some(&yaml("src.IBQ.models.ibqgan.IBQ", other)));
    assert!(rule == "IBQ" && has_note(&found, "only the class that it names"), "{:?}", found.notes);
}

#[test]
fn groups_of_norms_that_nothing_tells_are_said_to_be_assumed() {
    let weights = "diffusion_pytorch_model.safetensors";
    let folder = folder_of("diffusers_movq/published", &[(weights, weights)], &[]);
    let found = recognized(folder.path());
    assert!(has_note(&found, "norms of 32 groups were assumed"), "{:?}", found.notes);
    let known = recognized(&fixture("diffusers_movq/published"));
    assert!(!known.notes.iter().any(|note| note.contains("assumed")), "{:?}", known.notes);
}

#[test]
fn a_network_of_continuous_latents_is_named_for_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kl-f8.pth");
    let mut tensors = network();
    tensors.retain(|(name, ..)| !name.starts_with("quantize."));
    for (name, shape, values) in &mut tensors {
        if name.starts_with("quant_conv.") {
            // A mean and a variance of each.
            shape[0] *= 2;
            *values = vec![0.5; shape.iter().product()];
        }
    }
    let mut saved = Saved::default();
    let value = saved.state(&tensors);
    std::fs::write(&path, saved.archive(&value)).unwrap();
    let problem = refused(&path);
    assert!(problem.summary.contains("continuous and it has no codebook"), "{problem}");
    assert!(problem.hint.contains("quantized"), "{problem}");
}

#[test]
fn averages_are_taken_only_if_all_parameters_have_one_and_nobody_says_otherwise() {
    let last = network();
    let half = last.iter().map(|(name, shape, values)| {
        (name.clone(), shape.clone(), values.iter().map(|x| 0.5 * x).collect())
    });
    let average = renamed(&half.collect(), |name| format!("model_ema.{}", name.replace('.', "")));
    let with = |without: &str, yaml: &[(&str, &str)], more: Option<&str>| {
        let folder = folder_of("taming_vqmodel", &[], yaml);
        let path = folder.path().join("model.pth");
        let mut all = last.clone();
        all.extend(more.map(|name| (name.to_owned(), vec![60], vec![1.0; 60])));
        all.extend(average.iter().filter(|(name, ..)| *name != without).cloned());
        let mut saved = Saved::default();
        let value = saved.state(&all);
        std::fs::write(&path, saved.archive(&value)).unwrap();
        recognized(&path)
    };
    let quantized = |without: &str, yaml: &[(&str, &str)]| with(without, yaml, None);
    let whole = quantized("", &[]);
    settings(&whole);
    assert!(has_note(&whole, "averaged weights (model_ema) stand in"), "{:?}", whole.notes);
    let lacking = quantized("model_ema.quantizeembeddingweight", &[]);
    settings(&lacking);
    let note = "lack 1 of the network's tensors (quantize.embedding.weight)";
    assert!(has_note(&lacking, note) && !has_note(&lacking, "stand in"), "{:?}", lacking.notes);
    // A codebook that is a moving average already has no other one.
    let sums = Some("quantize.embedding.cluster_size");
    let own = with("model_ema.quantizeembeddingweight", &[], sums);
    settings(&own);
    assert!(has_note(&own, "averaged weights (model_ema) stand in"), "{:?}", own.notes);
    let yaml = [("model.yaml", "model: {target: a.VQModel, params: {use_ema: no}}")];
    let unwanted = quantized("", &yaml);
    settings(&unwanted);
    let note = "as its configuration says (use_ema)";
    assert!(has_note(&unwanted, note) && !has_note(&unwanted, "stand in"), "{:?}", unwanted.notes);
}
