use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::secret::Secret;

use super::*;

fn family(byte: u8) -> FamilySecret {
    FamilySecret(Zeroizing::new([byte; 32]))
}

fn session(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

#[test]
fn a_token_comes_back_as_it_was() {
    let token = family(1).token(session(5), 7);
    let text = token.expose();
    assert_eq!((text.len(), &text[..4]), (74, "prt_"));
    let again = RefreshToken::parse(&text).unwrap();
    assert_eq!((again.session(), again.generation()), (session(5), 7));
    assert_eq!(again.digest(), token.digest());
    assert!(again.is_of(&family(1)));
}

#[test]
fn a_token_is_of_one_family_one_session_and_one_place_in_it() {
    let token = family(1).token(session(5), 7);
    assert!(!token.is_of(&family(2)));
    let moved = RefreshToken {
        session: session(6),
        ..token
    };
    let counted = RefreshToken {
        generation: 8,
        ..token
    };
    assert!(!moved.is_of(&family(1)) && !counted.is_of(&family(1)));
    let all: Vec<RefreshToken> = (0..100)
        .map(|generation| family(1).token(session(5), generation))
        .collect();
    let digests: BTreeSet<[u8; 32]> = all.iter().map(RefreshToken::digest).collect();
    assert_eq!(digests.len(), all.len());
    assert!(all.iter().all(|token| token.is_of(&family(1))));
}

#[test]
fn a_token_has_one_spelling() {
    let text = family(1).token(session(5), 7).expose();
    let body = &text[4..];
    // 416 bits in 420: the last character has four that must be zero.
    let last = body.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let spellings = alphabet
        .chars()
        .filter(|c| RefreshToken::parse(&format!("{}{c}", &text[..73])).is_some());
    assert_eq!(spellings.count(), 4, "one for each of the two bits");
    for wrong in [
        String::new(),
        "prt_".to_owned(),
        body.to_owned(),
        format!("PRT_{body}"),
        format!("prt-{body}"),
        format!(" {text}"),
        format!("{text} "),
        format!("{text}="),
        format!("{text}=="),
        format!("{text}A"),
        format!("{text}AA"),
        format!("{text}AAAA"),
        format!("prt_prt_{body}"),
        text[..73].to_owned(),
        text[..70].to_owned(),
        format!("{}+", &text[..73]),
        format!("{}\0{last}", &text[..72]),
        format!("{}ä", &text[..72]),
        "x".repeat(65536),
        format!("prt_{}", "A".repeat(65536)),
    ] {
        assert!(RefreshToken::parse(&wrong).is_none(), "{wrong:?}");
    }
}

#[test]
fn the_secret_is_sealed_for_its_session() {
    let sealer = Sealer::new(&Secret::new(vec![3; 32])).unwrap();
    let secret = FamilySecret::random().unwrap();
    let stored = secret.seal(&sealer, session(5)).unwrap();
    let opened = FamilySecret::open(&sealer, session(5), &stored).unwrap();
    assert!(secret.token(session(5), 1).is_of(&opened));
    let other = FamilySecret::open(&sealer, session(6), &stored);
    assert_eq!(other.unwrap_err(), SealError::Opened);
    let short = sealer.seal(&purpose(session(5)), &[1; 31]).unwrap();
    let short = FamilySecret::open(&sealer, session(5), &short);
    assert_eq!(short.unwrap_err(), SealError::Format);
}

#[test]
fn two_families_have_nothing_in_common() {
    let families: BTreeSet<[u8; 32]> = (0..100)
        .map(|_| FamilySecret::random().unwrap())
        .map(|family| family.token(session(5), 0).digest())
        .collect();
    assert_eq!(families.len(), 100);
}

/// A store outlives the program that has filled it: the same secret gives the same tokens for ever.
#[test]
fn the_tokens_of_a_secret_never_change() {
    assert_eq!(
        family(1).token(session(5), 7).expose(),
        "prt_AAAAAAAAAAAAAAAAAAAABQAAAAddX2P9yLJ17uR6MK7UMTv5Hy-Kkq5MHdWOIDo79Xzpzg"
    );
}

#[test]
fn nothing_secret_prints_itself() {
    let token = family(1).token(session(5), 7);
    let shown = format!("{token:?}");
    assert!(shown.contains("generation: 7"), "{shown}");
    assert!(!shown.contains("mac"), "{shown}");
    assert_eq!(format!("{:?}", family(1)), "FamilySecret(redacted)");
}

proptest! {
    #[test]
    fn what_parses_is_spelt_like_that(text in "(prt_)?[A-Za-z0-9_-]{68,72}") {
        if let Some(token) = RefreshToken::parse(&text) {
            prop_assert_eq!(token.expose(), text);
            prop_assert!(!token.is_of(&family(1)));
        }
    }

    #[test]
    fn no_text_panics(text in ".{0,100}") {
        let _ = RefreshToken::parse(&text);
    }
}
