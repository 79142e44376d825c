//! What the view of rate against quality shows: part of how a document is looked at.

use serde::{Deserialize, Serialize};

/// Of a set without end so many images are measured, and of a large one, unless more are wanted.
pub const USUAL_IMAGES: u64 = 64;

/// What the view offers where a rectangle keeps some points: all of them again.
pub const ALL_POINTS: &str = "All points over rate again";

/// What stands along the bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum RateAxis {
    /// log2 K for each token, per pixel.
    #[default]
    BitsPerPixel,
    /// What tokens cost packed by what their codes are worth, per pixel; of measurements alone.
    Entropy,
    /// What the tokens of an image cost an AR probe; of measurements alone.
    Probe,
}

impl RateAxis {
    /// All, in the order of menus.
    pub const ALL: [Self; 3] = [Self::BitsPerPixel, Self::Entropy, Self::Probe];

    /// What it is called on the screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::BitsPerPixel => "bits per pixel",
            Self::Entropy => "bits per pixel by entropy",
            Self::Probe => "AR probe, bits per image",
        }
    }

    /// Whether it is a number of AR probes.
    pub fn is_probe(self) -> bool {
        self == Self::Probe
    }
}

/// What stands along the side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum QualityAxis {
    /// PSNR.
    #[default]
    Psnr,
    /// Structural similarity.
    Ssim,
    /// The same over five scales.
    MsSsim,
    /// The distance by the shipped judge.
    LpipsLike,
    /// The Frechet distance on the judge's features.
    ProxyFd,
    /// LPIPS: published, and measured by a person's own weights.
    Lpips,
    /// Published Frechet distance of reconstructions.
    Rfid,
    /// Published Frechet distance of what a generator draws on top.
    Gfid,
    /// What the tokens of an image cost an AR probe.
    ProbeBits,
    /// The perplexity of an AR probe.
    ProbePerplexity,
}

impl QualityAxis {
    /// All, in the order of menus.
    pub const ALL: [Self; 10] = [
        Self::Psnr,
        Self::Ssim,
        Self::MsSsim,
        Self::LpipsLike,
        Self::ProxyFd,
        Self::ProbeBits,
        Self::ProbePerplexity,
        Self::Lpips,
        Self::Rfid,
        Self::Gfid,
    ];

    /// What it is called on the screen.
    pub fn label(self) -> &'static str {
        match self {
            Self::Psnr => "PSNR",
            Self::Ssim => "SSIM",
            Self::MsSsim => "MS-SSIM",
            Self::LpipsLike => "LPIPS-like",
            Self::ProxyFd => "proxy distance",
            Self::Lpips => "LPIPS",
            Self::Rfid => "rFID",
            Self::Gfid => "gFID",
            Self::ProbeBits => "AR probe, bits per image",
            Self::ProbePerplexity => "AR probe, perplexity",
        }
    }

    /// Whether it is a number of AR probes.
    pub fn is_probe(self) -> bool {
        matches!(self, Self::ProbeBits | Self::ProbePerplexity)
    }

    /// Which end of it is better, in words.
    pub fn which(self) -> &'static str {
        match (self.is_better_high(), self.is_probe()) {
            (true, _) => "higher is nearer",
            (false, false) => "lower is nearer",
            (false, true) => "lower is learned more easily",
        }
    }

    /// Whether more of it is better.
    pub fn is_better_high(self) -> bool {
        matches!(self, Self::Psnr | Self::Ssim | Self::MsSsim)
    }

    /// Whether every measurement on a person's own images has it; LPIPS is of those with weights of it.
    pub fn is_measured(self) -> bool {
        !matches!(self, Self::Lpips | Self::Rfid | Self::Gfid)
    }

    /// The column of published tables that holds it.
    pub fn column(self) -> Option<&'static str> {
        match self {
            Self::Psnr => Some("psnr"),
            Self::Ssim => Some("ssim"),
            Self::Lpips => Some("lpips"),
            Self::Rfid => Some("rfid"),
            Self::Gfid => Some("gfid"),
            Self::MsSsim
            | Self::LpipsLike
            | Self::ProxyFd
            | Self::ProbeBits
            | Self::ProbePerplexity => None,
        }
    }

    /// A value in words.
    pub fn words(self, value: f64) -> String {
        match self {
            Self::Psnr => format!("{value:.1} dB"),
            Self::Ssim | Self::MsSsim | Self::LpipsLike | Self::Lpips => format!("{value:.3}"),
            Self::ProxyFd | Self::Rfid | Self::Gfid => format!("{value:.2}"),
            Self::ProbeBits | Self::ProbePerplexity => format!("{value:.1}"),
        }
    }
}

/// What is seen of rate against quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct RatesLook {
    /// Along the bottom.
    pub rate: RateAxis,
    /// Along the side.
    pub quality: QualityAxis,
    /// Whether a factor of ten in the rate is as wide as the next.
    pub is_rate_logarithmic: bool,
    /// The same of the quality.
    pub is_quality_logarithmic: bool,
    /// Whether what was measured here is seen.
    pub measured: bool,
    /// Whether what others published is seen.
    pub published: bool,
    /// Whether all published rows are seen, not only those of 256 pixels and ImageNet from their own authors.
    pub all_published: bool,
}

impl Default for RatesLook {
    fn default() -> Self {
        Self {
            rate: RateAxis::default(),
            quality: QualityAxis::default(),
            is_rate_logarithmic: true,
            is_quality_logarithmic: false,
            measured: true,
            published: false,
            all_published: false,
        }
    }
}
