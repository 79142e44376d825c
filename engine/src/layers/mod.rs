//! What networks are made of: weights by name, convolution blocks, norms, attention.

pub mod weights;

pub use weights::{Init, Weights};
