//! What a run says every few steps.

use std::sync::Arc;

use crate::measure::BookStatistics;

/// Where a run stands, every few steps.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Report {
    /// Steps done.
    pub step: u64,
    /// Seconds of training so far, earlier parts of a resumed run included.
    pub seconds: f64,
    /// Losses of the last step by name, weighted, the total first.
    pub losses: Vec<(String, f64)>,
    /// What is measured beside them, by name. Of a tokenizer: `usage`, the share of the codes of all books
    /// that occurred since the last report; `perplexity` of these codes, 2^entropy, of several books by
    /// their mean entropy; `psnr` of the last batch in dB. Of a classifier: `accuracy`.
    pub figures: Vec<(String, f64)>,
    /// Images a second since the last report.
    pub images_per_second: f64,
    /// Global norm of the gradients before clipping.
    pub gradient_norm: f64,
    /// Learning rate.
    pub lr: f64,
    /// Dead codes that were replaced since the last report.
    pub restarted: usize,
    /// The use of each book since the last report, by number.
    pub books: Vec<BookStatistics>,
    /// How often each code of each book occurred since the last report, K entries.
    #[serde(skip)]
    pub counts: Vec<Arc<[u64]>>,
}

impl Report {
    /// The loss of all losses together.
    pub fn loss(&self) -> f64 {
        named(&self.losses, "loss").unwrap_or(f64::NAN)
    }

    /// One of [`Report::figures`].
    pub fn figure(&self, name: &str) -> Option<f64> {
        named(&self.figures, name)
    }
}

fn named(values: &[(String, f64)], name: &str) -> Option<f64> {
    values.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
}
