//! Actions that are a view's own buttons: done by the view while it is seen.

use super::action::{Action, Menu, action, asks};
use super::now::Now;
use crate::document::{AppCommand, ViewId};

/// What views offer, each with what there must be for it. The name is the one that the view offers it under.
const OFFERED: [(&str, ViewId, &str); 15] = [
    ("Count codes over the image", ViewId::Codebook, "show the Codebook"),
    ("Count codes over the set", ViewId::Codebook, "show the Codebook"),
    (
        "Count codes over all images",
        ViewId::Codebook,
        "show the Codebook, counting over a set of more than 64 images",
    ),
    ("Codes by index", ViewId::Codebook, "show the Codebook"),
    ("Codes by count", ViewId::Codebook, "show the Codebook"),
    ("Codes by hue", ViewId::Codebook, "show the Codebook"),
    ("Codes' counts by their logarithm", ViewId::Codebook, "show the Codebook"),
    ("Codes as what they decode to", ViewId::Codebook, "show the Codebook"),
    ("Save the codes' counts, CSV…", ViewId::Codebook, "show the Codebook with counts"),
    ("Copy the log", ViewId::Log, "show the Log, when something was said"),
    ("Copy the snippet that writes tokens", ViewId::Checkpoint, "show the Checkpoint"),
    (
        "Use the checkpoint as tokenizer",
        ViewId::Checkpoint,
        "show another tokenizer's file in Checkpoint",
    ),
    (
        "Back to the tokenizer's own checkpoint",
        ViewId::Checkpoint,
        "show another file in Checkpoint",
    ),
    ("Save the curves, CSV…", ViewId::Training, "show Training with a run"),
    ("Curves by their logarithm", ViewId::Training, "show Training with a run"),
];

/// What pictures' own menus offer; which picture stands behind it.
const OF_PICTURES: [&str; 5] = [
    "Copy picture",
    "Save picture as PNG, 1×…",
    "Save picture as PNG, 2×…",
    "Save picture as PNG, 4×…",
    "Save a map's numbers, CSV…",
];

/// All of them.
pub(super) fn all() -> Vec<Action> {
    let of_view = OFFERED.into_iter().map(|(name, view, needs)| {
        let does = move |now: &Now<'_>| {
            if now.view.offered().iter().any(|own| own == name) {
                Ok(vec![AppCommand::Offered(name.to_owned()).into()])
            } else {
                Err(needs.to_owned())
            }
        };
        let title = crate::views::entry(view).title;
        asks(Menu::Nowhere, name, &[], does).about(format!("In {title}"))
    });
    let of_pictures = OF_PICTURES.into_iter().map(|what| {
        let does = move |now: &Now<'_>| {
            let first = now.view.offered().into_iter().find(|own| is_of(own, what));
            let first = first.ok_or("show a view with such a picture, such as Compare")?;
            Ok(vec![AppCommand::Offered(first).into()])
        };
        asks(Menu::Nowhere, what, &[], does)
    });
    of_view.chain(of_pictures).collect()
}

/// Whether a picture's menu offers this of its picture.
fn is_of(offered: &str, what: &str) -> bool {
    offered.strip_prefix(what).is_some_and(|rest| rest.starts_with(": "))
}

/// What the views offer now that is in no table: of each picture that is seen.
pub(super) fn of_pictures(now: &Now<'_>) -> Vec<Action> {
    let all = now.view.offered().into_iter();
    let of_pictures = all.filter(|name| OF_PICTURES.iter().any(|what| is_of(name, what)));
    of_pictures
        .map(|name| {
            let command = AppCommand::Offered(name.clone());
            action(Menu::Nowhere, name, &[], command).kind("picture")
        })
        .collect()
}
