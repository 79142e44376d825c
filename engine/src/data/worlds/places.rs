//! What is where in a world: the horizon, where objects of a kind stand, water, banks, snow.

use super::color::{Color, WHITE, hex};
use super::noise::Dice;
use super::world::{Biome, Kind, Weather, World};

/// When an object is drawn: what comes later lies before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// In the air.
    Air,
    /// On the far shore; water mirrors it.
    Shore,
    /// On the water.
    Water,
    /// On the ground before the viewer.
    Ground,
}

/// Where objects of one kind can be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub zone: Zone,
    /// Feet (v) of the farthest and the nearest.
    pub rows: (f32, f32),
    /// Heights of the farthest and the nearest.
    pub sizes: (f32, f32),
    /// Air before the farthest (0..1).
    pub depth: f32,
}

/// Where sky meets land or water in a world (v).
pub(super) fn horizon(world: &World) -> f32 {
    let (low, high) = match world.biome {
        Biome::AlpineLake => (0.56, 0.66),
        Biome::DesertDunes => (0.44, 0.56),
        Biome::PineForest => (0.52, 0.60),
        Biome::TropicalCoast => (0.38, 0.48),
        Biome::Savanna => (0.58, 0.68),
        Biome::PolarSea => (0.44, 0.54),
        Biome::Canyon => (0.58, 0.66),
        Biome::FlowerMeadow => (0.42, 0.52),
        Biome::Volcano => (0.60, 0.68),
        Biome::HarborTown => (0.54, 0.62),
    };
    Dice::new(world.seed, world.index, 2).range(low, high)
}

/// Heights of the objects, for one that stands in the middle distance.
fn height_of(kind: Kind) -> f32 {
    match kind {
        Kind::House | Kind::Boat => 0.16,
        Kind::Balloon => 0.18,
        Kind::Tent => 0.095,
        Kind::Parasol => 0.15,
        Kind::Lighthouse => 0.36,
        Kind::Bird => 0.047,
        Kind::Tree => 0.20,
        Kind::Palm => 0.34,
        Kind::Acacia => 0.25,
        Kind::BareTree | Kind::Windmill | Kind::Giraffe => 0.24,
        Kind::Cactus => 0.21,
        Kind::Camel => 0.13,
        Kind::Penguin => 0.12,
        Kind::Sheep => 0.062,
        Kind::Igloo => 0.11,
    }
}

/// Where objects of a kind are in this world.
pub(super) fn field(world: &World, horizon: f32, kind: Kind) -> Field {
    let size = height_of(kind);
    if kind.flies() {
        let floor = horizon - 0.14;
        // Those high up are near.
        if kind == Kind::Bird {
            let rows = (horizon - 0.21, 0.11);
            return Field { zone: Zone::Air, rows, sizes: (size, size * 1.25), depth: 0.1 };
        }
        let rows = (floor, 0.15);
        return Field { zone: Zone::Air, rows, sizes: (size * 0.72, size * 1.12), depth: 0.3 };
    }
    let ground = |far: f32, near: f32| Field {
        zone: Zone::Ground,
        rows: (far, near),
        sizes: (size * 0.78, size * 1.15),
        depth: 0.35,
    };
    let afloat = |far: f32, near: f32| Field { zone: Zone::Water, ..ground(far, near) };
    match (world.biome, kind) {
        (Biome::AlpineLake, Kind::Boat) => afloat(horizon + 0.08, 0.88),
        (Biome::AlpineLake, _) => Field {
            zone: Zone::Shore,
            rows: (horizon - 0.004, horizon + 0.006),
            sizes: (size * 0.62, size * 0.80),
            depth: 0.2,
        },
        (Biome::TropicalCoast, Kind::Boat) => afloat(horizon + 0.05, 0.64),
        (Biome::TropicalCoast, _) => ground(0.82, 0.93),
        (Biome::PolarSea, Kind::Boat) => afloat(horizon + 0.06, horizon + 0.16),
        (Biome::PolarSea, _) => ground(0.80, 0.94),
        (Biome::HarborTown, Kind::Lighthouse) => Field {
            zone: Zone::Shore,
            rows: (horizon + 0.005, horizon + 0.012),
            sizes: (size * 0.95, size * 1.1),
            depth: 0.0,
        },
        (Biome::HarborTown, _) => afloat(horizon + 0.09, 0.93),
        (Biome::DesertDunes | Biome::Canyon, _) => ground(0.77, 0.93),
        (Biome::FlowerMeadow, _) => ground(0.70, 0.90),
        (Biome::PineForest, _) if has_river(world) => ground(horizon + 0.28, 0.93),
        (Biome::PineForest, _) => ground(horizon + 0.17, 0.92),
        (Biome::Savanna | Biome::Volcano, _) if has_river(world) => ground(horizon + 0.19, 0.94),
        (Biome::Savanna | Biome::Volcano, _) => ground(horizon + 0.10, 0.92),
    }
}

/// The side (-1 left, 1 right) on which the foreground rises and frames the picture, if it does.
pub(super) fn bank_side(world: &World) -> Option<f32> {
    let chance = match world.biome {
        Biome::AlpineLake => 0.75,
        Biome::PineForest => 0.9,
        // Where palms are counted, no other palms stand.
        Biome::TropicalCoast if world.objects.iter().any(|g| g.kind == Kind::Palm) => 0.0,
        Biome::TropicalCoast => 0.7,
        Biome::Canyon | Biome::Volcano => 0.6,
        Biome::HarborTown => 0.5,
        _ => 0.0,
    };
    let mut dice = Dice::new(world.seed, world.index, 31);
    let side = dice.sign();
    dice.chance(chance).then_some(side)
}

/// Whether a river or lake lies between the distance and the ground before the viewer.
pub(super) fn has_river(world: &World) -> bool {
    matches!(world.biome, Biome::PineForest | Biome::Savanna | Biome::Volcano)
        && Dice::new(world.seed, world.index, 38).chance(0.38)
}

/// Whether any water mirrors what is above it.
pub(super) fn has_water(world: &World) -> bool {
    match world.biome {
        Biome::AlpineLake | Biome::TropicalCoast | Biome::PolarSea | Biome::HarborTown => true,
        Biome::DesertDunes | Biome::Canyon | Biome::FlowerMeadow => false,
        Biome::PineForest | Biome::Savanna | Biome::Volcano => has_river(world),
    }
}

/// How much snow lies (0..1).
pub(super) fn snow_cover(world: &World) -> f32 {
    if world.weather == Weather::Snow { 0.85 } else { 0.0 }
}

/// Ground of a color, whitened where snow lies.
pub(super) fn snowed(albedo: u32, snow: f32) -> Color {
    hex(albedo).mix(WHITE * 0.96, snow * 0.85)
}
