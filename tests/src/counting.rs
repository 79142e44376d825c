//! An allocator that counts, for tests that bound memory and work.
//!
//! A test binary makes it its own with `#[global_allocator]`. Numbers are those of the thread that
//! asks, so tests beside it do not disturb.
#![allow(unsafe_code, reason = "an allocator that counts cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The allocator.
#[derive(Debug)]
pub struct Counting;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

fn grow(bytes: usize) {
    // While a thread ends its counters are gone; nobody measures then.
    let counted = LIVE.try_with(|live| {
        let now = live.get().wrapping_add(bytes);
        live.set(now);
        // Memory that another thread took may be freed here: below zero is not a peak.
        if now < usize::MAX / 2 {
            PEAK.try_with(|peak| peak.set(peak.get().max(now))).unwrap_or_default();
        }
        TAKEN.try_with(|taken| taken.set(taken.get().wrapping_add(bytes))).unwrap_or_default();
    });
    counted.unwrap_or_default();
}

fn shrink(bytes: usize) {
    LIVE.try_with(|live| live.set(live.get().wrapping_sub(bytes))).unwrap_or_default();
}

// SAFETY: every call is passed on to the system's allocator with the same arguments; counting
// touches only thread-local numbers and does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller keeps the promises of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        shrink(layout.size());
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both pieces may exist at once.
        grow(size);
        // SAFETY: the caller keeps the promises of `realloc`.
        let moved = unsafe { System.realloc(place, layout, size) };
        shrink(layout.size());
        moved
    }
}

/// What a piece of work took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// The most bytes that it had at once.
    pub peak: usize,
    /// All bytes that it ever asked for: a measure of its work.
    pub taken: usize,
}

/// Does `work`, and says what memory it took on this thread.
pub fn cost_of(work: impl FnOnce()) -> Cost {
    LIVE.set(0);
    PEAK.set(0);
    TAKEN.set(0);
    work();
    Cost { peak: PEAK.get(), taken: TAKEN.get() }
}
