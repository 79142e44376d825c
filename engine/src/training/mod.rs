//! Training of tokenizers, classifiers and generators: recipe, optimizer, trainer, checkpoints, log.
//!
//! A run that is stopped and resumed continues to the same numbers as one that never stopped: the
//! data is addressed by step, all noise is addressed by (seed, step), and a checkpoint holds
//! everything else.

mod ar_probe;
mod augment;
mod branch;
mod brief;
mod counts_file;
mod feed;
mod keep;
mod kept;
mod learner;
mod metrics;
mod objective;
mod optimizer;
mod orders;
mod problem_file;
mod recipe;
mod recipe_file;
mod report;
mod run;
mod seen_data;
mod start;
mod state;
mod stored;
mod supplies;
#[cfg(test)]
mod tests;
mod token_pool;
mod trainer;

pub use ar_probe::{ArProbe, ProbeBudget, ProbeSequence};
pub use augment::Augment;
pub use branch::branch;
pub use brief::{Brief, brief, holds_run};
pub use counts_file::{StoredCounts, stored_counts};
pub use keep::Keep;
pub use kept::kept_steps;
pub use optimizer::{AdamW, Gradients, Optimizer};
pub use orders::Order;
pub use recipe::{
    Adversarial, DataPart, DataSource, GeneratorRecipe, LossWeights, Perceptual, PerceptualNetwork,
    Recipe, Trains,
};
pub use recipe_file::recipe_file;
pub use report::Report;
pub use run::{TrainEvent, TrainOrder, TrainRun};
pub use stored::{StoredReport, StoredRun, stored_run};
pub use supplies::Supplies;
pub use trainer::{Begin, Trainer, checkpoint, metrics_log};
