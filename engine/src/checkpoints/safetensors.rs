//! Safetensors: eight bytes of header length, a JSON header, then the data.
//!
//! Every number of the header is checked before anything is allocated for it.
//! Source: the format's description in `huggingface/safetensors`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor};

use super::budget::Budget;
use super::entry::{ElementType, Entry, Storage, product};
use super::source::Source;
use super::{Checkpoint, Container};
use crate::Result;

/// The format's own limit.
const MAX_HEADER: u64 = 100_000_000;
/// Element types of the format that no network of ours can use.
const FOREIGN: [&str; 10] = [
    "F8_E4M3",
    "F8_E5M2",
    "F8_E8M0",
    "F8_E4M3FNUZ",
    "F8_E5M2FNUZ",
    "F6_E2M3",
    "F6_E3M2",
    "F4",
    "C64",
    "C128",
];
const AGAIN: &str = "copy or download the file again";

#[derive(Debug, Deserialize)]
struct Described {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

#[derive(Debug, Default)]
struct Header {
    metadata: BTreeMap<String, String>,
    tensors: BTreeMap<String, Described>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Header;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }
            // By hand, because a map would silently keep the last of two tensors of one name.
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut header = Header::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        header.metadata = map.next_value()?;
                        continue;
                    }
                    match header.tensors.entry(name) {
                        Place::Vacant(place) => {
                            place.insert(map.next_value()?);
                        }
                        Place::Occupied(place) => {
                            let name = place.key();
                            return Err(de::Error::custom(format!("tensor {name:?} stands twice")));
                        }
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// Reads the header; tensors stay in the file until they are asked for.
pub(super) fn read(source: &Arc<Source>, budget: &mut Budget) -> Result<Checkpoint> {
    if source.len() < 8 {
        return Err(source.bad("too short for a safetensors file", AGAIN));
    }
    let length = source.read(0, 8)?;
    let length = length.iter().rev().fold(0_u64, |n, &byte| n << 8 | u64::from(byte));
    if length > MAX_HEADER || length > source.len() - 8 {
        let reason = format!(
            "the safetensors header should have {length} bytes, but the file has {} in all",
            source.len()
        );
        return Err(source.bad(reason, "the file is damaged or of another kind"));
    }
    // Every byte is looked at once. What is made of them is at most some twenty times as much.
    budget.steps(length).map_err(|spent| source.bad(spent, ""))?;
    let text = source.read(8, length)?;
    let header: Header = serde_json::from_slice(&text)
        .map_err(|e| source.bad(format!("safetensors header: {e}"), AGAIN))?;
    drop(text);
    let data_start = 8 + length;
    let data_len = source.len() - data_start;
    no_overlap(source, &header)?;
    let mut checkpoint = Checkpoint::new(Container::Safetensors);
    checkpoint.metadata = header.metadata;
    let mut foreign: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, described) in header.tensors {
        let (begin, end) = described.data_offsets;
        if begin > end || end > data_len {
            let reason = format!(
                "tensor {name:?} lies at {begin}..{end}, but the file has {data_len} bytes of data"
            );
            return Err(source.bad(reason, AGAIN));
        }
        let Some(dtype) = ElementType::from_name(&described.dtype) else {
            if let Some(known) = FOREIGN.iter().find(|known| **known == described.dtype) {
                *foreign.entry(known).or_default() += 1;
                checkpoint.foreign.insert(name);
                continue;
            }
            let reason =
                format!("tensor {name:?} has an unknown element type {:?}", described.dtype);
            return Err(source.bad(reason, "the file is damaged or newer than this program"));
        };
        let wanted = product(&described.shape).and_then(|n| n.checked_mul(dtype.size() as u64));
        if wanted != Some(end - begin) {
            let reason = format!(
                "tensor {name:?} of shape {:?} and type {} cannot have {} bytes",
                described.shape,
                dtype.name(),
                end - begin
            );
            return Err(source.bad(reason, "the file is damaged"));
        }
        let (start, len) = (data_start + begin, end - begin);
        let storage = Arc::new(Storage { source: Arc::clone(source), start, len });
        let entry = Entry::contiguous(dtype, described.shape, storage)
            .map_err(|reason| source.bad(format!("tensor {name:?} {reason}"), ""))?;
        checkpoint.tensors.insert(name, entry);
    }
    let first = checkpoint.foreign.first().cloned().unwrap_or_default();
    for (dtype, n) in foreign {
        let tensors = if n == 1 { first.clone() } else { format!("{n} tensors, as {first},") };
        checkpoint.notes.push(format!("stepped over {tensors} of element type {dtype}"));
    }
    Ok(checkpoint)
}

fn no_overlap(source: &Source, header: &Header) -> Result<()> {
    let mut ranges: Vec<(u64, u64, &str)> = header
        .tensors
        .iter()
        .map(|(name, d)| (d.data_offsets.0, d.data_offsets.1, name.as_str()))
        .filter(|(begin, end, _)| begin < end)
        .collect();
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        if let [(_, end, first), (begin, _, second)] = pair
            && begin < end
        {
            let reason = format!("tensors {first:?} and {second:?} overlap at byte {begin}");
            return Err(source.bad(reason, "the file is damaged"));
        }
    }
    Ok(())
}
