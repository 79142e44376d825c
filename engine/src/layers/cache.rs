//! Keys and values of the places that were already seen, so that new places need not compute them
//! again.

use candle_core::{DType, Device, Tensor};

use crate::kernels::{self, Mask};
use crate::{EngineError, Result};

/// Keys and values (B, H, capacity, D) of one layer, with room for all places from the start: a place
/// is written once and nothing is moved. For generation; nothing has a gradient.
#[derive(Debug)]
pub struct KvCache {
    keys: Tensor,
    values: Tensor,
    len: usize,
}

impl KvCache {
    /// Room for `capacity` places.
    pub fn new(
        (batch, heads, dim): (usize, usize, usize),
        capacity: usize,
        device: &Device,
    ) -> Result<Self> {
        let room = || Tensor::zeros((batch, heads, capacity, dim), DType::F32, device);
        Ok(Self { keys: room()?, values: room()?, len: 0 })
    }

    /// Places seen so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none was seen.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all places behind the first `len`, as when the last ones are tried anew.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Adds places at the end.
    ///
    /// # Shapes
    /// - `k`, `v`: (B, H, L, D)
    ///
    /// # Errors
    /// [`EngineError::Shape`] if the shape is another or there is no room; the cache stays as it was.
    pub fn append(&mut self, k: &Tensor, v: &Tensor) -> Result<()> {
        let (batch, heads, capacity, dim) = self.keys.dims4()?;
        let room = capacity - self.len;
        for new in [k, v] {
            let new_len = new.dims().get(2).copied().unwrap_or_default();
            if new.dims() != [batch, heads, new_len, dim] || new_len > room || v.dims() != k.dims()
            {
                return Err(EngineError::Shape {
                    what: "keys and values for the cache".to_owned(),
                    expected: format!("({batch}, {heads}, at most {room}, {dim})"),
                    found: new.dims().to_vec(),
                });
            }
        }
        let added = k.dim(2)?;
        if added > 0 {
            self.keys.slice_set(&k.detach().contiguous()?, 2, self.len)?;
            self.values.slice_set(&v.detach().contiguous()?, 2, self.len)?;
            self.len += added;
        }
        Ok(())
    }

    /// Adds places, then lets their queries attend to all places; see [`kernels::attention()`].
    ///
    /// # Shapes
    /// - `q`, `k`, `v`: (B, H, L, D); gives (B, H, L, D)
    ///
    /// # Errors
    /// As for [`KvCache::append`] and [`kernels::attention()`]; the cache stays as it was.
    pub fn attend(
        &mut self,
        q: &Tensor,
        (k, v): (&Tensor, &Tensor),
        scale: f64,
        mask: Mask<'_>,
    ) -> Result<Tensor> {
        let before = self.len;
        self.append(k, v)?;
        let seen = |room: &Tensor| room.narrow(2, 0, self.len);
        let found = seen(&self.keys)
            .and_then(|keys| Ok((keys, seen(&self.values)?)))
            .map_err(EngineError::from)
            .and_then(|(keys, values)| kernels::attention(q, &keys, &values, scale, mask));
        if found.is_err() {
            // What lies behind the last place is room again.
            self.len = before;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::of_tests;
    use crate::random::{Noise, Purpose};

    fn noise(cell: u64, shape: &[usize]) -> Tensor {
        let noise = Noise::new(3, Purpose::Test, 0, cell);
        let values: Vec<f32> =
            (0..shape.iter().product::<usize>() as u32).map(|lane| noise.normal(lane)).collect();
        Tensor::from_vec(values, shape, &of_tests().unwrap()).unwrap()
    }

    fn difference(a: &Tensor, b: &Tensor) -> f32 {
        (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
    }

    #[test]
    fn steps_give_what_all_places_at_once_give() {
        let [q, k, v] = [1, 2, 3].map(|cell| noise(cell, &[2, 3, 14, 20]));
        let blocks = [1, 4, 9];
        for (mask, steps) in
            [(Mask::Causal, &[1_usize, 1, 5, 1, 6][..]), (Mask::BlockCausal(&blocks), &blocks)]
        {
            let whole = kernels::attention(&q, &k, &v, 0.3, mask).unwrap();
            let mut cache = KvCache::new((2, 3, 20), 16, &of_tests().unwrap()).unwrap();
            for _ in 0..2 {
                for &step in steps {
                    let at = cache.len();
                    let part = |t: &Tensor| t.narrow(2, at, step).unwrap();
                    let found = cache.attend(&part(&q), (&part(&k), &part(&v)), 0.3, mask).unwrap();
                    assert!(difference(&found, &part(&whole)) < 1e-5, "{mask:?} at {at}");
                }
                assert_eq!(cache.len(), 14);
                cache.truncate(0);
            }
        }
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut cache = KvCache::new((1, 2, 4), 3, &of_tests().unwrap()).unwrap();
        let two = noise(1, &[1, 2, 2, 4]);
        cache.append(&two, &two).unwrap();
        assert!(cache.append(&two, &two).is_err(), "no room for two more");
        let other = noise(2, &[1, 2, 1, 5]);
        assert!(cache.append(&other, &other).is_err());
        assert!(cache.append(&noise(3, &[1, 2, 1, 4]), &other).is_err());
        assert_eq!(cache.len(), 2);
        let one = noise(4, &[1, 2, 1, 4]);
        // A mask that ends elsewhere, a scale that is none, queries of another size.
        let mut refused = |q: &Tensor, scale, mask| {
            assert!(cache.attend(q, (&one, &one), scale, mask).is_err());
            assert_eq!(cache.len(), 2, "{mask:?}");
        };
        refused(&one, 0.5, Mask::BlockCausal(&[2, 2]));
        refused(&one, f64::NAN, Mask::Causal);
        refused(&other, 0.5, Mask::Causal);
        cache.attend(&one, (&one, &one), 0.5, Mask::BlockCausal(&[2, 1])).unwrap();
        assert_eq!(cache.len(), 3);
    }
}
