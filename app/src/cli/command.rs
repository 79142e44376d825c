//! What can be typed: the subcommands.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use super::arguments::{
    Common, Decode, Encode, Evaluate, Frechet, Inspect, Merge, Render, Report, Tour, Train, Window,
};
use super::arguments_paint::{Cost, Edit, Likelihood, Paint};

/// See and edit the discrete visual tokens behind modern image generation.
///
/// Without a command the window opens, with the given files in it.
#[derive(Debug, Parser)]
#[command(name = "smalti", version, args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) window: Window,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Say what a checkpoint is, or what a file of tokens or a document holds
    Inspect(Inspect),
    /// Turn images into tokens
    Encode(Encode),
    /// Turn tokens back into a picture
    Decode(Decode),
    /// Train a tokenizer by a recipe
    Train(Train),
    /// Paint pictures with a tokenizer's codes
    Generate(Paint),
    /// Paint parts of a picture again, or put codes into it
    Edit(Edit),
    /// Tell how many bits each token of images is worth to a generator
    Likelihood(Likelihood),
    /// Tell what raster, MaskGIT and VAR cost by the size of the grid
    Cost(Cost),
    /// Measure tokenizers over images: quality, use of the codebook, rate
    Evaluate(Evaluate),
    /// Join parts of a measurement that were made with --shard, on one machine or many
    Merge(Merge),
    /// The Frechet distance of features of images and of reconstructions, by a network of your own
    Frechet(Frechet),
    /// Measure tokenizers and write one page about them: tables, figure, best and worst images
    Report(Report),
    /// Draw a scene or a view of the window into a PNG, no display needed
    Render(Render),
    /// Leave the whole story in a folder: pictures and one index.html
    Tour(Tour),
}

/// What a command line says, the program's name first, and which options of its subcommand were typed, such as
/// "--seed": one that has its usual value without a word, too.
pub(super) fn parse<I, T>(words: I) -> Result<(Arguments, Vec<String>), clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let mut all = Arguments::command();
    let found = all.try_get_matches_from_mut(words)?;
    let arguments = Arguments::from_arg_matches(&found).map_err(|error| error.format(&mut all))?;
    let named = found.subcommand().and_then(|(name, of)| Some((all.find_subcommand(name)?, of)));
    let typed = named.map_or_else(Vec::new, |(command, of)| {
        let options = command.get_arguments().filter_map(|one| Some((one.get_long()?, one)));
        let is_typed =
            |id: &str| of.value_source(id).is_some_and(|from| from == ValueSource::CommandLine);
        let options = options.filter(|(_, one)| is_typed(one.get_id().as_str()));
        options.map(|(name, _)| format!("--{name}")).collect()
    });
    Ok((arguments, typed))
}

impl Command {
    /// The options that every command has.
    pub(super) fn common(&self) -> &Common {
        match self {
            Self::Inspect(options) => &options.common,
            Self::Encode(options) => &options.common,
            Self::Decode(options) => &options.common,
            Self::Train(options) => &options.common,
            Self::Generate(options) => &options.base.common,
            Self::Edit(options) => &options.base.common,
            Self::Likelihood(options) => &options.common,
            Self::Cost(options) => &options.common,
            Self::Evaluate(options) => &options.common,
            Self::Merge(options) => &options.common,
            Self::Frechet(options) => &options.common,
            Self::Report(options) => &options.common,
            Self::Render(options) => &options.common,
            Self::Tour(options) => &options.common,
        }
    }
}
