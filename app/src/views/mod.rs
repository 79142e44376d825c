//! The views: one file each, and a line each in [`VIEWS`].
//!
//! A view reads a [`crate::ctx::ViewCtx`], draws, and sends commands, which are applied after the
//! frame. Its own fields are only about looking (zoom, scroll, filter).

mod checkpoint;
mod code;
mod codebook;
mod compare;
mod cost;
mod dataset;
mod generate;
mod history;
mod jobs;
mod likelihood;
mod log;
mod pareto;
mod race;
mod runs;
mod scales;
mod schedule;
mod tokens;
mod training;
mod veiled;
mod view;

pub use self::veiled::ui as veiled_ui;
pub use self::view::View;
use crate::document::{Needs, Secret, ViewId};

/// What is known of a view before it is made.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Which one it is.
    pub id: ViewId,
    /// What it is called on the screen.
    pub title: &'static str,
    /// What it shows, in a sentence without a full stop.
    pub about: &'static str,
    /// What it asks for of an image.
    pub needs: Needs,
    /// What it says in so many places that it is veiled whole where that is asked about; a view that says it
    /// in one place veils that.
    pub tells: &'static [Secret],
    /// Makes one.
    pub make: fn() -> Box<dyn View>,
}

/// All views, in the order of menus and number keys.
pub static VIEWS: [Entry; ViewId::ALL.len()] = [
    Entry {
        id: ViewId::Compare,
        title: "Compare",
        about: "Original, reconstruction and what was lost",
        needs: Needs::Reconstruction,
        tells: &[Secret::Reconstruction],
        make: || Box::<compare::CompareView>::default(),
    },
    Entry {
        id: ViewId::Tokens,
        title: "Tokens",
        about: "The grid of tokens over the image",
        needs: Needs::Reconstruction,
        tells: &[],
        make: || Box::<tokens::TokensView>::default(),
    },
    Entry {
        id: ViewId::Codebook,
        title: "Codebook",
        about: "Every code and how much it is used",
        needs: Needs::Tokens,
        tells: &[Secret::Usage],
        make: || Box::<codebook::CodebookView>::default(),
    },
    Entry {
        id: ViewId::Code,
        title: "Code",
        about: "One code: what it decodes to and where it stands",
        needs: Needs::Tokens,
        tells: &[Secret::Usage],
        make: || Box::<code::CodeView>::default(),
    },
    Entry {
        id: ViewId::Dataset,
        title: "Dataset",
        about: "The images of a folder, an archive or a painted set",
        needs: Needs::Image,
        tells: &[],
        make: || Box::<dataset::DatasetView>::default(),
    },
    Entry {
        id: ViewId::Log,
        title: "Log",
        about: "What was said so far",
        needs: Needs::Image,
        tells: &[],
        make: || Box::<log::LogView>::default(),
    },
    Entry {
        id: ViewId::Jobs,
        title: "Jobs",
        about: "What is running, and how far it is",
        needs: Needs::Image,
        tells: &[],
        make: || Box::<jobs::JobsView>::default(),
    },
    Entry {
        id: ViewId::Checkpoint,
        title: "Checkpoint",
        about: "What a file of weights holds: its tensors and codebooks",
        needs: Needs::Image,
        tells: &[Secret::Usage],
        make: || Box::<checkpoint::CheckpointView>::default(),
    },
    Entry {
        id: ViewId::Training,
        title: "Training",
        about: "Runs as they learn: curves, codes over time, the probe, knobs",
        needs: Needs::Image,
        tells: &[],
        make: || Box::<training::TrainingView>::default(),
    },
    Entry {
        id: ViewId::Runs,
        title: "Runs",
        about: "All training runs, also those of before: watch, go on, open what they trained",
        needs: Needs::Image,
        tells: &[],
        make: || Box::<runs::RunsView>::default(),
    },
    Entry {
        id: ViewId::Generate,
        title: "Generate",
        about: "A generator at work, step by step: its tokens, the picture so far, what else it might have written",
        needs: Needs::Image,
        tells: &[],
        make: || Box::<generate::GenerateView>::default(),
    },
    Entry {
        id: ViewId::Pareto,
        title: "Pareto",
        about: "Rate against quality of all tokenizers on your images, and what others published",
        needs: Needs::Image,
        tells: &[],
        make: || Box::<pareto::ParetoView>::default(),
    },
    Entry {
        id: ViewId::History,
        title: "History",
        about: "What came of a picture, as a tree: go back to any state of it",
        needs: Needs::Tokens,
        tells: &[Secret::Reconstruction],
        make: || Box::<history::HistoryView>::default(),
    },
    Entry {
        id: ViewId::Race,
        title: "Race",
        about: "Three ways of writing tokens on one class, one seed and one clock: passes, seconds, the picture so far",
        needs: Needs::Image,
        tells: &[],
        make: || Box::<race::RaceView>::default(),
    },
    Entry {
        id: ViewId::Scales,
        title: "Scales",
        about: "Tokens in scales, from coarse to fine: those of each, and the picture so far",
        needs: Needs::Tokens,
        tells: &[Secret::Reconstruction],
        make: || Box::<scales::ScalesView>::default(),
    },
    Entry {
        id: ViewId::Likelihood,
        title: "Likelihood",
        about: "How many bits each token of the picture costs a generator that has to guess it",
        needs: Needs::Tokens,
        tells: &[],
        make: || Box::<likelihood::LikelihoodView>::default(),
    },
    Entry {
        id: ViewId::Cost,
        title: "Cost",
        about: "Passes, attention and seconds of each way of writing, by the size of the grid",
        needs: Needs::Image,
        tells: &[],
        make: || Box::<cost::CostView>::default(),
    },
    Entry {
        id: ViewId::Schedule,
        title: "Schedule",
        about: "How many tokens each step of MaskGIT writes: a curve to be dragged",
        needs: Needs::Image,
        tells: &[],
        make: || Box::<schedule::ScheduleView>::default(),
    },
];

impl Entry {
    /// The number key that brings it to the front, 1 to 9.
    pub fn key(&self) -> Option<u8> {
        let at = VIEWS.iter().position(|entry| entry.id == self.id)?;
        u8::try_from(at + 1).ok().filter(|key| *key <= 9)
    }
}

/// What is known of a view.
pub fn entry(id: ViewId) -> &'static Entry {
    VIEWS.iter().find(|entry| entry.id == id).unwrap_or(&VIEWS[0])
}

/// A view by its title, in small letters or large.
pub fn named(title: &str) -> Option<&'static Entry> {
    VIEWS.iter().find(|entry| entry.title.eq_ignore_ascii_case(title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_stands_in_the_table_and_is_found_by_its_title() {
        for id in ViewId::ALL {
            assert_eq!(entry(id).id, id);
            assert_eq!(named(&entry(id).title.to_lowercase()).map(|entry| entry.id), Some(id));
        }
    }
}
