//! Lines that a thread of their own writes: whoever says something never waits for whoever reads it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait for the thread; more are dropped, and their number is told when it writes again.
const WAITING_LINES: usize = 1024;

/// How long the end of the process waits for its last lines.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// The way to the thread. Cheap to clone.
#[derive(Clone)]
pub(super) struct Background {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

enum Message {
    Line(Vec<u8>),
    /// Everything before it was written.
    Flush(Sender<()>),
}

/// Waits for the last lines when it is dropped.
#[must_use]
pub struct LastLines(Option<Background>);

impl Background {
    /// Starts the thread, which writes to `out`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(json: bool, out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, messages) = sync_channel(WAITING_LINES);
        let dropped = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&dropped);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&messages, &told, json, out))?;
        Ok(Self { queue, dropped })
    }

    pub(super) fn last_lines(&self) -> LastLines {
        LastLines(Some(self.clone()))
    }
}

/// Until there is nobody who could say anything.
fn write_all(messages: &Receiver<Message>, dropped: &AtomicU64, json: bool, mut out: impl Write) {
    for message in messages {
        // There is no other place to say that this one failed.
        match message {
            Message::Line(line) => drop(out.write_all(&line)),
            Message::Flush(done) => drop((out.flush(), done.send(()))),
        }
        let dropped = dropped.swap(0, Relaxed);
        if dropped > 0 {
            let _ = if json {
                let text = "log lines were dropped";
                writeln!(
                    out,
                    r#"{{"level":"WARN","message":"{text}","lines":{dropped}}}"#
                )
            } else {
                writeln!(out, "WARN {dropped} log lines were dropped")
            };
        }
    }
}

impl Write for Background {
    /// Takes a whole line: the formatter hands over one at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Background {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl LastLines {
    /// Of a log that does not wait.
    pub(super) const NONE: Self = Self(None);
}

impl Drop for LastLines {
    fn drop(&mut self) {
        let Some(Background { queue, .. }) = self.0.take() else {
            return;
        };
        let (done, written) = channel();
        let (mut message, end) = (Message::Flush(done), Instant::now() + LAST_WRITE);
        while let Err(TrySendError::Full(again)) = queue.try_send(message) {
            if Instant::now() >= end {
                return;
            }
            message = again;
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = written.recv_timeout(end.saturating_duration_since(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;

    /// A reader that takes nothing until it is told to.
    #[derive(Clone, Default)]
    struct Stuck(Arc<Pipe>);

    #[derive(Default)]
    struct Pipe {
        state: Mutex<(bool, Vec<u8>)>,
        changed: Condvar,
    }

    impl Stuck {
        fn open(&self) {
            self.0.state.lock().unwrap().0 = true;
            self.0.changed.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.state.lock().unwrap().1.clone()).unwrap()
        }
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut state = self.0.state.lock().unwrap();
            while !state.0 {
                state = self.0.changed.wait(state).unwrap();
            }
            state.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whoever_speaks_never_waits_and_losses_are_told() {
        for json in [true, false] {
            let out = Stuck::default();
            let background = Background::start(json, out.clone()).unwrap();
            // One is with the writer already, or not.
            for _ in 0..WAITING_LINES + 3 {
                background.make_writer().write_all(b"line\n").unwrap();
            }
            let lost = background.dropped.load(Relaxed);
            assert!((2..=3).contains(&lost), "{lost}");
            out.open();
            drop(background.last_lines());
            let text = out.text();
            let lines = text.lines().filter(|line| *line == "line").count();
            assert_eq!(
                u64::try_from(lines).unwrap() + lost,
                WAITING_LINES as u64 + 3
            );
            let told = text.lines().find(|line| line.contains("dropped")).unwrap();
            assert!(told.contains(&lost.to_string()), "{told}");
            assert_eq!(
                json,
                serde_json::from_str::<serde_json::Value>(told).is_ok()
            );
        }
    }

    #[test]
    fn the_end_does_not_wait_for_ever() {
        let out = Stuck::default();
        let background = Background::start(false, out.clone()).unwrap();
        for _ in 0..WAITING_LINES + 3 {
            background.make_writer().write_all(b"line\n").unwrap();
        }
        drop(background.last_lines());
        assert_eq!(out.text(), "");
        out.open();
    }
}
