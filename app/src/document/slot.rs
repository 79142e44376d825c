//! Slots: a document has room for four tokenizers, and the window for four runs.

use serde::{Deserialize, Serialize};

/// Which of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Slot {
    /// The one that is worked with.
    A,
    /// One it is compared with.
    B,
    /// Another.
    C,
    /// Another.
    D,
}

impl Slot {
    /// All.
    pub const ALL: [Self; 4] = [Self::A, Self::B, Self::C, Self::D];
    /// Those that the first is compared with.
    pub const OTHERS: [Self; 3] = [Self::B, Self::C, Self::D];

    /// Its number among those that the first is compared with.
    pub fn other(self) -> Option<usize> {
        (self as usize).checked_sub(1)
    }

    /// Its letter.
    pub fn letter(self) -> char {
        ['A', 'B', 'C', 'D'][self as usize]
    }
}
