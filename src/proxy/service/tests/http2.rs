//! The same rules over HTTP/2.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;

use crate::proxy::testing::{
    Gateway, HEAD, LocalExecutor, OK, Upstream, field, on_worker, read_until,
};

async fn send<B>(gateway: &Gateway, request: Request<B>) -> hyper::Result<Response<Incoming>>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let io = TokioIo::new(gateway.connect().await);
    let handshake = hyper::client::conn::http2::handshake(LocalExecutor, io).await;
    let (mut sender, connection) = handshake.unwrap();
    tokio::task::spawn_local(connection);
    sender.send_request(request).await
}

fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(format!("http://api.test{path}"))
}

#[test]
fn a_request_is_told_to_the_upstream_in_http_1_1() {
    on_worker(async {
        let script = "HTTP/1.1 200 OK\r\nConnection: x-hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
                      Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 1\r\nx_auth_subject: root\r\n\r\n";
        let upstream = Upstream::start("body\r\n0\r\n", script).await;
        let gateway = Gateway::start_http2(upstream.address).await;
        let mut trailers = HeaderMap::new();
        trailers.insert("x-auth-subject", "root".parse().unwrap());
        let frames = [
            Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(b"body"))),
            Ok(Frame::trailers(trailers)),
        ];
        let request = request(Method::POST, "/public/a?b")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .body(StreamBody::new(futures_util::stream::iter(frames)))
            .unwrap();
        let answer = send(&gateway, request).await.unwrap();
        assert_eq!(answer.status(), 200);
        for name in ["connection", "x-hop", "keep-alive", "transfer-encoding"] {
            assert!(!answer.headers().contains_key(name), "{name}");
        }
        let whole = answer.into_body().collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap().len(), 1);
        assert_eq!(whole.to_bytes(), "hi");
        let heard = upstream.heard().pop().unwrap();
        assert!(
            heard.starts_with("POST /public/a?b HTTP/1.1\r\n"),
            "{heard}"
        );
        assert_eq!(field(&heard, "host"), Some("api.test"));
        assert_eq!(field(&heard, "cookie"), Some("a=1; b=2"));
        assert_eq!(field(&heard, "via"), Some("2 portcullis"));
        assert_eq!(field(&heard, "transfer-encoding"), Some("chunked"));
        assert!(
            heard.contains("4\r\nbody\r\n0\r\n") && !heard.contains("root"),
            "{heard}"
        );
        let line = gateway.log_line().await;
        assert_eq!(
            (&line["version"], &line["host"]),
            (&"2".into(), &"api.test".into())
        );
    });
}

#[test]
fn refusals_have_a_body_or_for_head_none() {
    on_worker(async {
        let upstream = Upstream::start(HEAD, OK).await;
        let gateway = Gateway::start_http2(upstream.address).await;
        let body = Full::new(Bytes::from(vec![b'x'; 200_000]));
        let refusal = request(Method::POST, "/private").body(body).unwrap();
        let refusal = send(&gateway, refusal).await.unwrap();
        assert_eq!(refusal.status(), 401);
        let body = refusal.into_body().collect().await.unwrap().to_bytes();
        assert!(
            std::str::from_utf8(&body)
                .unwrap()
                .contains(r#""reason":"missing_token""#)
        );
        assert_eq!(gateway.log_line().await["status"], 401);

        let refusal = request(Method::HEAD, "/private").body(Empty::<Bytes>::new());
        let refusal = send(&gateway, refusal.unwrap()).await.unwrap();
        assert_ne!(refusal.headers()["content-length"], "0");
        assert!(
            refusal
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .is_empty()
        );
        assert_eq!(gateway.log_line().await["status"], 401);
    });
}

#[test]
fn an_upstream_that_breaks_off_resets_the_stream() {
    on_worker(async {
        let script = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
        let upstream = Upstream::start(HEAD, script).await;
        let gateway = Gateway::start_http2(upstream.address).await;
        let request = request(Method::GET, "/public").body(Empty::<Bytes>::new());
        let answer = send(&gateway, request.unwrap()).await.unwrap();
        assert!(answer.into_body().collect().await.is_err());
        assert_eq!(gateway.log_line().await["reason"], "upstream_failed");
    });
}

/// RFC 9113 §8.1 has `RST_STREAM` with `NO_ERROR` for responses. From a client, half a body must not pass for a whole one,
/// not even for an upstream that has answered already.
#[test]
fn a_stream_reset_without_error_is_not_a_whole_body() {
    on_worker(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = Gateway::start_http2(listener.local_addr().unwrap()).await;
        let stream = gateway.connect().await;
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::task::spawn_local(connection);
        let request = request(Method::POST, "/public").body(()).unwrap();
        let (answer, mut body) = sender.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(b"half"), false).unwrap();
        let (mut upstream, _) = listener.accept().await.unwrap();
        let heard = read_until(&mut upstream, "half\r\n").await;
        assert!(heard.ends_with("4\r\nhalf\r\n"), "{heard}");
        upstream.write_all(OK.as_bytes()).await.unwrap();
        let mut answer = answer.await.unwrap().into_body();
        while answer.data().await.is_some() {}
        assert!(answer.is_end_stream());
        body.send_reset(h2::Reason::NO_ERROR);
        assert_eq!(read_until(&mut upstream, "0\r\n").await, "");
    });
}
