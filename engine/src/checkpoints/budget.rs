//! What reading one file may cost: memory and steps, both in proportion to the file's size.
//!
//! A few bytes of a pickle or of an archive can stand for very much, so whatever is kept is paid for
//! here before it is made, and whatever is looked at counts as a step. Real files stay far below: a
//! tensor takes some 130 bytes of a pickle and 250 of an archive, before its data.

/// Bytes of memory that reading may take for each byte of the file.
const MEMORY: u64 = 20;
/// Steps for each byte of the file.
const STEPS: u64 = 64;
/// What small files may take besides, of both.
const FIXED: u64 = 64 << 10;

/// What is left to spend on one file.
#[derive(Debug)]
pub(super) struct Budget {
    memory: u64,
    steps: u64,
    cost: Cost,
}

/// What reading a file took, as far as it was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Bytes that were kept in memory.
    pub memory: u64,
    /// Opcodes run, values visited, and names made (a step for each 16 bytes).
    pub steps: u64,
}

/// Why reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spent {
    Memory,
    Steps,
}

impl std::fmt::Display for Spent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory => write!(f, "would take more than {MEMORY} times its size in memory"),
            Self::Steps => f.write_str("names its parts over and over, far beyond its own size"),
        }
    }
}

impl Budget {
    /// The budget for a file of that many bytes.
    pub(super) fn of(file: u64) -> Self {
        let times = |per_byte: u64| file.saturating_mul(per_byte).saturating_add(FIXED);
        Self { memory: times(MEMORY), steps: times(STEPS), cost: Cost::default() }
    }

    /// To be called before so many bytes are kept.
    pub(super) fn memory(&mut self, bytes: u64) -> Result<(), Spent> {
        self.memory = self.memory.checked_sub(bytes).ok_or(Spent::Memory)?;
        self.cost.memory += bytes;
        Ok(())
    }

    /// To be called before so many values are looked at.
    pub(super) fn steps(&mut self, n: u64) -> Result<(), Spent> {
        self.steps = self.steps.checked_sub(n).ok_or(Spent::Steps)?;
        self.cost.steps += n;
        Ok(())
    }

    /// Makes room for more items, and pays for it exactly.
    pub(super) fn room<T>(&mut self, list: &mut Vec<T>, more: usize) -> Result<(), Spent> {
        let needed = list.len().saturating_add(more);
        if needed > list.capacity() {
            let capacity = needed.max(2 * list.capacity()).max(4);
            self.memory(((capacity - list.capacity()) * size_of::<T>()) as u64)?;
            list.reserve_exact(capacity - list.len());
        }
        Ok(())
    }

    /// What was spent.
    pub(super) fn cost(&self) -> Cost {
        self.cost
    }
}
