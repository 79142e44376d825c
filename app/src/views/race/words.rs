//! What came of a race, in words that are worked out from the runs.

/// What a lane did.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Runner {
    /// What it is called.
    pub(super) name: String,
    /// Tokens written, of how many.
    pub(super) tokens: (usize, usize),
    /// Sequences that went through the network.
    pub(super) passes: u32,
    /// Seconds that it took; none in pictures in which time stands still.
    pub(super) seconds: Option<f64>,
    /// Whether all its tokens are written.
    pub(super) is_done: bool,
}

/// The lanes that came to their end, the first one first.
fn in_order(runners: &[Option<Runner>]) -> Vec<(usize, &Runner)> {
    let done = |(lane, runner)| Some((lane, Option::as_ref(runner)?));
    let mut order: Vec<(usize, &Runner)> =
        runners.iter().enumerate().filter_map(done).filter(|(_, it)| it.is_done).collect();
    let time = |runner: &Runner| runner.seconds.unwrap_or_else(|| f64::from(runner.passes));
    order.sort_by(|a, b| time(a.1).total_cmp(&time(b.1)));
    order
}

/// How many times as much, as people say it.
fn times(ratio: f64) -> String {
    if ratio < 9.95 { format!("{ratio:.1}") } else { format!("{ratio:.0}") }
}

/// The end of a race in a few lines: who was first, what the passes tell, who did not come to an end, and the bet
/// beside the truth.
pub(super) fn lines(runners: &[Option<Runner>], bet: Option<usize>) -> Vec<String> {
    let order = in_order(runners);
    let mut lines = Vec::new();
    let first = order.first().and_then(|(_, first)| Some((*first, first.seconds?)));
    if let Some((first, seconds)) = first {
        let mut line = format!("{} was first, after {seconds:.2} s", first.name);
        for (_, other) in order.iter().skip(1) {
            let own = other.seconds.unwrap_or_default();
            let ratio = times(own / seconds.max(1e-9));
            line = format!("{line}; {} took {own:.2} s, {ratio} times as long", other.name);
        }
        lines.push(line);
    }
    let by_passes = |&(_, it): &(usize, &Runner)| it.passes;
    let fewest = order.iter().copied().min_by_key(by_passes);
    let most = order.iter().copied().max_by_key(by_passes);
    if let (Some((_, few)), Some((_, many))) = (fewest, most)
        && many.passes > few.passes
    {
        let ratio = times(f64::from(many.passes) / f64::from(few.passes.max(1)));
        lines.push(format!(
            "{}: {} passes for {} tokens; {}: {} for {}. That is {ratio} times fewer passes",
            few.name, few.passes, few.tokens.0, many.name, many.passes, many.tokens.0
        ));
    }
    for cut in runners.iter().flatten().filter(|runner| !runner.is_done) {
        let (written, all) = cut.tokens;
        lines.push(format!("{} stopped after {written} of {all} tokens", cut.name));
    }
    let named = |lane: usize| Some(&runners.get(lane)?.as_ref()?.name);
    let bet = bet.filter(|_| first.is_some() || order.is_empty());
    if let Some((bet, said)) = bet.and_then(|bet| Some((bet, named(bet)?))) {
        let place = order.iter().position(|(lane, _)| *lane == bet);
        lines.push(match (place, order.first()) {
            (Some(0), _) => format!("You said {said}, and {said} it was"),
            (Some(place), Some((_, first))) => {
                let place = ["first", "second", "third"].get(place).unwrap_or(&"last");
                format!("You said {said}: it was {place}, {} was first", first.name)
            }
            _ => format!("You said {said}, which did not come to its end"),
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runner(name: &str, (tokens, passes, seconds): (usize, u32, f64)) -> Runner {
        let (name, tokens) = (name.to_owned(), (tokens, tokens));
        Runner { name, tokens, passes, seconds: Some(seconds), is_done: true }
    }

    fn three() -> Vec<Option<Runner>> {
        vec![
            Some(runner("raster AR", (256, 256, 2.0))),
            Some(runner("MaskGIT", (256, 12, 0.8))),
            Some(runner("VAR", (680, 10, 0.5))),
        ]
    }

    #[test]
    fn the_first_is_named_with_how_much_longer_the_others_took() {
        let said = lines(&three(), None);
        assert_eq!(
            said[0],
            "VAR was first, after 0.50 s; MaskGIT took 0.80 s, 1.6 times as long; \
             raster AR took 2.00 s, 4.0 times as long"
        );
        assert_eq!(
            said[1],
            "VAR: 10 passes for 680 tokens; raster AR: 256 for 256. That is 26 times fewer passes"
        );
        assert_eq!(said.len(), 2, "nobody bet, nobody stopped");
    }

    #[test]
    fn a_bet_stands_beside_the_truth() {
        let last = |bet| lines(&three(), Some(bet)).pop().unwrap();
        assert_eq!(last(2), "You said VAR, and VAR it was");
        assert_eq!(last(1), "You said MaskGIT: it was second, VAR was first");
        assert_eq!(last(0), "You said raster AR: it was third, VAR was first");
    }

    #[test]
    fn who_did_not_come_to_the_end_is_never_first() {
        let mut all = three();
        if let Some(var) = &mut all[2] {
            (var.is_done, var.tokens, var.passes) = (false, (140, 680), 5);
        }
        let said = lines(&all, Some(2));
        assert!(said[0].starts_with("MaskGIT was first"), "{said:?}");
        assert!(said[1].starts_with("MaskGIT: 12 passes"), "a part is not compared: {said:?}");
        assert_eq!(said[2], "VAR stopped after 140 of 680 tokens");
        assert_eq!(said[3], "You said VAR, which did not come to its end");
        assert!(lines(&[None, None, None], None).is_empty());
    }

    #[test]
    fn where_time_stands_still_nobody_is_said_to_be_first() {
        let mut all = three();
        all.iter_mut().flatten().for_each(|runner| runner.seconds = None);
        let said = lines(&all, Some(2));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("26 times fewer passes"));
    }
}
