//! `smalti render`: the real interface as a picture, no display needed.
#![expect(
    clippy::disallowed_methods,
    reason = "a command looks at files; only the window must not"
)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use smalti_engine::EngineError;
use smalti_engine::data::braces::{expand, has_braces};
use smalti_engine::images::file::read_file;
use smalti_engine::images::{Picture, png_bytes};

use super::arguments;
use super::console::Console;
use super::documents;
use super::outputs::Outputs;
use super::stop::Stop;
use crate::files::scenes::{self, Scene};
use crate::look::words::counted;
use crate::settings::ThemeChoice;
use crate::shell::doors;
use crate::shell::scenes::named;
use crate::studio::StudioOptions;
use crate::studio::offscreen::{self, Canvas, OffscreenError};
use crate::views::VIEWS;

#[derive(Debug, Serialize)]
struct Line {
    out: PathBuf,
    seconds: f32,
}

pub(super) fn run(options: &arguments::Render, console: &mut Console<'_, '_>) -> Result<(), Stop> {
    if !(0.5..=4.0).contains(&options.scale) {
        return Err(Stop::bad_input("--scale", options.scale, "Use 0.5 to 4 pixels per point"));
    }
    for path in &options.open {
        readable(path)?;
    }
    let theme: ThemeChoice =
        options.theme.parse().map_err(|reason: String| Stop::bad_input("--theme", reason, ""))?;
    let document = Path::new(&options.what);
    let is_document = document.is_file() && documents::is_document(document);
    let (scene, scene_text) = if is_document { (None, None) } else { scene_of(&options.what)? };
    let shown = is_document.then(|| document.to_owned());
    let mut outputs = Outputs::beside(&options.out)?;
    let started = Instant::now();
    let studio = StudioOptions {
        device: console.device,
        threads: console.threads,
        files: shown.into_iter().chain(options.open.iter().cloned()).collect(),
        // The view that was asked for is drawn, not those that the document was saved with.
        keeps_layout: !is_document,
        scene,
        scene_text,
        theme: Some(theme),
        caption: options.caption.map(|number| number as usize - 1),
        ..StudioOptions::new(console.assets())
    };
    let canvas = Canvas { width: options.width, height: options.height, scale: options.scale };
    let picture = picture(studio, canvas, console)?;
    let name = options.out.file_name().unwrap_or_default().to_string_lossy().into_owned();
    outputs.add(&name, &png_bytes(&picture)?)?;
    console.check()?;
    outputs.commit()?;
    let seconds = started.elapsed().as_secs_f32();
    let text = format!(
        "{}: {}x{} pixels, {seconds:.1} s",
        options.out.display(),
        picture.width(),
        picture.height()
    );
    console.result(&Line { out: options.out.clone(), seconds }, &text)
}

/// A scene or view by name, or the text of a scene's file.
fn scene_of(what: &str) -> Result<(Option<String>, Option<String>), Stop> {
    let name = what.to_ascii_lowercase();
    if named(&name).is_some() || name == doors::NAME {
        return Ok((Some(name), None));
    }
    let path = Path::new(what);
    if !path.is_file() {
        let views = VIEWS.iter().map(|view| view.title.to_ascii_lowercase());
        let names = scenes::names().chain([doors::NAME]).map(str::to_owned);
        let known: Vec<String> = names.chain(views).collect();
        return Err(Stop::bad_input(
            "scene or view",
            format!("there is no {what:?}"),
            format!("Use one of {}, a scene's .ron file, or a document", known.join(", ")),
        ));
    }
    let bytes = read_file(path, 1 << 20)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Scene::parse(&text).map_err(|reason| EngineError::bad_file(path, reason, ""))?;
    Ok((None, Some(text)))
}

/// The Studio, drawn once everything in it is there.
pub(super) fn picture(
    studio: StudioOptions,
    canvas: Canvas,
    console: &mut Console<'_, '_>,
) -> Result<Picture, Stop> {
    let mut most = 0;
    let drawn = offscreen::studio_picture(studio, canvas, |open| {
        most = most.max(open);
        let done = 1.0 - open as f32 / most.max(1) as f32;
        console.progress(done, &format!("drawing the window, {} open", counted(open, "question")));
        console.check().is_ok()
    });
    console.clear();
    drawn.map_err(|error| match error {
        OffscreenError::Cancelled => Stop::Cancelled,
        OffscreenError::Engine(error) => error.into(),
        OffscreenError::NotOpened(problem) => problem.into(),
        OffscreenError::TooLarge { .. } => {
            Stop::bad_input("picture", error, "Ask for less with --width, --height or --scale")
        }
        OffscreenError::NoDriver(_) => Stop::failure(
            error.to_string(),
            "Install a driver; on Debian and Ubuntu: mesa-vulkan-drivers",
        ),
        OffscreenError::Driver(_) => Stop::failure(error.to_string(), ""),
    })
}

/// Said before anything is drawn: in the picture it would only be a notice. Of shards by a pattern, such
/// as `name-{0000..0147}.tar`, the first has to be there.
pub(super) fn readable(path: &Path) -> Result<(), Stop> {
    let there = |path: &Path| path.metadata().map(drop).map_err(|e| EngineError::io(path, e));
    match there(path) {
        Err(_) if has_braces(path) => match expand(path)?.first() {
            Some(first) => Ok(there(first)?),
            None => Ok(()),
        },
        other => Ok(other?),
    }
}
