//! What adds up over images, and what the sums say. Everything is whole numbers or fixed point: the order does
//! not matter, parts join exactly, and a set of a million images takes no more memory than one image.

use super::bootstrap::{REPLICATES, Replicates, weights};
use super::identity::Rate;
use super::values::{COLUMNS, Column, ImageValues};
use crate::measure::{BookCounts, BooksStatistics, Exact, Moments};
use crate::tokens::Tokens;
use crate::{EngineError, Result};

/// Images that could not be measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Skipped {
    /// How many.
    pub count: u64,
    /// The first of them with why, each with its number in the set.
    pub named: Vec<(u64, String)>,
}

impl Skipped {
    /// So many are named, the others counted.
    const NAMED: usize = 50;

    pub(super) fn add(&mut self, index: u64, why: String) {
        self.count += 1;
        self.named.push((index, why));
        self.named.sort();
        self.named.truncate(Self::NAMED);
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.count += other.count;
        self.named.extend(other.named.iter().cloned());
        self.named.sort();
        self.named.truncate(Self::NAMED);
    }
}

/// One number over images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) count: u64,
    pub(super) sum: Exact,
}

impl Total {
    pub(super) fn add(&mut self, value: f64) {
        // That of an image that came back as it was has no end, and would be all that the mean says.
        if value.is_finite() {
            self.count += 1;
            self.sum.add(value, 1);
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        self.count += other.count;
        self.sum.join(other.sum);
    }

    fn mean(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum.value() / self.count as f64)
    }
}

/// What adds up at one rate.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct PointSums {
    pub(super) totals: [Total; COLUMNS.len()],
    pub(super) replicates: [Replicates; COLUMNS.len()],
    pub(super) counts: BookCounts,
    pub(super) moments: Moments,
    pub(super) decode_seconds: Exact,
}

/// What adds up of a measurement.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) points: Vec<PointSums>,
    /// Images that were measured, and their pixels as they were.
    pub(super) images: u64,
    pub(super) pixels: u64,
    pub(super) enlarged: u64,
    /// [Width, height] of the smallest and the largest, by pixels.
    pub(super) sizes: Option<[[u32; 2]; 2]>,
    pub(super) detail: Total,
    pub(super) moments: Moments,
    pub(super) encode_seconds: Exact,
    pub(super) skipped: Skipped,
}

/// What was measured of one image, all rates together.
#[derive(Debug)]
pub(super) struct OneImage {
    pub(super) size: [u32; 2],
    pub(super) is_enlarged: bool,
    pub(super) fine_detail: f64,
    pub(super) features: Option<Vec<f32>>,
    pub(super) encode_seconds: f64,
    pub(super) points: Vec<OnePoint>,
}

/// One rate of one image.
#[derive(Debug)]
pub(super) struct OnePoint {
    pub(super) values: [f64; COLUMNS.len()],
    pub(super) tokens: Option<Tokens>,
    pub(super) features: Option<Vec<f32>>,
    pub(super) decode_seconds: f64,
}

impl Sums {
    /// Nothing yet, of so many rates.
    pub(super) fn new(books: Vec<BookCounts>) -> Self {
        let point = |counts| PointSums { counts, ..PointSums::default() };
        Self { points: books.into_iter().map(point).collect(), ..Self::default() }
    }

    /// About how many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        let of = |point: &PointSums| {
            let replicates = point.replicates.len() * REPLICATES * size_of::<(u64, Exact)>();
            let codes: usize = point.counts.counts().map(<[u64]>::len).sum();
            replicates + codes * size_of::<u64>() + point.moments.bytes()
        };
        self.points.iter().map(of).sum::<usize>() + self.moments.bytes() + size_of::<Self>()
    }

    /// Adds image `index` of the set.
    pub(super) fn add(&mut self, seed: u64, index: u64, image: &OneImage) -> Result<()> {
        let weights: Vec<u64> = weights(seed, index).collect();
        for (sums, point) in self.points.iter_mut().zip(&image.points) {
            for (at, value) in point.values.iter().enumerate() {
                sums.totals[at].add(*value);
                if value.is_finite() {
                    sums.replicates[at].add(*value, &weights);
                }
            }
            if let Some(tokens) = &point.tokens {
                sums.counts.add(tokens)?;
            }
            if let Some(features) = &point.features {
                sums.moments.add(features)?;
            }
            sums.decode_seconds.add(point.decode_seconds, 1);
        }
        if let Some(features) = &image.features {
            self.moments.add(features)?;
        }
        self.images += 1;
        self.pixels += u64::from(image.size[0]) * u64::from(image.size[1]);
        self.enlarged += u64::from(image.is_enlarged);
        self.sizes = wider(self.sizes, Some([image.size; 2]));
        self.detail.add(image.fine_detail);
        self.encode_seconds.add(image.encode_seconds, 1);
        Ok(())
    }

    /// Both in one.
    ///
    /// # Errors
    /// If they are not of one measurement.
    pub(super) fn join(&mut self, other: &Self) -> Result<()> {
        if self.points.len() != other.points.len() {
            return Err(EngineError::bad_input("parts", "they have different rates", ""));
        }
        for (sums, more) in self.points.iter_mut().zip(&other.points) {
            for at in 0..COLUMNS.len() {
                sums.totals[at].join(more.totals[at]);
                sums.replicates[at].join(&more.replicates[at]);
            }
            sums.counts = joined(&sums.counts, &more.counts)?;
            sums.moments.join(&more.moments)?;
            sums.decode_seconds.join(more.decode_seconds);
        }
        self.images += other.images;
        self.pixels += other.pixels;
        self.enlarged += other.enlarged;
        self.sizes = wider(self.sizes, other.sizes);
        self.detail.join(other.detail);
        self.moments.join(&other.moments)?;
        self.encode_seconds.join(other.encode_seconds);
        self.skipped.join(&other.skipped);
        Ok(())
    }

    /// The proxy Frechet distance at each rate, which takes a moment; none without a judge.
    pub(super) fn proxies(&self) -> Vec<Option<f64>> {
        self.points.iter().map(|sums| self.moments.distance(&sums.moments)).collect()
    }

    /// What the sums say of each rate.
    pub(super) fn summaries(&self, rates: &[Rate], proxies: &[Option<f64>]) -> Vec<Summary> {
        let of = |(at, (rate, sums)): (usize, (&Rate, &PointSums))| {
            let interval = |column: &Column| {
                let (total, replicates) =
                    (sums.totals[column.place()], &sums.replicates[column.place()]);
                let ends = if total.count > 1 { replicates.interval() } else { None };
                Some(Interval { mean: total.mean()?, ends, count: total.count })
            };
            let books = sums.counts.statistics();
            let has_tokens = books.samples > 0;
            Summary {
                rate: *rate,
                images: self.images,
                sizes: self.sizes.unwrap_or_default(),
                enlarged: self.enlarged,
                values: COLUMNS.map(|column| interval(&column)),
                entropy_bits_per_pixel: has_tokens
                    .then(|| books.packed_bits().max(0.0) / self.pixels.max(1) as f64),
                proxy_fd: proxies.get(at).copied().flatten(),
                fine_detail_of_images: self.detail.mean().unwrap_or(0.0),
                books: has_tokens.then_some(books),
                encode_seconds: self.encode_seconds.value(),
                decode_seconds: sums.decode_seconds.value(),
            }
        };
        rates.iter().zip(&self.points).enumerate().map(of).collect()
    }
}

fn joined(a: &BookCounts, b: &BookCounts) -> Result<BookCounts> {
    let (a, b): (Vec<&[u64]>, Vec<&[u64]>) = (a.counts().collect(), b.counts().collect());
    let fits = a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.len() == b.len());
    if !fits {
        return Err(EngineError::bad_input("parts", "they are of different codebooks", ""));
    }
    let sum = |(a, b): (&&[u64], &&[u64])| a.iter().zip(*b).map(|(a, b)| a + b).collect();
    Ok(BookCounts::from_counts(a.iter().zip(&b).map(sum).collect::<Vec<Vec<u64>>>()))
}

fn wider(a: Option<[[u32; 2]; 2]>, b: Option<[[u32; 2]; 2]>) -> Option<[[u32; 2]; 2]> {
    let (Some(a), Some(b)) = (a, b) else { return a.or(b) };
    let size = |[width, height]: [u32; 2]| (u64::from(width) * u64::from(height), width);
    let least = if size(b[0]) < size(a[0]) { b[0] } else { a[0] };
    let most = if size(b[1]) > size(a[1]) { b[1] } else { a[1] };
    Some([least, most])
}

/// A mean over images, and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Between what it lies in 95 of 100 samples of so many images; none of a single image.
    pub ends: Option<(f64, f64)>,
    /// Images that have such a number.
    pub count: u64,
}

/// What was measured at one rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Which of the measurement's rates.
    pub rate: Rate,
    /// Images that were measured.
    pub images: u64,
    /// [Width, height] of the smallest and the largest as they were measured; zeros without images.
    pub sizes: [[u32; 2]; 2],
    /// Images that were smaller than that.
    pub enlarged: u64,
    /// In the order of [`COLUMNS`].
    pub values: [Option<Interval>; COLUMNS.len()],
    /// What tokens cost if each is packed by what its code is worth, per pixel; of a format none. Of few tokens it is
    /// a lower bound: see [`Summary::is_entropy_a_bound`].
    pub entropy_bits_per_pixel: Option<f64>,
    /// The Frechet distance on the judge's features: a proxy, never FID. Only of a measurement that is done.
    pub proxy_fd: Option<f64>,
    /// Fine detail of the images themselves.
    pub fine_detail_of_images: f64,
    /// How the codebooks are used; of a format none.
    pub books: Option<BooksStatistics>,
    /// Seconds of encoding and of decoding, all images together.
    pub encode_seconds: f64,
    /// See above.
    pub decode_seconds: f64,
}

impl Summary {
    /// A number over images.
    pub fn get(&self, column: Column) -> Option<Interval> {
        self.values[column.place()]
    }

    /// Whether [`Summary::entropy_bits_per_pixel`] is no more than a lower bound, as too few tokens were seen.
    pub fn is_entropy_a_bound(&self) -> bool {
        self.books.as_ref().is_some_and(|books| !books.is_entropy_known())
    }

    /// "256x256", "28x28 to 256x256".
    pub fn size_words(&self) -> String {
        let [least, most] = self.sizes;
        let one = |[width, height]: [u32; 2]| format!("{width}x{height}");
        if least == most { one(least) } else { format!("{} to {}", one(least), one(most)) }
    }
}

/// The lines of an image, one a rate.
pub(super) fn lines_of(index: u64, name: &str, image: &OneImage) -> Vec<ImageValues> {
    let line = |(point, of): (usize, &OnePoint)| ImageValues {
        index,
        name: name.to_owned(),
        point,
        size: image.size,
        values: of.values,
    };
    image.points.iter().enumerate().map(line).collect()
}
