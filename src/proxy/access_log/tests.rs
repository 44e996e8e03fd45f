use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use std::sync::mpsc::Sender;

use super::*;

fn entry() -> Entry<'static> {
    Entry {
        time: jiff::Timestamp::UNIX_EPOCH,
        request_id: "id",
        client: [127, 0, 0, 1].into(),
        method: "GET",
        host: "h",
        path: "/",
        route: None,
        status: 404,
        reason: Some("no_route"),
        detail: None,
        issuer: None,
        subject: None,
        duration: Duration::ZERO,
        upstream: None,
        bytes_in: 0,
        bytes_out: 0,
        version: "1.1",
        tls: false,
    }
}

struct ToChannel(Sender<Vec<u8>>);

impl AccessLogSink for ToChannel {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.0
            .send(lines.to_vec())
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Takes nothing until its gate is dropped, then fails.
struct Stuck(Receiver<()>);

impl AccessLogSink for Stuck {
    fn write(&mut self, _lines: &[u8]) -> io::Result<()> {
        let _ = self.0.recv();
        Err(io::ErrorKind::StorageFull.into())
    }
}

fn counter() -> (Arc<AtomicU64>, Arc<dyn Fn(u64) + Send + Sync>) {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let dropped = Arc::new(move |lines| {
        counted.fetch_add(lines, Ordering::Relaxed);
    });
    (count, dropped)
}

#[test]
fn every_line_is_written_before_the_last_end_is_gone() {
    let (lines, written) = channel();
    let (count, dropped) = counter();
    let log = access_log(Some(Box::new(ToChannel(lines))), true, dropped);
    let other = log.clone();
    log.add(&entry());
    for _ in 0..300 {
        other.add(&entry());
    }
    drop(other);
    drop(log);
    let all: Vec<u8> = written.try_iter().flatten().collect();
    assert_eq!(String::from_utf8(all).unwrap().lines().count(), 301);
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[test]
fn a_batch_is_handed_over_when_it_is_full() {
    let (lines, written) = channel();
    let log = access_log(Some(Box::new(ToChannel(lines))), true, counter().1);
    while log.buffer.borrow().is_empty() || log.buffer.borrow().len() < BATCH_BYTES - 400 {
        log.add(&entry());
    }
    assert!(written.try_recv().is_err());
    log.add(&entry());
    log.add(&entry());
    log.add(&entry());
    assert!(written.recv_timeout(Duration::from_secs(20)).unwrap().len() >= BATCH_BYTES);
}

#[test]
fn a_stuck_sink_blocks_nobody_and_losses_are_counted() {
    let (gate, stuck) = channel();
    let (count, dropped) = counter();
    let log = access_log(Some(Box::new(Stuck(stuck))), false, dropped);
    let batches = WAITING_BATCHES + 10;
    for _ in 0..batches {
        log.add(&entry());
        log.flush();
    }
    // One batch may be in the thread's hands, the rest of the queue is full.
    assert!(count.load(Ordering::Relaxed) >= 9);
    drop(gate);
    drop(log);
    assert_eq!(
        count.load(Ordering::Relaxed),
        u64::try_from(batches).unwrap()
    );
}

#[test]
fn without_a_sink_nothing_is_gathered() {
    let (count, dropped) = counter();
    let log = access_log(None, true, dropped);
    assert!(!log.is_on());
    log.add(&entry());
    log.flush();
    drop(log);
    assert_eq!(count.load(Ordering::Relaxed), 0);
}
