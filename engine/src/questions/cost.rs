//! How long a way of writing takes on this machine.

use crate::Result;
use crate::generators::{Timing, Writer, time_writing};
use crate::session::{Desk, Question};

/// Times a way of writing. Another time it is another number: the one that was measured is kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TimeWriting {
    /// Which way.
    pub writer: Writer,
    /// Tokens along a side of the grid.
    pub side: usize,
    /// The how-manieth time it is measured: another one measures anew.
    pub time: u32,
}

impl Question for TimeWriting {
    type Answer = Timing;

    fn answer(&self, desk: &Desk<'_>) -> Result<Timing> {
        let progress = |fraction| desk.progress(fraction);
        time_writing(self.writer, self.side, desk.device(), &progress)
    }

    fn bytes(_answer: &Timing) -> usize {
        size_of::<Timing>()
    }
}
