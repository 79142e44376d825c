//! Training of tokenizers: recipe, optimizer, trainer, checkpoints, log.
//!
//! A run that is stopped and resumed continues to the same numbers as one that never stopped: the
//! data is addressed by step, all noise is addressed by (seed, step), and a checkpoint holds
//! everything else.

mod metrics;
mod optimizer;
mod recipe;
mod report;
mod run;
mod state;
#[cfg(test)]
mod tests;
mod trainer;

pub use optimizer::{AdamW, Gradients, Optimizer};
pub use recipe::{DataPart, DataSource, LossWeights, Recipe};
pub use report::Report;
pub use run::{TrainEvent, TrainRun};
pub use trainer::{Trainer, checkpoint};
