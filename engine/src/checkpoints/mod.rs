//! Checkpoints: any container that people share, as named tensors on the CPU.
//!
//! [`read`] takes safetensors (single or sharded), PyTorch's zip and older pickle files, and
//! TorchScript archives (weights only). Nothing in a file is ever executed, every size is checked
//! before memory is taken for it, and tensors stay in the file until they are asked for.
//! [`recognize`] says which network the names and shapes belong to. Smalti's own models
//! ([`save_model`]) are safetensors files whose metadata holds the configuration.
//!
//! Read in this order: `source` (bytes), `budget` (what a file may cost), `entry` (one tensor),
//! `checkpoint` (all of them), `safetensors`, `pickle` and `torch` (PyTorch's files), `flatten` (which
//! part of a pickle holds the weights), `rebuilt` and `numpy` (one tensor of a pickle), `kinds` (what
//! is no checkpoint), `file` (whichever of these), `shards`, `folder` and `configuration` (what lies
//! beside a checkpoint), `reading` (all of this), `wrappers` (where in a checkpoint a network can be),
//! `survey` (an unknown checkpoint), `snippet`, `token_hash` (what decides tokens).

mod budget;
mod checkpoint;
mod configuration;
mod entry;
mod file;
mod flatten;
mod folder;
mod kinds;
mod model_file;
mod numpy;
mod open;
mod pickle;
mod reading;
mod rebuilt;
mod recognize;
mod safetensors;
mod shards;
mod snippet;
mod source;
mod survey;
mod token_hash;
mod torch;
mod wrappers;

pub use budget::Cost;
pub use checkpoint::{Checkpoint, Container};
pub use configuration::{Beside, beside};
pub use entry::{ElementType, Entry};
pub use file::{read_bytes, read_bytes_counted};
pub use folder::is_configured;
pub use model_file::{FORMAT, Precision, save_model};
pub use open::{Opened, model_tensors, open_tokenizer, split_part};
pub use reading::{read, read_with};
pub use recognize::{Design, Other, Recognized, recognize, recognize_part};
pub use snippet::snippet;
pub use survey::{
    CodebookCandidate, TensorRow, candidate_usage, candidate_values, codebook_candidates, norm,
    tensor_rows,
};
pub use token_hash::is_other_maker;
pub use wrappers::{OF_A_RUN, SetAside, View, views, views_with};
