//! How good a generator's pictures of Worlds are: `cargo bench --bench painted -- FOLDER...`, each a folder that
//! `smalti generate` wrote with a class (`biome-seed.png`). One JSON line a folder, after one of held-out worlds
//! measured in the same way.
//!
//! The judge names the class of each picture; its features give a *proxy* Frechet distance to held-out worlds
//! (no FID, and comparable with nothing but numbers of the same count), and the nearest picture of the same
//! class: where that comes close, a generator repeats itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use candle_core::Device;
use smalti_engine::checkpoints;
use smalti_engine::data::worlds::Worlds;
use smalti_engine::data::{Source, open_source};
use smalti_engine::images::{Picture, to_tensor};
use smalti_engine::measure::Moments;
use smalti_engine::perceptual::Classifier;

type Any = Box<dyn std::error::Error>;

/// How `smalti generate` writes a class in the name of a file.
fn in_a_name(class: &str) -> String {
    class.replace(|c: char| !c.is_alphanumeric(), "-")
}

/// A picture with what the judge says of it.
#[derive(Clone)]
struct Seen {
    class: String,
    named: String,
    features: Vec<f32>,
}

fn main() -> Result<(), Any> {
    let folders = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let folders: Vec<String> = folders.collect();
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models/worlds-judge.safetensors");
    let judge = Classifier::open(&file, &Device::Cpu)?;
    let metadata =
        checkpoints::read(&file)?.smalti(&file)?.ok_or("the judge is no model of Smalti")?;
    let look = |class: String, picture: Picture| -> Result<Seen, Any> {
        let pooled = judge.pooled(&to_tensor(&[picture], &Device::Cpu)?)?;
        let logits = judge.classify(&pooled)?.argmax(1)?.to_vec1::<u32>()?;
        let named = logits.first().map_or(0, |class| *class as usize);
        let named = metadata["classes"][named].as_str().unwrap_or_default().to_owned();
        Ok(Seen { class, named, features: pooled.flatten_all()?.to_vec1()? })
    };
    let classes = Worlds::held_out(1).classes().to_vec();
    let folders: Vec<(String, Vec<Seen>)> = folders
        .into_iter()
        .map(|folder| {
            let source = open_source(Path::new(&folder))?;
            let seen = (0..source.len()).map(|index| {
                let sample = source.sample(index, 128)?;
                let name = sample.name.rsplit('/').next().unwrap_or_default();
                let name = name.trim_end_matches(".png");
                // A sheet and the pictures of steps are no samples.
                let number = |seed: &str| seed.parse::<u64>().is_ok();
                let Some((class, _)) = name.rsplit_once('-').filter(|(_, seed)| number(seed))
                else {
                    return Ok(None);
                };
                let Some(class) = classes.iter().find(|one| in_a_name(one) == class) else {
                    return Err(format!("{name}: the judge knows no such class").into());
                };
                look(class.clone(), sample.picture).map(Some)
            });
            let seen = seen.filter_map(Result::transpose).collect::<Result<Vec<_>, Any>>()?;
            Ok((folder, seen))
        })
        .collect::<Result<_, Any>>()?;
    // A Frechet distance depends on the count: held-out worlds are of the same in each line.
    let counts: Vec<usize> = match folders.as_slice() {
        [] => vec![500],
        some => some.iter().map(|(_, seen)| seen.len()).collect(),
    };
    let count = counts.iter().copied().max().unwrap_or(500);
    let worlds = Worlds::held_out(1);
    let held_out = |first: usize| {
        let seen = (first..first + count).map(|index| {
            let sample = worlds.sample(index as u64, 128)?;
            let class = sample.class.map_or(0, |class| class as usize);
            look(worlds.classes()[class].clone(), sample.picture)
        });
        seen.collect::<Result<Vec<_>, Any>>()
    };
    let (real, others) = (held_out(0)?, held_out(count)?);
    let first = |seen: &[Seen], count: usize| seen.iter().take(count).cloned().collect::<Vec<_>>();
    for count in counts.iter().copied().collect::<BTreeSet<_>>() {
        tell("held-out worlds", &first(&others, count), &first(&real, count))?;
    }
    for (folder, seen) in &folders {
        tell(folder, seen, &first(&real, seen.len()))?;
    }
    Ok(())
}

fn tell(what: &str, seen: &[Seen], real: &[Seen]) -> Result<(), Any> {
    let right = seen.iter().filter(|one| one.named == one.class).count();
    let cloud = |seen: &[Seen]| -> Result<Moments, Any> {
        let mut moments = Moments::default();
        seen.iter().try_for_each(|one| moments.add(&one.features))?;
        Ok(moments)
    };
    let line = serde_json::json!({
        "what": what,
        "pictures": seen.len(),
        "judge_agrees": right as f64 / seen.len().max(1) as f64,
        "proxy_frechet": cloud(seen)?.distance(&cloud(real)?),
        "nearest_1st_percentile": nearest(seen),
    });
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

/// The 1st percentile of the distances of pictures to the nearest other one of their class.
fn nearest(seen: &[Seen]) -> Option<f64> {
    let mut classes: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for one in seen {
        classes.entry(&one.class).or_default().push(one);
    }
    let mut all = Vec::new();
    for own in classes.values().filter(|own| own.len() > 1) {
        for (at, one) in own.iter().enumerate() {
            let others = own.iter().enumerate().filter(|(other, _)| *other != at);
            let distances = others.map(|(_, other)| distance(&one.features, &other.features));
            all.push(distances.fold(f64::INFINITY, f64::min));
        }
    }
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 100).copied()
}

fn distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>().sqrt()
}
