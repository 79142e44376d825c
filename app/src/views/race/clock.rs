//! The common clock: lanes that were measured one after the other are played as if they had run side by side.

use crate::ctx::{Trace, Traced};

/// Slices of the clock, which its timeline walks through.
pub(super) const SLICES: usize = 100;

/// The clock of a race.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Clock {
    /// Seconds until the last lane ends.
    whole: f64,
    /// Whether it counts passes in their place, for pictures that come out the same each time.
    counts_passes: bool,
}

impl Clock {
    /// The clock of some lanes.
    pub(super) fn of<'a>(traces: impl Iterator<Item = &'a Trace>, counts_passes: bool) -> Self {
        let clock = Self { whole: 0.0, counts_passes };
        let ends = traces.filter_map(|trace| trace.steps.last()).map(|last| clock.time(last));
        Self { whole: ends.fold(0.0, f64::max), ..clock }
    }

    fn time(&self, traced: &Traced) -> f64 {
        if self.counts_passes { f64::from(traced.passes) } else { traced.seconds }
    }

    /// Steps of a lane that are done when it stands at a slice.
    pub(super) fn steps(&self, trace: &Trace, at: usize) -> usize {
        if at >= SLICES {
            return trace.steps.len();
        }
        let now = self.now(at);
        trace.steps.partition_point(|traced| self.time(traced) <= now)
    }

    fn now(&self, at: usize) -> f64 {
        self.whole * at as f64 / SLICES as f64
    }

    /// What it shows at a slice.
    pub(super) fn words(&self, at: usize) -> String {
        let now = self.now(at);
        if self.counts_passes { format!("{now:.0} passes") } else { format!("{now:.2} s") }
    }
}
