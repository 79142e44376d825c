//! Recipes with more than one network: perceptual and adversarial losses, classifiers.

use super::*;
use crate::Knob;
use crate::perceptual::Classifier;
use crate::training::{Adversarial, Perceptual, PerceptualNetwork, Trains};

const ADVERSARIAL: &str = ", adversarial: (weight: 0.5, start: 2,
    discriminator: (ndf: 4, layers: 1, norm: NORM), optimizer: (lr: 1e-3, betas: (0.5, 0.9)))";

pub(super) fn classifier(classes: usize) -> Recipe {
    let text = format!(
        "(name: \"kinds\", seed: 5, classifier: (name: \"kinds\", widths: [8, 8], classes: {classes}),
        data: [(weight: 1, from: Worlds(3))], crop: (side: 8), augment: (noise: 0.1, contrast: 0.2),
        batch: 4, steps: 6, optimizer: (lr: 1e-2), report_every: 1, checkpoint_every_secs: 1e9)"
    );
    Recipe::parse(&text).unwrap()
}

/// As [`recipe`], of pictures that are large enough for a patch.
fn playing(norm: &str, more: &str) -> Recipe {
    let mut recipe = recipe(VQ, &(ADVERSARIAL.replace("NORM", norm) + more));
    recipe.crop.side = 16;
    recipe
}

#[test]
fn a_classifier_is_trained_and_becomes_a_perceptual_loss() {
    let folder = tempfile::tempdir().unwrap();
    let error = start(classifier(3), &folder.path().join("wrong"), false).unwrap_err();
    assert!(error.to_string().contains("the data has 10"), "{error}");
    let run = folder.path().join("kinds");
    let mut trainer = start(classifier(10), &run, false).unwrap();
    let reports = go(&mut trainer, 4);
    assert!(reports.iter().all(|r| r.figure("accuracy").is_some() && r.counts.is_empty()));
    trainer.save().unwrap();
    let expected = (go(&mut trainer, 6), bits(&trainer.model_tensors().unwrap()));
    let model = trainer.export().unwrap();
    drop(trainer);
    let mut resumed = start(classifier(10), &run, true).unwrap();
    let found = (go(&mut resumed, 6), bits(&resumed.model_tensors().unwrap()));
    assert!(found == expected, "the same numbers");
    Classifier::open(&model, &of_tests().unwrap()).unwrap();
    let error = crate::checkpoints::open_tokenizer(&model, &of_tests().unwrap()).unwrap_err();
    assert!(error.to_string().contains("not a tokenizer"), "{error}");
    let network = PerceptualNetwork::Classifier(model.clone());
    let with = Recipe { perceptual: Some(Perceptual { weight: 2.0, network }), ..recipe(VQ, "") };
    let mut trainer = start(with.clone(), &folder.path().join("run"), false).unwrap();
    let first = go(&mut trainer, 1).remove(0);
    let named = |report: &Report, name: &str| {
        report.losses.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    };
    assert!(named(&first, "perceptual").unwrap() > 0.0, "{:?}", first.losses);
    let (knobs, before) = (trainer.knobs(), named(&first, "mse"));
    assert!(knobs.contains(&(Knob::Perceptual, 2.0)), "{knobs:?}");
    // Switched off, the run is the one without.
    let mut off = start(with, &folder.path().join("off"), false).unwrap();
    off.turn(Knob::Perceptual, 0.0).unwrap();
    go(&mut off, 6);
    let mut plain = start(recipe(VQ, ""), &folder.path().join("plain"), false).unwrap();
    let plain = (named(&go(&mut plain, 6)[0], "mse"), bits(&plain.model_tensors().unwrap()));
    assert!((before, bits(&off.model_tensors().unwrap())) == plain, "the same numbers");
    let wrong = PerceptualNetwork::Classifier(folder.path().join("plain/tiny.safetensors"));
    let wrong =
        Recipe { perceptual: Some(Perceptual { weight: 1.0, network: wrong }), ..recipe(VQ, "") };
    assert!(start(wrong, &folder.path().join("no"), false).unwrap_err().is_bad_input());
}

#[test]
fn a_discriminator_starts_when_it_should_and_resumes_to_the_same_numbers() {
    for norm in ["Batch", "Group(4)"] {
        let folder = tempfile::tempdir().unwrap();
        let mut trainer = start(playing(norm, ""), &folder.path().join("whole"), false).unwrap();
        let reports = go(&mut trainer, 6);
        let expected = bits(&trainer.model_tensors().unwrap());
        assert!(
            expected.keys().all(|name| !name.starts_with("discriminator")),
            "no part of the model"
        );
        let named = |report: &Report, name: &str| {
            report.losses.iter().find(|(known, _)| known == name).map(|(_, value)| *value).unwrap()
        };
        for report in &reports {
            let plays = report.step > 2;
            assert_eq!(named(report, "discriminator") != 0.0, plays, "{report:?}");
            assert_eq!(named(report, "adversarial") != 0.0, plays, "{report:?}");
            assert_eq!(report.figure("adaptive_weight").unwrap() > 0.0, plays, "{report:?}");
            let others = ["loss", "discriminator"];
            let parts = report.losses.iter().filter(|(name, _)| !others.contains(&name.as_str()));
            let sum: f64 = parts.map(|(_, value)| value).sum();
            assert!((named(report, "loss") - sum).abs() < 1e-9, "{report:?}");
        }
        let parts = folder.path().join("parts");
        let mut found = Vec::new();
        for stop in [2, 4, 6] {
            let mut trainer = start(playing(norm, ""), &parts, true).unwrap();
            found.extend(go(&mut trainer, stop));
            trainer.save().unwrap();
            if stop == 6 {
                assert!(bits(&trainer.model_tensors().unwrap()) == expected, "{norm}");
            }
        }
        assert_eq!(found, reports, "{norm}");
    }
}

/// The gradient that the pictures get in one pass is that of both losses, each followed through the decoder:
/// a pull of no weight changes nothing.
#[test]
fn a_pull_of_no_weight_changes_no_number_and_one_of_some_weight_does() {
    let folder = tempfile::tempdir().unwrap();
    let model = |name: &str, recipe: Recipe, weight: Option<f64>| {
        let mut trainer = start(recipe, &folder.path().join(name), false).unwrap();
        if let Some(weight) = weight {
            trainer.turn(Knob::Adversarial, weight).unwrap();
        }
        go(&mut trainer, 6);
        trainer.model_tensors().unwrap()
    };
    let plain = Recipe { adversarial: None, ..playing("Batch", "") };
    let plain = model("plain", plain, None);
    let far = |other: &BTreeMap<String, Tensor>| {
        let far = |(name, a): (&String, &Tensor)| {
            let difference = (a - &other[name]).unwrap().abs().unwrap();
            difference.flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap()
        };
        plain.iter().map(far).fold(0.0, f32::max)
    };
    let none = far(&model("none", playing("Batch", ""), Some(0.0)));
    let some = far(&model("some", playing("Batch", ""), None));
    assert!(none < 1e-4 && some > 20.0 * none.max(1e-6), "{none} {some}");
    let error = start(playing("Batch", ""), &folder.path().join("neg"), false).unwrap();
    let mut error = error;
    assert!(error.turn(Knob::Adversarial, -1.0).unwrap_err().is_bad_input());
}

#[test]
fn recipes_that_contradict_themselves_are_refused_by_field() {
    let adversary = |change: &dyn Fn(&mut Adversarial)| {
        let mut recipe = playing("Batch", "");
        recipe.adversarial.as_mut().map(change).unwrap();
        recipe
    };
    let mut both = classifier(10);
    both.tokenizer = recipe(VQ, "").tokenizer;
    let refused: Vec<(&str, Recipe)> = vec![
        ("adversarial.start", adversary(&|a| a.start = 6)),
        ("adversarial.weight", adversary(&|a| a.weight = f64::NAN)),
        ("discriminator.in_channels", adversary(&|a| a.discriminator.in_channels = 1)),
        ("discriminator.ndf", adversary(&|a| a.discriminator.ndf = 0)),
        ("crop.side", adversary(&|a| a.discriminator.layers = 5)),
        ("tokenizer", both),
        ("tokenizer", Recipe { tokenizer: None, ..recipe(VQ, "") }),
        ("trains", Recipe { trains: Trains::Decoder, ..classifier(10) }),
        (
            "perceptual",
            Recipe {
                perceptual: Some(Perceptual {
                    weight: 1.0,
                    network: PerceptualNetwork::Classifier("x".into()),
                }),
                ..classifier(10)
            },
        ),
        ("augment", Recipe { augment: classifier(10).augment, ..recipe(VQ, "") }),
        ("batch", Recipe { batch: 0, ..recipe(VQ, "") }),
    ];
    let mut one = recipe(VQ, "");
    if let Some(tokenizer) = &mut one.tokenizer {
        tokenizer.quantizer = crate::quantizers::QuantizerConfig::Vq(crate::quantizers::VqConfig {
            codes: 1,
            ..crate::quantizers::VqConfig::default()
        });
    }
    let error = one.validate().unwrap_err().to_string();
    assert!(error.contains("quantizer") && error.contains("one code"), "{error}");
    for (field, recipe) in refused {
        let error = recipe.validate().expect_err(field).to_string();
        assert!(error.contains(field), "{field}: {error}");
    }
}
