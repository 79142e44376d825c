//! LPIPS from the files that people have: a network of torchvision, and heads of the `lpips` package.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};

use super::{Lpips, Published};
use crate::checkpoints;
use crate::layers::Weights;
use crate::{EngineError, Result};

/// How names of the first convolution end, by where a network comes from.
const FIRST: [&str; 2] = ["features.0.weight", "net.slice1.0.weight"];
/// How the names of heads begin; the package lists them a second time as `lins`.
const HEADS: [&str; 5] = ["lin0.", "lin1.", "lin2.", "lin3.", "lin4."];
/// How the name of the first head ends.
const HEAD: &str = "lin0.model.1.weight";

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
    let below = |name: &str| {
        let end = first.iter().find_map(|first| name.strip_suffix(first));
        end.filter(|prefix| prefix.is_empty() || prefix.ends_with('.')).map(str::to_owned)
    };
    let Some(prefix) = checkpoint.tensors.keys().find_map(|name| below(name)) else {
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
