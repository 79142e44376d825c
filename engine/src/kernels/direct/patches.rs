//! The patches of a convolution as products read them: a row for each value of a patch, a column for
//! each patch.
//!
//! Neighboring patches read neighboring pixels, so a row is made of whole vectors of an image, with
//! stride 2 of every second number of two vectors. Where they lie is planned once for a block and
//! used by all channels; what lies outside of the image is masked: it is 0 and never read. Rows are cut
//! into panels, each in one piece of memory, as wide as what reads them wants.
#![expect(unsafe_code, reason = "reads images and writes scratch by pointer")]

use std::ops::Range;

use super::super::simd::{PointerKernel, Simd};

/// Patches of a block.
pub(super) const PIXELS: usize = 128;

/// Channels that are unfolded together.
const SHARED: usize = 4;

/// Unfolded patches: numbers from one row to the next, and from one panel to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panels {
    /// Patches of a panel.
    pub(super) width: usize,
    pub(super) row: usize,
    pub(super) panel: usize,
}

impl Panels {
    /// Panels of some rows, one behind the other. A vector that begins in the last row may reach beyond.
    pub(super) fn new(width: usize, row: usize, rows: usize) -> Self {
        Self { width, row, panel: rows * row + 16 }
    }

    /// Numbers of a block.
    pub(super) fn len(&self) -> usize {
        PIXELS.div_ceil(self.width) * self.panel
    }
}

/// Which values of an image (channels, height, width) make its patches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patches {
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) kernel: (usize, usize),
    pub(super) stride: usize,
    /// Row and column of the first value of the first patch; negative where zeros come first.
    pub(super) first: (isize, isize),
    /// Patches down and across.
    pub(super) out: (usize, usize),
}

/// Up to [`PIXELS`] neighboring patches of one image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) image: usize,
    pub(super) start: usize,
    pub(super) count: usize,
}

/// A run of patches in one line of patches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    pub(super) y: usize,
    pub(super) x: usize,
    /// Its place in the block.
    pub(super) at: usize,
    pub(super) len: usize,
}

/// What a vector of patches reads for one value of theirs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    /// Place in the first channel; possibly outside of the image.
    from: isize,
    /// Lanes inside the image, of the vector there and with stride 2 of the one behind it; with larger
    /// strides the lanes whose pixel is inside.
    lanes: (u16, u16),
    /// Place in the first row.
    to: usize,
}

impl Patches {
    /// A 1x1 convolution with stride 1 does not care where lines end.
    pub(super) fn simplified(self) -> Self {
        let same = self.out == (self.height, self.width) && self.first == (0, 0);
        if self.kernel == (1, 1) && self.stride == 1 && same {
            let pixels = self.pixels();
            return Self { height: 1, width: pixels, out: (1, pixels), ..self };
        }
        self
    }

    /// Values of a patch in one channel.
    pub(super) fn taps(&self) -> usize {
        self.kernel.0 * self.kernel.1
    }

    /// Pixels of a channel.
    pub(super) fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Patches of an image.
    pub(super) fn count(&self) -> usize {
        self.out.0 * self.out.1
    }

    /// All blocks of a batch.
    pub(super) fn blocks(&self, batch: usize) -> Vec<Block> {
        let all = self.count();
        (0..batch)
            .flat_map(|image| {
                (0..all).step_by(PIXELS).map(move |start| Block {
                    image,
                    start,
                    count: PIXELS.min(all - start),
                })
            })
            .collect()
    }

    /// The block behind one, possibly behind the last.
    pub(super) fn after(&self, block: Block) -> Block {
        let start = block.start + block.count;
        if start < self.count() {
            Block { start, count: PIXELS.min(self.count() - start), ..block }
        } else {
            Block { image: block.image + 1, start: 0, count: PIXELS.min(self.count()) }
        }
    }

    /// A block cut at the ends of lines, at multiples of `cut` and into runs of at most `most`.
    pub(super) fn runs(
        &self,
        block: Block,
        cut: usize,
        most: usize,
    ) -> impl Iterator<Item = Run> + use<> {
        let (across, mut at) = (self.out.1, 0);
        std::iter::from_fn(move || {
            let (y, x) = ((block.start + at) / across, (block.start + at) % across);
            let len = most.min(across - x).min(block.count - at).min(cut - at % cut);
            let run = Run { y, x, at, len };
            at += len;
            (len > 0).then_some(run)
        })
    }

    /// The first and the last pixel of a channel that a block reads, and all between.
    fn span(&self, block: Block) -> Range<usize> {
        let across = self.out.1;
        let (first, last) = (block.start, block.start + block.count - 1);
        let place = |patch: usize, (ky, kx): (usize, usize)| {
            let row = (patch / across * self.stride + ky) as isize + self.first.0;
            let column = (patch % across * self.stride + kx) as isize + self.first.1;
            (row * self.width as isize + column).clamp(0, self.pixels() as isize) as usize
        };
        place(first, (0, 0))..place(last, self.kernel)
    }

    /// What some channels of an image have to read for a block, to be fetched while others are used.
    pub(super) fn ahead(&self, block: Block, map: *const f32, channels: usize) -> Ahead {
        let span = self.span(block);
        let lines = channels * span.len().div_ceil(16);
        Ahead { map, step: self.pixels(), at: span.start, span, lines }
    }

    /// What to read for a block, the same number of vectors for each tap in turn; zeros behind its end
    /// until two vectors are full.
    pub(super) fn reads(&self, block: Block, lanes: usize, panels: &Panels) -> Vec<Read> {
        let cut = panels.width;
        let mut runs: Vec<Run> = self.runs(block, cut, lanes).collect();
        let end = block.count.next_multiple_of(2 * lanes);
        let behind = (block.count..end).step_by(lanes);
        runs.extend(behind.map(|at| Run { y: 0, x: 0, at, len: 0 }));
        for run in &mut runs {
            run.at = run.at / cut * panels.panel + run.at % cut;
        }
        let taps = (0..self.kernel.0).flat_map(|ky| (0..self.kernel.1).map(move |kx| (ky, kx)));
        taps.flat_map(|tap| runs.iter().map(move |run| self.read(run, tap, lanes))).collect()
    }

    fn read(&self, run: &Run, (ky, kx): (usize, usize), lanes: usize) -> Read {
        let row = (run.y * self.stride + ky) as isize + self.first.0;
        let column = (run.x * self.stride + kx) as isize + self.first.1;
        let width = self.width as isize;
        // Lanes of a vector at `column` that lie inside the line.
        let inside = |column: isize| {
            let bits = |n: isize| (1_u32 << n.clamp(0, lanes as isize)) - 1;
            (bits(width - column) & !bits(-column)) as u16
        };
        let lanes = match self.stride {
            _ if run.len == 0 || row < 0 || row >= self.height as isize => (0, 0),
            1 => (inside(column), 0),
            2 => (inside(column), inside(column + lanes as isize)),
            _ => {
                let places = (0..run.len).map(|i| column + (i * self.stride) as isize);
                let bits = places.enumerate().map(|(i, c)| u16::from(c >= 0 && c < width) << i);
                (bits.sum(), 0)
            }
        };
        Read { from: row * width + column, lanes, to: run.at }
    }
}

/// Cache lines that will be read soon.
pub(super) struct Ahead {
    map: *const f32,
    step: usize,
    at: usize,
    span: Range<usize>,
    lines: usize,
}

impl Ahead {
    /// So many lines that all are fetched in `calls` calls.
    pub(super) fn part(&self, calls: usize) -> usize {
        self.lines.div_ceil(calls.max(1))
    }

    /// Asks for the next lines.
    pub(super) fn fetch<S: Simd>(&mut self, s: S, lines: usize) {
        for _ in 0..lines.min(self.lines) {
            s.prefetch(self.map.wrapping_add(self.at));
            self.at += 16;
            if self.at >= self.span.end {
                self.at = self.span.start;
                self.map = self.map.wrapping_add(self.step);
            }
        }
        self.lines = self.lines.saturating_sub(lines);
    }
}

/// Writes the rows of some channels, those of value t of channel c are row `c * taps + t`.
pub(super) struct Unfold<'a> {
    pub(super) patches: &'a Patches,
    /// What [`Patches::reads`] gave for these patches and panels of rows of `row` numbers.
    pub(super) reads: &'a [Read],
    /// Numbers from one row to the next.
    pub(super) row: usize,
    /// The first of the channels, all of which must be readable.
    pub(super) map: *const f32,
    pub(super) channels: usize,
    /// Room for the rows in their panels; nobody else uses it.
    pub(super) to: *mut f32,
}

impl<S: Simd> PointerKernel<S> for Unfold<'_> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "see `Kernel`")]
    unsafe fn run(self, s: S) {
        // SAFETY: the stride is the one that these rows are for; the rest is the caller's promise.
        unsafe {
            match self.patches.stride {
                1 => self.rows::<S, 1>(s),
                2 => self.rows::<S, 2>(s),
                _ => self.rows::<S, ANY>(s),
            }
        }
    }
}

/// A stride that is known when the program runs.
const ANY: usize = 0;

#[expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]
impl Unfold<'_> {
    /// # Safety
    /// As for the kernel; the stride must be the patches', or [`ANY`].
    #[inline(always)]
    unsafe fn rows<S: Simd, const STRIDE: usize>(&self, s: S) {
        // What to read costs as much as reading it, so some channels share it; more of them would fight for
        // lines of the first-level cache. Not where vectors reach beyond a row, since rows that they reach
        // into must be written later.
        let whole = self.row.is_multiple_of(S::LANES)
            && self.reads.iter().all(|r| r.to.is_multiple_of(S::LANES));
        let whole = if whole { self.channels / SHARED * SHARED } else { 0 };
        // SAFETY: as for this; `whole` is at most all channels, and a multiple of those together.
        unsafe {
            for first in (0..whole).step_by(SHARED) {
                self.together::<S, STRIDE, SHARED>(s, first);
            }
            for first in whole..self.channels {
                self.together::<S, STRIDE, 1>(s, first);
            }
        }
    }

    /// `COUNT` channels together.
    ///
    /// # Safety
    /// As for `rows`; `first` and those behind it must be below the channels.
    #[inline(always)]
    unsafe fn together<S: Simd, const STRIDE: usize, const COUNT: usize>(
        &self,
        s: S,
        first: usize,
    ) {
        let (taps, pixels) = (self.patches.taps(), self.patches.pixels());
        let vectors = self.reads.len() / taps.max(1);
        let map = self.map.wrapping_add(first * pixels);
        let mut row = self.to.wrapping_add(first * taps * self.row);
        for reads in self.reads.chunks_exact(vectors.max(1)) {
            for read in reads {
                for i in 0..COUNT {
                    let from = map.wrapping_offset(read.from).wrapping_add(i * pixels);
                    // SAFETY: `Patches::read` lets through lanes whose pixel is inside a line of the image. A run
                    // begins inside the row. What a short one writes beyond its end is less than a vector: the
                    // next run or row overwrites it, or it lies in the 16 numbers that `Panels` has behind the
                    // last row.
                    unsafe {
                        let v = self.vector::<S, STRIDE>(s, from, read.lanes);
                        s.store(row.add(i * taps * self.row + read.to), v);
                    }
                }
            }
            row = row.wrapping_add(self.row);
        }
    }

    /// The pixels of a vector of patches.
    ///
    /// # Safety
    /// The lanes must be inside the image.
    #[inline(always)]
    unsafe fn vector<S: Simd, const STRIDE: usize>(
        &self,
        s: S,
        from: *const f32,
        lanes: (u16, u16),
    ) -> S::V {
        // SAFETY: by the caller's promise; a vector has at most 16 numbers.
        unsafe {
            if STRIDE == ANY {
                let mut numbers = [0.0_f32; 16];
                for (i, number) in numbers[..S::LANES].iter_mut().enumerate() {
                    if lanes.0 & (1 << i) != 0 {
                        *number = *from.wrapping_add(i * self.patches.stride);
                    }
                }
                return s.load(numbers.as_ptr());
            }
            let first = s.load_part(from, u32::from(lanes.0));
            if STRIDE == 1 {
                return first;
            }
            let second = s.load_part(from.wrapping_add(S::LANES), u32::from(lanes.1));
            s.evens(first, second)
        }
    }
}
