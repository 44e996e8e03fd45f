use crate::keys::scripted::{Provider, Reply, Then, reply, rules};

use super::*;

/// A client whose patience a test can wait for.
fn client(limits: impl FnOnce(&mut Limits)) -> KeyClient {
    let mut own = Limits {
        connect: Duration::from_secs(20),
        total: Duration::from_secs(20),
        body: 1000,
    };
    limits(&mut own);
    KeyClient::with_limits(&rules(), own).unwrap()
}

/// What a client makes of a reply.
async fn outcome(answer: Reply, etag: Option<&str>) -> Result<Fetched, String> {
    let provider = Provider::http(move |_| answer.clone()).await;
    let fetched = client(|_| ()).get(&provider.url("/keys"), etag).await;
    fetched.map_err(|error| error.to_string())
}

fn document(fetched: Fetched) -> Document {
    match fetched {
        Fetched::Document(document) => document,
        Fetched::NotModified { .. } => panic!("no document"),
    }
}

#[test]
fn the_limits_are_those_of_the_documentation() {
    let limits = Limits::default();
    assert_eq!(limits.connect, Duration::from_secs(2));
    assert_eq!(limits.total, Duration::from_secs(5));
    assert_eq!(limits.body, 1_048_576);
}

#[tokio::test]
async fn the_request_says_what_is_wanted_and_who_asks() {
    let provider = Provider::http(|_| reply("200 OK", b"{}")).await;
    let url = provider.url("/a/keys?policy=x%20y");
    client(|_| ()).get(&url, None).await.unwrap();
    client(|_| ()).get(&url, Some("W/\"v1\"")).await.unwrap();
    client(|_| ())
        .get(&url, Some("no tag\r\nX: y"))
        .await
        .unwrap();
    let heads = provider.heads();
    let expected = |more: &str| {
        format!(
            "GET /a/keys?policy=x%20y HTTP/1.1\r\naccept: application/json, application/jwk-set+json\r\n\
             accept-encoding: identity\r\nuser-agent: portcullis/{}\r\n{more}host: 127.0.0.1:{}\r\n\r\n",
            env!("CARGO_PKG_VERSION"),
            provider.port
        )
    };
    assert_eq!(heads[0], expected(""));
    assert_eq!(heads[1], expected("if-none-match: W/\"v1\"\r\n"));
    assert_eq!(heads[2], expected(""));
}

#[tokio::test]
async fn an_answer_comes_with_its_entity_tag_and_its_age() {
    let head =
        "200 OK\r\nETag: \"v1\"\r\nCache-Control: max-age=60\r\nAge: 10\r\nContent-Type: text/html";
    let fetched = outcome(reply(head, b"{}"), None).await.unwrap();
    let expected = Document {
        bytes: b"{}".to_vec(),
        etag: Some("\"v1\"".into()),
        max_age: Some(Duration::from_secs(50)),
    };
    assert_eq!(fetched, Fetched::Document(expected));
    let head = "200 OK\r\nETag: v1";
    let fetched = outcome(reply(head, b""), None).await.unwrap();
    let expected = Document {
        bytes: Vec::new(),
        etag: None,
        max_age: None,
    };
    assert_eq!(fetched, Fetched::Document(expected));
}

#[tokio::test]
async fn not_modified_is_an_answer_to_an_entity_tag_only() {
    let not_modified = || {
        let head = b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n".to_vec();
        (head, Then::Next)
    };
    let max_age = Some(Duration::from_mins(1));
    assert_eq!(
        outcome(not_modified(), Some("\"v1\"")).await,
        Ok(Fetched::NotModified { max_age })
    );
    for etag in [None, Some("none")] {
        let error = outcome(not_modified(), etag).await.unwrap_err();
        assert_eq!(error, "status 304 Not Modified");
    }
}

#[tokio::test]
async fn a_status_that_is_no_answer_is_named() {
    let get = |path: &str| reply(&format!("302 Found\r\nLocation: {path}"), b"");
    let long = "x".repeat(300);
    let to =
        |place: &str| format!("status 302 Found: a redirect to {place:?}, and none is followed");
    for (answer, text) in [
        (
            reply("204 No Content", b""),
            "status 204 No Content".to_owned(),
        ),
        (
            reply("206 Partial Content", b"{}"),
            "status 206 Partial Content".to_owned(),
        ),
        (
            reply("404 Not Found", b"{}"),
            "status 404 Not Found".to_owned(),
        ),
        (
            reply("503 Down", b"{\"keys\":[]}"),
            "status 503 Service Unavailable".to_owned(),
        ),
        (
            reply("300 Choices", b""),
            "status 300 Multiple Choices".to_owned(),
        ),
        (
            get("http://169.254.169.254/"),
            to("http://169.254.169.254/"),
        ),
        (
            get("https://user:word@a.test/in?state=x"),
            to("https://a.test/in"),
        ),
        (get("file:///etc/passwd"), to("file:///etc/passwd")),
        (get(&format!("/{long}")), to(&format!("/{}…", &long[..199]))),
    ] {
        assert_eq!(outcome(answer, None).await, Err(text));
    }
}

#[tokio::test]
async fn an_encoding_that_was_not_asked_for_is_named() {
    for (field, named) in [
        ("Content-Encoding: gzip", "gzip"),
        (
            "Content-Encoding: identity\r\nContent-Encoding: br\tx",
            "br·x",
        ),
        ("Content-Encoding: gzip, identity", "gzip, identity"),
    ] {
        let answer = reply(&format!("200 OK\r\n{field}"), b"\x1f\x8b");
        let text = format!("Content-Encoding {named:?}, which was not asked for");
        assert_eq!(outcome(answer, None).await, Err(text));
    }
    let answer = reply("200 OK\r\nContent-Encoding: Identity", b"{}");
    assert!(outcome(answer, None).await.is_ok());
}

#[tokio::test]
async fn what_is_not_http_or_ends_early_is_named() {
    const OK: &str = "HTTP/1.1 200 OK\r\n";
    let fields = (0..101).fold(String::new(), |fields, number| {
        format!("{fields}x-{number}: y\r\n")
    });
    for (answer, then, text) in [
        (
            format!("{OK}Content-Length: 3\r\n\r\n{{}}"),
            Then::Close,
            "error reading a body from connection: end of file before message length reached",
        ),
        (
            format!("{OK}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n"),
            Then::Close,
            "error reading a body from connection: unexpected EOF during chunk size line",
        ),
        (
            format!("{OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"),
            Then::Close,
            "invalid content-length parsed",
        ),
        (
            String::new(),
            Then::Close,
            "connection closed before message completed",
        ),
        (
            format!("{OK}Content"),
            Then::Close,
            "connection closed before message completed",
        ),
        (
            "SSH-2.0-OpenSSH_9.9\r\n".to_owned(),
            Then::Hang,
            "invalid HTTP version parsed",
        ),
        (
            "<html>\r\n\r\n".to_owned(),
            Then::Hang,
            "invalid HTTP version parsed",
        ),
        (
            format!("{OK}x: {}", "y".repeat(70_000)),
            Then::Hang,
            "message head is too large",
        ),
        (
            format!("{OK}{fields}\r\n"),
            Then::Hang,
            "message head is too large",
        ),
    ] {
        let found = outcome((answer.into_bytes(), then), None).await;
        assert_eq!(found.unwrap_err(), text);
    }
    // HTTP/1.0 ends so.
    let answer = format!("{OK}\r\n{{}}").into_bytes();
    assert!(outcome((answer, Then::Close), None).await.is_ok());
}

#[tokio::test]
async fn a_body_is_counted_as_it_comes_and_refused_before_if_it_says_too_much() {
    let large = "larger than 1000 bytes";
    let chunks = |count: usize| {
        let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for _ in 0..count {
            answer.extend_from_slice(b"64\r\n");
            answer.extend_from_slice(&[b' '; 100]);
            answer.extend_from_slice(b"\r\n");
        }
        answer
    };
    let ended = |mut answer: Vec<u8>| {
        answer.extend_from_slice(b"0\r\nx-trailer: y\r\n\r\n");
        (answer, Then::Next)
    };
    let length = |length: usize| outcome(reply("200 OK", &vec![b' '; length]), None);
    assert_eq!(document(length(1000).await.unwrap()).bytes.len(), 1000);
    assert_eq!(length(1001).await.unwrap_err(), large);
    let whole = outcome(ended(chunks(10)), None).await.unwrap();
    assert_eq!(document(whole).bytes.len(), 1000);
    assert_eq!(outcome(ended(chunks(11)), None).await.unwrap_err(), large);
    // Nobody waits for the rest.
    let endless = (chunks(11), Then::Hang);
    assert_eq!(outcome(endless, None).await.unwrap_err(), large);
    let mut until_close = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    until_close.extend_from_slice(&[b' '; 1001]);
    assert_eq!(
        outcome((until_close, Then::Hang), None).await.unwrap_err(),
        large
    );
    let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n".to_vec();
    assert_eq!(
        outcome((announced, Then::Hang), None).await.unwrap_err(),
        large
    );
}

#[tokio::test]
async fn time_ends_whatever_the_server_does() {
    let client = client(|limits| limits.total = Duration::from_millis(150));
    for (answer, text) in [
        (("", Then::Hang), "while waiting for an answer"),
        (
            ("HTTP/1.1 200 OK\r\nx: ", Then::Drip),
            "while waiting for an answer",
        ),
        // Any number of them.
        (
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\n\r\n",
                Then::Hang,
            ),
            "while waiting for an answer",
        ),
        (
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{",
                Then::Hang,
            ),
            "while reading the body, of which 1 bytes had come",
        ),
        (
            ("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", Then::Drip),
            "bytes had come",
        ),
        (("HTTP/1.1 200 OK\r\n\r\n", Then::Drip), "bytes had come"),
    ] {
        let (bytes, then) = answer;
        let provider = Provider::http(move |_| (bytes.as_bytes().to_vec(), then)).await;
        let error = client.get(&provider.url("/"), None).await.unwrap_err();
        assert!(matches!(error, FetchError::Timeout { .. }), "{error:?}");
        let error = error.to_string();
        assert!(
            error.starts_with("timed out after 0.15 s while "),
            "{error}"
        );
        assert!(error.ends_with(text), "{error}");
    }
}

#[tokio::test]
async fn a_connection_serves_the_metadata_and_the_keys() {
    let provider = Provider::http(|head| {
        let next = head.contains("/keys");
        let (bytes, _) = reply("200 OK", b"{}");
        (bytes, if next { Then::Close } else { Then::Next })
    })
    .await;
    let client = client(|_| ());
    // The third needs a new connection, and gets it without a word.
    for path in ["/metadata", "/keys", "/metadata"] {
        client.get(&provider.url(path), None).await.unwrap();
    }
    assert_eq!(provider.paths(), ["/metadata", "/keys", "/metadata"]);
}

#[tokio::test]
async fn other_schemes_are_not_fetched() {
    for url in ["ftp://localhost/", "/keys", "localhost:80"] {
        let error = client(|_| ()).get(&url.parse().unwrap(), None).await;
        assert_eq!(error.unwrap_err().to_string(), "not an http or https URL");
    }
}

#[test]
fn a_client_says_nothing_of_itself_and_can_be_sent() {
    fn is_send<T: Send>(_: &T) {}
    let client = client(|_| ());
    assert_eq!(format!("{client:?}"), "KeyClient { .. }");
    is_send(&client.get(&Uri::default(), None));
}

#[tokio::test]
async fn a_connection_whose_answer_is_no_longer_wanted_is_closed() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const OK: &str = "HTTP/1.1 200 OK\r\n";
    let client = client(|limits| limits.total = Duration::from_millis(100));
    for answer in [
        String::new(),
        format!("{OK}Content-Le"),
        format!("{OK}Content-Length: 900\r\n\r\n{{"),
        format!("{OK}Content-Length: 9000\r\n\r\n{{"),
        format!("{OK}Transfer-Encoding: chunked\r\n\r\n2\r\n{{"),
        "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n{".to_owned(),
        format!("{OK}Content-Encoding: br\r\n\r\n"),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tcp.write_all(answer.as_bytes()).await.unwrap();
            // Ends, or is reset, when the client closes.
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        });
        client.get(&url.parse().unwrap(), None).await.unwrap_err();
        let closed = tokio::time::timeout(Duration::from_secs(20), server).await;
        closed.expect("closed").unwrap();
    }
}
