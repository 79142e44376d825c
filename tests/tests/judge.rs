//! The shipped judge: it names the biomes of Worlds that it never saw, and its LPIPS-like distance ranks
//! pictures as people do. `SMALTI_PHOTOGRAPHS` names a folder of other photographs than the samples.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use candle_core::Tensor;
use smalti_engine::checkpoints;
use smalti_engine::data::worlds::Worlds;
use smalti_engine::data::{Source, open_source};
use smalti_engine::generators::{Generation, Request};
use smalti_engine::images::{Picture, WorkingSize, as_jpeg, resize, to_tensor};
use smalti_engine::layers::Weights;
use smalti_engine::measure::mean_squared_error;
use smalti_engine::perceptual::{Classifier, Lpips};
use smalti_engine::questions::{Decode, ModelRef, OpenGenerator, ShippedGenerators};
use smalti_engine::random::{Noise, Purpose};
use smalti_engine::session::{Session, Settings};
use smalti_tests::device;

/// Side of the photographs in pixels.
const SIDE: u32 = 256;

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets")
}

fn judge_file() -> PathBuf {
    assets().join("models/worlds-judge.safetensors")
}

fn judge() -> Lpips {
    let classifier = Classifier::open(&judge_file(), &device()).unwrap();
    let none = Weights::loaded(std::collections::BTreeMap::new(), false, &device());
    Lpips::judging(classifier, &none).unwrap()
}

fn distance(judge: &Lpips, a: &Picture, b: &Picture) -> f32 {
    let tensor = |picture: &Picture| to_tensor(std::slice::from_ref(picture), &device()).unwrap();
    judge.distance(&tensor(a), &tensor(b)).unwrap().to_vec1::<f32>().unwrap()[0]
}

fn photographs() -> Vec<Picture> {
    #[allow(clippy::disallowed_methods, reason = "tests have no main that could pass it down")]
    let chosen = std::env::var_os("SMALTI_PHOTOGRAPHS").map(PathBuf::from);
    let source = open_source(&chosen.unwrap_or_else(|| assets().join("samples"))).unwrap();
    let square = WorkingSize::square(SIDE, 1);
    (0..source.len())
        .map(|index| resize::fit(&source.sample(index, SIDE).unwrap().picture, square).unwrap())
        .collect()
}

fn changed(picture: &Picture, mut change: impl FnMut(usize, f64) -> f64) -> Picture {
    let values: Vec<u8> = picture
        .rgb()
        .iter()
        .enumerate()
        .map(|(at, value)| change(at, f64::from(*value)).round().clamp(0.0, 255.0) as u8)
        .collect();
    Picture::new(picture.width(), picture.height(), values).unwrap()
}

/// Gaussian noise of a standard deviation in levels of 255.
fn noisy(picture: &Picture, deviation: f64) -> Picture {
    let noise = Noise::new(3, Purpose::Test, 0, 0);
    changed(picture, |at, value| value + deviation * f64::from(noise.normal(at as u32)))
}

/// Blurred by a Gaussian of a standard deviation in pixels; edges repeat.
fn blurred(picture: &Picture, deviation: f64) -> Picture {
    let reach = (3.0 * deviation).ceil() as i64;
    let weights: Vec<f64> =
        (-reach..=reach).map(|d| (-0.5 * (d as f64 / deviation).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let side = i64::from(SIDE);
    let mut values: Vec<f64> = picture.rgb().iter().map(|value| f64::from(*value)).collect();
    for (dx, dy) in [(1, 0), (0, 1)] {
        let before = values.clone();
        for (at, value) in values.iter_mut().enumerate() {
            let (x, y, c) = ((at as i64 / 3) % side, at as i64 / 3 / side, at as i64 % 3);
            let taken = weights.iter().zip(-reach..=reach).map(|(weight, d)| {
                let (x, y) = ((x + d * dx).clamp(0, side - 1), (y + d * dy).clamp(0, side - 1));
                weight * before[((y * side + x) * 3 + c) as usize]
            });
            *value = taken.sum::<f64>() / sum;
        }
    }
    changed(picture, |at, _| values[at])
}

/// Noise of the squared error that another picture has, within one in a hundred.
fn noise_as_wrong_as(picture: &Picture, other: &Picture) -> Picture {
    let wanted = mean_squared_error(picture, other).unwrap();
    let (mut low, mut high) = (0.0, 120.0);
    for _ in 0..30 {
        let middle = 0.5 * (low + high);
        let is_less = mean_squared_error(picture, &noisy(picture, middle)).unwrap() < wanted;
        if is_less { low = middle } else { high = middle }
    }
    let noise = noisy(picture, 0.5 * (low + high));
    let got = mean_squared_error(picture, &noise).unwrap();
    assert!((got / wanted - 1.0).abs() < 0.01, "{got} against {wanted}");
    noise
}

#[test]
fn the_distance_grows_with_what_is_done_to_a_photograph() {
    let judge = judge();
    for (number, picture) in photographs().iter().enumerate() {
        let jpegs = [90, 60, 30, 10].map(|quality| as_jpeg(picture, quality).unwrap().picture);
        let blurs = [0.6, 1.0, 2.0, 4.0].map(|deviation| blurred(picture, deviation));
        let noises = [4.0, 8.0, 16.0, 32.0].map(|deviation| noisy(picture, deviation));
        for (what, worse) in [("JPEG", jpegs), ("blur", blurs), ("noise", noises)] {
            let told = worse.each_ref().map(|other| distance(&judge, picture, other));
            assert!(told.is_sorted_by(|a, b| a < b), "photograph {number}, {what}: {told:?}");
        }
    }
}

/// Squared error calls them the same; people mind the blur more, and so must a measure of looks, clearly and
/// over a set: of single photographs with a slight blur some are told the other way round.
#[test]
fn blur_is_worse_than_noise_of_the_same_squared_error() {
    let judge = judge();
    let photographs = photographs();
    for deviation in [1.0, 2.0] {
        let told: Vec<[f32; 2]> = photographs
            .iter()
            .map(|picture| {
                let blur = blurred(picture, deviation);
                let noise = noise_as_wrong_as(picture, &blur);
                [&blur, &noise].map(|other| distance(&judge, picture, other))
            })
            .collect();
        let right = told.iter().filter(|[blur, noise]| blur > noise).count();
        let sums = [0, 1].map(|which| told.iter().map(|told| told[which]).sum::<f32>());
        println!("blur {deviation}: worse for {right} of {}, {sums:?}", told.len());
        assert!(sums[0] > 1.2 * sums[1], "blur {deviation}: {told:?}");
    }
}

#[test]
fn the_judge_names_the_biomes_of_worlds_that_it_never_saw() {
    const COUNT: u64 = 300;
    let classifier = Classifier::open(&judge_file(), &device()).unwrap();
    let metadata =
        checkpoints::read(&judge_file()).unwrap().smalti(&judge_file()).unwrap().unwrap();
    let worlds = Worlds::held_out(1);
    let mut right = 0;
    for index in 0..COUNT {
        let sample = worlds.sample(index, 128).unwrap();
        let image: Tensor = to_tensor(&[sample.picture], &device()).unwrap();
        let named = classifier.logits(&image).unwrap().argmax(1).unwrap();
        let named = named.to_vec1::<u32>().unwrap()[0] as usize;
        let biome = &worlds.classes()[sample.class.unwrap() as usize];
        right += u64::from(metadata["classes"][named] == biome.as_str());
    }
    assert!(right * 100 >= COUNT * 98, "{right} of {COUNT}");
}

/// Who asks for a canyon sees one: of the biomes that were asked for, the judge names most, whichever generator paints.
#[test]
fn the_shipped_generators_paint_the_class_that_was_asked_for() {
    let session = Session::new(Settings::new(assets())).unwrap();
    let classifier = Classifier::open(&judge_file(), &device()).unwrap();
    let metadata =
        checkpoints::read(&judge_file()).unwrap().smalti(&judge_file()).unwrap().unwrap();
    let names = session.wait(&ShippedGenerators).unwrap();
    assert!(names.iter().any(|name| name == "worlds-maskgit"), "{names:?}");
    for name in names.iter() {
        let generator = ModelRef::Shipped(name.as_str().into());
        let opened = session.wait(&OpenGenerator { generator, tokenizer: None }).unwrap();
        let model = opened.decoder().unwrap().clone();
        let (mut right, mut all) = (0, 0);
        for class in Worlds::held_out(1).classes() {
            for seed in 0..3 {
                let number = opened.config().class(class).unwrap();
                let mut request = Request::new(opened.config(), Some(number), seed).unwrap();
                request.sampling.guidance = 2.0;
                let painter = opened.painter.clone();
                let mut generation = Generation::new(painter, request, None).unwrap();
                while generation.next_step().unwrap().is_some() {}
                let tokens = generation.tokens().unwrap();
                let decoded = session.wait(&Decode { tokens, model: model.clone() }).unwrap();
                let image = to_tensor(std::slice::from_ref(&decoded.picture), &device()).unwrap();
                let named = classifier.logits(&image).unwrap().argmax(1).unwrap();
                let named = named.to_vec1::<u32>().unwrap()[0] as usize;
                right += usize::from(metadata["classes"][named] == class.as_str());
                all += 1;
            }
        }
        println!("{name}: the judge agrees with {right} of {all}");
        assert!(right * 10 >= all * 6, "{name}: {right} of {all}");
    }
}
