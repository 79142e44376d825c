//! Actions that are a view's own buttons: done by the view while it is seen.

use super::action::{Action, Menu, action, asks};
use super::now::Now;
use crate::document::{
    ALL_POINTS, AppCommand, BETS, Command, How, Offer, TokenFormat, ViewId, Way,
};
use crate::views;
use crate::widgets::export::words;

/// What views offer, each with what there must be for it. The name is the one that the view offers it under.
const OFFERED: [(&str, ViewId, &str); 21] = [
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
    ("Curves by their logarithm", ViewId::Training, "show Training with a run"),
    (
        "Keep the points between the two that are picked",
        ViewId::Pareto,
        "pick two points in Pareto, the second one with Shift",
    ),
    (ALL_POINTS, ViewId::Pareto, "drag a rectangle over points in Pareto first"),
    (BETS[0], ViewId::Race, "show Race before its start"),
    (BETS[1], ViewId::Race, "show Race before its start"),
    (BETS[2], ViewId::Race, "show Race before its start"),
    ("Bits of tokens masked one at a time", ViewId::Likelihood, "show Likelihood of a MaskGIT"),
    (
        "Bits of an eighth of the tokens at a time",
        ViewId::Likelihood,
        "show Likelihood of a MaskGIT",
    ),
    ("Measure the cost on this machine", ViewId::Cost, "show Cost"),
];

/// How pictures, maps and plots are taken away; which of them stands behind it.
const WAYS: [How; 8] = [
    How::Copy,
    How::Png(1),
    How::Png(2),
    How::Png(4),
    How::Svg,
    How::Csv,
    How::Tokens(TokenFormat::Npy),
    How::Tokens(TokenFormat::Safetensors),
];

/// All of them.
pub(super) fn all() -> Vec<Action> {
    let of_view = OFFERED.into_iter().map(|(name, view, needs)| {
        let does = move |now: &Now<'_>| {
            let offered = now.view.offers.all();
            if offered.iter().any(|own| own.name == name && own.ways.contains(&Way::Press)) {
                Ok(vec![AppCommand::Offered(name.to_owned()).into()])
            } else {
                Err(needs.to_owned())
            }
        };
        let title = views::entry(view).title;
        asks(Menu::Nowhere, name, &[], does).about(format!("In {title}"))
    });
    of_view.collect()
}

/// What can be taken away: of what was worked in last in each way, then of each picture, map and plot that is seen.
pub(super) fn of_pictures(now: &Now<'_>) -> Vec<Action> {
    let seen = now.view.offers.all();
    // Which view each is of stands beside it: there may be several with such a picture.
    let view = |offer: &Offer| offer.panel.map_or("picture", |it| views::entry(it.view).title);
    let first = WAYS.into_iter().map(|how| {
        let first = seen.iter().find(|offer| offer.ways.contains(&Way::Take(how)));
        let command: Option<Command> =
            first.map(|first| AppCommand::Export(first.name.clone(), how).into());
        let does = move |_: &Now<'_>| match &command {
            Some(command) => Ok(vec![Command::clone(command)]),
            None => Err("show a view with such a picture, such as Compare".to_owned()),
        };
        let kind = first.map_or("picture", view);
        let about = first.map(|first| first.name.clone()).unwrap_or_default();
        asks(Menu::Nowhere, words(how), &[], does).kind(kind).about(about)
    });
    let of = |offer: &Offer, how: How| {
        let name = format!("{}: {}", offer.name, words(how));
        let command = AppCommand::Export(offer.name.clone(), how);
        action(Menu::Nowhere, name, &[], command).kind(view(offer)).about(offer.about.as_str())
    };
    let each = seen.iter().flat_map(|offer| offer.taken().map(move |how| of(offer, how)));
    first.chain(each).collect()
}
