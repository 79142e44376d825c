//! Where in a checkpoint a network can be: below which root and prefix, and without what training
//! leaves beside it. Wrappers are no families: each family is asked about each view.
//!
//! A *root* is a part of a pickle that holds weights ("state_dict", "ema"); a *prefix* is what a
//! wrapper puts before a name ("module." of DistributedDataParallel, "_orig_mod." of torch.compile,
//! "first_stage_model." of latent diffusion). Both are the front of a whole name here.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Device, Tensor};

use super::checkpoint::{Checkpoint, load};
use super::entry::Entry;
use super::flatten::ROOTS;
use crate::Result;

/// The most views that are offered.
const MAX_VIEWS: usize = 32;
/// What a run's checkpoint calls the average of a parameter begins so.
const AVERAGE: &str = "ema.";
/// What begins so in a run's checkpoint is no part of the model.
pub const OF_A_RUN: [&str; 4] = [AVERAGE, "adam.", "run.", "discriminator."];
/// Names are taken apart up to this many dots.
const MAX_PARTS: usize = 8;

/// A network may be here: names below a prefix, without bookkeeping.
#[derive(Debug, Clone)]
pub struct View {
    /// What was stripped from the front of all names, such as "state_dict.module."; may be empty.
    pub prefix: String,
    /// The tensors, by the name that is left.
    pub tensors: BTreeMap<String, Entry>,
    /// What was below the prefix, but belongs to no network that runs.
    pub set_aside: Vec<SetAside>,
    /// Whether averaged weights (`model_ema`) stand in the place of the last ones.
    pub averaged: bool,
    /// Where averaged weights stand, the floating point tensors that have none: running statistics, which
    /// are no parameters, or what the averages lack.
    pub unaveraged: BTreeSet<String>,
}

/// Tensors that were stepped over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// What they are, such as "averages of the codebook's EMA".
    pub what: &'static str,
    /// How many.
    pub tensors: usize,
    /// The first of them.
    pub first: String,
}

impl std::fmt::Display for SetAside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}", self.what, self.first)?;
        if self.tensors > 1 {
            write!(f, " and {} more", self.tensors - 1)?;
        }
        f.write_str(")")
    }
}

impl View {
    /// Everything in a checkpoint, as it is.
    pub fn whole(checkpoint: &Checkpoint) -> Self {
        let (prefix, tensors) = (String::new(), checkpoint.tensors.clone());
        let (set_aside, unaveraged) = (Vec::new(), BTreeSet::new());
        Self { prefix, tensors, set_aside, averaged: false, unaveraged }
    }

    /// The model in a file of Smalti's own. In a run's checkpoint that is the averages of the parameters, and
    /// what has none beside them.
    pub fn own(checkpoint: &Checkpoint) -> Self {
        let whole = Self::whole(checkpoint);
        let average = |name: &str| checkpoint.tensors.get(&format!("{AVERAGE}{name}"));
        let is_run = checkpoint.tensors.keys().any(|name| name.starts_with(AVERAGE));
        if !is_run {
            return whole;
        }
        let is_of_run = |name: &String| OF_A_RUN.iter().any(|begin| name.starts_with(begin));
        let model = whole.tensors.iter().filter(|(name, _)| !is_of_run(name));
        let model = model.map(|(name, last)| (name.clone(), average(name).unwrap_or(last).clone()));
        Self { tensors: model.collect(), ..whole }
    }

    /// What was done to get this view, a sentence each; for people.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.prefix.is_empty() {
            notes.push(format!("read below {}", self.prefix.trim_end_matches('.')));
        }
        if self.averaged {
            notes.push("averaged weights (model_ema) stand in for the last ones".to_owned());
        }
        notes.extend(self.set_aside.iter().map(|aside| format!("stepped over {aside}")));
        notes
    }

    /// All tensors as f32 on a device; for
    /// [`Weights::loaded`](crate::layers::weights::Weights::loaded).
    ///
    /// # Errors
    /// [`EngineError::BadFile`](crate::EngineError::BadFile) naming the first tensor with a NaN or an
    /// infinity, its place and its file.
    pub fn to_tensors(&self, device: &Device) -> Result<BTreeMap<String, Tensor>> {
        load(&self.tensors, device, |_| true)
    }
}

/// Parts that a tokenizer has, as bits.
const ENCODER: u8 = 1;
const DECODER: u8 = 2;
const QUANTIZER: u8 = 4;
const AROUND: u8 = 8;

fn part_of_a_tokenizer(part: &str) -> u8 {
    match part {
        "encoder" | "enc" | "_encoder" | "enc_b" | "enc_t" => ENCODER,
        "decoder" | "dec" | "_decoder" | "dec_t" => DECODER,
        "quantize"
        | "quantizer"
        | "quantizers"
        | "quantize_t"
        | "quantize_b"
        | "_quantizer"
        | "vq"
        | "vq_layer"
        | "_vq_vae"
        | "vector_quantizer"
        | "vector_quantization"
        | "codebook"
        | "codebooks"
        | "inv_quant"
        | "bottleneck" => QUANTIZER,
        "quant_conv" | "post_quant_conv" | "pre_quant_conv" | "quantize_conv_t"
        | "latent_tokens" | "pre_vq_conv" | "_pre_vq_conv" => AROUND,
        _ => 0,
    }
}

/// How much what follows a prefix looks like a tokenizer.
fn score(parts: u8) -> u32 {
    let has = |bit: u8, worth: u32| if parts & bit == 0 { 0 } else { worth };
    has(ENCODER, 4) + has(DECODER, 4) + has(QUANTIZER, 3) + has(AROUND, 1)
}

/// Two different parts, one of which is a network.
fn looks_like_a_tokenizer(parts: u8) -> bool {
    parts.count_ones() >= 2 && parts & (ENCODER | DECODER | QUANTIZER) != 0
}

/// All tensors by their whole names, and the root's name.
fn all_of(checkpoint: &Checkpoint) -> (BTreeMap<String, &Entry>, String) {
    let root = checkpoint.root.as_ref().map(|root| format!("{root}.")).unwrap_or_default();
    let mut all: BTreeMap<String, &Entry> = BTreeMap::new();
    all.extend(checkpoint.others.iter().map(|(name, entry)| (name.clone(), entry)));
    all.extend(checkpoint.tensors.iter().map(|(name, entry)| (format!("{root}{name}"), entry)));
    (all, root)
}

/// The views of a checkpoint below each prefix behind which a tensor of that name stands, those below its root
/// first, averaged weights before the last ones; at most 8.
pub fn views_with(checkpoint: &Checkpoint, name: &str) -> Vec<View> {
    let (all, root) = all_of(checkpoint);
    let prefix = |full: &'_ String| {
        let prefix = full.strip_suffix(name)?;
        (prefix.is_empty() || prefix.ends_with('.')).then(|| prefix.to_owned())
    };
    let mut prefixes: Vec<String> = all.keys().filter_map(prefix).collect();
    prefixes.sort_by_key(|prefix| (!prefix.starts_with(&root), prefix.len()));
    let views = prefixes.iter().take(4).flat_map(|prefix| {
        let last = View::below(&all, prefix);
        last.with_averages(&all).into_iter().chain([last])
    });
    views.collect()
}

/// The views of a checkpoint, the likeliest first, at most 32. There is always one: all below its root.
pub fn views(checkpoint: &Checkpoint) -> Vec<View> {
    let (all, root) = all_of(checkpoint);
    let mut prefixes: BTreeMap<&str, u8> = BTreeMap::new();
    for name in all.keys() {
        let mut at = 0;
        for part in name.split('.').take(MAX_PARTS) {
            let front = name.get(..at).unwrap_or_default();
            *prefixes.entry(front).or_default() |= part_of_a_tokenizer(part);
            at = (at + part.len() + 1).min(name.len());
        }
    }
    let mut chosen: Vec<(&str, u32)> = prefixes
        .iter()
        .filter(|(_, parts)| looks_like_a_tokenizer(**parts))
        .map(|(prefix, parts)| (*prefix, score(*parts)))
        .collect();
    let common = common_prefix(&all, &root);
    for always in [root.as_str(), common.as_str()] {
        if !chosen.iter().any(|(prefix, _)| *prefix == always) {
            chosen.push((always, score(prefixes.get(always).copied().unwrap_or(0))));
        }
    }
    let preferred = |prefix: &str| {
        let first = prefix.split('.').next().unwrap_or_default();
        (!prefix.starts_with(&root), ROOTS.iter().position(|r| *r == first).unwrap_or(ROOTS.len()))
    };
    chosen.sort_by(|a, b| {
        let key = |p: &str| (preferred(p), p.len(), p.to_owned());
        b.1.cmp(&a.1).then_with(|| key(a.0).cmp(&key(b.0)))
    });
    let mut views = Vec::new();
    // Views overlap; together they must not take many times what the checkpoint takes.
    let mut left = 4 * all.len() + 64;
    for (prefix, _) in chosen {
        if views.len() >= MAX_VIEWS {
            break;
        }
        let last = View::below(&all, prefix);
        let averaged = last.with_averages(&all);
        for view in averaged.into_iter().chain([last]) {
            let size = view.tensors.len();
            if views.len() < MAX_VIEWS && (views.is_empty() || size > 0) && size <= left {
                left -= size;
                views.push(view);
            }
        }
    }
    views
}

/// What all names below a root begin with, whole parts only.
fn common_prefix(all: &BTreeMap<String, &Entry>, root: &str) -> String {
    let mut names = all.range(root.to_owned()..).map(|(name, _)| name.as_str());
    let mut names = names.by_ref().take_while(|name| name.starts_with(root));
    // Sorted: what the first and the last share, all share.
    let Some(first) = names.next() else { return root.to_owned() };
    let last = names.last().unwrap_or(first);
    let mut common = 0;
    let mut at = 0;
    for (a, b) in first.split('.').zip(last.split('.')) {
        at += a.len() + 1;
        if a != b || at > first.len() {
            break;
        }
        common = at;
    }
    first.get(..common).unwrap_or_default().to_owned()
}

impl View {
    fn below(all: &BTreeMap<String, &Entry>, prefix: &str) -> Self {
        let below = all.range(prefix.to_owned()..).take_while(|(name, _)| name.starts_with(prefix));
        let bare: BTreeMap<&str, &Entry> = below
            .map(|(name, entry)| (name.get(prefix.len()..).unwrap_or_default(), *entry))
            .collect();
        let only_modules = Modules::of(&bare);
        let mut tensors: BTreeMap<String, Entry> = BTreeMap::new();
        let mut counted: BTreeMap<&'static str, SetAside> = BTreeMap::new();
        for (&name, &entry) in &bare {
            if let Some(what) = bookkeeping(name, entry, &bare) {
                let new = SetAside { what, tensors: 0, first: name.to_owned() };
                counted.entry(what).or_insert(new).tensors += 1;
                continue;
            }
            let clean = only_modules.unwrapped(name);
            // Two names that differ by a wrapper only: both are kept.
            let clean = if tensors.contains_key(&clean) { name.to_owned() } else { clean };
            tensors.insert(clean, entry.clone());
        }
        let set_aside = counted.into_values().collect();
        let (prefix, unaveraged) = (prefix.to_owned(), BTreeSet::new());
        Self { prefix, tensors, set_aside, averaged: false, unaveraged }
    }

    /// The same view with averaged weights, if there are some. They lie below one of the parts that lead to a
    /// network, or beside all of them.
    fn with_averages(&self, all: &BTreeMap<String, &Entry>) -> Option<Self> {
        let ends = self.prefix.match_indices('.').take(MAX_PARTS).map(|(at, _)| at + 1);
        std::iter::once(0).chain(ends).find_map(|end| {
            let averages = format!("{}model_ema.", self.prefix.get(..end).unwrap_or_default());
            let mut from = all.range(averages.clone()..);
            let is_there = from.next().is_some_and(|(name, _)| name.starts_with(&averages));
            is_there.then(|| self.averaged(all, &averages))?
        })
    }

    /// The same view with averaged weights, if `averages` holds nearly all of them: `LitEma` keeps them
    /// under the parameter's name without dots. Only a network can say whether those that it lacks are
    /// parameters.
    fn averaged(&self, all: &BTreeMap<String, &Entry>, averages: &str) -> Option<Self> {
        let parent = averages.strip_suffix("model_ema.")?;
        let inner = self.prefix.strip_prefix(parent)?;
        let (mut found, mut unaveraged) = (BTreeMap::new(), BTreeSet::new());
        for (name, entry) in self.tensors.iter().filter(|(_, entry)| entry.dtype().is_float()) {
            let key = format!("{averages}{}", format!("{inner}{name}").replace('.', ""));
            match all.get(&key).filter(|average| average.shape() == entry.shape()) {
                Some(average) => {
                    found.insert(name.clone(), (*average).clone());
                }
                // A codebook that is itself a moving average has no other one.
                None if learns_by_averages(all, &self.prefix, name) => {}
                None => {
                    unaveraged.insert(name.clone());
                }
            }
        }
        if found.is_empty() || unaveraged.len() * 4 > found.len() {
            return None;
        }
        let mut view = Self { averaged: true, unaveraged, ..self.clone() };
        view.tensors.extend(found);
        Some(view)
    }
}

/// Whether the sums that a moving average of codes is made from stand beside a tensor, or above it.
fn learns_by_averages(all: &BTreeMap<String, &Entry>, prefix: &str, name: &str) -> bool {
    let parent = name.rsplit_once('.').map_or("", |(parent, _)| parent);
    let above = parent.rsplit_once('.').map_or("", |(above, _)| above);
    [parent, above].into_iter().filter(|at| !at.is_empty()).any(|at| {
        let has = |sums: &str| all.contains_key(&format!("{prefix}{at}.{sums}"));
        ["cluster_size", "ema_cluster_size", "_ema_cluster_size"].iter().any(|sums| has(sums))
    })
}

/// Wrappers in the middle of names are looked for behind up to this many parts.
const MAX_FRONTS: usize = 15;

/// Wrappers whose name stands in the middle of others.
const WRAPPERS: [&str; 5] = [
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
    "_orig_module",
];

/// Where "module" is the only part below a name, which is how wrappers write it.
struct Modules<'a> {
    /// Fronts of names with a part "module", and whether all that follows is below it.
    fronts: BTreeMap<&'a str, bool>,
}

impl<'a> Modules<'a> {
    fn of(names: &BTreeMap<&'a str, &Entry>) -> Self {
        // In front of everything it is a prefix, which is stripped as others are.
        let split = |name: &'a str| {
            let ends = name.match_indices('.').map(|(at, _)| at + 1).take(MAX_FRONTS);
            ends.map(move |at| name.split_at(at))
        };
        let mut fronts = BTreeMap::new();
        for &name in names.keys() {
            for (front, rest) in split(name) {
                if rest.starts_with("module.") {
                    fronts.insert(front, true);
                }
            }
        }
        if !fronts.is_empty() {
            for &name in names.keys() {
                for (front, rest) in split(name) {
                    if let Some(only) = fronts.get_mut(front)
                        && !rest.starts_with("module.")
                    {
                        *only = false;
                    }
                }
            }
        }
        Self { fronts }
    }

    fn unwrapped(&self, name: &str) -> String {
        let mut kept: Vec<&str> = Vec::new();
        let mut at = 0;
        for (number, part) in name.split('.').enumerate() {
            let front = name.get(..at).unwrap_or_default();
            at += part.len() + 1;
            let last = at > name.len();
            let may_be = part == "module" && number <= MAX_FRONTS;
            let module = may_be && self.fronts.get(front) == Some(&true);
            if last || !(module || WRAPPERS.contains(&part)) {
                kept.push(part);
            }
        }
        kept.join(".")
    }
}

/// What a tensor is, if it belongs to training and not to a network that runs.
fn bookkeeping(name: &str, entry: &Entry, all: &BTreeMap<&str, &Entry>) -> Option<&'static str> {
    let first = name.split('.').next().unwrap_or_default();
    let (parent, last) = name.rsplit_once('.').unwrap_or(("", name));
    match first {
        "model_ema" => return Some("averaged copies of the weights"),
        "loss" | "losses" | "perceptual_loss" | "perceptual" | "lpips" | "loss_fn"
        | "criterion" => {
            return Some("losses with their networks (LPIPS, discriminator)");
        }
        "discriminator"
        | "discriminators"
        | "disc"
        | "image_discriminator"
        | "video_discriminator" => return Some("a discriminator"),
        "colorize" => return Some("colors for drawing segmentations"),
        _ if first.contains("optimizer") => return Some("an optimizer's state"),
        _ => {}
    }
    let of_a_codebook = ["quant", "codebook", "vq"].iter().any(|word| name.contains(word));
    match last {
        "cluster_size" | "embed_avg" | "ema_cluster_size" | "_ema_cluster_size" | "ema_w"
        | "_ema_w" | "ema_embed" | "embed_prob" | "ema_embed_sum" | "embed_sum" => {
            Some("averages of the codebook's EMA")
        }
        "ema_vocab_hit_SV" | "codebook_used" | "ema_count" | "code_usage" | "codebook_usage" => {
            Some("counts of the codes' use")
        }
        "initted" | "inited" | "initialized" if of_a_codebook => {
            Some("flags of the codebook's start")
        }
        "used" | "re_embed" if of_a_codebook => Some("a table that renumbers codes"),
        "N" | "z_avg" | "usage" | "hits" | "count" | "counts" | "code_count" | "usages" => {
            beside_a_codebook(parent, entry, all).then_some("counts of the codes' use")
        }
        _ => None,
    }
}

/// Whether a two-dimensional tensor under the same name has as many rows as this one has numbers.
fn beside_a_codebook(parent: &str, entry: &Entry, all: &BTreeMap<&str, &Entry>) -> bool {
    let Some(&rows) = entry.shape().first() else { return false };
    let siblings = all.range(parent..).take_while(|(name, _)| name.starts_with(parent)).take(64);
    siblings.into_iter().any(|(_, other)| matches!(other.shape(), [k, _] if *k == rows))
        && rows >= 2
}
