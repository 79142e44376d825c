//! A race: the same class and seed painted by up to three generators. What is asked and what was bet are decided by
//! a person and stay; what it took is measured, and belongs to the run.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smalti_engine::questions::ModelRef;

use super::generating::Asked;

/// So many generators race at most.
pub const LANES: usize = 3;
/// The generators that race where nobody chose others: one of each way, all of one data set.
pub const OURS: [&str; LANES] = ["worlds-raster", "worlds-maskgit", "worlds-var"];

/// What the Race view offers for a bet on each lane.
pub const BETS: [&str; LANES] =
    ["Say that lane 1 is first", "Say that lane 2 is first", "Say that lane 3 is first"];
/// What it offers while number keys bet, in the place of showing other views.
pub const BETS_BY_NUMBER: &str = "Say by a number key which lane is first";

/// A race as it was started.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Raced {
    /// What each lane was asked; none where no generator stood.
    pub asked: [Option<Arc<Asked>>; LANES],
    /// The lane of which somebody said that it would be first, from 0.
    #[serde(default)]
    pub bet: Option<u8>,
}

impl Raced {
    /// What was asked, lane by lane.
    pub fn lanes(&self) -> impl Iterator<Item = &Arc<Asked>> {
        self.asked.iter().flatten()
    }
}

/// What the next race is, and which one is looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Race {
    /// The class by its name or number; any if `None`.
    pub class: Option<Arc<str>>,
    /// Decides every draw.
    pub seed: u64,
    /// The generators that were chosen in place of [`OURS`].
    pub chosen: [Option<ModelRef>; LANES],
    /// The lane of which somebody says that it will be first, from 0.
    pub bet: Option<u8>,
    /// The race that was started last.
    pub raced: Option<Arc<Raced>>,
}

impl Default for Race {
    fn default() -> Self {
        Self { class: None, seed: 1, chosen: Default::default(), bet: None, raced: None }
    }
}

/// Sets a race up, or starts it.
#[derive(Debug, Clone, PartialEq)]
pub enum Racing {
    /// The next race is this one.
    Set(Box<Race>),
    /// Another generator stands in a lane, from 0.
    Choose(usize, ModelRef),
    /// The same with its file as it is now: it may have been trained further.
    ChooseAgain(usize, ModelRef),
    /// Starts it.
    Start(Box<Raced>),
}

impl Race {
    /// The generator of a lane; none where ours does not come with this program and nobody chose another one.
    pub fn generator(&self, lane: usize, shipped: &[String]) -> Option<ModelRef> {
        let ours = OURS.get(lane).filter(|ours| shipped.iter().any(|name| name == *ours));
        let chosen = self.chosen.get(lane)?.clone();
        chosen.or_else(|| ours.map(|ours| ModelRef::Shipped((*ours).into())))
    }

    /// The race that would be started now, with the generators that come with this program. How tokens are drawn is
    /// as it is `set` for generating, the same for all.
    pub fn next(&self, shipped: &[String], set: Option<&Asked>) -> Raced {
        let of_lane = |lane: usize| {
            let mut asked = Asked::of(self.generator(lane, shipped)?);
            (asked.class, asked.seed) = (self.class.clone(), self.seed);
            if let Some(set) = set {
                (asked.sampling, asked.unmasking) = (set.sampling, set.unmasking.clone());
                if set.generator == asked.generator {
                    asked.tokenizer.clone_from(&set.tokenizer);
                }
            }
            Some(Arc::new(asked))
        };
        Raced { asked: std::array::from_fn(of_lane), bet: self.bet }
    }

    /// The race that is looked at: the last one, as long as the next one would be the same.
    pub fn seen(&self, next: &Raced) -> Option<&Arc<Raced>> {
        self.raced.as_ref().filter(|raced| raced.asked == next.asked)
    }

    /// Another one: nothing is bet on it yet.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut other = Self { bet: None, ..self.clone() };
        change(&mut other);
        other
    }

    /// What a command does to it.
    pub(super) fn after(&mut self, command: &Racing) {
        match command {
            Racing::Set(race) => *self = Self::clone(race),
            Racing::Choose(lane, generator) => {
                *self = self.with(|race| {
                    if let Some(chosen) = race.chosen.get_mut(*lane) {
                        *chosen = Some(generator.clone());
                    }
                });
            }
            // It becomes a choice when its file was looked at.
            Racing::ChooseAgain(..) => {}
            Racing::Start(raced) => self.raced = Some(Arc::new(Raced::clone(raced))),
        }
    }

    /// What was asked of generators.
    pub(super) fn all_asked(&self) -> impl Iterator<Item = &Arc<Asked>> {
        self.raced.iter().flat_map(|raced| raced.lanes())
    }

    /// The same with models as they are now.
    #[must_use]
    pub fn with_models(mut self, now: impl Fn(&ModelRef) -> ModelRef) -> Self {
        self.chosen = self.chosen.map(|model| model.as_ref().map(&now));
        if let Some(raced) = &self.raced {
            let renew = |asked: &Arc<Asked>| Arc::new(asked.with_models(&now));
            let asked = raced.asked.each_ref().map(|asked| asked.as_ref().map(renew));
            self.raced = Some(Arc::new(Raced { asked, bet: raced.bet }));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smalti_engine::questions::Stamp;

    fn file(name: &str) -> ModelRef {
        ModelRef::File { path: std::path::Path::new(name).into(), stamp: Stamp::default() }
    }

    #[test]
    fn ours_race_as_far_as_they_are_there_and_another_one_can_take_a_lane() {
        let shipped = ["worlds-maskgit".to_owned(), "worlds-other".to_owned()];
        let race = Race { class: Some("coast".into()), seed: 9, ..Race::default() };
        let next = race.next(&shipped, None);
        assert_eq!(next.lanes().count(), 1);
        let own = next.asked[1].as_ref().unwrap();
        assert_eq!((own.class.as_deref(), own.seed), (Some("coast"), 9));
        let other = race.with(|race| race.chosen[0] = Some(file("a.safetensors")));
        let mut set = Asked::of(file("a.safetensors"));
        set.sampling.temperature = 0.5;
        set.tokenizer = Some(file("t.safetensors"));
        let next = other.next(&shipped, Some(&set));
        let [first, second, third] = &next.asked;
        assert_eq!(
            first.as_ref().unwrap().tokenizer,
            set.tokenizer,
            "it decodes it in Generate, too"
        );
        assert_eq!(second.as_ref().unwrap().tokenizer, None, "another generator has its own");
        assert_eq!(second.as_ref().unwrap().sampling.temperature, 0.5);
        assert!(third.is_none());
    }

    #[test]
    fn a_race_is_seen_until_another_one_is_asked_for_and_survives_its_own_text() {
        let shipped = ["worlds-maskgit".to_owned()];
        let mut race = Race { bet: Some(1), ..Race::default() };
        let next = race.next(&shipped, None);
        assert!(race.seen(&next).is_none());
        race.after(&Racing::Start(Box::new(next.clone())));
        assert_eq!(race.seen(&next).unwrap().bet, Some(1));
        let other = race.with(|race| race.seed += 1);
        assert_eq!(other.bet, None, "nothing is bet on another one");
        assert!(other.seen(&other.next(&shipped, None)).is_none());
        let text = serde_json::to_string(&race).unwrap();
        assert_eq!(serde_json::from_str::<Race>(&text).unwrap(), race);
    }
}
