//! Many wrong signatures: who is refused, and who does not notice.

use portcullis::gate::{Reason, WorkerMemory};

use crate::world::{Setup, TokenSpec, Workshop, ask};

#[test]
fn cached_tokens_are_served_while_wrong_signatures_are_refused_unchecked() {
    let setup = Setup {
        budget: Some(2),
        ..Setup::default()
    };
    let snapshot = Workshop::new().build(&setup, None);
    let mut memory = WorkerMemory::new(1 << 20);
    let mut reason =
        |spec: TokenSpec, after| ask(&snapshot, &mut memory, "/a", &spec.sign(), after).reason();
    let known = TokenSpec::default();
    assert_eq!(reason(known.clone(), 0), None);
    let forged = |subject| TokenSpec {
        forged: true,
        subject,
        ..TokenSpec::default()
    };
    // What is refused before the signature costs nobody anything.
    for spec in [
        TokenSpec {
            issuer: 2,
            ..forged(0)
        },
        TokenSpec {
            kid: 9,
            ..forged(0)
        },
        TokenSpec {
            expires: -100,
            ..forged(0)
        },
    ] {
        for _ in 0..100 {
            assert_ne!(reason(spec.clone(), 0), Some(Reason::TooManyBadTokens));
        }
    }
    let refused =
        (0..100).find(|number| reason(forged(*number), 0) == Some(Reason::TooManyBadTokens));
    assert_eq!(refused, Some(10), "2 a second, and five seconds at once");
    assert_eq!(reason(known, 0), None, "a cached token needs no check");
    let unknown = TokenSpec {
        subject: 9,
        ..TokenSpec::default()
    };
    assert_eq!(reason(unknown.clone(), 0), Some(Reason::TooManyBadTokens));
    let expired = TokenSpec {
        expires: -100,
        ..forged(1)
    };
    assert_eq!(
        reason(expired, 0),
        Some(Reason::Expired),
        "the cheap reasons stay"
    );
    assert_eq!(
        reason(unknown, 1),
        None,
        "a second later there is one check more"
    );
}
