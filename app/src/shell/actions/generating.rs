//! Actions on generations: begin, steer, take and keep tokens, and the generators that are at hand.

use std::sync::Arc;

use egui::Key;
use smalti_engine::generators::Way;
use smalti_engine::questions::ModelRef;
use smalti_engine::session::{Control, RunId, RunState};

use super::action::{Action, Done, Menu, action, asks, ctrl, ctrl_shift, shift};
use super::now::Now;
use crate::ctx::Trials;
use crate::document::{
    AppCommand, Asked, Generate, GeneratedColor, JobCommand, Notice, Open, Raced, Racing,
};
use crate::shell::script::DIGITS;

/// Those that are there whatever is open.
pub(super) fn all() -> Vec<Action> {
    use Menu::Generate as G;
    let mut all = vec![
        action(G, "Open a generator…", &[], AppCommand::AskFile),
        asks(G, "Start generating", &[ctrl(Key::G)], |now| start(now, Asked::clone, false))
            .often()
            .first(),
        asks(G, "Start with the next seed", &[ctrl_shift(Key::G)], |now| {
            start(now, Asked::reseeded, false)
        })
        .often(),
        asks(G, "Generate one step, then pause", &[], |now| start(now, Asked::clone, true)),
        asks(G, "Pause or resume the generation", &[], |now| {
            control(now, |state| match state {
                RunState::Paused => Control::Resume,
                _ => Control::Pause,
            })
        }),
        asks(G, "Cancel the generation", &[], |now| control(now, |_| Control::Cancel)),
        asks(G, "Use what is generated as tokens", &[], |now| {
            Ok(vec![now.view.using_generated()?.into()])
        })
        .first()
        .about("In Tokens they can be edited, locked and saved"),
        asks(G, "Keep the locked cells", &[], |now| Ok(vec![ask(now.view.keeping_locked()?)]))
            .about("The locked and forced cells of the tokens stay in what is generated next"),
        asks(G, "Resample the selected cells", &[ctrl(Key::R)], |now| rewrite(now, 1))
            .often()
            .goes_on_with(|now| now.view.tokenizer_to_rewrite())
            .about("All other cells of the tokens stay; what is written takes its place in them"),
        asks(G, "Four variations of the selected cells", &[ctrl_shift(Key::R)], |now| {
            rewrite(now, 4)
        })
        .often()
        .goes_on_with(|now| now.view.tokenizer_to_rewrite())
        .about("Four ways to write the selected cells, to pick one"),
        asks(G, "Nine variations of the selected cells", &[ctrl(Key::Num9)], |now| rewrite(now, 9))
            .about("Nine ways to write the selected cells, to pick one"),
        asks(G, "Take none of the variations", &[], |now| {
            trials(now)?;
            Ok(vec![Generate::Leave.into()])
        }),
        asks(G, "Keep nothing", &[], |now| {
            let asked = asked(now)?;
            if asked.given.is_empty() {
                return Err("nothing is kept".to_owned());
            }
            Ok(vec![ask(asked.keeping_nothing())])
        }),
        asks(G, "Start the race", &[ctrl_shift(Key::Enter)], start_race)
            .often()
            .first()
            .about("Three ways of writing tokens on one class, one seed and one clock"),
        asks(G, "Cancel the race", &[], |now| {
            let run = race_runs(now).next().ok_or("no race is running")?;
            Ok(vec![JobCommand::Control(run, Control::Cancel).into()])
        }),
        asks(Menu::Nowhere, "What would be written is seen through masks", &[], |now| {
            Ok(vec![Generate::Ghost(!now.view.document.generating.shows_ghost).into()])
        })
        .kind("look")
        .on(|now| now.view.document.generating.shows_ghost),
    ];
    for number in 0..DIGITS.len() {
        let take = format!("Take variation {} of those that are shown", number + 1);
        all.push(asks(Menu::Nowhere, take, &[], move |now| {
            let count = trials(now)?.asked.len();
            if number >= count {
                return Err(format!("there are {count}"));
            }
            Ok(vec![Generate::Pick(number).into()])
        }));
    }
    all.extend(shares());
    for by in GeneratedColor::ALL {
        let name = format!("Color generated tokens by {}", by.label());
        let color = action(Menu::Nowhere, name, &[], Generate::ColorBy(by)).kind("look");
        all.push(color.on(move |now| now.view.document.generating.color_by == by));
    }
    all
}

/// How much of a selection is written where it is written anew, and from which scale on.
fn shares() -> impl Iterator<Item = Action> {
    let shares = [(1.0, "all"), (0.75, "three quarters"), (0.5, "half"), (0.25, "a quarter")];
    let all = shares.map(|(share, words)| {
        let name = format!("Resample writes {words} of the selected cells");
        let free = asks(Menu::Nowhere, name, &[], move |now| {
            Ok(vec![ask(Asked { free: share, ..Asked::clone(asked(now)?) })])
        });
        free.on(move |now| {
            let asked = now.view.document.generating.asked.as_ref();
            asked.is_some_and(|asked| asked.free == share)
        })
    });
    let scales = [(1, "finer"), (-1, "coarser")].map(|(by, words)| {
        let name = format!("Resample begins one scale {words}");
        asks(Menu::Nowhere, name, &[], move |now| begin_at(now, by))
            .about("Of VAR: coarser scales keep the codes of the picture")
    });
    let finer = asks(Menu::Generate, "Write the finer scales anew", &[shift(Key::R)], |now| {
        let asked = Box::new(now.view.finer_anew()?);
        Ok(vec![Generate::Rewrite { asked, count: 1 }.into()])
    });
    let finer = finer.about("Of VAR: the scales up to the one that is looked at stay as they are");
    all.into_iter().chain(scales).chain([finer])
}

/// Another scale at which freedom begins where a selection is written anew.
fn begin_at(now: &Now<'_>, by: i16) -> Done {
    let asked = asked(now)?;
    let opened = now.known(&asked.opens()).ok_or("the generator is not open yet")?;
    let config = opened.config();
    if config.way != Way::Var {
        return Err(format!("{} writes no scales: open a VAR generator", asked.generator.label()));
    }
    let from = asked.begins_at(config).checked_add_signed(by).ok_or("that is the coarsest")?;
    let part = config.layout.get(usize::from(from)).ok_or("that is the finest")?;
    let next = Asked { from_scale: from, ..Asked::clone(asked) };
    let notice = Notice::info(format!("Resample begins at scale {from}, {part}"));
    Ok(vec![ask(next), notice.into()])
}

/// The generators that are at hand.
pub fn generators(now: &Now<'_>) -> Vec<Action> {
    let shipped = now.generators.iter().map(|name| ModelRef::Shipped(name.as_str().into()));
    let opened = now.view.document.generating.opened.iter().cloned();
    let open = |generator: ModelRef| {
        let is_on = {
            let generator = generator.clone();
            move |now: &Now<'_>| {
                let asked = now.view.document.generating.asked.as_ref();
                asked.is_some_and(|asked| asked.generator == generator)
            }
        };
        let name = now.view.document.name_of(&generator);
        let open = Open::generator(generator.clone());
        let hint = "Ctrl+G starts generating, Ctrl+R writes selected cells anew".to_owned();
        let said = Notice { hint, ..Notice::info(format!("{name} generates from now on")) };
        let does = move |_: &Now<'_>| Ok(vec![open.clone().into(), said.clone().into()]);
        asks(Menu::Generate, name, &[], does).kind("generator").on(is_on)
    };
    shipped.chain(opened).map(open).collect()
}

fn asked<'a>(now: &'a Now<'_>) -> Result<&'a Arc<Asked>, String> {
    now.view.document.generating.asked.as_ref().ok_or_else(|| "open a generator first".to_owned())
}

fn ask(asked: Asked) -> crate::document::Command {
    Generate::Ask(Box::new(asked)).into()
}

/// The ways that are shown to pick one.
fn trials<'a>(now: &'a Now<'_>) -> Result<&'a Trials, String> {
    let trials = now.view.trials().filter(|trials| trials.are_shown());
    trials.ok_or_else(|| "no variations are shown".to_owned())
}

fn rewrite(now: &Now<'_>, count: u8) -> Done {
    let asked = now.view.keeping_unselected()?;
    // With the generator at hand it is known now whether it can do that.
    if let Some(opened) = now.known(&asked.opens()) {
        asked.request(opened.config()).map_err(|error| error.to_string())?;
    }
    Ok(vec![Generate::Rewrite { asked: Box::new(asked), count }.into()])
}

fn start(now: &Now<'_>, change: impl Fn(&Asked) -> Asked, waits: bool) -> Done {
    let asked = Box::new(change(asked(now)?));
    // With the generator at hand it is known now whether it can do that.
    if let Some(opened) = now.known(&asked.opens()) {
        asked.request(opened.config()).map_err(|error| error.to_string())?;
    }
    Ok(vec![Generate::Start { asked, waits }.into()])
}

/// The race that would be started now.
fn next_race(now: &Now<'_>) -> Raced {
    let document = now.view.document;
    document.race.next(now.generators, document.generating.asked.as_deref())
}

/// The lanes of the race that run.
fn race_runs<'a>(now: &'a Now<'_>) -> impl Iterator<Item = RunId> + 'a {
    let raced = now.view.document.race.raced.as_ref();
    let lanes = raced.into_iter().flat_map(|raced| raced.lanes());
    lanes.filter_map(|asked| now.view.live.generations.get(asked)?.run())
}

fn start_race(now: &Now<'_>) -> Done {
    let next = next_race(now);
    if next.lanes().next().is_none() {
        return Err("choose a generator for a lane of the race first".to_owned());
    }
    if race_runs(now).next().is_some() {
        return Err("it is running".to_owned());
    }
    Ok(vec![Racing::Start(Box::new(next)).into()])
}

fn control(now: &Now<'_>, by: impl Fn(&RunState) -> Control) -> Done {
    let going = now.view.trace().and_then(|trace| Some((trace, trace.run()?)));
    let (trace, run) = going.ok_or("nothing is being generated")?;
    Ok(vec![JobCommand::Control(run, by(&trace.state)).into()])
}
