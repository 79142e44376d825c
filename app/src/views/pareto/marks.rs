//! The points of the plot: what was measured here, what others published, what a person wrote down.

use std::path::Path;
use std::sync::Arc;

use egui::Color32;
use smalti_engine::evaluation::{Column, Interval, Measured, Probed, Published, Summary};

use super::measures::{Measures, Told};
use crate::ctx::ViewCtx;
use crate::document::{QualityAxis, RateAxis, RatesLook, Secret};
use crate::look::words::counted;

/// Which point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// A measurement, and which of its rates.
    Measured(Measured, usize),
    /// A table of results, the landscape where it is no file, and the line of a row.
    Published(Option<Arc<Path>>, usize),
}

/// A point.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) key: Key,
    /// What stands beside it.
    pub(super) label: String,
    /// What is joined by a line with it.
    pub(super) group: String,
    pub(super) rate: f64,
    pub(super) quality: f64,
    /// Between what its quality lies.
    pub(super) ends: Option<(f64, f64)>,
    pub(super) color: Color32,
    pub(super) shape: Shape,
    /// How many bits it says, for its size: of no matter if none.
    pub(super) is_small: bool,
    /// Why it is not compared with the other measurements, if it is not: of how many images it is so far, or at
    /// which size.
    pub(super) unlike: Option<String>,
}

/// How a point is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Measured here.
    Disc,
    /// An ordinary format on the same images.
    Format,
    /// Published by others.
    Ring,
    /// A person's own results.
    Square,
}

/// A table of results that others made.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// The file of a person's own.
    pub(super) path: Option<Arc<Path>>,
    /// What it is called.
    pub(super) name: String,
    /// Its rows, by their lines.
    pub(super) rows: Arc<Vec<Published>>,
}

impl Layer {
    /// Whether it is a person's own.
    pub(super) fn is_own(&self) -> bool {
        self.path.is_some()
    }
}

/// The row of a table, and the table, as long as they are there.
pub(super) fn row_of<'l>(
    layers: &'l [Layer],
    (path, line): (Option<&Arc<Path>>, usize),
) -> Option<(&'l Layer, &'l Published)> {
    let layer = layers.iter().find(|layer| layer.path.as_ref() == path)?;
    let at = layer.rows.binary_search_by_key(&line, |row| row.line).ok()?;
    Some((layer, layer.rows.get(at)?))
}

/// The number of a measurement, at one of its rates, that stands along the side.
pub(super) fn quality_of(told: &Told, at: usize, axis: QualityAxis) -> Option<Interval> {
    let (summary, column) = (told.points.get(at)?, column_of(axis));
    match (axis, column) {
        (QualityAxis::ProbeBits | QualityAxis::ProbePerplexity, _) => {
            let probed = probed_of(told, at)?;
            let is_bits = axis == QualityAxis::ProbeBits;
            let mean = if is_bits { probed.bits_per_image } else { probed.perplexity() };
            Some(Interval { mean, ends: None, count: u64::from(probed.budget.held_out) })
        }
        (QualityAxis::ProxyFd, _) => {
            Some(Interval { mean: summary.proxy_fd?, ends: None, count: summary.images })
        }
        (_, Some(column)) => summary.get(column),
        _ => None,
    }
}

/// The column of each image's numbers that stands along the side.
pub(super) fn column_of(axis: QualityAxis) -> Option<Column> {
    match axis {
        QualityAxis::Psnr => Some(Column::Psnr),
        QualityAxis::Ssim => Some(Column::Ssim),
        QualityAxis::MsSsim => Some(Column::MsSsim),
        QualityAxis::LpipsLike => Some(Column::LpipsLike),
        QualityAxis::Lpips => Some(Column::Lpips),
        _ => None,
    }
}

/// Whether what is measured here has a number: LPIPS where there are weights of it.
pub(super) fn is_measured(ctx: &ViewCtx<'_>, quality: QualityAxis) -> bool {
    quality.is_measured() || (quality == QualityAxis::Lpips && ctx.live.lpips.is_some())
}

/// What an AR probe found, which reads all levels: of fewer there is none.
pub(super) fn probed_of(told: &Told, at: usize) -> Option<&Probed> {
    let is_whole = told.points.get(at).is_some_and(|point| point.rate.levels.is_none());
    told.probed.as_deref().filter(|_| is_whole)
}

fn rate_of(told: &Told, at: usize, axis: RateAxis) -> Option<f64> {
    let summary = told.points.get(at)?;
    let plain = || summary.get(Column::BitsPerPixel).map(|it| it.mean);
    match axis {
        RateAxis::BitsPerPixel => plain(),
        RateAxis::Probe => probed_of(told, at).map(|probed| probed.bits_per_image),
        // A few tokens of many codes would look cheaper than they are.
        RateAxis::Entropy if summary.is_entropy_a_bound() => None,
        // A file is packed already.
        RateAxis::Entropy => summary.entropy_bits_per_pixel.or_else(plain),
    }
}

/// The hue of a measurement, by what its tokenizer is called and not by its folder.
pub(super) fn hue_of(ctx: &ViewCtx<'_>, told: &Told) -> Color32 {
    if told.is_format() { ctx.theme.colors.dim } else { hue(ctx, &told.identity.subject) }
}

/// A hue for a quantizer, the same wherever it stands.
fn hue(ctx: &ViewCtx<'_>, name: &str) -> Color32 {
    let colors = &ctx.theme.colors;
    let name = name.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if has(&["fsq"]) {
        colors.lapis
    } else if has(&["lfq", "bsq", "ibq", "bit"]) {
        colors.teal
    } else if has(&["gan", "gumbel"]) {
        colors.plum
    } else if has(&["msvq", "rvq", "resid", "scale"]) {
        colors.gold
    } else if has(&["vq"]) {
        colors.coral
    } else {
        colors.dim
    }
}

/// What was measured, as points.
fn measured(ctx: &ViewCtx<'_>, measures: &Measures, look: RatesLook) -> Vec<Mark> {
    let mut marks = Vec::new();
    if !look.measured {
        return marks;
    }
    let usual = measures.usual_sizes();
    for told in measures.all() {
        if told.is_format() && ctx.is_veiled(Secret::Formats) {
            continue;
        }
        let unlike = unlike(told, usual);
        for at in 0..told.points.len() {
            let quality = quality_of(told, at, look.quality);
            let (Some(rate), Some(quality)) = (rate_of(told, at, look.rate), quality) else {
                continue;
            };
            marks.push(Mark {
                key: Key::Measured(told.measured.clone(), at),
                label: label_of(told, at),
                group: told.name.clone(),
                rate,
                quality: quality.mean,
                ends: quality.ends.filter(|_| !told.is_format()),
                color: hue_of(ctx, told),
                shape: if told.is_format() { Shape::Format } else { Shape::Disc },
                is_small: at + 1 < told.points.len(),
                unlike: unlike.clone(),
            });
        }
    }
    marks
}

/// Why a measurement is not compared with those at the usual size, if it is not.
fn unlike(told: &Told, usual: Option<[[u32; 2]; 2]>) -> Option<String> {
    if !told.is_whole() {
        return Some(format!(
            "{} of {} so far",
            told.done.0,
            counted(told.done.1 as usize, "image")
        ));
    }
    let is_usual = told.is_format() || usual.is_none() || told.sizes() == usual;
    let point = told.points.first().filter(|_| !is_usual)?;
    Some(format!("at {}, others are at another size", point.size_words().replace('x', "×")))
}

/// What a rate is called: the tokenizer, or how many of its levels.
pub(super) fn label_of(told: &Told, at: usize) -> String {
    let Some(point) = told.points.get(at) else { return told.name.clone() };
    match (point.rate.levels, point.rate.quality) {
        (Some(levels), _) => counted(levels, "level"),
        (_, Some(quality)) => format!("JPEG {quality}"),
        _ => told.name.strip_prefix("worlds-").unwrap_or(&told.name).to_owned(),
    }
}

/// What a point is called where nothing else says of whom it is.
pub(super) fn long_name(group: &str, label: &str) -> String {
    if group.is_empty() || label.starts_with(group) {
        label.to_owned()
    } else if group.ends_with(label) {
        group.to_owned()
    } else {
        format!("{group}, {label}")
    }
}

/// Whether a published row is seen by default: of one size and benchmark, from its own authors.
fn is_usual(row: &Published) -> bool {
    row.number("resolution") == Some(256.0)
        && row.dataset == "ImageNet-1k"
        && row.standing() == "primary"
}

/// What others published, as points. What was measured again of the same checkpoint is how far its point
/// reaches, not another one.
fn published(ctx: &ViewCtx<'_>, layers: &[Layer], look: RatesLook) -> Vec<Mark> {
    let mut marks = Vec::new();
    let Some(column) = look.quality.column().filter(|_| look.rate == RateAxis::BitsPerPixel) else {
        return marks;
    };
    for layer in layers {
        if !layer.is_own() && !look.published {
            continue;
        }
        for row in layer.rows.iter() {
            let (Some(rate), Some(quality)) = (row.bits_per_pixel(), row.number(column)) else {
                continue;
            };
            let is_seen = layer.is_own() || look.all_published || is_usual(row);
            if !is_seen || rate <= 0.0 {
                continue;
            }
            marks.push(Mark {
                key: Key::Published(layer.path.clone(), row.line),
                label: row.name.clone(),
                group: String::new(),
                rate,
                quality,
                ends: if layer.is_own() { None } else { row.reach(column) },
                color: hue(ctx, if row.family.is_empty() { &row.name } else { &row.family }),
                shape: if layer.is_own() { Shape::Square } else { Shape::Ring },
                is_small: row.standing() != "primary" && !layer.is_own(),
                unlike: None,
            });
        }
    }
    marks
}

/// The points, made anew when something that they are made of is another one: there may be hundreds, each looked
/// for among all others.
#[derive(Debug, Default)]
pub(super) struct Points(Option<(MadeOf, Arc<[Mark]>)>);

/// What points are made of.
#[derive(Debug)]
struct MadeOf {
    look: RatesLook,
    /// The ground of the theme, which each has its own of.
    ground: Color32,
    is_veiled: bool,
    measured: u64,
    layers: Vec<Layer>,
}

impl PartialEq for MadeOf {
    fn eq(&self, other: &Self) -> bool {
        let of = |it: &Self| (it.look, it.ground, it.is_veiled, it.measured, it.layers.len());
        let is_same = |(a, b): (&Layer, &Layer)| Arc::ptr_eq(&a.rows, &b.rows) && a.path == b.path;
        of(self) == of(other) && self.layers.iter().zip(&other.layers).all(is_same)
    }
}

impl Points {
    /// The points of now.
    pub(super) fn follow(
        &mut self,
        ctx: &ViewCtx<'_>,
        (measures, layers): (&Measures, &[Layer]),
        look: RatesLook,
    ) -> Arc<[Mark]> {
        let made_of = MadeOf {
            look,
            ground: ctx.theme.colors.background,
            is_veiled: ctx.is_veiled(Secret::Formats),
            measured: measures.version(),
            layers: layers.to_vec(),
        };
        let known = self.0.take().filter(|(of, _)| *of == made_of);
        let (_, marks) = self.0.insert(known.unwrap_or_else(|| {
            let mut marks = measured(ctx, measures, look);
            marks.extend(published(ctx, layers, look));
            (made_of, marks.into())
        }));
        Arc::clone(marks)
    }
}

/// How many tokenizers are not on an axis by entropy, as too few of their tokens were seen.
pub(super) fn beyond_entropy(measures: &Measures, look: RatesLook) -> usize {
    let is_bound = |told: &&Told| told.points.iter().any(Summary::is_entropy_a_bound);
    let count = measures.all().filter(is_bound).count();
    if look.measured && look.rate == RateAxis::Entropy { count } else { 0 }
}

/// The measured points that no other one is better than at a lower rate, by rate: of those that are measured in full,
/// at one size.
pub(super) fn frontier(marks: &[Mark], is_better_high: bool) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = marks
        .iter()
        .filter(|mark| mark.shape == Shape::Disc && mark.unlike.is_none())
        .map(|mark| (mark.rate, mark.quality))
        .collect();
    let better = |a: f64, b: f64| if is_better_high { a > b } else { a < b };
    points.sort_by(|a, b| {
        let quality = if is_better_high { b.1.total_cmp(&a.1) } else { a.1.total_cmp(&b.1) };
        a.0.total_cmp(&b.0).then(quality)
    });
    let mut found: Vec<(f64, f64)> = Vec::new();
    for point in points {
        if found.last().is_none_or(|last| better(point.1, last.1)) {
            found.push(point);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use smalti_engine::evaluation::parse_published;

    #[test]
    fn a_point_is_called_by_its_name_once() {
        let named = [
            ("JPEG", "JPEG 3", "JPEG 3"),
            ("worlds-fsq", "fsq", "worlds-fsq"),
            ("worlds-rvq", "1 level", "worlds-rvq, 1 level"),
            ("", "ours", "ours"),
        ];
        for (group, label, wanted) in named {
            assert_eq!(long_name(group, label), wanted);
        }
    }

    fn mark(rate: f64, quality: f64, shape: Shape) -> Mark {
        Mark {
            key: Key::Published(None, 0),
            label: String::new(),
            group: String::new(),
            rate,
            quality,
            ends: None,
            color: Color32::WHITE,
            shape,
            is_small: false,
            unlike: None,
        }
    }

    #[test]
    fn the_frontier_is_what_nothing_cheaper_beats_and_formats_are_not_of_it() {
        let marks = [
            mark(0.3, 24.0, Shape::Disc),
            mark(0.1, 20.0, Shape::Disc),
            mark(0.2, 25.0, Shape::Disc),
            mark(0.05, 30.0, Shape::Format),
            mark(0.4, 27.0, Shape::Disc),
        ];
        assert_eq!(frontier(&marks, true), [(0.1, 20.0), (0.2, 25.0), (0.4, 27.0)]);
        assert_eq!(frontier(&marks, false), [(0.1, 20.0)], "of a distance less is better");
        let mut marks = marks;
        marks[2].unlike = Some("3 of 64 images so far".to_owned());
        assert_eq!(frontier(&marks, true), [(0.1, 20.0), (0.3, 24.0), (0.4, 27.0)]);
    }

    fn table(path: Option<&str>, lines: &[usize]) -> Layer {
        let row = |line: usize| {
            if lines.contains(&line) { format!("line {line},0.1\n") } else { "\n".to_owned() }
        };
        let text: String = (2..6).map(row).collect();
        let text = format!("name,bits_per_pixel\n{text}");
        let rows = Arc::new(parse_published(&text, Path::new("table.csv")).unwrap());
        Layer { path: path.map(|path| Path::new(path).into()), name: "table".to_owned(), rows }
    }

    #[test]
    fn a_row_is_the_same_whichever_tables_are_there_already() {
        let (mine, landscape) = (table(Some("/a/x.csv"), &[2, 4]), table(None, &[2, 3]));
        let path = mine.path.clone();
        let name = |layers: &[Layer], line: usize| {
            row_of(layers, (path.as_ref(), line)).map(|(_, row)| row.name.clone())
        };
        for layers in [vec![mine.clone()], vec![landscape.clone(), mine.clone()]] {
            assert_eq!(name(&layers, 4).as_deref(), Some("line 4"));
            assert_eq!(name(&layers, 3), None);
        }
        assert_eq!(name(&[landscape], 2), None);
    }
}
