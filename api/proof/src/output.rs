//! Output of the proofs.

use indicatif::{ProgressBar, ProgressStyle};

/// Prints a line of the result on standard output.
#[expect(clippy::print_stdout, reason = "the result is the command's output")]
pub(crate) fn line(text: impl AsRef<str>) {
    println!("{}", text.as_ref());
}

/// A count of many small steps on standard error: a bar, and only on a terminal.
#[derive(Debug)]
pub(crate) struct Count {
    bar: ProgressBar,
}

impl Count {
    /// A count that begins at zero of `all`.
    pub(crate) fn new(name: &'static str, all: usize) -> Count {
        let bar = ProgressBar::new(all as u64);
        if let Ok(style) =
            ProgressStyle::with_template("  {pos}/{len} {prefix} {bar:30} {msg} … {elapsed}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(name);
        Count { bar }
    }

    /// Counts one more step, of this kind.
    pub(crate) fn step(&self, kind: &'static str) {
        self.bar.set_message(kind);
        self.bar.inc(1);
    }

    /// Prints a line on standard error at once.
    pub(crate) fn print(&self, text: &str) {
        self.bar.suspend(|| eprintln!("  {text}"));
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
