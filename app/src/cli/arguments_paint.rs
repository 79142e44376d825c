//! What can be typed for painting: `generate`, `edit` and `likelihood`.

use std::path::PathBuf;

use clap::Args;

use super::arguments::{Common, Generate};

/// How cells are written, for help.
const CELLS: &str = "\
Cells are written as r3-6,c2-9: rows 3 to 6 of columns 2 to 9, counted from 0. What is left out is all of it (r3 is a \
whole row); several have ; between them; `all` is all. Of a generator of scales the finest is meant; s4:r0-1 are \
cells of scale 4, counted from 0. Forced cells: r3,c4=17,r3,c5=18 (a code for each).";

/// Options of `generate`.
#[derive(Debug, Args)]
#[command(after_help = CELLS)]
pub(super) struct Paint {
    #[command(flatten)]
    pub(super) base: Generate,
    /// Cells that keep the tokens of --init; see below for how cells are written
    #[arg(long, value_name = "CELLS", requires = "init")]
    pub(super) lock: Option<String>,
    /// Codes that stand in some cells whatever the generator thinks
    #[arg(long, value_name = "CELL=CODE,...")]
    pub(super) force: Option<String>,
    /// An image, or a file of tokens, of which --lock keeps cells
    #[arg(long, value_name = "IMAGE_OR_TOKENS", requires = "lock")]
    pub(super) init: Option<PathBuf>,
    /// Go on with a trace that was cancelled, as it was asked for
    #[arg(long, value_name = "TRACE", conflicts_with_all = ["class", "caption", "prefix", "count", "seed", "steps", "schedule", "order", "self_correct",
        "choice_temperature", "guidance", "ramp", "temperature", "top_k", "top_p", "lock", "force", "init"])]
    pub(super) resume: Option<PathBuf>,
    #[command(flatten)]
    pub(super) show: Show,
}

/// What is kept of the steps of pictures, and made of them for a slide.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that a person types")]
pub(super) struct Show {
    /// Keep every step: a trace (.trace.safetensors) and a picture of each; cancelled or failed, the trace stays
    #[arg(long)]
    pub(super) trace: bool,
    /// Also write the steps of each picture as a GIF
    #[arg(long)]
    pub(super) gif: bool,
    /// Also write the steps of each picture as an animated PNG
    #[arg(long)]
    pub(super) apng: bool,
    /// Also write a contact sheet (sheet.png, sheet.svg): of all pictures, or of the steps of a single one
    #[arg(long)]
    pub(super) sheet: bool,
}

impl Paint {
    /// Whether what is done stays as a trace.
    pub(super) fn is_kept(&self) -> bool {
        self.show.trace || self.resume.is_some()
    }

    /// Whether something is wanted that is made of pictures.
    pub(super) fn wants_pictures(&self) -> bool {
        let Show { gif, apng, sheet, .. } = self.show;
        gif || apng || sheet
    }

    /// Whether steps are looked at.
    pub(super) fn wants_steps(&self) -> bool {
        let is_one = self.base.count == 1
            && !self.base.class.as_ref().is_some_and(|said| said.contains(','));
        self.is_kept() || self.show.wants_steps(is_one)
    }
}

impl Show {
    /// Whether steps are looked at, of one picture or of several.
    pub(super) fn wants_steps(&self, is_one: bool) -> bool {
        self.trace || self.gif || self.apng || (self.sheet && is_one)
    }
}

/// How larger pictures are worked, for help.
const WINDOWS: &str = "\
A picture of more tokens than the generator writes at once is worked in windows of the generator's size, one after the \
other. Traces, pictures of steps, GIF and APNG are then of one window each, named by the row and column of its first \
token (picture.r8-c16.trace.safetensors). The noise of a token is that of its place in the picture: it stays as it is \
when more or less is selected, or the windows lie elsewhere.

A decoder paints all of a picture anew. An image keeps its own pixels where the edit moves none, with a soft rim; --pure \
decodes all of it. Pictures of steps, GIF and APNG are decoded whole.

A document (.smalti) takes --out and --pure alone: its pictures come out with the pixels that the window shows. What generators \
wrote into them is written again and compared; where it comes out otherwise, or the generator is not there, the tokens \
that the document keeps stand, and it is said.";

/// Options of `edit`.
#[derive(Debug, Args)]
#[command(after_help = format!("{CELLS}\n\n{WINDOWS}"))]
pub(super) struct Edit {
    /// An image, a file of the tokens of one, or a document, which is made again as it was saved
    #[arg(value_name = "IMAGE_OR_TOKENS")]
    pub(super) subject: PathBuf,
    /// Cells that are written again; all others stay
    #[arg(long, value_name = "CELLS")]
    pub(super) resample: Option<String>,
    /// Cells that stay; without --resample all others are written again
    #[arg(long, value_name = "CELLS")]
    pub(super) lock: Option<String>,
    /// Codes that stand in some cells whatever the generator thinks
    #[arg(long, value_name = "CELL=CODE,...")]
    pub(super) force: Option<String>,
    /// The share of the cells of --resample that is written again, above 0 to 1; the others stay. The seed says which
    #[arg(long, value_name = "X", default_value_t = 1.0, requires = "resample")]
    pub(super) free: f32,
    /// Of VAR: the scale at which freedom begins, counted from 0 for the coarsest; coarser ones keep the codes of the
    /// picture
    #[arg(long, value_name = "N", requires = "resample")]
    pub(super) from_scale: Option<usize>,
    /// Pixels of the long side; without it the image keeps its own size
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8192))]
    pub(super) size: Option<u32>,
    /// Decode all of the picture; otherwise an image keeps its own pixels where the edit moves none
    #[arg(long)]
    pub(super) pure: bool,
    /// Go on with an edit that was cancelled: the words of its command, and the trace that it left; once for each of several
    #[arg(long, value_name = "TRACE")]
    pub(super) resume: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) show: Show,
    #[command(flatten)]
    pub(super) base: Generate,
}

impl Edit {
    /// Whether what is done stays as traces.
    pub(super) fn is_kept(&self) -> bool {
        self.show.trace || !self.resume.is_empty()
    }

    /// Whether steps are looked at.
    pub(super) fn wants_steps(&self) -> bool {
        self.is_kept() || self.show.wants_steps(self.base.count == 1)
    }
}

/// Options of `likelihood`.
#[derive(Debug, Args)]
pub(super) struct Likelihood {
    /// Images, brought to the generator's size, or files of tokens
    #[arg(required = true, value_name = "IMAGE_OR_TOKENS")]
    pub(super) images: Vec<PathBuf>,
    /// The generator: a shipped name or a file
    #[arg(long, value_name = "G")]
    pub(super) model: String,
    /// As pictures of this class, by name or number; without it, of any
    #[arg(long, value_name = "C")]
    pub(super) class: Option<String>,
    /// Hide an eighth of the tokens at a time from a masked generator, instead of one
    #[arg(long)]
    pub(super) fast: bool,
    /// The tokenizer, of the same tokens; without it the one that the generator was trained on
    #[arg(long, value_name = "M")]
    pub(super) tokenizer: Option<String>,
    /// Also write maps (.png), .csv and .npy to a folder; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Options of `cost`.
#[derive(Debug, Args)]
pub(super) struct Cost {
    /// Tokens along a side of the grid, 4 to 32; several by commas
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [4_u8, 8, 16, 32],
          value_parser = clap::value_parser!(u8).range(4..=32))]
    pub(super) side: Vec<u8>,
    /// Also measure on this machine how long it takes: untrained weights, at most 20 s each
    #[arg(long)]
    pub(super) measure: bool,
    #[command(flatten)]
    pub(super) common: Common,
}
