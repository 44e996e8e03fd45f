use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::clock::UnixTime;
use crate::jwt::ClaimsSet;

const ISSUER: &str = "https://login.example.com/";

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(seconds)
}

fn claims(json: &str) -> ClaimsSet {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json);
    ClaimsSet::parse(encoded.as_bytes()).unwrap()
}

fn for_ever(target: RevocationTarget<'_>) -> Revocation<'_> {
    Revocation {
        issuer: ISSUER,
        target,
        before: None,
        until: None,
    }
}

fn writer_with(revocations: &[Revocation<'_>]) -> RevocationWriter {
    let mut writer = RevocationWriter::new().unwrap();
    for revocation in revocations {
        writer.add(revocation);
    }
    writer
}

/// What the set of these revocations says of a token.
fn verdict(
    revocations: &[Revocation<'_>],
    kid: Option<&str>,
    json: &str,
) -> Option<RevocationKind> {
    let claims = claims(json);
    let facts = TokenFacts {
        issuer: ISSUER,
        kid,
        claims: &claims,
    };
    let set = writer_with(revocations).publish();
    set.check(&facts, None).err().map(|revoked| revoked.kind)
}

#[test]
fn each_kind_refuses_what_it_names_and_nothing_else() {
    use RevocationKind as Kind;
    use RevocationTarget as Target;
    let token = r#"{"jti":"j","sid":"s","sub":"u","client_id":"c","azp":"z"}"#;
    for (target, kid, expected) in [
        (Target::Jti("j"), None, Some(Kind::Jti)),
        (Target::Sid("s"), None, Some(Kind::Sid)),
        (Target::Sub("u"), None, Some(Kind::Sub)),
        (Target::Client("c"), None, Some(Kind::Client)),
        (Target::Client("z"), None, Some(Kind::Client)),
        (Target::Kid("k"), Some("k"), Some(Kind::Kid)),
        (Target::All, None, Some(Kind::All)),
        // The same text elsewhere.
        (Target::Jti("s"), Some("s"), None),
        (Target::Sid("j"), Some("j"), None),
        (Target::Sub("c"), Some("c"), None),
        (Target::Client("u"), Some("u"), None),
        (Target::Kid("j"), Some("k"), None),
        (Target::Kid("k"), None, None),
        (Target::Kid(""), None, None),
        // Exactly the same text, or another one.
        (Target::Jti("J"), None, None),
        (Target::Jti(""), None, None),
        (Target::Jti("j "), None, None),
    ] {
        let found = verdict(&[for_ever(target)], kid, token);
        assert_eq!(found, expected, "{target:?} {kid:?}");
    }
}

#[test]
fn a_client_has_several_names_and_a_claim_several_types() {
    use RevocationTarget as Target;
    for (target, token, refused) in [
        (Target::Client("c"), r#"{"client_id":"c"}"#, true),
        (Target::Client("c"), r#"{"client_id":"d","azp":"c"}"#, true),
        (Target::Client("c"), r#"{"cid":"c"}"#, true),
        (Target::Client("c"), r#"{"appid":"c"}"#, true),
        (Target::Client("c"), r#"{"aud":"c","client":"c"}"#, false),
        // No type of a claim makes a token safe from being revoked.
        (Target::Sid("7"), r#"{"sid":7}"#, true),
        (Target::Sid("-7"), r#"{"sid":-7}"#, true),
        (Target::Sid("7.5"), r#"{"sid":7.5}"#, true),
        (Target::Sid("true"), r#"{"sid":true}"#, true),
        (Target::Sid("b"), r#"{"sid":["a","b"]}"#, true),
        (Target::Sid("7"), r#"{"sid":["a",7]}"#, true),
        (Target::Sid(r#"["a"]"#), r#"{"sid":[["a"]]}"#, true),
        (Target::Sid(r#"{"a":1}"#), r#"{"sid":{ "a" : 1 }}"#, true),
        (Target::Client("a"), r#"{"client_id":["b","a"]}"#, true),
        (Target::Client("7"), r#"{"azp":7}"#, true),
        (Target::Sid("c"), r#"{"sid":["a","b"]}"#, false),
        // Nothing is said.
        (Target::Sid(""), r#"{"sid":null}"#, false),
        (Target::Sid("null"), r#"{"sid":null}"#, false),
        (Target::Sid(""), r#"{"sid":[]}"#, false),
        (Target::Sid(""), r#"{"sid":""}"#, true),
        (Target::Sub(""), "{}", false),
    ] {
        let found = verdict(&[for_ever(target)], None, token);
        assert_eq!(found.is_some(), refused, "{target:?} {token}");
    }
}

#[test]
fn before_refuses_what_was_issued_then_or_earlier() {
    const LAST: i64 = u32::MAX as i64;
    for (before, iat, refused) in [
        (Some(100), "99", true),
        (Some(100), "100", true),
        (Some(100), "101", false),
        // Fractions count up.
        (Some(100), "99.5", true),
        (Some(100), "100.0", true),
        (Some(100), "100.5", false),
        (Some(100), "-1", true),
        // Before 1970 is 1970.
        (Some(0), "0", true),
        (Some(0), "1", false),
        (Some(-5), "-5", true),
        (Some(-5), "0", true),
        (Some(-5), "1", false),
        // Where 32 bits end, more is refused and not less.
        (Some(LAST - 1), "4294967294", true),
        (Some(LAST - 1), "4294967295", false),
        (Some(LAST), "9007199254740992", true),
        (Some(i64::MAX), "9007199254740992", true),
        (None, "9007199254740992", true),
        (None, "-9007199254740992", true),
    ] {
        let revocation = Revocation {
            before: before.map(at),
            ..for_ever(RevocationTarget::Sub("u"))
        };
        let token = format!(r#"{{"sub":"u","iat":{iat}}}"#);
        let found = verdict(&[revocation], None, &token);
        assert_eq!(found.is_some(), refused, "{before:?} {iat}");
    }
    // Without `iat` a token was issued at 0.
    for before in [Some(0), Some(1), Some(-1), None] {
        let revocation = Revocation {
            before: before.map(at),
            ..for_ever(RevocationTarget::All)
        };
        assert!(verdict(&[revocation], None, "{}").is_some(), "{before:?}");
    }
}

#[test]
fn an_issuer_is_only_revoked_by_its_own_name() {
    // Every split of the same bytes, and another issuer.
    for (issuer, sub) in [
        ("https://login.example.com", "/u"),
        ("https://login.example.com/u", ""),
        ("https://other.example.com/", "u"),
        ("", "u"),
    ] {
        let revocation = Revocation {
            issuer,
            ..for_ever(RevocationTarget::Sub(sub))
        };
        assert_eq!(verdict(&[revocation], None, r#"{"sub":"u"}"#), None);
    }
    let all = Revocation {
        issuer: "https://other.example.com/",
        ..for_ever(RevocationTarget::All)
    };
    assert_eq!(verdict(&[all], Some("k"), "{}"), None);
}

#[test]
fn of_several_the_narrowest_is_named() {
    let all = [
        for_ever(RevocationTarget::All),
        for_ever(RevocationTarget::Kid("k")),
        for_ever(RevocationTarget::Sub("u")),
    ];
    let found = verdict(&all, Some("k"), r#"{"sub":"u"}"#);
    assert_eq!(found, Some(RevocationKind::Sub));
}

#[test]
fn names_are_those_of_the_command_line() {
    let names = RevocationKind::ALL.map(RevocationKind::name);
    assert_eq!(names, ["jti", "sid", "sub", "client", "kid", "all"]);
    for (index, kind) in RevocationKind::ALL.into_iter().enumerate() {
        assert_eq!(usize::from(kind.code()), index);
        let target = RevocationTarget::new(kind, "v");
        assert_eq!(target.kind(), kind);
        let value = if kind == RevocationKind::All { "" } else { "v" };
        assert_eq!(target.value(), value);
    }
}

#[test]
fn a_kind_is_found_by_its_name_and_by_no_other() {
    for kind in RevocationKind::ALL {
        assert_eq!(RevocationKind::from_name(kind.name()), Some(kind));
    }
    for name in ["", "JTI", "jti ", "session", "issuer"] {
        assert_eq!(RevocationKind::from_name(name), None, "{name:?}");
    }
}

#[test]
fn a_list_is_current_until_its_moment_and_every_set_of_it_knows() {
    let current = CurrentUntil::never();
    let writer = RevocationWriter::with_current_until(current.clone()).unwrap();
    let (first, second) = (writer.publish(), writer.publish());
    let both = |now: i64| {
        assert_eq!(first.is_current(at(now)), second.is_current(at(now)));
        first.is_current(at(now))
    };
    assert!(!both(i64::MIN) && !both(0) && !both(i64::MAX));
    current.set(at(100));
    assert!(both(-1) && both(99) && !both(100) && !both(101));
    current.set_over();
    assert!(!both(0));
    current.set_for_ever();
    assert!(both(i64::MAX - 1));
}

#[test]
fn a_set_without_a_list_is_current_and_one_whose_list_is_missing_is_not() {
    assert!(RevocationSet::empty().is_current(at(1_800_000_000)));
    assert!(RevocationSet::default().is_current(at(1_800_000_000)));
    assert!(!RevocationSet::missing().is_current(at(0)));
    let writer = RevocationWriter::new().unwrap();
    assert!(writer.publish().is_current(at(1_800_000_000)));
}

#[test]
fn nothing_printed_has_the_key() {
    let writer = writer_with(&[for_ever(RevocationTarget::All)]);
    let printed = format!("{writer:?} {:?}", writer.publish());
    assert!(!printed.to_lowercase().contains("key"), "{printed}");
    assert!(!printed.contains("k0"), "{printed}");
}

mod kept;
mod model;
mod versions;
