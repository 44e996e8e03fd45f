//! Where a browser goes after it signed in: a path of the same origin, and nothing that any reader takes for another host.

use std::fmt;

use http::{HeaderMap, Method, Uri, Version};

use crate::headers::{PathAllow, Target};

/// Longer ones are not remembered: 2 KiB.
const MAX_BYTES: usize = 2048;

/// A path of the same origin, with its query: `/orders?page=2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReturnTo(Box<str>);

impl ReturnTo {
    /// Takes what a link said.
    ///
    /// The path must be one that is forwarded without any allowance: no empty segment (`//evil`), no backslash, no dot
    /// segment, none of these encoded, and one reading. A scheme, a host or a fragment has no place in it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| {
            byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b'"' | b'<' | b'>')
        };
        if text.len() > MAX_BYTES || !text.starts_with('/') || !text.bytes().all(plain) {
            return None;
        }
        let uri: Uri = text.parse().ok()?;
        if uri.authority().is_some() {
            return None;
        }
        let none = HeaderMap::new();
        // As a request of HTTP/1.0 it needs no Host line.
        let target = Target::parse(&Method::GET, &uri, &none, Version::HTTP_10).ok()?;
        target.permitted(PathAllow::default()).ok()?;
        target.laxest.is_none().then(|| Self(text.into()))
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_of_the_same_origin_is_kept_as_it_is() {
        for text in [
            "/",
            "/orders",
            "/orders/?page=2&next=//evil.example",
            "/a/b%20c",
            "/%C3%A9t%C3%A9",
            "/a:b@c",
            "/orders?to=https://evil.example/",
        ] {
            assert_eq!(ReturnTo::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn every_way_to_another_host_is_refused() {
        let long = format!("/{}", "a".repeat(MAX_BYTES));
        for text in [
            "",
            "orders",
            "//evil.example",
            "///evil.example",
            "////evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "\\/evil.example",
            "/\\/evil.example",
            "https://evil.example",
            "https:evil.example",
            "https:/evil.example",
            "HTTPS://evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "@evil.example",
            ".evil.example",
            "evil.example",
            "?to=x",
            "#/orders",
            "/#/orders",
            " //evil.example",
            " /orders",
            "/orders ",
            "\t//evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/\r\nLocation: //evil.example",
            "/\0/evil.example",
            "/\u{7f}",
            "/%2fevil.example",
            "/%2Fevil.example",
            "/%252fevil.example",
            "/%5cevil.example",
            "/%5Cevil.example",
            "/%09/evil.example",
            "/%0d%0aLocation:x",
            "/%00",
            "%2f%2fevil.example",
            "/.//evil.example",
            "/..//evil.example",
            "/../evil.example",
            "/.%2e//evil.example",
            "/%2e%2e/%2fevil.example",
            "/a/..//evil.example",
            "/a//evil.example",
            "/;//evil.example",
            "/é",
            "/\u{2215}evil.example",
            "/\u{3002}evil.example",
            "/<script>",
            "/\"onclick=",
            "*",
            &long,
        ] {
            assert_eq!(ReturnTo::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        /// Whatever is kept stays on the host of the page, also for a browser, which takes `\` for `/` and drops tabs and
        /// line ends.
        #[test]
        fn what_is_kept_is_a_path_for_a_browser_too(text in r"[/\\\t\n.:@%25cf#?;a-c]{0,12}") {
            if let Some(kept) = ReturnTo::parse(&text) {
                let read: String = kept.to_string().replace(['\t', '\n', '\r'], "").replace('\\', "/");
                prop_assert!(read.starts_with('/') && !read.starts_with("//"), "{read}");
                prop_assert_eq!(read, text);
            }
        }
    }
}
