//! The pools against real servers on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::config::UpstreamUrl;

use super::test_servers::{
    on_a_worker, polite, server, settle, text_of, upstream_at, upstream_of, urls_of,
};
use super::{SendError, refresh_addresses};

const SECOND: Duration = Duration::from_secs(1);

/// An address where nothing listens.
async fn dead_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

#[test]
fn a_connection_is_used_again() {
    on_a_worker(|worker| async move {
        let server = polite("hello").await;
        let upstream = upstream_at(&[server.address]);
        for _ in 0..5 {
            assert_eq!(worker.get(&upstream).await, "hello");
        }
        assert_eq!(server.connections(), [0; 5]);
        let head = server.heads.borrow()[0].1.clone();
        assert_eq!(head, "GET /x?y=1 HTTP/1.1\r\nhost: api.test\r\n\r\n");
        assert_eq!(upstream.addresses()[0].1, 0, "nothing is in flight");
    });
}

#[test]
fn answers_without_a_body_give_the_connection_back_at_once() {
    on_a_worker(|worker| async move {
        let server = polite("").await;
        let upstream = upstream_at(&[server.address]);
        let first = worker.send(&upstream, Method::GET, "").await.expect("sent");
        assert_eq!(upstream.addresses()[0].1, 0, "nothing is in flight");
        let second = worker
            .send(&upstream, Method::HEAD, "")
            .await
            .expect("sent");
        assert_eq!(server.connections(), [0, 0]);
        drop((first, second));
    });
}

#[test]
fn the_connection_that_was_used_last_is_taken_first() {
    on_a_worker(|worker| async move {
        let server = polite("x").await;
        let upstream = upstream_at(&[server.address]);
        let zero = worker.send(&upstream, Method::GET, "").await.expect("sent");
        let one = worker.send(&upstream, Method::GET, "").await.expect("sent");
        assert_eq!(upstream.addresses()[0].1, 2, "in flight");
        text_of(zero).await;
        text_of(one).await;
        worker.get(&upstream).await;
        worker.get(&upstream).await;
        assert_eq!(server.connections(), [0, 1, 1, 1]);
    });
}

#[test]
fn no_more_than_max_idle_connections_are_kept() {
    on_a_worker(|worker| async move {
        let server = polite("x").await;
        let upstream = upstream_of(&urls_of(&[server.address]), |settings| {
            settings.max_idle = 1
        });
        let zero = worker.send(&upstream, Method::GET, "").await.expect("sent");
        let one = worker.send(&upstream, Method::GET, "").await.expect("sent");
        text_of(zero).await;
        text_of(one).await;
        let two = worker.send(&upstream, Method::GET, "").await.expect("sent");
        let three = worker.send(&upstream, Method::GET, "").await.expect("sent");
        assert_eq!(server.connections(), [0, 1, 1, 2]);
        drop((two, three));
    });
}

#[test]
fn idle_connections_end_and_upstreams_that_went_leave_none() {
    on_a_worker(|worker| async move {
        let server = polite("x").await;
        let upstream = upstream_at(&[server.address]);
        worker.get(&upstream).await;
        worker.at(3 * SECOND);
        worker.sweep();
        worker.get(&upstream).await;
        assert_eq!(server.connections(), [0, 0], "used again after 3 s");
        worker.at(7 * SECOND);
        worker.get(&upstream).await;
        assert_eq!(
            server.connections(),
            [0, 0, 1],
            "too old after 4 s, before any sweep"
        );
        worker.pools.sweep(&|id| id != upstream.id);
        worker.get(&upstream).await;
        assert_eq!(server.connections(), [0, 0, 1, 2]);
    });
}

#[test]
fn a_connection_that_was_closed_while_idle_costs_no_request() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, number| async move {
            wire.request().await;
            wire.answer(if number == 0 { "first" } else { "second" })
                .await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        assert_eq!(worker.get(&upstream).await, "first");
        settle().await;
        let sent = worker
            .send(&upstream, Method::POST, "body")
            .await
            .expect("sent");
        assert_eq!(text_of(sent).await, "second");
        assert_eq!(server.connections(), [0, 1]);
    });
}

/// A server whose first connection answers once, and closes when it has read the next request.
async fn closes_at_the_second_request(last_words: &'static str) -> super::test_servers::Server {
    server(move |mut wire, number| async move {
        if number == 0 {
            wire.request().await;
            wire.answer("first").await;
            wire.request().await;
            wire.write(last_words).await;
            return;
        }
        while wire.request().await {
            wire.answer("again").await;
        }
    })
    .await
}

#[test]
fn a_get_on_a_reused_connection_that_closes_is_sent_once_more() {
    on_a_worker(|worker| async move {
        let server = closes_at_the_second_request("").await;
        let upstream = upstream_at(&[server.address]);
        assert_eq!(worker.get(&upstream).await, "first");
        assert_eq!(worker.get(&upstream).await, "again");
        assert_eq!(server.connections(), [0, 0, 1]);
        let heads = server.heads.borrow();
        assert_eq!(heads[1].1, heads[2].1, "the same head");
    });
}

#[test]
fn a_request_that_may_have_had_an_effect_is_not_sent_again() {
    on_a_worker(|worker| async move {
        let server = closes_at_the_second_request("").await;
        let upstream = upstream_at(&[server.address]);
        assert_eq!(worker.get(&upstream).await, "first");
        let outcome = worker.send(&upstream, Method::POST, "body").await;
        assert!(matches!(outcome, Err(SendError::Broken(_))));
        assert_eq!(server.connections(), [0, 0]);
    });
}

#[test]
fn after_a_byte_of_the_answer_nothing_is_sent_again() {
    on_a_worker(|worker| async move {
        let server = closes_at_the_second_request("HTTP/1.1 200").await;
        let upstream = upstream_at(&[server.address]);
        assert_eq!(worker.get(&upstream).await, "first");
        let outcome = worker.send(&upstream, Method::GET, "").await;
        assert!(matches!(outcome, Err(SendError::Broken(_))));
        assert_eq!(server.connections(), [0, 0]);
    });
}

#[test]
fn a_new_connection_that_closes_is_not_tried_again() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            wire.request().await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let outcome = worker.send(&upstream, Method::GET, "").await;
        assert!(matches!(outcome, Err(SendError::Broken(_))));
        assert_eq!(server.connections(), [0]);
    });
}

#[test]
fn an_address_that_refuses_is_passed_over() {
    on_a_worker(|worker| async move {
        let dead = dead_address().await;
        let server = polite("alive").await;
        let upstream = upstream_at(&[dead, server.address]);
        for _ in 0..10 {
            let sent = worker
                .send(&upstream, Method::POST, "body")
                .await
                .expect("sent");
            assert_eq!(text_of(sent).await, "alive");
        }
        let shown = upstream.addresses();
        assert_eq!(shown[1].2, 0);
        assert_eq!(shown.iter().map(|one| one.1).sum::<usize>(), 0);
    });
}

#[test]
fn if_no_address_takes_a_connection_the_error_says_so() {
    on_a_worker(|worker| async move {
        let dead = [dead_address().await, dead_address().await];
        let upstream = upstream_at(&dead);
        for _ in 0..3 {
            let outcome = worker.send(&upstream, Method::GET, "").await;
            assert!(matches!(outcome, Err(SendError::Connect(_))));
        }
        assert!(
            upstream.addresses().iter().all(|one| one.2 == 1),
            "left out for a second"
        );
    });
}

#[test]
fn a_name_is_resolved_by_the_first_request_if_nobody_has_done_so() {
    on_a_worker(|worker| async move {
        let server = polite("hello").await;
        let url = |host: &str| UpstreamUrl {
            tls: false,
            host: host.into(),
            port: server.address.port(),
        };
        let upstream = upstream_of(&[url("localhost")], |_| {});
        assert!(upstream.addresses().is_empty());
        assert_eq!(worker.get(&upstream).await, "hello");
        refresh_addresses(&upstream).await;
        assert_eq!(worker.get(&upstream).await, "hello");
        assert_eq!(
            server.connections(),
            [0, 0],
            "the address kept its connection"
        );

        let upstream = upstream_of(&[url("does-not-exist.invalid")], |_| {});
        let outcome = worker.send(&upstream, Method::GET, "").await;
        assert!(matches!(outcome, Err(SendError::Resolve(_))));
    });
}

#[test]
fn an_answer_that_is_not_http_is_broken() {
    for answer in [
        "HTTP/9.9 200 OK\r\n\r\n",
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nspace : before\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: folded\r\n line\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\na",
    ] {
        on_a_worker(|worker| async move {
            let server = server(move |mut wire, _| async move {
                wire.request().await;
                wire.write(answer).await;
                wire.request().await;
            })
            .await;
            let upstream = upstream_at(&[server.address]);
            let outcome = worker.send(&upstream, Method::GET, "").await;
            assert!(matches!(outcome, Err(SendError::Broken(_))), "{answer:?}");
            assert_eq!(server.connections(), [0], "{answer:?}");
        });
    }
}

#[test]
fn a_head_larger_than_the_buffer_is_broken() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            wire.request().await;
            let long = "x".repeat(70_000);
            wire.write(&format!("HTTP/1.1 200 OK\r\nlong: {long}\r\n\r\n"))
                .await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let outcome = worker.send(&upstream, Method::GET, "").await;
        assert!(matches!(outcome, Err(SendError::Broken(_))));
    });
}

#[test]
fn a_body_that_ends_too_soon_is_an_error_and_its_connection_is_gone() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            wire.request().await;
            wire.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort")
                .await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let sent = worker
            .send(&upstream, Method::GET, "")
            .await
            .expect("a head");
        sent.response
            .into_body()
            .collect()
            .await
            .expect_err("too short");
        assert_eq!(upstream.addresses()[0].1, 0, "nothing is in flight");
        worker
            .send(&upstream, Method::GET, "")
            .await
            .expect("a head");
        assert_eq!(server.connections(), [0, 1]);
    });
}

#[test]
fn a_body_that_is_dropped_before_its_end_closes_the_connection() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, number| async move {
            wire.request().await;
            if number == 0 {
                wire.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
                    .await;
                assert!(!wire.request().await, "the rest is never asked for");
            }
            wire.answer("next").await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let sent = worker
            .send(&upstream, Method::GET, "")
            .await
            .expect("a head");
        let mut body = sent.response.into_body();
        body.frame().await.expect("a frame").expect("data");
        assert_eq!(upstream.addresses()[0].1, 1, "in flight");
        drop(body);
        assert_eq!(upstream.addresses()[0].1, 0);
        assert_eq!(worker.get(&upstream).await, "next");
        assert_eq!(server.connections(), [0, 1]);
    });
}

#[test]
fn chunked_bodies_and_trailers_pass_and_the_connection_is_kept() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            while wire.request().await {
                wire.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                    .await;
                wire.write("3\r\nabc\r\n0\r\nx-checksum: 7\r\n\r\n").await;
            }
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        for _ in 0..2 {
            let sent = worker.send(&upstream, Method::GET, "").await.expect("sent");
            let body = sent.response.into_body().collect().await.expect("a body");
            assert_eq!(body.trailers().expect("trailers")["x-checksum"], "7");
            assert_eq!(body.to_bytes(), "abc");
        }
        assert_eq!(server.connections(), [0, 0]);
    });
}

#[test]
fn bytes_that_nobody_asked_for_end_a_connection() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, number| async move {
            wire.request().await;
            wire.answer("mine").await;
            if number == 0 {
                wire.answer("poison").await;
            }
            while wire.request().await {
                wire.answer("poison").await;
            }
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        assert_eq!(worker.get(&upstream).await, "mine");
        settle().await;
        assert_eq!(worker.get(&upstream).await, "mine");
        assert_eq!(server.connections(), [0, 1]);
    });
}

#[test]
fn an_answer_before_the_request_body_has_gone_does_not_free_the_connection() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            // The body is said to be longer than what comes.
            wire.request().await;
            wire.answer("early").await;
            wire.request().await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let (_sender, body) = tests_body::endless();
        let pools = super::Pools::new(crate::metrics::WorkerId(0), worker.deadlines.clone());
        let post = |body| {
            let request = http::Request::post("/").header("host", "api.test");
            request.body(body).expect("a request")
        };
        let sent = pools
            .send(&upstream, post(body), false)
            .await
            .expect("sent");
        assert_eq!(text_of(sent).await, "early");
        settle().await;
        let (_other_sender, body) = tests_body::endless();
        let sent = pools
            .send(&upstream, post(body), false)
            .await
            .expect("sent");
        assert_eq!(text_of(sent).await, "early");
        assert_eq!(server.connections(), [0, 1]);
    });
}

#[test]
fn no_answer_in_time_ends_the_request_and_its_connection() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, number| async move {
            wire.request().await;
            if number == 0 {
                assert!(!wire.request().await, "closed by the client");
            }
            wire.answer("in time").await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        for (number, body) in ["", "with a body"].into_iter().enumerate() {
            if number > 0 {
                server.heads.borrow_mut().clear();
            }
            let send = worker.send(&upstream, Method::POST, body);
            let late = async {
                settle().await;
                worker.at(31 * SECOND * u32::try_from(number + 1).expect("small"));
            };
            let (outcome, ()) = tokio::join!(send, late);
            if number == 0 {
                assert!(matches!(outcome, Err(SendError::ResponseTimeout)));
            }
        }
        assert_eq!(worker.get(&upstream).await, "in time");
    });
}

#[test]
fn a_slow_client_is_not_the_upstreams_delay() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            wire.request().await;
            wire.write("").await;
            wire.request().await;
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let (sender, body) = tests_body::endless();
        let pools = super::Pools::new(crate::metrics::WorkerId(0), worker.deadlines.clone());
        let request = http::Request::post("/").header("host", "api.test");
        let request = request.body(body).expect("a request");
        let send = pools.send(&upstream, request, false);
        let steps = async {
            settle().await;
            worker.at(60 * SECOND);
            settle().await;
            // The upstream has all of the request now: from here on it is the one that is waited for.
            drop(sender);
            settle().await;
            worker.at(89 * SECOND);
            settle().await;
            assert_eq!(upstream.addresses()[0].1, 1, "still in flight");
            worker.at(91 * SECOND);
        };
        let (outcome, ()) = tokio::join!(send, steps);
        assert!(matches!(outcome, Err(SendError::ResponseTimeout)));
    });
}

#[test]
fn an_upgrade_reaches_the_bytes_behind_the_101() {
    on_a_worker(|worker| async move {
        let server = server(|mut wire, _| async move {
            wire.request().await;
            wire.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n")
                .await;
            wire.write("upgrade: websocket\r\n\r\nhello").await;
            let mut echo = [0; 4];
            wire.stream.read_exact(&mut echo).await.expect("bytes");
            wire.stream.write_all(&echo).await.expect("written");
        })
        .await;
        let upstream = upstream_at(&[server.address]);
        let sent = worker.send(&upstream, Method::GET, "").await.expect("sent");
        let mut response = sent.response;
        assert_eq!(response.status(), 101);
        let upgrade = hyper::upgrade::on(&mut response);
        assert_eq!(
            upstream.addresses()[0].1,
            1,
            "counts while the body is kept"
        );
        let mut stream = TokioIo::new(upgrade.await.expect("upgraded"));
        let mut bytes = [0; 5];
        stream.read_exact(&mut bytes).await.expect("bytes");
        assert_eq!(&bytes, b"hello");
        stream.write_all(b"ping").await.expect("written");
        stream.read_exact(&mut bytes[..4]).await.expect("bytes");
        assert_eq!(&bytes[..4], b"ping");
        drop(response);
        assert_eq!(upstream.addresses()[0].1, 0);
    });
}

mod tests_body {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::{Body, Bytes, Frame};
    use tokio::sync::oneshot;

    /// A body that gives nothing until its sender is dropped, and ends then.
    #[derive(Default)]
    pub(super) struct Endless(Option<oneshot::Receiver<()>>);

    pub(super) fn endless() -> (oneshot::Sender<()>, Endless) {
        let (sender, receiver) = oneshot::channel();
        (sender, Endless(Some(receiver)))
    }

    impl Body for Endless {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let Some(receiver) = &mut self.0 else {
                return Poll::Ready(None);
            };
            Pin::new(receiver).poll(cx).map(|_| None)
        }
    }
}

mod https {
    use std::io::Write;

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio_rustls::TlsAcceptor;

    use super::super::Upstream;
    use super::*;

    /// A CA file, and a server with a certificate of that CA for `name` that answers with the SNI and ALPN it saw.
    async fn tls_server(name: &str) -> (tempfile::NamedTempFile, u16) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let ca = CertifiedIssuer::self_signed(params, key).expect("a CA");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &ca).expect("a certificate");
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(ca.pem().as_bytes()).expect("written");

        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a configuration");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::task::spawn_local(async move {
            loop {
                let (tcp, _) = listener.accept().await.expect("a connection");
                let Ok(mut tls) = acceptor.accept(tcp).await else {
                    continue;
                };
                let session = tls.get_ref().1;
                let alpn = String::from_utf8_lossy(session.alpn_protocol().unwrap_or(b"none"));
                let body = format!("{} {alpn}", session.server_name().unwrap_or("no name"));
                let length = body.len();
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                let mut head = [0; 4096];
                let _ = tls.read(&mut head).await;
                let _ = tls.write_all(answer.as_bytes()).await;
                let _ = tls.shutdown().await;
            }
        });
        (file, port)
    }

    fn https(host: &str, port: u16) -> UpstreamUrl {
        UpstreamUrl {
            tls: true,
            host: host.into(),
            port,
        }
    }

    #[test]
    fn the_given_ca_is_trusted_for_the_name_of_the_url() {
        on_a_worker(|worker| async move {
            let (ca, port) = tls_server("localhost").await;
            let upstream = upstream_of(&[https("localhost", port)], |settings| {
                settings.ca = Some(ca.path().to_owned());
            });
            assert_eq!(worker.get(&upstream).await, "localhost http/1.1");
        });
    }

    #[test]
    fn another_name_or_another_ca_is_no_connection() {
        on_a_worker(|worker| async move {
            let (ca, port) = tls_server("elsewhere.test").await;
            let upstream = upstream_of(&[https("localhost", port)], |settings| {
                settings.ca = Some(ca.path().to_owned());
            });
            let outcome = worker.send(&upstream, Method::GET, "").await;
            assert!(matches!(outcome, Err(SendError::Connect(_))));

            let (_, port) = tls_server("localhost").await;
            let upstream = upstream_of(&[https("localhost", port)], |settings| {
                settings.ca = Some(ca.path().to_owned());
            });
            let outcome = worker.send(&upstream, Method::GET, "").await;
            assert!(matches!(outcome, Err(SendError::Connect(_))));
        });
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_an_error_with_its_name() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"nothing of use").expect("written");
        let missing = std::path::PathBuf::from("/does/not/exist.pem");
        for path in [file.path().to_owned(), missing] {
            let mut settings = upstream_at(&[]).config.clone();
            settings.urls = vec![https("localhost", 1)];
            settings.ca = Some(path.clone());
            let metrics = crate::metrics::Metrics::new(1, &[]).upstream("test");
            let error = Upstream::new(settings, metrics).err().expect("an error");
            assert_eq!(error.file, path);
        }
    }
}
