//! Far-apart cells that a raster generator writes at once: the sequence in as many stretches of one length, a cell of
//! each in every step.
//!
//! Source: Wang et al., "Parallelized Autoregressive Visual Generation", arXiv 2412.15119, whose networks learn it. One
//! that has learned to write one token after the other never saw what it is shown here: gaps before a place, and tokens
//! behind it. It writes in fewer passes, and worse.

/// The places of the sequence that each step writes: a stretch each for `groups` groups, the last of which may be
/// shorter.
pub(super) fn rounds(places: usize, groups: usize) -> Vec<Vec<usize>> {
    let length = places.div_ceil(groups.max(1));
    let of_round = |round: usize| {
        let all = (0..groups.max(1)).map(|group| group * length + round);
        all.filter(|place| *place < places).collect()
    };
    (0..length).map(of_round).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_in_one_round_behind_its_neighbor_and_far_from_the_others() {
        for (places, groups) in [(16, 4), (16, 1), (16, 16), (17, 4), (5, 3), (1, 1), (256, 8)] {
            let rounds = rounds(places, groups);
            assert_eq!(rounds.len(), places.div_ceil(groups));
            let mut all: Vec<usize> = rounds.concat();
            all.sort_unstable();
            assert_eq!(all, (0..places).collect::<Vec<_>>(), "{places} {groups}");
            for (at, round) in rounds.iter().enumerate() {
                assert!(round.windows(2).all(|pair| pair[1] - pair[0] == rounds.len()));
                let before = at.checked_sub(1).map(|last| &rounds[last]);
                assert!(before.is_none_or(|last| round.iter().all(|p| last.contains(&(p - 1)))));
            }
        }
    }
}
