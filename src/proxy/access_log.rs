//! Where access-log lines go: gathered by each worker, written by a thread of their own.

use std::cell::{Cell, RefCell};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::line::Entry;

/// Bytes that a worker gathers before it hands them over; its tick hands over what is there anyway.
const BATCH_BYTES: usize = 16 * 1024;
/// Batches that may wait for the thread: a mebibyte and a little, whatever the sink does.
const WAITING_BATCHES: usize = 64;
/// How long the end of the process waits for a sink that takes nothing.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// A worker's end of the access log. A full queue drops lines and counts them; it never blocks.
pub struct AccessLog {
    /// Stands before `thread`, so that the queue is closed before the thread is waited for.
    queue: Option<SyncSender<Batch>>,
    thread: Arc<LogThread>,
    dropped: Arc<dyn Fn(u64) + Send + Sync>,
    json: bool,
    buffer: RefCell<Vec<u8>>,
    lines: Cell<u64>,
}

/// Whole lines, and how many.
struct Batch {
    bytes: Vec<u8>,
    lines: u64,
}

/// Where the lines go: `write` is called on the log's own thread with whole lines.
pub trait AccessLogSink: Send + 'static {
    /// Writes whole lines.
    ///
    /// # Errors
    /// When they cannot be written; they are lost then.
    fn write(&mut self, lines: &[u8]) -> std::io::Result<()>;
}

/// Starts the log's thread. `json`: an object a line; else text. `None` as sink: nothing is logged.
///
/// `dropped` is told of lines that were lost: the queue was full, or the sink failed.
#[must_use]
pub fn access_log(
    sink: Option<Box<dyn AccessLogSink>>,
    json: bool,
    dropped: Arc<dyn Fn(u64) + Send + Sync>,
) -> AccessLog {
    let (queue, thread) = match sink {
        Some(sink) => start(sink, Arc::clone(&dropped)),
        None => (None, LogThread(None)),
    };
    AccessLog {
        queue,
        thread: Arc::new(thread),
        dropped,
        json,
        buffer: RefCell::default(),
        lines: Cell::default(),
    }
}

impl AccessLog {
    /// Whether there is a log: else nothing need be gathered for it.
    pub(super) fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Adds a line.
    pub(super) fn add(&self, entry: &Entry<'_>) {
        if !self.is_on() {
            return;
        }
        let mut buffer = self.buffer.borrow_mut();
        if buffer.capacity() == 0 {
            // One allocation a batch: the last line may stand over the mark.
            buffer.reserve(BATCH_BYTES + BATCH_BYTES / 4);
        }
        entry.write(self.json, &mut buffer);
        self.lines.set(self.lines.get() + 1);
        let full = buffer.len() >= BATCH_BYTES;
        drop(buffer);
        if full {
            self.flush();
        }
    }

    /// Hands over what has been gathered. The worker calls it several times a second.
    pub fn flush(&self) {
        let lines = self.lines.take();
        if lines == 0 {
            return;
        }
        let bytes = self.buffer.take();
        let sent = self
            .queue
            .as_ref()
            .map(|queue| queue.try_send(Batch { bytes, lines }));
        if !matches!(sent, Some(Ok(()))) {
            (self.dropped)(lines);
        }
    }
}

impl Clone for AccessLog {
    /// Another worker's end: what this one has gathered stays here.
    fn clone(&self) -> Self {
        Self {
            queue: self.queue.clone(),
            thread: Arc::clone(&self.thread),
            dropped: Arc::clone(&self.dropped),
            json: self.json,
            buffer: RefCell::default(),
            lines: Cell::default(),
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The log's thread, waited for when the last worker's end is dropped: the last lines are written then.
struct LogThread(Option<Mutex<Receiver<()>>>);

impl Drop for LogThread {
    fn drop(&mut self) {
        if let Some(Ok(ended)) = self.0.take().map(Mutex::into_inner) {
            // Nothing is ever sent: the thread's end closes the channel.
            let _ = ended.recv_timeout(LAST_WRITE);
        }
    }
}

fn start(
    mut sink: Box<dyn AccessLogSink>,
    dropped: Arc<dyn Fn(u64) + Send + Sync>,
) -> (Option<SyncSender<Batch>>, LogThread) {
    let (queue, batches) = sync_channel::<Batch>(WAITING_BATCHES);
    let (ending, ended) = channel::<()>();
    let started = std::thread::Builder::new()
        .name("access-log".to_owned())
        .spawn(move || {
            let _ending = ending;
            for batch in batches {
                if sink.write(&batch.bytes).is_err() {
                    dropped(batch.lines);
                }
            }
        });
    if let Err(error) = started {
        // The batches' receiver is gone, so every line counts as dropped: serving goes on.
        tracing::error!(%error, "the access log has no thread");
    }
    (Some(queue), LogThread(Some(Mutex::new(ended))))
}

#[cfg(test)]
mod tests;
