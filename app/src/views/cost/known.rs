//! What is known of the cost: formulas, and what was measured so far.

use smalti_engine::Problem;
use smalti_engine::generators::{Cost, MOST_TIMED, SHAPE, SIDES, Timing, Writer};
use smalti_engine::questions::TimeWriting;
use smalti_engine::session::Reply;

use crate::ctx::ViewCtx;
use crate::look::words::{grouped, large, short};

/// The sides that are measured.
const MEASURED: [usize; 7] = [4, 6, 8, 12, 16, 24, 32];

/// What figures are of.
pub(super) const MEANS: &str = "One picture, without guidance. A token stands for 8×8 pixels; pixel AR writes each \
    pixel's gray. MaskGIT takes 12 steps; the scales of VAR double. Attention: multiplications and additions of 6 \
    layers 256 wide, where what was read is kept. Seconds: measured with untrained weights of that shape, the \
    network's passes alone, beside whatever else this machine does.";

/// What is drawn over the side of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Tokens,
    Passes,
    Attention,
    Seconds,
}

impl Quantity {
    pub(super) const ALL: [Self; 4] = [Self::Tokens, Self::Passes, Self::Attention, Self::Seconds];

    /// What it is called.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Tokens => "length",
            Self::Passes => "passes",
            Self::Attention => "attention",
            Self::Seconds => "seconds",
        }
    }

    /// What it is, with its unit.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Tokens => "length of the sequence, tokens or pixels",
            Self::Passes => "forward passes of the network",
            Self::Attention => "operations of attention",
            Self::Seconds => "seconds, measured with untrained weights",
        }
    }

    /// A value along the axis.
    pub(super) fn words(self, value: f64) -> String {
        match self {
            Self::Seconds => format!("{} s", short(value)),
            _ => large(value),
        }
    }
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    timings: Vec<(Writer, usize, Timing)>,
    /// What is being measured, and how far it is.
    working: Option<(Writer, usize, Option<f32>)>,
    /// Why something could not be measured.
    pub(super) problem: Option<Problem>,
    is_stopped: bool,
}

impl Known {
    /// What was measured so far, one thing after the other: two at once would slow each other down.
    pub(super) fn of(ctx: &ViewCtx<'_>, time: Option<u32>, is_stopped: bool) -> Self {
        let mut known = Self { is_stopped, ..Self::default() };
        let Some(time) = time else { return known };
        for side in MEASURED {
            for writer in Writer::ALL {
                if !Cost::of(writer, side).is_timed() {
                    continue;
                }
                let question = TimeWriting { writer, side, time };
                let place = ("cost", writer.name(), side);
                // What was stopped is asked for no more, and so dropped; what is there is not lost.
                let reply = if is_stopped {
                    ctx.session.known(&question).map(Reply::Ready)
                } else {
                    Some(ctx.ask_later(place, &question))
                };
                match reply {
                    Some(Reply::Ready(timing)) => known.timings.push((writer, side, *timing)),
                    Some(Reply::Failed(problem)) => known.problem = Some(problem),
                    Some(Reply::Working { progress, .. }) => {
                        known.working = Some((writer, side, progress));
                        return known;
                    }
                    None => {}
                }
            }
        }
        known
    }

    /// Whether something is still to be measured.
    pub(super) fn is_measuring(&self) -> bool {
        self.working.is_some()
    }

    /// How far it is.
    pub(super) fn state(&self) -> String {
        match self.working {
            Some((writer, side, progress)) => {
                let done = progress.map_or(String::new(), |done| format!(" {:.0} %", done * 100.0));
                format!("measuring {}, {side}×{side}…{done}", writer.name())
            }
            None if self.is_stopped => "stopped".to_owned(),
            None => String::new(),
        }
    }

    /// What was measured of a way at a side.
    pub(super) fn timing(&self, writer: Writer, side: usize) -> Option<Timing> {
        let is_it = |(by, at, _): &&(Writer, usize, Timing)| (*by, *at) == (writer, side);
        self.timings.iter().find(is_it).map(|(.., timing)| *timing)
    }

    /// The points of a way, by the side of the grid. Of what was stopped there is none: nobody knows it.
    pub(super) fn points(&self, of: Quantity, writer: Writer) -> Vec<(usize, f64)> {
        let value = |side: usize| {
            let cost = Cost::of(writer, side);
            match of {
                Quantity::Tokens => Some(cost.tokens as f64),
                Quantity::Passes => Some(cost.passes as f64),
                Quantity::Attention => Some(cost.operations(&SHAPE) as f64),
                Quantity::Seconds => {
                    let timing = self.timing(writer, side)?;
                    timing.is_whole.then_some(timing.seconds)
                }
            }
        };
        SIDES.filter_map(|side| Some((side, value(side)?))).collect()
    }

    /// The seconds of a way at a side, in words; why there are none in two lines.
    pub(super) fn seconds(&self, writer: Writer, side: usize) -> String {
        let cost = Cost::of(writer, side);
        match self.timing(writer, side) {
            Some(Timing { seconds, is_whole: true, .. }) => format!("{} s", short(seconds)),
            Some(Timing { seconds, passes, .. }) => {
                let (made, all) = (grouped(passes), grouped(cost.passes));
                format!("stopped after {} s,\n{made} of {all} passes", short(seconds))
            }
            None if !cost.is_timed() => {
                format!("not measured:\nabove {} passes", grouped(MOST_TIMED))
            }
            None => "not measured".to_owned(),
        }
    }
}
