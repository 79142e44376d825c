//! Codes made of bits: the sign of each channel is one bit, so that there is no codebook to search.
//!
//! Codes of many bits are several parts, each of some consecutive channels.

use candle_core::{Device, Tensor};

use super::Book;
use super::rows::codes_from_tensor;
use crate::tokens::PartShape;
use crate::{EngineError, Result};

/// The most bits of one part: its codes are counted one by one, and stay exact in f32.
pub const PART_BITS: usize = 24;

/// The most bits of a code, all parts together.
const MOST: usize = 256;

/// Codes are listed as vectors up to this many bits.
const LISTED: usize = 18;

/// Which channel of a part is its lowest bit. Both orders are published under one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum BitOrder {
    /// The first channel counts 1: Open-MAGVIT2.
    #[default]
    LowFirst,
    /// The last channel counts 1: vector-quantize-pytorch, Cosmos, and binary spherical codes.
    HighFirst,
}

/// How the channels of a latent are bits of codes.
#[derive(Debug)]
pub(super) struct Bits {
    /// Channels of each part.
    parts: Vec<usize>,
    /// What each channel counts in the code of its part, u32 (1, D, 1, 1).
    values: Tensor,
    order: BitOrder,
}

impl Bits {
    /// For `dim` channels; `parts` are the channels of each part, or empty for as few as there can be.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if the parts are not all channels, or have too many.
    pub(super) fn new(order: BitOrder, parts: &[u32], dim: usize, device: &Device) -> Result<Self> {
        let parts = split(parts, dim)?;
        let values = parts
            .iter()
            .flat_map(|&bits| (0..bits).map(move |channel| 1_u32 << place(order, bits, channel)));
        let values = Tensor::from_vec(values.collect(), (1, dim, 1, 1), device)?;
        Ok(Self { parts, values, order })
    }

    /// A book for each part, whose digits are bits.
    pub(super) fn books(&self) -> Vec<Book> {
        let book = |&bits: &usize| Book { size: 1 << bits, dim: bits, levels: vec![2; bits] };
        self.parts.iter().map(book).collect()
    }

    /// A plane of each book.
    pub(super) fn layout(&self, rows: usize, columns: usize) -> Vec<PartShape> {
        let part = |book| PartShape { book: book as u16, ..PartShape::grid(rows, columns) };
        (0..self.parts.len()).map(part).collect()
    }

    /// Channels of all parts.
    pub(super) fn dim(&self) -> usize {
        self.parts.iter().sum()
    }

    /// The code of each part, (B, h, w) u32, of bits (B, D, h, w) that are 0 or 1, u32.
    pub(super) fn codes(&self, bits: &Tensor) -> Result<Vec<Tensor>> {
        let counted = bits.broadcast_mul(&self.values)?;
        let mut first = 0;
        self.parts
            .iter()
            .map(|&channels| {
                let part = counted.narrow(1, first, channels)?.sum(1)?;
                first += channels;
                Ok(part)
            })
            .collect()
    }

    /// The bits (B, D, h, w), 0 or 1 as f32, of the codes of every part.
    ///
    /// # Errors
    /// [`EngineError::Shape`] if parts are missing or of different sizes, [`EngineError::BadInput`]
    /// for a code outside of its part.
    pub(super) fn decode(&self, codes: &[Tensor]) -> Result<Tensor> {
        let shapes = || codes.iter().map(Tensor::dims).collect::<Vec<_>>();
        let alike = codes.windows(2).all(|pair| pair[0].dims() == pair[1].dims());
        if codes.len() != self.parts.len() || !alike {
            return Err(EngineError::Shape {
                what: "parts of bits".to_owned(),
                expected: format!("{} of one shape", self.parts.len()),
                found: shapes().concat(),
            });
        }
        let parts = codes.iter().zip(&self.parts).map(|(codes, &bits)| self.part(codes, bits));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        Ok(if parts.len() == 1 { parts[0].clone() } else { Tensor::cat(&parts, 1)? })
    }

    /// The vectors of bits of all codes of a part, (K, bits); `None` if they are too many to list.
    pub(super) fn listed(&self, part: usize) -> Result<Option<Tensor>> {
        let Some(&bits) = self.parts.get(part).filter(|&&bits| bits <= LISTED) else {
            return Ok(None);
        };
        let size = 1 << bits;
        let all = Tensor::arange(0, size as u32, self.values.device())?.reshape((1, 1, size))?;
        Ok(Some(self.part(&all, bits)?.reshape((bits, size))?.t()?.contiguous()?))
    }

    fn part(&self, codes: &Tensor, bits: usize) -> Result<Tensor> {
        let list = codes_from_tensor(codes, 1 << bits)?;
        let (b, h, w) = codes.dims3()?;
        let mut values = vec![0.0_f32; list.len() * bits];
        if !list.is_empty() {
            let pictures = values.chunks_exact_mut(bits * h * w);
            for (values, codes) in pictures.zip(list.chunks_exact(h * w)) {
                for (channel, values) in values.chunks_exact_mut(h * w).enumerate() {
                    let place = place(self.order, bits, channel);
                    for (value, code) in values.iter_mut().zip(codes) {
                        *value = (code >> place & 1) as f32;
                    }
                }
            }
        }
        Ok(Tensor::from_vec(values, (b, bits, h, w), self.values.device())?)
    }
}

/// Which bit of a code a channel of its part is.
fn place(order: BitOrder, bits: usize, channel: usize) -> usize {
    match order {
        BitOrder::LowFirst => channel,
        BitOrder::HighFirst => bits - 1 - channel,
    }
}

/// The channels of each part.
pub(super) fn split(parts: &[u32], dim: usize) -> Result<Vec<usize>> {
    if dim == 0 || dim > MOST {
        let reason = format!("{dim} bits are not between 1 and {MOST}");
        return Err(EngineError::bad_input("embed_dim", reason, ""));
    }
    if parts.is_empty() {
        let count = dim.div_ceil(PART_BITS);
        return Ok((0..count).map(|part| dim / count + usize::from(part < dim % count)).collect());
    }
    let bits: Vec<usize> = parts.iter().map(|&bits| bits as usize).collect();
    if bits.iter().any(|bits| !(1..=PART_BITS).contains(bits)) {
        let reason = format!("{parts:?}: a part has between 1 and {PART_BITS} bits");
        return Err(EngineError::bad_input("factorized_bits", reason, ""));
    }
    if bits.iter().sum::<usize>() != dim {
        let reason = format!("{parts:?} are not {dim} bits together");
        return Err(EngineError::bad_input("factorized_bits", reason, "as many as channels"));
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::device::of_tests;
    use crate::random::{Noise, Purpose};

    #[test]
    fn bits_of_every_order_and_split_come_back_from_their_codes() {
        let device = of_tests().unwrap();
        for (parts, dim) in [(&[][..], 5), (&[2, 3], 5), (&[], 40), (&[1, 24], 25)] {
            for order in [BitOrder::LowFirst, BitOrder::HighFirst] {
                let rule = Bits::new(order, parts, dim, &device).unwrap();
                let noise = Noise::new(1, Purpose::Test, 0, dim as u64);
                let values: Vec<u32> = (0..2 * dim as u32 * 6).map(|i| noise.bits(i) & 1).collect();
                let bits = Tensor::from_vec(values, (2, dim, 2, 3), &device).unwrap();
                let codes = rule.codes(&bits).unwrap();
                assert_eq!(codes.len(), rule.books().len());
                assert!(rule.books().iter().all(|book| book.size <= 1 << PART_BITS));
                let back = rule.decode(&codes).unwrap().to_dtype(DType::U32).unwrap();
                let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<u32>().unwrap();
                assert_eq!(flat(&back), flat(&bits), "{parts:?} {dim} {order:?}");
            }
        }
    }

    #[test]
    fn the_order_says_which_channel_counts_one() {
        let device = of_tests().unwrap();
        let first = Tensor::new(&[1_u32, 0, 0], &device).unwrap().reshape((1, 3, 1, 1)).unwrap();
        for (order, parts, expected) in [
            (BitOrder::LowFirst, &[][..], vec![1]),
            (BitOrder::HighFirst, &[], vec![4]),
            (BitOrder::HighFirst, &[2, 1], vec![2, 0]),
        ] {
            let rule = Bits::new(order, parts, 3, &device).unwrap();
            let codes = rule.codes(&first).unwrap();
            let codes = codes.iter().map(|c| c.flatten_all().unwrap().to_vec1::<u32>().unwrap()[0]);
            assert_eq!(codes.collect::<Vec<_>>(), expected, "{order:?} {parts:?}");
        }
    }

    #[test]
    fn parts_that_are_not_all_bits_are_refused_with_the_field() {
        for (parts, dim, field) in [
            (&[2, 2][..], 5, "factorized_bits"),
            (&[0, 5], 5, "factorized_bits"),
            (&[30], 30, "factorized_bits"),
            (&[], 0, "embed_dim"),
            (&[], 100_000, "embed_dim"),
        ] {
            let error = split(parts, dim).expect_err(field).to_string();
            assert!(error.contains(field), "{error}");
        }
        let rule = Bits::new(BitOrder::LowFirst, &[2, 3], 5, &of_tests().unwrap()).unwrap();
        let code = Tensor::zeros((1, 1, 1), DType::U32, &of_tests().unwrap()).unwrap();
        assert!(rule.decode(std::slice::from_ref(&code)).is_err(), "a part is missing");
        let wide = Tensor::zeros((1, 1, 2), DType::U32, &of_tests().unwrap()).unwrap();
        assert!(rule.decode(&[code.clone(), wide]).is_err(), "parts of different sizes");
        let large = Tensor::full(4_u32, (1, 1, 1), &of_tests().unwrap()).unwrap();
        let error = rule.decode(&[large, code]).expect_err("code 4 of 2 bits").to_string();
        assert!(error.contains("code 4"), "{error}");
    }
}
