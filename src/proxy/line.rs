//! How one access-log line looks: an object (JSON), or `name=value` pairs with the same names (text).

use std::borrow::Cow;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

/// Bytes of a subject in a line.
pub(super) const SUBJECT_BYTES: usize = 256;
/// Bytes of a host.
const HOST_BYTES: usize = 256;
/// Bytes of a path: a client may send 64 KiB, and a log is not the place for them.
const PATH_BYTES: usize = 2048;
/// Bytes of a detail.
const DETAIL_BYTES: usize = 512;
/// Bytes of a method.
const METHOD_BYTES: usize = 32;

/// What one line says. The query never stands in it, and no field value: tokens hide there.
#[derive(Clone, Debug)]
pub(super) struct Entry<'e> {
    /// When the head had been read.
    pub(super) time: jiff::Timestamp,
    pub(super) request_id: &'e str,
    pub(super) client: IpAddr,
    pub(super) method: &'e str,
    pub(super) host: &'e str,
    pub(super) path: &'e str,
    pub(super) route: Option<&'e str>,
    pub(super) status: u16,
    pub(super) reason: Option<&'static str>,
    pub(super) detail: Option<&'e str>,
    pub(super) issuer: Option<&'e str>,
    pub(super) subject: Option<&'e str>,
    /// From the head to the end of the response.
    pub(super) duration: Duration,
    /// From sending to the head of the upstream's answer.
    pub(super) upstream: Option<Duration>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) version: &'static str,
    pub(super) tls: bool,
}

impl Entry<'_> {
    /// Appends the line with its newline.
    pub(super) fn write(&self, json: bool, out: &mut Vec<u8>) {
        let mut line = Line::begin(json, out);
        line.time("time", self.time);
        line.text("request_id", self.request_id, usize::MAX);
        line.address("client", self.client);
        line.text("method", self.method, METHOD_BYTES);
        line.text("host", self.host, HOST_BYTES);
        line.text("path", &without_tokens(self.path), PATH_BYTES);
        line.optional("route", self.route, usize::MAX);
        line.number("status", self.status.into());
        line.optional("reason", self.reason, usize::MAX);
        line.optional("detail", self.detail, DETAIL_BYTES);
        line.optional("issuer", self.issuer, usize::MAX);
        line.optional("subject", self.subject, SUBJECT_BYTES);
        line.seconds("duration_seconds", self.duration);
        if let Some(upstream) = self.upstream {
            line.seconds("upstream_seconds", upstream);
        }
        line.number("bytes_in", self.bytes_in);
        line.number("bytes_out", self.bytes_out);
        line.text("version", self.version, usize::MAX);
        line.boolean("tls", self.tls);
        line.end();
    }
}

/// One line in the making.
struct Line<'o> {
    out: &'o mut Vec<u8>,
    json: bool,
    first: bool,
}

impl<'o> Line<'o> {
    fn begin(json: bool, out: &'o mut Vec<u8>) -> Self {
        if json {
            out.push(b'{');
        }
        Self {
            out,
            json,
            first: true,
        }
    }

    fn end(self) {
        self.out
            .extend_from_slice(if self.json { b"}\n" } else { b"\n" });
    }

    fn name(&mut self, name: &str) {
        let separator = if self.json { b',' } else { b' ' };
        if !std::mem::take(&mut self.first) {
            self.out.push(separator);
        }
        if self.json {
            self.out.push(b'"');
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"\":");
        } else {
            self.out.extend_from_slice(name.as_bytes());
            self.out.push(b'=');
        }
    }

    /// At most `limit` bytes of `text`; `…` says that something was cut off.
    fn text(&mut self, name: &str, text: &str, limit: usize) {
        self.name(name);
        let kept = &text[..text.floor_char_boundary(limit)];
        let bare = !self.json && !kept.is_empty() && kept.bytes().all(is_plain);
        if bare && kept.len() == text.len() {
            self.out.extend_from_slice(text.as_bytes());
        } else {
            self.out.push(b'"');
            escape(kept, self.out);
            if kept.len() < text.len() {
                escape("…", self.out);
            }
            self.out.push(b'"');
        }
    }

    fn optional(&mut self, name: &str, text: Option<&str>, limit: usize) {
        if let Some(text) = text {
            self.text(name, text, limit);
        }
    }

    fn number(&mut self, name: &str, number: u64) {
        self.name(name);
        self.out
            .extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    fn seconds(&mut self, name: &str, duration: Duration) {
        self.number(name, duration.as_secs());
        // Writing into memory cannot fail, here and below.
        let _ = write!(self.out, ".{:06}", duration.subsec_micros());
    }

    fn boolean(&mut self, name: &str, value: bool) {
        self.name(name);
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn address(&mut self, name: &str, address: IpAddr) {
        self.name(name);
        let quote = if self.json { "\"" } else { "" };
        let _ = write!(self.out, "{quote}{address}{quote}");
    }

    /// RFC 3339 in UTC, with milliseconds.
    fn time(&mut self, name: &str, time: jiff::Timestamp) {
        self.name(name);
        let quote = if self.json { "\"" } else { "" };
        let _ = write!(self.out, "{quote}{time:.3}{quote}");
    }
}

/// A path without what looks like a token: `eyJ`, with which every JWT begins (`{"` in base64url), and `…` for the rest of
/// its segment. Links in mails carry such, and who reads logs could use them.
fn without_tokens(path: &str) -> Cow<'_, str> {
    if !path.contains(JWT) {
        return Cow::Borrowed(path);
    }
    let cut = |segment: &str| match segment.split_once(JWT) {
        Some((before, _)) => format!("{before}{JWT}…"),
        None => segment.to_owned(),
    };
    let segments: Vec<String> = path.split('/').map(cut).collect();
    Cow::Owned(segments.join("/"))
}

const JWT: &str = "eyJ";

/// Whether a byte may stand unquoted in a text line.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=')
}

/// Appends `text` as the inside of a JSON string (RFC 8259 §7) of printable ASCII alone: neither a control character
/// nor a direction mark reaches a terminal, whatever a client or a token says.
pub(super) fn escape(text: &str, out: &mut Vec<u8>) {
    let mut plain = 0;
    for (at, character) in text.char_indices() {
        if matches!(character, ' '..='~') && !matches!(character, '"' | '\\') {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[plain..at]);
        plain = at + character.len_utf8();
        if matches!(character, '"' | '\\') {
            out.push(b'\\');
            out.extend_from_slice(&text.as_bytes()[at..plain]);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
}

#[cfg(test)]
mod tests;
