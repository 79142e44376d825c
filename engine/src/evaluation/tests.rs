//! A measurement that is stopped and goes on is the one that was not stopped; parts join to it.

use std::path::Path;
use std::time::Duration;

use super::{
    MeasureEvent, MeasureRun, Measured, Part, Plan, Shard, Stage, Summary, merge, parts_in,
};
use crate::questions::SourceRef;
use crate::session::{Control, RunState, Session, Settings};

const IMAGES: u64 = 6;

/// JPEG on a few painted pictures: no weights are needed.
fn plan(shard: Shard) -> Plan {
    let of = Plan::new(Measured::Jpeg, SourceRef::Worlds { seed: 3 });
    Plan { most: IMAGES, side: Some(48), shard, ..of }
}

fn session() -> Session {
    Session::new(Settings::new("nowhere")).unwrap()
}

fn run(plans: Vec<Plan>, folder: &Path) -> MeasureRun {
    MeasureRun::new(plans, Some(folder.to_owned()), "nowhere".into())
}

fn measured(plans: Vec<Plan>, folder: &Path) -> Vec<Part> {
    let session = session();
    let run = session.start(run(plans, folder));
    assert_eq!(session.wait_run(run).unwrap(), RunState::Done);
    parts_in(folder).unwrap()
}

/// What is told, without the times.
fn timeless(part: &Part) -> Vec<Summary> {
    let no_time = |it: Summary| Summary { encode_seconds: 0.0, decode_seconds: 0.0, ..it };
    part.summaries().into_iter().map(no_time).collect()
}

fn lines(part: &Part) -> String {
    std::fs::read_to_string(part.path.with_extension("csv")).unwrap()
}

#[test]
fn what_was_stopped_between_two_images_goes_on_to_the_same_numbers() {
    let home = tempfile::tempdir().unwrap();
    let whole = measured(vec![plan(Shard::WHOLE)], &home.path().join("whole")).remove(0);
    assert_eq!(whole.done(), (IMAGES, IMAGES));
    let folder = home.path().join("stopped");
    let first = session();
    let id = first.start_paused(run(vec![plan(Shard::WHOLE)], &folder));
    for wanted in [1, 2, 3] {
        loop {
            let view = first.runs().remove(0);
            if view.entries >= wanted && view.state == RunState::Paused {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        first.control(id, Control::StepOnce);
    }
    first.control(id, Control::Cancel);
    assert_eq!(first.wait_run(id).unwrap(), RunState::Cancelled);
    drop(first);
    let begun = parts_in(&folder).unwrap().remove(0);
    assert!((1..IMAGES).contains(&begun.done().0), "{:?}", begun.done());
    let after = measured(vec![plan(Shard::WHOLE)], &folder).remove(0);
    assert_eq!(timeless(&after), timeless(&whole));
    assert_eq!(lines(&after), lines(&whole));
    assert_eq!(after.values().unwrap().count() as u64, IMAGES * 8);
}

#[test]
fn what_is_measured_already_is_told_at_once_and_parts_join_to_the_whole() {
    let home = tempfile::tempdir().unwrap();
    let (one, parts) = (home.path().join("one"), home.path().join("parts"));
    let whole = measured(vec![plan(Shard::WHOLE)], &one).remove(0);
    let session = session();
    let id = session.start(run(vec![plan(Shard::WHOLE)], &one));
    session.wait_run(id).unwrap();
    let told = session.log::<MeasureEvent>(id, 0);
    let stages: Vec<&Stage> = told.iter().map(|event| &event.stage).collect();
    assert_eq!(stages, [&Stage::Measuring, &Stage::Done], "no image is measured again");
    let plans = (1..=4).map(|number| plan(Shard { number, of: 4 })).collect();
    let joined = merge(&measured(plans, &parts), &home.path().join("joined")).unwrap();
    assert_eq!(timeless(&joined), timeless(&whole));
    assert_eq!(lines(&joined), lines(&whole));
    assert_eq!(joined.path.file_name(), whole.path.file_name());
    let psnr = whole.summaries()[2].get(super::Column::Psnr).unwrap();
    let (low, high) = psnr.ends.unwrap();
    assert!(low < psnr.mean && psnr.mean < high);
}
