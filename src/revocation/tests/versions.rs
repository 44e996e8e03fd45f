//! What a version says, and what does not change it.

use super::*;

fn check(
    set: &RevocationSet,
    jti: &str,
    seen: Option<RevocationVersion>,
) -> Result<RevocationVersion, Revoked> {
    let claims = claims(&format!(r#"{{"jti":"{jti}"}}"#));
    let facts = TokenFacts {
        issuer: ISSUER,
        kid: None,
        claims: &claims,
    };
    set.check(&facts, seen)
}

#[test]
fn an_empty_set_refuses_nothing() {
    for set in [RevocationSet::empty(), RevocationSet::default()] {
        assert!(set.is_empty());
        let other = RevocationWriter::new().unwrap().publish().version();
        for seen in [None, Some(set.version()), Some(other)] {
            assert_eq!(check(&set, "a", seen), Ok(set.version()));
        }
    }
}

#[test]
fn only_an_addition_that_refuses_more_makes_a_version() {
    let mut writer = RevocationWriter::new().unwrap();
    let mut published = writer.publish().version();
    let mut changed = |writer: &RevocationWriter| {
        let version = writer.publish().version();
        std::mem::replace(&mut published, version) != version
    };
    let a = for_ever(RevocationTarget::Jti("a"));
    let until = |seconds, before| Revocation {
        until: Some(at(seconds)),
        before,
        ..a
    };
    writer.add(&until(10, Some(at(5))));
    assert!(changed(&writer));
    writer.add(&until(10, Some(at(5))));
    assert!(!changed(&writer), "it is there");
    writer.add(&until(20, Some(at(5))));
    assert!(!changed(&writer), "it lasts longer");
    writer.add(&until(10, Some(at(6))));
    assert!(changed(&writer), "it refuses more");
    assert_eq!(writer.publish().len(), 2);
    writer.expire(at(10));
    assert_eq!(writer.publish().len(), 1);
    assert!(!changed(&writer), "one expired");
    assert!(writer.remove(ISSUER, a.target));
    assert!(!writer.remove(ISSUER, a.target));
    assert!(!changed(&writer), "one was removed");
    assert!(writer.publish().is_empty());
    writer.add(&a);
    assert!(changed(&writer), "it is back");
    writer.load().finish();
    assert!(!changed(&writer), "nothing was loaded");
    writer.load().add(&for_ever(RevocationTarget::Jti("b")));
    assert!(!changed(&writer), "a load that did not end");
}

#[test]
fn what_was_clean_is_looked_at_again_for_what_is_new() {
    let mut writer = writer_with(&[for_ever(RevocationTarget::Jti("old"))]);
    let first = writer.publish();
    let seen = check(&first, "a", None).unwrap();
    // A version says of which token it was found; with this one's, the old entry is not looked for again.
    assert_eq!(check(&first, "old", Some(seen)), Ok(seen));
    writer.add(&for_ever(RevocationTarget::Jti("a")));
    let second = writer.publish();
    assert!(check(&second, "a", Some(seen)).is_err());
    assert_eq!(
        check(&first, "a", Some(seen)),
        Ok(seen),
        "the first is as it was"
    );
    // Of another writer, a number says nothing.
    let other = writer_with(&[for_ever(RevocationTarget::Jti("a"))]).publish();
    for foreign in [seen, second.version(), RevocationSet::empty().version()] {
        assert!(check(&other, "a", Some(foreign)).is_err());
    }
}

#[test]
fn a_later_seen_than_the_set_is_clean_still() {
    let mut writer = writer_with(&[for_ever(RevocationTarget::Jti("b"))]);
    let earlier = writer.publish();
    writer.add(&for_ever(RevocationTarget::Jti("c")));
    let later = check(&writer.publish(), "a", None).unwrap();
    assert_eq!(check(&earlier, "a", Some(later)), Ok(earlier.version()));
}
