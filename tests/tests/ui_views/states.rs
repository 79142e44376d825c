//! Nothing opened, at work, failed: what each view says then, also in a narrow window.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use egui_kittest::kittest::Queryable;
use smalti::document::{Edit, Layout, Open, Panel, Slot, ViewId};
use smalti_engine::images::WorkingSize;
use smalti_engine::questions::{ImageRef, ModelRef, SourceRef, Stamp};
use smalti_engine::session::{Desk, Lane, Question};
use smalti_engine::tokens::Code;
use smalti_tests::window::{
    Small, Window, drawn, empty, labels, open_drawn, open_sized, rect_of, says, send, settle, tab,
};

const SIZES: [[f32; 2]; 2] = [[400.0, 300.0], [400.0, 800.0]];

/// All five in one group of tabs.
fn tabs() -> Panel {
    let views =
        vec![ViewId::Compare, ViewId::Tokens, ViewId::Codebook, ViewId::Code, ViewId::Dataset];
    Panel::Tabs { views, front: None }
}

/// The words are there, and inside the window.
fn assert_says(window: &Window, view: ViewId, text: &str) {
    assert!(says(window, text), "{view:?} does not say {text:?}: {:?}", labels(window, ""));
    let width = window.ctx.content_rect().width();
    for node in window.query_all_by_label_contains(text) {
        let rect = node.rect();
        assert!(rect.left() >= 0.0 && rect.right() <= width, "{view:?}: {text:?} at {rect:?}");
    }
}

/// The same, once the view is in front.
fn assert_shows(window: &mut Window, view: ViewId, text: &str) {
    send(window, Layout::Show(view));
    assert_says(window, view, text);
}

#[test]
fn with_nothing_opened_every_view_says_what_to_do() {
    for size in SIZES {
        let mut window = open_sized(empty(tabs()), size);
        assert_shows(&mut window, ViewId::Compare, "Drop an image on the window");
        assert_shows(&mut window, ViewId::Tokens, "Drop an image on the window");
        assert_shows(&mut window, ViewId::Codebook, "Pick an image in Dataset or drop one here");
        assert_shows(&mut window, ViewId::Code, "Point at a token or select a code");
        assert_shows(&mut window, ViewId::Dataset, "Image 1");
        send(&mut window, Layout::Show(ViewId::Log));
        assert!(says(&window, "Nothing was said yet"));
        send(&mut window, Layout::Show(ViewId::Jobs));
        assert!(says(&window, "Nothing is running"));
    }
}

#[test]
fn the_button_of_an_empty_view_leads_to_the_samples() {
    let mut window = open_sized(empty(tab(ViewId::Tokens)), [700.0, 500.0]);
    smalti_tests::window::click_label(&mut window, "Show the samples");
    assert!(smalti_tests::window::is_in_front(&window, ViewId::Dataset));
    smalti_tests::window::click_label(&mut window, "Image 2");
    let image = ImageRef::InSource { source: SourceRef::Samples, index: 1 };
    assert_eq!(window.state().document().image(), Some(&image));
}

/// Keeps a thread of the engine from anything else until its case is released.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Hold {
    case: usize,
    thread: usize,
}

/// Threads that are held, over all cases, and cases that are released.
static HELD: AtomicUsize = AtomicUsize::new(0);
static RELEASED: AtomicUsize = AtomicUsize::new(0);

/// Lets the threads of a case go in the end, so that a failure does not wait for them for ever.
struct LetGo(usize);

impl Drop for LetGo {
    fn drop(&mut self) {
        RELEASED.store(self.0 + 1, Ordering::SeqCst);
    }
}

impl Question for Hold {
    type Answer = ();

    fn answer(&self, _desk: &Desk<'_>) -> smalti_engine::Result<()> {
        HELD.fetch_add(1, Ordering::SeqCst);
        while RELEASED.load(Ordering::SeqCst) <= self.case {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn bytes((): &()) -> usize {
        1
    }

    fn is_file_work(&self) -> bool {
        self.thread >= 2
    }
}

#[test]
fn while_it_is_worked_out_every_view_says_what_is_done() {
    let small = Small::new();
    let model: Arc<Path> = small.model().into();
    let model = ModelRef::File { stamp: Stamp::of(&model), path: model };
    let cases = [
        (ViewId::Compare, "Encoding…"),
        (ViewId::Tokens, "Encoding…"),
        (ViewId::Codebook, "Counting…"),
        (ViewId::Code, "Decoding…"),
        (ViewId::Dataset, "Opening the set…"),
    ];
    for (case, (view, text)) in cases.into_iter().enumerate() {
        let mut window = open_sized(empty(tab(view)), SIZES[0]);
        let let_go = LetGo(case);
        // One thread for what is wanted now, one for what can wait, two for files.
        for thread in 0..4 {
            let lane = if thread == 0 { Lane::Now } else { Lane::Soon };
            window.state().session().ask(lane, &Hold { case, thread });
        }
        while HELD.load(Ordering::SeqCst) < 4 * (case + 1) {
            std::thread::sleep(Duration::from_millis(1));
        }
        window.state().send(Open::Size(WorkingSize::square(32, 1)));
        window.state().send(Open::Model(Slot::A, model.clone()));
        window.state().send(Open::Source(small.source()));
        window.state().send(Open::Image(ImageRef::InSource { source: small.source(), index: 0 }));
        window.state().send(Edit::SelectCode(Some(Code::first(3))));
        window.run_steps(4);
        assert_says(&window, view, text);
        drop(let_go);
        settle(&mut window);
        assert!(!says(&window, text), "{view:?} says {text:?} for ever");
    }
}

#[test]
fn what_cannot_be_had_is_said_in_every_view_and_the_window_goes_on() {
    let small = Small::new();
    let gone: Arc<Path> = small.pictures().join("not there.safetensors").into();
    let gone = ModelRef::File { stamp: Stamp::of(&gone), path: gone };
    let folder: Arc<Path> = small.pictures().join("no folder").into();
    let folder = SourceRef::Path { stamp: Stamp::of(&folder), path: folder };
    for size in SIZES {
        let mut window = open_sized(empty(tabs()), size);
        small.open_in(&mut window);
        send(&mut window, Open::Model(Slot::A, gone.clone()));
        send(&mut window, Edit::SelectCode(Some(Code::first(3))));
        for view in [ViewId::Compare, ViewId::Tokens, ViewId::Codebook, ViewId::Code] {
            assert_shows(&mut window, view, "not there.safetensors");
        }
        send(&mut window, Open::Source(folder.clone()));
        assert_shows(&mut window, ViewId::Dataset, "no folder");
        small.open_in(&mut window);
        assert_shows(&mut window, ViewId::Tokens, "Token grid, 16 rows, 16 columns");
        assert_shows(&mut window, ViewId::Dataset, "Image 3");
    }
}

#[test]
fn an_image_that_cannot_be_read_is_said_by_its_name() {
    let small = Small::new();
    let path = small.pictures().join("broken.png");
    std::fs::write(&path, b"\x89PNG\r\n\x1a\n and then nothing").unwrap();
    let mut window = open_sized(empty(tabs()), SIZES[0]);
    small.open_in(&mut window);
    send(&mut window, Open::Image(ImageRef::file(&path)));
    for view in [ViewId::Compare, ViewId::Tokens, ViewId::Codebook] {
        assert_shows(&mut window, view, "broken.png");
    }
}

#[test]
fn the_last_good_picture_stays_until_the_new_one_is_there() {
    let small = Small::new();
    let Some(mut window) = open_drawn(empty(tab(ViewId::Tokens)), [900.0, 600.0]) else { return };
    small.open_in(&mut window);
    let rebuilt = |window: &mut Window| {
        let rect = rect_of(window, "Reconstruction");
        let (x, y) = (rect.left().ceil() as u32, rect.top().ceil() as u32);
        let screen = drawn(window);
        // A thin line at the view's top says that it works; the picture begins below it.
        let size = (rect.width() as u32 - 1, rect.height() as u32 - 1);
        image::imageops::crop_imm(&screen, x, y, size.0, size.1).to_image()
    };
    let first = rebuilt(&mut window);
    window.state().send(Open::Image(ImageRef::InSource { source: small.source(), index: 1 }));
    window.step();
    assert!(rebuilt(&mut window) == first, "the first picture is gone too early");
    assert!(!says(&window, "Encoding…"), "no words take its place");
    settle(&mut window);
    assert!(rebuilt(&mut window) != first, "the second picture never came");
}
