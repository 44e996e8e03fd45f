//! Who may ask: its own Host, no foreign Origin, JSON for POST, a token off loopback.
//!
//! A web page that an operator looks at can send requests to addresses that only the operator reaches. Such a request has
//! the page's Origin, or a Host that the page's owner made point here (DNS rebinding), and cannot have JSON's content type
//! without a preflight, which nothing here answers.

use std::net::{IpAddr, SocketAddr};

use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method};

use crate::config::AdminAccess;
use crate::headers::bearer_token;
use crate::secret::Secret;

/// Why somebody may not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// The Host is not ours.
    Host,
    /// A page of another origin asks.
    Origin,
    /// No token, or not the right one.
    Token,
    /// No token is configured, and the address is one that others reach.
    Address,
    /// A POST without `Content-Type: application/json`.
    NotJson,
}

/// Whether a request that came to the address `own` may be answered.
///
/// # Errors
/// The first rule that it breaks.
pub(super) fn permits(head: &Parts, own: SocketAddr, access: &AdminAccess) -> Result<(), Denied> {
    let host = single(&head.headers, &HOST).ok_or(Denied::Host)?;
    let target = head.uri.authority().map(Authority::as_str);
    if !is_own_host(host, own.ip()) || !target.is_none_or(|target| is_own_host(target, own.ip())) {
        return Err(Denied::Host);
    }
    if head.headers.contains_key(ORIGIN) {
        let origin = single(&head.headers, &ORIGIN).ok_or(Denied::Origin)?;
        if !is_same_origin(origin, host) {
            return Err(Denied::Origin);
        }
    }
    match access {
        AdminAccess::Loopback if own.ip().to_canonical().is_loopback() => {}
        AdminAccess::Loopback => return Err(Denied::Address),
        AdminAccess::Token(token) => {
            let presented = bearer_token(&head.headers).map_err(|_| Denied::Token)?;
            if !is_token(presented, token) {
                return Err(Denied::Token);
            }
        }
    }
    if head.method == Method::POST && !is_json(&head.headers) {
        return Err(Denied::NotJson);
    }
    Ok(())
}

/// The value of a field that stands there exactly once.
fn single<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

/// Whether a Host, with or without a port, is this very address or a name of the loopback. Any other name may be made to
/// point here by whoever owns it.
fn is_own_host(host: &str, own: IpAddr) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    if authority.as_str().contains('@') {
        return false;
    }
    let name = authority.host();
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    match bare.parse::<IpAddr>() {
        Ok(address) => {
            let address = address.to_canonical();
            address.is_loopback() || address == own.to_canonical()
        }
        Err(_) => bare.eq_ignore_ascii_case("localhost"),
    }
}

/// Whether an Origin (RFC 6454 §6.1) is this server's: the listener speaks plain HTTP only.
fn is_same_origin(origin: &str, host: &str) -> bool {
    origin
        .strip_prefix("http://")
        .is_some_and(|origin| origin.eq_ignore_ascii_case(host))
}

/// Whether a token is the one. In constant time for equal lengths.
fn is_token(presented: &[u8], token: &Secret) -> bool {
    // An empty token must never open anything, even if one got into the configuration.
    !token.is_empty() && Secret::new(presented.to_vec()) == *token
}

/// Whether the body is said to be JSON; parameters of the type do not matter.
fn is_json(headers: &HeaderMap) -> bool {
    single(headers, &CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const OWN: &str = "127.0.0.1:8081";

    fn asked(method: &str, target: &str, fields: &[(&str, &str)]) -> Result<(), Denied> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        permits(&head, OWN.parse().unwrap(), &AdminAccess::Loopback)
    }

    #[test]
    fn only_its_own_address_and_loopback_names_are_hosts() {
        let own: IpAddr = "192.0.2.7".parse().unwrap();
        for (host, expected) in [
            ("192.0.2.7", true),
            ("192.0.2.7:9999", true),
            ("[::ffff:192.0.2.7]:1", true),
            ("127.0.0.1:8081", true),
            ("127.8.8.8", true),
            ("[::1]:8081", true),
            ("localhost", true),
            ("LOCALHOST:8081", true),
            ("192.0.2.8", false),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("evil.localhost.example:8081", false),
            ("127.0.0.1.evil.example", false),
            ("evil@localhost", false),
            ("localhost@evil.example", false),
            ("", false),
            ("::1", false),
            ("[::1", false),
            ("0", false),
            ("0.0.0.0", false),
            ("2130706433", false),
        ] {
            assert_eq!(is_own_host(host, own), expected, "{host:?}");
        }
    }

    #[test]
    fn a_request_has_exactly_one_host() {
        let host = ("host", OWN);
        assert_eq!(asked("GET", "/", &[host]), Ok(()));
        assert_eq!(asked("GET", "/", &[]), Err(Denied::Host));
        assert_eq!(asked("GET", "/", &[host, host]), Err(Denied::Host));
        let rebound = asked("GET", "/", &[("host", "evil.example:8081")]);
        assert_eq!(rebound, Err(Denied::Host));
        let absolute = asked("GET", "http://evil.example/", &[host]);
        assert_eq!(absolute, Err(Denied::Host));
        assert_eq!(asked("GET", "http://localhost/", &[host]), Ok(()));
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        for (origin, expected) in [
            ("http://127.0.0.1:8081", Ok(())),
            ("http://127.0.0.1", Err(Denied::Origin)),
            ("http://127.0.0.1:3000", Err(Denied::Origin)),
            ("http://localhost:8081", Err(Denied::Origin)),
            ("https://127.0.0.1:8081", Err(Denied::Origin)),
            ("http://127.0.0.1:8081.evil.example", Err(Denied::Origin)),
            ("null", Err(Denied::Origin)),
            ("", Err(Denied::Origin)),
        ] {
            let fields = [("host", OWN), ("origin", origin)];
            assert_eq!(asked("GET", "/status", &fields), expected, "{origin:?}");
        }
        let own = ("origin", "http://127.0.0.1:8081");
        let twice = asked("GET", "/", &[("host", OWN), own, own]);
        assert_eq!(twice, Err(Denied::Origin));
    }

    #[test]
    fn a_post_that_a_form_could_send_is_refused() {
        for (content_type, expected) in [
            (Some("application/json"), Ok(())),
            (Some("Application/JSON; charset=utf-8"), Ok(())),
            (Some("application/json+x"), Err(Denied::NotJson)),
            (Some("text/plain"), Err(Denied::NotJson)),
            (Some("text/plain; application/json"), Err(Denied::NotJson)),
            (
                Some("application/x-www-form-urlencoded"),
                Err(Denied::NotJson),
            ),
            (None, Err(Denied::NotJson)),
        ] {
            let mut fields = vec![("host", OWN)];
            fields.extend(content_type.map(|value| ("content-type", value)));
            assert_eq!(asked("POST", "/reload", &fields), expected);
            assert_eq!(asked("GET", "/reload", &fields), Ok(()));
        }
    }

    #[test]
    fn without_a_token_nobody_asks_from_afar() {
        let request = Request::builder().uri("/").header("host", "192.0.2.7");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let own = "192.0.2.7:8081".parse().unwrap();
        let denied = permits(&head, own, &AdminAccess::Loopback);
        assert_eq!(denied, Err(Denied::Address));
    }

    #[test]
    fn from_afar_the_token_opens_and_nothing_else_is_forgiven() {
        let access = AdminAccess::Token(Secret::new(b"correct-horse".to_vec()));
        let own = "192.0.2.7:8081".parse().unwrap();
        for (host, credentials, expected) in [
            ("192.0.2.7:8081", Some("Bearer correct-horse"), Ok(())),
            ("localhost", Some("bearer correct-horse"), Ok(())),
            ("192.0.2.7", None, Err(Denied::Token)),
            (
                "192.0.2.7",
                Some("Bearer wrong-horse---"),
                Err(Denied::Token),
            ),
            ("192.0.2.7", Some("Basic correct-horse"), Err(Denied::Token)),
            ("192.0.2.7", Some("correct-horse"), Err(Denied::Token)),
            ("evil", Some("Bearer correct-horse"), Err(Denied::Host)),
        ] {
            let mut request = Request::builder().uri("/").header("host", host);
            if let Some(credentials) = credentials {
                request = request.header("authorization", credentials);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            let found = permits(&head, own, &access);
            assert_eq!(found, expected, "{host} {credentials:?}");
        }
    }

    #[test]
    fn only_the_whole_token_opens() {
        let token = Secret::new(b"correct horse".to_vec());
        for (presented, expected) in [
            ("correct horse", true),
            ("correct hors", false),
            ("correct horse ", false),
            ("Correct horse", false),
            ("", false),
        ] {
            assert_eq!(is_token(presented.as_bytes(), &token), expected);
        }
        assert!(!is_token(b"", &Secret::new(Vec::new())));
    }
}
