//! Paths with braces, as people name the shards of a set: `imagenet-{0000..0147}.tar`,
//! `{train,val}-{0..9}.tar`. A range keeps its width where its ends are written with zeros.

use std::path::{Path, PathBuf};

use crate::{EngineError, Result};

/// A pattern that stands for more is a mistake.
const MAX_PATHS: usize = 100_000;

/// Whether a path has braces with a range or a list in them.
pub fn has_braces(path: &Path) -> bool {
    path.to_str().is_some_and(|text| split(text).is_some())
}

/// All paths that a pattern stands for, in its order.
///
/// # Errors
/// [`EngineError::BadInput`] if it stands for more than 100,000.
pub fn expand(pattern: &Path) -> Result<Vec<PathBuf>> {
    let text = pattern.to_str().unwrap_or_default();
    let mut done = vec![String::new()];
    let mut rest = text;
    while let Some((before, choices, after)) = split(rest) {
        if done.len().saturating_mul(choices.len()) > MAX_PATHS {
            return Err(EngineError::bad_input(
                pattern.display(),
                format!("it stands for more than {MAX_PATHS} files"),
                "Name fewer, or the folder that they are in",
            ));
        }
        done = done
            .iter()
            .flat_map(|start| choices.iter().map(move |choice| format!("{start}{before}{choice}")))
            .collect();
        rest = after;
    }
    Ok(done.into_iter().map(|start| PathBuf::from(start + rest)).collect())
}

/// What is before the first braces, what is in them, and what is behind.
fn split(text: &str) -> Option<(&str, Vec<String>, &str)> {
    let mut from = 0;
    while let Some((before, inside)) = text.get(from..)?.split_once('{') {
        let before = text.get(..from + before.len())?;
        if let Some((inside, after)) = inside.split_once('}')
            && let Some(choices) = choices(inside)
        {
            return Some((before, choices, after));
        }
        // Braces that say nothing belong to the name.
        from = before.len() + 1;
    }
    None
}

fn choices(inside: &str) -> Option<Vec<String>> {
    let Some((first, last)) = inside.split_once("..") else {
        let parts: Vec<String> = inside.split(',').map(str::to_owned).collect();
        return (parts.len() > 1).then_some(parts);
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(first) || !is_number(last) {
        return None;
    }
    let (low, high): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let has_zeros = |text: &str| text.len() > 1 && text.starts_with('0');
    let width = if has_zeros(first) || has_zeros(last) { first.len().max(last.len()) } else { 0 };
    // One more than can be, so that the pattern is refused rather than cut.
    let most = MAX_PATHS as u64 + 1;
    let number = |n: u64| format!("{n:0width$}");
    Some(if low <= high {
        (low..=high.min(low.saturating_add(most))).map(number).collect()
    } else {
        (high.max(low.saturating_sub(most))..=low).rev().map(number).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(pattern: &str) -> Vec<String> {
        let paths = expand(Path::new(pattern)).unwrap();
        paths.iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn ranges_keep_their_width_and_lists_their_order() {
        assert_eq!(expanded("x-{0009..0011}.tar"), ["x-0009.tar", "x-0010.tar", "x-0011.tar"]);
        assert_eq!(expanded("{9..11}"), ["9", "10", "11"]);
        assert_eq!(expanded("{3..1}"), ["3", "2", "1"]);
        assert_eq!(
            expanded("a/{train,val}-{0..1}.tar"),
            ["a/train-0.tar", "a/train-1.tar", "a/val-0.tar", "a/val-1.tar"]
        );
    }

    #[test]
    fn braces_that_say_nothing_are_a_part_of_the_name() {
        for name in ["{x}.tar", "a{.tar", "{}", "{a..b}", "}{", "{1..}"] {
            assert!(!has_braces(Path::new(name)), "{name}");
            assert_eq!(expanded(name), [name]);
        }
        assert_eq!(expanded("{x}-{1..2}"), ["{x}-1", "{x}-2"]);
    }

    #[test]
    fn a_pattern_for_millions_of_files_is_refused() {
        assert!(expand(Path::new("{0..18446744073709551615}")).is_err());
        assert!(expand(Path::new("{1..1000}{1..1000}")).is_err());
    }
}
