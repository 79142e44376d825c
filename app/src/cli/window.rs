//! No subcommand: the window.

use std::rc::Rc;
use std::sync::Arc;

use eframe::egui_wgpu::{WgpuConfiguration, WgpuSetup, WgpuSetupCreateNew, wgpu};
use eframe::{EventLoopBuilderHook, NativeOptions};

use smalti_engine::EngineError;
use smalti_engine::device::DeviceChoice;

use super::arguments::Window;
use super::around::Surroundings;
use super::stop::Stop;
use super::{assets, render};
use crate::settings::{runs_folder, user_folder};
use crate::shell::doors;
use crate::studio::{Studio, StudioOptions};

/// What to do where no window can be opened.
const INSTEAD: &str =
    "Start it on a desktop; `smalti tour --out tour` tells the whole story without one";

pub(super) fn run(
    options: &Window,
    device: DeviceChoice,
    around: &mut Surroundings<'_>,
) -> Result<(), Stop> {
    for path in &options.files {
        let is_word = !path.to_string_lossy().contains(['.', '/', '\\']);
        if is_word && render::readable(path).is_err() {
            return Err(Stop::bad_input(
                &path.display().to_string(),
                "there is no such command, and no such file to open",
                "`smalti --help` lists the commands",
            ));
        }
        render::readable(path)?;
    }
    let Some(assets) = assets::find_assets(around) else {
        return Err(Stop::failure(
            "the folder of shipped models was not found beside the program",
            "Set SMALTI_ASSETS to the folder `assets` of Smalti",
        ));
    };
    let studio = StudioOptions {
        device,
        threads: options.common.threads,
        settings_dir: user_folder(),
        runs_dir: runs_folder(),
        files: options.files.clone(),
        ending: Arc::clone(&around.cancel),
        errors: around.errors.take().map(Rc::new),
        has_dialogs: true,
        // Whoever opens nothing is asked what to see.
        scene: options.files.is_empty().then(|| doors::NAME.to_owned()),
        ..StudioOptions::new(assets)
    };
    let native = NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("Smalti")
            .with_app_id("smalti")
            .with_icon(crate::look::icon::icon())
            .with_inner_size([1280.0, 800.0])
            .with_min_inner_size([640.0, 420.0]),
        wgpu_options: wgpu_options(),
        event_loop_builder: None::<EventLoopBuilderHook>,
        persist_window: true,
        // A pixel is shown as it is, and each costs a processor that draws half as much.
        dithering: false,
        ..NativeOptions::default()
    };
    eframe::run_native(
        "smalti",
        native,
        Box::new(|cc| {
            say_wgpu_errors(cc);
            wake_when_stopped(&cc.egui_ctx);
            Ok(Box::new(Studio::new(cc, studio)?))
        }),
    )
    .map_err(|error| stop(&error))
}

/// Ctrl-C and `kill` set `cancel`; a window that rests would not look at it.
#[cfg(unix)]
fn wake_when_stopped(ctx: &egui::Context) {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]);
    let ctx = ctx.clone();
    let watching = signals.and_then(|mut signals| {
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for _signal in signals.forever() {
                ctx.request_repaint();
            }
        })
    });
    if let Err(error) = watching {
        tracing::warn!("the window does not hear Ctrl-C before it is touched: {error}");
    }
}

#[cfg(not(unix))]
fn wake_when_stopped(_: &egui::Context) {}

/// The adapter's own limits instead of a browser's: large codebooks need large textures.
fn wgpu_options() -> WgpuConfiguration {
    let mut options = WgpuConfiguration::default();
    if let WgpuSetup::CreateNew(WgpuSetupCreateNew { device_descriptor, .. }) =
        &mut options.wgpu_setup
    {
        *device_descriptor = Arc::new(|adapter| wgpu::DeviceDescriptor {
            label: Some("smalti"),
            required_limits: adapter.limits(),
            ..Default::default()
        });
    }
    options
}

/// A drawing error is logged; by itself it would end the program.
fn say_wgpu_errors(cc: &eframe::CreationContext<'_>) {
    if let Some(state) = &cc.wgpu_render_state {
        state.device.on_uncaptured_error(Arc::new(|error| tracing::error!("drawing: {error}")));
    }
}

fn stop(error: &eframe::Error) -> Stop {
    match error {
        eframe::Error::Winit(_) | eframe::Error::WinitEventLoop(_) => Stop::failure(
            "no window can be opened: there is no display (neither WAYLAND_DISPLAY nor DISPLAY is set, or \
             nothing answers there)",
            INSTEAD,
        ),
        eframe::Error::Wgpu(_) => Stop::failure(
            "no window can be drawn: there is no Vulkan, Metal, Direct3D or OpenGL driver",
            format!("Install one, on Debian and Ubuntu mesa-vulkan-drivers. {INSTEAD}"),
        ),
        eframe::Error::AppCreation(error) => match error.downcast_ref::<EngineError>() {
            Some(error) => error.problem().into(),
            None => Stop::failure(error.to_string(), ""),
        },
    }
}
