//! Worlds: small painted landscapes without end, each with its class, caption and motion.
//!
//! A [`World`] is a description drawn from (seed, index); [`paint`] turns it into a picture of any
//! size at any moment. Everything is arithmetic on f32 without the system's maths library, so the
//! same address gives the same picture on every machine.

mod animals;
mod biomes;
mod canvas;
mod coasts;
mod color;
mod describe;
mod dunes;
mod ground;
mod land;
mod light;
mod noise;
mod objects;
mod paint;
mod places;
mod plains;
mod plants;
mod rock;
mod scene;
mod shapes;
mod sky;
#[cfg(test)]
mod tests;
mod things;
mod town;
mod volcano;
mod water;
mod weather;
mod world;

pub use paint::{paint, paint_part};
pub use world::{Biome, Group, Kind, Time, Tint, Weather, World};

use super::{Sample, Source};
use crate::{EngineError, Result};

/// The set of all worlds of one seed.
///
/// Worlds [`Worlds::TRAINING`] and up are held out: [`Worlds::held_out`] gives them, for measuring,
/// and nothing is ever trained on them.
#[derive(Debug, Clone)]
pub struct Worlds {
    seed: u64,
    first: u64,
    count: u64,
    classes: Vec<String>,
}

impl Worlds {
    /// Number of worlds that may be trained on; the first held-out index.
    pub const TRAINING: u64 = 900_000;
    /// Number of worlds in all.
    pub const ALL: u64 = 1_000_000;

    /// The worlds that may be trained on.
    pub fn training(seed: u64) -> Self {
        Self::range(seed, 0, Self::TRAINING)
    }

    /// The worlds that are kept for measuring.
    pub fn held_out(seed: u64) -> Self {
        Self::range(seed, Self::TRAINING, Self::ALL - Self::TRAINING)
    }

    /// `count` worlds from index `first` on.
    pub fn range(seed: u64, first: u64, count: u64) -> Self {
        let classes = Biome::ALL.iter().map(|b| b.name().to_owned()).collect();
        Self { seed, first, count, classes }
    }

    /// The description of world `index` of this set.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] when the set does not have so many.
    pub fn world(&self, index: u64) -> Result<World> {
        if index >= self.count {
            return Err(EngineError::bad_input(
                "world",
                format!("there is no world {index} among {}", self.count),
                "Use a smaller number",
            ));
        }
        Ok(World::new(self.seed, self.first + index))
    }
}

impl Source for Worlds {
    fn len(&self) -> u64 {
        self.count
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn class_of(&self, index: u64) -> Option<u32> {
        self.world(index).ok().map(|world| world.class())
    }

    fn sample(&self, index: u64, side: u32) -> Result<Sample> {
        self.sample_part(index, side, [0, 0, side, side])
    }

    fn painted_size(&self, _index: u64, side: u32) -> Option<[u32; 2]> {
        Some([side, side])
    }

    fn sample_part(&self, index: u64, side: u32, part: [u32; 4]) -> Result<Sample> {
        let world = self.world(index)?;
        Ok(Sample {
            picture: paint_part(&world, [side, side], 0.0, part)?,
            class: Some(world.class()),
            caption: Some(world.caption()),
            name: format!("worlds/{}/{}", world.seed, world.index),
        })
    }

    fn describe(&self) -> String {
        let what = if self.first == Self::TRAINING { "held-out worlds" } else { "worlds" };
        format!("{} {what} of seed {}", self.count, self.seed)
    }
}
