use std::sync::Arc;

use super::*;
use crate::proxy::access_log;
use crate::proxy::testing::{on_worker, worker};

fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn upstream() -> config::Upstream {
    let log = access_log(None, true, Arc::new(|_| {}));
    let worker = worker(([127, 0, 0, 1], 9).into(), "", log);
    worker.current_snapshot().upstreams[0].config.clone()
}

#[test]
fn the_upstream_sees_the_clients_host_or_its_own() {
    on_worker(async {
        let keep = upstream();
        let mut own = keep.clone();
        own.host = config::Host::Upstream;
        let authority = Authority::from_static("h2.test:81");
        for (upstream, authority, lines, host) in [
            (&keep, None, &[("host", "h1.test")][..], "h1.test"),
            (&keep, Some(&authority), &[], "h2.test:81"),
            (
                &keep,
                Some(&authority),
                &[("host", "h2.test:81")],
                "h2.test:81",
            ),
            (&keep, None, &[], "127.0.0.1:9"),
            (&own, Some(&authority), &[], "127.0.0.1:9"),
            (&own, None, &[("host", "h1.test")], "127.0.0.1:9"),
        ] {
            let mut headers = fields(lines);
            set_host(&mut headers, authority, upstream).unwrap();
            let found: Vec<_> = headers.get_all(HOST).iter().collect();
            assert_eq!(found, [host]);
        }
    });
}

#[test]
fn an_upstreams_own_host_leaves_the_schemes_port_out() {
    on_worker(async {
        let mut upstream = upstream();
        for (tls, host, port, expected) in [
            (false, "orders", 80, "orders"),
            (false, "orders", 443, "orders:443"),
            (true, "orders", 443, "orders"),
            (true, "::1", 443, "[::1]"),
            (false, "::1", 8080, "[::1]:8080"),
        ] {
            upstream.urls = vec![config::UpstreamUrl {
                tls,
                host: host.into(),
                port,
            }];
            assert_eq!(own_host(&upstream), expected);
        }
    });
}

#[test]
fn a_target_is_in_origin_form_with_the_clients_bytes() {
    let stripped = PathAndQuery::from_static("/rest?q");
    for (uri, stripped, target) in [
        ("/a%2e/b?x=%20&", None, "/a%2e/b?x=%20&"),
        ("*", None, "*"),
        ("http://h.test/a?", None, "/a?"),
        ("http://h.test", None, "/"),
        ("/orders/rest?q", Some(&stripped), "/rest?q"),
    ] {
        let mut uri = Uri::from_static(uri);
        set_target(&mut uri, stripped);
        assert_eq!(uri.to_string(), target);
    }
}

#[test]
fn this_hop_has_its_own_connection_options() {
    let websocket = Some(Upgrade::WebSocket);
    for (upgrade, lines, options) in [
        (None, &[][..], None),
        (
            None,
            &[("te", "trailers"), ("connection", "te")],
            Some("te"),
        ),
        (websocket, &[], Some("upgrade")),
        (websocket, &[("te", "trailers")], Some("upgrade, te")),
    ] {
        let mut headers = fields(lines);
        set_upgrade(&mut headers, upgrade, false).unwrap();
        let found = headers.get(CONNECTION).map(|value| value.to_str().unwrap());
        assert_eq!(found, options);
        assert_eq!(headers.contains_key(UPGRADE), upgrade.is_some());
    }
    let refused = set_upgrade(&mut HeaderMap::new(), websocket, true).unwrap_err();
    assert_eq!(refused.reason, Reason::MalformedField);
}

#[test]
fn whose_fault_it_was() {
    let refused = || SendError::Connect(std::io::ErrorKind::ConnectionRefused.into());
    for (error, upload, reason) in [
        (refused(), None, Reason::UpstreamUnreachable),
        (
            SendError::Resolve("x".to_owned()),
            None,
            Reason::UpstreamUnreachable,
        ),
        (
            SendError::ConnectTimeout,
            Some(UploadState::Open),
            Reason::UpstreamTimeout,
        ),
        (
            SendError::ResponseTimeout,
            Some(UploadState::Complete),
            Reason::UpstreamTimeout,
        ),
        (refused(), Some(UploadState::TooLarge), Reason::BodyTooLarge),
        (refused(), Some(UploadState::Idle), Reason::RequestTimeout),
        (refused(), Some(UploadState::Broken), Reason::MalformedField),
    ] {
        assert_eq!(failure(&error, upload).reason, reason, "{error}");
    }
}

#[test]
fn only_safe_methods_may_be_repeated() {
    for (method, safe) in [
        (Method::GET, true),
        (Method::HEAD, true),
        (Method::OPTIONS, true),
        (Method::POST, false),
        (Method::PUT, false),
        (Method::DELETE, false),
    ] {
        assert_eq!(is_replayable(&method), safe, "{method}");
    }
}
