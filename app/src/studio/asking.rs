//! What is asked before a training begins: read from the recipe, shown, and asked again if it cannot begin.

use std::path::Path;
use std::sync::Arc;

use smalti_engine::Problem;
use smalti_engine::questions::{ShippedRecipes, SourceRef};
use smalti_engine::session::{Lane, guard};

use super::Studio;
use crate::document::{Command, JobCommand, Notice, RecipeRef};
use crate::files::new_point::PointForm;
use crate::files::outcome::{Ask, Outcome};
use crate::files::recipes::read_form;
use crate::files::training_form::{DataChoice, Form, SlotSaid};
use crate::look::words::name;
use crate::shell::dialogs::Dialog;

impl Studio {
    /// Reads a recipe and asks how it is to be trained; `before` is what was filled in for another one. What becomes a
    /// point of rate against quality is measured `on` so many images of a set.
    pub(super) fn ask_training(
        &mut self,
        recipe: &RecipeRef,
        before: Option<Box<Form>>,
        on: Option<(SourceRef, u64)>,
    ) {
        let asked = match &on {
            Some((_, most)) => JobCommand::AskPoint(recipe.clone(), *most),
            None => JobCommand::AskTrain(recipe.clone()),
        };
        let Some(number) = self.trainings.ask(asked, false) else {
            // It is asked about already; what was filled in here stands there still.
            if let Some(before) = before {
                self.ask(Dialog::Train(before));
            }
            return;
        };
        let (reference, path) = (recipe.clone(), self.recipe_path(recipe));
        let (places, slots) = (self.trainings.places.clone(), self.slots_said());
        let opened: Option<Arc<Path>> = match &self.history.document().source {
            SourceRef::Path { path, .. } => Some(Arc::clone(path)),
            SourceRef::Worlds { .. } | SourceRef::Samples => None,
        };
        let recipes = self.session.ask(Lane::Now, &ShippedRecipes);
        let recipes = recipes.best().map(|names| names.to_vec()).unwrap_or_default();
        let shipped = self.fixed.options.assets.join("recipes");
        // Not in the line of the autosave: it looks into all runs.
        let started = self.keeping.background.alongside("reading a recipe", move || {
            let form = guard("reading a recipe", || {
                let form = read_form((reference, &path), &places, (opened, slots), recipes)?;
                let read = |on| PointForm::read(&shipped, &form.recipes, &form.recipe, on);
                let point = on.map(read);
                Ok(Form { point, ..form })
            });
            let form = match (form, before) {
                (Ok(form), Some(before)) => Ok(Box::new(form.like(&before))),
                (Ok(form), None) => Ok(Box::new(form)),
                // What was filled in is not lost with a recipe that cannot be read.
                (Err(error), Some(mut before)) => {
                    before.problem = Some(error.problem());
                    Ok(before)
                }
                (Err(error), None) => Err(error.problem()),
            };
            Outcome::Form(number, form)
        });
        if let Err(error) = started {
            self.keeping.background.say(Outcome::Form(number, Err(error.problem())));
        }
    }

    /// What is in the slots, for who chooses one.
    fn slots_said(&self) -> [SlotSaid; 4] {
        self.history.document().runs.each_ref().map(|run| SlotSaid {
            run: run.as_ref().map(|run| name(&run.folder)),
            goes_on: run.as_ref().is_some_and(|run| self.is_going_on(&run.folder)),
        })
    }

    /// What is asked is there, or cannot be.
    pub(super) fn form_is_read(
        &mut self,
        number: u64,
        form: Result<Box<Form>, Problem>,
    ) -> Vec<Command> {
        self.trainings.end(number);
        match form {
            Ok(form) => {
                self.ask(Dialog::Train(form));
                Vec::new()
            }
            Err(problem) => vec![Notice::from(problem).into()],
        }
    }

    /// A person wants it so.
    pub(super) fn train_by_form(&mut self, mut form: Box<Form>) {
        // As it was answered it does; a slot can be taken by now, and then another one is.
        let Ok((changes, _)) = form.wanted() else { return };
        if let Some(number) = self.train(&form.reference, changes) {
            form.problem = None;
            self.trainings.forms.insert(number, form);
        }
    }

    /// It cannot begin like that: what was filled in stands there still.
    pub(super) fn ask_again(&mut self, mut form: Box<Form>, problem: Problem) {
        form.problem = Some(problem);
        form.slots = self.slots_said();
        self.ask(Dialog::Train(form));
    }

    /// A path was chosen for what is asked.
    pub(super) fn browsed(&mut self, ask: &Ask, path: &Path) {
        let Some(Dialog::Train(form)) = &mut self.desk.dialog else { return };
        let text = path.display().to_string();
        form.problem = None;
        if *ask == Ask::RunFolder {
            form.folder = text;
        } else {
            (form.data, form.path) = (DataChoice::Elsewhere, text);
        }
    }

    /// The system has no dialog for it.
    pub(super) fn cannot_browse(&mut self) {
        let Some(Dialog::Train(form)) = &mut self.desk.dialog else { return };
        form.problem = Some(Problem {
            summary: "The system shows no file dialog here".to_owned(),
            hint: "Type the path into its field".to_owned(),
            bad_input: true,
        });
    }
}
