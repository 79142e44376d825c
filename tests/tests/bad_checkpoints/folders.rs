//! Folders as people share them: which file is the checkpoint, which the configuration.

use std::path::{Path, PathBuf};

use serde_json::json;
use smalti_engine::checkpoints::{Container, beside, read};
use smalti_tests::{case, fixture};

use crate::files::{described, dict, safetensors, tensor, torch_zip};

/// A small checkpoint file.
fn checkpoint(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = if ending == "safetensors" {
        safetensors(&format!("{{{}}}", described("w", "[2]", 0, 8)), &[0; 8])
    } else {
        torch_zip(&dict(&[("w", tensor("0", 2, 0, &[2], &[1]))]), &[1.0, 2.0])
    };
    std::fs::write(path, bytes).unwrap();
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// The folder that was read, for the note that says so.
fn read_of(folder: &Path) -> String {
    let read = read(folder).unwrap_or_else(|e| panic!("{e}"));
    assert!(read.tensors.contains_key("w"));
    read.notes[0].clone()
}

#[test]
fn the_checkpoint_of_a_folder_is_found() {
    let whole = tempfile::tempdir().unwrap();
    let layouts: [(&[&str], &str); 9] = [
        (&["vq-f4/model.ckpt", "vq-f4/config.yaml"], "model.ckpt"),
        (&["one/epoch=3.ckpt"], "epoch=3.ckpt"),
        (&["last/epoch=1.ckpt", "last/epoch=2.ckpt", "last/last.ckpt"], "last.ckpt"),
        (&["hf/model.safetensors", "hf/pytorch_model.bin", "hf/config.json"], "model.safetensors"),
        (&["diffusers/diffusion_pytorch_model.bin"], "diffusion_pytorch_model.bin"),
        (
            &[
                "pipe/vqvae/diffusion_pytorch_model.safetensors",
                "pipe/unet/x.bin",
                "pipe/vqvae/config.json",
            ],
            "vqvae/diffusion_pytorch_model.safetensors",
        ),
        (
            &["movq/movq/diffusion_pytorch_model.bin", "movq/model_index.json"],
            "movq/diffusion_pytorch_model.bin",
        ),
        (&["logs/checkpoints/last.ckpt", "logs/configs/1-project.yaml"], "checkpoints/last.ckpt"),
        (&["twice/tokenizer.bin", "twice/tokenizer.safetensors"], "tokenizer.safetensors"),
    ];
    for (files, chosen) in layouts {
        for file in files {
            let path = whole.path().join(file);
            if file.ends_with("json") || file.ends_with("yaml") {
                write(&path, "{}");
            } else {
                checkpoint(&path);
            }
        }
        let folder = whole.path().join(files[0].split('/').next().unwrap());
        assert_eq!(read_of(&folder), format!("read {chosen} of the folder"));
    }
}

#[test]
fn a_folder_with_several_checkpoints_or_none_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = read(folder.path()).unwrap_err();
    assert!(error.is_bad_input() && error.to_string().contains("a folder without a checkpoint"));
    for name in ["a.ckpt", "b.ckpt"] {
        checkpoint(&folder.path().join(name));
    }
    let error = read(folder.path()).unwrap_err().problem();
    assert!(error.summary.contains("2 checkpoints: a.ckpt, b.ckpt"), "{error}");
    assert_eq!(error.hint, "give one of them");
    // The same in a folder of logs.
    let logs = tempfile::tempdir().unwrap();
    for name in ["checkpoints/a.ckpt", "checkpoints/b.ckpt"] {
        checkpoint(&logs.path().join(name));
    }
    let error = read(logs.path()).unwrap_err().to_string();
    assert!(error.contains("2 checkpoints: a.ckpt, b.ckpt"), "{error}");
}

#[test]
fn the_configuration_beside_a_checkpoint_is_found_and_read() {
    let whole = tempfile::tempdir().unwrap();
    let at = |name: &str| whole.path().join(name);
    let found = |path: PathBuf| -> String {
        let beside = beside(&path).unwrap_or_else(|| panic!("nothing beside {}", path.display()));
        assert_eq!(beside.problem, None);
        assert_eq!(beside.value["a"], 1, "{}", path.display());
        beside.path.strip_prefix(whole.path()).unwrap().display().to_string()
    };
    for name in ["f/last.ckpt", "logs/checkpoints/last.ckpt", "v/checkpoints/last.ckpt", "own/x.pt"]
    {
        checkpoint(&at(name));
    }
    write(&at("f/config.yaml"), "a: 1");
    assert_eq!(found(at("f/last.ckpt")), "f/config.yaml");
    assert_eq!(found(at("f")), "f/config.yaml");
    write(&at("logs/configs/2020-01-project.yaml"), "a: 0");
    write(&at("logs/configs/2021-01-project.yaml"), "a: 1");
    write(&at("logs/configs/2021-01-lightning.yaml"), "b: 1");
    assert_eq!(found(at("logs/checkpoints/last.ckpt")), "logs/configs/2021-01-project.yaml");
    assert_eq!(found(at("logs")), "logs/configs/2021-01-project.yaml");
    write(&at("v/hparams.yaml"), "a: 1");
    assert_eq!(found(at("v/checkpoints/last.ckpt")), "v/hparams.yaml");
    write(&at("own/x.yaml"), "a: 1");
    write(&at("own/config.yaml"), "a: 2");
    assert_eq!(found(at("own/x.pt")), "own/x.yaml");
    for name in ["titok_config.json", "hf_config.json", "config.json", "model.yaml", "some.yaml"] {
        let folder = format!("only-{name}");
        checkpoint(&at(&folder).join("weights.bin"));
        write(&at(&folder).join(name), "{\"a\": 1}");
        assert_eq!(found(at(&folder).join("weights.bin")), format!("{folder}/{name}"));
    }
    checkpoint(&at("pipe/vqvae/diffusion_pytorch_model.safetensors"));
    write(&at("pipe/vqvae/config.json"), "{\"a\": 1}");
    write(&at("pipe/model_index.json"), "{\"a\": 0}");
    assert_eq!(found(at("pipe")), "pipe/vqvae/config.json");
    checkpoint(&at("nothing/x.pt"));
    assert_eq!(beside(&at("nothing/x.pt")), None);
    assert_eq!(beside(&at("nowhere/x.pt")), None);
}

#[test]
fn a_yaml_as_latent_diffusion_shares_it_says_what_it_says() {
    let beside = beside(&case("vq-f4")).expect("a configuration");
    assert_eq!(beside.problem, None);
    let should = json!({ "model": {
        "target": "ldm.models.autoencoder.VQModel",
        "params": {
            "embed_dim": 8,
            "n_embed": 60,
            "ddconfig": {
                "double_z": false, "z_channels": 24, "resolution": 24, "in_channels": 3, "out_ch": 3,
                "ch": 32, "ch_mult": [1, 1, 1], "num_res_blocks": 1, "attn_resolutions": [6],
            },
        },
    }});
    assert_eq!(beside.value, should);
}

#[test]
fn a_broken_configuration_is_said_and_does_not_stop_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    checkpoint(&folder.path().join("model.ckpt"));
    let bomb: String = (0..60).fold("a0: &a0 [1, 2]\n".to_owned(), |text, i| {
        format!("{text}a{}: &a{} [*a{i}, *a{i}]\n", i + 1, i + 1)
    });
    let deep = "[".repeat(200);
    let blocks = format!("a:\n {}x", "- ".repeat(150));
    let long = format!("a: {}", "x".repeat(2 << 20));
    for (text, part) in [
        ("a: [1, 2", "is no YAML"),
        ("a: b: c", "is no YAML"),
        (&bomb, "more values than any configuration"),
        (&deep, "nested deeper"),
        (&blocks, "nested deeper"),
        (&long, "too much"),
        ("just a sentence", "no names with values"),
        ("- 1\n- 2", "no names with values"),
        ("a: *nothing", "is no YAML"),
        ("\u{0}\u{1}", ""),
    ] {
        write(&folder.path().join("config.yaml"), text);
        let found = beside(folder.path()).unwrap();
        let problem = found.problem.unwrap_or_else(|| panic!("{part}: read as {}", found.value));
        assert!(problem.contains(part), "{part}: {problem}");
        assert!(found.value.is_null());
        read(folder.path()).unwrap();
    }
}

#[test]
fn two_torchscript_files_of_one_folder_belong_together() {
    let folder = tempfile::tempdir().unwrap();
    let containers = fixture("containers");
    let (encoder, decoder) = (folder.path().join("encoder.jit"), folder.path().join("decoder.jit"));
    std::fs::copy(containers.join("traced.jit"), &encoder).unwrap();
    let alone = read(&encoder).unwrap();
    std::fs::copy(containers.join("scripted.jit"), &decoder).unwrap();
    for path in [folder.path(), &encoder, &decoder] {
        let both = read(path).unwrap();
        assert_eq!(both.container, Container::TorchScript);
        assert_eq!(both.tensors.len(), 2 * alone.tensors.len(), "{}", path.display());
        for (name, entry) in &alone.tensors {
            for side in ["encoder.", "decoder."] {
                let got = &both.tensors[&format!("{side}{name}")];
                assert_eq!(got.bytes().unwrap(), entry.bytes().unwrap(), "{side}{name}");
            }
        }
        let notes = both.notes.join("\n");
        assert!(notes.contains("read together with"), "{notes}");
    }
}

#[test]
fn shards_of_pytorch_files_are_read_through_their_index() {
    let folder = tempfile::tempdir().unwrap();
    for (file, name, value) in
        [("a-00001-of-00002.bin", "w", 1.0), ("a-00002-of-00002.bin", "v", 2.0)]
    {
        let bytes = torch_zip(&dict(&[(name, tensor("0", 2, 0, &[2], &[1]))]), &[value, value]);
        std::fs::write(folder.path().join(file), bytes).unwrap();
    }
    let index =
        json!({ "weight_map": { "w": "a-00001-of-00002.bin", "v": "a-00002-of-00002.bin" } });
    write(&folder.path().join("pytorch_model.bin.index.json"), &index.to_string());
    let got = read(folder.path()).unwrap();
    assert_eq!(got.container, Container::ShardedTorch);
    assert_eq!(got.tensors["w"].values().unwrap(), [1.0, 1.0]);
    assert_eq!(got.tensors["v"].values().unwrap(), [2.0, 2.0]);
}
