//! Which tokens a generator is given by the words of a command.

use std::collections::BTreeSet;

use smalti_engine::generators::{
    GeneratorConfig, Request, Way, check_from_scale, freed, kept_with_finest,
};
use smalti_engine::questions::OpenedPainter;
use smalti_engine::tokens::{Cell, Tokens, said};

use super::arguments_paint::{Edit, Paint};
use super::console::Console;
use super::engine::Engine;
use super::stop::Stop;
use super::subject::{AtSize, tokens_of};

/// What `generate` is given: tokens of what was named that stay, and forced ones; [`None`] if nothing.
pub(super) fn for_generate(
    options: &Paint,
    opened: &OpenedPainter,
    (engine, console): (&Engine, &mut Console<'_, '_>),
) -> Result<Option<Tokens>, Stop> {
    let config = opened.config();
    let forced = options.force.as_ref();
    let forced = forced.map(|said| said::forced("--force", said, &config.layout, |_| config.codes));
    let forced = forced.transpose()?.unwrap_or_default();
    let mut changes: Vec<(Cell, Option<u32>)> = Vec::new();
    if let (Some(path), Some(lock)) = (&options.init, &options.lock) {
        let locked = said::cells("--lock", lock, &config.layout)?;
        let init = tokens_of(path, AtSize::Generators, opened, (engine, console))?.tokens;
        check_layout(&init, config, &path.display().to_string())?;
        // A code that is forced takes the place, whatever stands there.
        let is_empty = |cell: &&Cell| init.get(**cell).is_none() && !forced.contains_key(*cell);
        if let Some(cell) = locked.iter().find(is_empty) {
            let reason = format!("no token stands at {cell} of it, so that none can be locked");
            let hint = "leave that cell out of --lock, or give it a code (--force)";
            return Err(Stop::bad_input(&path.display().to_string(), reason, hint));
        }
        let locked = with_coarser(locked, config, &init);
        changes.extend(locked.iter().map(|cell| (*cell, init.get(*cell))));
    }
    changes.extend(forced.into_iter().map(|(cell, code)| (cell, Some(code))));
    if changes.is_empty() {
        return Ok(None);
    }
    Ok(Some(Request::new(config, None, 0)?.given.with(changes)?))
}

/// What `edit` does to tokens.
pub(super) struct Work {
    /// With the forced codes in them.
    pub(super) tokens: Tokens,
    /// How many were forced.
    pub(super) forced: usize,
    /// Cells that are written again.
    pub(super) written: BTreeSet<Cell>,
}

/// What `edit` does to the picture of a seed, by its words.
pub(super) fn for_edit(
    options: &Edit,
    tokens: &Tokens,
    config: &GeneratorConfig,
    seed: u64,
) -> Result<Work, Stop> {
    let layout = tokens.layout();
    let read = |what: &str, said: &Option<String>| {
        said.as_ref().map(|said| said::cells(what, said, &layout)).transpose()
    };
    let (resample, lock) = (read("--resample", &options.resample)?, read("--lock", &options.lock)?);
    let forced = options.force.as_ref();
    let forced = forced.map(|said| said::forced("--force", said, &layout, |_| config.codes));
    let forced = forced.transpose()?;
    let forced = forced.unwrap_or_default();
    let all: BTreeSet<Cell> = tokens.cells().map(|(cell, _)| cell).collect();
    options.from_scale.map_or(Ok(()), |from| check_from_scale(config, from))?;
    let from = options.from_scale.unwrap_or_default();
    let mut written = match (resample, &lock) {
        (Some(mut resample), lock) => {
            // The share is of what could be written and could stay: what has no token is written in any case.
            let is_locked = |cell: &Cell| lock.as_ref().is_some_and(|lock| lock.contains(cell));
            drop_coarser(&mut resample, from, tokens)?;
            resample.retain(|cell| !is_locked(cell) && !forced.contains_key(cell));
            let is_empty = |cell: &Cell| tokens.get(*cell).is_none();
            let (empty, standing): (BTreeSet<Cell>, BTreeSet<Cell>) =
                resample.into_iter().partition(is_empty);
            let mut free = freed(&standing, options.free, seed)?;
            free.extend(empty);
            with_its_scales(&free, &all, (config, from), tokens)
        }
        (None, Some(_)) => all,
        (None, None) if !forced.is_empty() => BTreeSet::new(),
        (None, None) => {
            return Err(Stop::bad_input(
                "--resample",
                "nothing is to be changed",
                "Say which cells are written again (--resample), which stay (--lock), or codes (--force)",
            ));
        }
    };
    for cell in lock.map_or(BTreeSet::new(), |lock| with_coarser(lock, config, tokens)) {
        written.remove(&cell);
    }
    written.retain(|cell| !forced.contains_key(cell));
    if written.is_empty() && forced.is_empty() {
        return Err(Stop::bad_input(
            "--lock",
            "every cell is locked: there is nothing to write",
            "Leave some of the cells of --resample unlocked",
        ));
    }
    let has_hole = |(cell, code): &(Cell, Option<u32>)| {
        code.is_none() && !written.contains(cell) && !forced.contains_key(cell)
    };
    if let Some((cell, _)) = tokens.cells().find(has_hole) {
        let reason = format!("no token stands at {cell}, and it is not to be written");
        let hint = "Name it in --resample and not in --lock, or give it a code (--force)";
        return Err(Stop::bad_input("--resample", reason, hint));
    }
    let count = forced.len();
    let changes = forced.into_iter().map(|(cell, code)| (cell, Some(code)));
    Ok(Work { tokens: tokens.with(changes.collect::<Vec<_>>())?, forced: count, written })
}

/// Locked cells; of VAR, with what coarser scales have to keep for finest ones, as far as it is there.
fn with_coarser(
    mut locked: BTreeSet<Cell>,
    config: &GeneratorConfig,
    tokens: &Tokens,
) -> BTreeSet<Cell> {
    if config.way == Way::Var {
        let coarser = kept_with_finest(&tokens.layout(), &locked);
        locked.extend(coarser.into_iter().filter(|cell| tokens.get(*cell).is_some()));
    }
    locked
}

/// Leaves those cells alone that are of the scale at which freedom begins, or of finer ones, and those without a
/// token, of which nothing can stay.
fn drop_coarser(cells: &mut BTreeSet<Cell>, from: usize, tokens: &Tokens) -> Result<(), Stop> {
    let finest = cells.last().map_or(0, |cell| usize::from(cell.part));
    cells.retain(|cell| usize::from(cell.part) >= from || tokens.get(*cell).is_none());
    if cells.is_empty() && from > 0 {
        return Err(Stop::bad_input(
            "--from-scale",
            format!("the cells of --resample are of scale {finest} or coarser, which stay"),
            "Begin at a coarser scale, or name cells of finer ones",
        ));
    }
    Ok(())
}

/// Cells that are written again; of VAR, with those of coarser scales that what stays of the finest does not keep,
/// down to the scale at which freedom begins, and below it those without a token.
fn with_its_scales(
    cells: &BTreeSet<Cell>,
    all: &BTreeSet<Cell>,
    (config, from): (&GeneratorConfig, usize),
    tokens: &Tokens,
) -> BTreeSet<Cell> {
    let layout = &tokens.layout();
    let last = layout.len().saturating_sub(1);
    let is_finest = |cell: &&Cell| usize::from(cell.part) == last;
    if config.way != Way::Var || !cells.iter().any(|cell| is_finest(&cell)) {
        return cells.clone();
    }
    let stays = all.iter().filter(is_finest).filter(|cell| !cells.contains(*cell));
    let kept = kept_with_finest(layout, &stays.copied().collect());
    let is_free = |cell: &&Cell| {
        let may_change = usize::from(cell.part) >= from || tokens.get(**cell).is_none();
        may_change && (!kept.contains(*cell) || cells.contains(*cell))
    };
    all.iter().filter(is_free).copied().collect()
}

/// That tokens are of a generator's size.
fn check_layout(tokens: &Tokens, config: &GeneratorConfig, name: &str) -> Result<(), Stop> {
    if tokens.layout() == config.layout {
        return Ok(());
    }
    let reason =
        format!("its tokens are {}, this generator writes {}", tokens.words(), config.words());
    Err(Stop::bad_input(name, reason, "Use a picture or tokens of its size"))
}
