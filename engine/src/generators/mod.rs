//! Generators: networks that paint with a tokenizer's codes, step by step.
//!
//! What a generator is before it has weights is [`GeneratorConfig`]; [`Network`] is the network of our own
//! ones, trained by [`crate::training`] on the tokens of a frozen tokenizer.

mod config;
mod mask;
mod network;

pub use config::{GeneratorConfig, NetworkSize, Way};
pub use mask::{ratio_of, training_mask};
pub use network::{Conditioned, Network};

/// What the metadata of its file calls a generator.
pub const KIND: &str = "generator";
