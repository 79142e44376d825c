//! Doubling by repeating pixels on the CPU, with its gradient.

use candle_core::{CpuStorage, CustomOp1, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::raw::{values, wide, with_values};

const NAME: &str = "upsample2";

/// The operation as candle sees it.
pub(super) struct Upsample2;

impl CustomOp1 for Upsample2 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let &[batch, channels, height, width] = layout.dims() else {
            return Err(Error::Msg(format!("{NAME}: {:?} is not (B, C, H, W)", layout.dims())));
        };
        let x = values(x, layout, NAME)?;
        let mut y = vec![0.0; 4 * x.len()];
        let map = (height * width).max(1);
        y.par_chunks_mut(4 * map).zip(x.par_chunks(map)).for_each(|(y, x)| {
            for (rows, line) in y.chunks_exact_mut(4 * width).zip(x.chunks_exact(width)) {
                let (upper, lower) = rows.split_at_mut(2 * width);
                for (pair, &value) in upper.chunks_exact_mut(2).zip(line) {
                    pair.fill(value);
                }
                lower.copy_from_slice(upper);
            }
        });
        Ok((CpuStorage::F32(y), (batch, channels, 2 * height, 2 * width).into()))
    }

    fn bwd(&self, x: &Tensor, _result: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (_, _, height, width) = x.dims4()?;
        let mut dx = vec![0.0; x.elem_count()];
        let map = (height * width).max(1);
        with_values(&dy.contiguous()?, NAME, |dy| {
            dx.par_chunks_mut(map).zip(dy.par_chunks(4 * map)).for_each(|(dx, dy)| {
                for (line, rows) in dx.chunks_exact_mut(width).zip(dy.chunks_exact(4 * width)) {
                    let (upper, lower) = rows.split_at(2 * width);
                    wide(|| {
                        let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
                        for (value, (a, b)) in line.iter_mut().zip(pairs) {
                            *value = (a[0] + a[1]) + (b[0] + b[1]);
                        }
                    });
                }
            });
        })?;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
