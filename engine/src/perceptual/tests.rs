//! Distances and the classifier against what must hold of any: zero for the same, the same both ways,
//! gradients, files that come back and files that are others.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use serde_json::json;

use super::*;
use crate::checkpoints::{Precision, save_model};
use crate::device::of_tests;
use crate::kernels::cross_entropy;
use crate::layers::Weights;
use crate::random::{Noise, Purpose};
use crate::{EngineError, Result};

/// Images in about [-1, 1].
fn images(cell: u64, shape: [usize; 4]) -> Tensor {
    let noise = Noise::new(5, Purpose::Test, 0, cell);
    let count = shape.iter().product::<usize>() as u32;
    let values: Vec<f32> = (0..count).map(|lane| 0.5 * noise.normal(lane)).collect();
    Tensor::from_vec(values, &shape, &of_tests().unwrap()).unwrap()
}

fn values(x: &Tensor) -> Vec<f64> {
    let values: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
    values.into_iter().map(f64::from).collect()
}

fn tensors(weights: &Weights) -> BTreeMap<String, Tensor> {
    let vars = weights.vars();
    vars.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
}

fn small() -> ClassifierConfig {
    ClassifierConfig { widths: vec![8, 16, 24], ..ClassifierConfig::new("small", 5) }
}

/// Every network there is, small, with a least side.
fn networks() -> Vec<(&'static str, Lpips, usize)> {
    let weights = Weights::fresh(2, &of_tests().unwrap());
    let classifier = Classifier::new(&small(), &weights).unwrap();
    let mut all = vec![("own", Lpips::with_mean_heads(classifier, &weights).unwrap(), 8)];
    for (name, which, least) in [("vgg", Published::Vgg16, 16), ("alex", Published::AlexNet, 31)] {
        let weights = Weights::fresh(3, &of_tests().unwrap());
        all.push((name, Lpips::of_weights(which, [4, 6, 8, 6, 5], &weights).unwrap(), least));
    }
    all
}

#[test]
fn the_distance_is_nothing_for_the_same_image_and_the_same_both_ways() {
    for (name, lpips, least) in networks() {
        let (a, b) = (images(1, [2, 3, least, least + 3]), images(2, [2, 3, least, least + 3]));
        assert_eq!(values(&lpips.distance(&a, &a).unwrap()), [0.0, 0.0], "{name}");
        let (there, back) = (lpips.distance(&a, &b).unwrap(), lpips.distance(&b, &a).unwrap());
        assert_eq!(there.dims(), [2]);
        for (there, back) in values(&there).into_iter().zip(values(&back)) {
            assert!(there > 1e-4 && (there - back).abs() < 1e-6 * there, "{name}: {there}, {back}");
        }
        // An image's distance does not depend on what else is compared at once.
        let alone = lpips.distance(&a.narrow(0, 1, 1).unwrap(), &b.narrow(0, 1, 1).unwrap());
        let (alone, beside) = (values(&alone.unwrap())[0], values(&there)[1]);
        assert!((alone - beside).abs() < 1e-5 * beside, "{name}: {alone}, {beside}");
        let layers = lpips.layers(&a, &b).unwrap();
        let sum: f64 = layers.iter().map(|layer| values(layer)[0]).sum();
        assert!((sum - values(&there)[0]).abs() < 1e-6, "{name}");
    }
}

#[test]
fn nearer_images_are_less_far() {
    for (name, lpips, least) in networks() {
        let (a, b) = (images(1, [1, 3, least, least]), images(2, [1, 3, least, least]));
        let part = |share: f64| {
            let moved = (&a + ((&b - &a).unwrap() * share).unwrap()).unwrap();
            values(&lpips.distance(&a, &moved).unwrap())[0]
        };
        let [near, middle, far] = [0.05, 0.3, 1.0].map(part);
        assert!(near < middle && middle < far, "{name}: {near} {middle} {far}");
    }
}

fn wide(x: &Tensor) -> Tensor {
    x.to_device(&Device::Cpu).unwrap().to_dtype(DType::F64).unwrap()
}

/// A published network in plain f64 operations, so that differences can be far smaller than what separates
/// a ReLU from its kink. Layers: number, side, stride, padding; side 0 takes the largest of windows of the
/// stride's side, two apart.
fn twin(layers: &[&[[usize; 4]]], tensors: &BTreeMap<String, Tensor>, images: [&Tensor; 2]) -> f64 {
    let row = |values: [f64; 3]| Tensor::new(&values, &Device::Cpu).unwrap().reshape((1, 3, 1, 1));
    let (shift, scale) = (row([-0.030, -0.088, -0.188]), row([0.458, 0.448, 0.450]));
    let (shift, scale) = (shift.unwrap(), scale.unwrap());
    let get = |name: String| wide(&tensors[&name]);
    let mut both = images.map(|x| x.broadcast_sub(&shift).unwrap().broadcast_div(&scale).unwrap());
    let mut sum = 0.0;
    for (depth, steps) in layers.iter().enumerate() {
        for &[number, side, stride, padding] in *steps {
            both = both.map(|x| {
                if side == 0 {
                    return x.max_pool2d_with_stride(stride, 2).unwrap();
                }
                let weight = get(format!("features.{number}.weight"));
                let bias = get(format!("features.{number}.bias")).reshape((1, (), 1, 1)).unwrap();
                let y = x.conv2d(&weight, padding, stride, 1, 1).unwrap();
                y.broadcast_add(&bias).unwrap().relu().unwrap()
            });
        }
        let [a, b] = both.clone().map(|x| {
            let length = x.sqr().unwrap().sum_keepdim(1).unwrap().sqrt().unwrap();
            x.broadcast_div(&(length + 1e-10).unwrap()).unwrap()
        });
        let head = get(format!("lin{depth}.model.1.weight"));
        let squares = (a - b).unwrap().sqr().unwrap().broadcast_mul(&head).unwrap();
        let map = squares.sum(1).unwrap();
        sum += map.mean_all().unwrap().to_scalar::<f64>().unwrap();
    }
    sum
}

#[test]
fn gradients_of_published_networks_are_right_by_both_images() {
    let pool = |side: usize| [0, 0, side, 0];
    let conv = |number: usize| [number, 3, 1, 1];
    let vgg: [&[[usize; 4]]; 5] = [
        &[conv(0), conv(2)],
        &[pool(2), conv(5), conv(7)],
        &[pool(2), conv(10), conv(12), conv(14)],
        &[pool(2), conv(17), conv(19), conv(21)],
        &[pool(2), conv(24), conv(26), conv(28)],
    ];
    let alex: [&[[usize; 4]]; 5] =
        [&[[0, 11, 4, 2]], &[pool(3), [3, 5, 1, 2]], &[pool(3), conv(6)], &[conv(8)], &[conv(10)]];
    for (which, layers, side) in [(Published::Vgg16, vgg, 32), (Published::AlexNet, alex, 49)] {
        let weights = Weights::fresh(3, &of_tests().unwrap());
        let widths = [4, 6, 8, 6, 5];
        Lpips::of_weights(which, widths, &weights).unwrap();
        let mut tensors = tensors(&weights);
        for (_, head) in tensors.iter_mut().filter(|(name, _)| name.starts_with("lin")) {
            // Channels weigh differently.
            let factor = images(9, [1, head.elem_count(), 1, 1]).abs().unwrap();
            *head = (&*head * (factor + 0.5).unwrap()).unwrap();
        }
        let loaded = Weights::loaded(tensors.clone(), false, &of_tests().unwrap());
        let lpips = Lpips::of_weights(which, widths, &loaded).unwrap();
        let shape = [1, 3, side, side + 2];
        let [a, b] = [1, 2].map(|cell| Var::from_tensor(&images(cell, shape)).unwrap());
        let loss = lpips.distance(&a, &b).unwrap();
        let now = twin(&layers, &tensors, [&wide(&a), &wide(&b)]);
        assert!((values(&loss)[0] - now).abs() < 1e-4 * now, "{which:?}: {loss}, {now}");
        let gradients = loss.sum_all().unwrap().backward().unwrap();
        for (at, var) in [&a, &b].into_iter().enumerate() {
            let gradient = wide(gradients.get(var).expect("a gradient"));
            let dot = |a: &Tensor, b: &Tensor| -> f64 {
                (a * b).unwrap().sum_all().unwrap().to_scalar().unwrap()
            };
            let size = dot(&gradient, &gradient).sqrt();
            let other = wide(&images(3, shape));
            let other = (&other * (size / dot(&other, &other).sqrt())).unwrap();
            for direction in [&gradient, &(&gradient + other).unwrap()] {
                let loss = |by: f64| {
                    let mut both = [wide(&a), wide(&b)];
                    both[at] = (&both[at] + (direction * (by / size)).unwrap()).unwrap();
                    twin(&layers, &tensors, [&both[0], &both[1]])
                };
                let rise = (loss(1e-6) - loss(-1e-6)) / 2e-6;
                let want = dot(&gradient, direction) / size;
                assert!((rise - want).abs() < 2e-3 * size, "{which:?}: {rise} and {want}");
            }
        }
    }
}

#[test]
fn gradients_of_our_own_network_are_right_by_both_images() {
    let weights = Weights::fresh(2, &of_tests().unwrap());
    let classifier = Classifier::new(&small(), &weights).unwrap();
    let lpips = Lpips::with_mean_heads(classifier, &weights).unwrap();
    let shape = [2, 3, 8, 9];
    let [a, b] = [1, 2].map(|cell| Var::from_tensor(&images(cell, shape)).unwrap());
    let weights = Tensor::new(&[1.0_f32, -0.5], &of_tests().unwrap()).unwrap();
    let weighted = |distance: Tensor| (distance * &weights).unwrap().sum_all().unwrap();
    let loss = || weighted(lpips.distance(&a, &b).unwrap());
    let gradients = loss().backward().unwrap();
    for var in [&a, &b] {
        let gradient = gradients.get(var).expect("a gradient").clone();
        let size = values(&gradient).iter().map(|g| g * g).sum::<f64>().sqrt();
        let start = var.as_tensor().copy().unwrap();
        // Along the gradient, where a false one shows most.
        let at = |by: f64| {
            let moved = (&start + (&gradient * (by / size)).unwrap()).unwrap();
            var.set(&moved).unwrap();
            values(&loss())[0]
        };
        let rise = (at(0.02) - at(-0.02)) / 0.04;
        var.set(&start).unwrap();
        assert!((rise / size - 1.0).abs() < 0.01, "{rise} and {size}");
    }
    // With one image given, the other's is the same.
    let one = weighted(lpips.distance(&a, &b.as_detached_tensor()).unwrap()).backward().unwrap();
    let (one, both) = (values(one.get(&a).unwrap()), values(gradients.get(&a).unwrap()));
    let size = both.iter().map(|g| g * g).sum::<f64>().sqrt();
    let apart = one.iter().zip(&both).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    assert!(apart < 1e-5 * size, "{apart}");
}

#[test]
fn every_parameter_of_the_classifier_has_the_gradient_of_its_loss() {
    let weights = Weights::fresh(4, &of_tests().unwrap());
    let classifier = Classifier::new(&small(), &weights).unwrap();
    let images = images(1, [4, 3, 12, 10]);
    let labels = Tensor::new(&[0_u32, 3, 4, 1], &of_tests().unwrap()).unwrap();
    let loss = || cross_entropy(&classifier.logits(&images).unwrap(), &labels).unwrap();
    let (gradients, vars) = (loss().backward().unwrap(), weights.vars());
    assert_eq!(vars.len(), 4 + 2 * 8 + 2);
    for (name, var) in &vars {
        let gradient = gradients.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
        let size = values(gradient).iter().map(|g| g * g).sum::<f64>().sqrt();
        assert!(size > 1e-6, "{name}: {size}");
        let start = var.as_tensor().copy().unwrap();
        let at = |by: f64| {
            var.set(&(&start + (gradient * (by / size)).unwrap()).unwrap()).unwrap();
            values(&loss())[0]
        };
        let rise = (at(0.02) - at(-0.02)) / 0.04;
        var.set(&start).unwrap();
        assert!((rise - size).abs() < 0.02 * size + 2e-5, "{name}: {rise} and {size}");
    }
}

#[test]
fn stages_halve_the_size_and_their_last_is_what_is_pooled() {
    let weights = Weights::fresh(4, &of_tests().unwrap());
    let classifier = Classifier::new(&small(), &weights).unwrap();
    let images = images(1, [2, 3, 13, 8]);
    let stages = classifier.stages(&images).unwrap();
    let shapes: Vec<Vec<usize>> = stages.iter().map(|stage| stage.dims().to_vec()).collect();
    assert_eq!(shapes, [[2, 8, 13, 8], [2, 16, 7, 4], [2, 24, 4, 2]]);
    let pooled = values(&classifier.pooled(&images).unwrap());
    let last = values(stages.last().unwrap());
    assert_eq!(pooled.len(), 2 * 24);
    for (pooled, map) in pooled.iter().zip(last.chunks(8)) {
        assert!((pooled - map.iter().sum::<f64>() / 8.0).abs() < 1e-5);
    }
    assert_eq!(classifier.logits(&images).unwrap().dims(), [2, 5]);
    let gray = images.narrow(1, 0, 1).unwrap();
    assert!(matches!(classifier.logits(&gray), Err(EngineError::Shape { .. })));
}

#[test]
fn settings_that_cannot_be_are_named() {
    let read = |text: &str| serde_json::from_str::<ClassifierConfig>(text);
    let usual = read(r#"{"name": "a", "classes": 7}"#).unwrap();
    assert_eq!(usual, ClassifierConfig::new("a", 7));
    usual.validate().unwrap();
    let unknown = read(r#"{"name": "a", "classes": 7, "depth": 3}"#).unwrap_err().to_string();
    assert!(unknown.contains("depth"), "{unknown}");
    let field = |change: fn(&mut ClassifierConfig)| {
        let mut config = small();
        change(&mut config);
        config.validate().unwrap_err().problem().summary
    };
    assert!(field(|config| config.widths = vec![8, 12]).contains("classifier.widths: 12"));
    assert!(field(|config| config.widths.clear()).contains("classifier.widths"));
    assert!(field(|config| config.classes = 0).contains("classifier.classes"));
}

#[test]
fn a_classifier_comes_back_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, device) = (folder.path().join("small.safetensors"), of_tests().unwrap());
    let weights = Weights::fresh(6, &device);
    let classifier = Classifier::new(&small(), &weights).unwrap();
    let metadata = json!({"kind": KIND, "config": small(), "steps": 12});
    save_model(&path, &tensors(&weights), &metadata, Precision::F16).unwrap();
    let again = Classifier::open(&path, &device).unwrap();
    assert_eq!(again.config(), &small());
    let images = images(1, [2, 3, 16, 16]);
    let (a, b) = (classifier.logits(&images).unwrap(), again.logits(&images).unwrap());
    for (a, b) in values(&a).into_iter().zip(values(&b)) {
        // Weights rest with 11 bits.
        assert!((a - b).abs() < 5e-3, "{a} and {b}");
    }
}

#[test]
fn a_file_that_is_no_classifier_is_named_with_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let device = of_tests().unwrap();
    let weights = Weights::fresh(6, &device);
    Classifier::new(&small(), &weights).unwrap();
    let write = |name: &str, tensors: &BTreeMap<String, Tensor>, metadata: serde_json::Value| {
        let path = folder.path().join(name);
        save_model(&path, tensors, &metadata, Precision::F32).unwrap();
        let problem = Classifier::open(&path, &device).unwrap_err().problem();
        assert!(problem.summary.contains(name) && problem.bad_input, "{problem}");
        problem
    };
    let all = tensors(&weights);
    let other = write("tokenizer.safetensors", &all, json!({"kind": "tokenizer", "config": {}}));
    assert!(other.summary.contains("a tokenizer of Smalti, not a classifier"), "{other}");
    assert!(!other.hint.is_empty());
    let odd = json!({"kind": "classifier", "config": {"name": "a", "classes": 5, "depth": 1}});
    assert!(write("odd.safetensors", &all, odd).summary.contains("depth"));
    let wide = json!({"kind": "classifier", "config": {"name": "a", "classes": 5, "widths": [3]}});
    assert!(write("wide.safetensors", &all, wide).summary.contains("classifier.widths"));
    let mut less = all.clone();
    less.remove("classes.bias");
    let own = json!({"kind": "classifier", "config": small()});
    assert!(write("less.safetensors", &less, own).summary.contains("classes.bias is missing"));
    let foreign = folder.path().join("foreign.safetensors");
    let few: std::collections::HashMap<String, Tensor> = all.into_iter().take(2).collect();
    candle_core::safetensors::save(&few, &foreign).unwrap();
    let problem = Classifier::open(&foreign, &device).unwrap_err().problem();
    assert!(problem.summary.contains("no classifier of Smalti"), "{problem}");
    assert!(Classifier::open(&folder.path().join("none"), &device).is_err());
}

fn save(path: &Path, tensors: impl IntoIterator<Item = (String, Tensor)>) {
    let all: std::collections::HashMap<String, Tensor> = tensors.into_iter().collect();
    candle_core::safetensors::save(&all, path).unwrap();
}

/// AlexNet as torchvision has it: the other one would be 59 MB.
#[test]
fn lpips_opens_from_a_network_and_its_heads() {
    let folder = tempfile::tempdir().unwrap();
    let (device, which) = (of_tests().unwrap(), Published::AlexNet);
    let weights = Weights::fresh(8, &device);
    let lpips = Lpips::of_weights(which, which.widths(), &weights).unwrap();
    let (a, b) = (images(1, [1, 3, 40, 33]), images(2, [1, 3, 40, 33]));
    let want = values(&lpips.distance(&a, &b).unwrap())[0];
    let is_head = |name: &str| name.starts_with("lin");
    let all = tensors(&weights);
    let (trunk, heads) =
        (folder.path().join("alex.safetensors"), folder.path().join("heads.safetensors"));
    // The classifying layers that torchvision's file has as well, and the package's second list.
    let rest = Tensor::zeros((3, 2), DType::F32, &Device::Cpu).unwrap();
    let network = all.clone().into_iter().filter(|(name, _)| !is_head(name));
    save(&trunk, network.chain([("classifier.6.weight".to_owned(), rest)]));
    let own = all.clone().into_iter().filter(|(name, _)| is_head(name));
    let twice = all["lin0.model.1.weight"].clone();
    save(&heads, own.chain([("lins.0.model.1.weight".to_owned(), twice)]));
    let open = |trunk: &Path, heads: &Path| -> Result<f64> {
        let lpips = Lpips::open(which, trunk, heads, &device)?;
        assert!(lpips.is_learned());
        Ok(values(&lpips.distance(&a, &b)?)[0])
    };
    let found = open(&trunk, &heads).unwrap();
    assert!((found - want).abs() < 1e-6, "{found}, {want}");

    // All in one, by the package's names, below a prefix.
    let whole = folder.path().join("whole.safetensors");
    let slices = [("0", 1), ("3", 2), ("6", 3), ("8", 4), ("10", 5)];
    let renamed = all.clone().into_iter().map(|(name, tensor)| {
        let name = match name.strip_prefix("features.").and_then(|rest| rest.split_once('.')) {
            Some((at, what)) => {
                let slice = slices.iter().find(|(number, _)| *number == at).unwrap().1;
                format!("loss.perceptual_loss.net.slice{slice}.{at}.{what}")
            }
            None => format!("loss.perceptual_loss.{name}"),
        };
        (name, tensor)
    });
    save(&whole, renamed);
    let found = open(&whole, &whole).unwrap();
    assert!((found - want).abs() < 1e-6, "{found}, {want}");

    let problem = open(&heads, &heads).unwrap_err().problem();
    assert!(problem.summary.contains("features.0.weight") && !problem.hint.is_empty(), "{problem}");
    let problem = open(&trunk, &trunk).unwrap_err().problem();
    assert!(problem.summary.contains("lin0.model.1.weight"), "{problem}");
    let mut negative = all;
    let head = negative["lin2.model.1.weight"].neg().unwrap();
    negative.insert("lin2.model.1.weight".to_owned(), head);
    save(&heads, negative);
    let problem = open(&trunk, &heads).unwrap_err().problem();
    assert!(problem.summary.contains("lin2.model.1.weight"), "{problem}");
    let small = images(1, [1, 3, 30, 64]);
    assert!(matches!(lpips.distance(&small, &small), Err(EngineError::Shape { .. })));
    assert!(lpips.distance(&a, &images(2, [1, 3, 40, 34])).is_err());
}
