//! How large a head or a trailer section is, where no parser counted its bytes.

use http::HeaderMap;
use http::request::Parts;

/// The size of a head as HTTP/2 has it (RFC 9113 §6.5.2): bytes of all names and values before compression, and 32 for
/// each field, pseudo fields included.
#[must_use]
pub fn head_bytes(parts: &Parts) -> usize {
    let uri = &parts.uri;
    let pseudo = [
        (":method", Some(parts.method.as_str())),
        (":scheme", uri.scheme_str()),
        (
            ":authority",
            uri.authority().map(http::uri::Authority::as_str),
        ),
        (
            ":path",
            uri.path_and_query().map(http::uri::PathAndQuery::as_str),
        ),
    ];
    let pseudo = pseudo
        .into_iter()
        .filter_map(|(name, value)| Some(name.len() + value?.len() + OF_EACH));
    pseudo.sum::<usize>() + field_bytes(&parts.headers)
}

/// The size of fields alone, as HTTP/2 has it: of a head without its pseudo fields, or of a trailer section.
#[must_use]
pub fn field_bytes(fields: &HeaderMap) -> usize {
    let fields = fields.iter();
    fields
        .map(|(name, value)| name.as_str().len() + value.len() + OF_EACH)
        .sum()
}

/// What an entry counts besides its bytes.
const OF_EACH: usize = 32;

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn every_line_counts_with_its_name_and_32_more() {
        let request = |fields: &[(&str, &str)]| {
            let mut request = Request::get("https://gw.test/x?y=z");
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            head_bytes(&request.body(()).unwrap().into_parts().0)
        };
        let pseudo = (7 + 3 + 32) + (7 + 5 + 32) + (10 + 7 + 32) + (5 + 6 + 32);
        assert_eq!(request(&[]), pseudo);
        assert_eq!(request(&[("a", "")]), pseudo + 33);
        assert_eq!(
            request(&[("cookie", "a=b"), ("cookie", "c=d"), ("x-y", "z")]),
            pseudo + 2 * (6 + 3 + 32) + (3 + 1 + 32)
        );
        let (parts, ()) = Request::options("*").body(()).unwrap().into_parts();
        assert_eq!(head_bytes(&parts), (7 + 7 + 32) + (5 + 1 + 32));
    }
}
