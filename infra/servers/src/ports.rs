//! Free TCP ports of this machine.

use std::io;
use std::net::TcpListener;

/// A port of 127.0.0.1 that was free a moment ago.
///
/// Another process may take it before the server does; the caller then tries another port.
pub(crate) fn free() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
