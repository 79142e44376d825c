//! What the names of archives say: that they are archives, and whether each is a class.

use std::path::Path;

use super::short_name;

/// Whether a name is that of a tar archive, packed or not.
pub(super) fn has_archive_suffix(path: &Path) -> bool {
    let name = short_name(path).to_ascii_lowercase();
    [".tar", ".tar.gz", ".tgz"].iter().any(|suffix| name.ends_with(suffix))
}

/// Whether a name ends in a dot and this, in whatever letters.
pub(super) fn has_suffix(path: &Path, suffix: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(suffix))
}

/// Whether archives are classes rather than numbered shards.
pub(super) fn are_classes<'a>(archives: impl Iterator<Item = &'a Path>) -> bool {
    let mut count = 0;
    let mut are_classes = true;
    for path in archives {
        count += 1;
        let stem = stem(path);
        are_classes &= !stem.ends_with(|c: char| c.is_ascii_digit()) || is_synset(stem);
    }
    are_classes && count > 1
}

/// A WordNet number, as ImageNet's classes are called: n01440764.
fn is_synset(stem: &str) -> bool {
    stem.strip_prefix('n')
        .is_some_and(|rest| rest.len() == 8 && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An archive's name without `.tar`, `.tar.gz` and the like.
pub(super) fn stem(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.split_once(".tar").or_else(|| name.split_once(".tgz")).map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_classes_by_their_names_unless_they_are_numbered() {
        let are = |names: &[&str]| are_classes(names.iter().map(Path::new));
        assert!(are(&["cat.tar", "dog.tar.gz"]));
        assert!(are(&["n01440764.tar", "n01443537.tar"]));
        assert!(!are(&["imagenet-0000.tar", "imagenet-0001.tar"]));
        assert!(!are(&["train-000000.tar", "val-000000.tar"]));
        assert!(!are(&["all.tar"]), "one archive is the whole set");
        assert!(!are(&[]));
    }
}
