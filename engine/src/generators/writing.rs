//! The steps of a request, also of tokens larger than the generator's grid: these are written in one window after the
//! other, and told as the steps of one generation of the larger tokens.

use super::config::Way;
use super::generation::Generation;
use super::painter::Painter;
use super::request::{Proposal, Request, Step};
use super::unmasking::Unmasking;
use super::windows::{Window, windows_of};
use crate::tokens::{Cell, PartShape, Tokens};
use crate::{EngineError, Result};

/// A generation that may go through windows.
#[derive(Debug)]
pub struct Writing {
    generation: Generation,
    windows: Option<Windows>,
}

/// Where a generation of larger tokens is.
#[derive(Debug)]
struct Windows {
    painter: Painter,
    request: Request,
    /// The shape of a window.
    own: PartShape,
    all: Vec<Window>,
    /// The one that is written.
    at: usize,
    /// The larger tokens as they are.
    tokens: Tokens,
    /// Steps of the windows before.
    before: u32,
}

impl Writing {
    /// The steps of a request from its beginning, or going on after one of them.
    ///
    /// # Errors
    /// As [`Request::validate_in_windows`], and if the step is of other tokens.
    pub fn new(painter: Painter, request: Request, after: Option<&Step>) -> Result<Self> {
        let Some((own, all)) = windows_of(&request, painter.config())? else {
            return Ok(Self {
                generation: Generation::new(painter, request, after)?,
                windows: None,
            });
        };
        let mut tokens = request.given.clone();
        if let Some(step) = after {
            if step.tokens.layout() != tokens.layout() {
                let reason = format!(
                    "the step is of {}, the request of {}",
                    step.tokens.words(),
                    tokens.words()
                );
                return Err(EngineError::bad_input("step", reason, "go on with a step of it"));
            }
            // What is given stays, whatever the step says.
            let written = step.tokens.cells().filter(|(cell, _)| tokens.get(*cell).is_none());
            tokens = tokens.with(written.collect::<Vec<_>>())?;
        }
        let is_open = |window: &Window| window.cells.iter().any(|c| tokens.get(*c).is_none());
        let at = all.iter().position(is_open).unwrap_or(all.len() - 1);
        let planned = |window: &Window| request.steps_of(painter.config(), window);
        let before = all.iter().take(at).map(planned).sum();
        // The step of the window that was last: none of it, where the one before it was just done. A step of other
        // settings counts otherwise: after so many, others would be written. Then the share of its cells that is
        // written says how many are done.
        let free = |cell: &&Cell| request.given.get(**cell).is_none();
        let own_cells: Vec<&Cell> = all[at].cells.iter().filter(free).collect();
        let open = own_cells.iter().filter(|cell| tokens.get(***cell).is_none()).count();
        let planned_here = planned(&all[at]);
        let within = after.filter(|_| open < own_cells.len()).map(|step| {
            let fits = |index: &u32| {
                let done = written_after(&request, painter.config().way, own_cells.len(), *index);
                *index < planned_here && done == own_cells.len() - open
            };
            let fitting = step.index.checked_sub(before).filter(fits);
            let share = (own_cells.len() - open) as f32 / own_cells.len().max(1) as f32;
            let by_share = (share * planned_here as f32) as u32;
            (step, fitting.unwrap_or(by_share.saturating_sub(1)))
        });
        let within = match within {
            None => None,
            Some((step, index)) => {
                let tokens = all[at].cut(&tokens, own, |_| true)?;
                let passes = step.forward_passes;
                Some(Step {
                    index,
                    forward_passes: passes,
                    tokens,
                    ..Step::of_nothing(&step.tokens)
                })
            }
        };
        let mut windows = Windows { painter, request, own, all, at, tokens, before };
        let generation = windows.begin(within.as_ref())?;
        Ok(Self { generation, windows: Some(windows) })
    }

    /// Steps of all of it, as far as it can be told before.
    pub fn steps(&self) -> u32 {
        match &self.windows {
            None => self.generation.steps(),
            Some(windows) => {
                let (config, request) = (windows.painter.config(), &windows.request);
                windows.all.iter().map(|window| request.steps_of(config, window)).sum()
            }
        }
    }

    /// How many steps are done.
    pub fn done(&self) -> u32 {
        self.windows.as_ref().map_or(0, |windows| windows.before) + self.generation.done()
    }

    /// As [`Generation::next_step_between`]; a step's tokens and cells are those of the larger tokens.
    ///
    /// # Errors
    /// As [`Generation::next_step_between`].
    pub fn next_step_between(
        &mut self,
        between: &mut dyn FnMut(usize, usize) -> Result<()>,
    ) -> Result<Option<Step>> {
        loop {
            let step = self.generation.next_step_between(between)?;
            let Some(windows) = &mut self.windows else { return Ok(step) };
            if let Some(step) = step {
                return windows.told(step).map(Some);
            }
            if windows.at + 1 >= windows.all.len() {
                return Ok(None);
            }
            windows.before += self.generation.done();
            windows.at += 1;
            self.generation = windows.begin(None)?;
        }
    }
}

impl Windows {
    /// The generation of the window that is at hand: it sees what stands in the larger tokens now.
    fn begin(&mut self, after: Option<&Step>) -> Result<Generation> {
        let seen = Request { given: self.tokens.clone(), ..self.request.clone() };
        let request = seen.in_window(self.own, &self.all, self.at)?;
        Generation::new(self.painter.clone(), request, after)
    }

    /// A step of the window as one of the larger tokens.
    fn told(&mut self, step: Step) -> Result<Step> {
        let window = &self.all[self.at];
        self.tokens = window.paste(&self.tokens, &step.tokens)?;
        let moved = |cells: Vec<Cell>| -> Vec<Cell> {
            cells.into_iter().map(|cell| window.outside(cell)).collect()
        };
        let proposals = step.proposals.into_iter();
        let proposals = proposals.map(|p| Proposal { cell: window.outside(p.cell), ..p }).collect();
        Ok(Step {
            index: self.before + step.index,
            forward_passes: step.forward_passes,
            committed: moved(step.committed),
            changed: moved(step.changed),
            proposals,
            tokens: self.tokens.clone(),
        })
    }
}

/// How many of some free cells of a window are written after a step of it, counted from 0.
fn written_after(request: &Request, way: Way, free: usize, index: u32) -> usize {
    let Unmasking { schedule, steps, .. } = &request.unmasking;
    let each = if way == Way::MaskGit { schedule.written(free, *steps) } else { vec![1; free] };
    each.into_iter().take(index as usize + 1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generators::tests::painter as painter_of;
    use crate::tokens::{MASKED, Part};

    /// 12 x 14 tokens of which a part is written.
    fn larger(painter: &Painter, free: impl Fn(usize, usize) -> bool) -> Request {
        let config = painter.config();
        let cells = (0..12).flat_map(|row| (0..14).map(move |column| (row, column)));
        let code = |(row, column): (usize, usize)| {
            if free(row, column) { MASKED } else { ((row * 5 + column * 3) as u32) % config.codes }
        };
        let part =
            Part::new(PartShape::grid(12, 14), config.codes, cells.map(code).collect::<Vec<_>>());
        let given = Tokens::new([part.unwrap()]).unwrap();
        Request { given, ..Request::new(config, None, 7).unwrap() }
    }

    fn all_steps(mut writing: Writing) -> Vec<Step> {
        let mut steps = Vec::new();
        while let Some(step) = writing.next_step_between(&mut |_, _| Ok(())).unwrap() {
            steps.push(step);
        }
        steps
    }

    #[test]
    fn larger_tokens_are_written_in_windows_and_nothing_that_is_given_changes() {
        for way in [Way::Raster, Way::MaskGit] {
            let painter = painter_of(way);
            // Wider than a window of the generator's grid, so that it takes several.
            let request = larger(&painter, |row, column| (2..5).contains(&row) && column < 13);
            request.validate_in_windows(painter.config()).unwrap();
            assert!(request.validate(painter.config()).is_err(), "by itself it is too large");
            let writing = Writing::new(painter.clone(), request.clone(), None).unwrap();
            let planned = writing.steps();
            let steps = all_steps(writing);
            assert_eq!(steps.len() as u32, planned, "{way:?}");
            let last = &steps[steps.len() - 1].tokens;
            assert_eq!(last.first_masked(), None);
            for (cell, given) in request.given.cells() {
                assert!(given.is_none() || last.get(cell) == given, "{way:?}: {cell}");
            }
            let mut written: Vec<Cell> = steps.iter().flat_map(|s| s.committed.clone()).collect();
            written.sort_unstable();
            let free = request.given.cells().filter(|(_, token)| token.is_none());
            assert_eq!(written, free.map(|(cell, _)| cell).collect::<Vec<_>>(), "each once");
            for (number, step) in (0..).zip(&steps) {
                assert_eq!(step.index, number);
            }
        }
    }

    #[test]
    fn after_any_step_it_goes_on_to_the_same_tokens() {
        let painter = painter_of(Way::MaskGit);
        let request = larger(&painter, |row, column| (2..5).contains(&row) && column < 13);
        let steps = all_steps(Writing::new(painter.clone(), request.clone(), None).unwrap());
        for after in &steps {
            let rest = Writing::new(painter.clone(), request.clone(), Some(after)).unwrap();
            let rest = all_steps(rest);
            let before = after.index as usize + 1;
            assert_eq!(rest.len(), steps.len() - before, "after {}", after.index);
            if let (Some(end), Some(wanted)) = (rest.last(), steps.last()) {
                assert_eq!((end.index, &end.tokens), (wanted.index, &wanted.tokens));
            }
        }
    }

    /// A step of other settings says nothing by its number: what is left is written as the new ones say, and not all
    /// at once.
    #[test]
    fn after_a_step_of_other_settings_no_step_writes_more_than_the_new_ones_say() {
        let painter = painter_of(Way::MaskGit);
        let of = |steps: u32| {
            let request = larger(&painter, |row, column| (2..5).contains(&row) && column < 13);
            let unmasking = Unmasking { steps, ..request.unmasking.clone() };
            Request { unmasking, ..request }
        };
        let (_, all) = windows_of(&of(12), painter.config()).unwrap().unwrap();
        assert!(all.len() > 1);
        let most = |steps: u32| {
            let each = all
                .iter()
                .flat_map(|window| of(steps).unmasking.schedule.written(window.cells.len(), steps));
            each.max().unwrap()
        };
        for (before, now) in [(12, 8), (8, 12), (12, 4), (4, 12)] {
            for after in all_steps(Writing::new(painter.clone(), of(before), None).unwrap()) {
                let rest = Writing::new(painter.clone(), of(now), Some(&after)).unwrap();
                let rest = all_steps(rest);
                let last = rest.last().map_or(&after.tokens, |step| &step.tokens);
                assert_eq!(last.first_masked(), None, "{before} to {now}, after {}", after.index);
                let largest = rest.iter().map(|step| step.committed.len()).max().unwrap_or(0);
                assert!(
                    largest <= most(now) + 1,
                    "{before} to {now}, after {}: {largest} at once, not {}",
                    after.index,
                    most(now)
                );
            }
        }
    }

    #[test]
    fn tokens_smaller_than_the_grid_and_those_without_a_free_cell_are_refused() {
        let painter = painter_of(Way::MaskGit);
        let full = larger(&painter, |_, _| false);
        assert!(full.validate_in_windows(painter.config()).is_err());
        let small = Tokens::grid(2, 2, painter.config().codes, vec![MASKED; 4]).unwrap();
        let small = Request { given: small, ..full };
        assert!(small.validate_in_windows(painter.config()).is_err());
        assert!(Writing::new(painter, small, None).is_err());
    }
}
