//! Tokenizers measured over sets of images: as a run that can be paused and goes on, kept by model, set and
//! settings, and in parts on several machines that join exactly.

mod ask;
mod bootstrap;
mod hash;
mod identity;
mod kept;
mod lpips;
mod merge;
mod plan;
mod probe;
mod probe_run;
mod published;
mod run;
mod stored;
mod subject;
mod sums;
#[cfg(test)]
mod tests;
mod values;

pub use ask::{
    ImagesOfPart, Kept, KeptMeasurements, KeptProbes, Probes, ReadPublished, ShownImages,
};
pub use bootstrap::REPLICATES;
pub use identity::{Identity, Rate, SetIdentity};
pub use kept::{Part, Values, part_of, parts_in};
pub use lpips::{LpipsFiles, LpipsIdentity, ReadLpips};
pub use merge::{check, merge};
pub use plan::{JPEG_QUALITIES, Measured, Plan, Shard};
pub use probe::{Probed, table as probe_table};
pub use probe_run::{ProbeEvent, ProbeRun, ProbeStage};
pub use published::{NUMBERS, Published, parse_published};
pub use run::{MeasureEvent, MeasureRun, Stage};
pub use sums::{Interval, Skipped, Summary};
pub use values::{COLUMNS, Column, ImageValues};
