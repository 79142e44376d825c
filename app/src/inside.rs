//! What comes with Smalti, inside the program: models, recipes, samples, the published landscape, and what recipes
//! train on. Part of the program alone and not of the library, so that tests and benches do not carry it.

use smalti::cli::Inside;

#[derive(rust_embed::Embed)]
#[folder = "../assets"]
#[include = "landscape.csv"]
#[include = "models/*"]
#[include = "recipes/*"]
#[include = "samples/*"]
#[include = "photos/*"]
#[include = "emoji/*"]
struct Shipped;

/// The files.
pub(crate) const INSIDE: Inside = Inside {
    names: || {
        let named = |name: std::borrow::Cow<'static, str>| {
            let hash = Shipped::get(&name)?.metadata.sha256_hash();
            Some((name.into_owned(), hash))
        };
        Shipped::iter().filter_map(named).collect()
    },
    read: |name| Some(Shipped::get(name)?.data),
};
