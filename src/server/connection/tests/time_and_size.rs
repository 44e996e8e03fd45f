//! Limits: what takes too long or is too large.

use super::*;

#[test]
fn a_slow_head_is_answered_408() {
    run(async {
        let limits = Limits {
            header_timeout: SECOND * 10,
            ..limits()
        };
        let (server, mut client) = Server::start(Protocol::Http1, limits).await;
        client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        server.at(SECOND * 5).await;
        client.write_all(b"X: y\r\n").await.unwrap();
        server.at(SECOND * 10).await;
        assert!(server.is_open());
        server.at(SECOND * 16).await;
        let text = to_end(&mut client).await;
        assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
        // It may read that although it goes on sending; then there is an end.
        client.write_all(b"X").await.unwrap();
        assert!(server.is_open());
        server.at(SECOND * 17).await;
        assert_eq!(server.ended.await.unwrap(), Err(ConnectionError::Timeout));
    });
}

#[test]
fn a_head_is_measured_from_its_first_byte_and_not_from_each() {
    run(async {
        let limits = Limits {
            header_timeout: SECOND * 10,
            ..limits()
        };
        let (server, mut client) = Server::start(Protocol::Http1, limits).await;
        client.write_all(GET).await.unwrap();
        response(&mut client, "/a").await;
        server.at(SECOND * 100).await;
        for second in 1..=10 {
            client.write_all(b"X").await.unwrap();
            server.at(SECOND * (100 + second)).await;
            assert!(server.is_open(), "{second}");
        }
        server.at(SECOND * 111).await;
        assert!(to_end(&mut client).await.starts_with("HTTP/1.1 408 "));
    });
}

#[test]
fn a_connection_without_a_byte_closes_silently() {
    run(async {
        let limits = Limits {
            header_timeout: SECOND * 10,
            ..limits()
        };
        let (server, mut client) = Server::start(Protocol::Http1, limits).await;
        server.at(SECOND * 11).await;
        assert_eq!(to_end(&mut client).await, "");
        assert_eq!(server.ended.await.unwrap(), Ok(()));
    });
}

#[test]
fn an_idle_connection_closes_and_requests_count_anew() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        run(async {
            let limits = Limits {
                idle_timeout: SECOND * 75,
                ..limits()
            };
            let (server, client) = Server::start(protocol, limits).await;
            let mut client = Client::new(protocol, client).await;
            for round in 0..3 {
                assert_eq!(client.get("/a").await.unwrap(), "/a");
                server.at(SECOND * 74 * (round + 1)).await;
                assert!(server.is_open(), "{protocol:?} {round}");
            }
            server.at(SECOND * (74 * 3 + 2)).await;
            assert!(!server.is_open(), "{protocol:?}");
            assert_eq!(server.ended.await.unwrap(), Ok(()));
        });
    }
}

#[test]
fn a_request_that_is_served_has_no_deadline_here() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        run(async {
            let limits = Limits {
                idle_timeout: SECOND,
                header_timeout: SECOND,
                write_timeout: SECOND,
                ..limits()
            };
            let (server, client) = Server::start(protocol, limits).await;
            let client = Client::new(protocol, client).await;
            let waiting = client.spawn("/wait");
            server.at(SECOND * 1000).await;
            assert!(server.is_open());
            server.go.notify_one();
            assert_eq!(waiting.await.unwrap().unwrap(), "/wait");
        });
    }
}

#[test]
fn an_http2_connection_is_idle_when_its_only_stream_was_reset() {
    run(async {
        let limits = Limits {
            idle_timeout: SECOND * 75,
            ..limits()
        };
        let (server, client) = Server::start(Protocol::Http2, limits).await;
        let client = Client::new(Protocol::Http2, client).await;
        let Client::Two(sender) = &client else {
            unreachable!("HTTP/2 was asked for")
        };
        // Without a second handle the client would close the connection.
        let _sender = sender.clone();
        let waiting = client.spawn("/wait");
        server.at(SECOND * 1000).await;
        // Dropping the request resets the stream.
        waiting.abort();
        server.at(SECOND * 1001).await;
        server.at(SECOND * 1074).await;
        assert!(server.is_open());
        server.at(SECOND * 1078).await;
        assert!(!server.is_open());
    });
}

#[test]
fn a_client_that_takes_nothing_of_a_response_is_cut() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        run(async {
            let limits = Limits {
                write_timeout: SECOND * 30,
                ..limits()
            };
            let (server, client) = Server::start(protocol, limits).await;
            let mut client = Client::new(protocol, client).await;
            // Over HTTP/2 the connection goes on, and only the stream's window is full.
            let _held = client.begin("/big").await;
            for _ in 0..50 {
                server.settle().await;
            }
            server.at(SECOND * 10).await;
            server.at(SECOND * 29).await;
            assert!(server.is_open(), "{protocol:?}");
            server.at(SECOND * 41).await;
            assert!(!server.is_open(), "{protocol:?}");
            assert_eq!(server.ended.await.unwrap(), Err(ConnectionError::Timeout));
        });
    }
}

#[test]
fn what_hyper_refuses_is_counted() {
    let mut many = b"GET / HTTP/1.1\r\n".to_vec();
    many.extend(b"X: y\r\n".repeat(101));
    many.extend(b"\r\n");
    let mut few = b"GET / HTTP/1.1\r\n".to_vec();
    few.extend(b"X: y\r\n".repeat(6));
    few.extend(b"\r\n");
    let large = [
        b"GET / HTTP/1.1\r\nX: ",
        &b"y".repeat(70_000)[..],
        b"\r\n\r\n",
    ]
    .concat();
    let middle = [
        b"GET / HTTP/1.1\r\nX: ",
        &b"y".repeat(3000)[..],
        b"\r\n\r\n",
    ]
    .concat();
    let long = [b"GET /", &b"y".repeat(66_000)[..], b" HTTP/1.1\r\n\r\n"].concat();
    let small = Limits {
        header_bytes: 2048,
        header_count: 5,
        ..limits()
    };
    let roomy = Limits {
        header_bytes: 128 * 1024,
        ..limits()
    };
    for (request, limits, status) in [
        (&b"\0"[..], limits(), 400),
        (b"GET / HTTP/1.1\nHost: a\r\n\r\n", limits(), 400),
        (&many, limits(), 431),
        (&few, small.clone(), 431),
        (&large, limits(), 431),
        (&middle, small, 431),
        (&long, roomy, 414),
    ] {
        run(async {
            let (server, mut client) = Server::start(Protocol::Http1, limits).await;
            let _ = client.write_all(request).await;
            let text = to_end(&mut client).await;
            assert!(
                text.starts_with(&format!("HTTP/1.1 {status} ")),
                "{status}: {text}"
            );
            drop(client);
            assert_eq!(server.ended.await.unwrap(), Err(ConnectionError::Malformed));
        });
    }
    run(async {
        let (server, mut client) = Server::start(Protocol::Http2, limits()).await;
        client
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x05\x04\0\0\0\0\0hello")
            .await
            .unwrap();
        to_end(&mut client).await;
        assert_eq!(server.ended.await.unwrap(), Err(ConnectionError::Malformed));
    });
}

#[test]
fn a_connection_is_a_small_future() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let surroundings = Surroundings {
            deadlines: Deadlines::new(Instant::now()),
            stages: Rc::new(Stages::new()),
        };
        let state = ConnectionState::new();
        let io = ClientIo::plain(stream, &state, Box::new(()));
        let answer = move |request| answer(request, Rc::new(Notify::new()));
        let service = service(Rc::clone(&state), Rc::clone(&surroundings.stages), answer);
        let limits = limits();
        let connection =
            serve_connection(io, Protocol::Http1, state, &limits, &surroundings, service);
        // What it needs to talk is on the heap, once: every byte here is in the worker's task several times over.
        assert!(
            size_of_val(&connection) < 1024,
            "{}",
            size_of_val(&connection)
        );
    });
}
