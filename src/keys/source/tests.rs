use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::config::{KeyRefresh, Keys, Place};
use crate::jwt::{Algorithm, AudienceMatch, IssuerPolicy, SigningKey};
use crate::keys::scripted::{Provider, Reply, Then, reply, rules};

use super::*;

const ISSUER: &str = "https://issuer.test";

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(1_700_000_000 + seconds)
}

fn issuer() -> Issuer {
    Issuer {
        name: "corp".into(),
        place: Place::default(),
        policy: IssuerPolicy {
            issuer: ISSUER.into(),
            audiences: vec!["api".into()],
            audience_match: AudienceMatch::Any,
            audience_claim: "aud".into(),
            algorithms: [Algorithm::EdDsa].into_iter().collect(),
            leeway: Duration::ZERO,
            require: vec![],
            token_types: vec!["jwt".into()],
            max_lifetime: None,
            accept_cnf: false,
        },
        keys: Keys::Public(Vec::new()),
        refresh: KeyRefresh::default(),
        logout: None,
    }
}

fn source(location: KeyLocation) -> RemoteSource {
    let mut source = rules();
    source.location = location;
    RemoteSource::new(&issuer(), &source).unwrap()
}

fn jwk(kid: &str) -> serde_json::Value {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let mut jwk = key.public_jwk().unwrap();
    jwk["kid"] = kid.into();
    jwk
}

fn set(keys: &[serde_json::Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn metadata(port: &str, path: &str) -> String {
    let jwks_uri = format!("http://127.0.0.1:{port}{path}");
    json!({ "issuer": ISSUER, "jwks_uri": jwks_uri }).to_string()
}

/// The port that a request was sent to.
fn port(head: &str) -> &str {
    let host = head.split("host: 127.0.0.1:").nth(1).unwrap();
    host.split("\r\n").next().unwrap()
}

/// Whether a request asks for a path.
fn asks(head: &str, path: &str) -> bool {
    head.starts_with(&format!("GET {path} "))
}

/// Metadata at `/metadata`, keys at `/keys`.
async fn provider() -> Provider {
    let keys = set(&[jwk("a"), jwk("b")]);
    Provider::http(move |head| {
        if asks(head, "/metadata") {
            reply("200 OK", metadata(port(head), "/keys").as_bytes())
        } else if asks(head, "/keys") {
            reply("200 OK\r\nETag: \"v1\"", keys.as_bytes())
        } else {
            reply("404 Not Found", b"")
        }
    })
    .await
}

#[tokio::test]
async fn a_set_at_a_url_is_fetched_and_counted() {
    let provider = Provider::http({
        let keys = set(&[jwk("a"), jwk("b"), json!({ "kty": "RSA", "use": "enc" })]);
        move |head| {
            if head.contains("if-none-match: \"v1\"\r\n") {
                (b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(), Then::Next)
            } else {
                reply("200 OK\r\nETag: \"v1\"", keys.as_bytes())
            }
        }
    })
    .await;
    let mut source = source(KeyLocation::Jwks(provider.url("/keys?tenant=secret")));
    assert_eq!(source.url(), provider.url("/keys").to_string());
    let Fetched::Document(document) = source.fetch(None, at(0)).await.unwrap() else {
        panic!("no document");
    };
    assert_eq!(document.etag.as_deref(), Some("\"v1\""));
    let again = source.fetch(Some("\"v1\""), at(1)).await.unwrap();
    assert_eq!(again, Fetched::NotModified { max_age: None });
    assert_eq!((source.keys(), source.requests()), (2, 2));
    // A source that was made anew knows the place of its entity-tag too.
    let mut source = self::source(KeyLocation::Jwks(provider.url("/keys")));
    let known = source.fetch(Some("\"v1\""), at(2)).await.unwrap();
    assert_eq!(known, Fetched::NotModified { max_age: None });
}

#[tokio::test]
async fn metadata_are_remembered_for_an_hour() {
    let provider = provider().await;
    let places = vec![provider.url("/metadata")];
    let mut source = source(KeyLocation::Discovery(places));
    assert_eq!(source.url(), provider.url("/metadata").to_string());
    let mut asked = Vec::new();
    for (seconds, expected) in [
        (0, &["/metadata", "/keys"][..]),
        (1, &["/keys"]),
        (3599, &["/keys"]),
        (3600, &["/metadata", "/keys"]),
        (7199, &["/keys"]),
        // The clock was set back.
        (3599, &["/metadata", "/keys"]),
    ] {
        source.fetch(None, at(seconds)).await.unwrap();
        asked.extend_from_slice(expected);
        assert_eq!(provider.paths(), asked, "{seconds}");
    }
    assert_eq!(source.requests(), 9);
    assert_eq!(source.url(), provider.url("/keys").to_string());
}

#[tokio::test]
async fn metadata_are_asked_for_again_when_the_keys_cannot_be_fetched() {
    let round = Arc::new(AtomicUsize::new(0));
    let provider = Provider::http({
        let (round, keys) = (Arc::clone(&round), set(&[jwk("a")]));
        move |head| {
            let moved = round.load(Ordering::Relaxed) > 0;
            match (asks(head, "/metadata"), moved) {
                (true, false) => reply("200 OK", metadata(port(head), "/old").as_bytes()),
                (true, true) => reply("200 OK", metadata(port(head), "/new").as_bytes()),
                (false, true) if asks(head, "/old") => reply("200 OK", b"<html>"),
                (false, _) => reply("200 OK", keys.as_bytes()),
            }
        }
    })
    .await;
    let mut source = source(KeyLocation::Discovery(vec![provider.url("/metadata")]));
    source.fetch(None, at(0)).await.unwrap();
    round.store(1, Ordering::Relaxed);
    let error = source.fetch(None, at(1)).await.unwrap_err();
    let url = provider.url("/old");
    let text = format!("{url}: not a JWK Set: not JSON (it looks like HTML)");
    assert_eq!(error.to_string(), text);
    source.fetch(None, at(2)).await.unwrap();
    let paths = ["/metadata", "/old", "/old", "/metadata", "/new"];
    assert_eq!(provider.paths(), paths);
}

#[tokio::test]
async fn metadata_that_are_not_new_are_asked_for_again_when_a_key_is_missing() {
    let provider = provider().await;
    let mut source = source(KeyLocation::Discovery(vec![provider.url("/metadata")]));
    let mut asked = Vec::new();
    for (seconds, expected) in [
        (0, &["/metadata", "/keys"][..]),
        (59, &["/keys"]),
        (60, &["/metadata", "/keys"]),
        // The clock was set back.
        (59, &["/metadata", "/keys"]),
    ] {
        source.doubt_place(at(seconds));
        source.fetch(None, at(seconds)).await.unwrap();
        asked.extend_from_slice(expected);
        assert_eq!(provider.paths(), asked, "{seconds}");
    }
}

#[tokio::test]
async fn an_entity_tag_is_sent_only_to_where_it_came_from() {
    let path = Arc::new(Mutex::new("/a"));
    let provider = Provider::http({
        let (path, keys) = (Arc::clone(&path), set(&[jwk("a")]));
        move |head| {
            if asks(head, "/metadata") {
                let path = *path.lock().unwrap();
                reply("200 OK", metadata(port(head), path).as_bytes())
            } else if head.contains("if-none-match") {
                (b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(), Then::Next)
            } else {
                reply("200 OK\r\nETag: \"v1\"", keys.as_bytes())
            }
        }
    })
    .await;
    let mut source = source(KeyLocation::Discovery(vec![provider.url("/metadata")]));
    for (seconds, place, modified) in [
        // It may be one from before a restart, of wherever the keys were then.
        (0, "/a", true),
        (1, "/a", false),
        (3600, "/a", false),
        (7200, "/b", true),
        (7201, "/b", false),
    ] {
        *path.lock().unwrap() = place;
        let fetched = source.fetch(Some("\"v1\""), at(seconds)).await.unwrap();
        assert_eq!(
            matches!(fetched, Fetched::Document(_)),
            modified,
            "{seconds}"
        );
    }
}

#[tokio::test]
async fn the_next_place_is_tried_after_a_404_only() {
    let provider = provider().await;
    let tried = |first: &str, second: &str| {
        let places = [first, second].map(|path| provider.url(path)).to_vec();
        source(KeyLocation::Discovery(places))
    };
    tried("/absent", "/metadata")
        .fetch(None, at(0))
        .await
        .unwrap();
    assert_eq!(provider.paths(), ["/absent", "/metadata", "/keys"]);
    let error = tried("/absent", "/none")
        .fetch(None, at(0))
        .await
        .unwrap_err();
    let urls = [provider.url("/absent"), provider.url("/none")];
    let text = format!(
        "{}, {}: there are no metadata (status 404)",
        urls[0], urls[1]
    );
    assert_eq!(error.to_string(), text);
    // A set of keys is a JSON object, but no metadata.
    let error = tried("/keys", "/metadata")
        .fetch(None, at(0))
        .await
        .unwrap_err();
    let text = format!(
        "{}: the metadata have no string \"issuer\"",
        provider.url("/keys")
    );
    assert_eq!(error.to_string(), text);

    for (head, text) in [
        ("500 Broken", "status 500 Internal Server Error"),
        ("410 Gone", "status 410 Gone"),
        ("403 Forbidden", "status 403 Forbidden"),
    ] {
        let broken = Provider::http(move |_| reply(head, b"")).await;
        let places = vec![broken.url("/first"), broken.url("/second")];
        let error = source(KeyLocation::Discovery(places))
            .fetch(None, at(0))
            .await;
        let expected = format!("{}: {text}", broken.url("/first"));
        assert_eq!(error.unwrap_err().to_string(), expected);
        assert_eq!(broken.paths(), ["/first"]);
    }
}

#[tokio::test]
async fn nothing_is_asked_for_the_keys_of_another_issuer() {
    let provider = Provider::http(|head| {
        let other = metadata(port(head), "/keys").replace(ISSUER, "https://other.test");
        reply("200 OK", other.as_bytes())
    })
    .await;
    let mut source = source(KeyLocation::Discovery(vec![provider.url("/metadata")]));
    let error = source.fetch(None, at(0)).await.unwrap_err();
    let text = format!(
        "{}: the metadata are of the issuer \"https://other.test\", but {ISSUER:?} is configured",
        provider.url("/metadata")
    );
    assert_eq!(error.to_string(), text);
    assert_eq!(provider.paths(), ["/metadata"]);
}

/// What a source says of a reply.
async fn problem(answer: Reply) -> (String, bool) {
    let provider = Provider::http(move |_| answer.clone()).await;
    let url = provider.url("/keys");
    let mut source = source(KeyLocation::Jwks(url.clone()));
    let error = source.fetch(None, at(0)).await.unwrap_err();
    let text = error.to_string();
    let text = text.strip_prefix(&format!("{url}: ")).expect("the URL");
    (text.to_owned(), error.is_unreachable())
}

#[tokio::test]
async fn a_set_that_gives_no_keys_is_never_taken() {
    let rsa = json!({ "kty": "RSA", "kid": "r", "use": "enc" });
    let secret = json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "s\u{1b}" });
    let many = set(&vec![jwk("a"); 101]);
    let not_a_set = |text: &str| format!("not a JWK Set: {text}");
    for (document, text) in [
        ("", not_a_set("not JSON (it is empty)")),
        (
            "<!DOCTYPE html><p>Sign in",
            not_a_set("not JSON (it looks like HTML)"),
        ),
        (
            "garbage",
            not_a_set("not JSON (it begins with \"garbage\")"),
        ),
        ("{\"keys\":[", not_a_set("not JSON")),
        ("{\"d\":\"secret\"}", not_a_set("no array `keys`")),
        ("{\"keys\":{}}", not_a_set("no array `keys`")),
        (
            "{\"keys\":[],\"keys\":[]}",
            not_a_set("a member stands twice"),
        ),
        ("[]", not_a_set("not an object")),
        ("{\"keys\":[]}", "no key at all".to_owned()),
        (
            &many,
            "too large: at most 1 MiB and 100 keys are read".to_owned(),
        ),
        (
            &set(&[rsa, secret]),
            "no usable key: key 0 (kid \"r\"): not usable here: use is not sig; \
             key 1 (kid \"s·\"): a secret in a set of public keys"
                .to_owned(),
        ),
    ] {
        let found = problem(reply("200 OK", document.as_bytes())).await;
        assert_eq!(found, (text, false));
    }
}

#[tokio::test]
async fn waiting_helps_against_an_outage_and_not_against_a_wrong_document() {
    for (answer, waiting_helps) in [
        (reply("500 Broken", b""), true),
        (reply("503 Unavailable", b""), true),
        (reply("429 Slower", b""), true),
        (reply("408 Slow", b""), true),
        ((Vec::new(), Then::Close), true),
        (reply("404 Not Found", b""), false),
        (reply("403 Forbidden", b""), false),
        (reply("204 No Content", b""), false),
        (reply("302 Found\r\nLocation: /", b""), false),
        (reply("200 OK\r\nContent-Encoding: br", b""), false),
        (reply("200 OK", &vec![b' '; 1 << 21]), false),
    ] {
        let text = format!("{:?}", String::from_utf8_lossy(&answer.0).get(..30));
        assert_eq!(problem(answer).await.1, waiting_helps, "{text}");
    }
    let connect = |error| SourceError::Fetch {
        url: String::new(),
        source: FetchError::Connect(Arc::new(error)),
    };
    let refused = || ConnectError::Tcp("refused".into());
    let address = std::net::IpAddr::from([169, 254, 169, 254]);
    let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
    for (error, waiting_helps) in [
        (refused(), true),
        (ConnectError::Proxy(Box::new(refused())), true),
        (ConnectError::Forbidden(address), false),
        (ConnectError::Tls(tls), false),
    ] {
        assert_eq!(connect(error).is_unreachable(), waiting_helps);
    }
}

#[tokio::test]
async fn keys_that_everyone_can_sign_with_are_told_of() {
    let mut private = jwk("p");
    private["d"] = "AAAA".into();
    let twice = [jwk("t"), jwk("t")];
    let keys = set(&[
        jwk("a"),
        private,
        json!({ "kty": "oct", "k": "c2VjcmV0" }),
        twice[0].clone(),
        twice[1].clone(),
        json!({ "kty": "RSA", "use": "enc" }),
    ]);
    let provider = Provider::http(move |_| reply("200 OK", keys.as_bytes())).await;
    let mut source = source(KeyLocation::Jwks(provider.url("/keys")));
    source.fetch(None, at(0)).await.unwrap();
    assert_eq!(source.keys(), 1);
}

#[tokio::test]
async fn a_fetch_can_run_on_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let mut source = source(KeyLocation::Jwks("http://localhost/".parse().unwrap()));
    is_send(&source.fetch(None, at(0)));
}
