//! Trailer fields (RFC 9110 §6.5.1): what may not come after the content.

use http::HeaderMap;

use super::StripSet;
use super::names::{is_reserved, is_spelling, remove_where};

/// Removes from a trailer section, of a request or a response, every claim header in any spelling, and all fields that
/// framing, routing, credentials, forwarding or the reading of the content depend on: a recipient that merges trailers
/// into the head would believe them.
pub fn strip_trailers(strip: &StripSet, trailers: &mut HeaderMap) {
    remove_where(trailers, |name| {
        strip.matches(name)
            || is_reserved(name)
            || CONTENT.iter().any(|known| is_spelling(name, known))
    });
}

/// What the content is, or which part of it.
const CONTENT: [&str; 4] = ["content-type", "content-encoding", "content-range", "range"];

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn only_harmless_trailers_pass() {
        let strip = StripSet::new(["X-User", "X-Auth-*"]);
        let mut trailers = HeaderMap::new();
        for name in [
            "x-user",
            "x_user",
            "x.auth.roles",
            "content-length",
            "transfer-encoding",
            "host",
            "authorization",
            "cookie",
            "set-cookie",
            "x-forwarded-for",
            "x_forwarded_for",
            "content-type",
            "connection",
            "via",
            "grpc-status",
            "grpc-message",
            "server-timing",
            "digest",
        ] {
            trailers.append(HeaderName::from_static(name), "1".parse().unwrap());
        }
        strip_trailers(&strip, &mut trailers);
        let mut left: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            ["digest", "grpc-message", "grpc-status", "server-timing"]
        );
    }
}
