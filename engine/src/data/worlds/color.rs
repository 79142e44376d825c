//! Colors of the painter: three display values (already gamma-encoded), and how they mix.
//!
//! Paint is mixed as illustrators mix it, on display values; nothing is converted at the end, so a
//! pixel costs what its shading costs.

use std::ops::{Add, Mul};

/// Red, green, blue; 0 is black, 1 is full, above 1 is kept until the picture is finished.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Color {
    pub r: f32,
    pub g: f32,
    pub b: f32,
}

/// A color from 0xRRGGBB.
pub(super) const fn hex(rgb: u32) -> Color {
    Color {
        r: ((rgb >> 16) & 255) as f32 / 255.0,
        g: ((rgb >> 8) & 255) as f32 / 255.0,
        b: (rgb & 255) as f32 / 255.0,
    }
}

/// A color from three values.
pub(super) const fn rgb(r: f32, g: f32, b: f32) -> Color {
    Color { r, g, b }
}

pub(super) const BLACK: Color = rgb(0.0, 0.0, 0.0);
pub(super) const WHITE: Color = rgb(1.0, 1.0, 1.0);

impl Color {
    /// `t` = 0 gives self, 1 gives `other`.
    #[inline]
    pub(super) fn mix(self, other: Self, t: f32) -> Self {
        self * (1.0 - t) + other * t
    }

    /// Light added without burning out: 1 - (1-a)(1-b).
    #[inline]
    pub(super) fn screen(self, other: Self) -> Self {
        let one = |a: f32, b: f32| a + b * (1.0 - a).max(0.0);
        rgb(one(self.r, other.r), one(self.g, other.g), one(self.b, other.b))
    }

    /// Brightness as the eye weighs it.
    #[inline]
    pub(super) fn luma(self) -> f32 {
        0.30 * self.r + 0.59 * self.g + 0.11 * self.b
    }

    /// 0 is gray, 1 unchanged, above 1 more colorful.
    #[inline]
    pub(super) fn saturate(self, amount: f32) -> Self {
        let gray = self.luma();
        rgb(gray, gray, gray).mix(self, amount)
    }
}

impl Add for Color {
    type Output = Self;
    #[inline]
    fn add(self, o: Self) -> Self {
        rgb(self.r + o.r, self.g + o.g, self.b + o.b)
    }
}

impl Mul<f32> for Color {
    type Output = Self;
    #[inline]
    fn mul(self, k: f32) -> Self {
        rgb(self.r * k, self.g * k, self.b * k)
    }
}

impl Mul for Color {
    type Output = Self;
    #[inline]
    fn mul(self, o: Self) -> Self {
        rgb(self.r * o.r, self.g * o.g, self.b * o.b)
    }
}

/// Clamped to 0..1.
#[inline]
pub(super) fn unit(x: f32) -> f32 {
    x.clamp(0.0, 1.0)
}

/// 0 below `a`, 1 above `b`, smooth between; `a` > `b` turns it around.
#[inline]
pub(super) fn smooth(a: f32, b: f32, x: f32) -> f32 {
    let t = unit((x - a) / (b - a));
    t * t * (3.0 - 2.0 * t)
}

/// Linear from `a` to `b`.
#[inline]
pub(super) fn lerp(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}
