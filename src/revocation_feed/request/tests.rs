use std::path::Path;

use super::*;
use crate::config::Environment;

const NOW: i64 = 1_800_000_000;

fn at(seconds: i64) -> UnixTime {
    UnixTime::from_seconds(seconds)
}

/// `corp` whose tokens live for an hour, and as many more of which nothing is known.
fn config(others: &[&str]) -> Config {
    let issuer = |name: &str, more: &str| {
        format!(
            "[[issuers]]\nname = \"{name}\"\nissuer = \"https://{name}.example/\"\naudiences = [\"a\"]\n\
             algorithms = [\"RS256\"]\nkeys = {{ jwks_file = \"k.json\" }}\nleeway = \"30s\"\n{more}\n"
        )
    };
    let mut text = issuer("corp", "max_lifetime = \"1h\"");
    for name in others {
        text.push_str(&issuer(name, ""));
    }
    text.push_str("[[routes]]\nname = \"r\"\npath = \"/\"\nupstream = \"http://127.0.0.1:1\"\n");
    text.push_str("issuers = [\"corp\"]\n");
    let directory = Path::new("/etc");
    let environment = Environment(std::collections::BTreeMap::default());
    crate::config::parse(&text, Path::new("g.toml"), directory, &environment).unwrap()
}

fn parse(json: &str) -> Result<RevocationRequest, RevocationRequestError> {
    RevocationRequest::from_json(json.as_bytes())
}

fn resolved(json: &str, others: &[&str]) -> Result<StoreChange, RevocationRequestError> {
    parse(json)?.resolve(&config(others), at(NOW))
}

fn revocation(json: &str, others: &[&str]) -> NewRevocation {
    match resolved(json, others) {
        Ok(StoreChange::Revoke(revocation)) => revocation,
        other => panic!("{json}: {other:?}"),
    }
}

#[test]
fn what_is_read_is_what_was_written() {
    for json in [
        r#"{"jti":"a"}"#,
        r#"{"issuer":"corp","sid":"a","before":"now"}"#,
        r#"{"sub":"ü","before":100,"until":-5}"#,
        r#"{"client":"a","remove":true}"#,
        r#"{"kid":"a"}"#,
        r#"{"all":true,"before":"now"}"#,
        r#"{"jti":"a","exp":7}"#,
    ] {
        let request = parse(json).unwrap();
        let written = request.to_json();
        assert_eq!(written, serde_json::from_str::<Json>(json).unwrap());
        assert_eq!(parse(&written.to_string()), Ok(request));
    }
}

#[test]
fn moments_are_rfc_3339_or_seconds() {
    for (text, seconds) in [
        ("5", Some(5)),
        ("-5", Some(-5)),
        ("1970-01-01T00:01:00Z", Some(60)),
        ("1970-01-01T01:01:00+01:00", Some(60)),
        // Up: nothing that was issued before is left out.
        ("1970-01-01T00:01:00.1Z", Some(61)),
        ("1970-01-01T00:01:00", None),
        ("1970-01-01", None),
        ("yesterday", None),
        ("", None),
        ("5.0", None),
    ] {
        let expected = seconds.map(|seconds| Moment::At(at(seconds)));
        assert_eq!(Moment::parse(text), expected, "{text}");
    }
    assert_eq!(Moment::parse("now"), Some(Moment::Now));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    use RevocationRequestError as Error;
    for json in ["", "[]", "null", "{", r#"{"sub":"a","sub":"b"}"#, "{} {}"] {
        assert_eq!(parse(json), Err(Error::NoObject), "{json}");
    }
    for json in [
        "{}",
        r#"{"issuer":"corp"}"#,
        r#"{"all":false}"#,
        r#"{"jti":"a","sid":"b"}"#,
        r#"{"jti":"a","all":true}"#,
    ] {
        assert_eq!(parse(json), Err(Error::NotOne), "{json}");
    }
    for (json, name) in [
        (r#"{"jti":1}"#, "jti"),
        (r#"{"sub":null}"#, "sub"),
        (r#"{"all":"true"}"#, "all"),
        (r#"{"all":true,"issuer":1}"#, "issuer"),
        (r#"{"all":true,"before":"soon"}"#, "before"),
        (r#"{"all":true,"before":1.5}"#, "before"),
        (r#"{"all":true,"until":"now"}"#, "until"),
        (r#"{"jti":"a","exp":true}"#, "exp"),
        (r#"{"all":true,"remove":1}"#, "remove"),
    ] {
        let found = parse(json);
        assert!(
            matches!(&found, Err(Error::Wrong { name: n, .. }) if *n == name),
            "{json}: {found:?}"
        );
    }
    assert_eq!(
        parse(r#"{"sub":"a","iss":"b"}"#),
        Err(Error::Unknown("iss".into()))
    );
    assert_eq!(parse(r#"{"sub":""}"#), Err(Error::Empty("sub")));
    assert_eq!(parse(r#"{"sub":"a","exp":1}"#), Err(Error::Exp));
}

#[test]
fn the_issuer_is_named_where_there_are_several() {
    use RevocationRequestError as Error;
    let iss = "https://corp.example/";
    assert_eq!(&*revocation(r#"{"sub":"a"}"#, &[]).issuer, iss);
    assert!(
        matches!(resolved(r#"{"sub":"a"}"#, &["b"]), Err(Error::WhichIssuer(names)) if names == "corp, b")
    );
    for issuer in ["corp", iss] {
        let json = format!(r#"{{"sub":"a","issuer":"{issuer}"}}"#);
        assert_eq!(&*revocation(&json, &["b"]).issuer, iss);
    }
    for issuer in ["Corp", "https://corp.example", "", "c"] {
        let json = format!(r#"{{"sub":"a","issuer":"{issuer}"}}"#);
        assert!(
            matches!(resolved(&json, &[]), Err(Error::NoIssuer { .. })),
            "{issuer}"
        );
    }
}

#[test]
fn what_would_refuse_nothing_is_no_revocation() {
    for (json, name) in [
        (r#"{"sub":"a","until":1800000000}"#, "until"),
        (r#"{"jti":"a","exp":1799999970}"#, "exp"),
        (r#"{"jti":"a","exp":1900000000,"until":-5}"#, "until"),
    ] {
        let over = RevocationRequestError::Over { name, now: at(NOW) };
        assert_eq!(resolved(json, &[]), Err(over), "{json}");
    }
    // What is taken back needs no moment.
    assert!(resolved(r#"{"jti":"a","exp":5,"remove":true}"#, &[]).is_ok());
}

#[test]
fn it_is_kept_for_as_long_as_a_token_may_live() {
    let max = 3600 + 30;
    for (json, before, until) in [
        (r#"{"sub":"a"}"#, None, Some(NOW + max + 30)),
        (r#"{"sub":"a","before":"now"}"#, Some(NOW), Some(NOW + max)),
        (r#"{"sub":"a","before":100}"#, Some(100), Some(100 + max)),
        (r#"{"sub":"a","until":1800000001}"#, None, Some(NOW + 1)),
        (r#"{"jti":"a","exp":1800000100}"#, None, Some(NOW + 130)),
        (r#"{"jti":"a","exp":1799999971}"#, None, Some(NOW + 1)),
        (
            r#"{"jti":"a","exp":100,"until":1800000005}"#,
            None,
            Some(NOW + 5),
        ),
        (r#"{"all":true}"#, None, Some(NOW + max + 30)),
        (r#"{"client":"a"}"#, None, Some(NOW + max + 30)),
        (r#"{"sid":"a"}"#, None, Some(NOW + max + 30)),
        (r#"{"jti":"a"}"#, None, Some(NOW + max + 30)),
        // Whoever has a key can sign with it for as long as it is believed, but not what was issued then without living longer.
        (r#"{"kid":"a"}"#, None, None),
        (r#"{"kid":"a","until":1800000005}"#, None, Some(NOW + 5)),
        (r#"{"kid":"a","before":"now"}"#, Some(NOW), Some(NOW + max)),
        (
            r#"{"kid":"a","before":"now","issuer":"b"}"#,
            Some(NOW),
            None,
        ),
        // Nothing says how long these live.
        (r#"{"sub":"a","issuer":"b"}"#, None, None),
        (
            r#"{"jti":"a","issuer":"b","exp":1800000100}"#,
            None,
            Some(NOW + 130),
        ),
    ] {
        let mut json = json.to_owned();
        if !json.contains("issuer") {
            json = json.replacen('{', "{\"issuer\":\"corp\",", 1);
        }
        let found = revocation(&json, &["b"]);
        assert_eq!((found.before, found.until), (before, until), "{json}");
    }
}

/// Dates at the end of the calendar are dates.
#[test]
fn no_date_is_too_far() {
    for date in [i64::MAX, i64::MIN, 253_402_300_800] {
        let json = format!(r#"{{"all":true,"before":{date}}}"#);
        let _ = StoreChange::Revoke(revocation(&json, &[])).report(Some(1));
        let json = format!(r#"{{"jti":"a","exp":{date}}}"#);
        let told = resolved(&json, &[]).map(|change| change.report(Some(1)));
        assert_eq!(told.is_ok(), date > NOW, "{date}");
    }
}

#[test]
fn what_was_revoked_of_an_issuer_that_is_gone_can_be_taken_back() {
    let removed = |issuer: &str| {
        resolved(
            &format!(r#"{{"kid":"k","issuer":"{issuer}","remove":true}}"#),
            &[],
        )
    };
    for (named, iss) in [
        ("corp", "https://corp.example/"),
        ("https://gone.example", "https://gone.example"),
    ] {
        let expected = StoreChange::Remove {
            issuer: iss.into(),
            kind: RevocationKind::Kid,
            value: "k".into(),
        };
        assert_eq!(removed(named), Ok(expected));
    }
    assert!(removed("gone").is_err());
}
