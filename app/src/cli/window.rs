//! No subcommand: the window.

use super::Surroundings;
use super::arguments::Window;
use super::stop::Stop;

pub(super) fn run(options: &Window, _around: &mut Surroundings<'_>) -> Result<(), Stop> {
    for path in &options.files {
        path.metadata().map_err(|source| smalti_engine::EngineError::io(path, source))?;
    }
    Err(Stop::failure("no display: neither WAYLAND_DISPLAY nor DISPLAY is set", "smalti tour --out tour"))
}
