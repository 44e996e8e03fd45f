use aws_lc_rs::hmac;
use serde_json::{Value as Json, json};

use crate::jwt::{Algorithm, AlgorithmSet, AudienceMatch, KeySet, VerifyingKey, base64url};
use crate::secret::Secret;

use super::*;

const NOW: i64 = 1_000_000;
const SECRET: [u8; 32] = [7; 32];
const CLIENT: &str = "portcullis";

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(seconds)
}

fn issuer(name: &str) -> Arc<Issuer> {
    let algorithms = AlgorithmSet::from_iter([Algorithm::Hs256]);
    let key = VerifyingKey::from_secret(&Secret::new(SECRET.to_vec()), algorithms).unwrap();
    let (keys, _) = KeySet::new(vec![key.with_kid("k")], algorithms);
    Arc::new(Issuer {
        name: name.into(),
        policy: Arc::new(IssuerPolicy {
            issuer: format!("https://{name}.example").into(),
            audiences: vec!["api".into()],
            audience_match: AudienceMatch::Any,
            audience_claim: "aud".into(),
            algorithms,
            leeway: Duration::from_secs(30),
            require: vec!["sub".into(), "email".into()],
            token_types: vec!["at+jwt".into(), "jwt".into()],
            max_lifetime: None,
            accept_cnf: false,
        }),
        keys,
    })
}

fn header() -> Json {
    json!({"alg": "HS256", "kid": "k", "typ": "logout+jwt"})
}

fn claims() -> Json {
    json!({
        "iss": "https://corp.example", "aud": CLIENT, "iat": NOW - 1, "exp": NOW + 120, "jti": "j1",
        "sub": "alice", "sid": "s1", "events": {EVENT: {}},
    })
}

/// `base` with the members of `changes`; `null` removes one.
fn with(mut base: Json, changes: &Json) -> Json {
    let members = base.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    base
}

fn signed_text(header: &Json, claims: &str) -> String {
    let header = base64url::encode(header.to_string().as_bytes());
    let input = format!("{header}.{}", base64url::encode(claims.as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &SECRET);
    let tag = hmac::sign(&key, input.as_bytes());
    format!("{input}.{}", base64url::encode(tag.as_ref()))
}

fn signed(header: &Json, claims: &Json) -> String {
    signed_text(header, &claims.to_string())
}

/// As the endpoint of the second of two issuers sees it.
fn verify(token: &str) -> Result<LogoutToken, LogoutTokenError> {
    let issuers = [issuer("other"), issuer("corp")];
    LogoutToken::verify(token.as_bytes(), &issuers, 1, CLIENT, at(NOW))
}

fn verify_with(changes: &Json) -> Result<LogoutToken, LogoutTokenError> {
    verify(&signed(&header(), &with(claims(), changes)))
}

#[test]
fn a_good_token_says_what_has_ended() {
    let session = LoggedOut::Session("s1".into());
    assert_eq!(
        verify_with(&json!({})),
        Ok(LogoutToken {
            jti: "j1".into(),
            subject: session.clone(),
            issued_at: at(NOW - 1),
            over: at(NOW - 1 + 330),
        })
    );
    for (changes, subject) in [
        (json!({"sub": null}), session.clone()),
        (json!({"sid": null}), LoggedOut::Subject("alice".into())),
        // What older providers leave out, and what nobody has to know.
        (json!({"exp": null}), session.clone()),
        (json!({"aud": ["x", CLIENT]}), session.clone()),
        (json!({"trace_id": [1], "email": "a@b"}), session.clone()),
        (
            json!({"events": {EVENT: {"reason": 1}, "https://x.example/e": {}}}),
            session.clone(),
        ),
        (json!({"iat": NOW - 329}), session.clone()),
        (json!({"iat": NOW + 30}), session.clone()),
        (json!({"exp": NOW - 29}), session.clone()),
    ] {
        let found = verify_with(&changes).map(|token| token.subject);
        assert_eq!(found, Ok(subject), "{changes}");
    }
}

#[test]
fn a_type_of_its_own_or_none() {
    let wrong = Err(TokenError::WrongType("typ").into());
    for (typ, good) in [
        (json!("logout+jwt"), true),
        (json!("application/Logout+JWT"), true),
        (json!("JWT"), true),
        (json!(null), true),
        (json!("at+jwt"), false),
        (json!("secevent+jwt"), false),
        (json!("dpop+jwt"), false),
        (json!(""), false),
    ] {
        let header = with(header(), &json!({"typ": typ}));
        let found = verify(&signed(&header, &claims())).map(drop);
        assert_eq!(found, if good { Ok(()) } else { wrong.clone() }, "{typ}");
    }
}

#[test]
fn what_is_no_logout_token_is_refused() {
    use LogoutTokenError as Error;
    let missing = |claim: &str| Error::Token(TokenError::MissingClaim(claim.into()));
    for (changes, error) in [
        (
            json!({"iss": "https://other.example"}),
            TokenError::WrongIssuer.into(),
        ),
        (json!({"iss": null}), TokenError::WrongIssuer.into()),
        (json!({"aud": "api"}), TokenError::WrongAudience.into()),
        (
            json!({"aud": [CLIENT, 1]}),
            TokenError::Malformed("aud is neither a string nor strings").into(),
        ),
        (json!({"aud": []}), TokenError::WrongAudience.into()),
        (json!({"aud": null}), TokenError::WrongAudience.into()),
        (
            json!({"aud": "Portcullis"}),
            TokenError::WrongAudience.into(),
        ),
        (json!({"iat": null}), missing("iat")),
        (json!({"iat": NOW - 330}), Error::TooOld(at(NOW - 330))),
        (json!({"jti": null}), missing("jti")),
        (json!({"jti": ""}), Error::NoName("jti")),
        (json!({"jti": "x".repeat(1025)}), Error::NoName("jti")),
        (json!({"sub": null, "sid": null}), Error::Nobody),
        (json!({"sid": 7}), Error::NoName("sid")),
        (json!({"sid": ""}), Error::NoName("sid")),
        (json!({"sub": "", "sid": null}), Error::NoName("sub")),
        (json!({"sid": "x".repeat(1025)}), Error::NoName("sid")),
        (json!({"events": null}), Error::Event),
        (json!({"events": {}}), Error::Event),
        (json!({"events": EVENT}), Error::Event),
        (json!({"events": [EVENT]}), Error::Event),
        (json!({"events": {EVENT: true}}), Error::Event),
        (json!({"events": {EVENT: []}}), Error::Event),
        (
            json!({"events": {"http://schemas.openid.net/event/backchannel-Logout": {}}}),
            Error::Event,
        ),
        (json!({"nonce": "n"}), Error::Nonce),
        (json!({"nonce": 0}), Error::Nonce),
    ] {
        let found = verify_with(&changes);
        match (&found, &error) {
            // Which word it is does not matter here.
            (
                Err(Error::Token(TokenError::Malformed(_))),
                Error::Token(TokenError::Malformed(_)),
            ) => {}
            _ => assert_eq!(found, Err(error), "{changes}"),
        }
    }
    // `null` is there, too.
    let with_null = claims().to_string().replacen('{', "{\"nonce\":null,", 1);
    assert_eq!(
        verify(&signed_text(&header(), &with_null)),
        Err(Error::Nonce)
    );
    let twice = claims().to_string().replacen('{', "{\"sid\":\"s2\",", 1);
    assert!(verify(&signed_text(&header(), &twice)).is_err());
}

#[test]
fn times_are_those_of_any_token() {
    for (changes, good) in [
        (json!({"exp": NOW - 30}), false),
        (json!({"iat": NOW + 31}), false),
        (json!({"nbf": NOW + 31}), false),
        (json!({"nbf": NOW + 30}), true),
    ] {
        assert_eq!(verify_with(&changes).is_ok(), good, "{changes}");
    }
}

#[test]
fn the_signature_is_the_issuers_or_nobodys() {
    let good = signed(&header(), &claims());
    let (input, signature) = good.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{input}.{other}{}", &signature[1..]);
    let bad = TokenError::BadSignature;
    assert_eq!(verify(&forged), Err(bad.into()));
    for (changes, error) in [
        (json!({"alg": "none"}), TokenError::UnsupportedAlgorithm),
        (json!({"alg": "RS256"}), TokenError::UnsupportedAlgorithm),
        (json!({"kid": "other"}), TokenError::UnknownKey),
        (json!({"crit": ["x"]}), TokenError::CriticalHeader),
    ] {
        let token = signed(&with(header(), &changes), &claims());
        assert_eq!(verify(&token), Err(error.into()), "{changes}");
    }
    for token in [
        "",
        "a",
        "a.b.c",
        &format!("{input}."),
        &format!("{good}.x"),
        &format!(" {good}"),
    ] {
        assert!(verify(token).is_err(), "{token:?}");
    }
}

#[test]
fn an_access_token_and_an_id_token_are_none() {
    let access = json!({"events": null, "aud": CLIENT, "scope": "a"});
    assert_eq!(verify_with(&access), Err(LogoutTokenError::Event));
    let id = json!({"events": null, "nonce": "n", "at_hash": "h"});
    assert_eq!(verify_with(&id), Err(LogoutTokenError::Event));
}
