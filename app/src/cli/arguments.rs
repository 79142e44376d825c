//! What can be typed behind a subcommand, but for painting.

use std::path::PathBuf;

use clap::Args;
use smalti_engine::device::DeviceChoice;
use smalti_engine::evaluation::Shard;
use smalti_engine::token_files::from_arrays::{Index, Wanted};
use smalti_engine::training::ProbeBudget;

/// Options of the window.
#[derive(Debug, Args)]
pub(super) struct Window {
    /// Documents, images, folders, checkpoints, tokens or scenes to open in the window
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Options that every command has.
#[derive(Debug, Clone, Args)]
pub(super) struct Common {
    /// Where networks run: cpu, cuda or metal
    #[arg(long, value_name = "DEVICE", env = "SMALTI_DEVICE", value_parser = device,
        default_value_t = DeviceChoice::built_for(), help_heading = "Everywhere")]
    pub(super) device: DeviceChoice,
    /// Processor threads to compute with; 0 takes all
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Everywhere")]
    pub(super) threads: usize,
    /// Print one JSON object a line instead of text
    #[arg(long, help_heading = "Everywhere")]
    pub(super) json: bool,
}

/// Options of `inspect`.
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// A checkpoint, the name of a shipped model, a file of tokens, or a document (.smalti)
    pub(super) file: String,
    /// List all tensors, also of a known family
    #[arg(long)]
    pub(super) tensors: bool,
    /// Print the few lines of Python with which the code that made it writes its tokens for Smalti
    #[arg(long)]
    pub(super) snippet: bool,
    #[command(flatten)]
    pub(super) reading: Reading,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Options of `encode`.
#[derive(Debug, Args)]
pub(super) struct Encode {
    /// Image files, or documents (.smalti), whose images have the tokens that were forced in them
    #[arg(required = true, value_name = "IMAGE")]
    pub(super) images: Vec<PathBuf>,
    /// The tokenizer: a shipped name or a checkpoint; without it a document's own
    #[arg(long, value_name = "M")]
    pub(super) model: Option<String>,
    /// Pixels of the long side; without it the image keeps its own size
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8192))]
    pub(super) size: Option<u32>,
    /// The folder that the tokens go to; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Options of `decode`.
#[derive(Debug, Args)]
pub(super) struct Decode {
    /// Tokens: .npy, .npz, .pt or .safetensors, of Smalti or of any other program; or a document (.smalti)
    pub(super) tokens: PathBuf,
    /// The tokenizer that made them: a shipped name or a checkpoint; a document knows its own
    #[arg(long, value_name = "M")]
    pub(super) model: Option<String>,
    /// The picture to write; of several, each gets its number before the suffix
    #[arg(long, value_name = "PNG")]
    pub(super) out: PathBuf,
    /// All variations that were kept in a document, each with its name before the suffix
    #[arg(long, conflicts_with_all = ["index", "grid", "key", "codes"])]
    pub(super) variations: bool,
    /// Of a document: decode all of each picture, as if "Whole picture decoded" were on in the window; otherwise an image
    /// keeps its own pixels where what was forced moves none
    #[arg(long)]
    pub(super) pure: bool,
    #[command(flatten)]
    pub(super) reading: Reading,
    #[command(flatten)]
    pub(super) common: Common,
}

/// How a file of tokens is read.
#[derive(Debug, Args)]
pub(super) struct Reading {
    /// Rows and columns of tokens in flat sequences, such as 11x16
    #[arg(long, value_name = "ROWSxCOLUMNS", value_parser = rows_and_columns)]
    pub(super) grid: Option<(usize, usize)>,
    /// Which of several images: a number from 0 on, or `all`
    #[arg(long, value_name = "N|all", value_parser = which)]
    pub(super) index: Option<Index>,
    /// Which array holds the tokens, where there are several
    #[arg(long, value_name = "NAME")]
    pub(super) key: Option<String>,
    /// The number of codes, K, where the file does not say it
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) codes: Option<u32>,
}

impl Reading {
    /// Whether anything was said, which only makes sense for tokens.
    pub(super) fn is_given(&self) -> bool {
        let Self { grid, index, key, codes } = self;
        grid.is_some() || index.is_some() || key.is_some() || codes.is_some()
    }

    /// For a tokenizer whose images all have tokens of one shape, if it is one.
    pub(super) fn wanted(&self, fixed: Option<(usize, usize)>) -> Wanted {
        let Self { grid, index, key, codes } = self;
        Wanted { key: key.clone(), grid: *grid, index: *index, codes: *codes, fixed }
    }
}

fn rows_and_columns(text: &str) -> Result<(usize, usize), String> {
    let sides = text.split_once(['x', 'X', '×']);
    let side = |side: &str| side.trim().parse::<usize>().ok().filter(|n| (1..=1 << 16).contains(n));
    let sides = sides.and_then(|(rows, columns)| Some((side(rows)?, side(columns)?)));
    sides.ok_or_else(|| "rows and columns, such as 11x16".to_owned())
}

fn which(text: &str) -> Result<Index, String> {
    if text == "all" {
        return Ok(Index::All);
    }
    text.parse().map(Index::One).map_err(|error| format!("a number from 0 on, or all: {error}"))
}

/// Options of `train`.
#[derive(Debug, Args)]
pub(super) struct Train {
    /// The recipe: a .ron file, the name of a shipped one, or the folder of a run, which has its own
    pub(super) recipe: PathBuf,
    /// The folder for checkpoints, metrics.csv and the final model; a run's own folder if that is given
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Go on where the run in that folder stopped
    #[arg(long)]
    pub(super) resume: bool,
    /// Go on although the images are others than those that the run was trained on so far
    #[arg(long)]
    pub(super) other_data: bool,
    /// Stop after this many steps in all; the schedule stays the recipe's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) steps: Option<u64>,
    /// Stop after this time; what is done is kept
    #[arg(long, value_name = "N")]
    pub(super) max_seconds: Option<u64>,
    /// Another seed than the recipe's
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Start from the weights of a tokenizer, as far as names and shapes agree: a shipped name or a file
    #[arg(long, value_name = "M", conflicts_with_all = ["resume", "from"])]
    pub(super) init: Option<String>,
    /// Take another way from where another run is, or was (--at); that run stays as it is
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub(super) from: Option<PathBuf>,
    /// The step of a checkpoint that the run of --from keeps
    #[arg(long, value_name = "STEP", requires = "from")]
    pub(super) at: Option<u64>,
    /// Change what may change while a run goes on, before its next step: lr, commitment, decay, restart,
    /// entropy, temperature, perceptual, adversarial
    #[arg(long = "set", value_name = "KNOB=VALUE")]
    pub(super) knobs: Vec<String>,
    /// Take less memory and more time: compute again in the backward pass what lies inside blocks
    #[arg(long)]
    pub(super) recompute: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Options of `generate`.
#[derive(Debug, Args)]
pub(super) struct Generate {
    /// The generator: a shipped name or a file; a document says itself which
    #[arg(long, value_name = "G")]
    pub(super) model: Option<String>,
    /// The class by name or number, several with commas between them; without it, any
    #[arg(long, value_name = "C")]
    pub(super) class: Option<String>,
    /// Features of a caption by the generator's text encoder: rows by features, as .npy or .safetensors
    #[arg(long, value_name = "FILE", conflicts_with = "class")]
    pub(super) caption: Option<PathBuf>,
    /// Tokens that come before those of the picture, for generators that were trained so
    #[arg(long, value_name = "FILE", conflicts_with_all = ["class", "caption"])]
    pub(super) prefix: Option<PathBuf>,
    /// Pictures of each class; each has a seed of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(super) count: u64,
    /// Decides every draw, of the first picture
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub(super) seed: u64,
    /// Steps of a masked generator
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub(super) steps: u32,
    /// How many tokens each of them keeps: cosine, arccos, linear, square, root, constant, or the share that is masked by
    /// the share of steps done, as in 0:1,0.5:0.8,1:0
    #[arg(long, value_name = "NAME_OR_POINTS", default_value = "cosine")]
    pub(super) schedule: String,
    /// Which tokens a masked generator keeps first: those it is most certain of (confidence), or those spread evenly
    /// over the picture (halton). groups:N lets a raster generator write N tokens in each pass, one in each of N bands
    /// of the picture: N times fewer passes, but worse pictures, since ours have learned to write one after the other:
    /// the tokens of a pass do not know of each other, and a band begins before what is above it is there
    #[arg(long, value_name = "ORDER", default_value = "confidence")]
    pub(super) order: String,
    /// Self-correction of a masked generator: question so many of its own tokens in each step, and take back those
    /// that now seem less likely than others
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) self_correct: u32,
    /// Strength of the noise by which a masked generator chooses what it keeps
    #[arg(long, value_name = "X", default_value_t = 4.5)]
    pub(super) choice_temperature: f32,
    /// How strongly the class leads; 1 is no guidance
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub(super) guidance: f32,
    /// Let guidance grow from 1 to its value
    #[arg(long)]
    pub(super) ramp: bool,
    /// Below 1 the likely becomes likelier
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub(super) temperature: f32,
    /// Draw among the likeliest N codes alone; 0: all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) top_k: u32,
    /// Draw among the likeliest codes that come to X together; 1: all
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub(super) top_p: f32,
    /// The tokenizer that decodes, of the same tokens; without it the one that the generator was trained on, and
    /// tokens alone where nothing tells it
    #[arg(long, value_name = "M")]
    pub(super) tokenizer: Option<String>,
    /// The folder that pictures and tokens go to; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Options of `evaluate`.
#[derive(Debug, Args)]
pub(super) struct Evaluate {
    /// Tokenizers: shipped names or checkpoints
    #[arg(required = true, value_name = "M")]
    pub(super) models: Vec<String>,
    #[command(flatten)]
    pub(super) images: Images,
    /// Only a part of the images, such as 2/3; smalti merge joins parts to the numbers of the whole
    #[arg(long, value_name = "I/N", default_value = "1/1", value_parser = shard)]
    pub(super) shard: Shard,
    /// Keep what is measured of each image in DIR, with the sums; what is there is gone on with
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Also write rate against quality of all of them to DIR: pareto.csv, .png and .svg, JPEG beside
    #[arg(long, value_name = "DIR")]
    pub(super) pareto: Option<PathBuf>,
    #[command(flatten)]
    pub(super) probing: Probing,
    #[command(flatten)]
    pub(super) common: Common,
}

// What `--probe` says without a number.
const _: () = assert!(ProbeBudget::STEPS == 300, "the option says so");

/// Whether tokens are probed, too.
#[derive(Debug, Args)]
pub(super) struct Probing {
    /// Also say what the tokens cost an AR probe, in bits: a raster generator of 2 layers and width 128 that is trained
    /// for STEPS steps on painted worlds, the same ones for every tokenizer, and takes some minutes each. Written behind
    /// the tokenizers; of 300 steps, as without a number, those that come with Smalti are known
    #[arg(long, value_name = "STEPS", num_args = 0..=1, default_missing_value = "300",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) probe: Option<u32>,
}

/// On which images tokenizers are measured.
#[derive(Debug, Args)]
pub(super) struct Images {
    /// An image, a folder, a .tar, CIFAR or IDX files, `worlds` or `samples`
    #[arg(long, value_name = "PATH")]
    pub(super) data: String,
    /// At most this many images
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) limit: Option<u64>,
    /// Side in pixels of the middle square that is measured; without it the images' own, up to 256
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(super) size: Option<u32>,
    /// The seed of `worlds`
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    /// The seed of the intervals
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) bootstrap_seed: u64,
    /// Also measure LPIPS by weights of your own: a file with the network (VGG16 or AlexNet) and its heads, or
    /// twice, one file of each
    #[arg(long, value_name = "FILE")]
    pub(super) lpips: Vec<PathBuf>,
}

/// Options of `merge`.
#[derive(Debug, Args)]
pub(super) struct Merge {
    /// Files that smalti evaluate --shard --out wrote (.safetensors), or folders of them
    #[arg(required = true, value_name = "PART")]
    pub(super) parts: Vec<PathBuf>,
    /// The folder for the whole
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Also write rate against quality of all of them to DIR: pareto.csv, .png and .svg
    #[arg(long, value_name = "DIR")]
    pub(super) pareto: Option<PathBuf>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Options of `frechet`.
#[derive(Debug, Args)]
pub(super) struct Frechet {
    /// Features of the images: one array (N, D) of floating point numbers (.npy), a row an image
    #[arg(value_name = "IMAGES.npy")]
    pub(super) images: PathBuf,
    /// Features of the reconstructions by the same network, in any order
    #[arg(value_name = "RECONSTRUCTIONS.npy")]
    pub(super) reconstructions: PathBuf,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Options of `report`.
#[derive(Debug, Args)]
pub(super) struct Report {
    /// Tokenizers: shipped names or checkpoints
    #[arg(required = true, value_name = "M")]
    pub(super) models: Vec<String>,
    #[command(flatten)]
    pub(super) images: Images,
    /// The folder for index.html and the numbers of each image
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    #[command(flatten)]
    pub(super) probing: Probing,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Options of `render`.
#[derive(Debug, Args)]
pub(super) struct Render {
    /// A scene, a scene file, a view, or a document (.smalti) as it was saved
    ///
    /// The scenes of `layouts/` are studio, see, watch and change, which the doors lead to; why-tokens, two-acts,
    /// raster, order, maskgit, edit, var, race and collapse for a lecture; compare, codebook, generate, rate and
    /// landscape. "doors" is what the window opens with.
    #[arg(value_name = "SCENE_OR_VIEW")]
    pub(super) what: String,
    /// Files to open in it
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) open: Vec<PathBuf>,
    /// The picture to write
    #[arg(long, value_name = "PNG")]
    pub(super) out: PathBuf,
    /// Width in points
    #[arg(long, value_name = "W", default_value_t = 1280,
        value_parser = clap::value_parser!(u32).range(64..=8192))]
    pub(super) width: u32,
    /// Height in points
    #[arg(long, value_name = "H", default_value_t = 800,
        value_parser = clap::value_parser!(u32).range(64..=8192))]
    pub(super) height: u32,
    /// Pixels per point
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    pub(super) scale: f32,
    /// dark, light or contrast
    #[arg(long, value_name = "T", default_value = "dark")]
    pub(super) theme: String,
    /// In presentation, at this caption of the scene, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(super) caption: Option<u32>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Options of `tour`.
#[derive(Debug, Args)]
pub(super) struct Tour {
    /// Image files; without any, the samples that come with Smalti
    #[arg(value_name = "IMAGE")]
    pub(super) images: Vec<PathBuf>,
    /// The folder that the tour goes to; made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// The tokenizer: a shipped name or a checkpoint
    #[arg(long, value_name = "M", default_value = "worlds-fsq")]
    pub(super) model: String,
    /// Side in pixels of the square that is shown
    #[arg(long, value_name = "N", default_value_t = 256,
        value_parser = clap::value_parser!(u32).range(16..=1024))]
    pub(super) size: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

/// A device by name; what to do instead is part of the message.
fn shard(text: &str) -> Result<Shard, String> {
    text.parse().map_err(|error: smalti_engine::EngineError| error.problem().to_string())
}

fn device(name: &str) -> Result<DeviceChoice, String> {
    name.parse().map_err(|error: smalti_engine::EngineError| error.problem().to_string())
}
