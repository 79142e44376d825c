//! The document: everything a person decided, as one immutable value. No egui in it.
//!
//! A change makes a new value ([`Document::after`]), so undo, saving, comparing and sending are all
//! the same thing: keeping the value. What is large is shared behind `Arc`.

mod arrangement;
mod change;
mod command;
mod export;
mod fitting;
mod generating;
mod history;
pub(crate) mod in_runs;
mod looks;
mod lost;
mod names;
mod notice;
mod older;
mod opened;
mod race;
mod rates;
mod region;
mod run;
mod sampling;
mod secret;
mod selecting;
mod slot;
mod step;
mod taking_back;
mod value;
mod variations;
mod view_id;
mod work;

pub use arrangement::{Arrangement, MOST_ALIKE, Panel};
pub use command::{AppCommand, Command, Edit, JobCommand, Layout, Look, Open, Reading, ZoomTo};
pub use export::{
    Chart, Column, Drawing, How, Offer, PictureFile, Point, Points, Series, Shape, Sheet, Table,
    TableFile, TokenFormat, Way,
};
pub use generating::{Asked, Generate, GeneratedColor, Generating, Moment, Sampled};
pub use history::History;
pub use looks::{ColorBy, CompareMode, DifferenceKind, EditLooks, Looks, Pair};
pub use lost::{AllLost, Lost, LostKind, Moved, guesses};
pub use notice::{Notice, Severity};
pub use opened::Opened;
pub use race::{BETS, BETS_BY_NUMBER, LANES, OURS, Race, Raced, Racing};
pub use rates::{ALL_POINTS, QualityAxis, RateAxis, RatesLook, USUAL_IMAGES};
pub use region::Region;
pub use run::{Changes, NewPoint, RecipeRef, RunFolder};
pub use secret::Secret;
pub use selecting::{LARGEST_BRUSH, Tool, grown, inverted, shrunk};
pub use slot::Slot;
pub use value::{Document, PROBE, Selection, with_forced};
pub use variations::{MOST_NOTED, Variation, Variations};
pub use view_id::{Needs, PanelId, ViewId};
pub use work::{Work, WorkOn};

#[cfg(test)]
mod tests;
