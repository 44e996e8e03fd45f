//! `--bad`: tokens that no gateway admits, each wrong in one way.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::clock::UnixTime;
use crate::config::suggestion;

/// How far a time is off: a day, in seconds. No leeway and no load test reaches over it.
const A_DAY: i64 = 24 * 60 * 60;

/// All of something, in the unit of [`Share`].
pub(super) const WHOLE: u32 = 1_000_000;

/// What is wrong with a token, named after the reason that it is refused with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// Two parts instead of three.
    Malformed,
    /// `alg` is `none`.
    UnsupportedAlgorithm,
    /// `iss` is nobody's.
    WrongIssuer,
    /// A `kid` that is no key's. Keys without `kid` are tried for any: there it is a bad signature.
    UnknownKey,
    /// Since yesterday.
    Expired,
    /// From a day after its end.
    NotYetValid,
    /// Claims that are not the ones that were signed. All else holds, so that it costs a whole check of the signature:
    /// with a key of any size as much as one that another key has signed.
    Forged,
    /// A claim that only other kinds of token have.
    WrongType,
    /// Meant for someone else.
    WrongAudience,
    /// Without `exp`.
    MissingClaim,
}

impl Bad {
    /// Every kind, in the order in which a gateway checks.
    pub(super) const ALL: [Self; 10] = [
        Self::Malformed,
        Self::UnsupportedAlgorithm,
        Self::WrongIssuer,
        Self::UnknownKey,
        Self::Expired,
        Self::NotYetValid,
        Self::Forged,
        Self::WrongType,
        Self::WrongAudience,
        Self::MissingClaim,
    ];

    /// Its name on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::WrongIssuer => "wrong_issuer",
            Self::UnknownKey => "unknown_key",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Forged => "forged",
            Self::WrongType => "wrong_type",
            Self::WrongAudience => "wrong_audience",
            Self::MissingClaim => "missing_claim",
        }
    }

    /// The kind of that name; the reason of a forged token means it too.
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "bad_signature" => Some(Self::Forged),
            name => Self::ALL.into_iter().find(|kind| kind.name() == name),
        }
    }

    /// Changes the claims before they are signed: after everything that was asked for, so that nothing makes it good
    /// again.
    pub(super) fn spoil_claims(
        self,
        claims: &mut Map<String, Value>,
        audience_claim: &str,
        now: UnixTime,
    ) {
        match self {
            Self::WrongIssuer => {
                claims.insert("iss".to_owned(), json!("https://wrong-issuer.invalid/"));
            }
            Self::Expired => {
                let expired = now.seconds().saturating_sub(A_DAY);
                claims.remove("nbf");
                claims.insert("iat".to_owned(), json!(expired.saturating_sub(A_DAY)));
                claims.insert("exp".to_owned(), json!(expired));
            }
            Self::NotYetValid => {
                // After its end, so that it never comes to be valid, however long the test.
                let tomorrow = now.seconds().saturating_add(A_DAY);
                let ends = claims
                    .get("exp")
                    .and_then(Value::as_i64)
                    .unwrap_or(tomorrow);
                claims.insert("exp".to_owned(), json!(ends));
                claims.insert(
                    "nbf".to_owned(),
                    json!(ends.max(tomorrow).saturating_add(A_DAY)),
                );
            }
            Self::WrongType => {
                claims.insert("events".to_owned(), json!({}));
            }
            Self::WrongAudience => {
                claims.insert(audience_claim.to_owned(), json!("wrong-audience"));
            }
            Self::MissingClaim => {
                claims.remove("exp");
            }
            Self::Malformed | Self::UnsupportedAlgorithm | Self::UnknownKey | Self::Forged => {}
        }
    }

    /// Changes the token after it was signed.
    pub(super) fn spoil_token(self, token: String, header: &Value, claims: &Value) -> String {
        match self {
            Self::Malformed => match token.rsplit_once('.') {
                Some((input, signature)) => [input, signature].concat(),
                None => token,
            },
            Self::UnsupportedAlgorithm => with_part(&token, 0, &with_member(header, "alg", "none")),
            Self::UnknownKey => {
                let kid = changed(header, "kid", "not-");
                with_part(&token, 0, &with_member(header, "kid", &kid))
            }
            Self::Forged => {
                let jti = changed(claims, "jti", "forged-");
                with_part(&token, 1, &with_member(claims, "jti", &jti))
            }
            Self::WrongIssuer
            | Self::Expired
            | Self::NotYetValid
            | Self::WrongType
            | Self::WrongAudience
            | Self::MissingClaim => token,
        }
    }
}

/// The text of a member with something before it, and so never the same.
fn changed(object: &Value, name: &str, prefix: &str) -> String {
    match object.get(name) {
        Some(Value::String(text)) => format!("{prefix}{text}"),
        Some(other) => format!("{prefix}{other}"),
        None => prefix.to_owned(),
    }
}

fn with_member(object: &Value, name: &str, text: &str) -> Value {
    let mut object = object.clone();
    if let Value::Object(members) = &mut object {
        members.insert(name.to_owned(), json!(text));
    }
    object
}

/// The token with another header (0) or payload (1): its signature is then over something else.
fn with_part(token: &str, index: usize, json: &Value) -> String {
    let encoded = URL_SAFE_NO_PAD.encode(json.to_string());
    let part = |(place, part)| if place == index { &*encoded } else { part };
    let parts: Vec<&str> = token.split('.').enumerate().map(part).collect();
    parts.join(".")
}

/// How many of all tokens are of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// What is wrong with them.
    pub(super) kind: Bad,
    /// Of [`WHOLE`].
    pub(super) millionths: u32,
}

/// `expired=5%`
pub(super) fn share_argument(text: &str) -> Result<Share, String> {
    let (name, percentage) = text
        .split_once('=')
        .ok_or("write it as KIND=PERCENT%, as in expired=5%")?;
    let kind = Bad::from_name(name).ok_or_else(|| {
        let hint = suggestion(name, &Bad::ALL.map(Bad::name)).unwrap_or_default();
        format!("`{name}` is no kind of bad token: {hint}")
    })?;
    Ok(Share {
        kind,
        millionths: percentage_argument(percentage)?,
    })
}

/// `5%`, `0.01%`: exact, so no floating point.
fn percentage_argument(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is no percentage: write it as 5% or 0.01%");
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 4 {
        return Err(wrong());
    }
    let whole: u32 = whole.parse().map_err(|_| wrong())?;
    let fraction: u32 = format!("{fraction:0<4}").parse().map_err(|_| wrong())?;
    let millionths = whole
        .checked_mul(WHOLE / 100)
        .and_then(|whole| whole.checked_add(fraction));
    millionths
        .filter(|millionths| *millionths <= WHOLE)
        .ok_or_else(|| format!("`{text}` is more than all of them"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_kind_and_an_exact_percentage() {
        for (text, kind, millionths) in [
            ("expired=5%", Bad::Expired, 50_000),
            ("forged=0.01%", Bad::Forged, 100),
            ("bad_signature=2.5%", Bad::Forged, 25_000),
            ("malformed=0%", Bad::Malformed, 0),
            ("missing_claim=100%", Bad::MissingClaim, WHOLE),
            ("wrong_type=0.0001%", Bad::WrongType, 1),
        ] {
            assert_eq!(
                share_argument(text),
                Ok(Share { kind, millionths }),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_share_is_refused_with_the_right_form() {
        for (text, hint) in [
            ("expired", "KIND=PERCENT%"),
            ("expird=5%", "did you mean `expired`?"),
            ("late=5%", "known: `malformed`"),
            ("expired=5", "write it as 5%"),
            ("expired=-5%", "write it as 5%"),
            ("expired=+5%", "write it as 5%"),
            ("expired=%", "write it as 5%"),
            ("expired=.5%", "write it as 5%"),
            ("expired=0.00001%", "write it as 5%"),
            ("expired=100.0001%", "more than all"),
            ("expired=4294967296%", "write it as 5%"),
        ] {
            let error = share_argument(text).unwrap_err();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
