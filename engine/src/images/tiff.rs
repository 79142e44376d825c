//! TIFF, as far as it is found: strips and tiles, pixels and planes, 1 to 64 bits, floating point,
//! gray, RGB, CMYK and YCbCr, with and without transparency.
//!
//! Pieces are put together here, because the decoder below gives up on tiles of separate planes
//! (tiff 0.11) and `image` takes fewer kinds. What is not read is named, and never called damaged.

use std::io::Cursor;

use image::metadata::Orientation;
use tiff::decoder::{ChunkType, Decoder, DecodingResult, Limits as TiffLimits};
use tiff::tags::{ExtraSamples, PhotometricInterpretation, PlanarConfiguration, SampleFormat, Tag};
use tiff::{ColorType, TiffError, TiffUnsupportedError};

use super::limits::Limits;

/// A TIFF that was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) width: u32,
    pub(super) height: u32,
    /// (H, W, 3) on white, as it lies in the file.
    pub(super) rgb: Vec<u8>,
    pub(super) orientation: Orientation,
    pub(super) warnings: Vec<String>,
}

/// Why a TIFF is not shown.
#[derive(Debug)]
pub(super) enum Failure {
    /// The file ends before the picture does.
    CutOff,
    /// It is not what the format says.
    Damaged(String),
    /// It is sound, but of a kind that is not read.
    Kind(String),
    /// It asks for more than is allowed: width, height, bytes.
    TooLarge(u32, u32, u64),
}

type Decoded<'a> = Decoder<Cursor<&'a [u8]>>;

/// Reads the first picture of a TIFF.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Read, Failure> {
    if !values_fit(bytes) {
        return Err(Failure::Damaged("a tag of it claims more values than there are".to_owned()));
    }
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(explain)?;
    let (width, height) = decoder.dimensions().map_err(explain)?;
    let color = decoder.colortype().map_err(explain)?;
    let layout = Layout::new(&mut decoder, (width, height), color)?;
    let most = limits.max_pixels.saturating_mul(8);
    let taken = layout.bytes();
    if u64::from(width) * u64::from(height) > limits.max_pixels || taken > most {
        return Err(Failure::TooLarge(width, height, taken));
    }
    if row_bytes(&mut decoder, &layout) > most.max(1 << 20) {
        return Err(Failure::TooLarge(0, 0, 0));
    }
    let compression = decoder.find_tag_unsigned::<u16>(Tag::Compression).ok().flatten();
    if compression == Some(JPEG) && largest_jpeg(bytes) > limits.max_pixels {
        return Err(Failure::TooLarge(0, 0, 0));
    }
    let mut for_tiff = TiffLimits::default();
    for_tiff.decoding_buffer_size = usize::try_from(most).unwrap_or(usize::MAX);
    for_tiff.intermediate_buffer_size = for_tiff.decoding_buffer_size;
    for_tiff.ifd_value_size = bytes.len().max(1 << 16);
    let mut decoder = decoder.with_limits(for_tiff);
    let orientation = decoder
        .find_tag_unsigned::<u8>(Tag::Orientation)
        .ok()
        .flatten()
        .and_then(Orientation::from_exif)
        .unwrap_or(Orientation::NoTransforms);
    let mut warnings = Vec::new();
    let samples = layout.samples(&mut decoder)?;
    let rgb = layout.to_rgb(&samples, &mut warnings)?;
    if decoder.more_images() {
        warnings.push("it has several pages; only the first was read".to_owned());
    }
    Ok(Read { width, height, rgb, orientation, warnings })
}

/// Whether the values of every tag of the first directory can be in the file: the decoder takes
/// memory for them, 32 bytes a value, before it looks. What is no directory is left to it.
fn values_fit(bytes: &[u8]) -> bool {
    let is_little = bytes.starts_with(b"II");
    let number = |at: usize, len: usize| {
        let bytes = bytes.get(at..at.checked_add(len)?)?.iter();
        let join = |n: u64, byte: &u8| n << 8 | u64::from(*byte);
        Some(if is_little { bytes.rev().fold(0, join) } else { bytes.fold(0, join) })
    };
    let place = |at: usize, len: usize| number(at, len).and_then(|n| usize::try_from(n).ok());
    // Where the directory is, and bytes of its length, of an entry, and of a count.
    let (directory, head, entry, count) = match number(2, 2) {
        Some(42) => (place(4, 4), 2, 12, 4),
        Some(43) => (place(8, 8), 8, 20, 8),
        _ => return true,
    };
    let Some((directory, n)) = directory.and_then(|at| Some((at, number(at, head)?))) else {
        return true;
    };
    // No more entries than there is room for.
    (0..n.min(bytes.len() as u64 / entry as u64) as usize).all(|i| {
        let at = directory.saturating_add(head + i * entry).min(bytes.len());
        let (Some(kind), Some(count)) = (number(at + 2, 2), number(at + 4, count)) else {
            return true;
        };
        let size = match kind {
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16..=18 => 8,
            _ => 1,
        };
        count.checked_mul(size).is_some_and(|len| len <= bytes.len() as u64)
    })
}

/// Pixels of all tiles that are unpacked whatever the picture's size; above it, four times its pixels.
const MAX_PADDED: usize = 1 << 26;

/// The number of compression by JPEG.
const JPEG: u16 = 7;

/// Bytes of a row of a strip or tile as it is in the file, samples that are stepped over among them.
fn row_bytes(decoder: &mut Decoded<'_>, layout: &Layout) -> u64 {
    let samples = decoder.find_tag_unsigned::<u16>(Tag::SamplesPerPixel).ok().flatten();
    let samples = u64::from(samples.unwrap_or(1).max(1));
    (layout.chunk.0 as u64).saturating_mul(samples * u64::from(layout.bits)) / 8
}

/// The most pixels that the header of a JPEG in the file claims: its decoder takes memory for them
/// before it sees whether they are there.
fn largest_jpeg(bytes: &[u8]) -> u64 {
    let claims = bytes.windows(9).filter_map(|window| match *window {
        [0xff, 0xc0..=0xc2, 0, _, 8, h0, h1, w0, w1] => {
            let side = |high: u8, low: u8| u64::from(u16::from_be_bytes([high, low]));
            Some(side(h0, h1) * side(w0, w1))
        }
        _ => None,
    });
    claims.max().unwrap_or(0)
}

/// What the samples of a pixel mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colors {
    Gray,
    Rgb,
    Cmyk,
    YCbCr,
}

#[derive(Debug)]
struct Layout {
    width: usize,
    height: usize,
    colors: Colors,
    /// Samples of a pixel that are given: those of its color, and one of transparency.
    given: usize,
    /// The place of transparency among them, and whether colors are already multiplied with it.
    alpha: Option<(usize, bool)>,
    bits: u8,
    is_planar: bool,
    /// Width and height of a strip or tile.
    chunk: (usize, usize),
}

impl Layout {
    fn new(
        decoder: &mut Decoded<'_>,
        (width, height): (u32, u32),
        color: ColorType,
    ) -> Result<Self, Failure> {
        let (colors, n_colors) = match color {
            ColorType::Gray(_) | ColorType::GrayA(_) | ColorType::Multiband { .. } => {
                (Colors::Gray, 1)
            }
            ColorType::RGB(_) | ColorType::RGBA(_) => (Colors::Rgb, 3),
            ColorType::CMYK(_) | ColorType::CMYKA(_) => (Colors::Cmyk, 4),
            ColorType::YCbCr(8) => (Colors::YCbCr, 3),
            other => return Err(Failure::Kind(format!("colors of the kind {other:?}"))),
        };
        let given = usize::from(color.num_samples());
        let extra = decoder.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples);
        let extra = extra.ok().flatten().and_then(|extra| extra.first().copied());
        let alpha = match extra.and_then(ExtraSamples::from_u16) {
            Some(ExtraSamples::AssociatedAlpha) => Some((n_colors, true)),
            Some(ExtraSamples::UnassociatedAlpha) => Some((n_colors, false)),
            // A fourth sample that nobody explains is transparency everywhere.
            None if given > n_colors => Some((n_colors, false)),
            _ => None,
        };
        if given > n_colors + usize::from(alpha.is_some()) && colors == Colors::Gray {
            return Err(Failure::Kind(format!("{given} bands")));
        }
        let planar = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).map_err(explain)?;
        let is_planar = planar == Some(PlanarConfiguration::Planar.to_u16()) && given > 1;
        let (chunk_width, chunk_height) = decoder.chunk_dimensions();
        // A strip may claim more rows than there are; a tile is at most a little larger.
        let chunk = (chunk_width as usize, chunk_height.min(height.max(1 << 16)) as usize);
        Ok(Self {
            width: width as usize,
            height: height as usize,
            colors,
            given,
            alpha: alpha.filter(|(place, _)| *place < given),
            bits: color.bit_depth(),
            is_planar,
            chunk,
        })
    }

    /// Bytes of all samples.
    fn bytes(&self) -> u64 {
        let size = u64::from(self.bits).div_ceil(8).next_power_of_two();
        (self.width as u64)
            .saturating_mul(self.height as u64)
            .saturating_mul(self.given as u64)
            .saturating_mul(size)
    }

    /// All samples, pixel by pixel.
    fn samples(&self, decoder: &mut Decoded<'_>) -> Result<Samples, Failure> {
        let (chunk_width, chunk_height) = self.chunk;
        if chunk_width == 0 || chunk_height == 0 || chunk_width > self.width.max(1 << 16) {
            return Err(Failure::Damaged("its tiles have no sensible size".to_owned()));
        }
        let across = self.width.div_ceil(chunk_width);
        let down = self.height.div_ceil(chunk_height);
        // A strip is never unpacked beyond the picture, but a tile is, however little of it is in the picture.
        let of_a_piece = match decoder.get_chunk_type() {
            ChunkType::Strip => chunk_width.saturating_mul(chunk_height.min(self.height)),
            ChunkType::Tile => chunk_width.saturating_mul(chunk_height),
        };
        let unpacked = across.saturating_mul(down).saturating_mul(of_a_piece);
        if unpacked / 4 > (self.width * self.height).max(MAX_PADDED / 4) {
            return Err(Failure::Damaged(format!(
                "its tiles of {chunk_width}x{chunk_height} hold far more than its pixels"
            )));
        }
        let planes = if self.is_planar { self.given } else { 1 };
        // Samples of a pixel in a piece.
        let per_pixel = self.given / planes;
        let mut all: Option<Samples> = None;
        for plane in 0..planes {
            for place in 0..across * down {
                let number = (plane * across * down + place) as u32;
                let piece = decoder.read_chunk(number).map_err(explain)?;
                let all = match &mut all {
                    Some(all) => all,
                    None => {
                        all.insert(Samples::like(&piece, self.width * self.height * self.given)?)
                    }
                };
                let (x, y) = (place % across * chunk_width, place / across * chunk_height);
                let (width, height) = (self.width - x, self.height - y);
                let place = Place {
                    layout: self,
                    first: plane,
                    per_pixel,
                    left: x,
                    top: y,
                    width: chunk_width.min(width),
                    height: chunk_height.min(height),
                };
                all.put(&piece, &place)?;
            }
        }
        all.ok_or_else(|| Failure::Damaged("it has no pixels".to_owned()))
    }

    fn to_rgb(&self, samples: &Samples, warnings: &mut Vec<String>) -> Result<Vec<u8>, Failure> {
        let pixels = self.width * self.height;
        let mut rgb = Vec::with_capacity(3 * pixels);
        match samples {
            Samples::U8(values) => {
                let max = (1 << self.bits.min(8)) - 1;
                let pixels = values.chunks_exact(self.given);
                rgb.extend(pixels.flat_map(|pixel| self.whole_color(pixel, max)));
            }
            Samples::U16(values) => {
                let pixels = values.chunks_exact(self.given);
                rgb.extend(pixels.flat_map(|pixel| self.whole_color(pixel, u16::MAX.into())));
            }
            Samples::Float(values) => {
                let scale = scale_of(values, warnings)?;
                let pixels = values.chunks_exact(self.given);
                rgb.extend(pixels.flat_map(|pixel| self.float_color(pixel, scale)));
            }
        }
        Ok(rgb)
    }

    fn whole_color<T: Copy + Into<u64>>(&self, pixel: &[T], max: u64) -> [u8; 3] {
        let at = |place: usize| pixel.get(place).map_or(0, |value| (*value).into()).min(max);
        let color = match self.colors {
            Colors::Gray => [at(0); 3],
            Colors::Rgb => [at(0), at(1), at(2)],
            Colors::Cmyk => [at(0), at(1), at(2)].map(|ink| (max - ink) * (max - at(3)) / max),
            Colors::YCbCr => ycbcr([at(0), at(1), at(2)].map(|x| x as f64)).map(u64::from),
        };
        let (own, clear) = match self.alpha {
            None => (max, 0),
            Some((place, true)) => (max, max - at(place)),
            Some((place, false)) => (at(place), max - at(place)),
        };
        let square = max * max;
        color.map(|value| {
            let blended = (value * own + max * clear).min(square);
            ((blended * 255 + square / 2) / square) as u8
        })
    }

    fn float_color(&self, pixel: &[f32], scale: f32) -> [u8; 3] {
        let at = |place: usize| {
            let value = pixel.get(place).copied().unwrap_or(0.0) * scale;
            if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) }
        };
        let color = match self.colors {
            Colors::Gray => [at(0); 3],
            Colors::Cmyk => [at(0), at(1), at(2)].map(|ink| (1.0 - ink) * (1.0 - at(3))),
            Colors::Rgb | Colors::YCbCr => [at(0), at(1), at(2)],
        };
        let on_white = |value: f32| match self.alpha {
            None => value,
            Some((place, true)) => (value + 1.0 - at(place)).min(1.0),
            Some((place, false)) => value * at(place) + 1.0 - at(place),
        };
        color.map(|value| (on_white(value) * 255.0).round() as u8)
    }
}

/// Full-range YCbCr as JPEG has it (ITU-R BT.601), which is also what TIFF assumes.
fn ycbcr([y, cb, cr]: [f64; 3]) -> [u8; 3] {
    let (cb, cr) = (cb - 128.0, cr - 128.0);
    let (kr, kg, kb) = (0.299, 0.587, 0.114);
    let red = y + 2.0 * (1.0 - kr) * cr;
    let blue = y + 2.0 * (1.0 - kb) * cb;
    let green = (y - kr * red - kb * blue) / kg;
    [red, green, blue].map(|value| value.round().clamp(0.0, 255.0) as u8)
}

/// What floating point samples are multiplied with, by the largest of them; a word about it where
/// they are not in [0, 1].
fn scale_of(values: &[f32], warnings: &mut Vec<String>) -> Result<f32, Failure> {
    let finite = values.iter().copied().filter(|x| x.is_finite());
    let (least, most) = finite.fold((0.0_f32, 0.0_f32), |(a, b), x| (a.min(x), b.max(x)));
    let scale = match most {
        _ if least < -0.5 => None,
        // Highlights above white are cut off, as a screen does.
        most if most <= 16.0 => Some(1.0),
        most if most <= 255.5 => Some(1.0 / 255.0),
        most if most <= 65535.5 => Some(1.0 / 65535.0),
        _ => None,
    };
    let Some(scale) = scale else {
        return Err(Failure::Kind(format!("measurements from {least} to {most}")));
    };
    if scale < 1.0 {
        warnings
            .push(format!("its numbers go up to {most}; {:.0} is taken for white", 1.0 / scale));
    } else if least < -0.001 || most > 1.001 {
        warnings
            .push(format!("its numbers go from {least} to {most}; all beyond [0, 1] is cut off"));
    }
    if values.iter().any(|x| !x.is_finite()) {
        warnings.push("some of its pixels are no numbers; they are black".to_owned());
    }
    Ok(scale)
}

/// Samples of a whole picture; of more than 16 bits the upper ones.
#[derive(Debug)]
enum Samples {
    U8(Vec<u8>),
    U16(Vec<u16>),
    Float(Vec<f32>),
}

impl Samples {
    /// Room for `count` samples of the type that a piece has.
    fn like(piece: &DecodingResult, count: usize) -> Result<Self, Failure> {
        Ok(match piece {
            DecodingResult::U8(_) => Self::U8(vec![0; count]),
            DecodingResult::U16(_) | DecodingResult::U32(_) | DecodingResult::U64(_) => {
                Self::U16(vec![0; count])
            }
            DecodingResult::F16(_) | DecodingResult::F32(_) | DecodingResult::F64(_) => {
                Self::Float(vec![0.0; count])
            }
            DecodingResult::I8(_)
            | DecodingResult::I16(_)
            | DecodingResult::I32(_)
            | DecodingResult::I64(_) => return Err(Failure::Kind("signed numbers".to_owned())),
        })
    }

    /// Puts a piece in its place.
    fn put(&mut self, piece: &DecodingResult, place: &Place<'_>) -> Result<(), Failure> {
        let fits = match (self, piece) {
            (Self::U8(all), DecodingResult::U8(part)) if place.layout.bits < 8 => {
                place.copy(all, &place.unpacked(part), |x| x)
            }
            (Self::U8(all), DecodingResult::U8(part)) => place.copy(all, part, |x| x),
            (Self::U16(all), DecodingResult::U16(part)) => place.copy(all, part, |x| x),
            (Self::U16(all), DecodingResult::U32(part)) => {
                place.copy(all, part, |x| (x >> 16) as u16)
            }
            (Self::U16(all), DecodingResult::U64(part)) => {
                place.copy(all, part, |x| (x >> 48) as u16)
            }
            (Self::Float(all), DecodingResult::F16(part)) => {
                place.copy(all, part, half::f16::to_f32)
            }
            (Self::Float(all), DecodingResult::F32(part)) => place.copy(all, part, |x| x),
            (Self::Float(all), DecodingResult::F64(part)) => place.copy(all, part, |x| x as f32),
            _ => None,
        };
        fits.ok_or(Failure::CutOff)
    }
}

/// Where a strip or tile belongs.
struct Place<'a> {
    layout: &'a Layout,
    /// The first sample of a pixel that it has, and how many.
    first: usize,
    per_pixel: usize,
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

impl Place<'_> {
    /// Copies the rows of a piece; none if it has too few samples.
    fn copy<F: Copy, T>(&self, all: &mut [T], part: &[F], convert: impl Fn(F) -> T) -> Option<()> {
        let given = self.layout.given;
        let row = self.width * self.per_pixel;
        for y in 0..self.height {
            let from = part.get(y * row..(y + 1) * row)?;
            let start = ((self.top + y) * self.layout.width + self.left) * given;
            let to = all.get_mut(start..start + self.width * given)?;
            for (pixel, samples) in
                to.chunks_exact_mut(given).zip(from.chunks_exact(self.per_pixel))
            {
                let own = pixel.get_mut(self.first..self.first + self.per_pixel)?;
                own.iter_mut().zip(samples).for_each(|(to, from)| *to = convert(*from));
            }
        }
        Some(())
    }

    /// Samples of less than 8 bits, one a byte; rows begin at whole bytes.
    fn unpacked(&self, part: &[u8]) -> Vec<u8> {
        let (bits, row) = (usize::from(self.layout.bits), self.width * self.per_pixel);
        let mask = (1_u16 << bits) - 1;
        let bytes = (row * bits).div_ceil(8);
        let mut out = Vec::with_capacity(row * self.height);
        for line in part.chunks_exact(bytes).take(self.height) {
            out.extend((0..row).map(|sample| {
                let at = sample * bits;
                // A sample may reach into the next byte.
                let pair = [line[at / 8], line.get(at / 8 + 1).copied().unwrap_or(0)];
                (u16::from_be_bytes(pair) >> (16 - bits - at % 8) & mask) as u8
            }));
        }
        out
    }
}

/// What the decoder says, as one of four things.
fn explain(error: TiffError) -> Failure {
    match error {
        TiffError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Failure::CutOff
        }
        TiffError::LimitsExceeded => Failure::TooLarge(0, 0, 0),
        TiffError::UnsupportedError(what) => Failure::Kind(kind_in_words(&what)),
        TiffError::IoError(error) => Failure::Damaged(error.to_string()),
        TiffError::FormatError(error) => Failure::Damaged(error.to_string()),
        TiffError::IntSizeError => Failure::Damaged("a size in it overflows".to_owned()),
        TiffError::UsageError(error) => Failure::Damaged(error.to_string()),
    }
}

/// A kind of TIFF in the words of people who make them.
fn kind_in_words(what: &TiffUnsupportedError) -> String {
    use PhotometricInterpretation as Photometric;
    match what {
        TiffUnsupportedError::InterpretationWithBits(photometric, bits) => match photometric {
            Photometric::RGBPalette => "a palette of colors".to_owned(),
            Photometric::TransparencyMask => "a mask".to_owned(),
            Photometric::CIELab | Photometric::IccLab | Photometric::ItuLab => {
                "Lab colors".to_owned()
            }
            other => format!("{other:?} with {} samples of {bits:?} bits", bits.len()),
        },
        TiffUnsupportedError::UnknownInterpretation => {
            "a raw photograph or another color model".to_owned()
        }
        TiffUnsupportedError::UnsupportedCompressionMethod(method) => {
            format!("compression by {method:?}")
        }
        TiffUnsupportedError::UnsupportedSampleFormat(formats) => match formats.first() {
            Some(SampleFormat::Int) => "signed numbers".to_owned(),
            _ => "samples of several types".to_owned(),
        },
        TiffUnsupportedError::InconsistentBitsPerSample(bits) => {
            format!("samples of different widths ({bits:?} bits)")
        }
        other => other.to_string(),
    }
}
