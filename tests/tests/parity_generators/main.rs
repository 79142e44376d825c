//! Every generator against what its published code gave for the same weights, inputs and noise: logits within
//! the fixture's tolerance, tokens equal.
//!
//! Every parameter is taken from a fixture's `config.json`, so that any set of the same layout can
//! be tested through `SMALTI_FIXTURES`. Names of tests begin with `parity_`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod draws;
mod llamagen;
mod masked;
mod masked_files;
mod maskgit;
mod maskgit_halton;
mod open_magvit2;
mod published;
mod taming;
mod titok_imagebert;
mod var;
