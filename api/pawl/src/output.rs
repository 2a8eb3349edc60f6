//! Output to the person who called the command.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The time as RFC 3339 writes it.
pub(crate) fn time(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_else(|_| at.to_string())
}

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
