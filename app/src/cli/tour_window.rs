//! The picture of the window in the tour.

use smalti_engine::answers::ImageRef;
use smalti_engine::images::Picture;

use super::console::Console;
use super::engine::Engine;
use super::stop::Stop;

pub(super) fn picture(
    _image: &ImageRef,
    _engine: &Engine,
    _console: &mut Console<'_, '_>,
) -> Result<Option<Picture>, Stop> {
    Ok(None)
}
