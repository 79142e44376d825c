//! LPIPS from the files that people have: a network of torchvision, and heads of the `lpips` package.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};

use super::{Lpips, Published};
use crate::checkpoints::{self, Checkpoint};
use crate::layers::Weights;
use crate::{EngineError, Result};

/// How names of the first convolution end, by where a network comes from.
const FIRST: [&str; 2] = ["features.0.weight", "net.slice1.0.weight"];
/// How the names of heads begin; the package lists them a second time as `lins`.
const HEADS: [&str; 5] = ["lin0.", "lin1.", "lin2.", "lin3.", "lin4."];
/// How the name of the first head ends.
const HEAD: &str = "lin0.model.1.weight";

/// What of LPIPS a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holds {
    /// Which published network, if one.
    pub network: Option<Published>,
    /// Whether there are learned heads.
    pub heads: bool,
}

impl Holds {
    /// Looks into a file, by the names and shapes of its tensors.
    ///
    /// # Errors
    /// [`EngineError::Io`] if it cannot be read; [`EngineError::BadFile`] if it is no checkpoint, or the network in
    /// it is none of the published ones.
    pub fn of(path: &Path) -> Result<Self> {
        let checkpoint = checkpoints::read(path)?;
        let heads = below(&checkpoint, &[HEAD]).is_some();
        let Some(prefix) = below(&checkpoint, &FIRST) else {
            return Ok(Self { network: None, heads });
        };
        let shape = FIRST.iter().find_map(|first| {
            let entry = checkpoint.tensors.get(&format!("{prefix}{first}"))?;
            Some(entry.shape().to_vec())
        });
        let is_it = |which: &Published| shape.as_deref() == Some(which.first_shape().as_slice());
        let network = [Published::Vgg16, Published::AlexNet].into_iter().find(is_it);
        if network.is_none() {
            let shape = shape.unwrap_or_default();
            let reason = format!("the first layer of the network in it has shape {shape:?}");
            let hint = "LPIPS is by VGG16, whose first layer is [64, 3, 3, 3], or AlexNet, [64, 3, 11, 11]";
            return Err(EngineError::bad_file(path, reason, hint));
        }
        Ok(Self { network, heads })
    }
}

/// The files of a network and of its heads, which may be the same one, among some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sorted<'a> {
    /// Which network.
    pub which: Published,
    /// Its file.
    pub trunk: &'a Path,
    /// That of the heads.
    pub heads: &'a Path,
}

impl<'a> Sorted<'a> {
    /// Says which of one or two files holds what.
    ///
    /// # Errors
    /// As [`Holds::of`]; [`EngineError::BadFile`] naming what is in none of them.
    pub fn of(files: &[&'a Path]) -> Result<Self> {
        let held = files.iter().map(|path| Ok((*path, Holds::of(path)?)));
        let held = held.collect::<Result<Vec<_>>>()?;
        let network = held.iter().find_map(|(path, holds)| Some((*path, holds.network?)));
        let heads = held.iter().find(|(_, holds)| holds.heads).map(|(path, _)| *path);
        let last = files.last().copied().unwrap_or(Path::new(""));
        let bad = |reason: &str, hint: &str| Err(EngineError::bad_file(last, reason, hint));
        match (network, heads) {
            (Some((trunk, which)), Some(heads)) => Ok(Self { which, trunk, heads }),
            (None, Some(_)) => {
                bad("it has the heads of LPIPS, but not the network below them", NETWORK)
            }
            (Some(_), None) => bad("it has a network, but not the heads of LPIPS", PACKAGE),
            (None, None) => bad(
                "it has neither a network nor the heads of LPIPS",
                "choose a file with both, as the lpips package saves it, or torchvision's VGG16 or AlexNet and the \
                 package's heads of that",
            ),
        }
    }
}

/// Where the other half is.
const NETWORK: &str = "add the file of the network: torchvision's, such as vgg16-397923af.pth";
const PACKAGE: &str =
    "add the file of the heads: that of the lpips package, such as weights/v0.1/vgg.pth";

impl Lpips {
    /// Opens a published network and its heads, from any container that [`checkpoints::read`] takes:
    /// torchvision's state dict (`features.N.weight`; its last layers are not read), the `lpips` package's
    /// heads (`lin{i}.model.1.weight`). Both may be the same file, and stand below a prefix.
    ///
    /// # Errors
    /// [`EngineError::Io`] if a file cannot be read; [`EngineError::BadFile`] if it holds no such network or
    /// heads; [`EngineError::BadInput`] listing tensors that do not fit, or as [`Lpips::published`].
    pub fn open(which: Published, trunk: &Path, heads: &Path, device: &Device) -> Result<Self> {
        let network = "choose torchvision's weights of the network, such as vgg16-397923af.pth";
        let mut found = tensors(trunk, &FIRST, &["features.", "net."], network, device)?;
        let package = "choose the heads of the lpips package, such as weights/v0.1/vgg.pth";
        found.extend(tensors(heads, &[HEAD], &HEADS, package, device)?);
        let weights = Weights::loaded(found, false, device);
        let lpips = Self::of_weights(which, which.widths(), &weights)?;
        weights.finish(&format!("{} with {}", trunk.display(), heads.display()), &[])?;
        Ok(lpips)
    }
}

/// The prefix of the first tensor whose name ends as one of `first`.
fn below(checkpoint: &Checkpoint, first: &[&str]) -> Option<String> {
    let below = |name: &String| {
        let end = first.iter().find_map(|first| name.strip_suffix(first));
        end.filter(|prefix| prefix.is_empty() || prefix.ends_with('.')).map(str::to_owned)
    };
    checkpoint.tensors.keys().find_map(below)
}

/// The tensors of a file whose names begin as one of `wanted`, below the prefix of one that ends as one of
/// `first`.
fn tensors(
    path: &Path,
    first: &[&str],
    wanted: &[&str],
    hint: &str,
    device: &Device,
) -> Result<BTreeMap<String, Tensor>> {
    let checkpoint = checkpoints::read(path)?;
    let Some(prefix) = below(&checkpoint, first) else {
        let reason = format!("there is no tensor {}", first.join(" or "));
        return Err(EngineError::bad_file(path, reason, hint));
    };
    let is_wanted = |name: &str| {
        let own = name.strip_prefix(&prefix);
        own.is_some_and(|own| wanted.iter().any(|start| own.starts_with(start)))
    };
    let found = checkpoint.to_tensors_where(device, is_wanted)?;
    let own = |name: &str| name.strip_prefix(&prefix).unwrap_or_default().to_owned();
    Ok(found.into_iter().map(|(name, tensor)| (own(&name), tensor)).collect())
}
