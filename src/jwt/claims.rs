//! The claims set (RFC 7519 §4).

use crate::clock::UnixTime;
use crate::json::{self, Array, Document, JsonError, Object, Value};

use super::TokenError;
use super::compact::decode_payload;

/// A claims set whose registered claims have the right types.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimsSet {
    /// An object.
    all: Document,
    expires: Option<UnixTime>,
    not_before: Option<UnixTime>,
    issued_at: Option<UnixTime>,
    /// Whether one of [`RARE`] is there.
    has_rare: bool,
}

/// Claims that few tokens have, and that each is asked for.
const RARE: [&str; 4] = ["at_hash", "c_hash", "events", "cnf"];

impl ClaimsSet {
    /// Parses an encoded payload.
    ///
    /// # Errors
    /// `Malformed`: encoding, JSON, a duplicate member at any depth, not an object, or an ill-typed `exp`, `nbf`, `iat`,
    /// `iss`, `aud`, `sub`, `jti`. Which one is in the error's detail.
    pub fn parse(encoded: &[u8]) -> Result<Self, TokenError> {
        let bytes = decode_payload(encoded)?;
        let all = json::parse_owned(bytes).map_err(|error| {
            TokenError::Malformed(match error {
                JsonError::Syntax => "payload is not JSON",
                JsonError::DuplicateMember => "a claim stands twice",
            })
        })?;
        let Some(members) = all.root().as_object() else {
            return Err(TokenError::Malformed("payload is not an object"));
        };
        // One pass over all members: what is registered must have its type.
        let (mut expires, mut not_before, mut issued_at) = (None, None, None);
        let mut has_rare = false;
        for (name, value) in members.iter() {
            match name {
                "exp" => expires = Some(numeric_date(&value, "exp is not a date")?),
                "nbf" => not_before = Some(numeric_date(&value, "nbf is not a date")?),
                "iat" => issued_at = Some(numeric_date(&value, "iat is not a date")?),
                "iss" => check_text(&value, "iss is not a string")?,
                "sub" => check_text(&value, "sub is not a string")?,
                "jti" => check_text(&value, "jti is not a string")?,
                "aud" if texts(&value).is_none() => {
                    return Err(TokenError::Malformed("aud is not a string or strings"));
                }
                _ => has_rare |= RARE.contains(&name),
            }
        }
        Ok(Self {
            all,
            expires,
            not_before,
            issued_at,
            has_rare,
        })
    }

    /// All claims.
    ///
    /// # Panics
    /// Never: what is no object is no claims set.
    #[must_use]
    pub fn all(&self) -> Object<'_> {
        let all = self.all.root().as_object();
        all.expect("invariant: a claims set is an object")
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.all.heap_bytes()
    }

    /// A top-level claim.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        self.all().get(name)
    }

    /// Whether there is that claim, which is one of those that few tokens have: of the others nothing is looked through.
    #[must_use]
    pub(super) fn has_rare(&self, name: &'static str) -> bool {
        debug_assert!(RARE.contains(&name), "{name} is not looked for");
        self.has_rare && self.get(name).is_some()
    }

    /// A top-level claim that is a string.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// A top-level claim that is a string or an array of strings (RFC 7519 §4.1.3): all of them.
    #[must_use]
    pub fn texts(&self, name: &str) -> Option<impl Iterator<Item = &str>> {
        texts(&self.get(name)?)
    }

    /// `exp`: fractions count up, so that a whole-second clock decides alike.
    #[must_use]
    pub fn expires(&self) -> Option<UnixTime> {
        self.expires
    }

    /// `nbf`
    #[must_use]
    pub fn not_before(&self) -> Option<UnixTime> {
        self.not_before
    }

    /// `iat`
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixTime> {
        self.issued_at
    }

    /// The scopes: members of `scope` (a string, RFC 8693 §4.2) or of `scp` (a string or an array).
    ///
    /// An element of an array is one scope, whatever it holds: `"read write"` there is not two.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let scp = self.get("scp");
        words(self.get("scope").as_ref())
            .chain(words(scp.as_ref()))
            .chain(
                scp.as_ref()
                    .and_then(Value::as_array)
                    .into_iter()
                    .flat_map(strings),
            )
    }
}

/// The elements that are strings.
fn strings(elements: Array<'_>) -> impl Iterator<Item = &str> {
    elements.iter().filter_map(|element| element.as_str())
}

/// The words of a string; of anything else none.
fn words<'d>(value: Option<&Value<'d>>) -> impl Iterator<Item = &'d str> + use<'d> {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    text.split(' ').filter(|word| !word.is_empty())
}

/// The largest `NumericDate`, either way: 2⁵³, up to which a double counts every second.
const NUMERIC_DATE_MAX: i64 = 1 << 53;

/// RFC 7519 §2: seconds since the epoch, fractions allowed.
fn numeric_date(value: &Value<'_>, problem: &'static str) -> Result<UnixTime, TokenError> {
    let Value::Number(number) = value else {
        return Err(TokenError::Malformed(problem));
    };
    number
        .as_i64()
        .or_else(|| number.as_f64().and_then(whole_seconds))
        .filter(|seconds| (-NUMERIC_DATE_MAX..=NUMERIC_DATE_MAX).contains(seconds))
        .map(UnixTime::from_seconds)
        .ok_or(TokenError::Malformed(problem))
}

/// The next whole second; `None` where it would not fit.
fn whole_seconds(seconds: f64) -> Option<i64> {
    #[expect(clippy::cast_precision_loss, reason = "2⁵³ is a double")]
    const LIMIT: f64 = NUMERIC_DATE_MAX as f64;
    let seconds = seconds.ceil();
    #[expect(clippy::cast_possible_truncation, reason = "whole, and at most 2⁵³")]
    (seconds.abs() <= LIMIT).then_some(seconds as i64)
}

fn check_text(value: &Value<'_>, problem: &'static str) -> Result<(), TokenError> {
    match value.as_str() {
        Some(_) => Ok(()),
        None => Err(TokenError::Malformed(problem)),
    }
}

/// A string, or the elements of an array of nothing but strings.
pub(super) fn texts<'d>(value: &Value<'d>) -> Option<impl Iterator<Item = &'d str> + use<'d>> {
    let (single, elements) = match value {
        Value::String(text) => (Some(*text), None),
        Value::Array(elements) if elements.iter().all(|element| element.as_str().is_some()) => {
            (None, Some(*elements))
        }
        Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            return None;
        }
    };
    let elements = elements.into_iter().flat_map(strings);
    Some(single.into_iter().chain(elements))
}

#[cfg(test)]
mod tests {
    use super::super::base64url;
    use super::*;

    fn parse(json: &str) -> Result<ClaimsSet, TokenError> {
        ClaimsSet::parse(base64url::encode(json.as_bytes()).as_bytes())
    }

    #[test]
    fn registered_claims_have_their_types() {
        let claims = parse(
            r#"{"iss":"i","sub":"s","jti":"j","aud":["a","b"],"exp":10,"nbf":-3,"iat":0,"x":{"y":1}}"#,
        )
        .unwrap();
        assert_eq!(claims.expires().map(UnixTime::seconds), Some(10));
        assert_eq!(claims.not_before().map(UnixTime::seconds), Some(-3));
        assert_eq!(claims.issued_at().map(UnixTime::seconds), Some(0));
        assert_eq!(claims.text("sub"), Some("s"));
        assert_eq!(claims.text("exp"), None);
        let texts = |name| claims.texts(name).map(Iterator::collect::<Vec<_>>);
        assert_eq!(texts("exp"), None);
        assert_eq!(texts("aud"), Some(vec!["a", "b"]));
        assert_eq!(texts("iss"), Some(vec!["i"]));
        assert!(claims.get("x").is_some());
        assert_eq!(claims.all().iter().count(), 8);
        assert_eq!(parse("{}").unwrap().expires(), None);
    }

    #[test]
    fn ill_typed_claims_are_refused_not_ignored() {
        let kinds = ["null", "true", "1", "\"1\"", "[]", "[1]", "{}", "[\"a\",1]"];
        for (name, good) in [
            ("exp", &["1"][..]),
            ("nbf", &["1"]),
            ("iat", &["1"]),
            ("iss", &["\"1\""]),
            ("sub", &["\"1\""]),
            ("jti", &["\"1\""]),
            ("aud", &["\"1\"", "[]"]),
        ] {
            for kind in kinds {
                let parsed = parse(&format!("{{\"{name}\":{kind}}}"));
                if good.contains(&kind) {
                    assert!(parsed.is_ok(), "{name} {kind}");
                } else {
                    let Err(TokenError::Malformed(detail)) = parsed else {
                        panic!("{name} {kind}");
                    };
                    assert!(detail.starts_with(name), "{detail}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_a_claims_set_is_refused() {
        for json in ["", "null", "[]", "\"x\"", "{} ,", r#"{"a":{"b":1,"b":2}}"#] {
            assert!(
                matches!(parse(json), Err(TokenError::Malformed(_))),
                "{json}"
            );
        }
        for encoded in [&b"e30="[..], b"e3", b"{}"] {
            assert!(ClaimsSet::parse(encoded).is_err(), "{encoded:?}");
        }
    }

    #[test]
    fn dates_round_up_and_never_wrap() {
        for (exp, seconds) in [
            ("10.0", Some(10)),
            ("10.000001", Some(11)),
            ("-0.5", Some(0)),
            ("1e-300", Some(1)),
            ("4.1024448e9", Some(4_102_444_800)),
            ("9007199254740992", Some(1 << 53)),
            ("-9007199254740992", Some(-(1 << 53))),
            ("9007199254740993", None),
            ("-9007199254740993", None),
            ("9007199254740994.0", None),
            ("9223372036854775807", None),
            ("9223372036854775808", None),
            ("18446744073709551615", None),
            ("-9223372036854775808", None),
            ("18446744073709551616", None),
            ("-9223372036854775809", None),
            ("1e308", None),
            ("-1e308", None),
            ("1e400", None),
        ] {
            let parsed = parse(&format!("{{\"exp\":{exp}}}")).ok();
            let found = parsed.and_then(|claims| claims.expires());
            assert_eq!(found.map(UnixTime::seconds), seconds, "{exp}");
        }
    }

    #[test]
    fn scopes_come_from_scope_and_scp() {
        for (json, scopes) in [
            ("{}", &[][..]),
            (r#"{"scope":"read  write "}"#, &["read", "write"]),
            (r#"{"scope":"a\tb"}"#, &["a\tb"]),
            (r#"{"scp":"read write"}"#, &["read", "write"]),
            (
                r#"{"scp":["read","write all",1,null]}"#,
                &["read", "write all"],
            ),
            (r#"{"scope":"a","scp":["b"]}"#, &["a", "b"]),
            (r#"{"scope":["admin"]}"#, &[]),
            (r#"{"scope":{"admin":true},"scp":1}"#, &[]),
        ] {
            let claims = parse(json).unwrap();
            assert_eq!(claims.scopes().collect::<Vec<_>>(), scopes, "{json}");
        }
    }
}
