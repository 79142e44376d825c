//! Which painter is a landscape's.

use super::scene::Scene;
use super::world::Biome;
use super::{coasts, plains, town, volcano};

/// Everything between the sky and the weather.
pub(super) fn paint_land(scene: &mut Scene<'_>) {
    match scene.world.biome {
        Biome::AlpineLake => coasts::alpine_lake(scene),
        Biome::DesertDunes => plains::desert_dunes(scene),
        Biome::PineForest => plains::pine_forest(scene),
        Biome::TropicalCoast => coasts::tropical_coast(scene),
        Biome::Savanna => plains::savanna(scene),
        Biome::PolarSea => coasts::polar_sea(scene),
        Biome::Canyon => plains::canyon(scene),
        Biome::FlowerMeadow => plains::flower_meadow(scene),
        Biome::Volcano => volcano::volcano(scene),
        Biome::HarborTown => town::harbor_town(scene),
    }
}
