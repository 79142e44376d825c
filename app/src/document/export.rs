//! What can be taken away, as plain data: the window's thread makes no file of it, what writes it does.

use std::sync::Arc;

use smalti_engine::images::Picture;
use smalti_engine::questions::ImageRef;
use smalti_engine::tokens::MASKED;

use super::view_id::PanelId;

/// How something is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// As a picture on the clipboard.
    Copy,
    /// As PNG, so many times larger than it is.
    Png(u32),
    /// As SVG, of what is drawn from numbers.
    Svg,
    /// As numbers.
    Csv,
    /// As tokens.
    Tokens(TokenFormat),
}

/// How tokens are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFormat {
    /// One array, of a single part.
    Npy,
    /// All parts, with who made them.
    Safetensors,
}

impl TokenFormat {
    /// The ending of its files.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Npy => "npy",
            Self::Safetensors => "safetensors",
        }
    }
}

/// A picture that becomes a file, or goes on the clipboard.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureFile {
    /// A file name without suffix.
    pub name: String,
    /// What it is made of.
    pub drawing: Drawing,
    /// What it is, as keywords and texts that the file keeps.
    pub words: Vec<(String, String)>,
    /// How it is taken away.
    pub how: How,
}

/// What a picture is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Drawing {
    /// Pixels.
    Pixels(Picture),
    /// Numbers, drawn where the file is written.
    Chart(Arc<Chart>),
    /// Images, read where the file is written.
    Sheet(Sheet),
}

/// Images side by side, as a contact sheet.
#[derive(Debug, Clone, PartialEq)]
pub struct Sheet {
    /// Which ones.
    pub images: Arc<[ImageRef]>,
    /// How many in a line.
    pub columns: u32,
    /// Side of an image in pixels, where it is not taken larger.
    pub side: u32,
}

impl Drawing {
    /// Whether images are read for it, which may take long.
    pub fn reads_images(&self) -> bool {
        matches!(self, Self::Sheet(_))
    }
}

impl From<Picture> for Drawing {
    fn from(picture: Picture) -> Self {
        Self::Pixels(picture)
    }
}

/// A figure that is drawn from numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What stands above it.
    pub title: String,
    /// Along the bottom, in words with their unit.
    pub across: String,
    /// Along the left, in words with their unit.
    pub up: String,
    /// Whether a decade is as high as the next.
    pub is_logarithmic: bool,
    /// What is drawn.
    pub shape: Shape,
}

/// What a figure shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Numbers over steps.
    Curves(Vec<Series>),
    /// A bar each.
    Bars(Arc<[f64]>),
    /// A field each, line by line, brighter the larger it is.
    Heat {
        /// The lines, each with as many fields.
        rows: Vec<Arc<[f32]>>,
        /// Fields of a line.
        columns: usize,
        /// The value that is brightest, where that is not the largest one; then 0 has a color, too. Else a field of 0
        /// is empty.
        full: Option<f32>,
    },
    /// Points over a rate.
    Points(Points),
}

/// Points of a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// All of them.
    pub marks: Vec<Point>,
    /// The corners of the frontier, by rate.
    pub frontier: Vec<(f64, f64)>,
    /// Whether a decade is as high as the next.
    pub is_up_logarithmic: bool,
}

/// A point of a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Its color on white; otherwise one by its group.
    pub color: Option<[u8; 3]>,
    /// What stands beside it.
    pub label: String,
    /// Those of one group are joined by a line; with none if it has no name.
    pub group: String,
    /// Where it is.
    pub at: (f64, f64),
    /// How far it reaches, up and down.
    pub ends: Option<(f64, f64)>,
    /// Whether it is full.
    pub is_filled: bool,
    /// Whether it is of a curve that others are compared with, which is drawn alone.
    pub is_reference: bool,
}

/// A number over steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Whose it is.
    pub name: String,
    /// (step, value), in order of steps.
    pub points: Vec<(u64, f64)>,
}

/// Numbers that become a file.
#[derive(Debug, Clone, PartialEq)]
pub struct TableFile {
    /// A file name without suffix.
    pub name: String,
    /// The numbers.
    pub table: Table,
}

/// Numbers by lines and columns.
#[derive(Debug, Clone, PartialEq)]
pub enum Table {
    /// A map, a line a row, without heads.
    Map {
        /// Line by line; the last one may be short.
        values: Column,
        /// Values of a line.
        columns: usize,
    },
    /// Columns below their heads.
    Columns(Vec<(String, Column)>),
    /// Lines of values, each with what it is called at its beginning.
    Rows {
        /// What the beginnings of lines are, then each value.
        heads: Vec<String>,
        /// What each line is called.
        first: Vec<String>,
        /// The lines.
        rows: Arc<[Arc<[f32]>]>,
    },
    /// A line a step, a column a curve; empty where a curve has none.
    Curves(Vec<Series>),
}

/// Values of one kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Codes; empty where no token stands.
    Codes(Arc<[u32]>),
    /// Counts.
    Counts(Arc<[u64]>),
    /// Measured or computed.
    Values(Arc<[f32]>),
    /// Words.
    Words(Vec<String>),
}

impl Column {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Codes(codes) => codes.len(),
            Self::Counts(counts) => counts.len(),
            Self::Values(values) => values.len(),
            Self::Words(words) => words.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One as text; empty where there is none.
    pub fn text(&self, at: usize) -> String {
        match self {
            Self::Codes(codes) => {
                let code = codes.get(at).filter(|code| **code != MASKED);
                code.map_or(String::new(), ToString::to_string)
            }
            Self::Counts(counts) => counts.get(at).map_or(String::new(), ToString::to_string),
            Self::Values(values) => values.get(at).map_or(String::new(), ToString::to_string),
            Self::Words(words) => words.get(at).cloned().unwrap_or_default(),
        }
    }
}

/// What is done with something that a view offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What its button does.
    Press,
    /// It is taken away.
    Take(How),
}

/// Something that a view offers under a name: a button of its own, or what is seen and can be taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What it is called among all that are offered: its name, or that with a number.
    pub name: String,
    /// The name that its view gives it, the same as in its file's name.
    pub named: String,
    /// What it is of: two things of one name are told apart by it. May be empty.
    pub about: String,
    /// What can be done with it.
    pub ways: Vec<Way>,
    /// The panel that offers it; none outside of all.
    pub panel: Option<PanelId>,
}

impl Offer {
    /// A button.
    pub fn button(name: &str) -> Self {
        let (named, about) = (name.to_owned(), String::new());
        Self { name: named.clone(), named, about, ways: vec![Way::Press], panel: None }
    }

    /// What can be taken away.
    pub fn of(name: &str, about: impl Into<String>, ways: &[How]) -> Self {
        let (named, ways) = (name.to_owned(), ways.iter().copied().map(Way::Take).collect());
        Self { name: named.clone(), named, about: about.into(), ways, panel: None }
    }

    /// How it can be taken away.
    pub fn taken(&self) -> impl Iterator<Item = How> + '_ {
        self.ways.iter().filter_map(|way| if let Way::Take(how) = way { Some(*how) } else { None })
    }
}
