//! Generators: networks that paint with a tokenizer's codes, step by step.
//!
//! What a generator is before it has weights is [`GeneratorConfig`]; [`Network`] is the network of our own
//! ones, trained by [`crate::training`] on the tokens of a frozen tokenizer. A [`Request`] is a value, a
//! [`Generation`] gives its [`Step`]s one after the other, and everything that the next one depends on is in
//! the request and the last step: resuming is the same as rerunning, and going on from a step with other
//! settings is a branch. Tokens that a person gave are never written over.

mod config;
mod generation;
mod identity;
mod keeping;
mod likelihood;
mod mask;
mod model_file;
mod network;
mod order;
mod painter;
mod partial;
mod request;
mod run;
mod sampling;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_steps;
mod trace;
mod var;
mod windows;

pub use config::{GeneratorConfig, NetworkSize, Way};
pub use generation::Generation;
pub use identity::model_hash;
pub use keeping::kept_with_finest;
pub use likelihood::{TokenBits, Told, token_bits};
pub use mask::training_mask;
pub use model_file::{OpenedGenerator, open_generator};
pub use network::{Conditioned, Network};
pub use order::Order;
pub use painter::Painter;
pub use partial::decodable;
pub use request::{Proposal, Request, Sampling, Schedule, Step, Unmasking};
pub use run::{GenerateEvent, GenerateRun};
pub use sampling::Distribution;
pub use trace::{Trace, TracedModel, TracedStep};
pub use var::{Var, VarConfig};
pub use windows::{Window, windows};

/// What the metadata of its file calls a generator.
pub const KIND: &str = "generator";
