//! The origin of a request's own pages (RFC 6454).

use http::{HeaderMap, Uri, header};

/// Whether a request says that it comes from a page of the origin it is for: one `Origin` line that is its scheme and its
/// authority. Browsers write both from one URL, without the scheme's own port; `null` is nobody.
#[must_use]
pub fn is_same_origin(headers: &HeaderMap, uri: &Uri, secure: bool) -> bool {
    let mut lines = headers.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let host = || headers.get(header::HOST).map(http::HeaderValue::as_bytes);
    let authority = uri
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    let Some(authority) = authority.or_else(host).filter(|host| !host.is_empty()) else {
        return false;
    };
    let (scheme, port) = if secure {
        (&b"https://"[..], &b":443"[..])
    } else {
        (&b"http://"[..], &b":80"[..])
    };
    let authority = authority.strip_suffix(port).unwrap_or(authority);
    origin
        .as_bytes()
        .strip_prefix(scheme)
        .is_some_and(|origin| origin.eq_ignore_ascii_case(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_and_port_must_be_those_of_the_request() {
        let same = |origins: &[&str], host: &str, uri: &str, secure| {
            let mut headers = HeaderMap::new();
            for origin in origins {
                headers.append(header::ORIGIN, origin.parse().unwrap());
            }
            if !host.is_empty() {
                headers.insert(header::HOST, host.parse().unwrap());
            }
            is_same_origin(&headers, &uri.parse().unwrap(), secure)
        };
        for (origin, host, uri, secure) in [
            ("https://gw.test", "gw.test", "/", true),
            ("https://gw.test", "gw.test:443", "/", true),
            ("https://gw.test", "GW.test", "/", true),
            ("http://gw.test", "gw.test:80", "/", false),
            ("https://gw.test:8443", "gw.test:8443", "/", true),
            ("https://gw.test", "", "https://gw.test/", true),
            ("https://[::1]:8443", "[::1]:8443", "/", true),
        ] {
            assert!(same(&[origin], host, uri, secure), "{origin} {host} {uri}");
            assert!(!same(&[origin, origin], host, uri, secure), "twice");
            assert!(!same(&[origin], host, uri, !secure), "another scheme");
            assert!(!same(&[], host, uri, secure), "none");
        }
        for (origin, host) in [
            ("null", "gw.test"),
            ("", "gw.test"),
            ("https://", ""),
            ("https://evil.test", "gw.test"),
            ("https://gw.test.evil.test", "gw.test"),
            ("https://evil-gw.test", "gw.test"),
            ("https://gw.test:444", "gw.test"),
            ("https://gw.test", "gw.test:444"),
            ("https://gw.test/", "gw.test"),
            ("https://u@gw.test", "gw.test"),
            ("HTTPS://gw.test", "gw.test"),
            ("https://gw.test https://gw.test", "gw.test"),
        ] {
            assert!(!same(&[origin], host, "/", true), "{origin} {host}");
        }
    }
}
