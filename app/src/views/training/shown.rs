//! The runs that are seen.

use smalti_engine::Problem;

use crate::ctx::{TrainedRun, ViewCtx};
use crate::document::Slot;

/// A slot with a run: what is known of it, or why it cannot be read; none while it is being read.
pub(super) type Shown = (Slot, Option<Result<TrainedRun, Problem>>);

/// All slots that have one.
pub(super) fn shown(ctx: &ViewCtx<'_>) -> Vec<Shown> {
    let taken = |slot: &Slot| ctx.document.runs[*slot as usize].is_some();
    Slot::ALL.into_iter().filter(taken).map(|slot| (slot, ctx.trained_run(slot))).collect()
}
