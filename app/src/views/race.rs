//! Race: the same class and seed painted by up to three generators, measured one after the other and played on a
//! common clock. Who will be first is said before the start, and kept beside the truth.

mod clock;
mod draw;
mod lane;
mod places;
mod setup;
mod words;

use std::sync::Arc;

use egui::{Label, Rect, RichText, UiBuilder};
use smalti_engine::questions::ShippedGenerators;

use self::clock::{Clock, SLICES};
use self::draw::Stage;
use self::lane::Lane;
use self::places::Places;
use self::words::Runner;
use super::view::View;
use crate::ctx::ViewCtx;
use crate::document::Raced;
use crate::look::theme::space;
use crate::widgets::timeline::{Goes, Player, Tick, Timeline};

/// The Race view.
#[derive(Debug, Default)]
pub(super) struct RaceView {
    player: Player,
    /// The slice at which the clock stands; its end if `None`.
    at: Option<usize>,
    /// The race that was played last, and the times of its lanes.
    played: Option<(Arc<Raced>, Clock)>,
}

impl View for RaceView {
    fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>) {
        let area = ui.available_rect_before_wrap();
        ui.allocate_rect(area, egui::Sense::hover());
        let shipped = ctx.ask("shipped generators", &ShippedGenerators);
        let shipped = shipped.best().map(|names| names.to_vec()).unwrap_or_default();
        let (race, set) = (&ctx.document.race, ctx.document.generating.asked.as_deref());
        let next = race.next(&shipped, set);
        let seen = race.seen(&next).filter(|raced| is_known(ctx, raced));
        let lanes = lane::lanes(ctx, &next, seen.is_some());
        let places = Places::of(ctx, area);
        // What was cancelled has an end, and nothing begins behind it.
        let is_cut = lanes.iter().any(Lane::is_cancelled);
        let is_running = lanes.iter().any(Lane::is_running);
        let is_over = lanes.iter().all(Lane::is_over) || (is_cut && !is_running);
        let clock = Clock::of(lanes.iter().filter_map(|lane| lane.trace), ctx.is_time_frozen);
        let at = match seen {
            Some(raced) if is_over => {
                self.follow(ctx, (raced, clock), is_cut);
                Some(self.at.unwrap_or(SLICES))
            }
            _ => None,
        };
        let stage = match (seen, at) {
            (None, _) => Stage::Ready { bet: race.bet },
            (Some(raced), None) => Stage::Measured { bet: raced.bet },
            (Some(raced), Some(at)) => Stage::Played { bet: raced.bet, clock, at },
        };
        ui.scope_builder(UiBuilder::new().max_rect(places.row).id_salt("row"), |ui| {
            setup::row_ui(ui, ctx, (&next, &lanes), &stage);
        });
        let mut has_keys = ctx.is_presented();
        for (lane, place) in lanes.iter().zip(&places.lanes) {
            let id = ("lane", lane.number);
            has_keys |= ui
                .scope_builder(UiBuilder::new().max_rect(place.whole).id_salt(id), |ui| {
                    setup::head_ui(ui, ctx, place, (lane, &stage, &shipped));
                    draw::lane_ui(ui, ctx, place, lane, &stage)
                })
                .inner;
        }
        if has_keys && matches!(stage, Stage::Ready { .. }) {
            ctx.offer(crate::document::BETS_BY_NUMBER, false);
        }
        says(ui, ctx, places.words, &said(&lanes, &stage, ctx.is_time_frozen));
        if let Some(at) = at {
            self.timeline_ui(ui, ctx, places.timeline, (&lanes, &clock, at));
        }
    }
}

/// Whether a race runs or has run: of one of before only what was asked is kept, and it is not measured again by itself.
fn is_known(ctx: &ViewCtx<'_>, raced: &Arc<Raced>) -> bool {
    let has_run = |asked| ctx.trace_of(asked).is_some();
    ctx.is_time_frozen || ctx.live.raced == Some(raced) || raced.lanes().all(|it| has_run(it))
}

impl RaceView {
    /// A race that was not played yet is played when it is there as a whole.
    fn follow(&mut self, ctx: &ViewCtx<'_>, (raced, clock): (&Arc<Raced>, Clock), is_cut: bool) {
        if self.played.as_ref().is_some_and(|(known, of)| known == raced && *of == clock) {
            return;
        }
        self.played = Some((Arc::clone(raced), clock));
        self.at = None;
        if !(is_cut || ctx.is_time_frozen || ctx.theme.reduced_motion) {
            self.at = Some(0);
            self.player.begin();
        }
        self.player.owe_focus(true);
    }

    fn timeline_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        area: Rect,
        (lanes, clock, at): (&[Lane<'_>], &Clock, usize),
    ) {
        let written = |at: usize| -> usize {
            lanes.iter().map(|lane| lane.moment(Some((clock, at))).tokens.0).sum()
        };
        let all: Vec<usize> = (0..=SLICES).map(written).collect();
        let tick =
            |pair: &[usize]| Tick { value: pair[1].saturating_sub(pair[0]) as f32, left: 0.0 };
        let ticks: Vec<Tick> = all.windows(2).map(tick).collect();
        let said = format!("{} of {}", clock.words(at), clock.words(SLICES));
        let timeline = Timeline {
            name: "Race",
            said: &said,
            ticks: &ticks,
            planned: SLICES,
            at,
            goes_on: false,
            label: &|at| clock.words(at),
            heights: "tokens written",
            line: "",
            preview: &|_, _| {},
        };
        let builder = UiBuilder::new().max_rect(area).id_salt("clock");
        let to = ui.scope_builder(builder, |ui| self.player.ui(ui, ctx, area, &timeline)).inner;
        match to {
            Some(Goes::To(at)) => self.at = Some(at),
            Some(Goes::ToEnd) => self.at = None,
            None => {}
        }
    }
}

/// What is said below the lanes.
fn said(lanes: &[Lane<'_>], stage: &Stage, is_time_frozen: bool) -> Vec<String> {
    let named = |bet: &Option<u8>| Some(lanes.get(usize::from((*bet)?))?.name.clone());
    match stage {
        Stage::Ready { bet } => {
            let count = lanes.iter().filter(|lane| lane.generator.is_some()).count();
            let ask = match count {
                0 => "No generator is here: choose one for a lane".to_owned(),
                1 => "One alone has nothing to race with: choose a generator for another lane"
                    .to_owned(),
                _ => "Which will be first? Click its picture, or press its number".to_owned(),
            };
            let bet = named(bet).map(|name| format!("You say {name}"));
            [ask].into_iter().chain(bet).collect()
        }
        Stage::Measured { .. } => {
            let now = lanes.iter().find(|lane| lane.is_running());
            let now = now.map_or(String::new(), |lane| format!(": now {}", lane.name));
            vec![format!(
                "Measured one after the other, as each would be slower beside the others{now}"
            )]
        }
        Stage::Played { at, bet, .. } if *at >= SLICES => {
            let runner = |lane: &Lane<'_>| {
                lane.trace?;
                let moment = lane.moment(None);
                Some(Runner {
                    name: lane.name.clone(),
                    tokens: moment.tokens,
                    passes: moment.passes,
                    seconds: (!is_time_frozen).then_some(moment.seconds),
                    is_done: lane.is_done(),
                })
            };
            let runners: Vec<Option<Runner>> = lanes.iter().map(runner).collect();
            words::lines(&runners, bet.map(usize::from))
        }
        Stage::Played { .. } => vec![
            "On a common clock, by the times that were measured one after the other".to_owned(),
        ],
    }
}

/// Writes lines one below the other, the last one first where there is room for one alone: it is the bet's.
fn says(ui: &mut egui::Ui, ctx: &ViewCtx<'_>, area: Rect, lines: &[String]) {
    let is_low = area.height() < ctx.theme.px(36.0);
    ui.scope_builder(UiBuilder::new().max_rect(area).id_salt("words"), |ui| {
        ui.spacing_mut().item_spacing.y = space::XS / 2.0;
        if is_low {
            let line = RichText::new(lines.join(" · ")).font(ctx.theme.body());
            ui.add(Label::new(line).truncate());
            return;
        }
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            for line in lines {
                ui.add(Label::new(RichText::new(line).font(ctx.theme.body())).wrap());
            }
        });
    });
}
