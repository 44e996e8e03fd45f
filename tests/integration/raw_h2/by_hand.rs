//! Frames by hand: what a client library would not send, or not in time.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::super::harness::{GatewayBuilder, Request, TestGateway, Upstream, h2};
use super::LIMIT;
use super::frames::{self, Answer};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// RFC 9113 §4.1; at most 16 KiB.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a length")
        .to_be_bytes();
    let head = [&length[1..], &[kind, flags, 0, 0, 0, stream]].concat();
    [&head, payload].concat()
}

/// A literal field that is not kept (RFC 7541 §6.2.2), with a name of fewer than 127 bytes and a value of 127 or more.
fn field(name: &str, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, u8::try_from(name.len()).expect("a short name")];
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0x7f);
    let mut left = value.len() - 0x7f;
    while left >= 0x80 {
        bytes.push(u8::try_from(left & 0x7f).expect("seven bits") | 0x80);
        left >>= 7;
    }
    bytes.push(u8::try_from(left).expect("seven bits"));
    bytes.extend_from_slice(value);
    bytes
}

/// `POST /echo` with a body of one byte and one trailer.
fn with_trailer(value: &[u8]) -> Vec<u8> {
    // :method POST, :scheme https, :path and :authority, of the static table where it has them.
    let block = b"\x83\x87\x04\x05/echo\x01\x07gw.test";
    let trailers = field("x-sum", value);
    let (front, back) = trailers.split_at(trailers.len() / 2);
    [
        PREFACE.to_vec(),
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, END_HEADERS, 1, block),
        frame(DATA, 0, 1, b"x"),
        frame(HEADERS, END_STREAM, 1, front),
        frame(CONTINUATION, END_HEADERS, 1, back),
    ]
    .concat()
}

/// Sends it, and reads until `enough` came, or the gateway closes.
fn exchange(gateway: &TestGateway, bytes: &[u8], enough: impl Fn(&Answer) -> bool) -> Answer {
    let runtime = Builder::new_current_thread().enable_all().build();
    let exchange = async {
        let mut stream = h2::connect(gateway.address()).await;
        stream.write_all(bytes).await.expect("room");
        stream.flush().await.expect("room");
        let mut got = Vec::new();
        loop {
            let closed = !matches!(stream.read_buf(&mut got).await, Ok(1..));
            let answer = frames::read(&got, closed);
            if closed || enough(&answer) {
                return answer;
            }
        }
    };
    let exchange = async { timeout(LIMIT, exchange).await.expect("an end in time") };
    runtime.expect("a runtime").block_on(exchange)
}

fn start(upstream: &Upstream, limits: &str) -> TestGateway {
    GatewayBuilder::new(upstream)
        .tls()
        .limits(limits)
        .route("/", "auth = \"none\"")
        .start()
}

#[test]
fn trailers_over_the_limit_break_the_body_as_over_http1() {
    let upstream = Upstream::start();
    let small = start(&upstream, "header_bytes = \"8KiB\"\ntoken_bytes = \"4KiB\"");
    let usual = start(&upstream, "");
    // As HTTP/2 counts, the name and 32 belong to it; as HTTP/1.1 does, the name and four, and the empty line.
    for (gateway, least, most) in [(&small, 8_100, 8_192), (&usual, 16_300, 16_400)] {
        for (bytes, status) in [(least, 200), (most, 400)] {
            let value = vec![b'y'; bytes];
            let rejected = || gateway.metric("portcullis_rejections_total", "malformed_field");
            let before = rejected();
            upstream.forget();
            let answer = exchange(gateway, &with_trailer(&value), |answer| {
                !answer.statuses.is_empty()
            });
            assert_eq!(answer.statuses, [status], "HTTP/2, {bytes}: {answer:?}");
            let mut connection = gateway.connect();
            connection.send(
                b"POST /echo HTTP/1.1\r\nHost: gw.test\r\nTransfer-Encoding: chunked\r\n\r\n",
            );
            connection.send(&[b"1\r\nx\r\n0\r\nx-sum: ", &value[..], b"\r\n\r\n"].concat());
            let reply = connection.reply("POST").expect("an answer");
            assert_eq!(reply.status, status, "HTTP/1.1, {bytes}");
            let whole = upstream
                .requests()
                .iter()
                .filter(|one| one.complete)
                .count();
            if status == 200 {
                assert_eq!(whole, 2, "{bytes}");
            } else {
                assert_eq!(reply.reason(), "malformed_field");
                assert!((rejected() - before - 2.0).abs() < 0.5, "both are counted");
                assert_eq!(whole, 0, "half a body is none");
            }
            assert_eq!(gateway.send(&Request::get("/x")).status, 200);
        }
    }
}

#[test]
fn a_client_that_ignores_goaway_does_not_stay() {
    let upstream = Upstream::start();
    let gateway = start(
        &upstream,
        "connection_age = \"50ms\"\nidle_timeout = \"1h\"",
    );
    let request = [
        PREFACE.to_vec(),
        frame(SETTINGS, 0, 0, &[]),
        frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            1,
            b"\x82\x87\x84\x01\x07gw.test",
        ),
    ]
    .concat();
    let answer = exchange(&gateway, &request, |_| false);
    assert_eq!(answer.statuses, [200]);
    assert_eq!(answer.goaway, Some(0));
    assert!(answer.closed);
}
