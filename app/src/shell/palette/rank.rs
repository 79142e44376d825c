//! Which of many names a few letters mean.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Matcher, Utf32Str};

/// The class of those that merely hold the letters.
const LETTERS: u8 = 4;

/// Something that is looked for by its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// What kind of thing it is.
    pub(super) kind: &'a str,
    /// Other words by which it is looked for.
    pub(super) also: &'a str,
    /// Whether it can be done now.
    pub(super) can: bool,
}

/// The places of those that a query may mean, best first: the one that is called so; those that begin so; those
/// that hold its words; those that other words for them hold. Where there is none of these, those that hold its
/// letters: beside them such would only be noise. What cannot be done now stands behind what can, unless it is called exactly so, and
/// files that were opened before stand behind what the window itself does.
pub(super) fn best(query: &str, all: &[Named<'_>], matcher: &mut Matcher) -> Vec<usize> {
    let pattern = Pattern::parse(query, CaseMatching::Ignore, Normalization::Smart);
    let wanted = query.to_lowercase();
    let mut buffer = Vec::new();
    let mut scored = Vec::new();
    for (at, named) in all.iter().enumerate() {
        let text = format!("{} {}", named.name, named.kind);
        let score = pattern.score(Utf32Str::new(&text, &mut buffer), matcher);
        let name = named.name.trim_end_matches('…').to_lowercase();
        let text = text.to_lowercase();
        let holds = |text: &str| wanted.split_whitespace().all(|word| text.contains(word));
        let class = if name == wanted {
            0
        } else if name.starts_with(&wanted) {
            1
        } else if holds(&text) {
            2
        } else if holds(&format!("{text} {}", named.also)) {
            3
        } else if score.is_some() {
            LETTERS
        } else {
            continue;
        };
        let waits = class > 0 && !named.can;
        let key = (class, waits, named.kind == "recent", std::cmp::Reverse(score), at);
        scored.push(key);
    }
    scored.sort_unstable();
    if scored.first().is_some_and(|(class, ..)| *class < LETTERS) {
        scored.retain(|(class, ..)| *class < LETTERS);
    }
    scored.into_iter().map(|(.., at)| at).collect()
}

#[cfg(test)]
mod tests {
    use nucleo_matcher::Config;

    use super::*;

    #[test]
    fn an_exact_name_comes_before_recent_files_and_before_what_merely_begins_so() {
        let named = |name, kind, can| Named { name, kind, also: "", can };
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

    #[test]
    fn what_holds_the_words_leaves_out_what_holds_their_letters_and_other_words_find_it_too() {
        let named = |name, also| Named { name, kind: "command", also, can: true };
        let all = [
            named("Compare with worlds-lfq", ""),
            named("Pareto", ""),
            named("Save as PNG…", "export download"),
            named("Expect or trust", ""),
        ];
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut names = |query: &str| -> Vec<&str> {
            best(query, &all, &mut matcher).iter().map(|at| all[*at].name).collect()
        };
        assert_eq!(names("pareto"), ["Pareto"]);
        assert_eq!(names("export"), ["Save as PNG…"], "its letters stand in another one, too");
        assert_eq!(names("export png"), ["Save as PNG…"]);
        assert_eq!(
            names("prto").first(),
            Some(&"Pareto"),
            "letters alone find, where words do not"
        );
    }
}
