//! Times a training step of the shipped recipes and the operations it spends its time in; one JSON
//! line per row.
//!
//! `cargo bench -p smalti-engine --bench train_step`. With the argument `candle` the same rows run on
//! candle's own operations; with `losses` those of a VQ-GAN's losses alone.
#![expect(clippy::print_stdout, reason = "a benchmark prints its rows")]
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use smalti_engine::device::of_tests;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use candle_core::{Tensor, Var};
use smalti_engine::adversarial::{
    AdversarialLoss, DiscriminatorConfig, DiscriminatorNorm, PatchDiscriminator,
};
use smalti_engine::kernels::{self, Conv, Exactness, Link, Shortcut, chain, conv2d, group_norm};
use smalti_engine::layers::Weights;
use smalti_engine::perceptual::{Classifier, ClassifierConfig, Lpips};
use smalti_engine::random::{Noise, Purpose};
use smalti_engine::training::{Begin, Recipe, Supplies, Trainer};

fn noise(cell: u64, shape: &[usize]) -> Var {
    let n: usize = shape.iter().product();
    let noise = Noise::new(1, Purpose::Test, 0, cell);
    let values: Vec<f32> = (0..n as u32).map(|lane| 0.1 * noise.normal(lane)).collect();
    Var::from_tensor(&Tensor::from_vec(values, shape, &of_tests().unwrap()).unwrap()).unwrap()
}

/// Runs at least three times and for a second; the median and the smallest time.
fn row(name: &str, gflop: f64, mut f: impl FnMut()) {
    f();
    let mut times = Vec::new();
    let start = Instant::now();
    while times.len() < 3 || (start.elapsed().as_secs_f64() < 1.0 && times.len() < 1000) {
        let start = Instant::now();
        f();
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let (median, min) = (times[times.len() / 2], times[0]);
    println!(
        "{{\"row\":\"{name}\",\"median_s\":{median:.6},\"min_s\":{min:.6},\"gflop_per_s\":{:.1},\
         \"threads\":{},\"runs\":{}}}",
        gflop / min,
        rayon::current_num_threads(),
        times.len()
    );
}

fn convolution(batch: usize, channels: [usize; 2], side: usize, kernel: usize, conv: Conv) {
    let [cin, cout] = channels;
    let x = noise(1, &[batch, cin, side, side]);
    let (w, b) = (noise(2, &[cout, cin, kernel, kernel]), noise(3, &[cout]));
    let out = side / conv.stride;
    let gflop = 2e-9 * (batch * out * out * cin * cout * kernel * kernel) as f64;
    let name = format!("{kernel}x{kernel}_s{}/{batch}x{cin}x{cout}x{side}", conv.stride);
    let (fx, fw, fb) = (x.detach(), w.detach(), b.detach());
    row(&format!("conv{name}"), gflop, || {
        black_box(conv2d(&fx, &fw, Some(&fb), conv).unwrap());
    });
    row(&format!("train{name}"), 3.0 * gflop, || {
        let y = conv2d(&x, &w, Some(&b), conv).unwrap();
        black_box(y.sum_all().unwrap().backward().unwrap());
    });
}

/// Two residual blocks of half the size, doubling, two blocks with half the channels, the colors: the end of
/// a decoder. `t`: x (B, 2C, S/2, S/2), then weights and biases.
fn decode(t: &[Tensor]) -> Tensor {
    let conv = |at: usize| {
        let conv = Conv::same(1).with(Exactness::Fast);
        Link::Conv { weight: &t[at], bias: Some(&t[at + 1]), conv }
    };
    let norm = |at: usize| {
        let (weight, bias) = (&t[at], &t[at + 1]);
        Link::GroupNorm { weight, bias, groups: 32, eps: 1e-6, silu: true }
    };
    let block = |x: &Tensor, at: usize| {
        let links = [norm(at), conv(at + 2), norm(at + 4), conv(at + 6)];
        chain(x, &links, Shortcut::Same).unwrap()
    };
    let y = block(&block(&t[0], 1), 9);
    let y = chain(&y, &[Link::Double, conv(17)], Shortcut::None).unwrap();
    let y = block(&block(&y, 19), 27);
    chain(&y, &[norm(35), conv(37)], Shortcut::None).unwrap()
}

/// Forward and backward of the end of a decoder, all of it trained, and frozen with the gradient of x alone.
fn decoder(batch: usize, channels: usize, side: usize) {
    let (many, few) = (2 * channels, channels);
    let mut shapes = vec![vec![batch, many, side / 2, side / 2]];
    let norm = |c: usize| [vec![c], vec![c]];
    let conv = |cin: usize, cout: usize| [vec![cout, cin, 3, 3], vec![cout]];
    let block = |c: usize| [norm(c), conv(c, c), norm(c), conv(c, c)].concat();
    shapes.extend([block(many), block(many), conv(many, few).to_vec()].concat());
    shapes.extend([block(few), block(few), norm(few).to_vec(), conv(few, 3).to_vec()].concat());
    let vars: Vec<Var> =
        shapes.iter().enumerate().map(|(at, shape)| noise(at as u64, shape)).collect();
    for (what, is_frozen) in [("train", false), ("frozen", true)] {
        let tensor = |(at, var): (usize, &Var)| {
            if is_frozen && at > 0 { var.detach() } else { var.as_tensor().clone() }
        };
        let tensors: Vec<Tensor> = vars.iter().enumerate().map(tensor).collect();
        row(&format!("{what}_decoder/{batch}x{channels}x{side}"), 0.0, || {
            black_box(decode(&tensors).sum_all().unwrap().backward().unwrap());
        });
    }
}

/// A whole step of a shipped recipe: loading, forward, backward, optimizer, averages, codebook.
fn recipe(name: &str) {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
    let recipe = Recipe::read(&assets.join(format!("recipes/{name}.ron"))).unwrap();
    let source = Supplies::of(&recipe, &assets.join("recipes"), &assets).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut trainer =
        Trainer::new(recipe, source, folder.path(), &of_tests().unwrap(), Begin::Anew).unwrap();
    row(&format!("train/{name}"), 0.0, || {
        black_box(trainer.step().unwrap());
    });
}

/// What a VQ-GAN's losses are computed by, for images of 128x128.
fn losses() {
    let device = of_tests().unwrap();
    let [sixteen, eight, other] =
        [(4, 16), (5, 8), (6, 8)].map(|(cell, batch)| noise(cell, &[batch, 3, 128, 128]));
    let config = ClassifierConfig::new("bench", 10);
    let trained = Weights::fresh(1, &device);
    let classifier = Classifier::new(&config, &trained).unwrap();
    let fixed = trained.vars().into_iter().map(|(name, var)| (name, var.as_detached_tensor()));
    let fixed = Weights::loaded(fixed.collect(), false, &device);
    let still = Classifier::new(&config, &fixed).unwrap();
    row("classifier/16x128", 0.0, || {
        black_box(still.logits(&sixteen.as_detached_tensor()).unwrap());
    });
    row("train_classifier/16x128", 0.0, || {
        let y = classifier.logits(&sixteen.as_detached_tensor()).unwrap();
        black_box(y.sum_all().unwrap().backward().unwrap());
    });
    let lpips = Lpips::with_mean_heads(still, &fixed).unwrap();
    row("train_lpips_own/8x128", 0.0, || {
        let y = lpips.distance(&other.as_detached_tensor(), &eight).unwrap();
        black_box(y.sum_all().unwrap().backward().unwrap());
    });
    for (name, norm) in
        [("batch", DiscriminatorNorm::Batch), ("group", DiscriminatorNorm::Group(8))]
    {
        let config = DiscriminatorConfig { ndf: 32, norm, ..DiscriminatorConfig::default() };
        let judge = PatchDiscriminator::new(&config, &Weights::fresh(2, &device)).unwrap();
        row(&format!("train_discriminator_{name}/8x128"), 0.0, || {
            let y = judge.judge(&eight.as_detached_tensor()).unwrap().logits;
            black_box(y.sum_all().unwrap().backward().unwrap());
        });
        row(&format!("train_for_generator_{name}/8x128"), 0.0, || {
            let y = judge.judge_for_generator(&eight).unwrap().logits;
            let loss = AdversarialLoss::Hinge.generator(&y).unwrap();
            black_box(loss.backward().unwrap());
        });
    }
    let down = Conv::new(2, 1, 1);
    convolution(8, [3, 32], 128, 4, down);
    convolution(8, [32, 64], 64, 4, down);
    convolution(8, [64, 128], 32, 4, down);
    convolution(8, [128, 256], 16, 4, Conv::same(1));
}

fn main() {
    smalti_engine::memory::keep();
    kernels::use_plain(std::env::args().any(|a| a == "candle"));
    losses();
    if std::env::args().any(|a| a == "losses") {
        return;
    }
    recipe("worlds-fsq");
    recipe("worlds-vqvae");
    decoder(8, 64, 128);
    let down = Conv::new(2, 0, 1);
    convolution(16, [3, 32], 64, 3, Conv::same(1));
    convolution(16, [32, 32], 64, 3, Conv::same(1));
    convolution(16, [64, 64], 32, 3, Conv::same(1));
    convolution(16, [128, 128], 16, 3, Conv::same(1));
    convolution(16, [64, 64], 16, 1, Conv::same(0));
    convolution(16, [32, 32], 64, 3, down);
    convolution(1, [128, 128], 256, 3, Conv::same(1));
    for (batch, channels, side) in [(16, 32, 64), (16, 64, 32)] {
        let x = noise(1, &[batch, channels, side, side]);
        let (w, b) = (noise(2, &[channels]), noise(3, &[channels]));
        let (fx, fw, fb) = (x.detach(), w.detach(), b.detach());
        row(&format!("group_norm_silu/{batch}x{channels}x{side}"), 0.0, || {
            black_box(group_norm(&fx, (&fw, &fb), 32, 1e-6, true).unwrap());
        });
        row(&format!("train_group_norm_silu/{batch}x{channels}x{side}"), 0.0, || {
            let y = group_norm(&x, (&w, &b), 32, 1e-6, true).unwrap();
            black_box(y.sum_all().unwrap().backward().unwrap());
        });
    }
}
