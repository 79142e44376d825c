//! How alike two images look to a network: LPIPS by published networks or by our own classifier.
//!
//! [`Classifier`] is our own small network, trained on whatever classes there are; [`Trunk`] are the
//! published ones, for people who have their weights. Both are a [`Backbone`] for [`Lpips`].

mod backbone;
mod classifier;
mod config;
mod lpips;
mod model_file;
mod open;
#[cfg(test)]
mod tests;
mod trunk;

pub use backbone::Backbone;
pub use classifier::Classifier;
pub use config::ClassifierConfig;
pub use lpips::Lpips;
pub use model_file::KIND;
pub use open::{Holds, Sorted};
pub use trunk::{Published, Trunk};
