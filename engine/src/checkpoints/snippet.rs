//! A few lines of Python with which a person's own code writes its token indices for Smalti.
//!
//! Smalti reads whole numbers of shape (B, H, W) from a `.npy` file and asks for K, the number of
//! codes. What differs between projects is how the model is built and which value of `encode` holds the
//! indices. Sources: the projects' own code, as named in each.

use std::path::Path;

use serde_json::Value;

use super::{Container, Design};

/// Lines that write the indices, for a family where it is known, with what the file says of its sizes; else
/// general ones with the two places to fill in.
pub fn snippet(design: Option<&Design>, container: Container, path: &Path) -> String {
    let family = design.and_then(|design| Known::of(&design.family));
    let nothing = Value::Null;
    let settings = design.map_or(&nothing, |design| &design.settings);
    let path = python_text(&path.display().to_string());
    let body = match family {
        Some(Known::Taming) => TAMING.replace("STATE", &state(container, "state_dict")),
        Some(Known::Gumbel) => GUMBEL.replace("STATE", &state(container, "state_dict")),
        Some(Known::LlamaGen) => llamagen(settings).replace("STATE", &llamagen_state(container)),
        Some(Known::Var) => var(settings).replace("STATE", &state(container, "")),
        Some(Known::Magvit) => MAGVIT.replace("STATE", &state(container, "state_dict")),
        Some(Known::Ibq) => IBQ.replace("STATE", &state(container, "state_dict")),
        Some(Known::Diffusers) => DIFFUSERS.to_owned(),
        Some(Known::TiTok) => TITOK.replace("STATE", &state(container, "")),
        Some(Known::Cosmos) => COSMOS.to_owned(),
        Some(Known::Emu3) => EMU3.to_owned(),
        Some(Known::MaskGit) => MASKGIT.replace("STATE", &state(container, "")),
        None if container == Container::TorchScript => SCRIPT.to_owned(),
        None => GENERAL.to_owned(),
    };
    let range = match family {
        Some(Known::TiTok | Known::MaskGit) => "/ 255  # (B, 3, H, W) in [0, 1]",
        _ => "/ 127.5 - 1  # (B, 3, H, W) in [-1, 1]",
    };
    let side = match family {
        Some(Known::Var) => var_side(settings),
        Some(Known::TiTok) => settings["crop_size"].as_u64(),
        _ => None,
    };
    let side = side.unwrap_or(256).to_string();
    let head = HEAD.replace("PATH", &path).replace("RANGE", range).replace("SIDE", &side);
    format!("{head}\n{}", body.trim_start())
}

/// Families whose code is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Taming,
    Gumbel,
    LlamaGen,
    Var,
    Magvit,
    Ibq,
    Diffusers,
    TiTok,
    Cosmos,
    Emu3,
    MaskGit,
}

impl Known {
    fn of(id: &str) -> Option<Self> {
        let id = id.to_lowercase();
        let words: Vec<&str> = id.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let has = |part: &str| id.contains(part);
        // The more particular names first: "taming_gumbel", "maskgit_vqgan", "diffusers_vqmodel".
        Some(match () {
            () if has("gumbel") => Self::Gumbel,
            () if has("diffusers") || has("movq") => Self::Diffusers,
            () if has("llamagen") => Self::LlamaGen,
            () if has("titok") => Self::TiTok,
            () if has("maskgit") => Self::MaskGit,
            () if has("magvit") || words.contains(&"lfq") => Self::Magvit,
            () if words.contains(&"ibq") => Self::Ibq,
            () if has("cosmos") => Self::Cosmos,
            () if has("emu3") => Self::Emu3,
            () if words.contains(&"var") => Self::Var,
            () if has("taming") || has("vqgan") || words.contains(&"ldm") => Self::Taming,
            () => return None,
        })
    }
}

/// Text between quotes as Python reads it.
fn python_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.extend(format!("\\u{:04x}", c as u32).chars()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// How the weights are loaded, below a key where training keeps them there.
fn state(container: Container, key: &str) -> String {
    if matches!(container, Container::Safetensors | Container::ShardedSafetensors) {
        return "from safetensors.torch import load_file\nstate = load_file(path)".to_owned();
    }
    let load = "state = torch.load(path, map_location=\"cpu\", weights_only=True)  \
                # False only for a file you trust";
    if key.is_empty() {
        load.to_owned()
    } else {
        format!("{load}\nstate = state.get(\"{key}\", state)")
    }
}

fn llamagen_state(container: Container) -> String {
    let loaded = state(container, "");
    if loaded.contains("load_file") {
        return loaded;
    }
    format!("{loaded}\nstate = state.get(\"ema\") or state.get(\"model\") or state[\"state_dict\"]")
}

/// The network of VAR with this file's sizes, which its own defaults are only for the published one.
fn var(settings: &Value) -> String {
    let book = &settings["quantize"];
    let or = |value: &Value, usual: u64| value.as_u64().unwrap_or(usual).to_string();
    let patches: Vec<String> =
        book["v_patch_nums"].as_array().into_iter().flatten().map(Value::to_string).collect();
    let patches = if patches.is_empty() {
        String::new()
    } else {
        format!("v_patch_nums=({},), ", patches.join(", "))
    };
    VAR.replace("VOCAB", &or(&book["vocab_size"], 4096))
        .replace("CHANNELS", &or(&settings["z_channels"], 32))
        .replace("WIDTH", &or(&settings["ch"], 160))
        .replace("SHARE", &or(&book["share_quant_resi"], 4))
        .replace("PATCHES", &patches)
}

/// The side of VAR's pictures in pixels: the last scale times the factor.
fn var_side(settings: &Value) -> Option<u64> {
    let last = settings["quantize"]["v_patch_nums"].as_array()?.last()?.as_u64()?;
    let levels = settings["ch_mult"].as_array()?.len();
    last.checked_shl(u32::try_from(levels.checked_sub(1)?).ok()?)
}

fn llamagen(settings: &Value) -> String {
    let (network, book) = (&settings["network"], &settings["quantizer"]["Vq"]);
    let or = |value: &Value, usual: u64| value.as_u64().unwrap_or(usual).to_string();
    let name = match network["ch_mult"].as_array().map(Vec::len) {
        Some(4) => "VQ-8",
        _ => "VQ-16",
    };
    LLAMAGEN
        .replace("NAME", name)
        .replace("CODES", &or(&book["codes"], 16384))
        .replace("DIM", &or(&network["embed_dim"], 8))
}

const HEAD: &str = r#"import numpy as np
import torch
from PIL import Image

path = PATH
image = Image.open("photo.png").convert("RGB").resize((SIDE, SIDE), Image.BICUBIC)
images = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() RANGE
"#;

// CompVis/taming-transformers, taming/models/vqgan.py. The loss would load a network that is not needed.
const TAMING: &str = r#"
from omegaconf import OmegaConf
from taming.models.vqgan import VQModel

params = OmegaConf.load("config.yaml").model.params
params.lossconfig = {"target": "taming.modules.losses.DummyLoss"}
model = VQModel(**params).eval()
STATE
model.load_state_dict(state, strict=False)
with torch.no_grad():
    latents, _, (_, _, indices) = model.encode(images)
b, _, h, w = latents.shape
np.save("tokens.npy", indices.reshape(b, h, w).cpu().numpy().astype(np.int32))
print("K =", params.n_embed)
"#;

// CompVis/taming-transformers, GumbelVQ. Its own encode adds noise even when it is not training.
const GUMBEL: &str = r#"
from omegaconf import OmegaConf
from taming.models.vqgan import GumbelVQ

params = OmegaConf.load("config.yaml").model.params
params.lossconfig = {"target": "taming.modules.losses.DummyLoss"}
model = GumbelVQ(**params).eval()
STATE
model.load_state_dict(state, strict=False)
with torch.no_grad():
    # encode() draws from its logits with noise; the largest one is the token
    indices = model.quantize.proj(model.encode_to_prequant(images)).argmax(dim=1)
np.save("tokens.npy", indices.cpu().numpy().astype(np.int32))  # (B, H, W)
print("K =", params.n_embed)
"#;

// FoundationVision/LlamaGen, tokenizer/tokenizer_image/vq_model.py.
const LLAMAGEN: &str = r#"
from tokenizer.tokenizer_image.vq_model import VQ_models

model = VQ_models["NAME"](codebook_size=CODES, codebook_embed_dim=DIM).eval()
STATE
model.load_state_dict(state)
with torch.no_grad():
    latents, _, (_, _, indices) = model.encode(images)
b, _, h, w = latents.shape
np.save("tokens.npy", indices.reshape(b, h, w).cpu().numpy().astype(np.int32))
print("K =", model.config.codebook_size)
"#;

// FoundationVision/VAR, models/vqvae.py. All scales in a row, as its transformer reads them.
const VAR: &str = r#"
from models import VQVAE

model = VQVAE(vocab_size=VOCAB, z_channels=CHANNELS, ch=WIDTH, PATCHESshare_quant_resi=SHARE, test_mode=True)
STATE
model.load_state_dict(state)
with torch.no_grad():
    scales = model.img_to_idxBl(images)
indices = torch.cat(scales, dim=1)  # (B, tokens of all scales)
np.save("tokens.npy", indices.cpu().numpy().astype(np.int32))
print("K =", model.vocab_size)
"#;

// TencentARC/SEED-Voken, src/Open_MAGVIT2/models/lfqgan.py. Its evaluation uses the averaged weights.
const MAGVIT: &str = r#"
from omegaconf import OmegaConf
from src.Open_MAGVIT2.models.lfqgan import VQModel

params = OmegaConf.load("config.yaml").model.init_args
model = VQModel(**params).eval()
STATE
model.load_state_dict(state, strict=False)
with torch.no_grad(), model.ema_scope():
    latents, _, indices, _ = model.encode(images)
b, _, h, w = latents.shape
if isinstance(indices, tuple):  # token_factorization: the first part holds the low bits
    low, high = indices
    indices = low.long() + high.long() * 2 ** params.factorized_bits[0]
np.save("tokens.npy", indices.reshape(b, h, w).cpu().numpy().astype(np.int32))
print("K =", params.n_embed)
"#;

// TencentARC/SEED-Voken, src/IBQ/models/ibqgan.py.
const IBQ: &str = r#"
from omegaconf import OmegaConf
from src.IBQ.models.ibqgan import IBQ

params = OmegaConf.load("config.yaml").model.init_args
model = IBQ(**params).eval()
STATE
model.load_state_dict(state, strict=False)
with torch.no_grad():
    latents, _, (_, _, indices) = model.encode(images)
b, _, h, w = latents.shape
np.save("tokens.npy", indices.reshape(b, h, w).cpu().numpy().astype(np.int32))
print("K =", params.n_embed)
"#;

// huggingface/diffusers, models/autoencoders/vq_model.py: its encode gives latents before the codes.
const DIFFUSERS: &str = r#"
import os
from diffusers import VQModel

folder = path if os.path.isdir(path) else os.path.dirname(path) or "."  # with its config.json
model = VQModel.from_pretrained(folder).eval()
with torch.no_grad():
    latents = model.encode(images).latents
    _, _, (_, _, indices) = model.quantize(latents)
b, _, h, w = latents.shape
np.save("tokens.npy", indices.reshape(b, h, w).cpu().numpy().astype(np.int32))
print("K =", model.config.num_vq_embeddings)
"#;

// bytedance/1d-tokenizer, modeling/titok.py. The tokens of a picture are one row.
const TITOK: &str = r#"
from omegaconf import OmegaConf
from modeling.titok import TiTok

config = OmegaConf.load("config.yaml")  # of configs/infer, or the config.json beside the weights
model = TiTok(config).eval()
STATE
model.load_state_dict(state)
with torch.no_grad():
    _, result = model.encode(images)
indices = result["min_encoding_indices"]  # (B, 1, tokens)
np.save("tokens.npy", indices.cpu().numpy().astype(np.int32))
print("K =", config.model.vq_model.codebook_size)
"#;

// NVIDIA/Cosmos-Tokenizer, cosmos_tokenizer/image_lib.py. The release runs in bfloat16.
const COSMOS: &str = r#"
from cosmos_tokenizer.image_lib import ImageTokenizer

device = "cuda" if torch.cuda.is_available() else "cpu"
model = ImageTokenizer(checkpoint_enc=path, device=device, dtype="bfloat16")  # encoder.jit
indices, _ = model.encode(images.to(device, torch.bfloat16))
np.save("tokens.npy", indices.cpu().numpy().astype(np.int32))  # (B, H, W)
print("K =", 8 * 8 * 8 * 5 * 5 * 5)
"#;

// baaivision/Emu3, emu3/tokenizer; the model's folder brings its own code.
const EMU3: &str = r#"
import os
from transformers import AutoModel

folder = path if os.path.isdir(path) else os.path.dirname(path) or "."
model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
with torch.no_grad():
    indices = model.encode(images)  # (B, H, W); sides a multiple of 8
np.save("tokens.npy", indices.cpu().numpy().astype(np.int32))
print("K =", model.config.codebook_size)
"#;

// bytedance/1d-tokenizer, modeling/titok.py: PretrainedTokenizer is MaskGIT's VQGAN.
const MASKGIT: &str = r#"
from modeling.titok import PretrainedTokenizer

model = PretrainedTokenizer(path)  # loads the weights itself
with torch.no_grad():
    indices = model.encode(images)  # (B, H * W)
h, w = images.shape[2] // 16, images.shape[3] // 16
np.save("tokens.npy", indices.reshape(-1, h, w).cpu().numpy().astype(np.int32))
print("K =", model.quantize.num_embeddings)
"#;

const SCRIPT: &str = r#"
model = torch.jit.load(path, map_location="cpu").eval()
with torch.no_grad():
    out = model(images)
parts = out if isinstance(out, (tuple, list)) else [out]
indices = next(p for p in parts if not p.dtype.is_floating_point)  # the whole numbers
np.save("tokens.npy", indices.cpu().numpy().astype(np.int32))  # (B, H, W)
print("shape", tuple(indices.shape), "largest index", int(indices.max()), "- K is your codebook's size")
"#;

const GENERAL: &str = r#"
model = ...  # your network with the weights of `path`, as you run it
with torch.no_grad():
    indices = model.encode(images)  # what your quantizer calls indices, codes or ids
    K = ...  # the number of codes, such as model.quantize.embedding.weight.shape[0]
b = len(images)
h, w = 16, 16  # rows and columns of tokens; 1 and their number where they have no places
grid = indices.reshape(b, h, w).cpu().numpy().astype(np.int32)
assert 0 <= grid.min() and grid.max() < K
np.save("tokens.npy", grid)
print("K =", K)
"#;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of_family(id: &str) -> Design {
        Design { family: id.to_owned(), settings: Value::Null }
    }

    #[test]
    fn the_sizes_are_those_of_the_file() {
        let settings = json!({ "ch": 32, "ch_mult": [1, 1], "z_channels": 12, "quantize": {
            "vocab_size": 80, "v_patch_nums": [1, 2, 8], "share_quant_resi": 4 } });
        let design = Design { family: "var_vqvae".to_owned(), settings };
        let text = snippet(Some(&design), Container::TorchZip, Path::new("x.pth"));
        for part in
            ["vocab_size=80", "z_channels=12", "ch=32", "v_patch_nums=(1, 2, 8,)", "(16, 16)"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        let settings = json!({ "network": { "ch_mult": [1, 2, 2, 4], "embed_dim": 8 },
            "quantizer": { "Vq": { "codes": 96 } } });
        let design = Design { family: "llamagen_vq".to_owned(), settings };
        let text = snippet(Some(&design), Container::TorchZip, Path::new("x.pt"));
        assert!(
            text.contains("VQ_models[\"VQ-8\"](codebook_size=96, codebook_embed_dim=8)"),
            "{text}"
        );
    }

    #[test]
    fn every_snippet_writes_tokens_and_says_k() {
        let ids = [
            "taming_vqmodel",
            "taming_gumbel",
            "llamagen_vq",
            "var_vqvae",
            "lfq",
            "open_magvit2",
            "ibq",
            "diffusers_vqmodel",
            "diffusers_movq",
            "titok_vq",
            "cosmos_di",
            "emu3_vq",
            "maskgit_vqgan",
            "something_else",
        ];
        let mut texts = std::collections::BTreeSet::new();
        for id in ids {
            for container in [Container::TorchZip, Container::Safetensors, Container::TorchScript] {
                let text = snippet(Some(&of_family(id)), container, Path::new("a b.ckpt"));
                assert!(text.contains("path = \"a b.ckpt\""), "{id}: {text}");
                assert!(text.contains("np.save(") && text.contains("astype(np.int32)"), "{id}");
                assert!(text.contains("K "), "{id}");
                for placeholder in ["STATE", "PATH", "RANGE", "SIDE", "VOCAB", "CODES", "NAME]"] {
                    assert!(!text.contains(placeholder), "{id}: {placeholder} is left in\n{text}");
                }
                assert!(text.lines().count() < 40, "{id}: a few lines");
                texts.insert(text);
            }
        }
        assert!(texts.len() >= 18, "families share their lines: {}", texts.len());
    }

    #[test]
    fn the_range_of_pixels_is_the_one_that_the_network_was_trained_with() {
        let of = |id| snippet(Some(&of_family(id)), Container::TorchZip, Path::new("x.bin"));
        for id in ["titok_vq", "maskgit_vqgan"] {
            assert!(of(id).contains("/ 255  # (B, 3, H, W) in [0, 1]"), "{id}");
        }
        for id in ["taming_vqmodel", "llamagen_vq", "var_vqvae", "lfq", "emu3_vq", "cosmos_di"] {
            assert!(of(id).contains("/ 127.5 - 1"), "{id}");
        }
    }

    #[test]
    fn a_path_cannot_break_out_of_its_quotes() {
        let text = snippet(None, Container::TorchZip, Path::new("a\"\nimport os\\"));
        assert!(text.contains(r#"path = "a\"\u000aimport os\\""#), "{text}");
    }

    #[test]
    fn averaged_weights_come_first_where_the_project_loads_them_first() {
        let text = snippet(Some(&of_family("llamagen_vq")), Container::TorchZip, Path::new("x.pt"));
        let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
        assert!(place("\"ema\"") < place("\"model\""));
        assert!(
            snippet(Some(&of_family("lfq")), Container::TorchZip, Path::new("x.ckpt"))
                .contains("ema_scope")
        );
    }
}
