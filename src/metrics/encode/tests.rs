use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;

use crate::metrics::{
    CertificateExpiry, FAMILIES, IssuerKeys, KeyFetch, KeyInForce, KeyName, Kind, WorkerId,
};

use super::*;

const REASONS: &[&str] = &["missing_token", "expired"];

/// What the store and those who sign in count.
fn fill_store(metrics: &Metrics) {
    metrics.revocations().entries(3);
    metrics.revocations().age(Some(1));
    metrics.revocations().read(true);
    metrics.revocations().logout(false);
    metrics.sessions().signed_in(SignIn::Throttled);
    metrics.sessions().refreshed(Refresh::Reused);
    metrics.sessions().passwords(2);
}

/// Metrics with at least one series in every family.
fn filled() -> Arc<Metrics> {
    let metrics = Metrics::new(2, REASONS);
    fill_store(&metrics);
    let route = metrics.route("orders");
    for worker in [WorkerId(0), WorkerId(1), WorkerId(1)] {
        route.finished(worker, &Method::GET, 200, Duration::from_millis(2));
    }
    route.rejected(WorkerId(1), 1);
    metrics.issuer("corp").accepted(WorkerId(0));
    let upstream = metrics.upstream("orders");
    upstream.answered(WorkerId(0), Duration::from_secs(20));
    upstream.connected(WorkerId(0));
    upstream.connect_failed(WorkerId(0));
    upstream.retried(WorkerId(1));
    let worker = metrics.worker(WorkerId(1));
    worker.connections(7);
    worker.accepted();
    worker.handed_over();
    worker.connection_error(ConnectionError::Handshake);
    metrics.access_log_dropped(3);
    let remote = metrics.keys("corp");
    remote.fetched(KeyFetch::New);
    remote.asked();
    let age = metrics.key_set_age(&"corp".into());
    age.set(Some(5));
    // It is shown while somebody holds it.
    std::mem::forget(age);
    let name = KeyName {
        kid: Some("k\"1\n"),
        thumbprint: &[0; 32],
    };
    let in_force = KeyInForce {
        name,
        algorithms: ["RS256"].into(),
        source: None,
        first_seen: 1_700_000_000,
    };
    let uses = metrics.key_uses();
    uses.publish(&[("corp", vec![in_force])], 1_700_000_000);
    let key = uses.of("corp", std::iter::once(name)).in_force.remove(0);
    let tally = key.tally(WorkerId(1)).unwrap();
    tally.verified(Some(1_700_000_300), None);
    tally.accepted(1_700_000_001);
    tally.presented(1_700_000_002);
    let keys = metrics.keys("corp");
    keys.fetched(KeyFetch::NotModified);
    keys.asked();
    let age = metrics.key_set_age(&"corp".into());
    age.set(Some(60));
    // Shown while it is there: as long as the metrics.
    std::mem::forget(age);
    metrics.set_generation(4);
    metrics.set_issuer_keys(vec![IssuerKeys {
        issuer: "corp".into(),
        keys: 2,
    }]);
    metrics.set_certificates(vec![CertificateExpiry {
        certificate: "0:server.pem".into(),
        expires_seconds: 1_900_000_000,
    }]);
    metrics
}

fn has(text: &str, line: &str) -> bool {
    text.lines().any(|found| found == line)
}

#[test]
fn a_scrape_adds_the_shards_up() {
    let text = filled().encode();
    for line in [
        r#"portcullis_http_requests_total{route="orders",method="GET",code="200"} 3"#,
        r#"portcullis_http_request_duration_seconds_count{route="orders"} 3"#,
        r#"portcullis_http_request_duration_seconds_bucket{le="0.001",route="orders"} 0"#,
        r#"portcullis_http_request_duration_seconds_bucket{le="0.0025",route="orders"} 3"#,
        r#"portcullis_http_request_duration_seconds_bucket{le="+Inf",route="orders"} 3"#,
        r#"portcullis_rejections_total{route="orders",reason="expired"} 1"#,
        r#"portcullis_tokens_accepted_total{issuer="corp"} 1"#,
        r#"portcullis_key_tokens_total{issuer="corp",kid="k\"1\n"} 1"#,
        r#"portcullis_key_presented_after_removal_total{issuer="corp",kid="k\"1\n"} 1"#,
        r#"portcullis_key_last_token_timestamp_seconds{issuer="corp",kid="k\"1\n"} 1700000001"#,
        r#"portcullis_key_newest_expiry_timestamp_seconds{issuer="corp",kid="k\"1\n"} 1700000300"#,
        r#"portcullis_upstream_request_duration_seconds_bucket{le="10.0",upstream="orders"} 0"#,
        r#"portcullis_upstream_request_duration_seconds_bucket{le="+Inf",upstream="orders"} 1"#,
        r#"portcullis_upstream_connections_total{upstream="orders"} 1"#,
        r#"portcullis_upstream_connect_failures_total{upstream="orders"} 1"#,
        r#"portcullis_upstream_retries_total{upstream="orders"} 1"#,
        r#"portcullis_worker_connections{worker="0"} 0"#,
        r#"portcullis_worker_connections{worker="1"} 7"#,
        r#"portcullis_connections_total{worker="1"} 1"#,
        r#"portcullis_connections_handed_over_total{worker="0"} 0"#,
        r#"portcullis_connections_handed_over_total{worker="1"} 1"#,
        r#"portcullis_connection_errors_total{worker="1",cause="handshake"} 1"#,
        "portcullis_access_log_dropped_total 3",
        "portcullis_config_generation 4",
        r#"portcullis_issuer_keys{issuer="corp"} 2"#,
        r#"portcullis_tls_certificate_expiry_timestamp_seconds{certificate="0:server.pem"} 1900000000"#,
        r#"portcullis_config_reloads_total{result="success"} 0"#,
        "portcullis_config_last_reload_successful 1",
    ] {
        assert!(has(&text, line), "{line} is missing in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn what_was_never_counted_is_not_shown() {
    let metrics = Metrics::new(1, REASONS);
    let _ = (
        metrics.route("orders"),
        metrics.issuer("corp"),
        metrics.upstream("orders"),
    );
    let text = metrics.encode();
    assert!(!text.contains("orders") && !text.contains("corp"), "{text}");
    let text = filled().encode();
    assert!(!text.contains("missing_token") && !text.contains(r#"code="404""#));
}

#[test]
fn the_same_name_is_the_same_handle_and_no_route_is_none() {
    let metrics = Metrics::new(1, REASONS);
    assert!(Arc::ptr_eq(&metrics.route("a"), &metrics.route("a")));
    assert!(!Arc::ptr_eq(&metrics.route("a"), &metrics.route("b")));
    assert!(Arc::ptr_eq(&metrics.route(""), &metrics.route("none")));
    metrics.route("").rejected(WorkerId(0), 0);
    let line = r#"portcullis_rejections_total{route="none",reason="missing_token"} 1"#;
    assert!(has(&metrics.encode(), line));
}

#[test]
fn a_method_that_a_client_invents_is_no_label() {
    let metrics = Metrics::new(1, REASONS);
    let invented = Method::from_bytes(b"EVIL").unwrap();
    let route = metrics.route("orders");
    route.finished(WorkerId(0), &invented, 405, Duration::ZERO);
    let text = metrics.encode();
    assert!(!text.contains("EVIL"));
    let line = r#"portcullis_http_requests_total{route="orders",method="_OTHER",code="405"} 1"#;
    assert!(has(&text, line), "{text}");
}

#[test]
fn label_values_are_escaped() {
    let metrics = Metrics::new(1, REASONS);
    metrics.issuer("a\"b\\c\nd").accepted(WorkerId(0));
    let line = r#"portcullis_tokens_accepted_total{issuer="a\"b\\c\nd"} 1"#;
    assert!(has(&metrics.encode(), line), "{}", metrics.encode());
}

#[test]
fn a_failed_reload_shows_until_one_succeeds() {
    let metrics = Metrics::new(1, REASONS);
    for (applied, successful, failures) in [(false, 0, 1), (false, 0, 2), (true, 1, 2)] {
        metrics.reloaded(applied);
        let text = metrics.encode();
        let gauge = format!("portcullis_config_last_reload_successful {successful}");
        assert!(has(&text, &gauge));
        let count = format!(r#"portcullis_config_reloads_total{{result="failure"}} {failures}"#);
        assert!(has(&text, &count));
    }
}

/// (family, kind) of every `# TYPE` line, and the label names of every series by family.
#[cfg(target_os = "linux")]
#[test]
fn the_list_of_families_is_what_a_scrape_shows() {
    let text = filled().encode();
    let shown: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let listed: Vec<(&str, &str)> = FAMILIES
        .iter()
        .map(|family| (family.base_name(), family.kind.name()))
        .collect();
    assert_eq!(shown, listed);
    for family in FAMILIES {
        let series = match family.kind {
            Kind::Histogram => format!("{}_count", family.name),
            Kind::Counter | Kind::Gauge | Kind::Info => family.name.to_owned(),
        };
        let labels = text
            .lines()
            .filter_map(|line| line.strip_prefix(&series)?.strip_prefix('{'))
            .filter_map(|rest| rest.split_once('}'))
            .flat_map(|(labels, _)| labels.split(',').filter_map(|label| label.split_once('=')))
            .map(|(name, _)| name)
            .collect::<BTreeSet<_>>();
        let listed: BTreeSet<_> = family.labels.iter().copied().collect();
        assert_eq!(labels, listed, "{}", family.name);
        assert!(
            text.lines().any(|line| line.starts_with(&series)),
            "{series}"
        );
    }
}

#[test]
fn no_series_stands_twice() {
    let text = filled().encode();
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        assert!(seen.insert(series), "{series}");
    }
}
