//! What a provider may publish: odd sets are taken as far as they can be, and said.

use portcullis::jwt::{Algorithm, SigningKey};
use portcullis::secret::Secret;
use serde_json::{Value, json};

use super::super::harness::process::wait_until;
use super::super::harness::provider::{JWKS, Part, Provider, ok, set_of};
use super::super::harness::{TestGateway, Upstream};
use super::{
    GAP, INTERVAL, World, admitted, fetched, iss, key, last_error, outcome, outcome_of, source,
    token_as, unknown, wait_for, wait_for_fetches,
};

/// A set with the good key `b` among others.
fn among(others: &[Value]) -> String {
    let mut keys = others.to_vec();
    keys.insert(
        keys.len() / 2,
        key("b").public_jwk().expect("a public half"),
    );
    json!({ "keys": keys }).to_string()
}

/// Key `c` with other members.
fn other(change: &Value) -> Value {
    let mut jwk = key("c").public_jwk().expect("a public half");
    for (name, value) in change.as_object().expect("an object") {
        jwk[name] = value.clone();
    }
    jwk
}

/// Sets that are taken, by the name of their row: key `b` works, key `c` does not.
fn taken() -> Vec<(&'static str, Vec<Part>)> {
    let b = among(&[]);
    let secret = json!({ "kty": "oct", "kid": "c", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMko" });
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{b}\r\n0\r\n\r\n",
        b.len()
    );
    let until_close = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{b}");
    let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let set = |others: &[Value]| vec![ok("", &among(others))];
    vec![
        ("html-by-name", vec![ok("Content-Type: text/html\r\n", &b)]),
        ("no-content-type", vec![ok("Content-Type:\r\n", &b)]),
        (
            "jwk-set-json",
            vec![ok("Content-Type: application/jwk-set+json\r\n", &b)],
        ),
        ("identity", vec![ok("Content-Encoding: identity\r\n", &b)]),
        ("chunked", vec![Part::Send(chunked.into_bytes())]),
        (
            "until-close",
            vec![Part::Send(until_close.into_bytes()), Part::Close],
        ),
        ("informational", vec![Part::Send(early.into()), ok("", &b)]),
        (
            "further-members",
            vec![ok("", &b.replacen('{', "{\"more\":{\"keys\":[]},", 1))],
        ),
        ("a-secret", set(&[secret])),
        ("a-private-half", set(&[other(&json!({ "d": "AA" }))])),
        ("for-encryption", set(&[other(&json!({ "use": "enc" }))])),
        ("key-ops", set(&[other(&json!({ "key_ops": ["encrypt"] }))])),
        ("unknown-kty", set(&[other(&json!({ "kty": "new" }))])),
        ("unknown-curve", set(&[other(&json!({ "crv": "Ed448" }))])),
        ("wrong-alg", set(&[other(&json!({ "alg": "ES256" }))])),
        ("kid-number", set(&[other(&json!({ "kid": 1 }))])),
        ("short-x", set(&[other(&json!({ "x": "AA" }))])),
        (
            "not-objects",
            set(&[json!(null), json!(1), json!([]), json!("c")]),
        ),
        (
            "duplicate-kids",
            set(&[other(&json!({})), {
                let mut twin = key("d").public_jwk().expect("a public half");
                twin["kid"] = "c".into();
                twin
            }]),
        ),
        (
            "the-same-twice",
            set(&[key("b").public_jwk().expect("a public half")]),
        ),
    ]
}

#[test]
fn what_can_be_used_of_a_set_is_used_and_the_rest_named() {
    let upstream = Upstream::start();
    let rows = taken();
    let providers: Vec<Provider> = rows.iter().map(|_| Provider::start(&[key("a")])).collect();
    let world = rows
        .iter()
        .zip(&providers)
        .fold(World::new(), |world, (row, provider)| {
            world.jwks(row.0, provider)
        });
    let gateway = world.start(&upstream);
    for ((name, parts), provider) in rows.iter().zip(&providers) {
        wait_for(&gateway, name, "a");
        provider.serve(JWKS, parts.clone());
    }
    gateway.advance(INTERVAL);
    for (name, _) in &rows {
        wait_for(&gateway, name, "b");
        for kid in ["a", "c"] {
            assert_eq!(outcome(&gateway, name, kid), unknown(), "{name}: {kid}");
        }
        assert_eq!(last_error(&gateway, name), "", "{name}");
    }
    assert_secret_is_no_key(&gateway);
    let status = gateway.admin("/status").json();
    let skipped = |name: &str| {
        let issuers = status["issuers"].as_array().expect("a list");
        let issuer = issuers.iter().find(|issuer| issuer["name"] == name);
        issuer.expect("an issuer")["skipped"].to_string()
    };
    for (name, says) in [
        ("a-secret", "secret"),
        ("a-private-half", "private half"),
        ("for-encryption", "use is not sig"),
        ("unknown-kty", "unknown kty"),
        ("duplicate-kids", "c"),
        ("not-objects", "not an object"),
    ] {
        assert!(skipped(name).contains(says), "{name}: {}", skipped(name));
    }
}

/// A token of HS256 by the published secret, and by the text of the public key.
fn assert_secret_is_no_key(gateway: &TestGateway) {
    let public = key("b").public_jwk().expect("a public half").to_string();
    for secret in [&b"AyM1SysPpbyDfgZld3umj1qzKObwVMko"[..], public.as_bytes()] {
        for kid in ["b", "c"] {
            let secret = Secret::new(secret.to_vec());
            let hmac = SigningKey::from_secret(&secret, Algorithm::Hs256).expect("a key");
            let token = token_as(&iss("a-secret"), &hmac.with_kid(kid));
            let found = outcome_of(&mut gateway.connect(), "a-secret", &token);
            assert_eq!(found, (401, "unsupported_algorithm".to_owned()));
        }
    }
}

/// What is odd about the first source of `corp`.
fn warnings(gateway: &TestGateway) -> String {
    source(gateway, "corp")["warnings"].to_string()
}

#[test]
fn a_set_smaller_than_half_is_taken_and_said() {
    let upstream = Upstream::start();
    let all = ["a", "b", "c", "d", "e"].map(key);
    let provider = Provider::start(&all);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "e");
    assert_eq!(warnings(&gateway), "[]");
    provider.publish(&all[..3]);
    gateway.advance(INTERVAL);
    wait_until("e is gone", || outcome(&gateway, "corp", "e") == unknown());
    assert_eq!(warnings(&gateway), "[]", "three of five");
    provider.publish(&all[..1]);
    gateway.advance(INTERVAL);
    wait_until("c is gone", || outcome(&gateway, "corp", "c") == unknown());
    assert_eq!(outcome(&gateway, "corp", "a"), admitted());
    assert_ne!(warnings(&gateway), "[]", "one of three");
}

#[test]
fn a_provider_that_flips_between_two_sets_is_followed_and_said() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[key("a"), key("b")]);
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    let sets = [set_of(&[key("a"), key("c")]), set_of(&[key("a"), key("b")])];
    provider.script(JWKS, move |asked| {
        vec![ok("", &sets[(asked.before + 1) % 2])]
    });
    for turn in 0..6 {
        let (there, gone) = if turn % 2 == 0 {
            ("c", "b")
        } else {
            ("b", "c")
        };
        gateway.advance(INTERVAL);
        wait_for(&gateway, "corp", there);
        assert_eq!(outcome(&gateway, "corp", gone), unknown(), "turn {turn}");
        assert_eq!(outcome(&gateway, "corp", "a"), admitted(), "turn {turn}");
    }
    assert!(
        warnings(&gateway).contains("alternat"),
        "{}",
        warnings(&gateway)
    );
    // An unknown kid finds the other set within a gap, too: what was asked for just now waits for it.
    let fetches = provider.fetches(JWKS);
    assert_eq!(outcome(&gateway, "corp", "c"), unknown());
    gateway.advance(GAP);
    wait_for(&gateway, "corp", "c");
    assert_eq!(provider.fetches(JWKS), fetches + 1);
}

#[test]
fn a_provider_with_entity_tags_sends_its_set_once() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[]);
    provider.publish_tagged(&[key("a")], "\"one\"");
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    for turn in 1..=3_u8 {
        gateway.advance(INTERVAL);
        wait_for_fetches(&gateway, "corp", "not_modified", f64::from(turn));
        assert_eq!(outcome(&gateway, "corp", "a"), admitted());
    }
    assert!((fetched(&gateway, "corp", "new") - 1.0).abs() < 0.5);
    let asked = provider.asked(JWKS);
    let tags: Vec<_> = asked
        .iter()
        .map(|asked| asked.field("if-none-match"))
        .collect();
    assert_eq!(
        tags,
        [None, Some("\"one\""), Some("\"one\""), Some("\"one\"")]
    );
    provider.publish_tagged(&[key("b")], "\"two\"");
    gateway.advance(INTERVAL);
    wait_for(&gateway, "corp", "b");
    assert_eq!(outcome(&gateway, "corp", "a"), unknown());
    gateway.advance(INTERVAL);
    wait_for_fetches(&gateway, "corp", "not_modified", 4.0);
    let last = provider.asked(JWKS).pop().expect("a request");
    assert_eq!(last.field("if-none-match"), Some("\"two\""));
}

#[test]
fn a_set_that_is_confirmed_by_304_does_not_get_old() {
    let upstream = Upstream::start();
    let provider = Provider::start(&[]);
    provider.publish_tagged(&[key("a")], "\"one\"");
    let gateway = World::new().jwks("corp", &provider).start(&upstream);
    wait_for(&gateway, "corp", "a");
    for turn in 1..=6_u8 {
        // A day and a half in all.
        gateway.advance(6 * 3600);
        wait_for_fetches(&gateway, "corp", "not_modified", f64::from(turn));
        assert_eq!(outcome(&gateway, "corp", "a"), admitted());
    }
}

/// (what the provider says, seconds until the next fetch at most and at least, without jitter)
const CACHE_CONTROL: [(&str, &str, i64); 8] = [
    ("nothing", "", 300),
    ("shorter", "Cache-Control: public, max-age=100\r\n", 100),
    ("longer", "Cache-Control: max-age=86400\r\n", 300),
    ("floor", "Cache-Control: max-age=1\r\n", 30),
    ("no-store", "Cache-Control: no-store\r\n", 30),
    ("no-cache", "Cache-Control: No-Cache\r\n", 30),
    ("age", "Cache-Control: max-age=200\r\nAge: 100\r\n", 100),
    ("shared", "Cache-Control: s-maxage=60\r\n", 300),
];

#[test]
fn cache_control_can_only_shorten_the_interval() {
    let upstream = Upstream::start();
    let providers: Vec<Provider> = CACHE_CONTROL
        .iter()
        .map(|(_, fields, _)| {
            let provider = Provider::start(&[]);
            provider.serve(JWKS, vec![ok(fields, &set_of(&[key("a")]))]);
            provider
        })
        .collect();
    let world = CACHE_CONTROL
        .iter()
        .zip(&providers)
        .fold(World::new(), |world, (row, provider)| {
            world.jwks(row.0, provider)
        });
    let gateway = world.start(&upstream);
    for (name, _, seconds) in CACHE_CONTROL {
        // Keys are in force a little before the fetch that brought them has ended.
        wait_for_fetches(&gateway, name, "", 1.0);
        wait_until(&format!("{name} is fetched again some time"), || {
            source(&gateway, name)["next_attempt"].is_string()
        });
        let next = source(&gateway, name)["next_attempt"].clone();
        let next: jiff::Timestamp = next.as_str().expect("a time").parse().expect("a time");
        let after = next.as_second() - gateway.now();
        // Up to a tenth sooner, never later.
        let range = seconds * 9 / 10 - 1..=seconds;
        assert!(range.contains(&after), "{name}: {after} s, not {range:?}");
    }
    // And that is when it comes.
    gateway.advance(30);
    for (name, provider) in CACHE_CONTROL.iter().zip(&providers) {
        let due = name.2 == 30;
        if due {
            wait_for_fetches(&gateway, name.0, "", 2.0);
        }
        assert_eq!(provider.fetches(JWKS), 1 + usize::from(due), "{}", name.0);
    }
}
