//! A checkpoint of no known family is no blank wall: what tensors it holds, and which of them look
//! like a codebook, of images, speech, motion or anything else.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Checkpoint, Entry};
use crate::{EngineError, Result};

/// A strided tensor larger than this is not read for its norm.
const MAX_STRIDED: usize = 256 << 20;
/// A codebook larger than this is not read.
const MAX_CODEBOOK: usize = 1 << 30;
/// The most candidates that are listed.
const MAX_CANDIDATES: usize = 256;
/// Candidates below this have no more than a shape to show for it.
const ENOUGH: i32 = 4;

/// One tensor of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TensorRow {
    /// Its name; outside of the checkpoint's root the whole name.
    pub name: String,
    /// Its shape; empty for a single number.
    pub shape: Vec<usize>,
    /// The type of its elements, such as "F32".
    pub dtype: &'static str,
    /// Number of elements.
    pub elements: usize,
}

/// All tensors in the order of their names; nothing of them is read.
pub fn tensor_rows(checkpoint: &Checkpoint) -> Vec<TensorRow> {
    let all = checkpoint.tensors.iter().chain(&checkpoint.others);
    let row = |(name, entry): (&String, &Entry)| TensorRow {
        name: name.clone(),
        shape: entry.shape().to_vec(),
        dtype: entry.dtype().name(),
        elements: entry.elements(),
    };
    all.map(row).collect()
}

/// The Euclidean norm of a tensor, read in pieces of 256 KB; `None` for a view of more than 256 MB that
/// does not lie in one piece. -inf counts for nothing: masks of attention that are kept with a network are made
/// of it, and no weight becomes it alone.
///
/// # Errors
/// [`EngineError::BadInput`] if there is no such tensor, [`EngineError::Io`] if it cannot be read.
pub fn norm(checkpoint: &Checkpoint, name: &str) -> Result<Option<f64>> {
    let entry = find(checkpoint, name)?;
    if !entry.is_contiguous() && entry.byte_len() > MAX_STRIDED {
        return Ok(None);
    }
    let mut sum = 0.0_f64;
    let square = |x: &f32| if *x == f32::NEG_INFINITY { 0.0 } else { f64::from(*x).powi(2) };
    entry.pieces(|values| sum += values.iter().map(square).sum::<f64>())?;
    Ok(Some(sum.sqrt()))
}

fn find<'a>(checkpoint: &'a Checkpoint, name: &str) -> Result<&'a Entry> {
    let found = checkpoint.tensors.get(name).or_else(|| checkpoint.others.get(name));
    found.ok_or_else(|| {
        EngineError::bad_input(
            "tensor",
            format!("there is none called {name:?} in this checkpoint"),
            "`smalti inspect` lists the names",
        )
    })
}

/// A tensor that may be a codebook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodebookCandidate {
    /// Its name; `name[i]` for one of several codebooks in one tensor.
    pub tensor: String,
    /// Number of codes, K.
    pub size: usize,
    /// Numbers of a code, D.
    pub dim: usize,
    /// A tensor of K numbers beside it, or `name[i]` of one with a row for each codebook: how often each
    /// code was used at the end of training.
    pub usage: Option<String>,
    /// How much it looks like one; the list begins with the highest.
    pub score: i32,
    /// Why, in words.
    pub why: String,
}

/// How a tensor holds codes.
#[derive(Debug, Clone, Copy)]
struct Layout {
    size: usize,
    dim: usize,
    /// Codebooks in the tensor.
    books: usize,
    /// Whether codes are columns, as in Sonnet's and rosinality's VQ-VAE.
    columns: bool,
}

/// Tensors that may be codebooks, the likeliest first: by name (codebook, embedding below a quantizer),
/// by shape (K rows, D numbers each), and by a vector of K numbers beside it. If no name tells, the few
/// whose shape alone would do.
pub fn codebook_candidates(checkpoint: &Checkpoint) -> Vec<CodebookCandidate> {
    let mut found: Vec<CodebookCandidate> = Vec::new();
    for tensors in [&checkpoint.tensors, &checkpoint.others] {
        let beside = Beside::of(tensors);
        for (name, entry) in tensors.iter().filter(|(_, entry)| entry.dtype().is_float()) {
            let (hint, words) = hint(name);
            // Above it would be listed only for its shape, among very many.
            if hint < -ENOUGH {
                continue;
            }
            let usage = beside.usage(name, entry);
            let Some(layout) = layout(name, entry, usage.map(|(_, k)| k)) else { continue };
            let books = if layout.books > 1 { 0..layout.books } else { 0..1 };
            let score = hint + shape_score(layout) + if usage.is_some() { 4 } else { 0 };
            let mut why = words.clone();
            let shape = format!("{} codes of {} numbers", layout.size, layout.dim);
            why.push(&shape);
            let used = usage.map(|(name, _)| format!("{name} beside it has a number for each"));
            why.extend(used.as_deref());
            let rows = usage.and_then(|(name, _)| tensors.get(name)?.shape().split_last());
            let row_each = layout.books > 1 && rows.is_some_and(|(_, of)| of == [layout.books]);
            let at = |name: &str, several: bool, book: usize| {
                if several { format!("{name}[{book}]") } else { name.to_owned() }
            };
            for book in books {
                found.push(CodebookCandidate {
                    tensor: at(name, layout.books > 1, book),
                    size: layout.size,
                    dim: layout.dim,
                    usage: usage.map(|(name, _)| at(name, row_each, book)),
                    score,
                    why: why.join(", "),
                });
            }
        }
    }
    // Stable: the root's own before others, each in the order of names.
    found.sort_by_key(|candidate| -candidate.score);
    let likely = found.iter().take_while(|c| c.score >= ENOUGH).count();
    found.truncate(if likely > 0 { likely.min(MAX_CANDIDATES) } else { 8 });
    found
}

/// What a name says: points for a codebook, and the words that gave them.
fn hint(name: &str) -> (i32, Vec<&'static str>) {
    let lower = name.to_lowercase();
    let parts: Vec<&str> = lower.split(['.', '_', '/']).collect();
    let whole: Vec<&str> = lower.split('.').collect();
    let (parent, last) = match whole[..] {
        [.., parent, last] => (parent, last),
        [last] => ("", last),
        [] => ("", ""),
    };
    let mut score = 0;
    let mut words = Vec::new();
    let mut add = |n: i32, word: &'static str| {
        score += n;
        words.push(word);
    };
    if lower.contains("codebook") {
        add(6, "called a codebook");
    } else if lower.contains("quantiz") || lower.contains("quantis") {
        add(4, "below a quantizer");
    } else if parts.iter().any(|part| part.starts_with("vq") || *part == "rvq") {
        add(3, "below a vq");
    }
    let embedding = |part: &str| part.starts_with("embed") || part == "_embedding";
    if embedding(last) || (last == "weight" && embedding(parent)) {
        add(3, "an embedding");
    }
    let averages = ["embed_avg", "ema_w", "_ema_w", "z_avg", "embed_sum", "ema_embed", "used"];
    let elsewhere = [
        "pos",
        "position",
        "positional",
        "class",
        "label",
        "lm",
        "wte",
        "wpe",
        "norm",
        "attn",
        "attention",
        "mlp",
        "conv",
        "proj",
        "project",
        "to",
        "fc",
        "linear",
        "text",
        "time",
        "ffn",
    ];
    if averages.contains(&last) || USAGES.contains(&last) {
        return (-99, vec!["bookkeeping"]);
    }
    if parts.iter().any(|part| elsewhere.contains(part)) {
        add(-6, "but its name is that of another part");
    }
    (score, words)
}

/// Where the codes are in a tensor, if its shape can be that of a codebook.
fn layout(name: &str, entry: &Entry, usage: Option<usize>) -> Option<Layout> {
    let (books, rows, columns) = match *entry.shape() {
        [rows, columns] => (1, rows, columns),
        [books @ 1..=64, rows, columns] => (books, rows, columns),
        _ => return None,
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    // An embedding layer has a code a row. A bare "embed" is Sonnet's: a code a column.
    let sideways = match usage {
        Some(k) => k == columns && k != rows,
        None => {
            matches!(last, "embed" | "embeddings" | "codebook") && rows < columns && rows <= 512
        }
    };
    let (size, dim) = if sideways { (columns, rows) } else { (rows, columns) };
    let fits = size >= 16 && (1..=4096).contains(&dim);
    fits.then_some(Layout { size, dim, books, columns: sideways })
}

fn shape_score(layout: Layout) -> i32 {
    i32::from(layout.size > layout.dim)
        + i32::from(layout.size.is_power_of_two())
        + i32::from(layout.dim <= 256)
}

/// Names of vectors with a number for each code, the best first.
const USAGES: [&str; 16] = [
    "cluster_size",
    "ema_cluster_size",
    "_ema_cluster_size",
    "ema_count",
    "ema_vocab_hit_sv",
    "embed_prob",
    "codebook_usage",
    "code_usage",
    "usage",
    "usages",
    "hits",
    "code_count",
    "counts",
    "count",
    "used_curr",
    "n",
];

/// Small tensors by the name they stand under, to find what is beside another one.
struct Beside<'a> {
    vectors: BTreeMap<&'a str, Vec<(&'a str, usize)>>,
}

impl<'a> Beside<'a> {
    fn of(tensors: &'a BTreeMap<String, Entry>) -> Self {
        let mut vectors: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
        for (name, entry) in tensors {
            let (parent, last) = name.rsplit_once('.').unwrap_or(("", name));
            let last = last.to_lowercase();
            if let (Some(&k), 1..=2) = (entry.shape().last(), entry.shape().len())
                && USAGES.contains(&last.as_str())
            {
                vectors.entry(parent).or_default().push((name, k));
            }
        }
        Self { vectors }
    }

    /// The vector of use under the same name or the one above it, and its length.
    fn usage(&self, name: &str, entry: &Entry) -> Option<(&'a str, usize)> {
        let parent = name.rsplit_once('.').map_or("", |(parent, _)| parent);
        let above = parent.rsplit_once('.').map_or("", |(above, _)| above);
        let sizes = entry.shape().get(entry.shape().len().checked_sub(2)?..)?;
        let fitting = |at: &str| {
            let here = self.vectors.get(at)?.iter().filter(|(_, k)| *k >= 16 && sizes.contains(k));
            let rank = |name: &str| {
                let last = name.rsplit('.').next().unwrap_or_default().to_lowercase();
                USAGES.iter().position(|usage| *usage == last)
            };
            here.min_by_key(|(name, _)| rank(name)).copied()
        };
        fitting(parent).or_else(|| fitting(above))
    }
}

/// The codes of a candidate: K, D, and K times D numbers, code by code.
///
/// # Errors
/// [`EngineError::BadInput`] if there is no such tensor, or it is none that can be a codebook, or takes
/// more than a gigabyte; [`EngineError::Io`] if it cannot be read.
pub fn candidate_values(checkpoint: &Checkpoint, name: &str) -> Result<(usize, usize, Vec<f32>)> {
    let (tensor, book) = match name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
        Some((tensor, book)) => (tensor, book.parse().unwrap_or(usize::MAX)),
        None => (name, 0_usize),
    };
    let entry = find(checkpoint, tensor)?;
    let here = [&checkpoint.tensors, &checkpoint.others];
    let tensors = here.into_iter().find(|tensors| tensors.contains_key(tensor));
    let usage = tensors.and_then(|tensors| Beside::of(tensors).usage(tensor, entry));
    let bad = |reason: String| {
        EngineError::bad_input(
            format!("tensor {name}"),
            reason,
            "a codebook is a tensor of K codes (at least 16) by D numbers (at most 4096)",
        )
    };
    let Some(layout) = layout(tensor, entry, usage.map(|(_, k)| k)) else {
        return Err(bad(format!("has the shape {:?}, which is no codebook", entry.shape())));
    };
    if book >= layout.books {
        return Err(bad(format!("holds {} codebooks", layout.books)));
    }
    if entry.byte_len() > MAX_CODEBOOK {
        return Err(bad(format!("takes {} bytes, which is too much to look at", entry.byte_len())));
    }
    let all = entry.values()?;
    let (k, d) = (layout.size, layout.dim);
    let values = all.get(book * k * d..(book + 1) * k * d).unwrap_or_default();
    let values = if layout.columns {
        (0..k * d).filter_map(|i| values.get(i % d * k + i / d)).copied().collect()
    } else {
        values.to_vec()
    };
    Ok((k, d, values))
}

/// The use of a candidate's codes as training left it: a number for each code. Of `name[i]` it is row i,
/// else the sum of all rows (scales).
///
/// # Errors
/// As [`candidate_values`].
pub fn candidate_usage(checkpoint: &Checkpoint, usage: &str) -> Result<Vec<f32>> {
    let (tensor, book) = match usage.strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
        Some((tensor, book)) => (tensor, book.parse::<usize>().ok()),
        None => (usage, None),
    };
    let entry = find(checkpoint, tensor)?;
    let k = entry.shape().last().copied().unwrap_or(0);
    if entry.byte_len() > MAX_CODEBOOK || entry.shape().len() > 2 {
        let reason = format!("of shape {:?} is no list of numbers", entry.shape());
        return Err(EngineError::bad_input(format!("tensor {usage}"), reason, ""));
    }
    let mut sums = vec![0.0_f64; k];
    let rows = entry.values()?;
    let rows = rows.chunks(k.max(1)).enumerate();
    for (_, row) in rows.filter(|(at, _)| book.is_none_or(|book| book == *at)) {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    Ok(sums.into_iter().map(|sum| sum as f32).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use candle_core::{Device, Tensor};

    use super::*;

    #[test]
    fn a_mask_of_minus_infinity_is_no_broken_weight() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let tensor = |values: &[f32]| Tensor::new(values, &Device::Cpu).unwrap();
        let (low, high) = (f32::NEG_INFINITY, f32::INFINITY);
        let tensors = HashMap::from([
            ("mask", tensor(&[3.0, low, 4.0, low])),
            ("broken", tensor(&[3.0, f32::NAN])),
            ("burst", tensor(&[3.0, high, low])),
        ]);
        candle_core::safetensors::save(&tensors, &path).unwrap();
        let checkpoint = crate::checkpoints::read(&path).unwrap();
        let norm = |name| norm(&checkpoint, name).unwrap().unwrap();
        assert_eq!(norm("mask"), 5.0);
        assert!(!norm("broken").is_finite() && !norm("burst").is_finite());
    }
}
