//! The local issuer, and logout tokens of others.

use std::time::Duration;

use crate::config::testing::{SMALL, good};
use crate::config::{KeySource, Keys, StoreFailure};
use crate::jwt::Algorithm;

const DAY: Duration = Duration::from_hours(24);

/// A local issuer, and a route for it.
const LOCAL: &str = r#"
[local_issuer]
issuer = "https://localhost:8443/auth"
audience = "demo"
[[routes]]
name = "demo"
path = "/"
upstream = "http://127.0.0.1:9000"
"#;

#[test]
fn two_keys_make_an_issuer() {
    let config = good(LOCAL);
    let local = config.local_issuer.as_ref().unwrap();
    assert_eq!(&*local.url.text, "https://localhost:8443/auth");
    assert_eq!(local.url.origin(), "https://localhost:8443");
    assert_eq!(local.signing.algorithm, Algorithm::EdDsa);
    assert_eq!(local.signing.rotate, 30 * DAY);
    assert_eq!(local.access_token, Duration::from_mins(15));
    assert_eq!(local.refresh_token, 7 * DAY);
    assert_eq!(local.session, 30 * DAY);
    assert!(!local.password_grant && !local.cookies && !local.page);
    assert!(local.encryption_key.is_none());

    let issuer = &config.issuers[local.issuer];
    assert_eq!(config.issuers.len(), 1);
    assert_eq!(&*issuer.name, "local");
    assert_eq!(issuer.keys, Keys::Public(vec![KeySource::Store]));
    assert!(issuer.keys.come_later() && issuer.keys.remote().next().is_none());
    let policy = &issuer.policy;
    assert_eq!(&*policy.issuer, "https://localhost:8443/auth");
    assert_eq!(policy.audiences, ["demo".into()]);
    assert_eq!(policy.token_types, ["at+jwt".into()]);
    assert_eq!(policy.max_lifetime, Some(DAY));
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
        assert!(policy.algorithms.contains(algorithm));
    }
    // Alone, it is the one that routes mean.
    assert_eq!(config.routes[0].issuers, [0]);

    let store = config.store.as_ref().unwrap();
    assert_eq!(store.fail, StoreFailure::Closed);
    assert_eq!(store.stale_for, Duration::from_mins(10));
    assert_eq!(store.place, local.place);
    assert!(good(SMALL).store.is_none());
}
