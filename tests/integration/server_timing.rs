//! `Server-Timing`: told to the clients that a route names, and to nobody else.

use super::harness::{GatewayBuilder, Reply, Request, Step, TestGateway, Upstream, alice, answer};

/// What the upstream says of itself.
const OF_UPSTREAM: &str = "app;dur=5, total;dur=6";

/// Routes that tell us (`/near`), others (`/far`) and nobody (`/off`).
fn gateway(server: &str) -> (Upstream, TestGateway) {
    let upstream = Upstream::scripted(|_| {
        let field = format!("Server-Timing: {OF_UPSTREAM}\r\n");
        vec![Step::Body, answer("200 OK", &field, "ok")]
    });
    let gateway = GatewayBuilder::new(&upstream)
        .server(server)
        .route("/near", "server_timing = [\"127.0.0.1\", \"::1\"]")
        .route("/far", "server_timing = [\"192.0.2.0/24\"]")
        .route("/off", "")
        .start();
    (upstream, gateway)
}

/// The metrics of our line, each of which has a duration; `None` if the last line is not ours.
fn ours(reply: &Reply) -> Option<Vec<String>> {
    let lines = reply.all("server-timing");
    let metrics = lines.last()?.split(", ").map(|metric| {
        let (name, milliseconds) = metric.split_once(";dur=").expect("a duration");
        let milliseconds: f64 = milliseconds.parse().expect("a number");
        (name.to_owned(), milliseconds)
    });
    let metrics: Vec<(String, f64)> = metrics.collect();
    if metrics.first()?.0 != "decide" {
        return None;
    }
    let total = metrics.last()?.1;
    assert!(metrics.iter().all(|(_, part)| *part <= total), "{lines:?}");
    Some(metrics.into_iter().map(|(name, _)| name).collect())
}

#[test]
fn a_named_client_learns_the_phases_behind_what_the_upstream_said() {
    let (_upstream, gateway) = gateway("");
    let reply = gateway.send(&Request::get("/near").token(&alice()));
    assert_eq!(reply.status, 200);
    assert_eq!(reply.all("server-timing").len(), 2);
    assert_eq!(reply.all("server-timing")[0], OF_UPSTREAM);
    assert_eq!(
        ours(&reply).expect("a line of ours"),
        ["decide", "upstream", "total"]
    );
}

#[test]
fn a_refusal_tells_it_too_and_there_was_no_upstream() {
    let (_upstream, gateway) = gateway("");
    let reply = gateway.send(&Request::get("/near"));
    assert_eq!(reply.reason(), "missing_token");
    assert_eq!(ours(&reply).expect("a line of ours"), ["decide", "total"]);
}

#[test]
fn nobody_else_learns_anything() {
    let (_upstream, gateway) = gateway("");
    for path in ["/far", "/off"] {
        let reply = gateway.send(&Request::get(path).token(&alice()));
        assert_eq!(reply.all("server-timing"), [OF_UPSTREAM], "{path}");
        let refused = gateway.send(&Request::get(path));
        assert!(refused.field("server-timing").is_none(), "{path}");
    }
    let nowhere = gateway.send(&Request::get("/nowhere"));
    assert!(nowhere.field("server-timing").is_none());
}

#[test]
fn behind_a_trusted_proxy_the_client_counts_and_else_no_field_does() {
    let told = |gateway: &TestGateway, path: &str, client: &str| {
        let request = Request::get(path).token(&alice());
        let reply = gateway.send(&request.field("X-Forwarded-For", client));
        ours(&reply).is_some()
    };
    let (_upstream, behind) = gateway("trusted_proxies = [\"127.0.0.0/8\"]");
    assert!(told(&behind, "/far", "192.0.2.7"));
    assert!(!told(&behind, "/far", "198.51.100.1"));
    assert!(!told(&behind, "/near", "192.0.2.7"));
    let (_upstream, direct) = gateway("");
    assert!(!told(&direct, "/far", "192.0.2.7"));
    assert!(told(&direct, "/near", "192.0.2.7"));
}
