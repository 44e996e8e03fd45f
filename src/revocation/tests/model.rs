//! Any sequence of changes, against a list that is searched from one end to the other.

use super::*;

/// A change, or a look.
#[derive(Clone, Debug)]
enum Step {
    Add(Row),
    Load(Vec<Row>),
    Remove(usize, usize),
    Expire(i64),
    Publish,
    Check {
        token: usize,
        remembered: bool,
    },
    /// Enough additions for a merge of every shard.
    Fill(u32),
}

/// A revocation, its texts as numbers.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Row {
    issuer: usize,
    target: usize,
    before: Option<i64>,
    until: Option<i64>,
}

const ISSUERS: [&str; 2] = ["https://a.example", "https://b.example"];

const TARGETS: [RevocationTarget<'static>; 8] = [
    RevocationTarget::Jti("1"),
    RevocationTarget::Jti("2"),
    RevocationTarget::Sid("1"),
    RevocationTarget::Sub("1"),
    RevocationTarget::Client("1"),
    RevocationTarget::Client("2"),
    RevocationTarget::Kid("1"),
    RevocationTarget::All,
];

/// Issuer, `kid`, payload, `iat`, and which targets match.
type Token = (
    usize,
    Option<&'static str>,
    &'static str,
    i64,
    &'static [usize],
);

const TOKENS: [Token; 5] = [
    (0, None, r#"{"jti":"1","iat":10}"#, 10, &[0, 7]),
    (
        0,
        Some("1"),
        r#"{"jti":"2","sid":"1","iat":20}"#,
        20,
        &[1, 2, 6, 7],
    ),
    (
        1,
        None,
        r#"{"sub":"1","client_id":"1","iat":15}"#,
        15,
        &[3, 4, 7],
    ),
    (1, Some("1"), r#"{"azp":"2","sub":"2"}"#, 0, &[5, 6, 7]),
    (1, None, r#"{"jti":"3","iat":30}"#, 30, &[7]),
];

impl Row {
    fn revocation(&self) -> Revocation<'static> {
        Revocation {
            issuer: ISSUERS[self.issuer],
            target: TARGETS[self.target],
            before: self.before.map(at),
            until: self.until.map(at),
        }
    }
}

fn row() -> impl Strategy<Value = Row> {
    (
        0..ISSUERS.len(),
        0..TARGETS.len(),
        proptest::option::of(0_i64..40),
        proptest::option::of(1_i64..40),
    )
        .prop_map(|(issuer, target, before, until)| Row {
            issuer,
            target,
            before,
            until,
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => row().prop_map(Step::Add),
        1 => proptest::collection::vec(row(), 0..4).prop_map(Step::Load),
        2 => (0..ISSUERS.len(), 0..TARGETS.len()).prop_map(|(i, t)| Step::Remove(i, t)),
        1 => (0_i64..45).prop_map(Step::Expire),
        4 => Just(Step::Publish),
        6 => (0..TOKENS.len(), any::<bool>())
            .prop_map(|(token, remembered)| Step::Check { token, remembered }),
        1 => (0_u32..2).prop_map(Step::Fill),
    ]
}

/// The rule, said as simply as it can be.
fn refused(rows: &[Row], token: usize) -> Option<RevocationKind> {
    let (issuer, _, _, iat, matching) = TOKENS[token];
    let refusing = rows.iter().filter(|row| {
        row.issuer == issuer
            && matching.contains(&row.target)
            && row.before.is_none_or(|before| iat <= before)
    });
    refusing
        .map(|row| TARGETS[row.target].kind())
        .min_by_key(|kind| kind.code())
}

/// Enough for every shard to have more than a delta takes.
fn fill(writer: &mut RevocationWriter, round: u32) {
    for number in 0..12_000 {
        let jti = format!("{round}-{number}");
        writer.add(&Revocation {
            until: Some(at(1000)),
            ..for_ever(RevocationTarget::Jti(&jti))
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_set_says_what_a_list_says(steps in proptest::collection::vec(step(), 1..60)) {
        let mut writer = RevocationWriter::new().unwrap();
        let mut rows: Vec<Row> = Vec::new();
        let mut set = writer.publish();
        let mut published: Vec<Row> = Vec::new();
        // At which version each token was last found clean, as a cache remembers it.
        let mut memory: HashMap<usize, RevocationVersion> = HashMap::new();
        for step in steps {
            match step {
                Step::Add(row) => {
                    writer.add(&row.revocation());
                    rows.push(row);
                }
                Step::Load(more) => {
                    let mut load = writer.load();
                    for row in &more {
                        load.add(&row.revocation());
                    }
                    load.finish();
                    rows.extend(more);
                }
                Step::Remove(issuer, target) => {
                    let before = rows.len();
                    rows.retain(|row| (row.issuer, row.target) != (issuer, target));
                    let removed = writer.remove(ISSUERS[issuer], TARGETS[target]);
                    prop_assert_eq!(removed, rows.len() < before);
                }
                Step::Expire(now) => {
                    rows.retain(|row| row.until.is_none_or(|until| until > now));
                    writer.expire(at(now));
                }
                Step::Fill(round) => fill(&mut writer, round),
                Step::Publish => {
                    set = writer.publish();
                    published.clone_from(&rows);
                }
                Step::Check { token, remembered } => {
                    let (issuer, kid, payload, _, _) = TOKENS[token];
                    let claims = claims(payload);
                    let facts = TokenFacts { issuer: ISSUERS[issuer], kid, claims: &claims };
                    let seen = if remembered { memory.get(&token).copied() } else { None };
                    match set.check(&facts, seen) {
                        Ok(version) => {
                            prop_assert_eq!(version, set.version());
                            prop_assert_eq!(refused(&published, token), None);
                            memory.insert(token, version);
                        }
                        Err(revoked) => {
                            let expected = refused(&published, token);
                            if seen.is_none() {
                                prop_assert_eq!(Some(revoked.kind), expected);
                            } else {
                                // Of what is new, the narrowest: something older may have been removed since.
                                prop_assert!(expected.is_some());
                            }
                            memory.remove(&token);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn what_was_merged_is_found_and_its_neighbours_are_not() {
    let mut writer = RevocationWriter::new().unwrap();
    fill(&mut writer, 0);
    let name = |number: u32| format!("0-{number}");
    for number in (0..12_000).step_by(3) {
        assert!(writer.remove(ISSUER, RevocationTarget::Jti(&name(number))));
    }
    let set = writer.publish();
    assert_eq!(set.len(), 8_000);
    for number in 0..13_000 {
        let claims = claims(&format!(r#"{{"jti":"0-{number}"}}"#));
        let facts = TokenFacts {
            issuer: ISSUER,
            kid: None,
            claims: &claims,
        };
        let refused = number < 12_000 && number % 3 != 0;
        assert_eq!(set.check(&facts, None).is_err(), refused, "{number}");
    }
    writer.expire(at(1000));
    assert!(writer.publish().is_empty());
    assert_eq!(set.len(), 8_000, "what was published stays as it is");
}
