//! What a world is: landscape, time of day, weather, and what can be counted in it.

/// The kind of landscape: the class of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Biome {
    /// Snow peaks over a mirror of water.
    AlpineLake,
    /// Sand in light and shadow.
    DesertDunes,
    /// Rows of firs in the mist.
    PineForest,
    /// Turquoise sea, beach and palms.
    TropicalCoast,
    /// Golden grass, flat-topped trees, a large sun.
    Savanna,
    /// Icebergs and floes.
    PolarSea,
    /// Red mesas in layers.
    Canyon,
    /// Rolling green hills with flowers.
    FlowerMeadow,
    /// A burning cone over black ground.
    Volcano,
    /// Gabled houses on a quay.
    HarborTown,
}

/// The time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Time {
    /// First light.
    Dawn,
    /// High sun.
    Day,
    /// Last light.
    Dusk,
    /// Moon and stars.
    Night,
}

/// The weather.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weather {
    /// A few wisps at most.
    Clear,
    /// Large clouds that move.
    Clouds,
    /// Rain from a dark sky.
    Rain,
    /// Falling snow.
    Snow,
    /// Fog over the ground.
    Fog,
}

/// What can be counted in a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    House,
    Boat,
    Balloon,
    Tent,
    Parasol,
    Lighthouse,
    Bird,
    Tree,
    Palm,
    Acacia,
    BareTree,
    Cactus,
    Windmill,
    Camel,
    Giraffe,
    Penguin,
    Sheep,
    Igloo,
}

impl Kind {
    /// Whether it is in the air.
    pub fn flies(self) -> bool {
        matches!(self, Self::Balloon | Self::Bird)
    }
}

/// The color of an object that comes in several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Tint {
    Red,
    Orange,
    Yellow,
    Blue,
    Purple,
    White,
    Black,
}

/// Some objects of one kind and color.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    /// What they are.
    pub kind: Kind,
    /// Their color, where it is not the kind's own.
    pub tint: Option<Tint>,
    /// How many.
    pub count: u32,
}

/// The description of one picture, or of one clip.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// The seed of the set.
    pub seed: u64,
    /// The place in the set; with the seed it addresses every other choice of the painter.
    pub index: u64,
    /// The class.
    pub biome: Biome,
    /// The time of day.
    pub time: Time,
    /// The weather.
    pub weather: Weather,
    /// What can be counted.
    pub objects: Vec<Group>,
}
