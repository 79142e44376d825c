//! Paths as they are typed: which folder is listed, and what of it goes on from there.

use std::path::{Path, PathBuf};

use crate::files::disk::{Listed, Listing};
use crate::files::uri::path_of;

/// What is typed, if it is a path.
pub(super) fn typed(query: &str, home: Option<&Path>) -> Option<PathBuf> {
    match (query.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => Some(home.join(rest)),
        _ if query.starts_with("file://") => path_of(query),
        _ if query.contains(['/', '\\']) => Some(PathBuf::from(query)),
        _ => None,
    }
}

/// The folder whose entries go on with what is typed: everything up to the last slash.
pub(super) fn folder(query: &str, home: Option<&Path>) -> Option<PathBuf> {
    let begins = ["/", "~/", "./", "../"].iter().any(|start| query.starts_with(start));
    let (folder, _) = query.rsplit_once('/').filter(|_| begins)?;
    typed(&format!("{folder}/"), home)
}

/// An entry that goes on with what is typed, and what is typed then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Completion {
    pub(super) entry: Listed,
    pub(super) query: String,
}

/// The entries of a folder that begin as the last part of what is typed does, then those that hold it. Hidden
/// ones are there for those who begin with a dot.
pub(super) fn completions(query: &str, listing: &Listing) -> Vec<Completion> {
    let (before, last) = query.rsplit_once('/').unwrap_or(("", query));
    let wanted = last.to_lowercase();
    let rank = |name: &str| {
        let lower = name.to_lowercase();
        let is_hidden = name.starts_with('.') && !last.starts_with('.');
        match (name == last, lower.starts_with(&wanted), lower.contains(&wanted)) {
            _ if is_hidden => None,
            (true, ..) => Some(0),
            (_, true, _) => Some(1),
            (.., true) => Some(2),
            _ => None,
        }
    };
    let entries = listing.entries.iter();
    let mut found: Vec<(u8, &Listed)> =
        entries.filter_map(|entry| Some((rank(&entry.name)?, entry))).collect();
    found.sort_by_key(|(rank, _)| *rank);
    let of = |(_, entry): (u8, &Listed)| {
        let end = if entry.is_folder { "/" } else { "" };
        Completion { entry: entry.clone(), query: format!("{before}/{}{end}", entry.name) }
    };
    found.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_completed_from_its_folder() {
        let home = Path::new("/home/ada");
        let folder = |query: &str| folder(query, Some(home));
        assert_eq!(folder("/pict"), Some(PathBuf::from("/")));
        assert_eq!(folder("~/data/ko"), Some(PathBuf::from("/home/ada/data/")));
        assert_eq!(folder("../a"), Some(PathBuf::from("../")));
        assert_eq!(folder("pictures"), None, "a word is no path");
        let entry = |name: &str, is_folder| Listed { name: name.to_owned(), is_folder };
        let entries = vec![
            entry(".git", true),
            entry("Kodak", true),
            entry("a kodak.png", false),
            entry("kodim.png", false),
        ];
        let listing = Listing { folder: "/home/ada/data/".into(), entries, problem: None };
        let queries = |query: &str| -> Vec<String> {
            completions(query, &listing).into_iter().map(|found| found.query).collect()
        };
        let wanted = ["~/data/Kodak/", "~/data/kodim.png", "~/data/a kodak.png"];
        assert_eq!(queries("~/data/ko"), wanted);
        assert_eq!(queries("~/data/.g"), ["~/data/.git/"]);
        assert_eq!(queries("~/data/").len(), 3);
    }
}
