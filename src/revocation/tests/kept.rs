//! A set that was written to bytes and read back.

use super::*;

fn bytes_of(writer: &RevocationWriter) -> Vec<u8> {
    let mut bytes = Vec::new();
    writer.publish().write_to(&mut bytes).unwrap();
    bytes
}

fn read(bytes: &[u8], now: i64) -> std::io::Result<RevocationWriter> {
    RevocationWriter::read_from(&mut &*bytes, CurrentUntil::for_ever(), at(now))
}

fn refuses(set: &RevocationSet, json: &str) -> bool {
    let claims = claims(json);
    let facts = TokenFacts {
        issuer: ISSUER,
        kid: None,
        claims: &claims,
    };
    set.check(&facts, None).is_err()
}

#[test]
fn what_was_written_is_read_tables_and_deltas_removed_and_over() {
    let mut writer = RevocationWriter::new().unwrap();
    let values: Vec<String> = (0..20_000).map(|n| format!("j{n}")).collect();
    let revocation = |n: usize| Revocation {
        until: n.is_multiple_of(3).then(|| at(100)),
        ..for_ever(RevocationTarget::Jti(&values[n]))
    };
    let mut load = writer.load();
    (0..19_000).for_each(|n| load.add(&revocation(n)));
    load.finish();
    // These lie in deltas.
    (19_000..20_000).for_each(|n| writer.add(&revocation(n)));
    for n in (0..20_000).step_by(7) {
        assert!(writer.remove(ISSUER, RevocationTarget::Jti(&values[n])));
    }
    let bytes = bytes_of(&writer);
    assert_eq!(bytes.len(), 24 + 24 * writer.publish().len());
    for (now, over) in [(99, false), (100, true)] {
        let mut read = read(&bytes, now).unwrap();
        let set = read.publish();
        for n in 0..20_000 {
            let expected = n % 7 != 0 && !(over && n % 3 == 0);
            let json = format!(r#"{{"jti":"j{n}"}}"#);
            assert_eq!(refuses(&set, &json), expected, "{n} at {now}");
        }
        // It is a writer like any other.
        read.add(&for_ever(RevocationTarget::Sub("u")));
        read.remove(ISSUER, RevocationTarget::Jti("j1"));
        let set = read.publish();
        assert!(refuses(&set, r#"{"sub":"u"}"#));
        assert!(!refuses(&set, r#"{"jti":"j1"}"#));
    }
}

#[test]
fn a_set_that_was_read_is_another_than_the_one_that_was_written() {
    let writer = writer_with(&[for_ever(RevocationTarget::Jti("j"))]);
    let read = read(&bytes_of(&writer), 0).unwrap();
    // Otherwise what a worker found clean under the one would not be looked at under the other.
    assert_ne!(writer.publish().version(), read.publish().version());
}

#[test]
fn what_is_no_set_is_refused_and_takes_no_memory() {
    let whole = bytes_of(&writer_with(&[
        for_ever(RevocationTarget::Jti("a")),
        for_ever(RevocationTarget::Jti("b")),
    ]));
    for length in 0..whole.len() {
        assert!(read(&whole[..length], 0).is_err(), "{length}");
    }
    assert_eq!(read(&whole, 0).unwrap().publish().len(), 2);
    let mut claims_more = whole;
    claims_more[16..24].fill(0xff);
    assert!(read(&claims_more, 0).is_err());
}
