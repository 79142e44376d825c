//! Memory of a process that computes with tensors.
#![expect(unsafe_code, reason = "functions of the C library")]

/// Bytes that stay with the process.
const KEPT: usize = 1 << 30;

/// Keeps memory of tensors with the process, in large pages. To be called first in `main`.
///
/// Tensors come and go by the hundred megabytes each step. The system's allocator would give them back
/// and get them anew, a page of 4 KB at a time, which took 7 % of a training step and more than half the
/// time of a norm over 32 MB. And kernels that walk through many maps at once need an entry for each page:
/// with small pages a convolution over 32 MB took 1.7 times as long.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep() {
    use std::ffi::c_int;
    unsafe extern "C" {
        fn mallopt(parameter: c_int, value: c_int) -> c_int;
    }
    // Names and numbers of <malloc.h>. Values that it does not take leave things as they are.
    const M_TRIM_THRESHOLD: c_int = -1;
    const M_MMAP_MAX: c_int = -4;
    const M_ARENA_MAX: c_int = -8;
    // SAFETY: declared as <malloc.h> does; it takes numbers only, may be called at any time, and changes where
    // memory comes from later, not what is handed out already.
    unsafe {
        // More than is kept, or what is taken below would be given back at once.
        mallopt(M_TRIM_THRESHOLD, (KEPT + KEPT / 8) as c_int);
        // No piece of its own for any tensor: that would be given back as soon as it is free.
        mallopt(M_MMAP_MAX, 0);
        // The memory of one thread's tensors would otherwise be given back in parts of 64 MB.
        mallopt(M_ARENA_MAX, 1);
    }
    // Taken and freed without being touched: from now on it is where tensors are put.
    let mut room: Vec<f32> = Vec::new();
    if room.try_reserve_exact(KEPT / size_of::<f32>()).is_ok() {
        in_large_pages(room.as_ptr(), room.capacity());
    }
}

/// Elsewhere the allocator does as it likes.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep() {}

/// Asks the system for large pages under memory of `len` numbers that was not touched yet. It hands
/// memory out a page at a time; with pages of 4 KB that takes longer than a norm needs to fill them.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn in_large_pages(start: *const f32, len: usize) {
    use std::ffi::{c_int, c_void};
    unsafe extern "C" {
        fn madvise(start: *mut c_void, len: usize, advice: c_int) -> c_int;
    }
    // Numbers of <sys/mman.h>. Where the system has no such pages it says so and all stays as it is.
    const MADV_HUGEPAGE: c_int = 14;
    const PAGE: usize = 2 << 20;
    let skipped = start.addr().next_multiple_of(PAGE) - start.addr();
    let whole = (size_of::<f32>() * len).saturating_sub(skipped) / PAGE * PAGE;
    if whole > 0 {
        // SAFETY: declared as <sys/mman.h> does, with whole pages inside the memory that was named. This advice
        // changes no number and takes nothing away, whoever owns the memory and whether or not it is there:
        // then the system only says so.
        unsafe {
            madvise(start.wrapping_byte_add(skipped).cast_mut().cast(), whole, MADV_HUGEPAGE)
        };
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn in_large_pages(_: *const f32, _: usize) {}

/// Bytes of memory that can still be had; `None` where the system does not say.
pub fn available() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    Some(system.available_memory()).filter(|bytes| *bytes > 0)
}
