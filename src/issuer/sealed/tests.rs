use std::collections::BTreeSet;

use super::*;

/// `content` for the purpose `family a` under 32 bytes of 7, made with another implementation of HKDF and AES-GCM.
const SEALED_BY_VERSION_1: [u8; 36] = [
    0x01, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x23, 0x80, 0x0b,
    0x16, 0x36, 0xe4, 0x4d, 0x91, 0x4f, 0xf7, 0x70, 0x0e, 0xfc, 0x4e, 0x0c, 0x54, 0xa5, 0x15, 0x0a,
    0x78, 0xdd, 0x50, 0x44,
];

fn sealer(secret: &[u8]) -> Sealer {
    Sealer::new(&Secret::new(secret.to_vec())).unwrap()
}

#[test]
fn what_is_sealed_opens_for_its_purpose_alone() {
    let sealer = sealer(&[7; 32]);
    for content in [&b""[..], b"x", &[9; 5000]] {
        let stored = sealer.seal("family a", content).unwrap();
        assert_eq!(stored.len(), HEAD + content.len() + TAG);
        assert_eq!(&**sealer.open("family a", &stored).unwrap(), content);
        for other in ["", "family b", "family a ", "family", "signing key a"] {
            assert_eq!(
                sealer.open(other, &stored),
                Err(SealError::Opened),
                "{other}"
            );
        }
    }
}

#[test]
fn another_secret_opens_nothing() {
    let sealed = sealer(&[7; 32]).seal("p", b"content").unwrap();
    for other in [&[7; 33][..], &[8; 32], &[0; 32], &[7; 31]] {
        assert_eq!(sealer(other).open("p", &sealed), Err(SealError::Opened));
    }
    assert!(sealer(&[7; 32]).open("p", &sealed).is_ok());
}

#[test]
fn whatever_is_changed_is_noticed() {
    let sealer = sealer(&[7; 32]);
    let stored = sealer.seal("p", b"content").unwrap();
    for at in 0..stored.len() {
        for bit in 0..8 {
            let mut changed = stored.clone();
            changed[at] ^= 1 << bit;
            let expected = if at == 0 {
                SealError::Format
            } else {
                SealError::Opened
            };
            assert_eq!(sealer.open("p", &changed), Err(expected), "{at}");
        }
    }
    for length in 0..stored.len() {
        assert!(sealer.open("p", &stored[..length]).is_err(), "{length}");
    }
    let longer = [&stored[..], b"x"].concat();
    assert_eq!(sealer.open("p", &longer), Err(SealError::Opened));
}

#[test]
fn nothing_is_sealed_the_same_way_twice() {
    let sealer = sealer(&[7; 32]);
    let all: BTreeSet<Vec<u8>> = (0..1000)
        .map(|_| sealer.seal("p", b"content").unwrap())
        .collect();
    let nonces: BTreeSet<&[u8]> = all.iter().map(|sealed| &sealed[1..HEAD]).collect();
    assert_eq!((all.len(), nonces.len()), (1000, 1000));
}

/// A store outlives the program that has sealed it.
#[test]
fn what_an_earlier_program_has_sealed_opens() {
    let opened = sealer(&[7; 32]).open("family a", &SEALED_BY_VERSION_1);
    let opened = opened.unwrap();
    assert_eq!(&**opened, b"content");
}

#[test]
fn it_does_not_print_itself() {
    assert_eq!(format!("{:?}", sealer(&[7; 32])), "Sealer(redacted)");
}

mod of_a_configuration {
    use std::fs;
    use std::path::Path;

    use crate::config::{self, Environment};
    use crate::issuer::testing::PLAIN;

    use super::*;

    fn config(state: &Path, more: &str) -> Config {
        let text = PLAIN.replace("audience", &format!("{more}\naudience"));
        let file = state.join("gateway.toml");
        fs::write(&file, text).unwrap();
        let variables = [("STATE_DIRECTORY", state.to_str().unwrap())];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        config::load(&file, &Environment(variables.into())).unwrap()
    }

    fn sealer(config: &Config) -> Result<Sealer, ConfigError> {
        Sealer::of(config.local_issuer.as_ref().unwrap(), config)
    }

    #[test]
    fn a_secret_that_is_not_configured_is_made_once() {
        let state = tempfile::tempdir().unwrap();
        let config = config(state.path(), "");
        let sealed = sealer(&config).unwrap().seal("p", b"content").unwrap();
        assert!(state.path().join("store.key").is_file());
        let again = sealer(&config).unwrap();
        assert_eq!(&**again.open("p", &sealed).unwrap(), b"content");
    }

    #[test]
    fn the_file_that_was_made_can_be_configured() {
        let state = tempfile::tempdir().unwrap();
        let made = sealer(&config(state.path(), "")).unwrap();
        let sealed = made.seal("p", b"content").unwrap();
        let key = format!(
            "encryption_key = \"${{file:{}}}\"",
            state.path().join("store.key").display()
        );
        let configured = sealer(&config(state.path(), &key)).unwrap();
        assert!(configured.open("p", &sealed).is_ok());
    }

    #[test]
    fn a_configured_secret_leaves_no_file() {
        let state = tempfile::tempdir().unwrap();
        let secret = "0123456789abcdef0123456789abcdef";
        let config = config(state.path(), &format!("encryption_key = \"{secret}\""));
        let sealed = sealer(&config).unwrap().seal("p", b"content").unwrap();
        assert!(!state.path().join("store.key").exists());
        assert!(super::sealer(secret.as_bytes()).open("p", &sealed).is_ok());
    }

    #[test]
    fn a_file_that_everybody_can_read_is_told_by_its_name() {
        use std::os::unix::fs::PermissionsExt;
        let state = tempfile::tempdir().unwrap();
        let config = config(state.path(), "");
        sealer(&config).unwrap();
        let file = state.path().join("store.key");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let shown = sealer(&config).unwrap_err().to_string();
        assert!(
            shown.contains("store.key") && shown.contains("chmod 600"),
            "{shown}"
        );
    }

    #[test]
    fn a_store_that_others_reach_needs_a_configured_secret() {
        let state = tempfile::tempdir().unwrap();
        let mut config = config(state.path(), "");
        let url = Secret::new(b"postgres://db.test/portcullis".to_vec());
        config.store.as_mut().unwrap().url = StoreUrl::Postgres(url);
        let shown = sealer(&config).unwrap_err().to_string();
        assert!(shown.contains("`encryption_key` is missing"), "{shown}");
        assert!(!state.path().join("store.key").exists());
    }
}
