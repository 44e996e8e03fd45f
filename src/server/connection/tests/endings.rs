//! How connections end: drain, age, panic, too many.

use super::*;

#[test]
fn during_the_delay_requests_are_served_and_connections_told_to_close() {
    run(async {
        let (server, mut client) = Server::start(Protocol::Http1, limits()).await;
        client.write_all(GET).await.unwrap();
        assert!(
            !response(&mut client, "/a")
                .await
                .contains("connection: close")
        );
        server.stage(Stage::Delay).await;
        assert!(server.is_open(), "a request may be on its way");
        client.write_all(GET).await.unwrap();
        let text = to_end(&mut client).await;
        assert!(
            text.contains("connection: close\r\n") && text.ends_with("/a"),
            "{text}"
        );
        assert_eq!(server.ended.await.unwrap(), Ok(()));
    });
}

#[test]
fn a_drain_finishes_what_is_being_served() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        run(async {
            let (server, client) = Server::start(protocol, limits()).await;
            let client = Client::new(protocol, client).await;
            let waiting = client.spawn("/wait");
            server.stage(Stage::Draining).await;
            assert!(server.is_open());
            server.go.notify_one();
            assert_eq!(waiting.await.unwrap().unwrap(), "/wait");
            assert_eq!(server.ended.await.unwrap(), Ok(()), "{protocol:?}");
        });
    }
}

#[test]
fn a_drain_closes_idle_connections_and_waits_a_moment_for_fresh_ones() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        run(async {
            let (server, client) = Server::start(protocol, limits()).await;
            let mut client = Client::new(protocol, client).await;
            client.get("/a").await.unwrap();
            server.stage(Stage::Draining).await;
            assert_eq!(server.ended.await.unwrap(), Ok(()), "idle, {protocol:?}");

            let (server, client) = Server::start(protocol, limits()).await;
            let mut client = Client::new(protocol, client).await;
            server.stage(Stage::Draining).await;
            assert!(server.is_open(), "fresh, {protocol:?}");
            assert_eq!(client.get("/a").await.unwrap(), "/a");
            assert_eq!(server.ended.await.unwrap(), Ok(()), "used, {protocol:?}");

            let (server, client) = Server::start(protocol, limits()).await;
            let _client = Client::new(protocol, client).await;
            server.stage(Stage::Draining).await;
            server.at(SECOND * 2).await;
            assert_eq!(
                server.ended.await.unwrap(),
                Ok(()),
                "nothing came, {protocol:?}"
            );
        });
    }
}

#[test]
fn a_head_that_has_begun_is_served_in_a_drain() {
    run(async {
        let (server, mut client) = Server::start(Protocol::Http1, limits()).await;
        client.write_all(GET).await.unwrap();
        response(&mut client, "/a").await;
        let (front, back) = GET.split_at(10);
        client.write_all(front).await.unwrap();
        server.stage(Stage::Draining).await;
        client.write_all(back).await.unwrap();
        let text = to_end(&mut client).await;
        assert!(
            text.contains("connection: close\r\n") && text.ends_with("/a"),
            "{text}"
        );
        assert_eq!(server.ended.await.unwrap(), Ok(()));
    });
}

#[test]
fn an_old_connection_is_told_to_go_after_its_request() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        run(async {
            let limits = Limits {
                connection_age: Some(SECOND * 60),
                ..limits()
            };
            let (server, client) = Server::start(protocol, limits).await;
            let mut client = Client::new(protocol, client).await;
            client.get("/a").await.unwrap();
            server.at(SECOND * 59).await;
            assert!(server.is_open());
            let waiting = client.spawn("/wait");
            server.at(SECOND * 61).await;
            server.go.notify_one();
            assert_eq!(waiting.await.unwrap().unwrap(), "/wait");
            assert_eq!(server.ended.await.unwrap(), Ok(()), "{protocol:?}");
        });
    }
}

#[test]
fn a_panic_ends_its_stream_alone() {
    run(async {
        let (server, client) = Server::start(Protocol::Http2, limits()).await;
        let mut client = Client::new(Protocol::Http2, client).await;
        assert!(client.get("/panic").await.is_err());
        assert_eq!(client.get("/a").await.unwrap(), "/a");
        assert!(server.is_open());
    });
}

#[test]
fn whoever_is_turned_away_over_plaintext_reads_why() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        client.write_all(GET).await.unwrap();
        let deadlines = Deadlines::new(Instant::now());
        let turned_away = tokio::task::spawn_local(async move {
            crate::server::handle::turn_away(stream, &deadlines).await;
        });
        let text = to_end(&mut client).await;
        assert!(
            text.starts_with("HTTP/1.1 503 ")
                && text.contains("Connection: close\r\n")
                && text.ends_with("\"reason\":\"overloaded\"}\n"),
            "{text}"
        );
        drop(client);
        turned_away.await.unwrap();
    });
}

#[test]
fn an_answer_before_the_end_of_the_request_is_not_lost() {
    for (head, status) in [
        (
            &b"POST /a HTTP/1.1\r\nContent-Length: 4000000\r\n\r\n"[..],
            "200",
        ),
        (b"POST /a HTTP/1.1\nContent-Length: 4000000\r\n\r\n", "400"),
    ] {
        run(async {
            let (server, mut client) = Server::start(Protocol::Http1, limits()).await;
            client.write_all(head).await.unwrap();
            for _ in 0..20 {
                client
                    .write_all(&b"y".repeat(200_000))
                    .await
                    .expect("not reset");
            }
            let text = to_end(&mut client).await;
            assert!(
                text.starts_with(&format!("HTTP/1.1 {status} ")),
                "{status}: {text}"
            );
            assert!(server.is_open(), "until the client closes");
            drop(client);
            let _ = server.ended.await.unwrap();
        });
    }
}

#[test]
fn a_client_that_never_ends_its_request_is_not_waited_for() {
    run(async {
        let (server, mut client) = Server::start(Protocol::Http1, limits()).await;
        client
            .write_all(b"POST /a HTTP/1.1\r\nContent-Length: 4000000\r\n\r\ny")
            .await
            .unwrap();
        server.at(SECOND).await;
        assert!(server.is_open());
        server.at(SECOND * 3).await;
        assert!(!server.is_open());
    });
}

/// A client of HTTP/2 that never reads: it hears no GOAWAY, and answers no PING.
struct Deaf {
    stream: TcpStream,
    next: u8,
}

impl Deaf {
    async fn new(mut stream: TcpStream) -> Self {
        let settings = b"\0\0\0\x04\0\0\0\0\0";
        let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..]].concat();
        stream.write_all(&preface).await.unwrap();
        Self { stream, next: 1 }
    }

    /// `GET /` of `http://a`, as a stream of its own (RFC 7541, Appendix A).
    async fn ask(&mut self) {
        let frame = [0, 0, 6, 1, 5, 0, 0, 0, self.next];
        let block = [0x82, 0x86, 0x84, 0x01, 1, b'a'];
        let request = [&frame[..], &block].concat();
        self.stream.write_all(&request).await.unwrap();
        self.next += 2;
    }
}

fn aging() -> Limits {
    Limits {
        connection_age: Some(SECOND * 60),
        ..limits()
    }
}

#[test]
fn a_client_that_hears_no_goaway_is_not_waited_for() {
    run(async {
        let (server, client) = Server::start(Protocol::Http2, aging()).await;
        let mut client = Deaf::new(client).await;
        client.ask().await;
        server.at(SECOND * 61).await;
        server.at(SECOND * 65).await;
        assert!(server.is_open(), "it may have been on its way");
        client.ask().await;
        server.at(SECOND * 67).await;
        assert!(server.is_open(), "idle for two seconds");
        server.at(SECOND * 73).await;
        assert!(!server.is_open());
        assert_eq!(server.ended.await.unwrap(), Ok(()));
    });
}

#[test]
fn a_client_that_goes_on_after_a_goaway_is_cut() {
    run(async {
        let (server, client) = Server::start(Protocol::Http2, aging()).await;
        let mut client = Deaf::new(client).await;
        for second in (60..=93).step_by(3) {
            client.ask().await;
            server.at(SECOND * second).await;
            assert!(server.is_open(), "{second}");
        }
        server.at(SECOND * 94).await;
        assert!(server.is_open(), "nothing has come since");
        client.ask().await;
        server.settle().await;
        assert!(!server.is_open());
        assert_eq!(server.ended.await.unwrap(), Err(ConnectionError::Timeout));
    });
}

#[test]
fn what_was_asked_before_a_goaway_may_take_its_time() {
    run(async {
        let (server, client) = Server::start(Protocol::Http2, aging()).await;
        let client = Client::new(Protocol::Http2, client).await;
        let waiting = client.spawn("/wait");
        server.at(SECOND * 61).await;
        server.at(SECOND * 600).await;
        server.go.notify_one();
        assert_eq!(waiting.await.unwrap().unwrap(), "/wait");
        assert_eq!(server.ended.await.unwrap(), Ok(()));
    });
}

#[test]
fn a_client_that_goes_away_is_noticed_while_its_answer_is_awaited() {
    const UPGRADE: &str = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    for (fields, behind) in [("", ""), (UPGRADE, ""), ("", "GET /a HTTP/1.1\r\n")] {
        run(async {
            let (server, mut client) = Server::start(Protocol::Http1, limits()).await;
            let head = format!("GET /wait HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            client.write_all(head.as_bytes()).await.unwrap();
            server.settle().await;
            client.write_all(behind.as_bytes()).await.unwrap();
            server.settle().await;
            assert!(server.is_open());
            drop(client);
            server.settle().await;
            // Behind a next request nobody looks: that one is still to be read.
            assert_eq!(server.is_open(), !behind.is_empty(), "{fields}{behind}");
            server.go.notify_one();
            assert_eq!(server.ended.await.unwrap(), Ok(()));
        });
    }
}
