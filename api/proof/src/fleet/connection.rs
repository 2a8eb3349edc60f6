//! A minimal HTTP/1.1 client for the load generator: one kept-alive connection, one request at a time.
//!
//! A general client uses more CPU per request than the gateway uses for some of them, and on one machine that time is taken
//! from the system under measurement. This one writes prebuilt bytes and reads an answer whose length is stated.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One kept-alive connection to a server.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A status with the bytes of the body.
#[derive(Debug)]
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// The status of an answer, and the position of its body in the buffer.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    body: usize,
    length: usize,
}

impl Connection {
    /// Opens a connection.
    pub(crate) async fn open(server: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            buffer: Vec::with_capacity(8 * 1024),
        })
    }

    /// Sends a complete request and reads the complete answer. After an error the connection is of no more use.
    pub(crate) async fn send(&mut self, request: &[u8]) -> io::Result<Response<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            if let Some(head) = parse_head(&self.buffer)? {
                break head;
            }
            self.fill().await?;
        };
        let end = head.body + head.length;
        while self.buffer.len() < end {
            self.fill().await?;
        }
        Ok(Response {
            status: head.status,
            body: &self.buffer[head.body..end],
        })
    }

    async fn fill(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

fn parse_head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| io::ErrorKind::InvalidData)?;
    let status = text.get(9..12).and_then(|code| code.parse().ok());
    let length = text.split("\r\n").skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    });
    match (status, length) {
        (Some(status), Some(length)) => Ok(Some(Head {
            status,
            body: end + 4,
            length,
        })),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "an answer without status or content-length",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_head_waits_for_more() {
        assert_eq!(
            parse_head(b"HTTP/1.1 201 Created\r\nContent-Le").unwrap(),
            None
        );
    }

    #[test]
    fn a_complete_head_gives_status_and_length() {
        let head =
            parse_head(b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\nx: y\r\n\r\nhello").unwrap();
        assert_eq!(
            head,
            Some(Head {
                status: 201,
                body: 49,
                length: 5
            })
        );
    }

    #[test]
    fn an_answer_without_a_length_is_refused() {
        assert!(parse_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
