//! The engine of Smalti: images become tokens and come back, tokenizers are trained and measured.
//!
//! Knows candle, never egui. What leaves it is plain data ([`images::Picture`], [`tokens::Tokens`],
//! numbers), never a tensor. Start reading at [`session`] (how work is asked for), then
//! [`tokenizers`] (image → grid → image) and [`training`].

pub mod adversarial;
pub mod arrays;
pub mod atomic;
pub mod checkpoints;
pub mod data;
pub mod device;
pub mod documents;
pub mod error;
pub mod evaluation;
pub mod generators;
pub mod images;
pub mod kernels;
mod knob;
pub mod layers;
pub mod measure;
pub mod memory;
pub mod perceptual;
pub mod quantizers;
pub mod questions;
pub mod random;
pub mod session;
pub mod token_files;
pub mod tokenizers;
pub mod tokens;
pub mod training;

pub use error::{EngineError, Problem, Result};
pub use knob::Knob;
