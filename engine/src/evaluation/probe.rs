//! What an AR probe found of a tokenizer, as a row of a table, and where these rows are kept.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::published::cells;
use crate::atomic::write_atomically;
use crate::training::ProbeBudget;
use crate::{EngineError, Result};

/// How probes are made: another number where network, sequence or images are others than before.
pub(super) const RULE: u32 = 1;
/// Side in pixels of the images, of tokenizers that take any.
pub(super) const SIDE: u32 = 128;
/// The table that comes with Smalti.
pub(super) const SHIPPED: &str = "models/probes.csv";
/// How a file ends that holds one.
const ENDING: &str = ".probe.csv";
/// A table is smaller.
const MOST_BYTES: u64 = 1 << 20;
/// The first line of a table.
const HEAD: &str = "model,weights,side,tokens,codes,sub_tokens,steps,batch,images,held_out,seed,rule,\
    bits_per_image,bits_per_token,perplexity,version";

/// What the AR probe of a tokenizer found: see [`crate::training::ArProbe`]. Of painted worlds, whichever images the
/// tokenizer is measured on otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// What the tokenizer is called.
    pub model: String,
    /// A hash over the bytes of its files.
    pub weights: String,
    /// Side in pixels of the images.
    pub side: u32,
    /// Tokens of an image.
    pub tokens: u32,
    /// The size of its largest book.
    pub codes: u32,
    /// Sub-tokens in which the probe reads a token.
    pub sub_tokens: u32,
    /// What the probe was allowed to spend.
    pub budget: ProbeBudget,
    /// Bits of a held-out image, the mean.
    pub bits_per_image: f64,
    /// The version of Smalti that found it.
    pub version: String,
}

impl Probed {
    /// Bits of a token, the mean.
    pub fn bits_per_token(&self) -> f64 {
        self.bits_per_image / f64::from(self.tokens.max(1))
    }

    /// 2 to the power of the bits of a token: among how many codes as likely as each other a token is left open.
    pub fn perplexity(&self) -> f64 {
        self.bits_per_token().exp2()
    }

    /// What stands beside the number wherever there is room: that it is a probe, and what it may spend.
    pub fn about(&self) -> String {
        format!(
            "AR probe: a raster generator of 2 layers and width 128, {}, painted worlds at {} pixels; no bound on what \
             a larger one reaches",
            self.budget.words(),
            self.side
        )
    }

    fn is_of(&self, weights: &str, budget: ProbeBudget) -> bool {
        self.weights == weights && self.budget == budget
    }

    fn row(&self) -> String {
        let Self { weights, side, tokens, codes, sub_tokens, budget, .. } = self;
        let ProbeBudget { steps, batch, images, held_out, seed } = budget;
        let model = if self.model.contains([',', '"', '\n']) {
            format!("\"{}\"", self.model.replace('"', "\"\"").replace('\n', " "))
        } else {
            self.model.clone()
        };
        let (image, token) = (self.bits_per_image, self.bits_per_token());
        format!(
            "{model},{weights},{side},{tokens},{codes},{sub_tokens},{steps},{batch},{images},{held_out},{seed},{RULE},\
             {image},{token},{},{}\n",
            self.perplexity(),
            self.version
        )
    }

    /// A row, and the rule by which it was made.
    fn of_row(row: &str) -> Option<(Self, u32)> {
        let cells = cells(row)?;
        let at: &[String; 16] = cells.as_slice().try_into().ok()?;
        let whole = |column: usize| at[column].parse::<u32>().ok();
        let (rule, bits_per_image) = (whole(11)?, at[12].parse::<f64>().ok()?);
        let it = Self {
            model: at[0].clone(),
            weights: at[1].clone(),
            side: whole(2)?,
            tokens: whole(3)?,
            codes: whole(4)?,
            sub_tokens: whole(5)?,
            budget: ProbeBudget {
                steps: whole(6)?,
                batch: whole(7)?,
                images: whole(8)?,
                held_out: whole(9)?,
                seed: at[10].parse().ok()?,
            },
            bits_per_image,
            version: at[15].clone(),
        };
        (bits_per_image.is_finite() && it.tokens > 0).then_some((it, rule))
    }
}

/// A table of probes.
pub fn table(all: &[Probed]) -> String {
    let mut text = format!("{HEAD}\n");
    for probed in all {
        text.write_str(&probed.row()).unwrap_or_default();
    }
    text
}

/// The rows of a table that were made as probes are made now.
fn rows_of(path: &Path) -> Result<Vec<Probed>> {
    let bytes = crate::images::file::read_file(path, MOST_BYTES)?;
    let text = String::from_utf8_lossy(&bytes);
    let bad = |line: usize| {
        let reason = format!("line {line} is none of a table of AR probes");
        EngineError::bad_file(path, reason, "remove it, and measure again with --probe")
    };
    let mut lines = text.lines().enumerate();
    if lines.next().is_none_or(|(_, head)| head != HEAD) {
        return Err(bad(1));
    }
    let of = |(at, line): (usize, &str)| Probed::of_row(line).ok_or_else(|| bad(at + 1));
    let rows = lines.map(of).collect::<Result<Vec<_>>>()?;
    Ok(rows.into_iter().filter(|(_, rule)| *rule == RULE).map(|(probed, _)| probed).collect())
}

/// All probes that come with Smalti, and those that lie in a folder; and why one cannot be read.
pub(super) fn all_kept(assets: &Path, folder: Option<&Path>) -> (Vec<Probed>, Vec<EngineError>) {
    let shipped = Some(assets.join(SHIPPED)).filter(|path| path.is_file());
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for path in shipped.into_iter().chain(folder.map(files_in).unwrap_or_default()) {
        match rows_of(&path) {
            Ok(rows) => found.extend(rows),
            Err(error) => problems.push(error),
        }
    }
    (found, problems)
}

/// The one of a tokenizer, by its weights.
pub(super) fn of_weights<'a>(
    all: &'a [Probed],
    weights: &str,
    budget: ProbeBudget,
) -> Option<&'a Probed> {
    all.iter().find(|probed| probed.is_of(weights, budget))
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let is_one = |path: &PathBuf| path.to_string_lossy().ends_with(ENDING) && path.is_file();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_one).collect();
    found.sort();
    found
}

/// Writes one to a folder, under a name of tokenizer and budget.
pub(super) fn keep(folder: &Path, probed: &Probed) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|source| EngineError::io(folder, source))?;
    let plain = |c: char| if c.is_alphanumeric() || "-_+".contains(c) { c } else { '-' };
    let label: String = probed.model.chars().map(plain).take(80).collect();
    let of =
        serde_json::json!({ "weights": probed.weights, "budget": probed.budget, "rule": RULE });
    let key = crate::random::name_hash(&of.to_string()) as u32;
    let path = folder.join(format!("{label}-{key:08x}{ENDING}"));
    let text = table(std::slice::from_ref(probed));
    write_atomically(&path, |file| file.write_all(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(model: &str, bits_per_image: f64) -> Probed {
        Probed {
            model: model.to_owned(),
            weights: "00ff".to_owned(),
            side: SIDE,
            tokens: 64,
            codes: 1024,
            sub_tokens: 1,
            budget: ProbeBudget::default(),
            bits_per_image,
            version: "0.1.0".to_owned(),
        }
    }

    #[test]
    fn what_is_kept_is_found_by_weights_and_budget_to_the_last_bit() {
        let folder = tempfile::tempdir().unwrap();
        let one = probed("a \"fine\", one", 1.0 / 3.0);
        keep(folder.path(), &one).unwrap();
        let (all, problems) = all_kept(Path::new("nowhere"), Some(folder.path()));
        assert!(problems.is_empty(), "{problems:?}");
        let budget = ProbeBudget::default();
        assert_eq!(of_weights(&all, "00ff", budget), Some(&one));
        assert_eq!(of_weights(&all, "00fe", budget), None);
        let shorter = ProbeBudget { steps: 3, ..budget };
        assert_eq!(of_weights(&all, "00ff", shorter), None, "another budget is no comparison");
        // The same tokenizer with another budget is kept beside it.
        keep(folder.path(), &Probed { budget: shorter, ..one.clone() }).unwrap();
        assert_eq!(all_kept(Path::new("nowhere"), Some(folder.path())).0.len(), 2);
    }

    #[test]
    fn a_table_that_is_none_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("x{ENDING}"));
        std::fs::write(&path, format!("{}bad,row\n", table(&[probed("x", 2.0)]))).unwrap();
        let (found, problems) = all_kept(Path::new("nowhere"), Some(folder.path()));
        assert!(found.is_empty() && problems[0].to_string().contains("line 3"), "{problems:?}");
    }
}
