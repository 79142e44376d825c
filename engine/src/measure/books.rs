//! How the books of a tokenizer are used. Each part of tokens counts into the book that its codes are of:
//! residual levels and groups of bits have books of their own, the scales of a picture share one.

use std::collections::BTreeMap;

use super::usage::{CodeCounts, CodeStatistics};
use crate::Result;
use crate::tokens::Tokens;

/// How often each code of each book occurred.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BookCounts {
    books: BTreeMap<u16, CodeCounts>,
}

/// What the counts of one book say.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct BookStatistics {
    /// The number of the book among the tokenizer's.
    pub book: u16,
    /// Used codes, perplexity, entropy, ceiling.
    #[serde(flatten)]
    pub statistics: CodeStatistics,
}

/// What the counts of all books say together.
#[derive(Debug, Clone, PartialEq)]
pub struct BooksStatistics {
    /// Of each book, by number.
    pub books: Vec<BookStatistics>,
    /// Codes of all books.
    pub codes: u64,
    /// Tokens that were counted.
    pub samples: u64,
    /// Codes that occurred at least once.
    pub used: u64,
    /// used / codes.
    pub usage: f64,
    /// The used codes to expect if the tokens of each book fell evenly on its codes.
    pub ceiling: f64,
    /// Bits a token, where each is packed by what its own book's codes are worth: the mean of the books'
    /// entropies, each as often as it has tokens.
    pub entropy_bits: f64,
    /// 2^entropy.
    pub perplexity: f64,
}

impl BookCounts {
    /// No tokens yet, of books of these sizes.
    pub fn new(sizes: impl IntoIterator<Item = u32>) -> Self {
        Self { books: (0..).zip(sizes).map(|(book, size)| (book, CodeCounts::new(size))).collect() }
    }

    /// Counts as they are, those of each book.
    pub fn from_counts(books: impl IntoIterator<Item = Vec<u64>>) -> Self {
        let books = books.into_iter().map(CodeCounts::from_counts);
        Self { books: (0..).zip(books).collect() }
    }

    /// Counts all tokens, each part into its book; a book that was not known is one more.
    ///
    /// # Errors
    /// If a part says another size of its book.
    pub fn add(&mut self, tokens: &Tokens) -> Result<()> {
        for part in tokens.parts() {
            let new = || CodeCounts::new(part.codebook_size());
            self.books.entry(part.book()).or_insert_with(new).add(part)?;
        }
        Ok(())
    }

    /// Counts codes of a book; those outside of it, and of a book that is not known, are left out.
    pub fn add_codes(&mut self, book: u16, codes: &[u32]) {
        if let Some(counts) = self.books.get_mut(&book) {
            counts.add_codes(codes);
        }
    }

    /// Count of each code of each book, K entries.
    pub fn counts(&self) -> impl Iterator<Item = &[u64]> {
        self.books.values().map(CodeCounts::counts)
    }

    /// The same books, nothing counted.
    #[must_use]
    pub fn emptied(&self) -> Self {
        let empty = |counts: &CodeCounts| CodeCounts::new(counts.counts().len() as u32);
        Self { books: self.books.iter().map(|(book, counts)| (*book, empty(counts))).collect() }
    }

    /// Statistics of the counts.
    pub fn statistics(&self) -> BooksStatistics {
        let of = |(book, counts): (&u16, &CodeCounts)| BookStatistics {
            book: *book,
            statistics: counts.statistics(),
        };
        BooksStatistics::of(self.books.iter().map(of).collect())
    }
}

impl BooksStatistics {
    /// Together what the counts of each book say.
    pub fn of(books: Vec<BookStatistics>) -> Self {
        let all = || books.iter().map(|book| &book.statistics);
        let (codes, samples) = (
            all().map(|s| u64::from(s.codebook_size)).sum::<u64>(),
            all().map(|s| s.samples).sum(),
        );
        let used = all().map(|s| u64::from(s.used)).sum::<u64>();
        let (entropy_bits, perplexity) = match &books[..] {
            [only] => (only.statistics.entropy_bits, only.statistics.perplexity),
            _ if samples == 0 => (0.0, 0.0),
            _ => {
                let bits = all().map(|s| s.entropy_bits * s.samples as f64).sum::<f64>();
                let mean = bits / samples as f64;
                (mean, mean.exp2())
            }
        };
        Self {
            codes,
            samples,
            used,
            usage: used as f64 / codes.max(1) as f64,
            ceiling: all().map(|s| s.ceiling).sum(),
            entropy_bits,
            perplexity,
            books,
        }
    }

    /// Each book, where there are several.
    pub fn several(&self) -> &[BookStatistics] {
        if self.books.len() > 1 { &self.books } else { &[] }
    }

    /// Whether enough tokens were counted for the entropy to be that of the tokenizer: of few tokens it is the number
    /// of tokens that bounds it, and not what codes are worth. The bias of the plain estimate is (used codes - 1) /
    /// (2 tokens ln 2) bits, at eight tokens a code less than a tenth of a bit (Miller, 1955).
    pub fn is_entropy_known(&self) -> bool {
        let is_known = |book: &BookStatistics| {
            book.statistics.samples >= 8 * u64::from(book.statistics.codebook_size)
        };
        self.books.iter().all(is_known)
    }

    /// Bits that all tokens take together if each is packed by its own book's entropy.
    pub fn packed_bits(&self) -> f64 {
        self.entropy_bits * self.samples as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::{Part, PartShape};

    fn levels(codes: [[u32; 4]; 2], books: [u16; 2]) -> Tokens {
        let part = |(codes, book): ([u32; 4], u16)| {
            let shape = PartShape { book, ..PartShape::grid(2, 2) };
            Part::new(shape, 8, codes.to_vec()).unwrap()
        };
        Tokens::new(codes.into_iter().zip(books).map(part).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn levels_with_books_of_their_own_are_counted_apart_and_cost_the_sum() {
        let mut counts = BookCounts::new([8, 8]);
        counts.add(&levels([[0, 1, 2, 3], [5, 5, 5, 5]], [0, 1])).unwrap();
        let all = counts.statistics();
        let of = |book: usize| all.books[book].statistics;
        assert_eq!((of(0).used, of(0).samples, of(1).used, of(1).samples), (4, 4, 1, 4));
        assert!((of(0).entropy_bits - 2.0).abs() < 1e-12 && of(1).entropy_bits.abs() < 1e-12);
        assert_eq!((all.codes, all.samples, all.used, all.usage), (16, 8, 5, 5.0 / 16.0));
        // Four tokens of two bits, and four that say nothing.
        assert!((all.packed_bits() - 8.0).abs() < 1e-9, "{all:?}");
        assert!((all.perplexity - 2.0).abs() < 1e-9);
        assert_eq!(all.several().len(), 2);
        assert!(counts.emptied().counts().flatten().all(|count| *count == 0));
    }

    #[test]
    fn levels_that_share_a_book_are_counted_together_and_one_book_is_as_before() {
        let (mut counts, tokens) =
            (BookCounts::default(), levels([[0, 1, 2, 3], [0, 5, 5, 5]], [0, 0]));
        counts.add(&tokens).unwrap();
        let mut plain = CodeCounts::new(8);
        for part in tokens.parts() {
            plain.add(part).unwrap();
        }
        let (all, plain) = (counts.statistics(), plain.statistics());
        assert_eq!((all.used, all.samples), (5, 8));
        assert_eq!((all.usage, all.perplexity), (plain.usage, plain.perplexity));
        assert_eq!((all.ceiling, all.entropy_bits), (plain.ceiling, plain.entropy_bits));
        assert!(all.several().is_empty());
        assert_eq!(BookCounts::default().statistics().perplexity, 0.0);
    }

    #[test]
    fn a_few_tokens_of_many_codes_do_not_say_what_codes_are_worth() {
        let known =
            |books: [Vec<u64>; 2]| BookCounts::from_counts(books).statistics().is_entropy_known();
        assert!(known([vec![8; 4], vec![32, 0, 0, 0]]));
        assert!(!known([vec![8; 4], vec![31, 0, 0, 0]]), "one book has too few");
        // A thousand tokens of a thousand codes have ten bits, whatever 2^18 codes are worth.
        let mut counts = vec![0; 1 << 18];
        counts[..1024].fill(1);
        let few = BookCounts::from_counts([counts]).statistics();
        assert!((few.entropy_bits - 10.0).abs() < 1e-9 && !few.is_entropy_known());
    }
}
