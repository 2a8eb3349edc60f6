//! The name of this process beside the other ones of a deployment.

use std::sync::LazyLock;
use std::{fs, process};

static NAME: LazyLock<String> = LazyLock::new(|| {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        "" => format!("pid-{}", process::id()),
        host => format!("{host}-{}", process::id()),
    }
});

/// The name of the machine or container and the number of the process there: `worker-7f9c-12`. Without a name of the machine
/// it is the number alone.
#[must_use]
pub fn process_name() -> &'static str {
    &NAME
}
