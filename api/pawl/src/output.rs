//! Output to the person who called the command.

/// Prints a line of the result on standard output.
#[expect(clippy::print_stdout, reason = "the result is the command's output")]
pub(crate) fn line(text: impl AsRef<str>) {
    println!("{}", text.as_ref());
}

/// Prints a note that is not part of the result on standard error.
pub(crate) fn notice(text: &str) {
    eprintln!("{text}");
}

/// Prints the error and its causes on standard error, each on a line of its own.
pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("pawl: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}
