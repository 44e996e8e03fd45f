//! Cookies: lines from HTTP/2 (RFC 9113 §8.2.3), and those of the local issuer (RFC 6265 §4.2).

use http::{HeaderMap, HeaderValue, header};

/// The names of the local issuer's cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieNames {
    /// Of the one that holds the access token, which every path gets.
    pub access: &'static str,
    /// Of the one that holds the refresh token, which only the issuer gets.
    pub refresh: &'static str,
}

impl CookieNames {
    /// Over TLS. Browsers take a cookie with these prefixes from nobody else: no other host, and nobody without TLS
    /// (RFC 6265bis §4.1.3).
    pub const SECURE: Self = Self {
        access: "__Host-portcullis",
        refresh: "__Secure-portcullis-refresh",
    };

    /// Without TLS, for trying out.
    pub const PLAIN: Self = Self {
        access: "portcullis",
        refresh: "portcullis-refresh",
    };

    /// Those of an issuer whose URL is https, or is not.
    #[must_use]
    pub const fn of(secure: bool) -> Self {
        if secure { Self::SECURE } else { Self::PLAIN }
    }
}

/// A cookie of that name stands there twice: one of them is not the one that was set, and nobody can tell which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("repeated cookie")]
pub struct RepeatedCookie;

/// The value of the cookie of that name, if it is there, over all `Cookie` lines.
///
/// # Errors
/// [`RepeatedCookie`].
pub fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h [u8]>, RepeatedCookie> {
    let lines = headers.get_all(header::COOKIE).iter();
    let mut values = lines
        .flat_map(|line| crumbs(line.as_bytes()))
        .filter_map(pair)
        .filter(|(found, _)| *found == name.as_bytes())
        .map(|(_, value)| value);
    let value = values.next();
    match values.next() {
        None => Ok(value),
        Some(_) => Err(RepeatedCookie),
    }
}

/// Removes the cookies of these names. What else stands in their lines stays as it was sent.
pub fn remove_cookies(headers: &mut HeaderMap, names: &[&str]) {
    let is_ours = |crumb: &&[u8]| {
        pair(crumb).is_some_and(|(found, _)| names.iter().any(|name| found == name.as_bytes()))
    };
    let mut lines = headers.get_all(header::COOKIE).iter();
    if !lines.any(|line| crumbs(line.as_bytes()).any(|crumb| is_ours(&crumb))) {
        return;
    }
    let lines: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
    headers.remove(header::COOKIE);
    for line in lines {
        let kept: Vec<&[u8]> = crumbs(line.as_bytes())
            .filter(|crumb| !is_ours(crumb))
            .collect();
        let kept = kept.join(&b';');
        let kept = kept.trim_ascii();
        // Parts of a field value make a field value.
        if !kept.is_empty()
            && let Ok(value) = HeaderValue::from_bytes(kept)
        {
            headers.append(header::COOKIE, value);
        }
    }
}

/// The parts of a line, each with the blanks around it.
fn crumbs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b';')
}

/// Name and value, which may hold further `=`.
fn pair(crumb: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = crumb.iter().position(|byte| *byte == b'=')?;
    let (name, value) = crumb.split_at(equals);
    Some((name.trim_ascii(), value[1..].trim_ascii()))
}

/// Joins several `Cookie` lines to one with `; `: HTTP/2 clients split them, HTTP/1.1 has one line alone.
pub fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else {
        return;
    };
    let mut joined = first.as_bytes().to_vec();
    for line in std::iter::once(second).chain(lines) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(line.as_bytes());
    }
    // Field values and a separator make a field value.
    if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
        headers.insert(header::COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_static(line));
        }
        headers
    }

    fn lines(headers: &HeaderMap) -> Vec<&str> {
        let lines = headers.get_all(header::COOKIE).iter();
        lines.map(|line| line.to_str().unwrap()).collect()
    }

    #[test]
    fn crumbs_become_one_line_in_their_order() {
        for (given, expected) in [
            (&["a=1", "b=2", "c=3"][..], vec!["a=1; b=2; c=3"]),
            (&["a=1; b=2"], vec!["a=1; b=2"]),
            (&[], vec![]),
        ] {
            let mut headers = of(given);
            join_cookies(&mut headers);
            assert_eq!(lines(&headers), expected);
        }
    }

    #[test]
    fn a_cookie_is_found_once_or_not_at_all() {
        let twice = Err(RepeatedCookie);
        let absent = Ok(None);
        for (given, expected) in [
            (&["c=v"][..], Ok(Some("v"))),
            (&["a=1; c=v; b=2"], Ok(Some("v"))),
            (&["a=1;c=v;"], Ok(Some("v"))),
            (&["a=1", "c=v=w="], Ok(Some("v=w="))),
            (&[" c = v ;a"], Ok(Some("v"))),
            (&["c="], Ok(Some(""))),
            (&[], absent),
            (&["a=1"], absent),
            (&["c"], absent),
            (&["C=v"], absent),
            (&["cc=v; xc=v; c.=v"], absent),
            (&["a=c=v"], absent),
            (&["c=v; c=v"], twice),
            (&["c=v", "c=w"], twice),
            (&["c=v; c="], twice),
            (&["c=v; c =w"], twice),
        ] {
            let headers = of(given);
            let found = cookie(&headers, "c");
            let found = found.map(|value| value.map(|value| std::str::from_utf8(value).unwrap()));
            assert_eq!(found, expected, "{given:?}");
        }
    }

    #[test]
    fn removed_cookies_leave_the_others_as_they_were() {
        for (given, expected) in [
            (&["c=v"][..], vec![]),
            (&["d=v; c=v; c=w"], vec![]),
            (&["a=1; c=v; b=\"2\""], vec!["a=1; b=\"2\""]),
            (&["c=v; a=1"], vec!["a=1"]),
            (&["a=1; c=v"], vec!["a=1"]),
            (&["a=1;;  b; c=v; =x"], vec!["a=1;;  b; =x"]),
            (&["a=1", "c=v", "b=2; d=v"], vec!["a=1", "b=2"]),
            (&["a=1;  b=2;"], vec!["a=1;  b=2;"]),
            (
                &["c", "C=v", "cc=v", "a=c=v"],
                vec!["c", "C=v", "cc=v", "a=c=v"],
            ),
        ] {
            let mut headers = of(given);
            remove_cookies(&mut headers, &["c", "d"]);
            assert_eq!(lines(&headers), expected, "{given:?}");
            assert_eq!(cookie(&headers, "c"), Ok(None));
        }
    }
}
