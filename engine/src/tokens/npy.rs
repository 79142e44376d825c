//! NumPy's `.npy`: whole numbers of any width, and nothing else.
//!
//! Source: the format's description in `numpy.lib.format`, versions 1 to 3.

/// Whole numbers with their shape, row by row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<i128>,
}

const MAGIC: &[u8] = b"\x93NUMPY";

/// Whether the bytes begin as a NumPy array does.
pub(super) fn is_npy(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Where the numbers begin, and how they lie.
struct Layout {
    start: usize,
    size: usize,
    signed: bool,
    big_endian: bool,
    columns_first: bool,
    shape: Vec<usize>,
}

/// Reads an array; the reason is given if it is not one of whole numbers.
pub(super) fn read(bytes: &[u8]) -> Result<Numbers, String> {
    let layout = Layout::parse(bytes)?;
    let count = layout.shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
    let data = bytes.get(layout.start..).unwrap_or_default();
    let needed = count.and_then(|n| n.checked_mul(layout.size));
    let (Some(count), Some(needed)) = (count, needed) else {
        return Err(format!("its shape {:?} overflows", layout.shape));
    };
    if needed != data.len() {
        let what = if needed > data.len() { "truncated" } else { "too long" };
        return Err(format!(
            "{what}: an array of {:?} takes {needed} bytes, the file has {}",
            layout.shape,
            data.len()
        ));
    }
    let mut values: Vec<i128> = data.chunks_exact(layout.size).map(|c| layout.number(c)).collect();
    if layout.columns_first && layout.shape.len() > 1 {
        values = rows_first(&values, &layout.shape, count);
    }
    Ok(Numbers { shape: layout.shape, values })
}

impl Layout {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let short = || "truncated: its header is not whole".to_owned();
        let (major, rest) = match bytes.get(MAGIC.len()..) {
            Some([major, _, rest @ ..]) => (*major, rest),
            _ => return Err(short()),
        };
        let (len, prefix): (usize, usize) = match (major, rest) {
            (1, [a, b, ..]) => (usize::from(u16::from_le_bytes([*a, *b])), 2),
            (2 | 3, [a, b, c, d, ..]) => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 4),
            (1..=3, _) => return Err(short()),
            _ => return Err(format!("version {major} of the .npy format is not known")),
        };
        let header = prefix.checked_add(len).and_then(|end| rest.get(prefix..end));
        let header = std::str::from_utf8(header.ok_or_else(short)?);
        let header = header.map_err(|e| format!("its header is no text: {e}"))?;
        let descr = value(header, "descr")?;
        let kind = descr.trim_matches(['\'', '"']);
        let (signed, size) = match kind.get(1..) {
            Some("b1") => return Err("true and false are no codes".to_owned()),
            Some("u1") => (false, 1),
            Some("u2") => (false, 2),
            Some("u4") => (false, 4),
            Some("u8") => (false, 8),
            Some("i1") => (true, 1),
            Some("i2") => (true, 2),
            Some("i4") => (true, 4),
            Some("i8") => (true, 8),
            _ => {
                let shown: String = descr.chars().take(40).collect();
                return Err(format!("its numbers are {shown}, codes are whole numbers"));
            }
        };
        let columns_first = match value(header, "fortran_order")? {
            "True" => true,
            "False" => false,
            other => return Err(format!("its fortran_order is {other:?}")),
        };
        let start = MAGIC.len() + 2 + prefix + len;
        let shape = shape(value(header, "shape")?)?;
        Ok(Self { start, size, signed, big_endian: kind.starts_with('>'), columns_first, shape })
    }

    fn number(&self, bytes: &[u8]) -> i128 {
        let join = |n: u128, byte: &u8| n << 8 | u128::from(*byte);
        let raw = if self.big_endian {
            bytes.iter().fold(0, join)
        } else {
            bytes.iter().rev().fold(0, join)
        } as i128;
        let range = 1_i128 << (8 * self.size);
        if self.signed && raw >= range / 2 { raw - range } else { raw }
    }
}

/// The text of a key's value in the header, which is a Python dictionary of three keys.
fn value<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    let quoted = [format!("'{key}'"), format!("\"{key}\"")];
    let rest = quoted.iter().find_map(|q| header.split_once(q.as_str())).map(|(_, rest)| rest);
    let rest = rest.and_then(|rest| rest.trim_start().strip_prefix(':'));
    let rest = rest.ok_or_else(|| format!("its header has no {key}"))?.trim_start();
    let end = match rest.as_bytes().first() {
        Some(b'(') => rest.find(')').map(|i| i + 1),
        _ => rest.find([',', '}']),
    };
    end.and_then(|end| rest.get(..end))
        .map(str::trim)
        .ok_or_else(|| format!("its header breaks off in {key}"))
}

fn shape(text: &str) -> Result<Vec<usize>, String> {
    let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
    let bad = || format!("its shape {text:?} is no list of sizes");
    let sizes: Vec<&str> = inner.ok_or_else(bad)?.split(',').map(str::trim).collect();
    if sizes.len() > 16 {
        return Err("has more dimensions than a grid".to_owned());
    }
    let sizes = sizes.into_iter().filter(|size| !size.is_empty());
    sizes.map(|size| size.trim_end_matches('L').parse().ok().ok_or_else(bad)).collect()
}

/// From column-major to row-major order.
fn rows_first(values: &[i128], shape: &[usize], count: usize) -> Vec<i128> {
    let mut out = Vec::with_capacity(count);
    let mut index = vec![0_usize; shape.len()];
    for _ in 0..count {
        let place = index.iter().zip(shape).rev().fold(0, |place, (i, n)| place * n + i);
        out.push(values.get(place).copied().unwrap_or_default());
        for (i, n) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < *n {
                break;
            }
            *i = 0;
        }
    }
    out
}
