//! The table of families: who recognizes, configures and builds which published network.

pub use super::kind::{Beside, Called, Family, Shapes, any, count, settings, settings_value, size};

use super::cosmos::CosmosDi;
use super::diffusers::DiffusersVq;
use super::emu3::Emu3Vq;
use super::gray::GrayPixels;
use super::gumbel::TamingGumbel;
use super::ldm::{Janus, LlamaGen, Taming};
use super::magvit2::OpenMagvit2;
use super::maskgit_vqgan::MaskGit;
use super::titok::TiTok;
use super::var::VarVqvae;

/// All families, the more particular ones first: the first that claims a checkpoint has it.
pub static FAMILIES: &[&dyn Family] = &[
    &OpenMagvit2,
    &DiffusersVq,
    &Emu3Vq,
    &CosmosDi,
    &TamingGumbel,
    &VarVqvae,
    &TiTok,
    &MaskGit,
    &Taming,
    &Janus,
    &LlamaGen,
    &GrayPixels,
];

/// The family of an id.
pub fn family(id: &str) -> Option<&'static dyn Family> {
    FAMILIES.iter().copied().find(|family| family.id() == id)
}
