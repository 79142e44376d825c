//! Attention as candle sees it: an operation of three tensors with a gradient of its own.
#![expect(unsafe_code, reason = "checked views go to the kernel")]

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp3, Error, Layout, Result, Shape, Storage, Tensor};

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

/// See [`crate::kernels::attention()`]; all tensors are f32 on the CPU, their shapes are right, and
/// there are keys.
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

    /// A view of f32 values on the CPU, checked to be inside them.
    fn view(self, storage: &CpuStorage, layout: &Layout) -> Result<Heads<*const f32>> {
        let CpuStorage::F32(values) = storage else {
            return Err(Error::Msg(format!("{NAME}: numbers that are not f32")).bt());
        };
        let (dims, strides) = (self.sorted(layout.dims())?, self.sorted(layout.stride())?);
        if dims.iter().all(|&n| n > 0) {
            let reach: usize = dims.iter().zip(strides).map(|(n, stride)| (n - 1) * stride).sum();
            assert!(layout.start_offset() + reach < values.len(), "a view outside of its memory");
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
    fn sizes(&self, q: &[usize], k: &[usize]) -> Result<Sizes> {
        let [batch, heads, queries, dim] = self.order.sorted(q)?;
        let [_, _, keys, _] = self.order.sorted(k)?;
        Ok(Sizes { batch, heads, queries, keys, dim })
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
        let sizes = self.sizes(q_layout.dims(), k_layout.dims())?;
        let inputs = [(q, q_layout), (k, k_layout), (v, v_layout)];
        let mut views = [NOWHERE; 3];
        for (view, (storage, layout)) in views.iter_mut().zip(inputs) {
            *view = self.order.view(storage, layout)?;
        }
        let Sizes { batch, heads, queries, dim, .. } = sizes;
        let dims = [batch, heads, queries, dim];
        let level = simd::best();
        let mut y = Vec::new();
        // SAFETY: views were checked; every result and every logarithm is written, and those are all.
        let lse = unsafe {
            written(batch * heads * queries, |lse| {
                y = written(dims.iter().product(), |y| {
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
        let sizes = self.sizes(q.dims(), k.dims())?;
        let Sizes { batch, heads, queries, keys, dim } = sizes;
        let (q_dims, k_dims) = ([batch, heads, queries, dim], [batch, heads, keys, dim]);
        let (q_len, k_len) = (q.elem_count(), k.elem_count());
        let lse = self.lse.lock().unwrap_or_else(PoisonError::into_inner);
        let order = self.order;
        let (mut dk, mut dv) = (Vec::new(), Vec::new());
        let dq = with_views(order, [q, k, v, out, dy], |[q, k, v, out, dy]| {
            // SAFETY: views were checked; all three gradients are written whole.
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
