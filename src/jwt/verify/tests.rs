use aws_lc_rs::hmac;
use serde_json::{Value as Json, json};

use crate::jwt::{Algorithm, AlgorithmSet, KeySet, SigningKey, base64url};
use crate::secret::Secret;

use super::*;

const NOW: i64 = 1_000_000;
const LEEWAY: i64 = 30;
const SECRET: [u8; 32] = [7; 32];

fn policy() -> IssuerPolicy {
    IssuerPolicy {
        issuer: "https://issuer.example".into(),
        audiences: vec!["api".into(), "admin".into()],
        audience_match: AudienceMatch::Any,
        audience_claim: "aud".into(),
        algorithms: AlgorithmSet::from_iter([Algorithm::Hs256, Algorithm::EdDsa]),
        leeway: Duration::from_secs(30),
        require: Vec::new(),
        token_types: vec!["at+jwt".into(), "jwt".into()],
        max_lifetime: None,
        accept_cnf: false,
    }
}

/// An issuer with the key `k` for HS256.
fn issuer(policy: IssuerPolicy) -> Arc<Issuer> {
    let hs256 = AlgorithmSet::from_iter([Algorithm::Hs256]);
    let key = VerifyingKey::from_secret(&Secret::new(SECRET.to_vec()), hs256).unwrap();
    let (keys, _) = KeySet::new(vec![key.with_kid("k")], policy.algorithms);
    Arc::new(Issuer {
        name: "test".into(),
        policy: Arc::new(policy),
        keys,
    })
}

fn header() -> Json {
    json!({"alg": "HS256", "kid": "k"})
}

fn claims() -> Json {
    json!({"iss": "https://issuer.example", "aud": "api", "exp": NOW + 60, "sub": "alice"})
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

fn signed(header: &Json, claims: &Json) -> String {
    let part = |json: &Json| base64url::encode(json.to_string().as_bytes());
    let input = format!("{}.{}", part(header), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &SECRET);
    let tag = hmac::sign(&key, input.as_bytes());
    format!("{input}.{}", base64url::encode(tag.as_ref()))
}

/// The first check that a token fails.
fn check(token: &str, policy: IssuerPolicy) -> Option<TokenError> {
    let now = UnixTime::from_seconds(NOW);
    verify(token.as_bytes(), &[issuer(policy)], |_| true, now).err()
}

/// The same for a token with these changes to its claims.
fn check_claims(changes: &Json, policy: IssuerPolicy) -> Option<TokenError> {
    check(&signed(&header(), &with(claims(), changes)), policy)
}

/// `token` with a signature of the right length that is not the key's.
fn forged(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    format!("{input}.{other}{}", &signature[1..])
}

fn missing(claim: &str) -> TokenError {
    TokenError::MissingClaim(claim.into())
}

#[test]
fn a_good_token_is_verified() {
    let issuer = issuer(policy());
    let token = signed(&header(), &claims());
    let now = UnixTime::from_seconds(NOW);
    let verified = verify(token.as_bytes(), &[Arc::clone(&issuer)], |_| true, now).unwrap();
    assert_eq!(verified.issuer_among(&[issuer]), Some(0));
    assert_eq!(verified.claims().text("sub"), Some("alice"));
}

#[test]
fn times_are_exact_to_the_second() {
    let at = UnixTime::from_seconds;
    let expired = |exp| TokenError::Expired {
        expired: at(exp),
        now: at(NOW),
    };
    let not_yet = |claim, from| TokenError::NotYetValid {
        claim,
        from: at(from),
        now: at(NOW),
    };
    for (changes, error) in [
        (json!({"exp": NOW - LEEWAY + 1}), None),
        (json!({"exp": NOW - LEEWAY}), Some(expired(NOW - LEEWAY))),
        (json!({"exp": 999_970.5}), None),
        (json!({"exp": 0}), Some(expired(0))),
        (json!({"exp": -1}), Some(expired(-1))),
        (json!({"exp": 1_i64 << 53}), None),
        (json!({"nbf": NOW + LEEWAY}), None),
        (
            json!({"nbf": NOW + LEEWAY + 1}),
            Some(not_yet("nbf", NOW + LEEWAY + 1)),
        ),
        (
            json!({"nbf": 1_000_030.5}),
            Some(not_yet("nbf", NOW + LEEWAY + 1)),
        ),
        (json!({"iat": NOW + LEEWAY}), None),
        (
            json!({"iat": NOW + LEEWAY + 1}),
            Some(not_yet("iat", NOW + LEEWAY + 1)),
        ),
        (
            json!({"exp": NOW - LEEWAY, "nbf": NOW + LEEWAY + 1}),
            Some(expired(NOW - LEEWAY)),
        ),
        (json!({"exp": null}), Some(missing("exp"))),
    ] {
        assert_eq!(check_claims(&changes, policy()), error, "{changes}");
    }
    let mut strict = policy();
    strict.leeway = Duration::ZERO;
    assert_eq!(check_claims(&json!({"exp": NOW + 1}), strict.clone()), None);
    assert_eq!(
        check_claims(&json!({"exp": NOW}), strict),
        Some(expired(NOW))
    );
}

#[test]
fn each_check_answers_with_its_own_error() {
    let token = |header_changes: &Json, changes: &Json| {
        signed(&with(header(), header_changes), &with(claims(), changes))
    };
    let none = json!({});
    for (token, error) in [
        ("a.b".to_owned(), TokenError::Malformed("not three parts")),
        (
            token(&json!({"alg": "none"}), &none),
            TokenError::UnsupportedAlgorithm,
        ),
        // Known, but not in the issuer's list.
        (
            token(&json!({"alg": "HS384"}), &none),
            TokenError::UnsupportedAlgorithm,
        ),
        (
            token(&json!({"crit": ["exp"]}), &none),
            TokenError::CriticalHeader,
        ),
        (token(&none, &json!({"iss": null})), TokenError::WrongIssuer),
        (
            token(&none, &json!({"iss": "https://issuer.example/"})),
            TokenError::WrongIssuer,
        ),
        (
            token(&json!({"kid": "other"}), &none),
            TokenError::UnknownKey,
        ),
        // The kid is there, for another algorithm.
        (
            token(&json!({"alg": "EdDSA"}), &none),
            TokenError::UnknownKey,
        ),
        (forged(&token(&none, &none)), TokenError::BadSignature),
        (
            token(&json!({"typ": "dpop+jwt"}), &none),
            TokenError::WrongType("typ"),
        ),
        (
            token(&none, &json!({"at_hash": "x"})),
            TokenError::WrongType("at_hash"),
        ),
        (
            token(&none, &json!({"c_hash": "x"})),
            TokenError::WrongType("c_hash"),
        ),
        (
            token(&none, &json!({"events": {}})),
            TokenError::WrongType("events"),
        ),
        (
            token(&none, &json!({"aud": "other"})),
            TokenError::WrongAudience,
        ),
        (
            token(&none, &json!({"cnf": {"jkt": "x"}})),
            TokenError::SenderConstrained,
        ),
    ] {
        assert_eq!(check(&token, policy()), Some(error), "{token}");
    }
}

#[test]
fn the_order_of_the_checks_is_kept() {
    // Each row fails every check from its own on; what is answered is the first.
    let bad_from_typ = json!({"aud": "x", "iat": NOW + 1000, "cnf": {}});
    let kid = json!({"typ": "x"});
    let everything = signed(&with(header(), &kid), &with(claims(), &bad_from_typ));
    assert_eq!(
        check(&everything, policy()),
        Some(TokenError::WrongType("typ"))
    );
    assert_eq!(
        check(&forged(&everything), policy()),
        Some(TokenError::BadSignature)
    );

    let expired = with(with(claims(), &bad_from_typ), &json!({"exp": 1}));
    let expired_token = forged(&signed(&header(), &expired));
    assert!(matches!(
        check(&expired_token, policy()),
        Some(TokenError::Expired { .. })
    ));
    // The length of the signature is looked at before the times.
    assert_eq!(
        check(&expired_token[..expired_token.len() - 1], policy()),
        Some(TokenError::BadSignature)
    );
    let unknown = with(header(), &json!({"kid": "other"}));
    assert_eq!(
        check(&signed(&unknown, &expired), policy()),
        Some(TokenError::UnknownKey)
    );
    let foreign = with(expired, &json!({"iss": "x"}));
    assert_eq!(
        check(&signed(&unknown, &foreign), policy()),
        Some(TokenError::WrongIssuer)
    );

    let rest = json!({"aud": "x", "exp": null, "iat": NOW + 1000, "cnf": {}});
    assert_eq!(
        check_claims(&rest, policy()),
        Some(TokenError::WrongAudience)
    );
    let rest = json!({"exp": null, "iat": NOW + 1000, "cnf": {}});
    assert_eq!(check_claims(&rest, policy()), Some(missing("exp")));
    let rest = json!({"iat": NOW + 1000, "cnf": {}});
    assert!(matches!(
        check_claims(&rest, policy()),
        Some(TokenError::NotYetValid { claim: "iat", .. })
    ));
}

#[test]
fn without_a_verified_signature_no_claim_is_judged_but_the_times_and_the_issuer() {
    for changes in [
        json!({"aud": "other"}),
        json!({"aud": null}),
        json!({"exp": null}),
        json!({"cnf": {}}),
        json!({"at_hash": "x"}),
        json!({"iat": NOW + 1000}),
    ] {
        let token = forged(&signed(&header(), &with(claims(), &changes)));
        assert_eq!(
            check(&token, policy()),
            Some(TokenError::BadSignature),
            "{changes}"
        );
    }
}

#[test]
fn audiences_compare_exactly_and_all_may_be_asked() {
    let refused = Some(TokenError::WrongAudience);
    for (aud, any, all) in [
        (json!("api"), None, refused.clone()),
        (json!(["x", "admin"]), None, refused.clone()),
        (json!(["admin", "api", "x"]), None, None),
        (json!("API"), refused.clone(), refused.clone()),
        (json!("api admin"), refused.clone(), refused.clone()),
        (json!([]), refused.clone(), refused.clone()),
    ] {
        let changes = json!({ "aud": aud });
        assert_eq!(check_claims(&changes, policy()), any, "{aud}");
        let mut both = policy();
        both.audience_match = AudienceMatch::All;
        assert_eq!(check_claims(&changes, both), all, "{aud}");
    }
    assert_eq!(
        check_claims(&json!({"aud": null}), policy()),
        Some(missing("aud"))
    );
    for audience_match in [AudienceMatch::Any, AudienceMatch::All] {
        let mut nobody = policy();
        nobody.audiences = Vec::new();
        nobody.audience_match = audience_match;
        assert_eq!(check_claims(&json!({}), nobody), refused);
    }
}

#[test]
fn the_audience_may_stand_in_another_claim() {
    let mut cognito = policy();
    cognito.audience_claim = "client_id".into();
    for (changes, error) in [
        (json!({"client_id": "api", "aud": null}), None),
        (json!({"client_id": "x"}), Some(TokenError::WrongAudience)),
        (json!({"client_id": 1}), Some(TokenError::WrongAudience)),
        (json!({}), Some(missing("client_id"))),
    ] {
        assert_eq!(check_claims(&changes, cognito.clone()), error, "{changes}");
    }
}

#[test]
fn an_issuer_may_ask_for_more() {
    let mut more = policy();
    more.require = vec!["sub".into(), "tenant".into()];
    assert_eq!(
        check_claims(&json!({}), more.clone()),
        Some(missing("tenant"))
    );
    assert_eq!(check_claims(&json!({"tenant": 0}), more.clone()), None);
    assert_eq!(
        check_claims(&json!({"tenant": 0, "sub": null}), more.clone()),
        Some(missing("sub"))
    );
    let null = claims()
        .to_string()
        .replace("\"alice\"", "\"alice\",\"tenant\":null");
    let token = signed(&header(), &serde_json::from_str(&null).unwrap());
    assert_eq!(check(&token, more), Some(missing("tenant")));

    let mut short = policy();
    short.max_lifetime = Some(Duration::from_secs(100));
    for (iat, error) in [
        (json!(NOW - 40), None),
        (
            json!(NOW - 41),
            Some(TokenError::LifetimeTooLong { seconds: 101 }),
        ),
        (json!(null), Some(missing("iat"))),
    ] {
        assert_eq!(
            check_claims(&json!({ "iat": iat }), short.clone()),
            error,
            "{iat}"
        );
    }

    let mut bound = policy();
    bound.accept_cnf = true;
    assert_eq!(check_claims(&json!({"cnf": {}}), bound), None);
}

#[test]
fn an_issuer_without_keys_is_unavailable() {
    let mut without = Arc::into_inner(issuer(policy())).unwrap();
    without.keys = KeySet::default();
    let token = signed(&header(), &claims());
    let now = UnixTime::from_seconds(NOW);
    assert_eq!(
        verify(token.as_bytes(), &[Arc::new(without)], |_| true, now).err(),
        Some(TokenError::KeysUnavailable)
    );
}

#[test]
fn only_an_admitted_issuer_counts() {
    let mut other = policy();
    other.issuer = "https://other.example".into();
    let issuers = [issuer(other), issuer(policy())];
    let token = signed(&header(), &claims());
    let now = UnixTime::from_seconds(NOW);
    let found = verify(token.as_bytes(), &issuers, |index| index == 1, now).unwrap();
    assert_eq!(found.issuer_among(&issuers), Some(1));
    assert_eq!(
        verify(token.as_bytes(), &issuers, |index| index == 0, now).err(),
        Some(TokenError::WrongIssuer)
    );
}

#[test]
fn a_token_without_kid_needs_a_key_that_is_the_only_one() {
    let token = signed(&json!({"alg": "HS256"}), &claims());
    assert_eq!(check(&token, policy()), None);
}

#[test]
fn a_public_key_never_serves_as_a_secret() {
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let (keys, _) = KeySet::new(vec![key.verifying_key().unwrap()], policy().algorithms);
    let issuer = Arc::new(Issuer {
        name: "test".into(),
        policy: Arc::new(policy()),
        keys,
    });
    let now = UnixTime::from_seconds(NOW);
    let check = |token: &str| verify(token.as_bytes(), &[Arc::clone(&issuer)], |_| true, now).err();
    assert_eq!(check(&key.sign("at+jwt", &claims()).unwrap()), None);
    let confused = signed(&json!({"alg": "HS256", "kid": key.kid()}), &claims());
    assert_eq!(check(&confused), Some(TokenError::UnknownKey));
}

#[test]
fn what_a_verified_token_calls_its_key_is_looked_up_again() {
    let named = |kid: &str| {
        let mut issuer = Arc::into_inner(issuer(policy())).unwrap();
        let hs256 = AlgorithmSet::from_iter([Algorithm::Hs256]);
        let key = VerifyingKey::from_secret(&Secret::new(SECRET.to_vec()), hs256).unwrap();
        (issuer.keys, _) = KeySet::new(vec![key.with_kid(kid)], policy().algorithms);
        [Arc::new(issuer)]
    };
    let now = UnixTime::from_seconds(NOW);
    let before = named("k");
    let said = verify(
        signed(&header(), &claims()).as_bytes(),
        &before,
        |_| true,
        now,
    )
    .unwrap();
    let silent = signed(&json!({"alg": "HS256"}), &claims());
    let unsaid = verify(silent.as_bytes(), &before, |_| true, now).unwrap();
    for token in [&said, &unsaid] {
        assert_eq!(token.kid(), Some("k"));
        assert_eq!(token.issuer_among(&before), Some(0));
        // The same key, but who revokes it by name means another now.
        assert_eq!(token.issuer_among(&named("renamed")), None);
    }
    let renamed = verify(silent.as_bytes(), &named("renamed"), |_| true, now).unwrap();
    assert_eq!(renamed.kid(), Some("renamed"));
}
