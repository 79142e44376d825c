//! The arithmetic of the layers of a sequence on rows.
#![expect(unsafe_code, reason = "results of products and views of heads")]

use rayon::prelude::*;

use super::super::attention::{self, Heads, Sizes};
use super::super::gelu::{Gelu, GeluSlope};
use super::super::multiply::{Factor, multiply};
use super::super::raw::{holds, wide};
use super::super::scratch::{Place, Pointer, written};
use super::super::simd::{self, Simd, with_simd};
use super::super::stages::PART;

/// Rows whose sums are one number of a bias' gradient before they are added in order.
const ROWS: usize = 128;

/// `dy *= gelu'(x)`
pub(super) fn slope(dy: &mut [f32], x: &[f32]) {
    let level = simd::best();
    dy.par_chunks_mut(PART).zip(x.par_chunks(PART)).for_each(|(dy, x)| {
        with_simd!(level, s => s.vectorize(GeluSlope { x, dy }));
    });
}

/// x W^T + b (rows, outputs), plus `plus` if there is one, then GELU if `gelu`; and what went into GELU.
pub(super) fn linear(
    (rows, inputs, outputs): (usize, usize, usize),
    x: &[f32],
    (weight, bias): (&[f32], &[f32]),
    plus: Option<&[f32]>,
    gelu: bool,
) -> (Vec<f32>, Vec<f32>) {
    let level = simd::best();
    let factors = (Factor::by_rows(x, inputs), Factor::by_rows(weight, inputs).turned());
    let shape = (rows, outputs, inputs);
    let affine = |first: usize, y: &mut [f32]| {
        for (row, y) in y.chunks_exact_mut(outputs).enumerate() {
            wide(|| {
                if !bias.is_empty() {
                    y.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
                }
                if let Some(plus) = plus {
                    let plus = &plus[(first + row) * outputs..(first + row + 1) * outputs];
                    y.iter_mut().zip(plus).for_each(|(y, x)| *y += x);
                }
            });
        }
    };
    let mut y = Vec::new();
    // SAFETY: `rows * outputs` does not overflow, since `stages` counted it. `multiply` writes the whole
    // product, and hands every block of rows to one call, which writes as many results of GELU at the same
    // place, so that blocks share none.
    let product = unsafe {
        written(rows * outputs, |product| {
            if gelu {
                y = written(rows * outputs, |y| {
                    let y = Place::new(y);
                    multiply(level, shape, factors, product, |first, block| {
                        affine(first, block);
                        let y = y.get().wrapping_add(first * outputs);
                        with_simd!(level, s => s.follow(Gelu { x: block, y }));
                    });
                });
            } else {
                multiply(level, shape, factors, product, affine);
            }
        })
    };
    if gelu { (y, product) } else { (product, y) }
}

/// The gradient dy W (rows, inputs) of x, times the slope of GELU at `slopes` if there are some.
pub(super) fn input_gradient(
    (rows, inputs, outputs): (usize, usize, usize),
    weight: &[f32],
    dy: &[f32],
    slopes: Option<&[f32]>,
) -> Vec<f32> {
    let level = simd::best();
    let factors = (Factor::by_rows(dy, outputs), Factor::by_rows(weight, inputs));
    let finish = |row: usize, dx: &mut [f32]| {
        if let Some(slopes) = slopes {
            let x = &slopes[row * inputs..row * inputs + dx.len()];
            with_simd!(level, s => s.vectorize(GeluSlope { x, dy: dx }));
        }
    };
    let shape = (rows, inputs, outputs);
    // SAFETY: the product is written whole, and `rows * inputs` was counted by `stages`.
    unsafe { written(rows * inputs, |dx| multiply(level, shape, factors, dx, finish)) }
}

/// Sums of the rows of `x` (rows, columns), in blocks of a fixed size.
pub(super) fn column_sums(x: &[f32], to: &mut [f32]) {
    let columns = to.len();
    let blocks: Vec<Vec<f32>> = x
        .par_chunks(ROWS * columns)
        .map(|block| {
            let mut sums = vec![0.0_f32; columns];
            for row in block.chunks_exact(columns) {
                wide(|| sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x));
            }
            sums
        })
        .collect();
    for (column, to) in to.iter_mut().enumerate() {
        *to = blocks.iter().map(|sums| f64::from(sums[column])).sum::<f64>() as f32;
    }
}

/// Where queries, keys and values (or their gradients) lie in rows (B L, 3 H D).
fn parts<P: Pointer>(sizes: Sizes, start: P, at: impl Fn(P, usize) -> P) -> [Heads<P>; 3] {
    let width = sizes.heads * sizes.dim;
    let strides = [sizes.queries * 3 * width, sizes.dim, 3 * width, 1];
    [0, width, 2 * width].map(|first| Heads { start: Place::new(at(start, first)), strides })
}

/// Where the results lie in rows (B L, H D).
fn whole<P: Pointer>(sizes: Sizes, start: P) -> Heads<P> {
    let width = sizes.heads * sizes.dim;
    Heads { start: Place::new(start), strides: [sizes.queries * width, sizes.dim, width, 1] }
}

/// Attention of rows (B L, 3 H D) to (B L, H D), with the logarithms for the gradient.
pub(super) fn attend(sizes: Sizes, rule: &attention::Rule, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let rows = sizes.batch * sizes.queries;
    let width = sizes.heads * sizes.dim;
    assert!(holds(x.len(), &[3, rows, width]), "rows of queries, keys and values");
    let inputs = parts(sizes, x.as_ptr(), <*const f32>::wrapping_add);
    let mut y = Vec::new();
    // SAFETY: the views cover the rows exactly, whose number was checked; `stages` made the rule for
    // these sizes and refuses to attend without places. Results and logarithms are written whole.
    let sums = unsafe {
        written(rows * sizes.heads, |sums| {
            y = written(rows * width, |y| {
                let to = (whole(sizes, y), Some(Place::new(sums)));
                attention::forward(simd::best(), sizes, inputs, rule, to);
            });
        })
    };
    (y, sums)
}

/// The gradient of the rows of queries, keys and values.
pub(super) fn attend_backward(
    sizes: Sizes,
    rule: &attention::Rule,
    (x, y, sums): (&[f32], &[f32], &[f32]),
    dy: &[f32],
) -> Vec<f32> {
    let len = [sizes.batch, sizes.queries, sizes.heads, sizes.dim];
    let fits = x.len() == 3 * dy.len() && y.len() == dy.len() && holds(dy.len(), &len);
    assert!(fits, "rows of another pass");
    let inputs = parts(sizes, x.as_ptr(), <*const f32>::wrapping_add);
    let results = (whole(sizes, y.as_ptr()), whole(sizes, dy.as_ptr()), sums);
    // SAFETY: as in `attend`, and y and dy have the rows of the result, as was checked. The three gradients
    // are written whole, and together they are all numbers of dx.
    unsafe {
        written(x.len(), |dx| {
            let to = parts(sizes, dx, <*mut f32>::wrapping_add);
            attention::backward(simd::best(), sizes, inputs, rule, results, to);
        })
    }
}
