use std::fs;
use std::time::Duration;

use crate::config::{self, KeySource, RemoteKeys};
use crate::keys::testing::jwks_url;
use crate::reload::testing::{config, issuer, route, upstream};
use crate::secret::Secret;

use super::*;

fn changed(change: impl FnOnce(&mut Config)) -> Vec<String> {
    let mut old = config();
    old.upstreams = vec![upstream("u1"), upstream("u2")];
    old.issuers = vec![issuer("corp", KeySource::JwksFile("a.json".into()))];
    old.routes = vec![route("orders"), route("stock")];
    let mut new = old.clone();
    change(&mut new);
    let contents = Contents::default();
    View::of_config(&old, &contents).changes(&View::of_config(&new, &contents))
}

type Change = fn(&mut Config);

#[test]
fn every_kind_of_change_is_named() {
    let cases: [(Change, &[&str]); 13] = [
        (|_| {}, &[]),
        (|c| c.routes.push(route("x")), &[r#"route "x" added"#]),
        (|c| c.routes.truncate(1), &[r#"route "stock" removed"#]),
        (
            |c| c.routes[0].forward_token = true,
            &[r#"route "orders" changed"#],
        ),
        (
            |c| c.issuers[0].policy.audiences = vec![],
            &[r#"issuer "corp" changed"#],
        ),
        (
            |c| {
                let keys = KeySource::JwksFile("b".into());
                c.issuers.push(issuer("new", keys));
            },
            &[r#"issuer "new" added"#],
        ),
        (
            |c| c.upstreams[1].max_idle += 1,
            &[r#"upstream "u2" changed"#],
        ),
        (
            |c| c.server.limits.header_bytes = 7,
            &["[server.limits] header_bytes changed from 65536 to 7"],
        ),
        (
            |c| c.server.limits.body_bytes = Some(7),
            &["[server.limits] body_bytes changed from off to 7"],
        ),
        (
            |c| c.server.limits.idle_timeout = Duration::from_secs(7),
            &["[server.limits] idle_timeout changed from 75s to 7s"],
        ),
        (
            |c| c.strip = vec!["X-Auth-*".into()],
            &[r#"[server] strip changed from [] to ["X-Auth-*"]"#],
        ),
        (
            |c| c.admin.access = AdminAccess::Token(Secret::new(b"hidden".to_vec())),
            &["access to the admin listener changed"],
        ),
        (
            |c| c.server.tls = Some(Certificates::Files(vec![("c.pem".into(), "c.key".into())])),
            &[
                r#"certificate "c.key" added"#,
                r#"certificate "c.pem" added"#,
            ],
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(changed(change), expected);
    }
}

#[test]
fn moving_things_in_the_file_changes_nothing() {
    let changes = changed(|c| {
        c.routes.reverse();
        c.routes[0].place.line = 99;
        c.upstreams[0].place.line = 98;
        c.issuers[0].place.line = 97;
        c.upstreams.reverse();
        for route in &mut c.routes {
            route.upstream = 1 - route.upstream;
        }
    });
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn a_route_that_goes_elsewhere_has_changed() {
    let changes = changed(|c| c.routes[0].upstream = 1);
    assert_eq!(changes, [r#"route "orders" changed"#]);
}

#[test]
fn a_secret_is_never_shown() {
    let secret = |text: &str| config::Keys::Secret(Secret::new(text.into()));
    let mut one = config();
    one.issuers = vec![issuer("corp", secret("hidden-1"))];
    one.admin.access = AdminAccess::Token(Secret::new(b"hidden-2".to_vec()));
    let view = View::of_config(&one, &Contents::default());
    assert!(!format!("{view:?}").contains("hidden"));
}

#[test]
fn keys_are_told_apart_by_kid_and_thumbprint() {
    let set = |keys: &[(Option<&'static str>, u8)]| {
        by_label(keys.iter().map(|(kid, byte)| (*kid, [*byte; 32])))
    };
    let (a1, a2, b) = ((Some("a"), 1), (Some("a"), 2), (Some("b"), 3));
    let bare = (None, 4);
    for (old, new, text) in [
        (set(&[a1]), set(&[a1]), None),
        (set(&[a1]), set(&[b]), Some("b added, a removed")),
        (set(&[a1]), set(&[a2]), Some("a replaced")),
        (set(&[]), set(&[b, a1]), Some("a added, b added")),
        (
            set(&[]),
            set(&[(Some("a\n\u{202e}b"), 1)]),
            Some("a\\n\\u{202e}b added"),
        ),
        (
            set(&[bare]),
            set(&[]),
            Some("BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ removed"),
        ),
    ] {
        assert_eq!(label_changes(&old, &new).as_deref(), text);
    }
}

#[test]
fn many_keys_are_not_named_one_by_one() {
    let kids: Vec<String> = (0..100).map(|kid| format!("{kid:03}")).collect();
    let all = by_label(kids.iter().map(|kid| (Some(&**kid), [1; 32])));
    let text = label_changes(&Keys::new(), &all).unwrap();
    assert!(text.starts_with("000 added, 001 added, "), "{text}");
    assert!(text.ends_with("019 added, and 80 more"), "{text}");
}

#[test]
fn a_remote_source_is_told_by_what_it_says_and_what_its_ca_holds() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    fs::write(&ca, "one").unwrap();
    let mut remote = jwks_url("https://provider.test/keys");
    remote.ca = Some(ca.clone());
    let view = |change: &dyn Fn(&mut RemoteKeys, &mut config::Issuer)| {
        let (mut remote, mut config) = (remote.clone(), config());
        let mut corp = issuer("corp", KeySource::JwksFile("a.json".into()));
        change(&mut remote, &mut corp);
        corp.keys = KeySource::Remote(Box::new(remote)).into();
        config.issuers = vec![corp];
        View::of_config(&config, &Contents::read([&ca]))
    };
    let old = view(&|_, _| {});
    // It moved within the file, and nothing else.
    let moved = view(&|remote, _| remote.place.line = 99);
    assert!(old.changes(&moved).is_empty());
    let changed = [r#"issuer "corp" changed"#];
    let proxy = view(&|remote, _| remote.proxy = Some("http://proxy:1".parse().unwrap()));
    assert_eq!(old.changes(&proxy), changed);
    let interval = view(&|_, issuer| issuer.refresh.interval *= 2);
    assert_eq!(old.changes(&interval), changed);
    fs::write(&ca, "two").unwrap();
    assert_eq!(old.changes(&view(&|_, _| {})), changed);
}

#[test]
fn a_certificate_or_ca_with_another_content_has_changed() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    for name in ["c.pem", "c.key", "ca.pem"] {
        fs::write(file(name), "one").unwrap();
    }
    let mut config = config();
    config.server.tls = Some(Certificates::Files(vec![(file("c.pem"), file("c.key"))]));
    config.upstreams = vec![upstream("u")];
    config.upstreams[0].ca = Some(file("ca.pem"));
    let view = || {
        let files = ["c.pem", "c.key", "ca.pem"].map(file);
        View::of_config(&config, &Contents::read(&files))
    };
    let old = view();
    assert!(old.changes(&view()).is_empty());
    fs::write(file("c.pem"), "two").unwrap();
    fs::write(file("ca.pem"), "two").unwrap();
    let certificate = format!(
        "certificate {:?} changed",
        file("c.pem").display().to_string()
    );
    let expected = [r#"upstream "u" changed"#.to_owned(), certificate];
    assert_eq!(old.changes(&view()), expected);
}

#[test]
fn settings_of_the_local_issuer_and_of_logout_tokens_are_those_of_issuers() {
    let view = |logout: &str, local: &str| {
        let text = format!(
            "[[issuers]]\nname = \"corp\"\nissuer = \"https://a/\"\naudiences = \"a\"\nalgorithms = \"RS256\"\n\
             keys = {{ jwks_file = \"a.json\" }}\n[issuers.logout]\nclient_id = \"c\"\npath = \"{logout}\"\n\
             [local_issuer]\nissuer = \"https://b/auth\"\naudience = \"b\"\n{local}"
        );
        let name = std::path::Path::new("gateway.toml");
        let config = config::parse(&text, name, name, &config::Environment::default());
        View::of_config(&config.unwrap(), &Contents::default())
    };
    let old = view("/out", "");
    assert!(old.changes(&view("/out\"\n#\"", "")).is_empty());
    assert_eq!(
        old.changes(&view("/elsewhere", "")),
        [r#"issuer "corp" changed"#]
    );
    assert_eq!(
        old.changes(&view("/out", "cookies = true")),
        [r#"issuer "local" changed"#]
    );
}
