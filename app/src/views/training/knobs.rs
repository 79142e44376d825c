//! Knobs: what may be turned while a run goes on.

use egui::Slider;
use smalti_engine::Knob;
use smalti_engine::session::RunId;

use crate::ctx::{TrainedRun, ViewCtx};
use crate::document::{JobCommand, Slot};
use crate::look::words::short;
use crate::runs::Record;
use crate::widgets::keys::ring;

/// How a knob is turned.
struct Shape {
    low: f64,
    high: f64,
    is_logarithmic: bool,
    /// What it is counted in; may be empty.
    unit: &'static str,
    /// What it does, in a sentence.
    about: &'static str,
}

fn shape(knob: Knob) -> Shape {
    let (low, high, is_logarithmic, unit, about) = match knob {
        Knob::LearningRate => {
            (1e-6, 0.1, true, "", "How far a step goes; the schedule keeps its shape")
        }
        Knob::Commitment => (0.0, 4.0, false, "", "How strongly latents are held near their codes"),
        Knob::Decay => {
            (0.5, 0.999, false, "a step", "How much of a code's average stays at each step")
        }
        Knob::Restart => (
            0.0,
            4.0,
            false,
            "choices a step",
            "Codes chosen less often are put where latents are; 0: never",
        ),
        Knob::EntropyWeight => (0.0, 1.0, true, "", "How strongly all codes are asked to be used"),
        Knob::Temperature => {
            (1e-3, 10.0, true, "", "How soft the choices are of which the entropy is taken")
        }
        Knob::Perceptual => (0.0, 4.0, false, "", "Weight of looking alike to a network"),
        Knob::Adversarial => (0.0, 2.0, false, "", "Weight of passing for a real picture"),
    };
    Shape { low, high, is_logarithmic, unit, about }
}

/// The knob that is being turned.
#[derive(Debug, Default)]
pub(super) struct Knobs {
    turning: Option<Turning>,
}

#[derive(Debug, Clone, Copy)]
struct Turning {
    run: RunId,
    knob: Knob,
    value: f64,
    /// What the run had answered when this was sent.
    sent: Option<Answered>,
}

/// How much of a run's answers is known: turned knobs, refusals.
#[derive(Debug, Clone, Copy)]
struct Answered {
    obeyed: usize,
    refusals: usize,
}

impl Answered {
    fn of(record: &Record) -> Self {
        Self { obeyed: record.obeyed.len(), refusals: record.refusals }
    }

    /// Whether an order to turn a knob, sent then, was obeyed or refused since.
    fn is_answered(self, record: &Record, knob: Knob) -> bool {
        let since = record.obeyed.get(self.obeyed..).unwrap_or_default();
        since.contains(&knob) || record.refusals > self.refusals
    }
}

impl Knobs {
    /// The knobs of a run, and what cannot be turned.
    pub(super) fn ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        (slot, run): (Slot, &TrainedRun),
    ) {
        let record = &run.told.record;
        let Some(view) = run.view.as_ref().filter(|view| !view.state.is_over()) else { return };
        // The run has it, or refused it: what it says is what is shown.
        self.turning.take_if(|it| {
            it.run == view.id && it.sent.is_some_and(|sent| sent.is_answered(record, it.knob))
        });
        for (knob, value) in &record.knobs {
            let mine = self.turning.filter(|it| it.run == view.id && it.knob == *knob);
            let mut shown = mine.map_or(*value, |it| it.value);
            if knob_ui(ui, ctx, (slot, *knob), &mut shown) {
                ctx.send(JobCommand::Turn(view.id, *knob, shown));
                let sent = Some(Answered::of(record));
                self.turning = Some(Turning { run: view.id, knob: *knob, value: shown, sent });
            } else if shown.to_bits() != mine.map_or(*value, |it| it.value).to_bits() {
                self.turning =
                    Some(Turning { run: view.id, knob: *knob, value: shown, sent: None });
            }
        }
        let text = "Codes, network, data and batch need a new run: change the recipe";
        ui.add(egui::Label::new(ctx.theme.label(text)).wrap());
    }
}

/// Draws a knob; true if its value is to be taken.
fn knob_ui(
    ui: &mut egui::Ui,
    ctx: &ViewCtx<'_>,
    (slot, knob): (Slot, Knob),
    value: &mut f64,
) -> bool {
    let Shape { low, high, is_logarithmic, unit, about } = shape(knob);
    // A recipe may have set it beyond.
    let range = low.min(*value)..=high.max(*value);
    let name =
        if unit.is_empty() { knob.name().to_owned() } else { format!("{}, {unit}", knob.name()) };
    ui.label(ctx.theme.label(&name)).on_hover_text(about);
    let slider = Slider::new(value, range)
        .logarithmic(is_logarithmic)
        .smallest_positive(1e-6)
        .min_decimals(0)
        .max_decimals(8)
        // Whoever types 1e-4 must not train at 1 on the way.
        .update_while_editing(false)
        .custom_formatter(|value, _| short(value));
    let response = ui
        .scope(|ui| {
            ui.spacing_mut().slider_width = (ui.available_width() - ctx.theme.px(84.0)).max(40.0);
            ui.add(slider)
        })
        .inner;
    ring(ui, ctx.theme, &response);
    response.widget_info(|| {
        let label = format!("{} {}", knob.name(), slot.letter());
        egui::WidgetInfo::slider(true, *value, label)
    });
    response.clone().on_hover_text(about);
    response.drag_stopped() || (response.changed() && !response.dragged())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_knob_is_answered_by_its_own_order_or_a_new_refusal() {
        let mut record = Record::default();
        record.refusals += 1;
        let sent = Answered::of(&record);
        assert!(!sent.is_answered(&record, Knob::Decay), "that refusal is an old one");
        record.obeyed.push(Knob::LearningRate);
        assert!(!sent.is_answered(&record, Knob::Decay), "another knob was turned");
        // The run went back at once: the order is not among those that hold, but was obeyed.
        record.obeyed.push(Knob::Decay);
        assert!(record.turned.is_empty() && sent.is_answered(&record, Knob::Decay));
        let sent = Answered::of(&record);
        record.refusals += 1;
        assert!(sent.is_answered(&record, Knob::Decay));
    }

    #[test]
    fn every_knob_has_a_range_and_says_what_it_does() {
        for knob in Knob::ALL {
            let shape = shape(knob);
            assert!(shape.low < shape.high && !shape.about.is_empty(), "{knob}");
        }
    }
}
