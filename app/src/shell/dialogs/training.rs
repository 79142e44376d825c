//! Asks how a recipe is to be trained before it begins: on what, how long, how large, where to, in which slot.

use std::path::Path;

use egui::{ComboBox, Label, Margin, RichText, TextEdit, Ui};
use smalti_engine::training::Recipe;

use super::parts::{Answer, default_button, keep_keyboard, title};
use crate::document::{RecipeRef, Slot};
use crate::files::outcome::Ask;
use crate::files::training_form::{DataChoice, Estimate, Field, Form, Refusal};
use crate::look::theme::{Theme, space};
use crate::look::words::{duration, name};

pub(super) fn ui(ui: &mut Ui, theme: &Theme, form: &mut Form) -> Option<Answer> {
    ui.set_max_width(theme.px(620.0));
    let wanted = form.wanted();
    title(ui, theme, &heading(form, wanted.as_ref().ok().map(|(_, recipe)| recipe)));
    let wrong = wanted.as_ref().err().map(|refusal| refusal.field);
    let mut answer = None;
    let room = (ui.ctx().content_rect().height() - theme.px(220.0)).max(80.0);
    // As high as there is room at once: a dialog is as small at first as what is in it can be.
    let area = egui::ScrollArea::vertical().max_height(room).min_scrolled_height(room);
    area.show(ui, |ui| {
        let grid = egui::Grid::new("training").num_columns(2);
        grid.spacing([space::L, space::S]).show(ui, |ui| {
            ui.label(theme.label(Field::Recipe.label()));
            answer = recipe_ui(ui, form);
            ui.end_row();
            ui.label(theme.label(Field::Data.label()));
            answer = ui.vertical(|ui| data_ui(ui, theme, form, wrong)).inner.or(answer.take());
            ui.end_row();
            let small = theme.px(96.0);
            point_ui(ui, theme, form, (wrong, small));
            number_ui(ui, theme, (Field::Steps, wrong), (&mut form.steps, small), "");
            number_ui(ui, theme, (Field::Side, wrong), (&mut form.side, small), "pixels a side");
            number_ui(ui, theme, (Field::Batch, wrong), (&mut form.batch, small), "images a step");
            answer = folder_ui(ui, theme, form, wrong).or(answer.take());
            ui.label(theme.label("Slot"));
            slots_ui(ui, form);
            ui.end_row();
            ui.label(theme.label("Time"));
            let recipe = wanted.as_ref().ok().map(|(_, recipe)| recipe);
            let estimate = recipe.and_then(|recipe| form.estimate(recipe));
            ui.add(Label::new(time(estimate.as_ref())).wrap());
            ui.end_row();
            if let Some(doubt) = recipe.and_then(|recipe| form.doubt(recipe)) {
                ui.label("");
                let text = RichText::new(format!("{doubt}: is that meant?"));
                ui.add(Label::new(text.color(theme.colors.gold)).wrap());
                ui.end_row();
            }
        });
    });
    ui.add_space(space::S);
    problem_ui(ui, theme, form, wanted.as_ref().err());
    ui.add_space(space::S);
    ui.horizontal(|ui| {
        let start = default_button(ui, theme, wanted.is_ok(), "Start");
        let cancel = ui.button("Cancel");
        // Enter must not press Cancel while Start cannot be pressed.
        if wanted.is_ok() {
            keep_keyboard(ui, &start.response);
        }
        if start.is_pressed {
            answer = Some(Answer::Train(Box::new(form.clone())));
        }
        if cancel.clicked() {
            answer = Some(Answer::Close);
        }
    });
    answer
}

fn heading(form: &Form, wanted: Option<&Recipe>) -> String {
    match (&form.point, wanted) {
        (None, _) => format!("Train {}", form.recipe.name),
        (Some(_), Some(recipe)) => format!("Train a new point: {}", recipe.name),
        (Some(_), None) => "Train a new point".to_owned(),
    }
}

/// Codes and minutes of what becomes a point of rate against quality.
fn point_ui(ui: &mut Ui, theme: &Theme, form: &mut Form, (wrong, small): (Option<Field>, f32)) {
    let knows_pace = form.knows_pace();
    let Some(point) = &mut form.point else { return };
    number_ui(ui, theme, (Field::Codes, wrong), (&mut point.codes, small), "in a book");
    let name = ui.label(theme.label(Field::Minutes.label())).id;
    let changed = ui.horizontal(|ui| {
        if !knows_pace {
            ui.label(
                theme.label("known once such a network was trained here; until then by Steps"),
            );
            return false;
        }
        let is_wrong = wrong == Some(Field::Minutes);
        let response = field(ui, theme, (&mut point.minutes, small), (name, is_wrong));
        ui.label(theme.label("set the steps, as such a network trained last"));
        response.changed()
    });
    ui.end_row();
    if changed.inner {
        form.take_minutes();
    }
}

fn recipe_ui(ui: &mut Ui, form: &Form) -> Option<Answer> {
    let own = match &form.reference {
        RecipeRef::Shipped(name) => name.to_string(),
        RecipeRef::File(path) => name(path),
    };
    let mut answer = None;
    let list = ComboBox::from_id_salt("recipe").selected_text(&own).width(220.0);
    let shown = list.show_ui(ui, |ui| {
        let all: Vec<(&String, String)> = match &form.point {
            Some(point) => {
                let kinds = point.kinds.iter();
                kinds.map(|(name, kind)| (name, format!("{kind} ({name})"))).collect()
            }
            None => form.recipes.iter().map(|name| (name, name.clone())).collect(),
        };
        for (name, label) in all {
            if ui.selectable_label(*name == own, label).clicked() && *name != own {
                let other = RecipeRef::Shipped(name.as_str().into());
                answer = Some(Answer::OtherRecipe(other, Box::new(form.clone())));
            }
        }
    });
    shown.response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::ComboBox, true, format!("Recipe, {own}"))
    });
    answer
}

fn data_ui(ui: &mut Ui, theme: &Theme, form: &mut Form, wrong: Option<Field>) -> Option<Answer> {
    let own = format!("the recipe's: {}", form.own_data());
    ui.radio_value(&mut form.data, DataChoice::Recipe, own);
    ui.radio_value(&mut form.data, DataChoice::Worlds, "Worlds, painted without end");
    if let Some(opened) = &form.opened {
        let opened = format!("what is opened: {}", name(opened));
        ui.radio_value(&mut form.data, DataChoice::Opened, opened);
    }
    let mut answer = None;
    ui.horizontal(|ui| {
        let name = ui.radio_value(&mut form.data, DataChoice::Elsewhere, "elsewhere:").id;
        let is_wrong = wrong == Some(Field::Data);
        let width = theme.px(230.0);
        let response = field(ui, theme, (&mut form.path, width), (name, is_wrong));
        if response.changed() {
            form.data = DataChoice::Elsewhere;
        }
        if ui.button("Folder…").clicked() {
            answer = Some(Answer::Browse(Ask::TrainingFolder));
        }
        if ui.button("File…").clicked() {
            answer = Some(Answer::Browse(Ask::TrainingFile));
        }
    });
    answer
}

/// A field of one line; what stands beside it is its name.
fn field(
    ui: &mut Ui,
    theme: &Theme,
    (text, width): (&mut String, f32),
    (name, is_wrong): (egui::Id, bool),
) -> egui::Response {
    let mut edit = TextEdit::singleline(text).margin(Margin::symmetric(8, 4)).desired_width(width);
    if is_wrong {
        edit = edit.text_color(theme.colors.danger);
    }
    ui.add(edit).labelled_by(name)
}

fn number_ui(
    ui: &mut Ui,
    theme: &Theme,
    (of, wrong): (Field, Option<Field>),
    (text, width): (&mut String, f32),
    unit: &str,
) {
    let name = ui.label(theme.label(of.label())).id;
    ui.horizontal(|ui| {
        field(ui, theme, (text, width), (name, wrong == Some(of)));
        ui.label(theme.label(unit));
    });
    ui.end_row();
}

fn folder_ui(ui: &mut Ui, theme: &Theme, form: &mut Form, wrong: Option<Field>) -> Option<Answer> {
    let name = ui.label(theme.label(Field::Folder.label())).id;
    if form.point.is_some() {
        // It is called as the point, which what is typed decides.
        let place = Path::new(&form.first_folder).parent().map(|place| place.display());
        let place = place.map_or(String::new(), |place| format!(", in {place}"));
        ui.add(Label::new(theme.label(format!("a new one of its name{place}"))).wrap());
        ui.end_row();
        return None;
    }
    let mut answer = None;
    ui.horizontal(|ui| {
        let is_wrong = wrong == Some(Field::Folder);
        let width = theme.px(380.0);
        let response = field(ui, theme, (&mut form.folder, width), (name, is_wrong));
        response.on_hover_text("Its log, its checkpoints, its recipe and its model go there");
        if ui.button("Choose…").clicked() {
            answer = Some(Answer::Browse(Ask::RunFolder));
        }
    });
    ui.end_row();
    answer
}

fn slots_ui(ui: &mut Ui, form: &mut Form) {
    ui.horizontal_wrapped(|ui| {
        ui.radio_value(&mut form.slot, None, "a free one");
        for (slot, said) in Slot::ALL.into_iter().zip(&form.slots) {
            let text = match &said.run {
                Some(run) => format!("{} ({run})", slot.letter()),
                None => slot.letter().to_string(),
            };
            ui.add_enabled_ui(!said.goes_on, |ui| {
                let response = ui.radio_value(&mut form.slot, Some(slot), text);
                if said.run.is_some() {
                    response
                        .on_hover_text("That run leaves the slot; Runs has it still")
                        .on_disabled_hover_text("That run goes on, or is paused");
                }
            });
        }
    });
}

fn time(estimate: Option<&Estimate>) -> String {
    let Some(estimate) = estimate else {
        let what = "not known yet: no run of this network and batch was here";
        return format!("{what}; Training says it after the first reports");
    };
    let Estimate { seconds, run, images_per_second, other_side } = estimate;
    let (pace, time) = (format!("{images_per_second:.1} images/s"), duration(*seconds));
    match other_side {
        None => format!("about {time}, if it goes as {run} did last ({pace})"),
        Some(side) => format!("roughly {time}, told by {run}, which did {pace} at {side} pixels"),
    }
}

/// What does not do now, or did not when it was to begin.
fn problem_ui(ui: &mut Ui, theme: &Theme, form: &Form, refusal: Option<&Refusal>) {
    let (summary, hint) = match (refusal, &form.problem) {
        (Some(refusal), _) => (&refusal.reason, &refusal.hint),
        (None, Some(problem)) => (&problem.summary, &problem.hint),
        (None, None) => return,
    };
    ui.add(Label::new(RichText::new(summary).color(theme.colors.danger)).wrap());
    if !hint.is_empty() {
        ui.add(Label::new(theme.label(hint)).wrap());
    }
}
