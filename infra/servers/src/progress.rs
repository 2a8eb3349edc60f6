//! The steps of a long start, shown on standard error.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Progress on standard error: one line per finished step, and on a terminal a spinner that names the running one.
#[derive(Debug)]
pub struct Progress {
    spinner: ProgressBar,
    step: &'static str,
    since: Instant,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress::new()
    }
}

impl Progress {
    /// Shows nothing before the first step.
    #[must_use]
    pub fn new() -> Progress {
        let spinner = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} … {elapsed}") {
            spinner.set_style(style);
        }
        Progress {
            spinner,
            step: "",
            since: Instant::now(),
        }
    }

    /// Begins the step of this name.
    pub fn begin(&mut self, step: &'static str) {
        self.step = step;
        self.since = Instant::now();
        self.spinner.reset_elapsed();
        self.spinner.set_message(step);
        self.spinner.enable_steady_tick(Duration::from_millis(80));
    }

    /// Prints that the step is done, with its result and its time.
    pub fn done(&mut self, result: impl AsRef<str>) {
        let line = format!(
            "  {:<12} {}  ({:.1} s)",
            self.step,
            result.as_ref(),
            self.since.elapsed().as_secs_f64()
        );
        self.spinner.suspend(|| eprintln!("{line}"));
    }

    /// Removes the spinner; printed lines stay.
    pub fn end(&self) {
        self.spinner.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
