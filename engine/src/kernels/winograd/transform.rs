//! Pixels to transformed windows and back, sixteen windows of one channel at a time.
#![expect(unsafe_code, reason = "reads and writes places of images and scratch by pointer")]
#![expect(clippy::inline_always, reason = "kernels are inlined whole into `vectorize`")]

use super::super::simd::Simd;
use super::blocks::Lanes;
use super::scheme::{Four, Scheme};

/// Where the transformed windows of a channel lie: `frequency` apart for each product, `part` apart
/// for each part of a window.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    pub(super) frequency: usize,
    pub(super) part: usize,
}

/// Four vectors of pixels (four pixels of each window) become four columns (all windows).
///
/// # Safety
/// The masked lanes of every piece must be readable at `map`.
#[inline(always)]
unsafe fn columns<S: Simd>(
    s: S,
    map: *const f32,
    lanes: &[Lanes; 4],
    offset: isize,
    mask: impl Fn(&super::blocks::Piece) -> (isize, u16),
) -> [S::V; 4] {
    let mut v = [s.splat(0.0); 4];
    for (v, lanes) in v.iter_mut().zip(lanes) {
        for (i, piece) in lanes.pieces().iter().enumerate() {
            let (start, mask) = mask(piece);
            // SAFETY: the caller promises the lanes of the mask of every piece.
            let part = unsafe { s.load_part(map.wrapping_offset(start + offset), u32::from(mask)) };
            *v = if i == 0 { part } else { s.join(*v, part) };
        }
    }
    s.transpose4(v)
}

/// Asks for the pixels that [`input`] will read of another channel.
#[inline(always)]
pub(super) fn expect<S: Simd>(s: S, image: (*const f32, usize), lanes: &[Lanes; 4]) {
    lines::<S, 6>(s, image, lanes.each_ref().map(|lanes| lanes.first().input));
}

/// Asks for the results of another channel: [`output`] writes them, [`output_gradient`] reads theirs.
#[inline(always)]
pub(super) fn expect_results<S: Simd>(s: S, image: (*const f32, usize), lanes: &[Lanes; 4]) {
    lines::<S, 4>(s, image, lanes.each_ref().map(|lanes| lanes.first().output));
}

/// Asks for lines of memory, for each of some rows.
#[inline(always)]
fn lines<S: Simd, const ROWS: usize>(s: S, (map, width): (*const f32, usize), starts: [isize; 4]) {
    // A line has 16 numbers: the first vector of each.
    for start in starts.into_iter().step_by((16 / S::LANES).min(4)) {
        for row in 0..ROWS {
            s.prefetch(map.wrapping_offset(start + (row * width) as isize));
        }
    }
}

/// Transforms the windows of one channel.
///
/// # Safety
/// What the masks of `lanes` let through must be readable at `map`, and every frequency and part
/// writable at `to`, by this thread alone.
#[inline(always)]
pub(super) unsafe fn input<S: Simd, T: Scheme>(
    s: S,
    (map, width): (*const f32, usize),
    lanes: &[Lanes; 4],
    (to, steps): (*mut f32, Steps),
) {
    let mut rows = [[s.splat(0.0); 8]; 6];
    for (i, row) in rows.iter_mut().enumerate() {
        let line = (i * width) as isize;
        // SAFETY: the caller promises what `reads` lets through.
        let [c0, c1, c2, c3] = unsafe { columns(s, map, lanes, line, |p| (p.input, p.reads[i].0)) };
        // SAFETY: as above.
        let [c4, c5, ..] = unsafe { columns(s, map, lanes, line + 4, |p| (p.input, p.reads[i].1)) };
        *row = T::input(s, [c0, c1, c2, c3, c4, c5]);
    }
    for j in 0..T::POINTS {
        let r = &rows;
        let column = T::input(s, [r[0][j], r[1][j], r[2][j], r[3][j], r[4][j], r[5][j]]);
        for (i, &v) in column[..T::POINTS].iter().enumerate() {
            let (frequency, part) = T::place(i, j);
            // SAFETY: one of the frequencies and parts that the caller promises.
            unsafe { s.store(to.add(frequency * steps.frequency + part * steps.part), v) };
        }
    }
}

/// Transforms products back and writes the results of one channel, with its bias.
///
/// # Safety
/// Every frequency and part must be readable at `from`; what the masks of `lanes` let through must be
/// writable at `map`, by this thread alone.
#[inline(always)]
pub(super) unsafe fn output<S: Simd, T: Scheme>(
    s: S,
    (from, steps): (*const f32, Steps),
    lanes: &[Lanes; 4],
    bias: f32,
    (map, width): (*mut f32, usize),
) {
    let mut rows = [[s.splat(0.0); 8]; 4];
    for j in 0..T::POINTS {
        let mut column = [s.splat(0.0); 8];
        for (i, v) in column[..T::POINTS].iter_mut().enumerate() {
            let (frequency, part) = T::place(i, j);
            // SAFETY: one of the frequencies and parts that the caller promises.
            *v = unsafe { s.load(from.add(frequency * steps.frequency + part * steps.part)) };
        }
        for (row, v) in rows.iter_mut().zip(T::output(s, column)) {
            row[j] = v;
        }
    }
    let bias = s.splat(bias);
    for (i, row) in rows.into_iter().enumerate() {
        let [a, b, c, d] = T::output(s, row);
        let results = [s.add(a, bias), s.add(b, bias), s.add(c, bias), s.add(d, bias)];
        for (lanes, v) in lanes.iter().zip(s.transpose4(results)) {
            for piece in lanes.pieces() {
                let to = map.wrapping_offset(piece.output + (i * width) as isize);
                // SAFETY: the caller promises what `writes` lets through.
                unsafe { s.store_part(to, v, u32::from(piece.writes[i])) };
            }
        }
    }
}

/// Transforms the gradient of the results of one channel, as the gradient of weights needs it.
///
/// # Safety
/// What the masks of `lanes` let through must be readable at `map`, and 36 vectors writable at `to`,
/// by this thread alone.
#[inline(always)]
pub(super) unsafe fn output_gradient<S: Simd>(
    s: S,
    (map, width): (*const f32, usize),
    lanes: &[Lanes; 4],
    (to, frequency): (*mut f32, usize),
) {
    let mut rows = [[s.splat(0.0); 6]; 4];
    for (i, row) in rows.iter_mut().enumerate() {
        // SAFETY: the caller promises what `writes` lets through.
        let pixels =
            unsafe { columns(s, map, lanes, (i * width) as isize, |p| (p.output, p.writes[i])) };
        *row = Four::output_gradient(s, pixels);
    }
    for j in 0..6 {
        let r = &rows;
        let column = Four::output_gradient(s, [r[0][j], r[1][j], r[2][j], r[3][j]]);
        for (i, v) in column.into_iter().enumerate() {
            // SAFETY: one of the 36 vectors that the caller promises.
            unsafe { s.store(to.add((i * 6 + j) * frequency), v) };
        }
    }
}
