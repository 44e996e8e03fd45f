//! Standard input without echo, and without copies of what is read left in memory.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

/// As long as a line of a terminal can be, and longer than every password.
const MOST_BYTES: usize = 4096;

/// What Ctrl-C sends.
const CTRL_C: u8 = 0x03;

/// A line that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its end.
    Read(Zeroizing<Vec<u8>>),
    /// Nothing came, or Ctrl-C.
    Ended,
}

/// Asks on the terminal that standard input is, and reads one line that does not show.
///
/// Ctrl-C ends the line and not the process, so that the terminal is always left as it was.
///
/// # Errors
/// When the terminal does not do as asked.
pub(super) fn ask(question: &str) -> io::Result<Line> {
    let input = io::stdin();
    let silent = Silent::new(input.as_fd())?;
    // Standard output may go elsewhere. There is nowhere to report a fault of standard error.
    let _ = write!(io::stderr().lock(), "{question}");
    let line = read_line(silent.terminal, &[b'\n', CTRL_C]);
    drop(silent);
    let _ = writeln!(io::stderr().lock());
    line
}

/// Reads the first line of standard input.
///
/// # Errors
/// When it cannot be read.
pub(super) fn first_line() -> io::Result<Line> {
    read_line(io::stdin().as_fd(), b"\n")
}

/// A terminal that does not show what is typed, until it is dropped.
struct Silent<'t> {
    terminal: BorrowedFd<'t>,
    before: Termios,
}

impl<'t> Silent<'t> {
    fn new(terminal: BorrowedFd<'t>) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        let modes = &mut silent.local_modes;
        modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ISIG);
        modes.insert(LocalModes::ICANON);
        silent.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        // What was typed before was seen: it is no password.
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

/// Reads up to one of `ends`. A line that is too long is cut where it is longer than every password.
fn read_line(input: BorrowedFd<'_>, ends: &[u8]) -> io::Result<Line> {
    let mut buffer = Zeroizing::new([0; MOST_BYTES]);
    let mut length = 0;
    while length < buffer.len() {
        let count = match rustix::io::read(input, &mut buffer[length..]) {
            Err(rustix::io::Errno::INTR) => continue,
            count => count?,
        };
        let read = &buffer[length..length + count];
        if let Some(at) = read.iter().position(|byte| ends.contains(byte)) {
            if read[at] == CTRL_C {
                return Ok(Line::Ended);
            }
            length += at;
            // Files of other systems end their lines in two characters.
            length -= usize::from(buffer[..length].ends_with(b"\r"));
            return Ok(Line::Read(Zeroizing::new(buffer[..length].to_vec())));
        }
        length += count;
        if count == 0 {
            break;
        }
    }
    if length == 0 {
        return Ok(Line::Ended);
    }
    Ok(Line::Read(Zeroizing::new(buffer[..length].to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn read(sent: &[&[u8]], ends: &[u8]) -> Line {
        let (mut writer, reader) = UnixStream::pair().unwrap();
        let sent: Vec<Vec<u8>> = sent.iter().map(|bytes| bytes.to_vec()).collect();
        let sender = std::thread::spawn(move || {
            for bytes in sent {
                // The reader may have seen enough.
                let _ = writer.write_all(&bytes);
            }
        });
        let line = read_line(reader.as_fd(), ends).unwrap();
        drop(reader);
        sender.join().unwrap();
        line
    }

    fn line(bytes: &[u8]) -> Line {
        Line::Read(Zeroizing::new(bytes.to_vec()))
    }

    #[test]
    fn a_line_is_read_without_its_end_and_only_the_first() {
        for (sent, expected) in [
            (&[&b"secret\n"[..]][..], line(b"secret")),
            (&[b"secret\r\n"], line(b"secret")),
            (&[b"secret"], line(b"secret")),
            (&[b"sec", b"ret", b"\nmore\n"], line(b"secret")),
            (&[b" a b \n"], line(b" a b ")),
            (&[b"a\x03b\n"], line(b"a\x03b")),
            (&[b"\n"], line(b"")),
            (&[b"\r\n"], line(b"")),
            (&[], Line::Ended),
        ] {
            assert_eq!(read(sent, b"\n"), expected, "{sent:?}");
        }
    }

    #[test]
    fn ctrl_c_ends_what_a_terminal_sends() {
        assert_eq!(read(&[b"half\x03"], b"\n\x03"), Line::Ended);
        assert_eq!(read(&[b"whole\n\x03"], b"\n\x03"), line(b"whole"));
    }

    #[test]
    fn a_line_without_end_ends_all_the_same() {
        let endless = vec![b'a'; 3 * MOST_BYTES];
        assert_eq!(read(&[&endless], b"\n"), line(&endless[..MOST_BYTES]));
    }
}
