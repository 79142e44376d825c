//! A world while it is painted: what every painter is given.

use super::canvas::Canvas;
use super::light::Light;
use super::noise::{Dice, Texture};
use super::world::World;

/// A world while it is painted.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub world: &'a World,
    pub canvas: Canvas,
    pub tex: Texture,
    pub light: Light,
    /// Seconds.
    pub time: f32,
    /// Where sky meets land or water (v).
    pub horizon: f32,
}

impl Scene<'_> {
    /// Numbers for one subject of the composition.
    pub(super) fn dice(&self, subject: u32) -> Dice {
        Dice::new(self.world.seed, self.world.index, subject)
    }
}
