//! Generators: networks that paint with a tokenizer's codes, step by step.
//!
//! What a generator is before it has weights is [`GeneratorConfig`]; [`Network`] is its network: our own
//! ones are trained by [`crate::training`] on the tokens of a frozen tokenizer, those of others are built by a
//! family ([`families`]). A [`Request`] is a value, a
//! [`Generation`] gives its [`Step`]s one after the other, and everything that the next one depends on is in
//! the request and the last step: resuming is the same as rerunning, and going on from a step with other
//! settings is a branch. Tokens that a person gave are never written over.

mod condition;
mod config;
mod cost;
pub mod families;
mod freeing;
mod generation;
mod groups;
mod halton;
mod identity;
mod keeping;
mod likelihood;
mod mask;
mod model_file;
mod network;
mod order;
mod origin;
mod own;
mod painter;
mod request;
mod run;
mod sampling;
mod schedule;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_groups;
#[cfg(test)]
mod tests_steps;
#[cfg(test)]
mod tests_unmasking;
#[cfg(test)]
mod tests_windows;
mod trace;
mod unmasking;
mod var;
mod ways;
mod windows;
mod writing;

pub use condition::{Caption, Condition, Conditions, conditions};
pub use config::{GeneratorConfig, NetworkSize, Takes, Way};
pub use cost::{Cost, FACTOR, MOST_TIMED, SHAPE, SIDES, Timing, Writer, scales, time_writing};
pub use freeing::freed;
pub use generation::Generation;
pub use halton::halton_order;
pub use identity::model_hash;
pub use keeping::{check_from_scale, kept_with_finest};
pub use likelihood::{TokenBits, Told, token_bits};
pub use mask::training_mask;
pub use model_file::{OpenedGenerator, open_generator, own_config, training_in};
pub use network::{Layers, Network};
pub use order::Order;
pub use origin::Origin;
pub use painter::Painter;
pub use request::{Proposal, Request, Sampling, Step};
pub use run::{GenerateEvent, GenerateRun};
pub use sampling::Distribution;
pub use schedule::{Curve, Schedule};
pub use trace::{Trace, TracedModel, TracedStep};
pub use unmasking::{Unmasking, UnmaskingOrder};
pub use var::{Var, VarConfig};
pub use ways::{MaskedNetwork, RasterNetwork, Reading, ScaleNetwork, join, split};
pub use windows::{Window, windows};
pub use writing::Writing;

/// What the metadata of its file calls a generator.
pub const KIND: &str = "generator";
