//! Sums as tensors of whole numbers in safetensors: what is kept of a measurement besides its lines.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::bootstrap::{REPLICATES, Replicates};
use super::sums::{PointSums, Sums, Total};
use crate::measure::{BookCounts, Exact, Moments};

/// Numbers of more than 64 bits, each as two words of 64 bits, the lower one first.
type Rows = Vec<(String, Vec<i128>)>;

/// Under which name a file says what it holds.
pub(super) const ABOUT: &str = "smalti";

/// A file of sums of the first so many columns, with words about them.
pub(super) fn to_bytes(
    sums: &Sums,
    columns: usize,
    about: &str,
) -> Result<Vec<u8>, safetensors::SafeTensorError> {
    let rows = rows(sums, columns);
    let bytes: Vec<(String, Vec<u8>)> = rows
        .iter()
        .map(|(name, values)| {
            (name.clone(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let views = bytes.iter().map(|(name, bytes)| {
        let view = TensorView::new(Dtype::I64, vec![bytes.len() / 16, 2], bytes)?;
        Ok((name.clone(), view))
    });
    let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let metadata = HashMap::from([(ABOUT.to_owned(), about.to_owned())]);
    safetensors::serialize(views, Some(metadata))
}

fn rows(sums: &Sums, columns: usize) -> Rows {
    let total = |total: &Total| [i128::from(total.count), total.sum.bits()];
    let sizes = sums.sizes.unwrap_or_default();
    let sizes = sizes.iter().flatten().map(|side| i128::from(*side));
    let counted = [sums.images, sums.pixels, sums.enlarged, u64::from(sums.sizes.is_some())];
    let head = counted.into_iter().map(i128::from).chain(sizes).chain(total(&sums.detail));
    let mut rows = vec![
        ("images".to_owned(), head.collect()),
        ("features".to_owned(), sums.moments.bits()),
        // Times are no two times the same, so they stand by themselves.
        ("seconds".to_owned(), seconds(sums)),
    ];
    for (at, point) in sums.points.iter().enumerate() {
        rows.push((
            format!("{at}.sums"),
            point.totals.iter().take(columns).flat_map(total).collect(),
        ));
        let replicates = point.replicates.iter().take(columns).flat_map(|it| &it.sums);
        let replicates = replicates.flat_map(|(count, sum)| [i128::from(*count), sum.bits()]);
        rows.push((format!("{at}.replicates"), replicates.collect()));
        rows.push((format!("{at}.features"), point.moments.bits()));
        for (book, counts) in point.counts.counts().enumerate() {
            let counts = counts.iter().map(|count| i128::from(*count)).collect();
            rows.push((format!("{at}.book.{book}"), counts));
        }
    }
    rows
}

fn seconds(sums: &Sums) -> Vec<i128> {
    let decode = sums.points.iter().map(|point| point.decode_seconds.bits());
    std::iter::once(sums.encode_seconds.bits()).chain(decode).collect()
}

/// Sums of a file, of so many rates and columns; `None` if it is no such file.
pub(super) fn of_bytes(bytes: &[u8], (points, columns): (usize, usize)) -> Option<Sums> {
    let file = SafeTensors::deserialize(bytes).ok()?;
    let get = |name: &str| -> Option<Vec<i128>> {
        let view = file.tensor(name).ok()?;
        (view.dtype() == Dtype::I64 && view.data().len().is_multiple_of(16)).then_some(())?;
        let (chunks, _) = view.data().as_chunks::<16>();
        Some(chunks.iter().map(|chunk| i128::from_le_bytes(*chunk)).collect())
    };
    let count = |value: &i128| u64::try_from(*value).ok();
    let head = get("images")?;
    let [images, pixels, enlarged, has_sizes, sizes @ .., detail, detail_sum] = head.as_slice()
    else {
        return None;
    };
    let side = |at: usize| u32::try_from(*sizes.get(at)?).ok();
    let sizes = [[side(0)?, side(1)?], [side(2)?, side(3)?]];
    let seconds = get("seconds")?;
    let mut sums = Sums {
        images: count(images)?,
        pixels: count(pixels)?,
        enlarged: count(enlarged)?,
        sizes: (*has_sizes != 0).then_some(sizes),
        detail: Total { count: count(detail)?, sum: Exact::of_bits(*detail_sum) },
        moments: Moments::of_bits(&get("features")?)?,
        encode_seconds: Exact::of_bits(*seconds.first()?),
        ..Sums::default()
    };
    for at in 0..points {
        let mut point = PointSums::default();
        let totals = get(&format!("{at}.sums"))?;
        (totals.len() == 2 * columns).then_some(())?;
        for (total, pair) in point.totals.iter_mut().zip(totals.chunks_exact(2)) {
            *total = Total { count: count(&pair[0])?, sum: Exact::of_bits(pair[1]) };
        }
        let replicates = get(&format!("{at}.replicates"))?;
        (replicates.len() == 2 * REPLICATES * columns).then_some(())?;
        for (of, pairs) in point.replicates.iter_mut().zip(replicates.chunks(2 * REPLICATES)) {
            let pairs = pairs.chunks_exact(2);
            let read = pairs.map(|pair| Some((count(&pair[0])?, Exact::of_bits(pair[1]))));
            *of = Replicates { sums: read.collect::<Option<_>>()? };
        }
        point.moments = Moments::of_bits(&get(&format!("{at}.features"))?)?;
        point.decode_seconds = Exact::of_bits(*seconds.get(at + 1)?);
        let books = (0..).map_while(|book| get(&format!("{at}.book.{book}")));
        let books = books.map(|counts| counts.iter().map(count).collect::<Option<Vec<u64>>>());
        point.counts = BookCounts::from_counts(books.collect::<Option<Vec<_>>>()?);
        sums.points.push(point);
    }
    Some(sums)
}

/// What a file says about its sums.
pub(super) fn about_of(bytes: &[u8]) -> Option<String> {
    let (_, metadata) = SafeTensors::read_metadata(bytes).ok()?;
    metadata.metadata().as_ref()?.get(ABOUT).cloned()
}
