//! The curves of all runs, one number at a time, with what was turned and which checkpoints are kept.

use egui::{Align, Layout, Rect, RichText, Sense, Stroke, pos2, vec2};

use super::controls::rewind_about;
use super::shown::Shown;
use crate::ctx::{TrainedRun, ViewCtx};
use crate::document::{Chart, JobCommand, Secret, Series, Shape, Slot, Table};
use crate::look::theme::space;
use crate::look::words::{grouped, short};
use crate::runs::SPEED;
use crate::widgets::end::End;
use crate::widgets::export::Exported;
use crate::widgets::plot::{Axes, Line, Mark, Plot, end_of_axis};

/// What comes first, in this order; losses by name, and what else there is, come between.
const FIRST: [&str; 5] = ["usage", "accuracy", "perplexity", "psnr", "loss"];
/// What says how many codes are used.
const TELLING: [&str; 2] = ["usage", "perplexity"];
/// What comes last.
const LAST: [&str; 2] = [SPEED, "lr"];

/// Which number is drawn, and how.
#[derive(Debug, Default)]
pub(super) struct Curves {
    /// The one that was picked; the first that there is if none was.
    picked: Option<String>,
    is_logarithmic: bool,
}

/// The runs that can be drawn.
fn known<'a>(runs: &'a [Shown]) -> Vec<(Slot, &'a TrainedRun)> {
    let of_slot = |shown: &'a Shown| Some((shown.0, shown.1.as_ref()?.as_ref().ok()?));
    runs.iter().filter_map(of_slot).collect()
}

/// Names of all numbers, in the order of tabs.
fn names(runs: &[(Slot, &TrainedRun)]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (_, run) in runs {
        for curve in &run.told.record.curves {
            if !names.contains(&curve.name) {
                names.push(curve.name.clone());
            }
        }
    }
    let place = |name: &String| {
        let first = FIRST.iter().position(|known| known == name);
        let last = LAST.iter().position(|known| known == name);
        match (first, last) {
            (Some(first), _) => first,
            (None, Some(last)) => FIRST.len() + 1 + last,
            (None, None) => FIRST.len(),
        }
    };
    names.sort_by_key(place);
    names
}

/// A number's name for people.
fn title(name: &str) -> String {
    match name {
        "usage" => "Usage".to_owned(),
        "accuracy" => "Accuracy".to_owned(),
        "perplexity" => "Perplexity".to_owned(),
        "psnr" => "PSNR".to_owned(),
        "loss" => "Loss".to_owned(),
        SPEED => "Images/s".to_owned(),
        "lr" => "Learning rate".to_owned(),
        other => other.replace('_', " "),
    }
}

/// How values of a number are said, and between what they lie if that is fixed.
type Said = (fn(f64) -> String, Option<(f64, f64)>);

fn scale(name: &str) -> Said {
    match name {
        "usage" | "accuracy" => (percent, Some((0.0, 1.0))),
        "perplexity" => (whole, None),
        SPEED => (speed, None),
        "psnr" => (decibels, None),
        "lr" => (short, None),
        _ => (loss, None),
    }
}

fn percent(value: f64) -> String {
    let percent = value * 100.0;
    if (percent - percent.round()).abs() < 1e-9 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}

fn whole(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    grouped(value.max(0.0).round() as u64)
}

fn speed(value: f64) -> String {
    format!("{}/s", whole(value))
}

fn decibels(value: f64) -> String {
    format!("{value:.1} dB")
}

fn loss(value: f64) -> String {
    if value.abs() >= 10.0 { format!("{value:.1}") } else { format!("{value:.4}") }
}

impl Curves {
    pub(super) fn ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, runs: &[Shown]) {
        let runs = known(runs);
        let mut names = names(&runs);
        if ctx.is_veiled(Secret::Usage) {
            names.retain(|name| !TELLING.contains(&name.as_str()));
        }
        let picked = self.picked.as_ref().filter(|name| names.contains(name));
        let Some(name) = picked.or(names.first()).cloned() else {
            ui.label(ctx.theme.label("Curves begin with the first report"));
            return;
        };
        ui.spacing_mut().item_spacing.y = space::XS;
        self.tabs_ui(ui, ctx, (&names, &name), &runs);
        let (words, range) = scale(&name);
        let lines: Vec<Line<'_>> = runs
            .iter()
            .filter_map(|(slot, run)| {
                let points = &run.told.record.curve(&name)?.points;
                let color = ctx.theme.family(*slot as usize);
                Some(Line { letter: slot.letter(), color, points })
            })
            .collect();
        let marks: Vec<Mark> = runs.iter().flat_map(|(slot, run)| marks(ctx, *slot, run)).collect();
        let ends = runs.iter().map(|(_, run)| {
            let record = &run.told.record;
            end_of_axis(record.furthest(), record.steps)
        });
        let plot = Plot {
            name: &title(&name),
            lines: &lines,
            marks: &marks,
            end: ends.max().unwrap_or(1),
            range,
            is_logarithmic: self.is_logarithmic,
            words,
        };
        let height = ui.available_height().max(40.0);
        let (axes, response) = plot.ui(ui, ctx, height);
        exported(&runs, &name, self.is_logarithmic, |curves| curves.menu(&response, ctx));
        for (row, (slot, run)) in runs.iter().enumerate() {
            kept_ui(ui, ctx, &axes, (row, *slot, run));
        }
    }

    fn tabs_ui(
        &mut self,
        ui: &mut egui::Ui,
        ctx: &ViewCtx<'_>,
        (names, now): (&[String], &str),
        runs: &[(Slot, &TrainedRun)],
    ) {
        let row = vec2(ui.available_width(), ctx.theme.px(22.0));
        ui.allocate_ui_with_layout(row, Layout::left_to_right(Align::Center), |ui| {
            ui.set_min_size(row);
            if ctx.is_presented() {
                ui.label(RichText::new(title(now)).font(ctx.theme.strong()));
                return;
            }
            let end = End::of(ui, "taken");
            end.before(ui, |ui| self.names_ui(ui, ctx, (names, now)));
            end.ui(ui, |ui| {
                let button = egui::Button::new("Export").small();
                let menu = egui::containers::menu::MenuButton::from_button(button);
                exported(runs, now, self.is_logarithmic, |curves| {
                    let (response, _) = menu.ui(ui, |ui| curves.menu_ui(ui, ctx));
                    response.on_hover_text("Takes these curves away, as a figure or as numbers");
                });
                let log = ui.selectable_label(self.is_logarithmic, "log");
                let log = log.on_hover_text("A decade is as high as the next").clicked();
                if ctx.offer("Curves by their logarithm", log) {
                    self.is_logarithmic = !self.is_logarithmic;
                }
            });
        });
    }

    /// The numbers that are told, as many as there is room for; the others in a menu.
    fn names_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, (names, now): (&[String], &str)) {
        ui.spacing_mut().item_spacing.x = space::L;
        let wide = |name: &str| {
            let galley =
                ui.painter().layout_no_wrap(title(name), ctx.theme.strong(), ctx.theme.colors.text);
            galley.size().x + space::L
        };
        let widths: Vec<f32> = names.iter().map(|name| wide(name)).collect();
        let picked = names.iter().position(|name| name == now).unwrap_or(0);
        let shown = fitting(&widths, picked, (ui.available_width(), ctx.theme.px(36.0)));
        for at in &shown {
            if let Some(name) = names.get(*at) {
                self.tab_ui(ui, ctx, name, *at == picked);
            }
        }
        let rest: Vec<&String> = names
            .iter()
            .enumerate()
            .filter(|(at, _)| !shown.contains(at))
            .map(|(_, name)| name)
            .collect();
        if !rest.is_empty() {
            self.rest_ui(ui, &rest);
        }
    }

    /// The numbers for whose tabs there is no room.
    fn rest_ui(&mut self, ui: &mut egui::Ui, rest: &[&String]) {
        let menu = egui::containers::menu::MenuButton::from_button(egui::Button::new("…").small());
        let (response, _) = menu.ui(ui, |ui| {
            for name in rest {
                if ui.button(title(name)).clicked() {
                    self.picked = Some((*name).clone());
                    ui.close();
                }
            }
        });
        response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::Button, true, "More numbers over steps")
        });
    }

    fn tab_ui(&mut self, ui: &mut egui::Ui, ctx: &ViewCtx<'_>, name: &str, is_now: bool) {
        let (theme, colors) = (ctx.theme, &ctx.theme.colors);
        let (font, color) =
            if is_now { (theme.strong(), colors.text) } else { (theme.body(), colors.dim) };
        let text = RichText::new(title(name)).font(font).color(color);
        let response = ui.add(egui::Label::new(text).sense(Sense::click()).selectable(false));
        response
            .widget_info(|| egui::WidgetInfo::selected(egui::Role::Tab, true, is_now, title(name)));
        if is_now {
            let y = response.rect.bottom() + 2.0;
            let gold = Stroke::new(theme.line(2.0), colors.gold);
            ui.painter().hline(response.rect.x_range(), y, gold);
        }
        if response.clicked() {
            self.picked = Some(name.to_owned());
        }
    }
}

/// A number of all runs over steps, to be taken away.
fn exported(
    runs: &[(Slot, &TrainedRun)],
    name: &str,
    is_logarithmic: bool,
    show: impl FnOnce(&Exported<'_>),
) {
    let series = || -> Vec<Series> {
        let all = runs.iter().filter_map(|(slot, run)| {
            let points = run.told.record.curve(name)?.points.clone();
            Some(Series { name: format!("{} {}", slot.letter(), run.name), points })
        });
        all.collect()
    };
    let names = runs.iter().map(|(slot, run)| format!("{} {}", slot.letter(), run.name));
    let names = names.collect::<Vec<_>>().join(", ");
    let about = format!("{} over steps of {names}", title(name));
    let chart = || Chart {
        title: about.clone(),
        across: "steps".to_owned(),
        up: match name {
            "psnr" => "PSNR in dB".to_owned(),
            "usage" | "accuracy" => format!("{}, of 1", title(name)),
            _ => title(name),
        },
        is_logarithmic,
        shape: Shape::Curves(series()),
    };
    let numbers = || Table::Curves(series());
    show(&Exported {
        name: &format!("training-{name}"),
        of: Some(&names),
        about: &about,
        chart: Some(&chart),
        numbers: Some(&numbers),
        ..Exported::default()
    });
}

/// Which tabs stand in a row: all if there is room, or else the first that leave room for the picked one and
/// for a menu of the rest, `menu` wide.
fn fitting(widths: &[f32], picked: usize, (room, menu): (f32, f32)) -> Vec<usize> {
    if widths.iter().sum::<f32>() <= room {
        return (0..widths.len()).collect();
    }
    let mut left = room - menu - widths.get(picked).copied().unwrap_or(0.0);
    let mut shown = Vec::new();
    for (at, width) in widths.iter().enumerate().filter(|(at, _)| *at != picked) {
        left -= width;
        if left < 0.0 {
            break;
        }
        shown.push(at);
    }
    shown.push(picked);
    shown.sort_unstable();
    shown
}

/// What was turned, in words.
fn marks(ctx: &ViewCtx<'_>, slot: Slot, run: &TrainedRun) -> Vec<Mark> {
    let color = ctx.theme.family(slot as usize);
    let mark = |order: &smalti_engine::training::Order| {
        let (letter, step) = (slot.letter(), grouped(order.step));
        let value = short(order.value);
        let text = format!("{letter}: {} is {value} from step {step} on", order.knob);
        Mark { step: order.step, color, text }
    };
    run.told.record.turned.iter().map(mark).collect()
}

/// The kept checkpoints of a run as ticks on the axis of steps: a click offers to go there.
fn kept_ui(
    ui: &egui::Ui,
    ctx: &ViewCtx<'_>,
    axes: &Axes,
    (row, slot, run): (usize, Slot, &TrainedRun),
) {
    let hue = ctx.theme.family(slot as usize);
    let live = run.view.as_ref().filter(|view| !view.state.is_over());
    for step in &run.told.record.kept {
        let at = pos2(axes.x(*step), axes.area.bottom() - 5.0 - row as f32 * 9.0);
        let place = Rect::from_center_size(at, egui::Vec2::splat(ctx.theme.px(9.0)));
        let id = ui.scope_id().with(("kept", slot as usize, *step));
        let response = ui.interact(place, id, Sense::click());
        let label = format!("Checkpoint of {}, step {}", slot.letter(), grouped(*step));
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &label));
        let is_near = response.hovered() || response.has_focus();
        let half = if is_near { 4.5 } else { 3.0 };
        let width = if is_near { 3.0 } else { 2.0 };
        ui.painter().vline(at.x, at.y - half..=at.y + half, Stroke::new(width, hue));
        egui::Popup::menu(&response).show(|ui| {
            ui.label(ctx.theme.label(&label));
            let about = || rewind_about(&run.told.record, *step);
            if let Some(view) = live
                && ui.button("Rewind to it").on_hover_text(about()).clicked()
            {
                ctx.send(JobCommand::GoTo(view.id, *step));
                ui.close();
            }
            if ui.button("Branch from it").clicked() {
                ctx.send(JobCommand::Branch(slot, Some(*step)));
                ui.close();
            }
        });
        response.on_hover_text(label);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_that_do_not_fit_leave_room_for_the_picked_one_and_a_menu() {
        let widths = [50.0, 60.0, 70.0, 80.0];
        assert_eq!(fitting(&widths, 0, (260.0, 30.0)), [0, 1, 2, 3]);
        assert_eq!(fitting(&widths, 0, (259.0, 30.0)), [0, 1, 2]);
        assert_eq!(fitting(&widths, 3, (230.0, 30.0)), [0, 1, 3]);
        assert_eq!(fitting(&widths, 3, (100.0, 30.0)), [3], "the picked one in any case");
    }

    #[test]
    fn numbers_are_said_with_their_units() {
        let said = |name: &str, value| scale(name).0(value);
        assert_eq!(said("usage", 0.5), "50 %");
        assert_eq!(said("usage", 0.0612), "6.1 %");
        assert_eq!(said("psnr", 21.04), "21.0 dB");
        assert_eq!(said(SPEED, 212.4), "212/s");
        assert_eq!(said("commitment", 0.02311), "0.0231");
        assert_eq!(said("lr", 0.002), "0.002");
        assert_eq!(said("perplexity", f64::NAN), "NaN");
        assert_eq!(title("images_per_second"), "Images/s");
    }
}
