//! Slots: a document has room for several tokenizers.

/// Which of two tokenizers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The one that is worked with.
    A,
    /// The one it is compared with.
    B,
}

impl Slot {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];
}
