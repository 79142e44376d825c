//! Which room may import which: one table a crate, drawn in ARCHITECTURE.md.

use super::imports::Rooms;

/// The engine's, from the ground up.
pub(crate) const ENGINE: Rooms<'static> = &[
    ("error", &[]),
    ("memory", &[]),
    ("random", &[]),
    ("knob", &["error"]),
    ("atomic", &["error"]),
    ("device", &["error"]),
    ("kernels", &["error", "memory"]),
    ("images", &["atomic", "error"]),
    ("layers", &["error", "kernels", "random"]),
    ("session", &["device", "error"]),
    ("documents", &["error", "images"]),
    ("tokens", &["error"]),
    ("measure", &["error", "images", "random", "tokens"]),
    ("quantizers", &["error", "kernels", "knob", "layers", "random", "tokens"]),
    ("tokenizers", &["error", "images", "kernels", "layers", "memory", "quantizers", "tokens"]),
    ("adversarial", &["error", "kernels", "layers"]),
    ("checkpoints", &["atomic", "error", "images", "layers", "tokenizers"]),
    ("perceptual", &["checkpoints", "error", "kernels", "layers"]),
    ("arrays", &["checkpoints", "error", "images"]),
    ("token_files", &["arrays", "checkpoints", "error", "tokens"]),
    ("data", &["arrays", "checkpoints", "error", "images", "random"]),
    (
        "training",
        &[
            "adversarial",
            "atomic",
            "checkpoints",
            "data",
            "error",
            "images",
            "kernels",
            "knob",
            "layers",
            "measure",
            "perceptual",
            "quantizers",
            "random",
            "session",
            "tokenizers",
        ],
    ),
    (
        "questions",
        &[
            "arrays",
            "checkpoints",
            "data",
            "documents",
            "error",
            "images",
            "layers",
            "measure",
            "perceptual",
            "session",
            "token_files",
            "tokenizers",
            "tokens",
            "training",
        ],
    ),
];

/// The window's and command line's, from the ground up.
pub(crate) const APP: Rooms<'static> = &[
    ("logging", &[]),
    ("settings", &[]),
    ("look", &["settings"]),
    ("document", &["settings"]),
    ("files", &["document", "look"]),
    ("runs", &[]),
    ("ctx", &["document", "look", "runs", "settings"]),
    ("gpu", &["look"]),
    ("widgets", &["ctx", "document", "gpu", "look", "runs"]),
    ("figures", &["document", "look"]),
    ("views", &["ctx", "document", "gpu", "look", "runs", "widgets"]),
    ("shell", &["ctx", "document", "files", "logging", "look", "settings", "views", "widgets"]),
    (
        "studio",
        &[
            "ctx", "document", "figures", "files", "gpu", "logging", "look", "runs", "settings",
            "shell", "views",
        ],
    ),
    (
        "cli",
        &[
            "document", "figures", "files", "logging", "look", "settings", "shell", "studio",
            "views",
        ],
    ),
];
