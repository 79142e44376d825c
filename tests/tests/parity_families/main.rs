//! Every family of tokenizers against what its published code gave for the same weights and inputs:
//! codes equal, every intermediate value that the fixture names within its tolerance.
//!
//! Every parameter is taken from a fixture's `config.json`, so that any set of the same layout can
//! be tested through `SMALTI_FIXTURES`. Names of tests begin with `parity_`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod check;
mod container;
mod cosmos;
mod diffusers;
mod emu3;
mod files;
mod janus;
mod ledger;
mod lfq;
mod llamagen;
mod maskgit_vqgan;
mod quantizers;
mod tally;
mod taming_gumbel;
mod titok;
mod var_vqvae;
