//! What a command says: results on standard output, progress and remarks on standard error.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use smalti_engine::device::DeviceChoice;

use super::arguments::Common;
use super::around::Surroundings;
use super::assets;
use super::stop::Stop;

/// Plain progress lines are this far apart.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// What a command uses to speak.
pub(super) struct Console<'a, 'b> {
    around: &'a mut Surroundings<'b>,
    json: bool,
    /// Where networks run.
    pub(super) device: DeviceChoice,
    /// The threads that were asked for; 0 means all.
    pub(super) threads: usize,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl<'a, 'b> Console<'a, 'b> {
    pub(super) fn new(
        around: &'a mut Surroundings<'b>,
        common: &Common,
        device: DeviceChoice,
    ) -> Self {
        Self {
            around,
            json: common.json,
            device,
            threads: common.threads,
            bar: None,
            last_line: Instant::now(),
        }
    }

    /// The folder of shipped files.
    pub(super) fn assets(&self) -> PathBuf {
        // Without one only shipped names are missing; the question that needs them says so.
        assets::find_assets(self.around).unwrap_or_else(|| Path::new("assets").to_owned())
    }

    /// Prints a result: as JSON, or as text for people.
    pub(super) fn result(&mut self, value: &impl Serialize, text: &str) -> Result<(), Stop> {
        let line = if self.json {
            serde_json::to_string(value)
                .map_err(|error| Stop::failure(format!("JSON: {error}"), ""))?
        } else {
            text.to_owned()
        };
        self.clear();
        writeln!(self.around.out, "{line}")
            .and_then(|()| self.around.out.flush())
            .map_err(Stop::from_output)
    }

    /// Says something that is no result.
    pub(super) fn remark(&mut self, text: &str) {
        self.clear();
        drop(writeln!(self.around.err, "{text}"));
    }

    /// Says how far the work is: a bar where a person watches, else a line now and then.
    pub(super) fn progress(&mut self, fraction: f32, text: &str) {
        if self.around.watched {
            let shown = self.bar.get_or_insert_with(|| {
                let new = ProgressBar::with_draw_target(
                    Some(1000),
                    ProgressDrawTarget::stderr_with_hz(10),
                );
                if let Ok(style) =
                    ProgressStyle::with_template("{bar:30.yellow} {percent:>3} %  {msg}")
                {
                    new.set_style(style);
                }
                new
            });
            shown.set_position((fraction.clamp(0.0, 1.0) * 1000.0) as u64);
            shown.set_message(text.to_owned());
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            drop(writeln!(self.around.err, "{:>3.0} %  {text}", fraction * 100.0));
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&mut self) {
        if let Some(shown) = self.bar.take() {
            shown.finish_and_clear();
        }
    }

    /// Stops if the person wants to.
    pub(super) fn check(&self) -> Result<(), Stop> {
        if self.around.cancel.load(Ordering::Relaxed) { Err(Stop::Cancelled) } else { Ok(()) }
    }
}
