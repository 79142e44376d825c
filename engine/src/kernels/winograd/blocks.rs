//! Which pixels a block of windows reads and writes.
//!
//! Windows are counted along x, then y, then images. A vector of n lanes reads n/4 windows at once,
//! four neighboring pixels of each; windows of one row of one image lie together, so most vectors
//! are one piece of memory. Pixels outside of the image are masked: they are 0 and never read.

/// Sizes of a 3x3 convolution with stride 1.
#[derive(Debug, Clone, Copy)]
pub(in crate::kernels) struct Shape {
    pub(in crate::kernels) batch: usize,
    pub(in crate::kernels) inputs: usize,
    pub(in crate::kernels) outputs: usize,
    pub(in crate::kernels) height: usize,
    pub(in crate::kernels) width: usize,
    pub(in crate::kernels) out_height: usize,
    pub(in crate::kernels) out_width: usize,
    /// Zeros before the first row and column.
    pub(in crate::kernels) before: usize,
}

impl Shape {
    pub(super) fn in_pixels(&self) -> usize {
        self.height * self.width
    }
    pub(super) fn out_pixels(&self) -> usize {
        self.out_height * self.out_width
    }
    pub(super) fn in_len(&self) -> usize {
        self.batch * self.inputs * self.in_pixels()
    }
    pub(super) fn out_len(&self) -> usize {
        self.batch * self.outputs * self.out_pixels()
    }
    fn windows_x(&self) -> usize {
        self.out_width.div_ceil(4)
    }
    fn windows_y(&self) -> usize {
        self.out_height.div_ceil(4)
    }
    /// All windows of all images.
    pub(super) fn windows(&self) -> usize {
        self.batch * self.windows_x() * self.windows_y()
    }
}

/// A part of a vector: windows beside each other in one row of one image.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Piece {
    /// Where lane 0 of the first row reads in channel 0; possibly outside of the image.
    pub(super) input: isize,
    /// Lanes inside the image, for each of six rows: columns 0 to 3 of the windows, columns 4 to 7
    /// (of which two are used: whole vectors are faster to read than parts).
    pub(super) reads: [(u16, u16); 6],
    /// Where lane 0 of the first row writes in channel 0.
    pub(super) output: isize,
    /// Lanes inside the result, for each of four rows.
    pub(super) writes: [u16; 4],
}

/// The pieces of one vector, at most one for each window.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lanes {
    pieces: [Piece; 4],
    count: usize,
}

impl Lanes {
    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces[..self.count]
    }

    /// The piece of the first window.
    pub(super) fn first(&self) -> &Piece {
        &self.pieces[0]
    }

    /// `windows` windows from `first` on; those beyond the last are left out.
    pub(super) fn new(shape: &Shape, first: usize, windows: usize) -> Self {
        let mut lanes = Self::default();
        let (across, down) = (shape.windows_x(), shape.windows_y());
        let mut at = 0;
        while at < windows && first + at < shape.windows() {
            let (row, x) = ((first + at) / across, (first + at) % across);
            let run = (windows - at).min(across - x);
            let place = (row / down, row % down * 4, x * 4);
            lanes.pieces[lanes.count] = Piece::new(shape, place, (at, run));
            lanes.count += 1;
            at += run;
        }
        lanes
    }
}

impl Piece {
    /// `run` windows from window `at` of the vector on, whose results start at (image, y, x).
    fn new(shape: &Shape, (image, y, x): (usize, usize, usize), (at, run): (usize, usize)) -> Self {
        let mut piece = Self::default();
        let (top, left) = (y as isize - shape.before as isize, x as isize - shape.before as isize);
        let row = |width: usize, row: isize| row * width as isize;
        piece.input =
            (image * shape.inputs * shape.in_pixels()) as isize + row(shape.width, top) + left
                - 4 * at as isize;
        piece.output = (image * shape.outputs * shape.out_pixels() + y * shape.out_width + x)
            as isize
            - 4 * at as isize;
        let inside = |at: isize, size: usize| at >= 0 && at < size as isize;
        let (mut near, mut far, mut out) = (0_u16, 0_u16, 0_u16);
        for lane in 0..4 * run {
            let bit = 1 << (4 * at + lane);
            let column = left + lane as isize;
            near |= if inside(column, shape.width) { bit } else { 0 };
            far |= if inside(column + 4, shape.width) { bit } else { 0 };
            out |= if x + lane < shape.out_width { bit } else { 0 };
        }
        for (i, reads) in piece.reads.iter_mut().enumerate() {
            if inside(top + i as isize, shape.height) {
                *reads = (near, far);
            }
        }
        for (i, writes) in piece.writes.iter_mut().enumerate() {
            if y + i < shape.out_height {
                *writes = out;
            }
        }
        piece
    }
}
