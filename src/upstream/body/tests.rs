//! Whole answers, without sockets; and what hyper's client makes of the same bytes.

use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::exchange::Reader;
use super::super::framing::Asked;
use super::*;

/// An answer as a client sees it: status, fields, content, trailers. `None`: it is broken, or cut short.
type Seen = Option<(u16, HeaderMap, Vec<u8>, Option<HeaderMap>)>;

/// What we make of an answer of these parts, after which the connection is closed; and whether the connection could be
/// used again, had it been left open.
fn ours<'a>(method: &Method, parts: impl IntoIterator<Item = &'a [u8]>) -> (Seen, bool) {
    let asked = Asked {
        head: method == Method::HEAD,
        upgrade: false,
    };
    let mut parts = parts.into_iter().filter(|part| !part.is_empty());
    let mut reader = Reader::new(asked, HeaderMap::new());
    let answer = loop {
        let Some(part) = parts.next() else {
            return (None, false);
        };
        match reader.feed(part) {
            Ok(Some(answer)) => break answer,
            Ok(None) => {}
            Err(_) => return (None, false),
        }
    };
    let mut reading = Reading::new(answer.framing.length, answer.rest);
    let (mut content, mut trailers) = (Vec::new(), None);
    loop {
        match reading.decode() {
            Err(_) => return (None, false),
            Ok(Some(frame)) => match frame.into_data() {
                Ok(data) => content.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            },
            Ok(None) if reading.is_over() => break,
            Ok(None) => match parts.next() {
                Some(part) => reading.input = Bytes::copy_from_slice(part),
                None if reading.end().is_ok() => break,
                None => return (None, false),
            },
        }
    }
    let again = answer.framing.persists && reading.is_clean() && parts.next().is_none();
    let status = answer.head.status.as_u16();
    (Some((status, answer.fields, content, trailers)), again)
}

/// What hyper's client makes of it.
fn hypers(method: &Method, bytes: &[u8]) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(async {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(ours));
        let (mut sender, connection) = handshake.await.ok()?;
        let request = Request::builder().method(method).uri("/");
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        let exchange = async {
            let response = sender.send_request(request).await.ok()?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.ok()?;
            let trailers = body.trailers().cloned();
            let content = body.to_bytes().to_vec();
            Some((head.status.as_u16(), head.headers, content, trailers))
        };
        let serve = async {
            // An answer before the question would be none to hyper.
            let asked = theirs.read(&mut [0; 1024]).await;
            assert!(asked.is_ok_and(|bytes| bytes > 0));
            theirs.write_all(bytes).await.expect("written");
            theirs.shutdown().await.expect("closed");
            // What is asked is read by nobody: there is room for it.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            seen = async { tokio::join!(exchange, connection).0 } => seen,
            () = serve => None,
        }
    })
}

fn seen(method: &Method, text: &str) -> (Option<String>, bool) {
    let (seen, again) = ours(method, [text.as_bytes()]);
    let content = seen.map(|seen| String::from_utf8(seen.2).expect("text"));
    (content, again)
}

#[test]
fn content_ends_where_the_head_says_and_early_ends_are_no_answers() {
    let (get, head) = (Method::GET, Method::HEAD);
    for (method, text, content, again) in [
        (&get, "Content-Length: 3\r\n\r\nabc", Some("abc"), true),
        (&get, "Content-Length: 3\r\n\r\nab", None, false),
        (&get, "Content-Length: 3\r\n\r\n", None, false),
        (&get, "Content-Length: 0\r\n\r\n", Some(""), true),
        // Bytes that nobody asked for.
        (&get, "Content-Length: 3\r\n\r\nabcd", Some("abc"), false),
        (&get, "Content-Length: 0\r\n\r\nd", Some(""), false),
        (&head, "Content-Length: 3\r\n\r\n", Some(""), true),
        (&head, "Content-Length: 3\r\n\r\nabc", Some(""), false),
        (
            &get,
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Some("abc"),
            true,
        ),
        (
            &get,
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nx",
            Some("abc"),
            false,
        ),
        (
            &get,
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
            None,
            false,
        ),
        (
            &get,
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            None,
            false,
        ),
        (&get, "\r\nuntil the end", Some("until the end"), false),
        (&get, "\r\n", Some(""), false),
        (
            &get,
            "Connection: close\r\nContent-Length: 3\r\n\r\nabc",
            Some("abc"),
            false,
        ),
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{text}");
        let content = content.map(str::to_owned);
        assert_eq!(seen(method, &text), (content, again), "{method} {text:?}");
    }
}

#[test]
fn a_connection_is_not_used_again_after_an_interim_answer_that_says_otherwise() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
    for (field, again) in [
        ("Link: </a>", true),
        ("Content-Length: 0", true),
        ("Connection: close", false),
        // Where it has a body that looks like an answer, the one behind that is of another request.
        ("Content-Length: 5", false),
        ("Transfer-Encoding: chunked", false),
    ] {
        let text = format!("HTTP/1.1 103 Early Hints\r\n{field}\r\n\r\n{answer}");
        assert_eq!(
            seen(&Method::GET, &text),
            (Some("a".to_owned()), again),
            "{field}"
        );
        let text = text.strip_suffix('a').expect("the content");
        let of_head = (Some(String::new()), again);
        assert_eq!(seen(&Method::HEAD, text), of_head, "{field}");
    }
}

/// Well-formed answers, as a server writes them: the head, and the content, which some requests and statuses do not have.
fn answers() -> impl Strategy<Value = (String, String)> {
    let fields = "((X-[A-Za-z]{1,5}|Server|Date|ETag|Set-Cookie): [ -~]{0,12}\r\n){0,5}";
    let interim = "(HTTP/1.1 10[03] Wait\r\n(Link: </a>\r\n)?\r\n){0,2}";
    let status = "HTTP/1.1 (200|201|204|206|301|304|401|404|500|503) [A-Za-z ]{0,8}\r\n";
    let content = "[ -~\r\n]{0,40}";
    let known = (fields, content).prop_map(|(fields, content)| {
        let length = content.len();
        (format!("{fields}content-length: {length}\r\n\r\n"), content)
    });
    let chunk = ("[ -~\r\n]{1,20}", "(;[a-z]{1,4}(=[a-z]{1,4})?)?")
        .prop_map(|(data, extension)| format!("{:x}{extension}\r\n{data}\r\n", data.len()));
    let chunks = proptest::collection::vec(chunk, 0..4).prop_map(|chunks| chunks.concat());
    let trailers = "(X-Sum: [a-z0-9]{0,8}\r\n){0,2}";
    let chunked = (fields, chunks, trailers).prop_map(|(fields, chunks, trailers)| {
        (
            format!("{fields}Transfer-Encoding: chunked\r\n\r\n"),
            format!("{chunks}0\r\n{trailers}\r\n"),
        )
    });
    let open = (fields, content)
        .prop_map(|(fields, content)| (format!("{fields}Connection: close\r\n\r\n"), content));
    (interim, status, prop_oneof![known, chunked, open]).prop_map(
        |(interim, status, (fields, content))| {
            let bodiless = status.contains("204") || status.contains("304");
            let content = if bodiless { String::new() } else { content };
            (format!("{interim}{status}{fields}"), content)
        },
    )
}

proptest! {
    /// What is well-formed is read as hyper's client reads it, in whatever parts it comes.
    #[test]
    fn answers_are_what_they_are_to_another_client(
        (head, content) in answers(),
        method in prop_oneof![Just(Method::GET), Just(Method::HEAD), Just(Method::POST)],
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let text = if method == Method::HEAD { head } else { head + &content };
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let (seen, again) = ours(&method, [bytes]);
        let parts = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(ours(&method, parts), (seen.clone(), again));
        prop_assert_eq!(ours(&method, bytes.chunks(1)), (seen.clone(), again));
        prop_assert_eq!(seen, hypers(&method, bytes));
    }

    /// What somebody has tampered with is refused, or read as hyper's client reads it: never in a third way.
    #[test]
    fn what_is_no_answer_to_us_or_one_to_both(
        (head, content) in answers(),
        method in prop_oneof![Just(Method::GET), Just(Method::HEAD)],
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..3_usize, change()), 1..4),
    ) {
        let mut bytes = (head + &content).into_bytes();
        for (at, removed, put) in changes {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + removed);
            bytes.splice(at..end, put.bytes());
        }
        let (seen, _) = ours(&method, [&bytes[..]]);
        if seen.is_some() {
            prop_assert_eq!(seen, hypers(&method, &bytes));
        }
    }
}

/// What an attacker puts into an answer.
fn change() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "\r",
        "\n",
        "\r\n",
        "\r\n\r\n",
        " ",
        "\t",
        ":",
        ";",
        ",",
        "\0",
        "\u{7f}",
        "\u{e9}",
        "0",
        "1",
        "f",
        "+",
        "-",
        "Content-Length: 3\r\n",
        "content-length: 3, 3\r\n",
        "Content-Length:\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Connection: close\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 C\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
        "0\r\n\r\n",
        "3\r\nabc\r\n",
        " folded\r\n",
        "A : b\r\n",
    ])
}
