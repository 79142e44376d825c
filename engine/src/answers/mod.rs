//! What the window and the command line ask of the engine, one file a subject.
//!
//! Every type here is a [`crate::session::Question`] or a part of one: small, hashable, plain data.

pub mod code;
pub mod compare;
pub mod encode;
pub mod identify;
pub mod image;
pub mod model;
pub mod survey;
pub mod usage;

pub use code::{Appearance, CodeAppearance, CodeCard, CodeCardAnswer, CodeInImages, Occurrences};
pub use compare::{Compared, Comparison, Reconstruct};
pub use encode::{Decode, Decoded, Encode, Encoded, GridRef};
pub use identify::{Identified, Identify};
pub use image::{
    ClassMembers, ImageRef, LoadImage, LoadedImage, OwnSide, PastedPicture, SourceFacts,
    SourceInfo, SourceRef, Stamp, Thumbnail, WorkingImage,
};
pub use model::{InspectModel, ModelFacts, ModelInfo, ModelRef, ShippedModels, ShippedRecipes};
pub use survey::{
    CodebookOrder, CountsOf, GridCounts, GridUsage, ImageSample, OrderBy, Ordered, Sizes, Survey,
    Surveyed, WithoutCodes,
};
pub use usage::{Usage, UsageAnswer};
