//! The same network under the wrappers that training scripts put around it.

use std::collections::BTreeMap;

use smalti_engine::checkpoints::{Checkpoint, View, read, views};
use smalti_tests::fixture;

use crate::files::{Saved, Tensors, dict, int};
use crate::open;

/// A small published network.
pub(crate) fn network() -> Tensors {
    let folder = fixture("taming_vqmodel");
    let read = read(&folder.join("weights.ckpt")).unwrap();
    let tensor = |(name, entry): (&String, &smalti_engine::checkpoints::Entry)| {
        (name.clone(), entry.shape().to_vec(), entry.values().unwrap())
    };
    let network = |(name, _): &(&String, _)| !name.starts_with("loss.");
    read.tensors.iter().filter(network).map(tensor).collect()
}

pub(crate) fn renamed(tensors: &Tensors, name: impl Fn(&str) -> String) -> Tensors {
    tensors.iter().map(|(n, shape, values)| (name(n), shape.clone(), values.clone())).collect()
}

fn add(tensors: &mut Tensors, names: &[&str]) {
    tensors.extend(names.iter().map(|name| ((*name).to_owned(), vec![3], vec![1.0, 2.0, 3.0])));
}

/// A checkpoint with these parts at its top.
fn saved(parts: &[(&str, &Tensors)]) -> Checkpoint {
    let mut saved = Saved::default();
    let mut entries: Vec<(&str, Vec<u8>)> =
        parts.iter().map(|(root, tensors)| (*root, saved.state(tensors))).collect();
    entries.push(("epoch", int(3)));
    open("x.ckpt", saved.archive(&dict(&entries))).unwrap()
}

fn bare(tensors: &Tensors) -> Checkpoint {
    let mut saved = Saved::default();
    let value = saved.state(tensors);
    open("x.pth", saved.archive(&value)).unwrap()
}

/// Whether the view is exactly the network, value for value.
fn holds(view: &View, network: &Tensors) -> bool {
    let mut names: Vec<&String> = network.iter().map(|(name, ..)| name).collect();
    names.sort();
    view.tensors.keys().eq(names)
        && network.iter().all(|(name, shape, values)| {
            let entry = &view.tensors[name];
            entry.shape() == shape && entry.values().unwrap() == *values
        })
}

fn first_is(checkpoint: &Checkpoint, network: &Tensors, prefix: &str) {
    let views = views(checkpoint);
    let shown: Vec<&str> = views.iter().map(|view| view.prefix.as_str()).collect();
    assert_eq!(views[0].prefix, prefix, "of {shown:?}");
    assert!(holds(&views[0], network), "{prefix}: {:?}", views[0].notes());
}

#[test]
fn a_network_is_found_below_any_root() {
    let network = network();
    first_is(&bare(&network), &network, "");
    for root in ["state_dict", "model", "model_state", "vqvae", "generator", "params", "my_net"] {
        first_is(&saved(&[(root, &network)]), &network, &format!("{root}."));
    }
    let mut inside = Saved::default();
    let value = inside.state(&network);
    let nested = dict(&[("trainer", dict(&[("vae_local", value)])), ("epoch", int(3))]);
    first_is(&open("x.pth", inside.archive(&nested)).unwrap(), &network, "trainer.vae_local.");
}

#[test]
fn a_network_is_found_below_any_prefix_and_several_in_a_row() {
    let network = network();
    let prefixes = [
        "module.",
        "_orig_mod.",
        "module._orig_mod.",
        "_forward_module.",
        "first_stage_model.",
        "vqgan.",
        "model.",
        "vae.",
        "tokenizer.",
        "lightning.net.my_tokenizer.",
    ];
    for prefix in prefixes {
        let under = renamed(&network, |name| format!("{prefix}{name}"));
        first_is(&saved(&[("state_dict", &under)]), &network, &format!("state_dict.{prefix}"));
        first_is(&bare(&under), &network, prefix);
    }
}

#[test]
fn wrappers_in_the_middle_of_names_are_taken_out() {
    let network = network();
    for (from, to) in [
        ("encoder.", "encoder._orig_mod."),
        ("encoder.", "encoder.module."),
        ("decoder.mid.", "decoder.mid._checkpoint_wrapped_module."),
    ] {
        let wrapped = renamed(&network, |name| name.replacen(from, to, 1));
        first_is(&bare(&wrapped), &network, "");
    }
    // A part that is really called module, beside others, keeps its name.
    let mut own = network.clone();
    add(&mut own, &["encoder.module.scale"]);
    first_is(&bare(&own), &own, "");
}

#[test]
fn the_tokenizer_of_a_larger_model_is_found_among_its_other_parts() {
    let network = network();
    let mut whole = renamed(&network, |name| format!("first_stage_model.{name}"));
    add(
        &mut whole,
        &["model.diffusion_model.out.weight", "model.diffusion_model.time_embed.0.bias"],
    );
    add(&mut whole, &["cond_stage_model.transformer.weight", "model_ema.diffusion_modeloutweight"]);
    first_is(&saved(&[("state_dict", &whole)]), &network, "state_dict.first_stage_model.");
}

#[test]
fn what_training_leaves_beside_a_network_is_set_aside_and_named() {
    let network = network();
    let codes = network.iter().find(|(name, ..)| name == "quantize.embedding.weight").unwrap();
    let k = codes.1[0];
    let mut all = network.clone();
    let junk = [
        ("quantize.embedding.cluster_size", "averages of the codebook's EMA"),
        ("quantize.embedding.embed_avg", "averages of the codebook's EMA"),
        ("quantize.ema_vocab_hit_SV", "counts of the codes' use"),
        ("quantize.codebook_used", "counts of the codes' use"),
        ("quantize.used", "a table that renumbers codes"),
        ("loss.discriminator.main.0.weight", "losses"),
        ("loss.perceptual_loss.lin0.model.1.weight", "losses"),
        ("discriminator.main.0.weight", "a discriminator"),
        ("model_ema.decay", "averaged copies"),
        ("colorize", "colors"),
    ];
    add(&mut all, &junk.map(|(name, _)| name));
    all.push(("quantize.embedding.N".to_owned(), vec![k], vec![1.0; k]));
    let views = views(&saved(&[("state_dict", &all)]));
    assert!(holds(&views[0], &network), "{:?}", views[0].notes());
    let notes = views[0].notes().join("\n");
    for (name, what) in junk {
        let of_kind = |aside: &&smalti_engine::checkpoints::SetAside| aside.what.contains(what);
        let aside = views[0].set_aside.iter().find(of_kind);
        assert!(aside.is_some() && notes.contains(what), "{name}: {notes}");
    }
    let counted: usize = views[0].set_aside.iter().map(|aside| aside.tensors).sum();
    assert_eq!(counted, junk.len() + 1);
    assert!(notes.contains("read below state_dict"), "{notes}");
    // A number called N that is not beside as many codes stays.
    let mut other = network.clone();
    add(&mut other, &["encoder.N"]);
    first_is(&bare(&other), &other, "");
}

#[test]
fn optimizers_are_no_networks() {
    let network = network();
    let mut state = network.clone();
    state.truncate(5);
    let read = saved(&[("optimizer", &state), ("state_dict", &network), ("opt_optimizer", &state)]);
    let notes = read.notes.join("\n");
    assert!(notes.contains("optimizer (5 tensors)"), "{notes}");
    assert!(views(&read).iter().all(|view| !view.prefix.contains("optimizer")));
    assert!(read.others.is_empty(), "{:?}", read.others.keys());
}

#[test]
fn two_tokenizers_in_one_checkpoint_are_two_views() {
    let first = network();
    let second: Tensors = first
        .iter()
        .map(|(name, shape, values)| {
            (name.clone(), shape.clone(), values.iter().map(|x| -x).collect())
        })
        .collect();
    let mut both = renamed(&first, |name| format!("image_tokenizer.{name}"));
    both.extend(renamed(&second, |name| format!("depth_tokenizer.{name}")));
    for checkpoint in [saved(&[("state_dict", &both)]), saved(&[("a", &first), ("b", &second)])] {
        let views = views(&checkpoint);
        for network in [&first, &second] {
            let found = views.iter().filter(|view| holds(view, network)).count();
            assert_eq!(found, 1, "{:?}", views.iter().map(|v| &v.prefix).collect::<Vec<_>>());
        }
    }
}

#[test]
fn averaged_weights_are_preferred_to_the_last_ones_and_both_are_offered() {
    let last = network();
    let average: Tensors = last
        .iter()
        .map(|(name, shape, values)| {
            (name.clone(), shape.clone(), values.iter().map(|x| 0.5 * x).collect())
        })
        .collect();
    let roots = [("state_dict", &last), ("model", &last), ("ema", &average)];
    let read = saved(&roots);
    assert_eq!(read.root.as_deref(), Some("ema"));
    let views_of = |read: &Checkpoint| -> BTreeMap<String, View> {
        views(read).into_iter().map(|view| (view.prefix.clone(), view)).collect()
    };
    first_is(&read, &average, "ema.");
    let found = views_of(&read);
    assert!(holds(&found["model."], &last) && holds(&found["state_dict."], &last));
    let order: Vec<String> = views(&read).into_iter().map(|view| view.prefix).take(3).collect();
    assert_eq!(order, ["ema.", "model.", "state_dict."]);

    // Averages of a few tensors must not hide the whole network.
    let few: Tensors = average.iter().take(3).cloned().collect();
    first_is(&saved(&[("ema", &few), ("state_dict", &last)]), &last, "state_dict.");
}

#[test]
fn averages_under_names_without_dots_stand_in_for_the_last_weights() {
    let last = network();
    let half: Tensors = last
        .iter()
        .map(|(name, shape, values)| {
            (name.clone(), shape.clone(), values.iter().map(|x| 0.5 * x).collect())
        })
        .collect();
    let mut all = last.clone();
    all.extend(renamed(&half, |name| format!("model_ema.{}", name.replace('.', ""))));
    add(&mut all, &["model_ema.decay"]);
    let read = saved(&[("state_dict", &all)]);
    let views = views(&read);
    assert!(views[0].averaged && holds(&views[0], &half));
    assert!(!views[1].averaged && holds(&views[1], &last));
    assert!(views[0].notes().join("\n").contains("averaged weights"));
}

#[test]
fn the_number_of_views_is_bounded() {
    let mut many = Tensors::new();
    for i in 0..100 {
        for part in ["encoder.w", "decoder.w", "quantize.w"] {
            many.push((format!("net{i}.{part}"), vec![1], vec![i as f32]));
        }
    }
    let read = bare(&many);
    assert_eq!(views(&read).len(), 32);
    assert_eq!(views(&bare(&Tensors::new())).len(), 1, "everything, though it is nothing");
}
