//! Generators: networks that paint with a tokenizer's codes, step by step.
//!
//! What a generator is before it has weights is [`GeneratorConfig`]; [`Network`] is the network of our own
//! ones, trained by [`crate::training`] on the tokens of a frozen tokenizer. A [`Request`] is a value, a
//! [`Generation`] gives its [`Step`]s one after the other, and everything that the next one depends on is in
//! the request and the last step: resuming is the same as rerunning, and going on from a step with other
//! settings is a branch. Tokens that a person gave are never written over.

mod config;
pub mod families;
mod generation;
mod halton;
mod mask;
mod model_file;
mod network;
mod painter;
mod request;
mod run;
mod sampling;
mod schedule;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_unmasking;
mod unmasking;
mod var;

pub use config::{GeneratorConfig, NetworkSize, Way};
pub use generation::Generation;
pub use halton::halton_order;
pub use mask::training_mask;
pub use model_file::{OpenedGenerator, open_generator};
pub use network::{Conditioned, Network};
pub use painter::Painter;
pub use request::{Proposal, Request, Sampling, Step};
pub use run::{GenerateEvent, GenerateRun};
pub use sampling::Distribution;
pub use schedule::{Curve, Schedule};
pub use unmasking::{Unmasking, UnmaskingOrder};
pub use var::{Var, VarConfig};

/// What the metadata of its file calls a generator.
pub const KIND: &str = "generator";
