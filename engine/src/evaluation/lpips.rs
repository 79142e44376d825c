//! LPIPS by the weights that a person has: which files, and which LPIPS that is. Nobody may ship these weights with a
//! program, so that without them there is none, and what Smalti's own judge says is never called so.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Device;

use super::hash::hash_of_file;
use crate::perceptual::{Lpips, Published, Sorted};
use crate::questions::Stamp;
use crate::session::{Desk, Question};
use crate::{EngineError, Result};

/// The files of a network and of its heads: one with both, or one each, in any order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LpipsFiles(Vec<(Arc<Path>, Stamp)>);

impl LpipsFiles {
    /// Files as they are now.
    ///
    /// # Errors
    /// [`EngineError::BadInput`] if there is none, or more than two.
    pub fn of(paths: &[PathBuf]) -> Result<Self> {
        if !(1..=2).contains(&paths.len()) {
            let hint = "name one file with network and heads, or one of each";
            return Err(EngineError::bad_input("lpips", format!("{} files", paths.len()), hint));
        }
        let stamped = |path: &PathBuf| (Arc::from(path.as_path()), Stamp::of(path));
        Ok(Self(paths.iter().map(stamped).collect()))
    }

    /// Where they are.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(path, _)| &**path)
    }

    /// Opens them, and says which LPIPS that is.
    ///
    /// # Errors
    /// As [`Sorted::of`] and [`Lpips::open`].
    pub(super) fn open(&self, device: &Device) -> Result<(Lpips, LpipsIdentity)> {
        let paths: Vec<&Path> = self.paths().collect();
        let Sorted { which, trunk, heads } = Sorted::of(&paths)?;
        let lpips = Lpips::open(which, trunk, heads, device)?;
        let mut weights = hash_of_file(trunk, 0)?;
        if heads != trunk {
            weights = hash_of_file(heads, weights)?;
        }
        Ok((lpips, LpipsIdentity { network: which, weights: format!("{weights:016x}") }))
    }
}

/// Which LPIPS: numbers of two are not to be compared.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub struct LpipsIdentity {
    /// The published network.
    pub network: Published,
    /// A hash over the bytes of its files.
    pub weights: String,
}

impl LpipsIdentity {
    /// An error if pictures of a size are too small for the network.
    pub(super) fn check_size(&self, (width, height): (u32, u32)) -> Result<()> {
        let (name, least) = (self.network.name(), self.network.least_side());
        if width.min(height) as usize >= least {
            return Ok(());
        }
        let reason = format!("{name} does not see pictures of {width}x{height}");
        let hint = format!("measure at a side of {least} pixels or more, or without LPIPS");
        Err(EngineError::bad_input("LPIPS", reason, hint))
    }
}

impl std::fmt::Display for LpipsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.network.name(), self.weights)
    }
}

/// Which LPIPS some files are, opened to know whether they are any.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReadLpips {
    /// The files.
    pub files: LpipsFiles,
}

impl Question for ReadLpips {
    type Answer = LpipsIdentity;

    fn answer(&self, desk: &Desk<'_>) -> Result<LpipsIdentity> {
        Ok(self.files.open(desk.device())?.1)
    }

    fn bytes(_: &LpipsIdentity) -> usize {
        64
    }

    fn is_file_work(&self) -> bool {
        true
    }
}
