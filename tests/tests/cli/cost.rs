//! `smalti cost`: figures of each way of writing, and their measure.

use super::*;

#[test]
fn each_way_says_what_it_costs_at_each_side() {
    let ran = run(&["cost", "--json", "--side", "4,32"]);
    let lines = ran.expect_done().lines();
    assert_eq!(lines.len(), 8);
    let passes: Vec<u64> = lines.iter().map(|line| line["passes"].as_u64().unwrap()).collect();
    assert_eq!(passes, [1024, 16, 12, 3, 65_536, 1024, 12, 6]);
    assert_eq!(lines[5]["pairs"], 524_800);
    assert!(lines.iter().all(|line| line.get("measured").is_none()), "nobody asked for it");
    run(&["cost", "--side", "33"]).expect_refused(&["33", "4..=32"]);
    run(&["cost", "--side", "many"]).expect_refused(&["many"]);
}
