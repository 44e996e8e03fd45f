//! Bearer credentials (RFC 6750 §2.1, RFC 9110 §11.4).

use http::{HeaderMap, header};

/// Why there is no token to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// No `Authorization` line, nor a cookie where one would do.
    #[error("no Authorization field")]
    Absent,
    /// More than one line, or a list.
    #[error("repeated Authorization field")]
    Repeated,
    /// Another scheme, no token, or more than one word behind the scheme.
    #[error("Authorization is not Bearer credentials")]
    NotBearer,
}

/// The token of the request's Bearer credentials, as bytes of the field value.
///
/// The scheme compares without case (RFC 9110 §11.1); exactly one space stands before the token. Any word of visible
/// ASCII is one: what no token68 may hold (RFC 9110 §11.2) no JWT holds either, and a malformed token is answered as
/// a token, with 401 (RFC 6750 §3.1).
///
/// # Errors
/// As [`CredentialsError`] says.
pub fn bearer_token(headers: &HeaderMap) -> Result<&[u8], CredentialsError> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let line = lines.next().ok_or(CredentialsError::Absent)?.as_bytes();
    if lines.next().is_some() {
        return Err(CredentialsError::Repeated);
    }
    let (scheme, rest) = line
        .split_at_checked(SCHEME.len())
        .ok_or(CredentialsError::NotBearer)?;
    let token = rest
        .strip_prefix(b" ")
        .filter(|_| scheme.eq_ignore_ascii_case(SCHEME))
        .ok_or(CredentialsError::NotBearer)?;
    if is_word(token) {
        Ok(token)
    } else if token.contains(&b',') {
        Err(CredentialsError::Repeated)
    } else {
        Err(CredentialsError::NotBearer)
    }
}

/// Whether any reader would find Bearer credentials in `Authorization`: in any line, and as an element of a list.
#[must_use]
pub fn has_bearer(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::AUTHORIZATION).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|element| {
            let element = element.trim_ascii();
            element
                .split_at_checked(SCHEME.len())
                .is_some_and(|(scheme, rest)| {
                    let ends = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'-';
                    scheme.eq_ignore_ascii_case(SCHEME) && rest.first().is_none_or(ends)
                })
        })
}

const SCHEME: &[u8] = b"Bearer";

fn is_word(token: &[u8]) -> bool {
    // Without an early end, so that it is checked many bytes at once.
    !token.is_empty()
        && token
            .iter()
            .fold(true, |good, byte| good & byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn token_of(lines: &[&[u8]]) -> Result<Vec<u8>, CredentialsError> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                header::AUTHORIZATION,
                HeaderValue::from_bytes(line).unwrap(),
            );
        }
        bearer_token(&headers).map(<[u8]>::to_vec)
    }

    #[test]
    fn one_line_with_one_token() {
        for line in ["Bearer a.b-c_d", "bearer a.b-c_d", "BEARER a.b-c_d"] {
            assert_eq!(token_of(&[line.as_bytes()]), Ok(b"a.b-c_d".to_vec()));
        }
        // No compact serialization: the token's own rules refuse it.
        for word in [
            "~+/==",
            "token=\"a\"",
            "\"a\"",
            "a=b",
            "=",
            "a.{\"b\":1,\"c\":2}.d",
            "a,b",
        ] {
            let line = format!("Bearer {word}");
            assert_eq!(token_of(&[line.as_bytes()]), Ok(word.into()));
        }
    }

    #[test]
    fn no_line_is_absent() {
        assert_eq!(token_of(&[]), Err(CredentialsError::Absent));
    }

    #[test]
    fn two_lines_or_a_list_are_repeated() {
        for lines in [
            &[&b"Bearer a"[..], b"Bearer b"][..],
            &[b"Bearer a", b"Bearer a"],
            &[b"Basic dTpw", b"Bearer a"],
            &[b"Bearer a, Bearer b"],
            &[b"Bearer a,Bearer b"],
            &[b"Bearer a, b"],
        ] {
            assert_eq!(token_of(lines), Err(CredentialsError::Repeated));
        }
    }

    #[test]
    fn bearer_credentials_are_found_however_they_are_written() {
        let found = |line: &'static str| {
            let mut headers = HeaderMap::new();
            headers.append(
                header::AUTHORIZATION,
                HeaderValue::from_static("Basic eA=="),
            );
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(line));
            has_bearer(&headers)
        };
        for line in [
            "Bearer a",
            "bearer a",
            "BEARER  a",
            "Bearer",
            "Bearer\ta",
            "Bearer=a",
            "Bearer:a",
            "Basic eA==, Bearer a",
            "Basic eA==,bearer a",
            "Bearer a,b",
        ] {
            assert!(found(line), "{line}");
        }
        for line in [
            "",
            "Basic bearer",
            "BearerX a",
            "Bearer-2 a",
            "Beare",
            "Digest a=\"bearer\"",
        ] {
            assert!(!found(line), "{line}");
        }
    }

    #[test]
    fn everything_else_is_not_bearer() {
        for line in [
            &b""[..],
            b"Bearer",
            b"Bearer ",
            b"Bearer  a",
            b"Bearer\ta",
            b"Bearer \ta",
            b"Bearer a ",
            b"Bearer a b",
            b"Bearer\xa0a",
            b"Bearer a\xff",
            b"BearerX a",
            b"Beare a",
            b"Basic dTpw",
            b"Digest a",
            b"Negotiate a",
            b"a.b.c",
            b"Bearer:a",
            b" Bearer a",
        ] {
            assert_eq!(
                token_of(&[line]),
                Err(CredentialsError::NotBearer),
                "{line:?}"
            );
        }
    }
}
