//! The program: sets what has to be set before anything runs, then hands over to the library.

mod inside;

use std::io::{IsTerminal, stderr, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use smalti::cli::{CANCELLED, Surroundings, run};

fn main() -> ExitCode {
    quiet_others();
    let filter = std::env::var_os("SMALTI_LOG");
    let filter = filter.as_ref().map(|filter| filter.to_string_lossy());
    let errors = smalti::logging::start(filter.as_deref());
    smalti_engine::memory::keep();
    let cancel = Arc::new(AtomicBool::new(false));
    listen_for_ctrl_c(&cancel);
    let code = run(
        std::env::args_os(),
        Surroundings {
            out: &mut stdout(),
            err: &mut stderr(),
            watched: stderr().is_terminal(),
            cancel,
            errors,
            assets: std::env::var_os("SMALTI_ASSETS").map(Into::into),
            inside: Some(inside::INSIDE),
        },
    );
    ExitCode::from(code)
}

/// Settings that libraries only take from the environment.
///
/// candle keeps a pool of threads of its own that spin while they wait, beside the engine's pools. With
/// one thread it starts none; the engine's kernels use rayon. And a layer of Mesa asks a desktop which
/// graphics card to use; where there is none it prints an error that is none.
#[expect(unsafe_code, reason = "the only way to set an environment variable")]
fn quiet_others() {
    let has_desktop = std::env::var_os("XDG_RUNTIME_DIR").is_some();
    // SAFETY: main has just begun, there is no other thread that could read the environment.
    unsafe {
        std::env::set_var("CANDLE_NUM_THREADS", "1");
        if !has_desktop {
            std::env::set_var("NODEVICE_SELECT", "1");
        }
    }
}

/// Signals within this time are one: many programs send it to a group and then to each of its members.
#[cfg(unix)]
const ONE_SIGNAL: std::time::Duration = std::time::Duration::from_millis(700);

/// The first Ctrl-C asks the command to stop and keep what it has; one some time later ends it at once.
#[cfg(unix)]
fn listen_for_ctrl_c(cancel: &Arc<AtomicBool>) {
    let signals = [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM];
    let mut signals = match signal_hook::iterator::Signals::new(signals) {
        Ok(signals) => signals,
        Err(error) => {
            tracing::warn!("Ctrl-C will end the program at once: {error}");
            return;
        }
    };
    let cancel = Arc::clone(cancel);
    let listening = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut first: Option<std::time::Instant> = None;
        for _ in signals.forever() {
            cancel.store(true, std::sync::atomic::Ordering::Relaxed);
            if first.get_or_insert_with(std::time::Instant::now).elapsed() > ONE_SIGNAL {
                end_at_once();
            }
        }
    });
    if let Err(error) = listening {
        tracing::warn!("Ctrl-C is not heard: {error}");
    }
}

/// The first Ctrl-C asks the command to stop and keep what it has; the second ends it at once.
#[cfg(not(unix))]
fn listen_for_ctrl_c(cancel: &Arc<AtomicBool>) {
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let code = i32::from(CANCELLED);
        // Registered first, so that it looks at the flag before this very signal sets it.
        let hard =
            signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(cancel));
        let soft = signal_hook::flag::register(signal, Arc::clone(cancel));
        if let Some(error) = hard.err().or(soft.err()) {
            tracing::warn!("Ctrl-C will end the program at once: {error}");
        }
    }
}

/// Somebody does not want to wait for what is being saved.
#[cfg(unix)]
fn end_at_once() {
    signal_hook::low_level::exit(i32::from(CANCELLED));
}
