//! Hashes come out of databases and files that somebody else may have written: what is accepted, what is not, and that
//! reading one neither panics nor allocates for what it says.

use portcullis::passwords::{Kind, Password, PasswordHash, PasswordHashError, Verdict, verify};
use proptest::prelude::*;

const SALT: &str = "c2FsdHNhbHRzYWx0c2FsdA";
const DIGEST: &str = "aomSxe9+DWlvzNsUOfEW2uZu88YvvD3nvPNYlN7DDDo";
/// 22 characters of salt and 31 of digest.
const BCRYPT: &str = "xojBOpn451V6CRtpyRd/kubouRkvkTI.XW9jNIBvR1WgAXcLUtrt.";

fn phc(parameters: &str) -> String {
    format!("$argon2id$v=19${parameters}${SALT}${DIGEST}")
}

#[test]
fn what_is_accepted_is_kept_as_it_is() {
    for (text, kind) in [
        (phc("m=19456,t=2,p=1"), Kind::Argon2id),
        // The limits themselves.
        (phc("m=262144,t=10,p=8"), Kind::Argon2id),
        (phc("m=8,t=1,p=1"), Kind::Argon2id),
        (
            phc("m=64,t=1,p=8").replace("argon2id", "argon2i"),
            Kind::Argon2i,
        ),
        (
            phc("m=64,t=1,p=8").replace("argon2id", "argon2d"),
            Kind::Argon2d,
        ),
        (format!("$2a$04${BCRYPT}"), Kind::Bcrypt),
        (format!("$2b$14${BCRYPT}"), Kind::Bcrypt),
        (format!("$2y$10${BCRYPT}"), Kind::Bcrypt),
        (
            "$apr1$KxOXBE.v$KgCmKZWkWGkVMRuMdGZtk/".to_owned(),
            Kind::Apr1,
        ),
        ("{SHA}L55TUjtiq8FBorTWAZ0jy6g129A=".to_owned(), Kind::Sha),
    ] {
        let hash = PasswordHash::parse(&text).expect(&text);
        assert_eq!((hash.as_str(), hash.kind()), (text.as_str(), kind));
        let weak = matches!(kind, Kind::Apr1 | Kind::Sha);
        assert_eq!(kind.is_weak(), weak, "{text}");
    }
}

/// What a hash may not cost, whoever wrote it: four GiB, a thousand passes, and so on.
#[test]
fn what_would_cost_too_much_is_refused_before_it_costs_anything() {
    for text in [
        phc("m=4194304,t=2,p=1"),
        phc("m=4294967295,t=2,p=1"),
        phc("m=99999999999999999999,t=2,p=1"),
        phc("m=262145,t=2,p=1"),
        phc("m=19456,t=1000,p=1"),
        phc("m=19456,t=11,p=1"),
        phc("m=19456,t=2,p=255"),
        phc("m=19456,t=2,p=9"),
        phc("m=7,t=1,p=1"),
        phc("m=63,t=1,p=8"),
        format!("$argon2id$v=19$m=8,t=1,p=1$c2FsdA${DIGEST}"),
        format!("$argon2id$v=19$m=8,t=1,p=1${SALT}$aomSxe9+DWk"),
        format!("$argon2id$v=19$m=8,t=1,p=1${0}${DIGEST}", SALT.repeat(4)),
        format!("$2b$15${BCRYPT}"),
        format!("$2b$31${BCRYPT}"),
        format!("$2b$99${BCRYPT}"),
        format!("$2b$03${BCRYPT}"),
        format!("$2b$00${BCRYPT}"),
    ] {
        let mut refused = None;
        let info = allocation_counter::measure(|| refused = PasswordHash::parse(&text).err());
        let bounds = matches!(refused, Some(PasswordHashError::OutOfBounds { .. }));
        assert!(bounds, "{text}: {refused:?}");
        assert!(info.bytes_max < 1024, "{text}: {} bytes", info.bytes_max);
    }
}

const NO_HASHES: &[&str] = &[
    "",
    "$",
    "$$",
    "hunter2",
    "plain:hunter2",
    "$argon2id",
    "$argon2id$",
    "$argon2id$v=19$",
    "$argon2id$v=19$m=8,t=1,p=1",
    "$argon2$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aomSxe9+DWlvzNsUOfEW2g",
    // crypt(3)'s DES, MD5 and SHA-2, scrypt, and a bcrypt known to be wrong.
    "rl0uE6CR9X9Qk",
    "$1$ab$2AViYtCrOwG81vjtLDlBI0",
    "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8",
    "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
    "$2x$04$xojBOpn451V6CRtpyRd/kubouRkvkTI.XW9jNIBvR1WgAXcLUtrt.",
    "$2$04$xojBOpn451V6CRtpyRd/kubouRkvkTI.XW9jNIBvR1WgAXcLUtrt.",
    "{SSHA}L55TUjtiq8FBorTWAZ0jy6g129A=",
    "{SHA}",
    "{SHA}L55TUjtiq8FBorTWAZ0jy6g129A",
    "{SHA}L55TUjtiq8FBorTWAZ0jy6g129AA=",
    "{sha}L55TUjtiq8FBorTWAZ0jy6g129A=",
    "$apr1$KxOXBE.v$KgCmKZWkWGkVMRuMdGZtk",
    "$apr1$KxOXBE.v$KgCmKZWkWGkVMRuMdGZtk/ ",
    "$apr1$KxOXBE.vv$KgCmKZWkWGkVMRuMdGZtk/",
    "$apr1$$KgCmKZWkWGkVMRuMdGZtk/",
    "$apr1$Kx:XBE.v$KgCmKZWkWGkVMRuMdGZtk/",
];

#[test]
fn what_is_no_hash_is_refused() {
    for text in NO_HASHES {
        assert!(PasswordHash::parse(text).is_err(), "{text}");
    }
    for (from, to) in [
        ("v=19", "v=18"),
        ("v=19", "v=019"),
        ("m=8", "m=+8"),
        ("m=8", "m=08"),
        ("m=8", "m="),
        ("m=8", "m=-8"),
        ("m=8,t=1", "t=1,m=8"),
        (",p=1", ""),
        (",p=1", ",p=1,keyid=AAAA"),
        (",p=1", ",p=1,data=AAAA"),
        ("c2Fs", "c2F="),
        ("c2Fs", "c2-_"),
        ("DDDo", "DDDo$"),
        ("DDDo", "DDDo="),
        ("DDDo", "DDDo\n"),
        // The last character stands for bits that are not there.
        ("DDDo", "DDDp"),
    ] {
        let text = phc("m=8,t=1,p=1");
        assert!(text.contains(from));
        let text = text.replacen(from, to, 1);
        assert!(PasswordHash::parse(&text).is_err(), "{text}");
    }
    for changed in ["4$", "004$", "+4$", "0x$"] {
        let text = format!("$2b${changed}{BCRYPT}");
        assert!(PasswordHash::parse(&text).is_err(), "{text}");
    }
    for changed in [
        &BCRYPT[1..],
        &format!("{BCRYPT}."),
        &BCRYPT.replace('/', "+"),
    ] {
        let text = format!("$2b$04${changed}");
        assert!(PasswordHash::parse(&text).is_err(), "{text}");
    }
}

#[test]
fn neither_debug_nor_an_error_shows_a_hash() {
    let hash = PasswordHash::parse(&phc("m=8,t=1,p=1")).expect("a hash");
    assert_eq!(format!("{hash:?}"), "PasswordHash(argon2id, redacted)");
    for text in [
        "hunter2",
        "{SHA}hunter2",
        "$2b$04$hunter2",
        &phc("m=hunter2"),
    ] {
        let error = PasswordHash::parse(text).expect_err(text);
        let said = format!("{error} {error:?}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// bcrypt reads 72 bytes, and C's strings to their first NUL: a password that differs only after that is another one.
#[test]
fn bcrypt_matches_no_password_that_it_would_cut() {
    // PyPI bcrypt 5.0, of 72 and of 71 times "a"; that library hashes only what it need not cut.
    let of_72 = "$2b$04$F5yjdvECHvjjfU/e1RYaVuyf.eU3nCPuPHVdV31aylq9xEBQb.4l6";
    let of_71 = "$2b$04$WKuX6Mgq7BgGqNVd6NTbFOqSNtbdbjuA.D/12vpuZibRKfLDoRQ2G";
    for (hash, password, right) in [
        (of_72, "a".repeat(72), true),
        (of_72, "a".repeat(71), false),
        (of_72, "a".repeat(73), false),
        (of_72, "a".repeat(1024), false),
        (of_71, "a".repeat(71), true),
        (of_71, "a".repeat(72), false),
        (of_71, format!("{}\0", "a".repeat(71)), false),
        // bcrypt repeats the password and its NUL: this would be the same key.
        (of_71, format!("{0}\0{0}", "a".repeat(71)), false),
    ] {
        let hash = PasswordHash::parse(hash).expect("a hash");
        let length = password.len();
        let password = Password::new(password.into_bytes()).expect("a password");
        let verdict = verify(&hash, &password).expect("memory");
        assert_eq!(verdict != Verdict::Wrong, right, "{length} bytes");
    }
}

/// Older programs left bits in the salt and in the digest that belong to nothing.
#[test]
fn bcrypt_ignores_the_bits_that_belong_to_nothing() {
    let password = || Password::new(b"correct horse".to_vec()).expect("a password");
    for text in [
        // `u` stands for the same salt as `v`; PHP 8.2, crypt().
        "$2a$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
        "$2a$04$abcdefghijklmnopqrstuvjydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
    ] {
        let hash = PasswordHash::parse(text).expect(text);
        let verdict = verify(&hash, &password()).expect("memory");
        assert_eq!(verdict, Verdict::RightButOutdated, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_allocate_much(text in any::<String>()) {
        check(&text)?;
    }

    /// Texts that are nearly hashes.
    #[test]
    fn no_near_miss_makes_it_panic_or_allocate_much(
        name in "(argon2id|argon2i|argon2d|2a|2b|2y|apr1|1)",
        rest in "(v=(16|19)\\$)?m=[0-9]{0,12},t=[0-9]{0,12},p=[0-9]{0,12}\\$[A-Za-z0-9+/=]{0,90}\\$[A-Za-z0-9+/=]{0,90}|[0-9]{2}\\$[./A-Za-z0-9ä]{50,56}|[./a-z]{0,9}\\$[./a-z]{20,24}",
    ) {
        check(&format!("${name}${rest}"))?;
    }

    #[test]
    fn a_long_text_is_not_even_read(text in "\\$argon2id\\$.{500,5000}") {
        prop_assert!(PasswordHash::parse(&text).is_err());
    }
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let mut parsed = None;
    let info = allocation_counter::measure(|| parsed = PasswordHash::parse(text).ok());
    prop_assert!(info.bytes_max < 4096, "{text}: {} bytes", info.bytes_max);
    if let Some(hash) = parsed {
        prop_assert_eq!(hash.as_str(), text);
    }
    Ok(())
}
