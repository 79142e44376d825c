//! What is known of training runs, as their logs and folders tell it: curves, codes over time, the probe,
//! knobs and when they were turned. Grows as a run goes on; views read it.

mod history;
mod log_version;
mod record;
mod records;

pub use history::{History, Rows};
pub use record::{Curve, Probe, Record, SPEED, Stepped};
pub use records::{Records, Told};
