use super::*;
use crate::passwords::Kind;

/// Who made the hash, the hash, the password, and whether a new hash should take its place.
const MADE_ELSEWHERE: [(&str, &str, &str, bool); 19] = [
    (
        "argon2-cffi 25.1, its default",
        "$argon2id$v=19$m=65536,t=3,p=4$DKn1NqRn2o4iYBhk2tMILw$52IF8gB0k5v2uwLhPE6/HCMZjOUhi9cKKDNkftcJKnA",
        "correct horse",
        false,
    ),
    (
        "argon2-cffi 25.1, our default",
        "$argon2id$v=19$m=19456,t=2,p=1$rSO+ELY3QuPTkUuPROPFMw$PZABEXaR7vrMFCLMt4hf7QGJ/1bYgBM8RJKkK9fSDv0",
        "correct horse",
        false,
    ),
    (
        "argon2-cffi 25.1",
        "$argon2id$v=19$m=19456,t=2,p=1$rMJCpiAZpykv86gSQZsjBw$dpcjZ0yoS9L47ErouXSj3N9tIB5r0oF76LTjABTOTck",
        "pässwörd",
        false,
    ),
    (
        "argon2-cffi 25.1",
        "$argon2id$v=19$m=19456,t=2,p=1$u346TQmImz3V02qQghC3JA$VRJD0YZ5Jw7DMVmTTaybq5dHS+IGlxCDt//X6riySeQ",
        "nul\0inside",
        false,
    ),
    (
        "argon2-cffi 25.1, cheap",
        "$argon2id$v=19$m=1024,t=2,p=2$KWrG1W6bfnDMWhdoT3WvHQ$eHZVOjLvn5OkuH+aQ7jyLaD2aJMag8qH",
        "correct horse",
        true,
    ),
    (
        "PHP 8.2, password_hash with 8 MiB",
        "$argon2id$v=19$m=8192,t=4,p=1$T0FUQTVvd1UzNFVibW12MQ$8Zb4VlY4mtO4RWEsBSlL5CMZ45VwPQ5IWgY0mtiDPIw",
        "correct horse",
        true,
    ),
    (
        "argon2-cffi 25.1",
        "$argon2i$v=19$m=1024,t=2,p=2$5qtaJ1Cejof3rJiLNzxRPQ$PqUucwLWXoWGnMNoTeH84NFR8B1vyi3W",
        "correct horse",
        true,
    ),
    (
        "argon2-cffi 25.1",
        "$argon2d$v=19$m=1024,t=2,p=2$HaiLaN/YMyJPg/cyzzrAfQ$McevMX9ZiNj1QDpak7mWs3xFRW/7/+1x",
        "correct horse",
        true,
    ),
    (
        "argon2-cffi 25.1, the first version",
        "$argon2i$v=16$m=1024,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aomSxe9+DWlvzNsUOfEW2uZu88YvvD3nvPNYlN7DDDo",
        "correct horse",
        true,
    ),
    (
        "the same, as it was written before versions were",
        "$argon2i$m=1024,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aomSxe9+DWlvzNsUOfEW2uZu88YvvD3nvPNYlN7DDDo",
        "correct horse",
        true,
    ),
    (
        "PyPI bcrypt 5.0",
        "$2a$04$eumwmW2YfKDUyb2giTdwT.R3ctmLLgI9BBWLicjPtKf59kXpAvLJS",
        "correct horse",
        true,
    ),
    (
        "PyPI bcrypt 5.0",
        "$2b$04$xojBOpn451V6CRtpyRd/kubouRkvkTI.XW9jNIBvR1WgAXcLUtrt.",
        "correct horse",
        true,
    ),
    (
        "PHP 8.2, password_hash",
        "$2y$04$Q4XhsEvLeZbTkyluyDHHvuoZghdGqOx6FRC3yGWxzax.KPromRwSi",
        "correct horse",
        true,
    ),
    (
        "htpasswd 2.4.71 -B",
        "$2y$05$hpFX5u5k5Wnk03n3Fin.4OoJ7HpzRGzErwPakJ2qN/yWMd9OS5lh2",
        "pässwörd",
        true,
    ),
    (
        "htpasswd 2.4.71 -m",
        "$apr1$KxOXBE.v$KgCmKZWkWGkVMRuMdGZtk/",
        "correct horse",
        true,
    ),
    (
        "htpasswd 2.4.71 -m, more than a block of MD5",
        "$apr1$/.83jonT$22udmHSGq5DpRYpzV41U5/",
        "0123456789abcdef0123456789abcdef-longer than two blocks of md5",
        true,
    ),
    (
        "OpenSSL 3.0 passwd -apr1 -salt ab",
        "$apr1$ab$2AViYtCrOwG81vjtLDlBI0",
        "correct horse",
        true,
    ),
    (
        "htpasswd 2.4.71 -s",
        "{SHA}L55TUjtiq8FBorTWAZ0jy6g129A=",
        "correct horse",
        true,
    ),
    (
        "htpasswd 2.4.71 -s",
        "{SHA}9Rfd8dMqES/xrVXGbRsSyzjn6Pc=",
        "pässwörd",
        true,
    ),
];

fn password(text: &str) -> Password {
    Password::new(text.as_bytes().to_vec()).unwrap()
}

fn verdict(hash: &str, text: &str) -> Verdict {
    verify(&PasswordHash::parse(hash).unwrap(), &password(text)).unwrap()
}

#[test]
fn hashes_of_other_programs_are_verified_and_the_old_ones_marked() {
    for (program, hash, right, outdated) in MADE_ELSEWHERE {
        let expected = if outdated {
            Verdict::RightButOutdated
        } else {
            Verdict::Right
        };
        assert_eq!(verdict(hash, right), expected, "{program}: {hash}");
        // One byte more, one less, another one.
        let shorter = &right[..right.len() - 1];
        for wrong in [&format!("{right} "), shorter, &right.replace('r', "R"), "x"] {
            if wrong != right {
                assert_eq!(verdict(hash, wrong), Verdict::Wrong, "{program}: {wrong:?}");
            }
        }
    }
}

#[test]
fn a_hash_of_ours_is_the_one_that_others_make_of_the_same_salt() {
    // argon2-cffi 25.1: hash_secret(b"correct horse", salt, 2, 19456, 1, 32, Type.ID)
    let hash = hash(
        &password("correct horse"),
        Cost::DEFAULT,
        *b"0123456789abcdef",
    )
    .unwrap();
    let theirs = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk";
    assert_eq!(hash.as_str(), theirs);
    assert_eq!(hash.kind(), Kind::Argon2id);
    let stored = PasswordHash::parse(hash.as_str()).unwrap();
    assert_eq!(stored, hash);
    let right = verify(&stored, &password("correct horse")).unwrap();
    assert_eq!(right, Verdict::Right);
    let wrong = verify(&stored, &password("correct horsf")).unwrap();
    assert_eq!(wrong, Verdict::Wrong);
}

#[test]
fn every_length_of_a_password_works() {
    for length in [1, 1024] {
        let long = Password::new(vec![b'a'; length]).unwrap();
        let hash = hash(&long, Cost::new(8, 1, 1).unwrap(), [7; 16]).unwrap();
        assert_eq!(verify(&hash, &long).unwrap(), Verdict::RightButOutdated);
        let other = Password::new(vec![b'b'; length]).unwrap();
        assert_eq!(verify(&hash, &other).unwrap(), Verdict::Wrong);
    }
    // argon2-cffi 25.1
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$O6mdeqHxV+JF5XdFv2JSGQ$UxozX5TcXd5zh4xmw4JeviczPzsszg6s3DmDlAmKtKg";
    assert_eq!(verdict(hash, &"a".repeat(1024)), Verdict::Right);
    assert_eq!(verdict(hash, &"a".repeat(1023)), Verdict::Wrong);
}

#[test]
fn nothing_after_a_nul_is_ignored() {
    for (program, hash, right, _) in MADE_ELSEWHERE {
        let longer = format!("{right}\0more");
        assert_eq!(verdict(hash, &longer), Verdict::Wrong, "{program}");
        let only = format!("{right}\0");
        assert_eq!(verdict(hash, &only), Verdict::Wrong, "{program}");
    }
}

#[test]
fn nobody_is_never_right() {
    assert_eq!(dummy(&password("correct horse")).unwrap(), Verdict::Wrong);
}
