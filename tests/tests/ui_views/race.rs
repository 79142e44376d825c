//! The Race view: lanes are filled, bet on, run one after the other, played on a common clock, cancelled, undone.
//! What is shown is compared with what the engine does by itself.

use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use smalti::document::{Asked, Generate, Layout, Open, Panel, Race, Racing, ViewId};
use smalti::files::saved::{Carried, Saved, to_bytes};
use smalti::studio::StudioOptions;
use smalti_engine::generators::{Generation, Way};
use smalti_engine::questions::{ModelInfo, ModelRef, Stamp};
use smalti_engine::session::RunState;
use smalti_engine::tokens::Tokens;
use smalti_tests::tiny::{scales_model, tiny_generator, tiny_var};
use smalti_tests::window::{
    Small, Window, click_label, empty, is_in_front, labels, open_sized, press, says, send, tab,
    until,
};

/// The window with a raster generator, MaskGIT and VAR in the lanes, and their folder.
fn open_race() -> (Window, Small) {
    let small = Small::new();
    let layout = Panel::Tabs { views: vec![ViewId::Race, ViewId::Log], front: None };
    let mut window = open_sized(empty(layout), [1280.0, 800.0]);
    let file = |name: &str| small.model().with_file_name(name);
    scales_model(&file("scales.safetensors"));
    let model =
        |name: &str| ModelRef::File { path: file(name).into(), stamp: Stamp::default() }.now();
    let hash = |name: &str| {
        let facts = window.state().session().wait(&ModelInfo { model: model(name) });
        facts.unwrap().token_hash.clone()
    };
    tiny_generator(&file("row.safetensors"), Way::Raster, &hash("tiny.safetensors"));
    tiny_generator(&file("masks.safetensors"), Way::MaskGit, &hash("tiny.safetensors"));
    tiny_var(&file("steps.safetensors"), &hash("scales.safetensors"));
    let chosen =
        ["row.safetensors", "masks.safetensors", "steps.safetensors"].map(|name| Some(model(name)));
    let race = Race { class: Some("forest".into()), chosen, ..Race::default() };
    send(&mut window, Racing::Set(Box::new(race)));
    send(&mut window, Layout::Show(ViewId::Race));
    (window, small)
}

fn race(window: &Window) -> &Race {
    &window.state().document().race
}

/// What was written in a lane, and where that stands.
fn lane(window: &Window, number: usize) -> (Tokens, RunState) {
    let raced = race(window).raced.as_ref().unwrap();
    let trace = window.state().generations().get(raced.asked[number].as_ref().unwrap()).unwrap();
    (trace.tokens(trace.steps.len()).unwrap().clone(), trace.state.clone())
}

/// The same worked out without a window.
fn by_the_engine(window: &Window, number: usize) -> Tokens {
    let asked = race(window).raced.as_ref().unwrap().asked[number].clone().unwrap();
    let opened = window.state().session().wait(&asked.opens()).unwrap();
    let request = asked.request(opened.config()).unwrap();
    let mut generation = Generation::new(opened.painter.clone(), request, None).unwrap();
    while generation.next_step().unwrap().is_some() {}
    generation.tokens().unwrap()
}

/// All lanes have run, and the clock stands at its end.
fn run(window: &mut Window) {
    until(window, "Race timeline");
    click_label(window, "Last step");
}

#[test]
fn lanes_run_to_the_engine_s_tokens_and_the_end_tells_passes_of_the_runs() {
    let (mut window, _small) = open_race();
    assert!(says(&window, "Which will be first?"), "{:?}", labels(&window, "first"));
    click_label(&mut window, "Start the race");
    run(&mut window);
    for number in [0, 1, 2] {
        assert_eq!(lane(&window, number), (by_the_engine(&window, number), RunState::Done));
    }
    // 64 tokens one by one, and in the usual 12 steps of MaskGIT.
    assert!(
        says(&window, "Lane 1, raster AR: 64 of 64 tokens, 64 passes"),
        "{:?}",
        labels(&window, "Lane")
    );
    assert!(says(&window, "Lane 2, MaskGIT: 64 of 64 tokens, 12 passes"));
    assert!(says(&window, "Lane 3, VAR: 21 of 21 tokens, 3 passes"));
    let words = "VAR: 3 passes for 21 tokens; raster AR: 64 for 64. That is 21 times fewer passes";
    assert!(says(&window, words), "{:?}", labels(&window, "passes"));
    assert!(says(&window, " was first, after "));
    assert!(!says(&window, "You said"), "nobody bet");
}

#[test]
fn a_lane_whose_generator_is_not_here_says_so_and_takes_another_one() {
    let (mut window, small) = open_race();
    let empty = race(&window).with(|race| race.chosen[2] = None);
    send(&mut window, Racing::Set(Box::new(empty)));
    if labels(&window, "worlds-var is not here").is_empty() {
        // It comes with the program: the lane is filled.
        assert!(says(&window, "Bet on lane 3"));
        return;
    }
    let path = small.model().with_file_name("masks.safetensors");
    send(&mut window, Open::Path(path));
    send(&mut window, Layout::Show(ViewId::Race));
    click_label(&mut window, "Generator of lane 3, choose…");
    window.get_all_by_label("masks").last().unwrap().click();
    smalti_tests::window::settle(&mut window);
    assert!(race(&window).chosen[2].is_some());
    // Two of one way are told apart by their names.
    assert!(says(&window, "Bet on lane 3, masks"), "{:?}", labels(&window, "Bet"));
}

#[test]
fn a_generator_that_was_trained_further_stands_in_a_lane_as_it_is_now() {
    let (mut window, small) = open_race();
    let path = small.model().with_file_name("masks.safetensors");
    send(&mut window, Open::Path(path.clone()));
    let then = race(&window).chosen[1].clone();
    let tiny = ModelRef::File { path: small.model().into(), stamp: Stamp::default() }.now();
    let facts = window.state().session().wait(&ModelInfo { model: tiny }).unwrap();
    tiny_generator(&path, Way::Raster, &facts.token_hash);
    let now = Some(ModelRef::File { path: path.into(), stamp: Stamp::default() }.now());
    assert_ne!(now, then, "its file is another one");
    send(&mut window, Layout::Show(ViewId::Race));
    click_label(&mut window, "Generator of lane 3, steps");
    window.get_all_by_label("masks").last().unwrap().click();
    smalti_tests::window::settle(&mut window);
    assert_eq!(race(&window).chosen[2], now);
    assert!(says(&window, "Bet on lane 3, masks"), "{:?}", labels(&window, "lane 3"));
}

#[test]
fn a_bet_by_the_mouse_is_taken_back_and_stays_beside_the_truth() {
    let (mut window, _small) = open_race();
    click_label(&mut window, "Bet on lane 1, raster AR");
    assert_eq!(race(&window).bet, Some(0));
    assert!(says(&window, "You say raster AR"));
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(race(&window).bet, None, "a bet is a step of undo");
    press(&mut window, Modifiers::COMMAND, Key::Y);
    click_label(&mut window, "Start the race");
    run(&mut window);
    assert_eq!(race(&window).raced.as_ref().unwrap().bet, Some(0));
    let (first, others) =
        ("You said raster AR, and raster AR it was", "You said raster AR: it was ");
    assert!(says(&window, first) != says(&window, others), "{:?}", labels(&window, "You said"));
    assert!(window.query_by_label_contains("Bet on lane").is_none(), "the bets are closed");
    // On another race nothing is bet.
    click_label(&mut window, "+1");
    assert_eq!((race(&window).bet, race(&window).seed), (None, 2));
    assert!(says(&window, "Which will be first?"));
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert!(says(&window, "Lane 1, raster AR"), "what was raced is seen again");
}

#[test]
fn number_keys_bet_while_the_race_has_the_keyboard_and_show_views_otherwise() {
    let (mut window, _small) = open_race();
    press(&mut window, Modifiers::NONE, Key::R);
    press(&mut window, Modifiers::NONE, Key::Num2);
    assert_eq!(race(&window).bet, Some(1));
    assert!(is_in_front(&window, ViewId::Race));
    press(&mut window, Modifiers::NONE, Key::Num1);
    assert_eq!(race(&window).bet, Some(0));
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Enter);
    until(&mut window, "Race timeline");
    press(&mut window, Modifiers::NONE, Key::End);
    assert!(says(&window, "You said raster AR"), "{:?}", labels(&window, "You"));
    press(&mut window, Modifiers::NONE, Key::Home);
    assert!(says(&window, "Lane 1, raster AR: 0 of 64 tokens"), "{:?}", labels(&window, "Lane"));
    assert!(!says(&window, "You said"), "the clock has not come to the end");
    // There is nothing to bet on any more: the key shows the view of its number.
    press(&mut window, Modifiers::NONE, Key::Num6);
    assert!(is_in_front(&window, ViewId::Log));
}

#[test]
fn a_cancelled_race_keeps_what_is_there_and_begins_no_other_lane() {
    let (mut window, _small) = open_race();
    window.state().send(Racing::Start(Box::new(race(&window).next(&[], None))));
    // Cancelled as soon as its first lane runs.
    for _ in 0..4000 {
        window.step();
        let raced = race(&window).raced.clone();
        let asked = raced.and_then(|raced| raced.asked[0].clone());
        let run = asked.and_then(|asked| window.state().generations().get(&asked)?.run());
        if let Some(run) = run {
            let control = smalti_engine::session::Control::Cancel;
            window.state().send(smalti::document::JobCommand::Control(run, control));
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    until(&mut window, "Race timeline");
    let (tokens, state) = lane(&window, 0);
    let written = tokens.cells().filter(|(_, code)| code.is_some()).count();
    let raced = race(&window).raced.clone().unwrap();
    let second = window.state().generations().get(raced.asked[1].as_ref().unwrap()).is_some();
    // It may have come to its end before it heard of it.
    if state == RunState::Cancelled {
        assert!(!second, "nothing begins behind it");
        let words = format!("raster AR stopped after {written} of 64 tokens");
        assert!(says(&window, &words), "{:?}", labels(&window, "stopped"));
    } else {
        assert_eq!((state, written), (RunState::Done, 64));
    }
    click_label(&mut window, "Race again");
    run(&mut window);
    assert_eq!(lane(&window, 0), (by_the_engine(&window, 0), RunState::Done));
    assert_eq!(lane(&window, 1), (by_the_engine(&window, 1), RunState::Done));
}

#[test]
fn a_lane_that_waits_paused_in_generate_is_measured_anew() {
    let (mut window, _small) = open_race();
    let asked = race(&window).next(&[], None).asked[0].clone().unwrap();
    let asked = Box::new(Asked::clone(&asked));
    send(&mut window, Generate::Start { asked, waits: true });
    until(&mut window, "Generation paused");
    send(&mut window, Layout::Show(ViewId::Race));
    click_label(&mut window, "Start the race");
    run(&mut window);
    for number in [0, 1, 2] {
        assert_eq!(lane(&window, number), (by_the_engine(&window, number), RunState::Done));
    }
}

#[test]
fn a_race_is_saved_with_its_bet_and_runs_again_to_the_same_tokens() {
    let (mut window, small) = open_race();
    click_label(&mut window, "Bet on lane 2, MaskGIT");
    click_label(&mut window, "Start the race");
    run(&mut window);
    let saved = Saved::new(window.state().document().clone(), window.state().layout());
    let path = small.model().with_file_name("race.smalti");
    std::fs::write(&path, to_bytes(&saved, &Carried::Pasted).unwrap()).unwrap();
    let mut again = open_sized(empty(tab(ViewId::Log)), [1280.0, 800.0]);
    send(&mut again, Open::Path(path.clone()));
    run(&mut again);
    assert_eq!(race(&again), race(&window));
    assert_eq!(lane(&again, 0), lane(&window, 0));
    assert!(says(&again, "You said MaskGIT"));
    // Where it is not seen it does not run, and is not measured because the view is opened.
    let options = StudioOptions { keeps_layout: true, ..empty(tab(ViewId::Log)) };
    let mut unseen = open_sized(options, [1280.0, 800.0]);
    send(&mut unseen, Open::Path(path));
    send(&mut unseen, Layout::Show(ViewId::Race));
    assert!(unseen.state().session().runs().is_empty());
    assert!(says(&unseen, "Which will be first?"), "it is offered");
    click_label(&mut unseen, "Start the race");
    run(&mut unseen);
    assert_eq!(lane(&unseen, 0), lane(&window, 0));
}

#[test]
fn a_race_has_room_in_a_small_window_and_before_a_hall() {
    let (window, small) = open_race();
    let set = Racing::Set(Box::new(race(&window).clone()));
    let mut low = open_sized(empty(tab(ViewId::Race)), [640.0, 420.0]);
    send(&mut low, set);
    let start = low.get_by_role_and_label(egui::Role::Button, "Start the race");
    assert!(!start.accesskit_node().is_disabled());
    press(&mut low, Modifiers::NONE, Key::F5);
    press(&mut low, Modifiers::NONE, Key::Num2);
    assert_eq!(race(&low).bet, Some(1), "a hall bets by the number keys");
    click_label(&mut low, "Start the race");
    run(&mut low);
    assert!(says(&low, "Lane 2, MaskGIT: 64 of 64 tokens"));
    drop((window, small));
}

#[test]
fn a_race_that_is_not_seen_any_more_begins_no_other_lane() {
    let (mut window, _small) = open_race();
    window.state().send(Racing::Start(Box::new(race(&window).next(&[], None))));
    for _ in 0..100 {
        if race(&window).raced.is_some() {
            break;
        }
        window.step();
    }
    // The next race is another one from now on, so that none of its lanes is seen.
    let other = race(&window).with(|race| race.seed += 1);
    send(&mut window, Racing::Set(Box::new(other)));
    let raced = race(&window).raced.clone().unwrap();
    // Until nothing has happened for long.
    let mut idle = 0;
    while idle < 100 {
        window.step();
        let goes_on = window.state().generations().runs().count() > 0;
        idle = if goes_on || window.state().is_working() { 0 } else { idle + 1 };
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let generations = window.state().generations();
    assert!(generations.get(raced.asked[2].as_ref().unwrap()).is_none(), "the last lane");
    click_label(&mut window, "Start the race");
    run(&mut window);
    for number in [0, 1, 2] {
        assert_eq!(lane(&window, number), (by_the_engine(&window, number), RunState::Done));
    }
}

#[test]
fn a_race_that_is_not_seen_waits_says_so_and_goes_on_when_it_is_seen() {
    let layout = Panel::Tabs { views: vec![ViewId::Race, ViewId::Log], front: None };
    let mut window = open_sized(empty(layout), [1280.0, 800.0]);
    let said = |window: &Window| {
        let list = window.state().notices().list();
        list.iter().any(|notice| notice.summary == "The race waits: it is not seen")
    };
    // The shipped ones: a lane of theirs is not over before it hears of it.
    let next = race(&window).next(&smalti::document::OURS.map(str::to_owned), None);
    window.state().send(Racing::Start(Box::new(next)));
    while window.state().generations().runs().next().is_none() {
        window.step();
    }
    send(&mut window, Layout::Show(ViewId::Log));
    assert!(said(&window), "{:?}", window.state().notices().list());
    let raced = race(&window).raced.clone().unwrap();
    let states = |window: &Window| -> Vec<Option<RunState>> {
        let trace = |asked| window.state().generations().get(asked).map(|it| it.state.clone());
        raced.lanes().map(|asked| trace(asked)).collect()
    };
    let then = states(&window);
    for _ in 0..100 {
        window.step();
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!(states(&window), then, "nothing goes on unseen");
    assert!(then.iter().all(|state| *state != Some(RunState::Running)), "{then:?}");
    send(&mut window, Layout::Show(ViewId::Race));
    run(&mut window);
    assert!(states(&window).iter().all(|state| *state == Some(RunState::Done)));
}
