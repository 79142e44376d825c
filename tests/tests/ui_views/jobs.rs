//! Jobs and Log: how far a run is, its buttons, and what is said of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use egui_kittest::kittest::Queryable;
use smalti::document::{Layout, Look, Open, Panel, ViewId};
use smalti_engine::EngineError;
use smalti_engine::questions::SourceRef;
use smalti_engine::session::{Advance, RunState, Watch, Work};
use smalti_tests::window::{
    Small, Window, click_label, empty, labels, open_sized, says, send, settle, tab, until,
};

/// Counts to ten, as far as it is allowed to.
struct Counting {
    allowed: Arc<AtomicU32>,
    done: u32,
    fails_at: u32,
}

impl Work for Counting {
    type Entry = u32;
    type Order = ();

    fn title(&self) -> String {
        "counting".to_owned()
    }

    fn step(&mut self, watch: &mut Watch<'_, u32>) -> smalti_engine::Result<Advance> {
        if self.done >= self.allowed.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
            return Ok(Advance::More);
        }
        self.done += 1;
        if self.done == self.fails_at {
            return Err(EngineError::bad_input(
                "counting",
                "there is no such number",
                "Count less",
            ));
        }
        watch.progress(self.done as f32 / 10.0, format!("{} things/s", self.done));
        watch.append(self.done);
        Ok(if self.done == 10 { Advance::Done } else { Advance::More })
    }
}

fn start(window: &Window, fails_at: u32) -> Arc<AtomicU32> {
    let allowed = Arc::new(AtomicU32::new(0));
    let work = Counting { allowed: Arc::clone(&allowed), done: 0, fails_at };
    window.state().session().start(work);
    allowed
}

fn jobs_and_log() -> Window {
    let layout = Panel::Row(vec![(0.6, tab(ViewId::Jobs)), (0.4, tab(ViewId::Log))]);
    open_sized(empty(layout), [1000.0, 500.0])
}

fn last_state(window: &Window) -> RunState {
    window.state().session().runs().last().unwrap().state.clone()
}

#[test]
fn a_run_shows_how_far_it_is_and_obeys_its_buttons() {
    let mut window = jobs_and_log();
    let allowed = start(&window, 99);
    until(&mut window, "Pause counting");
    assert!(window.query_by_role_and_label(egui::Role::Tab, "Jobs 1").is_some());
    allowed.store(3, Ordering::SeqCst);
    until(&mut window, "counting: 30 %");
    assert!(says(&window, "3 things/s"));
    assert!(says(&window, "counting · 30 %"), "the status bar says it too");

    click_label(&mut window, "Pause counting");
    until(&mut window, "Resume counting");
    assert_eq!(last_state(&window), RunState::Paused);
    allowed.store(5, Ordering::SeqCst);
    click_label(&mut window, "Step counting");
    until(&mut window, "counting: 40 %");
    until(&mut window, "Resume counting");
    std::thread::sleep(Duration::from_millis(30));
    settle(&mut window);
    assert!(says(&window, "counting: 40 %"), "one step is one step");
    click_label(&mut window, "Resume counting");
    until(&mut window, "counting: 50 %");
    assert!(says(&window, "Pause counting"));

    click_label(&mut window, "Cancel counting");
    until(&mut window, "counting: cancelled");
    assert_eq!(last_state(&window), RunState::Cancelled);
    assert!(window.query_by_label("Cancel counting").is_none(), "nothing is left to be cancelled");
    assert!(window.query_by_role_and_label(egui::Role::Tab, "Jobs").is_some());
}

#[test]
fn the_log_tells_how_runs_ended() {
    let mut window = jobs_and_log();
    start(&window, 99).store(10, Ordering::SeqCst);
    until(&mut window, "counting: done");
    start(&window, 4).store(10, Ordering::SeqCst);
    until(&mut window, "there is no such number");
    assert!(says(&window, "Count less"), "with what to do");
    let notices = window.state().notices().list().len();
    settle(&mut window);
    assert_eq!(window.state().notices().list().len(), notices, "each is told once");
    window.get_by_label("copy all").click();
    let copied = (0..8).find_map(|_| {
        window.run_steps(1);
        window.output().platform_output.commands.iter().find_map(|command| match command {
            egui::OutputCommand::CopyText(text) => Some(text.clone()),
            _ => None,
        })
    });
    let copied = copied.unwrap_or_default();
    assert!(copied.contains("info: counting: done"), "{copied:?}");
    assert!(copied.contains("there is no such number (Count less)"), "{copied:?}");
}

#[test]
fn a_whole_set_is_counted_on_while_no_view_of_it_is_seen_until_it_is_stopped() {
    const STOP: &str = "Stop count all of Worlds 1 by tiny";
    let small = Small::new();
    let views = vec![ViewId::Codebook, ViewId::Jobs];
    let layout = Panel::Tabs { views, front: Some(ViewId::Codebook) };
    let mut window = open_sized(empty(layout), [1100.0, 700.0]);
    small.open_in(&mut window);
    // Without an end: as many of its images as can be counted are not counted while this lasts.
    send(&mut window, Open::Source(SourceRef::Worlds { seed: 1 }));
    send(&mut window, Layout::Show(ViewId::Codebook));
    click_label(&mut window, "set");
    window.state().send(Look::WholeSet(true));
    let steps = |window: &mut Window| {
        for _ in 0..40 {
            window.step();
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    steps(&mut window);
    window.state().send(Layout::Show(ViewId::Jobs));
    steps(&mut window);
    assert!(window.query_by_label(STOP).is_some(), "{:?}", labels(&window, ""));
    assert!(window.query_by_role_and_label(egui::Role::Tab, "Jobs 1").is_some());
    assert!(window.state().is_working(), "it goes on though nobody looks at it");
    click_label(&mut window, STOP);
    assert!(!window.state().is_working() && !window.state().document().looks.whole_set);
    assert!(says(&window, "Nothing is running"));
    // And with another set, which is not to be counted whole.
    window.state().send(Look::WholeSet(true));
    window.state().send(Layout::Show(ViewId::Codebook));
    steps(&mut window);
    window.state().send(Layout::Show(ViewId::Jobs));
    steps(&mut window);
    assert!(says(&window, STOP));
    send(&mut window, Open::Source(small.source()));
    assert!(!says(&window, STOP));
}
