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
    /// Share of the codes of all books that occurred since the last report.
    pub usage: f64,
    /// Perplexity of the codes since the last report: 2^entropy, of several books by their mean entropy.
    pub perplexity: f64,
    /// PSNR of the last batch in dB.
    pub psnr: f64,
    /// Images a second since the last report.
    pub images_per_second: f64,
    /// Global norm of the gradients before clipping.
    pub gradient_norm: f64,
    /// Learning rate.
    pub lr: f64,
    /// The use of each book since the last report, by number.
    pub books: Vec<BookStatistics>,
    /// How often each code of each book occurred since the last report, K entries.
    #[serde(skip)]
    pub counts: Vec<Arc<[u64]>>,
}
