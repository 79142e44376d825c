//! The views as a person uses them: pointer and keys in, names, pixels and figures out. What is
//! shown is compared with what the engine says, or with what was drawn before.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod brushing;
mod codes;
mod compare;
mod compare_pairs;
mod cost;
mod dataset;
mod edits;
mod exports;
mod families;
mod generate;
mod generate_told;
mod generators;
mod history;
mod jobs;
mod keyboard;
mod large_text;
mod leaving;
mod likelihood;
mod moved;
mod panels;
mod pareto;
mod pending;
mod race;
mod regions;
mod replay;
mod resampling;
mod runs;
mod scales;
mod schedule;
mod states;
mod training;
mod training_view;
mod unasked;
mod zooming;

use std::collections::BTreeMap;

use egui::{Pos2, vec2};
use smalti::document::{Panel, ViewId};
use smalti_tests::window::{Small, Window, empty, labels, open_drawn, point_nowhere, rect_of, tab};

/// Tokens above, codes below, one code at the right.
fn desk() -> Panel {
    Panel::Row(vec![
        (0.7, Panel::Column(vec![(0.65, tab(ViewId::Tokens)), (0.35, tab(ViewId::Codebook))])),
        (0.3, tab(ViewId::Code)),
    ])
}

/// The small pictures and tokenizer in a window that can be drawn.
fn small_desk() -> Option<(Window, Small)> {
    let small = Small::new();
    let mut window = open_drawn(empty(desk()), [1280.0, 800.0])?;
    small.open_in(&mut window);
    Some((window, small))
}

/// Rows and columns of the small pictures' tokens.
const SMALL_GRID: (usize, usize) = (16, 16);

/// The middle of each code's cell in the Codebook view and the count that is said of it, found as a
/// person does: by pointing there and reading.
fn codebook(window: &mut Window) -> BTreeMap<u32, (Pos2, u64)> {
    let rect = rect_of(window, "codes used");
    let mut found: BTreeMap<u32, (Vec<Pos2>, u64)> = BTreeMap::new();
    let mut at = rect.min + vec2(5.0, 5.0);
    while at.y < rect.bottom() {
        let mut is_empty = true;
        while at.x < rect.right() {
            window.hover_at(at);
            window.run_steps(2);
            if let Some((code, count)) = code_said(window) {
                found.entry(code).or_insert((Vec::new(), count)).0.push(at);
                is_empty = false;
            }
            at.x += 9.0;
        }
        if is_empty {
            break;
        }
        at = egui::pos2(rect.left() + 5.0, at.y + 9.0);
    }
    point_nowhere(window);
    let middle = |places: &[Pos2]| {
        let sum = places.iter().fold(vec2(0.0, 0.0), |sum, at| sum + at.to_vec2());
        (sum / places.len() as f32).to_pos2()
    };
    found.into_iter().map(|(code, (places, count))| (code, (middle(&places), count))).collect()
}

/// What the line below the codes says: a code and how often it is used.
fn code_said(window: &Window) -> Option<(u32, u64)> {
    labels(window, " · ").iter().find_map(|text| {
        let (code, rest) = text.strip_prefix("code ")?.split_once(" · ")?;
        let count = rest.split(' ').next()?;
        Some((code.parse().ok()?, count.parse().ok()?))
    })
}

/// The published map, as seaborn and matplotlib print its nine steps.
fn viridis(value: f64) -> [u8; 3] {
    const STEPS: [[u8; 3]; 9] = [
        [0x44, 0x01, 0x54],
        [0x47, 0x2d, 0x7b],
        [0x3b, 0x52, 0x8b],
        [0x2c, 0x72, 0x8e],
        [0x21, 0x91, 0x8c],
        [0x28, 0xae, 0x80],
        [0x5e, 0xc9, 0x62],
        [0xad, 0xdc, 0x30],
        [0xfd, 0xe7, 0x25],
    ];
    let place = value.clamp(0.0, 1.0) * 8.0;
    let left = (place as usize).min(7);
    let part = place - left as f64;
    std::array::from_fn(|i| {
        let (a, b) = (f64::from(STEPS[left][i]), f64::from(STEPS[left + 1][i]));
        (a + (b - a) * part).round() as u8
    })
}
