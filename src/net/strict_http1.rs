//! A strict check of HTTP/1.1 framing, ahead of hyper: bytes pass unchanged, or the connection ends with 400.
//!
//! hyper is lenient where RFC 9112 lets a recipient be: bare LF as a line end, equal lengths twice, a length beside
//! chunks, blanks after a chunk size. Whoever stands behind us may read such a message differently, so none passes.
//! Lines are judged as a whole when their LF arrives. That is early enough: hyper ends no line without its LF.

use memchr::memchr;

/// Follows the framing of a request stream, and finds what RFC 9112 forbids or leaves ambiguous.
///
/// Field values and bodies are not kept; only a line that was split over two reads is, until its end arrives.
#[derive(Debug, Default)]
pub struct Http1Check {
    place: Place,
    /// The begun line of which the end has not come.
    partial: Vec<u8>,
    /// Whether there was an empty line before the request line.
    empty_line: bool,
    head: Head,
    /// Bytes of the trailer section so far.
    trailer_bytes: usize,
    /// Complete heads so far.
    heads: u64,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("HTTP/1.1 framing: {0}")]
pub struct Violation(pub &'static str);

/// How far a slice was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// All of it.
    All,
    /// So many bytes, which end a request that asks for an upgrade: what follows waits for the answer.
    Held(usize),
    /// So many bytes; what follows is wrong.
    Wrong(usize, Violation),
}

/// Where in the stream the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// A request line, or the one empty line before it (RFC 9112 §2.2).
    #[default]
    Start,
    /// A field line, or the end of the head.
    Field,
    /// So many bytes of a body with a length.
    Sized(u64),
    /// A chunk size with its extensions.
    ChunkSize,
    /// So many bytes of a chunk.
    ChunkData(u64),
    /// CRLF after a chunk's data.
    ChunkEnd,
    /// A trailer field line, or the end of the body.
    Trailer,
    /// Behind a request for an upgrade.
    Held,
    /// Not HTTP any more.
    Opaque,
    /// Behind a violation; in a body or not.
    Failed { in_body: bool },
}

/// What the head has said so far.
#[derive(Debug, Default)]
struct Head {
    http_11: bool,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

impl Http1Check {
    /// Checks the next bytes of the stream. What follows a request for an upgrade is checked as a new request.
    ///
    /// # Errors
    /// A [`Violation`]; nothing after it may be believed.
    pub fn check(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        loop {
            match self.feed(bytes) {
                Checked::All => return Ok(()),
                Checked::Wrong(_, violation) => return Err(violation),
                Checked::Held(taken) => {
                    self.resume();
                    bytes = bytes.get(taken..).unwrap_or_default();
                }
            }
        }
    }

    /// From now on everything passes: 101 was sent, and the stream belongs to another protocol.
    pub fn stop(&mut self) {
        self.place = Place::Opaque;
        self.partial = Vec::new();
    }

    /// The upgrade was not granted: what follows is a new request.
    pub(super) fn resume(&mut self) {
        if self.place == Place::Held {
            self.place = Place::Start;
        }
    }

    /// Whether a request for an upgrade was read to its end, and neither [`Self::stop`] nor [`Self::resume`] followed.
    pub(super) fn is_held(&self) -> bool {
        self.place == Place::Held
    }

    /// Whether a head has begun and not ended.
    pub(super) fn is_within_head(&self) -> bool {
        match self.place {
            Place::Field => true,
            Place::Start => self.empty_line || !self.partial.is_empty(),
            Place::Sized(_)
            | Place::ChunkSize
            | Place::ChunkData(_)
            | Place::ChunkEnd
            | Place::Trailer
            | Place::Held
            | Place::Opaque
            | Place::Failed { .. } => false,
        }
    }

    /// Whether a whole number of requests has passed.
    pub(super) fn is_between_requests(&self) -> bool {
        self.is_held() || self.is_at_start()
    }

    /// Whether the next byte is the first of a request.
    pub(super) fn is_at_start(&self) -> bool {
        self.place == Place::Start && !self.is_within_head()
    }

    /// Whether a violation stands inside a body, where no answer can be given any more.
    pub(super) fn failed_in_body(&self) -> bool {
        self.place == Place::Failed { in_body: true }
    }

    /// Complete heads so far.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// Checks bytes until their end, the end of a request for an upgrade, or a violation.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Checked {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            at += match self.place {
                Place::Sized(left) => self.skip(left, rest.len(), false),
                Place::ChunkData(left) => self.skip(left, rest.len(), true),
                Place::Held => return Checked::Held(at),
                Place::Opaque => return Checked::All,
                Place::Failed { .. } => return Checked::Wrong(at, BROKEN),
                Place::Start
                | Place::Field
                | Place::ChunkSize
                | Place::ChunkEnd
                | Place::Trailer => match self.line(rest) {
                    Ok(taken) => taken,
                    Err(violation) => {
                        let in_body = !matches!(self.place, Place::Start | Place::Field);
                        self.place = Place::Failed { in_body };
                        self.partial = Vec::new();
                        return Checked::Wrong(at, violation);
                    }
                },
            };
        }
        Checked::All
    }

    /// Passes body bytes over; how many.
    fn skip(&mut self, left: u64, available: usize, chunk: bool) -> usize {
        let taken = usize::try_from(left).map_or(available, |left| left.min(available));
        let left = left.saturating_sub(taken as u64);
        self.place = match (left, chunk) {
            (0, true) => Place::ChunkEnd,
            (0, false) => self.message_ended(),
            (left, true) => Place::ChunkData(left),
            (left, false) => Place::Sized(left),
        };
        taken
    }

    /// Takes bytes up to the end of a line and judges the line; how many.
    fn line(&mut self, rest: &[u8]) -> Result<usize, Violation> {
        let Some(end) = memchr(b'\n', rest) else {
            self.partial.extend_from_slice(rest);
            return if self.partial.len() < self.longest_line() {
                Ok(rest.len())
            } else {
                Err(Violation("a line is too long"))
            };
        };
        let taken = end + 1;
        let (line, _) = rest.split_at(taken);
        if self.partial.is_empty() {
            self.judge(line)?;
        } else {
            let mut whole = std::mem::take(&mut self.partial);
            whole.extend_from_slice(line);
            self.judge(&whole)?;
            whole.clear();
            self.partial = whole;
        }
        Ok(taken)
    }

    /// Most bytes of a line here, CRLF included. hyper bounds heads as a whole.
    fn longest_line(&self) -> usize {
        match self.place {
            Place::ChunkSize => CHUNK_LINE_BYTES,
            Place::ChunkEnd => CRLF.len(),
            Place::Trailer => TRAILER_BYTES,
            Place::Start
            | Place::Field
            | Place::Sized(_)
            | Place::ChunkData(_)
            | Place::Held
            | Place::Opaque
            | Place::Failed { .. } => HEAD_LINE_BYTES,
        }
    }

    /// Judges one line with its end, and moves on.
    fn judge(&mut self, line: &[u8]) -> Result<(), Violation> {
        if line.len() > self.longest_line() {
            return Err(Violation("a line is too long"));
        }
        let line = line
            .strip_suffix(CRLF)
            .ok_or(Violation("a line ends with a bare LF"))?;
        self.place = match self.place {
            Place::Start if line.is_empty() => {
                if std::mem::replace(&mut self.empty_line, true) {
                    return Err(Violation("empty lines before the request line"));
                }
                Place::Start
            }
            Place::Start => {
                self.head = request_line(line)?;
                self.empty_line = false;
                Place::Field
            }
            Place::Field if line.is_empty() => self.head_ended(),
            Place::Field => {
                let (name, value) = field_line(line)?;
                self.head.field(name, value)?;
                Place::Field
            }
            Place::ChunkSize => match chunk_size(line)? {
                0 => Place::Trailer,
                size => Place::ChunkData(size),
            },
            Place::ChunkEnd if line.is_empty() => Place::ChunkSize,
            Place::ChunkEnd => return Err(Violation("a chunk is longer than its size")),
            Place::Trailer if line.is_empty() => self.message_ended(),
            Place::Trailer => {
                self.trailer_bytes += line.len() + CRLF.len();
                trailer_line(line, self.trailer_bytes)?;
                Place::Trailer
            }
            // Not made of lines: `feed` never comes here with them.
            place @ (Place::Sized(_)
            | Place::ChunkData(_)
            | Place::Held
            | Place::Opaque
            | Place::Failed { .. }) => place,
        };
        Ok(())
    }

    fn head_ended(&mut self) -> Place {
        self.heads += 1;
        self.trailer_bytes = 0;
        match self.head.length {
            _ if self.head.chunked => Place::ChunkSize,
            Some(length) if length > 0 => Place::Sized(length),
            Some(_) | None => self.message_ended(),
        }
    }

    fn message_ended(&mut self) -> Place {
        let head = std::mem::take(&mut self.head);
        if head.upgrade {
            Place::Held
        } else {
            Place::Start
        }
    }
}

/// `method SP request-target SP HTTP-version` (RFC 9112 §3), single spaces.
fn request_line(line: &[u8]) -> Result<Head, Violation> {
    let (line, http_11) = if let Some(line) = line.strip_suffix(b" HTTP/1.1") {
        (line, true)
    } else if let Some(line) = line.strip_suffix(b" HTTP/1.0") {
        (line, false)
    } else {
        return Err(Violation("the version is not HTTP/1.1 or HTTP/1.0"));
    };
    let space = memchr(b' ', line).ok_or(Violation("no request target"))?;
    let (method, target) = line.split_at(space);
    if !is_token(method) {
        return Err(Violation("the method is not a token"));
    }
    let target = target.get(1..).unwrap_or_default();
    // A fragment is never sent (RFC 9110 §7.1), and `http::Uri` would drop it unseen.
    let good = |byte: &u8| byte.is_ascii_graphic() && *byte != b'#';
    if target.is_empty() || !target.iter().all(good) {
        return Err(Violation("the request target has a forbidden byte"));
    }
    Ok(Head {
        http_11,
        // What follows CONNECT depends on its answer, as after an upgrade.
        upgrade: method == b"CONNECT",
        ..Head::default()
    })
}

/// `field-name ":" OWS field-value OWS` (RFC 9112 §5), not folded; the name and the value without blanks around it.
fn field_line(line: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    let colon = memchr(b':', line).ok_or(Violation("a field line without a colon"))?;
    let (name, value) = line.split_at(colon);
    // Also meets a folded line and a blank before the colon.
    if !is_token(name) {
        return Err(Violation("a field name is not a token"));
    }
    let value = value.get(1..).unwrap_or_default();
    if has_control(value) {
        return Err(Violation("a field value has a control byte"));
    }
    Ok((name, trim_blanks(value)))
}

/// Whether a control byte other than a tab is in a field value (RFC 9110 §5.5).
fn has_control(value: &[u8]) -> bool {
    // Without an early end, so that the compiler makes of it an operation on many bytes at once.
    let least = value.iter().copied().fold(u8::MAX, u8::min);
    let control = |&byte: &u8| byte < b' ' && byte != b'\t';
    memchr(DELETE, value).is_some() || (least < b' ' && value.iter().any(control))
}

impl Head {
    /// Takes in one field (RFC 9112 §6): what decides where the body ends is stated once, in one way.
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Violation> {
        // By length first: three fields of all matter.
        match name.len() {
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade |= self.http_11,
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                if self.length.is_some() {
                    return Err(Violation("Content-Length twice"));
                }
                self.length = Some(content_length(value)?);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if !self.http_11 {
                    return Err(Violation("Transfer-Encoding in HTTP/1.0"));
                }
                if self.chunked {
                    return Err(Violation("Transfer-Encoding twice"));
                }
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Violation("a transfer coding other than chunked"));
                }
                self.chunked = true;
            }
            _ => return Ok(()),
        }
        if self.chunked && self.length.is_some() {
            return Err(Violation("Content-Length beside Transfer-Encoding"));
        }
        Ok(())
    }
}

/// Digits alone. A leading zero is refused although the grammar has it: some read octal then.
fn content_length(value: &[u8]) -> Result<u64, Violation> {
    const WRONG: Violation = Violation("Content-Length is not a plain number");
    if value.is_empty() || value.len() > 18 || (value.len() > 1 && value.starts_with(b"0")) {
        return Err(WRONG);
    }
    value.iter().try_fold(0, |length: u64, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(WRONG);
        }
        // At most 18 digits: no overflow.
        Ok(length * 10 + u64::from(digit))
    })
}

/// `1*HEXDIG [ ";" extension ]` (RFC 9112 §7.1), at most 16 digits and below 2⁶³; no blank before the `;`.
fn chunk_size(line: &[u8]) -> Result<u64, Violation> {
    let digits = match memchr(b';', line) {
        Some(semicolon) => {
            let (digits, extension) = line.split_at(semicolon);
            if !extension
                .iter()
                .all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
            {
                return Err(Violation("a chunk extension has a forbidden byte"));
            }
            digits
        }
        None => line,
    };
    if digits.is_empty() || digits.len() > 16 {
        return Err(Violation("a chunk size has not 1 to 16 digits"));
    }
    let size = digits.iter().try_fold(0, |size: u64, byte| {
        let digit = char::from(*byte)
            .to_digit(16)
            .ok_or(Violation("a chunk size is not hexadecimal"))?;
        // At most 16 digits: no overflow.
        Ok(size << 4 | u64::from(digit))
    })?;
    if size > i64::MAX.unsigned_abs() {
        return Err(Violation("a chunk size is too large"));
    }
    Ok(size)
}

/// A trailer field: like any field, without a say in framing (RFC 9110 §6.5.1).
fn trailer_line(line: &[u8], bytes_so_far: usize) -> Result<(), Violation> {
    if bytes_so_far > TRAILER_BYTES {
        return Err(Violation("the trailer section is too long"));
    }
    let (name, _) = field_line(line)?;
    if name.eq_ignore_ascii_case(b"content-length")
        || name.eq_ignore_ascii_case(b"transfer-encoding")
    {
        return Err(Violation("a framing field in the trailer section"));
    }
    Ok(())
}

/// RFC 9110 §5.6.2: one or more `tchar`.
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| TCHAR[usize::from(*byte)])
}

fn trim_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

const DELETE: u8 = 0x7f;

const TCHAR: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        byte += 1;
    }
    table
};

const CRLF: &[u8] = b"\r\n";

/// hyper's own bound on a head (`header_bytes`) ends a line sooner; this one only keeps the kept part finite.
const HEAD_LINE_BYTES: usize = 1 << 20;

/// A chunk size with its extensions, which nobody uses for good. hyper bounds their sum over a body.
const CHUNK_LINE_BYTES: usize = 1024;

/// Bytes of all trailer lines of a message: 16 KiB, unless a head may have fewer, which is hyper's to see to.
pub const TRAILER_BYTES: usize = 16 * 1024;

const BROKEN: Violation = Violation("something was wrong before");

#[cfg(test)]
mod tests;
