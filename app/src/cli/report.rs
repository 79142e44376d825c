//! `smalti report`: one page about tokenizers on somebody's images.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use smalti_engine::evaluation::{Column, Identity, ImageValues, Shard, Stage, part_of};
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{Encode, ImageRef, LoadImage, ModelRef, Reconstruct};

use super::arguments;
use super::console::Console;
use super::evaluate::{Told, Work, source_of};
use super::measured::Line;
use super::outputs::Outputs;
use super::pareto::Drawn;
use super::stop::Stop;
use crate::figures::report::{Picked, Report, Row, page};
use crate::look::words::counted;

/// Images of a tokenizer that the page shows at either end.
const PICKED: usize = 2;

#[derive(Debug, Serialize)]
struct Written {
    out: PathBuf,
}

pub(super) fn run(options: &arguments::Report, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    let images = &options.images;
    let mut work = Work::open(&options.models, images, Shard::WHOLE, console)?;
    let mut outputs = Outputs::into_folder(&options.out)?;
    // What is measured of each image is the report's as well; the same command goes on with it.
    let kept = options.out.join("measured");
    work.probe(options.probing.probe, Some(&kept), console)?;
    let mut drawn = Drawn { side: work.side, ..Drawn::default() };
    let (mut rows, mut picked) = (Vec::new(), Vec::new());
    let about = (images.data.as_str(), images.size.is_some());
    let mut measured: Vec<Told> = Vec::new();
    let whole = work.measure((true, true), Some(&kept), console, |told, _| {
        measured.push(told);
        Ok(())
    });
    // One that failed keeps no page of the others back.
    let has_some = measured.iter().any(|told| told.event.number < work.models.len());
    if matches!(whole, Err(Stop::Cancelled)) || !has_some {
        return whole;
    }
    for told in &measured {
        debug_assert_eq!(told.event.stage, Stage::Done);
        let Some((name, model)) = work.models.get(told.event.number) else {
            drawn.jpeg.clone_from(&told.points);
            drawn.jpeg_lpips = told.lpips();
            drawn.jpeg_skipped.clone_from(&told.event.skipped);
            continue;
        };
        let lines = work.lines(told, about, console)?;
        for (line, summary) in lines.iter().zip(&told.points) {
            let probed = work.probed(told.event.number).filter(|_| line.levels.is_none());
            rows.push(Row { probed: probed.cloned(), ..row_of(line, summary) });
        }
        drawn.lines.extend(lines);
        picked.extend(picked_of(&work, (name, model), told, images, console)?);
    }
    let report = Report {
        set: work.set.description.clone(),
        side: work.side,
        rows,
        figure: drawn.pareto(&work.set.description).svg()?,
        picked,
        skipped: left_out(&measured),
        command: command(options),
        version: Identity::VERSION.to_owned(),
        seed: images.bootstrap_seed,
        lpips: measured.first().and_then(Told::lpips).map(|by| by.network.name()),
    };
    let index = outputs.add("index.html", page(&report)?.as_bytes())?;
    outputs.add("results.csv", drawn.csv().as_bytes())?;
    console.check()?;
    outputs.commit()?;
    let text = format!("{}: open it in a browser", index.display());
    console.result(&Written { out: index }, &text)?;
    whole
}

/// Why images were left out, of any tokenizer, each reason once and in the order of the set.
fn left_out(measured: &[Told]) -> Vec<String> {
    let named = measured.iter().flat_map(|told| &told.event.skipped.named);
    let all: BTreeSet<&(u64, String)> = named.collect();
    let mut why: Vec<String> = all.into_iter().map(|(_, why)| why.clone()).collect();
    let most = measured.iter().map(|told| told.event.skipped.count).max().unwrap_or(0);
    if most > why.len() as u64 {
        why.push(format!("and others, {most} images of one tokenizer in all"));
    }
    why
}

fn row_of(line: &Line, summary: &smalti_engine::evaluation::Summary) -> Row {
    let name = match line.levels {
        Some(levels) => format!("{}, {}", line.model, counted(levels, "level")),
        None => line.model.clone(),
    };
    Row { name, summary: summary.clone(), probed: None }
}

/// The images that a tokenizer keeps best and worst, by PSNR, with maps of what is lost.
fn picked_of(
    work: &Work,
    (name, model): (&str, &ModelRef),
    told: &Told,
    images: &arguments::Images,
    console: &Console<'_, '_>,
) -> Result<Vec<Picked>, Stop> {
    let Some(part) = &told.event.part else { return Ok(Vec::new()) };
    let last = told.points.len().saturating_sub(1);
    let mut ends: BTreeMap<bool, Vec<(f64, ImageValues)>> = BTreeMap::new();
    // Only the ends are held, however many images there are.
    for line in part_of(part)?.values()? {
        let line = line?;
        let Some(psnr) = line.get(Column::Psnr).filter(|_| line.point == last) else { continue };
        for is_best in [true, false] {
            let kept = ends.entry(is_best).or_default();
            kept.push((psnr, line.clone()));
            kept.sort_by(|a, b| if is_best { b.0.total_cmp(&a.0) } else { a.0.total_cmp(&b.0) });
            kept.truncate(PICKED);
        }
    }
    let source = source_of(&images.data, images.seed);
    let mut picked = Vec::new();
    for (is_best, lines) in ends.into_iter().rev() {
        for (psnr, line) in lines {
            let image = ImageRef::InSource { source: source.clone(), index: line.index };
            let size = WorkingSize::square(work.side, 1);
            let question = Encode { subject: image.clone().into(), size, model: model.clone() };
            let encoded = work.engine.answer(&question, console)?;
            let compared = work.engine.answer(&Reconstruct(question), console)?;
            let load = LoadImage { image, paint_side: work.side };
            let loaded = work.engine.answer(&load, console)?;
            picked.push(Picked {
                tokenizer: name.to_owned(),
                image: loaded.name.clone(),
                is_best,
                psnr,
                original: encoded.picture.clone(),
                reconstruction: compared.reconstruction.clone(),
                absolute: Arc::clone(&compared.absolute),
            });
            work.engine.forget_old_answers();
        }
    }
    Ok(picked)
}

/// The command that writes the same page.
fn command(options: &arguments::Report) -> String {
    let quoted = |text: &str| {
        if text.chars().all(|c| c.is_alphanumeric() || "-_./:+=,@".contains(c)) {
            text.to_owned()
        } else {
            format!("'{}'", text.replace('\'', "'\\''"))
        }
    };
    let mut words = vec!["smalti report".to_owned()];
    words.extend(options.models.iter().map(|model| quoted(model)));
    let images = &options.images;
    words.push(format!("--data {}", quoted(&images.data)));
    let lpips = images.lpips.iter().map(|path| path.display().to_string());
    words.extend(lpips.map(|path| format!("--lpips {}", quoted(&path))));
    words.extend(images.limit.map(|it| format!("--limit {it}")));
    words.extend(images.size.map(|it| format!("--size {it}")));
    words.extend(options.probing.probe.map(|it| format!("--probe {it}")));
    let seeds = [("--seed", images.seed), ("--bootstrap-seed", images.bootstrap_seed)];
    words.extend(seeds.iter().filter(|(_, it)| *it != 0).map(|(name, it)| format!("{name} {it}")));
    words.push(format!("--out {}", quoted(&options.out.display().to_string())));
    words.join(" ")
}
