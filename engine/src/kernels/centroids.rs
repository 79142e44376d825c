//! What a codebook learns as a moving average: sums of the vectors that chose each code, and codes from sums
//! and counts, in one pass over memory and in place.
//!
//! Vectors are put in the order of their codes first (a counting sort), so that a task has some codes to
//! itself: what it adds up does not depend on the number of threads. Everything between memory and memory
//! is f64. What bounds it: memory, since codes that nobody chose move as well.
//!
//! Source: van den Oord et al., arXiv 1711.00937, appendix A.1; the smoothing is that of Sonnet's code.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, DType, Device, Error, InplaceOp1, Layout, Tensor, Var};
use rayon::prelude::*;

use super::card;
use super::choice::ours;
use super::raw::{wide, with_values};
use crate::{EngineError, Result};

const NAME: &str = "moving averages of a codebook";
/// Numbers that a task takes.
const PART: usize = 16 * 1024;

/// Which vectors chose each code.
#[derive(Debug)]
pub struct Members {
    /// Where each code's vectors begin in `order`, and where the last one's end.
    starts: Vec<u32>,
    /// Vectors by code; those of a code as they stood.
    order: Vec<u32>,
    /// As it was given.
    list: Vec<u32>,
}

impl Members {
    /// Of the code of each vector, below `codes`.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] with the first code that is not.
    pub fn new(list: Vec<u32>, codes: usize) -> Result<Self> {
        if let Some(at) = list.iter().position(|&code| code as usize >= codes) {
            let reason = format!("code {} of vector {at} is outside the codebook", list[at]);
            return Err(EngineError::bad_input("codes", reason, format!("0..{codes}")));
        }
        let mut starts = vec![0_u32; codes + 1];
        for &code in &list {
            starts[code as usize + 1] += 1;
        }
        for code in 0..codes {
            starts[code + 1] += starts[code];
        }
        let (mut next, mut order) = (starts.clone(), vec![0; list.len()]);
        for (vector, &code) in list.iter().enumerate() {
            let place = &mut next[code as usize];
            order[*place as usize] = vector as u32;
            *place += 1;
        }
        Ok(Self { starts, order, list })
    }

    /// How many codes there are.
    fn codes(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many vectors chose each code.
    pub fn counts(&self) -> impl Iterator<Item = u32> {
        self.starts.windows(2).map(|ends| ends[1] - ends[0])
    }

    /// The vectors that chose a code.
    fn of(&self, code: usize) -> &[u32] {
        &self.order[self.starts[code] as usize..self.starts[code + 1] as usize]
    }
}

/// How a codebook follows the vectors that chose its codes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Averaging {
    /// What sums keep of what they were.
    pub decay: f64,
    /// Codes are brought to length one.
    pub unit: bool,
}

/// One step of a codebook's moving averages: sums ← d·sums + (1-d)·Σ vectors of each code, then each code its
/// sum over its size. Sizes that are all 0 leave the codes. No gradient.
///
/// # Shapes
/// - `codes`, `sums`: (K, D), changed in place; `vectors`: (N, D); `sizes`: K
///
/// # Errors
/// [`EngineError::Shape`] if they do not fit.
pub fn average_codes(
    (codes, sums): (&Var, &Var),
    (vectors, members): (&Tensor, &Members),
    sizes: &[f64],
    rule: Averaging,
) -> Result<()> {
    let (n, dim) = vectors.dims2()?;
    let k = members.codes();
    if codes.dims() != [k, dim] || sums.dims() != [k, dim] || sizes.len() != k {
        return Err(expected("a codebook", format!("({k}, {dim})"), codes));
    }
    if members.order.len() != n {
        return Err(expected("vectors", format!("({}, {dim})", members.order.len()), vectors));
    }
    if !ours(&[vectors, codes, sums]) {
        return plain((codes, sums), (vectors, members), sizes, rule);
    }
    let vectors = vectors.detach().contiguous()?;
    // At once, so that codes are made of sums that are not rounded to f32 yet.
    with_values(&vectors, NAME, |vectors| {
        change(codes, |codes| {
            change(sums, |sums| step((codes, sums), (vectors, members), sizes, rule, dim))
        })
    })???;
    Ok(())
}

fn step(
    (codes, sums): (&mut [f32], &mut [f32]),
    (vectors, members): (&[f32], &Members),
    sizes: &[f64],
    rule: Averaging,
    dim: usize,
) {
    // Nobody ever chose any: there is nothing to divide by.
    let is_empty = sizes.iter().all(|&size| size <= 0.0);
    let rows = (PART / dim.max(1)).max(1);
    let parts = codes.par_chunks_mut(rows * dim).zip(sums.par_chunks_mut(rows * dim));
    parts.enumerate().for_each(|(part, (codes, sums))| {
        let mut row = vec![0.0_f64; dim];
        wide(|| {
            let pairs = codes.chunks_exact_mut(dim).zip(sums.chunks_exact_mut(dim));
            for (at, (code, sum)) in pairs.enumerate() {
                let number = part * rows + at;
                row.fill(0.0);
                for &vector in members.of(number) {
                    let vector = &vectors[vector as usize * dim..][..dim];
                    for (row, &x) in row.iter_mut().zip(vector) {
                        *row += f64::from(x);
                    }
                }
                for (row, sum) in row.iter_mut().zip(sum) {
                    *row = rule.decay * f64::from(*sum) + (1.0 - rule.decay) * *row;
                    *sum = *row as f32;
                }
                if is_empty {
                    continue;
                }
                let mut size = sizes[number];
                if rule.unit {
                    let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                    size = length.max(1e-12 * size);
                }
                for (code, row) in code.iter_mut().zip(&row) {
                    *code = (row / size) as f32;
                }
            }
        });
    });
}

/// The same made of candle's own operations.
fn plain(
    (codes, sums): (&Var, &Var),
    (vectors, members): (&Tensor, &Members),
    sizes: &[f64],
    rule: Averaging,
) -> Result<()> {
    let (k, device) = (members.codes(), vectors.device());
    for tensor in [codes.as_tensor(), vectors] {
        card::check(device, NAME, tensor.dims())?;
    }
    // Apple's cards have no f64.
    let wide = if device.is_metal() { DType::F32 } else { DType::F64 };
    let list = Tensor::from_slice(&members.list, members.list.len(), device)?;
    let vectors = vectors.detach().contiguous()?.to_dtype(wide)?;
    let zeros = Tensor::zeros(codes.dims(), wide, device)?;
    let added =
        if members.list.is_empty() { zeros } else { zeros.index_add(&list, &vectors, 0)? };
    let averaged = ((sums.as_detached_tensor().to_dtype(wide)? * rule.decay)?
        + (added * (1.0 - rule.decay))?)?;
    sums.set(&averaged.to_dtype(DType::F32)?)?;
    if sizes.iter().all(|&size| size <= 0.0) {
        return Ok(());
    }
    let mut sizes =
        Tensor::from_slice(sizes, (k, 1), &Device::Cpu)?.to_dtype(wide)?.to_device(device)?;
    if rule.unit {
        sizes = averaged.sqr()?.sum_keepdim(1)?.sqrt()?.maximum(&(sizes * 1e-12)?)?;
    }
    Ok(codes.set(&averaged.broadcast_div(&sizes)?.to_dtype(DType::F32)?)?)
}

/// Puts rows in the place of some of a table's, in place. No gradient.
///
/// # Shapes
/// - `table`: (K, D), `rows`: (M, D); `places`: M different numbers below K
///
/// # Errors
/// [`EngineError::Shape`] if they do not fit.
pub fn replace_rows(table: &Var, places: &[usize], rows: &Tensor) -> Result<()> {
    let (k, dim) = table.dims2()?;
    if rows.dims() != [places.len(), dim] || places.iter().any(|&place| place >= k) {
        return Err(expected("rows", format!("({}, {dim}), for {k}", places.len()), rows));
    }
    if places.is_empty() {
        return Ok(());
    }
    let rows = rows.detach().contiguous()?;
    if ours(&[table, &rows]) {
        return Ok(with_values(&rows, NAME, |rows| {
            change(table, |table| {
                for (&place, row) in places.iter().zip(rows.chunks_exact(dim.max(1))) {
                    table[place * dim..][..dim].copy_from_slice(row);
                }
            })
        })??);
    }
    let device = table.device();
    card::check(device, NAME, table.dims())?;
    let mut kept = vec![1.0_f32; k];
    for &place in places {
        kept[place] = 0.0;
    }
    let kept = Tensor::from_vec(kept, (k, 1), device)?;
    let list: Vec<u32> = places.iter().map(|&place| place as u32).collect();
    let list = Tensor::from_vec(list, places.len(), device)?;
    let old = table.as_detached_tensor();
    Ok(table.set(&old.broadcast_mul(&kept)?.index_add(&list, &rows, 0)?)?)
}

fn expected(what: &str, expected: String, found: &Tensor) -> EngineError {
    EngineError::Shape { what: what.to_owned(), expected, found: found.dims().to_vec() }
}

/// Runs `f` on the numbers of a variable on the CPU, to change them.
fn change<R>(var: &Var, f: impl FnOnce(&mut [f32]) -> R) -> candle_core::Result<R> {
    struct Change<F, R>(Mutex<(Option<F>, Option<R>)>);

    impl<R, F: FnOnce(&mut [f32]) -> R> InplaceOp1 for Change<F, R> {
        fn name(&self) -> &'static str {
            NAME
        }

        fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
            let (CpuStorage::F32(numbers), Some((start, end))) =
                (storage, layout.contiguous_offsets())
            else {
                return Err(Error::RequiresContiguous { op: NAME }.bt());
            };
            let mut both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            both.1 = both.0.take().map(|f| f(&mut numbers[start..end]));
            Ok(())
        }
    }

    let work = Change(Mutex::new((Some(f), None)));
    var.inplace_op1(&work)?;
    let (_, result) = work.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    result.ok_or_else(|| Error::Msg(format!("{NAME}: nothing was done")).bt())
}

#[cfg(test)]
mod tests {
    use super::super::tests::noise;
    use super::*;

    fn var(values: &Tensor) -> Var {
        Var::from_tensor(&values.copy().unwrap()).unwrap()
    }

    fn list(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    /// Some codes get nothing, one gets most.
    fn chosen(n: usize, k: usize) -> Vec<u32> {
        (0..n).map(|at| if at % 3 == 0 { (at * 7 % k) as u32 } else { 1 }).collect()
    }

    struct Case {
        codes: Tensor,
        sums: Tensor,
        vectors: Tensor,
        members: Members,
        sizes: Vec<f64>,
    }

    fn case(n: usize, k: usize, dim: usize) -> Case {
        Case {
            codes: noise(1, &[k, dim]),
            sums: noise(2, &[k, dim]),
            vectors: noise(3, &[n, dim]),
            members: Members::new(chosen(n, k), k).unwrap(),
            sizes: (0..k).map(|code| 0.3 + code as f64).collect(),
        }
    }

    #[test]
    fn codes_and_sums_are_those_of_plain_code_in_f64_to_the_last_bit_of_f32() {
        for (n, k, dim) in [(1, 2, 1), (50, 7, 3), (700, 300, 5), (40, 40, 130), (0, 3, 4)] {
            for unit in [false, true] {
                let Case { codes, sums, vectors, members, sizes } = case(n, k, dim);
                let rule = Averaging { decay: 0.9, unit };
                let mut expected: Vec<f64> = list(&sums).into_iter().map(f64::from).collect();
                let mut added = vec![0.0; k * dim];
                for (at, x) in list(&vectors).into_iter().enumerate() {
                    added[members.list[at / dim] as usize * dim + at % dim] += f64::from(x);
                }
                for (sum, added) in expected.iter_mut().zip(added) {
                    *sum = 0.9 * *sum + (1.0 - 0.9) * added;
                }
                let made = [var(&codes), var(&sums)];
                average_codes((&made[0], &made[1]), (&vectors, &members), &sizes, rule).unwrap();
                let candle = [var(&codes), var(&sums)];
                plain((&candle[0], &candle[1]), (&vectors, &members), &sizes, rule).unwrap();
                for made in [&made, &candle] {
                    are_of(made, &expected, &sizes, unit);
                }
            }
        }
    }

    /// Codes and sums are those of exact sums.
    fn are_of([codes, sums]: &[Var; 2], expected: &[f64], sizes: &[f64], unit: bool) {
        let (codes, sums) = (list(codes), list(sums));
        let dim = codes.len() / sizes.len();
        for (code, row) in expected.chunks_exact(dim).enumerate() {
            let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            let size = if unit { length } else { sizes[code] };
            for (channel, exact) in row.iter().enumerate() {
                let at = code * dim + channel;
                assert_eq!(sums[at], *exact as f32, "{code} {channel}");
                let off = (f64::from(codes[at]) - exact / size).abs();
                assert!(off <= 1e-7 * (exact / size).abs(), "{code} {channel}: {off}");
            }
        }
    }

    #[test]
    fn averages_do_not_depend_on_the_number_of_threads() {
        let with = |threads| {
            let Case { codes, sums, vectors, members, sizes } = case(3000, 500, 70);
            let made = [var(&codes), var(&sums)];
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let rule = Averaging { decay: 0.99, unit: false };
            let step =
                || average_codes((&made[0], &made[1]), (&vectors, &members), &sizes, rule).unwrap();
            pool.install(step);
            made.map(|var| list(&var))
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn only_the_rows_that_are_named_are_replaced() {
        let (table, rows) = (noise(1, &[6, 3]), noise(2, &[2, 3]));
        let made = var(&table);
        replace_rows(&made, &[4, 0], &rows).unwrap();
        let (old, new, found) = (list(&table), list(&rows), list(&made));
        assert_eq!(found[..3], new[3..]);
        assert_eq!(found[12..15], new[..3]);
        assert_eq!((&found[3..12], &found[15..]), (&old[3..12], &old[15..]));
        assert!(replace_rows(&made, &[4, 6], &rows).is_err(), "beyond the table");
        assert!(replace_rows(&made, &[4], &rows).is_err(), "a row too many");
        assert_eq!(list(&made), found, "and nothing is changed");
    }

    #[test]
    fn codes_outside_of_a_book_and_vectors_of_other_shapes_are_refused() {
        let error = Members::new(vec![0, 5, 9], 5).unwrap_err().to_string();
        assert!(error.contains("code 5 of vector 1"), "{error}");
        let Case { codes, sums, vectors, members, sizes } = case(8, 4, 3);
        let (codes, sums) = (var(&codes), var(&sums));
        let rule = Averaging { decay: 0.9, unit: false };
        let refused = |vectors: &Tensor, sizes: &[f64]| {
            average_codes((&codes, &sums), (vectors, &members), sizes, rule).unwrap_err();
        };
        refused(&vectors.narrow(0, 0, 7).unwrap(), &sizes);
        refused(&vectors.narrow(1, 0, 2).unwrap(), &sizes);
        refused(&vectors, &sizes[1..]);
    }

    #[test]
    fn sizes_that_are_all_nothing_leave_the_codes() {
        let Case { codes, sums, vectors, members, .. } = case(8, 4, 3);
        for is_plain in [false, true] {
            let made = [var(&codes), var(&sums)];
            let rule = Averaging { decay: 0.9, unit: false };
            let both = ((&made[0], &made[1]), (&vectors, &members));
            if is_plain {
                plain(both.0, both.1, &[0.0; 4], rule).unwrap();
            } else {
                average_codes(both.0, both.1, &[0.0; 4], rule).unwrap();
            }
            assert_eq!(list(&made[0]), list(&codes));
            assert_ne!(list(&made[1]), list(&sums));
        }
    }
}
