//! What is in a world: class, time of day, weather, objects; and its caption.

use super::noise::Dice;
use super::world::{Biome, Group, Kind, Time, Tint, Weather, World};

impl Biome {
    /// All of them, in the order of the class numbers.
    pub const ALL: [Self; 10] = [
        Self::AlpineLake,
        Self::DesertDunes,
        Self::PineForest,
        Self::TropicalCoast,
        Self::Savanna,
        Self::PolarSea,
        Self::Canyon,
        Self::FlowerMeadow,
        Self::Volcano,
        Self::HarborTown,
    ];

    /// The class's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::AlpineLake => "alpine lake",
            Self::DesertDunes => "desert dunes",
            Self::PineForest => "pine forest",
            Self::TropicalCoast => "tropical coast",
            Self::Savanna => "savanna",
            Self::PolarSea => "polar sea",
            Self::Canyon => "canyon",
            Self::FlowerMeadow => "flower meadow",
            Self::Volcano => "volcano",
            Self::HarborTown => "harbor town",
        }
    }

    /// How often clear sky, clouds, rain, snow and fog come here.
    fn weather(self) -> [f32; 5] {
        match self {
            Self::AlpineLake => [5.0, 4.0, 1.0, 1.0, 1.0],
            Self::DesertDunes => [7.0, 4.0, 0.3, 0.0, 0.6],
            Self::PineForest => [4.0, 3.0, 1.5, 1.5, 2.0],
            Self::TropicalCoast | Self::Savanna => [6.0, 4.0, 1.0, 0.0, 0.5],
            Self::PolarSea => [5.0, 3.0, 0.0, 2.0, 1.0],
            Self::Canyon => [6.0, 4.0, 0.5, 0.3, 0.5],
            Self::FlowerMeadow => [5.0, 5.0, 1.2, 0.0, 1.0],
            Self::Volcano => [5.0, 4.0, 0.8, 0.3, 0.8],
            Self::HarborTown => [5.0, 4.0, 1.2, 1.2, 1.0],
        }
    }

    /// What can stand, swim or fly here: (kind, weight, most of it).
    fn objects(self) -> &'static [(Kind, f32, u32)] {
        match self {
            Self::AlpineLake => &[
                (Kind::Boat, 3.0, 3),
                (Kind::House, 2.0, 3),
                (Kind::Balloon, 2.0, 3),
                (Kind::Tent, 1.5, 3),
                (Kind::Bird, 1.0, 5),
            ],
            Self::DesertDunes => &[
                (Kind::Camel, 2.5, 4),
                (Kind::Tent, 2.0, 3),
                (Kind::Palm, 2.0, 3),
                (Kind::Balloon, 2.5, 4),
                (Kind::Bird, 0.8, 4),
            ],
            Self::PineForest => &[
                (Kind::House, 3.0, 2),
                (Kind::Tent, 3.0, 3),
                (Kind::Bird, 2.0, 5),
                (Kind::Balloon, 1.0, 2),
            ],
            Self::TropicalCoast => &[
                (Kind::Parasol, 2.5, 4),
                (Kind::Boat, 3.0, 3),
                (Kind::Palm, 1.5, 3),
                (Kind::Bird, 1.0, 5),
                (Kind::Balloon, 1.0, 3),
            ],
            Self::Savanna => &[
                (Kind::Acacia, 3.0, 4),
                (Kind::Giraffe, 2.5, 3),
                (Kind::Balloon, 2.0, 3),
                (Kind::Tent, 1.0, 2),
                (Kind::Bird, 1.5, 5),
            ],
            Self::PolarSea => &[
                (Kind::Penguin, 3.0, 5),
                (Kind::Igloo, 2.0, 2),
                (Kind::Boat, 2.0, 2),
                (Kind::Tent, 1.5, 3),
                (Kind::Bird, 0.8, 4),
            ],
            Self::Canyon => &[
                (Kind::Cactus, 3.0, 4),
                (Kind::Balloon, 2.5, 4),
                (Kind::Tent, 1.5, 2),
                (Kind::Bird, 1.5, 4),
            ],
            Self::FlowerMeadow => &[
                (Kind::House, 2.5, 3),
                (Kind::Tree, 2.0, 4),
                (Kind::Windmill, 1.5, 2),
                (Kind::Sheep, 1.5, 5),
                (Kind::Balloon, 2.0, 4),
                (Kind::Bird, 0.8, 4),
            ],
            Self::Volcano => &[
                (Kind::BareTree, 2.5, 4),
                (Kind::Tent, 1.5, 2),
                (Kind::Bird, 2.0, 5),
                (Kind::Balloon, 1.5, 3),
            ],
            Self::HarborTown => &[
                (Kind::Boat, 3.5, 4),
                (Kind::Lighthouse, 2.0, 1),
                (Kind::Balloon, 1.2, 3),
                (Kind::Bird, 1.5, 5),
            ],
        }
    }
}

impl Time {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Dawn, Self::Day, Self::Dusk, Self::Night];

    /// As it stands in a caption.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Dawn => "at dawn",
            Self::Day => "by day",
            Self::Dusk => "at dusk",
            Self::Night => "at night",
        }
    }
}

impl Weather {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Clear, Self::Clouds, Self::Rain, Self::Snow, Self::Fog];

    /// As it stands in a caption.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Clear => "under a clear sky",
            Self::Clouds => "under drifting clouds",
            Self::Rain => "in the rain",
            Self::Snow => "in falling snow",
            Self::Fog => "in the fog",
        }
    }
}

impl Kind {
    /// One and many.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::House => ("house", "houses"),
            Self::Boat => ("boat", "boats"),
            Self::Balloon => ("balloon", "balloons"),
            Self::Tent => ("tent", "tents"),
            Self::Parasol => ("parasol", "parasols"),
            Self::Lighthouse => ("lighthouse", "lighthouses"),
            Self::Bird => ("bird", "birds"),
            Self::Tree => ("tree", "trees"),
            Self::Palm => ("palm", "palms"),
            Self::Acacia => ("acacia", "acacias"),
            Self::BareTree => ("bare tree", "bare trees"),
            Self::Cactus => ("cactus", "cacti"),
            Self::Windmill => ("windmill", "windmills"),
            Self::Camel => ("camel", "camels"),
            Self::Giraffe => ("giraffe", "giraffes"),
            Self::Penguin => ("penguin", "penguins"),
            Self::Sheep => ("sheep", "sheep"),
            Self::Igloo => ("igloo", "igloos"),
        }
    }

    /// The colors it comes in; empty where its color goes without saying.
    fn tints(self) -> &'static [Tint] {
        match self {
            Self::House => &[Tint::Red, Tint::Yellow, Tint::Blue, Tint::White],
            Self::Boat => &[Tint::White, Tint::Red, Tint::Orange, Tint::Yellow, Tint::Blue],
            Self::Balloon => &[Tint::Red, Tint::Orange, Tint::Yellow, Tint::Blue, Tint::Purple],
            Self::Tent => &[Tint::Red, Tint::Orange, Tint::Yellow, Tint::Blue],
            Self::Parasol => &[Tint::Red, Tint::Yellow, Tint::Blue, Tint::Orange],
            Self::Lighthouse => &[Tint::Red, Tint::Blue, Tint::White],
            Self::Bird => &[Tint::White, Tint::Black],
            _ => &[],
        }
    }
}

impl Tint {
    /// The color's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Orange => "orange",
            Self::Yellow => "yellow",
            Self::Blue => "blue",
            Self::Purple => "purple",
            Self::White => "white",
            Self::Black => "black",
        }
    }
}

impl Group {
    /// In words, such as "three red balloons".
    pub fn phrase(&self) -> String {
        const NUMBERS: [&str; 7] = ["no", "a", "two", "three", "four", "five", "six"];
        let (one, many) = self.kind.names();
        let noun = if self.count == 1 { one } else { many };
        let what = match self.tint {
            Some(tint) => format!("{} {noun}", tint.name()),
            None => noun.to_owned(),
        };
        let article = if what.starts_with(['a', 'o', 'i']) { "an" } else { "a" };
        match (self.count, NUMBERS.get(self.count as usize)) {
            (1, _) => format!("{article} {what}"),
            (_, Some(number)) => format!("{number} {what}"),
            (count, None) => format!("{count} {what}"),
        }
    }
}

impl World {
    /// The world at (seed, index): the same on every machine.
    pub fn new(seed: u64, index: u64) -> Self {
        let mut dice = Dice::new(seed, index, 0);
        let biome = Biome::ALL[dice.below(10) as usize];
        let time = Time::ALL[dice.weighted(&[2.5, 3.0, 3.0, 2.0])];
        let weather = Weather::ALL[dice.weighted(&biome.weather())];
        Self { seed, index, biome, time, weather, objects: groups(biome, weather, &mut dice) }
    }

    /// One sentence that says exactly what is painted.
    pub fn caption(&self) -> String {
        let name = self.biome.name();
        let article = match self.biome {
            Biome::AlpineLake => "an ",
            Biome::DesertDunes => "",
            _ => "a ",
        };
        let head = format!("{article}{name} {} {}", self.time.phrase(), self.weather.phrase());
        let parts: Vec<String> = self.objects.iter().map(Group::phrase).collect();
        match parts.as_slice() {
            [] => head,
            [only] => format!("{head}, with {only}"),
            [rest @ .., last] => format!("{head}, with {} and {last}", rest.join(", ")),
        }
    }

    /// The class, an index into [`Biome::ALL`].
    pub fn class(&self) -> u32 {
        Biome::ALL.iter().position(|b| *b == self.biome).unwrap_or(0) as u32
    }
}

/// None to three groups of objects that suit the place; never two of a kind.
fn groups(biome: Biome, weather: Weather, dice: &mut Dice) -> Vec<Group> {
    let choices = biome.objects();
    let wanted = dice.weighted(&[0.6, 4.0, 4.0, 1.5]);
    let mut weights: Vec<f32> = choices.iter().map(|c| c.1).collect();
    if matches!(weather, Weather::Rain | Weather::Snow) {
        // Nobody goes up in a balloon, or to the beach, in such weather.
        for (weight, choice) in weights.iter_mut().zip(choices) {
            if matches!(choice.0, Kind::Balloon | Kind::Parasol) {
                *weight = 0.0;
            }
        }
    }
    let mut groups: Vec<Group> = Vec::new();
    for _ in 0..wanted {
        let pick = dice.weighted(&weights);
        let (kind, _, most) = choices[pick];
        weights[pick] = 0.0;
        let standing: u32 = groups.iter().filter(|g| !g.kind.flies()).map(|g| g.count).sum();
        let room = if kind.flies() { most } else { most.min(6_u32.saturating_sub(standing)) };
        let count = 1 + dice.below(room.max(1));
        let tints = kind.tints();
        let tint = tints.get(dice.below(tints.len() as u32) as usize).copied();
        if room > 0 {
            groups.push(Group { kind, tint, count });
        }
    }
    groups
}
