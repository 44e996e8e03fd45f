//! The JOSE header (RFC 7515 §4).

use crate::json::{self, Object, Value};

use super::{Algorithm, TokenError, base64url};

/// The members of a JOSE header that we use. `jwk`, `jku`, `x5u`, `x5c` and their like are never read.
#[derive(Clone, Debug, PartialEq)]
pub struct JoseHeader {
    /// `alg`
    pub algorithm: Algorithm,
    /// `kid`
    pub kid: Option<Box<str>>,
    /// `typ`, as it stands.
    pub typ: Option<Box<str>>,
}

impl JoseHeader {
    /// Parses the encoded header.
    ///
    /// # Errors
    /// `Malformed` (encoding, JSON, duplicate member, ill-typed member, `zip`, `cty` of a nested JWT),
    /// `UnsupportedAlgorithm`, `CriticalHeader` (any `crit`, and `b64`: RFC 7515 §4.1.11, RFC 7797).
    pub fn parse(encoded: &[u8]) -> Result<Self, TokenError> {
        let bytes =
            base64url::decode(encoded).ok_or(TokenError::Malformed("header is not base64url"))?;
        let document = json::parse_owned(bytes)
            .map_err(|_| TokenError::Malformed("header is not JSON, or repeats a member"))?;
        let Some(members) = document.root().as_object() else {
            return Err(TokenError::Malformed("header is not an object"));
        };
        // Whatever they say: we implement no extension, so each would be one that we do not understand.
        if members.get("crit").is_some() || members.get("b64").is_some() {
            return Err(TokenError::CriticalHeader);
        }
        if members.get("zip").is_some() {
            return Err(TokenError::Malformed("zip"));
        }
        if text(members, "cty", "cty is not a string")?.is_some_and(|cty| media_type_is(cty, "jwt"))
        {
            return Err(TokenError::Malformed("a nested token"));
        }
        let algorithm = text(members, "alg", "alg is not a string")?
            .ok_or(TokenError::Malformed("header without alg"))?;
        Ok(Self {
            algorithm: Algorithm::from_name(algorithm).ok_or(TokenError::UnsupportedAlgorithm)?,
            kid: text(members, "kid", "kid is not a string")?.map(Into::into),
            typ: text(members, "typ", "typ is not a string")?.map(Into::into),
        })
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        text(&self.kid) + text(&self.typ)
    }

    /// Whether `typ` is one of `accepted` (lower case, without `application/`); absent, it counts as `jwt`.
    #[must_use]
    pub fn is_type(&self, accepted: &[Box<str>]) -> bool {
        let typ = self.typ.as_deref().unwrap_or("jwt");
        accepted.iter().any(|name| media_type_is(typ, name))
    }
}

/// A member that must be a string where it stands.
fn text<'d>(
    members: Object<'d>,
    name: &str,
    problem: &'static str,
) -> Result<Option<&'d str>, TokenError> {
    let text = |value: Value<'d>| value.as_str().ok_or(TokenError::Malformed(problem));
    members.get(name).map(text).transpose()
}

/// Compares media types as RFC 7515 §4.1.9 does: without case, `application/` may be left out.
fn media_type_is(media_type: &str, name: &str) -> bool {
    const PREFIX: &str = "application/";
    let short = match media_type.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        Some(_) | None => media_type,
    };
    short.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<JoseHeader, TokenError> {
        JoseHeader::parse(base64url::encode(json.as_bytes()).as_bytes())
    }

    #[test]
    fn what_we_use_is_read_and_the_rest_is_ignored() {
        let header =
            parse(r#" {"jku":"https://evil.example","kid":"k","jwk":{"k":1},"alg":"RS256"} "#)
                .unwrap();
        assert_eq!(header.algorithm, Algorithm::Rs256);
        assert_eq!(header.kid.as_deref(), Some("k"));
        assert_eq!(header.typ, None);
        assert_eq!(
            parse(r#"{"alg":"Ed25519","typ":"JWT","cty":"json"}"#).unwrap(),
            JoseHeader {
                algorithm: Algorithm::EdDsa,
                kid: None,
                typ: Some("JWT".into())
            }
        );
    }

    #[test]
    fn what_we_do_not_understand_is_refused() {
        for json in [
            "",
            "null",
            "[]",
            "\"x\"",
            "{}",
            "{} {}",
            r#"{"alg":null}"#,
            r#"{"alg":["RS256"]}"#,
            r#"{"ALG":"RS256"}"#,
            r#"{"alg":"RS256","alg":"RS256"}"#,
            r#"{"alg":"RS256","jwk":{"a":1,"a":2}}"#,
            r#"{"alg":"RS256","kid":1}"#,
            r#"{"alg":"RS256","kid":null}"#,
            r#"{"alg":"RS256","typ":["JWT"]}"#,
            r#"{"alg":"RS256","cty":1}"#,
            r#"{"alg":"RS256","cty":"JWT"}"#,
            r#"{"alg":"RS256","cty":"application/jwt"}"#,
            r#"{"alg":"RS256","zip":"DEF"}"#,
        ] {
            assert!(
                matches!(parse(json), Err(TokenError::Malformed(_))),
                "{json}"
            );
        }
        assert!(matches!(
            JoseHeader::parse(b"e30="),
            Err(TokenError::Malformed(_))
        ));
        for json in [
            r#"{"alg":"none"}"#,
            r#"{"alg":"rs256"}"#,
            r#"{"alg":"RS256 "}"#,
            r#"{"alg":"ES256K"}"#,
        ] {
            assert_eq!(parse(json), Err(TokenError::UnsupportedAlgorithm), "{json}");
        }
        for json in [
            r#"{"alg":"RS256","crit":["b64"]}"#,
            r#"{"alg":"RS256","crit":null}"#,
            r#"{"alg":"RS256","crit":[]}"#,
            r#"{"alg":"RS256","b64":true}"#,
            r#"{"alg":"none","b64":false}"#,
        ] {
            assert_eq!(parse(json), Err(TokenError::CriticalHeader), "{json}");
        }
    }

    #[test]
    fn types_compare_without_case_and_without_application() {
        let accepted: [Box<str>; 2] = ["at+jwt".into(), "jwt".into()];
        for (typ, is) in [
            (None, true),
            (Some("JWT"), true),
            (Some("at+jwt"), true),
            (Some("AT+JWT"), true),
            (Some("Application/at+jwt"), true),
            (Some(""), false),
            (Some("application/"), false),
            (Some("text/jwt"), false),
            (Some("application/application/jwt"), false),
            (Some("dpop+jwt"), false),
            (Some("jwt "), false),
        ] {
            let header = JoseHeader {
                algorithm: Algorithm::Rs256,
                kid: None,
                typ: typ.map(Into::into),
            };
            assert_eq!(header.is_type(&accepted), is, "{typ:?}");
        }
        let header = JoseHeader {
            algorithm: Algorithm::Rs256,
            kid: None,
            typ: None,
        };
        assert!(!header.is_type(&accepted[..1]), "an absent typ is jwt");
    }
}
