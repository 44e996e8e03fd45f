//! Cookie lines from HTTP/2 (RFC 9113 §8.2.3).

use http::{HeaderMap, HeaderValue, header};

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

    #[test]
    fn crumbs_become_one_line_in_their_order() {
        for (lines, expected) in [
            (&["a=1", "b=2", "c=3"][..], vec!["a=1; b=2; c=3"]),
            (&["a=1; b=2"], vec!["a=1; b=2"]),
            (&[], vec![]),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, HeaderValue::from_static(line));
            }
            join_cookies(&mut headers);
            let found: Vec<_> = headers.get_all(header::COOKIE).iter().collect();
            assert_eq!(found, expected);
        }
    }
}
