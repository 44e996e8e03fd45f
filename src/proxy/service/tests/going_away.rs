//! Clients that do not wait for the end.

use std::time::Duration;

use tokio::io::AsyncWriteExt as _;

use crate::proxy::testing::{Gateway, HEAD, Upstream, on_worker, read_until};

#[test]
fn a_client_that_goes_away_is_recorded_once() {
    on_worker(async {
        let upstream = Upstream::start("never", "").await;
        let gateway = Gateway::start(upstream.address, "").await;
        let mut client = gateway.connect().await;
        client
            .write_all(b"GET /public HTTP/1.1\r\nHost: h\r\n\r\n")
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(client);
        let line = gateway.log_line().await;
        assert_eq!(line["status"], 499);
        assert_eq!(line["detail"], "the client went away");
        // The next line is that of the next request.
        gateway
            .bytes("GET /private HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            .await;
        assert_eq!(gateway.log_line().await["status"], 401);
    });
}

#[test]
fn a_client_that_goes_away_in_the_middle_of_the_answer_is_recorded_too() {
    on_worker(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = Gateway::start(listener.local_addr().unwrap(), "").await;
        let mut client = gateway.connect().await;
        client
            .write_all(b"GET /public HTTP/1.1\r\nHost: h\r\n\r\n")
            .await
            .unwrap();
        let (mut upstream, _) = listener.accept().await.unwrap();
        read_until(&mut upstream, HEAD).await;
        let half = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf";
        upstream.write_all(half).await.unwrap();
        assert!(read_until(&mut client, "half").await.ends_with("half"));
        drop(client);
        let line = gateway.log_line().await;
        assert_eq!(
            (&line["status"], &line["bytes_out"]),
            (&499.into(), &4.into())
        );
        // Nobody waits for the rest, so the upstream's connection is closed.
        assert_eq!(read_until(&mut upstream, "x").await, "");
    });
}
