//! A measurement that is stopped and goes on is the one that was not stopped; parts join to it.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{
    ImagesOfPart, KeptMeasurements, MeasureEvent, MeasureRun, Measured, Part, Plan, Shard, Stage,
    Summary, merge, parts_in,
};
use crate::questions::{SourceRef, Stamp};
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

/// Six pictures whose files are as long whatever is on them.
fn write_pictures(folder: &Path, seed: u8) {
    std::fs::create_dir_all(folder).unwrap();
    for number in 0..IMAGES as u8 {
        let mut bytes = b"P6\n48 48\n255\n".to_vec();
        let pixel = |at: u32| ((at * at + at * u32::from(seed)) >> (number % 3 + 2)) as u8;
        bytes.extend((0..48 * 48 * 3).map(pixel));
        std::fs::write(folder.join(format!("{number}.ppm")), bytes).unwrap();
    }
}

fn of_folder(folder: &Path) -> Plan {
    let source = SourceRef::Path { path: folder.into(), stamp: Stamp::default() };
    Plan { source, ..plan(Shard::WHOLE) }
}

/// What the window finds of it, in a sitting of its own.
fn found(set: &Path, kept: &Path) -> usize {
    let Plan { source, most, side, .. } = of_folder(set);
    let folder = kept.into();
    let question = KeptMeasurements {
        folder,
        wanted: vec![Measured::Jpeg],
        source,
        most,
        side,
        lpips: None,
        since: 0,
    };
    let answer = session().wait(&question).unwrap();
    assert!(answer.problems.is_empty());
    answer.parts.len()
}

#[test]
fn images_that_were_written_over_are_measured_again() {
    let home = tempfile::tempdir().unwrap();
    let (set, kept) = (home.path().join("set"), home.path().join("kept"));
    write_pictures(&set, 1);
    let before = timeless(&measured(vec![of_folder(&set)], &kept)[0]);
    assert_eq!(found(&set, &kept), 1);
    assert_eq!(timeless(&measured(vec![of_folder(&set)], &kept)[0]), before);
    write_pictures(&set, 9);
    // Written long before, as what comes out of an archive is.
    let file = std::fs::File::options().write(true).open(set.join("3.ppm")).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    assert_eq!(found(&set, &kept), 0, "it is none of these images");
    let after = timeless(&measured(vec![of_folder(&set)], &kept)[0]);
    assert_ne!(after, before);
    let fresh = measured(vec![of_folder(&set)], &home.path().join("fresh")).remove(0);
    assert_eq!(after, timeless(&fresh));
    assert_eq!(found(&set, &kept), 1);
    // The window knows it by a look at its head; its numbers are read of those that are wanted alone.
    std::fs::write(kept.join("other.safetensors"), b"no measurement").unwrap();
    assert_eq!(found(&set, &kept), 1);
}

#[test]
fn a_disk_that_goes_away_leaves_no_image_out() {
    let home = tempfile::tempdir().unwrap();
    let (set, away) = (home.path().join("set"), home.path().join("away"));
    let kept = home.path().join("kept");
    write_pictures(&set, 1);
    let whole = measured(vec![of_folder(&set)], &home.path().join("whole")).remove(0);
    let first = session();
    let id = first.start_paused(run(vec![of_folder(&set)], &kept));
    let done = || first.log::<MeasureEvent>(id, 0).last().map_or(0, |event| event.done);
    while done() < 2 || first.runs().remove(0).state != RunState::Paused {
        if first.runs().remove(0).state == RunState::Paused {
            first.control(id, Control::StepOnce);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    std::fs::rename(&set, &away).unwrap();
    first.control(id, Control::Resume);
    assert_eq!(first.wait_run(id).unwrap(), RunState::Done);
    let told = first.log::<MeasureEvent>(id, 0);
    assert!(matches!(told.last().unwrap().stage, Stage::Failed(_)), "{:?}", told.last());
    drop(first);
    let begun = parts_in(&kept).unwrap().remove(0);
    assert!((1..IMAGES).contains(&begun.done().0), "{:?}", begun.done());
    assert_eq!(begun.skipped().count, 0);
    std::fs::rename(&away, &set).unwrap();
    let after = measured(vec![of_folder(&set)], &kept).remove(0);
    assert_eq!(timeless(&after), timeless(&whole));
    // A file that alone cannot be read is left out, as ever.
    std::fs::write(set.join("2.ppm"), b"P6 and nothing else").unwrap();
    let less = measured(vec![of_folder(&set)], &home.path().join("less")).remove(0);
    assert_eq!((less.images(), less.skipped().count), (IMAGES - 1, 1));
}

/// What a measurement holds, keeps, says and shows of hundreds of images is as much as of a few: a million of them
/// fit into the same memory. Lines of each image are on the disk alone.
#[test]
fn a_measurement_of_many_images_holds_no_more_than_one_of_few() {
    const SHOWN: usize = 8;
    let home = tempfile::tempdir().unwrap();
    let of = |images: u64| {
        let folder = home.path().join(images.to_string());
        let plan = Plan { most: images, side: Some(16), ..plan(Shard::WHOLE) };
        let session = session();
        let id = session.start(run(vec![plan], &folder));
        assert_eq!(session.wait_run(id).unwrap(), RunState::Done);
        let told = session.log::<MeasureEvent>(id, 0).len();
        let part = parts_in(&folder).unwrap().remove(0);
        assert_eq!((part.images(), part.skipped().count), (images, 0));
        let shown = ImagesOfPart { part: part.path.clone(), point: 1, most: SHOWN, since: 0 };
        let shown = session.wait(&shown).unwrap();
        assert_eq!((shown.measured, shown.shown.len()), (images, SHOWN));
        let kept = part.path.metadata().unwrap().len();
        let lines = part.path.with_extension("csv").metadata().unwrap().len();
        (part.bytes(), kept, lines, told)
    };
    let (few, many) = (of(SHOWN as u64), of(320));
    assert_eq!(few.0, many.0, "sums in memory");
    // Counts in the head have a digit or two more.
    assert!(many.1.abs_diff(few.1) < 64, "{} and {} bytes of sums", few.1, many.1);
    assert!(many.2 > 30 * few.2, "the line of each image is on the disk");
    assert!(many.3 <= 70, "{} reports of one measurement", many.3);
}
