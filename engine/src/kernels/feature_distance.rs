//! The distance of unit features on the CPU, fused, with its gradient.
//!
//! Of candle's own operations it takes some twenty passes over the largest maps of a network, each on one
//! thread; here three of blocks of places that stay in the caches. Images are shared out over threads, and
//! each is summed in one order. Nothing is kept for the gradient but the features themselves.

use candle_core::{CpuStorage, CustomOp2, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::raw::{values, wide, with_values};

const NAME: &str = "feature_distance";
/// What is added to lengths.
pub(super) const EPS: f64 = 1e-10;
/// Places at once.
const BLOCK: usize = 128;

/// A number for each place of a block.
type Row = [f32; BLOCK];

/// The operation as candle sees it.
pub(super) struct Distance {
    weights: Vec<f32>,
    places: usize,
}

/// The features of one image, (C, places).
#[derive(Clone, Copy)]
struct Maps<'a> {
    values: &'a [f32],
    places: usize,
}

impl<'a> Maps<'a> {
    /// Those of a channel at the places of a block.
    fn row(&self, channel: usize, first: usize, count: usize) -> &'a [f32] {
        let start = channel * self.places + first;
        &self.values[start..start + count]
    }

    /// Lengths of the features at each place of a block, and what they are multiplied with.
    fn lengths(&self, channels: usize, first: usize, count: usize) -> (Row, Row) {
        let (mut lengths, mut scales) = ([0.0; BLOCK], [0.0; BLOCK]);
        for channel in 0..channels {
            for (sum, x) in lengths.iter_mut().zip(self.row(channel, first, count)) {
                *sum += x * x;
            }
        }
        for (length, scale) in lengths.iter_mut().zip(&mut scales) {
            *length = length.sqrt();
            *scale = 1.0 / (*length + EPS as f32);
        }
        (lengths, scales)
    }
}

impl Distance {
    /// With a weight for each channel, of maps of so many places.
    pub(super) fn new(weights: Vec<f32>, places: usize) -> Self {
        Self { weights, places }
    }

    /// Numbers of an image.
    fn image(&self) -> usize {
        self.weights.len() * self.places
    }

    fn blocks(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let places = self.places;
        (0..places).step_by(BLOCK).map(move |first| (first, BLOCK.min(places - first)))
    }

    fn of_image(&self, a: &[f32], b: &[f32]) -> f32 {
        let [a, b] = [a, b].map(|values| Maps { values, places: self.places });
        let mut sum = 0.0_f64;
        for (first, count) in self.blocks() {
            let part = wide(|| {
                let (_, in_a) = a.lengths(self.weights.len(), first, count);
                let (_, in_b) = b.lengths(self.weights.len(), first, count);
                let mut sums = [0.0_f32; BLOCK];
                for (channel, weight) in self.weights.iter().enumerate() {
                    let rows =
                        a.row(channel, first, count).iter().zip(b.row(channel, first, count));
                    let scales = in_a.iter().zip(&in_b);
                    for ((sum, (a, b)), (in_a, in_b)) in sums.iter_mut().zip(rows).zip(scales) {
                        let apart = a * in_a - b * in_b;
                        *sum += weight * apart * apart;
                    }
                }
                sums
            });
            sum += part.iter().map(|&x| f64::from(x)).sum::<f64>();
        }
        (sum / self.places as f64) as f32
    }

    /// Gradients by the features of an image, of which those that are empty are not wanted.
    fn gradients(&self, (a, b): (&[f32], &[f32]), dy: f32, (da, db): (&mut [f32], &mut [f32])) {
        let [a, b] = [a, b].map(|values| Maps { values, places: self.places });
        let scale = 2.0 * dy / self.places as f32;
        for (first, count) in self.blocks() {
            wide(|| {
                let ((length_a, in_a), (length_b, in_b)) = (
                    a.lengths(self.weights.len(), first, count),
                    b.lengths(self.weights.len(), first, count),
                );
                // Gradients by the unit features of a, e, times the features of a, and of b.
                let (mut with_a, mut with_b) = ([0.0_f32; BLOCK], [0.0_f32; BLOCK]);
                for (channel, weight) in self.weights.iter().enumerate() {
                    let (a, b) = (a.row(channel, first, count), b.row(channel, first, count));
                    for i in 0..count {
                        let e = scale * weight * (a[i] * in_a[i] - b[i] * in_b[i]);
                        with_a[i] += e * a[i];
                        with_b[i] += e * b[i];
                    }
                }
                for i in 0..count {
                    with_a[i] = along(with_a[i], length_a[i], in_a[i]);
                    with_b[i] = along(with_b[i], length_b[i], in_b[i]);
                }
                // What has no length has no direction either, and gets no gradient.
                let lives = |length: Row, scale: Row| -> Row {
                    std::array::from_fn(|i| if length[i] > 0.0 { scale[i] } else { 0.0 })
                };
                let (out_a, out_b) = (lives(length_a, in_a), lives(length_b, in_b));
                for (channel, weight) in self.weights.iter().enumerate() {
                    let (a, b) = (a.row(channel, first, count), b.row(channel, first, count));
                    let mut e = [0.0_f32; BLOCK];
                    for i in 0..count {
                        e[i] = scale * weight * (a[i] * in_a[i] - b[i] * in_b[i]);
                    }
                    let start = channel * self.places + first;
                    let own = start..start + count;
                    write(da.get_mut(own.clone()), (&e, &out_a), (a, &with_a), 1.0);
                    write(db.get_mut(own), (&e, &out_b), (b, &with_b), -1.0);
                }
            });
        }
    }
}

/// What the features at a place are multiplied with, for the change of their length.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled for the caller's instruction set")]
fn along(with: f32, length: f32, scale: f32) -> f32 {
    if length > 0.0 { with * scale * scale / length } else { 0.0 }
}

/// sign (e out - x with) for each place, if it is wanted.
#[inline(always)]
#[expect(clippy::inline_always, reason = "must be compiled for the caller's instruction set")]
fn write(to: Option<&mut [f32]>, (e, out): (&Row, &Row), (x, with): (&[f32], &Row), sign: f32) {
    let Some(to) = to else { return };
    let factors = e.iter().zip(out).zip(x.iter().zip(with));
    for (to, ((e, out), (x, with))) in to.iter_mut().zip(factors) {
        *to = sign * (e * out - x * with);
    }
}

impl CustomOp2 for Distance {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        layout_a: &Layout,
        b: &CpuStorage,
        layout_b: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let images = layout_a.shape().dims4()?.0;
        if self.weights.is_empty() {
            return Ok((CpuStorage::F32(vec![0.0; images]), Shape::from(images)));
        }
        let (a, b) = (values(a, layout_a, NAME)?, values(b, layout_b, NAME)?);
        let image = self.image();
        let both = a.par_chunks_exact(image).zip(b.par_chunks_exact(image));
        let distances = both.map(|(a, b)| self.of_image(a, b)).collect();
        Ok((CpuStorage::F32(distances), Shape::from(images)))
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        result: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let dy = dy.flatten_all()?.to_vec1::<f32>()?;
        if dy.len() != result.elem_count() {
            return Err(Error::Msg(format!("{NAME}: {} gradients", dy.len())).bt());
        }
        let room = |t: &Tensor| vec![0.0_f32; if t.track_op() { t.elem_count() } else { 0 }];
        let (mut da, mut db) = (room(a), room(b));
        let image = self.image();
        if image > 0 {
            with_values(a, NAME, |a| {
                with_values(b, NAME, |b| {
                    let mut tasks: Vec<_> =
                        std::iter::zip(&dy, a.chunks_exact(image).zip(b.chunks_exact(image)))
                            .map(|(&dy, both)| {
                                (dy, both, <&mut [f32]>::default(), <&mut [f32]>::default())
                            })
                            .collect();
                    std::iter::zip(&mut tasks, da.chunks_exact_mut(image))
                        .for_each(|(task, da)| task.2 = da);
                    std::iter::zip(&mut tasks, db.chunks_exact_mut(image))
                        .for_each(|(task, db)| task.3 = db);
                    tasks
                        .into_par_iter()
                        .for_each(|(dy, both, da, db)| self.gradients(both, dy, (da, db)));
                })
            })??;
        }
        let give = |t: &Tensor, values: Vec<f32>| {
            t.track_op().then(|| Tensor::from_vec(values, t.shape(), t.device())).transpose()
        };
        Ok((give(a, da)?, give(b, db)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Tensor, Var};

    use super::super::tests::{assert_gradients_agree, flat, noise};
    use super::super::{feature_distance, plain};
    use crate::device::of_tests;

    /// The definition, in f64.
    fn expected(a: &Tensor, b: &Tensor, weights: &[f64]) -> Vec<f64> {
        let (images, channels, h, w) = a.dims4().unwrap();
        let (a, b, places) = (flat(a), flat(b), h * w);
        let unit = |x: &[f64], image: usize, place: usize| -> Vec<f64> {
            let features: Vec<f64> =
                (0..channels).map(|c| x[(image * channels + c) * places + place]).collect();
            let length = features.iter().map(|x| x * x).sum::<f64>().sqrt() + 1e-10;
            features.into_iter().map(|x| x / length).collect()
        };
        let of_image = |image: usize| {
            let at = |place: usize| -> f64 {
                let (a, b) = (unit(&a, image, place), unit(&b, image, place));
                (0..channels).map(|c| weights[c] * (a[c] - b[c]).powi(2)).sum()
            };
            (0..places).map(at).sum::<f64>() / places as f64
        };
        (0..images).map(of_image).collect()
    }

    #[test]
    fn it_is_its_definition() {
        for shape in [[3, 5, 7, 4], [1, 1, 1, 1], [2, 40, 13, 31], [2, 3, 16, 16]] {
            let (a, b) = (noise(1, &shape), noise(2, &shape));
            let weights = noise(3, &[shape[1]]).abs().unwrap();
            let want = expected(&a, &b, &flat(&weights));
            for found in
                [feature_distance(&a, &b, &weights), plain::feature_distance(&a, &b, &weights)]
            {
                for (found, want) in flat(&found.unwrap()).into_iter().zip(&want) {
                    assert!(
                        (found - want).abs() < 1e-6 * (1.0 + want),
                        "{shape:?}: {found}, {want}"
                    );
                }
            }
        }
    }

    #[test]
    fn gradients_go_to_both() {
        let weights = noise(3, &[6]).abs().unwrap();
        let weights = &weights;
        assert_gradients_agree(
            "distance of features",
            &[vec![3, 6, 12, 13], vec![3, 6, 12, 13]],
            &|t| (feature_distance(&t[0], &t[1], weights).unwrap() * 20.0).unwrap(),
            &|t| (plain::feature_distance(&t[0], &t[1], weights).unwrap() * 20.0).unwrap(),
        );
        // And to one alone, whose maps are turned.
        let other = noise(4, &[2, 6, 5, 4]);
        assert_gradients_agree(
            "distance to what is given",
            &[vec![2, 6, 4, 5]],
            &|t| feature_distance(&other, &t[0].transpose(2, 3).unwrap(), weights).unwrap(),
            &|t| plain::feature_distance(&other, &t[0].transpose(2, 3).unwrap(), weights).unwrap(),
        );
    }

    #[test]
    fn a_place_without_features_gets_no_gradient_and_spoils_none() {
        let b = noise(2, &[1, 3, 2, 2]);
        let weights = noise(3, &[3]).abs().unwrap();
        let mut values: Vec<f32> = noise(1, &[12]).to_vec1().unwrap();
        for channel in 0..3 {
            values[channel * 4 + 1] = 0.0;
        }
        let a = Tensor::from_vec(values, (1, 3, 2, 2), &of_tests().unwrap()).unwrap();
        let a = Var::from_tensor(&a).unwrap();
        for distance in
            [feature_distance(&a, &b, &weights), plain::feature_distance(&a, &b, &weights)]
        {
            let distance = distance.unwrap();
            let want = expected(&a, &b, &flat(&weights))[0];
            assert!((flat(&distance)[0] - want).abs() < 1e-6);
            let gradient = flat(distance.sum_all().unwrap().backward().unwrap().get(&a).unwrap());
            assert!(gradient.iter().all(|g| g.is_finite()));
            for (at, g) in gradient.iter().enumerate() {
                assert_eq!(*g == 0.0, at % 4 == 1, "element {at}: {g}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let a = noise(1, &[1, 3, 2, 2]);
        let two = noise(3, &[2]);
        assert!(feature_distance(&a, &noise(2, &[1, 3, 2, 3]), &noise(3, &[3])).is_err());
        let error = feature_distance(&a, &a, &two).unwrap_err().to_string();
        assert!(error.contains("(3,)"), "{error}");
        let none = noise(1, &[1, 3, 0, 2]);
        assert!(feature_distance(&none, &none, &noise(3, &[3])).is_err());
    }
}
