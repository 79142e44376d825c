//! The books of a tokenizer in what commands print: nothing where there is one.

use smalti_engine::measure::BookStatistics;

/// " (book 0: 12.0 % used, perplexity 40.1; book 1: ...)" of several books; nothing of one.
pub(super) fn words(books: &[BookStatistics]) -> String {
    if books.len() < 2 {
        return String::new();
    }
    let of = |BookStatistics { book, statistics }: &BookStatistics| {
        let (usage, perplexity) = (statistics.usage * 100.0, statistics.perplexity);
        format!("book {book}: {usage:.1} % used, perplexity {perplexity:.1}")
    };
    format!(" ({})", books.iter().map(of).collect::<Vec<_>>().join("; "))
}
