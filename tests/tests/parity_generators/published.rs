//! A published generator as a person opens it: from its file, with what lies beside it.

use candle_core::Tensor;
use smalti_engine::generators::{Network, OpenedGenerator, open_generator};
use smalti_tests::{Tensors, device, fixture};

/// The generator of a fixture's published file.
pub(crate) fn opened(name: &str, file: &str) -> OpenedGenerator {
    open_generator(&fixture(name).join(file), &device()).unwrap()
}

/// Its network alone.
pub(crate) fn network(name: &str, file: &str) -> std::sync::Arc<Network> {
    opened(name, file).network
}

/// Whole numbers (B, N) as a list for each of a batch.
pub(crate) fn lists(io: &Tensors, name: &str) -> Vec<Vec<u32>> {
    let width = io.raw(name).shape[1];
    io.u32s(name).chunks(width).map(<[u32]>::to_vec).collect()
}

/// The step of a recorded tensor (steps, B, K), (B, K).
pub(crate) fn at_step(io: &Tensors, name: &str, step: usize) -> Tensor {
    io.tensor(name).narrow(0, step, 1).unwrap().squeeze(0).unwrap()
}
