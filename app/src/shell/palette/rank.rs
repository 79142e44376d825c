//! Which of many names a few letters mean.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Matcher, Utf32Str};

/// Something that is looked for by its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// What kind of thing it is.
    pub(super) kind: &'a str,
    /// Whether it can be done now.
    pub(super) can: bool,
}

/// The places of those that a query may mean, best first: the one that is called so; those that begin so; those
/// that hold its letters. What cannot be done now stands behind what can, unless it is called exactly so, and
/// files that were opened before stand behind what the window itself does.
pub(super) fn best(query: &str, all: &[Named<'_>], matcher: &mut Matcher) -> Vec<usize> {
    let pattern = Pattern::parse(query, CaseMatching::Ignore, Normalization::Smart);
    let wanted = query.to_lowercase();
    let mut buffer = Vec::new();
    let mut scored = Vec::new();
    for (at, named) in all.iter().enumerate() {
        let text = format!("{} {}", named.name, named.kind);
        let text = Utf32Str::new(&text, &mut buffer);
        let Some(score) = pattern.score(text, matcher) else { continue };
        let name = named.name.trim_end_matches('…').to_lowercase();
        let class = match (name == wanted, name.starts_with(&wanted)) {
            (true, _) => 0,
            (_, true) => 1,
            _ => 2,
        };
        let waits = class > 0 && !named.can;
        let key = (class, waits, named.kind == "recent", std::cmp::Reverse(score), at);
        scored.push(key);
    }
    scored.sort_unstable();
    scored.into_iter().map(|(.., at)| at).collect()
}

#[cfg(test)]
mod tests {
    use nucleo_matcher::Config;

    use super::*;

    #[test]
    fn an_exact_name_comes_before_recent_files_and_before_what_merely_begins_so() {
        let named = |name, kind, can| Named { name, kind, can };
        let all = [
            named("collapse", "recent", true),
            named("collapse-2", "recent", true),
            named("Collapse of a codebook", "scene", true),
            named("Collapse", "scene", true),
            named("Lock selected cells", "command", false),
            named("Unlock all", "command", true),
            named("Lock", "command", false),
        ];
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut names = |query: &str| -> Vec<(&str, &str)> {
            best(query, &all, &mut matcher)
                .iter()
                .map(|at| (all[*at].name, all[*at].kind))
                .collect()
        };
        let found = names("collapse");
        assert_eq!(found[..2], [("Collapse", "scene"), ("collapse", "recent")]);
        assert_eq!(found[2].0, "Collapse of a codebook");
        assert_eq!(names("lock")[0].0, "Lock", "also where it cannot be done now");
        assert_eq!(names("lock")[1].0, "Lock selected cells");
        assert!(names("xyz").is_empty());
    }
}
