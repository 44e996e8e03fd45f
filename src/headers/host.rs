//! The Host field and `:authority` (RFC 9110 §7.2, RFC 3986 §3.2), strictly: a name, an IPv4 or an [IPv6] address, and
//! a port.

use std::net::Ipv6Addr;

/// A host, and the port if one is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HostPort<'r> {
    /// As it was sent, without the root's dot.
    pub(super) host: &'r str,
    pub(super) port: Option<u16>,
}

impl<'r> HostPort<'r> {
    /// Parses a field value or an authority.
    ///
    /// A name is letters, digits, `-`, `_` and dots between labels; percent escapes and the other characters that
    /// RFC 3986 lets a reg-name have occur only in attacks.
    pub(super) fn parse(value: &'r [u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(value).map_err(|_| "not ASCII")?;
        if text.is_empty() {
            return Err("empty");
        }
        if text.len() > MAX_BYTES {
            return Err("too long");
        }
        let (host, rest) = if text.starts_with('[') {
            let end = text.find(']').ok_or("no closing bracket")?;
            text[1..end]
                .parse::<Ipv6Addr>()
                .map_err(|_| "not an IPv6 address between the brackets")?;
            text.split_at(end + 1)
        } else {
            let colon = value.iter().position(|&byte| byte == b':');
            let (host, rest) = text.split_at(colon.unwrap_or(text.len()));
            let name = host.strip_suffix('.').unwrap_or(host);
            if !is_name(name) {
                return Err("not a host name");
            }
            (name, rest)
        };
        let port = match rest.strip_prefix(':') {
            Some(digits) => Some(parse_port(digits).ok_or("not a port")?),
            None if rest.is_empty() => None,
            None => return Err("bytes behind the address"),
        };
        Ok(Self { host, port })
    }

    /// Whether both name one authority: without case, and a missing port is the default one of the scheme.
    pub(super) fn same_authority(self, other: Self, default_port: Option<u16>) -> bool {
        self.host.eq_ignore_ascii_case(other.host)
            && self.port.or(default_port) == other.port.or(default_port)
    }
}

/// Labels with single dots between them, none of them empty.
fn is_name(name: &str) -> bool {
    let mut last = b'.';
    for byte in name.bytes() {
        let good = match byte {
            b'.' => last != b'.',
            b'-' | b'_' => true,
            _ => byte.is_ascii_alphanumeric(),
        };
        if !good {
            return false;
        }
        last = byte;
    }
    last != b'.'
}

fn parse_port(digits: &str) -> Option<u16> {
    // `parse` alone would take a sign.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// A DNS name has at most 253 characters (RFC 1035 §2.3.4); then the root's dot and a port.
const MAX_BYTES: usize = 260;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_are_taken() {
        for (value, host, port) in [
            ("gw.test", "gw.test", None),
            ("GW.Test:8443", "GW.Test", Some(8443)),
            ("gw.test.", "gw.test", None),
            ("gw.test.:80", "gw.test", Some(80)),
            ("orders_api", "orders_api", None),
            ("127.0.0.1:1", "127.0.0.1", Some(1)),
            ("[::1]", "[::1]", None),
            ("[2001:db8::1]:443", "[2001:db8::1]", Some(443)),
        ] {
            let expected = HostPort { host, port };
            assert_eq!(HostPort::parse(value.as_bytes()), Ok(expected), "{value}");
        }
    }

    #[test]
    fn hosts_that_are_refused() {
        let long = "a.".repeat(200);
        for value in [
            "",
            " ",
            "gw.test evil.test",
            "gw.test,evil.test",
            "user@gw.test",
            "gw.test/admin",
            "gw.test?x",
            "gw.test#x",
            "gw.test:-1",
            "gw.test:+1",
            "gw.test:99999999",
            "gw.test:",
            "gw.test:80:80",
            "gw.test\0",
            "gw.test%0d%0aX-User:admin",
            "http://gw.test",
            ".",
            "gw..test",
            ".gw.test",
            "gw.test..",
            "[::1",
            "::1",
            "[gw.test]",
            "[::1]x",
            "[::1%25eth0]",
            "[127.0.0.1]",
            "gw\u{e9}.test",
            "\u{1d427}",
            "gw.test\\",
            "*",
            &long,
        ] {
            assert!(HostPort::parse(value.as_bytes()).is_err(), "{value:?}");
        }
        assert!(HostPort::parse(b"gw\xff.test").is_err());
    }

    #[test]
    fn an_authority_compares_without_case_and_default_port() {
        let same = |one: &str, other: &str, default_port| {
            let parse = |value| HostPort::parse(str::as_bytes(value)).unwrap();
            HostPort::same_authority(parse(one), parse(other), default_port)
        };
        assert!(same("gw.test", "GW.test:80", Some(80)));
        assert!(same("gw.test.", "gw.test", None));
        assert!(!same("gw.test:443", "gw.test", Some(80)));
        assert!(!same("gw.test", "evil.test", Some(80)));
    }
}
