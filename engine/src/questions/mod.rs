//! What the window and the command line ask of the engine, one file a subject.
//!
//! Every type here is a [`crate::session::Question`] or a part of one: small, hashable, plain data.

mod adds;
pub mod checkpoint;
pub mod code;
pub mod codec;
pub mod compare;
mod cost;
pub mod encode;
mod features;
mod generator;
mod generator_facts;
pub mod identify;
pub mod image;
mod likelihood;
pub mod model;
mod moved;
pub mod order;
mod paint;
mod partly;
pub mod perceive;
mod prompt;
pub mod reach;
pub mod run;
pub mod sample;
mod sheet;
pub mod stream;
pub mod usage;

pub use adds::{Added, PartAdds};
pub use checkpoint::{CodebookLook, InspectModel, Inspection, LookAtCodebook};
pub use code::{Appearance, CodeAppearance, CodeCard, CodeCardAnswer, CodeColors};
pub use code::{CodeInImages, Occurrences};
pub use codec::AsJpeg;
pub use compare::{Between, Compared, Comparison, Differences, Reconstruct};
pub use cost::TimeWriting;
pub use encode::{Among, Decode, Decoded, Encode, Encoded, Given, Subject};
pub use features::{FeatureFile, Frechet, FrechetOfFeatures};
pub use generator::{OpenGenerator, OpenedPainter, ShippedGenerators};
pub use generator_facts::GeneratorFacts;
pub use identify::{Identified, Identify};
pub use image::{
    ClassMembers, ImageRef, ImageSize, LoadImage, LoadedImage, OwnSide, PastedPicture, SourceFacts,
    SourceInfo, SourceRef, Stamp, Thumbnail, WorkingImage,
};
pub use likelihood::Likelihood;
pub use model::{ModelFacts, ModelInfo, ModelRef, ShippedModels, ShippedRecipes};
pub use moved::{Blend, Blended, EncodeAgain, EncodedAgain, Moved, MovedPixels};
pub use order::{CodebookOrder, OrderBy, Ordered, WithoutCodes};
pub use paint::{BrushStroke, PaintTokens, STROKE_UNIT};
pub use partly::DecodePartly;
pub use perceive::LpipsLike;
pub use prompt::{caption_of, prefix_of};
pub use reach::{Reach, Reached};
pub use run::{KeptRun, ListRuns, ListedRun, ReadRun};
pub use sample::{ImageSample, SetSample, Sizes};
pub use sheet::ContactSheet;
pub use stream::TokensOfFile;
pub use usage::{CodeUse, Sample, Scope, Used};
