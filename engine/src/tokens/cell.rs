//! A place in tokens, and a code of a book.

/// A place in tokens.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(default)]
pub struct Cell {
    /// The part: a scale, a residual level, a stream.
    #[serde(alias = "scale")]
    pub part: u16,
    /// The frame; 0 for still images.
    pub frame: u16,
    /// The row, from the top.
    pub row: u16,
    /// The column, from the left.
    pub column: u32,
}

impl Cell {
    /// A place in the first part of a still image.
    pub fn at(row: usize, column: usize) -> Self {
        Self::of(0, row, column)
    }

    /// A place in a part of a still image.
    pub fn of(part: usize, row: usize, column: usize) -> Self {
        Self { part: part as u16, frame: 0, row: row as u16, column: column as u32 }
    }
}

impl std::fmt::Display for Cell {
    /// As people are told of it: "row 3, column 4", with part and frame where they are not the first.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.part > 0 {
            write!(f, "part {}, ", self.part)?;
        }
        if self.frame > 0 {
            write!(f, "frame {}, ", self.frame)?;
        }
        write!(f, "row {}, column {}", self.row, self.column)
    }
}

/// A code: its number in one of a tokenizer's books.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct Code {
    /// The number of the book.
    pub book: u16,
    /// The number of the code in it.
    pub number: u32,
}

impl Code {
    /// A code of the first book.
    pub fn first(number: u32) -> Self {
        Self { book: 0, number }
    }
}

impl std::fmt::Display for Code {
    /// The number, with the book where it is not the first.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.book > 0 {
            write!(f, "{}:{}", self.book, self.number)
        } else {
            write!(f, "{}", self.number)
        }
    }
}
