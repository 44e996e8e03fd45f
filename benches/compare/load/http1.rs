//! HTTP/1.1 as far as a load generator needs it.

use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::Outcome;
use crate::target::Io;

/// The request for a path, with its token and so many bytes of content.
pub(crate) fn write_request(buffer: &mut Vec<u8>, path: &str, token: &[u8], upload: usize) {
    buffer.clear();
    buffer.extend_from_slice(if upload == 0 { b"GET " } else { b"POST " });
    buffer.extend_from_slice(path.as_bytes());
    buffer
        .extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load\r\nAccept: */*\r\n");
    if !token.is_empty() {
        buffer.extend_from_slice(b"Authorization: Bearer ");
        buffer.extend_from_slice(token);
        buffer.extend_from_slice(b"\r\n");
    }
    if upload > 0 {
        buffer.extend_from_slice(format!("Content-Length: {upload}\r\n").as_bytes());
    }
    buffer.extend_from_slice(b"\r\n");
    buffer.resize(buffer.len() + upload, b'x');
}

/// What matters of a response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Bytes of head and body.
    pub(crate) length: usize,
    /// The server closes after it.
    pub(crate) closes: bool,
}

/// The head at the beginning of `bytes`, if it is all there. Bodies must have a length.
pub(crate) fn parse_head(bytes: &[u8]) -> Outcome<Option<Head>> {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let mut lines = bytes[..end].split(|byte| *byte == b'\n');
    let status = lines
        .next()
        .and_then(|line| line.get(9..12))
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse().ok())
        .ok_or("not an HTTP/1.1 response")?;
    let mut body = None;
    let mut closes = false;
    for line in lines {
        if let Some(value) = value_of(line, b"content-length:") {
            body = Some(std::str::from_utf8(value)?.parse::<usize>()?);
        } else if let Some(value) = value_of(line, b"connection:") {
            closes |= value.eq_ignore_ascii_case(b"close");
        }
    }
    let body = body.ok_or("a response without Content-Length")?;
    Ok(Some(Head {
        status,
        length: end + 4 + body,
        closes,
    }))
}

/// The value, if the line has that name, which is in lower case and ends in a colon.
fn value_of<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// Sends the request and reads the whole response into `room`, which keeps its size.
pub(crate) async fn exchange(
    stream: &mut dyn Io,
    request: &[u8],
    room: &mut [u8],
) -> Outcome<Head> {
    stream.write_all(request).await?;
    stream.flush().await?;
    let mut filled = 0;
    let head = loop {
        match stream.read(&mut room[filled..]).await? {
            0 => return Err("the connection was closed".into()),
            count => filled += count,
        }
        if let Some(head) = parse_head(&room[..filled])? {
            break head;
        }
    };
    // What is left of the body may be overwritten: nobody looks at it.
    let mut left = head.length.saturating_sub(filled);
    while left > 0 {
        let most = left.min(room.len());
        match stream.read(&mut room[..most]).await? {
            0 => return Err("the connection was closed inside a body".into()),
            count => left -= count,
        }
    }
    Ok(head)
}
