//! `smalti cost`: what each way of writing costs by the side of the grid, and how long it takes on this machine.

use serde::Serialize;
use smalti_engine::generators::{Cost, SHAPE, Timing, Writer};
use smalti_engine::questions::TimeWriting;

use super::arguments_paint;
use super::console::Console;
use super::engine::Engine;
use super::stop::Stop;
use crate::look::words::{counted_in_groups, large, short};

#[derive(Debug, Serialize)]
struct Line {
    writer: &'static str,
    /// Tokens along a side of the grid.
    side: usize,
    #[serde(flatten)]
    cost: Cost,
    /// Multiplications and additions of attention.
    attention_operations: u64,
    /// Of untrained weights of the same shape; nothing where it was not asked for, or is too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<Timing>,
}

pub(super) fn run(
    options: &arguments_paint::Cost,
    console: &mut Console<'_, '_>,
) -> Result<(), Stop> {
    let engine = if options.measure { Some(Engine::open(console)?) } else { None };
    for side in &options.side {
        let side = usize::from(*side);
        for writer in Writer::ALL {
            let cost = Cost::of(writer, side);
            let mut measured = None;
            if let Some(engine) = engine.as_ref().filter(|_| cost.is_timed()) {
                let what = format!("{}, {side} x {side}", writer.name());
                let question = TimeWriting { writer, side, time: 0 };
                measured = Some(*engine.long_answer(&question, &what, console)?);
                console.clear();
            }
            let attention_operations = cost.operations(&SHAPE);
            let writer = writer.name();
            let line = Line { writer, side, cost, attention_operations, measured };
            let text = words(&line, options.measure);
            console.result(&line, &text)?;
        }
    }
    if options.measure {
        console.remark("measured: untrained weights of one shape, the network's passes alone");
    }
    Ok(())
}

fn words(line: &Line, is_measured: bool) -> String {
    let mut text = format!(
        "{} x {}, {}: {}, {}, attention {} operations",
        line.side,
        line.side,
        line.writer,
        counted_in_groups(
            line.cost.tokens,
            if line.writer == "pixel AR" { "pixel" } else { "token" }
        ),
        if line.cost.passes == 1 {
            "1 pass".to_owned()
        } else {
            format!("{} passes", crate::look::words::grouped(line.cost.passes))
        },
        large(line.attention_operations as f64)
    );
    match line.measured {
        Some(Timing { seconds, is_whole: true, .. }) => {
            text = format!("{text}, {} s", short(seconds));
        }
        Some(Timing { seconds, passes, .. }) => {
            text = format!("{text}, stopped after {passes} passes in {} s", short(seconds));
        }
        None if is_measured => text.push_str(", not measured: too long"),
        None => {}
    }
    text
}
