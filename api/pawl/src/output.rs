//! The one place where this program speaks to the person who called it.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A line of the result, on standard output.
#[expect(clippy::print_stdout, reason = "this is the program's output")]
pub(crate) fn line(text: impl AsRef<str>) {
    println!("{}", text.as_ref());
}

/// Something to know that is no part of the result, on standard error.
pub(crate) fn notice(text: &str) {
    eprintln!("{text}");
}

/// Why the command failed, on standard error: the error and what led to it, each on a line of its own.
pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("pawl: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}

/// Progress on standard error: one line per finished step, and on a terminal a spinner that names the running one.
#[derive(Debug)]
pub(crate) struct Progress {
    spinner: ProgressBar,
    step: &'static str,
    since: Instant,
}

impl Progress {
    /// Nothing is shown before the first step.
    pub(crate) fn new() -> Progress {
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

    /// Names what is done from now on.
    pub(crate) fn begin(&mut self, step: &'static str) {
        self.step = step;
        self.since = Instant::now();
        self.spinner.reset_elapsed();
        self.spinner.set_message(step);
        self.spinner.enable_steady_tick(Duration::from_millis(80));
    }

    /// Tells that the step is done, and what came of it.
    pub(crate) fn done(&mut self, result: impl AsRef<str>) {
        let line = format!(
            "  {:<12} {}  ({:.1} s)",
            self.step,
            result.as_ref(),
            self.since.elapsed().as_secs_f64()
        );
        self.spinner.suspend(|| eprintln!("{line}"));
    }

    /// Ends the display; what was told stays.
    pub(crate) fn end(&self) {
        self.spinner.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

/// A count of many small steps on standard error: a bar on a terminal, and nothing but what is told elsewhere.
#[derive(Debug)]
pub(crate) struct Count {
    bar: ProgressBar,
}

impl Count {
    /// Nothing of `all` is done yet.
    pub(crate) fn new(what: &'static str, all: usize) -> Count {
        let bar = ProgressBar::new(all as u64);
        if let Ok(style) =
            ProgressStyle::with_template("  {pos}/{len} {prefix} {bar:30} {msg} … {elapsed}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        Count { bar }
    }

    /// One more is done, of this kind.
    pub(crate) fn step(&self, kind: &'static str) {
        self.bar.set_message(kind);
        self.bar.inc(1);
    }

    /// Something to know at once.
    pub(crate) fn tell(&self, text: &str) {
        self.bar.suspend(|| eprintln!("  {text}"));
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
