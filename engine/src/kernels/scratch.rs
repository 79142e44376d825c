//! Memory of a kernel that nobody else sees: aligned to cache lines, not cleared, kept by a thread.
//!
//! Nothing here is handed out as a slice: a slice of numbers that were not written yet is undefined even
//! if nobody reads it. With debug assertions memory begins as NaN (see [`spoil`]).
#![expect(unsafe_code, reason = "memory that is written before it is read")]

use std::cell::Cell;
use std::mem::MaybeUninit;

use crate::memory::in_large_pages;

/// A cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Numbers that start at a cache line; their values are arbitrary until they are written.
#[derive(Default)]
pub(super) struct Scratch(Vec<MaybeUninit<Line>>);

impl Scratch {
    /// Room for `len` numbers.
    pub(super) fn new(len: usize) -> Self {
        let mut scratch = Self::default();
        scratch.grow(len);
        scratch
    }

    fn grow(&mut self, len: usize) {
        let lines = len.div_ceil(16);
        if self.0.len() < lines {
            self.0.clear();
            self.0.reserve_exact(lines);
            // SAFETY: `reserve_exact` after `clear` gives room for that many, and `MaybeUninit` is valid
            // without a value.
            unsafe { self.0.set_len(lines) };
        }
        // SAFETY: `len` numbers lie inside the lines, of which there are enough now.
        unsafe { spoil(self.start(), len) };
    }

    /// The first number, to be read: what was not written is arbitrary.
    pub(super) fn read(&self) -> *const f32 {
        self.0.as_ptr().cast()
    }

    /// The first number.
    pub(super) fn start(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }
}

/// Runs `f` with room for `len` numbers that this thread keeps for the next time.
pub(super) fn with_scratch<R>(len: usize, f: impl FnOnce(*mut f32) -> R) -> R {
    thread_local! {
        static KEPT: Cell<Scratch> = Cell::default();
    }
    // Taken out while in use: whoever asks meanwhile on this thread gets memory of its own.
    let mut scratch = KEPT.take();
    scratch.grow(len);
    let result = f(scratch.start());
    KEPT.set(scratch);
    result
}

/// Makes memory that was not written yet NaN where debug assertions are on, so that tests see what is read
/// before it is written. Miri sees it by itself, as long as nothing is written.
///
/// # Safety
/// `len` numbers at `start` must be writable, by this thread alone.
unsafe fn spoil(start: *mut f32, len: usize) {
    if cfg!(all(debug_assertions, not(miri))) {
        for i in 0..len {
            // SAFETY: one of the `len` numbers that the caller promises.
            unsafe { start.add(i).write(f32::NAN) };
        }
    }
}

/// What may be in a [`Place`].
///
/// # Safety
/// Only for pointers and what is made of pointers and numbers: nothing can be done with it across threads
/// without an unsafe block.
pub(super) unsafe trait Pointer: Copy {}

// SAFETY: pointers, which only unsafe code follows.
unsafe impl Pointer for *const f32 {}
// SAFETY: as above.
unsafe impl Pointer for *mut f32 {}
// SAFETY: made of such pointers alone.
unsafe impl<A: Pointer, B: Pointer> Pointer for (A, B) {}

/// A pointer that threads share; each uses places of its own.
#[derive(Clone, Copy)]
pub(super) struct Place<P>(P);

// SAFETY: a `Pointer` does nothing by itself. Whoever follows it says in an unsafe block of its own why
// the memory is still there and why no other thread writes the same places.
unsafe impl<P: Pointer> Send for Place<P> {}
// SAFETY: as above.
unsafe impl<P: Pointer> Sync for Place<P> {}

impl<P: Pointer> Place<P> {
    /// Shares a pointer.
    pub(super) const fn new(pointer: P) -> Self {
        Self(pointer)
    }

    /// The pointer.
    pub(super) fn get(self) -> P {
        self.0
    }
}

/// A vector of `len` numbers that `f` writes, all of them, without clearing it first. If `f` panics the
/// vector goes with it and no number is read.
///
/// # Safety
/// `f` must write every number before it returns, and `len` be the number of them, not what is left of an
/// overflow: see [`super::raw::count`].
pub(super) unsafe fn written(len: usize, f: impl FnOnce(*mut f32)) -> Vec<f32> {
    let mut values = Vec::with_capacity(len);
    if len >= LARGE {
        in_large_pages(values.as_ptr(), len);
    }
    // SAFETY: the capacity just asked for.
    unsafe { spoil(values.as_mut_ptr(), len) };
    f(values.as_mut_ptr());
    // SAFETY: the capacity is there, `f` cannot have taken it away since it only had a pointer, and it
    // wrote all of it by the caller's promise.
    unsafe { values.set_len(len) };
    values
}

/// Numbers from which on an allocator gets memory anew each time: 32 MB. What is smaller it keeps.
const LARGE: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_results_are_what_was_written() {
        let len = LARGE + 12_345;
        let fill = |to: *mut f32| {
            for i in 0..len {
                // SAFETY: room for `len` numbers.
                unsafe { to.add(i).write((i % 1000) as f32) };
            }
        };
        // SAFETY: all are written.
        let values = unsafe { written(len, fill) };
        assert!(values.iter().enumerate().all(|(i, &x)| x == (i % 1000) as f32));
    }
}
