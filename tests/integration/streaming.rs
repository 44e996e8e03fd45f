//! Bodies larger than memory should hold: they pass in parts, both ways, over every protocol.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::harness::{Connection, GatewayBuilder, Step, TestGateway, Upstream, answer};

/// Bytes that are sent each way: 1 GiB.
const LENGTH: u64 = 1 << 30;

/// How much the process, which is client, gateway and upstream, may grow meanwhile. Other tests run beside this one.
const GROWTH: u64 = 192 << 20;

fn upstream() -> Upstream {
    Upstream::scripted(|request| match request.method().as_str() {
        "POST" => vec![Step::Swallow, answer("200 OK", "", "got it")],
        _ => vec![Step::Body, Step::Generate(LENGTH)],
    })
}

fn gateway(upstream: &Upstream, tls: bool) -> TestGateway {
    let builder = GatewayBuilder::new(upstream).route("/", "auth = \"none\"");
    if tls {
        builder.tls().start()
    } else {
        builder.start()
    }
}

fn upload(connection: &mut Connection) {
    let head = format!("POST / HTTP/1.1\r\nHost: gw.test\r\nContent-Length: {LENGTH}\r\n\r\n");
    connection.send(head.as_bytes());
    let sent = io::copy(&mut io::repeat(b'x').take(LENGTH), connection).expect("sent");
    connection.flush().expect("flushed");
    assert_eq!(sent, LENGTH);
    assert_eq!(
        connection.reply("POST").expect("an answer").text(),
        "got it"
    );
}

fn download(connection: &mut Connection) {
    connection.send(b"GET / HTTP/1.1\r\nHost: gw.test\r\n\r\n");
    connection.wait_for("\r\n\r\n");
    let there = connection.rest();
    let (head, body) = there.split_at(find_body(&there));
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    assert!(
        text.contains(&format!("content-length: {LENGTH}")),
        "{text}"
    );
    let left = LENGTH - u64::try_from(body.len()).expect("small");
    let read = io::copy(&mut connection.take(left), &mut io::sink()).expect("read");
    assert_eq!(read, left);
}

fn find_body(bytes: &[u8]) -> usize {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    end.expect("a head") + 4
}

/// Bytes of memory that the process has resident.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.trim().parse::<u64>().ok())
        .expect("a size")
        * 1024
}

/// Runs `work`, and fails if the process grows too much meanwhile.
fn in_bounded_memory(work: impl FnOnce()) {
    let before = resident();
    let done = AtomicBool::new(false);
    let most = thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = resident().max(most);
                thread::sleep(Duration::from_millis(20));
            }
            most
        });
        work();
        done.store(true, Ordering::Relaxed);
        watch.join().expect("the watch")
    });
    let growth = most.saturating_sub(before);
    assert!(growth < GROWTH, "grew by {} MiB", growth >> 20);
}

#[test]
fn a_gibibyte_passes_both_ways_in_bounded_memory() {
    let upstream = upstream();
    let gateway = gateway(&upstream, false);
    in_bounded_memory(|| {
        let mut connection = gateway.connect();
        upload(&mut connection);
        download(&mut connection);
    });
}

#[test]
fn a_client_that_does_not_read_holds_the_upstream_back() {
    let upstream = upstream();
    let gateway = gateway(&upstream, false);
    in_bounded_memory(|| {
        let mut connection = gateway.connect();
        connection.send(b"GET / HTTP/1.1\r\nHost: gw.test\r\n\r\n");
        connection.wait_for("\r\n\r\n");
        // Long enough to read it all, if nothing held it back.
        thread::sleep(Duration::from_secs(3));
    });
}
