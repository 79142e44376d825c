//! The picture of the window in the tour.

use std::path::PathBuf;

use smalti_engine::images::Picture;

use super::console::Console;
use super::render;
use super::stop::Stop;
use crate::settings::ThemeChoice;
use crate::studio::StudioOptions;
use crate::studio::offscreen::Canvas;

/// As large as a laptop's window, sharp enough for a projector.
const CANVAS: Canvas = Canvas { width: 1280, height: 800, scale: 1.5 };

/// The window with these files in it; none where there is nothing to draw with, which is said.
pub(super) fn picture(
    files: Vec<PathBuf>,
    console: &mut Console<'_, '_>,
) -> Result<Option<Picture>, Stop> {
    let studio = StudioOptions {
        device: console.device,
        threads: console.threads,
        files,
        theme: Some(ThemeChoice::Dark),
        ..StudioOptions::new(console.assets())
    };
    match render::picture(studio, CANVAS, console) {
        Ok(picture) => Ok(Some(picture)),
        // Bad input would be an image that could be read a moment ago.
        Err(Stop::Problem(problem)) if !problem.bad_input => {
            console.remark(&format!("the window is left out: {problem}"));
            Ok(None)
        }
        Err(stop) => Err(stop),
    }
}
