//! A token behind a subprotocol (RFC 6455 §1.9, §4.1): `Sec-WebSocket-Protocol: bearer, eyJ..`.

use http::{HeaderMap, HeaderValue, header};

use super::connection::options;

/// The name is there and one token behind it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one token behind the subprotocol")]
pub struct SubprotocolError;

/// The element behind `name` in the list of subprotocols, over all its lines, if `name` is there.
///
/// # Errors
/// The name stands twice, in another case or last; or the token stands twice (RFC 6455 §4.1: elements are unique).
pub fn subprotocol_token<'h>(
    headers: &'h HeaderMap,
    name: &str,
) -> Result<Option<&'h [u8]>, SubprotocolError> {
    let mut offered = options(headers, &header::SEC_WEBSOCKET_PROTOCOL);
    let is_name = |element: &&[u8]| element.eq_ignore_ascii_case(name.as_bytes());
    let Some(found) = offered.find(is_name) else {
        return Ok(None);
    };
    let token = offered.next().filter(|token| !is_name(token));
    let token = token.ok_or(SubprotocolError)?;
    if found != name.as_bytes() || offered.any(|other| is_name(&other)) {
        return Err(SubprotocolError);
    }
    let all = options(headers, &header::SEC_WEBSOCKET_PROTOCOL);
    if all.filter(|other| *other == token).count() > 1 {
        return Err(SubprotocolError);
    }
    Ok(Some(token))
}

/// Whether `name` is one of the subprotocols, in any case.
#[must_use]
pub fn offers_subprotocol(headers: &HeaderMap, name: &str) -> bool {
    options(headers, &header::SEC_WEBSOCKET_PROTOCOL)
        .any(|element| element.eq_ignore_ascii_case(name.as_bytes()))
}

/// Removes `name` and the element behind it. The others stay, in one line.
pub fn remove_subprotocol(headers: &mut HeaderMap, name: &str) {
    if !offers_subprotocol(headers, name) {
        return;
    }
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut offered = options(headers, &header::SEC_WEBSOCKET_PROTOCOL);
    while let Some(element) = offered.next() {
        if element.eq_ignore_ascii_case(name.as_bytes()) {
            offered.next();
        } else {
            kept.push(element);
        }
    }
    drop(offered);
    // Parts of a field value make a field value.
    let value = HeaderValue::from_bytes(&kept.join(&b", "[..]));
    match value {
        Ok(value) if !value.is_empty() => {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value);
        }
        Ok(_) | Err(_) => {
            headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            let value = HeaderValue::from_static(line);
            headers.append(header::SEC_WEBSOCKET_PROTOCOL, value);
        }
        headers
    }

    #[test]
    fn the_token_stands_behind_the_name_and_both_go() {
        let refused = Err(SubprotocolError);
        for (lines, expected, left) in [
            (&["bearer, a.b.c"][..], Ok(Some("a.b.c")), None),
            (&["bearer,a.b.c,chat"], Ok(Some("a.b.c")), Some("chat")),
            (
                &["chat.v1, bearer, a.b.c, x"],
                Ok(Some("a.b.c")),
                Some("chat.v1, x"),
            ),
            (
                &["chat", "bearer", " a.b.c ,, y"],
                Ok(Some("a.b.c")),
                Some("chat, y"),
            ),
            (&[], Ok(None), None),
            (&["chat, x"], Ok(None), Some("chat, x")),
            (&["bearers, x"], Ok(None), Some("bearers, x")),
            (&["bearer"], refused, None),
            (&["chat, bearer,"], refused, Some("chat")),
            (&["Bearer, a.b.c"], refused, None),
            (&["bearer, bearer, a.b.c"], refused, Some("a.b.c")),
            (&["bearer, a.b.c, bearer, d"], refused, None),
            (&["bearer, a.b.c", "BEARER, d"], refused, None),
            (&["bearer, a.b.c, a.b.c"], refused, Some("a.b.c")),
            (&["a.b.c, bearer, a.b.c"], refused, Some("a.b.c")),
        ] {
            let mut headers = of(lines);
            let found = subprotocol_token(&headers, "bearer");
            let found = found.map(|token| token.map(|token| std::str::from_utf8(token).unwrap()));
            assert_eq!(found, expected, "{lines:?}");
            remove_subprotocol(&mut headers, "bearer");
            let kept = headers.get(header::SEC_WEBSOCKET_PROTOCOL);
            assert_eq!(kept.map(|value| value.to_str().unwrap()), left, "{lines:?}");
            assert!(!offers_subprotocol(&headers, "bearer"));
        }
    }
}
