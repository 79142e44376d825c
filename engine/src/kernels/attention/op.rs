//! Attention as candle sees it: an operation of three tensors with a gradient of its own.
#![expect(unsafe_code, reason = "checked views go to the kernel")]

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp3, Error, Layout, Result, Shape, Storage, Tensor};

use super::super::raw::count;
use super::super::scratch::{Place, written};
use super::super::simd;
use super::{Heads, Rule, Sizes, backward, forward};

const NAME: &str = "attention";
/// The place of a view that was not looked up yet.
const NOWHERE: Heads<*const f32> = Heads { start: Place::new(std::ptr::null()), strides: [0; 4] };

/// Which way a head's matrix lies, in the tensors and in the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kernels) enum Order {
    /// (B, H, L, D)
    Rows,
    /// (B, H, D, L): channels before places, as in feature maps.
    Columns,
}

struct Attention {
    rule: Rule,
    order: Order,
    /// Logarithms of the sums of the exponentials, for the gradient.
    lse: Mutex<Vec<f32>>,
}

/// See [`crate::kernels::attention()`]; all tensors are f32 on the CPU.
pub(in crate::kernels) fn attention(
    [q, k, v]: [&Tensor; 3],
    rule: Rule,
    order: Order,
) -> Result<Tensor> {
    q.apply_op3(k, v, Attention { rule, order, lse: Mutex::default() })
}

impl Order {
    /// B, H, L, D of a tensor, from its four sizes or strides.
    fn sorted(self, four: &[usize]) -> Result<[usize; 4]> {
        match (self, four) {
            (Self::Rows, &[b, h, l, d]) | (Self::Columns, &[b, h, d, l]) => Ok([b, h, l, d]),
            _ => Err(Error::Msg(format!("{NAME}: {four:?} are not four sizes")).bt()),
        }
    }

    /// The strides of a whole result, its (B, H, L, D) as given.
    fn strides(self, [_, h, l, d]: [usize; 4]) -> [usize; 4] {
        match self {
            Self::Rows => [h * l * d, l * d, d, 1],
            Self::Columns => [h * l * d, l * d, 1, l],
        }
    }

    /// A view of f32 values on the CPU, checked to be inside them: of each of the sizes, whatever reads
    /// places below it stays in the values.
    fn view(self, storage: &CpuStorage, layout: &Layout) -> Result<Heads<*const f32>> {
        let CpuStorage::F32(values) = storage else {
            return Err(Error::Msg(format!("{NAME}: numbers that are not f32")).bt());
        };
        let (dims, strides) = (self.sorted(layout.dims())?, self.sorted(layout.stride())?);
        if count(&dims)? > 0 {
            let last =
                dims.iter().zip(strides).try_fold(layout.start_offset(), |at, (n, stride)| {
                    at.checked_add((n - 1).checked_mul(stride)?)
                });
            if last.is_none_or(|last| last >= values.len()) {
                return Err(Error::Msg(format!("{NAME}: a view outside of its memory")).bt());
            }
        }
        let start = values.as_ptr().wrapping_add(layout.start_offset());
        Ok(Heads { start: Place::new(start), strides })
    }

    fn whole(self, start: *mut f32, dims: [usize; 4]) -> Heads<*mut f32> {
        Heads { start: Place::new(start), strides: self.strides(dims) }
    }
}

/// Runs `f` on views of CPU tensors.
fn with_views<const N: usize, R>(
    order: Order,
    tensors: [&Tensor; N],
    f: impl FnOnce([Heads<*const f32>; N]) -> R,
) -> Result<R> {
    let guards = tensors.map(Tensor::storage_and_layout);
    let mut views = [NOWHERE; N];
    for (view, (storage, layout)) in views.iter_mut().zip(&guards) {
        let Storage::Cpu(storage) = &**storage else {
            return Err(Error::Msg(format!("{NAME}: this kernel computes on the CPU")).bt());
        };
        *view = order.view(storage, layout)?;
    }
    Ok(f(views))
}

impl Attention {
    /// The sizes that queries, keys and values have in common. The kernel reads and writes by them alone.
    fn sizes(&self, [q, k, v]: [&[usize]; 3]) -> Result<Sizes> {
        let [batch, heads, queries, dim] = self.order.sorted(q)?;
        let [_, _, keys, _] = self.order.sorted(k)?;
        let sizes = Sizes { batch, heads, queries, keys, dim };
        let expected = [batch, heads, keys, dim];
        if self.order.sorted(k)? != expected || self.order.sorted(v)? != expected {
            let text = format!("{NAME}: keys {k:?} and values {v:?} do not fit queries {q:?}");
            return Err(Error::Msg(text).bt());
        }
        if keys == 0 || dim == 0 {
            return Err(Error::Msg(format!("{NAME}: no numbers in keys {k:?}")).bt());
        }
        self.rule.check(queries, keys)?;
        Ok(sizes)
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let sizes = self.sizes([q_layout.dims(), k_layout.dims(), v_layout.dims()])?;
        let inputs = [(q, q_layout), (k, k_layout), (v, v_layout)];
        let mut views = [NOWHERE; 3];
        for (view, (storage, layout)) in views.iter_mut().zip(inputs) {
            *view = self.order.view(storage, layout)?;
        }
        let Sizes { batch, heads, queries, dim, .. } = sizes;
        let dims = [batch, heads, queries, dim];
        let (rows, len) = (count(&dims[..3])?, count(&dims)?);
        let level = simd::best();
        let mut y = Vec::new();
        // SAFETY: `sizes` checked that all three tensors have these sizes and that the rule fits, `view`
        // that their places are inside their values, which the storages keep borrowed. `forward` writes
        // every result and every logarithm, and `count` of the same sizes is their number.
        let lse = unsafe {
            written(rows, |lse| {
                y = written(len, |y| {
                    let to = (self.order.whole(y, dims), Some(Place::new(lse)));
                    forward(level, sizes, views, &self.rule, to);
                });
            })
        };
        *self.lse.lock().unwrap_or_else(PoisonError::into_inner) = lse;
        Ok((CpuStorage::F32(y), Shape::from(q_layout.dims())))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        out: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let sizes = self.sizes([q.dims(), k.dims(), v.dims()])?;
        let Sizes { batch, heads, queries, keys, dim } = sizes;
        let (q_dims, k_dims) = ([batch, heads, queries, dim], [batch, heads, keys, dim]);
        let (q_len, k_len) = (count(&q_dims)?, count(&k_dims)?);
        if out.dims() != q.dims() || dy.dims() != q.dims() {
            let text = format!("{NAME}: a gradient {:?} for queries {:?}", dy.dims(), q.dims());
            return Err(Error::Msg(text).bt());
        }
        let lse = self.lse.lock().unwrap_or_else(PoisonError::into_inner);
        if lse.len() != count(&q_dims[..3])? {
            return Err(Error::Msg(format!("{NAME}: the forward pass has not run")).bt());
        }
        let order = self.order;
        let (mut dk, mut dv) = (Vec::new(), Vec::new());
        let dq = with_views(order, [q, k, v, out, dy], |[q, k, v, out, dy]| {
            // SAFETY: as in the forward pass; the result and its gradient have the sizes of the queries, as
            // was just checked, and `with_views` keeps all five tensors locked. `backward` writes all three
            // gradients, and `count` of the same sizes is their number.
            unsafe {
                written(q_len, |dq| {
                    dk = written(k_len, |dk| {
                        dv = written(k_len, |dv| {
                            let gradients = [(dq, q_dims), (dk, k_dims), (dv, k_dims)]
                                .map(|(start, dims)| order.whole(start, dims));
                            let results = (out, dy, &lse[..]);
                            let level = simd::best();
                            backward(level, sizes, [q, k, v], &self.rule, results, gradients);
                        });
                    });
                })
            }
        })?;
        let tensor = |values: Vec<f32>, like: &Tensor| {
            like.track_op()
                .then(|| Tensor::from_vec(values, like.shape(), like.device()))
                .transpose()
        };
        Ok((tensor(dq, q)?, tensor(dk, k)?, tensor(dv, v)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::super::super::tests::noise_on;
    use super::*;

    /// Queries, keys, values, the mask: all that reach the kernel, fitting or not.
    fn run(shapes: [&[usize]; 3], seen: Option<Vec<usize>>, order: Order) -> Result<Tensor> {
        let [q, k, v] = shapes.map(|shape| noise_on(&Device::Cpu, 1, shape));
        attention([&q, &k, &v], Rule { scale: 1.0, seen }, order)
    }

    #[test]
    fn keys_and_values_that_do_not_fit_the_queries_are_an_error() {
        for queries in [3, 40] {
            let q = [2, 2, queries, 8];
            let fits = [2, 2, 50, 8];
            assert!(run([&q, &fits, &fits], None, Order::Rows).is_ok());
            for wrong in [[1, 2, 50, 8], [2, 1, 50, 8], [2, 2, 49, 8], [2, 2, 50, 7], [2, 2, 0, 8]]
            {
                assert!(run([&q, &fits, &wrong], None, Order::Rows).is_err(), "{wrong:?}");
                assert!(run([&q, &wrong, &fits], None, Order::Rows).is_err(), "{wrong:?}");
            }
            let [short, none] = [[2, 2, 8, 4], [2, 2, 50, 0]];
            assert!(run([&q, &short, &short], None, Order::Columns).is_err());
            assert!(run([&[2, 2, queries, 0], &none, &none], None, Order::Rows).is_err());
            assert!(run([&q[1..], &fits, &fits], None, Order::Rows).is_err());
        }
    }

    #[test]
    fn a_mask_of_another_size_is_an_error() {
        let shape: &[usize] = &[1, 1, 3, 8];
        let with = |seen: &[usize]| run([shape; 3], Some(seen.to_vec()), Order::Rows);
        assert!(with(&[1, 2, 3]).is_ok());
        for wrong in [&[1, 2][..], &[1, 2, 3, 3], &[0, 2, 3], &[1, 2, 4], &[2, 1, 3]] {
            assert!(with(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_gradient_of_another_size_is_an_error() {
        let q = Var::from_tensor(&noise_on(&Device::Cpu, 1, &[1, 2, 40, 8])).unwrap();
        let rule = Rule { scale: 1.0, seen: None };
        let op = Attention { rule, order: Order::Rows, lse: Mutex::default() };
        let backward = |op: &Attention, dy: &Tensor| op.bwd(&q, &q, &q, &q, dy);
        assert!(backward(&op, &q).is_err(), "the forward pass has not run");
        *op.lse.lock().unwrap() = vec![0.0; 80];
        assert!(backward(&op, &q).is_ok());
        for wrong in [&[1, 2, 39, 8][..], &[1, 2, 40, 7], &[1, 1, 40, 8], &[1, 40, 8]] {
            assert!(backward(&op, &noise_on(&Device::Cpu, 2, wrong)).is_err(), "{wrong:?}");
        }
    }
}
