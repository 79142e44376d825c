//! Which kernels the process uses: those of this room, or candle's own operations.

use std::sync::OnceLock;

use candle_core::{DType, Tensor};

static PLAIN: OnceLock<bool> = OnceLock::new();

/// Which kernels the process uses on the CPU: candle's own operations if `plain`, else the ones of
/// this room. To compare the two; only the first call counts, and it must come before any kernel.
/// Without a call, `SMALTI_KERNELS=candle` in the environment chooses the plain ones.
pub fn use_plain(plain: bool) {
    PLAIN.get_or_init(|| plain);
}

pub(super) fn is_plain() -> bool {
    *PLAIN.get_or_init(|| std::env::var_os("SMALTI_KERNELS").is_some_and(|name| name == "candle"))
}

/// Whether the kernels of this room can take these tensors.
pub(super) fn ours(tensors: &[&Tensor]) -> bool {
    !is_plain() && tensors.iter().all(|t| t.device().is_cpu() && t.dtype() == DType::F32)
}
